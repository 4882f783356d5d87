"""Densities of direct, indirect and total effects of a mediation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayessem.effects.effects import Effects
from bayessem.effects.mediation_result import Mediation
from bayessem.errors import ModelError
from bayessem.plots.style import (
    FAINT,
    ONE,
    QUIET,
    TICKS,
    axes_for,
    below,
    chance,
    colour,
    density,
    fit_labels,
    group_legend,
    path_name,
    styled,
    width_of,
    without_scale,
    zero_line,
)
from bayessem.plots.wrapping import inches, line_height, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Height of the highest density, in rows; the part of the draws that is shown.
HEIGHT, SHOWN = 0.82, 0.998
# What the types are also called.
ALSO = {"indirect-only": "full mediation", "complementary": "partial mediation"}


@styled
def plot_mediation(
    result: Mediation,
    *,
    standardized: bool = True,
    group: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Posterior densities of the effects, one below the other, on a common scale.

    Dot and line are mean and interval; the shaded strip is the region in which a standardised
    direct effect counts as none. Effects that depend on x are those averaged over x.

    Parameters
    ----------
    result : Mediation
        From `Fit.mediation`.
    standardized : bool
        Standardised effects; the strip is drawn for these only.
    group : str, optional
        One group; by default all, in colours.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width.
    """
    effects = result.standardized if standardized else result.effects
    table = effects.table
    overall = (table["at"] == "") | table["at"].str.startswith("averaged")
    known = list(result.proportion["group"])
    if group is not None and group not in known:
        raise ModelError(f"group={group!r} is not in this result; groups: {known}")
    groups = known if group is None else [group]
    single = table.loc[table["effect"] == "indirect", "path"].nunique() == 1
    chosen = table[
        overall & table["group"].isin(groups) & ~((table["effect"] == "total indirect") & single)
    ]
    width = ONE if ax is None else width_of(ax)
    labels = list(dict.fromkeys(_label(r, width) for r in chosen.to_dict("records")))
    lines = max(label.count("\n") + 1 for label in labels)
    each = max(0.42, line_height(TICKS) * lines + 0.05)
    room = max(inches(label, TICKS) for label in labels)
    region = standardized and "direct" in set(chosen["effect"])
    title, under = below(_title(result, effects, region=region), room, width=width)
    height = 0.35 + each * (len(labels) + 0.45) + under
    ax = axes_for(ax, height=height, legend=groups if len(groups) > 1 else ())
    curves = []
    for k, r in chosen.iterrows():
        draws = effects.draws.values[..., int(k)]
        low, high = np.nanquantile(draws, [(1 - SHOWN) / 2, (1 + SHOWN) / 2])
        grid, tall = density(draws)
        inside = (grid >= low) & (grid <= high)
        row, g = labels.index(_label(r, width)), groups.index(r["group"])
        curves.append((row, g, r, grid[inside], tall[inside]))
    if region:
        none = labels.index("direct")
        ax.fill_between(
            [-result.rope, result.rope],
            none + 0.12,
            none - HEIGHT,
            color=FAINT,
            linewidth=0,
            zorder=0,
        )
    # Every density has the same area in the figure unless one is so narrow that it would hide all.
    scale = HEIGHT / min(
        max(h.max() for *_, h in curves), 4 * float(np.median([h.max() for *_, h in curves]))
    )
    for row, g, r, grid, tall in curves:
        top = row - np.minimum(tall * scale, HEIGHT)
        _draw_effect(ax, row, (g, len(groups)), r, (grid, top))
    ax.set_yticks(np.arange(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.6, -1.05)
    without_scale(ax)
    zero_line(ax)
    group_legend(ax, groups)
    ax.set_xlabel(title)
    if len(groups) == 1:
        ax.set_title(_kind(result, groups[0]), fontweight="normal", fontsize=7, color=QUIET)
    fit_labels(ax, room=room)
    return ax


def _draw_effect(
    ax: Axes,
    row: int,
    group: tuple[int, int],
    effect: pd.Series,
    curve: tuple[np.ndarray, np.ndarray],
) -> None:
    """Density, interval and mean of one effect in a row; group: which one of how many."""
    (g, groups), (grid, top) = group, curve
    ax.fill_between(grid, row, top, color=colour(g), alpha=0.22, linewidth=0, zorder=1)
    ax.plot(grid, top, color=colour(g), linewidth=0.9, zorder=2)
    under = row + 0.16 * (g + 0.5) / max(2, groups)
    ax.plot([effect["lower"], effect["upper"]], [under, under], color=colour(g), linewidth=1.2)
    ax.plot(effect["mean"], under, "o", color=colour(g), markersize=3.2, markeredgewidth=0)


def _kind(result: Mediation, group: str) -> str:
    """The likeliest kind of mediation in a group, with its probability."""
    rows = result.types[(result.types["group"] == group)]
    total = rows[rows["path"] == "total indirect"].iloc[0]
    kind = str(total["type"])
    name = f"{kind}: {ALSO[kind]}" if kind in ALSO else kind
    return f"P({name}) {chance(float(total[kind]))}"


def _title(result: Mediation, effects: Effects, *, region: bool) -> str:
    """What the axis shows, in which units."""
    unit = "Standardised effect" if effects.standardized else "Effect"
    percent = f"{100 * effects.ci_prob:g} % interval"
    percent += "; grey: counts as no direct effect" if region else ""
    units = "".join(f"\n{name}: {own}" for name, own in effects.units.items() if own)
    return f"{unit} of {result.x} on {result.y}\n{percent}{units}"


def _label(row: dict, width: float) -> str:
    name = path_name(row["path"]) if row["effect"] == "indirect" else row["effect"]
    return wrapped(name, 0.45 * width, TICKS)
