"""Data frames of any library as pandas', and the labels that travel with them in `DataFrame.attrs`.

`attrs["variable_labels"]` has the label of each variable (and of constructs, if the user gives
them one), `attrs["value_labels"]` of each variable the labels of its values, `attrs["notes"]` what
was found out about the file. pandas hands them on when rows or columns are picked or copied.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bayessem.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

VARIABLES, VALUES, NOTES = "variable_labels", "value_labels", "notes"

# What makes a data frame of other things; the first that fits.
_MAKES_A_FRAME: tuple[tuple[Callable[[object], bool], str], ...] = (
    (
        lambda data: isinstance(data, str | bytes | os.PathLike),
        "read the file first: bs.read_data('file.csv')",
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


def as_frame(data: object, what: str = "the data have") -> pd.DataFrame:
    """A data frame of any library that narwhals knows (polars, pyarrow, ...) as one of pandas.

    Parameters
    ----------
    data : object
        What was given; a frame of pandas is returned as it is.
    what : str
        Subject and verb of the message.

    Raises
    ------
    DataError
        When it is no data frame, saying how to make one.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    import narwhals as nw

    known = nw.from_native(data, pass_through=True)
    if isinstance(known, nw.LazyFrame):
        known = known.collect()
    if isinstance(known, nw.DataFrame):
        return known.to_pandas()
    how = next((how for fits, how in _MAKES_A_FRAME if fits(data)))
    raise DataError(f"{what} to be a data frame, not {type(data).__name__}; {how}")


def variable_labels(data: pd.DataFrame) -> dict[str, str]:
    """Labels of variables by name, as the frame carries them; without empty ones.

    Raises
    ------
    DataError
        When `attrs["variable_labels"]` is no mapping of names to texts.
    """
    given = data.attrs.get(VARIABLES) or {}
    if not isinstance(given, Mapping):
        raise DataError(
            f"data.attrs[{VARIABLES!r}] maps names of variables to their labels, as in "
            f"{{'x1': 'How satisfied are you?'}}; it is a {type(given).__name__}"
        )
    texts = {str(name): " ".join(str(x).split()) for name, x in given.items() if x is not None}
    return {name: text for name, text in texts.items() if text and text != name}


def value_labels(data: pd.DataFrame, column: str) -> dict[Any, str]:
    """Labels of the values of a column, as the frame carries them; none: empty.

    Keys that are texts for a column of numbers (files made of JSON have no others) are numbers.

    Raises
    ------
    DataError
        When `attrs["value_labels"]` is no mapping of names to mappings.
    """
    given = data.attrs.get(VALUES) or {}
    own = (given.get(column) if isinstance(given, Mapping) else given) or {}
    if not isinstance(own, Mapping):
        raise DataError(
            f"data.attrs[{VALUES!r}] maps names of variables to the labels of their values, as in "
            f"{{'sex': {{1: 'female', 2: 'male'}}}}; it holds a {type(own).__name__}"
        )
    numeric = column in data.columns and data[column].dtype.kind in "iuf"
    return {_number(key) if numeric else key: str(x).strip() for key, x in own.items()}


def _number(key: Any) -> Any:
    try:
        return float(key)
    except (TypeError, ValueError):
        return key


def labelled(data: pd.DataFrame, column: str) -> pd.Series:
    """A column with the labels of its values in their places; values without label as they are.

    Raises
    ------
    DataError
        When one label stands for two values that the column has, or is also one of its values.
    """
    import pandas as pd

    values = data[column]
    labels = {k: x for k, x in value_labels(data, column).items() if x}
    if not labels:
        return values
    present = list(pd.unique(values.dropna()))
    names: dict[str, Any] = {}
    for value in present:
        label = labels.get(value)
        name = str(value) if label is None else label
        if name in names:
            raise DataError(
                f"the label {name!r} stands for two values of {column!r}, {names[name]!s} and "
                f"{value!s}; give them labels of their own, data.attrs['value_labels'][{column!r}] "
                f"= {{{names[name]!s}: '...', {value!s}: '...'}}, or make one value of both"
            )
        names[name] = value
    return values.map(lambda x: labels.get(x, x), na_action="ignore").rename(column)
