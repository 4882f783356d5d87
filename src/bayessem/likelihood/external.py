"""How the kernel calls the routines of product terms that are compiled by themselves (jump.py)."""

import ctypes

from numba import carray, types

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.jump import Jump
from bayessem.likelihood.plan import ROUTED, unpack

# ints, floats, data, projected, gram, curve, pull, second, d_curve, out: addresses of contiguous
# arrays, each of the first two followed by its size; last the numbers of respondents and of places
# in out
C_TYPES = (
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_void_p,
    ctypes.c_int64,
    *[ctypes.c_void_p] * 8,
    ctypes.c_int64,
    ctypes.c_int64,
)

# the same for Numba: of a call with addresses, and of the routine
CALL = types.float64(*[types.voidptr if t is ctypes.c_void_p else types.int64 for t in C_TYPES])
_DOUBLES, _INTEGERS = types.CPointer(types.float64), types.CPointer(types.int64)
ROUTINE = types.float64(
    _INTEGERS, types.int64, _DOUBLES, types.int64, *[_DOUBLES] * 8, types.int64, types.int64
)

SYMBOL = "bayessem_routed_terms"
TERMS = Jump(SYMBOL, [f"bayessem.likelihood.{route}" for route in ROUTED], C_TYPES)
routed_terms = types.ExternalFunction(SYMBOL, types.float64(types.int64, *CALL.args))


def load_terms(route: str) -> None:
    """Load the routine of a route (products.py), where it has one of its own."""
    if route in ROUTED:
        TERMS.load(ROUTED.index(route))


@compiled
def arrays(
    ints, n_ints, floats, n_floats, data, projected, gram, curve, pull, second, d_curve, out,
    n, n_out,
):  # fmt: skip
    """The arrays at the addresses of a call, the first two as a Plan."""
    plan = unpack(carray(ints, (n_ints,)), carray(floats, (n_floats,)))
    size, curved = plan.columns.size, plan.curved.size
    return (
        plan,
        carray(data, (n, plan.sizes[8])),
        carray(projected, (n, size)),
        carray(gram, (size, size)),
        carray(curve, (curved,)),
        carray(pull, (n, size)),
        carray(second, (size, size)),
        carray(d_curve, (curved,)),
        carray(out, (n_out,)),
    )
