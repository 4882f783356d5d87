"""Simple slopes of a moderated relation, and where they differ from 0 (Johnson & Neyman)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.algebra.polynomial import Polynomial, degree, normal_mean, value_at
from bayessem.arguments import check_shared, whole_number
from bayessem.effects.effects import POINTS, chosen_groups
from bayessem.effects.level_lines import (
    AtLevel,
    level_scale,
    moderated_slope,
    slope_by,
    slope_causes,
    slope_groups,
)
from bayessem.effects.path_effects import pooled_scale
from bayessem.effects.pathways import moderators, position
from bayessem.effects.whatif import pointwise
from bayessem.errors import ModelError
from bayessem.model.structure import RandomSlope, Structure
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.intervention import intervene
from bayessem.results.units import units_of
from bayessem.text.columns import column, labels, summary
from bayessem.text.described import Described
from bayessem.text.document import Document, Notes, Table
from bayessem.text.formats import SHORT

# Coefficients of the slope's polynomial that are smaller than this share of the largest are 0.
ROUNDING = 1e-12


@dataclass(frozen=True, repr=False)
class Slopes(Described):
    """The slope of y on x at values of a moderator, and where it differs from 0.

    Attributes
    ----------
    x, y, moderator : str
    table : DataFrame
        value (of the moderator), value_sd, group, mean, sd, lower, upper, p_positive.
    draws : DataArray (chain, draw, group, value)
    regions : DataFrame
        group, start, end, sign: stretches of the moderator over which the interval excludes 0;
        empty when only a few values were asked for.
    per_sd : DataFrame
        Change of the slope for one standard deviation more of the moderator, by group.
    ci_prob : float
    notes : tuple of str
    units : dict of str to str
        What a unit of each variable is, in words; "" for columns of the data.
    """

    x: str
    y: str
    moderator: str
    table: pd.DataFrame
    draws: xr.DataArray
    regions: pd.DataFrame
    per_sd: pd.DataFrame
    ci_prob: float
    notes: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> Document:
        """Slopes at some of the values, and notes."""
        points = np.unique(self.table["value_sd"].to_numpy())
        some = points[np.unique(np.linspace(0, len(points) - 1, 9).round().astype(int))]
        shown = self.table[self.table["value_sd"].isin(some)]
        table = Table(
            (
                *labels(shown, ("group",)),
                column(shown, "value", self.moderator),
                column(shown, "value_sd", "in SD", SHORT),
                *summary(shown, self.ci_prob, mean="slope"),
            ),
            f"Slope of {self.y} on {self.x} by {self.moderator}",
        )
        return Document.of(table, Notes(self.notes))


def slope_polynomial(
    structure: Structure, elements: np.ndarray, x: int, y: int, moderator: int, *, group: int
) -> Polynomial:
    """Expected slope of y on x in y's own equation, a polynomial in the moderator."""
    done = intervene(structure, elements, (moderator,), keep=(x,), group=group)
    exact = normal_mean(done.slope(y, x), 1)
    sizes = {e: float(np.abs(c).max()) for e, c in exact.items()}
    # a response that is 0 but for rounding would make a straight line a curve
    least = ROUNDING * max(sizes.values())
    return {e: c for e, c in exact.items() if e[0] <= 1 or sizes[e] > least}


@check_shared
def simple_slopes(
    fit: Fitted,
    x: str,
    y: str,
    moderator: str | None = None,
    *,
    at: Sequence[float] = POINTS,
    group: str | Sequence[str] | None = None,
    ci_prob: float = 0.95,
) -> Slopes:
    """Slope of y on x at chosen values of the moderator.

    Arguments, result and errors: `Fit.simple_slopes`.
    """
    w = _moderator(fit.prepared.structure, x, y, moderator)
    return _slopes(fit, x, y, w, np.asarray(at, dtype=float), group, ci_prob, regions=False)


