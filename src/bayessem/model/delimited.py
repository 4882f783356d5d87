"""Tables in text files: the separator, decimal mark and encoding found out and told.

Files come with commas, semicolons (and then with decimal commas), tabs or bars, with or without
byte-order mark, in UTF-8, UTF-16 or the Latin-1 of older programs, with the line ends of any
system. What was guessed is told. A row with more fields than the header is an error: nobody can
know which column its values belong to.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bayessem.errors import DataError
from bayessem.model.data_file import DataFile, require_distinct, second_header

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# How Excel is told the separator, on a line of its own.
SEP_LINE = re.compile(r"sep=(.)[ \t]*(?:\r\n|\r|\n)")
# How pages and structured texts begin, which are no tables.
OTHER_TEXT = (
    (re.compile(r"\s*<(!doctype html|html|head|table)\b", re.I), "a web page"),
    (re.compile(r"\s*<\?xml\b", re.I), "an XML file"),
    (re.compile(r"\s*[\[{]\s*([\[{]|\"[^\"]*\"\s*:)"), "a JSON file"),
    (re.compile(r"\s*\{\\rtf"), "an RTF file"),
)
COMMA_NUMBER = re.compile(r"\s*[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?\s*")
# 1,234 may be a thousand; 0,123 and 12,5 may not.
MAY_BE_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+\s*")


@dataclass
class _Shape:
    """What a first reading of the lines finds.

    Attributes
    ----------
    head : list of str
        The header.
    start : int
        Where in the text the rows of values begin.
    rows : int
        How many there are.
    labels : list of list of str
        Rows below the header that hold labels.
    short : list of int
        Lines with fewer fields than the header.
    trailing : int
        Empty fields that every row has at its end besides.
    """

    head: list[str] = field(default_factory=list)
    start: int = 0
    rows: int = 0
    labels: list[list[str]] = field(default_factory=list)
    short: list[int] = field(default_factory=list)
    trailing: int = 0


def decoded(
    content: bytes, path: str, what: str, encoding: str | None = None
) -> tuple[str, tuple[str, ...]]:
    """Text of bytes, without a byte-order mark, and what was guessed about it.

    Parameters
    ----------
    content : bytes
    path, what : str
        The file and what it should be ("data", "model"), for messages.
    encoding : str, optional
        As given by the user; by default it is found out.

    Raises
    ------
    DataError
        When it is no text.
    """
    if encoding is not None:
        try:
            return content.decode(encoding).removeprefix("\ufeff"), ()
        except LookupError:
            raise DataError(
                f"{encoding!r} is no encoding that Python knows; usual ones are 'utf-8', 'cp1252' "
                "(Windows), 'mac_roman', 'gb18030' and 'shift_jis'"
            ) from None
        except (UnicodeError, ValueError) as error:
            raise DataError(f"the {what} file {path!r} is not in {encoding}: {error}") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16"), ()
        except UnicodeDecodeError as error:
            raise DataError(f"the {what} file {path!r} is no UTF-16 text: {error}") from None
    if b"\0" in content:
        return _without_mark(content, path, what)
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


def _without_mark(content: bytes, path: str, what: str) -> tuple[str, tuple[str, ...]]:
    """UTF-16 that lacks its byte-order mark: every second byte of western text is 0."""
    head = content[:200]
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(zeros) and zeros.count(0) > 0.9 * len(zeros) and head.count(0) == zeros.count(0):
            try:
                return content.decode(name), (f"{path} has no byte-order mark; read as {name}",)
            except UnicodeDecodeError:
                break
    raise DataError(f"the {what} file {path!r} is no text: it holds bytes that are 0")


def read_delimited(
    content: bytes, path: str, *, encoding: str | None = None, label_rows: int = 0
) -> DataFile:
    """The table of a text file.

    Parameters
    ----------
    content : bytes
        Of the file.
    path : str
        Its name, for messages.
    encoding : str, optional
        By default it is found out.
    label_rows : int
        Rows below the header that hold no answers; the first has the labels of the variables.

    Raises
    ------
    DataError
        Naming the file, the line and what would work.
    """
    text, doubts = decoded(content, path, "data", encoding)
    for pattern, found in OTHER_TEXT:
        if pattern.match(text):
            raise DataError(f"the data file {path!r} is {found}, no table; save the data as CSV")
    given = SEP_LINE.match(text)
    text = text[given.end() :] if given else text
    if not text.strip():
        raise DataError(f"the data file {path!r} is empty")
    separator = given[1] if given else _separator(text)
    shape = _shape(text, separator, path, 1 if given else 0, label_rows)
    frame, decimals = _parsed(text[shape.start :], separator, shape, path)
    if len(frame) != shape.rows:
        raise DataError(
            f"{path} cannot be read as CSV: are quotation marks and blank lines as they should be?"
        )
    second_header(frame, path, label_rows)
    labels = dict(zip(shape.head, shape.labels[0], strict=False)) if shape.labels else {}
    if shape.short:
        doubts = (*doubts, _short_lines(path, shape.short))
    notes = (
        f"{path} is separated by {SEPARATORS.get(separator, repr(separator))}",
        f"{path} has decimal commas",
        f"{path}: every line ends with {shape.trailing} separator{'s' * (shape.trailing > 1)} "
        "more than the header",
    )
    told = (separator != ",", decimals, shape.trailing > 0)
    return DataFile(
        frame,
        (*doubts, *(note for note, so in zip(notes, told, strict=True) if so)),
        doubts,
        {name: text for name, text in labels.items() if text.strip()},
    )


def _short_lines(path: str, lines: list[int]) -> str:
    count = f"{len(lines)} line{'s have' if len(lines) > 1 else ' has'}"
    return (
        f"{path}: {count} fewer fields than the header (line {lines[0]} the first); "
        "what is absent at their ends counts as missing"
    )


def _separator(text: str) -> str:
    """What parts the header into most fields; a comma rather than another."""
    line = next(x for x in text.splitlines() if x.strip())
    counts = {s: len(next(csv.reader([line], delimiter=s))) for s in SEPARATORS}
    return max(counts, key=lambda s: counts[s])


class _Counted:
    """The lines of a text, and how many characters were handed out."""

    def __init__(self, text: str) -> None:
        self.lines = io.StringIO(text, newline="")
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.characters += len(line)
            yield line


def _shape(text: str, separator: str, path: str, lead: int, label_rows: int) -> _Shape:
    """Header, labels, and the rows' lengths; a row with more fields is an error."""
    counted = _Counted(text)
    reader = csv.reader(counted, delimiter=separator, skipinitialspace=True, strict=True)
    shape, before = _Shape(), 0
    longer: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            line, before = before + 1 + lead, reader.line_num
            if not "".join(row) and len(row) < 2:
                continue
            if not shape.head:
                shape.head, shape.start = [x.strip() for x in row], counted.characters
                if len(shape.head) == 1:
                    _check_blanks(text, path)
                continue
            if len(row) > len(shape.head):
                if any(x.strip() for x in row[len(shape.head) :]):
                    raise DataError(_too_many(path, line, row, shape.head, separator))
                longer.append((line, row))
            elif len(row) < len(shape.head):
                shape.short.append(line)
            if len(shape.labels) < label_rows:
                shape.labels.append([x.strip() for x in row])
                shape.start = counted.characters
                continue
            shape.rows += 1
    except csv.Error as error:
        raise DataError(
            f"{path}, line {before + 1 + lead}: cannot be read as CSV ({error}); is a quotation "
            "mark not closed?"
        ) from None
    if not "".join(shape.head):
        raise DataError(f"{path} has no header: its first line names the columns")
    if longer:
        # at the end of every row they are no values; at the end of some they may be shifted ones
        widths = {len(row) for _, row in longer}
        if len(longer) < shape.rows + len(shape.labels) or len(widths) > 1:
            raise DataError(_too_many(path, *longer[0], shape.head, separator))
        shape.trailing = widths.pop() - len(shape.head)
    return shape


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
            f"{said}: the line ends with a {mark} more than the header, which others do not; take "
            f"it away from the ends of the lines, or add one to the header"
        )
    if len(extra) == 1:
        return (
            f"{said}; if the first field of each line is the row's name, give it a name in the "
            f"header too; if a text or a number holds a {mark}, put it into quotation marks"
        )
    return f"{said}; if a text or a number holds a {mark}, put it into quotation marks"


