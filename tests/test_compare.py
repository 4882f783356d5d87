"""Comparison: the right difference, weights and words, and refusals that say why."""

import dataclasses

import arviz as az
import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, DEMOCRACY, abilities, democracy, noise

import bayessem as bs
from bayessem import SEM
from bayessem.comparison.compare import pseudo_bma_weights, stacking_weights, verdict
from bayessem.errors import FitError

SHORT = {"draws": 300, "tune": 300, "random_seed": 2, "progress": False}
ONE_FACTOR = "g =~ " + " + ".join(f"x{j}" for j in range(1, 10))


@pytest.fixture(scope="module")
def one_factor_fit():
    return SEM(ONE_FACTOR).fit(abilities().sample(frac=1, random_state=3), **SHORT)


@pytest.fixture(scope="module")
def comparison(hs_fit, one_factor_fit):
    """Three abilities against one, the respondents of the second in another order."""
    return bs.compare({"one": one_factor_fit, "three": hs_fit})


def test_three_abilities_beat_one(comparison, hs_fit, one_factor_fit):
    assert comparison.best == "three"
    row = comparison.table.loc["one"]
    assert row["difference"] == pytest.approx(one_factor_fit.loo().elpd - hs_fit.loo().elpd)
    assert row["verdict"] == "clearly worse"
    assert comparison.table["stacking"].sum() == pytest.approx(1)
    assert comparison.table.loc["three", "pseudo_bma"] > 0.99
    text = str(comparison)
    assert "three predicts clearly better than one" in text
    assert "of 301 respondents are predicted better by three" in text


def test_respondents_are_aligned_by_their_labels(comparison, hs_fit, one_factor_fit):
    """As if the second model had been fitted to the respondents in the order of the first."""
    other = one_factor_fit.loo().pointwise["elpd"]
    own = hs_fit.loo().pointwise["elpd"]
    expected = other.loc[own.index] - own
    pd.testing.assert_series_equal(comparison.differences["one"], expected, check_names=False)
    se = np.sqrt(301) * expected.std(ddof=1)
    assert comparison.table.loc["one", "se_difference"] == pytest.approx(se)
    ordered = SEM(ONE_FACTOR).fit(abilities(), **SHORT)
    again = bs.compare({"one": ordered, "three": hs_fit}).table.loc["one"]
    assert again["se_difference"] == pytest.approx(se, rel=0.02)


def test_many_models_share_sentences(hs_fit, one_factor_fit):
    three, one = hs_fit.loo(), one_factor_fit.loo()
    models = {"three": three, "again": three, "one": one, "one more": one, "once more": one}
    text = " ".join(str(bs.compare(models)).split())
    assert text.count("predicts clearly better than") == 1
    assert "predicts as well as (a difference below 4 is none): " in text
    assert "one; one more; once more." in text
    assert text.count("are predicted better by") == 1
    limit = min(three.good_k, one.good_k)
    assert f"All Pareto k are at most {limit:.2f}".replace("0.", ".") in text


def test_who_says_most(comparison):
    top = comparison.influential("one", count=4)
    gap = comparison.differences["one"]
    assert list(top.index) == list(gap.abs().sort_values(ascending=False).index[:4])
    assert top["without"].iloc[-1] == pytest.approx(gap.drop(top.index).sum())
    assert (top["favours"] == np.where(top["difference"] > 0, "one", "three")).all()
    with pytest.raises(FitError, match="not compared"):
        comparison.influential("three")


def test_weights_are_arviz_s():
    rng = np.random.default_rng(0)
    elpd = rng.normal(-3, 1, size=(200, 3)) + [0.0, 0.05, -0.2]
    trees = {}
    for j, name in enumerate("abc"):
        ll = np.repeat(elpd[None, None, :, j], 50, axis=1) * np.ones((4, 1, 1))
        ll = ll + rng.normal(0, 1e-3, ll.shape)
        trees[name] = az.loo(
            az.from_dict(
                {"posterior": {"t": rng.normal(size=(4, 50))}, "log_likelihood": {"y": ll}}
            )
        )
    found = stacking_weights(np.column_stack([trees[n].elpd_i.values for n in "abc"]))
    theirs = az.compare(trees, method="stacking")["weight"].astype(float)
    np.testing.assert_allclose(found, theirs[list("abc")], atol=0.006)  # it prints two digits
    bma = az.compare(trees, method="bb-pseudo-bma")["weight"].astype(float)
    ours = pseudo_bma_weights(elpd, random_seed=1)
    np.testing.assert_allclose(ours, bma[list("abc")], atol=0.05)


