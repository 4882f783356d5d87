"""Where a quadratic turns, and what that says: shapes, three steps, turning points by moderator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.effects.path_effects import pooled_scale
from bayessem.results.estimates import tail_probability
from bayessem.results.fitted import Fitted
from bayessem.shapes.curve import Curve, latent_means

SHAPES = ("inverted U", "U", "increasing", "decreasing")
QUANTITIES = (
    "linear",
    "square",
    "low",
    "high",
    "slope_low",
    "slope_high",
    "turning_point",
    "level",
)
MODERATED = ["group", "moderator", "quantity", "value_sd", "median", "lower", "upper", "p_positive"]


def shape_probabilities(slope_low: np.ndarray, slope_high: np.ndarray) -> dict[str, float]:
    """Probability of each shape from draws of the slopes at both ends; they sum to 1."""
    rises, falls = slope_low > 0, slope_high < 0
    peak = rises & falls
    trough = (slope_low < 0) & (slope_high > 0)
    up = ~peak & ~trough & (slope_low + slope_high > 0)
    members = (peak, trough, up, ~(peak | trough | up))
    return {name: float(np.mean(where)) for name, where in zip(SHAPES, members, strict=True)}


def three_steps(values: np.ndarray, hypothesis: str, *, ci_prob: float) -> pd.DataFrame:
    """Haans, Pieters & He's (2016, doi:10.1002/smj.2399) three steps for a U or inverted U.

    Parameters
    ----------
    values : ndarray (..., quantity)
        Draws of `QUANTITIES`.
    hypothesis : {"inverted U", "U"}
        Which signs the steps ask for.
    ci_prob : float
        Steps 1 and 2 hold when the interval lies on the hypothesised side of 0, step 3 when the
        turning point's interval (given the sign of the square) lies between the mean bounds. The
        probability of step 3 counts only turning points of the hypothesised kind.

    Returns
    -------
    DataFrame
        step, estimate, lower, upper, probability (of the hypothesised side), holds.
    """
    sign = -1.0 if hypothesis == "inverted U" else 1.0
    tail = tail_probability(ci_prob)
    peak = hypothesis == "inverted U"
    rows = []
    for step, k, side in (
        (f"1 square is {'negative' if peak else 'positive'}", 1, sign),
        (f"2 slope at the low end is {'positive' if peak else 'negative'}", 4, -sign),
        (f"2 slope at the high end is {'negative' if peak else 'positive'}", 5, sign),
    ):
        flat = values[..., k].ravel()
        lower, upper = np.quantile(flat, [tail, 1.0 - tail])
        rows.append(
            {
                "step": step,
                "estimate": float(flat.mean()),
                "lower": float(lower),
                "upper": float(upper),
                "probability": float((flat * side > 0).mean()),
                "holds": bool(lower > 0 if side > 0 else upper < 0),
            }
        )
    turning, low, high = (values[..., k] for k in (6, 2, 3))
    kind = values[..., 1] * sign > 0
    median, lower, upper = conditional_interval(turning, kind, ci_prob=ci_prob)
    rows.append(
        {
            "step": f"3 {'peak' if peak else 'trough'} is inside the bounds",
            "estimate": median,
            "lower": lower,
            "upper": upper,
            "probability": float((kind & (turning > low) & (turning < high)).mean()),
            "holds": bool(lower > low.mean() and upper < high.mean()),
        }
    )
    return pd.DataFrame(rows)


def conditional_interval(
    values: np.ndarray, where: np.ndarray, *, ci_prob: float
) -> tuple[float, float, float]:
    """Median, lower and upper of the draws that satisfy a condition; nan for fewer than 20."""
    kept = values[where]
    if kept.size < 20:
        return np.nan, np.nan, np.nan
    tail = tail_probability(ci_prob)
    median, lower, upper = np.quantile(kept, [0.5, tail, 1.0 - tail])
    return float(median), float(lower), float(upper)


def moderated_turning_point(
    b1: np.ndarray, b2: np.ndarray, b3: np.ndarray, b4: np.ndarray, w: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients b1 + b3 w and b2 + b4 w, and dx*/dw = (b1 b4 - b2 b3) / (2 (b2 + b4 w)^2).

    Haans, Pieters & He (2016), doi:10.1002/smj.2399.
    """
    square = b2 + b4 * w
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = (b1 * b4 - b2 * b3) / (2.0 * square**2)
    return b1 + b3 * w, square, shift


@check_shared
def moderated_turning_points(
    fit: Fitted, curve: Curve, at: Sequence[float], group: int, ci_prob: float
) -> list[dict]:
    """Turning points by moderator, x*(w) = -(b1 + b3 w) / (2 (b2 + b4 w)), and their shift."""
    structure, elements = fit.prepared.structure, fit.elements
    groups = structure.table.groups
    label = groups[group] if len(groups) > 1 else ""
    means = latent_means(structure, elements, group)
    rows = []
    zero = np.zeros(elements.shape[:-1])
    for w in dict.fromkeys([*curve.by_linear, *curve.by_square]):
        name = structure.variables[w]
        mean, spread = pooled_scale(fit, w)
        b3, b4 = curve.by_linear.get(w, zero), curve.by_square.get(w, zero)

        for sd in at:
            linear, square, shift = moderated_turning_point(
                curve.linear, curve.square, b3, b4, mean + sd * spread - means[..., w]
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                turning = -linear / (2.0 * square)
            where = square < 0 if (square < 0).mean() >= 0.5 else square > 0
            for quantity, values in (("turning point", turning), ("shift", shift * spread)):
                median, lower, upper = conditional_interval(values, where, ci_prob=ci_prob)
                positive = float((values[where] > 0).mean()) if where.any() else np.nan
                rows.append(
                    dict(
                        zip(
                            MODERATED,
                            (label, name, quantity, sd, median, lower, upper, positive),
                            strict=True,
                        )
                    )
                )
        if w in curve.by_square:
            with np.errstate(divide="ignore", invalid="ignore"):
                flip = means[..., w] - curve.square / b4
            median, lower, upper = conditional_interval(flip, np.isfinite(flip), ci_prob=ci_prob)
            rows.append(
                dict(
                    zip(
                        MODERATED,
                        (label, name, "flip", np.nan, median, lower, upper, np.nan),
                        strict=True,
                    )
                )
            )
    return rows
