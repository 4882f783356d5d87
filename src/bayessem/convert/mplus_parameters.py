"""Parameters as Mplus's groups and levels have them, and their text for lavaan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bayessem.convert.mplus_model import Item, Mention, Spoken
from bayessem.convert.mplus_settings import Settings
from bayessem.errors import ModelError
from bayessem.syntax.expression import number_text

Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class Cell:
    """A parameter in one group: its value where it is fixed, start value, label.

    `own` says that the group's own section speaks of it, which frees it from the other groups.
    """

    fixed: float | None = None
    freed: bool = False
    start: float | None = None
    label: str = ""
    own: bool = False


@dataclass
class Parameters:
    """All parameters that a model mentions, in the order of the text.

    Attributes
    ----------
    groups : tuple of str
        Names of the groups, ("",) for one.
    cells : dict
        Parameter to its cells, a cell a group.
    latent : tuple of str
        Constructs.
    """

    groups: tuple[str, ...]
    cells: dict[Key, list[Cell]]
    latent: tuple[str, ...]
    markers: frozenset[Key]
    products: dict[str, tuple[str, ...]]
    equal: str
    notes: list[str] = field(default_factory=list)

    def label(self, key: Key, group: int) -> str:
        """The label of a parameter in a group, a new one where it has none; "" for a fixed one."""
        cells = self.cells[key]
        if cells[group].fixed is not None:
            return ""
        if not any(cell.label for cell in cells):
            self.cells[key] = [
                replace(cell, label=self.new_label(key, g)) for g, cell in enumerate(cells)
            ]
        return self.cells[key][group].label

    def new_label(self, key: Key, group: int) -> str:
        """A label that says what it is of; one for all groups that are held equal."""
        lhs, op, rhs, level = key
        rhs = "_".join(self.products.get(rhs, (rhs,)))
        stem = {"=~": f"l_{lhs}_{rhs}", "~": f"b_{lhs}_{rhs}", "~1": f"m_{lhs}"}.get(
            op, f"v_{lhs}_{rhs}"
        )
        cell = self.cells[key][group]
        shared = self.held_equal(key) and not cell.own
        suffix = "" if len(self.groups) == 1 or shared else f"_{self.groups[group]}"
        return stem + ("_between" if level == 2 else "") + suffix

    def held_equal(self, key: Key) -> bool:
        """Whether Mplus holds a parameter equal across groups unless a group's section has it."""
        lhs, op, rhs, _ = key
        if len(self.groups) == 1:
            return False
        if op == "=~":
            return self.equal != "CONFIGURAL"
        measured = any(k[1] == "=~" and k[2] == lhs for k in self.cells)
        return self.equal == "SCALAR" and (op == "|" or (op == "~1" and measured))

    def fixed_by_default(self, key: Key, group: int, *, overall: bool) -> float | None:
        """The value of what a group's section, but not the model of all, speaks of; None: free."""
        lhs, op, rhs, _ = key
        if key in self.markers:
            return 1.0
        if op == "~1" and lhs in self.latent:
            return 0.0 if group == 0 or self.equal != "SCALAR" else None
        absent = op in ("=~", "~") or (op == "~~" and lhs != rhs and lhs not in self.latent)
        return 0.0 if absent and not overall else None


def gather(spoken: Spoken, settings: Settings) -> Parameters:
    """The parameters of all mentions, for all groups.

    Raises
    ------
    ModelError
        For a product that is no predictor.
    """
    groups = tuple(settings.groups.values()) or ("",)
    latent = tuple(dict.fromkeys(m.lhs for m in spoken.mentions if m.op == "=~"))
    by_key: dict[Key, list[Mention]] = {}
    for mention in spoken.mentions:
        by_key.setdefault(_ordered(mention, by_key), []).append(mention)
    out = Parameters(
        groups=groups,
        cells={key: [] for key in by_key},
        latent=latent,
        markers=_markers(spoken),
        products=dict(spoken.products),
        equal=settings.equal if settings.means else "METRIC",
    )
    for key, mentions in by_key.items():
        lhs, op, rhs, _ = key
        if lhs in spoken.products or (op != "~" and rhs in spoken.products):
            raise ModelError(f"{lhs} {op} {rhs}: a product (XWITH) is a predictor and nothing else")
        out.cells[key] = [_cell(key, mentions, g, out) for g in range(len(groups))]
        _drop_labels(key, out)
    _label_what_differs(out)
    return out


def _ordered(mention: Mention, known: dict[Key, list[Mention]]) -> Key:
    """A covariance is the same either way round."""
    lhs, op, rhs, level = mention.key
    turned = (rhs, op, lhs, level)
    return turned if op == "~~" and turned in known else mention.key


