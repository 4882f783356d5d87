"""Slopes on covariates and residual correlations of latent responses that answers say.

Each variable is regressed on all covariates, ordered ones by ordered probit regression, and the
correlation of two latent responses given the covariates is the one that makes their answers
likeliest, thresholds and slopes being known (Muthen 1984, doi:10.1007/BF02294210): the statistics
of weighted least squares with covariates in Mplus and lavaan. Correlations with a number are those
of the residuals' covariance (Olsson, Drasgow & Dorans 1982, "ad hoc"). The same functions of what a
model expects are what these estimate, whatever it says about the distribution of latent responses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from bayessem.results.answer_margins import Margins, disturbance_points, moved_variables
from bayessem.results.given_margins import (
    RULE,
    Rows,
    constructs_given,
    fewer_rows,
)
from bayessem.results.given_normal import enough_nodes, reduced_form
from bayessem.results.polychoric import (
    MOST,
    ROUNDS,
    SETTLED,
    SMALLEST,
    rectangle_slopes,
    rectangles,
)

# A threshold of a category that nobody gave, at the lower or upper end.
FAR = 8.0
# Respondents at whose covariates the answers of a model are regressed, and quasi-random points.
RESPONDENTS, POINTS = 300, 7
# How far from 0 a search for a correlation begins at most, and the step at which it ends.
FIRST, CLOSE = 0.9, 1e-8
# Halvings of a step that does not climb.
HALVINGS = 12


@dataclass(frozen=True)
class Sums:
    """Answers of rows of respondents with the same covariates, or what is expected of them.

    Attributes
    ----------
    counts : tuple of int
        Categories of each variable, 0 of a number.
    x : ndarray (row, q)
        Covariates.
    own : list of ndarray (row, k)
        How often each category was given; of a number how many there are, their sum and that of
        their squares.
    pair : function
        Of two variables, by position, the table (row, a, b); where one is a number (row, 4): how
        many have both, sums of both scores, and of their product.
    """

    counts: tuple[int, ...]
    x: np.ndarray
    own: list[np.ndarray]
    pair: Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class Regressions:
    """What answers say about latent responses given covariates.

    Attributes
    ----------
    thresholds : list of ndarray (threshold,)
        In units of the residual; of a number its intercept and residual sd.
    slopes : ndarray (p, q)
        In units of the residual.
    correlations : ndarray (pair,)
        Of the residuals.
    """

    thresholds: list[np.ndarray]
    slopes: np.ndarray
    correlations: np.ndarray


def ordered_probit(counts: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds (c - 1,) and slopes (q,) that make answers likeliest.

    Parameters
    ----------
    counts : ndarray (row, c)
        How often each category was given, or how often that is expected.
    x : ndarray (row, q)
        Covariates.
    """
    weight = counts.sum(axis=1) / counts.sum()
    centre = weight @ x
    sd = np.sqrt(weight @ (x - centre) ** 2)
    sd = np.where(sd > 0, sd, 1.0)
    used = np.flatnonzero(counts.sum(axis=0) > 0)
    cut, slope = _climb(counts[:, used], (x - centre) / sd)
    before = np.searchsorted(used, np.arange(counts.shape[1] - 1), side="right")
    cut = np.concatenate([[-FAR], cut, [FAR]])[before]
    return cut + slope @ (centre / sd), slope / sd


