"""Approximate measurement invariance: loadings and intercepts that nearly agree between groups.

Exact invariance asks every loading and intercept to be the same in all groups, which in many groups
or large samples nothing satisfies. Approximate invariance lets each deviate a little,
lambda_pg ~ N(lambda_p, sd^2) on the standardised scale, and asks which deviate by more than their
prior and the data of the other items let one believe. With all intercepts nearly equal the groups'
latent means can be compared, which full freedom would not allow.

Muthen & Asparouhov (2013), BSEM measurement invariance analysis, Mplus Web Note 17; van de Schoot
et al. (2013, doi:10.3389/fpsyg.2013.00770).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.errors import FitError, ModelError
from bayessem.model.check import check
from bayessem.model.pooling import partial, pooled_parameters
from bayessem.model.prepare import prepare
from bayessem.moderation.approximate_invariance_result import ApproximateInvariance
from bayessem.moderation.approximate_model import (
    in_standard_units,
    item_scales,
    poolable,
    without_markers,
)
from bayessem.moderation.deviations import Naming, name_deviations
from bayessem.moderation.invariance_steps import with_equal
from bayessem.moderation.pooling_report import require_partial
from bayessem.posterior.settings import ACCEPT, DEFAULTS, Sampling
from bayessem.results.estimate import estimate_all
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.syntax.parameters import ParameterTable
from bayessem.syntax.specification import Specification

# What is pooled partially at each step, and which families the model treats as equal.
APPROXIMATE = {
    "approximate metric": (("=~",), ("loadings",)),
    "approximate scalar": (("=~", "~1"), ("loadings", "intercepts")),
}
# Joint probability of the intervals by which parameters are named.
JOINT = 0.95


@check_shared
def approximate_invariance(
    sem: Specification,
    data: pd.DataFrame,
    *,
    sd: float = 0.1,
    group: str,
    group_order: Sequence[str] | None = None,
    missing: str = "fiml",
    free: Sequence[str] = (),
    ci_prob: float = 0.95,
    sampling: Sampling = DEFAULTS,
    executor: Any = None,
) -> ApproximateInvariance:
    """Sample the model with nearly equal loadings, and with nearly equal intercepts besides.

    Parameters
    ----------
    sem : Specification
        The model, with the groups' parameters free.
    data : DataFrame
        One row a respondent.
    sd : float
        Standard deviation between groups of each loading and intercept. Items count in units of
        their standard deviation within groups, constructs have a (residual) variance of 1 in the
        first group: .1 leaves 95 % of the groups' standardised loadings within +-.2 of their
        average, and moves an item's mean by as much of its sd.
    group, group_order, missing
        As in `SEM.fit`.
    free : sequence of str
        Parameters that are free in each group instead, such as "f=~x2" or "x3~1".
    ci_prob : float
        Probability of the equal-tailed intervals of single deviations.
    sampling : Sampling
        How to sample.
    executor : optional
        Where the two models are sampled (`bayessem.execution.run`).

    Returns
    -------
    ApproximateInvariance

    Raises
    ------
    FitError
        For an sd that is not between 0 and 1.
    IdentificationError, DataError
        As `SEM.fit`, of the configural model.
    ModelError
        When nothing can deviate, everything of a construct is free, or the model holds numbers in
        the units of the items.
    """
    check_approximate(sd)
    options: dict[str, Any] = {"group": group, "group_order": group_order, "missing": missing}
    scaled = without_markers(sem)
    configural = prepare(with_equal(scaled, (), free), data, **options)
    report = check(configural)
    report.raise_errors()
    if len(configural.sample.groups) < 2:
        raise ModelError(f"{group!r} has one group: there is nothing to compare")
    seen = (*filter(None, [report.cases]), *map(str, report.findings))
    pooled = poolable(configural, free)
    scales = item_scales(configural, pooled)
    units = in_standard_units(data, scales)
    if sampling.target_accept is None:  # a fixed sd between groups has no narrow corner
        sampling = replace(sampling, target_accept=ACCEPT)
    names_of = {
        step: tuple(name for op in families for name in pooled[op])
        for step, (families, _) in APPROXIMATE.items()
    }
    models = {
        step: prepare(
            with_equal(scaled, equal, free),
            units,
            pooling=partial(*names_of[step], sd=sd),
            **options,
        )
        for step, (_, equal) in APPROXIMATE.items()
    }
    # Without the priors of the deviations they would not be identified (any latent mean of a group
    # could be had by shifting all its intercepts): the configural model was checked.
    fits = estimate_all(models, sampling, checked=seen, executor=executor)
    tables, draws, named, conflict, notes = [], {}, {}, {}, []
    for step, fit in fits.items():
        names = names_of[step]
        found = _deviations(fit)
        blocks = _blocks(fit.prepared.table, names)
        naming = name_deviations(
            found.values.reshape(-1, *found.shape[2:]), sd=sd, blocks=blocks, prob=JOINT
        )
        draws[step] = found
        named[step] = tuple(names[p] for p in naming.named)
        conflict[step] = tuple(names[p] for p in naming.conflict)
        tables.append(_table(step, found, fit, naming, scales, ci_prob))
        notes += [_crowded(step, block) for block in naming.crowded]
        notes += [f"{step}: {advice}" for advice in fit.diagnosis.advice]
    means = _latent_means(fits["approximate scalar"], ci_prob)
    return ApproximateInvariance(
        pd.concat(tables, ignore_index=True),
        draws,
        named,
        conflict,
        means,
        fits,
        scales,
        float(sd),
        ci_prob,
        tuple(notes),
    )


def check_approximate(sd: object) -> None:
    """Refuse an sd that approximate invariance cannot have.

    Raises
    ------
    FitError
        Saying what it may be.
    """
    if isinstance(sd, bool) or not isinstance(sd, int | float) or not 0 < sd < 1:
        raise FitError(
            f"the sd of approximate invariance lies between 0 and 1 (standardised), not {sd!r}; "
            "0.1 is usual"
        )


def _deviations(fit: Fitted) -> xr.DataArray:
    """Each group's value less the average over the groups, (chain, draw, parameter, group)."""
    pooled = pooled_parameters(fit.prepared.structure, require_partial(fit))
    values = np.stack(
        [fit.parameters.sel(parameter=list(p.members)).values for p in pooled], axis=-2
    )
    axes = {"parameter": [p.name for p in pooled], "group": list(fit.prepared.table.groups)}
    return xr.DataArray(
        values - values.mean(axis=-1, keepdims=True),
        dims=("chain", "draw", "parameter", "group"),
        coords=axes,
        name="deviations",
    )


