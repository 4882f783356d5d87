"""Object files of C functions: compiled without being run, kept on disk, loaded and checked.

A file holds all C functions of one module, in one object file or in several. Numba's own cache
would have to read in the whole of Numba's type system before it loads the first function, a quarter
of a second, and does not survive a damaged file.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba.core import codegen, event, lowering
from numba.core.extending import overload
from numba.core.registry import cpu_target
from numba.core.runtime import _nrt_python, nrtdynmod
from numba.np import arrayobj

DIGEST = 64


def _define_count(module: ir.Module, operation: str, ordering: str) -> ir.Function:
    """Numba's function that adds 1 to a reference count, or takes it off, without a lock.

    The locks take a twentieth of a small model's gradient. Arrays of a C function live and die in
    one call, hence in one thread; those it is given are addresses that nobody counts.
    """
    word = ir.IntType(numba.core.config.MACHINE_BITS)
    kind = ir.FunctionType(word, [word.as_pointer()])
    function = ir.Function(module, kind, name=f"nrt_atomic_{operation}")
    builder = ir.IRBuilder(function.append_basic_block())
    (place,) = function.args
    count = getattr(builder, operation)(builder.load(place), ir.Constant(word, 1))
    builder.store(count, place)
    builder.ret(count)
    return function


def _make_passes(library: Any, module: llvm.ModuleRef) -> None:
    """Numba's passes over each function of a module that has a body; they do nothing to others."""
    module.data_layout = library._codegen._data_layout
    for function in module.functions:
        if not function.is_declaration:
            passes, builder = library._codegen._function_pass_manager()
            passes.run(function, builder)


def _link_only(library: Any) -> None:
    """Numba's last step of a function that is called by compiled ones only: its callees linked."""
    for callee in dict.fromkeys(library._linking_libraries):
        library._final_module.link_in(callee._get_module_for_linking(), preserve=True)
    library._finalized = True


def _link_and_optimise(library: Any) -> None:
    """`_link_only`, and optimised by itself."""
    _link_only(library)
    library._optimize_final_module()


def _pointer(library: Any, name: str) -> int:
    """Address of a function that nobody calls here."""
    library._ensure_finalized()
    return 1


def _c_wrapper(lower: Any) -> None:
    """A wrapper with C's calling convention for C functions, not for what they call."""
    if lower.flags.no_compile:
        lower.context.create_cfunc_wrapper(
            lower.library, lower.fndesc, lower.env, lower.call_helper
        )


@cache
def _shapes_differ() -> Callable:
    """Numba's error for a slice assigned from another size without the two sizes as text.

    The text takes all that Numba knows about strings: a fifth of the code of a small function.
    """

    def differ(source: Any, target: Any) -> None:
        raise NotImplementedError

    overload(differ)(arrayobj.ol_raise_with_shape_context_generic)
    return differ


@contextmanager
def _without_running(optimise_callees: bool) -> Iterator[None]:
    """Numba makes intermediate code only, and no machine code of each callee to run it by itself.

    The machine code of what is wanted, callees included, is made at the end. Nor does Numba make
    what serves calls from Python or tell listeners how long each step takes.
    """
    library = codegen.JITCodeLibrary
    finalize = _link_and_optimise if optimise_callees else _link_only
    with ExitStack() as stack:
        for owner, name, instead in (
            (library, "_optimize_functions", _make_passes),
            (library, "finalize", finalize),
            (library, "get_pointer_to_function", _pointer),
            (codegen.JITCPUCodegen, "set_env", lambda *arguments: None),
            (lowering.Lower, "create_cfunc_wrapper", _c_wrapper),
            (nrtdynmod, "_define_atomic_inc_dec", _define_count),
            (arrayobj, "raise_with_shape_context", _shapes_differ()),
            (event, "broadcast", lambda what: None),
        ):
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, instead)
        yield


def compile_object(
    function: Callable, signature: Any, *, optimise_callees: bool, **options: Any
) -> tuple[str, bytes]:
    """Symbol and object file of a function with C's calling convention.

    For processes that do nothing else: what else Numba compiles in it has no machine code.

    Parameters
    ----------
    function : callable
        Python's version.
    signature : numba.core.typing.templates.Signature
        Its types.
    optimise_callees : bool
        Each by itself, as Numba does, before all are optimised together; takes a fifth longer.
    **options
        Of `numba.cfunc`.
    """
    with _without_running(optimise_callees):
        library = (made := numba.cfunc(signature, **options)(function))._library
        if not optimise_callees:
            library._optimize_final_module()
    return made.native_name, library._codegen._tm.emit_object(library._final_module)


def compile_together(
    functions: Mapping[str, tuple[Callable, Any]], **options: Any
) -> dict[str, tuple[str, bytes]]:
    """`compile_object` of functions by name, as one object file for all of them.

    They share their callees, which are optimised once and only together.
    """
    with _without_running(False):
        made = {
            name: numba.cfunc(signature, **options)(function)
            for name, (function, signature) in functions.items()
        }
        first, *others = made.values()
        library = first._library
        for function in others:
            part = function._library._get_module_for_linking()
            part.get_function(function.native_name).linkage = llvm.Linkage.external
            library._final_module.link_in(part, preserve=True)
        library._optimize_final_module()
    code = library._codegen._tm.emit_object(library._final_module)
    return {name: (function.native_name, code) for name, function in made.items()}


@cache
def _machine() -> str:
    """What machine code depends on besides the sources."""
    parts = (*cpu_target.target_context.codegen().magic_tuple(), sys.implementation.cache_tag)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def path_of(folder: Path, module: str) -> Path:
    """File of a module's functions for this machine."""
    return folder / f"{module}-{_machine()}.object"


def write(path: Path, objects: Mapping[str, tuple[str, bytes]]) -> None:
    """Keep the symbol and object file of functions by name; readers see all of it or nothing."""
    files = list(dict.fromkeys(code for _, code in objects.values()))
    index = {name: (symbol, files.index(code)) for name, (symbol, code) in objects.items()}
    head = json.dumps([index, [len(code) for code in files]])
    content = head.encode() + b"\n" + b"".join(files)
    digest = hashlib.sha256(content).hexdigest().encode()
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(digest + content)
    os.replace(part, path)


def read(path: Path) -> dict[str, tuple[str, bytes]]:
    """What `write` kept; nothing when the file is missing or damaged."""
    try:
        raw = path.read_bytes()
    except OSError:
        return {}
    content = raw[DIGEST:]
    if hashlib.sha256(content).hexdigest().encode() != raw[:DIGEST]:
        return {}
    head, code = content.split(b"\n", 1)
    index, sizes = json.loads(head)
    ends = list(accumulate(sizes, initial=0))
    files = [code[start:end] for start, end in pairwise(ends)]
    return {name: (symbol, files[at]) for name, (symbol, at) in index.items()}


@cache
def _declare_helpers() -> None:
    """Make the routines that Numba's machine code calls known to the linker."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    _ = cpu_target.target_context  # BLAS, LAPACK, mathematics, Python
    for name, address in _nrt_python.c_helpers.items():  # memory
        llvm.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


@cache
def _engine(code: bytes) -> llvm.ExecutionEngine:
    """What owns the machine code of an object file, once in a process."""
    _declare_helpers()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def load(symbol: str, code: bytes) -> int:
    """Address of a function in an object file."""
    return _engine(code).get_function_address(symbol)
