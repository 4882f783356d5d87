"""Time to the first draw: `python -m benchmarks.startup --json`.

Each number is of a fresh process. Cold: an empty folder for Numba's machine code; warm: the same
folder again. The last line is one JSON object: import_s, check_s, first_draw_cold_s and
first_draw_warm_s (from the call of `fit`), same_draws (1 when the cold and the warm processes drew
the same numbers from the same seed), quick_study_cold_s and quick_study_warm_s (wall time of the
whole script), hs_wall_s and hs_cpu_s (Holzinger-Swineford's three factors, from `python` to the
printed table, warm), peak_mb (of the largest process).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

IMPORT = "import time; t = time.perf_counter(); import bayessem; print(time.perf_counter() - t)"
CHECK = """
import time; t = time.perf_counter()
import sys; sys.path.insert(0, 'models')
import pandas as pd, bayessem as bs
from alliance_capability import QUADRATIC, read_data
report = bs.SEM(QUADRATIC).check(read_data())
assert report.ok
print(time.perf_counter() - t)
"""
FIRST_DRAW = """
import sys; sys.path.insert(0, 'models')
import bayessem as bs
from alliance_capability import QUADRATIC, read_data
fit = bs.SEM(QUADRATIC).fit(read_data(), draws=100, tune=100, random_seed=1, progress=False)
print(sum(float(fit.data['posterior'][k].sum()) for k in fit.prepared.space.kinds()))
print(fit.timings['before_first_draw'])
"""

HOLZINGER_SWINEFORD = """
import bayessem as bs, pandas as pd
data = pd.read_csv('data/holzinger_swineford_1939.csv')
text = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
print(bs.SEM(text).fit(data, random_seed=1, progress=False))
"""


def run(code: str, cache: str) -> list[float]:
    """Numbers that a fresh process prints, the last first."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(line) for line in reversed(done.stdout.strip().splitlines())]


def printed_fit(cache: str) -> tuple[float, float]:
    """Wall time and CPU seconds of a whole process that fits, prints and ends."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT / "src")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", HOLZINGER_SWINEFORD],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def study(cache: str, out: str) -> float:
    """Wall time of the quick study in a fresh process."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "models/alliance_capability.py", "--study", "quick", "--out", out]
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    quiet = parser.parse_args().json
    out: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        cache, runs = f"{folder}/cache", f"{folder}/run"
        out["import_s"] = min(run(IMPORT, cache)[0] for _ in range(3))
        out["check_s"] = min(run(CHECK, cache)[0] for _ in range(3))
        out["first_draw_cold_s"], drawn = run(FIRST_DRAW, cache)
        warm = [run(FIRST_DRAW, cache) for _ in range(3)]
        out["first_draw_warm_s"] = min(seconds for seconds, _ in warm)
        out["same_draws"] = float(all(again == drawn for _, again in warm))
        printed = [printed_fit(cache) for _ in range(5)]
        out["hs_wall_s"] = min(wall for wall, _ in printed)
        out["hs_cpu_s"] = min(cpu for _, cpu in printed)
        out["quick_study_warm_s"] = min(study(cache, runs) for _ in range(2))
        out["quick_study_cold_s"] = study(f"{folder}/other", runs)
    # largest process among the children, the quick study
    out["peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    out = {key: round(value, 3) for key, value in out.items()}
    if not quiet:
        for key, value in out.items():
            print(f"{key:22} {value}")
    print(json.dumps(out))


if __name__ == "__main__":
    main()
