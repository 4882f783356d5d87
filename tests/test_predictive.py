"""Predictive checks: replicated data are the model's, and what it cannot do is named."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from drawn import drawn_fit, elements_for, measured
from scipy import stats

from bayessem import SEM
from bayessem.criticism.predictive import check_elements, predictive_check, prior_predictive_check
from bayessem.criticism.predictive_data import posterior_predictive
from bayessem.criticism.replicate import replicate
from bayessem.criticism.statistics import (
    MARGINS,
    composite,
    margins,
    pair_correlations,
    quadratic_fit,
)
from bayessem.errors import FitError, ModelError, PriorError
from bayessem.results.standardize import model_moments

QUADRATIC = measured("F", "G") + "\nG ~ a*F + c*F:F"

# of fits with known parameters, of which nothing was sampled
NO_DRAWS = xr.DataTree()


def test_replicated_data_have_the_models_moments():
    fit = drawn_fit(QUADRATIC, n=50, a=0.5, c=0.4)
    elements = elements_for(fit.prepared.structure, a=0.5, c=0.4)
    y = replicate(fit.prepared, np.repeat(elements[None], 4000, axis=0), random_seed=1)
    flat = y.reshape(-1, 6)
    moments = model_moments(fit.prepared.structure, elements)
    error = np.sqrt(np.diag(moments.observed_covariance) / len(flat))
    assert (np.abs(flat.mean(axis=0) - moments.observed_mean) < 4 * error).all()
    # the outcomes' fourth moments make their covariances noisy
    np.testing.assert_allclose(np.cov(flat.T), moments.observed_covariance, atol=0.06)


def test_covariates_and_missing_values_are_those_of_the_data():
    fit = drawn_fit(measured("F") + "\nF ~ x", n=40)
    data = fit.data.copy()
    data.loc[3, "f2"] = np.nan
    prepared = fit.sem.prepare(data)
    y = replicate(prepared, fit.elements[0], random_seed=1)
    x = prepared.sample.variables.index("x")
    np.testing.assert_array_equal(
        y[:, :, x], np.broadcast_to(data["x"].to_numpy(), y[:, :, x].shape)
    )
    assert np.isnan(y[:, 3, prepared.sample.variables.index("f2")]).all()
    assert np.isnan(y).sum() == len(y)
    # the outcome follows the covariate that it is given
    f1 = y[:, :, prepared.sample.variables.index("f1")].mean(axis=0)
    assert np.corrcoef(f1, data["x"])[0, 1] > 0.8


def test_replication_is_repeatable():
    fit = drawn_fit(measured("F"), n=20)
    one, two = (replicate(fit.prepared, fit.elements[0], random_seed=5) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_statistics_are_the_textbooks():
    rng = np.random.default_rng(0)
    values = rng.gamma(2.0, size=(3, 50, 4))
    found = margins(values)
    for s in range(3):
        np.testing.assert_allclose(found[s, :, 2], stats.skew(values[s]))
        np.testing.assert_allclose(found[s, :, 3], stats.kurtosis(values[s]))
        np.testing.assert_allclose(found[s, :, 5], values[s].max(axis=0))
        rows, columns = np.tril_indices(4, -1)
        np.testing.assert_allclose(
            pair_correlations(values)[s], np.corrcoef(values[s].T)[rows, columns]
        )
    assert len(MARGINS) == found.shape[-1]


def test_correlations_of_incomplete_data_are_of_the_pairs():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 3))
    values[:20, 0], values[15:30, 1] = np.nan, np.nan
    rows, columns = np.tril_indices(3, -1)
    expected = pd.DataFrame(values).corr().to_numpy()[rows, columns]
    np.testing.assert_allclose(pair_correlations(values), expected)


def test_the_curve_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 30))
    y[4] = np.nan
    keep = ~np.isnan(y)
    np.testing.assert_allclose(quadratic_fit(x, y)[::-1], np.polyfit(x[keep], y[keep], 2))


def test_a_composite_turns_reversed_items_round():
    rng = np.random.default_rng(0)
    base = rng.normal(size=100)
    values = np.column_stack([base, -base])
    score = composite(values, [0, 1], np.array([1.0, -1.0]))
    np.testing.assert_allclose(score, (base - base.mean()) / base.std())


def test_a_right_model_has_few_surprises_and_a_wrong_one_is_named():
    fit = drawn_fit(measured("F", "G"), n=400, spread=0.01, random_seed=3)
    table = predictive_check(fit, draws=100).table
    assert table["surprising"].mean() < 0.2
    data = drawn_fit(measured("F", "G") + "\nf1 ~~ g2", n=400, random_seed=3).data
    wrong = SimpleNamespace(
        prepared=fit.sem.prepare(data), elements=fit.elements, draws=xr.DataTree()
    )
    first = predictive_check(wrong, draws=100).table.iloc[0]
    assert first["quantity"] == "f1 ~~ g2"
    assert first["p"] == 0.0


def test_a_skewed_indicator_is_named():
    fit = drawn_fit(measured("F"), n=300, spread=0.01)
    data = fit.data.copy()
    data["f2"] = np.exp(data["f2"])
    data["f2"] = (data["f2"] - data["f2"].mean()) / data["f2"].std()
    wrong = SimpleNamespace(
        prepared=fit.sem.prepare(data), elements=fit.elements, draws=xr.DataTree()
    )
    table = predictive_check(wrong, "indicators", draws=100).table.head(5)
    assert {"skewness", "kurtosis"} & set(table.loc[table["quantity"] == "f2", "statistic"])


def test_a_linear_model_of_quadratic_data_misses_the_curve():
    data = drawn_fit(QUADRATIC, n=400, a=0.3, c=0.5, random_seed=2).data
    line = drawn_fit(measured("F", "G") + "\nG ~ a*F", n=400, a=0.3)
    wrong = SimpleNamespace(
        prepared=line.sem.prepare(data), elements=line.elements, draws=xr.DataTree()
    )
    result = predictive_check(wrong, "shape", x="F", y="G", draws=60)
    square = result.table.set_index("statistic").loc["square"]
    assert square["surprising"]
    assert square["p"] == 0.0
    right = drawn_fit(QUADRATIC, n=400, a=0.3, c=0.5, random_seed=2)
    found = predictive_check(right, "shape", draws=60)
    assert 0.01 < found.table.set_index("statistic").loc["square", "p"] < 0.99
    assert "Score of F: mean of the standardised f1, f2, f3." in str(found)
    with pytest.raises(ModelError, match="needs x and y"):
        predictive_check(wrong, "shape")


def test_checks_of_groups_keep_them_apart():
    one = drawn_fit(measured("F", "G"), n=100)
    data = pd.concat([one.data.assign(group="a"), one.data.assign(group="b")], ignore_index=True)
    prepared = one.sem.prepare(data, group="group")
    elements = np.repeat(elements_for(prepared.structure)[None], 20, axis=0)
    table = check_elements(prepared, elements, "correlations", prior=False).table
    assert table["group"].value_counts().to_dict() == {"a": 15, "b": 15}


def test_posterior_predictive_adds_a_group_and_changes_nothing(hs_fit):
    tree = posterior_predictive(hs_fit, draws=5, random_seed=1)
    assert tree["posterior_predictive"]["y"].shape == (4, 5, 301, 9)
    assert "posterior_predictive" not in hs_fit.data
    assert "posterior" in tree
    columns = [str(v) for v in tree["posterior_predictive"]["indicator"].values]
    assert columns == list(hs_fit.prepared.sample.variables)


def test_the_prior_predictive_needs_no_fit(hs_fit):
    prepared = hs_fit.prepared
    result = prior_predictive_check(prepared, draws=50)
    assert result.prior
    assert "no misfit" in " ".join(str(result).split())
    wider = result.table["upper"] - result.table["lower"]
    posterior = predictive_check(hs_fit, "indicators", draws=50).table
    assert wider.median() > (posterior["upper"] - posterior["lower"]).median()
    flat = SEM("f =~ x1 + x2 + x3").prepare(
        pd.DataFrame(prepared.sample.values, columns=prepared.sample.variables),
        priors={"f=~x2": "flat()"},
    )
    with pytest.raises(PriorError, match="f=~x2"):
        prior_predictive_check(flat, draws=50)


def test_bad_requests_say_what_would_work(hs_fit):
    with pytest.raises(ModelError, match="check is one of correlations, indicators, shape"):
        predictive_check(hs_fit, "means")
    with pytest.raises(FitError, match="draws has to be at least 1"):
        predictive_check(hs_fit, draws=0)
