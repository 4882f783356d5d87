"""The PyMC model of a table: a few vectors of parameters by kind, and one observed node.

It is the definition of a model's posterior; density.py is the same density as one program, and the
tests hold the two to equal values and gradients. Unconstrained values are the same numbers in both,
in another order (`value_order`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions import transforms
from pytensor.tensor.variable import TensorVariable

from bayessem.errors import ModelError
from bayessem.graph.answers import answers_node
from bayessem.graph.node import DIMS, elements_node
from bayessem.graph.operation import Correlations
from bayessem.graph.thresholds import Item, items_of, quantiles
from bayessem.model.answer_engine import require_nodes
from bayessem.model.data import Sample
from bayessem.model.item_products import with_item_products
from bayessem.model.level_data import refuse_levels
from bayessem.model.priors import FAMILIES, KINDS
from bayessem.model.space import Coordinate, Space, dimension
from bayessem.model.structure import Structure
from bayessem.model.thresholds import refuse_answers
from bayessem.posterior.answers import answers_plan
from bayessem.posterior.assemble import (
    cell_arrays,
    encode_prior,
    kernel_plan,
    respondent_order,
)
from bayessem.posterior.covariates import covariate_log_density

OBSERVED = "y"


JOINT, SHARES = "multivariate_t", "induced_dirichlet"
# What a bounded half-distribution, or one with moved bounds, is a truncation of.
WHOLE = {"half_normal": "normal", "half_student_t": "student_t", "half_cauchy": "cauchy"}


@dataclass(frozen=True)
class Part:
    """One random variable: the coordinates of a kind with the same family and transform.

    Attributes
    ----------
    name, kind : str
        Of the variable, and of its parameters.
    family : str
        One of `priors.FAMILIES`; "lkj" of correlations counts as "beta", of a row of coordinates
        (`space.PriorRow`) as "multivariate_t"; "induced_dirichlet" of an item's thresholds, whose
        variable is the shares of its categories.
    members : tuple of int
        Positions among the coordinates.
    """

    name: str
    kind: str
    family: str
    members: tuple[int, ...]


def space_parts(space: Space) -> tuple[Part, ...]:
    """The random variables of a model's PyMC model, in the order of their creation.

    Thresholds with a joint prior are a variable an item, the shares of its categories.
    """
    parts = []
    at = {name: i for i, name in enumerate(space.names)}
    joint = {name for row in space.rows for name in row.names}
    for kind in KINDS:
        found: dict[tuple[str, str], list[int]] = {}
        for i, c in enumerate(space.coordinates):
            if c.kind == kind and c.name not in joint and c.prior.family != SHARES:
                family = "beta" if c.prior.family == "lkj" else c.prior.family
                found.setdefault((family, _side(c)), []).append(i)
        for (family, side), members in found.items():
            natural = side == _own_side(family)
            label = family if natural else side if family == "normal" else f"{family}_{side}"
            alone = len(found) == 1 and not (kind == "correlation" and family == "beta")
            alone = alone and len(members) == _count(space, kind)
            parts.append(Part(kind if alone else f"{kind}_{label}", kind, family, tuple(members)))
        for name, own in _shares(space, kind).items():
            parts.append(Part(f"shares_{name}", kind, SHARES, own))
        rows = [row for row in space.rows if space.coordinates[at[row.names[0]]].kind == kind]
        for k, row in enumerate(rows):
            members = [at[name] for name in row.names]
            name = kind if len(members) == _count(space, kind) else f"{kind}_{k + 1}"
            parts.append(Part(name, kind, JOINT, tuple(members)))
    return tuple(parts)


def _shares(space: Space, kind: str) -> dict[str, tuple[int, ...]]:
    """Coordinates of the thresholds of each item that have a joint prior."""
    found: dict[str, list[int]] = {}
    for i, c in enumerate(space.coordinates):
        if c.kind == kind and c.prior.family == SHARES:
            item, _, end = c.name.partition("|")
            group = f"[{end.partition('[')[2]}" if "[" in end else ""
            found.setdefault(item + group, []).append(i)
    return {name: tuple(own) for name, own in found.items()}


def _count(space: Space, kind: str) -> int:
    return sum(c.kind == kind for c in space.coordinates)


def value_order(space: Space) -> np.ndarray:
    """Coordinate of each of PyMC's unconstrained values, (coordinate,).

    With `order = value_order(space)`, PyMC's flat point is `x[order]` for a point `x` of the native
    density, and `x[order] = flat` is the way back.
    """
    return np.array([i for part in space_parts(space) for i in part.members], dtype=np.int64)


def _side(c: Coordinate) -> str:
    """Which transform a coordinate's bounds ask for."""
    if c.lower > -math.inf:
        if c.upper < math.inf:
            return "bounded"
        return "positive" if c.lower == 0 else "above"
    return "below" if c.upper < math.inf else "free"


