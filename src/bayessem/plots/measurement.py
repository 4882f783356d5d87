"""Measurement quality at a glance: loadings, reliability, and how distinct the constructs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import ModelError
from bayessem.measurement.quality_result import Measurement
from bayessem.measurement.tables import HTMT_LIMITS, THRESHOLDS, VERDICTS
from bayessem.plots.style import (
    COLOURS,
    INK,
    QUIET,
    TWO,
    colour,
    marker,
    new_figure,
    styled,
    without_scale,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Characters of a variable's label that fit beside an axis.
SHORT_LABEL = 28


@styled
def plot_measurement(result: Measurement, *, group: str | None = None) -> Figure:
    """Loadings, reliability with AVE, and the matrix of correlations and HTMT.

    Parameters
    ----------
    result : Measurement
        From `Fit.measurement`.
    group : str, optional
        Which group's; by default the first of `result.groups`.
    """
    shown = result.groups[0] if group is None else str(group)
    if shown not in result.groups:
        raise ModelError(f"group={group!r} is not in this result; groups: {result.groups}")
    loadings = _of(result.loadings, shown)
    constructs = loadings["construct"].nunique()
    height = max(3.8, 0.8 + 0.14 * (len(loadings) + 1.2 * constructs))
    figure = new_figure(width=TWO, height=height)
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.35), height_ratios=(1, 1.6))
    left = figure.add_subplot(grid[:, 0])
    upper, lower = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    title = f" [{shown}]" if shown else ""
    _loadings(left, loadings, f"Standardised loadings{title}")
    _reliability(upper, _of(result.reliability, shown))
    _matrix(lower, result, shown)
    return figure


def _of(table: pd.DataFrame, group: str) -> pd.DataFrame:
    return table[table["group"] == group] if "group" in table else table


def _threshold(ax: Axes, value: float, position: int | None = None) -> None:
    shade = QUIET if position is None else colour(position)
    ax.axvline(value, color=shade, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)


def _loadings(ax: Axes, table: pd.DataFrame, title: str) -> None:
    # labels say more than names, where there is room for all of them
    short = bool(table["label"].str.len().between(1, SHORT_LABEL).all())
    height, ticks, labels, last = -1.0, [], [], None
    for r in table.to_dict("records"):
        if r["construct"] != last:
            height += 1.0 if last is None else 1.2
            ax.text(
                0.0,
                height,
                r["construct"],
                transform=ax.get_yaxis_transform(),
                va="center",
                fontsize=7,
                fontweight="bold",
            )
        height += 1.0
        last = r["construct"]
        ax.plot([r["lower"], r["upper"]], [height, height], color=COLOURS[0], linewidth=1.1)
        ax.plot(r["mean"], height, "o", color=COLOURS[0], markersize=3.2, markeredgewidth=0)
        ticks.append(height)
        labels.append(r["label"] if short else r["indicator"])
    ax.set_yticks(ticks, labels, fontsize=6.5)
    ax.set_ylim(height + 0.7, -0.7)
    without_scale(ax)
    ax.set_xlim(min(0.4, float(np.floor(10 * table["lower"].min()) / 10)), 1.02)
    _threshold(ax, THRESHOLDS["loading"])
    ax.set_title(title)
    ax.set_xlabel(f"dashed: {THRESHOLDS['loading']:.2f}", fontsize=7, color=QUIET)


def _reliability(ax: Axes, table: pd.DataFrame) -> None:
    from matplotlib.transforms import ScaledTranslation

    names = list(dict.fromkeys(table["construct"]))
    for position, (measure, label) in enumerate((("omega", "omega (CR)"), ("ave", "AVE"))):
        rows = table[table["measure"] == measure].set_index("construct").loc[names]
        at = np.arange(len(names)) + (position - 0.5) * 0.36
        ax.hlines(at, rows["lower"], rows["upper"], color=colour(position), linewidth=1.1)
        ax.plot(
            rows["mean"],
            at,
            marker(position),
            color=colour(position),
            markersize=3.2,
            markeredgewidth=0,
            linestyle="",
            label=f"{label}, dashed {THRESHOLDS[measure]:.2f}",
        )
        _threshold(ax, THRESHOLDS[measure], position)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    without_scale(ax)
    ax.set_xlim(0, 1)
    ax.set_title("Reliability and convergent validity")
    if names:
        # A fixed distance below the axis, whatever its height.
        below = ScaledTranslation(0, -13 / 72, ax.figure.dpi_scale_trans)
        ax.legend(
            loc="upper right",
            bbox_to_anchor=(1.0, 0.0),
            bbox_transform=ax.transAxes + below,
            ncols=2,
            fontsize=6.5,
            borderaxespad=0.0,
        )


def _matrix(ax: Axes, result: Measurement, group: str) -> None:
    names = [str(v) for v in result.draws["variable"].values]
    size = len(names)
    value = np.full((size, size), np.nan)
    bold = np.zeros((size, size), dtype=bool)
    for r in _of(result.correlations, group).to_dict("records"):
        i, j = names.index(r["other"]), names.index(r["construct"])
        value[i, j] = r["mean"]
        bold[i, j] = r["verdict"] not in ("", "no problem")
    for r in _of(result.htmt, group).to_dict("records"):
        i, j = sorted((names.index(r["construct"]), names.index(r["other"])))
        value[i, j] = r["htmt"]
        bold[i, j] = r["upper"] >= HTMT_LIMITS[0]
    roots = {
        names.index(r["construct"]): np.sqrt(r["ave"])
        for r in _of(result.fornell_larcker, group).to_dict("records")
    }
    ax.imshow(np.abs(value), cmap="Greys", vmin=0.0, vmax=2.4, aspect="auto")
    font = 6.5 if size <= 10 else 5.5
    for i in range(size):
        for j in range(size):
            if np.isfinite(value[i, j]):
                ax.text(
                    j,
                    i,
                    f"{value[i, j]:.2f}".replace("0.", ".", 1),
                    ha="center",
                    va="center",
                    fontsize=font,
                    fontweight="bold" if bold[i, j] else "normal",
                    color=COLOURS[1] if bold[i, j] else INK,
                )
        if i in roots:
            text = f"{roots[i]:.2f}".replace("0.", ".", 1)
            ax.text(i, i, text, ha="center", va="center", fontsize=font, color=COLOURS[0])
    ax.set_xticks(range(size), names, fontsize=6.5)
    if size > 5:
        ax.tick_params(axis="x", rotation=45)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    ax.set_yticks(range(size), names, fontsize=6.5)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title("Discriminant validity")
    ax.set_xlabel(
        "below: correlations; diagonal: \N{SQUARE ROOT}AVE; above: HTMT\n"
        f"bold: the interval reaches {VERDICTS[0][0]:.2f} (correlations), "
        f"{HTMT_LIMITS[0]:.2f} (HTMT)",
        fontsize=6.5,
        color=QUIET,
    )
