"""Is a model identified? The counting rule cannot say, the rank of the moments' Jacobian can.

Wald (1950, in Statistical Inference in Dynamic Economic Models); Bekker, Merckens & Wansbeek (1994,
Identification, Equivalent Models and Computer Algebra).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bayessem.model.composites import fill_composites, raw_cells, weight_names
from bayessem.model.default_priors import latent_scales
from bayessem.model.level_data import checked_covariances
from bayessem.model.linear_constraints import constrained_names, linear_forms
from bayessem.model.parameterization import threshold_variables
from bayessem.model.prepare import Prepared
from bayessem.model.starts import start_values
from bayessem.model.structure import Place, Structure, moved_together, parameter_groups
from bayessem.syntax.expression import Expression, evaluate
from bayessem.syntax.linking import components
from bayessem.syntax.parameters import NU, ParameterTable
from bayessem.syntax.rows import row_key, row_name_key

# Of a correlation matrix's smallest eigenvalue: below, it is not positive definite in practice.
LEAST = 1e-10
# Random points at which the Jacobian is computed, and at which moments are looked for.
NULL_POINTS, TRIED_POINTS = 3, 5


def implied_moments(structure: Structure, elements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and covariances of the linear model, (group, p) and (group, p, p)."""
    m = structure.matrices(elements.reshape(len(structure.table.groups), -1))  # (group, ...)
    reach = m["loadings"] @ np.linalg.inv(np.eye(len(structure.variables)) - m["paths"])
    covariances = reach @ m["disturbances"] @ np.swapaxes(reach, 1, 2) + m["residuals"]
    means = m["intercepts"] + (reach @ m["means"][..., None])[..., 0]
    return means, covariances


def _slope_moments(structure: Structure, elements: np.ndarray, sds: np.ndarray) -> np.ndarray:
    """What data in clusters tell of random slopes, (block, moments), 0 at level 1.

    A slope times its total effects on the observed variables is an effect of the cluster, whose
    mean, variance and covariances with the variables' means are known; sds (block, p).
    """
    m = structure.matrices(elements.reshape(len(structure.table.groups), -1))
    total = np.linalg.inv(np.eye(len(structure.variables)) - m["paths"])
    latent = total @ m["disturbances"] @ np.swapaxes(total, 1, 2)
    centre = (total @ m["means"][..., None])[..., 0]
    slopes = structure.slopes
    at = [s.slope for s in slopes]
    out = []
    for inner in range(0, len(sds), 2):
        outer = inner + 1
        effect = (m["loadings"][inner] @ total[inner])[:, [s.outcome for s in slopes]]
        size = [  # of what is not observed, as the model has it
            sds[inner][s.column]
            if s.column >= 0
            else math.sqrt(latent[inner][s.predictor, s.predictor])
            for s in slopes
        ]
        effect = effect * size / sds[inner][:, None]  # (p, slope)
        spread = np.einsum("it,ju,tu->ijtu", effect, effect, latent[outer][np.ix_(at, at)])
        cross = m["loadings"][outer] @ latent[outer][:, at] / sds[outer][:, None]
        crossed = np.einsum("it,jt->ijt", effect, cross)
        parts = [x.ravel() for x in (spread, crossed, effect * centre[outer][at])]
        out += [np.zeros(sum(x.size for x in parts)), np.concatenate(parts)]
    return np.array(out)


