"""The ways of arrows and bows between the shapes of a diagram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bayessem.diagram.blocks import OUTWARDS
from bayessem.diagram.columns import Columns
from bayessem.diagram.elements import Edge
from bayessem.diagram.shapes import Box, Curve, Point, arc

# Between arrows where they cross the border of a construct's column.
PORT = 0.15


@dataclass(frozen=True)
class Places:
    """Where shapes and columns stand.

    Attributes
    ----------
    boxes : dict
        Shape by node.
    middles : dict
        Middle of each part of the structural model, and of the places of arrows that pass.
    sides : dict
        On which side of its parent a node stands.
    reach : list of (left, right)
        Ends of each column.
    wide : list of (bool, bool)
        Whether something stands beside the constructs of a column, to the left and to the right.
    """

    boxes: Mapping[str, Box]
    middles: Mapping[str, Point]
    sides: Mapping[str, str]
    reach: list[tuple[float, float]]
    wide: list[tuple[bool, bool]]


def way(edge: Edge, columns: Columns, places: Places, round_: Mapping[str, bool]) -> Curve:
    """The way of one edge, from border to border."""
    a, b = places.boxes[edge.source], places.boxes[edge.target]
    where = columns.where
    if edge.kind == "covariance":
        return _bow(edge, columns, places, round_)
    if edge.kind == "weight" and edge.source in places.sides:  # a loading the other way round
        loading = replace(edge, source=edge.target, target=edge.source, kind="loading")
        return Curve(way(loading, columns, places, round_).points[::-1])
    forward = (edge.source, edge.target) in columns.passing
    both = edge.source in where and edge.target in where
    if edge.kind == "path" and both and not forward:  # back in a circle
        out_a, out_b = (_free_side(x, columns, places) for x in (edge.source, edge.target))
        start = a.border((a.x, a.y + out_a[1]), round_=round_[edge.source])
        end = b.border((b.x, b.y + out_b[1]), round_=round_[edge.target])
        return arc(start, out_a, end, out_b)
    between = _passages(edge, columns, places) if forward else []
    beside = edge.kind == "loading" and edge.target in places.sides and not round_[edge.target]
    if beside:  # the middle of the side that faces the construct
        out_x, out_y = OUTWARDS[places.sides[edge.target]]
        end = (b.x - out_x * b.half_width, b.y - out_y * b.half_height)
        return Curve((a.border(end, round_=round_[edge.source]), end))
    points = [(a.x, a.y), *between, (b.x, b.y)]
    start = a.border(points[1], round_=round_[edge.source])
    end = b.border(points[-2], round_=round_[edge.target])
    return Curve((start, *points[1:-1], end))


def _free_side(name: str, columns: Columns, places: Places) -> Point:
    """Above or below a construct, where its indicators do not stand."""
    beside = {places.sides.get(child) for child in columns.children.get(name, ())}
    return OUTWARDS["above" if "below" in beside else "below"]


def _passages(edge: Edge, columns: Columns, places: Places) -> list[Point]:
    """Where an arrow passes columns, and enters and leaves those with indicators beside it."""
    chain = columns.passing[edge.source, edge.target]
    where = columns.where
    i, j = where[edge.source], where[edge.target]
    out: list[Point] = []
    if places.wide[i][1]:
        out.append((places.reach[i][1], _port(edge, columns, places, leaving=True)))
    for name in chain:
        y = places.middles[name][1]
        left, right = places.reach[where[name]]
        out += [(left, y), (right, y)]
    if places.wide[j][0]:
        out.append((places.reach[j][0], _port(edge, columns, places, leaving=False)))
    return out


def _port(edge: Edge, columns: Columns, places: Places, *, leaving: bool) -> float:
    """The height at which an arrow crosses the border of a construct's column.

    Arrows of one construct do so below each other, in the order of where they go or come from.
    """
    own = edge.source if leaving else edge.target
    heights: list[tuple[float, tuple[str, str]]] = []
    for (a, b), chain in columns.passing.items():
        if (a if leaving else b) == own:
            other = (chain or [b])[0] if leaving else (chain or [a])[-1]
            heights.append((_middle(other, places)[1], (a, b)))
    heights.sort()
    rank = [pair for _, pair in heights].index((edge.source, edge.target))
    return _middle(own, places)[1] + PORT * (rank - (len(heights) - 1) / 2)


def _middle(name: str, places: Places) -> Point:
    if name in places.middles:
        return places.middles[name]
    return places.boxes[name].x, places.boxes[name].y


def _bow(edge: Edge, columns: Columns, places: Places, round_: Mapping[str, bool]) -> Curve:
    """A covariance: a bow on the side away from what the two belong to."""
    a, b = places.boxes[edge.source], places.boxes[edge.target]
    where = columns.where
    one, other = where.get(edge.source), where.get(edge.target)
    if one is not None and other is not None and one != other:  # of two columns: straight
        start = a.border((b.x, b.y), round_=round_[edge.source])
        return Curve((start, b.border((a.x, a.y), round_=round_[edge.target])))
    out_a, out_b = (_outwards(x, columns, places) for x in (edge.source, edge.target))
    start = a.border((a.x + out_a[0], a.y + out_a[1]), round_=round_[edge.source])
    end = b.border((b.x + out_b[0], b.y + out_b[1]), round_=round_[edge.target])
    return arc(start, out_a, end, out_b)


def _outwards(name: str, columns: Columns, places: Places) -> Point:
    """The direction in which the covariances of a node leave it."""
    if name in places.sides:
        return OUTWARDS[places.sides[name]]
    last = columns.where.get(name, 0) == columns.last
    return OUTWARDS["left" if last else "right"]
