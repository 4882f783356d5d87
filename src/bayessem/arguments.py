"""Arguments of public calls, checked in one way: what each has to be, and what was given instead.

A text such as "false" is true for Python, and True is the number 1: neither is taken for what it
is not.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from bayessem.errors import ArgumentError, BayessemError, FitError, did_you_mean

Kind = type[BayessemError]
# Seeds that every generator here takes, with room for those that are derived from them.
LARGEST_SEED = 2**63
# Draws and replications that are asked for at once; more than memory holds.
MOST_DRAWS = 10_000_000


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


def probability(name: str, value: object, error: Kind = FitError) -> float:
    """Return a number between 0 and 1, both left out; 95 is answered with .95."""
    number = real_number(name, value, error)
    if not 0.0 < number < 1.0:
        percent = f": write {number / 100:g} for {number:g} %" if 1.0 < number < 100.0 else ""
        raise error(f"{name} lies between 0 and 1, not {shown(value)}{percent}")
    return number


def _count(name: str, value: object) -> int:
    return whole_number(name, value, FitError, most=MOST_DRAWS)


def _seed(name: str, value: object) -> int | None:
    return seed(value, name=name)


# The arguments that public calls have in common, and what each may be.
SHARED: dict[str, Callable[[str, Any], object]] = {
    "ci_prob": probability,
    "level": probability,
    "draws": _count,
    "replicas": _count,
    "bootstrap": _count,
    "new_groups": _count,
    "random_seed": _seed,
}


def bound_arguments(
    function: Callable[..., Any],
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> inspect.BoundArguments:
    """Arguments of a call by name.

    Raises
    ------
    ArgumentError
        Naming what the function does not take, or what it lacks, and what it takes.
    """
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as error:
        names = [name for name in signature.parameters if name != "self"]
        said = str(error)
        several = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
        strange = [] if several else [name for name in kwargs if name not in names]
        if strange:
            near = did_you_mean(strange[0], names)
            said = f"got an unexpected keyword argument {strange[0]!r}.{near}"
        elif lacking := _lacking(signature, args, kwargs):
            said = f"needs {' and '.join(lacking)}"
        where = function.__qualname__.removesuffix(".__init__")
        end = "" if said.endswith((".", "?")) else "."
        takes = ", ".join(names)
        raise ArgumentError(f"{where}() {said}{end} Its arguments: {takes}") from None


def _lacking(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[str]:
    """Arguments without a default that a call does not give."""
    needed = [
        p
        for p in signature.parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    by_place = [p.name for p in needed if p.kind is not p.KEYWORD_ONLY][: len(args)]
    return [p.name for p in needed if p.name not in kwargs and p.name not in by_place]


def check_shared[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: arguments out of `SHARED` are checked before anything else is done.

    None is let through where it is the default, a NumPy generator where the annotation has it.
    What a call that samples does with its draws is for `Sampling` to judge.
    """
    signature = inspect.signature(function)
    given = signature.parameters
    mine = {name: how for name, how in SHARED.items() if name in given}
    if "chains" in given:
        mine.pop("draws", None)

    @functools.wraps(function)
    def checking(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = bound_arguments(function, signature, args, kwargs)
        for name in [name for name in mine if name in bound.arguments]:
            value = bound.arguments[name]
            if value is None and given[name].default is None:
                continue
            annotation = str(given[name].annotation)
            if isinstance(value, np.random.Generator) and "Generator" in annotation:
                continue
            bound.arguments[name] = mine[name](name, value)
        return function(*bound.args, **bound.kwargs)

    return checking
