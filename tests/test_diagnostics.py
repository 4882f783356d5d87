"""Planted problems are found and named, and good draws are left in peace."""

import numpy as np
import pytest

from bayessem.posterior.diagnostics import convergence, diagnose, energy_bfmi

CHAINS, DRAWS = 4, 1000
NAMES = ["a", "b"]


def draws(seed=0, chains=CHAINS, count=DRAWS):
    return np.random.default_rng(seed).normal(size=(chains, count, 2))


def stats(chains=CHAINS, count=DRAWS, **changes):
    rng = np.random.default_rng(9)
    base = {
        "diverging": np.zeros((chains, count), dtype=bool),
        "energy": rng.normal(size=(chains, count)),
        "maxdepth_reached": np.zeros((chains, count), dtype=bool),
    }
    return {**base, **changes}


def slow(rho, seed=0):
    """Draws with autocorrelation rho."""
    noise = np.random.default_rng(seed).normal(size=(CHAINS, DRAWS)) * np.sqrt(1 - rho**2)
    out = np.empty_like(noise)
    out[:, 0] = noise[:, 0] / np.sqrt(1 - rho**2)
    for i in range(1, DRAWS):
        out[:, i] = rho * out[:, i - 1] + noise[:, i]
    return out


def test_good_draws_pass():
    found = diagnose(NAMES, draws(), stats())
    assert found.ok
    assert found.advice == ()
    assert "All diagnostics are within their limits" in str(found)


def test_chains_apart_are_named_with_their_means():
    values = draws()
    values[2, :, 1] += 3.0
    found = diagnose(NAMES, values, stats())
    ((name, means),) = found.disagreeing
    assert name == "b"
    assert means[2] == pytest.approx(3.0, abs=0.2)
    assert not found.ok
    assert "the chains do not agree, by chain mean: b (" in found.advice[0]
    assert "WARNING: the chains do not agree" in str(found)


def test_a_mirror_mode_shows_in_the_chain_means():
    values = draws() * 0.1
    values[..., 0] += np.array([1.0, -1.0, 1.0, 1.0])[:, None]
    ((name, means),) = diagnose(NAMES, values, stats()).disagreeing
    assert name == "a"
    assert np.sign(means).tolist() == [1, -1, 1, 1]


def test_low_effective_sample_size_says_how_many_more_draws():
    values = draws()
    values[..., 0] = slow(0.97)
    found = diagnose(NAMES, values, stats())
    name, size = found.lowest_ess_bulk
    assert name == "a"
    assert size < 150
    (advice,) = [a for a in found.advice if "bulk effective sample size of a" in a]
    assert f"about {int(np.ceil(400 / size))} times as many draws" in advice


def test_divergences_are_counted():
    diverging = stats()["diverging"].copy()
    diverging[1, [5, 9]] = True
    found = diagnose(NAMES, draws(), stats(diverging=diverging))
    assert found.divergences == 2
    assert any(a.startswith("2 of 4000 draws diverged") for a in found.advice)


def test_one_divergence_is_enough():
    diverging = stats()["diverging"].copy()
    diverging[0, 0] = True
    assert not diagnose(NAMES, draws(), stats(diverging=diverging)).ok


def test_low_energy_information():
    energy = np.cumsum(np.random.default_rng(0).normal(size=(CHAINS, DRAWS)), axis=1)
    found = diagnose(NAMES, draws(), stats(energy=energy))
    assert min(found.bfmi) < 0.1
    assert any(a.startswith("E-BFMI is 0.0") for a in found.advice)


def test_energy_bfmi_of_independent_energies_is_2():
    energy = np.random.default_rng(0).normal(size=(2, 100_000))
    np.testing.assert_allclose(energy_bfmi(energy), 2.0, rtol=0.02)


def test_tree_depth():
    reached = stats()["maxdepth_reached"].copy()
    reached[:, :50] = True
    found = diagnose(NAMES, draws(), stats(maxdepth_reached=reached))
    assert found.deepest == 200
    assert any("largest tree depth" in a for a in found.advice)


def test_quadrature_error():
    found = diagnose(NAMES, draws(), stats(), quadrature_error=0.02)
    assert any("quadrature error" in a for a in found.advice)
    assert diagnose(NAMES, draws(), stats(), quadrature_error=1e-6).ok


def test_a_stuck_chain_is_found():
    values = draws()
    values[1] = values[1, 0]
    found = diagnose(NAMES, values, stats())
    assert found.stuck == (2,)
    assert any("nothing moved in chain 2" in a for a in found.advice)


def test_chains_that_never_moved_are_not_well():
    values = np.broadcast_to(draws()[:, :1], (CHAINS, DRAWS, 2))
    found = diagnose(NAMES, values, stats())
    assert found.stuck == (1, 2, 3, 4)
    assert not found.ok


@pytest.mark.parametrize("count", [1, 3])
def test_too_few_draws_are_said_to_be_too_few(count):
    found = diagnose(NAMES, draws(count=count), stats(count=count))
    assert not found.ok
    assert any("too few to judge" in a for a in found.advice)


def test_a_defined_constant_does_not_count():
    values = draws()
    values[..., 1] = 2.0
    found = diagnose(NAMES, values, stats())
    assert found.ok
    assert found.worst_rhat[0] == "a"
    table = convergence(values)
    assert table.loc[1].isna().all()
    assert table.loc[0].notna().all()


def test_a_single_chain_can_be_judged():
    found = diagnose(NAMES, draws(chains=1), stats(chains=1))
    assert found.ok
    assert found.worst_rhat[1] < 1.01


@pytest.mark.parametrize(("count", "ok"), [(3, True), (100, False)])
def test_trajectories_that_meet_the_edge_of_the_prior_are_no_divergences(count, ok):
    outside = stats()["diverging"].copy()
    outside[0, :count] = True
    found = diagnose(NAMES, draws(), stats(diverging=outside, outside=outside), walls=True)
    assert (found.divergences, found.walls) == (0, count)
    assert found.ok is ok
    assert any("not positive definite" in a for a in found.advice) is not ok


def test_leaving_the_support_is_a_divergence_where_the_prior_has_no_edge():
    outside = stats()["diverging"].copy()
    outside[0, 0] = True
    found = diagnose(NAMES, draws(), stats(diverging=outside, outside=outside))
    assert (found.divergences, found.walls) == (1, 0)
    assert not found.ok
