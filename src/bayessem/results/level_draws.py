"""Values of respondents and clusters of a two-level model, drawn given all that is known of them.

Given the parameters all is normal: first the effects of a cluster given its data
(cluster_effects.py), then what is unknown of the cluster given its effects and its own variables,
then what is unknown of a respondent given the effects and the respondent's other values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.errors import DataError
from bayessem.model.clusters import SAME, Clusters, read_clusters
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.results.cluster_effects import (
    ClusterEffects,
    Kind,
    LevelMoments,
    cluster_effects,
    effect_columns,
    group_moments,
)
from bayessem.results.intervention import deviations, normal_root
from bayessem.results.level_scores import level_names
from bayessem.results.standardize import model_moments

# Eigenvalues of a correlation matrix below this share of the largest are 0.
NOTHING = 1e-10


@dataclass(frozen=True)
class NewRows:
    """New rows beside the respondents of their clusters that the model was fitted to.

    Attributes
    ----------
    sample : Sample
        Respondents of the clusters that the new rows name, then the new rows.
    new : ndarray (respondent,)
        Which are the new rows.
    known, strange : int
        How many clusters of the new rows are in the data of the fit, and how many are not.
    """

    sample: Sample
    new: np.ndarray
    known: int
    strange: int


def beside_clusters(frame: pd.DataFrame, rows: Sample, old: Sample) -> NewRows:
    """Put new rows beside the respondents of their clusters.

    Parameters
    ----------
    frame : DataFrame
        The new rows, with the column of the clusters.
    rows : Sample
        The same as a sample, with the groups of the model in `group`.
    old : Sample
        The data of the fit.

    Raises
    ------
    DataError
        Without that column, and where a variable of clusters differs inside a cluster.
    """
    clusters = old.clusters
    assert clusters is not None
    if clusters.column not in frame.columns:
        raise DataError(
            f"the new rows need the column of the clusters, {clusters.column!r}: what is known of "
            "a respondent depends on the cluster; a label of its own is a new cluster"
        )
    own = read_clusters(frame, clusters.column, rows.group, clusters.groups)
    first = clusters.first()
    place = {
        (label, g): j
        for j, (label, g) in enumerate(zip(clusters.labels, old.group[first] // 2, strict=True))
    }
    at = [
        place.get((label, g)) for label, g in zip(own.labels, rows.group[own.first()], strict=True)
    ]
    members = np.isin(clusters.code, [j for j in at if j is not None])
    rank = {j: k for k, j in enumerate(at) if j is not None}
    code = np.concatenate([[rank[j] for j in clusters.code[members]], own.code]).astype(np.int64)
    new = np.concatenate([np.zeros(int(members.sum()), bool), np.ones(rows.size, bool)])
    values = np.concatenate([old.values[members], rows.values])
    joined = Sample(
        old.variables,
        old.groups,
        values,
        np.concatenate([old.group[members], 2 * rows.group]),
        pd.RangeIndex(len(values)),
        (),
        clusters=Clusters(clusters.column, own.labels, code, clusters.groups),
    )
    return NewRows(joined, new, len(rank), len(at) - len(rank))


def with_cluster_values(found: NewRows, names: Sequence[str]) -> NewRows:
    """Variables of clusters have their value in every row of the cluster, where any row has it.

    names : variables at level 2 alone.
    """
    sample = found.sample
    clusters = sample.clusters
    assert clusters is not None
    for name in names:
        column = sample.values[:, sample.variables.index(name)]
        for j, label in enumerate(clusters.labels):
            rows = np.flatnonzero(clusters.code == j)
            given = column[rows][~np.isnan(column[rows])]
            if not given.size:
                continue
            if np.ptp(given) > SAME * np.abs(given).max():
                raise DataError(
                    f"{name!r} is a variable of clusters, and the rows of cluster {label!r} have "
                    f"{given[0]:g} and {given[given != given[0]][0]:g} (those that the model was "
                    "fitted to count, too); give one value, or another label to a new cluster"
                )
            column[rows] = given[0]
    return found


def draw_levels(
    structure: Structure,
    elements: np.ndarray,
    sample: Sample,
    rows: np.ndarray,
    names: Sequence[str],
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw observed variables and constructs of some respondents given all that is known.

    Parameters
    ----------
    structure, elements : Structure, ndarray (draw, elements)
    sample : Sample
        All that is known; nan is not.
    rows : ndarray (respondent,)
        Mask of the respondents to draw.
    names : sequence of str
        Observed variables, and constructs as `level_names` names them.
    rng : Generator

    Returns
    -------
    ndarray (draw, row, name)
        What is known is itself in every draw.
    """
    clusters = sample.clusters
    assert clusters is not None
    place = np.cumsum(rows) - 1
    out = np.empty((len(elements), int(rows.sum()), len(names)))
    for g in range(len(clusters.groups)):
        if not (sample.group[rows] == 2 * g).any():
            continue
        level = group_moments(structure, elements, g)
        inner = _Respondents(structure, elements, g, level)
        outer = _OfClusters(structure, elements, g, level)
        for found in cluster_effects(structure, sample, level, g):
            if not rows[found.who].any():
                continue
            root = normal_root(found.covariance)
            effects = found.mean + _times(root, rng.standard_normal(found.mean.shape))
            whole = outer.drawn(effects, sample.values[found.who[0]], rng)
            for kind in found.kinds:
                for i in np.flatnonzero(kind.members & rows[found.who]).tolist():
                    own = inner.drawn(found, kind, i, effects, sample.values[found.who[i]], rng)
                    values = {**whole, **own}
                    for k, name in enumerate(names):
                        out[:, place[found.who[i]], k] = values[name]
    return out


