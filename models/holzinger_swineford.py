"""Nine ability tests of 301 pupils (Holzinger & Swineford 1939): three correlated constructs.

    python models/holzinger_swineford.py

Visual, textual and speed, each by three tests, freely correlated. Real data; the maximum likelihood
numbers that lavaan publishes are printed beside ours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

import bayessem as bs

ROOT = Path(__file__).resolve().parents[1]

MODEL = """
  visual  =~ x1 + x2 + x3
  textual =~ x4 + x5 + x6
  speed   =~ x7 + x8 + x9
"""

# lavaan's tutorial (Rosseel 2012, doi:10.18637/jss.v048.i02): estimate and standard error.
PUBLISHED = {
    "visual=~x2": (0.554, 0.100),
    "visual=~x3": (0.729, 0.109),
    "textual=~x5": (1.113, 0.065),
    "textual=~x6": (0.926, 0.055),
    "speed=~x8": (1.180, 0.165),
    "speed=~x9": (1.082, 0.151),
    "visual~~textual": (0.408, 0.074),
    "visual~~speed": (0.262, 0.056),
    "textual~~speed": (0.173, 0.049),
}


def main() -> None:
    """Fit, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="random seed (1)")
    parser.add_argument("--out", default=str(ROOT / "runs" / "holzinger_swineford"))
    arguments = parser.parse_args()

    data = pd.read_csv(ROOT / "data" / "holzinger_swineford_1939.csv")
    sem = bs.SEM(MODEL)
    print(sem.check(data))
    fit = sem.fit(data, random_seed=arguments.seed)
    print(fit)

    summary = fit.summary()
    ours = summary.set_index(summary["lhs"] + summary["op"] + summary["rhs"])
    table = pd.DataFrame(
        {
            "published": {k: v[0] for k, v in PUBLISHED.items()},
            "se": {k: v[1] for k, v in PUBLISHED.items()},
            "posterior mean": {k: ours.loc[k, "mean"] for k in PUBLISHED},
            "posterior sd": {k: ours.loc[k, "sd"] for k in PUBLISHED},
        }
    )
    table["difference / se"] = (table["posterior mean"] - table["published"]) / table["se"]
    print("\nPublished maximum likelihood and the posterior\n")
    print(table.round(3).to_string())
    print(f"\nsaved in {fit.save(arguments.out)}")


if __name__ == "__main__":
    main()
