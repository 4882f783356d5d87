"""Parameters by group under complete, no and partial pooling, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayessem.errors import ModelError
from bayessem.moderation.poolings import Poolings
from bayessem.plots.style import (
    FAINT,
    ONE,
    TICKS,
    TWO,
    fit_labels,
    group_legend,
    interval_rows,
    new_figure,
    path_name,
    styled,
    zero_line,
)
from bayessem.plots.wrapping import inches, line_height, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure

KINDS = ("complete", "none", "partial")


def _title(name: str) -> str:
    """A parameter for people: `RAD~AMC:AMC` as an arrow from the square."""
    for op, arrow in (("=~", "{0} -> {1}"), ("~~", ""), ("~", "{1} -> {0}")):
        left, found, right = name.partition(op)
        if found and arrow and right != "1":
            return path_name(arrow.format(left, right))
        if found:
            break
    return name


@styled
def plot_poolings(result: Poolings, *, parameter: str | None = None) -> Figure:
    """Estimates with intervals by group: how partial pooling draws groups to their population.

    The three poolings of a parameter are on one scale, and so are all parameters of a kind (paths,
    loadings, ...), whose estimates readers compare.

    Parameters
    ----------
    result : Poolings
        From `compare_poolings`.
    parameter : str, optional
        One parameter; by default a panel for each.

    Raises
    ------
    ModelError
        For a parameter that was not pooled.
    """
    if parameter is not None and parameter not in result.parameters:
        raise ModelError(
            f"{parameter!r} is not among the pooled parameters {', '.join(result.parameters)}"
        )
    chosen = result.parameters if parameter is None else (parameter,)
    across = min(len(chosen), 2)
    down = -(-len(chosen) // across)
    groups = result.groups
    width = ONE if across == 1 else TWO
    sizes = dict(zip(result.report.groups, result.report.sizes, strict=True))
    labels = [wrapped(f"{g} (n = {sizes[g]})", 0.4 * width / across, TICKS) for g in groups]
    lines = max(label.count("\n") + 1 for label in labels)
    each = max(0.32, line_height(TICKS) * lines + 0.06)
    names = [f"{'no' if k == 'none' else k} pooling" for k in KINDS]
    legend = names if across == 1 else ()
    figure = new_figure(width=width, legend=legend, height=down * (0.8 + each * len(groups)) + 0.2)
    panels = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    scales = {kind: _scale(result.table, chosen, kind) for kind in map(_operator, chosen)}
    for ax, name in zip(panels, chosen, strict=False):
        part = result.table[result.table["parameter"] == name]
        rows = []
        for r in part.to_dict("records"):
            k = KINDS.index(r["pooling"])
            at = groups.index(r["group"]) + 0.24 * (k - 1)
            rows.append((at, r["mean"], r["lower"], r["upper"], k))
        for edge in range(len(groups) - 1):
            ax.axhline(edge + 0.5, color=FAINT, linewidth=0.4, zorder=0)
        interval_rows(ax, labels, rows)
        low, high = scales[_operator(name)]
        ax.set_xlim(low, high)
        if low < 0 < high:
            zero_line(ax)
        ax.set_xlabel(f"{_title(name)}, mean and {100 * result.ci_prob:g} % interval")
        fit_labels(ax, room=max(inches(label, TICKS) for label in labels) if ax is panels[0] else 0)
    for ax in panels[len(chosen) :]:
        ax.set_visible(False)
    group_legend(panels[0], names)
    return figure


def _operator(name: str) -> str:
    """The kind of a parameter, whose estimates have one scale."""
    return next(op for op in ("=~", "~~", "~1", "~") if op in name.replace(" ", ""))


def _scale(table: pd.DataFrame, parameters: Sequence[str], kind: str) -> tuple[float, float]:
    """Limits that hold the intervals of all groups and poolings of a kind of parameter."""
    own = table[table["parameter"].isin([p for p in parameters if _operator(p) == kind])]
    low, high = float(own["lower"].min()), float(own["upper"].max())
    edge = 0.05 * (high - low)
    return low - edge, high + edge
