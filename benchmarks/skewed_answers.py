"""Skewed answers in five categories: the same items as ordered, and as numbers.

Two constructs with four items each, a path of .5 between them; the items of the first pile up in
the lowest category, those of the second in the highest, as workload and job satisfaction may. Many
data sets are drawn and both models are fitted to each: bias, error and coverage of the standardised
path and loadings, a table and the figure of the docs.

    python benchmarks/skewed_answers.py --sets 100 --figure docs/figures/skewed_answers.png

By default both are fitted by maximum likelihood, on the same likelihoods that are sampled, and
intervals are Wald's; with --draws 400 both are sampled.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

import bayessem as bs

MODEL = "f =~ x1 + x2 + x3 + x4\ng =~ y1 + y2 + y3 + y4\ng ~ f"
PATH, LOADING = 0.5, 0.8
# 62 % in the lowest of five categories, then 18, 10, 6 and 4 %.
CUTS = (0.305, 0.842, 1.282, 1.751)
RESPONDENTS = 300


def truth() -> dict[str, float]:
    """Parameters of the model in delta: g has variance 1 in all."""
    spread = 1.0 / np.sqrt(1.0 - PATH**2)  # loadings are per unit of a disturbance of variance 1
    out = {"g~f": PATH * spread}
    out |= {f"f=~x{k}": LOADING for k in range(1, 5)}
    out |= {f"g=~y{k}": LOADING / spread for k in range(1, 5)}
    for k in range(1, 5):
        out |= {f"x{k}|t{c + 1}": cut for c, cut in enumerate(CUTS)}
        out |= {f"y{k}|t{c + 1}": -cut for c, cut in enumerate(reversed(CUTS))}
    return out


def maxima(data: pd.DataFrame) -> dict[str, dict[str, list[float]]]:
    """Standardised estimates and intervals by maximum likelihood.

    All standardised values here are a / sqrt(a^2 + rest) of one estimate a, whose interval's ends
    are moved the same way.
    """
    out = {}
    for model, ordered in (("ordered", True), ("continuous", False)):
        table = bs.SEM(MODEL, std_lv=True, ordered=ordered).ml(data).table
        table = table[table["op"].isin(["=~", "~"])]
        rest = table["est"] ** 2 * (1.0 / table["std_all"] ** 2 - 1.0)
        ends = [table[c] / np.sqrt(table[c] ** 2 + rest) for c in ("ci_lower", "ci_upper")]
        names = table["lhs"] + " " + table["op"] + " " + table["rhs"]
        values = np.column_stack([table["std_all"], *ends]).tolist()
        out[model] = dict(zip(names, values, strict=True))
    return out


def one_set(seed: int, draws: int) -> dict[str, dict[str, list[float]]]:
    """Estimate and interval of each standardised loading and path, by model, for one data set."""
    sem = bs.SEM(MODEL, std_lv=True, ordered=True)
    data = sem.simulate(truth(), RESPONDENTS, random_seed=seed)
    if not draws:
        return maxima(data)
    found = sem.compare_responses(
        data, draws=draws, tune=draws, chains=2, random_seed=seed, progress=False
    )
    table = found.table[found.table["kind"].isin(["standardised loading", "standardised path"])]
    return {
        model: {
            row["quantity"]: [row[model], row[f"{model}_lower"], row[f"{model}_upper"]]
            for row in table.to_dict("records")
        }
        for model in ("ordered", "continuous")
    }


def summary(sets: list[dict]) -> list[tuple[str, str, float, float, float, float]]:
    """Model, what, mean estimate, its Monte Carlo error, root mean square error, coverage.

    Coverage is that of the path: Wald intervals of a loading here take its residual variance as
    known.
    """
    out = []
    for model in ("ordered", "continuous"):
        for what, true in (("path", PATH), ("loading", LOADING)):
            found = np.array(
                [
                    [v for name, v in one[model].items() if ("=~" in name) == (what == "loading")]
                    for one in sets
                ]
            )  # (set, quantity, 3)
            mean = found[..., 0].mean(axis=1)
            out.append(
                (
                    model,
                    what,
                    float(mean.mean()),
                    float(mean.std(ddof=1) / np.sqrt(len(sets))),
                    float(np.sqrt(((found[..., 0] - true) ** 2).mean())),
                    float(((found[..., 1] < true) & (true < found[..., 2])).mean()),
                )
            )
    return out


def draw(sets: list[dict], path: Path) -> None:
    """The path of every data set with its interval, ordered beside continuous."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(6.5, 3.4), sharey=True, layout="constrained")
    for ax, model, colour in zip(axes, ("ordered", "continuous"), ("C0", "C1"), strict=True):
        found = np.array([one[model]["g ~ f"] for one in sets])
        found = found[np.argsort(found[:, 0])]
        ax.vlines(np.arange(len(found)), found[:, 1], found[:, 2], colour, linewidth=0.8)
        ax.plot(found[:, 0], ".", color=colour, markersize=3)
        ax.axhline(PATH, color="0.3", linewidth=0.9)
        share = np.mean((found[:, 1] < PATH) & (found[:, 2] > PATH))
        ax.set_title(f"Answers as {'categories' if model == 'ordered' else 'numbers'}", fontsize=9)
        ax.set_xlabel(
            f"{len(sets)} data sets; mean {found[:, 0].mean():.2f}, {share:.0%} of the intervals "
            "hold .50",
            fontsize=7.5,
        )
        ax.set_xticks([])
    axes[0].set_ylabel("Standardised path, 95 % interval", fontsize=8)
    figure.savefig(path, dpi=160)


def main() -> None:
    """Draw, fit, print; what is done is kept in --keep, so that a run may be continued."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("skewed_answers.json"))
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    sets = json.loads(arguments.keep.read_text()) if arguments.keep.exists() else []
    for seed in range(len(sets), arguments.sets):
        sets.append(one_set(seed, arguments.draws))
        arguments.keep.write_text(json.dumps(sets))
    print("model       what     mean (error)    RMSE  coverage of 95 %")
    for model, what, mean, error, rmse, coverage in summary(sets):
        print(
            f"{model:11} {what:8} {mean:.3f} ({error:.3f})  {rmse:.3f}  {coverage:.3f}"
            if what == "path"
            else f"{model:11} {what:8} {mean:.3f} ({error:.3f})  {rmse:.3f}"
        )
    if arguments.figure:
        draw(sets, arguments.figure)


if __name__ == "__main__":
    main()
