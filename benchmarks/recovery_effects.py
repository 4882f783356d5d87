"""Coverage of derived quantities: `python -m benchmarks.recovery_effects --json`.

Data sets of 300 respondents are drawn at known values from a model of three constructs: X bends M
(an inverted U that turns inside the range of X), and M, beside X itself, moves Y. Each is fitted,
and the 90 % intervals are counted that hold the true value of

- the specific indirect effect X -> M -> Y, averaged over X (`fit.effects`),
- the quadratic effect of X on M (the parameter),
- the turning point (`fit.shape`: given that there is a peak).

One JSON object on the last line: coverage, bias, mean width and the Monte Carlo error of a coverage
of .90; `--figure FILE` draws every interval.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import pandas as pd

import bayessem as bs
from bayessem.model.structure import build_structure
from bayessem.results.simulate import elements_at, simulate
from bayessem.shapes.shape_result import Shape

MODEL = """
  X =~ x1 + x2 + x3
  M =~ m1 + m2 + m3
  Y =~ y1 + y2 + y3
  M ~ X + X:X
  Y ~ M + X
"""
PATHS = {"M~X": 0.4, "M~X:X": -0.3, "Y~M": 0.5, "Y~X": 0.2}
# X has mean 0, so the square adds nothing to the average slope of M.
TRUE = {
    "indirect effect": PATHS["M~X"] * PATHS["Y~M"],
    "quadratic effect": PATHS["M~X:X"],
    "turning point": -PATHS["M~X"] / (2.0 * PATHS["M~X:X"]),
}
CI_PROB, RESPONDENTS = 0.90, 300


def true_values() -> dict[str, float]:
    """Every free parameter: paths as above, loadings of .8, variances of .6 or less."""
    table = bs.SEM(MODEL).table
    variances = {"X": 1.0, "M": 0.5, "Y": 0.5}
    out = {}
    for name in table.parameters:
        row = next(r for r in table.rows if r.free >= 0 and table.parameters[r.free] == name)
        match row.op:
            case "=~":
                out[name] = 0.8
            case "~~":
                out[name] = variances.get(row.lhs, 0.4)
            case "~1":
                out[name] = 4.0
            case _:
                out[name] = PATHS[name]
    return out


def one_data_set(seed: int) -> pd.DataFrame:
    """Simulate and fit one: a row a quantity with truth, estimate, lower and upper."""
    sem = bs.SEM(MODEL)
    structure = build_structure(sem.table)
    elements = elements_at(structure, true_values())
    data = simulate(structure, elements, RESPONDENTS, random_seed=seed)
    fit = sem.fit(data, draws=500, tune=500, chains=2, random_seed=seed, progress=False)

    effects = fit.effects("X", "Y", ci_prob=CI_PROB).table
    indirect = effects[(effects["effect"] == "indirect") & (effects["at"] == "averaged over X")]
    summary = fit.summary(ci_prob=CI_PROB)
    square = summary[(summary["lhs"] == "M") & (summary["rhs"] == "X:X")]
    shape = fit.shape("X", "M", ci_prob=CI_PROB, lines=False)
    assert isinstance(shape, Shape)
    turn = shape.turning_point.iloc[0]
    rows = [
        indirect[["mean", "lower", "upper"]].iloc[0].to_numpy(),
        square[["mean", "lower", "upper"]].iloc[0].to_numpy(),
        turn[["median", "lower", "upper"]].to_numpy(),
    ]
    return pd.DataFrame(np.array(rows, dtype=float), columns=["estimate", "lower", "upper"]).assign(
        quantity=list(TRUE),
        truth=list(TRUE.values()),
        seed=seed,
        divergences=fit.diagnosis.divergences,
        peak=float(turn["p_kind"]) if turn["kind"] == "peak" else 1.0 - float(turn["p_kind"]),
    )


def coverage(table: pd.DataFrame) -> pd.DataFrame:
    """Coverage, bias and width by quantity."""
    covers = (table["lower"] <= table["truth"]) & (table["truth"] <= table["upper"])
    return (
        table.assign(
            covers=covers,
            error=table["estimate"] - table["truth"],
            width=table["upper"] - table["lower"],
        )
        .groupby("quantity", sort=False)
        .agg(coverage=("covers", "mean"), bias=("error", "mean"), width=("width", "mean"))
    )


def draw(table: pd.DataFrame, path: str) -> None:
    """Every interval, sorted by its estimate; those that miss the true value in colour."""
    from bayessem.plots.style import COLOURS, QUIET, TWO, new_figure, styled, zero_line

    @styled
    def figure() -> None:
        canvas = new_figure(width=TWO, height=2.6)
        axes = canvas.subplots(1, len(TRUE), sharey=True)
        shares = coverage(table)["coverage"]
        for ax, (name, truth) in zip(axes, TRUE.items(), strict=True):
            part = table[table["quantity"] == name].sort_values("estimate", ignore_index=True)
            outside = (part["lower"] > truth) | (part["upper"] < truth)
            for missed, shade in ((False, QUIET), (True, COLOURS[1])):
                own = part[outside == missed]
                ax.hlines(own.index, own["lower"], own["upper"], color=shade, linewidth=0.6)
            zero_line(ax, at=truth)
            ax.set_title(f"{name}: {100 * shares[name]:.1f} % cover")
            ax.set_xlabel(f"true value {truth:.3g}")
            span = part[["lower", "upper"]].quantile([0.01, 0.99])
            reach = 0.15 * (span["upper"].max() - span["lower"].min())
            ax.set_xlim(span["lower"].min() - reach, span["upper"].max() + reach)
        axes[0].set_ylabel("Data sets, sorted")
        canvas.savefig(path, dpi=150)

    figure()


def main() -> None:
    """Simulate, fit, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    parser.add_argument("--data-sets", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--figure", help="draw the intervals to this PNG file")
    arguments = parser.parse_args()
    began = time.perf_counter()
    parts = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.data_sets):
        parts.append(one_data_set(seed))
        if not arguments.json:
            print(parts[-1].round(3).to_string(index=False, header=seed == 1), flush=True)
    table = pd.concat(parts, ignore_index=True)
    if arguments.figure:
        draw(table, arguments.figure)
    found = coverage(table)
    by_fit = table.drop_duplicates("seed")
    print(
        json.dumps(
            {
                "data_sets": arguments.data_sets,
                "interval": CI_PROB,
                "coverage": found["coverage"].round(4).to_dict(),
                "monte_carlo_error": round((CI_PROB * (1 - CI_PROB) / len(by_fit)) ** 0.5, 4),
                "bias": found["bias"].round(4).to_dict(),
                "width": found["width"].round(4).to_dict(),
                "divergences": int(by_fit["divergences"].sum()),
                "least_probability_of_a_peak": round(float(by_fit["peak"].min()), 4),
                "seconds": round(time.perf_counter() - began, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
