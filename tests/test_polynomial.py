import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayessem.algebra.polynomial import (
    add,
    coefficients,
    degree,
    derivative,
    expectation,
    linear,
    multiply,
    normal_mean,
    replace_by_moments,
    scale,
    value_at,
)

exponents = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))
polynomials = st.dictionaries(
    exponents, st.floats(-3, 3).map(lambda x: np.array([x, 1.0 - x])), max_size=5
)
points = st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2))


def at(polynomial, point):
    return np.broadcast_to(value_at(polynomial, point), (2,))


@given(polynomials, polynomials, points)
def test_sums_and_products_are_those_of_the_values(p, q, point):
    np.testing.assert_allclose(at(add([p, q]), point), at(p, point) + at(q, point), atol=1e-9)
    product = at(p, point) * at(q, point)
    np.testing.assert_allclose(at(multiply(p, q), point), product, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(
        at(scale(p, np.array([2.0, 3.0])), point), at(p, point) * [2, 3], atol=1e-9
    )


@given(polynomials, points)
def test_derivative_is_the_central_difference(p, point):
    step = 1e-5
    above = at(p, (point[0], point[1] + step, point[2]))
    below = at(p, (point[0], point[1] - step, point[2]))
    slope = at(derivative(p, 1), point)
    np.testing.assert_allclose(slope, (above - below) / (2 * step), rtol=1e-5, atol=1e-4)


@given(polynomials, st.floats(-2, 2))
def test_normal_mean_is_gauss_hermite_quadrature(p, x):
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    weights = weights / weights.sum()
    grid = [
        (x, a, b, u * v)
        for a, u in zip(nodes, weights, strict=True)
        for b, v in zip(nodes, weights, strict=True)
    ]
    expected = sum(w * at(p, (x, a, b)) for x, a, b, w in grid)
    got = np.broadcast_to(value_at(normal_mean(p, 1), (x,)), (2,))
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-6)
    rest = replace_by_moments(p, 0, np.array([1.0, 0.0, 1.0, 0.0, 3.0]))  # standard normal as well
    np.testing.assert_allclose(expectation(p), expectation(rest), rtol=1e-9, atol=1e-9)


def test_moments_replace_a_variable():
    p = multiply(linear(1.0, [2.0], 2), linear(0.0, [3.0], 2, first=1))  # (1 + 2 x) 3 w
    left = replace_by_moments(p, 0, np.array([1.0, 0.5]))  # E[x] = .5
    assert left == {(1,): pytest.approx(6.0)}
    assert degree(p, 0) == 1


def test_coefficients_are_in_ascending_order():
    p = {(0,): np.array([1.0, 2.0]), (2,): np.array([5.0, 6.0])}
    np.testing.assert_array_equal(coefficients(p, (2,)), [[1, 0, 5], [2, 0, 6]])


def test_a_coefficient_that_is_nan_in_a_draw_is_kept():
    assert linear(0.0, [np.array([np.nan, 0.0])], 1).keys() == {(1,)}
