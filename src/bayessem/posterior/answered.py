"""Where, and in which coordinates, a posterior of ordered answers is sampled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayessem.likelihood.engines import ENGINES, LAPLACE
from bayessem.likelihood.laplace_plan import drop_points
from bayessem.model.node_model import factor_model
from bayessem.model.prepare import Prepared
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.answers import loading_scales
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.balance import balanced_density
from bayessem.posterior.coarse_nodes import coarse_density
from bayessem.posterior.covariate_means import at_means, covariate_shifts
from bayessem.posterior.density import Density
from bayessem.posterior.laplace_choice import laplace_arrays
from bayessem.posterior.laplace_tails import lowered, too_far
from bayessem.posterior.optimise import PRECISION, climb
from bayessem.posterior.sampling import CLOSE, Approximation, again, approximate
from bayessem.posterior.scores import scores_about

# Climbs after which lattices are chosen anew before the maximum is looked for to full precision:
# those that suit the start values may be too coarse at the maximum.
ROUNDS = 2
# Points of the approximate posterior at which lattices for ordered answers are chosen.
LATTICE_POINTS = 20
# Steps of the lattices that climbs are on, in those of an exact one.
ROUGH = 1.5
# Points at which a lattice for chains is compared. The exact one is finer than it has to be then,
# and suits draws that are farther out: it is asked once a draw.
TRIED, FINER, FARTHER = 40, 1.25, 1.5
# Bend of the coordinates of loadings. Laplace's approximation has none: its tails are compared, and
# lowered, along them as they are without (laplace_tails.py).
BEND = 2.0
# Why scores are sampled that could have been integrated out.
ASKED = 'latents="sampled" asks for it'


def answered(
    prepared: Prepared, density: Density, start: np.ndarray, *, scored: bool = False
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
    scored : bool
        Sample respondents' scores, too (scores.py), in any case; otherwise only where Laplace's
        approximation is too far from the exact likelihood.
    """
    space, structure, sample = prepared.space, prepared.structure, prepared.sample
    shifts = covariate_shifts(prepared)
    own = density.centred(shifts).answered(
        loading_scales(space, structure, sample), 0.0 if density.approximate else BEND
    )
    point = own.answered_point(at_means(density, shifts, start))

    def plan(points: np.ndarray, finer: float = 1.0) -> Density:
        at = own.elements(points)
        return posterior_density(space, structure, sample, at=at, finer=finer)

    for _ in range(0 if density.approximate else ROUNDS):
        point = climb(own, point, rough=True)
        own = own.with_plan(plan(own.natural(point), 1.0 / ROUGH))
    found = approximate(own, point, precision=PRECISION if density.approximate else CLOSE)
    rng = np.random.default_rng(0)

    def points(count: int, spread: float = 1.0) -> np.ndarray:
        white = spread * rng.standard_normal((count, own.size))
        return found.density.natural(found.maximum.x + white @ found.root.T)

    near = points(LATTICE_POINTS)
    if density.approximate:
        density = plan(near)
        last = lowered(again(found, found.density.with_plan(density)))
        why = ASKED if scored else too_far(last)
        return density, with_scores(prepared, last, why) if why else last
    if scored:
        density = plan(near)
        last = again(found, found.density.with_plan(density))
        return density, with_scores(prepared, last, ASKED)
    if sample.design is None:  # draws of a weighted sample are projected, not weighted
        density = plan(points(LATTICE_POINTS, FARTHER), FINER)
        wanted = found.density.with_plan(density)
        coarse = coarse_density(wanted, structure, sample, near, points(TRIED))
        if coarse is not None:
            return density, replace(again(found, coarse), finer=wanted)
    density = plan(near)
    return density, again(found, found.density.with_plan(density))


def with_scores(prepared: Prepared, found: Approximation, why: str) -> Approximation:
    """The approximation with coordinates for respondents' scores, which are sampled for a reason.

    Parameters
    ----------
    prepared : Prepared
        A model that `scored_model` has.
    found : Approximation
        Of the parameters, by either engine.
    why : str
        The reason in words.
    """
    own, centre = found.density, found.maximum.x
    if own.approximate:
        plan = drop_points(own.ints), own.floats
    else:
        model = factor_model(prepared.structure, prepared.sample)
        elements = own.elements(own.natural(centre))
        ENGINES.load(LAPLACE)
        plan = laplace_arrays(model, np.arange(prepared.sample.size), elements)
    return replace(found, scores=scores_about(own, plan, centre, found.root, why=why))


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
