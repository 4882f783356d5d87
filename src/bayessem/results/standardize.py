"""Model-implied moments, the standardised solution and R2, for one point or for many draws.

Everything takes the flat model matrices `elements` (..., elements) of `Density.elements` and keeps
their leading axes, so that maximum likelihood and posterior draws use the same functions.

Products are polynomials of normal variables, so their moments are exact. Write L = A(alpha + zeta)
for the normal part of the latent variables (A = (I - B)^-1), C for the latents that enter products
and L_C = m + R u with u standard normal: every product h is a polynomial of u, and
eta = L + A Omega h(u) needs only E[h], E[u h'] and E[h h'].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np

from bayessem.algebra.polynomial import Polynomial, add, expectation, linear, multiply
from bayessem.errors import ModelError
from bayessem.model.composites import composite_signs, composite_values
from bayessem.model.parameterization import threshold_variables
from bayessem.model.structure import Structure, product_order
from bayessem.results.dispersions import PLAIN, link_variances


@dataclass(frozen=True)
class Moments:
    """Model-implied moments of one group, with any leading axes.

    Attributes
    ----------
    latent_covariance, latent_mean : ndarray (..., m, m), (..., m)
        Of the latent variables (in the order of `Structure.variables`).
    observed_covariance, observed_mean : ndarray (..., p, p), (..., p)
        Of the observed variables; of counts and shares, of what their linear predictor and a
        residual on its scale make (`families.link_variance`).
    latent_residual, observed_residual : ndarray (..., m), (..., p)
        Residual variances in these covariances.
    """

    latent_covariance: np.ndarray
    latent_mean: np.ndarray
    observed_covariance: np.ndarray
    observed_mean: np.ndarray
    latent_residual: np.ndarray
    observed_residual: np.ndarray


def _transpose(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix, -1, -2)


def model_moments(structure: Structure, elements: np.ndarray, *, group: int = 0) -> Moments:
    """Means and covariances that a model implies, product terms included.

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (..., elements)
        Flat model matrices of all groups.
    group : int
        Which group.

    Returns
    -------
    Moments
        With the leading axes of `elements`; nan where I - B is singular.
    """
    matrices = structure.matrices(elements, group)
    paths = matrices["paths"]
    total = _inverse(np.eye(paths.shape[-1]) - paths)
    covariance = total @ matrices["disturbances"] @ _transpose(total)
    mean = _apply(total, matrices["means"])
    if structure.products:
        weights = total @ matrices["products"]  # (..., m, h)
        covariance, mean = _with_products(structure, covariance, mean, weights)
    loadings = matrices["loadings"]
    own = _to_link_scale(structure, matrices, "disturbances", mean, covariance)
    observed = loadings @ covariance @ _transpose(loadings) + matrices["residuals"]
    observed_mean = matrices["intercepts"] + _apply(loadings, mean)
    residual = _to_link_scale(structure, matrices, "residuals", observed_mean, observed)
    return Moments(covariance, mean, observed, observed_mean, own, residual)


def _to_link_scale(
    structure: Structure,
    matrices: dict[str, np.ndarray],
    matrix: str,
    mean: np.ndarray,
    covariance: np.ndarray,
) -> np.ndarray:
    """Residual variances (..., k); dispersions in a covariance matrix become such in place."""
    own = np.diagonal(matrices[matrix], axis1=-2, axis2=-1)
    if not structure.table.responses.others:
        return own
    out = np.array(own)
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    for i, link in link_variances(structure, matrices, mean, variance, matrix).items():
        covariance[..., i, i] += link - own[..., i]
        out[..., i] = link
    return out


def _inverse(matrix: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        # One singular draw must not take the others with it.
        flat = matrix.reshape(-1, *matrix.shape[-2:])
        out = np.full_like(flat, np.nan)
        for i, one in enumerate(flat):
            if np.linalg.matrix_rank(one) == one.shape[-1]:
                out[i] = np.linalg.inv(one)
        return out.reshape(matrix.shape)


def _apply(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return (matrix @ vector[..., None])[..., 0]


def _with_products(
    structure: Structure, covariance: np.ndarray, mean: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance (..., m, m) and mean (..., m) of the latents with their product terms."""
    factors = sorted({i for pair in structure.products for i in pair})
    f, h = len(factors), len(structure.products)
    between = covariance[..., :, factors]  # Cov(L, L_C)
    own = between[..., factors, :]
    size = np.sqrt(np.abs(np.diagonal(own, axis1=-2, axis2=-1)))
    size = np.where(size > 0, size, 1.0)  # what counts as 0 must not depend on units
    roots, vectors = np.linalg.eigh(own / (size[..., :, None] * size[..., None, :]))
    with np.errstate(invalid="ignore", divide="ignore"):
        # A covariate may be constant given the others; a negative root is no covariance matrix.
        tiny = np.abs(roots) < 1e-12 * np.abs(roots).max(axis=-1, keepdims=True)
        spread = np.sqrt(np.where(tiny, 0.0, roots))
        shrink = np.where(tiny, 0.0, 1.0 / np.where(tiny, 1.0, spread))
    root = size[..., None] * vectors * spread[..., None, :]  # R
    with_u = between @ (vectors / size[..., None]) * shrink[..., None, :]  # Cov(L, u), (..., m, f)

    terms: dict[int, Polynomial] = {}

    def factor(i: int) -> Polynomial:
        c = factors.index(i)
        own = linear(mean[..., i], [root[..., c, j] for j in range(f)], f)
        # a weight of 0 leaves no term, else its powers would multiply in every further product
        by = {t: linear(weights[..., i, t], (), f) for t in terms}
        return add([own, *(multiply(by[t], product) for t, product in terms.items())])

    for t in product_order(structure):
        terms[t] = reduce(multiply, map(factor, structure.products[t]))
    products = [terms[t] for t in range(h)]
    u = [linear(0.0, (1.0,), f, first=j) for j in range(f)]
    draws = mean.shape[:-1]
    expected = _expectations([products], draws)[..., 0, :]  # (..., h)
    by_u = _expectations([[multiply(v, x) for x in products] for v in u], draws)  # (..., f, h)
    second_moments = _expectations([[multiply(x, y) for y in products] for x in products], draws)
    spread_of_products = second_moments - expected[..., :, None] * expected[..., None, :]
    cross = (with_u @ by_u) @ _transpose(weights)  # Cov(L, eta - L)
    covariance = (
        covariance + cross + _transpose(cross) + weights @ spread_of_products @ _transpose(weights)
    )
    return covariance, mean + _apply(weights, expected)


