"""What importance sampling over posterior draws needs besides weights (posterior/smoothing.py)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp

# A Monte Carlo standard error of one elpd above this is pointed out.
LARGE_ERROR = 0.5
# Fewer draws have no tail to fit a Pareto distribution to.
FEWEST_DRAWS = 100


def relative_efficiency(values: np.ndarray) -> float:
    """Effective draws of means per draw, averaged over the parameters, as ArviZ's `loo` has it.

    values : (chain, draw, parameter); 1 for a single chain.
    """
    if values.shape[0] == 1:
        return 1.0
    from arviz_stats.base import array_stats

    by_parameter = np.moveaxis(values, -1, 0)
    effective = array_stats.ess(by_parameter, chain_axis=1, draw_axis=2, method="mean")
    return float(np.mean(effective)) / (values.shape[0] * values.shape[1])


def log_mean_exp(values: np.ndarray) -> np.ndarray:
    """Logarithm of the mean of exponentials along the first axis."""
    return logsumexp(values, axis=0) - math.log(len(values))


def log_mean_error(values: np.ndarray) -> float:
    """Standard error of the log of a mean of exponentials, by the delta method.

    values : (..., draw), draws as independent units, their means over the other axes taken first.
    """
    weights = np.exp(values - values.max())
    by_draw = weights.mean(axis=tuple(range(weights.ndim - 1)))
    return float(by_draw.std(ddof=1) / math.sqrt(len(by_draw)) / by_draw.mean())


def bridged_mean(without: np.ndarray, full: np.ndarray) -> tuple[float, float]:
    """Log of the mean density of left-out data under the posterior without these data.

    From draws of both posteriors by bridge sampling, since the full one is the other times the
    density; the plain mean hangs on few draws when the data are far out. Meng & Wong (1996),
    Statistica Sinica 6, 831-860.

    Parameters
    ----------
    without, full : ndarray (..., draw), (draw,)
        Log-density of the data at draws of the posterior without them, and with them. Other axes
        of `without` hold draws that depend on one another.

    Returns
    -------
    log_mean : float
    error : float
        Its Monte Carlo standard error, draws as independent.
    """
    share = math.log(full.size / (full.size + without.size))
    rest = math.log(without.size / (full.size + without.size))
    estimate = float(log_mean_exp(without.ravel()))
    for _ in range(1000):
        numerator = without - np.logaddexp(share + without, rest + estimate)
        denominator = -np.logaddexp(share + full, rest + estimate)
        new = float(log_mean_exp(numerator.ravel()) - log_mean_exp(denominator))
        converged = abs(new - estimate) < 1e-10
        estimate = new
        if converged:
            break
    return estimate, math.hypot(log_mean_error(numerator), log_mean_error(denominator))
