"""Results that describe themselves: one document, shown by `print`, a prompt or a notebook.

The same document becomes a file for a paper: HTML, LaTeX, Word, Excel; and JSON for programs.
Renderers are imported when something is shown, so that `import bayessem` does not wait for them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bayessem.errors import NotSupported
from bayessem.text.document import Document

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pandas as pd

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

    def to_frame(self) -> pd.DataFrame:
        """The result as a data frame: its `table` where it has one, with all rows and columns.

        Of a result without, the first table that `print` shows, its numbers unrounded and its
        intervals as two columns; where it shows none, its sentences in a column "text".

        Returns
        -------
        DataFrame
            A copy; changes to it leave the result as it is.
        """
        import pandas as pd

        from bayessem.text.frame import document_frame

        table = getattr(self, "table", None)
        return table.copy() if isinstance(table, pd.DataFrame) else document_frame(self.document())

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """The result as HTML.

        Parameters
        ----------
        path : path, optional
            Write a page of its own there, which needs no other file.

        Returns
        -------
        str
            Elements with a style sheet, as a notebook shows them; with `path` the page.

        Raises
        ------
        FitError
            When the file cannot be written, or its name does not end in .html or .htm.
        """
        from bayessem.disk import require_writable, write_whole
        from bayessem.text.glossary import with_notes
        from bayessem.text.html import notebook_html, page_html

        if path is None:
            return notebook_html(with_notes(self.document()))
        target = require_writable(path, "the result", suffixes=(".html", ".htm"))
        text = page_html(with_notes(self.document()), title=type(self).__name__)
        write_whole(target, text, "the result")
        return text

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The result as JSON: `type`, `table` (rows of `to_frame`) and `document`.

        Parameters
        ----------
        path : path, optional
            Write it there, too.

        Returns
        -------
        str
            Numbers are unrounded; what is undefined is null, an infinite number "inf" or "-inf".

        Raises
        ------
        FitError
            When the file cannot be written, or its name does not end in .json.
        """
        from bayessem.disk import require_writable, write_whole
        from bayessem.text.json import json_text, result_object

        target = None
        if path is not None:
            target = require_writable(path, "the result", suffixes=(".json",))
        kind = type(self).__name__
        text = json_text(result_object(kind, self.to_frame(), self.document()))
        if target is not None:
            write_whole(target, text, "the result")
        return text

    def to_latex(self, path: str | os.PathLike[str] | None = None) -> str:
        r"""The result as LaTeX, to be put into a paper.

        Parameters
        ----------
        path : path, optional
            Write it there, too, for an `\input`.

        Returns
        -------
        str
            Tables with the rules of booktabs, and prose; the packages that it needs are named in
            its first line. All names are escaped.

        Raises
        ------
        FitError
            When the file cannot be written, or its name does not end in .tex.
        """
        from bayessem.disk import require_writable, write_whole
        from bayessem.text.glossary import with_notes
        from bayessem.text.latex import fragment_latex

        target = None
        if path is not None:
            target = require_writable(path, "the result", suffixes=(".tex",))
        text = fragment_latex(with_notes(self.document()))
        if target is not None:
            write_whole(target, text, "the result")
        return text

    def to_word(self, path: str | os.PathLike[str]) -> Path:
        """Write the result as a Word file: tables in APA's style with captions and notes.

        Parameters
        ----------
        path : path
            Ends in .docx.

        Returns
        -------
        Path
            Where it is.

        Raises
        ------
        FitError
            When the file cannot be written, its name does not end in .docx, or python-docx is not
            installed (the extra `word`).
        """
        from bayessem.disk import require_writable, write_whole
        from bayessem.text.glossary import with_notes
        from bayessem.text.word import document_word, require_word

        require_word()
        target = require_writable(path, "the result", suffixes=(".docx",))
        content = document_word(with_notes(self.document()))
        return write_whole(target, content, "the result")

    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write the result as an Excel workbook: a sheet a table, with numbers in its cells.

        Parameters
        ----------
        path : path
            Ends in .xlsx.

        Returns
        -------
        Path
            Where it is.

        Raises
        ------
        FitError
            When the file cannot be written, its name does not end in .xlsx, or openpyxl is not
            installed (the extra `files`).
        """
        from bayessem.disk import require_writable, write_whole
        from bayessem.text.spreadsheet import document_excel, require_excel

        require_excel()
        target = require_writable(path, "the result", suffixes=(".xlsx",))
        return write_whole(target, document_excel(self.document()), "the result")

    def __str__(self) -> str:
        from bayessem.text.terminal import document_text, terminal_width

        return document_text(self.document(), width=terminal_width())

    def __repr__(self) -> str:
        from bayessem.text.terminal import document_text, terminal_width

        lines = document_text(self.document(), width=terminal_width() or COLUMNS).split("\n")
        if len(lines) <= SCREEN:
            return "\n".join(lines)
        left = len(lines) - (SCREEN - 2)
        return "\n".join([*lines[: SCREEN - 2], f"... {left} more lines; print() shows them."])

    def _repr_html_(self) -> str:
        from bayessem.text.html import notebook_html

        return notebook_html(self.document())
