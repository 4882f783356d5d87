"""The shape of a relation: inverted U, U, or one-sided, as posterior probabilities.

The slope of y on x is b1 + 2 b2 x. On an interval [xL, xH] the relation is an inverted U when the
slope is positive at xL and negative at xH: the condition of Lind & Mehlum (2010,
doi:10.1111/j.1468-0084.2009.00569.x), here with its posterior probability. The table of three steps
is that of Haans, Pieters & He (2016, doi:10.1002/smj.2399). Cubics are judged in `shapes/cubic.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.effects.effects import POINTS, chosen_groups
from bayessem.effects.pathways import position
from bayessem.errors import ModelError
from bayessem.model.structure import Structure
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.units import units_of
from bayessem.shapes.arms import j_shapes
from bayessem.shapes.cubic import cubic_shape
from bayessem.shapes.cubic_result import CubicShape
from bayessem.shapes.curve import Curve, direct_curve, level_of, range_of, total_curve
from bayessem.shapes.moderated_shape import (
    changes_between_groups,
    changes_by_moderator,
    changes_frame,
)
from bayessem.shapes.shape_result import Shape
from bayessem.shapes.turning_point import (
    MODERATED,
    QUANTITIES,
    conditional_interval,
    moderated_turning_points,
    shape_probabilities,
    three_steps,
)
from bayessem.shapes.two_lines import LINES, lines_of_scores


def chosen_effect(
    structure: Structure, x: int, y: int, square: int | None, effect: str | None
) -> str:
    """Whether the curve of one arrow is meant, or that of all paths; "direct" or "total"."""
    if effect not in (None, "direct", "total"):
        raise ModelError(f'effect is "direct" or "total", not {effect!r}')
    own = square is not None or any(
        p.matrix == "products" and p.i == y and structure.products[p.j] in ((x, x), (x, x, x))
        for p in structure.places.values()
    )
    if effect == "total" and square is not None:
        raise ModelError('square= is about one equation; use effect="direct"')
    return effect or ("direct" if own else "total")


@check_shared
def shape(
    fit: Fitted,
    x: str,
    y: str,
    *,
    bounds: tuple[float, float] | None = None,
    square: str | None = None,
    effect: str | None = None,
    hypothesis: str | None = None,
    at: Sequence[float] = POINTS,
    group: str | Sequence[str] | None = None,
    lines: bool = True,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> Shape | CubicShape:
    """Judge whether the relation of y with x is an inverted U, a U, or one-sided.

    Arguments, result and errors: `Fit.shape`.
    """
    structure = fit.prepared.structure
    lines = lines and not structure.table.answered  # they are of scores, or of numbers
    i, j = position(structure, x), position(structure, y)
    column = None if square is None else position(structure, square, "square:")
    kind = chosen_effect(structure, i, j, column, effect)
    groups = structure.table.groups
    curves = {
        g: direct_curve(structure, fit.elements, i, j, square=column, group=g)
        if kind == "direct"
        else total_curve(structure, fit.elements, i, j, group=g)
        for g in chosen_groups(groups, group)
    }
    if any(curve.cubic for curve in curves.values()):
        return cubic_shape(
            fit, i, j, curves, kind=kind, bounds=bounds, hypothesis=hypothesis, ci_prob=ci_prob
        )
    if hypothesis not in (None, "inverted U", "U"):
        raise ModelError(f'hypothesis is "inverted U" or "U", not {hypothesis!r}')
    by_lines = [
        lines_of_scores(fit, i, j, column, g, kind=kind, ci_prob=ci_prob, seed=random_seed)
        for g in (curves if lines else ())
    ]
    return _quadratic_shape(
        fit, i, j, column, curves, kind, bounds, hypothesis, at, ci_prob,
        pd.DataFrame(by_lines, columns=LINES),
    )  # fmt: skip


def _quadratic_shape(
    fit: Fitted,
    x: int,
    y: int,
    square: int | None,
    curves: dict[int, Curve],
    kind: str,
    bounds: tuple[float, float] | None,
    hypothesis: str | None,
    at: Sequence[float],
    ci_prob: float,
    lines: pd.DataFrame,
) -> Shape:
    """Judge a quadratic in each group; `curves` by position of the group. The rest: `Fit.shape`."""
    structure = fit.prepared.structure
    groups, names = structure.table.groups, structure.variables
    labels = [groups[g] if len(groups) > 1 else "" for g in curves]
    drawn, words = [], ""
    for g, curve in curves.items():
        low, high, words = range_of(fit, x, bounds, g)
        level = level_of(fit, curve, x, y, square, kind, g)
        drawn.append(_quantities(curve, low, high, level))
    by_group = list(zip(drawn, labels, strict=True))
    turning = pd.DataFrame(
        [r for g, c in curves.items() for r in moderated_turning_points(fit, c, at, g, ci_prob)],
        columns=MODERATED,
    )
    changes = [r for g, c in curves.items() for r in changes_by_moderator(fit, c, at, g, ci_prob)]
    return Shape(
        x=names[x],
        y=names[y],
        effect=kind,
        probabilities=pd.DataFrame(
            [{"group": g, **shape_probabilities(v[..., 4], v[..., 5])} for v, g in by_group]
        ),
        table=pd.concat([_table(v, g, ci_prob) for v, g in by_group], ignore_index=True),
        turning_point=pd.DataFrame([_turning_point(v, g, ci_prob) for v, g in by_group]),
        steps=pd.concat(
            [
                three_steps(v, hypothesis or _likelier(v), ci_prob=ci_prob).assign(group=g)
                for v, g in by_group
            ],
            ignore_index=True,
        ),
        moderated=turning,
        lines=lines,
        draws=xr.DataArray(
            np.stack(drawn, axis=-2),
            dims=("chain", "draw", "group", "quantity"),
            coords={"group": [g or "all" for g in labels], "quantity": list(QUANTITIES)},
            name="shape",
        ),
        ci_prob=ci_prob,
        bounds=words,
        units=units_of(fit.prepared, names[x], names[y]),
        notes=_notes(
            names[x], names[y], kind, turning, lines, bool(structure.products), _scored(fit, x, y)
        ),
        arms=pd.DataFrame([{"group": g, **_arms(v)} for v, g in by_group]),
        changes=changes_frame(
            changes + changes_between_groups(list(curves.values()), labels, ci_prob)
        ),
    )


def _arms(values: np.ndarray) -> dict[str, float]:
    """J-shapes: the arms of a parabola are as high as their lengths squared."""
    square, low, high, slope_low, slope_high, turning = (values[..., k] for k in range(1, 7))
    left, right = (square * (end - turning) ** 2 for end in (low, high))
    peak, trough = (slope_low > 0) & (slope_high < 0), (slope_low < 0) & (slope_high > 0)
    return j_shapes(peak, trough, left, right)


def _likelier(values: np.ndarray) -> str:
    """What the sign of the square makes more probable."""
    return "inverted U" if (values[..., 1] < 0).mean() >= 0.5 else "U"


def _quantities(curve: Curve, low: np.ndarray, high: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Draws of `QUANTITIES` stacked, (..., quantity)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        turning = -curve.linear / (2.0 * curve.square)
    slopes = (curve.linear + 2.0 * curve.square * x for x in (low, high))
    columns = (curve.linear, curve.square, low, high, *slopes, turning, level)
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def _table(values: np.ndarray, label: str, ci_prob: float) -> pd.DataFrame:
    summary = summarise(values[..., :6], ci_prob=ci_prob)
    summary.insert(0, "group", label)
    summary.insert(1, "quantity", list(QUANTITIES[:6]))
    return summary


def _turning_point(values: np.ndarray, label: str, ci_prob: float) -> dict:
    square, low, high, turning = (values[..., k] for k in (1, 2, 3, 6))
    peak = bool((square < 0).mean() >= 0.5)
    where = square < 0 if peak else square > 0
    median, lower, upper = conditional_interval(turning, where, ci_prob=ci_prob)
    return {
        "group": label,
        "kind": "peak" if peak else "trough",
        "p_kind": float(where.mean()),
        "median": median,
        "lower": lower,
        "upper": upper,
        "p_inside": float(((turning > low) & (turning < high)).mean()),
        "low": float(low.mean()),
        "high": float(high.mean()),
    }


def _scored(fit: Fitted, x: int, y: int) -> bool:
    """Whether the two lines need factor scores."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    return any(structure.variables[v] not in sample.variables for v in (x, y))


def _notes(
    x: str,
    y: str,
    effect: str,
    moderated: pd.DataFrame,
    lines: pd.DataFrame,
    products: bool,
    scored: bool,
) -> tuple[str, ...]:
    notes = []
    if effect == "total":
        notes.append(f"The relation is E[{y} | do({x})]: all paths from {x} to {y} together.")
    if len(moderated) and not (moderated["quantity"] == "flip").any():
        names = " and ".join(dict.fromkeys(moderated["moderator"]))
        notes.append(
            f"{names} shifts the turning point but, without a product with the square, does not "
            "change the curvature: there is no value at which the shape flips."
        )
    if len(lines):
        source = "draws of factor scores, whose spread counts," if scored else "the data"
        notes.append(
            "Two lines (Simonsohn 2018): a quadratic cannot tell a relation that turns from one "
            "that flattens out; two lines can. The break point is by his Robin Hood procedure, "
            f"with a natural cubic spline as the smooth fit; slopes are from {source} with HC3 "
            "standard errors."
        )
        if scored and products:
            notes.append(
                "Factor scores are drawn under the quadratic model, so they lean towards its form "
                "as far as the items leave room; with reliable scales that is little."
            )
    return tuple(notes)
