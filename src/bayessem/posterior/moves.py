"""Coordinates that are turned into parameters before anything else: hierarchies and thresholds.

Most models have none, so their code is compiled apart (jump.py), for the first that has.
"""

import ctypes

from numba import types

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.jump import Jump

SYMBOL = "bayessem_moves"
_C_TYPES = (*[ctypes.c_void_p, ctypes.c_int64] * 2, *[ctypes.c_void_p] * 4, ctypes.c_int64)
MOVES = Jump(SYMBOL, ["bayessem.posterior.moves_entry"], _C_TYPES)

_CALL = [types.voidptr if t is ctypes.c_void_p else types.int64 for t in _C_TYPES]
_moves = types.ExternalFunction(SYMBOL, types.float64(types.int64, *_CALL))


@compiled
def has_moves(layout):
    """Whether a model has hierarchies or thresholds in coordinates of their own."""
    return layout.pool_at.size > 0 or layout.item_alpha.size > 0


@compiled
def move(program, numbers, x, between):
    """Turn coordinates into parameters, in place; returns log prior and log Jacobian.

    between (D,) becomes what x is between hierarchies and thresholds.
    """
    return _moves(
        0,
        program.ctypes,
        program.size,
        numbers.ctypes,
        numbers.size,
        x.ctypes,
        x.ctypes,
        between.ctypes,
        x.ctypes,
        0,
    )


@compiled
def pull_move(program, numbers, x, before, between, d_x):
    """Adjoint of `move`: x after it, `before` it; d_x becomes the gradient by `before`."""
    _moves(
        0,
        program.ctypes,
        program.size,
        numbers.ctypes,
        numbers.size,
        x.ctypes,
        before.ctypes,
        between.ctypes,
        d_x.ctypes,
        1,
    )
