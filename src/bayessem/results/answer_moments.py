"""The moments of a group's answers in one form, with or without covariates.

What statistics of moments need: the observed ones, what a model expects of them, and their
covariance matrix, under the model and under answers that have nothing to do with each other (nor
with covariates).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.model.prepare import Prepared
from bayessem.results.answer_margins import (
    Given,
    Margins,
    Observed,
    expected_moments,
    given_constructs,
    moment_covariance,
    observed_moments,
    observed_of,
    of_categories,
    of_number,
    points_of,
    scores_of,
)
from bayessem.results.given_margins import (
    PointAverages,
    Rows,
    average_covariance,
    covariance_given,
    observed_given,
    point_averages,
    points_given,
    rows_of,
)
from bayessem.results.given_normal import NormalAverages, normal_averages

# Numbers whose expectations are computed for draws in a reasonable time (15 seconds or so).
AFFORDABLE = 3e8
# Share of the largest eigenvalue of a correlation matrix of moments that counts as 0.
FLAT = 1e-10


def inverse_root(covariance: np.ndarray) -> np.ndarray:
    """R (moment, k) with R R' the inverse of a covariance matrix of moments."""
    sd = np.sqrt(np.diag(covariance))
    roots, vectors = np.linalg.eigh(covariance / np.outer(sd, sd))
    keep = roots > FLAT * roots[-1]
    return vectors[:, keep] / np.sqrt(roots[keep]) / sd[:, None]


def independent(margins: Margins, own: Sequence[np.ndarray]) -> Given:
    """Answers that have nothing to do with each other, with own moments (k,) of each variable."""
    parts = []
    for categories, one in zip(margins.counts, own, strict=True):
        if categories:
            parts.append(of_categories(one[None]))
        else:
            parts.append(of_number(one[:1], one[1] - one[0] ** 2))
    first, score, square, within, by_score = zip(*parts, strict=True)
    return Given(np.ones(1), first, np.stack(score, 1), np.stack(square, 1), within, by_score)


@dataclass(frozen=True)
class GroupMoments(ABC):
    """Moments of one group about a point of the parameters.

    Attributes
    ----------
    margins : Margins
    group : int
    centre : ndarray (elements,)
        Flat model matrices at which the covariance matrix is.
    observed : ndarray (moment,)
        Averages over those whose answers are known.
    """

    margins: Margins
    group: int
    centre: np.ndarray
    observed: np.ndarray

    @property
    @abstractmethod
    def places(self) -> list[slice]:
        """Where the own moments of each variable are."""

    @property
    @abstractmethod
    def answered(self) -> np.ndarray:
        """Respondents with an answer to each variable, (p,)."""

    @property
    def baseline_df(self) -> int:
        """Moments that independent answers leave to be explained."""
        return len(self.observed) - sum(self.margins.own)

    @property
    def own(self) -> list[np.ndarray]:
        """Observed own moments (k,) of each variable."""
        return [self.observed[place] for place in self.places]

    @abstractmethod
    def expected(self, elements: np.ndarray) -> np.ndarray:
        """What the model expects, (draw, moment), at flat matrices (draw, elements)."""

    @abstractmethod
    def covariance(self) -> np.ndarray:
        """Covariance matrix (moment, moment) of the averages at the centre."""

    @abstractmethod
    def of(self, scores: np.ndarray) -> np.ndarray:
        """Averages (..., moment) of scores (..., respondent, p) of other data of the same kind."""

    @abstractmethod
    def independent_expected(self, own: Sequence[np.ndarray]) -> np.ndarray:
        """Of independent answers with own moments (..., k) of each variable, (..., moment)."""

    @abstractmethod
    def independent_covariance(self, own: Sequence[np.ndarray]) -> np.ndarray:
        """Covariance matrix (moment, moment) of independent answers with own moments (k,)."""


@dataclass(frozen=True)
class PlainMoments(GroupMoments):
    """Without covariates: all respondents have the same moments.

    Attributes
    ----------
    data : Observed
    points : (ndarray (point, k), ndarray (point,))
    """

    data: Observed
    points: tuple[np.ndarray, np.ndarray]

    @property
    def places(self) -> list[slice]:
        """Where the own moments of each variable are."""
        return _places(self.margins.own, 0)

    @property
    def answered(self) -> np.ndarray:
        """Respondents with an answer to each variable, (p,)."""
        return np.array([1.0 / self.data.shares[p.start, p.start] for p in self.places])

    def expected(self, elements: np.ndarray) -> np.ndarray:
        """What the model expects, (draw, moment), at flat matrices (draw, elements)."""
        return expected_moments(self.margins, elements, self.group, self.points)

    def covariance(self) -> np.ndarray:
        """Covariance matrix (moment, moment) of the averages at the centre."""
        given = given_constructs(self.margins, self.centre, self.group, self.points)
        return moment_covariance(self.margins, given) * self.data.shares

    def of(self, scores: np.ndarray) -> np.ndarray:
        """Averages (..., moment) of scores (..., respondent, p)."""
        return observed_moments(self.margins, scores)

    def independent_expected(self, own: Sequence[np.ndarray]) -> np.ndarray:
        """Of independent answers with own moments (..., k) of each variable, (..., moment)."""
        means, (first, second) = _means(self.margins, own), self.margins.pairs
        return np.concatenate([*own, means[..., first] * means[..., second]], axis=-1)

    def independent_covariance(self, own: Sequence[np.ndarray]) -> np.ndarray:
        """Covariance matrix (moment, moment) of independent answers with own moments (k,)."""
        return moment_covariance(self.margins, independent(self.margins, own)) * self.data.shares


