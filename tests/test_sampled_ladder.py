"""The sampled ladder of Holzinger and Swineford's abilities by school: Bayesian fit and LOO."""

import numpy as np
import pytest
from example_models import ABILITIES, abilities
from shown import check

from bayessem import SEM
from bayessem.comparison.loo import loo
from bayessem.moderation.sampled_ladder import fit_by_step, in_units_of
from bayessem.text.numbers import number

SHORT = {"random_seed": 1, "progress": False, "draws": 400, "tune": 400}


@pytest.fixture(scope="module")
def ladder():
    return SEM(ABILITIES).invariance(
        abilities(), group="school", loo=True, approximate=0.1, **SHORT
    )


def test_the_steps_are_sampled_and_kept(ladder):
    exact = ["configural", "metric", "scalar", "strict"]
    near = ["approximate metric", "approximate scalar"]
    assert (
        list(ladder.sampled) == list(ladder.indices) == list(ladder.bayesian.index) == exact + near
    )
    assert ladder.sampled["approximate scalar"] is ladder.approximate.fits["approximate scalar"]
    for step in exact:
        # one parameter of the posterior for each of maximum likelihood
        count = len(ladder.sampled[step].prepared.table.parameters)
        assert count == len(ladder.fits[step].prepared.table.parameters)


def test_bayesian_fit_beside_that_of_maximum_likelihood(ladder):
    """Weak priors: the indices of Garnier-Villarreal & Jorgensen are near CFI and RMSEA."""
    exact = ladder.bayesian.iloc[:4]
    assert exact["bcfi"].to_numpy() == pytest.approx(ladder.table["cfi"].to_numpy(), abs=0.01)
    assert exact["brmsea"].to_numpy() == pytest.approx(ladder.table["rmsea"].to_numpy(), abs=0.012)
    assert ladder.bayesian.loc["scalar", "bcfi_change"] == pytest.approx(-0.038, abs=0.008)
    assert np.isnan(ladder.bayesian.loc["configural", "bcfi_change"])
    # nearly equal intercepts cost little where equal ones cost much
    assert ladder.bayesian.loc["approximate scalar", "bcfi_change"] > -0.015
    assert ladder.bayesian.loc["approximate scalar", "p_d"] > ladder.bayesian.loc["scalar", "p_d"]


def test_changes_are_differences_of_draws(ladder):
    table = fit_by_step(ladder.indices, ci_prob=0.8)
    draws = [ladder.indices[s].draws.sel(index="BCFI").values for s in ("metric", "scalar")]
    change = (draws[1] - draws[0]).ravel()
    row = table.loc["scalar"]
    assert row["bcfi_change"] == pytest.approx(change.mean())
    assert [row["bcfi_change_lower"], row["bcfi_change_upper"]] == pytest.approx(
        np.quantile(change, [0.1, 0.9])
    )
    alone = fit_by_step({"approximate scalar": ladder.indices["approximate scalar"]})
    assert alone["bcfi_change"].isna().all() and alone["bcfi"].notna().all()


def test_loo_rejects_equal_intercepts_and_accepts_nearly_equal_ones(ladder):
    table = ladder.comparison.table
    assert set(table.index) == set(ladder.sampled)
    best = table["elpd"].max()
    assert best - table.loc["scalar", "elpd"] > 8  # 13.8, Monte Carlo error below 1
    assert best - table.loc["approximate scalar", "elpd"] < 4
    assert table.loc["approximate scalar", "verdict"] == "no difference"


def test_the_print_says_it_all(ladder):
    text = str(ladder)
    change = ladder.bayesian.loc["scalar", "bcfi_change"]
    elpd = ladder.comparison.table["elpd"]["scalar"]
    check(ladder, number(ladder.table.loc["scalar", "chisq"], 2), number(change), parts=True)
    check(ladder.approximate, number(ladder.approximate.means["mean"][0]))
    assert number(elpd, 1) in text
    for part in ("Bayesian fit of each step", "PSIS-LOO of 301", "Approximate scalar invariance"):
        assert part in text
    # what maximum likelihood would release; x7~1 is at the edge of the joint interval
    assert ladder.approximate.named["approximate scalar"][0] == "x3~1"
    assert set(ladder.approximate.suggested) <= set(ladder.suggested)
    assert "x3~1 (in Pasteur 0." in text
    plain = SEM(ABILITIES).invariance(abilities(), group="school")
    assert plain.sampled == {} and plain.approximate is None and plain.comparison is None
    assert "Bayesian" not in str(plain)


def test_elpd_of_rescaled_items_comes_back_to_their_units():
    text = "visual =~ x1 + x2 + x3"
    data = abilities()[["x1", "x2", "x3"]].copy()
    data.loc[::7, "x2"] = np.nan
    scales = {"x1": 10.0, "x2": 0.05}
    scaled = data.assign(x1=data["x1"] / 10.0, x2=data["x2"] / 0.05)
    one, other = (SEM(text).fit(d, **SHORT) for d in (data, scaled))
    expected = loo(one)
    back = in_units_of(one, loo(other), scales)
    np.testing.assert_array_equal(back.target.values, expected.target.values)
    difference = back.pointwise["elpd"] - expected.pointwise["elpd"]
    # a respondent in the wrong units would be off by log 10 or log 20
    assert np.abs(difference).max() < 0.3
    assert back.elpd == pytest.approx(expected.elpd, abs=1.0)
    assert back.p_loo == pytest.approx(expected.p_loo, abs=1.0)
