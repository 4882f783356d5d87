"""How a moderator changes a U or inverted U: shape, steepness, turning point.

Haans, Pieters & He (2016, doi:10.1002/smj.2399) tell three changes apart: the turning point moves,
the curve becomes steeper or flatter, or its shape flips. Each is an event in a draw of the
parameters and so has a posterior probability, for a continuous moderator between two of its values
and for groups between every two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.effects.effects import sd_text
from bayessem.effects.path_effects import pooled_scale
from bayessem.results.fitted import Fitted
from bayessem.shapes.curve import Curve, latent_means
from bayessem.shapes.turning_point import conditional_interval, moderated_turning_point

CHANGES = [
    "group", "moderator", "p_flip", "p_steeper", "p_flatter", "shift", "lower", "upper", "p_right",
]  # fmt: skip


def shape_change(
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    *,
    ci_prob: float,
    curvature: bool = True,
) -> dict[str, float]:
    """What happens between two quadratics, each linear and square coefficient (...).

    Parameters
    ----------
    first, second : (ndarray, ndarray)
        Coefficients at the first and at the second value of the moderator.
    ci_prob : float
        Probability of the interval of the shift.
    curvature : bool
        False where the model has one square for both: it cannot change then, which is nan.

    Returns
    -------
    dict
        p_flip: the squares differ in sign; p_steeper, p_flatter: they do not, and the second is
        larger or smaller in size; shift (median), lower, upper of the turning point, and p_right,
        that it moves to higher x, in the draws in which both curves are of the more probable kind.
    """
    (b1, b2), (c1, c2) = first, second
    same = np.sign(b2) == np.sign(c2)
    peak = bool((b2 + c2 < 0).mean() >= 0.5)
    of_kind = same & ((b2 < 0) if peak else (b2 > 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = b1 / (2.0 * b2) - c1 / (2.0 * c2)
    median, lower, upper = conditional_interval(moved, of_kind, ci_prob=ci_prob)
    chances = {
        "p_flip": (~same).mean(),
        "p_steeper": (same & (np.abs(c2) > np.abs(b2))).mean(),
        "p_flatter": (same & (np.abs(c2) < np.abs(b2))).mean(),
    }
    return {
        **{name: float(p) if curvature else np.nan for name, p in chances.items()},
        "shift": median,
        "lower": lower,
        "upper": upper,
        "p_right": float((moved[of_kind] > 0).mean()) if of_kind.any() else np.nan,
    }


@check_shared
def changes_by_moderator(
    fit: Fitted, curve: Curve, at: Sequence[float], group: int, ci_prob: float
) -> list[dict]:
    """`CHANGES` between the lowest and the highest of the values `at`, a row a moderator."""
    structure, groups = fit.prepared.structure, fit.prepared.structure.table.groups
    means = latent_means(structure, fit.elements, group)
    zero = np.zeros(fit.elements.shape[:-1])
    low, high = min(at), max(at)
    rows = []
    for w in dict.fromkeys([*curve.by_linear, *curve.by_square]) if low < high else ():
        mean, spread = pooled_scale(fit, w)
        b3, b4 = curve.by_linear.get(w, zero), curve.by_square.get(w, zero)
        first, second = (
            moderated_turning_point(
                curve.linear, curve.square, b3, b4, mean + sd * spread - means[..., w]
            )[:2]
            for sd in (low, high)
        )
        change = shape_change(first, second, ci_prob=ci_prob, curvature=w in curve.by_square)
        label = groups[group] if len(groups) > 1 else ""
        name = f"{structure.variables[w]} from {sd_text(low)} to {sd_text(high)}"
        rows.append({"group": label, "moderator": name, **change})
    return rows


def changes_between_groups(
    curves: Sequence[Curve], labels: Sequence[str], ci_prob: float
) -> list[dict]:
    """`CHANGES` between every two groups."""
    rows = []
    for a, b in combinations(range(len(curves)), 2):
        first, second = ((c.linear, c.square) for c in (curves[a], curves[b]))
        if all(np.array_equal(p, q) for p, q in zip(first, second, strict=True)):
            continue  # the model makes them the same
        change = shape_change(
            first, second, ci_prob=ci_prob, curvature=not np.array_equal(first[1], second[1])
        )
        rows.append({"group": "", "moderator": f"{labels[a]} to {labels[b]}", **change})
    return rows


def changes_frame(rows: Sequence[dict]) -> pd.DataFrame:
    """The rows as a table, empty without any."""
    return pd.DataFrame(rows, columns=CHANGES)
