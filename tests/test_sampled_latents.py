"""The model with sampled scores is the integrated one before its integral is done."""

import dataclasses
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import pytest
from example_models import prepared
from scipy.special import logsumexp

from bayessem.errors import DataError, ModelError, NotSupported
from bayessem.graph.pymc_model import build_pymc_model, value_order
from bayessem.graph.sampled_latents import read_equations, start_scores
from bayessem.model.prepare import Prepared
from bayessem.model.structure import build_structure
from bayessem.posterior.assemble import posterior_density
from bayessem.results.orientation import oriented
from bayessem.syntax.statements import parse
from bayessem.syntax.table import build_table

MODE = "FAST_COMPILE"  # a few evaluations: interpreted is quicker than compiled
DATA = Path(__file__).resolve().parents[1] / "data"

CFA = """
    visual  =~ x1 + x2 + x3
    textual =~ x4 + x5 + x6
"""
SQUARE = CFA + "textual ~ visual + visual:visual"


@pytest.fixture(scope="module")
def pupils() -> pd.DataFrame:
    return pd.read_csv(DATA / "holzinger_swineford_1939.csv").iloc[::10]


def joint(p: Prepared, latents: str):
    model = build_pymc_model(p.space, p.structure, p.sample, latents=latents)
    function = model.logp_dlogp_function(ravel_inputs=True, mode=MODE)
    function.set_extra_values({})
    return model, function


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (CFA + "speed =~ x7 + x8 + x9", {}),
        (CFA + "x1 ~~ x4 \n x2 ~~ x5 + x6", {}),
        (CFA + "textual ~ visual", {"group": "school"}),
        ("general =~ visual + textual + speed \n speed =~ x7 + x8 + x9" + CFA, {}),
        # observed variables as outcome, predictor, and covarying with a construct
        (CFA + "textual ~ visual + ageyr \n x9 ~ textual \n x9 ~~ visual", {}),
        (CFA + "holes", {}),
        (CFA + "x1 ~~ x4 \n holes", {}),
    ],
    ids=["cfa", "residuals", "groups", "second order", "observed", "missing", "missing residuals"],
)
def test_integral_over_the_scores_is_the_integrated_density(pupils, text, options):
    """For linear models the scores are Gaussian given the data, so the integral is exact."""
    if "holes" in text:
        text = text.replace("holes", "")
        pupils = pupils.assign(x2=pupils["x2"].where(np.arange(len(pupils)) % 3 > 0))
    p = prepared(text, pupils, **options)
    model, function = joint(p, "sampled")
    density = posterior_density(p.space, p.structure, p.sample)
    n, u = p.sample.size, len(model.coords["latent"])
    x = 0.2 * np.random.default_rng(0).normal(size=density.size)
    flat = x[value_order(p.space)]

    def at(scores: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = function(np.concatenate([flat, scores.ravel()]))
        return value, gradient[density.size :].reshape(n, u)

    value, slope = at(np.zeros((n, u)))
    # the curvature of each respondent, column by column: the slope is linear in the scores
    curvature = np.stack([slope - at(np.tile(unit, (n, 1)))[1] for unit in np.eye(u)], axis=2)
    best = np.linalg.solve(curvature, slope[..., None])[..., 0]
    logdets = np.linalg.slogdet(curvature)[1]
    integral = (
        value + 0.5 * np.sum(slope * best) + np.sum(0.5 * u * np.log(2 * np.pi) - logdets / 2)
    )
    assert integral == pytest.approx(density.value_and_gradient(x)[0], rel=1e-9)
    start = start_scores(density.elements(density.natural(x)), p.structure, p.sample)
    if not read_equations(p.structure).observed:
        assert start == pytest.approx(best, abs=1e-7)  # regression scores are the mode
    assert at(start)[0] > value


def test_integral_over_the_scores_of_a_quadratic_model(pupils):
    """Four respondents on a dense grid of both scores: a copy of each for every grid point."""
    p = prepared(SQUARE, pupils)

    def of(rows: np.ndarray) -> Prepared:
        sample = dataclasses.replace(
            p.sample, values=p.sample.values[rows], group=p.sample.group[rows], rows=rows
        )
        return dataclasses.replace(p, sample=sample)

    step = 0.15
    axis = np.arange(-6, 6, step)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    copies = of(np.repeat(np.arange(4), len(grid)))
    density = posterior_density(p.space, p.structure, of(np.arange(4)).sample)
    x = np.zeros(density.size)
    x[p.space.names.index("textual~visual:visual")] = 0.3
    model = build_pymc_model(p.space, p.structure, copies.sample, latents="sampled")
    parts = model.logp(vars=[model["y"], model["score_raw"]], sum=False)
    function = model.compile_fn(parts, inputs=model.value_vars, point_fn=False, mode=MODE)
    sizes = [len(model.coords[model.named_vars_to_dims[v.name][0]]) for v in model.free_RVs[:-1]]
    values = np.split(x[value_order(p.space)], np.cumsum(sizes)[:-1])
    y, raw = function(*values, np.tile(grid, (4, 1)))
    logs = (y.sum(axis=1) + raw.sum(axis=1)).reshape(4, -1)
    total = logsumexp(logs, axis=1) + 2 * np.log(step)
    expected = density.respondent_log_likelihood(density.natural(x))
    assert total == pytest.approx(expected, abs=1e-6)


def test_names_are_those_of_the_integrated_model(pupils):
    p = prepared(SQUARE, pupils)
    integrated, _ = joint(p, "integrated")
    sampled, _ = joint(p, "sampled")
    names = [v.name for v in integrated.free_RVs]
    assert [v.name for v in sampled.free_RVs] == [*names, "score_raw"]
    assert list(sampled.coords["latent"]) == ["visual", "textual"]
    for name in names:
        dimension = integrated.named_vars_to_dims[name]
        assert sampled.named_vars_to_dims[name] == dimension
        assert sampled.coords[dimension[0]] == integrated.coords[dimension[0]]


def test_missing_values_are_left_out_not_imputed(pupils):
    holes = pupils.assign(x2=pupils["x2"].where(np.arange(len(pupils)) % 3 > 0))
    p = prepared(CFA, holes)
    model, _ = joint(p, "sampled")
    assert [v.name for v in model.observed_RVs] == ["y"]
    assert model["y"].type.ndim == 1
    observed = model.rvs_to_values[model["y"]].data
    assert len(observed) == np.isfinite(p.sample.values).sum()


def test_prior_predictive_has_the_shape_of_the_data(pupils):
    p = prepared(SQUARE, pupils)
    model, _ = joint(p, "sampled")
    tree = pm.sample_prior_predictive(3, model=model, random_seed=1, compile_kwargs={"mode": MODE})
    assert tree.prior_predictive["y"].shape == (1, 3, p.sample.size, 6)
    assert tree.prior["score"].dims == ("chain", "draw", "respondent", "latent")


def test_circles_are_refused(pupils):
    structure = build_structure(build_table(parse(CFA + "textual ~ visual \n visual ~ textual")))
    with pytest.raises(ModelError, match="visual, textual explain each other in a circle"):
        read_equations(structure)


def test_an_indicator_without_residual_variance_is_refused():
    structure = build_structure(build_table(parse("f =~ x1 \n x1 ~~ 0*x1 \n f ~ x2")))
    with pytest.raises(NotSupported, match="x1 has no residual variance"):
        read_equations(structure)


def test_missing_values_of_a_predictor_are_refused(pupils):
    holes = pupils.assign(ageyr=pupils["ageyr"].astype(float).where(np.arange(len(pupils)) > 2))
    p = prepared(CFA + "textual ~ ageyr", holes, fixed_x=False)
    with pytest.raises(DataError, match="'ageyr' explains other variables and is missing for 3"):
        build_pymc_model(p.space, p.structure, p.sample, latents="sampled")


@pytest.mark.slow
def test_posterior_means_agree_with_the_integrated_model():
    pupils = pd.read_csv(DATA / "holzinger_swineford_1939.csv").iloc[:150]
    p = oriented(prepared(CFA, pupils, std_lv=True))
    density = posterior_density(p.space, p.structure, p.sample)
    kinds = list(p.space.kinds())
    summaries = {}
    for latents in ("integrated", "sampled"):
        model, _ = joint(p, latents)
        starts = {}
        if latents == "sampled":
            at = density.elements(density.natural(np.zeros(density.size)))
            starts["score_raw"] = start_scores(at, p.structure, p.sample)
        tree = pm.sample(
            400,
            tune=400,
            chains=2,
            model=model,
            initvals=starts,
            random_seed=3,
            progressbar=False,
        )
        summaries[latents] = az.summary(tree, var_names=kinds, round_to="none").astype(float)
    one, other = summaries["integrated"], summaries["sampled"]
    error = np.hypot(one["mcse_mean"], other["mcse_mean"])
    assert ((one["mean"] - other["mean"]).abs() / error).max() < 4.5
