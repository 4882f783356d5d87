"""Coordinates in which hierarchies across groups are sampled well, from what the data say of them.

The density has coordinates between non-centred and centred, for each group and every tau
(`posterior.hierarchies`). What they need is the estimate of beta_g from the data and its precision:
here, from the maximum and curvature of the same model without pooling.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bayessem.model.pooling import (
    Pooled,
    link_name,
    pooled_parameters,
    pooled_sd,
    slope_name,
)
from bayessem.model.prepare import Prepared
from bayessem.model.space import Coordinate
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.answers import loading_scales
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.density import Density
from bayessem.posterior.hierarchies import Hierarchy
from bayessem.posterior.optimise import Maximum, climb, maximise
from bayessem.posterior.program import LOADING

# Climbs of a model with ordered answers after which lattices are chosen anew.
ROUNDS = 2
# Kinds of coordinates that have to be free of bounds.
LINEAR = ("pool_mean", "pool_slope", "pool_link")


def _normal(c: Coordinate) -> tuple[float, float]:
    """Precision and precision times mean of a coordinate's prior, roughly if it is not normal.

    Of a standard deviation, on the log scale: there a half-normal prior has its mode at log sigma
    and curvature 2.
    """
    named = c.prior.named
    if c.lower == 0.0:
        return 2.0, 2.0 * math.log(named.get("sigma", 1.0))
    precision = 1.0 / named.get("sigma", 1.0) ** 2
    return precision, precision * named.get("mu", 0.0)


def group_information(
    prepared: Prepared, members: list[str], found: Maximum | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Precision of parameters, and precision times estimate, from the data alone, (member,).

    Of the normal approximation to the posterior without pooling, less what its priors say; `found`
    is its maximum, if it is known.
    """
    assert prepared.unpooled is not None
    space = prepared.unpooled
    if prepared.table.answered:
        found = _maximum_of_answers(prepared)
    elif found is None:
        density = posterior_density(space, prepared.structure, prepared.sample)
        values = start_values(prepared.structure, prepared.covariances, prepared.means)
        found = maximise(density, initial_point(space, prepared.table, values))
    size = np.sqrt(np.abs(np.diag(found.hessian)))  # so that units do not say what is flat
    size = np.where(size > 0, size, 1.0)
    roots, vectors = np.linalg.eigh(found.hessian / np.outer(size, size))
    covariance = (vectors / np.maximum(np.abs(roots), 1e-8 * np.abs(roots).max())) @ vectors.T
    covariance = covariance / np.outer(size, size)
    at = [space.names.index(name) for name in members]
    estimate = found.x
    groups = len(prepared.sample.groups)
    for k in range(0, len(at), groups):
        if members[k].split("[")[0] in prepared.zero_mean:
            estimate, covariance = _given_zero_mean(estimate, covariance, at[k : k + groups])
    precision = 1.0 / np.diag(covariance)[at]
    information = precision * estimate[at]
    known = np.array([_normal(space.coordinates[i]) for i in at])
    rest = precision - known[:, 0]
    # nothing beyond the prior: non-centred
    some = rest > 0.01 * precision
    return np.where(some, rest, 0.0), np.where(some, information - known[:, 1], 0.0)


def _maximum_of_answers(prepared: Prepared) -> Maximum:
    """The maximum without pooling, found in the coordinates that suit ordered answers.

    Lattices are chosen anew after each climb. Loadings are then as they are again.
    """
    space, structure, sample = prepared.unpooled, prepared.structure, prepared.sample
    assert space is not None
    density = posterior_density(space, structure, sample)
    values = start_values(structure, prepared.covariances, prepared.means)
    own = density.answered(loading_scales(space, structure, sample), 0.0)
    point = own.answered_point(initial_point(space, prepared.table, values))
    for _ in range(ROUNDS):
        point = climb(own, point, rough=True)
        at = own.elements(own.natural(point))
        own = own.with_plan(posterior_density(space, structure, sample, at=at))
    found = maximise(own, point)
    curved = own.fields["transform"] == LOADING
    natural, scale = own.natural(found.x), np.where(curved, own.fields["upper"], 1.0)
    change = np.where(curved, scale / np.sqrt(1.0 + (natural * scale) ** 2), 1.0)
    return replace(
        found,
        x=np.where(curved, natural, found.x),
        hessian=found.hessian * np.outer(change, change),
    )


def _given_zero_mean(
    estimate: np.ndarray, covariance: np.ndarray, at: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of normal variables given that some of them average 0."""
    to_sum = covariance[:, at].sum(axis=1)
    gain = to_sum / to_sum[at].sum()
    return estimate - gain * estimate[at].sum(), covariance - np.outer(gain, to_sum)


def balanced_density(
    prepared: Prepared,
    density: Density,
    *,
    found: Maximum | None = None,
    start: np.ndarray | None = None,
) -> tuple[Density, np.ndarray]:
    """The posterior of a model with partial pooling in balanced coordinates, and where to start.

    Parameters
    ----------
    prepared : Prepared
        A model with partial pooling.
    density : Density
        Its posterior, as `posterior_density` makes it.
    found : Maximum, optional
        Of the same model without pooling, if it is known.
    start : ndarray (D,), optional
        Where to start, by default at `start_values`.
    """
    pooling, structure = prepared.pooling, prepared.structure
    assert pooling is not None
    pooled = pooled_parameters(structure, pooling)
    at = {name: i for i, name in enumerate(prepared.space.names)}
    values = start_values(structure, prepared.covariances, prepared.means)
    start = initial_point(prepared.space, prepared.table, values)
    linear = [c for c in prepared.space.coordinates if c.kind in LINEAR]
    scales = prepared.space.typical_sds
    bounded = any(
        c.lower > (0.0 if c.name in scales else -np.inf) or c.upper < np.inf for c in linear
    )
    if bounded or structure.table.constraints:
        return density, start  # as they are
    members = [name for p in pooled for name in p.members]
    precision, information = group_information(prepared, members, found)
    groups = len(structure.table.groups)
    predictor = np.zeros(groups) if prepared.predictor is None else prepared.predictor
    predictor = predictor - predictor.mean()
    hierarchies: list[Hierarchy] = []
    for k, p in enumerate(pooled):
        mean, slope = at.get(p.name, -1), at.get(slope_name(p.name, pooling), -1)
        coordinate = prepared.space.coordinates
        own = slice(k * groups, (k + 1) * groups)
        hierarchies.append(
            Hierarchy(
                mu=mean,
                delta=slope,
                tau=at.get(pooled_sd(p.name), -1),
                sd=pooling.sd or 0.0,
                members=tuple(at[name] for name in p.members),
                predictor=predictor,
                precision=precision[own],
                information=information[own],
                mu_prior=_normal(coordinate[mean]) if mean >= 0 else (1.0, 0.0),
                links=_links(pooled, k, at),
                delta_prior=_normal(coordinate[slope]) if slope >= 0 else (1.0, 0.0),
            )
        )
        start[[i for i in (mean, slope) if i >= 0]] = 0.0
    return density.balanced(hierarchies), start


def _links(pooled: tuple[Pooled, ...], k: int, at: dict[str, int]) -> tuple[tuple[int, int], ...]:
    """Coordinates of the coefficients of earlier deviations, and which hierarchy they are of."""
    names = [link_name(pooled[k].name, other.name) for other in pooled[:k]]
    return tuple((at[name], j) for j, name in enumerate(names) if name in at)
