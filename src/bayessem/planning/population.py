"""Populations that data are drawn from: parameter values by hand, standardised ones, or a fit.

Standardised values are turned into those of the fitted model: residual variances follow from the
condition that every variable has variance 1, constructs then get the metric of their markers (or
the variance that the model fixes).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayessem.arguments import real_number, shown
from bayessem.errors import ModelError, NotSupported, did_you_mean
from bayessem.model.structure import Place, Structure, build_structure
from bayessem.results.simulate import elements_at
from bayessem.results.standardize import model_moments
from bayessem.syntax.parameters import Parameter, ParameterTable
from bayessem.syntax.rows import row_name_key
from bayessem.syntax.specification import Specification
from bayessem.syntax.table import build_table

# Posterior draws that are kept of a fit; each data set is drawn from one.
MOST_DRAWS = 1000
# How near a variance has to come to 1, and the rounds that a chain of causes may need.
EXACT, ROUNDS = 1e-13, 1000
# What rounding may change of values that have to be equal.
ROUNDING = 1e-9
# A value for all loadings that have none of their own.
LOADING = "loading"


@dataclass(frozen=True)
class Population:
    """Values of all parameters, or draws of them.

    Attributes
    ----------
    structure : Structure
        The model with the population's groups.
    elements : ndarray (draw, elements)
        Flat model matrices; each data set is drawn at one draw.
    labels : dict of str to tuple
        Categories of ordered variables.
    """

    structure: Structure
    elements: np.ndarray
    labels: Mapping[str, Sequence[object]]

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of its groups; ("",) for one. Levels are none."""
        table = self.structure.table
        if table.levels == 1:
            return table.groups
        return tuple(name.removesuffix("within").strip() for name in table.groups[::2])

    def record(self) -> dict[str, Any]:
        """What a study's settings keep of it, as JSON has it."""
        digest = hashlib.sha256(np.ascontiguousarray(self.elements).tobytes()).hexdigest()
        return {"groups": list(self.groups), "draws": len(self.elements), "sha256": digest}


def population(
    sem: Specification, truth: object, *, groups: int | None, standardized: bool
) -> Population:
    """The population of a truth.

    Parameters
    ----------
    sem : Specification
        The model.
    truth : mapping, Fit or MLFit
        Values by name, or a fit of the model: its maximum, or posterior draws.
    groups : int or None
        So many groups with the same values; None: those that the model or the fit has.
    standardized : bool
        Whether values by name are standardised.

    Raises
    ------
    ModelError
        For values that are absent, unknown, or that no such model can have.
    """
    if standardized and sem.table.levels > 1:
        raise NotSupported(
            "standardized=True is not there yet for two-level models, whose variables have a "
            "variance at each level; give unstandardised values (standardized=False)"
        )
    if isinstance(truth, Mapping):
        return _by_hand(sem, truth, groups=groups, standardized=standardized)
    if not hasattr(truth, "prepared") or not hasattr(truth, "elements"):
        raise ModelError(
            "the truth is values by name, as in {'y ~ x': 0.3}, or a fit of this model, not "
            f"{shown(truth)}"
        )
    if standardized:
        raise ModelError("standardized=True is for values by name; a fit has its own units")
    structure = truth.prepared.structure
    if structure.observed != sem.table.observed:
        raise ModelError(
            f"the fit is one of another model: its variables are {', '.join(structure.observed)}, "
            f"not {', '.join(sem.table.observed)}"
        )
    count = len(structure.table.groups) // structure.table.levels
    if groups is not None and groups != count:
        raise ModelError(
            f"the fit has {count} groups of its own, so groups={groups} "
            "cannot be drawn from it; leave groups= out"
        )
    draws = np.asarray(truth.elements, dtype=np.float64)
    flat = draws.reshape(-1, draws.shape[-1])
    kept = np.linspace(0, len(flat) - 1, min(len(flat), MOST_DRAWS)).round().astype(int)
    sample = truth.prepared.sample
    labels = dict(zip(sample.variables, sample.categories, strict=False))
    return Population(structure, np.ascontiguousarray(flat[kept]), labels)


def _by_hand(
    sem: Specification, truth: Mapping[Any, Any], *, groups: int | None, standardized: bool
) -> Population:
    names = sem.groups if groups is None else tuple(f"g{k + 1}" for k in range(groups))
    if groups is not None and len(sem.groups) not in (1, groups):
        raise ModelError(f"the model's text has {len(sem.groups)} groups, not {groups}")
    values = {str(k): real_number(f"the value of {k}", v, ModelError) for k, v in truth.items()}
    structure = build_structure(build_table(sem.statements, groups=names, **sem.options))
    if structure.table.answered:
        raise NotSupported(
            "a truth by hand for ordered answers is not there yet; categories=5 cuts items that "
            "are analysed as numbers, and a fit of the model can be the truth"
        )
    if standardized:
        elements = _from_standardised(structure, values)
    else:
        elements = elements_at(structure, {**_zero_means(structure.table, values), **values})
    return Population(structure, elements[None], {})


