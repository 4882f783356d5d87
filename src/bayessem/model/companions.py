"""Counts, durations, limited outcomes and shares: read, checked, and with what belongs to them.

An answer alone does not say what was observed: a count has an exposure, a duration may have been
censored. Both stand beside it as two numbers that its family reads (likelihood/families.py): of a
count the log of its exposure; of durations and limited outcomes the ends of the interval in which
the (log) value lies, equal where it was observed; of a share its log and that of its complement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import DataError
from bayessem.model.columns import number_column
from bayessem.syntax.responses import (
    COUNTS,
    DURATIONS,
    SHARES,
    STUDENT,
    TOBIT,
    Censored,
    Responses,
)

if TYPE_CHECKING:
    import pandas as pd

# Standard deviation on the link scale that the start values of a count have at least.
LEAST_SPREAD = 0.5


@dataclass(frozen=True)
class Beside:
    """What belongs to the answers of a variable.

    Attributes
    ----------
    family : str
        Of the variable.
    columns : ndarray (respondent, 2)
        As the family reads them; 0 where the answer is missing (but for a known exposure).
    """

    family: str
    columns: np.ndarray

    def kept(self, keep: np.ndarray) -> Beside:
        """Of some respondents, by mask or positions."""
        return Beside(self.family, self.columns[keep])

    @property
    def censored(self) -> np.ndarray:
        """Which answers are not observed exactly, (respondent,)."""
        if self.family not in (*DURATIONS, TOBIT):
            return np.zeros(len(self.columns), dtype=bool)
        return self.columns[:, 0] != self.columns[:, 1]


def kept_beside(beside: Mapping[str, Beside], keep: np.ndarray) -> dict[str, Beside]:
    """What belongs to the answers of some respondents."""
    return {name: one.kept(keep) for name, one in beside.items()}


def columns_of(name: str, responses: Responses) -> tuple[str, ...]:
    """The columns of the data that hold the answers to a variable, without what belongs to them."""
    how = responses.censored.get(name)
    if isinstance(how, tuple) and isinstance(how[0], str):
        return tuple(str(x) for x in how)
    return (name,)


def read_answers(
    data: pd.DataFrame, name: str, responses: Responses, *, partial: bool = False
) -> tuple[np.ndarray, Beside]:
    """Answers (row,), nan where missing, of a variable with a family, and what belongs to them.

    Parameters
    ----------
    data : DataFrame
        With the columns.
    name : str
        The variable.
    responses : Responses
        Its family, exposure and censoring.
    partial : bool
        Whether the answers may be unknown altogether (new rows).

    Raises
    ------
    DataError
        For values that the family does not have, and columns beside them that say nothing.
    """
    family = responses.others[name]
    absent = partial and any(x not in data.columns for x in columns_of(name, responses))
    if family in COUNTS:
        y = np.full(len(data), np.nan) if absent else number_column(data, name, "family")
        _check_counts(name, family, y)
        return y, Beside(family, _exposure(data, name, responses.exposure.get(name), y))
    if absent:
        return np.full(len(data), np.nan), Beside(family, np.zeros((len(data), 2)))
    if family in SHARES:
        y = number_column(data, name, "family")
        _check_shares(name, family, y)
        inside = (y > 0) & (y < 1)  # not where it is missing
        known = np.where(inside, y, 0.5)
        both = np.column_stack([np.log(known), np.log1p(-known)])
        return y, Beside(family, np.where(inside[:, None], both, 0.0))
    if family == STUDENT:
        y = number_column(data, name, "family")
        return y, Beside(family, np.zeros((len(y), 2)))
    return _in_intervals(data, name, family, responses.censored.get(name))


def _first(rows: np.ndarray) -> int:
    return int(np.flatnonzero(rows)[0])


def _row(data: pd.DataFrame, wrong: np.ndarray) -> str:
    """Where a message is about."""
    n = int(wrong.sum())
    more = f" and {n - 1} more" if n > 1 else ""
    return f"(row {data.index[_first(wrong)]!r}{more})"


def _check_counts(name: str, family: str, y: np.ndarray) -> None:
    known = y[~np.isnan(y)]
    if (known < 0).any():
        raise DataError(
            f"{name!r} (family {family!r}) has the value {known[known < 0][0]:g}; counts are 0, 1, "
            "2, ... Leave it out of family=, or recode it (a code for a missing value: "
            f"data[{name!r}].replace({known[known < 0][0]:g}, np.nan))"
        )
    broken = known[known != np.round(known)]
    if len(broken):
        raise DataError(
            f"{name!r} (family {family!r}) has the value {broken[0]:g}, which is no count; counts "
            "are whole numbers. A rate is its count with exposure=, and a positive number that was "
            "measured has the family 'lognormal'"
        )


def _exposure(data: pd.DataFrame, name: str, column: str | None, y: np.ndarray) -> np.ndarray:
    """Log exposure of each count, and 0."""
    out = np.zeros((len(data), 2))
    if column is None:
        return out
    exposure = number_column(data, column, f"exposure of {name!r}")
    known = ~np.isnan(y)
    lost = known & np.isnan(exposure)
    if lost.any():
        raise DataError(
            f"exposure {column!r} of {name!r} is missing where the count is not "
            f"{_row(data, lost)}; leave these rows out, or say what it was"
        )
    wrong = (exposure <= 0) | np.isinf(exposure)
    if wrong.any():
        raise DataError(
            f"exposure {column!r} of {name!r} has the value {exposure[_first(wrong)]:g} "
            f"{_row(data, wrong)}; exposures are positive numbers (years, employees), on their own "
            "scale and not as logs"
        )
    out[:, 0] = np.log(np.where(np.isnan(exposure), 1.0, exposure))
    return out


def _check_shares(name: str, family: str, y: np.ndarray) -> None:
    known = y[~np.isnan(y)]
    outside = known[(known < 0) | (known > 1)]
    if len(outside):
        raise DataError(
            f"{name!r} (family {family!r}) has the value {outside[0]:g}; shares lie between 0 and "
            f"1 (percentages: data[{name!r}] / 100)"
        )
    edge = known[(known == 0) | (known == 1)]
    if family == "beta" and len(edge):
        raise DataError(
            f"{name!r} (family 'beta') is {edge[0]:g} in {len(edge)} rows, which has probability 0 "
            "under a beta distribution; shares of none and of all have the family "
            f"'zero_one_beta' (family={{{name!r}: 'zero_one_beta'}}), or are the ends of a scale "
            f"that goes on: family={{{name!r}: 'tobit'}}, censored={{{name!r}: (0, 1)}}"
        )
    if family == "zero_one_beta" and len(known) and len(edge) in (0, len(known)):
        raise DataError(
            f"{name!r} (family 'zero_one_beta') is "
            + (
                "never 0 or 1; its family is 'beta'"
                if not len(edge)
                else "0 or 1 in all rows; its family is 'bernoulli', two categories"
            )
        )


def _in_intervals(
    data: pd.DataFrame, name: str, family: str, how: Censored | None
) -> tuple[np.ndarray, Beside]:
    """Durations and limited outcomes with the ends of their intervals (logs of durations)."""
    log = family in DURATIONS
    if isinstance(how, tuple) and isinstance(how[0], str):
        y, lower, upper = _pair(data, name, family, (str(how[0]), str(how[1])))
    else:
        y = number_column(data, name, "family")
        if log:
            _check_durations(data, name, family, y)
        lower, upper = y.copy(), y.copy()
        if isinstance(how, str):
            _flagged(data, name, how, y, lower, upper, floor=0.0 if log else -np.inf)
        elif how is not None:
            _limited(how, y, lower, upper, floor=0.0 if log else -np.inf)
    missing = np.isnan(y)
    known = ~missing
    if known.any() and not (np.isfinite(upper) & (lower > (0.0 if log else -np.inf)))[known].any():
        raise DataError(
            f"every value of {name!r} is censored, so that nothing says how it varies; look at "
            f"censored= ({how!r}: 0 is observed, 1 right-censored, -1 left-censored)"
        )
    columns = np.column_stack([lower, upper])
    columns[missing] = 1.0
    if log:
        with np.errstate(divide="ignore"):
            columns = np.log(columns)
    columns[missing] = 0.0
    return y, Beside(family, columns)


def _check_durations(data: pd.DataFrame, name: str, family: str, y: np.ndarray) -> None:
    wrong = ~np.isnan(y) & ~(y > 0)
    if wrong.any():
        value = y[_first(wrong)]
        raise DataError(
            f"{name!r} (family {family!r}) has the value {value:g} {_row(data, wrong)}; durations "
            "are positive. Years in whole numbers are intervals: 0 is between 0 and 1, "
            f"censored={{{name!r}: ('from', 'to')}}"
        )


def _flagged(
    data: pd.DataFrame,
    name: str,
    column: str,
    y: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    floor: float,
) -> None:
    """Opens the intervals that a flag says are open."""
    flag = number_column(data, column, f"censored of {name!r}")
    known = ~np.isnan(y)
    wrong = known & ~np.isin(flag, (-1.0, 0.0, 1.0))
    if wrong.any():
        value = flag[_first(wrong)]
        raise DataError(
            f"censored of {name!r}: column {column!r} is "
            f"{'missing' if np.isnan(value) else f'{value:g}'} {_row(data, wrong)}, which is no "
            "flag; it is 0 where the value was observed, 1 where it is right-censored (the value "
            "is a lower bound), -1 where it is left-censored. An event indicator (1: the event "
            f"happened) is the other way round: data[{column!r}] = 1 - data[{column!r}]"
        )
    upper[known & (flag == 1.0)] = np.inf
    lower[known & (flag == -1.0)] = floor


def _limited(
    limits: tuple, y: np.ndarray, lower: np.ndarray, upper: np.ndarray, *, floor: float
) -> None:
    """Opens the intervals of values at or beyond limits."""
    low, high = limits
    with np.errstate(invalid="ignore"):
        if low is not None:
            lower[y <= low], upper[y <= low] = floor, low
        if high is not None:
            lower[y >= high], upper[y >= high] = high, np.inf


def _pair(
    data: pd.DataFrame, name: str, family: str, columns: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A value for each interval (where it was observed, an end or the middle), and its ends."""
    log = family in DURATIONS
    floor = 0.0 if log else -np.inf
    lower, upper = (number_column(data, c, f"censored of {name!r}") for c in columns)
    missing = np.isnan(lower) & np.isnan(upper)
    wrong = upper < lower
    if wrong.any():
        i = _first(wrong)
        raise DataError(
            f"censored of {name!r}: the interval from {lower[i]:g} ({columns[0]}) to {upper[i]:g} "
            f"({columns[1]}) ends before it begins {_row(data, wrong)}"
        )
    if log:
        wrong = (lower < 0) | (upper <= 0)
        if wrong.any():
            i = _first(wrong)
            raise DataError(
                f"censored of {name!r}: the interval from {lower[i]:g} to {upper[i]:g} "
                f"{_row(data, wrong)} is of no duration; durations are positive, and the lower end "
                "of an interval at least 0"
            )
    lower = np.where(np.isnan(lower), floor, lower)
    upper = np.where(np.isnan(upper), np.inf, upper)
    with np.errstate(invalid="ignore"):
        middle = np.sqrt(lower * upper) if log else 0.5 * (lower + upper)
    y = np.where(np.isinf(upper), lower, np.where(lower <= floor, upper, middle))
    y = np.where(lower == upper, lower, y)
    missing |= (lower <= floor) & np.isinf(upper)  # anything at all
    return np.where(missing, np.nan, y), lower, upper


