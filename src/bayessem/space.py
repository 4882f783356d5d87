"""The parameter space of a model: which numbers are sampled, their priors, and how they fill the matrices.

Sampled are vectors by kind (loading, path, product, intercept, mean, residual_sd, disturbance_sd,
covariance, correlation), one after the other. Variances enter as standard deviations and covariances
as correlations; complete blocks of correlations of three or more variables as partial correlations,
so that every point is positive definite and their joint prior is the LKJ distribution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayessem.errors import ModelError, PriorError
from bayessem.priors import KINDS, Prior, default_prior, parse_prior
from bayessem.structure import Place, Structure
from bayessem.table import Parameter

# A cell is a number that goes into the matrices: (kind, a, b, c) with a, b, c the names of
# parameters or fixed numbers. "direct" a; "square" a^2; "covariance" a b c.
Term = str | float


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
class Block:
    """A complete block of correlations: LKJ with `eta` over k variables."""

    eta: float
    size: int
    names: tuple[str, ...]  # row by row below the diagonal


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
    cells : tuple of (kind, a, b, c)
        What the coordinates become in the matrices.
    cell_of_row : dict
        Cell of each free row of the table.
    base : ndarray
        Flat matrices with the fixed values.
    places : tuple of (cell, element)
        Which cell fills which element.
    """

    coordinates: tuple[Coordinate, ...]
    blocks: tuple[Block, ...]
    proper: tuple[tuple[int, int, tuple[int, ...]], ...]
    cells: tuple[tuple[str, Term, Term, Term], ...]
    cell_of_row: dict[int, int]
    base: np.ndarray
    places: tuple[tuple[int, int], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return tuple(c.name for c in self.coordinates)

    def kinds(self) -> dict[str, slice]:
        """Where each kind that occurs stands among the coordinates."""
        out = {}
        for kind in KINDS:
            members = [i for i, c in enumerate(self.coordinates) if c.kind == kind]
            if members:
                out[kind] = slice(members[0], members[-1] + 1)
        return out


def latent_scales(structure: Structure, sds: np.ndarray) -> np.ndarray:
    """Rough standard deviation of each variable, from how its scale is set, (m,).

    A marker's own standard deviation (of the indicator with the fixed loading), the fixed variance,
    or the mean of the indicators; it only sets the width of default priors.
    """
    table = structure.table
    observed = {name: float(sd) for name, sd in zip(structure.observed, sds, strict=True)}
    position = {name: i for i, name in enumerate(structure.variables)}
    scales = np.full(len(structure.variables), np.nan)

    def scale(name: str, seen: frozenset[str]) -> float:
        if name in observed:
            return observed[name]
        if name in seen:
            return 1.0
        here = seen | {name}
        loadings = [r for r in table.rows if r.op == "=~" and r.lhs == name and r.group == 0]
        for row in loadings:
            if row.free < 0 and row.value:
                return scale(row.rhs, here) / abs(row.value)
        for row in table.rows:
            if row.op == "~~" and row.lhs == row.rhs == name and row.free < 0 and row.value:
                return math.sqrt(row.value) if row.value > 0 else 1.0
        return float(np.mean([scale(r.rhs, here) for r in loadings])) if loadings else 1.0

    for name, i in position.items():
        scales[i] = scale(name, frozenset())
    return scales


def _kind(row: Parameter, place: Place) -> str:
    if place.matrix == "loadings" or row.op == "=~":
        return "loading"
    if place.matrix in ("paths", "products", "intercepts", "means"):
        return {"paths": "path", "products": "product", "intercepts": "intercept"}.get(
            place.matrix, "mean"
        )
    if place.i == place.j:
        return "residual_sd" if place.matrix == "residuals" else "disturbance_sd"
    return "correlation"


def _default(row: Parameter, place: Place, structure: Structure, scales: np.ndarray, sample) -> Prior:
    """Default prior of the parameter in this row."""
    means, sds = sample
    kind = _kind(row, place)
    if kind == "loading":
        name = row.rhs
        own = sds[structure.observed.index(name)] if name in structure.observed else None
        if own is None:
            own = scales[structure.variables.index(name)]
        return default_prior(kind, scale=own / scales[structure.variables.index(row.lhs)])
    if kind == "path":
        return default_prior(kind, scale=scales[place.i] / scales[place.j])
    if kind == "product":
        a, b = structure.products[place.j]
        return default_prior(kind, scale=scales[place.i] / (scales[a] * scales[b]))
    if kind == "intercept":
        return default_prior(kind, scale=sds[place.i], location=means[place.i])
    if kind == "mean":
        name = structure.variables[place.i]
        location = means[structure.observed.index(name)] if name in structure.observed else 0.0
        return default_prior(kind, scale=scales[place.i], location=location)
    if kind == "residual_sd":
        return default_prior(kind, scale=sds[place.i])
    if kind == "disturbance_sd":
        return default_prior(kind, scale=scales[place.i])
    return default_prior(kind, scale=1.0)


def _user_prior(row: Parameter, name: str, kind: str, given: Mapping[str, str | Prior]) -> Prior | None:
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
        raise PriorError(
            f"priors: {unknown[0]!r} is neither a kind of parameter ({', '.join(KINDS)}) nor a "
            f"free parameter of this model ({', '.join(table.parameters[:12])}, ...)"
        )


def _bounds(row: Parameter, kind: str, prior: Prior) -> tuple[float, float]:
    """Bounds on the natural scale: the row's, the prior's support, and the kind's own."""
    lower, upper = row.lower, row.upper
    if kind.endswith("_sd"):  # the row's bounds are about the variance
        lower = math.sqrt(max(lower, 0.0)) if lower > -math.inf else 0.0
        upper = math.sqrt(upper) if math.isfinite(upper) and upper > 0 else math.inf
    if kind == "correlation":
        lower, upper = -1.0, 1.0
    support = prior.support
    if kind == "correlation" and prior.family in ("beta", "lkj"):
        support = (-1.0, 1.0)  # stretched to where correlations live
    lower, upper = max(lower, support[0]), min(upper, support[1])
    if not lower < upper:
        raise PriorError(f"{row.name}: prior {prior} and bounds leave nothing between them")
    return lower, upper


def _signed(structure: Structure) -> set[int]:
    """Rows of loadings that fix the sign of a construct whose scale is not set by a marker."""
    table = structure.table
    rows: set[int] = set()
    for group in range(len(table.groups)):
        for name in table.latent:
            own = [
                (k, r)
                for k, r in enumerate(table.rows)
                if r.op == "=~" and r.lhs == name and r.group == group
            ]
            if any(r.free < 0 and r.value for _, r in own):
                continue
            bounded = any(r.free >= 0 and (r.lower >= 0 or r.upper <= 0) for _, r in own)
            free = [k for k, r in own if r.free >= 0]
            if free and not bounded:
                rows.add(free[0])
    return rows


def _components(edges: set[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Connected components of a graph given by its edges, each sorted."""
    neighbours: dict[int, set[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    out, seen = [], set()
    for start in sorted(neighbours):
        if start in seen:
            continue
        component, todo = {start}, [start]
        while todo:
            for other in neighbours[todo.pop()] - component:
                component.add(other)
                todo.append(other)
        seen |= component
        out.append(tuple(sorted(component)))
    return out


def build_space(
    structure: Structure,
    *,
    means: np.ndarray,
    sds: np.ndarray,
    covariances: np.ndarray,
    group_means: np.ndarray,
    priors: Mapping[str, str | Prior] | None = None,
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

    Raises
    ------
    PriorError, ModelError
        For priors that do not suit their parameter; covariances of variables without variance.
    """
    given = dict(priors or {})
    check_prior_names(structure, given)
    table = structure.table
    scales = latent_scales(structure, sds)
    signed = _signed(structure)
    stride_elements = _base(structure, covariances, group_means)

    variance_row: dict[tuple[str, int, int], int] = {}  # (matrix, group, position) -> row
    for k, place in structure.places.items():
        if place.matrix in ("disturbances", "residuals") and place.i == place.j:
            variance_row[place.matrix, place.group, place.i] = k

    def name_of(k: int) -> str:
        return table.parameters[table.rows[k].free]

    rows_of: dict[str, list[int]] = {}
    for k in structure.places:
        if table.rows[k].free >= 0:
            rows_of.setdefault(name_of(k), []).append(k)

    kinds = {
        name: _parameter_kind(name, rows, structure, variance_row) for name, rows in rows_of.items()
    }
    chosen: dict[str, Prior | None] = {}
    for name, rows in rows_of.items():
        priors_here = {
            p
            for k in rows
            if (p := _user_prior(table.rows[k], name, kinds[name], given)) is not None
        }
        if len(priors_here) > 1:
            raise PriorError(f"{name} has several priors: {', '.join(map(str, priors_here))}")
        chosen[name] = next(iter(priors_here), None)

    blocks, proper = _blocks(structure, rows_of, kinds, chosen)
    block_of = {name: b for b, block in enumerate(blocks) for name in block.names}
    coordinates = []
    for kind in KINDS:
        members = [name for name in rows_of if kinds[name] == kind]
        if kind == "correlation":  # blocks first, contiguous and in their own order
            inside = [name for block in blocks for name in block.names]
            members = inside + [name for name in members if name not in block_of]
        for name in members:
            k = rows_of[name][0]
            row, place = table.rows[k], structure.places[k]
            prior = chosen[name]
            if prior is None:
                if kind == "covariance":
                    prior = default_prior("covariance", scale=_covariance_scale(place, scales, sds))
                else:
                    prior = _default(row, place, structure, scales, (means, sds))
            if prior.family == "lkj" and kind != "correlation":
                raise PriorError(f"{name}: lkj is a prior of correlations, not of a {kind}")
            lower, upper = _bounds(row, kind, prior)
            if signed & set(rows_of[name]):
                lower = max(lower, 0.0)
            if name in block_of:
                prior = Prior("lkj", eta=blocks[block_of[name]].eta)
            coordinates.append(
                Coordinate(name, kind, prior, lower, upper, block_of.get(name, -1))
            )

    cells, cell_of_row, places = [], {}, []
    index: dict[tuple, int] = {}
    for k, place in structure.places.items():
        row = table.rows[k]
        if row.free < 0:
            continue
        name = name_of(k)
        if kinds[name].endswith("_sd"):
            cell: tuple[str, Term, Term, Term] = ("square", name, 1.0, 1.0)
        elif kinds[name] == "correlation":
            sd = [
                _sd_term(table.rows[variance_row[place.matrix, place.group, i]], name_of, variance_row[place.matrix, place.group, i])
                for i in (place.i, place.j)
            ]
            cell = ("covariance", name, *sd)
        else:
            cell = ("direct", name, 1.0, 1.0)
        at = index.setdefault(cell, len(cells))
        if at == len(cells):
            cells.append(cell)
        cell_of_row[k] = at
        places.extend((at, e) for e in structure.element(place))
    return Space(
        tuple(coordinates),
        tuple(blocks),
        tuple(proper),
        tuple(cells),
        cell_of_row,
        stride_elements,
        tuple(places),
    )


def _sd_term(row: Parameter, name_of, k: int) -> Term:
    return name_of(k) if row.free >= 0 else math.sqrt(float(row.value or 0.0))


def _covariance_scale(place: Place, scales: np.ndarray, sds: np.ndarray) -> float:
    source = scales if place.matrix == "disturbances" else sds
    return float(source[place.i] * source[place.j])


def _base(structure: Structure, covariances: np.ndarray, group_means: np.ndarray) -> np.ndarray:
    """Flat matrices of all groups with every fixed value, moments of covariates included."""
    from bayessem.structure import matrix_offsets

    table = structure.table
    _, stride = matrix_offsets(*structure.shape)
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
    kinds = {_kind(table.rows[k], structure.places[k]) for k in rows}
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
        scales.add(frozenset(map(str, pair)))
    # Equal covariances of variables with different variances are not equal correlations.
    return "correlation" if len(scales) == 1 else "covariance"


def _blocks(
    structure: Structure,
    rows_of: dict[str, list[int]],
    kinds: dict[str, str],
    chosen: dict[str, Prior | None],
) -> tuple[list[Block], list[tuple[int, int, tuple[int, ...]]]]:
    """Complete blocks (sampled as partial correlations) and blocks that have to be checked."""
    table = structure.table
    blocks: list[Block] = []
    proper: list[tuple[int, int, tuple[int, ...]]] = []
    for code, matrix in enumerate(("disturbances", "residuals")):
        for group in range(len(table.groups)):
            edges: dict[tuple[int, int], str | None] = {}
            for k, place in structure.places.items():
                if place.matrix == matrix and place.group == group and place.i != place.j:
                    row = table.rows[k]
                    pair = (max(place.i, place.j), min(place.i, place.j))
                    if row.free >= 0:
                        edges[pair] = table.parameters[row.free]
                    elif row.value and not row.exogenous:
                        edges[pair] = None
            for component in _components(set(edges)):
                size = len(component)
                pairs = [(component[i], component[j]) for i in range(size) for j in range(i)]
                names = [edges.get(pair) for pair in pairs]
                etas = {
                    p.arguments[0] if p is not None else 1.0
                    for n in names
                    if n is not None
                    and ((p := chosen[n]) is None or p.family == "lkj")
                }
                whole = (
                    all(
                        n is not None
                        and len(rows_of[n]) == 1
                        and kinds[n] == "correlation"
                        and (chosen[n] is None or chosen[n].family == "lkj")
                        for n in names
                    )
                    and len(etas) == 1
                )
                if whole and size > 2:
                    blocks.append(Block(etas.pop(), size, tuple(n for n in names if n)))
                elif size > 2 or any(n is None or kinds[n] == "covariance" for n in names):
                    proper.append((code, group, component))
    return blocks, proper
