"""Start values: close enough to the maximum that the optimiser walks downhill all the way.

Loadings from the first principal component of each construct's indicators, which also gives
reverse-keyed items their sign; variances from what is left; paths and covariances 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from bayessem.model.composites import starting_weights
from bayessem.model.default_priors import latent_scales
from bayessem.model.linear_constraints import nearest_values
from bayessem.model.signs import construct_order, one_sided
from bayessem.model.space import Coordinate, Space
from bayessem.model.structure import Structure
from bayessem.syntax.parameters import NU, Parameter, ParameterTable
from bayessem.syntax.responses import SHAPE_BOUNDS
from bayessem.syntax.table import cycles

# Variance of a random slope to begin with, as a share of var(outcome) / var(predictor).
SLOPES_DIFFER = 0.05
# Degrees of freedom of heavy tails to begin with.
TAILS = 8.0
# Start values of the probabilities that a share is 0 or 1, and 1 then.
INFLATION = {"zoi": 0.2, "coi": 0.5}


def start_values(structure: Structure, covariances: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Start value of each free parameter of the table (variances, not sds), (free,).

    Parameters
    ----------
    structure : Structure
        The model.
    covariances, means : ndarray (group, p, p), (group, p)
        Of the observed variables by group.
    """
    table = structure.table
    values = np.full(len(table.parameters), np.nan)
    for group in range(len(table.groups)):
        guess = _group_guess(structure, covariances, means[group], group)
        for k in structure.rows_of_groups[group]:
            row = table.rows[k]
            if row.free >= 0 and np.isnan(values[row.free]):
                values[row.free] = guess[k] if row.start is None else row.start
    at = {name: i for i, name in enumerate(table.parameters)}
    for name, value in starting_weights(structure, covariances)[0].items():
        values[at[name]] = value
    return _within_bounds(structure, values)


def _within_bounds(structure: Structure, values: np.ndarray) -> np.ndarray:
    for row in structure.table.rows:
        if row.free >= 0:
            value = values[row.free]
            low, high = row.lower, row.upper
            # a step inside, of the size of the numbers there are: no unit says what is small
            if value < low:
                value = low + min(0.1 * max(abs(low), abs(value)), 0.5 * (high - low))
            if value > high:
                value = high - min(0.1 * max(abs(high), abs(value)), 0.5 * (high - low))
            values[row.free] = value
    return values


def _component(correlation: np.ndarray) -> np.ndarray:
    """Standardised loadings on the first principal component, shrunk below 0.95."""
    if len(correlation) == 1:
        return np.array([math.sqrt(0.8)])
    roots, vectors = np.linalg.eigh(correlation)
    # the unique part of each item is in the component too; taking its share out gets closer to
    # factor loadings (it is exact for equally correlated items)
    k = len(correlation)
    common = max((roots[-1] - 1.0) / (k - 1), 0.05)
    loadings = vectors[:, -1] * math.sqrt(common * k)
    return np.clip(loadings * np.sign(loadings.sum() or 1.0), -0.95, 0.95)


def _side(rows: Sequence[Parameter], loadings: np.ndarray) -> float:
    """-1 where the user's start values or bounds want loadings of the other sign, else 1."""
    wanted = 0.0
    for row, loading in zip(rows, loadings, strict=True):
        if row.start is not None:
            wanted += math.copysign(1.0, row.start) * loading
        elif one_sided(row.lower, row.upper):
            wanted += loading if row.lower >= 0.0 else -loading
    return -1.0 if wanted < 0 else 1.0


def _scaled(
    rows: Sequence[Parameter], standardised: np.ndarray, sds: np.ndarray
) -> tuple[np.ndarray, float]:
    """Loadings (indicator,) in the scale of the construct, and its standard deviation there."""
    raw = standardised * sds
    marker = next((i for i, r in enumerate(rows) if r.free < 0 and r.value), None)
    if marker is None:
        return raw * _side(rows, raw), 1.0
    # a marker unrelated to its other items would make all loadings huge
    weak = math.copysign(0.2, standardised[marker]) * sds[marker]
    size = raw[marker] if abs(standardised[marker]) > 0.2 else weak
    size /= float(rows[marker].value or 1.0)
    return raw / size, size


