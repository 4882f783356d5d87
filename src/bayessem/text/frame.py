"""Documents as data frames: the numbers of their tables, unrounded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bayessem.text.document import Column, Document, Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Numbers:
    """A column as spreadsheets have it: an interval is two of them.

    Attributes
    ----------
    title : str
        The column's, with the end of an interval: "95 % interval, lower".
    cells : list
        Numbers, or texts; None where nothing is written.
    codes : list of str
        How a spreadsheet writes each number; "@" for text.
    """

    title: str
    cells: list[Any]
    codes: list[str]


def unfolded(column: Column) -> list[Numbers]:
    """A column with one number, or one text, a cell."""
    how, texts = column.format, column.written()
    if how.numbers is None:
        cells = [text or None for text in texts]
        return [Numbers(column.title, cells, ["@"] * len(cells))]
    numbers = [how.numbers(cell) for cell in column.cells]
    codes = [how.codes(cell) for cell in column.cells]
    out = []
    for k, end in enumerate(how.ends):
        title = ", ".join(filter(None, (column.title, end)))
        own: list[tuple[Any, str]] = []
        for values, code, text in zip(numbers, codes, texts, strict=True):
            value = float(values[k])
            if not math.isnan(value):
                own.append((value, code[k]))
            else:  # a text in a column of numbers, or nothing
                words = text if k == 0 and all(map(math.isnan, values)) else ""
                own.append((words or None, "@" if words else "General"))
        out.append(Numbers(title, [c for c, _ in own], [code for _, code in own]))
    return out


def table_frame(table: Table) -> pd.DataFrame:
    """A table as it is shown, with its numbers unrounded and intervals as two columns.

    Columns without a title are named "name", "name 2", ...
    """
    import pandas as pd

    columns = [one for column in table.columns for one in unfolded(column)]
    data: dict[str, Any] = {}
    for column in columns:
        title = column.title or "name"
        again = sum(t == title or t.startswith(f"{title} ") for t in data) if title in data else 0
        texts = any(isinstance(cell, str) for cell in column.cells)
        empty = "" if texts else math.nan
        cells = [empty if cell is None else cell for cell in column.cells]
        data[f"{title} {again + 1}" if again else title] = cells
    return pd.DataFrame(data)


def document_frame(document: Document) -> pd.DataFrame:
    """The first table of a document; of one without a table its sentences, column "text"."""
    import pandas as pd

    for block in document.blocks:
        if isinstance(block, Table):
            return table_frame(block)
    return pd.DataFrame({"text": document.sentences()})
