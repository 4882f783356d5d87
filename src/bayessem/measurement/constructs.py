"""The constructs of a model: by what they are measured, on which level, and how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.model.structure import Structure
from bayessem.results.standardize import Moments


@dataclass(frozen=True)
class Construct:
    """A latent variable and its indicators.

    Attributes
    ----------
    name : str
        Of the construct.
    indicators : tuple of str
        Observed variables or constructs (its dimensions).
    level : int
        1 for a construct with observed indicators only, 2 for one with dimensions, and so on.
    items : tuple of tuple of str
        For each indicator, the observed variables under it.
    """

    name: str
    indicators: tuple[str, ...]
    level: int
    items: tuple[tuple[str, ...], ...]


def find_constructs(structure: Structure) -> tuple[Construct, ...]:
    """All constructs with indicators, in the order of the table.

    A loading that is fixed at 0 everywhere measures nothing.
    """
    table = structure.table
    measures = {
        name: tuple(
            dict.fromkeys(
                r.rhs
                for r in table.rows
                if r.op == "=~" and r.lhs == name and (r.value is None or r.value != 0.0)
            )
        )
        for name in table.latent
    }

    composites = dict(table.composites)

    def level(name: str) -> int:
        return 1 + max((level(i) for i in measures[name] if i in measures), default=0)

    def items(name: str) -> tuple[str, ...]:
        if name in composites:
            return composites[name]
        if name not in measures:
            return (name,)
        return tuple(dict.fromkeys(x for i in measures[name] for x in items(i)))

    return tuple(
        Construct(name, indicators, level(name), tuple(items(i) for i in indicators))
        for name, indicators in measures.items()
        if indicators
    )


def _loading(
    structure: Structure, matrices: dict[str, np.ndarray], construct: str, indicator: str
) -> np.ndarray:
    j = structure.variables.index(construct)
    if indicator in structure.variables:  # a dimension, or an item with a structural role
        return matrices["paths"][..., structure.variables.index(indicator), j]
    return matrices["loadings"][..., structure.observed.index(indicator), j]


def indicator_moments(
    structure: Structure,
    matrices: dict[str, np.ndarray],
    moments: Moments,
    construct: Construct,
) -> tuple[np.ndarray, np.ndarray]:
    """Loadings and model-implied covariances of the indicators of a construct.

    Parameters
    ----------
    structure : Structure
        The model.
    matrices : dict
        Of one group, (..., rows, columns); from `Structure.matrices`.
    moments : Moments
        Of the same group.
    construct : Construct
        With k indicators.

    Returns
    -------
    loadings : ndarray (..., k)
        Unstandardised.
    covariance : ndarray (..., k, k)
        With everything the model says about the indicators: loadings on other constructs and
        residual covariances too.
    """
    loadings, rows = [], []
    unit = np.eye(len(structure.variables))
    lead = moments.latent_covariance.shape[:-2]
    for name in construct.indicators:
        loadings.append(_loading(structure, matrices, construct.name, name))
        if name in structure.variables:
            row = unit[structure.variables.index(name)]
        else:
            row = matrices["loadings"][..., structure.observed.index(name), :]
        rows.append(np.broadcast_to(row, (*lead, unit.shape[0])))
    by_latent = np.stack(rows, axis=-2)  # (..., k, m)
    covariance = by_latent @ moments.latent_covariance @ np.swapaxes(by_latent, -1, -2)
    observed = [
        (i, structure.observed.index(name))
        for i, name in enumerate(construct.indicators)
        if name not in structure.variables
    ]
    for a, i in observed:
        for b, j in observed:
            covariance[..., a, b] += matrices["residuals"][..., i, j]
    return np.stack(loadings, axis=-1), covariance


def item_weights(
    structure: Structure,
    matrices: dict[str, np.ndarray],
    constructs: Sequence[Construct],
    name: str,
) -> tuple[np.ndarray, list[int]]:
    """Loadings of all items under a higher-order construct on it, through its dimensions.

    Returns
    -------
    weights : ndarray (..., k)
        Sums of products of loadings along the ways from the construct to each item.
    columns : list of int
        Positions of the k items in `structure.observed`.
    """
    by_name = {c.name: c for c in constructs}
    composites = dict(structure.table.composites)
    total: dict[str, np.ndarray] = {}

    def follow(construct: str, so_far: np.ndarray | float) -> None:
        for indicator in by_name[construct].indicators:
            weight = so_far * _loading(structure, matrices, construct, indicator)
            if indicator in by_name:
                follow(indicator, weight)
            elif indicator in composites:
                for item in composites[indicator]:
                    total[item] = weight * _loading(structure, matrices, indicator, item)
            else:
                total[indicator] = total.get(indicator, 0.0) + weight

    follow(name, 1.0)
    return np.stack(list(total.values()), axis=-1), [structure.observed.index(x) for x in total]