def _climb(counts: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of categories that occur and standardised covariates, by Fisher's scoring."""
    k = counts.shape[1] - 1
    share = np.cumsum(counts.sum(axis=0))[:-1] / counts.sum()
    at = np.concatenate([ndtri(share), np.zeros(u.shape[1])])
    value = _log_likelihood(counts, u, at)
    for _ in range(ROUNDS):
        cut = at[:k] - (u @ at[k:])[:, None]
        p = np.maximum(_categories(ndtr(cut)), SMALLEST)
        density = np.exp(-0.5 * cut * cut) / np.sqrt(2.0 * np.pi)
        own = np.zeros((len(u), k + 1, k))
        own[:, np.arange(k), np.arange(k)] = density
        own[:, np.arange(k) + 1, np.arange(k)] = -density
        change = np.concatenate([own, -own.sum(axis=2)[:, :, None] * u[:, None, :]], axis=2)
        score = np.einsum("nc,nck->k", counts / p, change)
        weight = counts.sum(axis=1)[:, None] / p
        information = np.einsum("nc,nck,ncl->kl", weight, change, change, optimize=True)
        step = np.linalg.lstsq(information, score, rcond=1e-12)[0]
        for _ in range(HALVINGS):
            new = _log_likelihood(counts, u, at + step)
            if new >= value:
                break
            step = 0.5 * step
        else:
            break
        at, value = at + step, new
        if np.max(np.abs(step)) < SETTLED:
            break
    return at[:k], at[k:]


def _categories(below: np.ndarray) -> np.ndarray:
    """Probabilities (row, c) from those of lying below each threshold (row, c - 1)."""
    ends = np.zeros((len(below), 1))
    return np.diff(np.concatenate([ends, below, ends + 1.0], axis=1), axis=1)


def _log_likelihood(counts: np.ndarray, u: np.ndarray, at: np.ndarray) -> float:
    k = counts.shape[1] - 1
    if (np.diff(at[:k]) < 0).any():
        return -np.inf
    p = _categories(ndtr(at[:k] - (u @ at[k:])[:, None]))
    return float(np.sum(counts * np.log(np.maximum(p, SMALLEST))))


def _regression(sums: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and residual sd (2,), and slopes (q,) over this sd, of a number."""
    n, total, squares = sums.T
    design = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    b = np.linalg.lstsq(
        design * np.sqrt(n)[:, None], total / np.sqrt(np.maximum(n, SMALLEST)), rcond=None
    )[0]
    fitted = design @ b
    sd = np.sqrt(np.sum(squares - 2.0 * fitted * total + n * fitted**2) / n.sum())
    return np.array([b[0], sd]), b[1:] / sd


def residual_polychoric(
    table: np.ndarray, first: np.ndarray, second: np.ndarray, start: float = 0.0
) -> float:
    """The correlation that makes tables of answers likeliest, given thresholds.

    Parameters
    ----------
    table : ndarray (row, a, b)
        Counts or probabilities.
    first, second : ndarray (row, a - 1), (row, b - 1)
        Thresholds given the covariates.
    start : float
        Where the search begins.
    """
    low, high, r = -MOST, MOST, float(np.clip(start, -FIRST, FIRST))
    each = table.sum(axis=(1, 2))[:, None, None]
    for _ in range(ROUNDS):
        at = np.full(len(table), r)
        p = np.maximum(rectangles(first, second, at, enough_nodes(r)), SMALLEST)
        change = rectangle_slopes(first, second, at)
        slope = float(np.sum(table * change / p))
        low, high = (r, high) if slope > 0 else (low, r)
        new = r + slope / float(np.sum(each * change**2 / p))
        new = new if low < new < high else 0.5 * (low + high)
        moved, r = abs(new - r), new
        if moved < CLOSE:
            break
    return r


def regressions(sums: Sums) -> Regressions:
    """Thresholds, slopes and residual correlations of answers given covariates."""
    thresholds, slopes, cuts, score, spread = [], [], [], [], []
    for own, categories in zip(sums.own, sums.counts, strict=True):
        t, b = (ordered_probit if categories else _regression)(own, sums.x)
        thresholds.append(t)
        slopes.append(b)
        moved = (sums.x @ b)[:, None]
        if categories:
            cut = t - moved
            cuts.append(cut)
            score.append(ndtr(-cut).sum(axis=1))
            spread.append(np.exp(-0.5 * cut * cut).sum(axis=1) / np.sqrt(2.0 * np.pi))
        else:
            cuts.append(moved)
            score.append(t[0] + t[1] * moved[:, 0])
            spread.append(np.full(len(moved), t[1]))
    out = []
    for i, j in zip(*np.triu_indices(len(sums.own), 1), strict=True):
        table = sums.pair(int(i), int(j))
        ordered = sums.counts[i] and sums.counts[j]
        n, a, b, both = (_of_table(table) if ordered else table).T
        covariance = both - a * score[j] - b * score[i] + n * score[i] * score[j]
        r = float(np.sum(covariance) / np.sum(n * spread[i] * spread[j]))
        out.append(residual_polychoric(table, cuts[i], cuts[j], r) if ordered else r)
    return Regressions(thresholds, np.array(slopes), np.array(out))


def _of_table(table: np.ndarray) -> np.ndarray:
    """Numbers, sums of both scores and of their product (row, 4), of tables (row, a, b)."""
    i, j = np.arange(table.shape[1]), np.arange(table.shape[2])
    columns = [np.ones_like(i), i], [np.ones_like(j), j]
    each = [(0, 0), (1, 0), (0, 1), (1, 1)]
    return np.stack([table @ columns[1][q] @ columns[0][p] for p, q in each], axis=1)


def observed_sums(margins: Margins, rows: Rows, scores: np.ndarray) -> Sums:
    """Of scores (respondent, p)."""
    n, known = len(rows.times), ~np.isnan(scores)

    def by_row(weight: np.ndarray) -> np.ndarray:
        return np.bincount(rows.of, weight, n)

    own = []
    for i, categories in enumerate(margins.counts):
        y, there = np.where(known[:, i], scores[:, i], 0.0), known[:, i]
        if categories:
            columns = [by_row(there & (y == c)) for c in range(categories)]
        else:
            columns = [by_row(w) for w in (there, y, y**2)]
        own.append(np.stack(columns, axis=1))

    def pair(i: int, j: int) -> np.ndarray:
        there = known[:, i] & known[:, j]
        a, b = scores[there, i], scores[there, j]
        if margins.counts[i] and margins.counts[j]:
            out = np.zeros((n, margins.counts[i], margins.counts[j]))
            np.add.at(out, (rows.of[there], a.astype(int), b.astype(int)), 1.0)
            return out
        columns = [np.ones(len(a)), a, b, a * b]
        return np.stack([np.bincount(rows.of[there], w, n) for w in columns], axis=1)

    return Sums(margins.counts, rows.x, own, pair)


def expected_sums(margins: Margins, rows: Rows, elements: np.ndarray, group: int) -> Sums:
    """Of what a model expects at flat matrices (elements,), by points of the constructs."""
    points = disturbance_points(len(moved_variables(margins)), RULE, POINTS)
    n, each = len(rows.times), len(points[1])
    given = constructs_given(margins, elements, group, rows.x, points)
    parts, score = [], given.score.reshape(n, each, -1)
    for one, categories in zip(given.own, margins.counts, strict=True):
        p = one.reshape(n, each, -1)
        ahead = 1.0 - p.sum(axis=2, keepdims=True) if categories else np.ones((n, each, 1))
        parts.append(np.concatenate([ahead, p], axis=2))
    own = [
        np.einsum("p,npk->nk", points[1], one) * (rows.times * rows.known[:, i])[:, None]
        for i, one in enumerate(parts)
    ]

    def pair(i: int, j: int) -> np.ndarray:
        weight = rows.times * rows.known[:, i] * rows.known[:, j]
        if margins.counts[i] and margins.counts[j]:
            table = np.swapaxes(parts[i] * points[1][:, None], 1, 2) @ parts[j]
            return table * weight[:, None, None]
        a, b = score[..., i], score[..., j]
        columns = [np.ones_like(a), a, b, a * b]
        return np.stack([(c @ points[1]) * weight for c in columns], axis=1)

    return Sums(margins.counts, rows.x, own, pair)


def expected_regressions(
    margins: Margins, rows: Rows, elements: np.ndarray, group: int
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes (draw, p, q) and residual correlations (draw, pair) that a model expects.

    Of normal latent responses they are the model's own; else what `regressions` finds in the
    answers that the model expects at the covariates of some respondents.
    """
    first, second = margins.pairs
    if margins.normal:
        form = reduced_form(margins, elements, group)
        return form.slopes, form.correlation[..., first, second]
    some = fewer_rows(rows, RESPONDENTS)
    found = [regressions(expected_sums(margins, some, one, group)) for one in elements]
    return np.stack([f.slopes for f in found]), np.stack([f.correlations for f in found])
