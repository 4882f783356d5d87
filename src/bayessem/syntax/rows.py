"""lavaan's automatic rules: from statements and roles to the rows of one group.

A row says what is fixed and what is free, before anything is numbered or set equal. The rules
are those of lavaan's `sem()`, `cfa()` and `growth()`: the first loading is 1, the residual of
a single indicator is 0, variances are added, exogenous constructs covary, disturbances of
final outcomes covary, covariates are conditioned on, intercepts of observed variables are free
and means of constructs 0.

Rosseel, Y. (2012). lavaan: An R package for structural equation modeling. Journal of
Statistical Software, 48(2). doi:10.18637/jss.v048.i02
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, combinations_with_replacement

from bayessem.errors import ModelError, NotSupported, SyntaxProblem
from bayessem.syntax.expression import number_text
from bayessem.syntax.responses import SHAPE_BOUNDS, Responses
from bayessem.syntax.roles import FORMULAS, Roles
from bayessem.syntax.statements import Statement, parse

Key = tuple[str, str, str]

GROUP_EQUAL = (
    "loadings",
    "composite.weights",
    "thresholds",
    "intercepts",
    "means",
    "residuals",
    "residual.covariances",
    "lv.variances",
    "lv.covariances",
    "regressions",
)


@dataclass(frozen=True, slots=True)
class Options:
    """The switches of `build_table`; see there."""

    groups: tuple[str, ...] = ("",)
    std_lv: bool = False
    meanstructure: bool = True
    fixed_x: bool = True
    group_equal: tuple[str, ...] = ()
    group_partial: tuple[Key, ...] = ()
    growth: bool = False
    orthogonal: bool = False
    effect_coding: tuple[str, ...] = ()
    auto: bool = True
    responses: Responses = field(default_factory=Responses)
    levels: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter of one group; `value` None is free, nan is fixed to the sample.

    A path with a random slope has the value 0: its coefficient is the variable `slope` of level 2.
    """

    lhs: str
    op: str
    rhs: str
    group: int
    value: float | None = None
    label: str = ""
    start: float | None = None
    prior: str = ""
    lower: float = -math.inf
    upper: float = math.inf
    equal_to: str = ""
    exogenous: bool = False
    slope: str = ""
    statement: Statement | None = None

    @property
    def key(self) -> Key:
        """What the row is about, whichever way round a covariance is written."""
        return row_key(self.lhs, self.op, self.rhs)

    @property
    def name(self) -> str:
        """Lavaan's name of the parameter, without the group."""
        return f"{self.lhs}{self.op}{self.rhs}"

    @property
    def where(self) -> str:
        """The row as messages quote it, with its line if the user wrote it."""
        return self.statement.where if self.statement else f'"{self.name}"'


def row_key(lhs: str, op: str, rhs: str) -> Key:
    """Return the identity of a row: covariances and products are symmetric."""
    if op == "~~":
        return (min(lhs, rhs), op, max(lhs, rhs))
    return (lhs, op, ":".join(sorted(rhs.split(":"))))


def row_name_key(text: str) -> Key | None:
    """Return the identity of the row that a text such as "f=~x2" names, None for other texts."""
    try:
        statements = parse(text)
    except (SyntaxProblem, NotSupported):
        return None
    if len(statements) != 1 or statements[0].op not in FORMULAS or statements[0].modifiers:
        return None
    return row_key(statements[0].lhs, statements[0].op, statements[0].rhs)


def group_rows(
    statements: Sequence[Statement], roles: Roles, options: Options, *, group: int
) -> tuple[Row, ...]:
    """Return the rows of one group: those of the user, then those that lavaan adds.

    Parameters
    ----------
    statements : sequence of Statement
        The model.
    roles : Roles
        Its names by role.
    options : Options
        The switches.
    group : int
        Which group, from 0.

    Raises
    ------
    ModelError
        For modifiers that contradict each other or do not fit the number of groups.
    """
    written: dict[Key, list[Statement]] = {}
    for statement in statements:
        if statement.op in FORMULAS:
            key = row_key(statement.lhs, statement.op, statement.rhs)
            written.setdefault(key, []).append(statement)
    _check_ordered(written, options)
    user = tuple(_user_row(same, roles, options, group=group) for same in written.values())
    added = (row for row in _added_rows(roles, options, group) if row.key not in written)
    return user + tuple(added)


def _check_ordered(written: Mapping[Key, Sequence[Statement]], options: Options) -> None:
    """Refuse what latent responses have no parameter for."""
    responses = options.responses
    for (lhs, op, rhs), same in written.items():
        if op == "~1" and lhs in responses.families:
            raise ModelError(
                f"{same[0].where}: {lhs!r} is ordered and has thresholds in place of an intercept "
                f"({lhs} | t1 + ...); drop the statement"
            )
        if (
            op == "~~"
            and lhs == rhs in responses.families
            and responses.parameterization != "theta"
        ):
            raise ModelError(
                f"{same[0].where}: the residual variance of the ordered variable {lhs!r} follows "
                "from its loadings; parameterization='theta' has it as a parameter (fixed at 1 in "
                "the first group)"
            )
        if op == "~~" and lhs == rhs and responses.others.get(lhs) == "poisson":
            raise ModelError(
                f"{same[0].where}: the variance of the Poisson count {lhs!r} is its expected "
                "value; family 'negative_binomial' has an overdispersion"
            )
        if op == "~~" and lhs != rhs and {lhs, rhs} & set(responses.others):
            name = lhs if lhs in responses.others else rhs
            if any(m.kind != "fixed" or any(m.values) for s in same for m in s.modifiers) or any(
                not s.modifiers for s in same
            ):
                raise ModelError(
                    f"{same[0].where}: {name!r} (family {responses.others[name]!r}) has no "
                    "residual that could covary; drop the statement, or measure what they share "
                    "by a construct"
                )


