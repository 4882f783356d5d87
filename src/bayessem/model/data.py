"""The respondents: from a data frame to checked numbers, by group and missingness pattern."""

from __future__ import annotations

import hashlib
import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayessem.arguments import shown as quoted
from bayessem.errors import DataError, did_you_mean
from bayessem.model.texts import why_not_numeric

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
    rows : ndarray (respondent,)
        Labels of the respondents in the data frame's index.
    dropped : tuple
        Index labels of rows without any observed value (or, with listwise deletion, incomplete).
    elsewhere : int
        Rows of groups that were not asked for.
    levels : tuple
        Names of the levels of the data frame's index, () where nobody needs them.
    """

    variables: tuple[str, ...]
    groups: tuple[str, ...]
    values: np.ndarray
    group: np.ndarray
    rows: np.ndarray
    dropped: tuple
    elsewhere: int = 0
    levels: tuple = ()

    @property
    def index(self) -> pd.Index:
        """The respondents' labels as the data frame has them: results join the data by it."""
        import pandas as pd

        if len(self.levels) > 1:
            return pd.MultiIndex.from_tuples(list(self.rows), names=self.levels)
        return pd.Index(self.rows)

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


# What makes a data frame of other things; the first that fits.
_MAKES_A_FRAME: tuple[tuple[Callable[[object], bool], str], ...] = (
    (
        lambda data: isinstance(data, str | bytes | os.PathLike),
        "read the file first: pd.read_csv('file.csv')",
    ),
    (lambda data: hasattr(data, "collect"), "data.collect().to_pandas() makes one of it"),
    (lambda data: hasattr(data, "to_pandas"), "data.to_pandas() makes one of it"),
    (lambda data: hasattr(data, "to_dataframe"), "data.to_dataframe() makes one of it"),
    (lambda data: hasattr(data, "to_frame"), "data.to_frame() makes one of it"),
    (
        lambda data: isinstance(data, np.ndarray) and not data.dtype.names,
        "name the columns: pd.DataFrame(array, columns=[...])",
    ),
    (lambda data: True, "pd.DataFrame(...) makes one of most things"),
)


