"""The respondents: from a data frame to checked numbers, by group and missingness pattern."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Number
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


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
    rows : ndarray (respondent,)
        Labels of the respondents in the data frame's index.
    dropped : tuple
        Index labels of rows without any observed value (or, with listwise deletion, incomplete).
    elsewhere : int
        Rows of groups that were not asked for.
    """

    variables: tuple[str, ...]
    groups: tuple[str, ...]
    values: np.ndarray
    group: np.ndarray
    rows: np.ndarray
    dropped: tuple
    elsewhere: int = 0

    @property
    def size(self) -> int:
        """Number of respondents used."""
        return len(self.values)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not np.isnan(self.values).any()

    @property
    def pattern_count(self) -> int:
        """How many different sets of variables respondents answered (1: nothing is missing)."""
        return len(np.unique(np.isnan(self.values), axis=0))

    @property
    def means(self) -> np.ndarray:
        """Means of the observed values, (p,)."""
        return np.nanmean(self.values, axis=0)

    @property
    def sds(self) -> np.ndarray:
        """Standard deviations (divisor n) of the observed values, (p,)."""
        return np.nanstd(self.values, axis=0)

    @property
    def hash(self) -> str:
        """SHA-256 of variables, groups and values: two fits are comparable when it is the same."""
        digest = hashlib.sha256()
        digest.update("\x1f".join([*self.variables, "\x1e", *self.groups]).encode())
        digest.update(np.ascontiguousarray(self.group, dtype=np.int64).tobytes())
        digest.update(np.ascontiguousarray(self.values, dtype=np.float64).tobytes())
        return digest.hexdigest()

    def patterns(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """(group, observed columns, positions of the respondents) of each missingness pattern."""
        seen: dict[tuple[int, bytes], list[int]] = {}
        observed = ~np.isnan(self.values)
        if observed.all():
            return [
                (g, np.arange(len(self.variables)), np.flatnonzero(self.group == g))
                for g in range(len(self.groups))
                if (self.group == g).any()
            ]
        for i, mask in enumerate(observed):
            seen.setdefault((int(self.group[i]), mask.tobytes()), []).append(i)
        return [
            (g, np.flatnonzero(np.frombuffer(mask, dtype=bool)), np.array(members))
            for (g, mask), members in sorted(seen.items(), key=lambda item: item[0][0])
        ]


def require_frame(data: object) -> None:
    """Refuse data that are no data frame.

    Raises
    ------
    DataError
        Saying how to make one.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return
    how = {
        "str": "read the file first: pd.read_csv('file.csv')",
        "PosixPath": "read the file first: pd.read_csv('file.csv')",
        "ndarray": "name the columns: pd.DataFrame(array, columns=[...])",
        "dict": "pd.DataFrame(...) makes one of it",
    }.get(type(data).__name__, "pd.DataFrame(...) makes one of most things")
    raise DataError(f"the data have to be a pandas DataFrame, not {type(data).__name__}; {how}")


def _columns(data: pd.DataFrame, names: Sequence[str], constructs: Sequence[str] = ()) -> None:
    """Refuse columns that are absent, doubled, not numbers, infinite or constant; by name."""
    available = [str(c) for c in data.columns]
    absent = [x for x in names if x not in available]
    if absent:
        shown = ", ".join(available[:40]) + (", ..." if len(available) > 40 else "")
        one = len(absent) == 1
        similar = "".join(did_you_mean(x, [*available, *constructs]) for x in absent)
        define = f" A construct is defined as in '{absent[0]} =~ x1 + x2 + x3'."
        raise DataError(
            f"{', '.join(map(repr, absent))} {'is' if one else 'are'} in the model but "
            f"{'is not a construct or a column' if one else 'are not constructs or columns'} "
            f"of the data.{similar or define} The columns: {shown}"
        )
    double = [x for x in names if available.count(x) > 1]
    if double:
        raise DataError(f"the data have several columns named {', '.join(map(repr, double))}")
    for name in names:
        column = data[name]
        if not _holds_numbers(column):
            raise DataError(f"column {name!r} is not numeric: {_why_not_numeric(name, column)}")


def _holds_numbers(column: pd.Series) -> bool:
    """Whether every known value is a number (or true or false), however they are stored."""
    if column.dtype.kind in "biuf":
        return True
    if str(column.dtype) == "category":  # said to be names, even where they are numbers
        return False
    known = column.dropna()
    return len(known) > 0 and all(
        isinstance(x, Number | Decimal | np.bool_) and not isinstance(x, complex) for x in known
    )


def _numbers(data: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """The columns as floating-point numbers, nan where nothing is known, (row, column).

    Column by column, since pandas finds no common type for some that are numbers all the same.
    """
    columns = [data[n].astype(object) if data[n].dtype.kind == "O" else data[n] for n in names]
    return np.column_stack([c.to_numpy(dtype=np.float64, na_value=np.nan) for c in columns])


def _why_not_numeric(name: str, column: pd.Series) -> str:
    """What a column holds instead of numbers, and how to make numbers of it."""
    import pandas as pd

    text = column.dropna().astype(str).str.strip()
    number = pd.to_numeric(text, errors="coerce")
    odd = text[number.isna()]
    answers = odd[odd != ""]
    missing = f"data[{name!r}] = pd.to_numeric(data[{name!r}], errors='coerce')"
    if odd.empty:
        return (
            f"it holds numbers stored as {column.dtype}; convert them: "
            f"data[{name!r}] = pd.to_numeric(data[{name!r}].astype(str), errors='coerce')"
        )
    labels = list(dict.fromkeys(answers))
    shown = ", ".join(map(repr, labels[:8])) + (", ..." if len(labels) > 8 else "")
    if answers.empty:
        cells = "1 cell holds a blank" if len(odd) == 1 else f"{len(odd)} cells hold blanks"
        return f"{cells}; make missing values of them: {missing}"
    if answers.str.fullmatch(r"-?\d+,\d+").all():
        return f"it has decimal commas ({shown}); read the file with pd.read_csv(..., decimal=',')"
    if len(odd) < len(text):
        return (
            f"{len(odd)} of its {len(text)} values are text ({shown}), the others numbers; if they "
            f"mean that the answer is missing, {missing} makes them so"
        )
    if len(labels) == 2:
        return (
            f"it holds {shown}; code them: "
            f"data[{name!r}] = data[{name!r}].map({{{labels[0]!r}: 0, {labels[1]!r}: 1}})"
        )
    if len(labels) <= 11:
        return (
            f"it holds {shown}; number ordered answers: data[{name!r}] = data[{name!r}]"
            ".map({'lowest answer': 1, 'next answer': 2}), with all of them"
        )
    return f"it holds {len(labels)} different texts ({shown}), which no model can use"


def _checked(
    values: np.ndarray,
    names: Sequence[str],
    where: str = "",
    *,
    may_be_constant: Sequence[str] = (),
) -> None:
    infinite = [n for n, c in zip(names, values.T, strict=True) if np.isinf(c).any()]
    if infinite:
        raise DataError(
            f"infinite values in {', '.join(map(repr, infinite))}{where}; replace them by numbers "
            "or leave the cells empty"
        )
    for name, column in zip(names, values.T, strict=True):
        known = column[~np.isnan(column)]
        if not known.size:
            raise DataError(f"column {name!r} is empty{where}")
        constant = np.ptp(known) <= 1e-12 * np.abs(known).max()
        if constant and name not in may_be_constant:
            raise DataError(
                f"column {name!r} is constant{where} (all {known[0]:g}); it cannot measure "
                "anything: take it out of the model"
            )


def read_sample(
    data: pd.DataFrame,
    variables: Sequence[str],
    *,
    group: str | None = None,
    groups: Sequence[str] | None = None,
    missing: str = "fiml",
    constructs: Sequence[str] = (),
    covariates: Sequence[str] = (),
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
    covariates : sequence of str
        Columns that the model conditions on: they may be constant within a group.

    Raises
    ------
    DataError
        Naming what is wrong and where.
    """
    require_frame(data)
    if missing not in ("fiml", "listwise", "error"):
        raise DataError(f'missing is "fiml", "listwise" or "error", not {missing!r}')
    names = list(variables)
    _columns(data, names, constructs)
    if not len(data):
        raise DataError("the data have columns but no rows")
    values = _numbers(data, names)
    index = data.index.to_numpy()
    labels, code = _groups(data, group, groups)
    keep = code >= 0
    elsewhere = int((~keep).sum())
    absent = np.isnan(values)
    if missing == "error" and absent[keep].any():
        counts = absent[keep].sum(axis=0)
        listed = ", ".join(f"{n} {c}" for n, c in zip(names, counts, strict=True) if c)
        raise DataError(
            f'missing values in {listed}; use missing="fiml" (all that is observed) or "listwise"'
        )
    gone = absent.any(axis=1) if missing == "listwise" else absent.all(axis=1)
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
    for g, label in enumerate(labels):
        inside = values[code == g]
        if len(inside) < 2:
            raise DataError(_lone_group(group, labels, code, label))
        if len(labels) > 1:
            _checked(inside, names, f" in group {label!r}", may_be_constant=covariates)
    return Sample(tuple(names), labels, values, code, index, dropped, elsewhere)


def _lone_group(group: str | None, labels: Sequence[str], code: np.ndarray, label: str) -> str:
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
        f"{message}; leave it out (group_order= selects groups), or join it with another in "
        f"the column {group!r}"
    )


