"""The respondents: from a data frame to checked numbers, by group and missingness pattern."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import DataError
from bayessem.model.categories import Labels, normal_scores, read_categories
from bayessem.model.clusters import Clusters, fill_clusters, read_clusters, require_several
from bayessem.model.columns import numbers, require_columns
from bayessem.model.companions import Beside, columns_of, kept_beside, link_scores, read_answers
from bayessem.model.design import Design, read_design
from bayessem.model.frames import as_frame, variable_labels
from bayessem.model.group_column import lone_group, read_groups
from bayessem.syntax.levels import block_names
from bayessem.syntax.parameters import ParameterTable
from bayessem.syntax.responses import Responses
from bayessem.syntax.rows import Key, row_key

if TYPE_CHECKING:
    import pandas as pd

# Sizes of values whose squares, and sums of them, are numbers to a computer.
LARGEST = 1e100


@dataclass(frozen=True)
class Sample:
    """The data of a model.

    Attributes
    ----------
    variables : tuple of str
        The p columns used.
    groups : tuple of str
        Names of the groups, ("",) for one.
    values : ndarray (respondent, p)
        In the order of the data frame, without rows that are missing altogether; nan is missing.
    group : ndarray (respondent,)
        Position of each respondent's group.
    rows : Index (respondent,)
        Labels of the respondents, as the data frame's index has them (type and names too).
    dropped : tuple
        Index labels of rows without any observed value (or, with listwise deletion, incomplete).
    elsewhere : int
        Rows of groups that were not asked for.
    labels : dict
        Labels of variables and constructs by name, where the data carry them.
    categories : tuple of tuple
        Categories of each ordered variable in their order, () for one that is not ordered; `values`
        has the position of the answer among them. () where none is ordered.
    clusters : Clusters or None
        Of a two-level model; `groups` are then its blocks, and `group` is that of level 1.
    design : Design or None
        Weights, and clusters that the model says nothing about.
    beside : dict
        What belongs to the answers of each count, duration, limited outcome and share.
    """

    variables: tuple[str, ...]
    groups: tuple[str, ...]
    values: np.ndarray
    group: np.ndarray
    rows: pd.Index
    dropped: tuple
    elsewhere: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    categories: tuple[Labels, ...] = ()
    clusters: Clusters | None = None
    design: Design | None = None
    beside: Mapping[str, Beside] = field(default_factory=dict)

    @property
    def weights(self) -> np.ndarray | None:
        """Sampling weights (respondent,), None where all respondents count once."""
        return None if self.design is None else self.design.weights

    @property
    def model_groups(self) -> tuple[str, ...]:
        """Names of the groups as the model has them, without its levels."""
        return self.groups if self.clusters is None else self.clusters.groups

    @property
    def ordered(self) -> dict[str, int]:
        """How many categories each ordered variable has."""
        named = zip(self.variables, self.categories, strict=False)
        return {name: len(labels) for name, labels in named if labels}

    @cached_property
    def scores(self) -> np.ndarray:
        """Values as they are where normal, else on the scale of the predictor, (respondent, p).

        The codes of ordered variables become normal scores, counts logs of rates, and so on.
        """
        out = normal_scores(self.values, self.categories) if self.ordered else self.values
        if self.beside:
            out = np.array(out)
            for name, one in self.beside.items():
                j = self.variables.index(name)
                out[:, j] = link_scores(self.values[:, j], one)
        return out

    @property
    def size(self) -> int:
        """Number of respondents used."""
        return len(self.values)

    @cached_property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not np.isnan(self.values).any()

    @property
    def pattern_count(self) -> int:
        """How many different sets of variables respondents answered (1: nothing is missing)."""
        return int(_pattern_codes(np.zeros_like(self.group), ~np.isnan(self.values)).max()) + 1

    @cached_property
    def means(self) -> np.ndarray:
        """Means of the observed values (of scores, where ordered), (p,)."""
        return np.nanmean(self.scores, axis=0)

    @cached_property
    def sds(self) -> np.ndarray:
        """Standard deviations (divisor n) of the observed values (or scores), (p,)."""
        return np.nanstd(self.scores, axis=0)

    @property
    def hash(self) -> str:
        """SHA-256 of variables, groups and values: two fits are comparable when it is the same."""
        digest = hashlib.sha256()
        digest.update("\x1f".join([*self.variables, "\x1e", *self.groups]).encode())
        digest.update(np.ascontiguousarray(self.group, dtype=np.int64).tobytes())
        digest.update(np.ascontiguousarray(self.values, dtype=np.float64).tobytes())
        if self.clusters is not None:
            digest.update(np.ascontiguousarray(self.clusters.code, dtype=np.int64).tobytes())
        if self.weights is not None:
            digest.update(np.ascontiguousarray(self.weights, dtype=np.float64).tobytes())
        for name, one in self.beside.items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(one.columns, dtype=np.float64).tobytes())
        return digest.hexdigest()

    def patterns(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """(group, observed columns, positions of the respondents) of each missingness pattern."""
        observed = ~np.isnan(self.values)
        if observed.all():
            return [
                (g, np.arange(len(self.variables)), np.flatnonzero(self.group == g))
                for g in range(len(self.groups))
                if (self.group == g).any()
            ]
        code = _pattern_codes(self.group, observed)
        order = np.argsort(code, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(code[order])) + 1)
        found = [(int(self.group[k[0]]), np.flatnonzero(observed[k[0]]), k) for k in parts]
        return sorted(found, key=lambda item: item[0])


def _pattern_codes(group: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Number of each respondent's pattern of group and observed variables, (respondent,).

    Patterns are numbered in the order in which they appear.
    """
    import pandas as pd

    code = np.asarray(group, dtype=np.int64)
    for column in observed.T:
        code = pd.factorize(2 * code + column)[0]
    return code


