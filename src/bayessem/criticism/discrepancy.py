"""The discrepancy of data from a model, D = 2 (saturated - model log-likelihood), and its replicas.

With complete data D of replicated data needs no data: in units of the model's own moments their
covariance matrix is Wishart and their mean normal whatever the parameters, so D is a function of
chi-square variables alone (Bartlett's decomposition; Anderson 2003, ch. 7, ISBN 978-0471360919),
drawn exactly and at once. With missing values the respondents are drawn and the saturated
model is fitted to each replica by EM, all replicas together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayessem.model.conditioning import has_means
from bayessem.model.prepare import Prepared
from bayessem.model.saturated import LOG_2PI, covariate_log_likelihood, saturate
from bayessem.results.standardize import model_moments


@dataclass(frozen=True)
class Counts:
    """What the indices count.

    Attributes
    ----------
    moments : int
        p*: free moments of the saturated model over all groups, given the covariates.
    variables : int
        Observed variables that are modelled (covariates that the model conditions on are not).
    respondents, groups : int
    """

    moments: int
    variables: int
    respondents: int
    groups: int


def stored_log_likelihood(data: xr.DataTree) -> xr.DataArray:
    """Log p(y_i) as a fit keeps it, (chain, draw, respondent); long runs keep some draws only."""
    return data["log_likelihood"].to_dataset()["y"]


def count_moments(prepared: Prepared) -> Counts:
    """p*, the number of modelled variables, respondents and groups."""
    p, q, groups = (
        len(prepared.sample.variables),
        len(prepared.table.exogenous),
        len(prepared.sample.groups),
    )
    means = has_means(prepared.table)
    full = p * (p + 1) // 2 + p * means
    given = q * (q + 1) // 2 + q * means
    return Counts(groups * (full - given), p - q, prepared.sample.size, groups)


def covariate_columns(prepared: Prepared) -> list[int]:
    """Columns of the covariates that the model conditions on."""
    return [prepared.sample.variables.index(name) for name in prepared.table.exogenous]


def saturated_log_likelihood(prepared: Prepared) -> float:
    """Log-likelihood of the saturated model of all groups, given the covariates."""
    sample, columns = prepared.sample, covariate_columns(prepared)
    return sum(
        saturate(sample, group=g).log_likelihood
        - covariate_log_likelihood(sample, columns, group=g)
        for g in range(len(sample.groups))
    )


def discrepancies(prepared: Prepared, log_likelihood: np.ndarray) -> np.ndarray:
    """D of the data at each draw, (...).

    log_likelihood : (..., respondent), given the covariates, as `Fit.data` holds it.
    """
    return 2.0 * (saturated_log_likelihood(prepared) - log_likelihood.sum(axis=-1))


def replicated_complete(
    prepared: Prepared, draws: int, *, generator: np.random.Generator
) -> np.ndarray:
    """D of data replicated from the model without missing values, (draws,): exact.

    Given q covariates, n W ~ Wishart(n - 1 - q) is the residual matrix of the p others in units of
    the model, and the deviations of their (1 + q) regression coefficients are independent of it:
    D = n (tr W - log|W| - p) + chi-square(p + p q). Without a mean structure, p less.
    """
    q = len(prepared.table.exogenous)
    p = len(prepared.sample.variables) - q
    coefficients = p * (has_means(prepared.table) + q)
    total = np.zeros(draws)
    for n in np.bincount(prepared.sample.group, minlength=len(prepared.sample.groups)):
        freedom = n - 1 - q - np.arange(p)
        diagonal = generator.chisquare(freedom, size=(draws, p))
        below = generator.chisquare(p * (p - 1) / 2, size=draws) if p > 1 else 0.0
        trace = (diagonal.sum(axis=1) + below) / n
        logdet = np.log(diagonal / n).sum(axis=1)
        total += n * (trace - logdet - p)
        if coefficients:
            total += generator.chisquare(coefficients, size=draws)
    return total


def replicated_incomplete(
    prepared: Prepared, elements: np.ndarray, *, generator: np.random.Generator
) -> np.ndarray:
    """D of data replicated at given draws with the same values missing, (draws,).

    Parameters
    ----------
    prepared : Prepared
        A linear model with its data.
    elements : ndarray (draws, elements)
        Flat model matrices of the draws.
    generator : Generator
        Source of the random numbers.
    """
    sample = prepared.sample
    columns = covariate_columns(prepared)
    total = np.zeros(len(elements))
    for g in range(len(sample.groups)):
        moments = model_moments(prepared.structure, elements, group=g)
        mean, covariance = moments.observed_mean, moments.observed_covariance
        replicas = [
            _Replica(o, *_pattern_draw(sample.values[members], o, columns, mean, covariance,
                                       generator))
            for group, o, members in sample.patterns()
            if group == g
        ]  # fmt: skip
        model = _log_likelihoods(replicas, mean, covariance)
        total += 2.0 * (_saturated(replicas, mean, covariance) - model)
    return total


@dataclass(frozen=True)
class _Replica:
    """Sufficient statistics of one missingness pattern in all replicas."""

    variables: np.ndarray  # (o,)
    count: int
    mean: np.ndarray  # (draws, o)
    covariance: np.ndarray  # (draws, o, o), divisor n


def _pattern_draw(
    values: np.ndarray,
    observed: np.ndarray,
    columns: list[int],
    mean: np.ndarray,
    covariance: np.ndarray,
    generator: np.random.Generator,
) -> tuple[int, np.ndarray, np.ndarray]:
    """Respondents of one pattern drawn given their covariates: count, means, covariances."""
    n, draws = len(values), len(mean)
    given = np.array([j for j in observed if j in columns], dtype=int)
    free = np.array([j for j in observed if j not in columns], dtype=int)
    out = np.empty((draws, n, len(observed)))
    at = {int(j): k for k, j in enumerate(observed)}
    spread = covariance[:, free[:, None], free]
    centre = np.broadcast_to(mean[:, None, free], (draws, n, len(free)))
    if len(given):
        x = values[:, given]
        weights = np.linalg.solve(
            covariance[:, given[:, None], given], covariance[:, given[:, None], free]
        )
        centre = centre + (x - mean[:, None, given]) @ weights
        spread = spread - covariance[:, free[:, None], given] @ weights
        out[:, :, [at[int(j)] for j in given]] = x
    if len(free):
        root = np.linalg.cholesky(spread)
        noise = generator.standard_normal((draws, n, len(free)))
        out[:, :, [at[int(j)] for j in free]] = centre + noise @ np.swapaxes(root, -1, -2)
    centre = out.mean(axis=1)
    out -= centre[:, None]
    return n, centre, np.swapaxes(out, -1, -2) @ out / n


def _log_likelihoods(
    replicas: list[_Replica], mean: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """Normal log-likelihood of each replica at its own moments, (draws,)."""
    total = np.zeros(len(mean))
    for r in replicas:
        o = r.variables
        own = covariance[:, o[:, None], o]
        difference = r.mean - mean[:, o]
        moment = r.covariance + difference[:, :, None] * difference[:, None, :]
        trace = np.trace(np.linalg.solve(own, moment), axis1=-2, axis2=-1)
        total -= 0.5 * r.count * (len(o) * LOG_2PI + np.linalg.slogdet(own)[1] + trace)
    return total


def _saturated(
    replicas: list[_Replica],
    mean: np.ndarray,
    covariance: np.ndarray,
    *,
    tolerance: float = 1e-3,
    limit: int = 2000,
) -> np.ndarray:
    """Saturated log-likelihood of each replica by EM from the moments it was drawn from.

    EM ends when the largest remaining gain, extrapolated as a geometric series, is below
    `tolerance`: D is compared with numbers of the order of 100.
    """
    value = _log_likelihoods(replicas, mean, covariance)
    last = np.zeros(len(value))
    for _ in range(limit):
        mean, covariance = _em_step(replicas, mean, covariance)
        new = _log_likelihoods(replicas, mean, covariance)
        gain = np.maximum(new - value, 0.0)
        # in the first round nothing is known about how gains shrink
        ratio = np.clip(gain / np.maximum(last, 1e-300), 0.0, 0.999)
        value, last = new, gain
        if np.max(gain * ratio / (1.0 - ratio)) < tolerance:
            break
    return value


def _em_step(
    replicas: list[_Replica], mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One EM step for all replicas (Little & Rubin 2002, ch. 11)."""
    draws, p = mean.shape
    count = sum(r.count for r in replicas)
    total, moment = np.zeros((draws, p)), np.zeros((draws, p, p))
    for r in replicas:
        o = r.variables
        m = np.setdiff1d(np.arange(p), o)
        completed, spread = np.empty((draws, p)), np.empty((draws, p, p))
        completed[:, o] = r.mean
        spread[:, o[:, None], o] = r.covariance
        if len(m):
            cross = covariance[:, o[:, None], m]
            weights = np.linalg.solve(covariance[:, o[:, None], o], cross)
            back = np.swapaxes(weights, -1, -2)
            completed[:, m] = mean[:, m] + ((r.mean - mean[:, o])[:, None] @ weights)[:, 0]
            both = r.covariance @ weights
            spread[:, o[:, None], m] = both
            spread[:, m[:, None], o] = np.swapaxes(both, -1, -2)
            left = covariance[:, m[:, None], m] - np.swapaxes(cross, -1, -2) @ weights
            spread[:, m[:, None], m] = left + back @ both
        total += r.count * completed
        moment += r.count * (spread + completed[:, :, None] * completed[:, None, :])
    new = total / count
    return new, moment / count - new[:, :, None] * new[:, None, :]
