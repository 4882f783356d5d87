"""Recovery by simulation of every kind of product term: bias and coverage of its coefficient.

`python -m benchmarks.recovery_products --json` simulates data sets from each model of `CASES` and
fits them by maximum likelihood; per case it prints the true coefficient of the product, the mean
estimate, the bias in units of its Monte Carlo standard error, the mean standard error over the
standard deviation of the estimates, and the share of 95 % intervals (estimate +- 1.96 standard
errors) that hold the truth. `--sets` (20) and `--only NAME` make it longer or shorter.
"""

import argparse
import json

import numpy as np
import pandas as pd

from bayessem.sem import SEM

N = 400
LOADINGS = (1.0, 0.9, 0.8)
RESIDUAL = 0.36


def measured(*names: str) -> str:
    """Three indicators for each construct."""
    return "\n".join(
        f"{name} =~ " + " + ".join(f"{name.lower()}{i}" for i in (1, 2, 3)) for name in names
    )


CASES: dict[str, tuple[str, dict[str, float], dict[str, object]]] = {
    # name: (model, values by label, options of `simulated`)
    "square": (f"{measured('X', 'Y')}\nY ~ b*X + q*X:X", {"b": 0.4, "q": 0.25}, {}),
    "latent_latent": (
        f"{measured('X', 'Z', 'Y')}\nY ~ b*X + c*Z + q*X:Z",
        {"b": 0.4, "c": 0.3, "q": 0.25},
        {},
    ),
    "latent_observed": (
        f"{measured('X', 'Y')}\nY ~ b*X + c*o + q*X:o",
        {"b": 0.4, "c": 0.3, "q": 0.25},
        {},
    ),
    "observed_observed": (
        f"{measured('Y')}\nY ~ b*o + c*u + q*o:u",
        {"b": 0.4, "c": 0.3, "q": 0.25},
        {},
    ),
    "endogenous": (
        f"{measured('X', 'M', 'Y')}\nM ~ a*X\nY ~ b*M + c*X + q*M:M",
        {"a": 0.5, "b": 0.4, "c": 0.2, "q": 0.25},
        {},
    ),
    "second_order": (
        f"{measured('A', 'B', 'C', 'Y')}\nG =~ A + B + C\nY ~ b*G + q*G:G",
        {"b": 0.4, "q": 0.25},
        {},
    ),
    "product_in_product": (
        f"{measured('X', 'Z', 'M', 'Y')}\nM ~ a*X + e*Z + r*X:Z\nY ~ b*M + c*Z + q*M:Z",
        {"a": 0.4, "e": 0.2, "r": 0.2, "b": 0.4, "c": 0.2, "q": 0.25},
        {},
    ),
    "square_fiml": (
        f"{measured('X', 'Y')}\nY ~ b*X + q*X:X",
        {"b": 0.4, "q": 0.25},
        {"missing": 0.15},
    ),
    "latent_observed_fiml": (
        f"{measured('X', 'Y')}\nY ~ b*X + c*o + q*X:o",
        {"b": 0.4, "c": 0.3, "q": 0.25},
        {"missing": 0.15},
    ),
}


def truth(sem: SEM, chosen: dict[str, float]) -> dict[str, float]:
    """Value of every parameter: those chosen by label, the others by kind."""
    table = sem.table
    out: dict[str, float] = {}
    for row in table.rows:
        if row.free < 0 and not row.exogenous:
            continue
        name = table.parameters[row.free] if row.free >= 0 else row.name
        if row.label in chosen:
            out[name] = chosen[row.label]
        elif row.op == "=~":
            indicator = row.rhs[-1]
            out[name] = LOADINGS[int(indicator) - 1] if indicator.isdigit() else 0.9
        elif row.op == "~~" and row.lhs == row.rhs:
            structural = row.lhs in table.latent or row.lhs in table.promoted
            explained = any(r.op in ("~", "=~") and row.lhs in (r.lhs, "") for r in table.rows)
            cause = not any(r.op == "~" and r.lhs == row.lhs for r in table.rows)
            out[name] = (1.0 if cause and explained else 0.5) if structural else RESIDUAL
            if row.lhs in table.exogenous:
                out[name] = 1.0
        elif row.op == "~~":
            out[name] = 0.3
        else:
            out[name] = 0.0 if row.lhs in table.latent or row.exogenous else 1.0
    return out


def simulated(
    sem: SEM, values: dict[str, float], *, seed: int, missing: float = 0.0
) -> pd.DataFrame:
    """A data set; `missing` is the share of the indicators' cells that are missing at random."""
    data = sem.simulate(values, N, random_seed=seed)
    if missing:
        rng = np.random.default_rng(seed + 1_000_000)
        indicators = [c for c in data.columns if c not in sem.table.promoted]
        gone = rng.random((N, len(indicators))) < missing
        data[indicators] = data[indicators].mask(gone)
    return data


def recover(name: str, sets: int) -> dict[str, float]:
    """Bias and coverage of the coefficient q of one case."""
    text, chosen, options = CASES[name]
    sem = SEM(text)
    values = truth(sem, chosen)
    estimates, errors = [], []
    for seed in range(sets):
        found = sem.ml(simulated(sem, values, seed=seed, **options))  # type: ignore[arg-type]
        row = found.table[found.table["label"] == "q"].iloc[0]
        if found.converged and np.isfinite(row["se"]):
            estimates.append(float(row["est"]))
            errors.append(float(row["se"]))
    estimate, error = np.array(estimates), np.array(errors)
    spread = estimate.std(ddof=1)
    inside = np.abs(estimate - chosen["q"]) < 1.96 * error
    return {
        "true": chosen["q"],
        "mean": float(estimate.mean()),
        "bias": float(estimate.mean() - chosen["q"]),
        "bias_z": float((estimate.mean() - chosen["q"]) / (spread / np.sqrt(len(estimate)))),
        "se_over_sd": float(error.mean() / spread),
        "coverage": float(inside.mean()),
        "converged": len(estimate) / sets,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--sets", type=int, default=20, help="data sets a case (20)")
    parser.add_argument("--only", choices=tuple(CASES), help="one case")
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(CASES)
    results = {}
    for name in names:
        results[name] = recover(name, arguments.sets)
        if not arguments.json:
            shown = "  ".join(f"{k} {v:.3f}" for k, v in results[name].items())
            print(f"{name:22} {shown}", flush=True)
    if arguments.json:
        rounded = {n: {k: round(v, 4) for k, v in r.items()} for n, r in results.items()}
        print(json.dumps(rounded))
