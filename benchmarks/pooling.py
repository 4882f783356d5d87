"""Recovery of group values and of their spread with complete, no and partial pooling.

    python -m benchmarks.pooling                    all settings, 8 data sets of 30 groups
    python -m benchmarks.pooling --sets 12 --figure docs/figures/recovery_pooling.png
    python -m benchmarks.pooling --time             30 groups by 3 pooled paths, timed

Data sets are simulated with group paths drawn from a normal distribution of known mean and standard
deviation, in 2, 8 and 30 groups, of equal size and not. Reported are the mean squared error of the
groups' paths under each pooling, and the coverage of 95 % intervals of the groups' paths and of the
standard deviation between groups under partial pooling. Theory (Efron & Morris 1975,
doi:10.1080/01621459.1975.10479864) has partial pooling's error below that of no pooling from about
4 groups on, and below that of complete pooling where groups differ.
"""

from __future__ import annotations

import argparse
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd

import bayessem as bs
from bayessem.model.structure import build_structure
from bayessem.results.simulate import elements_at, simulate

MODEL = """
f =~ x1 + x2 + x3
g =~ y1 + y2 + y3
g ~ f
"""
THREE = """
f =~ x1 + x2 + x3
g =~ y1 + y2 + y3
h =~ z1 + z2 + z3
g ~ f
h ~ g + f
"""
MEAN = 0.5
GROUPS = (2, 8, 30)
REPEATS = {2: 5, 8: 2, 30: 1}  # data sets with few groups say less
SPREADS = (0.05, 0.25)
POOLINGS = ("complete", "none", "partial")
RESPONDENTS = 40  # of a group, on average
SHORT: dict[str, Any] = {"draws": 400, "tune": 400, "chains": 2, "cores": 1, "progress": False}


def group_sizes(groups: int, balanced: bool) -> list[int]:
    """Respondents by group: equal, or from a quarter to twice the average."""
    if balanced:
        return [RESPONDENTS] * groups
    share = np.geomspace(0.25, 2.0, groups)
    return [max(8, int(round(RESPONDENTS * s))) for s in share]


def simulate_groups(
    model: str, slopes: dict[str, np.ndarray], sizes: list[int], *, random_seed: int
) -> pd.DataFrame:
    """Respondents whose paths are `slopes` (by name, one a group); all else is equal."""
    structure = build_structure(bs.SEM(model).table)
    frames = []
    for k, n in enumerate(sizes):
        values = {
            r.name: 1.0 if r.op == "=~" else 0.5 if r.op == "~~" else 0.0
            for r in structure.table.rows
            if r.free >= 0
        }
        values |= {"f~~f": 1.0} | {name: float(s[k]) for name, s in slopes.items()}
        part = simulate(structure, elements_at(structure, values), n, random_seed=random_seed + k)
        frames.append(part.assign(group=f"{k:02d}"))
    return pd.concat(frames, ignore_index=True)


def one_set(groups: int, spread: float, balanced: bool, *, random_seed: int) -> list[dict]:
    """Errors and coverage in one simulated data set."""
    warnings.simplefilter("ignore", bs.BayessemWarning)
    rng = np.random.default_rng(random_seed)
    truth = MEAN + spread * rng.standard_normal(groups)
    sizes = group_sizes(groups, balanced)
    data = simulate_groups(MODEL, {"g~f": truth}, sizes, random_seed=1000 * random_seed)
    pooling = {
        "complete": bs.complete_pooling(),
        "none": bs.no_pooling("g~f"),
        "partial": bs.partial("g~f"),
    }
    rows = []
    for kind in POOLINGS:
        fit = bs.SEM(MODEL).fit(
            data, group="group", pooling=pooling[kind], random_seed=random_seed, **SHORT
        )
        names = ["g~f"] * groups
        if kind != "complete":
            names = [f"g~f[{k:02d}]" for k in range(groups)]
        draws = fit.parameters.sel(parameter=names).values.reshape(-1, groups)
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        row = {
            "groups": groups,
            "spread": spread,
            "balanced": balanced,
            "pooling": kind,
            "set": random_seed,
            "squared_error": float(np.mean((draws.mean(axis=0) - truth) ** 2)),
            "covered": float(np.mean((low <= truth) & (truth <= high))),
            "divergences": int(fit.data["sample_stats"]["diverging"].sum()),
            "sd_covered": np.nan,
        }
        if kind == "partial":
            sd = fit.parameters.sel(parameter="sd(g~f)").values
            row["sd_covered"] = float(np.quantile(sd, 0.025) <= spread <= np.quantile(sd, 0.975))
        rows.append(row)
    return rows


