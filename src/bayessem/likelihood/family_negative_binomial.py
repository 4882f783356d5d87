"""The negative binomial family: counts with more variance than a Poisson variable's.

The log expected count is the linear predictor plus log exposure; with expected count m the variance
is m + a m^2, a the dispersion: a Poisson count whose rate is multiplied by a gamma variable of mean
1 and variance a (Cameron & Trivedi's NB2).

Cameron, A. C., & Trivedi, P. K. (2013). Regression analysis of count data (2nd ed.). Cambridge.
"""

import math

import numpy as np
from scipy.special import gammaln

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.family_poisson import LARGEST_MEAN, _columns, exp, link_variance, mean
from bayessem.likelihood.special import digamma, log1p_excess

__all__ = ["draw", "information", "link_variance", "log_density", "mean", "slopes"]

# Counts whose product of 1 + a k is taken factor by factor, which is exact however small a is.
FACTORS = 200


@compiled
def _rising(y, dispersion):
    """Sum of log(1 + a k), k below y, and its derivative by a."""
    if y <= FACTORS:
        value, slope = 0.0, 0.0
        for k in range(1, int(y)):
            value += math.log1p(dispersion * k)
            slope += k / (1.0 + dispersion * k)
        return value, slope
    r = 1.0 / dispersion
    value = math.lgamma(y + r) - math.lgamma(r) + y * math.log(dispersion)
    return value, -r * r * (digamma(y + r) - digamma(r)) + y * r


@compiled
def negative_binomial_row(own, dispersion):
    """What of the log-probability no predictor changes, and its derivative by the dispersion."""
    value, slope = _rising(own[0], dispersion)
    return value + own[0] * own[1] - math.lgamma(own[0] + 1.0), slope


@compiled
def negative_binomial_cell(own, eta, dispersion):
    """The rest of the log-probability."""
    spread = math.log1p(dispersion * math.exp(eta + own[1]))
    return own[0] * (eta - spread) - spread / dispersion


@compiled
def negative_binomial_slopes(own, eta, dispersion):
    """Derivatives of the rest by the linear predictor and by the dispersion."""
    expected = math.exp(eta + own[1])
    x = dispersion * expected
    by_eta = (own[0] - expected) / (1.0 + x)
    by_dispersion = expected * expected * log1p_excess(x) - own[0] * expected / (1.0 + x)
    return by_eta, by_dispersion


def log_density(own: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Log-probabilities of answers (n, column) at predictors (n, ...)."""
    y, log_exposure = _columns(own, eta)
    r = 1.0 / dispersion
    total = eta + log_exposure
    spread = np.logaddexp(0.0, total + math.log(dispersion))
    rising = gammaln(y + r) - gammaln(r) + y * math.log(dispersion)
    return rising + y * (total - spread) - r * spread - gammaln(y + 1.0)


def slopes(
    own: np.ndarray, eta: np.ndarray, dispersion: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with its first and second derivative by the predictor."""
    y, log_exposure = _columns(own, eta)
    expected = exp(eta + log_exposure)
    over = 1.0 / (1.0 + dispersion * expected)
    second = -expected * (1.0 + dispersion * y) * over * over
    return log_density(own, eta, dispersion), (y - expected) * over, second


def information(beside: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Expected information about the predictor; beside (n, column) : log exposure first."""
    expected = exp(eta + beside[..., 0])
    return expected / (1.0 + dispersion * expected)


def draw(
    beside: np.ndarray, eta: np.ndarray, dispersion: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Counts at predictors (...)."""
    shape = 1.0 / np.maximum(np.broadcast_to(dispersion, np.shape(eta)), 1e-12)
    rate = mean(beside, eta, 0.0) * rng.gamma(shape) / shape
    return rng.poisson(np.minimum(rate, LARGEST_MEAN)).astype(np.float64)
