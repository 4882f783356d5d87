"""What the two-level engine works on, packed: patterns of respondents, clusters, their types.

Clusters with the same number of respondents in each missingness pattern, and the same of their own
variables observed, are of one type: they share one inverse. With random slopes each cluster is a
type of its own, and what the likelihood needs of it are sums of squares and products (of 1, the
predictors with random slopes, and all variables of level 1): still flat in the number of
respondents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.plan import Pattern, pack, pattern_from_rows

# First number of a packed plan of this engine; a kernel's plan begins with a positive number.
MARK = -2
# The same where slopes are integrated out on nodes (level_nodes.py).
NODES_MARK = -6

INTEGER_FIELDS = (
    "sizes",
    "within",
    "split",
    "split_at",
    "between",
    "effects",
    "design",
    "slope_outcome",
    "slope_latent",
    "turned_outcome",
    "turned_predictor",
    "turned_node",
    "pattern_group",
    "pattern_count",
    "pattern_width",
    "pattern_at",
    "pattern_variables",
    "pattern_mean_at",
    "pattern_cov_at",
    "pattern_rows_at",
    "row_cluster",
    "cluster_group",
    "cluster_type",
    "cluster_own",
    "cluster_place",
    "cluster_value_at",
    "entry_at",
    "entry_pattern",
    "entry_mean_at",
    "entry_square_at",
    "own_at",
    "own_variables",
    "proper",
)
FLOAT_FIELDS = ("numbers",)


class LevelPlan(NamedTuple):
    """Views of the packed arrays, by name.

    sizes : observed p, latent m, groups, patterns, clusters.
    within, between : the variables of level 1, and those of level 2 alone.
    split, split_at : the variables at both levels, and where they are in `within`.
    effects : the random effects of a cluster: the variables at both levels, then p, p + 1, ... for
        the random slopes.
    design : what each effect is multiplied by: 0 for 1, k for the predictor of the k-th slope.
    slope_outcome, slope_latent : the latent variable that a slope's path leads to at level 1, and
        those that slopes are at level 2, after them those that are integrated out on nodes.
    turned_* : one entry a path whose predictor is not observed: the latent variables that it leads
        to and comes from, and which of the slopes on nodes its coefficient is.
    pattern_* : one entry a missingness pattern of a group: its group, number of respondents,
        number of variables observed, where its list of variables (places in `within`) starts in
        `pattern_variables`, where its means, covariance (divisor n) and rows start in `numbers`.
    row_cluster : cluster of each respondent, in the order of the patterns' rows.
    cluster_* : one entry a cluster, those of a group, set of own variables and type side by side:
        its group, type, set of observed variables of its own, place in the data's order, and where
        the values of those variables start in `numbers`.
    entry_* : the patterns of each cluster (`entry_at`, one more than clusters): which, and where in
        `numbers` start the means of the observed variables, then the sums of products of (1,
        predictors with random slopes), then those of the predictors with deviations from the means;
        with slopes on nodes `entry_square_at`, where the sums of products of these deviations do.
    own_at, own_variables : the sets of observed own variables, as places in `between`.
    proper : as in plan.py.
    """

    sizes: np.ndarray
    within: np.ndarray
    split: np.ndarray
    split_at: np.ndarray
    between: np.ndarray
    effects: np.ndarray
    design: np.ndarray
    slope_outcome: np.ndarray
    slope_latent: np.ndarray
    turned_outcome: np.ndarray
    turned_predictor: np.ndarray
    turned_node: np.ndarray
    pattern_group: np.ndarray
    pattern_count: np.ndarray
    pattern_width: np.ndarray
    pattern_at: np.ndarray
    pattern_variables: np.ndarray
    pattern_mean_at: np.ndarray
    pattern_cov_at: np.ndarray
    pattern_rows_at: np.ndarray
    row_cluster: np.ndarray
    cluster_group: np.ndarray
    cluster_type: np.ndarray
    cluster_own: np.ndarray
    cluster_place: np.ndarray
    cluster_value_at: np.ndarray
    entry_at: np.ndarray
    entry_pattern: np.ndarray
    entry_mean_at: np.ndarray
    entry_square_at: np.ndarray
    own_at: np.ndarray
    own_variables: np.ndarray
    proper: np.ndarray
    numbers: np.ndarray


@compiled
def unpack_levels(ints, floats):
    """The packed arrays (without the mark) as a LevelPlan of views."""
    return LevelPlan(
        ints[ints[0] : ints[1]],
        ints[ints[1] : ints[2]],
        ints[ints[2] : ints[3]],
        ints[ints[3] : ints[4]],
        ints[ints[4] : ints[5]],
        ints[ints[5] : ints[6]],
        ints[ints[6] : ints[7]],
        ints[ints[7] : ints[8]],
        ints[ints[8] : ints[9]],
        ints[ints[9] : ints[10]],
        ints[ints[10] : ints[11]],
        ints[ints[11] : ints[12]],
        ints[ints[12] : ints[13]],
        ints[ints[13] : ints[14]],
        ints[ints[14] : ints[15]],
        ints[ints[15] : ints[16]],
        ints[ints[16] : ints[17]],
        ints[ints[17] : ints[18]],
        ints[ints[18] : ints[19]],
        ints[ints[19] : ints[20]],
        ints[ints[20] : ints[21]],
        ints[ints[21] : ints[22]],
        ints[ints[22] : ints[23]],
        ints[ints[23] : ints[24]],
        ints[ints[24] : ints[25]],
        ints[ints[25] : ints[26]],
        ints[ints[26] : ints[27]],
        ints[ints[27] : ints[28]],
        ints[ints[28] : ints[29]],
        ints[ints[29] : ints[30]],
        ints[ints[30] : ints[31]],
        ints[ints[31] : ints[32]],
        ints[ints[32] : ints[33]],
        floats[ints[34] : ints[35]],
    )


@dataclass(frozen=True)
class LevelData:
    """The data of a two-level model.

    Attributes
    ----------
    values : ndarray (respondent, p)
        nan is missing; variables of clusters have their value in every row of the cluster.
    group : ndarray (respondent,)
        Position of the group, from 0.
    cluster : ndarray (respondent,)
        Position of the cluster, from 0.
    within, between : tuple of int
        Columns at level 1, and at level 2.
    slopes : tuple of (int, int, int)
        Of each path with a random slope: the latent variable it leads to, the column of its
        predictor (without missing values), and the latent variable of level 2 that it is.
    turned : tuple of (int, int, int)
        The same of the slopes of predictors that are latent, by the latent variable.
    """

    values: np.ndarray
    group: np.ndarray
    cluster: np.ndarray
    within: tuple[int, ...]
    between: tuple[int, ...]
    slopes: tuple[tuple[int, int, int], ...] = ()
    turned: tuple[tuple[int, int, int], ...] = ()

    @property
    def nodes(self) -> tuple[int, ...]:
        """The slopes that are integrated out on nodes."""
        return tuple(dict.fromkeys(slope for _, _, slope in self.turned))


def _patterns(data: LevelData) -> tuple[list[Pattern], list[np.ndarray]]:
    """Missingness patterns of level 1 by group, with places in `within`; and their respondents."""
    own = data.values[:, list(data.within)]
    key = np.column_stack([data.group, ~np.isnan(own)])
    kinds, number = np.unique(key, axis=0, return_inverse=True)
    patterns, members = [], []
    for k, kind in enumerate(kinds):
        who = np.flatnonzero(number.ravel() == k)
        variables = np.flatnonzero(kind[1:])
        patterns.append(pattern_from_rows(int(kind[0]), variables, own[np.ix_(who, variables)]))
        members.append(who)
    return patterns, members


class _Numbers:
    """The float array as it grows."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []
        self.at = 0

    def add(self, array: np.ndarray) -> int:
        """Append an array; where it starts."""
        start = self.at
        self.parts.append(np.ascontiguousarray(array, dtype=np.float64).ravel())
        self.at += self.parts[-1].size
        return start


