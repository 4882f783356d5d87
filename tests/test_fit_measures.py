import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayessem.ml.fit_measures import (
    Ends,
    chi_square_measures,
    count_ends,
    information_criteria,
    residual_measures,
    rmsea,
)
from bayessem.model.saturated import Saturated

# Holzinger-Swineford, three factors, n = 301: lavaan 0.6-14 (and the lavaan tutorial)
HS = chi_square_measures(
    -3737.7449266,
    30,
    Ends(-3695.0921757, -4154.5180, 54, 18),
    size=301,
)


def test_published_numbers():
    assert HS["chisq"] == pytest.approx(85.306, abs=1e-3)
    assert HS["df"] == 24
    assert HS["baseline.df"] == 36
    assert HS["baseline.chisq"] == pytest.approx(918.852, abs=1e-3)
    assert HS["cfi"] == pytest.approx(0.931, abs=5e-4)
    assert HS["tli"] == pytest.approx(0.896, abs=5e-4)
    assert HS["ifi"] == pytest.approx(0.931, abs=5e-4)
    assert HS["nfi"] == pytest.approx(0.907, abs=5e-4)
    assert HS["mfi"] == pytest.approx(0.903, abs=5e-4)
    assert HS["rmsea"] == pytest.approx(0.092, abs=5e-4)
    assert HS["rmsea.ci.lower"] == pytest.approx(0.071, abs=5e-4)
    assert HS["rmsea.ci.upper"] == pytest.approx(0.114, abs=5e-4)
    assert HS["rmsea.pvalue"] == pytest.approx(0.0007, abs=5e-5)


def test_information_criteria():
    got = information_criteria(-3737.7449266, 30, 301)
    assert got["aic"] == pytest.approx(7535.490, abs=1e-3)
    assert got["bic"] == pytest.approx(7646.703, abs=1e-3)
    assert got["bic2"] == pytest.approx(7551.560, abs=1e-3)


@pytest.mark.parametrize(
    ("p", "covariates", "conditioned", "groups", "means", "wanted"),
    [
        (9, 0, False, 1, True, (54, 18)),
        (9, 0, False, 1, False, (45, 9)),
        (9, 0, False, 2, True, (108, 36)),
        (6, 2, True, 1, True, (22, 8)),
        (4, 2, False, 1, True, (14, 9)),  # lavaan lets random covariates covary in the baseline
    ],
)
def test_parameters_of_both_ends(p, covariates, conditioned, groups, means, wanted):
    got = count_ends(p, covariates, conditioned=conditioned, groups=groups, means=means)
    assert got == wanted


def test_a_saturated_model_fits():
    got = chi_square_measures(-100.0, 20, Ends(-100.0, -150.0, 20, 10), size=50)
    assert (got["chisq"], got["df"], got["cfi"], got["tli"], got["rmsea"]) == (0, 0, 1, 1, 0)
    assert math.isnan(got["pvalue"])


@given(st.floats(0.0, 500.0), st.integers(1, 100), st.integers(50, 2000))
def test_interval_of_rmsea_surrounds_it(chisq, df, size):
    got = rmsea(chisq, df, size=size)
    assert got["rmsea.ci.lower"] <= got["rmsea"] + 1e-9
    assert got["rmsea.ci.lower"] <= got["rmsea.ci.upper"]
    if chisq > df:
        assert got["rmsea"] <= got["rmsea.ci.upper"] + 1e-9


def test_rmsea_over_groups():
    one, two = rmsea(90.0, 40, size=400), rmsea(90.0, 40, size=400, groups=2)
    assert two["rmsea"] == pytest.approx(math.sqrt(2.0) * one["rmsea"])


def test_residuals_by_hand():
    sample = Saturated(np.array([1.0, 2.0]), np.array([[4.0, 1.0], [1.0, 9.0]]), 10, 0.0, 0, True)
    sigma, mean = np.array([[4.0, 0.4], [0.4, 9.0]]), np.array([1.0, 2.3])
    got = residual_measures([sample], [sigma], [mean])
    assert got["srmr"] == pytest.approx(math.sqrt(((0.6 / 6) ** 2 + (0.3 / 3) ** 2) / 5))
    assert got["rmr"] == pytest.approx(math.sqrt((0.6**2 + 0.3**2) / 5))
    without = residual_measures([sample], [sigma], None)
    assert without["srmr"] == pytest.approx(math.sqrt((0.6 / 6) ** 2 / 3))
    assert without["gfi"] == pytest.approx(without["gfi.means"])
    ratio = np.linalg.solve(sigma, sample.covariance)
    off = ratio - np.eye(2)
    assert without["gfi"] == pytest.approx(1 - np.trace(off @ off) / np.trace(ratio @ ratio))


def test_perfect_fit_has_no_residuals():
    sigma = np.array([[2.0, 0.5], [0.5, 1.0]])
    sample = Saturated(np.zeros(2), sigma, 10, 0.0, 0, True)
    got = residual_measures([sample, sample], [sigma, sigma], [np.zeros(2)] * 2)
    assert got["srmr"] == 0.0
    assert got["gfi"] == pytest.approx(1.0)
