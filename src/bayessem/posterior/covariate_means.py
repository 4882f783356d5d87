"""Which intercepts are sampled at the covariates' means, and by what terms they get there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayessem.model.parameterization import threshold_variables
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Place
from bayessem.posterior.centring import FACTORS, Shift
from bayessem.posterior.density import Density

# What says where a variable's mean is.
LEVELS = ("intercepts", "thresholds")
# A path or loading: its coordinate and 1, or none and its fixed value.
Factor = tuple[tuple[int, ...], float]


def at_means(density: Density, shifts: Sequence[Shift], point: np.ndarray) -> np.ndarray:
    """A point (D,) of the density in the coordinates of `density.centred(shifts)`."""
    natural = density.natural(point)
    moved = np.array(point, dtype=np.float64)
    for shift in shifts:
        moved[shift.target] += shift.by * np.prod(natural[list(shift.factors)])
    return moved


def covariate_shifts(prepared: Prepared) -> list[Shift]:
    """Terms loading * path * mean of a covariate, and loading * path * path * mean.

    Of intercepts without bounds that are sampled themselves; terms with a parameter that is pooled,
    eliminated by a constraint or a product of more than three are left out: the coordinates are a
    convenience, whatever they are.
    """
    table, structure = prepared.table, prepared.structure
    covariates = [structure.variables.index(n) for n in table.exogenous if n in structure.variables]
    if not covariates:
        return []
    means = dict(zip(prepared.sample.variables, prepared.sample.means, strict=True))
    items = threshold_variables(structure)
    out: list[Shift] = []
    seen: set[int] = set()
    for g in range(len(table.groups)):
        places = _places(prepared, g)
        effects = _effects(places, structure.shape[1], covariates)
        own: set[int] = set()
        for (matrix, i, _), (coordinates, _) in places.items():
            if matrix not in LEVELS or not coordinates or coordinates[0] in seen:
                continue
            side = 1.0
            if matrix == "thresholds":  # P(y* < t) depends on t less the mean of y*
                i, side = items[i], -1.0
            target = coordinates[0]
            own.add(target)
            name = structure.observed[i]
            direct = {}
            if matrix == "thresholds" and name in structure.variables:
                direct = {("loadings", i, structure.variables.index(name)): ((), 1.0)}
            for (kind, row, j), loading in {**places, **direct}.items():
                if kind != "loadings" or row != i:
                    continue
                for x, effect in effects.get(j, []):
                    factors, by = _times(loading, effect)
                    by *= side * float(means[structure.variables[x]])
                    if by and len(factors) <= FACTORS:
                        out.append(Shift(target, factors, by))
        seen |= own
    return out


def _places(prepared: Prepared, group: int) -> dict[tuple[str, int, int], Factor]:
    """Loadings, paths and intercepts of a group that are sampled as they are, or fixed."""
    space, table = prepared.space, prepared.table
    at = {c.name: k for k, c in enumerate(space.coordinates)}
    out: dict[tuple[str, int, int], Factor] = {}
    for k, place in prepared.structure.places.items():
        if place.group != group or place.matrix not in ("loadings", "paths", *LEVELS):
            continue
        row = table.rows[k]
        if row.free < 0:
            out[_key(place)] = ((), float(row.value or 0.0))
            continue
        name = table.parameters[row.free]
        plain = space.cells[space.cell_of_row[k]] == ((name, 1.0, 1.0),)
        coordinate = space.coordinates[at[name]] if name in at else None
        if not plain or coordinate is None:
            continue
        free = coordinate.lower == -np.inf and coordinate.upper == np.inf
        if free or place.matrix not in LEVELS:
            out[_key(place)] = ((at[name],), 1.0)
    return out


def _key(place: Place) -> tuple[str, int, int]:
    return place.matrix, place.i, place.j


def _times(one: Factor, other: Factor) -> Factor:
    return (*one[0], *other[0]), one[1] * other[1]


def _effects(
    places: dict[tuple[str, int, int], Factor], size: int, covariates: list[int]
) -> dict[int, list[tuple[int, Factor]]]:
    """Effects of covariates on each variable, directly and through one other."""
    paths = {(i, j): f for (matrix, i, j), f in places.items() if matrix == "paths"}
    out: dict[int, list[tuple[int, Factor]]] = {}
    for i in range(size):
        for x in covariates:
            if (i, x) in paths:
                out.setdefault(i, []).append((x, paths[i, x]))
            out.setdefault(i, []).extend(
                (x, _times(paths[i, j], paths[j, x]))
                for j in range(size)
                if (i, j) in paths and (j, x) in paths and j not in covariates
            )
    return out
