"""Responses with families of their own in results: draws, and variances on the predictor's scale.

In the matrices of a model the dispersion of such a response stands where others have a residual
variance, and what they hold of the response is its linear predictor.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bayessem.likelihood.families import FAMILIES
from bayessem.model.companions import Beside
from bayessem.model.structure import Structure
from bayessem.syntax.responses import SHAPES

# Families whose dispersion is the residual variance on the scale of the predictor.
PLAIN = ("lognormal", "weibull", "tobit", "student")


def dispersion_place(structure: Structure, name: str) -> tuple[str, int]:
    """Matrix and position in it of a response's dispersion."""
    if name in structure.variables:
        return "disturbances", structure.variables.index(name)
    return "residuals", structure.observed.index(name)


def shapes_of(
    structure: Structure, matrices: Mapping[str, np.ndarray], name: str
) -> tuple[np.ndarray, ...]:
    """The shapes (...) of a response's family."""
    count = len(SHAPES.get(structure.table.responses.others[name], ()))
    first = structure.shape_at.get(name, 0)
    return tuple(np.array(matrices["shapes"][..., first + k]) for k in range(count))


def without_dispersions(
    structure: Structure, matrices: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, tuple[np.ndarray, ...]]]:
    """The matrices with 0 in place of dispersions; by response its numbers, (...) each.

    The first number is the dispersion, the others are the shapes of its family.
    """
    out, found = dict(matrices), {}
    for name in structure.table.responses.others:
        matrix, i = dispersion_place(structure, name)
        own = np.array(matrices[matrix][..., i, i])
        found[name] = (own, *shapes_of(structure, matrices, name))
        if out[matrix] is matrices[matrix]:
            out[matrix] = np.array(matrices[matrix])
        out[matrix][..., i, i] = 0.0
    return out, found


def draw_responses(
    structure: Structure,
    numbers: Mapping[str, tuple[np.ndarray, ...]],
    predictors: np.ndarray,
    beside: Mapping[str, Beside],
    rng: np.random.Generator,
) -> None:
    """Puts draws of the responses where predictors (..., n, p) have their linear predictors.

    Durations are drawn as they would be observed; where limits censor, at the limit.

    Parameters
    ----------
    structure : Structure
        The model.
    numbers : mapping of str to tuple of ndarray (...)
        By response, as `without_dispersions` has them.
    predictors : ndarray (..., n, p)
        Of the observed variables; changed.
    beside : mapping of str to Beside
        What belongs to the answers of the n respondents (exposures).
    rng : Generator
        Source of the randomness.
    """
    responses = structure.table.responses
    for name, family in responses.others.items():
        j = structure.observed.index(name)
        eta = predictors[..., j]
        own = beside[name].columns if name in beside else np.zeros((eta.shape[-1], 2))
        dispersion, *shapes = (x[..., None] for x in numbers[name])
        drawn = FAMILIES[family].draw(own, eta, dispersion, rng, *shapes)
        predictors[..., j] = limited(drawn, responses.censored.get(name))


def limited(drawn: np.ndarray, how: object) -> np.ndarray:
    """Values at the limits where they are beyond them."""
    if isinstance(how, tuple) and not isinstance(how[0], str) and not isinstance(how[1], str):
        return np.clip(drawn, how[0], how[1])
    return drawn


def link_variances(
    structure: Structure,
    matrices: Mapping[str, np.ndarray],
    mean: np.ndarray,
    variance: np.ndarray,
    matrix: str,
) -> dict[int, np.ndarray]:
    """Residual variances on the predictor's scale, by position, of those in one matrix.

    Only of families whose dispersion is another number (counts, shares).

    Parameters
    ----------
    structure, matrices
        The model, in one group.
    mean, variance : ndarray (..., k)
        Of the variables of the matrix, with dispersions in place of residual variances.
    matrix : str
        "disturbances" or "residuals".
    """
    out = {}
    for name, family in structure.table.responses.others.items():
        place, i = dispersion_place(structure, name)
        if place != matrix or family in PLAIN:
            continue
        own = matrices[matrix][..., i, i]
        with np.errstate(all="ignore"):
            out[i] = FAMILIES[family].link_variance(
                own, mean[..., i], np.maximum(variance[..., i] - own, 0.0)
            )
    return out
