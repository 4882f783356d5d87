"""Writes covariates.csv, the data of covariates.R: answers of 2 to 4 categories and two covariates.

    python tests/references/covariates.py

Values are rounded and kept in the file, so that nothing depends on a generator of random numbers.
"""

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
CUTS = ([-0.4, 0.6], [0.2], [-1.0, 0.1, 0.9], [-0.3, 0.8], [-0.7, 0.0, 1.1])


def drawn(n: int = 400) -> pd.DataFrame:
    """A construct on a number and a binary variable, five answers, one depending on it directly."""
    rng = np.random.default_rng(31)
    out = pd.DataFrame({"z": (20.0 + 3.0 * rng.normal(size=n)).round(2)})
    out["w"] = (rng.random(n) < 0.4).astype(int)
    f = 0.15 * (out["z"] - 20.0) + 0.4 * out["w"] + rng.normal(size=n)
    for k, cuts in enumerate(CUTS, start=1):
        latent = (0.6 + 0.1 * k) * f + rng.normal(size=n)
        if k == 2:
            latent = latent + 0.5 * out["w"]
        out[f"x{k}"] = (latent.to_numpy()[:, None] > np.array(cuts)).sum(axis=1)
    out["y"] = (1.0 + 0.7 * f + 0.9 * rng.normal(size=n)).round(3)
    out["g"] = np.where(rng.random(n) < 0.45, "a", "b")
    return out


if __name__ == "__main__":
    drawn().to_csv(HERE / "covariates.csv", index=False)
