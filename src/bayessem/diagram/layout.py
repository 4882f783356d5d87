"""Where everything in a diagram stands: columns of constructs, their blocks, ways and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayessem.diagram.blocks import OUTWARDS, Block, block, with_products
from bayessem.diagram.elements import Edge, Node, Panel
from bayessem.diagram.labels import placed_labels
from bayessem.diagram.layering import layers, nearer, ordered, spread
from bayessem.diagram.shapes import Box, Curve, Point, arc, lines_size

# Between columns, beyond what is written there; between blocks below each other; of a way that
# passes a column; between ways that enter a construct.
GAP, APART, PASSAGE, PORT = 0.75, 0.22, 0.3, 0.15
ROUNDS = 8
STRETCH = 1.18

Pair = tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """Positions, in inches.

    Attributes
    ----------
    boxes : dict
        Box by node.
    curves : tuple of Curve
        One an edge.
    labels : tuple of Box or None
        Where the estimate of each edge is written.
    bounds : tuple
        Left, bottom, right, top of all.
    """

    boxes: Mapping[str, Box]
    curves: tuple[Curve, ...]
    labels: tuple[Box | None, ...]
    bounds: tuple[float, float, float, float]


def layout(panels: Sequence[Panel]) -> Layout:
    """One layout for the panels of all groups, with room for the longest estimates of any.

    Distances grow until no label lies on another or on a shape.
    """
    panel = panels[0]
    sizes = [
        (max(w for w, _ in each), max(h for _, h in each))
        for each in (
            [lines_size(p.edges[i].lines) for p in panels] for i in range(len(panel.edges))
        )
    ]
    nodes = tuple(
        max((p.nodes[i] for p in panels), key=lambda n: len(n.note))
        for i in range(len(panel.nodes))
    )
    stretch = 1.0
    for _ in range(ROUNDS):
        boxes, curves, sides = _placed(nodes, panel.edges, sizes, stretch)
        labels, free = placed_labels(panel.edges, boxes, curves, sizes, sides)
        if free:
            break
        stretch *= STRETCH
    return Layout(boxes, curves, labels, _bounds(boxes, curves, labels))


def _bounds(
    boxes: Mapping[str, Box], curves: Sequence[Curve], labels: Sequence[Box | None]
) -> tuple[float, float, float, float]:
    every = [*boxes.values(), *(b for b in labels if b is not None)]
    points = [p for curve in curves for p in curve.sampled(16)]
    xs = [x for b in every for x in (b.x - b.half_width, b.x + b.half_width)]
    ys = [y for b in every for y in (b.y - b.half_height, b.y + b.half_height)]
    xs += [x for x, _ in points]
    ys += [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def _placed(
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    sizes: Sequence[tuple[float, float]],
    stretch: float,
) -> tuple[dict[str, Box], tuple[Curve, ...], dict[str, str]]:
    """Boxes by node, a way an edge, and on which side of their construct nodes stand."""
    by_name = {n.name: n for n in nodes}
    children: dict[str, list[str]] = {}
    for n in nodes:
        if n.parent:
            children.setdefault(n.parent, []).append(n.name)
    roots = [n.name for n in nodes if not n.parent and n.kind != "product"]
    arrows = [(e.source, e.target) for e in edges if e.kind in ("path", "loading")]
    factors: dict[str, list[str]] = {}
    for e in edges:
        if e.kind == "factor":
            factors.setdefault(e.target, []).append(e.source)
    # products stand with the last of their factors, for arrows too
    free = dict.fromkeys(roots, 0)
    between = [(a, b) for a, b in arrows if a in free and b in free]
    column = layers(roots, [*between, *_of_products(arrows, factors, free)])
    hosts = {
        p: max((f for f in own if f in free), key=lambda f: column[f], default="")
        for p, own in factors.items()
    }
    between += [(hosts[a], b) for a, b in arrows if hosts.get(a) and b in free]
    column = nearer(column, [r for r in roots if r not in children], between)
    columns, passing = _columns(roots, column, between)
    label = _label_sizes(edges, sizes)
    blocks = _blocks(columns, children, by_name, hosts, label, stretch)
    gaps = _gaps(columns, between, label, stretch)
    boxes, middles, sides, reach = _coordinates(columns, passing, blocks, gaps, stretch)
    for p in factors:
        if p not in boxes:  # of observed variables that are no part of the structure
            boxes |= _loose(p, by_name, boxes)
    shapes = {n: by_name[n].kind == "latent" for n in by_name}
    curves = tuple(
        _way(e, boxes, shapes, hosts, passing, middles, sides, reach, columns) for e in edges
    )
    return boxes, curves, sides


def _of_products(
    arrows: Sequence[Pair], factors: Mapping[str, Sequence[str]], free: Mapping[str, int]
) -> list[Pair]:
    return [
        (f, b) for a, b in arrows if a in factors and b in free for f in factors[a] if f in free
    ]


def _loose(name: str, nodes: Mapping[str, Node], boxes: Mapping[str, Box]) -> dict[str, Box]:
    from bayessem.diagram.blocks import node_size

    lowest = min(b.y - b.half_height for b in boxes.values())
    left = min(b.x for b in boxes.values())
    half_width, half_height = node_size(nodes[name])
    return {name: Box(left, lowest - 0.4, half_width, half_height)}


def _label_sizes(
    edges: Sequence[Edge], sizes: Sequence[tuple[float, float]]
) -> dict[Pair, tuple[float, float]]:
    return {(e.source, e.target): s for e, s in zip(edges, sizes, strict=True)}


def _columns(
    roots: Sequence[str], column: Mapping[str, int], between: Sequence[Pair]
) -> tuple[list[list[str]], dict[Pair, list[str]]]:
    """Names by column in their order, with places for the ways that pass, by arrow."""
    count = max(column.values(), default=0) + 1
    columns: list[list[str]] = [[] for _ in range(count)]
    for name in roots:
        columns[column[name]].append(name)
    columns = [c for c in columns if c]
    column = {name: i for i, c in enumerate(columns) for name in c}
    passing: dict[Pair, list[str]] = {}
    links: list[Pair] = []
    for a, b in dict.fromkeys(between):
        low, high = column[a], column[b]
        if low >= high:
            continue
        chain = [f"\0{a}\0{b}\0{i}" for i in range(low + 1, high)]
        for i, name in enumerate(chain, start=low + 1):
            columns[i].append(name)
        passing[a, b] = chain
        links += list(zip([a, *chain], [*chain, b], strict=True))
    return ordered(columns, links), passing


def _side(columns: Sequence[Sequence[str]], i: int, name: str) -> str:
    """On which side of a construct its indicators stand: outside, where no arrows pass."""
    last = len(columns) - 1
    if i == last:
        return "right"
    if i == 0:
        return "left"
    place = list(columns[i]).index(name)
    return "above" if place < (len(columns[i]) - 1) / 2 else "below"


def _blocks(
    columns: Sequence[Sequence[str]],
    children: Mapping[str, Sequence[str]],
    nodes: Mapping[str, Node],
    hosts: Mapping[str, str],
    label: Mapping[Pair, tuple[float, float]],
    stretch: float,
) -> list[dict[str, Block]]:
    def size(a: str, b: str) -> tuple[float, float]:
        return label.get((a, b), (0.0, 0.0))

    out: list[dict[str, Block]] = []
    for i, column in enumerate(columns):
        found: dict[str, Block] = {}
        for name in column:
            if name not in nodes:
                continue
            side = _side(columns, i, name)
            made = block(name, side, children, nodes, size, stretch)
            own = [p for p, host in hosts.items() if host == name]
            found[name] = with_products(made, name, own, nodes, side)
        out.append(found)
    return out


def _gaps(
    columns: Sequence[Sequence[str]],
    between: Sequence[Pair],
    label: Mapping[Pair, tuple[float, float]],
    stretch: float,
) -> list[float]:
    """Distances between columns: what is written there, and more where many arrows cross."""
    where = {name: i for i, column in enumerate(columns) for name in column}
    widest = max((w for w, _ in label.values()), default=0.0)
    out = []
    for i in range(len(columns) - 1):
        crossing = sum(where[a] <= i < where[b] for a, b in between)
        out.append(stretch * (GAP + widest + 0.05 * crossing))
    return out


def _coordinates(
    columns: Sequence[Sequence[str]],
    passing: Mapping[Pair, Sequence[str]],
    blocks: Sequence[Mapping[str, Block]],
    gaps: Sequence[float],
    stretch: float,
) -> tuple[dict[str, Box], dict[str, Point], dict[str, str], list[tuple[float, float]]]:
    """Boxes; middles of roots and passages; sides; and left and right end of each column."""

    def extent(i: int, name: str, side: str) -> float:
        made = blocks[i].get(name)
        return PASSAGE / 2 if made is None else made.extent(side)

    near: dict[str, list[str]] = {}
    for (a, b), chain in passing.items():
        for x, y in zip([a, *chain], [*chain, b], strict=True):
            near.setdefault(x, []).append(y)
            near.setdefault(y, []).append(x)
    apart = [
        [
            extent(i, x, "below") + extent(i, y, "above") + stretch * APART
            for x, y in zip(column, column[1:], strict=False)
        ]
        for i, column in enumerate(columns)
    ]
    # downwards, so that the first of a column stands at its top
    depth: dict[str, float] = {}
    for i, column in enumerate(columns):
        places = spread([0.0] * len(column), apart[i])
        middle = (places[0] + places[-1]) / 2
        depth |= {name: p - middle for name, p in zip(column, places, strict=True)}
    for sweep in range(16):
        order = range(len(columns)) if sweep % 2 else range(len(columns) - 1, -1, -1)
        for i in order:
            wanted = [
                sum(depth[x] for x in near[n]) / len(near[n]) if near.get(n) else depth[n]
                for n in columns[i]
            ]
            depth |= dict(zip(columns[i], spread(wanted, apart[i]), strict=True))
    boxes: dict[str, Box] = {}
    middles: dict[str, Point] = {}
    sides: dict[str, str] = {}
    reach: list[tuple[float, float]] = []
    at = 0.0
    for i, column in enumerate(columns):
        left = max((b.extent("left") for b in blocks[i].values()), default=0.1)
        right = max((b.extent("right") for b in blocks[i].values()), default=0.1)
        at += left if i else 0.0
        for name in column:
            middles[name] = (at, -depth[name])
            if name in blocks[i]:
                moved = blocks[i][name].moved(*middles[name])
                boxes |= moved.boxes
                sides |= moved.sides
        reach.append((at - left, at + right))
        at += right + (gaps[i] if i < len(gaps) else 0.0)
    return boxes, middles, sides, reach


def _way(
    edge: Edge,
    boxes: Mapping[str, Box],
    round_: Mapping[str, bool],
    hosts: Mapping[str, str],
    passing: Mapping[Pair, Sequence[str]],
    middles: Mapping[str, Point],
    sides: Mapping[str, str],
    reach: Sequence[tuple[float, float]],
    columns: Sequence[Sequence[str]],
) -> Curve:
    """The way of one edge, from border to border."""
    a, b = boxes[edge.source], boxes[edge.target]
    if edge.kind == "covariance":
        return _covariance(edge, boxes, round_, sides, columns)
    source = hosts.get(edge.source) or edge.source
    if edge.kind == "path" and (source, edge.target) not in passing:
        where = {name: i for i, column in enumerate(columns) for name in column}
        if where.get(source, -1) >= where.get(edge.target, math.inf):  # back in a circle
            return _back(a, b, round_[edge.source], round_[edge.target])
    points = [(a.x, a.y), *_passages(source, edge, a, passing, middles, reach, columns), (b.x, b.y)]
    start = a.border(points[1], round_=round_[edge.source])
    end = b.border(points[-2], round_=round_[edge.target])
    return Curve((start, *points[1:-1], end))


def _back(a: Box, b: Box, a_round: bool, b_round: bool) -> Curve:
    """An arrow against the direction of the others, in a bow below them."""
    start = a.border((a.x, a.y - 1.0), round_=a_round)
    end = b.border((b.x, b.y - 1.0), round_=b_round)
    return arc(start, (0.0, -1.0), end, (0.0, -1.0))


def _passages(
    source: str,
    edge: Edge,
    start: Box,
    passing: Mapping[Pair, Sequence[str]],
    middles: Mapping[str, Point],
    reach: Sequence[tuple[float, float]],
    columns: Sequence[Sequence[str]],
) -> list[Point]:
    """Where an arrow passes columns, and enters and leaves those with indicators beside it."""
    chain = passing.get((source, edge.target))
    if chain is None:
        return []
    where = {name: i for i, column in enumerate(columns) for name in column}
    out: list[Point] = []
    i = where[source]
    if 0 < i < len(columns) - 1 and reach[i][1] - middles[source][0] > start.half_width + 0.1:
        shift = _port(source, edge.target, passing, middles, leaving=True)
        out.append((reach[i][1], start.y + shift))
    for name in chain:
        x, y = middles[name]
        left, right = reach[where[name]]
        out += [(left, y), (right, y)]
    j = where[edge.target]
    if 0 < j < len(columns) - 1:
        x, y = middles[edge.target]
        shift = _port(edge.target, source, passing, middles, leaving=False)
        out.append((reach[j][0], y + shift))
    return out


def _port(
    name: str,
    other: str,
    passing: Mapping[Pair, Sequence[str]],
    middles: Mapping[str, Point],
    *,
    leaving: bool,
) -> float:
    """How far from a construct's middle one of its arrows crosses the border of its column."""
    if leaving:
        ends = {b: (chain or [b])[0] for (a, b), chain in passing.items() if a == name}
    else:
        ends = {a: (chain or [a])[-1] for (a, b), chain in passing.items() if b == name}
    order = sorted(ends, key=lambda x: middles[ends[x]][1])
    return PORT * (order.index(other) - (len(order) - 1) / 2)


