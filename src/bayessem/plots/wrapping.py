"""Long names broken into lines that fit, and how many inches a text takes, without drawing it."""

from __future__ import annotations

import re
import unicodedata

# Of an em, in DejaVu Sans and with a little to spare: narrow characters, most letters, broad ones,
# and characters of East Asian scripts.
NARROW, LETTER, BROAD, WIDE = 0.36, 0.61, 0.8, 1.15
THIN, THICK = frozenset(" .,:;!|'()[]/ijlft"), frozenset("mwMWQOGDHNU%@→×")
LINE = 1.4
# Bold letters are this much wider.
BOLD = 1.12
# Where a text may be broken: after blanks and, inside names, after underscores and strokes; at
# wide characters anywhere. A name for a probability, "P(slope > 0) = .5", stays together.
PARTS = re.compile(r"[=<>] \S+\s*|P\([^)]*\)\s*|(?:[^\s_/]|/(?!\w))*(?:[_/](?=\w)|\s+|_+)|\S+")


def _width(text: str) -> float:
    """Width in em, roughly and rather too much than too little."""
    return sum(
        0.0
        if unicodedata.combining(c)
        else WIDE
        if unicodedata.east_asian_width(c) in "WF"
        else NARROW
        if c in THIN
        else BROAD
        if c in THICK
        else LETTER
        for c in text
    )


def inches(text: str, size: float) -> float:
    """Width of the widest line of a text in inches, at a font size in points."""
    return max(_width(line) for line in text.split("\n")) * size / 72


def line_height(size: float) -> float:
    """Height of a line in inches, at a font size in points."""
    return LINE * size / 72


def wrapped(text: str, width: float, size: float) -> str:
    """The text in lines of at most `width` inches; lines that it has already are kept apart."""
    most = max(width * 72 / size, 4 * LETTER)
    return "\n".join(line for given in text.split("\n") for line in _lines(given, most))


def _lines(text: str, most: float) -> list[str]:
    lines = [""]
    for part in _parts(text, most):
        if lines[-1] and _width((lines[-1] + part).rstrip()) > most:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]


def _parts(text: str, most: float) -> list[str]:
    """Pieces that stay together: words, wide characters, and what is left of words too long."""
    out = []
    words = PARTS.findall(text)
    words = [
        w
        for word in words
        for w in (re.findall(r"\S+\s*", word) if _width(word) > most else [word])
    ]
    for word in words:
        piece = ""
        for c in word:
            wide = unicodedata.east_asian_width(c) in "WF"
            if piece and (wide or _width(piece + c) > most):
                out.append(piece)
                piece = ""
            piece += c
        out.append(piece)
    return out