def moments_of(prepared: Prepared) -> Callable[[np.ndarray], np.ndarray]:
    """The function that gives implied means and covariances from the table's free parameters.

    By group, (group, moments), in units of the sample's standard deviations, so that the units of
    the data do not matter.
    """
    structure, table = prepared.structure, prepared.table
    filled = [
        (e, table.rows[k].free)
        for k, place in structure.places.items()
        if table.rows[k].free >= 0
        for e in structure.element(place)
    ]
    element, source = np.array(filled, dtype=np.int64).reshape(-1, 2).T
    lower = np.tril_indices(len(structure.observed))
    sds = np.sqrt(np.diagonal(prepared.covariances, axis1=1, axis2=2))
    has_means = any(row.op == "~1" and row.free >= 0 for row in table.rows)
    base = _base_at_no_mean(prepared)

    answered = [structure.observed.index(name) for name in table.ordered]
    items = threshold_variables(structure)

    composites = raw_cells(structure, prepared.sample, base)

    def moments(values: np.ndarray) -> np.ndarray:
        elements = base.copy()
        elements[element] = values[source]
        fill_composites(composites, dict(zip(table.parameters, values, strict=True)), elements)
        means, covariances = implied_moments(structure, elements)
        own = sds.copy()
        cut = np.empty((len(means), 0))
        if answered:  # of latent responses correlations are known, and where they are cut
            own[:, answered] = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2)[:, answered])
            cut = structure.matrices(elements.reshape(len(means), -1))["thresholds"]
            cut = (cut - means[:, items]) / own[:, items]
            means[:, answered] = 0.0
        standardised = covariances / (own[:, :, None] * own[:, None, :])
        parts = [standardised[:, lower[0], lower[1]], cut]
        if has_means:
            parts.append(means / own)
        if structure.slopes:
            parts.append(_slope_moments(structure, elements, own))
        together = np.concatenate(parts, axis=1)
        return together.reshape(len(together) // table.levels, -1)  # a group's levels side by side

    return moments


def _base_at_no_mean(prepared: Prepared) -> np.ndarray:
    """The fixed matrix elements with other means of the covariates: about their own size.

    With a mean of a thousand standard deviations all that depends on a covariate would look like
    its mean, and no rank could be told.
    """
    structure = prepared.structure
    base = prepared.space.base.copy()
    generator = np.random.default_rng(0)
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        if row.exogenous and row.op == "~1":
            sd = prepared.sample.sds[structure.observed.index(row.lhs)]
            base[list(structure.element(place))] = sd * generator.uniform(0.5, 1.5)
    return _let_counts_vary(prepared, base)


def _let_counts_vary(prepared: Prepared, base: np.ndarray) -> np.ndarray:
    """Fixed matrix elements with residual variances of counts that have no dispersion.

    Those vary all the same, and moments without any of it would be those of a constant.
    """
    structure, sample = prepared.structure, prepared.sample
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        own = row.op == "~~" and row.lhs == row.rhs and row.free < 0
        if own and row.lhs in structure.table.responses.others:
            variance = sample.sds[sample.variables.index(row.lhs)] ** 2
            base[list(structure.element(place))] = variance
    return base


def _zero_sums(prepared: Prepared) -> list[tuple[int, ...]]:
    """Free parameters whose sum over the groups is 0, as far as identification goes."""
    keys = [row_name_key(name) for name in prepared.zero_mean]
    rows = prepared.table.rows
    return [
        tuple(r.free for r in rows if row_key(r.lhs, r.op, r.rhs) == key and r.free >= 0)
        for key in keys
    ]


def _equations(prepared: Prepared, point: np.ndarray) -> list[dict[int, float]]:
    """Derivatives of what has to be 0, by free parameter.

    The sums of parameters whose mean over the groups is 0 (pooling), and the differences of the
    two sides of `==` constraints.
    """
    table = prepared.table
    out = [dict.fromkeys(at, 1.0) for at in _zero_sums(prepared)]
    read = linear_forms(table)
    for row in table.constraints:
        if row.op == "==" and row.expression is not None:
            form = read(row.expression)
            out.append(_slopes(table, row.expression, point) if form is None else form[0])
    return out


def _slopes(table: ParameterTable, expression: Expression, point: np.ndarray) -> dict[int, float]:
    """Central differences of a constraint that is not linear."""

    def value(at: np.ndarray) -> float:
        named: dict[str, Any] = {
            name: at[i] if isinstance(i, int) else i for name, i in table.names.items()
        }
        for row in table.defined:
            assert row.expression is not None
            named[row.lhs] = evaluate(row.expression, named)
        return float(evaluate(expression, named))

    position = {name: i for i, name in enumerate(table.parameters)}
    out = {}
    for i in sorted(position[name] for name in constrained_names(table)):
        up, down, h = _about(point, [i])
        out[i] = (value(up) - value(down)) / (2 * h[i])
    return {i: slope for i, slope in out.items() if slope}


def _random_point(prepared: Prepared, generator: np.random.Generator) -> np.ndarray:
    """A plausible value of each free parameter: nothing 0, everything within its range."""
    structure, table = prepared.structure, prepared.table
    values = start_values(structure, prepared.covariances, prepared.means)
    scales = latent_scales(structure, prepared.sample.sds)
    out = values.copy()
    variances = _variances(prepared, values)
    for i, name in enumerate(table.parameters):
        if name in weight_names(structure):
            out[i] = values[i] * generator.uniform(0.7, 1.3)
    for k, place in structure.places.items():
        row = table.rows[k]
        if row.free < 0:
            continue
        start = values[row.free]
        if row.op == "=~":
            out[row.free] = (start or 0.5 * _ratio(prepared, scales, place)) * generator.uniform(
                0.7, 1.3
            )
        elif row.op == "~~" and row.lhs == row.rhs:
            sd = scales[place.i] if place.matrix == "disturbances" else prepared.sample.sds[place.i]
            out[row.free] = (abs(start) or float(sd) ** 2) * generator.uniform(0.6, 1.4)
        elif row.op == "~~":
            sizes = [variances.get((place.matrix, place.group, i), 1.0) for i in (place.i, place.j)]
            out[row.free] = np.sqrt(sizes[0] * sizes[1]) * generator.uniform(0.05, 0.3)
        elif row.op == "~":
            size = scales[place.i] / scales[place.j] if place.matrix == "paths" else 1.0
            out[row.free] = size * generator.uniform(0.2, 0.6) * generator.choice([-1.0, 1.0])
        elif row.op == "|":
            # away from 0, where an item of which half the answers lie below is cut: its column of
            # the Jacobian, times its own size, would be empty
            out[row.free] = start + generator.uniform(0.05, 0.15) * (1.0 if start >= 0 else -1.0)
        elif row.op == NU:
            out[row.free] = start
        else:
            # about the size of the variable's spread: far from 0 a mean would drown all else
            own = prepared.sample.sds if place.matrix == "intercepts" else scales
            out[row.free] = float(own[place.i]) * generator.normal()
    return out


def _ratio(prepared: Prepared, scales: np.ndarray, place: Place) -> float:
    """Rough standard deviation of what a loading leads to over that of what it comes from."""
    to = prepared.sample.sds if place.matrix == "loadings" else scales
    return float(to[place.i] / scales[place.j])


def _variances(prepared: Prepared, values: np.ndarray) -> dict[tuple[str, int, int], float]:
    """Size of each diagonal element of a matrix, by matrix, group and position."""
    rows = prepared.table.rows
    return {
        (p.matrix, p.group, p.i): abs(
            float(values[rows[k].free] if rows[k].free >= 0 else (rows[k].value or 0.0))
        )
        for k, p in prepared.structure.places.items()
        if p.i == p.j and rows[k].op == "~~"
    }


def null_space(prepared: Prepared) -> list[list[str]]:
    """Groups of parameters that the moments leave undetermined together; [] when identified.

    The Jacobian of the implied moments by the parameters is computed at several random points; a
    direction is undetermined when it is in the null space at all of them (Wald 1950; Bekker,
    Merckens & Wansbeek 1994). Coefficients of product terms and shapes of distributions are left
    out: they are identified by moments of higher order than the second.
    """
    structure, table = prepared.structure, prepared.table
    generator = np.random.default_rng(0)
    products = {
        table.rows[k].free
        for k, p in structure.places.items()
        if p.matrix in ("products", "shapes")
    }
    keep = [i for i in range(len(table.parameters)) if i not in products]
    if not keep:
        return []
    moments = moments_of(prepared)
    best: tuple[int, list[list[str]]] | None = None
    for _ in range(NULL_POINTS):
        point = _random_point(prepared, generator)
        try:
            blocks = _jacobian(prepared, moments, point, keep)
        except np.linalg.LinAlgError:  # no such model at this point (`possible` says where at all)
            continue
        if not all(np.isfinite(block).all() for _, block in blocks):
            continue
        flat, share = 0, np.zeros(len(table.parameters))
        for members, block in blocks:
            empty = _empty_directions(block)
            flat += len(empty)
            share[members] = np.sqrt((empty**2).sum(axis=0))
        if best is None or flat < best[0]:
            involved = [table.parameters[i] for i in np.argsort(-share) if share[i] > 0.05]
            best = (flat, [involved] if flat else [])
        if best[0] == 0:
            return []
    return [] if best is None else best[1]


def _empty_directions(jacobian: np.ndarray) -> np.ndarray:
    """Directions (., parameter) along which nothing changes, with columns of length 1."""
    norms = np.linalg.norm(jacobian, axis=0)
    scaled = jacobian / np.where(norms > 0, norms, 1.0)
    if len(scaled) > scaled.shape[1]:
        scaled = np.linalg.qr(scaled, mode="r")
    _, singular, rows = np.linalg.svd(scaled, full_matrices=True)
    singular = np.concatenate([singular, np.zeros(len(rows) - len(singular))])
    return rows[singular < 1e-6]


def possible(prepared: Prepared) -> str:
    """Why no data can be as the model says, "" where some can.

    Looked at are its start values and random points: at one of them at least the structural
    equations need a solution and the implied covariances have to be positive definite.
    """
    structure, table = prepared.structure, prepared.table
    generator = np.random.default_rng(0)
    said = ""
    first = start_values(structure, prepared.covariances, prepared.means)
    sds = np.sqrt(np.diagonal(prepared.covariances, axis1=1, axis2=2))
    for k in range(1 + TRIED_POINTS):
        values = _random_point(prepared, generator) if k else first
        elements = _let_counts_vary(prepared, prepared.space.base.copy())
        for row, place in structure.places.items():
            if table.rows[row].free >= 0:
                elements[list(structure.element(place))] = values[table.rows[row].free]
        named = dict(zip(table.parameters, values, strict=True))
        fill_composites(raw_cells(structure, prepared.sample, elements), named, elements)
        try:
            _, covariances = implied_moments(structure, elements)
        except np.linalg.LinAlgError:
            said = (
                "the paths of a circle multiply to 1 at every value that was tried, so that its "
                "equations have no solution"
            )
            continue
        scaled = checked_covariances(covariances / (sds[:, :, None] * sds[:, None, :]), table)
        if all(np.isfinite(s).all() and np.linalg.eigvalsh(s).min() > LEAST for s in scaled):
            return ""
        said = (
            "the covariance matrix of the observed variables that it implies is not positive "
            "definite at any value that was tried: no data can have it"
        )
    return said


def _jacobian(
    prepared: Prepared,
    moments: Callable[[np.ndarray], np.ndarray],
    point: np.ndarray,
    keep: Sequence[int],
) -> list[tuple[list[int], np.ndarray]]:
    """Central differences of the moments by the parameters kept, each times its own size.

    In blocks that have neither a parameter nor a moment in common, such as groups in which
    everything differs: each with its parameters, and (moments and equations, parameters).
    """
    columns, groups = {}, parameter_groups(prepared.structure)
    for batch in moved_together([groups[i] for i in keep]):
        up, down, h = _about(point, [keep[b] for b in batch])
        change = moments(up) - moments(down)  # (group, moment)
        for i in (keep[b] for b in batch):
            columns[i] = change[sorted(groups[i])] * abs(point[i]) / (2 * h[i])
    found = _equations(prepared, point)
    equations = [e for e in ({i: e[i] for i in e if i in columns} for e in found) if e]
    count = len(prepared.table.parameters)
    links = [
        *((i, count + g) for i in keep for g in groups[i]),
        *((next(iter(e)), i) for e in equations for i in e),
    ]
    blocks = []
    owner: dict[int, list[dict[int, float]]] = {}
    for e in equations:
        owner.setdefault(next(iter(e)), []).append(e)
    for together in components(count + len(prepared.table.groups), links):
        at = {i: c for c, i in enumerate(i for i in together if i in columns)}
        rows = {g: r for r, g in enumerate(i - count for i in together if i >= count)}
        if not at:
            continue
        block = np.zeros((len(rows), change.shape[1], len(at)))
        for i, c in at.items():
            block[[rows[g] for g in sorted(groups[i])], :, c] = columns[i]
        own = [e for i in at for e in owner.get(i, ())]
        extra = np.zeros((len(own), len(at)))
        for r, e in enumerate(own):
            extra[r, [at[i] for i in e]] = [slope * abs(point[i]) for i, slope in e.items()]
        size = np.linalg.norm(extra, axis=1, keepdims=True)  # equations have units of their own
        extra /= np.where(size > 0, size, 1.0)
        blocks.append((list(at), np.concatenate([block.reshape(-1, len(at)), extra])))
    return blocks


def _about(point: np.ndarray, members: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The point a small step up and down along some parameters, and the steps."""
    h = np.zeros(len(point))
    h[members] = 1e-4 * np.where(point[members] == 0, 1.0, np.abs(point[members]))
    return point + h, point - h, h
