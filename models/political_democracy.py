"""Industrialization and political democracy in 75 developing countries (Bollen 1989).

    python models/political_democracy.py

The field's most cited example: democracy in 1965 depends on democracy in 1960 and, directly and
through it, on industrialization. The same four measures of democracy are taken in both years, so
their residuals covary. Real data; the published maximum likelihood numbers are printed beside ours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

import bayessem as bs

ROOT = Path(__file__).resolve().parents[1]

MODEL = """
  ind60 =~ x1 + x2 + x3
  dem60 =~ y1 + y2 + y3 + y4
  dem65 =~ y5 + y6 + y7 + y8

  dem60 ~ a*ind60
  dem65 ~ c*ind60 + b*dem60

  # the same question, five years later
  y1 ~~ y5
  y2 ~~ y4 + y6
  y3 ~~ y7
  y4 ~~ y8
  y6 ~~ y8

  indirect := a*b
  total    := c + a*b
"""

# Maximum likelihood, Bollen (1989, p. 322 ff.) as lavaan prints it: estimate and standard error.
PUBLISHED = {
    "dem60~ind60": (1.483, 0.399),
    "dem65~ind60": (0.572, 0.221),
    "dem65~dem60": (0.837, 0.098),
    "ind60=~x2": (2.180, 0.139),
    "ind60=~x3": (1.819, 0.152),
    "dem60=~y2": (1.257, 0.182),
    "dem60=~y3": (1.058, 0.151),
    "dem60=~y4": (1.265, 0.145),
    "dem65=~y6": (1.186, 0.169),
    "dem65=~y7": (1.280, 0.160),
    "dem65=~y8": (1.266, 0.158),
}


def main() -> None:
    """Fit, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="random seed (1)")
    parser.add_argument("--out", default=str(ROOT / "runs" / "political_democracy"))
    arguments = parser.parse_args()

    data = pd.read_csv(ROOT / "data" / "political_democracy.csv")
    sem = bs.SEM(MODEL)
    print(sem.check(data))
    fit = sem.fit(data, random_seed=arguments.seed)
    print(fit)

    summary = fit.summary()
    names = summary["lhs"] + summary["op"] + summary["rhs"]
    ours = summary.set_index(names)
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
