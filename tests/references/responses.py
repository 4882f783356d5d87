"""Writes responses.csv, the data of responses.R: regressions with answers of every family.

    python tests/references/responses.py

Values are rounded and kept in the file, so that nothing depends on a generator of random numbers.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

HERE = Path(__file__).parent


def drawn(n: int = 150) -> pd.DataFrame:
    """Two predictors, an exposure, and an answer of each family."""
    rng = np.random.default_rng(21)
    out = pd.DataFrame({"z": rng.normal(size=n), "w": rng.normal(size=n)}).round(3)
    eta = 0.4 + 0.5 * out["z"] - 0.3 * out["w"]
    out["years"] = rng.uniform(0.5, 4.0, size=n).round(2)
    out["count"] = rng.poisson(out["years"] * np.exp(eta))
    out["many"] = rng.poisson(out["years"] * np.exp(eta) * rng.gamma(1.5, 1.0 / 1.5, size=n))
    time = np.exp(eta + 0.6 * rng.normal(size=n))
    stop = rng.uniform(0.5, 5.0, size=n)
    out["time"] = np.minimum(time, stop).round(3)
    out["flag"] = (time > stop).astype(int)
    early = time < 0.6
    out.loc[early, "time"], out.loc[early, "flag"] = 0.6, -1
    out["from"], out["to"] = np.floor(time), np.floor(time) + 1.0  # years in whole numbers
    out.loc[time > 4.0, ["from", "to"]] = 4.0, np.nan
    out.loc[out["from"] == 0.0, "from"] = np.nan
    out["limited"] = np.clip(eta + rng.normal(size=n), 0.0, 2.0).round(3)
    out["share"] = rng.beta(expit(eta) * 6.0, expit(-eta) * 6.0).clip(0.001, 0.999).round(3)
    u = rng.uniform(size=n)
    out["edge"] = np.where(u < 0.1, 0.0, np.where(u > 0.85, 1.0, out["share"]))
    return out


if __name__ == "__main__":
    drawn().to_csv(HERE / "responses.csv", index=False)
