"""How well a respondent is foreseen by the others of the same cluster, in a two-level model.

Leaving out a whole cluster asks about new clusters, leaving out one respondent about new
respondents of known ones: two questions with two answers (Merkle, Furr & Rabe-Hesketh 2019,
doi:10.1007/s11336-019-09679-0). Given the parameters, both are densities of normal variables with
the random intercepts integrated out.

With A the inverse of W for what a respondent has answered and T the covariance of the intercepts
given the cluster (likelihood/level_kernel.py), the respondent's part of the inverse of the
cluster's covariance is Q = A - A T A, and of that inverse times the residuals g = A (y - mu - m), m
the intercepts' mean given the cluster: y given the others is normal with covariance Q^-1 and
residual Q^-1 g. With random slopes, effects like the intercepts, A Z T Z' A and Z m stand in place
of A T A and m, Z holding the respondent's predictors.
"""

from __future__ import annotations

import numpy as np

from bayessem.comparison.criterion import stored_values
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.posterior.covariates import LOG_2PI, log_normal
from bayessem.results.cluster_effects import (
    ClusterEffects,
    Kind,
    cluster_effects,
    group_moments,
)
from bayessem.results.fitted import Fitted

# Draws that are looked at, evenly spaced.
DRAWS = 1000


def thinned(fit: Fitted) -> np.ndarray:
    """Draws (chain, draw, D) that are looked at."""
    values = stored_values(fit)
    step = max(1, values.shape[0] * values.shape[1] // DRAWS)
    return values[:, ::step]


def respondent_densities(fit: Fitted, values: np.ndarray) -> np.ndarray:
    """Log p(y_i | x_i, the others of the cluster, theta), (draw, respondent).

    Parameters
    ----------
    fit : Fitted
        Of a two-level model.
    values : ndarray (chain, draw, D)
        From `thinned`.
    """
    structure, sample = fit.prepared.structure, fit.prepared.sample
    clusters = sample.clusters
    assert clusters is not None
    elements = fit.density.elements(values.reshape(-1, values.shape[-1]))
    out = np.empty((len(elements), sample.size))
    for g in range(len(clusters.groups)):
        level = group_moments(structure, elements, g)
        for found in cluster_effects(structure, sample, level, g):
            _fill(found, out, slopes=bool(structure.slopes))
    return out - _covariates(structure, sample, fit.prepared.space.base)


def _fill(found: ClusterEffects, out: np.ndarray, *, slopes: bool) -> None:
    """The densities of the respondents of a cluster."""
    for kind in found.kinds:
        own = np.flatnonzero(kind.members)
        # with random slopes what is known of an effect depends on the respondent
        for some in [[i] for i in own] if slopes else [own] if len(own) else []:
            part = kind.part * found.design[some[0]] if slopes else kind.part
            out[:, found.who[some]] = _given_others(kind, part, found.weighted[:, some], found)


def _given_others(
    kind: Kind, part: np.ndarray, weighted: np.ndarray, found: ClusterEffects
) -> np.ndarray:
    """Log-densities (draw, n) of respondents of one pattern given the others of their cluster.

    part : ndarray (draw, y, effect), A times what the effects are multiplied by.
    """
    o = kind.observed
    q = (kind.inverse - part @ found.covariance @ np.swapaxes(part, 1, 2))[:, o][:, :, o]
    g = (weighted - (part @ found.mean[..., None])[..., 0][:, None])[:, :, o]
    logdet = np.linalg.slogdet(q)[1]
    form = np.sum(g * np.swapaxes(np.linalg.solve(q, np.swapaxes(g, 1, 2)), 1, 2), axis=-1)
    return 0.5 * (logdet[:, None] - form - len(o) * LOG_2PI)


def _covariates(structure: Structure, sample: Sample, base: np.ndarray) -> np.ndarray:
    """Log p(x_i) of the covariates of respondents, (respondent,)."""
    table = structure.table
    names = [n for n in table.level_variables[0] if n in table.exogenous]
    out = np.zeros(sample.size)
    if not names:
        return out
    at = [structure.variables.index(name) for name in names]
    columns = [sample.variables.index(name) for name in names]
    for block in np.unique(sample.group):
        members = np.flatnonzero(sample.group == block)
        matrices = structure.matrices(base, int(block))
        covariance = matrices["disturbances"][np.ix_(at, at)]
        out[members] = log_normal(
            sample.values[np.ix_(members, columns)] - matrices["means"][at], covariance
        )
    return out
