"""Partial pooling with ordered answers: one density, its gradient, its prior, recovery."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import bayessem as bs
from bayessem.errors import ModelError, NotSupported
from bayessem.model.answer_engine import on_lattices
from bayessem.posterior.answers import loading_scales
from bayessem.posterior.assemble import likelihood_density, posterior_density
from bayessem.posterior.balance import balanced_density
from bayessem.posterior.prior_draws import prior_draws

MODEL = "f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3\ng ~ f"
SLOPES = (0.1, 0.4, 0.6, 0.8, 1.1)
POOLINGS = {
    "a path": bs.partial("g ~ f"),
    "a path by a predictor": bs.partial("g ~ f", by="w"),
    "a loading": bs.partial("f =~ x2"),
    "a path, its intercept and a variance": bs.partial("g ~ f", "g ~ 1", "g ~~ g"),
    "correlated": bs.partial("g ~ f", "g ~ 1", correlated=True),
}


@cache
def data(n: int = 120) -> pd.DataFrame:
    """Five groups whose path differs; three categories, a binary item among them."""
    frames = []
    rng = np.random.default_rng(8)
    for k, slope in enumerate(SLOPES):
        f = rng.standard_normal(n)
        g = slope * f + 0.7 * rng.standard_normal(n)
        part = {
            f"{name}{j}": 1
            + np.searchsorted([-0.6, 0.7][: 1 + (j != 3)], 1.2 * eta + rng.standard_normal(n))
            for name, eta in (("x", f), ("y", g))
            for j in (1, 2, 3)
        }
        frames.append(pd.DataFrame(part).assign(group=f"g{k}", w=slope + 0.1 * (-1) ** k))
    return pd.concat(frames, ignore_index=True)


def prepared(name: str):
    sem = bs.SEM(MODEL, ordered=True, parameterization="theta")
    return sem.prepare(data(), group="group", pooling=POOLINGS[name])


def with_lattices(own, density, x):
    """The density with fine lattices that suit x, so that sums do not move with them."""
    at = density.elements(density.natural(x))
    return density.with_plan(
        posterior_density(own.space, own.structure, own.sample, at=at, finer=1.6)
    )


@pytest.mark.parametrize("name", POOLINGS)
def test_the_gradient_in_the_coordinates_that_are_sampled(name):
    """Balanced hierarchies and thresholds of answers together, against differences."""
    own = prepared(name)
    density = posterior_density(own.space, own.structure, own.sample)
    density, start = balanced_density(own, density)
    density = density.answered(loading_scales(own.space, own.structure, own.sample), 2.0)
    rng = np.random.default_rng(1)
    x = density.answered_point(start) + 0.1 * rng.standard_normal(density.size)
    density = with_lattices(own, density, x)
    value, gradient = density.value_and_gradient(x)
    assert np.isfinite(value)
    for i in range(density.size):
        h = 1e-5 * np.eye(density.size)[i]
        slope = (density.value_and_gradient(x + h)[0] - density.value_and_gradient(x - h)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=5e-4), density.names[i]


@pytest.mark.parametrize("name", ["a path by a predictor", "a loading"])
def test_coordinates_are_a_change_of_variables(name):
    """The density in sampled coordinates is that of the plain ones times the Jacobian."""
    own = prepared(name)
    plain = posterior_density(own.space, own.structure, own.sample)
    density, start = balanced_density(own, plain)
    density = density.answered(loading_scales(own.space, own.structure, own.sample), 2.0)
    rng = np.random.default_rng(2)
    x = density.answered_point(start) + 0.1 * rng.standard_normal(density.size)

    def to_plain(x: np.ndarray) -> np.ndarray:
        """The plain density's coordinates: logs of what is positive."""
        values = density.natural(x)
        positive = plain.fields["transform"] == 1
        return np.where(positive, np.log(np.where(positive, values, 1.0)), values)

    check = plain.natural(to_plain(x))
    np.testing.assert_allclose(check, density.natural(x), rtol=1e-10)
    jacobian = np.array(
        [(to_plain(x + h) - to_plain(x - h)) / 2e-5 for h in 1e-5 * np.eye(density.size)]
    )
    expected = plain.value_and_gradient(to_plain(x))[0] + np.linalg.slogdet(jacobian)[1]
    assert density.value_and_gradient(x)[0] == pytest.approx(expected, abs=1e-5)


def test_thresholds_have_the_prior_of_the_mean_loading():
    """Shares of the answers of the average group are uniform, whatever the loading."""
    own = prepared("a loading")
    density = posterior_density(own.space, own.structure, own.sample)
    drawn = prior_draws(own.space, own.structure, density, draws=2000, random_seed=1)
    names = list(own.space.names)
    loading, cut = drawn[:, names.index("f=~x2")], drawn[:, names.index("x2|t1")]
    # in units of the standard deviation that the prior takes f to have
    (by,) = {
        float(by)
        for k, by in zip(density.fields["item_loading"], density.fields["item_by"], strict=True)
        if int(k) == names.index("f=~x2")
    }
    share = norm.cdf(cut / np.sqrt(1.0 + (by * loading) ** 2))
    # of three uniform shares the first is Beta(1, 2)
    assert share.mean() == pytest.approx(1 / 3, abs=4.5 * np.sqrt(1 / 18 / 2000))
    assert np.corrcoef(np.abs(loading), share)[0, 1] == pytest.approx(0.0, abs=0.1)