def _group_guess(
    structure: Structure, covariances: np.ndarray, mean: np.ndarray, group: int
) -> dict[int, float]:
    """Start value of each row of one group, by row position."""
    table, covariance = structure.table, covariances[group]
    rows = {k: table.rows[k] for k in structure.rows_of_groups[group]}
    position = {name: i for i, name in enumerate(structure.observed)}
    # Constructs are approximated by weighted sums of their indicators, so that a second-order
    # factor can be started from the scores of its dimensions in the same way.
    p = len(structure.observed)
    weights: dict[str, np.ndarray] = {name: np.eye(p)[i] for name, i in position.items()}
    variance: dict[str, float] = {n: float(covariance[i, i]) for n, i in position.items()}
    explained: dict[str, float] = {}
    scales = latent_scales(structure, np.sqrt(np.diag(covariance)))
    guess: dict[int, float] = {}
    summed = _composite_weights(structure, covariances, group)
    for name in construct_order(structure):
        if name in summed:
            weights[name] = summed[name]
            variance[name] = float(summed[name] @ covariance @ summed[name])
            continue
        own = [(k, r) for k, r in rows.items() if r.op == "=~" and r.lhs == name]
        if not own:
            weights[name], variance[name] = np.zeros(p), 1.0
            if name in table.slopes:
                variance[name] = SLOPES_DIFFER * float(scales[structure.variables.index(name)]) ** 2
            continue
        stack = np.array([weights.get(r.rhs, np.zeros(p)) for _, r in own])
        block = stack @ covariance @ stack.T
        sd = np.sqrt(np.diag(block))
        sd = np.where(sd > 0, sd, 1.0)  # a construct that nothing measures
        standardised = _component(block / np.outer(sd, sd))
        true_sd = np.array([math.sqrt(variance[r.rhs]) for _, r in own])
        raw, size = _scaled([r for _, r in own], standardised, true_sd)
        for i, (k, r) in enumerate(own):
            guess[k] = raw[i]
            share = min(standardised[i] ** 2, 0.9)
            explained[r.rhs] = max(explained.get(r.rhs, 0.0), share)
        variance[name] = size * size
        # score with the construct's variance: sum of standardised items, rescaled
        direction = (standardised / sd) @ stack
        spread = math.sqrt(direction @ covariance @ direction)
        weights[name] = direction * (size / spread if spread > 0 else 1.0)
    for k, r in rows.items():
        if r.op == "~~" and r.lhs == r.rhs:
            share = explained.get(r.lhs, 0.0 if r.lhs in table.latent else 0.5)
            guess[k] = variance[r.lhs] * (1.0 - share)
        elif r.op == NU or (r.op == "|" and r.rhs in SHAPE_BOUNDS):
            guess[k] = INFLATION.get(r.rhs, TAILS)
        elif r.op == "|":
            guess[k] = table.responses.cuts[r.lhs][int(r.rhs[1:]) - 1]
        elif r.op == "~1":
            guess[k] = mean[position[r.lhs]] if r.lhs in position else 0.0
        elif r.op != "=~":
            guess[k] = 0.0
    return guess


def _composite_weights(
    structure: Structure, covariances: np.ndarray, group: int
) -> dict[str, np.ndarray]:
    """Start weights (p,) of the composites of a group, by name."""
    out = {}
    _, values = starting_weights(structure, covariances)
    for c, own in zip(structure.composites, values, strict=True):
        if c.group == group:
            whole = np.zeros(len(structure.observed))
            whole[list(c.items)] = own
            out[structure.variables[c.variable]] = whole
    return out


