"""Sampled scores of ordered answers: the density by SciPy, its derivatives, draws, who gets them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, ndtr
from scipy.stats import multivariate_normal, norm

from bayessem.likelihood.engines import ENGINES
from bayessem.likelihood.laplace_plan import latent_order
from bayessem.likelihood.scores_entry import SCORES_MARK, entry, find_centres
from bayessem.model.node_model import factor_model
from bayessem.model.prepare import Prepared, prepare
from bayessem.model.structure import latent_values
from bayessem.syntax.specification import Specification
from tests.test_laplace import LINEAR, MORE, _case, _plan
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
