"""Figures of model comparison: Pareto k, elpd differences, who favours which model, LOO-PIT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayessem.comparison.compare_result import Comparison
from bayessem.comparison.loo import Loo
from bayessem.comparison.pit import LooPit
from bayessem.errors import FitError
from bayessem.plots.style import (
    COLOURS,
    FAINT,
    MARKERS,
    ONE,
    QUIET,
    TICKS,
    TWO,
    above,
    axes_for,
    fit_labels,
    legend_columns,
    names_beside,
    new_figure,
    styled,
    width_of,
    without_scale,
    zero_line,
)
from bayessem.plots.wrapping import BOLD, inches, line_height, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def plot_pareto_k(result: Loo, *, ax: Axes | None = None, names: int = 5) -> Axes:
    """Pareto k of each respondent, and what repaired those above the limit.

    Parameters
    ----------
    result : Loo
        From `Fit.loo`.
    ax : Axes, optional
        To draw on.
    names : int
        How many of the respondents above the limit are named.
    """
    ax = axes_for(ax, width=TWO, height=2.6)
    k, how = result.pointwise["pareto_k"].to_numpy(), result.pointwise["how"].to_numpy()
    at = np.arange(1, len(k) + 1)
    bad = k > result.good_k
    ax.plot(at[~bad], k[~bad], "o", color=COLOURS[0], markersize=2.6, markeredgewidth=0)
    # "PSIS" among those above the limit: nothing repaired them
    labels = {"moment matching": (2, 2), "exact refit": (4, 1), "PSIS": (1, 3)}
    for name, (shade, shape) in labels.items():
        some = bad & (how == name)
        if some.any():
            text = {"PSIS": "not repaired"}.get(name, name)
            ax.plot(
                at[some],
                k[some],
                MARKERS[shape],
                color=COLOURS[shade],
                markersize=4.2,
                markeredgewidth=0,
                label=f"{text} ({int(some.sum())})",
            )
    ax.axhline(result.good_k, color=QUIET, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    limit = f"{result.good_k:.2f}".removeprefix("0")
    ax.annotate(
        f"limit {limit}",
        (1.0, result.good_k),
        xycoords=("axes fraction", "data"),
        xytext=(2, 0),
        textcoords="offset points",
        va="center",
        fontsize=6.5,
        color=QUIET,
    )
    zero_line(ax, vertical=False)
    ax.set_xlim(0, len(k) + 1)
    ax.set_ylim(min(-0.1, float(k.min()) - 0.05), max(0.8, 1.12 * float(k.max())))
    ax.set_xlabel(f"{result.target.unit}, in the order of the data")
    ax.set_ylabel("Pareto k")
    if bad.any():
        above(ax, ncols=3)
    named = [i for i in np.argsort(-k) if bad[i]][:names]
    names_beside(ax, [(at[i], k[i], str(result.pointwise.index[i])) for i in named])
    return ax


@styled
def plot_comparison(result: Comparison, *, ax: Axes | None = None) -> Axes:
    """Difference in elpd of each model from the best, with one and two standard errors.

    Parameters
    ----------
    result : Comparison
        From `compare`.
    ax : Axes, optional
        To draw on.
    """
    table = result.table
    width = ONE + 1.2 if ax is None else width_of(ax)
    labels = [wrapped(str(name), 0.3 * width, TICKS) for name in table.index]
    lines = max(label.count("\n") + 1 for label in labels)
    each = max(0.3, line_height(TICKS) * lines + 0.08)
    ax = axes_for(ax, width=width, height=0.95 + each * len(table))
    ax.axvspan(-4.0, 4.0, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
    zero_line(ax)
    notes = []
    for height, r in enumerate(table.to_dict("records")):
        size, se = r["difference"], r["se_difference"]
        for times, width in ((2.0, 0.8), (1.0, 2.0)):
            ends = [size - times * se, size + times * se]
            ax.plot(ends, [height, height], color=COLOURS[0], linewidth=width, zorder=2)
        ax.plot(size, height, "o", color=COLOURS[0], markersize=4, markeredgewidth=0, zorder=3)
        notes.append(f"weight {r['stacking']:.2f}\n{r['verdict']}")
    ax.set_yticks(range(len(table)), labels)
    ax.set_ylim(len(table) - 0.4, -0.6)
    without_scale(ax)
    for height, note in enumerate(notes):
        ax.text(
            1.03,
            height,
            note,
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=6.5,
            color=QUIET,
        )
    ax.set_xlabel(
        f"elpd less that of {result.best}\n(lines: 1 and 2 SE; grey: less than 4)", fontsize=7
    )
    fit_labels(ax, room=max(inches(name, TICKS) for name in labels) + 0.8)
    return ax


@styled
def plot_pointwise(
    result: Comparison, model: str | None = None, *, ax: Axes | None = None, names: int = 5
) -> Axes:
    """Who favours which of two models: differences in elpd by respondent, the largest named.

    Parameters
    ----------
    result : Comparison
        From `compare`.
    model : str, optional
        Which model is compared with the best; by default the second best.
    ax : Axes, optional
        To draw on.
    names : int
        How many respondents are named.
    """
    name = str(result.differences.columns[0]) if model is None else model
    if name not in result.differences:
        raise FitError(f"{name!r} is not in this comparison, or is its best model")
    legend = [f"favour {m}: 000, 000.0 in all" for m in (result.best, name)]
    ax = axes_for(ax, width=TWO, height=2.6, legend=legend)
    gap = result.differences[name].to_numpy()
    at = np.arange(1, len(gap) + 1)
    for sign, position, favoured in ((-1, 0, result.best), (1, 1, name)):
        some = np.sign(gap) == sign
        ax.plot(
            at[some],
            gap[some],
            MARKERS[position],
            color=COLOURS[position],
            markersize=2.8,
            markeredgewidth=0,
            label=f"favour {favoured}: {int(some.sum())}, {abs(gap[some].sum()):.1f} in all",
        )
    zero_line(ax, vertical=False)
    ax.set_xlim(0, len(gap) + 1)
    unit = result.target.unit
    ax.set_xlabel(f"{unit}, in the order of {result.best}")
    ax.set_ylabel(f"elpd: {name} less {result.best}")
    above(ax, ncols=legend_columns(legend, width_of(ax))[1])
    fit_labels(ax)
    named = np.argsort(-np.abs(gap))[:names]
    names_beside(ax, [(at[i], gap[i], str(result.differences.index[i])) for i in named])
    return ax


@styled
def plot_loo_pit(result: LooPit, *, columns: int = 5) -> Figure:
    """Distribution of each indicator's PIT values less the uniform, in its band.

    Parameters
    ----------
    result : LooPit
        From `Fit.loo_pit`.
    columns : int
        Panels a row.
    """
    names = list(result.curves)
    across = min(columns, len(names))
    down = int(np.ceil(len(names) / across))
    width = max(TWO * across / columns, ONE)
    titles = [wrapped(name, width / across - 0.35, BOLD * TICKS) for name in names]
    lines = max(title.count("\n") + 1 for title in titles)
    each = 1.15 + (lines - 1) * line_height(TICKS)
    figure = new_figure(width=width, height=0.5 + each * down)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for ax, name, title in zip(panels.flat, names, titles, strict=False):
        curve = result.curves[name]
        wrong = bool(result.table.loc[name, "outside"])
        ax.fill_between(curve["x"], curve["lower"], curve["upper"], color=FAINT, linewidth=0)
        zero_line(ax, vertical=False)
        ax.plot(curve["x"], curve["difference"], color=COLOURS[1 if wrong else 0], linewidth=1.0)
        ax.set_title(title, fontsize=TICKS)
        ax.set_xlim(0, 1)
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        if wrong:
            verdict = wrapped(str(result.table.loc[name, "verdict"]), width / across - 0.5, 6.0)
            ax.set_xlabel(verdict, fontsize=6.0, color=COLOURS[1], labelpad=1.0)
    for ax in panels.flat[len(names) :]:
        ax.set_visible(False)
    for ax in panels.flat[len(names) - across : len(names)]:  # the lowest of each column
        ax.tick_params(labelbottom=True)
    figure.supxlabel("LOO-PIT", fontsize=8)
    figure.supylabel("distribution less uniform", fontsize=8)
    return figure
