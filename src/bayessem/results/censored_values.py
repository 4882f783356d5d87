"""Values of censored outcomes in a linear model, on the scale of their predictors.

Log-normal durations or tobit outcomes of a model in closed form (`answer_engine.closed_form`) are
normal with the other variables: once what is known to lie in an interval is drawn from there, given
the others, all is as in a model of normal variables.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri

from bayessem.model.answer_engine import closed_form
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.results.standardize import model_moments

# Values of the first of two censored outcomes that a draw is one of.
CELLS = 400


def completed(
    structure: Structure, elements: np.ndarray, sample: Sample, rng: np.random.Generator
) -> Sample:
    """The sample with outcomes on their predictors' scale, drawn where an interval is known.

    Parameters
    ----------
    structure, elements
        A model in closed form and one draw of its flat matrices (elements,).
    sample : Sample
        The respondents; where an outcome is missing it stays so.
    rng : Generator
        Source of the randomness.
    """
    outcomes = closed_form(structure)
    places = [sample.variables.index(name) for name in outcomes]
    ends = np.stack([sample.beside[name].columns for name in outcomes], axis=1)
    known = ~np.isnan(sample.values[:, places])
    exact = known & (ends[..., 0] == ends[..., 1])
    values = sample.values.copy()
    values[:, places] = np.where(exact, ends[..., 0], np.nan)
    others = replace(sample, values=values, beside={})
    out = values.copy()
    for group, columns, members in others.patterns():
        moments = model_moments(structure, elements, group=group)
        mean, covariance = moments.observed_mean, moments.observed_covariance
        kinds = known[members] & ~exact[members]
        for kind in np.unique(kinds[kinds.any(axis=1)], axis=0):
            rows = members[(kinds == kind).all(axis=1)]
            at = np.array(places)[kind]
            slopes = np.linalg.solve(
                covariance[np.ix_(columns, columns)], covariance[np.ix_(columns, at)]
            )
            centre = mean[at] + (values[np.ix_(rows, columns)] - mean[columns]) @ slopes
            left = covariance[np.ix_(at, at)] - slopes.T @ covariance[np.ix_(columns, at)]
            sd = np.sqrt(np.diag(left))
            low, high = np.moveaxis((ends[rows][:, kind] - centre[..., None]) / sd[:, None], -1, 0)
            if len(at) == 1:
                drawn = _between(low[:, 0], high[:, 0], rng)[:, None]
            else:
                drawn = _pair_between(low, high, float(left[0, 1] / (sd[0] * sd[1])), rng)
            out[np.ix_(rows, at)] = centre + sd * drawn
    return replace(sample, values=out, beside={})


def _pair_between(
    low: np.ndarray, high: np.ndarray, r: float, rng: np.random.Generator
) -> np.ndarray:
    """Standard normal pairs (n, 2) of correlation r between bounds (n, 2).

    The first is drawn among `CELLS` values that are equally likely without the second, with the
    probabilities that the second's interval has there; the second given it.
    """
    share = (np.arange(CELLS) + rng.random((len(low), CELLS))) / CELLS
    tried = _quantile(low[:, :1], high[:, :1], share)
    spread = np.sqrt(1.0 - r * r)
    a, b = ((e[:, 1:] - r * tried) / spread for e in (low, high))
    below = np.cumsum(_probability(a, b), axis=1)
    chosen = np.minimum((below < rng.random((len(low), 1)) * below[:, -1:]).sum(axis=1), CELLS - 1)
    rows = np.arange(len(low))
    first = tried[rows, chosen]
    second = r * first + spread * _between(a[rows, chosen], b[rows, chosen], rng)
    return np.column_stack([first, second])


def _probability(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """P(low < z < high) of a standard normal z, from the nearer tail."""
    turned = low + high > 0
    return np.where(turned, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))


def _between(low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Standard normal draws (n,) between bounds."""
    return _quantile(low, high, rng.random(low.shape))


def _quantile(low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Where shares of a standard normal variable between bounds lie, from the nearer tail."""
    turned = low + high > 0
    a, b = np.where(turned, -high, low), np.where(turned, -low, high)
    found = np.clip(ndtri(ndtr(a) + (ndtr(b) - ndtr(a)) * share), a, b)
    return np.where(turned, -found, found)
