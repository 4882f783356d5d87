"""The quadratic of y in x that a model holds: coefficients, turning points, the range of x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayessem.algebra.polynomial import coefficients, degree, value_at
from bayessem.errors import ModelError
from bayessem.model.structure import Structure
from bayessem.results.intervention import intervene
from bayessem.results.standardize import model_moments

if TYPE_CHECKING:
    pass

TAILS = (0.05, 0.95)
QUANTILE_POINTS = 1024


def latent_quantiles(
    structure: Structure,
    elements: np.ndarray,
    variable: int,
    *,
    group: int = 0,
    probabilities: Sequence[float] = TAILS,
) -> np.ndarray:
    """Model-implied quantiles of a variable, (..., probability).

    Exact for a normal variable; one with product terms is evaluated at 1,024 scrambled Sobol
    points of the normal variables behind it.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    alone = intervene(structure, elements, keep=(variable,), group=group)
    value = alone.latents[variable]
    if all(sum(e) <= 1 for e in value):
        zero = (0,) * alone.size
        variance = sum((c**2 for e, c in value.items() if sum(e)), start=np.zeros(()))
        mean = value.get(zero, np.zeros(()))
        return np.stack(
            np.broadcast_arrays(*(mean + ndtri(p) * np.sqrt(variance) for p in probabilities)),
            axis=-1,
        )
    points = ndtri(qmc.Sobol(alone.size, rng=np.random.default_rng(0)).random(QUANTILE_POINTS))
    widened = {e: np.asarray(c)[..., None] for e, c in value.items()}
    return np.moveaxis(
        np.quantile(value_at(widened, list(points.T)), probabilities, axis=-1), 0, -1
    )


@dataclass(frozen=True)
class Quadratic:
    """Coefficients (...) of y on x and x^2 in one group, and how moderators change them.

    Attributes
    ----------
    linear, square : ndarray (...)
        With every moderator at its mean.
    by_linear, by_square : dict of int to ndarray (...)
        Change of `linear` and of `square` with a moderator.
    """

    linear: np.ndarray
    square: np.ndarray
    by_linear: dict[int, np.ndarray]
    by_square: dict[int, np.ndarray]


def _product_paths(
    structure: Structure, matrices: dict[str, np.ndarray], y: int, x: int
) -> dict[int, np.ndarray]:
    """Coefficients of y on the products of x, by the other factor."""
    out: dict[int, np.ndarray] = {}
    used = {p.j for p in structure.places.values() if p.matrix == "products" and p.i == y}
    for t in sorted(used):
        a, b = structure.products[t]
        if x in (a, b):
            out[b if a == x else a] = matrices["products"][..., y, t]
    return out


def direct_quadratic(
    structure: Structure,
    elements: np.ndarray,
    x: int,
    y: int,
    *,
    square: int | None = None,
    group: int = 0,
) -> Quadratic:
    """The quadratic in y's own equation; `square` is the variable that holds x^2, if it is one."""
    matrices = structure.matrices(elements, group)
    paths = matrices["paths"]
    by_linear = _product_paths(structure, matrices, y, x)
    own = by_linear.pop(x, None)
    by_square: dict[int, np.ndarray] = {}
    if square is not None:
        own = paths[..., y, square]
        by_linear.pop(square, None)
        by_square = _product_paths(structure, matrices, y, square)
        for v in (x, square):
            by_square.pop(v, None)
    if own is None:
        raise ModelError(
            f"{structure.variables[y]} has no square of {structure.variables[x]} in its equation; "
            f"write {structure.variables[y]} ~ {structure.variables[x]} + "
            f"{structure.variables[x]}:{structure.variables[x]}, or name the column that holds "
            "the square with square="
        )
    linear, curve = paths[..., y, x], own
    means = latent_means(structure, elements, group)
    for w, slope in by_linear.items():
        linear = linear + slope * means[..., w]
    for w, slope in by_square.items():
        curve = curve + slope * means[..., w]
    return Quadratic(linear, curve, by_linear, by_square)


def latent_means(structure: Structure, elements: np.ndarray, group: int) -> np.ndarray:
    """Model-implied means of the latent variables (..., m)."""
    return model_moments(structure, elements, group=group).latent_mean


def total_quadratic(
    structure: Structure, elements: np.ndarray, x: int, y: int, *, group: int = 0
) -> Quadratic:
    """E[y | do(x)] as a quadratic in x."""
    expected = intervene(structure, elements, (x,), group=group).expected(y)
    power = degree(expected, 0)
    names = structure.variables
    if power < 2:
        raise ModelError(f"{names[y]} depends on {names[x]} linearly: a line has no shape to test")
    if power > 2:
        raise ModelError(
            f"E[{names[y]} | do({names[x]})] is of degree {power} in {names[x]}, not a quadratic; "
            "look at it with what_if, or at the relation of one arrow alone"
        )
    found = coefficients(expected, elements.shape[:-1])
    return Quadratic(found[..., 1], found[..., 2], {}, {})
