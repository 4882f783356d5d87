"""Naming of deviations, against posteriors that are known in closed form."""

import numpy as np
import pytest
from scipy.stats import norm

from bayessem.moderation.deviations import name_deviations, simultaneous_width

SD, SE, GROUPS = 0.1, 0.04, 3
ITEMS = ["loadings of f"] * 4 + ["loadings of g"] * 4


def posterior(truth, *, released=(), se=SE, items=4):
    """Mean and covariance of deviations d_pg, when y_pg = m_p + d_pg + shift of g's construct.

    truth (parameter, group), `items` a construct; flat m and shifts, N(0, SD^2) deviations, flat
    ones if `released`.
    """
    count = len(truth)
    design = []
    for p in range(count):
        for g in range(GROUPS):
            row = np.zeros(count * GROUPS + count + 2 * GROUPS)
            row[p * GROUPS + g] = row[count * GROUPS + p] = 1.0
            row[count * (GROUPS + 1) + (p // items) * GROUPS + g] = 1.0
            design.append(row)
    x = np.array(design)
    weak = np.full(x.shape[1], 1e-6)
    for p in range(count):
        weak[p * GROUPS : (p + 1) * GROUPS] = 1e-6 if p in released else 1 / SD**2
    covariance = np.linalg.inv(x.T @ x / se**2 + np.diag(weak))
    mean = covariance @ x.T @ truth.ravel() / se**2
    # less their average over the groups
    k = count * GROUPS
    centre = np.kron(np.eye(count), np.eye(GROUPS) - 1.0 / GROUPS)
    return centre @ mean[:k], centre @ covariance[:k, :k] @ centre.T


def draws(mean, covariance, *, size=20_000):
    values = np.random.default_rng(1).multivariate_normal(mean, covariance, size)
    return values.reshape(size, -1, GROUPS)


def one_off(*where):
    truth = np.zeros((8, GROUPS))
    for p, g, size in where:
        truth[p, g] += size
    return truth


def test_the_joint_intervals_of_independent_quantities():
    values = np.random.default_rng(0).standard_normal((200_000, 10))
    expected = norm.ppf(0.5 * (1.0 + 0.95**0.1))
    assert simultaneous_width(values, 0.95) == pytest.approx(expected, abs=0.02)
    assert simultaneous_width(np.repeat(values[:, :1], 10, axis=1), 0.95) == pytest.approx(
        norm.ppf(0.975), abs=0.02
    )


def test_what_is_off_is_named_and_nothing_else():
    found = name_deviations(draws(*posterior(one_off())), sd=SD, blocks=ITEMS)
    assert found.named == () and found.crowded == ()
    truth = one_off((2, 1, -0.4), (5, 2, 0.8))
    mean, covariance = posterior(truth)
    # under the prior the neighbours of the large one are off as well, by more than two sds
    pulled = mean.reshape(8, GROUPS)[4, 2] / np.sqrt(np.diag(covariance).reshape(8, GROUPS)[4, 2])
    assert pulled < -2
    found = name_deviations(draws(mean, covariance), sd=SD, blocks=ITEMS)
    assert found.named == (5, 2)
    assert found.crowded == ()


def test_freed_deviations_are_those_of_the_posterior_without_their_priors():
    truth = one_off((2, 1, -0.4), (5, 2, 0.8))
    found = name_deviations(draws(*posterior(truth)), sd=SD, blocks=ITEMS)
    for p, released in ((2, (2, 5)), (5, (2, 5)), (4, (2, 4, 5))):
        mean, covariance = posterior(truth, released=released)
        own = slice(p * GROUPS, (p + 1) * GROUPS)
        assert found.estimate[p] == pytest.approx(mean[own], abs=0.01)
        assert found.spread[p] == pytest.approx(np.sqrt(np.diag(covariance)[own]), rel=0.05)


def test_a_sure_but_small_deviation_is_what_nearly_equal_means():
    for size, named in ((-0.12, ()), (-0.18, (2,))):  # in one of three groups: 2 / 3 of it
        truth = np.zeros((20, GROUPS))
        truth[2, 1] = size
        values = draws(*posterior(truth, se=0.005, items=20))
        found = name_deviations(values, sd=SD, blocks=["loadings of f"] * 20)
        assert abs(found.estimate[2, 1]) / found.spread[2, 1] > found.width
        assert found.named == named


def test_no_more_than_half_of_a_construct_is_named():
    truth = one_off((0, 0, 0.6), (1, 0, -0.6), (2, 1, 0.6))
    found = name_deviations(draws(*posterior(truth)), sd=SD, blocks=ITEMS)
    assert len(found.named) == 2 and set(found.named) <= {0, 1, 2}
    assert found.crowded == ("loadings of f",)


def test_what_the_data_do_not_know_is_not_named():
    truth = one_off((2, 1, -0.4))
    found = name_deviations(draws(*posterior(truth, se=50.0)), sd=SD, blocks=ITEMS)
    assert found.named == found.conflict == ()
    assert np.isnan(found.estimate).all()


def test_what_contradicts_the_prior_stops_the_naming():
    found = name_deviations(draws(*posterior(one_off((2, 1, -1.5)))), sd=SD, blocks=ITEMS)
    assert found.conflict == (2,)
    assert found.named == () and np.isnan(found.estimate).all()
    # a posterior as wide as the prior, yet one sd away from 0, is not a normal one
    values = SD * np.random.default_rng(2).standard_normal((20_000, 4, GROUPS))
    values[:, 1, 0] += 2.2 * SD
    values = values - values.mean(axis=-1, keepdims=True)
    assert name_deviations(values, sd=SD, blocks=ITEMS[:4]).conflict == (1,)
