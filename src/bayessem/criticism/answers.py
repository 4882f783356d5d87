"""Variables that take few values, as items of a questionnaire do: how often each answer is given.

A density of such data is a row of spikes, so predictive checks compare the shares of the answers.
Where the answers are numbers to the model, it draws continuous values; each counts for the answer
that it is nearest to, and what is drawn more than half a step beyond the scale, where no answer is,
is counted by itself. Of ordered variables the model draws answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.text.numbers import number

# An 11-point scale (0 to 10) is the longest in use.
MOST = 11


@dataclass(frozen=True)
class Look:
    """Numbers of a data set.

    Attributes
    ----------
    names : tuple of (quantity, statistic)
    measure : function
        Data (..., respondent, p) to numbers (..., quantity).
    """

    names: tuple[tuple[str, str], ...]
    measure: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Answers:
    """The scale of a variable.

    Attributes
    ----------
    variable : str
    position : int
        Its column.
    values : ndarray (answer,)
        From low to high.
    categories : tuple of str
        Of an ordered variable, whose values are positions; () for one that is a number.
    """

    variable: str
    position: int
    values: np.ndarray
    categories: tuple[str, ...] = ()

    @property
    def edges(self) -> np.ndarray:
        """Where one answer ends and the next begins, and half a step beyond both ends."""
        inner = (self.values[1:] + self.values[:-1]) / 2
        first = self.values[0] - (self.values[1] - self.values[0]) / 2
        last = self.values[-1] + (self.values[-1] - self.values[-2]) / 2
        return np.array([first, *inner, last])

    @property
    def labels(self) -> tuple[str, ...]:
        """The answers as text; of numbers, between those below and above the scale."""
        if self.categories:
            return self.categories
        told = [_text(v) for v in self.values]
        return (f"< {told[0]}", *told, f"> {told[-1]}")

    def shares(self, data: np.ndarray) -> np.ndarray:
        """Shares of the answers (..., label) in (..., respondent, p), and of values beyond.

        Of the respondents whose value is known; nothing is beyond the scale of an ordered variable.
        """
        column = data[..., self.position]
        # nan is beyond every edge and would be counted as above
        place = np.searchsorted(self.edges, column, side="right")
        place[np.isnan(column)] = -1
        counts = [(place == k).sum(axis=-1) for k in range(len(self.edges) + 1)]
        if self.categories:
            counts = counts[1:-1]
        return np.stack(counts, axis=-1) / np.isfinite(column).sum(axis=-1)[..., None]


def _text(value: float) -> str:
    return f"{value:.6g}"


def answers_of(variable: str, position: int, column: np.ndarray) -> Answers | None:
    """The scale of a variable, or None for one that takes many values.

    Few values are at most `MOST`, each by two respondents or more on average. Where they are
    equally spaced, as those of an item, answers that nobody gave are on the scale too.

    Parameters
    ----------
    variable : str
    position : int
        Its column in the data.
    column : ndarray (respondent,)
        nan where it is missing.
    """
    known = column[np.isfinite(column)]
    values = np.unique(known)
    if not 2 <= len(values) <= MOST or len(known) < 2 * len(values):
        return None
    steps = np.diff(values) / np.diff(values).min()
    whole = np.round(steps)
    if np.allclose(steps, whole, rtol=0.0, atol=1e-6) and whole.sum() < MOST:
        values = np.linspace(values[0], values[-1], int(whole.sum()) + 1)
    return Answers(variable, position, values)


def shares_look(scales: Sequence[Answers]) -> Look:
    """Shares of the answers of all of them, as numbers of a predictive check."""
    names = tuple((s.variable, label) for s in scales for label in s.labels)

    def measure(values: np.ndarray) -> np.ndarray:
        found = [s.shares(values) for s in scales]
        return np.concatenate(found, axis=-1) if found else np.empty((*values.shape[:-2], 0))

    return Look(names, measure)


def beyond_note(scales: Sequence[Answers], mean: np.ndarray) -> tuple[str, ...]:
    """In how many variables answers are few, and how much the model draws beyond them.

    mean : shares of the model, in the order of `shares_look`.
    """
    ends = np.cumsum([len(s.labels) for s in scales])
    parts = np.split(mean, ends[:-1]) if scales else []
    parts = [part for s, part in zip(scales, parts, strict=True) if not s.categories]
    scales = [s for s in scales if not s.categories]
    if not scales:
        return ()
    beyond = [float(part[0] + part[-1]) for part in parts]
    worst = int(np.argmax(beyond))
    return (
        f"{len(scales)} variable{' takes' if len(scales) == 1 else 's take'} {MOST} values or "
        "fewer; the model draws continuous ones. Most drawn values that round beyond the "
        f"scale: {scales[worst].variable}, {number(100 * beyond[worst], 1)} %.",
    )