def _blocks(table: ParameterTable, names: Sequence[str]) -> list[str]:
    """What each parameter is compared within: loadings, or intercepts, of a construct."""
    of = {r.name: f"loadings of {r.lhs}" for r in table.rows if r.op == "=~"}
    for r in reversed(table.rows):
        if r.op == "=~":
            of[f"{r.rhs}~1"] = f"intercepts of {r.lhs}"
    return [of[name] for name in names]


def _crowded(step: str, block: str) -> str:
    return (
        f"More than half of the {block} deviate under {step} invariance: there is no majority to "
        "deviate from, and differences between the groups in this construct are not to be trusted."
    )


def _table(
    step: str,
    found: xr.DataArray,
    fit: Fitted,
    naming: Naming,
    scales: Mapping[str, float],
    ci_prob: float,
) -> pd.DataFrame:
    pooled = pooled_parameters(fit.prepared.structure, require_partial(fit))
    items = {r.name: r.lhs if r.op == "~1" else r.rhs for r in fit.prepared.table.rows}
    values = found.values.reshape(*found.shape[:2], -1)
    summary = summarise(values, ci_prob=ci_prob).rename(columns={"mean": "deviation"})
    groups = [str(g) for g in found["group"].values]
    at = fit.parameters.sel(parameter=[m for p in pooled for m in p.members])
    names = [p.name for p in pooled for _ in groups]
    summary.insert(0, "step", step)
    summary.insert(1, "parameter", names)
    summary.insert(2, "group", groups * len(pooled))
    summary.insert(3, "value", at.mean(("chain", "draw")).values)
    summary["freed"], summary["freed_sd"] = naming.estimate.ravel(), naming.spread.ravel()
    # a construct measured by constructs has no units but its own
    summary["unit"] = [scales.get(items[name], 1.0) for name in names]
    summary["named"] = summary["parameter"].isin([pooled[p].name for p in naming.named])
    return summary


def _latent_means(fit: Fitted, ci_prob: float) -> pd.DataFrame:
    """Means of the constructs in the groups where they are free."""
    table = fit.prepared.table
    rows = [r for r in table.rows if r.op == "~1" and r.lhs in table.latent and r.free >= 0]
    outcomes = {r.lhs for r in table.rows if r.op == "~"}
    labels = pd.DataFrame(
        {
            "construct": [r.lhs for r in rows],
            "group": [table.groups[r.group] for r in rows],
            "what": ["intercept" if r.lhs in outcomes else "mean" for r in rows],
        }
    )
    if not rows:
        return labels
    names = [table.parameters[r.free] for r in rows]
    found = summarise(fit.parameters.sel(parameter=names).values, ci_prob=ci_prob)
    return pd.concat([labels, found.drop(columns=["r_hat", "ess_bulk", "ess_tail"])], axis=1)
