"""What every result that describes itself has to show, for the tests of such results."""

import re
from html.parser import HTMLParser

from bayessem.text.described import SCREEN
from bayessem.text.document import Notes
from bayessem.text.html import minus_signs


class Elements(HTMLParser):
    """Fails for elements that are not closed in their order; keeps the text outside of styles."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        if tag not in ("br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += f"{data} "


def check(result, *numbers: str, parts: bool = False) -> None:
    """Text, screen and HTML contain the numbers; none is undefined or has a hyphen for a minus.

    Notes come last, but for those of results inside another (`parts`).
    """
    text, html = str(result), result._repr_html_()
    shown = Elements(html).text
    for one in numbers:
        assert one in text
        assert minus_signs(one) in shown
    assert len(repr(result).splitlines()) <= SCREEN
    assert repr(result).startswith(text[:40])
    assert not re.search(r"\bnan\b", text + shown)
    assert not re.search(r"(?<![\w.])-\d", shown)
    blocks = result.document().blocks
    if not parts and any(isinstance(block, Notes) for block in blocks):
        assert isinstance(blocks[-1], Notes)
