"""LOO: ArviZ's where nothing needs repair, brute-force refits' where something does."""

import dataclasses

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from example_models import QUADRATIC, abilities, noise
from scipy.stats import multivariate_normal, norm

from bayessem import SEM
from bayessem.comparison.criterion import stored_log_likelihood, target_of
from bayessem.comparison.importance import bridged_mean, log_mean_exp
from bayessem.comparison.loo import MATCHED, REFITTED, psis_loo
from bayessem.comparison.moment_matching import match_moments, match_one
from bayessem.comparison.refits import log_predictive, refit_without, unconstrained
from bayessem.errors import BayessemWarning, FitError, NotSupported
from bayessem.model.covariance_input import from_covariance
from bayessem.posterior.smoothing import good_k, smoothed_weights

SHORT = {"draws": 500, "tune": 500, "random_seed": 1, "progress": False}


def curved(n: int = 80, seed: int = 4) -> pd.DataFrame:
    """Six indicators of a construct and of its quadratic consequence."""
    rng = np.random.default_rng(seed)
    f = rng.normal(size=n)
    g = 0.4 * f - 0.4 * f**2 + rng.normal(0, 0.6, n)
    out = {f"x{j}": f + rng.normal(0, 0.6, n) for j in (1, 2, 3)}
    return pd.DataFrame(out | {f"x{j}": g + rng.normal(0, 0.6, n) for j in (4, 5, 6)})


@pytest.fixture(scope="module")
def curved_fit():
    return SEM(QUADRATIC).fit(curved(), **SHORT)


@pytest.fixture(scope="module")
def outlier_fit():
    """One factor, 70 respondents, three of whom answered the first two items at random."""
    rng = np.random.default_rng(5)
    f = rng.normal(size=70)
    data = pd.DataFrame({f"x{j}": f + rng.normal(0, 0.6, 70) for j in range(1, 5)})
    data.loc[[7, 21, 40], ["x1", "x2"]] = [[6.5, -6.5], [-6.5, 5.2], [6.1, -5.0]]
    return SEM("f =~ x1 + x2 + x3 + x4").fit(data, **SHORT)


@pytest.fixture(scope="module")
def outlier_psis(outlier_fit):
    return psis_loo(outlier_fit)


@pytest.fixture(scope="module")
def outlier_exact(outlier_fit):
    """elpd of the respondent that PSIS gets most wrong, by a refit with longer chains."""
    longer = dataclasses.replace(
        outlier_fit, settings={**outlier_fit.settings, "draws": 20_000, "tune": 1000}
    )
    again = refit_without(longer, [7], random_seed=11)
    return float(log_mean_exp(log_predictive(outlier_fit.prepared, [7], again.values).ravel()))


def test_it_is_arviz_where_nothing_needs_repair(hs_fit):
    ours, theirs = hs_fit.loo(), az.loo(hs_fit.data)
    assert not any(ours.repaired.values())
    assert (ours.elpd, ours.se, ours.p_loo) == pytest.approx(
        (theirs.elpd, theirs.se, theirs.p), rel=1e-12
    )
    np.testing.assert_allclose(ours.pointwise["pareto_k"], theirs.pareto_k, rtol=1e-12)
    assert ours.elpd_data.elpd_i.sum() == pytest.approx(theirs.elpd)
    assert list(ours.pointwise.index) == [str(x) for x in abilities().index]
    assert "no repair was needed" in str(ours)
    assert ours.table.loc["elpd", "estimate"] == ours.elpd


def test_limit_of_k():
    assert good_k(4000) == 0.7
    assert good_k(1000) == pytest.approx(2 / 3)
    assert good_k(100) == 0.5


def test_coordinates_invert_the_transforms(hs_fit, pd_fit):
    """With a block of correlations (three correlated factors) and with single ones."""
    for fit in (hs_fit, pd_fit):
        x = unconstrained(fit.prepared.space, fit.values)
        np.testing.assert_allclose(fit.density.natural(x), fit.values, rtol=1e-10, atol=1e-12)
    assert (
        hs_fit.prepared.space.blocks
        or SEM("a =~ x1 + x2\nb =~ x3 + x4\nc =~ x5 + x6", std_lv=True)
        .prepare(abilities())
        .space.blocks
    )


def test_coordinates_of_a_correlation_block():
    sem = SEM("visual =~ x1+x2+x3\ntextual =~ x4+x5+x6\nspeed =~ x7+x8+x9", std_lv=True)
    fit = sem.fit(abilities(), draws=20, tune=50, chains=1, random_seed=1, progress=False)
    assert fit.prepared.space.blocks
    x = unconstrained(fit.prepared.space, fit.values)
    np.testing.assert_allclose(fit.density.natural(x), fit.values, rtol=1e-10, atol=1e-12)


