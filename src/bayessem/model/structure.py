"""From the parameter table to the model matrices: which row sits where, and what is fixed.

LISREL's layout with lavaan's promotion: an observed variable with a structural role is a latent
variable with loading 1 and residual 0, so that paths and disturbances are about `variables` alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bayessem.errors import ModelError
from bayessem.likelihood.products import ProductPlan, plan_products
from bayessem.syntax.parameters import NU, Parameter, ParameterTable
from bayessem.syntax.responses import SHAPE_BOUNDS

MATRICES = (
    "loadings",
    "paths",
    "disturbances",
    "residuals",
    "intercepts",
    "means",
    "products",
    "thresholds",
    "shapes",
)


def matrix_shapes(p: int, m: int, h: int, t: int = 0, d: int = 0) -> dict[str, tuple[int, ...]]:
    """Shape of each model matrix: p observed, m latent variables, h products, t thresholds.

    d : numbers that distributions have beside means and variances, which come last: degrees of
        freedom of respondents with heavy tails, or `Responses.shapes` in their order.
    """
    return {
        "loadings": (p, m),
        "paths": (m, m),
        "disturbances": (m, m),
        "residuals": (p, p),
        "intercepts": (p,),
        "means": (m,),
        "products": (m, h),
        "thresholds": (t,),
        "shapes": (d,),
    }


def matrix_offsets(p: int, m: int, h: int, t: int = 0, d: int = 0) -> tuple[dict[str, int], int]:
    """Where each matrix starts inside one group's elements, and how many elements a group has."""
    offsets, at = {}, 0
    for name, shape in matrix_shapes(p, m, h, t, d).items():
        offsets[name] = at
        at += math.prod(shape)
    return offsets, at


@dataclass(frozen=True)
class Place:
    """Where a row of the table sits: the matrix, row and column (0 in a vector) and group."""

    matrix: str
    i: int
    j: int
    group: int


@dataclass(frozen=True)
class Composite:
    """A composite of observed items in one group.

    Attributes
    ----------
    variable : int
        Its place among the variables.
    items : tuple of int
        Columns of its items.
    weights : tuple of int
        Rows of the table with their weights.
    group : int
    """

    variable: int
    items: tuple[int, ...]
    weights: tuple[int, ...]
    group: int


@dataclass(frozen=True)
class RandomSlope:
    """A path of level 1 whose coefficient is a variable of level 2.

    Attributes
    ----------
    outcome, predictor : int
        Where the path leads to and comes from, as positions in `Structure.variables`.
    column : int
        The predictor's column of the data, -1 where it is not observed: a construct, or the within
        part of a variable at both levels.
    slope : int
        The variable of level 2, by its position in `Structure.variables`.
    """

    outcome: int
    predictor: int
    column: int
    slope: int


