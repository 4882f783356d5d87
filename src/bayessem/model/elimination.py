"""Linear constraints in the sampled space: a parameter that the others determine is not sampled.

An equation is solved for one of its parameters, which becomes a cell that is a sum of the others'
terms. An inequality `a > b` becomes `a = b + distance` with the distance sampled from a half-normal
prior as wide as the prior of the parameter that it replaces. Priors apply to what is sampled.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from bayessem.errors import ModelError, NotSupported
from bayessem.model.cells import Term
from bayessem.model.linear_constraints import LinearSystem, linear_system
from bayessem.model.priors import KINDS, Prior
from bayessem.model.space import Coordinate, Space
from bayessem.model.structure import Structure
from bayessem.syntax.parameters import ParameterTable

SMALL = 1e-9  # of a coefficient, relative to the largest of its equation


def eliminate(space: Space, structure: Structure) -> Space:
    """Take the parameters that linear constraints determine out of the sampled space.

    Parameters
    ----------
    space : Space
        Without constraints.
    structure : Structure
        Whose table has the constraints.

    Returns
    -------
    Space
        The same one when there are no constraints.

    Raises
    ------
    ModelError
        For equations that contradict each other.
    NotSupported
        For nonlinear constraints, and those that leave no parameter to be computed.
    """
    table = structure.table
    if not table.constraints:
        return space
    system = linear_system(table)
    solved = _solved(system, _candidates(space, table), table)
    cell_of = {table.parameters[table.rows[k].free]: cell for k, cell in space.cell_of_row.items()}
    distances = _distances(system, solved, space, table)
    cells = list(space.cells)
    for name, (constant, others) in solved.items():
        terms: list[Term] = [(constant, 1.0, 1.0)] if constant or not others else []
        for other, slope in others.items():
            own = space.cells[cell_of[other]] if other in cell_of else ((other, 1.0, 1.0),)
            terms += [_scaled(term, slope) for term in own]
        cells[cell_of[name]] = tuple(terms)
    order = {kind: i for i, kind in enumerate(KINDS)}
    kept = [c for c in space.coordinates if c.name not in solved]
    coordinates = sorted([*kept, *distances], key=lambda c: order[c.kind])
    lone = tuple(p for p in _lone_variances(structure, solved) if p not in space.proper)
    return dataclasses.replace(
        space,
        coordinates=tuple(coordinates),
        cells=tuple(cells),
        proper=(*space.proper, *lone),
    )


def computed_parameters(space: Space, table: ParameterTable) -> tuple[str, ...]:
    """Free parameters of the table that constraints determine, so that they are not sampled."""
    sampled = set(space.names)
    if not table.constraints:
        return ()
    return tuple(name for name in table.parameters if name not in sampled)


def _candidates(space: Space, table: ParameterTable) -> list[str]:
    """Parameters that an equation may be solved for, the best first.

    What stands alone on a left side comes first, as `b3 == b1 + b2` reads; variances last, since
    the sum of the others could be negative. A bound or a prior of its own would be lost.
    """
    alone = {row.lhs for row in table.constraints}
    rows: dict[str, list[int]] = {}
    for k, row in enumerate(table.rows):
        if row.free >= 0:
            rows.setdefault(table.parameters[row.free], []).append(k)
    ranked: list[tuple[bool, bool, bool, int, str]] = []
    for i, c in enumerate(space.coordinates):
        if c.name not in rows or c.kind == "correlation" or c.kind.startswith("pool"):
            continue
        own = [table.rows[k] for k in rows[c.name]]
        variance = c.kind.endswith("_sd")
        # a variance has to be positive anyhow, which the blocks of one see to
        lower, upper = (own[0].lower, own[0].upper) if variance else (c.lower, c.upper)
        if upper < math.inf or lower > (0.0 if variance else -math.inf):
            continue
        named = any(row.label in alone or row.name in alone for row in own)
        ranked.append((variance, any(row.prior for row in own), not named, i, c.name))
    return [name for *_, name in sorted(ranked)]


def _solved(
    system: LinearSystem, candidates: list[str], table: ParameterTable
) -> dict[str, tuple[float, dict[str, float]]]:
    """Each determined parameter as (constant, slope by parameter or inequality)."""
    position = {name: i for i, name in enumerate(table.parameters)}
    k = len(system.texts)
    left = np.block(
        [
            [system.equal, np.zeros((len(system.equal), k))],
            [system.above, -np.eye(k)],
        ]
    )
    work = np.column_stack([left, np.concatenate([system.right, system.limit])])
    size = np.abs(work[:, :-1]).max(axis=1, keepdims=True)
    work = work / np.where(size > 0, size, 1.0)
    given = np.abs(work[:, -1]).max(initial=0.0)
    pivots: list[str] = []
    for name in candidates:
        done, column = len(pivots), position[name]
        if done == len(work):
            break
        best = done + int(np.abs(work[done:, column]).argmax())
        if abs(work[best, column]) < SMALL:
            continue
        work[[done, best]] = work[[best, done]]
        work[done] = work[done] / work[done, column]
        for other in range(len(work)):
            if other != done:
                work[other] = work[other] - work[other, column] * work[done]
        pivots.append(name)
    _check_rest(work[len(pivots) :], table, 1e-6 * float(given))
    names = [*table.parameters, *system.texts]
    return {
        name: (
            float(row[-1]) + 0.0,
            {
                other: -float(row[j])
                for j, other in enumerate(names)
                if other != name and abs(row[j]) > SMALL
            },
        )
        for name, row in zip(pivots, work, strict=False)
    }


def _check_rest(rest: np.ndarray, table: ParameterTable, rounding: float) -> None:
    """Equations that were not solved for a parameter have to say nothing."""
    for row in rest:
        if np.abs(row[:-1]).max(initial=0.0) > SMALL:
            involved = [
                name
                for name, slope in zip(table.parameters, row[: len(table.parameters)], strict=True)
                if abs(slope) > SMALL
            ]
            raise NotSupported(
                f"the constraints on {', '.join(involved) or 'the same difference'} cannot be "
                "sampled: no parameter without bounds and pooling is left that the others could "
                "determine; drop a bound or a constraint, or estimate the model by maximum "
                "likelihood (sem.ml)"
            )
        if abs(row[-1]) > rounding:
            raise ModelError(
                "the '==' constraints contradict each other; no parameters meet them all"
            )


def _distances(
    system: LinearSystem,
    solved: Mapping[str, tuple[float, dict[str, float]]],
    space: Space,
    table: ParameterTable,
) -> list[Coordinate]:
    """A positive coordinate for each inequality, as wide as the prior of what it replaces."""
    old = {c.name: c for c in space.coordinates}
    out = []
    for text, slopes in zip(system.texts, system.above, strict=True):
        name = next(n for n, (_, others) in solved.items() if text in others)
        replaced = old[name]
        width = replaced.prior.named.get("sigma", 1.0)
        kind = replaced.kind
        if kind.endswith("_sd"):  # the constraint is about variances
            width, kind = width**2, "covariance"
        slope = abs(float(slopes[table.parameters.index(name)])) or 1.0
        prior = Prior("half_normal", sigma=width * slope)
        out.append(Coordinate(text, kind, prior, 0.0, math.inf))
    return out


def _scaled(term: Term, slope: float) -> Term:
    """The term times a number; a factor that is a number takes it."""
    factors = list(term)
    for i, factor in enumerate(factors):
        if not isinstance(factor, str):
            factors[i] = float(factor) * slope
            return factors[0], factors[1], factors[2]
    if slope != 1.0:
        raise NotSupported(f"a multiple of the covariance of {term[1]} and {term[2]}")
    return term


def _lone_variances(
    structure: Structure, solved: Mapping[str, tuple[float, dict[str, float]]]
) -> list[tuple[int, int, tuple[int, ...]]]:
    """Computed variances, for the check that they are positive (as blocks of one)."""
    table = structure.table
    out = []
    for k, place in structure.places.items():
        free = table.rows[k].free
        if place.i != place.j or place.matrix not in ("disturbances", "residuals") or free < 0:
            continue
        if table.parameters[free] in solved:
            code = 0 if place.matrix == "disturbances" else 1
            out.append((code, place.group, (place.i,)))
    return list(dict.fromkeys(out))