def _parsed(text: str, separator: str, shape: _Shape, path: str) -> tuple[pd.DataFrame, bool]:
    """The table, with pandas' types, and whether decimal commas were read."""
    import pandas as pd

    width = len(shape.head)

    def read(decimal: str) -> pd.DataFrame:
        return pd.read_csv(
            io.StringIO(text, newline=""),
            sep=separator,
            header=None,
            names=range(width + shape.trailing),
            usecols=range(width),
            index_col=False,
            skipinitialspace=True,
            decimal=decimal,
            low_memory=False,
        )

    try:
        frame = read(".") if text.strip() else pd.DataFrame(columns=range(width), dtype=float)
        decimals = separator != "," and _decimal_commas(frame)
        if decimals:
            commas = read(",")
            for i in frame.columns:
                if not _is_number(frame[i]) and _is_number(commas[i]):
                    frame[i] = commas[i]
    except (pd.errors.ParserError, ValueError) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from None
    empty = [not name and frame[i].isna().all() for i, name in enumerate(shape.head)]
    frame.columns = pd.Index(
        [name or f"unnamed {i + 1}" for i, name in enumerate(shape.head)], dtype=object
    )
    frame = frame.loc[:, [not x for x in empty]]
    require_distinct(frame.columns, path)
    return frame, decimals


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
