"""Recovery of the alliance study: `python -m benchmarks.coverage --json`.

Simulated data sets (data/simulate_alliance.py, without moderation and without planted misfit, so
that the model is true), a fit of each at the default settings, and how often the 95 % intervals of
the eight structural coefficients cover the true values. Coefficients are compared standardised: all
true variances are 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "models"))
sys.path.insert(0, str(ROOT))

from alliance_capability import QUADRATIC  # noqa: E402

import bayessem as bs  # noqa: E402
from bayessem.results.standardize import standardised  # noqa: E402
from data.simulate_alliance import TRUE, simulate  # noqa: E402

COEFFICIENTS = (
    "RAD~AMC",
    "RAD~AMC:AMC",
    "INC~AMC",
    "INC~AMC:AMC",
    "speed~RAD",
    "speed~AMC",
    "SUCC~INC",
    "SUCC~AMC",
)


def main() -> None:
    """Simulate, fit, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    parser.add_argument("--data-sets", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=1001)
    arguments = parser.parse_args()
    sem = bs.SEM(QUADRATIC)
    names = [f"{r.lhs}{r.op}{r.rhs}" for r in sem.table.rows]
    rows = [names.index(name) for name in COEFFICIENTS]
    truth = np.array([TRUE[name] for name in COEFFICIENTS])
    inside, errors, divergences, unsound = [], [], 0, 0
    began = time.perf_counter()
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.data_sets):
        data = simulate(278, seed=seed, moderation=False, misfit=False)
        fit = sem.fit(data, random_seed=seed, progress=False)
        # every construct has true variance 1, so the standardised solution is in the true metric
        draws = standardised(fit.prepared.structure, fit.elements)[..., rows].reshape(-1, 8)
        lower, upper = np.quantile(draws, [0.025, 0.975], axis=0)
        inside.append((lower <= truth) & (truth <= upper))
        errors.append(draws.mean(axis=0) - truth)
        divergences += fit.diagnosis.divergences
        unsound += not fit.diagnosis.ok
        if not arguments.json:
            print(seed, inside[-1].astype(int), fit.diagnosis.divergences, flush=True)
    out = {
        "data_sets": arguments.data_sets,
        "coverage": round(float(np.mean(inside)), 4),
        "coverage_by_coefficient": dict(
            zip(COEFFICIENTS, np.mean(inside, axis=0).round(3).tolist(), strict=True)
        ),
        "bias": dict(zip(COEFFICIENTS, np.mean(errors, axis=0).round(4).tolist(), strict=True)),
        "divergences": divergences,
        "fits_with_advice": int(unsound),
        "seconds": round(time.perf_counter() - began, 1),
    }
    print(json.dumps(out))


if __name__ == "__main__":
    main()
