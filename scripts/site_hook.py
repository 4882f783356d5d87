"""What mkdocs does beyond its plugins: formulas as MathML, files of the repository as pages.

Browsers draw MathML by themselves, so that no script has to be fetched from anywhere.
"""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">\s*\\([(\[])(.*?)\\[)\]]\s*</\1>', re.DOTALL)
TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
# Long ones scroll.
BLOCK = '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"'
SEARCH = 'data-md-component="search" role="dialog"'
# A page that is a file of the repository: <!-- file CHANGELOG.md -->
INCLUDE = re.compile(r"<!-- file (\S+) -->")
LINK = re.compile(r"\[([^\]\n]*)\]\((?!https?:|#)([^)\s#]+)(#[^)\s]*)?\)")
ROOT = Path(__file__).resolve().parents[1]
# Files of the repository that are pages under another name.
PAGES = {
    "benchmarks/RESULTS.md": "speed.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "data/README.md": "data.md",
}
# Chapters of pages that mkdocs.yml does not name, such as those that a program writes.
CHAPTERS = {"howto": "How to", "methods": "Methods", "trust.md": "Evidence"}
ELSE = "Reference"


def on_config(config: Any) -> Any:
    """Put pages that the navigation does not name at the end of a chapter, by their headings."""
    chapters = {name: pages for one in config["nav"] for name, pages in one.items()}
    named = str(config["nav"])
    for path in sorted(Path(config["docs_dir"]).rglob("*.md")):
        name = path.relative_to(config["docs_dir"]).as_posix()
        if f"'{name}'" not in named:
            title = path.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ")
            where = CHAPTERS.get(name, CHAPTERS.get(name.split("/")[0], ELSE))
            chapters[where].append({title: name})
    return config


def on_page_content(content: str, **_: Any) -> str:
    """Formulas as MathML; tables in boxes that scroll by themselves, both by keys, too."""
    content = FORMULA.sub(_mathml, content).replace(BLOCK, f'{BLOCK} tabindex="0"')
    return TABLE.sub(r'<div class="wide" tabindex="0">\g<0></div>', content)


def on_post_page(output: str, **_: Any) -> str:
    """Name the theme's search, which is a dialog without a name to those who cannot see it."""
    return output.replace(SEARCH, f'{SEARCH} aria-label="Search"')


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Put the files of the repository in their places; see to links that lead out of docs/."""
    folder = (ROOT / "docs" / page.file.src_uri).parent
    markdown = LINK.sub(lambda link: _on_the_site(link, folder, folder), markdown)
    return INCLUDE.sub(lambda found: _included(found[1], folder), markdown)


def _included(name: str, folder: Path) -> str:
    """A file without its heading, which the page has; its links as seen from the page's folder."""
    path = ROOT / name
    text = path.read_text(encoding="utf-8").split("\n", 1)[1]
    return LINK.sub(lambda link: _on_the_site(link, path.parent, folder), text)


def _on_the_site(link: re.Match[str], start: Path, folder: Path) -> str:
    """A link of a text in `start`, as the page of a folder has to write it."""
    words, target, anchor = link[1], link[2], link[3] or ""
    path = (start / target).resolve()
    if not path.is_relative_to(ROOT):
        return link[0]
    name = path.relative_to(ROOT).as_posix()
    if name in PAGES:
        path = ROOT / "docs" / PAGES[name]
    elif not name.startswith("docs/"):
        return words  # a file that is no page
    return f"[{words}]({os.path.relpath(path, folder)}{anchor})"


def _mathml(found: re.Match[str]) -> str:
    display = "inline" if found[2] == "(" else "block"
    return convert(html.unescape(found[3]).strip(), display=display)
