"""Documents as text for a terminal: aligned tables, wrapped prose."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from textwrap import fill

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
    blocks = [_block(block, width) for block in document.blocks]
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
        case Figure(_, caption):
            return prose(f"[figure: {caption}]", width=columns)
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
    widths = [max(map(len, column)) for column in cells]
    aligned = [
        [cell.rjust(w) if column.format.right else cell.ljust(w) for cell in written]
        for column, written, w in zip(table.columns, cells, widths, strict=True)
    ]
    parts = []
    for chosen in _parts(widths, table.keys, width):
        lines = zip(*(aligned[i] for i in chosen), strict=True)
        parts.append("\n".join(GAP.join(line).rstrip() for line in lines))
    title = [prose(table.title, width=width or WIDTH)] if table.title else []
    return "\n".join([*title, "\n\n".join(parts)])


def _parts(widths: Sequence[int], keys: int, width: int | None) -> list[list[int]]:
    """Columns that stand beside each other, part by part."""
    everything = list(range(len(widths)))
    total = sum(widths) + len(GAP) * (len(widths) - 1)
    if width is None or total <= width:
        return [everything]
    lead, rest = everything[:keys], everything[keys:]
    used = sum(widths[i] for i in lead) + len(GAP) * (keys - 1)
    out: list[list[int]] = [[]]
    free = width - used
    for i in rest:
        need = widths[i] + len(GAP)
        if need > free and out[-1]:
            out.append([])
            free = width - used
        out[-1].append(i)
        free -= need
    return [[*lead, *part] for part in out]
