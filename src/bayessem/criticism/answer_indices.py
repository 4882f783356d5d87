"""How far ordered answers are from a model, per draw: the discrepancy of their moments.

D_s = e' W e, e the answers' first and second moments less those that the model expects at draw s
(results/answer_margins.py), W the inverse of their covariance matrix at the posterior mean. When
the model holds, D of data drawn at the draw has mean p*, the number of moments, and D_s of the data
has it, too; at the posterior mean of the moments D is lower by the effective number of parameters
pD = tr(W V), V their posterior covariance matrix. So D_s stands where the deviance of normal data
stands in the indices of Garnier-Villarreal & Jorgensen (2020, doi:10.1037/met0000224): the
noncentrality is D_s - p*, its degrees of freedom p* - pD. BRMSEA is then the posterior of RMSEA2
(Maydeu-Olivares & Joe 2014, doi:10.1080/00273171.2014.911075); CFI and TLI are relative to
independent answers (Cai, Chung & Lee 2021, doi:10.1007/s11121-021-01253-4). With covariates all is
given these (results/given_margins.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayessem.criticism.discrepancy import Counts
from bayessem.criticism.replicate import replicate
from bayessem.results.answer_margins import margins_of, scores_of
from bayessem.results.answer_moments import (
    GroupMoments,
    affordable_draws,
    group_moments,
    inverse_root,
)
from bayessem.results.fitted import Fitted

# Draws at which moments are computed, replicated data sets, and draws of independent answers.
DRAWS, REPLICAS, BASELINE_DRAWS = 1000, 400, 1000
# Draws at the least, where those with covariates take long.
LEAST = 200
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
    moments = group_moments(margins, prepared, fit.elements.mean(axis=(0, 1)))
    draw = thinned(fit.elements, affordable_draws(moments, DRAWS, LEAST))
    kept = fit.elements[:, draw]
    flat = kept.reshape(-1, kept.shape[-1])
    roots = [inverse_root(one.covariance()) for one in moments]
    expected = [one.expected(flat) for one in moments]
    values = _distance(moments, expected, roots)
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
        replicated[start : start + BATCH] = sum(
            _squares(one.of(scores_of(margins, drawn[:, sample.group == g])) - off[some], root)
            for g, (one, off, root) in enumerate(zip(moments, expected, roots, strict=True))
        )
    baseline, p_d0 = _independent(moments, generator)
    return AnswerDiscrepancy(
        draw=draw,
        values=values.reshape(kept.shape[:2]),
        p_d=p_d,
        baseline=baseline,
        p_d_baseline=p_d0,
        replicated=replicated,
        compared=values[at],
        counts=Counts(
            sum(len(one.observed) for one in moments),
            len(margins.names),
            sample.size,
            len(sample.groups),
        ),
    )


def _squares(off: np.ndarray, root: np.ndarray) -> np.ndarray:
    return np.sum((off @ root) ** 2, axis=-1)


def _distance(
    moments: list[GroupMoments], expected: list[np.ndarray], roots: list[np.ndarray]
) -> np.ndarray:
    """D (draw,) of the data from expected moments (draw, moment) of each group."""
    parts = [
        _squares(one.observed - own, root)
        for one, own, root in zip(moments, expected, roots, strict=True)
    ]
    return np.sum(parts, axis=0)


def _independent(
    moments: list[GroupMoments], generator: np.random.Generator
) -> tuple[np.ndarray, float]:
    """D under draws of independent answers (draw,), and their effective parameters.

    Shares have the posterior of a uniform prior, numbers that of a flat prior of their mean and log
    variance.
    """
    total, p_d = np.zeros(BASELINE_DRAWS), 0.0
    for one in moments:
        own = [
            _own_draws(known, n, categories, generator)
            for known, n, categories in zip(one.own, one.answered, one.margins.counts, strict=True)
        ]
        expected = one.independent_expected(own)
        centre = expected.mean(axis=0)
        root = inverse_root(one.independent_covariance([centre[place] for place in one.places]))
        total += _squares(one.observed - expected, root)
        p_d += float(np.mean(_squares(expected - centre, root)))
    return total, p_d


def _own_draws(
    known: np.ndarray, n: float, categories: int, generator: np.random.Generator
) -> np.ndarray:
    """Draws (draw, k) of a variable's own moments (k,), of n answers."""
    if categories:
        counts = n * np.concatenate([[1.0 - known.sum()], known])
        return generator.dirichlet(np.maximum(counts, 0.0) + 1.0, BASELINE_DRAWS)[:, 1:]
    variance = n * (known[1] - known[0] ** 2) / generator.chisquare(n - 1.0, BASELINE_DRAWS)
    mean = known[0] + np.sqrt(variance / n) * generator.standard_normal(BASELINE_DRAWS)
    return np.stack([mean, variance + mean**2], axis=-1)