def require_frame(data: object, what: str = "the data have") -> None:
    """Refuse data that are no data frame.

    Parameters
    ----------
    data : object
        What was given.
    what : str
        Subject and verb of the message.

    Raises
    ------
    DataError
        Saying how to make one.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return
    how = next((how for fits, how in _MAKES_A_FRAME if fits(data)))
    raise DataError(f"{what} to be a pandas DataFrame, not {type(data).__name__}; {how}")


def _columns(data: pd.DataFrame, names: Sequence[str], constructs: Sequence[str] = ()) -> None:
    """Refuse columns that are absent, doubled or not numbers; by name."""
    available = [str(c) for c in data.columns]
    absent = [x for x in names if x not in available]
    if absent:
        raise DataError(_absent(data, absent, constructs))
    unnamed = [c for c in data.columns if not isinstance(c, str) and str(c) in names]
    if unnamed:
        raise DataError(
            f"a column is named {unnamed[0]!r} ({type(unnamed[0]).__name__}), which is not the "
            f"text {str(unnamed[0])!r}; make texts of the names: data.columns = "
            "data.columns.map(str)"
        )
    double = [x for x in names if available.count(x) > 1]
    if double:
        raise DataError(f"the data have several columns named {', '.join(map(repr, double))}")
    for name in names:
        if not _numeric(data[name]):
            why = why_not_numeric(name, data[name])
            raise DataError(f"column {name!r} is not numeric: {why}")


def _numeric(column: pd.Series) -> bool:
    """Whether a column holds real numbers, or True and False."""
    import pandas as pd

    if column.dtype != object:
        types = pd.api.types
        logical = types.is_bool_dtype(column.dtype)
        return logical or (types.is_numeric_dtype(column.dtype) and column.dtype.kind != "c")
    return pd.api.types.infer_dtype(column, skipna=True) == "boolean"


def _numbers(data: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """The columns as numbers, (respondent, p); missing values are nan."""
    own = data[list(names)]
    # True and False in a column of objects, or in several types, are numbers one by one only.
    if any(dtype.kind == "O" or dtype.kind == "b" for dtype in own.dtypes):
        own = own.apply(lambda c: c.astype("boolean").astype("Float64") if _logical(c) else c)
    return own.to_numpy(dtype=np.float64, na_value=np.nan)


def number_column(data: pd.DataFrame, name: object, what: str) -> np.ndarray:
    """One column as numbers, (respondent,), for arguments that name one.

    Parameters
    ----------
    data : DataFrame
        One row a respondent.
    name : object
        What was given as the column's name.
    what : str
        The argument, for messages.

    Raises
    ------
    DataError
        When it names no column, several, or one without numbers.
    """
    if not isinstance(name, str) or name not in data.columns:
        similar = did_you_mean(name, map(str, data.columns)) if isinstance(name, str) else ""
        raise DataError(
            f"{what}={quoted(name)} is not a column of the data.{similar} The columns: "
            f"{', '.join(map(str, data.columns[:40]))}"
        )
    if data[name].ndim > 1:
        raise DataError(f"the data have several columns named {name!r}")
    if not _numeric(data[name]):
        why = why_not_numeric(name, data[name])
        raise DataError(f"{what}: column {name!r} is not numeric: {why}")
    return _numbers(data, [name])[:, 0]


def _logical(column: pd.Series) -> bool:
    import pandas as pd

    return column.dtype == object or pd.api.types.is_bool_dtype(column.dtype)


def _absent(data: pd.DataFrame, absent: Sequence[str], constructs: Sequence[str]) -> str:
    """What to say about names of the model that are no columns of the data."""
    available = [str(c) for c in data.columns]
    one = _in_one_column(available, absent) or _other_names(data, absent)
    named = ", ".join(map(repr, absent))
    single = len(absent) == 1
    head = (
        f"{named} {'is' if single else 'are'} in the model but "
        f"{'is not a construct or a column' if single else 'are not constructs or columns'} "
        "of the data."
    )
    if one:
        return f"{head} {one}"
    shown = ", ".join(available[:40]) + (", ..." if len(available) > 40 else "")
    similar = "".join(did_you_mean(x, [*available, *constructs]) for x in absent[:3])
    define = f" A construct is defined as in '{absent[0]} =~ x1 + x2 + x3'."
    return f"{head}{similar or define} The columns: {shown}"


def _in_one_column(available: Sequence[str], absent: Sequence[str]) -> str:
    """The remedy where a file was read with another separator than it has, "" otherwise."""
    for column in available:
        for separator in (";", "\t", "|", ",", " "):
            parts = [x.strip().strip("'\"") for x in column.split(separator)]
            if len(parts) > 1 and set(parts) & set(absent):
                short = column if len(column) <= 60 else f"{column[:57]}..."
                return (
                    f"They stand in one column named {short!r}: the file is separated by "
                    f"{separator!r}, so read it with pd.read_csv('file.csv', sep={separator!r}) "
                    "(and decimal=',' where numbers have commas)"
                )
    return ""


def _other_names(data: pd.DataFrame, absent: Sequence[str]) -> str:
    """The remedy where columns have the names but for what a model's text cannot write."""
    if any(isinstance(column, tuple) for column in data.columns):
        return (
            "Columns have names of several parts; join them: data.columns = "
            "[c if isinstance(c, str) else '_'.join(map(str, c)) for c in data.columns]"
        )
    for name in absent:
        for column in data.columns:
            if not isinstance(column, str):
                continue
            if re.sub(r"\W+", "_", column) == name or re.sub(r"\W+", "", column) == name:
                to = "_" if re.sub(r"\W+", "_", column) == name else ""
                return (
                    f"A column is named {column!r}, with characters that names of a model do not "
                    f"have; rename them: data.columns = data.columns.str.replace(r'\\W+', {to!r}, "
                    "regex=True)"
                )
            if unicodedata.normalize("NFC", column) == unicodedata.normalize("NFC", name):
                return (
                    f"A column has the name {name!r} with accents as characters of their own; join "
                    "them: data.columns = data.columns.str.normalize('NFC')"
                )
    return ""


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
        _check_size(name, float(np.abs(known).max()), where)
        constant = np.ptp(known) <= 1e-12 * np.abs(known).max()
        if constant and name not in may_be_constant:
            raise DataError(
                f"column {name!r} is constant{where} (all {known[0]:g}); it cannot measure "
                "anything: take it out of the model"
            )


