"""The general product terms behind a symbol: compiled by themselves, only if a model needs them.

The routine of general.py takes as long to compile as all the rest of the kernel. So the kernel
calls the symbol `bayessem_product_terms`, a few instructions of machine code made here at import
that go on to the address in a slot. `entry.load_general_terms` puts the compiled routine there
(assembling a model that needs it does so); until then the slot holds a Python callback that does so
on the first call.
"""

import ctypes

import llvmlite.binding as llvm
from numba import types

SYMBOL = "bayessem_product_terms"

# ints, floats, data, projected, gram, pull, second, out: addresses of contiguous arrays, each of
# the first two followed by its size; last the numbers of respondents and of places in out
C_TYPES = (
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_void_p,
    ctypes.c_int64,
    *[ctypes.c_void_p] * 6,
    ctypes.c_int64,
    ctypes.c_int64,
)
PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_double, *C_TYPES)

# the same for Numba: of a call with addresses, and of the routine
CALL = types.float64(*[types.voidptr if t is ctypes.c_void_p else types.int64 for t in C_TYPES])
_DOUBLES, _INTEGERS = types.CPointer(types.float64), types.CPointer(types.int64)
ROUTINE = types.float64(
    _INTEGERS, types.int64, _DOUBLES, types.int64, *[_DOUBLES] * 6, types.int64, types.int64
)

general_terms = types.ExternalFunction(SYMBOL, CALL)


# Address of the routine; entry.py fills it.
slot = ctypes.c_int64(0)


def _register_symbol() -> llvm.ExecutionEngine:
    """Compile the jump to the address in the slot, and make its symbol known to Numba's code."""
    kinds = ["ptr" if t is ctypes.c_void_p else "i64" for t in C_TYPES]
    declared = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(kinds))
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(
        f"define double @{SYMBOL}({declared}) {{\n"
        f"  %slot = inttoptr i64 {ctypes.addressof(slot)} to ptr\n"
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
