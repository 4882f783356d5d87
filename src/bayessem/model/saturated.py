"""The models at both ends: every moment free (saturated) and no covariances at all (baseline).

Complete data have closed forms. With missing values the saturated means and covariances are found
by EM (Little & Rubin 2002, ch. 11, doi:10.1002/9781119013563) on the sufficient statistics of each
missingness pattern, sped up by squared extrapolation (Varadhan & Roland 2008,
doi:10.1111/j.1467-9469.2007.00585.x).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayessem.errors import DataError
from bayessem.likelihood.plan import pattern_from_rows
from bayessem.model.data import Sample

LOG_2PI = math.log(2.0 * math.pi)
# Standard deviation, relative to its size, of a variable that is constant but for rounding.
CONSTANT = 1e-12


@dataclass(frozen=True)
class PatternMoments:
    """Sufficient statistics of the respondents of a group with the same variables observed."""

    variables: np.ndarray  # (observed,) column index
    count: float  # sum of the weights
    mean: np.ndarray  # (observed,)
    covariance: np.ndarray  # (observed, observed), divisor n


@dataclass(frozen=True)
class Saturated:
    """Unrestricted moments of one group.

    Attributes
    ----------
    mean, covariance : ndarray (p,), (p, p)
        Maximum likelihood estimates (divisor n).
    count : int
        Respondents.
    log_likelihood : float
        At these moments.
    iterations : int
        Of EM; 0 for complete data.
    converged : bool
        Whether EM did.
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int
    log_likelihood: float
    iterations: int
    converged: bool


def pattern_moments(sample: Sample, *, group: int) -> list[PatternMoments]:
    """Sufficient statistics of each missingness pattern of one group."""
    out = []
    for g, variables, members in sample.patterns():
        if g == group:
            own = None if sample.weights is None else sample.weights[members]
            rows = sample.values[np.ix_(members, variables)]
            found = pattern_from_rows(group, variables, rows, own)
            count = float(found.weights.sum())
            if count == 0.0:  # nobody in it counts
                continue
            out.append(PatternMoments(variables, count, found.mean, found.covariance))
    return out


def normal_log_likelihood(
    patterns: Sequence[PatternMoments], mean: np.ndarray, covariance: np.ndarray
) -> float:
    """Log-likelihood of normal data by pattern; -inf where the covariance is not definite."""
    total = 0.0
    for pattern in patterns:
        o = pattern.variables
        try:
            root = np.linalg.cholesky(covariance[np.ix_(o, o)])
        except np.linalg.LinAlgError:
            return -math.inf
        difference = pattern.mean - mean[o]
        moment = pattern.covariance + np.outer(difference, difference)
        half = np.linalg.solve(root, moment)
        trace = float(np.trace(np.linalg.solve(root, half.T)))
        logdet = 2.0 * float(np.log(np.diag(root)).sum())
        total -= 0.5 * pattern.count * (len(o) * LOG_2PI + logdet + trace)
    return total


def saturate(
    sample: Sample, *, group: int = 0, tolerance: float = 1e-9, limit: int = 5000
) -> Saturated:
    """Means and covariances of one group with nothing restricted.

    Parameters
    ----------
    sample : Sample
        The data.
    group : int
        Which group.
    tolerance : float
        EM ends when a step changes no standardised moment by more than this.
    limit : int
        Largest number of EM steps.

    Raises
    ------
    DataError
        When the covariance matrix is singular: a variable that others determine, or fewer
        respondents than variables.
    """
    patterns = pattern_moments(sample, group=group)
    count = int((sample.group == group).sum())
    p = len(sample.variables)
    if len(patterns) == 1 and len(patterns[0].variables) == p:
        mean, covariance, steps, converged = patterns[0].mean, patterns[0].covariance, 0, True
    else:
        mean, covariance, steps, converged = _expectation_maximisation(
            patterns, p, tolerance=tolerance, limit=limit
        )
    value = normal_log_likelihood(patterns, mean, covariance)
    sd = np.sqrt(np.diag(covariance))
    constant = sd <= CONSTANT * np.hypot(mean, sd)
    flat = bool(constant.any())
    flat = flat or np.linalg.eigvalsh(covariance / np.outer(sd, sd))[0] < 1e-10
    if flat or not np.isfinite(value):
        where = f" in group {sample.groups[group]!r}" if len(sample.groups) > 1 else ""
        raise DataError(
            f"the covariance matrix of the {p} observed variables is singular{where} "
            f"({count} respondents): {_dependent(sample.variables, covariance, constant)}"
        )
    return Saturated(mean, covariance, count, value, steps, converged)


def _dependent(names: Sequence[str], covariance: np.ndarray, flat: np.ndarray) -> str:
    """Which variables are constant (flat) or (nearly) determined by the others, in words."""
    sd = np.sqrt(np.diag(covariance))
    constant = [n for n, c in zip(names, flat, strict=True) if c]
    if constant:
        return (
            f"{' and '.join(constant)} {'is' if len(constant) == 1 else 'are'} constant, so that "
            "the unrestricted model, which fit measures compare with, has no likelihood; sampling "
            "does without"
        )
    vector = np.linalg.eigh(covariance / np.outer(sd, sd))[1][:, 0]
    involved = [n for n, v in zip(names, vector, strict=True) if abs(v) > 0.1]
    return f"{', '.join(involved)} determine each other; leave one of them out, or use more data"


