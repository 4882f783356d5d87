"""Importance-performance map: which construct matters for a target, and how well it does.

Importance is the total effect on the target, performance the mean of the construct's score, both on
scales from 0 to 100. Ringle, C. M. & Sarstedt, M. (2016). Gain more insight from your PLS-SEM
results: The importance-performance map analysis. Industrial Management & Data Systems, 116(9),
1865-1886. doi:10.1108/IMDS-10-2015-0449
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared, shown
from bayessem.effects.effects import chosen_groups
from bayessem.effects.pathways import position
from bayessem.errors import ModelError, NotSupported
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.scores import composite_score
from bayessem.results.standardize import model_moments
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Document, Notes, Paragraph, Table
from bayessem.text.formats import percent_text


@dataclass(frozen=True, repr=False)
class ImportancePerformance(Described):
    """Importance and performance of what explains a target; `print` it, `.plot()` the map.

    Attributes
    ----------
    target : str
    table : DataFrame
        construct, group; importance, importance_lower, importance_upper (points of the target for
        one point of the construct), performance, performance_lower, performance_upper (0 to 100).
    importance, performance : DataArray (chain, draw, construct)
    own : DataFrame
        The target's own performance, in the same columns.
    ci_prob : float
    notes : tuple of str
    """

    target: str
    table: pd.DataFrame
    importance: xr.DataArray
    performance: xr.DataArray
    own: pd.DataFrame
    ci_prob: float
    notes: tuple[str, ...]

    def document(self) -> Document:
        """The table, the target's own performance and how both are computed."""
        t, percent = self.table, percent_text(self.ci_prob)
        said = "; ".join(
            f"{r['performance']:.1f}" + (f" [{r['group']}]" if r["group"] else "")
            for r in self.own.to_dict("records")
        )
        return Document.of(
            Paragraph(
                f"Importance and performance for {self.target}, whose own performance is {said} of "
                "100"
            ),
            Table(
                (
                    *labels(t, ("construct", "group")),
                    column(t, "importance"),
                    intervals(t, percent, ends=("importance_lower", "importance_upper")),
                    column(t, "performance"),
                    intervals(t, f"{percent} ", ends=("performance_lower", "performance_upper")),
                )
            ),
            Notes(
                (
                    "Importance: total effect, points of the target for one point of the "
                    "construct. Performance: mean score, from 0 (all items at the low end of their "
                    "scale) to 100 (Ringle & Sarstedt 2016).",
                    *self.notes,
                )
            ),
        )


@check_shared
def importance_performance(
    fit: Fitted,
    target: str,
    *,
    scale: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    group: str | Sequence[str] | None = None,
    ci_prob: float = 0.95,
) -> ImportancePerformance:
    """Importance and performance of everything that explains a target.

    Arguments, result and errors: `Fit.importance_performance`.
    """
    structure = fit.prepared.structure
    if structure.products:
        raise NotSupported(
            "importance is a total effect that is the same everywhere; with squares or products "
            "see fit.effects(x, y) and fit.what_if(x, y)"
        )
    y = position(structure, target)
    limits, notes = _limits(fit.prepared, scale)
    about, importance, performance, own = [], [], [], []
    for g in chosen_groups(structure.table.groups, group):
        matrices = structure.matrices(fit.elements, g)
        total = np.linalg.inv(np.eye(len(structure.variables)) - matrices["paths"])
        mean = model_moments(structure, fit.elements, group=g).observed_mean
        causes = [
            j for j in range(len(structure.variables)) if j != y and _explains(structure, j, y)
        ]
        if not causes:
            raise ModelError(f"nothing explains {target!r}, so there is no importance for it")
        span, level = _performance(structure, matrices, mean, limits, y, g)
        own.append((target, structure.table.groups[g], level))
        for j in causes:
            reach, score = _performance(structure, matrices, mean, limits, j, g)
            about.append((structure.variables[j], structure.table.groups[g]))
            importance.append(total[..., y, j] * reach / span)
            performance.append(score)
    names = [x + (f"[{g}]" if g else "") for x, g in about]
    draws = [np.stack(x, axis=-1) for x in (importance, performance)]
    arrays = [
        xr.DataArray(d, dims=("chain", "draw", "construct"), coords={"construct": names})
        for d in draws
    ]
    table = pd.DataFrame(about, columns=["construct", "group"])
    table = _with_summary(table, {"importance": draws[0], "performance": draws[1]}, ci_prob)
    owner = pd.DataFrame([(x, g) for x, g, _ in own], columns=["construct", "group"])
    levels = {"performance": np.stack([v for _, _, v in own], axis=-1)}
    return ImportancePerformance(
        target,
        table,
        arrays[0],
        arrays[1],
        _with_summary(owner, levels, ci_prob),
        ci_prob,
        notes,
    )


