"""Where, and in which coordinates, a posterior of ordered answers is sampled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayessem.model.prepare import Prepared
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.answers import loading_scales
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.balance import balanced_density
from bayessem.posterior.covariate_means import at_means, covariate_shifts
from bayessem.posterior.density import Density
from bayessem.posterior.laplace_tails import lowered, refuse_far
from bayessem.posterior.optimise import climb
from bayessem.posterior.sampling import Approximation, again, approximate

# Climbs after which lattices are chosen anew before the maximum is looked for to full precision:
# those that suit the start values may be too coarse at the maximum.
ROUNDS = 2
# Points of the approximate posterior at which lattices for ordered answers are chosen.
LATTICE_POINTS = 20
# Steps, in those of an exact lattice, of the lattices that climbs and chains may be on. Chains: the
# first one whose log-likelihood, of all respondents, differs from the exact one by no more than
# SPREAD (standard deviation) between TRIED points of the approximate posterior.
ROUGH = 1.5
COARSER = (1.75, 1.5, 1.25)
SPREAD, TRIED = 0.03, 40


def answered(
    prepared: Prepared, density: Density, start: np.ndarray
) -> tuple[Density, Approximation]:
    """The posterior of ordered answers, and its approximation in the coordinates of such answers.

    Lattices, or starts of searches, are chosen at the maximum.

    Parameters
    ----------
    prepared : Prepared
        A model with ordered answers.
    density : Density
        Its posterior, lattices or starts chosen at the start values.
    start : ndarray (D,)
        Where the climb begins, in the coordinates of `density`.

    Raises
    ------
    NotSupported
        When Laplace's approximation is too far from the exact likelihood.
    """
    space, structure, sample = prepared.space, prepared.structure, prepared.sample
    shifts = covariate_shifts(prepared)
    own = density.centred(shifts).answered(loading_scales(space, structure, sample))
    point = own.answered_point(at_means(density, shifts, start))

    def plan(points: np.ndarray, coarser: float) -> Density:
        at = own.elements(points)
        return posterior_density(space, structure, sample, at=at, finer=1.0 / coarser)

    for _ in range(0 if density.approximate else ROUNDS):
        point = climb(own, point)
        own = own.with_plan(plan(own.natural(point), ROUGH))
    found = approximate(own, point)
    rng = np.random.default_rng(0)
    near = found.maximum.x + rng.standard_normal((LATTICE_POINTS, own.size)) @ found.root.T
    points = found.density.natural(near)
    density = plan(points, 1.0)
    if density.approximate:
        last = lowered(again(found, found.density.with_plan(density)))
        refuse_far(last)
        return density, last
    coarse = None
    if sample.design is None:  # draws of a weighted sample are projected, not weighted
        rest = found.maximum.x + rng.standard_normal((TRIED, own.size)) @ found.root.T
        tried = found.density.natural(rest)
        exact = density.respondent_log_likelihood(tried).sum(axis=1)
        coarse = next((d for d in (plan(points, c) for c in COARSER) if _near(d, tried, exact)), None)
    last = again(found, found.density.with_plan(coarse or density))
    finer = None if coarse is None else last.density.with_plan(density)
    return density, replace(last, finer=finer)


def _near(coarse: Density, points: np.ndarray, exact: np.ndarray) -> bool:
    """Whether a lattice's log-likelihood is off by nearly the same at all points."""
    change = coarse.respondent_log_likelihood(points).sum(axis=1) - exact
    return bool(np.isfinite(change).all() and change.std() < SPREAD)


def lattices(prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan of a model with ordered answers, with lattices that suit its posterior."""
    space, structure = prepared.space, prepared.structure
    density = posterior_density(space, structure, prepared.sample)
    values = start_values(structure, prepared.covariances, prepared.means)
    start = initial_point(space, prepared.table, values)
    if prepared.unpooled is not None:
        density, start = balanced_density(prepared, density)
    found, _ = answered(prepared, density, start)
    return found.ints, found.floats
