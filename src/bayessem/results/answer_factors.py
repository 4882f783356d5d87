"""The factors of a model with answers that are not normal at any values of its latent variables.

The joint log-density of a respondent's answers and latent variables, and its gradient and
(Gauss-Newton) curvature by the latent variables, in plain NumPy for respondents and points at once.
What the engines integrate is the exponential of this sum; here it serves for what is asked about
respondents: scores and predictions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_expit, log_ndtr, ndtr

from bayessem.likelihood.families import BY_KIND
from bayessem.likelihood.family_ordered import LOGIT, VARIANCES
from bayessem.likelihood.node_plan import NORMAL, STRUCTURAL, NodeFactor

# A probability that is smaller weighs nothing.
SMALLEST = 1e-300
LOG_2PI = math.log(2.0 * math.pi)


class Slopes(NamedTuple):
    """Joint log-density with its derivatives by the latent variables.

    Attributes
    ----------
    value : ndarray (respondent,)
    gradient : ndarray (respondent, k)
    curvature : ndarray (respondent, k, k)
        Positive definite: second derivatives of predictors are left out.
    """

    value: np.ndarray
    gradient: np.ndarray
    curvature: np.ndarray


def predictor(
    factor: NodeFactor, elements: np.ndarray, rows: np.ndarray, latents: np.ndarray, target: int = 0
) -> np.ndarray:
    """Linear predictor of one of a factor's equations.

    Parameters
    ----------
    factor : NodeFactor
    elements : ndarray (elements,)
        Flat model matrices.
    rows : ndarray (n, column)
        The respondents' rows of the factor's data.
    latents : ndarray (n, point, k)
        Values of all latent variables.
    target : int
        Which equation.

    Returns
    -------
    ndarray (n, point)
    """
    out = np.zeros(latents.shape[:2])
    for term in factor.terms:
        if term.target == target:
            out = out + _term(term.powers, term.column, elements[term.element], rows, latents)
    return out


def _term(
    powers: dict[int, int], column: int, coefficient: float, rows: np.ndarray, latents: np.ndarray
) -> np.ndarray:
    value = np.full((len(rows), 1), coefficient)
    if column >= 0:
        value = value * rows[:, column : column + 1]
    for v, power in powers.items():
        value = value * latents[..., v] ** power
    return value


def _predictor_slopes(
    factor: NodeFactor, elements: np.ndarray, rows: np.ndarray, at: np.ndarray, target: int = 0
) -> np.ndarray:
    """Derivatives of a predictor by the latent variables, (n, k), at one point (n, k) each."""
    out = np.zeros_like(at)
    for term in factor.terms:
        if term.target != target:
            continue
        for v, power in term.powers.items():
            if power:
                rest = {**term.powers, v: power - 1}
                slope = power * _term(
                    rest, term.column, elements[term.element], rows, at[:, None, :]
                )
                out[:, v] += slope[:, 0]
    return out


def edges(
    factor: NodeFactor, elements: np.ndarray, codes: np.ndarray, eta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Standardised thresholds below and above the answers `codes` (n,), at predictors (n, ...)."""
    first, count = factor.thresholds
    cut = np.concatenate([[-np.inf], elements[first : first + count], [np.inf]])
    scale = residual_scale(factor, elements)
    shape = (len(codes),) + (1,) * (eta.ndim - 1)
    lower = (cut[codes].reshape(shape) - eta) / scale
    upper = (cut[codes + 1].reshape(shape) - eta) / scale
    return lower, upper


def residual_scale(factor: NodeFactor, elements: np.ndarray) -> float:
    """Standard deviation of an answer's residual over that of its standard form."""
    return math.sqrt(elements[factor.variances[0]] / VARIANCES[factor.link])


