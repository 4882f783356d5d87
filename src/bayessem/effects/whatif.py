"""What if X were x: curves of E[Y | do(X = x)], exact in every draw (`intervention.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.algebra.polynomial import value_at
from bayessem.arguments import check_shared
from bayessem.effects.effects import chosen_groups, sd_text
from bayessem.effects.level_lines import (
    AtLevel,
    chosen_blocks,
    expected_line,
    level_scale,
    levels_of,
    moderator_at,
)
from bayessem.effects.path_effects import pooled_scale
from bayessem.effects.pathways import directed_paths, position
from bayessem.errors import ModelError
from bayessem.likelihood.families import FAMILIES, LINK_WORDS
from bayessem.model.structure import Structure
from bayessem.results.estimates import tail_probability
from bayessem.results.fitted import Fitted
from bayessem.results.intervention import intervene
from bayessem.results.units import units_of
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Document, Notes, Table
from bayessem.text.formats import SHORT, percent_text

GRID_POINTS = 41


@dataclass(frozen=True, repr=False)
class WhatIf(Described):
    """Expected y where x is set to values; `print` a few of them.

    Attributes
    ----------
    x, y : str
    table : DataFrame
        x (its own units), x_sd (standard deviations from its mean), group, at (moderators), mean,
        sd, lower, upper of E[y | do(x)].
    draws : DataArray (chain, draw, curve, x)
        A curve for each group and setting of the moderators.
    ci_prob : float
        Probability of the pointwise intervals.
    notes : tuple of str
        What a reader must know, in words.
    units : dict of str to str
        What a unit of each variable is, in words; "" for columns of the data.
    """

    x: str
    y: str
    table: pd.DataFrame
    draws: xr.DataArray
    ci_prob: float
    notes: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> Document:
        """The curve at some of its points, and notes."""
        points = np.unique(self.table["x"].to_numpy())
        some = points[np.unique(np.linspace(0, len(points) - 1, 9).round().astype(int))]
        shown = self.table[self.table["x"].isin(some)]
        table = Table(
            (
                *labels(shown, ("group", "at")),
                column(shown, "x", self.x),
                column(shown, "x_sd", "in SD", SHORT),
                column(shown, "mean", f"E[{self.y}]"),
                intervals(shown, percent_text(self.ci_prob)),
            ),
            f"Expected {self.y} if {self.x} is set: E[{self.y} | do({self.x})]",
        )
        return Document.of(table, Notes(self.notes))


@dataclass(frozen=True)
class _Curve:
    """Expected y of a group at a setting of the moderators: values (chain, draw, x)."""

    group: str
    text: str
    grid: np.ndarray
    in_sd: np.ndarray
    values: np.ndarray

    def frame(self, ci_prob: float) -> pd.DataFrame:
        """Its rows of `WhatIf.table`."""
        part = pointwise(self.values, ci_prob=ci_prob).drop(columns="p_positive")
        where = {"x": self.grid, "x_sd": self.in_sd, "group": self.group, "at": self.text}
        return pd.concat([pd.DataFrame(where), part], axis=1)


def pointwise(curve: np.ndarray, *, ci_prob: float) -> pd.DataFrame:
    """Mean, sd, interval and P(> 0) at each point of a curve (chain, draw, point).

    `summarise` without effective sample sizes, which take longer than all the rest for a curve.
    """
    flat = curve.reshape(-1, curve.shape[-1])
    tail = tail_probability(ci_prob)
    lower, upper = np.quantile(flat, [tail, 1.0 - tail], axis=0)
    return pd.DataFrame(
        {
            "mean": flat.mean(axis=0),
            "sd": flat.std(axis=0, ddof=1),
            "lower": lower,
            "upper": upper,
            "p_positive": (flat > 0).mean(axis=0),
        }
    )


def typical_range(fit: Fitted, variable: int) -> tuple[float, float, str]:
    """Where a variable lies: the range of its data, or the model's mean -+ 2 SDs; in words."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    name = structure.variables[variable]
    if name in sample.variables:
        column = sample.values[:, sample.variables.index(name)]
        return float(np.nanmin(column)), float(np.nanmax(column)), "the range of the data"
    mean, sd = pooled_scale(fit, variable)
    low, high = float((mean - 2.0 * sd).mean()), float((mean + 2.0 * sd).mean())
    return low, high, "2 SDs on either side of the mean"


