"""Covariance matrices as data: respondents made so that their moments are exactly the given ones.

The likelihood of a linear model depends on the data through means and covariances alone, so rows
with those moments give the same results as the raw data would, with one data path for everything.
What needs the respondents themselves (robust standard errors, bootstrap, products, LOO) is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayessem.arguments import check_shared, real_number, shown, whole_number
from bayessem.errors import DataError, NotSupported
from bayessem.model.data import Sample

if TYPE_CHECKING:
    import pandas as pd

MADE = "made from moments"
# Numbers that fit into memory without a thought.
MOST = 200_000_000


@check_shared
def from_covariance(
    covariance: pd.DataFrame,
    n: int,
    *,
    means: Mapping[str, float] | Sequence[float] | None = None,
) -> pd.DataFrame:
    """Respondents whose covariance matrix (divisor n - 1) and means are exactly the given ones.

    Parameters
    ----------
    covariance : DataFrame (p, p)
        Covariances (or correlations) with the variables' names as columns; divisor n - 1, as
        programs print them. lavaan rescales such a matrix by (n - 1) / n in the likelihood, and so
        does this. The upper triangle may be empty.
    n : int
        Number of respondents that the matrix comes from.
    means : mapping or sequence, optional
        Means of the variables; 0 without. Use `meanstructure=False` with a model that has none.

    Returns
    -------
    DataFrame (n, p)
        Give it to `SEM.check`, `SEM.ml` or `SEM.fit` as data. Its row labels mark it as made from
        moments: nobody answered these rows, so that what is about respondents (LOO, scores,
        predictions, bootstrap, robust standard errors) is refused. Only linear models depend on
        the data through these moments alone; models with products are refused as well.

    Raises
    ------
    DataError
        For a matrix that is not square, symmetric and positive definite, or too small an n.

    Examples
    --------
    >>> import pandas as pd
    >>> matrix = pd.DataFrame([[1.0, 0.4], [0.4, 1.0]], columns=["x", "y"])
    >>> from_covariance(matrix, 100).corr().round(6).loc["x", "y"]
    np.float64(0.4)
    """
    import pandas as pd

    names, values = _named_matrix(covariance)
    matrix = _symmetric(values, names)
    n = whole_number("n", n, DataError)
    if n * len(names) > MOST:
        raise DataError(
            f"n = {n:,} respondents of {len(names)} variables do not fit into memory; with so many "
            f"the result hardly depends on n: {MOST // len(names):,} are the most"
        )
    if n <= len(names) + 1:
        raise DataError(
            f"n = {n} is too small for a covariance matrix of {len(names)} variables, which takes "
            f"{len(names) + 2} respondents or more"
        )
    try:
        root = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        smallest = float(np.linalg.eigvalsh(matrix)[0])
        raise DataError(
            f"the covariance matrix is not positive definite (smallest eigenvalue {smallest:.3g}); "
            "check it for misprints and for pairwise deletion"
        ) from None
    centre = np.zeros(len(names)) if means is None else _centre(means, names)
    # Columns of the discrete cosine transform are orthogonal to each other and to a constant.
    grid = (np.arange(n)[:, None] + 0.5) * np.arange(1, len(names) + 1) * math.pi / n
    scores = math.sqrt(2.0 / n) * np.cos(grid)
    rows = math.sqrt(n - 1.0) * scores @ root.T + centre
    return pd.DataFrame(rows, columns=names, index=[f"{MADE} {i}" for i in range(1, n + 1)])


def _named_matrix(covariance: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Names and numbers of a covariance matrix; rows with names go in the order of the columns."""
    import pandas as pd

    if not isinstance(covariance, pd.DataFrame):
        raise DataError(
            f"the covariance matrix has to be a pandas DataFrame, not {type(covariance).__name__}; "
            "name the variables: pd.DataFrame(matrix, columns=['x', 'y', ...])"
        )
    names = [str(c) for c in covariance.columns]
    if not names:
        raise DataError("the covariance matrix is empty")
    double = next((x for x in names if names.count(x) > 1), None)
    if double is not None:
        raise DataError(f"the covariance matrix has several columns named {double!r}")
    rows = list(covariance.index)
    square = len(rows) == len(names)
    if square and rows != names and any(isinstance(x, str) for x in rows):
        if sorted(map(str, rows)) != sorted(names):
            raise DataError(
                f"the rows of the covariance matrix are named {', '.join(map(str, rows[:8]))}, its "
                f"columns {', '.join(names[:8])}; give both the same names, or the rows none: "
                "covariance.reset_index(drop=True)"
            )
        covariance = covariance.set_axis(names, axis=1).set_axis([str(x) for x in rows]).loc[names]
    try:
        return names, covariance.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataError(
            "the covariance matrix holds something that is no number; make numbers of it: "
            "covariance.apply(pd.to_numeric)"
        ) from None


