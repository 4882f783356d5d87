"""Differences between groups, two by two: posterior summaries, and how they are shown."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.model.pooling import Pooling, pooled_parameters
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.text.columns import labels, summary
from bayessem.text.document import Table


@check_shared
def group_differences(fit: Fitted, pooling: Pooling, ci_prob: float) -> pd.DataFrame:
    """Each parameter's difference between every two groups.

    Returns
    -------
    DataFrame
        parameter, group, other, and the summary of group less other.
    """
    labels, values = [], []
    groups = fit.prepared.table.groups
    for p in pooled_parameters(fit.prepared.structure, pooling):
        own = fit.parameters.sel(parameter=list(p.members)).values
        for i, j in combinations(range(len(groups)), 2):
            labels.append({"parameter": p.name, "group": groups[i], "other": groups[j]})
            values.append(own[..., i] - own[..., j])
    found = summarise(np.stack(values, axis=-1), ci_prob=ci_prob)
    return pd.concat([pd.DataFrame(labels), found], axis=1)


def surest(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The rows of a summary whose sign is surest, the surest first."""
    sure = (table["p_positive"] - 0.5).abs().sort_values(ascending=False, kind="stable")
    return table.loc[sure.index[:count]]


def differences_table(
    found: pd.DataFrame, ci_prob: float, *, title: str, sd: bool = False
) -> Table | None:
    """`group_differences` as they are shown; None when there are none."""
    if found.empty:
        return None
    shown = found.assign(groups=found["group"] + " - " + found["other"])
    names = labels(shown, ("parameter", "groups"), titles={"parameter": ""})
    return Table((*names, *summary(shown, ci_prob, sd=sd)), title)
