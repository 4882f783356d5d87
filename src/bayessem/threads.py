"""One BLAS thread while bayessem computes with small matrices.

Two threads over a 27 by 27 matrix wait for each other longer than they calculate, several times
longer when anything else runs on the machine.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

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
