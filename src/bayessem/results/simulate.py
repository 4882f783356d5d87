"""Data from a model: latent variables, products and indicators drawn at given parameter values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared, flag, real_number, seed, shown, whole_number
from bayessem.errors import FitError, ModelError
from bayessem.likelihood.families import FAMILIES
from bayessem.likelihood.family_ordered import draw, draw_residual
from bayessem.model.companions import Beside
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure, build_structure, latent_values
from bayessem.results.dispersions import draw_responses, without_dispersions
from bayessem.results.standardize import model_moments
from bayessem.results.tails import drawn_scale
from bayessem.syntax.specification import Specification
from bayessem.syntax.table import build_table

# Numbers that fit into memory without a thought.
MOST = 200_000_000


class Estimated(Protocol):
    """A fitted model of any kind: flat model matrices of its maximum or its draws."""

    @property
    def prepared(self) -> Prepared:
        """The model with its data."""

    @property
    def elements(self) -> np.ndarray:
        """Flat model matrices (..., elements)."""


def elements_at(structure: Structure, values: Mapping[str, float]) -> np.ndarray:
    """Flat model matrices (elements,) at given parameter values.

    Parameters
    ----------
    structure : Structure
        The model.
    values : mapping
        Value of every free parameter, by its name (`RAD~AMC`, `x1~~x1`, a variance rather than a
        standard deviation) or label, and of the moments of covariates.

    Raises
    ------
    ModelError
        For parameters without a value, and names that are none.
    """
    table = structure.table
    _, stride = structure.offsets
    out = np.zeros(stride * len(table.groups))
    for g in range(len(table.groups)):
        loadings = structure.matrices(out, g)["loadings"]
        for j, name in enumerate(structure.variables):
            if name in structure.observed:
                loadings[structure.observed.index(name), j] = 1.0
    known = (*table.parameters, *(name for r in table.rows for name in (r.label, r.name)))
    spaced = {"".join(name.split()): name for name in known}
    values = {spaced.get("".join(str(k).split()), str(k)): value for k, value in values.items()}
    used, absent = set(), []
    for k, place in structure.places.items():
        row = table.rows[k]
        unique = table.parameters[row.free] if row.free >= 0 else row.name
        key = next((x for x in (unique, row.label, row.name) if x and x in values), None)
        fixed = row.free < 0 and not row.exogenous
        if key is not None and not fixed:
            used.add(key)
            value = real_number(f"the value of {key}", values[key], ModelError)
        elif fixed:
            value = float(row.value if row.value is not None else 0.0)
        else:
            absent.append(unique)
            continue
        for e in structure.element(place):
            out[e] = value
    if absent:
        names = list(dict.fromkeys(absent))
        raise ModelError(
            f"no value for {', '.join(names)}; each free parameter needs one, as in "
            f"{{{names[0]!r}: 1.0}}"
        )
    strangers = [name for name in values if name not in used]
    if strangers:
        raise ModelError(
            f"{strangers[0]!r} is no free parameter of the model; those are "
            f"{', '.join(table.parameters)}"
        )
    return out


def simulate(
    structure: Structure,
    elements: np.ndarray,
    n: int | Sequence[int],
    *,
    random_seed: int | np.random.Generator | None = None,
    latents: bool = False,
    group_column: str = "group",
    clusters: int | Sequence[int] | None = None,
    categories: Mapping[str, Sequence[object]] | None = None,
    beside: Mapping[str, Beside] | None = None,
) -> pd.DataFrame:
    """Draw respondents from a model.

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (elements,)
        Flat model matrices of all groups: `elements_at`, or one draw of `Fit.elements`.
    n : int or sequence of int
        Respondents of each group.
    random_seed : int or Generator, optional
        Makes the data repeatable.
    latents : bool
        Add the constructs' values as columns.
    group_column : str
        Column with the groups' names, for a model of several groups.
    clusters : int or sequence of int, optional
        Of a two-level model: how many clusters the respondents of a group are spread over, or
        their sizes; the column "cluster" has their numbers.
    categories : mapping, optional
        Categories of ordered variables in their order; by default 0 and 1, or 1, 2, ...
    beside : mapping, optional
        What belonged to answers in a sample, of which the exposures of counts are drawn; by default
        exposures are 1. Durations are drawn as they would be observed, with flags of 0.

    Returns
    -------
    DataFrame
        A row a respondent; no values are missing.

    Raises
    ------
    ModelError
        For sizes that do not fit the groups.
    FitError
        For a covariance matrix that is none.
    """
    levels = structure.table.levels
    groups = structure.table.groups
    if levels > 1:
        groups = tuple(g.rsplit("within", 1)[0].strip() for g in groups[::levels])
    sizes = _sizes(n, groups)
    if sum(sizes) * sum(structure.shape[:2]) > MOST:
        raise ModelError(
            f"{sum(sizes):,} respondents of {structure.shape[0]} variables do not fit into memory; "
            f"{MOST // sum(structure.shape[:2]):,} are the most"
        )
    if np.ndim(elements) != 1:
        raise ModelError(
            f"elements has shape {np.shape(elements)}; simulate takes one draw (elements,)"
        )
    rng = np.random.default_rng(random_seed)
    frames: list[pd.DataFrame] = []
    for g, size in enumerate(sizes):
        if levels > 1:
            code = _cluster_codes(size, clusters)
            frame = _two_levels(structure, elements, g, code, rng, latents=latents)
            frame["cluster"] = code + sum(f["cluster"].nunique() for f in frames)
            if len(groups) > 1:
                frame[group_column] = groups[g]
            frames.append(frame)
            continue
        drawn = {
            name: one.kept(rng.integers(len(one.columns), size=size))
            for name, one in (beside or {}).items()
        }
        eta, y = _one_group(structure, elements, g, size, rng, drawn)
        answers = _answers(structure, elements, g, y, categories or {})
        answers = _with_companions(structure, answers, drawn)
        frame = pd.DataFrame(answers)
        if latents:
            for j, name in enumerate(structure.variables):
                if name not in structure.observed:
                    frame[name] = eta[:, j]
        if len(groups) > 1:
            frame[group_column] = groups[g]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


@check_shared
def simulate_from(
    sem: Specification,
    parameters: Mapping[str, float] | Estimated,
    n: int | Sequence[int],
    *,
    groups: Sequence[str] | None = None,
    clusters: int | Sequence[int] | None = None,
    random_seed: int | None = None,
    latents: bool = False,
) -> pd.DataFrame:
    """Draw respondents from a model at given or at estimated values; see `SEM.simulate`."""
    rng = np.random.default_rng(seed(random_seed, ModelError))
    latents = flag("latents", latents, ModelError)
    labels: Mapping[str, Sequence[object]] = {}
    beside: Mapping[str, Beside] = {}
    if isinstance(parameters, Mapping):
        names = sem.groups if groups is None else groups
        counts = _category_counts(parameters)
        table = build_table(sem.statements, groups=names, categories=counts, **sem.options)
        structure = build_structure(table)
        elements = with_residuals(structure, elements_at(structure, parameters))
    elif not hasattr(parameters, "prepared"):
        raise ModelError(
            "parameters go by name, as in {'y~x': 0.5, 'y~~y': 1}, or are a fit of this model, not "
            f"{shown(parameters)}"
        )
    else:
        structure = parameters.prepared.structure
        if structure.observed != sem.table.observed:
            raise ModelError(
                "the fit is one of another model: its variables are "
                f"{', '.join(structure.observed)}, not {', '.join(sem.table.observed)}"
            )
        if groups is not None:
            raise ModelError("a fit has its own groups; leave groups= out")
        draws = np.asarray(parameters.elements)
        flat = draws.reshape(-1, draws.shape[-1])
        elements = flat[rng.integers(len(flat))]
        sample = parameters.prepared.sample
        labels = dict(zip(sample.variables, sample.categories, strict=False))
        beside = {k: v for k, v in sample.beside.items() if k in structure.table.responses.exposure}
        if clusters is None and sample.clusters is not None and n == sample.size:
            clusters = sample.clusters.sizes.tolist() if len(sample.model_groups) == 1 else None
    _check_clusters(structure, clusters)
    return simulate(
        structure,
        elements,
        n,
        random_seed=rng,
        latents=latents,
        clusters=clusters,
        categories=labels,
        beside=beside,
    )


def simulate_block(
    structure: Structure,
    elements: np.ndarray,
    group: int,
    sizes: Sequence[int],
    rng: np.random.Generator,
    given: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Respondents of one group of a two-level model in clusters of these sizes, side by side.

    given : values (respondent,) of covariates, which are drawn otherwise.
    """
    code = np.repeat(np.arange(len(sizes)), sizes)
    return _two_levels(structure, elements, group, code, rng, latents=False, given=given)


