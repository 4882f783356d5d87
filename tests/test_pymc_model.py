"""The PyMC model of a table and the native density are one density, in value and gradient."""

from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from example_models import ABILITIES, ALLIANCE, prepared

from bayessem.errors import ModelError
from bayessem.graph.pymc_model import (
    build_pymc_model,
    coordinate_labels,
    space_parts,
    value_order,
)
from bayessem.graph.pymc_sampling import draws_of_variables
from bayessem.model.prepare import Prepared
from bayessem.model.space import dimension
from bayessem.posterior.assemble import posterior_density, respondent_order
from bayessem.posterior.covariates import covariate_log_density

DATA = Path(__file__).resolve().parents[1] / "data"
POINTS = 20

DEMOCRACY = """
    ind60 =~ x1 + x2 + x3
    dem60 =~ y1 + y2 + y3 + y4
    dem65 =~ y5 + y6 + y7 + y8
    dem60 ~ ind60
    dem65 ~ ind60 + dem60
    y1 ~~ y5
    y2 ~~ y4 + y6
    y3 ~~ y7
    y4 ~~ y8
    y6 ~~ y8
"""
# Every family, and every side on which a family can be bounded.
FAMILIES = """
    visual  =~ x1 + x2 + b*x3
    textual =~ x4 + c*x5 + x6
    speed   =~ x7 + x8 + d*x9
    x1 ~~ x4 + x5
    x8 ~~ x9
    b < 3
    c > -1
    c < 4
    d > 0
"""
# What constraints determine is computed; distances of inequalities are sampled.
CONSTRAINED = """
    visual  =~ x1 + a*x2 + b*x3
    textual =~ x4 + c*x5 + d*x6
    x1 ~~ u*x1
    x2 ~~ v*x2
    x1 ~~ x4
    a == 2*b - 0.5
    c > d
    u == 0.5*v + 0.1
"""
# Weights of two composites, one of them explained, and a square.
COMPOSITES = """
    A <~ x1 + x2 + x3
    B <~ x7 + x8 + x9
    textual =~ x4 + x5 + x6
    B ~ A
    textual ~ A + B + A:A
"""
FAMILY_PRIORS = {
    "visual=~x2": "half_normal(1)",
    "b": "student_t(4, 1, 0.5)",
    "c": "cauchy(1, 0.5)",
    "textual=~x6": "gamma(2, 1)",
    "speed=~x8": "uniform(0.1, 3)",
    "d": "flat()",
    "x1~1": "student_t(3, 5, 1)",
    "x2~1": "cauchy(6, 1)",
    "x3~1": "log_normal(1, 0.5)",
    "x4~1": "flat()",
    "x5~1": "uniform(0, 10)",
    "x6~1": "gamma(3, 1)",
    "x1~~x1": "half_student_t(3, 1)",
    "x2~~x2": "half_cauchy(1)",
    "x3~~x3": "gamma(2, 2)",
    "x4~~x4": "inverse_gamma(3, 2)",
    "x5~~x5": "exponential(1)",
    "x6~~x6": "log_normal(0, 0.5)",
    "x7~~x7": "normal(1, 0.5)",
    "x8~~x8": "uniform(0.1, 3)",
    "x9~~x9": "student_t(5, 1, 0.3)",
    "visual~~visual": "cauchy(1, 0.5)",
    "textual~~textual": "flat()",
    "speed~~speed": "beta(2, 2)",
    "x1~~x4": "beta(2, 3)",
    "x1~~x5": "normal(0, 0.3)",
    "x8~~x9": "student_t(4, 0, 0.3)",
}
# Half-distributions moved and cut, as a row's bounds do it.
BOUNDED = """
    visual  =~ x1 + a*x2 + b*x3
    textual =~ x4 + c*x5 + d*x6
    a > 0.1
    b < 2
    c > 0.2
    c < 3
    d < -0.1
"""
BOUNDED_PRIORS = {
    "a": "half_normal(1)",
    "b": "half_cauchy(1)",
    "c": "half_student_t(3, 1)",
    "d": "normal(0, 1)",
}


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / f"{name}.csv")


