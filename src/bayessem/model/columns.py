"""The columns of a data frame: found by their names and read as numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from numbers import Number
from typing import TYPE_CHECKING

import numpy as np

from bayessem.arguments import shown as quoted
from bayessem.errors import DataError, did_you_mean
from bayessem.model.texts import why_not_numeric

if TYPE_CHECKING:
    import pandas as pd

# What to do about columns of one name.
ONE_OF_EACH = "keep the first of each: data = data.loc[:, ~data.columns.duplicated()]"


def require_columns(
    data: pd.DataFrame,
    names: Sequence[str],
    constructs: Sequence[str] = (),
    ordered: Sequence[str] = (),
) -> None:
    """Refuse columns that are absent, doubled or (unless ordered) not numbers; by name."""
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
        raise DataError(
            f"the data have several columns named {', '.join(map(repr, double))}; {ONE_OF_EACH}"
        )
    for name in names:
        if name not in ordered and not is_numeric(data[name]):
            why = why_not_numeric(name, data[name])
            raise DataError(f"column {name!r} is not numeric: {why}")


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds real numbers, or True and False."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        # categories without an order may be countries, whatever their codes
        column = column.cat.categories.to_series()
    if column.dtype != object:
        types = pd.api.types
        logical = types.is_bool_dtype(column.dtype)
        return logical or (types.is_numeric_dtype(column.dtype) and column.dtype.kind != "c")
    known = column.dropna()
    logical = [isinstance(x, bool | np.bool_) for x in known]
    if any(logical):
        return all(logical)
    return len(known) > 0 and all(
        isinstance(x, Number | Decimal) and not isinstance(x, complex | np.complexfloating)
        for x in known
    )


def numbers(data: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """The columns as numbers, (respondent, p); missing values are nan."""
    own = data[list(names)]
    # Columns of objects and categories, and of True and False, are numbers one by one only.
    if any(dtype.kind == "O" or dtype.kind == "b" for dtype in own.dtypes):
        own = own.apply(_as_numbers)
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
        raise DataError(f"the data have several columns named {name!r}; {ONE_OF_EACH}")
    if not is_numeric(data[name]):
        why = why_not_numeric(name, data[name])
        raise DataError(f"{what}: column {name!r} is not numeric: {why}")
    return numbers(data, [name])[:, 0]


def _as_numbers(column: pd.Series) -> pd.Series:
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    known = column.dropna()
    if pd.api.types.is_bool_dtype(column.dtype) or (
        column.dtype == object and len(known) and isinstance(known.iloc[0], bool | np.bool_)
    ):
        return column.astype("boolean").astype("Float64")
    if column.dtype == object:
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index)
    return column


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