def _grid(fit: Fitted, variable: int, values: Sequence[float] | None) -> tuple[np.ndarray, str]:
    if values is not None:
        grid = np.unique(np.asarray(values, dtype=float))
        if not grid.size or not np.isfinite(grid).all():
            raise ModelError(f"values needs finite numbers, not {values!r}")
        return grid, ""
    low, high, words = typical_range(fit, variable)
    return np.linspace(low, high, GRID_POINTS), words


def _moderator_settings(
    fit: Fitted, at: Mapping[str, Sequence[float]] | None
) -> tuple[list[int], list[tuple[str, tuple[np.ndarray, ...]]]]:
    """Moderators that are set, and each combination of their values: text and values (...)."""
    structure = fit.prepared.structure
    variables: list[int] = []
    settings: list[tuple[str, tuple[np.ndarray, ...]]] = [("", ())]
    for name, sds in (at or {}).items():
        v = position(structure, name, "at:")
        variables.append(v)
        mean, spread = pooled_scale(fit, v)
        settings = [
            (f"{text}, {name} at {sd_text(sd)}".removeprefix(", "), (*values, mean + sd * spread))
            for text, values in settings
            for sd in sds
        ]
    return variables, settings


@check_shared
def what_if(
    fit: Fitted,
    x: str,
    y: str,
    *,
    values: Sequence[float] | None = None,
    at: Mapping[str, Sequence[float]] | None = None,
    group: str | Sequence[str] | None = None,
    ci_prob: float = 0.95,
) -> WhatIf:
    """Expected value of y were x set to each of some values, by group; exact.

    Arguments, result and errors: `Fit.what_if`.
    """
    if x in (at or {}):
        raise ModelError(f"at: {x!r} is x itself; give its values as values=")
    structure = fit.prepared.structure
    if structure.table.levels > 1:
        curves, words = _level_curves(fit, x, y, values, at, group)
    else:
        curves, words = _curves(fit, x, y, values, at, group)
    grid = curves[0].grid
    same = all(np.array_equal(c.grid, grid) for c in curves)
    draws = xr.DataArray(
        np.stack([c.values for c in curves], axis=-2),
        dims=("chain", "draw", "curve", "x"),
        coords={
            "curve": [", ".join(s for s in (c.group, c.text) if s) or "all" for c in curves],
            **({"x": grid} if same else {}),
        },
        name=f"E[{y} | do({x})]",
    )
    notes = [f"Values of {x}: {words}."] if words else []
    notes.append(
        f"do({x}) sets {x} for everyone; what {x} does not cause keeps its distribution. "
        "Intervals are for the expected value at each point, not for single respondents."
    )
    if structure.table.levels > 1:
        notes.append(_level_note(structure, x))
    if y in structure.table.ordered:
        notes.append(
            f"{y} is ordered: its values are those of the latent response. What becomes of the "
            f"probabilities of its categories says fit.category_effects({x!r}, {y!r})."
        )
    family = structure.table.responses.others.get(y)
    if family is not None and FAMILIES[family].link != "identity":
        notes.append(
            f"{y} has the family {family}: its values are those of the linear predictor "
            f"({LINK_WORDS[FAMILIES[family].link]}). What becomes of its expected value says "
            f"fit.expected_effects({x!r}, {y!r})."
        )
    return WhatIf(
        x,
        y,
        pd.concat([c.frame(ci_prob) for c in curves], ignore_index=True),
        draws,
        ci_prob,
        tuple(notes),
        units_of(fit.prepared, x, y),
    )


