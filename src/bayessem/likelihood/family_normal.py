"""The normal family: an answer is a number, normal about the linear predictor."""

import math

import numpy as np

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def draw(eta: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Answers at linear predictors `eta` (...)."""
    return eta + math.sqrt(variance) * rng.standard_normal(np.shape(eta))
