"""Sampled scores of ordered answers: density by SciPy, derivatives, draws, who gets them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtr
from scipy.stats import multivariate_normal, norm

import bayessem as bs
from bayessem.errors import FitError
from bayessem.likelihood.engines import ENGINES
from bayessem.likelihood.laplace_plan import latent_order
from bayessem.likelihood.scores_entry import SCORES_MARK, entry, find_centres
from bayessem.model.node_model import factor_model
from bayessem.model.prepare import Prepared, prepare
from bayessem.model.starts import initial_point, start_values
from bayessem.model.structure import latent_values
from bayessem.posterior.answered import answered
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.sampling import Approximation
from bayessem.posterior.scores import ScoredDensity
from bayessem.syntax.specification import Specification
from tests.test_laplace import LINEAR, MORE, _case, _plan, _survey
from tests.test_nodes import DATA, _elements

Plan = tuple[np.ndarray, np.ndarray]


def evaluate(elements: np.ndarray, plan: Plan, scores: np.ndarray) -> tuple:
    """The engine's C function: value, derivatives by elements, by scores (flat)."""
    scores = np.ascontiguousarray(scores).ravel()
    gradient, d_scores, out = np.empty(elements.size), np.empty(scores.size), np.empty(0)
    addresses = [scores.ctypes.data, d_scores.ctypes.data, scores.size]
    call = np.array([SCORES_MARK, plan[0].ctypes.data, plan[0].size, *addresses], dtype=np.int64)
    sized = [x for a in (elements, call, plan[1]) for x in (a.ctypes.data, a.size)]
    value = ENGINES.prototype(entry.address)(*sized, gradient.ctypes.data, out.ctypes.data, 0)
    return value, gradient, d_scores


def _answers(prepared: Prepared, m: dict, i: int, eta: np.ndarray) -> float:
    """Log-likelihood of a respondent's answers given all structural variables (SciPy)."""
    structure, table, value = prepared.structure, prepared.structure.table, 0.0
    residual = {"probit": ndtr, "logit": expit}[table.responses.link]
    for j, name in enumerate(structure.observed):
        answer = prepared.sample.values[i, j]
        if name in table.exogenous or np.isnan(answer):
            continue
        mean, variance = m["intercepts"][j] + eta @ m["loadings"][j], m["residuals"][j, j]
        if name in structure.variables:
            v = structure.variables.index(name)
            variance = m["disturbances"][v, v]
        if name not in table.ordered:
            value += norm.logpdf(answer, mean, np.sqrt(variance))
            continue
        scale = np.sqrt(variance / table.responses.residual_variance)
        first = structure.threshold_at[name]
        t = m["thresholds"][first : first + table.responses.thresholds[name]]
        t = np.concatenate([[-np.inf], t, [np.inf]])
        upper, lower = (residual((t[int(answer) + k] - mean) / scale) for k in (1, 0))
        value += np.log(upper - lower)
    return value


def _joint(prepared: Prepared, elements: np.ndarray) -> tuple[np.ndarray, float]:
    """Random scores (respondent, K), in the engine's order, and log p(y, f) by SciPy."""
    structure, sample = prepared.structure, prepared.sample
    latents = [i for i, n in enumerate(structure.variables) if n not in structure.observed]
    generator, parts, value = np.random.default_rng(4), [], 0.0
    model = factor_model(structure, sample)
    assert list(model.latents) == latents
    for g, members in enumerate(model.members):
        m = structure.matrices(elements, g)
        psi = m["disturbances"][np.ix_(latents, latents)]
        order = latent_order(model.factors[g], len(latents))
        for i in members:
            zeta = generator.normal(size=len(latents))
            own = m["means"].copy()
            own[latents] += zeta
            for name in structure.table.exogenous:
                column = sample.variables.index(name)
                own[structure.variables.index(name)] = sample.values[i, column]
            eta = latent_values(structure, m, own[None])[0]
            value += multivariate_normal.logpdf(zeta, np.zeros(len(latents)), psi)
            value += _answers(prepared, m, i, eta)
            parts.append(eta[latents][order])
    return np.array(parts), value


def _grouped() -> Prepared:
    text = "A =~ a1 + a2 + a3\nB =~ b1 + b2 + b3\nA ~~ B"
    return prepare(Specification(text, ordered=True, std_lv=True), DATA, group="g")


CASES = [*LINEAR, *MORE, "groups"]


