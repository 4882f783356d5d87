"""Parts of a page, and the page: plain HTML, styles and pictures inside, nothing fetched."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 Georgia, "Times New Roman", serif; color: #222; max-width: 60rem;
  margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .3rem; }
h2 { font-size: 1.25rem; margin-top: 2.4rem; border-bottom: 1px solid #ccc; }
h3 { font-size: 1.05rem; margin-top: 1.6rem; }
nav { columns: 2; font-size: .95rem; }
nav a, a { color: #0072B2; text-decoration: none; }
table { border-collapse: collapse; font-size: .87rem; margin: .8rem 0; border-top: 1.5px solid #222;
  border-bottom: 1.5px solid #222; font-variant-numeric: tabular-nums lining-nums; }
th { text-align: right; font-weight: 600; border-bottom: 1px solid #222; padding: .2rem .6rem;
  vertical-align: bottom; }
td { text-align: right; padding: .12rem .6rem; white-space: nowrap; }
th.text, td.text { text-align: left; white-space: normal; }
caption { text-align: left; font-style: italic; padding: .3rem 0; }
pre { font: 12.5px/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  background: #f7f7f7; padding: .7rem .9rem; overflow-x: auto; }
figure { margin: 1rem 0; }
img { max-width: 100%; }
figcaption { font-size: .87rem; color: #555; }
.scroll { overflow-x: auto; }
.note { border-left: 3px solid #D55E00; padding: .1rem .8rem; background: #fdf6f1; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } h2 { break-after: avoid; }
  table, figure { break-inside: avoid; } pre { white-space: pre-wrap; } }
"""


# Of an inch of a figure on the screen; print styles scale it to the page.
PIXELS = 125


@dataclass(frozen=True)
class Section:
    """A heading with ready HTML parts below it.

    Attributes
    ----------
    title : str
        Heading.
    parts : tuple of str
        HTML.
    level : int
        2 for a section, 3 for a part of one.
    """

    title: str
    parts: tuple[str, ...]
    level: int = 2


def paragraph(text: str, *, note: bool = False) -> str:
    """A paragraph; a `note` stands out."""
    mark = ' class="note"' if note else ""
    return f"<p{mark}>{escape(text)}</p>"


def items(texts: Sequence[str]) -> str:
    """A list."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def output(text: str) -> str:
    """Text with aligned columns, as it is printed."""
    return f"<pre>{escape(text)}</pre>"


def _cell(value: Any, digits: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return escape(str(value))
    if number != number:
        return ""
    return f"{number:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def table(frame: pd.DataFrame, *, caption: str = "", digits: int = 3) -> str:
    """A data frame as a table in the manner of a journal; no index; nan is an empty cell."""
    numeric = [frame[c].dtype.kind in "fiub" for c in frame.columns]
    kinds = ["" if number else ' class="text"' for number in numeric]
    head = "".join(
        f"<th{kind}>{escape(str(c))}</th>" for c, kind in zip(frame.columns, kinds, strict=True)
    )
    rows = []
    for row in frame.itertuples(index=False):
        cells = [
            _cell(v.item() if hasattr(v, "item") else v, digits)
            if number
            else escape("" if v != v else str(v))
            for v, number in zip(row, numeric, strict=True)
        ]
        rows.append(
            "<tr>"
            + "".join(f"<td{kind}>{c}</td>" for c, kind in zip(cells, kinds, strict=True))
            + "</tr>"
        )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def picture(figure: Figure | SubFigure, *, caption: str) -> str:
    """A figure as a PNG inside the page; the figure is closed."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    assert isinstance(figure, mpl.figure.Figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight")
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    width = round(figure.get_size_inches()[0] * PIXELS)
    return (
        f'<figure><img width="{width}" alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The whole page with a table of contents."""
    links, body = [], []
    for k, section in enumerate(sections):
        name = f"s{k}"
        if section.level == 2:
            links.append(f'<a href="#{name}">{escape(section.title)}</a><br>')
        heading = f'<h{section.level} id="{name}">{escape(section.title)}</h{section.level}>'
        body.append("\n".join([heading, *section.parts]))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(subtitle)}</p>\n<nav>{''.join(links)}</nav>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
