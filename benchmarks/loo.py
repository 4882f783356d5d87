"""Does LOO choose the right model, and is it exact? `python -m benchmarks.loo --json`.

First, 50 data sets with a quadratic relation between two constructs and 50 with a linear one
(n = 150, three indicators each): how often does LOO prefer the quadratic model? Second, the elpd of
20 respondents of one quadratic model (half of them those with the largest Pareto k, half at random)
against brute-force refits without each. The last line is one JSON object.

`--answers` does the second alone, for two constructs of four ordered items each, one of which
explains the other; three respondents contradict themselves.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import pandas as pd

import bayessem as bs
from bayessem.comparison.importance import log_mean_error, log_mean_exp
from bayessem.comparison.loo import Loo
from bayessem.comparison.refits import log_predictive, refit_without

LINEAR = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ X\n"
QUADRATIC = LINEAR + "Y ~ X:X\n"
SLOPE, SQUARE, DISTURBANCE, NOISE = 0.4, -0.3, 0.7, 0.6


def simulate(n: int, square: float, *, seed: int) -> pd.DataFrame:
    """Six indicators of X and of Y = slope X + square X^2 + disturbance."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = SLOPE * x + square * x**2 + rng.normal(0, DISTURBANCE, n)
    columns = {f"x{j}": x + rng.normal(0, NOISE, n) for j in (1, 2, 3)}
    return pd.DataFrame(columns | {f"y{j}": y + rng.normal(0, NOISE, n) for j in (1, 2, 3)})


def choices(sets: int, *, seed: int, n: int = 150) -> dict[str, dict[str, float]]:
    """What LOO says about the quadratic model, by what is true."""
    out: dict[str, dict[str, float]] = {}
    options: dict[str, Any] = {"draws": 400, "tune": 400, "chains": 2, "progress": False}
    for truth, square in (("quadratic", SQUARE), ("linear", 0.0)):
        verdicts, repaired = [], 0
        for i in range(sets):
            data = simulate(n, square, seed=seed + 1000 * i)
            fits = {
                name: bs.SEM(text).fit(data, random_seed=seed + i, **options)
                for name, text in (("linear", LINEAR), ("quadratic", QUADRATIC))
            }
            found = bs.compare(fits)
            other = next(name for name in fits if name != found.best)
            clear = found.table.loc[other, "verdict"]
            ratio = found.table.loc[other, "difference"] / found.table.loc[other, "se_difference"]
            size = found.table.loc["quadratic", "elpd"] - found.table.loc["linear", "elpd"]
            verdicts.append((found.best, clear, size, abs(ratio)))
            repaired += sum(
                sum(r.repaired.values()) for r in found.results.values() if isinstance(r, Loo)
            )
        table = pd.DataFrame(verdicts, columns=["best", "verdict", "size", "ratio"])
        counted = table["verdict"] != "no difference"
        out[truth] = {
            "sets": sets,
            "quadratic_has_larger_elpd": int((table["best"] == "quadratic").sum()),
            "quadratic_better_by_4": int((counted & (table["best"] == "quadratic")).sum()),
            "quadratic_better_by_4_and_2_se": int(
                (counted & (table["best"] == "quadratic") & (table["ratio"] >= 2)).sum()
            ),
            "linear_better_by_4": int((counted & (table["best"] == "linear")).sum()),
            "median_difference": round(float(table["size"].median()), 2),
            "respondents_repaired": repaired,
        }
        print(truth, out[truth], flush=True)
    return out


def quadratic(seed: int) -> bs.Fit:
    """A fit of the quadratic model."""
    data = simulate(150, SQUARE, seed=seed)
    return bs.SEM(QUADRATIC).fit(data, random_seed=seed, progress=False)


def answered(seed: int) -> bs.Fit:
    """A fit of ordered answers."""
    text = "f =~ x1 + x2 + x3 + x4\ng =~ y1 + y2 + y3 + y4\ng ~ f"
    sem = bs.SEM(text, std_lv=True, ordered=True)
    values: dict[str, float] = {"g~f": 0.5}
    for letter, construct in (("x", "f"), ("y", "g")):
        for k in (1, 2, 3, 4):
            values[f"{construct}=~{letter}{k}"] = 0.7
            values |= {f"{letter}{k}|t{c}": -1.2 + 0.8 * (c - 1) for c in (1, 2, 3, 4)}
    data = sem.simulate(values, 200, random_seed=seed)
    for i, row in enumerate(((1, 5, 1, 5), (5, 1, 5, 1), (5, 5, 1, 1))):
        data.loc[i, ["x1", "x2", "x3", "x4"]] = row
    return sem.fit(data, random_seed=seed, progress=False)


def against_refits(fit: bs.Fit, *, seed: int, respondents: int = 20) -> dict[str, float]:
    """Largest distance of LOO from brute-force refits of one model."""
    result = fit.loo()
    order = np.argsort(-result.pointwise["pareto_k"].to_numpy())
    rng = np.random.default_rng(seed)
    half = respondents // 2
    picked = [*order[:half], *rng.choice(order[half:], respondents - half, replace=False)]
    distance, errors = [], []
    for i in picked:
        again = refit_without(fit, [int(i)], random_seed=seed + 1 + int(i))
        density = log_predictive(fit.prepared, [int(i)], again.values).ravel()
        exact = float(log_mean_exp(density))
        distance.append(abs(float(result.pointwise["elpd"].iloc[i]) - exact))
        errors.append(log_mean_error(density))
        print(
            f"respondent {result.pointwise.index[i]}: "
            f"k {result.pointwise['pareto_k'].iloc[i]:.2f}, "
            f"LOO {result.pointwise['elpd'].iloc[i]:.3f}, refit {exact:.3f}",
            flush=True,
        )
    return {
        "respondents": respondents,
        "largest_pareto_k": round(float(result.pointwise["pareto_k"].max()), 3),
        "largest_distance": round(max(distance), 4),
        "mean_distance": round(float(np.mean(distance)), 4),
        "largest_mc_error_of_a_refit": round(max(errors), 4),
    }


def main() -> None:
    """Run both and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--sets", type=int, default=50, help="data sets of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--answers", action="store_true", help="ordered answers, refits alone")
    arguments = parser.parse_args()
    began, seed = time.process_time(), arguments.seed
    fit = answered(seed) if arguments.answers else quadratic(seed)
    numbers: dict[str, object] = {"refits": against_refits(fit, seed=seed)}
    if not arguments.answers:
        numbers |= choices(arguments.sets, seed=seed)
    numbers["cpu_seconds"] = round(time.process_time() - began, 1)
    if arguments.json:
        print(json.dumps(numbers))


if __name__ == "__main__":
    main()
