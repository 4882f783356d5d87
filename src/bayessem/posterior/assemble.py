"""A model and its data put together as the densities that are optimised and sampled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import betaln, gammainc, gammaincc, gammaln, ndtr, stdtr

from bayessem.errors import NotSupported, PriorError
from bayessem.likelihood.external import load_terms
from bayessem.likelihood.plan import build_plan
from bayessem.likelihood.products import NO_PRODUCTS
from bayessem.model.cells import Number, Term
from bayessem.model.composites import raw_cells
from bayessem.model.data import Sample
from bayessem.model.item_products import with_item_products
from bayessem.model.prepare import Prepared
from bayessem.model.space import Coordinate, PriorRow, Scaled, Space
from bayessem.model.structure import Structure
from bayessem.posterior import program as d
from bayessem.posterior.answers import answers_plan, threshold_fields
from bayessem.posterior.clusters import level_plan, unit_count
from bayessem.posterior.density import Density, build_density
from bayessem.posterior.patterns import sample_patterns
from bayessem.posterior.tails import student_plan

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def respondent_order(sample: Sample) -> np.ndarray:
    """Position among the kernel's respondents of each respondent of the sample, (respondent,).

    Of clusters, in a two-level model.
    """
    if sample.clusters is not None:
        return np.arange(unit_count(sample))
    order = np.concatenate([members for _, _, members in sample.patterns()])
    inverse = np.empty_like(order)
    inverse[order] = np.arange(len(order))
    return inverse


def has_integral(structure: Structure) -> bool:
    """Whether the latent variables behind the product terms can be integrated out."""
    try:
        structure.product_plan()
    except NotSupported:
        return False
    return True


def kernel_plan(
    structure: Structure,
    sample: Sample,
    base: np.ndarray,
    *,
    proper: tuple = (),
    reach: float = 0,
    step: float = 0,
    integrate: bool = True,
    route: str = "",
    finer: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan of a model with its data; `reach` and `step` override the quadrature's.

    base : fixed values of the model matrices (elements,).
    integrate : False leaves product terms out of the likelihood but not out of the matrices, for
        sampled latents whose products have no integral: the density then serves to transform
        coordinates and fill matrices alone, its value and gradient are not those of the model.
    route : how products are integrated out, instead of the cheapest way (`plan_products`).
    finer : how many times as dense as usual the nodes of random slopes are.

    Raises
    ------
    NotSupported
        For product terms that need more than three integrals.
    DataError
        For a missing value of an observed variable that is a factor of a product.
    """
    if structure.table.levels > 1:
        return level_plan(structure, sample, proper=proper, finer=finer)
    if structure.table.heavy_tailed:
        return student_plan(structure, sample_patterns(sample), base, proper=proper)
    products = structure.product_plan(route) if integrate else NO_PRODUCTS
    load_terms(products.route)
    options = {key: value for key, value in (("reach", reach), ("step", step)) if value}
    return build_plan(
        structure.shape,
        sample_patterns(sample),
        groups=len(sample.groups),
        products=products,
        proper=proper,
        names=structure.observed,
        **options,
    )


def _log_mass(low: float, high: float, cdf: Callable[[float], float]) -> float:
    """Log of the probability between two standardised bounds, 0 when there are none."""
    if low == -math.inf and high == math.inf:
        return 0.0
    if low > 0:  # the upper tail by symmetry: no cancellation
        low, high = -high, -low
    mass = float(cdf(high) - cdf(low))
    return math.log(mass) if mass > 0 else -math.inf


def _truncation(
    coordinate: Coordinate, mu: float, sigma: float, cdf: Callable[[float], float]
) -> float:
    """Log of the probability that a location-scale prior gives to the coordinate's bounds."""
    out = _log_mass((coordinate.lower - mu) / sigma, (coordinate.upper - mu) / sigma, cdf)
    if out == -math.inf:
        raise PriorError(
            f"{coordinate.name}: the prior {coordinate.prior} has no mass between its bounds "
            f"{coordinate.lower:g} and {coordinate.upper:g}"
        )
    return out


# Priors of positive numbers that the degrees of freedom of heavy tails may have.
ABOVE = ("gamma", "inverse_gamma", "exponential", "log_normal")


