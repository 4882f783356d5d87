"""Groups of a variable against the variable itself as a moderator: does LOO find what is true?

    python -m benchmarks.moderators             every truth, 3 data sets each
    python -m benchmarks.moderators --sets 6    more sure

A path between two constructs depends on w (eight levels) not at all, in two steps, or linearly; in
all three w has an effect of its own on the outcome. Each data set is fitted with the path the same
for all, by halves and by levels of w with no and with partial pooling, and with w as a continuous
moderator, once with w's own effect in every model (as `moderation_study` does it) and once with it
in the continuous model alone. Reported is elpd less that of the path that is the same for all
respondents, both models having w's own effect: mean over the data sets and its standard error.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import bayessem as bs
from bayessem.comparison.loo import loo
from bayessem.text.document import Column, Table
from bayessem.text.formats import WORD
from bayessem.text.numbers import number
from bayessem.text.terminal import table_text

MODEL = """
f =~ x1 + x2 + x3
g =~ y1 + y2 + y3
g ~ f
"""
PATH = "g ~ f"
RESPONDENTS = 320
LEVELS = 8
OWN_EFFECT = 0.35  # of w, in standard deviations of the disturbance for one of w
TRUTHS = {
    "w's own effect alone": lambda w: np.full_like(w, 0.5),
    "slope in two steps": lambda w: np.where(w > 0, 0.8, 0.2),
    "slope linear in w": lambda w: 0.5 + 0.25 * w,
}
GROUPINGS = {"halves": ("half", None), "levels": ("level", "w")}
SHORT: dict[str, Any] = {"draws": 500, "tune": 500, "chains": 2, "progress": False}
SAME = "the same for all"


def respondents(slope: Callable[[np.ndarray], np.ndarray], *, random_seed: int) -> pd.DataFrame:
    """Indicators of f and g, the moderator w (mean 0, sd 1), its halves and its levels."""
    rng = np.random.default_rng(random_seed)
    level = np.arange(RESPONDENTS) % LEVELS
    w = (level - level.mean()) / level.std()
    f = rng.standard_normal(RESPONDENTS)
    g = slope(w) * f + OWN_EFFECT * w + rng.standard_normal(RESPONDENTS)
    columns = {f"x{i}": f + 0.6 * rng.standard_normal(RESPONDENTS) for i in (1, 2, 3)}
    columns |= {f"y{i}": g + 0.6 * rng.standard_normal(RESPONDENTS) for i in (1, 2, 3)}
    half = np.where(w > 0, "high", "low")
    return pd.DataFrame(columns).assign(w=w, half=half, level=level.astype(str))


def pointwise(sem: bs.SEM, data: pd.DataFrame, *, random_seed: int) -> dict[str, np.ndarray]:
    """Elpd of each respondent in the models of groups, (respondent,) by model."""
    out: dict[str, np.ndarray] = {}
    complete = None
    for name, (column, by) in GROUPINGS.items():
        found = bs.compare_poolings(
            sem,
            data,
            PATH,
            group=column,
            by=by,
            complete=complete,
            loo=False,
            random_seed=random_seed,
            **SHORT,
        )
        complete = found.fits["complete"]
        for kind in ("none", "partial"):
            out[f"{name}, {kind}"] = loo(found.fits[kind]).pointwise["elpd"].to_numpy()
    assert complete is not None
    return {SAME: loo(complete).pointwise["elpd"].to_numpy()} | out


def one_set(
    slope: Callable[[np.ndarray], np.ndarray], *, random_seed: int
) -> dict[str, dict[str, float]]:
    """Elpd of each model less that of the same path for all, with w's own effect in all or not."""
    data = respondents(slope, random_seed=random_seed)
    plain = bs.SEM(MODEL)
    moderated = bs.continuous_moderator(plain, "w", PATH)
    fit = moderated.fit(data, random_seed=random_seed, **SHORT)
    continuous = {"continuous": fit.loo().pointwise["elpd"].to_numpy()}
    fair = bs.with_main_effects(plain, "w", PATH)
    found = {"in all": pointwise(fair, data, random_seed=random_seed) | continuous}
    base = found["in all"][SAME]
    found["in one"] = pointwise(plain, data, random_seed=random_seed) | continuous
    return {
        how: {name: float((elpd - base).sum()) for name, elpd in models.items()}
        for how, models in found.items()
    }


TITLES = ("own effect in all", "in the continuous alone")


def _mean(values: list[float]) -> str:
    """Mean and its standard error."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{number(float(np.mean(values)), 1)} ({number(float(error), 1)})"


def main() -> None:
    """Print a table a truth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=3, help="data sets of each truth (3)")
    parser.add_argument("--json", action="store_true", help="a JSON object at the end")
    options = parser.parse_args()
    warnings.simplefilter("ignore", bs.BayessemWarning)
    result: dict[str, dict[str, dict[str, list[float]]]] = {}
    for truth, slope in TRUTHS.items():
        sets = [one_set(slope, random_seed=seed + 1) for seed in range(options.sets)]
        names = list(sets[0]["in all"])
        result[truth] = {
            how: {name: [s[how][name] for s in sets] for name in names} for how in sets[0]
        }
        print(f"\nTruth: {truth}; elpd against {SAME!r} (SE over {options.sets} data sets)")
        hows = zip(result[truth].values(), TITLES, strict=True)
        columns = [Column(title, [_mean(how[n]) for n in names], WORD) for how, title in hows]
        print(table_text(Table((Column("", names), *columns))), flush=True)
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
