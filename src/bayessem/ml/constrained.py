"""The maximum of a likelihood under the constraints of the table: `==`, `<`, `>` and bounds.

Linear equalities are reparametrised away (a basis of their null space), so that the curvature along
them gives standard errors. Inequalities are tried without first; only where the free maximum breaks
one is the constrained optimiser (SLSQP) called, and the constraints that bind become equalities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import minimize

from bayessem.errors import ModelError
from bayessem.model.linear_constraints import linear_forms
from bayessem.posterior.density import Density
from bayessem.posterior.optimise import hessian, maximise
from bayessem.syntax.expression import Expression, evaluate
from bayessem.syntax.parameters import ParameterTable

TOLERANCE = 1e-7  # of a constraint, in units of the parameters' rough standard errors
# How far inside of a bound a maximum on it is put, in the same units.
INSIDE = 1e-10


@dataclass(frozen=True)
class Affine:
    """A density as a function of u, x = centre + matrix u; u may be shorter than x."""

    density: Density
    centre: np.ndarray  # (D,)
    matrix: np.ndarray  # (D, k)

    @property
    def units(self) -> np.ndarray:
        """Those of u, (k,): the columns of `matrix` are of the size of standard errors."""
        return np.ones(self.matrix.shape[1])

    def value_and_gradient(self, u: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-density and gradient at u (k,)."""
        value, gradient = self.density.value_and_gradient(self.centre + self.matrix @ u)
        return value, self.matrix.T @ gradient


@dataclass(frozen=True)
class Constrained:
    """A maximum under constraints.

    Attributes
    ----------
    x : ndarray (D,)
        The point.
    value : float
        Log-density there.
    basis : ndarray (D, k)
        Directions in which the parameters can move; x changes by basis u.
    converged : bool
        Whether it is a maximum within the constraints.
    decrement : float
        Newton decrement g'H^-1 g: twice the log-likelihood that is still to be gained.
    equalities : int
        Independent equality constraints: parameters that do not count.
    active : tuple of str
        Bounds and inequalities that bind, as text.
    """

    x: np.ndarray
    value: float
    basis: np.ndarray
    converged: bool
    decrement: float
    equalities: int
    active: tuple[str, ...]


def named_values(table: ParameterTable, x: np.ndarray) -> dict[str, np.ndarray]:
    """Value of each name that expressions use: parameters, labels, definitions, (...) each.

    Parameters
    ----------
    table : ParameterTable
        The model.
    x : ndarray (..., D)
        Free parameters.
    """
    values = {
        name: x[..., at] if isinstance(at, int) else np.asarray(at)
        for name, at in table.names.items()
    }
    for row in table.defined:
        if row.expression is not None:
            values[row.lhs] = evaluate(row.expression, values)
    return values


@dataclass(frozen=True)
class Constraints:
    """The constraints of a table: A x = b, g(x) = 0 and g(x) >= 0, each with its text."""

    matrix: np.ndarray  # (c, D)
    right: np.ndarray  # (c,)
    curved: tuple[Expression, ...]
    at_least: tuple[tuple[str, Callable[[np.ndarray], float]], ...]


def read_constraints(table: ParameterTable) -> Constraints:
    """Collect the equalities, inequalities and bounds of a table."""
    rows, right, curved = [], [], []
    at_least: list[tuple[str, Callable[[np.ndarray], float]]] = []
    read = linear_forms(table)

    def bound(at: int, sign: float, limit: float) -> Callable[[np.ndarray], float]:
        return lambda x: sign * (float(x[at]) - limit)

    def inequality(expression: Expression, sign: float) -> Callable[[np.ndarray], float]:
        return lambda x: sign * float(evaluate(expression, named_values(table, x)))

    for row in table.constraints:
        if row.expression is None:
            continue
        if row.op == "==":
            form = read(row.expression)
            if form is None:
                curved.append(row.expression)
            else:
                slopes = np.zeros(len(table.parameters))
                slopes[list(form[0])] = list(form[0].values())
                rows.append(slopes)
                right.append(-form[1])
        else:
            sign = 1.0 if row.op == ">" else -1.0
            text = f"{row.lhs} {row.op} {row.rhs}"
            at_least.append((text, inequality(row.expression, sign)))
    seen: set[int] = set()
    for row in table.rows:
        if row.free >= 0 and row.free not in seen:
            seen.add(row.free)
            name = table.parameters[row.free]
            if row.lower > -math.inf:
                at_least.append((f"{name} > {row.lower:g}", bound(row.free, 1.0, row.lower)))
            if row.upper < math.inf:
                at_least.append((f"{name} < {row.upper:g}", bound(row.free, -1.0, row.upper)))
    matrix = np.array(rows).reshape(-1, len(table.parameters))
    return Constraints(matrix, np.array(right), tuple(curved), tuple(at_least))


