"""The tables of a response surface: coefficients, geometry, conditions, differences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from bayessem.results.estimates import summarise, tail_probability
from bayessem.shapes.common_metric import Metric
from bayessem.shapes.congruence import Condition, claims
from bayessem.shapes.response_surface_result import QUANTITIES
from bayessem.shapes.surface import AXES, COEFFICIENTS, LINES, POINT, Surface, half_turn

# A stationary point so many SDs from the means is where nobody is; axes of a surface whose two
# curvatures differ by less than this share have hardly a direction.
FAR, ROUND = 3.0, 0.1
# Differences smaller than this share of what is subtracted are rounding.
ROUNDING = 1e-10


def surface_tables(
    drawn: np.ndarray,
    keys: list[dict[str, str]],
    surfaces: Sequence[Surface],
    judged: Sequence[list[Condition]],
    metric: Metric,
    ci_prob: float,
) -> dict[str, pd.DataFrame]:
    """The tables of `ResponseSurface` by their names.

    Parameters
    ----------
    drawn : ndarray (chain, draw, surface, quantity)
    keys : list of dict
        Group and value of the moderator of each surface.
    surfaces : sequence of Surface
    judged : sequence of list of Condition
        The conditions of each surface.
    metric : Metric
    ci_prob : float
    """
    named = list(zip(keys, judged, strict=True))
    return {
        "table": _table(drawn, keys, (*COEFFICIENTS, *LINES), ci_prob),
        "geometry": _geometry(drawn, keys, ci_prob),
        "stationary": pd.DataFrame(
            [{**key, **_stationary(s, metric)} for key, s in zip(keys, surfaces, strict=True)]
        ),
        "conditions": pd.DataFrame([row for key, found in named for row in _chances(key, found)]),
        "claims": pd.DataFrame(
            [
                {**key, **{name: float(holds.mean()) for name, holds in claims(found).items()}}
                for key, found in named
            ]
        ),
        "differences": _differences(drawn, keys, ci_prob),
    }


def label(key: dict[str, str]) -> str:
    """Name of a surface: group and value of the moderator; "" for the only one."""
    return ", ".join(part for part in key.values() if part)


def _table(
    drawn: np.ndarray, keys: list[dict[str, str]], names: Sequence[str], ci_prob: float
) -> pd.DataFrame:
    where = [QUANTITIES.index(name) for name in names]
    frames = []
    for s, key in enumerate(keys):
        part = summarise(drawn[..., s, where], ci_prob=ci_prob)
        part.insert(0, "quantity", list(names))
        for column, value in reversed(key.items()):
            part.insert(0, column, value)
        frames.append(part)
    return pd.concat(frames, ignore_index=True)


def _geometry(drawn: np.ndarray, keys: list[dict[str, str]], ci_prob: float) -> pd.DataFrame:
    """Medians and intervals of what is a ratio: stationary point, axes, rotation and shift."""
    names = (*POINT, *AXES, *QUANTITIES[-6:])
    rows = []
    for s, key in enumerate(keys):
        for name in names:
            values = drawn[..., s, QUANTITIES.index(name)].ravel()
            if name in ("p11", "p21") or name.endswith("rotation"):
                ends = _of_lines(values, ci_prob, slope=not name.endswith("rotation"))
            else:
                ends = _quantiles(values[~np.isnan(values)], ci_prob)
            rows.append({**key, "quantity": name, **dict(zip(("median", "lower", "upper"), ends,
                                                             strict=True))})  # fmt: skip
    return pd.DataFrame(rows)


def _quantiles(values: np.ndarray, ci_prob: float) -> tuple[float, float, float]:
    if not values.size:
        return np.nan, np.nan, np.nan
    tail = tail_probability(ci_prob)
    # of the sorted draws themselves: a point at infinity stays there
    median, lower, upper = np.quantile(values, [0.5, tail, 1.0 - tail], method="nearest")
    return float(median), float(lower), float(upper)


def _of_lines(values: np.ndarray, ci_prob: float, *, slope: bool) -> tuple[float, float, float]:
    """Median and interval of the directions of lines, which have no beginning and no end.

    They are taken around their mean direction. The interval of a slope is nan when the vertical
    lies inside it: it then holds the steepest slopes of either sign and is no interval.
    """
    degrees = np.degrees(np.arctan(values)) if slope else values
    degrees = degrees[~np.isnan(degrees)]
    if not degrees.size:
        return np.nan, np.nan, np.nan
    middle = np.degrees(np.angle(np.exp(2j * np.radians(degrees)).mean())) / 2.0
    median, lower, upper = (middle + q for q in _quantiles(half_turn(degrees - middle), ci_prob))
    if not slope:
        turn = float(half_turn(np.asarray(median))) - median
        return median + turn, lower + turn, upper + turn
    median = float(half_turn(np.asarray(median)))
    vertical = np.floor((lower - 90.0) / 180.0) != np.floor((upper - 90.0) / 180.0)
    ends = (np.nan, np.nan) if vertical else tuple(np.tan(np.radians([lower, upper])))
    return float(np.tan(np.radians(median))), float(ends[0]), float(ends[1])


def _stationary(surface: Surface, metric: Metric) -> dict[str, float]:
    """Of which kind the stationary point is, and whether point and axes are well defined."""
    axes = surface.principal_axes()
    x0, z0, _ = surface.stationary_point()
    steps = [
        np.abs(at - mean) / sd
        for at, mean, sd in zip((x0, z0), metric.means, metric.sds[:2], strict=True)
    ]
    away = ~((steps[0] < FAR) & (steps[1] < FAR))
    size = np.maximum(np.abs(axes.first), np.abs(axes.second))
    return {
        "maximum": float((axes.first < 0).mean()),
        "minimum": float((axes.second > 0).mean()),
        "saddle": float(((axes.first > 0) & (axes.second < 0)).mean()),
        "far": float(away.mean()),
        "round": float((axes.first - axes.second < ROUND * size).mean()),
    }


def _chances(key: dict[str, str], found: list[Condition]) -> list[dict]:
    return [
        {**key, "condition": c.name, "region": c.region, "probability": float(c.holds.mean())}
        for c in found
    ]


def _differences(drawn: np.ndarray, keys: list[dict[str, str]], ci_prob: float) -> pd.DataFrame:
    """b1 to b5 and a1 to a5 between surfaces: of two groups, or at two values of the moderator."""
    names = (*COEFFICIENTS[1:], *LINES)
    where = [QUANTITIES.index(name) for name in names]
    frames = []
    for s, t in combinations(range(len(keys)), 2):
        one, two = keys[s], keys[t]
        if one["group"] != two["group"] and one["at"] != two["at"]:
            continue
        gap = drawn[..., t, where] - drawn[..., s, where]
        # what the model makes the same is no difference to be estimated
        size = np.abs(drawn[..., [s, t], :][..., where]).max(axis=(0, 1, 2))
        kept = np.abs(gap).max(axis=(0, 1)) > ROUNDING * size
        if not kept.any():
            continue
        part = summarise(gap[..., kept], ci_prob=ci_prob)
        part.insert(0, "quantity", [n for n, k in zip(names, kept, strict=True) if k])
        part.insert(0, "difference", f"({label(two)}) - ({label(one)})")
        frames.append(part)
    if not frames:
        return pd.DataFrame(columns=["difference", "quantity", "mean", "lower", "upper"])
    return pd.concat(frames, ignore_index=True)
