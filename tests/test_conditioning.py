"""Covariates that are missing and models without means: lavaan's rules, in both engines."""

import numpy as np
import pytest
from example_models import ABILITIES, abilities, prepared

from bayessem import SEM
from bayessem.errors import DataError, ModelError
from bayessem.model.conditioning import condition

COVARIATE = "visual =~ x1 + x2 + x3\nvisual ~ x9 + x8\n"


def test_who_lacks_a_covariate_is_left_out_and_said():
    data = abilities()
    data.loc[:4, "x9"] = np.nan
    data.loc[3:7, "x8"] = np.nan
    data.loc[100, "x1"] = np.nan  # an indicator: kept
    found = prepared(COVARIATE, data)
    assert found.sample.size == len(data) - 8
    assert found.sample.dropped == tuple(range(8))
    assert found.notes == (
        "8 respondents have no value of a covariate (x9, x8) and are left out; "
        "fixed_x=False keeps them",
    )
    assert "8 rows were left out. 8 respondents have no value" in SEM(COVARIATE).check(data).text


def test_random_covariates_keep_everybody():
    data = abilities()
    data.loc[:4, "x9"] = np.nan
    found = prepared(COVARIATE, data, fixed_x=False)
    assert found.sample.size == len(data)
    assert found.notes == ()


def test_nobody_with_all_covariates_is_an_error():
    data = abilities()
    data["x9"] = np.where(np.arange(len(data)) % 2, data["x9"], np.nan)
    data["x8"] = np.where(np.arange(len(data)) % 2, np.nan, data["x8"])
    with pytest.raises(DataError, match="each one lacks a covariate"):
        prepared(COVARIATE, data)


def test_without_means_the_respondents_are_centred_once():
    data = abilities().assign(school=["a", "b"] * 150 + ["a"])
    found = prepared(ABILITIES, data, meanstructure=False, group="school")
    for g in range(2):
        means = found.sample.values[found.sample.group == g].mean(axis=0)
        np.testing.assert_allclose(means, 0.0, atol=1e-12)
    again, _ = condition(found.sample, found.table)
    assert again is found.sample


def test_missing_values_need_means():
    data = abilities()
    data.loc[3, "x2"] = np.nan
    with pytest.raises(ModelError, match="needs means"):
        prepared(ABILITIES, data, meanstructure=False)


@pytest.mark.parametrize(
    ("text", "options"), [("y ~ x1 + x1:x1", {}), ("i =~ 1*x1 + 1*x2 + 1*x3", {"growth": True})]
)
def test_products_and_growth_turn_means_on(text, options):
    table = SEM(text, meanstructure=False, **options).table
    assert any(row.op == "~1" for row in table.rows)


def test_the_posterior_without_means_is_that_of_the_covariances():
    with_means = SEM(ABILITIES).ml(abilities())
    fit = SEM(ABILITIES, meanstructure=False).fit(
        abilities(), draws=300, tune=300, chains=2, random_seed=1, progress=False
    )
    ml = with_means.table.set_index(["lhs", "op", "rhs"])
    for row in fit.summary().itertuples():
        known = ml.loc[(row.lhs, row.op, row.rhs)]
        fixed = row.sd == 0  # a marker
        assert row.mean == 1.0 if fixed else abs(row.mean - known["est"]) < 0.5 * known["se"], row
    assert not (fit.summary()["op"] == "~1").any()
