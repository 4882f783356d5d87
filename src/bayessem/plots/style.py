"""One look for all figures: sober, safe for colour-blind readers, made for one printed column."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from bayessem.plots.fonts import with_glyphs
from bayessem.plots.wrapping import BOLD, inches, line_height, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# Widths of one and of two columns in inches, as journals have them (89 and 183 mm).
ONE, TWO = 3.5, 7.2
# Okabe & Ito's colours, told apart by readers with any colour vision and, by their
# lightness, in grey: blue, vermilion, bluish green, reddish purple, orange, sky blue, black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Seven colours with six markers and lines: 42 groups before a pair comes again.
MARKERS = ("o", "s", "D", "^", "v", "P")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
INK, QUIET, FAINT = "#222222", "#7A7A7A", "#DDDDDD"
# Points of the letters of titles and axes, of notes and crowded names, of legends and ticks.
NORMAL, SMALL = 8.0, 6.5
LEGEND = TICKS = 7.0

SETTINGS: Any = {
    "font.size": NORMAL,
    "axes.titlesize": NORMAL,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": NORMAL,
    "xtick.labelsize": TICKS,
    "ytick.labelsize": TICKS,
    "legend.fontsize": LEGEND,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "figure.dpi": 150.0,
    "savefig.dpi": 300.0,
    "savefig.bbox": "tight",
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}


def styled[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Give everything that a function draws the common style, and leave the user's as it is."""

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl
        import matplotlib.pyplot as plt

        with plt.rc_context(SETTINGS):
            result = function(*args, **kwargs)
            figure: Any = result if hasattr(result, "findobj") else None
            if figure is not None:
                with_glyphs(getattr(figure, "figure", figure))
            interactive = plt.isinteractive()
        # A notebook's backend turns it on when the first figure is made; leaving the context must
        # not turn it off again, or no later figure is shown.
        mpl.interactive(interactive)
        return result

    return inside


def new_figure(*, width: float = ONE, height: float = 2.4, legend: Sequence[str] = ()) -> Figure:
    """An empty figure; sizes in inches. Call it inside a `styled` function.

    legend : names that a legend above the axes will have; lines after its first add to the height.
    """
    import matplotlib.pyplot as plt

    names, columns = legend_columns(legend, width)
    lines = sum(
        max(name.count("\n") + 1 for name in names[k : k + columns])
        for k in range(0, len(names), columns)
    )
    return plt.figure(figsize=(width, height + max(lines - 1, 0) * line_height(LEGEND)))


def axes_for(
    ax: Axes | None, *, width: float = ONE, height: float = 2.4, legend: Sequence[str] = ()
) -> Axes:
    """The given axes, or those of a new figure."""
    if ax is not None:
        return ax
    return new_figure(width=width, height=height, legend=legend).add_subplot()


def width_of(ax: Axes) -> float:
    """Inches that axes with their labels may take: their part of the figure."""
    whole, place = ax.get_figure(root=True).bbox_inches.width, ax.get_subplotspec()  # type: ignore[union-attr]
    if place is None:
        return whole
    grid = place.get_gridspec()
    widths = np.asarray(grid.get_width_ratios(), dtype=float)
    return whole * float(widths[place.colspan.start : place.colspan.stop].sum() / widths.sum())


def fit_labels(ax: Axes, *, room: float = 0.0) -> None:
    """Break the title and the names of both axes into lines that fit.

    room : inches at the side that the axes do not have, for labels of ticks or notes.
    """
    high = 0.8 * ax.get_position().height * ax.get_figure(root=True).bbox_inches.height  # type: ignore[union-attr]
    _wrap(ax.yaxis.label, high)
    lines = ax.yaxis.label.get_text().count("\n") + 1 if ax.yaxis.label.get_text() else 0
    width = width_of(ax) - 0.15
    # A label of the x axis stands below its middle: where labels of ticks take room at one side
    # only, it would reach out at the other.
    narrow = max(width - room - lines * line_height(NORMAL), 0.5 * width)
    for text in (ax.xaxis.label, ax.title, ax._left_title, ax._right_title):  # type: ignore[attr-defined]
        _wrap(text, narrow)


