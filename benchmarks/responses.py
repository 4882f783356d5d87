"""Models with ordered answers: cost of a gradient, effective draws per CPU second.

`python -m benchmarks.responses --json` prints one JSON object on the last line. Nothing else should
be running. The models:

- binary: one factor of 6 binary items, n = 500;  binary5000: n = 5,000;
- three: Holzinger and Swineford's three correlated factors, items cut at their quintiles, n = 301;
- tree: the alliance model with AMC's square, 26 items rounded to 1 to 7, n = 278 (--tree alone);
- wide: the eight constructs of these items, all correlated, by the Laplace engine (--wide alone);
- plain: `three` as one writes it in PyMC, scores and factor correlations sampled non-centred,
  ordered thresholds, by nutpie, warm-up counted and compilation not (--pymc, beside `three`).

us: CPU microseconds of a value and gradient at the start values, on an exact lattice;  us_chains:
at the maximum, on the lattice that chains run on.  before: CPU seconds before the first draw, with
the choice of that lattice.  seconds, cpu: of
`SEM.fit` with the draws given, wall and CPU.  ess_per_cpu_s: smallest bulk effective sample size
over that CPU time, of all free parameters.  These are means over --seeds fits: the smallest of 48
effective sizes is a number that varies.  ratio_to_plain: of `three` over `plain`.
"""

import argparse
import json
import time
from typing import Any

import numpy as np
import pandas as pd

import bayessem as bs
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.answered import answered
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.density import Density
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


def rounded() -> tuple[pd.DataFrame, list[str]]:
    """The alliance study's data, its items as answers from 1 to 7, and the items."""
    data = alliance()
    items = list(data.columns[:26])
    data[items] = data[items].round().clip(1, 7).astype(int)
    return data, items


def tree() -> Problem:
    """The alliance model with a square."""
    data, items = rounded()
    return bs.SEM(ALLIANCE + "speed ~~ 0*SUCC", ordered=items), data


def wide() -> Problem:
    """The alliance model's constructs with items, all correlated."""
    data, items = rounded()
    lines = [line for line in ALLIANCE.splitlines() if "=~" in line]
    measured = [line for line in lines if line.split("=~")[1].split(" + ")[0].strip() in items]
    return bs.SEM("\n".join(measured), std_lv=True, ordered=True), data[items]


def plain(data: pd.DataFrame) -> Any:
    """Three correlated factors of ordered items with sampled scores, in PyMC."""
    import pymc as pm
    import pytensor.tensor as pt

    answers = data.to_numpy()
    n, items = answers.shape
    cuts = int(answers.max())
    with pm.Model() as whole:
        root = pm.LKJCorr("root", n=3, eta=1.0)
        loading = pm.HalfNormal("loading", 1.5, shape=items)
        start = np.tile(np.linspace(-1.0, 1.0, cuts), (items, 1))
        ordered = pm.distributions.transforms.ordered
        threshold = pm.Normal(
            "threshold", 0.0, 2.0, shape=(items, cuts), transform=ordered, initval=start
        )
        score = pt.dot(pm.Normal("score", 0.0, 1.0, shape=(n, 3)), root.T)
        for j in range(items):
            predictor = loading[j] * score[:, j // 3]
            pm.OrderedProbit(f"y{j}", eta=predictor, cutpoints=threshold[j], observed=answers[:, j])
    return whole


def measure_plain(data: pd.DataFrame, draws: int) -> dict[str, float]:
    """Of the same model with sampled scores."""
    import arviz as az
    import nutpie

    compiled = nutpie.compile_pymc_model(plain(data))
    wall, began = time.perf_counter(), time.process_time()
    tree = nutpie.sample(
        compiled, draws=draws, tune=draws, chains=2, cores=2, seed=1, progress_bar=False
    )
    spent = time.process_time() - began
    names = ["root", "loading", "threshold"]
    ess, r_hat = az.ess(tree, var_names=names), az.rhat(tree, var_names=names)
    return {
        "seconds": time.perf_counter() - wall,
        "cpu": spent,
        # the root has entries that are fixed
        "ess_per_cpu_s": min(float(np.nanmin(ess[name].values)) for name in names) / spent,
        "r_hat": max(float(np.nanmax(r_hat[name].values)) for name in names),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
    }


def cost(density: Density, x: np.ndarray) -> float:
    """CPU microseconds of a value and gradient, the best of five times twenty."""
    density.value_and_gradient(x)
    best = np.inf
    for _ in range(5):
        began = time.process_time()
        for _ in range(20):
            density.value_and_gradient(x)
        best = min(best, (time.process_time() - began) / 20)
    return 1e6 * best


def measure(problem: Problem, draws: int, seeds: int) -> dict[str, float]:
    """Of one model, fits by so many seeds."""
    sem, data = problem
    prepared = sem.prepare(data)
    found = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    x = initial_point(prepared.space, prepared.table, values)
    us = cost(found, x)
    began = time.process_time()
    _, approximation = answered(prepared, found, x)
    before = time.process_time() - began
    fits = [measured_fit(sem, data, draws, seed) for seed in range(1, seeds + 1)]
    return {
        "us": us,
        "us_chains": cost(approximation.density, approximation.maximum.x),
        "before": before,
        **{name: float(np.mean([one[name] for one in fits])) for name in fits[0]},
    }


def measured_fit(sem: bs.SEM, data: pd.DataFrame, draws: int, seed: int) -> dict[str, float]:
    """Of one fit."""
    wall, began = time.perf_counter(), time.process_time()
    fit = sem.fit(data, draws=draws, tune=draws, chains=2, random_seed=seed, progress=False)
    spent = time.process_time() - began
    return {
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
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--pymc", action="store_true", help="three factors, in plain PyMC too")
    parser.add_argument("--draws", type=int, default=500, help="of each of two chains, and tuning")
    parser.add_argument("--seeds", type=int, default=1, help="fits of each model")
    arguments = parser.parse_args()
    problems = {"binary": binary(500), "binary5000": binary(5000), "three": three()}
    if arguments.tree:
        problems = {"tree": tree()}
    if arguments.wide:
        problems = {"wide": wide()}
    if arguments.pymc:
        problems = {"three": three()}
    found = {
        f"{measured}_{name}": value
        for name, problem in problems.items()
        for measured, value in measure(problem, arguments.draws, arguments.seeds).items()
    }
    if arguments.pymc:
        sampled = measure_plain(three()[1], arguments.draws)
        found |= {f"{name}_plain": value for name, value in sampled.items()}
        found["ratio_to_plain"] = found["ess_per_cpu_s_three"] / found["ess_per_cpu_s_plain"]
    for name, value in found.items():
        print(f"{name:40s} {value:.4g}")
    if arguments.json:
        print(json.dumps({name: float(f"{value:.4g}") for name, value in found.items()}))


if __name__ == "__main__":
    main()
