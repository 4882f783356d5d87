"""Which covariances form complete blocks of correlations, and which have to be checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayessem.model.priors import Prior, default_prior
from bayessem.model.structure import Structure

UNIFORM_CORRELATION = default_prior("correlation", scale=1.0)


@dataclass(frozen=True)
class Block:
    """A complete block of correlations: LKJ with `eta` over k variables."""

    eta: float
    size: int
    names: tuple[str, ...]  # row by row below the diagonal


def correlation_blocks(
    structure: Structure,
    rows_of: dict[str, list[int]],
    kinds: dict[str, str],
    chosen: dict[str, Prior | None],
) -> tuple[list[Block], list[tuple[int, int, tuple[int, ...]]]]:
    """Complete blocks (sampled as partial correlations) and blocks that have to be checked."""
    blocks: list[Block] = []
    proper: list[tuple[int, int, tuple[int, ...]]] = []
    for code, matrix in enumerate(("disturbances", "residuals")):
        for group in range(len(structure.table.groups)):
            edges = _covarying(structure, matrix, group)
            for component in _components(set(edges)):
                size = len(component)
                pairs = [(component[i], component[j]) for i in range(size) for j in range(i)]
                names = [edges.get(pair) for pair in pairs]
                eta = _common_eta(names, rows_of, kinds, chosen)
                if eta is not None and size > 2:
                    blocks.append(Block(eta, size, tuple(n for n in names if n)))
                elif size > 2 or any(n is None or kinds[n] == "covariance" for n in names):
                    proper.append((code, group, component))
    return blocks, proper


def _components(edges: set[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Connected components of a graph given by its edges, each sorted."""
    neighbours: dict[int, set[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    out, seen = [], set()
    for start in sorted(neighbours):
        if start in seen:
            continue
        component, todo = {start}, [start]
        while todo:
            for other in neighbours[todo.pop()] - component:
                component.add(other)
                todo.append(other)
        seen |= component
        out.append(tuple(sorted(component)))
    return out


def _covarying(structure: Structure, matrix: str, group: int) -> dict[tuple[int, int], str | None]:
    """Pairs of variables with a covariance, and its parameter (None: a fixed number)."""
    table = structure.table
    edges: dict[tuple[int, int], str | None] = {}
    for k, place in structure.places.items():
        if place.matrix == matrix and place.group == group and place.i != place.j:
            row = table.rows[k]
            pair = (max(place.i, place.j), min(place.i, place.j))
            if row.free >= 0:
                edges[pair] = table.parameters[row.free]
            elif row.value and not row.exogenous:
                edges[pair] = None
    return edges


def _common_eta(
    names: list[str | None],
    rows_of: dict[str, list[int]],
    kinds: dict[str, str],
    chosen: dict[str, Prior | None],
) -> float | None:
    """The eta that all correlations of a block share; None when it is not one LKJ block."""
    etas = set()
    for name in names:
        if name is None or len(rows_of[name]) != 1 or kinds[name] != "correlation":
            return None
        prior = chosen[name] or UNIFORM_CORRELATION
        if prior.family != "lkj":
            return None
        etas.add(prior.named["eta"])
    return etas.pop() if len(etas) == 1 else None


def partial_correlations(correlations: np.ndarray, size: int) -> np.ndarray:
    """Canonical partial correlations of correlations below the diagonal, row by row.

    (..., pair) -> (..., pair); the inverse of `posterior.correlations.partials_to_correlations`.
    """
    rows, columns = np.tril_indices(size, -1)
    matrix = np.zeros((*correlations.shape[:-1], size, size)) + np.eye(size)
    matrix[..., rows, columns] = correlations
    matrix[..., columns, rows] = correlations
    root = np.linalg.cholesky(matrix)
    used = np.cumsum(root * root, axis=-1)
    rest = 1.0 - np.concatenate([np.zeros((*used.shape[:-1], 1)), used[..., :-1]], axis=-1)
    return root[..., rows, columns] / np.sqrt(rest[..., rows, columns])
