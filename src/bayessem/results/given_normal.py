"""Moments of normal latent responses given covariates, about a point of the parameters.

A model with probit links that is linear given its covariates has normal latent responses with
respondents' means and one covariance matrix. Shares and mean scores are exact; covariances of two
scores are a series in their correlation (Pearson 1900), whose first terms are exact, since an
integral for each respondent, pair and draw would take minutes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from bayessem.results.answer_margins import NODES, Margins, bivariate_excess
from bayessem.results.given_margins import BLOCK, Rows, averages, blocks, covariate_places

# Nodes of the integral over a correlation up to .3, .75 and .925 (Genz 2004,
# doi:10.1023/B:STCO.0000035304.20635.31).
ENOUGH = ((0.3, 6), (0.75, 12), (0.925, 20))
# Terms of the tetrachoric series that are exact.
TERMS = 3


@dataclass(frozen=True)
class ReducedForm:
    """Normal latent responses given covariates, in units of their sd given these.

    Attributes
    ----------
    thresholds : list of ndarray (..., threshold)
        Of each variable, where all covariates are 0.
    slopes : ndarray (..., p, q)
    correlation : ndarray (..., p, p)
    """

    thresholds: list[np.ndarray]
    slopes: np.ndarray
    correlation: np.ndarray

    def coordinates(self, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """All of them side by side: thresholds and slopes by variable, correlations of pairs."""
        own = [part for i, t in enumerate(self.thresholds) for part in (t, self.slopes[..., i, :])]
        return np.concatenate([*own, self.correlation[..., pairs[0], pairs[1]]], axis=-1)

    def cut(self, i: int, x: np.ndarray) -> np.ndarray:
        """Thresholds (..., row, threshold) of a variable at covariates x (row, q)."""
        moved = self.slopes[..., i, :] @ x.T
        return self.thresholds[i][..., None, :] - moved[..., None]


def reduced_form(margins: Margins, elements: np.ndarray, group: int) -> ReducedForm:
    """Of a model whose latent responses are normal, at flat matrices (..., elements)."""
    structure = margins.structure
    m = structure.matrices(elements, group)
    given = covariate_places(margins)
    size = m["paths"].shape[-1]
    total = np.linalg.inv(np.eye(size) - m["paths"])
    psi, alpha = m["disturbances"].copy(), m["means"].copy()
    psi[..., given, :] = 0.0
    psi[..., :, given] = 0.0
    alpha[..., given] = 0.0
    rows = [structure.observed.index(name) for name in margins.names]
    across = m["loadings"][..., rows, :] @ total
    covariance = across @ psi @ np.swapaxes(across, -1, -2)
    covariance = covariance + m["residuals"][..., rows, :][..., rows]
    mean = m["intercepts"][..., rows] + (across @ alpha[..., None])[..., 0]
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    cuts = []
    for i, name in enumerate(margins.names):
        at = structure.threshold_at[name]
        own = m["thresholds"][..., at : at + margins.counts[i] - 1]
        cuts.append((own - mean[..., i, None]) / sd[..., i, None])
    correlation = covariance / (sd[..., :, None] * sd[..., None, :])
    return ReducedForm(cuts, across[..., given] / sd[..., None], correlation)


def enough_nodes(correlation: float) -> int:
    """Nodes for which the integral over a correlation is exact to 1e-10 or so."""
    return next((nodes for most, nodes in ENOUGH if abs(correlation) <= most), NODES)


def tetrachoric_functions(cut: np.ndarray, terms: int = TERMS) -> list[np.ndarray]:
    """He_k phi / sqrt(k + 1)! of thresholds (..., threshold), k = 0, ..., terms - 1.

    Covariances of two answers are sums of powers r, r^2, ... of the correlation times products of
    these (Pearson 1900, doi:10.1098/rsta.1900.0022).
    """
    density = np.exp(-0.5 * cut * cut) / math.sqrt(2.0 * math.pi)
    polynomials = [np.ones_like(cut), cut]
    for k in range(1, terms):
        polynomials.append(cut * polynomials[k] - k * polynomials[k - 1])
    return [
        p * density / math.sqrt(math.factorial(k + 1)) for k, p in enumerate(polynomials[:terms])
    ]


def _series(first: np.ndarray, second: np.ndarray, r: float) -> tuple[np.ndarray, ...]:
    """The series' sum over cells (row,), and derivatives by thresholds (row, a), (row, b), r."""
    a, b = tetrachoric_functions(first, TERMS + 1), tetrachoric_functions(second, TERMS + 1)
    value, by_r = np.zeros(len(first)), np.zeros(len(first))
    by_a, by_b = np.zeros_like(first), np.zeros_like(second)
    for k in range(TERMS):
        left, right = a[k].sum(axis=1), b[k].sum(axis=1)
        value += r ** (k + 1) * left * right
        by_r += (k + 1) * r**k * left * right
        # (He_k phi)' = -He_(k + 1) phi
        slope = -math.sqrt(k + 2.0) * r ** (k + 1)
        by_a += slope * a[k + 1] * right[:, None]
        by_b += slope * b[k + 1] * left[:, None]
    return value, by_a, by_b, by_r


