"""The shape of a cubic relation: tables, a sentence on what they amount to, its curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.effects.effects import chance_text
from bayessem.effects.whatif import pointwise
from bayessem.shapes.arms import J_SHAPES
from bayessem.text.columns import column, intervals, labels, summary
from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import percent_text
from bayessem.text.numbers import number

CUBIC_SHAPES = ("inverted S", "S", "inverted U", "U", "increasing", "decreasing")
IN_WORDS = {
    "inverted S": "an inverted S (up, down, up)",
    "S": "an S (down, up, down)",
    "inverted U": "an inverted U",
    "U": "a U",
    "increasing": "increasing",
    "decreasing": "decreasing",
}
BENDS = ("convex", "concave", "convex, then concave", "concave, then convex")
CUBIC_QUANTITIES = (
    "linear", "square", "cube", "low", "high", "slope_low", "slope_high", "inflection", "peak",
    "trough", "level",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class CubicShape(Described):
    """Shape of the cubic relation of y with x; `print` it.

    Attributes
    ----------
    x, y : str
    effect : str
        "direct" (y's own equation) or "total" (through mediators too).
    hypothesis : str or None
        One of `CUBIC_SHAPES`, if it was given.
    probabilities : DataFrame
        A row a group, a column for each of `CUBIC_SHAPES`; they sum to 1.
    bends : DataFrame
        group, shape, a column for each of `BENDS`: probability of shape and bend together.
    arms : DataFrame
        A row a group, a column for each J: parts of the U and the inverted U.
    points : DataFrame
        group, point (inflection, peak, trough), p_inside (of lying between the bounds), and median,
        lower, upper given that.
    table : DataFrame
        group, quantity (coefficients, bounds, slopes at both ends), and the summary.
    draws : DataArray (chain, draw, group, quantity)
        Quantities as in `CUBIC_QUANTITIES`; nan where a curve has no peak or trough.
    ci_prob : float
    bounds : str
        What the interval is on which the shape is judged, in words.
    notes : tuple of str
    units : dict of str to str
        What a unit of each variable is, in words; "" for columns of the data.
    """

    x: str
    y: str
    effect: str
    hypothesis: str | None
    probabilities: pd.DataFrame
    bends: pd.DataFrame
    arms: pd.DataFrame
    points: pd.DataFrame
    table: pd.DataFrame
    draws: xr.DataArray
    ci_prob: float
    bounds: str
    notes: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)

    def curve(self, *, points: int = 81, beyond: float = 0.25) -> pd.DataFrame:
        """The cubic with its pointwise band, for a figure.

        Parameters
        ----------
        points : int
            Values of x for each group.
        beyond : float
            How far outside the bounds to go, as a share of their distance.

        Returns
        -------
        DataFrame
            group, x, mean, sd, lower, upper of the expected y, everything else held at what it is
            on average.
        """
        frames = []
        for k, label in enumerate(self.probabilities["group"]):
            own = self.draws.isel(group=k)
            low, high = (float(own.sel(quantity=n).mean()) for n in ("low", "high"))
            more = beyond * (high - low)
            x = np.linspace(low - more, high + more, points)
            level, linear, square, cube = (
                own.sel(quantity=n).values[..., None] for n in ("level", "linear", "square", "cube")
            )
            heights = level + x * (linear + x * (square + x * cube))
            band = pointwise(heights, ci_prob=self.ci_prob).drop(columns="p_positive")
            frames.append(pd.concat([pd.DataFrame({"group": label, "x": x}), band], axis=1))
        return pd.concat(frames, ignore_index=True)

    def document(self) -> Document:
        """A paragraph a group, then the tables."""
        percent = percent_text(self.ci_prob)
        bends = self.bends[self.bends[list(BENDS)].sum(axis=1) > 0]
        js = self.arms[list(J_SHAPES)].to_numpy().max() > 0
        return Document.of(
            Heading(f"Shape of the relation of {self.y} with {self.x} ({self.effect} effect)"),
            self.answers(),
            Table(
                (
                    *labels(self.probabilities, ("group",)),
                    *(column(self.probabilities, shape) for shape in CUBIC_SHAPES),
                ),
                "Posterior probability of each shape",
            ),
            Table(
                (
                    *labels(bends, ("shape", "group"), titles={"shape": ""}),
                    *(column(bends, bend) for bend in BENDS),
                ),
                "and how it bends",
            ),
            Table(
                (
                    *labels(self.arms, ("group",)),
                    *(column(self.arms, name) for name in J_SHAPES),
                ),
                "J-shapes",
            )
            if js
            else None,
            Table(
                (
                    *labels(self.points, ("point", "group"), titles={"point": ""}),
                    column(self.points, "p_inside", "P(inside)"),
                    column(self.points, "median"),
                    intervals(self.points, percent),
                ),
                "Points between the bounds",
            ),
            Table(
                (
                    *labels(self.table, ("quantity", "group"), titles={"quantity": ""}),
                    *summary(self.table, self.ci_prob),
                ),
                "Coefficients, bounds and slopes at both ends",
            ),
            Notes(self.notes if js else self.notes[1:]),
        )

    def answers(self) -> list[Paragraph]:
        """What it amounts to, a paragraph a group."""
        return [Paragraph(_sentence(self, k)) for k in range(len(self.probabilities))]


def _sentence(result: CubicShape, k: int) -> str:
    chances = result.probabilities.iloc[k]
    group = chances["group"]
    low, high = (
        float(result.draws.isel(group=k).sel(quantity=end).mean()) for end in ("low", "high")
    )
    kind = max(CUBIC_SHAPES, key=lambda name: chances[name])
    text = (
        f"{f'In group {group}: between' if group else 'Between'} {result.x} = {number(low)} and "
        f"{number(high)} ({result.bounds}) the relation is most probably {IN_WORDS[kind]}, with "
        f"probability {chance_text(chances[kind])}."
    )
    if result.hypothesis not in (None, kind):
        text += (
            f" It is {IN_WORDS[str(result.hypothesis)]}, as hypothesised, with probability "
            f"{chance_text(chances[result.hypothesis])}."
        )
    points = result.points[result.points["group"] == group].set_index("point")
    for name, row in points.iterrows():
        if row["p_inside"] >= 0.5:
            text += (
                f" The {name} is at {result.x} = {number(row['median'])}, "
                f"{percent_text(result.ci_prob)} {number(row['lower'])} to {number(row['upper'])}, "
                f"given that it lies inside (probability {chance_text(row['p_inside'])})."
            )
    return text
