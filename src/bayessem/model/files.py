"""Data and models from files: read right, or refused with the line that is odd.

CSV files come with commas, semicolons (and then with decimal commas), tabs or bars, with or without
byte-order mark, in UTF-8, UTF-16 or the Latin-1 of older programs, with any line ends.
What was guessed is told, so that the caller can say it. A row with more fields than the header is
an error: nobody can know which column its values belong to.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bayessem.disk import told
from bayessem.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

STDIN = "-"
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# How files begin that are no text.
BINARY = {
    b"PK\x03\x04": "an Excel or other zipped file; save it as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file; save it as CSV",
    b"$FL2": "an SPSS file; pd.read_spss reads it, its to_csv makes a CSV file",
    b"$FL3": "an SPSS file; pd.read_spss reads it, its to_csv makes a CSV file",
    b"<stata_dta>": "a Stata file; pd.read_stata reads it, its to_csv makes a CSV file",
    b"%PDF": "a PDF file",
    b"PAR1": "a Parquet file; pd.read_parquet reads it, its to_csv makes a CSV file",
    b"\x89HDF": "an HDF5 file",
}
COMMA_NUMBER = re.compile(r"\s*[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?\s*")
# 1,234 may be a thousand; 0,123 and 12,5 may not.
MAY_BE_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+\s*")


@dataclass(frozen=True)
class DataFile:
    """What a data file holds.

    Attributes
    ----------
    frame : DataFrame
        One row a respondent.
    notes : tuple of str
        What was guessed about the file, in words.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...]


def read_model_file(path: str) -> tuple[str, tuple[str, ...]]:
    """The text of a model file ("-": standard input), and what was guessed about it.

    Raises
    ------
    DataError
        When there is no such file, or it holds no text.
    """
    return _decoded(_content(path, "model"), path, "model")


def read_data_file(path: str) -> DataFile:
    """The data of a CSV file ("-": standard input).

    Parameters
    ----------
    path : str
        Of the file; compressed by gzip, too.

    Raises
    ------
    DataError
        Naming the file, the line and what would work.
    """
    content = _content(path, "data")
    if content.startswith(b"\x1f\x8b"):
        with told(f"{path} cannot be unpacked", DataError):
            try:
                content = gzip.decompress(content)
            except EOFError as error:
                raise DataError(f"{path} cannot be unpacked: {error}") from None
    text, notes = _decoded(content, path, "data")
    if "\n" not in text:  # line ends of old Macs
        text = text.replace("\r", "\n")
    first, _, rest = text.partition("\n")
    given = re.fullmatch(r"sep=(.)\s*", first)  # how Excel is told
    lead = 1 if given else 0
    text = rest if given else text
    if not text.strip():
        raise DataError(f"the data file {path!r} is empty")
    separator = given[1] if given else _separator(text)
    head, rows, short = _shape(text, separator, path, lead)
    if separator != ",":
        notes = (*notes, f"{path} is separated by {_named(separator)}")
    frame, decimals = _parsed(text, separator, head, path)
    if len(frame) != rows:
        raise DataError(
            f"{path} cannot be read as CSV: are quotation marks and blank lines as they should be?"
        )
    if decimals:
        notes = (*notes, f"{path} has decimal commas")
    if short:
        count = f"{len(short)} line{'s have' if len(short) > 1 else ' has'}"
        notes = (
            *notes,
            f"{path}: {count} fewer fields than the header (line {short[0]} the first); "
            "what is absent at their ends counts as missing",
        )
    return DataFile(frame, notes)


def _named(separator: str) -> str:
    return SEPARATORS.get(separator, repr(separator))


def _content(path: str, what: str) -> bytes:
    """The bytes of a file."""
    if path == STDIN:
        stream = getattr(sys.stdin, "buffer", None)
        content = sys.stdin.read().encode("utf-8") if stream is None else stream.read()
        path = "standard input"
    else:
        place = Path(path)
        with told(f"the {what} file {path!r} cannot be read", DataError):
            if place.is_dir():
                raise DataError(f"{path!r} is a folder, not a {what} file")
            if "\0" not in path and not place.exists():
                raise DataError(f"there is no {what} file {path!r}")
            content = place.read_bytes()
    if not content.strip():
        raise DataError(f"the {what} file {path!r} is empty")
    return content


