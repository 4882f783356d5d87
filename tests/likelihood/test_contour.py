"""Products that explain one variable, by one integral along a line: exact wherever it is hard."""

import numpy as np
import pytest

from bayessem.likelihood.oracle import product_log_likelihood
from tests.likelihood import curved
from tests.likelihood.families import TWO_SQUARES, Family, elements, planned, problem
from tests.likelihood.test_kernel import relative_gradient_error


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("setting", curved.SETTINGS, ids=lambda s: s.name)
def test_respondents_equal_the_reference(setting, k):
    rng = np.random.default_rng(k)
    model, m, rows = curved.draw(setting, k, 15, rng)
    assert planned(model).route == "contour"
    got = problem(model, rows).respondents(elements(m))
    expected = curved.log_likelihood(m, model, rows)
    limit = 1e-8 if setting.name in ("benign", "hardly curved", "flat") else 1e-6
    np.testing.assert_allclose(got, expected, rtol=0, atol=limit)


@pytest.mark.parametrize("name", ["strong", "outcome 6 off"])
def test_the_reference_equals_a_dense_grid(name):
    setting = next(s for s in curved.SETTINGS if s.name == name)
    model, m, rows = curved.draw(setting, 2, 4, np.random.default_rng(3))
    dense = product_log_likelihood(m, rows, pairs=model.products, grid=np.linspace(-8, 8, 1001))
    np.testing.assert_allclose(curved.log_likelihood(m, model, rows), dense, rtol=0, atol=1e-6)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("setting", curved.SETTINGS, ids=lambda s: s.name)
def test_gradient(setting, k):
    rng = np.random.default_rng(10 + k)
    for _ in range(4):
        model, m, rows = curved.draw(setting, k, 12, rng)
        rows[rng.uniform(size=rows.shape) < 0.15] = np.nan
        rows[0, -3:] = np.nan  # nothing is known of the outcome
        rows[np.isnan(rows).all(axis=1), 0] = 0.0
        m["means"][:] = rng.normal(size=k + 1) * 0.3
        error = relative_gradient_error(model, problem(model, rows), elements(m), rng)
        assert error < 1e-5


def test_the_two_routes_agree():
    """Also with missing values and two groups, and in their derivatives."""
    rng = np.random.default_rng(4)
    draws = [TWO_SQUARES.draw(rng) for _ in range(2)]
    rows = [TWO_SQUARES.simulate(draw, 15, rng) for draw in draws]
    for part in rows:
        part[rng.uniform(size=part.shape) < 0.1] = np.nan
        part[np.isnan(part).all(axis=1), 0] = 0.0
    point = elements(*draws)
    line, grid = (problem(TWO_SQUARES, *rows, route=r) for r in ("contour", "grid"))
    np.testing.assert_allclose(line.respondents(point), grid.respondents(point), atol=1e-6)
    (_, one), (_, other) = (p.value_and_gradient(point) for p in (line, grid))
    free = [i for places in TWO_SQUARES.free() for i in places]
    free += [len(one) // 2 + i for i in free]
    np.testing.assert_allclose(one[free], other[free], rtol=1e-5, atol=1e-5 * np.abs(one).max())


SURFACE_AND_OBSERVED = Family(
    "surface and a moderator that is observed",
    3,
    observed=2,
    paths=((2, 0), (2, 1), (2, 3), (4, 2)),
    products=((0, 0), (0, 1), (1, 1), (0, 3), (1, 3), (3, 3)),
    effects=((2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (2, 5)),
)


def test_an_observed_moderator_makes_the_form_each_respondents_own():
    rng = np.random.default_rng(5)
    model = SURFACE_AND_OBSERVED
    assert planned(model).route == "contour"
    m = model.draw(rng)
    rows = model.simulate(m, 6, rng)
    rows[1, 2], rows[3, 7] = np.nan, np.nan
    expected = product_log_likelihood(
        m,
        rows,
        pairs=model.products,
        observed=model.observed_factors,
        grid=np.linspace(-8, 8, 401),
    )
    p = problem(model, rows)
    np.testing.assert_allclose(p.respondents(elements(m)), expected, rtol=0, atol=1e-7)
    for _ in range(20):
        assert relative_gradient_error(model, p, elements(model.draw(rng)), rng) < 1e-5


def test_a_finer_rule_gives_the_same():
    """What a fit's quadrature check compares."""
    for setting in curved.SETTINGS:
        model, m, rows = curved.draw(setting, 3, 30, np.random.default_rng(6))
        fine = problem(model, rows, reach=28.0, step=0.0625).respondents(elements(m))
        np.testing.assert_allclose(problem(model, rows).respondents(elements(m)), fine, atol=1e-6)
