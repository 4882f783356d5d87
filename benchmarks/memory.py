"""Memory of a process that fits again and again: flat, or a leak.

`python -m benchmarks.memory` prints one JSON object.

- fits: how many fits were made of each kind, after `warm` ones that load what is needed.
- megabytes: resident memory after the warm fits and after each quarter of the others.
- growth_kilobytes: a fit, by least squares over the second half.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayessem import SEM

DATA = Path(__file__).resolve().parents[1] / "data" / "holzinger_swineford_1939.csv"
MODEL = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
SQUARE = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\ng ~ f + f:f"
WARM, FITS = 10, 200


def resident() -> float:
    """Resident memory of this process, in megabytes (Linux)."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024.0


def measured(model: str, data: pd.DataFrame, count: int) -> dict[str, Any]:
    """Memory over fits of a model."""
    sem = SEM(model)
    readings = []
    for k in range(WARM + count):
        fit = sem.fit(data, draws=200, tune=200, chains=2, random_seed=k, progress=False)
        fit.summary()
        del fit
        gc.collect()
        if k >= WARM - 1:
            readings.append(resident())
    half = readings[len(readings) // 2 :]
    slope = np.polyfit(np.arange(len(half)), half, 1)[0]
    quarters = [readings[int(q * (len(readings) - 1))] for q in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return {
        "fits": count,
        "warm": WARM,
        "megabytes": [round(x, 1) for x in quarters],
        "growth_kilobytes": round(1024.0 * float(slope), 2),
    }


def main() -> dict[str, Any]:
    """Both kinds of models."""
    data = pd.read_csv(DATA)
    return {"linear": measured(MODEL, data, FITS), "square": measured(SQUARE, data, FITS // 4)}


if __name__ == "__main__":
    print(json.dumps(main(), indent=None if "--json" in sys.argv else 1))
