"""The parameter table: one row a parameter, frozen. It is the model; all else is read from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bayessem.arguments import flag, shown, texts
from bayessem.errors import ModelError, NotSupported, did_you_mean
from bayessem.syntax.composites import check_scale
from bayessem.syntax.levels import (
    block_names,
    level_parts,
    level_rows,
    merged_roles,
    part_options,
    refuse_level_options,
)
from bayessem.syntax.linking import Linked, link_rows
from bayessem.syntax.parameters import NU, Parameter, ParameterTable
from bayessem.syntax.responses import Censored, Families, read_responses
from bayessem.syntax.roles import Roles, strongly_connected
from bayessem.syntax.rows import (
    GROUP_EQUAL,
    Key,
    Options,
    Row,
    row_name_key,
)
from bayessem.syntax.statements import Statement

# The options of `build_table` that are on or off.
FLAGS = ("std_lv", "meanstructure", "fixed_x", "growth", "orthogonal", "auto")


def build_table(
    statements: Sequence[Statement],
    *,
    groups: Sequence[str] = ("",),
    std_lv: bool = False,
    meanstructure: bool = True,
    fixed_x: bool = True,
    group_equal: str | Sequence[str] = (),
    group_partial: str | Sequence[str] = (),
    growth: bool = False,
    orthogonal: bool = False,
    effect_coding: bool | str | Sequence[str] = False,
    auto: bool = True,
    ordered: bool | str | Sequence[str] = False,
    family: Families | None = None,
    link: str = "probit",
    parameterization: str = "delta",
    exposure: Mapping[str, str] | None = None,
    censored: Mapping[str, Censored] | None = None,
    categories: Mapping[str, int] | None = None,
) -> ParameterTable:
    """Complete a model by lavaan's rules and number its parameters.

    Parameters
    ----------
    statements : sequence of Statement
        From `bayessem.syntax.statements.parse`.
    groups : sequence of str
        Names of the groups; ("",) for one.
    std_lv : bool
        Fix the (residual) variances of constructs at 1 instead of the first loadings. With
        equal loadings the variances of later groups are free.
    meanstructure : bool
        Whether intercepts and means are part of the model; a `~ 1` in it, a product or `growth`
        turns them on.
    fixed_x : bool
        Condition on observed covariates (their moments are those of the sample).
    group_equal : sequence of str
        Families of parameters that are equal across groups, out of `GROUP_EQUAL`. Equal
        intercepts free the means of constructs in later groups, unless "means" is there too.
    group_partial : sequence of str
        Exceptions from `group_equal`, such as "f=~x2" or "x3~1".
    growth : bool
        Intercepts of observed variables are 0, means of constructs free.
    orthogonal : bool
        Exogenous constructs do not covary.
    effect_coding : bool or sequence of str
        Scale constructs by loadings with mean 1 ("loadings") and intercepts with sum 0
        ("intercepts"); True for both. Little, Slegers & Card (2006),
        doi:10.1207/s15328007sem1301_3
    auto : bool
        False fixes every variance and intercept that is not written at 0, as `lavaan()` does.
    ordered : bool or sequence of str
        Variables that are answers in ordered categories; True for all indicators. Thresholds in
        the text (`x1 | t1 + t2`) declare one, too.
    family : mapping or str, optional
        "student" for respondents with heavy tails: all that is random about one is multivariate t,
        with degrees of freedom `nu` that are estimated, above 2 and the same in all groups.
        Variances and covariances stay those of the variables. Else the
        family by variable: "normal", "ordered", "bernoulli" (two categories); of counts "poisson"
        and "negative_binomial" (log link), of durations "lognormal" and "weibull", of numbers with
        a floor or ceiling "tobit", of shares "beta" (logit link) and "zero_one_beta" (of which some
        are 0 or 1, with the probabilities `y | zoi` and, of these, `y | coi` of 1), of numbers with
        heavy tails of their own "student" (degrees of freedom `y | nu`, above 1). `y ~~ y` is then
        the family's dispersion: the overdispersion a of a negative binomial count (variance
        m + a m^2), the residual variance of a log duration or of a tobit outcome, 1 / precision of
        a share, the squared scale of a t.
    link : {"probit", "logit"}
        Distribution of the latent responses' residuals: normal or logistic.
    parameterization : {"delta", "theta"}
        Scale of the latent responses: total variance 1, or residual variance 1 (logit: pi^2 / 3).
    exposure : mapping, optional
        Column of what a count was counted over ({"partners": "years"}): its expected value is
        exposure times exp(linear predictor).
    censored : mapping, optional
        Of durations and tobit outcomes: the column of a flag (0: observed, 1: right-censored, the
        value is a lower bound, -1: left-censored, an upper bound); or two columns, the ends of the
        interval (equal: observed; the upper one empty: right-censored; the lower one empty:
        left-censored); or two limits, (0, None), at or beyond which values are censored.
    categories : mapping, optional
        How many categories each ordered variable has in the data; without it there are the
        thresholds that the text writes.

    Returns
    -------
    ParameterTable
        The model.

    Raises
    ------
    ModelError
        When no model can be what the statements say; with names and line.
    """
    given = {
        "std_lv": std_lv,
        "meanstructure": meanstructure,
        "fixed_x": fixed_x,
        "growth": growth,
        "orthogonal": orthogonal,
        "auto": auto,
    }
    flags = checked_flags(given)
    growth, std_lv = flags["growth"], flags["std_lv"]
    parts = level_parts(statements)
    roles = parts[0].roles if len(parts) == 1 else merged_roles(parts, [Options()] * len(parts))
    means = len(parts) > 1 or _needs_means(statements, roles, growth=growth)
    responses = read_responses(
        roles,
        statements,
        ordered=ordered,
        family=family,
        link=link,
        parameterization=parameterization,
        categories=categories,
        exposure=exposure,
        censored=censored,
    )
    options = Options(
        groups=_group_names(groups),
        group_equal=_checked(group_equal, GROUP_EQUAL, "group_equal"),
        group_partial=_partial_keys(group_partial),
        effect_coding=_effect_coding(effect_coding, std_lv),
        responses=responses,
        **{
            **flags,
            "meanstructure": flags["meanstructure"]
            or means
            or bool(responses.families or responses.others),
        },
    )
    own = part_options(parts, options)
    rows = level_rows(parts, own)
    if len(parts) > 1:
        refuse_level_options(options)
        roles = merged_roles(parts, own)
        options = replace(options, groups=block_names(options.groups), levels=len(parts))
    _check_labels(rows, roles)
    _check_partial(rows, options)
    linked = link_rows(rows, statements, roles, options)
    if responses.heavy_tailed:
        linked = _with_tails(linked, options)
    for g in range(len(options.groups)):
        check_scale([row for row in linked.rows if row.group == g], roles.composites)
    return ParameterTable(
        rows=_parameters(linked),
        groups=options.groups,
        observed=roles.observed,
        latent=roles.latent,
        products=roles.products,
        exogenous=roles.covariates if any(o.fixed_x for o in own) else (),
        parameters=linked.parameters,
        promoted=_promoted(linked.rows, roles),
        responses=responses,
        level_variables=tuple(p.roles.observed for p in parts) if len(parts) > 1 else (),
        composites=tuple(roles.of_items.items()),
    )


def _with_tails(linked: Linked, options: Options) -> Linked:
    """With the degrees of freedom of heavy tails, one parameter, as the last row of each group."""
    if options.levels > 1:
        raise NotSupported(
            "family='student' is not there yet for two-level models; leave it out, or the levels"
        )
    if NU in linked.parameters or any(row.label == NU for row in linked.rows):
        raise ModelError(
            f"{NU!r} is the degrees of freedom with family='student', and a label of the model; "
            "give the label another name"
        )
    rows: list[Row] = []
    free: list[int] = []
    for g in range(len(options.groups)):
        own = [k for k, row in enumerate(linked.rows) if row.group == g]
        rows += [*(linked.rows[k] for k in own), Row(NU, NU, "", g, lower=2.0)]
        free += [*(linked.free[k] for k in own), len(linked.parameters)]
    return replace(linked, rows=tuple(rows), free=tuple(free), parameters=(*linked.parameters, NU))


def checked_flags(options: Mapping[str, object]) -> dict[str, bool]:
    """Return the switches among some options of `build_table`, each True or False."""
    return {name: flag(name, options[name], ModelError) for name in FLAGS if name in options}


def _needs_means(statements: Sequence[Statement], roles: Roles, *, growth: bool) -> bool:
    """Products move means, growth models are about them, and a `~ 1` asks for them."""
    return growth or bool(roles.products) or any(s.op == "~1" for s in statements)


def _group_names(groups: Sequence[str]) -> tuple[str, ...]:
    if isinstance(groups, str) or not isinstance(groups, Iterable):
        raise ModelError(f"groups is a sequence of names, not {shown(groups)}")
    names = tuple(str(name) for name in groups)
    if not names:
        raise ModelError("groups is empty; leave it out for a model of one group")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ModelError(f"groups names {', '.join(map(repr, twice))} twice")
    return names


def _checked(given: str | Sequence[str], known: Sequence[str], argument: str) -> tuple[str, ...]:
    values = texts(argument, given, ModelError, example=repr(known[0]))
    for value in values:
        if value not in known:
            raise ModelError(f"{argument} does not know {value!r}; it knows: {', '.join(known)}")
    return values


def _effect_coding(given: bool | str | Sequence[str], std_lv: bool) -> tuple[str, ...]:
    families = ("loadings", "intercepts")
    if isinstance(given, bool | np.bool_):
        chosen: tuple[str, ...] = families if given else ()
    else:
        chosen = _checked(given, families, "effect_coding")
    if chosen and std_lv:
        raise ModelError(
            "effect_coding and std_lv both set the scale of the constructs; use one of them"
        )
    return chosen


def _partial_keys(given: str | Sequence[str]) -> tuple[Key, ...]:
    keys = []
    for text in texts("group_partial", given, ModelError, example="'f=~x2'"):
        key = row_name_key(text)
        if key is None:
            raise ModelError(
                f"group_partial does not understand {text!r}; write a row as 'f=~x2', 'y~x', "
                "'x1~~x2' or 'x1~1'"
            )
        keys.append(key)
    return tuple(keys)


def _check_partial(rows: Sequence[Row], options: Options) -> None:
    known = {row.key for row in rows}
    responses = options.responses
    for lhs, op, rhs in options.group_partial:
        if op == "|" and lhs in responses.families and not responses.thresholds.get(lhs):
            continue  # the data will say how many thresholds it has
        if (lhs, op, rhs) not in known:
            raise ModelError(
                f"group_partial (or pooling) names '{lhs}{op}{rhs}', which is no parameter of the "
                f"model.{did_you_mean(lhs + op + rhs, (''.join(key) for key in sorted(known)))}"
            )


def _check_labels(rows: Sequence[Row], roles: Roles) -> None:
    """Refuse a label that is a construct's or a structural variable's name."""
    variables = {*roles.latent, *roles.outcomes, *roles.predictors}
    for row in rows:
        if row.label in variables:
            raise ModelError(
                f"'{row.label}*{row.rhs or 1}' in {row.where} makes '{row.label}', a variable of "
                f"the model, a label; a product of variables is written "
                f"{row.label}:{row.rhs or 'x'}, and a label needs another name"
            )


def _parameters(linked: Linked) -> tuple[Parameter, ...]:
    rows = [
        Parameter(
            lhs=row.lhs,
            op=row.op,
            rhs=row.rhs,
            group=row.group,
            free=free,
            label=row.label,
            value=row.value,
            start=row.start,
            prior=row.prior,
            lower=row.lower,
            upper=row.upper,
            exogenous=row.exogenous,
            slope=row.slope,
            user=row.statement is not None,
        )
        for row, free in zip(linked.rows, linked.free, strict=True)
    ]
    rows += [
        Parameter(
            lhs=one.lhs,
            op=one.op,
            rhs=one.rhs,
            group=-1,
            free=-1,
            label=one.lhs if one.op == ":=" else "",
            user=one.user,
            expression=one.expression,
        )
        for one in linked.derived
    ]
    return tuple(rows)


def _promoted(rows: Sequence[Row], roles: Roles) -> tuple[str, ...]:
    structural = {*roles.outcomes, *roles.predictors, *roles.latent}
    covarying = [
        {row.lhs, row.rhs}
        for row in rows
        if row.op == "~~" and row.lhs != row.rhs and row.value != 0.0
    ]
    while True:
        # A covariance with something structural cannot be held by the residual matrix.
        wider = structural.union(*(pair for pair in covarying if pair & structural))
        if wider == structural:
            return tuple(name for name in roles.observed if name in structural)
        structural = wider


def cycles(table: ParameterTable) -> list[str]:
    """Return the variables that lie on a directed circle of paths, [] for a recursive model.

    Loadings count as paths from a construct to its indicators, and each factor of a product
    as a predictor.
    """
    factors: Mapping[str, tuple[str, ...]] = dict(table.products)
    arrows: dict[str, set[str]] = {name: set() for name in (*table.latent, *table.observed)}
    for row in table.rows:
        if row.value == 0.0 and not row.slope:
            continue
        if row.op == "~":
            for name in factors.get(row.rhs, (row.rhs,)):
                arrows[name].add(row.lhs)
        elif row.op == "=~":
            arrows[row.lhs].add(row.rhs)
        elif row.op == "<~" and row.rhs in table.latent:
            arrows[row.rhs].add(row.lhs)
    return list(strongly_connected(arrows))
