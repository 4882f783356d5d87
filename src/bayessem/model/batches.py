"""The columns of a Parquet file that a model uses, read in batches into arrays of their own.

Nothing else of the file is ever in memory, so that what a file takes does not depend on how many
columns it has, and at most one batch of the others' rows is there beside the numbers.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bayessem.disk import expanded, told
from bayessem.errors import DataError
from bayessem.model.data_file import require_distinct

if TYPE_CHECKING:
    import pandas as pd

PARQUET = b"PAR1"
# Rows that are read at once: a few megabytes of a model's columns.
BATCH = 1 << 16


def is_path(data: object) -> bool:
    """Whether data are given by the path of a file."""
    return isinstance(data, str | os.PathLike)


def is_parquet(path: str | os.PathLike[str]) -> bool:
    """Whether a file is there and begins as one of Parquet."""
    place = expanded(path)
    try:
        with place.open("rb") as file:
            return file.read(len(PARQUET)) == PARQUET
    except (OSError, ValueError):  # said by whoever reads it
        return False


def read_parquet_columns(
    path: str | os.PathLike[str], names: Sequence[str], *, as_numbers: Collection[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Some columns of a Parquet file, and the names of all.

    Parameters
    ----------
    path : path
        Of the file.
    names : sequence of str
        The columns; where one of them is not in the file, a few rows of all columns are returned,
        from which whoever needs it can say so.
    as_numbers : collection of str
        Those of them that are needed as numbers alone; integers of these are floating-point numbers
        in the result, as a model has them in any case.

    Returns
    -------
    DataFrame
        With the row labels and the `attrs` that pandas wrote.
    list of str

    Raises
    ------
    DataError
        For a file that cannot be read.
    """
    with _readable(path) as place:
        return _read(place, list(dict.fromkeys(names)), as_numbers)


def require_parquet(path: str | os.PathLike[str]) -> None:
    """Refuse a Parquet file whose description of itself cannot be read (`DataError`)."""
    import pyarrow.parquet as pq

    with _readable(path) as place:
        pq.read_schema(place)


@contextmanager
def _readable(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Where a file is; what goes wrong with reading it is a `DataError`."""
    import pyarrow as pa

    with told(f"the data file {str(path)!r} cannot be read", DataError):
        try:
            yield expanded(path)
        except (pa.ArrowException, NotImplementedError) as error:
            raise DataError(
                f"the data file {str(path)!r} cannot be read as parquet: {error}"
            ) from None


def _read(
    place: Path, names: list[str], as_numbers: Collection[str]
) -> tuple[pd.DataFrame, list[str]]:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(place) as file:
        schema = file.schema_arrow
        index = _index_columns(schema)
        every = [name for name in schema.names if name not in index]
        require_distinct(every, str(place))
        if not set(names) <= set(every):
            first = next(file.iter_batches(batch_size=100), None)
            table = schema.empty_table() if first is None else pa.Table.from_batches([first])
            return table.to_pandas(), every
        numbers = [n for n in names if n in as_numbers and _is_number(schema.field(n).type)]
        others = [n for n in names if n not in numbers]
        # row labels come with them
        frame = file.read(columns=[*others, *index], use_pandas_metadata=True).to_pandas()
        values = _numbers(file, numbers)
    if len(frame) != len(values):  # without any such column
        frame = pd.DataFrame(index=pd.RangeIndex(len(values)))
    whole = pd.DataFrame(values, index=frame.index, columns=pd.Index(numbers), copy=False)
    for name in others:
        whole[name] = frame[name]
    whole.attrs = dict(frame.attrs)
    return whole[names] if others else whole, every


def _index_columns(schema: Any) -> list[str]:
    """Columns of a file that are row labels, as pandas marks them."""
    marked = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in marked if isinstance(name, str) and name in schema.names]


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _numbers(file: Any, names: list[str]) -> np.ndarray:
    """Columns as numbers, (row, column); a column's numbers lie side by side."""
    import pyarrow as pa

    out = np.empty((file.metadata.num_rows, len(names)), order="F")
    at = 0
    for batch in file.iter_batches(batch_size=BATCH, columns=names) if names else ():
        for j, name in enumerate(names):
            column = batch.column(name).cast(pa.float64(), safe=False)
            out[at : at + batch.num_rows, j] = column.to_numpy(zero_copy_only=False)
        at += batch.num_rows
    return out
