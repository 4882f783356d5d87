"""Models with ordered answers: cost of a gradient, effective draws per CPU second.

`python -m benchmarks.responses --json` prints one JSON object on the last line. Nothing else should
be running. The models:

- binary: one factor of 6 binary items, n = 500;  binary5000: n = 5,000;
- three: Holzinger and Swineford's three correlated factors, items cut at their quintiles, n = 301;
- tree: the alliance model with AMC's square, 26 items rounded to 1 to 7, n = 278 (--tree alone).

us: CPU microseconds of a value and gradient at the start values.  seconds, cpu: of
`SEM.fit` with the draws given, wall and CPU.  ess_per_cpu_s: smallest bulk effective sample size
over that CPU time.
"""

import argparse
import json
import time

import numpy as np
import pandas as pd

import bayessem as bs
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import posterior_density
from tests.example_models import ABILITIES, ALLIANCE, abilities, alliance

Problem = tuple[bs.SEM, pd.DataFrame]


def binary(n: int) -> Problem:
    """One factor of six binary items."""
    rng = np.random.default_rng(1)
    loadings = np.array([0.5, 0.6, 0.7, 0.7, 0.8, 0.8])
    answers = rng.normal(size=(n, 1)) * loadings
    answers += rng.normal(size=(n, 6)) * np.sqrt(1.0 - loadings**2)
    names = [f"x{i}" for i in range(1, 7)]
    data = pd.DataFrame((answers > np.linspace(-0.8, 0.8, 6)).astype(int), columns=names)
    return bs.SEM("f =~ " + " + ".join(names), std_lv=True, ordered=True), data


def three() -> Problem:
    """Holzinger and Swineford's factors, five categories."""
    data = abilities()
    items = [f"x{i}" for i in range(1, 10)]
    cut = data[items].apply(lambda x: pd.qcut(x, 5, labels=False, duplicates="drop"))
    return bs.SEM(ABILITIES, std_lv=True, ordered=True), cut


def tree() -> Problem:
    """The alliance model with a square, its items as answers from 1 to 7."""
    data = alliance()
    items = list(data.columns[:26])
    data[items] = data[items].round().clip(1, 7).astype(int)
    return bs.SEM(ALLIANCE + "speed ~~ 0*SUCC", ordered=items), data


def measure(problem: Problem, draws: int) -> dict[str, float]:
    """Of one model."""
    sem, data = problem
    prepared = sem.prepare(data)
    found = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    x = initial_point(prepared.space, prepared.table, values)
    found.value_and_gradient(x)
    cost = np.inf
    for _ in range(5):
        began = time.process_time()
        for _ in range(20):
            found.value_and_gradient(x)
        cost = min(cost, (time.process_time() - began) / 20)
    wall, began = time.perf_counter(), time.process_time()
    fit = sem.fit(data, draws=draws, tune=draws, chains=2, random_seed=1, progress=False)
    spent = time.process_time() - began
    return {
        "us": 1e6 * cost,
        "seconds": time.perf_counter() - wall,
        "cpu": spent,
        "ess_per_cpu_s": fit.mixing["ess_bulk"].min() / spent,
        "r_hat": fit.mixing["r_hat"].max(),
        "divergences": fit.diagnosis.divergences,
        "quadrature_error": fit.diagnosis.quadrature_error,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--tree", action="store_true")
    parser.add_argument("--draws", type=int, default=500, help="of each of two chains, and tuning")
    arguments = parser.parse_args()
    problems = {"binary": binary(500), "binary5000": binary(5000), "three": three()}
    if arguments.tree:
        problems = {"tree": tree()}
    found = {
        f"{measured}_{name}": value
        for name, problem in problems.items()
        for measured, value in measure(problem, arguments.draws).items()
    }
    for name, value in found.items():
        print(f"{name:40s} {value:.4g}")
    if arguments.json:
        print(json.dumps({name: float(f"{value:.4g}") for name, value in found.items()}))


if __name__ == "__main__":
    main()
