"""Values of one censored outcome in a linear model, on the scale of its predictor.

A log-normal duration or tobit outcome of a model in closed form (`answer_engine.closed_form`) is
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


def completed(
    structure: Structure, elements: np.ndarray, sample: Sample, rng: np.random.Generator
) -> Sample:
    """The sample with the outcome on its predictor's scale, drawn where an interval is known.

    Parameters
    ----------
    structure, elements
        A model in closed form and one draw of its flat matrices (elements,).
    sample : Sample
        The respondents; where the outcome is missing it stays so.
    rng : Generator
        Source of the randomness.
    """
    outcome = closed_form(structure)
    at = sample.variables.index(outcome)
    ends = sample.beside[outcome].columns
    known = ~np.isnan(sample.values[:, at])
    exact = known & (ends[:, 0] == ends[:, 1])
    values = sample.values.copy()
    values[:, at] = np.where(exact, ends[:, 0], np.nan)
    others = replace(sample, values=values, beside={})
    out = values.copy()
    for group, columns, members in others.patterns():
        censored = members[known[members] & ~exact[members]]
        if not len(censored):
            continue
        moments = model_moments(structure, elements, group=group)
        mean, covariance = moments.observed_mean, moments.observed_covariance
        slopes = np.linalg.solve(covariance[np.ix_(columns, columns)], covariance[columns, at])
        centre = mean[at] + (values[np.ix_(censored, columns)] - mean[columns]) @ slopes
        sd = np.sqrt(covariance[at, at] - slopes @ covariance[columns, at])
        low, high = ((ends[censored] - centre[:, None]) / sd).T
        out[censored, at] = centre + sd * _between(low, high, rng)
    return replace(sample, values=out, beside={})


def _between(low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Standard normal draws (n,) between bounds, from the nearer tail."""
    turned = low + high > 0
    a, b = np.where(turned, -high, low), np.where(turned, -low, high)
    share = ndtr(a) + (ndtr(b) - ndtr(a)) * rng.random(len(a))
    drawn = np.clip(ndtri(share), a, b)
    return np.where(turned, -drawn, drawn)
