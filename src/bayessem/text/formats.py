"""How values are written: the one place where numbers are rounded and joined to intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bayessem.text.numbers import number, raw_number


@dataclass(frozen=True)
class Format:
    """How the cells of a column are written.

    Attributes
    ----------
    write : callable
        A cell as text; "" when it is undefined. A minus is a hyphen here: renderers that can write
        a minus sign put one into columns of numbers.
    right : bool
        Aligned to the right, as numbers are.
    """

    write: Callable[[Any], str]
    right: bool = True


def interval_text(ends: tuple[float, float], digits: int = 3) -> str:
    """An interval, "[0.12, 0.34]"; "" when it is undefined."""
    lower, upper = ends
    if math.isnan(lower) or math.isnan(upper):
        return ""
    return f"[{number(lower, digits)}, {number(upper, digits)}]"


def estimate_text(cell: tuple[float, float, float], digits: int = 3) -> str:
    """A value with its interval, "0.23 [0.12, 0.34]"; "" when it is undefined."""
    value, lower, upper = cell
    return f"{number(value, digits)} {interval_text((lower, upper), digits)}".strip()


def _raw_interval(cell: tuple[float, float, float]) -> str:
    lower, upper, sd = cell
    if math.isnan(lower):
        return ""
    return f"[{raw_number(lower, sd)}, {raw_number(upper, sd)}]"


def fixed(digits: int) -> Format:
    """Numbers with so many decimals."""
    return Format(lambda value: number(value, digits))


def interval(digits: int = 3) -> Format:
    """Intervals; a cell is (lower, upper)."""
    return Format(lambda cell: interval_text(cell, digits))


TEXT = Format(str, right=False)
# Text under a heading of numbers.
WORD = Format(str)
NUMBER = fixed(3)
SHORT = fixed(2)
TENTHS = fixed(1)
COUNT = fixed(0)
INTERVAL = interval(3)
SHORT_INTERVAL = interval(2)
# Values with their intervals: a cell is (value, lower, upper).
ESTIMATE = Format(estimate_text)
SHORT_ESTIMATE = Format(lambda cell: estimate_text(cell, 2))
# In units of the data: a cell is (value, sd), or (lower, upper, sd).
RAW = Format(lambda cell: raw_number(*cell))
RAW_INTERVAL = Format(_raw_interval)
SHARE = Format(lambda value: f"{value:.0%}")
YES = Format(lambda value: "yes" if value else "no")


def shortened(longest: int) -> Format:
    """Text that ends in dots where it is longer than so many characters."""
    return Format(lambda x: x if len(x) <= longest else f"{x[: longest - 3].rstrip()}...", False)


def group_text(name: str, group: str) -> str:
    """A name with its group, "x1 ~~ x2 [high]"; alone where there are no groups."""
    return f"{name} [{group}]" if group else name


def percent_text(ci_prob: float) -> str:
    """A probability as it heads a column of intervals: "95 % interval"."""
    return f"{100 * ci_prob:g} % interval"
