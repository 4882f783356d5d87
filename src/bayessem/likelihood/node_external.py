"""The engines for ordered answers behind a symbol, and the choice between them and the kernel.

Each engine is compiled by itself, only if a model needs it (as in external.py): callers are linked
with the symbol `bayessem_answers`, a few instructions that go on to the address in the engine's
slot, where `load_engine` puts the compiled routine. A plan says which by its first number.
"""

import ctypes
from importlib import import_module
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import types

from bayessem.likelihood import entry
from bayessem.likelihood.compiled import compiled

SYMBOL = "bayessem_answers"
_P, _N = ctypes.c_void_p, ctypes.c_int64
PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_double, _P, _N, _P, _N, _P, _N, _P, _P, _N)
# Modules of the engines: that of mark -1 first, then that of -2 (first number of a plan).
ENGINE_MODULES = ("node_entry", "laplace_entry")
_slots = (ctypes.c_int64 * len(ENGINE_MODULES))()


def load_engine(mark: int) -> None:
    """Load the engine of plans with this mark; compiled first, when no model has needed it yet."""
    module = import_module(f"bayessem.likelihood.{ENGINE_MODULES[-1 - mark]}")
    _slots[-1 - mark] = module.entry.address


def _first_call(mark: int) -> Any:
    """A C function that loads the engine of a mark, then is it."""

    def call(*arguments: int) -> float:
        load_engine(mark)
        return PROTOTYPE(_slots[-1 - mark])(*arguments)

    return PROTOTYPE(call)


_first_calls = [_first_call(-1 - k) for k in range(len(ENGINE_MODULES))]
for _k, _call in enumerate(_first_calls):
    _slots[_k] = ctypes.cast(_call, ctypes.c_void_p).value or 0


def _register_symbol() -> llvm.ExecutionEngine:
    """Compile the jump to the address in an engine's slot, and make it known to Numba's code."""
    kinds = ("ptr", "i64", "ptr", "i64", "ptr", "i64", "ptr", "ptr", "i64")
    declared = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(kinds))
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(
        f"define double @{SYMBOL}(i64 %engine, {declared}) {{\n"
        f"  %first = inttoptr i64 {ctypes.addressof(_slots)} to ptr\n"
        "  %slot = getelementptr i64, ptr %first, i64 %engine\n"
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
_answers = types.ExternalFunction(SYMBOL, types.float64(types.int64, *entry.SIGNATURE.args))


@compiled
def log_likelihood(elements, ints, floats, gradient):
    """As entry.log_likelihood, of a plan of any engine."""
    if ints[0] >= 0:
        return entry.log_likelihood(elements, ints, floats, gradient)
    nobody = np.empty(0)
    return _answers(
        -1 - ints[0],
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
    """As entry.respondent_log_likelihood, of a plan of any engine."""
    if ints[0] >= 0:
        entry.respondent_log_likelihood(elements, ints, floats, out)
    else:
        gradient = np.empty(elements.size)
        _answers(
            -1 - ints[0],
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
