"""Numbers as text: rounded in one place."""

from __future__ import annotations

import math
import re

# A hyphen that is a minus: before a digit, and not inside a word or a date.
MINUS = re.compile(r"(?<![\w.])-(?=\.?\d)")


def number(value: float, digits: int = 3) -> str:
    """A number for a table; empty when it is undefined."""
    if math.isnan(value):
        return ""
    text = f"{value:.{digits}f}"
    return text if text.strip("-0.") else text.removeprefix("-")  # no -0.00


def bounded(value: float, digits: int = 2) -> str:
    """A number that cannot exceed 1, as APA has it: without the zero before the point."""
    return number(value, digits).replace("0.", ".", 1) if abs(value) < 1 else number(value, digits)


def raw_number(value: float, sd: float) -> str:
    """A number in units of the data: three decimals, or three digits where those say nothing."""
    if math.isnan(value):
        return ""
    if 0.0 < sd < 0.001 or abs(value) >= 1e6:
        return f"{value:.3g}"
    return number(value)


def minus_signs(text: str) -> str:
    """Numbers with minus signs instead of hyphens."""
    return MINUS.sub("\N{MINUS SIGN}", text)


def typeset(text: str) -> str:
    """Prose as print has it: minus signs, plus-minus signs and arrows."""
    return minus_signs(text.replace("+-", "\N{PLUS-MINUS SIGN}")).replace(
        "->", "\N{RIGHTWARDS ARROW}"
    )
