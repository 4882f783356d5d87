"""The Poisson family: counts whose log expected value is the linear predictor plus log exposure.

An answer comes with the log of its exposure, what it was counted over (years, employees), 0 without
one. There is no dispersion: the variance is the expected count.

McCullagh, P., & Nelder, J. A. (1989). Generalized linear models (2nd ed.). Chapman & Hall.
"""

import math

import numpy as np
from scipy.special import gammaln, polygamma

from bayessem.likelihood.compiled import compiled

# Expected counts beyond it are drawn as it: no generator has them.
LARGEST_MEAN = 1e15
# Exponents beyond it are no numbers.
LARGEST = 700.0


def exp(x: np.ndarray) -> np.ndarray:
    """exp(x), the largest number there is where it would be none."""
    return np.exp(np.minimum(x, LARGEST))


@compiled
def poisson_row(own):
    """What of the log-probability no linear predictor changes; own : answer, log exposure."""
    return own[0] * own[1] - math.lgamma(own[0] + 1.0)


@compiled
def poisson_cell(own, eta):
    """The rest of the log-probability."""
    return own[0] * eta - math.exp(eta + own[1])


@compiled
def poisson_slope(own, eta):
    """Derivative of the log-probability by the linear predictor."""
    return own[0] - math.exp(eta + own[1])


def log_density(own: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Log-probabilities of answers (n, column) at predictors (n, ...)."""
    y, log_exposure = _columns(own, eta)
    total = eta + log_exposure
    return y * total - exp(total) - gammaln(y + 1.0)


def slopes(
    own: np.ndarray, eta: np.ndarray, dispersion: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with its first and second derivative by the predictor."""
    y, log_exposure = _columns(own, eta)
    mean = exp(eta + log_exposure)
    return log_density(own, eta, dispersion), y - mean, -mean


def _columns(own: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(own),) + (1,) * (eta.ndim - 1)
    return own[:, 0].reshape(shape), own[:, 1].reshape(shape)


def information(beside: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Expected information about the predictor; beside (n, column) : log exposure first."""
    return exp(eta + beside[..., 0])


def mean(beside: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Expected counts at predictors (...), with exposures beside (..., column)."""
    return exp(eta + beside[..., 0])


def draw(
    beside: np.ndarray, eta: np.ndarray, dispersion: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Counts at predictors (...)."""
    expected = np.minimum(mean(beside, eta, 0.0), LARGEST_MEAN)
    return rng.poisson(expected).astype(np.float64)


def link_variance(dispersion: np.ndarray, eta: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Residual variance on the log scale, given mean and variance of the predictor.

    The trigamma function at the expected count: of the log of a gamma variable with a count's
    mean and variance. Nakagawa, S., Johnson, P. C. D., & Schielzeth, H. (2017). Journal of the
    Royal Society Interface, 14, 20170213. doi:10.1098/rsif.2017.0213
    """
    expected = np.exp(np.minimum(eta + 0.5 * spread, 300.0))
    return polygamma(1, 1.0 / (1.0 / expected + dispersion))
