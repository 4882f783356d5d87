"""What composites put into the matrices, and the coordinates of their weights.

A composite c = w'x of items x with covariance S is a latent variable that its items determine::

    x = nu + lambda (c - w'nu) + e     lambda = S w / q     Cov(e) = S - S w w'S / q     q = w'S w

Cov(e) has no variance along w. All else is related to x through c, so the likelihood of (x, y) is
that of (c, y) times that of e given c, which is saturated and holds no other parameter: lambda and
Cov(e) are those of the sample, for every w, and the variance of c (or of its disturbance) is free.
The maximum is lavaan's with the moments of the items fixed to those of the sample; as a posterior,
it is what integrating the saturated part out gives, but for a power of order 1 / n.

Where items have missing values, respondents enter by what they have (normal theory by pattern), and
S is that of the saturated model of all observed variables, found by EM. That is the moment which
estimates with complete items have, but no longer the value at which the likelihood of the whole
model is highest, and its uncertainty is not in the posterior; both are of the order of the square
of the share of information that is missing (measured in docs/composites.md).

The likelihood knows a direction of the weights; one weight of 1 is a scale. Sampled is the
direction, a point of the unit sphere in stereographic projection: with all weights a multiple of
B (1 - |t|^2, 2 t), where B'(W'S W)B = I and the first column of B (the pole) is the direction that
the other variables explain best, t is near 0 and nearly normal whichever weight is 1 and however
small it is. The prior is uniform over the directions in this metric (t has a multivariate t
distribution), which depends neither on the pole nor on units or order. A direction and its opposite
are the same weights. Paths and disturbances of a composite are sampled for its variance being 1.

Schamberger, T., Schuberth, F., Henseler, J. & Rosseel, Y. (2025). Factor- and composite-based
structural equation modeling. arXiv:2508.06112
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.linalg import eigh

from bayessem.errors import DataError, NotSupported
from bayessem.model.cells import Factor, Number, Term
from bayessem.model.composite_means import group_levels
from bayessem.model.data import Sample
from bayessem.model.saturated import saturate
from bayessem.model.structure import Composite, Structure

# A fixed weight that counts as 0 beside the others would make them endless.
LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Direction:
    """Coordinates of the weights of one composite, or of several that share some.

    Attributes
    ----------
    names : tuple of str
        The n free weights.
    basis : ndarray (n + 1, n + 1)
        (1, weights) is a multiple of basis @ (1 - |t|^2, 2 t), t the coordinates.
    """

    names: tuple[str, ...]
    basis: np.ndarray

    def weights(self, coordinates: np.ndarray) -> np.ndarray:
        """Free weights (..., n) from their coordinates (..., n)."""
        first = 1.0 - np.sum(coordinates**2, axis=-1, keepdims=True)
        whole = np.concatenate([first, 2.0 * coordinates], axis=-1) @ self.basis.T
        return whole[..., 1:] / whole[..., :1]

    def coordinates(self, weights: np.ndarray) -> np.ndarray:
        """Coordinates (n,) of free weights (n,)."""
        whole = np.linalg.solve(self.basis, np.concatenate([[1.0], weights]))
        whole *= (1.0 if whole[0] >= 0 else -1.0) / np.linalg.norm(whole)
        return whole[1:] / (1.0 + whole[0])


@dataclass(frozen=True)
class Filled:
    """What the composites of a model put where.

    Attributes
    ----------
    numbers : tuple of Number
        In the order in which they can be computed.
    cells : dict
        Terms by element of the flat matrices.
    means : dict
        Number that is the mean of a composite, by group and variable.
    spread, inverse_spread : dict
        Number that is the standard deviation of a composite in the scale of its weights, and 1
        over it, by group and variable; also of constructs that have their scale from a composite.
    """

    numbers: tuple[Number, ...] = ()
    cells: dict[int, tuple[Term, ...]] = field(default_factory=dict)
    means: dict[tuple[int, int], str] = field(default_factory=dict)
    spread: dict[tuple[int, int], str] = field(default_factory=dict)
    inverse_spread: dict[tuple[int, int], str] = field(default_factory=dict)


def item_covariances(structure: Structure, sample: Sample) -> tuple[np.ndarray, ...]:
    """Covariances (divisor n) of the items of each of `structure.composites`.

    With missing values those of the saturated model of all observed variables (full-information
    maximum likelihood), as they are of covariates that have some.

    Raises
    ------
    DataError
        For items of which one is a sum of others, and for missing values of the items of a
        composite that is a factor of a product.
    """
    out, whole = [], dict[int, np.ndarray]()
    factors = {j for product in structure.products for j in product}
    for c in structure.composites:
        names = [structure.observed[i] for i in c.items]
        columns = [sample.variables.index(name) for name in names]
        members = sample.group == c.group
        values = sample.values[members][:, columns]
        absent = np.isnan(values)
        composite = structure.variables[c.variable]
        if not absent.any():
            weights = None if sample.weights is None else sample.weights[members]
            covariance = np.cov(values.T, bias=True, aweights=weights)
        elif c.variable in factors:
            n, worst = int(absent.any(axis=1).sum()), names[int(absent.sum(axis=0).argmax())]
            raise DataError(
                f"{n} respondents lack an item of the composite {composite!r} (most often "
                f"{worst}), which is a factor of a product: squares and products of weighted sums "
                "need all items; use missing='listwise', or impute them before the fit"
            )
        else:
            if c.group not in whole:
                whole[c.group] = _saturated_covariance(sample, c.group)
            covariance = whole[c.group][np.ix_(columns, columns)]
        sd = np.sqrt(np.diag(covariance))
        if (sd == 0).any() or np.linalg.eigvalsh(covariance / np.outer(sd, sd))[0] < 1e-10:
            raise DataError(
                f"the items of the composite {composite!r} ({', '.join(names)}) are linearly "
                "dependent (one is constant, or a sum of others), so their weights cannot be told "
                "apart; leave one out"
            )
        out.append(covariance)
    return tuple(out)


def _saturated_covariance(sample: Sample, group: int) -> np.ndarray:
    """Covariances (p, p) of all observed variables of a group that miss some values."""
    found = saturate(sample, group=group)
    if not found.converged:
        raise DataError(
            "the covariances of the items of composites, some of which are missing, were not found "
            f"in {found.iterations} steps of EM: too many values are missing together; use "
            "missing='listwise', or impute them before the fit"
        )
    return found.covariance


def _design(structure: Structure, composite: Composite, names: Sequence[str]) -> np.ndarray:
    """W (items, n + 1) of a composite: its weights are W (1, free weights)."""
    out = np.zeros((len(composite.items), len(names) + 1))
    for i, k in enumerate(composite.weights):
        row = structure.table.rows[k]
        if row.free >= 0:
            out[i, 1 + names.index(structure.table.parameters[row.free])] = 1.0
        else:
            out[i, 0] = float(row.value or 0.0)
    return out


def free_weights(structure: Structure, composite: Composite) -> tuple[str, ...]:
    """Parameters that are weights of a composite."""
    rows = (structure.table.rows[k] for k in composite.weights)
    free = (structure.table.parameters[row.free] for row in rows if row.free >= 0)
    return tuple(dict.fromkeys(free))


def weight_names(structure: Structure) -> tuple[str, ...]:
    """Parameters that are weights of composites, those of a direction side by side."""
    return tuple(name for names in _families(structure) for name in names)


def _families(structure: Structure) -> list[tuple[str, ...]]:
    """Free weights of composites that share none with others, or of several that do."""
    out: list[tuple[str, ...]] = []
    for c in structure.composites:
        own = free_weights(structure, c)
        together = [names for names in out if set(names) & set(own)]
        out = [names for names in out if names not in together]
        if own:
            out.append(tuple(dict.fromkeys(x for names in (*together, own) for x in names)))
    return out


def directions(
    structure: Structure, items: Sequence[np.ndarray], covariances: np.ndarray
) -> tuple[Direction, ...]:
    """Coordinates of all free weights.

    Parameters
    ----------
    structure : Structure
        The model.
    items : sequence of ndarray
        Covariances of the items, from `item_covariances`.
    covariances : ndarray (group, p, p)
        Of all observed variables, for the pole.
    """
    out = []
    for names in _families(structure):
        size = len(names) + 1
        metric, explained = np.zeros((size, size)), np.zeros((size, size))
        for c, own in zip(structure.composites, items, strict=True):
            if not set(free_weights(structure, c)) & set(names):
                continue
            w = _design(structure, c, names)
            metric += w.T @ own @ w
            explained += w.T @ _explained(covariances[c.group], c.items) @ w
        out.append(Direction(names, _basis(metric, explained)))
    return tuple(out)


def _explained(covariance: np.ndarray, items: tuple[int, ...]) -> np.ndarray:
    """Covariance of items that all other variables explain."""
    others = [i for i in range(len(covariance)) if i not in items]
    cross = covariance[np.ix_(items, others)]
    return cross @ np.linalg.solve(covariance[np.ix_(others, others)], cross.T)


def _basis(metric: np.ndarray, explained: np.ndarray) -> np.ndarray:
    """Columns with metric I, the first the direction that is explained best, 0 or up in the 1."""
    pole = eigh(explained, metric)[1][:, -1]
    least = LEAST_SHARE / math.sqrt(metric[0, 0])
    pole = pole * (1.0 if pole[0] >= 0 else -1.0)
    root = np.linalg.cholesky(metric)
    pole[0] = max(pole[0], least)
    u = root.T @ pole
    q, _ = np.linalg.qr(np.column_stack([u, np.eye(len(u))[:, : len(u) - 1]]))
    q[:, 0] = u / np.linalg.norm(u)  # the sign that QR leaves open
    return np.linalg.solve(root.T, q)


def starting_weights(
    structure: Structure, covariances: np.ndarray
) -> tuple[dict[str, float], list[np.ndarray]]:
    """Start values of the free weights, and with them all weights of each composite."""
    items = [covariances[c.group][np.ix_(c.items, c.items)] for c in structure.composites]
    start: dict[str, float] = {}
    for one in directions(structure, items, covariances):
        own = one.weights(np.zeros(len(one.names)))
        start |= dict(zip(one.names, map(float, own), strict=True))
    rows, parameters = structure.table.rows, structure.table.parameters
    for row in rows:
        if row.op == "<~" and row.free >= 0 and row.start is not None:
            start[parameters[row.free]] = row.start
    values = [
        np.array(
            [
                start[parameters[rows[k].free]] if rows[k].free >= 0 else float(rows[k].value or 0)
                for k in c.weights
            ]
        )
        for c in structure.composites
    ]
    return start, values


def fill_composites(filled: Filled, values: Mapping[str, float], elements: np.ndarray) -> None:
    """Write into flat matrices what composites are at some values of the coordinates."""
    known = dict(values)

    def total(terms: Sequence[Term]) -> float:
        return sum(math.prod(known[f] if isinstance(f, str) else f for f in term) for term in terms)

    for number in filled.numbers:
        known[number.name] = total(number.terms) ** number.power
    for element, terms in filled.cells.items():
        elements[element] = total(terms)


def raw_cells(structure: Structure, sample: Sample, base: np.ndarray) -> Filled:
    """What composites fill in, as functions of the table's parameters (for maximum likelihood).

    base : ndarray (elements,)
        Fixed matrix elements.
    """
    out = Filled()
    covariances = item_covariances(structure, sample)
    for c, covariance in zip(structure.composites, covariances, strict=True):
        names = free_weights(structure, c)
        head: list[Factor] = [1.0, *names]
        out = _with_composite(out, structure, c, covariance, (names, head, 1.0, 1.0))
    table = structure.table

    def effect(k: int) -> Factor:
        row = table.rows[k]
        return table.parameters[row.free] if row.free >= 0 else float(row.value or 0.0)

    return with_levels(structure, base, out, effect=effect, shift=lambda name: False)[0]


def with_levels(
    structure: Structure,
    base: np.ndarray,
    filled: Filled,
    *,
    effect: Callable[[int], Factor],
    shift: Callable[[str], bool],
) -> tuple[Filled, frozenset[str]]:
    """Add what the means of composites do to others; see `group_levels`.

    Returns
    -------
    filled : Filled
    shifted : frozenset of str
        Intercepts that are sampled at the means.
    """
    shifted: set[str] = set()
    for g in sorted({group for group, _ in filled.means}):
        means = {v: name for (group, v), name in filled.means.items() if group == g}
        found = group_levels(structure, base, g, effect=effect, means=means, shift=shift)
        filled = _adding(filled, found.numbers, found.cells)
        shifted |= found.shifted
    return filled, frozenset(shifted)


def sampled_cells(
    structure: Structure, items: Sequence[np.ndarray], chosen: Sequence[Direction]
) -> Filled:
    """What composites fill in, as functions of the coordinates of directions."""
    out, heads = Filled(), {}
    for one in chosen:
        label = one.names[0]
        head = [f"{k} of the weights from {label}" for k in range(len(one.names) + 1)]
        along = f"along the pole of {label}"
        numbers = [Number(along, ((1.0, 1.0, 1.0), *((n, n, -1.0) for n in one.names)))]
        numbers += [
            Number(name, ((along, float(row[0]), 1.0), *((n, float(b), 2.0) for n, b in pairs)))
            for name, row in zip(head, one.basis, strict=True)
            for pairs in [list(zip(one.names, row[1:], strict=True))]
        ]
        numbers.append(Number(f"1 over {head[0]}", ((head[0], 1.0, 1.0),), -1.0))
        out = _adding(out, numbers)
        for name in one.names:
            heads[name] = (one.names, head, head[0], numbers[-1].name)
    for c, covariance in zip(structure.composites, items, strict=True):
        names = free_weights(structure, c)
        given = heads[names[0]] if names else ((), [1.0], 1.0, 1.0)
        out = _with_composite(out, structure, c, covariance, given)
    return _with_markers(out, structure)


def _with_markers(filled: Filled, structure: Structure) -> Filled:
    """Spreads of constructs whose scale is that of a composite that measures them."""
    spread, inverse_spread = dict(filled.spread), dict(filled.inverse_spread)
    for key, of in scaled_by_composites(structure).items():
        spread[key], inverse_spread[key] = spread[of], inverse_spread[of]
    return replace(filled, spread=spread, inverse_spread=inverse_spread)


def scaled_by_composites(structure: Structure) -> dict[tuple[int, int], tuple[int, int]]:
    """Constructs of which a composite is the marker, and that composite: group and variable."""
    owner = {(c.group, c.variable): (c.group, c.variable) for c in structure.composites}
    own = frozenset(owner)
    found = bool(owner)
    while found:
        found = False
        for k, place in structure.places.items():
            row, key = structure.table.rows[k], (place.group, place.j)
            measured = row.op == "=~" and place.matrix == "paths"
            marker = measured and row.free < 0 and row.value == 1.0
            if marker and key not in owner and (place.group, place.i) in owner:
                owner[key] = owner[place.group, place.i]
                found = True
    return {key: of for key, of in owner.items() if key not in own}


def _adding(
    filled: Filled, numbers: Sequence[Number], cells: Mapping[int, tuple[Term, ...]] | None = None
) -> Filled:
    return replace(
        filled,
        numbers=(*filled.numbers, *numbers),
        cells={**filled.cells, **(cells or {})},
    )


def _with_composite(
    filled: Filled,
    structure: Structure,
    composite: Composite,
    covariance: np.ndarray,
    given: tuple[Sequence[str], Sequence[Factor], Factor, Factor],
) -> Filled:
    """Add one composite: numbers, and cells of its loadings, residuals and means.

    given : free weights, and names of h = (h0, ...), of h0 and of 1 / h0, with weights W h / h0.
    """
    names, head, first, inverse_first = given
    where = f"{structure.variables[composite.variable]} {composite.group}"
    design = _design(structure, composite, names)
    moved = covariance @ design  # S W
    t = [f"{where}: S w of {i}" for i in range(len(design))]
    numbers = [Number(n, _sum(head, row)) for n, row in zip(t, moved, strict=True)]
    q, inverse = f"{where}: w'S w", f"{where}: 1 / w'S w"
    square: list[Term] = [
        (h, t[i], float(w))
        for i, row in enumerate(design)
        for h, w in zip(head, row, strict=True)
        if w
    ]
    root = f"{where}: 1 / sd"
    numbers += [
        Number(q, tuple(square)),
        Number(inverse, ((q, 1.0, 1.0),), -1.0),
        Number(f"-{inverse}", ((inverse, -1.0, 1.0),)),
        Number(root, ((q, 1.0, 1.0),), -0.5),
        Number(f"{where}: sd", ((q, root, inverse_first),)),
        Number(f"{where}: 1 over sd", ((root, first, 1.0),)),
    ]
    cells = _item_cells(structure, composite, covariance, t, (first, inverse))
    more, levels = _level_cells(structure, composite, design, (head, first, inverse_first), t)
    out = _adding(filled, [*numbers, *more], {**cells, **levels})
    key = composite.group, composite.variable
    if more:
        out.means[key] = f"{where}: mean"
    out.spread[key], out.inverse_spread[key] = f"{where}: sd", f"{where}: 1 over sd"
    return out


def _sum(head: Sequence[Factor], by: np.ndarray) -> tuple[Term, ...]:
    return tuple((h, float(b), 1.0) for h, b in zip(head, by, strict=True))


def _item_cells(
    structure: Structure,
    composite: Composite,
    covariance: np.ndarray,
    t: Sequence[str],
    given: tuple[Factor, str],
) -> dict[int, tuple[Term, ...]]:
    """Loadings S w / q and residual covariances S - S w w'S / q, by element."""
    first, inverse = given
    cells: dict[int, tuple[Term, ...]] = {}
    for a, i in enumerate(composite.items):
        (at,) = structure.element_of("loadings", i, composite.variable, composite.group)
        cells[at] = ((t[a], first, inverse),)
        for b, j in enumerate(composite.items[: a + 1]):
            for at in structure.element_of("residuals", i, j, composite.group):
                cells[at] = ((float(covariance[a, b]), 1.0, 1.0), (t[a], t[b], f"-{inverse}"))
    return cells


