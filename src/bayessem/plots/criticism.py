"""Figures of model criticism: discrepancies, residuals, predictive checks, priors, sensitivity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayessem.criticism.indices import Indices
from bayessem.criticism.predictive import PredictiveCheck
from bayessem.criticism.prior_consequences import PriorConsequences
from bayessem.criticism.residuals import Residuals
from bayessem.criticism.sensitivity import Sensitivity
from bayessem.errors import ModelError
from bayessem.plots.style import (
    COLOURS,
    FAINT,
    INK,
    ONE,
    QUIET,
    TWO,
    axes_for,
    chance,
    colour,
    density,
    line,
    marker,
    new_figure,
    styled,
    term_name,
    without_scale,
    zero_line,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 30
PANELS = 16


@styled
def plot_discrepancy(result: Indices, *, ax: Axes | None = None) -> Axes:
    """Discrepancy of the data over the draws beside that of replicated data.

    Parameters
    ----------
    result : Indices
        From `Fit.indices`.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width.
    """
    ax = axes_for(ax)
    labelled = (
        (result.discrepancy.values.ravel(), "the data"),
        (result.replicated, "data drawn from the model"),
    )
    for k, (values, label) in enumerate(labelled):
        grid, height = density(values)
        ax.fill_between(grid, 0, height, color=colour(k), alpha=0.18, linewidth=0)
        ax.plot(grid, height, color=colour(k), linestyle=line(k), label=label)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(f"Discrepancy from the model (PPP {chance(result.ppp)})")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    return ax


@styled
def plot_residuals(result: Residuals, *, group: str | None = None) -> Figure:
    """Residual correlations as a triangle, the large ones in figures.

    Parameters
    ----------
    result : Residuals
        From `Fit.residuals`.
    group : str, optional
        Which group's; by default the first.
    """
    known = list(dict.fromkeys(result.table["group"]))
    chosen = known[0] if group is None else group
    if chosen not in known:
        raise ModelError(f"group={group!r} is not in this result; groups: {', '.join(known)}")
    matrix = result.matrix(chosen)
    names, value = list(matrix.index), matrix.to_numpy()
    size = len(names)
    large = {
        frozenset((r["lhs"], r["rhs"]))
        for r in result.table.to_dict("records")
        if r["large"] and r["group"] == chosen
    }
    side = min(TWO, 1.4 + 0.2 * size)
    figure = new_figure(width=side + 0.7, height=side)
    ax = figure.add_subplot()
    shown = np.where(np.tri(size, k=-1, dtype=bool), value, np.nan)
    image = ax.imshow(shown, cmap="PuOr", vmin=-0.3, vmax=0.3)
    for i in range(size):
        for j in range(i):
            if frozenset((names[i], names[j])) in large:
                text = f"{value[i, j]:.2f}".replace("0.", ".", 1).replace("-", "\N{MINUS SIGN}")
                ax.text(j, i, text, ha="center", va="center", fontsize=5 if size > 12 else 6.5)
    ax.set_xticks(range(size - 1), names[:-1], rotation=90, fontsize=6.5)
    ax.set_yticks(range(1, size), names[1:], fontsize=6.5)
    ax.set_ylim(size - 0.5, 0.5)
    ax.set_xlim(-0.5, size - 1.5)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(image, ax=ax, shrink=0.6, ticks=[-0.3, -0.1, 0.1, 0.3])
    bar.outline.set_visible(False)
    bar.set_label("Observed \N{MINUS SIGN} implied correlation", fontsize=7)
    if chosen:
        ax.set_title(chosen)
    return figure


@styled
def plot_predictive(result: PredictiveCheck) -> Figure:
    """The data beside data drawn from the model.

    Correlations: each with the interval of the drawn ones, the most surprising first. Indicators:
    densities of drawn data sets and of the data. Shape: the fitted curve and its band.

    Parameters
    ----------
    result : PredictiveCheck
        From `Fit.predictive_check`.
    """
    if result.check == "indicators":
        return _indicators(result)
    if result.check == "shape":
        return _shape(result)
    table = result.table.head(MOST)
    figure = new_figure(width=ONE, height=0.8 + 0.14 * len(table))
    ax = figure.add_subplot()
    labels = []
    for k, r in enumerate(table.to_dict("records")):
        ax.plot([r["lower"], r["upper"]], [k, k], color=QUIET, linewidth=1.4, zorder=1)
        ax.plot(r["mean"], k, "|", color=QUIET, markersize=4.5, zorder=2)
        shade = COLOURS[1] if r["surprising"] else COLOURS[0]
        shape = marker(1) if r["surprising"] else marker(0)
        ax.plot(r["observed"], k, shape, color=shade, markersize=3.4, markeredgewidth=0, zorder=3)
        labels.append(r["quantity"] + (f" [{r['group']}]" if r["group"] else ""))
    ax.set_yticks(range(len(labels)), labels, fontsize=6.5)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    without_scale(ax)
    zero_line(ax)
    more = len(result.table) - len(table)
    ax.set_xlabel(
        f"Correlation: data (points), {100 * result.ci_prob:g} % of drawn data (lines)"
        + (f"\n{more} less surprising ones not shown" if more else ""),
        fontsize=7,
    )
    return figure


def _indicators(result: PredictiveCheck) -> Figure:
    """Density of each indicator in the data and in a few drawn data sets."""
    names = list(dict.fromkeys(result.table["quantity"]))  # the most surprising first
    names = names[:PANELS]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(width=TWO, height=0.4 + 1.15 * rows)
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    every = list(result.observed.columns)
    some = np.linspace(0, len(result.replicated) - 1, min(20, len(result.replicated))).astype(int)
    for k, (ax, name) in enumerate(zip(all_axes, names, strict=False)):
        j = every.index(name)
        observed = result.observed[name].to_numpy()
        low, high = np.nanmin(observed), np.nanmax(observed)
        for s in some:
            grid, height = density(result.replicated[s, :, j])
            ax.plot(grid, height, color=QUIET, linewidth=0.4, alpha=0.6,
                    label="drawn from the model" if k == 0 and s == some[0] else None)  # fmt: skip
        grid, height = density(observed)
        ax.plot(grid, height, color=COLOURS[0], linewidth=1.3, label="data" if k == 0 else None)
        if not result.prior:
            ax.set_xlim(low - 0.4 * (high - low), high + 0.4 * (high - low))
        ax.set_title(name, fontsize=7)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_ylim(bottom=0)
    for ax in all_axes[len(names) :]:
        ax.set_visible(False)
    figure.legend(loc="outside upper right", ncols=2, fontsize=7)
    return figure


def _shape(result: PredictiveCheck) -> Figure:
    figure = new_figure(width=ONE, height=2.5)
    ax = figure.add_subplot()
    relation = str(result.table["quantity"].iloc[0])
    y, x = relation.split(" ~ ")
    for g, (group, part) in enumerate(result.curves.groupby("group", sort=False)):
        name = f" [{group}]" if group else ""
        ax.fill_between(part["x"], part["lower"], part["upper"], color=colour(g), alpha=0.18,
                        linewidth=0, label=f"drawn from the model{name}")  # fmt: skip
        ax.plot(part["x"], part["mean"], color=colour(g), linewidth=0.8, linestyle=":")
        ax.plot(part["x"], part["observed"], color=INK if g == 0 else colour(g), linestyle=line(g),
                label=f"data{name}")  # fmt: skip
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    ax.margins(x=0)
    ax.set_xlabel(f"Score of {x}, SD")
    ax.set_ylabel(f"Score of {y}, SD")
    return figure


@styled
def plot_prior_consequences(result: PriorConsequences) -> Figure:
    """Densities of the implied priors, a panel a quantity: R2, effects, correlations, loadings.

    Parameters
    ----------
    result : PriorConsequences
        From `SEM.prior_consequences`.
    """
    order = ("R2", "standardised path", "effect", "shape", "correlation", "standardised loading")
    rows = [r for kind in order for r in result.table.to_dict("records") if r["kind"] == kind]
    rows = rows[:PANELS]
    columns = min(4, max(len(rows), 1))
    height = -(-len(rows) // columns)
    figure = new_figure(width=TWO, height=0.4 + 1.2 * height)
    all_axes = figure.subplots(height, columns, squeeze=False).ravel()
    for ax, r in zip(all_axes, rows, strict=False):
        label = r["quantity"] + (f" [{r['group']}]" if r["group"] else "")
        values = result.draws.sel(quantity=f"{r['kind']}: {label}").values
        bounded = r["kind"] in ("R2", "correlation", "standardised loading")
        low = 0.0 if r["kind"] == "R2" else -1.0
        low, high = (low, 1.0) if bounded else (r["lower"], r["upper"])
        inside = values[(values >= low) & (values <= high)]
        ax.hist(inside, bins=24, range=(low, high), color=COLOURS[0], alpha=0.55)
        ax.set_xlim(low, high)
        ax.set_title(_title(label), fontsize=6.5)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.tick_params(labelsize=6)
        if not bounded:
            ax.axvline(0.0, color=QUIET, linewidth=0.6)
    for ax in all_axes[len(rows) :]:
        ax.set_visible(False)
    return figure


def _title(label: str) -> str:
    if " ~ " in label and ":" in label.split(" ~ ")[1] and ": " not in label:
        y, x = label.split(" ~ ")
        label = f"{y} ~ {term_name(x)}"
    label = label.replace(" -> ", "\N{RIGHTWARDS ARROW}")
    for mark in (": ", " ("):
        head, found, tail = label.partition(mark)
        if found and len(label) > 24:
            return f"{head}\n{found.strip(': ')}{tail}"
    return label


@styled
def plot_sensitivity(result: Sensitivity, *, ax: Axes | None = None) -> Axes:
    """Sensitivity to the prior against sensitivity to the data; what matters is named.

    Parameters
    ----------
    result : Sensitivity
        From `Fit.sensitivity`.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width.
    """
    from bayessem.criticism.sensitivity import VERDICTS

    ax = axes_for(ax, height=2.8)
    table = result.table
    for k, name in enumerate(VERDICTS):
        part = table[table["verdict"] == name]
        if len(part):
            ax.plot(part["likelihood"], part["prior"], marker(k), color=colour((0, 1, 4)[k]),
                    markersize=3.6, markeredgewidth=0, alpha=0.8, label=name)  # fmt: skip
    limit = result.threshold
    ax.axhline(limit, color=QUIET, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    ax.plot([limit, limit], [limit, 1], color=QUIET, linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
    top = max(1.15 * float(table["prior"].max()), 1.6 * limit)
    ax.set_ylim(0, top)
    ax.set_xlim(0, max(1.1 * float(table["likelihood"].max()), 1.6 * limit))
    named = table[table["prior"] >= limit].sort_values("prior", ascending=False).head(6)
    names = {"standardised path": "std. ", "standardised loading": "std. "}
    at = np.inf
    for r in named.to_dict("records"):
        at = min(r["prior"], at - 0.06 * top)  # labels below each other, apart
        group = f" [{r['group']}]" if r["group"] else ""
        label = names.get(r["kind"], "") + _title(r["quantity"]).replace("\n", " ") + group
        ax.annotate(
            label,
            (r["likelihood"], r["prior"]),
            xytext=(1.02, at),
            textcoords=ax.get_yaxis_transform(),
            va="center",
            fontsize=6,
            color=INK,
            arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.4},
        )
    ax.set_xlabel("Sensitivity to the data")
    ax.set_ylabel("Sensitivity to the prior")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2,
              handletextpad=0.2, columnspacing=0.8)  # fmt: skip
    ax.axhspan(0, limit, color=FAINT, alpha=0.35, linewidth=0, zorder=0)
    return ax
