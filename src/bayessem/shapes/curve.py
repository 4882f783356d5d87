"""The curve of y over x that a model holds, quadratic or cubic: coefficients, level, range of x."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayessem.algebra.polynomial import coefficients, degree, value_at
from bayessem.errors import ModelError
from bayessem.model.structure import Structure
from bayessem.results.fitted import Fitted
from bayessem.results.intervention import intervene, raw_moments
from bayessem.results.standardize import model_moments

TAILS = (0.05, 0.95)
QUANTILE_POINTS = 1024


def latent_quantiles(
    structure: Structure,
    elements: np.ndarray,
    variable: int,
    *,
    group: int = 0,
) -> np.ndarray:
    """The 5 % and 95 % quantiles of a variable that a model implies, (..., 2).

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
            np.broadcast_arrays(*(mean + ndtri(p) * np.sqrt(variance) for p in TAILS)),
            axis=-1,
        )
    points = ndtri(qmc.Sobol(alone.size, rng=np.random.default_rng(0)).random(QUANTILE_POINTS))
    widened = {e: np.asarray(c)[..., None] for e, c in value.items()}
    return np.moveaxis(np.quantile(value_at(widened, list(points.T)), TAILS, axis=-1), 0, -1)


@dataclass(frozen=True)
class Curve:
    """Coefficients (...) of y on x, x^2 and x^3 in one group, and how moderators change them.

    Attributes
    ----------
    linear, square, cube : ndarray (...)
        With every moderator at its mean; cube is 0 in a quadratic.
    by_linear, by_square : dict of int to ndarray (...)
        Change of `linear` and of `square` with a moderator.
    cubic : bool
        Whether the model has a cube.
    """

    linear: np.ndarray
    square: np.ndarray
    cube: np.ndarray
    by_linear: dict[int, np.ndarray]
    by_square: dict[int, np.ndarray]
    cubic: bool = False


def _terms(
    structure: Structure, matrices: dict[str, np.ndarray], y: int, x: int, square: int | None
) -> list[tuple[int, tuple[int, ...], np.ndarray]]:
    """What depends on x in y's equation: the power of x, the other factors, the coefficient."""
    places = structure.places.values()
    paths = {p.j for p in places if p.matrix == "paths" and p.i == y}
    used = sorted({p.j for p in places if p.matrix == "products" and p.i == y})
    terms: list[tuple[tuple[int, ...], np.ndarray]] = [
        ((j,), matrices["paths"][..., y, j]) for j in sorted(paths)
    ]
    terms += [(structure.products[t], matrices["products"][..., y, t]) for t in used]
    out = []
    for factors, coefficient in terms:
        power = factors.count(x) + (0 if square is None else 2 * factors.count(square))
        if power:
            rest = tuple(i for i in factors if i not in (x, square))
            out.append((power, rest, coefficient))
    return out


def direct_curve(
    structure: Structure,
    elements: np.ndarray,
    x: int,
    y: int,
    *,
    square: int | None = None,
    group: int = 0,
) -> Curve:
    """The curve in y's own equation; `square` is the variable that holds x^2, if it is one."""
    matrices = structure.matrices(elements, group)
    terms = _terms(structure, matrices, y, x, square)
    names = structure.variables
    if not any(power >= 2 and not rest for power, rest, _ in terms):
        raise ModelError(
            f"{names[y]} has no square of {names[x]} in its equation; write {names[y]} ~ "
            f"{names[x]} + {names[x]}:{names[x]}, or name the column that holds the square with "
            "square="
        )
    highest = max(power for power, _, _ in terms)
    if highest > 3:
        raise ModelError(
            f"{names[y]} depends on a higher power of {names[x]} than its cube: look at it with "
            "what_if"
        )
    means = latent_means(structure, elements, group)
    zero = matrices["paths"][..., y, x] * 0.0
    levels = {1: zero, 2: zero, 3: zero}
    changes: dict[int, dict[int, np.ndarray]] = {1: {}, 2: {}, 3: {}}
    for power, rest, coefficient in terms:
        levels[power] = levels[power] + coefficient * np.prod(means[..., list(rest)], axis=-1)
        for w in set(rest):
            others = list(rest)
            others.remove(w)
            change = rest.count(w) * coefficient * np.prod(means[..., others], axis=-1)
            changes[power][w] = changes[power].get(w, 0.0) + change
    return Curve(levels[1], levels[2], levels[3], changes[1], changes[2], highest == 3)


def latent_means(structure: Structure, elements: np.ndarray, group: int) -> np.ndarray:
    """Model-implied means of the latent variables (..., m)."""
    return model_moments(structure, elements, group=group).latent_mean


def total_curve(
    structure: Structure, elements: np.ndarray, x: int, y: int, *, group: int = 0
) -> Curve:
    """E[y | do(x)] as a quadratic or cubic in x."""
    expected = intervene(structure, elements, (x,), group=group).expected(y)
    power = degree(expected, 0)
    names = structure.variables
    if power < 2:
        raise ModelError(f"{names[y]} depends on {names[x]} linearly: a line has no shape to test")
    if power > 3:
        raise ModelError(
            f"E[{names[y]} | do({names[x]})] is of degree {power} in {names[x]}, neither quadratic "
            "nor cubic; look at it with what_if, or at the relation of one arrow alone"
        )
    found = coefficients(expected, elements.shape[:-1])
    cube = found[..., 3] if power == 3 else np.zeros(elements.shape[:-1])
    return Curve(found[..., 1], found[..., 2], cube, {}, {}, power == 3)


def range_of(
    fit: Fitted, x: int, bounds: tuple[float, float] | None, group: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Lower and upper bound (...) of x on which a shape is judged, and what they are in words."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    shape, name = fit.elements.shape[:-1], structure.variables[x]
    if bounds is not None:
        low, high = (float(b) for b in bounds)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ModelError(f"bounds are two numbers, the lower one first, not {bounds!r}")
        return np.full(shape, low), np.full(shape, high), "as given"
    if name in sample.variables:
        column = sample.values[:, sample.variables.index(name)]
        low, high = np.nanmin(column), np.nanmax(column)
        words = "the smallest and largest value in the data"
        return np.full(shape, low), np.full(shape, high), words
    found = latent_quantiles(structure, fit.elements, x, group=group)
    return found[..., 0], found[..., 1], "the 5 % and 95 % quantiles that the model implies"


def level_of(
    fit: Fitted, curve: Curve, x: int, y: int, square: int | None, kind: str, group: int
) -> np.ndarray:
    """Expected y at x = 0, other things as they are on average."""
    structure, elements = fit.prepared.structure, fit.elements
    if kind == "total":
        return value_at(intervene(structure, elements, (x,), group=group).expected(y), [0.0])
    means = latent_means(structure, elements, group)
    moments = raw_moments(structure, elements, x, 3 if curve.cubic else 2, group=group)
    squared = moments[..., 2] if square is None else means[..., square]
    level = means[..., y] - curve.linear * moments[..., 1] - curve.square * squared
    return level - curve.cube * moments[..., 3] if curve.cubic else level
