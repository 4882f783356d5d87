"""Fonts that have the characters of every text: names in any script are drawn, not boxes."""

from __future__ import annotations

import functools
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayessem.errors import BayessemWarning, outside

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# Matplotlib's font of boxes, for what no other font has. Named as a family of a text it is used
# without a warning for every character at every drawing.
BOXES = "Last Resort High-Efficiency"
# Preferred among the fonts that have a character, in this order; any other after them.
SANS = (
    "DejaVu Sans", "Noto Sans", "Source Han Sans", "WenQuanYi", "Microsoft YaHei", "SimHei",
    "PingFang", "Hiragino Sans", "Yu Gothic", "Meiryo", "Malgun Gothic", "Apple SD Gothic Neo",
    "NanumGothic", "Segoe UI", "Tahoma", "Arial Unicode MS", "Nirmala UI", "Liberation Sans",
)  # fmt: skip
MENTIONED = 12

_told: set[str] = set()


def with_glyphs(figure: Figure) -> None:
    """Give each text of a figure, after its own fonts, those that have its other characters.

    Characters that no font known to matplotlib has stay boxes; one warning names them.
    """
    from matplotlib.text import Text

    for ax in figure.axes:  # so that the labels of all ticks exist
        ax.get_xticklabels(), ax.get_yticklabels()
    lost: set[str] = set()
    for text in figure.findobj(Text):
        lost |= _complete(text)
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            families = {tuple(t.get_fontfamily()) for t in axis.get_ticklabels()}
            if len(families) > 1 or any(len(f) > 1 for f in families):
                # ticks that are made later, when the axes are drawn or changed, have them too
                most = max(families, key=len)
                axis.set_tick_params(labelfontfamily=list(most))
    new = lost - _told
    if new:
        _told.update(new)
        _tell(sorted(new))


def _complete(text: Text) -> set[str]:
    """Add families to a text; the characters that none has."""
    from matplotlib import font_manager

    needed = {c for c in text.get_text() if not c.isspace() and unicodedata.category(c) != "Cf"}
    if not needed or (needed <= _ASCII and not _own_fonts(text)):
        return set()
    families = list(text.get_fontfamily())
    missing = needed - _characters(families)
    if not missing:
        return set()
    installed = len(font_manager.fontManager.ttflist)
    added, lost = _families_for("".join(sorted(missing)), installed)
    if lost and _add_new_fonts():
        installed = len(font_manager.fontManager.ttflist)
        added, lost = _families_for("".join(sorted(missing)), installed)
    if lost and BOXES in _known():
        added = (*added, BOXES)
    elif lost:  # matplotlib before 3.11
        codes = "|".join(str(ord(c)) for c in lost)
        warnings.filterwarnings("ignore", rf"Glyph ({codes}) .* missing from font")
    text.set_fontfamily([*families, *(a for a in added if a not in families)])
    if text.get_fontweight() == "bold" and not all(map(_has_bold, added)):
        text.set_fontweight("normal")  # or matplotlib's log says at every drawing that it is not
    return set(lost)


@functools.cache
def _add_new_fonts() -> bool:
    """Add fonts that were installed after matplotlib wrote its list, once; whether there are any.

    Matplotlib keeps that list for all processes and does not look again.
    """
    from matplotlib import font_manager

    manager = font_manager.fontManager
    known = {Path(entry.fname) for entry in manager.ttflist}
    before = len(manager.ttflist)
    for path in sorted(map(Path, font_manager.findSystemFonts())):
        if path not in known:
            try:
                manager.addfont(path)
            except (OSError, RuntimeError):  # bitmaps only, or not readable
                continue
    return len(manager.ttflist) > before


_ASCII = {chr(k) for k in range(33, 127)}


def _own_fonts(text: Text) -> bool:
    """Whether the user chose fonts, which may lack even a letter or a digit."""
    return text.get_fontfamily() != ["sans-serif"]


def _known() -> dict[str, str]:
    """Families that matplotlib knows now, each with the file of its regular face."""
    from matplotlib import font_manager

    out: dict[str, str] = {}
    for entry in font_manager.fontManager.ttflist:
        plain = entry.style == "normal" and entry.weight in (400, "normal", "regular", "book")
        if plain or entry.name not in out:
            out[entry.name] = entry.fname
    return out


def _has_bold(family: str) -> bool:
    from matplotlib import font_manager

    faces = [e.weight for e in font_manager.fontManager.ttflist if e.name == family]
    return any(w in ("bold", "semibold") or (isinstance(w, int) and w >= 600) for w in faces)


@functools.cache
def _glyphs(path: Any) -> frozenset[str]:
    """Characters of a font's file; none when it cannot be read or has only bitmaps."""
    from matplotlib import font_manager

    try:
        font: Any = font_manager.get_font(path)
        return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
    except (OSError, RuntimeError):
        return frozenset()


def _characters(families: list[str]) -> frozenset[str]:
    """Characters of the fonts that matplotlib finds for these families, generic ones included."""
    from matplotlib import font_manager

    out: frozenset[str] = frozenset()
    for family in families:
        named = font_manager.FontProperties(family=[family])
        try:
            found = font_manager.findfont(named, fallback_to_default=False)
        except ValueError:  # not installed: matplotlib goes on to the next
            continue
        out = out | _glyphs(found) if out else _glyphs(found)
    return out


@functools.cache
def _families_for(missing: str, installed: int) -> tuple[tuple[str, ...], str]:
    """The fewest families that have the characters, preferred ones first, and what none has.

    installed : how many fonts matplotlib knows; a font that is added later counts.
    """
    known = _known()
    ordered = [family for family in sorted(known, key=_preference) if family != BOXES]
    left, chosen = set(missing), []
    while left:
        found = {family: len(left & _glyphs(known[family])) for family in ordered}
        best = max(ordered, key=found.__getitem__, default="")
        if not best or not found[best]:
            break
        chosen.append(best)
        left -= _glyphs(known[best])
    return tuple(chosen), "".join(sorted(left))


def _preference(family: str) -> tuple[int, bool, str]:
    place = next((k for k, name in enumerate(SANS) if family.startswith(name)), len(SANS))
    return place, any(word in family for word in ("Mono", "Serif", "Display", "Light")), family


def _tell(lost: list[str]) -> None:
    named = " ".join(lost[:MENTIONED]) + (" ..." if len(lost) > MENTIONED else "")
    warnings.warn(
        f"no installed font has {len(lost)} character{'s' if len(lost) > 1 else ''} of the names "
        f"in a figure, drawn as boxes: {named} ({_scripts(lost)}). Install a font that has them, "
        "such as Noto Sans CJK for Chinese, Japanese and Korean (fonts-noto-cjk on Debian and "
        "Ubuntu), and start Python again; or name the file of one: "
        "matplotlib.font_manager.fontManager.addfont(path).",
        BayessemWarning,
        stacklevel=outside(),
    )


def _scripts(characters: Iterable[str]) -> str:
    """First words of the characters' Unicode names: CJK, HANGUL, HIRAGANA."""
    names = {unicodedata.name(c, "unnamed").split()[0] for c in characters}
    return ", ".join(sorted(names))
