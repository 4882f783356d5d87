"""Amos's arrows and equations as lavaan's text: `convert_amos`.

Lines of Amos programs and of its tables of estimates:

    visperc <--- spatial (1)          spatial <--> verbal (r)
    x1 = (1) f + (1) e1               e1 (0.5)
    RAD <--- AMC  .742 .061 12.2 *** par_3

An error variable is one with a single arrow, fixed at 1, to something that other arrows reach, too.
A construct is what has an arrow that is fixed at 1 to something else than an error's only aim.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import combinations

from bayessem.convert.conversion import Conversion
from bayessem.errors import ModelError
from bayessem.syntax.expression import number_text

_NAME = r"[A-Za-z_][\w.]*"
_ARROW = re.compile(rf"({_NAME})\s*(<-+>|<-+|-+>)\s*({_NAME})\s*(.*)")
_ERROR = re.compile(r"(e|err|error|eps|d|dist|delta|res|resid|r|u|z|zeta)[_.]?[A-Za-z]?\d*", re.I)
_CALL = re.compile(r'\b\w*\.?AStructure\s*\(?\s*"([^"]*)"', re.I)
# Heads of tables, and what surrounds the lines of a program.
_AROUND = re.compile(
    r"(regression weights|covariances|variances|correlations|means|intercepts)\b.*:|"
    r"\s*estimate\s+s\.?e|(sub|end sub|dim|try|finally|end try|imports|module|end module)\b|"
    r"sem\.(dispose|beginggroup|begingroup|textoutput|standardized|smc|fitmodel)",
    re.I,
)


@dataclass
class _Arrows:
    """Arrows (aim, origin, value), double arrows (a, b, value), variances, and what was not read.

    A value is a number (fixed), a label, or "".
    """

    single: list[tuple[str, str, float | str]] = field(default_factory=list)
    double: list[tuple[str, str, float | str]] = field(default_factory=list)
    variances: dict[str, float | str] = field(default_factory=dict)
    not_taken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def convert_amos(text: str, *, columns: Collection[str] = ()) -> Conversion:
    """Convert the arrows of a model in Amos.

    Parameters
    ----------
    text : str
        Lines of a program, or of the tables of its text output.
    columns : collection of str, optional
        Names of the observed variables, where the data are at hand; otherwise constructs are seen
        from their arrows.

    Returns
    -------
    Conversion

    Raises
    ------
    ModelError
        When there is no arrow.
    """
    read = _read(text)
    if not read.single:
        raise ModelError("a model of Amos has arrows, as in 'x1 <--- f (1)'; this text has none")
    errors = _errors(read, columns)
    latent = _latent(read, errors, columns)
    measuring, paths = _relations(read, errors, latent)
    lines = [
        *(f"{name} =~ {' + '.join(terms)}" for name, terms in measuring.items()),
        *(f"{name} ~ {' + '.join(terms.values())}" for name, terms in paths.items()),
        *_covariances(read, errors, latent, paths),
    ]
    notes = [f"constructs: {', '.join(latent) or 'none'}, as their arrows say"] * (not columns)
    return Conversion(
        program="Amos",
        title="",
        model="\n".join(lines),
        not_taken=tuple(read.not_taken),
        notes=(*notes, *read.notes),
    )


def _read(text: str) -> _Arrows:
    out = _Arrows()
    for number, line in enumerate(text.splitlines(), start=1):
        called = _CALL.search(line)
        said = called[1] if called else line.split("'")[0]
        said = said.strip().strip('";')
        if not said or (_AROUND.match(said) and "<" not in said):
            continue
        try:
            _read_line(said, out)
        except ModelError as problem:
            out.not_taken.append(f'line {number}: "{said}": {problem}')
    return out


def _read_line(said: str, out: _Arrows) -> None:
    arrow = _ARROW.fullmatch(said)
    if arrow:
        left, kind, right, rest = arrow.groups()
        value = _value(rest)
        if kind.startswith("<") and kind.endswith(">"):
            out.double.append((left, right, value))
        else:
            aim, origin = (left, right) if kind.startswith("<") else (right, left)
            out.single.append((aim, origin, value))
        return
    aim, sign, sum_of = said.partition("=")
    if sign and re.fullmatch(_NAME, aim.strip()):
        for term in sum_of.split("+"):
            found = re.fullmatch(rf"\s*(\([^()]*\))?\s*\*?\s*({_NAME})\s*", term)
            if found is None:
                raise ModelError(f"cannot read the term {term.strip()!r}")
            out.single.append((aim.strip(), found[2], _value(found[1] or "")))
        return
    alone = re.fullmatch(rf"({_NAME})\s*(\(.*\)|[-\d.].*)", said)
    if alone is None:
        raise ModelError("neither an arrow nor an equation")
    out.variances[alone[1]] = _value(alone[2])


def _value(text: str) -> float | str:
    """What stands behind an arrow: "(1)", "(a)", or the columns of a table of estimates."""
    text = text.strip()
    inside = re.fullmatch(r"\(\s*([^()]*?)\s*\)", text)
    words = [inside[1]] if inside else text.split()
    if not words or words == [""]:
        return ""
    number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", words[0])
    if inside or len(words) == 1:
        if number:
            return float(words[0])
        if re.fullmatch(_NAME, words[0]):
            return words[0]
        raise ModelError(f"{text!r} is neither a number nor a label")
    if not number:
        raise ModelError(f"cannot read {text!r}")
    # estimate, standard error, critical ratio, p, label: labels that Amos gave are none
    label = words[-1] if re.fullmatch(_NAME, words[-1]) else ""
    return "" if label.lower().startswith("par_") else label


def _errors(read: _Arrows, columns: Collection[str]) -> dict[str, str]:
    """Error variables with what they are the error of."""
    aims = {aim for aim, _, _ in read.single}
    candidates: dict[str, list[str]] = {}
    for aim, origin, value in read.single:
        alone = sum(o == origin for _, o, _ in read.single) == 1
        if alone and value == 1.0 and origin not in aims and origin not in columns:
            candidates.setdefault(aim, []).append(origin)
    out = {}
    for aim, names in candidates.items():
        others = [o for a, o, _ in read.single if a == aim and o not in names]
        named = [name for name in names if _ERROR.fullmatch(name)]
        if others or len(names) > 1 or named:
            out[(named or names)[-1]] = aim
    return out


def _latent(read: _Arrows, errors: dict[str, str], columns: Collection[str]) -> tuple[str, ...]:
    """Constructs: what is no column; without columns, what has an arrow or variance of 1."""
    names = dict.fromkeys(
        name for aim, origin, _ in read.single for name in (origin, aim) if name not in errors
    )
    if columns:
        return tuple(name for name in names if name not in columns)
    scaled = {origin for _, origin, value in read.single if value == 1.0}
    scaled |= {name for name, value in read.variances.items() if value == 1.0}
    origins = {origin for _, origin, _ in read.single}
    return tuple(n for n in names if n in scaled and n in origins)


def _relations(
    read: _Arrows, errors: dict[str, str], latent: Collection[str]
) -> tuple[dict[str, list[str]], dict[str, dict[str, str]]]:
    """Terms of loadings by construct, and of paths by outcome and predictor."""
    origins = {origin for _, origin, _ in read.single}
    measuring: dict[str, list[str]] = {}
    paths: dict[str, dict[str, str]] = {}
    own = [(aim, origin, value) for aim, origin, value in read.single if origin not in errors]
    has_items = {o for aim, o, _ in own if o in latent and aim not in latent and aim not in origins}
    freed = _freed(own, latent)
    for aim, origin, value in own:
        leaf = aim not in latent and aim not in origins
        higher = aim in latent and origin not in has_items
        if origin in latent and (leaf or higher):
            first = origin not in measuring and origin in freed
            measuring.setdefault(origin, []).append(("NA*" if first else "") + _term(value, aim))
        else:
            paths.setdefault(aim, {})[origin] = _term(value, origin)
    return measuring, paths


def _freed(own: list[tuple[str, str, float | str]], latent: Collection[str]) -> frozenset[str]:
    """Constructs whose first arrow is not fixed, which lavaan would fix at 1."""
    first: dict[str, float | str] = {}
    for _, origin, value in own:
        first.setdefault(origin, value)
    return frozenset(n for n in latent if n in first and not isinstance(first[n], float))


def _term(value: float | str, name: str) -> str:
    text = number_text(value) if isinstance(value, float) else value
    return f"{text}*{name}" if text else name


def _covariances(
    read: _Arrows,
    errors: dict[str, str],
    latent: Collection[str],
    paths: dict[str, dict[str, str]],
) -> list[str]:
    """Variances and covariances; those that lavaan would add and Amos does not have are 0."""
    out, pairs = [], set()
    for name, value in read.variances.items():
        if value != "":
            out.append(f"{errors.get(name, name)} ~~ {_term(value, errors.get(name, name))}")
    for a, b, value in read.double:
        if (a in errors) != (b in errors):
            read.not_taken.append(f"{a} <--> {b}: a covariance of an error with another variable")
            continue
        x, y = errors.get(a, a), errors.get(b, b)
        pairs.add(frozenset((x, y)))
        out.append(f"{x} ~~ {_term(value, y)}")
    aims = {aim for aim, origin, _ in read.single if origin not in errors}
    predictors = {x for terms in paths.values() for x in terms}
    exogenous = [name for name in latent if name not in aims]
    last = [y for y in paths if y not in predictors]
    for x, y in [*combinations(exogenous, 2), *combinations(last, 2)]:
        if frozenset((x, y)) not in pairs:
            out.append(f"{x} ~~ 0*{y}")
    return out
