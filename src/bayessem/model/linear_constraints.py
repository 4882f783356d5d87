"""The `==`, `<` and `>` of a table as linear equations and inequalities of its free parameters."""

from __future__ import annotations

from collections.abc import Callable
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


# Coefficients by position of the free parameter, and a constant.
LinearForm = tuple[dict[int, float], float]


def linear_forms(table: ParameterTable) -> Callable[[Expression], LinearForm | None]:
    """What reads expressions of a table as linear forms; None for one that is not linear.

    Definitions are looked through. They come in the order in which they refer to each other, so
    that a long chain of them is read in one pass.
    """
    known = table.names
    inner: dict[str, LinearForm | None] = {}

    def read(expression: Expression) -> LinearForm | None:
        form = linear(expression)
        if form is None:
            return None
        slopes: dict[int, float] = {}
        constant = form[1]
        for name, factor in form[0].items():
            at = known.get(name)
            part: LinearForm | None = ({at: 1.0}, 0.0) if isinstance(at, int) else ({}, at or 0.0)
            if at is None:
                part = inner.get(name)
            if part is None:
                return None
            for i, slope in part[0].items():
                slopes[i] = slopes.get(i, 0.0) + factor * slope
            constant += factor * part[1]
        return {i: slope for i, slope in slopes.items() if slope}, constant

    if table.constraints:  # nothing else asks for them
        for row in table.defined:
            inner[row.lhs] = None if row.expression is None else read(row.expression)
    return read


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
    read, d = linear_forms(table), len(table.parameters)
    for row in table.constraints:
        form = read(row.expression) if row.expression is not None else None
        if form is None:
            raise NotSupported(
                f"'{constraint_text(row)}' is not linear in the parameters: sampling has linear "
                "constraints only; estimate this model by maximum likelihood (sem.ml), or look at "
                "the posterior of the difference with ':=' instead"
            )
        slopes = np.zeros(d)
        slopes[list(form[0])] = list(form[0].values())
        if row.op == "==":
            equal.append(slopes)
            right.append(-form[1])
        else:
            sign = 1.0 if row.op == ">" else -1.0
            above.append(sign * slopes)
            limit.append(-sign * form[1])
            texts.append(constraint_text(row))
    return LinearSystem(
        np.array(equal).reshape(len(equal), d),
        np.array(right),
        np.array(above).reshape(len(above), d),
        np.array(limit),
        tuple(texts),
    )


def constrained_names(table: ParameterTable) -> frozenset[str]:
    """Free parameters that take part in a constraint, through definitions too."""
    if not table.constraints:
        return frozenset()
    values, definitions = table.names, {row.lhs: row.expression for row in table.defined}
    found: set[str] = set()
    todo = [row.expression for row in table.constraints if row.expression is not None]
    while todo:
        for name in names(todo.pop()):
            known = values.get(name)
            if isinstance(known, int):
                found.add(table.parameters[known])
            else:
                inner = definitions.pop(name, None)  # once is enough
                todo += [] if inner is None else [inner]
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
