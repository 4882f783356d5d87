"""Normal responses seen in intervals: log-normal durations, and outcomes with a floor or ceiling.

What is measured (the log of a duration; of a tobit outcome the number itself) is the linear
predictor plus a normal residual whose variance is the dispersion. An answer comes with the ends of
the interval in which it lies: equal where it was observed, the upper one infinite where it was
censored from the right.

Tobin, J. (1958). Estimation of relationships for limited dependent variables. Econometrica, 26,
24-36. doi:10.2307/1907382
Kalbfleisch, J. D., & Prentice, R. L. (2002). The statistical analysis of failure time data. Wiley.
"""

import math

import numpy as np
from scipy.special import log_ndtr

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.family_normal import LOG_SQRT_2PI
from bayessem.likelihood.family_ordered import interval_probability, residual_density
from bayessem.likelihood.family_poisson import exp


@compiled
def interval_cell(own, eta, dispersion):
    """Log-density of an answer, or log-probability of its interval; own : answer, lower, upper."""
    lower, upper = own[1], own[2]
    if lower == upper:
        e = lower - eta
        return -0.5 * (e * e / dispersion + math.log(dispersion)) - LOG_SQRT_2PI
    sd = math.sqrt(dispersion)
    p = interval_probability(0, (lower - eta) / sd, (upper - eta) / sd)
    return math.log(p) if p > 0.0 else -np.inf


@compiled
def interval_slopes(own, eta, dispersion):
    """Its derivatives by the linear predictor and by the variance."""
    lower, upper = own[1], own[2]
    if lower == upper:
        e = lower - eta
        return e / dispersion, 0.5 * (e * e / dispersion - 1.0) / dispersion
    sd = math.sqrt(dispersion)
    low, high = (lower - eta) / sd, (upper - eta) / sd
    p = interval_probability(0, low, high)
    if not p > 0.0:
        return 0.0, 0.0
    by_eta, by_scale = 0.0, 0.0
    if low > -np.inf:
        d = residual_density(0, low) / p
        by_eta += d
        by_scale += d * low
    if high < np.inf:
        d = residual_density(0, high) / p
        by_eta -= d
        by_scale -= d * high
    return by_eta / sd, 0.5 * by_scale / dispersion


@compiled
def duration_row(own):
    """Log of the derivative of log t: from densities of log durations to those of durations."""
    return -own[1] if own[1] == own[2] else 0.0


def interval_slopes_of(
    own: np.ndarray, eta: np.ndarray, dispersion: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-density of answers (n, column) at predictors (n, ...), two derivatives by these."""
    shape = (len(own),) + (1,) * (eta.ndim - 1)
    lower, upper = own[:, 1].reshape(shape), own[:, 2].reshape(shape)
    sd = math.sqrt(dispersion)
    exact = lower == upper
    with np.errstate(invalid="ignore"):
        e = np.where(exact, lower - eta, 0.0)
        low, high = (lower - eta) / sd, (upper - eta) / sd
        value, first, second = _interval(np.where(exact, -np.inf, low), high)
    seen = -0.5 * (e * e / dispersion + math.log(dispersion)) - LOG_SQRT_2PI
    return (
        np.where(exact, seen, value),
        np.where(exact, e / dispersion, first / sd),
        np.where(exact, -1.0 / dispersion, second / dispersion),
    )


def _interval(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log P(low < z < high) of a standard normal z, two derivatives by what both are less of."""
    turned = low + high > 0.0
    a, b = np.where(turned, -high, low), np.where(turned, -low, high)
    near, far = log_ndtr(b), log_ndtr(a)
    with np.errstate(divide="ignore"):
        value = near + np.log1p(-np.exp(np.minimum(far - near, -1e-300)))
    parts = []
    for z in (low, high):
        known = np.isfinite(z)
        safe = np.where(known, z, 0.0)
        log_over = -0.5 * safe * safe - LOG_SQRT_2PI - value
        over = np.where(known, np.exp(np.minimum(log_over, 300.0)), 0.0)
        parts.append((over, over * safe))
    (d, d1), (u, u1) = parts
    first = d - u
    return value, first, np.minimum(d1 - u1 - first * first, 0.0)


def log_density(own: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Log-density of durations (n, column), or log-probability of intervals, at predictors."""
    return slopes(own, eta, dispersion)[0]


def slopes(
    own: np.ndarray, eta: np.ndarray, dispersion: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with its first and second derivative by the predictor."""
    value, first, second = interval_slopes_of(own, eta, dispersion)
    return value + jacobian(own, eta), first, second


def jacobian(own: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """`duration_row` of answers (n, column), to add to (n, ...)."""
    row = np.where(own[:, 1] == own[:, 2], -own[:, 1], 0.0)
    return row.reshape((len(own),) + (1,) * (eta.ndim - 1))


def information(beside: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Information about the predictor of an answer that was observed."""
    return np.full(np.shape(eta), 1.0 / dispersion)


def mean(beside: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Expected durations."""
    return exp(eta + 0.5 * dispersion)


def draw(
    beside: np.ndarray, eta: np.ndarray, dispersion: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Durations, all observed, at predictors (...)."""
    return exp(eta + np.sqrt(dispersion) * rng.standard_normal(np.shape(eta)))


def survival(t: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """P(duration > t), t and eta of shapes that fit."""
    return np.exp(log_ndtr((eta - np.log(t)) / math.sqrt(dispersion)))


def link_variance(dispersion: np.ndarray, eta: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Residual variance on the scale of the linear predictor."""
    return dispersion
