"""Compiled functions and the folder their machine code is kept in.

What Python and the sampler call are C functions (`c_function`). Their machine code is compiled in
other processes when it is first needed, and loaded from the folder (machine_code.py): in the
process that compiles it, Numba links a function with the copies of its callees that happen to be
there, which round differently in the last digit, and the same seed would give other draws the first
time.

The folder carries a hash of all compiled sources, because Numba's own cache does not notice a
change in a callee: an upgrade never runs old code. A damaged file counts as a missing one, and
where no folder can be written, a temporary one takes its place.

What is in the folder runs, so nobody else may write there: it belongs to its user alone, and files
are read when their checksums agree, before anything is made of them.
"""

from __future__ import annotations

import atexit
import gc
import glob
import hashlib
import importlib
import math
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache

from bayessem.likelihood.machine_code import (
    compile_object,
    compile_together,
    load,
    path_of,
    read,
    write,
)

PACKAGE = Path(__file__).resolve().parents[1]
OWN = stat.S_IRWXU  # for its owner alone
WEEK = 7 * 24 * 3600.0
# Set in the processes that compile, to the folder they compile into.
COMPILES = "BAYESSEM_COMPILES"

# Modules with C functions: what they compute, and the seconds of one core that compiling takes.
ENGINES = {
    "bayessem.likelihood.entry": ("the likelihood", 16.0),
    "bayessem.posterior.entry": ("the posterior density", 9.0),
    "bayessem.likelihood.terms": ("products of one latent variable", 3.0),
    "bayessem.posterior.moves_entry": ("coordinates of hierarchies and thresholds", 6.0),
    "bayessem.likelihood.contour": ("products of several latent variables", 10.0),
    "bayessem.likelihood.grid": ("products of several latent variables, by a grid", 27.0),
    "bayessem.likelihood.node_entry": ("ordered answers", 25.0),
    "bayessem.likelihood.level_entry": ("two-level models", 20.0),
    "bayessem.likelihood.laplace_entry": ("ordered answers of many constructs", 15.0),
    "bayessem.likelihood.student_entry": ("respondents with heavy tails", 8.0),
    "bayessem.likelihood.censored_entry": ("a censored outcome in closed form", 8.0),
    "bayessem.likelihood.level_nodes_entry": ("random slopes of unobserved predictors", 22.0),
    "bayessem.likelihood.scores_entry": ("ordered answers with sampled scores", 10.0),
    "bayessem.posterior.scores_entry": ("coordinates of scores", 5.0),
}
# Those that every model's program is linked with.
CORE = ("bayessem.likelihood.entry", "bayessem.posterior.entry", "bayessem.likelihood.terms")

# Those that one process compiles, one after the other: Numba starts once. They have no compiled
# function in common, whose machine code would depend on which of them came first.
TOGETHER = ("bayessem.posterior.entry", "bayessem.likelihood.terms")

# Those whose functions are optimised only together. Integrals would round differently then.
WHOLE = ("bayessem.likelihood.entry", "bayessem.posterior.entry")

# No "nnan" and no "ninf": a NaN has to reach the test that turns it into a log-density of -inf.
FAST = {"reassoc", "contract", "arcp", "nsz"}
OPTIONS: dict[str, Any] = {"fastmath": FAST, "error_model": "numpy"}


def source_version() -> str:
    """Hash of everything that ends up in machine code."""
    digest = hashlib.sha256(numba.__version__.encode())
    files = sorted(f for f in (PACKAGE / "likelihood").glob("*.py") if f.stem != "oracle")
    files += [
        PACKAGE / name
        for name in (
            "posterior/centring.py",
            "posterior/correlations.py",
            "posterior/entry.py",
            "posterior/evaluation.py",
            "posterior/hierarchies.py",
            "posterior/moves.py",
            "posterior/moves_entry.py",
            "posterior/program.py",
            "posterior/scores_entry.py",
            "posterior/thresholds.py",
            "posterior/transforms.py",
            "graph/operation.py",
        )
    ]
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


VERSION = source_version()


def say(text: str) -> None:
    """Tell the user, where it does not mix with results."""
    print(f"bayessem: {text}", file=sys.stderr, flush=True)


def _parents() -> Iterator[Path]:
    """Where the folder may be, the best first."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"])
        return
    yield PACKAGE / "__pycache__"
    with suppress(RuntimeError):  # nobody's home
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bayessem"


def _usable(folder: Path) -> bool:
    """Whether a folder is there, or could be made, that this user alone may write to."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=OWN, exist_ok=True)
        if not _private(folder):
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _private(folder: Path) -> bool:
    """Whether a folder is this user's own; closed to others, where they could only read.

    One that others may write to is emptied: what they put there would run.
    """
    if not hasattr(os, "geteuid"):  # no such owners and modes here
        return True
    status = folder.lstat()
    if stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid():
        return False
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        shutil.rmtree(folder)
        folder.mkdir(mode=OWN)
    elif stat.S_IMODE(status.st_mode) != OWN:
        folder.chmod(OWN)
    return True


