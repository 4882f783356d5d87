"""Predictive checks, which ask whether data drawn from the model look like the data.

Gelman, Meng & Stern (1996), Statistica Sinica 6, 733-760.

Before the data are used (prior predictive) they show what the priors expect; after (posterior
predictive) what the model cannot reproduce. Three looks: correlations of all pairs, the
distribution of each indicator, and the curve of a quadratic relation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.criticism.replicate import replicate, spaced_draws
from bayessem.criticism.statistics import (
    CURVE,
    MARGINS,
    composite,
    margins,
    pair_correlations,
    quadratic_fit,
)
from bayessem.effects.pathways import position
from bayessem.errors import FitError, ModelError
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.prior_draws import prior_draws
from bayessem.syntax.listing import aligned, number

if TYPE_CHECKING:
    from bayessem.fit import Fit

CHECKS = ("correlations", "indicators", "shape")
DRAWS = 400
SHOWN = 12
GRID = 41
PRIOR_NOTE = (
    "These are data that the priors expect before any are seen. Data outside are no misfit; ask "
    "whether the drawn ones are conceivable at all."
)


@dataclass(frozen=True)
class PredictiveCheck:
    """Numbers of the data beside those of data drawn from the model; `print` it.

    Attributes
    ----------
    check : str
        "correlations", "indicators" or "shape".
    prior : bool
        Whether the model's parameters were drawn from the prior instead of the posterior.
    table : DataFrame
        A row a number: quantity, statistic, group, observed, mean, lower, upper of the replicated
        data, p = P(replicated > observed) + half of P(equal), surprising (outside the interval);
        the most surprising first.
    draws : DataArray (draw, quantity)
        Of the replicated data, in the order of the table.
    replicated : ndarray (draw, respondent, p)
        The data sets themselves.
    observed : DataFrame
        The data.
    curves : DataFrame
        For "shape": group, x, observed, mean, lower, upper of the fitted curve; else empty.
    ci_prob : float
        Probability of the intervals.
    notes : tuple of str
        What a reader must know, in words.
    """

    check: str
    prior: bool
    table: pd.DataFrame
    draws: xr.DataArray
    replicated: np.ndarray
    observed: pd.DataFrame
    curves: pd.DataFrame
    ci_prob: float
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return _text(self)


def predictive_check(
    fit: Fit,
    check: str = "correlations",
    *,
    x: str | None = None,
    y: str | None = None,
    prior: bool = False,
    draws: int = DRAWS,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> PredictiveCheck:
    """Compare the data with data drawn from a fitted model.

    Parameters
    ----------
    fit : Fit
        A sampled model.
    check : {"correlations", "indicators", "shape"}
        Correlations of all pairs; mean, sd, skewness, kurtosis, lowest and highest value of each
        indicator; or the least-squares quadratic of y's composite score on x's.
    x, y : str, optional
        For "shape": by default the first square of the model.
    prior : bool
        Draw the parameters from the prior instead of the posterior.
    draws : int
        Replicated data sets.
    ci_prob : float
        Probability of the equal-tailed intervals.
    random_seed : int
        Of the replicated data.

    Raises
    ------
    ModelError
        For an unknown check, or a shape without x and y in a model without squares.
    PriorError
        For a prior predictive check of an improper prior.
    """
    options: dict[str, Any] = {"x": x, "y": y, "ci_prob": ci_prob, "random_seed": random_seed}
    if prior:
        return prior_predictive_check(fit.prepared, check, draws=draws, **options)
    elements = spaced_draws(fit.elements, draws)
    return check_elements(fit.prepared, elements, check, prior=False, **options)


def prior_predictive_check(
    prepared: Prepared,
    check: str = "indicators",
    *,
    draws: int = DRAWS,
    random_seed: int = 0,
    **options: Any,
) -> PredictiveCheck:
    """Compare the data with data drawn from the priors; nothing is sampled.

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    check, draws, random_seed, **options
        As in `predictive_check`.

    Raises
    ------
    PriorError
        For an improper prior, naming the parameter.
    """
    if draws < 1:
        raise FitError(f"draws has to be at least 1, not {draws}")
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = prior_draws(
        prepared.space, prepared.structure, density, draws=draws, random_seed=random_seed
    )
    elements = density.elements(values)
    return check_elements(prepared, elements, check, prior=True, random_seed=random_seed, **options)


def check_elements(
    prepared: Prepared,
    elements: np.ndarray,
    check: str,
    *,
    x: str | None = None,
    y: str | None = None,
    prior: bool,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> PredictiveCheck:
    """The check at given draws (draw, elements); see `predictive_check`."""
    if check not in CHECKS:
        raise ModelError(f"check is one of {', '.join(CHECKS)}, not {check!r}")
    sample = prepared.sample
    if check == "shape":
        x, y = _quadratic(prepared.structure, x, y)
    replicated = replicate(prepared, elements, random_seed=random_seed)
    rows: list[dict] = []
    drawn, curves = [], []
    for g, label in enumerate(sample.groups):
        members = sample.group == g
        data, copies = sample.values[members], replicated[:, members]
        if check == "correlations":
            found, rep = pair_correlations(data), pair_correlations(copies)
            labels = _pairs(prepared)
            keep = [k for k, one in enumerate(labels) if one is not None]
            names = [(str(labels[k]), "correlation") for k in keep]
            found, rep = found[keep], rep[:, keep]
        elif check == "indicators":
            keep = [j for j, v in enumerate(sample.variables) if v not in prepared.table.exogenous]
            found = margins(data)[keep].ravel()
            rep = margins(copies)[:, keep].reshape(len(copies), -1)
            names = [(sample.variables[j], s) for j in keep for s in MARGINS]
        else:
            assert x is not None and y is not None
            names, found, rep, curve = _curve(prepared.structure, data, copies, x, y, ci_prob)
            curves.append(curve.assign(group=label))
        rows += [{"quantity": n, "statistic": s, "group": label} for n, s in names]
        drawn.append((found, rep))
    observed = np.concatenate([f for f, _ in drawn])
    copies = np.concatenate([r for _, r in drawn], axis=-1)
    table, order = _table(rows, observed, copies, ci_prob)
    return PredictiveCheck(
        check=check,
        prior=prior,
        table=table,
        draws=xr.DataArray(
            copies[:, order],
            dims=("draw", "quantity"),
            coords={"quantity": [_name(r) for r in table.to_dict("records")]},
            name=check,
        ),
        replicated=replicated,
        observed=pd.DataFrame(sample.values, columns=list(sample.variables), index=sample.rows),
        curves=pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(),
        ci_prob=ci_prob,
        notes=(*_notes(prepared, check, replicated, x, y), *([PRIOR_NOTE] if prior else [])),
    )


def _pairs(prepared: Prepared) -> list[str | None]:
    """Name of each pair of observed variables; None for two covariates, which are not drawn."""
    names, given = prepared.sample.variables, prepared.table.exogenous
    rows, columns = np.tril_indices(len(names), -1)
    return [
        None if names[i] in given and names[j] in given else f"{names[j]} ~~ {names[i]}"
        for i, j in zip(rows, columns, strict=True)
    ]


def _quadratic(structure: Structure, x: str | None, y: str | None) -> tuple[str, str]:
    """The relation to look at: as asked for, or the first square of the model."""
    if x is not None and y is not None:
        for name in (x, y):
            position(structure, name)
        return x, y
    for place in structure.places.values():
        if place.matrix == "products":
            a, b = structure.products[place.j]
            found = structure.variables[a], structure.variables[place.i]
            if a == b and x in (None, found[0]) and y in (None, found[1]):
                return found
    raise ModelError(
        'check="shape" needs x and y: the model has no square'
        + (f" of {x}" if x else "")
        + (f" in the equation of {y}" if y else "")
    )


def indicators_of(structure: Structure, name: str) -> tuple[list[int], list[str]]:
    """Columns that measure a variable, through its dimensions too: positions and names."""
    if name in structure.observed:
        return [structure.observed.index(name)], [name]
    out: list[str] = []
    todo = [name]
    while todo:
        current = todo.pop(0)
        for r in structure.table.rows:
            if r.op == "=~" and r.lhs == current and r.group == 0:
                if r.rhs in structure.observed:
                    out.append(r.rhs)
                else:
                    todo.append(r.rhs)
    names = list(dict.fromkeys(out))
    return [structure.observed.index(n) for n in names], names


def _curve(
    structure: Structure,
    data: np.ndarray,
    copies: np.ndarray,
    x: str,
    y: str,
    ci_prob: float,
) -> tuple[list[tuple[str, str]], np.ndarray, np.ndarray, pd.DataFrame]:
    """Names, observed and replicated coefficients of the composites' quadratic, and its curve."""
    scores = []
    for name in (x, y):
        columns, _ = indicators_of(structure, name)
        first = np.array([_correlation(data, columns[0], j) for j in columns])
        signs = np.where(first < 0, -1.0, 1.0)
        scores.append((composite(data, columns, signs), composite(copies, columns, signs)))
    (x0, xr_), (y0, yr) = scores
    found, rep = quadratic_fit(x0, y0), quadratic_fit(xr_, yr)
    first, last = np.nanquantile(x0, [0.02, 0.98])
    grid = np.linspace(float(first), float(last), GRID)
    powers = np.stack([np.ones_like(grid), grid, grid**2])
    lines = rep @ powers
    tail = (1.0 - ci_prob) / 2.0
    lower, upper = np.quantile(lines, [tail, 1.0 - tail], axis=0)
    curve = pd.DataFrame(
        {
            "x": grid,
            "observed": found @ powers,
            "mean": lines.mean(axis=0),
            "lower": lower,
            "upper": upper,
        }
    )
    names = [(f"{y} ~ {x}", "linear"), (f"{y} ~ {x}", "square")]
    assert tuple(s for _, s in names) == CURVE
    return names, found[1:], rep[:, 1:], curve