@check_shared
def johnson_neyman(
    fit: Fitted,
    x: str,
    y: str,
    moderator: str | None = None,
    *,
    sds: float = 3.0,
    points: int = 121,
    group: str | Sequence[str] | None = None,
    ci_prob: float = 0.95,
) -> Slopes:
    """Slope of y on x at every value of the moderator, and where its interval excludes 0.

    The regions of Johnson & Neyman (1936; Bauer & Curran 2005,
    doi:10.1207/s15327906mbr4003_5) with posterior intervals, pointwise.

    Arguments, result and errors: `Fit.johnson_neyman`.
    """
    whole_number("points", points, ModelError, least=2)
    if not (np.isfinite(sds) and sds > 0):
        raise ModelError(f"sds is a positive number of standard deviations, not {sds!r}")
    w = _moderator(fit.prepared.structure, x, y, moderator)
    grid = np.linspace(-sds, sds, points)
    return _slopes(fit, x, y, w, grid, group, ci_prob, regions=True)


def _moderator(structure: Structure, x: str, y: str, given: str | None) -> int:
    i, j = position(structure, x), position(structure, y)
    random = moderated_slope(structure, x, y)
    if random is not None:
        return _cause_of_slope(structure, random, given)
    used = {
        place.j
        for place in structure.places.values()
        if place.matrix == "products" and place.i == j
    }
    partners = dict.fromkeys(
        other
        for t, factors in enumerate(structure.products)
        if t in used and i in factors
        for other in factors
        if other != i
    )
    names = [structure.variables[v] for v in partners]
    if not names:
        raise ModelError(
            f"{y} has no path from a product of {x} with another variable; add one, such as "
            f"{y} ~ {x}:W"
        )
    if given is None and len(names) == 1:
        return next(iter(partners))
    if given not in names:
        said = "more than one moderator" if given is None else f"{given!r} is not a moderator"
        raise ModelError(f"{said} of {x} on {y}: moderator is one of {', '.join(names)}")
    return position(structure, given)


def _cause_of_slope(structure: Structure, random: RandomSlope, given: str | None) -> int:
    """The moderator of a random slope: what explains it at level 2."""
    names = [structure.variables[v] for v in slope_causes(structure, random)]
    slope = structure.variables[random.slope]
    if not names:
        raise ModelError(
            f"nothing explains the random slope {slope!r} at level 2; add a moderator, such as "
            f"{slope} ~ W"
        )
    if given is None and len(names) == 1:
        return position(structure, names[0])
    if given not in names:
        said = "more than one moderator" if given is None else f"{given!r} is not a moderator"
        raise ModelError(f"{said} of {slope}: moderator is one of {', '.join(names)}")
    return position(structure, given)


def _groups_and_scale(
    fit: Fitted, random: RandomSlope | None, moderator: int, group: str | Sequence[str] | None
) -> tuple[dict[int, str], np.ndarray, np.ndarray]:
    """Names of the groups that are asked for by position; mean and sd of the moderator."""
    structure = fit.prepared.structure
    if random is not None:
        return slope_groups(structure, group), *level_scale(fit, AtLevel(1, moderator))
    groups = structure.table.groups
    several = len(groups) > 1
    picked = {g: groups[g] if several else "" for g in chosen_groups(groups, group)}
    return picked, *pooled_scale(fit, moderator)


