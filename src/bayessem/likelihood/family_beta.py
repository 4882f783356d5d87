"""The beta family: shares between 0 and 1 whose expected value has the linear predictor as logit.

With expected share m and precision p the distribution is Beta(m p, (1 - m) p), of variance
m (1 - m) / (1 + p); the dispersion is 1 / p.

Ferrari, S., & Cribari-Neto, F. (2004). Beta regression for modelling rates and proportions. Journal
of Applied Statistics, 31, 799-815. doi:10.1080/0266476042000214501
"""

import math

import numpy as np
from scipy.special import expit, gammaln, polygamma, psi

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.special import digamma

# Expected shares are kept this far from 0 and 1, where the gamma function has poles.
EDGE = 1e-12


@compiled
def _expected(eta):
    """Expected share and the distance of it from 1."""
    e = math.exp(-abs(eta))
    small, large = max(e / (1.0 + e), EDGE), 1.0 / (1.0 + e)
    return (large, small) if eta > 0.0 else (small, large)


@compiled
def beta_row(own, dispersion):
    """What of the log-density no predictor changes, with its derivative by the dispersion.

    own : answer, its log, the log of its distance from 1.
    """
    p = 1.0 / dispersion
    return math.lgamma(p) - own[1] - own[2], -p * p * digamma(p)


@compiled
def beta_cell(own, eta, dispersion):
    """The rest of the log-density."""
    m, rest = _expected(eta)
    a, b = m / dispersion, rest / dispersion
    return a * own[1] + b * own[2] - math.lgamma(a) - math.lgamma(b)


@compiled
def beta_slopes(own, eta, dispersion):
    """Derivatives of the rest by the linear predictor and by the dispersion."""
    m, rest = _expected(eta)
    p = 1.0 / dispersion
    by_a, by_b = own[1] - digamma(m * p), own[2] - digamma(rest * p)
    return p * m * rest * (by_a - by_b), -p * p * (m * by_a + rest * by_b)


def log_density(own: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Log-densities of shares (n, column) at predictors (n, ...)."""
    return slopes(own, eta, dispersion)[0]


def slopes(
    own: np.ndarray, eta: np.ndarray, dispersion: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with its first derivative by the predictor and the expected second one."""
    shape = (len(own),) + (1,) * (eta.ndim - 1)
    log_y, log_rest = own[:, 1].reshape(shape), own[:, 2].reshape(shape)
    p = 1.0 / dispersion
    m, rest = np.maximum(expit(eta), EDGE), np.maximum(expit(-eta), EDGE)
    a, b = m * p, rest * p
    value = gammaln(p) - gammaln(a) - gammaln(b) + (a - 1.0) * log_y + (b - 1.0) * log_rest
    first = p * m * rest * (log_y - psi(a) - log_rest + psi(b))
    return value, first, -information(own[:, 1:], eta, dispersion)


def information(beside: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Expected information about the predictor."""
    p = 1.0 / dispersion
    m, rest = np.maximum(expit(eta), EDGE), np.maximum(expit(-eta), EDGE)
    return (p * m * rest) ** 2 * (polygamma(1, m * p) + polygamma(1, rest * p))


def mean(beside: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Expected shares."""
    return expit(eta)


def draw(
    beside: np.ndarray, eta: np.ndarray, dispersion: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Shares at predictors (...), never 0 or 1."""
    p = 1.0 / np.broadcast_to(dispersion, np.shape(eta))
    drawn = rng.beta(np.maximum(expit(eta), EDGE) * p, np.maximum(expit(-eta), EDGE) * p)
    return np.clip(drawn, EDGE, 1.0 - EDGE)


def link_variance(dispersion: np.ndarray, eta: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Residual variance of the logit, to first order, at the mean of the predictor."""
    m = expit(eta)
    return dispersion / ((1.0 + dispersion) * m * (1.0 - m))
