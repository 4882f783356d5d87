"""The `==`, `<` and `>` of a table as linear equations and inequalities of its free parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayessem.errors import NotSupported
from bayessem.syntax.expression import Expression, linear, names
from bayessem.syntax.parameters import Parameter, ParameterTable


@dataclass(frozen=True)
class LinearSystem:
    """Linear constraints on the free parameters x (D,) of a table.

    Attributes
    ----------
    equal : ndarray (c, D)
        Coefficients of the equations equal x = right.
    right : ndarray (c,)
        Their right sides.
    above : ndarray (k, D)
        Coefficients of the inequalities above x >= limit.
    limit : ndarray (k,)
        Their right sides.
    texts : tuple of str
        The k inequalities as written.
    """

    equal: np.ndarray
    right: np.ndarray
    above: np.ndarray
    limit: np.ndarray
    texts: tuple[str, ...]


def linear_form(table: ParameterTable, expression: Expression) -> tuple[np.ndarray, float] | None:
    """Coefficients by free parameter (D,) and constant; None for a nonlinear expression."""
    form = linear(expression)
    if form is None:
        return None
    definitions = {row.lhs: row.expression for row in table.defined}
    out, constant = np.zeros(len(table.parameters)), form[1]
    for name, slope in form[0].items():
        known = table.names.get(name)
        if isinstance(known, int):
            out[known] += slope
        elif known is not None:
            constant += slope * known
        else:
            inner = definitions.get(name)
            nested = linear_form(table, inner) if inner is not None else None
            if nested is None:
                return None
            out += slope * nested[0]
            constant += slope * nested[1]
    return out, constant


def constraint_text(row: Parameter) -> str:
    """A constraint as the user wrote it."""
    return f"{row.lhs} {row.op} {row.rhs}"


def linear_system(table: ParameterTable) -> LinearSystem:
    """Collect the constraints of a table; bounds of single parameters are not among them.

    Raises
    ------
    NotSupported
        Naming the first nonlinear constraint.
    """
    equal: list[np.ndarray] = []
    right: list[float] = []
    above: list[np.ndarray] = []
    limit: list[float] = []
    texts: list[str] = []
    for row in table.constraints:
        form = linear_form(table, row.expression) if row.expression is not None else None
        if form is None:
            raise NotSupported(
                f"'{constraint_text(row)}' is not linear in the parameters: sampling has linear "
                "constraints only; estimate this model by maximum likelihood (sem.ml), or look at "
                "the posterior of the difference with ':=' instead"
            )
        if row.op == "==":
            equal.append(form[0])
            right.append(-form[1])
        else:
            sign = 1.0 if row.op == ">" else -1.0
            above.append(sign * form[0])
            limit.append(-sign * form[1])
            texts.append(constraint_text(row))
    d = len(table.parameters)
    return LinearSystem(
        np.array(equal).reshape(len(equal), d),
        np.array(right),
        np.array(above).reshape(len(above), d),
        np.array(limit),
        tuple(texts),
    )


def constrained_names(table: ParameterTable) -> frozenset[str]:
    """Free parameters that take part in a constraint, through definitions too."""
    definitions = {row.lhs: row.expression for row in table.defined}
    found: set[str] = set()
    todo = [row.expression for row in table.constraints if row.expression is not None]
    while todo:
        for name in names(todo.pop()):
            known = table.names.get(name)
            if isinstance(known, int):
                found.add(table.parameters[known])
            elif name in definitions and definitions[name] is not None:
                inner = definitions[name]
                assert inner is not None
                todo.append(inner)
    return frozenset(found)


def nearest_values(table: ParameterTable, values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Values of the free parameters (D,) moved on to the linear equations of the table.

    units : what counts as a small change of each, (D,)
    """
    system = linear_system(table)
    if not len(system.equal):
        return values
    scale = np.abs(values) + 0.1 * units
    missing = system.right - system.equal @ values
    return values + scale * (np.linalg.pinv(system.equal * scale) @ missing)
