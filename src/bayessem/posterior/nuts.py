"""nutpie with plain arrays: a model to draws, without loading what would wrap them."""

from __future__ import annotations

import importlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow

from bayessem.text.progress import Bar


class _ArvizLater(ModuleType):
    """Stands for ArviZ in nutpie: the real one is imported when an attribute is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by whatever looks through all modules
            raise AttributeError(name)
        return getattr(importlib.import_module("arviz"), name)


@contextmanager
def _without_arviz() -> Iterator[None]:
    """Imports nutpie without ArviZ and its figures, which take a second.

    nutpie only wraps draws in it, and we take them as they are. Everybody else imports the real
    one, as nutpie does (`pymc.sample`) when it comes to wrapping draws.
    """
    if "arviz" in sys.modules:
        yield
        return
    sys.modules["arviz"] = _ArvizLater("arviz")
    try:
        yield
    finally:
        del sys.modules["arviz"]


with _without_arviz():
    import nutpie
    from nutpie import _lib as _lib
    from nutpie.sample import CompiledModel as CompiledModel

# Name of the one variable that is sampled.
VARIABLE = "unconstrained"


# Seconds between two looks at draws that come, and how many times as long as a look they are.
EVERY, SELDOM = 1.0, 20.0
# Columns of nutpie's table of progress, whose rows would break in a narrower terminal.
TABLE = 110
Trace = tuple[np.ndarray, dict[str, np.ndarray]]


def run_nutpie(
    model: CompiledModel, *, seen: Callable[[Trace], None] | None = None, **options: Any
) -> Trace:
    """Sample with `nutpie.sample`: draws (chain, draw, kept), and its statistics (chain, draw).

    What an interrupted chain has not come to is nan (false, 0, "None").

    Parameters
    ----------
    model : CompiledModel
    seen : callable, optional
        Called about every second with all draws so far, and at the end.
    **options
        Of `nutpie.sample`.
    """
    (kept,) = model.shapes[VARIABLE]
    with _progress(options) as options:
        if seen is None:
            return _arrays(nutpie.sample(model, return_raw_trace=True, **options), kept)
        trace = _arrays(_watched(model, seen, options), kept)
    seen(trace)
    return trace


@contextmanager
def _progress(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The options, with one line of progress where nutpie's table would not fit the terminal."""
    columns = shutil.get_terminal_size().columns
    if not (options.get("progress_bar") and sys.stderr.isatty() and columns < TABLE):
        yield options
        return
    total = options["chains"] * (options["tune"] + options["draws"])
    bar = Bar("draws", total, sys.stderr)

    def show(chains: Sequence[Any]) -> None:
        done, wrong = (
            sum(getattr(c, n) for c in chains) for n in ("finished_draws", "divergences")
        )
        bar.show(min(done, total), f", {wrong} divergences" if wrong else "")

    try:
        yield {**options, "progress_bar": False, "progress_callback": show}
    finally:
        bar.clear()


def _watched(model: CompiledModel, seen: Callable[[Trace], None], options: dict[str, Any]) -> Any:
    """The trace of nutpie, shown as it grows."""
    sampler = nutpie.sample(model, return_raw_trace=True, blocking=False, **options)
    pause = EVERY
    try:
        while True:
            try:
                return sampler.wait(timeout=pause)
            except TimeoutError:
                began = time.perf_counter()
                seen(_arrays(sampler.inspect(), model.shapes[VARIABLE][0]))
                pause = max(EVERY, SELDOM * (time.perf_counter() - began))
    except KeyboardInterrupt:
        return sampler.abort()
    except BaseException:
        sampler.cancel()
        raise


def _arrays(trace: Any, size: int) -> Trace:
    """Draws of so many numbers, and statistics."""
    draws, stats = trace.get_arrow_trace()
    warmup = [int(pyarrow.array(batch.column("tuning")).true_count) for batch in stats]
    out = {}
    for name in stats[0].column_names:
        columns = [batch.column(name) for batch in stats]
        if not columns[0].field.metadata.get(b"dims") and name not in ("chain", "draw"):
            out[name] = _stacked(columns, warmup)
    return _stacked([batch.column(VARIABLE) for batch in draws], warmup, size), out


def _stacked(columns: Sequence[Any], warmup: Sequence[int], size: int = 0) -> np.ndarray:
    """Arrow columns, one a chain, as an array (chain, draw, ...) without the warm-up draws.

    `size` is of a list, which a chain that was interrupted before its first draw does not say.
    """
    chains = []
    for column, first in zip(columns, warmup, strict=True):
        array = pyarrow.array(column)[first:]
        if pyarrow.types.is_large_list(array.type):
            chains.append(array.flatten().to_numpy().reshape(len(array), size))
        elif pyarrow.types.is_string(array.type):
            chains.append(np.array(array.to_pylist(), dtype=object).astype(str))
        else:
            if array.null_count:
                kind = pyarrow.types
                zero: float = False if kind.is_boolean(array.type) else 0
                array = array.fill_null(np.nan if kind.is_floating(array.type) else zero)
            chains.append(array.to_numpy(zero_copy_only=False))
    length = max(map(len, chains))
    if any(len(chain) < length for chain in chains):
        missing = {"f": np.nan, "U": "None"}.get(chains[0].dtype.kind, 0)
        chains = [
            np.concatenate([c, np.full((length - len(c), *c.shape[1:]), missing, dtype=c.dtype)])
            for c in chains
        ]
    return np.stack(chains)