def _slopes(
    fit: Fitted,
    x: str,
    y: str,
    moderator: int,
    sds: np.ndarray,
    group: str | Sequence[str] | None,
    ci_prob: float,
    *,
    regions: bool,
) -> Slopes:
    structure, elements = fit.prepared.structure, fit.elements
    i, j = position(structure, x), position(structure, y)
    name = structure.variables[moderator]
    random = moderated_slope(structure, x, y)
    picked, mean, spread = _groups_and_scale(fit, random, moderator, group)
    # The same values in every draw, so that the curve is one function of the moderator.
    values = float(mean.mean()) + sds * float(spread.mean())
    curves, frames, changes, stretches, labels = [], [], [], [], []
    for g, named in picked.items():
        if random is None:
            slope = slope_polynomial(structure, elements, i, j, moderator, group=g)
        else:
            slope = slope_by(structure, elements, g, random, moderator)
        widened = {e: np.asarray(c)[..., None] for e, c in slope.items()}
        curve = np.broadcast_to(value_at(widened, [values]), (*elements.shape[:-1], values.size))
        part = pointwise(curve, ci_prob=ci_prob)
        where = pd.DataFrame({"value": values, "value_sd": sds, "group": named})
        frames.append(pd.concat([where, part], axis=1))
        linear = degree(slope, 0) <= 1
        change = slope.get((1,), np.zeros(())) * spread if linear else np.full(spread.shape, np.nan)
        summary = summarise(
            np.broadcast_to(change, elements.shape[:-1])[..., None], ci_prob=ci_prob
        )
        changes.append(summary.assign(group=named))
        if regions:
            stretches += [(named, *s) for s in excluding_zero(values, part["lower"], part["upper"])]
        curves.append(curve)
        labels.append(named or "all")
    averaged = "" if random else _depends_on_more(structure, i, j, moderator)
    region_table = pd.DataFrame(stretches, columns=["group", "start", "end", "sign"])
    per_sd = pd.concat(changes, ignore_index=True)
    notes = [
        f"Change of the slope for one SD ({float(spread.mean()):.3g}) more of {name}: "
        + "; ".join(_change_text(row) for row in per_sd.to_dict("records"))
        + "."
    ]
    if regions:
        notes += _region_notes(region_table, labels, name, values, ci_prob)
    if averaged:
        notes.append(f"The slope also depends on {averaged}; it is averaged over that here.")
    draws = xr.DataArray(
        np.stack(curves, axis=-2),
        dims=("chain", "draw", "group", "value"),
        coords={"group": labels, "value": values},
        name=f"slope of {y} on {x}",
    )
    return Slopes(
        x,
        y,
        name,
        pd.concat(frames, ignore_index=True),
        draws,
        region_table,
        per_sd,
        ci_prob,
        tuple(notes),
        units_of(fit.prepared, x, y, name),
    )


def _change_text(row: dict) -> str:
    prefix = f"{row['group']} " if row["group"] else ""
    return f"{prefix}{row['mean']:.3f} [{row['lower']:.3f}, {row['upper']:.3f}]"


def _depends_on_more(structure: Structure, x: int, y: int, moderator: int) -> str:
    """Other variables that the slope depends on, in words; "" for none."""
    more = [v for v in moderators(structure, [(x, y)]) if v != moderator]
    square = any(
        place.matrix == "products" and place.i == y and structure.products[place.j] == (x, x)
        for place in structure.places.values()
    )
    return " and ".join(structure.variables[v] for v in [*([x] if square else []), *more])


def excluding_zero(
    values: np.ndarray, lower: Sequence[float], upper: Sequence[float]
) -> list[tuple[float, float, str]]:
    """Stretches of `values` over which an interval excludes 0: start, end and sign.

    Ends between two values are interpolated linearly; -inf and inf where a stretch reaches the
    first or last value.
    """
    out = []
    for sign, bound in (("positive", np.asarray(lower)), ("negative", -np.asarray(upper))):
        inside = bound > 0
        edges = np.flatnonzero(np.diff(inside.astype(int)))
        ends = [
            values[k] - bound[k] * (values[k + 1] - values[k]) / (bound[k + 1] - bound[k])
            for k in edges
        ]
        ends = ([-np.inf] if inside[0] else []) + ends + ([np.inf] if inside[-1] else [])
        out += [(float(a), float(b), sign) for a, b in zip(ends[::2], ends[1::2], strict=True)]
    return sorted(out)


def _region_notes(
    regions: pd.DataFrame, labels: Sequence[str], name: str, values: np.ndarray, ci_prob: float
) -> list[str]:
    notes = []
    percent = f"{100 * ci_prob:g} %"
    for label in labels:
        part = regions[regions["group"] == ("" if label == "all" else label)]
        prefix = "" if label == "all" else f"{label}: "
        if part.empty:
            notes.append(
                f"{prefix}nowhere between {values[0]:.3g} and {values[-1]:.3g} does the {percent} "
                "interval of the slope exclude 0."
            )
        for row in part.to_dict("records"):
            if np.isinf(row["start"]) and np.isinf(row["end"]):
                where = f"at every value of {name} from {values[0]:.3g} to {values[-1]:.3g}"
            elif np.isinf(row["start"]):
                where = f"for {name} below {row['end']:.3g}"
            elif np.isinf(row["end"]):
                where = f"for {name} above {row['start']:.3g}"
            else:
                where = f"for {name} between {row['start']:.3g} and {row['end']:.3g}"
            notes.append(f"{prefix}the slope is {row['sign']} {where} ({percent} interval).")
    return [note[0].upper() + note[1:] for note in notes]
