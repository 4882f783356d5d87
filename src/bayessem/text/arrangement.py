"""Columns that have to fit: how wide they are, which break their lines, which stand below."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bayessem.text.document import Table

# Characters that a column of text keeps at least where there is not room for all.
NARROWEST = 12
# Between two columns.
GAP = 2


# Of letters, in digits of the same font.
CAPITAL = 1.4
WIDTHS = {
    **dict.fromkeys("mwMW~=<>%", 1.6),
    **dict.fromkeys("ijlft.,:;'|()[]!/- ", 0.65),
    **dict.fromkeys("IJS", 1.0),
}


def text_width(text: str) -> int:
    """Columns of a terminal that a text takes: two a Chinese, Japanese or Korean character."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def printed_width(text: str) -> int:
    """Digits of a proportional font that a text takes: capitals are wider, dots narrower."""
    wide = text_width(text) - len(text)  # of Chinese, Japanese and Korean
    return math.ceil(wide + sum(WIDTHS.get(c, CAPITAL if c.isupper() else 1.0) for c in text))


def beside(widths: Sequence[int], keys: int, room: int | None, *, gap: int) -> list[list[int]]:
    """Columns that stand beside each other, part by part; those that name the row in each.

    Parameters
    ----------
    widths : sequence of int
        Characters of each column.
    keys : int
        How many of the first columns name the row.
    room : int or None
        Characters there are; None: as many as needed.
    gap : int
        Characters between columns.
    """
    everything = list(range(len(widths)))
    total = sum(widths) + gap * (len(widths) - 1)
    if room is None or total <= room:
        return [everything]
    lead, rest = everything[:keys], everything[keys:]
    used = sum(widths[i] for i in lead) + gap * (keys - 1)
    out: list[list[int]] = [[]]
    free = room - used
    for i in rest:
        need = widths[i] + gap
        if need > free and out[-1]:
            out.append([])
            free = room - used
        out[-1].append(i)
        free -= need
    return [[*lead, *part] for part in out]


@dataclass(frozen=True)
class Arranged:
    """A table on a page.

    Attributes
    ----------
    parts : list of list of int
        Columns that stand beside each other; more than one part where they do not all fit.
    widths : list of int
        Digits of print that each column takes.
    broken : list of bool
        Which columns have to break their lines.
    """

    parts: list[list[int]]
    widths: list[int]
    broken: list[bool]

    @property
    def characters(self) -> int:
        """Of the widest part, with what is between its columns."""
        return max(sum(self.widths[i] + GAP for i in part) for part in self.parts)


def arranged(table: Table, room: int) -> Arranged:
    """Fit a table into so many digits of print: heads of numbers break between words, then texts.

    Numbers never do.
    """
    cells = [_widest(c.written()) for c in table.columns]
    heads = [_widest((c.title,)) for c in table.columns]
    natural = [max(pair) for pair in zip(cells, heads, strict=True)]
    excess = sum(natural) + GAP * len(natural) - room
    numbers = {
        i: max(cells[i], _widest(column.title.split()))
        for i, column in enumerate(table.columns)
        if column.format.right
    }
    widths, excess = _narrowed(natural, numbers, excess)
    texts = {i: NARROWEST for i, column in enumerate(table.columns) if not column.format.right}
    widths, _ = _narrowed(widths, texts, excess)
    broken = [w < n for w, n in zip(widths, natural, strict=True)]
    return Arranged(beside(widths, table.keys, room, gap=GAP), widths, broken)


def _widest(texts: Iterable[str]) -> int:
    """Of the lines of some texts."""
    return max((printed_width(line) for text in texts for line in text.split("\n")), default=0)


def _narrowed(
    widths: Sequence[int], least: Mapping[int, int], excess: int
) -> tuple[list[int], int]:
    """Take what is too much from the widest of some columns alike, and what is left of it."""

    def cut(limit: int) -> list[int]:
        return [min(w, max(limit, least[i])) if i in least else w for i, w in enumerate(widths)]

    out, left = list(widths), excess
    for limit in range(max(widths, default=0), -1, -1):
        if left <= 0:
            break
        out = cut(limit)
        left = excess - (sum(widths) - sum(out))
    return out, left
