"""Replicated data: respondents drawn from the model at many draws at once, as the data were."""

from __future__ import annotations

import numpy as np

from bayessem.errors import FitError
from bayessem.model.companions import kept_beside
from bayessem.model.prepare import Prepared
from bayessem.model.structure import latent_values
from bayessem.results.dispersions import draw_responses, without_dispersions
from bayessem.results.intervention import deviations, normal_root
from bayessem.results.simulate import logistic_residuals, simulate_block
from bayessem.results.tails import drawn_scale

# Data sets of this many numbers are drawn at a time, which bounds the memory (80 MB).
BLOCK = 10_000_000


def replicate(
    prepared: Prepared, elements: np.ndarray, *, random_seed: int | np.random.Generator | None
) -> np.ndarray:
    """One data set for each draw: same groups, covariates and missing values as the data.

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    elements : ndarray (draw, elements)
        Flat model matrices of posterior or prior draws.
    random_seed : int or Generator, optional
        Makes the data repeatable.

    Returns
    -------
    ndarray (draw, respondent, p)
        In the order of the sample; nan where the data are missing, covariates that the model
        conditions on as they are, of ordered variables positions of categories. Durations are drawn
        as they would be observed, however the data's were censored.

    Raises
    ------
    FitError
        For a draw whose covariance matrices are none.
    """
    rng = np.random.default_rng(random_seed)
    sample = prepared.sample
    out = np.empty((len(elements), *sample.values.shape))
    if sample.clusters is not None and prepared.table.levels > 1:
        _clustered(prepared, elements, rng, out)
        out[:, np.isnan(sample.values)] = np.nan
        return out
    step = max(1, BLOCK // max(sample.values.size, 1))
    for g in range(len(sample.groups)):
        members = np.flatnonzero(sample.group == g)
        for start in range(0, len(elements), step):
            part = elements[start : start + step]
            out[start : start + step, members] = _one_group(prepared, part, g, members, rng)
    out[:, np.isnan(sample.values)] = np.nan
    return out


def _clustered(
    prepared: Prepared, elements: np.ndarray, rng: np.random.Generator, out: np.ndarray
) -> None:
    """Fill data sets (draw, respondent, p) of a two-level model: the same clusters, drawn anew."""
    sample, structure = prepared.sample, prepared.structure
    clusters = sample.clusters
    assert clusters is not None
    variables = list(sample.variables)
    for g in range(len(clusters.groups)):
        members = np.flatnonzero(sample.group == 2 * g)
        order = members[np.argsort(clusters.code[members], kind="stable")]
        sizes = np.unique(clusters.code[members], return_counts=True)[1].tolist()
        given = {
            name: sample.values[order, variables.index(name)] for name in prepared.table.exogenous
        }
        for draw, own in enumerate(elements):
            frame = simulate_block(structure, own, g, sizes, rng, given)
            out[draw, order] = frame[variables].to_numpy()


def _one_group(
    prepared: Prepared,
    elements: np.ndarray,
    group: int,
    members: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Observed values (draw, member, p) of one group."""
    structure, sample = prepared.structure, prepared.sample
    matrices = structure.matrices(elements, group)
    y, numbers = with_predictors(prepared, elements, group, members, rng)
    counts = structure.table.responses.thresholds
    for name, first in structure.threshold_at.items():  # latent responses: the answers are cut
        j = structure.observed.index(name)
        cut = matrices["thresholds"][:, first : first + counts[name]]
        y[..., j] = (y[..., j, None] > cut[:, None, :]).sum(axis=-1)
    draw_responses(structure, numbers, y, kept_beside(sample.beside, members), rng)
    return y


def with_predictors(
    prepared: Prepared,
    elements: np.ndarray,
    group: int,
    members: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, ...]]]:
    """Observed values (draw, member, p) of new respondents of one group, and their numbers.

    Of ordered variables latent responses, of counts, durations and shares linear predictors, whose
    numbers are by name, (draw,) each, dispersions and shapes. Covariates are those of the members.
    """
    structure, sample = prepared.structure, prepared.sample
    matrices, numbers = without_dispersions(structure, structure.matrices(elements, group))
    p, m, _ = structure.shape
    draws, n = len(elements), len(members)
    zeta = rng.standard_normal((draws, n, m)) @ _across(_roots(matrices["disturbances"]))
    logistic_residuals(structure, structure.variables, matrices["disturbances"], zeta, rng)
    scale = np.broadcast_to(drawn_scale(structure, elements, n, rng), (draws, n))[..., None]
    zeta = zeta * scale + matrices["means"][:, None]
    for name in structure.table.exogenous:
        # a covariate depends on nothing, and nothing else's disturbance depends on it
        column = sample.values[members, sample.variables.index(name)]
        zeta[..., structure.variables.index(name)] = column
    eta = latent_values(structure, matrices, zeta)
    epsilon = rng.standard_normal((draws, n, p)) @ _across(_roots(matrices["residuals"]))
    logistic_residuals(structure, structure.observed, matrices["residuals"], epsilon, rng)
    y = matrices["intercepts"][:, None] + eta @ _across(matrices["loadings"]) + epsilon * scale
    return y, numbers


def _across(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix, -1, -2)


def _roots(covariance: np.ndarray) -> np.ndarray:
    if not covariance.shape[-1]:  # a model without constructs and paths has no disturbances
        return covariance
    size = deviations(covariance)
    lowest = np.linalg.eigvalsh(covariance / (size[..., :, None] * size[..., None, :]))[:, 0]
    if (lowest < -1e-9).any():
        raise FitError(
            "a draw has residuals or disturbances whose covariance matrix is not positive "
            "definite: no data can be drawn from it; check the model's fixed (co)variances"
        )
    return normal_root(covariance)


def spaced_draws(draws: np.ndarray, count: int) -> np.ndarray:
    """Evenly spaced draws (count, quantity) of draws (chain, draw, quantity)."""
    flat = draws.reshape(-1, draws.shape[-1])
    if count < 1:
        raise FitError(f"draws has to be at least 1, not {count}")
    at = np.linspace(0, len(flat) - 1, min(count, len(flat))).round().astype(int)
    return flat[at]
