"""Correlations of latent responses that a table of answers says: polychoric and polyserial.

Of two ordered variables, in two steps: thresholds that reproduce each one's shares, then the
correlation that makes the table of both likeliest (Olsson 1979, doi:10.1007/BF02296207). Of an
ordered variable and a number, from their covariance (Olsson, Drasgow & Dorans 1982,
doi:10.1007/BF02294164, "ad hoc"). The same functions of the moments that a model expects are what
these estimate, whatever the model says about the distribution of latent responses.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from bayessem.results.answer_margins import (
    NODES,
    Given,
    Margins,
    bivariate_excess,
    expected_moments,
    given_constructs,
    observed_moments,
    standard_thresholds,
)

Tables = dict[tuple[int, int], np.ndarray]

# A correlation beyond this is one of the same answers; a table with empty cells has no maximum.
MOST = 0.999
ROUNDS, SETTLED = 60, 1e-10
# What a category that nobody gave, or a cell that nothing expects, counts for.
SMALLEST = 1e-12


def thresholds_of(shares: np.ndarray) -> np.ndarray:
    """Thresholds (..., k) of latent responses with shares (..., k) of all categories but one."""
    below = 1.0 - np.cumsum(shares[..., ::-1], axis=-1)[..., ::-1]
    return ndtri(np.clip(below, SMALLEST, 1.0 - SMALLEST))


def rectangles(
    first: np.ndarray, second: np.ndarray, correlation: np.ndarray, nodes: int = NODES
) -> np.ndarray:
    """Probabilities (..., a, b) of all pairs of categories of two normal latent responses.

    first, second : thresholds (..., a - 1), (..., b - 1);  correlation : (...).
    """
    below, left = ndtr(first), ndtr(second)
    excess = bivariate_excess(first, second, correlation, nodes)
    return _cells(below[..., :, None] * left[..., None, :] + excess, below, left)


def _cells(
    inner: np.ndarray, below: np.ndarray | float, left: np.ndarray | float, whole: float = 1.0
) -> np.ndarray:
    """Cells of a distribution function with its margins, or of a derivative of one."""
    shape = inner.shape
    edges = np.zeros((*shape[:-2], shape[-2] + 2, shape[-1] + 2))
    edges[..., 1:-1, 1:-1] = inner
    edges[..., 1:-1, -1] = below
    edges[..., -1, 1:-1] = left
    edges[..., -1, -1] = whole
    return np.diff(np.diff(edges, axis=-1), axis=-2)


def rectangle_slopes(first: np.ndarray, second: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Derivatives of `rectangles` by the correlation."""
    a, b, r = first[..., :, None], second[..., None, :], correlation[..., None, None]
    left = 1.0 - r * r
    density = np.exp(-(a * a + b * b - 2.0 * r * a * b) / (2.0 * left))
    density = density / (2.0 * np.pi * np.sqrt(left))
    return _cells(density, 0.0, 0.0, 0.0)


