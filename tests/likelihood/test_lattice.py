"""The integral on a grid where it is hard: several modes, ridges that turn, outliers."""

import numpy as np
import pytest

from bayessem.errors import DataError
from bayessem.likelihood.external import TERMS
from bayessem.likelihood.grid import grid_terms
from bayessem.likelihood.oracle import product_log_likelihood
from bayessem.likelihood.plan import ROUTED, unpack
from tests.likelihood import curved
from tests.likelihood.families import (
    CHAIN,
    INTERACTION,
    LATENT_BY_OBSERVED,
    SQUARE,
    TWO_SQUARES,
    elements,
    planned,
    problem,
)
from tests.likelihood.test_integral import STRESS


@pytest.mark.skipif(not STRESS.is_file(), reason=f"{STRESS.name}: no folder refcases here")
@pytest.mark.parametrize("setting", list("abcde"))
def test_one_square_on_a_grid(setting):
    """The settings of one square that are hard, with nodes that know nothing of quartics."""
    rng = np.random.default_rng(0)
    p = problem(SQUARE, rng.normal(size=(20, 10)))
    plan = unpack(p.ints, p.floats)
    with np.load(STRESS) as cases:
        design = np.stack([cases[f"{setting}_m1"], cases[f"{setting}_m2"]], axis=1)
        rows = cases[f"{setting}_y"].astype(float)
        inverse = np.linalg.inv(cases[f"{setting}_sigma"])
        expected = cases[f"{setting}_logp"]
    n, p = rows.shape
    projected, gram = rows @ inverse @ design, np.ascontiguousarray(design.T @ inverse @ design)
    out, pull, second, none = np.zeros(n), np.empty((n, 2)), np.empty((2, 2)), np.empty(0)
    _, nodes = grid_terms(plan, np.empty((n, 0)), projected, gram, none, pull, second, none, out)
    base = np.einsum("ij,jk,ik->i", rows, inverse, rows)
    base += p * np.log(2 * np.pi) - np.linalg.slogdet(inverse)[1]
    np.testing.assert_allclose(out - 0.5 * base, expected, rtol=0, atol=5e-6)
    assert nodes / n < 70  # 64 at most; below 60 with a tolerance of 1e-4, which lost 2e-6


# what is changed in a random draw: factors' loadings, disturbances, effects of products, paths
HARD = {
    "nearly determined outcome": (INTERACTION, {}, {2: 0.015}, {(2, 0): 0.7}, {}),
    "two modes": (
        INTERACTION,
        {0: 0.2, 1: 0.2},
        {2: 0.015},
        {(2, 0): 0.9},
        {(2, 0): 0.0, (2, 1): 0.0},
    ),
    "four modes on a ring": (
        TWO_SQUARES,
        {0: 0.2, 1: 0.2},
        {2: 0.05},
        {(2, 0): 0.7, (2, 1): 0.6, (2, 2): 0.0},
        {(2, 0): 0.0, (2, 1): 0.0},
    ),
    "two squares": (TWO_SQUARES, {}, {2: 0.015}, {}, {}),
    "chain": (CHAIN, {}, {1: 0.05, 2: 0.05}, {(1, 1): 0.6, (2, 0): 0.6}, {}),
    "chain with modes": (
        CHAIN,
        {0: 0.2},
        {1: 0.05, 2: 0.05},
        {(1, 1): 0.7, (2, 0): 0.6},
        {(1, 0): 0.0, (2, 1): 0.0},
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_settings(name):
    family, weaker, disturbances, effects, paths = HARD[name]
    rng = np.random.default_rng(1)
    draw = family.draw(rng)
    for j, factor in weaker.items():
        draw["loadings"][:, j] *= factor
    for j, value in disturbances.items():
        draw["disturbances"][j, j] = value
    for place, value in effects.items():
        draw["products"][place] = value
    for place, value in paths.items():
        draw["paths"][place] = value
    draw["residuals"] *= 0.5
    rows = family.simulate(draw, 6, rng)
    rows[-1] *= 3  # a respondent that the model does not expect
    expected = product_log_likelihood(
        draw, rows, pairs=family.products, grid=np.linspace(-9, 9, 1201)
    )
    got = problem(family, rows).respondents(elements(draw))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("setting", curved.SETTINGS, ids=lambda s: s.name)
def test_no_hill_is_missed(setting, k):
    """Where one maximum is not enough, by the grid that models with several outcomes need."""
    model, m, rows = curved.draw(setting, k, 25 if k == 2 else 5, np.random.default_rng(k + 7))
    assert planned(model, "grid").integrated >= k - 1
    got = problem(model, rows, route="grid").respondents(elements(m))
    if k == 3 and setting.name == "unmeasured":  # too many nodes: none rather than a wrong one
        assert np.isneginf(got).all()
    else:
        np.testing.assert_allclose(got, curved.log_likelihood(m, model, rows), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "seed"),
    [("unmeasured", 11_022), ("unmeasured", 10_022), ("squares alone", 4_022)],
)
def test_small_hills_and_long_ridges_count(name, seed):
    """Hills of weight 1e-5 that are narrower than the step, and ridges narrow between its nodes.

    With a tolerance of 1e-4 and growth along axes alone these were off by up to 5e-4.
    """
    setting = next(s for s in curved.SETTINGS if s.name == name)
    model, m, rows = curved.draw(setting, 2, 30, np.random.default_rng(seed))
    got = problem(model, rows, route="grid").respondents(elements(m))
    np.testing.assert_allclose(got, curved.log_likelihood(m, model, rows), rtol=0, atol=1e-6)


@pytest.mark.parametrize("route", ROUTED)
def test_routine_is_loaded_by_the_first_call(route):
    """A plan may reach the kernel without planning: unpickled, in another process."""
    rng = np.random.default_rng(3)
    draw = INTERACTION.draw(rng)
    p = problem(INTERACTION, INTERACTION.simulate(draw, 5, rng), route=route)
    expected = p.respondents(elements(draw))
    slots, at = TERMS.slots, ROUTED.index(route)
    loaded = slots[at]
    try:
        TERMS.unload(at)
        assert slots[at] != loaded
        np.testing.assert_array_equal(p.respondents(elements(draw)), expected)
        assert slots[at] == loaded
    finally:
        slots[at] = loaded


def test_missing_observed_factor_is_named():
    rng = np.random.default_rng(3)
    rows = LATENT_BY_OBSERVED.simulate(LATENT_BY_OBSERVED.draw(rng), 9, rng)
    column = LATENT_BY_OBSERVED.observed_factors[2]
    rows[2, column] = rows[5, column] = np.nan
    names = [f"x{i}" for i in range(rows.shape[1])]
    with pytest.raises(DataError, match=f"x{column} is in a product term and missing for 2"):
        problem(LATENT_BY_OBSERVED, rows, names=names)
