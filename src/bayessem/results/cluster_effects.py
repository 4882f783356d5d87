"""Random intercepts and slopes of the clusters of a two-level model given the data, by draw.

The formulas are those of likelihood/level_kernel.py, in NumPy and with draws as the first axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayessem.errors import NotSupported
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.results.standardize import model_moments


@dataclass(frozen=True)
class LevelMoments:
    """Moments of a group, by draw, for the variables at level 1 (y) and the effects (q)."""

    within: np.ndarray  # (draw, y, y)
    mean: np.ndarray  # (draw, y), of both levels together
    between: np.ndarray  # (draw, p + slopes, p + slopes), the random slopes last
    between_mean: np.ndarray  # (draw, p + slopes)
    effects: np.ndarray  # (draw, y, q), what they are multiplied by apart from predictors


@dataclass(frozen=True)
class Kind:
    """The respondents of a cluster with the same variables observed."""

    observed: np.ndarray  # places among the variables at level 1
    members: np.ndarray  # (n,) bool, which of the cluster's respondents
    inverse: np.ndarray  # (draw, y, y), of W for what is observed, padded with zeros
    part: np.ndarray  # (draw, y, q), that times what the effects are multiplied by


@dataclass(frozen=True)
class ClusterEffects:
    """What is known of one cluster's effects.

    Attributes
    ----------
    who : ndarray (n,)
        Positions of its respondents.
    design : ndarray (n, q)
        1 for intercepts, the predictors' values for slopes.
    kinds : tuple of Kind
    weighted : ndarray (draw, n, y)
        Inverse of W times the residuals from the mean.
    mean, covariance : ndarray (draw, q), (draw, q, q)
        Of the effects given the cluster's data: intercepts as deviations from their mean, slopes
        with it.
    """

    who: np.ndarray
    design: np.ndarray
    kinds: tuple[Kind, ...]
    weighted: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray


def effect_columns(structure: Structure) -> list[int]:
    """Places of the effects in `LevelMoments.between`: split variables, then random slopes."""
    at = {name: i for i, name in enumerate(structure.observed)}
    p = len(structure.observed)
    slopes = range(p, p + len(structure.slopes))
    return [*(at[name] for name in structure.table.split), *slopes]


def group_moments(structure: Structure, elements: np.ndarray, group: int) -> LevelMoments:
    """Moments of a group of a two-level model at draws (draw, elements).

    Raises
    ------
    NotSupported
        For random slopes of predictors that are not observed.
    """
    if structure.slopes_on_nodes:
        raise NotSupported(
            "what is known of a cluster's intercepts and slopes (scores, predictions of new rows, "
            "LOO by respondent) is not there for random slopes of constructs and within parts "
            f"({', '.join(structure.slopes_on_nodes)}): given the data they are not normal; "
            "loo() by cluster, kfold and simulate are there"
        )
    table, slopes = structure.table, structure.slopes
    inner, outer = (model_moments(structure, elements, group=2 * group + k) for k in range(2))
    at = [structure.observed.index(name) for name in table.level_variables[0]]
    own = [s.slope for s in slopes]
    matrices = structure.matrices(elements, 2 * group)
    total = np.linalg.inv(np.eye(len(structure.variables)) - matrices["paths"])
    reach = (matrices["loadings"] @ total)[:, at][:, :, [s.outcome for s in slopes]]
    unit = np.zeros((len(elements), len(at), len(table.split)))
    for a, name in enumerate(table.split):
        unit[:, table.level_variables[0].index(name), a] = 1.0
    loadings = structure.matrices(elements, 2 * group + 1)["loadings"]
    cross = (loadings @ outer.latent_covariance)[:, :, own]
    slope_cov = outer.latent_covariance[:, own][:, :, own]
    between = np.block([[outer.observed_covariance, cross], [np.swapaxes(cross, 1, 2), slope_cov]])
    return LevelMoments(
        inner.observed_covariance[:, at][:, :, at],
        (inner.observed_mean + outer.observed_mean)[:, at],
        between,
        np.concatenate([outer.observed_mean, outer.latent_mean[:, own]], axis=1),
        np.concatenate([unit, reach], axis=2),
    )


def cluster_effects(
    structure: Structure, sample: Sample, level: LevelMoments, group: int
) -> Iterator[ClusterEffects]:
    """What is known of the effects of each cluster of a group."""
    for members in _types(structure, sample, group):
        yield from _of_type(structure, sample, level, members)


def _types(structure: Structure, sample: Sample, group: int) -> list[list[np.ndarray]]:
    """Respondents of the clusters of each type: with as many of each pattern, and the same own.

    With random slopes each cluster is a type of its own.
    """
    clusters = sample.clusters
    assert clusters is not None
    known = ~np.isnan(sample.values)
    found: dict[tuple[object, ...], list[np.ndarray]] = {}
    for j in np.unique(clusters.code[sample.group == 2 * group]):
        members = np.flatnonzero(clusters.code == j)
        key: tuple[object, ...] = tuple(sorted(known[i].tobytes() for i in members))
        if structure.slopes:
            key = (j,)
        found.setdefault(key, []).append(members)
    return list(found.values())


def _of_type(
    structure: Structure, sample: Sample, level: LevelMoments, members: list[np.ndarray]
) -> Iterator[ClusterEffects]:
    """The clusters of one type, which share their inverses."""
    table = structure.table
    at = {name: i for i, name in enumerate(structure.observed)}
    y = np.array([at[name] for name in table.level_variables[0]])
    p, q, columns = len(structure.observed), len(table.split), effect_columns(structure)
    known = ~np.isnan(sample.values)
    first = members[0]
    patterns = np.unique(known[np.ix_(first, y)], axis=0)
    inverses = [_padded(level.within, kind) for kind in patterns]
    parts = [a @ level.effects for a in inverses]
    own = np.array([at[n] for n in table.between_only if known[first[0], at[n]]], dtype=int)
    b = level.between[:, columns][:, :, columns]
    cross = level.between[:, columns][:, :, own]
    given = np.swapaxes(
        np.linalg.solve(level.between[:, own][:, :, own], np.swapaxes(cross, 1, 2)), 1, 2
    )
    b = b - given @ np.swapaxes(cross, 1, 2)
    centre = np.concatenate([np.zeros((len(b), q)), level.between_mean[:, p:]], axis=1)
    precision = np.zeros_like(b)
    for n, who in enumerate(members):
        design = np.ones((len(who), len(columns)))
        design[:, q:] = sample.values[np.ix_(who, [s.column for s in structure.slopes])]
        masks = [(known[np.ix_(who, y)] == kind).all(axis=1) for kind in patterns]
        if n == 0:
            for part, mine in zip(parts, masks, strict=True):
                squares = design[mine].T @ design[mine]
                precision += (np.swapaxes(level.effects, 1, 2) @ part) * squares
            covariance = np.linalg.solve(np.eye(len(columns)) + b @ precision, b)
        dz = sample.values[who[0], own] - level.between_mean[:, own]
        residual = np.nan_to_num(sample.values[np.ix_(who, y)] - level.mean[:, None])
        weighted = np.zeros_like(residual)
        for a, mine in zip(inverses, masks, strict=True):
            weighted[:, mine] = residual[:, mine] @ a
        force = np.sum((weighted @ level.effects) * design, axis=1)
        c = centre + (given @ dz[..., None])[..., 0]
        pull = force - (precision @ c[..., None])[..., 0]
        kinds = tuple(
            Kind(np.flatnonzero(kind), mine, a, part)
            for kind, mine, a, part in zip(patterns, masks, inverses, parts, strict=True)
        )
        mean = c + (covariance @ pull[..., None])[..., 0]
        yield ClusterEffects(who, design, kinds, weighted, mean, covariance)


def _padded(within: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """The inverse of W for the observed variables, 0 elsewhere, (draw, y, y)."""
    out = np.zeros_like(within)
    o = np.flatnonzero(kind)
    out[np.ix_(range(len(out)), o, o)] = np.linalg.inv(within[:, o][:, :, o])
    return out
