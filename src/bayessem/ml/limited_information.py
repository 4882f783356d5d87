"""Test of a model of answers by their first and second moments: C2, RMSEA2, CFI, TLI, SRMR.

The table of all patterns of answers is sparse, so that no test of it has a distribution that is
known. First and second moments (results/answer_margins.py) are not sparse:

    C2 = e' (W - W D (D' W D)^-1 D' W) e,

e observed less expected moments, W the inverse of their covariance matrix, D the derivatives by the
parameters, is chi-square with as many degrees of freedom as there are moments more than parameters
(Maydeu-Olivares & Joe 2006, doi:10.1007/s11336-005-1295-9; Cai & Hansen 2013,
doi:10.1111/j.2044-8317.2012.02050.x; Cai & Monroe 2014, CRESST Report 839). RMSEA2 is that of
Maydeu-Olivares & Joe (2014, doi:10.1080/00273171.2014.911075); CFI and TLI compare with independent
answers (Cai, Chung & Lee 2021, doi:10.1007/s11121-021-01253-4).

With covariates that the model conditions on, the moments are given these, with the products of
answers and covariates (results/given_margins.py), and independent answers depend on no covariate.

With missing values the moments are those of the answers that are known, which is right where
nothing observed, but the covariates, says which are missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.stats import chi2

from bayessem.ml.fit_measures import rmsea
from bayessem.model.prepare import Prepared
from bayessem.results.answer_margins import Margins, points_of, scores_of
from bayessem.results.answer_moments import GroupMoments, group_moments, inverse_root
from bayessem.results.given_margins import rows_of
from bayessem.results.given_polychoric import expected_regressions, observed_sums, regressions
from bayessem.results.polychoric import expected_correlations, observed_correlations


def group_scores(margins: Margins, prepared: Prepared) -> list[np.ndarray]:
    """Scores (respondent, p) of each group."""
    sample = prepared.sample
    return [scores_of(margins, sample.values[sample.group == g]) for g in range(len(sample.groups))]


def quadratic_forms(error: np.ndarray, root: np.ndarray, change: np.ndarray) -> float:
    """C2 of moments that are off by `error` (moment,), with derivatives `change` (moment, k)."""
    off, by = root.T @ error, root.T @ change
    basis, sizes, _ = np.linalg.svd(by, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes[0]] if len(sizes) else basis
    return float(off @ off - np.sum((basis.T @ off) ** 2))


def _baseline(moments: list[GroupMoments]) -> tuple[float, int]:
    """C2 of independent answers and its degrees of freedom."""
    total, df = 0.0, 0
    for one in moments:
        sizes = np.cumsum(one.margins.own)[:-1]
        own = np.concatenate(one.own)
        # quadratic in the own moments, so that differences are exact
        moved = np.concatenate([own + np.eye(len(own)), own - np.eye(len(own)), own[None]])
        expected = one.independent_expected(np.split(moved, sizes, axis=-1))
        change = 0.5 * (expected[: len(own)] - expected[len(own) : -1]).T
        root = inverse_root(one.independent_covariance(one.own))
        total += quadratic_forms(one.observed - expected[-1], root, change)
        df += one.baseline_df
    return total, df


def limited_information(
    margins: Margins,
    prepared: Prepared,
    x: np.ndarray,
    elements: Callable[[np.ndarray], np.ndarray],
    *,
    basis: np.ndarray,
    scale: np.ndarray,
) -> dict[str, float]:
    """C2 and what is made of it, at the maximum of the likelihood.

    Parameters
    ----------
    margins : Margins
    prepared : Prepared
        The model with its data.
    x : ndarray (D,)
        The maximum.
    elements : function
        Parameters (..., D) to flat model matrices (..., elements).
    basis : ndarray (D, k)
        Directions in which parameters may move.
    scale : ndarray (D,)
        Their rough standard errors, for derivatives by differences.

    Returns
    -------
    dict
        c2, c2.df, c2.pvalue, c2.baseline.chisq, c2.baseline.df, c2.cfi, c2.tli, c2.rmsea with its
        90 % interval and p-value of close fit; empty for a model with as many parameters as
        moments.
    """
    groups = len(prepared.sample.groups)
    most = groups * (margins.size + len(margins.names) * len(margins.given))
    if most <= basis.shape[1]:
        return {}
    moments = group_moments(margins, prepared, elements(x))
    df = sum(len(one.observed) for one in moments) - basis.shape[1]
    if df <= 0:
        return {}
    step = 1e-3 * scale
    moved = elements(np.concatenate([x + np.diag(step), x - np.diag(step), x[None]]))
    errors, changes, roots = [], [], []
    for one in moments:
        expected = one.expected(moved)
        up, down = expected[: len(x)], expected[len(x) : -1]
        changes.append(((up - down) / (2.0 * step[:, None])).T @ basis)
        errors.append(one.observed - expected[-1])
        roots.append(inverse_root(one.covariance()))
    value = quadratic_forms(np.concatenate(errors), _block(roots), np.concatenate(changes))
    base, base_df = _baseline(moments)
    excess, excess0 = max(value - df, 0.0), max(value - df, base - base_df, 0.0)
    return {
        "c2": value,
        "c2.df": float(df),
        "c2.pvalue": float(chi2.sf(value, df)),
        "c2.baseline.chisq": base,
        "c2.baseline.df": float(base_df),
        "c2.cfi": 1.0 - excess / excess0 if excess0 > 0 else 1.0,
        "c2.tli": 1.0 - (value - df) * base_df / ((base - base_df) * df)
        if base != base_df
        else math.nan,
        **{
            f"c2.{name}": number
            for name, number in rmsea(value, df, size=prepared.sample.size, groups=groups).items()
        },
    }


def residual_size(margins: Margins, prepared: Prepared, elements: np.ndarray) -> float:
    """SRMR: root mean square of the residual correlations of latent responses, groups by size.

    Polychoric correlations less those of the model, over p (p + 1) / 2 elements, of which the
    variances are 0, as lavaan and Mplus have it. With covariates, of the latent responses given
    these.
    """
    total, p = 0.0, len(margins.names)
    for g, scores in enumerate(group_scores(margins, prepared)):
        if margins.given:
            rows = rows_of(margins, prepared, g)
            found = regressions(observed_sums(margins, rows, scores)).correlations
            implied = expected_regressions(margins, rows, elements[None], g)[1][0]
        else:
            found = observed_correlations(margins, scores)
            implied = expected_correlations(margins, elements[None], g, points_of(margins))[0]
        size = math.sqrt(float(np.sum((found - implied) ** 2)) / (p * (p + 1) / 2))
        total += len(scores) * size
    return total / prepared.sample.size


def _block(roots: list[np.ndarray]) -> np.ndarray:
    """Roots of the groups along the diagonal."""
    out = np.zeros((sum(len(r) for r in roots), sum(r.shape[1] for r in roots)))
    i = j = 0
    for root in roots:
        out[i : i + len(root), j : j + root.shape[1]] = root
        i, j = i + len(root), j + root.shape[1]
    return out
