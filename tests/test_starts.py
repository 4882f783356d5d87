"""Start values: near the maximum, with the signs of the data, inside their bounds."""

import numpy as np
import pytest
from example_models import ABILITIES, SECOND_ORDER, abilities, noise, prepared

from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import likelihood_density, posterior_density


def starts(model, data, **options):
    found = prepared(model, data, **options)
    values = start_values(found.structure, found.covariances, found.means)
    return found, dict(zip(found.table.parameters, values, strict=True))


def test_they_are_close_to_maximum_likelihood():
    """lavaan's estimates of the three-factor model (its documentation, `?cfa`)."""
    _, found = starts(ABILITIES, abilities())
    for name, estimate in (
        ("visual=~x2", 0.554),
        ("visual=~x3", 0.729),
        ("textual=~x5", 1.113),
        ("textual=~x6", 0.926),
        ("speed=~x8", 1.180),
        ("speed=~x9", 1.082),
    ):
        assert found[name] == pytest.approx(estimate, abs=0.4)
    assert found["visual~~visual"] == pytest.approx(0.809, rel=0.5)
    assert found["x4~1"] == pytest.approx(abilities()["x4"].mean())


def test_reverse_keyed_items_start_with_their_sign():
    data = abilities()
    data["x2"] = -data["x2"]
    _, found = starts(ABILITIES, data)
    assert found["visual=~x2"] < 0 < found["visual=~x3"]
    marker = abilities()
    marker["x1"] = -marker["x1"]
    _, found = starts(ABILITIES, marker)
    assert found["visual=~x2"] < 0
    assert found["visual=~x3"] < 0


def test_a_marker_unrelated_to_its_items_does_not_send_loadings_away():
    data = abilities()
    data["x1"] = np.random.default_rng(0).normal(size=len(data))
    _, found = starts(ABILITIES, data)
    assert abs(found["visual=~x2"]) < 6
    assert found["visual~~visual"] > 0.01


def test_second_order_factors_start_from_the_scores_of_their_dimensions():
    _, found = starts(SECOND_ORDER, abilities())
    assert 0.2 < found["g=~textual"] < 3
    assert 0 < found["g~~g"] < 1


@pytest.mark.parametrize("std_lv", [False, True])
def test_the_likelihood_is_finite_there(std_lv):
    model, _ = starts(SECOND_ORDER, abilities(), std_lv=std_lv)
    values = start_values(model.structure, model.covariances, model.means)
    density = likelihood_density(model.structure, model.space, model.sample)
    assert np.isfinite(density.value_and_gradient(values)[0])


def test_the_user_s_start_values_are_taken():
    _, found = starts("f =~ x1 + start(0.77)*x2 + x3", noise("x1 x2 x3"))
    assert found["f=~x2"] == 0.77


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [
        ("lower(5)", 5, np.inf),
        ("upper(-5)", -np.inf, -5),
        ("lower(5)*upper(5.01)", 5, 5.01),
        ("lower(-5.01)*upper(-5)", -5.01, -5),
    ],
)
def test_they_lie_within_bounds(bounds, low, high):
    model, found = starts(f"f =~ x1 + {bounds}*x2 + x3", noise("x1 x2 x3"))
    assert low < found["f=~x2"] < high
    values = start_values(model.structure, model.covariances, model.means)
    x = initial_point(model.space, model.table, values)
    density = posterior_density(model.space, model.structure, model.sample)
    natural = dict(zip(density.names, density.natural(x), strict=True))
    assert low < natural["f=~x2"] < high


def test_the_initial_point_stands_for_the_start_values():
    model, found = starts(ABILITIES, abilities())
    values = start_values(model.structure, model.covariances, model.means)
    density = posterior_density(model.space, model.structure, model.sample)
    natural = density.natural(initial_point(model.space, model.table, values))
    for c, value in zip(model.space.coordinates, natural, strict=True):
        expected = found[c.name]
        if c.kind.endswith("_sd"):
            expected = np.sqrt(expected)
        if c.kind == "correlation":
            expected = 0.0
        assert value == pytest.approx(expected, abs=1e-9), c.name
