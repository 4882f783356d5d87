"""Coverage with ordered answers: `python -m benchmarks.coverage_answers --store FILE --json`.

Two constructs of four five-category items each, one explains the other; the model is true and its
values are the same in all data sets. Each is fitted with 2 x (300 + 300) draws, and the 95 %
intervals of standardised loadings, the standardised path and thresholds (over the standard
deviation of their latent response) that hold the true value are counted. With `--store` what is
done is kept, and a run that was interrupted goes on. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterator

import numpy as np

import bayessem as bs
from bayessem.results.standardize import standardised
from bayessem.store import Store

MODEL = "f =~ x1 + x2 + x3 + x4\ng =~ y1 + y2 + y3 + y4\ng ~ f"
PATH = 0.5
LOADINGS = {"x": (0.8, 0.7, 0.6, 0.75), "y": (0.75, 0.65, 0.8, 0.7)}
CUTS = {"x": (-1.2, -0.4, 0.4, 1.2), "y": (-0.5, 0.2, 0.8, 1.5)}
RESPONDENTS = 300
KINDS = {"=~": "loadings", "~": "path", "|": "thresholds"}


def standardised_truth() -> dict[str, float]:
    """Standardised loadings and path, and thresholds of latent responses with variance 1."""
    out = {"g~f": PATH}
    for letter, construct in (("x", "f"), ("y", "g")):
        for k, loading in enumerate(LOADINGS[letter], start=1):
            out[f"{construct}=~{letter}{k}"] = loading
            out |= {f"{letter}{k}|t{c + 1}": t for c, t in enumerate(CUTS[letter])}
    return out


def truth() -> dict[str, float]:
    """The same as parameters: g's disturbance has variance 1."""
    size = 1.0 / np.sqrt(1.0 - PATH**2)  # standard deviation of g
    factor = {"g~f": size, "g=~": 1.0 / size}
    return {k: v * factor.get(k, factor.get(k[:3], 1.0)) for k, v in standardised_truth().items()}


def one_set(sem: bs.SEM, seed: int) -> dict[str, object]:
    """Which intervals hold the true values, and how far posterior means are from them."""
    data = sem.simulate(truth(), RESPONDENTS, random_seed=seed)
    began = time.process_time()
    fit = sem.fit(data, draws=300, tune=300, chains=2, cores=1, random_seed=seed, progress=False)
    structure = fit.prepared.structure
    rows = [k for k, r in enumerate(structure.table.rows) if r.op in KINDS]
    names = [f"{r.lhs}{r.op}{r.rhs}" for r in structure.table.rows]
    if any(structure.table.responses.thresholds[x] != 4 for x in structure.table.ordered):
        return {"left_out": "a category without answers"}
    true = np.array([standardised_truth()[names[k]] for k in rows])
    draws = standardised(structure, fit.elements)[..., rows].reshape(-1, len(rows))
    lower, upper = np.quantile(draws, [0.025, 0.975], axis=0)
    return {
        "names": [names[k] for k in rows],
        "inside": ((lower <= true) & (true <= upper)).tolist(),
        "error": (draws.mean(axis=0) - true).tolist(),
        "divergences": int(fit.diagnosis.divergences),
        "cpu_seconds": time.process_time() - began,
    }


def summary(sets: list[dict]) -> dict[str, object]:
    """Coverage and bias by kind of parameter, with Monte Carlo standard errors over data sets."""
    used = [one for one in sets if "left_out" not in one]
    names = used[0]["names"]
    inside = np.array([one["inside"] for one in used], dtype=float)
    errors = np.array([one["error"] for one in used])
    out: dict[str, object] = {"data_sets": len(used), "left_out": len(sets) - len(used)}
    for op, kind in KINDS.items():
        own = [k for k, n in enumerate(names) if op == _op(n)]
        share, off = inside[:, own].mean(axis=1), errors[:, own].mean(axis=1)
        out[kind] = {
            "coverage": round(float(share.mean()), 4),
            "se": round(float(share.std(ddof=1) / np.sqrt(len(used))), 4),
            "lowest": round(float(inside[:, own].mean(axis=0).min()), 3),
            "highest": round(float(inside[:, own].mean(axis=0).max()), 3),
            "bias": round(float(off.mean()), 4),
            "bias_se": round(float(off.std(ddof=1) / np.sqrt(len(used))), 4),
        }
    out["divergences"] = sum(one["divergences"] for one in used)
    out["cpu_seconds_a_fit"] = round(float(np.mean([one["cpu_seconds"] for one in used])), 2)
    return out


def _op(name: str) -> str:
    return next(op for op in ("=~", "|", "~") if op in name)


@contextlib.contextmanager
def _kept(path: str | None) -> Iterator[Store | None]:
    if path is None:
        yield None
        return
    settings = {"truth": truth(), "n": RESPONDENTS, "draws": 300, "tune": 300, "chains": 2}
    with Store(path, "coverage of ordered answers", settings) as store:
        yield store


def main() -> None:
    """Simulate, fit, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    parser.add_argument("--data-sets", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--store", help="file that keeps what is done")
    arguments = parser.parse_args()
    sem = bs.SEM(MODEL, std_lv=True, ordered=True)
    with _kept(arguments.store) as store:
        done = store.pieces() if store is not None else {}
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.data_sets):
            if str(seed) in done:
                continue
            done[str(seed)] = one_set(sem, seed)
            if store is not None:
                store.add(str(seed), done[str(seed)])
            if not arguments.json:
                print(seed, done[str(seed)].get("cpu_seconds"), flush=True)
    print(json.dumps(summary(list(done.values()))))


if __name__ == "__main__":
    main()
