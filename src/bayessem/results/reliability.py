"""Measurement quality of constructs: composite reliability (omega), AVE and HTMT.

With the sample covariance of the indicators in the denominator, as semTools does by default; the
functions take matrices with any leading axes, so that draws use them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from bayessem.model.structure import Structure
from bayessem.results.standardize import model_moments


def construct_indicators(structure: Structure, *, group: int = 0) -> dict[str, tuple[str, ...]]:
    """Observed indicators of each construct that has two or more of them and no constructs.

    group : which; the blocks of a two-level model have constructs of their own.
    """
    table = structure.table
    out = {}
    for name in table.latent:
        rows = [r for r in table.rows if r.op == "=~" and r.lhs == name and r.group == group]
        measures = dict.fromkeys(r.rhs for r in rows)
        if len(measures) > 1 and not set(measures) & set(table.latent):
            out[name] = tuple(measures)
    return out


def composite_reliability(
    loadings: np.ndarray, variance: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """Omega: (sum of loadings)^2 times the construct's variance, over that of the sum score.

    Parameters
    ----------
    loadings : ndarray (..., k)
        Unstandardised, of the k indicators.
    variance : ndarray (...)
        Of the construct.
    covariance : ndarray (..., k, k)
        Of the indicators: of the sample (semTools, McDonald's omega) or implied by the model, in
        which case it is (sum lambda)^2 phi / [(sum lambda)^2 phi + sum of all of Theta].
        Raykov (2001), doi:10.1348/000711001159582.
    """
    return loadings.sum(axis=-1) ** 2 * variance / covariance.sum(axis=(-2, -1))


def average_variance_extracted(
    loadings: np.ndarray, variance: np.ndarray, variances: np.ndarray
) -> np.ndarray:
    """AVE: the construct's share in the variances (..., k) of its indicators.

    Fornell & Larcker (1981), doi:10.1177/002224378101800104.
    """
    return (loadings**2).sum(axis=-1) * variance / variances.sum(axis=-1)


def reliability(
    structure: Structure,
    elements: np.ndarray,
    *,
    covariances: Sequence[np.ndarray] | None = None,
    group: int = 0,
) -> dict[str, dict[str, np.ndarray]]:
    """Omega and AVE of every construct with observed indicators.

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (..., elements)
        Flat model matrices.
    covariances : sequence of ndarray (p, p), optional
        Of the sample, by group: semTools' denominators. Without it, those the model implies.
    group : int
        Which group.

    Returns
    -------
    dict
        {"omega": {construct: (...)}, "ave": {construct: (...)}}.
    """
    moments = model_moments(structure, elements, group=group)
    matrices = structure.matrices(elements, group)
    out: dict[str, dict[str, np.ndarray]] = {"omega": {}, "ave": {}}
    for name, indicators in construct_indicators(structure, group=group).items():
        columns = [structure.observed.index(x) for x in indicators]
        j = structure.variables.index(name)
        # An indicator with a structural role is a variable of its own: its loading is a path.
        loadings = np.stack(
            [
                matrices["paths"][..., structure.variables.index(x), j]
                if x in structure.variables
                else matrices["loadings"][..., structure.observed.index(x), j]
                for x in indicators
            ],
            axis=-1,
        )
        variance = moments.latent_covariance[..., j, j]
        whole = moments.observed_covariance if covariances is None else covariances[group]
        block = whole[..., columns, :][..., :, columns]
        spread = np.diagonal(block, axis1=-2, axis2=-1)
        out["omega"][name] = composite_reliability(loadings, variance, block)
        out["ave"][name] = average_variance_extracted(loadings, variance, spread)
    return out


def heterotrait_monotrait(
    covariance: np.ndarray,
    columns: Mapping[str, Sequence[int]],
    *,
    geometric: bool = False,
) -> dict[tuple[str, str], np.ndarray]:
    """HTMT of each pair of constructs, from the covariances of their indicators.

    Mean absolute correlation between the indicators of two constructs, over the geometric mean of
    their mean absolute correlations within: Henseler, Ringle & Sarstedt (2015),
    doi:10.1007/s11747-014-0403-8. With geometric means throughout it is HTMT2: Roemer, Schuberth &
    Henseler (2021), doi:10.1108/IMDS-02-2021-0082.

    Parameters
    ----------
    covariance : ndarray (..., p, p)
        Of the observed variables.
    columns : mapping
        Construct to the columns of its indicators (two or more).
    geometric : bool
        HTMT2 instead of HTMT.
    """
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    correlation = np.abs(covariance / (sd[..., :, None] * sd[..., None, :]))

    def average(values: np.ndarray) -> np.ndarray:
        if geometric:
            return np.exp(np.log(values).mean(axis=-1))
        return values.mean(axis=-1)

    def within(name: str) -> np.ndarray:
        pairs = list(combinations(columns[name], 2))
        return average(np.stack([correlation[..., i, j] for i, j in pairs], axis=-1))

    out = {}
    for one, other in combinations(columns, 2):
        cross = np.stack(
            [correlation[..., i, j] for i in columns[one] for j in columns[other]], axis=-1
        )
        out[one, other] = average(cross) / np.sqrt(within(one) * within(other))
    return out