def _expectation_maximisation(
    patterns: Sequence[PatternMoments], p: int, *, tolerance: float, limit: int
) -> tuple[np.ndarray, np.ndarray, int, bool]:
    """EM from the moments of the observed values, in units of their standard deviations."""
    centre, scale = _available(patterns, p)
    unit = [
        PatternMoments(
            x.variables,
            x.count,
            (x.mean - centre[x.variables]) / scale[x.variables],
            x.covariance / np.outer(scale[x.variables], scale[x.variables]),
        )
        for x in patterns
    ]
    lower = np.tril_indices(p)

    def packed(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        return np.concatenate([mean, covariance[lower]])

    def unpacked(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        covariance = np.zeros((p, p))
        covariance[lower] = point[p:]
        return point[:p], covariance + np.tril(covariance, -1).T

    def step(point: np.ndarray) -> np.ndarray:
        return packed(*_em_step(unit, *unpacked(point)))

    point = packed(np.zeros(p), np.eye(p))
    value, steps, converged = normal_log_likelihood(unit, *unpacked(point)), 0, False
    while steps < limit and not converged:
        first = step(point)
        second = step(first)
        steps += 2
        change, bend = first - point, (second - first) - (first - point)
        if np.abs(second - first).max() < tolerance:
            point, converged = second, True
            break
        length = -max(1.0, float(np.linalg.norm(change) / max(np.linalg.norm(bend), 1e-300)))
        leap = point - 2.0 * length * change + length**2 * bend
        trial = normal_log_likelihood(unit, *unpacked(leap))
        # The leap may leave the space of covariance matrices or overshoot; two plain steps cannot.
        point = leap if trial > value else second
        value = trial if trial > value else normal_log_likelihood(unit, *unpacked(second))
    mean, covariance = unpacked(point)
    return centre + scale * mean, covariance * np.outer(scale, scale), steps, converged


def _available(patterns: Sequence[PatternMoments], p: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of the observed values, (p,) each."""
    n, total, squares = np.zeros(p), np.zeros(p), np.zeros(p)
    for x in patterns:
        n[x.variables] += x.count
        total[x.variables] += x.count * x.mean
    n = np.where(n > 0.0, n, 1.0)  # seen with a weight of 0 alone
    centre = total / n
    for x in patterns:
        spread = np.diag(x.covariance) + (x.mean - centre[x.variables]) ** 2
        squares[x.variables] += x.count * spread
    return centre, np.sqrt(squares / n)


def _em_step(
    patterns: Sequence[PatternMoments], mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One EM step: expected first and second moments of the completed data."""
    p = len(mean)
    count = sum(x.count for x in patterns)
    total, moment = np.zeros(p), np.zeros((p, p))
    for x in patterns:
        o = x.variables
        m = np.setdiff1d(np.arange(p), o)
        weights = np.linalg.solve(covariance[np.ix_(o, o)], covariance[np.ix_(o, m)])  # (o, m)
        completed, spread = np.empty(p), np.empty((p, p))
        completed[o] = x.mean
        completed[m] = mean[m] + (x.mean - mean[o]) @ weights
        spread[np.ix_(o, o)] = x.covariance
        spread[np.ix_(o, m)] = x.covariance @ weights
        spread[np.ix_(m, o)] = spread[np.ix_(o, m)].T
        left = covariance[np.ix_(m, m)] - covariance[np.ix_(m, o)] @ weights
        spread[np.ix_(m, m)] = left + weights.T @ x.covariance @ weights
        total += x.count * completed
        moment += x.count * (spread + np.outer(completed, completed))
    new = total / count
    return new, moment / count - np.outer(new, new)


def baseline_log_likelihood(sample: Sample, covariates: Sequence[int], *, group: int = 0) -> float:
    """Log-likelihood with variances and means only; covariates keep their joint moments.

    Parameters
    ----------
    sample : Sample
        The data.
    covariates : sequence of int
        Columns of the covariates.
    group : int
        Which group.
    """
    total = covariate_log_likelihood(sample, covariates, group=group)
    for j in range(len(sample.variables)):
        if j not in covariates:
            own = sample.group == group
            weights = np.ones(int(own.sum())) if sample.weights is None else sample.weights[own]
            total += _univariate(sample.values[own, j], weights)
    return total


def _univariate(values: np.ndarray, weights: np.ndarray) -> float:
    there = ~np.isnan(values)
    if not there.any():
        return 0.0
    known, weights = values[there], weights[there]
    variance = np.average((known - np.average(known, weights=weights)) ** 2, weights=weights)
    return -0.5 * float(weights.sum()) * (LOG_2PI + math.log(float(variance)) + 1.0)


def covariate_log_likelihood(sample: Sample, covariates: Sequence[int], *, group: int = 0) -> float:
    """Log-likelihood of the covariates with their own moments; 0 without covariates."""
    if not len(covariates):
        return 0.0
    values = sample.values[:, list(covariates)]
    keep = ~np.isnan(values).all(axis=1)
    part = replace(
        sample,
        variables=tuple(sample.variables[j] for j in covariates),
        values=values[keep],
        group=sample.group[keep],
        rows=sample.rows[keep],
        design=None if sample.design is None else sample.design.kept(keep),
    )
    return saturate(part, group=group).log_likelihood
