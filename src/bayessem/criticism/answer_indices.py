"""How far ordered answers are from a model, per draw: the discrepancy of their moments.

D_s = e' W e, e the answers' first and second moments less those that the model expects at draw s
(results/answer_margins.py), W the inverse of their covariance matrix at the posterior mean. When
the model holds, D of data drawn at the draw has mean p*, the number of moments, and D_s of the data
has it, too; at the posterior mean of the moments D is lower by the effective number of parameters
pD = tr(W V), V their posterior covariance matrix. So D_s stands where the deviance of normal data
stands in the indices of Garnier-Villarreal & Jorgensen (2020, doi:10.1037/met0000224): the
noncentrality is D_s - p*, its degrees of freedom p* - pD. BRMSEA is then the posterior of RMSEA2
(Maydeu-Olivares & Joe 2014, doi:10.1080/00273171.2014.911075); CFI and TLI are relative to
independent answers (Cai, Chung & Lee 2021, doi:10.1007/s11121-021-01253-4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayessem.criticism.discrepancy import Counts
from bayessem.criticism.replicate import replicate
from bayessem.ml.limited_information import group_scores, independent, inverse_root
from bayessem.results.answer_margins import (
    Margins,
    Observed,
    expected_moments,
    given_constructs,
    margins_of,
    moment_covariance,
    observed_moments,
    observed_of,
    points_of,
    scores_of,
)
from bayessem.results.fitted import Fitted

# Draws at which moments are computed, replicated data sets, and draws of independent answers.
DRAWS, REPLICAS, BASELINE_DRAWS = 1000, 400, 1000
# Data sets that are drawn at a time.
BATCH = 50


@dataclass(frozen=True)
class AnswerDiscrepancy:
    """Of the data and of replicated data.

    Attributes
    ----------
    draw : ndarray (draw,)
        Which draws of each chain are used.
    values : ndarray (chain, draw)
        D of the data.
    p_d : float
    baseline : ndarray (draw,)
        D under draws of independent answers.
    p_d_baseline : float
    replicated, compared : ndarray (replica,)
        D of replicated data, and of the data at the same draws.
    counts : Counts
    """

    draw: np.ndarray
    values: np.ndarray
    p_d: float
    baseline: np.ndarray
    p_d_baseline: float
    replicated: np.ndarray
    compared: np.ndarray
    counts: Counts


def thinned(elements: np.ndarray, most: int) -> np.ndarray:
    """Which draws of (chain, draw, elements) are used, at most so many in all."""
    chains, draws = elements.shape[:2]
    return np.arange(0, draws, max(1, -(-chains * draws // most)))


def answer_discrepancy(
    fit: Fitted, *, count: int | None, generator: np.random.Generator
) -> AnswerDiscrepancy:
    """The discrepancy of a model with ordered answers.

    Parameters
    ----------
    fit : Fitted
    count : int, optional
        Replicated data sets; by default 400.
    generator : Generator
        Of the replicated data and of draws of independent answers.

    Raises
    ------
    NotSupported
        For what `margins_of` refuses.
    """
    prepared, sample = fit.prepared, fit.prepared.sample
    margins = margins_of(prepared, "a fit index")
    points = points_of(margins)
    draw = thinned(fit.elements, DRAWS)
    kept = fit.elements[:, draw]
    flat = kept.reshape(-1, kept.shape[-1])
    data = [observed_of(margins, scores) for scores in group_scores(margins, prepared)]
    centre = flat.mean(axis=0)
    roots = [
        inverse_root(
            moment_covariance(margins, given_constructs(margins, centre, g, points)) * one.shares
        )
        for g, one in enumerate(data)
    ]
    expected = [expected_moments(margins, flat, g, points) for g in range(len(data))]
    values = _distance(data, expected, roots)
    p_d = sum(
        float(np.sum(((own - own.mean(axis=0)) @ root) ** 2)) / len(own)
        for own, root in zip(expected, roots, strict=True)
    )
    wanted = min(REPLICAS if count is None else count, len(flat))
    at = np.linspace(0, len(flat) - 1, wanted).round().astype(int)
    replicated = np.empty(wanted)
    for start in range(0, wanted, BATCH):
        some = at[start : start + BATCH]
        drawn = replicate(prepared, flat[some], random_seed=generator)
        off = [own[some] for own in expected]
        replicated[start : start + BATCH] = sum(
            _squares(observed_moments(margins, scores_of(margins, drawn[:, sample.group == g]))
                     - off[g], roots[g])
            for g in range(len(data))
        )  # fmt: skip
    baseline, p_d0 = _independent(margins, data, generator)
    return AnswerDiscrepancy(
        draw=draw,
        values=values.reshape(kept.shape[:2]),
        p_d=p_d,
        baseline=baseline,
        p_d_baseline=p_d0,
        replicated=replicated,
        compared=values[at],
        counts=Counts(
            len(data) * margins.size, len(margins.names), sample.size, len(sample.groups)
        ),
    )


def _squares(off: np.ndarray, root: np.ndarray) -> np.ndarray:
    return np.sum((off @ root) ** 2, axis=-1)


def _distance(
    data: list[Observed], expected: list[np.ndarray], roots: list[np.ndarray]
) -> np.ndarray:
    """D (draw,) of the data from expected moments (draw, moment) of each group."""
    parts = [
        _squares(one.moments - own, root)
        for one, own, root in zip(data, expected, roots, strict=True)
    ]
    return np.sum(parts, axis=0)


def _independent(
    margins: Margins, data: list[Observed], generator: np.random.Generator
) -> tuple[np.ndarray, float]:
    """D under draws of independent answers (draw,), and their effective parameters.

    Shares have the posterior of a uniform prior, numbers that of a flat prior of their mean and log
    variance.
    """
    starts = np.concatenate([[0], np.cumsum(margins.own)])
    first, second = margins.pairs
    total, p_d = np.zeros(BASELINE_DRAWS), 0.0
    for one in data:
        own, score = [], []
        for k, categories in enumerate(margins.counts):
            part = slice(starts[k], starts[k + 1])
            n = 1.0 / one.shares[starts[k], starts[k]]  # respondents who gave an answer
            known = one.moments[part]
            if categories:
                counts = n * np.concatenate([[1.0 - known.sum()], known])
                drawn = generator.dirichlet(np.maximum(counts, 0.0) + 1.0, BASELINE_DRAWS)[:, 1:]
                own.append(drawn)
                score.append(drawn @ np.arange(1.0, categories))
                continue
            variance = known[1] - known[0] ** 2
            variance = n * variance / generator.chisquare(n - 1.0, BASELINE_DRAWS)
            mean = known[0] + np.sqrt(variance / n) * generator.standard_normal(BASELINE_DRAWS)
            own.append(np.stack([mean, variance + mean**2], axis=-1))
            score.append(mean)
        means = np.stack(score, axis=-1)
        expected = np.concatenate([*own, means[:, first] * means[:, second]], axis=1)
        given = independent(margins, expected.mean(axis=0))
        root = inverse_root(moment_covariance(margins, given) * one.shares)
        total += _squares(one.moments - expected, root)
        p_d += float(np.mean(_squares(expected - expected.mean(axis=0), root)))
    return total, p_d
