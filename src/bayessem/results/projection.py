"""Draws of a pseudo-posterior whose spread is that of the sampling design.

A likelihood whose respondents count by weights has its maximum where that of the population has it,
but its curvature is not its accuracy. Draws are moved linearly about their mean so that their
covariance is S (J + P) S: S the covariance of the draws, J the variance of the weighted score under
the design, P the precision of the prior, so that a parameter that only the prior knows stays as
unknown as it was. With equal weights and a true model J + P is the inverse of S and nothing moves.

Williams, M. R. & Savitsky, T. D. (2021). Uncertainty estimation for pseudo-Bayesian inference under
complex sampling. International Statistical Review, 89(1), 72-107. doi:10.1111/insr.12376
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayessem.model.data import Sample
from bayessem.model.space import Coordinate, Space
from bayessem.posterior.assemble import respondent_order
from bayessem.posterior.density import Density
from bayessem.results.log_prior import log_prior

# Differences are over this share of a posterior standard deviation; second ones over more.
STEP, LONG_STEP = 1e-3, 1e-1
# Halvings of a move that leads out of the parameter space.
HALVINGS = 20


def projected(
    values: np.ndarray, space: Space, density: Density, sample: Sample
) -> tuple[np.ndarray, np.ndarray]:
    """The draws moved, and by how much their standard deviations changed.

    Parameters
    ----------
    values : ndarray (chain, draw, D)
        Draws of the natural parameters.
    space : Space
        What they are.
    density : Density
        With their log-likelihood by respondent.
    sample : Sample
        The respondents, with their design.

    Returns
    -------
    values : ndarray (chain, draw, D)
    ratio : ndarray (D,)
        New over old standard deviations, in coordinates without bounds.
    """
    coordinates, order = space.coordinates, respondent_order(sample)
    assert sample.design is not None
    free = _without_bounds(coordinates, values)
    flat = free.reshape(-1, free.shape[-1])
    centre = flat.mean(axis=0)
    covariance = np.atleast_2d(np.cov(flat, rowvar=False))
    sd = np.sqrt(np.diag(covariance))
    root = sd[:, None] * np.linalg.cholesky(covariance / np.outer(sd, sd))
    steps = STEP * sd
    moved = [centre + sign * np.diag(steps) for sign in (1.0, -1.0)]
    ahead, behind = (
        density.respondent_log_likelihood(_natural(coordinates, x))[:, order] for x in moved
    )
    scores = (ahead - behind) / (2.0 * steps[:, None])
    variance = sample.design.score_products(scores, sample.group) + np.diag(
        _prior_precision(space, centre, sd)
    )
    # along the columns of the root the draws are round, whichever root it is
    roots, vectors = np.linalg.eigh(root.T @ variance @ root)
    stretch = (vectors * np.sqrt(np.maximum(roots, 0.0))) @ vectors.T
    change = root @ stretch @ np.linalg.inv(root)
    out = _natural(coordinates, centre + (free - centre) @ change.T)
    new_sd = np.sqrt(np.diag(change @ covariance @ change.T))
    return _inside(values, out, density), new_sd / sd


def _inside(old: np.ndarray, new: np.ndarray, density: Density) -> np.ndarray:
    """The moved draws, those that left the parameter space moved by less."""
    out = new.copy()
    for _ in range(HALVINGS):
        lost = ~np.isfinite(density.respondent_log_likelihood(out)).all(axis=-1)
        if not lost.any():
            return out
        out[lost] = 0.5 * (old[lost] + out[lost])
    out[lost] = old[lost]
    return out


def _prior_precision(space: Space, centre: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Precision of each parameter's prior at a point without bounds (D,), at most the posterior's.

    Joint priors count along the axes.
    """
    step = LONG_STEP * sd
    points = np.stack(
        [centre - np.diag(step), np.tile(centre, (len(sd), 1)), centre + np.diag(step)]
    )
    below, at, above = log_prior(space, _natural(space.coordinates, points)) + _log_slopes(
        space.coordinates, points
    )
    return np.clip((2.0 * at - below - above) / step**2, 0.0, 1.0 / sd**2)


def _bounds(c: Coordinate) -> tuple[bool, bool]:
    return bool(np.isfinite(c.lower)), bool(np.isfinite(c.upper))


def _without_bounds(coordinates: Sequence[Coordinate], values: np.ndarray) -> np.ndarray:
    """Logs of distances from one bound, logits between two."""
    out = values.copy()
    for i, c in enumerate(coordinates):
        x = values[..., i]
        match _bounds(c):
            case (True, True):
                out[..., i] = np.log(x - c.lower) - np.log(c.upper - x)
            case (True, False):
                out[..., i] = np.log(x - c.lower)
            case (False, True):
                out[..., i] = np.log(c.upper - x)
    return out


def _natural(coordinates: Sequence[Coordinate], points: np.ndarray) -> np.ndarray:
    """The inverse of `_without_bounds`."""
    out = points.copy()
    for i, c in enumerate(coordinates):
        t = points[..., i]
        match _bounds(c):
            case (True, True):
                out[..., i] = c.lower + (c.upper - c.lower) / (1.0 + np.exp(-t))
            case (True, False):
                out[..., i] = c.lower + np.exp(t)
            case (False, True):
                out[..., i] = c.upper - np.exp(t)
    return out


def _log_slopes(coordinates: Sequence[Coordinate], points: np.ndarray) -> np.ndarray:
    """Log of what the natural parameters change by a unit of the coordinates, (...)."""
    out = np.zeros(points.shape[:-1])
    for i, c in enumerate(coordinates):
        t = points[..., i]
        match _bounds(c):
            case (True, True):
                out += -t - 2.0 * np.log1p(np.exp(-t))
            case (True, False) | (False, True):
                out += t
    return out