def _user_row(same: Sequence[Statement], roles: Roles, options: Options, *, group: int) -> Row:
    first = same[0]
    row = Row(
        first.lhs,
        first.op,
        first.rhs,
        group,
        value=_default_value(first, roles, options),
        statement=first,
    )
    return _bounded(_modified(row, _merged_modifiers(same, options, group)))


def _default_value(statement: Statement, roles: Roles, options: Options) -> float | None:
    """Return what a written parameter is fixed to when nothing is said about it."""
    lhs, op, rhs = statement.lhs, statement.op, statement.rhs
    marked = options.auto and not options.std_lv and "loadings" not in options.effect_coding
    if op == "=~" and marked:
        return 1.0 if rhs == roles.indicators[lhs][0] else None
    if op == "<~" and options.auto:
        return 1.0 if rhs == roles.composites[lhs][0] else None
    if op == "~~" and lhs == rhs and lhs in options.responses.families:
        return options.responses.residual_variance
    constructs = [name for name in roles.latent if name not in roles.slopes]
    if op == "~~" and lhs == rhs and lhs in constructs and options.std_lv:
        return None if lhs in roles.composites else 1.0
    return None


def _merged_modifiers(
    same: Sequence[Statement], options: Options, group: int
) -> Mapping[str, float | str | None]:
    """Return the modifiers of one group; a term may be written twice, if without contradiction."""
    merged: dict[str, float | str | None] = {}
    for statement in same:
        for modifier in statement.modifiers:
            count, wanted = len(modifier.values), len(options.groups)
            if count not in (1, wanted):
                raise ModelError(
                    f"{statement.where} gives {count} values for {wanted} "
                    f"group{'s' if wanted > 1 else ''}; give one for all or one a group"
                    + (f" ({', '.join(options.groups)})" if wanted > 1 else "; is group= missing?")
                )
            value = modifier.values[group if count > 1 else 0]
            kind = modifier.kind
            if value is None and kind != "fixed":
                continue
            if kind in merged and merged[kind] != value:
                raise ModelError(
                    f"{statement.where} is given two different values of '{kind}': "
                    f"{_shown(merged[kind])} and {_shown(value)}; keep one"
                )
            merged[kind] = value
    return merged


def _shown(value: float | str | None) -> str:
    if value is None:
        return "NA"
    return value if isinstance(value, str) else number_text(value)


def _bounded(row: Row) -> Row:
    """The row of a family's shape, between what that may be."""
    if row.op != "|" or row.rhs not in SHAPE_BOUNDS:
        return row
    low, high = SHAPE_BOUNDS[row.rhs]
    closed = high < math.inf  # a probability may be 0 or 1
    value = row.value
    if value is not None and not (low < value < high or (closed and value in (low, high))):
        between = f"from {low:g} to {high:g}" if closed else f"above {low:g}"
        raise ModelError(f"{row.where} is fixed at {number_text(value)}; {row.rhs} lies {between}")
    return replace(row, lower=max(row.lower, low), upper=min(row.upper, high))


def _modified(row: Row, given: Mapping[str, float | str | None]) -> Row:
    slope = str(given.get("rv", ""))
    value = 0.0 if slope else given.get("fixed", row.value)
    lower = _number(given.get("lower"), -math.inf)
    upper = _number(given.get("upper"), math.inf)
    if lower > upper:
        raise ModelError(
            f"{row.where} has a lower bound {number_text(lower)} above its upper bound "
            f"{number_text(upper)}"
        )
    start = given.get("start")
    return replace(
        row,
        value=None if value is None else float(value),
        label=str(given.get("label", "")),
        start=None if start is None else float(start),
        prior=str(given.get("prior", "")),
        lower=lower,
        upper=upper,
        equal_to=str(given.get("equal", "")),
        slope=slope,
    )


def _number(value: float | str | None, default: float) -> float:
    return default if value is None else float(value)


def _added_rows(roles: Roles, options: Options, group: int) -> Iterator[Row]:
    yield from _variances(roles, options, group)
    for name, count in options.responses.thresholds.items():
        yield from (Row(name, "|", f"t{c + 1}", group) for c in range(count))
    for name, shape in options.responses.shapes:
        yield _bounded(Row(name, "|", shape, group))
    if options.auto:
        yield from _covariances(roles, options, group)
    yield from _covariate_moments(roles, options, group)
    yield from _item_moments(roles, group)
    if options.meanstructure:
        yield from _intercepts(roles, options, group)


