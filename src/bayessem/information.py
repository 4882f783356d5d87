"""Standard errors of maximum likelihood: observed, expected and robust (sandwich) information."""

from __future__ import annotations

import numpy as np

from bayessem.data import Sample
from bayessem.density import Density
from bayessem.standardize import model_moments
from bayessem.structure import Structure


def moment_derivatives(
    structure: Structure, density: Density, x: np.ndarray, *, group: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Implied covariance and mean of a linear model, and their derivatives by the parameters.

    Returns
    -------
    covariance, mean, d_covariance, d_mean : ndarray (p, p), (p,), (D, p, p), (D, p)
        By complex steps, so exact to rounding: the matrices are linear in the parameters and the
        moments analytic in the matrices.
    """
    step = 1e-30
    elements = np.repeat(density.elements(x)[None].astype(complex), len(x), axis=0)
    elements[density.fields["place_cell"], density.fields["place_element"]] += 1j * step
    moments = model_moments(structure, elements, group=group)
    here = model_moments(structure, density.elements(x), group=group)
    return (
        here.observed_covariance,
        here.observed_mean,
        moments.observed_covariance.imag / step,
        moments.observed_mean.imag / step,
    )


def expected_information(
    structure: Structure, density: Density, x: np.ndarray, sample: Sample
) -> np.ndarray:
    """Expected (Fisher) information of a linear model at its implied moments, (D, D).

    With missing values each pattern counts with the variables it has.
    """
    total = np.zeros((len(x), len(x)))
    patterns = sample.patterns()
    for g in range(len(sample.groups)):
        covariance, _, d_covariance, d_mean = moment_derivatives(structure, density, x, group=g)
        for group, o, members in patterns:
            if group != g:
                continue
            inverse = np.linalg.inv(covariance[np.ix_(o, o)])
            weighted = inverse @ d_covariance[:, o][:, :, o]  # (D, o, o)
            means = d_mean[:, o]
            flat = weighted.reshape(len(x), -1)
            turned = np.swapaxes(weighted, 1, 2).reshape(len(x), -1)
            total += len(members) * (0.5 * flat @ turned.T + means @ inverse @ means.T)
    return total


def score_products(density: Density, x: np.ndarray, *, scale: np.ndarray) -> np.ndarray:
    """Sum over respondents of the outer products of their scores, (D, D).

    Scores are central differences of the respondents' log-likelihoods; `scale` (D,) is a rough
    standard error of each parameter.
    """
    step = 1e-4 * scale
    ahead = density.respondent_log_likelihood(x + np.diag(step))  # (D, respondent)
    behind = density.respondent_log_likelihood(x - np.diag(step))
    scores = (ahead - behind) / (2.0 * step[:, None])
    return scores @ scores.T


def invert_information(information: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Inverse of an information matrix and its null directions.

    Parameters
    ----------
    information : ndarray (k, k)
        In units in which its diagonal is about 1.

    Returns
    -------
    inverse : ndarray (k, k) or None
        None when it is not positive definite.
    flat : ndarray (k, f)
        Directions that the data say nothing about (or that lead uphill).
    """
    if not np.isfinite(information).all():
        return None, np.empty((len(information), 0))
    size = np.sqrt(np.abs(np.diag(information)))
    size = np.where(size > 0, size, 1.0)
    roots, vectors = np.linalg.eigh(information / np.outer(size, size))
    flat = roots < 1e-9 * max(float(np.abs(roots).max(initial=0.0)), 1e-300)
    if flat.any():
        directions = vectors[:, flat] / size[:, None]
        return None, directions / np.linalg.norm(directions, axis=0)
    inverse = (vectors / roots) @ vectors.T / np.outer(size, size)
    return 0.5 * (inverse + inverse.T), np.empty((len(information), 0))
