"""Tables in Excel workbooks: the values that Excel calculated last, never a formula or a macro."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bayessem.errors import DataError, did_you_mean
from bayessem.model.data_file import DataFile, extra, require_distinct, second_header
from bayessem.model.texts import MISSING_WORDS

if TYPE_CHECKING:
    import pandas as pd

# How the parts of zipped files that are no workbooks are called.
OTHER_ZIPPED = {
    "xl/workbook.bin": "a binary Excel workbook (.xlsb); save it as .xlsx",
    "content.xml": "an OpenDocument file; save it as .xlsx or CSV",
    "word/document.xml": "a Word document",
    "Index/Document.iwa": "a Numbers document; export it to Excel or CSV",
}
# "12", "-0.5", "1e3", but not "007", which is a name.
NUMBER_TEXT = re.compile(r"[-+]?(0|[1-9]\d*|(?=[.,]))([.,]\d+)?([eE][-+]?\d+)?")

Row = Sequence[Any]


def read_workbook(
    content: bytes, path: str, *, sheet: str | None = None, label_rows: int = 0
) -> DataFile:
    """The table of one sheet of an Excel workbook.

    Parameters
    ----------
    content : bytes
        Of the file.
    path : str
        Its name, for messages.
    sheet : str, optional
        By default the first one that is not hidden.
    label_rows : int
        Rows below the header that hold no answers; the first has the labels of the variables.

    Raises
    ------
    DataError
        Naming the sheet, the cell, and what would work.
    """
    _refuse_other_zipped(content, path)
    name, rows, notes = _rows(content, path, sheet)
    where = f"{path}, sheet {name!r}"
    head_at = next((i for i, (_, row) in enumerate(rows) if any(_filled(c) for c in row)), None)
    if head_at is None:
        raise DataError(f"{where} is empty")
    number, head = rows[head_at]
    below = [row for _, row in rows[head_at + 1 :] if any(_filled(c) for c in row)]
    labels, answers = below[:label_rows], below[label_rows:]
    width = max(len(row) for _, row in rows)
    names = [_header(head, i) for i in range(width)]
    columns = [[row[i] if i < len(row) else None for row in answers] for i in range(width)]
    kept = [i for i in range(width) if names[i] or any(_filled(c) for c in columns[i])]
    unnamed = [i for i in kept if not names[i]]
    if len(unnamed) > (unnamed == [0]):
        raise DataError(
            f"{where}: row {number} is the header, and {len(unnamed)} columns with values have no "
            f"name in it, column {_letters(unnamed[0])} the first; names stand in one row above "
            "the values (delete titles above them, divide merged cells)"
        )
    titles = [names[i] or "unnamed 1" for i in kept]
    require_distinct(titles, where)
    doubts: list[str] = []
    series = [_column(columns[i]) for i in kept]
    frame = _frame(titles, [values for values, _, _ in series], len(answers))
    errors = [(c, n) for c, (_, n, _) in zip(titles, series, strict=True) if n]
    if errors:
        listed = ", ".join(f"{c} {n}" for c, n in errors)
        doubts.append(f"{where}: errors of formulas (such as #N/A) count as missing: {listed}")
    texts = [c for c, (_, _, from_text) in zip(titles, series, strict=True) if from_text]
    if texts:
        doubts.append(f"{where}: numbers stored as text are read as numbers: {', '.join(texts)}")
    second_header(frame, where, label_rows)
    wording = {
        title: str(labels[0][i].value).strip()
        for title, i in zip(titles, kept, strict=True)
        if labels and i < len(labels[0]) and _filled(labels[0][i])
    }
    return DataFile(frame, (*doubts, *notes), tuple(doubts), wording)


def _refuse_other_zipped(content: bytes, path: str) -> None:
    """Refuse zipped files that are no workbooks, saying what they are."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise DataError(
            f"the data file {path!r} is damaged: it begins as an Excel or other zipped file, but "
            f"cannot be unpacked ({error})"
        ) from None
    if "xl/workbook.xml" in parts:
        return
    found = next((text for part, text in OTHER_ZIPPED.items() if part in parts), None)
    raise DataError(
        f"the data file {path!r} is "
        + (found or f"a zipped file of {len(parts)} file(s), no Excel workbook; unpack it first")
    )


def _rows(
    content: bytes, path: str, sheet: str | None
) -> tuple[str, list[tuple[int, Row]], tuple[str, ...]]:
    """Name, rows of cells with their numbers, and what is to be told, of the sheet to read."""
    openpyxl = extra("openpyxl", "Excel workbooks are")
    try:
        with warnings.catch_warnings():
            # styles, validations, dates that are none: nothing of it is about values
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            chosen, notes = _sheet(book, path, sheet)
            page = book[chosen]
            page.reset_dimensions()  # what the file says of them may be wrong
            rows = [(i, row) for i, row in enumerate(page.iter_rows(), start=1) if row]
            formulas = _formulas(openpyxl, content, chosen)
    except DataError:
        raise
    except Exception as error:  # a damaged workbook meets errors of XML, of keys, of types
        raise DataError(
            f"the data file {path!r} cannot be read as an Excel workbook "
            f"({type(error).__name__}: {error}); open it in Excel and save it anew, or as CSV"
        ) from None
    _refuse_uncalculated(rows, formulas, f"{path}, sheet {chosen!r}")
    return chosen, rows, notes


