"""In which order to integrate latent variables out on nodes: elimination on the model's graph.

A factor is a function of few latent variables: a structural equation, or the probability of an
answer. Eliminating a variable multiplies the factors it is in and sums over its nodes, which leaves
a message on its neighbours. The order with the fewest neighbours is that of a junction tree, whose
cliques are a variable and its neighbours; the sums are exact in any order.

Lauritzen, S. L., & Spiegelhalter, D. J. (1988). Local computations with probabilities on graphical
structures. Journal of the Royal Statistical Society B, 50, 157-224.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

# Neighbours a variable may have when it is summed over: tables of nodes^(neighbours + 1).
WIDEST = 2


@dataclass(frozen=True)
class Elimination:
    """One variable summed over.

    Attributes
    ----------
    variable : int
        Which.
    neighbours : tuple of int
        Those that its message is about, in the order in which they are eliminated later.
    """

    variable: int
    neighbours: tuple[int, ...]


def elimination_order(
    count: int, scopes: Sequence[Sequence[int]], depth: Sequence[int] | None = None
) -> tuple[Elimination, ...]:
    """A good order to sum `count` variables out, given the factors' variables.

    Greedy: the variable whose elimination adds the fewest edges, then the one with the fewest
    neighbours, then the deepest (effects before their causes), then the first. Trees and the
    graphs of usual models get their smallest cliques.
    """
    depth = [0] * count if depth is None else depth
    near: dict[int, set[int]] = {v: set() for v in range(count)}
    for scope in scopes:
        for a, b in itertools.permutations(scope, 2):
            near[a].add(b)
    order: list[tuple[int, set[int]]] = []
    left = set(range(count))
    while left:

        def cost(v: int) -> tuple[int, int, int, int]:
            own = near[v]
            added = sum(b not in near[a] for a, b in itertools.combinations(own, 2))
            return added, len(own), -depth[v], v

        v = min(left, key=cost)
        for a, b in itertools.permutations(near[v], 2):
            near[a].add(b)
        for a in near[v]:
            near[a].discard(v)
        left.discard(v)
        order.append((v, near.pop(v)))
    rank = {v: i for i, (v, _) in enumerate(order)}
    return tuple(Elimination(v, tuple(sorted(own, key=rank.__getitem__))) for v, own in order)


def widest(order: Sequence[Elimination]) -> tuple[int, ...]:
    """The largest clique of an order: the variables of one table of nodes."""
    return max(((step.variable, *step.neighbours) for step in order), key=len, default=())