def _level_cells(
    structure: Structure,
    composite: Composite,
    design: np.ndarray,
    given: tuple[Sequence[Factor], Factor, Factor],
    t: Sequence[str],
) -> tuple[list[Number], dict[int, tuple[Term, ...]]]:
    """The mean w'nu of the composite, and what its items' intercepts become for it."""
    head, first, inverse_first = given
    nu = _item_means(structure, composite)
    if not nu:
        return [], {}
    where = f"{structure.variables[composite.variable]} {composite.group}"
    weights = [f"{where}: weight {i}" for i in range(len(design))]
    numbers = [
        Number(
            name,
            tuple((h, float(w), inverse_first) for h, w in zip(head, row, strict=True)),
        )
        for name, row in zip(weights, design, strict=True)
    ]
    mean = f"{where}: mean"
    numbers.append(Number(mean, tuple((n, w, 1.0) for n, w in zip(nu, weights, strict=True))))
    numbers.append(Number(f"-{mean}", ((mean, first, -1.0),)))
    (at,) = structure.element_of("means", composite.variable, 0, composite.group)
    cells: dict[int, tuple[Term, ...]] = {at: ((mean, 1.0, 1.0),)}
    for a, i in enumerate(composite.items):
        (at,) = structure.element_of("intercepts", i, 0, composite.group)
        cells[at] = ((nu[a], 1.0, 1.0), (t[a], f"-{mean}", f"{where}: 1 / w'S w"))
    return numbers, cells


