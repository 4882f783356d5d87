"""K-fold, groups left out, and LOO-PIT."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, QUADRATIC, abilities, noise
from scipy.stats import norm

import bayessem as bs
from bayessem import SEM
from bayessem.comparison.groups_out import _new_group_density, group_coordinates
from bayessem.comparison.importance import bridged_mean, log_mean_error, log_mean_exp
from bayessem.comparison.kfold import fold_of_respondents
from bayessem.comparison.pit import _covariate_patterns, _linear_cdf, _simulated_cdf, _verdict
from bayessem.comparison.refits import log_predictive, refit_without
from bayessem.errors import FitError

SHORT = {"draws": 300, "tune": 300, "random_seed": 2, "progress": False}


def grouped_data(seed: int = 6) -> pd.DataFrame:
    """Two constructs in four groups whose slopes differ."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(4), 40)
    f = rng.normal(size=160)
    g = np.array([0.0, 0.3, 0.6, 0.9])[group] * f + rng.normal(0, 0.6, 160)
    out = {f"x{j}": f + rng.normal(0, 0.6, 160) for j in (1, 2, 3)}
    out |= {f"x{j}": g + rng.normal(0, 0.6, 160) for j in (4, 5, 6)}
    return pd.DataFrame(out).assign(group=np.array(list("abcd"))[group])


LINEAR = QUADRATIC.replace(" + f:f", "")


@pytest.fixture(scope="module")
def pooled_fit():
    return SEM(LINEAR).fit(
        grouped_data(), group="group", pooling=bs.partial("g ~ f"), target_accept=0.95, **SHORT
    )


def test_folds_share_out_each_group(hs_fit):
    grouped = SEM(ABILITIES).prepare(abilities(), group="school").sample
    fold = fold_of_respondents(grouped, 10, random_seed=1)
    counts = pd.crosstab(grouped.group, fold).to_numpy()
    assert np.ptp(counts, axis=1).max() <= 1
    assert np.ptp(counts.sum(axis=0)) <= 1
    np.testing.assert_array_equal(fold, fold_of_respondents(grouped, 10, random_seed=1))
    assert (fold != fold_of_respondents(grouped, 10, random_seed=2)).any()


def test_kfold_is_near_loo_and_exact_by_fold(hs_fit):
    short = dataclasses.replace(hs_fit, settings={**hs_fit.settings, "tune": 300})
    result = short.kfold(k=5, random_seed=3)
    loo = hs_fit.loo()
    assert result.elpd == pytest.approx(loo.elpd, abs=8)  # trained on a fifth fewer
    assert result.elpd < loo.elpd + 2
    assert result.table["respondents"].tolist() == [61, 60, 60, 60, 60]
    out = np.flatnonzero(result.pointwise["fold"] == 2)
    again = refit_without(short, out, random_seed=99)
    density = log_predictive(hs_fit.prepared, out, again.values).reshape(-1, len(out))
    expected = log_mean_exp(density).sum()
    assert result.table.loc[2, "elpd"] == pytest.approx(expected, abs=0.5)
    assert "5-fold of 301 respondents" in str(result)


def test_k_has_to_make_sense(hs_fit):
    for k in (1, 200):
        with pytest.raises(FitError, match="at least 2 and at most half"):
            hs_fit.kfold(k=k)


def test_a_left_out_group_is_drawn_from_the_population(pooled_fit):
    prepared = pooled_fit.prepared
    (z,), others = group_coordinates(prepared, 2)
    assert prepared.space.names[z] == "g~f[c]"
    assert not others
    members = np.flatnonzero(prepared.sample.group == 2)
    again = refit_without(pooled_fit, members, random_seed=4)
    drawn = again.values[..., z]
    assert drawn.mean() == pytest.approx(0, abs=0.15)
    assert drawn.std() == pytest.approx(1, abs=0.1)
    inside = pooled_fit.values[..., prepared.space.names.index("g~f[a]")]
    assert abs(inside.mean()) > 0.5  # a group with data is not
    density = _new_group_density(prepared, 2, members, again.values, 5, np.random.default_rng(0))
    assert density.shape == (1200, 5)
    np.testing.assert_allclose(
        density[:, 0], log_predictive(prepared, members, again.values).sum(axis=-1).ravel()
    )
    full = pooled_fit.data["log_likelihood"]["y"].values[..., members].sum(axis=-1).ravel()
    elpd, error = bridged_mean(density.T, full)
    plain, rough = log_mean_exp(density.ravel()), log_mean_error(density.T)
    assert error < 0.5 * rough
    assert abs(elpd - plain) < 4 * rough