def test_paths_of_groups_are_recovered_and_shrunk():
    sem = bs.SEM(MODEL, ordered=True, parameterization="theta", std_lv=False)
    fit = sem.fit(
        data(), group="group", pooling=bs.partial("g ~ f"), draws=400, tune=400, chains=2,
        random_seed=1, progress=False,
    )  # fmt: skip
    assert fit.diagnosis.divergences <= 4
    table = fit.summary()
    paths = table[(table["op"] == "~") & (table["lhs"] == "g") & (table["rhs"] == "f")]
    mean, sd = paths["mean"].to_numpy(), paths["sd"].to_numpy()
    assert len(mean) == len(SLOPES)
    # in units of f's and g's markers, whose residuals in theta are those of the data
    assert np.all(np.abs(mean - SLOPES) < 3.5 * sd)
    assert np.isfinite(fit.loo().elpd)


FAMILIES = {
    "a path to a count": (
        "f =~ x1 + x2\ny ~ f",
        {"family": {"y": "negative_binomial"}},
        ("y ~ f", "y ~ 1", "y ~~ y"),
    ),
    "a path to a share of none and all": (
        "f =~ x1 + x2\ny ~ f",
        {"family": {"y": "zero_one_beta"}},
        ("y ~ f",),
    ),
    "a path to a censored duration": (
        "f =~ x1 + x2\ny ~ f",
        {"family": {"y": "lognormal"}, "censored": {"y": (None, 3.0)}},
        ("y ~ f",),
    ),
}


def families_data(family: str, n: int = 40) -> pd.DataFrame:
    """Three groups whose path to y differs."""
    rng = np.random.default_rng(5)
    frames = []
    for k, slope in enumerate((0.1, 0.4, 0.7)):
        f = rng.standard_normal(n)
        part = pd.DataFrame({f"x{j}": f + 0.6 * rng.standard_normal(n) for j in (1, 2)})
        eta = 0.4 + slope * f
        part["y"] = {
            "negative_binomial": rng.poisson(np.exp(eta) * rng.gamma(2.0, 0.5, n)).astype(float),
            "zero_one_beta": np.where(rng.uniform(size=n) < 0.2, 0.0, rng.beta(2.0, 2.0, n)),
            "lognormal": np.exp(eta + 0.5 * rng.standard_normal(n)),
        }[family]
        frames.append(part.assign(group=f"g{k}"))
    out = pd.concat(frames, ignore_index=True)
    if family == "zero_one_beta":
        out.loc[::9, "y"] = 1.0
    return out


@pytest.mark.parametrize("name", FAMILIES)
def test_paths_of_counts_durations_and_shares_are_pooled(name):
    """The likelihood at the elements is that of the groups by themselves; the gradient is its."""
    model, options, pooled = FAMILIES[name]
    sem = bs.SEM(model, **options)
    frame = families_data(options["family"]["y"])
    own = sem.prepare(frame, group="group", pooling=bs.partial(*pooled))
    density, start = balanced_density(own, posterior_density(own.space, own.structure, own.sample))
    x = start + 0.05 * np.random.default_rng(1).standard_normal(density.size)
    if on_lattices(own.structure):
        density = with_lattices(own, density, x)
    value, gradient = density.value_and_gradient(x)
    assert np.isfinite(value)
    for i in range(density.size):
        h = 1e-5 * np.eye(density.size)[i]
        slope = (density.value_and_gradient(x + h)[0] - density.value_and_gradient(x - h)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=5e-4), density.names[i]
    elements = density.elements(density.natural(x))
    alone = sem.prepare(frame, group="group", pooling=bs.no_pooling(*pooled))
    other = likelihood_density(alone.structure, alone.space, alone.sample, at=elements, finer=1.6)
    assert own.structure.sizes == alone.structure.sizes
    found = density.respondent_log_likelihood(density.natural(x)[None])[0]
    names = list(alone.table.parameters)
    values = np.empty(len(names))
    for k, place in alone.structure.places.items():
        row = alone.table.rows[k]
        if row.free >= 0:
            values[row.free] = elements[alone.structure.element(place)[0]]
    expected = other.respondent_log_likelihood(values[None])[0]
    np.testing.assert_allclose(np.sort(found), np.sort(expected), rtol=0, atol=1e-6)


def test_probabilities_of_none_and_all_are_not_pooled():
    sem = bs.SEM("f =~ x1 + x2\ny ~ f", family={"y": "zero_one_beta"})
    with pytest.raises(ModelError, match="y.zoi is of the kind 'inflation'"):
        sem.prepare(families_data("zero_one_beta"), group="group", pooling=bs.partial("y | zoi"))


def test_wide_graphs_are_not_pooled():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(1, 4, (120, 12)), columns=[f"x{k}" for k in range(12)])
    text = "\n".join(f"f{k} =~ x{3 * k} + x{3 * k + 1} + x{3 * k + 2}" for k in range(4))
    sem = bs.SEM(text, ordered=True)
    with pytest.raises(NotSupported, match="partial pooling does not go with"):
        sem.prepare(frame.assign(g=np.arange(120) % 3), group="g", pooling=bs.partial("f0 =~ x1"))