def _zero_means(table: ParameterTable, values: Mapping[str, float]) -> dict[str, float]:
    """Intercepts and means that no value was given for, by the names that tell them apart."""

    def key(name: str) -> Any:
        return row_name_key(name) or "".join(name.split())

    given, zero = {key(name) for name in values}, {}
    for row in table.rows:
        if row.op == "~1" and (row.free >= 0 or row.exogenous):
            unique = table.parameters[row.free] if row.free >= 0 else row.name
            if given.isdisjoint(map(key, (unique, row.name, row.label or unique))):
                zero[unique] = 0.0
    return zero


def _value(row: Parameter, unique: str, values: Mapping[str, float]) -> tuple[str, float] | None:
    """What was given for a row, and under which name."""
    for name in (unique, row.label, row.name):
        key = "".join(name.split())
        if key and key in values:
            return key, values[key]
    return (LOADING, values[LOADING]) if row.op == "=~" and LOADING in values else None


def _from_standardised(structure: Structure, given: Mapping[str, float]) -> np.ndarray:
    """Flat model matrices of the fitted model at standardised values."""
    table = structure.table
    values = {"".join(name.split()): x for name, x in given.items()}
    out = np.zeros(structure.offsets[1] * len(table.groups))
    for g in range(len(table.groups)):
        loadings = structure.matrices(out, g)["loadings"]
        for j, name in enumerate(structure.variables):
            if name in structure.observed:
                loadings[structure.observed.index(name), j] = 1.0
    used, absent, covaried = set(), [], []
    for k, place in structure.places.items():
        row = table.rows[k]
        unique = table.parameters[row.free] if row.free >= 0 else row.name
        if row.op == "~1" or (row.op == "~~" and row.lhs == row.rhs):
            continue
        fixed = row.free < 0 and not row.exogenous
        if fixed and not (row.op == "=~" and row.value):
            if row.value:
                raise NotSupported(
                    f"standardised values do not go with {row.name} fixed at {row.value:g} in the "
                    "units of the data; give unstandardised values (standardized=False)"
                )
            continue
        found = _value(row, unique, values)
        if found is None:
            absent.append(unique)
            continue
        used.add(found[0])
        if row.op == "~~":
            covaried.append((place, found[1]))
        else:
            out[list(structure.element(place))] = found[1]
    _refuse(absent, set(values) - used, table.parameters)
    for g in range(len(table.groups)):
        _unit_variances(structure, out, g, [c for c in covaried if c[0].group == g])
        _metric(structure, out, g)
    _check_fixed(structure, out)
    return out


def _refuse(absent: list[str], strangers: set[str], parameters: Sequence[str]) -> None:
    if absent:
        raise ModelError(
            f"no standardised value for {', '.join(dict.fromkeys(absent))}; residual variances and "
            "means need none, and 'loading' gives one to all loadings"
        )
    if strangers:
        name = sorted(strangers)[0]
        raise ModelError(
            f"{name!r} is no loading, path or correlation of the model (variances and means follow "
            f"from the standardised values); its parameters: {', '.join(parameters)}."
            f"{did_you_mean(name, parameters)}"
        )


def _unit_variances(
    structure: Structure,
    elements: np.ndarray,
    group: int,
    covaried: Sequence[tuple[Place, float]],
) -> None:
    """Fill in disturbances and residuals so that every variable has variance 1, in place."""
    matrices = structure.matrices(elements, group)
    for name, names in (("disturbances", structure.variables), ("residuals", structure.observed)):
        own = np.zeros(len(names), dtype=bool)
        for k, place in structure.places.items():
            row = structure.table.rows[k]
            if place.group == group and place.matrix == name and place.i == place.j:
                own[place.i] = row.free >= 0 or row.exogenous or bool(row.value)
        matrix = matrices[name]
        matrix[np.diag_indices(len(names))] = own.astype(float)
        for _ in range(ROUNDS):
            for place, r in covaried:
                if place.matrix == name:
                    size = np.sqrt(max(matrix[place.i, place.i] * matrix[place.j, place.j], 0.0))
                    matrix[place.i, place.j] = matrix[place.j, place.i] = r * size
            moments = model_moments(structure, elements, group=group)
            whole = (
                moments.latent_covariance if name == "disturbances" else moments.observed_covariance
            )
            excess = np.where(own, np.diag(whole) - 1.0, 0.0)
            if np.abs(excess).max(initial=0.0) < EXACT:
                break
            matrix[np.diag_indices(len(names))] -= excess
        left = np.diag(matrix)
        low = [j for j in np.flatnonzero(own) if not left[j] > 0]
        if low:
            raise ModelError(
                f"the standardised values explain {1.0 - left[low[0]]:.3g} of the variance of "
                f"{names[low[0]]!r}, which is 1 in all; make its loading, its paths or the "
                "correlations of its causes smaller"
            )


