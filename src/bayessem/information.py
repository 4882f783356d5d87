"""Standard errors of maximum likelihood: observed, expected and robust (sandwich) information."""

from __future__ import annotations

import numpy as np

from bayessem.data import Sample
from bayessem.density import Density
from bayessem.standardize import model_moments
from bayessem.structure import Structure, matrix_offsets

STEP = 1e-30  # of the complex-step derivatives
BATCH = 2_000_000  # complex numbers held at a time


def moment_derivatives(
    structure: Structure, density: Density, x: np.ndarray, *, group: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Implied covariance of one group of a linear model, and derivatives by its own parameters.

    Returns
    -------
    own : ndarray (d,)
        Positions of the parameters that the group has.
    covariance, d_covariance, d_mean : ndarray (p, p), (d, p, p), (d, p)
        By complex steps, so exact to rounding: the matrices are linear in the parameters and the
        moments analytic in the matrices.
    """
    p, m, h = structure.shape
    _, stride = matrix_offsets(p, m, h)
    first = group * stride
    elements = density.elements(x)[first : first + stride]
    place, cell = density.fields["place_element"], density.fields["place_cell"]
    inside = (place >= first) & (place < first + stride)
    own, which = np.unique(cell[inside], return_inverse=True)
    where = place[inside] - first
    here = model_moments(structure, elements)
    d_covariance, d_mean = np.empty((len(own), p, p)), np.empty((len(own), p))
    batch = max(1, BATCH // max(stride, p * p))
    for start in range(0, len(own), batch):
        end = min(start + batch, len(own))
        stepped = np.repeat(elements[None].astype(complex), end - start, axis=0)
        now = (which >= start) & (which < end)
        stepped[which[now] - start, where[now]] += 1j * STEP
        moments = model_moments(structure, stepped)
        d_covariance[start:end] = moments.observed_covariance.imag / STEP
        d_mean[start:end] = moments.observed_mean.imag / STEP
    return own, here.observed_covariance, d_covariance, d_mean


def expected_information(
    structure: Structure, density: Density, x: np.ndarray, sample: Sample
) -> np.ndarray:
    """Expected (Fisher) information of a linear model at its implied moments, (D, D).

    With missing values each pattern counts with the variables it has.
    """
    total = np.zeros((len(x), len(x)))
    patterns = sample.patterns()
    for g in range(len(sample.groups)):
        own, covariance, d_covariance, d_mean = moment_derivatives(structure, density, x, group=g)
        for group, o, members in patterns:
            if group != g:
                continue
            inverse = np.linalg.inv(covariance[np.ix_(o, o)])
            weighted = inverse @ d_covariance[:, o][:, :, o]  # (d, o, o)
            means = d_mean[:, o]
            flat = weighted.reshape(len(own), -1)
            turned = np.swapaxes(weighted, 1, 2).reshape(len(own), -1)
            information = 0.5 * flat @ turned.T + means @ inverse @ means.T
            total[np.ix_(own, own)] += len(members) * information
    return total


def observed_information(
    structure: Structure, density: Density, x: np.ndarray, *, scale: np.ndarray
) -> np.ndarray:
    """Minus the Hessian of the log-likelihood by central differences of the gradient, (D, D).

    Parameters of different groups do not meet in the likelihood, so they are moved together: the
    cost grows with the parameters a group has, not with the number of groups.

    Parameters
    ----------
    structure, density : Structure, Density
        The model and its likelihood.
    x : ndarray (D,)
        Where.
    scale : ndarray (D,)
        Rough standard errors; the steps are 1e-4 of them.
    """
    groups: list[set[int]] = [set() for _ in x]
    for k, place in structure.places.items():
        free = structure.table.rows[k].free
        if free >= 0:
            groups[free].add(place.group)
    together: list[tuple[list[int], set[int]]] = []
    for i, own in enumerate(groups):
        batch = next((b for b in together if not b[1] & own), None)
        if batch is None:
            together.append(([i], set(own)))
        else:
            batch[0].append(i)
            batch[1].update(own)
    known = np.full((len(x), len(x)), np.nan)
    for members, _ in together:
        step = np.zeros(len(x))
        step[members] = 1e-4 * scale[members]
        change = density.value_and_gradient(x - step)[1] - density.value_and_gradient(x + step)[1]
        for i in members:
            others = [j for j in members if j != i]
            meets = np.array([bool(groups[i] & own) for own in groups])
            mixed = np.array([any(groups[j] & own for j in others) for own in groups])
            row = np.where(meets, change / (2.0 * step[i]), 0.0)
            # What also answers to another member is read from its own row, by symmetry.
            known[i] = np.where(meets & mixed, np.nan, row)
    known = np.where(np.isnan(known), known.T, known)
    return 0.5 * (known + known.T)


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
