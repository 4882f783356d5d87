"""Theta and delta: two scales of the same model of ordered variables.

Sampled is theta: the residual of a latent response has a fixed variance, and nothing else restricts
the parameters. Delta divides each latent response by its standard deviation (of the first group
that shares its thresholds or loadings), which moves loadings and thresholds, and whatever takes its
scale from them: constructs with an ordered marker, their variances and paths.

Muthen, B., & Asparouhov, T. (2002). Latent variable analysis with categorical outcomes: Multiple-
group and growth modeling in Mplus. Mplus Web Notes 4.
"""

from __future__ import annotations

import numpy as np

from bayessem.errors import ModelError
from bayessem.model.structure import Structure


def shared_scales(structure: Structure) -> np.ndarray:
    """For each group and observed variable the first group that has its scale, (group, p).

    Groups that share a threshold or a loading of an ordered variable have one scale of it.
    """
    table = structure.table
    groups, p = len(table.groups), len(structure.observed)
    items = threshold_variables(structure)
    out = np.tile(np.arange(groups)[:, None], (1, p))
    first: dict[tuple[int, int], int] = {}
    for k, place in structure.places.items():
        row = table.rows[k]
        if row.free < 0 or place.matrix not in ("loadings", "thresholds"):
            continue
        item = items[place.i] if place.matrix == "thresholds" else place.i
        if structure.observed[item] in table.responses.families:
            g = first.setdefault((row.free, item), place.group)
            out[place.group, item] = min(out[place.group, item], out[g, item])
    return out


def threshold_variables(structure: Structure) -> list[int]:
    """Observed variable of each threshold, in the order of the vector `thresholds`."""
    out: list[int] = []
    for name in structure.threshold_at:
        count = structure.table.responses.thresholds[name]
        out += [structure.observed.index(name)] * count
    return out


def _latent_scales(structure: Structure, d: np.ndarray, group: int) -> np.ndarray:
    """Log of what each variable (..., m) of a group is multiplied by, given that of the responses.

    Fixed loadings, paths and variances stay what they are, which says by how much.
    """
    table, m = structure.table, len(structure.variables)
    known = {
        i: structure.observed.index(name)
        for i, name in enumerate(structure.variables)
        if name in structure.observed
    }
    latent = [i for i in range(m) if i not in known]
    left: list[np.ndarray] = []
    right: list[np.ndarray] = []
    for k, place in structure.places.items():
        row = table.rows[k]
        if place.group != group or row.free >= 0 or not row.value or row.exogenous:
            continue
        by = np.zeros(m)
        log = np.zeros(d.shape[:-1])
        if place.matrix == "loadings":
            by[place.j] = 1.0
            log = d[..., place.i]
        elif place.matrix in ("paths", "products"):
            own = (place.j,) if place.matrix == "paths" else structure.products[place.j]
            by[place.i] += 1.0
            for j in own:
                by[j] -= 1.0
        elif place.matrix == "disturbances" and place.i in latent:
            by[place.i] += 1.0
            by[place.j] += 1.0
        else:
            continue
        for i, column in known.items():
            log = log - by[i] * d[..., column]
        left.append(by[latent])
        right.append(log)
    out = np.zeros((*d.shape[:-1], m))
    for i, column in known.items():
        out[..., i] = d[..., column]
    if left and latent:
        out[..., latent] = np.stack(right, axis=-1) @ np.linalg.pinv(np.array(left)).T
    return out


def element_factors(structure: Structure, scales: np.ndarray) -> np.ndarray:
    """What each flat element is multiplied by, (..., elements).

    Parameters
    ----------
    structure : Structure
        The model.
    scales : ndarray (..., group, p)
        What each observed variable is multiplied by; 1 for those that are not ordered.
    """
    _, stride = structure.offsets
    groups = len(structure.table.groups)
    out = np.ones((*scales.shape[:-2], stride * groups))
    items = threshold_variables(structure)
    for g in range(groups):
        d = np.log(scales[..., g, :])
        c = _latent_scales(structure, d, g)
        part = structure.matrices(out, g)
        part["loadings"][:] = np.exp(d[..., :, None] - c[..., None, :])
        part["paths"][:] = np.exp(c[..., :, None] - c[..., None, :])
        part["disturbances"][:] = np.exp(c[..., :, None] + c[..., None, :])
        part["residuals"][:] = np.exp(d[..., :, None] + d[..., None, :])
        part["intercepts"][:] = np.exp(d)
        part["means"][:] = np.exp(c)
        for t, factors in enumerate(structure.products):
            part["products"][..., t] = np.exp(c - c[..., list(factors)].sum(axis=-1, keepdims=True))
        part["thresholds"][:] = np.exp(d[..., items])
    return out


def check_delta(structure: Structure) -> None:
    """Refuse a model whose fixed or shared values mean something else in delta than in theta.

    Raises
    ------
    ModelError
        Naming the parameter.
    """
    table = structure.table
    if not table.ordered or table.responses.parameterization != "delta":
        return
    rng = np.random.default_rng(0)
    ordered = np.array([name in table.responses.families for name in structure.observed])
    drawn = rng.uniform(0.3, 1.0, size=(len(table.groups), len(structure.observed)))
    own = np.take_along_axis(drawn, shared_scales(structure), axis=0)
    factors = element_factors(structure, np.where(ordered, own, 1.0))
    first: dict[int, float] = {}
    for k, place in structure.places.items():
        row = table.rows[k]
        value = float(factors[structure.element(place)[0]])
        residual = row.op == "~~" and row.lhs == row.rhs and row.lhs in table.ordered
        if row.free < 0 and (residual or row.exogenous or not row.value):
            continue
        wanted = 1.0 if row.free < 0 else first.setdefault(row.free, value)
        if abs(np.log(value / wanted)) > 1e-6:
            what = "is fixed" if row.free < 0 else "is equal to another parameter"
            raise ModelError(
                f"{row.name} {what} where ordered variables have total variance 1 "
                "(parameterization='delta'), which restricts the model differently for other "
                "scales; use parameterization='theta' (residual variance 1), where it can be"
            )
