"""Documents as Excel workbooks: a sheet a table; cells hold numbers, and no text is a formula."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bayessem.errors import FitError
from bayessem.extras import extra
from bayessem.text.arrangement import text_width
from bayessem.text.document import Document, Heading, Notes, Table
from bayessem.text.frame import Numbers, unfolded
from bayessem.text.glossary import with_notes

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

# What a sheet's name may not have, and how long it may be.
FORBIDDEN, LONGEST = re.compile(r"[\[\]:*?/\\]"), 31
# Characters that no cell of a workbook can hold.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
WIDEST = 60


def require_excel() -> Any:
    """The package that writes workbooks, or the error that says how to install it."""
    return extra(
        "openpyxl", "Excel workbooks are written by openpyxl", name="files", error=FitError
    )


def document_excel(document: Document) -> bytes:
    """A document as a workbook.

    Parameters
    ----------
    document : Document

    Returns
    -------
    bytes
        A sheet a table, its title above and its notes below it, and a sheet "Text" with the rest.
        Numbers are unrounded and shown with the digits of `print`; an interval is two columns.
    """
    openpyxl = require_excel()
    book = openpyxl.Workbook()
    book.remove(book.active)
    blocks = with_notes(document).blocks
    heading, used = "", set[str]()
    for k, block in enumerate(blocks):
        if isinstance(block, Heading):
            heading = block.text
        elif isinstance(block, Table):
            title = block.title or heading
            following = blocks[k + 1] if k + 1 < len(blocks) else None
            notes = following.texts if isinstance(following, Notes) else ()
            sheet = book.create_sheet(_name(title or f"Table {len(used) + 1}", used))
            _fill(sheet, title, block, notes)
    said = document.sentences()
    if said:
        sheet = book.create_sheet(_name("Text", used))
        for row, text in enumerate(said, start=1):
            _write(sheet, row, 1, text)
        sheet.column_dimensions["A"].width = 100
        _wrap(sheet, range(1, len(said) + 1))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _name(title: str, used: set[str]) -> str:
    """A name for a sheet that no other has; Excel does not tell capitals apart."""
    plain = " ".join(CONTROL.sub("", FORBIDDEN.sub(" ", title)).split()).strip("'") or "Table"
    name, k = plain[:LONGEST].rstrip(" ,;'"), 1
    while name.casefold() in used:
        k += 1
        name = f"{plain[: LONGEST - len(str(k)) - 1].rstrip()} {k}"
    used.add(name.casefold())
    return name


def _fill(sheet: Worksheet, title: str, table: Table, notes: Sequence[str]) -> None:
    """Title, heads of columns between rules, cells, a rule, notes."""
    from openpyxl.styles import Alignment, Border, Font, Side
    from openpyxl.utils import get_column_letter

    _write(sheet, 1, 1, title).font = Font(italic=True)
    thick, thin = Side(style="medium"), Side(style="thin")
    columns = [(one, column.format.right) for column in table.columns for one in unfolded(column)]
    last = 3 + len(table.columns[0].cells)
    for place, (column, right) in enumerate(columns, start=1):
        side = Alignment(horizontal="right" if right else "left", wrap_text=False)
        head = _write(sheet, 3, place, column.title)
        head.font, head.alignment = Font(bold=True), side
        head.border = Border(top=thick, bottom=thin)
        for row, (value, code) in enumerate(zip(column.cells, column.codes, strict=True), start=4):
            cell = _write(sheet, row, place, value)
            cell.number_format, cell.alignment = code, side
        bottom = sheet.cell(last, place)
        bottom.border = Border(bottom=thick, top=bottom.border.top)
        sheet.column_dimensions[get_column_letter(place)].width = _width(column)
    sheet.freeze_panes = "A4"
    for row, text in enumerate(notes, start=last + 1):
        _write(sheet, row, 1, f"Note. {text}" if row == last + 1 else text)
    sheet.page_setup.orientation = "landscape" if len(columns) > 6 else "portrait"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True


def _write(sheet: Worksheet, row: int, column: int, value: Any) -> Any:
    """A cell; a text stays text whatever it begins with, also when it is edited later."""
    cell = sheet.cell(row, column)
    if isinstance(value, str):
        cell.value = CONTROL.sub(" ", value)
        cell.data_type = "s"
        if value[:1] in ("=", "+", "-", "@", "\t", "\r", "'"):
            cell.quotePrefix = True
    else:
        cell.value = value
    return cell


def _width(column: Numbers) -> float:
    """Characters that the head and the texts of a column take; numbers are short."""
    texts = [cell for cell in column.cells if isinstance(cell, str)]
    return min(max([9, *map(text_width, [column.title, *texts])]) + 2, WIDEST)


def _wrap(sheet: Worksheet, rows: range) -> None:
    from openpyxl.styles import Alignment

    for row in rows:
        sheet.cell(row, 1).alignment = Alignment(wrap_text=True, vertical="top")
