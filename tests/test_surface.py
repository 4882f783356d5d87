"""The geometry of a quadratic surface: against formulas, optimisation, and what must not matter."""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from bayessem.shapes.surface import Surface, half_turn

RNG = np.random.default_rng(7)
MANY = Surface(*RNG.normal(size=(6, 200)))
# Shanock et al. (2010, doi:10.1007/s10869-010-9183-4), Table 2, as R's RSA 0.10 quotes them in the
# example of RSA.ST: b1 to b5.
SHANOCK = Surface(*map(np.array, (0.0, -0.23, 0.77, -0.07, 0.27, -0.10)))


def one(surface, k):
    return Surface(*(b[k] for b in surface.coefficients))


def test_lines_of_a_published_surface():
    assert np.array(SHANOCK.lines()) == pytest.approx([0.54, 0.10, -1.00, -0.44, 0.03])


def test_stationary_point_and_axes_of_a_published_surface_by_the_formulas_of_edwards_and_parry():
    _, b1, b2, b3, b4, b5 = (float(b) for b in SHANOCK.coefficients)
    x0 = (b2 * b4 - 2 * b1 * b5) / (4 * b3 * b5 - b4**2)
    z0 = (b1 * b4 - 2 * b2 * b3) / (4 * b3 * b5 - b4**2)
    root = np.sqrt((b3 - b5) ** 2 + b4**2)
    p11, p21 = (b5 - b3 + root) / b4, (b5 - b3 - root) / b4
    assert np.array(SHANOCK.stationary_point()[:2]) == pytest.approx([x0, z0])
    assert np.array(SHANOCK.principal_axes().equations()) == pytest.approx(
        [z0 - p11 * x0, p11, z0 - p21 * x0, p21]
    )
    # its ridge: turned a little, and shifted far from the line of congruence
    rotation, shift = SHANOCK.principal_axes().ridge(highest=True)
    assert rotation == pytest.approx(np.degrees(np.arctan(p11)) - 45)
    assert shift == pytest.approx(2 * (z0 - p11 * x0) / (1 + p11))


@pytest.mark.parametrize(("slope", "curvature", "sign"), [(0, 1, 1), (2, 3, -1)])
def test_lines_are_the_derivatives_along_them(slope, curvature, sign):
    step = 1e-4
    up, here, down = (MANY.value(h, sign * h) for h in (step, 0.0, -step))
    lines = MANY.lines()
    np.testing.assert_allclose(lines[slope], (up - down) / (2 * step), atol=1e-7)
    # the line is b0 + a1 t + a2 t^2: its second derivative is twice the curvature
    np.testing.assert_allclose(2 * lines[curvature], (up - 2 * here + down) / step**2, atol=1e-5)


def test_stationary_point_of_a_peak_is_where_an_optimiser_finds_it():
    peak = Surface(*map(np.array, (1.0, 0.4, -0.3, -0.8, 0.5, -0.6)))
    found = minimize(lambda v: -float(peak.value(v[0], v[1])), [0.0, 0.0], tol=1e-12)
    x0, z0, y0 = peak.stationary_point()
    assert [x0, z0] == pytest.approx(found.x, abs=1e-5)
    assert y0 == pytest.approx(-found.fun)


def test_axes_are_the_directions_of_extreme_curvature_through_the_stationary_point():
    for k in range(20):
        surface = one(MANY, k)
        axes = surface.principal_axes()
        x0, z0, y0 = surface.stationary_point()

        def along(angle, surface=surface, x0=x0, z0=z0, y0=y0):
            return surface.value(x0 + np.cos(angle), z0 + np.sin(angle)) - y0

        angles = np.linspace(-np.pi / 2, np.pi / 2, 181)
        start = angles[np.argmax([along(a) for a in angles])]
        best = minimize_scalar(
            lambda a: -along(a), bracket=(start - 0.03, start, start + 0.03), tol=1e-12
        )
        assert along(best.x) == pytest.approx(axes.first)
        assert half_turn(np.degrees(best.x - axes.angle)) == pytest.approx(0, abs=1e-4)
        assert along(axes.angle + np.pi / 2) == pytest.approx(axes.second)
        p10, p11, p20, p21 = axes.equations()
        assert p10 + p11 * x0 == pytest.approx(z0)
        assert p20 + p21 * x0 == pytest.approx(z0)
        assert p11 * p21 == pytest.approx(-1)


