"""Numba programs as PyTensor operations: log-likelihood, random indicators, correlations.

Each has a Python path, a Numba path that PyTensor keeps in its disk cache, and its own gradient
where one is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type, grad_not_implemented
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayessem.likelihood.compiled import VERSION, compiled
from bayessem.likelihood.dense import general_inverse
from bayessem.likelihood.engines import log_likelihood
from bayessem.likelihood.moments import split
from bayessem.posterior.correlations import partials_to_correlations, pull_correlations

# Part of the keys of PyTensor's disk cache, where compiled graphs hold copies of these programs.
SOURCE = int(VERSION[:12], 16)


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

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
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
        elements = np.ascontiguousarray(elements)
        ints = np.ascontiguousarray(ints)
        floats = np.ascontiguousarray(floats)
        gradient = np.empty(elements.size)
        value = log_likelihood(elements, ints, floats, gradient)
        return np.asarray(value), gradient

    return evaluate, SOURCE


class Correlations(Op):
    """Partial correlations of complete blocks -> correlations, block after block.

    sizes : number of variables of each block. Lewandowski, Kurowicka & Joe (2009),
    doi:10.1016/j.jmva.2009.04.008.
    """

    __props__ = ("sizes",)

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(int(k) for k in sizes)

    def make_node(self, partials: Any) -> Apply:
        """Apply to a vector."""
        x = pt.as_tensor_variable(partials, dtype="float64")
        return Apply(self, [x], [x.type()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        """Evaluate with NumPy arrays."""
        partials = np.ascontiguousarray(inputs[0])
        out, at = np.empty_like(partials), 0
        for k in self.sizes:
            end = at + k * (k - 1) // 2
            partials_to_correlations(partials[at:end], k, np.empty((k, k)), out[at:end])
            at = end
        output_storage[0][0] = out

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """As many correlations as partial correlations."""
        return [shapes[0]]

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """Back through the Cholesky factor."""
        return [PullCorrelations(self.sizes)(inputs[0], cotangents[0])]


class PullCorrelations(Op):
    """Cotangents of the partial correlations from those of the correlations."""

    __props__ = ("sizes",)

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(int(k) for k in sizes)

    def make_node(self, partials: Any, cotangent: Any) -> Apply:
        """Apply to two vectors of the same length."""
        x = pt.as_tensor_variable(partials, dtype="float64")
        return Apply(self, [x, pt.as_tensor_variable(cotangent, dtype="float64")], [x.type()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        """Evaluate with NumPy arrays."""
        partials, cotangent = (np.ascontiguousarray(x) for x in inputs)
        out, at = np.empty_like(partials), 0
        for k in self.sizes:
            end, root = at + k * (k - 1) // 2, np.empty((k, k))
            partials_to_correlations(partials[at:end], k, root, np.empty(end - at))
            pull_correlations(partials[at:end], k, root, cotangent[at:end], out[at:end])
            at = end
        output_storage[0][0] = out

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """As many as partial correlations."""
        return [shapes[0]]


@register_funcify_default_op_cache_key(Correlations)
def _numba_correlations(op: Correlations, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    sizes = op.sizes

    @numba_njit
    def correlate(partials):
        partials = np.ascontiguousarray(partials)
        out, at = np.empty_like(partials), 0
        for k in sizes:
            end = at + k * (k - 1) // 2
            partials_to_correlations(partials[at:end], k, np.empty((k, k)), out[at:end])
            at = end
        return out

    return correlate, SOURCE


@register_funcify_default_op_cache_key(PullCorrelations)
def _numba_pull_correlations(op: PullCorrelations, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    sizes = op.sizes

    @numba_njit
    def pull(partials, cotangent):
        partials, cotangent = np.ascontiguousarray(partials), np.ascontiguousarray(cotangent)
        out, at = np.empty_like(partials), 0
        for k in sizes:
            end = at + k * (k - 1) // 2
            root = np.empty((k, k))
            partials_to_correlations(partials[at:end], k, root, np.empty(end - at))
            pull_correlations(partials[at:end], k, root, cotangent[at:end], out[at:end])
            at = end
        return out

    return pull, SOURCE


@compiled
def semidefinite_root(matrix, root):
    """Lower triangular root of a positive semidefinite matrix; False when it is not one.

    A variance that the others leave nothing of (fixed to 0, say) gets a column of zeros.
    """
    n = matrix.shape[0]
    root[:] = 0.0
    for j in range(n):
        rest = matrix[j, j] - np.dot(root[j, :j], root[j, :j])
        scale = 1e-10 * abs(matrix[j, j])
        if not rest >= -scale:
            return False
        pivot = np.sqrt(rest) if rest > scale else 0.0
        root[j, j] = pivot
        for i in range(j + 1, n):
            left = matrix[i, j] - np.dot(root[i, :j], root[j, :j])
            if pivot > 0.0:
                root[i, j] = left / pivot
            elif abs(left) > 1e-5 * np.sqrt(abs(matrix[i, i] * matrix[j, j])):
                return False
    return True


@compiled
def generate_indicators(elements, normals, group, terms, shape, out):
    """Indicators from standard normals: latents' linear part, products, indicators.

    normals : (respondent, m + p);  group : (respondent,);  terms : (h, 1 + most factors) number of
    the product and its factors, -1 where there are fewer, each after those that its factors depend
    on;  shape : p, m, h;  out : (respondent, p), nan for a group whose covariances are none.
    """
    p, m, h = shape[0], shape[1], shape[2]
    out[:] = np.nan
    for g in range(group.max() + 1):
        loadings, paths, disturbances, residuals, intercepts, means, products = split(
            elements, g, p, m, h
        )
        total, root, noise = np.empty((m, m)), np.empty((m, m)), np.empty((p, p))
        fine = general_inverse(np.eye(m) - paths, total)
        fine = (
            fine and semidefinite_root(disturbances, root) and semidefinite_root(residuals, noise)
        )
        if not fine:
            continue
        weights = np.dot(total, products)
        for i in range(group.size):
            if group[i] != g:
                continue
            latent = np.dot(total, means + np.dot(root, normals[i, :m]))
            for t in range(h):
                product = 1.0
                for j in terms[t, 1:]:
                    if j >= 0:
                        product *= latent[j]
                latent += weights[:, terms[t, 0]] * product
            out[i] = intercepts + np.dot(loadings, latent) + np.dot(noise, normals[i, m:])


class GenerateIndicators(Op):
    """(elements, standard normals (respondent, m + p), group, terms) -> indicators (respondent, p).

    shape : (p, m, h);  the inputs are those of `generate_indicators`.
    """

    __props__ = ("shape",)

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape

    def make_node(self, elements: Any, normals: Any, group: Any, terms: Any) -> Apply:
        """Apply to a vector, a matrix, a vector and a matrix."""
        inputs = [
            pt.as_tensor_variable(elements, dtype="float64"),
            pt.as_tensor_variable(normals, dtype="float64"),
            pt.as_tensor_variable(group, dtype="int64"),
            pt.as_tensor_variable(terms, dtype="int64"),
        ]
        rows = inputs[1].type.shape[0]
        return Apply(self, inputs, [pt.tensor(dtype="float64", shape=(rows, self.shape[0]))])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        """Evaluate with NumPy arrays."""
        elements, normals, group, terms = (np.ascontiguousarray(x) for x in inputs)
        out = np.empty((len(normals), self.shape[0]))
        generate_indicators(elements, normals, group, terms, np.array(self.shape), out)
        output_storage[0][0] = out

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """One row a respondent."""
        return [(shapes[1][0], pt.constant(self.shape[0], dtype="int64"))]


@register_funcify_default_op_cache_key(GenerateIndicators)
def _numba_generate(op: GenerateIndicators, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    p, m, h = op.shape

    @numba_njit
    def generate(elements, normals, group, terms):
        out = np.empty((normals.shape[0], p))
        generate_indicators(
            np.ascontiguousarray(elements),
            np.ascontiguousarray(normals),
            np.ascontiguousarray(group),
            np.ascontiguousarray(terms),
            np.array([p, m, h]),
            out,
        )
        return out

    return generate, SOURCE