def with_holes(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    holes = pd.DataFrame({c: rng.random(len(frame)) < 0.1 for c in columns})
    return frame.assign(**{c: frame[c].mask(holes[c].to_numpy()) for c in columns})


def cases() -> dict[str, tuple[Prepared, float]]:
    """Models by name, with the scale of points at which they are compared."""
    school = read("holzinger_swineford_1939")

    def of(text: str, frame: pd.DataFrame, **options) -> Prepared:
        return prepared(text, frame, **options)

    grouped = {"group": "school", "group_equal": ("loadings", "intercepts")}
    correlated = {"correlation": "lkj(3)", "path": "student_t(5, 0, 1)"}
    return {
        "cfa": (of(ABILITIES, school), 0.5),
        "cfa standardised": (of(ABILITIES, school, std_lv=True), 0.5),
        "democracy": (of(DEMOCRACY, read("political_democracy"), priors=correlated), 0.5),
        "two groups": (of(ABILITIES, school, group="school", group_equal="loadings"), 0.5),
        "two groups standardised": (of(ABILITIES, school, std_lv=True, **grouped), 0.5),
        "quadratic": (of(ALLIANCE, read("alliance_capability")), 0.2),
        "families": (of(FAMILIES, school, priors=FAMILY_PRIORS), 0.3),
        "bounded": (of(BOUNDED, school, priors=BOUNDED_PRIORS), 0.5),
        "constrained": (of(CONSTRAINED, school), 0.3),
        "composites": (of(COMPOSITES, school), 0.2),
        "covariates": (of(ABILITIES + "speed ~ ageyr", school), 0.5),
        "missing": (of(ABILITIES + "x1 ~~ x4", with_holes(school, ["x1", "x5", "x9"])), 0.4),
    }


@pytest.fixture(scope="module")
def families() -> dict[str, tuple[Prepared, float]]:
    return cases()


NAMES = (
    "cfa",
    "cfa standardised",
    "democracy",
    "two groups",
    "two groups standardised",
    "quadratic",
    "families",
    "bounded",
    "constrained",
    "composites",
    "missing",
)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_native_density(families, name):
    p, scale = families[name]
    density = posterior_density(p.space, p.structure, p.sample)
    model = build_pymc_model(p.space, p.structure, p.sample)
    # Compiled as a sampler has it for two, the rest interpreted, which is quicker for a few points
    # (and does not add as many terms as "families" has).
    mode = None if name in ("cfa", "families") else "FAST_COMPILE"
    joint = model.logp_dlogp_function(ravel_inputs=True, mode=mode)
    joint.set_extra_values({})
    order = value_order(p.space)
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(50 * POINTS):
        x = scale * rng.normal(size=density.size)
        value, gradient = density.value_and_gradient(x)
        if not np.isfinite(value):  # outside the positive definite matrices
            assert joint(x[order])[0] == -np.inf
            continue
        value_there, gradient_there = joint(x[order])
        assert value_there == pytest.approx(value, rel=1e-10)
        error = np.abs(gradient_there - gradient[order]).max()
        assert error <= 1e-10 * np.abs(gradient).max()
        compared += 1
        if compared == POINTS:
            break
    assert compared == POINTS


@pytest.mark.parametrize("name", [*NAMES, "covariates"])
def test_log_likelihoods_are_by_respondent_and_those_of_the_native_density(families, name):
    p, scale = families[name]
    density = posterior_density(p.space, p.structure, p.sample)
    model = build_pymc_model(p.space, p.structure, p.sample)
    x = scale * np.random.default_rng(1).normal(size=(400, density.size))
    inside = [i for i, point in enumerate(x) if np.isfinite(density.value_and_gradient(point)[0])]
    values = density.natural(x[inside[:3]])[None]
    posterior = xr.Dataset(
        {
            part: (("chain", "draw", dimension(part)), array)
            for part, array in draws_of_variables(p.space, values).items()
        }
    )
    tree = xr.DataTree.from_dict({"posterior": posterior})
    pm.compute_log_likelihood(
        tree, model=model, progressbar=False, compile_kwargs={"mode": "FAST_COMPILE"}
    )
    found = tree["log_likelihood"]["y"]
    assert found.dims == ("chain", "draw", "respondent")
    assert found["respondent"].values.tolist() == [str(r) for r in p.sample.rows]
    expected = density.respondent_log_likelihood(values)[..., respondent_order(p.sample)]
    taken = covariate_log_density(p.space, p.structure, p.sample)
    assert bool(np.abs(taken).max() > 1) == (name == "covariates")
    np.testing.assert_allclose(found.values, expected - taken, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_value_order_is_the_order_of_pymc(families, name):
    p, _ = families[name]
    model = build_pymc_model(p.space, p.structure, p.sample)
    parts = space_parts(p.space)
    assert [v.name for v in model.free_RVs] == [part.name for part in parts]
    labels = coordinate_labels(p.space)
    inside = [x for part in parts for x in labels[dimension(part.name)]]
    assert inside == [p.space.names[i] for i in value_order(p.space)]
    assert sorted(value_order(p.space)) == list(range(len(p.space.names)))


def test_draws_have_the_names_and_values_of_the_native_density(families):
    p, _ = families["families"]
    density = posterior_density(p.space, p.structure, p.sample)
    model = build_pymc_model(p.space, p.structure, p.sample)
    x = 0.2 * np.random.default_rng(5).normal(size=density.size)
    flat, point, at = x[value_order(p.space)], {}, 0
    for rv in model.free_RVs:
        value = model.rvs_to_values[rv]
        size = len(model.coords[dimension(rv.name)])
        point[value.name] = flat[at : at + size]
        at += size
    kinds = p.space.kinds()
    outputs = model.replace_rvs_by_values([model[kind] for kind in kinds])
    function = model.compile_fn(
        outputs, inputs=model.value_vars, point_fn=True, mode="FAST_COMPILE"
    )
    natural = density.natural(x)
    for (kind, where), value in zip(kinds.items(), function(point), strict=True):
        assert list(model.coords[dimension(kind)]) == list(p.space.names[where])
        assert value == pytest.approx(natural[where], rel=1e-12)


def test_few_random_variables_by_kind(families):
    p, _ = families["democracy"]
    model = build_pymc_model(p.space, p.structure, p.sample)
    names = [v.name for v in model.free_RVs]
    assert names == [
        "loading",
        "path",
        "intercept",
        "residual_sd",
        "disturbance_sd",
        "correlation_beta",
    ]
    assert [v.name for v in model.deterministics] == ["correlation"]
    assert [v.name for v in model.observed_RVs] == ["y"]
    assert model.named_vars_to_dims["y"] == ("respondent", "indicator")


def test_prior_predictive_has_the_shape_of_the_data(families):
    p, _ = families["cfa"]
    model = build_pymc_model(p.space, p.structure, p.sample)
    tree = pm.sample_prior_predictive(
        5, model=model, random_seed=1, compile_kwargs={"mode": "FAST_COMPILE"}
    )
    assert tree.prior_predictive["y"].shape == (1, 5, p.sample.size, 9)
    assert np.isfinite(tree.prior_predictive["y"].values).all()
    # correlations of a complete block are positive definite
    for r in tree.prior["correlation"].values[0]:
        matrix = np.eye(3)
        matrix[[1, 2, 2], [0, 0, 1]] = matrix[[0, 0, 1], [1, 2, 2]] = r
        assert np.linalg.eigvalsh(matrix)[0] > 0


def test_unknown_treatment_of_latents_is_refused(families):
    p, _ = families["cfa"]
    with pytest.raises(ModelError, match=r'"integrated" or "sampled", not \'summed\''):
        build_pymc_model(p.space, p.structure, p.sample, latents="summed")