def log_interval(link: int, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Log P(lower < residual < upper), accurate in both tails."""
    turned = lower + upper > 0.0  # both distributions are symmetric
    low, high = np.where(turned, -upper, lower), np.where(turned, -lower, upper)
    below = log_expit if link == LOGIT else log_ndtr
    near, far = below(high), below(low)
    with np.errstate(divide="ignore"):
        return near + np.log1p(-np.exp(np.minimum(far - near, 0.0)))


def _interval(link: int, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """P(lower < residual < upper), in the tail where differences are exact; quick."""
    turned = lower + upper > 0.0
    low, high = np.where(turned, -upper, lower), np.where(turned, -lower, upper)
    below = expit if link == LOGIT else ndtr
    return below(high) - below(low)


def _log_density(link: int, z: np.ndarray) -> np.ndarray:
    if link == LOGIT:
        return log_expit(z) + log_expit(-z)
    with np.errstate(invalid="ignore"):
        return -0.5 * z * z - 0.5 * LOG_2PI


def _interval_slopes(
    link: int, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-probability, and its first and second derivative by the (standardised) predictor."""
    value = log_interval(link, lower, upper)
    parts = []
    for z in (lower, upper):
        known = np.isfinite(z)
        safe = np.where(known, z, 0.0)
        over = np.where(known, np.exp(np.minimum(_log_density(link, safe) - value, 300.0)), 0.0)
        lean = np.tanh(0.5 * safe) if link == LOGIT else safe  # -d log density / dz
        parts.append((over, over * lean))
    (a, a1), (b, b1) = parts
    first = a - b
    # Both densities are log-concave, so that the second derivative is negative but for rounding.
    return value, first, np.minimum(a1 - b1 - first * first, 0.0)


def joint_log(
    factors: Sequence[NodeFactor], elements: np.ndarray, latents: np.ndarray
) -> np.ndarray:
    """Log p(answers, latent variables) of a group's respondents.

    Parameters
    ----------
    factors : sequence of NodeFactor
        Of the group.
    elements : ndarray (elements,)
        Flat model matrices.
    latents : ndarray (respondent, point, k)
        Where.

    Returns
    -------
    ndarray (respondent, point)
    """
    out = np.zeros(latents.shape[:2])
    for factor in factors:
        known = np.flatnonzero(factor.row_of >= 0)
        rows, at = factor.data[factor.row_of[known]], latents[known]
        if factor.kind == STRUCTURAL:
            value = _structural(factor, elements, rows, at)
        elif factor.kind == NORMAL:
            variance = elements[factor.variances[0]]
            off = rows[:, :1] - predictor(factor, elements, rows, at)
            value = -0.5 * (off * off / variance + math.log(variance) + LOG_2PI)
        elif factor.kind in BY_KIND:
            eta = predictor(factor, elements, rows, at)
            value = BY_KIND[factor.kind].log_density(rows, eta, *factor.numbers(elements))
        else:
            eta = predictor(factor, elements, rows, at)
            lower, upper = edges(factor, elements, rows[:, 0].astype(np.int64), eta)
            value = np.log(np.maximum(_interval(factor.link, lower, upper), SMALLEST))
        out[known] += value
    return out


def _covariance(factor: NodeFactor, elements: np.ndarray) -> np.ndarray:
    size = len(factor.explained)
    return elements[list(factor.variances)].reshape(size, size)


def _off(
    factor: NodeFactor, elements: np.ndarray, rows: np.ndarray, latents: np.ndarray
) -> np.ndarray:
    """Disturbances of a structural block, (n, point, equation)."""
    means = [
        predictor(factor, elements, rows, latents, target)
        for target in range(len(factor.explained))
    ]
    return latents[..., list(factor.explained)] - np.stack(means, axis=-1)


def _structural(
    factor: NodeFactor, elements: np.ndarray, rows: np.ndarray, latents: np.ndarray
) -> np.ndarray:
    off, covariance = _off(factor, elements, rows, latents), _covariance(factor, elements)
    distance = np.einsum("...e,ef,...f->...", off, np.linalg.inv(covariance), off)
    return -0.5 * (distance + np.linalg.slogdet(covariance)[1] + off.shape[-1] * LOG_2PI)


def slopes(factors: Sequence[NodeFactor], elements: np.ndarray, at: np.ndarray) -> Slopes:
    """Joint log-density of each respondent at a point of their own, with derivatives.

    Parameters
    ----------
    factors, elements
        As in `joint_log`.
    at : ndarray (respondent, k)
        Where.
    """
    n, k = at.shape
    value, gradient, curvature = np.zeros(n), np.zeros((n, k)), np.zeros((n, k, k))
    for factor in factors:
        known = np.flatnonzero(factor.row_of >= 0)
        rows, here = factor.data[factor.row_of[known]], at[known]
        if factor.kind == STRUCTURAL:
            off = _off(factor, elements, rows, here[:, None, :])[:, 0]
            by = [
                -_predictor_slopes(factor, elements, rows, here, e)
                for e in range(len(factor.explained))
            ]
            turn = np.stack(by, axis=1)  # of the disturbances, (n, equation, k)
            turn[:, np.arange(off.shape[1]), list(factor.explained)] += 1.0
            weight = np.linalg.inv(_covariance(factor, elements))
            value[known] += _structural(factor, elements, rows, here[:, None, :])[:, 0]
            gradient[known] -= np.einsum("ne,ef,nfk->nk", off, weight, turn)
            curvature[known] += np.einsum("nek,ef,nfl->nkl", turn, weight, turn)
            continue
        eta = predictor(factor, elements, rows, here[:, None, :])[:, 0]
        turn = _predictor_slopes(factor, elements, rows, here)
        if factor.kind == NORMAL:
            variance = elements[factor.variances[0]]
            off = rows[:, 0] - eta
            own = -0.5 * (off * off / variance + math.log(variance) + LOG_2PI)
            first, second = off / variance, np.full(len(off), -1.0 / variance)
        elif factor.kind in BY_KIND:
            family = BY_KIND[factor.kind]
            own, first, second = family.slopes(rows, eta, *factor.numbers(elements))
        else:
            lower, upper = edges(factor, elements, rows[:, 0].astype(np.int64), eta)
            own, first, second = _interval_slopes(factor.link, lower, upper)
            scale = residual_scale(factor, elements)
            first, second = first / scale, second / (scale * scale)
        value[known] += own
        gradient[known] += first[:, None] * turn
        curvature[known] -= second[:, None, None] * turn[:, :, None] * turn[:, None, :]
    return Slopes(value, gradient, curvature)


def from_disturbances(
    factors: Sequence[NodeFactor], elements: np.ndarray, disturbances: np.ndarray
) -> np.ndarray:
    """Latent variables (respondent, point, k) that the structural equations make of disturbances.

    The density of one is that of the other: each equation adds its own disturbance.
    """
    out = disturbances.copy()
    structural = [f for f in factors if f.kind == STRUCTURAL]
    for _ in structural:  # an equation is right once those that it depends on are
        for factor in structural:
            rows = factor.data[factor.row_of]
            for target, v in enumerate(factor.explained):
                mean = predictor(factor, elements, rows, out, target)
                out[..., v] = disturbances[..., v] + mean
    return out


def disturbance_slopes(
    factors: Sequence[NodeFactor], elements: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """Derivatives of the disturbances by the latent variables (n, k, k), at latents (n, k)."""
    n, k = at.shape
    out = np.tile(np.eye(k), (n, 1, 1))
    for factor in factors:
        if factor.kind == STRUCTURAL:
            rows = factor.data[factor.row_of]
            for target, v in enumerate(factor.explained):
                out[:, v] -= _predictor_slopes(factor, elements, rows, at, target)
    return out