def _own_side(family: str) -> str:
    lower, upper = FAMILIES[family][2]
    if family in ("uniform", "beta"):
        return "bounded"
    return "free" if lower == -math.inf else "positive"


def _arguments(part: Part, space: Space) -> dict[str, np.ndarray]:
    """PyMC's arguments of the part's distribution, one entry a coordinate."""
    chosen = [space.coordinates[i] for i in part.members]
    if part.family == "beta":
        partial: dict[str, tuple[int, int]] = {}
        for block in space.blocks:
            pairs = [(i, j) for i in range(block.size) for j in range(i)]
            partial |= {n: (j, block.size) for n, (_, j) in zip(block.names, pairs, strict=True)}
        shapes = [encode_prior(c, partial_of=partial.get(c.name))[1] for c in chosen]
        return {"alpha": np.array([s[0] for s in shapes]), "beta": np.array([s[1] for s in shapes])}
    for c in chosen:
        encode_prior(c)  # refuses bounds that do not go with the family
    return {
        name: np.array([c.prior.named[name] for c in chosen]) for name in FAMILIES[part.family][1]
    }


def _variable(part: Part, space: Space) -> TensorVariable:
    """The random variable of a part; correlations under a beta prior on (0, 1)."""
    chosen = [space.coordinates[i] for i in part.members]
    if part.family == SHARES:
        alpha = chosen[0].prior.named["alpha"]
        return pm.Dirichlet(part.name, alpha * np.ones(len(chosen) + 1), dims=dimension(part.name))
    if part.family == JOINT:
        row = next(r for r in space.rows if r.names[0] == chosen[0].name)
        size = len(row.names)
        scale = np.eye(size) / row.nu
        return pm.MvStudentT(
            part.name, row.nu, mu=np.zeros(size), Sigma=scale, dims=dimension(part.name)
        )
    lower = np.array([c.lower for c in chosen])
    upper = np.array([c.upper for c in chosen])
    arguments = _arguments(part, space)
    side = _side(chosen[0])
    low = lower if side in ("bounded", "positive", "above") else None
    high = upper if side in ("bounded", "below") else None
    dim = dimension(part.name)
    if part.family == "beta":
        return pm.Beta(part.name, **arguments, dims=dim)
    if part.family == "uniform":
        return pm.Uniform(part.name, lower, upper, dims=dim)
    if part.family == "flat":
        bounds = {} if side == "free" else {"default_transform": _interval(low, high)}
        return pm.Flat(part.name, dims=dim, **bounds)
    if side == _own_side(part.family):
        return getattr(pm, FAMILIES[part.family][0])(part.name, **arguments, dims=dim)
    family = part.family
    if family in WHOLE:
        family = WHOLE[family]
        location = "alpha" if family == "cauchy" else "mu"
        arguments = {location: np.zeros(len(chosen)), **arguments}
    if family == "normal":
        return pm.TruncatedNormal(part.name, **arguments, lower=low, upper=high, dims=dim)
    whole = getattr(pm, FAMILIES[family][0]).dist(**arguments, shape=len(chosen))
    return pm.Truncated(
        part.name,
        whole,
        lower=low,
        upper=high,
        dims=dim,
        default_transform=_interval(low, high),
    )


