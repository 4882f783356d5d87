"""Ordered answers given what else is known of respondents: probabilities of the categories.

At each draw of the parameters a respondent's constructs have weighted points (answer_scores.py),
and the probability of an answer is its weighted average over them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.likelihood.families import FAMILIES
from bayessem.likelihood.family_ordered import probabilities
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.results.answer_scores import AnswerScores, known_values
from bayessem.results.dispersions import limited, shapes_of


@dataclass(frozen=True)
class AnswerPredictions:
    """What is predicted of some variables.

    Attributes
    ----------
    draws : ndarray (draw, respondent, variable)
        Posterior predictive draws; of ordered variables positions of categories. What is known is
        itself in all.
    probabilities : dict of str to ndarray (draw, respondent, category)
        Of the categories of ordered variables given what is known of the respondent.
    """

    draws: np.ndarray
    probabilities: dict[str, np.ndarray]


def predict_answers(
    structure: Structure,
    elements: np.ndarray,
    sample: Sample,
    wanted: Sequence[str],
    rng: np.random.Generator,
) -> AnswerPredictions:
    """Predict constructs and observed variables of respondents.

    Parameters
    ----------
    structure : Structure
        A model with ordered answers.
    elements : ndarray (draw, elements)
        Flat model matrices.
    sample : Sample
        Respondents, with nan for what is unknown.
    wanted : sequence of str
        Variables of the model.
    rng : Generator
        Source of the randomness.
    """
    scores = AnswerScores(structure, sample, elements.mean(axis=0))
    out = np.empty((len(elements), sample.size, len(wanted)))
    chances = {
        name: np.empty((len(elements), sample.size, len(sample.categories[j])))
        for j, name in enumerate(sample.variables)
        if name in wanted and name in structure.table.ordered
    }
    for d, one in enumerate(elements):
        for members, pattern, found in scores.at(one, d):
            known = known_values(structure, sample, members)
            matrices = structure.matrices(one, int(sample.group[members[0]]))
            drawn = known.copy()
            drawn[:, list(scores.latents)] = found.draw(pattern, rng)
            points = np.repeat(known[:, None, :], found.points.shape[1], axis=1)
            points[..., list(scores.latents)] = found.points[pattern]
            for c, name in enumerate(wanted):
                if name not in structure.observed:
                    out[d, members, c] = drawn[:, structure.variables.index(name)]
                    continue
                values = sample.values[members, sample.variables.index(name)]
                if name in chances:
                    p = answer_probabilities(structure, matrices, name, points)
                    p = np.einsum("np,npc->nc", found.weights[pattern], p)
                    chances[name][d, members] = p
                    at = answer_probabilities(structure, matrices, name, drawn)
                    new = _category(at, rng)
                elif name in structure.table.responses.others:
                    mean, variance = predictor(structure, matrices, name, drawn)
                    how = structure.table.responses
                    own = sample.beside[name].columns[members]
                    family = FAMILIES[how.others[name]]
                    shapes = shapes_of(structure, matrices, name)
                    new = limited(
                        family.draw(own, mean, variance, rng, *shapes), how.censored.get(name)
                    )
                else:
                    mean, variance = predictor(structure, matrices, name, drawn)
                    new = mean + math.sqrt(variance) * rng.standard_normal(len(members))
                out[d, members, c] = np.where(np.isnan(values), new, values)
    return AnswerPredictions(out, chances)


def _category(chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Categories drawn with probabilities (n, category)."""
    below = np.cumsum(chances, axis=1)
    target = rng.random((len(chances), 1)) * below[:, -1:]
    return np.minimum((below < target).sum(axis=1), chances.shape[1] - 1).astype(np.float64)


def predictor(
    structure: Structure, matrices: dict[str, np.ndarray], name: str, eta: np.ndarray
) -> tuple[np.ndarray, float]:
    """Linear predictor (...) and residual variance of an observed variable.

    Parameters
    ----------
    structure : Structure
    matrices : dict
        Of the group, at one draw.
    name : str
    eta : ndarray (..., m)
        The variables of the model; what the observed variable does not depend on is not looked at.
    """
    if name not in structure.variables:
        j = structure.observed.index(name)
        mean = matrices["intercepts"][j] + _times(eta, matrices["loadings"][j])
        return mean, float(matrices["residuals"][j, j])
    i = structure.variables.index(name)
    mean = matrices["means"][i] + _times(eta, matrices["paths"][i])
    for t, factors in enumerate(structure.products):
        weight = matrices["products"][i, t]
        if weight:
            mean = mean + weight * np.prod(eta[..., list(factors)], axis=-1)
    return mean, float(matrices["disturbances"][i, i])


def _times(eta: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of variables times weights; unknown ones without a weight do not count."""
    own = np.flatnonzero(weights)
    return eta[..., own] @ weights[own]


def answer_probabilities(
    structure: Structure, matrices: dict[str, np.ndarray], name: str, eta: np.ndarray
) -> np.ndarray:
    """Probabilities of the categories of an ordered variable (..., category), as `predictor`."""
    responses = structure.table.responses
    first = structure.threshold_at[name]
    cut = matrices["thresholds"][first : first + responses.thresholds[name]]
    mean, variance = predictor(structure, matrices, name, eta)
    scale = math.sqrt(variance / responses.residual_variance)
    return probabilities(responses.link, cut, mean, scale)
