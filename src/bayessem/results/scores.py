"""Factor scores: the latent variables of each respondent, given the data and the parameters.

For draws of the parameters, latent variables are drawn from their exact conditional distribution
(plausible values), so that what is computed from them carries their uncertainty. In a linear model
that is normal. With product terms let u be the normal variables behind the latent factors of
products: given u all is normal with one covariance, so only u needs a sampler: a fine grid when it
is one-dimensional, else Metropolis steps from a good start. Models with ordered answers: see
answer_scores.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared, whole_number
from bayessem.errors import DataError, FitError, ModelError
from bayessem.model.answer_engine import closed_form, on_lattices
from bayessem.model.covariance_input import require_respondents
from bayessem.model.data import Sample
from bayessem.model.level_data import refuse_levels
from bayessem.model.structure import Composite, Structure, product_order
from bayessem.results.answer_scores import answer_moments, draw_answer_scores
from bayessem.results.censored_values import completed
from bayessem.results.fitted import Fitted
from bayessem.results.intervention import deviations, normal_root
from bayessem.results.level_scores import level_scores
from bayessem.results.tails import scale_given

DRAWS = 100
GRID = np.linspace(-6.0, 6.0, 601)  # of a standard normal variable
CHUNK = 4000  # respondents at once on the grid
STARTS, STEPS = 512, 100


def score_draws(fit: Fitted, *, draws: int = DRAWS, random_seed: int = 0) -> xr.DataArray:
    """Latent variables drawn given the data, for evenly spaced draws of the parameters.

    Parameters
    ----------
    fit : Fitted
        A sampled model.
    draws : int
        How many draws of the parameters to use.
    random_seed : int
        Makes them repeatable.

    Returns
    -------
    DataArray (draw, respondent, variable)
        In the metric of the model; variables are constructs, then observed variables with a
        structural role (at their observed values).
    """
    refuse_levels(fit.prepared.table, "what draws constructs of respondents (shapes, surfaces)")
    elements = _chosen(fit, draws)
    structure, sample = fit.prepared.structure, fit.prepared.sample
    rng = np.random.default_rng(whole_number("random_seed", random_seed, FitError, least=0))
    if closed_form(structure):
        values = np.stack(
            [
                draw_scores(structure, one, completed(structure, one, sample, rng), rng)
                for one in elements
            ]
        )
    elif structure.table.answered:
        values = draw_answer_scores(structure, elements, sample, rng)
    else:
        values = np.stack(
            [
                draw_scores(structure, one, sample, rng, scale_given(structure, one, sample, rng))
                for one in elements
            ]
        )
    return xr.DataArray(
        values,
        dims=("draw", "respondent", "variable"),
        coords={
            "respondent": [str(r) for r in sample.rows],
            "variable": list(structure.variables),
        },
        name="scores",
    )


@check_shared
def scores(fit: Fitted, *, draws: int = DRAWS, random_seed: int = 0) -> pd.DataFrame:
    """Posterior mean and standard deviation of each construct for each respondent.

    Arguments, result and errors: `Fit.scores`.
    """
    if not fit.prepared.table.latent:
        raise ModelError(
            "the model has no constructs, so there is nothing to score; constructs are written as "
            "'f =~ x1 + x2 + x3'"
        )
    if fit.prepared.table.levels > 1:
        return level_scores(fit, draws=draws)
    sample = fit.prepared.sample
    out = {}
    if on_lattices(fit.prepared.structure):
        structure = fit.prepared.structure
        mean, sd, latents = answer_moments(structure, _chosen(fit, draws), sample)
        for k, i in enumerate(latents):
            out[structure.variables[i]] = mean[:, k]
            out[f"{structure.variables[i]}_sd"] = sd[:, k]
        return pd.DataFrame(out, index=sample.rows)
    drawn = score_draws(fit, draws=draws, random_seed=random_seed)
    for k, name in enumerate(fit.prepared.structure.variables):
        if name not in sample.variables:
            out[name] = drawn.values[:, :, k].mean(axis=0)
            out[f"{name}_sd"] = drawn.values[:, :, k].std(axis=0)
    return pd.DataFrame(out, index=sample.rows)


def _chosen(fit: Fitted, draws: int) -> np.ndarray:
    """Evenly spaced draws of the flat model matrices (draw, elements), of a fit with scores."""
    require_respondents(fit.prepared.sample, "a score")
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    draws = min(whole_number("draws", draws, FitError), len(flat))
    return flat[np.unique(np.linspace(0, len(flat) - 1, draws).round().astype(int))]


def draw_scores(
    structure: Structure,
    elements: np.ndarray,
    sample: Sample,
    rng: np.random.Generator,
    scale: np.ndarray | float = 1.0,
) -> np.ndarray:
    """One value of each latent variable for each respondent, (respondent, m).

    Parameters
    ----------
    structure, elements
        Model and one draw of its flat matrices (elements,).
    sample : Sample
        The data.
    rng : Generator
        Source of the randomness.
    scale : ndarray (respondent,), optional
        What multiplies what is left of respondents (`tails.scale_given`).

    Raises
    ------
    FitError
        For a covariance matrix that is not positive definite.
    DataError
        Where an observed factor of a product is missing.
    """
    out = np.empty((sample.size, len(structure.variables)))
    scale = np.broadcast_to(scale, sample.size)
    for group, columns, members in sample.patterns():
        part = _conditional(structure, elements, group, columns)
        rows = sample.values[np.ix_(members, columns)] - part.mean
        known = _observed_factors(structure, sample, members)
        known |= _composite_factors(structure, elements, sample, members, group)
        for start in range(0, len(members), CHUNK):
            some = slice(start, start + CHUNK)
            out[members[some]] = _draw(
                part, rows[some], {i: v[some] for i, v in known.items()}, scale[members[some]], rng
            )
    return out


@dataclass(frozen=True)
class _Conditional:
    """What is needed to draw latent variables given one pattern of observed values.

    With eta = means + linear u + weights h(u) + e and y = mean + design (u, h) + Lambda e + eps:
    `gain` is Cov(e, y) Sigma_c^-1, `root` a root of the covariance of e given y, `precision`
    Sigma_c^-1, where Sigma_c is the covariance of y given u.
    """

    products: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    factors: tuple[int, ...]
    means: np.ndarray
    linear: np.ndarray
    weights: np.ndarray
    mean: np.ndarray
    design: np.ndarray
    gain: np.ndarray
    root: np.ndarray
    precision: np.ndarray

    def features(self, u: np.ndarray, known: dict[int, np.ndarray]) -> np.ndarray:
        """(u, h(u)) for u (..., f); `known` holds observed factors, shaped to go with u."""
        h: dict[int, np.ndarray] = {}
        for t in self.order:
            factors = []
            for i in self.products[t]:
                if i in known:
                    factors.append(known[i])
                    continue
                value = self.means[i] + u @ self.linear[i]
                for s, product in h.items():
                    if self.weights[i, s]:
                        value = value + self.weights[i, s] * product
                factors.append(value)
            h[t] = math.prod(factors[1:], start=factors[0])
        shape = u.shape[:-1]
        terms = [np.broadcast_to(h[t], shape) for t in range(len(self.products))]
        return np.concatenate([u, *(x[..., None] for x in terms)], axis=-1)


def _conditional(
    structure: Structure, elements: np.ndarray, group: int, columns: np.ndarray
) -> _Conditional:
    matrices = structure.matrices(elements, group)
    m = len(structure.variables)
    total = np.linalg.inv(np.eye(m) - matrices["paths"])
    covariance = total @ matrices["disturbances"] @ total.T
    weights = total @ matrices["products"]
    composites = dict(structure.table.composites)  # known where their items are
    factors = tuple(
        sorted(
            {
                i
                for pair in structure.products
                for i in pair
                if structure.variables[i] not in structure.observed
                and structure.variables[i] not in composites
            }
        )
    )
    own = covariance[np.ix_(factors, factors)]
    size = deviations(own)
    inverse = np.linalg.pinv(normal_root(own) / size[:, None]) / size
    linear = covariance[:, factors] @ inverse.T  # Cov(L, u)
    rest = covariance - linear @ linear.T
    loadings = matrices["loadings"][columns]
    spread = loadings @ rest @ loadings.T + matrices["residuals"][np.ix_(columns, columns)]
    try:
        np.linalg.cholesky(spread)
    except np.linalg.LinAlgError:
        raise FitError(
            "the model-implied covariance matrix of the observed variables is not positive "
            "definite at a draw; scores do not exist there"
        ) from None
    precision = np.linalg.inv(spread)
    gain = rest @ loadings.T @ precision
    means = total @ matrices["means"]
    return _Conditional(
        products=structure.products,
        order=tuple(product_order(structure)) if structure.products else (),
        factors=factors,
        means=means,
        linear=linear,
        weights=weights,
        mean=(matrices["intercepts"] + matrices["loadings"] @ means)[columns],
        design=loadings @ np.concatenate([linear, weights], axis=1),
        gain=gain,
        root=normal_root(rest - gain @ loadings @ rest),
        precision=precision,
    )


def _observed_factors(
    structure: Structure, sample: Sample, members: np.ndarray
) -> dict[int, np.ndarray]:
    """Values of the observed variables that are factors of products."""
    out = {}
    for i in sorted({i for pair in structure.products for i in pair}):
        name = structure.variables[i]
        if name in structure.observed:
            out[i] = sample.values[members, sample.variables.index(name)]
            if np.isnan(out[i]).any():
                raise DataError(
                    f"{name} is a factor of a product and missing for some respondents; leave "
                    'them out with missing="listwise"'
                )
    return out


def _composite_factors(
    structure: Structure,
    elements: np.ndarray,
    sample: Sample,
    members: np.ndarray,
    group: int,
) -> dict[int, np.ndarray]:
    """Values of the composites that are factors of products: the sums of their items."""
    factors = {i for pair in structure.products for i in pair}
    matrices = structure.matrices(elements, group)
    out = {}
    for c in structure.composites:
        if c.group == group and c.variable in factors:
            items = list(c.items)
            columns = [sample.variables.index(structure.observed[i]) for i in items]
            values = sample.values[np.ix_(members, columns)] - matrices["intercepts"][items]
            if np.isnan(values).any():
                raise DataError(
                    f"{structure.variables[c.variable]} is a factor of a product, and one of its "
                    "items is missing for some respondents; leave them out with "
                    'missing="listwise"'
                )
            out[c.variable] = values @ composite_score(structure, matrices, c)
    return out


def composite_score(
    structure: Structure, matrices: Mapping[str, np.ndarray], composite: Composite
) -> np.ndarray:
    """Weights of a composite's items, (..., items), from the matrices of its group.

    What of the items is not the composite has no variance along its weights w, and w'lambda = 1.
    """
    items = list(composite.items)
    loadings = matrices["loadings"][..., items, composite.variable]
    rest = matrices["residuals"][..., items, :][..., :, items]
    whole = rest + loadings[..., :, None] * loadings[..., None, :]
    direction = np.linalg.solve(whole, loadings[..., None])[..., 0]
    return direction / np.sum(direction * loadings, axis=-1, keepdims=True)


def _draw(
    part: _Conditional,
    rows: np.ndarray,
    known: dict[int, np.ndarray],
    scale: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Latent variables of respondents whose data, less their mean, are `rows` (n, o)."""
    n, f = len(rows), len(part.factors)
    u = np.zeros((n, 0))
    if f:
        pull = rows @ part.precision @ part.design
        curve = part.design.T @ part.precision @ part.design
        sampler = _sample_on_grid if f == 1 else _sample_by_steps
        u = sampler(part, pull, curve, known, rng)
    features = part.features(u, known)
    left = rows - features @ part.design.T
    eta = part.means + features @ np.concatenate([part.linear, part.weights], axis=1).T
    eta = eta + left @ part.gain.T
    return eta + scale[:, None] * rng.standard_normal((n, len(part.means))) @ part.root.T