def _markers(spoken: Spoken) -> frozenset[Key]:
    """The first loading of each construct at each level, which is 1 unless the text says else."""
    first: dict[tuple[str, int], Mention] = {}
    for mention in spoken.mentions:
        if mention.op == "=~" and not mention.group:
            first.setdefault((mention.lhs, mention.level), mention)
    return frozenset(m.key for m in first.values() if not m.item.freed)


def _cell(key: Key, mentions: Sequence[Mention], group: int, all_of: Parameters) -> Cell:
    overall = [m for m in mentions if not m.group]
    own = [m for m in mentions if m.group and m.group == all_of.groups[group]]
    fixed = all_of.fixed_by_default(key, group, overall=bool(overall))
    cell = Cell(fixed=fixed)
    for mention in overall:
        cell = _changed(cell, mention.item, marker=key in all_of.markers)
    for mention in own:
        # a group that speaks of the marker frees it
        cell = replace(_changed(cell, mention.item, marker=False), own=True)
        if not mention.item.label:
            cell = replace(cell, label="")
    return cell


def _changed(cell: Cell, item: Item, *, marker: bool) -> Cell:
    """A cell after one more mention: without a value it frees, except for a marker."""
    fixed = item.fixed
    if fixed is None and marker and not item.freed:
        fixed = 1.0 if cell.fixed is None else cell.fixed
    return Cell(
        fixed=fixed,
        freed=item.freed,
        start=item.start if item.start is not None else cell.start,
        label=item.label or cell.label,
    )


def _drop_labels(key: Key, out: Parameters) -> None:
    """Labels of what is fixed say nothing."""
    for g, cell in enumerate(out.cells[key]):
        if cell.label and cell.fixed is not None:
            said = f"the label {cell.label} is of a parameter that is fixed at {cell.fixed:g}"
            out.notes += [said] * (said not in out.notes)
            out.cells[key][g] = replace(cell, label="")


def _label_what_differs(out: Parameters) -> None:
    """Where labels or groups of their own part what Mplus holds equal, every group needs one."""
    for key, cells in out.cells.items():
        free = [cell for cell in cells if cell.fixed is None]
        own = out.held_equal(key) and any(cell.own for cell in cells)
        if len(free) > 1 and (own or len({cell.label for cell in free}) > 1):
            out.cells[key] = [
                cell
                if cell.label or cell.fixed is not None
                else replace(cell, label=out.new_label(key, g))
                for g, cell in enumerate(cells)
            ]


def lines_of(parameters: Parameters) -> list[str]:
    """The text of lavaan, a line for each left side; at two levels below their heads."""
    levels = sorted({key[3] for key in parameters.cells})
    out: list[str] = []
    for level in levels:
        if level:
            out.append(f"level: {level}")
        lines: dict[tuple[str, str], list[str]] = {}
        for key in parameters.cells:
            lhs, op, _, own = key
            if own == level:
                lines.setdefault((lhs, op), []).append(_term(key, parameters))
        indent = "  " if level else ""
        for (lhs, op), terms in lines.items():
            out.append(f"{indent}{lhs} {'~' if op == '~1' else op} {' + '.join(terms)}")
    return out


def _term(key: Key, parameters: Parameters) -> str:
    _, op, rhs, _ = key
    name = "1" if op == "~1" else ":".join(parameters.products.get(rhs, (rhs,)))
    cells = parameters.cells[key]
    modifiers = [
        _fixed(key, parameters),
        _starts(cells),
        _vector([cell.label or "NA" for cell in cells]) if any(c.label for c in cells) else "",
    ]
    return "".join(f"{m}*" for m in modifiers if m) + name


def _fixed(key: Key, parameters: Parameters) -> str:
    cells = parameters.cells[key]
    if all(cell.fixed is None for cell in cells):
        # only a first loading has to be told that it is free
        return "NA" if any(cell.freed and key[1] == "=~" for cell in cells) else ""
    if key in parameters.markers and all(cell.fixed == 1.0 for cell in cells):
        return ""
    return _vector(["NA" if c.fixed is None else number_text(c.fixed) for c in cells])


def _starts(cells: Sequence[Cell]) -> str:
    given = [c.start for c in cells if c.fixed is None]
    if not given or all(start is None for start in given):
        return ""
    values = [
        "NA" if c.start is None or c.fixed is not None else number_text(c.start) for c in cells
    ]
    return f"start({_vector(values)})"


def _vector(values: Sequence[str]) -> str:
    return values[0] if len(set(values)) == 1 else f"c({', '.join(values)})"
