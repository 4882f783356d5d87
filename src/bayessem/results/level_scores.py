"""Factor scores of two-level models: constructs of respondents and of clusters, random slopes.

Given the parameters all is normal: effects of a cluster given its data (cluster_effects.py),
constructs of the cluster given its effects and variables, constructs of a respondent given the
effects and the respondent's residuals. Means and variances are those of the mixture over draws.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from bayessem.arguments import whole_number
from bayessem.errors import FitError
from bayessem.model.structure import Structure
from bayessem.results.cluster_effects import (
    ClusterEffects,
    LevelMoments,
    cluster_effects,
    effect_columns,
    group_moments,
)
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import model_moments

# Eigenvalues of a correlation matrix below this share of the largest are 0.
NOTHING = 1e-10


def level_scores(fit: Fitted, *, draws: int) -> pd.DataFrame:
    """Posterior mean and standard deviation of the constructs and slopes of both levels.

    Parameters
    ----------
    fit : Fitted
        Of a two-level model.
    draws : int
        Draws of the parameters, evenly spaced over those of the fit.

    Returns
    -------
    DataFrame
        A row a respondent; constructs of clusters and random slopes have the value of the
        respondent's cluster. A construct of both levels is "NAME (within)" and "NAME (between)".
    """
    structure, sample = fit.prepared.structure, fit.prepared.sample
    clusters = sample.clusters
    assert clusters is not None
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    draws = min(whole_number("draws", draws, FitError), len(flat))
    elements = flat[np.unique(np.linspace(0, len(flat) - 1, draws).round().astype(int))]
    names = level_names(structure)
    out = np.full((sample.size, 2 * len(names)), np.nan)
    for g in range(len(clusters.groups)):
        for who, level, mean, variance in _moments(structure, fit, elements, g):
            for k, (_, own, j) in enumerate(names):
                if own == level:
                    out[who, 2 * k] = mean[..., j].mean(axis=0)
                    spread = variance[..., j].mean(axis=0) + mean[..., j].var(axis=0)
                    out[who, 2 * k + 1] = np.sqrt(np.maximum(spread, 0.0))
    columns = [x for name, _, _ in names for x in (name, f"{name}_sd")]
    return pd.DataFrame(out, index=sample.rows, columns=columns)


def level_names(structure: Structure) -> list[tuple[str, int, int]]:
    """Name, level (0 within, 1 between) and variable of all that has scores."""
    table = structure.table
    measured = [
        [n for n in table.constructs
         if any(r.op == "=~" and r.lhs == n and r.group == k for r in table.rows)]
        for k in range(2)
    ]  # fmt: skip
    measured[1] += [name for name in table.slopes if name not in measured[1]]
    both = set(measured[0]) & set(measured[1])
    return [
        (
            f"{name} ({('within', 'between')[k]})" if name in both else name,
            k,
            structure.variables.index(name),
        )
        for k in range(2)
        for name in measured[k]
    ]


def _moments(
    structure: Structure, fit: Fitted, elements: np.ndarray, group: int
) -> Iterator[tuple[np.ndarray, int, np.ndarray, np.ndarray]]:
    """Of each cluster: respondents, level, means and variances (draw, n, m) given the data."""
    level = group_moments(structure, elements, group)
    inner = _Inner(structure, elements, group)
    outer = _Outer(structure, elements, group, level, fit)
    for found in cluster_effects(structure, fit.prepared.sample, level, group):
        yield (found.who, 0, *inner.given(found))
        mean, variance = outer.given(found)
        yield found.who, 1, mean[:, None], variance[:, None]


class _Inner:
    """Latent variables of level 1 given the effects."""

    def __init__(self, structure: Structure, elements: np.ndarray, group: int) -> None:
        matrices = structure.matrices(elements, 2 * group)
        moments = model_moments(structure, elements, group=2 * group)
        at = [structure.observed.index(x) for x in structure.table.level_variables[0]]
        total = np.linalg.inv(np.eye(len(structure.variables)) - matrices["paths"])
        self.mean = moments.latent_mean
        self.variance = np.diagonal(moments.latent_covariance, axis1=1, axis2=2)
        self.cross = moments.latent_covariance @ np.swapaxes(matrices["loadings"][:, at], 1, 2)
        m, q = total.shape[1], len(structure.table.split)
        slopes = [s.outcome for s in structure.slopes]
        self.direct = np.concatenate([np.zeros((len(total), m, q)), total[:, :, slopes]], axis=2)

    def given(self, found: ClusterEffects) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances, (draw, n, m)."""
        shape = (len(self.mean), len(found.who), self.mean.shape[1])
        mean, variance = np.empty(shape), np.empty(shape)
        for kind in found.kinds:
            gain = self.cross @ kind.inverse
            left = self.variance - np.sum(gain * self.cross, axis=2)
            for i in np.flatnonzero(kind.members):
                by_effect = (self.direct - self.cross @ kind.part) * found.design[i]
                mean[:, i] = self.mean + np.einsum("dmy,dy->dm", self.cross, found.weighted[:, i])
                mean[:, i] += np.einsum("dmq,dq->dm", by_effect, found.mean)
                spread = np.sum((by_effect @ found.covariance) * by_effect, axis=2)
                variance[:, i] = left + spread
        return mean, variance


class _Outer:
    """Latent variables of level 2 given the effects and the cluster's own variables."""

    def __init__(
        self,
        structure: Structure,
        elements: np.ndarray,
        group: int,
        level: LevelMoments,
        fit: Fitted,
    ) -> None:
        self.structure, self.level, self.sample = structure, level, fit.prepared.sample
        self.moments = model_moments(structure, elements, group=2 * group + 1)
        loadings = structure.matrices(elements, 2 * group + 1)["loadings"]
        slopes = [s.slope for s in structure.slopes]
        covariance = self.moments.latent_covariance
        self.cross = np.concatenate(
            [covariance @ np.swapaxes(loadings, 1, 2), covariance[:, :, slopes]], axis=2
        )
        names = structure.table.between_only
        self.own = np.array([structure.observed.index(name) for name in names], dtype=int)
        self.gains: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def given(self, found: ClusterEffects) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances, (draw, m)."""
        columns = effect_columns(self.structure)
        q = len(columns)
        values = self.sample.values[found.who[0], self.own]
        known = ~np.isnan(values)
        gain, left = self._gain(np.array([*columns, *self.own[known]], dtype=int), known)
        split = len(self.structure.table.split)
        prior = np.zeros_like(found.mean)
        prior[:, split:] = self.level.between_mean[:, columns[split:]]
        dz = values[known] - self.level.between_mean[:, self.own[known]]
        away = np.concatenate([found.mean - prior, dz], axis=1)
        mean = self.moments.latent_mean + np.einsum("dmf,df->dm", gain, away)
        by_effect = gain[:, :, :q]
        return mean, left + np.sum((by_effect @ found.covariance) * by_effect, axis=2)

    def _gain(self, columns: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Regression on effects and known variables (draw, m, f), and what it leaves (draw, m)."""
        key = known.tobytes()
        if key not in self.gains:
            covariance = self.level.between[:, columns][:, :, columns]
            size = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
            size = np.where(size > 0, size, 1.0)
            unit = size[:, :, None] * size[:, None, :]
            inverse = np.linalg.pinv(covariance / unit, rcond=NOTHING, hermitian=True) / unit
            cross = self.cross[:, :, columns]
            gain = cross @ inverse
            variance = np.diagonal(self.moments.latent_covariance, axis1=1, axis2=2)
            self.gains[key] = gain, variance - np.sum(gain * cross, axis=2)
        return self.gains[key]
