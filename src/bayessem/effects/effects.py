"""Effects of one variable on another: every directed path, as products of draws.

A path's effect is the expected product of its slopes when X is set to x. In a linear model that is
the product of its coefficients. Where products of variables are on the way it depends on x, the
instantaneous effect theta(x) of Hayes & Preacher (2010, doi:10.1080/00273171.2010.498290), and is
averaged over what else changes it; the effects of all paths then sum to d E[Y | do(X = x)] / dx
exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.algebra.polynomial import Polynomial, degree, replace_by_moments, value_at
from bayessem.arguments import check_shared
from bayessem.effects.path_effects import (
    distribution_moments,
    path_effects,
    pooled_scale,
)
from bayessem.effects.pathways import directed_paths, moderators, on_circle, position
from bayessem.errors import ModelError
from bayessem.model.structure import Structure
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import model_moments
from bayessem.results.units import units_of
from bayessem.text.columns import labels, summary
from bayessem.text.described import Described
from bayessem.text.document import Document, Notes, Table

At = Sequence[float] | Mapping[str, Sequence[float]]
POINTS = (-1.0, 0.0, 1.0)


@dataclass(frozen=True, repr=False)
class Effects(Described):
    """Effects of x on y; `print` them.

    Attributes
    ----------
    x, y : str
    table : DataFrame
        A row an effect: effect (direct, indirect, total indirect, total), path, group, at (the
        values at which it holds, or what it is averaged over), then mean, sd, lower, upper,
        p_positive, r_hat, ess_bulk, ess_tail.
    draws : DataArray (chain, draw, effect)
        In the order of the table, named by path, group and values.
    standardized : bool
        In standard deviations of y for one of x.
    ci_prob : float
        Probability of the equal-tailed intervals.
    notes : tuple of str
        What a reader must know, in words.
    units : dict of str to str
        What a unit of each variable is, in words; "" for columns of the data.
    """

    x: str
    y: str
    table: pd.DataFrame
    draws: xr.DataArray
    standardized: bool
    ci_prob: float
    notes: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> Document:
        """The table of effects, and notes."""
        unit = "standardised" if self.standardized else "unstandardised"
        title = f"Effects of {self.x} on {self.y} ({unit})"
        return Document.of(
            effects_table(without_repetition(self.table), self.ci_prob, title=title),
            Notes(self.notes),
        )


@dataclass(frozen=True)
class EffectRow:
    """One effect: what it is, where it holds, and its draws (chain, draw)."""

    effect: str
    path: str
    group: str
    at: str
    values: np.ndarray

    @property
    def name(self) -> str:
        """Unique name, such as `AMC -> RAD -> speed [high] (AMC at +1 SD)`."""
        name = self.path if self.effect in ("direct", "indirect") else self.effect
        name += f" [{self.group}]" if self.group else ""
        return name + (f" ({self.at})" if self.at else "")


def without_repetition(table: pd.DataFrame) -> pd.DataFrame:
    """The table without sums of one summand: a single indirect path, or no indirect path at all."""
    indirect = table.loc[table["effect"] == "indirect", "path"].nunique()
    repeated = {0: "total", 1: "total indirect"}.get(indirect, "")
    return table[table["effect"] != repeated]


def effects_table(table: pd.DataFrame, ci_prob: float, *, title: str) -> Table:
    """A table of effects as it is shown."""
    names = labels(table, ("effect", "path", "group", "at"), titles={"effect": ""})
    return Table((*names, *summary(table, ci_prob, quality=True)), title)


def read_at(structure: Structure, x: str, at: At | None) -> dict[int, tuple[float, ...]]:
    """The values asked for, in standard deviations, by position; x first.

    Raises
    ------
    ModelError
        For a name that is not a variable, or a value that is not a finite number.
    """
    given: Mapping[str, Sequence[float]]
    if at is None:
        given = {}
    elif isinstance(at, Mapping):
        given = at
    else:
        given = {x: at}
    out: dict[int, tuple[float, ...]] = {position(structure, x): POINTS}
    for name, values in given.items():
        points = tuple(float(v) for v in values)
        if not points or not np.isfinite(points).all():
            raise ModelError(
                f"at: {name!r} needs one or more finite numbers, in standard deviations from "
                f"its mean, not {values!r}"
            )
        out[position(structure, name, "at:")] = points
    return out


def chosen_groups(groups: Sequence[str], group: str | Sequence[str] | None) -> list[int]:
    """Positions of the groups asked for; all by default.

    Raises
    ------
    ModelError
        Naming the groups there are.
    """
    if group is None:
        return list(range(len(groups)))
    asked = [group] if isinstance(group, str) else list(group)
    for name in asked:
        if name not in groups:
            known = (
                f"its groups: {', '.join(map(repr, groups))}"
                if len(groups) > 1
                else "it has one group, so leave group= out"
            )
            raise ModelError(f"group {name!r} is not in the model; {known}")
    return [groups.index(name) for name in asked]


def effect_groups(
    structure: Structure, x: str, y: str, group: str | Sequence[str] | None
) -> list[int]:
    """The groups asked for; of a two-level model by default the blocks that have both variables.

    Raises
    ------
    ModelError
        When no level has both.
    """
    table = structure.table
    picked = chosen_groups(table.groups, group)
    if table.levels == 1 or group is not None:
        return picked
    there = [{x for r in table.rows if r.group == g for x in (r.lhs, r.rhs)} for g in picked]
    own = [g for g, names in zip(picked, there, strict=True) if {x, y} <= names]
    if not own:
        raise ModelError(
            f"{x} and {y} are at different levels, where no path leads from one to the other; an "
            "effect across levels is a product of labels: 'ab := a*b' in the model"
        )
    return own


def _settings(
    polynomial: Polynomial, names: Sequence[str], points: Sequence[Sequence[float]]
) -> Iterator[tuple[str, tuple[float | None, ...]]]:
    """Where an effect is reported: text, and standard deviations by variable (None: averaged)."""
    choices: list[list[float | None]] = []
    for v, wanted in enumerate(points):
        if not degree(polynomial, v):
            choices.append([None])
        else:
            choices.append([*wanted, *([None] if v == 0 else [])])
    for combination in product(*choices):
        parts = []
        for v, sd in enumerate(combination):
            if sd is not None:
                parts.append(f"{names[v]} at {sd_text(sd)}")
            elif degree(polynomial, v):
                parts.append(f"averaged over {names[v]}")
        yield ", ".join(parts), combination


def sd_text(sd: float) -> str:
    """A distance from the mean in words: `mean`, `+1 SD`."""
    return "mean" if sd == 0 else f"{sd:+g} SD"


def effect_rows(
    fit: Fitted,
    x: str,
    y: str,
    *,
    standardized: bool = False,
    group: str | Sequence[str] | None = None,
    at: At | None = None,
) -> list[EffectRow]:
    """The effects of x on y as draws, by group and with contrasts between groups."""
    structure, elements = fit.prepared.structure, fit.elements
    groups = structure.table.groups
    i, j = position(structure, x), position(structure, y)
    paths = directed_paths(structure, i, j)
    wanted = read_at(structure, x, at)
    set_to = [v for v in wanted if v != i]
    _check_set(structure, set_to, paths)
    names = [structure.variables[v] for v in wanted]
    scales = [pooled_scale(fit, v) for v in wanted]
    rows: list[EffectRow] = []
    picked = effect_groups(structure, x, y, group)
    for g in picked:
        label = groups[g] if len(groups) > 1 else ""
        found = path_effects(structure, elements, paths, set_to=set_to, group=g)
        unit = _unit(structure, elements, i, j, group=g) if standardized else 1.0
        for (kind, path), polynomial in zip(found.kinds, found.polynomials, strict=True):
            for text, sds in _settings(polynomial, names, list(wanted.values())):
                value = _effect_value(fit, polynomial, i, sds, scales, group=g)
                drawn = np.broadcast_to(value * unit, elements.shape[:-1])
                rows.append(EffectRow(kind, path, label, text, drawn))
    return rows + _contrasts(rows, [groups[g] for g in picked])


def _check_set(structure: Structure, set_to: Sequence[int], paths: Sequence[Sequence[int]]) -> None:
    known = moderators(structure, paths)
    for v in set_to:
        if v not in known:
            listed = ", ".join(structure.variables[k] for k in known)
            has = f"moderators there: {listed}" if listed else "no variable does"
            raise ModelError(
                f"at: {structure.variables[v]} does not change an effect on the way from "
                f"{structure.variables[paths[0][0]]} to {structure.variables[paths[0][-1]]}; {has}"
            )


def _unit(structure: Structure, elements: np.ndarray, x: int, y: int, *, group: int) -> np.ndarray:
    """sd(x) / sd(y) of a group."""
    covariance = model_moments(structure, elements, group=group).latent_covariance
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(covariance[..., x, x] / covariance[..., y, y])


def _effect_value(
    fit: Fitted,
    polynomial: Polynomial,
    x: int,
    sds: Sequence[float | None],
    scales: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    group: int,
) -> np.ndarray:
    """An effect where x and the moderators are as `sds` says (None for x: averaged)."""
    values = [
        mean + sd * spread if sd is not None else 0.0
        for sd, (mean, spread) in zip(sds, scales, strict=True)
    ]
    if sds[0] is None and degree(polynomial, 0):
        moments = distribution_moments(fit, x, degree(polynomial, 0), group=group)
        return value_at(replace_by_moments(polynomial, 0, moments), values[1:])
    return value_at(polynomial, values)


def chance_text(probability: float) -> str:
    """A probability that never claims to be exactly 0 or 1."""
    if probability > 0.999:
        return "above .999"
    if probability < 0.001:
        return "below .001"
    return f"{probability:.3f}".removeprefix("0")


def _contrasts(rows: Sequence[EffectRow], groups: Sequence[str]) -> list[EffectRow]:
    """Differences between groups of every effect that both have."""
    if len(groups) < 2:
        return []
    by_key = {(r.group, r.effect, r.path, r.at): r for r in rows}
    keys = list(dict.fromkeys((r.effect, r.path, r.at) for r in rows))
    out = []
    for one, other in combinations(groups, 2):
        for effect, path, at in keys:
            a, b = by_key.get((one, effect, path, at)), by_key.get((other, effect, path, at))
            if a is not None and b is not None:
                out.append(EffectRow(effect, path, f"{one} - {other}", at, a.values - b.values))
    return out


def table_of(rows: Sequence[EffectRow], ci_prob: float) -> tuple[pd.DataFrame, xr.DataArray]:
    """Summary of effects and their draws."""
    values = np.stack([row.values for row in rows], axis=-1)
    labels = pd.DataFrame(
        [(r.effect, r.path, r.group, r.at) for r in rows],
        columns=["effect", "path", "group", "at"],
    )
    table = pd.concat([labels, summarise(values, ci_prob=ci_prob)], axis=1)
    draws = xr.DataArray(
        values,
        dims=("chain", "draw", "effect"),
        coords={"effect": [row.name for row in rows]},
        name="effects",
    )
    return table, draws


def effect_notes(
    fit: Fitted, x: str, y: str, rows: Sequence[EffectRow], at: At | None
) -> list[str]:
    """What a reader of effects must know, in words."""
    structure = fit.prepared.structure
    paths = directed_paths(structure, position(structure, x), position(structure, y))
    notes = []
    if any(f"averaged over {x}" in row.at for row in rows):
        kind = (
            "its values in the data"
            if x in structure.table.exogenous
            else "its distribution under the model, exactly"
        )
        notes.append(
            f"Squares or products make the effect of {x} depend on {x} itself: it is shown at "
            f"values of {x} (how {y} responds to a small change there) and averaged over {kind}."
        )
        if len(structure.table.groups) > 1:
            notes.append(
                f"SDs of {x} are those of all groups together, so groups are compared at "
                "the same values."
            )
    given = set(at) if isinstance(at, Mapping) else set()
    waiting = [
        structure.variables[v]
        for v in moderators(structure, paths)
        if structure.variables[v] not in given
    ]
    if waiting:
        notes.append(
            f"The effect also depends on {' and '.join(waiting)}; shown is its average over "
            f"{'it' if len(waiting) == 1 else 'them'}. For chosen values give "
            f'at={{"{waiting[0]}": (-1, 0, 1)}}.'
        )
    circle = on_circle(structure)
    if circle:
        listed = ", ".join(structure.variables[v] for v in sorted(circle))
        notes.append(
            f"The model has feedback ({listed} lie on a circle of paths): totals include all "
            "rounds of it, (I - B)^-1 - I, while single paths pass each variable once, so they "
            "do not sum to the total."
        )
    return notes


@check_shared
def effects(
    fit: Fitted,
    x: str,
    y: str,
    *,
    standardized: bool = False,
    group: str | Sequence[str] | None = None,
    at: At | None = None,
    ci_prob: float = 0.95,
) -> Effects:
    """Direct, specific indirect, total indirect and total effects of x on y.

    Arguments, result and errors: `Fit.effects`.
    """
    rows = effect_rows(fit, x, y, group=group, at=at)
    once = _shared(rows, fit.prepared.table.groups)
    if standardized:
        rows = effect_rows(fit, x, y, standardized=True, group=group, at=at)
    if once:
        rows = _shown_once(fit, x, y, rows, once, standardized=standardized)
    table, draws = table_of(rows, ci_prob)
    notes = effect_notes(fit, x, y, rows, at)
    if once:
        scale = ", standardised over all respondents" if standardized else ""
        notes.append(f"What is equal in all groups is shown once{scale}.")
    units = {} if standardized else units_of(fit.prepared, x, y)
    return Effects(x, y, table, draws, standardized, ci_prob, tuple(notes), units)


Key = tuple[str, str, str]


def _shared(rows: Sequence[EffectRow], groups: Sequence[str]) -> dict[Key, EffectRow]:
    """The effects that are the same in every group that is asked for, draw by draw."""
    by_key: dict[Key, list[EffectRow]] = {}
    groups = [g for g in groups if any(r.group == g for r in rows)]
    for row in rows:
        if row.group in groups:
            by_key.setdefault((row.effect, row.path, row.at), []).append(row)
    return {
        key: found[0]
        for key, found in by_key.items()
        if len(found) == len(groups) > 1
        and all(np.array_equal(found[0].values, other.values) for other in found[1:])
    }


def _shown_once(
    fit: Fitted,
    x: str,
    y: str,
    rows: Sequence[EffectRow],
    once: Mapping[Key, EffectRow],
    *,
    standardized: bool,
) -> list[EffectRow]:
    """The rows, those of effects that are equal in all groups once and without contrasts."""
    unit: np.ndarray | float = 1.0
    if standardized:
        (_, sd_x), (_, sd_y) = (
            pooled_scale(fit, position(fit.prepared.structure, name)) for name in (x, y)
        )
        unit = sd_x / sd_y
    out = [EffectRow(*key[:2], "", key[2], row.values * unit) for key, row in once.items()]
    return out + [r for r in rows if (r.effect, r.path, r.at) not in once]
