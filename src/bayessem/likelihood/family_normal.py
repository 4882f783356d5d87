"""The normal family: an answer is a number, normal about the linear predictor."""

import math

import numpy as np

from bayessem.likelihood.compiled import compiled

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def draw(eta: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Answers at linear predictors `eta` (...)."""
    return eta + math.sqrt(variance) * rng.standard_normal(np.shape(eta))


@compiled
def normal_slopes(y, eta, variance):
    """Log-density of an answer and its first two derivatives by eta; the third is 0."""
    z = (y - eta) / variance
    return -0.5 * (z * z * variance + np.log(variance)) - LOG_SQRT_2PI, z, -1.0 / variance


@compiled
def pull_normal(z, variance, rho, gamma):
    """Derivative of l + rho l' + gamma l'' / 2 by the variance; z : the first derivative by eta."""
    return 0.5 * (z * z - 1.0 / variance) + (0.5 * gamma / variance - rho * z) / variance
