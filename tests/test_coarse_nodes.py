"""Chains on a coarse lattice: draws weighted by the exact one are draws of that one."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

import bayessem as bs
from bayessem.likelihood.node_plan import STEP, unpack_nodes
from bayessem.model.answer_engine import answer_engine
from bayessem.model.prepare import Prepared
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior import coarse_nodes, sampling
from bayessem.posterior.answered import answered
from bayessem.posterior.answers import packed_nodes
from bayessem.posterior.assemble import posterior_density, respondent_order
from bayessem.posterior.coarse_nodes import SPREAD, _coarser
from bayessem.posterior.density import Density
from bayessem.posterior.mixing import mixing
from bayessem.posterior.node_choice import choose_nodes
from bayessem.posterior.sampling import Approximation, Draws, exact, sample

ITEMS = [f"x{i}" for i in range(1, 7)]
DRAWS = {"draws": 300, "tune": 200, "chains": 2, "cores": 1, "random_seed": 1, "progress": False}


@cache
def found() -> tuple[Prepared, Density, Approximation]:
    """Two constructs of three five-category items each, one of which explains the other."""
    rng = np.random.default_rng(1)
    f = rng.standard_normal((200, 1))
    g = 0.6 * f + 0.8 * rng.standard_normal((200, 1))
    latent = 0.8 * np.repeat(np.hstack([f, g]), 3, axis=1) + 0.6 * rng.standard_normal((200, 6))
    data = pd.DataFrame(np.searchsorted([-1.0, -0.3, 0.4, 1.1], latent), columns=ITEMS)
    sem = bs.SEM("f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\ng ~ f", ordered=True)
    prepared = sem.prepare(data)
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    start = initial_point(prepared.space, prepared.table, values)
    return prepared, *answered(prepared, density, start)


def three(*correlations: float) -> tuple[Density, Approximation]:
    """Three covarying constructs of three items: f ~~ g, f ~~ h, g ~~ h."""
    rng = np.random.default_rng(4)
    covariance = np.eye(3)
    covariance[[0, 0, 1], [1, 2, 2]] = covariance[[1, 2, 2], [0, 0, 1]] = correlations
    latent = rng.multivariate_normal(np.zeros(3), covariance, 250).repeat(3, axis=1)
    latent = 0.75 * latent + np.sqrt(1 - 0.75**2) * rng.standard_normal(latent.shape)
    names = [f"x{i}" for i in range(1, 10)]
    data = pd.DataFrame(np.searchsorted([-1.0, -0.3, 0.4, 1.1], latent), columns=names)
    text = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\nh =~ x7 + x8 + x9"
    prepared = bs.SEM(text, ordered=True, std_lv=True).prepare(data)
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    start = initial_point(prepared.space, prepared.table, values)
    return answered(prepared, density, start)


def points(approximation: Approximation, count: int, seed: int) -> np.ndarray:
    """Natural parameters near the maximum."""
    white = np.random.default_rng(seed).standard_normal((count, approximation.density.size))
    x = approximation.maximum.x + white @ approximation.root.T
    return approximation.density.natural(x)


def too_coarse(by: float) -> Approximation:
    """The approximation with all steps so many times as wide, whatever that does."""
    prepared, density, approximation = found()
    _, model = answer_engine(prepared.structure, prepared.sample)
    at = density.elements(points(approximation, 20, 2))
    nodes = [
        tuple(_coarser(n, by) for n in own) for own in choose_nodes(model, prepared.sample, at)
    ]
    order = respondent_order(prepared.sample)
    ints, floats = packed_nodes(model, prepared.sample, order, at, nodes)
    return replace(approximation, density=replace(approximation.wanted, ints=ints, floats=floats))


def errors(approximation: Approximation) -> np.ndarray:
    """Error of all respondents' log-likelihood at points that no lattice was chosen at."""
    at = points(approximation, 200, 3)
    coarse = approximation.density.respondent_log_likelihood(at)
    return (coarse - approximation.wanted.respondent_log_likelihood(at)).sum(axis=1)


def test_chains_have_fewer_nodes_and_nearly_the_same_likelihood():
    """The spread is what it was aimed at, at points of a seed that the choice did not see."""
    _, density, approximation = found()
    count = [unpack_nodes.py_func(d.ints, d.floats).node_count for d in (
        approximation.density, density)]  # fmt: skip
    assert (count[0] < 0.7 * count[1]).all()
    assert errors(approximation).std() < 2.0 * SPREAD
    # the one that is wanted is exact, and is what the fit's numbers are of
    assert approximation.wanted.floats is density.floats


@pytest.mark.parametrize(
    ("correlations", "most"),
    [((0.6, 0.6, 0.36), 3), ((0.6, 0.6, 0.9), 5), ((0.85, 0.85, 0.85), 5), ((0.65, 0.65, -0.1), 7)],
)
def test_three_constructs_have_a_series_where_it_is_short(correlations, most):
    """Few terms where one of them leaves the others little correlated."""
    _, approximation = three(*correlations)
    plan = unpack_nodes.py_func(approximation.density.ints, approximation.density.floats)
    assert 2 < plan.step.reshape(-1, STEP)[:, 11].max() <= most
    assert errors(approximation).std() < 3.0 * SPREAD


