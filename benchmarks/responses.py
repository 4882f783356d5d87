"""Models with ordered answers: cost of a gradient, effective draws per CPU second.

`python -m benchmarks.responses --json` prints one JSON object on the last line. Nothing else should
be running. The models:

- binary: one factor of 6 binary items, n = 500 and, as binary5000, n = 5,000;
- three: Holzinger and Swineford's three correlated factors, items cut at their quintiles, n = 301;
- tree: the alliance model with AMC's square, 26 items rounded to 1 to 7, n = 278.

us_MODEL: CPU microseconds of a value and gradient at the start values; nodes_MODEL: most nodes of a
construct.  With --sampling, ess_per_cpu_s_MODEL: smallest bulk effective sample size per CPU second
(2 chains of 500 + 500 draws, warm-up and maximum counted).
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from models.alliance_capability import QUADRATIC
from models.reporting import ROOT

import bayessem as bs
from bayessem.likelihood.node_plan import unpack_nodes
from bayessem.model.prepare import Prepared


def binary(n: int) -> Prepared:
    """One factor of six binary items."""
    rng = np.random.default_rng(1)
    factor = rng.normal(size=(n, 1))
    loadings = np.array([0.5, 0.6, 0.7, 0.7, 0.8, 0.8])
    answers = factor * loadings + rng.normal(size=(n, 6)) * np.sqrt(1.0 - loadings**2)
    names = [f"x{i}" for i in range(1, 7)]
    data = pd.DataFrame((answers > np.linspace(-0.8, 0.8, 6)).astype(int), columns=names)
    return bs.SEM("f =~ " + " + ".join(names), std_lv=True, ordered=True).prepare(data)


def three() -> Prepared:
    """Holzinger and Swineford's factors, five categories."""
    data = pd.read_csv(ROOT / "data" / "holzinger_swineford_1939.csv")
    items = [f"x{i}" for i in range(1, 10)]
    cut = data[items].apply(lambda x: pd.qcut(x, 5, labels=False, duplicates="drop"))
    lines = [f"f{k} =~ " + " + ".join(items[3 * k : 3 * k + 3]) for k in range(3)]
    return bs.SEM("\n".join(lines), std_lv=True, ordered=True).prepare(cut)


def tree() -> Prepared:
    """The alliance model with a square, its items as answers from 1 to 7."""
    data = pd.read_csv(ROOT / "data" / "alliance_capability.csv")
    items = [c for c in data.columns[:26]]
    data[items] = data[items].round().clip(1, 7).astype(int)
    return bs.SEM(QUADRATIC, ordered=items).prepare(data)