def _exponent(
    features: np.ndarray, u: np.ndarray, pull: np.ndarray, curve: np.ndarray
) -> np.ndarray:
    """Log p(u | y) + constant, for features (..., b) of u (..., f) and pull (..., b)."""
    quadratic = np.einsum("...b,bc,...c->...", features, curve, features, optimize=True)
    return (features * pull).sum(axis=-1) - 0.5 * quadratic - 0.5 * (u**2).sum(axis=-1)


def _sample_on_grid(
    part: _Conditional,
    pull: np.ndarray,
    curve: np.ndarray,
    known: dict[int, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """U (n, 1) drawn from its density on a grid, uniform within a cell."""
    points = GRID[:, None]
    if known:
        features = part.features(
            np.broadcast_to(points, (len(pull), *points.shape)),
            {i: v[:, None] for i, v in known.items()},
        )
        exponent = _exponent(features, points, pull[:, None, :], curve)
    else:
        features = part.features(points, {})
        own = _exponent(features, points, np.zeros(features.shape[-1]), curve)
        exponent = pull @ features.T + own
    weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    cumulative = np.cumsum(weight, axis=1)
    target = rng.random((len(pull), 1)) * cumulative[:, -1:]
    cell = np.minimum((cumulative < target).sum(axis=1), len(GRID) - 1)
    return (GRID[cell] + (rng.random(len(pull)) - 0.5) * (GRID[1] - GRID[0]))[:, None]


def _sample_by_steps(
    part: _Conditional,
    pull: np.ndarray,
    curve: np.ndarray,
    known: dict[int, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """U (n, f) by Metropolis steps: all respondents at once, each with its own step size.

    The start is drawn from `STARTS` points spread over the prior, by their posterior weight, so
    that a respondent with two modes may start in either.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    n, f = len(pull), len(part.factors)
    spread = qmc.Sobol(f, rng=rng).random(STARTS)
    points = ndtri(np.clip(spread, 1e-9, 1 - 1e-9)) * 1.3
    wide = np.broadcast_to(points, (n, STARTS, f))
    features = part.features(wide, {i: v[:, None] for i, v in known.items()})
    exponent = _exponent(features, wide, pull[:, None, :], curve)
    # Proposed from a normal of sd 1.3: divide by its density.
    exponent = exponent + 0.5 * ((points / 1.3) ** 2).sum(axis=-1)
    gumbel = rng.gumbel(size=exponent.shape)
    u = points[np.argmax(exponent + gumbel, axis=1)]
    now = _exponent(part.features(u, known), u, pull, curve)
    step = np.full((n, 1), 0.5)
    for k in range(STEPS):
        proposal = u + step * rng.standard_normal((n, f))
        then = _exponent(part.features(proposal, known), proposal, pull, curve)
        accepted = np.log(rng.random(n)) < then - now
        u = np.where(accepted[:, None], proposal, u)
        now = np.where(accepted, then, now)
        if k < STEPS // 2:  # adapt first, then keep the step so that the target is exact
            step = step * np.where(accepted[:, None], 1.25, 0.87)
    return u
