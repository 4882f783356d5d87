"""The structural model in columns: who stands in which, in what order, and what passes by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayessem.diagram.elements import Edge, Node
from bayessem.diagram.layering import Pair, layers, nearer, ordered


@dataclass(frozen=True)
class Columns:
    """The structural model from left to right.

    Attributes
    ----------
    names : list of list of str
        By column, from top to bottom; places for arrows that pass are among them.
    passing : dict
        By arrow that runs from left to right (source, target), its places in the columns between.
    hosts : dict
        By product, the factor with which it stands.
    children : dict
        By construct, what stands beside it.
    """

    names: list[list[str]]
    passing: dict[Pair, list[str]]
    hosts: dict[str, str]
    children: dict[str, list[str]]

    @property
    def where(self) -> dict[str, int]:
        """Column by name; of a product that of its host."""
        found = {name: i for i, column in enumerate(self.names) for name in column}
        return found | {p: found[h] for p, h in self.hosts.items()}

    @property
    def last(self) -> int:
        """Position of the last column."""
        return len(self.names) - 1


def columns_of(nodes: Sequence[Node], edges: Sequence[Edge]) -> Columns:
    """The columns of a diagram; products stand with the last of their factors."""
    children: dict[str, list[str]] = {}
    for n in nodes:
        if n.parent:
            children.setdefault(n.parent, []).append(n.name)
    roots = [n.name for n in nodes if not n.parent and n.kind != "product"]
    factors: dict[str, list[str]] = {}
    for e in edges:
        if e.kind == "factor":
            factors.setdefault(e.target, []).append(e.source)
    arrows = [(e.source, e.target) for e in edges if e.kind in ("path", "loading", "weight")]
    of_factors = [(f, b) for a, b in arrows for f in factors.get(a, (a,))]
    known = set(roots)
    column = layers(roots, [(a, b) for a, b in of_factors if a in known and b in known])
    hosts = {
        p: max((_root(f, nodes) for f in own), key=lambda f: column[f])
        for p, own in factors.items()
    }
    between = [(a, b) for a, b in arrows if b in known and (a in known or a in hosts)]
    by_host = [(hosts.get(a, a), b) for a, b in between]
    column = nearer(column, [r for r in roots if r not in children], by_host)
    names, passing = _with_passages(roots, column, between, hosts)
    return Columns(names, passing, hosts, children)


def _root(name: str, nodes: Sequence[Node]) -> str:
    """The part of the structural model to which a variable belongs."""
    parents = {n.name: n.parent for n in nodes}
    while parents[name]:
        name = parents[name]
    return name


def _with_passages(
    roots: Sequence[str],
    column: Mapping[str, int],
    between: Sequence[Pair],
    hosts: Mapping[str, str],
) -> tuple[list[list[str]], dict[Pair, list[str]]]:
    """Names by column in their order, and by arrow the places in the columns that it passes."""
    columns: list[list[str]] = [[] for _ in range(max(column.values(), default=0) + 1)]
    for name in roots:
        columns[column[name]].append(name)
    columns = [c for c in columns if c]
    where = {name: i for i, c in enumerate(columns) for name in c}
    passing: dict[Pair, list[str]] = {}
    links: list[Pair] = []
    for a, b in dict.fromkeys(between):
        start = hosts.get(a, a)
        low, high = where[start], where[b]
        if low >= high:
            continue
        # no variable's name can begin so
        chain = [f"\0{a}\0{b}\0{i}" for i in range(low + 1, high)]
        for i, name in enumerate(chain, start=low + 1):
            columns[i].append(name)
        passing[a, b] = chain
        links += list(zip([start, *chain], [*chain, b], strict=True))
    return ordered(columns, links), passing


def sides_of(columns: Columns, edges: Sequence[Edge], nodes: Sequence[Node]) -> dict[str, str]:
    """On which side of each part of the structural model its indicators stand.

    Outside, where no arrows pass: left of the first column, right of the last, above or below in
    between. Where indicators of constructs of several columns covary, all are above, so that the
    bows run there side by side.
    """
    out: dict[str, str] = {}
    for i, column in enumerate(columns.names):
        for place, name in enumerate(column):
            above = place < (len(column) - 1) / 2 or len(column) == 1
            inner = "above" if above else "below"
            out[name] = "right" if i == columns.last else "left" if i == 0 else inner
    where, parents = columns.where, {n.name: n.parent for n in nodes}
    for e in edges:
        if e.kind != "covariance" or not (parents[e.source] and parents[e.target]):
            continue
        pair = [_root(x, nodes) for x in (e.source, e.target)]
        if where[pair[0]] != where[pair[1]]:
            out |= {x: "above" for x in pair if columns.names[where[x]][0] == x}
    return out
