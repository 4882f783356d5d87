"""The smallest sample that reaches an assurance, from shares at some sizes, with its interval.

The power of a Wald test is Phi(d sqrt(n) - z): the probit of an assurance is nearly a line in
sqrt(n), along which neighbouring sizes are joined. Shares that chance has put into the wrong order
are pooled (isotonic regression), since more respondents never find less. The uncertainty is that of
the shares: draws from their posteriors under Jeffreys' prior, Beta(k + 1/2, m - k + 1/2), each of
which is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import ndtri
from scipy.stats import beta

DRAWS = 2000
# Shares of 0 and 1 have no probit; no study has enough replicates to tell these from them.
NEARLY = 1e-6


@dataclass(frozen=True)
class Reach:
    """The smallest n; 0 for "at most the smallest size", inf for "more than the largest".

    Attributes
    ----------
    n : float
        From the shares that were found.
    lower, upper : float
        Ends of the interval.
    """

    n: float
    lower: float
    upper: float


def smallest_n(
    sizes: np.ndarray,
    found: np.ndarray,
    replicates: np.ndarray,
    *,
    assurance: float,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> Reach:
    """The smallest sample with an assurance.

    Parameters
    ----------
    sizes : ndarray (size,)
        Respondents, ascending.
    found, replicates : ndarray (size,)
        In how many of how many data sets the target was found.
    assurance : float
        The share to reach.
    ci_prob : float
        Probability of the equal-tailed interval.
    random_seed : int
        Of the draws behind it.
    """
    rng = np.random.default_rng(random_seed)
    shape = (DRAWS, len(sizes))
    drawn = rng.beta(found + 0.5, replicates - found + 0.5, size=shape)
    weights = replicates.astype(float)
    draws = np.array([_crossing(sizes, one, weights, assurance) for one in drawn])
    tail = (1.0 - ci_prob) / 2.0
    lower, upper = np.quantile(draws, [tail, 1.0 - tail], method="inverted_cdf")
    point = _crossing(sizes, found / replicates, weights, assurance)
    return Reach(point, float(lower), float(upper))


def _crossing(
    sizes: np.ndarray, shares: np.ndarray, weights: np.ndarray, assurance: float
) -> float:
    """Where a curve through shares reaches one."""
    rising = isotonic_regression(shares, weights=weights).x
    if rising[0] >= assurance:
        return 0.0
    if rising[-1] < assurance:
        return np.inf
    k = int(np.argmax(rising >= assurance))
    low, high = ndtri(np.clip(rising[[k - 1, k]], NEARLY, 1.0 - NEARLY))
    left, right = np.sqrt(sizes[[k - 1, k]])
    return float((left + (ndtri(assurance) - low) / (high - low) * (right - left)) ** 2)


def share_interval(
    found: np.ndarray, replicates: np.ndarray, *, ci_prob: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Jeffreys' interval of shares: what Monte Carlo leaves open."""
    tail = (1.0 - ci_prob) / 2.0
    low = beta.ppf(tail, found + 0.5, replicates - found + 0.5)
    high = beta.ppf(1.0 - tail, found + 0.5, replicates - found + 0.5)
    return np.where(found == 0, 0.0, low), np.where(found == replicates, 1.0, high)
