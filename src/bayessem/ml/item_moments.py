"""Standard errors given the moments of the items of composites, as lavaan has them.

With the (co)variances of the items those of the sample, the variance of a composite is a function
of its weights, and its disturbance's variance what is left of it. Estimates are the same whether it
is free or not; standard errors of what explains a composite are a little smaller when it is not.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import null_space

from bayessem.model.composites import composite_values, item_covariances
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.posterior.density import Density
from bayessem.results.standardize import model_moments


def _excess(
    structure: Structure, elements: np.ndarray, items: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Log of each composite's implied variance over that of the weighted sum, (..., composite)."""
    groups = range(len(structure.table.groups))
    moments = [model_moments(structure, elements, group=g) for g in groups]
    covariances = [m.observed_covariance for m in moments]
    values = composite_values(structure, elements, covariances, [m.observed_mean for m in moments])
    out = []
    for c, covariance in zip(structure.composites, items, strict=True):
        w = np.stack([values[k] for k in c.weights], axis=-1)
        own = moments[c.group].latent_covariance[..., c.variable, c.variable]
        out.append(np.log(own / np.einsum("...i,ij,...j->...", w, covariance, w)))
    return np.stack(out, axis=-1)


def given_item_moments(
    structure: Structure, density: Density, x: np.ndarray, sample: Sample, basis: np.ndarray
) -> np.ndarray:
    """The directions in `basis` (D, k) along which the variances of composites stay as they are.

    Parameters
    ----------
    structure, density, sample : Structure, Density, Sample
        The model, its likelihood and its respondents.
    x : ndarray (D,)
        The maximum.
    basis : ndarray (D, k)
        Directions in which the parameters may move.
    """
    if not structure.composites:
        return basis
    items = item_covariances(structure, sample)
    step = 1e-5 * np.where(x == 0, 1.0, np.abs(x))
    moves = np.diag(step)
    ahead, behind = (_excess(structure, density.elements(x + s * moves), items) for s in (1, -1))
    slopes = (ahead - behind).T / (2.0 * step)  # (composite, D)
    scaled = slopes @ basis
    size = np.linalg.norm(scaled, axis=0)
    size = np.where(size > 0, size, 1.0)  # units of parameters must not matter
    return basis @ (null_space(scaled / size) / size[:, None])