def test_leave_group_out(pooled_fit):
    result = pooled_fit.leave_group_out(new_groups=5)
    assert list(result.pointwise.index) == list("abcd")
    assert result.target.unit == "group"
    assert (result.table["respondents"] == 40).all()
    assert (result.pointwise["mcse"] < 0.2).all()
    # unseen groups are harder to predict than seen ones
    assert result.p_loo > 0
    assert "from the population of groups" in str(result).replace("\n", " ")
    complete = SEM(LINEAR).fit(
        grouped_data(), group="group", pooling=bs.complete_pooling(), **SHORT
    )
    found = bs.compare({"partial": result, "complete": complete.leave_group_out()})
    assert found.target.unit == "group"
    assert found.differences.shape == (4, 1)
    text = " ".join(str(found).split())
    assert "of 4 groups are predicted better by" in text
    assert "With 4 groups the standard errors" in text


def test_groups_of_their_own_cannot_be_left_out(pooled_fit, hs_fit):
    with pytest.raises(FitError, match="one group"):
        hs_fit.leave_group_out()
    free = SEM(LINEAR).fit(
        grouped_data(), group="group", draws=10, tune=30, chains=1, random_seed=1, progress=False
    )
    with pytest.raises(FitError, match="say nothing about a new group"):
        free.leave_group_out()


def test_pit_of_a_good_and_of_a_poor_model(hs_fit):
    result = hs_fit.loo_pit()
    assert list(result.table.index) == [f"x{j}" for j in range(1, 10)]
    assert result.pointwise.shape == (301, 9)
    assert result.table["mean"].between(0.45, 0.55).all()
    # the model's own marginal moments, by hand, without the weights
    y = abilities()["x1"]
    np.testing.assert_allclose(
        result.pointwise["x1"], norm.cdf(y, y.mean(), y.std(ddof=0)), atol=0.03
    )
    rng = np.random.default_rng(1)
    data = noise("x1 x2 x3", n=300)
    data["x4"] = data["x1"] + rng.exponential(2.0, 300) ** 2  # far from normal
    skewed = SEM("f =~ x1 + x2 + x3 + x4").fit(data, **SHORT).loo_pit()
    assert skewed.table.loc["x4", "outside"]
    assert not skewed.table.loc[["x1", "x2", "x3"], "outside"].any()
    assert "not those of x4" in str(skewed)


def test_pit_with_covariates_missing_values_and_groups():
    data = noise("y1 y2 y3 a", n=80)
    data.loc[::9, "y2"] = np.nan
    data["g"] = np.where(np.arange(80) % 2, "m", "w")
    fit = SEM("f =~ y1 + y2 + y3\nf ~ a").fit(data, group="g", **SHORT)
    result = fit.loo_pit()
    assert list(result.table.index) == ["y1", "y2", "y3"]
    assert result.table["n"].tolist() == [80, 71, 80]
    assert "given a and none of the respondent's other answers" in " ".join(str(result).split())
    np.testing.assert_array_equal(result.pointwise["y2"].isna(), data["y2"].isna())


def test_simulated_and_exact_probabilities_agree():
    """The same linear model by both ways: latent variables simulated, or worked out."""
    data = noise("y1 y2 y3 a", n=50)
    fit = SEM("f =~ y1 + y2 + y3\nf ~ a").fit(
        data, draws=1, tune=200, chains=1, random_seed=1, progress=False
    )
    elements = np.repeat(fit.elements[0], 3000, axis=0)
    (pattern,) = _covariate_patterns(fit.prepared)
    assert pattern.known.tolist() == [fit.prepared.sample.variables.index("a")]
    rng = np.random.default_rng(0)
    exact = next(_linear_cdf(fit.prepared, elements[:1], pattern, rng))
    simulated = np.mean(list(_simulated_cdf(fit.prepared, elements, pattern, rng)), axis=0)
    modelled = [fit.prepared.sample.variables.index(name) for name in ("y1", "y2", "y3")]
    np.testing.assert_allclose(simulated[:, modelled], exact[:, modelled], atol=0.03)


def test_pit_of_a_quadratic_model():
    """The curved consequence is skewed; the model with the square knows it."""
    rng = np.random.default_rng(8)
    f = rng.normal(size=200)
    g = 0.3 * f - 0.9 * f**2 + rng.normal(0, 0.3, 200)
    data = pd.DataFrame({f"x{j}": f + rng.normal(0, 0.4, 200) for j in (1, 2, 3)})
    for j in (4, 5, 6):
        data[f"x{j}"] = g + rng.normal(0, 0.4, 200)
    few = {**SHORT, "draws": 150}
    square = SEM(QUADRATIC).fit(data, **few).loo_pit()
    line = SEM(LINEAR).fit(data, **few).loo_pit()
    assert not square.table["outside"].any()
    assert line.table.loc[["x4", "x5", "x6"], "outside"].all()


def test_verdicts():
    assert _verdict(0.6, 0.289, 200) == "predicted too low"
    assert _verdict(0.4, 0.289, 200) == "predicted too high"
    assert _verdict(0.5, 0.34, 200) == "predictions too narrow"
    assert _verdict(0.5, 0.24, 200) == "predictions too wide"
    assert _verdict(0.5, 0.289, 200) == "another shape than predicted"
