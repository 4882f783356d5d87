"""Covariates far from 0 are centred while the maximum is looked for, and the answer is moved back.

With a covariate a million standard deviations from 0, loading, path and intercepts of the items lie
on a ridge that is bent (`levels.py` straightens it at one point only) and a million times longer
than it is wide: the likelihood has no digits left for its curvature, and standard errors were 2 %
off. Given the covariate, whose moments are not modelled, the model of the centred one is the same
model: only the intercepts are others, and how they follow from the rest is linear in them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayessem.ml.information import moment_derivatives
from bayessem.ml.sample import with_sample
from bayessem.model.conditioning import has_means
from bayessem.model.linear_constraints import constrained_names
from bayessem.model.prepare import Prepared
from bayessem.posterior.assemble import likelihood_density
from bayessem.posterior.density import Density
from bayessem.results.standardize import model_moments

# Means, in standard deviations, from which on covariates are centred; standard errors have six
# digits up to there. And from which on they have not even two.
FAR, LOST = 1e3, 1e5
# Share of the covariates' effect on the means that free intercepts may leave over.
LEFT = 1e-6


@dataclass(frozen=True)
class Centred:
    """A model with centred covariates.

    Attributes
    ----------
    prepared : Prepared
        The model with the centred data.
    original : Prepared
        As it was.
    """

    prepared: Prepared
    original: Prepared

    def back(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Estimates (D,) of the centred model as those of the original, with their derivatives.

        Returns
        -------
        x : ndarray (D,)
            With the intercepts of somebody with 0.
        derivatives : ndarray (D, D)
            Of these by the estimates of the centred model.
        left : float
            Share of the difference of implied means that intercepts could not make up.
        """
        density, other = (
            likelihood_density(p.structure, p.space, p.sample)
            for p in (self.original, self.prepared)
        )
        level = self._levels()
        here, at_here = self._means(density, x)
        there, at_there = self._means(other, x)
        # what is 0 in one direction of means that differ by a million is rounding in another
        pinv = np.linalg.pinv(at_here[:, level], rcond=1e-10)
        moved = x.copy()
        moved[level] += pinv @ (there - here)
        rest = self._means(density, moved)[0] - there
        derivatives = np.eye(len(x))
        derivatives[level] += pinv @ (at_there - self._means(density, moved)[1])
        left = np.linalg.norm(rest) / max(float(np.linalg.norm(there - here)), 1e-300)
        return moved, derivatives, float(left)

    def _levels(self) -> list[int]:
        """Intercepts and means that nothing else holds."""
        table, structure = self.original.table, self.original.structure
        held = constrained_names(table)
        free: dict[int, bool] = {}
        for k, place in structure.places.items():
            row = table.rows[k]
            if row.free >= 0:
                loose = np.isinf(row.lower) and np.isinf(row.upper)
                level = place.matrix in ("intercepts", "means")
                free[row.free] = free.get(row.free, True) and bool(loose) and level
        return [i for i, own in free.items() if own and table.parameters[i] not in held]

    def _means(self, density: Density, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Implied means less the covariates' own, and derivatives, (group p,), (group p, D).

        In standard deviations of the observed variables.
        """
        structure, sample = self.original.structure, self.original.sample
        modelled = [i for i, v in enumerate(sample.variables) if v not in structure.table.exogenous]
        values, slopes = [], []
        elements = density.elements(x)
        for g in range(len(sample.groups)):
            mean = model_moments(structure, elements, group=g).observed_mean
            parameter, _, _, change, _ = moment_derivatives(structure, density, x, group=g)
            by = np.zeros((len(x), len(mean)))
            np.add.at(by, parameter, change)
            sds = sample.sds[modelled]
            values.append(mean[modelled] / sds)
            slopes.append((by[:, modelled] / sds).T)
        return np.concatenate(values), np.concatenate(slopes)


def far_covariates(prepared: Prepared, far: float = FAR) -> list[str]:
    """Covariates that the model conditions on whose means are so many sds from 0."""
    sample = prepared.sample
    return [
        name
        for name, mean, sd in zip(sample.variables, sample.means, sample.sds, strict=True)
        if name in prepared.table.exogenous and abs(mean) > far * sd
    ]


def centred(prepared: Prepared, start: np.ndarray) -> Centred | None:
    """The model with covariates centred that are far from 0; None where that is another model.

    It is when intercepts that would have to change are fixed, bounded, equal to others, or absent.

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    start : ndarray (D,)
        Parameters with which it is tried.
    """
    far = far_covariates(prepared)
    if not far or prepared.structure.products or not has_means(prepared.table):
        return None
    sample = prepared.sample
    shift = np.where([name in far for name in sample.variables], sample.means, 0.0)
    found = Centred(with_sample(prepared, replace(sample, values=sample.values - shift)), prepared)
    generic = start + 0.1 * np.abs(start)  # paths begin at 0, where nothing depends on anything
    paths = {r.free for r in prepared.table.rows if r.op == "~" and r.free >= 0}
    generic[list(paths)] += 0.1
    return found if found.back(generic)[2] < LEFT else None
