"""Covariance matrices as data: respondents made so that their moments are exactly the given ones.

The likelihood of a linear model depends on the data through means and covariances alone, so rows
with those moments give the same results as the raw data would, with one data path for everything.
What needs the respondents themselves (robust standard errors, bootstrap, products, LOO) is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import DataError, NotSupported
from bayessem.model.data import Sample

if TYPE_CHECKING:
    import pandas as pd

MADE = "made from moments"


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

    names = [str(c) for c in covariance.columns]
    matrix = _symmetric(covariance.to_numpy(dtype=float), names)
    if n <= len(names) + 1:
        raise DataError(f"n = {n} is too small for a covariance matrix of {len(names)} variables")
    try:
        root = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        smallest = float(np.linalg.eigvalsh(matrix)[0])
        raise DataError(
            f"the covariance matrix is not positive definite (smallest eigenvalue {smallest:.3g}); "
            "check it for misprints and for pairwise deletion"
        ) from None
    if means is None:
        centre = np.zeros(len(names))
    elif isinstance(means, Mapping):
        absent = [name for name in names if name not in means]
        if absent:
            raise DataError(f"means of {', '.join(absent)} are missing")
        centre = np.array([float(means[name]) for name in names])
    else:
        centre = np.array(means, dtype=float)
        if centre.shape != (len(names),):
            raise DataError(f"{centre.size} means for {len(names)} variables")
    # Columns of the discrete cosine transform are orthogonal to each other and to a constant.
    grid = (np.arange(n)[:, None] + 0.5) * np.arange(1, len(names) + 1) * math.pi / n
    scores = math.sqrt(2.0 / n) * np.cos(grid)
    rows = math.sqrt(n - 1.0) * scores @ root.T + centre
    return pd.DataFrame(rows, columns=names, index=[f"{MADE} {i}" for i in range(1, n + 1)])


def _symmetric(matrix: np.ndarray, names: Sequence[str]) -> np.ndarray:
    p = len(names)
    if matrix.shape != (p, p):
        raise DataError(
            f"a covariance matrix is square with the names as columns; this one is "
            f"{matrix.shape[0]} by {matrix.shape[1]}"
        )
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
