"""Whether a figure can be read: every text inside the figure, none on another, axes wide enough."""

from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Bbox

# Pixels by which a text may reach out of the figure, and by which it is shrunk before it is
# compared with others: the extent of a text includes room around its letters.
SLACK = 1.0
# Inches that the part with the data has to keep in width and in height.
NARROWEST, LOWEST = 0.9, 0.3


def texts_of(figure: Figure) -> list[Text]:
    """All texts that are drawn, with what they say."""
    figure.canvas.draw()
    seen: dict[int, Text] = {}
    for text in figure.findobj(Text):
        parents = text, getattr(text, "axes", None)
        if text.get_text().strip() and all(a is None or a.get_visible() for a in parents):
            seen[id(text)] = text
    ticks = {}
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            every = [t for tick in axis.majorTicks + axis.minorTicks
                     for t in (tick.label1, tick.label2)]  # fmt: skip
            drawn = {id(t) for tick in axis._update_ticks() for t in (tick.label1, tick.label2)}
            ticks |= {id(t): ax.get_visible() and id(t) in drawn and t.get_visible() for t in every}
    return [t for key, t in seen.items() if ticks.get(key, True)]


def corners(text: Text) -> np.ndarray:
    """Corners (4, 2) of a text in pixels, turned as it is."""
    # of an annotation without its arrow
    turned = Text.get_window_extent(text)
    angle = text.get_rotation()
    text.set_rotation(0.0)
    flat = Text.get_window_extent(text)
    text.set_rotation(angle)
    half = np.array([flat.width, flat.height]) / 2 - SLACK
    middle = np.array([turned.x0 + turned.x1, turned.y0 + turned.y1]) / 2
    box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return middle + box @ np.array([[cos, sin], [-sin, cos]])


def problems(figure: Figure) -> list[str]:
    """What cannot be read, in words; none for a good figure."""
    found = []
    texts = texts_of(figure)
    boxes = [corners(t) for t in texts]
    whole = Bbox(figure.bbox.get_points())
    for text, box in zip(texts, boxes, strict=True):
        if (box < whole.min - SLACK).any() or (box > whole.max + SLACK).any():
            found.append(f"outside the figure: {text.get_text()!r}")
    for (one, a), (other, b) in combinations(zip(texts, boxes, strict=True), 2):
        apart = (a.max(axis=0) < b.min(axis=0)).any() or (b.max(axis=0) < a.min(axis=0)).any()
        if not apart and Path([*a, a[0]]).intersects_path(Path([*b, b[0]]), filled=True):
            found.append(f"on each other: {one.get_text()!r} and {other.get_text()!r}")
    for ax in figure.axes:
        if ax.get_visible() and ax.get_label() != "<colorbar>":
            size = ax.get_window_extent().size / figure.dpi
            if size[0] < NARROWEST or size[1] < LOWEST:
                found.append(f"axes of {size[0]:.2f} by {size[1]:.2f} inches")
    return found


def figure_of(drawn: Axes | Figure) -> Figure:
    """The figure of what a function of `bayessem.plots` returns."""
    return drawn if isinstance(drawn, Figure) else drawn.get_figure()