def _cache_folder() -> Path | None:
    """Folder of this version's machine code; None where nothing at all can be written."""
    if os.environ.get(COMPILES):
        return Path(os.environ[COMPILES])
    tried = []
    for parent in _parents():
        folder = parent / f"kernel-{VERSION}"
        if _usable(folder):
            with suppress(OSError):
                _drop_old(parent, folder)
            return folder
        tried.append(str(parent))
    said = (
        f"no folder for machine code can be written (tried {', '.join(tried)}) or is this user's "
        "alone; "
    )
    remedy = "Set NUMBA_CACHE_DIR to a folder that can be written to keep it."
    try:
        temporary = Path(tempfile.mkdtemp(prefix="bayessem-"))
    except OSError:
        say(f"{said}it is compiled in every process. {remedy}")
        return None
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    say(f"{said}it is kept until this process ends. {remedy}")
    return temporary


def _drop_old(parent: Path, current: Path) -> None:
    """Remove machine code of versions that nobody has used for a week."""
    os.utime(current)
    for folder in parent.glob("kernel-*"):
        if folder != current and time.time() - folder.stat().st_mtime > WEEK:
            shutil.rmtree(folder, ignore_errors=True)


_FOLDER = _cache_folder()


@cache
def _announce(text: str) -> None:
    say(text)


class _Cache:
    """Numba's cache of a function that Python calls directly, in our folder.

    A damaged file counts as a missing one: Numba unpickles what it finds, so it is let near files
    only when they have the checksum that was written beside them. Numba's own object is made when
    it is needed, since it tries out the folder first.
    """

    def __init__(self, function: Callable) -> None:
        self.function = function

    @cached_property
    def _kept(self) -> Any:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(_FOLDER)
        try:
            return FunctionCache(self.function)
        finally:
            numba.config.CACHE_DIR = before

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Machine code for a signature, None where there is none."""
        kept = None
        try:
            if self._sum.read_text(encoding="ascii") == self._digest():
                kept = self._kept.load_overload(sig, target_context)
        except Exception:  # no file yet, or whatever else is wrong with it
            kept = None
        if kept is None:
            with suppress(OSError):
                self._kept.flush()
        if kept is None:
            _announce("compiling small functions, this once; about 10 seconds ...")
        return kept

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code, where that is possible."""
        with suppress(OSError):
            self._kept.save_overload(sig, data)
            part = self._sum.with_name(f"{self._sum.name}.{os.getpid()}")
            part.write_text(self._digest(), encoding="ascii")
            os.replace(part, self._sum)

    @property
    def _sum(self) -> Path:
        """File with the checksum of the others."""
        return Path(f"{self._kept._cache_file._index_path}.sha256")

    def _digest(self) -> str:
        """Checksum of index and machine code of the function, by name and content."""
        index = Path(self._kept._cache_file._index_path)
        digest = hashlib.sha256()
        for path in sorted(index.parent.glob(f"{glob.escape(index.stem)}.*.nbc")):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode() + content)
        digest.update(index.read_bytes())
        return digest.hexdigest()


