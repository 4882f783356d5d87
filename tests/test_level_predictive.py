"""Predictive checks of two-level models: each level by itself, clusters and covariates kept."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from shown import check

import bayessem as bs
from bayessem.criticism.level_looks import level_correlations

MODEL = """
level: 1
  f =~ x1 + x2 + x3
  f ~ v
level: 2
  g =~ x1 + x2 + x3
  g ~ w
"""


@cache
def firms(doublet: float = 0.0) -> pd.DataFrame:
    """60 firms of 3 to 15; `doublet` is what x1 and x2 share beyond the construct, within."""
    rng = np.random.default_rng(4)
    sizes = rng.integers(3, 16, 60)
    firm = np.repeat(np.arange(60), sizes)
    n = len(firm)
    w, v = rng.standard_normal(60), rng.standard_normal(n)
    of_firm = 0.5 * w + 0.6 * rng.standard_normal(60)
    own = 0.4 * v + rng.standard_normal(n)
    extra = doublet * rng.standard_normal(n)
    items = {
        f"x{k}": 0.8 * own + of_firm[firm] + 0.6 * rng.standard_normal(n) + (k < 3) * extra
        for k in (1, 2, 3, 4)
    }
    data = pd.DataFrame(items).assign(v=v, w=w[firm], firm=firm)
    data.loc[::11, "x3"] = np.nan
    return data.sample(frac=1.0, random_state=1)


def model() -> bs.SEM:
    return bs.SEM(MODEL.replace("x3\n", "x3 + x4\n"))


@cache
def fitted(doublet: float = 0.0) -> bs.Fit:
    return model().fit(
        firms(doublet), cluster="firm", draws=300, tune=400, chains=2, random_seed=1, progress=False
    )


def test_numbers_are_those_of_pandas():
    """Deviations, means and mean squares by firm, with missing values."""
    data, prepared = firms(), fitted().prepared
    look = level_correlations(prepared, prepared.sample.clusters.code)
    found = dict(zip(look.names, look.measure(prepared.sample.values), strict=True))
    means = data.groupby("firm").mean()
    apart = data - data.groupby("firm").transform("mean")
    for pair in (("x2", "x1"), ("x3", "x1"), ("v", "x1")):
        label = next(k for k in found if set(k[0].split(" ~~ ")) == set(pair) and k[1] == "within")
        assert found[label] == pytest.approx(apart[list(pair)].corr().iloc[0, 1], abs=1e-10)
    for pair in (("x2", "x1"), ("w", "x1")):
        label = next(k for k in found if set(k[0].split(" ~~ ")) == set(pair) and k[1] == "between")
        assert found[label] == pytest.approx(means[list(pair)].corr().iloc[0, 1], abs=1e-10)
    for x in ("x1", "x3"):
        sizes = data.groupby("firm")[x].count()
        ms_between = (sizes * (means[x] - data[x].mean()) ** 2).sum() / 59
        ms_within = (apart[x] ** 2).sum() / (sizes.sum() - 60)
        usual = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / 59
        icc = (ms_between - ms_within) / (ms_between + (usual - 1) * ms_within)
        assert found[x, "ICC"] == pytest.approx(icc, abs=1e-10)
    names = {quantity for quantity, _ in found}
    assert ("v", "ICC") not in found and not any("v" in q and "w" in q for q in names)


def test_a_right_model_is_not_surprised():
    found = fitted().predictive_check(draws=200)
    assert set(found.table["statistic"]) == {"within", "between", "ICC"}
    assert found.table["surprising"].sum() <= 2
    assert "lie outside the 95 % interval" in " ".join(str(found).split())
    check(found, "within", "between", "ICC", "numbers")
    found.plot()


def test_what_items_share_within_firms_is_seen_there():
    table = fitted(0.8).predictive_check(draws=200).table
    # the construct stretches to hold both, and what the other items share is too little
    assert table.loc[0, ["quantity", "statistic"]].tolist() == ["x4 ~~ x3", "within"]
    assert table.loc[0, "surprising"] and table.loc[0, "observed"] > table.loc[0, "upper"]
    assert not table.query("statistic == 'ICC'")["surprising"].any()


def test_covariates_and_missing_values_are_those_of_the_data():
    found = fitted().predictive_check("indicators", draws=50)
    data = found.observed
    for name in ("v", "w"):
        j = list(data.columns).index(name)
        np.testing.assert_allclose(
            found.replicated[..., j], np.tile(data[name], (len(found.replicated), 1))
        )
    missing = np.isnan(found.replicated[0][:, list(data.columns).index("x3")])
    np.testing.assert_array_equal(missing, data["x3"].isna())
    assert not {"v", "w"} & set(found.table["quantity"])


def test_predictive_data_of_arviz_have_the_shape_of_the_data():
    tree = fitted().posterior_predictive(draws=20)
    assert tree["posterior_predictive"]["y"].shape[:2] == (2, 20)
    assert tree["posterior_predictive"]["y"].shape[2:] == tree["observed_data"]["y"].shape
    one = fitted().posterior_predictive("x3", draws=20)
    assert not np.isnan(one["posterior_predictive"]["y"]).any()


def test_groups_are_checked_side_by_side():
    data = firms()
    data = data.assign(country=np.where(data["firm"] % 2, "a", "b"))
    fit = model().fit(
        data, cluster="firm", group="country", draws=150, tune=300, chains=2, random_seed=1,
        progress=False,
    )  # fmt: skip
    table = fit.predictive_check(draws=60).table
    assert set(table["group"]) == {"a", "b"}
    assert table.groupby("group").size().nunique() == 1


def test_priors_are_checked_too():
    found = model().prior_predictive(firms(), cluster="firm", draws=20)
    assert np.isfinite(found["prior_predictive"]["y"]).any()
