"""The shape of a relation: its tables, a sentence that says what they amount to, its display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.effects.effects import chance_text, sd_text
from bayessem.effects.whatif import pointwise
from bayessem.shapes.arms import J_NOTE, J_SHAPES
from bayessem.shapes.turning_point import QUANTITIES, SHAPES
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import INTERVAL, NUMBER, WORD, YES, percent_text
from bayessem.text.numbers import number

# From which probability of a J on the J-shapes are shown.
LEAST_J = 0.05


@dataclass(frozen=True, repr=False)
class Shape(Described):
    """Shape of the relation of y with x; `print` it.

    Attributes
    ----------
    x, y : str
    effect : str
        "direct" (y's own equation) or "total" (through mediators too).
    probabilities : DataFrame
        A row a group, a column for each of `SHAPES`; they sum to 1.
    table : DataFrame
        group, quantity (bounds, coefficients, slopes at both ends), and the summary.
    turning_point : DataFrame
        group, kind ("peak" or "trough", the more probable), p_kind, median, lower, upper given
        that kind, p_inside (of lying between the bounds), low, high.
    steps : DataFrame
        Haans, Pieters & He's three steps: group, step, estimate, lower, upper, probability, holds.
    moderated : DataFrame
        Turning point at values of each moderator and its shift with it; empty without any.
    lines : DataFrame
        Two lines (Simonsohn 2018): group, break_point, slopes with intervals, probabilities;
        empty if not asked for.
    draws : DataArray (chain, draw, group, quantity)
        Quantities as in `QUANTITIES`.
    ci_prob : float
    notes : tuple of str
    bounds : str
        What the interval is on which the shape is judged, in words.
    units : dict of str to str
        What a unit of each variable is, in words; "" for columns of the data.
    arms : DataFrame
        A row a group, a column for each of `J_SHAPES`: parts of the U and the inverted U.
    changes : DataFrame
        What moderators and groups change (Haans, Pieters & He 2016): group, moderator, p_flip,
        p_steeper, p_flatter, shift of the turning point with lower and upper, p_right.
    """

    x: str
    y: str
    effect: str
    probabilities: pd.DataFrame
    table: pd.DataFrame
    turning_point: pd.DataFrame
    steps: pd.DataFrame
    moderated: pd.DataFrame
    lines: pd.DataFrame
    draws: xr.DataArray
    ci_prob: float
    notes: tuple[str, ...]
    bounds: str = "as given"
    units: Mapping[str, str] = field(default_factory=dict)
    arms: pd.DataFrame = field(default_factory=pd.DataFrame)
    changes: pd.DataFrame = field(default_factory=pd.DataFrame)

    def curve(self, *, points: int = 81, beyond: float = 0.25) -> pd.DataFrame:
        """The quadratic with its pointwise band, for a figure.

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
            own = self.draws.values[:, :, k]
            low, high = (float(own[..., QUANTITIES.index(n)].mean()) for n in ("low", "high"))
            more = beyond * (high - low)
            x = np.linspace(low - more, high + more, points)
            level, linear, square = (
                own[..., QUANTITIES.index(n), None] for n in ("level", "linear", "square")
            )
            band = pointwise(level + linear * x + square * x * x, ci_prob=self.ci_prob)
            band.insert(0, "group", label)
            band.insert(1, "x", x)
            frames.append(band.drop(columns="p_positive"))
        return pd.concat(frames, ignore_index=True)

    def document(self) -> Document:
        """A paragraph a group, then the tables."""
        percent = percent_text(self.ci_prob)
        return Document.of(
            Heading(f"Shape of the relation of {self.y} with {self.x} ({self.effect} effect)"),
            self.answers(),
            Table(
                (
                    *labels(self.probabilities, ("group",)),
                    *(column(self.probabilities, shape) for shape in SHAPES),
                ),
                "Posterior probability of each shape",
            ),
            Table(
                (
                    *labels(self.steps, ("step", "group"), titles={"step": ""}),
                    column(self.steps, "estimate"),
                    intervals(self.steps, percent),
                    column(self.steps, "probability"),
                    column(self.steps, "holds", how=YES),
                ),
                "Three steps (Haans, Pieters & He 2016)",
            ),
            _arms(self) if _has_js(self) else None,
            _changes(self) if len(self.changes) else None,
            _moderated(self) if len(self.moderated) else None,
            _lines(self) if len(self.lines) else None,
            Notes((*([J_NOTE] if _has_js(self) else []), *self.notes)),
        )

    def answers(self) -> list[Paragraph]:
        """What it amounts to, a paragraph a group."""
        return [Paragraph(_sentence(self, k)) for k in range(len(self.probabilities))]


def _sentence(result: Shape, k: int) -> str:
    chances = result.probabilities.iloc[k]
    turn = result.turning_point.iloc[k]
    kind = max(SHAPES, key=lambda name: chances[name])
    article = "an" if kind[0] in "iu" and kind != "U" else "a"
    what = f"{article} {kind}" if kind in ("inverted U", "U") else kind
    where = f"In group {chances['group']}: between" if chances["group"] else "Between"
    text = (
        f"{where} {result.x} = {number(turn['low'])} and {number(turn['high'])} "
        f"({result.bounds}) the relation is most probably {what}, with probability "
        f"{chance_text(chances[kind])}. "
    )
    if np.isnan(turn["median"]):
        return text + "The square is too near 0 for a turning point."
    return text + (
        f"The curve has a {turn['kind']} (a {'negative' if turn['kind'] == 'peak' else 'positive'} "
        f"square) with probability {chance_text(turn['p_kind'])}; "
        f"given that, the {turn['kind']} is at {result.x} = {number(turn['median'])}, "
        f"{percent_text(result.ci_prob)} {number(turn['lower'])} to {number(turn['upper'])}. "
        f"It lies inside the bounds with probability {chance_text(turn['p_inside'])}."
    )


def _has_js(result: Shape) -> bool:
    return len(result.arms) > 0 and result.arms[list(J_SHAPES)].to_numpy().max() >= LEAST_J


def _arms(result: Shape) -> Table:
    return Table(
        (
            *labels(result.arms, ("group",)),
            *(column(result.arms, name) for name in J_SHAPES),
        ),
        "J-shapes",
    )


def _changes(result: Shape) -> Table:
    found = result.changes
    return Table(
        (
            *labels(found, ("moderator", "group"), titles={"moderator": ""}),
            column(found, "p_steeper", "P(steeper)"),
            column(found, "p_flatter", "P(flatter)"),
            column(found, "p_flip", "P(flips)"),
            column(found, "shift", "turning point moves by"),
            intervals(found, percent_text(result.ci_prob)),
            column(found, "p_right", "P(to the right)"),
        ),
        "Changes of the shape (Haans, Pieters & He 2016)",
    )


def _moderated(result: Shape) -> Table:
    names, where = [], []
    for r in result.moderated.to_dict("records"):
        at = "" if np.isnan(r["value_sd"]) else f"{r['moderator']} at {sd_text(r['value_sd'])}"
        where.append(at)
        names.append(
            {
                "turning point": "turning point",
                "shift": f"its shift for 1 SD of {r['moderator']}",
                "flip": f"curvature is 0 at {r['moderator']} =",
            }[r["quantity"]]
        )
    return Table(
        (
            Column("", names),
            Column("", where),
            *labels(result.moderated, ("group",)),
            column(result.moderated, "median"),
            intervals(result.moderated, percent_text(result.ci_prob)),
            column(result.moderated, "p_positive", "P(>0)"),
        ),
        "Moderated turning point",
    )


def _lines(result: Shape) -> Table:
    names, groups, slopes, ends, chances = [], [], [], [], []
    for r in result.lines.to_dict("records"):
        first, second = ("> 0", "< 0") if r["hypothesis"] == "inverted U" else ("< 0", "> 0")
        for side, sign in (("low", first), ("high", second)):
            names.append(f"{'below' if side == 'low' else 'above'} {number(r['break_point'])}")
            slopes.append(r[side])
            ends.append((r[f"{side}_lower"], r[f"{side}_upper"]))
            chances.append(f"P({sign}) = {number(r[f'p_{side}'])}")
        names.append(f"both ({r['hypothesis']})")
        slopes.append(np.nan)
        ends.append((np.nan, np.nan))
        chances.append(f"P = {number(r['p_both'])}")
        groups += [r["group"]] * 3
    return Table(
        (
            Column("", names),
            *([Column("group", groups)] if any(groups) else []),
            Column("slope", slopes, NUMBER),
            Column(percent_text(result.ci_prob), ends, INTERVAL),
            Column("", chances, WORD),
        ),
        "Two lines",
    )
