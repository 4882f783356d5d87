"""Labels of rows as text and back, with their type: what joins the data must still be it.

A level of an index of one type (whole numbers, texts, floats, times, ...) is a column of readable
cells; one of several types a column of JSON. Labels of types that are none of these become text.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

READERS = {
    "int": int,
    "float": float,
    "text": str,
    "time": pd.Timestamp,
    "duration": pd.Timedelta,
    "any": json.loads,
}


def written_labels(rows: pd.Index) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """The labels as columns of text, a column a level, and what reads them back (for JSON).

    Parameters
    ----------
    rows : Index (respondent,)
        The labels.
    """
    cells, about = [], []
    for i in range(rows.nlevels):
        level = rows.get_level_values(i)
        dtype = level.dtype
        record: dict[str, Any] = {"name": plain(level.name), "type": str(dtype)}
        if isinstance(dtype, pd.CategoricalDtype):
            categories = pd.Index(dtype.categories)
            record["categories"] = [plain(x) for x in categories.tolist()]
            record["categories_type"] = str(categories.dtype)
            record["ordered"] = bool(dtype.ordered)
        record["kind"] = _kind(level)
        cells.append([_cell(x, record["kind"]) for x in level.tolist()])
        about.append(record)
    return cells, about


def read_labels(cells: Sequence[Sequence[str]], about: Sequence[dict[str, Any]]) -> pd.Index:
    """The labels that `written_labels` wrote.

    Raises
    ------
    ValueError, KeyError, TypeError
        When the text is not what `about` says.
    """
    levels = [_level(texts, record) for texts, record in zip(cells, about, strict=True)]
    names = [back(record["name"]) for record in about]
    if len(levels) == 1:
        return levels[0].rename(names[0])
    return pd.MultiIndex.from_arrays(levels, names=names)


def _kind(level: pd.Index) -> str:
    """How the labels of a level are written: a key of `READERS`."""
    kinds = {
        pd.api.types.is_datetime64_any_dtype: "time",
        pd.api.types.is_timedelta64_dtype: "duration",
    }
    for is_kind, kind in kinds.items():
        if is_kind(level.dtype):
            return kind
    found = {type(x) for x in level.tolist()}
    for kind, python in (("int", int), ("float", float), ("text", str)):
        if found <= {python}:
            return kind
    return "any"


def _cell(value: Any, kind: str) -> str:
    if kind in ("time", "duration"):
        return "" if value is pd.NaT else value.isoformat()
    if kind == "any":
        return json.dumps(plain(value), ensure_ascii=False)
    return repr(value) if kind == "float" else str(value)


def _level(texts: Sequence[str], record: dict[str, Any]) -> pd.Index:
    kind, dtype = record["kind"], record["type"]
    if kind == "time":
        times = [pd.Timestamp(x) if x else pd.NaT for x in texts]
        if not isinstance(pd.api.types.pandas_dtype(dtype), pd.DatetimeTZDtype):
            return pd.DatetimeIndex(times).astype(dtype)
        # clock changes: one column has several offsets
        utc = [x if x is pd.NaT else x.tz_convert("UTC") for x in times]
        return pd.DatetimeIndex(utc, tz="UTC").astype(dtype)
    values = [READERS[kind](x) for x in texts]
    if kind == "duration":
        return pd.TimedeltaIndex(values).astype(dtype)
    if kind == "any":
        values = [back(x) for x in values]
    if "categories" in record:
        categories = _typed([back(x) for x in record["categories"]], record["categories_type"])
        return pd.CategoricalIndex(values, categories=categories, ordered=record["ordered"])
    return _typed(values, dtype)


def _typed(values: list[Any], dtype: str) -> pd.Index:
    """An index of a type, or of the nearest one where this version of pandas does not have it."""
    index = pd.Index(values, dtype=object, tupleize_cols=False)
    try:
        return index.astype(dtype)
    except (TypeError, ValueError):
        return index.infer_objects()


def plain(value: Any) -> Any:
    """A label as JSON can hold it; see `back`."""
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        value = value.item()
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if value is pd.NaT or value is pd.NA:
        return {"missing": str(value)}
    if isinstance(value, datetime.datetime | np.datetime64):
        return {"time": pd.Timestamp(value).isoformat()}
    if isinstance(value, datetime.timedelta | np.timedelta64):
        return {"duration": pd.Timedelta(value).isoformat()}
    if isinstance(value, datetime.date):
        return {"date": value.isoformat()}
    if isinstance(value, pd.Period):
        return {"period": str(value), "of": value.freqstr}
    if isinstance(value, tuple):
        return {"several": [plain(x) for x in value]}
    return str(value)


def back(value: Any) -> Any:
    """The label that `plain` wrote."""
    if not isinstance(value, dict):
        return value
    if "missing" in value:
        return pd.NA if value["missing"] == str(pd.NA) else pd.NaT
    if "period" in value:
        return pd.Period(value["period"], freq=value["of"])
    if "several" in value:
        return tuple(back(x) for x in value["several"])
    if "date" in value:
        return datetime.date.fromisoformat(value["date"])
    (key,) = value
    return READERS[key](value[key])
