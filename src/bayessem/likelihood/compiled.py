"""Numba's decorators with a disk cache that cannot go stale.

Numba's own cache notices a change of the file a function stands in, not of the functions it calls.
Here the cache folder carries a hash of all compiled sources: an upgrade never runs old code.

Compiling is left to other processes (`compile_elsewhere`), so that all that ever runs is loaded
from the cache. In the process that compiles it, Numba links a function with the copies of its
callees that happen to be there, which round differently in the last digit from what it writes to
the cache: the same seed would give other draws the first time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba

PACKAGE = Path(__file__).resolve().parents[1]
WEEK = 7 * 24 * 3600.0
# Set in the processes that compile; "callers" where the kernel itself is left to another.
ROLE = "BAYESSEM_COMPILES"

# No "nnan" and no "ninf": a NaN has to reach the test that turns it into a log-density of -inf.
FAST = {"reassoc", "contract", "arcp", "nsz"}


def source_version() -> str:
    """Hash of everything that ends up in machine code."""
    digest = hashlib.sha256(numba.__version__.encode())
    files = sorted(f for f in (PACKAGE / "likelihood").glob("*.py") if f.stem != "oracle")
    files += [
        PACKAGE / name
        for name in (
            "posterior/centring.py",
            "posterior/correlations.py",
            "posterior/density.py",
            "posterior/hierarchies.py",
            "posterior/program.py",
            "posterior/transforms.py",
            "posterior/native.py",
            "graph/operation.py",
        )
    ]
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path | None:
    """Folder of this version's machine code; None leaves the choice to Numba (NUMBA_CACHE_DIR)."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return Path(os.environ["NUMBA_CACHE_DIR"]) / f"bayessem-{VERSION}"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bayessem"
    for parent in (PACKAGE / "__pycache__", home):
        folder = parent / f"kernel-{VERSION}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError:
            continue
        _drop_old(parent, folder)
        return folder
    return None


def _drop_old(parent: Path, current: Path) -> None:
    """Remove machine code of versions that nobody has used for a week."""
    os.utime(current)
    for folder in parent.glob("kernel-*"):
        if folder != current and time.time() - folder.stat().st_mtime > WEEK:
            shutil.rmtree(folder, ignore_errors=True)


VERSION = source_version()
_FOLDER = _cache_folder()
# Nothing is compiled yet.
FIRST_TIME = _FOLDER is None or not any(_FOLDER.rglob("*.nbi"))


@contextmanager
def _caching() -> Iterator[None]:
    before = numba.config.CACHE_DIR
    if _FOLDER is not None:
        numba.config.CACHE_DIR = str(_FOLDER)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def compiled(function: Callable) -> Any:
    """`numba.njit` with fast arithmetic that keeps NaN, and this version's disk cache."""
    with _caching():
        return numba.njit(cache=True, fastmath=FAST, error_model="numpy")(function)


def inlined(function: Callable) -> Any:
    """`compiled`, but put into its caller as source: for a large function with one caller.

    Numba optimises a function by itself and again inside every caller; a chain of n large functions
    is optimised n times.
    """
    with _caching():
        return numba.njit(cache=True, fastmath=FAST, error_model="numpy", inline="always")(function)


def c_function(signature: Any) -> Callable[[Callable], Any]:
    """`numba.cfunc` with this version's disk cache."""

    def decorate(function: Callable) -> Any:
        with _caching():
            return numba.cfunc(signature, cache=True, fastmath=FAST, error_model="numpy")(function)

    return decorate


def compile_elsewhere(*jobs: tuple[str, str]) -> None:
    """Run Python code that compiles, side by side in processes of their own, and wait.

    What fails there is compiled in this process, when it is called.

    Parameters
    ----------
    *jobs : tuple of (role, code)
        Value of the environment variable `ROLE`, and what to run.
    """
    if _FOLDER is None or os.environ.get(ROLE) or not sys.executable:
        return
    path = os.pathsep.join(p for p in (*sys.path, str(PACKAGE.parent)) if p)
    environment = {**os.environ, "PYTHONPATH": path}
    started: list[subprocess.Popen] = []
    try:
        for role, code in jobs:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-c", code],
                    env={**environment, ROLE: role},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        for process in started:
            process.wait()
    except OSError:
        pass
    finally:
        for process in started:
            process.kill()
            process.wait()


def missing(function: str) -> bool:
    """Whether there is no machine code of a function (module.name) on disk."""
    return _FOLDER is None or not any(_FOLDER.rglob(f"{function}-*.nbi"))


if FIRST_TIME and not os.environ.get(ROLE):
    print("bayessem: compiling, this once; about half a minute ...", file=sys.stderr, flush=True)
    compile_elsewhere(
        ("kernel", "import bayessem.likelihood.entry"),
        ("callers", "from bayessem.posterior.native import compile_all; compile_all()"),
    )
