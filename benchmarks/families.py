"""Recovery of paths to a censored duration and to a count: coverage over data sets.

python -m benchmarks.families [data sets [respondents]]

Each data set has 200 respondents by default, a construct measured by three normal items, an
overdispersed count over unequal years and a Weibull duration of which about a third is
right-censored. Maximum likelihood on nodes with standard errors of the observed information;
intervals are estimate +- 1.96 standard errors.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

import bayessem as bs

MODEL = "F =~ a1 + a2 + a3\ncount ~ F\ntime ~ F"
OPTIONS: dict = {
    "std_lv": True,
    "family": {"count": "negative_binomial", "time": "weibull"},
    "exposure": {"count": "years"},
    "censored": {"time": "flag"},
}
TRUE = {
    "count~F": 0.4,
    "time~F": -0.3,
    "count~~count": 0.5,
    "time~~time": 0.6**2 * np.pi**2 / 6.0,
}


def drawn(n: int, seed: int) -> pd.DataFrame:
    """One data set."""
    rng = np.random.default_rng(seed)
    f = rng.normal(size=n)
    out = pd.DataFrame({f"a{j}": 0.8 * f + 0.6 * rng.normal(size=n) for j in (1, 2, 3)})
    out["years"] = rng.integers(1, 4, size=n)
    rate = np.exp(0.3 + TRUE["count~F"] * f) * rng.gamma(2.0, 0.5, size=n)
    out["count"] = rng.poisson(out["years"] * rate)
    wait = np.exp(1.0 + TRUE["time~F"] * f + 0.6 * np.log(rng.standard_exponential(size=n)))
    stop = rng.uniform(1.0, 6.0, size=n)
    out["time"], out["flag"] = np.minimum(wait, stop), (wait > stop).astype(int)
    return out


def main(count: int, n: int) -> None:
    """Print bias, spread, mean standard error and coverage of each parameter."""
    found, spread, censored = [], [], []
    began = time.process_time()
    for seed in range(count):
        data = drawn(n, seed)
        fit = bs.SEM(MODEL, **OPTIONS).ml(data)
        place = [fit.prepared.table.parameters.index(name) for name in TRUE]
        found.append(fit.x[place])
        spread.append(np.sqrt(np.diag(fit.covariance))[place])
        censored.append(data["flag"].mean())
    estimates, errors = np.array(found), np.array(spread)
    truth = np.array(list(TRUE.values()))
    inside = np.abs(estimates - truth) < 1.96 * errors
    print(f"{count} data sets, {100 * np.mean(censored):.0f} % of the durations censored, ")
    print(f"{(time.process_time() - began) / count:.2f} s of CPU each")
    table = pd.DataFrame(
        {
            "true": truth,
            "mean": estimates.mean(axis=0),
            "sd": estimates.std(axis=0, ddof=1),
            "se": errors.mean(axis=0),
            "coverage": inside.mean(axis=0),
        },
        index=list(TRUE),
    )
    print(table.round(3).to_string())


if __name__ == "__main__":
    main(*map(int, (*sys.argv[1:], *("200", "200")[len(sys.argv) - 1 :])))
