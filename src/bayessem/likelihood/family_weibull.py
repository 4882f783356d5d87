"""The Weibull family: durations whose hazards are proportional.

log t = linear predictor + s w, w the log of a standard exponential variable (minimum extreme value
distribution): exp(linear predictor) is the Weibull distribution's scale and 1 / s its shape. The
dispersion is the residual variance of log t, s^2 pi^2 / 6, so that it compares with a log-normal
duration's. An answer comes with the logs of the ends of its interval, as in family_lognormal.py.

Kalbfleisch, J. D., & Prentice, R. L. (2002). The statistical analysis of failure time data. Wiley.
"""

import math

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.family_lognormal import jacobian, link_variance
from bayessem.likelihood.family_poisson import LARGEST, exp

__all__ = ["draw", "information", "link_variance", "log_density", "mean", "slopes", "survival"]

# Variance of the log of a standard exponential variable.
VARIANCE = math.pi**2 / 6.0


@compiled
def weibull_cell(own, eta, dispersion):
    """Log-density of log t, or log-probability of its interval; own : answer, lower, upper."""
    s = math.sqrt(dispersion / VARIANCE)
    low = (own[1] - eta) / s
    if own[1] == own[2]:
        return low - math.exp(min(low, LARGEST)) - math.log(s)
    start = math.exp(min(low, LARGEST)) if low > -np.inf else 0.0
    if own[2] == np.inf:
        return -start
    width = math.exp(min((own[2] - eta) / s, LARGEST)) - start
    return -start + math.log(-math.expm1(-width)) if width > 0.0 else -np.inf


@compiled
def weibull_slopes(own, eta, dispersion):
    """Its derivatives by the linear predictor and by the variance."""
    s = math.sqrt(dispersion / VARIANCE)
    low = (own[1] - eta) / s
    start = math.exp(min(low, LARGEST)) if low > -np.inf else 0.0
    if own[1] == own[2]:
        by_low = 1.0 - start
        return -by_low / s, -0.5 * (by_low * low + 1.0) / dispersion
    by_eta = start / s
    by_scale = start * low if start > 0.0 else 0.0
    if own[2] < np.inf:
        high = (own[2] - eta) / s
        end = math.exp(min(high, LARGEST))
        width = end - start
        if not width > 0.0:
            return 0.0, 0.0
        over = 1.0 / math.expm1(min(width, LARGEST))
        by_eta -= over * (end - start) / s
        by_scale -= over * (end * high - (start * low if start > 0.0 else 0.0))
    return by_eta, 0.5 * by_scale / dispersion


def log_density(own: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Log-density of durations (n, column), or log-probability of intervals, at predictors."""
    return slopes(own, eta, dispersion)[0]


def slopes(
    own: np.ndarray, eta: np.ndarray, dispersion: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with its first and second derivative by the predictor."""
    shape = (len(own),) + (1,) * (eta.ndim - 1)
    lower, upper = own[:, 1].reshape(shape), own[:, 2].reshape(shape)
    s = math.sqrt(dispersion / VARIANCE)
    exact = np.broadcast_to(lower == upper, eta.shape)
    low = (lower - eta) / s
    start = np.exp(np.minimum(low, LARGEST))
    end = np.exp(np.minimum((upper - eta) / s, LARGEST))
    closed = ~exact & np.isfinite(upper)
    width = np.where(closed, np.maximum(end - start, 1e-300), 1.0)
    over = np.where(closed, 1.0 / np.expm1(np.minimum(width, LARGEST)), 0.0)
    value = -start + np.where(closed, np.log(-np.expm1(-width)), 0.0)
    first = start - over * width
    # of over * width by the predictor: width falls by itself, over rises
    bend = over * width * (1.0 - width * (1.0 + over))
    second = np.where(closed, bend - start, -start)
    seen = np.where(exact, low, 0.0) - start - math.log(s)
    value = np.where(exact, seen, value)
    first = np.where(exact, start - 1.0, first)
    return value + jacobian(own, eta), first / s, np.minimum(second, 0.0) / (s * s)


def information(beside: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Expected information about the predictor of a duration that was observed."""
    return np.full(np.shape(eta), VARIANCE / dispersion)


def mean(beside: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Expected durations."""
    return exp(eta) * math.gamma(1.0 + math.sqrt(dispersion / VARIANCE))


def draw(
    beside: np.ndarray, eta: np.ndarray, dispersion: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Durations, all observed, at predictors (...)."""
    own = np.log(rng.standard_exponential(np.shape(eta)))
    return exp(eta + np.sqrt(dispersion / VARIANCE) * own)


def survival(t: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """P(duration > t), t and eta of shapes that fit."""
    z = (np.log(t) - eta) / math.sqrt(dispersion / VARIANCE)
    return np.exp(-np.exp(np.minimum(z, LARGEST)))
