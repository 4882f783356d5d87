"""Diversity of alliance portfolios, and groups made of a number: levels, quantiles, median split.

A portfolio's diversity is the squared share of the kinds of partner that a firm uses, (k / 8)^2 in
the alliance study; in general the number of kinds is the number of columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.errors import BayessemWarning, DataError, outside
from bayessem.model.frames import as_frame
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Paragraph, Table
from bayessem.text.formats import COUNT, SHARE, Format

# Below so many members a group says next to nothing by itself.
FEW_MEMBERS = 10
TIES = ("low", "high")
# Of values of the column, in whatever units.
DIGITS = Format(lambda value: f"{value:.4g}", numbers=lambda value: (value,))
SHOWN = {"count": COUNT, "share": SHARE, "lowest": DIGITS, "highest": DIGITS, "mean": DIGITS}


@dataclass(frozen=True, repr=False)
class Groups(Described):
    """Groups made of a column; `print` them.

    Attributes
    ----------
    labels : Series
        Group of each respondent, an ordered category with the data's index; assign it to a column
        and fit with `group=` that column. A respondent without a value has none.
    table : DataFrame
        A row a group: count, share, lowest, highest and mean of the column.
    rule : str
        How the groups were made, in words.
    """

    labels: pd.Series
    table: pd.DataFrame
    rule: str

    @property
    def order(self) -> tuple[str, ...]:
        """The groups from low to high, for `group_order=`."""
        return tuple(str(x) for x in self.labels.cat.categories)

    def document(self) -> Document:
        """How the groups were made, and a row a group."""
        names = Column("group", [str(name) for name in self.table.index])
        shown = (Column(k, self.table[k].tolist(), how) for k, how in SHOWN.items())
        return Document.of(Paragraph(self.rule), Table((names, *shown)))


@check_shared
def alliance_portfolio_diversity(data: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """(k / number of columns)^2, k the number of kinds of partner that a firm uses.

    Parameters
    ----------
    data : DataFrame
        One row a firm.
    columns : sequence of str
        One 0/1 (or False/True) column a kind of partner.

    Returns
    -------
    Series
        0 to 1; missing where any of the columns is.

    Raises
    ------
    DataError
        For a column that is absent, named twice, or holds something else than 0 and 1.
    """
    if isinstance(columns, str) or not len(columns):
        raise DataError("columns is a sequence of the 0/1 columns, one a kind of partner")
    twice = [c for i, c in enumerate(columns) if c in columns[:i]]
    if twice:
        raise DataError(f"{twice[0]!r} is named twice in columns")
    data = as_frame(data)
    for name in columns:
        _refuse_absent(data, name)
    for name in columns:
        known = data[name].dropna()
        if not known.isin([0, 1]).all():
            bad = known[~known.isin([0, 1])].iloc[0]
            raise DataError(f"column {name!r} should hold 0 and 1, but holds {bad}")
    used = data[list(columns)].astype(float).sum(axis=1, skipna=False)
    return ((used / len(columns)) ** 2).rename("apd")


def _refuse_absent(data: pd.DataFrame, name: str) -> None:
    if name not in data.columns:
        raise DataError(
            f"{name!r} is not a column of the data; columns: "
            f"{', '.join(map(str, data.columns[:40]))}"
        )


def _numbers(data: pd.DataFrame, column: str) -> pd.Series:
    data = as_frame(data)
    _refuse_absent(data, column)
    try:
        values = data[column].astype(float)
    except (TypeError, ValueError):
        raise DataError(f"{column!r} does not hold numbers, so it cannot be split") from None
    if values.isna().all():
        raise DataError(f"{column!r} has no values")
    return values


def _groups(
    values: pd.Series, labels: pd.Series, order: Sequence[str], rule: str, few: int
) -> Groups:
    """Counts by group; errors for empty groups, a warning for small ones."""
    category = pd.Series(pd.Categorical(labels, categories=list(order), ordered=True), values.index)
    parts = values.groupby(category, observed=False)
    table = pd.DataFrame(
        {
            "count": parts.count(),
            "share": parts.count() / max(int(values.notna().sum()), 1),
            "lowest": parts.min(),
            "highest": parts.max(),
            "mean": parts.mean(),
        }
    )
    table.index.name = "group"
    empty = [str(x) for x in table.index[table["count"] == 0]]
    if empty:
        raise DataError(
            f"group {', '.join(empty)} of {values.name} has no members; {rule} Ask for fewer "
            "groups, or group by its levels"
        )
    small = table.index[table["count"] < few]
    if len(small):
        said = ", ".join(f"{name} ({table.loc[name, 'count']})" for name in small)
        warnings.warn(
            f"groups of {values.name} with fewer than {few} members: {said}; their values will be "
            "led by the other groups under partial pooling and by their priors without it, or "
            "merge them (merge_below=)",
            BayessemWarning,
            stacklevel=outside(),
        )
    missing = int(values.isna().sum())
    if missing:
        rule += f" {missing} respondents without a value are in no group."
    return Groups(category.rename(values.name), table, rule)


@check_shared
def median_split(
    data: pd.DataFrame, column: str, *, ties: str = "low", few: int = FEW_MEMBERS
) -> Groups:
    """Two groups, low and high, split at the median.

    Parameters
    ----------
    data : DataFrame
        One row a respondent.
    column : str
        What is split.
    ties : {"low", "high"}
        Where respondents at the median go.
    few : int
        Groups with fewer members are warned about.

    Raises
    ------
    DataError
        When a group would be empty, as with few distinct values.
    """
    if ties not in TIES:
        raise DataError(f'ties is "low" or "high", not {ties!r}')
    values = _numbers(data, column)
    middle = float(values.median())
    high = values > middle if ties == "low" else values >= middle
    labels = high.map({True: "high", False: "low"}).where(values.notna())
    equal = int((values == middle).sum())
    rule = (
        f"{column} split at its median {middle:.4g}; {equal} respondents at the median count as "
        f"{ties}."
    )
    return _groups(values, labels, TIES, rule, few)


@check_shared
def quantile_groups(
    data: pd.DataFrame, column: str, *, groups: int = 4, few: int = FEW_MEMBERS
) -> Groups:
    """Groups of about equal size, Q1 (lowest) to Qn; equal values stay together.

    Parameters
    ----------
    data, column, few
        As in `median_split`.
    groups : int
        How many.

    Raises
    ------
    DataError
        When ties leave a group empty.
    """
    if groups < 2:
        raise DataError(f"groups has to be 2 or more, not {groups}")
    values = _numbers(data, column)
    cuts = np.nanquantile(values, np.arange(1, groups) / groups)
    names = [f"Q{i + 1}" for i in range(groups)]
    codes = np.searchsorted(cuts, values.to_numpy(), side="left")
    labels = pd.Series([names[min(c, groups - 1)] for c in codes], values.index)
    rule = f"{column} in {groups} groups, cut at {', '.join(f'{c:.4g}' for c in cuts)}."
    return _groups(values, labels.where(values.notna()), names, rule, few)


def _merged(parts: list[tuple[list[float], int]], least: int) -> list[list[float]]:
    """Values by group, after joining the smallest with the smaller neighbour while it is small."""
    while len(parts) > 1:
        sizes = [n for _, n in parts]
        at = int(np.argmin(sizes))
        if sizes[at] >= least:
            break
        neighbours = [k for k in (at - 1, at + 1) if 0 <= k < len(parts)]
        low = min(at, min(neighbours, key=lambda k: sizes[k]))
        one, other = parts[low], parts[low + 1]
        parts = [*parts[:low], (one[0] + other[0], one[1] + other[1]), *parts[low + 2 :]]
    return [values for values, _ in parts]


@check_shared
def level_groups(
    data: pd.DataFrame, column: str, *, merge_below: int = 0, few: int = FEW_MEMBERS
) -> Groups:
    """One group for each value of a column with few values.

    Parameters
    ----------
    data, column, few
        As in `median_split`.
    merge_below : int
        The smallest group is joined with the smaller of its neighbours until none has fewer
        members; joined groups are named "a to b" by the values they span. 0 joins none.

    Raises
    ------
    DataError
        When only one group is left.
    """
    values = _numbers(data, column)
    counts = values.value_counts().sort_index()
    spans = _merged([([float(v)], int(n)) for v, n in counts.items()], merge_below)
    if len(spans) < 2:
        raise DataError(f"{column} leaves one group: there is nothing to compare")
    names = [f"{s[0]:.4g}" if len(s) == 1 else f"{s[0]:.4g} to {s[-1]:.4g}" for s in spans]
    of = {level: name for span, name in zip(spans, names, strict=True) for level in span}
    rule = f"{column}: one group for each value"
    merged = [name for name, span in zip(names, spans, strict=True) if len(span) > 1]
    rule += f"; joined for too few members: {', '.join(merged)}." if merged else "."
    return _groups(values, values.map(of), names, rule, few)
