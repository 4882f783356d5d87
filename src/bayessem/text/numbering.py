"""Numbers of tables and figures, their captions, and references to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bayessem.text.document import Document, Figure, Heading, Table

# A reference inside a text, between two characters that no text of a user's has.
OPEN, CLOSE = "\ue000", "\ue001"
REFERENCE = re.compile(f"{OPEN}(.*?){CLOSE}")


def reference(key: str) -> str:
    """What stands in a text for "Table 3": renderers make the number, and a link, of it."""
    return f"{OPEN}{key}{CLOSE}"


@dataclass(frozen=True)
class Place:
    """A table or figure in its document.

    Attributes
    ----------
    kind : str
        Table or Figure.
    number : int
        From 1.
    caption : str
        Its title; of a table without one the heading above it.
    """

    kind: str
    number: int
    caption: str

    @property
    def label(self) -> str:
        """As a text names it: "Table 3"."""
        return f"{self.kind} {self.number}"

    @property
    def anchor(self) -> str:
        """As links name it: "table-3"."""
        return f"{self.kind.lower()}-{self.number}"


@dataclass(frozen=True)
class Numbering:
    """Places of all tables and figures, by their position in the document and by their key."""

    places: Mapping[int, Place]
    keys: Mapping[str, Place]

    def pieces(self, text: str) -> Iterator[tuple[str, Place | None]]:
        """A text in pieces: words with None, "Table 3" with its place."""
        end = 0
        for found in REFERENCE.finditer(text):
            if found.start() > end:
                yield text[end : found.start()], None
            place = self.keys[found[1]]
            yield place.label, place
            end = found.end()
        if end < len(text):
            yield text[end:], None

    def plain(self, text: str) -> str:
        """A text with "Table 3" where it refers to a table or figure."""
        return "".join(piece for piece, _ in self.pieces(text)) if OPEN in text else text


NONE = Numbering({}, {})


def numbered_if_named(document: Document) -> Numbering:
    """The numbers of a document whose texts name its tables or figures; none of others."""
    named = any(OPEN in text for text in document.sentences())
    return numbered(document) if named else NONE


def numbered(document: Document) -> Numbering:
    """Count the tables and the figures of a document."""
    places: dict[int, Place] = {}
    keys: dict[str, Place] = {}
    counts = {"Table": 0, "Figure": 0}
    heading = ""
    for k, block in enumerate(document.blocks):
        if isinstance(block, Heading):
            heading = block.text
        elif isinstance(block, Table | Figure):
            kind = type(block).__name__
            counts[kind] += 1
            caption = block.caption if isinstance(block, Figure) else block.title or heading
            places[k] = Place(kind, counts[kind], caption)
            if block.key:
                keys[block.key] = places[k]
    return Numbering(places, keys)