@dataclass(frozen=True)
class Structure:
    """The matrices of a model.

    Attributes
    ----------
    table : ParameterTable
    observed : tuple of str
        The p columns of the data, in the order of the rows of `loadings`.
    variables : tuple of str
        The m latent variables: constructs, then promoted observed variables.
    products : tuple of tuple of int
        The factors of the h product terms as positions in `variables`; two or more each.
    places : dict
        Place of each row of the table that sits in a matrix, by the row's position.
    """

    table: ParameterTable
    observed: tuple[str, ...]
    variables: tuple[str, ...]
    products: tuple[tuple[int, ...], ...]
    places: dict[int, Place]

    @cached_property
    def rows_of_groups(self) -> tuple[dict[int, Place], ...]:
        """Places by row of the table, of each group."""
        found: list[dict[int, Place]] = [{} for _ in self.table.groups]
        for k, place in self.places.items():
            found[place.group][k] = place
        return tuple(found)

    @cached_property
    def composites(self) -> tuple[Composite, ...]:
        """The composites, group by group; what they fill in the matrices is in composites.py."""
        column = {name: i for i, name in enumerate(self.observed)}
        rows = self.table.rows
        return tuple(
            Composite(
                self.variables.index(name),
                tuple(column[item] for item in items),
                tuple(
                    next(
                        k
                        for k, r in enumerate(rows)
                        if (r.lhs, r.op, r.rhs, r.group) == (name, "<~", item, g)
                    )
                    for item in items
                ),
                g,
            )
            for g in range(len(self.table.groups))
            for name, items in self.table.composites
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(p, m, h)."""
        return len(self.observed), len(self.variables), len(self.products)

    @property
    def thresholds(self) -> int:
        """How many thresholds the ordered variables have together."""
        return sum(self.table.responses.thresholds.values())

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """What the shapes of the matrices depend on: (p, m, h, t, d) of `matrix_shapes`."""
        shapes = len(self.table.responses.shapes)
        return (*self.shape, self.thresholds, shapes + int(self.table.heavy_tailed))

    @property
    def threshold_at(self) -> dict[str, int]:
        """Where the thresholds of each ordered variable start in the vector `thresholds`."""
        out, at = {}, 0
        for name, count in self.table.responses.thresholds.items():
            out[name] = at
            at += count
        return out

    @property
    def shape_at(self) -> dict[str, int]:
        """Where the shapes of each response that has some start in the vector `shapes`."""
        out: dict[str, int] = {}
        for at, (name, _) in enumerate(self.table.responses.shapes):
            out.setdefault(name, at)
        return out

    @property
    def offsets(self) -> tuple[dict[str, int], int]:
        """Where each matrix starts inside one group's elements, and how many a group has."""
        return matrix_offsets(*self.sizes)

    def element_of(self, matrix: str, i: int, j: int, group: int) -> tuple[int, ...]:
        """Positions of an entry of a matrix in the flat elements; see `element`."""
        return self.element(Place(matrix, i, j, group))

    def element(self, place: Place) -> tuple[int, ...]:
        """Positions of a place in the flat elements: two for an off-diagonal symmetric one."""
        offsets, stride = self.offsets
        shape = matrix_shapes(*self.sizes)[place.matrix]
        start = place.group * stride + offsets[place.matrix]
        if len(shape) == 1:
            return (start + place.i,)
        first = start + place.i * shape[1] + place.j
        if place.matrix in ("disturbances", "residuals") and place.i != place.j:
            return first, start + place.j * shape[1] + place.i
        return (first,)

    def matrices(self, elements: np.ndarray, group: int = 0) -> dict[str, np.ndarray]:
        """Views of one group's matrices inside flat elements (..., elements)."""
        offsets, stride = self.offsets
        lead = elements.shape[:-1]
        out = {}
        for name, shape in matrix_shapes(*self.sizes).items():
            start = group * stride + offsets[name]
            part = elements[..., start : start + math.prod(shape)]
            out[name] = part.reshape(*lead, *shape)
        return out

    def descendants(self, start: set[int]) -> set[int]:
        """The variables that depend on those in `start` through any path, themselves included."""
        edges: dict[int, set[int]] = {}
        for place in self.places.values():
            if place.matrix == "paths":
                edges.setdefault(place.j, set()).add(place.i)
        found, todo = set(start), list(start)
        while todo:
            for child in edges.get(todo.pop(), ()):
                if child not in found:
                    found.add(child)
                    todo.append(child)
        return found

    @property
    def observed_factors(self) -> dict[int, int]:
        """Column of the data of each factor of a product that is an observed variable."""
        column = {name: i for i, name in enumerate(self.observed)}
        factors = sorted({i for pair in self.products for i in pair})
        names = self.variables
        return {i: column[names[i]] for i in factors if names[i] in column}

    @property
    def slopes(self) -> tuple[RandomSlope, ...]:
        """Where the random slopes of a two-level model are; the same in all groups."""
        at = {name: i for i, name in enumerate(self.variables)}
        alone = set(self.observed) - set(self.table.split)
        column = {name: i for i, name in enumerate(self.observed) if name in alone}
        return tuple(
            RandomSlope(at[row.lhs], at[row.rhs], column.get(row.rhs, -1), at[row.slope])
            for row in self.table.rows
            if row.slope and row.group == 0
        )

    @property
    def slopes_on_nodes(self) -> tuple[str, ...]:
        """The random slopes of predictors that are not observed, which are integrated out."""
        found = (self.variables[s.slope] for s in self.slopes if s.column < 0)
        return tuple(dict.fromkeys(found))

    @cached_property
    def randomly_moved(self) -> tuple[frozenset[int], frozenset[int]]:
        """Latent and observed variables that random slopes lead to at level 1.

        Their variance there depends on the predictors' values.
        """
        latent = self.descendants({s.outcome for s in self.slopes})
        observed = {
            p.i
            for p in self.places.values()
            if p.matrix == "loadings" and p.group % 2 == 0 and p.j in latent
        }
        observed |= {
            i
            for i, x in enumerate(self.observed)
            if x in self.variables and self.variables.index(x) in latent
        }
        return frozenset(latent), frozenset(observed)

    @property
    def determined(self) -> frozenset[int]:
        """Latent factors of products without a disturbance that no path explains, only products."""
        random = set(self.observed_factors)
        for k, place in self.places.items():
            if place.matrix not in ("disturbances", "paths"):
                continue
            row = self.table.rows[k]
            if row.free >= 0 or row.value:
                random.add(place.i)
        return frozenset(i for pair in self.products for i in pair) - random

    @property
    def outcomes(self) -> list[set[int]]:
        """For each product term, the variables that it explains itself."""
        outcomes: list[set[int]] = [set() for _ in self.products]
        for place in self.places.values():
            if place.matrix == "products":
                outcomes[place.j].add(place.i)
        return outcomes

    @property
    def affected(self) -> list[set[int]]:
        """For each product term, the variables that depend on it."""
        return [self.descendants(x) for x in self.outcomes]

    def parts_of(self, variable: int) -> tuple[int, ...]:
        """What a factor of a product is for the likelihood, as positions in `by_items.variables`.

        The items of a composite, else the variable itself.
        """
        items = dict(self.table.composites).get(self.variables[variable])
        if items is None:
            return (variable,)
        factors = {self.variables[i] for pair in self.products for i in pair}
        added = [x for name, own in self.table.composites if name in factors for x in own]
        return tuple(len(self.variables) + added.index(x) for x in items)

    @cached_property
    def by_items(self) -> Structure:
        """The model as the likelihood has it, with products of items (item_products.py).

        The model itself where no composite is a factor of a product.
        """
        factors = {self.variables[i] for pair in self.products for i in pair}
        items = [x for name, own in self.table.composites if name in factors for x in own]
        if not items or items[0] in self.variables:
            return self
        at = {name: len(self.variables) + k for k, name in enumerate(items)}
        terms: dict[tuple[int, ...], None] = {}
        for pair in self.products:
            for chosen in itertools.product(*map(self.parts_of, pair)):
                terms[tuple(sorted(chosen))] = None
        wide = tuple(terms)
        places: dict[int, Place] = {}
        first = len(self.table.rows)  # of products, which are behind no row of their own
        for k, place in self.places.items():
            if place.matrix == "products":
                for chosen in itertools.product(*map(self.parts_of, self.products[place.j])):
                    j = wide.index(tuple(sorted(chosen)))
                    places[first + len(places)] = replace(place, j=j)
            elif place.matrix == "intercepts" and self.observed[place.i] in at:
                places[k] = replace(place, matrix="means", i=at[self.observed[place.i]])
            else:
                places[k] = place
        for c in self.composites:
            for i, k in zip(c.items, c.weights, strict=True):
                if self.observed[i] in at:
                    places[k] = Place("paths", at[self.observed[i]], c.variable, c.group)
        return replace(self, variables=(*self.variables, *at), products=wide, places=places)

    def product_plan(self, route: str = "") -> ProductPlan:
        """How the latent variables of the product terms are integrated out; see `plan_products`."""
        if self.by_items is not self:
            return self.by_items.product_plan(route)
        return plan_products(
            self.products,
            self.affected,
            outcomes=self.outcomes,
            observed=self.observed_factors,
            determined=self.determined,
            names=self.variables,
            route=route,
        )


def _place(
    row: Parameter,
    observed: dict[str, int],
    variable: dict[str, int],
    product: dict[str, int],
    first: dict[str, int],
    shape: dict[tuple[str, str], int],
) -> Place:
    if row.op == "=~":
        j = variable[row.lhs]
        if row.rhs in variable:  # second-order factor, or an indicator with a structural role
            return Place("paths", variable[row.rhs], j, row.group)
        return Place("loadings", observed[row.rhs], j, row.group)
    if row.op in ("~", "<~"):  # a composite of constructs is a sum of them
        i = variable[row.lhs]
        if row.rhs in product:
            return Place("products", i, product[row.rhs], row.group)
        return Place("paths", i, variable[row.rhs], row.group)
    if row.op == "~~":
        if row.lhs in variable and row.rhs in variable:
            return Place("disturbances", variable[row.lhs], variable[row.rhs], row.group)
        if row.lhs in variable or row.rhs in variable:
            raise ModelError(
                f"{row.lhs} ~~ {row.rhs}: a residual of an indicator cannot covary with the "
                "disturbance of a construct; write a path between them instead"
            )
        return Place("residuals", observed[row.lhs], observed[row.rhs], row.group)
    if row.op == NU:
        return Place("shapes", 0, 0, row.group)
    if row.op == "|" and row.rhs in SHAPE_BOUNDS:
        return Place("shapes", shape[row.lhs, row.rhs], 0, row.group)
    if row.op == "|":
        return Place("thresholds", first[row.lhs] + int(row.rhs[1:]) - 1, 0, row.group)
    if row.lhs in variable:
        return Place("means", variable[row.lhs], 0, row.group)
    return Place("intercepts", observed[row.lhs], 0, row.group)


def build_structure(table: ParameterTable) -> Structure:
    """Lay a parameter table out in matrices.

    Raises
    ------
    ModelError
        For a covariance between an indicator's residual and a construct.
    """
    observed = {name: i for i, name in enumerate(table.observed)}
    variables = (*table.latent, *(x for x in table.promoted if x in observed))
    variable = {name: i for i, name in enumerate(variables)}
    product = {name: t for t, (name, _) in enumerate(table.products)}
    terms = tuple(tuple(variable[x] for x in factors) for _, factors in table.products)
    empty = Structure(table, table.observed, variables, terms, {})
    shape = {pair: at for at, pair in enumerate(table.responses.shapes)}
    places = {
        k: _place(row, observed, variable, product, empty.threshold_at, shape)
        for k, row in enumerate(table.rows)
        if _has_place(row, table)
    }
    _check_factors(table)
    return replace(empty, places=places)


def _has_place(row: Parameter, table: ParameterTable) -> bool:
    """Weights and item moments of composites fill several elements together (composites.py)."""
    if row.op == "<~" or (row.op == "~~" and row.lhs in table.items):
        return row.rhs in table.latent
    return row.op in ("=~", "~", "~~", "~1", "|", NU)


def _check_factors(table: ParameterTable) -> None:
    """A construct in a product must not be its one indicator less a constant.

    The integral over it would be of a density without width.
    """
    factors = {name: product for product, pair in table.products for name in pair}
    exact = {
        r.lhs
        for r in table.rows
        if r.op == "~~"
        and r.lhs == r.rhs
        and r.free < 0
        and r.value == 0
        and r.lhs in table.observed
    }
    for row in table.rows:
        if row.op == "=~" and row.lhs in factors and row.rhs in exact and row.value != 0.0:
            raise ModelError(
                f"construct {row.lhs!r} is a factor of {factors[row.lhs]} and measured without "
                f"error by {row.rhs!r}: write {row.rhs} itself in place of {row.lhs}, or give it "
                f"an error variance ({row.rhs} ~~ v*{row.rhs} with a number v)"
            )


def latent_values(
    structure: Structure, matrices: Mapping[str, np.ndarray], own: np.ndarray
) -> np.ndarray:
    """Latent variables (..., n, m) that solve the structural equations, product terms included.

    Parameters
    ----------
    structure : Structure
        The model.
    matrices : mapping of str to ndarray (..., rows, columns)
        Its matrices in one group, of one draw or many.
    own : ndarray (..., n, m)
        What each equation adds of its own: intercept and disturbance.
    """
    total = np.linalg.inv(np.eye(own.shape[-1]) - matrices["paths"])
    eta = own @ np.swapaxes(total, -1, -2)
    if structure.products:
        weights = total @ matrices["products"]
        for t in product_order(structure):
            product = np.prod(eta[..., list(structure.products[t])], axis=-1)
            eta = eta + product[..., None] * weights[..., None, :, t]
    return eta


def product_order(structure: Structure) -> list[int]:
    """Product terms in an order in which each depends on earlier ones only.

    Raises
    ------
    ModelError
        When products depend on each other in a circle.
    """
    affected = structure.affected
    waiting = list(range(len(structure.products)))
    order: list[int] = []
    while waiting:
        ready = [
            t for t in waiting if not any(set(structure.products[t]) & affected[s] for s in waiting)
        ]
        if not ready:
            names = [structure.table.products[t][0] for t in waiting]
            raise ModelError(
                f"the product terms {', '.join(names)} depend on each other in a circle"
            )
        order += ready
        waiting = [t for t in waiting if t not in ready]
    return order


def parameter_groups(structure: Structure) -> list[frozenset[int]]:
    """The groups in whose matrices each free parameter of the table stands.

    Both levels of a group count as one: they meet in the likelihood.
    """
    found: list[set[int]] = [set() for _ in structure.table.parameters]
    groups = {k: place.group for k, place in structure.places.items()}
    groups |= {k: c.group for c in structure.composites for k in c.weights}
    for k, group in groups.items():
        free = structure.table.rows[k].free
        if free >= 0:
            found[free].add(group // structure.table.levels)
    return [frozenset(own) for own in found]


def moved_together(groups: Sequence[frozenset[int]]) -> list[list[int]]:
    """Parameters in batches of which no two stand in one group.

    They do not meet in the likelihood or in a group's moments: derivatives of all that are in a
    batch cost one evaluation.
    """
    batches: list[tuple[list[int], set[int]]] = []
    for i, own in enumerate(groups):
        batch = next((b for b in batches if not b[1] & own), None)
        if batch is None:
            batches.append(([i], set(own)))
        else:
            batch[0].append(i)
            batch[1].update(own)
    return [members for members, _ in batches]
