"""Which way constructs without a marker run: decided at the maximum, never by which item is first.

The posterior of such a model consists of mirror images. Any loading kept on one side of 0 leaves
one of them, and all choices give the same posterior of everything that has no direction; but a
loading near 0 would cut through the middle of an image. So the loading that is furthest from 0, in
its posterior standard deviations, is kept on its side, and the direction is the one in which a
construct's standardised loadings sum to a positive number: most items positive, in whatever order.
A bound, a prior or a start value of the user's on a loading decides instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.model.pooling import Pooled, pooled_parameters
from bayessem.model.prepare import Prepared
from bayessem.model.signs import (
    Turn,
    bounded_names,
    coordinate_signs,
    free_turns,
    one_sided,
    references,
    started_names,
    with_signs,
)
from bayessem.model.space import Coordinate
from bayessem.model.starts import initial_point, start_values
from bayessem.model.structure import Structure
from bayessem.posterior.assemble import has_integral, posterior_density
from bayessem.posterior.density import Density
from bayessem.posterior.optimise import Maximum, inverse_root, maximise
from bayessem.results.standardize import standardised

# A loading that is the same in all groups says which way a construct runs before those that are
# pooled, when it is this many standard deviations from 0.
CLEAR = 4.0


@dataclass(frozen=True)
class Orientation:
    """A model whose constructs have a direction.

    Attributes
    ----------
    prepared : Prepared
        With the bounds that keep it.
    signs : dict
        Side of 0 of each loading that is kept there: 1 or -1.
    values : ndarray (free,)
        Of the table's parameters at the maximum, in that direction.
    start : ndarray (D,)
        The same as coordinates.
    base : Maximum or None
        Of the posterior without pooling, in that direction; None where there is no integral.
    mirrors : tuple of (name, side, signs)
        Pooled loadings whose population mean has to be on one side, and the signs (D,) that take
        draws from the other side there.
    """

    prepared: Prepared
    signs: dict[str, float]
    values: np.ndarray
    start: np.ndarray
    base: Maximum | None
    mirrors: tuple[tuple[str, float, np.ndarray], ...]

    def settled(self, draws: np.ndarray) -> np.ndarray:
        """Draws (..., D) with those of a mirror image turned round."""
        names = self.prepared.space.names
        for name, side, signs in self.mirrors:
            wrong = side * draws[..., names.index(name)] < 0
            draws = np.where(wrong[..., None], signs * draws, draws)
        return draws


def orient(prepared: Prepared, *, integrate: bool = True) -> Orientation | None:
    """Give every construct without a marker a direction; None when there is none.

    Parameters
    ----------
    prepared : Prepared
        The model with its data.
    integrate : bool
        False when the latent variables are sampled because they cannot be integrated out: there is
        no maximum then, and the start values decide.

    Raises
    ------
    FitError
        When the density is not finite at the start.
    """
    turns = free_turns(prepared.structure, prepared.pooling)
    if not turns:
        return None
    space = prepared.unpooled or prepared.space
    own = posterior_density(space, prepared.structure, prepared.sample, integrate=integrate)
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    wanted = _wanted(prepared, turns, values)
    x = initial_point(space, prepared.table, values * wanted)
    base = None
    if integrate and np.isfinite(own.value_and_gradient(x)[0]):
        # Which way things run is seen from nearby; the balance of hierarchies wants the maximum.
        base = maximise(own, x, newton=0 if prepared.unpooled is None else 12)
    x = x if base is None else base.x
    elements = own.elements(own.natural(x))
    weights = loading_weights(prepared.structure, elements)
    decided = _decided(prepared, turns, own.natural(x))
    signs = direction(prepared.structure, turns, weights, decided)
    of_base = np.array([signs.get(name, 1.0) for name in space.names])
    distances = dict(zip(space.names, _distances(own, base), strict=True))
    if base is None:
        distances = _largest(prepared.structure, weights)
    oriented, sides, mirrors = _kept(prepared, turns, distances, own.natural(x) * of_base)
    values = _table_values(prepared, elements, signs)
    start = initial_point(oriented.space, prepared.table, values)
    # a table has covariances, whose coordinates initial_point leaves at 0
    moved = {c.name: x[i] * of_base[i] for i, c in enumerate(space.coordinates)}
    for i, c in enumerate(oriented.space.coordinates):
        if c.kind == "correlation" and c.name in moved:
            start[i] = moved[c.name]
    if base is not None:
        base = dataclasses.replace(
            base, x=base.x * of_base, hessian=base.hessian * np.outer(of_base, of_base)
        )
    return Orientation(oriented, sides, values, start, base, mirrors)


def oriented(prepared: Prepared) -> Prepared:
    """The model with the bounds that sampling it would have."""
    found = orient(prepared, integrate=has_integral(prepared.structure))
    return prepared if found is None else found.prepared


def direction_signs(structure: Structure, elements: np.ndarray) -> np.ndarray:
    """Signs (free,) that turn constructs at a maximum of the likelihood the way most items run.

    What the user bounded or gave a start value stays on the side on which it was found.

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (elements,)
        Flat model matrices at the maximum.
    """
    turns = free_turns(structure)
    if not turns:
        return np.ones(len(structure.table.parameters))
    kept = bounded_names(structure) | started_names(structure)
    decided = {turn: False for turn in turns if turn.parameters & kept}
    signs = direction(structure, turns, loading_weights(structure, elements), decided)
    return np.array([signs.get(name, 1.0) for name in structure.table.parameters])


def loading_weights(structure: Structure, elements: np.ndarray) -> np.ndarray:
    """Standardised value of each row of the table at one point, 0 where it has none, (rows,)."""
    return np.nan_to_num(standardised(structure, elements))


def direction(
    structure: Structure,
    turns: Sequence[Turn],
    weights: np.ndarray,
    decided: Mapping[Turn, bool],
) -> dict[str, float]:
    """-1 for each parameter that changes sign so that constructs run with most of their items.

    Parameters
    ----------
    structure : Structure
        The model.
    turns : sequence of Turn
        From `free_turns`.
    weights : ndarray (rows,)
        Standardised values of the table's rows.
    decided : mapping
        Turns that something else decides: whether to turn.
    """
    table = structure.table
    variable = {name: j for j, name in enumerate(structure.variables)}
    weights = np.array(weights)
    out: dict[str, float] = {}
    for turn in turns:
        changed = [
            k
            for k in structure.places
            if table.rows[k].free >= 0 and table.parameters[table.rows[k].free] in turn.parameters
        ]
        own = [
            k
            for k in changed
            if table.rows[k].op == "=~"
            and (table.rows[k].group, variable[table.rows[k].lhs]) in turn.constructs
        ]
        if turn in decided:
            turns_round = decided[turn]
        else:
            total, size = weights[own].sum(), np.abs(weights[own]).sum()
            # two items that load alike with opposite signs: the first one, for want of a reason
            tie = abs(total) <= 1e-6 * size
            turns_round = bool((weights[own[0]] if tie else total) < 0) if own else False
        if turns_round:
            weights[changed] *= -1.0
            for name in turn.parameters:
                out[name] = -out.get(name, 1.0)
    return out


def _pull(loadings: Sequence[Coordinate], value: Mapping[str, float]) -> float:
    """How much the user's priors of loadings favour these values over those of the other sign."""
    return sum(
        value[c.name] * c.prior.named.get("mu", 0.0) / c.prior.named["sigma"] ** 2
        for c in loadings
        if "sigma" in c.prior.named
    )


