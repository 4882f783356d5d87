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
from bayessem.graph.node import DIMS, elements_node
from bayessem.graph.operation import Correlations
from bayessem.model.data import Sample
from bayessem.model.item_products import with_item_products
from bayessem.model.level_data import refuse_levels
from bayessem.model.priors import FAMILIES, KINDS
from bayessem.model.space import Coordinate, Space, dimension
from bayessem.model.structure import Structure
from bayessem.model.thresholds import refuse_answers
from bayessem.posterior.assemble import (
    cell_arrays,
    encode_prior,
    kernel_plan,
    respondent_order,
)
from bayessem.posterior.covariates import covariate_log_density

OBSERVED = "y"


JOINT = "multivariate_t"
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
        (`space.PriorRow`) as "multivariate_t".
    members : tuple of int
        Positions among the coordinates.
    """

    name: str
    kind: str
    family: str
    members: tuple[int, ...]


def space_parts(space: Space) -> tuple[Part, ...]:
    """The random variables of a model's PyMC model, in the order of their creation."""
    parts = []
    at = {name: i for i, name in enumerate(space.names)}
    joint = {name for row in space.rows for name in row.names}
    for kind in KINDS:
        found: dict[tuple[str, str], list[int]] = {}
        for i, c in enumerate(space.coordinates):
            if c.kind == kind and c.name not in joint:
                family = "beta" if c.prior.family == "lkj" else c.prior.family
                found.setdefault((family, _side(c)), []).append(i)
        for (family, side), members in found.items():
            natural = side == _own_side(family)
            label = family if natural else side if family == "normal" else f"{family}_{side}"
            alone = len(found) == 1 and not (kind == "correlation" and family == "beta")
            alone = alone and not any(c.kind == kind and c.name in joint for c in space.coordinates)
            parts.append(Part(kind if alone else f"{kind}_{label}", kind, family, tuple(members)))
        rows = [row for row in space.rows if space.coordinates[at[row.names[0]]].kind == kind]
        for k, row in enumerate(rows):
            members = [at[name] for name in row.names]
            name = kind if len(members) == _count(space, kind) else f"{kind}_{k + 1}"
            parts.append(Part(name, kind, JOINT, tuple(members)))
    return tuple(parts)


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
        bounds = {} if side == "free" else {"default_transform": transforms.Interval(low, high)}
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
        default_transform=transforms.Interval(low, high),
    )


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
    return labels


def model_elements(space: Space) -> TensorVariable:
    """Create the parameters in the model that is open; their matrices, flat (structure.py).

    Every kind of parameter is a variable of that name with the dimension `dimension(kind)`: a
    random variable where it has one distribution, else a Deterministic of several.
    """
    parts = space_parts(space)
    by_kind: dict[str, list[tuple[Part, TensorVariable]]] = {}
    for part in parts:
        natural = _natural(part, _variable(part, space), space)
        by_kind.setdefault(part.kind, []).append((part, natural))
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
    space: Space, structure: Structure, sample: Sample, *, latents: str = "integrated"
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
        For product terms that the integrated likelihood does not have.
    PriorError
        For a prior that cannot have the parameter's bounds.
    """
    refuse_answers(structure.table, "the PyMC model")
    refuse_levels(structure.table, "the PyMC model")
    if latents not in ("integrated", "sampled"):
        raise ModelError(f'latents is "integrated" or "sampled", not {latents!r}')
    coords = {
        DIMS[0]: [str(x) for x in sample.rows],  # as in the data of a fit, whatever their type
        DIMS[1]: list(structure.observed),
        **coordinate_labels(space),
    }
    if latents == "sampled":
        from bayessem.graph.sampled_latents import scores_and_indicators

        with pm.Model(coords=coords) as model:
            scores_and_indicators(OBSERVED, model_elements(space), structure, sample)
        return model
    own, wide = with_item_products(space, structure)
    plan = kernel_plan(wide, sample, own.base, proper=space.proper)
    with pm.Model(coords=coords) as model:
        elements_node(
            OBSERVED,
            model_elements(own),
            shape=wide.shape,
            terms=wide.products,
            plan=plan,
            values=sample.values,
            group=sample.group,
            order=respondent_order(sample),
            taken=covariate_log_density(space, structure, sample),
        )
    return model
