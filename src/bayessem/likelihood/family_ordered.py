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
def residual_below(link, x):
    """P(residual < x), to full relative accuracy where x < 0."""
    if link == 0:
        return 0.5 * math.erfc(-ROOT_HALF * x)
    return 1.0 / (1.0 + math.exp(-x))


@compiled
def residual_density(link, x):
    """Density of the residual at x."""
    if link == 0:
        return INVERSE_SQRT_2PI * math.exp(-0.5 * x * x)
    e = math.exp(-abs(x))
    return e / ((1.0 + e) * (1.0 + e))


@compiled
def tails(link, x):
    """P(residual < x), P(residual > x) and the density at x, each to full relative accuracy."""
    near = residual_below(link, -abs(x))
    density = residual_density(link, x)
    if x < 0.0:
        return near, 1.0 - near, density
    return 1.0 - near, near, density


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
