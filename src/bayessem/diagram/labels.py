"""Where estimates are written: beside their lines, never on each other or on a shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bayessem.diagram.blocks import HEAD
from bayessem.diagram.elements import Edge
from bayessem.diagram.shapes import Box, Curve, Point

MARGIN = 0.015
# Shares of the way that are tried, from its middle outwards.
TRIED = (0.5, 0.45, 0.55, 0.4, 0.6, 0.35, 0.65, 0.3, 0.7, 0.25, 0.75, 0.2, 0.8, 0.15, 0.85)


def placed_labels(
    edges: Sequence[Edge],
    boxes: Mapping[str, Box],
    curves: Sequence[Curve],
    sizes: Sequence[tuple[float, float]],
    sides: Mapping[str, str],
) -> tuple[tuple[Box | None, ...], bool]:
    """A box for each edge with something to write, and whether none lies on another.

    Parameters
    ----------
    edges, curves, sizes : sequences
        Relations, their ways, and width and height of what is written at each.
    boxes : mapping
        Shape by node.
    sides : mapping
        On which side of its parent a node stands.
    """
    out: list[Box | None] = [None] * len(edges)
    taken = list(boxes.values())
    paths = [curve.sampled() for curve in curves]
    free = True
    items = [
        e.target if e.kind == "loading" else e.source if e.kind == "weight" else "" for e in edges
    ]
    beside = [i for i, item in enumerate(items) if item in sides and sizes[i][0]]
    for i in beside:
        out[i] = _beside(boxes[items[i]], sides[items[i]], curves[i], sizes[i])
    taken += [b for b in out if b is not None]
    # the shortest ways have the fewest places for their labels
    rest = [i for i in range(len(edges)) if sizes[i][0] and out[i] is None]
    for i in sorted(rest, key=lambda i: len(set(paths[i]))):
        others = [p for k, path in enumerate(paths) if k != i for p in path]
        best = _best(curves[i], sizes[i], taken, others)
        if best is None:
            free = False
            x, y = curves[i].at(0.5)
            best = Box(x, y, sizes[i][0] / 2, sizes[i][1] / 2)
        out[i] = best
        taken.append(best)
    for k, i in enumerate(beside):
        box = out[i]
        assert box is not None
        free &= not any(box.overlaps(b) for b in boxes.values())
        free &= not any(box.overlaps(b) for j in beside[k + 1 :] if (b := out[j]) is not None)
    return tuple(out), free


def _beside(box: Box, side: str, curve: Curve, size: tuple[float, float]) -> Box:
    """The label of a loading: on its line, just before the indicator."""
    half_width, half_height = size[0] / 2, size[1] / 2
    (x0, y0), (x1, y1) = curve.points[0], curve.points[-1]
    if side in ("left", "right"):
        sign = 1.0 if side == "left" else -1.0
        x = box.x + sign * (box.half_width + HEAD + half_width)
        y = y1 if x1 == x0 else y1 + (x - x1) / (x0 - x1) * (y0 - y1)
        return Box(x, y, half_width, half_height)
    sign = 1.0 if side == "below" else -1.0
    y = box.y + sign * (box.half_height + HEAD + half_height)
    x = x1 if y1 == y0 else x1 + (y - y1) / (y0 - y1) * (x0 - x1)
    return Box(x, y, half_width, half_height)


def _best(
    curve: Curve, size: tuple[float, float], taken: Sequence[Box], others: Sequence[Point]
) -> Box | None:
    """The place on the way that is free and hides least of other ways; None: there is none."""
    found: list[tuple[float, int, Box]] = []
    for rank, t in enumerate(TRIED):
        x, y = curve.at(t)
        box = Box(x, y, size[0] / 2, size[1] / 2)
        if any(box.overlaps(b, MARGIN) for b in taken):
            continue
        hidden = sum(box.holds(p) for p in others)
        found.append((hidden + 0.1 * rank, rank, box))
    return min(found)[2] if found else None
