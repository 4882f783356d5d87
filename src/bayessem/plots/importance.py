"""The importance-performance map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayessem.effects.importance import ImportancePerformance
from bayessem.plots.style import FAINT, SMALL, axes_for, colour, group_legend, marker, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@styled
def plot_importance(result: ImportancePerformance, *, ax: Axes | None = None) -> Axes:
    """Importance against performance of each construct, with their intervals.

    Parameters
    ----------
    result : ImportancePerformance
        From `Fit.importance_performance`.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width.
    """
    parts = list(result.table.groupby("group", sort=False))
    names = [str(group) for group, _ in parts]
    ax = axes_for(ax, height=2.8, legend=names if len(names) > 1 else ())
    middle = result.table["importance"].mean(), result.table["performance"].mean()
    ax.axvline(middle[0], color=FAINT, linewidth=0.8, zorder=0)
    ax.axhline(middle[1], color=FAINT, linewidth=0.8, zorder=0)
    for k, (_, part) in enumerate(parts):
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
        for name, a, b in zip(part["construct"], x, y, strict=True):
            ax.annotate(name, (a, b), xytext=(4, 4), textcoords="offset points", fontsize=SMALL)
    ax.margins(x=0.15, y=0.15)
    ax.set_xlabel(f"importance: total effect on {result.target}, points for one point")
    ax.set_ylabel("performance, 0 to 100")
    group_legend(ax, names)
    return ax