def excess_sums(margins: Margins, rows: Rows, form: ReducedForm) -> tuple[np.ndarray, np.ndarray]:
    """What covariances of two scores, summed over respondents, are beyond the series' first terms.

    Returns
    -------
    sums : ndarray (pair,)
    slopes : ndarray (pair, coordinate)
        Derivatives by `ReducedForm.coordinates`.
    """
    first, second = margins.pairs
    q = rows.x.shape[1]
    starts = np.concatenate([[0], np.cumsum([len(t) + q for t in form.thresholds])])
    sums = np.zeros(len(first))
    slopes = np.zeros((len(first), starts[-1] + len(first)))
    for part in blocks(rows, 8 * max(margins.counts) ** 2):
        x = rows.x[part]
        cuts = [form.cut(i, x) for i in range(len(margins.names))]
        for c, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            r = float(form.correlation[i, j])
            weight = rows.times[part] * rows.known[part, i] * rows.known[part, j]
            excess = bivariate_excess(cuts[i], cuts[j], np.full(len(x), r), enough_nodes(r))
            whole = (excess.sum(axis=(1, 2)), *_excess_slopes(cuts[i], cuts[j], r))
            value, by_i, by_j, by_r = (
                w - s for w, s in zip(whole, _series(cuts[i], cuts[j], r), strict=True)
            )
            sums[c] += weight @ value
            for k, by in ((i, by_i), (j, by_j)):
                own = np.concatenate([weight @ by, -(weight * by.sum(axis=1)) @ x])
                slopes[c, starts[k] : starts[k + 1]] += own
            slopes[c, starts[-1] + c] += weight @ by_r
    return sums, slopes


def _excess_slopes(
    first: np.ndarray, second: np.ndarray, r: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Derivatives of `bivariate_excess`, summed over cells, by thresholds (row, a), (row, b), r."""
    a, b, left = first[:, :, None], second[:, None, :], np.sqrt(1.0 - r * r)
    density_a, density_b = (np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi) for t in (a, b))
    by_a = density_a * (ndtr(-b) - ndtr((r * a - b) / left))
    by_b = density_b * (ndtr(-a) - ndtr((r * b - a) / left))
    by_r = density_a * np.exp(-0.5 * ((b - r * a) / left) ** 2) / (np.sqrt(2.0 * np.pi) * left)
    return by_a.sum(axis=2), by_b.sum(axis=1), by_r.sum(axis=(1, 2))


@dataclass(frozen=True)
class NormalAverages:
    """Expected averages of normal latent responses about a point.

    Shares, means of scores given covariates and the first terms of covariances of two scores, by
    powers of their correlation, are exact; what is left of these is linear in thresholds, slopes
    and correlations about the point.

    Attributes
    ----------
    margins : Margins
    group : int
    rows : Rows
    at : ndarray (coordinate,)
        The point.
    sums, slopes : ndarray (pair,), (pair, coordinate)
        Of `excess_sums` there.
    """

    margins: Margins
    group: int
    rows: Rows
    at: np.ndarray
    sums: np.ndarray
    slopes: np.ndarray

    def __call__(self, elements: np.ndarray) -> np.ndarray:
        """Expected averages (draw, moment) at flat matrices (draw, elements)."""
        margins, rows = self.margins, self.rows
        first, second = margins.pairs
        step = max(1, BLOCK // (len(rows.times) * (TERMS + 2) * sum(margins.own)))
        weights = rows.known.T * np.sqrt(rows.times)
        out = []
        for start in range(0, len(elements), step):
            form = reduced_form(margins, elements[start : start + step], self.group)
            own: list[np.ndarray] = []
            terms: list[list[np.ndarray]] = [[] for _ in range(TERMS + 1)]
            for i in range(len(margins.names)):
                cut = form.cut(i, rows.x)
                above = ndtr(-cut)
                end = np.zeros((*above.shape[:-1], 1))
                own.append(-np.diff(np.concatenate([above, end], axis=-1), axis=-1))
                for k, one in enumerate((above, *tetrachoric_functions(cut))):
                    terms[k].append(one.sum(axis=-1) * weights[i])
            moved = form.coordinates(margins.pairs) - self.at
            products = self.sums + moved @ self.slopes.T
            r = form.correlation[:, first, second]
            for k, parts in enumerate(terms):
                by_row = np.stack(parts, axis=1)  # (draw, p, row)
                products += r**k * (by_row @ np.swapaxes(by_row, 1, 2))[:, first, second]
            out.append(averages(margins, rows, own, products))
        return np.concatenate(out)


def normal_averages(
    margins: Margins, elements: np.ndarray, group: int, rows: Rows
) -> NormalAverages:
    """Expected averages about flat matrices (elements,)."""
    form = reduced_form(margins, elements, group)
    sums, slopes = excess_sums(margins, rows, form)
    return NormalAverages(margins, group, rows, form.coordinates(margins.pairs), sums, slopes)
