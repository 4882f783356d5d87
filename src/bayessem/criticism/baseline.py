"""The baseline of relative fit indices, variances and means only: its posterior, exactly.

Under the reference prior p(mu, sigma^2) proportional to 1 / sigma^2 each variable's posterior is
n s^2 / sigma^2 ~ chi-square(n - 1), mu | sigma^2 ~ N(ybar, sigma^2 / n) (Gelman et al. 2013,
section 3.2, doi:10.1201/b16018), from its own observed values. Without a mean structure the means
are those of the sample, which are 0.
"""

from __future__ import annotations

import numpy as np

from bayessem.model.conditioning import has_means
from bayessem.model.prepare import Prepared
from bayessem.model.saturated import LOG_2PI


def baseline_log_likelihoods(
    prepared: Prepared, draws: int, *, generator: np.random.Generator
) -> np.ndarray:
    """Log p(y_i) under posterior draws of the baseline model, (draws, respondent).

    Covariates that the model conditions on are left out: they are the same in all models.

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    draws : int
        How many.
    generator : Generator
        Source of the random numbers.
    """
    sample = prepared.sample
    means = has_means(prepared.table)
    out = np.zeros((draws, sample.size))
    for j, name in enumerate(sample.variables):
        if name in prepared.table.exogenous:
            continue
        for g in range(len(sample.groups)):
            rows = np.flatnonzero((sample.group == g) & ~np.isnan(sample.values[:, j]))
            y = sample.values[rows, j]
            n = len(y)
            if n < 2:
                continue
            if means:
                variance = n * y.var() / generator.chisquare(n - 1, size=(draws, 1))
                mean = y.mean() + np.sqrt(variance / n) * generator.standard_normal((draws, 1))
            else:
                variance = y @ y / generator.chisquare(n, size=(draws, 1))
                mean = np.zeros((draws, 1))
            out[:, rows] -= 0.5 * (LOG_2PI + np.log(variance) + (y - mean) ** 2 / variance)
    return out
