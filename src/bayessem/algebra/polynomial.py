"""Polynomials whose coefficients are arrays of draws: sums, products, derivatives, expectations.

A polynomial in variables v_0 ... v_(k-1) is a dict from their exponents to the coefficient (...),
with any leading axes (chain, draw). Coefficients that are 0 in every draw are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

Polynomial = dict[tuple[int, ...], np.ndarray]


def linear(
    constant: np.ndarray | float, slopes: Sequence[np.ndarray | float], size: int, *, first: int = 0
) -> Polynomial:
    """Constant + slopes[0] v_first + slopes[1] v_(first + 1) + ..., in `size` variables."""
    terms: Polynomial = {(0,) * size: np.asarray(constant, dtype=float)}
    for k, slope in enumerate(slopes):
        exponents = tuple(int(i == first + k) for i in range(size))
        terms[exponents] = np.asarray(slope, dtype=float)
    return _kept(terms)


def _kept(terms: Polynomial) -> Polynomial:
    return {e: c for e, c in terms.items() if np.any(c)}  # nan counts as something


def add(parts: Iterable[Polynomial]) -> Polynomial:
    """Sum of polynomials."""
    out: Polynomial = {}
    for part in parts:
        for exponents, value in part.items():
            out[exponents] = out[exponents] + value if exponents in out else value
    return out


def scale(polynomial: Polynomial, by: np.ndarray) -> Polynomial:
    """Multiply every coefficient by an array (...)."""
    return _kept({exponents: value * by for exponents, value in polynomial.items()})


def multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    """Product of two polynomials in the same variables."""
    out: Polynomial = {}
    for a, x in left.items():
        for b, y in right.items():
            exponents = tuple(i + j for i, j in zip(a, b, strict=True))
            out[exponents] = out[exponents] + x * y if exponents in out else x * y
    return out


def normal_mean(polynomial: Polynomial, symbols: int) -> Polynomial:
    """Expectation over all variables after the first `symbols`, which are standard normal.

    What is left is a polynomial in those first ones. E[v^k] is (k - 1)!! for even k, 0 for odd.
    """
    out: Polynomial = {}
    for exponents, value in polynomial.items():
        rest = exponents[symbols:]
        if any(k % 2 for k in rest):
            continue
        weight = math.prod(math.prod(range(1, k, 2)) for k in rest)
        kept = exponents[:symbols]
        out[kept] = out[kept] + weight * value if kept in out else weight * value
    return out


def expectation(polynomial: Polynomial) -> np.ndarray:
    """Expectation (...) of a polynomial in independent standard normal variables."""
    return normal_mean(polynomial, 0).get((), np.zeros(()))


def derivative(polynomial: Polynomial, variable: int) -> Polynomial:
    """Partial derivative by one variable."""
    out: Polynomial = {}
    for exponents, value in polynomial.items():
        k = exponents[variable]
        if k:
            lower = (*exponents[:variable], k - 1, *exponents[variable + 1 :])
            out[lower] = k * value
    return out


def degree(polynomial: Polynomial, variable: int) -> int:
    """Highest power of a variable, 0 for a constant."""
    return max((exponents[variable] for exponents in polynomial), default=0)


def value_at(polynomial: Polynomial, values: Sequence[np.ndarray | float]) -> np.ndarray:
    """Value where the variables take `values`, each (...) or a number."""
    total: np.ndarray = np.zeros(())
    for exponents, coefficient in polynomial.items():
        term = coefficient
        for value, power in zip(values, exponents, strict=True):
            if power:
                term = term * value**power
        total = total + term
    return total


def coefficients(polynomial: Polynomial, shape: tuple[int, ...]) -> np.ndarray:
    """Coefficients of a polynomial in one variable, (..., degree + 1), lowest power first."""
    out = np.zeros((*shape, degree(polynomial, 0) + 1))
    for exponents, value in polynomial.items():
        out[..., exponents[0]] = value
    return out


def replace_by_moments(polynomial: Polynomial, variable: int, moments: np.ndarray) -> Polynomial:
    """Expectation over one variable, independent of the others, with raw moments (..., power)."""
    out: Polynomial = {}
    for exponents, value in polynomial.items():
        kept = (*exponents[:variable], *exponents[variable + 1 :])
        term = value * moments[..., exponents[variable]]
        out[kept] = out[kept] + term if kept in out else term
    return out


def normal_moment(covariance: np.ndarray, factors: Sequence[int]) -> float:
    """E of a product of centred normal variables, by position, with repetitions (Isserlis 1918).

    Parameters
    ----------
    covariance : ndarray (v, v)
        Of the variables.
    factors : sequence of int
        The variables of the product.
    """
    if not factors:
        return 1.0
    first, rest = factors[0], list(factors[1:])
    return sum(
        float(covariance[first, other]) * normal_moment(covariance, rest[:k] + rest[k + 1 :])
        for k, other in enumerate(rest)
    )
