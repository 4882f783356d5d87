"""Rank-normalised R-hat and effective sample sizes of draws of one quantity.

Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021), doi:10.1214/20-BA1221. The same operations in
the same order as in arviz_stats, whose import takes longer than sampling a small model; a test
holds the two to equal numbers.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

# Draws a chain below which split R-hat and effective sample sizes do not exist.
SHORTEST = 4


def _split(draws: np.ndarray) -> np.ndarray:
    """Each chain's halves as chains of their own."""
    half = draws.shape[1] // 2
    return np.vstack((draws[:, :half], draws[:, -half:]))


def _normal_scores(draws: np.ndarray) -> np.ndarray:
    """Draws replaced by the normal quantiles of their ranks among all (ties share theirs)."""
    flat = draws.ravel()
    order = np.argsort(flat)
    ordered = flat[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    after = np.append(first[1:], flat.size)
    rank = np.empty(flat.size)
    rank[order] = np.repeat(0.5 * (first + after + 1), after - first)
    return ndtri((rank - 3 / 8) / (flat.size - 2 * (3 / 8) + 1)).reshape(draws.shape)


def _variance_ratio(draws: np.ndarray) -> float:
    """R-hat of chains as they are."""
    n = draws.shape[1]
    between = n * np.var(np.mean(draws, axis=1), ddof=1)
    within = np.mean(np.var(draws, axis=1, ddof=1))
    return float(np.sqrt((between / within + n - 1) / n))


def _fast_length(n: int) -> int:
    """Smallest number from n on that has no prime factors but 2, 3 and 5."""
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def _effective(draws: np.ndarray) -> float:
    """Effective sample size of chains (chain, draw): Geyer's initial monotone sequence."""
    draws = np.asarray(draws, dtype=float)
    chains, n = draws.shape
    if np.max(draws) - np.min(draws) < np.finfo(float).resolution:
        return float(draws.size)
    length = _fast_length(2 * n)
    spectrum = np.fft.rfft(draws - draws.mean(axis=1, keepdims=True), n=length, axis=1)
    spectrum *= np.conjugate(spectrum)
    covariance = np.fft.irfft(spectrum, n=length, axis=1)[:, :n] / n
    by_lag = np.ascontiguousarray(covariance.T).mean(axis=1)
    variance = by_lag[0] * n / (n - 1.0)
    total = variance * (n - 1.0) / n
    if chains > 1:
        total += np.var(draws.mean(axis=1), ddof=1)
    rho = 1.0 - (variance - by_lag) / total
    if np.isnan(rho).any():
        return np.nan
    at = rho.tolist()
    kept = np.zeros(n)
    even, odd = 1.0, at[1]
    kept[0], kept[1] = even, odd
    t = 1
    while t < n - 3 and even + odd > 0.0:
        even, odd = at[t + 1], at[t + 2]
        if even + odd >= 0:
            kept[t + 1], kept[t + 2] = even, odd
        t += 2
    last = t - 2
    if even > 0:
        kept[last + 1] = even
    for t in range(1, last - 1, 2):
        if kept[t + 1] + kept[t + 2] > kept[t - 1] + kept[t]:
            kept[t + 1] = kept[t + 2] = (kept[t - 1] + kept[t]) / 2.0
    size = chains * n
    tau = -1.0 + 2.0 * np.sum(kept[: last + 1]) + np.sum(kept[last + 1 : last + 2])
    return float(size / max(tau, 1 / np.log10(size)))


def mixing(draws: np.ndarray) -> tuple[float, float, float]:
    """R-hat, bulk and tail effective sample size of draws (chain, draw) of one quantity.

    R-hat is the larger one of the draws' ranks and of their distances to the median; of a single
    chain, it says whether its halves agree. The tail's effective sample size is the smaller one of
    the 5 % and 95 % quantiles.
    """
    if np.isnan(draws).any():
        return np.nan, np.nan, np.nan
    halves = apart = _split(draws)
    scores = apart_scores = _normal_scores(halves)
    if len(draws) == 1:
        half = draws.shape[1] // 2
        apart = _split(draws[0, -2 * half :].reshape(2, half))
        apart_scores = _normal_scores(apart)
    distances = abs(apart - np.median(apart))
    rhat = max(_variance_ratio(apart_scores), _variance_ratio(_normal_scores(distances)))
    if apart.shape[1] < SHORTEST // 2:  # the halves of a single chain are too short to be split
        rhat = np.nan
    tail = [_effective(_split(draws <= q)) for q in np.quantile(draws, (0.05, 0.95))]
    return rhat, _effective(scores), min(tail)
