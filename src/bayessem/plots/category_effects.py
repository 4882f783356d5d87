"""Effects on an ordered outcome: probabilities of its categories at two values of the cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayessem.effects.category_effects import CategoryEffects
from bayessem.plots.style import COLOURS, panels, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def plot_category_effects(result: CategoryEffects) -> Figure:
    """Bars of the probabilities before and after, with their intervals; a panel a group.

    Parameters
    ----------
    result : CategoryEffects
        From `Fit.category_effects`.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    table = result.probabilities
    groups = list(table["group"].unique()) if "group" in table else [""]
    figure, axes = panels([g or f"answers to {result.y}" for g in groups], of=len(groups))
    for ax, group in zip(axes, groups, strict=False):
        own = table[table["group"] == group] if group else table
        for k, (_, part) in enumerate(own.groupby("value", sort=False)):
            at = np.arange(len(part)) + 0.4 * k - 0.2
            ends = np.abs(part[["lower", "upper"]].to_numpy().T - part["mean"].to_numpy())
            ax.bar(
                at, part["mean"], width=0.38, yerr=ends, color=COLOURS[k], alpha=0.75,
                error_kw={"elinewidth": 0.8}, label=str(k),
            )  # fmt: skip
        ax.set_xticks(np.arange(len(part)), part["category"])
        ax.tick_params(axis="x", length=0)
        ax.set_ylim(0, 1.06 * float(table["upper"].max()))  # one scale for all groups
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.spines["left"].set_visible(True)
    handles, _ = axes[0].get_legend_handles_labels()
    first, second = result.change.removeprefix("from ").split(" to ")
    names = [f"{result.x} at {first}", f"{result.x} at {second}"]
    figure.legend(handles, names, loc="outside upper right", ncols=2, fontsize=7)
    return figure
