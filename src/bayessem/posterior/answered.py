"""Where, and in which coordinates, a posterior of ordered answers is sampled."""

from __future__ import annotations

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
    for _ in range(0 if density.approximate else ROUNDS):
        point = climb(own, point)
        at = own.elements(own.natural(point))
        own = own.with_plan(posterior_density(space, structure, sample, at=at))
    found = approximate(own, point)
    rng = np.random.default_rng(0)
    near = found.maximum.x + rng.standard_normal((LATTICE_POINTS, own.size)) @ found.root.T
    at = own.elements(found.density.natural(near))
    density = posterior_density(space, structure, sample, at=at)
    last = again(found, found.density.with_plan(density))
    if density.approximate:
        last = lowered(last)
        refuse_far(last)
    return density, last


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