@pytest.mark.parametrize("case", CASES)
def test_value_is_the_joint_density(case):
    """Of answers and scores by SciPy; with missing answers, covariates, groups, logit."""
    prepared = _grouped() if case == "groups" else _case(case)
    elements = _elements(prepared)
    scores, expected = _joint(prepared, elements)
    value, _, _ = evaluate(elements, _plan(prepared), scores)
    assert value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_derivatives_are_those_of_the_value(case):
    """By central differences of each free element and of each score."""
    prepared = _grouped() if case == "groups" else _case(case)
    structure, elements, plan = prepared.structure, _elements(prepared), _plan(prepared)
    scores, _ = _joint(prepared, elements)
    _, gradient, d_scores = evaluate(elements, plan, scores)
    h = 1e-5
    for k, place in structure.places.items():
        if structure.table.rows[k].exogenous:
            continue
        at = list(structure.element(place))
        ends = []
        for side in (h, -h):
            moved = elements.copy()
            moved[at] += side
            ends.append(evaluate(moved, plan, scores)[0])
        slope = (ends[0] - ends[1]) / (2 * h)
        assert gradient[at].sum() == pytest.approx(slope, abs=1e-6, rel=1e-6), k
    for c in range(scores.size):
        ends = []
        for side in (h, -h):
            moved = scores.ravel().copy()
            moved[c] += side
            ends.append(evaluate(elements, plan, moved)[0])
        assert d_scores[c] == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-6, rel=1e-6)


def test_out_of_the_domain_is_minus_infinity():
    """A covariance matrix that is not positive definite."""
    prepared = _case("four factors, ordered, binary and normal, missing")
    elements = _elements(prepared)
    scores, _ = _joint(prepared, elements)
    prepared.structure.matrices(elements)["disturbances"][0, 1] = 5.0
    prepared.structure.matrices(elements)["disturbances"][1, 0] = 5.0
    assert evaluate(elements, _plan(prepared), scores)[0] == -np.inf


@pytest.fixture(scope="module")
def wide() -> tuple[pd.DataFrame, str]:
    """Four constructs of three binary items with loadings of .9: too far for Laplace's weights."""
    return _survey(4, 3, 2, 0.9, 150, seed=5)


def _found(
    data: pd.DataFrame, text: str, *, scored: bool = False
) -> tuple[Prepared, Approximation]:
    own = prepare(Specification(text, ordered=True, std_lv=True), data)
    density = posterior_density(own.space, own.structure, own.sample)
    values = start_values(own.structure, own.covariances, own.means)
    start = initial_point(own.space, own.table, values)
    return own, answered(own, density, start, scored=scored)[1]


def _scored(found: Approximation) -> ScoredDensity:
    assert found.scores is not None
    return ScoredDensity(found.density.whitened(found.maximum.x, found.root), found.scores)


def test_what_is_too_far_for_laplace_has_sampled_scores(wide):
    """The target in v and u: prior and joint density, put together by hand; its gradient."""
    own, found = _found(*wide)
    assert "Laplace's approximation" in found.scores.why
    target, scores = _scored(found), found.scores
    d, n = found.density.size, own.sample.size
    assert (target.size, len(target.names)) == (d + 4 * n, d)
    rng, values, parts = np.random.default_rng(7), [], []
    for _ in range(2):
        x = 0.3 * rng.normal(size=target.size)
        at = found.maximum.x + found.root @ x[:d]
        f = scores.centre + scores.slopes @ x[:d]
        f = f.reshape(n, 4) + np.einsum("nab,nb->na", scores.roots, x[d:].reshape(n, 4))
        elements = found.density.elements(found.density.natural(at))
        joint, _, _ = evaluate(elements, (scores.ints, scores.floats), f)
        # of the density without scores what is not likelihood: prior and Jacobian
        plain, _ = found.density.value_and_gradient(at)
        laplace = found.density.without_points().respondent_log_likelihood(
            found.density.natural(at)
        )
        values.append(target.value_and_gradient(x)[0])
        parts.append(joint + plain - laplace.sum())
    np.testing.assert_allclose(values, parts, rtol=1e-9)
    _, gradient = target.value_and_gradient(x)
    for c in (*range(0, d, 3), *range(d, target.size, 41)):
        ends = []
        for side in (1e-5, -1e-5):
            moved = x.copy()
            moved[c] += side
            ends.append(target.value_and_gradient(moved)[0])
        assert gradient[c] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=2e-5, rel=1e-5)


