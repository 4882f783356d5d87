"""Documents as HTML: plain elements with few classes, pictures inside, nothing fetched."""

from __future__ import annotations

import base64
import io
import re
from html import escape
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

# Of an inch of a figure on the screen.
PIXELS = 125
# A hyphen that is a minus: before a digit, and not inside a word or a date.
MINUS = re.compile(r"(?<![\w.])-(?=\.?\d)")
NOTEBOOK_STYLE = """
.bayessem table { border-collapse: collapse; margin: .6em 0; border-top: 1.5px solid;
  border-bottom: 1.5px solid; font-variant-numeric: tabular-nums; }
.bayessem th { border-bottom: 1px solid; }
.bayessem th, .bayessem td { text-align: right; padding: .12em .6em; white-space: nowrap;
  background: none; }
.bayessem th.text, .bayessem td.text { text-align: left; }
.bayessem caption { text-align: left; font-style: italic; padding: .3em 0; }
.bayessem .warning { border-left: 3px solid #D55E00; padding-left: .7em; }
.bayessem p.notes { font-size: .92em; }
.bayessem .scroll { overflow-x: auto; }
"""


def minus_signs(text: str) -> str:
    """Numbers with minus signs instead of hyphens."""
    return MINUS.sub("\N{MINUS SIGN}", text)


def notebook_html(document: Document) -> str:
    """A document for a notebook's output, with the few styles it needs."""
    return (
        f'<div class="bayessem"><style>{NOTEBOOK_STYLE}</style>\n'
        f"{document_html(document, first_level=3)}\n</div>"
    )


def document_html(document: Document, *, first_level: int = 1) -> str:
    """The blocks of a document as HTML.

    Parameters
    ----------
    document : Document
    first_level : int
        What a heading of level 1 becomes.
    """
    return "\n".join(block_html(block, first_level) for block in document.blocks)


def block_html(block: Block, first_level: int = 1) -> str:
    """One block as HTML."""
    match block:
        case Heading(text, level):
            n = min(level + first_level - 1, 6)
            return f"<h{n}>{escape(text)}</h{n}>"
        case Paragraph(text, warning):
            mark = ' class="warning"' if warning else ""
            return f"<p{mark}>{_lines(text)}</p>"
        case Lines(texts):
            return f"<p>{'<br>'.join(map(_lines, texts))}</p>"
        case Notes(texts):
            return f'<p class="notes">{"<br>".join(map(_lines, texts))}</p>'
        case Items(texts):
            return "<ul>" + "".join(f"<li>{_lines(text)}</li>" for text in texts) + "</ul>"
        case Verbatim(text):
            return f"<pre>{escape(text)}</pre>"
        case Figure():
            return _figure(block)
        case Table():
            return _table(block)


def _lines(text: str) -> str:
    return minus_signs(escape(text)).replace("\n", "<br>")


def _table(table: Table) -> str:
    marks = ["" if c.format.right else ' class="text"' for c in table.columns]
    head = "".join(
        f"<th{mark}>{escape(c.title)}</th>" for c, mark in zip(table.columns, marks, strict=True)
    )
    written = [
        [minus_signs(escape(cell)) if c.format.right else escape(cell) for cell in c.written()]
        for c in table.columns
    ]
    body = "".join(
        "<tr>"
        + "".join(f"<td{mark}>{cell}</td>" for cell, mark in zip(row, marks, strict=True))
        + "</tr>"
        for row in zip(*written, strict=True)
    )
    caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    return (
        f'<div class="scroll"><table>{caption}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figure(figure: Figure) -> str:
    drawn = figure.draw()
    width = round(drawn.get_size_inches()[0] * PIXELS)
    return (
        f'<figure><img width="{width}" alt="{escape(figure.caption)}" '
        f'src="data:image/png;base64,{_png(drawn)}">'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def _png(figure: MatplotlibFigure) -> str:
    """The figure as a base64 PNG; it is closed."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight")
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
