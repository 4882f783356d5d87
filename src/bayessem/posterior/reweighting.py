"""Draws of Laplace's approximation made draws of the exact posterior.

Each draw is weighted by exact over approximate likelihood (laplace_points.py), the weights are
Pareto-smoothed (smoothing.py), and each chain is resampled by its own weights: a draw is kept,
repeated or left out, in the order of the chain, so that repetitions count as the dependence that
they are wherever effective sizes are computed. Where the weights are nearly alike, as they should
be, nearly every draw is kept once.

Kitagawa, G. (1996). Monte Carlo filter and smoother for non-Gaussian nonlinear state space models.
Journal of Computational and Graphical Statistics, 5, 1-25 (systematic resampling).
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from bayessem.errors import NotSupported
from bayessem.posterior.density import Density
from bayessem.posterior.smoothing import smoothed_weights
from bayessem.threads import side_by_side

# Draws that a thread does at once; fewer draws altogether are weighted without smoothing.
CHUNK, SMOOTHED = 25, 100
# Points of the approximate posterior at which it is compared with the exact likelihood.
NEAR = 40
# Respondents' log-likelihoods are kept for later while they are no more than this (400 MB).
KEPT = 50_000_000
# Log weights that differ by less are alike.
ALIKE = 1e-6
# Spread (sd) of the log weights over the approximate posterior beyond which nothing is sampled: of
# a hundred draws fewer than ten would be left.
FAR = 1.5
# A loading is moved out by so many standard deviations; there the density has to have fallen by
# this, or the exact likelihood must not have fallen further than that.
OUT, FALLEN, FURTHER = 6.0, 5.0, 1.0
WORKS = (
    "With at most three constructs at a time the integral is exact: take covariances between "
    "constructs out (orthogonal=True), put a second-order construct above them, or fit parts of "
    "the model; or leave ordered out"
)


@dataclass(frozen=True)
class Weights:
    """How draws of an approximation were weighted.

    Attributes
    ----------
    pareto_k : float
        Of the weights; 0 where they are alike, and of fewer than 100 draws.
    effective : float
        Equally weighted draws that the weighted ones are worth, of `draws`.
    draws : int
        Draws that were weighted.
    """

    pareto_k: float
    effective: float
    draws: int


def log_ratios(density: Density, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Log of exact over approximate likelihood, (draw,), and the exact ones (draw, respondent).

    The latter are None where there are too many to keep.

    Parameters
    ----------
    density : Density
        Of the Laplace engine.
    values : ndarray (draw, D)
        Natural parameters.
    """
    approximate = density.without_points()
    keep = len(values) * density.respondents <= KEPT

    def both(part: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        exact = density.respondent_log_likelihood(part)
        other = approximate.respondent_log_likelihood(part).sum(axis=1)
        return exact if keep else None, exact.sum(axis=1) - other

    chunks = [values[i : i + CHUNK] for i in range(0, len(values), CHUNK)]
    with closing(side_by_side(both, chunks)) as results:
        done = list(results)
    ratio = np.concatenate([r for _, r in done])
    exact = np.concatenate([e for e, _ in done if e is not None]) if keep else None
    return np.where(np.isfinite(ratio), ratio, -np.inf), exact


def refuse_far(
    density: Density, centre: np.ndarray, root: np.ndarray, loadings: Collection[int]
) -> None:
    """Refuse a model for which Laplace's approximation is too far from the exact likelihood.

    Over the approximate posterior it may be far off; or it is near there and has a false maximum
    at high loadings, where chains would get stuck: with few items or few categories its error grows
    with a loading faster than the likelihood falls.

    Parameters
    ----------
    density : Density
        Of the Laplace engine.
    centre, root : ndarray (D,), (D, D)
        Maximum and root of the covariance of its normal approximation.
    loadings : collection of int
        Coordinates that are loadings of ordered variables.

    Raises
    ------
    NotSupported
        Saying what would work.
    """
    rng = np.random.default_rng(0)
    near = centre + rng.standard_normal((NEAR, len(centre))) @ root.T
    ratio, _ = log_ratios(density, density.natural(near))
    low, high = np.quantile(ratio, [0.16, 0.84])  # a point far out says nothing
    spread = 0.5 * (high - low)
    if not spread < FAR:
        raise NotSupported(
            "with so many constructs at once ordered answers are integrated by Laplace's "
            "approximation, which is too far from the exact likelihood here (log weights of its "
            f"draws would have a standard deviation of {spread:.1f}, and {FAR} is the most): few "
            f"items or few categories tell too little about a respondent for it. {WORKS}"
        )
    which = np.array(sorted(loadings), dtype=np.int64)
    covariance = root @ root.T
    moves = OUT * covariance[which] / np.sqrt(np.diag(covariance)[which])[:, None]
    points = np.concatenate([centre[None], centre + moves])
    value = np.array([density.value_and_gradient(x)[0] for x in points])
    ratio, _ = log_ratios(density, density.natural(points))
    false = (value[1:] > value[0] - FALLEN) & (ratio[1:] < ratio[0] - FURTHER)
    if false.any():
        names = ", ".join(density.names[k] for k in which[false][:4])
        raise NotSupported(
            "with so many constructs at once ordered answers are integrated by Laplace's "
            f"approximation, which would draw to high values of {names} that the exact likelihood "
            "does not: with loadings as high, few items or few categories tell too little about a "
            f"respondent for it. {WORKS}"
        )


def resample(log_ratio: np.ndarray, seed: int) -> tuple[np.ndarray, Weights]:
    """Which draws of each chain are kept, (chain, draw), in their order, and their weights.

    Parameters
    ----------
    log_ratio : ndarray (chain, draw)
        Log of exact over approximate likelihood.
    seed : int
        Of the resampling.
    """
    chains, draws = log_ratio.shape
    flat = log_ratio.ravel() - log_ratio.max()
    k = 0.0
    if flat.size >= SMOOTHED and np.ptp(flat) > ALIKE:
        flat, found = smoothed_weights(flat, 1.0)
        k = float(found)
    weights = np.exp(flat - flat.max()).reshape(chains, draws)
    effective = float(weights.sum() ** 2 / np.sum(weights**2))
    shares = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    rng = np.random.default_rng(seed)
    at = (np.arange(draws) + rng.uniform(size=(chains, 1))) / draws
    kept = np.array([np.searchsorted(c, a) for c, a in zip(shares, at, strict=True)])
    return np.minimum(kept, draws - 1), Weights(k, effective, flat.size)
