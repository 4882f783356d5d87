"""The column of the groups: names of groups, their order, and each respondent's place in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayessem.arguments import shown as quoted
from bayessem.errors import DataError, did_you_mean
from bayessem.model.columns import ONE_OF_EACH
from bayessem.model.frames import labelled, value_labels

if TYPE_CHECKING:
    import pandas as pd


def lone_group(group: str | None, labels: Sequence[str], code: np.ndarray, label: str) -> str:
    """What to do about a group of one respondent, or of none."""
    sizes = np.bincount(code, minlength=len(labels))
    lone = int((sizes < 2).sum())
    n = int(sizes[list(labels).index(label)])
    message = f"group {label!r} has {n} respondent{'s' * (n != 1)}"
    if len(labels) > 10 and lone > 2:
        return (
            f"{message}, and so have {lone - 1} other of the {len(labels)} values of {group!r}: is "
            "that a column of groups? A continuous moderator goes into the model as a variable "
            "(y ~ x + w + x:w)"
        )
    return (
        f"{message} and parameters of its own; leave it out (group_order= selects groups), join "
        f"it with another in the column {group!r}, or fit with parameters that are equal or "
        "partially pooled across groups (pooling=)"
    )


def group_labels(values: Iterable[object]) -> tuple[str, ...]:
    """Names of groups; 1.0 is "1", since missing cells make floats of a column of whole numbers."""

    def label(x: object) -> str:
        x = float(x) if isinstance(x, np.floating) else x
        return str(int(x)) if isinstance(x, float) and x.is_integer() else str(x)

    return tuple(map(label, values))


def require_group(data: pd.DataFrame, group: object, *, argument: str = "group") -> pd.Series:
    """The column of the groups or clusters; values that have labels are named by them.

    Raises
    ------
    DataError
        When it is no column, doubled, empty for some respondents, or one label has two values.
    """
    try:
        known = group in data.columns
    except TypeError:  # not hashable: a list of columns, a column itself
        raise DataError(
            f"{argument} names one column, not {quoted(group)}; two columns make one: "
            "data['both'] = data['one'].astype(str) + ' ' + data['other'].astype(str)"
        ) from None
    if not known:
        shown = ", ".join(map(str, data.columns[:40]))
        similar = did_you_mean(str(group), map(str, data.columns))
        raise DataError(
            f"{argument}={quoted(group)} is not a column of the data.{similar} The columns: {shown}"
        )
    column = data[group]
    if column.ndim > 1:
        raise DataError(f"the data have several columns named {group!r}; {ONE_OF_EACH}")
    if column.isna().any():
        n = int(column.isna().sum())
        raise DataError(
            f"{n} {'respondents have' if n > 1 else 'respondent has'} no {group!r}: give them a "
            f"{argument}, or leave them out with data.dropna(subset=[{group!r}])"
        )
    return labelled(data, str(group))


def read_groups(
    data: pd.DataFrame, group: str | None, groups: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels of the groups and each row's position in them (-1: none of them)."""
    if group is None:
        if groups is not None:
            raise DataError(
                f"group_order needs group=, the column that holds the groups ({quoted(groups)})"
            )
        return ("",), np.zeros(len(data), dtype=np.int64)
    present, codes = present_groups(require_group(data, group), group)
    labels = present
    if groups is not None:
        by_code = dict(
            zip(group_labels(named), group_labels(named.values()), strict=True)
            if (named := value_labels(data, group))
            else ()
        )
        labels = _asked_groups(groups, present, group, by_code)
    position = {label: i for i, label in enumerate(labels)}
    own = np.array([position.get(x, -1) for x in present], dtype=np.int64)
    return labels, own[codes]


def present_groups(column: pd.Series, group: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The names of the groups as they appear, and each row's position in them."""
    import pandas as pd

    try:
        codes, values = pd.factorize(column)
    except TypeError:
        raise DataError(
            f"column {group!r} holds values that are no names of groups, such as a "
            f"{type(column.iloc[0]).__name__}; make texts of them: "
            f"data[{group!r}] = data[{group!r}].map(str)"
        ) from None
    labels = group_labels(values)
    if len(set(labels)) < len(labels):
        alike = [
            x.item() if isinstance(x, np.generic) else x
            for x, label in zip(values, labels, strict=True)
            if labels.count(label) > 1
        ]
        raise DataError(
            f"column {group!r} holds {' and '.join(map(quoted, alike[:2]))}, a number and a text "
            f"for what looks like one group; make texts of all: data[{group!r}] = "
            f"data[{group!r}].astype(str).str.removesuffix('.0')"
        )
    blank = [x for x, label in zip(values, labels, strict=True) if not label.strip()]
    if blank:
        raise DataError(
            f"{int((column == blank[0]).sum())} respondents have a blank for {group!r}; give them "
            f"a group, or leave them out: data = data[data[{group!r}] != {blank[0]!r}]"
        )
    return labels, codes


def _asked_groups(
    asked: object, present: Sequence[str], group: str, by_code: Mapping[str, str]
) -> tuple[str, ...]:
    """The groups in the order that was asked for, by their names or the codes that have labels."""
    if isinstance(asked, str | bytes) or not isinstance(asked, Iterable):
        raise DataError(f"group_order is a list of groups, as in ['a', 'b'], not {quoted(asked)}")
    labels = tuple(x if x in present else by_code.get(x, x) for x in group_labels(asked))
    strangers = [x for x in labels if x not in present]
    if strangers:
        raise DataError(
            f"no respondent has {group!r} equal to {', '.join(map(repr, strangers))}; "
            f"values: {', '.join(map(repr, present))}"
        )
    if not labels or len(set(labels)) < len(labels):
        raise DataError(f"group_order names each group once, not {quoted(asked)}")
    return labels
