"""Figures of predictive checks: the data beside data drawn from the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bayessem.criticism.predictive import PredictiveCheck
from bayessem.plots.style import (
    COLOURS,
    INK,
    ONE,
    QUIET,
    SMALL,
    above,
    colour,
    density,
    fit_labels,
    group_legend,
    line,
    marker,
    new_figure,
    panels,
    styled,
    without_scale,
    zero_line,
)
from bayessem.plots.wrapping import inches, line_height, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Most correlations and most indicators that a figure shows.
MOST, MOST_INDICATORS = 30, 40


@styled
def plot_predictive(result: PredictiveCheck) -> Figure:
    """The data beside data drawn from the model.

    Correlations: each with the interval of the drawn ones, the most surprising first. Indicators:
    densities of drawn data sets and of the data, or shares of answers as bars (of ordered variables
    in each group). Shape: the fitted curve and its band.

    Parameters
    ----------
    result : PredictiveCheck
        From `Fit.predictive_check`.
    """
    if result.check == "indicators":
        return _indicators(result)
    if result.check == "shape":
        return _shape(result)
    return _correlations(result)


def _correlations(result: PredictiveCheck) -> Figure:
    """Points of the data on the intervals of drawn data, the most surprising first."""
    table = result.table.head(MOST)
    labels = [
        wrapped(_pair(r["quantity"]) + (f" [{r['group']}]" if r["group"] else ""), 1.6, SMALL)
        for r in table.to_dict("records")
    ]
    lines = max(label.count("\n") + 1 for label in labels)
    each = max(0.14, line_height(SMALL) * lines + 0.03)
    figure = new_figure(width=ONE, height=0.9 + each * len(table))
    ax = figure.add_subplot()
    for k, r in enumerate(table.to_dict("records")):
        ax.plot([r["lower"], r["upper"]], [k, k], color=QUIET, linewidth=1.4, zorder=1)
        ax.plot(r["mean"], k, "|", color=QUIET, markersize=4.5, zorder=2)
        shade = COLOURS[1] if r["surprising"] else COLOURS[0]
        shape = marker(1) if r["surprising"] else marker(0)
        ax.plot(r["observed"], k, shape, color=shade, markersize=3.4, markeredgewidth=0, zorder=3)
    ax.set_yticks(range(len(labels)), labels, fontsize=SMALL)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    without_scale(ax)
    zero_line(ax)
    more = len(result.table) - len(table)
    ax.set_xlabel(
        f"Correlation: data (points), {100 * result.ci_prob:g} % of drawn data (lines)"
        + (f"\n{more} less surprising ones not shown" if more else ""),
        fontsize=7,
    )
    fit_labels(ax, room=max(inches(label, SMALL) for label in labels))
    return figure


def _pair(quantity: str) -> str:
    """Two variables that correlate, for people."""
    return quantity.replace(" ~~ ", " \N{LEFT RIGHT ARROW} ")


def _indicators(result: PredictiveCheck) -> Figure:
    """Density of each indicator in the data and in a few drawn data sets."""
    every = list(dict.fromkeys(result.table["quantity"]))  # the most surprising first
    shares = _shares(result.categories)
    every = [title for name in every for title in shares.get(name, {name: None})]
    bars = {title: frame for own in shares.values() for title, frame in own.items()}
    names = every[:MOST_INDICATORS]
    figure, axes = panels(names, of=len(every))
    for ax, name in zip(axes, names, strict=False):
        if name in bars:
            _bars(ax, bars[name], 100 * result.ci_prob)
        else:
            _densities(ax, result, name)
        ax.set_ylim(bottom=0)
    handles: dict[str, Any] = {}
    for ax in axes:
        found, labels = ax.get_legend_handles_labels()
        handles = dict(zip(labels, found, strict=True)) | handles
    figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=2, fontsize=7)
    return figure


def _shares(categories: pd.DataFrame) -> dict[str, dict[str, pd.DataFrame]]:
    """Shares of the answers by variable and panel, a panel a group where groups have their own."""
    out: dict[str, dict[str, pd.DataFrame]] = {}
    for name, own in categories.groupby("variable", sort=False):
        groups = own["group"].unique() if "group" in own else [""]
        split = {f"{name} [{g}]": own[own["group"] == g] for g in groups if g}
        out[str(name)] = split or {str(name): own}
    return out


def _bars(ax: Axes, shares: pd.DataFrame, percent: float) -> None:
    """Shares of the answers in the data as bars, the model's beside them with their intervals."""
    at = np.arange(len(shares))
    ax.bar(at - 0.2, shares["observed"], width=0.4, color=COLOURS[0], alpha=0.75, label="data")
    ends = np.abs(shares[["lower", "upper"]].to_numpy().T - shares["mean"].to_numpy())
    ax.errorbar(
        at + 0.2, shares["mean"].to_numpy(), ends, fmt="o", color=COLOURS[1], markersize=2.6,
        elinewidth=1.0,
        label=f"drawn from the model, {percent:g} %",
    )  # fmt: skip
    ax.set_xticks(at, shares["answer"].str.replace("-", "\N{MINUS SIGN}"))
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.6, len(shares) - 0.4)


def _densities(ax: Axes, result: PredictiveCheck, name: str) -> None:
    """Density of a variable in the data, and in each of a few drawn data sets."""
    j = list(result.observed.columns).index(name)
    observed = result.observed[name].to_numpy()
    low, high = np.nanmin(observed), np.nanmax(observed)
    most = len(result.replicated)
    for s in np.linspace(0, most - 1, min(20, most)).astype(int):
        grid, height = density(result.replicated[s, :, j])
        ax.plot(grid, height, color=QUIET, linewidth=0.4, alpha=0.6,
                label="drawn from the model" if s == 0 else None)  # fmt: skip
    grid, height = density(observed)
    ax.plot(grid, height, color=COLOURS[0], linewidth=1.3, label="data")
    if not result.prior:
        ax.set_xlim(low - 0.4 * (high - low), high + 0.4 * (high - low))


def _shape(result: PredictiveCheck) -> Figure:
    relation = str(result.table["quantity"].iloc[0])
    y, x = relation.split(" ~ ")
    groups = [str(g) for g in result.curves["group"].unique()]
    several = len(groups) > 1
    figure = new_figure(width=ONE, height=2.6, legend=groups if several else ())
    ax = figure.add_subplot()
    for g, (_, part) in enumerate(result.curves.groupby("group", sort=False)):
        ax.fill_between(part["x"], part["lower"], part["upper"], color=colour(g), alpha=0.18,
                        linewidth=0, label="drawn from the model")  # fmt: skip
        ax.plot(part["x"], part["mean"], color=colour(g), linewidth=0.8, linestyle=":")
        ax.plot(part["x"], part["observed"], color=colour(g) if several else INK, linestyle=line(g),
                label="data")  # fmt: skip
    what = ""
    if several:
        group_legend(ax, groups, curves=True)
        what = "\nlines: data; bands: drawn from the model"
    else:
        above(ax, ncols=2)
    ax.margins(x=0)
    ax.set_xlabel(f"Score of {x}, SD{what}")
    ax.set_ylabel(f"Score of {y}, SD")
    fit_labels(ax, room=0.4)
    return figure