def _checked(values: np.ndarray, names: Sequence[str]) -> None:
    infinite = [n for n, c in zip(names, values.T, strict=True) if np.isinf(c).any()]
    if infinite:
        raise DataError(
            f"infinite values in {', '.join(map(repr, infinite))}; replace them by numbers "
            "or leave the cells empty"
        )
    for name, column in zip(names, values.T, strict=True):
        known = column[~np.isnan(column)]
        if not known.size:
            raise DataError(f"column {name!r} is empty; take it out of the model")
        _check_size(name, float(np.abs(known).max()))
        if _constant(known):
            raise DataError(
                f"column {name!r} is constant (all {known[0]:g}); it cannot measure "
                "anything: take it out of the model"
            )


def _constant(known: np.ndarray) -> bool:
    return bool(np.ptp(known) <= 1e-12 * np.abs(known).max())


def _check_size(name: str, largest: float) -> None:
    """Refuse values whose squares a double cannot hold."""
    if largest and not 1.0 / LARGEST < largest < LARGEST:
        raise DataError(
            f"the values of column {name!r} run to {largest:.0e}, which no computer can "
            f"square; rescale them: data[{name!r}] /= 1e{math.floor(math.log10(largest))}"
        )


def check_groups(
    sample: Sample, table: ParameterTable, *, group: str | None, pooled: Collection[Key] = ()
) -> None:
    """Refuse groups that cannot tell what the model asks of them alone.

    A parameter that other groups have, too, or that is drawn from a population of groups, is
    estimated however little one group says about it. One that is a group's own is not: it needs
    two respondents, values of its item, and, if it is the item's variance, values that differ.
    Groups of which most have one respondent say nothing about what differs between groups.

    Parameters
    ----------
    sample : Sample
        The respondents.
    table : ParameterTable
        The model for its groups.
    group : str or None
        Column of the groups, for the message.
    pooled : collection of row keys
        Parameters that are partially pooled.

    Raises
    ------
    DataError
        Naming the group, the column and what would work.
    """
    sizes = np.bincount(sample.group, minlength=len(sample.groups))
    few = int((sizes < 2).sum())
    groups_of: dict[int, set[int]] = {}
    for row in table.rows:
        groups_of.setdefault(row.free, set()).add(row.group)
    for g, label in enumerate(sample.groups):
        own = [
            row
            for row in table.rows
            if row.group == g
            and row.free >= 0
            and len(groups_of[row.free]) == 1
            and row_key(row.lhs, row.op, row.rhs) not in pooled
        ]
        inside = sample.values[sample.group == g]
        if len(inside) < 2 and (own or 2 * few > len(sizes) > 10):
            raise DataError(lone_group(group, sample.groups, sample.group, label))
        where = f"column {{!r}} is {{}} in group {label!r}"
        equal = "or fit with parameters that are equal or partially pooled across groups (pooling=)"
        for name, column in zip(sample.variables, inside.T, strict=True):
            known = column[~np.isnan(column)]
            if not known.size:
                asked = next((r for r in own if name in (r.lhs, r.rhs)), None)
                if asked is not None:
                    raise DataError(
                        f"{where.format(name, 'empty')}, which has its own {asked.name}; take it "
                        f"out of the model, leave the group out (group_order=), {equal}"
                    )
            elif _constant(known) and any(r.op == "~~" and r.lhs == r.rhs == name for r in own):
                if name == group:
                    raise DataError(
                        f"{name!r} is the column of the groups and a variable of the model, too, "
                        "but does not vary within a group: name another column (group=), or leave "
                        "group= out"
                    )
                raise DataError(
                    f"{where.format(name, 'constant')} (all {known[0]:g}) and cannot have a "
                    f"variance of its own there; take it out of the model, leave the group out "
                    f"(group_order=), {equal}"
                )


