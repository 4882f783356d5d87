"""Standard errors of maximum likelihood: observed, expected and robust (sandwich) information."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayessem.model.data import Sample
from bayessem.model.structure import (
    Structure,
    matrix_offsets,
    matrix_shapes,
    moved_together,
    parameter_groups,
)
from bayessem.posterior.assemble import respondent_order
from bayessem.posterior.density import Density
from bayessem.results.standardize import model_moments

# Smallest eigenvalue, with a unit diagonal, that a difference of gradients can tell from 0.
FLAT = 1e-7


@dataclass(frozen=True)
class AtPoint:
    """A density whose parameters are the elements themselves, at one point."""

    fields: dict[str, np.ndarray]
    density: Density
    x: np.ndarray

    def elements(self, _: np.ndarray) -> np.ndarray:
        """The elements at the point."""
        return self.density.elements(self.x)


def moment_derivatives(
    structure: Structure, density: Density | AtPoint, x: np.ndarray, *, group: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How the implied moments of one group of a linear model answer to its free matrix elements.

    Returns
    -------
    parameter : ndarray (e,)
        The parameter that each of the e elements holds; of two symmetric ones the first is there.
    left, right : ndarray (e, p)
        The implied covariance changes by left right' + right left', a matrix of rank two.
    mean : ndarray (e, p)
        By how much the implied mean changes.
    covariance : ndarray (p, p)
        The implied covariance.
    """
    p, m, h = structure.shape
    offsets, stride = matrix_offsets(p, m, h)
    shapes = matrix_shapes(p, m, h)
    elements = density.elements(x)
    matrices = structure.matrices(elements, group)
    moments = model_moments(structure, elements, group=group)
    loadings = matrices["loadings"]
    reach = loadings @ np.linalg.inv(np.eye(m) - matrices["paths"])  # (p, m), of a disturbance
    spread = loadings @ moments.latent_covariance  # (p, m)
    # left and right of an element in row i and column j are columns of these
    sides = {
        "loadings": (np.eye(p), spread),
        "paths": (reach, spread),
        "disturbances": (reach, reach),
        "residuals": (np.eye(p), np.eye(p)),
    }
    parameters, lefts, rights, means = [], [], [], []
    for name, shape in shapes.items():
        first = group * stride + offsets[name]
        place = density.fields["place_element"] - first
        inside = (place >= 0) & (place < int(np.prod(shape)))
        i, j = np.divmod(place[inside], shape[1] if len(shape) == 2 else 1)
        if not len(i):
            continue
        cells = density.fields["place_cell"][inside]
        if name in ("disturbances", "residuals"):  # of two symmetric elements one does for both
            half = i <= j
            i, j, cells = i[half], j[half], cells[half]
        none = np.zeros((len(i), p))
        left, right, mean = none, none, none
        if name in sides:
            left, right = sides[name][0][:, i].T, sides[name][1][:, j].T
        if name in ("disturbances", "residuals"):
            right = np.where(i == j, 0.5, 1.0)[:, None] * right
        if name in ("loadings", "paths"):
            mean = left * moments.latent_mean[j][:, None]
        elif name in ("means", "intercepts"):
            mean = (reach if name == "means" else np.eye(p))[:, i].T
        parameters.append(cells)
        lefts.append(left)
        rights.append(right)
        means.append(mean)
    return (
        np.concatenate(parameters),
        np.concatenate(lefts),
        np.concatenate(rights),
        np.concatenate(means),
        moments.observed_covariance,
    )


def expected_information(
    structure: Structure,
    density: Density,
    x: np.ndarray,
    sample: Sample,
    *,
    turn: np.ndarray | None = None,
) -> np.ndarray:
    """Expected (Fisher) information of a linear model at its implied moments, (D, D).

    With missing values each pattern counts with the variables it has.

    Parameters
    ----------
    structure, density : Structure, Density
        The model and its likelihood.
    x : ndarray (D,)
        Where.
    sample : Sample
        The respondents.
    turn : ndarray (D, D), optional
        From `levels.level_turn`: the information is along its columns, along which means hardly
        change.
    """
    return information_rows(structure, density, x, sample, free=len(x), turn=turn)[0]


