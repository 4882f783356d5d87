"""Simultaneous confidence bands for the empirical distribution of ranks.

Saeilynoja, Buerkner & Vehtari (2022), Graphical test for discrete uniformity and its applications
in goodness-of-fit evaluation and multiple sample comparison (doi:10.1007/s11222-022-10090-6).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom


@dataclass(frozen=True)
class Band:
    """Where the empirical distribution function of uniform ranks lies, everywhere at once.

    Attributes
    ----------
    points : ndarray (K,)
        Shares of the ranks' range at which it is looked at.
    lower, upper : ndarray (K,)
        Bounds of the empirical distribution function.
    probability : float
        Of a calibrated quantity to stay inside at all points.
    """

    points: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    probability: float

    def inside(self, shares: np.ndarray) -> np.ndarray:
        """Whether distribution functions (..., K) stay inside."""
        return np.all((shares >= self.lower) & (shares <= self.upper), axis=-1)


def _depths(n: int, points: np.ndarray) -> np.ndarray:
    """Two-sided tail probability of each count at each point, (K, n + 1)."""
    counts = np.arange(n + 1)
    below = binom.cdf(counts, n, points[:, None])
    above = binom.sf(counts - 1, n, points[:, None])
    return np.minimum(1.0, 2.0 * np.minimum(below, above))


@functools.lru_cache(maxsize=64)
def simultaneous_band(
    n: int, *, size: int, probability: float = 0.99, random_seed: int = 1, simulations: int = 20_000
) -> Band:
    """The band of n uniform ranks among `size` draws (ranks 0 to size).

    Pointwise binomial intervals, at the level that makes them hold at all points together in
    `probability` of simulated sets of uniform ranks.

    Parameters
    ----------
    n : int
        Simulated data sets.
    size : int
        Draws that each true value is ranked among.
    probability : float
        Of staying inside everywhere.
    random_seed, simulations : int
        Of the simulation that finds the level.
    """
    count = min(size + 1, 100)
    edges = np.unique(np.round(np.linspace(1, size, count)).astype(int))
    points = edges / (size + 1.0)  # P(rank < edge)
    rng = np.random.default_rng(random_seed)
    table = _depths(n, points)
    each = np.arange(len(edges))
    depths = np.empty(simulations)
    for s in range(simulations):
        tally = np.bincount(rng.integers(0, size + 1, n), minlength=size + 1)
        depths[s] = table[each, np.cumsum(tally)[edges - 1]].min()
    level = float(np.quantile(depths, 1.0 - probability))
    lower = binom.ppf(level / 2.0, n, points) / n
    upper = binom.ppf(1.0 - level / 2.0, n, points) / n
    return Band(points, lower, upper, probability)
