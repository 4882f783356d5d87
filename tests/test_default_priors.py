"""Default priors follow the units of the data and the distance of intercepts from means."""

import numpy as np
import pandas as pd
import pytest
from example_models import SECOND_ORDER, abilities, noise, prepared

from bayessem.model.default_priors import latent_scales, model_scales

MODEL = "f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3\ng ~ f + z"


def priors(model, data, **options):
    return {c.name: c.prior for c in prepared(model, data, **options).space.coordinates}


def test_scales_come_from_the_marker_the_fixed_variance_or_the_items():
    found = prepared(SECOND_ORDER, abilities())
    sds = dict(zip(found.structure.observed, found.sample.sds, strict=True))
    scales = dict(
        zip(
            found.structure.variables, latent_scales(found.structure, found.sample.sds), strict=True
        )
    )
    assert scales["textual"] == sds["x4"]
    assert scales["g"] == sds["x1"]
    standardised = prepared(SECOND_ORDER, abilities(), std_lv=True)
    assert latent_scales(standardised.structure, found.sample.sds) == pytest.approx(1.0)


def test_priors_move_with_the_units_of_the_data():
    data = noise("x1 x2 x3 y1 y2 y3 z")
    units = (
        pd.Series({"x1": 10.0, "x2": 0.1, "y1": 100.0, "z": 7.0}).reindex(data.columns).fillna(1)
    )
    before, after = priors(MODEL, data), priors(MODEL, data * units)

    def ratio(name):
        return after[name].named["sigma"] / before[name].named["sigma"]

    assert ratio("f=~x2") == pytest.approx(0.1 / 10)
    assert ratio("g~f") == pytest.approx(100 / 10)
    assert ratio("g~z") == pytest.approx(100 / 7)
    assert ratio("x2~~x2") == pytest.approx(0.1)
    assert ratio("g~~g") == pytest.approx(100)
    assert ratio("y1~1") == pytest.approx(100)


def test_an_intercept_far_from_its_mean_is_in_reach_of_its_prior():
    """Origin of x moved: the same line has another intercept, and its prior has to allow it."""
    data = noise("x y")
    moved = data.assign(x=data["x"] + 1000.0)
    near, far = priors("y ~ x", data)["y~1"], priors("y ~ x", moved)["y~1"]
    sd = data.std(ddof=0)
    assert near.named["sigma"] == pytest.approx(2.5 * sd["y"], rel=0.1)
    assert far.named["sigma"] == pytest.approx(1000 * sd["y"] / sd["x"], rel=0.01)
    assert far.named["mu"] == pytest.approx(data["y"].mean())


def test_a_covariate_far_from_0_reaches_indicators_through_the_construct():
    data = noise("x1 x2 x3 z")
    moved = data.assign(z=data["z"] + 1000.0)
    found = priors("f =~ x1 + x2 + x3\nf ~ z", moved)
    sd = data.std(ddof=0)
    assert found["x1~1"].named["sigma"] == pytest.approx(1000 * sd["x1"] / sd["z"], rel=0.01)
    assert found["x2~1"].named["sigma"] == pytest.approx(1000 * sd["x2"] / sd["z"], rel=0.01)


def test_products_of_covariates_far_from_0_count():
    data = noise("x z y") + 50.0
    found = prepared("y ~ x + z + x:z", data)
    scales = model_scales(found.structure, found.sample.means, found.sample.sds)
    at = found.structure.variables.index("y")
    assert scales.offsets[at] > 50 * 50 / 2


def test_the_mean_of_a_growth_factor_reaches_the_level_of_the_data():
    data = noise("t1 t2 t3 t4") + 200.0
    found = priors(
        "i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4\ns =~ 0*t1 + 1*t2 + 2*t3 + 3*t4", data, growth=True
    )
    assert found["i~1"].named["sigma"] > 190
    assert found["s~1"].named["sigma"] > 50


def test_feedback_loops_do_not_hang():
    data = noise("x1 x2 x3 y1 y2 y3 z w") + 10.0
    found = priors("f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3\nf ~ g + z\ng ~ f + w", data)
    assert np.isfinite(found["x1~1"].named["sigma"])
