"""Products of latent variables by each route: `python -m benchmarks.products --json`.

Full quadratic models: k latent variables of three indicators with all squares and products explain
an outcome of three. In one run: CPU microseconds a respondent of one value and gradient of the
posterior by the line integral (k = 1 to 5; at 1, the integral of one square) and by the grid (k = 1
to 3), n = 300; at n = 300 too, ratios to the gradient with one square. `--sampling`: smallest bulk
effective sample size per CPU second of sampling, 2 x (500 + 500) draws, by the line (k = 1 to 5)
and, where it takes minutes at most, by the grid. `--accuracy`: largest error of a respondent's
log-likelihood against an independent integral at the settings of tests/likelihood/curved.py, by
both routes, and how often the fit's quadrature check would not see one over 1e-3.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import pandas as pd

import bayessem as bs
from bayessem.likelihood.external import load_terms
from bayessem.model.prepare import Prepared
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.density import Density
from bayessem.posterior.diagnostics import convergence
from bayessem.posterior.sampling import approximate, sample
from tests.likelihood import curved
from tests.likelihood.families import elements, problem

SECONDS = 0.5
REPEATS = 3
RESPONDENTS = 300


def data(k: int, n: int) -> pd.DataFrame:
    """A full quadratic in k latents with products of .15 and reliabilities of about .74."""
    rng = np.random.default_rng(k)
    latent = np.sqrt(0.3) * rng.normal(size=(n, 1)) + np.sqrt(0.7) * rng.normal(size=(n, k))
    y = 0.3 * latent.sum(axis=1) + 0.6 * rng.normal(size=n)
    for i in range(k):
        for j in range(i + 1):
            y += 0.15 * latent[:, i] * latent[:, j]
    values = np.column_stack([latent, y])
    names = [f"x{i}" for i in range(1, k + 1)] + ["y"]
    return pd.DataFrame(
        {
            f"{name}_{item}": values[:, i] + 0.6 * rng.normal(size=n)
            for i, name in enumerate(names)
            for item in (1, 2, 3)
        }
    )


def model(k: int) -> str:
    """The model of the data."""
    names = [f"x{i}" for i in range(1, k + 1)]
    lines = [
        f"{name.upper()} =~ " + " + ".join(f"{name}_{i}" for i in (1, 2, 3))
        for name in (*names, "y")
    ]
    pairs = [f"X{j}:X{i}" for i in range(1, k + 1) for j in range(1, i + 1)]
    return "\n".join([*lines, "Y ~ " + " + ".join([*map(str.upper, names), *pairs])])


def start(prepared: Prepared) -> np.ndarray:
    """Where gradients are timed: the start values, with products of .15."""
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    x = initial_point(prepared.space, prepared.table, values)
    return np.where([c.kind == "product" for c in prepared.space.coordinates], 0.15, x)


def density(prepared: Prepared, route: str = "") -> Density:
    """The posterior, by the cheapest route or by another."""
    return posterior_density(prepared.space, prepared.structure, prepared.sample, route=route)


def microseconds(found: Density, x: np.ndarray) -> float:
    """CPU microseconds of one value and gradient, the best of some."""
    if not np.isfinite(found.value_and_gradient(x)[0]):
        raise AssertionError("the density is not finite at the start values")
    began = time.process_time()
    found.value_and_gradient(x)
    times = max(1, int(SECONDS / max(time.process_time() - began, 1e-6)))
    best = np.inf
    for _ in range(REPEATS):
        began = time.process_time()
        for _ in range(times):
            found.value_and_gradient(x)
        best = min(best, (time.process_time() - began) / times)
    return 1e6 * best


def speed() -> dict[str, float]:
    """Of one value and gradient, a respondent and over that of one square."""
    out: dict[str, float] = {}
    for k in range(1, 6):
        prepared = bs.SEM(model(k)).prepare(data(k, RESPONDENTS))
        x = start(prepared)
        for route in ("line", "grid") if k <= 3 else ("line",):
            cost = microseconds(density(prepared, "grid" if route == "grid" else ""), x)
            out[f"us_{route}_k{k}"] = cost / RESPONDENTS
    for k in range(2, 6):
        out[f"ratio_to_one_square_k{k}"] = out[f"us_line_k{k}"] / out["us_line_k1"]
        if k <= 3:
            out[f"grid_over_line_k{k}"] = out[f"us_grid_k{k}"] / out[f"us_line_k{k}"]
    return out


def sampling() -> dict[str, float]:
    """Smallest bulk effective sample size per CPU second of sampling."""
    out: dict[str, float] = {}
    for k in range(1, 6):
        prepared = bs.SEM(model(k)).prepare(data(k, RESPONDENTS))
        for route in ("line", "grid") if k <= 2 else ("line",):
            found = density(prepared, "grid" if route == "grid" else "")
            around = approximate(found, start(prepared))
            began = time.process_time()
            draws = sample(
                around, draws=500, tune=500, chains=2, cores=2, random_seed=1, progress=False
            )
            spent = time.process_time() - began
            out[f"ess_per_cpu_s_{route}_k{k}"] = convergence(draws.values)["ess_bulk"].min() / spent
    return out


def accuracy() -> dict[str, float]:
    """Largest errors by setting, respondents refused, and errors that a finer rule does not see."""
    out: dict[str, float] = {}
    unseen = 0
    for k in (2, 3, 5):
        for setting in curved.SETTINGS:
            family, m, rows = curved.draw(setting, k, 30, np.random.default_rng(20 + k))
            point, expected = elements(m), curved.log_likelihood(m, family, rows)
            for route in ("line", "grid") if k < 4 else ("line",):
                named = "grid" if route == "grid" else ""
                got = problem(family, rows, route=named).respondents(point)
                told = np.isfinite(got)
                fine = problem(family, rows, route=named, reach=28.0, step=0.0625)
                error = np.abs(got - expected)[told].max(initial=0.0)
                seen = np.abs(got - fine.respondents(point))[told].max(initial=0.0)
                unseen += bool(error > 1e-3 and not seen > 0.5e-3)
                out[f"error_{route}_k{k} {setting.name}"] = float(error)
                if not told.all():
                    out[f"refused_{route}_k{k} {setting.name}"] = float(np.sum(~told))
    return {**out, "unseen": unseen}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--sampling", action="store_true")
    parser.add_argument("--accuracy", action="store_true")
    arguments = parser.parse_args()
    for route in ("contour", "grid"):
        load_terms(route)
    measure = accuracy if arguments.accuracy else sampling if arguments.sampling else speed
    found = measure()
    for name, value in found.items():
        print(f"{name:60s} {value:.3g}")
    if arguments.json:
        print(json.dumps({name: float(f"{value:.4g}") for name, value in found.items()}))


if __name__ == "__main__":
    main()
