"""The response families that are neither normal nor ordered: a row each, and their dispatch.

A family is one file: the log-density of an answer at a linear predictor, its derivatives by the
predictor and by the family's numbers, the information, draws, expected values, and a variance on
the scale of the predictor. The first number is a dispersion, which stands where a residual variance
stands; up to two more, the shapes, have names (`SHAPES` of syntax/responses.py). Answers come as
OWN numbers: the answer and two that belong to it (exposure, interval).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from bayessem.likelihood import (
    family_beta,
    family_lognormal,
    family_negative_binomial,
    family_poisson,
    family_student,
    family_tobit,
    family_weibull,
    family_zero_one_beta,
)
from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.family_beta import beta_cell, beta_row, beta_slopes
from bayessem.likelihood.family_lognormal import duration_row, interval_cell, interval_slopes
from bayessem.likelihood.family_negative_binomial import (
    negative_binomial_cell,
    negative_binomial_row,
    negative_binomial_slopes,
)
from bayessem.likelihood.family_poisson import poisson_cell, poisson_row, poisson_slope
from bayessem.likelihood.family_student import student_cell, student_row, student_slopes
from bayessem.likelihood.family_weibull import weibull_cell, weibull_slopes
from bayessem.likelihood.family_zero_one_beta import (
    zero_one_beta_cell,
    zero_one_beta_row,
    zero_one_beta_slopes,
)

# Numbers of an answer: itself and what belongs to it.
OWN = 3
# Kinds of factors, after those of node_plan.py.
(
    POISSON,
    NEGATIVE_BINOMIAL,
    LOGNORMAL,
    WEIBULL,
    TOBIT,
    BETA,
    ZERO_ONE_BETA,
    STUDENT,
) = range(5, 13)
FIRST = POISSON


# What a linear predictor is, by link.
LINK_WORDS = {
    "log": "the log of the expected count, or of a duration's scale",
    "logit": "the logit of the expected share",
    "identity": "the expected value",
}


@compiled
def row_constant(kind, own, numbers):
    """What of an answer's log-density no predictor changes, and its derivatives by the numbers.

    numbers : dispersion and shapes, three.
    """
    dispersion = numbers[0]
    if kind == POISSON:
        return poisson_row(own), 0.0, 0.0, 0.0
    if kind == NEGATIVE_BINOMIAL:
        value, slope = negative_binomial_row(own, dispersion)
        return value, slope, 0.0, 0.0
    if kind == BETA:
        value, slope = beta_row(own, dispersion)
        return value, slope, 0.0, 0.0
    if kind == ZERO_ONE_BETA:
        return zero_one_beta_row(own, numbers)
    if kind == STUDENT:
        return student_row(numbers)
    if kind == TOBIT:
        return 0.0, 0.0, 0.0, 0.0
    return duration_row(own), 0.0, 0.0, 0.0


@compiled
def cell_log(kind, own, eta, numbers):
    """The rest of the log-density, at a linear predictor."""
    dispersion = numbers[0]
    if kind == POISSON:
        return poisson_cell(own, eta)
    if kind == NEGATIVE_BINOMIAL:
        return negative_binomial_cell(own, eta, dispersion)
    if kind == WEIBULL:
        return weibull_cell(own, eta, dispersion)
    if kind == BETA:
        return beta_cell(own, eta, dispersion)
    if kind == ZERO_ONE_BETA:
        return zero_one_beta_cell(own, eta, dispersion)
    if kind == STUDENT:
        return student_cell(own, eta, numbers)
    return interval_cell(own, eta, dispersion)


@compiled
def cell_slopes(kind, own, eta, numbers):
    """Derivatives of the rest by the linear predictor, the dispersion and the first shape."""
    dispersion = numbers[0]
    if kind == STUDENT:
        return student_slopes(own, eta, numbers)
    if kind == POISSON:
        return poisson_slope(own, eta), 0.0, 0.0
    if kind == NEGATIVE_BINOMIAL:
        by_eta, by_dispersion = negative_binomial_slopes(own, eta, dispersion)
    elif kind == WEIBULL:
        by_eta, by_dispersion = weibull_slopes(own, eta, dispersion)
    elif kind == BETA:
        by_eta, by_dispersion = beta_slopes(own, eta, dispersion)
    elif kind == ZERO_ONE_BETA:
        by_eta, by_dispersion = zero_one_beta_slopes(own, eta, dispersion)
    else:
        by_eta, by_dispersion = interval_slopes(own, eta, dispersion)
    return by_eta, by_dispersion, 0.0


@dataclass(frozen=True)
class Family:
    """A response family; the functions are those of its file.

    Where it has shapes, all functions take them as last arguments.

    Attributes
    ----------
    name : str
        As in `family=`.
    kind : int
        Of its factors.
    reads : str
        "count", "duration", "limited", "share" or "number": what its column may hold.
    link : str
        "log", "logit" or "identity": of the expected answer (of a duration, its log is linear).
    ratio : str
        What exp(path) is called, "" where it is nothing.
    dispersion : str
        What `y ~~ y` is, "" where there is none.
    log_density, slopes : callable (own (n, OWN), eta (n, ...), dispersion)
    information, mean : callable (beside (..., OWN - 1), eta, dispersion)
    draw : callable (beside, eta, dispersion, rng)
    link_variance : callable (dispersion, mean of eta, variance of eta)
    survival : callable (t, eta, dispersion), or None
    """

    name: str
    kind: int
    reads: str
    link: str
    ratio: str
    dispersion: str
    log_density: Callable[..., np.ndarray]
    slopes: Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]
    information: Callable[..., np.ndarray]
    mean: Callable[..., np.ndarray]
    draw: Callable[..., np.ndarray]
    link_variance: Callable[..., np.ndarray]
    survival: Callable[[np.ndarray, np.ndarray, float], np.ndarray] | None = None


def _row(
    name: str, kind: int, module: ModuleType, reads: str, link: str, ratio: str, dispersion: str
) -> Family:
    return Family(
        name,
        kind,
        reads,
        link,
        ratio,
        dispersion,
        log_density=module.log_density,
        slopes=module.slopes,
        information=module.information,
        mean=module.mean,
        draw=module.draw,
        link_variance=module.link_variance,
        survival=getattr(module, "survival", None),
    )


FAMILIES: dict[str, Family] = {
    row.name: row
    for row in (
        _row("poisson", POISSON, family_poisson, "count", "log", "rate ratio", ""),
        _row(
            "negative_binomial",
            NEGATIVE_BINOMIAL,
            family_negative_binomial,
            "count",
            "log",
            "rate ratio",
            "overdispersion",
        ),
        _row(
            "lognormal",
            LOGNORMAL,
            family_lognormal,
            "duration",
            "log",
            "time ratio",
            "residual variance of the log duration",
        ),
        _row(
            "weibull",
            WEIBULL,
            family_weibull,
            "duration",
            "log",
            "time ratio",
            "residual variance of the log duration",
        ),
        _row("tobit", TOBIT, family_tobit, "limited", "identity", "", "residual variance"),
        _row("beta", BETA, family_beta, "share", "logit", "odds ratio", "1 / precision"),
        _row(
            "zero_one_beta",
            ZERO_ONE_BETA,
            family_zero_one_beta,
            "share",
            "logit",
            "odds ratio",
            "1 / precision",
        ),
        _row("student", STUDENT, family_student, "number", "identity", "", "squared scale"),
    )
}
BY_KIND: dict[int, Family] = {row.kind: row for row in FAMILIES.values()}
