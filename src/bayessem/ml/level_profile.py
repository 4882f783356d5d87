"""Log-likelihoods of one level of a two-level model, the other one saturated.

A level fits or not whatever the other one does: the moments of one level are given, those of the
other are whatever makes the data most likely (partially saturated models: Ryu & West 2009,
doi:10.1080/10705510903203466). Maxima are looked for over Cholesky factors, in coordinates rounded
by the curvature at the saturated maximum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from bayessem.ml.two_levels import Factors, free_model, standardised
from bayessem.model.data import Sample
from bayessem.model.level_data import level_moments
from bayessem.model.space import Space, build_space
from bayessem.model.structure import Structure
from bayessem.posterior.assemble import likelihood_density
from bayessem.posterior.density import Density
from bayessem.syntax.parameters import ParameterTable

# Log-likelihoods are compared with numbers of the order of 10: this much may be left to gain.
LEFT = 1e-4
# Step of the differences of gradients, in standardised moments.
STEP = 1e-5
# Curvature of a respondent below which a direction is flat.
LEAST = 1e-6
# Pivots of the factors from which a maximum is looked for: at 0 their derivative is 0, too.
LIFT = 0.03


@dataclass(frozen=True)
class LevelProfile:
    """The saturated two-level model of one group, whose levels can be given.

    Attributes
    ----------
    structure, space : Structure, Space
        Of the saturated model.
    factors : Factors
    density : Density
        Of the moments in standard units.
    centre, scale : ndarray (p,)
        What standard units are relative to.
    size : int
        Respondents.
    best : ndarray
        Coordinates of the saturated maximum.
    log_likelihood : float
        There, in standard units.
    curved : Density
        Whose curvature at `best` rounds the coordinates: that of the data which `best` is of.
    roots : dict
        Coordinates rounded by that curvature, by what is free; filled as needed.
    """

    structure: Structure
    space: Space
    factors: Factors
    density: Density
    centre: np.ndarray
    scale: np.ndarray
    size: int
    best: np.ndarray
    log_likelihood: float
    curved: Density
    roots: dict[bytes, np.ndarray]

    def level(self, k: int) -> np.ndarray:
        """Which coordinates are of level k, (coordinates,)."""
        out = np.zeros(self.factors.size, dtype=bool)
        for own in (self.factors.matrix[k], self.factors.mean[k]):
            out[own[own >= 0]] = True
        return out

    def given(self, k: int, covariance: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Moments of level k (p, p), (p,) as values of its coordinates; nan elsewhere."""
        out = np.full(self.factors.size, np.nan)
        free, there = self.factors.matrix[k] >= 0, self.factors.mean[k] >= 0
        unit = covariance / np.outer(self.scale, self.scale)
        out[self.factors.matrix[k][free]] = unit[free]
        # the means of a level are deviations where another level has the variable's mean
        own = (mean - self.centre) / self.scale
        out[self.factors.mean[k][there]] = own[there]
        return out

    def maximum(self, fixed: np.ndarray | None = None, free: np.ndarray | None = None) -> float:
        """Largest log-likelihood, in standard units.

        Parameters
        ----------
        fixed : ndarray (coordinates,), optional
            Moments that are given, nan for those that are not.
        free : ndarray (coordinates,), optional
            Mask of the factors' coordinates that may differ from 0 (from what is given); by default
            all that are not given.
        """
        if fixed is not None and not np.isnan(fixed).any():
            return float(self.density.value_and_gradient(fixed)[0])
        known = np.zeros(self.factors.size, bool) if fixed is None else ~np.isnan(fixed)
        mask = ~known if free is None else free & ~known
        start = np.where(mask, self.best, 0.0)
        root = self._root(mask)

        def loss(z: np.ndarray) -> tuple[float, np.ndarray]:
            x = start.copy()
            x[mask] += root @ z
            moments = self.factors.moments(x)
            if fixed is not None:
                moments[known] = fixed[known]
            value, gradient = self.density.value_and_gradient(moments)
            if not np.isfinite(value):
                return 1e10, np.zeros_like(z)
            return -value, -root.T @ self.factors.pull(x, gradient)[mask]

        options = {"maxiter": 500, "ftol": 1e-14, "gtol": np.sqrt(LEFT / len(start))}
        found = minimize(
            loss, np.zeros(int(mask.sum())), jac=True, method="L-BFGS-B", options=options
        )
        return -float(found.fun)

    def _root(self, mask: np.ndarray) -> np.ndarray:
        """C with C C' about the inverse curvature of the coordinates of a mask at the maximum."""
        key = mask.tobytes()
        if key not in self.roots:
            self.roots[key] = _curvature_root(self.curved, self.factors, self.best, mask)
        return self.roots[key]

    def of(self, values: np.ndarray, sample: Sample) -> LevelProfile:
        """The same for other values (respondent, p) of the sample that it was made of."""
        own = replace(sample, values=(values - self.centre) / self.scale)
        density = likelihood_density(self.structure, self.space, own)
        return replace(self, density=density)


def level_profile(sample: Sample, table: ParameterTable) -> LevelProfile:
    """The saturated model of one group (from `two_levels.one_group`) and its maximum.

    Raises
    ------
    DataError
        As `likelihood_density`.
    """
    unit, scale, _ = standardised(sample, table)
    structure = free_model(table, independent=False)
    covariances, means = level_moments(unit, structure.table)
    space = build_space(
        structure, means=unit.means, sds=unit.sds, covariances=covariances, group_means=means
    )
    density = likelihood_density(structure, space, unit)
    factors = Factors(structure)

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = density.value_and_gradient(factors.moments(x))
        if not np.isfinite(value):
            return 1e10, np.zeros_like(x)
        return -value / unit.size, -factors.pull(x, gradient) / unit.size

    found = minimize(
        loss, factors.start(covariances, means), jac=True, method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-7, "maxcor": 30},
    )  # fmt: skip
    best = found.x
    for matrix in factors.matrix:
        pivots = np.diag(matrix)[np.diag(matrix) >= 0]
        best[pivots] = np.where(np.abs(best[pivots]) < LIFT, LIFT, best[pivots])
    return LevelProfile(
        structure, space, factors, density, sample.means, scale, unit.size, best,
        -float(found.fun) * unit.size, density, {},
    )  # fmt: skip


def _curvature_root(
    density: Density, factors: Factors, best: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """C (free, free); directions without curvature get that of a respondent's `LEAST`."""
    at = np.flatnonzero(mask)
    hessian = np.empty((at.size, at.size))
    for i, k in enumerate(at):
        ends = []
        for step in (STEP, -STEP):
            x = best.copy()
            x[k] += step
            gradient = density.value_and_gradient(factors.moments(x))[1]
            ends.append(factors.pull(x, gradient)[at])
        hessian[i] = (ends[1] - ends[0]) / (2.0 * STEP)
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    return vectors / np.sqrt(np.maximum(values, LEAST * max(values.max(initial=0.0), 1.0)))
