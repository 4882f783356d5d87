"""What follows when variables are set: the latent variables as polynomials of the values set.

Setting variables S to values s (do(S = s), Pearl 2009, doi:10.1017/CBO9780511803161) replaces their
equations. The normal part of the others is A (alpha + zeta) + A_S s with A = (I - B)^-1, the rows
of S taken out of B, Omega, alpha and Psi; with R u the part of the factors of products that is not
determined by s (u standard normal), every latent variable and slope is a polynomial of (s, u).
Their expectations over u are exact: no simulation, no linearisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from bayessem.algebra.polynomial import (
    Polynomial,
    add,
    expectation,
    linear,
    multiply,
    normal_mean,
    scale,
)
from bayessem.model.structure import Structure, product_order


@dataclass(frozen=True)
class Intervention:
    """A group's latent variables after some were set.

    Attributes
    ----------
    structure : Structure
    matrices : dict
        Of the group, untouched, each with the leading axes of the draws.
    set_to : tuple of int
        The variables that are set: the first variables of every polynomial.
    means : ndarray (..., m)
        Of the normal part, with the variables set to 0.
    responses : ndarray (..., m, k)
        Of the normal part of each variable to each that is set.
    weights : ndarray (..., m, h)
        Total effect of each product on each variable.
    latents, products : dict of int to Polynomial
        The factors of products (and the variables asked for), and the products, as polynomials
        of the k values set and then of the standard normal u.
    size : int
        Number of variables of those polynomials.
    """

    structure: Structure
    matrices: dict[str, np.ndarray]
    set_to: tuple[int, ...]
    means: np.ndarray
    responses: np.ndarray
    weights: np.ndarray
    latents: dict[int, Polynomial]
    products: dict[int, Polynomial]
    size: int

    def expected(self, i: int) -> Polynomial:
        """E[variable i], a polynomial in the values set."""
        k = len(self.set_to)
        parts = [
            linear(self.means[..., i], [self.responses[..., i, s] for s in range(k)], k),
            *(
                scale(normal_mean(product, k), self.weights[..., i, t])
                for t, product in self.products.items()
            ),
        ]
        return add(parts)

    def slope(self, outcome: int, predictor: int) -> Polynomial:
        """Slope of an outcome on a predictor in its own equation, products included."""
        parts = [linear(self.matrices["paths"][..., outcome, predictor], (), self.size)]
        omega = self.matrices["products"]
        for t, factors in enumerate(self.structure.products):
            if predictor in factors:
                rest = list(factors)
                rest.remove(predictor)
                times = float(factors.count(predictor))
                other = reduce(multiply, (self.latents[i] for i in rest))
                parts.append(scale(other, times * omega[..., outcome, t]))
        return add(parts)

    def path_effect(self, path: Sequence[int]) -> Polynomial:
        """Expected product of the slopes along a path, a polynomial in the values set."""
        product = linear(1.0, (), self.size)
        for predictor, outcome in zip(path, path[1:], strict=False):
            product = multiply(product, self.slope(outcome, predictor))
        return normal_mean(product, len(self.set_to))


def intervene(
    structure: Structure,
    elements: np.ndarray,
    set_to: Sequence[int] = (),
    *,
    keep: Sequence[int] = (),
    group: int = 0,
) -> Intervention:
    """Set variables and work out what becomes of the others.

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (..., elements)
        Flat model matrices of all groups.
    set_to : sequence of int
        Positions in `structure.variables` of the variables that are set; () for none, which
        gives the distribution of the variables as it is.
    keep : sequence of int
        Variables that are wanted as polynomials besides the factors of products.
    group : int
        Which group.
    """
    matrices = structure.matrices(elements, group)
    m, set_to = matrices["paths"].shape[-1], tuple(set_to)
    free = np.ones(m)
    free[list(set_to)] = 0.0
    total = np.linalg.inv(np.eye(m) - matrices["paths"] * free[:, None])
    means = (total @ (matrices["means"] * free)[..., None])[..., 0]
    weights = total @ (matrices["products"] * free[:, None])
    spread = matrices["disturbances"] * free[:, None] * free
    covariance = total @ spread @ np.swapaxes(total, -1, -2)
    wanted = sorted({i for pair in structure.products for i in pair} | set(keep))
    moving = [i for i in wanted if i not in set_to]
    roots = normal_root(covariance[..., moving, :][..., moving])
    k, size = len(set_to), len(set_to) + len(moving)
    latents: dict[int, Polynomial] = {}
    for i in wanted:
        slopes: list[np.ndarray] = [total[..., i, s] for s in set_to]
        if i in moving:
            slopes += [roots[..., moving.index(i), j] for j in range(len(moving))]
        latents[i] = linear(means[..., i], slopes, size)
    products: dict[int, Polynomial] = {}
    for t in product_order(structure) if structure.products else ():
        products[t] = reduce(multiply, (latents[i] for i in structure.products[t]))
        for i in moving:
            latents[i] = add([latents[i], scale(products[t], weights[..., i, t])])
    responses = total[..., list(set_to)] if k else np.zeros((*means.shape, 0))
    return Intervention(
        structure, matrices, set_to, means, responses, weights, latents, products, size
    )


def normal_root(covariance: np.ndarray) -> np.ndarray:
    """R with R R' = covariance (..., f, f), which may be singular (a variable that is constant)."""
    size = deviations(covariance)
    values, vectors = np.linalg.eigh(covariance / (size[..., :, None] * size[..., None, :]))
    # Rounding leaves tiny negative eigenvalues.
    return size[..., None] * vectors * np.sqrt(np.clip(values, 0.0, None))[..., None, :]


def deviations(covariance: np.ndarray) -> np.ndarray:
    """Standard deviations (..., f) to divide by, 1 for what is constant.

    What counts as 0, and what a seed draws, then does not depend on the units of the variables.
    """
    size = np.sqrt(np.abs(np.diagonal(covariance, axis1=-2, axis2=-1)))
    return np.where(size > 0, size, 1.0)


def raw_moments(
    structure: Structure, elements: np.ndarray, variable: int, order: int, *, group: int = 0
) -> np.ndarray:
    """E[variable^k] for k = 0 ... order under the model, (..., order + 1); exact."""
    alone = intervene(structure, elements, keep=(variable,), group=group)
    value, power = alone.latents[variable], linear(1.0, (), alone.size)
    out = []
    for _ in range(order + 1):
        out.append(np.broadcast_to(expectation(power), elements.shape[:-1]))
        power = multiply(power, value)
    return np.stack(out, axis=-1)