def _sheet(book: Any, path: str, sheet: str | None) -> tuple[str, tuple[str, ...]]:
    """The name of the sheet to read, and what is to be told about the choice."""
    names = [page.title for page in book.worksheets]
    if not names:
        raise DataError(f"{path} has no sheet with cells")
    listed = ", ".join(map(repr, names))
    if sheet is not None:
        if sheet not in names:
            similar = did_you_mean(str(sheet), names)
            raise DataError(f"{path} has no sheet {sheet!r}.{similar} Its sheets: {listed}")
        return sheet, ()
    visible = [page.title for page in book.worksheets if page.sheet_state == "visible"] or names
    if len(names) == 1:
        return visible[0], ()
    return visible[0], (
        f"{path}: sheet {visible[0]!r} is read, the first of {listed}; sheet= chooses another",
    )


def _formulas(openpyxl: Any, content: bytes, sheet: str) -> set[tuple[int, int]]:
    """Rows and columns of the cells that hold formulas."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        pages = [x for x in archive.namelist() if x.startswith("xl/worksheets/")]
        if not any(b"<f" in archive.read(page) for page in pages):
            return set()
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=False)
    page = book[sheet]
    page.reset_dimensions()
    return {(c.row, c.column) for row in page.iter_rows() for c in row if c.data_type == "f"}


def _refuse_uncalculated(
    rows: Iterable[tuple[int, Row]], formulas: set[tuple[int, int]], where: str
) -> None:
    """Refuse formulas without a value: programs that write workbooks leave calculating to Excel."""
    if not formulas:
        return
    # a formula whose value is the empty text says so in its type
    found = [
        f"{_letters(cell.column - 1)}{cell.row}"
        for _, row in rows
        for cell in row
        if cell.value is None
        and getattr(cell, "data_type", "") == "n"
        and (cell.row, cell.column) in formulas
    ]
    if found:
        raise DataError(
            f"{where}: {len(found)} formula{'s were' if len(found) > 1 else ' was'} never "
            f"calculated ({', '.join(found[:5])}{', ...' * (len(found) > 5)}), so there "
            f"{'are no values' if len(found) > 1 else 'is no value'}; open the workbook in Excel "
            "or LibreOffice, save it there, and read it again"
        )


def _letters(column: int) -> str:
    """The name of a column, counted from 0: A, B, ..., AA."""
    text, n = "", column + 1
    while n:
        n, rest = divmod(n - 1, 26)
        text = chr(65 + rest) + text
    return text


def _filled(cell: Any) -> bool:
    return cell.value is not None and str(cell.value).strip() != ""


def _header(head: Row, i: int) -> str:
    if i >= len(head) or not _filled(head[i]):
        return ""
    value = head[i].value
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()


def _column(cells: Sequence[Any]) -> tuple[list[Any], int, bool]:
    """The values of a column, how many are errors, and whether texts were read as numbers."""
    values: list[Any] = []
    errors = 0
    for cell in cells:
        value = None if cell is None else cell.value
        if cell is not None and cell.data_type == "e" and value is not None:
            errors += 1
            value = None
        elif isinstance(value, str):
            value = value.strip()
            if not value or value.lower() in MISSING_WORDS:
                value = None
        values.append(value)
    texts = [x for x in values if isinstance(x, str)]
    if not texts or not all(NUMBER_TEXT.fullmatch(x) for x in texts):
        return values, errors, False
    if any(not isinstance(x, int | float | str) or isinstance(x, bool) for x in values if x):
        return values, errors, False
    numbers = [float(x.replace(",", ".")) if isinstance(x, str) else x for x in values]
    return numbers, errors, True


def _frame(titles: Sequence[str], columns: Sequence[list[Any]], rows: int) -> pd.DataFrame:
    import pandas as pd

    index = pd.RangeIndex(rows)
    found = {}
    for title, values in zip(titles, columns, strict=True):
        known = [x for x in values if x is not None]
        numeric = all(isinstance(x, int | float) and not isinstance(x, bool) for x in known)
        found[title] = (
            pd.Series(pd.to_numeric(pd.Series(values, index=index, dtype=object)), index=index)
            if numeric
            else pd.Series(values, index=index)
        )
        if numeric and not known:
            found[title] = found[title].astype(float)
    return pd.DataFrame(found, index=index)
