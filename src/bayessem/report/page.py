"""The report's page: a document with its contents beside or above it; nothing is fetched."""

from __future__ import annotations

import base64
import re
from html import escape

from bayessem.text.document import Document, Heading
from bayessem.text.html import STYLE, block_html
from bayessem.text.numbering import numbered
from bayessem.text.numbers import typeset

# Light and dark by what the reader's system says; figures keep the paper that they are drawn on.
PAGE_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d1d1f; --quiet: #57575c;
  --line: #d5d5d9; --code: #f5f5f6; --link: #005a9c; --careful: #fdf3ec; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e6e6e4; --quiet: #b0b0ae;
  --line: #3b3e44; --code: #202328; --link: #7dbcf2; --careful: #33241b; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { font: 16px/1.55 Georgia, "Times New Roman", serif; color: var(--ink);
  background: var(--paper); margin: 0 auto; padding: 1.6rem 1.2rem 4rem; max-width: 84rem; }
main { min-width: 0; max-width: 58rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-bottom: .15rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.08rem; margin: 1.8rem 0 .4rem; }
h4 { font-size: 1rem; margin: 1.3rem 0 .3rem; }
h2, h3, b[id] { scroll-margin-top: 1rem; }
p, ul { max-width: 46rem; overflow-wrap: break-word; }
a { color: var(--link); }
nav { font-size: .93rem; margin: 1rem 0; }
nav summary { cursor: pointer; font-weight: 600; padding: .3rem 0; }
nav ol { list-style: none; margin: 0; padding: 0; }
nav li { margin: .12rem 0; }
nav a { display: block; padding: .12rem 0; text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--paper); padding: .4rem .8rem; }
.bayessem table { font-size: .9rem; }
.bayessem p.notes, figcaption { color: var(--quiet); }
.bayessem p.warning { background: var(--careful); padding: .4rem .8rem; }
pre { font: 12.5px/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  background: var(--code); padding: .7rem .9rem; overflow-x: auto; }
figure { margin: 1.4rem 0; }
img { max-width: 100%; height: auto; background: #fff; padding: .3rem; }
figcaption { font-size: .92rem; max-width: 46rem; }
@media (min-width: 72rem) { body { display: grid; grid-template-columns: 15rem minmax(0, 58rem);
  column-gap: 3rem; } header, main { grid-column: 2; } nav { grid-column: 1; grid-row: 1 / span 2;
  position: sticky; top: 1.2rem; align-self: start; max-height: 96vh; overflow-y: auto; } }
@media (max-width: 40rem) { body { padding: 1rem .9rem 3rem; } h1 { font-size: 1.45rem; }
  figure.wide { overflow-x: auto; } figure.wide img { max-width: none; width: 44rem; }
  .bayessem table { font-size: .82rem; } .bayessem td, .bayessem th { padding: .14em .4em; } }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --quiet: #333;
  --line: #999; --code: #fff; --link: #000; --careful: #fff; }
  body { display: block; max-width: none; font-size: 10.5pt; padding: 0; } nav, .skip {
  display: none; } h2, h3, caption { break-after: avoid; } tr, figure { break-inside: avoid; }
  thead { display: table-header-group; } .bayessem .scroll { overflow: visible; }
  pre { white-space: pre-wrap; border: 1px solid #999; } a { text-decoration: none; } }
"""
DOI = re.compile(r"https://doi\.org/[^\s<]+")


def page(title: str, subtitle: str, document: Document, *, bibtex: str = "") -> str:
    """The whole page; its contents are the headings of level 2.

    Parameters
    ----------
    title, subtitle : str
    document : Document
    bibtex : str
        References that the page offers as a file, which it holds.
    """
    numbering = numbered(document)
    links, body = [], []
    for k, block in enumerate(document.blocks):
        if isinstance(block, Heading) and block.level in (2, 3):
            text, level = escape(typeset(block.text)), block.level
            if level == 2:
                links.append(f'<li><a href="#s{k}">{text}</a></li>')
            body.append(f'<h{level} id="s{k}">{text}</h{level}>')
        else:
            body.append(block_html(block, numbering=numbering, place=numbering.places.get(k)))
        if bibtex and isinstance(block, Heading) and block.text == "References":
            body.append(_file(bibtex))
    text = DOI.sub(lambda doi: f'<a href="{doi[0]}">{doi[0]}</a>', "\n".join(body))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{PAGE_STYLE}</style></head>\n"
        '<body class="bayessem"><a class="skip" href="#report">To the report</a>\n'
        f"<header><h1>{escape(typeset(title))}</h1>\n<p>{escape(subtitle)}</p></header>\n"
        '<nav aria-label="Contents"><details open><summary>Contents</summary>'
        f"<ol>{''.join(links)}</ol></details></nav>\n"
        f'<main id="report">\n{text}\n</main></body></html>\n'
    )


def _file(bibtex: str) -> str:
    data = base64.b64encode(bibtex.encode("utf-8")).decode("ascii")
    return (
        '<p><a download="references.bib" '
        f'href="data:application/x-bibtex;base64,{data}">The same for BibTeX</a></p>'
    )
