"""Results that describe themselves: one document, shown by `print`, a prompt or a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from bayessem.errors import NotSupported
from bayessem.text.document import Document
from bayessem.text.html import notebook_html
from bayessem.text.terminal import document_text, terminal_width

# Lines of a screen that a value at the prompt takes.
SCREEN = 24
COLUMNS = 100

Figures = Mapping[type, Callable[..., Any]]
_sources: list[Callable[[], Figures]] = []


def draw_with(source: Callable[[], Figures]) -> None:
    """Say where `Described.plot` finds the function that draws a result of each type.

    Figures are in a room above the results, which therefore do not import them: the package hands
    them down, and `source` is called when the first figure is asked for.
    """
    _sources[:] = [source]


class Described(ABC):
    """Base of results: they say once, in `document`, what they are.

    A dataclass that derives from it is declared with `repr=False`, so that `repr` is the one
    screen here and not every array that it holds.
    """

    @abstractmethod
    def document(self) -> Document:
        """What the result says: headings, paragraphs, tables, notes."""

    def plot(self) -> Any:
        """The figure of the result, drawn by the function of `bayessem.plots` for its type.

        That function has the options: `bayessem.plots.plot_shape(result, group="west")`.

        Returns
        -------
        Axes or Figure
            Matplotlib's.

        Raises
        ------
        NotSupported
            For a result that has no figure, naming those that have one.
        """
        known = {kind: draw for source in _sources for kind, draw in source().items()}
        for kind in type(self).__mro__:
            if kind in known:
                return known[kind](self)
        names = ", ".join(sorted(kind.__name__ for kind in known))
        raise NotSupported(f"{type(self).__name__} has no figure; those with one: {names}")

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
