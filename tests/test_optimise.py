"""The maximum of a density and its curvature."""

import numpy as np
import pytest
from example_models import ABILITIES, abilities, prepared

from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import likelihood_density, posterior_density
from bayessem.posterior.optimise import hessian, inverse_root, maximise


class Quadratic:
    """Log-density of a normal distribution, very long in one direction."""

    precision = np.diag([1e-2, 1.0, 1e4])
    units = np.ones(3)

    def value_and_gradient(self, x):
        difference = x - np.array([3.0, -2.0, 1.0])
        pull = self.precision @ difference
        return -0.5 * difference @ pull, -pull


class Bent:
    """A curved valley (Rosenbrock's) with a wall beyond which the density is 0."""

    units = np.ones(2)

    def value_and_gradient(self, x):
        if x[0] < -1.5:
            return -np.inf, np.zeros(2)
        a, b = 1.0 - x[0], x[1] - x[0] ** 2
        return -(a * a) - 100 * b * b, np.array([2 * a + 400 * x[0] * b, -200 * b])


def test_maximum_of_a_normal_density():
    found = maximise(Quadratic(), np.zeros(3))
    np.testing.assert_allclose(found.x, [3.0, -2.0, 1.0], atol=1e-8)
    np.testing.assert_allclose(found.hessian, Quadratic.precision, rtol=1e-6, atol=1e-6)
    assert found.converged
    assert found.value == pytest.approx(0.0, abs=1e-12)


def test_maximum_in_a_curved_valley_beside_a_wall():
    found = maximise(Bent(), np.array([-1.4, 2.0]))
    np.testing.assert_allclose(found.x, [1.0, 1.0], atol=1e-6)
    assert found.converged


def test_a_flat_direction_is_not_called_converged():
    class Flat(Quadratic):
        precision = np.diag([1.0, 1.0, 0.0])

    assert not maximise(Flat(), np.zeros(3)).converged


def test_hessian_is_symmetric_and_right():
    found = hessian(Bent(), np.array([0.5, 0.3]))
    x, y = 0.5, 0.3
    expected = np.array([[2 - 400 * (y - 3 * x**2), -400 * x], [-400 * x, 200.0]])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_maximum_likelihood_of_holzinger_and_swineford():
    """Estimates and log-likelihood of lavaan 0.6 (its documentation, `?cfa`)."""
    found = prepared(ABILITIES, abilities())
    density = likelihood_density(found.structure, found.space, found.sample)
    best = maximise(density, start_values(found.structure, found.covariances, found.means))
    assert best.converged
    assert best.value == pytest.approx(-3737.745, abs=1e-3)
    estimate = dict(zip(density.names, best.x, strict=True))
    assert estimate["visual=~x2"] == pytest.approx(0.554, abs=1e-3)
    assert estimate["visual~~textual"] == pytest.approx(0.408, abs=1e-3)
    assert estimate["x1~~x1"] == pytest.approx(0.549, abs=1e-3)


def test_the_same_maximum_from_scattered_starts():
    found = prepared(ABILITIES, abilities(), std_lv=True)
    density = posterior_density(found.space, found.structure, found.sample)
    start = initial_point(
        found.space, found.table, start_values(found.structure, found.covariances, found.means)
    )
    rng = np.random.default_rng(0)
    values = [maximise(density, start + 0.3 * rng.normal(size=len(start))).value for _ in range(4)]
    assert max(values) - min(values) < 1e-6


def test_maximum_in_any_units():
    """A density whose coordinates are in units of 1e-9 and 1e9 has the same maximum."""

    class Scaled(Bent):
        units = np.array([1e-9, 1e9])

        def value_and_gradient(self, x):
            value, gradient = super().value_and_gradient(x / self.units)
            return value, gradient / self.units

    found = maximise(Scaled(), np.array([-1.4, 2.0]) * Scaled.units)
    np.testing.assert_allclose(found.x / Scaled.units, [1.0, 1.0], atol=1e-6)
    assert found.converged


def test_the_inverse_root_in_any_units():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    curvature, units = root @ root.T, np.array([1e-9, 1.0, 1e9, 1e3])
    one = inverse_root(curvature)
    np.testing.assert_allclose(one @ one.T, np.linalg.inv(curvature), rtol=1e-8)
    other = inverse_root(curvature * np.outer(units, units))
    np.testing.assert_allclose(other * units[:, None], one, rtol=1e-6, atol=1e-9)
    flat = inverse_root(np.diag([1.0, 1.0, 0.0]))
    assert np.isfinite(flat).all()
