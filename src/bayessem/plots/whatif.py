"""What-if curves, simple slopes and the Johnson-Neyman region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayessem.effects.slopes import Slopes
from bayessem.effects.whatif import WhatIf
from bayessem.plots.style import (
    ONE,
    QUIET,
    SMALL,
    TICKS,
    axes_for,
    below,
    colour,
    fit_labels,
    group_legend,
    interval_rows,
    line,
    new_figure,
    styled,
    width_of,
    with_unit,
    zero_line,
)
from bayessem.plots.wrapping import inches, line_height, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def plot_what_if(result: WhatIf, *, in_sd: bool = False, ax: Axes | None = None) -> Axes:
    """Curves of E[y | do(x)] with their pointwise bands, one for each group and setting.

    Parameters
    ----------
    result : WhatIf
        From `Fit.what_if`.
    in_sd : bool
        Show x in standard deviations from its mean, which suits constructs.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width.
    """
    parts = list(result.table.groupby(["group", "at"], sort=False))
    names = [
        ", ".join(s for s in (str(group), str(at).replace(" -", " \N{MINUS SIGN}")) if s)
        for (group, at), _ in parts
    ]
    ax = axes_for(ax, height=2.6, legend=names if len(names) > 1 else ())
    for k, (_, part) in enumerate(parts):
        x = part["x_sd"] if in_sd else part["x"]
        ax.fill_between(x, part["lower"], part["upper"], color=colour(k), alpha=0.16, linewidth=0)
        ax.plot(x, part["mean"], color=colour(k), linestyle=line(k))
    group_legend(ax, names, curves=True)
    ax.margins(x=0)
    set_to = f"{result.x} is set to"
    units = {} if in_sd else {set_to: result.units.get(result.x, "")}
    ax.set_xlabel(f"{set_to}\n(SD from its mean)" if in_sd else with_unit(set_to, units))
    ax.set_ylabel(f"Expected {with_unit(result.y, result.units)}")
    fit_labels(ax, room=0.5)
    return ax


@styled
def plot_slopes(result: Slopes, *, ax: Axes | None = None) -> Axes:
    """Simple slopes at a few values of the moderator, as points with intervals.

    Parameters
    ----------
    result : Slopes
        From `Fit.simple_slopes`.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width.
    """
    table = result.table
    groups = list(dict.fromkeys(table["group"]))
    values = list(dict.fromkeys(table["value_sd"]))
    labels = [f"{result.moderator} at {_sd(v)}" for v in values]
    width = ONE if ax is None else width_of(ax)
    labels = [wrapped(label, 0.45 * width, TICKS) for label in labels]
    lines = max(label.count("\n") + 1 for label in labels)
    each = max(0.1 * (len(groups) + 1), line_height(TICKS) * lines + 0.05)
    legend = groups if len(groups) > 1 else ()
    room = max(inches(label, TICKS) for label in labels) + (0.45 if len(groups) == 1 else 0.0)
    title = f"Slope of {result.y} on {result.x}\n{100 * result.ci_prob:g} % interval"
    units = {name: result.units.get(name) for name in (result.x, result.y)}
    title += "".join(f"\n{name}: {unit}" for name, unit in units.items() if unit)
    title, under = below(title, room, width=width)
    ax = axes_for(ax, height=0.25 + each * len(labels) + under, legend=legend)
    rows = []
    for r in table.to_dict("records"):
        g = groups.index(r["group"])
        offset = (g - (len(groups) - 1) / 2) * (0.7 / len(groups))
        at = values.index(r["value_sd"]) + offset
        rows.append((at, r["mean"], r["lower"], r["upper"], g))
    notes = [f"{p:.3f}" for p in table["p_positive"]] if len(groups) == 1 else []
    interval_rows(ax, labels, rows, notes=notes, note_title="P(>0)" if notes else "")
    zero_line(ax)
    group_legend(ax, groups)
    ax.set_xlabel(title)
    return ax


def _sd(value: float) -> str:
    if value == 0:
        return "mean"
    return f"{value:+g} SD".replace("-", "\N{MINUS SIGN}")


@styled
def plot_johnson_neyman(result: Slopes) -> Figure:
    """Slope by the moderator with its band and regions, above the probability that it is positive.

    Thick parts of the horizontal line at 0 are where the interval excludes 0; of several groups,
    each has its own line at the bottom.

    Parameters
    ----------
    result : Slopes
        From `Fit.johnson_neyman`.
    """
    groups = list(dict.fromkeys(result.table["group"]))
    figure = new_figure(width=ONE, height=3.5, legend=groups if len(groups) > 1 else ())
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (1.7, 1)})
    for g, group in enumerate(groups):
        part = result.table[result.table["group"] == group]
        _slope_curve(upper, part, g)
        _regions(upper, result, group, g, of=len(groups))
        lower.plot(part["value"], part["p_positive"], color=colour(g), linestyle=line(g))
    zero_line(upper, vertical=False)
    upper.set_ylabel(f"Slope of {result.y}\non {result.x}")
    fit_labels(upper)
    group_legend(upper, groups, curves=True)
    tail = (1 - result.ci_prob) / 2
    for edge in (tail, 1 - tail):
        lower.axhline(edge, color=QUIET, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    lower.set_ylim(-0.03, 1.03)
    lower.set_yticks([0, 0.5, 1])
    lower.set_ylabel("P(slope > 0)")
    lower.set_xlabel(with_unit(result.moderator, result.units))
    fit_labels(lower, room=0.5)
    lower.set_xlim(result.table["value"].min(), result.table["value"].max())
    return figure


def _slope_curve(ax: Axes, part: pd.DataFrame, position: int) -> None:
    shade = colour(position)
    ax.fill_between(
        part["value"], part["lower"], part["upper"], color=shade, alpha=0.16, linewidth=0
    )
    ax.plot(part["value"], part["mean"], color=shade, linestyle=line(position))


def _regions(ax: Axes, result: Slopes, group: str, position: int, *, of: int) -> None:
    """Where the interval excludes 0: at 0 for one group, with its ends; else a row each below."""
    shade, values = colour(position), result.table["value"]
    first, last = float(values.min()), float(values.max())
    at, transform = 0.0, ax.transData
    if of > 1:
        at, transform = 0.02 + 0.025 * (of - 1 - position), ax.get_xaxis_transform()
    for r in result.regions[result.regions["group"] == group].to_dict("records"):
        ends = np.clip([r["start"], r["end"]], first, last)
        ax.plot(
            ends,
            [at, at],
            color=shade,
            linewidth=2.0,
            solid_capstyle="butt",
            zorder=1,
            transform=transform,
        )
        for end, side in ((r["start"], "left"), (r["end"], "right")):
            if np.isfinite(end) and of == 1:
                _edge(ax, end, side, shade)


def _edge(ax: Axes, end: float, side: str, shade: str) -> None:
    """Where a region begins or ends, with its value."""
    ax.axvline(end, color=shade, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    ax.annotate(
        f"{end:.2f}".replace("-", "\N{MINUS SIGN}"),
        (end, 0),
        xycoords=ax.get_xaxis_transform(),
        xytext=(2 if side == "left" else -2, 2),
        textcoords="offset points",
        ha=side,
        fontsize=SMALL,
        color=shade,
    )
