"""Documents as text for a terminal: aligned tables, wrapped prose."""

from __future__ import annotations

import shutil
import sys
from textwrap import fill

from bayessem.text.arrangement import beside, text_width
from bayessem.text.document import (
    Block,
    Document,
    Figure,
    Heading,
    Items,
    Lines,
    Notes,
    Paragraph,
    Table,
    Verbatim,
)
from bayessem.text.numbering import numbered_if_named

# Of prose where the terminal's width is not known.
WIDTH = 100
NARROWEST = 40
GAP = "  "


def terminal_width() -> int | None:
    """Columns of the terminal that is written to; None for files and pipes."""
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns, NARROWEST)


def prose(text: str, *, width: int = WIDTH, indent: str = "") -> str:
    """Wrapped prose that keeps a number and its % together; `indent` is of the later lines."""
    kept = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = fill(
        kept, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def document_text(document: Document, *, width: int | None = None) -> str:
    """A document as text.

    Parameters
    ----------
    document : Document
    width : int, optional
        Columns there are: wider tables continue below themselves. By default prose has 100 columns
        and tables as many as they need.
    """
    numbering = numbered_if_named(document)
    blocks = [numbering.plain(_block(block, width)) for block in document.blocks]
    return "\n\n".join(blocks)


def _block(block: Block, width: int | None) -> str:
    columns = width or WIDTH
    match block:
        case Heading(text, 1):
            return prose(text, width=columns)
        case Heading(text):
            return f"{text}\n{'-' * len(text)}"
        case Paragraph(text):
            return prose(text, width=columns)
        case Lines(texts) | Notes(texts):
            return "\n".join(_line(text, columns) for text in texts)
        case Items(texts):
            return "\n".join(prose(f"- {text}", width=columns, indent="  ") for text in texts)
        case Verbatim(text):
            return text
        case Figure():
            return prose(f"[figure: {block.caption}]", width=columns)
        case Table():
            return table_text(block, width=width)


def _line(text: str, width: int) -> str:
    """A sentence wrapped; what has line breaks of its own keeps them."""
    return "\n".join(
        prose(part, width=width, indent="    " if part.startswith("    ") else "")
        for part in text.split("\n")
    )


def table_text(table: Table, *, width: int | None = None) -> str:
    """A table with its title; columns that do not fit stand below, with the row's name again."""
    cells = [[column.title, *column.written()] for column in table.columns]
    widths = [max(map(text_width, column)) for column in cells]
    aligned = [
        [_padded(cell, w, right=column.format.right) for cell in written]
        for column, written, w in zip(table.columns, cells, widths, strict=True)
    ]
    parts = []
    for chosen in beside(widths, table.keys, width, gap=len(GAP)):
        lines = zip(*(aligned[i] for i in chosen), strict=True)
        parts.append("\n".join(GAP.join(line).rstrip() for line in lines))
    title = [prose(table.title, width=width or WIDTH)] if table.title else []
    return "\n".join([*title, "\n\n".join(parts)])


def _padded(cell: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - text_width(cell))
    return blanks + cell if right else cell + blanks
