"""The shape of a cubic relation: S, inverted S, U, inverted U or one-sided.

Between two bounds the slope b1 + 2 b2 x + 3 b3 x^2 changes its sign twice, once or not at all.
Down, up, down again is the S of the three stages of internationalization (Contractor, Kundu & Hsu
2003, doi:10.1057/palgrave.jibs.8400003; Lu & Beamish 2004, doi:10.2307/20159604). The curve bends
the other way at its inflection point, -b2 / (3 b3), turned or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.errors import ModelError
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.units import units_of
from bayessem.shapes.arms import J_NOTE, j_shapes
from bayessem.shapes.cubic_result import BENDS, CUBIC_QUANTITIES, CUBIC_SHAPES, CubicShape
from bayessem.shapes.curve import Curve, level_of, range_of
from bayessem.shapes.turning_point import conditional_interval


@dataclass(frozen=True)
class Cubic:
    """A cubic between two bounds, all arrays (...)."""

    level: np.ndarray
    linear: np.ndarray
    square: np.ndarray
    cube: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def value(self, x: np.ndarray) -> np.ndarray:
        """Height at x."""
        return self.level + x * (self.linear + x * (self.square + x * self.cube))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Slope at x."""
        return self.linear + x * (2.0 * self.square + x * 3.0 * self.cube)

    def bend(self, x: np.ndarray) -> np.ndarray:
        """Second derivative at x."""
        return 2.0 * self.square + 6.0 * self.cube * x

    def turning_points(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the curve has its peak and its trough; nan where it has none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(self.square**2 - 3.0 * self.linear * self.cube)
            # the root that does not subtract nearly equal numbers: the cube may be close to 0
            by_cube = [(-self.square + s * root) / (3.0 * self.cube) for s in (-1.0, 1.0)]
            by_line = [self.linear / (-self.square - s * root) for s in (-1.0, 1.0)]
        peak = np.where(self.square > 0, by_cube[0], by_line[0])
        trough = np.where(self.square < 0, by_cube[1], by_line[1])
        return peak, trough

    def inflection(self) -> np.ndarray:
        """Where the curve bends the other way."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return -self.square / (3.0 * self.cube)

    def inside(self, x: np.ndarray) -> np.ndarray:
        """Whether a point lies between the bounds."""
        return (x > self.low) & (x < self.high)

    def members(self) -> list[np.ndarray]:
        """In which draws the curve has each of `CUBIC_SHAPES`; one each."""
        at = self.turning_points()
        peak, trough = (self.inside(x) for x in at)
        both, neither = peak & trough, ~(peak | trough)
        first = at[0] < at[1]  # up, down, up has its peak first
        turned = [both & first, both & ~first, peak & ~trough, trough & ~peak]
        rises = self.slope((self.low + self.high) / 2.0) > 0
        return [*turned, neither & rises, neither & ~rises]

    def bends(self) -> list[np.ndarray]:
        """In which draws the curve bends in each of `BENDS`; one each."""
        first, last = self.bend(self.low) > 0, self.bend(self.high) > 0
        return [first & last, ~(first | last), first & ~last, ~first & last]


@check_shared
def cubic_shape(
    fit: Fitted,
    x: int,
    y: int,
    curves: dict[int, Curve],
    *,
    kind: str,
    bounds: tuple[float, float] | None,
    hypothesis: str | None,
    ci_prob: float,
) -> CubicShape:
    """Judge a cubic in each group; `curves` by position of the group. The rest: `Fit.shape`."""
    structure = fit.prepared.structure
    if hypothesis not in (None, *CUBIC_SHAPES):
        raise ModelError(
            f"hypothesis of a cubic is one of {', '.join(CUBIC_SHAPES)}, not {hypothesis!r}"
        )
    labels, found, words = [], [], ""
    for g, curve in curves.items():
        groups = structure.table.groups
        labels.append(groups[g] if len(groups) > 1 else "")
        low, high, words = range_of(fit, x, bounds, g)
        level = level_of(fit, curve, x, y, None, kind, g)
        found.append(Cubic(level, curve.linear, curve.square, curve.cube, low, high))
    drawn = np.stack([_quantities(c) for c in found], axis=-2)
    by_group = list(zip(labels, found, strict=True))
    return CubicShape(
        x=structure.variables[x],
        y=structure.variables[y],
        effect=kind,
        hypothesis=hypothesis,
        probabilities=pd.DataFrame(
            [{"group": label, **_chances(CUBIC_SHAPES, c.members())} for label, c in by_group]
        ),
        bends=pd.DataFrame(
            [
                {"group": label, "shape": shape, **_chances(BENDS, [b & own for b in c.bends()])}
                for label, c in by_group
                for shape, own in zip(CUBIC_SHAPES, c.members(), strict=True)
            ]
        ),
        arms=pd.DataFrame([{"group": label, **_arms(c)} for label, c in by_group]),
        points=pd.DataFrame([row for label, c in by_group for row in _points(c, label, ci_prob)]),
        table=_table(drawn, labels, ci_prob),
        draws=xr.DataArray(
            drawn,
            dims=("chain", "draw", "group", "quantity"),
            coords={"group": [g or "all" for g in labels], "quantity": list(CUBIC_QUANTITIES)},
            name="shape",
        ),
        ci_prob=ci_prob,
        bounds=words,
        notes=_notes(fit, x, y, kind, list(curves.values())),
        units=units_of(fit.prepared, structure.variables[x], structure.variables[y]),
    )


def _quantities(cubic: Cubic) -> np.ndarray:
    """Draws of `CUBIC_QUANTITIES` stacked, (..., quantity)."""
    ends = (cubic.low, cubic.high)
    columns = (
        cubic.linear, cubic.square, cubic.cube, *ends, *(cubic.slope(e) for e in ends),
        cubic.inflection(), *cubic.turning_points(), cubic.level,
    )  # fmt: skip
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def _chances(names: tuple[str, ...], members: list[np.ndarray]) -> dict[str, float]:
    return {name: float(where.mean()) for name, where in zip(names, members, strict=True)}


def _arms(cubic: Cubic) -> dict[str, float]:
    _, _, peaked, troughed, _, _ = cubic.members()
    turn = np.where(peaked, *cubic.turning_points())
    left, right = (cubic.value(end) - cubic.value(turn) for end in (cubic.low, cubic.high))
    return j_shapes(peaked, troughed, left, right)


def _points(cubic: Cubic, label: str, ci_prob: float) -> list[dict]:
    peak, trough = cubic.turning_points()
    rows = []
    for name, at in (("inflection", cubic.inflection()), ("peak", peak), ("trough", trough)):
        inside = cubic.inside(at)
        median, lower, upper = conditional_interval(at, inside, ci_prob=ci_prob)
        rows.append(
            {
                "group": label,
                "point": name,
                "p_inside": float(inside.mean()),
                "median": median,
                "lower": lower,
                "upper": upper,
            }
        )
    return rows


def _table(drawn: np.ndarray, labels: list[str], ci_prob: float) -> pd.DataFrame:
    frames = []
    for g, label in enumerate(labels):
        part = summarise(drawn[..., g, :7], ci_prob=ci_prob)
        part.insert(0, "group", label)
        part.insert(1, "quantity", list(CUBIC_QUANTITIES[:7]))
        frames.append(part)
    return pd.concat(frames, ignore_index=True)


def _notes(fit: Fitted, x: int, y: int, kind: str, curves: list[Curve]) -> tuple[str, ...]:
    names = fit.prepared.structure.variables
    notes = [J_NOTE]
    if kind == "total":
        notes.append(
            f"The relation is E[{names[y]} | do({names[x]})]: all paths from {names[x]} to "
            f"{names[y]} together."
        )
    moderated = dict.fromkeys(w for c in curves for w in (*c.by_linear, *c.by_square))
    if moderated:
        listed = " and ".join(names[w] for w in moderated)
        notes.append(f"The curve also depends on {listed}; it is that at the mean.")
    return tuple(notes)