def test_stacking_is_at_its_maximum():
    rng = np.random.default_rng(1)
    elpd = rng.normal(size=(100, 3))

    def score(weights: np.ndarray) -> float:
        return float(np.log(np.exp(elpd) @ weights).sum())

    best = stacking_weights(elpd)
    for other in rng.dirichlet(np.ones(3), size=200):
        assert score(best) >= score(0.9 * best + 0.1 * other) - 1e-9


@pytest.mark.parametrize(
    ("difference", "se", "words"),
    [
        (-3.9, 0.1, "no difference"),
        (-8.0, 5.0, "worse, but not clearly"),
        (-8.0, 3.0, "worse"),
        (-8.0, 1.0, "clearly worse"),
        (-8.0, 0.0, "clearly worse"),
    ],
)
def test_differences_in_words(difference, se, words):
    assert verdict(difference, se) == words


def test_models_with_and_without_groups_are_comparable(hs_fit):
    grouped = SEM(ABILITIES, group_equal=("loadings", "intercepts")).fit(
        abilities(), group="school", **SHORT
    )
    found = bs.compare({"one group": hs_fit, "schools": grouped})
    assert set(found.table.index) == {"one group", "schools"}
    assert found.differences.shape == (301, 1)


def test_loaded_fits_are_comparable(hs_fit, tmp_path):
    back = bs.load(hs_fit.save(tmp_path / "hs"))
    found = bs.compare({"now": hs_fit, "then": back})
    assert found.table["difference"].abs().max() < 1e-9
    assert "predict equally well" in str(found)


def refusal(models: dict) -> str:
    with pytest.raises(FitError) as caught:
        bs.compare(models)
    return str(caught.value)


def test_refusals_say_why(hs_fit, pd_fit):
    small = {"draws": 20, "tune": 50, "chains": 1, "random_seed": 1, "progress": False}
    data = abilities()
    assert "two or more models" in refusal({"a": hs_fit})
    assert "do not predict the same variables: only the first models" in refusal(
        {"a": hs_fit, "b": pd_fit}
    )
    fewer = SEM(ABILITIES).fit(data.iloc[:300], **small)
    assert "301 respondents and 300" in refusal({"a": hs_fit, "b": fewer})
    renamed = SEM(ABILITIES).fit(data.set_index(data.index + 7), **small)
    assert "row '301' is only in the second" in refusal({"a": hs_fit, "b": renamed})
    scaled = SEM(ABILITIES).fit(data.assign(x1=10 * data["x1"]), **small)
    assert "301 respondents differ, such as row '0', whose x1" in refusal(
        {"a": hs_fit, "b": scaled}
    )
    lost = data.copy()
    lost.loc[12, "x5"] = np.nan
    holed = SEM(ABILITIES).fit(lost, **small)
    assert "1 respondents differ, such as row '12', whose x5" in refusal({"a": hs_fit, "b": holed})
    loo = hs_fit.loo()
    ten = dataclasses.replace(loo, method="10-fold")
    assert "one kind of cross-validation; here: a PSIS-LOO, b 10-fold" in refusal(
        {"a": loo, "b": ten}
    )
    group = dataclasses.replace(loo, target=dataclasses.replace(loo.target, unit="group"))
    assert "leaves out a respondent at a time, the second a group" in refusal(
        {"a": loo, "b": group}
    )


def test_covariates_may_differ_but_not_what_is_predicted():
    data = noise("y1 y2 y3 a b", n=120)
    both = SEM("f =~ y1 + y2 + y3\nf ~ a + b").fit(data, **SHORT)
    one = SEM("f =~ y1 + y2 + y3\nf ~ a").fit(data, **SHORT)
    zero = SEM("f =~ y1 + y2 + y3\nf ~ a + 0*b").fit(data, **SHORT)
    found = bs.compare({"both": both, "one": one, "zero": zero})
    assert "condition on different covariates" in str(found)
    # given a, b says nothing when its path is 0: the same model, but for its draws
    gap = found.table.loc["one", "elpd"] - found.table.loc["zero", "elpd"]
    assert abs(gap) < 0.5
    random = SEM("f =~ y1 + y2 + y3\nf ~ a + b", fixed_x=False).fit(data, **SHORT)
    assert "a, b are modelled in the second and conditioned on in the other" in refusal(
        {"both": both, "random": random}
    )


def test_few_respondents_and_poor_k_are_said(pd_fit):
    other = SEM(DEMOCRACY.replace("y6 ~~ y8\n", "")).fit(democracy(), **SHORT)
    assert "With 75 respondents" in str(bs.compare({"a": pd_fit, "b": other}))
    loo = pd_fit.loo()
    point = loo.pointwise.assign(k_used=0.9)
    bad = dataclasses.replace(loo, pointwise=point)
    text = " ".join(str(bs.compare({"a": bad, "b": other})).split())
    assert "Pareto k is too large and was not repaired: a 75" in text
