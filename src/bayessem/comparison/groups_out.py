"""Leave-one-group-out cross-validation: how well a model predicts a group it has not seen.

The model is fitted without the group's respondents. Its pooled parameters then are draws from the
population of groups (mu + delta w + tau z, with z from its prior), and the density of the group's
respondents together is averaged over many such draws, by bridge sampling to the posterior with
the group.
"""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.comparison.criterion import (
    CrossValidation,
    opening,
    stored_log_likelihood,
    target_of,
)
from bayessem.comparison.importance import LARGE_ERROR, bridged_mean, log_mean_exp
from bayessem.comparison.refits import Refit, log_predictive, refits_without
from bayessem.errors import FitError
from bayessem.model.level_data import refuse_levels
from bayessem.model.prepare import Prepared
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.text.columns import column
from bayessem.text.document import Column, Document, Notes, Table
from bayessem.text.formats import COUNT, SHORT, TENTHS
from bayessem.text.progress import Bar

EXPLANATION = (
    "Each group is predicted by a model that has not seen it; its pooled parameters are drawn from "
    "the population of groups."
)


@dataclass(frozen=True, repr=False)
class GroupsOut(CrossValidation):
    """Leave-one-group-out cross-validation of a fit; `print` it.

    `pointwise` has a row a group and adds `respondents`, `by_respondent` (elpd divided by them) and
    `mcse`, the Monte Carlo standard error of `elpd`.

    Attributes
    ----------
    notes : tuple of str
        What a reader must know.
    """

    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """By group: respondents, elpd, by_respondent, mcse."""
        return self.pointwise[["respondents", "elpd", "by_respondent", "mcse"]]

    def document(self) -> Document:
        """elpd, together and by group."""
        table = self.table
        groups = Table(
            (
                Column("group", list(table.index)),
                column(table, "respondents", how=COUNT),
                column(table, "elpd", how=TENTHS),
                column(table, "by_respondent", "per respondent", SHORT),
                column(table, "mcse", "MC error", SHORT),
            )
        )
        return Document.of(opening(self), groups, Notes((EXPLANATION, *self.notes)))


@check_shared
def leave_group_out(
    fit: Fitted,
    *,
    new_groups: int = 10,
    random_seed: int | None = None,
    progress: bool = False,
    executor: Any = None,
) -> GroupsOut:
    """Leave-one-group-out cross-validation of a model with pooled groups, by a refit a group.

    Arguments, result and errors: `Fit.leave_group_out`.
    """
    refuse_population(fit, "cross-validation")
    prepared = fit.prepared
    refuse_levels(prepared.table, "leaving a group out")
    groups = prepared.sample.groups
    if len(groups) < 2:
        raise FitError("the model has one group: there is no group to leave out")
    _check_pooled(prepared)
    seed = fit.settings["random_seed"] if random_seed is None else random_seed
    flat = stored_log_likelihood(fit)
    members_of = [np.flatnonzero(prepared.sample.group == g) for g in range(len(groups))]
    left_out = [(members, seed + 1 + g) for g, members in enumerate(members_of)]
    bar = Bar("groups left out", len(groups), sys.stderr) if progress else None
    again_of: dict[int, Refit] = {}
    with closing(refits_without(fit, left_out, executor=executor)) as refits:
        for g, again in refits:
            again_of[g] = again
            if bar is not None:
                bar.show(len(again_of))
    rows, notes = [], []
    for g, name in enumerate(groups):
        members, again = members_of[g], again_of[g]
        rng = np.random.default_rng([seed, g])
        density = _new_group_density(prepared, g, members, again.values, new_groups, rng)
        full = flat[:, members].sum(axis=1)
        elpd, error = bridged_mean(density.T, full)
        rows.append(
            {
                "elpd": elpd,
                "lppd": float(log_mean_exp(full)),
                "respondents": len(members),
                "by_respondent": elpd / len(members),
                "mcse": error,
            }
        )
        if again.doubtful:
            notes.append(f"The refit without group {name}: {again.trouble}")
    point = pd.DataFrame(rows, index=pd.Index(groups, name="group"))
    rough = point.index[point["mcse"] > LARGE_ERROR]
    if len(rough):
        notes.append(
            f"The elpd of {', '.join(rough)} has a Monte Carlo standard error above "
            f"{LARGE_ERROR:g}; use more draws, or new_groups={5 * new_groups}."
        )
    target = target_of(prepared, unit="group")
    return GroupsOut(target, "leave-one-group-out", point, tuple(notes))


def group_coordinates(prepared: Prepared, group: int) -> tuple[list[int], list[str]]:
    """Coordinates that only one group uses: positions of the pooled z, names of all others."""
    structure, space = prepared.structure, prepared.space
    used: dict[str, set[int]] = {}
    for k, place in structure.places.items():
        free = structure.table.rows[k].free
        if free >= 0:
            used.setdefault(structure.table.parameters[free], set()).add(place.group)
    own = {name for name, groups in used.items() if groups == {group}}
    pooled = [i for i, c in enumerate(space.coordinates) if c.kind == "pool_z" and c.name in own]
    pooled_names = {space.names[i] for i in pooled}
    return pooled, sorted(own - pooled_names)


def _check_pooled(prepared: Prepared) -> None:
    """Refuse parameters of one group alone: without its respondents only their prior is left."""
    alone = [
        name
        for g in range(len(prepared.sample.groups))
        for name in group_coordinates(prepared, g)[1]
    ]
    if alone:
        listed = ", ".join(alone[:4]) + (", ..." if len(alone) > 4 else "")
        raise FitError(
            f"{listed}: parameters that are free in each group say nothing about a new group; "
            "pool them, pooling=partial(...), or make them equal, group_equal="
        )


def _new_group_density(
    prepared: Prepared,
    group: int,
    members: np.ndarray,
    values: np.ndarray,
    new_groups: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Log-density of a group's respondents together, (draw, new group)."""
    pooled, _ = group_coordinates(prepared, group)
    flat = values.reshape(-1, values.shape[-1])
    out = [log_predictive(prepared, members, flat).sum(axis=1)]
    for _ in range(new_groups - 1 if pooled else 0):
        fresh = flat.copy()
        fresh[:, pooled] = rng.standard_normal((len(flat), len(pooled)))
        out.append(log_predictive(prepared, members, fresh).sum(axis=1))
    return np.column_stack(out)
