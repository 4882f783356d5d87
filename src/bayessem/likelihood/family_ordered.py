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

PROBIT, LOGIT = 0, 1
CODES = {"probit": PROBIT, "logit": LOGIT}
VARIANCES = (1.0, math.pi**2 / 3.0)
ROOT_HALF = math.sqrt(0.5)
INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


@compiled
def tails(link, x):
    """P(residual < x), P(residual > x) and the density at x, each to full relative accuracy."""
    if link == 0:
        density = INVERSE_SQRT_2PI * math.exp(-0.5 * x * x)
        return 0.5 * math.erfc(-ROOT_HALF * x), 0.5 * math.erfc(ROOT_HALF * x), density
    e = math.exp(-abs(x))
    near, far = 1.0 / (1.0 + e), e / (1.0 + e)
    if x >= 0.0:
        return near, far, near * far
    return far, near, near * far


@compiled
def category_probability(link, category, thresholds, eta, scale):
    """Probability of a category, and its derivatives by lower threshold, upper threshold, scale.

    thresholds : (C - 1,), increasing (else the probability is 0);  scale : of the residual, over
    its standard form. The derivative by eta is that by both thresholds with the other sign.
    """
    last = thresholds.size
    below, above, d_lower, d_scale = 0.0, 1.0, 0.0, 0.0
    lower = -np.inf
    if category > 0:
        lower = (thresholds[category - 1] - eta) / scale
        below, above, density = tails(link, lower)
        d_lower = -density / scale
        d_scale = density * lower / scale
    if category == last:
        return above, d_lower, 0.0, d_scale
    upper = (thresholds[category] - eta) / scale
    if upper <= lower:
        return 0.0, 0.0, 0.0, 0.0
    below_upper, above_upper, density = tails(link, upper)
    p = below_upper - below if lower < 0.0 else above - above_upper
    return p, d_lower, density / scale, d_scale - density * upper / scale


# Numbers of an answer that `ordered_slopes` leaves: three derivatives by eta, then for the lower and
# the upper threshold the standardised distance and the density there with two derivatives, over p.
SLOPES = 11


@compiled
def _density(link, z):
    """Density of the residual at z and its first two derivatives."""
    if link == 0:
        f = INVERSE_SQRT_2PI * math.exp(-0.5 * z * z)
        return f, -z * f, (z * z - 1.0) * f
    e = math.exp(-abs(z))
    f = e / ((1.0 + e) * (1.0 + e))
    lean = (1.0 - e) / (1.0 + e) if z < 0.0 else (e - 1.0) / (1.0 + e)
    return f, lean * f, (lean * lean - 2.0 * f) * f


@compiled
def _below(link, z):
    """P(residual < z)."""
    if link == 0:
        return 0.5 * math.erfc(-ROOT_HALF * z)
    e = math.exp(-abs(z))
    return 1.0 / (1.0 + e) if z >= 0.0 else e / (1.0 + e)


@compiled
def interval_probability(link, category, thresholds, eta, scale):
    """Probability of a category, in the tail where it is accurate; 0 where thresholds cross."""
    last = thresholds.size
    if category == 0:
        return _below(link, (thresholds[0] - eta) / scale)
    lower = (thresholds[category - 1] - eta) / scale
    if category == last:
        return _below(link, -lower)
    upper = (thresholds[category] - eta) / scale
    if upper <= lower:
        return 0.0
    if lower + upper > 0.0:
        return _below(link, -lower) - _below(link, -upper)
    return _below(link, upper) - _below(link, lower)


@compiled
def ordered_slopes(link, category, thresholds, eta, scale, slopes):
    """Probability of a category; slopes (SLOPES,) of its log, see above."""
    p = interval_probability(link, category, thresholds, eta, scale)
    slopes[:] = 0.0
    if not p > 0.0:
        return p
    t, t1, t2 = 0.0, 0.0, 0.0
    if category > 0:
        z = (thresholds[category - 1] - eta) / scale
        f, f1, f2 = _density(link, z)
        f, f1, f2 = -f / p, -f1 / p, -f2 / p
        slopes[3], slopes[4], slopes[5], slopes[6] = z, f, f1, f2
        t, t1, t2 = f, f1, f2
    if category < thresholds.size:
        z = (thresholds[category] - eta) / scale
        f, f1, f2 = _density(link, z)
        f, f1, f2 = f / p, f1 / p, f2 / p
        slopes[7], slopes[8], slopes[9], slopes[10] = z, f, f1, f2
        t, t1, t2 = t + f, t1 + f1, t2 + f2
    slopes[0] = -t / scale
    slopes[1] = min(t1 - t * t, 0.0) / (scale * scale)
    slopes[2] = (3.0 * t * t1 - t2 - 2.0 * t * t * t) / (scale * scale * scale)
    return p


@compiled
def pull_ordered(slopes, scale, rho, gamma):
    """Derivatives of l + rho l' + gamma l'' / 2 by both thresholds and the scale."""
    t = slopes[4] + slopes[8]
    t1 = slopes[5] + slopes[9]
    r, g = rho / scale, 0.5 * gamma / (scale * scale)
    one = 2.0 * t * t - t1  # of l'' by what scales with the density itself
    low = slopes[4] - r * (slopes[5] - t * slopes[4])
    low += g * (slopes[6] - 2.0 * t * slopes[5] + one * slopes[4])
    high = slopes[8] - r * (slopes[9] - t * slopes[8])
    high += g * (slopes[10] - 2.0 * t * slopes[9] + one * slopes[8])
    d_scale = -(low * slopes[3] + high * slopes[7]) / scale
    d_scale -= rho * slopes[0] / scale + gamma * slopes[1] / scale
    return low / scale, high / scale, d_scale


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