def _interval(low: np.ndarray | None, high: np.ndarray | None) -> transforms.Interval:
    """The transform of bounds that each coordinate has of its own, (k,) each."""
    ends = tuple(None if x is None else pt.constant(x) for x in (low, high))
    return transforms.Interval(bounds_fn=lambda *_: ends)


def _natural(part: Part, variable: TensorVariable, space: Space) -> TensorVariable:
    """The parameters themselves: correlations from what is sampled for them."""
    if part.kind != "correlation" or part.family != "beta":
        return variable
    stretched = 2.0 * variable - 1.0
    sizes = [block.size for block in space.blocks]
    if not sizes:
        return stretched
    inside = sum(k * (k - 1) // 2 for k in sizes)
    blocks = Correlations(sizes)(stretched[:inside])
    return blocks if inside == len(part.members) else pt.concatenate([blocks, stretched[inside:]])


def coordinate_labels(space: Space) -> dict[str, list[str]]:
    """Coordinates of every dimension of the parameters' variables."""
    labels = {}
    for part in space_parts(space):
        names = [c.name for c in space.coordinates if c.kind == part.kind]
        labels[dimension(part.kind)] = names
        labels[dimension(part.name)] = [space.coordinates[i].name for i in part.members]
        if part.family == SHARES:
            names = labels[dimension(part.name)]
            labels[dimension(part.name)] = [f"below {names[0]}", *(f"above {n}" for n in names)]
    return labels


def model_elements(space: Space, items: Sequence[Item] = ()) -> TensorVariable:
    """Create the parameters in the model that is open; their matrices, flat (structure.py).

    Every kind of parameter is a variable of that name with the dimension `dimension(kind)`: a
    random variable where it has one distribution, else a Deterministic of several.

    items : the ordered variables whose thresholds have a joint prior (thresholds.py).
    """
    parts = space_parts(space)
    by_kind: dict[str, list[tuple[Part, TensorVariable]]] = {}
    item_of = {item.members: item for item in items}
    value: dict[int, TensorVariable] = {}  # of coordinates
    shares: list[tuple[Part, TensorVariable]] = []
    for part in parts:
        variable = _variable(part, space)
        if part.family == SHARES:
            shares.append((part, variable))
            by_kind.setdefault(part.kind, []).append((part, variable))
            continue
        natural = _natural(part, variable, space)
        value |= {i: natural[k] for k, i in enumerate(part.members)}
        by_kind.setdefault(part.kind, []).append((part, natural))
    for part, variable in shares:  # in units that loadings say
        thresholds = quantiles(variable) * item_of[part.members].scale(value)
        own = by_kind[part.kind]
        own[[p for p, _ in own].index(part)] = (part, thresholds)
    for kind, members in by_kind.items():
        if members[0][0].name != kind:
            joined = pt.concatenate([x for _, x in members]) if len(members) > 1 else members[0][1]
            order = np.argsort([i for part, _ in members for i in part.members])
            ordered = joined if np.array_equal(order, np.arange(len(order))) else joined[order]
            pm.Deterministic(kind, ordered, dims=dimension(kind))
    values = [x for members in by_kind.values() for _, x in members]
    return fill_elements(space, values)


def fill_elements(space: Space, values: Sequence[TensorVariable]) -> TensorVariable:
    """Model matrices, flat, from the natural values of the parts, in the order of `space_parts`.

    Every cell (space.py) is a sum of terms, each the product of three factors.
    """
    f = cell_arrays(space, {space.names[i]: k for k, i in enumerate(value_order(space))})
    v = pt.concatenate([*values, pt.constant(f["fixed"])])
    if space.scaled:
        norm = pt.ones(len(space.scaled))[f["scaled_row"]].inc(v[f["scaled_square"]] ** 2)
        scaled = v[f["scaled_base"]] / pt.sqrt(norm)
        plain = sum(not s.terms for s in space.scaled)  # which come first, as factors of the rest
        v = pt.concatenate([v, scaled[:plain]])
        factors = v[f["scaled_a"]] * v[f["scaled_b"]] * v[f["scaled_c"]]
        exponent = pt.zeros(len(space.scaled))[f["scaled_at"]].inc(factors)
        v = pt.concatenate([v, (scaled * pt.exp(exponent))[plain:]])
    for k, number in enumerate(space.numbers):
        own = f["number_at"] == k
        parts = v[f["number_a"][own]] * v[f["number_b"][own]] * v[f["number_c"][own]]
        v = pt.concatenate([v, (pt.sum(parts) ** number.power)[None]])
    terms = v[f["term_a"]] * v[f["term_b"]] * v[f["term_c"]]
    cells = pt.zeros(len(space.cells))[f["term_cell"]].inc(terms)
    return pt.constant(space.base)[f["place_element"]].set(cells[f["place_cell"]])


def build_pymc_model(
    space: Space,
    structure: Structure,
    sample: Sample,
    *,
    latents: str = "integrated",
    plan: tuple[np.ndarray, np.ndarray] | None = None,
) -> pm.Model:
    """The PyMC model of a table with its data.

    Parameters
    ----------
    space : Space
        What is sampled, with its priors.
    structure : Structure
        The model's matrices.
    sample : Sample
        The respondents.
    latents : {"integrated", "sampled"}
        Integrate the latent variables out, or sample the scores of every respondent
        (sampled_latents.py).
    plan : tuple of two ndarray, optional
        With ordered answers, the packed plan with its lattices (`Density.ints`, `Density.floats`);
        by default those that suit the start values.

    Returns
    -------
    pymc.Model
        One variable a kind of parameter (`priors.KINDS`) with the dimension `dimension(kind)`, and
        the observed variable "y" (respondent, indicator).

    Raises
    ------
    ModelError
        For an unknown `latents`, or a model with cycles when latents are sampled.
    NotSupported, DataError
        For product terms that the integrated likelihood does not have, counts, durations and
        shares, and ordered answers that are not integrated on nodes.
    PriorError
        For a prior that cannot have the parameter's bounds.
    """
    refuse_answers(structure.table, "the PyMC model", ordered=False)
    refuse_levels(structure.table, "the PyMC model")
    if latents not in ("integrated", "sampled"):
        raise ModelError(f'latents is "integrated" or "sampled", not {latents!r}')
    coords = {
        DIMS[0]: [str(x) for x in sample.rows],  # as in the data of a fit, whatever their type
        DIMS[1]: list(structure.observed),
        **coordinate_labels(space),
    }
    items = items_of(space, structure, sample)
    if latents == "sampled":
        from bayessem.graph.sampled_latents import scores_and_indicators

        with pm.Model(coords=coords) as model:
            scores_and_indicators(OBSERVED, model_elements(space, items), structure, sample)
        return model
    if structure.table.ordered:
        require_nodes(structure, sample)
        if plan is None:
            plan = answers_plan(structure, sample, space.base, respondent_order(sample))
        with pm.Model(coords=coords) as model:
            answers_node(OBSERVED, model_elements(space, items), structure, sample, plan)
        return model
    own, wide = with_item_products(space, structure)
    linear = kernel_plan(wide, sample, own.base, proper=space.proper)
    with pm.Model(coords=coords) as model:
        elements_node(
            OBSERVED,
            model_elements(own),
            shape=wide.shape,
            terms=wide.products,
            plan=linear,
            values=sample.values,
            group=sample.group,
            order=respondent_order(sample),
            taken=covariate_log_density(space, structure, sample),
        )
    return model
