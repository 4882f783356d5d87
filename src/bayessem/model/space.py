"""The parameter space of a model: which numbers are sampled, and how they fill the matrices.

Sampled are vectors by kind (loading, path, product, intercept, mean, residual_sd, disturbance_sd,
covariance, correlation), one after the other. Variances enter as standard deviations, covariances
as correlations; complete blocks of correlations of three or more variables as partial correlations,
so that every point is positive definite and their joint prior is the LKJ distribution.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayessem.errors import ModelError, NotSupported, PriorError, did_you_mean
from bayessem.model.cells import Factor, Number, Term
from bayessem.model.composites import (
    Direction,
    Filled,
    directions,
    merged,
    sampled_cells,
    sampled_scale,
    weight_names,
    with_levels,
)
from bayessem.model.correlation_blocks import Block, correlation_blocks
from bayessem.model.default_priors import Scales, default_of, model_scales
from bayessem.model.linear_constraints import constrained_names
from bayessem.model.priors import KINDS, Prior, default_prior, parse_prior
from bayessem.model.structure import Place, Structure
from bayessem.syntax.parameters import Parameter, ParameterTable

UNBOUNDED = (-math.inf, math.inf)


@dataclass(frozen=True)
class Coordinate:
    """One sampled number.

    Attributes
    ----------
    name : str
        The table's name of the parameter.
    kind : str
        One of `priors.KINDS`.
    prior : Prior
        On the natural scale (of the standard deviation or correlation for those kinds).
    lower, upper : float
        Bounds within the prior's support, infinite without any.
    block : int
        Number of the complete correlation block it belongs to, -1 for none.
    """

    name: str
    kind: str
    prior: Prior
    lower: float
    upper: float
    block: int = -1


@dataclass(frozen=True)
class Scaled:
    """A positive number that is not sampled itself: the coordinate `base` times exp(sum of terms).

    With `row`, divided by sqrt(1 + sum of squares of these coordinates). Terms may have scaled
    numbers without terms as factors.
    """

    name: str
    base: str
    terms: tuple[Term, ...] = ()
    row: tuple[str, ...] = ()


@dataclass(frozen=True)
class PriorRow:
    """Coordinates with a joint prior: multivariate t with df `nu`, mean 0 and scale I / nu."""

    names: tuple[str, ...]
    nu: float


@dataclass(frozen=True)
class Space:
    """The sampled numbers of a model and what they stand for.

    Attributes
    ----------
    coordinates : tuple of Coordinate
        In the order of `priors.KINDS`.
    blocks : tuple of Block
        Complete correlation blocks of three or more variables.
    proper : tuple
        Covariance blocks whose positive definiteness has to be checked: (0 disturbances or
        1 residuals, group, positions).
    cells : tuple of tuple of (a, b, c)
        What the coordinates become in the matrices: sums of products.
    cell_of_row : dict
        Cell of each free row of the table.
    base : ndarray
        Flat matrices with the fixed values.
    places : tuple of (cell, element)
        Which cell fills which element.
    scaled : tuple of Scaled
        Numbers that cells may have as factors beside coordinates, those without terms first.
    rows : tuple of PriorRow
        Of coordinates whose own prior is "lkj" without being in a block of correlations, and of
        the weights of composites.
    numbers : tuple of Number
        What composites need: factors of cells beside coordinates and scaled numbers.
    directions : tuple of Direction
        What the coordinates of kind "weight" stand for.
    shifted : frozenset of str
        Intercepts that are sampled where composites and covariates are at their means.
    """

    coordinates: tuple[Coordinate, ...]
    blocks: tuple[Block, ...]
    proper: tuple[tuple[int, int, tuple[int, ...]], ...]
    cells: tuple[tuple[Term, ...], ...]
    cell_of_row: dict[int, int]
    base: np.ndarray
    places: tuple[tuple[int, int], ...]
    scaled: tuple[Scaled, ...] = ()
    rows: tuple[PriorRow, ...] = ()
    numbers: tuple[Number, ...] = ()
    directions: tuple[Direction, ...] = ()
    shifted: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return tuple(c.name for c in self.coordinates)

    @property
    def typical_sds(self) -> frozenset[str]:
        """Coordinates that are the standard deviation of a typical group (pooled variances)."""
        return frozenset(s.base for s in self.scaled if s.terms)

    def kinds(self) -> dict[str, slice]:
        """Where each kind that occurs stands among the coordinates."""
        out = {}
        for kind in KINDS:
            members = [i for i, c in enumerate(self.coordinates) if c.kind == kind]
            if members:
                out[kind] = slice(members[0], members[-1] + 1)
        return out


def dimension(kind: str) -> str:
    """Name of the dimension of a kind's vector, which must not be the variable's own."""
    return f"{kind}s"


def kind_of_row(row: Parameter, place: Place | None) -> str:
    """Kind of a row's parameter by the matrix it fills; a covariance counts as correlation.

    Without a matrix of its own it is a weight.
    """
    if place is None:
        return "weight"
    if place.matrix == "loadings" or row.op == "=~":
        return "loading"
    if place.matrix == "thresholds":
        return "threshold"
    if place.matrix == "shapes":
        return "inflation" if row.rhs in ("zoi", "coi") else "tail"
    if place.matrix in ("paths", "products", "intercepts", "means"):
        return {"paths": "path", "products": "product", "intercepts": "intercept"}.get(
            place.matrix, "mean"
        )
    if place.i == place.j:
        return "residual_sd" if place.matrix == "residuals" else "disturbance_sd"
    return "correlation"


def _user_prior(
    row: Parameter, name: str, kind: str, given: Mapping[str, str | Prior]
) -> Prior | None:
    """The prior that the user set for a row: in the model text, by name, or by kind."""
    if row.prior:
        return parse_prior(row.prior, where=name)
    for key in (name, row.label, row.name, kind):
        if key and key in given:
            return parse_prior(given[key], where=key)
    return None


def check_prior_names(structure: Structure, given: Mapping[str, str | Prior]) -> None:
    """Every key of the user's priors has to be a kind or a free parameter.

    Raises
    ------
    PriorError
        Naming the key and what it could have been.
    """
    table = structure.table
    known = set(KINDS) | set(table.parameters)
    for row in table.rows:
        if row.free >= 0:
            known |= {row.name, row.label}
    unknown = [key for key in given if key not in known]
    if unknown:
        fixed = next((r for r in table.rows if unknown[0] in (r.name, r.label)), None)
        if fixed is not None and fixed.value is not None:
            moment = fixed.value != fixed.value
            what = "taken from the sample" if moment else f"fixed at {fixed.value:g} in the model"
            raise PriorError(
                f"priors: {unknown[0]!r} is {what}, so it has no prior; leave the prior out"
                + ("" if moment else f", or free it in the text: NA*{fixed.rhs or 1}")
            )
        kinds = [kind for kind in KINDS if not kind.startswith("pool_")]
        shown = ", ".join(table.parameters[:12]) + (", ..." if len(table.parameters) > 12 else "")
        raise PriorError(
            f"priors: {unknown[0]!r} is neither a kind of parameter nor a free parameter of this "
            f"model.{did_you_mean(unknown[0], known)} Kinds: {', '.join(kinds)}; parameters: "
            f"{shown}"
        )


def _bounds(row: Parameter, kind: str, prior: Prior) -> tuple[float, float]:
    """Bounds on the natural scale: the row's, the prior's support, and the kind's own."""
    lower, upper = row.lower, row.upper
    if kind.endswith("_sd"):  # the row's bounds are about the variance
        lower = math.sqrt(max(lower, 0.0)) if lower > -math.inf else 0.0
        if upper <= 0:
            raise PriorError(f"{row.name}: a variance cannot have the upper bound {upper:g}")
        upper = math.sqrt(upper)
    if kind == "correlation":
        lower, upper = -1.0, 1.0
    support = prior.support
    if kind == "correlation" and prior.family in ("beta", "lkj"):
        support = (-1.0, 1.0)  # stretched to where correlations live
    lower, upper = max(lower, support[0]), min(upper, support[1])
    if not lower < upper:
        raise PriorError(f"{row.name}: prior {prior} and bounds leave nothing between them")
    return lower, upper


