"""The surface of y over x and z that a model holds, at values of moderators."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bayessem.algebra.polynomial import Polynomial, expectation, multiply, value_at
from bayessem.effects.pathways import directed_paths, moderators
from bayessem.errors import ModelError
from bayessem.model.structure import Structure
from bayessem.results.intervention import intervene
from bayessem.shapes.curve import latent_means
from bayessem.shapes.surface import TERMS, Surface

# A level that is a smaller share of what it is the sum of is 0.
ROUNDING = 1e-12
# The predictors of the outcome's own equation: their factors and coefficient.
Equation = list[tuple[tuple[int, ...], np.ndarray]]


def equation(structure: Structure, elements: np.ndarray, y: int, *, group: int = 0) -> Equation:
    """What stands on the right of y's equation: factors of each term, and its coefficient (...)."""
    matrices = structure.matrices(elements, group)
    places = structure.places.values()
    paths = sorted({p.j for p in places if p.matrix == "paths" and p.i == y})
    products = sorted({p.j for p in places if p.matrix == "products" and p.i == y})
    found: Equation = [((j,), matrices["paths"][..., y, j]) for j in paths]
    found += [(structure.products[t], matrices["products"][..., y, t]) for t in products]
    return found


def powers(factors: tuple[int, ...], x: int, z: int) -> tuple[int, int]:
    """How often x and z are among the factors."""
    return factors.count(x), factors.count(z)


def surface_triples(structure: Structure) -> list[tuple[str, str, str]]:
    """(x, z, y) wherever the product of two variables and a square of one explain y."""
    by_outcome: dict[int, dict[tuple[int, ...], None]] = {}
    for place in structure.places.values():
        if place.matrix == "products":
            by_outcome.setdefault(place.i, {})[structure.products[place.j]] = None
    names = structure.variables
    return [
        (names[pair[0]], names[pair[1]], names[y])
        for y, own in by_outcome.items()
        for pair in own
        if len(pair) == 2 and pair[0] != pair[1] and any((v, v) in own for v in pair)
    ]


def has_surface(structure: Structure, elements: np.ndarray, x: int, z: int, y: int) -> bool:
    """Whether y's own equation has a square or the product of x and z."""
    return any(sum(powers(factors, x, z)) >= 2 for factors, _ in equation(structure, elements, y))


def surface_moderators(
    structure: Structure, elements: np.ndarray, x: int, z: int, y: int, *, effect: str
) -> tuple[int, ...]:
    """Variables on whose values the coefficients of the surface depend."""
    if effect == "direct":
        found = dict.fromkeys(
            v
            for factors, _ in equation(structure, elements, y)
            if sum(powers(factors, x, z))
            for v in factors
        )
    else:
        paths = [p for start in (x, z) for p in directed_paths(structure, start, y)]
        found = dict.fromkeys(v for p in paths for v in moderators(structure, [p]))
    return tuple(v for v in found if v not in (x, z))


def _check_powers(structure: Structure, highest: int, x: int, z: int, y: int) -> None:
    names = structure.variables
    if highest > 2:
        raise ModelError(
            f"{names[y]} depends on {names[x]} and {names[z]} through a product of more than two "
            "of them: the surface is not quadratic; look at it with what_if"
        )
    if highest < 2:
        raise ModelError(
            f"{names[y]} depends on {names[x]} and {names[z]} linearly: a plane has no surface to "
            f"describe; write {names[y]} ~ {names[x]} + {names[z]} + {names[x]}:{names[x]} + "
            f"{names[x]}:{names[z]} + {names[z]}:{names[z]}"
        )


def direct_surface(
    structure: Structure,
    elements: np.ndarray,
    x: int,
    z: int,
    y: int,
    *,
    at: Mapping[int, np.ndarray] | None = None,
    group: int = 0,
) -> tuple[Surface, frozenset[str]]:
    """The surface in y's own equation, through the mean of y with everything else at its average.

    Parameters
    ----------
    structure, elements, group
        The model, its draws (..., elements), which group.
    x, z, y : int
        Positions of the variables.
    at : mapping of int to ndarray (...), optional
        Values of moderators; others are at their means.

    Returns
    -------
    Surface
    frozenset of str
        Those of b1 to b5 that the model does not have.
    """
    terms = equation(structure, elements, y, group=group)
    _check_powers(structure, max((sum(powers(f, x, z)) for f, _ in terms), default=0), x, z, y)
    means = latent_means(structure, elements, group)
    average = {v: means[..., v] for v in range(len(structure.variables))}
    chosen = {**average, **(at or {})}
    zero = np.zeros(elements.shape[:-1])
    usual, here = dict.fromkeys(TERMS, zero), dict.fromkeys(TERMS, zero)
    there = set()
    for factors, coefficient in terms:
        power = powers(factors, x, z)
        rest = [v for v in factors if v not in (x, z)]
        there.add(power)
        for values, into in ((average, usual), (chosen, here)):
            into[power] = into[power] + coefficient * np.prod(
                [np.ones(zero.shape), *(values[v] for v in rest)], axis=0
            )
    moments = _moments(structure, elements, x, z, group)
    # through the means; what the moderators add to the level themselves comes on top
    parts = np.stack(
        [means[..., y], here[0, 0], -usual[0, 0], *(-usual[t] * moments[t] for t in TERMS[1:])]
    )
    level = parts.sum(axis=0)
    # a construct without an intercept has none, and no sign of one
    here[0, 0] = np.where(np.abs(level) > ROUNDING * np.abs(parts).max(axis=0), level, 0.0)
    return Surface(*(here[t] for t in TERMS)), _absent(there)


def total_surface(
    structure: Structure,
    elements: np.ndarray,
    x: int,
    z: int,
    y: int,
    *,
    at: Mapping[int, np.ndarray] | None = None,
    group: int = 0,
) -> tuple[Surface, frozenset[str]]:
    """E[y | do(x, z)] as a surface; arguments and result as in `direct_surface`."""
    others = tuple(at or {})
    set_to = (x, z, *others)
    expected = intervene(structure, elements, set_to, group=group).expected(y)
    _check_powers(structure, max((e[0] + e[1] for e in expected), default=0), x, z, y)
    values = [(at or {})[v] for v in others]
    shape = elements.shape[:-1]
    parts: dict[tuple[int, int], Polynomial] = {t: {} for t in TERMS}
    for exponents, coefficient in expected.items():
        parts[exponents[0], exponents[1]][exponents[2:]] = coefficient
    found = [np.broadcast_to(value_at(parts[t], values), shape) for t in TERMS]
    return Surface(*found), _absent({t for t in TERMS if parts[t]})


def _absent(there: set[tuple[int, int]]) -> frozenset[str]:
    return frozenset(f"b{k}" for k, t in enumerate(TERMS) if k and t not in there)


def _moments(
    structure: Structure, elements: np.ndarray, x: int, z: int, group: int
) -> dict[tuple[int, int], np.ndarray]:
    """E[x^p z^q] of each term, under the model."""
    alone = intervene(structure, elements, keep=(x, z), group=group)
    one, two = alone.latents[x], alone.latents[z]
    found = {(1, 0): one, (0, 1): two}
    found |= {(2, 0): multiply(one, one), (1, 1): multiply(one, two), (0, 2): multiply(two, two)}
    return {power: expectation(value) for power, value in found.items()}
