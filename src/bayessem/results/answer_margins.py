"""First and second moments of answers: what a model expects of them, and what the data have.

The moments are the shares of each variable's categories (of a number: its mean and mean square)
and the mean product of each two answers, with categories coded 0, 1, ... (the moments of C2: Cai &
Monroe 2014, CRESST Report 839; of two categories, those of M2: Maydeu-Olivares & Joe 2005,
doi:10.1198/016214504000002069). Given the constructs answers are independent, so that moments and
their covariance matrix, which needs four answers at once, are averages over points of the
constructs' disturbances: a product of Gauss-Hermite rules for up to three, quasi-random points
beyond. Moments of normal latent responses are exact (Plackett 1954). Of models with covariates
the moments are those given these (results/given_margins.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # whose parts load when they are used
from scipy.special import ndtr, ndtri

from bayessem.errors import NotSupported
from bayessem.likelihood.family_ordered import probabilities
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure, latent_values
from bayessem.results.standardize import model_moments

# Gauss-Hermite nodes by number of disturbances; quasi-random points (a power of 2) beyond.
RULE = {1: 81, 2: 41, 3: 21}
POINTS = 13
# Gauss-Legendre nodes on the angle; correlations of .99 are exact to 1e-9.
NODES = 40


@dataclass(frozen=True)
class Margins:
    """The variables whose moments are looked at, and how moments are laid out.

    Attributes
    ----------
    structure : Structure
    names : tuple of str
        The p variables.
    columns : tuple of int
        Their columns of the data.
    counts : tuple of int
        Categories of each; 0 of one that is a number.
    centre, scale : ndarray (p,)
        What numbers are less of and divided by; 0 and 1 of answers.
    given : tuple of str
        Covariates that the model conditions on, whose own moments are not looked at.
    """

    structure: Structure
    names: tuple[str, ...]
    columns: tuple[int, ...]
    counts: tuple[int, ...]
    centre: np.ndarray
    scale: np.ndarray
    given: tuple[str, ...] = ()

    @property
    def own(self) -> tuple[int, ...]:
        """How many moments each variable has of its own, those with covariates aside."""
        return tuple(c - 1 if c else 2 for c in self.counts)

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of both variables of each pair, (pair,) each."""
        return np.triu_indices(len(self.names), 1)

    @property
    def size(self) -> int:
        """How many moments a group has, those with covariates aside."""
        return sum(self.own) + len(self.pairs[0])

    @property
    def normal(self) -> bool:
        """Whether all are answers whose latent responses are normal together."""
        structure = self.structure
        return (
            all(self.counts)
            and structure.table.responses.link == "probit"
            and not structure.products
        )


def margins_of(prepared: Prepared, what: str) -> Margins:
    """The variables of a model whose moments say how it fits.

    Parameters
    ----------
    prepared : Prepared
    what : str
        What was asked for, as the beginning of a sentence.

    Raises
    ------
    NotSupported
        For variables that are neither ordered nor normal, ordered variables that explain others,
        and one variable alone.
    """
    structure, sample, table = prepared.structure, prepared.sample, prepared.table
    seen = (
        'fit.predictive_check() and fit.predictive_check("indicators") look at the fit of this one'
    )
    if table.responses.others:
        named = ", ".join(list(table.responses.others)[:3])
        raise NotSupported(
            f"{what} is there for models of ordered and normal variables, not with "
            f"{table.answers_said} ({named}); {seen}"
        )
    for place in structure.rows_of_groups[0].values():
        if place.matrix == "paths" and structure.variables[place.j] in table.responses.families:
            raise NotSupported(
                f"{what} is not there where an ordered answer ({structure.variables[place.j]}) "
                f"explains other variables; {seen}"
            )
    names = tuple(n for n in structure.observed if n not in table.exogenous)
    columns = tuple(sample.variables.index(n) for n in names)
    counts = tuple(len(sample.categories[j]) if n in table.ordered else 0
                   for n, j in zip(names, columns, strict=True))  # fmt: skip
    if len(names) < 2:
        raise NotSupported(
            f"{what} needs two variables that the model explains; it explains {names[0]} alone; "
            f"{seen}"
        )
    values = sample.values[:, list(columns)]
    plain = np.array([not c for c in counts])
    centre = np.where(plain, np.nanmean(values, axis=0), 0.0)
    scale = np.where(plain, np.nanstd(values, axis=0), 1.0)
    return Margins(structure, names, columns, counts, centre, scale, tuple(table.exogenous))


