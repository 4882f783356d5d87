"""R-hat and effective sample sizes are those of arviz_stats, to the last digit."""

import numpy as np
import pytest

from bayessem.posterior.mixing import mixing


def drawn(chains: int, n: int, correlation: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(chains, n))
    out = noise.copy()
    for i in range(1, n):
        out[:, i] = correlation * out[:, i - 1] + noise[:, i]
    return out


CASES = {
    "independent": drawn(4, 500, 0.0, 1),
    "sticky": drawn(3, 333, 0.97, 2),
    "antithetic": drawn(2, 400, -0.8, 3),
    "apart": drawn(4, 250, 0.3, 4) + np.array([[0.0], [0.0], [0.0], [5.0]]),
    "ties": np.round(drawn(4, 301, 0.5, 5)),
    "heavy": np.exp(3 * drawn(5, 200, 0.2, 6)),
    "one does not move": drawn(3, 100, 0.0, 7) * np.array([[1.0], [0.0], [1.0]]),
    "four draws": drawn(2, 4, 0.0, 8),
    "five draws": drawn(3, 5, 0.0, 9),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_arviz_stats(name):
    from arviz_stats.base import array_stats

    draws = CASES[name]
    expected = [
        array_stats.rhat(draws),
        array_stats.ess(draws, method="bulk"),
        array_stats.ess(draws, method="tail", prob=(0.05, 0.95)),
    ]
    assert np.array_equal(mixing(draws), expected, equal_nan=True)


def test_a_single_chain_is_compared_with_itself():
    from arviz_stats.base import array_stats

    draws = drawn(1, 401, 0.4, 10)
    halves = draws[0, -400:].reshape(2, 200)
    assert mixing(draws)[0] == array_stats.rhat(halves)
    assert mixing(draws)[1] == array_stats.ess(draws, method="bulk")


def test_nan_stays_nan():
    draws = drawn(2, 50, 0.0, 11)
    draws[1, 3] = np.nan
    assert np.isnan(mixing(draws)).all()
