"""Integrated against sampled latents, one quadratic model: `python -m benchmarks.agreement`.

The alliance model is sampled both ways. The last line is one JSON object: largest_z, the largest
difference of posterior means in Monte Carlo standard errors, and the smallest and largest ratio of
posterior standard deviations, over all parameters.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "models"))

from alliance_capability import QUADRATIC, read_data  # noqa: E402

import bayessem as bs  # noqa: E402
from bayessem.posterior.diagnostics import convergence  # noqa: E402


def main() -> None:
    """Sample both ways and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    parser.add_argument("--draws", type=int, default=800, help="of each of 2 chains, sampled")
    arguments = parser.parse_args()
    sem, data = bs.SEM(QUADRATIC), read_data()
    fits = [
        sem.fit(data, random_seed=1, progress=False),
        sem.fit(
            data,
            latents="sampled",
            draws=arguments.draws,
            tune=700,
            chains=2,
            random_seed=2,
            progress=False,
        ),
    ]
    values = [fit.parameters.values for fit in fits]
    sizes = [convergence(v)["ess_bulk"].to_numpy() for v in values]
    means = [v.mean(axis=(0, 1)) for v in values]
    sds = [v.std(axis=(0, 1)) for v in values]
    error = np.sqrt(sum(s**2 / n for s, n in zip(sds, sizes, strict=True)))
    ratio = sds[1] / sds[0]
    out = {
        "largest_z": round(float(np.abs((means[0] - means[1]) / error).max()), 3),
        "smallest_sd_ratio": round(float(ratio.min()), 3),
        "largest_sd_ratio": round(float(ratio.max()), 3),
        "smallest_ess_sampled": round(float(sizes[1].min()), 1),
    }
    if not arguments.json:
        for fit in fits:
            print(fit.diagnosis)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