def link_scores(values: np.ndarray, beside: Beside) -> np.ndarray:
    """Answers (respondent,) on the scale of the linear predictor, for start values and priors.

    Of a count the log of its rate, with half an event more so that 0 has one, moved and stretched
    to the mean and the standard deviation that log-normal rates of the counts' moments would have.
    """
    if beside.family in DURATIONS:
        return np.log(values)
    if beside.family in (TOBIT, STUDENT):
        return values
    if beside.family in SHARES:  # of 0 and 1 as if half of the nearest other share
        inside = values[(values > 0) & (values < 1)]
        least = 0.5 * min(inside.min(), 1.0 - inside.max()) if len(inside) else 0.25
        kept = np.clip(values, least, 1.0 - least)
        return np.log(kept) - np.log1p(-kept)
    exposure = np.exp(beside.columns[:, 0])
    known = ~np.isnan(values)
    raw = np.log(values + 0.5) - beside.columns[:, 0]
    rate = values[known].sum() / exposure[known].sum()
    if not rate > 0:
        return raw
    expected = rate * exposure[known]
    extra = ((values[known] - expected) ** 2 - expected).sum() / (expected**2).sum()
    spread = max(np.sqrt(np.log1p(max(extra, 0.0))), LEAST_SPREAD)
    sd = raw[known].std() or 1.0
    return np.log(rate) - 0.5 * spread**2 + spread * (raw - raw[known].mean()) / sd
