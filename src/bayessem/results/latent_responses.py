"""Draws of models with ordered variables on the scale in which they are reported."""

from __future__ import annotations

import numpy as np

from bayessem.model.parameterization import element_factors, shared_scales
from bayessem.model.structure import Structure
from bayessem.results.standardize import model_moments


def reported(structure: Structure, elements: np.ndarray) -> np.ndarray:
    """Flat model matrices (..., elements) in the model's parameterization; see there.

    In delta the residual variance of a latent response is what its total variance leaves.
    """
    table = structure.table
    if not table.ordered or table.responses.parameterization != "delta":
        return elements
    scales = np.ones((*elements.shape[:-1], len(table.groups), len(structure.observed)))
    columns = [structure.observed.index(name) for name in table.ordered]
    for g in range(len(table.groups)):
        moments = model_moments(structure, elements, group=g)
        variance = np.diagonal(moments.observed_covariance, axis1=-2, axis2=-1)
        scales[..., g, columns] = 1.0 / np.sqrt(variance[..., columns])
    first = shared_scales(structure)
    for g in range(len(table.groups)):
        for j in columns:
            scales[..., g, j] = scales[..., first[g, j], j]
    return elements * element_factors(structure, scales)
