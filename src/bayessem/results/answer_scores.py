"""Latent variables of respondents who gave ordered answers, given those and the parameters.

Their density is known up to a constant (answer_factors.py). It is near normal about its mode, so
that points of a wider t distribution there, weighted by density over density, give its moments,
and points drawn by those weights are draws of it. The points are laid twice, about the mode and
then about the weighted mean. Where constructs are squared or multiplied a density may have several
modes, and be curved: points are of the disturbances, by which what a square determines nearly lies
along a line; searches begin at several places, and points are laid about all modes found, then
about places drawn by their weights, each with the curvature there.

Respondents who gave the same answers share their points, so that their scores are the same; others
have others, and so has every draw of the parameters, so that errors average out over draws.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaincinv, logsumexp, ndtr

from bayessem.errors import FitError
from bayessem.likelihood.node_plan import STRUCTURAL, NodeFactor
from bayessem.model.data import Sample
from bayessem.model.node_model import factor_model
from bayessem.model.structure import Structure
from bayessem.posterior.laplace_choice import shifted_points
from bayessem.results.answer_factors import (
    Slopes,
    disturbance_slopes,
    from_disturbances,
    joint_log,
    slopes,
)

POINTS, MORE = 64, 256
# Degrees of freedom of the points, and how much wider than the curvature says they lie.
FREEDOM, WIDER = 8.0, 1.15
# Searches for modes: steps at most, and when one is done (of a step over its standard deviation).
STEPS, DONE = 60, 1e-4
# Respondents at once, which bounds the memory.
CHUNK = 1000
# Where searches begin with products: standard deviations of a factor of a product.
APART = 1.5
# Places about which their points lie in the end.
CENTRES = 16


@dataclass(frozen=True)
class Weighted:
    """Weighted points of the latent variables, for each pattern of answers.

    Attributes
    ----------
    points : ndarray (pattern, point, k)
    weights : ndarray (pattern, point)
        Sum to 1.
    """

    points: np.ndarray
    weights: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Means (pattern, k)."""
        return np.einsum("np,npk->nk", self.weights, self.points)

    @property
    def covariance(self) -> np.ndarray:
        """Covariances (pattern, k, k)."""
        off = self.points - self.mean[:, None, :]
        return np.einsum("np,npk,npl->nkl", self.weights, off, off)

    @property
    def effective(self) -> np.ndarray:
        """How many unweighted points the weighted ones are worth, (pattern,)."""
        return 1.0 / (self.weights**2).sum(axis=1)

    def draw(self, pattern: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One point for each of some patterns (n,), by the weights: (n, k)."""
        cumulative = np.cumsum(self.weights, axis=1)[pattern]
        target = rng.random((len(cumulative), 1)) * cumulative[:, -1:]
        chosen = np.minimum((cumulative < target).sum(axis=1), cumulative.shape[1] - 1)
        return self.points[pattern, chosen]


@dataclass(frozen=True)
class _Part:
    """Some different patterns of answers of a group.

    Attributes
    ----------
    factors : tuple of NodeFactor
        With a row for each pattern.
    starts : tuple of ndarray (pattern, k)
        Where searches for modes begin.
    members : ndarray (respondent,)
        Positions of the respondents who have one of the patterns.
    pattern : ndarray (respondent,)
        Which.
    seed : tuple of int
        Of the points.
    """

    factors: tuple[NodeFactor, ...]
    starts: tuple[np.ndarray, ...]
    members: np.ndarray
    pattern: np.ndarray
    seed: tuple[int, ...]

    @property
    def curved(self) -> bool:
        """Whether latent variables are squared or multiplied."""
        return _curved(self.factors)


class AnswerScores:
    """The latent variables of respondents at any parameters; see the module.

    Parameters
    ----------
    structure, sample : Structure, Sample
        The model, and answers as positions of categories.
    elements : ndarray (elements,)
        Flat model matrices, in the middle of those that it will be asked about.

    Attributes
    ----------
    latents : tuple of int
        Positions of the k latent variables in `structure.variables`.
    """

    def __init__(self, structure: Structure, sample: Sample, elements: np.ndarray) -> None:
        model = factor_model(structure, sample)
        self.latents = model.latents
        self.parts: list[_Part] = []
        for g, (factors, members) in enumerate(zip(model.factors, model.members, strict=True)):
            rows = np.column_stack([f.row_of for f in factors])
            different, pattern = np.unique(rows, axis=0, return_inverse=True)
            for start in range(0, len(different), CHUNK):
                some = different[start : start + CHUNK]
                own = tuple(
                    replace(f, row_of=some[:, c])
                    for c, f in enumerate(factors)
                    if (some[:, c] >= 0).any()
                )
                here = np.flatnonzero((pattern >= start) & (pattern < start + CHUNK))
                self.parts.append(
                    _Part(
                        own,
                        _modes(own, elements, len(some), len(self.latents)),
                        members[here],
                        pattern[here] - start,
                        (2, g, start),
                    )
                )

    def at(
        self, elements: np.ndarray, draw: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, Weighted]]:
        """Respondents (positions), the pattern of each, and the patterns' weighted points.

        Parameters
        ----------
        elements : ndarray (elements,)
            Flat model matrices.
        draw : int
            Which draw of the parameters they are: each has points of its own.

        Raises
        ------
        FitError
            Where the answers are impossible.
        """
        for part in self.parts:
            yield part.members, part.pattern, _weighted(part, elements, draw)


def draw_answer_scores(
    structure: Structure, elements: np.ndarray, sample: Sample, rng: np.random.Generator
) -> np.ndarray:
    """One value of each latent variable for each respondent and draw, (draw, respondent, m).

    Parameters
    ----------
    structure : Structure
        A model with ordered answers.
    elements : ndarray (draw, elements)
        Flat model matrices.
    sample : Sample
        The data.
    rng : Generator
        Source of the randomness.

    Returns
    -------
    ndarray
        Variables as in `structure.variables`: constructs, then observed variables with a
        structural role at their values (of ordered ones the position of the category), nan where
        these are missing.
    """
    scores = AnswerScores(structure, sample, elements.mean(axis=0))
    out = np.empty((len(elements), sample.size, len(structure.variables)))
    for d, one in enumerate(elements):
        for members, pattern, found in scores.at(one, d):
            out[d, members] = known_values(structure, sample, members)
            out[np.ix_([d], members, scores.latents)] = found.draw(pattern, rng)
    return out


def known_values(structure: Structure, sample: Sample, members: np.ndarray) -> np.ndarray:
    """The variables of respondents (n, m) at their observed values, nan for constructs."""
    out = np.full((len(members), len(structure.variables)), np.nan)
    for i, name in enumerate(structure.variables):
        if name in structure.observed:
            out[:, i] = sample.values[members, sample.variables.index(name)]
    return out


def answer_moments(
    structure: Structure, elements: np.ndarray, sample: Sample
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Posterior mean and standard deviation of each construct, (respondent, k) each.

    Parameters
    ----------
    structure, sample
        As in `draw_answer_scores`.
    elements : ndarray (draw, elements)
        Draws over which they are: the distribution is the mixture of theirs.

    Returns
    -------
    mean, sd : ndarray (respondent, k)
    latents : tuple of int
        Positions of the constructs in `structure.variables`.
    """
    scores = AnswerScores(structure, sample, elements.mean(axis=0))
    first, second = (np.zeros((sample.size, len(scores.latents))) for _ in range(2))
    for d, one in enumerate(elements):
        for members, pattern, found in scores.at(one, d):
            mean = found.mean
            within = np.diagonal(found.covariance, axis1=-2, axis2=-1)
            first[members] += mean[pattern]
            second[members] += (within + mean**2)[pattern]
    mean = first / len(elements)
    return mean, np.sqrt(np.maximum(second / len(elements) - mean**2, 0.0)), scores.latents


def _curved(factors: Sequence[NodeFactor]) -> bool:
    return any(sum(t.powers.values()) > 1 for f in factors for t in f.terms)


def _latents(factors: Sequence[NodeFactor], elements: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Latent variables of points, which are of disturbances where something is curved.

    What a square determines nearly lies along a parabola, and its disturbance along a line.
    """
    return from_disturbances(factors, elements, points) if _curved(factors) else points


def _log(factors: Sequence[NodeFactor], elements: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Joint log-density at points (respondent, point, k)."""
    return joint_log(factors, elements, _latents(factors, elements, points))


def _slopes(factors: Sequence[NodeFactor], elements: np.ndarray, at: np.ndarray) -> Slopes:
    """The same with derivatives at one point each, (respondent, k)."""
    if not _curved(factors):
        return slopes(factors, elements, at)
    latents = from_disturbances(factors, elements, at[:, None, :])[:, 0]
    found = slopes(factors, elements, latents)
    by = np.linalg.inv(disturbance_slopes(factors, elements, latents))  # latents by disturbances
    return Slopes(
        found.value,
        np.einsum("nkl,nk->nl", by, found.gradient),
        np.swapaxes(by, -1, -2) @ found.curvature @ by,
    )


def _modes(
    factors: Sequence[NodeFactor], elements: np.ndarray, n: int, k: int
) -> tuple[np.ndarray, ...]:
    """Where searches for modes begin: modes found from 0 and, with products, from either side."""
    middle, _ = _climb(factors, elements, np.zeros((n, k)))
    starts = [middle]
    squared = sorted(
        {
            v
            for f in factors
            for t in f.terms
            if sum(t.powers.values()) > 1
            for v, p in t.powers.items()
            if p
        }
    )
    prior = [f for f in factors if f.kind == STRUCTURAL]
    spread = np.ones(k)
    for f in prior:
        size = len(f.explained)
        own = np.sqrt(np.diag(elements[list(f.variances)].reshape(size, size)))
        spread[list(f.explained)] = own
    for v, side in itertools.product(squared, (-APART, APART)):
        start = middle.copy()
        start[:, v] = side * spread[v]
        starts.append(_climb(factors, elements, start)[0])
    return tuple(starts)


def _climb(
    factors: Sequence[NodeFactor], elements: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, Slopes]:
    """Each respondent's mode from a start (n, k): Gauss-Newton steps, halved where they fall."""
    at, here = start.copy(), _slopes(factors, elements, start)
    for _ in range(STEPS):
        step = np.linalg.solve(here.curvature, here.gradient[..., None])[..., 0]
        gain = np.einsum("nk,nk->n", step, here.gradient)
        moving = gain > DONE * DONE
        if not moving.any():
            break
        size = np.where(moving, 1.0, 0.0)
        for _ in range(12):
            then = _log(factors, elements, (at + size[:, None] * step)[:, None, :])[:, 0]
            fell = moving & ~(then >= here.value + 0.1 * size * gain * 0.5)
            if not fell.any():
                break
            size = np.where(fell, 0.5 * size, size)
        at = at + size[:, None] * step
        here = _slopes(factors, elements, at)
    return at, here


def _t_points(points: np.ndarray) -> np.ndarray:
    """Points of a standard t distribution (n, point, k).

    points : ndarray (n, point, k + 1)
        Of normal variables; the last one gives the scale.
    """
    k = points.shape[-1] - 1
    chi = 2.0 * gammaincinv(0.5 * FREEDOM, np.clip(ndtr(points[..., k]), 1e-12, 1.0 - 1e-12))
    return points[..., :k] * np.sqrt(FREEDOM / chi)[..., None]


def _weighted(part: _Part, elements: np.ndarray, draw: int) -> Weighted:
    """Points about the modes, and again where their weights say."""
    n, k = part.starts[0].shape
    count = MORE if part.curved else POINTS
    standard = _t_points(shifted_points(n, count, k + 1, seed=(*part.seed, draw)))
    centres, roots = [], []
    for start in part.starts:
        mode, here = _climb(part.factors, elements, start)
        centres.append(mode)
        low = np.linalg.cholesky(here.curvature)
        roots.append(WIDER * np.swapaxes(np.linalg.inv(low), -1, -2))
    found = _importance(part, elements, standard, centres, roots)
    if part.curved:
        more = _along(part, elements, found)
        centres, roots = centres + more[0], roots + more[1]
    else:
        spread = found.covariance
        # a few heavy points say little about a covariance: half of it is the curvature's
        own = roots[0] @ np.swapaxes(roots[0], -1, -2)
        few = (found.effective < 4.0 * (k + 1))[:, None, None]
        mixed = np.where(few, 0.5 * (spread * WIDER**2 + own), spread * WIDER**2)
        centres, roots = [found.mean], [np.linalg.cholesky(mixed)]
    found = _importance(part, elements, standard, centres, roots)
    if not np.isfinite(found.weights).all():
        raise FitError("a respondent's answers have probability 0 at a draw; no scores exist there")
    return Weighted(_latents(part.factors, elements, found.points), found.weights)


def _along(
    part: _Part, elements: np.ndarray, found: Weighted
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Centres spread over the weighted points, and the curvature's root at each.

    A construct that another one's square determines lies along a curve, which normal densities at
    its modes do not follow.
    """
    cumulative = np.cumsum(found.weights, axis=1)
    everyone = np.arange(len(cumulative))
    centres, roots = [], []
    for c in range(CENTRES):
        below = (cumulative < (c + 0.5) / CENTRES * cumulative[:, -1:]).sum(axis=1)
        centre = found.points[everyone, np.minimum(below, cumulative.shape[1] - 1)]
        low = np.linalg.cholesky(_slopes(part.factors, elements, centre).curvature)
        centres.append(centre)
        roots.append(WIDER * np.swapaxes(np.linalg.inv(low), -1, -2))
    return centres, roots


def _importance(
    part: _Part,
    elements: np.ndarray,
    standard: np.ndarray,
    centres: Sequence[np.ndarray],
    roots: Sequence[np.ndarray],
) -> Weighted:
    """Weighted points of the mixture of t distributions about the centres (n, k).

    standard : ndarray (n, point, k)
        Points of a standard t distribution that they are made of.
    """
    n, count, k = standard.shape
    which = np.arange(count) % len(centres)
    points = np.empty_like(standard)
    for c, (centre, root) in enumerate(zip(centres, roots, strict=True)):
        mine = which == c
        points[:, mine] = centre[:, None, :] + standard[:, mine] @ np.swapaxes(root, -1, -2)
    proposed = np.empty((len(centres), n, count))
    for c, (centre, root) in enumerate(zip(centres, roots, strict=True)):
        scale = np.log(np.abs(np.linalg.det(root)))[:, None]
        off = (points - centre[:, None, :]) @ np.swapaxes(np.linalg.inv(root), -1, -2)
        distance = (off**2).sum(axis=-1)
        proposed[c] = -0.5 * (FREEDOM + k) * np.log1p(distance / FREEDOM) - scale
    logs = _log(part.factors, elements, points) - logsumexp(proposed, axis=0)
    logs -= logs.max(axis=1, keepdims=True)
    weights = np.exp(logs)
    return Weighted(points, weights / weights.sum(axis=1, keepdims=True))
