"""Moments of answers given covariates: what a model expects of each respondent, averaged over them.

A model that conditions on covariates says nothing about their distribution, and each respondent's
answers have moments of their own. Averaged are each variable's own moments, the products of its
score with each covariate (which say how it depends on these), and the products of two scores: the
moments behind thresholds, slopes and correlations of Muthen (1984, doi:10.1007/BF02294210). Their
covariance matrix is the average of the respondents' (as in M2 of Maydeu-Olivares & Joe 2006,
doi:10.1007/s11336-005-1295-9, respondents being independent and not identically distributed).

Covariates enter as uncorrelated combinations of their own; which ones makes no difference to a
quadratic form of all moments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from bayessem.errors import NotSupported
from bayessem.model.prepare import Prepared
from bayessem.model.structure import latent_values
from bayessem.results.answer_margins import (
    NODES,
    Given,
    Margins,
    bivariate_excess,
    conditional_moments,
    disturbance_points,
    given_predictors,
    moment_products,
    moved_variables,
    observed_moments,
)

# Gauss-Hermite nodes of each respondent by number of disturbances, and the power of 2 of
# quasi-random points beyond. Moments are off by less than .01 of their standard errors at 500
# respondents with loadings of 1.5 on the residual's scale (of .04 with loadings of 2).
RULE, POWER = {1: 21, 2: 13, 3: 9}, 9
# Points, and the fewest rows, by which it is told what changes with the parameters.
TOLD, FEWEST = 20_000, 50
# Variance of combinations of covariates among these, where it is 1 among all.
LEAST = 0.3
# Numbers that an array has at a time, which bounds the memory (32 MB).
BLOCK = 4_000_000
# Covariates that vary by less of the largest combination's sd are combinations of others.
FLAT = 1e-8
# Nodes of the integral over a correlation up to .3, .75 and .925 (Genz 2004,
# doi:10.1023/B:STCO.0000035304.20635.31).
ENOUGH = ((0.3, 6), (0.75, 12), (0.925, 20))
# Terms of the tetrachoric series that are exact.
TERMS = 3


@dataclass(frozen=True)
class Rows:
    """Respondents of a group by their covariates and by what they have answered.

    Attributes
    ----------
    x : ndarray (row, q)
        Covariates.
    z : ndarray (row, k)
        The same as deviations of variance 1 that are not correlated, k of them.
    known : ndarray (row, p)
        1 where the answer is known.
    times : ndarray (row,)
        Respondents of each row.
    of : ndarray (respondent,)
        The row of each.
    """

    x: np.ndarray
    z: np.ndarray
    known: np.ndarray
    times: np.ndarray
    of: np.ndarray


def rows_of(margins: Margins, prepared: Prepared, group: int) -> Rows:
    """The respondents of a group, equal ones as one row.

    Raises
    ------
    NotSupported
        For two variables that nobody has both of.
    """
    sample = prepared.sample
    values = sample.values[sample.group == group]
    columns = [sample.variables.index(name) for name in margins.given]
    known = ~np.isnan(values[:, list(margins.columns)])
    together = np.concatenate([values[:, columns], known.astype(np.float64)], axis=1)
    _, at, of, times = np.unique(
        together, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    x = values[:, columns]
    off = x - x.mean(axis=0)
    sd = off.std(axis=0)
    off = off / np.where(sd > 0, sd, 1.0)
    left, sizes, _ = np.linalg.svd(off, full_matrices=False)
    z = left[:, sizes > FLAT * max(sizes[0], 1.0)] * np.sqrt(len(x))
    rows = Rows(x[at], z[at], known[at].astype(np.float64), times.astype(np.float64), of.ravel())
    first, second = margins.pairs
    both = (rows.known * rows.times[:, None]).T @ rows.known
    lost = np.flatnonzero(both[first, second] == 0)
    if len(lost):
        pair = f"{margins.names[first[lost[0]]]} and {margins.names[second[lost[0]]]}"
        raise NotSupported(f"nobody answered both {pair}, so that their moments are not known")
    return rows


def moment_counts(margins: Margins, rows: Rows) -> np.ndarray:
    """Respondents who have each moment, (moment,)."""
    first, second = margins.pairs
    both = (rows.known * rows.times[:, None]).T @ rows.known
    own = [o + rows.z.shape[1] for o in margins.own]
    return np.concatenate([np.repeat(np.diag(both), own), both[first, second]])


def observed_given(margins: Margins, rows: Rows, scores: np.ndarray) -> np.ndarray:
    """Averages (..., moment) of scores (..., respondent, p)."""
    known = ~np.isnan(scores)
    z = rows.z[rows.of]
    across = np.einsum("...np,nk->...pk", np.where(known, scores, 0.0), z)
    across = across / known.sum(axis=-2)[..., None]
    plain = observed_moments(margins, scores)
    ends = np.cumsum(margins.own)
    own = np.split(plain[..., : ends[-1]], ends[:-1], axis=-1)
    parts = [part for i, one in enumerate(own) for part in (one, across[..., i, :])]
    return np.concatenate([*parts, plain[..., ends[-1] :]], axis=-1)


def with_covariates(rows: Rows, part: slice, given: Given) -> Given:
    """Moments of answers at points of rows, with those of the covariates and 0 of missing ones.

    Parameters
    ----------
    rows : Rows
    part : slice
        Which rows.
    given : Given
        Of these, all points of a row one after the other.
    """
    each = len(given.weight) // len(rows.times[part])
    z = np.repeat(rows.z[part], each, axis=0)
    known = np.repeat(rows.known[part], each, axis=0)
    weight = np.repeat(rows.times[part], each) * given.weight
    own, within, by_score = [], [], []
    for i in range(known.shape[1]):
        m, square = known[:, i, None], given.square[:, i, None]
        across = given.by_score[i][:, :, None] * z[:, None, :]
        both = square[:, :, None] * z[:, :, None] * z[:, None, :]
        upper = np.concatenate([given.within[i], across], axis=2)
        lower = np.concatenate([np.swapaxes(across, 1, 2), both], axis=2)
        own.append(m * np.concatenate([given.own[i], given.score[:, i, None] * z], axis=1))
        within.append(m[:, :, None] * np.concatenate([upper, lower], axis=1))
        by_score.append(m * np.concatenate([given.by_score[i], square * z], axis=1))
    score, square = known * given.score, known * given.square
    return Given(weight, tuple(own), score, square, tuple(within), tuple(by_score))


def constructs_given(
    margins: Margins,
    elements: np.ndarray,
    group: int,
    x: np.ndarray,
    points: tuple[np.ndarray, np.ndarray],
) -> Given:
    """Moments of answers given constructs and covariates x (row, q), points by row."""
    structure = margins.structure
    m = structure.matrices(elements, group)
    moved = list(moved_variables(margins))
    roots, vectors = np.linalg.eigh(m["disturbances"][np.ix_(moved, moved)])
    own = np.tile(m["means"], (len(x), len(points[1]), 1))
    own[..., moved] += points[0] @ (vectors * np.sqrt(np.maximum(roots, 0.0))).T
    own[..., _places(margins)] = x[:, None]
    eta = latent_values(structure, m, own.reshape(-1, own.shape[-1]))
    mean = m["intercepts"] + eta @ m["loadings"].T
    return given_predictors(margins, m, mean, np.tile(points[1], len(x)))


def _places(margins: Margins) -> list[int]:
    """The covariates among the variables of the model."""
    return [margins.structure.variables.index(name) for name in margins.given]


def blocks(rows: Rows, each: int) -> Iterator[slice]:
    """Parts of the rows that fit into memory, with so many numbers for each."""
    step = max(1, BLOCK // max(each, 1))
    for start in range(0, len(rows.times), step):
        yield slice(start, min(start + step, len(rows.times)))


def points_given(margins: Margins) -> tuple[np.ndarray, np.ndarray]:
    """Points of the disturbances of a respondent, and their weights."""
    return disturbance_points(len(moved_variables(margins)), RULE, POWER)


def average_covariance(
    margins: Margins, rows: Rows, at: Callable[[slice], Given], each: int
) -> np.ndarray:
    """Covariance matrix (moment, moment) of the averages.

    Parameters
    ----------
    margins : Margins
    rows : Rows
    at : function
        Moments given the constructs of a part of the rows.
    each : int
        Points of a row.
    """
    count = moment_counts(margins, rows)
    out = np.zeros((len(count), len(count)))
    for part in blocks(rows, each * len(count)):
        plain = at(part)
        given = with_covariates(rows, part, plain)
        conditional = conditional_moments(margins, given)
        out += moment_products(margins, given, conditional)
        times = rows.times[part]
        weight = plain.weight.reshape(len(times), each)
        mean = np.einsum("np,npk->nk", weight, conditional.reshape(len(times), each, -1))
        out -= (mean * times[:, None]).T @ mean
    return out / np.outer(count, count)


def covariance_given(margins: Margins, elements: np.ndarray, group: int, rows: Rows) -> np.ndarray:
    """Covariance matrix (moment, moment) of the averages that a model expects, at flat matrices."""
    points = points_given(margins)

    def at(part: slice) -> Given:
        return constructs_given(margins, elements, group, rows.x[part], points)

    return average_covariance(margins, rows, at, len(points[1]))


def averages(
    margins: Margins, rows: Rows, own: Sequence[np.ndarray], products: np.ndarray
) -> np.ndarray:
    """Expected averages (..., moment) of the rows.

    Parameters
    ----------
    margins : Margins
    rows : Rows
    own : sequence of ndarray (..., row, k)
        Of each variable its own moments.
    products : ndarray (..., pair)
        Sums over the respondents who have both.
    """
    parts = []
    for i, (one, categories) in enumerate(zip(own, margins.counts, strict=True)):
        weight = rows.known[:, i] * rows.times
        score = one @ np.arange(1.0, categories) if categories else one[..., 0]
        mine = np.concatenate(
            [np.einsum("n,...nk->...k", weight, one), (score * weight) @ rows.z], axis=-1
        )
        parts.append(mine / weight.sum())
    first, second = margins.pairs
    both = (rows.known * rows.times[:, None]).T @ rows.known
    return np.concatenate([*parts, products / both[first, second]], axis=-1)


def expected_by_points(
    margins: Margins, elements: np.ndarray, group: int, rows: Rows
) -> np.ndarray:
    """Expected averages (draw, moment) at flat matrices (draw, elements), by points."""
    points = points_given(margins)
    return np.stack([_by_points(margins, one, group, rows, points) for one in elements])


def _by_points(
    margins: Margins,
    elements: np.ndarray,
    group: int,
    rows: Rows,
    points: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    first, second = margins.pairs
    each, p = len(points[1]), len(margins.names)
    own: list[list[np.ndarray]] = [[] for _ in margins.names]
    products = np.zeros((p, p))
    for part in blocks(rows, each * (p + sum(margins.own))):
        given = constructs_given(margins, elements, group, rows.x[part], points)
        n = len(rows.times[part])
        for i, one in enumerate(given.own):
            own[i].append(np.einsum("p,npk->nk", points[1], one.reshape(n, each, -1)))
        score = given.score.reshape(n, each, p) * rows.known[part][:, None]
        weight = (rows.times[part, None] * points[1]).reshape(-1, 1)
        flat = score.reshape(-1, p)
        products += (flat * weight).T @ flat
    return averages(margins, rows, [np.concatenate(o) for o in own], products[first, second])


def fewer_rows(rows: Rows, most: int) -> Rows:
    """So many rows at most that stand for all, in equal steps of their order, nothing missing."""
    if len(rows.times) <= most:
        return rows
    upto = np.cumsum(rows.times)
    wanted = (np.arange(most) + 0.5) * upto[-1] / most
    at, times = np.unique(np.searchsorted(upto, wanted), return_counts=True)
    share = times / times.sum()
    off = rows.z[at] - share @ rows.z[at]
    covariance = (off * share[:, None]).T @ off
    if np.linalg.eigvalsh(covariance)[0] < LEAST:
        return rows  # a covariate that hardly varies among these
    # as for all: deviations of variance 1 that are not correlated
    z = off @ np.linalg.inv(np.linalg.cholesky(covariance)).T
    return Rows(rows.x[at], z, np.ones_like(rows.known[at]), times.astype(np.float64), at)


@dataclass(frozen=True)
class PointAverages:
    """Expected averages by points of the constructs, about a point of the parameters.

    There they are those of all respondents; what changes with the parameters is told from as many
    respondents as are enough for that.

    Attributes
    ----------
    margins : Margins
    group : int
    rows : Rows
        Of these respondents.
    shift : ndarray (moment,)
        What the averages of all are more than theirs.
    """

    margins: Margins
    group: int
    rows: Rows
    shift: np.ndarray

    def __call__(self, elements: np.ndarray) -> np.ndarray:
        """Expected averages (draw, moment) at flat matrices (draw, elements)."""
        return self.shift + expected_by_points(self.margins, elements, self.group, self.rows)


def point_averages(margins: Margins, elements: np.ndarray, group: int, rows: Rows) -> PointAverages:
    """Expected averages about flat matrices (elements,)."""
    some = fewer_rows(rows, max(TOLD // len(points_given(margins)[1]), FEWEST))
    shift = np.zeros(1)
    if some is not rows:
        every, few = (expected_by_points(margins, elements[None], group, r) for r in (rows, some))
        shift = (every - few)[0]
    return PointAverages(margins, group, some, shift)


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
    given = _places(margins)
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