def _with_summary(
    table: pd.DataFrame, draws: Mapping[str, np.ndarray], ci_prob: float
) -> pd.DataFrame:
    out = table.copy()
    for name, values in draws.items():
        found = summarise(values, ci_prob=ci_prob, quality=False)
        out[name] = found["mean"]
        out[f"{name}_lower"], out[f"{name}_upper"] = found["lower"], found["upper"]
    return out


def _explains(structure: Structure, cause: int, target: int) -> bool:
    """Whether a variable explains the target, itself or through others, by paths (`~`)."""
    measured = {r.rhs for r in structure.table.rows if r.op == "=~"}
    name = structure.variables[cause]
    known = name in structure.table.latent or name not in measured
    return known and target in structure.descendants({cause})


def _limits(
    prepared: Prepared, scale: tuple[float, float] | Mapping[str, tuple[float, float]] | None
) -> tuple[dict[str, tuple[float, float]], tuple[str, ...]]:
    """Ends of the scale of each observed variable, and what was assumed."""
    values, names = prepared.sample.values, prepared.sample.variables
    found = {
        x: (float(np.nanmin(c)), float(np.nanmax(c))) for x, c in zip(names, values.T, strict=True)
    }
    if scale is None:
        return found, (
            "The ends of the scales are the lowest and highest values of the data; scale=(1, 7) "
            "says what they are.",
        )
    given = scale if isinstance(scale, Mapping) else dict.fromkeys(names, scale)
    for name, ends in given.items():
        pair = tuple(ends) if isinstance(ends, Sequence) else ()
        if name not in found:
            raise ModelError(f"scale names {name!r}, which is no observed variable of the model")
        if len(pair) != 2 or not float(pair[0]) < float(pair[1]):
            raise ModelError(f"scale is (lowest, highest), not {shown(ends)} for {name!r}")
        found[name] = float(pair[0]), float(pair[1])
    return found, ()


def _performance(
    structure: Structure,
    matrices: Mapping[str, np.ndarray],
    mean: np.ndarray,
    limits: Mapping[str, tuple[float, float]],
    variable: int,
    group: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Length of a variable's scale, in its own units, and its mean score from 0 to 100.

    The score of a composite is the weighted sum of its items, that of a construct the sum by which
    its loadings would be 1 (weights proportional to loadings); items with a negative weight count
    from the high end of their scale.
    """
    name = structure.variables[variable]
    if name in structure.observed:
        items, weights = [structure.observed.index(name)], np.ones((*mean.shape[:-1], 1))
    else:
        items, weights = _score_weights(structure, matrices, variable, group)
    low, high = (np.array([limits[structure.observed[i]][e] for i in items]) for e in (0, 1))
    first = np.where(weights >= 0, low, high)
    last = np.where(weights >= 0, high, low)
    reach = np.sum(weights * (last - first), axis=-1)
    score = np.sum(weights * (mean[..., items] - first), axis=-1)
    return reach, 100.0 * score / reach


def _score_weights(
    structure: Structure, matrices: Mapping[str, np.ndarray], variable: int, group: int
) -> tuple[list[int], np.ndarray]:
    """Items of a construct and their weights (..., items)."""
    for c in structure.composites:
        if (c.group, c.variable) == (group, variable):
            return list(c.items), composite_score(structure, matrices, c)
    total = np.linalg.inv(np.eye(len(structure.variables)) - _measurement(structure, matrices))
    reach = (matrices["loadings"] @ total)[..., variable]
    flat = reach.reshape(-1, reach.shape[-1])
    items = np.flatnonzero((flat != 0).any(axis=0)).tolist()
    if not items:
        raise ModelError(
            f"{structure.variables[variable]!r} has no items, so it has no score from 0 to 100"
        )
    loadings = reach[..., items]
    return items, loadings / np.sum(loadings**2, axis=-1, keepdims=True)


def _measurement(structure: Structure, matrices: Mapping[str, np.ndarray]) -> np.ndarray:
    """The part of the paths that is measurement: dimensions of higher-order constructs."""
    keep = np.zeros(matrices["paths"].shape[-2:], dtype=bool)
    for k, place in structure.places.items():
        if place.matrix == "paths" and structure.table.rows[k].op == "=~":
            keep[place.i, place.j] = True
    return np.where(keep, matrices["paths"], 0.0)
