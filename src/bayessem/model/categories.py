"""Answers in ordered categories: read as codes 0, 1, ..., and as normal scores for start values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from bayessem.errors import DataError
from bayessem.model.columns import numbers, require_columns

if TYPE_CHECKING:
    import pandas as pd

# More different answers than this are a measurement rather than categories.
MOST = 20
# A code this many times as far out as the others are wide is a code for a missing answer.
FAR = 2.0
# Standard deviation of a latent response whose residual variance is 1 and that is half explained.
SCORE_SD = np.sqrt(2.0)

Labels = tuple[object, ...]


def read_categories(data: pd.DataFrame, name: str) -> tuple[np.ndarray, Labels]:
    """Codes of an ordered variable (respondent,), nan where missing, and its categories in order.

    The categories are those that occur: whole numbers (or True and False) by size, those of an
    ordered pandas Categorical in its order.

    Raises
    ------
    DataError
        For a column without order, codes that are no category, and fewer than two categories.
    """
    import pandas as pd

    column = data[name]
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        codes = column.cat.codes.to_numpy(dtype=np.float64)
        codes[codes < 0] = np.nan
        labels = list(column.cat.categories)
        used, codes = _used(codes)
        found: Labels = tuple(labels[int(c)] for c in used)
    else:
        if isinstance(column.dtype, pd.CategoricalDtype) or not _numeric(data, name):
            raise DataError(
                f"ordered variable {name!r} holds texts without an order; give them one: "
                f"data[{name!r}] = pd.Categorical(data[{name!r}], categories=[lowest, ..., "
                "highest], ordered=True), or recode them to 1, 2, ..."
            )
        values = numbers(data, [name])[:, 0]
        _check_codes(name, values)
        used, codes = _used(values)
        found = tuple(int(x) for x in used)
    if len(found) < 2:
        what = f"one category ({found[0]!r})" if found else "no answers"
        raise DataError(
            f"ordered variable {name!r} has {what}; it cannot measure anything: take it out of "
            "the model"
        )
    if len(found) > MOST:
        raise DataError(
            f"ordered variable {name!r} has {len(found)} different answers, more than {MOST}: "
            "leave it out of ordered, or join categories (pd.cut)"
        )
    return codes, found


def category_codes(data: pd.DataFrame, name: str, labels: Labels, whose: str) -> np.ndarray:
    """Codes of answers to an item whose categories are known, (respondent,), nan where missing.

    Parameters
    ----------
    data : DataFrame
        With the column.
    name : str
        The ordered variable.
    labels : tuple
        Its categories in their order.
    whose : str
        Where the column is, for messages.

    Raises
    ------
    DataError
        For an answer that is none of the categories.
    """
    position = {label: float(c) for c, label in enumerate(labels)}
    out = np.full(len(data), np.nan)
    for i, value in enumerate(data[name]):
        if value is None or value != value:
            continue
        if value not in position:
            raise DataError(
                f"{name!r} of {whose} has the answer {value!r}, which is no category of the fit; "
                f"its categories: {', '.join(map(str, labels))}"
            )
        out[i] = position[value]
    return out


def _numeric(data: pd.DataFrame, name: str) -> bool:
    try:
        require_columns(data, [name])
    except DataError:
        return False
    return True


def _used(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values that occur, sorted, and for each entry its position among them."""
    known = ~np.isnan(values)
    used, inverse = np.unique(values[known], return_inverse=True)
    codes = np.full(len(values), np.nan)
    codes[known] = inverse.ravel()
    return used, codes


def _check_codes(name: str, values: np.ndarray) -> None:
    """Refuse numbers that cannot be codes of categories."""
    known = np.unique(values[~np.isnan(values)])
    broken = [x for x in known if not np.isfinite(x) or x != np.round(x)]
    if broken:
        raise DataError(
            f"ordered variable {name!r} has the value {broken[0]:g}, which is no code of a "
            "category; codes are whole numbers. Leave it out of ordered, or round it"
        )
    for code, rest in ((known[-1:], known[:-1]), (known[:1], known[1:])):
        if len(rest) > 1:
            gap = np.abs(code[0] - rest).min()
            if gap > FAR * np.ptp(rest) and gap > 2.0:
                raise DataError(
                    f"ordered variable {name!r} has the code {code[0]:g} beside {rest[0]:g} to "
                    f"{rest[-1]:g}, which is no category but looks like one for a missing answer: "
                    f"data[{name!r}] = data[{name!r}].replace({code[0]:g}, np.nan)"
                )


def cuts(codes: np.ndarray, count: int) -> tuple[float, ...]:
    """Thresholds (count - 1) of a latent response that has the proportions of the categories.

    Parameters
    ----------
    codes : ndarray (respondent,)
        Answers from 0; nan is missing.
    count : int
        Number of categories.
    """
    known = codes[~np.isnan(codes)].astype(np.int64)
    # half an answer more in each: a category without answers has a width, too
    counts = np.bincount(known, minlength=count) + 0.5
    below = np.cumsum(counts)[:-1] / counts.sum()
    return tuple(float(x) for x in SCORE_SD * ndtri(below))


def normal_scores(values: np.ndarray, categories: Sequence[Labels]) -> np.ndarray:
    """Values (respondent, p) with the codes of ordered variables as normal scores.

    The score of a category is the normal quantile of the middle of its cumulative proportions, in
    all with mean 0 and the standard deviation of a latent response that is half explained. They
    serve for start values and the widths of default priors.

    Parameters
    ----------
    values : ndarray (respondent, p)
        Codes from 0 for ordered variables; nan is missing.
    categories : sequence of tuple
        Categories by variable, () for one that is not ordered.
    """
    out = np.array(values, dtype=np.float64)
    for j, labels in enumerate(categories):
        if not labels:
            continue
        known = ~np.isnan(out[:, j])
        codes = out[known, j].astype(np.int64)
        counts = np.bincount(codes, minlength=len(labels))
        upper = np.cumsum(counts)
        scores = ndtri((upper - 0.5 * counts) / len(codes))[codes]
        spread = scores.std() or 1.0  # left in one category by listwise deletion
        out[known, j] = (scores - scores.mean()) * SCORE_SD / spread
    return out
