"""Measurement invariance of ordered items: the ladder by the likelihood of the answers."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2
from shown import check

from bayessem import SEM
from bayessem.errors import ModelError, NotSupported

MODEL = "f =~ x1 + x2 + x3 + x4"
ITEMS = ["x1", "x2", "x3", "x4"]


@cache
def answers(cuts: tuple[float, ...] = (-1.0, 0.0, 1.0), harder: float = 0.0) -> pd.DataFrame:
    """Two groups of 300 with other means; x3 is `harder` in the second by that much."""
    rng = np.random.default_rng(1)
    g = np.repeat(["a", "b"], 300)
    f = rng.standard_normal(600) + 0.4 * (g == "b")
    latent = np.outer(f, [0.9, 0.8, 0.7, 0.8]) + rng.standard_normal((600, 4))
    latent[g == "b", 2] -= harder
    data = pd.DataFrame(1 + np.searchsorted(cuts, latent), columns=ITEMS)
    return data.assign(g=g)


@cache
def ladder(harder: float = 0.0):
    return SEM(MODEL, ordered=True).invariance(answers(harder=harder), group="g")


def test_the_configural_step_is_the_groups_apart():
    """And its likelihood does not depend on how residual variances are fixed."""
    data, found = answers(), ladder().table
    apart = [SEM(MODEL, ordered=True).ml(data[data["g"] == g]).logl for g in ("a", "b")]
    assert found.loc["configural", "logl"] == pytest.approx(sum(apart), abs=1e-4)
    assert found["npar"].tolist() == [32, 29, 22, 18]


def test_steps_that_hold_are_judged_by_the_likelihood_ratio():
    found = ladder()
    assert found.table["verdict"].tolist() == ["", "holds", "holds", "holds"]
    assert found.releases.empty and found.highest == "strict"
    row = found.table.loc["scalar"]
    difference = 2 * (found.table.loc["metric", "logl"] - row["logl"])
    assert row["chisq_difference"] == pytest.approx(difference)
    assert row["p"] == pytest.approx(chi2.sf(difference, 7))
    check(found, "log-likelihood", "scalar invariance holds", "residual variances of 1")
    assert "CFI" not in str(found)


def test_an_item_that_is_harder_in_a_group_is_found_and_freed():
    found = ladder(0.9)
    assert found.table.loc["scalar", "verdict"] == "rejected"
    assert found.releases["parameter"].iloc[0] == "thresholds of x3"
    assert found.suggested == ("x3|t1", "x3|t2", "x3|t3")
    again = SEM(MODEL, ordered=True).invariance(
        answers(harder=0.9), group="g", free=found.suggested
    )
    assert again.table.loc["scalar", "verdict"] == "holds"
    assert again.table.loc["scalar", "npar"] == 25
    table = again.fits["scalar"].table
    cut = table[(table["lhs"] == "x3") & (table["op"] == "|")].set_index(["group", "rhs"])["est"]
    for t in ("t1", "t2", "t3"):
        assert cut["b", t] - cut["a", t] == pytest.approx(0.9, abs=0.35)
    mean = table[(table["lhs"] == "f") & (table["op"] == "~1") & (table["group"] == "b")].iloc[0]
    assert mean["est"] == pytest.approx(0.4, abs=2.5 * mean["se"])


def test_binary_items_have_no_strict_step():
    found = SEM(MODEL, ordered=True, link="logit").invariance(answers((0.2,)), group="g")
    assert list(found.table.index) == ["configural", "metric", "scalar"]
    check(found, "Wu & Estabrook, 2016")


def test_steps_are_sampled_and_compared():
    found = SEM(MODEL, ordered=True).invariance(
        answers(), group="g", loo=True, draws=250, tune=250, chains=2, random_seed=1, progress=False
    )
    assert list(found.sampled) == ["configural", "metric", "scalar", "strict"]
    elpd = {name: fit.loo().elpd for name, fit in found.sampled.items()}
    assert found.comparison is not None
    assert set(found.comparison.table.index) == set(elpd)
    # the data are invariant: what is equal costs nothing in prediction
    assert elpd["strict"] > elpd["configural"] - 2.0
    # and the moments of the answers are those of the model
    assert list(found.bayesian.index) == list(found.sampled)
    assert (found.bayesian["brmsea"] < 0.08).all() and (found.bayesian["bcfi"] > 0.9).all()
    check(found, "BRMSEA")


def test_what_is_not_there_is_refused_before_anything_is_fitted():
    with pytest.raises(NotSupported, match="approximate invariance is not there .* names what to"):
        SEM(MODEL, ordered=True).invariance(answers(), group="g", approximate=0.1)
    with pytest.raises(ModelError, match=r"names 'x1\|t7', which is no parameter"):
        SEM(MODEL, ordered=True).invariance(answers(), group="g", free=["x1|t7"])
