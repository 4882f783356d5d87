"""Numbers with outlying values: Student's t about the linear predictor, by variable.

The dispersion is the squared scale, the residual variance of most numbers: with few that are far
out nu is often below 2, where there is no variance, and the scale hardly depends on it. With
u = nu times the squared scale the density is

    Gamma((nu + 1) / 2) / (Gamma(nu / 2) sqrt(pi u)) (1 + e^2 / u)^(-(nu + 1) / 2).

Lange, K. L., Little, R. J. A., & Taylor, J. M. G. (1989). Robust statistical modeling using the t
distribution. Journal of the American Statistical Association, 84, 881-896.
doi:10.1080/01621459.1989.10478852
"""

import math

import numpy as np
from scipy.special import gammaln

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.special import digamma

__all__ = ["draw", "information", "link_variance", "log_density", "mean", "slopes", "weights"]


@compiled
def student_row(numbers):
    """What of the log-density no predictor changes, with its slopes by squared scale and nu."""
    square, nu = numbers[0], numbers[1]
    if not nu > 0.0:
        return -np.inf, 0.0, 0.0, 0.0
    value = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu)
    value -= 0.5 * math.log(math.pi * square * nu)
    by_nu = 0.5 * (digamma(0.5 * (nu + 1.0)) - digamma(0.5 * nu) - 1.0 / nu)
    return value, -0.5 / square, by_nu, 0.0


@compiled
def student_cell(own, eta, numbers):
    """The rest of the log-density."""
    e = own[0] - eta
    return -0.5 * (numbers[1] + 1.0) * math.log1p(e * e / (numbers[0] * numbers[1]))


@compiled
def student_slopes(own, eta, numbers):
    """Derivatives of the rest by the linear predictor, the squared scale and nu."""
    square, nu = numbers[0], numbers[1]
    e, u = own[0] - eta, square * nu
    q = e * e / u
    share = q / (1.0 + q)
    by_eta = (nu + 1.0) * e / (u + e * e)
    by_square = 0.5 * (nu + 1.0) * share / square
    by_nu = 0.5 * ((nu + 1.0) * share / nu - math.log1p(q))
    return by_eta, by_square, by_nu


def log_density(own: np.ndarray, eta: np.ndarray, dispersion: float, nu: float) -> np.ndarray:
    """Log-densities of numbers (n, column) at predictors (n, ...)."""
    return slopes(own, eta, dispersion, nu)[0]


def slopes(
    own: np.ndarray, eta: np.ndarray, dispersion: float, nu: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with its first derivative by the predictor and the expected second one."""
    e = own[:, 0].reshape((len(own),) + (1,) * (eta.ndim - 1)) - eta
    u = dispersion * nu
    value = gammaln(0.5 * (nu + 1.0)) - gammaln(0.5 * nu) - 0.5 * math.log(math.pi * u)
    value = value - 0.5 * (nu + 1.0) * np.log1p(e * e / u)
    expected = (nu + 1.0) / (nu + 3.0) * nu / u
    return value, (nu + 1.0) * e / (u + e * e), np.full(np.shape(e), -expected)


def weights(own: np.ndarray, eta: np.ndarray, dispersion: float, nu: float) -> np.ndarray:
    """By how much numbers count, 1 on average: (nu + 1) / (nu + z^2), z in scales of the t."""
    e = own[:, 0].reshape((len(own),) + (1,) * (eta.ndim - 1)) - eta
    return (nu + 1.0) / (nu + e * e / dispersion)


def information(beside: np.ndarray, eta: np.ndarray, dispersion: float, nu: float) -> np.ndarray:
    """The most that a number says about the predictor: the curvature where it is as expected."""
    return np.full(np.shape(eta), (nu + 1.0) / (dispersion * nu))


def mean(beside: np.ndarray, eta: np.ndarray, dispersion: float, nu: float) -> np.ndarray:
    """Expected numbers."""
    return np.asarray(eta)


def draw(
    beside: np.ndarray,
    eta: np.ndarray,
    dispersion: np.ndarray,
    rng: np.random.Generator,
    nu: np.ndarray,
) -> np.ndarray:
    """Numbers at predictors (...)."""
    nu = np.broadcast_to(nu, np.shape(eta))
    return eta + np.sqrt(dispersion) * rng.standard_t(nu)


def link_variance(dispersion: np.ndarray, eta: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Squared scale, the residual variance of most numbers."""
    return dispersion
