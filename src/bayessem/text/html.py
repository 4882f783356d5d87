"""Documents as HTML: plain elements with few classes, pictures inside, nothing fetched."""

from __future__ import annotations

import base64
from html import escape

from bayessem.text.document import (
    Block,
    Column,
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
from bayessem.text.numbering import NONE, Numbering, Place, numbered_if_named
from bayessem.text.numbers import minus_signs, typeset
from bayessem.text.pictures import screen_picture

# Of an inch of a figure on the screen.
PIXELS = 125
# Of tables, notes and warnings, on a page and in a notebook, whatever the colours around them.
STYLE = """
.bayessem table { border-collapse: collapse; table-layout: auto; width: auto; margin: .6em 0;
  border-top: 1.5px solid; border-bottom: 1.5px solid;
  font-variant-numeric: tabular-nums lining-nums; }
.bayessem table tbody tr:nth-child(n) { background: none; }
.bayessem thead th, .bayessem thead td { border: 0; border-bottom: 1px solid; font-weight: 600;
  vertical-align: bottom; }
.bayessem th, .bayessem td { text-align: right; padding: .14em .6em; white-space: nowrap;
  background: none; vertical-align: top; }
.bayessem tbody th { font-weight: inherit; }
.bayessem th.text, .bayessem td.text { text-align: left; }
.bayessem td.long { white-space: normal; min-width: 14em; }
.bayessem caption { text-align: left; padding: .3em 0; caption-side: top; color: inherit; }
.bayessem caption i { display: block; width: max-content; max-width: min(42em, 86vw); }
.bayessem p.warning { border-left: 3px solid #D55E00; padding-left: .7em; }
.bayessem p.notes { font-size: .92em; }
.bayessem div.scroll { overflow-x: auto; }
"""
PAGE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 Georgia, "Times New Roman", serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1.2rem; }
pre { overflow-x: auto; }
img { max-width: 100%; height: auto; background: white; }
"""
# Pixels above which a figure is scrolled on a phone rather than made small.
WIDE = 700
# Characters of a cell above which it may break its lines.
LONG = 48


def notebook_html(document: Document) -> str:
    """A document for a notebook's output, with the few styles it needs."""
    return (
        f'<div class="bayessem"><style>{STYLE}</style>\n'
        f"{document_html(document, first_level=3)}\n</div>"
    )


def page_html(document: Document, *, title: str) -> str:
    """A document as a page of its own; the title heads one without a title of its own."""
    headed = any(isinstance(b, Heading) and b.level == 1 for b in document.blocks)
    whole = document if headed else Document((Heading(title), *document.blocks))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{PAGE}{STYLE}</style></head>\n"
        f'<body class="bayessem"><main>\n{document_html(whole)}\n</main></body></html>\n'
    )


def document_html(document: Document, *, first_level: int = 1) -> str:
    """The blocks of a document as HTML; tables and figures are counted where texts name them.

    Parameters
    ----------
    document : Document
    first_level : int
        What a heading of level 1 becomes.
    """
    numbering = numbered_if_named(document)
    return "\n".join(
        block_html(block, first_level, numbering=numbering, place=numbering.places.get(k))
        for k, block in enumerate(document.blocks)
    )


def block_html(
    block: Block,
    first_level: int = 1,
    *,
    numbering: Numbering = NONE,
    place: Place | None = None,
) -> str:
    """One block as HTML; with its number where it has a place."""
    match block:
        case Heading(text, level):
            n = min(level + first_level - 1, 6)
            return f"<h{n}>{escape(typeset(text))}</h{n}>"
        case Paragraph(text, warning):
            mark = ' class="warning"' if warning else ""
            return f"<p{mark}>{_lines(text, numbering)}</p>"
        case Lines(texts):
            return f"<p>{'<br>'.join(_lines(text, numbering) for text in texts)}</p>"
        case Notes(texts):
            said = "<br>".join(_lines(text, numbering) for text in texts)
            return f'<p class="notes"><i>Note.</i> {said}</p>'
        case Items(texts):
            listed = (f"<li>{_lines(text, numbering)}</li>" for text in texts)
            return f"<ul>{''.join(listed)}</ul>"
        case Verbatim(text):
            return f'<pre tabindex="0">{escape(text)}</pre>'
        case Figure():
            return _figure(block, place)
        case Table():
            return _table(block, place)


def _lines(text: str, numbering: Numbering) -> str:
    """Prose with minus signs, line breaks, and links to the tables and figures that it names."""
    return "".join(
        _prose(piece) if place is None else f'<a href="#{place.anchor}">{escape(piece)}</a>'
        for piece, place in numbering.pieces(text)
    )


def _prose(text: str) -> str:
    return escape(typeset(text)).replace("\n", "<br>")


def _cells(column: Column) -> list[str]:
    change = minus_signs if column.format.right else typeset
    return [escape(change(text)) for text in column.written()]


def _mark(column: Column, text: str = "") -> str:
    """The class of a cell; without one it is a number."""
    if column.format.right:
        return ""
    return ' class="text long"' if len(text) > LONG else ' class="text"'


def _row(table: Table, cells: tuple[str, ...]) -> str:
    """A row, whose first cell is its head."""
    out = []
    for k, (column, cell) in enumerate(zip(table.columns, cells, strict=True)):
        if k == 0 and cell and not column.format.right and len(cell) <= LONG:
            out.append(f'<th scope="row" class="text">{cell}</th>')
        else:
            out.append(f"<td{_mark(column, cell)}>{cell}</td>")
    return f"<tr>{''.join(out)}</tr>"


def _table(table: Table, place: Place | None) -> str:
    head = "".join(
        f'<th scope="col"{_mark(c)}>{escape(c.title)}</th>' if c.title else f"<td{_mark(c)}></td>"
        for c in table.columns
    )
    rows = zip(*map(_cells, table.columns), strict=True)
    body = "".join(_row(table, cells) for cells in rows)
    title = escape(typeset(place.caption if place else table.title))
    number = f'<b id="{place.anchor}">{place.label}</b> ' if place else ""
    caption = f"<caption>{number}<i>{title}</i></caption>" if title else ""
    # Reached by the keyboard, since it may have to be scrolled.
    label = escape(place.label if place else table.title or "Table")
    named = any(c.title for c in table.columns)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>{caption}'
        f"{f'<thead><tr>{head}</tr></thead>' if named else ''}<tbody>{body}</tbody></table></div>"
    )


def _figure(figure: Figure, place: Place | None) -> str:
    content, media, (width, _) = screen_picture(figure)
    data = base64.b64encode(content).decode("ascii")
    alternative = escape(typeset(figure.alternative or figure.caption))
    number = f'<b id="{place.anchor}">{place.label}</b> ' if place else ""
    pixels = round(width * PIXELS)
    wide = ' class="wide" tabindex="0"' if pixels > WIDE else ""
    return (
        f'<figure{wide}><img width="{pixels}" alt="{alternative}" '
        f'src="data:{media};base64,{data}">'
        f"<figcaption>{number}{escape(typeset(figure.caption))}</figcaption></figure>"
    )