def _check_size(name: str, largest: float, where: str) -> None:
    """Refuse values whose squares a double cannot hold."""
    if largest and not 1.0 / LARGEST < largest < LARGEST:
        raise DataError(
            f"the values of column {name!r}{where} run to {largest:.0e}, which no computer can "
            f"square; rescale them: data[{name!r}] /= 1e{math.floor(math.log10(largest))}"
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
    levels = tuple(data.index.names) if data.index.nlevels > 1 else ()
    return Sample(tuple(names), labels, values, code, index, dropped, elsewhere, levels)


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

    def label(x: object) -> str:
        x = float(x) if isinstance(x, np.floating) else x
        return str(int(x)) if isinstance(x, float) and x.is_integer() else str(x)

    return tuple(map(label, values))


def require_group(data: pd.DataFrame, group: object) -> pd.Series:
    """The column of the groups.

    Raises
    ------
    DataError
        When it is no column, doubled, or empty for some respondents.
    """
    try:
        known = group in data.columns
    except TypeError:  # not hashable: a list of columns, a column itself
        raise DataError(
            f"group names one column, not {quoted(group)}; two columns make one: data['both'] = "
            "data['one'].astype(str) + ' ' + data['other'].astype(str)"
        ) from None
    if not known:
        shown = ", ".join(map(str, data.columns[:40]))
        similar = did_you_mean(str(group), map(str, data.columns))
        raise DataError(
            f"group={quoted(group)} is not a column of the data.{similar} The columns: {shown}"
        )
    column = data[group]
    if column.ndim > 1:
        raise DataError(f"the data have several columns named {group!r}")
    if column.isna().any():
        n = int(column.isna().sum())
        raise DataError(
            f"{n} {'respondents have' if n > 1 else 'respondent has'} no {group!r}: give them a "
            f"group, or leave them out with data.dropna(subset=[{group!r}])"
        )
    return column


def _groups(
    data: pd.DataFrame, group: str | None, groups: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels of the groups and each row's position in them (-1: none of them)."""
    if group is None:
        if groups is not None:
            raise DataError(
                f"group_order needs group=, the column that holds the groups ({quoted(groups)})"
            )
        return ("",), np.zeros(len(data), dtype=np.int64)
    present, codes = _present_groups(require_group(data, group), group)
    labels = present if groups is None else _asked_groups(groups, present, group)
    position = {label: i for i, label in enumerate(labels)}
    own = np.array([position.get(x, -1) for x in present], dtype=np.int64)
    return labels, own[codes]


def _present_groups(column: pd.Series, group: str) -> tuple[tuple[str, ...], np.ndarray]:
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
        alike = [x for x, label in zip(values, labels, strict=True) if labels.count(label) > 1]
        raise DataError(
            f"column {group!r} holds {' and '.join(map(repr, alike[:2]))}, a number and a text for "
            f"what looks like one group; make texts of all: data[{group!r}] = "
            f"data[{group!r}].astype(str).str.removesuffix('.0')"
        )
    blank = [x for x, label in zip(values, labels, strict=True) if not label.strip()]
    if blank:
        raise DataError(
            f"{int((column == blank[0]).sum())} respondents have a blank for {group!r}; give them "
            f"a group, or leave them out: data = data[data[{group!r}] != {blank[0]!r}]"
        )
    return labels, codes


def _asked_groups(asked: object, present: Sequence[str], group: str) -> tuple[str, ...]:
    """The groups in the order that was asked for."""
    if isinstance(asked, str | bytes) or not isinstance(asked, Iterable):
        raise DataError(f"group_order is a list of groups, as in ['a', 'b'], not {quoted(asked)}")
    labels = group_labels(asked)
    strangers = [x for x in labels if x not in present]
    if strangers:
        raise DataError(
            f"no respondent has {group!r} equal to {', '.join(map(repr, strangers))}; "
            f"values: {', '.join(map(repr, present))}"
        )
    if not labels or len(set(labels)) < len(labels):
        raise DataError(f"group_order names each group once, not {quoted(asked)}")
    return labels
