"""Two levels beside sampled random effects in plain PyMC: `python -m benchmarks.levels --json`.

Data: 200 clusters of 5 to 20 respondents, 2,500 in all; ten items of two constructs at both levels,
with a path between the constructs at each. Measured in one run, each with warm-up counted and
compilation not: smallest bulk effective sample size over the parameters that the models share
(loadings, paths, standard deviations, intercepts) per CPU second.

`integrated` is `SEM.fit` at its defaults. The other two are what one writes in PyMC, sampled by
nutpie, started at the values that the data were drawn from: `effects` samples the random
intercepts of the items and what explains them, and integrates the respondents out (a multivariate
normal of each respondent given the cluster); `all` samples the respondents' constructs, too.
Priors of both: normal loadings and paths, half-normal standard deviations. The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import pandas as pd

import bayessem as bs

CLUSTERS, SIZE, ITEMS = 200, 2500, 5
NAMES = [f"y{i + 1}" for i in range(2 * ITEMS)]
# True loadings of a construct's items (the first fixes the metric), paths and variances by level.
LOADINGS = np.array([1.0, 0.9, 1.1, 0.8, 1.0])
PATH = {"w": 0.5, "b": 0.4}
CONSTRUCT = {"w": 1.0, "b": 0.4}
RESIDUAL = {"w": 0.7, "b": 0.1}
EVERY_LOADING = np.zeros((2 * ITEMS, 2))
EVERY_LOADING[:ITEMS, 0] = EVERY_LOADING[ITEMS:, 1] = LOADINGS


def model() -> str:
    """Both levels in lavaan's syntax."""
    lines = []
    for level, c in enumerate("wb", start=1):
        lines.append(f"level: {level}")
        lines.append(f"  F{c} =~ " + " + ".join(NAMES[:ITEMS]))
        lines.append(f"  G{c} =~ " + " + ".join(NAMES[ITEMS:]))
        lines.append(f"  G{c} ~ F{c}")
    return "\n".join(lines)


def simulated(seed: int = 1) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Respondents with their cluster, and the latent values that they were drawn at."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 21, size=CLUSTERS)
    while sizes.sum() != SIZE:
        step = 1 if sizes.sum() < SIZE else -1
        at = rng.integers(CLUSTERS)
        sizes[at] = np.clip(sizes[at] + step, 5, 20)
    code = np.repeat(np.arange(CLUSTERS), sizes)
    kept = {}
    total = np.zeros((SIZE, 2 * ITEMS))
    for c, count in (("w", SIZE), ("b", CLUSTERS)):
        f = np.sqrt(CONSTRUCT[c]) * rng.standard_normal(count)
        g = PATH[c] * f + np.sqrt(CONSTRUCT[c]) * rng.standard_normal(count)
        e = np.sqrt(RESIDUAL[c]) * rng.standard_normal((count, 2 * ITEMS))
        y = np.column_stack([f, g]) @ EVERY_LOADING.T + e
        kept[c] = np.column_stack([f, g])
        kept[f"{c}_effects"] = y
        total += y if c == "w" else y[code]
    frame = pd.DataFrame(total, columns=NAMES)
    frame["cluster"] = code
    return frame, kept


def _parameters(c: str, points: dict[str, np.ndarray]) -> tuple[Any, ...]:
    """Loadings, path and standard deviations of a level; adds where they start to `points`."""
    import pymc as pm
    import pytensor.tensor as pt

    marks = [k for k in range(2 * ITEMS) if k % ITEMS]
    raw = pm.Normal(f"loading_{c}", 1.0, 1.0, shape=len(marks))
    loadings = pt.set_subtensor(pt.ones(2 * ITEMS)[marks], raw)
    path = pm.Normal(f"path_{c}", 0.0, 1.0)
    construct = pm.HalfNormal(f"construct_{c}", 2.0, shape=2)
    residual = pm.HalfNormal(f"residual_{c}", 2.0, shape=2 * ITEMS)
    points |= {
        f"loading_{c}": np.tile(LOADINGS, 2)[marks],
        f"path_{c}": np.array(PATH[c]),
        f"construct_{c}": np.full(2, np.sqrt(CONSTRUCT[c])),
        f"residual_{c}": np.full(2 * ITEMS, np.sqrt(RESIDUAL[c])),
    }
    return loadings, path, construct, residual


def _scores(
    c: str, path: Any, construct: Any, truth: dict[str, np.ndarray], points: dict[str, np.ndarray]
) -> tuple[Any, Any]:
    """The two constructs of a level, sampled."""
    import pymc as pm

    f, g = truth[c].T
    raw = pm.Normal(f"score_{c}", 0.0, 1.0, shape=(len(f), 2))
    points[f"score_{c}"] = np.column_stack([f, g - PATH[c] * f]) / np.sqrt(CONSTRUCT[c])
    first = construct[0] * raw[:, 0]
    return first, path * first + construct[1] * raw[:, 1]


