"""Parameters by group under complete, no and partial pooling, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bayessem.errors import ModelError
from bayessem.moderation.poolings import Poolings
from bayessem.plots.style import (
    FAINT,
    ONE,
    TWO,
    group_legend,
    interval_rows,
    new_figure,
    path_name,
    styled,
    zero_line,
)

if TYPE_CHECKING:
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
    height = down * (0.75 + 0.32 * len(groups)) + 0.2
    figure = new_figure(width=ONE if across == 1 else TWO, height=height)
    panels = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    sizes = dict(zip(result.report.groups, result.report.sizes, strict=True))
    labels = [f"{g} (n = {sizes[g]})" for g in groups]
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
        low, high = part["lower"].min(), part["upper"].max()
        if low < 0 < high:
            zero_line(ax)
        ax.set_xlabel(f"{_title(name)}, mean and {100 * result.ci_prob:g} % interval")
    for ax in panels[len(chosen) :]:
        ax.set_visible(False)
    group_legend(panels[0], [f"{'no' if k == 'none' else k} pooling" for k in KINDS])
    return figure