def build_level_plan(
    shape: tuple[int, int],
    data: LevelData,
    *,
    groups: int = 1,
    proper: Sequence[tuple[int, int, Sequence[int]]] = (),
    finer: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Pack a model's shape (p, m) and its data by cluster for the two-level engine.

    Parameters
    ----------
    shape : numbers of observed and latent variables.
    data : the respondents.
    groups : number of groups, of two blocks each.
    proper : as in `plan.build_plan`, by block.
    finer : how many times as dense as usual the nodes of slopes are.
    """
    split = [i for i in data.within if i in data.between]
    alone = [i for i in data.between if i not in data.within]
    patterns, members = _patterns(data)
    numbers = _Numbers()
    numbers.add(np.array([finer]))  # the first: level_nodes.py
    fields: dict[str, np.ndarray] = {
        "within": np.array(data.within),
        "split": np.array(split),
        "split_at": np.array([data.within.index(i) for i in split]),
        "between": np.array(alone),
        "effects": np.array([*split, *(shape[0] + k for k in range(len(data.slopes)))]),
        "design": np.array([0] * len(split) + [1 + k for k in range(len(data.slopes))]),
        "slope_outcome": np.array([outcome for outcome, _, _ in data.slopes]),
        "slope_latent": np.array([*(latent for _, _, latent in data.slopes), *data.nodes]),
        "turned_outcome": np.array([outcome for outcome, _, _ in data.turned]),
        "turned_predictor": np.array([predictor for _, predictor, _ in data.turned]),
        "turned_node": np.array([data.nodes.index(slope) for _, _, slope in data.turned]),
        "pattern_group": np.array([x.group for x in patterns]),
        "pattern_count": np.array([x.count for x in patterns]),
        "pattern_width": np.array([len(x.variables) for x in patterns]),
        "pattern_at": np.cumsum([0, *(len(x.variables) for x in patterns)])[:-1],
        "pattern_variables": np.concatenate([x.variables for x in patterns]),
        "pattern_mean_at": np.array([numbers.add(x.mean) for x in patterns]),
        "pattern_cov_at": np.array([numbers.add(x.covariance) for x in patterns]),
        "pattern_rows_at": np.array([numbers.add(x.rows) for x in patterns]),
        "row_cluster": np.concatenate([data.cluster[who] for who in members]),
        "proper": np.array(
            [x for kind, g, block in proper for x in (kind, g, len(block), *block)],
            dtype=np.int64,
        ),
    }
    fields |= _cluster_fields(data, patterns, members, alone, numbers)
    count = int(data.cluster.max()) + 1
    fields["sizes"] = np.array([*shape, groups, len(patterns), count])
    fields["numbers"] = np.concatenate(numbers.parts)
    ints, floats = pack(fields, INTEGER_FIELDS, FLOAT_FIELDS)
    return np.concatenate([[NODES_MARK if data.turned else MARK], ints]), floats


def _cluster_fields(
    data: LevelData,
    patterns: Sequence[Pattern],
    members: Sequence[np.ndarray],
    alone: Sequence[int],
    numbers: _Numbers,
) -> dict[str, np.ndarray]:
    """The clusters in the order in which they share most, with their patterns' sums."""
    count = int(data.cluster.max()) + 1
    table = np.stack([np.bincount(data.cluster[who], minlength=count) for who in members], axis=1)
    first = np.unique(data.cluster, return_index=True)[1]
    values = data.values[np.ix_(first, list(alone))]
    kinds, own = np.unique(~np.isnan(values), axis=0, return_inverse=True)
    own = own.ravel() if len(alone) else np.zeros(count, dtype=np.int64)
    keys = np.column_stack([data.group[first], own, table])
    if data.slopes:  # no two clusters have the same inverse
        keys = np.column_stack([keys, np.arange(count)])
    kind = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    order = np.argsort(kind, kind="stable")
    sums = [_sums(data, x, who, count) for x, who in zip(patterns, members, strict=True)]
    squares = [_squares(data, x, who, count) for x, who in zip(patterns, members, strict=True)]
    entry_at, entries, start, square_at = [0], [], [], []
    for j in order:
        for k in np.flatnonzero(table[j]):
            entries.append(k)
            start.append(numbers.add(sums[k][j]))
            if data.turned:
                square_at.append(numbers.add(squares[k][j]))
        entry_at.append(len(entries))
    lists = [np.flatnonzero(k) for k in kinds] if len(alone) else [np.empty(0, dtype=np.int64)]
    known = [values[j][lists[own[j]]] for j in order]
    return {
        "cluster_group": data.group[first][order],
        "cluster_type": kind[order],
        "cluster_own": own[order],
        "cluster_place": order,
        "cluster_value_at": np.array([numbers.add(x) for x in known]),
        "entry_at": np.array(entry_at),
        "entry_pattern": np.array(entries),
        "entry_mean_at": np.array(start),
        "entry_square_at": np.array(square_at),
        "own_at": np.cumsum([0, *map(len, lists)]),
        "own_variables": np.concatenate(lists),
    }


def _sums(data: LevelData, pattern: Pattern, who: np.ndarray, count: int) -> np.ndarray:
    """What the likelihood needs of a pattern's respondents by cluster, (cluster, numbers)."""
    code, width = data.cluster[who], len(pattern.variables)
    size = np.bincount(code, minlength=count)
    means = np.zeros((count, width))
    np.add.at(means, code, pattern.rows)
    means /= np.maximum(size, 1)[:, None]
    columns = [column for _, column, _ in data.slopes]
    design = np.column_stack([np.ones(len(who)), data.values[np.ix_(who, columns)]])
    deviations = pattern.rows - means[code]
    squares = np.zeros((count, design.shape[1], design.shape[1]))
    np.add.at(squares, code, design[:, :, None] * design[:, None, :])
    products = np.zeros((count, design.shape[1] - 1, width))
    np.add.at(products, code, design[:, 1:, None] * deviations[:, None, :])
    return np.concatenate([means, *(x.reshape(count, -1) for x in (squares, products))], axis=1)


def _squares(data: LevelData, pattern: Pattern, who: np.ndarray, count: int) -> np.ndarray:
    """Sums of products of deviations from the cluster's means, (cluster, width, width)."""
    if not data.turned:
        return np.empty(0)
    code, width = data.cluster[who], len(pattern.variables)
    out = np.zeros((count, width, width))
    size = np.bincount(code, minlength=count)
    means = np.zeros((count, width))
    np.add.at(means, code, pattern.rows)
    deviations = pattern.rows - (means / np.maximum(size, 1)[:, None])[code]
    np.add.at(out, code, deviations[:, :, None] * deviations[:, None, :])
    return out
