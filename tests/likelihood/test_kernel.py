"""The kernel against the oracle and against central differences, family by family."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayessem.likelihood.oracle import linear_log_likelihood, product_log_likelihood
from tests.likelihood.families import (
    GENERAL,
    LINEAR,
    SQUARE,
    Family,
    Problem,
    central_difference,
    elements,
    problem,
    punch,
)


def relative_gradient_error(
    family: Family, p: Problem, point: np.ndarray, rng: np.random.Generator, *, groups: int = 1
) -> float:
    """Error of the derivative along a random direction of the free elements, both mirrors alike."""
    stride = point.size // groups
    direction = np.zeros(point.size)
    for g in range(groups):
        for place in family.free():
            direction[[g * stride + i for i in place]] = rng.normal()
    direction /= np.linalg.norm(direction)
    _, gradient = p.value_and_gradient(point)
    numeric = central_difference(p, point, direction)
    # a direction in which the derivative happens to vanish has no relative error
    scale = max(abs(numeric), 1e-2 * np.linalg.norm(gradient))
    return abs(gradient @ direction - numeric) / scale


def check_gradients(family: Family, *, n: int = 12, points: int = 100, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    keep = tuple(family.observed_factors.values())
    for i in range(points):
        groups = 2 if i % 10 == 0 else 1
        draws = [family.draw(rng) for _ in range(groups)]
        rows = [punch(family.simulate(draw, n, rng), rng, keep=keep) for draw in draws]
        p = problem(family, *rows)
        # not at the values the data come from, where derivatives are small
        point = elements(*[family.draw(rng) for _ in range(groups)])
        error = relative_gradient_error(family, p, point, rng, groups=groups)
        assert error < 1e-5, f"point {i}: relative error {error:.1e}"


def test_linear_gradient():
    check_gradients(LINEAR)


def test_square_gradient():
    check_gradients(SQUARE)


@pytest.mark.parametrize("family", GENERAL, ids=lambda f: f.name)
def test_product_gradient(family):
    check_gradients(family, n=6)


def test_every_element_has_its_derivative():
    """One by one, structural zeros too: the derivative does not depend on what is free."""
    rng = np.random.default_rng(4)
    for family in (LINEAR, SQUARE, *GENERAL):
        point = elements(family.draw(rng))
        p = problem(family, family.simulate(family.draw(rng), 8, rng))
        _, gradient = p.value_and_gradient(point)
        for place in family.free():
            direction = np.zeros(point.size)
            direction[list(place)] = 1.0
            numeric = central_difference(p, point, direction)
            assert gradient @ direction == pytest.approx(numeric, rel=1e-5, abs=1e-5)


@st.composite
def linear_families(draw) -> Family:
    constructs = draw(st.integers(1, 4))
    observed = draw(st.integers(0, 2))
    pairs = [(i, j) for i in range(constructs + observed) for j in range(i)]
    paths = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return Family("random", constructs, observed=observed, paths=tuple(paths))


@settings(max_examples=60)
@given(linear_families(), st.integers(1, 3), st.booleans(), st.integers(0, 2**32 - 1))
def test_linear_respondents_equal_scipy(family, groups, missing, seed):
    rng = np.random.default_rng(seed)
    draws = [family.draw(rng) for _ in range(groups)]
    rows = [family.simulate(draw, 8, rng) for draw in draws]
    if missing:
        rows = [punch(x, rng) for x in rows]
    p = problem(family, *rows)
    expected = np.concatenate(
        [linear_log_likelihood(draw, x) for draw, x in zip(draws, rows, strict=True)]
    )
    point = elements(*draws)
    np.testing.assert_allclose(p.respondents(point), expected, rtol=1e-9)
    value, _ = p.value_and_gradient(point)
    assert value == pytest.approx(expected.sum(), rel=1e-10)


@pytest.mark.parametrize("missing", [False, True])
def test_square_respondents_equal_a_dense_grid(missing):
    rng = np.random.default_rng(11)
    for _ in range(5):
        draw = SQUARE.draw(rng)
        rows = SQUARE.simulate(draw, 20, rng)
        if missing:
            rows = punch(rows, rng)
        p = problem(SQUARE, rows)
        point = elements(draw)
        expected = product_log_likelihood(draw, rows, pairs=SQUARE.products)
        np.testing.assert_allclose(p.respondents(point), expected, rtol=0, atol=1e-6)
        assert p.value_and_gradient(point)[0] == pytest.approx(expected.sum(), abs=1e-5)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("family", GENERAL, ids=lambda f: f.name)
def test_product_respondents_equal_a_dense_grid(family, missing):
    rng = np.random.default_rng(12)
    factors = {i for pair in family.products for i in pair} - set(family.observed_factors)
    grid = np.linspace(-6.5, 6.5, 91) if len(factors) > 2 else np.linspace(-8, 8, 321)
    draws = [family.draw(rng) for _ in range(2)]
    rows = [family.simulate(draw, 2 if len(factors) > 2 else 8, rng) for draw in draws]
    if missing:
        rows = [punch(x, rng, keep=tuple(family.observed_factors.values())) for x in rows]
    expected = [
        product_log_likelihood(
            draw, x, pairs=family.products, observed=family.observed_factors, grid=grid
        )
        for draw, x in zip(draws, rows, strict=True)
    ]
    p = problem(family, *rows)
    point = elements(*draws)
    np.testing.assert_allclose(p.respondents(point), np.concatenate(expected), rtol=0, atol=1e-6)
    assert p.value_and_gradient(point)[0] == pytest.approx(np.sum(expected), abs=1e-5)


@pytest.mark.parametrize(
    ("matrix", "value"), [("residuals", -5.0), ("disturbances", -5.0), ("residuals", np.nan)]
)
@pytest.mark.parametrize("family", [LINEAR, SQUARE, *GENERAL], ids=lambda f: f.name)
def test_no_density_is_minus_infinity_and_no_gradient(family, matrix, value):
    rng = np.random.default_rng(2)
    draw = family.draw(rng)
    p = problem(family, family.simulate(draw, 20, rng))
    assert np.isfinite(p.value_and_gradient(elements(draw))[0])
    draw[matrix][0, 0] = value
    got, gradient = p.value_and_gradient(elements(draw))
    assert got == -np.inf
    assert not gradient.any()
    assert (p.respondents(elements(draw)) == -np.inf).all()


def test_singular_paths_are_minus_infinity():
    rng = np.random.default_rng(2)
    draw = LINEAR.draw(rng)
    p = problem(LINEAR, LINEAR.simulate(draw, 20, rng))
    draw["paths"][0, 1] = 1.0 / draw["paths"][1, 0]
    draw["paths"][2] = 0.0
    value, gradient = p.value_and_gradient(elements(draw))
    assert value == -np.inf
    assert not gradient.any()


def test_declared_blocks_must_be_positive_definite():
    """A disturbance block that its variables' total covariance hides is still checked."""
    rng = np.random.default_rng(3)
    draw = LINEAR.draw(rng)
    rows = LINEAR.simulate(draw, 20, rng)
    draw["disturbances"][1, 1] = -0.01  # hidden by the variance that the path brings in
    assert np.isfinite(problem(LINEAR, rows).value_and_gradient(elements(draw))[0])
    p = problem(LINEAR, rows, proper=[(0, 0, [1])])
    assert p.value_and_gradient(elements(draw))[0] == -np.inf


def test_cost_of_linear_data_does_not_enter_the_value():
    """n enters through sufficient statistics alone: twice the rows, twice value and gradient."""
    rng = np.random.default_rng(5)
    draw = LINEAR.draw(rng)
    rows = LINEAR.simulate(draw, 25, rng)
    once = problem(LINEAR, rows).value_and_gradient(elements(draw))
    twice = problem(LINEAR, np.concatenate([rows, rows])).value_and_gradient(elements(draw))
    assert twice[0] == pytest.approx(2 * once[0], rel=1e-12)
    np.testing.assert_allclose(twice[1], 2 * once[1], rtol=1e-9, atol=1e-9)
