"""Columns and their order: the layered layout of Sugiyama, Tagawa and Toda.

Sugiyama, Tagawa & Toda (1981), doi:10.1109/TSMC.1981.4308636: layers by the longest path, an order
within each that lets few edges cross, and coordinates near those of the neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SWEEPS = 24

Pair = tuple[str, str]


def layers(names: Sequence[str], edges: Sequence[Pair]) -> dict[str, int]:
    """Column of each node: one more than the last of those that point at it.

    Edges that close a circle are left out of account.
    """
    forward = _without_circles(names, edges)
    found: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in found:
            found[name] = max((depth(a) + 1 for a, b in forward if b == name), default=0)
        return found[name]

    for name in names:
        depth(name)
    return found


def nearer(
    column: Mapping[str, int], movable: Sequence[str], edges: Sequence[Pair]
) -> dict[str, int]:
    """The columns with sources that may move just before the first of their targets."""
    out = dict(column)
    for name in movable:
        after = [column[b] for a, b in edges if a == name and b != name]
        if after and not any(b == name for _, b in edges):
            out[name] = max(min(after) - 1, 0)
    return out


def _without_circles(names: Sequence[str], edges: Sequence[Pair]) -> list[Pair]:
    """The edges without those that lead back to where a walk came from."""
    state: dict[str, int] = {}
    kept: list[Pair] = []

    def walk(name: str) -> None:
        state[name] = 1
        for a, b in edges:
            if a != name or a == b or state.get(b) == 1:
                continue
            kept.append((a, b))
            if b not in state:
                walk(b)
        state[name] = 2

    entered = {b for _, b in edges}
    for name in sorted(names, key=lambda x: x in entered):
        if name not in state:
            walk(name)
    return kept


def ordered(columns: Sequence[Sequence[str]], edges: Sequence[Pair]) -> list[list[str]]:
    """The columns with an order within each that lets few edges cross.

    Parameters
    ----------
    columns : sequence of sequences of str
        Names by column, from left to right.
    edges : sequence of pairs
        Between neighbouring columns.
    """
    best = [list(c) for c in columns]
    least, current = _crossings(best, edges), [list(c) for c in columns]
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        order = range(1, len(current)) if forward else range(len(current) - 2, -1, -1)
        for i in order:
            beside = current[i - 1 if forward else i + 1]
            place = {name: k for k, name in enumerate(beside)}
            current[i] = _by_neighbours(current[i], place, edges)
        count = _crossings(current, edges)
        if count < least:
            best, least = [list(c) for c in current], count
    return best


def _by_neighbours(
    column: Sequence[str], place: Mapping[str, int], edges: Sequence[Pair]
) -> list[str]:
    """One column in the order of its neighbours' average places; without any, where it was."""

    def middle(k: int, name: str) -> float:
        near = [place[a] for a, b in edges if b == name and a in place]
        near += [place[b] for a, b in edges if a == name and b in place]
        scale = max(len(place), 1) / max(len(column), 1)
        return sum(near) / len(near) if near else k * scale

    keys = {name: (middle(k, name), k) for k, name in enumerate(column)}
    return sorted(column, key=keys.__getitem__)


def _crossings(columns: Sequence[Sequence[str]], edges: Sequence[Pair]) -> int:
    where = {name: (i, k) for i, column in enumerate(columns) for k, name in enumerate(column)}
    ends = [(where[a], where[b]) for a, b in edges]
    return sum(
        (a[1] - c[1]) * (b[1] - d[1]) < 0
        for k, (a, b) in enumerate(ends)
        for c, d in ends[k + 1 :]
        if a[0] == c[0] and b[0] == d[0]
    )


def spread(wanted: Sequence[float], apart: Sequence[float]) -> list[float]:
    """Places as near as possible to those wanted, in order and at least so far apart.

    Least squares by pooling adjacent violators.

    Parameters
    ----------
    wanted : sequence of float
        One a node, in the order in which they stand.
    apart : sequence of float
        Least distances of neighbours; one fewer.
    """
    offset = [0.0]
    for gap in apart:
        offset.append(offset[-1] + gap)
    pools: list[list[float]] = []  # (sum, count)
    for value, shift in zip(wanted, offset, strict=True):
        pools.append([value - shift, 1.0])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1][0] += total
            pools[-1][1] += count
    means = [total / count for total, count in pools for _ in range(int(count))]
    return [mean + shift for mean, shift in zip(means, offset, strict=True)]
