"""Large data: time and memory of fits by the number of respondents, from a Parquet file.

`python -m benchmarks.large` prints one JSON object; `--quick` stops at 100,000 and 5,000.

Each fit has a process of its own, which is given the path of a file with the model's nine variables
and forty others. Linear: two constructs of four items and a covariate, 3 % of the cells missing at
random (or none). Squares: the same with the first construct squared.

- respondents, missing: of the file.
- prepare, before, sampling, respondents_values, total: seconds of wall time: reading and checking
  the file, then what comes before the first draw, drawing, the respondents' log-likelihoods.
- cpu: seconds of all cores.
- peak: largest resident memory of the process, in megabytes; start: before the data are read.
- difference: largest difference of a draw from those of the same data as a data frame in memory, in
  posterior standard deviations (linear models).
- slowest_ess: the smallest effective sample size of a parameter, of 4 chains of 500 draws.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bayessem import SEM

LINEAR = "f =~ x1 + x2 + x3 + x4\ng =~ y1 + y2 + y3 + y4\ng ~ f + z"
MODELS = {"linear": LINEAR, "squares": f"{LINEAR} + f:f"}
PLAN = (
    *(("linear", n, 0.0) for n in (10_000, 100_000, 1_000_000)),
    *(("linear", n, 0.03) for n in (100_000, 1_000_000)),
    *(("squares", n, 0.0) for n in (1_000, 5_000, 50_000, 100_000)),
)
OTHERS, CHUNK = 40, 50_000
SETTINGS = {"draws": 500, "tune": 500, "chains": 4, "random_seed": 1, "progress": False}


def write(path: Path, kind: str, n: int, missing: float) -> None:
    """A file of n respondents, written in chunks."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, writer = np.random.default_rng(n), None
    for first in range(0, n, CHUNK):
        size = min(CHUNK, n - first)
        f, z = rng.normal(size=(2, size))
        g = 0.5 * f + 0.3 * z + 0.8 * rng.normal(size=size)
        g = g - 0.15 * f**2 * (kind == "squares")
        columns = {f"x{k}": f + rng.normal(size=size) for k in range(1, 5)}
        columns |= {f"y{k}": g + rng.normal(size=size) for k in range(1, 5)}
        columns = {c: np.where(rng.random(size) < missing, np.nan, v) for c, v in columns.items()}
        columns["z"] = z
        columns |= {f"other{k}": rng.normal(size=size) for k in range(OTHERS)}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def peak() -> float:
    """Largest resident memory of this process so far, in megabytes."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0, 0)


def measured(kind: str, path: str, n: int, compare: bool) -> dict[str, Any]:
    """Fit the data of a file; for a process that does nothing else."""
    import bayessem.fit  # noqa: F401 - what a fit needs is loaded before it is measured

    start, began, cpu = peak(), time.perf_counter(), time.process_time()
    sem = SEM(MODELS[kind])
    sem.prepare(path)
    prepared = time.perf_counter() - began
    began = time.perf_counter()
    fit = sem.fit(path, **SETTINGS)  # type: ignore[arg-type]
    total = time.perf_counter() - began
    spent, most = time.process_time() - cpu, peak()
    out = {
        "respondents": n,
        "prepare": prepared,
        "before": fit.timings["before_first_draw"],
        "sampling": fit.timings["sampling"],
        "respondents_values": fit.timings["log_likelihood"],
        "total": total,
        "cpu": spent,
    }
    out = {k: round(v, 2) for k, v in out.items()}
    out |= {"start": start, "peak": most, "slowest_ess": int(fit.summary()["ess_bulk"].min())}
    if compare:
        import pandas as pd

        whole = sem.fit(pd.read_parquet(path), **SETTINGS)  # type: ignore[arg-type]
        spread = fit.values.std(axis=(0, 1))
        out["difference"] = float(np.abs((fit.values - whole.values) / spread).max())
    return out


def main(quick: bool = False) -> list[dict[str, Any]]:
    """All rows, each measured by itself."""
    rows = []
    for kind, n, missing in PLAN:
        if quick and n > {"linear": 100_000, "squares": 5_000}[kind]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "large.parquet"
            write(path, kind, n, missing)
            compare = kind == "linear"
            run = (
                "import json; from benchmarks.large import measured as m; "
                f"print(json.dumps(m({kind!r}, {str(path)!r}, {n}, {compare})))"
            )
            done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        rows.append({"model": kind, "missing": missing, **json.loads(done.stdout)})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    print(json.dumps(main("--quick" in sys.argv), indent=None if "--json" in sys.argv else 1))
