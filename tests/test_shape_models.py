"""Line, parabola, cubic and spline of one relation: the right models, compared on the same data."""

import numpy as np
import pandas as pd
import pytest

import bayessem as bs
from bayessem.comparison.shape_models import _of_degree, _score
from bayessem.errors import DataError, ModelError
from tests.drawn import drawn_fit, measured

SHORT = {"draws": 250, "tune": 300, "chains": 2, "progress": False, "random_seed": 1}


def data_with(curve, n=200, seed=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame({"x": x, "w": rng.normal(size=n), "y": curve(x) + rng.normal(0, 0.5, n)})


def products_of(model, y):
    return {r.rhs for r in model.table.rows if r.op == "~" and r.lhs == y}


def test_powers_are_added_and_taken_out_and_the_rest_stays():
    sem = bs.SEM("y ~ b*x + q*x:x + w + x:w\nz ~ x + x:x\ncurve := 2*q")
    found = {k: _of_degree(sem, "x", "y", k) for k in (1, 2, 3)}
    assert products_of(found[1], "y") == {"x", "w", "x:w"}
    assert products_of(found[2], "y") == {"x", "x:x", "w", "x:w"}
    assert products_of(found[3], "y") == {"x", "x:x", "x:x:x", "w", "x:w"}
    assert all(products_of(model, "z") == {"x", "x:x"} for model in found.values())
    # the user's own label stays
    assert any(r.label == "q" for r in found[2].table.rows)
    assert products_of(_of_degree(bs.SEM("y ~ w"), "x", "y", 2), "y") == {"w", "x", "x:x"}


def test_a_hockey_stick_is_told_from_the_polynomials():
    data = data_with(lambda x: 1.5 * np.maximum(x, 0))
    found = bs.compare_shapes(bs.SEM("y ~ x + w"), data, "x", "y", **SHORT)
    assert list(found.fits) == ["linear", "quadratic", "cubic", "spline"]
    assert found.comparison.best == "spline"
    assert found.comparison.table.loc["linear", "difference"] < -20
    # one construct's LOO by hand: the spline's columns are those of the data
    assert "The best prediction is that of the spline model." in str(found)
    assert isinstance(found.fits["spline"], bs.Fit)


def test_of_models_that_predict_alike_the_simplest_is_named():
    data = data_with(lambda x: 0.5 * x, seed=8)
    found = bs.compare_shapes(bs.SEM("y ~ x + x:x"), data, "x", "y", spline=False, **SHORT)
    assert list(found.fits) == ["linear", "quadratic", "cubic"]
    verdicts = found.comparison.table["verdict"]
    assert verdicts["linear"] in ("best", "no difference")
    assert "linear" in str(found).split("\n\n")[1]
    assert found.shapes["quadratic"].probabilities["increasing"].iloc[0] > 0.2


def test_the_score_of_a_construct_is_the_mean_of_its_items_with_their_signs():
    model = "H =~ A + B\n" + measured("A", "B") + "\nY ~ H\n" + measured("Y")
    fit = drawn_fit(model, n=100)
    fit.prepared.sample.values[3, 0] = np.nan
    turned = fit.elements.copy()
    structure = fit.prepared.structure
    loadings = structure.matrices(turned)["loadings"]
    loadings[..., structure.observed.index("b2"), :] *= -1
    fit.elements = turned
    got = _score(fit, structure.variables.index("H"))
    items = fit.data[["a1", "a2", "a3", "b1", "b2", "b3"]].copy()
    items.iloc[3, 0] = np.nan
    unit = (items - items.mean()) / items.std(ddof=0) * [1, 1, 1, 1, -1, 1]
    np.testing.assert_allclose(got, unit.mean(axis=1))


def test_a_spline_needs_values():
    data = data_with(lambda x: x)
    data["x"] = (data["x"] > 0).astype(float)
    with pytest.raises((DataError, ModelError)):
        bs.compare_shapes(bs.SEM("y ~ x"), data, "x", "y", **SHORT)


def test_what_cannot_be_is_told_before_anything_is_fitted():
    data = data_with(lambda x: x)
    with pytest.raises(bs.BayessemError, match="nothere"):
        bs.compare_shapes(bs.SEM("y ~ x"), data, "nothere", "y", **SHORT)


@pytest.mark.slow
def test_constructs_too():
    rng = np.random.default_rng(4)
    x = rng.normal(size=200)
    y = 0.4 * x - 0.35 * x**2 + rng.normal(0, 0.6, 200)
    data = pd.DataFrame(
        {f"{v}{k}": 0.8 * c + rng.normal(0, 0.5, 200) for v, c in (("x", x), ("y", y))
         for k in (1, 2, 3)}
    )  # fmt: skip
    sem = bs.SEM(measured("X", "Y") + "\nY ~ X")
    found = bs.compare_shapes(sem, data, "X", "Y", **SHORT)
    table = found.comparison.table
    assert table.loc["linear", "difference"] < -10
    assert table.loc["quadratic", "verdict"] in ("best", "no difference")
    # the spline of a score finds the bend, too: far better than the line
    assert table.loc["spline", "elpd"] - table.loc["linear", "elpd"] > 10
