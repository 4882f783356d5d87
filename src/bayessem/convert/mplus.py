"""An input file of Mplus as lavaan's text: `convert_mplus`.

Where the defaults of Mplus and lavaan differ, Mplus's are written out: groups with equal loadings
and intercepts, variables at both levels.
"""

from __future__ import annotations

from typing import Any

from bayessem.convert.conversion import Conversion
from bayessem.convert.mplus_effects import constraint_lines, indirect_lines
from bayessem.convert.mplus_input import PARTS, Piece, read_input
from bayessem.convert.mplus_model import Spoken, read_statement
from bayessem.convert.mplus_parameters import Cell, Parameters, gather, lines_of
from bayessem.convert.mplus_settings import Settings, read_settings
from bayessem.errors import ModelError

_LEVELS = {"%WITHIN%": 1, "%BETWEEN%": 2}


def convert_mplus(text: str) -> Conversion:
    """Convert an input file of Mplus.

    Parameters
    ----------
    text : str
        Of the file (.inp).

    Returns
    -------
    Conversion

    Raises
    ------
    SyntaxProblem
        For a text without a section MODEL.
    ModelError
        When nothing of the section could be taken.
    NotSupported
        For mixtures, exploratory factors, more than two levels.
    """
    title, pieces = read_input(text)
    settings = read_settings(pieces)
    spoken = _spoken(pieces, settings)
    parameters = gather(spoken, settings)
    if settings.two_level:
        _both_levels(parameters, settings)
    further = _further(pieces, parameters, spoken, settings)
    _unused(parameters, settings)
    model = "\n".join([*lines_of(parameters), *further])
    return Conversion(
        program="Mplus",
        title=title,
        model=model,
        model_options=_model_options(parameters, settings),
        fit_options=_fit_options(settings),
        not_taken=tuple(settings.not_taken),
        notes=(*settings.notes, *parameters.notes),
    )


def _spoken(pieces: tuple[Piece, ...], settings: Settings) -> Spoken:
    """All sections that speak of parameters, statement by statement."""
    out = Spoken(settings.names)
    groups = {name.casefold(): name for name in settings.groups.values()}
    level, section = 0, ""
    for piece in pieces:
        first, _, rest = piece.section.partition(" ")
        if first != "MODEL" or rest in PARTS:
            continue
        if piece.section != section:
            section, level = piece.section, 0
        if piece.text.startswith("%"):
            level = _LEVELS.get(piece.text.upper(), 0)
            if not level:
                settings.refuse(piece, "classes and further parts of a model are not there")
            continue
        group = groups.get(rest.casefold(), "")
        if rest and not group:
            settings.refuse(piece, f"{rest} is none of the groups of GROUPING")
            continue
        try:
            read_statement(piece, out, group=group, level=level)
        except ModelError as problem:
            settings.refuse(piece, str(problem))
    _drop_strangers(out, settings)
    if not out.mentions:
        listed = "; ".join(settings.not_taken) or "the section MODEL is empty"
        raise ModelError(f"nothing of the model could be taken: {listed}")
    return out


def _drop_strangers(spoken: Spoken, settings: Settings) -> None:
    """Names that are no columns, where those are named, and no constructs: a slip of the pen."""
    if not settings.columns:
        return
    made = [piece.text.partition("=")[0].strip() for piece in settings.defined]
    known = {name.casefold() for name in (*settings.columns, *made, *spoken.products)}
    known |= {m.lhs.casefold() for m in spoken.mentions if m.op == "=~"}
    strangers = dict.fromkeys(
        name
        for m in spoken.mentions
        for name in (m.lhs, m.rhs if m.op != "|" else "")
        if name and name.casefold() not in known
    )
    settings.not_taken += [
        f"MODEL: {name}: neither among NAMES, nor measured by BY, nor made by XWITH or DEFINE"
        for name in strangers
    ]
    spoken.mentions = [m for m in spoken.mentions if not {m.lhs, m.rhs} & set(strangers)]


