import numpy as np
import pytest

from bayessem.shapes.two_lines import least_squares, spline_basis, two_lines

RNG = np.random.default_rng(4)
X = RNG.normal(size=(20, 400))


def fitted(y, controls=None):
    return two_lines(X, y, controls)


def test_an_inverted_u_has_two_slopes_of_opposite_sign():
    found = fitted(1 + X - 0.8 * X**2 + 0.5 * RNG.normal(size=X.shape))
    assert found.peak.all()
    assert (found.low / found.se_low > 3).all()
    assert (found.high / found.se_high < -3).all()
    assert np.abs(found.break_point - 1 / 1.6).max() < 0.5


def test_a_u_is_its_mirror_image():
    y = 1 + X - 0.8 * X**2 + 0.5 * RNG.normal(size=X.shape)
    up, down = fitted(y), fitted(-y)
    assert not down.peak.any()
    np.testing.assert_allclose(down.low, -up.low)
    np.testing.assert_allclose(down.break_point, up.break_point)


def test_a_relation_that_flattens_out_is_no_inverted_u_although_a_quadratic_says_so():
    x = np.exp(0.8 * X)
    y = np.log(x) + 0.5 * RNG.normal(size=X.shape)
    quadratic = [
        least_squares(np.column_stack([np.ones(400), a, a * a]), b)
        for a, b in zip(x, y, strict=True)
    ]
    turns = [
        b[1] / (-2 * b[2]) < a.max() and b[2] < 0 for (b, _), a in zip(quadratic, x, strict=True)
    ]
    assert np.mean(turns) > 0.9
    found = two_lines(x, y)
    assert np.mean(found.high + 1.645 * found.se_high < 0) <= 0.1


def test_controls_are_held_constant():
    z = 0.7 * X + RNG.normal(size=X.shape)
    y = X - 0.5 * X**2 + 2.0 * z + 0.3 * RNG.normal(size=X.shape)
    with_control = fitted(y, z[..., None])
    without = fitted(y)
    assert with_control.high.mean() < 0 < with_control.low.mean()
    assert without.low.mean() - with_control.low.mean() == pytest.approx(1.4, abs=0.4)
    assert without.se_low.mean() > 1.5 * with_control.se_low.mean()


def test_slopes_carry_their_sampling_error():
    found = fitted(X + RNG.normal(size=X.shape))
    low, high = found.slopes(np.random.default_rng(1), repeats=500)
    total = np.sqrt(found.low.var() + (found.se_low**2).mean())
    assert low.std() == pytest.approx(total, rel=0.05)
    assert low.shape == high.shape == (20 * 500,)


def test_hc3_is_that_of_leaving_each_respondent_out():
    """HC3's residuals are those of the fits without the respondent."""
    x, y = X[0][:30], RNG.normal(size=30)
    design = np.column_stack([np.ones(30), x])
    beta, covariance = least_squares(design, y)
    np.testing.assert_allclose(beta, np.polyfit(x, y, 1)[::-1], atol=1e-10)
    left_out = np.empty(30)
    for i in range(30):
        keep = np.arange(30) != i
        left_out[i] = y[i] - design[i] @ np.linalg.lstsq(design[keep], y[keep])[0]
    inverse = np.linalg.inv(design.T @ design)
    expected = inverse @ (design.T * left_out**2) @ design @ inverse
    np.testing.assert_allclose(covariance, expected, rtol=1e-8)


def test_the_spline_is_linear_beyond_its_knots_and_smooth():
    x = np.linspace(0, 1, 2001)
    basis = spline_basis(x)
    bend = np.diff(basis, 2, axis=0)
    outside = (x[1:-1] < 0.049) | (x[1:-1] > 0.951)
    np.testing.assert_allclose(bend[outside], 0.0, atol=1e-10)
    assert np.abs(bend).max() > 1e-6
    assert np.abs(np.diff(bend, axis=0)).max() < 1e-6
    assert np.linalg.matrix_rank(basis) == basis.shape[1] == 5


def test_few_distinct_values_do_not_break_it():
    x = np.tile([1.0, 2.0, 3.0, 4.0], (2, 25))
    y = -((x - 2.5) ** 2) + 0.1 * np.random.default_rng(1).normal(size=x.shape)
    found = two_lines(x, y)
    assert (found.low > 0).all()
    assert (found.high < 0).all()
