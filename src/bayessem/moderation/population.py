"""The average of the population of groups as a fit of one group.

All results of a fit (effects, mediation, shape, what-if curves) then hold for the population: the
pooled parameters have the draws of mu, or of mu + delta (w - mean) at a value w of the group-level
predictor.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.effects.effects import EffectRow, Effects, table_of
from bayessem.errors import ModelError
from bayessem.model.space import dimension
from bayessem.moderation.report import population_values, require_partial

if TYPE_CHECKING:
    from bayessem.fit import Fit
    from bayessem.sem import SEM


def population(fit: Fit, *, at: float | None = None) -> Fit:
    """The fit of the population of groups, for a group at its mean.

    Parameters
    ----------
    fit : Fit
        A model with partial pooling in which all that is not pooled is equal across groups.
    at : float, optional
        Value of the group-level predictor; by default its average over the groups.

    Returns
    -------
    Fit
        Of one group, without log-likelihoods: `effects`, `mediation`, `shape`, `what_if` and
        `summary` are those of the population mean. What is about respondents (`loo`, `indices`,
        `residuals`, ...) is refused: it belongs to the fit with the groups.

        Its draws stand in line with those of `fit`, so
        that differences from a group are differences of draws.

    Raises
    ------
    FitError
        When nothing is pooled partially.
    ModelError
        When other parameters differ between groups: their population is not modelled.
    """
    pooling = require_partial(fit)
    sample = fit.prepared.sample
    frame = pd.DataFrame(sample.values, columns=list(sample.variables), index=sample.rows)
    prepared = _with_levels(fit).prepare(frame, missing="fiml")
    names = fit.prepared.space.names
    values = np.empty((*fit.values.shape[:-1], len(prepared.space.names)))
    for i, name in enumerate(prepared.space.names):
        if name in pooling.parameters:  # mu, or 0 and what the predictor adds
            values[..., i] = population_values(fit, name, at=at)
        elif name in names:
            values[..., i] = fit.values[..., names.index(name)]
        else:
            raise ModelError(
                f"{name} differs between groups and is not pooled, so it has no value for the "
                "population; pool it too, or make it equal (group_equal=)"
            )
    posterior = xr.Dataset(coords=fit.data["posterior"].to_dataset().coords)
    posterior = posterior.drop_vars([c for c in posterior.coords if c not in ("chain", "draw")])
    for kind, where in prepared.space.kinds().items():
        posterior[kind] = xr.DataArray(
            values[..., where],
            dims=("chain", "draw", dimension(kind)),
            coords={dimension(kind): list(prepared.space.names[where])},
        )
    tree = xr.DataTree.from_dict(
        {"posterior": posterior, "sample_stats": fit.data["sample_stats"].to_dataset()}
    )
    tree.attrs.update({**fit.data.attrs, "population": 1})
    where_at = "at the average" if at is None else f"at {pooling.by} = {at:g}"
    return dataclasses.replace(
        fit,
        prepared=prepared,
        data=tree,
        settings={**fit.settings, "group": None, "group_order": None, "pooling": None},
        notes=(*fit.notes, f"The population of groups, {where_at}; {pooling}."),
    )


def _with_levels(fit: Fit) -> SEM:
    """The model, with the means of latent variables that vary between groups free."""
    means = [f"{name.split('~')[0]} ~ NA*1" for name in fit.prepared.zero_mean]
    return type(fit.sem)("\n".join([fit.sem.text, *means]), **fit.sem.options)


def effects_with_population(fit: Fit, x: str, y: str, **options: Any) -> Effects:
    """Effects of x on y in each group, in the population of groups, and their differences.

    Parameters
    ----------
    fit : Fit
        A model with partial pooling.
    x, y : str
        As in `Fit.effects`.
    **options
        Of `Fit.effects`.

    Returns
    -------
    Effects
        With rows of the group "population", and of "<group> - population".
    """
    found = fit.effects(x, y, **options)
    whole = population(fit).effects(x, y, **{k: v for k, v in options.items() if k != "group"})
    average = effect_draws(whole)
    rows = effect_draws(found)
    groups = [r for r in rows if r.group in fit.prepared.table.groups]
    rows += [dataclasses.replace(r, group="population") for r in average]
    by_key = {(r.effect, r.path, r.at): r.values for r in average}
    rows += [
        dataclasses.replace(
            r, group=f"{r.group} - population", values=r.values - by_key[r.effect, r.path, r.at]
        )
        for r in groups
        if (r.effect, r.path, r.at) in by_key
    ]
    table, draws = table_of(rows, found.ci_prob)
    return dataclasses.replace(found, table=table, draws=draws)


def effect_draws(effects: Effects) -> list[EffectRow]:
    """The rows of a table of effects with their draws."""
    labels = effects.table[["effect", "path", "group", "at"]].to_dict("records")
    return [
        EffectRow(**label, values=effects.draws.values[..., i]) for i, label in enumerate(labels)
    ]