def _log_above(coordinate: Coordinate) -> float:
    """Log of the probability that a prior of `ABOVE` gives to values above the lower bound."""
    a, low = coordinate.prior.named, coordinate.lower
    mass = {
        "gamma": lambda: gammaincc(a["alpha"], a["beta"] * low),
        "inverse_gamma": lambda: gammainc(a["alpha"], a["beta"] / low),
        "exponential": lambda: math.exp(-a["lam"] * low),
        "log_normal": lambda: ndtr((a["mu"] - math.log(low)) / a["sigma"]),
    }[coordinate.prior.family]()
    if not mass > 0:
        raise PriorError(
            f"{coordinate.name}: the prior {coordinate.prior} has no mass above its bound {low:g}"
        )
    return math.log(mass)


def encode_prior(
    coordinate: Coordinate, *, partial_of: tuple[int, int] | None = None
) -> tuple[int, tuple[float, float, float], float]:
    """Family code, hyperparameters and log normalising constant of a coordinate's prior.

    partial_of : (column j, size k) of a partial correlation in a complete block, whose prior under
        LKJ(eta) is Beta(a, a) on (-1, 1) with a = eta + (k - 2 - j) / 2.
    """
    prior, low, high = coordinate.prior, coordinate.lower, coordinate.upper
    a = prior.named
    family = prior.family
    if family in ("normal", "half_normal"):
        mu, sigma = a.get("mu", 0.0), a["sigma"]
        mass = _truncation(coordinate, mu, sigma, ndtr)
        return d.NORMAL, (mu, sigma, 0.0), -math.log(sigma) - LOG_SQRT_2PI - mass
    if family in ("student_t", "half_student_t", "cauchy", "half_cauchy"):
        nu = a.get("nu", 1.0)
        mu = a.get("alpha", 0.0) if "cauchy" in family else a.get("mu", 0.0)
        sigma = a["beta"] if "cauchy" in family else a["sigma"]
        mass = _truncation(coordinate, mu, sigma, lambda q: stdtr(nu, q))
        constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * math.log(nu * math.pi)
        return d.STUDENT_T, (mu, sigma, nu), float(constant) - math.log(sigma) - mass
    if family == "uniform":
        return d.FLAT, (0.0, 0.0, 0.0), -math.log(high - low)
    if family in ("flat", "induced_dirichlet"):  # the latter of all thresholds (thresholds.py)
        return d.FLAT, (0.0, 0.0, 0.0), 0.0
    support = (-1.0, 1.0) if coordinate.kind == "correlation" else prior.support
    above = 0.0
    if coordinate.kind == "tail" and family in ABOVE and high == math.inf:  # which ends at 2
        above, low = _log_above(coordinate), support[0]
    if family == "lkj" and coordinate.kind == "pool_link":
        support = (-math.inf, math.inf)
    if family == "direction":
        return d.FLAT, (0.0, 0.0, 0.0), 0.0  # the weights of a composite have a density together
    if (low, high) != support:
        raise PriorError(
            f"{coordinate.name}: bounds go with normal, student_t, cauchy and uniform priors, "
            f"not with {prior}"
        )
    if family == "lkj" and coordinate.kind != "correlation":
        return d.FLAT, (0.0, 0.0, 0.0), 0.0  # its row of coordinates has a density together
    if family in ("lkj", "beta"):
        if family == "lkj":
            alpha = beta = a["eta"]
            if partial_of is not None:
                alpha = beta = a["eta"] + (partial_of[1] - 2 - partial_of[0]) / 2
        else:
            alpha, beta = a["alpha"], a["beta"]
        return d.BETA, (alpha, beta, 0.0), float(-betaln(alpha, beta)) - math.log(high - low)
    if family in ("gamma", "inverse_gamma"):
        alpha, beta = a["alpha"], a["beta"]
        code = d.GAMMA if family == "gamma" else d.INVERSE_GAMMA
        return code, (alpha, beta, 0.0), alpha * math.log(beta) - float(gammaln(alpha)) - above
    if family == "exponential":
        return d.EXPONENTIAL, (a["lam"], 0.0, 0.0), math.log(a["lam"]) - above
    if family == "log_normal":
        constant = -math.log(a["sigma"]) - LOG_SQRT_2PI - above
        return d.LOG_NORMAL, (a["mu"], a["sigma"], 0.0), constant
    raise PriorError(f"{coordinate.name}: no density for {prior}")