def information_rows(
    structure: Structure,
    density: Density | AtPoint,
    x: np.ndarray,
    sample: Sample,
    *,
    free: int,
    turn: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The part of the expected information that score tests of many fixed parameters need.

    Parameters
    ----------
    structure, density, x, sample, turn
        As in `expected_information`; `turn` with all rows only.
    free : int
        How many of the D parameters are free; they come first.

    Returns
    -------
    rows : ndarray (free, D)
        Information of the free parameters, with all others.
    diagonal : ndarray (D - free,)
        Of each of the others.
    """
    if structure.composites and isinstance(density, Density):
        return _through_elements(structure, density, x, sample, free=free)
    size = len(x)
    total = np.zeros((free, size))
    diagonal = np.zeros(size)
    patterns = sample.patterns()
    for g in range(len(sample.groups)):
        parameter, left, right, mean, covariance = moment_derivatives(
            structure, density, x, group=g
        )
        order = np.argsort(parameter, kind="stable")
        parameter, left, right, mean = parameter[order], left[order], right[order], mean[order]
        own, first = np.unique(parameter, return_index=True)
        inner = int(np.searchsorted(parameter, free))  # elements of the first parameters
        pairs = _pairs(parameter, inner)
        by_element = np.zeros((inner, len(parameter)))
        by_pair = np.zeros(len(pairs))
        levels = np.zeros((len(own), mean.shape[1]))
        if turn is not None:  # means apart
            levels = turn[np.ix_(own, own)].T @ np.add.reduceat(mean, first, axis=0)
            mean = np.zeros_like(mean)
        by_level = np.zeros((len(own), len(own)))
        for group, o, members in patterns:
            if group != g:
                continue
            inverse = np.linalg.inv(covariance[np.ix_(o, o)])
            u, v, d = left[:, o], right[:, o], mean[:, o]
            wu, wv, wd = u @ inverse, v @ inverse, d @ inverse
            n = len(members)
            # tr(W dS W dT) / 2 for dS = u v' + v u' and dT = x y' + y x'
            crossed = wu[:inner] @ v.T
            other = np.hstack([crossed[:, :inner].T, wv[:inner] @ u[inner:].T])
            value = (wu[:inner] @ u.T) * (wv[:inner] @ v.T) + crossed * other
            by_element += n * (value + wd[:inner] @ d.T)
            a, b = pairs.T
            by_pair += n * (
                _along(wu[a], u[b]) * _along(wv[a], v[b])
                + _along(wu[a], v[b]) * _along(wv[a], u[b])
                + _along(wd[a], d[b])
            )
            if turn is not None:
                by_level += n * levels[:, o] @ inverse @ levels[:, o].T
        known = own[own < free]
        if len(known):
            if len(own) < len(parameter):  # a parameter stands in several places
                by_element = np.add.reduceat(by_element, first[: len(known)], axis=0)
                by_element = np.add.reduceat(by_element, first, axis=1)
            total[np.ix_(known, own)] += by_element
        if turn is not None:
            total[np.ix_(own, own)] += by_level
        np.add.at(diagonal, parameter[pairs[:, 0]], by_pair)
    return total, diagonal[free:]


def _through_elements(
    structure: Structure, density: Density, x: np.ndarray, sample: Sample, *, free: int
) -> tuple[np.ndarray, np.ndarray]:
    """`information_rows` where elements hold several parameters: those of composites.

    The information of the elements, and the derivatives of these by the parameters: central
    differences, which of functions this smooth are right to about ten digits.
    """
    places = np.unique(density.fields["place_element"].astype(int))
    fields = {**density.fields, "place_element": places, "place_cell": np.arange(len(places))}
    as_they_are = AtPoint(fields, density, x)
    plain = replace(structure, table=replace(structure.table, composites=()))
    by_element, _ = information_rows(
        plain, as_they_are, np.empty(len(places)), sample, free=len(places)
    )
    step = 1e-5 * np.where(x == 0, 1.0, np.abs(x))
    moves = np.diag(step)
    slopes = density.elements(x + moves)[:, places] - density.elements(x - moves)[:, places]
    slopes /= 2.0 * step[:, None]
    total = slopes @ by_element @ slopes.T
    return total[:free], np.diag(total)[free:].copy()


def _pairs(parameter: np.ndarray, first: int) -> np.ndarray:
    """Ordered pairs of elements that hold the same parameter, from position `first` on, (., 2)."""
    out = [np.empty((0, 2), dtype=int)]
    place = np.arange(first, len(parameter))
    for step in range(len(place)):
        a = place[: len(place) - step]
        a = a[parameter[a] == parameter[a + step]]
        if not len(a):
            break  # sorted: elements of one parameter are neighbours
        out.append(np.stack([a, a + step], axis=1))
        if step:
            out.append(np.stack([a + step, a], axis=1))
    return np.concatenate(out)


def _along(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Inner products of rows."""
    return np.einsum("ij,ij->i", x, y)


def observed_information(
    structure: Structure,
    density: Density,
    x: np.ndarray,
    *,
    scale: np.ndarray,
    turn: np.ndarray | None = None,
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
    turn : ndarray (D, D), optional
        Directions to look along, from `levels.level_turn`; by default the parameters.
    """
    groups = parameter_groups(structure)
    known = np.full((len(x), len(x)), np.nan)
    for members in moved_together(groups):
        step = np.zeros(len(x))
        step[members] = 1e-4 * scale[members]
        move = step if turn is None else turn @ step
        change = density.value_and_gradient(x - move)[1] - density.value_and_gradient(x + move)[1]
        change = change if turn is None else turn.T @ change
        for i in members:
            others = [j for j in members if j != i]
            meets = np.array([bool(groups[i] & own) for own in groups])
            mixed = np.array([any(groups[j] & own for j in others) for own in groups])
            row = np.where(meets, change / (2.0 * step[i]), 0.0)
            # What also answers to another member is read from its own row, by symmetry.
            known[i] = np.where(meets & mixed, np.nan, row)
    known = np.where(np.isnan(known), known.T, known)
    return 0.5 * (known + known.T)


def score_products(
    density: Density,
    x: np.ndarray,
    sample: Sample,
    *,
    scale: np.ndarray,
    turn: np.ndarray | None = None,
) -> np.ndarray:
    """Sum over respondents of the outer products of their scores, (D, D).

    Over the clusters of a two-level model; with a design weighted, and of the sums over its
    clusters (`Design.score_products`). Scores are central differences of the respondents'
    log-likelihoods; `scale` (D,) is a rough standard error of each parameter; along the columns of
    `turn`, if it is given.
    """
    step = 1e-4 * scale
    moves = np.diag(step) if turn is None else (turn * step).T
    ahead = density.respondent_log_likelihood(x + moves)  # (D, respondent)
    behind = density.respondent_log_likelihood(x - moves)
    scores = (ahead - behind) / (2.0 * step[:, None])
    if sample.design is None:
        return scores @ scores.T
    return sample.design.score_products(scores[:, respondent_order(sample)], sample.group)


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
    flat = roots < FLAT * max(float(np.abs(roots).max(initial=0.0)), 1e-300)
    if flat.any():
        directions = vectors[:, flat] / size[:, None]
        return None, directions / np.linalg.norm(directions, axis=0)
    inverse = (vectors / roots) @ vectors.T / np.outer(size, size)
    return 0.5 * (inverse + inverse.T), np.empty((len(information), 0))


def covariance_root(covariance: np.ndarray, turn: np.ndarray | None = None) -> np.ndarray:
    """R (D, k) with R R' the covariance of the estimates, which equalities may make singular.

    What counts as 0 is judged of the correlations, so that it does not depend on units, and of
    slopes about the means (`turn`, from `levels.level_turn`), so that it does not on where 0 is.
    """
    if turn is not None:
        back = 2.0 * np.eye(len(turn)) - turn
        return turn @ covariance_root(back @ covariance @ back.T)
    sd = np.sqrt(np.diag(covariance))
    unit = np.where(sd > 0, sd, 1.0)
    roots, vectors = np.linalg.eigh(covariance / np.outer(unit, unit))
    useful = roots > 1e-12 * roots[-1]
    return unit[:, None] * vectors[:, useful] * np.sqrt(roots[useful])
