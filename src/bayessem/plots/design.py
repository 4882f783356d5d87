"""Figure of a design study: the share of data sets in which a target is found, by sample size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayessem.errors import ModelError
from bayessem.planning.result import HOW, TITLES, Design
from bayessem.plots.style import (
    NORMAL,
    ONE,
    QUIET,
    SMALL,
    TWO,
    colour,
    fit_labels,
    group_legend,
    line,
    marker,
    new_figure,
    styled,
)
from bayessem.plots.wrapping import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Curves of a panel lie this share of the sizes' range beside each other.
ASIDE = 0.006


@styled
def plot_design(result: Design, *, target: str | None = None) -> Figure:
    """Assurance by sample size with its Monte Carlo interval, a panel a target.

    Filled points: rightly found. Open points: found although it is not there. A curve for each
    combination of the other conditions; the dotted line is the assurance that was sought, with a
    stroke at the smallest n that reaches it (interval: grey).

    Parameters
    ----------
    result : Design
        From `bayessem.design`.
    target : str, optional
        One target; by default a panel for each.

    Raises
    ------
    ModelError
        For a target that the study does not have.
    """
    targets = list(dict.fromkeys(result.table["target"]))
    if target is not None and target not in targets:
        raise ModelError(f"{target!r} is not among the targets {', '.join(targets)}")
    chosen = targets if target is None else [target]
    names = curve_names(result.table, result.crossed)
    curves = list(dict.fromkeys(names))
    across = min(len(chosen), 2)
    down = -(-len(chosen) // across)
    width = ONE if across == 1 else TWO
    legend = curves if len(curves) > 1 else ()
    figure = new_figure(width=width, height=0.3 + 2.1 * down, legend=legend)
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    for ax, name in zip(panels, chosen, strict=False):
        own = result.table["target"] == name
        _panel(ax, result.table[own], names[own], curves)
        sizes = result.sizes[result.sizes["target"] == name]
        _reached(ax, sizes, curves, curve_names(sizes, result.crossed))
        ax.set_title(wrapped(name, width / across - 0.6, NORMAL))
    for k, ax in enumerate(panels):
        ax.set_visible(k < len(chosen))
        if k % across == 0:
            ax.set_ylabel("share of data sets\nin which it is found")
        if k + across >= len(chosen):
            ax.set_xlabel("respondents")
            ax.tick_params(labelbottom=True)
    fit_labels(panels[0])
    if len(curves) > 1:
        group_legend(panels[0], curves, curves=True)
    return figure


def curve_names(frame: pd.DataFrame, crossed: list[str]) -> pd.Series:
    """What tells curves apart, by row of a table: "missing 10 %, 5 categories"."""

    def name(row: Any) -> str:
        parts = []
        for factor in crossed:
            value = row[factor]
            text = "as modelled" if pd.isna(value) else HOW[factor].write(value)
            parts.append(text if factor == "truth" else f"{TITLES[factor]} {text}")
        return ", ".join(parts)

    if not len(frame):
        return pd.Series([], dtype=object, index=frame.index)
    return frame.apply(name, axis=1)


def _panel(ax: Axes, table: pd.DataFrame, names: pd.Series, curves: list[str]) -> None:
    """The curves of a target."""
    sizes = np.unique(table["n"].to_numpy(dtype=float))
    step = ASIDE * (sizes[-1] - sizes[0])
    for k, curve in enumerate(curves):
        part = table[names == curve]
        n = part["n"].to_numpy(dtype=float) + step * (k - (len(curves) - 1) / 2.0)
        there = part["there"].to_numpy() > 0
        shade, style = colour(k), line(k)
        if there.any():
            right = part["assurance"].to_numpy()
            ax.plot(n, right, linestyle=style, marker=marker(k), color=shade, markersize=3.4)
            low, high = part["assurance_lower"], part["assurance_upper"]
            ax.vlines(n, low, high, color=shade, linewidth=0.8)
        wrong = part["wrongly"].to_numpy()
        if (~there).any() or (wrong > 0).any():
            ax.plot(
                n, wrong, linestyle=style, linewidth=0.7, marker=marker(k), color=shade,
                markersize=3.4, markerfacecolor="white", markeredgewidth=0.7,
            )  # fmt: skip
    ax.set_ylim(-0.02, 1.02)
    ax.set_yticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])


def _reached(ax: Axes, sizes: pd.DataFrame, curves: list[str], names: pd.Series) -> None:
    """The assurances that were sought and the smallest n that reach them."""
    for wanted in dict.fromkeys(sizes["assurance"]):
        ax.axhline(wanted, color=QUIET, linewidth=0.6, linestyle=":", zorder=0)
    for (_, row), curve in zip(sizes.iterrows(), names, strict=True):
        n, wanted = float(row["n"]), float(row["assurance"])
        if not row["smallest"] < n < np.inf:
            continue
        k = curves.index(curve)
        low = max(float(row["lower"]), float(row["smallest"]))
        high = min(float(row["upper"]), float(row["largest"]))
        ax.plot([low, high], [wanted, wanted], color=colour(k), linewidth=2.4, alpha=0.35)
        ax.plot([n, n], [-0.02, wanted], color=colour(k), linewidth=0.6, zorder=0)
        if len(curves) == 1:
            ax.annotate(
                f"n = {int(np.ceil(n))}", (n, 0.0), xytext=(2, 1), textcoords="offset points",
                fontsize=SMALL, color=colour(k),
            )  # fmt: skip