def _transform_code(lower: float, upper: float) -> int:
    if lower > -math.inf:
        return d.INTERVAL if upper < math.inf else d.LOG
    return d.BELOW if upper < math.inf else d.IDENTITY


def cell_arrays(space: Space, index: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Cells and the numbers in them as terms over the numbers v.

    v are the coordinates, at the positions that `index` gives, then the numbers `fixed`, then the
    scaled numbers, then the sums to a power (`program.Layout`).
    """
    made: tuple[Scaled | Number, ...] = (*space.scaled, *space.numbers)
    every = [term for terms in (*space.cells, *(s.terms for s in made)) for term in terms]
    fixed = list(dict.fromkeys(f for term in every for f in term if not isinstance(f, str)))
    first = len(index) + len(fixed)
    at: dict[str | float, int] = {
        **dict(index.items()),
        **{f: len(index) + k for k, f in enumerate(fixed)},
        **{s.name: first + k for k, s in enumerate(made)},
    }

    def columns(owners: Sequence[Sequence[Term]]) -> np.ndarray:
        rows = [(k, *(at[f] for f in t)) for k, terms in enumerate(owners) for t in terms]
        return np.array(rows, dtype=np.int64).reshape(-1, 4).T

    cell, a, b, c = columns(space.cells)
    scaled_at, scaled_a, scaled_b, scaled_c = columns([s.terms for s in space.scaled])
    number_at, number_a, number_b, number_c = columns([s.terms for s in space.numbers])
    squares = [(k, at[name]) for k, s in enumerate(space.scaled) for name in s.row]
    scaled_row, scaled_square = np.array(squares, dtype=np.int64).reshape(-1, 2).T
    places = np.array(space.places, dtype=np.int64).reshape(-1, 2)
    return {
        "term_cell": cell,
        "term_a": a,
        "term_b": b,
        "term_c": c,
        "scaled_base": np.array([at[s.base] for s in space.scaled], dtype=np.int64),
        "scaled_at": scaled_at,
        "scaled_a": scaled_a,
        "scaled_b": scaled_b,
        "scaled_c": scaled_c,
        "scaled_row": scaled_row,
        "scaled_square": scaled_square,
        "number_at": number_at,
        "number_a": number_a,
        "number_b": number_b,
        "number_c": number_c,
        "number_power": np.array([s.power for s in space.numbers], dtype=np.float64),
        "place_cell": places[:, 0],
        "place_element": places[:, 1],
        "fixed": np.array(fixed),
    }


def row_constant(row: PriorRow) -> float:
    """Log normalising constant of a joint prior of coordinates (multivariate t)."""
    size = len(row.names)
    return float(
        gammaln((row.nu + size) / 2) - gammaln(row.nu / 2) - 0.5 * size * math.log(math.pi)
    )


def posterior_density(
    space: Space,
    structure: Structure,
    sample: Sample,
    *,
    reach: float = 0,
    step: float = 0,
    integrate: bool = True,
    route: str = "",
    at: np.ndarray | None = None,
    finer: float = 1.0,
) -> Density:
    """The posterior of a model on unconstrained coordinates, as one program; see `kernel_plan`.

    at, finer : of the engine for ordered answers (`answers.answers_plan`); finer of random slopes
        on nodes, too.
    """
    shown = None
    if structure.by_items is not structure:
        shown = _filling(space, structure, sample)
        space, structure = with_item_products(space, structure)
    coordinates = space.coordinates
    partial: dict[str, tuple[int, int]] = {}
    for block in space.blocks:
        pairs = [(i, j) for i in range(block.size) for j in range(i)]
        partial |= {n: (j, block.size) for n, (_, j) in zip(block.names, pairs, strict=True)}
    codes = [encode_prior(c, partial_of=partial.get(c.name)) for c in coordinates]
    index = {name: i for i, name in enumerate(space.names)}
    fields = {
        "transform": np.array([_transform_code(c.lower, c.upper) for c in coordinates]),
        "family": np.array([code for code, _, _ in codes]),
        "lower": np.array([c.lower for c in coordinates]),
        "upper": np.array([c.upper for c in coordinates]),
        "hyper": np.array([hyper for _, hyper, _ in codes]).ravel(),
        "constant": np.array([sum(c for _, _, c in codes) + sum(map(row_constant, space.rows))]),
        "block_size": np.array([b.size for b in space.blocks]),
        "block_at": np.array([index[b.names[0]] for b in space.blocks]),
        "row_at": np.array([index[r.names[0]] for r in space.rows]),
        "row_size": np.array([len(r.names) for r in space.rows]),
        "row_power": np.array([0.5 * (r.nu + len(r.names)) for r in space.rows]),
        "base": space.base,
        **cell_arrays(space, index),
    }
    if structure.table.answered:
        own = threshold_fields(space, structure, sample)
        constant = fields["constant"] + own.pop("constant")
        fields = {**fields, **own, "constant": constant}
        order = respondent_order(sample)
        plan = answers_plan(
            structure, sample, space.base, order, at=at, finer=finer, proper=space.proper
        )
    else:
        plan = kernel_plan(
            structure,
            sample,
            space.base,
            proper=space.proper,
            reach=reach,
            step=step,
            integrate=integrate,
            route=route,
            finer=finer,
        )
    density = build_density(space.names, fields, plan, respondents=unit_count(sample))
    return replace(density, shown=shown)


def _filling(space: Space, structure: Structure, sample: Sample) -> Density:
    """A density that fills the matrices of a model, without its likelihood."""
    zero = np.zeros(len(space.coordinates))
    fields = _flat_fields(zero) | {"base": space.base}
    fields |= cell_arrays(space, {name: i for i, name in enumerate(space.names)})
    plan = kernel_plan(structure, sample, space.base, integrate=False)
    return build_density(space.names, fields, plan, respondents=unit_count(sample))


def compile_for(prepared: Prepared) -> None:
    """Compile what the densities of a model need and is not on disk, by calling them once."""
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    point = np.zeros((1, density.size))
    density.value_and_gradient(point[0])
    density.respondent_log_likelihood(density.natural(point))


def _flat_fields(zero: np.ndarray) -> dict[str, np.ndarray]:
    """The program of coordinates that are numbers themselves, without priors."""
    return {
        "transform": zero,
        "family": zero,
        "lower": zero,
        "upper": zero,
        "hyper": np.zeros(3 * len(zero)),
        "constant": np.zeros(1),
        "block_size": np.empty(0),
        "block_at": np.empty(0),
    }


def likelihood_density(
    structure: Structure,
    space: Space,
    sample: Sample,
    *,
    at: np.ndarray | None = None,
    finer: float = 1.0,
) -> Density:
    """The likelihood as a function of the table's free parameters (variances, not sds).

    at, finer : of the engine for ordered answers (`answers.answers_plan`); finer of random slopes
        on nodes, too.
    """
    table = structure.table
    names = table.parameters
    n = len(names)
    cells: list[tuple[Term, ...]] = [((name, 1.0, 1.0),) for name in names]
    filled = raw_cells(structure, sample, space.base)
    places = [
        (table.rows[k].free, e)
        for k, place in structure.places.items()
        if table.rows[k].free >= 0
        for e in structure.element(place)
        if e not in filled.cells
    ]
    places += [(n + i, e) for i, e in enumerate(filled.cells)]
    own = plain = replace(
        space,
        cells=(*cells, *filled.cells.values()),
        places=tuple(places),
        scaled=(),
        numbers=filled.numbers,
    )
    index = {name: i for i, name in enumerate(names)}
    own, wide = with_item_products(own, structure)
    fields = {**_flat_fields(np.zeros(n)), "base": own.base, **cell_arrays(own, index)}
    if table.answered:
        order = respondent_order(sample)
        plan = answers_plan(structure, sample, space.base, order, at=at, finer=finer)
    else:
        plan = kernel_plan(wide, sample, own.base, finer=finer)
    density = build_density(names, fields, plan, respondents=unit_count(sample))
    if wide is structure:
        return density
    fields |= {"base": plain.base, **cell_arrays(plain, index)}
    plan = kernel_plan(structure, sample, plain.base, integrate=False)
    shown = build_density(names, fields, plan, respondents=unit_count(sample))
    return replace(density, shown=shown)
