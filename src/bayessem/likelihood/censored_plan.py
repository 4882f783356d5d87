"""What the engine of censored outcomes works on, packed: sums by pattern, intervals by row.

Of the respondents of a missingness pattern who were observed exactly sums of squares and products
suffice, as in the kernel; of those of whom an interval is known the sums of what else is known of
them, and their rows. All deviations are from the means of the rows, an outcome's those observed
exactly. There are one or two outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.plan import Pattern, pack

# First number of a packed plan of this engine; a kernel's plan begins with a positive number.
MARK = -5
# Which outcome of a respondent is known to lie in an interval.
FIRST, SECOND, BOTH = range(3)

INTEGER_FIELDS = (
    "sizes",
    "pattern_group",
    "pattern_count",
    "pattern_width",
    "pattern_at",
    "pattern_variables",
    "pattern_place",
    "pattern_numbers_at",
    "interval_at",
    "interval_row",
    "interval_what",
    "proper",
)
FLOAT_FIELDS = ("lower", "upper", "row_constant", "numbers")


class CensoredPlan(NamedTuple):
    """Views of the packed arrays, by name.

    sizes : numbers of observed variables, latent variables, groups, patterns.
    pattern_place : (2 a pattern) places of the outcomes among a pattern's variables, -1 where one
        is missing or there is none.
    pattern_numbers_at : where a pattern's center (width,), sums of squares and products about it
        (width, width) and rows (respondent, width) start; of outcomes what was observed exactly,
        and in other rows the center.
    interval_at : (pattern + 1,) where a pattern's respondents with intervals start;  interval_row :
        their rows;  interval_what : FIRST, SECOND or BOTH.
    lower, upper : (2 a respondent with intervals) ends of the intervals of the outcomes.
    row_constant : (respondent,) in the order of the patterns' rows, what is added to log-densities:
        log of the derivative of log t by t, for durations.
    """

    sizes: np.ndarray
    pattern_group: np.ndarray
    pattern_count: np.ndarray
    pattern_width: np.ndarray
    pattern_at: np.ndarray
    pattern_variables: np.ndarray
    pattern_place: np.ndarray
    pattern_numbers_at: np.ndarray
    interval_at: np.ndarray
    interval_row: np.ndarray
    interval_what: np.ndarray
    proper: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    row_constant: np.ndarray
    numbers: np.ndarray


@compiled
def unpack_censored(ints, floats):
    """The packed arrays (after the mark) as a CensoredPlan of views."""
    return CensoredPlan(
        ints[ints[0] : ints[1]],
        ints[ints[1] : ints[2]],
        ints[ints[2] : ints[3]],
        ints[ints[3] : ints[4]],
        ints[ints[4] : ints[5]],
        ints[ints[5] : ints[6]],
        ints[ints[6] : ints[7]],
        ints[ints[7] : ints[8]],
        ints[ints[8] : ints[9]],
        ints[ints[9] : ints[10]],
        ints[ints[10] : ints[11]],
        ints[ints[11] : ints[12]],
        floats[ints[13] : ints[14]],
        floats[ints[14] : ints[15]],
        floats[ints[15] : ints[16]],
        floats[ints[16] : ints[17]],
    )


def build_censored_plan(
    shape: tuple[int, int],
    patterns: Sequence[Pattern],
    outcomes: Sequence[int],
    ends: Sequence[Sequence[np.ndarray]],
    *,
    groups: int = 1,
    logs: Sequence[bool] = (False, False),
    proper: Sequence[tuple[int, int, Sequence[int]]] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Pack a model's shape (p, m) and its data by pattern.

    Parameters
    ----------
    shape : numbers of observed and latent variables.
    patterns : respondents by group and missingness pattern, the groups in order.
    outcomes : which observed variables may be censored, one or two.
    ends : by outcome and pattern, the ends (respondent, 2) of the outcome's intervals on the scale
        of its predictor, equal where it was observed exactly; of no account where it is missing.
    groups : number of groups.
    logs : whether each outcome is the log of what was measured.
    proper : as in `plan.build_plan`.
    """
    numbers: list[np.ndarray] = []
    starts: list[int] = []
    found: list[_Intervals] = []
    for k, x in enumerate(patterns):
        one = _intervals(x, outcomes, [own[k] for own in ends], logs)
        starts.append(sum(part.size for part in numbers))
        numbers += _sums(x.rows, one)
        found.append(one)
    widths = [len(x.variables) for x in patterns]
    fields = {
        "sizes": np.array([*shape, groups, len(patterns)]),
        "pattern_group": np.array([x.group for x in patterns]),
        "pattern_count": np.array([x.count for x in patterns]),
        "pattern_width": np.array(widths),
        "pattern_at": np.cumsum([0, *widths])[:-1],
        "pattern_variables": np.concatenate([x.variables for x in patterns]),
        "pattern_place": np.concatenate([one.places for one in found]),
        "pattern_numbers_at": np.array(starts),
        "interval_at": np.cumsum([0, *(len(one.rows) for one in found)]),
        "interval_row": np.concatenate([one.rows for one in found]),
        "interval_what": np.concatenate([one.what for one in found]),
        "proper": np.array(
            [x for kind, g, block in proper for x in (kind, g, len(block), *block)],
            dtype=np.int64,
        ),
        "lower": np.concatenate([one.ends[:, :, 0].ravel() for one in found]),
        "upper": np.concatenate([one.ends[:, :, 1].ravel() for one in found]),
        "row_constant": np.concatenate([one.constant for one in found]),
        "numbers": np.concatenate([np.ascontiguousarray(part).ravel() for part in numbers]),
    }
    ints, floats = pack(fields, INTEGER_FIELDS, FLOAT_FIELDS)
    return np.concatenate([[MARK], ints]), floats


