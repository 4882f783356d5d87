"""What a predictive check looks at in clustered data: each level by itself.

Correlations of deviations from the clusters' means (within), of those means (between), and how much
of each variable lies between clusters (ICC(1), from the mean squares; Shrout & Fleiss 1979,
doi:10.1037/0033-2909.86.2.420, with the mean cluster size of unequal ones).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayessem.criticism.answers import Look
from bayessem.criticism.statistics import pair_correlations
from bayessem.model.prepare import Prepared


def level_correlations(prepared: Prepared, code: np.ndarray) -> Look:
    """Correlations of both levels and shares between clusters, of one group of a two-level model.

    Parameters
    ----------
    prepared : Prepared
        The model.
    code : ndarray (respondent,)
        Cluster of each respondent of the group.
    """
    table, names = prepared.table, prepared.sample.variables
    within, between = (
        [names.index(name) for name in names if name in level] for level in table.level_variables
    )
    given = [j for j, name in enumerate(names) if name in table.exogenous]
    pairs = {"within": _pairs(within, given), "between": _pairs(between, given)}
    split = [j for j in within if j in between]
    labels = [(f"{names[i]} ~~ {names[j]}", level) for level, own in pairs.items() for i, j in own]
    labels += [(names[j], "ICC") for j in split]
    order = np.argsort(code, kind="stable")
    first = np.unique(code[order], return_index=True)[1]
    size = np.diff([*first, len(code)])

    def measure(values: np.ndarray) -> np.ndarray:
        data = values[..., order, :]
        known = ~np.isnan(data)
        count = np.add.reduceat(known.astype(float), first, axis=-2)
        total = np.add.reduceat(np.where(known, data, 0.0), first, axis=-2)
        means = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
        apart = data - np.repeat(means, size, axis=-2)
        found = [
            _of_pairs(pair_correlations(part), own)
            for part, own in zip((apart, means), pairs.values(), strict=True)
        ]
        return np.concatenate([*found, _shares(apart, means, count)[..., split]], axis=-1)

    return Look(tuple(labels), measure)


def _pairs(positions: Sequence[int], given: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of variables, the later one first, but those of two covariates, which are not drawn."""
    return [
        (i, j)
        for a, i in enumerate(positions)
        for j in positions[:a]
        if not (i in given and j in given)
    ]


def _of_pairs(correlations: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Of all pairs row by row below the diagonal (`pair_correlations`) those that are wanted."""
    return correlations[..., [i * (i - 1) // 2 + j for i, j in pairs]]


def _shares(apart: np.ndarray, means: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Share of the variance of each variable that lies between clusters, (..., p).

    apart : (..., respondent, p) deviations;  means, count : (..., cluster, p), nan without any.
    """
    total = count.sum(axis=-2)
    clusters = (count > 0).sum(axis=-2)
    grand = np.nansum(count * means, axis=-2) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.nansum(count * (means - grand[..., None, :]) ** 2, axis=-2) / (clusters - 1)
        within = np.nansum(apart**2, axis=-2) / (total - clusters)
        usual = (total - (count**2).sum(axis=-2) / total) / (clusters - 1)
        return (between - within) / (between + (usual - 1.0) * within)
