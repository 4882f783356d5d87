"""Rootograms, survival curves and distributions of responses, beside the model's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayessem.criticism.response_check import ResponseCheck
from bayessem.plots.style import COLOURS, QUIET, above, new_figure, panels, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Bars whose counts all have a label.
LABELLED = 12


@styled
def plot_response_check(result: ResponseCheck) -> Figure:
    """Frequencies, survival curves or distributions of data and model; a panel a group.

    Parameters
    ----------
    result : ResponseCheck
        From `Fit.response_check`.
    """
    table = result.table
    groups = list(table["group"].unique()) if "group" in table else [""]
    if len(groups) == 1:
        figure = new_figure(height=2.3)
        axes = [figure.add_subplot()]
    else:
        figure, axes = panels(groups, of=len(groups))
    percent = f"model, {100 * result.ci_prob:g} %"
    for ax, group in zip(axes, groups, strict=False):
        own = table[table["group"] == group] if group else table
        draw = {"counts": _rootogram, "survival": _curves, "distribution": _steps}[result.check]
        draw(ax, own, percent)
    axes[0].set_xlabel(result.y)
    if len(groups) == 1:
        above(axes[0], ncols=2)
    else:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2, fontsize=7)
    return figure


def _rootogram(ax: Axes, own: pd.DataFrame, percent: str) -> None:
    """Square roots of frequencies: bars of the data, points and intervals of the model."""
    at = np.arange(len(own))
    ax.bar(at, np.sqrt(own["observed"]), width=0.8, color=COLOURS[0], alpha=0.6, label="data")
    middle = np.sqrt(own["mean"].to_numpy())
    ends = np.abs(np.sqrt(own[["lower", "upper"]].to_numpy().T) - middle)
    ax.errorbar(
        at, middle, ends, fmt="o", color=COLOURS[1], markersize=2.6, elinewidth=1.0, label=percent
    )
    step = 1 if len(own) <= LABELLED else int(np.ceil(len(own) / LABELLED))
    ax.set_xticks(at[::step], own["count"].iloc[::step])
    ax.tick_params(axis="x", length=0)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("square root of how many")


def _curves(ax: Axes, own: pd.DataFrame, percent: str) -> None:
    """The data's curve in steps, and the model's with its band."""
    ax.fill_between(
        own["time"], own["lower"], own["upper"], color=COLOURS[1], alpha=0.2, linewidth=0
    )
    ax.plot(own["time"], own["mean"], color=COLOURS[1], linewidth=1.0, label=percent)
    ax.step(own["time"], own["observed"], where="post", color=COLOURS[0], label="data")
    ax.axhline(0.0, color=QUIET, linewidth=0.4)
    ax.set_ylim(0.0, 1.02)
    ax.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", ".25", ".50", ".75", "1"])
    ax.set_xlim(left=0.0)
    ax.set_ylabel("share that is longer")


def _steps(ax: Axes, own: pd.DataFrame, percent: str) -> None:
    """The data's distribution in steps, and the band of replicated data."""
    ax.fill_between(
        own["value"], own["lower"], own["upper"], color=COLOURS[1], alpha=0.2, linewidth=0
    )
    ax.plot(own["value"], own["mean"], color=COLOURS[1], linewidth=1.0, label=percent)
    ax.step(own["value"], own["observed"], where="post", color=COLOURS[0], label="data")
    ax.set_ylim(0.0, 1.02)
    ax.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", ".25", ".50", ".75", "1"])
    ax.set_ylabel("share that is at most this")
