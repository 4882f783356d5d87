"""The ordered family: an answer is the category in which a latent response lies.

The latent response is the linear predictor plus a residual, normal (probit) or logistic (logit);
the categories lie between thresholds. Two categories are the binary case. In its standard form the
residual has variance 1 (probit) or pi^2 / 3 (logit); a latent response has the variance of its
residual and of its predictor.

McCullagh, P. (1980). Regression models for ordinal data. Journal of the Royal Statistical Society
B, 42, 109-142.
"""

import math

import numpy as np
from scipy.special import ndtr

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.elementary import exponential, normal_tail

PROBIT, LOGIT = 0, 1
CODES = {"probit": PROBIT, "logit": LOGIT}
VARIANCES = (1.0, math.pi**2 / 3.0)
INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


@compiled
def residual_below(link, x):
    """P(residual < x), to full relative accuracy where x < 0."""
    if link == 0:
        near, _ = normal_tail(abs(x))
        return near if x < 0.0 else 1.0 - near
    return 1.0 / (1.0 + exponential(-x))


@compiled
def residual_density(link, x):
    """Density of the residual at x."""
    if link == 0:
        return INVERSE_SQRT_2PI * exponential(-0.5 * x * x)
    e = exponential(-abs(x))
    return e / ((1.0 + e) * (1.0 + e))


@compiled
def tails(link, x):
    """P(residual < x), P(residual > x) and the density at x, each to full relative accuracy."""
    near = residual_below(link, -abs(x))
    density = residual_density(link, x)
    if x < 0.0:
        return near, 1.0 - near, density
    return 1.0 - near, near, density


# Numbers of an answer that `ordered_slopes` gives: three derivatives by eta, then for the lower and
# the upper threshold the density there with two derivatives, over p; 0 where there is none.
SLOPES = 9


@compiled
def _density(link, z):
    """Density of the residual at z and its first two derivatives; 0 at infinity."""
    if np.isinf(z):
        return 0.0, 0.0, 0.0
    f = residual_density(link, z)
    if link == 0:
        return f, -z * f, (z * z - 1.0) * f
    e = exponential(-abs(z))
    lean = (1.0 - e) / (1.0 + e) if z < 0.0 else (e - 1.0) / (1.0 + e)
    return f, lean * f, (lean * lean - 2.0 * f) * f


@compiled
def interval_probability(link, lower, upper):
    """P(lower < residual < upper), in the tail where it is accurate; 0 where they cross."""
    if lower == -np.inf:
        return residual_below(link, upper)
    if upper == np.inf:
        return residual_below(link, -lower)
    if upper <= lower:
        return 0.0
    if lower + upper > 0.0:
        return residual_below(link, -lower) - residual_below(link, -upper)
    return residual_below(link, upper) - residual_below(link, lower)


@compiled
def ordered_slopes(link, lower, upper, scale):
    """Probability of a category between standardised thresholds, and SLOPES numbers of its log."""
    p = interval_probability(link, lower, upper)
    if not p > 0.0:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    over, by = 1.0 / p, 1.0 / scale
    a, a1, a2 = _density(link, lower)
    a, a1, a2 = -a * over, -a1 * over, -a2 * over
    b, b1, b2 = _density(link, upper)
    b, b1, b2 = b * over, b1 * over, b2 * over
    t, t1, t2 = a + b, a1 + b1, a2 + b2
    second = min(t1 - t * t, 0.0) * by * by
    third = (3.0 * t * t1 - t2 - 2.0 * t * t * t) * by * by * by
    return p, -t * by, second, third, a, a1, a2, b, b1, b2


@compiled
def pull_ordered(slopes, scale, rho, gamma):
    """Derivatives of l + rho l' + gamma l'' / 2 by both standardised thresholds."""
    a, a1, a2, b, b1, b2 = slopes[3], slopes[4], slopes[5], slopes[6], slopes[7], slopes[8]
    t, t1 = a + b, a1 + b1
    r, g = rho / scale, 0.5 * gamma / (scale * scale)
    one = 2.0 * t * t - t1  # of l'' by what the density itself is multiplied by
    low = a - r * (a1 - t * a) + g * (a2 - 2.0 * t * a1 + one * a)
    high = b - r * (b1 - t * b) + g * (b2 - 2.0 * t * b1 + one * b)
    return low, high


def probabilities(link: str, thresholds: np.ndarray, eta: np.ndarray, scale: float) -> np.ndarray:
    """Probabilities of the categories, (..., C), at linear predictors `eta` (...).

    Parameters
    ----------
    link : {"probit", "logit"}
        Distribution of the residual.
    thresholds : ndarray (C - 1,)
        Increasing.
    eta : ndarray (...)
        Linear predictors of the latent response.
    scale : float
        Of the residual, over its standard form.
    """
    z = (np.asarray(thresholds) - np.asarray(eta)[..., None]) / scale
    below = ndtr(z) if link == "probit" else 0.5 * (1.0 + np.tanh(0.5 * z))
    edge = np.ones((*below.shape[:-1], 1))
    return np.diff(np.concatenate([0.0 * edge, below, edge], axis=-1), axis=-1)


def draw_residual(link: str, shape: tuple, rng: np.random.Generator) -> np.ndarray:
    """Residuals of latent responses in standard form."""
    return rng.standard_normal(shape) if link == "probit" else rng.logistic(size=shape)


def draw(response: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Categories 0, 1, ... of latent responses (...)."""
    return np.searchsorted(thresholds, response, side="left").astype(np.float64)
