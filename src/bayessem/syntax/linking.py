"""Which rows are one parameter, what each is called, and which constraints remain.

Rows become one parameter through a shared label, `equal()`, `group_equal`, or `a == b` between
two labels. Where one of them is fixed, all are, as in lavaan.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from bayessem.errors import ModelError
from bayessem.syntax.expression import (
    Expression,
    Name,
    Number,
    Operation,
    linear,
    names,
    number_text,
)
from bayessem.syntax.roles import Roles
from bayessem.syntax.rows import (
    Key,
    Options,
    Row,
    equal_across_groups,
    first_order,
    row_name_key,
)
from bayessem.syntax.statements import LEVEL_NAMES, Statement


@dataclass(frozen=True, slots=True)
class Derived:
    """A definition or a constraint: a row without a group."""

    lhs: str
    op: str
    rhs: str
    expression: Expression
    user: bool


@dataclass(frozen=True, slots=True)
class Linked:
    """Rows after linking; `free[i]` is the parameter of row i, -1 when it is fixed."""

    rows: tuple[Row, ...]
    free: tuple[int, ...]
    parameters: tuple[str, ...]
    derived: tuple[Derived, ...]


def link_rows(
    rows: Sequence[Row], statements: Sequence[Statement], roles: Roles, options: Options
) -> Linked:
    """Join the rows that are one parameter, name the parameters, sort out the constraints.

    Raises
    ------
    ModelError
        For rows that cannot be equal, unknown labels, and definitions that go in a circle.
    """
    labels = _rows_by_label(rows)
    definitions = _ordered_definitions(statements, labels)
    constraints = tuple(s for s in statements if s.op in ("==", "<", ">"))
    _check_constraints(constraints, labels, {s.lhs: s for s in definitions})
    merging = tuple(s for s in constraints if _merges(s, labels))
    others = tuple(s for s in constraints if not _merges(s, labels))
    bounding = tuple(s for s in others if _bound(s, labels))
    kept = tuple(s for s in others if not _bound(s, labels))

    bounded = _with_bounds(rows, bounding, labels)
    members = components(
        len(rows),
        (
            *_label_links(labels),
            *_equal_links(rows, labels),
            *_group_links(rows, roles, options),
            *((labels[s.lhs][0], labels[s.rhs][0]) for s in merging),
        ),
    )
    resolved: dict[int, Row] = {}
    for together in members:
        resolved.update(_resolve(bounded, together))
    final = tuple(resolved[i] for i in range(len(rows)))
    _check_priors(rows, final)
    free, parameters = _numbered(final, members, options)

    derived = (
        *(_derived(s) for s in (*definitions, *kept)),
        *_effect_coding(final, free, parameters, roles, options),
    )
    return Linked(final, free, parameters, derived)


def _rows_by_label(rows: Sequence[Row]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        if row.label:
            found.setdefault(row.label, []).append(position)
    return {label: tuple(positions) for label, positions in found.items()}


def _derived(statement: Statement) -> Derived:
    assert statement.expression is not None  # the parser gives one to every such statement
    return Derived(statement.lhs, statement.op, statement.rhs, statement.expression, user=True)


def _used_names(statement: Statement) -> tuple[str, ...]:
    return names(statement.expression) if statement.expression is not None else ()


def _ordered_definitions(
    statements: Sequence[Statement], labels: Mapping[str, object]
) -> tuple[Statement, ...]:
    """Return the `:=` statements, each after those whose names it uses."""
    waiting: dict[str, Statement] = {}
    for statement in statements:
        if statement.op != ":=":
            continue
        if statement.lhs in waiting:
            raise ModelError(f"'{statement.lhs}' in {statement.where} is defined twice by ':='")
        if statement.lhs in labels:
            raise ModelError(
                f"'{statement.lhs}' in {statement.where} is already the label of a parameter; "
                "choose another name"
            )
        waiting[statement.lhs] = statement
    for statement in waiting.values():
        _check_known(statement, labels, waiting)
    written = {name: at for at, name in enumerate(waiting)}
    graph = TopologicalSorter(
        {name: [x for x in _used_names(s) if x in waiting] for name, s in waiting.items()}
    )
    try:
        graph.prepare()
        circle = False
    except CycleError:  # what stands before the circle can be had all the same
        circle = True
    ordered: list[Statement] = []
    while graph.is_active():
        ready = sorted(graph.get_ready(), key=lambda name: written[name])
        if not ready:
            break
        ordered += [waiting.pop(name) for name in ready]
        graph.done(*ready)
    if circle:
        raise ModelError(
            f"the definitions of {', '.join(waiting)} go in a circle, for example "
            f"{next(iter(waiting.values())).where}"
        )
    return tuple(ordered)


def _check_known(
    statement: Statement, labels: Mapping[str, object], defined: Collection[str]
) -> None:
    for name in _used_names(statement):
        if name not in labels and name not in defined:
            known = [*labels, *defined]
            raise ModelError(
                f"'{name}' in {statement.where} is not a label of the model; "
                f"labels: {', '.join(x for x in known if x != statement.lhs) or 'none'}. A label "
                f"is given as in 'y ~ {name}*x'"
            )


def _check_constraints(
    constraints: Sequence[Statement], labels: Mapping[str, object], defined: Collection[str]
) -> None:
    for statement in constraints:
        if not _used_names(statement):
            raise ModelError(f"{statement.where} holds no label, so it constrains nothing")
        _check_known(statement, labels, defined)
        form = None if statement.expression is None else linear(statement.expression)
        if form is not None and not form[0]:
            raise ModelError(
                f"the labels in {statement.where} cancel, so it constrains nothing; drop it, or "
                "write the parameters that are meant"
            )


def _merges(statement: Statement, labels: Mapping[str, object]) -> bool:
    return statement.op == "==" and statement.lhs in labels and statement.rhs in labels


def _bound(statement: Statement, labels: Mapping[str, object]) -> tuple[str, float, float] | None:
    """Return (label, lower, upper) where an inequality bounds a single parameter."""
    if statement.op not in ("<", ">") or statement.expression is None:
        return None
    form = linear(statement.expression)
    if form is None or len(form[0]) != 1:
        return None
    (label, slope), fixed = next(iter(form[0].items())), form[1]
    if label not in labels:
        return None
    limit = -fixed / slope + 0.0  # + 0.0 turns -0.0 into 0.0
    if (statement.op == ">") == (slope > 0):
        return label, limit, math.inf
    return label, -math.inf, limit


def _with_bounds(
    rows: Sequence[Row], bounding: Sequence[Statement], labels: Mapping[str, Sequence[int]]
) -> tuple[Row, ...]:
    bounded = dict(enumerate(rows))
    for statement in bounding:
        found = _bound(statement, labels)
        if found is None:
            continue
        label, lower, upper = found
        for i in labels[label]:
            bounded[i] = replace(
                bounded[i],
                lower=max(bounded[i].lower, lower),
                upper=min(bounded[i].upper, upper),
            )
    return tuple(bounded[i] for i in range(len(rows)))


def _label_links(labels: Mapping[str, Sequence[int]]) -> Iterator[tuple[int, int]]:
    for positions in labels.values():
        for other in positions[1:]:
            yield positions[0], other


def _equal_links(
    rows: Sequence[Row], labels: Mapping[str, Sequence[int]]
) -> Iterator[tuple[int, int]]:
    """Links of `equal("f=~x2")*`: as one label for all groups, so equal across groups too."""
    for position, row in enumerate(rows):
        if not row.equal_to:
            continue
        targets: Sequence[int] = labels.get(row.equal_to, ())
        if not targets:
            key = row_name_key(row.equal_to)
            targets = [i for i, other in enumerate(rows) if other.key == key]
        if not targets:
            raise ModelError(
                f'equal("{row.equal_to}") in {row.where} is neither a label nor a parameter of '
                "the model; write it as 'f=~x2' or 'y~x'"
            )
        for target in targets:
            yield position, target


def _group_links(rows: Sequence[Row], roles: Roles, options: Options) -> Iterator[tuple[int, int]]:
    """Links of `group_equal`; labels of the user take precedence over it."""
    if len(options.groups) == 1 or not options.group_equal:
        return
    by_key: dict[tuple[object, int], list[int]] = {}
    for position, row in enumerate(rows):
        if equal_across_groups(row, roles, options):
            by_key.setdefault((row.key, row.group % options.levels), []).append(position)
    for positions in by_key.values():
        same = [rows[i] for i in positions]
        if any(row.label for row in same):
            continue
        fixed = {number_text(row.value): row.group for row in same if row.value is not None}
        if len(fixed) > 1:
            raise ModelError(
                f"{same[0].where} is fixed to different values "
                f"({', '.join(f'{v} in {options.groups[g]}' for v, g in fixed.items())}) but "
                f"group_equal wants it equal; name '{same[0].name}' in group_partial"
            )
        for other in positions[1:]:
            yield positions[0], other


def components(count: int, links: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Return what is linked of `count` things, directly or not, in the order of their first."""
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for one, other in links:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    members: dict[int, list[int]] = {}
    for i in range(count):
        members.setdefault(root(i), []).append(i)
    return tuple(tuple(together) for together in members.values())


