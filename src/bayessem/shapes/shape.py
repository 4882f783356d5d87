"""The shape of a quadratic relation: inverted U, U, or one-sided, as posterior probabilities.

The slope of y on x is b1 + 2 b2 x. On an interval [xL, xH] the relation is an inverted U when the
slope is positive at xL and negative at xH: the condition of Lind & Mehlum (2010,
doi:10.1111/j.1468-0084.2009.00569.x), here with its posterior probability. The table of three steps
is that of Haans, Pieters & He (2016, doi:10.1002/smj.2399).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.algebra.polynomial import value_at
from bayessem.effects.effects import POINTS, chosen_groups
from bayessem.effects.pathways import position
from bayessem.errors import ModelError
from bayessem.model.structure import Structure
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.intervention import intervene, raw_moments
from bayessem.shapes.quadratic import (
    Quadratic,
    direct_quadratic,
    latent_means,
    latent_quantiles,
    total_quadratic,
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


def _chosen_effect(
    structure: Structure, x: int, y: int, square: int | None, effect: str | None
) -> str:
    if effect not in (None, "direct", "total"):
        raise ModelError(f'effect is "direct" or "total", not {effect!r}')
    own = square is not None or any(
        p.matrix == "products" and p.i == y and structure.products[p.j] == (x, x)
        for p in structure.places.values()
    )
    if effect == "total" and square is not None:
        raise ModelError('square= is about one equation; use effect="direct"')
    return effect or ("direct" if own else "total")


def _bounds(
    fit: Fitted, x: int, bounds: tuple[float, float] | None, group: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Lower and upper bound (...) of x, and what they are in words."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    shape, name = fit.elements.shape[:-1], structure.variables[x]
    if bounds is not None:
        low, high = (float(b) for b in bounds)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ModelError(f"bounds are two numbers, the lower one first, not {bounds!r}")
        return np.full(shape, low), np.full(shape, high), "as given"
    if name in sample.variables:
        column = sample.values[:, sample.variables.index(name)]
        low, high = np.nanmin(column), np.nanmax(column)
        words = "the smallest and largest value in the data"
        return np.full(shape, low), np.full(shape, high), words
    found = latent_quantiles(structure, fit.elements, x, group=group)
    return found[..., 0], found[..., 1], "the 5 % and 95 % quantiles that the model implies"


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
) -> Shape:
    """Judge whether the relation of y with x is an inverted U, a U, or one-sided.

    Arguments, result and errors: `Fit.shape`.
    """
    structure = fit.prepared.structure
    lines = lines and not structure.table.ordered  # they are of scores, or of numbers
    i, j = position(structure, x), position(structure, y)
    column = None if square is None else position(structure, square, "square:")
    kind = _chosen_effect(structure, i, j, column, effect)
    if hypothesis not in (None, "inverted U", "U"):
        raise ModelError(f'hypothesis is "inverted U" or "U", not {hypothesis!r}')
    groups = structure.table.groups
    picked = chosen_groups(groups, group)
    labels = [groups[g] if len(groups) > 1 else "" for g in picked]
    judged = [_of_group(fit, i, j, column, kind, bounds, g) for g in picked]
    drawn = [values for _, values, _ in judged]
    by_group = list(zip(drawn, labels, strict=True))
    moderated = [
        row
        for (curve, _, _), g in zip(judged, picked, strict=True)
        for row in moderated_turning_points(fit, curve, at, g, ci_prob)
    ]
    turning = pd.DataFrame(moderated, columns=MODERATED)
    by_lines = [
        lines_of_scores(fit, i, j, column, g, kind=kind, ci_prob=ci_prob, seed=random_seed)
        for g in (picked if lines else ())
    ]
    found = pd.DataFrame(by_lines, columns=LINES)
    return Shape(
        x=x,
        y=y,
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
        lines=found,
        draws=xr.DataArray(
            np.stack(drawn, axis=-2),
            dims=("chain", "draw", "group", "quantity"),
            coords={"group": [g or "all" for g in labels], "quantity": list(QUANTITIES)},
            name="shape",
        ),
        ci_prob=ci_prob,
        bounds=judged[-1][2],
        notes=_notes(x, y, kind, turning, found, bool(structure.products), _scored(fit, i, j)),
    )


def _of_group(
    fit: Fitted,
    x: int,
    y: int,
    square: int | None,
    kind: str,
    bounds: tuple[float, float] | None,
    group: int,
) -> tuple[Quadratic, np.ndarray, str]:
    """The quadratic of a group, its draws of `QUANTITIES`, and what the bounds are in words."""
    structure, elements = fit.prepared.structure, fit.elements
    if kind == "direct":
        curve = direct_quadratic(structure, elements, x, y, square=square, group=group)
    else:
        curve = total_quadratic(structure, elements, x, y, group=group)
    low, high, words = _bounds(fit, x, bounds, group)
    level = _level(fit, curve, x, y, square, kind, group)
    return curve, _quantities(curve, low, high, level), words


def _likelier(values: np.ndarray) -> str:
    """What the sign of the square makes more probable."""
    return "inverted U" if (values[..., 1] < 0).mean() >= 0.5 else "U"


def _level(
    fit: Fitted, curve: Quadratic, x: int, y: int, square: int | None, kind: str, group: int
) -> np.ndarray:
    """Expected y at x = 0, other things as they are on average."""
    structure, elements = fit.prepared.structure, fit.elements
    if kind == "total":
        return value_at(intervene(structure, elements, (x,), group=group).expected(y), [0.0])
    means = latent_means(structure, elements, group)
    moments = raw_moments(structure, elements, x, 2, group=group)
    squared = moments[..., 2] if square is None else means[..., square]
    return means[..., y] - curve.linear * moments[..., 1] - curve.square * squared


def _quantities(
    curve: Quadratic, low: np.ndarray, high: np.ndarray, level: np.ndarray
) -> np.ndarray:
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