def _check_clusters(structure: Structure, clusters: object) -> None:
    """Two levels need clusters, and clusters two levels."""
    if structure.table.levels > 1 and clusters is None:
        raise ModelError(
            "the model has two levels: say how many clusters the respondents are spread over "
            "(clusters=50), or the sizes of the clusters (clusters=[5, 8, 4])"
        )
    if structure.table.levels == 1 and clusters is not None:
        raise ModelError("clusters= is for two-level models ('level: 1', 'level: 2'); leave it out")


def _cluster_codes(n: int, clusters: int | Sequence[int] | None) -> np.ndarray:
    """Position of each respondent's cluster, (n,)."""
    if clusters is None:
        raise ModelError("a two-level model needs clusters=, how many or their sizes")
    several = isinstance(clusters, Iterable) and not isinstance(clusters, str | bytes)
    if not several:
        count = whole_number("clusters", clusters, ModelError)
        if not 1 <= count <= n:
            raise ModelError(f"{count} clusters for {n} respondents: give at most one for each")
        return np.sort(np.arange(n) % count)
    sizes = [whole_number("clusters", size, ModelError) for size in clusters]  # type: ignore[union-attr]
    if sum(sizes) != n:
        raise ModelError(f"the sizes of the clusters sum to {sum(sizes)}, and n is {n}")
    return np.repeat(np.arange(len(sizes)), sizes)


