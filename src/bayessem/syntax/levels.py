"""Two-level models: which statements are about which level, and lavaan's rules for that.

A block of the table is one level of one group. A variable at both levels is split: its value is a
random intercept of the cluster (level 2) plus a deviation from it (level 1), and its mean belongs
to level 2. One at level 1 alone has no random intercept; one at level 2 alone is a variable of
clusters.

Rosseel, Y. (2021). Evaluating the observed log-likelihood function in two-level structural equation
modeling with missing data. Psych, 3(2), 197-232. doi:10.3390/psych3020017
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bayessem.errors import ModelError, NotSupported
from bayessem.syntax.composites import check_composites
from bayessem.syntax.random_slopes import check_slope_statements, check_slopes, slope_names
from bayessem.syntax.roles import FORMULAS, Roles, assign_roles
from bayessem.syntax.rows import Options, Row, group_rows
from bayessem.syntax.statements import LEVEL_NAMES, Statement


@dataclass(frozen=True)
class LevelPart:
    """The model of one level.

    Attributes
    ----------
    level : int
        1 (within), 2 (between); 0 for a model without levels.
    statements : tuple of Statement
        Its formulas; definitions and constraints belong to no level.
    roles : Roles
        Of its names.
    """

    level: int
    statements: tuple[Statement, ...]
    roles: Roles


def level_parts(statements: Sequence[Statement]) -> tuple[LevelPart, ...]:
    """The levels of a model, one without a level for a model that has none.

    Raises
    ------
    ModelError
        For statements before the first `level:`, and a level without statements.
    NotSupported
        For what two-level models do not have yet.
    """
    formulas = [s for s in statements if s.op in FORMULAS]
    check_slope_statements(formulas)
    levels = {s.level for s in formulas}
    if levels <= {0}:
        roles = assign_roles(statements)
        check_composites(formulas, roles)
        return (LevelPart(0, tuple(statements), roles),)
    astray = next((s for s in formulas if s.level == 0), None)
    if astray is not None:
        raise ModelError(
            f"{astray.where} stands before the first 'level:'; in a two-level model every formula "
            "belongs below 'level: 1' or 'level: 2'"
        )
    for level, name in LEVEL_NAMES.items():
        if level not in levels:
            raise ModelError(
                f"the model says nothing about level {level} ({name}); a two-level model has "
                "formulas below 'level: 1' and below 'level: 2' (a variance, y ~~ y, is enough)"
            )
    product = next((s for s in formulas if s.factors), None)
    if product is not None:
        raise NotSupported(
            f"{product.where}: products are not there yet in two-level models; multiply observed "
            "variables in the data, and name the column"
        )
    composite = next((s for s in formulas if s.op == "<~"), None)
    if composite is not None:
        raise NotSupported(
            f"{composite.where}: composites are not there yet in two-level models; compute the "
            "sum in the data and name the column"
        )
    thresholds = next((s for s in formulas if s.op == "|"), None)
    if thresholds is not None:
        raise NotSupported(
            f"{thresholds.where}: ordered answers are not there yet in two-level models; leave the "
            "thresholds out to treat the answers as numbers"
        )
    inner, outer = (tuple(s for s in formulas if s.level == k) for k in LEVEL_NAMES)
    roles = assign_roles(inner)
    check_slopes(inner, outer, roles)
    between = LevelPart(2, outer, assign_roles(outer, slope_names(inner)))
    return LevelPart(1, inner, roles), between


def split_variables(parts: Sequence[LevelPart]) -> tuple[str, ...]:
    """Observed variables at both levels."""
    if len(parts) == 1:
        return ()
    between = set(parts[1].roles.observed)
    return tuple(name for name in parts[0].roles.observed if name in between)


def part_options(parts: Sequence[LevelPart], options: Options) -> tuple[Options, ...]:
    """The switches of each level.

    A covariate at both levels is random (a part of it is not observed), and then so are the other
    covariates of the level, with which it covaries.
    """
    split = set(split_variables(parts))
    return tuple(
        replace(options, fixed_x=options.fixed_x and not split & set(part.roles.covariates))
        for part in parts
    )


def merged_roles(parts: Sequence[LevelPart], options: Sequence[Options]) -> Roles:
    """Names by role over all levels; covariates are those that are conditioned on."""
    roles = [part.roles for part in parts]

    def union(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for names in lists for name in names))

    latent = union(r.latent for r in roles)
    twice = [n for n in latent if any(n in r.observed for r in roles)]
    if twice:
        raise ModelError(
            f"{twice[0]!r} is a construct at one level and an observed variable at the other; give "
            "the construct another name"
        )
    indicators: Mapping[str, tuple[str, ...]] = {
        name: union(r.indicators.get(name, ()) for r in roles) for name in latent
    }
    return Roles(
        latent=latent,
        observed=union(r.observed for r in roles),
        covariates=union(
            r.covariates for r, o in zip(roles, options, strict=True) if o.fixed_x or len(roles) < 2
        ),
        outcomes=union(r.outcomes for r in roles),
        predictors=union(r.predictors for r in roles),
        indicators=indicators,
        products=tuple(dict(p for r in roles for p in r.products).items()),
    )


def block_names(groups: Sequence[str]) -> tuple[str, ...]:
    """Names of the blocks of a two-level model, group by group."""
    return tuple(f"{g} {level}".strip() for g in groups for level in LEVEL_NAMES.values())


def level_rows(parts: Sequence[LevelPart], options: Sequence[Options]) -> tuple[Row, ...]:
    """The rows of all blocks, group by group, and in each level by level.

    Raises
    ------
    ModelError
        For an intercept at level 1 of a variable that is at level 2, too.
    """
    split = set(split_variables(parts))
    out: list[Row] = []
    for g in range(len(options[0].groups)):
        for k, (part, own) in enumerate(zip(parts, options, strict=True)):
            rows = group_rows(part.statements, part.roles, own, group=g)
            if part.level == 1:
                rows = tuple(_within_means(rows, part.roles, split))
            block = len(parts) * g + k
            out += [replace(row, group=block) for row in rows]
    return tuple(out)


def _within_means(rows: Sequence[Row], roles: Roles, split: set[str]) -> Iterable[Row]:
    """Level 1 of split variables, and of constructs that they measure, has mean 0."""
    for row in rows:
        measured = split & set(roles.indicators.get(row.lhs, ()))
        if row.op != "~1" or not (row.lhs in split or measured):
            yield row
        elif row.statement is None:
            yield replace(row, value=0.0)
        elif row.value == 0.0:
            yield row
        else:
            raise ModelError(
                f"{row.where} is at level 1, but the mean of {row.lhs!r} belongs to level 2, where "
                "its clusters differ; move it below 'level: 2'"
            )


def refuse_level_options(options: Options) -> None:
    """Refuse switches that two-level models do not have yet.

    Raises
    ------
    NotSupported
        Naming the switch.
    """
    asked = {
        "growth=True": options.growth,
        "effect_coding": bool(options.effect_coding),
        "ordered answers (ordered=, family=)": bool(options.responses.families),
        "counts, durations and shares (family=)": bool(options.responses.others),
    }
    for name, given in asked.items():
        if given:
            raise NotSupported(f"{name}: not there yet in two-level models; leave it out")
