"""Forest of estimates: paths, loadings or effects with their intervals, below each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from bayessem.arguments import check_shared
from bayessem.effects.effects import Effects
from bayessem.errors import ModelError
from bayessem.plots.style import (
    axes_for,
    group_legend,
    interval_rows,
    path_name,
    styled,
    term_name,
    zero_line,
)
from bayessem.results.fitted import Fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What can be asked for, and what its rows of the table are.
KINDS = ("path", "product", "loading", "covariance", "variance", "intercept", "defined")


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
        "variance", "intercept", "defined".
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
        From `Fit.effects`.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width.
    """
    from bayessem.effects.effects import without_repetition

    table = without_repetition(effects.table)
    shown = pd.DataFrame(
        {
            "label": [_effect_label(r) for r in table.to_dict("records")],
            "group": table["group"],
            "mean": table["mean"],
            "lower": table["lower"],
            "upper": table["upper"],
            "p_positive": table["p_positive"],
        }
    )
    unit = "Standardised effect" if effects.standardized else "Effect"
    title = f"{unit} of {effects.x} on {effects.y}\n{100 * effects.ci_prob:g} % interval"
    return _forest(shown, title, ax)


def _kind(row: dict) -> str:
    match row["op"]:
        case "~":
            return "product" if ":" in row["rhs"] else "path"
        case "=~":
            return "loading"
        case "~~":
            return "variance" if row["lhs"] == row["rhs"] else "covariance"
        case "~1":
            return "intercept"
    return "defined"


def _label(row: dict) -> str:
    match row["op"]:
        case "~":
            return path_name(f"{row['rhs']} -> {row['lhs']}")
        case "=~":
            return path_name(f"{row['lhs']} -> {row['rhs']}")
        case "~~":
            both = f"{row['lhs']} \N{LEFT RIGHT ARROW} {row['rhs']}"
            return both if row["lhs"] != row["rhs"] else f"variance of {row['lhs']}"
    return term_name(row["lhs"])


def _effect_label(row: dict) -> str:
    name = path_name(row["path"]) if row["path"] else row["effect"]
    if row["effect"] == "direct":
        name = "direct"
    return f"{name}\n{at_name(row['at'])}" if row["at"] else name


def at_name(text: str) -> str:
    """Where an effect holds, with a proper minus sign."""
    return text.replace(" -", " \N{MINUS SIGN}")


def _forest(shown: pd.DataFrame, title: str, ax: Axes | None) -> Axes:
    labels = list(dict.fromkeys(shown["label"]))
    groups = list(dict.fromkeys(shown["group"]))
    several = len(groups) > 1
    lines = sum(1 + label.count("\n") for label in labels)
    rows_each = 1.0 if not several else 0.5 + 0.4 * len(groups)
    height = 0.7 + 0.09 * len(labels) + 0.10 * lines * rows_each
    ax = axes_for(ax, height=height)
    rows = []
    for r in shown.to_dict("records"):
        g = groups.index(r["group"])
        offset = (g - (len(groups) - 1) / 2) * (0.7 / len(groups))
        rows.append((labels.index(r["label"]) + offset, r["mean"], r["lower"], r["upper"], g))
    notes = [] if several else [f"{p:.3f}" for p in shown["p_positive"]]
    interval_rows(ax, labels, rows, notes=notes, note_title="" if several else "P(>0)")
    zero_line(ax)
    group_legend(ax, groups)
    ax.set_xlabel(title)
    return ax
