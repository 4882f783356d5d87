"""The same model with a latent score for every respondent: a plain PyMC graph without any integral.

It is the check of the integrated likelihood and takes any product term. Scores are not centred:
standard normals times the root of the disturbances' covariance, then the structural equations one
after the other. Observed variables with a structural role are data in those equations, and have a
likelihood of their own given what they covary with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from bayessem.errors import DataError, ModelError, NotSupported
from bayessem.graph.node import DIMS
from bayessem.model.categories import normal_scores
from bayessem.model.data import Sample
from bayessem.model.structure import Structure, matrix_shapes

SCORES = "score"
LATENT = "latent"


@dataclass(frozen=True)
class Equations:
    """The structural equations in an order in which each has its predictors before it.

    Attributes
    ----------
    order : tuple of int
        The m latent variables.
    parents, terms : tuple of tuple of int
        Predictors and product terms of each latent variable.
    observed : dict
        Column of the data of each observed variable with a structural role.
    scored : tuple of int
        Latent variables with a random disturbance that are not observed.
    linked : bool
        Whether disturbances of scored variables covary.
    crossed : bool
        Whether disturbances of scored and observed variables covary.
    residual_covariances : bool
        Whether anything in the likelihood of the indicators covaries.
    """

    order: tuple[int, ...]
    parents: tuple[tuple[int, ...], ...]
    terms: tuple[tuple[int, ...], ...]
    observed: dict[int, int]
    scored: tuple[int, ...]
    linked: bool
    crossed: bool
    residual_covariances: bool


def read_equations(structure: Structure) -> Equations:
    """Order the structural equations and say what is random in them.

    Raises
    ------
    ModelError
        When variables explain each other in a circle.
    NotSupported
        For an indicator without residual variance.
    """
    variables = structure.variables
    column = {x: i for i, x in enumerate(structure.observed)}
    observed = {i: column[x] for i, x in enumerate(variables) if x in column}
    parents: list[set[int]] = [set() for _ in variables]
    terms: list[set[int]] = [set() for _ in variables]
    varied: dict[str, set[int]] = {"disturbances": set(), "residuals": set()}
    pairs: dict[str, set[frozenset[int]]] = {"disturbances": set(), "residuals": set()}
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        if row.free < 0 and row.value == 0:
            continue
        if place.matrix == "paths":
            parents[place.i].add(place.j)
        elif place.matrix == "products":
            terms[place.i].add(place.j)
        elif place.matrix in varied and place.i == place.j:
            varied[place.matrix].add(place.i)
        elif place.matrix in varied:
            pairs[place.matrix].add(frozenset((place.i, place.j)))
    bare = set(range(len(structure.observed))) - varied["residuals"] - set(observed.values())
    if bare:
        name = structure.observed[min(bare)]
        raise NotSupported(
            f"{name} has no residual variance, so that its latent variable is known and cannot be "
            f"sampled; use {name} itself in place of that variable, or integrated latents"
        )
    inside = pairs["disturbances"]
    return Equations(
        _order(structure, parents, terms),
        tuple(tuple(sorted(x)) for x in parents),
        tuple(tuple(sorted(x)) for x in terms),
        observed,
        tuple(i for i in sorted(varied["disturbances"]) if i not in observed),
        any(not pair & observed.keys() for pair in inside),
        any(len(pair & observed.keys()) == 1 for pair in inside),
        bool(pairs["residuals"]) or any(pair & observed.keys() for pair in inside),
    )


def _order(structure: Structure, parents: list[set[int]], terms: list[set[int]]) -> tuple[int, ...]:
    needs = [
        parents[i] | {j for t in terms[i] for j in structure.products[t]}
        for i in range(len(parents))
    ]
    done: list[int] = []
    while len(done) < len(needs):
        ready = [i for i in range(len(needs)) if i not in done and needs[i] <= set(done)]
        if not ready:
            circle = [structure.variables[i] for i in range(len(needs)) if i not in done]
            raise ModelError(
                f"{', '.join(circle)} explain each other in a circle; latent scores cannot be "
                'sampled one after the other: use latents="integrated"'
            )
        done += ready
    return tuple(done)


def _check_missing(equations: Equations, structure: Structure, sample: Sample) -> None:
    """Observed variables that others depend on have to be there for every respondent."""
    used = {j for x in equations.parents for j in x}
    used |= {j for x in equations.terms for t in x for j in structure.products[t]}
    for i, column in equations.observed.items():
        gone = int(np.isnan(sample.values[:, column]).sum())
        if gone and i in used:
            raise DataError(
                f"{structure.variables[i]!r} explains other variables and is missing for {gone} "
                "respondents, which sampled latents do not have; leave those respondents out, or "
                'use latents="integrated"'
            )


def scores_and_indicators(
    name: str, elements: TensorVariable, structure: Structure, sample: Sample
) -> None:
    """Add the scores and the indicators to the model that is open.

    Parameters
    ----------
    name : str
        Of the indicators: one normal variable (respondent, indicator), of the observed cells alone
        where values are missing; with covariances among them a multivariate normal variable for
        each group and missingness pattern, `name_0`, `name_1`, ...
    elements : TensorVariable (elements,)
        Model matrices of all groups, see structure.py.
    structure : Structure
        The model.
    sample : Sample
        The respondents.

    Raises
    ------
    ModelError, NotSupported, DataError
        For circles, indicators without residual variance, missing predictors.
    """
    equations = read_equations(structure)
    _check_missing(equations, structure, sample)
    model = pm.modelcontext(None)
    scored = [structure.variables[i] for i in equations.scored]
    raw = None
    if scored:
        model.add_coord(LATENT, scored)
        raw = pm.Normal(f"{SCORES}_raw", 0.0, 1.0, dims=(DIMS[0], LATENT))
    members = [np.flatnonzero(sample.group == g) for g in range(len(sample.groups))]
    parts = [
        _group(equations, structure, sample, rows=rows, raw=raw, matrices=matrices)
        for rows, matrices in zip(members, _matrices(elements, structure, sample), strict=True)
    ]
    back = np.argsort(np.concatenate(members))
    scores = _joined([part[0] for part in parts], back)
    if scored:
        pm.Deterministic(SCORES, scores[:, list(equations.scored)], dims=(DIMS[0], LATENT))
    mean = _joined([part[1] for part in parts], back)
    spread = [part[2] for part in parts]
    if structure.table.ordered:
        cuts = [x["thresholds"] for x in _matrices(elements, structure, sample)]
        _answers(name, mean, spread, cuts, structure, sample)
    elif equations.residual_covariances:
        _multivariate(name, mean, spread, sample)
    else:
        sds = pt.sqrt(pt.stack([pt.diagonal(x) for x in spread]))[sample.group]
        _univariate(name, mean, sds, sample)


def _joined(parts: list[TensorVariable], back: np.ndarray) -> TensorVariable:
    return parts[0] if len(parts) == 1 else pt.concatenate(parts, axis=0)[back]


def _matrices(
    elements: TensorVariable, structure: Structure, sample: Sample
) -> list[dict[str, TensorVariable]]:
    """Model matrices of each group."""
    shapes = matrix_shapes(*structure.shape, structure.thresholds)
    ends = np.cumsum([0] + [int(np.prod(s)) for s in shapes.values()]).tolist()
    return [
        {
            key: elements[g * ends[-1] + start : g * ends[-1] + end].reshape(shape)
            for (key, shape), start, end in zip(shapes.items(), ends, ends[1:], strict=False)
        }
        for g in range(len(sample.groups))
    ]


def _group(
    equations: Equations,
    structure: Structure,
    sample: Sample,
    *,
    rows: np.ndarray,
    raw: TensorVariable | None,
    matrices: dict[str, TensorVariable],
) -> tuple[TensorVariable, TensorVariable, TensorVariable]:
    """Latent scores (n, m), means (n, p) and covariance (p, p) of the indicators of one group."""
    x, scored, known = matrices, list(equations.scored), list(equations.observed)
    columns = list(equations.observed.values())
    psi, spread = x["disturbances"], x["residuals"]
    zeta, shift = None, None
    if raw is not None:
        inside = psi[scored][:, scored]
        own = raw if len(rows) == sample.size else raw[rows]
        if equations.linked:
            zeta = own @ pt.linalg.cholesky(inside).T
        else:
            zeta = own * pt.sqrt(pt.diagonal(inside))
    if known:
        among = psi[known][:, known]
        if equations.crossed:
            slopes = pt.linalg.solve(psi[scored][:, scored], psi[scored][:, known])
            shift = zeta @ slopes
            among = among - psi[known][:, scored] @ slopes
        spread = spread[np.ix_(columns, columns)].set(among)
    scores: list[TensorVariable] = [None] * len(structure.variables)
    fitted: list[TensorVariable] = [None] * len(structure.variables)
    for i in equations.order:
        value = x["means"][i] + pt.zeros(len(rows))
        for j in equations.parents[i]:
            value = value + x["paths"][i, j] * scores[j]
        for t in equations.terms[i]:
            product = pt.prod(pt.stack([scores[j] for j in structure.products[t]]), axis=0)
            value = value + x["products"][i, t] * product
        fitted[i] = value
        if i in equations.observed:
            scores[i] = pt.constant(np.nan_to_num(sample.values[rows, equations.observed[i]]))
            if shift is not None:
                fitted[i] = value + shift[:, known.index(i)]
        else:
            scores[i] = (
                value if zeta is None or i not in scored else value + zeta[:, scored.index(i)]
            )
            fitted[i] = scores[i]
    mean = x["intercepts"] + pt.stack(fitted, axis=1) @ x["loadings"].T
    return pt.stack(scores, axis=1), mean, spread


def start_scores(elements: np.ndarray, structure: Structure, sample: Sample) -> np.ndarray:
    """Where chains should start: raw scores given the data, at these matrices.

    Regression scores (Thurstone 1935) of the linear part, as standard normals. From scores at
    random, a chain can settle where a construct's sign is turned round in half of its indicators.

    Parameters
    ----------
    elements : ndarray (elements,)
        Model matrices of all groups, such as `Density.elements` of a start point.
    structure : Structure
        The model.
    sample : Sample
        The respondents.

    Returns
    -------
    ndarray (respondent, score)
        Values of the variable `score_raw`.
    """
    scored = list(read_equations(structure).scored)
    out = np.zeros((sample.size, len(scored)))
    if structure.table.ordered:
        sample = replace(sample, values=normal_scores(sample.values, sample.categories))
    for group, columns, members in sample.patterns():
        x = structure.matrices(elements, group)
        total = np.linalg.inv(np.eye(len(structure.variables)) - x["paths"])
        reduced = x["loadings"][columns] @ total
        cross = x["disturbances"] @ reduced.T
        covariance = reduced @ cross + x["residuals"][np.ix_(columns, columns)]
        mean = x["intercepts"][columns] + reduced @ x["means"]
        rest = np.linalg.solve(covariance, (sample.values[np.ix_(members, columns)] - mean).T)
        root = np.linalg.cholesky(x["disturbances"][np.ix_(scored, scored)])
        out[members] = np.linalg.solve(root, cross[scored] @ rest).T
    return out


def _answers(
    name: str,
    mean: TensorVariable,
    spread: list[TensorVariable],
    thresholds: list[TensorVariable],
    structure: Structure,
    sample: Sample,
) -> None:
    """Ordered answers, `name_item`, and the normal indicators beside them, `name`.

    All are independent given the scores; what is missing is left out.
    """
    sds = pt.sqrt(pt.stack([pt.diagonal(x) for x in spread]))
    unit = math.sqrt(structure.table.responses.residual_variance)
    below = pt.sigmoid if structure.table.responses.link == "logit" else _ndtr
    cuts = pt.stack(thresholds)
    for item, first in structure.threshold_at.items():
        j = structure.observed.index(item)
        codes = sample.values[:, j]
        known = np.flatnonzero(~np.isnan(codes))
        count, group = structure.table.responses.thresholds[item], sample.group[known]
        z = (cuts[:, first : first + count][group] - mean[known, j][:, None]) / (
            sds[group, j][:, None] / unit
        )
        # differences in the tail in which they are exact; both distributions are symmetric
        up, down = below(z), below(-z)
        edge = pt.zeros((len(known), 1))
        low, high = pt.concatenate([edge, up], axis=1), pt.concatenate([up, edge + 1.0], axis=1)
        over = pt.concatenate([edge + 1.0, down], axis=1)
        under = pt.concatenate([down, edge], axis=1)
        p = pt.where(low < 0.5, high - low, over - under)
        pm.Categorical(f"{name}_{item}", p=p, observed=codes[known].astype(np.int64))
    plain = [
        j
        for j, x in enumerate(structure.observed)
        if x not in structure.table.ordered and x not in structure.table.exogenous
    ]
    cells = np.nonzero(~np.isnan(sample.values[:, plain]))
    if len(cells[0]):
        at = (cells[0], np.array(plain)[cells[1]])
        pm.Normal(name, mean[at], sds[sample.group[at[0]], at[1]], observed=sample.values[at])


def _ndtr(x: TensorVariable) -> TensorVariable:
    """Normal distribution function, to full relative accuracy where x < 0."""
    return 0.5 * pt.erfc(-x / math.sqrt(2.0))


def _univariate(name: str, mean: TensorVariable, sds: TensorVariable, sample: Sample) -> None:
    """Indicators that are independent given the scores: the cells that are observed."""
    if sample.complete:
        pm.Normal(name, mean, sds, observed=sample.values, dims=DIMS)
        return
    cells = np.nonzero(~np.isnan(sample.values))
    pm.Normal(name, mean[cells], sds[cells], observed=sample.values[cells])


def _multivariate(
    name: str, mean: TensorVariable, spread: list[TensorVariable], sample: Sample
) -> None:
    """Indicators that covary given the scores, by group and missingness pattern."""
    patterns = sample.patterns()
    for k, (group, columns, members) in enumerate(patterns):
        alone = len(patterns) == 1 and sample.complete
        pm.MvNormal(
            name if len(patterns) == 1 else f"{name}_{k}",
            mean if alone else mean[np.ix_(members, columns)],
            cov=spread[group][np.ix_(columns, columns)],
            observed=sample.values[np.ix_(members, columns)],
            **({"dims": DIMS} if alone else {}),
        )
