"""Means of models with composites: what the mean w'nu of a composite does to other intercepts.

A composite has the mean that its weights and its items' means give it; its intercept is what its
predictors leave of that. Everything it predicts has a mean that moves with its paths and weights:
sampled are therefore intercepts where composites and covariates are at their means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

import numpy as np

from bayessem.model.cells import Factor, Number, Term
from bayessem.model.structure import Structure


@dataclass
class Levels:
    """Numbers and cells of the means of one group, as they are found.

    Attributes
    ----------
    numbers, cells : list of Number, dict
        As in `composites.Filled`.
    shifted : set of str
        Intercepts that are sampled at the means of what explains the variable.
    """

    numbers: list[Number] = field(default_factory=list)
    cells: dict[int, tuple[Term, ...]] = field(default_factory=dict)
    shifted: set[str] = field(default_factory=set)

    def sum_of(self, name: str, terms: list[Term]) -> Factor:
        """A number that is this sum; 0 without terms."""
        if not terms:
            return 0.0
        self.numbers.append(Number(name, tuple(terms)))
        return name


def group_levels(
    structure: Structure,
    base: np.ndarray,
    group: int,
    *,
    effect: Callable[[int], Factor],
    means: Mapping[int, str],
    shift: Callable[[str], bool],
) -> Levels:
    """Means and intercepts of one group.

    Parameters
    ----------
    structure : Structure
        The model.
    base : ndarray (elements,)
        Fixed matrix elements.
    group : int
    effect : callable
        The factor that is the path or loading in a row of the table.
    means : mapping
        Number that is the mean of each composite, by variable.
    shift : callable
        Whether an intercept, by its parameter, may be sampled at the means.

    Returns
    -------
    Levels
        Empty for a model with a loop, and for variables that depend on products: there a
        composite's intercept is w'nu, and the means of its items are nu plus what that leaves out.
    """
    arrows = _arrows(structure, group, effect)
    try:
        order = tuple(
            TopologicalSorter(
                {v: [j for j, _ in x] for v, x in arrows.incoming.items()}
            ).static_order()
        )
    except CycleError:
        return Levels()
    out = Levels()
    known = _latent_levels(structure, base, group, order, arrows, means, shift, out)
    items = {i for c in structure.composites for i in c.items if c.group == group}
    for i, terms in arrows.loaded.items():
        k = arrows.own.get(("intercepts", i))
        row = None if k is None or i in items else structure.table.rows[k]
        if row is None or row.free < 0:
            continue
        name = structure.table.parameters[row.free]
        (at,) = structure.element_of("intercepts", i, 0, group)
        part: list[Term] = [(b, known[j], 1.0) for j, b in terms if known[j] != 0.0]
        if shift(name):
            _shifted(out, name, at, part, f"{structure.observed[i]} {group}")
    return out


@dataclass(frozen=True)
class _Arrows:
    """Paths and loadings by what they lead to, and rows of means and intercepts by variable."""

    incoming: dict[int, list[tuple[int, Factor]]]
    loaded: dict[int, list[tuple[int, Factor]]]
    own: dict[tuple[str, int], int]


def _arrows(structure: Structure, group: int, effect: Callable[[int], Factor]) -> _Arrows:
    out = _Arrows({v: [] for v in range(len(structure.variables))}, {}, {})
    for k, place in structure.rows_of_groups[group].items():
        row = structure.table.rows[k]
        present = row.free >= 0 or bool(row.value)
        if place.matrix == "paths" and present:
            out.incoming[place.i].append((place.j, effect(k)))
        elif place.matrix == "loadings" and present:
            out.loaded.setdefault(place.i, []).append((place.j, effect(k)))
        elif place.matrix in ("means", "intercepts"):
            out.own[place.matrix, place.i] = k
    return out


def _latent_levels(
    structure: Structure,
    base: np.ndarray,
    group: int,
    order: tuple[int, ...],
    arrows: _Arrows,
    means: Mapping[int, str],
    shift: Callable[[str], bool],
    out: Levels,
) -> dict[int, Factor]:
    """Fill in the means of the variables; their parts through composites and covariates."""
    unknown = set().union(*structure.affected) if structure.products else set()
    level: dict[int, Factor] = {}  # the whole mean
    known: dict[int, Factor] = {}
    for v in order:
        where = f"{structure.variables[v]} {group}"
        (at,) = structure.element_of("means", v, 0, group)
        whole: list[Term] = [(b, level[j], 1.0) for j, b in arrows.incoming[v] if level[j] != 0.0]
        part: list[Term] = [(b, known[j], 1.0) for j, b in arrows.incoming[v] if known[j] != 0.0]
        if v in means:
            level[v] = known[v] = means[v]
            if whole and v not in unknown:
                rest = out.sum_of(f"{where}: from others", whole)
                out.cells[at] = ((means[v], 1.0, 1.0), (rest, -1.0, 1.0))
            continue
        k = arrows.own.get(("means", v))
        row = None if k is None else structure.table.rows[k]
        if row is not None and row.free >= 0:
            name = structure.table.parameters[row.free]
            sampled = _shifted(out, name, at, part, where) if shift(name) else False
            known[v] = 0.0 if sampled else out.sum_of(f"{where}: known mean", part)
            intercept = list(out.cells.get(at, ((name, 1.0, 1.0),)))
        else:
            fixed = float(base[at])
            intercept = [(fixed, 1.0, 1.0)] if fixed else []
            covariate = row is not None and row.exogenous
            known[v] = fixed if covariate else out.sum_of(f"{where}: known mean", part)
        level[v] = out.sum_of(f"{where}: whole mean", [*intercept, *whole])
    return known


def _shifted(out: Levels, name: str, at: int, part: list[Term], where: str) -> bool:
    """Sample an intercept at the means of what explains its variable; False where that is 0."""
    if part:
        moved = out.sum_of(f"{where}: at the means", part)
        out.cells[at] = ((name, 1.0, 1.0), (moved, -1.0, 1.0))
        out.shifted.add(name)
    return bool(part)
