"""The average of the population of groups as a fit of one group.

All results of a fit (effects, mediation, shape, what-if curves) then hold for the population: the
pooled parameters have the draws of mu, or of mu + delta (w - mean) at a value w of the group-level
predictor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.effects.effects import At, EffectRow, Effects, effects, table_of
from bayessem.errors import ModelError
from bayessem.model.prepare import prepare
from bayessem.model.space import dimension
from bayessem.moderation.pooling_report import population_values, require_partial
from bayessem.results.fitted import Fitted
from bayessem.syntax.specification import Specification


def population[F: Fitted](fit: F, *, at: float | None = None) -> F:
    """The fit of the population of groups, for a group at its mean.

    Arguments, result and errors: `Fit.population`.
    """
    pooling = require_partial(fit)
    sample = fit.prepared.sample
    frame = pd.DataFrame(sample.values, columns=list(sample.variables), index=sample.rows)
    prepared = prepare(_with_levels(fit), frame)
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
    posterior = xr.Dataset(coords=fit.draws["posterior"].to_dataset().coords)
    posterior = posterior.drop_vars([c for c in posterior.coords if c not in ("chain", "draw")])
    for kind, where in prepared.space.kinds().items():
        posterior[kind] = xr.DataArray(
            values[..., where],
            dims=("chain", "draw", dimension(kind)),
            coords={dimension(kind): list(prepared.space.names[where])},
        )
    tree = xr.DataTree.from_dict(
        {"posterior": posterior, "sample_stats": fit.draws["sample_stats"].to_dataset()}
    )
    tree.attrs.update({**fit.draws.attrs, "population": 1})
    where_at = "at the average" if at is None else f"at {pooling.by} = {at:g}"
    return dataclasses.replace(
        fit,
        prepared=prepared,
        draws=tree,
        settings={**fit.settings, "group": None, "group_order": None, "pooling": None},
        notes=(*fit.notes, f"The population of groups, {where_at}; {pooling}."),
    )


def _with_levels(fit: Fitted) -> Specification:
    """The model, with the means of latent variables that vary between groups free."""
    means = [f"{name.split('~')[0]} ~ NA*1" for name in fit.prepared.zero_mean]
    return fit.specification.extended(means)


@check_shared
def effects_with_population(
    fit: Fitted,
    x: str,
    y: str,
    *,
    standardized: bool = False,
    group: str | Sequence[str] | None = None,
    at: At | None = None,
    ci_prob: float = 0.95,
) -> Effects:
    """Effects of x on y in each group, in the population of groups, and their differences.

    Arguments, result and errors: `Fit.effects_with_population`.
    """
    how: dict[str, Any] = {"standardized": standardized, "at": at, "ci_prob": ci_prob}
    found = effects(fit, x, y, group=group, **how)
    whole = effects(population(fit), x, y, **how)
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
