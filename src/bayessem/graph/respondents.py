"""The log-likelihood by respondent as a PyTensor operation, whose sum costs what the sum costs.

PyMC's `compute_log_likelihood` wants a number a respondent, its samplers want the sum and its
gradient. Both are one variable of the model: the operation below, which a rewrite turns into
`operation.LogLikelihood` wherever it is summed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key
from pytensor.scalar import Second
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.rewriting.basic import register_canonicalize

from bayessem.errors import NotSupported
from bayessem.graph.operation import LogLikelihood
from bayessem.likelihood.compiled import VERSION
from bayessem.likelihood.engines import respondent_log_likelihood

# Part of the keys of PyTensor's disk cache, where compiled graphs hold copies of these programs.
_SOURCES = VERSION.encode() + Path(__file__).read_bytes()
SOURCE = int(hashlib.sha256(_SOURCES).hexdigest()[:12], 16)
UNEQUAL_WEIGHTS = (
    "the gradient of a structural equation model is that of all respondents' log-likelihood "
    "together; terms that weight respondents differently have none"
)


class RespondentLogLikelihood(Op):
    """(elements, ints, floats, order, taken out) -> log-likelihood of every respondent.

    elements, ints, floats : as of `LogLikelihood`;  order : (respondent,), the position among the
    plan's rows of each respondent;  taken out : (respondent,), constants that are subtracted.

    Its sum over all respondents is computed by `LogLikelihood`, from sufficient statistics where
    the model is linear, and so is the gradient of that sum.
    """

    __props__ = ()

    def make_node(self, elements: Any, ints: Any, floats: Any, order: Any, taken: Any) -> Apply:
        """Apply to five vectors."""
        kinds = ("float64", "int64", "float64", "int64", "float64")
        given = (elements, ints, floats, order, taken)
        inputs = [pt.as_tensor_variable(x, dtype=k) for x, k in zip(given, kinds, strict=True)]
        return Apply(self, inputs, [pt.dvector()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        """Evaluate with NumPy arrays."""
        elements, ints, floats, order, taken = (np.ascontiguousarray(x) for x in inputs)
        out = np.empty(order.size)
        respondent_log_likelihood(elements, ints, floats, out)
        output_storage[0][0] = out[order] - taken

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """One number a respondent."""
        return [shapes[3]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """It depends on the elements alone as far as derivatives go."""
        return [[True], [False], [False], [False], [False]]

    def pullback(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        cotangents: Sequence[Variable],
    ) -> list[Variable]:
        """The gradient of the sum; respondents with different weights are refused."""
        weight = _everywhere(cotangents[0])
        if weight is None:
            weight = CommonValue()(cotangents[0])
        gradient = weight * LogLikelihood()(*inputs[:3])[1]
        return [gradient, *(disconnected_type() for _ in inputs[1:])]


def _everywhere(cotangent: Variable) -> Variable | None:
    """The scalar that a cotangent repeats for all respondents, as that of a sum does."""
    node = cotangent.owner
    if node is None or not isinstance(node.op, Elemwise):
        return None
    if not isinstance(node.op.scalar_op, Second):
        return None
    fill = node.inputs[1].owner
    scalar = fill is not None and isinstance(fill.op, DimShuffle) and fill.inputs[0].type.ndim == 0
    return fill.inputs[0] if scalar else None


class CommonValue(Op):
    """The value that all entries of a vector have; refuses other vectors."""

    __props__ = ()

    def make_node(self, vector: Any) -> Apply:
        """Apply to a vector."""
        return Apply(self, [pt.as_tensor_variable(vector, dtype="float64")], [pt.dscalar()])

    def do_constant_folding(self, fgraph: Any, node: Apply) -> bool:
        """Never: a refusal while a graph is compiled is a failed rewrite, and told as one."""
        return False

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Any) -> None:
        """Evaluate with a NumPy array."""
        if np.ptp(inputs[0]) > 0:
            raise NotSupported(UNEQUAL_WEIGHTS)
        output_storage[0][0] = np.asarray(inputs[0][0])

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """A scalar."""
        return [()]


@register_canonicalize("fast_compile")
@node_rewriter([Sum])
def _sum_of_respondents(fgraph: Any, node: Apply) -> list[Variable] | None:
    """The sum over respondents is one call of the kernel, without a number for each."""
    inner = node.inputs[0].owner
    if inner is None or not isinstance(inner.op, RespondentLogLikelihood):
        return None
    elements, ints, floats, _, taken = inner.inputs
    return [LogLikelihood()(elements, ints, floats)[0] - pt.sum(taken)]


@register_funcify_default_op_cache_key(RespondentLogLikelihood)
def _numba_respondents(op: RespondentLogLikelihood, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    @numba_njit
    def evaluate(elements, ints, floats, order, taken):
        out = np.empty(order.size)
        respondent_log_likelihood(
            np.ascontiguousarray(elements),
            np.ascontiguousarray(ints),
            np.ascontiguousarray(floats),
            out,
        )
        return out[order] - taken

    return evaluate, SOURCE


@register_funcify_default_op_cache_key(CommonValue)
def _numba_common_value(op: CommonValue, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    @numba_njit
    def common(vector):
        for x in vector:
            if x != vector[0]:
                raise NotSupported(UNEQUAL_WEIGHTS)
        return np.asarray(vector[0])

    return common, SOURCE
