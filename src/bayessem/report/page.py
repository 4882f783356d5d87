"""The report's page: a document with a table of contents; styles inside, nothing fetched."""

from __future__ import annotations

from html import escape

from bayessem.text.document import Document, Heading
from bayessem.text.html import block_html

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 Georgia, "Times New Roman", serif; color: #222; max-width: 60rem;
  margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .3rem; }
h2 { font-size: 1.25rem; margin-top: 2.4rem; border-bottom: 1px solid #ccc; }
h3 { font-size: 1.05rem; margin-top: 1.6rem; }
h4 { font-size: 1rem; font-weight: 600; margin-top: 1.2rem; }
nav { columns: 2; font-size: .95rem; }
nav a, a { color: #0072B2; text-decoration: none; }
table { border-collapse: collapse; font-size: .87rem; margin: .8rem 0; border-top: 1.5px solid #222;
  border-bottom: 1.5px solid #222; font-variant-numeric: tabular-nums lining-nums; }
th { text-align: right; font-weight: 600; border-bottom: 1px solid #222; padding: .2rem .6rem;
  vertical-align: bottom; }
td { text-align: right; padding: .12rem .6rem; white-space: nowrap; vertical-align: top; }
th.text, td.text { text-align: left; white-space: normal; }
caption { text-align: left; font-style: italic; padding: .3rem 0; }
pre { font: 12.5px/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  background: #f7f7f7; padding: .7rem .9rem; overflow-x: auto; }
figure { margin: 1rem 0; }
img { max-width: 100%; }
figcaption { font-size: .87rem; color: #555; }
.scroll { overflow-x: auto; }
.notes { font-size: .92rem; color: #444; }
.warning { border-left: 3px solid #D55E00; padding: .1rem .8rem; background: #fdf6f1; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } h2 { break-after: avoid; }
  table, figure { break-inside: avoid; } pre { white-space: pre-wrap; } }
"""


def page(title: str, subtitle: str, document: Document) -> str:
    """The whole page; its contents are the headings of level 2."""
    links, body = [], []
    for k, block in enumerate(document.blocks):
        if isinstance(block, Heading) and block.level == 2:
            links.append(f'<a href="#s{k}">{escape(block.text)}</a><br>')
            body.append(f'<h2 id="s{k}">{escape(block.text)}</h2>')
        else:
            body.append(block_html(block))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(subtitle)}</p>\n<nav>{''.join(links)}</nav>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
