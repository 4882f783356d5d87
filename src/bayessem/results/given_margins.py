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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.errors import NotSupported
from bayessem.model.prepare import Prepared
from bayessem.model.structure import latent_values
from bayessem.results.answer_margins import (
    Given,
    Margins,
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
    own[..., covariate_places(margins)] = x[:, None]
    eta = latent_values(structure, m, own.reshape(-1, own.shape[-1]))
    mean = m["intercepts"] + eta @ m["loadings"].T
    return given_predictors(margins, m, mean, np.tile(points[1], len(x)))


def covariate_places(margins: Margins) -> list[int]:
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