def build_space(
    structure: Structure,
    *,
    means: np.ndarray,
    sds: np.ndarray,
    covariances: np.ndarray,
    group_means: np.ndarray,
    priors: Mapping[str, str | Prior] | None = None,
    items: Sequence[np.ndarray] = (),
) -> Space:
    """Choose coordinates and priors for the free parameters of a table.

    Parameters
    ----------
    structure : Structure
        The model.
    means, sds : ndarray (p,)
        Of the observed variables, for the scale of default priors.
    covariances, group_means : ndarray (group, p, p), (group, p)
        Of the observed variables by group, for the moments of covariates (divisor n).
    priors : mapping, optional
        Prior by parameter name, label or kind.
    items : sequence of ndarray
        Covariances of the items of each composite (`composites.item_covariances`).

    Raises
    ------
    PriorError, ModelError
        For priors that do not suit their parameter; covariances of variables without variance.
    """
    given = dict(priors or {})
    check_prior_names(structure, given)
    base = _base(structure, covariances, group_means)
    variance_row = {
        (place.matrix, place.group, place.i): k
        for k, place in structure.places.items()
        if place.matrix in ("disturbances", "residuals") and place.i == place.j
    }
    rows_of = _rows_of(structure)
    kinds = {
        name: _parameter_kind(name, rows, structure, variance_row) for name, rows in rows_of.items()
    }
    chosen = {
        name: _chosen_prior(structure, name, rows, kinds[name], given)
        for name, rows in rows_of.items()
    }
    blocks, proper = correlation_blocks(structure, rows_of, kinds, chosen)
    poles = directions(structure, items, covariances) if structure.composites else ()
    filled = sampled_cells(structure, items, poles)
    own = _own_scales(structure, rows_of, kinds, chosen, filled)
    scales = model_scales(structure, means, sds)
    coordinates = _coordinates(structure, rows_of, kinds, chosen, blocks, scales)
    default = {name: factors for name, factors in own.items() if chosen[name] is None}
    coordinates = _of_unit_composites(coordinates, default, filled, scales)
    plain = _plain(structure, rows_of, chosen)
    space = _cells(structure, kinds, variance_row, own, filled, base, plain)
    return replace(
        space,
        coordinates=coordinates,
        blocks=tuple(blocks),
        proper=tuple(proper),
        rows=tuple(PriorRow(one.names, float(len(one.names))) for one in poles),
        directions=poles,
    )


