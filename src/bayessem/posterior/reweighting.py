"""Draws of an approximation made draws of the exact posterior.

The approximation is Laplace's, or that of a lattice: a coarse one, for chains (coarse_nodes.py), or
one that is too coarse for some far draws.

Each draw is weighted by exact over approximate likelihood (laplace_points.py), the weights are
Pareto-smoothed (smoothing.py), and each chain is resampled by its own weights: a draw is kept,
repeated or left out, in the order of the chain, so that repetitions count as the dependence that
they are wherever effective sizes are computed. Where the weights are nearly alike, as they should
be, nearly every draw is kept once.

Kitagawa, G. (1996). Monte Carlo filter and smoother for non-Gaussian nonlinear state space models.
Journal of Computational and Graphical Statistics, 5, 1-25 (systematic resampling).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from bayessem.posterior.density import Density
from bayessem.posterior.smoothing import smoothed_weights
from bayessem.threads import side_by_side

# Draws that a thread does at once; fewer draws altogether are weighted without smoothing.
CHUNK, SMOOTHED = 25, 100
# Respondents' log-likelihoods are kept for later while they are no more than this (400 MB).
KEPT = 50_000_000
# Log weights that differ by less are alike.
ALIKE = 1e-6


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

    @property
    def share(self) -> float:
        """What the weighted draws are worth, of the draws."""
        return self.effective / self.draws


def log_ratios(
    density: Density, values: np.ndarray, *, sampled: Density | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Log of exact over approximate likelihood, (draw,), and the exact ones (draw, respondent).

    The latter are None where there are too many to keep.

    Parameters
    ----------
    density : Density
        The exact one.
    values : ndarray (draw, D)
        Natural parameters.
    sampled : Density, optional
        The approximate one; by default that of the Laplace engine.
    """
    approximate = density.without_points() if sampled is None else sampled
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
