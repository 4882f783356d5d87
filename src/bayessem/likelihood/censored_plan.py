"""What the engine of one censored outcome works on, packed: sums by pattern, intervals by row.

Of the respondents of a missingness pattern who were observed exactly sums of squares and products
suffice, as in the kernel; of those of whom an interval is known the sums of what else is known of
them, and their rows. All deviations are from the means of the rows, the outcome's those observed
exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.plan import Pattern, pack

# First number of a packed plan of this engine; a kernel's plan begins with a positive number.
MARK = -5

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
    "proper",
)
FLOAT_FIELDS = ("lower", "upper", "row_constant", "numbers")


class CensoredPlan(NamedTuple):
    """Views of the packed arrays, by name.

    sizes : numbers of observed variables, latent variables, groups, patterns.
    pattern_place : place of the outcome among a pattern's variables, -1 where it is missing.
    pattern_numbers_at : where a pattern's center (width,), sums of squares and products about it
        (width, width) and rows (respondent, width) start; of the outcome what was observed exactly,
        and in other rows the center.
    interval_at : (pattern + 1,) where a pattern's intervals start;  interval_row : their rows.
    lower, upper : ends of the intervals.
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
        floats[ints[12] : ints[13]],
        floats[ints[13] : ints[14]],
        floats[ints[14] : ints[15]],
        floats[ints[15] : ints[16]],
    )


def build_censored_plan(
    shape: tuple[int, int],
    patterns: Sequence[Pattern],
    outcome: int,
    ends: Sequence[np.ndarray],
    *,
    groups: int = 1,
    log: bool = False,
    proper: Sequence[tuple[int, int, Sequence[int]]] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Pack a model's shape (p, m) and its data by pattern.

    Parameters
    ----------
    shape : numbers of observed and latent variables.
    patterns : respondents by group and missingness pattern, the groups in order.
    outcome : which observed variable may be censored.
    ends : by pattern, the ends (respondent, 2) of the outcome's intervals on the scale of its
        predictor, equal where it was observed exactly; of no account where it is missing.
    groups : number of groups.
    log : whether the outcome is the log of what was measured.
    proper : as in `plan.build_plan`.
    """
    numbers: list[np.ndarray] = []
    starts: list[int] = []
    places: list[int] = []
    rows_of: list[np.ndarray] = []
    intervals: list[np.ndarray] = []
    constants: list[np.ndarray] = []
    for x, own in zip(patterns, ends, strict=True):
        place = int(np.flatnonzero(x.variables == outcome)[0]) if outcome in x.variables else -1
        exact = np.ones(x.count, dtype=bool) if place < 0 else own[:, 0] == own[:, 1]
        parts = _sums(x.rows, own, place, exact)
        starts.append(sum(part.size for part in numbers))
        numbers += parts
        places.append(place)
        rows_of.append(np.flatnonzero(~exact))
        intervals.append(own[~exact])
        moved = exact & (place >= 0) & log
        constants.append(np.where(moved, -np.where(moved, own[:, 0], 0.0), 0.0))
    widths = [len(x.variables) for x in patterns]
    lower, upper = np.concatenate(intervals).reshape(-1, 2).T
    fields = {
        "sizes": np.array([*shape, groups, len(patterns)]),
        "pattern_group": np.array([x.group for x in patterns]),
        "pattern_count": np.array([x.count for x in patterns]),
        "pattern_width": np.array(widths),
        "pattern_at": np.cumsum([0, *widths])[:-1],
        "pattern_variables": np.concatenate([x.variables for x in patterns]),
        "pattern_place": np.array(places),
        "pattern_numbers_at": np.array(starts),
        "interval_at": np.cumsum([0, *map(len, rows_of)]),
        "interval_row": np.concatenate(rows_of),
        "proper": np.array(
            [x for kind, g, block in proper for x in (kind, g, len(block), *block)],
            dtype=np.int64,
        ),
        "lower": lower,
        "upper": upper,
        "row_constant": np.concatenate(constants),
        "numbers": np.concatenate([np.ascontiguousarray(part).ravel() for part in numbers]),
    }
    ints, floats = pack(fields, INTEGER_FIELDS, FLOAT_FIELDS)
    return np.concatenate([[MARK], ints]), floats


def _sums(rows: np.ndarray, ends: np.ndarray, place: int, exact: np.ndarray) -> list[np.ndarray]:
    """Center, sums of squares and products about it, rows."""
    rows = np.array(rows)
    if place >= 0:
        rows[:, place] = np.where(exact, ends[:, 0], 0.0)
        known = rows[exact, place]
        rows[~exact, place] = known.mean() if len(known) else 0.0
    center = rows.mean(axis=0)
    centred = rows - center
    return [center, centred.T @ centred, rows]
