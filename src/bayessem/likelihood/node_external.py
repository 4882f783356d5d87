"""The node engine behind a symbol, and the choice between it and the kernel.

The engine is compiled by itself, only if a model has ordered answers (as in external.py): callers
are linked with the symbol `bayessem_nodes`, a few instructions that go on to the address in a slot,
where `load_nodes` puts the compiled routine.
"""

import ctypes

import llvmlite.binding as llvm
import numpy as np
from numba import types

from bayessem.likelihood import entry
from bayessem.likelihood.compiled import compiled

SYMBOL = "bayessem_nodes"
_P, _N = ctypes.c_void_p, ctypes.c_int64
PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_double, _P, _N, _P, _N, _P, _N, _P, _P, _N)
_slot = ctypes.c_int64(0)


def load_nodes() -> None:
    """Load the node engine; compiled first, when no model has needed it yet."""
    from bayessem.likelihood import node_entry

    _slot.value = node_entry.entry.address


@PROTOTYPE
def _first_call(*arguments: int) -> float:
    """Load the node engine, then be it."""
    load_nodes()
    return PROTOTYPE(_slot.value)(*arguments)


_slot.value = ctypes.cast(_first_call, ctypes.c_void_p).value or 0


def _register_symbol() -> llvm.ExecutionEngine:
    """Compile the jump to the address in the slot, and make its symbol known to Numba's code."""
    kinds = ("ptr", "i64", "ptr", "i64", "ptr", "i64", "ptr", "ptr", "i64")
    declared = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(kinds))
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(
        f"define double @{SYMBOL}({declared}) {{\n"
        f"  %slot = inttoptr i64 {ctypes.addressof(_slot)} to ptr\n"
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
_nodes = types.ExternalFunction(SYMBOL, entry.SIGNATURE)


@compiled
def log_likelihood(elements, ints, floats, gradient):
    """As entry.log_likelihood, of a plan of either engine."""
    if ints[0] >= 0:
        return entry.log_likelihood(elements, ints, floats, gradient)
    nobody = np.empty(0)
    return _nodes(
        elements.ctypes,
        elements.size,
        ints.ctypes,
        ints.size,
        floats.ctypes,
        floats.size,
        gradient.ctypes,
        nobody.ctypes,
        0,
    )


@compiled
def respondent_log_likelihood(elements, ints, floats, out):
    """As entry.respondent_log_likelihood, of a plan of either engine."""
    if ints[0] >= 0:
        entry.respondent_log_likelihood(elements, ints, floats, out)
    else:
        gradient = np.empty(elements.size)
        _nodes(
            elements.ctypes,
            elements.size,
            ints.ctypes,
            ints.size,
            floats.ctypes,
            floats.size,
            gradient.ctypes,
            out.ctypes,
            out.size,
        )
