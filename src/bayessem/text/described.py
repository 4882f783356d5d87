"""Results that describe themselves: one document, shown by `print`, a prompt or a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod

from bayessem.text.document import Document
from bayessem.text.html import notebook_html
from bayessem.text.terminal import document_text, terminal_width

# Lines of a screen that a value at the prompt takes.
SCREEN = 24
COLUMNS = 100


class Described(ABC):
    """Base of results: they say once, in `document`, what they are.

    A dataclass that derives from it is declared with `repr=False`, so that `repr` is the one
    screen here and not every array that it holds.
    """

    @abstractmethod
    def document(self) -> Document:
        """What the result says: headings, paragraphs, tables, notes."""

    def __str__(self) -> str:
        return document_text(self.document(), width=terminal_width())

    def __repr__(self) -> str:
        lines = document_text(self.document(), width=terminal_width() or COLUMNS).split("\n")
        if len(lines) <= SCREEN:
            return "\n".join(lines)
        left = len(lines) - (SCREEN - 2)
        return "\n".join([*lines[: SCREEN - 2], f"... {left} more lines; print() shows them."])

    def _repr_html_(self) -> str:
        return notebook_html(self.document())
