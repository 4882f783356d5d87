"""Routines behind symbols: compiled by themselves, only if a model needs them.

A routine of its own (an engine, a way to integrate products) takes as long to compile as a good
part of the kernel. So its callers are linked with a symbol: a few instructions of machine code,
made here at import, that go on to the address in a slot. The compiled routine is put there when a
model that needs it is assembled; until then the slot holds a Python callback that does so.
"""

import ctypes
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any

import llvmlite.binding as llvm


class Jump:
    """A symbol for several routines of one signature, told apart by the first argument.

    Parameters
    ----------
    symbol : str
        Name by which machine code calls it, with the place of the routine first.
    modules : sequence of str
        Where the routines are, in the order of their places; each module's `entry` is one.
    parameters : sequence of ctypes types
        What a routine takes, c_void_p or c_int64 each; it returns a double.
    """

    def __init__(self, symbol: str, modules: Sequence[str], parameters: Sequence[Any]) -> None:
        self.modules = tuple(modules)
        self.prototype = ctypes.CFUNCTYPE(ctypes.c_double, *parameters)
        self.slots = (ctypes.c_int64 * len(modules))()
        places = range(len(modules))
        self.first_calls = [self.prototype(partial(self._first_call, place)) for place in places]
        for place in places:
            self.unload(place)
        self._engine = self._register(symbol, parameters)  # owns the machine code

    def load(self, place: int) -> None:
        """Put a routine into its slot; compiled first, when no model has needed it yet."""
        self.slots[place] = import_module(self.modules[place]).entry.address

    def unload(self, place: int) -> None:
        """Put the callback that loads the routine into its slot."""
        self.slots[place] = ctypes.cast(self.first_calls[place], ctypes.c_void_p).value or 0

    def _first_call(self, place: int, *arguments: int) -> float:
        self.load(place)
        return float(self.prototype(self.slots[place])(*arguments))

    def _register(self, symbol: str, parameters: Sequence[Any]) -> llvm.ExecutionEngine:
        """Compile the jump to the address in a slot, and make it known to Numba's code."""
        kinds = ["ptr" if t is ctypes.c_void_p else "i64" for t in parameters]
        declared = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(kinds))
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        module = llvm.parse_assembly(
            f"define double @{symbol}(i64 %place, {declared}) {{\n"
            f"  %first = inttoptr i64 {ctypes.addressof(self.slots)} to ptr\n"
            "  %slot = getelementptr i64, ptr %first, i64 %place\n"
            "  %routine = load volatile ptr, ptr %slot\n"
            f"  %value = tail call double %routine({declared})\n"
            "  ret double %value\n"
            "}\n"
        )
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        llvm.add_symbol(symbol, engine.get_function_address(symbol))
        return engine
