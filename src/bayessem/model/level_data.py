"""Data in clusters: moments of each level of a model, intraclass correlations, refusals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayessem.errors import DataError, NotSupported
from bayessem.model.clusters import SAME
from bayessem.model.data import Sample
from bayessem.syntax.parameters import ParameterTable

# Least share of a variable's variance that start values give to the clusters.
LEAST_SHARE = 0.05
# Smallest eigenvalue of a correlation matrix whose variables do not determine each other.
DEPENDENT = 1e-10


def refuse_levels(table: ParameterTable, what: str) -> None:
    """Refuse what is not there yet for two-level models.

    Parameters
    ----------
    table : ParameterTable
        The model.
    what : str
        What was asked for, as the beginning of a sentence.

    Raises
    ------
    NotSupported
        Naming it, for a model with levels.
    """
    if table.levels > 1:
        raise NotSupported(
            f"{what} is not there yet for two-level models; there are summary, r2, icc, scores, "
            "predict, measurement, effects, what_if, simple_slopes (of random slopes), loo, kfold "
            "and compare (by cluster), indices, residuals, modification_indices, predictive_check, "
            "sensitivity, report, save and simulate, and effects across levels by ':=' in the model"
        )


def crossed_note(sample: Sample) -> tuple[str, ...]:
    """What to say about values of the cluster column that occur in several groups."""
    clusters = sample.clusters
    assert clusters is not None
    if len(set(clusters.labels)) == len(clusters.labels):
        return ()
    return (
        f"some values of {clusters.column!r} occur in more than one group and count as a cluster "
        "of each",
    )


def check_clusters(sample: Sample, table: ParameterTable) -> None:
    """Refuse variables at level 1 that do not vary inside clusters; gaps where none may be.

    Raises
    ------
    DataError
        Naming the variable.
    """
    assert sample.clusters is not None
    for g, group in enumerate(sample.clusters.groups):
        members = sample.group == 2 * g
        inside = f" in group {group!r}" if group else ""
        for name in table.level_variables[0]:
            _require_variation(sample, name, members, inside)
    for row in table.rows:
        known = row.rhs in table.observed and row.rhs not in table.split
        if row.slope and row.group == 0 and known:
            _require_complete(sample, row.rhs, row.slope)


def _require_complete(sample: Sample, name: str, slope: str) -> None:
    """The predictor of a random slope has to be known."""
    absent = int(np.isnan(sample.values[:, sample.variables.index(name)]).sum())
    if absent:
        raise DataError(
            f"{name!r} has the random slope {slope!r} and is missing for {absent} respondents; the "
            "likelihood needs it: leave those respondents out, or impute it before the fit"
        )


def _require_variation(sample: Sample, name: str, members: np.ndarray, inside: str) -> None:
    """A variable at level 1 has to differ inside some cluster."""
    clusters = sample.clusters
    assert clusters is not None
    column = sample.values[members, sample.variables.index(name)]
    known = ~np.isnan(column)
    code = clusters.code[members][known]
    if not known.any():
        raise DataError(f"column {name!r} is empty{inside}; take it out of the model")
    deviations = column[known] - _cluster_means(column[known], code, len(clusters.labels))[code]
    if np.abs(deviations).max() <= SAME * np.abs(column[known]).max():
        raise DataError(
            f"{name!r} is at level 1 but does not vary inside clusters of {clusters.column!r}"
            f"{inside}; it is a variable of clusters and belongs to level 2 alone"
        )


def _cluster_means(column: np.ndarray, code: np.ndarray, count: int) -> np.ndarray:
    """Means of the available values by cluster, nan without any."""
    known = ~np.isnan(column)
    total = np.bincount(code[known], weights=column[known], minlength=count)
    number = np.bincount(code[known], minlength=count)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def level_moments(sample: Sample, table: ParameterTable) -> tuple[np.ndarray, np.ndarray]:
    """Covariances and means by block, (block, p, p) and (block, p); positive definite.

    Covariates have the moments over respondents at level 1 and over clusters at level 2, exactly.
    Those of split variables are rough (deviations from cluster means, cluster means), for starts.
    """
    clusters = sample.clusters
    assert clusters is not None
    p = len(sample.variables)
    at = {name: i for i, name in enumerate(sample.variables)}
    split = [at[n] for n in table.split]
    between = [at[n] for n in table.level_variables[1]]
    within_only = [at[n] for n in table.level_variables[0] if n not in table.split]
    covariances = np.zeros((len(sample.groups), p, p))
    means = np.zeros((len(sample.groups), p))
    for g in range(len(clusters.groups)):
        members = sample.group == 2 * g
        values = sample.values[members]
        code = np.unique(clusters.code[members], return_inverse=True)[1]
        count = int(code.max()) + 1
        centre = np.nanmean(np.where(np.isnan(values), sample.means, values), axis=0)
        by_cluster = np.array([_cluster_means(values[:, i], code, count) for i in range(p)]).T
        means[2 * g], means[2 * g + 1] = centre, centre
        means[2 * g][split] = 0.0
        if len(table.between_only):
            own = [at[n] for n in table.between_only]
            means[2 * g + 1][own] = np.nanmean(by_cluster[:, own], axis=0)
        deviations = values - centre
        deviations[:, split] = values[:, split] - by_cluster[code][:, split]
        inner = _gram(deviations, [*split, *within_only], sample.sds)
        outer = _gram(by_cluster - means[2 * g + 1], between, sample.sds)
        size = len(code) / count
        raw = np.diag(outer)[split]
        less = np.maximum(raw - np.diag(inner)[split] / size, LEAST_SHARE * raw)
        ratio = np.ones(p)
        ratio[split] = np.sqrt(less / raw)
        covariances[2 * g] = inner
        covariances[2 * g + 1] = outer * np.outer(ratio, ratio)
    return covariances, means


def _gram(deviations: np.ndarray, columns: Sequence[int], sds: np.ndarray) -> np.ndarray:
    """Mean squares and products of some columns; the variance over all of what they leave open."""
    own = list(columns)
    filled = np.where(np.isnan(deviations), 0.0, deviations)[:, own]
    out = np.diag(sds**2)
    out[np.ix_(own, own)] = filled.T @ filled / len(filled)
    flat = [i for i in own if out[i, i] < 1e-6 * sds[i] ** 2]
    for i in flat:
        out[i] = out[:, i] = 0.0
        out[i, i] = 0.01 * sds[i] ** 2
    if len(own):
        sd = np.sqrt(np.diag(out)[own])
        correlation = out[np.ix_(own, own)] / np.outer(sd, sd)
        lowest = float(np.linalg.eigvalsh(correlation)[0])
        if lowest < 1e-6:
            keep = (1.0 - 0.02) / (1.0 - lowest)
            correlation = keep * correlation + (1.0 - keep) * np.eye(len(own))
            out[np.ix_(own, own)] = correlation * np.outer(sd, sd)
    return out


def dependent_within(sample: Sample, table: ParameterTable) -> list[str]:
    """Variables of level 1 that determine each other within clusters, [] where none do."""
    clusters = sample.clusters
    assert clusters is not None
    at = [sample.variables.index(name) for name in table.level_variables[0]]
    values = sample.values[:, at]
    full = ~np.isnan(values).any(axis=1)
    rows = values[full] - values[full].mean(axis=0)
    code = np.unique(clusters.code[full], return_inverse=True)[1]
    for j, name in enumerate(table.level_variables[0]):
        if name in table.split:
            rows[:, j] -= _cluster_means(rows[:, j], code, int(code.max(initial=0)) + 1)[code]
    if len(rows) <= len(at) + len(np.unique(code)) or not rows.std(axis=0).all():
        return []
    roots, vectors = np.linalg.eigh(np.atleast_2d(np.corrcoef(rows, rowvar=False)))
    if roots[0] > DEPENDENT:
        return []
    involved = np.abs(vectors[:, roots <= DEPENDENT]).max(axis=1) > 1e-4
    return [n for n, i in zip(table.level_variables[0], involved, strict=True) if i]


def checked_covariances(covariances: np.ndarray, table: ParameterTable) -> list[np.ndarray]:
    """Implied covariances (block, p, p) as those that have to be positive definite.

    Those of level 1, and of one respondent with the variables of the cluster; level 2 alone may be
    singular.
    """
    if table.levels == 1:
        return list(covariances)
    at = [table.observed.index(name) for name in table.level_variables[0]]
    out = []
    for inner, outer in zip(covariances[::2], covariances[1::2], strict=True):
        whole = outer.copy()
        whole[np.ix_(at, at)] += inner[np.ix_(at, at)]
        out += [inner[np.ix_(at, at)], whole]
    return out


def intraclass(sample: Sample, names: Sequence[str]) -> dict[str, float]:
    """Intraclass correlation ICC(1) of variables, from the analysis of variance; not below 0.

    Of all groups together, within groups. Donner (1986), doi:10.2307/1403259.
    """
    clusters = sample.clusters
    assert clusters is not None
    out = {}
    for name in names:
        column = sample.values[:, sample.variables.index(name)]
        known = ~np.isnan(column)
        y, code, group = column[known], clusters.code[known], sample.group[known]
        labels, code = np.unique(code, return_inverse=True)
        sizes = np.bincount(code)
        means = np.bincount(code, weights=y) / sizes
        group_means = np.bincount(group, weights=y) / np.maximum(np.bincount(group), 1)
        own_group = np.zeros(len(labels), dtype=int)
        own_group[code] = group
        between = float(sizes @ (means - group_means[own_group]) ** 2)
        within = float(((y - means[code]) ** 2).sum())
        free = len(labels) - len(np.unique(group))
        mean_size = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / max(len(labels) - 1, 1)
        ms_between = between / max(free, 1)
        ms_within = within / max(len(y) - len(labels), 1)
        spread = max(ms_between - ms_within, 0.0) / mean_size
        out[name] = spread / (spread + ms_within) if spread + ms_within > 0 else 0.0
    return out
