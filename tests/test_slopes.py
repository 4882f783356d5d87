from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bayessem import SEM, plots
from bayessem.effects import slopes
from bayessem.effects.slopes import excluding_zero, johnson_neyman, simple_slopes, slope_polynomial
from bayessem.errors import ModelError
from tests.drawn import (
    drawn_fit,
    fit_with,
    measured,
    parameter,
    printed,
    reference_case,
    with_reference_cases,
)

MODEL = measured("X", "W", "Y") + "\nY ~ b*X + g*W + h*X:W\nX ~~ s*W\n"


@pytest.fixture(scope="module")
def fit():
    return drawn_fit(MODEL, spread=0.2, draws=100, b=0.2, g=0.1, h=0.4, s=0.3)


def test_slopes_are_straight_in_the_moderator(fit):
    result = simple_slopes(fit, "X", "Y", at=(-1, 0, 2))
    b, h = parameter(fit, "b"), parameter(fit, "h")
    for k, value in enumerate(result.table["value"]):
        np.testing.assert_allclose(result.draws.values[:, :, 0, k], b + h * value, atol=1e-12)
    assert result.moderator == "W"
    assert list(result.table["value_sd"]) == [-1, 0, 2]
    change = (h * np.diff(result.table["value"])[0]).mean()  # from -1 SD to the mean
    assert result.per_sd["mean"][0] == pytest.approx(change, rel=0.05)


def test_regions_are_where_the_interval_excludes_zero(fit):
    result = johnson_neyman(fit, "X", "Y", points=301)
    lower, upper = (
        np.interp(r, result.table["value"], result.table[c])
        for r, c in (
            (result.regions["start"].iloc[-1], "lower"),
            (result.regions["end"].iloc[0], "upper"),
        )
    )
    assert lower == pytest.approx(0.0, abs=1e-6)
    assert upper == pytest.approx(0.0, abs=1e-6)
    assert list(result.regions["sign"]) == ["negative", "positive"]
    p = result.table["p_positive"].to_numpy()
    assert (np.diff(p) >= -0.02).all()
    assert p[0] < 0.025
    assert p[-1] > 0.975
    assert "slope is positive for W above" in str(result)


def test_stretches_may_touch_the_ends_or_not_exist():
    x = np.linspace(0, 4, 5)
    assert excluding_zero(x, [1] * 5, [2] * 5) == [(-np.inf, np.inf, "positive")]
    assert excluding_zero(x, [-1] * 5, [1] * 5) == []
    found = excluding_zero(x, [-1, 1, 1, -1, -1], [2] * 5)
    assert found == [(0.5, 2.5, "positive")]


def test_moderator_has_to_be_one(fit):
    with pytest.raises(ModelError, match="'Q' is not a moderator of X on Y.*one of W"):
        simple_slopes(fit, "X", "Y", "Q")
    with pytest.raises(ModelError, match="no path from a product of Y"):
        simple_slopes(fit, "Y", "X")


def test_a_slope_that_also_depends_on_x_is_averaged_over_it():
    model = measured("X", "W", "Y") + "\nY ~ b*X + g*W + h*X:W + q*X:X\n"
    fit = drawn_fit(model, b=0.2, g=0.1, h=0.4, q=0.3)
    result = simple_slopes(fit, "X", "Y", at=(0,))
    expected = parameter(fit, "b") + parameter(fit, "h") * result.table["value"][0]
    np.testing.assert_allclose(result.draws.values[:, :, 0, 0], expected, atol=1e-12)
    assert "also depends on X" in " ".join(result.notes)


@with_reference_cases
def test_simple_slopes_of_the_interaction_case():
    """B01: the printed slopes are of another estimator, so within one of their standard errors."""
    case = reference_case("B01_oneint")
    known = printed(case, "LMS")
    fit = fit_with(case, known)
    expected = case["simple_slopes"]
    result = simple_slopes(fit, "X", "Y", "Z", at=(-1, 1))
    assert list(result.table["value"]) == pytest.approx(expected["at_Z"], abs=0.01)
    for got, slope, se in zip(result.table["mean"], expected["slope"], expected["se"], strict=True):
        assert got == pytest.approx(slope, abs=se)
    difference = float(np.diff(result.table["mean"])[0])
    assert difference == pytest.approx(expected["difference"], abs=expected["se_diff"])

    # At that estimator's own coefficients they are the printed ones, to their two decimals.
    centred = printed(case, "dblcent")
    other = {**known, **{name.replace("~XZ", "~X:Z"): x for name, x in centred.items()}}
    assert other["Y~X:Z"] == 0.702
    fit = fit_with(case, other)
    result = simple_slopes(fit, "X", "Y", "Z", at=(-1, 1))
    assert list(result.table["value"]) == pytest.approx(expected["at_Z"], abs=5e-4)
    assert list(result.table["mean"]) == pytest.approx(expected["slope"], abs=0.005)
    difference = float(np.diff(result.table["mean"])[0])
    assert difference == pytest.approx(expected["difference"], abs=0.006)


def test_a_response_of_zero_but_for_rounding_bends_no_line(monkeypatch):
    """The slope of RAD on AMC by apd had a term in apd^2 of 1e-33, and no change per SD."""
    rounded = {(0,): np.ones(3), (1,): np.full(3, 0.5), (2,): np.full(3, 1e-33)}
    done = SimpleNamespace(slope=lambda y, x: rounded)
    monkeypatch.setattr(slopes, "intervene", lambda *a, **k: done)
    found = slope_polynomial(None, np.zeros((3, 1)), 0, 1, 2, group=0)
    assert set(found) == {(0,), (1,)}
    rounded[2,] = np.full(3, 1e-3)  # a real one stays
    assert set(slope_polynomial(None, np.zeros((3, 1)), 0, 1, 2, group=0)) == {(0,), (1,), (2,)}


def test_johnson_neyman_and_its_figure_of_a_sampled_model():
    """y = (0.1 + 0.5 w) x: the slope is 0 at w = -0.2, between the two regions."""
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(6)
    x, w = rng.normal(size=(2, 300))
    data = pd.DataFrame({"x": x, "w": w, "y": (0.1 + 0.5 * w) * x + rng.normal(0, 0.6, 300)})
    fit = SEM("y ~ x + w + x:w").fit(
        data, draws=300, tune=300, chains=2, random_seed=1, progress=False
    )
    found = fit.johnson_neyman("x", "y", points=61)
    below, above = found.regions.to_dict("records")
    assert (below["sign"], above["sign"]) == ("negative", "positive")
    assert below["end"] < -0.2 < above["start"]
    at_zero = np.interp(-0.2, found.table["value"], found.table["p_positive"])
    assert 0.025 < at_zero < 0.975
    upper, lower = plots.plot_johnson_neyman(found).axes
    assert lower.get_xlabel() == "w" and upper.get_ylabel() == "Slope of y\non x"
    plt.close("all")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"sds": 0.0}, "sds is a positive number"), ({"points": 1}, "points has to be at least 2")],
)
def test_johnson_neyman_refuses(fit, arguments, message):
    with pytest.raises(ModelError, match=message):
        johnson_neyman(fit, "X", "Y", **arguments)
