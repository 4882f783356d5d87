"""Every error and warning of bayessem, one family: catch `BayessemError` to catch them all.

A message says what is wrong, where, and what would work.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

# Of a line of a model that a message quotes.
WIDEST = 120


class BayessemError(Exception):
    """Base of every error that bayessem raises on purpose."""


class SyntaxProblem(BayessemError):
    """The text of a model cannot be read.

    Parameters
    ----------
    problem : str
        What is wrong and what would work.
    text : str
        The whole model text, from which the excerpt is taken.
    line, column : int
        Where, both counted from 1. Line 0: nowhere in particular.
    """

    def __init__(self, problem: str, text: str = "", line: int = 0, column: int = 0) -> None:
        # The arguments go to Exception as they are, so that the error survives pickling
        # on its way out of a worker process.
        super().__init__(problem, text, line, column)
        self.problem = problem
        self.text = text
        self.line = line
        self.column = column

    def __str__(self) -> str:
        if not self.line:
            return self.problem
        return f"line {self.line}, column {self.column}: {self.problem}{self._excerpt()}"

    def _excerpt(self) -> str:
        lines = [line.rstrip("\r") for line in self.text.split("\n")]
        if self.line > len(lines):
            return ""
        source = lines[self.line - 1]
        column, start, end = self.column, 0, len(source)
        if end > WIDEST:  # the part around the column
            start = max(0, min(column - WIDEST // 2, end - WIDEST))
            end = start + WIDEST
        source, column = source[start:end], column - start
        # A tab before the caret stays a tab, or the caret would point at the wrong place.
        margin = "".join("\t" if c == "\t" else " " for c in source[: column - 1])
        return f"\n    {source}\n    {margin}^"


class ModelError(BayessemError):
    """The text can be read, but no model can be what it says."""


class NotSupported(BayessemError):
    """A feature of lavaan that bayessem does not have; the message names it and a way round."""


class DataError(BayessemError):
    """The data do not fit the model or cannot be used as they are."""


class PriorError(BayessemError):
    """A prior cannot be read, or does not suit its parameter."""


class IdentificationError(BayessemError):
    """The data could not determine the parameters of the model, whatever they were."""


class FitError(BayessemError):
    """Sampling or optimisation failed, or its result cannot be used as asked."""


class ArgumentError(BayessemError, TypeError):
    """A call got an argument that it does not have, or lacks one that it needs."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that ends a message about an unknown name; "" when nothing is like it.

    Parameters
    ----------
    name : str
        What was written.
    known : iterable of str
        What could have been meant.

    Examples
    --------
    >>> did_you_mean("t2_cubes", ["t02_cubes", "age"])
    " Did you mean 't02_cubes'?"
    """
    from difflib import get_close_matches

    plain = {"".join(x.split()).casefold(): x for x in known}
    wanted = "".join(name.split()).casefold()
    found = get_close_matches(wanted, plain, n=2, cutoff=0.75)
    return f" Did you mean {' or '.join(repr(plain[x]) for x in found)}?" if found else ""


class BayessemWarning(UserWarning):
    """Something the reader of the results must know."""


def outside() -> int:
    """The `stacklevel` at which a warning points to the first line outside of this package."""
    frame, level = sys._getframe(1), 1
    ours = ("bayessem", "contextlib")  # and what decorates our functions
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(ours):
        frame, level = frame.f_back, level + 1
    return level
