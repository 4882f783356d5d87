"""Intercepts sampled at the covariates' means: the same posterior, without its bend."""

import numpy as np
import pytest
from example_models import abilities, prepared

from bayessem import SEM
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.covariate_means import at_means, covariate_shifts

MIMIC = """
  visual =~ x1 + x2 + x3
  textual =~ x4 + x5 + x6
  visual + textual ~ sex + ageyr
"""
CHAIN = MIMIC.replace("visual + textual ~", "visual ~") + "textual ~ visual\n"
SECOND = "g =~ visual + textual + speed\nspeed =~ x7 + x8 + x9\n" + MIMIC.split("visual +")[0]
HIGHER = SECOND + "g ~ ageyr\n"


def centred(text, **options):
    model = prepared(text, abilities(), **options)
    density = posterior_density(model.space, model.structure, model.sample)
    start = initial_point(
        model.space,
        model.table,
        start_values(model.structure, model.covariances, model.means),
    )
    return model, density, covariate_shifts(model), start


@pytest.mark.parametrize("text", [MIMIC, CHAIN, HIGHER], ids=["mimic", "chain", "second order"])
def test_it_is_the_same_density_in_other_coordinates(text):
    _, density, shifts, start = centred(text)
    moved = density.centred(shifts)
    rng = np.random.default_rng(1)
    for _ in range(5):
        x = start + 0.1 * rng.normal(size=start.size)
        u = at_means(density, shifts, x)
        assert np.abs(u - x).max() > 0.1
        np.testing.assert_allclose(moved.natural(u), density.natural(x), rtol=1e-9, atol=1e-9)
        value, gradient = moved.value_and_gradient(u)
        assert value == pytest.approx(density.value_and_gradient(x)[0], rel=1e-12)
        step = 1e-6 * np.eye(x.size)
        numeric = [
            (moved.value_and_gradient(u + e)[0] - moved.value_and_gradient(u - e)[0]) / 2e-6
            for e in step
        ]
        np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-4)


def test_the_coordinate_is_the_item_s_mean_at_the_covariates_means():
    """Only for that does the sampler move along one axis where the data know one thing."""
    model, density, shifts, start = centred(MIMIC)
    u = at_means(density, shifts, start)
    values = dict(zip(model.space.names, density.natural(start), strict=True))
    age, sex = (model.sample.means[model.sample.variables.index(n)] for n in ("ageyr", "sex"))
    effect = values["visual~ageyr"] * age + values["visual~sex"] * sex
    at = {name: u[i] for i, name in enumerate(model.space.names)}
    assert at["x2~1"] == pytest.approx(values["x2~1"] + values["visual=~x2"] * effect)
    assert at["x1~1"] == pytest.approx(values["x1~1"] + effect)  # the marker


@pytest.mark.parametrize(
    "text, options",
    [
        ("visual =~ x1 + x2 + x3", {}),
        (MIMIC, {"fixed_x": False}),
        (MIMIC, {"meanstructure": False}),
    ],
)
def test_nothing_to_centre(text, options):
    assert centred(text, **options)[2] == []


def test_a_covariate_far_from_0_is_sampled_without_divergences():
    """In raw coordinates: dozens of divergences and a tenth of the effective draws."""
    fit = SEM(MIMIC).fit(abilities(), random_seed=1, draws=500, progress=False)
    assert fit.diagnosis.divergences == 0
    assert fit.diagnosis.lowest_ess_bulk[1] > 1000
    ml = SEM(MIMIC).ml(abilities())
    est = ml.table.set_index(ml.table["lhs"] + ml.table["op"] + ml.table["rhs"])["est"]
    se = ml.table.set_index(est.index)["se"]
    means = fit.parameters.mean(("chain", "draw"))
    for name in ("x2~1", "visual~ageyr", "textual~sex"):
        assert abs(float(means.sel(parameter=name)) - est[name]) < 0.5 * se[name], name
