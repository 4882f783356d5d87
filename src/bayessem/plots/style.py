"""One look for all figures: sober, safe for colour-blind readers, made for one printed column."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Widths of one and of two columns in inches, as journals have them (89 and 183 mm).
ONE, TWO = 3.5, 7.2
# Okabe & Ito's colours, told apart by readers with any colour vision and, by their
# lightness, in grey: blue, vermilion, bluish green, reddish purple, orange, sky blue.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "D", "^", "v", "P")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
INK, QUIET, FAINT = "#222222", "#7A7A7A", "#DDDDDD"

SETTINGS: Any = {
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
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
}


def styled[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Give everything that a function draws the common style, and leave the user's as it is."""

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl
        import matplotlib.pyplot as plt

        with plt.rc_context(SETTINGS):
            result = function(*args, **kwargs)
            interactive = plt.isinteractive()
        # A notebook's backend turns it on when the first figure is made; leaving the context must
        # not turn it off again, or no later figure is shown.
        mpl.interactive(interactive)
        return result

    return inside


def new_figure(*, width: float = ONE, height: float = 2.4) -> Figure:
    """An empty figure; sizes in inches. Call it inside a `styled` function."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(width, height))


def axes_for(ax: Axes | None, *, width: float = ONE, height: float = 2.4) -> Axes:
    """The given axes, or those of a new figure."""
    return new_figure(width=width, height=height).add_subplot() if ax is None else ax


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
        `position` picks colour and marker.
    notes : sequence of str
        One a label, or none.
    note_title : str
        Above the notes.
    """
    for height, point, lower, upper, position in rows:
        ax.plot([lower, upper], [height, height], color=colour(position), linewidth=1.2, zorder=2)
        ax.plot(
            point,
            height,
            marker(position),
            color=colour(position),
            markersize=3.6,
            markeredgewidth=0,
            zorder=3,
        )
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    without_scale(ax)
    right: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "fontsize": 6.5, "color": QUIET}
    for height, note in enumerate(notes):
        ax.text(1.02, height, note, va="center", ha="left", **right)
    if note_title:
        ax.text(1.02, -0.6, note_title, va="bottom", ha="left", **right)


def group_legend(ax: Axes, groups: Sequence[str], *, curves: bool = False) -> None:
    """Above the axes, which colour with which marker (or line, for curves) is which group.

    Nothing for a single group.
    """
    if len(groups) < 2:
        return
    from matplotlib.lines import Line2D

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
        for g, name in enumerate(groups)
    ]
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=min(len(groups), 4),
        borderaxespad=0.2,
        handlelength=2.4 if curves else 2.0,
    )


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