def _covariance(
    edge: Edge,
    boxes: Mapping[str, Box],
    round_: Mapping[str, bool],
    sides: Mapping[str, str],
    columns: Sequence[Sequence[str]],
) -> Curve:
    """A bow between two nodes, on the side away from what they belong to."""
    a, b = boxes[edge.source], boxes[edge.target]
    out_a, out_b = (_outwards(n, boxes, sides, columns) for n in (edge.source, edge.target))
    where = {name: i for i, column in enumerate(columns) for name in column}
    one = where.get(edge.source), where.get(edge.target)
    if None not in one and one[0] != one[1]:  # of different columns: straight
        start = a.border((b.x, b.y), round_=round_[edge.source])
        return Curve((start, b.border((a.x, a.y), round_=round_[edge.target])))
    start = a.border((a.x + out_a[0], a.y + out_a[1]), round_=round_[edge.source])
    end = b.border((b.x + out_b[0], b.y + out_b[1]), round_=round_[edge.target])
    return arc(start, out_a, end, out_b)


def _outwards(
    name: str,
    boxes: Mapping[str, Box],
    sides: Mapping[str, str],
    columns: Sequence[Sequence[str]],
) -> Point:
    """The direction in which the covariances of a node leave it."""
    if name in sides:
        return OUTWARDS[sides[name]]
    where = next((i for i, column in enumerate(columns) if name in column), 0)
    last = where == len(columns) - 1
    return OUTWARDS["left" if last else "right"]