class _Intervals(NamedTuple):
    """Of a pattern: places of two outcomes, exact values and which they are, those with intervals.

    values, exact : (respondent, 2);  rows, what : (interval,);  ends : (interval, outcome, 2);
    constant : (respondent,)
    """

    places: np.ndarray
    values: np.ndarray
    exact: np.ndarray
    rows: np.ndarray
    what: np.ndarray
    ends: np.ndarray
    constant: np.ndarray


def _intervals(
    x: Pattern, outcomes: Sequence[int], ends: Sequence[np.ndarray], logs: Sequence[bool]
) -> _Intervals:
    """What a pattern's respondents have of the outcomes."""
    places = np.full(2, -1, dtype=np.int64)
    both = np.zeros((x.count, 2, 2))
    exact = np.ones((x.count, 2), dtype=bool)
    constant = np.zeros(x.count)
    for k, outcome in enumerate(outcomes):
        if outcome not in x.variables:
            continue
        places[k] = int(np.flatnonzero(x.variables == outcome)[0])
        both[:, k] = ends[k]
        exact[:, k] = ends[k][:, 0] == ends[k][:, 1]
        if logs[k]:
            constant -= np.where(exact[:, k], ends[k][:, 0], 0.0)
    rows = np.flatnonzero(~exact.all(axis=1))
    what = np.where(~exact[rows, 1], np.where(~exact[rows, 0], BOTH, SECOND), FIRST)
    return _Intervals(places, both[:, :, 0], exact, rows, what, both[rows], constant)


def _sums(rows: np.ndarray, one: _Intervals) -> list[np.ndarray]:
    """Center, sums of squares and products about it, rows."""
    rows = np.array(rows)
    for k, place in enumerate(one.places):
        if place >= 0:
            exact = one.exact[:, k]
            known = one.values[exact, k]
            rows[exact, place] = known
            rows[~exact, place] = known.mean() if len(known) else 0.0
    center = rows.mean(axis=0)
    centred = rows - center
    return [center, centred.T @ centred, rows]