def _jit(function: Callable, **options: Any) -> Any:
    if os.environ.get(COMPILES):  # to be called by C functions alone
        options = {**options, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    made = numba.njit(**OPTIONS, **options)(function)
    if _FOLDER is not None and not os.environ.get(COMPILES):
        made._cache = _Cache(function)
    return made


def compiled(function: Callable) -> Any:
    """`numba.njit` with fast arithmetic that keeps NaN, and this version's disk cache."""
    return _jit(function)


def inlined(function: Callable) -> Any:
    """`compiled`, but put into its caller as source: for a large function with one caller.

    Numba optimises a function by itself and again inside every caller; a chain of n large functions
    is optimised n times.
    """
    return _jit(function, inline="always")


def in_callers(function: Callable) -> Any:
    """`compiled`, but put into all callers as machine code: for a small function within loops.

    A loop that calls a function is not turned into vector instructions.
    """
    return _jit(function, forceinline=True)


_functions: list[CFunction] = []


class CFunction:
    """A function with C's calling convention.

    Attributes
    ----------
    function : callable
        Python's version.
    signature : numba.core.typing.templates.Signature
        Its types.
    """

    def __init__(self, function: Callable, signature: Any) -> None:
        self.function, self.signature = function, signature
        self.module, self.name = function.__module__, function.__name__
        _functions.append(self)

    @cached_property
    def address(self) -> int:
        """Where its machine code is; compiled first, when there is none."""
        if os.environ.get(COMPILES):
            return 1  # nobody calls it there
        kept = _objects(self.module).get(self.name)
        return load(*kept) if kept else self._here.address

    @cached_property
    def _here(self) -> Any:
        """Compiled in this process, where others cannot."""
        say(f"compiling {self.module}.{self.name} in memory ...")
        return numba.cfunc(self.signature, **OPTIONS)(self.function)


def c_function(signature: Any) -> Callable[[Callable], CFunction]:
    """Decorate a function that is called by its address."""

    def decorate(function: Callable) -> CFunction:
        return CFunction(function, signature)

    return decorate


@cache
def _objects(module: str) -> dict[str, tuple[str, bytes]]:
    """Machine code of a module's functions, compiled when it is missing."""
    if _FOLDER is None:
        return {}
    kept = read(path_of(_FOLDER, module))
    if not kept:
        compile_elsewhere(*(CORE if module in CORE else (module,)))
        kept = read(path_of(_FOLDER, module))
    return kept


def compile_module(module: str) -> None:
    """Compile a module's C functions into the folder; for a process that does nothing else."""
    assert _FOLDER is not None
    gc.disable()  # a tenth of the time, for what the process keeps to its end anyway
    importlib.import_module(module)
    functions = {f.name: (f.function, f.signature) for f in _functions if f.module == module}
    if module in WHOLE:
        objects = compile_together(functions, **OPTIONS)
    else:
        objects = {
            name: compile_object(*function, optimise_callees=True, **OPTIONS)
            for name, function in functions.items()
        }
    for code in objects.values():
        load(*code)  # ends this process, rather than the user's, where it cannot be linked
    write(path_of(_FOLDER, module), objects)


def missing(*modules: str) -> list[str]:
    """Those of the modules whose machine code is not on disk, or is damaged."""
    return [m for m in modules if _FOLDER is None or not read(path_of(_FOLDER, m))]


def _estimate(seconds: list[float]) -> str:
    """How long jobs of so many seconds will take side by side, given what else runs."""
    cores = os.cpu_count() or 1
    together = max(max(seconds), sum(seconds) / cores)
    busy = os.getloadavg()[0] / cores if hasattr(os, "getloadavg") else 0.0
    return f"about {5 * math.ceil(together * (1.0 + busy) / 5)} seconds"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits while another process compiles into the folder.

    Where there are no locks, both compile, and the last one's files stay.
    """
    with ExitStack() as stack:
        with suppress(ImportError, OSError):
            import fcntl

            file = stack.enter_context(open(folder / "lock", "wb"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another process that compiles ...")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def compile_elsewhere(*modules: str) -> None:
    """Compile what is missing of modules, side by side in other processes, and wait.

    What fails there is compiled in this process, when it is called.
    """
    if _FOLDER is None or not sys.executable or not missing(*modules):
        return
    with _alone(_FOLDER):
        jobs = missing(*modules)
        if not jobs:
            return
        what = ", ".join(ENGINES[m][0] for m in jobs)
        processes = _shared_out(jobs)
        say(f"compiling {what}, this once; {_estimate([s for _, s in processes])} ...")
        path = os.pathsep.join(p for p in (*sys.path, str(PACKAGE.parent)) if p)
        environment = {
            **os.environ,
            "PYTHONPATH": path,
            COMPILES: str(_FOLDER),
            "NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING": "1",  # nobody sees the messages it colours
        }
        run = "from bayessem.likelihood.compiled import compile_module as c; [c(m) for m in {!r}]"
        _run_all([[sys.executable, "-c", run.format(m)] for m, _ in processes], environment)


def _shared_out(jobs: list[str]) -> list[tuple[list[str], float]]:
    """Modules by the process that compiles them, and its seconds; the longest first."""
    alone = [[m] for m in jobs if m not in TOGETHER]
    shares = [*alone, [m for m in TOGETHER if m in jobs]]
    seconds = [(share, sum(ENGINES[m][1] for m in share)) for share in shares if share]
    return sorted(seconds, key=lambda share: -share[1])


def _run_all(commands: list[list[str]], environment: dict[str, str]) -> None:
    """Run commands in their order, as many side by side as there are cores, and wait."""
    waiting = list(reversed(commands))
    running: list[subprocess.Popen] = []
    nothing = subprocess.DEVNULL
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                process = subprocess.Popen(
                    waiting.pop(), env=environment, stdin=nothing, stdout=nothing, stderr=nothing
                )
                running.append(process)
            time.sleep(0.02)
            running = [process for process in running if process.poll() is None]
    except OSError:
        pass
    finally:
        for process in running:
            process.kill()
            process.wait()


def warm() -> tuple[Path | None, tuple[str, ...]]:
    """Compile everything that no model has needed yet, so that no later run has to wait.

    Returns
    -------
    Path or None
        The folder that keeps machine code; None where no folder can be written.
    tuple of str
        What could not be compiled there.
    """
    compile_elsewhere(*ENGINES)
    return _FOLDER, tuple(ENGINES[m][0] for m in missing(*ENGINES))