def _decoded(content: bytes, path: str, what: str) -> tuple[str, tuple[str, ...]]:
    """Text of bytes, without a byte-order mark, and what was guessed about it."""
    for start, found in BINARY.items():
        if content.startswith(start):
            raise DataError(f"the {what} file {path!r} is no text but {found}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16"), ()
        except UnicodeDecodeError as error:
            raise DataError(f"the {what} file {path!r} is no UTF-16 text: {error}") from None
    if b"\0" in content:
        raise DataError(f"the {what} file {path!r} is no text: it holds bytes that are 0")
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
        odd = text[error.start]
        return text, (f"{path} is no UTF-8 (line {line}: {odd!r}); read as Latin-1",)


def _separator(text: str) -> str:
    """What parts the header into most fields; a comma rather than another."""
    line = next(x for x in text.splitlines() if x.strip())
    counts = {s: len(next(csv.reader([line], delimiter=s))) for s in SEPARATORS}
    return max(counts, key=lambda s: counts[s])


def _shape(text: str, separator: str, path: str, lead: int) -> tuple[list[str], int, list[int]]:
    """The header, the number of rows, and the lines with fewer fields; with more is an error."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    head: list[str] | None = None
    rows, short, before = 0, [], 0
    try:
        for row in reader:
            line, before = before + 1 + lead, reader.line_num
            if not "".join(row) and len(row) < 2:
                continue
            rows += head is not None
            if head is None:
                head = [x.strip() for x in row]
                if len(head) == 1:
                    _check_blanks(text, path)
            elif len(row) > len(head):
                raise DataError(_too_many(path, line, row, head, separator))
            elif len(row) < len(head):
                short.append(line)
    except csv.Error as error:
        raise DataError(
            f"{path}, line {before + 1 + lead}: cannot be read as CSV ({error}); is a quotation "
            "mark not closed?"
        ) from None
    if head is None or not "".join(head):
        raise DataError(f"{path} has no header: its first line names the columns")
    return head, rows, short


def _check_blanks(text: str, path: str) -> None:
    """Refuse a file of one column whose lines fall into as many parts by blanks."""
    lines = [x.split() for x in text.splitlines() if x.strip()][:20]
    if len(lines[0]) > 1 and len(lines) > 1 and all(len(x) == len(lines[0]) for x in lines):
        raise DataError(
            f"{path} is separated by blanks, which is no CSV; separate the fields by commas, "
            "semicolons or tabs"
        )


def _too_many(path: str, line: int, row: list[str], head: list[str], separator: str) -> str:
    mark = "tab" if separator == "\t" else f"'{separator}'"
    said = f"{path}, line {line}: {len(row)} fields, but the header has {len(head)}"
    extra = row[len(head) :]
    if not any(x.strip() for x in extra):
        return (
            f"{said}: the line ends with a {mark} more than the header; take it away from the ends "
            f"of the lines, or add one to the header"
        )
    if len(extra) == 1:
        return (
            f"{said}; if the first field of each line is the row's name, give it a name in the "
            f"header too; if a text or a number holds a {mark}, put it into quotation marks"
        )
    return f"{said}; if a text or a number holds a {mark}, put it into quotation marks"


def _parsed(text: str, separator: str, head: list[str], path: str) -> tuple[pd.DataFrame, bool]:
    """The table, with pandas' types, and whether decimal commas were read."""
    import pandas as pd

    def read(decimal: str) -> pd.DataFrame:
        return pd.read_csv(
            io.StringIO(text, newline=""),
            sep=separator,
            header=0,
            names=range(len(head)),
            index_col=False,
            skipinitialspace=True,
            decimal=decimal,
            low_memory=False,
        )

    try:
        frame = read(".")
        decimals = separator != "," and _decimal_commas(frame)
        if decimals:
            commas = read(",")
            for i in frame.columns:
                if not _is_number(frame[i]) and _is_number(commas[i]):
                    frame[i] = commas[i]
    except (pd.errors.ParserError, ValueError) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from None
    names = [name or f"unnamed {i + 1}" for i, name in enumerate(head)]
    frame.columns = pd.Index(names, dtype=object)
    empty = [not name for name in head]
    keep = [not (e and frame.iloc[:, i].isna().all()) for i, e in enumerate(empty)]
    return frame.loc[:, keep], decimals


def _is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "iuf"


def _decimal_commas(frame: pd.DataFrame) -> bool:
    """Whether some column's texts are numbers with commas that cannot mean thousands."""
    for i in frame.columns:
        if frame[i].dtype.kind in "iufb":
            continue
        cells = frame[i].dropna().astype(str)
        numbers = cells[cells.map(lambda x: bool(COMMA_NUMBER.fullmatch(x)))]
        if not numbers.map(lambda x: bool(MAY_BE_THOUSANDS.fullmatch(x))).all():
            return True
    return False
