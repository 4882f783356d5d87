"""Effects along directed paths as polynomials of x and of moderators, and their scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.algebra.polynomial import Polynomial, add, derivative
from bayessem.effects.pathways import on_circle
from bayessem.model.structure import Structure
from bayessem.results.fitted import Fitted
from bayessem.results.intervention import intervene, raw_moments
from bayessem.results.standardize import model_moments

# A mean that is a smaller share of a standard deviation is what rounding leaves of 0.
ROUNDING = 1e-12


def pooled_scale(fit: Fitted, variable: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (...) of a variable over all groups together.

    Implied by the model; of a covariate that it conditions on, those of the data.
    """
    structure, elements, sample = fit.prepared.structure, fit.elements, fit.prepared.sample
    if structure.variables[variable] in structure.table.exogenous:
        column = sample.values[:, sample.variables.index(structure.variables[variable])]
        shape = elements.shape[:-1]
        return np.full(shape, np.nanmean(column)), np.full(shape, np.nanstd(column))
    sizes = group_sizes(fit)
    share = sizes / sizes.sum()
    mean, square = np.zeros(elements.shape[:-1]), np.zeros(elements.shape[:-1])
    for g, weight in enumerate(share):
        moments = model_moments(structure, elements, group=g)
        own = moments.latent_mean[..., variable]
        mean = mean + weight * own
        square = square + weight * (moments.latent_covariance[..., variable, variable] + own**2)
    with np.errstate(invalid="ignore"):
        sd = np.sqrt(square - mean**2)
    # a construct without a mean has none, and no sign of one
    return np.where(np.abs(mean) <= ROUNDING * sd, 0.0, mean), sd


def distribution_moments(fit: Fitted, variable: int, order: int, *, group: int) -> np.ndarray:
    """E[variable^k], k = 0 ... order: under the model, or in the data for a fixed covariate."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    name = structure.variables[variable]
    if name in structure.table.exogenous:
        column = sample.values[sample.group == group][:, sample.variables.index(name)]
        return np.array([np.nanmean(column**k) for k in range(order + 1)])
    return raw_moments(structure, fit.elements, variable, order, group=group)


def group_sizes(fit: Fitted) -> np.ndarray:
    """Respondents of each group."""
    sample = fit.prepared.sample
    return np.bincount(sample.group, minlength=len(sample.groups))


@dataclass(frozen=True)
class PathEffects:
    """One group's path effects as polynomials of x and of the moderators that are set.

    Attributes
    ----------
    kinds : list of (effect, path)
        Names, and the path as text ("" for sums).
    polynomials : list of Polynomial
        In x and the moderators.
    """

    kinds: list[tuple[str, str]]
    polynomials: list[Polynomial]


def path_effects(
    structure: Structure,
    elements: np.ndarray,
    paths: Sequence[Sequence[int]],
    *,
    set_to: Sequence[int] = (),
    group: int = 0,
) -> PathEffects:
    """Direct, indirect, total indirect and total effects along directed paths.

    Parameters
    ----------
    structure, elements, group
        The model, its draws and which group.
    paths : sequence of paths
        From `directed_paths`; all from the same x to the same y.
    set_to : sequence of int
        Moderators that are set besides x.
    """
    x, y = paths[0][0], paths[0][-1]
    names, size = structure.variables, 1 + len(set_to)
    done = intervene(structure, elements, (x, *set_to), group=group)
    single = [done.path_effect(path) for path in paths]
    kinds = [
        ("direct" if len(path) == 2 else "indirect", " -> ".join(names[i] for i in path))
        for path in paths
    ]
    if on_circle(structure):
        total = _total_with_circles(structure, elements, x, y, size=size, group=group)
        if structure.products:
            total = derivative(done.expected(y), 0)
    else:
        total = add(single)
    direct = [p for p, (kind, _) in zip(single, kinds, strict=True) if kind == "direct"]
    polynomials = list(single)
    if len(direct) < len(paths):
        minus = [{e: -c for e, c in p.items()} for p in direct]
        polynomials.append(add([total, *minus]))
        kinds.append(("total indirect", ""))
    return PathEffects([*kinds, ("total", "")], [*polynomials, total])


def _total_with_circles(
    structure: Structure, elements: np.ndarray, x: int, y: int, *, size: int, group: int
) -> Polynomial:
    paths = structure.matrices(elements, group)["paths"]
    total = np.linalg.inv(np.eye(paths.shape[-1]) - paths)
    return {(0,) * size: total[..., y, x]}
