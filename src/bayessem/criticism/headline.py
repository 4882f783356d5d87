"""The quantities of a model that a paper reports, as draws: what priors and sensitivity are about.

Works for anything with `prepared` and `elements` (chain, draw, elements): a fit, or prior draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayessem.effects.effects import effect_rows
from bayessem.effects.pathways import directed_paths
from bayessem.errors import ModelError, NotSupported
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure
from bayessem.results.estimates import defined_draws, free_draws
from bayessem.results.standardize import r_squared, row_values, standardised
from bayessem.shapes.cubic_result import CubicShape
from bayessem.shapes.shape import shape

KINDS = (
    "path",
    "standardised path",
    "standardised loading",
    "correlation",
    "R2",
    "effect",
    "shape",
    "probability",
    "defined",
)


@dataclass(frozen=True)
class Drawn:
    """Draws of a model's matrices, from wherever: what functions of a fit need."""

    prepared: Prepared
    elements: np.ndarray  # (chain, draw, elements)


@dataclass(frozen=True)
class Quantity:
    """A reported quantity with its draws (chain, draw); 0 or 1 where it is a probability."""

    kind: str
    name: str
    group: str
    values: np.ndarray

    @property
    def label(self) -> str:
        """Name with group."""
        return self.name + (f" [{self.group}]" if self.group else "")


def headline(source: Any) -> list[Quantity]:
    """Every quantity of `KINDS` that the model has, in that order.

    Parameters
    ----------
    source : Fit or Drawn
        Draws of the model's matrices.

    Returns
    -------
    list of Quantity
        Paths raw and standardised, standardised loadings, correlations of constructs, R2,
        standardised indirect and total effects (at the mean of x where they depend on it), slopes
        at both ends and turning points of squares, P(inverted U) and P(U), what := defines. In a
        model without constructs and paths, the correlations of the observed variables.

    Raises
    ------
    ModelError
        For a model of variances and means alone.
    """
    found = [
        *_rows(source),
        *_shares(source),
        *_effects(source),
        *_shapes(source),
        *_defined(source),
    ]
    if not found:
        raise ModelError(
            "the model has no loading, path or correlation: there is nothing that priors or their "
            "sensitivity could be judged by"
        )
    if source.prepared.table.slopes:  # what has no one variance has no standardised value
        found = [q for q in found if np.isfinite(q.values).any()]
    return [q for kind in KINDS for q in found if q.kind == kind]


def _group_name(structure: Structure, group: int) -> str:
    return structure.table.groups[group] if len(structure.table.groups) > 1 else ""


def _rows(source: Any) -> Iterator[Quantity]:
    structure = source.prepared.structure
    raw = row_values(structure, source.elements)
    std = standardised(structure, source.elements)
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        group = _group_name(structure, place.group)
        if row.op == "~" and row.free >= 0:
            yield Quantity("path", f"{row.lhs} ~ {row.rhs}", group, raw[..., k])
            yield Quantity("standardised path", f"{row.lhs} ~ {row.rhs}", group, std[..., k])
        elif row.op == "=~":
            yield Quantity("standardised loading", f"{row.lhs} =~ {row.rhs}", group, std[..., k])
        elif (
            row.op == "~~"
            and (place.matrix == "disturbances" or not structure.variables)
            and place.i != place.j
            and row.free >= 0
        ):
            yield Quantity("correlation", f"{row.lhs} ~~ {row.rhs}", group, std[..., k])


def _shares(source: Any) -> Iterator[Quantity]:
    structure = source.prepared.structure
    outcomes = {r.lhs for r in structure.table.rows if r.op == "~"}
    for g in range(len(structure.table.groups)):
        for name, values in r_squared(structure, source.elements, group=g).items():
            if name in outcomes:
                yield Quantity("R2", f"R2 of {name}", _group_name(structure, g), values)


def indirect_pairs(structure: Structure) -> list[tuple[str, str]]:
    """Predictors and outcomes of `~` with something between them."""
    rows = [r for r in structure.table.rows if r.op == "~" and r.group < structure.table.levels]
    predictors = dict.fromkeys(f for r in rows for f in r.rhs.split(":"))
    outcomes = dict.fromkeys(r.lhs for r in rows)
    out = []
    for x in predictors:
        for y in outcomes:
            if x == y or x not in structure.variables:
                continue
            try:
                paths = directed_paths(
                    structure, structure.variables.index(x), structure.variables.index(y)
                )
            except (ModelError, NotSupported):  # no path, too many to be headlines, a random slope
                continue
            if any(len(p) > 2 for p in paths):
                out.append((x, y))
    return out


def _effects(source: Any) -> Iterator[Quantity]:
    structure = source.prepared.structure
    for x, y in indirect_pairs(structure):
        rows = effect_rows(source, x, y, standardized=True, at=(0.0,))
        indirect = {r.path for r in rows if r.effect == "indirect"}
        for r in rows:
            contrast = r.group not in (*structure.table.groups, "")
            repeated = r.effect == "total indirect" and len(indirect) == 1
            if r.effect == "direct" or contrast or repeated or "averaged over" in r.at:
                continue
            path = r.path if r.effect == "indirect" else f"{r.effect} {x} -> {y}"
            name = path + (f" ({r.at})" if r.at else "")
            yield Quantity("effect", name, r.group, r.values)


def squares(structure: Structure) -> list[tuple[str, str]]:
    """(x, y) of every square x:x in the equation of y."""
    found: dict[tuple[str, str], None] = {}
    for place in structure.places.values():
        if place.matrix == "products":
            factors = structure.products[place.j]
            if factors == (factors[0],) * 2:
                found[structure.variables[factors[0]], structure.variables[place.i]] = None
    return list(found)


def _shapes(source: Any) -> Iterator[Quantity]:
    structure = source.prepared.structure
    for x, y in squares(structure):
        result = shape(source, x, y, effect="direct", lines=False)
        draws = result.draws
        for g in range(len(structure.table.groups)):
            group = _group_name(structure, g)
            own = {str(q): draws.sel(quantity=q).values[:, :, g] for q in draws["quantity"].values}
            low, high = own["slope_low"], own["slope_high"]
            name = f"{y} ~ {x}"
            if isinstance(result, CubicShape):
                yield Quantity("shape", f"{name}: slope at the low end", group, low)
                yield Quantity("shape", f"{name}: slope at the high end", group, high)
                yield Quantity("shape", f"{name}: inflection point", group, own["inflection"])
                continue
            yield Quantity("shape", f"{name}: slope at the low end", group, low)
            yield Quantity("shape", f"{name}: slope at the high end", group, high)
            yield Quantity("shape", f"{name}: turning point", group, own["turning_point"])
            peak, trough = (low > 0) & (high < 0), (low < 0) & (high > 0)
            yield Quantity("probability", f"{name}: inverted U", group, peak.astype(float))
            yield Quantity("probability", f"{name}: U", group, trough.astype(float))


def _defined(source: Any) -> Iterator[Quantity]:
    structure = source.prepared.structure
    free = free_draws(structure, row_values(structure, source.elements))
    for name, values in defined_draws(structure.table, free).items():
        yield Quantity("defined", name, "", values)
