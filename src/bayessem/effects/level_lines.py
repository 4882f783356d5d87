"""Expected values and slopes of two-level models where variables are set: straight lines.

Setting a variable of level 1 sets the deviation from its cluster where it is at both levels, and
the value itself where it is at level 1 alone; setting one of level 2 sets it for the cluster. A
random slope then has its expected value given what is set at level 2, so that E[y | do(x), do(w)]
of a cross-level moderation is linear in x and in w, with their product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.effects.effects import chosen_groups
from bayessem.effects.pathways import position
from bayessem.errors import ModelError, NotSupported
from bayessem.model.structure import RandomSlope, Structure
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import model_moments


@dataclass(frozen=True)
class AtLevel:
    """A variable at a level: 0 within, 1 between."""

    level: int
    variable: int


def levels_of(structure: Structure, name: str) -> tuple[int, ...]:
    """The levels that have a variable."""
    rows = structure.table.rows
    return tuple(k for k in range(2) if any(r.group == k and name in (r.lhs, r.rhs) for r in rows))


def moderator_at(structure: Structure, name: str) -> AtLevel:
    """A variable to be held at values: of the cluster where the cluster has it."""
    v = position(structure, name, "at:")
    return AtLevel(max(levels_of(structure, name)), v)


def level_scale(fit: Fitted, at: AtLevel) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (...) at its level, groups together.

    Implied by the model; of a covariate that it conditions on, those of the data.
    """
    structure, sample, clusters = (
        fit.prepared.structure,
        fit.prepared.sample,
        fit.prepared.sample.clusters,
    )
    assert clusters is not None
    shape = fit.elements.shape[:-1]
    name = structure.variables[at.variable]
    if name in structure.table.exogenous:
        column = sample.values[:, sample.variables.index(name)]
        column = column[clusters.first()] if at.level else column
        return np.full(shape, np.nanmean(column)), np.full(shape, np.nanstd(column))
    count = len(clusters.groups)
    sizes = np.array([np.sum(sample.group == 2 * g) for g in range(count)], dtype=float)
    mean, square = np.zeros(shape), np.zeros(shape)
    for g, share in enumerate(sizes / sizes.sum()):
        moments = model_moments(structure, fit.elements, group=2 * g + at.level)
        own = moments.latent_mean[..., at.variable]
        mean = mean + share * own
        square = square + share * (
            moments.latent_covariance[..., at.variable, at.variable] + own**2
        )
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0))


@dataclass(frozen=True)
class _Block:
    """Latent variables of a level with some of them set: constant and slope on x, (..., m)."""

    constant: np.ndarray
    slope: np.ndarray
    total: np.ndarray


def _set(
    structure: Structure,
    elements: np.ndarray,
    block: int,
    x: int | None,
    others: Mapping[int, np.ndarray],
) -> _Block:
    matrices = structure.matrices(elements, block)
    m = matrices["paths"].shape[-1]
    free = np.ones(m)
    free[[*others, *([] if x is None else [x])]] = 0.0
    total = np.linalg.inv(np.eye(m) - matrices["paths"] * free[:, None])
    own = np.array(matrices["means"] * free)
    for v, value in others.items():
        own[..., v] = value
    constant = (total @ own[..., None])[..., 0]
    slope = np.zeros_like(constant) if x is None else total[..., x]
    return _Block(constant, slope, total * free)


def _refuse_chains(structure: Structure, slopes: Sequence[RandomSlope], x: AtLevel) -> None:
    """A predictor that another random slope leads to: E[s1 s2] is no product of means."""
    for one in slopes:
        if x == AtLevel(0, one.predictor):
            continue
        for other in structure.slopes:
            if one.predictor in structure.descendants({other.outcome}):
                names = [structure.variables[s.slope] for s in (other, one)]
                raise NotSupported(
                    f"the random slopes {names[0]!r} and {names[1]!r} lie on one path, whose "
                    f"expected effect depends on their covariance: ask for {names[0]!r} and "
                    f"{names[1]!r} one by one, or write the product as ':=' with that covariance"
                )


