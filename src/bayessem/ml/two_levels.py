"""Two-level models by maximum likelihood: both ends of the comparison, information, fit measures.

The saturated model has every covariance free at both levels, the baseline none but those of
covariates. Neither has a closed form: they are maximised over Cholesky factors, so that their
covariance matrices stay proper, as those of lavaan's EM do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from bayessem.errors import DataError
from bayessem.ml.fit_measures import Ends, chi_square_measures, information_criteria
from bayessem.ml.information import moment_derivatives
from bayessem.model.data import Sample
from bayessem.model.level_data import dependent_within, level_moments
from bayessem.model.prepare import Prepared
from bayessem.model.saturated import LOG_2PI, Saturated
from bayessem.model.space import build_space
from bayessem.model.structure import Structure, build_structure
from bayessem.posterior.assemble import likelihood_density
from bayessem.posterior.density import Density
from bayessem.results.standardize import model_moments
from bayessem.syntax.parameters import ParameterTable
from bayessem.syntax.statements import Statement
from bayessem.syntax.table import build_table

# Largest derivative of the log-likelihood a respondent, by standardised moments, at a maximum.
FLAT = 1e-6


@dataclass(frozen=True)
class Unrestricted:
    """Moments of one group with nothing (or only independence) assumed.

    Attributes
    ----------
    within, between : ndarray (p, p)
        Covariances, 0 where a variable is not at the level.
    mean : ndarray (p,)
        Sum of both levels.
    log_likelihood : float
    parameters : int
        Free parameters.
    converged : bool
    """

    within: np.ndarray
    between: np.ndarray
    mean: np.ndarray
    log_likelihood: float
    parameters: int
    converged: bool


def one_group(sample: Sample, group: int) -> Sample:
    """The respondents of one group, as a sample of its own."""
    members = sample.group == 2 * group
    clusters = sample.clusters
    assert clusters is not None
    return replace(
        sample,
        groups=("within", "between"),
        values=sample.values[members],
        group=np.zeros(int(members.sum()), dtype=np.int64),
        rows=sample.rows[members],
        clusters=replace(clusters.kept(members), groups=("",)),
    )


def standardised(sample: Sample, table: ParameterTable) -> tuple[Sample, np.ndarray, float]:
    """The sample in standard units, its scale (p,), and what that adds to a log-likelihood."""
    assert sample.clusters is not None
    scale = sample.sds
    at = {name: i for i, name in enumerate(sample.variables)}
    known = ~np.isnan(sample.values)
    counts = known.sum(axis=0)
    first = sample.clusters.first()
    for name in table.between_only:
        counts[at[name]] = known[first, at[name]].sum()
    values = (sample.values - sample.means) / scale
    return replace(sample, values=values), scale, -float(counts @ np.log(scale))


def free_model(table: ParameterTable, *, independent: bool) -> Structure:
    """Every variance and covariance free at both levels, or only those of covariates."""
    statements = []
    for level, names in enumerate(table.level_variables, start=1):
        for i, one in enumerate(names):
            for other in names[: i + 1]:
                given = one in table.exogenous and other in table.exogenous
                if one == other or given or not independent:
                    statements.append(Statement(other, "~~", one, level=level))
    structure = build_structure(build_table(statements))
    assert structure.observed == table.observed
    return structure


def unrestricted(sample: Sample, table: ParameterTable, *, independent: bool) -> Unrestricted:
    """The saturated or the baseline model of one group.

    Parameters
    ----------
    sample : Sample
        From `one_group`.
    table : ParameterTable
        The model, for its levels and covariates.
    independent : bool
        The baseline model: no covariances but those of covariates.
    """
    unit, scale, log_scale = standardised(sample, table)
    structure = free_model(table, independent=independent)
    covariances, means = level_moments(unit, structure.table)
    space = build_space(
        structure,
        means=unit.means,
        sds=unit.sds,
        covariances=covariances,
        group_means=means,
    )
    density = likelihood_density(structure, space, unit)
    factors = Factors(structure)
    x, converged = _climb(density, factors, factors.start(covariances, means), unit.size)
    elements = density.elements(x)
    inner, outer = (structure.matrices(elements, g) for g in range(2))
    return Unrestricted(
        inner["residuals"] * np.outer(scale, scale),
        outer["residuals"] * np.outer(scale, scale),
        (inner["intercepts"] + outer["intercepts"]) * scale + sample.means,
        float(density.value_and_gradient(x)[0]) + log_scale,
        len(structure.table.parameters),
        converged,
    )


class Factors:
    """Coordinates of free covariance matrices: Cholesky factors of both levels, and means."""

    def __init__(self, structure: Structure) -> None:
        table = structure.table
        p = len(structure.observed)
        self.size = len(table.parameters)
        self.matrix = np.full((2, p, p), -1)
        self.mean = np.full((2, p), -1)
        for k, place in structure.places.items():
            free = table.rows[k].free
            if free >= 0 and place.matrix == "residuals":
                i, j = max(place.i, place.j), min(place.i, place.j)
                self.matrix[place.group, i, j] = free
            elif free >= 0:
                self.mean[place.group, place.i] = free

    def start(self, covariances: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Coordinates of rough moments by block."""
        out = np.zeros(self.size)
        for g in range(2):
            free = self.matrix[g] >= 0
            own = np.flatnonzero(np.diag(free))
            pattern = free | free.T
            covariance = np.where(pattern, covariances[g], 0.0)[np.ix_(own, own)]
            root = np.zeros_like(covariances[g])
            root[np.ix_(own, own)] = np.linalg.cholesky(covariance)
            out[self.matrix[g][free]] = root[free]
            there = self.mean[g] >= 0
            out[self.mean[g][there]] = means[g][there]
        return out

    def roots(self, x: np.ndarray) -> np.ndarray:
        """The two factors, (2, p, p)."""
        return np.where(self.matrix >= 0, x[self.matrix], 0.0)

    def moments(self, x: np.ndarray) -> np.ndarray:
        """Free parameters of the model: covariances and means."""
        out = x.copy()
        roots = self.roots(x)
        covariances = roots @ np.swapaxes(roots, 1, 2)
        free = self.matrix >= 0
        out[self.matrix[free]] = covariances[free]
        return out

    def pull(self, x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Derivatives by the coordinates from those by covariances and means."""
        out = gradient.copy()
        free = self.matrix >= 0
        half = np.where(free, gradient[self.matrix], 0.0)
        # a covariance's derivative is by both of its places
        full = 0.5 * (half + np.swapaxes(half, 1, 2))
        by_root = 2.0 * full @ self.roots(x)
        out[self.matrix[free]] = by_root[free]
        return out


def _climb(
    density: Density, factors: Factors, start: np.ndarray, size: int
) -> tuple[np.ndarray, bool]:
    """The moments at the maximum, and whether it is one."""

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = density.value_and_gradient(factors.moments(x))
        if not np.isfinite(value):
            return 1e10, np.zeros_like(x)
        return -value / size, -factors.pull(x, gradient) / size

    options = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-15, "gtol": 0.1 * FLAT, "maxcor": 30}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return factors.moments(found.x), bool(np.abs(loss(found.x)[1]).max() < FLAT)


def saturate_levels(prepared: Prepared) -> tuple[Saturated, ...]:
    """Unrestricted moments of each block; the log-likelihood of a group is that of its level 1.

    Raises
    ------
    DataError
        For variables that determine each other within clusters.
    """
    sample, table = prepared.sample, prepared.table
    assert sample.clusters is not None
    involved = dependent_within(sample, table)
    if involved:
        raise DataError(
            f"{', '.join(involved)} determine each other within clusters; leave one of them out"
        )
    out: list[Saturated] = []
    for g in range(len(sample.clusters.groups)):
        own = one_group(sample, g)
        found = unrestricted(own, table, independent=False)
        clusters = own.clusters
        assert clusters is not None
        mean = np.zeros_like(found.mean)
        inner = np.array([name not in table.level_variables[1] for name in table.observed])
        mean[inner] = found.mean[inner]
        out += [
            Saturated(mean, found.within, own.size, found.log_likelihood, 0, found.converged),
            Saturated(
                found.mean - mean, found.between, len(clusters.labels), 0.0, 0, found.converged
            ),
        ]
    return tuple(out)


def _normal_at_maximum(values: np.ndarray) -> float:
    """Log-likelihood of complete normal rows at their own moments."""
    n, k = values.shape
    if not k:
        return 0.0
    centred = values - values.mean(axis=0)
    logdet = float(np.linalg.slogdet(centred.T @ centred / n)[1])
    return -0.5 * n * (k * LOG_2PI + logdet + k)


def covariates_log_likelihood(sample: Sample, table: ParameterTable) -> float:
    """Log-likelihood of what a model conditions on, respondents' and clusters', in all groups."""
    clusters = sample.clusters
    assert clusters is not None
    total = 0.0
    first = clusters.first()
    inner, outer = (
        [sample.variables.index(n) for n in names if n in table.exogenous]
        for names in table.level_variables
    )
    for g in range(len(clusters.groups)):
        total += _normal_at_maximum(sample.values[np.ix_(sample.group == 2 * g, inner)])
        own = first[sample.group[first] == 2 * g]
        total += _normal_at_maximum(sample.values[np.ix_(own, outer)])
    return total


def level_measures(
    prepared: Prepared,
    log_likelihood: float,
    npar: int,
    elements: np.ndarray,
    saturated: Sequence[Saturated],
) -> dict[str, float]:
    """Log-likelihood, criteria, chi-square and fit indices; SRMR by level.

    Parameters
    ----------
    prepared : Prepared
        The model with its data.
    log_likelihood : float
        With that of the covariates.
    npar : int
        Free parameters less equalities.
    elements : ndarray (elements,)
        Flat model matrices at the maximum.
    saturated : sequence of Saturated
        By block.
    """
    sample, table = prepared.sample, prepared.table
    clusters = sample.clusters
    assert clusters is not None
    groups = len(clusters.groups)
    given = covariates_log_likelihood(sample, table)
    if table.slopes:  # the covariances of level 1 differ between respondents
        criteria = information_criteria(log_likelihood - given, npar, sample.size)
        return {**criteria, "nclusters": float(len(clusters.labels))}
    baselines = [unrestricted(one_group(sample, g), table, independent=True) for g in range(groups)]
    counts = [len(free_model(table, independent=x).table.parameters) for x in (False, True)]
    conditioned = _covariate_moments(table)
    ends = Ends(
        sum(s.log_likelihood for s in saturated) - given,
        sum(b.log_likelihood for b in baselines) - given,
        *(groups * (count - conditioned) for count in counts),
    )
    logl = log_likelihood - given
    return {
        **information_criteria(logl, npar, sample.size),
        **chi_square_measures(logl, npar, ends, size=sample.size, groups=groups),
        **_residuals(prepared, elements, saturated),
        "nclusters": float(len(clusters.labels)),
    }


def _covariate_moments(table: ParameterTable) -> int:
    """Means and (co)variances of what is conditioned on."""
    total = 0
    for names in table.level_variables:
        k = sum(name in table.exogenous for name in names)
        total += k * (k + 1) // 2 + k
    return total


def _residuals(
    prepared: Prepared, elements: np.ndarray, saturated: Sequence[Saturated]
) -> dict[str, float]:
    """SRMR within, between, and their sum, as lavaan has them for two levels.

    Root mean squares of the differences of correlations (Bollen 1989), over all variances and
    covariances of a level; groups are weighted by their size.
    """
    structure, table = prepared.structure, prepared.table
    parts: list[list[float]] = [[], []]
    for block, sample in enumerate(saturated):
        own = [table.observed.index(name) for name in table.level_variables[block % 2]]
        implied = model_moments(structure, elements, group=block).observed_covariance
        of_sample, of_model = (
            _correlation(s[np.ix_(own, own)]) for s in (sample.covariance, implied)
        )
        residual = (of_sample - of_model)[np.tril_indices(len(own))]
        parts[block % 2].append(float(np.sqrt(np.nanmean(residual**2))))
    weights = np.array([s.count for s in saturated[::2]], dtype=float)
    within, between = (float(weights @ np.array(v) / weights.sum()) for v in parts)
    return {"srmr": within + between, "srmr_within": within, "srmr_between": between}


def _correlation(covariance: np.ndarray) -> np.ndarray:
    """Correlations; nan for what has no variance."""
    variance = np.diag(covariance)
    sd = np.sqrt(np.where(variance > 0, variance, np.nan))
    return covariance / np.outer(sd, sd)


def level_information(
    structure: Structure,
    density: Density,
    x: np.ndarray,
    sample: Sample,
    *,
    turn: np.ndarray | None = None,
) -> np.ndarray:
    """Expected information of a two-level model with complete data, (D, D).

    Deviations from cluster means have the covariance W, the means of a cluster of n, times sqrt(n),
    and its own variables that of one normal vector. With missing values it is a bound.

    turn : ndarray (D, D), optional
        From `levels.level_turn`: the information is along its columns.
    """
    clusters = sample.clusters
    assert clusters is not None
    table = structure.table
    at = {name: i for i, name in enumerate(structure.observed)}
    inner = [at[n] for n in table.level_variables[0]]
    alone = [at[n] for n in table.between_only]
    total = np.zeros((len(x), len(x)))
    sizes = clusters.sizes
    first_group = sample.group[clusters.first()] // 2
    for g in range(len(clusters.groups)):
        (w, dw, dmw), (b, db, dmb) = (_dense(structure, density, x, 2 * g + k) for k in range(2))
        if turn is not None:  # all together, since what a slope moves is taken back by intercepts
            dw, db, dmw, dmb = (np.tensordot(turn.T, d, axes=1) for d in (dw, db, dmw, dmb))
        own = sizes[first_group == g]
        part = np.linalg.solve(w[np.ix_(inner, inner)], dw[:, inner][:, :, inner])
        total += 0.5 * (own.sum() - len(own)) * np.einsum("aij,bji->ab", part, part)
        for n, count in zip(*np.unique(own, return_counts=True), strict=True):
            root = np.concatenate([np.full(len(inner), math.sqrt(n)), np.ones(len(alone))])
            pick = [*inner, *alone]
            scale = np.outer(root, root)
            y = len(inner)
            v, dv = b[np.ix_(pick, pick)] * scale, db[:, pick][:, :, pick] * scale
            v[:y, :y] += w[np.ix_(inner, inner)]
            dv[:, :y, :y] += dw[:, inner][:, :, inner]
            dm = dmb[:, pick] * root
            dm[:, :y] += dmw[:, inner] * root[:y]
            part = np.linalg.solve(v, dv)
            total += count * 0.5 * np.einsum("aij,bji->ab", part, part)
            total += count * dm @ np.linalg.solve(v, dm.T)
    return total


def _dense(
    structure: Structure, density: Density, x: np.ndarray, block: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariance of a block (p, p) and the derivatives of it and of the mean, by parameter."""
    try:
        parameter, left, right, mean, covariance = moment_derivatives(
            structure, density, x, group=block
        )
    except ValueError:  # nothing is free in this block
        moments = model_moments(structure, density.elements(x), group=block)
        p = len(structure.observed)
        none = np.zeros((len(x), p))
        return moments.observed_covariance, np.zeros((len(x), p, p)), none
    p = len(covariance)
    change, centre = np.zeros((len(x), p, p)), np.zeros((len(x), p))
    outer = left[:, :, None] * right[:, None, :]
    np.add.at(change, parameter, outer + np.swapaxes(outer, 1, 2))
    np.add.at(centre, parameter, mean)
    return covariance, change, centre
