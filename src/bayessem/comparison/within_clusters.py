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

from dataclasses import dataclass

import numpy as np

from bayessem.comparison.criterion import stored_values
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.posterior.covariates import LOG_2PI, log_normal
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import model_moments

# Draws that are looked at, evenly spaced.
DRAWS = 1000


@dataclass(frozen=True)
class _Level:
    """Moments of a group, by draw, for the variables at level 1 (y), both (q) and level 2 alone."""

    within: np.ndarray  # (draw, y, y)
    mean: np.ndarray  # (draw, y)
    between: np.ndarray  # (draw, p + slopes, p + slopes), the random slopes last
    between_mean: np.ndarray  # (draw, p + slopes)
    effects: np.ndarray  # (draw, y, q + slopes), what they are multiplied by apart from predictors


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
        level = _moments(structure, elements, g)
        for members in _types(structure, sample, g):
            _fill(structure, sample, level, members, out)
    return out - _covariates(structure, sample, fit.prepared.space.base)


def _moments(structure: Structure, elements: np.ndarray, group: int) -> _Level:
    table = structure.table
    inner, outer = (model_moments(structure, elements, group=2 * group + k) for k in range(2))
    at = [structure.observed.index(name) for name in table.level_variables[0]]
    slopes = structure.slopes
    own = [s.slope for s in slopes]
    matrices = structure.matrices(elements, 2 * group)
    total = np.linalg.inv(np.eye(len(structure.variables)) - matrices["paths"])
    reach = (matrices["loadings"] @ total)[:, at][:, :, [s.outcome for s in slopes]]
    unit = np.zeros((len(elements), len(at), len(table.split)))
    for a, name in enumerate(table.split):
        unit[:, table.level_variables[0].index(name), a] = 1.0
    cross = structure.matrices(elements, 2 * group + 1)["loadings"] @ outer.latent_covariance
    cross = cross[:, :, own]
    between = np.block(
        [
            [outer.observed_covariance, cross],
            [np.swapaxes(cross, 1, 2), outer.latent_covariance[:, own][:, :, own]],
        ]
    )
    return _Level(
        inner.observed_covariance[:, at][:, :, at],
        (inner.observed_mean + outer.observed_mean)[:, at],
        between,
        np.concatenate([outer.observed_mean, outer.latent_mean[:, own]], axis=1),
        np.concatenate([unit, reach], axis=2),
    )


def _types(structure: Structure, sample: Sample, group: int) -> list[list[np.ndarray]]:
    """Respondents of the clusters of each type: with as many of each pattern, and the same own."""
    clusters = sample.clusters
    assert clusters is not None
    known = ~np.isnan(sample.values)
    found: dict[tuple[object, ...], list[np.ndarray]] = {}
    for j in np.unique(clusters.code[sample.group == 2 * group]):
        members = np.flatnonzero(clusters.code == j)
        key = tuple(sorted(known[i].tobytes() for i in members))
        if structure.slopes:  # predictors differ
            key = (j,)
        found.setdefault(key, []).append(members)
    return list(found.values())


def _fill(
    structure: Structure,
    sample: Sample,
    level: _Level,
    members: list[np.ndarray],
    out: np.ndarray,
) -> None:
    """The densities of the respondents of clusters of one type, which share their inverses."""
    table = structure.table
    at = {name: i for i, name in enumerate(structure.observed)}
    y = np.array([at[name] for name in table.level_variables[0]])
    p, q, k = len(structure.observed), len(table.split), len(structure.slopes)
    effects = [*(at[name] for name in table.split), *range(p, p + k)]
    known = ~np.isnan(sample.values)
    first = members[0]
    patterns = np.unique(known[np.ix_(first, y)], axis=0)
    inverses = [_padded(level.within, kind) for kind in patterns]
    parts = [a @ level.effects for a in inverses]  # (draw, y, effect)
    own = np.array([at[n] for n in table.between_only if known[first[0], at[n]]], dtype=int)
    b = level.between[:, effects][:, :, effects]
    cross = level.between[:, effects][:, :, own]
    given = np.swapaxes(
        np.linalg.solve(level.between[:, own][:, :, own], np.swapaxes(cross, 1, 2)), 1, 2
    )
    b = b - given @ np.swapaxes(cross, 1, 2)
    centre = np.concatenate([np.zeros((len(out), q)), level.between_mean[:, p:]], axis=1)
    for n, who in enumerate(members):
        design = np.ones((len(who), q + k))
        design[:, q:] = sample.values[np.ix_(who, [s.column for s in structure.slopes])]
        kinds = [(known[np.ix_(who, y)] == kind).all(axis=1) for kind in patterns]
        if n == 0:
            precision = np.zeros_like(b)
            for part, mine in zip(parts, kinds, strict=True):
                squares = design[mine].T @ design[mine]
                precision += (np.swapaxes(level.effects, 1, 2) @ part) * squares
            t = np.linalg.solve(np.eye(q + k) + b @ precision, b)
        dz = sample.values[who[0], own] - level.between_mean[:, own]
        residual = np.nan_to_num(sample.values[np.ix_(who, y)] - level.mean[:, None])
        weighted = np.zeros_like(residual)  # A (y - mu)
        for a, mine in zip(inverses, kinds, strict=True):
            weighted[:, mine] = residual[:, mine] @ a
        force = np.sum((weighted @ level.effects) * design, axis=1)
        c = centre + (given @ dz[..., None])[..., 0]
        u = c + (t @ (force - (precision @ c[..., None])[..., 0])[..., None])[..., 0]
        for kind, a, part, mine in zip(patterns, inverses, parts, kinds, strict=True):
            if k:  # what is known of an effect depends on the respondent
                for i in np.flatnonzero(mine):
                    own_part, own_weighted = part * design[i], weighted[:, i : i + 1]
                    out[:, who[i]] = _given_others(kind, a, t, own_part, own_weighted, u)[:, 0]
            elif mine.any():
                out[:, who[mine]] = _given_others(kind, a, t, part, weighted[:, mine], u)


def _padded(within: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """The inverse of W for the observed variables, 0 elsewhere, (draw, y, y)."""
    out = np.zeros_like(within)
    o = np.flatnonzero(kind)
    out[np.ix_(range(len(out)), o, o)] = np.linalg.inv(within[:, o][:, :, o])
    return out


def _given_others(
    kind: np.ndarray,
    a: np.ndarray,
    t: np.ndarray,
    part: np.ndarray,
    weighted: np.ndarray,
    u: np.ndarray,
) -> np.ndarray:
    """Log-densities (draw, n) of respondents of one pattern given the others of their cluster.

    part : ndarray (draw, y, effect), A times what the effects are multiplied by.
    """
    o = np.flatnonzero(kind)
    q = (a - part @ t @ np.swapaxes(part, 1, 2))[:, o][:, :, o]
    g = (weighted - (part @ u[..., None])[..., 0][:, None])[:, :, o]
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