def recovery(sets: int, *, workers: int = 2) -> pd.DataFrame:
    """Mean squared error, its excess over partial pooling's, and coverage, by setting and pooling.

    The excess is taken data set by data set, so that what they share cancels.
    """
    rows = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for setting in product(GROUPS, SPREADS, (True, False)):
            repeats = range(1, sets * REPEATS[setting[0]] + 1)
            jobs = [pool.submit(one_set, *setting, random_seed=s) for s in repeats]
            own = [row for job in jobs for row in job.result()]
            done = pd.DataFrame(own).groupby("pooling")["squared_error"].mean()
            print(*setting, done.round(4).to_dict(), flush=True)
            rows += own
    frame = pd.DataFrame(rows)
    same = frame.groupby(["groups", "spread", "balanced", "set"])["squared_error"]
    frame["excess"] = frame["squared_error"] - same.transform("last")  # over partial pooling
    by = frame.groupby(["groups", "spread", "balanced", "pooling"])
    return pd.DataFrame(
        {
            "mse": by["squared_error"].mean(),
            "mse_se": by["squared_error"].sem(),
            "excess": by["excess"].mean(),
            "excess_se": by["excess"].sem(),
            "coverage": by["covered"].mean(),
            "sd_coverage": by["sd_covered"].mean(),
            "divergences": by["divergences"].sum(),
            "sets": by.size(),
        }
    )


def draw_figure(table: pd.DataFrame, path: str) -> None:
    """Root mean squared error of the groups' paths under the three poolings, by setting."""
    from bayessem.plots.style import TWO, colour, marker, new_figure, styled

    @styled
    def figure() -> None:
        fig = new_figure(width=TWO, height=2.4)
        panels = fig.subplots(1, 4, sharey=True)
        settings = [(spread, balanced) for spread in SPREADS for balanced in (True, False)]
        for ax, (spread, balanced) in zip(panels, settings, strict=True):
            part = table.xs((spread, balanced), level=("spread", "balanced"))
            for k, kind in enumerate(POOLINGS):
                own = part.xs(kind, level="pooling").reindex(GROUPS)
                root = np.sqrt(own["mse"])
                error = own["mse_se"] / (2 * root)
                at = np.arange(len(GROUPS)) + 0.12 * (k - 1)
                look = {"color": colour(k), "marker": marker(k), "markersize": 3.6}
                ax.errorbar(at, root, yerr=error, label=kind, **look)
            ax.set_xticks(range(len(GROUPS)), [str(g) for g in GROUPS])
            ax.set_title(f"sd {spread:g}\n{'equal' if balanced else 'unequal'} sizes")
            ax.set_xlabel("Groups")
        panels[0].set_ylim(bottom=0)
        panels[0].set_ylabel("Root mean squared error")
        names = [f"{'no' if k == 'none' else k} pooling" for k in POOLINGS]
        handles = panels[0].get_legend_handles_labels()[0]
        fig.legend(handles, names, loc="outside upper left", ncols=3)
        fig.savefig(path)

    figure()


def time_thirty() -> None:
    """30 groups by 3 pooled paths at default settings."""
    rng = np.random.default_rng(1)
    paths = ("g~f", "h~g", "h~f")
    slopes = {name: 0.4 + 0.2 * rng.standard_normal(30) for name in paths}
    data = simulate_groups(THREE, slopes, [20] * 30, random_seed=1)
    wall, cpu = time.perf_counter(), time.process_time()
    fit = bs.SEM(THREE).fit(
        data, group="group", pooling=bs.partial(*paths), random_seed=1, progress=False
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    report = fit.pooling()
    print(f"30 groups by 3 pooled paths: {wall:.0f} s, {cpu:.0f} CPU seconds; {fit.timings}")
    print(fit.diagnosis)
    rows = report.table[report.table["quantity"] != "group"]
    print(rows[["parameter", "quantity", "mean", "lower", "upper", "ess_bulk"]].to_string())


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = "data sets of 30 groups (8); more of fewer groups"
    parser.add_argument("--sets", type=int, default=8, help=words)
    parser.add_argument("--figure", default="", help="where to write the figure")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--time", action="store_true", help="30 groups by 3 pooled paths")
    arguments = parser.parse_args()
    if arguments.time:
        time_thirty()
        return
    table = recovery(arguments.sets, workers=arguments.workers)
    print(table.round(4).to_string())
    if arguments.figure:
        draw_figure(table, arguments.figure)


if __name__ == "__main__":
    main()
