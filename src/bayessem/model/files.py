"""Data and models from files: read right, or refused with what is odd and where.

Which program wrote a file is seen from how it begins, not from its name. Reading never changes a
file, and nothing in it is executed.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import warnings
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayessem.arguments import check_shared, shown, whole_number
from bayessem.disk import expanded, told
from bayessem.errors import BayessemWarning, DataError, did_you_mean, outside
from bayessem.model.batches import is_parquet, is_path, read_parquet_columns
from bayessem.model.data_file import DataFile, require_distinct
from bayessem.model.delimited import decoded, read_delimited
from bayessem.model.frames import VALUES, VARIABLES, as_frame
from bayessem.model.statistics_files import READERS, read_statistics_file
from bayessem.model.workbook import read_workbook

if TYPE_CHECKING:
    import pandas as pd

STDIN = "-"
GZIP = b"\x1f\x8b"
# How files begin, and of what kind they are.
BEGINNINGS = {
    b"PK\x03\x04": "zip",
    b"$FL2": "sav",
    b"$FL3": "sav",
    b"<stata_dta>": "dta",
    b"HEADER RECORD*******L": "xpt",
    b"\0" * 12 + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\0": "sas7bdat",
    b"PAR1": "parquet",
    b"ARROW1": "feather",
    b"FEA1": "feather",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "ole",
}
# How files begin that nothing here reads.
OTHERS = {
    b"%PDF": "a PDF file; save the data as CSV",
    b"\x89HDF": "an HDF5 file; pd.read_hdf reads some of them",
    b"RDX": "a file of R; write.csv(data, 'file.csv', row.names = FALSE) saves a data frame",
    b"X\n\0\0": "a file of R (.rds); write.csv(data, 'file.csv', row.names = FALSE) saves it",
    b"PGDMP": "a dump of a data base",
    b"SQLite format 3": "a data base of SQLite; pd.read_sql reads its tables",
    b"\x80\x04\x95": "a pickle, which can run anything when it is read",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"BZh": "compressed by bzip2; unpack it first",
    b"\x89PNG": "a picture",
}
READ = "CSV, Excel (.xlsx), SPSS, Stata, SAS, Parquet and Feather files are read"


@check_shared
def read_data(
    path: str | os.PathLike[str],
    *,
    sheet: str | None = None,
    label_rows: int = 0,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Read a data file of almost any program; one row a respondent.

    CSV and its relatives (separator, decimal mark and encoding are found out), Excel (.xlsx,
    .xlsm: the values that were calculated last; macros are not looked at), SPSS (.sav, .zsav,
    .por), Stata (.dta), SAS (.sas7bdat, .xpt), Parquet and Feather; CSV also compressed by gzip.
    Values with labels stay numbers. Codes that the file declares missing are missing.

    Parameters
    ----------
    path : path
        Of the file. What it is is seen from its content.
    sheet : str, optional
        Of an Excel workbook; by default the first one that is not hidden.
    label_rows : int
        CSV and Excel: rows below the header that hold no answers, as survey platforms write them;
        the first has the labels of the variables.
    encoding : str, optional
        Of the texts, where what was found out is wrong.

    Returns
    -------
    DataFrame
        Its `attrs` carry, where the file has them, `variable_labels` (name to label),
        `value_labels` (name to value to label) and `notes` (what was found out about the file).
        Groups are named by the labels of their values, and the labels of variables stand in the
        tables of a fit. `bs.describe(data)` is the codebook.

    Raises
    ------
    DataError
        Naming the file, the place in it, and what would work.

    Warns
    -----
    BayessemWarning
        Of what was guessed and may be wrong.
    """
    found = read_data_file(path, sheet=sheet, label_rows=label_rows, encoding=encoding)
    for doubt in found.doubts:
        warnings.warn(doubt, BayessemWarning, stacklevel=outside())
    return found.labelled_frame()


def read_for(
    data: Any, names: Sequence[str], *, as_numbers: Collection[str]
) -> tuple[pd.DataFrame, list[str]]:
    """The data of a model, as a frame of pandas, and the names of all columns that there are.

    Parameters
    ----------
    data : data frame or path
        A frame of any library; or a file, of which Parquet is read in batches, and only the columns
        that are named; any other as by `read_data`.
    names : sequence of str
        The columns that are needed.
    as_numbers : collection of str
        Those that are needed as numbers alone.

    Raises
    ------
    DataError
        For what is no data, or a file that cannot be read.
    """
    if is_path(data) and is_parquet(data):
        return read_parquet_columns(data, names, as_numbers=as_numbers)
    frame = read_data(data) if is_path(data) else as_frame(data)
    return frame, [str(c) for c in frame.columns]


def read_model_file(path: str) -> tuple[str, tuple[str, ...]]:
    """The text of a model file ("-": standard input), and what was guessed about it.

    Raises
    ------
    DataError
        When there is no such file, or it holds no text.
    """
    content = _content(path, "model")
    found = next(
        (k for start, k in {**BEGINNINGS, **OTHERS}.items() if content[:32].startswith(start)), ""
    )
    if found:
        raise DataError(
            f"the model file {path!r} is no text; it holds the model in lavaan's syntax"
        )
    return decoded(content, path, "model")