def _loadings(prepared: Prepared, turn: Turn) -> list[Coordinate]:
    """The loadings that a turn changes the sign of, as they are sampled without pooling."""
    space = prepared.unpooled or prepared.space
    return [c for c in space.coordinates if c.kind == "loading" and c.name in turn.parameters]


def _wanted(prepared: Prepared, turns: Sequence[Turn], values: np.ndarray) -> np.ndarray:
    """Signs that take start values (free,) to the side that priors and bounds are on, (free,)."""
    names = prepared.table.parameters
    value = dict(zip(names, values, strict=True))
    for turn in turns:
        loadings = _loadings(prepared, turn)
        held = sum(
            value[c.name] if c.lower >= 0.0 else -value[c.name]
            for c in loadings
            if one_sided(c.lower, c.upper)
        )
        if (held or _pull(loadings, value)) < 0:
            value |= {name: -value[name] for name in turn.parameters}
    return np.array([1.0 if value[n] == v else -1.0 for n, v in zip(names, values, strict=True)])


def _decided(prepared: Prepared, turns: Sequence[Turn], natural: np.ndarray) -> dict[Turn, bool]:
    """Turns that the user decides, by bounds, start values or priors of loadings."""
    space = prepared.unpooled or prepared.space
    value = dict(zip(space.names, natural, strict=True))
    bounded = bounded_names(prepared.structure)
    started = started_names(prepared.structure)
    out: dict[Turn, bool] = {}
    for turn in turns:
        loadings = _loadings(prepared, turn)
        held = any(one_sided(c.lower, c.upper) for c in loadings)
        pull = _pull(loadings, value)
        if held or turn.parameters & (started | bounded):
            out[turn] = False
        elif pull:
            out[turn] = pull < 0
    return out