def _correlation(data: np.ndarray, i: int, j: int) -> float:
    if i == j:
        return 1.0
    return float(pair_correlations(data[:, [i, j]])[0])


def _table(
    rows: list[dict], observed: np.ndarray, copies: np.ndarray, ci_prob: float
) -> tuple[pd.DataFrame, np.ndarray]:
    tail = (1.0 - ci_prob) / 2.0
    lower, upper = np.nanquantile(copies, [tail, 1.0 - tail], axis=0)
    p = np.nanmean((copies > observed) + 0.5 * (copies == observed), axis=0)
    out = pd.DataFrame(rows)
    out["observed"] = observed
    out["mean"] = np.nanmean(copies, axis=0)
    out["lower"], out["upper"], out["p"] = lower, upper, p
    out["surprising"] = (observed < lower) | (observed > upper)
    # ties of p (0 or 1) by how far outside
    width = np.maximum(upper - lower, 1e-300)
    outside = np.maximum(lower - observed, observed - upper) / width
    order = np.lexsort((-outside, -np.abs(p - 0.5)))
    return out.iloc[order].reset_index(drop=True), order


def _name(row: dict[str, Any]) -> str:
    name = f"{row['quantity']} {row['statistic']}"
    return name + (f" [{row['group']}]" if row["group"] else "")


