"""Squares and products with composites, for the likelihood: polynomials of their items.

A composite c = w'x is known where its items are, so `y ~ c + c:c` needs no integral: q c^2 is the
sum of q w_k w_l x_k x_l, products of observed variables. The likelihood is given these; everything
else goes on seeing c:c and its coefficient q. For that the items of such composites are latent
variables of the likelihood's model, with loading 1 and residual 0, as all observed factors of
products are.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from bayessem.model.cells import Factor, Number, Term
from bayessem.model.space import Space
from bayessem.model.structure import Place, Structure, matrix_shapes


class _Moved:
    """Where an element of the model's matrices is in those of the likelihood."""

    def __init__(self, structure: Structure, wide: Structure) -> None:
        self.structure, self.wide = structure, wide
        offsets, self.stride = structure.offsets
        self.starts = sorted((at, name) for name, at in offsets.items())
        self.shapes = matrix_shapes(*structure.shape, structure.thresholds)
        names = {wide.variables[j]: j for j in range(len(structure.variables), len(wide.variables))}
        self.item = {i: names[x] for i, x in enumerate(structure.observed) if x in names}

    def place(self, element: int) -> Place:
        """Matrix, row, column and group of an element."""
        group, rest = divmod(element, self.stride)
        at, name = next((a, n) for a, n in reversed(self.starts) if a <= rest)
        shape = self.shapes[name]
        i, j = divmod(rest - at, shape[1]) if len(shape) == 2 else (rest - at, 0)
        return Place(name, i, j, group)

    def target(self, place: Place) -> Place:
        """The same in the likelihood's model."""
        item = self.item
        match place.matrix:
            case "loadings" if place.i in item:
                return replace(place, matrix="paths", i=item[place.i])
            case "residuals" if place.i in item and place.j in item:
                return replace(place, matrix="disturbances", i=item[place.i], j=item[place.j])
            case "intercepts" if place.i in item:
                return replace(place, matrix="means", i=item[place.i])
        return place

    def element(self, place: Place) -> int:
        """Position in the likelihood's flat matrices, of one of two symmetric ones."""
        offsets, stride = self.wide.offsets
        shape = matrix_shapes(*self.wide.shape, self.wide.thresholds)[place.matrix]
        at = place.i * shape[1] + place.j if len(shape) == 2 else place.i
        return place.group * stride + offsets[place.matrix] + at


def with_item_products(space: Space, structure: Structure) -> tuple[Space, Structure]:
    """Model and coordinates as the likelihood has them.

    The same where no composite is a factor of a product.
    """
    wide = structure.by_items
    if wide is structure:
        return space, structure
    moved = _Moved(structure, wide)
    base = np.zeros(len(structure.table.groups) * wide.offsets[1])
    coefficients: dict[tuple[int, int, int], Factor | int] = {}
    for element, value in enumerate(space.base.tolist()):
        place = moved.place(element)
        if not value:
            continue
        if place.matrix == "products":
            coefficients[place.group, place.i, place.j] = float(value)
        else:
            base[moved.element(moved.target(place))] = value
    for g in range(len(structure.table.groups)):
        for i, j in moved.item.items():
            base[moved.element(Place("loadings", i, j, g))] = 1.0
    places: list[tuple[int, int]] = []
    numbers, cells = list(space.numbers), list(space.cells)
    for cell, element in space.places:
        place = moved.place(element)
        if place.matrix == "products":
            name = f"coefficient {cell}"
            if not any(n.name == name for n in numbers):
                numbers.append(Number(name, space.cells[cell]))
            coefficients[place.group, place.i, place.j] = name
        else:
            places.append((cell, moved.element(moved.target(place))))
    weight = _weights(structure)
    known = {n.name for n in numbers}
    for (group, outcome), terms in _expanded(structure, wide, coefficients, weight).items():
        for column, parts in terms.items():
            own: list[Term] = []
            for factors in parts:
                while len(factors) > 3:
                    pair = f"{factors[1]} x {factors[2]}"
                    if pair not in known:
                        known.add(pair)
                        numbers.append(Number(pair, ((factors[1], factors[2], 1.0),)))
                    factors = (factors[0], pair, *factors[3:])
                first, second, third = (*factors, 1.0, 1.0)[:3]
                own.append((first, second, third))
            places.append((len(cells), moved.element(Place("products", outcome, column, group))))
            cells.append(tuple(own))
    return (
        replace(space, base=base, cells=tuple(cells), places=tuple(places), numbers=tuple(numbers)),
        wide,
    )


def _weights(structure: Structure) -> dict[tuple[int, int, str], str]:
    """Number that is the weight of an item, by group, composite and item's name."""
    return {
        (c.group, c.variable, structure.observed[i]): (
            f"{structure.variables[c.variable]} {c.group}: weight {k}"
        )
        for c in structure.composites
        for k, i in enumerate(c.items)
    }


def _expanded(
    structure: Structure,
    wide: Structure,
    coefficients: dict[tuple[int, int, int], Factor | int],
    weight: dict[tuple[int, int, str], str],
) -> dict[tuple[int, int], dict[int, list[tuple[Factor, ...]]]]:
    """Factors of each coefficient of the items' products, by group and outcome, then by product."""
    out: dict[tuple[int, int], dict[int, list[tuple[Factor, ...]]]] = {}
    for (group, outcome, term), coefficient in coefficients.items():
        own = out.setdefault((group, outcome), {})
        for chosen in product(*(structure.parts_of(j) for j in structure.products[term])):
            names = tuple(wide.variables[j] for j in chosen)
            weights = [
                weight[group, j, name]
                for j, name in zip(structure.products[term], names, strict=True)
                if (group, j, name) in weight
            ]
            column = wide.products.index(tuple(sorted(chosen)))
            own.setdefault(column, []).append((coefficient, *weights))
    return out
