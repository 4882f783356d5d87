"""What handing fits to workers costs, and what two workers gain.

`python -m benchmarks.executor` prints one JSON object. A task is a fit by maximum likelihood of the
alliance study's quadratic model to a data set of its own, repeated until it has taken a second of
CPU time.

- overhead_ms: milliseconds of wall time that a task which does nothing takes on its way to a worker
  and back, with the payload of a design study, by executor; `stored`: with its result written to a
  store, which waits for the disk.
- driver_ms: CPU milliseconds of the process that hands out the tasks, for each of a second.
- overhead_share: the larger of the two for "processes", stored, as a share of one second.
- speed_up: wall time of the same tasks with one worker over that with two.
- seconds: wall times of the tasks in this process, with one worker, with two.
- load: of the machine before and after, by which wall times have to be read.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from bayessem import SEM
from bayessem.execution import run
from bayessem.ml.estimate import fit_ml
from bayessem.model.prepare import Prepared
from bayessem.store import Store

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
SECOND, TASKS, EMPTY = 1.0, 6, 200
RESULT = {"converged": True, "found": {f"target {k}": [k, 0.1, 0.0, 0.2, 0.1] for k in range(4)}}


def one_second(prepared: Prepared, item: int) -> float:
    """A second of fits."""
    began = time.process_time()
    while time.process_time() - began < SECOND:
        fit_ml(prepared)
    return time.process_time() - began


def nothing(prepared: Prepared, item: int) -> dict[str, Any]:
    """A result without work."""
    return RESULT


def timed(
    task: Callable[[Prepared, int], Any],
    prepared: Prepared,
    items: Iterable[int],
    *,
    executor: Any = None,
    cores: int | None = None,
    store: Store | None = None,
) -> tuple[float, float]:
    """Wall and CPU seconds of this process, from the first result to the last."""
    began = cpu = 0.0
    with closing(run(task, prepared, items, executor=executor, cores=cores)) as results:
        for count, (k, result) in enumerate(results):
            if store is not None:
                store.add(f"{id(results)} {k}", result)
            if not count:  # workers have started
                began, cpu = time.perf_counter(), time.process_time()
        return time.perf_counter() - began, time.process_time() - cpu


def main() -> None:
    """Measure and print."""
    before = os.getloadavg()[0]
    prepared = SEM(MODEL).prepare(pd.read_csv(DATA))
    fit_ml(prepared)
    overhead = {}
    overhead["here"] = 1000 * timed(nothing, prepared, range(EMPTY))[0] / EMPTY
    one = {"executor": "processes", "cores": 1}
    overhead["processes"] = 1000 * timed(nothing, prepared, range(EMPTY), **one)[0] / EMPTY
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s", "empty", {}) as store:
        wall, _ = timed(nothing, prepared, range(EMPTY), store=store, **one)
    overhead["processes, stored"] = 1000 * wall / EMPTY
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        pass
    else:
        with (
            LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            wall, _ = timed(nothing, prepared, range(EMPTY), executor=client)
            overhead["dask"] = 1000 * wall / EMPTY
    seconds = {"here": timed(one_second, prepared, range(TASKS + 1))[0]}
    seconds["one worker"], driver = timed(one_second, prepared, range(TASKS + 1), **one)
    seconds["two workers"], _ = timed(
        one_second, prepared, range(TASKS + 1), executor="processes", cores=2
    )
    dearest = max(overhead["processes, stored"], 1000 * driver / TASKS)
    found = {
        "overhead_ms": {k: round(v, 2) for k, v in overhead.items()},
        "driver_ms": round(1000 * driver / TASKS, 2),
        "overhead_share": round(dearest / 1000, 4),
        "speed_up": round(seconds["one worker"] / seconds["two workers"], 2),
        "seconds": {k: round(v, 1) for k, v in seconds.items()},
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    from benchmarks import executor  # under a name that workers find

    executor.main()