@dataclass(frozen=True)
class Given:
    """Moments of answers given the constructs, at points of these.

    Attributes
    ----------
    weight : ndarray (point,)
        Adds up to 1.
    own : tuple of ndarray (point, k)
        Of each variable: probabilities of all categories but the first, or mean and mean square.
    score, square : ndarray (point, p)
        Mean and mean square of each variable's score.
    within : tuple of ndarray (point, k, k)
        Means of products of a variable's own moments.
    by_score : tuple of ndarray (point, k)
        Means of their products with its score.
    """

    weight: np.ndarray
    own: tuple[np.ndarray, ...]
    score: np.ndarray
    square: np.ndarray
    within: tuple[np.ndarray, ...]
    by_score: tuple[np.ndarray, ...]

    @property
    def moments(self) -> np.ndarray:
        """Expected moments, (moment,)."""
        first = [self.weight @ one for one in self.own]
        both = (self.score * self.weight[:, None]).T @ self.score
        return np.concatenate([*first, both[np.triu_indices(len(both), 1)]])


def disturbance_points(
    k: int, rule: Mapping[int, int] = RULE, power: int = POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """Points (point, k) of standard normal disturbances, and their weights (point,).

    rule : nodes by number of disturbances;  power : of 2, the quasi-random points beyond.
    """
    if k == 0:
        return np.zeros((1, 0)), np.ones(1)
    if k in rule:
        at, weight = np.polynomial.hermite_e.hermegauss(rule[k])
        points = np.stack(np.meshgrid(*[at] * k, indexing="ij"), axis=-1).reshape(-1, k)
        weights = np.ones(1)
        for _ in range(k):
            weights = np.multiply.outer(weights, weight / weight.sum()).ravel()
        near = weights > 1e-14
        return points[near], weights[near] / weights[near].sum()
    # scrambled points do not touch the corner; the same ones each time, so that they cancel in
    # differences between parameters
    points = ndtri(scipy.stats.qmc.Sobol(k, rng=np.random.default_rng(0)).random_base2(power))
    return points, np.full(len(points), 0.5**power)


def moved_variables(margins: Margins) -> tuple[int, ...]:
    """Variables whose disturbances are integrated over, not those of answers nor covariates."""
    structure = margins.structure
    return tuple(
        i
        for i, name in enumerate(structure.variables)
        if name not in structure.table.responses.families and name not in margins.given
    )


def given_constructs(
    margins: Margins, elements: np.ndarray, group: int, points: tuple[np.ndarray, np.ndarray]
) -> Given:
    """Moments of answers given the constructs.

    Parameters
    ----------
    margins : Margins
    elements : ndarray (elements,)
        Flat model matrices.
    group : int
    points : (ndarray (point, k), ndarray (point,))
        Of `disturbance_points`.
    """
    structure = margins.structure
    m = structure.matrices(elements, group)
    moved = list(moved_variables(margins))
    psi = m["disturbances"][np.ix_(moved, moved)]
    roots, vectors = np.linalg.eigh(psi)
    own = np.tile(m["means"], (len(points[1]), 1))
    own[:, moved] += points[0] @ (vectors * np.sqrt(np.maximum(roots, 0.0))).T
    eta = latent_values(structure, m, own)
    mean = m["intercepts"] + eta @ m["loadings"].T
    return given_predictors(margins, m, mean, points[1])


def given_predictors(
    margins: Margins, m: dict[str, np.ndarray], mean: np.ndarray, weight: np.ndarray
) -> Given:
    """Moments of answers given linear predictors (point, observed) of weight (point,)."""
    parts = [_of_variable(margins, m, k, mean) for k in range(len(margins.names))]
    first, score, square, within, by_score = zip(*parts, strict=True)
    return Given(weight, first, np.stack(score, 1), np.stack(square, 1), within, by_score)


def _of_variable(
    margins: Margins, m: dict[str, np.ndarray], k: int, mean: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Own moments, score, its square, own moments' products and theirs with the score."""
    structure, name = margins.structure, margins.names[k]
    j = structure.observed.index(name)
    variance = m["residuals"][j, j]
    if margins.counts[k]:
        if name in structure.variables:
            i = structure.variables.index(name)
            variance = m["disturbances"][i, i]
        responses, at = structure.table.responses, structure.threshold_at[name]
        cut = m["thresholds"][at : at + responses.thresholds[name]]
        scale = math.sqrt(variance / responses.residual_variance)
        p = probabilities(responses.link, cut, mean[:, j], scale)[:, 1:]
        return of_categories(p)
    v = variance / margins.scale[k] ** 2
    y = (mean[:, j] - margins.centre[k]) / margins.scale[k]
    return of_number(y, v)


def of_categories(p: np.ndarray) -> tuple[np.ndarray, ...]:
    """What `Given` has of a variable, of probabilities (point, k) of all categories but one."""
    code = np.arange(1.0, p.shape[1] + 1.0)
    return p, p @ code, p @ code**2, p[:, :, None] * np.eye(p.shape[1]), p * code


def of_number(y: np.ndarray, v: np.ndarray | float) -> tuple[np.ndarray, ...]:
    """What `Given` has of a normal variable with mean y (point,) and variance v."""
    two, three = y**2 + v, y**3 + 3.0 * y * v
    four = y**4 + 6.0 * y**2 * v + 3.0 * v**2
    within = np.stack([np.stack([two, three], -1), np.stack([three, four], -1)], -1)
    return np.stack([y, two], -1), y, two, within, np.stack([two, three], -1)


def moment_covariance(margins: Margins, given: Given) -> np.ndarray:
    """Covariance matrix (moment, moment) of one respondent's moments.

    Maydeu-Olivares & Joe (2006, doi:10.1007/s11336-005-1295-9), with answers that are independent
    given the constructs.
    """
    conditional = conditional_moments(margins, given)
    mean = given.weight @ conditional
    return moment_products(margins, given, conditional) - np.outer(mean, mean)


def conditional_moments(margins: Margins, given: Given) -> np.ndarray:
    """Moments (point, moment) given the constructs: each variable's own, then those of pairs."""
    first, second = margins.pairs
    return np.concatenate([*given.own, given.score[:, first] * given.score[:, second]], axis=1)


def moment_products(margins: Margins, given: Given, conditional: np.ndarray) -> np.ndarray:
    """Mean products (moment, moment) of one respondent's moments; `conditional_moments` of given.

    Moments of different variables are independent given the constructs; those of the same one are
    put in their places.
    """
    w, score = given.weight[:, None], given.score
    first, second = margins.pairs
    starts = np.concatenate([[0], np.cumsum([own.shape[1] for own in given.own])])
    out = (conditional * w).T @ conditional
    pair = starts[-1] + np.arange(len(first))
    for i in range(len(given.own)):
        part = slice(starts[i], starts[i + 1])
        out[part, part] = np.einsum("n,nab->ab", given.weight, given.within[i])
        mine = np.flatnonzero((first == i) | (second == i))
        rest = score[:, np.where(first[mine] == i, second[mine], first[mine])]
        cross = (given.by_score[i] * w).T @ rest  # of own moments with products
        out[part, pair[mine]], out[pair[mine], part] = cross, cross.T
        shared = (rest * given.square[:, i : i + 1] * w).T @ rest
        out[np.ix_(pair[mine], pair[mine])] = shared
    out[pair, pair] = given.weight @ (given.square[:, first] * given.square[:, second])
    return out


@dataclass(frozen=True)
class Observed:
    """Moments of respondents of a group.

    Attributes
    ----------
    moments : ndarray (moment,)
        Averages over those whose answers are known.
    shares : ndarray (moment, moment)
        What a covariance of one respondent's moments is multiplied by for that of the averages:
        the number of respondents who have both, over the product of those who have each.
    """

    moments: np.ndarray
    shares: np.ndarray


def scores_of(margins: Margins, values: np.ndarray) -> np.ndarray:
    """Answers as codes and numbers in standard units, (..., respondent, p); nan is missing."""
    return (values[..., list(margins.columns)] - margins.centre) / margins.scale


def observed_moments(margins: Margins, scores: np.ndarray) -> np.ndarray:
    """Moments (..., moment) of scores (..., respondent, p)."""
    known = ~np.isnan(scores)
    filled = np.where(known, scores, 0.0)
    counts = known.sum(axis=-2)  # (..., p)
    parts = []
    for k, categories in enumerate(margins.counts):
        own = filled[..., k]
        if categories:
            hits = [((own == c) & known[..., k]).sum(axis=-1) for c in range(1, categories)]
        else:
            hits = [own.sum(axis=-1), (own**2).sum(axis=-1)]
        parts.append(np.stack(hits, axis=-1) / counts[..., k, None])
    first, second = margins.pairs
    floats = known.astype(np.float64)
    both = np.swapaxes(floats, -1, -2) @ floats
    with np.errstate(invalid="ignore"):
        products = (np.swapaxes(filled, -1, -2) @ filled) / both
    return np.concatenate([*parts, products[..., first, second]], axis=-1)


def observed_of(margins: Margins, scores: np.ndarray) -> Observed:
    """Moments of scores (respondent, p), and who has which.

    Raises
    ------
    NotSupported
        For two variables that nobody has both of.
    """
    known = ~np.isnan(scores)
    first, second = margins.pairs
    has = np.concatenate(
        [np.repeat(known, margins.own, axis=1), known[:, first] & known[:, second]], axis=1
    ).astype(np.float64)
    count = has.sum(axis=0)
    if not count.all():
        empty = int(np.flatnonzero(count == 0)[0]) - sum(margins.own)
        pair = f"{margins.names[first[empty]]} and {margins.names[second[empty]]}"
        raise NotSupported(f"nobody answered both {pair}, so that their moments are not known")
    return Observed(observed_moments(margins, scores), has.T @ has / np.outer(count, count))


def bivariate_excess(
    first: np.ndarray, second: np.ndarray, correlation: np.ndarray, nodes: int = NODES
) -> np.ndarray:
    """P(both above) - P(above) P(above) of standard normal variables, (..., a, b).

    The integral of the bivariate normal density over the correlation from 0 on (Plackett 1954,
    doi:10.1093/biomet/41.3-4.351).

    Parameters
    ----------
    first, second : ndarray (..., a), (..., b)
        Thresholds.
    correlation : ndarray (...)
        Between -1 and 1.
    nodes : int
        Of the integral.
    """
    at, weights = np.polynomial.legendre.leggauss(nodes)
    half = 0.5 * np.arcsin(np.clip(correlation, -1.0, 1.0))[..., None, None]
    a, b = first[..., :, None], second[..., None, :]
    square, product = a * a + b * b, 2.0 * a * b
    out = np.zeros(np.broadcast_shapes(square.shape, half.shape))
    for node, weight in zip(at, weights, strict=True):
        angle = half * (1.0 + node)
        sine, cosine = np.sin(angle), np.cos(angle)
        out += weight * np.exp((sine * product - square) / (2.0 * cosine * cosine))
    return out * half / (2.0 * np.pi)


def standard_thresholds(
    margins: Margins, elements: np.ndarray, group: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Thresholds of each answer over the sd of its latent response, and their correlations.

    elements : (..., elements);  returns a list of (..., threshold), and (..., p, p).
    """
    structure = margins.structure
    moments = model_moments(structure, elements, group=group)
    sd = np.sqrt(np.diagonal(moments.observed_covariance, axis1=-2, axis2=-1))
    correlation = moments.observed_covariance / (sd[..., :, None] * sd[..., None, :])
    cut = structure.matrices(elements, group)["thresholds"]
    out = []
    for name in margins.names:
        j, at = structure.observed.index(name), structure.threshold_at[name]
        own = cut[..., at : at + structure.table.responses.thresholds[name]]
        out.append((own - moments.observed_mean[..., j, None]) / sd[..., j, None])
    order = [structure.observed.index(name) for name in margins.names]
    return out, correlation[..., order, :][..., order]


def normal_moments(
    margins: Margins, thresholds: Sequence[np.ndarray], correlation: np.ndarray
) -> np.ndarray:
    """Expected moments (..., moment) of answers with normal latent responses."""
    above = [ndtr(-t) for t in thresholds]
    end = np.zeros((*above[0].shape[:-1], 1))
    own = [-np.diff(np.concatenate([a, end], axis=-1), axis=-1) for a in above]
    mean = [a.sum(axis=-1) for a in above]
    products = [
        mean[i] * mean[j]
        + bivariate_excess(thresholds[i], thresholds[j], correlation[..., i, j]).sum(axis=(-2, -1))
        for i, j in zip(*margins.pairs, strict=True)
    ]
    return np.concatenate([*own, np.stack(products, axis=-1)], axis=-1)


def expected_moments(
    margins: Margins,
    elements: np.ndarray,
    group: int,
    points: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Moments (draw, moment) that a model expects at flat model matrices (draw, elements)."""
    if margins.normal:
        return normal_moments(margins, *standard_thresholds(margins, elements, group))
    points = points_of(margins) if points is None else points
    return np.stack([given_constructs(margins, e, group, points).moments for e in elements])


def points_of(margins: Margins) -> tuple[np.ndarray, np.ndarray]:
    """Points of the disturbances of a model, and their weights."""
    return disturbance_points(len(moved_variables(margins)))