def _expectations(table: list[list[Polynomial]], draws: tuple[int, ...]) -> np.ndarray:
    """Expectations of rows of polynomials in standard normal variables, (..., row, column)."""
    rows = [
        np.stack([np.broadcast_to(expectation(cell), draws) for cell in row], axis=-1)
        for row in table
    ]
    return np.stack(rows, axis=-2)


def _deviations(
    structure: Structure, moments: Moments, scale: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standard deviations to divide by: of latents (as latents, as structural) and observed."""
    with np.errstate(invalid="ignore"):
        latent = np.sqrt(np.diagonal(moments.latent_covariance, axis1=-2, axis2=-1))
        observed = np.sqrt(np.diagonal(moments.observed_covariance, axis1=-2, axis2=-1))
    if scale == "latent":
        kept = np.array([name in structure.observed for name in structure.variables])
        latent = np.where(kept, 1.0, latent)
        observed = np.ones_like(observed)
    return latent, observed, kept if scale == "latent" else np.zeros(latent.shape[-1], dtype=bool)


def row_values(structure: Structure, elements: np.ndarray) -> np.ndarray:
    """Value of each row of the table, (..., rows); nan for definitions and constraints."""
    out = np.full((*elements.shape[:-1], len(structure.table.rows)), np.nan)
    for k, place in structure.places.items():
        out[..., k] = elements[..., structure.element(place)[0]]
    if structure.composites:
        groups = range(len(structure.table.groups))
        moments = [model_moments(structure, elements, group=g) for g in groups]
        covariances = [m.observed_covariance for m in moments]
        means = [m.observed_mean for m in moments]
        for k, values in composite_values(structure, elements, covariances, means).items():
            out[..., k] = values
    return out


def _signs(
    turned: dict[tuple[int, int], np.ndarray], group: int, shape: tuple[int, ...]
) -> np.ndarray:
    """Which way each construct of a group runs, (..., construct) of 1 and -1."""
    signs = np.ones(shape)
    for (own, j), sign in turned.items():
        if own == group:
            signs[..., j] = sign
    return signs


def _own_deviations(matrix: np.ndarray, kept: np.ndarray, *, among: bool, scale: str) -> np.ndarray:
    """Standard deviations (..., variable) of disturbances (`among` constructs) or residuals.

    1 for what keeps its scale when constructs alone are standardised.
    """
    sd = np.sqrt(np.abs(np.diagonal(matrix, axis1=-2, axis2=-1)))
    if scale == "latent":
        sd = np.where(kept if among else np.ones(sd.shape[-1], bool), 1.0, sd)
    return sd


def standardised(
    structure: Structure, elements: np.ndarray, *, square: str = "factor", scale: str = "all"
) -> np.ndarray:
    """Standardised solution, row by row of the table.

    Loadings and paths are multiplied by the standard deviation of the cause and divided by that
    of the outcome, both model-implied in the row's own group; variances become shares of the total,
    covariances correlations (of residuals, where they are residuals), as in lavaan. Of many draws,
    a composite runs the same way in all (`composite_signs`).

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (..., elements)
        Flat model matrices of all groups.
    square : {"factor", "square"}
        Coefficient of a squared term: of the square of the standardised factor
        (b sd(x)^2 / sd(y)), or of the standardised square (sqrt(2) times that, what product
        indicator models print). An interaction is that of the standardised factors.
    scale : {"all", "latent"}
        Standardise all variables (lavaan's std.all) or constructs only (std.lv).

    Returns
    -------
    ndarray (..., rows)
        nan for rows without a place in the matrices, where a variance is not positive, and at level
        1 of variables that random slopes lead to, which have no one variance.
    """
    if square not in ("factor", "square"):
        raise ModelError(f'square is "factor" or "square", not {square!r}')
    if scale not in ("all", "latent"):
        raise ModelError(f'scale is "all" or "latent", not {scale!r}')
    values = row_values(structure, elements)
    turned = _turned(structure, elements)
    answered = threshold_variables(structure)
    out = np.full_like(values, np.nan)
    for g in range(len(structure.table.groups)):
        moments = model_moments(structure, elements, group=g)
        latent, observed, kept = _deviations(structure, moments, scale)
        signs = _signs(turned, g, latent.shape)
        latent = latent * signs
        if structure.slopes and g % 2 == 0:  # no one standard deviation
            for own, moved in zip((latent, observed), structure.randomly_moved, strict=True):
                own[..., list(moved)] = np.nan
        matrices = structure.matrices(elements, g)
        for k, place in structure.places.items():
            if place.group != g or place.matrix == "shapes":
                continue  # neither degrees of freedom nor probabilities have a scale
            i, j = place.i, place.j
            with np.errstate(all="ignore"):
                match place.matrix:
                    case "loadings":
                        factor = latent[..., j] / observed[..., i]
                    case "paths":
                        factor = latent[..., j] / latent[..., i]
                    case "products":
                        factors = structure.products[j]
                        factor = np.prod(latent[..., list(factors)], axis=-1) / latent[..., i]
                        if square == "square" and factors == (factors[0],) * 2:
                            factor = factor * math.sqrt(2.0)
                    case "intercepts":
                        factor = 1.0 / observed[..., i]
                    case "thresholds":
                        factor = 1.0 / observed[..., answered[i]]
                    case "means":
                        factor = 1.0 / latent[..., i]
                    case matrix if i == j:
                        sd = latent if matrix == "disturbances" else observed
                        factor = 1.0 / sd[..., i] ** 2
                    case matrix:
                        among = matrix == "disturbances"
                        sd = _own_deviations(matrices[matrix], kept, among=among, scale=scale)
                        if among:
                            sd = sd * signs
                        factor = 1.0 / (sd[..., i] * sd[..., j])
                scaled = values[..., k] * factor
            row = structure.table.rows[k]
            if (
                row.op == "~~"
                and structure.table.responses.others.get(row.lhs, PLAIN[0]) not in PLAIN
            ):
                continue  # a dispersion is no share of a variance
            # a construct without variance, as one of fixed changes, has no standardised values
            out[..., k] = np.where(np.isfinite(scaled), scaled, np.nan)
        for k, factor in _composite_factors(structure, g, latent, observed).items():
            out[..., k] = values[..., k] * factor
    return out


def _turned(structure: Structure, elements: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """Draws in which composites run the other way than in most; see `composite_signs`."""
    if not structure.composites:
        return {}
    groups = range(len(structure.table.groups))
    moments = [model_moments(structure, elements, group=g) for g in groups]
    return composite_signs(structure, elements, [m.observed_covariance for m in moments])


def _composite_factors(
    structure: Structure, group: int, latent: np.ndarray, observed: np.ndarray
) -> dict[int, np.ndarray]:
    """What standardises weights of composites and (co)variances of their items, by row."""
    out: dict[int, np.ndarray] = {}
    column = {name: i for i, name in enumerate(structure.observed)}
    for c in structure.composites:
        if c.group == group:
            for i, k in zip(c.items, c.weights, strict=True):
                out[k] = observed[..., i] / latent[..., c.variable]
    for k, row in enumerate(structure.table.rows):
        if row.group == group and row.op == "~~" and row.lhs in structure.table.items:
            out[k] = 1.0 / (observed[..., column[row.lhs]] * observed[..., column[row.rhs]])
    return out


def moved_names(structure: Structure) -> tuple[str, ...]:
    """Variables that random slopes lead to, which have no one variance at level 1."""
    if not structure.slopes:
        return ()
    latent, observed = structure.randomly_moved
    names = [structure.variables[i] for i in sorted(latent)]
    return tuple(dict.fromkeys([*names, *(structure.observed[i] for i in sorted(observed))]))


def r_squared(
    structure: Structure, elements: np.ndarray, *, group: int = 0
) -> dict[str, np.ndarray]:
    """Share of the variance that is explained, 1 - residual / total, of every explained variable.

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (..., elements)
        Flat model matrices of all groups.
    group : int
        Which group.

    Returns
    -------
    dict of str to ndarray (...)
        By variable: indicators, then outcomes, in the order of the table; nan where the residual
        variance is negative. Without variables of level 1 that random slopes lead to: their
        variance depends on the predictors' values.
    """
    table = structure.table
    explained = dict.fromkeys(
        row.rhs if row.op == "=~" else row.lhs
        for op in ("=~", "~")
        for row in table.rows
        if row.op == op and row.group == group
    )
    moments = model_moments(structure, elements, group=group)
    out: dict[str, np.ndarray] = {}
    left_out = moved_names(structure) if group % structure.table.levels == 0 else ()
    for name in explained:
        if name in left_out:
            continue
        if name in structure.variables:
            i, own, total = (
                structure.variables.index(name),
                moments.latent_residual,
                moments.latent_covariance,
            )
        else:
            i, own, total = (
                structure.observed.index(name),
                moments.observed_residual,
                moments.observed_covariance,
            )
        residual = own[..., i]
        with np.errstate(all="ignore"):
            share = 1.0 - residual / total[..., i, i]
            out[name] = np.where((residual >= 0) & (share >= 0), share, np.nan)
    return out
