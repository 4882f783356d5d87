"""Setting variables, against simulation equation by equation."""

import numpy as np
import pytest

from bayessem.algebra.polynomial import derivative, value_at
from bayessem.results.intervention import intervene, raw_moments
from bayessem.results.standardize import model_moments
from tests.drawn import brute_force, elements_for, measured, structure_of

CHAIN = (
    measured("X", "W", "M", "Y")
    + """
M ~ a1*X + a2*X:X + a3*W + a4*X:W
Y ~ b1*M + b2*M:M + c1*X + c2*M:W
X ~~ .3*W
"""
)
ORDER = ["X", "W", "M", "Y"]
VALUES = {
    "a1": 0.5,
    "a2": 0.2,
    "a3": -0.3,
    "a4": 0.25,
    "b1": 0.6,
    "b2": -0.15,
    "c1": 0.2,
    "c2": 0.1,
}
N = 400_000


@pytest.fixture(scope="module")
def chain():
    structure = structure_of(CHAIN)
    return structure, elements_for(structure, **VALUES)


def position(structure, name):
    return structure.variables.index(name)


@pytest.mark.parametrize("x", [-1.3, 0.0, 0.8, 2.0])
def test_expected_outcome_is_what_simulation_gives(chain, x):
    structure, elements = chain
    i, j = position(structure, "X"), position(structure, "Y")
    exact = value_at(intervene(structure, elements, (i,)).expected(j), [x])
    y = brute_force(structure, elements, ORDER, set_to={"X": x}, n=N)["Y"]
    assert exact == pytest.approx(y.mean(), abs=5 * y.std() / np.sqrt(N))


def test_two_variables_can_be_set(chain):
    structure, elements = chain
    i, w, j = (position(structure, n) for n in ("X", "W", "Y"))
    exact = value_at(intervene(structure, elements, (i, w)).expected(j), [0.7, -1.1])
    y = brute_force(structure, elements, ORDER, set_to={"X": 0.7, "W": -1.1}, n=N)["Y"]
    assert exact == pytest.approx(y.mean(), abs=5 * y.std() / np.sqrt(N))


def test_setting_a_mediator_cuts_its_causes(chain):
    structure, elements = chain
    m, j = position(structure, "M"), position(structure, "Y")
    exact = value_at(intervene(structure, elements, (m,)).expected(j), [1.5])
    y = brute_force(structure, elements, ORDER, set_to={"M": 1.5}, n=N)["Y"]
    assert exact == pytest.approx(y.mean(), abs=5 * y.std() / np.sqrt(N))


def test_paths_sum_to_the_derivative_of_the_expected_outcome(chain):
    structure, elements = chain
    i, m, j = (position(structure, n) for n in ("X", "M", "Y"))
    done = intervene(structure, elements, (i,))
    slope = derivative(done.expected(j), 0)
    for x in (-2.0, 0.3, 1.7):
        parts = value_at(done.path_effect([i, j]), [x]) + value_at(done.path_effect([i, m, j]), [x])
        assert parts == pytest.approx(value_at(slope, [x]), abs=1e-12)


def test_nothing_set_gives_the_model_implied_moments(chain):
    structure, elements = chain
    moments = model_moments(structure, elements)
    for k in range(len(structure.variables)):
        found = raw_moments(structure, elements, k, 2)
        assert found[0] == 1.0
        assert found[1] == pytest.approx(moments.latent_mean[k], abs=1e-12)
        variance = moments.latent_covariance[k, k]
        assert found[2] - found[1] ** 2 == pytest.approx(variance, rel=1e-12)


def test_high_moments_are_those_of_simulated_values(chain):
    structure, elements = chain
    y = brute_force(structure, elements, ORDER, set_to={}, n=N)["M"]
    found = raw_moments(structure, elements, position(structure, "M"), 4)
    for k in range(5):
        error = (y**k).std() / np.sqrt(N)
        assert found[k] == pytest.approx((y**k).mean(), abs=5 * error)


def test_draws_are_treated_one_by_one(chain):
    structure, elements = chain
    other = elements_for(structure, **{**VALUES, "a2": -0.4})
    i, j = position(structure, "X"), position(structure, "Y")
    together = intervene(structure, np.stack([elements, other]), (i,)).expected(j)
    both = value_at(together, [0.9])
    for k, one in enumerate((elements, other)):
        alone = value_at(intervene(structure, one, (i,)).expected(j), [0.9])
        assert both[k] == pytest.approx(alone, abs=1e-12)
