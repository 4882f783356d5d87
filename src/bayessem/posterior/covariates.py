"""What a model says about its covariates, which is taken out: models condition on covariates."""

from __future__ import annotations

import math

import numpy as np

from bayessem.model.answer_engine import on_lattices
from bayessem.model.data import Sample
from bayessem.model.space import Space
from bayessem.model.structure import Structure

LOG_2PI = math.log(2.0 * math.pi)


def covariate_log_density(space: Space, structure: Structure, sample: Sample) -> np.ndarray:
    """Log p(x_i) of the covariates that the likelihood contains, (respondent,) or (cluster,).

    With `fixed_x` the moments of the covariates are those of the sample, constants of the model,
    and log p(y_i | x_i) = log p(y_i, x_i) - log p(x_i). Of a respondent with missing covariates
    those that are observed; 0 for a model without covariates.
    """
    if structure.table.levels > 1:
        return _by_cluster(space, structure, sample)
    out = np.zeros(sample.size)
    names = structure.table.exogenous
    # lattices and the engine of heavy tails condition on them themselves
    if not names or on_lattices(structure) or structure.table.heavy_tailed:
        return out
    columns = np.array([sample.variables.index(name) for name in names])
    places = [structure.variables.index(name) for name in names]
    for group, observed, members in sample.patterns():
        known = np.isin(columns, observed)
        if not known.any():
            continue
        at = [place for place, there in zip(places, known, strict=True) if there]
        matrices = structure.matrices(space.base, group)
        covariance = matrices["disturbances"][np.ix_(at, at)]
        centred = sample.values[np.ix_(members, columns[known])] - matrices["means"][at]
        out[members] = log_normal(centred, covariance)
    return out


def log_normal(centred: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Log-density of rows with mean 0, (row,)."""
    root = np.linalg.cholesky(covariance)
    white = np.linalg.solve(root, centred.T)
    constant = len(root) * LOG_2PI + 2.0 * np.log(np.diag(root)).sum()
    return -0.5 * (constant + np.sum(white * white, axis=0))


def _by_cluster(space: Space, structure: Structure, sample: Sample) -> np.ndarray:
    """The same of a two-level model: of a cluster's respondents, and of the cluster, (cluster,)."""
    clusters, table = sample.clusters, structure.table
    assert clusters is not None
    out = np.zeros(len(clusters.labels))
    first = clusters.first()
    for block in range(len(table.groups)):
        names = [n for n in table.level_variables[block % 2] if n in table.exogenous]
        if not names:
            continue
        members = np.flatnonzero(sample.group == block - block % 2)
        if block % 2:
            members = first[sample.group[first] == block - 1]
        at = [structure.variables.index(name) for name in names]
        columns = [sample.variables.index(name) for name in names]
        matrices = structure.matrices(space.base, block)
        centred = sample.values[np.ix_(members, columns)] - matrices["means"][at]
        values = log_normal(centred, matrices["disturbances"][np.ix_(at, at)])
        np.add.at(out, clusters.code[members], values)
    return out