def read_sample(
    data: pd.DataFrame,
    variables: Sequence[str],
    *,
    group: str | None = None,
    groups: Sequence[str] | None = None,
    missing: str = "fiml",
    constructs: Sequence[str] = (),
    ordered: Sequence[str] = (),
    cluster: str | None = None,
    between: Sequence[str] = (),
    weights: str | None = None,
    drawn_in: str | None = None,
    responses: Responses | None = None,
) -> Sample:
    """Check the columns of a data frame and take them out.

    Parameters
    ----------
    data : DataFrame
        One row a respondent.
    variables : sequence of str
        The columns that the model uses.
    group : str, optional
        Column with the groups.
    groups : sequence of str, optional
        Order (and selection) of the groups; by default as they appear in the data.
    missing : {"fiml", "listwise", "error"}
        What to do about missing values: use all that is observed, leave out incomplete rows, or
        refuse.
    constructs : sequence of str
        Names of the model that are no columns, for messages about names.
    ordered : sequence of str
        Columns with answers in ordered categories.
    cluster : str, optional
        Column with the clusters of a two-level model.
    between : sequence of str
        Columns that are at level 2 alone, one value a cluster.
    weights : str, optional
        Column with sampling weights.
    drawn_in : str, optional
        Column with clusters that the model says nothing about.
    responses : Responses, optional
        Which columns are counts, durations, limited outcomes or shares.

    Raises
    ------
    DataError
        Naming what is wrong and where.
    """
    responses = responses or Responses()
    data = as_frame(data)
    if missing not in ("fiml", "listwise", "error"):
        raise DataError(f'missing is "fiml", "listwise" or "error", not {missing!r}')
    names = list(variables)
    wanted = [x for name in names for x in columns_of(name, responses)]
    require_columns(data, list(dict.fromkeys(wanted)), constructs, ordered)
    if not len(data):
        raise DataError("the data have columns but no rows")
    index = data.index
    labels, code = read_groups(data, group, groups)
    keep = code >= 0
    values, categories, beside = _values(data, names, keep, ordered, responses)
    elsewhere = int((~keep).sum())
    clusters = None
    if cluster is not None:
        clusters = read_clusters(data, cluster, code, labels)
        require_several(clusters.kept(keep), code[keep])
        values = np.array(values)
        values[keep] = fill_clusters(values[keep], clusters.kept(keep), names, between)
    absent = np.isnan(values)
    own = [j for j, name in enumerate(names) if name not in between]  # a respondent's
    if missing == "error" and absent[keep].any():
        counts = absent[keep].sum(axis=0)
        listed = ", ".join(f"{n} {c}" for n, c in zip(names, counts, strict=True) if c)
        raise DataError(
            f'missing values in {listed}; use missing="fiml" (all that is observed) or "listwise"'
        )
    gone = absent.any(axis=1) if missing == "listwise" else absent[:, own].all(axis=1)
    dropped = tuple(index[keep & gone].tolist())
    keep &= ~gone
    values, code, index = values[keep], code[keep], index[keep]
    if not len(values):
        raise DataError("no respondent is left: every row has missing values")
    _checked(values, names)
    if len(values) <= len(names):
        raise DataError(
            f"{len(values)} respondents for {len(names)} observed variables: their covariances "
            "cannot be estimated; use more respondents or fewer indicators"
        )
    design = read_design(data, keep, weights=weights, cluster=drawn_in)
    _check_weights(design, code, labels, weights, group)
    known = {*names, *constructs}
    texts = {name: text for name, text in variable_labels(data).items() if name in known}
    sample = Sample(
        tuple(names),
        labels,
        values,
        code,
        index,
        dropped,
        elsewhere,
        texts,
        categories,
        design=design,
        beside=kept_beside(beside, keep),
    )
    return sample if clusters is None else _in_blocks(sample, clusters.kept(keep))