def _rows_of(structure: Structure) -> dict[str, list[int]]:
    """Rows of the table by the name of their free parameter."""
    out: dict[str, list[int]] = {}
    for k in structure.places:
        free = structure.table.rows[k].free
        if free >= 0:
            out.setdefault(structure.table.parameters[free], []).append(k)
    for name in weight_names(structure):
        if name in out:
            raise ModelError(
                f"the label of {name} is shared by a weight of a composite and a parameter of "
                "another kind; give them labels of their own"
            )
        out[name] = [
            k
            for k, row in enumerate(structure.table.rows)
            if row.op == "<~" and row.free >= 0 and structure.table.parameters[row.free] == name
        ]
    return out


def _own_scales(
    structure: Structure,
    rows_of: dict[str, list[int]],
    kinds: dict[str, str],
    chosen: dict[str, Prior | None],
    filled: Filled,
) -> dict[str, tuple[Factor, ...]]:
    """Parameters that are sampled for composites of variance 1, and what multiplies them then.

    Their priors are about that, as those of variances are about standard deviations. Not those with
    bounds or constraints, which are about the parameter itself.
    """
    plain = _plain(structure, rows_of, dict.fromkeys(chosen))
    out = {}
    for name, rows in rows_of.items():
        if kinds[name] in ("path", "product", "loading", "disturbance_sd") and name in plain:
            factors = sampled_scale(structure, filled, rows[0])  # of several, in units of the first
            if factors:
                out[name] = factors
    return out


def _plain(
    structure: Structure, rows_of: dict[str, list[int]], chosen: dict[str, Prior | None]
) -> frozenset[str]:
    """Parameters of which the user says nothing: no prior, no bounds, no constraints."""
    constrained = constrained_names(structure.table)
    table = structure.table

    def bounded(name: str) -> bool:
        rows = [table.rows[k] for k in rows_of[name]]
        return any(row.lower > -math.inf or row.upper < math.inf for row in rows)

    return frozenset(
        name
        for name in rows_of
        if chosen[name] is None and name not in constrained and not bounded(name)
    )


def _of_unit_composites(
    coordinates: tuple[Coordinate, ...],
    own: dict[str, tuple[Factor, ...]],
    filled: Filled,
    scales: Scales,
) -> tuple[Coordinate, ...]:
    """Default priors of parameters that are sampled for composites of variance 1."""
    latent = scales.latent
    size: dict[Factor, float] = {name: 1.0 / latent[j] for (_, j), name in filled.spread.items()}
    size |= {name: latent[j] for (_, j), name in filled.inverse_spread.items()}
    out = []
    for c in coordinates:
        if c.name in own:
            arguments = dict(c.prior.named)
            arguments["sigma"] *= math.prod(size[f] for f in own[c.name])
            c = replace(c, prior=Prior(c.prior.family, **arguments))
        out.append(c)
    return tuple(out)


def _chosen_prior(
    structure: Structure,
    name: str,
    rows: list[int],
    kind: str,
    given: Mapping[str, str | Prior],
) -> Prior | None:
    """The user's prior of a parameter, None for the default."""
    found = {
        p
        for k in rows
        if (p := _user_prior(structure.table.rows[k], name, kind, given)) is not None
    }
    if len(found) > 1:
        raise PriorError(f"{name} has several priors: {', '.join(sorted(map(str, found)))}")
    return next(iter(found), None)


