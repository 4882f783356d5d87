"""Bayesian fit indices of two-level models: of the whole model, and of each level by itself.

D of the whole is twice the distance of a draw's log-likelihood from that of the saturated model. D
of a level keeps the draw's moments of that level and saturates the other one (partially saturated
models: Ryu & West 2009, doi:10.1080/10705510903203466), so that a level with many units does not
outvote the other. Indices are those of Garnier-Villarreal & Jorgensen (2020,
doi:10.1037/met0000224), of level 2 with the number of clusters for N. Posterior predictive p-values
compare D with that of data replicated at the same draws, the same clusters and covariates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayessem.criticism.discrepancy import Counts, stored_log_likelihood
from bayessem.criticism.replicate import replicate
from bayessem.errors import NotSupported
from bayessem.ml.level_profile import LevelProfile, level_profile
from bayessem.ml.two_levels import covariates_log_likelihood, one_group, saturate_levels
from bayessem.model.prepare import Prepared
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import model_moments

# Draws that the levels' indices and the posterior predictive p-values rest on.
DRAWS, REPLICAS = 200, 200
WHOLE = "both levels"
LEVELS = ("within", "between")


@dataclass(frozen=True)
class LevelDiscrepancy:
    """D of the whole model or of a level.

    Attributes
    ----------
    data : ndarray (draw,)
        D of the data.
    p_d : float
        Mean of D less D at the posterior means of the moments.
    baseline : ndarray (draw,)
        D of the baseline model: no covariances at the level (or at both).
    p_d_baseline : float
    counts : Counts
    replicated, compared : ndarray (replica,)
        D of replicated data and of the data at the same draws.
    """

    data: np.ndarray
    p_d: float
    baseline: np.ndarray
    p_d_baseline: float
    counts: Counts
    replicated: np.ndarray
    compared: np.ndarray

    @property
    def ppp(self) -> float:
        """Posterior predictive p-value."""
        return float(np.mean(self.replicated > self.compared))


def refuse_slopes(prepared: Prepared, what: str) -> None:
    """There is no saturated model where covariances of level 1 differ between respondents."""
    if prepared.table.slopes:
        raise NotSupported(
            f"{what} compares with a saturated model, which models with random slopes "
            f"({', '.join(prepared.table.slopes)}) do not have: their covariances at level 1 "
            "differ between respondents. predictive_check looks at each level by itself, and "
            "compare() says by LOO what a slope adds"
        )


def level_discrepancies(
    fit: Fitted, *, times: int | None, generator: np.random.Generator
) -> dict[str, LevelDiscrepancy]:
    """D of both levels together, of level 1 and of level 2.

    Parameters
    ----------
    fit : Fitted
        Of a two-level model without random slopes.
    times : int or None
        Replicated data sets; by default `REPLICAS`.
    generator : Generator

    Raises
    ------
    DataError
        For variables that determine each other within clusters.
    """
    prepared = fit.prepared
    saturate_levels(prepared)  # says so where there is no saturated model
    clusters = prepared.sample.clusters
    assert clusters is not None
    profiles = [
        level_profile(one_group(prepared.sample, g), prepared.table)
        for g in range(len(clusters.groups))
    ]
    elements = _chosen(fit, DRAWS)
    wanted = REPLICAS if times is None else times
    few = np.linspace(0, len(elements) - 1, min(wanted, len(elements))).round().astype(int)
    given = _given(prepared, profiles, elements)
    mean = _mean(prepared, profiles, fit)
    replicated = _replicated(prepared, profiles, elements[few], [g[few] for g in given], generator)
    whole = _whole(fit, profiles)
    out = {}
    for name, k in ((WHOLE, None), *((x, i) for i, x in enumerate(LEVELS))):
        data = _over_groups(profiles, given, k)
        base, count = _baseline(prepared, profiles, k)
        out[name] = LevelDiscrepancy(
            data if k is not None else whole,
            float(np.mean(data)) - float(_over_groups(profiles, mean, k)[0]),
            base + generator.chisquare(count, size=len(data if k is not None else whole)),
            float(count),
            _counts(prepared, profiles, k),
            replicated[:, 0 if k is None else 1 + k],
            data[few],
        )
    return out


def _chosen(fit: Fitted, count: int) -> np.ndarray:
    """Evenly spaced draws of the flat model matrices."""
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    at = np.unique(np.linspace(0, len(flat) - 1, min(count, len(flat))).round().astype(int))
    return flat[at]


def _moments(
    prepared: Prepared, elements: np.ndarray, group: int
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Implied covariances (draw, p, p) and means (draw, p) of both levels of a group."""
    found = [model_moments(prepared.structure, elements, group=2 * group + k) for k in range(2)]
    return tuple((m.observed_covariance, m.observed_mean) for m in found)


