"""A model without its product terms: what global fit indices and start values are about."""

from __future__ import annotations

from dataclasses import replace

from bayessem.model.structure import Structure, build_structure
from bayessem.syntax.expression import names
from bayessem.syntax.parameters import Parameter, ParameterTable


def without_products(table: ParameterTable) -> ParameterTable:
    """The linear counterpart of a table: every product coefficient is 0.

    Definitions and constraints that need a coefficient of a product go with it.
    """
    products = {name for name, _ in table.products}
    kept = [r for r in table.rows if not (r.op == "~" and r.rhs in products)]
    in_use = sorted({r.free for r in kept if r.free >= 0})
    position = {old: new for new, old in enumerate(in_use)}
    known = {r.label for r in kept if r.label and r.group >= 0}
    known |= {table.parameters[i] for i in in_use}
    rows: list[Parameter] = []
    for row in kept:
        if row.expression is None:
            rows.append(replace(row, free=position.get(row.free, -1)))
        elif set(names(row.expression)) <= known:
            rows.append(row)
            if row.op == ":=":
                known.add(row.lhs)
    return replace(
        table,
        rows=tuple(rows),
        products=(),
        parameters=tuple(table.parameters[i] for i in in_use),
    )


def linear_structure(structure: Structure) -> Structure:
    """The matrices of the linear counterpart, with the same variables in the same order."""
    table = without_products(structure.table)
    linear = build_structure(table)
    if linear.variables != structure.variables:
        raise AssertionError("leaving out products has changed the variables of the model")
    return linear