def _curves(
    fit: Fitted,
    x: str,
    y: str,
    values: Sequence[float] | None,
    at: Mapping[str, Sequence[float]] | None,
    group: str | Sequence[str] | None,
) -> tuple[list[_Curve], str]:
    """A curve for each group and setting of the moderators, and where x lies, in words."""
    structure, elements = fit.prepared.structure, fit.elements
    i, j = position(structure, x), position(structure, y)
    directed_paths(structure, i, j)  # says so when there is none
    grid, words = _grid(fit, i, values)
    others, settings = _moderator_settings(fit, at)
    groups = structure.table.groups
    mean, sd = pooled_scale(fit, i)
    in_sd = _in_sd(grid, mean, sd)
    curves = []
    for g in chosen_groups(groups, group):
        expected = intervene(structure, elements, (i, *others), group=g).expected(j)
        label = groups[g] if len(groups) > 1 else ""
        for text, chosen in settings:
            inputs = [grid, *(value[..., None] for value in chosen)]
            widened = {e: np.asarray(c)[..., None] for e, c in expected.items()}
            curve = np.broadcast_to(value_at(widened, inputs), (*elements.shape[:-1], grid.size))
            curves.append(_Curve(label, text, grid, in_sd, curve))
    return curves, words


def _in_sd(grid: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """In standard deviations from the mean."""
    # Rounded, and + 0.0, so that the mean is not printed as -0.00.
    return np.round((grid - float(mean.mean())) / float(sd.mean()), 9) + 0.0


def _level_curves(
    fit: Fitted,
    x: str,
    y: str,
    values: Sequence[float] | None,
    at: Mapping[str, Sequence[float]] | None,
    group: str | Sequence[str] | None,
) -> tuple[list[_Curve], str]:
    """The same for a two-level model: a line for each level of x."""
    structure, blocks = fit.prepared.structure, fit.prepared.table.groups
    j = position(structure, y)
    settings: list[tuple[str, tuple[tuple[AtLevel, np.ndarray], ...]]] = [("", ())]
    for name, sds in (at or {}).items():
        one = moderator_at(structure, name)
        mean, spread = level_scale(fit, one)
        settings = [
            (
                f"{text}, {name} at {sd_text(sd)}".removeprefix(", "),
                (*held, (one, mean + sd * spread)),
            )
            for text, held in settings
            for sd in sds
        ]
    curves, words = [], ""
    picked = chosen_blocks(structure, x, group)
    for g, own in picked:
        mean, sd = level_scale(fit, own)
        if values is not None:
            grid = _grid(fit, own.variable, values)[0]
        elif len(levels_of(structure, x)) == 1 and x in structure.observed:
            grid, words = _grid(fit, own.variable, None)
        else:
            low, high = float((mean - 2.0 * sd).mean()), float((mean + 2.0 * sd).mean())
            grid, words = np.linspace(low, high, GRID_POINTS), "2 SDs on either side of the mean"
        label = blocks[2 * g + own.level] if len(picked) > 1 else ""
        for text, held in settings:
            constant, slope = expected_line(structure, fit.elements, g, own, j, held)
            if not np.any(slope):
                continue  # nothing leads from this level of x to y
            line = constant[..., None] + slope[..., None] * grid
            curves.append(_Curve(label, text, grid, _in_sd(grid, mean, sd), line))
    if not curves:
        raise ModelError(
            f"no directed path leads from {x} to {y} in the model, at a level or by a random slope"
        )
    return curves, words


def _level_note(structure: Structure, x: str) -> str:
    """What x and the cluster are."""
    if len(levels_of(structure, x)) > 1:
        return (
            f"{x} is at both levels: 'within' sets a respondent's distance from the cluster, "
            "'between' the cluster's part."
        )
    return (
        "Random effects of clusters are averaged over; random slopes have their expected value "
        "given what is set of the cluster."
    )
