"""Arguments of public calls, checked in one way: what each has to be, and what was given instead.

A text such as "false" is true for Python, and True is the number 1: neither is taken for what it
is not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable

import numpy as np

from bayessem.errors import BayessemError, FitError

Kind = type[BayessemError]
# Seeds that every generator here takes, with room for those that are derived from them.
LARGEST_SEED = 2**63


def shown(value: object) -> str:
    """A value as messages quote it, on one line and not longer than that."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def flag(name: str, value: object, error: Kind) -> bool:
    """Return True or False, Python's or NumPy's; anything else is an error of the given kind."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise error(f"{name} is True or False, not {shown(value)}")


def whole_number(
    name: str, value: object, error: Kind, *, least: int = 1, most: int | None = None
) -> int:
    """Return a whole number, Python's or NumPy's, between two ends.

    Parameters
    ----------
    name : str
        The argument.
    value : object
        What was given.
    error : type
        The error to raise, out of the family.
    least, most : int, optional
        What it may be; None: no end.
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise error(f"{name} is a whole number, not {shown(value)}") from None
    if number < least:
        wanted = "0 or more" if least == 0 else f"at least {least}"
        raise error(f"{name} has to be {wanted}, not {shown(number)}")
    if most is not None and number > most:
        raise error(f"{name} has to be at most {most:,}, not {shown(number)}")
    return number


def seed(value: object, error: Kind = FitError, *, name: str = "random_seed") -> int | None:
    """Return a seed of random numbers: a whole number from 0, or None."""
    if value is None:
        return None
    number = whole_number(name, value, error, least=0)
    if number >= LARGEST_SEED:
        raise error(f"{name} has to be below 2**63, not {shown(number)}")
    return number


def real_number(name: str, value: object, error: Kind) -> float:
    """Return a finite number, Python's or NumPy's."""
    try:
        if isinstance(value, bool | np.bool_ | str | bytes):
            raise TypeError
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise error(f"{name} is a number, not {shown(value)}") from None
    if not math.isfinite(number):
        raise error(f"{name} = {shown(value)} is not a finite number")
    return number


def between(name: str, value: object, error: Kind, low: float, high: float) -> float:
    """Return a number between two others, both left out."""
    number = real_number(name, value, error)
    if not low < number < high:
        raise error(f"{name} lies between {low:g} and {high:g}, not {shown(value)}")
    return number


def texts(name: str, value: object, error: Kind, *, example: str) -> tuple[str, ...]:
    """Return one text or several as a tuple of texts."""
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, Iterable) or isinstance(values, bytes):
        raise error(f"{name} is a text or a list of texts, such as {example}, not {shown(value)}")
    out = tuple(values)
    for one in out:
        if not isinstance(one, str):
            raise error(f"{name} holds texts, such as {example}, not {shown(one)}")
    return out
