"""Routines for product terms behind symbols: compiled by themselves, only if a model needs them.

Each routine takes as long to compile as a good part of the kernel. So the kernel calls a symbol, a
few instructions of machine code made here at import that go on to the address in a slot.
`entry.load_terms` puts the compiled routine there (assembling a model that needs it does so); until
then the slot holds a Python callback that does so on the first call.
"""

import ctypes

import llvmlite.binding as llvm
from numba import carray, types

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.plan import ROUTES, unpack

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
PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_double, *C_TYPES)

# the same for Numba: of a call with addresses, and of the routine
CALL = types.float64(*[types.voidptr if t is ctypes.c_void_p else types.int64 for t in C_TYPES])
_DOUBLES, _INTEGERS = types.CPointer(types.float64), types.CPointer(types.int64)
ROUTINE = types.float64(
    _INTEGERS, types.int64, _DOUBLES, types.int64, *[_DOUBLES] * 8, types.int64, types.int64
)


# Addresses of the routines by their place in plan.ROUTES; entry.py fills those of its own.
SLOTS = (ctypes.c_int64 * len(ROUTES))()

SYMBOL = "bayessem_routed_terms"
# the place of the route, then what its routine is called with
routed_terms = types.ExternalFunction(SYMBOL, types.float64(types.int64, *CALL.args))


def _register_symbol() -> llvm.ExecutionEngine:
    """Compile the jump to the address in a route's slot, and make it known to Numba's code."""
    kinds = ["ptr" if t is ctypes.c_void_p else "i64" for t in C_TYPES]
    declared = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(kinds))
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(
        f"define double @{SYMBOL}(i64 %route, {declared}) {{\n"
        f"  %first = inttoptr i64 {ctypes.addressof(SLOTS)} to ptr\n"
        "  %slot = getelementptr i64, ptr %first, i64 %route\n"
        "  %routine = load volatile ptr, ptr %slot\n"
        f"  %value = tail call double %routine({declared})\n"
        "  ret double %value\n"
        "}\n"
    )
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    llvm.add_symbol(SYMBOL, engine.get_function_address(SYMBOL))
    return engine


_engine = _register_symbol()  # owns the machine code


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
