"""Routines for product terms behind symbols: compiled by themselves, only if a model needs them.

Each routine takes as long to compile as a good part of the kernel. So the kernel calls a symbol, a
few instructions of machine code made here at import that go on to the address in a slot.
`entry.load_terms` puts the compiled routine there (assembling a model that needs it does so); until
then the slot holds a Python callback that does so on the first call.
"""

import ctypes

import llvmlite.binding as llvm
from numba import types

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


def _symbol(route: str) -> str:
    return f"bayessem_{route}_terms"


grid_terms = types.ExternalFunction(_symbol("grid"), CALL)
contour_terms = types.ExternalFunction(_symbol("contour"), CALL)

# Addresses of the routines by their route in products.py; entry.py fills them.
SLOTS = {"contour": ctypes.c_int64(0), "grid": ctypes.c_int64(0)}


def _register_symbols() -> llvm.ExecutionEngine:
    """Compile the jumps to the addresses in the slots, and make them known to Numba's code."""
    kinds = ["ptr" if t is ctypes.c_void_p else "i64" for t in C_TYPES]
    declared = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(kinds))
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    jumps = "".join(
        f"define double @{_symbol(route)}({declared}) {{\n"
        f"  %slot = inttoptr i64 {ctypes.addressof(slot)} to ptr\n"
        "  %routine = load volatile ptr, ptr %slot\n"
        f"  %value = tail call double %routine({declared})\n"
        "  ret double %value\n"
        "}\n"
        for route, slot in SLOTS.items()
    )
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(jumps), machine)
    engine.finalize_object()
    for route in SLOTS:
        llvm.add_symbol(_symbol(route), engine.get_function_address(_symbol(route)))
    return engine


_engine = _register_symbols()  # owns the machine code
