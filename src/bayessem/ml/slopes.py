"""Random slopes by maximum likelihood: what stands in for expected information.

The covariance matrix of a cluster depends on its predictors' values, so that there are no moments
to compare with, no saturated model and no closed form of the information; the observed one has
everything that is needed.
"""

from __future__ import annotations

import numpy as np

from bayessem.model.default_priors import latent_scales
from bayessem.model.prepare import Prepared
from bayessem.posterior.density import Density

# Differences are over this share of a parameter's unit.
STEP = 1e-4


def parameter_units(prepared: Prepared) -> np.ndarray:
    """What counts as a change of 1 of each free parameter, from the data's scales, (D,)."""
    structure, table = prepared.structure, prepared.table
    latent, sds = latent_scales(structure, prepared.sample.sds), prepared.sample.sds
    out = np.ones(len(table.parameters))
    for k, place in structure.places.items():
        if table.rows[k].free < 0:
            continue
        match place.matrix:
            case "loadings":
                unit = sds[place.i] / latent[place.j]
            case "paths":
                unit = latent[place.i] / latent[place.j]
            case "disturbances":
                unit = latent[place.i] * latent[place.j]
            case "residuals":
                unit = sds[place.i] * sds[place.j]
            case "intercepts":
                unit = sds[place.i]
            case _:
                unit = latent[place.i]
        out[table.rows[k].free] = unit
    return out


def curvature(
    prepared: Prepared, density: Density, x: np.ndarray, *, turn: np.ndarray | None = None
) -> np.ndarray:
    """The log-likelihood's curvature at a point with all its directions taken as maxima, (D, D).

    Away from a maximum some directions are curved the other way: there, too, a step of one over the
    root of the curvature is of the right size.

    turn : ndarray (D, D), optional
        From `levels.level_turn`: along its columns.
    """
    unit = parameter_units(prepared)
    moves = np.diag(unit) if turn is None else turn * unit
    change = np.array(
        [
            density.value_and_gradient(x - STEP * m)[1]
            - density.value_and_gradient(x + STEP * m)[1]
            for m in moves.T
        ]
    )
    along = change @ moves / (2.0 * STEP)
    if not np.isfinite(along).all():
        return np.full_like(along, np.nan)
    roots, vectors = np.linalg.eigh(0.5 * (along + along.T))
    roots = np.maximum(np.abs(roots), 1e-8 * np.abs(roots).max())
    return (vectors * roots) @ vectors.T / np.outer(unit, unit)