def polychoric(table: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlations (...) that make tables of answers likeliest, given the thresholds.

    Parameters
    ----------
    table : ndarray (..., a, b)
        Counts or probabilities.
    first, second : ndarray (..., a - 1), (..., b - 1)
        Thresholds.

    Returns
    -------
    ndarray (...)
        Between -.999 and .999, which tables have whose maximum lies beyond.
    """
    total = table.sum(axis=(-2, -1))
    low, high = np.full(total.shape, -MOST), np.full(total.shape, MOST)
    r = np.zeros(total.shape)
    for _ in range(ROUNDS):
        p = np.maximum(rectangles(first, second, r), SMALLEST)
        change = rectangle_slopes(first, second, r)
        slope = np.sum(table * change / p, axis=(-2, -1))
        low, high = np.where(slope > 0, r, low), np.where(slope > 0, high, r)
        step = slope / (total * np.sum(change**2 / p, axis=(-2, -1)))  # Fisher's scoring
        new = r + step
        inside = (new > low) & (new < high)
        new = np.where(inside, new, 0.5 * (low + high))
        moved, r = np.abs(new - r), new
        if np.all(moved < SETTLED):
            break
    return r


def correlations(margins: Margins, moments: np.ndarray, tables: Tables) -> np.ndarray:
    """Correlations (..., pair) of latent responses and numbers that moments say.

    Parameters
    ----------
    margins : Margins
    moments : ndarray (..., moment)
        Observed or expected.
    tables : dict of (int, int) to ndarray (..., a, b)
        Of each pair of ordered variables, by their positions.
    """
    starts = np.concatenate([[0], np.cumsum(margins.own)])
    own = [moments[..., a:b] for a, b in zip(starts, starts[1:], strict=False)]
    mean, slope, cuts = [], [], []
    for k, categories in enumerate(margins.counts):
        if categories:
            t = thresholds_of(own[k])
            cuts.append(t)
            mean.append(own[k] @ np.arange(1.0, categories))
            slope.append(np.exp(-0.5 * t * t).sum(axis=-1) / np.sqrt(2.0 * np.pi))
        else:
            cuts.append(own[k])
            mean.append(own[k][..., 0])
            slope.append(np.sqrt(own[k][..., 1] - own[k][..., 0] ** 2))
    out = []
    for c, (i, j) in enumerate(zip(*margins.pairs, strict=True)):
        if margins.counts[i] and margins.counts[j]:
            out.append(polychoric(tables[i, j], cuts[i], cuts[j]))
        else:
            covariance = moments[..., starts[-1] + c] - mean[i] * mean[j]
            out.append(covariance / (slope[i] * slope[j]))
    return np.stack(out, axis=-1)


def _ordered_pairs(margins: Margins) -> list[tuple[int, int]]:
    both = zip(*margins.pairs, strict=True)
    return [(int(i), int(j)) for i, j in both if margins.counts[i] and margins.counts[j]]


def observed_tables(margins: Margins, scores: np.ndarray) -> Tables:
    """Counts (a, b) of each pair of ordered variables, of respondents (respondent, p) with both."""
    out = {}
    for i, j in _ordered_pairs(margins):
        rows = scores[~np.isnan(scores[:, i]) & ~np.isnan(scores[:, j])][:, [i, j]].astype(int)
        out[i, j] = np.zeros((margins.counts[i], margins.counts[j]))
        np.add.at(out[i, j], (rows[:, 0], rows[:, 1]), 1.0)
    return out


def _tables_given(margins: Margins, given: Given) -> Tables:
    whole = [np.concatenate([1.0 - p.sum(axis=1, keepdims=True), p], axis=1) for p in given.own]
    weight = given.weight[:, None]
    return {(i, j): (whole[i] * weight).T @ whole[j] for i, j in _ordered_pairs(margins)}


def expected_tables(
    margins: Margins,
    elements: np.ndarray,
    group: int,
    points: tuple[np.ndarray, np.ndarray],
) -> Tables:
    """Probabilities (draw, a, b) of each pair of answers at flat matrices (draw, elements)."""
    if margins.normal:
        cuts, r = standard_thresholds(margins, elements, group)
        return {(i, j): rectangles(cuts[i], cuts[j], r[..., i, j])
                for i, j in _ordered_pairs(margins)}  # fmt: skip
    each = [_tables_given(margins, given_constructs(margins, e, group, points)) for e in elements]
    return {pair: np.stack([one[pair] for one in each]) for pair in _ordered_pairs(margins)}


def observed_correlations(margins: Margins, scores: np.ndarray) -> np.ndarray:
    """Correlations (pair,) of latent responses that scores (respondent, p) say."""
    moments = observed_moments(margins, scores)
    return correlations(margins, moments, observed_tables(margins, scores))


def expected_correlations(
    margins: Margins,
    elements: np.ndarray,
    group: int,
    points: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """What these estimate under a model, (draw, pair), at flat matrices (draw, elements)."""
    if margins.normal:
        first, second = margins.pairs
        return standard_thresholds(margins, elements, group)[1][..., first, second]
    moments = expected_moments(margins, elements, group, points)
    return correlations(margins, moments, expected_tables(margins, elements, group, points))
