"""What mkdocs does beyond its plugins: formulas as MathML, files of the repository as pages.

Browsers draw MathML by themselves, so that no script has to be fetched from anywhere.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">\s*\\([(\[])(.*?)\\[)\]]\s*</\1>', re.DOTALL)
TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
# A page that is a file of the repository: <!-- file CHANGELOG.md -->
INCLUDE = re.compile(r"<!-- file (\S+) -->")
LINK = re.compile(r"\[([^\]\n]*)\]\((?!https?:|#)([^)\s]+)\)")
ROOT = Path(__file__).resolve().parents[1]
# Pages that a generator writes beside the others: in the navigation where they are there.
GENERATED = {"errors.md": "Catalogue of errors"}


def on_config(config: Any) -> Any:
    """Take generated pages into the navigation where they exist."""
    for name, title in GENERATED.items():
        there = Path(config["docs_dir"], name).exists()
        if there and name not in str(config["nav"]):
            for chapter in config["nav"]:
                if "Reference" in chapter:
                    chapter["Reference"].append({title: name})
    return config


def on_page_content(content: str, **_: Any) -> str:
    """Formulas as MathML; tables in boxes that scroll by themselves."""
    content = FORMULA.sub(_mathml, content)
    return TABLE.sub(r'<div class="wide" tabindex="0">\g<0></div>', content)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the files of the repository in their places."""
    return INCLUDE.sub(_included, markdown)


def _included(found: re.Match[str]) -> str:
    """A file without its heading, which the page has; its links as seen from docs/."""
    text = (ROOT / found[1]).read_text(encoding="utf-8")
    return LINK.sub(_from_docs, text.split("\n", 1)[1])


def _from_docs(link: re.Match[str]) -> str:
    words, target = link.groups()
    if target.startswith("docs/"):
        return f"[{words}]({target.removeprefix('docs/')})"
    return words  # a file that is no page


def _mathml(found: re.Match[str]) -> str:
    display = "inline" if found[2] == "(" else "block"
    return convert(html.unescape(found[3]).strip(), display=display)
