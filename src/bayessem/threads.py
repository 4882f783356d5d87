"""One BLAS thread while bayessem computes with small matrices; several Python threads for tasks.

Two BLAS threads over a 27 by 27 matrix wait for each other longer than they calculate, several
times longer when anything else runs on the machine. Cores are for tasks that have nothing to do
with each other: their likelihoods and linear algebra are compiled and leave Python to the others.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any

# Tasks that are handed out together.
AT_ONCE = 256
_cores: ContextVar[int | None] = ContextVar("cores", default=None)
_lock = threading.Lock()
_limited = False


@cache
def _libraries(scipy: bool) -> Any:
    """The loaded BLAS libraries; looked for once, and again when SciPy has brought its own.

    Looking takes milliseconds, setting and restoring the number of threads 0.04.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """As a context or a decorator: BLAS works with one thread, afterwards with as many as before.

    Of nested calls, and of calls that several Python threads make at once, the first one limits
    and restores: two that restore what each had found could leave the user with one thread.
    """
    global _limited
    with _lock:
        first, _limited = not _limited, True
    if not first:
        yield
        return
    try:
        # compiled code calls SciPy's BLAS, everything else NumPy's
        with _libraries("scipy.linalg" in sys.modules).limit(limits=1):
            yield
    finally:
        _limited = False


def cores_here(asked: int | None = None) -> int:
    """Cores that what runs here may use: those that are asked for, or all that there are.

    Inside a task no more than its share (`with_cores`).
    """
    share = _cores.get()
    if share is not None:
        return min(asked or share, share)
    if asked:
        return asked
    mine = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(mine(0)) if mine is not None else os.cpu_count() or 1


@contextmanager
def with_cores(count: int) -> Iterator[None]:
    """What runs inside uses so many cores, so that tasks side by side do not share any."""
    before = _cores.set(count)
    try:
        yield
    finally:
        _cores.reset(before)


def side_by_side[T, R](
    task: Callable[[T], R], items: Iterable[T], *, cores: int | None = None
) -> Generator[R]:
    """Results of a task for each item, in their order, computed on several cores.

    Close it (`contextlib.closing`), so that an interruption leaves no threads at work.

    Parameters
    ----------
    task : callable
        What does not change anything that another item needs.
    items : iterable
        Its arguments.
    cores : int, optional
        Threads; by default `cores_here()`.
    """
    left = iter(items)
    with ThreadPoolExecutor(cores_here(cores)) as pool:
        try:
            while some := list(islice(left, AT_ONCE)):
                yield from pool.map(task, some)
        except BaseException:  # Ctrl-C: what waits need not be done
            pool.shutdown(wait=False, cancel_futures=True)
            raise