def _two_levels(
    structure: Structure,
    elements: np.ndarray,
    group: int,
    code: np.ndarray,
    rng: np.random.Generator,
    *,
    latents: bool,
    given: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Respondents of one group of a two-level model: their cluster's part and their own."""
    table = structure.table
    count = int(code.max()) + 1 if len(code) else 0
    own = {k: v for k, v in (given or {}).items() if k not in table.between_only}
    first = np.unique(code, return_index=True)[1]
    of_clusters = {k: v[first] for k, v in (given or {}).items() if k in table.between_only}
    eta, y = _one_group(structure, elements, 2 * group, len(code), rng, given=own)
    cluster_eta, cluster_y = _one_group(
        structure, elements, 2 * group + 1, count, rng, given=of_clusters
    )
    if structure.slopes:
        eta, y = _moved(
            structure, structure.matrices(elements, 2 * group), eta, y, cluster_eta[code]
        )
    frame = {}
    for j, name in enumerate(structure.observed):
        frame[name] = cluster_y[code, j] + (y[:, j] if name not in table.between_only else 0.0)
    if latents:
        for k, part in enumerate((eta, cluster_eta[code])):
            measured = {r.lhs for r in table.rows if r.op == "=~" and r.group == 2 * group + k}
            measured |= set(table.slopes) if k else set()
            for name in table.latent:
                if name in measured:
                    both = f"{name} ({('within', 'between')[k]})"
                    frame[both if name in frame else name] = part[
                        :, structure.variables.index(name)
                    ]
    return pd.DataFrame(frame)


def _moved(
    structure: Structure,
    matrices: Mapping[str, np.ndarray],
    eta: np.ndarray,
    y: np.ndarray,
    cluster_eta: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Latent (n, m) and observed (n, p) values with what random slopes add, cause by cause.

    cluster_eta : ndarray (n, m), the latent variables of each respondent's cluster.
    """
    total = np.linalg.inv(np.eye(eta.shape[1]) - matrices["paths"])
    waiting = list(structure.slopes)
    while waiting:  # a predictor that another slope leads to has to have its value first
        moved = structure.descendants
        ready = next(
            s
            for s in waiting
            if not any(s.predictor in moved({o.outcome}) for o in waiting if o is not s)
        )
        waiting.remove(ready)
        observed = ready.column >= 0  # else a construct or a within part, about its mean there
        value = y[:, ready.column] if observed else eta[:, ready.predictor]
        amount = cluster_eta[:, ready.slope] * value
        change = amount[:, None] * total[:, ready.outcome]
        eta, y = eta + change, y + change @ matrices["loadings"].T
    return eta, y


def _sizes(n: object, groups: Sequence[str]) -> list[int]:
    """Respondents of each group."""
    several = isinstance(n, Iterable) and not isinstance(n, str | bytes)
    given = list(n) if several else [n] * len(groups)  # type: ignore[call-overload]
    if len(given) != len(groups):
        raise ModelError(f"n is one size, or one for each of {len(groups)} groups, not {shown(n)}")
    return [whole_number("n", size, ModelError) for size in given]


def _one_group(
    structure: Structure,
    elements: np.ndarray,
    group: int,
    n: int,
    rng: np.random.Generator,
    beside: Mapping[str, Beside] | None = None,
    given: Mapping[str, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Latent (n, m) and observed (n, p) values of a group, with `given` values of covariates."""
    matrices, numbers = without_dispersions(structure, structure.matrices(elements, group))
    p, m, _ = structure.shape
    groups = structure.table.groups
    where = f" of group {groups[group]!r}" if len(groups) > 1 else ""
    zeta = rng.standard_normal((n, m)) @ _root(matrices["disturbances"], f"disturbances{where}").T
    logistic_residuals(structure, structure.variables, matrices["disturbances"], zeta, rng)
    scale = np.broadcast_to(drawn_scale(structure, elements, n, rng), n)[:, None]
    modelled = [name not in structure.table.exogenous for name in structure.variables]
    own = matrices["means"] + zeta * np.where(modelled, scale, 1.0)
    for name, values in (given or {}).items():
        own[:, structure.variables.index(name)] = values
    eta = latent_values(structure, matrices, own)
    epsilon = rng.standard_normal((n, p)) @ _root(matrices["residuals"], f"residuals{where}").T
    logistic_residuals(structure, structure.observed, matrices["residuals"], epsilon, rng)
    y = matrices["intercepts"] + eta @ matrices["loadings"].T + epsilon * scale
    draw_responses(structure, numbers, y, beside or {}, rng)
    return eta, y


def logistic_residuals(
    structure: Structure,
    names: Sequence[str],
    covariance: np.ndarray,
    residuals: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Puts logistic residuals (..., n, names) in place of normal ones where the link is the logit.

    covariance : ndarray (..., names, names)
        Whose diagonal has their variances; where they are 0 there is no residual.
    """
    responses = structure.table.responses
    if responses.link == "probit":
        return
    for j, name in enumerate(names):
        variance = covariance[..., j, j]
        if name in responses.families and (variance > 0).any():
            scale = np.sqrt(variance / responses.residual_variance)
            own = draw_residual(responses.link, residuals.shape[:-1], rng)
            residuals[..., j] = scale[..., None] * own


def _answers(
    structure: Structure,
    elements: np.ndarray,
    group: int,
    y: np.ndarray,
    categories: Mapping[str, Sequence[object]],
) -> dict[str, Any]:
    """Columns of a group's data: numbers, and categories where latent responses (n, p) are cut."""
    cut = structure.matrices(elements, group)["thresholds"]
    counts, at = structure.table.responses.thresholds, structure.threshold_at
    out: dict[str, Any] = {}
    for j, name in enumerate(structure.observed):
        out[name] = y[:, j]
        if name in at:
            codes = draw(y[:, j], cut[at[name] : at[name] + counts[name]]).astype(np.int64)
            labels = categories.get(name) or range(counts[name] > 1, counts[name] + 2)
            whole = all(isinstance(x, int) for x in labels)
            out[name] = (
                np.array(labels)[codes]
                if whole
                else pd.Categorical.from_codes(codes, categories=list(labels), ordered=True)
            )
    return out


def _with_companions(
    structure: Structure, answers: dict[str, Any], beside: Mapping[str, Beside]
) -> dict[str, Any]:
    """Columns of a group's data with those that exposure= and censored= name."""
    responses = structure.table.responses
    out = dict(answers)
    for name, column in responses.exposure.items():
        own = beside[name].columns[:, 0] if name in beside else np.zeros(len(answers[name]))
        out[column] = np.exp(own)
    for name, how in responses.censored.items():
        if isinstance(how, str):
            out[how] = np.zeros(len(answers[name]), dtype=np.int64)
        elif isinstance(how[0], str) and isinstance(how[1], str):
            value = out[name] if name in how else out.pop(name)
            out[how[0]], out[how[1]] = value, value
    for name, family in responses.others.items():
        if FAMILIES[family].reads == "count":
            out[name] = out[name].astype(np.int64)
    return out


def _category_counts(parameters: Mapping[str, float]) -> dict[str, int]:
    """How many categories each ordered variable has, by the thresholds that have values."""
    out: dict[str, int] = {}
    for key in parameters:
        found = re.match(r"\s*([\w.]+)\s*\|\s*t(\d+)", str(key))
        if found:
            out[found[1]] = max(out.get(found[1], 0), int(found[2]) + 1)
    return out


def with_residuals(structure: Structure, elements: np.ndarray) -> np.ndarray:
    """Flat model matrices in which latent responses have total variance 1 (delta).

    Values of the other parameters determine the residual variances of ordered variables.

    Raises
    ------
    ModelError
        When the others explain more than all of it.
    """
    table = structure.table
    if not table.ordered or table.responses.parameterization != "delta":
        return elements
    out = elements.copy()
    at: list[tuple[int, int, int]] = []
    for k, place in structure.places.items():
        row = table.rows[k]
        if row.op == "~~" and row.lhs == row.rhs and row.lhs in table.ordered and row.free < 0:
            column = structure.observed.index(row.lhs)
            at.append((structure.element(place)[0], place.group, column))
            out[at[-1][0]] = 0.0
    explained = [
        np.diag(model_moments(structure, out, group=g).observed_covariance)
        for g in range(len(table.groups))
    ]
    for element, group, column in at:
        out[element] = 1.0 - explained[group][column]
        if out[element] <= 0:
            raise ModelError(
                f"the values explain {explained[group][column]:.3g} of the variance of the latent "
                f"response of {structure.observed[column]!r}, which is 1 in all "
                "(parameterization='delta'); its standardised loadings are too large"
            )
    return out


def _root(covariance: np.ndarray, name: str) -> np.ndarray:
    size = np.sqrt(np.abs(np.diag(covariance)))
    size = np.where(size > 0, size, 1.0)  # so that draws are the same in other units
    values, vectors = np.linalg.eigh(covariance / np.outer(size, size))
    if len(values) and values[0] < -1e-9 * values[-1]:
        raise FitError(
            f"the covariance matrix of the {name} has an eigenvalue of {values[0]:.3g}: no data "
            "have such a covariance; check the variances and covariances"
        )
    return size[:, None] * vectors * np.sqrt(np.clip(values, 0.0, None))
