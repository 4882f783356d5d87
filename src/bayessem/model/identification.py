"""Is a model identified? The counting rule cannot say, the rank of the moments' Jacobian can.

Wald (1950, in Statistical Inference in Dynamic Economic Models); Bekker, Merckens & Wansbeek (1994,
Identification, Equivalent Models and Computer Algebra).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bayessem.model.default_priors import latent_scales
from bayessem.model.parameterization import threshold_variables
from bayessem.model.prepare import Prepared
from bayessem.model.starts import start_values
from bayessem.model.structure import Place, Structure
from bayessem.syntax.expression import evaluate
from bayessem.syntax.parameters import ParameterTable
from bayessem.syntax.rows import row_key, row_name_key

# Of a correlation matrix's smallest eigenvalue: below, it is not positive definite in practice.
LEAST = 1e-10


def implied_moments(structure: Structure, elements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and covariances of the linear model, (group, p) and (group, p, p)."""
    m = structure.matrices(elements.reshape(len(structure.table.groups), -1))  # (group, ...)
    reach = m["loadings"] @ np.linalg.inv(np.eye(len(structure.variables)) - m["paths"])
    covariances = reach @ m["disturbances"] @ np.swapaxes(reach, 1, 2) + m["residuals"]
    means = m["intercepts"] + (reach @ m["means"][..., None])[..., 0]
    return means, covariances