def _coordinates(
    structure: Structure,
    rows_of: dict[str, list[int]],
    kinds: dict[str, str],
    chosen: dict[str, Prior | None],
    blocks: list[Block],
    scales: Scales,
) -> tuple[Coordinate, ...]:
    """The sampled numbers by kind, with their priors and bounds."""
    block_of = {name: b for b, block in enumerate(blocks) for name in block.names}
    out = []
    for kind in KINDS:
        members = [name for name in rows_of if kinds[name] == kind]
        if kind == "threshold":  # those of a variable side by side, in order
            first = {n: structure.places[rows_of[n][0]] for n in members}
            members.sort(key=lambda n: (first[n].group, first[n].i))
        if kind == "correlation":  # blocks first, contiguous and in their own order
            inside = [name for block in blocks for name in block.names]
            members = inside + [name for name in members if name not in block_of]
        for name in members:
            k = rows_of[name][0]
            row = structure.table.rows[k]
            if kind == "weight":
                _check_weight(row, name, chosen[name])
                out.append(Coordinate(name, kind, default_prior(kind, scale=1.0), *UNBOUNDED))
                continue
            place = structure.places[k]
            prior = chosen[name]
            if prior is None:
                prior = default_of(row, place, kind, structure, scales)
            if prior.family == "lkj" and kind != "correlation":
                raise PriorError(f"{name}: lkj is a prior of correlations, not of a {kind}")
            lower, upper = _bounds(row, kind, prior)
            if prior.family == "induced_dirichlet" and kind != "threshold":
                raise PriorError(f"{name}: induced_dirichlet is a prior of thresholds")
            if name in block_of:
                prior = Prior("lkj", eta=blocks[block_of[name]].eta)
            out.append(Coordinate(name, kind, prior, lower, upper, block_of.get(name, -1)))
    return tuple(out)


def _check_weight(row: Parameter, name: str, prior: Prior | None) -> None:
    """Refuse what the prior of weights has no place for."""
    if prior is not None:
        raise PriorError(
            f"{name}: weights of composites have one prior together, uniform over their "
            "directions; leave the prior out, or fix the weight to a number (1*x)"
        )
    if row.lower > -math.inf or row.upper < math.inf:
        raise NotSupported(
            f"{name}: bounds of the weights of composites are there for maximum likelihood only; "
            "leave them out, or fix the weight to a number (1*x)"
        )


def _cells(
    structure: Structure,
    kinds: dict[str, str],
    variance_row: dict[tuple[str, int, int], int],
    own: dict[str, tuple[Factor, ...]],
    filled: Filled,
    base: np.ndarray,
    plain: frozenset[str],
) -> Space:
    """Cells of the free rows, which row has which, and the elements they fill."""
    table = structure.table
    numbers = list(filled.numbers)
    sds: dict[str, str] = {}  # of disturbances that are sampled for a composite of variance 1
    for name, factors in own.items():
        if kinds[name] == "disturbance_sd":
            sds[name] = f"sd of {name}"
            numbers.append(Number(sds[name], ((name, factors[0], 1.0),)))
    terms = _row_terms(structure, kinds, variance_row, own, sds, numbers)
    shifted: frozenset[str] = frozenset()
    if filled.means:
        count = Counter(structure.table.rows[k].free for k in structure.places)
        once = {table.parameters[i] for i, c in count.items() if i >= 0 and c == 1}

        def effect(k: int) -> Factor:
            row = table.rows[k]
            if row.free < 0:
                return float(row.value or 0.0)
            if terms[k][1:] == (1.0, 1.0):
                return terms[k][0]
            numbers.append(Number(f"{row.name} in {row.group}", (terms[k],)))
            return numbers[-1].name

        start = replace(filled, numbers=())
        start, shifted = with_levels(
            structure, base, start, effect=effect, shift=lambda name: name in once & plain
        )
        numbers += start.numbers
        filled = replace(start, numbers=())
    cells: list[tuple[Term, ...]] = []
    cell_of_row: dict[int, int] = {}
    places: list[tuple[int, int]] = []
    index: dict[Term, int] = {}
    for k, place in structure.places.items():
        if table.rows[k].free < 0:
            continue
        at = index.setdefault(terms[k], len(cells))
        if at == len(cells):
            cells.append((terms[k],))
        cell_of_row[k] = at
        places.extend((at, e) for e in structure.element(place) if e not in filled.cells)
    places += [(len(cells) + i, e) for i, e in enumerate(filled.cells)]
    cells += filled.cells.values()
    return Space(
        (),
        (),
        (),
        tuple(cells),
        cell_of_row,
        base,
        tuple(places),
        numbers=tuple(numbers),
        shifted=shifted,
    )


