"""Directions in which slopes move about the means of what they are slopes of.

Of `y ~ x` with x a thousand standard deviations from 0, intercept and slope are known to a
thousandth of what is known of y's mean: along their own axes the likelihood is a ridge, and no
second difference finds its curvature. Moved together, the slope about the mean of x, they are as
separate as with x about 0. The estimates are the same; what is found no longer depends on where the
variables have their 0.
"""

from __future__ import annotations

import numpy as np

from bayessem.ml.information import moment_derivatives
from bayessem.model.structure import Structure
from bayessem.posterior.density import Density
from bayessem.results.standardize import Moments, model_moments

# Means, in standard deviations, from which on it makes a difference.
FAR = 3.0


def level_turn(structure: Structure, density: Density, x: np.ndarray) -> np.ndarray | None:
    """Matrix (D, D) of such directions at a point, one a parameter; None where the axes will do.

    Its column of a slope has 1 for the slope and, for intercepts and means, what keeps the implied
    means of the observed variables where they are. Where intercepts are equal across groups and
    slopes are not, nothing does.

    Parameters
    ----------
    structure, density : Structure, Density
        The model and its likelihood.
    x : ndarray (D,)
        The free parameters.
    """
    elements = density.elements(x)
    rows = structure.table.rows
    groups: list[set[int]] = [set() for _ in x]
    level = np.zeros(len(x), dtype=bool)
    for k, place in structure.places.items():
        if rows[k].free >= 0:
            groups[rows[k].free].add(place.group // structure.table.levels)
            level[rows[k].free] |= place.matrix in ("intercepts", "means")
    if not level.any() or structure.composites:  # whose elements hold several parameters
        return None
    turn = np.eye(len(x))
    for g in range(len(structure.table.groups) // structure.table.levels):
        # the mean that a slope at level 1 moves is, in a two-level model, at level 2
        blocks = range(structure.table.levels * g, structure.table.levels * (g + 1))
        moments = [model_moments(structure, elements, group=b) for b in blocks]
        if not any(_far(m) for m in moments):
            continue
        derivatives = [moment_derivatives(structure, density, x, group=b) for b in blocks]
        parameter = np.concatenate([d[0] for d in derivatives])
        mean = np.concatenate([d[3] for d in derivatives])
        own, position = np.unique(parameter, return_inverse=True)
        by_parameter = np.zeros((len(own), mean.shape[1]))
        np.add.at(by_parameter, position, mean)
        levels, slopes = own[level[own]], own[~level[own]]
        sd = np.sqrt(np.abs(np.diag(sum(m.observed_covariance for m in moments))))
        unit = by_parameter / np.where(sd > 0, sd, 1.0)
        size = np.linalg.norm(unit[level[own]], axis=1)
        size = np.where(size > 0, size, 1.0)
        to = np.linalg.lstsq((unit[level[own]] / size[:, None]).T, unit[~level[own]].T, rcond=None)
        for c, moves in zip(levels, to[0] / size[:, None], strict=True):
            allowed = np.array([groups[c] <= groups[f] for f in slopes], dtype=bool)
            turn[c, slopes[allowed]] = -moves[allowed]
    return None if np.array_equal(turn, np.eye(len(x))) else turn


def _far(moments: Moments) -> bool:
    """Whether a variable's mean is far from 0."""
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(np.diag(moments.latent_covariance))
    return bool((np.abs(moments.latent_mean) > FAR * spread).any())
