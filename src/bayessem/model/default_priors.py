"""Default priors of a model's parameters: `priors.default_prior` with scales from the data.

The scale of a parameter is what makes it a standardised one: sd of the outcome over sd of the
predictor for a path, the variable's own sd for a standard deviation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bayessem.model.priors import Prior, default_prior
from bayessem.model.structure import Place, Structure
from bayessem.model.thresholds import threshold_sets
from bayessem.syntax.parameters import Parameter


@dataclass(frozen=True)
class Scales:
    """Rough sizes of a model's variables, which set the widths of default priors.

    Attributes
    ----------
    means, sds : ndarray (p,)
        Of the observed variables.
    latent : ndarray (m,)
        Standard deviation of each variable; see `latent_scales`.
    offsets : ndarray (m,)
        Distance of each variable's mean from its intercept; see `mean_offsets`.
    """

    means: np.ndarray
    sds: np.ndarray
    latent: np.ndarray
    offsets: np.ndarray


def model_scales(structure: Structure, means: np.ndarray, sds: np.ndarray) -> Scales:
    """Scales of a model from the means and standard deviations of its observed variables, (p,)."""
    latent = latent_scales(structure, sds)
    return Scales(means, sds, latent, mean_offsets(structure, latent, means))


def latent_scales(structure: Structure, sds: np.ndarray) -> np.ndarray:
    """Rough standard deviation of each variable, from how its scale is set, (m,).

    A marker's own standard deviation (of the indicator with the fixed loading), the fixed variance,
    or the mean of the indicators; of a random slope, as of any path, that of the outcome over that
    of the predictor. It only sets the width of default priors.
    """
    table = structure.table
    observed = {name: float(sd) for name, sd in zip(structure.observed, sds, strict=True)}

    composites = dict(table.composites)

    def scale(name: str, seen: frozenset[str]) -> float:
        if name in observed:
            return observed[name]
        if name in composites:  # in the scale of an item whose weight is fixed
            fixed = [
                (observed[r.rhs], abs(r.value))
                for r in table.rows
                if r.op == "<~" and r.lhs == name and r.free < 0 and r.value
            ]
            return fixed[0][0] * fixed[0][1] if fixed else 1.0
        if name in seen:
            return 1.0
        here = seen | {name}
        if name in table.slopes:
            path = next(r for r in table.rows if r.slope == name)
            return scale(path.lhs, here) / scale(path.rhs, here)
        loadings = [
            r for r in table.rows if r.op == "=~" and r.lhs == name and r.group < table.levels
        ]
        for row in loadings:
            if row.free < 0 and row.value:
                return scale(row.rhs, here) / abs(row.value)
        for row in table.rows:
            if row.op == "~~" and row.lhs == row.rhs == name and row.free < 0 and row.value:
                return math.sqrt(row.value) if row.value > 0 else 1.0
        return float(np.mean([scale(r.rhs, here) for r in loadings])) if loadings else 1.0

    return np.array([scale(name, frozenset()) for name in structure.variables])


def mean_offsets(structure: Structure, scales: np.ndarray, means: np.ndarray) -> np.ndarray:
    """How far the default priors of the paths let each variable's mean be from its intercept, (m,).

    In `y ~ x` with x far from 0, the intercept is far from the mean of y, by the path times the
    mean of x. A prior of the intercept as narrow as that of a mean would contradict every path but
    0, so it is widened by this: the root sum of squares, over the predictors, of the path's default
    scale (or fixed value) times the predictor's mean.
    """
    observed = {name: i for i, name in enumerate(structure.observed)}
    paths: list[dict[tuple[int, ...], float]] = [{} for _ in structure.variables]
    for k, place in structure.places.items():
        if place.group >= structure.table.levels or place.matrix not in ("paths", "products"):
            continue
        row = structure.table.rows[k]
        factors = structure.products[place.j] if place.matrix == "products" else (place.j,)
        free = scales[place.i] / math.prod(scales[j] for j in factors)
        paths[place.i][factors] = float(free if row.free >= 0 else abs(row.value or 0.0))

    def level(i: int, seen: frozenset[int]) -> float:
        name = structure.variables[i]
        if name in observed:
            return abs(float(means[observed[name]]))
        return 0.0 if i in seen else offset(i, seen | {i})

    def offset(i: int, seen: frozenset[int]) -> float:
        return math.hypot(
            *(size * math.prod(level(j, seen) for j in f) for f, size in paths[i].items())
        )

    return np.array([offset(i, frozenset({i})) for i in range(len(structure.variables))])


def default_of(
    row: Parameter, place: Place, kind: str, structure: Structure, scales: Scales
) -> Prior:
    """Default prior of the parameter in a row of the table, whose kind is known."""
    sds, latent, sets = scales.sds, scales.latent, threshold_sets(structure)
    observed = {name: i for i, name in enumerate(structure.observed)}
    if kind == "loading":
        variable = {name: i for i, name in enumerate(structure.variables)}
        own = sds[observed[row.rhs]] if row.rhs in observed else latent[variable[row.rhs]]
        if row.rhs in structure.table.responses.families:
            return _ordered_loading(structure, float(latent[variable[row.lhs]]))
        return default_prior(kind, scale=own / latent[variable[row.lhs]])
    if kind == "path":
        return default_prior(kind, scale=latent[place.i] / latent[place.j])
    if kind == "product":
        spread = math.prod(latent[j] for j in structure.products[place.j])
        return default_prior(kind, scale=latent[place.i] / spread)
    if kind == "covariance":
        source = latent if place.matrix == "disturbances" else sds
        return default_prior(kind, scale=float(source[place.i] * source[place.j]))
    if kind == "intercept":
        offset = _indicator_offset(structure, place, scales)
        return _widened(kind, sds[place.i], scales.means[place.i], offset)
    if kind == "mean":
        name = structure.variables[place.i]
        location = scales.means[observed[name]] if name in observed else 0.0
        offset = math.hypot(scales.offsets[place.i], _fixed_intercepts(structure, place, scales))
        return _widened(kind, latent[place.i], location, offset)
    if kind == "threshold":
        if any(structure.table.parameters[row.free] in one.names for one in sets):
            return default_prior(kind, scale=1.0)
        spread = math.sqrt(2.0 * structure.table.responses.residual_variance)
        return Prior("normal", mu=0.0, sigma=2.0 * spread)
    if kind == "residual_sd":
        return default_prior(kind, scale=sds[place.i])
    if kind == "disturbance_sd":
        return default_prior(kind, scale=latent[place.i])
    return default_prior(kind, scale=1.0)


def _ordered_loading(structure: Structure, scale: float) -> Prior:
    """Under which the standardised loading of a latent response is uniform between -1 and 1.

    With residual variance v and a construct of standard deviation s the standardised loading is
    l s / sqrt(l^2 s^2 + v), which is uniform for l Student t with 2 df and scale sqrt(v / 2) / s.
    """
    residual = structure.table.responses.residual_variance
    return Prior("student_t", nu=2.0, mu=0.0, sigma=math.sqrt(0.5 * residual) / scale)


def _widened(kind: str, scale: float, location: float, offset: float) -> Prior:
    sigma = default_prior(kind, scale=scale).named["sigma"]
    return Prior("normal", mu=location, sigma=math.hypot(sigma, offset))


def _indicator_offset(structure: Structure, place: Place, scales: Scales) -> float:
    """Offset of an indicator's mean from its intercept through the constructs that it measures."""
    parts = []
    for k, other in structure.rows_of_groups[place.group].items():
        row = structure.table.rows[k]
        if other.matrix == "loadings" and other.i == place.i:
            free = scales.sds[place.i] / scales.latent[other.j]
            size = free if row.free >= 0 else abs(row.value or 0.0)
            parts.append(float(size * scales.offsets[other.j]))
    return math.hypot(*parts)


def _fixed_intercepts(structure: Structure, place: Place, scales: Scales) -> float:
    """Largest mean that the mean of a construct alone can give to indicators with fixed intercepts.

    As in growth models, where all intercepts are 0 and the means of the factors carry the level.
    """
    table = structure.table
    fixed = {
        r.lhs: float(r.value or 0.0)
        for r in table.rows
        if r.op == "~1" and r.group == place.group and r.free < 0 and r.lhs in structure.observed
    }
    out = 0.0
    for k, other in structure.places.items():
        name = table.rows[k].rhs
        if (other.matrix, other.group, other.j) == ("loadings", place.group, place.i):
            if name not in fixed:
                continue
            row = table.rows[k]
            mean = scales.means[structure.observed.index(name)]
            free = scales.sds[structure.observed.index(name)] / scales.latent[place.i]
            loading = free if row.free >= 0 else abs(row.value or 0.0)
            # a small fixed loading, as of the first occasions of a slope, does not carry the level
            out = max(out, abs(mean - fixed[name]) / max(loading, 1.0 if row.free < 0 else loading))
    return float(out)