def _row_terms(
    structure: Structure,
    kinds: dict[str, str],
    variance_row: dict[tuple[str, int, int], int],
    own: dict[str, tuple[Factor, ...]],
    sds: dict[str, str],
    numbers: list[Number],
) -> dict[int, Term]:
    """The term that is the value of each free row; numbers that it needs are added."""
    table = structure.table
    out: dict[int, Term] = {}
    for k, place in structure.places.items():
        row = table.rows[k]
        if row.free < 0:
            continue
        name = table.parameters[row.free]
        cell: Term = (name, 1.0, 1.0)
        if kinds[name].endswith("_sd"):
            cell = (sds.get(name, name), sds.get(name, name), 1.0)
        elif kinds[name] == "correlation":
            ends = [variance_row[place.matrix, place.group, i] for i in (place.i, place.j)]
            one, other = (_sd_term(table, k) for k in ends)
            cell = (name, sds.get(str(one), one), sds.get(str(other), other))
        elif name in own:
            more, factors = merged(own[name], f"scale of {name}")
            numbers += [x for x in more if x not in numbers]
            cell = (name, *factors)
        out[k] = cell
    return out


def _sd_term(table: ParameterTable, k: int) -> Factor:
    """Standard deviation of the variance in row k: a coordinate's name or a fixed number."""
    row = table.rows[k]
    return table.parameters[row.free] if row.free >= 0 else math.sqrt(float(row.value or 0.0))


def _base(structure: Structure, covariances: np.ndarray, group_means: np.ndarray) -> np.ndarray:
    """Flat matrices of all groups with every fixed value, moments of covariates included."""
    table = structure.table
    _, stride = structure.offsets
    base = np.zeros(stride * len(table.groups))
    position = {name: i for i, name in enumerate(structure.observed)}
    for g in range(len(table.groups)):
        loadings = structure.matrices(base, g)["loadings"]
        for j, name in enumerate(structure.variables):
            if name in position:
                loadings[position[name], j] = 1.0
    for k, place in structure.places.items():
        row = table.rows[k]
        if row.free >= 0:
            continue
        value = float(row.value or 0.0)
        if row.exogenous:
            i = position[row.lhs]
            value = (
                group_means[place.group, i]
                if row.op == "~1"
                else covariances[place.group, i, position[row.rhs]]
            )
        for e in structure.element(place):
            base[e] = value
    return base


def _parameter_kind(
    name: str, rows: list[int], structure: Structure, variance_row: dict[tuple[str, int, int], int]
) -> str:
    """Kind of a parameter; one for all the rows that share it."""
    table = structure.table
    kinds = {kind_of_row(table.rows[k], structure.places.get(k)) for k in rows}
    if kinds == {"weight"}:
        return "weight"
    if kinds <= {"residual_sd", "disturbance_sd"}:
        return "residual_sd" if "residual_sd" in kinds else "disturbance_sd"
    if len(kinds) > 1:
        if kinds & {"correlation", "residual_sd", "disturbance_sd"}:
            raise ModelError(
                f"the label of {name} is shared by parameters of different kinds "
                f"({', '.join(sorted(kinds))}); a variance or covariance cannot equal another kind"
            )
        return next(kind for kind in KINDS if kind in kinds)
    if kinds != {"correlation"}:
        return next(iter(kinds))
    # bounds in the model text are about the covariance
    bounded = any(table.rows[k].lower > -math.inf or table.rows[k].upper < math.inf for k in rows)
    # constraints are about covariances and variances, not correlations and standard deviations
    constrained = constrained_names(table)
    bounded = bounded or name in constrained
    scales = set()
    for k in rows:
        place = structure.places[k]
        pair = []
        for i in (place.i, place.j):
            v = variance_row.get((place.matrix, place.group, i))
            row = table.rows[v] if v is not None else None
            if row is None or (row.free < 0 and not (row.value or 0.0) > 0):
                raise ModelError(
                    f"{table.rows[k].name}: a covariance needs both variances to be positive; "
                    "free the variance or take the covariance out"
                )
            pair.append(row.free if row.free >= 0 else ("fixed", row.value))
            bounded = bounded or (row.free >= 0 and table.parameters[row.free] in constrained)
        scales.add(frozenset(map(str, pair)))
    # Equal covariances of variables with different variances are not equal correlations.
    return "correlation" if len(scales) == 1 and not bounded else "covariance"
