"""Political Democracy at default settings, seed after seed: does every fit converge?

`python -m benchmarks.seeds --json` prints one JSON object on the last line:

- converged, seeds: fits that meet every criterion of diagnostics.py and have the right signs in
  every chain, out of how many.
- worst_rhat, lowest_ess_bulk, lowest_ess_tail, divergences, lowest_bfmi: over all fits.
- walls: draws that met the edge of positive definite residual covariances (no divergences).
- signs: fits in which every loading and path is positive in every chain, as in maximum likelihood.
- seconds: median wall time of a fit, the first (which loads compiled code) left out.
- runs: the same by seed.

The default sampler settings of `SEM.fit` (4 chains of 1000 + 1000 draws) are used unchanged.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import pandas as pd

from bayessem import SEM, Fit

DATA = Path(__file__).resolve().parents[1] / "data" / "political_democracy.csv"
MODEL = """
ind60 =~ x1 + x2 + x3
dem60 =~ y1 + y2 + y3 + y4
dem65 =~ y5 + y6 + y7 + y8
dem60 ~ ind60
dem65 ~ ind60 + dem60
y1 ~~ y5
y2 ~~ y4 + y6
y3 ~~ y7
y4 ~~ y8
y6 ~~ y8
"""


def positive_in_every_chain(fit: Fit) -> bool:
    """Whether every loading and path has a positive mean in every chain: no mirror mode."""
    posterior = fit.draws["posterior"]
    return all(bool((posterior[kind].mean("draw") > 0).all()) for kind in ("loading", "path"))


def run(seed: int, data: pd.DataFrame) -> dict:
    start = time.perf_counter()
    fit = SEM(MODEL).fit(data, random_seed=seed, progress=False)
    found = fit.diagnosis
    signs = positive_in_every_chain(fit)
    return {
        "seed": seed,
        "rhat": round(found.worst_rhat[1], 4),
        "ess_bulk": round(found.lowest_ess_bulk[1]),
        "ess_tail": round(found.lowest_ess_tail[1]),
        "divergences": found.divergences,
        "walls": found.walls,
        "bfmi": round(min(found.bfmi), 3),
        "signs": signs,
        "converged": found.ok and signs,
        "seconds": round(time.perf_counter() - start, 2),
    }


def measure(seeds: int) -> dict:
    data = pd.read_csv(DATA)
    runs = []
    for seed in range(1, seeds + 1):
        runs.append(run(seed, data))
        print(" ".join(f"{key} {value}" for key, value in runs[-1].items()), flush=True)
    return {
        "seeds": seeds,
        "converged": sum(r["converged"] for r in runs),
        "signs": sum(r["signs"] for r in runs),
        "worst_rhat": max(r["rhat"] for r in runs),
        "lowest_ess_bulk": min(r["ess_bulk"] for r in runs),
        "lowest_ess_tail": min(r["ess_tail"] for r in runs),
        "divergences": sum(r["divergences"] for r in runs),
        "walls": sum(r["walls"] for r in runs),
        "lowest_bfmi": min(r["bfmi"] for r in runs),
        "seconds": statistics.median(r["seconds"] for r in runs[1:] or runs),
        "runs": runs,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--seeds", type=int, default=50, help="how many (default 50)")
    arguments = parser.parse_args()
    results = measure(arguments.seeds)
    if arguments.json:
        print(json.dumps(results))
    else:
        print(*(f"{k:16} {v}" for k, v in results.items() if k != "runs"), sep="\n")