def _centre(means: object, names: Sequence[str]) -> np.ndarray:
    """The means in the order of the variables, (p,)."""
    if hasattr(means, "to_dict") and not isinstance(means, Mapping):
        means = means.to_dict()  # a pandas Series
    if isinstance(means, Mapping):
        absent = [name for name in names if name not in means]
        if absent:
            raise DataError(f"means of {', '.join(absent)} are missing")
        strangers = [str(name) for name in means if name not in names]
        if strangers:
            raise DataError(
                f"means of {', '.join(strangers)} are given, which the covariance matrix does not "
                f"have; its variables: {', '.join(names)}"
            )
        given = [means[name] for name in names]
    elif isinstance(means, Iterable) and not isinstance(means, str | bytes):
        given = list(means)
        if len(given) != len(names):
            raise DataError(f"{len(given)} means for {len(names)} variables")
    else:
        raise DataError(
            f"means go by name, as in means={{{names[0]!r}: 0.5, ...}}, not {shown(means)}"
        )
    pairs = zip(names, given, strict=True)
    return np.array([real_number(f"the mean of {name}", m, DataError) for name, m in pairs])


def _symmetric(matrix: np.ndarray, names: Sequence[str]) -> np.ndarray:
    p = len(names)
    if matrix.shape != (p, p):
        raise DataError(
            f"a covariance matrix is square with the names as columns; this one is "
            f"{matrix.shape[0]} by {matrix.shape[1]}"
        )
    if np.isinf(matrix).any():
        i, j = np.argwhere(np.isinf(matrix))[0]
        raise DataError(f"the covariance of {names[i]} and {names[j]} is infinite")
    lower = np.tril(matrix)
    upper = np.triu(matrix, 1)
    if np.isnan(lower).any():
        i, j = np.argwhere(np.isnan(lower))[0]
        raise DataError(f"the covariance of {names[i]} and {names[j]} is missing")
    full = lower + np.tril(lower, -1).T
    if not (np.isnan(upper) | (upper == 0)).all():
        size = np.sqrt(np.abs(np.diag(full)))  # rounding is of correlations, whatever the units
        apart = np.abs(np.triu(full - matrix, 1))
        unequal = np.argwhere(apart > 1e-6 * np.outer(size, size))
        if len(unequal):
            i, j = unequal[0]
            raise DataError(
                f"the covariance matrix is not symmetric: {names[i]}, {names[j]} is "
                f"{matrix[i, j]:g} above the diagonal and {matrix[j, i]:g} below"
            )
    return full


def made_from_moments(sample: Sample) -> bool:
    """Whether the respondents of a sample come from `from_covariance`."""
    return bool(len(sample.rows)) and all(str(label).startswith(MADE) for label in sample.rows[:2])


def require_respondents(sample: Sample, what: str) -> None:
    """Refuse what needs the answers of respondents when all there is is a covariance matrix.

    Parameters
    ----------
    sample : Sample
        The data.
    what : str
        What was asked for, as the subject of the message.

    Raises
    ------
    NotSupported
        For respondents that `from_covariance` made.
    """
    if made_from_moments(sample):
        raise NotSupported(
            f"{what} is about respondents, and these data are a covariance matrix: their rows were "
            "made from it, nobody answered them; it needs the raw data"
        )
