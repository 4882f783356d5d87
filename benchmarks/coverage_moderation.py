"""How often intervals of a cross-level moderation hold the true value, with 30 clusters.

    python benchmarks/coverage_moderation.py --sets 200 --out coverage.csv

Data: 30 clusters of 10 to 20 respondents; y = a_j + s_j x + e with a_j and s_j normal about linear
functions of a cluster variable z. One row a data set is appended to the file as it is done, so that
a run can be continued.
"""

import argparse
import csv
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import bayessem as bs

MODEL = """
level: 1
  y ~ rv("s")*x
level: 2
  y ~ z
  s ~ z
  s ~~ y
"""
CLUSTERS, MODERATION, SLOPE = 30, 0.3, 0.4
# Of the residuals of intercepts and slopes, with a covariance of .08.
EFFECTS = np.array([[0.4, 0.08], [0.08, 0.1]])


def simulated(seed: int) -> pd.DataFrame:
    """One data set."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(10, 21, size=CLUSTERS)
    z = rng.standard_normal(CLUSTERS)
    u = rng.multivariate_normal(np.zeros(2), EFFECTS, size=CLUSTERS)
    code = np.repeat(np.arange(CLUSTERS), sizes)
    x = rng.standard_normal(len(code))
    slope = SLOPE + MODERATION * z + u[:, 1]
    y = 1.0 + (0.5 * z + u[:, 0])[code] + slope[code] * x + rng.standard_normal(len(code))
    return pd.DataFrame({"y": y, "x": x, "z": z[code], "firm": code})


def main() -> None:
    """Fit the data sets that the file does not have yet, and say how many intervals hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("coverage.csv"))
    options = parser.parse_args()
    done = len(options.out.read_text().splitlines()) if options.out.is_file() else 0
    warnings.simplefilter("ignore")
    for seed in range(done, options.sets):
        fit = bs.SEM(MODEL).fit(
            simulated(seed), cluster="firm", draws=500, tune=500, chains=2, random_seed=seed,
            progress=False,
        )  # fmt: skip
        row = fit.summary().query("lhs == 's' and op == '~'").iloc[0]
        line = [seed, row["mean"], row["sd"], row.lower, row.upper, row.r_hat]
        with options.out.open("a", newline="") as file:
            csv.writer(file).writerow(line)
    table = pd.read_csv(
        options.out, header=None, names=["seed", "mean", "sd", "lower", "upper", "rhat"]
    )
    held = (table.lower <= MODERATION) & (table.upper >= MODERATION)
    sys.stdout.write(
        f"{held.sum()} of {len(table)} intervals of 95 % hold the true value ({held.mean():.1%}); "
        f"mean estimate {table['mean'].mean():.3f} (true {MODERATION}), mean posterior sd "
        f"{table.sd.mean():.3f}, sd of the estimates {table['mean'].std():.3f}\n"
    )


if __name__ == "__main__":
    main()