def _resolve(rows: Sequence[Row], together: Sequence[int]) -> dict[int, Row]:
    """Give linked rows one value, start, prior and pair of bounds."""
    same = [rows[i] for i in together]
    value = _only(same, [row.value for row in same], "fixed value")
    prior = _only(same, [row.prior or None for row in same], "prior")
    start = next((row.start for row in same if row.start is not None), None)
    lower = max(row.lower for row in same)
    upper = min(row.upper for row in same)
    bounded = next((row for row in same if row.lower > -math.inf or row.upper < math.inf), same[0])
    if lower > upper:
        raise ModelError(
            f"{bounded.where} must be at least {number_text(lower)} and at most "
            f"{number_text(upper)}, which no value is"
        )
    if value is not None and not lower <= float(value) <= upper and not math.isnan(float(value)):
        raise ModelError(
            f"{same[0].where} is fixed to {number_text(float(value))}, outside its bounds "
            f"{number_text(lower)} to {number_text(upper)}"
        )
    return {
        i: replace(
            rows[i],
            value=None if value is None else float(value),
            prior=str(prior or ""),
            start=start,
            lower=lower,
            upper=upper,
        )
        for i in together
    }


def _only(
    same: Sequence[Row], values: Sequence[float | str | None], what: str
) -> float | str | None:
    given = [(row, value) for row, value in zip(same, values, strict=True) if value is not None]
    if not given:
        return None
    first_row, first = given[0]
    for row, value in given[1:]:
        if value != first and not (value != value and first != first):
            raise ModelError(
                f"{first_row.where} and {row.where} are one parameter (same label, or set "
                f"equal), but their {what} differs: {first} and {value}"
            )
    return first


