"""Tasks that tests hand to workers, which have to find them in a module."""

import os
import time
from pathlib import Path

import numpy as np

from bayessem.errors import ModelError
from bayessem.threads import cores_here


def draw(shared: float, item: tuple[int, int]) -> float:
    """A number that depends on the seed of the item alone; the seconds of some differ."""
    k, seed = item
    time.sleep(0.002 * (k % 5))
    return shared + float(np.random.default_rng(seed).standard_normal())


def where(shared: object, item: object) -> tuple[int, int, list[int]]:
    """Process, cores and BLAS threads of a task."""
    from threadpoolctl import threadpool_info

    np.linalg.inv(np.eye(2))
    time.sleep(0.05)
    blas = [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]
    return os.getpid(), cores_here(), blas


def fail(shared: object, item: int) -> int:
    """An error of ours at one item."""
    if item == 3:
        raise ModelError("item 3 is none")
    return item


def die_once(shared: str, item: int) -> int:
    """Its process ends the first time that item 2 is tried."""
    mark = Path(shared) / "died"
    if item == 2 and not mark.exists():
        mark.touch()
        os._exit(9)
    time.sleep(0.02)
    return item * item


def die(shared: object, item: int) -> int:
    """Its process ends whenever item 2 is tried."""
    if item == 2:
        os._exit(9)
    return item


def announce(shared: str, item: int) -> int:
    """Leaves its process id in a folder, and takes a moment."""
    (Path(shared) / f"pid-{os.getpid()}").touch()
    time.sleep(0.1)
    return item + 1


def note_ready(shared: str) -> None:
    """Leaves a mark of having been called."""
    Path(shared, f"ready-{os.getpid()}").touch()