def _variances(roles: Roles, options: Options, group: int) -> Iterator[Row]:
    single = _single_indicators(roles)
    freed = (
        group > 0
        and "loadings" in options.group_equal
        and "lv.variances" not in options.group_equal
    )
    items = {item for items in roles.of_items.values() for item in items}
    for name in (*roles.observed, *roles.latent):
        if name in roles.covariates or name in items:
            continue
        scaled = options.std_lv and name in roles.latent
        scaled = scaled and name not in roles.composites and name not in roles.slopes
        value = None if options.auto or name in roles.of_items else 0.0
        if name in roles.of_constructs:
            value = 0.0
        if scaled:
            value = 1.0
        if name in single:
            value = 0.0
        if scaled and freed:
            value = None
        if name in options.responses.families:
            value = _response_variance(name, options, group)
        if name in options.responses.others:
            value = 0.0 if options.responses.others[name] == "poisson" else None
        yield Row(name, "~~", name, group, value=value)


def _response_variance(name: str, options: Options, group: int) -> float | None:
    """Residual variance of a latent response; None is free.

    With thresholds equal across groups later groups have their own scale, which takes two
    thresholds to see.
    """
    responses = options.responses
    equal = "thresholds" in options.group_equal and responses.thresholds[name] > 1
    return None if group > 0 and equal else responses.residual_variance


def _single_indicators(roles: Roles) -> frozenset[str]:
    """Indicators that measure one construct, alone: their residual is not identified."""
    counts = [name for names in roles.indicators.values() for name in names]
    return frozenset(
        names[0]
        for names in roles.indicators.values()
        if len(names) == 1 and counts.count(names[0]) == 1
    )


def _covariances(roles: Roles, options: Options, group: int) -> Iterator[Row]:
    pairs = (*combinations(roles.exogenous_latent, 2), *combinations(roles.endogenous_free, 2))
    for one, other in pairs:
        if {one, other} & set(options.responses.others):
            continue  # they have no residual that could covary
        unrelated = options.orthogonal and one in roles.latent and other in roles.latent
        yield Row(one, "~~", other, group, value=0.0 if unrelated else None)


def _covariate_moments(roles: Roles, options: Options, group: int) -> Iterator[Row]:
    for one, other in combinations_with_replacement(roles.covariates, 2):
        value = 0.0 if one == other and not options.auto else None
        if options.fixed_x:
            value = math.nan
        yield Row(one, "~~", other, group, value=value, exogenous=options.fixed_x)


def _item_moments(roles: Roles, group: int) -> Iterator[Row]:
    """(Co)variances of the items of each composite, which are those of the sample."""
    for items in roles.of_items.values():
        for one, other in combinations_with_replacement(items, 2):
            yield Row(one, "~~", other, group, value=math.nan, exogenous=True)


def _intercepts(roles: Roles, options: Options, group: int) -> Iterator[Row]:
    observed_free = options.auto and not options.growth
    for name in roles.observed:
        if name in roles.covariates and options.fixed_x:
            yield Row(name, "~1", "", group, value=math.nan, exogenous=True)
        else:
            free = observed_free and name not in options.responses.families
            yield Row(name, "~1", "", group, value=None if free else 0.0)
    level = {"intercepts"} | ({"thresholds"} if options.responses.families else set())
    freed = group > 0 and bool(level & set(options.group_equal))
    freed = freed and "means" not in options.group_equal
    for name in roles.latent:
        if name in roles.composites:
            yield Row(name, "~1", "", group, value=0.0)
            continue
        free = (options.auto and (options.growth or name in roles.slopes)) or freed
        free = free or ("intercepts" in options.effect_coding and first_order(name, roles))
        yield Row(name, "~1", "", group, value=None if free else 0.0)


def first_order(name: str, roles: Roles) -> bool:
    """Whether all indicators of a construct are observed."""
    return not any(indicator in roles.latent for indicator in roles.indicators.get(name, ()))


def equal_across_groups(row: Row, roles: Roles, options: Options) -> bool:
    """Whether `group_equal` asks for this parameter to be the same in all groups."""
    return _family(row, roles) in options.group_equal and row.key not in options.group_partial


def _family(row: Row, roles: Roles) -> str:
    """Return lavaan's name, in `group.equal`, for the family a row belongs to."""
    latent = row.lhs in roles.latent or (row.op == "~~" and row.rhs in roles.latent)
    if row.op == "=~":
        return "loadings"
    if row.op == "<~":
        return "composite.weights"
    if row.op == "~":
        return "regressions"
    if row.op == "|":  # of a family's shapes what goes for its dispersion
        return "residuals" if row.rhs in SHAPE_BOUNDS else "thresholds"
    if not latent and row.lhs in roles.covariates:
        return "covariates"
    if row.op == "~~" and (row.exogenous or row.lhs == row.rhs in roles.composites):
        return "composites"  # their variances follow from the weights
    if row.op == "~1":
        return "means" if latent else "intercepts"
    if row.lhs == row.rhs:
        return "lv.variances" if latent else "residuals"
    return "lv.covariances" if latent else "residual.covariances"
