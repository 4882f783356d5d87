"""The maximum of a density from its gradient, and the curvature there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from bayessem.posterior.density import Density

# Newton decrement at which a maximum is good enough.
PRECISION = 1e-12
# Least eigenvalue of a Hessian that a direction is given, in units of the median.
FLATTEST = 1e-4


@dataclass(frozen=True)
class Maximum:
    """Where a density is largest.

    Attributes
    ----------
    x : ndarray (D,)
        The point.
    value : float
        Log-density there.
    hessian : ndarray (D, D)
        Of the negative log-density, by central differences of the gradient.
    converged : bool
        Whether the Newton decrement g'H^-1 g is under 1e-6 and the Hessian positive definite.
    decrement : float
        The Newton decrement.
    """

    x: np.ndarray
    value: float
    hessian: np.ndarray
    converged: bool
    decrement: float


def hessian(density: Density, x: np.ndarray) -> np.ndarray:
    """Negative Hessian of a log-density at x by central differences of the gradient, (D, D)."""
    unit = density.units
    d = len(x)
    out = np.empty((d, d))
    for i in range(d):
        h = 1e-5 * max(unit[i], abs(x[i]))
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        out[i] = (density.value_and_gradient(down)[1] - density.value_and_gradient(up)[1]) / (2 * h)
    return 0.5 * (out + out.T)


def _own_curvature(density: Density, x: np.ndarray) -> np.ndarray:
    """Diagonal (D,) of `hessian`, by differences to one side: a scale, at half the gradients."""
    h = 1e-5 * np.maximum(density.units, np.abs(x))
    here = density.value_and_gradient(x)[1]
    out = np.empty(len(x))
    for i, step in enumerate(h):
        there = x.copy()
        there[i] += step
        out[i] = (here[i] - density.value_and_gradient(there)[1][i]) / step
    return out


def inverse_root(curvature: np.ndarray) -> np.ndarray:
    """C (D, D) with C C' = H^-1, flat and negative directions given a plausible width.

    What is flat is judged with a unit diagonal, so that it does not depend on units.

    Parameters
    ----------
    curvature : ndarray (D, D)
        The Hessian of a negative log-density.
    """
    size = np.sqrt(np.abs(np.diag(curvature)))
    size = np.where(size > 0, size, 1.0)
    roots, vectors = np.linalg.eigh(curvature / np.outer(size, size))
    roots = np.abs(roots)
    roots = np.maximum(roots, FLATTEST * np.median(roots))
    return (vectors / np.sqrt(roots)) @ vectors.T / size[:, None]


def climb(density: Density, start: np.ndarray, *, rough: bool = False) -> np.ndarray:
    """Near the maximum, by BFGS in scaled coordinates from a point with finite density, (D,).

    Rough: the scale takes half the gradients, for densities whose gradient takes long.
    """
    unit = density.units  # what is flat or steep must not depend on the units of the data
    own = _own_curvature(density, start) if rough else np.diag(hessian(density, start))
    curvature = own * unit**2
    scale = unit / np.sqrt(np.clip(np.abs(curvature), 1e-2, 1e12))

    def objective(u: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = density.value_and_gradient(start + scale * u)
        if not np.isfinite(value):
            return 1e12, np.zeros_like(u)
        return -value, -gradient * scale

    found = minimize(
        objective, np.zeros_like(start), jac=True, method="L-BFGS-B", options={"maxiter": 2000}
    )
    return start + scale * found.x


def maximise(
    density: Density, start: np.ndarray, *, newton: int = 12, precision: float = PRECISION
) -> Maximum:
    """Climb from start, then Newton steps to full precision.

    Parameters
    ----------
    density : Density
        What to maximise.
    start : ndarray (D,)
        A point with finite density.
    newton : int
        Largest number of Newton steps.
    precision : float
        Newton decrement at which no further step is taken.
    """
    unit = density.units
    x = climb(density, start, rough=precision > PRECISION)
    value, gradient = density.value_and_gradient(x)
    curvature = hessian(density, x)
    decrement = np.inf
    for _ in range(newton):
        roots, vectors = np.linalg.eigh(curvature * np.outer(unit, unit))
        projected = vectors.T @ (unit * gradient)
        # A saddle or a flat direction: step along its gradient by its absolute curvature.
        flat = 1e-6 * np.abs(roots).max()
        step = unit * (vectors @ (projected / np.maximum(np.abs(roots), flat)))
        decrement = float(gradient @ step)
        if decrement < precision:
            break
        for halving in range(12):
            trial = x + step * 0.5**halving
            new_value, new_gradient = density.value_and_gradient(trial)
            if np.isfinite(new_value) and new_value >= value - 1e-10 * abs(value):
                break
        else:
            break
        x, value, gradient = trial, new_value, new_gradient
        curvature = hessian(density, x)
    positive = bool(np.linalg.eigvalsh(curvature * np.outer(unit, unit))[0] > 0)
    return Maximum(x, value, curvature, positive and decrement < 1e-6, decrement)