@dataclass(frozen=True)
class GivenMoments(GroupMoments):
    """Given covariates: averages over respondents, with the covariates, too.

    Attributes
    ----------
    rows : Rows
    model : NormalAverages or PointAverages
        What the model expects.
    """

    rows: Rows
    model: NormalAverages | PointAverages

    @property
    def places(self) -> list[slice]:
        """Where the own moments of each variable are."""
        return _places(self.margins.own, self.rows.z.shape[1])

    @property
    def answered(self) -> np.ndarray:
        """Respondents with an answer to each variable, (p,)."""
        return self.rows.times @ self.rows.known

    def expected(self, elements: np.ndarray) -> np.ndarray:
        """What the model expects, (draw, moment), at flat matrices (draw, elements)."""
        return self.model(elements)

    def covariance(self) -> np.ndarray:
        """Covariance matrix (moment, moment) of the averages at the centre."""
        return covariance_given(self.margins, self.centre, self.group, self.rows)

    def of(self, scores: np.ndarray) -> np.ndarray:
        """Averages (..., moment) of scores (..., respondent, p)."""
        return observed_given(self.margins, self.rows, scores)

    def independent_expected(self, own: Sequence[np.ndarray]) -> np.ndarray:
        """Of independent answers with own moments (..., k) of each variable, (..., moment)."""
        means, (first, second) = _means(self.margins, own), self.margins.pairs
        z = (self.rows.known * self.rows.times[:, None]).T @ self.rows.z / self.answered[:, None]
        parts = [x for i, one in enumerate(own) for x in (one, means[..., i, None] * z[i])]
        return np.concatenate([*parts, means[..., first] * means[..., second]], axis=-1)

    def independent_covariance(self, own: Sequence[np.ndarray]) -> np.ndarray:
        """Covariance matrix (moment, moment) of independent answers with own moments (k,)."""
        one = independent(self.margins, own)

        def at(part: slice) -> Given:
            n = len(self.rows.times[part])
            return Given(
                np.ones(n),
                tuple(np.repeat(x, n, axis=0) for x in one.own),
                np.repeat(one.score, n, axis=0),
                np.repeat(one.square, n, axis=0),
                tuple(np.repeat(x, n, axis=0) for x in one.within),
                tuple(np.repeat(x, n, axis=0) for x in one.by_score),
            )

        return average_covariance(self.margins, self.rows, at, 1)


def _places(own: Sequence[int], across: int) -> list[slice]:
    starts = np.cumsum([0, *(k + across for k in own)])
    return [slice(int(s), int(s) + k) for s, k in zip(starts, own, strict=False)]


def _means(margins: Margins, own: Sequence[np.ndarray]) -> np.ndarray:
    """Mean scores (..., p) of own moments (..., k) of each variable."""
    return np.stack(
        [one @ np.arange(1.0, c) if c else one[..., 0]
         for one, c in zip(own, margins.counts, strict=True)],
        axis=-1,
    )  # fmt: skip


def group_moments(margins: Margins, prepared: Prepared, centre: np.ndarray) -> list[GroupMoments]:
    """The moments of each group of the data, about flat model matrices.

    Parameters
    ----------
    margins : Margins
    prepared : Prepared
        The model with its data.
    centre : ndarray (elements,)

    Raises
    ------
    NotSupported
        For two variables that nobody has both of.
    """
    sample = prepared.sample
    out: list[GroupMoments] = []
    points = None if margins.given else points_of(margins)
    for g in range(len(sample.groups)):
        scores = scores_of(margins, sample.values[sample.group == g])
        if points is not None:
            data = observed_of(margins, scores)
            out.append(PlainMoments(margins, g, centre, data.moments, data, points))
            continue
        rows = rows_of(margins, prepared, g)
        about = normal_averages if margins.normal else point_averages
        observed = observed_given(margins, rows, scores)
        out.append(
            GivenMoments(margins, g, centre, observed, rows, about(margins, centre, g, rows))
        )
    return out


def affordable_draws(moments: Sequence[GroupMoments], most: int, least: int) -> int:
    """For how many draws expected moments are computed, between these bounds."""
    cost = 1.0
    for one in moments:
        if isinstance(one, GivenMoments):
            each = 1 if one.margins.normal else len(points_given(one.margins)[1])
            cost += len(one.model.rows.times) * each * sum(one.margins.own)
    return int(np.clip(AFFORDABLE / cost, least, most))
