"""Which constructs a model lets turn round, what changes sign with them, and what fixes the sign.

A construct without a marker (std_lv=True) may run either way: with its loadings, paths and
covariances of the other sign the likelihood is the same. Such turns are the solutions of linear
equations over the numbers modulo 2, a bit for each construct of each group: a fixed value other
than 0 must not change sign, and rows that share a parameter change it together.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor

import numpy as np

from bayessem.model.linear_constraints import constrained_names, linear_forms
from bayessem.model.pooling import Pooling, link_name, pooled_parameters, slope_name
from bayessem.model.space import Coordinate, Space
from bayessem.model.structure import Place, Structure
from bayessem.syntax.parameters import Parameter


@dataclass(frozen=True)
class Turn:
    """A change of signs that leaves the likelihood as it is.

    Attributes
    ----------
    constructs : frozenset of (group, position)
        The constructs that turn round, by their position among `Structure.variables`.
    parameters : frozenset of str
        The table's free parameters that change sign.
    """

    constructs: frozenset[tuple[int, int]]
    parameters: frozenset[str]

    def then(self, other: Turn) -> Turn:
        """Both turns, one after the other."""
        return Turn(self.constructs ^ other.constructs, self.parameters ^ other.parameters)


def free_turns(structure: Structure, pooling: Pooling | None = None) -> tuple[Turn, ...]:
    """Independent turns of a model, those of constructs that others measure first.

    () for a model in which every construct has a marker, or loadings that sum to a number.

    Parameters
    ----------
    structure : Structure
        The model.
    pooling : Pooling, optional
        With partial pooling a parameter has the same sign in all groups.
    """
    table = structure.table
    composites = {name for name, _ in table.composites}  # whose scale is a weight of 1
    bits = {
        (g, j): 1 << (g * len(structure.variables) + j)
        for g in range(len(table.groups))
        for j, name in enumerate(structure.variables)
        if name not in structure.observed and name not in composites
    }
    parity = {k: _parity(structure, place, bits) for k, place in structure.places.items()}
    masks = _parameter_masks(structure, parity)
    equations = [
        parity[k]
        for k in structure.places
        if table.rows[k].free < 0 and table.rows[k].value and not table.rows[k].exogenous
    ]
    if not len(bits) > len(set(equations) & set(bits.values())):
        return ()  # a marker for each
    equations += [
        parity[k] ^ masks[table.rows[k].free] for k in structure.places if table.rows[k].free >= 0
    ]
    equations += _constraint_masks(structure, masks)
    if pooling is not None and pooling.how == "partial":
        at = {name: i for i, name in enumerate(table.parameters)}
        for p in pooled_parameters(structure, pooling):
            first = masks[at[p.members[0]]]
            equations += [first ^ masks[at[m]] for m in p.members[1:]]
    order = {name: i for i, name in enumerate(construct_order(structure))}
    turns = []
    for solution in _null_space(equations, bits.values()):
        constructs = frozenset(key for key, bit in bits.items() if solution & bit)
        changed = {
            table.parameters[i] for i, mask in masks.items() if (mask & solution).bit_count() % 2
        }
        if any(r.op == "=~" and table.parameters[r.free] in changed for r in _free_rows(structure)):
            turns.append(Turn(constructs, frozenset(changed)))

    def level(turn: Turn) -> int:
        return min(order.get(structure.variables[j], len(order)) for _, j in turn.constructs)

    return tuple(sorted(turns, key=level))


def _free_rows(structure: Structure) -> list[Parameter]:
    rows = structure.table.rows
    return [rows[k] for k in structure.places if rows[k].free >= 0]


def construct_order(structure: Structure) -> list[str]:
    """Constructs, those measured by other constructs after their measures."""
    table = structure.table
    children: dict[str, list[str]] = {name: [] for name in table.latent}
    for r in table.rows:
        if r.op == "=~" and r.group < table.levels:
            children[r.lhs].append(r.rhs)
    done: list[str] = []
    todo = list(table.latent)
    while todo:
        ready = [n for n in todo if not any(c in todo and c != n for c in children[n])]
        done += ready or todo[:1]
        todo = [n for n in todo if n not in done]
    return done


def _parity(structure: Structure, place: Place, bits: Mapping[tuple[int, int], int]) -> int:
    """The constructs whose turn changes the sign of a matrix element, as bits."""

    def bit(j: int) -> int:
        return bits.get((place.group, j), 0)

    match place.matrix:
        case "loadings":
            return bit(place.j)
        case "paths" | "disturbances":
            return bit(place.i) ^ bit(place.j)
        case "means":
            return bit(place.i)
        case "products":
            return reduce(xor, map(bit, structure.products[place.j]), bit(place.i))
    return 0


def _parameter_masks(structure: Structure, parity: Mapping[int, int]) -> dict[int, int]:
    """The same of each free parameter, in its first row."""
    masks: dict[int, int] = {}
    for k in structure.places:
        free = structure.table.rows[k].free
        if free >= 0:
            masks.setdefault(free, parity[k])
    return masks


def _constraint_masks(structure: Structure, masks: Mapping[int, int]) -> list[int]:
    """What `==` constraints ask: with a constant nothing changes sign, without all or nothing.

    Inequalities ask for nothing: `a > b` says no direction.
    """
    table = structure.table
    out: list[int] = []
    read = linear_forms(table)
    for row in table.constraints:
        if row.op != "==" or row.expression is None:
            continue
        form = read(row.expression)
        if form is None:
            continue  # only maximum likelihood has it, and keeps the side it finds
        involved = [masks.get(int(i), 0) for i in sorted(form[0])]
        first = 0 if form[1] or not involved else involved[0]
        out += [first ^ mask for mask in involved]
    return out


def _null_space(equations: Iterable[int], bits: Iterable[int]) -> list[int]:
    """Basis of the sets of bits that meet each equation in an even number; both as integers."""
    pivots: dict[int, int] = {}  # an equation by its highest bit, all in reduced form
    for mask in sorted(set(equations), key=int.bit_count):
        for top, other in pivots.items():
            if mask & top:
                mask ^= other
        if not mask:
            continue
        top = 1 << (mask.bit_length() - 1)
        pivots = {t: e ^ mask if e & top else e for t, e in pivots.items()}
        pivots[top] = mask
    return [b | sum(t for t, e in pivots.items() if e & b) for b in bits if b not in pivots]


def coordinate_signs(
    space: Space, structure: Structure, turn: Turn, pooling: Pooling | None = None
) -> np.ndarray:
    """-1 for each sampled coordinate that a turn changes the sign of, else 1, (D,)."""
    changed = set(turn.parameters)
    if pooling is not None and pooling.how == "partial":
        pooled = pooled_parameters(structure, pooling)
        changes = [p.members[0] in turn.parameters for p in pooled]
        for k, p in enumerate(pooled):
            if changes[k]:
                changed |= {p.name, slope_name(p.name, pooling)}
            changed |= {
                link_name(p.name, other.name)
                for j, other in enumerate(pooled[:k])
                if changes[k] != changes[j]
            }
    return np.array([-1.0 if c.name in changed else 1.0 for c in space.coordinates])


def references(
    turns: Sequence[Turn], candidates: Sequence[str]
) -> tuple[tuple[str, ...], tuple[Turn, ...]]:
    """Loadings that together say which way everything runs, and the turns that each undoes.

    Parameters
    ----------
    turns : sequence of Turn
        Independent ones.
    candidates : sequence of str
        Loadings, the best known first.

    Returns
    -------
    names : tuple of str
        As many of the first candidates as say something that those before do not.
    turns : tuple of Turn
        For each, the turn that changes its sign and that of no other of them.
    """
    left, own = list(turns), list[Turn]()
    names: list[str] = []
    for name in candidates:
        at = next((i for i, t in enumerate(left) if name in t.parameters), None)
        if at is None:
            continue
        turn = left.pop(at)
        names.append(name)
        left = [t.then(turn) if name in t.parameters else t for t in left]
        own = [t.then(turn) if name in t.parameters else t for t in own]
        own.append(turn)
    return tuple(names), tuple(own)


def with_signs(space: Space, signs: Mapping[str, float]) -> Space:
    """The space with loadings kept on one side of 0: above for 1, below for -1.

    Of names that are not coordinates (pooled over groups) nothing is changed.
    """

    def kept(c: Coordinate) -> Coordinate:
        side = signs.get(c.name, 0.0)
        if not side or c.kind.startswith("pool"):
            return c
        lower = max(c.lower, 0.0) if side > 0 else c.lower
        upper = min(c.upper, 0.0) if side < 0 else c.upper
        return dataclasses.replace(c, lower=lower, upper=upper)

    return dataclasses.replace(space, coordinates=tuple(map(kept, space.coordinates)))


def one_sided(lower: float, upper: float) -> bool:
    """Whether bounds leave a number only one sign."""
    return lower >= 0.0 or upper <= 0.0


def bounded_names(structure: Structure) -> frozenset[str]:
    """Free parameters that bounds or inequalities of the table hold: a turn may break them."""
    table = structure.table
    rows = _free_rows(structure)
    bounded = {table.parameters[r.free] for r in rows if r.lower > -math.inf or r.upper < math.inf}
    unequal = any(r.op in "<>" for r in table.constraints)
    return frozenset(bounded) | (constrained_names(table) if unequal else frozenset())


def started_names(structure: Structure) -> frozenset[str]:
    """Loadings to which the user gave a start value."""
    rows = _free_rows(structure)
    return frozenset(
        structure.table.parameters[r.free] for r in rows if r.op == "=~" and r.start is not None
    )
