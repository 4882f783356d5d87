"""The tobit family: numbers of which some are known only to lie beyond a limit.

The response is normal about the linear predictor; the compiled parts are those of
family_lognormal.py without the logarithm.
"""

import numpy as np

from bayessem.likelihood.family_lognormal import (
    information,
    interval_slopes_of,
    link_variance,
)

__all__ = ["draw", "information", "link_variance", "log_density", "mean", "slopes"]


def log_density(own: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Log-density of numbers (n, column), or log-probability of intervals, at predictors."""
    return interval_slopes_of(own, eta, dispersion)[0]


def slopes(
    own: np.ndarray, eta: np.ndarray, dispersion: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with its first and second derivative by the predictor."""
    return interval_slopes_of(own, eta, dispersion)


def mean(beside: np.ndarray, eta: np.ndarray, dispersion: float) -> np.ndarray:
    """Expected responses, as they would be without limits."""
    return np.asarray(eta)


def draw(
    beside: np.ndarray, eta: np.ndarray, dispersion: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Responses as they would be without limits."""
    return eta + np.sqrt(dispersion) * rng.standard_normal(np.shape(eta))
