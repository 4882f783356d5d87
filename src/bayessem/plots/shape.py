"""The curve of a quadratic or cubic relation, where it turns, and where the respondents are."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import ModelError
from bayessem.plots.style import (
    FAINT,
    INK,
    ONE,
    QUIET,
    chance,
    colour,
    density,
    fit_labels,
    group_legend,
    line,
    new_figure,
    styled,
    with_unit,
)
from bayessem.shapes.cubic_result import CubicShape
from bayessem.shapes.shape_result import Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# How far beyond the bounds the curve is followed, as a share of their distance: at least, and at
# most when respondents lie there.
BEYOND, FARTHEST = 0.15, 0.35
# Height of an interval's line below the densities, which are 1 high.
STEP = 0.08
# Height of the rug; up to how many different values a variable has bars in it.
RUG, FEWEST = 0.22, 11


@styled
def plot_shape(
    result: Shape | CubicShape,
    *,
    rug: Sequence[float] | np.ndarray | None = None,
    group: str | None = None,
) -> Figure:
    """Curve with its band, above the density of its turning point and a rug of the respondents.

    Of a cubic it is those of inflection, peak and trough that more probably lie inside than not.

    The white ground lies between the bounds on which the shape was judged. A turning point outside
    the figure is shown at its edge.

    Parameters
    ----------
    result : Shape or CubicShape
        From `Fit.shape`.
    rug : sequence of float, optional
        Values of x by respondent: a column of the data, or of `Fit.scores()` for a construct.
    group : str, optional
        One group; by default all, in colours.
    """
    names = [str(n) for n in result.draws["group"].values]
    if group is not None and group not in names:
        raise ModelError(f"group={group!r} is not in this result; groups: {', '.join(names)}")
    chosen = names if group is None else [group]
    draws = result.draws.sel(group=chosen)
    low, high = (float(draws.sel(quantity=q).mean()) for q in ("low", "high"))
    values = np.asarray([] if rug is None else rug, dtype=float)
    values = values[np.isfinite(values)]
    reach = max([BEYOND, *((low - values) / (high - low)), *((values - high) / (high - low))])
    curves = result.curve(beyond=min(reach, FARTHEST))
    labels = list(result.probabilities["group"])
    figure = new_figure(width=ONE, height=3.5, legend=chosen if len(chosen) > 1 else ())
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (2.2, 1)})
    shown = curves[curves["group"].isin([labels[names.index(name)] for name in chosen])]
    first, last = float(shown["x"].min()), float(shown["x"].max())
    for g, name in enumerate(chosen):
        k = names.index(name)
        curve = curves[curves["group"] == labels[k]]
        upper.fill_between(
            curve["x"], curve["lower"], curve["upper"], color=colour(g), alpha=0.16, linewidth=0
        )
        upper.plot(curve["x"], curve["mean"], color=colour(g), linestyle=line(g))
        for step, (point, values_of, row) in enumerate(_points(result, k)):
            _turning_point(lower, values_of, row, (first, last), g, name=point, step=step % 2)
    for ax in (upper, lower):
        for start, end in ((first, low), (high, last)):
            ax.axvspan(start, end, color=FAINT, alpha=0.5, linewidth=0, zorder=0)
    upper.set_xlim(first, last)
    upper.set_ylabel(f"Expected {with_unit(result.y, result.units)}")
    bottom = -0.05 - STEP * len(chosen)
    if len(values):
        bottom -= RUG
        _rug(lower, values, bottom)
    lower.set_ylim(bottom, 1.15 if isinstance(result, Shape) else 1.5)
    lower.set_yticks([])
    lower.spines["left"].set_visible(False)
    lower.set_ylabel("Turning\npoint" if isinstance(result, Shape) else "Where it\nturns, bends")
    lower.set_xlabel(with_unit(result.x, result.units))
    bounds = "the bounds given" if result.bounds == "as given" else result.bounds
    marks = "; ticks: respondents" if len(values) else ""
    note = fill(f"grey: outside {bounds}{marks}", 50)
    figure.supxlabel(note, fontsize=6.5, color=QUIET)
    if len(chosen) > 1:
        group_legend(upper, chosen, curves=True)
    else:
        upper.set_title(_verdict(result, names.index(chosen[0])), fontweight="normal", color=QUIET)
    for ax in (upper, lower):
        fit_labels(ax, room=0.5)
    return figure


def _rug(ax: Axes, values: np.ndarray, bottom: float) -> None:
    """A tick a respondent; of a variable with few values, as an item is, a bar by their number."""
    found, counts = np.unique(values, return_counts=True)
    few = len(found) <= FEWEST and len(values) > 2 * len(found)
    heights = RUG * (counts / counts.max() if few else np.full(len(found), 0.7))
    ax.vlines(found, bottom, bottom + heights, color=INK, linewidth=2.0 if few else 0.4, alpha=0.6)


def _points(result: Shape | CubicShape, k: int) -> list[tuple[str, np.ndarray, dict]]:
    """The points of a group that are shown: a name where there are several, draws, the summary."""
    own = result.draws.isel(group=k)
    if isinstance(result, Shape):
        row = result.turning_point.iloc[k].to_dict()
        square, turning = (own.sel(quantity=q).values.ravel() for q in ("square", "turning_point"))
        return [("", turning[(square < 0) == (row["kind"] == "peak")], row)]
    low, high = (own.sel(quantity=q).values.ravel() for q in ("low", "high"))
    out = []
    for row in result.points[
        result.points["group"] == result.probabilities["group"].iloc[k]
    ].to_dict("records"):
        at = own.sel(quantity=row["point"]).values.ravel()
        if row["p_inside"] >= 0.5:
            out.append((str(row["point"]), at[(at > low) & (at < high)], row))
    return out


def _turning_point(
    ax: Axes,
    draws: np.ndarray,
    row: dict,
    span: tuple[float, float],
    position: int,
    *,
    name: str = "",
    step: int = 0,
) -> None:
    """Density (cut off at the ends of the axis), median and interval of a turning point.

    Its name stands above it, every other one a line higher.
    """
    shade = colour(position)
    # Where the square is near 0 the turning point is anywhere: the density is of what is in sight.
    near = draws[(draws > span[0] - np.ptp(span)) & (draws < span[1] + np.ptp(span))]
    if len(near) > 20:
        grid, height = density(near)
        inside = (grid >= span[0]) & (grid <= span[1])
        height = height / height.max()
        ax.fill_between(grid[inside], 0, height[inside], color=shade, alpha=0.22, linewidth=0)
        ax.plot(grid[inside], height[inside], color=shade, linewidth=0.9, linestyle=line(position))
        if name:
            ax.text(
                float(grid[np.argmax(height)]), 1.04, name, ha="center", va="bottom", fontsize=6.5,
                color=shade,
            )  # fmt: skip
    if np.isfinite(row["median"]):
        ends = np.clip([row["lower"], row["upper"]], *span)
        at = -0.04 - STEP * (position + 0.5)
        ax.plot(ends, [at, at], color=shade, linewidth=1.2)
        if span[0] <= row["median"] <= span[1]:
            ax.plot(row["median"], at, "o", color=shade, markersize=3.2, markeredgewidth=0)


def _verdict(result: Shape | CubicShape, row: int) -> str:
    """The two most probable shapes."""
    found = result.probabilities.drop(columns="group").iloc[row].sort_values(ascending=False)
    said = [f"P({name}) {chance(p)}" for name, p in found.items() if p >= 0.001]
    return ", ".join(said[:2])
