"""Recovery of a response surface of constructs: `python -m benchmarks.recovery_surface --json`.

Data sets from a model with two latent predictors (correlation .3) and an outcome of three
indicators each, reliabilities of .74 to .80, n = 300, and a surface with a congruence effect; each
is fitted by sampling (2 x (500 + 500) draws). Share of 90 % intervals of the coefficients b1 to b5
and of a1 to a5 that hold the truth, their bias, divergences and the CPU seconds of all fits.
`--sets` (200). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import pandas as pd

from bayessem.sem import SEM

N = 300
MODEL = """
X =~ 1*x1 + l2*x2 + l3*x3
Z =~ 1*z1 + l2*z2 + l3*z3
Y =~ y1 + y2 + y3
Y ~ X + Z + X:X + X:Z + Z:Z
"""
# b1 to b5 of the outcome on the latent metric; a4 = -.6: lower where the two disagree.
SURFACE = {"b1": 0.3, "b2": 0.25, "b3": -0.15, "b4": 0.3, "b5": -0.15}
QUANTITIES = ("b1", "b2", "b3", "b4", "b5", "a1", "a2", "a3", "a4", "a5")


def truth() -> dict[str, float]:
    """All quantities that are judged."""
    b1, b2, b3, b4, b5 = SURFACE.values()
    return {
        **SURFACE,
        "a1": b1 + b2,
        "a2": b3 + b4 + b5,
        "a3": b1 - b2,
        "a4": b3 - b4 + b5,
        "a5": b3 - b5,
    }


def simulated(seed: int) -> pd.DataFrame:
    """A data set."""
    rng = np.random.default_rng(seed)
    x, z = rng.multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], N).T
    b1, b2, b3, b4, b5 = SURFACE.values()
    y = b1 * x + b2 * z + b3 * x * x + b4 * x * z + b5 * z * z + 0.6 * rng.normal(size=N)
    return pd.DataFrame(
        {
            f"{name}{i}": value + 0.5 * rng.normal(size=N)
            for name, value in {"x": x, "z": z, "y": y}.items()
            for i in (1, 2, 3)
        }
    )


def main() -> None:
    """Fit all data sets and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--sets", type=int, default=200)
    arguments = parser.parse_args()
    sem, true = SEM(MODEL), truth()
    means, inside, divergences = [], [], 0
    began = time.process_time()
    for seed in range(arguments.sets):
        fit = sem.fit(
            simulated(seed), chains=2, draws=500, tune=500, random_seed=seed, progress=False
        )
        divergences += int(fit.draws["sample_stats"]["diverging"].sum())
        surface = fit.response_surface("X", "Z", "Y", metric="raw", center=0.0, scores=False)
        draws = {q: surface.draws.sel(quantity=q).values.ravel() for q in QUANTITIES}
        low_high = {q: np.quantile(d, (0.05, 0.95)) for q, d in draws.items()}
        means.append([draws[q].mean() for q in QUANTITIES])
        inside.append([low_high[q][0] < true[q] < low_high[q][1] for q in QUANTITIES])
    spent = time.process_time() - began
    found = pd.DataFrame(
        {
            "true": [true[q] for q in QUANTITIES],
            "bias": np.mean(means, axis=0) - [true[q] for q in QUANTITIES],
            "sd": np.std(means, axis=0, ddof=1),
            "coverage": np.mean(inside, axis=0),
        },
        index=list(QUANTITIES),
    )
    print(found.round(3).to_string())
    print(f"{divergences} divergences; {spent:.0f} CPU seconds")
    if arguments.json:
        out = {f"coverage_{q}": float(found["coverage"][q]) for q in QUANTITIES}
        print(json.dumps({**out, "divergences": divergences, "cpu_s": round(spent)}))


if __name__ == "__main__":
    main()
