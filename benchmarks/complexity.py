"""Cost of one gradient of the posterior as a model or its data grow, and a figure of it.

`python -m benchmarks.complexity --json` prints one JSON object on the last line: microseconds of
CPU of one value and gradient by number of indicators (5 to a construct, n = 500), of groups (9
indicators, 100 respondents each), of respondents (9 indicators), of missingness patterns (12
indicators, n = 2,000), and of dimensions of the integral of product terms (n = 100); with
`--figure FILE` it draws them (docs/figures/complexity.png).

Best of repeated runs in CPU seconds, so that another job on the machine hardly counts, with LAPACK
on one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bayessem.model.prepare import Prepared
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import posterior_density
from bayessem.sem import SEM
from benchmarks.gradient import ONE_THREAD

INDICATORS = (10, 20, 50, 100, 200)
GROUPS = (1, 5, 10, 25, 50)
RESPONDENTS = (100, 1_000, 10_000, 100_000)
PATTERNS = (1, 10, 50, 100, 250, 500)
# Product terms whose integral has one, two and three dimensions.
PRODUCTS = ("X:X", "X:X + Z:Z", "X:X + Z:Z + W:W")
SECONDS = 0.3  # of repeated gradients
REPEATS = 3


def measurement_model(indicators: int, per_construct: int) -> str:
    """Constructs with equally many indicators x1, x2, ..., all covarying."""
    lines = []
    for first in range(1, indicators + 1, per_construct):
        last = min(first + per_construct, indicators + 1)
        items = " + ".join(f"x{i}" for i in range(first, last))
        lines.append(f"f{first} =~ {items}")
    return "\n".join(lines)


def measurement_data(n: int, indicators: int, per_construct: int) -> pd.DataFrame:
    """Respondents of such a model: constructs correlate about .3, reliability about .64."""
    rng = np.random.default_rng(1)
    constructs = -(-indicators // per_construct)
    common = rng.normal(size=(n, 1)) * np.sqrt(0.3)
    latent = common + rng.normal(size=(n, constructs)) * np.sqrt(0.7)
    loaded = np.repeat(latent, per_construct, axis=1)[:, :indicators]
    values = 0.8 * loaded + 0.6 * rng.normal(size=(n, indicators))
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(1, indicators + 1)])


def with_patterns(data: pd.DataFrame, patterns: int) -> pd.DataFrame:
    """The data with as many patterns of missing values (the complete one included)."""
    values = data.to_numpy(copy=True)
    columns = values.shape[1]
    for i in range(len(values)):
        # the binary digits of the pattern's number say which of the columns are missing
        digits = np.array([(i % patterns) >> j & 1 for j in range(columns)], dtype=bool)
        values[i, digits] = np.nan
    return pd.DataFrame(values, columns=data.columns)


def product_data(n: int) -> pd.DataFrame:
    """Three indicators each for X, Z, W and Y with weak squares."""
    rng = np.random.default_rng(2)
    x, z, w = rng.normal(size=(3, n))
    y = 0.4 * x + 0.3 * z + 0.2 * (x**2 + z**2 + w**2) + 0.7 * rng.normal(size=n)
    latent = {"x": x, "z": z, "w": w, "y": y}
    return pd.DataFrame(
        {
            f"{name}{i}": value + 0.6 * rng.normal(size=n)
            for name, value in latent.items()
            for i in (1, 2, 3)
        }
    )


def product_model(terms: str) -> str:
    """Y on X, Z, W and the product terms."""
    measured = "\n".join(
        f"{name} =~ " + " + ".join(f"{name.lower()}{i}" for i in (1, 2, 3)) for name in "XZWY"
    )
    return f"{measured}\nY ~ X + Z + W + {terms}"


def microseconds(prepared: Prepared) -> float:
    """CPU microseconds of one value and gradient at the start values, products .2."""
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    x = initial_point(
        prepared.space,
        prepared.table,
        start_values(prepared.structure, prepared.covariances, prepared.means),
    )
    # coefficients of products start at 0, where their integrals would be easy
    products = [c.kind == "product" for c in prepared.space.coordinates]
    x = np.where(products, 0.2, x)
    began = time.process_time()
    value, _ = density.value_and_gradient(x)
    if not np.isfinite(value):
        raise AssertionError("the density is not finite at the start values")
    once = max(time.process_time() - began, 1e-6)
    times = max(1, int(SECONDS / once))
    best = np.inf
    for _ in range(REPEATS):
        began = time.process_time()
        for _ in range(times):
            density.value_and_gradient(x)
        best = min(best, (time.process_time() - began) / times)
    return 1e6 * best


def measure() -> dict[str, dict[str, float]]:
    """Microseconds by axis and size."""
    nine = SEM(measurement_model(9, 3))
    twelve = SEM(measurement_model(12, 3))
    wide = measurement_data(5_000, 9, 3)
    complete = measurement_data(2_000, 12, 3)
    product = product_data(100)
    groups = {
        count: wide.iloc[: 100 * count].assign(g=[f"g{i % count}" for i in range(100 * count)])
        for count in GROUPS
    }
    return {
        "indicators": {
            str(k): microseconds(SEM(measurement_model(k, 5)).prepare(measurement_data(500, k, 5)))
            for k in INDICATORS
        },
        "groups": {
            str(k): microseconds(
                SEM(measurement_model(9, 3), group_equal=["loadings", "intercepts"]).prepare(
                    data, group="g"
                )
            )
            for k, data in groups.items()
        },
        "respondents": {
            str(n): microseconds(nine.prepare(measurement_data(n, 9, 3))) for n in RESPONDENTS
        },
        "patterns": {
            str(k): microseconds(twelve.prepare(with_patterns(complete, k))) for k in PATTERNS
        },
        "integral_dimensions": {
            str(k): microseconds(SEM(product_model(terms)).prepare(product))
            for k, terms in enumerate(PRODUCTS, start=1)
        },
    }


def draw(results: dict[str, dict[str, float]], file: Path) -> None:
    """A panel an axis, both axes logarithmic."""
    from bayessem.plots.style import SETTINGS, TWO, colour, marker

    titles = {
        "indicators": "Indicators",
        "groups": "Groups",
        "respondents": "Respondents",
        "patterns": "Patterns of\nmissing values",
        "integral_dimensions": "Dimensions of\nthe integral",
    }
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter

    plain = FuncFormatter(lambda x, _: f"{x:,.0f}")
    with plt.rc_context(SETTINGS):
        figure, axes = plt.subplots(1, len(titles), figsize=(TWO, 2.0), sharey=True)
        for at, (ax, (key, title)) in enumerate(zip(axes, titles.items(), strict=True)):
            sizes = [float(k) for k in results[key]]
            cost = list(results[key].values())
            ax.plot(sizes, cost, marker(at), color=colour(at), linestyle="-", markersize=3.6)
            if key == "integral_dimensions":
                ax.set_xlim(0.6, 3.4)
                ax.set_xticks(sizes)
            else:
                ax.set_xscale("log")
                ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set_yscale("log")
            ax.xaxis.set_major_formatter(plain)
            ax.yaxis.set_major_formatter(plain)
            ax.set_xlabel(title)
        axes[0].set_ylabel("CPU microseconds\na gradient")
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)
        plt.close(figure)


if __name__ == "__main__":
    if not ONE_THREAD.items() <= os.environ.items():  # read when LAPACK is loaded, so start again
        again = [sys.executable, "-m", "benchmarks.complexity", *sys.argv[1:]]
        sys.exit(subprocess.call(again, env=os.environ | ONE_THREAD))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw it")
    arguments = parser.parse_args()
    results = measure()
    if arguments.figure:
        draw(results, arguments.figure)
    if arguments.json:
        print(json.dumps({k: {s: round(v, 1) for s, v in x.items()} for k, x in results.items()}))
    else:
        for key, values in results.items():
            print(key)
            for size, cost in values.items():
                print(f"  {size:>8} {cost:12.1f} microseconds")
