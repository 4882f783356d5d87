"""What handing fits to workers costs, and what more workers gain.

`python -m benchmarks.executor` prints one JSON object. A task is a fit by maximum likelihood of the
alliance study's quadratic model to a data set of its own, repeated until it has taken a second of
CPU time.

- overhead_ms: milliseconds of wall time that a task which does nothing takes on its way to a worker
  and back, with the payload of a design study, by executor; `stored`: with its result written to a
  store, which waits for the disk.
- driver_ms: CPU milliseconds of the process that hands out the tasks, for each of a second.
- overhead_share: the larger of the two for "processes", stored, as a share of one second.
- speed_up: wall time of the same tasks with one worker over that with two and with four (no more
  than there are cores can be gained), in processes of ours and on a Dask cluster.
- cores: that this process may use.
- seconds: wall time a task in this process and by number of workers.
- load: of the machine before and after, by which wall times have to be read.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from bayessem import SEM
from bayessem.execution import run
from bayessem.ml.estimate import fit_ml
from bayessem.model.prepare import Prepared
from bayessem.store import Store
from bayessem.threads import cores_here

DATA = Path(__file__).resolve().parents[1] / "data" / "alliance_capability.csv"
MODEL = """
AMC =~ COORD + PORTF + LEARN + PROACT + TRANSF
COORD =~ co1 + co2 + co3
PORTF =~ po1 + po2 + po3
LEARN =~ le1 + le2 + le3
PROACT =~ pr1 + pr2 + pr3
TRANSF =~ tr1 + tr2 + tr3 + tr4
RAD =~ ra1 + ra2 + ra3
RAD ~ AMC + AMC:AMC
"""
SECOND, TASKS, EMPTY = 1.0, 16, 200
WORKERS = 1, 2, 4
RESULT = {"converged": True, "found": {f"target {k}": [k, 0.1, 0.0, 0.2, 0.1] for k in range(4)}}


def one_second(prepared: Prepared, item: int) -> dict[str, Any]:
    """A second of fits."""
    began = time.process_time()
    while time.process_time() - began < SECOND:
        fit_ml(prepared)
    return nothing(prepared, item)


def nothing(prepared: Prepared, item: int) -> dict[str, Any]:
    """A result without work."""
    return {**RESULT, "pid": os.getpid()}


def timed(
    task: Callable[[Prepared, int], Any],
    prepared: Prepared,
    count: int,
    *,
    executor: Any = None,
    cores: int = 1,
    store: Store | None = None,
) -> tuple[float, float]:
    """Wall and CPU seconds of this process a task, once all workers have begun to deliver."""
    began = cpu = 0.0
    workers: set[int] = set()
    counted = 0
    endless = run(task, prepared, itertools.count(), executor=executor, cores=cores)
    with closing(endless) as results:
        for k, result in results:
            if store is not None:
                store.add(str(k), result)
            if began:
                counted += 1
            workers.add(result["pid"])
            if not began and len(workers) >= cores:
                began, cpu = time.perf_counter(), time.process_time()
            if counted == count:
                break
        return (time.perf_counter() - began) / count, (time.process_time() - cpu) / count


@contextmanager
def dask_cluster(workers: int) -> Iterator[Any]:
    """A client of so many worker processes on this machine."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def main() -> None:
    """Measure and print."""
    before = os.getloadavg()[0]
    prepared = SEM(MODEL).prepare(pd.read_csv(DATA))
    fit_ml(prepared)
    one: dict[str, Any] = {"executor": "processes", "cores": 1}
    overhead = {
        "here": timed(nothing, prepared, EMPTY)[0],
        "processes": timed(nothing, prepared, EMPTY, **one)[0],
    }
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s", "empty", {}) as store:
        overhead["processes, stored"] = timed(nothing, prepared, EMPTY, store=store, **one)[0]
    seconds = {"here": timed(one_second, prepared, TASKS)[0]}
    speed_up, driver = {}, 0.0
    for workers in WORKERS:
        seconds[f"processes, {workers}"], cpu = timed(
            one_second, prepared, TASKS, executor="processes", cores=workers
        )
        driver = max(driver, cpu)
    for workers in WORKERS if find_spec("distributed") else ():
        with dask_cluster(workers) as client:
            if workers == 1:
                overhead["dask"] = timed(nothing, prepared, EMPTY, executor=client)[0]
            seconds[f"dask, {workers}"], _ = timed(
                one_second, prepared, TASKS, executor=client, cores=workers
            )
    for label in [name for name in seconds if name not in ("here", "processes, 1", "dask, 1")]:
        alone = seconds[f"{label.split(',')[0]}, 1"]
        speed_up[label] = round(alone / seconds[label], 2)
    dearest = max(overhead["processes, stored"], driver)
    found = {
        "overhead_ms": {k: round(1000 * v, 2) for k, v in overhead.items()},
        "driver_ms": round(1000 * driver, 2),
        "overhead_share": round(dearest / SECOND, 4),
        "speed_up": speed_up,
        "cores": cores_here(),
        "seconds": {k: round(v, 2) for k, v in seconds.items()},
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    from benchmarks import executor  # under a name that workers find

    executor.main()
