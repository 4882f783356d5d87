"""Whether a surface shows a congruence effect: the conditions of Humberg, Nestler & Back (2019).

The outcome is highest (or lowest) where X and Z agree when the surface bends along the line of
incongruence (a4), is flat there at the origin (a3) and its ridge is the line of congruence: neither
shifted (p10) nor turned (p11). In the broad sense that is all: the ridge itself may rise or bend.
In the strict sense agreement is all that counts: the ridge is level (a1, a2).
doi:10.1177/1948550618757600; there by tests, here by posterior probabilities that the quantities
lie in regions of practical equivalence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayessem.shapes.surface import Surface
from bayessem.text.numbers import number


@dataclass(frozen=True)
class Regions:
    """What counts as none.

    Attributes
    ----------
    slope : float
        Slopes and curvatures along the lines, in standard deviations of y for one common standard
        deviation of x and z.
    ridge : float
        The shift of the ridge in common standard deviations; its slope p11 lies between
        1 / (1 + ridge) and 1 + ridge.
    """

    slope: float
    ridge: float


@dataclass(frozen=True)
class Condition:
    """One condition: what it says, the region, and in which draws it holds (...)."""

    name: str
    region: str
    holds: np.ndarray


def conditions(
    surface: Surface, highest: bool, regions: Regions, sd: np.ndarray, sd_y: np.ndarray
) -> list[Condition]:
    """The six conditions; sd (...) is the common standard deviation of x and z, sd_y that of y."""
    a1, a2, a3, a4, _ = surface.lines()
    rotation, shift = surface.principal_axes().ridge(highest)
    turned = np.tan(np.radians(rotation + 45.0))
    slope, limit = regions.slope, 1.0 + regions.ridge
    ridge, axis = ("ridge", "1") if highest else ("trough", "2")
    with np.errstate(invalid="ignore"):
        level = np.abs(shift) < regions.ridge * sd
        parallel = (turned > 1.0 / limit) & (turned < limit)
    small = f"within {number(slope)} SD"
    return [
        Condition(
            f"a4 is {'negative' if highest else 'positive'}",
            "< 0" if highest else "> 0",
            a4 < 0 if highest else a4 > 0,
        ),
        Condition("a3 is about 0", small, np.abs(a3) * sd < slope * sd_y),
        Condition(
            f"p{axis}0 is about 0: {ridge} not shifted",
            f"within {number(regions.ridge)} SD",
            level,
        ),
        Condition(
            f"p{axis}1 is about 1: {ridge} not turned",
            f"{number(1.0 / limit)} to {number(limit)}",
            parallel,
        ),
        Condition("a1 is about 0", small, np.abs(a1) * sd < slope * sd_y),
        Condition("a2 is about 0", small, np.abs(a2) * sd**2 < slope * sd_y),
    ]


# The claims: which of the six conditions each needs.
CLAIMS = {
    "congruence effect, strict sense": (0, 1, 2, 3, 4, 5),
    "congruence effect, broad sense": (0, 1, 2, 3),
    "ridge parallel to the line of congruence": (0, 3),
}


def claims(found: list[Condition]) -> dict[str, np.ndarray]:
    """In which draws (...) each of `CLAIMS` holds."""
    return {
        name: np.logical_and.reduce([found[k].holds for k in needed])
        for name, needed in CLAIMS.items()
    }
