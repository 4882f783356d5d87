"""Time to the first draw: `python -m benchmarks.startup --json`.

Each number is of a fresh process. Cold: an empty folder for Numba's machine code; warm: the same
folder again. The last line is one JSON object: import_s; check_s (the quadratic alliance model,
from `import bayessem` to the report, data included); first_draw_cold_s and first_draw_warm_s (the
same, to the first draw) with first_draw_cold_cpu_s and first_draw_warm_cpu_s (CPU seconds until
after the hundred draws, of the processes that compile, too); same_draws (1 when the cold and the
warm processes drew the same numbers from the same seed); hs_wall_s and hs_cpu_s
(Holzinger-Swineford's three factors, from `python` to the printed table, warm);
quick_study_cold_s and quick_study_warm_s (wall time of the whole script); peak_mb (of the largest
process). On a machine that does other things, only CPU seconds compare.
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
sys.path.insert(0, str(ROOT / "models"))

from alliance_capability import QUADRATIC  # noqa: E402 - beside the study's other scripts

DATA = "data/alliance_capability.csv"

IMPORT = "import time; t = time.perf_counter(); import bayessem; print(time.perf_counter() - t)"
# Text and data come from the command line: the study's script imports figures.
CHECK = """
import time; t = time.perf_counter()
import sys, pandas as pd, bayessem as bs
report = bs.SEM(sys.argv[1]).check(pd.read_csv(sys.argv[2]))
assert report.ok
print(time.perf_counter() - t)
"""
FIRST_DRAW = """
import time; t = time.perf_counter()
import os, sys, pandas as pd, bayessem as bs
sem, data = bs.SEM(sys.argv[1]), pd.read_csv(sys.argv[2])
fit = sem.fit(data, draws=100, tune=100, random_seed=1, progress=False)
done, used = time.perf_counter(), os.times()
print(sum(float(fit.draws['posterior'][k].sum()) for k in fit.prepared.space.kinds()))
print(used.user + used.system + used.children_user + used.children_system)
print(done - t - (fit.timings['total'] - fit.timings['before_first_draw']))
"""

HOLZINGER_SWINEFORD = """
import bayessem as bs, pandas as pd
data = pd.read_csv('data/holzinger_swineford_1939.csv')
text = "visual =~ x1 + x2 + x3; textual =~ x4 + x5 + x6; speed =~ x7 + x8 + x9"
print(bs.SEM(text).fit(data, random_seed=1, progress=False))
"""


def run(code: str, cache: str, *arguments: str) -> list[float]:
    """Numbers that a fresh process prints, the last first."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
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
        out["check_s"] = min(run(CHECK, cache, QUADRATIC, DATA)[0] for _ in range(3))
        first = run(FIRST_DRAW, cache, QUADRATIC, DATA)
        out["first_draw_cold_s"], out["first_draw_cold_cpu_s"], drawn = first
        warm = [run(FIRST_DRAW, cache, QUADRATIC, DATA) for _ in range(3)]
        out["first_draw_warm_s"] = min(seconds for seconds, _, _ in warm)
        out["first_draw_warm_cpu_s"] = min(cpu for _, cpu, _ in warm)
        out["same_draws"] = float(all(again == drawn for _, _, again in warm))
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
