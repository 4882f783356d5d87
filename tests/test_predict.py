"""Predictions of new rows: against the conditional normal distribution, and their coverage."""

import numpy as np
import pandas as pd
import pytest
from example_models import abilities, alliance

from bayessem import SEM
from bayessem.errors import DataError, ModelError, NotSupported
from bayessem.results.predict import predict
from bayessem.results.standardize import model_moments

NEW = abilities().iloc[:6]


def exact_means(fit, rows, target):
    """Posterior mean of E[target | the other indicators] for each row."""
    structure = fit.prepared.structure
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    moments = model_moments(structure, flat)
    t = structure.observed.index(target)
    o = [i for i in range(len(structure.observed)) if i != t]
    covariance, mean = moments.observed_covariance, moments.observed_mean
    slope = np.linalg.solve(covariance[:, o][:, :, o], covariance[:, o, t][..., None])[..., 0]
    known = rows[[structure.observed[i] for i in o]].to_numpy()
    means = mean[:, t, None] + ((known[None] - mean[:, None, o]) * slope[:, None, :]).sum(-1)
    rest = covariance[:, t, t] - (slope * covariance[:, o, t]).sum(-1)
    return means.mean(axis=0), np.sqrt(rest.mean() + means.var(axis=0))


def test_an_indicator_given_the_others_is_the_conditional_normal(hs_fit):
    found = predict(hs_fit, NEW, variables="x9", draws=1000)
    mean, sd = exact_means(hs_fit, NEW, "x9")
    np.testing.assert_allclose(found.table["mean"], mean, atol=4 * sd.max() / np.sqrt(1000))
    np.testing.assert_allclose(found.table["sd"], sd, rtol=0.12)
    assert found.known == tuple(f"x{i}" for i in range(1, 9))
    assert list(found.table.columns) == ["row", "variable", "mean", "sd", "lower", "upper"]


def test_unknown_cells_are_predicted_and_known_ones_kept(hs_fit):
    rows = NEW.copy()
    rows.loc[rows.index[0], "x2"] = np.nan
    found = hs_fit.predict(rows)
    assert list(found.draws["variable"].values) == ["x2"]
    drawn = found.draws.sel(variable="x2").values
    assert np.ptp(drawn[:, 0]) > 0
    np.testing.assert_array_equal(drawn[:, 1], rows["x2"].iloc[1])


def test_nothing_known_gives_the_population(hs_fit):
    empty = pd.DataFrame(index=range(3))
    found = predict(hs_fit, empty, variables=("x1", "visual"), draws=1000)
    data = abilities()["x1"]
    table = found.table.set_index("variable")
    assert table.loc["x1", "mean"].mean() == pytest.approx(data.mean(), abs=0.15)
    assert table.loc["x1", "sd"].mean() == pytest.approx(data.std(), abs=0.15)
    assert table.loc["visual", "mean"].mean() == pytest.approx(0.0, abs=0.1)
    assert "nothing but the model" in str(found)


def test_same_seed_same_draws(hs_fit):
    once = predict(hs_fit, NEW, variables="x1", draws=5, random_seed=3).draws
    again = predict(hs_fit, NEW, variables="x1", draws=5, random_seed=3).draws
    np.testing.assert_array_equal(once, again)


def test_intervals_of_a_model_with_squares_cover(alliance_fit):
    data = alliance()
    rad = [r.rhs for r in alliance_fit.prepared.table.rows if (r.lhs, r.op) == ("RAD", "=~")]
    found = predict(alliance_fit, data, variables=rad, draws=100, ci_prob=0.8)
    values = data[rad].to_numpy().ravel()
    inside = (found.table["lower"] < values) & (values < found.table["upper"])
    # 278 respondents with correlated misses: three binomial standard errors of 278
    assert inside.mean() == pytest.approx(0.8, abs=0.072)


def test_groups_and_covariates():
    data = abilities().assign(school=["a", "b"] * 150 + ["a"])
    sem = SEM("visual =~ x1 + x2 + x3\nvisual ~ x9\nx7 ~ visual")
    fit = sem.fit(
        data, group="school", draws=100, tune=200, chains=2, random_seed=1, progress=False
    )
    new = data.iloc[:2].drop(columns="x7")
    assert len(predict(fit, new, draws=20).table) == 2
    with pytest.raises(DataError, match="column of the groups, 'school'"):
        predict(fit, new.drop(columns="school"))
    with pytest.raises(DataError, match="no group 'c'"):
        predict(fit, new.assign(school="c"))
    with pytest.raises(DataError, match="'x9' is a covariate"):
        predict(fit, new.drop(columns="x9"), variables="x7")


def test_what_cannot_be_predicted_is_said(hs_fit):
    with pytest.raises(ModelError, match="'x99' is not a variable"):
        predict(hs_fit, NEW, variables="x99")
    with pytest.raises(ModelError, match="nothing is unknown"):
        predict(hs_fit, NEW)
    with pytest.raises(DataError, match="not numeric"):
        predict(hs_fit, NEW.assign(x1="high"), variables="x2")
    with pytest.raises(DataError, match="no rows"):
        predict(hs_fit, NEW.iloc[:0], variables="x2")


def test_without_means_there_is_nothing_to_predict():
    sem = SEM("f =~ x1 + x2 + x3", meanstructure=False)
    fit = sem.fit(abilities(), draws=20, tune=100, chains=2, random_seed=1, progress=False)
    with pytest.raises(NotSupported, match="without a mean structure"):
        predict(fit, NEW, variables="x2")
