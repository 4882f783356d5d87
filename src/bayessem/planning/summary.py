"""Tables of a design study from its replicates: by condition and target, and the sizes needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayessem.planning.conditions import FACTORS, Condition
from bayessem.planning.reach import share_interval, smallest_n
from bayessem.planning.targets import Target

CONDITION = ("truth", *FACTORS, "n")
OF_INTERVALS = ("mean", "bias", "bias_mc", "sd", "width", "coverage", "coverage_mc")
REPLICATES = (
    *CONDITION,
    "replicate",
    "target",
    "shape",
    "estimate",
    "lower",
    "upper",
    "true",
    "there",
    "found",
    "rightly",
    "converged",
    "proper",
    "seconds",
    "cpu",
)


def piece_name(condition: Condition, number: int) -> str:
    """Name of a replicate in a store."""
    return f"{condition.key} {number}"


def condition_of(name: str) -> tuple[Condition, int]:
    """Condition and replicate of a name in a store."""
    key, _, number = name.rpartition(" ")
    return Condition.of(key), int(number)


def replicates_frame(
    pieces: Mapping[str, Mapping[str, Any]], targets: Sequence[Target], ci_prob: float
) -> pd.DataFrame:
    """A row a replicate and target (`REPLICATES`), by condition and replicate.

    Of a fit that failed every target has a row, not found and without numbers.
    """
    labels: dict[tuple[Condition, int], dict[str, None]] = {}
    read = {condition_of(name): piece for name, piece in pieces.items()}
    for (condition, _), piece in read.items():
        for label, (k, *_) in piece["found"].items():
            labels.setdefault((condition, k), {})[label] = None
    rows = []
    for (condition, number), piece in sorted(read.items(), key=_order):
        for k, target in enumerate(targets):
            for label in labels.get((condition, k), {target.name: None}):
                cell = piece["found"].get(label)
                rows.append(
                    (
                        *(getattr(condition, name) for name in CONDITION),
                        number,
                        label,
                        target.shape,
                        *_judged(target, cell, ci_prob),
                        *(piece[name] for name in ("converged", "proper", "seconds", "cpu")),
                    )
                )
    return pd.DataFrame(rows, columns=list(REPLICATES))


def _order(item: tuple[tuple[Condition, int], Any]) -> tuple:
    condition, number = item[0]
    values = (getattr(condition, name) for name in CONDITION)
    return (*((x is not None, x if x is not None else 0) for x in values), number)


def _judged(target: Target, cell: Sequence[Any] | None, ci_prob: float) -> tuple[Any, ...]:
    """Estimate, lower, upper, true value, whether it is there, found, rightly found."""
    if cell is None or cell[1] is None:
        return np.nan, np.nan, np.nan, np.nan, None, False, False
    estimate, lower, upper, truth = (np.nan if x is None else float(x) for x in cell[1:])
    if target.shape:
        found = estimate >= ci_prob
        there = truth == 1.0
        return estimate, np.nan, np.nan, truth, there, found, found and there
    region, true_region = target.found(lower, upper), target.found(truth, truth)
    right = region >= 0 and true_region == region
    return estimate, lower, upper, truth, true_region >= 0, region >= 0, right


def conditions_table(replicates: pd.DataFrame) -> pd.DataFrame:
    """A row a condition and target: see `Design.table`."""
    rows = []
    names = [*CONDITION, "target", "shape"]
    for key, part in replicates.groupby(names, dropna=False, sort=False):
        rows.append({**dict(zip(names, key, strict=True)), **_row(part, bool(key[-1]))})
    out = _sizes_together(pd.DataFrame(rows))
    for name in ("groups", "categories", "cluster_size"):
        out[name] = out[name].astype("Int64")
    return out


def _sizes_together(table: pd.DataFrame) -> pd.DataFrame:
    """The rows by target, then condition, then n, in the order in which they first appear."""
    rest = [name for name in CONDITION if name != "n"]
    blocks = table[rest].apply(lambda row: repr(tuple(row)), axis=1)
    place, _ = pd.factorize(table["target"])
    block, _ = pd.factorize(blocks)
    return table.iloc[np.lexsort([table["n"], block, place])].reset_index(drop=True)


def _row(part: pd.DataFrame, shape: bool) -> dict[str, float]:
    m = len(part)
    right, found = int(part["rightly"].sum()), int(part["found"].sum())
    low, high = share_interval(np.array([right]), np.array([m]))
    share = right / m
    there = float(part["there"].dropna().astype(float).mean())
    if there == 0.0:  # nothing could be found rightly
        share, low, high = np.nan, low * np.nan, high * np.nan
    out: dict[str, Any] = {
        "replicates": m,
        "converged": float(part["converged"].mean()),
        "proper": float(part["proper"].mean()),
        "true": float(part["true"].mean()),
        "there": there,
        "assurance": share,
        "assurance_mc": float(np.sqrt(share * (1.0 - share) / m)),
        "assurance_lower": float(low[0]),
        "assurance_upper": float(high[0]),
        "wrongly": (found - right) / m,
        "wrongly_mc": float(np.sqrt((found - right) / m * (1.0 - (found - right) / m) / m)),
    }
    numbers = part.dropna(subset=["estimate"])
    if shape or not len(numbers):
        return {**out, **dict.fromkeys(OF_INTERVALS, np.nan)}
    error = numbers["estimate"] - numbers["true"]
    inside = (numbers["lower"] <= numbers["true"]) & (numbers["true"] <= numbers["upper"])
    spread = float(error.std(ddof=1)) if len(error) > 1 else np.nan
    return {
        **out,
        "mean": float(numbers["estimate"].mean()),
        "bias": float(error.mean()),
        "bias_mc": spread / np.sqrt(len(error)),
        "sd": spread,
        "width": float((numbers["upper"] - numbers["lower"]).mean()),
        "coverage": float(inside.mean()),
        "coverage_mc": float(np.sqrt(inside.mean() * (1.0 - inside.mean()) / len(inside))),
    }


def sizes_table(
    table: pd.DataFrame, assurances: Iterable[float], *, random_seed: int
) -> pd.DataFrame:
    """The smallest n of each target under each condition: see `Design.sizes`."""
    rows = []
    rest = [name for name in CONDITION if name != "n"]
    for key, part in table.groupby([*rest, "target"], dropna=False, sort=False):
        if len(part) < 2 or not (part["assurance"] > 0).any():
            continue
        m = part["replicates"].to_numpy()
        found = (part["assurance"].to_numpy() * m).round()
        for wanted in assurances:
            reach = smallest_n(
                part["n"].to_numpy(dtype=float),
                found,
                m,
                assurance=wanted,
                random_seed=random_seed,
            )
            rows.append(
                {
                    **dict(zip((*rest, "target"), key, strict=True)),
                    "assurance": wanted,
                    "n": reach.n,
                    "lower": reach.lower,
                    "upper": reach.upper,
                    "smallest": int(part["n"].min()),
                    "largest": int(part["n"].max()),
                }
            )
    columns = [*rest, "target", "assurance", "n", "lower", "upper", "smallest", "largest"]
    return pd.DataFrame(rows, columns=columns)
