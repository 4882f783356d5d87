"""Which observed variables are not normal given what explains them, and their rules.

An ordered variable x is a latent response x* cut at thresholds: x is in category c where x* lies
between thresholds t(c) and t(c + 1). Two categories are the binary case. The rules are lavaan's:
the intercept of x* is 0, its residual variance is fixed, every threshold is free; equal thresholds
across groups free the means of constructs and the residual variances of later groups.

Counts, durations, outcomes with limits and shares have a family of their own, whose linear
predictor has an intercept and whose dispersion stands where a residual variance stands.

Muthen, B. (1984). A general structural equation model with dichotomous, ordered categorical, and
continuous latent variable indicators. Psychometrika, 49, 115-132. doi:10.1007/BF02294210
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bayessem.arguments import shown, texts
from bayessem.errors import ModelError, NotSupported, did_you_mean
from bayessem.syntax.roles import Roles
from bayessem.syntax.statements import Statement

NORMAL = "normal"
COUNTS = ("poisson", "negative_binomial")
DURATIONS = ("lognormal", "weibull")
TOBIT = "tobit"
# Families with a dispersion (but for Poisson) in place of a residual variance; the numbers are in
# likelihood/families.py. In place of a mapping, "student" is of all that is random about a
# respondent.
STUDENT = "student"
SHARES = ("beta", "zero_one_beta")
OTHERS = (*COUNTS, *DURATIONS, TOBIT, *SHARES, STUDENT)
# Numbers that a family has beside its dispersion, as in `share | zoi`, and between what.
SHAPES = {"zero_one_beta": ("zoi", "coi"), STUDENT: ("nu",)}
SHAPE_BOUNDS = {"zoi": (0.0, 1.0), "coi": (0.0, 1.0), "nu": (1.0, math.inf)}
FAMILIES = (NORMAL, "ordered", "bernoulli", *OTHERS)
Families = Mapping[str, str] | str
# Of a pair in censored=: limits (numbers) or columns (texts).
Censored = str | tuple[str, str] | tuple[float | None, float | None]
# Variance of the latent response's residual in the family's standard form.
LINKS = {"probit": 1.0, "logit": math.pi**2 / 3.0}
PARAMETERIZATIONS = ("delta", "theta")
_THRESHOLD = re.compile(r"t([1-9]\d*)\Z")


@dataclass(frozen=True, slots=True)
class Responses:
    """The variables of a model that are not normal.

    Attributes
    ----------
    families : mapping
        Family ("ordered" or "bernoulli") of each ordered variable, in the model's order.
    link : str
        "probit" or "logit".
    parameterization : str
        "delta" or "theta".
    thresholds : mapping
        How many thresholds each has, as far as the data or the text say.
    cuts : mapping
        Start values of the thresholds of each, from the data.
    others : mapping
        Family (of `OTHERS`) of each count, duration, limited outcome, share, and number with heavy
        tails of its own.
    exposure : mapping
        Column of the exposure of counts.
    censored : mapping
        Of durations and limited outcomes: column of the flag, columns of the interval, or limits.
    heavy_tailed : bool
        Whether all that is random about a respondent has heavy tails together (multivariate t).
    """

    families: Mapping[str, str] = field(default_factory=dict)
    link: str = "probit"
    parameterization: str = "delta"
    thresholds: Mapping[str, int] = field(default_factory=dict)
    cuts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    exposure: Mapping[str, str] = field(default_factory=dict)
    censored: Mapping[str, Censored] = field(default_factory=dict)
    heavy_tailed: bool = False

    @property
    def shapes(self) -> tuple[tuple[str, str], ...]:
        """(variable, name) of each number that a family has beside its dispersion."""
        return tuple(
            (name, shape) for name, kind in self.others.items() for shape in SHAPES.get(kind, ())
        )

    @property
    def residual_variance(self) -> float:
        """Of a latent response, where it is fixed."""
        return LINKS[self.link]


def read_responses(
    roles: Roles,
    statements: Sequence[Statement],
    *,
    ordered: bool | str | Sequence[str] = False,
    family: Families | None = None,
    link: str = "probit",
    parameterization: str = "delta",
    categories: Mapping[str, int] | None = None,
    exposure: Mapping[str, str] | None = None,
    censored: Mapping[str, Censored] | None = None,
) -> Responses:
    """Collect what options, text and data say about variables that are not normal.

    Parameters
    ----------
    roles : Roles
        The names of the model.
    statements : sequence of Statement
        Those with `|` declare an ordered variable, too.
    ordered, family, link, parameterization, exposure, censored
        As in `bayessem.syntax.table.build_table`.
    categories : mapping, optional
        How many categories each ordered variable has in the data.

    Raises
    ------
    ModelError
        For names and families that are unknown, a variable declared twice, and ordered variables
        where the model needs numbers.
    """
    if link not in LINKS:
        raise ModelError(f"link is {' or '.join(map(repr, LINKS))}, not {shown(link)}")
    if parameterization not in PARAMETERIZATIONS:
        raise ModelError(
            f"parameterization is {' or '.join(map(repr, PARAMETERIZATIONS))}, not "
            f"{shown(parameterization)}"
        )
    heavy_tailed = _heavy_tailed(roles, family)
    found = _declared(roles, ordered, None if heavy_tailed else family)
    written: dict[str, list[Statement]] = {}
    for statement in statements:
        if statement.op == "|":
            written.setdefault(statement.lhs, []).append(statement)
    for name, said in written.items():
        if name not in roles.observed:
            raise ModelError(
                f"{said[0].where} gives thresholds to '{name}', which is no observed variable of "
                f"the model.{did_you_mean(name, roles.observed)}"
            )
        if found.get(name) in SHAPES:
            _check_shapes(name, found[name], said)
            continue
        if found.get(name) in (NORMAL, *OTHERS):
            raise ModelError(
                f"{said[0].where} gives thresholds to '{name}', whose family is {found[name]!r}; "
                "keep one"
            )
        found.setdefault(name, "ordered")
    others = {n: found[n] for n in roles.observed if found.get(n) in OTHERS}
    families = {
        n: found[n] for n in roles.observed if n not in others and found.get(n, NORMAL) != NORMAL
    }
    _check_places(families, roles)
    _check_other_places(others, roles)
    given = dict(categories or {})
    thresholds = {
        name: given[name] - 1 if name in given else _highest(written.get(name, ()))
        for name in families
    }
    for name, said in written.items():
        if name in families:
            _check_written(name, said, given.get(name))
    for name, kind in families.items():
        if kind == "bernoulli" and thresholds[name] > 1:
            raise ModelError(
                f"the family of {name!r} is 'bernoulli', two categories, but it has "
                f"{thresholds[name] + 1}; its family is 'ordered'"
            )
    return Responses(
        families,
        link,
        parameterization,
        thresholds,
        others=others,
        exposure=_exposures(exposure, others),
        censored=_censored(censored, others),
        heavy_tailed=_with_normal_alone(heavy_tailed, (*families, *others)),
    )


def _heavy_tailed(roles: Roles, family: object) -> bool:
    """Whether family= is about respondents as a whole, and the model is one that can have that."""
    if not isinstance(family, str):
        return False
    if family != STUDENT:
        raise ModelError(
            f"family={family!r}: one word is about respondents as a whole, and is 'student' "
            "(heavy tails); of single variables family goes by variable, such as "
            "family={'exporter': 'bernoulli'}"
        )
    if roles.products:
        raise NotSupported(
            f"family='student' is not there yet for models with products ({roles.products[0][0]}); "
            "leave the product out, or family= (bs.compare tells which of the two the data need)"
        )
    if roles.of_items:
        raise NotSupported(
            "family='student' is not there yet for models with composites "
            f"({next(iter(roles.of_items))} <~ ...); leave family= out, or measure them by =~"
        )
    return True


def _with_normal_alone(heavy_tailed: bool, others: Sequence[str]) -> bool:
    if heavy_tailed and others:
        raise NotSupported(
            f"family='student' is for models of normal variables, and {others[0]!r} has a family "
            "of its own; leave family='student' out, or treat "
            f"{others[0]!r} as a number"
        )
    return heavy_tailed


def _declared(
    roles: Roles, ordered: bool | str | Sequence[str], family: Families | None
) -> dict[str, str]:
    """Family by name, as the options say."""
    out: dict[str, str] = {}
    if isinstance(ordered, bool | np.bool_):
        names: Iterable[str] = (n for n in roles.observed if n in roles.measured) if ordered else ()
    else:
        names = texts("ordered", ordered, ModelError, example="['x1', 'x2'], or True")
    for name in names:
        if name in out:
            raise ModelError(f"ordered names {name!r} twice; once is enough")
        out[name] = "ordered"
    for name, kind in _families(family).items():
        if name in out and not isinstance(ordered, bool | np.bool_) and kind != out[name]:
            raise ModelError(
                f"{name!r} is in ordered and has the family {kind!r}; declare it in one place"
            )
        out[name] = kind
    unknown = [name for name in out if name not in roles.observed]
    if unknown:
        raise ModelError(
            f"{unknown[0]!r} in ordered or family is no observed variable of the model."
            f"{did_you_mean(unknown[0], roles.observed)} The observed variables: "
            f"{', '.join(roles.observed)}"
        )
    return out


def _families(family: Families | None) -> dict[str, str]:
    if family is None:
        return {}
    if not isinstance(family, Mapping):
        raise ModelError(
            "family goes by variable: family={'x1': 'ordered', 'exporter': 'bernoulli'}, or is "
            f"'student' (heavy tails of respondents as a whole), not {shown(family)}"
        )
    for name, kind in family.items():
        if kind not in FAMILIES:
            raise ModelError(
                f"family of {name!r}: {shown(kind)} is none of {', '.join(map(repr, FAMILIES))}"
            )
    return {str(name): kind for name, kind in family.items()}


def _check_places(families: Mapping[str, str], roles: Roles) -> None:
    """Refuse ordered variables that predict: their numbers would be codes."""
    factors = {name: product for product, pair in roles.products for name in pair}
    for name in families:
        if name in factors:
            raise ModelError(
                f"{name!r} is ordered and a factor of {factors[name]}: codes of categories cannot "
                f"be multiplied. Measure a construct by {name} and use that, or leave {name} out "
                "of ordered (it then enters as a number)"
            )
        if name in roles.covariates:
            raise ModelError(
                f"{name!r} is ordered but only predicts; ordered is for indicators and outcomes. "
                "Leave it out: a predictor enters as the number that it is (0 and 1, a score), or "
                "as indicator variables of its categories"
            )
        if name in roles.predictors:
            raise ModelError(
                f"{name!r} is an ordered outcome and predicts, too, which bayessem cannot do yet; "
                f"leave it out of ordered (it is then a number), or drop the path from it"
            )


def _check_other_places(others: Mapping[str, str], roles: Roles) -> None:
    """Refuse counts, durations and shares that predict: give what they are as numbers instead."""
    factors = {name: product for product, pair in roles.products for name in pair}
    for name, kind in others.items():
        where = ""
        if name in factors:
            where = f"is a factor of {factors[name]}"
        elif name in roles.covariates:
            where = "only predicts"
        elif name in roles.predictors:
            where = "is an outcome and predicts, too, which bayessem cannot do yet"
        if where:
            raise ModelError(
                f"{name!r} has the family {kind!r} but {where}; families are for indicators and "
                f"outcomes. Leave {name} out of family= (it then enters as the number that it is)"
            )


def _by_variable(what: str, given: object, example: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ModelError(f"{what} goes by variable: {what}={example}, not {shown(given)}")
    return {str(name): value for name, value in given.items()}


def _exposures(given: Mapping[str, str] | None, others: Mapping[str, str]) -> dict[str, str]:
    """Column of the exposure of each count that has one."""
    out = _by_variable("exposure", given, "{'partners': 'years'}")
    for name, column in out.items():
        if others.get(name) not in COUNTS:
            raise ModelError(
                f"exposure names {name!r}, which is no count of the model: its family has to be "
                f"{' or '.join(map(repr, COUNTS))} (family={{{name!r}: 'poisson'}})"
                f"{did_you_mean(name, others)}"
            )
        if not isinstance(column, str):
            raise ModelError(
                f"exposure of {name!r} is the name of a column, such as 'years', not "
                f"{shown(column)}"
            )
    return dict(out)


def _censored(
    given: Mapping[str, Censored] | None, others: Mapping[str, str]
) -> dict[str, Censored]:
    """What says how each duration or limited outcome is censored."""
    out: dict[str, Censored] = {}
    example = "{'SPEED': 'censored'}"
    for name, value in _by_variable("censored", given, example).items():
        kind = others.get(name)
        if kind not in (*DURATIONS, TOBIT):
            raise ModelError(
                f"censored names {name!r}, whose family is {kind or NORMAL!r}; censored are "
                f"{', '.join(map(repr, (*DURATIONS, TOBIT)))}{did_you_mean(name, others)}"
            )
        out[name] = _one_censored(name, kind, value)
    for name, kind in others.items():
        if kind == TOBIT and name not in out:
            raise ModelError(
                f"the family of {name!r} is 'tobit', but nothing says where it is censored: give "
                f"limits, censored={{{name!r}: (0, None)}}, or the column of a flag (0 observed, 1 "
                "right-censored, -1 left-censored)"
            )
    return out


def _one_censored(name: str, kind: str, value: object) -> Censored:
    if isinstance(value, str):
        return value
    pair = tuple(value) if isinstance(value, Sequence) else ()
    if len(pair) == 2 and all(isinstance(x, str) for x in pair):
        return pair[0], pair[1]
    if (
        len(pair) == 2
        and all(x is None or _is_number(x) for x in pair)
        and any(x is not None for x in pair)
    ):
        low, high = (None if x is None else float(x) for x in pair)
        if low is not None and high is not None and not low < high:
            raise ModelError(
                f"censored of {name!r}: the lower limit {low:g} is not below the upper {high:g}"
            )
        if kind in DURATIONS and low is not None and low <= 0.0:
            raise ModelError(
                f"censored of {name!r}: durations are positive, so the lower limit {low:g} "
                "censors none; use None"
            )
        return low, high
    raise ModelError(
        f"censored of {name!r} is the column of a flag ('censored': 0 observed, 1 right-censored, "
        "-1 left-censored), the two columns of an interval ('from', 'to'), or two limits "
        f"(0, None), not {shown(value)}"
    )


def _is_number(x: object) -> bool:
    return (
        isinstance(x, int | float | np.integer | np.floating)
        and not isinstance(x, bool)
        and math.isfinite(x)
    )


def _highest(said: Sequence[Statement]) -> int:
    return max((_number(s) for s in said), default=0)


def _number(statement: Statement) -> int:
    """The number of the threshold that a statement is about."""
    found = _THRESHOLD.match(statement.rhs)
    if found is None:
        raise ModelError(
            f"{statement.where}: thresholds are named t1, t2, ..., as in "
            f"'{statement.lhs} | t1 + t2'"
        )
    return int(found[1])


def _check_written(name: str, said: Sequence[Statement], categories: int | None) -> None:
    """Refuse thresholds that the data have no categories for."""
    for statement in said:
        number = _number(statement)
        if categories is not None and number >= categories:
            raise ModelError(
                f"{statement.where}: {name!r} has {categories} categories in the data, hence "
                f"{categories - 1} threshold{'s' * (categories > 2)}, and no {statement.rhs}"
            )


def _check_shapes(name: str, kind: str, said: Sequence[Statement]) -> None:
    """Refuse numbers that a family does not have."""
    for statement in said:
        if statement.rhs not in SHAPES[kind]:
            raise ModelError(
                f"{statement.where}: {name!r} (family {kind!r}) has no {statement.rhs!r}; it has "
                f"{' and '.join(SHAPES[kind])}, as in '{name} | {SHAPES[kind][0]}'"
            )