def _check_weights(
    design: Design | None,
    code: np.ndarray,
    labels: Sequence[str],
    weights: str | None,
    group: str | None,
) -> None:
    """Refuse groups in which fewer than two respondents have a weight: they have no variance."""
    if design is None or design.weights is None:
        return
    counted = np.bincount(code, weights=design.weights > 0, minlength=len(labels))
    for label, count in zip(labels, counted.astype(int).tolist(), strict=True):
        if count < 2:
            where = f" of group {label!r}" if group is not None else ""
            remedy = "; leave the group out (group_order=)" if group is not None else ""
            raise DataError(
                f"{weights!r} is above 0 for {count} respondent{'s' * (count != 1)}{where}, whose "
                f"variances cannot be estimated{remedy}"
            )


def _in_blocks(sample: Sample, clusters: Clusters) -> Sample:
    """A sample whose groups are the blocks of a two-level model, respondents at their level 1."""
    return replace(
        sample,
        groups=block_names(clusters.groups),
        group=2 * sample.group,
        clusters=clusters,
    )


def _values(
    data: pd.DataFrame,
    names: Sequence[str],
    keep: np.ndarray,
    ordered: Sequence[str],
    responses: Responses,
) -> tuple[np.ndarray, tuple[Labels, ...], dict[str, Beside]]:
    """The columns as numbers (row, p), codes where ordered, with what belongs to them.

    Those are the categories of ordered variables, and what stands beside counts and durations.
    """
    if not ordered and not responses.others:
        return numbers(data, names), (), {}
    values = np.full((len(data), len(names)), np.nan)
    categories: list[Labels] = []
    beside: dict[str, Beside] = {}
    for j, name in enumerate(names):
        labels: Labels = ()
        if name in ordered:
            values[keep, j], labels = read_categories(data[keep], name)
        elif name in responses.others:
            values[keep, j], one = read_answers(data[keep], name, responses)
            columns = np.zeros((len(data), one.columns.shape[1]))
            columns[keep] = one.columns
            beside[name] = Beside(one.family, columns)
        else:
            values[:, j] = numbers(data, [name])[:, 0]
        categories.append(labels)
    return values, tuple(categories) if ordered else (), beside


def category_counts(
    sample: Sample, name: str, *, group: int | None = None
) -> list[tuple[object, int]]:
    """How many respondents (of a group) gave each answer to an ordered variable: label, count."""
    j = sample.variables.index(name)
    rows = slice(None) if group is None else sample.group == group
    column = sample.values[rows, j]
    known = column[~np.isnan(column)].astype(np.int64)
    labels = sample.categories[j]
    return list(zip(labels, np.bincount(known, minlength=len(labels)).tolist(), strict=True))
