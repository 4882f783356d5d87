"""C2 given covariates under the model and not: `python -m benchmarks.answer_fit null --sets 200`.

A construct on a number and a binary variable, with five answers of two to four categories, fitted
by maximum likelihood: the mean of C2, which is its degrees of freedom when the model holds, and the
share of data sets that a test at 5 % rejects. Cases: `null`; `missing` (15 % of the answers);
`logit`; `number` (an item that is a number); `direct` (an item depends on the binary variable,
too, by .4) and `slope` (on the number, by .25); `shared` (two items share a variance of .36). The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import pandas as pd

import bayessem as bs

CASES = ("null", "missing", "logit", "number", "direct", "slope", "shared")
CUTS = ((-0.5, 0.6), (0.2,), (-1.0, 0.1, 0.9), (-0.3, 0.8), (0.4,))
LOADINGS = np.array([0.8, 1.0, 0.7, 1.1, 0.9])
ITEMS = [f"i{k}" for k in range(1, 6)]
LOGIT = 1.7  # the unit of latent responses with logistic residuals


def one_set(case: str, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Answers and covariates of n respondents."""
    z, w = rng.normal(size=n), (rng.random(n) < 0.4).astype(float)
    f = 0.5 * z + 0.5 * w + rng.normal(size=n)
    unit = LOGIT if case == "logit" else 1.0
    noise = rng.logistic(size=(n, 5)) if case == "logit" else rng.normal(size=(n, 5))
    latent = unit * np.outer(f, LOADINGS) + noise
    if case in ("direct", "slope"):
        latent[:, 2] += 0.4 * w if case == "direct" else 0.25 * z
    if case == "shared":
        latent[:, :2] += 0.6 * rng.normal(size=(n, 1))
    answers = {
        name: (latent[:, k, None] > unit * np.array(CUTS[k])).sum(axis=1).astype(float)
        for k, name in enumerate(ITEMS)
    }
    out = pd.DataFrame(answers)
    if case == "missing":
        out = out.mask(rng.random(out.shape) < 0.15)
    if case == "number":
        out["y"] = 2.0 + 0.7 * f + 0.9 * rng.normal(size=n)
    return out.assign(z=z, w=w)


def main() -> None:
    """Fit the data sets and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--respondents", type=int, default=300)
    parser.add_argument("--seed", type=int, default=123)
    options = parser.parse_args()
    measured = [*ITEMS, *(["y"] if options.case == "number" else [])]
    sem = bs.SEM(
        f"f =~ {' + '.join(measured)}\nf ~ z + w",
        std_lv=True,
        ordered=ITEMS,
        link="logit" if options.case == "logit" else "probit",
        parameterization="theta",
    )
    rng, began = np.random.default_rng(options.seed), time.process_time()
    found = [
        sem.ml(one_set(options.case, options.respondents, rng), se="none").measures
        for _ in range(options.sets)
    ]
    c2 = np.array([m["c2"] for m in found])
    rejected = np.mean([m["c2.pvalue"] < 0.05 for m in found])
    result = {
        "case": options.case,
        "respondents": options.respondents,
        "sets": options.sets,
        "df": found[0]["c2.df"],
        "mean": round(float(c2.mean()), 2),
        "error": round(float(c2.std() / np.sqrt(len(c2))), 2),
        "variance_over_2df": round(float(c2.var() / (2.0 * found[0]["c2.df"])), 2),
        "rejected": round(float(rejected), 3),
        "cpu_seconds": round(time.process_time() - began, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