def test_scores_are_where_the_answers_say():
    """The root is that of the inverse curvature at the centre, by differences; near the mode."""
    prepared = _case("four factors, ordered, binary and normal, missing")
    elements, n = _elements(prepared), prepared.sample.size
    plan = _plan(prepared)
    centre, roots = find_centres(elements, *plan, n, 4)
    f = centre.reshape(n, 4)
    _, _, slope = evaluate(elements, plan, f)
    curvature = np.empty((n, 4, 4))
    for b in range(4):
        ends = []
        for side in (1e-5, -1e-5):
            moved = f.copy()
            moved[:, b] += side
            ends.append(evaluate(elements, plan, moved)[2].reshape(n, 4))
        curvature[:, :, b] = (ends[1] - ends[0]) / 2e-5
    covariance = np.einsum("nab,ncb->nac", roots, roots)
    np.testing.assert_allclose(covariance @ curvature, np.tile(np.eye(4), (n, 1, 1)), atol=1e-6)
    # a first-order correction from the mode, where the slope is 0
    off = np.abs(np.einsum("nab,nb->na", covariance, slope.reshape(n, 4)))
    assert off.max() < 0.5


def test_narrow_graphs_have_sampled_scores_when_asked():
    """About the maximum of the exact posterior on nodes, where slopes by v are 0 on average.

    Over the scores given the answers, by Fisher's identity; u is nearly normal. At u = 0 they are
    not, so that coordinates about the maximum of the joint density would be others.
    """
    data, text = _survey(3, 3, 3, 0.7, 80, seed=2)
    _, found = _found(data, text, scored=True)
    assert found.finer is None
    assert not found.density.approximate
    target, d = _scored(found), found.density.size
    points = np.random.default_rng(1).normal(size=(400, target.size))
    points[:, :d] = 0.0
    slopes = np.array([target.value_and_gradient(x)[1] for x in points])
    at_zero = target.value_and_gradient(np.zeros(target.size))[1]
    assert np.sqrt(np.mean(slopes.mean(axis=0)[:d] ** 2)) < 0.5
    assert np.sqrt(np.mean(at_zero[:d] ** 2)) > 1.0
    # standard normal: the slope by u is -u
    fitted = np.mean(slopes[:, d:] * points[:, d:], axis=0)
    assert np.median(fitted) == pytest.approx(-1.0, abs=0.15)


def test_draws_are_of_the_exact_posterior(wide):
    """A fit that goes on with scores: notes, log-likelihoods with their error, no weights."""
    data, text = wide
    sem = bs.SEM(text, ordered=True, std_lv=True)
    settings = {"draws": 60, "tune": 120, "chains": 2, "random_seed": 3, "progress": False}
    fit = sem.fit(data, **settings)
    said = "note [scores] the scores of 150 respondents on 4 constructs"
    assert any(said in note for note in fit.notes)
    assert "weights_k" not in fit.draws.attrs
    assert fit.draws.attrs["integral_error"] > 0
    assert "Scores were sampled" in str(fit.diagnosis)
    assert fit.draws["log_likelihood"]["y"].shape == (2, 60, 150)
    assert np.isfinite(fit.draws["log_likelihood"]["y"].values).all()
    again = sem.fit(data, **settings)
    np.testing.assert_array_equal(fit.values, again.values)


@pytest.mark.slow
def test_against_the_node_engine():
    """Three constructs of three five-category items: means and sds, sampled and integrated.

    Root mean square of the means' differences in Monte Carlo standard errors: 1 where all is
    right. 42 parameters, so that 1.6 is far out.
    """
    data, text = _survey(3, 3, 5, 0.7, 150, seed=5)
    sem = bs.SEM(text, ordered=True, std_lv=True)
    settings = {"draws": 1000, "tune": 500, "chains": 2, "random_seed": 1, "progress": False}
    exact = sem.fit(data, **settings).summary()
    fit = sem.fit(data, latents="sampled", **settings)
    assert fit.settings["engine"] == "native"
    own = fit.summary()
    error = exact["sd"] * np.sqrt(1.0 / own["ess_bulk"] + 1.0 / exact["ess_bulk"])
    z = ((own["mean"] - exact["mean"]) / error).to_numpy()
    assert np.sqrt(np.nanmean(z**2)) < 1.6
    assert np.nanmedian(own["sd"] / exact["sd"]) == pytest.approx(1.0, abs=0.04)


def test_what_the_compiled_density_does_not_have_goes_to_pymc():
    """A square, and partial pooling: the compiled engine asked for is refused in words."""
    square = bs.SEM("A =~ a1 + a2 + a3\nB =~ b1 + b2 + b3\nB ~ A + A:A", ordered=True)
    with pytest.raises(FitError, match="linear in the constructs"):
        square.fit(DATA, latents="sampled", engine="native", progress=False)