def group_labels(values: Iterable[object]) -> tuple[str, ...]:
    """Names of groups; 1.0 is "1", since missing cells make floats of a column of whole numbers."""
    return tuple(
        str(int(x)) if isinstance(x, float | np.floating) and float(x).is_integer() else str(x)
        for x in values
    )


def _groups(
    data: pd.DataFrame, group: str | None, groups: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels of the groups and each row's position in them (-1: none of them)."""
    if group is None:
        if groups is not None:
            raise DataError(
                "group_order needs group=, the column that holds the groups "
                f"({', '.join(map(repr, groups))})"
            )
        return ("",), np.zeros(len(data), dtype=np.int64)
    if group not in data.columns:
        shown = ", ".join(map(str, data.columns[:40]))
        similar = did_you_mean(group, map(str, data.columns))
        raise DataError(
            f"group={group!r} is not a column of the data.{similar} The columns: {shown}"
        )
    column = data[group]
    if column.isna().any():
        n = int(column.isna().sum())
        raise DataError(
            f"{n} {'respondents have' if n > 1 else 'respondent has'} no {group!r}: give them a "
            f"group, or leave them out with data.dropna(subset=[{group!r}])"
        )
    present = list(dict.fromkeys(group_labels(column.unique())))  # 1 and "1" are one group
    labels = list(group_labels(groups)) if groups is not None else present
    strangers = [x for x in labels if x not in present]
    if strangers:
        raise DataError(
            f"no respondent has {group!r} equal to {', '.join(map(repr, strangers))}; "
            f"values: {', '.join(map(repr, present))}"
        )
    position = {label: i for i, label in enumerate(labels)}
    code = np.array([position.get(x, -1) for x in group_labels(column)], dtype=np.int64)
    return tuple(labels), code
