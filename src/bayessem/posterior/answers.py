"""Models with ordered answers put together: the plan of their engine, priors of thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bayessem.errors import PriorError
from bayessem.likelihood.engines import ENGINES, LAPLACE, NODES
from bayessem.likelihood.node_plan import NEGLIGIBLE, Nodes, pack_nodes
from bayessem.model import answer_engine as engines
from bayessem.model.data import Sample
from bayessem.model.default_priors import latent_scales
from bayessem.model.node_model import NodeModel
from bayessem.model.prepare import sample_moments
from bayessem.model.space import Space
from bayessem.model.starts import start_values
from bayessem.model.structure import Structure
from bayessem.model.thresholds import ThresholdSet, threshold_sets
from bayessem.posterior.censored import censored_plan
from bayessem.posterior.laplace_choice import laplace_arrays
from bayessem.posterior.node_choice import choose_nodes, latent_units
from bayessem.posterior.thresholds import dirichlet_constant


def start_elements(structure: Structure, base: np.ndarray, sample: Sample) -> np.ndarray:
    """Flat model matrices at the start values."""
    values = start_values(structure, *sample_moments(sample))
    out = np.array(base)
    for k, place in structure.places.items():
        free = structure.table.rows[k].free
        if free >= 0:
            for e in structure.element(place):
                out[e] = values[free]
    return out


def answers_plan(
    structure: Structure,
    sample: Sample,
    base: np.ndarray,
    order: np.ndarray,
    *,
    at: np.ndarray | None = None,
    finer: float = 1.0,
    proper: tuple = (),
) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan of the engine that suits the model.

    Parameters
    ----------
    structure, sample : Structure, Sample
        The model and its data.
    base : ndarray (elements,)
        Fixed values of the model matrices.
    order : ndarray (respondent,)
        Where each respondent's log-likelihood is expected.
    at : ndarray (elements,) or (point, elements), optional
        Where the lattices are chosen, or searches for modes begin; by default at the start values.
    finer : float
        Steps of the lattices are divided by this; above 1 other points, and more of them.
    proper : tuple
        Covariance blocks to be checked, as in `likelihood.plan.build_plan`.
    """
    outcomes = engines.closed_form(structure)
    if outcomes:
        return censored_plan(structure, sample, outcomes, proper=proper)
    engine, model = engines.answer_engine(structure, sample)
    if engine == engines.LAPLACE:
        ENGINES.load(LAPLACE)
        return laplace_arrays(model, order, at, finer=finer)
    ENGINES.load(NODES)
    where = np.atleast_2d(start_elements(structure, base, sample) if at is None else at)
    nodes = choose_nodes(model, sample, where, finer=finer)
    return packed_nodes(model, sample, order, where, nodes)