def _wrap(text: Text, most: float) -> None:
    size = float(text.get_fontsize()) * (BOLD if text.get_fontweight() == "bold" else 1.0)
    text.set_text(wrapped(text.get_text(), most, size))


def below(title: str, room: float, *, width: float = ONE) -> tuple[str, float]:
    """The name of an x axis in lines that fit, and the inches that ticks and it take.

    room : inches that the labels of the y axis take.
    """
    text = wrapped(title, max(width - 0.15 - room, 0.5 * width), NORMAL)
    return text, 0.4 + (text.count("\n") + 1) * line_height(NORMAL)


def without_scale(ax: Axes, *, y: bool = True) -> None:
    """Take away the line and ticks of an axis that only carries names."""
    ax.tick_params(axis="y" if y else "x", length=0)
    ax.spines["left" if y else "bottom"].set_visible(False)


def colour(position: int) -> str:
    """Colour of the group, chain or curve at a position."""
    return COLOURS[position % len(COLOURS)]


def marker(position: int) -> str:
    """Marker of the group at a position."""
    return MARKERS[position % len(MARKERS)]


def line(position: int) -> Any:
    """Line style of the curve at a position: a second way to tell curves apart."""
    return LINES[position % len(LINES)]


def zero_line(ax: Axes, *, vertical: bool = True, at: float = 0.0) -> None:
    """A quiet reference line behind everything else."""
    draw = ax.axvline if vertical else ax.axhline
    draw(at, color=QUIET, linewidth=0.6, zorder=0)


def interval_rows(
    ax: Axes,
    labels: Sequence[str],
    rows: Sequence[tuple[float, float, float, float, int]],
    *,
    notes: Sequence[str] = (),
    note_title: str = "",
) -> None:
    """Points with intervals below each other, labels at the left and a note at the right of each.

    Parameters
    ----------
    ax : Axes
        To draw on.
    labels : sequence of str
        From top to bottom, at 0, 1, 2, ...
    rows : sequence of (height, point, lower, upper, position)
        `position` picks colour and marker; -1 is what all groups have in common.
    notes : sequence of str
        One a label, or none.
    note_title : str
        Above the notes.
    """
    for height, point, lower, upper, position in rows:
        shade, shape = (INK, "o") if position < 0 else (colour(position), marker(position))
        ax.plot([lower, upper], [height, height], color=shade, linewidth=1.2, zorder=2)
        ax.plot(point, height, shape, color=shade, markersize=3.6, markeredgewidth=0, zorder=3)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    without_scale(ax)
    right: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "fontsize": 6.5, "color": QUIET}
    for height, note in enumerate(notes):
        ax.text(1.02, height, note, va="center", ha="left", **right)
    if note_title:
        ax.text(1.02, -0.6, note_title, va="bottom", ha="left", **right)


def legend_columns(names: Sequence[str], width: float) -> tuple[list[str], int]:
    """Names of a legend in lines that fit a width in inches, and how many stand side by side."""
    if not names:
        return [], 1
    around = 4.6 * LEGEND / 72  # line, gaps
    lines = [wrapped(name, width - around - 0.15, LEGEND) for name in names]
    each = around + max(inches(name, LEGEND) for name in lines)
    return lines, max(1, min(len(lines), 4, int((width - 0.1) / each)))


def group_legend(ax: Axes, groups: Sequence[str], *, curves: bool = False) -> None:
    """Above the axes, which colour with which marker (or line, for curves) is which group.

    Nothing for a single group.
    """
    if len(groups) < 2:
        return
    from matplotlib.lines import Line2D

    names, columns = legend_columns(groups, width_of(ax))
    handles = [
        Line2D(
            [],
            [],
            color=colour(g),
            linestyle=line(g) if curves else "-",
            marker="" if curves else marker(g),
            markersize=3.6,
            linewidth=1.2,
            label=name,
        )
        for g, name in enumerate(names)
    ]
    above(ax, handles=handles, ncols=columns, handlelength=2.4 if curves else 2.0)