def _distances(density: Density, found: Maximum | None) -> np.ndarray:
    """How many posterior standard deviations each coordinate is from 0, (D,)."""
    if found is None:
        return np.zeros(density.size)
    root = inverse_root(found.hessian)
    return np.abs(found.x) / np.sqrt(np.sum(root * root, axis=1))


def _largest(structure: Structure, weights: np.ndarray) -> dict[str, float]:
    """Size of each parameter's standardised value, where there is no posterior to measure by."""
    table = structure.table
    return {
        table.parameters[table.rows[k].free]: abs(float(weights[k]))
        for k in structure.places
        if table.rows[k].free >= 0
    }


def _kept(
    prepared: Prepared,
    turns: Sequence[Turn],
    distances: Mapping[str, float],
    natural: np.ndarray,
) -> tuple[Prepared, dict[str, float], tuple[tuple[str, float, np.ndarray], ...]]:
    """The model with a loading of each turn on its side of 0; sides; what to mirror after."""
    base = prepared.unpooled or prepared.space
    value = dict(zip(base.names, natural, strict=True))
    loadings = [c for c in base.coordinates if c.kind == "loading" and c.name in value]
    sampled = {c.name for c in prepared.space.coordinates if c.kind == "loading"}

    def rank(name: str) -> tuple[bool, float]:
        clear = name in sampled and distances[name] > CLEAR
        return not clear, -distances[name]

    held = [c.name for c in loadings if one_sided(c.lower, c.upper) and c.name in sampled]
    others = sorted((c.name for c in loadings if c.name not in held), key=rank)
    names, own = references(turns, [*held, *others])
    sides = {name: 1.0 if value[name] >= 0 else -1.0 for name in names}
    space = with_signs(prepared.space, sides)
    pooled: tuple[Pooled, ...] = ()
    if prepared.unpooled is not None and prepared.pooling is not None:
        pooled = pooled_parameters(prepared.structure, prepared.pooling)
    mirrors = []
    for name, turn in zip(names, own, strict=True):
        if name not in sampled:
            mean = next(p.name for p in pooled if name in p.members)
            signs = coordinate_signs(space, prepared.structure, turn, prepared.pooling)
            mirrors.append((mean, sides[name], signs))
    bounds = {n: s for n, s in sides.items() if n in sampled}
    return dataclasses.replace(prepared, space=space), bounds, tuple(mirrors)


def _table_values(
    prepared: Prepared, elements: np.ndarray, signs: Mapping[str, float]
) -> np.ndarray:
    """Values of the table's free parameters in model matrices, with signs changed, (free,)."""
    table, structure = prepared.table, prepared.structure
    out = np.full(len(table.parameters), np.nan)
    for k, place in structure.places.items():
        free = table.rows[k].free
        if free >= 0 and np.isnan(out[free]):
            out[free] = elements[structure.element(place)[0]] * signs.get(
                table.parameters[free], 1.0
            )
    return out