def test_density_of_some_respondents_is_that_stored(curved_fit):
    data = noise("x1 x2 x3", n=40)
    data["x3"] += 1.0
    data.loc[::3, "x2"] = np.nan
    data["g"] = np.where(np.arange(40) % 4, "a", "b")
    grouped = SEM("f =~ x1 + x2 + x3").fit(
        data, group="g", draws=20, tune=100, chains=1, random_seed=1, progress=False
    )
    for fit in (grouped, curved_fit):
        some = [7, 3, 12]
        stored = fit.data["log_likelihood"]["y"].values[..., some]
        np.testing.assert_allclose(log_predictive(fit.prepared, some, fit.values), stored)


def test_moment_matching_of_a_known_posterior():
    """Mean of eight normals, one of them far out; its predictive density without it is known."""
    rng = np.random.default_rng(3)
    y = np.array([*rng.normal(size=7), 9.0])
    n = len(y)
    draws = rng.normal(y.mean(), 1 / np.sqrt(n), size=(4000, 1))

    def log_posterior(x: np.ndarray) -> np.ndarray:
        return norm.logpdf(x[:, 0], y.mean(), 1 / np.sqrt(n)) + 17.0  # any constant will do

    def log_likelihood(x: np.ndarray) -> np.ndarray:
        return norm.logpdf(y[-1], x[:, 0], 1.0)

    exact = norm.logpdf(y[-1], y[:-1].mean(), np.sqrt(1 + 1 / (n - 1)))
    density = log_likelihood(draws)
    weights, k = smoothed_weights(-density, 1.0)
    plain = float(np.logaddexp.reduce(weights + density))
    found = match_one(log_posterior, log_likelihood, draws, log_posterior(draws), 1.0, threshold=0)
    assert found.steps[0] == "mean"
    assert found.pareto_k < min(0.5, k)
    assert found.elpd == pytest.approx(exact, abs=0.05)
    assert abs(plain - exact) > 0.2  # what it repairs


def test_bridge_of_a_known_posterior():
    """The same, from draws with and without the respondent."""
    rng = np.random.default_rng(4)
    y = np.array([*rng.normal(size=7), 9.0])
    with_it = rng.normal(y.mean(), 1 / np.sqrt(8), size=2000)
    without = rng.normal(y[:-1].mean(), 1 / np.sqrt(7), size=2000)
    exact = norm.logpdf(y[-1], y[:-1].mean(), np.sqrt(1 + 1 / 7))
    found, error = bridged_mean(norm.logpdf(y[-1], without), norm.logpdf(y[-1], with_it))
    assert 0.01 < error < 0.1
    assert abs(found - exact) < 3 * error


def test_nothing_to_match_is_the_importance_estimate():
    draws = np.random.default_rng(0).normal(size=(1000, 2))
    base = norm.logpdf(draws).sum(axis=1)
    found = match_one(
        lambda x: norm.logpdf(x).sum(axis=1),
        lambda x: norm.logpdf(0.1, x[:, 0], 3.0),
        draws,
        base,
        1.0,
        threshold=0.9,
    )
    assert found.steps == ()
    assert found.elpd == pytest.approx(norm.logpdf(0.1, 0, np.sqrt(10)), abs=0.01)


def test_planted_outliers_are_found_and_repaired(outlier_fit, outlier_psis, outlier_exact):
    assert outlier_psis.unreliable == ("7", "21", "40")
    result = outlier_fit.loo()
    assert not result.unreliable
    # whether the last one needs a refit hangs on the draws, which differ between processors
    assert sum(result.repaired.values()) == 3 and result.repaired[MATCHED] >= 2
    assert "3 of 70 respondents had a Pareto k above .70: " in str(result)
    point = result.pointwise["elpd"]
    assert point["7"] == pytest.approx(outlier_exact, abs=0.2)
    # what it repairs: weights that cannot be relied on become weights that can
    assert (outlier_psis.pointwise.loc[["7", "21", "40"], "pareto_k"] > 0.8).all()
    used = result.pointwise.loc[["7", "21", "40"], "k_used"].dropna()
    assert len(used) >= 2 and (used < 0.7).all()


def test_outliers_are_refitted_without_moment_matching(outlier_fit, outlier_exact):
    result = outlier_fit.loo(moment_match=False)
    assert result.repaired == {MATCHED: 0, REFITTED: 3}
    assert "3 of 70 respondents had a Pareto k above .70: 3 repaired by exact refit" in str(result)
    assert result.pointwise["k_used"].isna().sum() == 3
    assert result.pointwise["elpd"]["7"] == pytest.approx(outlier_exact, abs=0.2)
    assert not result.elpd_data.warning