def plain(
    data: pd.DataFrame, truth: dict[str, np.ndarray], *, respondents: bool
) -> tuple[Any, dict[str, np.ndarray]]:
    """The model with sampled random effects, as one writes it in PyMC, and where to start it."""
    import pymc as pm
    import pytensor.tensor as pt

    y, code = data[NAMES].to_numpy(), data["cluster"].to_numpy()
    points: dict[str, np.ndarray] = {}

    with pm.Model() as whole:
        intercept = pm.Normal("intercept", 0.0, 5.0, shape=2 * ITEMS)
        points["intercept"] = np.zeros(2 * ITEMS)
        loadings, path, construct, residual = _parameters("b", points)
        first, second = _scores("b", path, construct, truth, points)
        common = pt.concatenate(
            [first[:, None] * loadings[:ITEMS], second[:, None] * loadings[ITEMS:]], axis=1
        )
        raw = pm.Normal("effect", 0.0, 1.0, shape=(CLUSTERS, 2 * ITEMS))
        points["effect"] = (truth["b_effects"] - truth["b"] @ EVERY_LOADING.T) / np.sqrt(
            RESIDUAL["b"]
        )
        effects = intercept + common + residual * raw
        loadings, path, construct, residual = _parameters("w", points)
        if respondents:
            first, second = _scores("w", path, construct, truth, points)
            common = pt.concatenate(
                [first[:, None] * loadings[:ITEMS], second[:, None] * loadings[ITEMS:]], axis=1
            )
            pm.Normal("y", effects[code] + common, residual, observed=y)
        else:
            block = pt.zeros((2 * ITEMS, 2))
            block = pt.set_subtensor(block[:ITEMS, 0], loadings[:ITEMS])
            block = pt.set_subtensor(block[ITEMS:, 1], loadings[ITEMS:])
            root = pt.stack(
                [
                    pt.stack([construct[0], pt.zeros(())]),
                    pt.stack([path * construct[0], construct[1]]),
                ]
            )
            half = pt.dot(block, root)
            covariance = pt.dot(half, half.T) + pt.diag(residual**2)
            pm.MvNormal("y", effects[code], cov=covariance, observed=y)
    return whole, points


def of_pymc(
    data: pd.DataFrame,
    truth: dict[str, np.ndarray],
    *,
    respondents: bool,
    draws: int,
    tune: int,
    seed: int,
) -> dict[str, float]:
    """Smallest effective sample size of the shared parameters, and CPU seconds."""
    import arviz as az
    import nutpie

    whole, points = plain(data, truth, respondents=respondents)
    generator = np.random.default_rng(seed)
    points = {k: v * (1.0 + 0.02 * generator.normal(size=v.shape)) for k, v in points.items()}
    points = {k: np.where(v == 0.0, 0.01, v) for k, v in points.items()}
    compiled = nutpie.compile_pymc_model(whole, initial_points=points, jitter_rvs=set())
    shared = [k for k in points if not k.startswith(("score", "effect"))]
    wall, began = time.perf_counter(), time.process_time()
    tree = nutpie.sample(
        compiled, draws=draws, tune=tune, chains=2, cores=2, seed=seed, progress_bar=False
    )
    cpu, wall = time.process_time() - began, time.perf_counter() - wall
    ess = az.ess(tree, var_names=shared)
    least = min(float(np.min(ess[name].values)) for name in shared)
    diverging = int(tree["sample_stats"]["diverging"].sum())
    return {"ess": least, "cpu_s": cpu, "wall_s": wall, "divergences": diverging}


def of_ours(data: pd.DataFrame, *, seed: int) -> dict[str, float]:
    """The same of `SEM.fit` at its defaults, the code compiled before."""
    sem = bs.SEM(model())
    sem.fit(data, cluster="cluster", draws=50, tune=50, random_seed=seed, progress=False)
    wall, began = time.perf_counter(), time.process_time()
    fit = sem.fit(data, cluster="cluster", random_seed=seed, progress=False)
    cpu, wall = time.process_time() - began, time.perf_counter() - wall
    table = fit.summary()
    return {
        "ess": float(table.ess_bulk.min()),
        "cpu_s": cpu,
        "wall_s": wall,
        "divergences": int(fit.draws["sample_stats"]["diverging"].sum()),
    }


def gradient_us(data: pd.DataFrame, times: int = 2000) -> float:
    """Microseconds of one value and gradient of the posterior."""
    from bayessem.model.starts import initial_point, start_values
    from bayessem.posterior.assemble import posterior_density

    p = bs.SEM(model()).prepare(data, cluster="cluster")
    density = posterior_density(p.space, p.structure, p.sample)
    x = initial_point(p.space, p.table, start_values(p.structure, p.covariances, p.means))
    density.value_and_gradient(x)
    began = time.process_time()
    for _ in range(times):
        density.value_and_gradient(x)
    return (time.process_time() - began) / times * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=1000, help="of the sampled models, a chain")
    parser.add_argument("--quick", action="store_true", help="without the sampled models")
    options = parser.parse_args()
    data, truth = simulated(options.seed)
    found: dict[str, dict[str, float]] = {"integrated": of_ours(data, seed=options.seed)}
    sampled = {} if options.quick else {"effects": False, "all": True}
    for name, respondents in sampled.items():
        found[name] = of_pymc(
            data, truth, respondents=respondents, draws=options.draws, tune=options.draws,
            seed=options.seed,
        )  # fmt: skip
    out = {"gradient_us": gradient_us(data)}
    for name, row in found.items():
        out |= {f"{name}_{key}": value for key, value in row.items()}
        out[f"{name}_ess_per_cpu_s"] = row["ess"] / row["cpu_s"]
    for name in sampled:
        out[f"ratio_to_{name}"] = out["integrated_ess_per_cpu_s"] / out[f"{name}_ess_per_cpu_s"]
    out = {key: round(value, 3) for key, value in out.items()}
    if not options.json:
        for key, value in out.items():
            print(f"{key:32} {value}")
    print(json.dumps(out))


if __name__ == "__main__":
    main()
