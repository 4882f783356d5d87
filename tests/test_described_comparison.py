"""Results of comparison and criticism describe themselves: text, one screen, a notebook's HTML."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from drawn import drawn_fit, measured
from example_models import ABILITIES, abilities
from shown import check

from bayessem import SEM
from bayessem.comparison.compare import compare_results
from bayessem.comparison.groups_out import GroupsOut
from bayessem.comparison.kfold import KFold
from bayessem.text.document import Table
from bayessem.text.numbers import number


@pytest.fixture(scope="module")
def loo(hs_fit):
    return hs_fit.loo()


def test_loo(loo):
    check(loo, number(loo.elpd, 1), number(loo.p_loo_se, 1), "no repair was needed")


def test_kfold(loo):
    point = loo.pointwise.assign(fold=np.arange(loo.n) % 5 + 1)
    result = KFold(loo.target, "5-fold", point, 5, 3, ("The refit without fold 2: long.",))
    check(result, number(result.elpd, 1), "folds by random_seed=3", "without fold 2")


def test_groups_out(loo):
    point = pd.DataFrame(
        {
            "elpd": [-400.25, -380.0],
            "lppd": [-390.0, -375.0],
            "respondents": [40, 38],
            "by_respondent": [-10.006, -10.0],
            "mcse": [0.1, 0.15],
        },
        index=pd.Index(["a", "b"], name="group"),
    )
    target = dataclasses.replace(loo.target, unit="group", rows=("a", "b"))
    result = GroupsOut(target, "leave-one-group-out", point, ())
    check(result, "-780.2", "-10.01", "of 2 groups", "population of groups")


def test_pit(hs_fit):
    result = hs_fit.loo_pit()
    check(result, number(result.table.loc["x9", "mean"], 2), "LOO-PIT of 9 indicators")


@pytest.mark.parametrize("count", [2, 6])
def test_comparison(loo, count):
    rng = np.random.default_rng(1)
    results = {"all": loo}
    for k in range(1, count):
        point = loo.pointwise.copy()
        point["elpd"] -= 0.05 * k + rng.normal(0, 0.02, len(point))
        results[f"model {k}"] = dataclasses.replace(loo, pointwise=point)
    result = compare_results(results, (), random_seed=0)
    check(result, *(number(x, 1) for x in result.table["difference"][1:]), "those who say most")


def test_indices(hs_fit):
    result = hs_fit.indices()
    check(result, number(result.ppp), number(result.table["mean"][0]), "Read them as degrees")
    table = result.table.copy()
    table.loc[0, ["mean", "median", "sd", "lower", "upper"]] = np.nan
    check(dataclasses.replace(result, table=table), number(result.table["mean"][1]))


def test_residuals(hs_fit):
    result = hs_fit.residuals()
    check(result, number(result.table["mean"][0]), number(result.crmr["mean"][0]), "large")


def test_modifications(hs_fit):
    result = hs_fit.modification_indices()
    check(result, number(result.table["mi"][0], 1), number(result.table["epc"][0]))


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("check_name", ["correlations", "indicators"])
def test_predictive_check(hs_fit, check_name, prior):
    result = hs_fit.predictive_check(check_name, prior=prior, draws=50)
    check(result, number(result.table["observed"][0]), "50 replicated data sets")
    table = next(b for b in result.document().blocks if isinstance(b, Table))
    assert table.keys == (1 if check_name == "correlations" else 2)


def test_sensitivity(hs_fit):
    result = hs_fit.sensitivity()
    check(result, number(result.table["prior"].max()), "quantities hardly answer")
    fine = result.table.assign(verdict="fine", halved=np.nan)
    check(dataclasses.replace(result, table=fine), "The most sensitive")
    many = pd.concat([result.table.assign(verdict="prior-data conflict")] * 3, ignore_index=True)
    left = len(many) - 20
    check(
        dataclasses.replace(result, table=many),
        f"... and {left} more (.table of the result in Python, or --json, has all)",
    )


def test_prior_consequences():
    fit = drawn_fit(measured("F", "G") + "\nG ~ F + F:F", n=60)
    result = SEM(measured("F", "G") + "\nG ~ F + F:F").prior_consequences(fit.data, draws=200)
    first = result.table[result.table["kind"] == "standardised loading"].iloc[0]
    check(result, "What the priors imply", number(first["median"], 2))
    assert "Prior probability of shapes" in str(result)  # beyond one screen


def test_cross_loadings():
    result = SEM(ABILITIES).cross_loadings(
        abilities(), draws=200, tune=200, chains=2, random_seed=1, progress=False
    )
    check(result, number(result.table["mean"][0]), "R-hat at most")
