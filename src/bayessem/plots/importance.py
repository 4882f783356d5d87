"""The importance-performance map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from bayessem.effects.importance import ImportancePerformance
from bayessem.plots.style import (
    FAINT,
    SMALL,
    TWO,
    axes_for,
    colour,
    fit_labels,
    group_legend,
    marker,
    new_figure,
    styled,
)
from bayessem.plots.wrapping import BOLD, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Panels beside each other, and inches of each.
ACROSS, HEIGHT = 3, 2.2
PERFORMANCE = "performance, 0 to 100"


@styled
def plot_importance(result: ImportancePerformance, *, ax: Axes | None = None) -> Axes | Figure:
    """Importance against performance of each construct, with their intervals.

    Parameters
    ----------
    result : ImportancePerformance
        From `Fit.importance_performance`.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width, or of several groups one of
        two columns' width with a panel a construct.
    """
    groups = list(dict.fromkeys(map(str, result.table["group"])))
    if len(groups) > 1 and ax is None:
        return _panels(result, groups)
    ax = axes_for(ax, height=2.8, legend=groups if len(groups) > 1 else ())
    _points(ax, result, result.table, groups)
    ax.margins(x=0.15, y=0.15)
    ax.set_xlabel(_importance(result))
    ax.set_ylabel(PERFORMANCE)
    group_legend(ax, groups)
    fit_labels(ax)
    for row in result.table.itertuples():
        at = (row.importance, row.performance)
        ax.annotate(row.construct, at, xytext=(4, 4), textcoords="offset points", fontsize=SMALL)
    return ax


def _importance(result: ImportancePerformance) -> str:
    return f"importance: total effect on {result.target}, points for one point"


def _panels(result: ImportancePerformance, groups: list[str]) -> Figure:
    """A panel a construct, all on one scale: the points of groups lie close to each other."""
    parts = list(result.table.groupby("construct", sort=False))
    columns = min(ACROSS, len(parts))
    down = -(-len(parts) // columns)
    figure = new_figure(width=TWO, height=HEIGHT * down + 0.4, legend=groups)
    axes = figure.subplots(down, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for ax, (name, part) in zip(axes, parts, strict=False):
        _points(ax, result, part, groups)
        ax.set_title(wrapped(str(name), TWO / columns - 0.5, BOLD * SMALL), fontsize=SMALL)
    for ax in axes[len(parts) :]:
        ax.set_visible(False)
    figure.supxlabel(_importance(result), fontsize=SMALL)
    figure.supylabel(PERFORMANCE, fontsize=SMALL)
    figure.legend(
        axes[0].containers,
        groups,
        loc="outside upper right",
        ncols=2,
        fontsize=SMALL,
        handletextpad=0.6,
    )
    return figure


def _points(
    ax: Axes, result: ImportancePerformance, table: pd.DataFrame, groups: list[str]
) -> None:
    """Points with intervals, about lines at the averages of all constructs and groups."""
    ax.axvline(result.table["importance"].mean(), color=FAINT, linewidth=0.8, zorder=0)
    ax.axhline(result.table["performance"].mean(), color=FAINT, linewidth=0.8, zorder=0)
    for k, group in enumerate(groups):
        part = table[table["group"].map(str) == group]
        x, y = part["importance"], part["performance"]
        ax.errorbar(
            x,
            y,
            xerr=(x - part["importance_lower"], part["importance_upper"] - x),
            yerr=(y - part["performance_lower"], part["performance_upper"] - y),
            fmt=marker(k),
            color=colour(k),
            markersize=4,
            linewidth=0.8,
        )