def above(ax: Axes, **options: Any) -> None:
    """A legend above the axes. It ends where they end, so that long ones have the whole width."""
    ax.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, columnspacing=1.0,
        handletextpad=0.6, **options,
    )  # fmt: skip


def names_beside(ax: Axes, points: Sequence[tuple[float, float, str]], size: float = 6.5) -> None:
    """Name points of axes that are complete, the first ones nearest, no name on another.

    points : x, y (both in the units of the data) and name of each.
    """
    from matplotlib.transforms import Bbox

    figure = ax.get_figure(root=True)
    assert figure is not None
    with_glyphs(figure)
    figure.draw_without_rendering()  # where the layout puts the axes
    taken: list[Bbox] = []
    inch = figure.dpi
    high = line_height(size) * inch
    for x, y, name in points:
        wide = inches(name, size) * inch
        at = ax.transData.transform((x, y))
        for step, side in product((0, 1, -1, 2, -2, 3, -3), (1, -1)):
            left = 0.06 * inch * side - (wide if side < 0 else 0.0)
            shift = np.array([left, (step - 0.5) * high])
            x0, y0 = at + shift
            box = Bbox.from_bounds(x0, y0, wide, high)
            inside = ax.bbox.y0 <= box.y0 and box.x1 <= ax.bbox.x1 and box.y1 <= ax.bbox.y1
            if inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)
        ax.annotate(
            name, (x, y), xytext=tuple(shift * 72.0 / inch), textcoords="offset points",
            fontsize=size, va="bottom",
        )  # fmt: skip


def chance(probability: float) -> str:
    """A probability after "P(...)" that never claims to be exactly 0 or 1."""
    if probability > 0.999:
        return "> .999"
    if probability < 0.001:
        return "< .001"
    return f"= {probability:.3f}".replace("0.", ".", 1)


def density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grid and kernel density of draws of any shape; nan left out."""
    from arviz_stats.base import array_stats

    flat = values[np.isfinite(values)]
    grid, height, _ = array_stats.kde(flat)
    return grid, height


def term_name(text: str) -> str:
    """A product term for people: `AMC:AMC` as AMC with a raised 2, `AMC:DIV` with a cross."""
    factors = text.split(":")
    if len(factors) == 2 and factors[0] == factors[1]:
        return f"{factors[0]}\N{SUPERSCRIPT TWO}"
    return " \N{MULTIPLICATION SIGN} ".join(factors)


def path_name(text: str) -> str:
    """A chain of variables with proper arrows: `AMC -> RAD` or `AMC:AMC -> RAD`."""
    arrow = " \N{RIGHTWARDS ARROW} "
    return arrow.join(term_name(part.strip()) for part in text.split("->"))


def with_unit(name: str, units: Mapping[str, str]) -> str:
    """A variable's name for an axis, with what its unit is below it where that is known."""
    return f"{name}\n({units[name]})" if units.get(name) else name


def panels(names: Sequence[str], *, of: int, size: float = TICKS) -> tuple[Figure, list[Axes]]:
    """A figure with a titled panel a name, four a row, and a line that says how many are left."""
    columns = min(4, max(len(names), 1))
    down = -(-len(names) // columns)
    width = max(ONE, TWO * columns / 4)
    titles = [wrapped(name, width / columns - 0.25, BOLD * size) for name in names]
    lines = max([title.count("\n") + 1 for title in titles], default=1)
    figure = new_figure(width=width, height=0.6 + (1.15 + (lines - 1) * 0.12) * max(down, 1))
    axes = list(figure.subplots(max(down, 1), columns, squeeze=False).ravel())
    for ax, title in zip(axes, titles, strict=False):
        ax.set_title(title, fontsize=size)
        ax.tick_params(labelsize=6)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    if of > len(names):
        figure.supxlabel(f"{of - len(names)} more not shown", fontsize=SMALL, color=QUIET)
    return figure, axes