def feedback_starts(
    structure: Structure, values: np.ndarray, sds: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Further start values where variables explain each other; () for a recursive model.

    The likelihood falls to nothing where I - B is singular, and has maxima on either side: the
    paths of the loop start at standardised values of .5 and 2, with several signs.

    Parameters
    ----------
    structure : Structure
        The model.
    values : ndarray (free,)
        Start values, from `start_values`.
    sds : ndarray (p,)
        Of the observed variables.
    """
    loop = set(cycles(structure.table))
    unit = np.zeros(len(values))
    scales = latent_scales(structure, sds)
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        inside = row.op == "~" and {row.lhs, row.rhs} <= loop
        if place.matrix == "paths" and inside and row.free >= 0:
            unit[row.free] = scales[place.i] / scales[place.j]
    if not unit.any():
        return ()
    sign = np.random.default_rng(0).choice([-1.0, 1.0], size=len(values))
    steps = (0.5, -0.5, 2.0, -2.0, 0.5 * sign, 2.0 * sign)
    return tuple(_within_bounds(structure, values + step * unit) for step in steps)


def _unit(c: Coordinate) -> float:
    """What counts as small for a coordinate: the scale of its prior."""
    return c.prior.named.get("sigma", 1.0)


def _sd(variance: float, c: Coordinate) -> float:
    """Start value of a standard deviation, which must not be 0."""
    return max(math.sqrt(max(variance, 0.0)), 1e-4 * _unit(c))


def _table_units(space: Space, table: ParameterTable) -> np.ndarray:
    """What counts as small for each parameter of the table, (free,)."""
    unit = {c.name: _unit(c) ** (2 if c.kind.endswith("_sd") else 1) for c in space.coordinates}
    return np.array([unit.get(name, 1.0) for name in table.parameters])


def initial_point(space: Space, table: ParameterTable, values: np.ndarray) -> np.ndarray:
    """Unconstrained coordinates of start values of the table's parameters, (D,).

    Correlations start at 0: whatever the others, that is positive definite.
    """
    position = {name: i for i, name in enumerate(table.parameters)}
    if table.constraints:
        values = nearest_values(table, values, _table_units(space, table))
    by_name: dict[str, list[float]] = {}  # without the group
    for name, at in position.items():
        by_name.setdefault(name.split("[")[0], []).append(float(values[at]))
    x = np.zeros(len(space.coordinates))
    directions = _direction_points(space, position, values)
    for i, c in enumerate(space.coordinates):
        if c.kind == "pool_mean":
            value = float(np.mean(by_name[c.name]))
            if c.name in space.typical_sds:  # a variance whose standard deviation is pooled
                value = _sd(value, c)
        elif c.kind == "pool_sd":
            value = 0.3 * c.prior.named.get("sigma", 1.0)
        elif c.kind in ("pool_slope", "pool_link", "pool_z"):
            value = 0.0
        elif c.kind == "weight":
            value = directions[c.name]
        elif c.name in space.shifted:
            value = c.prior.named["mu"]
        elif c.name in position:
            value = float(values[position[c.name]])
        else:  # the distance of an inequality (elimination.py)
            value = 0.5 * c.prior.named["sigma"]
        if c.kind.endswith("_sd"):
            value = _sd(value, c) if c.kind != "pool_sd" else value
        elif c.kind == "correlation":
            value = 0.0
        low, high = c.lower, c.upper
        if math.isfinite(low) and math.isfinite(high):
            share = min(max((value - low) / (high - low), 0.02), 0.98)
            x[i] = math.log(share / (1.0 - share))
        elif math.isfinite(low):
            x[i] = math.log(max(value - low, 1e-3 * (abs(value) or _unit(c))))
        elif math.isfinite(high):
            x[i] = math.log(max(high - value, 1e-3 * (abs(value) or _unit(c))))
        else:
            x[i] = value
    return x


def _direction_points(
    space: Space, position: Mapping[str, int], values: np.ndarray
) -> dict[str, float]:
    """Coordinates of the weights of composites, by name."""
    out: dict[str, float] = {}
    for one in space.directions:
        own = one.coordinates(values[[position[name] for name in one.names]])
        out |= dict(zip(one.names, map(float, own), strict=True))
    return out