def packed_nodes(
    model: NodeModel,
    sample: Sample,
    order: np.ndarray,
    where: np.ndarray,
    nodes: Sequence[tuple[Nodes, ...]],
    *,
    negligible: float = NEGLIGIBLE,
    terms: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan of the node engine with the lattices of each group.

    Parameters
    ----------
    where : ndarray (point, elements)
        What the lattices were chosen at.
    negligible : float
        See `node_plan.NEGLIGIBLE`.
    terms : int
        See `NodeModel.groups`.
    """
    groups = model.groups(nodes, where, latent_units(model, where), terms=terms)
    groups = [replace(g, members=order[g.members]) for g in groups]
    return pack_nodes(groups, sample.size, negligible=negligible)


def _anchor(sample: Sample, one: ThresholdSet) -> int:
    """The threshold that cuts the answers most evenly: the one the data know best."""
    column = sample.values[:, sample.variables.index(one.variable)]
    column = column[~np.isnan(column)]
    below = [float(np.mean(column <= c)) for c in range(len(one.names))]
    return int(np.argmin(np.abs(np.array(below) - 0.5)))


def _loadings(
    structure: Structure, space: Space, one: ThresholdSet, scales: np.ndarray
) -> list[tuple[int, float]]:
    """What an ordered variable depends on: coordinate (-1: fixed) and standard deviation.

    Of a pooled loading the mean of the population of groups stands for all.
    """
    table = structure.table
    index = {name: i for i, name in enumerate(space.names)}
    for c in space.coordinates:
        if c.kind == "pool_z":
            index[c.name] = index.get(c.name.split("[")[0], -1)
    if one.variable in structure.variables:
        matrix, i = "paths", structure.variables.index(one.variable)
    else:
        matrix, i = "loadings", structure.observed.index(one.variable)
    out = []
    for k, place in structure.places.items():
        if (place.matrix, place.i, place.group) != (matrix, i, one.group):
            continue
        row = table.rows[k]
        if row.free >= 0 and table.parameters[row.free] in index:
            out.append((index[table.parameters[row.free]], float(scales[place.j])))
        elif row.free < 0 and row.value:
            out.append((-1, float(row.value) * float(scales[place.j])))
    return out


def threshold_fields(space: Space, structure: Structure, sample: Sample) -> dict[str, Any]:
    """The fields of the program about thresholds with a joint prior (program.py).

    Raises
    ------
    PriorError
        For a variable of which some thresholds have priors of their own.
    """
    scales = latent_scales(structure, sample.sds)
    scales = scales / np.sqrt(structure.table.responses.residual_variance)
    index = {name: i for i, name in enumerate(space.names)}
    at: list[int] = []
    loadings: list[tuple[int, float]] = []
    alphas: list[float] = []
    constant = 0.0
    for one in threshold_sets(structure):
        if not one.names or any(name not in index for name in one.names):
            continue
        own = [space.coordinates[index[name]] for name in one.names]
        families = {c.prior for c in own if c.prior.family == "induced_dirichlet"}
        if len(families) > 1 or (families and {c.prior for c in own} != families):
            raise PriorError(
                f"thresholds of {one.variable!r}: an induced Dirichlet prior is about all of them; "
                "give each threshold a prior of its own, or none"
            )
        if any(np.isfinite([c.lower, c.upper]).any() for c in own):
            if families:
                raise PriorError(
                    f"thresholds of {one.variable!r} have bounds, which an induced Dirichlet prior "
                    "cannot have; give each threshold a prior of its own"
                )
            continue
        first = index[one.names[0]]
        assert [index[n] for n in one.names] == list(range(first, first + len(one.names)))
        terms = _loadings(structure, space, one, scales)
        at += [first, len(own), _anchor(sample, one), len(terms)]
        loadings += terms
        alpha = next(iter(families)).named["alpha"] if families else 0.0
        alphas.append(alpha)
        constant += dirichlet_constant(alpha, len(own) + 1) if families else 0.0
    joint = {at[4 * i] + c for i in range(len(alphas)) for c in range(at[4 * i + 1])}
    for i, c in enumerate(space.coordinates):
        if c.prior.family == "induced_dirichlet" and i not in joint:
            raise PriorError(
                f"{c.name}: an induced Dirichlet prior is about all thresholds of a variable, "
                "free and its own"
            )
    return {
        "item_at": np.array(at),
        "item_loading": np.array([k for k, _ in loadings]),
        "item_by": np.array([by for _, by in loadings]),
        "item_alpha": np.array(alphas),
        "item_cubed": np.zeros(1),
        "constant": constant,
    }


def loading_scales(space: Space, structure: Structure, sample: Sample) -> dict[int, float]:
    """Standard deviation of the construct of each free loading of an ordered variable."""
    table = structure.table
    scales = latent_scales(structure, sample.sds)
    scales = scales / np.sqrt(table.responses.residual_variance)
    index = {c.name: i for i, c in enumerate(space.coordinates) if c.kind == "loading"}
    out: dict[int, float] = {}
    for k, place in structure.places.items():
        row = table.rows[k]
        if row.free < 0 or place.matrix != "loadings":
            continue
        if structure.observed[place.i] in table.responses.families:
            name = table.parameters[row.free]
            if name in index:
                out.setdefault(index[name], float(scales[place.j]))
    return out