def _item_means(structure: Structure, composite: Composite) -> list[Factor]:
    """Parameter or number that is the mean of each item, [] for a model without means."""
    table = structure.table
    found: dict[str, Factor] = {
        r.lhs: table.parameters[r.free] if r.free >= 0 else float(r.value or 0.0)
        for r in table.rows
        if r.op == "~1" and r.group == composite.group
    }
    return [found[structure.observed[i]] for i in composite.items] if found else []


def sampled_scale(structure: Structure, filled: Filled, k: int) -> tuple[Factor, ...]:
    """Numbers with which the row of a parameter multiplies it, () without a composite.

    A parameter of a composite is sampled for its standard deviation being 1.
    """
    place = structure.places[k]
    out: list[Factor] = []
    outcome = filled.spread.get((place.group, place.i))
    if place.matrix in ("paths", "products", "disturbances") and outcome is not None:
        out.append(outcome)
    causes: tuple[int, ...] = ()
    if place.matrix in ("paths", "loadings"):
        causes = (place.j,)
    elif place.matrix == "products":
        causes = structure.products[place.j]
    found = [filled.inverse_spread.get((place.group, j)) for j in causes]
    return (*out, *(name for name in found if name is not None))


def composite_values(
    structure: Structure,
    elements: np.ndarray,
    covariances: Sequence[np.ndarray],
    means: Sequence[np.ndarray],
) -> dict[int, np.ndarray]:
    """Values (...) of the rows of the table that have no place of their own, by row.

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (..., elements)
        Flat matrices.
    covariances, means : sequence of ndarray (..., p, p), (..., p)
        Implied moments of the observed variables, by group.

    Notes
    -----
    With Sigma the implied covariance of the items and v the variance of the composite,
    Sigma w = lambda v, and the scale is that of a fixed weight.
    """
    out: dict[int, np.ndarray] = {}
    rows = structure.table.rows
    for c in structure.composites:
        sigma = covariances[c.group][..., list(c.items), :][..., :, list(c.items)]
        loadings = structure.matrices(elements, c.group)["loadings"][..., list(c.items), c.variable]
        direction = np.linalg.solve(sigma, loadings[..., None])[..., 0]
        fixed = [float(rows[k].value or 0.0) if rows[k].free < 0 else 0.0 for k in c.weights]
        at = int(np.argmax(np.abs(fixed)))
        weights = direction * (fixed[at] / direction[..., at])[..., None]
        for i, k in enumerate(c.weights):
            out[k] = weights[..., i]
        position = {structure.observed[i]: i for i in c.items}
        for k, row in enumerate(rows):
            if row.group != c.group or row.lhs not in position:
                continue
            if row.op == "~~" and row.rhs in position:
                out[k] = covariances[c.group][..., position[row.lhs], position[row.rhs]]
            elif row.op == "~1":
                out[k] = means[c.group][..., position[row.lhs]]
    return out