def moments_of(prepared: Prepared) -> Callable[[np.ndarray], np.ndarray]:
    """The function that gives implied means and covariances from the table's free parameters.

    In units of the sample's standard deviations, so that the units of the data do not matter; the
    sums of parameters whose mean over the groups is 0 (pooling), and the differences that `==`
    constraints set to 0, stand at the end.
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
    sums = _zero_sums(prepared)
    base = _base_at_no_mean(prepared)

    answered = [structure.observed.index(name) for name in table.ordered]
    items = threshold_variables(structure)

    def moments(values: np.ndarray) -> np.ndarray:
        elements = base.copy()
        elements[element] = values[source]
        means, covariances = implied_moments(structure, elements)
        own = sds.copy()
        if answered:  # of latent responses correlations are known, and where they are cut
            own[:, answered] = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2)[:, answered])
            cut = structure.matrices(elements.reshape(len(means), -1))["thresholds"]
            cut = (cut - means[:, items]) / own[:, items]
            means[:, answered] = 0.0
        standardised = covariances / (own[:, :, None] * own[:, None, :])
        parts = [standardised[:, lower[0], lower[1]].ravel()]
        if answered:
            parts.append(cut.ravel())
        if has_means:
            parts.append((means / own).ravel())
        parts += [values[list(at)].sum(keepdims=True) for at in sums]
        return np.concatenate([*parts, equality_differences(table, values)])

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
    return base


def _zero_sums(prepared: Prepared) -> list[tuple[int, ...]]:
    """Free parameters whose sum over the groups is 0, as far as identification goes."""
    keys = [row_name_key(name) for name in prepared.zero_mean]
    rows = prepared.table.rows
    return [
        tuple(r.free for r in rows if row_key(r.lhs, r.op, r.rhs) == key and r.free >= 0)
        for key in keys
    ]


def equality_differences(table: ParameterTable, values: np.ndarray) -> np.ndarray:
    """Left minus right side of each `==` constraint at values of the free parameters."""
    named: dict[str, Any] = {
        name: values[at] if isinstance(at, int) else at for name, at in table.names.items()
    }
    for row in table.defined:
        assert row.expression is not None
        named[row.lhs] = evaluate(row.expression, named)
    equalities = [r.expression for r in table.constraints if r.op == "==" and r.expression]
    return np.array([float(evaluate(e, named)) for e in equalities])


def _random_point(prepared: Prepared, generator: np.random.Generator) -> np.ndarray:
    """A plausible value of each free parameter: nothing 0, everything within its range."""
    structure, table = prepared.structure, prepared.table
    values = start_values(structure, prepared.covariances, prepared.means)
    scales = latent_scales(structure, prepared.sample.sds)
    out = values.copy()
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
            sizes = [
                _variance(prepared, values, place.matrix, place.group, i)
                for i in (place.i, place.j)
            ]
            out[row.free] = np.sqrt(sizes[0] * sizes[1]) * generator.uniform(0.05, 0.3)
        elif row.op == "~":
            size = scales[place.i] / scales[place.j] if place.matrix == "paths" else 1.0
            out[row.free] = size * generator.uniform(0.2, 0.6) * generator.choice([-1.0, 1.0])
        elif row.op == "|":
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


def _variance(
    prepared: Prepared, values: np.ndarray, matrix: str, group: int, position: int
) -> float:
    for k, place in prepared.structure.places.items():
        if (place.matrix, place.group, place.i, place.j) == (matrix, group, position, position):
            row = prepared.table.rows[k]
            return abs(float(values[row.free] if row.free >= 0 else (row.value or 0.0)))
    return 1.0


def null_space(prepared: Prepared, *, random_seed: int = 0, points: int = 3) -> list[list[str]]:
    """Groups of parameters that the moments leave undetermined together; [] when identified.

    The Jacobian of the implied moments by the parameters is computed at several random points; a
    direction is undetermined when it is in the null space at all of them (Wald 1950; Bekker,
    Merckens & Wansbeek 1994). Coefficients of product terms are left out: they are identified by
    moments of higher order than the second.
    """
    structure, table = prepared.structure, prepared.table
    generator = np.random.default_rng(random_seed)
    products = {table.rows[k].free for k, p in structure.places.items() if p.matrix == "products"}
    keep = [i for i in range(len(table.parameters)) if i not in products]
    if not keep:
        return []
    moments = moments_of(prepared)
    extra = len(prepared.zero_mean) + sum(r.op == "==" for r in table.constraints)
    best: tuple[int, list[list[str]]] | None = None
    for _ in range(points):
        point = _random_point(prepared, generator)
        try:
            jacobian = _jacobian(moments, point, keep) * np.abs(point[keep])
        except np.linalg.LinAlgError:  # no such model at this point (`possible` says where at all)
            continue
        if not np.isfinite(jacobian).all():
            continue
        if extra:  # equations between parameters have units of their own
            size = np.linalg.norm(jacobian[-extra:], axis=1, keepdims=True)
            jacobian[-extra:] /= np.where(size > 0, size, 1.0)
        norms = np.linalg.norm(jacobian, axis=0)
        scaled = jacobian / np.where(norms > 0, norms, 1.0)
        if len(scaled) > len(keep):
            scaled = np.linalg.qr(scaled, mode="r")
        _, singular, rows = np.linalg.svd(scaled, full_matrices=True)
        singular = np.concatenate([singular, np.zeros(len(keep) - len(singular))])
        empty = rows[singular < 1e-6]
        if best is None or len(empty) < best[0]:
            involved = []
            if len(empty):
                share = np.sqrt((empty**2).sum(axis=0))
                involved = [
                    [table.parameters[keep[i]] for i in np.argsort(-share) if share[i] > 0.05]
                ]
            best = (len(empty), involved)
        if best[0] == 0:
            return []
    return [] if best is None else best[1] * min(best[0], 1)


def possible(prepared: Prepared, *, random_seed: int = 0, points: int = 5) -> str:
    """Why no data can be as the model says, "" where some can.

    Looked at are its start values and random points: at one of them at least the structural
    equations need a solution and the implied covariances have to be positive definite.
    """
    structure, table = prepared.structure, prepared.table
    generator = np.random.default_rng(random_seed)
    said = ""
    first = start_values(structure, prepared.covariances, prepared.means)
    sds = np.sqrt(np.diagonal(prepared.covariances, axis1=1, axis2=2))
    for k in range(points + 1):
        values = _random_point(prepared, generator) if k else first
        elements = prepared.space.base.copy()
        for row, place in structure.places.items():
            if table.rows[row].free >= 0:
                elements[list(structure.element(place))] = values[table.rows[row].free]
        try:
            _, covariances = implied_moments(structure, elements)
        except np.linalg.LinAlgError:
            said = (
                "the paths of a circle multiply to 1 at every value that was tried, so that its "
                "equations have no solution"
            )
            continue
        scaled = covariances / (sds[:, :, None] * sds[:, None, :])
        if np.isfinite(scaled).all() and np.linalg.eigvalsh(scaled).min() > LEAST:
            return ""
        said = (
            "the covariance matrix of the observed variables that it implies is not positive "
            "definite at any value that was tried: no data can have it"
        )
    return said


def _jacobian(
    moments: Callable[[np.ndarray], np.ndarray], point: np.ndarray, keep: list[int]
) -> np.ndarray:
    """Central differences of the moments, (moment, parameter kept)."""
    columns = []
    for i in keep:
        h = 1e-4 * (abs(point[i]) or 1.0)
        up, down = point.copy(), point.copy()
        up[i] += h
        down[i] -= h
        columns.append((moments(up) - moments(down)) / (2 * h))
    return np.array(columns).T
