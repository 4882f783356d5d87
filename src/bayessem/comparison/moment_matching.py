"""Moment matching: moves the draws to where a left-out respondent would have them.

An affine map of the draws, in the sampler's unconstrained coordinates, gives them the mean, then
variances, then covariance, of the importance-weighted draws, as long as that lowers the Pareto k.
At the end half of the draws are moved and half stay, with weights for the mixture of both (split),
so that numerator and denominator of the estimate are covered.

Paananen, Piironen, Buerkner & Vehtari (2021), Implicitly adaptive importance sampling, Statistics
and Computing 31, 16 (doi:10.1007/s11222-020-09982-2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from bayessem.comparison.importance import relative_efficiency
from bayessem.comparison.refits import predictive, unconstrained
from bayessem.posterior.reweighting import log_ratios
from bayessem.posterior.smoothing import smoothed_weights
from bayessem.results.fitted import Fitted
from bayessem.threads import side_by_side

STEPS = ("mean", "variance", "covariance")
MAX_ITERATIONS = 30
# Draws that a thread does at once.
CHUNK = 25
LogDensity = Callable[[np.ndarray], np.ndarray]  # (draw, D) -> (draw,)


@dataclass(frozen=True)
class MomentMatching:
    """One respondent by moment matching.

    Attributes
    ----------
    elpd : float
        Log predictive density without the respondent.
    pareto_k : float
        Of the final weights.
    steps : tuple of str
        What was matched, in order; empty when nothing lowered k.
    """

    elpd: float
    pareto_k: float
    steps: tuple[str, ...]


def match_moments(
    fit: Fitted, members: Sequence[int] | np.ndarray, *, threshold: float
) -> list[MomentMatching]:
    """Moment matching of the respondents at these positions, each until k is below the threshold.

    Parameters
    ----------
    fit : Fitted
        A sampled model.
    members : sequence of int
        Positions of the respondents.
    threshold : float
        The Pareto k that is good enough.
    """
    density, space = fit.density, fit.prepared.space
    draws = unconstrained(space, fit.values)
    r_eff = relative_efficiency(fit.values)
    # draws of all chains in turn, so that each half of the split holds all chains
    flat = np.swapaxes(draws, 0, 1).reshape(-1, draws.shape[-1])

    def part(x: np.ndarray) -> np.ndarray:
        value = np.array([density.value_and_gradient(row)[0] for row in x])
        if density.approximate:  # draws are of the exact posterior
            value += log_ratios(density, density.natural(x))[0]
        return value

    def log_posterior(x: np.ndarray) -> np.ndarray:
        with closing(side_by_side(part, np.array_split(x, -(-len(x) // CHUNK)))) as values:
            return np.concatenate(list(values))

    base = log_posterior(flat)

    def likelihood_of(i: int) -> LogDensity:
        of = predictive(fit.prepared, [i], fit.values)
        return lambda x: of(density.natural(x))[:, 0]

    return [
        match_one(log_posterior, likelihood_of(int(i)), flat, base, r_eff, threshold=threshold)
        for i in members
    ]


def match_one(
    log_posterior: LogDensity,
    log_likelihood: LogDensity,
    draws: np.ndarray,
    base: np.ndarray,
    r_eff: float,
    *,
    threshold: float,
) -> MomentMatching:
    """Moment matching of one respondent.

    Parameters
    ----------
    log_posterior, log_likelihood : callable
        Log-density of the full posterior, and of the respondent, of points (draw, D).
    draws, base : ndarray (draw, D), (draw,)
        Posterior draws and their log-density.
    r_eff : float
        Effective draws per draw.
    threshold : float
        Stop when the Pareto k is below.
    """
    d = draws.shape[1]
    shift, matrix = np.zeros(d), np.eye(d)  # the map so far, x -> shift + matrix x
    current, density = draws, log_likelihood(draws)
    log_weights, k = smoothed_weights(-density, r_eff)
    steps: list[str] = []
    while k > threshold and len(steps) < MAX_ITERATIONS:
        for kind in STEPS:
            step = _map_to_weighted_moments(current, log_weights, kind)
            if step is None:
                continue
            trial = step[0] + current @ step[1].T
            ratio, trial_density = _ratio(log_posterior, log_likelihood, trial, base)
            if np.isfinite(ratio).mean() < 0.5:
                continue
            trial_weights, trial_k = smoothed_weights(ratio, r_eff)
            if trial_k < k:
                shift, matrix = step[0] + step[1] @ shift, step[1] @ matrix
                current, density = trial, trial_density
                log_weights, k = trial_weights, trial_k
                steps.append(kind)
                break
        else:
            break
    if not steps:
        return MomentMatching(float(logsumexp(log_weights + density)), float(k), ())
    elpd, final_k = _split(log_posterior, log_likelihood, draws, base, (shift, matrix), r_eff)
    return MomentMatching(elpd, final_k, tuple(steps))


def _ratio(
    log_posterior: LogDensity, log_likelihood: LogDensity, points: np.ndarray, base: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log importance ratio of moved draws, -inf outside the support, and their log-likelihood."""
    value, density = log_posterior(points), log_likelihood(points)
    inside = np.isfinite(value) & np.isfinite(density)
    density = np.where(inside, density, 0.0)
    return np.where(inside, value, -np.inf) - density - base, density


def _map_to_weighted_moments(
    draws: np.ndarray, log_weights: np.ndarray, kind: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """Shift and matrix that give the draws moments of the weighted draws; None where they fail."""
    weights = np.exp(log_weights)
    mean = draws.mean(axis=0)
    centred = draws - mean
    wanted = weights @ draws
    apart = draws - wanted
    matrix = np.eye(draws.shape[1])
    if kind == "variance":
        matrix = np.diag(np.sqrt((weights @ apart**2) / np.mean(centred**2, axis=0)))
    elif kind == "covariance":
        if 1.0 / np.sum(weights**2) < 2 * draws.shape[1]:
            return None  # too few effective draws for a covariance matrix
        try:
            now = np.linalg.cholesky(centred.T @ centred / len(draws))
            then = np.linalg.cholesky((apart * weights[:, None]).T @ apart)
        except np.linalg.LinAlgError:
            return None
        matrix = then @ np.linalg.inv(now)
    if not np.isfinite(matrix).all():
        return None
    return wanted - matrix @ mean, matrix


def _split(
    log_posterior: LogDensity,
    log_likelihood: LogDensity,
    draws: np.ndarray,
    base: np.ndarray,
    moved: tuple[np.ndarray, np.ndarray],
    r_eff: float,
) -> tuple[float, float]:
    """Elpd and Pareto k with the first half of the draws moved, weighted for the mixture."""
    shift, matrix = moved
    half = len(draws) // 2
    forth = shift + draws[:half] @ matrix.T
    back = np.linalg.solve(matrix, (draws[half:] - shift).T).T
    points = np.concatenate([forth, draws[half:]])
    value = np.concatenate([log_posterior(forth), base[half:]])
    density = log_likelihood(points)
    inside = np.isfinite(value) & np.isfinite(density)
    density = np.where(inside, density, 0.0)
    # density of a moved draw: that of the posterior where it came from, by the map's determinant
    origin = np.concatenate([base[:half], log_posterior(back)]) - np.linalg.slogdet(matrix)[1]
    with np.errstate(invalid="ignore"):
        ratio = value - density - np.logaddexp(value, origin)
    log_weights, k = smoothed_weights(np.where(inside, ratio, -np.inf), r_eff)
    return float(logsumexp(log_weights + density)), float(k)
