"""Measurement quality at a glance: loadings, reliability, and how distinct the constructs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayessem.errors import ModelError
from bayessem.measurement.quality_result import Measurement
from bayessem.measurement.tables import HTMT_LIMITS, THRESHOLDS, VERDICTS
from bayessem.plots.style import (
    COLOURS,
    INK,
    NORMAL,
    QUIET,
    TWO,
    colour,
    marker,
    new_figure,
    styled,
    width_of,
    without_scale,
)
from bayessem.plots.wrapping import BOLD, inches, line_height, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Points of the letters of names; inches for those of indicators and for names that stand upright.
NAMES, INDICATORS, UPRIGHT = 6.5, 1.15, 1.1
# Of the width, up to the titles at the right.
LEFT = 0.38


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
    loadings = _with_composites(_of(result.loadings, shown), _of(result.weights, shown))
    constructs = loadings["construct"].nunique()
    names = loadings["indicator"].tolist()
    labels = [wrapped(name, INDICATORS, NAMES) for name in names]
    lines = max([label.count("\n") + 1 for label in labels], default=1)
    each = max(0.14, line_height(NAMES) * lines + 0.03)
    observed = result.draws.sizes["variable"]
    # Rows of reliabilities and of the matrix at the right, which need as much for long names.
    right = 2.0 + 0.36 * constructs + 0.24 * observed
    height = max(3.8, right, 0.9 + each * (len(loadings) + 1.3 * constructs))
    figure = new_figure(width=TWO, height=height)
    ratios = (1, max(1.6, 0.4 + 1.1 * observed / max(constructs, 1)))
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.35), height_ratios=ratios)
    title = "Standardised loadings"
    if shown:
        whole, room = f"{title} [{shown}]", LEFT * TWO
        # beside the title at the right
        fits = inches(whole, BOLD * NORMAL) <= room
        title = whole if fits else f"{title}\n{wrapped(f'[{shown}]', room, BOLD * NORMAL)}"
    _loadings(figure.add_subplot(grid[:, 0]), loadings, title)
    reliability = _of(result.reliability, shown)
    if len(reliability):
        _reliability(figure.add_subplot(grid[0, 1]), reliability)
    # composites have no reliability: theirs is the matrix alone
    _matrix(figure.add_subplot(grid[1 if len(reliability) else slice(None), 1]), result, shown)
    return figure


def _with_composites(loadings: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame:
    """Loadings of the indicators of constructs, then those of the items of composites."""
    if not len(weights):
        return loadings
    names = {
        "composite": "construct",
        "item": "indicator",
        "loading_mean": "mean",
        "loading_lower": "lower",
        "loading_upper": "upper",
    }
    own = weights[[*names, "label"]].rename(columns=names)
    return pd.concat([loadings, own], ignore_index=True) if len(loadings) else own


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
        name = r["label"] if short else r["indicator"]
        labels.append(wrapped(name, INDICATORS, NAMES))
    ax.set_yticks(ticks, labels, fontsize=NAMES)
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
    labels = [wrapped(name, 0.3 * width_of(ax), NAMES) for name in names]
    ax.set_yticks(range(len(names)), labels, fontsize=NAMES)
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


def _entries(result: Measurement, group: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names (constructs first), values (row, column) and which of them are a reason to look.

    Below the diagonal correlations, on it the root of the AVE, above it HTMT.
    """
    roots = {r["construct"]: r["ave"] for r in _rows(result.fornell_larcker, group)}
    given = [str(v) for v in result.draws["variable"].values]
    constructs = set(_of(result.loadings, group)["construct"])
    names = [v for v in given if v in constructs] + [v for v in given if v not in constructs]
    value = np.full((len(names), len(names)), np.nan)
    bold = np.zeros(value.shape, dtype=bool)
    for r in _rows(result.correlations, group):
        j, i = sorted((names.index(r["construct"]), names.index(r["other"])))
        value[i, j] = r["mean"]
        bold[i, j] = r["verdict"] not in ("", "no problem")
    for r in _rows(result.htmt, group):
        i, j = sorted((names.index(r["construct"]), names.index(r["other"])))
        value[i, j] = r["htmt"]
        bold[i, j] = r["upper"] >= HTMT_LIMITS[0]
    for k, name in enumerate(names):
        value[k, k] = np.sqrt(roots[name]) if name in roots else np.nan
    return names, value, bold


def _rows(table: pd.DataFrame, group: str) -> list[dict]:
    return _of(table, group).to_dict("records")


def _matrix(ax: Axes, result: Measurement, group: str) -> None:
    names, value, bold = _entries(result, group)
    # An observed variable has neither HTMT nor AVE: the last one's column would be empty.
    across = np.flatnonzero(np.isfinite(value).any(axis=0))
    down = np.flatnonzero(np.isfinite(value).any(axis=1))
    rows, columns = [names[k] for k in down], [names[k] for k in across]
    font = 6.5 if len(names) <= 10 else 5.5
    if value.size and len(across):
        shade = np.where(np.eye(len(names), dtype=bool), np.nan, np.abs(value))
        ax.imshow(shade[np.ix_(down, across)], cmap="Greys", vmin=0.0, vmax=2.4, aspect="auto")
    for y, i in enumerate(down):
        for x, j in enumerate(across):
            if not np.isfinite(value[i, j]):
                continue
            ink = COLOURS[0] if i == j else COLOURS[1] if bold[i, j] else INK
            text = f"{value[i, j]:.2f}".replace("0.", ".", 1).replace("-", "\N{MINUS SIGN}")
            weight = "bold" if bold[i, j] else "normal"
            ax.text(x, y, text, ha="center", va="center", fontsize=font, fontweight=weight,
                    color=ink)  # fmt: skip
    _names(ax, rows, columns)
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


def _names(ax: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Names of the matrix, below each column upright where they are too long for it."""
    whole = width_of(ax)
    left = [wrapped(name, 0.3 * whole, NAMES) for name in rows]
    ax.set_yticks(range(len(rows)), left, fontsize=NAMES)
    used = max([inches(name, NAMES) for name in left], default=0.0) + 0.2
    each = (whole - used) / max(len(columns), 1)
    level = [wrapped(name, each - 0.06, NAMES) for name in columns]
    if any(_broken(a, b) for a, b in zip(level, columns, strict=True)):
        upright = [wrapped(name, UPRIGHT, NAMES) for name in columns]
        ax.set_xticks(range(len(columns)), upright, fontsize=NAMES, rotation=90)
    else:
        ax.set_xticks(range(len(columns)), level, fontsize=NAMES)


def _broken(lines: str, name: str) -> bool:
    """Whether a name took more than two lines, or was cut inside a word."""
    parts = lines.split("\n")
    return len(parts) > 2 or any(p[-1].isalnum() and p[-1].isascii() for p in parts[:-1] if p)
