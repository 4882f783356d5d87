"""Which fits can be compared, and why others cannot: the same values of the same respondents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bayessem.comparison.criterion import CrossValidation, Target
from bayessem.errors import FitError


def check_comparable(targets: Mapping[str, Target]) -> tuple[str, ...]:
    """Refuse what cannot be compared; returns what a reader must know all the same.

    Raises
    ------
    FitError
        When unit, number of respondents, modelled variables, respondents or values differ.
    """
    names = list(targets)
    first = targets[names[0]]
    for name in names[1:]:
        _check_pair((names[0], first), (name, targets[name]))
    given = {name: target.covariates for name, target in targets.items()}
    if len(set(given.values())) == 1:
        return ()
    by_covariates: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        by_covariates.setdefault(given[name], []).append(name)
    usual = max(by_covariates, key=lambda key: len(by_covariates[key]))
    parts = [
        f"{', '.join(found)}: {', '.join(key) or 'nothing'}"
        for key, found in by_covariates.items()
        if key != usual
    ]
    listed = "; ".join([*parts, f"the others: {', '.join(usual) or 'nothing'}"])
    return (
        "The models condition on different covariates and predict the same variables from them "
        f"({listed}).",
    )


def _check_pair(first: tuple[str, Target], second: tuple[str, Target]) -> None:
    (name, a), (other, b) = first, second
    head = f"{name!r} and {other!r} cannot be compared: "
    if a.unit != b.unit:
        raise FitError(
            f"{head}the first leaves out a {a.unit} at a time, the second a {b.unit}; use the same "
            "kind of cross-validation for both"
        )
    if a.variables != b.variables:
        raise FitError(f"{head}{_variables(a, b)}")
    if len(a.respondents) != len(b.respondents):
        raise FitError(
            f"{head}{len(a.respondents)} respondents and {len(b.respondents)}; fit both to the "
            'same rows (with missing="listwise", leave out the rows that either model leaves out)'
        )
    order = _order(a.respondents, b.respondents)
    if order is None:
        strange = [label for label in b.respondents if label not in set(a.respondents)]
        raise FitError(
            f"{head}the respondents are not the same: "
            + (f"row {strange[0]!r} is only in the second" if strange else "row labels are doubled")
            + "; fit both to data frames with the same unique index"
        )
    _check_values(head, a, b, order)
    _check_predicts(head, a, b)
    if a.unit == "group" and _order(a.rows, b.rows) is None:
        raise FitError(f"{head}the groups are not the same ({a.rows} and {b.rows})")


def _variables(a: Target, b: Target) -> str:
    """Why the modelled variables differ, in words."""
    parts = []
    for one, other, which in ((a, b, "first"), (b, a, "second")):
        lone = [name for name in one.variables if name not in other.variables]
        given = [name for name in lone if name in other.covariates]
        if given:
            parts.append(
                f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} modelled in the {which} "
                "and conditioned on in the other (fixed_x)"
            )
        absent = [name for name in lone if name not in given]
        if absent:
            parts.append(f"only the {which} models {', '.join(absent)}")
    return (
        "they do not predict the same variables: "
        + "; ".join(parts)
        + ". Keep every variable in both models, with paths or loadings fixed at 0 (y ~ 0*x)"
    )


def _check_predicts(head: str, a: Target, b: Target) -> None:
    """Refuse densities beside probabilities, which have no common unit."""
    for name, one, other in zip(a.variables, a.predicts, b.predicts, strict=False):
        if one == other:
            continue
        if {one, other} == {"density", "probability"}:
            counted, measured = ("first", "second") if one == "probability" else ("second", "first")
            raise FitError(
                f"{head}the {counted} has probabilities of the values of {name} (counts or "
                f"categories), the {measured} densities, which have no common unit. Give {name} "
                "families of one kind, and compare the observed and expected values of both "
                "(fit.predictive_check, fit.response_check)"
            )
        raise FitError(
            f"{head}they do not take the same values of {name} as censored, of which probabilities "
            "and not densities count; fit both with the same censored="
        )


def _check_values(head: str, a: Target, b: Target, order: np.ndarray) -> None:
    values = b.values[order]
    different = ~((a.values == values) | (np.isnan(a.values) & np.isnan(values)))
    # a saved fit is read back to the last digit; anything else is another value
    if different.any():
        i, j = np.argwhere(different)[0]
        raise FitError(
            f"{head}the data are not the same: {int(different.any(axis=1).sum())} respondents "
            f"differ, such as row {a.respondents[i]!r}, whose {a.variables[j]} is "
            f"{a.values[i, j]:g} and {values[i, j]:g}"
        )


def _order(first: Sequence[str], second: Sequence[str]) -> np.ndarray | None:
    """Positions in the second of the labels of the first; None when they are not the same."""
    if tuple(first) == tuple(second):
        return np.arange(len(first))
    position = {label: i for i, label in enumerate(second)}
    if len(position) < len(second) or set(position) != set(first):
        return None
    return np.array([position[label] for label in first])


def aligned_with(first: CrossValidation, second: CrossValidation) -> np.ndarray:
    """Positions in the second result of the units of the first; both have to be comparable."""
    order = _order(first.target.rows, second.target.rows)
    assert order is not None
    return order
