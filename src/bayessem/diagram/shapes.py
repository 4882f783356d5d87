"""Boxes, curves and the size of text: the geometry of a diagram, in inches, y upwards."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
# Sizes of type in points: names, R2 and groups, estimates, intervals.
NAME, NOTE, VALUE, ENDS = 8.0, 6.0, 6.5, 5.5
# Of a line, in sizes of its type.
LEADING = 1.25
POINTS = 72.0


@functools.lru_cache(maxsize=4096)
def text_width(text: str, points: float, bold: bool = False) -> float:
    """Width of a line in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(size=points, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width) / POINTS


def lines_size(lines: Sequence[str]) -> tuple[float, float]:
    """Width and height of an estimate with its interval below it."""
    if not lines:
        return 0.0, 0.0
    sizes = [VALUE, *[ENDS] * (len(lines) - 1)]
    width = max(text_width(x, s) for x, s in zip(lines, sizes, strict=True))
    return width + 0.04, sum(sizes) * LEADING / POINTS


@dataclass(frozen=True)
class Box:
    """A rectangle by its middle and its half sizes."""

    x: float
    y: float
    half_width: float
    half_height: float

    def overlaps(self, other: Box, margin: float = 0.0) -> bool:
        """Whether two boxes share a part, or are nearer than a margin."""
        return (
            abs(self.x - other.x) < self.half_width + other.half_width + margin
            and abs(self.y - other.y) < self.half_height + other.half_height + margin
        )

    def holds(self, point: Point, margin: float = 0.0) -> bool:
        """Whether a point lies inside."""
        return (
            abs(point[0] - self.x) < self.half_width + margin
            and abs(point[1] - self.y) < self.half_height + margin
        )

    def border(self, towards: Point, *, round_: bool) -> Point:
        """Where the way from the middle to a point leaves the box, or the ellipse inside it."""
        dx, dy = towards[0] - self.x, towards[1] - self.y
        if not dx and not dy:
            return self.x, self.y
        a, b = self.half_width, self.half_height
        if round_:
            scale = 1.0 / math.hypot(dx / a, dy / b)
        else:
            scale = min(a / abs(dx) if dx else math.inf, b / abs(dy) if dy else math.inf)
        return self.x + scale * dx, self.y + scale * dy


@dataclass(frozen=True)
class Curve:
    """A way from one point to another.

    Attributes
    ----------
    points : tuple of points
        Of a polyline with rounded corners, or of a cubic Bezier curve (four points).
    bent : bool
        Whether it is a Bezier curve.
    """

    points: tuple[Point, ...]
    bent: bool = False

    def at(self, t: float) -> Point:
        """The point at a share of the way."""
        if self.bent:
            (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.points
            s = 1.0 - t
            w = (s**3, 3 * s * s * t, 3 * s * t * t, t**3)
            return (
                w[0] * ax + w[1] * bx + w[2] * cx + w[3] * dx,
                w[0] * ay + w[1] * by + w[2] * cy + w[3] * dy,
            )
        lengths = [math.dist(p, q) for p, q in zip(self.points, self.points[1:], strict=False)]
        left = t * sum(lengths)
        for (p, q), length in zip(
            zip(self.points, self.points[1:], strict=False), lengths, strict=True
        ):
            if left <= length and length:
                share = left / length
                return p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1])
            left -= length
        return self.points[-1]

    def sampled(self, count: int = 40) -> list[Point]:
        """Points along the way, both ends included."""
        return [self.at(k / count) for k in range(count + 1)]


def arc(start: Point, start_out: Point, end: Point, end_out: Point) -> Curve:
    """A curve that leaves and enters in the directions given, further out the longer it is."""
    bulge = 0.22 + 0.30 * math.dist(start, end)
    bulge = min(bulge, 1.6)
    return Curve(
        (
            start,
            (start[0] + bulge * start_out[0], start[1] + bulge * start_out[1]),
            (end[0] + bulge * end_out[0], end[1] + bulge * end_out[1]),
            end,
        ),
        bent=True,
    )
