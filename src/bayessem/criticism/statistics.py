"""What predictive checks look at: numbers of one data set, computed for many at once.

Everything takes data (..., respondent, p) with nan where values are missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

MARGINS = ("mean", "sd", "skewness", "kurtosis", "lowest", "highest")
CURVE = ("level", "linear", "square")


def pair_correlations(values: np.ndarray) -> np.ndarray:
    """Correlations of the pairs of columns, (..., p (p - 1) / 2), row by row below the diagonal.

    Of the respondents who have both values.
    """
    rows, columns = np.tril_indices(values.shape[-1], -1)
    known = ~np.isnan(values)
    if known.all():
        centred = values - values.mean(axis=-2, keepdims=True)
        covariance = np.swapaxes(centred, -1, -2) @ centred
        sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return (covariance / (sd[..., :, None] * sd[..., None, :]))[..., rows, columns]
    filled, seen = np.where(known, values, 0.0), known.astype(float)
    across = np.swapaxes(seen, -1, -2)
    n = across @ seen
    first = np.swapaxes(filled, -1, -2) @ seen  # sum of i over pairs with j
    squares = np.swapaxes(filled * filled, -1, -2) @ seen
    both = np.swapaxes(filled, -1, -2) @ filled
    with np.errstate(invalid="ignore", divide="ignore"):
        second = np.swapaxes(first, -1, -2)
        covariance = both / n - first * second / n**2
        variance = squares / n - (first / n) ** 2
        out = covariance / np.sqrt(variance * np.swapaxes(variance, -1, -2))
    return out[..., rows, columns]


def margins(values: np.ndarray) -> np.ndarray:
    """Mean, sd, skewness, excess kurtosis, lowest and highest of each column, (..., p, 6)."""
    mean = np.nanmean(values, axis=-2)
    centred = values - mean[..., None, :]
    second, third, fourth = (np.nanmean(centred**k, axis=-2) for k in (2, 3, 4))
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness, kurtosis = third / second**1.5, fourth / second**2 - 3.0
    lowest, highest = np.nanmin(values, axis=-2), np.nanmax(values, axis=-2)
    return np.stack([mean, np.sqrt(second), skewness, kurtosis, lowest, highest], axis=-1)


def composite(values: np.ndarray, columns: Sequence[int], signs: np.ndarray) -> np.ndarray:
    """Mean of standardised columns (..., respondent), standardised again; nan without any.

    columns : positions;  signs : 1 or -1 for each, so that all measure in one direction.
    """
    part = values[..., list(columns)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a respondent without any of them: nan
        sd = np.nanstd(part, axis=-2, keepdims=True)
        scaled = (part - np.nanmean(part, axis=-2, keepdims=True)) / sd * signs
        out = np.nanmean(scaled, axis=-1)
        spread = np.nanstd(out, axis=-1, keepdims=True)
        return (out - np.nanmean(out, axis=-1, keepdims=True)) / spread


def quadratic_fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares coefficients of 1, x, x^2 for y, (..., 3); x and y are (..., respondent)."""
    known = ~(np.isnan(x) | np.isnan(y))
    x0, y0 = np.where(known, x, 0.0), np.where(known, y, 0.0)
    design = np.stack([known.astype(float), x0, x0 * x0], axis=-1)
    across = np.swapaxes(design, -1, -2)
    return np.linalg.solve(across @ design, across @ y0[..., None])[..., 0]