def _null_basis(matrix: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Basis (D, k) of the directions that keep matrix x, out of the columns of `along` (D, D)."""
    if not len(matrix):
        return along
    scaled = matrix @ along
    size = np.linalg.norm(scaled, axis=1, keepdims=True)
    return along @ null_space(scaled / np.where(size > 0, size, 1.0), rcond=1e-10)


def _feasible_start(constraints: Constraints, start: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The nearest point that meets the linear equalities."""
    if not len(constraints.matrix):
        return start
    missing = constraints.right - constraints.matrix @ start
    move = scale * (np.linalg.pinv(constraints.matrix * scale) @ missing)
    left = constraints.right - constraints.matrix @ (start + move)
    sizes = np.abs(constraints.matrix) @ (np.abs(start) + scale) + np.abs(constraints.right)
    if (np.abs(left) > 1e-6 * sizes).any():
        raise ModelError("the '==' constraints contradict each other; no parameters meet them all")
    return start + move


def _gradient(
    function: Callable[[np.ndarray], float], x: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    out = np.empty(len(x))
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = 1e-4 * scale[i]
        out[i] = (function(x + step) - function(x - step)) / (2.0 * step[i])
    return out


def climb(density: Density, start: np.ndarray, root: np.ndarray) -> np.ndarray | None:
    """The maximum near `start` by BFGS from a known curvature; None when it is not found.

    With good units it takes a dozen or two gradients, where L-BFGS takes fifty and more, and its
    calls wait for threads besides.

    Parameters
    ----------
    density : Density
        What to climb.
    start : ndarray (D,)
        Where.
    root : ndarray (D, k)
        Directions to move in, in which the density is about as steep everywhere: a root of the
        inverse information.
    """
    affine = Affine(density, start, root)
    u = np.zeros(root.shape[1])
    inverse = np.eye(len(u))
    value, gradient = affine.value_and_gradient(u)
    for _ in range(500):
        step = inverse @ gradient
        gain = float(gradient @ step)
        if not math.isfinite(value) or gain < 0:
            return None
        if gain < 1e-16:
            return start + root @ u
        for halving in range(20):
            trial = u + step * 0.5**halving
            new_value, new_gradient = affine.value_and_gradient(trial)
            rest = float(new_gradient @ inverse @ new_gradient)
            # Close by, rounding hides what is left to gain, but not the slope.
            if new_value > value + 1e-4 * gain * 0.5**halving or rest < gain < 1e-6:
                break
        else:
            return start + root @ u if gain < 1e-10 else None
        moved, bent = trial - u, gradient - new_gradient
        product = float(moved @ bent)
        if product > 1e-12:
            turned = inverse @ bent
            cross = np.outer(turned, moved)
            stretch = (1.0 + float(bent @ turned) / product) / product
            inverse = inverse + stretch * np.outer(moved, moved) - (cross + cross.T) / product
        u, value, gradient = trial, new_value, new_gradient
    return None


def turned_basis(basis: np.ndarray, turn: np.ndarray | None) -> np.ndarray:
    """A basis (D, k) in terms of the columns of a turn of `levels.level_turn`."""
    # slopes move levels and levels move nothing: the inverse changes the sign of the moves
    return basis if turn is None else 2.0 * basis - turn @ basis


def _round(turned: np.ndarray, basis: np.ndarray, information: np.ndarray | None) -> np.ndarray:
    """The basis turned and stretched so that the information along it is the unit matrix."""
    if information is None or not np.isfinite(information).all():
        return basis
    along = turned.T @ information @ turned
    unit = np.sqrt(np.maximum(np.diag(along), 1e-12))
    along = along / np.outer(unit, unit)
    # A ridge keeps directions that the data hardly know from being stretched without limit.
    lower = np.linalg.cholesky(along + 1e-3 * np.eye(len(along)))
    return basis @ (np.linalg.inv(lower).T / unit[:, None])


def maximise_within(
    density: Density,
    table: ParameterTable,
    start: np.ndarray,
    *,
    scale: np.ndarray,
    information: np.ndarray | None = None,
    turn: np.ndarray | None = None,
) -> Constrained:
    """Climb to the maximum that the constraints of the table allow.

    Parameters
    ----------
    density : Density
        The likelihood as a function of the free parameters.
    table : ParameterTable
        Whose constraints and bounds hold.
    start : ndarray (D,)
        Where to begin; it is moved on to the linear constraints.
    scale : ndarray (D,)
        Rough standard error of each parameter: the unit of steps and tolerances.
    information : ndarray (D, D), optional
        Expected information at the start, if it is known; along the columns of `turn`.
    turn : ndarray (D, D), optional
        Directions to move in, from `levels.level_turn`; by default the parameters.

    Raises
    ------
    ModelError
        For equality constraints that contradict each other.
    """
    constraints = read_constraints(table)
    x = _feasible_start(constraints, start, scale)
    along = np.diag(scale) if turn is None else turn * scale
    basis = _null_basis(constraints.matrix, along)
    fixed = len(x) - basis.shape[1]
    point, value, converged, decrement = _free_maximum(
        density, x, basis, _round(turned_basis(basis, turn), basis, information)
    )
    met = not constraints.curved and all(
        g(point) >= -TOLERANCE * _unit(g, point, scale) for _, g in constraints.at_least
    )
    if met:
        return Constrained(point, value, basis, converged, decrement, fixed, ())
    # The free maximum is the better start: at 0 the gradient of a product of labels vanishes.
    x = point if converged else x
    return _maximise_bound(density, table, constraints, x, basis, along)


def _free_maximum(
    density: Density, x: np.ndarray, basis: np.ndarray, root: np.ndarray
) -> tuple[np.ndarray, float, bool, float]:
    """Point, value, whether it is a maximum, decrement: along the basis, without inequalities."""
    near = climb(density, x, root)
    if near is not None:
        value, gradient = density.value_and_gradient(near)
        return near, value, True, float(np.sum((root.T @ gradient) ** 2))
    best = maximise(cast(Density, Affine(density, x, basis)), np.zeros(basis.shape[1]))
    return x + basis @ best.x, best.value, best.converged, best.decrement


def _unit(function: Callable[[np.ndarray], float], x: np.ndarray, scale: np.ndarray) -> float:
    """What a move of one standard error in every parameter does to a constraint."""
    return float(np.linalg.norm(_gradient(function, x, scale) * scale)) or 1.0


def _not_beyond(
    function: Callable[[np.ndarray], float], x: np.ndarray, basis: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """A point a hair inside of a bound, where rounding left it on the bound or beyond.

    What is not defined beyond (the log of a probability) has no value there.
    """
    missing = INSIDE * _unit(function, x, scale) - function(x)
    if missing <= 0.0:
        return x
    gradient = _gradient(function, x, scale)
    move = basis @ (basis.T @ gradient)
    size = float(gradient @ move)
    return x + move * missing / size if size > 0.0 else x


def _climb(
    affine: Affine,
    equal: Sequence[Callable[[np.ndarray], float]],
    at_least: Sequence[Callable[[np.ndarray], float]],
    scale: np.ndarray,
) -> tuple[np.ndarray, bool]:
    """SLSQP to the maximum where some functions are 0 and some not negative; whether it ended.

    Each function is in its own unit, that of the distance that matters at the start.
    """
    x, basis = affine.centre, affine.matrix

    def objective(u: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = affine.value_and_gradient(u)
        return (-value, -gradient) if math.isfinite(value) else (1e12, np.zeros_like(u))

    def along(function: Callable[[np.ndarray], float]) -> Mapping[str, object]:
        unit = _unit(function, x, scale)
        return {
            "fun": lambda u: function(x + basis @ u) / unit,
            "jac": lambda u: basis.T @ _gradient(function, x + basis @ u, scale) / unit,
        }

    found = minimize(
        objective,
        np.zeros(basis.shape[1]),
        jac=True,
        method="SLSQP",
        constraints=[
            *({"type": "eq", **along(g)} for g in equal),
            *({"type": "ineq", **along(g)} for g in at_least),
        ],
        options={"maxiter": 1000, "ftol": 1e-11},
    )
    return x + basis @ found.x, found.status == 0


def _finish(
    density: Density, point: np.ndarray, free: np.ndarray, *, straight: bool, ended: bool
) -> tuple[np.ndarray, float, bool, float]:
    """Newton steps along the free directions where these are straight lines; else only the check.

    Returns the point, the log-density there, whether it is a maximum, and Newton's decrement.
    """
    inner, start = cast(Density, Affine(density, point, free)), np.zeros(free.shape[1])
    if straight:
        best = maximise(inner, start)
        return point + free @ best.x, best.value, bool(best.converged), best.decrement
    # a step would leave a curved constraint
    value, gradient = inner.value_and_gradient(start)
    decrement = float(gradient @ np.linalg.pinv(hessian(inner, start)) @ gradient)
    return point, value, ended and decrement < 1e-4, decrement


def _maximise_bound(
    density: Density,
    table: ParameterTable,
    constraints: Constraints,
    x: np.ndarray,
    basis: np.ndarray,
    along_parameters: np.ndarray,
) -> Constrained:
    """SLSQP along the linear equalities, then Newton steps along everything that binds."""
    scale = np.diag(along_parameters)

    def zero(expression: Expression) -> Callable[[np.ndarray], float]:
        return lambda point: float(evaluate(expression, named_values(table, point)))

    equal = [zero(e) for e in constraints.curved]
    above = [g for _, g in constraints.at_least]
    point, ended = _climb(Affine(density, x, basis), equal, above, scale)
    binding = [
        (text, g) for text, g in constraints.at_least if g(point) <= 1e-5 * _unit(g, point, scale)
    ]
    if not equal:
        for _, g in binding:
            point = _not_beyond(g, point, basis, scale)
    gradients = [_gradient(g, point, scale) for g in [*equal, *(g for _, g in binding)]]

    def directions(held: Sequence[np.ndarray]) -> np.ndarray:
        rows = np.array([*constraints.matrix, *held]).reshape(-1, len(point))
        return _null_basis(rows, along_parameters)

    free = directions(gradients)
    point, value, converged, decrement = _finish(
        density, point, free, straight=not equal, ended=ended
    )
    return Constrained(
        point,
        value,
        free,
        converged,
        decrement,
        len(point) - directions(gradients[: len(equal)]).shape[1],
        tuple(text for text, _ in binding),
    )