def _notes(
    prepared: Prepared, check: str, replicated: np.ndarray, x: str | None, y: str | None
) -> tuple[str, ...]:
    notes: list[str] = []
    sample = prepared.sample
    if check == "indicators":
        few = [
            (v, np.unique(column[~np.isnan(column)]))
            for v, column in zip(sample.variables, sample.values.T, strict=True)
        ]
        scales = [(v, u) for v, u in few if len(u) <= 11 and v not in prepared.table.exogenous]
        if scales:
            beyond = [
                float(np.nanmean((column < u[0] - 0.5) | (column > u[-1] + 0.5)))
                for v, u in scales
                for column in [replicated[:, :, sample.variables.index(v)]]
            ]
            worst = int(np.argmax(beyond))
            notes.append(
                f"{len(scales)} variables take 11 values or fewer; the model draws continuous "
                f"ones. Most drawn values that round beyond the scale: {scales[worst][0]}, "
                f"{100 * beyond[worst]:.1f} %."
            )
    if check == "shape":
        assert x is not None and y is not None
        for name in (x, y):
            _, names = indicators_of(prepared.structure, name)
            if len(names) > 1:
                notes.append(f"Score of {name}: mean of the standardised {', '.join(names)}.")
        notes.append(
            "Scores carry measurement error, so their curve is flatter than the construct's; it is "
            "compared with the same curve in data that the model draws, which carry it too."
        )
    if not sample.complete:
        notes.append("Replicated data have the same values missing as the data.")
    return tuple(notes)


def _text(result: PredictiveCheck) -> str:
    table = result.table
    what = {
        "correlations": "correlations",
        "indicators": "numbers of the indicators",
        "shape": "coefficients of the curve",
    }[result.check]
    kind = "Prior" if result.prior else "Posterior"
    count = int(table["surprising"].sum())
    expected = (1.0 - result.ci_prob) * len(table)
    percent = f"{100 * result.ci_prob:g} %"
    said = (
        f"{count} of {len(table)} {what} of the data lie outside the {percent} interval of data "
        f"drawn from the model"
    )
    if not result.prior and len(table) > 10:
        said += f" (about {expected:.0f} would by chance if they were independent)"
    body = [
        [
            r["quantity"],
            r["statistic"] if result.check != "correlations" else "",
            r["group"],
            number(r["observed"]),
            number(r["mean"]),
            f"[{number(r['lower'])}, {number(r['upper'])}]",
            number(r["p"]),
            "surprising" if r["surprising"] else "",
        ]
        for r in table.head(SHOWN).to_dict("records")
    ]
    keep = [0, *([1] if result.check != "correlations" else [])]
    keep += [2] if (table["group"] != "").any() else []
    header = ["", "", "group", "data", "model", f"{percent} interval", "P(model > data)", ""]
    columns: Sequence[int] = [*keep, 3, 4, 5, 6, 7]
    lines = [
        f"{kind} predictive check: {result.check}, {len(result.replicated)} replicated data sets",
        fill(said + ".", 100),
        aligned(
            [header[c] for c in columns], [[line[c] for c in columns] for line in body],
            left=len(keep),
        ),
    ]  # fmt: skip
    return "\n".join([*lines, *(fill(note, 100) for note in result.notes)])
