"""Shares of which some are 0 or 1: the zero-and-one-inflated beta family.

A share is 0 or 1 with probability zoi, 1 rather than 0 with probability coi, and of the beta family
(family_beta.py) where it is neither. The linear predictor is the logit of the expected share of
those; zoi and coi do not depend on it.

Ospina, R., & Ferrari, S. L. P. (2010). Inflated beta distributions. Statistical Papers, 51,
111-126. doi:10.1007/s00362-008-0125-4
"""

import math

import numpy as np

from bayessem.likelihood import family_beta
from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.family_beta import beta_cell, beta_row, beta_slopes

__all__ = ["draw", "information", "link_variance", "log_density", "mean", "slopes"]

link_variance = family_beta.link_variance


@compiled
def _log(x):
    return math.log(x) if x > 0.0 else -np.inf


@compiled
def _over(x):
    return 1.0 / x if x > 0.0 else 0.0


@compiled
def zero_one_beta_row(own, numbers):
    """What of the log-density no predictor changes, with its derivatives by the numbers.

    own : as in `family_beta.beta_row`;  numbers : dispersion, zoi, coi.
    """
    dispersion, zoi, coi = numbers
    if own[0] == 0.0:
        return _log(zoi) + _log(1.0 - coi), 0.0, _over(zoi), -_over(1.0 - coi)
    if own[0] == 1.0:
        return _log(zoi) + _log(coi), 0.0, _over(zoi), _over(coi)
    value, slope = beta_row(own, dispersion)
    return value + _log(1.0 - zoi), slope, -_over(1.0 - zoi), 0.0


@compiled
def zero_one_beta_cell(own, eta, dispersion):
    """The rest of the log-density."""
    if own[0] == 0.0 or own[0] == 1.0:
        return 0.0
    return beta_cell(own, eta, dispersion)


@compiled
def zero_one_beta_slopes(own, eta, dispersion):
    """Derivatives of the rest by the linear predictor and by the dispersion."""
    if own[0] == 0.0 or own[0] == 1.0:
        return 0.0, 0.0
    return beta_slopes(own, eta, dispersion)


def log_density(
    own: np.ndarray, eta: np.ndarray, dispersion: float, zoi: float, coi: float
) -> np.ndarray:
    """Log-densities of shares (n, column) at predictors (n, ...); of 0 and 1 log-probabilities."""
    return slopes(own, eta, dispersion, zoi, coi)[0]


def slopes(
    own: np.ndarray, eta: np.ndarray, dispersion: float, zoi: float, coi: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with its first derivative by the predictor and the expected second one."""
    shape = (len(own),) + (1,) * (eta.ndim - 1)
    y = own[:, 0].reshape(shape)
    inside = (y > 0.0) & (y < 1.0)
    value, first, second = family_beta.slopes(own, eta, dispersion)
    with np.errstate(divide="ignore"):
        between, none, whole = np.log([1.0 - zoi, zoi * (1.0 - coi), zoi * coi])
    edge = np.where(y > 0.5, whole, none)
    return (
        np.where(inside, value + between, edge),
        np.where(inside, first, 0.0),
        np.where(inside, second, 0.0),
    )


def information(
    beside: np.ndarray, eta: np.ndarray, dispersion: float, zoi: float, coi: float
) -> np.ndarray:
    """Information about the predictor of a share that is neither 0 nor 1."""
    return family_beta.information(beside, eta, dispersion)


def mean(
    beside: np.ndarray, eta: np.ndarray, dispersion: float, zoi: float, coi: float
) -> np.ndarray:
    """Expected shares, those of none and of all included."""
    return zoi * coi + (1.0 - zoi) * family_beta.mean(beside, eta, dispersion)


def draw(
    beside: np.ndarray,
    eta: np.ndarray,
    dispersion: np.ndarray,
    rng: np.random.Generator,
    zoi: np.ndarray,
    coi: np.ndarray,
) -> np.ndarray:
    """Shares at predictors (...), 0 and 1 included."""
    inside = family_beta.draw(beside, eta, dispersion, rng)
    edge = (rng.random(np.shape(eta)) < coi).astype(np.float64)
    return np.where(rng.random(np.shape(eta)) < zoi, edge, inside)
