"""J-shapes: curves that turn, of which one arm is much higher than the other.

A U whose right arm rises much farther than its left arm falls is a J; upside down, an inverted U
that rises a little and then falls far. The arms are measured from the turning point to the bounds.
"""

from __future__ import annotations

import numpy as np

# An arm so many times as high as the other makes a J of a U.
TIMES = 2.0
J_SHAPES = ("J", "reversed J", "inverted J", "reversed inverted J")
J_NOTE = (
    f"Of a J one arm is at least {TIMES:g} times as high as the other between turning point and "
    "bounds: a J falls a little and rises far, an inverted J rises a little and falls far, the "
    "reversed ones have the long arm on the left. They are part of the U and the inverted U."
)


def j_shapes(
    peak: np.ndarray, trough: np.ndarray, left: np.ndarray, right: np.ndarray
) -> dict[str, float]:
    """Probability of each of `J_SHAPES`.

    Parameters
    ----------
    peak, trough : ndarray of bool (...)
        In which draws the curve is an inverted U, and a U, within the bounds.
    left, right : ndarray (...)
        Height of y at the lower and at the upper bound, less that at the turning point.
    """
    with np.errstate(invalid="ignore"):
        long_right = np.abs(right) >= TIMES * np.abs(left)
        long_left = np.abs(left) >= TIMES * np.abs(right)
    members = (trough & long_right, trough & long_left, peak & long_right, peak & long_left)
    return {name: float(where.mean()) for name, where in zip(J_SHAPES, members, strict=True)}
