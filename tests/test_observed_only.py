"""Models of observed variables alone: no constructs, with and without paths."""

import numpy as np
import pytest
from example_models import abilities

from bayessem import SEM
from bayessem.errors import ModelError
from bayessem.report.write import report

COVARIANCES = "x1 ~~ x2 + x3\nx2 ~~ x3"
OPTIONS = {"random_seed": 1, "draws": 250, "tune": 250, "progress": False}


@pytest.fixture(scope="module")
def covariances():
    return SEM(COVARIANCES).fit(abilities(), **OPTIONS)


@pytest.fixture(scope="module")
def variance():
    return SEM("x1 ~~ x1").fit(abilities(), **OPTIONS)


def test_replicated_data_have_the_correlations_of_the_data(covariances):
    drawn = covariances.posterior_predictive(draws=200)["posterior_predictive"]["y"].values[0]
    found = np.mean([np.corrcoef(y, rowvar=False) for y in drawn], axis=0)
    wanted = np.corrcoef(abilities()[["x1", "x2", "x3"]], rowvar=False)
    np.testing.assert_allclose(found, wanted, atol=0.05)


def test_predictive_checks(covariances):
    table = covariances.predictive_check().table
    assert len(table) == 3
    assert table["p"].between(0.05, 0.95).all()  # a saturated model fits
    assert "x1" in str(SEM(COVARIANCES).prior_predictive_check(abilities()))


def test_correlations_are_what_sensitivity_and_priors_are_about(covariances):
    table = covariances.sensitivity().table
    assert list(table["kind"]) == ["correlation"] * 3
    wanted = abilities()[["x1", "x2", "x3"]].corr().to_numpy()
    np.testing.assert_allclose(table["mean"], wanted[[1, 2, 2], [0, 0, 1]], atol=0.03)
    assert "x1 ~~ x2" in str(covariances.sensitivity())
    implied = SEM(COVARIANCES).prior_consequences(abilities()).table
    assert implied["p_positive"].between(0.4, 0.6).all()


def test_there_are_no_scores(covariances):
    with pytest.raises(ModelError, match="no constructs"):
        covariances.scores()


@pytest.mark.parametrize("call", ["sensitivity", "residuals", "predictive_check"])
def test_one_variable_has_no_correlation(variance, call):
    with pytest.raises(ModelError, match="correlation"):
        getattr(variance, call)()


def test_a_report_of_either_is_written(covariances, variance, tmp_path):
    for name, fit in (("covariances", covariances), ("variance", variance)):
        page = report(fit, tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert "x1 ~~ x1" in page
