"""The clusters of a two-level model: who belongs to which.

Variables at level 2 alone are variables of clusters: one value a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import DataError, ModelError
from bayessem.model.group_column import present_groups, require_group
from bayessem.syntax.parameters import ParameterTable

if TYPE_CHECKING:
    import pandas as pd

# Relative difference that values of one cluster may have by rounding.
SAME = 1e-9


@dataclass(frozen=True)
class Clusters:
    """Who belongs to which cluster.

    Attributes
    ----------
    column : str
        Where the data have them.
    labels : tuple of str
        Names of the clusters, in the order of the data.
    code : ndarray (respondent,)
        Position of each respondent's cluster.
    groups : tuple of str
        Names of the groups, ("",) for one; `Sample.groups` has those of the blocks.
    """

    column: str
    labels: tuple[str, ...]
    code: np.ndarray
    groups: tuple[str, ...]

    @property
    def sizes(self) -> np.ndarray:
        """Respondents of each cluster, (cluster,)."""
        return np.bincount(self.code, minlength=len(self.labels))

    def kept(self, keep: np.ndarray) -> Clusters:
        """Of the respondents in a mask, without clusters that have none."""
        used, code = np.unique(self.code[keep], return_inverse=True)
        return replace(self, labels=tuple(self.labels[j] for j in used), code=code)

    def unique_labels(self, block: np.ndarray) -> tuple[str, ...]:
        """Names of the clusters, with the group where several groups have one of that name.

        block : ndarray (respondent,), `Sample.group`.
        """
        groups = [self.groups[g] for g in block[self.first()] // 2]
        twice = {x for x in self.labels if self.labels.count(x) > 1}
        named = zip(self.labels, groups, strict=True)
        return tuple(f"{x} ({g})" if x in twice else x for x, g in named)

    def first(self) -> np.ndarray:
        """Position of the first respondent of each cluster, (cluster,)."""
        return np.unique(self.code, return_index=True)[1]


def require_cluster_argument(
    cluster: object, table: ParameterTable, *, design: bool = False
) -> None:
    """Two levels need clusters, and clusters two levels, unless they are the sample's design.

    Raises
    ------
    ModelError
        Saying which of the two is missing.
    """
    if table.levels > 1 and cluster is None:
        raise ModelError(
            "the model has two levels ('level:'), so it needs to know who belongs together: name "
            "the column of the clusters, as in fit(data, cluster='firm'); fit, ml, check and "
            "priors have that argument"
        )
    if table.levels == 1 and cluster is not None and not design:
        raise ModelError(
            f"cluster={cluster!r} is for a two-level model; write what is within clusters below "
            "'level: 1' and what is between them below 'level: 2', or leave cluster= out (for few "
            "clusters: group=, with pooling=). Without levels sem.ml(data, cluster=...) has "
            "standard errors that are robust to clusters, and fit has them with weights="
        )


def read_clusters(
    data: pd.DataFrame, cluster: str, code_of_group: np.ndarray, groups: Sequence[str]
) -> Clusters:
    """The clusters of all rows; one that is in several groups counts as one in each."""
    labels, code = present_groups(require_group(data, cluster, argument="cluster"), cluster)
    pairs, own = np.unique(np.stack([code, code_of_group]), axis=1, return_inverse=True)
    own = own.ravel()
    order = np.argsort(np.unique(own, return_index=True)[1])  # as they appear
    rank = np.argsort(order)
    return Clusters(cluster, tuple(labels[c] for c in pairs[0][order]), rank[own], tuple(groups))


def require_several(clusters: Clusters, group: np.ndarray) -> None:
    """Refuse clusters that cannot tell two levels apart.

    group : ndarray (respondent,), position of the group.

    Raises
    ------
    DataError
        For one cluster, and clusters of one respondent each.
    """
    where = repr(clusters.column)
    for g, label in enumerate(clusters.groups):
        code = clusters.code[group == g]
        count = len(np.unique(code))
        inside = f" in group {label!r}" if label else ""
        if count < 2:
            raise DataError(
                f"{where} has {_counted(count)}{inside}: differences between clusters need several "
                "of them; a model of one level is the text without 'level:'"
            )
        if count == len(code):
            raise DataError(
                f"every respondent{inside} is a cluster of {where} alone: nothing tells apart what "
                "is within and what is between clusters; is that the column of the clusters? A "
                "model of one level is the text without 'level:'"
            )


def _counted(n: int) -> str:
    return f"{n} cluster{'s' * (n != 1)}"


def fill_clusters(
    values: np.ndarray, clusters: Clusters, names: Sequence[str], between: Sequence[str]
) -> np.ndarray:
    """Values (respondent, p) with each cluster's own value of its variables in all its rows.

    Raises
    ------
    DataError
        For a variable at level 2 alone that varies inside clusters.
    """
    out = values.copy()
    count = len(clusters.labels)
    for name in between:
        column = values[:, names.index(name)]
        known = ~np.isnan(column)
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, clusters.code[known], column[known])
        np.maximum.at(high, clusters.code[known], column[known])
        there = high >= low
        size = np.maximum(np.abs(low), np.abs(high))
        varies = there & (high - low > SAME * np.where(there, size, 1.0))
        if varies.any():
            j = int(np.flatnonzero(varies)[0])
            raise DataError(
                f"{name!r} is at level 2 alone, so it is one value a cluster, but it varies inside "
                f"{_counted(int(varies.sum()))} of {clusters.column!r} (in {clusters.labels[j]!r} "
                f"from {low[j]:g} to {high[j]:g}); bring it into level 1, too (it is then split "
                "into a within and a between part), or use its cluster means"
            )
        filled = np.where(there, high, np.nan)[clusters.code]
        out[:, names.index(name)] = filled
    return out
