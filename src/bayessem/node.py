"""The likelihood as one observed node of a PyMC model.

The node's log-probability is a PyTensor operation around the kernel (likelihood/kernel.py) with the
kernel's own gradient; its random draws follow the model: latent variables, products, indicators.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type, grad_not_implemented
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.tensor.variable import TensorVariable

import bayessem.likelihood
from bayessem.errors import NotSupported
from bayessem.likelihood.kernel import log_likelihood
from bayessem.structure import matrix_shapes

DIMS = ("respondent", "indicator")


def _kernel_version() -> int:
    """A number that changes with the kernel's source.

    It is part of the key of PyTensor's disk cache: compiled graphs hold a copy of the kernel.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(bayessem.likelihood.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:6], "big")


class LogLikelihood(Op):
    """(elements, ints, floats) -> (log-likelihood, its gradient by the elements).

    elements : vector, the model matrices of all groups (structure.py);  ints, floats : the packed
    plan (likelihood/plan.py).
    """

    __props__ = ()

    def make_node(self, elements: Any, ints: Any, floats: Any) -> Apply:
        """Apply to three vectors."""
        inputs = [
            pt.as_tensor_variable(elements, dtype="float64"),
            pt.as_tensor_variable(ints, dtype="int64"),
            pt.as_tensor_variable(floats, dtype="float64"),
        ]
        return Apply(self, inputs, [pt.dscalar(), inputs[0].type()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        """Evaluate with NumPy arrays."""
        elements, ints, floats = (np.ascontiguousarray(x) for x in inputs)
        gradient = np.empty_like(elements)
        output_storage[0][0] = np.asarray(log_likelihood(elements, ints, floats, gradient))
        output_storage[1][0] = gradient

    def infer_shape(self, fgraph: Any, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """A scalar and one derivative an element."""
        return [(), shapes[0]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Both outputs depend on the elements alone as far as derivatives go."""
        return [[True, True], [False, False], [False, False]]

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """Multiply the stored gradient by the cotangent of the log-likelihood."""
        of_value, of_gradient = cotangents
        if not isinstance(of_gradient.type, DisconnectedType):
            first = grad_not_implemented(self, 0, inputs[0], "it has no second derivatives")
        else:
            first = of_value * outputs[1]
        return [first, disconnected_type(), disconnected_type()]


@register_funcify_default_op_cache_key(LogLikelihood)
def _numba_log_likelihood(op: LogLikelihood, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    @numba_njit
    def evaluate(elements, ints, floats):
        # One memory layout, so that the kernel is compiled once for all ways to call it.
        elements = np.ascontiguousarray(elements)
        gradient = np.empty(elements.size)
        value = log_likelihood(elements, ints, floats, gradient)
        return np.asarray(value), gradient

    return evaluate, _kernel_version()


@dataclass(frozen=True)
class Layout:
    """What the node has to know besides numbers.

    shape : (p, m, h);  terms : the two latents of each product;  groups : how many.
    """

    shape: tuple[int, int, int]
    terms: tuple[tuple[int, ...], ...]
    groups: int


def _draw(elements: Any, layout: Layout, group: np.ndarray) -> TensorVariable:
    """Random indicators (respondent, p): latent variables first, then products, then indicators.

    The factors of products do not depend on products (plan.plan_products sees to it), so that one
    pass over the linear part gives them.
    """
    p, m, _ = layout.shape
    shapes = matrix_shapes(*layout.shape)
    ends = np.cumsum([0] + [int(np.prod(s)) for s in shapes.values()])
    blocks = pt.reshape(elements, (layout.groups, int(ends[-1])))
    parts = []
    for g in range(layout.groups):
        x = {
            name: blocks[g, start:end].reshape(shape)
            for (name, shape), start, end in zip(shapes.items(), ends, ends[1:], strict=False)
        }
        n = int((group == g).sum())
        total = pt.linalg.inv(pt.eye(m) - x["paths"])
        latent = (x["means"] + _normals(n, x["disturbances"], m)) @ total.T
        if layout.terms:
            products = pt.stack(
                [pt.prod(latent[:, list(term)], axis=1) for term in layout.terms], axis=1
            )
            latent = latent + products @ (total @ x["products"]).T
        noise = _normals(n, x["residuals"], p)
        parts.append(x["intercepts"] + latent @ x["loadings"].T + noise)
    if layout.groups == 1:
        return parts[0]
    back = np.argsort(np.argsort(group, kind="stable"), kind="stable")
    return pt.concatenate(parts, axis=0)[back]


def _normals(n: int, covariance: Any, size: int) -> TensorVariable:
    """Rows of normals with this covariance, which may be singular (fixed variances of 0)."""
    values, vectors = pt.linalg.eigh(covariance)
    root = vectors * pt.sqrt(pt.maximum(values, 0.0))
    return pm.Normal.dist(0.0, 1.0, size=(n, size)) @ root.T


def elements_node(
    name: str,
    elements: TensorVariable,
    *,
    layout: Layout,
    plan: tuple[np.ndarray, np.ndarray],
    values: np.ndarray,
    group: np.ndarray,
    dims: Sequence[str] = DIMS,
) -> TensorVariable:
    """The observed node of model matrices that are laid out already.

    Parameters
    ----------
    name : str
        Of the variable in the model that is open.
    elements : TensorVariable (elements,)
        Model matrices of all groups, see structure.py.
    layout : Layout
        Shape, product terms, groups.
    plan : tuple of two ndarray
        Packed plan with the data, from `likelihood.plan.build_plan`.
    values : ndarray (respondent, p)
        The data, nan where missing.
    group : ndarray (respondent,)
        Position of each respondent's group.
    dims : (str, str)
        Dimensions of the variable.

    Returns
    -------
    TensorVariable
        The observed random variable (respondent, p). Its log-probability is a scalar.
    """
    # Shared, not constant: the compiled graph is the same for all data and stays in the cache.
    ints = pytensor.shared(plan[0], name=f"{name}_plan")
    floats = pytensor.shared(plan[1], name=f"{name}_data")

    def logp(value: Variable, elements: TensorVariable) -> TensorVariable:
        fixed = isinstance(value, Constant) and np.array_equal(value.data, values, equal_nan=True)
        if not fixed:
            raise NotSupported(
                f"the data of {name!r} are part of its likelihood and cannot be exchanged; build a "
                "model with the other data"
            )
        return LogLikelihood()(elements, ints, floats)[0]

    return pm.CustomDist(
        name,
        elements,
        dist=lambda elements, size: _draw(elements, layout, group),
        logp=logp,
        signature="(e)->(n,p)",
        # A constant rather than an array: PyMC would impute the missing values of an array.
        observed=pt.constant(values),
        dims=tuple(dims),
        class_name="StructuralModel",
    )
