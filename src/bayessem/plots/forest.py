"""Forest of estimates: paths, loadings or effects with their intervals, below each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from bayessem.arguments import check_shared
from bayessem.effects.effects import Effects
from bayessem.errors import ModelError
from bayessem.plots.style import (
    FAINT,
    ONE,
    TICKS,
    axes_for,
    below,
    group_legend,
    interval_rows,
    path_name,
    styled,
    term_name,
    width_of,
    zero_line,
)
from bayessem.plots.wrapping import inches, line_height, wrapped
from bayessem.results.fitted import Fitted
from bayessem.syntax.responses import SHAPE_BOUNDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Labels take at most this part of the width.
LABELS = 0.45
# What can be asked for, and what its rows of the table are.
KINDS = (
    "path",
    "product",
    "loading",
    "weight",
    "covariance",
    "variance",
    "intercept",
    "threshold",
    "shape",
    "tail",
    "defined",
)


@check_shared
@styled
def plot_estimates(
    fit: Fitted,
    kinds: Sequence[str] = ("path", "product"),
    *,
    standardized: bool = True,
    ci_prob: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Forest of parameters: point, interval and P(> 0), one row a parameter, groups side by side.

    Parameters
    ----------
    fit : Fitted
        A sampled model.
    kinds : sequence of str
        Which parameters: "path", "product" (squares and interactions), "loading", "covariance",
        "variance", "intercept", "threshold", "shape" (of a response), "tail", "defined".
    standardized : bool
        Standardised values; a square has the coefficient of the squared standardised factor.
        Where a parameter has none (intercepts and defined ones may), it is left out.
    ci_prob : float
        Probability of the equal-tailed intervals.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width.

    Raises
    ------
    ModelError
        For an unknown kind, or when the model has no such parameter.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ModelError(f"kinds are out of {', '.join(KINDS)}, not {kind!r}")
    table = fit.summary(ci_prob=ci_prob)
    table = table[[_kind(r) in kinds for r in table.to_dict("records")]]
    columns = ["std", "std_lower", "std_upper"] if standardized else ["mean", "lower", "upper"]
    table = table[table[columns].notna().all(axis=1)]
    if table.empty:
        raise ModelError(f"the model has no parameter of the kind {' or '.join(kinds)}")
    shown = pd.DataFrame(
        {
            "label": [_label(r) for r in table.to_dict("records")],
            "group": table.get("group", ""),
            "mean": table[columns[0]],
            "lower": table[columns[1]],
            "upper": table[columns[2]],
            "p_positive": table["p_positive"],
            "asked": [_kind(r) != "variance" for r in table.to_dict("records")],
        }
    )
    unit = "Standardised estimate" if standardized else "Estimate"
    return _forest(shown, f"{unit}, {100 * ci_prob:g} % interval", ax)


@styled
def plot_effects(effects: Effects, *, ax: Axes | None = None) -> Axes:
    """Forest of direct, indirect and total effects.

    Parameters
    ----------
    effects : Effects
        From `Fit.effects`. Differences between groups are in its table, not in the figure.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width.
    """
    from bayessem.effects.effects import without_repetition

    table = without_repetition(effects.table)
    table = table[~_differences(table["group"])]
    shown = pd.DataFrame(
        {
            "label": [_effect_label(r) for r in table.to_dict("records")],
            "group": table["group"],
            "mean": table["mean"],
            "lower": table["lower"],
            "upper": table["upper"],
            "p_positive": table["p_positive"],
            "asked": True,
        }
    )
    unit = "Standardised effect" if effects.standardized else "Effect"
    title = f"{unit} of {effects.x} on {effects.y}\n{100 * effects.ci_prob:g} % interval"
    title += "".join(f"\n{name}: {unit}" for name, unit in effects.units.items() if unit)
    return _forest(shown, title, ax)


def _differences(groups: pd.Series) -> pd.Series:
    """Which rows are of the difference between two groups, named "one - other"."""
    known = [g for g in groups.unique() if g]
    pairs = {f"{one} - {other}" for one in known for other in known}
    return groups.isin(pairs)


def _kind(row: dict) -> str:
    match row["op"]:
        case "~":
            return "product" if ":" in row["rhs"] else "path"
        case "=~":
            return "loading"
        case "<~":
            return "weight"
        case "~~":
            return "variance" if row["lhs"] == row["rhs"] else "covariance"
        case "~1":
            return "intercept"
        case "|":
            return "shape" if row["rhs"] in SHAPE_BOUNDS else "threshold"
        case "nu":
            return "tail"
    return "defined"


def _label(row: dict) -> str:
    match row["op"]:
        case "~":
            return path_name(f"{row['rhs']} -> {row['lhs']}")
        case "=~":
            return path_name(f"{row['lhs']} -> {row['rhs']}")
        case "<~":
            return path_name(f"{row['rhs']} -> {row['lhs']}")
        case "~~":
            both = f"{row['lhs']} \N{LEFT RIGHT ARROW} {row['rhs']}"
            return both if row["lhs"] != row["rhs"] else f"variance of {row['lhs']}"
        case "~1":
            return f"intercept of {row['lhs']}"
        case "|" if row["rhs"] in SHAPE_BOUNDS:
            return f"{row['rhs']} of {row['lhs']}"
        case "|":
            return f"threshold {row['rhs'][1:]} of {row['lhs']}"
    return term_name(row["lhs"])


def _effect_label(row: dict) -> str:
    name = path_name(row["path"]) if row["path"] else row["effect"]
    if row["effect"] == "direct":
        name = "direct"
    return f"{name}\n{at_name(row['at'])}" if row["at"] else name


def at_name(text: str) -> str:
    """Where an effect holds, with a proper minus sign."""
    return text.replace(" -", " \N{MINUS SIGN}")


def _in_common(shown: pd.DataFrame) -> pd.DataFrame:
    """Rows that are the same in every group as one row of the group ""."""
    groups = shown["group"].nunique()
    if groups < 2:
        return shown
    numbers = ["label", "mean", "lower", "upper"]
    same = shown.groupby("label")["mean"].transform("size") == groups
    same &= shown.groupby("label")[numbers[1:]].transform("nunique").max(axis=1) == 1
    shown = shown.assign(group=shown["group"].mask(same, ""))
    return shown[~(same & shown.duplicated(numbers))]


def _forest(shown: pd.DataFrame, title: str, ax: Axes | None) -> Axes:
    shown = _in_common(shown)
    groups = list(dict.fromkeys(g for g in shown["group"] if g))
    several = len(groups) > 1
    width = ONE if ax is None else width_of(ax)
    names = list(dict.fromkeys(shown["label"]))
    labels = [wrapped(name, LABELS * width, TICKS) for name in names]
    # Each row is as high as its label and its groups need, and the tallest decides for all.
    most = max(shown.groupby("label").size())
    lines = max(label.count("\n") + 1 for label in labels)
    each = max(0.09 * (most + 1), line_height(TICKS) * lines + 0.04)
    if several and (shown["group"] == "").any():
        title += "\nblack, without a group: the same in all groups"
    notes = [] if several else [_chance(r) for r in shown.to_dict("records")]
    room = max(inches(label, TICKS) for label in labels) + (0.45 if any(notes) else 0.0)
    title, under = below(title, room, width=width)
    ax = axes_for(ax, height=0.2 + each * len(labels) + under, legend=groups if several else ())
    rows = []
    for r in shown.to_dict("records"):
        g = groups.index(r["group"]) if several and r["group"] else 0
        offset = (g - (len(groups) - 1) / 2) * (0.75 / len(groups)) if r["group"] else 0.0
        common = several and not r["group"]
        at = names.index(r["label"]) + offset
        rows.append((at, r["mean"], r["lower"], r["upper"], -1 if common else g))
    interval_rows(ax, labels, rows, notes=notes, note_title="P(>0)" if any(notes) else "")
    if several:
        for edge in range(len(labels) - 1):
            ax.axhline(edge + 0.5, color=FAINT, linewidth=0.4, zorder=0)
    zero_line(ax)
    group_legend(ax, groups)
    ax.set_xlabel(title)
    return ax


def _chance(row: dict) -> str:
    """P(> 0) where that is a question: not of variances, nor of what is fixed."""
    asked = row["asked"] and pd.notna(row["p_positive"])
    return f"{row['p_positive']:.3f}" if asked else ""
