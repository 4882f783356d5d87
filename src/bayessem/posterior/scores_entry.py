"""The density of parameters and scores as nutpie calls it, around that of the parameters alone.

Coordinates are v, those of the whitened density of the parameters, and u, K for every respondent:
the scores are f = m + J v + S u (scores.py). The density of the parameters calls the engine of
answers and scores (likelihood/scores_entry.py) by a plan that is made here, at every call, because
chains run side by side.
"""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm
import numba
import numpy as np
from numba.core import types

from bayessem.likelihood.addresses import pointer
from bayessem.likelihood.compiled import c_function
from bayessem.likelihood.scores_entry import SCORES_MARK
from bayessem.posterior import entry

SYMBOL = "bayessem_value_and_gradient"
llvm.add_symbol(SYMBOL, entry.value_and_gradient.address)
_parameters = types.ExternalFunction(SYMBOL, entry.value_and_gradient.signature)
_DOUBLES = types.CPointer(types.double)  # type: ignore[attr-defined]
# What the user data hold beyond those of the density of the parameters: D, respondents, K,
# addresses of m, J and S.
OWN = 6


@c_function(types.int64(types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, types.voidptr))
def value_and_gradient(dimension, x, gradient, value, user_data):
    """Value and gradient at v and u; 0, or what is wrong, as `entry.value_and_gradient`."""
    data = numba.carray(user_data, (8 + OWN,), np.int64)
    d, n, k = data[8], data[9], data[10]
    centre = numba.carray(pointer(data[11]), (n * k,), np.float64)
    slopes = numba.carray(pointer(data[12]), (n * k, d), np.float64)
    roots = numba.carray(pointer(data[13]), (n, k, k), np.float64)
    point = numba.carray(x, (dimension,), np.float64)
    out = numba.carray(gradient, (dimension,), np.float64)
    scores = np.dot(slopes, point[:d])
    for i in range(n):
        for a in range(k):
            s = centre[k * i + a]
            for b in range(k):
                s += roots[i, a, b] * point[d + k * i + b]
            scores[k * i + a] += s
    by_scores = np.empty(n * k)
    plan = np.empty(6, dtype=np.int64)
    plan[0], plan[1], plan[2] = SCORES_MARK, data[4], data[5]
    plan[3], plan[4], plan[5] = scores.ctypes.data, by_scores.ctypes.data, n * k
    inner = data[:8].copy()
    inner[4], inner[5] = plan.ctypes.data, plan.size
    wrong = _parameters(d, x, gradient, value, inner.ctypes)
    # used after the call, so that the arrays whose addresses it got are there until then
    if wrong != 0 or inner[5] != plan.size or scores.size != by_scores.size:
        return wrong
    out[:d] += np.dot(by_scores, slopes)
    for i in range(n):
        for b in range(k):
            s = 0.0
            for a in range(k):
                s += roots[i, a, b] * by_scores[k * i + a]
            out[d + k * i + b] = s
            if not np.isfinite(s):
                return 3
    return 0


@c_function(types.int64(types.uint64, types.uint64, _DOUBLES, _DOUBLES, types.voidptr))
def keep(dimension, expanded, x, out, user_data):
    """Nutpie's step from the sampled coordinates to what it keeps of them: v, not u."""
    numba.carray(out, (expanded,), np.float64)[:] = numba.carray(x, (expanded,), np.float64)
    return 0


_number, _address = ctypes.c_int64, ctypes.c_void_p
_KINDS = (_number, _number, _address, _address, _address, _address)


def call(x: np.ndarray, user_data: np.ndarray) -> tuple[float, np.ndarray]:
    """Log-density at v and u, (D + n K,), and its gradient."""
    value, gradient = ctypes.c_double(), np.full(x.size, np.nan)
    ctypes.CFUNCTYPE(*_KINDS)(value_and_gradient.address)(
        x.size, x.ctypes.data, gradient.ctypes.data, ctypes.addressof(value), user_data.ctypes.data
    )
    return value.value, gradient