def test_too_many_refits_are_not_done_and_said(outlier_fit, outlier_psis):
    with pytest.warns(BayessemWarning, match=r"more than max_refits=0.*kfold"):
        result = outlier_fit.loo(moment_match=False, max_refits=0)
    assert result.unreliable == outlier_psis.unreliable
    unrepaired = outlier_fit.loo(moment_match=False, refit=False)  # asked for: no warning
    assert "not repaired" in str(unrepaired)
    with pytest.raises(FitError, match="0 or more"):
        outlier_fit.loo(max_refits=-1)


def test_brute_force_refits_of_a_quadratic_model(curved_fit):
    """Those with the largest k, where importance sampling is hardest."""
    result = curved_fit.loo()
    worst = np.argsort(-result.pointwise["pareto_k"].to_numpy())[:2]
    for i in worst:
        again = refit_without(curved_fit, [i], random_seed=20 + int(i))
        exact = log_mean_exp(log_predictive(curved_fit.prepared, [i], again.values).ravel())
        assert result.pointwise["elpd"].iloc[i] == pytest.approx(exact, abs=0.1)


def test_moment_matching_of_a_quadratic_model(curved_fit):
    """Asked for more than is needed, it keeps an estimate that was good (k < .4)."""
    psis = psis_loo(curved_fit).pointwise
    k = psis["pareto_k"].to_numpy()
    i = int(np.argmax(np.where(k < 0.4, k, -np.inf)))
    (found,) = match_moments(curved_fit, [i], threshold=0.2)
    assert found.steps
    assert found.pareto_k < psis["pareto_k"].iloc[i]
    assert found.elpd == pytest.approx(psis["elpd"].iloc[i], abs=0.1)


def test_it_conditions_on_covariates():
    """p(y | x) of the normal distribution, worked out by hand; the moments of x do not matter."""
    rng = np.random.default_rng(2)
    data = noise("y1 y2 y3", n=60)
    data["a"] = rng.normal(50, 10, 60)
    data["b"] = 0.03 * data["a"] + rng.normal(size=60)
    fit = SEM("f =~ y1 + y2 + y3\nf ~ a + b").fit(
        data, draws=5, tune=100, chains=1, random_seed=1, progress=False
    )
    stored = stored_log_likelihood(fit)
    structure, sample = fit.prepared.structure, fit.prepared.sample
    x = sample.values[:, [sample.variables.index(name) for name in ("a", "b")]]
    y = sample.values[:, [sample.variables.index(name) for name in ("y1", "y2", "y3")]]
    rows = [structure.observed.index(name) for name in ("y1", "y2", "y3")]
    f = structure.variables.index("f")
    given = [structure.variables.index(name) for name in ("a", "b")]
    for draw in (0, 4):
        m = structure.matrices(fit.elements[0, draw])
        loading = m["loadings"][rows, f]
        mean = m["intercepts"][rows] + np.outer(m["means"][f] + x @ m["paths"][f, given], loading)
        covariance = m["disturbances"][f, f] * np.outer(loading, loading)
        covariance = covariance + m["residuals"][np.ix_(rows, rows)]
        by_hand = [
            multivariate_normal.logpdf(one, at, covariance) for one, at in zip(y, mean, strict=True)
        ]
        np.testing.assert_allclose(stored[draw], by_hand, rtol=1e-9)
    assert target_of(fit.prepared).covariates == ("a", "b")
    with pytest.raises(FitError, match="100 draws or more, and this fit has 5"):
        fit.loo()


def test_thinned_log_likelihoods(hs_fit):
    """For very many respondents only some draws' log-likelihoods are stored."""
    thin = hs_fit.data["log_likelihood"].to_dataset().isel(draw=slice(None, None, 3))
    tree = xr.DataTree.from_dict(
        {"posterior": hs_fit.draws["posterior"].to_dataset(), "log_likelihood": thin}
    )
    result = dataclasses.replace(hs_fit, draws=tree).loo()
    assert result.draws == thin.sizes["chain"] * thin.sizes["draw"] < 2000
    assert result.elpd == pytest.approx(hs_fit.loo().elpd, abs=1.0)


def test_a_log_likelihood_that_is_not_finite_is_refused(hs_fit):
    broken = hs_fit.data["log_likelihood"].to_dataset().copy(deep=True)
    broken["y"][0, 3, 5] = np.nan
    tree = xr.DataTree.from_dict(
        {"posterior": hs_fit.draws["posterior"].to_dataset(), "log_likelihood": broken}
    )
    with pytest.raises(FitError, match="respondent 5 is not finite"):
        dataclasses.replace(hs_fit, draws=tree).loo()


def test_made_up_respondents_are_refused():
    covariance = abilities()[["x1", "x2", "x3"]].cov()
    fit = SEM("f =~ x1 + x2 + x3").fit(
        from_covariance(covariance, 301), draws=20, tune=50, chains=1, random_seed=1, progress=False
    )
    with pytest.raises(NotSupported, match="covariance matrix"):
        fit.loo()
