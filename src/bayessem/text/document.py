"""What a result says about itself, once: headings, paragraphs, tables, notes, figures.

Renderers make text for the terminal (`text/terminal.py`), HTML, LaTeX, Word and Excel of it. A
table keeps its values; its columns say how they are written (`text/formats.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bayessem.text.formats import TEXT, Format

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure


@dataclass(frozen=True)
class Heading:
    """A heading.

    Attributes
    ----------
    text : str
    level : int
        1 for the title of the whole, 2 for a section, 3 for a part of one.
    """

    text: str
    level: int = 1


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of prose; a `warning` stands out where the medium can."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Lines:
    """Sentences that stand below each other without space between them."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Items:
    """A list."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Notes:
    """What a reader must know besides."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Verbatim:
    """Text that keeps its line breaks: a model, a call."""

    text: str


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title : str
    cells : sequence
        A value a row, as the format takes it.
    format : Format
        How they are written.
    """

    title: str
    cells: Sequence[Any]
    format: Format = TEXT

    def written(self) -> list[str]:
        """The cells as text."""
        return [self.format.write(cell) for cell in self.cells]


@dataclass(frozen=True)
class Table:
    """A table; its first columns, those of text, name the row.

    Attributes
    ----------
    columns : tuple of Column
    title : str
    key : str
        What `numbering.reference` calls it by.
    """

    columns: tuple[Column, ...]
    title: str = ""
    key: str = ""

    @property
    def keys(self) -> int:
        """How many of the first columns name the row; at least one."""
        count = 0
        for column in self.columns:
            if column.format.right:
                break
            count += 1
        return max(count, 1)

    def without_empty(self) -> Table:
        """The table without columns in which nothing is written."""
        kept = tuple(c for c in self.columns if any(c.written()))
        return Table(kept, self.title, self.key)


@dataclass(frozen=True)
class Figure:
    """A figure that is drawn when it is shown.

    Attributes
    ----------
    draw : callable
        Returns a matplotlib figure.
    caption : str
    key : str
        What `numbering.reference` calls it by.
    alternative : str
        What a reader who cannot see it is told; the caption where nothing is given.
    """

    draw: Callable[[], MatplotlibFigure]
    caption: str
    key: str = ""
    alternative: str = ""


Block = Heading | Paragraph | Lines | Items | Notes | Verbatim | Table | Figure


@dataclass(frozen=True)
class Document:
    """Blocks in their order; blocks that say nothing are left out."""

    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, *blocks: Block | Iterable[Block] | None) -> Document:
        """A document of blocks and groups of blocks; None is nothing."""
        found: list[Block] = []
        for block in blocks:
            if block is None:
                continue
            if isinstance(
                block, Heading | Paragraph | Lines | Items | Notes | Verbatim | Table | Figure
            ):
                found.append(block)
            else:
                found += list(block)
        return cls(tuple(block for block in found if not _empty(block)))

    def within(self, level: int) -> tuple[Block, ...]:
        """The blocks as a part of a larger document, its highest heading one of this level."""
        highest = min((b.level for b in self.blocks if isinstance(b, Heading)), default=1)
        return tuple(
            Heading(b.text, b.level - highest + level) if isinstance(b, Heading) else b
            for b in self.blocks
        )

    def sentences(self) -> list[str]:
        """What it says besides its tables and figures, a sentence or paragraph each."""
        out: list[str] = []
        for block in self.blocks:
            match block:
                case Heading(text) | Paragraph(text) | Verbatim(text):
                    out.append(text)
                case Lines(texts) | Items(texts) | Notes(texts):
                    out += texts
        return out


def _empty(block: Block) -> bool:
    if isinstance(block, Lines | Items | Notes):
        return not block.texts
    if isinstance(block, Paragraph | Verbatim | Heading):
        return not block.text
    return isinstance(block, Table) and not (block.columns and len(block.columns[0].cells))