def _both_levels(parameters: Parameters, settings: Settings) -> None:
    """Variables of one level that Mplus has at the other one, too: their variance there."""
    named = {
        level: dict.fromkeys(
            name
            for lhs, op, rhs, own in parameters.cells
            if own == level
            for name in (lhs, rhs)
            if name and op != "|" and name not in parameters.latent
        )
        for level in (1, 2)
    }
    only = {1: settings.within, 2: settings.between}
    for here, there in ((1, 2), (2, 1)):
        for name in named[here]:
            if name not in named[there] and name not in only[here]:
                parameters.cells[name, "~~", name, there] = [Cell()] * len(parameters.groups)


def _further(
    pieces: tuple[Piece, ...], parameters: Parameters, spoken: Spoken, settings: Settings
) -> list[str]:
    """Definitions and constraints, and on the list what other sections say."""
    lines: list[str] = []
    constraints = [p for p in pieces if p.section == "MODEL CONSTRAINT"]
    for piece in pieces:
        part = piece.section.partition(" ")[2]
        if piece.section == "MODEL INDIRECT":
            try:
                found = indirect_lines(piece, parameters, spoken.names)
                lines += [line for line in found if line not in lines]
            except ModelError as problem:
                settings.refuse(piece, str(problem))
        elif part in PARTS and piece not in constraints:
            settings.refuse(piece, f"bayessem has no {part.lower()} section")
    labels = {cell.label for cells in parameters.cells.values() for cell in cells} - {""}
    written, refused = constraint_lines(constraints, spoken.labels, labels)
    settings.not_taken += refused
    return lines + written


def _unused(parameters: Parameters, settings: Settings) -> None:
    """Variables in use that the model does not name: in Mplus they are there, uncorrelated."""
    named = {name for lhs, _, rhs, _ in parameters.cells for name in (lhs, rhs)}
    named |= {f for factors in parameters.products.values() for f in factors}
    idle = [name for name in settings.used if name not in named]
    if idle:
        settings.not_taken.append(
            f"VARIABLE: {', '.join(idle)}: in USEVARIABLES, but not in MODEL, where Mplus adds "
            "them uncorrelated with the rest"
        )
    unknown = sorted(set(settings.ordered) - named)
    settings.ordered = [name for name in settings.ordered if name in named]
    if unknown:
        settings.not_taken.append(f"VARIABLE: {', '.join(unknown)}: CATEGORICAL, but not in MODEL")


def _model_options(parameters: Parameters, settings: Settings) -> dict[str, Any]:
    """Arguments of the model: ordered variables, what is equal across groups."""
    out: dict[str, Any] = dict(settings.options)
    if settings.ordered:
        out["ordered"] = tuple(settings.ordered)
    if not settings.means:
        out["meanstructure"] = False
    if settings.groups and parameters.latent and parameters.equal != "CONFIGURAL":
        equal = ["loadings"]
        if parameters.equal == "SCALAR":
            equal += ["intercepts"] + ["thresholds"] * bool(settings.ordered)
        out["group_equal"] = tuple(equal)
        measured = {rhs for _, op, rhs, _ in parameters.cells if op == "=~"}
        outcomes = dict.fromkeys(lhs for lhs, op, _, _ in parameters.cells if op == "~")
        free = [f"{y}~1" for y in outcomes if y not in measured and y not in parameters.latent]
        if free and "intercepts" in equal:
            out["group_partial"] = tuple(free)
    return out


def _fit_options(settings: Settings) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if settings.group:
        out |= {"group": settings.group, "group_order": tuple(settings.groups)}
        named = ", ".join(f"{value} = {name}" for value, name in settings.groups.items())
        settings.notes.append(f"groups of {settings.group}: {named}")
    if settings.two_level and settings.cluster:
        out["cluster"] = settings.cluster
    if settings.listwise:
        out["missing"] = "listwise"
    return out
