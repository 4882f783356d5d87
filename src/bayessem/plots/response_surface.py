"""A response surface from above, with the respondents and its axes, and as a body in space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bayessem.errors import ModelError
from bayessem.plots.style import (
    COLOURS,
    FAINT,
    INK,
    ONE,
    QUIET,
    axes_for,
    chance,
    new_figure,
    styled,
)
from bayessem.shapes.congruence import CLAIMS
from bayessem.shapes.response_surface_result import ResponseSurface

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# From below to above, as many steps in lightness as in height; readable in grey.
PALETTE = "cividis"
LEVELS = 9


def _chosen(result: ResponseSurface, surface: str | None) -> str:
    if surface is not None and surface not in result.surfaces:
        raise ModelError(
            f"surface={surface!r} is not in this result; surfaces: {', '.join(result.surfaces)}"
        )
    return surface or result.surfaces[0]


def _axis_names(result: ResponseSurface) -> tuple[str, str, str]:
    """Names of x, z and y with units: standard deviations, or from where they are measured."""
    if result.metric == "standardized":
        return f"{result.x} (SD)", f"{result.z} (SD)", f"Expected {result.y} (SD)"
    names = []
    for name, center in zip((result.x, result.z), result.centers, strict=True):
        sign = "\N{MINUS SIGN}" if center > 0 else "+"
        names.append(f"{name} {sign} {abs(center):.3g}" if center else name)
    return names[0], names[1], f"Expected {result.y}"


def _square(result: ResponseSurface, surface: str, points: int) -> dict[str, np.ndarray]:
    """Columns of the grid as squares (z, x)."""
    grid = result.grid(surface=surface, points=points)
    return {name: grid[name].to_numpy().reshape(points, points) for name in grid}


@styled
def plot_response_surface(
    result: ResponseSurface, *, surface: str | None = None, ax: Axes | None = None
) -> Axes:
    """Contours of the expected outcome, respondents, lines of congruence and incongruence, axes.

    The first principal axis (second, where the outcome is lowest at congruence) is the ridge: thin
    lines are draws of it. The thick axes and the stationary point are those of the surface that is
    shown, the posterior mean; what lies outside is not shown.

    Parameters
    ----------
    result : ResponseSurface
        From `Fit.response_surface`.
    surface : str, optional
        One of `result.surfaces` (a group, a value of the moderator); the first by default.
    ax : Axes, optional
        Where to draw; by default a new figure of one column's width.
    """
    chosen = _chosen(result, surface)
    ax = axes_for(ax, width=ONE + 0.5, height=ONE + 0.25)
    square = _square(result, chosen, 61)
    filled = ax.contourf(square["x"], square["z"], square["mean"], LEVELS, cmap=PALETTE, alpha=0.85)
    low, high = result.limits()
    seen = result.scores
    if len(seen) and seen["group"].iloc[0] != "" and chosen.split(", ")[0] in set(seen["group"]):
        seen = seen[seen["group"] == chosen.split(", ")[0]]
    ax.plot(
        seen[result.x], seen[result.z], "o", color="white", markersize=1.8, alpha=0.55,
        markeredgewidth=0.2, markeredgecolor=INK, zorder=2,
    )  # fmt: skip
    handles = _lines(ax, result, chosen, (low, high))
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    x, z, y = _axis_names(result)
    ax.set_xlabel(x)
    ax.set_ylabel(z)
    bar = ax.figure.colorbar(filled, ax=ax, shrink=0.8, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(y)
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, handlelength=2.4
    )
    ax.set_title(_title(result, chosen), fontweight="normal", color=QUIET)
    return ax


def _lines(
    ax: Axes, result: ResponseSurface, surface: str, ends: tuple[float, float]
) -> list[Line2D]:
    """The two lines, the two axes and the stationary point; returns what the legend shows."""
    from matplotlib.lines import Line2D

    x = np.array(ends)
    ax.plot(x, x, color=INK, linewidth=1.0)
    ax.plot(x, -x, color=INK, linewidth=1.0, linestyle=(0, (4, 3)))
    own = result.draws.sel(surface=surface)
    ridge, other = ("1", "2") if result.hypothesis == "highest" else ("2", "1")
    name = "ridge" if result.hypothesis == "highest" else "trough"
    shade = COLOURS[1]
    intercepts, slopes = (own.sel(quantity=f"p{ridge}{k}").values.ravel() for k in (0, 1))
    some = np.unique(np.linspace(0, len(slopes) - 1, 40).round().astype(int))
    for k in some[np.isfinite(slopes[some])]:
        ax.axline((0.0, intercepts[k]), slope=slopes[k], color=shade, linewidth=0.4, alpha=0.35)
    mean = result.mean_surface(surface)
    p10, p11, p20, p21 = (float(p) for p in mean.principal_axes().equations())
    axes = {"1": (p10, p11), "2": (p20, p21)}
    for number, style, width in ((ridge, "-", 1.6), (other, (0, (1, 1.5)), 1.2)):
        intercept, slope = axes[number]
        if np.isfinite([intercept, slope]).all():
            ax.axline((0.0, intercept), slope=slope, color=shade, linewidth=width, linestyle=style)
    common: dict[str, Any] = {"linewidth": 1.2}
    handles = [
        Line2D([], [], color=INK, label=f"congruence, {result.x} = {result.z}", **common),
        Line2D([], [], color=INK, linestyle=(0, (4, 3)), label="incongruence", **common),
        Line2D([], [], color=shade, label=f"{name} ({_ordinal(ridge)} axis)", **common),
        Line2D([], [], color=shade, linestyle=":", label=f"{_ordinal(other)} axis", **common),
    ]
    x0, z0 = (float(v) for v in mean.stationary_point()[:2])
    if all(ends[0] < at < ends[1] for at in (x0, z0)):
        (mark,) = ax.plot(
            x0, z0, "D", color=shade, markersize=5, markeredgecolor="white",
            label="stationary point", linestyle="none", zorder=4,
        )  # fmt: skip
        handles.append(mark)
    return handles


def _ordinal(number: str) -> str:
    return "first" if number == "1" else "second"


def _title(result: ResponseSurface, surface: str) -> str:
    row = result.claims.iloc[result.surfaces.index(surface)]
    strict, broad, _ = (chance(row[name]) for name in CLAIMS)
    start = "" if surface == "all" else f"{surface}\n"
    return f"{start}P(congruence effect): broad {broad}, strict {strict}"


@styled
def plot_surface_3d(
    result: ResponseSurface,
    *,
    surface: str | None = None,
    elevation: float = 24.0,
    turn: float = -60.0,
) -> Figure:
    """The expected outcome over x and z in space, with its band and the lines on it.

    The grey nets are the ends of the pointwise interval; on the ground lie the lines of congruence
    and incongruence and the respondents.

    Parameters
    ----------
    result : ResponseSurface
        From `Fit.response_surface`.
    surface : str, optional
        One of `result.surfaces`; the first by default.
    elevation, turn : float
        From where it is seen, in degrees.
    """
    chosen = _chosen(result, surface)
    figure = new_figure(width=ONE + 1.0, height=ONE + 0.5)
    ax: Any = figure.add_subplot(projection="3d", computed_zorder=False)
    points = 41
    square = _square(result, chosen, points)
    step = {"rstride": 5, "cstride": 5}
    net = {"color": QUIET, "linewidth": 0.3, **step}
    ax.plot_wireframe(square["x"], square["z"], square["lower"], alpha=0.6, zorder=2, **net)
    ax.plot_surface(
        square["x"], square["z"], square["mean"], cmap=PALETTE, alpha=0.8, linewidth=0, zorder=3,
        rstride=1, cstride=1,
    )  # fmt: skip
    ax.plot_wireframe(square["x"], square["z"], square["upper"], alpha=0.6, zorder=4, **net)
    floor = float(square["lower"].min() - 0.25 * np.ptp(square["mean"]))
    axis, diagonal = square["x"][0], np.arange(points)
    against = np.interp(-axis, axis, diagonal, left=np.nan, right=np.nan)
    inside = np.isfinite(against)
    rows = against[inside].round().astype(int)
    for z, heights, style, at in (
        (axis, square["mean"][diagonal, diagonal], "-", diagonal),
        (-axis[inside], square["mean"][rows, diagonal[inside]], "--", diagonal[inside]),
    ):
        ax.plot(axis[at], z, heights, color=INK, linestyle=style, linewidth=1.2, zorder=5)
        ax.plot(axis[at], z, floor, color=INK, linestyle=style, linewidth=0.8, zorder=1)
    seen = result.scores
    if len(seen):
        ax.scatter(
            seen[result.x], seen[result.z], floor, s=2, color=INK, alpha=0.35, linewidth=0, zorder=1
        )
    ax.set_zlim(floor, float(square["upper"].max()))
    x, z, y = _axis_names(result)
    ax.set_xlabel(x)
    ax.set_ylabel(z)
    ax.set_zlabel(y)
    for pane in (ax.xaxis, ax.yaxis, ax.zaxis):
        pane.pane.set_facecolor("white")
        pane.pane.set_edgecolor(FAINT)
        pane._axinfo["grid"]["color"] = FAINT
    ax.view_init(elev=elevation, azim=turn)
    ax.set_box_aspect(None, zoom=0.92)
    if chosen != "all":
        ax.set_title(chosen)
    return figure
