"""Matrices that a user gives for a model: shapes checked, group axis added, structure found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.continuous import FlatRV, HalfFlatRV
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors
from pytensor.tensor.type_other import NoneTypeT
from pytensor.tensor.variable import TensorVariable

from bayessem.errors import ModelError

AXES = {
    "loadings": "(indicator, latent)",
    "paths": "(latent outcome, latent predictor)",
    "disturbances": "(latent, latent), or (latent,) for variances alone",
    "residuals": "(indicator, indicator), or (indicator,) for variances alone",
    "intercepts": "(indicator,)",
    "means": "(latent,)",
    "squares": "(latent outcome, squared latent)",
    "products": "(latent outcome, product term)",
}


def read_matrix(
    matrix: str,
    value: Any,
    full: tuple[int, ...],
    short: tuple[int, ...] | None = None,
    *,
    groups: int,
) -> TensorVariable:
    """Read a matrix with or without a group axis; `short` is a vector that stands for the full one.

    Raises
    ------
    ModelError
        When the shape is none of those, or could be two of them.
    """
    if value is None:
        return pt.zeros(full)
    tensor = pt.as_tensor_variable(value)
    if tensor.dtype not in ("float64", "float32") and tensor.dtype.startswith(("int", "uint")):
        tensor = tensor.astype("float64")
    shape = static_shape(tensor)
    readings = {full: full} if short is None else {full: full, short: short}
    if groups:
        for core in list(readings):
            readings.setdefault((groups, *core), core)
        twice = short is not None and (groups, *short) == full and groups > 1
        if twice and shape == full:
            raise ModelError(
                f"{matrix} of shape {shape} could be one matrix or a vector for each group; give "
                f"it all its axes, {(groups, *full)}"
            )
    if shape not in readings:
        wanted = " or ".join(str(x) for x in readings)
        raise ModelError(f"{matrix} has shape {shape}; it should be {wanted}: {AXES[matrix]}")
    if readings[shape] == short:
        wide = tensor[..., None]
        return wide if full[-1] == 1 else wide * np.eye(full[-1])
    return tensor


def spread(tensor: TensorVariable, groups: int, ndim: int) -> TensorVariable:
    """The matrix with its group axis, (group, ...)."""
    if tensor.ndim == ndim:
        tensor = tensor[None]
    shape = tuple(tensor.shape)[1:]
    return pt.broadcast_to(tensor, (groups, *shape)) if groups > 1 else tensor


def _evaluate(tensors: Sequence[TensorVariable]) -> list[np.ndarray]:
    """Values at one draw from the prior; what has no proper prior is .7."""
    flat = [
        x
        for x in ancestors(tensors)
        if x.owner is not None and isinstance(x.owner.op, FlatRV | HalfFlatRV)
    ]
    if flat:
        sizes = [x.owner.op.size_param(x.owner) for x in flat]
        known = [pt.full(() if isinstance(k.type, NoneTypeT) else k, 0.7) for k in sizes]
        tensors = clone_replace(list(tensors), dict(zip(flat, known, strict=True)))
    return pm.draw(list(tensors), mode="FAST_COMPILE", random_seed=0)


def static_shape(tensor: TensorVariable) -> tuple[int, ...]:
    """Shape of a tensor, evaluated where it is not known from the graph."""
    known = tensor.type.shape
    if None not in known:
        return tuple(known)
    return _evaluate([tensor])[0].shape


@dataclass(frozen=True)
class MatrixStructure:
    """Which entries of the matrices are there at all, at one draw from the prior.

    affected : for each product term, the latent variables that depend on it.
    outcomes : those that it explains itself.
    observed : indicator of each latent variable that is an observed one: it has one loading, of 1,
        and that indicator has no other, no intercept and no residual.
    determined : latent variables without a disturbance that no path explains, only products.
    """

    affected: list[set[int]]
    outcomes: list[set[int]]
    observed: dict[int, int]
    determined: set[int]


def matrix_structure(matrices: Mapping[str, TensorVariable]) -> MatrixStructure:
    """Find the structure that the likelihood of product terms depends on."""
    drawn = _evaluate(list(matrices.values()))
    ndim = {"intercepts": 1, "means": 1}
    x = {  # (group, ...)
        key: value if value.ndim > ndim.get(key, 2) else value[None]
        for key, value in zip(matrices, drawn, strict=True)
    }
    arrows = (x["paths"] != 0).any(axis=0)
    reached = explained = (x["products"] != 0).any(axis=0)  # (latent, term)
    for _ in range(len(arrows)):
        reached = reached | (arrows @ reached)
    loaded = (x["loadings"] != 0).any(axis=0)  # (indicator, latent)
    observed = {}
    for i, rows in enumerate(loaded.T):
        if rows.sum() != 1:
            continue
        row = int(rows.argmax())
        exact = (
            loaded[row].sum() == 1
            and (x["loadings"][:, row, i] == 1).all()
            and (x["residuals"][:, row] == 0).all()
            and (x["intercepts"][:, row] == 0).all()
        )
        if exact:
            observed[i] = row
    random = arrows.any(axis=1) | (x["disturbances"] != 0).any(axis=(0, 1))
    determined = set(np.flatnonzero(~random).tolist()) - set(observed)
    affected, outcomes = (
        [set(np.flatnonzero(c).tolist()) for c in part.T] for part in (reached, explained)
    )
    return MatrixStructure(affected, outcomes, observed, determined)
