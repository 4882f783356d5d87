"""The programs of evaluation.py as C functions for Python and the sampler, one for all models.

Each takes as its last argument the addresses and sizes of the four packed arrays of a `Density`, so
that the same machine code serves every model.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numba
import numpy as np
from numba.core import types

from bayessem.likelihood.addresses import pointer
from bayessem.likelihood.compiled import CFunction, c_function
from bayessem.posterior.evaluation import (
    log_density,
    matrix_elements,
    natural_values,
    respondent_values,
)

# What the density returns outside its support; nutpie ends the trajectory and calls it divergent.
OUTSIDE = 4
_DOUBLES = types.CPointer(types.double)  # type: ignore[attr-defined]
_SIZE = types.int64


@c_function(types.int64(types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, types.voidptr))
def value_and_gradient(dimension, x, gradient, value, user_data):
    """`log_density` to value and gradient, as nutpie calls it; 0, or what is wrong."""
    addresses = numba.carray(user_data, (8,), np.int64)
    program = numba.carray(pointer(addresses[0]), (addresses[1],), np.int64)
    numbers = numba.carray(pointer(addresses[2]), (addresses[3],), np.float64)
    ints = numba.carray(pointer(addresses[4]), (addresses[5],), np.int64)
    floats = numba.carray(pointer(addresses[6]), (addresses[7],), np.float64)
    point = numba.carray(x, (dimension,), np.float64)
    out = numba.carray(gradient, (dimension,), np.float64)
    result = log_density(point, program, numbers, ints, floats, out)
    numba.carray(value, (1,), np.float64)[0] = result
    if not np.isfinite(result):
        return OUTSIDE
    for i in range(out.size):
        if not np.isfinite(out[i]):
            return 3
    return 0


@c_function(types.int64(types.uint64, types.uint64, _DOUBLES, _DOUBLES, types.voidptr))
def copy(dimension, expanded, x, out, user_data):
    """Nutpie's step from the sampled coordinates to what it keeps of them."""
    numba.carray(out, (expanded,), np.float64)[:] = numba.carray(x, (dimension,), np.float64)
    return 0


@c_function(types.void(_SIZE, _SIZE, _DOUBLES, _DOUBLES, types.voidptr))
def natural(count, dimension, points, out, user_data):
    """`natural_values` on addresses."""
    addresses = numba.carray(user_data, (8,), np.int64)
    natural_values(
        numba.carray(points, (count, dimension), np.float64),
        numba.carray(pointer(addresses[0]), (addresses[1],), np.int64),
        numba.carray(pointer(addresses[2]), (addresses[3],), np.float64),
        numba.carray(out, (count, dimension), np.float64),
    )


@c_function(types.void(_SIZE, _SIZE, _SIZE, _DOUBLES, _DOUBLES, types.voidptr))
def elements(count, dimension, size, values, out, user_data):
    """`matrix_elements` on addresses."""
    addresses = numba.carray(user_data, (8,), np.int64)
    matrix_elements(
        numba.carray(values, (count, dimension), np.float64),
        numba.carray(pointer(addresses[0]), (addresses[1],), np.int64),
        numba.carray(pointer(addresses[2]), (addresses[3],), np.float64),
        numba.carray(out, (count, size), np.float64),
    )


@c_function(types.void(_SIZE, _SIZE, _SIZE, _DOUBLES, _DOUBLES, types.voidptr))
def respondents(count, dimension, size, values, out, user_data):
    """`respondent_values` on addresses."""
    addresses = numba.carray(user_data, (8,), np.int64)
    respondent_values(
        numba.carray(values, (count, dimension), np.float64),
        numba.carray(pointer(addresses[0]), (addresses[1],), np.int64),
        numba.carray(pointer(addresses[2]), (addresses[3],), np.float64),
        numba.carray(pointer(addresses[4]), (addresses[5],), np.int64),
        numba.carray(pointer(addresses[6]), (addresses[7],), np.float64),
        numba.carray(out, (count, size), np.float64),
    )


def _python_call(function: CFunction, *kinds: Any) -> Any:
    return ctypes.CFUNCTYPE(*kinds)(function.address)


_P, _N = ctypes.c_void_p, ctypes.c_int64
_value_and_gradient = _python_call(value_and_gradient, _N, _N, _P, _P, _P, _P)
_natural = _python_call(natural, None, _N, _N, _P, _P, _P)
_elements = _python_call(elements, None, _N, _N, _N, _P, _P, _P)
_respondents = _python_call(respondents, None, _N, _N, _N, _P, _P, _P)


class Calls:
    """The C functions for one density; every array is contiguous.

    user_data : ndarray (8,), address and size of each of the packed arrays, which it keeps.
    """

    def __init__(self, *packed: np.ndarray) -> None:
        self._packed = [np.ascontiguousarray(a) for a in packed]
        self.user_data = np.array(
            [x for a in self._packed for x in (a.ctypes.data, a.size)], dtype=np.int64
        )
        self._data = self.user_data.ctypes.data

    def value_and_gradient(self, x: np.ndarray, gradient: np.ndarray) -> float:
        """Log-density at x (D,), and its gradient into `gradient`."""
        value = ctypes.c_double()
        _value_and_gradient(
            len(x), x.ctypes.data, gradient.ctypes.data, ctypes.addressof(value), self._data
        )
        return value.value

    def natural(self, points: np.ndarray, out: np.ndarray) -> None:
        """`density.natural_values`."""
        _natural(*points.shape, points.ctypes.data, out.ctypes.data, self._data)

    def elements(self, values: np.ndarray, out: np.ndarray) -> None:
        """`density.matrix_elements`."""
        _elements(*values.shape, out.shape[1], values.ctypes.data, out.ctypes.data, self._data)

    def respondents(self, values: np.ndarray, out: np.ndarray) -> None:
        """`density.respondent_values`."""
        _respondents(*values.shape, out.shape[1], values.ctypes.data, out.ctypes.data, self._data)
