"""Heavy tails in results: distances and weights of respondents, and the scale of what is drawn.

Everything random about a respondent is normal given one gamma variable g with mean 1 and shape
nu / 2, by which its precision is multiplied. Variances in the matrices of a model are those over
all respondents, so that the variances given g are (nu - 2) / (nu g) times these.
"""

from __future__ import annotations

import numpy as np

from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.results.standardize import model_moments


def degrees_of_freedom(structure: Structure, elements: np.ndarray) -> np.ndarray:
    """Nu of flat model matrices (..., elements), which is the same in all groups, (...)."""
    return structure.matrices(elements, 0)["shapes"][..., 0]


def distances(
    structure: Structure, elements: np.ndarray, sample: Sample
) -> tuple[np.ndarray, np.ndarray]:
    """How far out respondents are given their covariates, in what is known of them.

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (draw, elements)
        Flat model matrices.
    sample : Sample
        The respondents.

    Returns
    -------
    distance : ndarray (draw, respondent)
        Squared Mahalanobis distances from the mean, by the covariance matrix.
    count : ndarray (respondent,)
        Of how many variables.
    """
    given = [sample.variables.index(name) for name in structure.table.exogenous]
    out, count = np.zeros((len(elements), sample.size)), np.zeros(sample.size)
    moments = [
        model_moments(structure, elements, group=g) for g in range(len(structure.table.groups))
    ]
    for group, columns, members in sample.patterns():
        covariance = moments[group].observed_covariance
        mean = moments[group].observed_mean
        known = np.array([j for j in columns if j in given], dtype=int)
        for sign, own in ((1.0, columns), (-1.0, known)):
            if not len(own):
                continue
            root = np.linalg.cholesky(covariance[:, own[:, None], own])
            centred = sample.values[np.ix_(members, own)] - mean[:, None, own]
            white = np.linalg.solve(root, np.swapaxes(centred, -1, -2))
            out[:, members] += sign * np.sum(white * white, axis=-2)
            count[members] += sign * len(own)
    return np.maximum(out, 0.0), count


def weights_of(structure: Structure, elements: np.ndarray, sample: Sample) -> np.ndarray:
    """E[g | answers] = (nu + p) / (nu + d) of each respondent, (draw, respondent).

    d is the squared distance by the scale matrix, p the number of variables that are known. By
    these weights respondents count in the likelihood's derivatives.
    """
    nu = degrees_of_freedom(structure, elements)[:, None]
    distance, count = distances(structure, elements, sample)
    return (nu + count) / (nu + distance * nu / (nu - 2.0))


def drawn_scale(
    structure: Structure, elements: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray | float:
    """What multiplies the normal disturbances and residuals of n new respondents, (..., n).

    1 in a model without heavy tails. elements : ndarray (..., elements).
    """
    if not structure.table.heavy_tailed:
        return 1.0
    nu = degrees_of_freedom(structure, elements)[..., None]
    return np.sqrt((nu - 2.0) / rng.chisquare(nu, (*nu.shape[:-1], n)))


def scale_given(
    structure: Structure, elements: np.ndarray, sample: Sample, rng: np.random.Generator
) -> np.ndarray | float:
    """The same of respondents given what is known of them, (respondent,), for one draw (elements,).

    It multiplies what is left of a respondent once the known is taken into account. 1 in a model
    without heavy tails.
    """
    if not structure.table.heavy_tailed:
        return 1.0
    nu = float(degrees_of_freedom(structure, elements))
    distance, count = distances(structure, elements[None], sample)
    return np.sqrt((nu - 2.0 + distance[0]) / rng.chisquare(nu + count))