def _given(
    prepared: Prepared, profiles: list[LevelProfile], elements: np.ndarray
) -> list[np.ndarray]:
    """Moments of all draws as coordinates of the saturated model, (draw, coordinates) by group."""
    out = []
    for g, profile in enumerate(profiles):
        (w, mw), (b, mb) = _moments(prepared, elements, g)
        rows = []
        for d in range(len(elements)):
            # the means of level 2 are those of the variables
            inner, outer = profile.given(0, w[d], mw[d]), profile.given(1, b[d], mw[d] + mb[d])
            rows.append(np.where(np.isnan(inner), outer, inner))
        out.append(np.array(rows))
    return out


def _mean(prepared: Prepared, profiles: list[LevelProfile], fit: Fitted) -> list[np.ndarray]:
    """The posterior means of the moments, as one draw."""
    return [rows.mean(axis=0)[None] for rows in _given(prepared, profiles, _chosen(fit, DRAWS))]


def _fixed(profile: LevelProfile, row: np.ndarray, level: int | None) -> np.ndarray:
    """What of a draw's moments is given."""
    return row if level is None else np.where(profile.level(level), row, np.nan)


def _over_groups(
    profiles: list[LevelProfile], given: list[np.ndarray], level: int | None
) -> np.ndarray:
    """D of the data at draws, (draw,)."""
    total = np.zeros(len(given[0]))
    for profile, rows in zip(profiles, given, strict=True):
        best = max(profile.maximum(), profile.log_likelihood)
        values = np.array([profile.maximum(_fixed(profile, row, level)) for row in rows])
        total += 2.0 * (best - values)
    return total


def _whole(fit: Fitted, profiles: list[LevelProfile]) -> np.ndarray:
    """D of the data at every stored draw, (draws,)."""
    prepared = fit.prepared
    found = saturate_levels(prepared)
    best = sum(s.log_likelihood for s in found)
    best -= covariates_log_likelihood(prepared.sample, prepared.table)
    values = stored_log_likelihood(fit.draws).values
    return 2.0 * (best - values.sum(axis=-1)).ravel()


def _covariate_pairs(profile: LevelProfile, exogenous: set[str], level: int) -> np.ndarray:
    """Coordinates of the covariates' moments at a level, a mask."""
    own = np.array([name in exogenous for name in profile.structure.observed])
    out = np.zeros(profile.factors.size, dtype=bool)
    both = profile.factors.matrix[level][np.outer(own, own)]
    out[both[both >= 0]] = True
    alone = profile.factors.mean[level][own]
    out[alone[alone >= 0]] = True
    return out


def _baseline(
    prepared: Prepared, profiles: list[LevelProfile], level: int | None
) -> tuple[float, int]:
    """D of the baseline model at its maximum, and its parameters at the level."""
    total, count = 0.0, 0
    exogenous = set(prepared.table.exogenous)
    for profile in profiles:
        free = np.ones(profile.factors.size, dtype=bool)
        for k in range(2) if level is None else (level,):
            matrix = profile.factors.matrix[k]
            given = _covariate_pairs(profile, exogenous, k)
            low = matrix[np.tril_indices(len(matrix), -1)]
            low = low[low >= 0]
            free[low[~given[low]]] = False
            own = profile.level(k) & free & ~given
            count += int(own.sum())
        best = max(profile.maximum(), profile.log_likelihood)
        total += 2.0 * (best - profile.maximum(free=free))
    return total, count


def _counts(prepared: Prepared, profiles: list[LevelProfile], level: int | None) -> Counts:
    """Moments, modelled variables and units of a level, or of both."""
    sample, table = prepared.sample, prepared.table
    clusters = sample.clusters
    assert clusters is not None
    exogenous = set(table.exogenous)
    moments = 0
    for profile in profiles:
        for k in range(2) if level is None else (level,):
            moments += int((profile.level(k) & ~_covariate_pairs(profile, exogenous, k)).sum())
    names = set().union(
        *(table.level_variables[k] for k in ((0, 1) if level is None else (level,)))
    )
    units = len(clusters.labels) if level == 1 else sample.size
    return Counts(moments, len(names - exogenous), units, len(clusters.groups))


def _replicated(
    prepared: Prepared,
    profiles: list[LevelProfile],
    elements: np.ndarray,
    given: list[np.ndarray],
    generator: np.random.Generator,
) -> np.ndarray:
    """D of replicated data: of both levels, level 1, level 2, (replica, 3)."""
    out = np.zeros((len(elements), 3))
    for d, one in enumerate(elements):
        drawn = replicate(prepared, one[None], random_seed=generator)[0]
        whole = replace(prepared.sample, values=drawn)
        for g, profile in enumerate(profiles):
            own = one_group(whole, g)
            again = profile.of(own.values, own)
            best = again.maximum()
            for c, level in enumerate((None, 0, 1)):
                fixed = _fixed(profile, given[g][d], level)
                out[d, c] += 2.0 * (best - again.maximum(fixed))
    return out