def test_a_series_that_is_too_short_is_given_up(monkeypatch):
    """The block is a chain of regressions then."""
    monkeypatch.setattr(coarse_nodes, "SERIES", (3,))
    _, approximation = three(0.65, 0.65, -0.1)
    plan = unpack_nodes.py_func(approximation.density.ints, approximation.density.floats)
    assert plan.chain.size and not plan.hub.size
    assert errors(approximation).std() < 3.0 * SPREAD


def test_gradient_of_a_coarse_lattice_leads_where_the_exact_one_does():
    """What it lacks, a derivative of the nodes' places, is small in posterior standard units."""
    _, _, approximation = found()
    white = np.random.default_rng(4).standard_normal((10, approximation.density.size))
    for x in approximation.maximum.x + white @ approximation.root.T:
        mine, theirs = (
            d.value_and_gradient(x)[1] @ approximation.root
            for d in (approximation.density, approximation.wanted)
        )
        assert np.abs(mine - theirs).max() < 0.1


def standard_errors(draws: np.ndarray) -> np.ndarray:
    """Monte Carlo standard errors of means, (chain, draw, D) -> (D,)."""
    effective = np.array([mixing(draws[..., i])[1] for i in range(draws.shape[-1])])
    return draws.std(axis=(0, 1)) / np.sqrt(effective)


def test_draws_are_kept_by_their_weights():
    """Of each chain a draw as often as its weight says, to less than one time."""
    coarse = too_coarse(2.6)
    values = points(coarse, 80, 6).reshape(2, 40, -1)
    theirs, mine = (
        d.respondent_log_likelihood(values).sum(axis=2) for d in (coarse.wanted, coarse.density)
    )
    weights = np.exp(theirs - mine)
    assert weights.std() > 0.2
    out = exact(coarse, Draws(values, {}, 0.0), 1).values
    for chain in range(2):
        share = 40 * weights[chain] / weights[chain].sum()
        times = (out[chain][:, None] == values[chain][None]).all(axis=2).sum(axis=0)
        assert times.sum() == 40
        assert (np.abs(times - share) < 1.0).all()


def test_weighted_draws_are_those_of_the_exact_lattice():
    """Means and mean squares of all parameters, in Monte Carlo standard errors of both runs."""
    coarse = too_coarse(2.0)
    out = sample(coarse, **DRAWS)
    fine = sample(replace(coarse, density=coarse.wanted, finer=None), **DRAWS | {"random_seed": 2})
    assert out.weights is not None
    assert out.weights.effective < out.weights.draws
    for power in (1, 2):
        centre, sd = fine.values.mean(axis=(0, 1)), fine.values.std(axis=(0, 1))
        one, other = (((v - centre) / sd) ** power for v in (out.values, fine.values))
        error = np.hypot(standard_errors(one), standard_errors(other))
        z = (one.mean(axis=(0, 1)) - other.mean(axis=(0, 1))) / error
        assert np.abs(z).max() < 4.5
    # and the log-likelihoods that come with them are the exact ones
    at = out.values[1, ::50]
    np.testing.assert_allclose(
        out.log_likelihood[1, ::50], coarse.wanted.respondent_log_likelihood(at), rtol=1e-12
    )


def test_a_lattice_whose_weights_are_bad_is_given_up(monkeypatch):
    """The draws are those of chains on the exact lattice, to the last bit."""
    monkeypatch.setattr(sampling, "WORTH", 1.1)  # which no weights reach
    _, _, approximation = found()
    few = DRAWS | {"draws": 50, "tune": 50}
    out = sample(approximation, **few)
    alone = replace(approximation, density=approximation.wanted, finer=None)
    fine = sample(alone, **few)
    assert out.weights is None
    np.testing.assert_array_equal(out.values, fine.values)


def test_fits_say_that_their_draws_were_weighted():
    """Draws are as many as asked for, and plain ones to whoever reads them."""
    prepared, _, _ = found()
    sem = bs.SEM("f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\ng ~ f", ordered=True)
    fit = sem.fit(
        pd.DataFrame(prepared.sample.values, columns=prepared.sample.variables)[ITEMS],
        draws=100, tune=100, chains=2, random_seed=1, progress=False,
    )  # fmt: skip
    assert any("coarser lattice" in note for note in fit.notes)
    assert fit.data["posterior"].sizes["draw"] == 100
    assert fit.diagnosis.quadrature_error < 1e-5


@pytest.mark.parametrize("by", [1.0, 1.3, 2.0, 50.0])
def test_coarser_lattices_have_the_same_ends(by):
    """Fewer nodes, at least three, over the same range."""
    prepared, density, _ = found()
    _, model = answer_engine(prepared.structure, prepared.sample)
    for nodes in choose_nodes(model, prepared.sample, density.elements(points(found()[2], 5, 1)))[
        0
    ]:
        out = _coarser(nodes, by)
        assert out.first == nodes.first
        np.testing.assert_allclose(
            out.step * (out.count - 1), nodes.step * (nodes.count - 1), rtol=1e-12
        )
        assert 3 <= out.count <= nodes.count
        assert out.step <= by * nodes.step * (1.0 + 1e-12)