def _check_priors(rows: Sequence[Row], final: Sequence[Row]) -> None:
    free = {row.key for row in final if row.value is None}
    for row in final:
        if row.prior and row.value is not None and row.key not in free:
            asked = next((r for r in rows if r.prior == row.prior and r.key == row.key), row)
            hint = "write NA*" if row.op in ("=~", "<~") else "drop its fixed value"
            raise ModelError(
                f"{asked.where} has a prior but is fixed to {number_text(row.value)}"
                f"{' (the marker of the construct)' if row.op == '=~' else ''}; "
                f"{hint} to free it, or drop the prior"
            )


def _numbered(
    rows: Sequence[Row], members: Sequence[Sequence[int]], options: Options
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    free = [-1] * len(rows)
    parameters: list[str] = []
    everywhere = Counter(row.key for row in rows)
    for together in members:
        if rows[together[0]].value is not None:
            continue
        for i in together:
            free[i] = len(parameters)
        parameters.append(_parameter_name([rows[i] for i in together], everywhere, options))
    return tuple(free), tuple(parameters)


def _parameter_name(same: Sequence[Row], everywhere: Mapping[Key, int], options: Options) -> str:
    first = same[0]
    if len({row.key for row in same}) > 1:
        label = next((row.label for row in same if row.label), "")
        if label:
            return label
    inside = [row.group for row in same if row.key == first.key]
    if len(inside) == everywhere[first.key]:
        return first.name
    named = [options.groups[g] for g in inside]
    if options.levels > 1:
        level = {g % options.levels for g in inside}
        if len(level) == 1 and len(inside) == len(options.groups) // options.levels:
            named = [LEVEL_NAMES[1 + level.pop()]]
    return f"{first.name}[{','.join(named)}]"


def _effect_coding(
    rows: Sequence[Row],
    free: Sequence[int],
    parameters: Sequence[str],
    roles: Roles,
    options: Options,
) -> Iterator[Derived]:
    """Loadings of a construct have mean 1, intercepts of its indicators sum 0.

    As in lavaan, a construct with a fixed loading or intercept is left as it is.
    """
    position = {(row.key, row.group): i for i, row in enumerate(rows)}
    seen: set[tuple[int, ...]] = set()
    for group in range(len(options.groups)):
        for name, indicators in roles.indicators.items():
            for family, total in (("loadings", float(len(indicators))), ("intercepts", 0.0)):
                if family not in options.effect_coding:
                    continue
                if family == "intercepts" and not first_order(name, roles):
                    continue
                keys = [
                    (name, "=~", x) if family == "loadings" else (x, "~1", "") for x in indicators
                ]
                numbers = tuple(
                    free[position[key, group]] for key in keys if (key, group) in position
                )
                if len(numbers) < len(keys) or -1 in numbers or numbers in seen:
                    continue
                seen.add(numbers)
                yield _sum_constraint([parameters[n] for n in numbers], total)


def _sum_constraint(summands: Sequence[str], total: float) -> Derived:
    left: Expression = Name(summands[0])
    for name in summands[1:]:
        left = Operation("+", left, Name(name))
    right = Number(total)
    return Derived(str(left), "==", str(right), Operation("-", left, right), user=False)