def _times(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Matrices (draw, a, b) times vectors (draw, b)."""
    return np.einsum("dab,db->da", matrix, vector)


class _Respondents:
    """What is unknown of a respondent given the effects of the cluster."""

    def __init__(
        self, structure: Structure, elements: np.ndarray, group: int, level: LevelMoments
    ) -> None:
        self.level, table = level, structure.table
        moments = model_moments(structure, elements, group=2 * group)
        matrices = structure.matrices(elements, 2 * group)
        self.at = [structure.observed.index(x) for x in table.level_variables[0]]
        total = np.linalg.inv(np.eye(len(structure.variables)) - matrices["paths"])
        m, q = total.shape[1], len(table.split)
        self.latent_mean = moments.latent_mean
        cross = moments.latent_covariance @ np.swapaxes(matrices["loadings"][:, self.at], 1, 2)
        slopes = [s.outcome for s in structure.slopes]
        direct = np.concatenate([np.zeros((len(total), m, q)), total[:, :, slopes]], axis=2)
        # of the latent variables, then of the observed ones
        self.by_effect = np.concatenate([direct, level.effects], axis=1)
        self.cross = np.concatenate([cross, level.within], axis=1)
        self.covariance = np.concatenate(
            [
                np.concatenate([moments.latent_covariance, cross], axis=2),
                np.concatenate([np.swapaxes(cross, 1, 2), level.within], axis=2),
            ],
            axis=1,
        )
        self.places = {name: j for name, own, j in level_names(structure) if own == 0}
        self.names = table.level_variables[0]
        self.roots: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def drawn(
        self,
        found: ClusterEffects,
        kind: Kind,
        i: int,
        effects: np.ndarray,
        values: np.ndarray,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """Values (draw,) by name."""
        gain, root = self._gain(kind)
        amount = effects * found.design[i]
        mean = np.concatenate([self.latent_mean, self.level.mean], axis=1)
        mean = mean + _times(self.by_effect, amount)
        own, m = kind.observed, self.latent_mean.shape[1]
        known = values[self.at][own]
        away = np.zeros((len(mean), len(self.at)))
        away[:, own] = known - mean[:, m:][:, own]
        draw = mean + _times(gain, away) + _times(root, rng.standard_normal(mean.shape))
        draw[:, m:][:, own] = known
        out = {name: draw[:, j] for name, j in self.places.items()}
        return out | {name: draw[:, m + k] for k, name in enumerate(self.names)}

    def _gain(self, kind: Kind) -> tuple[np.ndarray, np.ndarray]:
        """Regression on the observed variables, and a root of what it leaves."""
        key = kind.observed.tobytes()
        if key not in self.roots:
            gain = self.cross @ kind.inverse
            left = self.covariance - gain @ np.swapaxes(self.cross, 1, 2)
            self.roots[key] = gain, normal_root(_without_rounding(left, self.covariance))
        return self.roots[key]


class _OfClusters:
    """What is unknown of a cluster given its effects and the known ones of its own variables."""

    def __init__(
        self, structure: Structure, elements: np.ndarray, group: int, level: LevelMoments
    ) -> None:
        table = structure.table
        self.columns, self.split = effect_columns(structure), len(table.split)
        self.level = level
        moments = model_moments(structure, elements, group=2 * group + 1)
        loadings = structure.matrices(elements, 2 * group + 1)["loadings"]
        slopes = [s.slope for s in structure.slopes]
        latent = moments.latent_covariance
        # with the latent variables: of the observed ones, then the slopes
        cross = np.concatenate([latent @ np.swapaxes(loadings, 1, 2), latent[:, :, slopes]], axis=2)
        self.covariance = np.concatenate(
            [
                np.concatenate([latent, cross], axis=2),
                np.concatenate([np.swapaxes(cross, 1, 2), level.between], axis=2),
            ],
            axis=1,
        )
        self.mean = np.concatenate([moments.latent_mean, level.between_mean], axis=1)
        self.m = latent.shape[1]
        self.own = {name: structure.observed.index(name) for name in table.between_only}
        self.places = {name: j for name, lev, j in level_names(structure) if lev == 1}
        self.roots: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def drawn(
        self, effects: np.ndarray, values: np.ndarray, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Values (draw,) by name; effects : intercepts as deviations, slopes with their mean."""
        columns = list(self.own.values())
        known = [j for j in columns if not np.isnan(values[j])]
        given = np.array([*self.columns, *known], dtype=int)
        gain, root = self._gain(given)
        away = np.concatenate(
            [effects, np.broadcast_to(values[known], (len(effects), len(known)))], axis=1
        )
        away[:, self.split :] -= self.level.between_mean[:, given[self.split :]]
        draw = self.mean + _times(gain, away) + _times(root, rng.standard_normal(self.mean.shape))
        draw[:, [self.m + j for j in known]] = values[known]
        out = {name: draw[:, j] for name, j in self.places.items()}
        return out | {name: draw[:, self.m + j] for name, j in self.own.items()}

    def _gain(self, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Regression of all on what is given, and a root of what it leaves."""
        key = given.tobytes()
        if key not in self.roots:
            cross = self.covariance[:, :, self.m + given]
            among = cross[:, self.m + given]
            size = deviations(among)
            unit = size[:, :, None] * size[:, None, :]
            gain = cross @ (np.linalg.pinv(among / unit, rcond=NOTHING, hermitian=True) / unit)
            left = self.covariance - gain @ np.swapaxes(cross, 1, 2)
            self.roots[key] = gain, normal_root(_without_rounding(left, self.covariance))
        return self.roots[key]


def _without_rounding(left: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Conditional covariances (draw, a, a), 0 for what is known but for rounding."""
    variance = np.diagonal(left, axis1=1, axis2=2)
    gone = variance <= NOTHING * np.diagonal(whole, axis1=1, axis2=2)
    return np.where(gone[:, :, None] | gone[:, None, :], 0.0, left)


def check_slope_predictors(structure: Structure, sample: Sample) -> None:
    """The predictor of a random slope has to be known in the new rows.

    Raises
    ------
    DataError
        Naming it.
    """
    named: Mapping[str, str] = {
        structure.observed[s.column]: structure.variables[s.slope]
        for s in structure.slopes
        if s.column >= 0
    }
    for name, slope in named.items():
        gone = int(np.isnan(sample.values[:, sample.variables.index(name)]).sum())
        if gone:
            raise DataError(
                f"{name!r} has the random slope {slope!r}, and is unknown for {gone} of the new "
                "rows; give its values"
            )
