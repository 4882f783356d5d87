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
from bayessem.effects.path_effects import pooled_scale
from bayessem.effects.pathways import directed_paths, position
from bayessem.errors import ModelError
from bayessem.likelihood.families import FAMILIES, LINK_WORDS
from bayessem.model.level_data import refuse_levels
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
    refuse_levels(fit.prepared.table, "a what-if curve")
    structure, elements = fit.prepared.structure, fit.elements
    i, j = position(structure, x), position(structure, y)
    directed_paths(structure, i, j)  # says so when there is none
    if x in (at or {}):
        raise ModelError(f"at: {x!r} is x itself; give its values as values=")
    grid, words = _grid(fit, i, values)
    others, settings = _moderator_settings(fit, at)
    groups = structure.table.groups
    mean, sd = pooled_scale(fit, i)
    # Rounded, and + 0.0, so that the mean is not printed as -0.00.
    in_sd = np.round((grid - float(mean.mean())) / float(sd.mean()), 9) + 0.0
    curves, frames, names = [], [], []
    for g in chosen_groups(groups, group):
        expected = intervene(structure, elements, (i, *others), group=g).expected(j)
        label = groups[g] if len(groups) > 1 else ""
        for text, chosen in settings:
            inputs = [grid, *(value[..., None] for value in chosen)]
            widened = {e: np.asarray(c)[..., None] for e, c in expected.items()}
            curve = np.broadcast_to(value_at(widened, inputs), (*elements.shape[:-1], grid.size))
            part = pointwise(curve, ci_prob=ci_prob).drop(columns="p_positive")
            where = pd.DataFrame({"x": grid, "x_sd": in_sd, "group": label, "at": text})
            frames.append(pd.concat([where, part], axis=1))
            curves.append(curve)
            names.append(", ".join(s for s in (label, text) if s) or "all")
    draws = xr.DataArray(
        np.stack(curves, axis=-2),
        dims=("chain", "draw", "curve", "x"),
        coords={"curve": names, "x": grid},
        name=f"E[{y} | do({x})]",
    )
    notes = [f"Values of {x}: {words}."] if words else []
    notes.append(
        f"do({x}) sets {x} for everyone; what {x} does not cause keeps its distribution. "
        "Intervals are for the expected value at each point, not for single respondents."
    )
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
        pd.concat(frames, ignore_index=True),
        draws,
        ci_prob,
        tuple(notes),
        units_of(fit.prepared, x, y),
    )
