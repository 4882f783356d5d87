"""Improper solutions: negative variances and covariance matrices that no variables can have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayessem.model.structure import Structure
from bayessem.results.standardize import model_moments
from bayessem.syntax.parameters import ParameterTable


def improper_solutions(structure: Structure, elements: np.ndarray) -> tuple[str, ...]:
    """Heywood cases and covariance matrices that are not positive definite, in words.

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (elements,)
        Flat model matrices of one point.
    """
    out: list[str] = []
    table = structure.table
    for g, label in enumerate(table.groups):
        where = f" in group {label!r}" if label else ""
        out += _negative_variances(structure, elements, g, where)
        out += _unstable(structure, elements, g, where)
        moments = model_moments(structure, elements, group=g)
        constructs = [structure.variables.index(name) for name in table.latent]
        latent = moments.latent_covariance[np.ix_(constructs, constructs)]
        out += _not_definite("constructs", table.latent, latent, where)
        residuals = structure.matrices(elements, g)["residuals"]
        present = [i for i in range(len(residuals)) if residuals[i].any()]
        out += _not_definite(
            "residuals",
            [structure.observed[i] for i in present],
            residuals[np.ix_(present, present)],
            where,
        )
    return tuple(out)


def undefined_values(table: ParameterTable, values: np.ndarray) -> tuple[str, ...]:
    """Defined parameters without a value at the estimates, in words; values (rows,) by row."""
    return tuple(
        f"{row.lhs} has no value at the estimates: its definition divides by 0, takes a root of a "
        "negative number, or the like"
        for row, value in zip(table.rows, values, strict=True)
        if row.op == ":=" and not np.isfinite(value)
    )


def _unstable(structure: Structure, elements: np.ndarray, group: int, where: str) -> list[str]:
    """Feedback that grows from round to round has no equilibrium to be in.

    Bentler & Freeman (1983), Tests for stability in linear structural equation systems,
    doi:10.1007/BF02314681.
    """
    paths = structure.matrices(elements, group)["paths"]
    radius = float(np.abs(np.linalg.eigvals(paths)).max(initial=0.0))
    if radius < 1.0:
        return []
    return [
        f"the feedback among the variables is not stable{where} (largest eigenvalue of the paths "
        f"{radius:.2f}, above 1): effects grow from round to round, so that total effects have no "
        "meaning; the model may need a better instrument, or another direction of a path"
    ]


def _negative_variances(
    structure: Structure, elements: np.ndarray, group: int, where: str
) -> list[str]:
    out = []
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        if row.op == "~~" and row.lhs == row.rhs and place.group == group:
            value = elements[structure.element(place)[0]]
            if value < 0:
                out.append(
                    f"the variance {row.name}{where} is negative ({value:.4g}): a Heywood case; "
                    "the model is wrong for these data, or they are too few for it"
                )
    return out


def _not_definite(what: str, names: Sequence[str], covariance: np.ndarray, where: str) -> list[str]:
    """Say which variables make a covariance matrix with positive variances improper."""
    variances = np.diag(covariance)
    if len(covariance) < 2 or not np.isfinite(covariance).all() or (variances <= 0).any():
        return []
    sd = np.sqrt(variances)
    correlation = covariance / np.outer(sd, sd)
    roots, vectors = np.linalg.eigh(correlation)
    if roots[0] > -1e-8:
        return []
    pairs = [
        f"{names[j]} and {names[i]} correlate {correlation[i, j]:.3f}"
        for i in range(len(names))
        for j in range(i)
        if abs(correlation[i, j]) > 1.0
    ]
    involved = [n for n, v in zip(names, vectors[:, 0], strict=True) if abs(v) > 0.2]
    detail = "; ".join(pairs) or f"look at {', '.join(involved)}"
    return [f"the covariance matrix of the {what} is not positive definite{where}: {detail}"]
