"""A response surface: its tables, sentences that say what they amount to, grids for figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.effects.effects import chance_text
from bayessem.effects.whatif import pointwise
from bayessem.shapes.congruence import CLAIMS
from bayessem.shapes.surface import AXES, COEFFICIENTS, CURVATURES, LINES, POINT, Surface
from bayessem.text.columns import column, intervals, labels, summary
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import NUMBER, SHORT_ESTIMATE, WORD, Format, percent_text
from bayessem.text.numbers import number

DIRECTIONS = ("ridge rotation", "ridge shift", "trough rotation", "trough shift")
QUANTITIES = (*COEFFICIENTS, *LINES, *POINT, *AXES, *CURVATURES, *DIRECTIONS)

# Shares of the draws below this are not worth a sentence.
LEAST_SHARE = 0.001


@dataclass(frozen=True, repr=False)
class ResponseSurface(Described):
    """How y depends on x and z together; `print` it.

    There is a surface for each group and value of the moderator.

    Attributes
    ----------
    x, z, y : str
    effect : str
        "direct" (y's own equation) or "total" (through mediators too).
    metric : {"raw", "standardized"}
        In which all numbers are.
    hypothesis : {"highest", "lowest"}
        What y is where x and z are equal.
    rope, rope_ridge : float
        The regions of practical equivalence (`Fit.response_surface`).
    table : DataFrame
        group, at, quantity (b0 to b5, a1 to a5), and the summary.
    geometry : DataFrame
        group, at, quantity, median, lower, upper of the stationary point (x0, z0, y0), the
        principal axes (p10, p11, p20, p21), the curvatures along them, and rotation (degrees from
        the line of congruence) and shift (z - x on the line of incongruence) of ridge and trough.
    stationary : DataFrame
        group, at; in which share of the draws the stationary point is a maximum, a minimum or a
        saddle, lies `far` from the respondents, and the surface is `round`, its axes undirected.
    conditions : DataFrame
        group, at, condition, region, probability.
    claims : DataFrame
        group, at, and the probability of each of `CLAIMS`.
    differences : DataFrame
        difference, quantity, and the summary; between groups and values of the moderator.
    scores : DataFrame
        A row a respondent: group, x and z in the metric (data, or posterior means of constructs).
    draws : DataArray (chain, draw, surface, quantity)
        Quantities as in `QUANTITIES`.
    centers : tuple of float
        From where x and z are measured, in the model's units.
    spread : tuple of float
        Means of x and z, standard deviations of x, z and y, in the metric.
    ci_prob : float
    notes : tuple of str
    """

    x: str
    z: str
    y: str
    effect: str
    metric: str
    hypothesis: str
    rope: float
    rope_ridge: float
    table: pd.DataFrame
    geometry: pd.DataFrame
    stationary: pd.DataFrame
    conditions: pd.DataFrame
    claims: pd.DataFrame
    differences: pd.DataFrame
    scores: pd.DataFrame
    draws: xr.DataArray
    centers: tuple[float, float]
    spread: tuple[float, ...]
    ci_prob: float
    notes: tuple[str, ...]

    @property
    def surfaces(self) -> tuple[str, ...]:
        """Names of the surfaces; "all" when there is one."""
        return tuple(str(s) for s in self.draws["surface"].values)

    def to_frame(self) -> pd.DataFrame:
        """All quantities of all surfaces in one table: group, at, quantity, value, lower, upper.

        The value is the mean of a coefficient or line, and the median of what is a ratio of them.
        """
        means = self.table.rename(columns={"mean": "value"})
        medians = self.geometry.rename(columns={"median": "value"})
        names = ["group", "at", "quantity", "value", "lower", "upper"]
        return pd.concat([means[names], medians[names]], ignore_index=True)

    def limits(self) -> tuple[float, float]:
        """Lower and upper end, the same for x and z, of what a figure shows."""
        mx, mz, sx, sz, _ = self.spread
        low = min(mx - 2.0 * sx, mz - 2.0 * sz)
        high = max(mx + 2.0 * sx, mz + 2.0 * sz)
        seen = self.scores[[self.x, self.z]].to_numpy(dtype=float)
        if len(seen):
            low, high = min(low, np.nanmin(seen)), max(high, np.nanmax(seen))
        return float(low), float(high)

    def mean_surface(self, surface: str | None = None) -> Surface:
        """The surface of the posterior means of the coefficients: the mean height everywhere."""
        own = self.draws.sel(surface=surface or self.surfaces[0])
        return Surface(*(np.asarray(own.sel(quantity=c).values.mean()) for c in COEFFICIENTS))

    def grid(self, *, surface: str | None = None, points: int = 41) -> pd.DataFrame:
        """Height of a surface with its pointwise band over a square of x and z, for a figure.

        Parameters
        ----------
        surface : str, optional
            One of `surfaces`; the first by default.
        points : int
            Values of x, and of z.

        Returns
        -------
        DataFrame
            x, z, mean, sd, lower, upper.
        """
        own = self.draws.sel(surface=surface or self.surfaces[0])
        b = Surface(*(own.sel(quantity=c).values[..., None] for c in COEFFICIENTS))
        axis = np.linspace(*self.limits(), points)
        x, z = (v.ravel() for v in np.meshgrid(axis, axis))
        # a line at a time: the draws of the whole square would not fit into memory
        parts = [
            pointwise(b.value(x[k : k + points], z[k : k + points]), ci_prob=self.ci_prob)
            for k in range(0, len(x), points)
        ]
        band = pd.concat(parts, ignore_index=True).drop(columns="p_positive")
        return pd.concat([pd.DataFrame({"x": x, "z": z}), band], axis=1)

    def document(self) -> Document:
        """A paragraph a surface, then the tables."""
        return Document.of(
            Heading(
                f"Response surface of {self.y} over {self.x} and {self.z} ({self.effect} effect)"
            ),
            self.answers(),
            _conditions(self),
            _coefficients(self),
            _geometry(self),
            _differences(self),
            Notes((*_defined(self), *self.notes)),
        )

    def answers(self) -> list[Paragraph]:
        """What it amounts to, a paragraph a surface."""
        return [Paragraph(_sentence(self, row)) for row in self.claims.to_dict("records")]


def _where(row: dict) -> str:
    parts = [f"in group {row['group']}" if row["group"] else "", row["at"] and f"with {row['at']}"]
    return " ".join(part for part in parts if part)


def _sentence(result: ResponseSurface, row: dict) -> str:
    strict, broad, parallel = (chance_text(row[name]) for name in CLAIMS)
    where = _where(row)
    start = f"{where[0].upper()}{where[1:]}: {result.y}" if where else result.y
    ridge = "ridge" if result.hypothesis == "highest" else "trough"
    return (
        f"{start} is {result.hypothesis} where {result.x} and {result.z} are equal (a congruence "
        f"effect) with probability {broad} in the broad sense, in which the {ridge} may slope or "
        f"bend, and {strict} in the strict sense, in which only the difference counts. The {ridge} "
        f"is parallel to the line of congruence, shifted or not, with probability {parallel}."
    )


def _labels_of(frame: pd.DataFrame) -> list[str]:
    """The surface that each row belongs to: group and value of the moderator."""
    return [
        ", ".join(part for part in key if part)
        for key in zip(frame["group"], frame["at"], strict=True)
    ]


def _side_by_side(
    frame: pd.DataFrame, name: str, cells: list, how: Format, title: str
) -> list[Column]:
    """A column of cells for each surface; the rows are those of the first."""
    of = _labels_of(frame)
    surfaces = list(dict.fromkeys(of))
    first = [k for k, label in enumerate(of) if label == surfaces[0]]
    rows = Column("", frame[name].iloc[first].tolist())
    columns = [
        Column(label or title, [c for c, own in zip(cells, of, strict=True) if own == label], how)
        for label in surfaces
    ]
    return [rows, *columns]


def _conditions(result: ResponseSurface) -> Table:
    ridge = "ridge" if result.hypothesis == "highest" else "trough"
    claims = [
        {**row, "condition": name.replace("ridge", ridge), "region": "", "probability": row[name]}
        for row in result.claims.to_dict("records")
        for name in CLAIMS
    ]
    both = pd.concat([result.conditions, pd.DataFrame(claims)], ignore_index=True)
    names, *chances = _side_by_side(
        both, "condition", both["probability"].tolist(), NUMBER, "probability"
    )
    regions = both["region"].iloc[: len(result.conditions) // len(result.claims)].tolist()
    region = Column("region", regions + [""] * len(CLAIMS), WORD)
    return Table(
        (names, region, *chances),
        f"Conditions of a congruence effect (Humberg, Nestler & Back 2019), {result.y} being "
        f"{result.hypothesis} at congruence",
    )


def _names(result: ResponseSurface) -> dict[str, str]:
    x, z = result.x, result.z
    return {
        "b0": "b0  level",
        "b1": f"b1  {x}",
        "b2": f"b2  {z}",
        "b3": f"b3  {x}:{x}",
        "b4": f"b4  {x}:{z}",
        "b5": f"b5  {z}:{z}",
        "a1": f"a1  slope, {x} = {z}",
        "a2": f"a2  curvature, {x} = {z}",
        "a3": f"a3  slope, {x} = -{z}",
        "a4": f"a4  curvature, {x} = -{z}",
        "a5": "a5  b3 - b5",
        "x0": f"stationary point, {x}",
        "z0": f"stationary point, {z}",
        "y0": f"stationary point, {result.y}",
        "p10": "p10  first axis, intercept",
        "p11": "p11  first axis, slope",
        "p20": "p20  second axis, intercept",
        "p21": "p21  second axis, slope",
        "curvature1": "curvature along the first axis",
        "curvature2": "curvature along the second axis",
        "ridge rotation": f"ridge turned from {x} = {z}, degrees",
        "ridge shift": f"ridge shifted, {z} - {x} on {x} = -{z}",
        "trough rotation": f"trough turned from {x} = {z}, degrees",
        "trough shift": f"trough shifted, {z} - {x} on {x} = -{z}",
    }


def _coefficients(result: ResponseSurface) -> Table:
    title = "Coefficients; lines of congruence and incongruence"
    named = result.table.assign(quantity=result.table["quantity"].map(_names(result)))
    if len(result.surfaces) > 1:
        return Table(tuple(_estimates(named, "mean")), f"{title}, with {_percent(result)}s")
    names = labels(named, ("quantity",), titles={"quantity": ""})
    return Table((*names, *summary(named, result.ci_prob)), title)


def _percent(result: ResponseSurface) -> str:
    return percent_text(result.ci_prob)


def _estimates(frame: pd.DataFrame, value: str) -> list[Column]:
    cells = list(zip(frame[value], frame["lower"], frame["upper"], strict=True))
    return _side_by_side(frame, "quantity", cells, SHORT_ESTIMATE, value)


def _geometry(result: ResponseSurface) -> Table:
    other = "trough" if result.hypothesis == "highest" else "ridge"
    shown = result.geometry[~result.geometry["quantity"].str.startswith(other)]
    named = shown.assign(quantity=shown["quantity"].map(_names(result)))
    title = "Stationary point and principal axes: medians"
    if len(result.surfaces) > 1:
        return Table(tuple(_estimates(named, "median")), f"{title}, with {_percent(result)}s")
    names = labels(named, ("quantity",), titles={"quantity": ""})
    return Table((*names, column(named, "median"), intervals(named, _percent(result))), title)


def _differences(result: ResponseSurface) -> Table | None:
    shown = result.differences[result.differences["quantity"].isin(LINES)]
    if shown.empty:
        return None
    named = shown.assign(quantity=shown["quantity"].map(_names(result)))
    return Table(
        (
            *labels(named, ("quantity", "difference"), titles={"quantity": ""}),
            *summary(shown, result.ci_prob),
        ),
        "Differences",
    )


def _defined(result: ResponseSurface) -> list[str]:
    """Regions, and in how many draws the stationary point is what and where."""
    out = [
        "Regions of practical equivalence: slopes and curvatures smaller than "
        f"{number(result.rope)} SD of {result.y} for 1 SD along the line count as none (rope); an "
        "axis is the line of congruence when its slope lies between "
        f"{number(1 / (1 + result.rope_ridge))} and {number(1 + result.rope_ridge)} and it is "
        f"shifted by less than {number(result.rope_ridge)} SD (rope_ridge), measured as "
        f"{result.z} - {result.x} where it crosses {result.x} = -{result.z}. An SD is that of "
        f"{result.x} and {result.z} together."
    ]
    for row in result.stationary.to_dict("records"):
        where = f"{_where(row)}: " if _where(row) else ""
        kinds = ", ".join(
            f"a {kind} in {row[kind]:.1%}" for kind in ("maximum", "minimum", "saddle") if row[kind]
        )
        text = (
            f"{where}the stationary point is {kinds} of the draws, and in {row['far']:.1%} it lies "
            "more than 3 SD from the means, where nobody is."
        )
        if row["round"] >= LEAST_SHARE:
            text += (
                f" In {row['round']:.1%} of the draws the curvatures along both axes are nearly "
                "the same, and the axes have hardly a direction."
            )
        out.append(text[0].upper() + text[1:])
    crossing = result.geometry[
        result.geometry["quantity"].isin(["p11", "p21"]) & result.geometry["lower"].isna()
    ]
    if len(crossing):
        listed = " and ".join(dict.fromkeys(crossing["quantity"]))
        out.append(
            f"No interval for {listed}: it would hold the vertical, where a slope is infinite. See "
            "the degrees by which the axis is turned."
        )
    return out
