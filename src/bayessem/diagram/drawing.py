"""A path diagram drawn by matplotlib: panels beside each other, one a group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bayessem.diagram.elements import Edge, Node, Panel
from bayessem.diagram.layout import Layout
from bayessem.diagram.shapes import ENDS, LEADING, NAME, NOTE, POINTS, VALUE, Box, Curve, text_width
from bayessem.plots.style import INK, QUIET, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

FADED = "#ABABAB"
FILL = {"latent": "#EAF2F8", "observed": "#FFFFFF", "product": "#FBF1E3"}
# Widths of lines in points: the least, and what a standardised 1 adds.
THIN, THICK = 0.5, 2.0
BORDER = 0.15
# Width of a figure in inches from which on panels stand below each other.
WIDEST = 12.0
CORNER = 0.12


@styled
def draw(panels: Sequence[Panel], layouts: Sequence[Layout], note: str) -> Figure:
    """The figure: a panel a group, and below them what the lines mean."""
    head = 0.3 if len(panels) > 1 else 0.0
    bounds = [x.bounds for x in layouts]
    width = max(right - left for left, _, right, _ in bounds) + 2 * BORDER
    height = max(top - bottom for _, bottom, _, top in bounds) + 2 * BORDER + head
    across = max(1, min(len(panels), 3, int(WIDEST / width)))
    down = math.ceil(len(panels) / across)
    lines = _wrapped(note, across * width - 2 * BORDER)
    foot = (0.1 + NOTE * LEADING * len(lines) / POINTS) if note else 0.0
    figure = new_figure(width=across * width, height=down * height + foot)
    figure.set_layout_engine("none")
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_xlim(0.0, across * width)
    ax.set_ylim(0.0, down * height + foot)
    ax.set_aspect("equal")
    ax.axis("off")
    for k, (panel, layout) in enumerate(zip(panels, layouts, strict=True)):
        left, bottom, _, top = layout.bounds
        x = (k % across) * width + BORDER - left
        y = foot + (down - 1 - k // across) * height + BORDER - bottom
        if head:
            ax.text(x + left, y + top + 0.16, panel.group, fontsize=NAME, fontweight="bold")
        _panel(ax, panel, layout, x, y)
    if note:
        ax.text(BORDER, 0.1, "\n".join(lines), fontsize=NOTE, color=QUIET, va="bottom")
    return figure


def line_width(edge: Edge) -> float:
    """Width of an edge's line in points: by the size of its standardised value."""
    size = 0.25 if math.isnan(edge.size) else min(edge.size, 1.0)
    return THIN + THICK * size


def _wrapped(text: str, width: float) -> list[str]:
    """The text in lines that are not wider, in inches."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, NOTE) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _panel(ax: Axes, panel: Panel, layout: Layout, x: float, y: float) -> None:
    for edge, curve in zip(panel.edges, layout.curves, strict=True):
        _line(ax, edge, curve, x, y)
    for node in panel.nodes:
        _shape(ax, node, layout.boxes[node.name], x, y)
    for edge, box in zip(panel.edges, layout.labels, strict=True):
        if box is not None and edge.lines:
            _label(ax, edge, box, x, y)


def _line(ax: Axes, edge: Edge, curve: Curve, x: float, y: float) -> None:
    from matplotlib.patches import FancyArrowPatch

    width = line_width(edge)
    style = {"covariance": "<|-|>", "factor": "-"}.get(edge.kind, "-|>")
    ax.add_patch(
        FancyArrowPatch(
            path=_path(curve, x, y),
            arrowstyle=style,
            mutation_scale=5.0 + 1.5 * width,
            shrinkA=0.0,
            shrinkB=0.0,
            linewidth=0.6 if edge.kind == "factor" else width,
            linestyle=(0, (3, 2)) if edge.kind == "factor" else "-",
            color=FADED if edge.covers_zero else INK,
            joinstyle="miter",
            capstyle="butt",
            zorder=1 if edge.covers_zero else 2,
        )
    )


def _path(curve: Curve, x: float, y: float) -> Path:
    """The way as matplotlib draws it; corners are rounded."""
    from matplotlib.path import Path

    points = [(px + x, py + y) for px, py in curve.points]
    if curve.bent:
        return Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    vertices: list[Any] = [points[0]]
    codes: list[Any] = [Path.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        vertices += [_towards(corner, before), corner, _towards(corner, after)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    length = math.dist(corner, other)
    share = min(CORNER / length, 0.5) if length else 0.0
    return corner[0] + share * (other[0] - corner[0]), corner[1] + share * (other[1] - corner[1])


def _shape(ax: Axes, node: Node, box: Box, x: float, y: float) -> None:
    from matplotlib.patches import Ellipse, FancyBboxPatch, Rectangle

    look: dict[str, Any] = {
        "facecolor": FILL[node.kind],
        "edgecolor": INK,
        "linewidth": 0.7,
        "zorder": 3,
    }
    cx, cy = box.x + x, box.y + y
    corner = (cx - box.half_width, cy - box.half_height)
    width, height = 2 * box.half_width, 2 * box.half_height
    if node.kind == "latent":
        ax.add_patch(Ellipse((cx, cy), width, height, **look))
    elif node.kind == "product":
        rounded = f"round,pad=0,rounding_size={box.half_height:.3f}"
        ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=rounded, **look))
    else:
        ax.add_patch(Rectangle(corner, width, height, **look))
    text: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 5}
    shift = 0.55 * NOTE * LEADING / POINTS if node.note else 0.0
    ax.text(cx, cy + shift, node.text, fontsize=NAME, linespacing=LEADING - 0.1, **text)
    if node.note:
        rows = node.text.count("\n") + 1
        below = cy + shift - 0.52 * (rows * NAME + NOTE) * LEADING / POINTS
        ax.text(cx, below, node.note, fontsize=NOTE, color=INK, **text)


def _label(ax: Axes, edge: Edge, box: Box, x: float, y: float) -> None:
    from matplotlib.patches import Rectangle

    cx, top = box.x + x, box.y + box.half_height + y
    ax.add_patch(
        Rectangle(
            (cx - box.half_width, top - 2 * box.half_height),
            2 * box.half_width,
            2 * box.half_height,
            facecolor="white",
            edgecolor="none",
            zorder=4,
        )
    )
    shade = QUIET if edge.covers_zero else INK
    for line, size in zip(edge.lines, (VALUE, ENDS), strict=False):
        height = size * LEADING / POINTS
        ax.text(
            cx,
            top - height / 2,
            line,
            fontsize=size,
            ha="center",
            va="center",
            color=shade,
            zorder=5,
        )
        top -= height