def expected_line(
    structure: Structure,
    elements: np.ndarray,
    group: int,
    x: AtLevel,
    y: int,
    others: Sequence[tuple[AtLevel, np.ndarray]] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """E[y | do(x)] as (constant (...), slope on x (...)), with others held at values (...).

    An observed variable at both levels is the sum of its two parts; a construct of one name at both
    levels is that of x's level.
    """
    held: tuple[dict[int, np.ndarray], dict[int, np.ndarray]] = ({}, {})
    for at, value in others:
        held[at.level][at.variable] = value
    inner, outer = (
        _set(
            structure,
            elements,
            2 * group + k,
            x.variable if x.level == k else None,
            held[k],
        )
        for k in range(2)
    )
    name = structure.variables[y]
    there = levels_of(structure, name)
    if name not in structure.observed and len(there) > 1:
        there = (x.level,)
    constant, slope = np.zeros(elements.shape[:-1]), np.zeros(elements.shape[:-1])
    for k, block in enumerate((inner, outer)):
        if k in there:
            constant = constant + block.constant[..., y]
            slope = slope + block.slope[..., y]
    if 0 not in there:
        return constant, slope
    active = [s for s in structure.slopes if np.any(inner.total[..., y, s.outcome])]
    _refuse_chains(structure, active, x)
    for s in active:
        reach = inner.total[..., y, s.outcome]
        a, b = outer.constant[..., s.slope], outer.slope[..., s.slope]
        c, d = inner.constant[..., s.predictor], inner.slope[..., s.predictor]
        constant = constant + reach * a * c  # one of b and d is 0: x is at one level
        slope = slope + reach * (a * d + b * c)
    return constant, slope


def chosen_blocks(
    structure: Structure, x: str, group: str | Sequence[str] | None
) -> list[tuple[int, AtLevel]]:
    """Group and level of x that are asked for; by default every level that has it.

    Raises
    ------
    ModelError
        For a block that the model does not have, or that does not have x.
    """
    i, there = position(structure, x), levels_of(structure, x)
    blocks = structure.table.groups
    picked = [g for g in chosen_groups(blocks, group) if g % 2 in there]
    if not picked:
        own = [name for g, name in enumerate(blocks) if g % 2 in there]
        raise ModelError(
            f"{x!r} is not a variable of {group!r}; it is one of {', '.join(map(repr, own))}"
        )
    return [(g // 2, AtLevel(g % 2, i)) for g in picked]


def moderated_slope(structure: Structure, x: str, y: str) -> RandomSlope | None:
    """The random slope of a path from x to y, None without one."""
    i, j = position(structure, x), position(structure, y)
    return next((s for s in structure.slopes if (s.predictor, s.outcome) == (i, j)), None)


def slope_causes(structure: Structure, slope: RandomSlope) -> tuple[int, ...]:
    """The variables of level 2 that explain a random slope."""
    return tuple(
        dict.fromkeys(
            place.j
            for k, place in structure.places.items()
            if place.matrix == "paths"
            and place.i == slope.slope
            and place.group % 2 == 1
            and not (structure.table.rows[k].free < 0 and not structure.table.rows[k].value)
        )
    )


def slope_by(
    structure: Structure, elements: np.ndarray, group: int, slope: RandomSlope, moderator: int
) -> dict[tuple[int, ...], np.ndarray]:
    """Expected random slope, a polynomial in a variable of level 2 that is set."""
    outer = _set(structure, elements, 2 * group + 1, moderator, {})
    return {(0,): outer.constant[..., slope.slope], (1,): outer.slope[..., slope.slope]}


def slope_groups(structure: Structure, group: str | Sequence[str] | None) -> dict[int, str]:
    """Groups of a model with random slopes by their position, "" for one."""
    names = [name.removesuffix("within").strip() for name in structure.table.groups[::2]]
    return {g: names[g] for g in chosen_groups(names, group)}
