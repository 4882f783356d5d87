"""Global fit of a model by maximum likelihood, as lavaan defines and names it.

Pure functions of log-likelihoods, counts and moments. Names of the measures are lavaan's (`cfi`,
`rmsea.ci.upper`), so that tables can be laid side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

from bayessem.model.saturated import Saturated


@dataclass(frozen=True)
class Ends:
    """The saturated and the baseline model of all groups together, given the covariates.

    Attributes
    ----------
    saturated, baseline : float
        Their log-likelihoods.
    saturated_parameters, baseline_parameters : int
        Their free parameters.
    """

    saturated: float
    baseline: float
    saturated_parameters: int
    baseline_parameters: int


def count_ends(
    p: int, covariates: int, *, conditioned: bool, groups: int, means: bool
) -> tuple[int, int]:
    """Free parameters of the saturated and the baseline model.

    Parameters
    ----------
    p, covariates : int
        Observed variables, and how many of them are covariates.
    conditioned : bool
        Whether the model conditions on the covariates, so that their moments do not count; else
        they are free in both models, as lavaan has it.
    groups : int
        Number of groups.
    means : bool
        Whether means are part of the model.
    """

    def moments(k: int) -> int:
        return k * (k + 1) // 2 + (k if means else 0)

    given = moments(covariates)
    baseline = (p - covariates) * (2 if means else 1)
    if conditioned:
        return groups * (moments(p) - given), groups * baseline
    return groups * moments(p), groups * (baseline + given)


def information_criteria(log_likelihood: float, parameters: int, size: int) -> dict[str, float]:
    """AIC, BIC and sample-size adjusted BIC (`bic2`; Sclove 1987, doi:10.1007/BF02294360)."""
    deviance = -2.0 * log_likelihood
    return {
        "logl": log_likelihood,
        "npar": float(parameters),
        "ntotal": float(size),
        "aic": deviance + 2.0 * parameters,
        "bic": deviance + parameters * math.log(size),
        "bic2": deviance + parameters * math.log((size + 2.0) / 24.0),
    }


def chi_square_measures(
    log_likelihood: float, parameters: int, ends: Ends, *, size: int, groups: int = 1
) -> dict[str, float]:
    """Chi-square, its comparison with the baseline, and RMSEA.

    Parameters
    ----------
    log_likelihood : float
        Of the model, given the covariates.
    parameters : int
        Its free parameters.
    ends : Ends
        The models it is compared with.
    size, groups : int
        Respondents and groups.

    Returns
    -------
    dict
        chisq, df, pvalue, baseline.*, cfi, tli, nfi, rni, ifi, rmsea with its 90 % interval
        and the p-value of close fit (RMSEA <= .05), mfi, unrestricted.logl.

    Notes
    -----
    IFI: Bollen (1989), doi:10.1177/0049124189017003004. RMSEA over groups is multiplied by
    sqrt(groups): Steiger (1998), doi:10.1080/10705519809540115.
    """
    x = max(2.0 * (ends.saturated - log_likelihood), 0.0)
    df = ends.saturated_parameters - parameters
    x0 = max(2.0 * (ends.saturated - ends.baseline), 0.0)
    df0 = ends.saturated_parameters - ends.baseline_parameters
    excess, excess0 = max(x - df, 0.0), max(x - df, x0 - df0, 0.0)
    tli = 1.0
    if df > 0 and df0 > 0:
        tli = 1.0 - (x - df) * df0 / ((x0 - df0) * df) if x0 != df0 else math.nan
    return {
        "chisq": x,
        "df": float(df),
        "pvalue": float(chi2.sf(x, df)) if df > 0 else math.nan,
        "baseline.chisq": x0,
        "baseline.df": float(df0),
        "baseline.pvalue": float(chi2.sf(x0, df0)) if df0 > 0 else math.nan,
        "unrestricted.logl": ends.saturated,
        "cfi": 1.0 - excess / excess0 if excess0 > 0 else 1.0,
        "tli": tli,
        "nnfi": tli,
        "nfi": (x0 - x) / x0 if x0 > 0 else math.nan,
        "rni": 1.0 - (x - df) / (x0 - df0) if x0 != df0 else math.nan,
        "ifi": (x0 - x) / (x0 - df) if x0 != df else math.nan,
        "mfi": math.exp(-0.5 * (x - df) / size),
        **rmsea(x, df, size=size, groups=groups),
    }


def rmsea(chisq: float, df: int, *, size: int, groups: int = 1) -> dict[str, float]:
    """Root mean square error of approximation, its 90 % interval and p(RMSEA <= .05).

    Browne & Cudeck (1992), doi:10.1177/0049124192021002005.
    """
    if df <= 0:
        return {
            "rmsea": 0.0,
            "rmsea.ci.lower": 0.0,
            "rmsea.ci.upper": 0.0,
            "rmsea.pvalue": math.nan,
        }
    unit = groups / (size * df)
    close = ncx2.sf(chisq, df, 0.05**2 / unit)
    return {
        "rmsea": math.sqrt(max(chisq - df, 0.0) * unit),
        "rmsea.ci.lower": math.sqrt(_noncentrality(chisq, df, 0.95) * unit),
        "rmsea.ci.upper": math.sqrt(_noncentrality(chisq, df, 0.05) * unit),
        "rmsea.pvalue": float(close),
    }


def _noncentrality(chisq: float, df: int, probability: float) -> float:
    """Noncentrality under which a chi-square falls below `chisq` with this probability, or 0."""
    if chi2.cdf(chisq, df) <= probability:
        return 0.0
    upper = max(chisq, 1.0)
    while ncx2.cdf(chisq, df, upper) > probability:
        upper *= 2.0
    return float(brentq(lambda nc: ncx2.cdf(chisq, df, nc) - probability, 1e-9, upper))


def residual_measures(
    saturated: Sequence[Saturated],
    covariances: Sequence[np.ndarray],
    means: Sequence[np.ndarray] | None,
    *,
    covariates: Sequence[int] = (),
) -> dict[str, float]:
    """SRMR and GFI from sample and model moments, groups weighted by their size.

    Parameters
    ----------
    saturated : sequence of Saturated
        Sample moments of each group (with missing values: by EM).
    covariances, means : sequence of ndarray (p, p), (p,)
        Implied by the model; means None without a mean structure.
    covariates : sequence of int
        Columns that the model conditions on: their own moments are left out of GFI.

    Returns
    -------
    dict
        srmr (lavaan's default: Bentler's, with means), rmr, gfi = 1 - tr[(W S - I)^2] / tr[(W S)^2]
        with W the inverse of the implied covariance, and `gfi.means`, lavaan's GFI, which
        counts the means in (Joreskog & Sorbom's counts covariances only; the two agree without
        a mean structure).
    """
    parts: dict[str, list[float]] = {"srmr": [], "rmr": [], "gfi": [], "gfi.means": []}
    for g, sample in enumerate(saturated):
        s, sigma = sample.covariance, covariances[g]
        p = len(s)
        sd = np.sqrt(np.diag(s))
        lower = np.tril_indices(p)
        raw = (s - sigma)[lower]
        scaled = ((s - sigma) / np.outer(sd, sd))[lower]
        counted, centre = s.copy(), sample.mean.copy()
        counted[np.ix_(covariates, covariates)] = 0.0
        centre[list(covariates)] = 0.0
        weighted, misfit = np.linalg.solve(sigma, counted), np.linalg.solve(sigma, s - sigma)
        t1, t2 = float(np.sum(misfit * misfit.T)), float(np.sum(weighted * weighted.T))
        parts["gfi"].append(1.0 - t1 / t2)
        if means is not None:
            difference = sample.mean - means[g]
            raw = np.concatenate([raw, difference])
            scaled = np.concatenate([scaled, difference / sd])
            t1 = 0.5 * t1 + float(difference @ np.linalg.solve(sigma, difference))
            t2 = 0.5 * t2 + float(centre @ np.linalg.solve(sigma, centre))
        parts["gfi.means"].append(1.0 - t1 / t2)
        parts["srmr"].append(float(np.sqrt(np.mean(scaled**2))))
        parts["rmr"].append(float(np.sqrt(np.mean(raw**2))))
    weights = np.array([x.count for x in saturated], dtype=float)
    return {name: float(weights @ np.array(v) / weights.sum()) for name, v in parts.items()}
