"""The tables of measurement quality, from draws of what the model implies and from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.measurement.constructs import Construct
from bayessem.model.structure import Structure
from bayessem.results.estimates import summarise, tail_probability

# What reviewers ask for: Fornell & Larcker (1981, doi:10.1177/002224378101800104), Nunnally &
# Bernstein (1994); a loading of .7 is half of the indicator's variance.
THRESHOLDS = {"loading": 0.7, "omega": 0.7, "ave": 0.5, "alpha": 0.7}
# Henseler, Ringle & Sarstedt (2015), doi:10.1007/s11747-014-0403-8
HTMT_LIMITS = (0.85, 0.90)
# Upper end of the interval of a correlation: Ronkko & Cho (2022), doi:10.1177/1094428120968614
VERDICTS = ((0.8, "no problem"), (0.9, "marginal"), (1.0, "moderate"), (np.inf, "severe"))
# What the model implies about a construct with several indicators.
MODEL_MEASURES = ("omega", "ave", "alpha", "omega_items", "omega_means")


@dataclass(frozen=True)
class Quantities:
    """Draws of one group: (chain, draw) by name, and correlations (chain, draw, m, m)."""

    loading: dict[tuple[str, str], np.ndarray]
    omega: dict[str, np.ndarray]
    ave: dict[str, np.ndarray]
    alpha: dict[str, np.ndarray]
    omega_items: dict[str, np.ndarray]
    correlation: np.ndarray
    omega_means: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """What is known about one group: draws, and what the data say with their bootstrap."""

    group: str
    model: Quantities
    pairs: tuple[tuple[str, str], ...]
    htmt: np.ndarray  # (pair,)
    htmt_draws: np.ndarray  # (bootstrap, pair)
    alpha_data: dict[str, tuple[float, np.ndarray]]


def join_groups(frames: Sequence[pd.DataFrame], grouped: bool) -> pd.DataFrame:
    """Tables of the groups below each other; without the column `group` for a single one."""
    joined = pd.concat(frames, ignore_index=True)
    return joined if grouped else joined.drop(columns="group")


def _share(passed: np.ndarray, defined: np.ndarray) -> float:
    """Share of the draws (in which the quantity is defined) that pass."""
    return float(passed[defined].mean()) if defined.any() else float("nan")


def _above(values: np.ndarray, threshold: float) -> float:
    return _share(values > threshold, ~np.isnan(values))


def _summary(draws: Sequence[np.ndarray], part: Part, ci_prob: float) -> pd.DataFrame:
    """Summaries of draws (chain, draw), of none too."""
    several = list(draws) or [np.zeros(part.model.correlation.shape[:2])]
    table = summarise(np.stack(several, axis=-1), ci_prob=ci_prob)
    return table.drop(columns="p_positive").iloc[: len(draws)]


def loadings_table(
    part: Part, constructs: Sequence[Construct], labels: Mapping[str, str], ci_prob: float
) -> pd.DataFrame:
    """Standardised loadings, a row each; `Measurement.loadings`."""
    level = {c.name: c.level for c in constructs}
    draws = part.model.loading
    out = pd.DataFrame(
        {
            "construct": [c for c, _ in draws],
            "indicator": [i for _, i in draws],
            "label": [labels.get(i, "") for _, i in draws],
            "level": [level[c] for c, _ in draws],
            "group": part.group,
        }
    )
    main = _summary(list(draws.values()), part, ci_prob)
    main.insert(4, "p_above", [_above(v, THRESHOLDS["loading"]) for v in draws.values()])
    return pd.concat([out, main], axis=1)


def reliability_table(part: Part, constructs: Sequence[Construct], ci_prob: float) -> pd.DataFrame:
    """Omega, AVE and alphas, a row each; `Measurement.reliability`."""
    about: list[tuple] = []
    draws: list[np.ndarray] = []
    passed: list[float] = []
    data: dict[int, list[float]] = {}
    tail = tail_probability(ci_prob)
    for c in constructs:
        for measure in (*MODEL_MEASURES, "alpha_data"):
            limit = THRESHOLDS[measure.split("_")[0]]
            if measure == "alpha_data":
                if c.name not in part.alpha_data:
                    continue
                value, resampled = part.alpha_data[c.name]
                ends = np.nanquantile(resampled, [tail, 1.0 - tail])
                data[len(about)] = [value, np.nanstd(resampled, ddof=1), *ends]
                draws.append(np.full(part.model.correlation.shape[:2], value))
                passed.append(_above(resampled, limit))
            else:
                values = getattr(part.model, measure).get(c.name)
                if values is None:
                    continue
                draws.append(values)
                passed.append(_above(values, limit))
            about.append((c.name, c.level, len(c.indicators), part.group, measure, limit))
    out = pd.DataFrame(
        about, columns=["construct", "level", "items", "group", "measure", "threshold"]
    )
    main = _summary(draws, part, ci_prob)
    for k, values in data.items():
        main.loc[k, ["mean", "sd", "lower", "upper"]] = values
    main.insert(4, "threshold", out.pop("threshold"))
    main.insert(5, "p_pass", passed)
    return pd.concat([out, main], axis=1)


def fornell_larcker_table(
    part: Part, structure: Structure, related: Mapping[str, set[str]]
) -> pd.DataFrame:
    """AVE against squared correlations, a row a construct; `Measurement.fornell_larcker`."""
    squared = part.model.correlation**2
    rows = []
    for name, ave in part.model.ave.items():
        j = structure.variables.index(name)
        others = [
            k
            for k, other in enumerate(structure.variables)
            if k != j
            and other not in related[name]
            and not np.isnan(squared[..., j, k]).all()  # neither has variance
        ]
        nearest, largest, probability = "", float("nan"), float("nan")
        if others:
            against = squared[..., j, others]
            mean = np.nanmean(against, axis=(0, 1))
            nearest = structure.variables[others[int(np.argmax(mean))]]
            largest = float(mean.max())
            defined = ~(np.isnan(ave) | np.isnan(against).any(axis=-1))
            probability = _share((ave[..., None] > against).all(axis=-1), defined)
        rows.append((name, part.group, float(np.nanmean(ave)), nearest, largest, probability))
    return pd.DataFrame(
        rows, columns=["construct", "group", "ave", "nearest", "squared_correlation", "p_pass"]
    )


def htmt_table(part: Part, ci_prob: float) -> pd.DataFrame:
    """HTMT of the sample with its bootstrap, a row a pair; `Measurement.htmt`."""
    tail = tail_probability(ci_prob)
    out = pd.DataFrame(
        {
            "construct": [a for a, _ in part.pairs],
            "other": [b for _, b in part.pairs],
            "group": part.group,
            "htmt": part.htmt,
        }
    )
    out["lower"], out["upper"] = np.quantile(part.htmt_draws, [tail, 1.0 - tail], axis=0)
    for limit in HTMT_LIMITS:
        out[f"p_below_{round(100 * limit)}"] = (part.htmt_draws < limit).mean(axis=0)
    return out


def correlations_table(
    part: Part, structure: Structure, related: Mapping[str, set[str]], ci_prob: float
) -> pd.DataFrame:
    """Correlations of constructs and observed variables; `Measurement.correlations`."""
    names = structure.variables
    pairs = list(combinations(range(len(names)), 2))
    out = pd.DataFrame(
        {
            "construct": [names[j] for j, _ in pairs],
            "other": [names[k] for _, k in pairs],
            "group": part.group,
        }
    )
    draws = [part.model.correlation[..., j, k] for j, k in pairs]
    main = _summary(draws, part, ci_prob)
    main.insert(4, "p_above_90", [_above(np.abs(v), 0.9) for v in draws])
    bound = np.maximum(main["lower"].abs(), main["upper"].abs())
    latent = set(structure.table.latent)
    verdicts = [
        next((word for limit, word in VERDICTS if top < limit), "")
        if {a, b} <= latent and b not in related.get(a, ())
        else ""
        for a, b, top in zip(out["construct"], out["other"], bound, strict=True)
    ]
    main.insert(5, "verdict", verdicts)
    table = pd.concat([out, main], axis=1)
    return table[main["mean"].notna()] if structure.table.levels > 1 else table


def draws_dataset(parts: Sequence[Part], structure: Structure, grouped: bool) -> xr.Dataset:
    """Draws with named dimensions, `group` among them where the model has several."""
    frames = []
    for part in parts:
        loading = {f"{c}=~{i}": v for (c, i), v in part.model.loading.items()}
        dims = dict.fromkeys(MODEL_MEASURES, "construct")
        dims |= {"omega_items": "higher_construct", "omega_means": "construct_of_clusters"}
        found = [(m, getattr(part.model, m), dim) for m, dim in dims.items()]
        arrays = {
            name: xr.DataArray(
                np.stack(list(values.values()), axis=-1),
                dims=("chain", "draw", dim),
                coords={dim: list(values)},
            )
            for name, values, dim in [*found, ("loading", loading, "indicator")]
            if values
        }
        variables = list(structure.variables)
        arrays["correlation"] = xr.DataArray(
            part.model.correlation,
            dims=("chain", "draw", "variable", "variable_"),
            coords={"variable": variables, "variable_": variables},
        )
        frames.append(xr.Dataset(arrays))
    if not grouped:
        return frames[0]
    return xr.concat(frames, dim=pd.Index([p.group for p in parts], name="group"), join="outer")