def test_a_perfect_ridge_has_its_axis_though_its_stationary_point_is_nowhere():
    """y = -(x - z - 1/2)^2 + x + z: highest along z = x - 1/2."""
    zero, one_ = np.zeros(1), np.ones(1)
    ridge = Surface(zero - 0.25, 2 * one_, zero, -one_, 2 * one_, -one_)
    assert not np.isfinite(ridge.stationary_point()[0]).any()
    p10, p11, *_ = ridge.principal_axes().equations()
    assert [p10[0], p11[0]] == pytest.approx([-0.5, 1.0])
    rotation, shift = ridge.principal_axes().ridge(highest=True)
    assert [rotation[0], shift[0]] == pytest.approx([0.0, -0.5])


def test_the_trough_of_the_mirrored_surface_is_the_ridge_of_the_surface():
    mirrored = Surface(*(-b for b in MANY.coefficients))
    np.testing.assert_allclose(
        mirrored.principal_axes().ridge(highest=False), MANY.principal_axes().ridge(highest=True)
    )


def test_axes_without_a_product_lie_along_x_and_z():
    zero = np.zeros(())
    wide = Surface(zero, zero + 0.3, zero + 0.2, zero - 0.1, zero, zero - 0.5).principal_axes()
    assert wide.angle == pytest.approx(0.0)
    p10, p11, *_ = wide.equations()
    assert [p10, p11] == pytest.approx([0.2, 0.0])  # z at its best, 0.2 / (2 * 0.5)
    round_ = Surface(zero, zero, zero, zero - 1, zero, zero - 1).principal_axes()
    assert np.isnan(round_.angle)


def test_the_same_factor_for_x_and_z_changes_no_direction():
    one_, zero = np.ones(200), np.zeros(200)
    wider = MANY.rescaled((zero, zero, zero), (4 * one_, 4 * one_, 3 * one_))
    np.testing.assert_allclose(wider.lines()[0], MANY.lines()[0] * 4 / 3)
    np.testing.assert_allclose(wider.lines()[3], MANY.lines()[3] * 16 / 3)
    np.testing.assert_allclose(wider.principal_axes().angle, MANY.principal_axes().angle)
    np.testing.assert_allclose(
        wider.principal_axes().ridge(True)[1], MANY.principal_axes().ridge(True)[1] / 4
    )
    np.testing.assert_allclose(wider.stationary_point()[0], MANY.stationary_point()[0] / 4)


def test_x_and_z_can_change_places():
    b0, b1, b2, b3, b4, b5 = MANY.coefficients
    swapped = Surface(b0, b2, b1, b5, b4, b3)
    signs = np.array([1, 1, -1, 1, -1])[:, None]
    np.testing.assert_allclose(swapped.lines(), signs * np.array(MANY.lines()), atol=1e-12)
    x0, z0, y0 = MANY.stationary_point()
    np.testing.assert_allclose(swapped.stationary_point(), (z0, x0, y0))
    for highest in (True, False):
        rotation, shift = MANY.principal_axes().ridge(highest)
        other = swapped.principal_axes().ridge(highest)
        np.testing.assert_allclose(half_turn(other[0] + rotation), 0, atol=1e-9)
        np.testing.assert_allclose(other[1], -shift, rtol=1e-8)


def test_rescaling_moves_the_surface_and_nothing_else():
    centers = tuple(RNG.normal(size=(3, 200)))
    scales = tuple(RNG.uniform(0.5, 2, size=(3, 200)))
    moved = MANY.rescaled(centers, scales)
    x, z = RNG.normal(size=(2, 200))
    height = moved.value((x - centers[0]) / scales[0], (z - centers[1]) / scales[1])
    np.testing.assert_allclose(height * scales[2] + centers[2], MANY.value(x, z), rtol=1e-9)


def test_lines_have_no_direction():
    assert half_turn(np.array([0.0, 90.0, -90.0, 91.0, 271.0, -135.0])) == pytest.approx(
        [0, 90, 90, -89, -89, 45]
    )