def _metric(structure: Structure, elements: np.ndarray, group: int) -> None:
    """Bring constructs of variance 1 to the metric that the model fixes, in place."""
    matrices = structure.matrices(elements, group)
    scale = {j: 1.0 for j, name in enumerate(structure.variables) if name in structure.observed}
    fixed = [
        (structure.table.rows[k], place)
        for k, place in structure.places.items()
        if place.group == group
        and structure.table.rows[k].free < 0
        and structure.table.rows[k].value
        and not structure.table.rows[k].exogenous
    ]
    for _ in structure.variables:
        for row, place in fixed:
            assert row.value is not None
            if place.matrix == "loadings":
                loading = matrices["loadings"][place.i, place.j]
                scale.setdefault(place.j, loading / row.value)
            elif place.matrix == "disturbances" and place.i == place.j:
                variance = matrices["disturbances"][place.i, place.i]
                scale.setdefault(place.i, float(np.sqrt(row.value / variance)))
            elif place.matrix == "paths" and place.i in scale:
                loading = matrices["paths"][place.i, place.j]
                scale.setdefault(place.j, loading * scale[place.i] / row.value)
    unknown = [name for j, name in enumerate(structure.variables) if j not in scale]
    if unknown:
        raise NotSupported(
            f"the metric of {unknown[0]!r} is fixed neither by a loading nor by a variance; for "
            "standardised values use a marker or std_lv=True"
        )
    s = np.array([scale[j] for j in range(len(structure.variables))])
    if not (s > 0).all():
        name = structure.variables[int(np.argmin(s > 0))]
        raise ModelError(f"the standardised loading of the marker of {name!r} has to be above 0")
    promoted = np.array([name in structure.observed for name in structure.variables])
    matrices["loadings"][:, ~promoted] /= s[~promoted]
    matrices["paths"] *= s[:, None] / s
    matrices["disturbances"] *= np.outer(s, s)
    matrices["means"] *= s
    if structure.products:
        factors = np.array([np.prod(s[list(pair)]) for pair in structure.products])
        matrices["products"] *= s[:, None] / factors


def _check_fixed(structure: Structure, elements: np.ndarray) -> None:
    """Refuse values that the model's fixed and equal parameters do not allow."""
    table, seen = structure.table, dict[int, tuple[str, float]]()
    for k, place in structure.places.items():
        row = table.rows[k]
        value = float(elements[structure.element(place)[0]])
        size = max(abs(value), 1.0)
        if row.free < 0 and row.value is not None and not row.exogenous:
            if abs(value - row.value) > ROUNDING * size:
                raise ModelError(
                    f"{row.name} is fixed at {row.value:g} in the model, and the standardised "
                    f"values make it {value:.3g}"
                )
        elif row.free >= 0:
            name, first = seen.setdefault(row.free, (row.name, value))
            if abs(value - first) > ROUNDING * size:
                raise ModelError(
                    f"{name} and {row.name} are equal in the model, and the standardised values "
                    f"make them {first:.3g} and {value:.3g} in its units"
                )


def with_reliability(whole: Population, reliability: float) -> Population:
    """The population with residuals so large that every construct has this reliability.

    Of the sum of its items, omega = (sum of loadings)^2 var(construct) / var(sum); McDonald (1999).
    The residual (co)variances of a construct's items are all multiplied by the same number.

    Raises
    ------
    NotSupported
        For two levels.
    """
    if whole.structure.table.levels > 1:
        raise NotSupported(
            "reliability= is not there yet for two-level models, whose constructs have one at each "
            "level; give the residual variances by hand"
        )
    elements = whole.elements.copy()
    for one in elements:
        for g in range(len(whole.groups)):
            _rescale_residuals(whole.structure, one, g, reliability)
    return replace(whole, elements=elements)


def _rescale_residuals(
    structure: Structure, elements: np.ndarray, group: int, reliability: float
) -> None:
    matrices = structure.matrices(elements, group)
    covariance = model_moments(structure, elements, group=group).latent_covariance
    loadings, residuals = matrices["loadings"], matrices["residuals"]
    factor = np.ones(len(structure.observed))
    for j, name in enumerate(structure.variables):
        items = np.flatnonzero(loadings[:, j])
        if name in structure.observed or not items.size:
            continue
        shared = items[(loadings[items] != 0).sum(axis=1) > 1]
        if shared.size:
            raise ModelError(
                f"{structure.observed[shared[0]]!r} measures more than one construct, so that "
                "reliability= does not say how large its residual is; give values by hand"
            )
        true = loadings[items, j].sum() ** 2 * covariance[j, j]
        error = residuals[np.ix_(items, items)].sum()
        if not error > 0:
            raise ModelError(f"the items of {name!r} have no residuals that could be scaled")
        factor[items] = np.sqrt(true * (1.0 - reliability) / (reliability * error))
    residuals *= np.outer(factor, factor)
