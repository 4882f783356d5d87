"""Where everything in a diagram stands: columns of constructs, their blocks, ways and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayessem.diagram.blocks import Block, block, with_products
from bayessem.diagram.columns import Columns, columns_of, sides_of
from bayessem.diagram.elements import Node, Panel
from bayessem.diagram.labels import placed_labels
from bayessem.diagram.layering import Pair, spread
from bayessem.diagram.shapes import Box, Curve, Point, lines_size
from bayessem.diagram.ways import Places, way

# Between columns, beyond what is written there; between blocks below each other; for an arrow that
# passes a column.
GAP, APART, PASSAGE = 0.75, 0.22, 0.3
SWEEPS = 16
# Distances grow so often, by so much, until every label has a place.
ROUNDS, STRETCH = 8, 1.18

Size = tuple[float, float]


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
    edges = panels[0].edges
    written = [[lines_size(p.edges[i].lines) for p in panels] for i in range(len(edges))]
    sizes = [(max(w for w, _ in each), max(h for _, h in each)) for each in written]
    nodes = tuple(
        max((p.nodes[i] for p in panels), key=lambda n: len(n.note))
        for i in range(len(panels[0].nodes))
    )
    columns = columns_of(nodes, edges)
    sides = sides_of(columns, edges, nodes)
    round_ = {n.name: n.kind == "latent" for n in nodes}
    label = {(e.source, e.target): s for e, s in zip(edges, sizes, strict=True)}
    stretch = 1.0
    for _ in range(ROUNDS):
        blocks = _blocks(columns, sides, {n.name: n for n in nodes}, label, stretch)
        places = _places(columns, blocks, _gaps(columns, label, stretch), stretch)
        curves = tuple(way(e, columns, places, round_) for e in edges)
        labels, free = placed_labels(edges, places.boxes, curves, sizes, places.sides)
        if free:
            break
        stretch *= STRETCH
    return Layout(places.boxes, curves, labels, _bounds(places.boxes, curves, labels))


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


def _blocks(
    columns: Columns,
    sides: Mapping[str, str],
    nodes: Mapping[str, Node],
    label: Mapping[Pair, Size],
    stretch: float,
) -> dict[str, Block]:
    """The block of each part of the structural model."""

    def size(a: str, b: str) -> Size:
        return label.get((a, b), (0.0, 0.0))

    out = {}
    for name in (n for column in columns.names for n in column if n in nodes):
        made = block(name, sides[name], columns.children, nodes, size, stretch)
        products = [p for p, host in columns.hosts.items() if host == name]
        out[name] = with_products(made, name, products, nodes, sides[name])
    return out


def _gaps(columns: Columns, label: Mapping[Pair, Size], stretch: float) -> list[float]:
    """Distances between columns: what is written there, and more where many arrows cross."""
    where = columns.where
    widest = max((w for w, _ in label.values()), default=0.0)
    crossing = [
        sum(where[a] <= i < where[b] for a, b in columns.passing) for i in range(columns.last)
    ]
    return [stretch * (GAP + widest + 0.05 * n) for n in crossing]


def _depths(columns: Columns, blocks: Mapping[str, Block], stretch: float) -> dict[str, float]:
    """How far down each part stands: near the average of those it is joined with."""

    def extent(name: str, side: str) -> float:
        return blocks[name].extent(side) if name in blocks else PASSAGE / 2

    near: dict[str, list[str]] = {}
    for (a, b), chain in columns.passing.items():
        way_of = [columns.hosts.get(a, a), *chain, b]
        for x, y in zip(way_of, way_of[1:], strict=False):
            near.setdefault(x, []).append(y)
            near.setdefault(y, []).append(x)
    apart = [
        [
            extent(x, "below") + extent(y, "above") + stretch * APART
            for x, y in zip(column, column[1:], strict=False)
        ]
        for column in columns.names
    ]
    depth: dict[str, float] = {}
    for column, least in zip(columns.names, apart, strict=True):
        at = spread([0.0] * len(column), least)
        middle = (at[0] + at[-1]) / 2
        depth |= {name: p - middle for name, p in zip(column, at, strict=True)}
    for sweep in range(SWEEPS):
        order = range(len(apart)) if sweep % 2 else range(len(apart) - 1, -1, -1)
        for i in order:
            wanted = [
                sum(depth[x] for x in near[n]) / len(near[n]) if n in near else depth[n]
                for n in columns.names[i]
            ]
            depth |= dict(zip(columns.names[i], spread(wanted, apart[i]), strict=True))
    return depth


def _places(
    columns: Columns, blocks: Mapping[str, Block], gaps: Sequence[float], stretch: float
) -> Places:
    """Shapes where they stand."""
    depth = _depths(columns, blocks, stretch)
    boxes: dict[str, Box] = {}
    middles: dict[str, Point] = {}
    sides: dict[str, str] = {}
    reach: list[tuple[float, float]] = []
    wide: list[tuple[bool, bool]] = []
    x = 0.0
    for i, column in enumerate(columns.names):
        own = [blocks[n] for n in column if n in blocks]
        left, right = (max(b.extent(s) for b in own) for s in ("left", "right"))
        core = max(c.half_width for b in own for c in b.boxes.values() if c.x == 0.0)
        x += left if i else 0.0
        for name in column:
            middles[name] = (x, -depth[name])
            if name in blocks:
                moved = blocks[name].moved(x, -depth[name])
                boxes |= moved.boxes
                sides |= moved.sides
        reach.append((x - left, x + right))
        wide.append((left > core, right > core))
        x += right + (gaps[i] if i < len(gaps) else 0.0)
    return Places(boxes, middles, sides, reach, wide)
