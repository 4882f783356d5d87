"""What the engine of heavy tails works on, packed: respondents by missingness pattern, row by row.

A multivariate t has no sufficient statistics, so that the rows themselves are the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.plan import Pattern, pack

# First number of a packed plan of this engine; a kernel's plan begins with a positive number.
MARK = -4

INTEGER_FIELDS = (
    "sizes",
    "pattern_group",
    "pattern_count",
    "pattern_width",
    "pattern_at",
    "pattern_variables",
    "pattern_rows_at",
    "proper",
)
FLOAT_FIELDS = ("given_logdet", "given_form", "weights", "numbers")


class StudentPlan(NamedTuple):
    """Views of the packed arrays, by name.

    sizes : numbers of observed variables, latent variables, groups, patterns, covariates.
    given_logdet : (group,) log-determinant of the covariates' covariance matrix.
    given_form : (respondent,) squared Mahalanobis distance of the covariates, in the order of the
        patterns' rows, as are `weights`.
    numbers : the rows of each pattern.
    """

    sizes: np.ndarray
    pattern_group: np.ndarray
    pattern_count: np.ndarray
    pattern_width: np.ndarray
    pattern_at: np.ndarray
    pattern_variables: np.ndarray
    pattern_rows_at: np.ndarray
    proper: np.ndarray
    given_logdet: np.ndarray
    given_form: np.ndarray
    weights: np.ndarray
    numbers: np.ndarray


@compiled
def unpack_student(ints, floats):
    """The packed arrays (after the mark) as a StudentPlan of views."""
    return StudentPlan(
        ints[ints[0] : ints[1]],
        ints[ints[1] : ints[2]],
        ints[ints[2] : ints[3]],
        ints[ints[3] : ints[4]],
        ints[ints[4] : ints[5]],
        ints[ints[5] : ints[6]],
        ints[ints[6] : ints[7]],
        ints[ints[7] : ints[8]],
        floats[ints[9] : ints[10]],
        floats[ints[10] : ints[11]],
        floats[ints[11] : ints[12]],
        floats[ints[12] : ints[13]],
    )


def build_student_plan(
    shape: tuple[int, int],
    patterns: Sequence[Pattern],
    *,
    given: Sequence[tuple[np.ndarray, np.ndarray]],
    given_at: Sequence[int] = (),
    proper: Sequence[tuple[int, int, Sequence[int]]] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Pack a model's shape (p, m) and its data by pattern.

    Parameters
    ----------
    shape : numbers of observed and latent variables.
    patterns : respondents by group and missingness pattern, the groups in order.
    given : by group, mean (x,) and covariance (x, x) of the covariates that the model conditions
        on, as its matrices have them.
    given_at : positions of the covariates among the observed variables; every pattern has them.
    proper : as in `plan.build_plan`.
    """
    columns = np.array(given_at, dtype=np.int64)
    forms = []
    for x in patterns:
        mean, covariance = given[x.group]
        at = np.searchsorted(x.variables, columns)
        centred = x.rows[:, at] - mean
        forms.append(np.sum(np.linalg.solve(covariance, centred.T).T * centred, axis=1))
    widths = [len(x.variables) for x in patterns]
    sizes = [x.rows.size for x in patterns]
    fields = {
        "sizes": np.array([*shape, len(given), len(patterns), len(columns)]),
        "pattern_group": np.array([x.group for x in patterns]),
        "pattern_count": np.array([x.count for x in patterns]),
        "pattern_width": np.array(widths),
        "pattern_at": np.cumsum([0, *widths])[:-1],
        "pattern_variables": np.concatenate([x.variables for x in patterns]),
        "pattern_rows_at": np.cumsum([0, *sizes])[:-1],
        "proper": np.array(
            [x for kind, g, block in proper for x in (kind, g, len(block), *block)],
            dtype=np.int64,
        ),
        "given_logdet": np.array([np.linalg.slogdet(c)[1] for _, c in given]),
        "given_form": np.concatenate(forms),
        "weights": np.concatenate([x.weights for x in patterns]),
        "numbers": np.concatenate([np.ascontiguousarray(x.rows).ravel() for x in patterns]),
    }
    ints, floats = pack(fields, INTEGER_FIELDS, FLOAT_FIELDS)
    return np.concatenate([[MARK], ints]), floats
