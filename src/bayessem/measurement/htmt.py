"""Measurement quality without a model: HTMT and the classic alpha, with a Bayesian bootstrap.

The Bayesian bootstrap (Rubin 1981, doi:10.1214/aos/1176345338) weighs the respondents by a flat
Dirichlet distribution. It differs from resampling them only in that every respondent keeps some
weight, so its intervals are those people know, and its shares are posterior probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bayessem.errors import FitError
from bayessem.results.reliability import heterotrait_monotrait

# Weights are drawn for so many respondents at a time, which bounds the memory.
BLOCK = 2000


def bootstrap_covariances(values: np.ndarray, *, draws: int, random_seed: int) -> np.ndarray:
    """Covariances of the respondents under Bayesian bootstrap weights.

    Parameters
    ----------
    values : ndarray (respondent, p)
        Observed variables; nan is missing, and each covariance is of the available pairs.
    draws : int
        How many sets of weights.
    random_seed : int
        Makes them repeatable.

    Returns
    -------
    ndarray (draws, p, p)
        Divisor: the sum of the weights.
    """
    if draws < 2:
        raise FitError(f"bootstrap has to be at least 2, not {draws}")
    known = ~np.isnan(values)
    filled = np.where(known, values - np.nanmean(values, axis=0), 0.0)
    seen = known.astype(float)
    rng = np.random.default_rng(random_seed)
    p = values.shape[1]
    i, j = np.triu_indices(p)
    weight, mean, both = np.zeros((draws, 1)), np.zeros((draws, p)), np.zeros((draws, len(i)))
    counted, first, second = np.zeros((draws, p)), np.zeros_like(both), np.zeros_like(both)
    pairs = np.zeros_like(both)
    for start in range(0, len(values), BLOCK):
        x, m = filled[start : start + BLOCK], seen[start : start + BLOCK]
        w = rng.standard_exponential((draws, len(x)))  # Dirichlet but for their sum
        weight += w.sum(axis=1, keepdims=True)
        mean += w @ x
        both += w @ (x[:, i] * x[:, j])
        if not known.all():
            counted += w @ m
            pairs += w @ (m[:, i] * m[:, j])
            first += w @ (x[:, i] * m[:, j])
            second += w @ (m[:, i] * x[:, j])
    if known.all():
        mean = mean / weight
        upper = both / weight - mean[:, i] * mean[:, j]
    else:
        mean = mean / counted
        with np.errstate(invalid="ignore", divide="ignore"):  # no respondent has both: nan
            upper = (both - mean[:, j] * first - mean[:, i] * second) / pairs
        upper = upper + mean[:, i] * mean[:, j]
    out = np.empty((draws, p, p))
    out[:, i, j] = upper
    out[:, j, i] = upper
    return out


def cronbach_alpha(covariance: np.ndarray) -> np.ndarray:
    """Alpha, k/(k - 1) (1 - sum of variances / variance of the sum).

    Cronbach (1951), doi:10.1007/BF02310555.

    Parameters
    ----------
    covariance : ndarray (..., k, k)
        Of the k indicators: of the sample, or implied by the model.
    """
    k = covariance.shape[-1]
    share = np.trace(covariance, axis1=-2, axis2=-1) / covariance.sum(axis=(-2, -1))
    return k / (k - 1) * (1.0 - share)


def correlations(covariance: np.ndarray) -> np.ndarray:
    """Correlations (..., p, p) of covariances; nan of a variable without variance."""
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / (sd[..., :, None] * sd[..., None, :])


def composite_correlations(
    covariance: np.ndarray, composites: Sequence[Sequence[int]]
) -> np.ndarray:
    """Correlations (..., q, q) of mean scores of standardised items.

    Parameters
    ----------
    covariance : ndarray (..., p, p)
        Of the items.
    composites : sequence of sequences of int
        The columns of each of the q scores; one column is that item itself.
    """
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    sd = np.where(sd > 0, sd, 1.0)  # a covariate that is constant in its group
    correlation = covariance / (sd[..., :, None] * sd[..., None, :])
    weights = np.zeros((len(composites), covariance.shape[-1]))
    for row, columns in enumerate(composites):
        weights[row, list(columns)] = 1.0 / len(columns)
    scores = weights @ correlation @ weights.T
    return correlations(scores)


def construct_htmt(
    covariance: np.ndarray,
    measures: Mapping[str, Sequence[Sequence[int]]],
    pairs: Sequence[tuple[str, str]],
) -> np.ndarray:
    """HTMT of chosen pairs of constructs, dimensions of higher-order constructs as mean scores.

    Parameters
    ----------
    covariance : ndarray (..., p, p)
        Of the observed variables.
    measures : mapping
        Construct to its indicators, each the columns of an item (one) or of a dimension (its
        items; Sarstedt, Hair, Cheah, Becker & Ringle 2019, doi:10.1016/j.ausmj.2019.05.003).
    pairs : sequence of (str, str)
        The q pairs.

    Returns
    -------
    ndarray (..., q)
    """
    out = []
    for one, other in pairs:
        scores = composite_correlations(covariance, [*measures[one], *measures[other]])
        k = len(measures[one])
        columns = {one: range(k), other: range(k, scores.shape[-1])}
        out.append(heterotrait_monotrait(scores, columns)[one, other])
    return np.stack(out, axis=-1) if out else np.empty((*covariance.shape[:-2], 0))