def read_data_file(
    path: str | os.PathLike[str],
    *,
    sheet: str | None = None,
    label_rows: int = 0,
    encoding: str | None = None,
) -> DataFile:
    """The data of a file ("-": of text from standard input); arguments as in `read_data`."""
    if not isinstance(path, str | os.PathLike):
        raise DataError(f"path names a file, as in 'survey.sav', not {shown(path)}")
    label_rows = whole_number("label_rows", label_rows, DataError, least=0, most=9)
    for name, value in (("sheet", sheet), ("encoding", encoding)):
        if value is not None and not isinstance(value, str):
            raise DataError(f"{name} is a text, not {shown(value)}")
    name = os.fspath(path)
    content = _content(name, "data")
    if content.startswith(GZIP):
        content = _unpacked(content, name)
    kind = _kind(content, name)
    if sheet is not None and kind != "zip":
        raise DataError(f"{name} is no Excel workbook, so it has no sheet {sheet!r}")
    if label_rows and kind not in ("zip", "text"):
        raise DataError(f"label_rows= is for CSV and Excel; {name} says itself what its labels are")
    if kind == "zip":
        return read_workbook(content, name, sheet=sheet, label_rows=label_rows)
    if kind in READERS:
        if name == STDIN:
            raise DataError("standard input holds a data file that is no text; give its path")
        return read_statistics_file(str(expanded(name)), kind, encoding=encoding)
    if kind in ("parquet", "feather"):
        return _arrow(content, name, kind)
    return read_delimited(content, name, encoding=encoding, label_rows=label_rows)


def _kind(content: bytes, path: str) -> str:
    """What a file is: "text", or what its beginning says.

    Raises
    ------
    DataError
        When it is something that is not read.
    """
    head = content[:32]
    for start, kind in BEGINNINGS.items():
        if head.startswith(start):
            if kind == "ole":
                raise DataError(_ole(content, path))
            return kind
    # Stata's older format: release, byte order, 1
    if re.match(rb"[\x68-\x73][\x01\x02]\x01", head):
        return "dta"
    if b"SPSS PORT FILE" in content[:300]:  # it begins with a greeting
        return "por"
    for start, what in OTHERS.items():
        if head.startswith(start):
            raise DataError(f"the data file {path!r} is {what}; {READ}")
    return "text"


def _ole(content: bytes, path: str) -> str:
    """What to do about a file in Microsoft's older container."""
    if "EncryptedPackage".encode("utf-16-le") in content:
        return (
            f"the workbook {path!r} is protected by a password; open it in Excel, take the "
            "password away (File, Info, Protect Workbook), and save it"
        )
    if "Workbook".encode("utf-16-le") in content:
        return f"the data file {path!r} is an old Excel workbook (.xls); save it as .xlsx or CSV"
    return f"the data file {path!r} is an old Office file; save the data as .xlsx or CSV"


def _arrow(content: bytes, path: str, kind: str) -> DataFile:
    """The table of a Parquet or Feather file."""
    import pandas as pd

    read = pd.read_parquet if kind == "parquet" else pd.read_feather
    try:
        frame = read(io.BytesIO(content))
    except Exception as error:  # pyarrow has errors of several families
        raise DataError(f"the data file {path!r} cannot be read as {kind}: {error}") from None
    frame.columns = frame.columns.map(str)
    require_distinct(frame.columns, path)
    attrs = frame.attrs
    return DataFile(
        frame,
        variable_labels=attrs.get(VARIABLES) or {},
        value_labels=attrs.get(VALUES) or {},
    )


def _unpacked(content: bytes, path: str) -> bytes:
    with told(f"{path} cannot be unpacked", DataError):
        try:
            return gzip.decompress(content)
        except (EOFError, zlib.error) as error:
            raise DataError(f"{path} cannot be unpacked: {error}") from None


def _beside(place: Path) -> str:
    """A question that names files like one that is not there, "" where none is."""
    try:
        near = [entry.name for entry in place.parent.iterdir() if entry.is_file()]
    except OSError:
        return f" (nor a folder {str(place.parent)!r})"
    return f".{asked}" if (asked := did_you_mean(place.name, near)) else ""


def _content(path: str, what: str) -> bytes:
    """The bytes of a file."""
    if path == STDIN:
        stream = getattr(sys.stdin, "buffer", None)
        content = sys.stdin.read().encode("utf-8") if stream is None else stream.read()
        path = "standard input"
    else:
        place = expanded(path)
        with told(f"the {what} file {path!r} cannot be read", DataError):
            if place.is_dir():
                raise DataError(f"{path!r} is a folder, not a {what} file")
            if "\0" not in path and not place.exists():
                raise DataError(f"there is no {what} file {path!r}{_beside(place)}")
            content = place.read_bytes()
    if not content.strip():
        raise DataError(f"the {what} file {path!r} is empty")
    return content