def composite_signs(
    structure: Structure, elements: np.ndarray, covariances: Sequence[np.ndarray]
) -> dict[tuple[int, int], np.ndarray]:
    """Which draws have a composite the other way round than most, (...), by group and variable.

    The weight of 1 says which way a composite runs. Where that item may have no part in it, its
    direction hardly changes from draw to draw while the sign does: -1 for the draws on the smaller
    side of the plane across the mean direction.
    """
    out: dict[tuple[int, int], np.ndarray] = {}
    for c in structure.composites:
        items = list(c.items)
        sigma = covariances[c.group][..., items, :][..., :, items]
        sd = np.sqrt(np.diagonal(sigma, axis1=-2, axis2=-1))
        loadings = structure.matrices(elements, c.group)["loadings"][..., items, c.variable]
        weights = np.linalg.solve(sigma, loadings[..., None])[..., 0] * sd
        rows = [structure.table.rows[k] for k in c.weights]
        at = int(np.argmax([abs(r.value or 0.0) if r.free < 0 else 0.0 for r in rows]))
        weights = weights * np.sign(weights[..., at] * (rows[at].value or 1.0))[..., None]
        flat = weights.reshape(-1, len(items))
        flat = flat[np.isfinite(flat).all(axis=1)]
        unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        direction = np.linalg.eigh(unit.T @ unit)[1][:, -1]
        signs = np.where(weights @ direction < 0, -1.0, 1.0)
        out[c.group, c.variable] = signs if signs.sum() >= 0 else -signs
    return out | {key: out[of] for key, of in scaled_by_composites(structure).items()}


def refuse_composites(structure: Structure, what: str) -> None:
    """Refuse what composites do not have.

    Raises
    ------
    NotSupported
        Naming it and a composite.
    """
    if structure.composites:
        name = structure.variables[structure.composites[0].variable]
        raise NotSupported(f"{what} is not there for composites ({name} <~ ...)")


def merged(factors: Sequence[Factor], name: str) -> tuple[list[Number], tuple[Factor, Factor]]:
    """The first factor and the product of the others, as a number under this name."""
    if len(factors) <= 2:
        first, second = [*factors, 1.0, 1.0][:2]
        return [], (first, second)
    numbers, product = list[Number](), factors[1]
    for k, factor in enumerate(factors[2:]):
        numbers.append(Number(f"{name}: {k}", ((product, factor, 1.0),)))
        product = numbers[-1].name
    return numbers, (factors[0], product)
