"""Figures of model criticism: discrepancies, residuals, priors, sensitivity."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import lookup

import numpy as np

from bayessem.criticism.indices import Indices
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
    SMALL,
    TWO,
    above,
    axes_for,
    chance,
    colour,
    density,
    line,
    marker,
    new_figure,
    panels,
    styled,
    term_name,
    width_of,
)
from bayessem.plots.wrapping import inches, line_height, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Most prior quantities that a figure shows; inches of the names at a matrix.
PANELS, NAMES = 16, 1.3


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
    above(ax, ncols=2)
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
    labels = [wrapped(name, NAMES, SMALL) for name in names]
    around = max(inches(label, SMALL) for label in labels)
    lines = max(label.count("\n") + 1 for label in labels)
    each = max(0.2, line_height(SMALL) * lines)
    side = min(TWO - 0.7, 0.9 + around + each * size)
    figure = new_figure(width=side + 0.7, height=side)
    ax = figure.add_subplot()
    shown = np.where(np.tri(size, k=-1, dtype=bool), value, np.nan)
    image = ax.imshow(shown, cmap="PuOr", vmin=-0.3, vmax=0.3)
    for i in range(size):
        for j in range(i):
            if frozenset((names[i], names[j])) in large:
                text = f"{value[i, j]:.2f}".replace("0.", ".", 1).replace("-", "\N{MINUS SIGN}")
                ax.text(j, i, text, ha="center", va="center", fontsize=5 if size > 12 else 6.5)
    ax.set_xticks(range(size - 1), labels[:-1], rotation=90, fontsize=SMALL)
    ax.set_yticks(range(1, size), labels[1:], fontsize=SMALL)
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
def plot_prior_consequences(result: PriorConsequences) -> Figure:
    """Densities of the implied priors, a panel a quantity: R2, effects, correlations, loadings.

    Parameters
    ----------
    result : PriorConsequences
        From `SEM.prior_consequences`.
    """
    order = ("R2", "standardised path", "effect", "shape", "correlation", "standardised loading")
    rows = [r for kind in order for r in result.table.to_dict("records") if r["kind"] == kind]
    labels = [r["quantity"] + (f" [{r['group']}]" if r["group"] else "") for r in rows]
    titles = [_title(label) for label in labels[:PANELS]]
    figure, axes = panels(titles, of=len(rows), size=SMALL)
    for ax, label, r in zip(axes, labels, rows[:PANELS], strict=False):
        values = result.draws.sel(quantity=f"{r['kind']}: {label}").values
        bounded = r["kind"] in ("R2", "correlation", "standardised loading")
        low = 0.0 if r["kind"] == "R2" else -1.0
        low, high = (low, 1.0) if bounded else (r["lower"], r["upper"])
        inside = values[(values >= low) & (values <= high)]
        ax.hist(inside, bins=24, range=(low, high), color=COLOURS[0], alpha=0.55)
        ax.set_xlim(low, high)
        if not bounded and low < 0.0 < high:
            ax.axvline(0.0, color=QUIET, linewidth=0.6)
        if bounded:
            ax.set_xticks([0.0, 0.5, 1.0] if low == 0.0 else [-1.0, 0.0, 1.0])
        else:
            ax.locator_params(axis="x", nbins=4)
    return figure


def _title(label: str) -> str:
    if " ~ " in label and ": " not in label:
        y, x = label.split(" ~ ")
        x, bracket, group = x.partition(" [")
        label = f"{y} ~ {term_name(x)}{bracket}{group}"
    for op, arrow in (("->", "RIGHTWARDS ARROW"), ("=~", "RIGHTWARDS ARROW"),
                      ("~~", "LEFT RIGHT ARROW")):  # fmt: skip
        label = label.replace(f" {op} ", f" {lookup(arrow)} ")
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

    width = ONE if ax is None else width_of(ax)
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
    labels = [
        wrapped(
            names.get(r["kind"], "")
            + _title(r["quantity"]).replace("\n", " ")
            + (f" [{r['group']}]" if r["group"] else ""),
            0.4 * width,
            6.0,
        )
        for r in named.to_dict("records")
    ]
    heights = _apart(
        named["prior"].to_numpy(),
        np.array([label.count("\n") + 1 for label in labels]) * 0.075 * top,
    )
    for r, label, at in zip(named.to_dict("records"), labels, heights, strict=True):
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
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2,
              handletextpad=0.2, columnspacing=0.8)  # fmt: skip
    ax.axhspan(0, limit, color=FAINT, alpha=0.35, linewidth=0, zorder=0)
    return ax


def _apart(wanted: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Heights of labels from top to bottom, as near to where they belong as they can be read."""
    out = np.array(wanted, dtype=float)
    for k in range(1, len(out)):
        out[k] = min(out[k], out[k - 1] - (sizes[k - 1] + sizes[k]) / 2)
    low = sizes[-1] / 2 if len(out) else 0.0
    for k in range(len(out) - 1, -1, -1):  # none below the axis
        out[k] = max(out[k], low)
        low = out[k] + (sizes[k] + sizes[k - 1]) / 2
    return out
