"""The Laplace engine against integrals, the node engine and the normal likelihood."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import bayessem as bs
from bayessem.errors import NotSupported
from bayessem.likelihood.engines import ENGINES
from bayessem.likelihood.entry import entry as kernel
from bayessem.likelihood.laplace_entry import entry, explained
from bayessem.likelihood.laplace_plan import count_items, drop_points, is_linear, with_tails
from bayessem.likelihood.node_entry import entry as nodes
from bayessem.model import answer_engine as answer_engine_module
from bayessem.model.answer_engine import LAPLACE, NODES, answer_engine
from bayessem.model.node_model import factor_model
from bayessem.model.prepare import Prepared, prepare
from bayessem.posterior import answered, answers, laplace_choice, laplace_tails, sampling
from bayessem.posterior.assemble import posterior_density, respondent_order
from bayessem.posterior.laplace_choice import laplace_arrays
from bayessem.posterior.laplace_tails import COMPARED, fitted_tail, outward
from bayessem.posterior.reweighting import Weights, log_ratios, resample
from bayessem.posterior.sampling import Approximation
from bayessem.syntax.specification import Specification
from tests.test_nodes import DATA, HOLES, MODELS, _brute_force, _elements, _prepared

MORE: dict[str, tuple[str, pd.DataFrame, dict]] = {
    "four factors, ordered, binary and normal, missing": (
        "A =~ m1 + a1 + a2\nB =~ b1 + b2 + b3\nC =~ c1 + c2 + c3\nD =~ a3 + s",
        HOLES,
        {"ordered": ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"], "std_lv": True},
    ),
    "four factors, path that depends on a covariate": (
        "A =~ a1 + a2\nB =~ b1 + b2\nC =~ c1 + c2\nD =~ a3 + b3\nD ~ A + z + A:z\nC ~ z\nB ~~ C",
        DATA,
        {"ordered": True, "std_lv": True, "link": "logit"},
    ),
}
LINEAR = [c for c in MODELS if "product" not in c and "square" not in c]


def _case(case: str) -> Prepared:
    if case not in MORE:
        return _prepared(case)
    model, data, options = MORE[case]
    return prepare(Specification(model, **options), data)


def _plan(prepared: Prepared, at: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    model = factor_model(prepared.structure, prepared.sample)
    assert is_linear(model.factors[0])
    return laplace_arrays(model, np.arange(prepared.sample.size), at)


def evaluate(
    elements: np.ndarray, plan: tuple[np.ndarray, np.ndarray], out: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The engine's C function: value, and gradient or (into out) respondents."""
    out = np.empty(0) if out is None else out
    gradient = np.empty(elements.size)
    sized = [x for a in (elements, *plan) for x in (a.ctypes.data, a.size)]
    value = ENGINES.prototype(entry.address)(
        *sized, gradient.ctypes.data, out.ctypes.data, out.size
    )
    return value, gradient


def respondents(elements: np.ndarray, plan: tuple[np.ndarray, np.ndarray], size: int) -> np.ndarray:
    """Log p(y_i) of every respondent."""
    out = np.empty(size)
    evaluate(elements, plan, out)
    return out


@pytest.mark.parametrize("case", LINEAR)
def test_respondents_are_the_integral_and_laplace_is_near(case, monkeypatch):
    """By many points to .002; Laplace's own error with few items a construct is below .2."""
    monkeypatch.setattr(laplace_choice, "POINTS", 8192)
    prepared = _case(case)
    elements, n = _elements(prepared), prepared.sample.size
    plan = _plan(prepared)
    true = _brute_force(prepared, elements)
    np.testing.assert_allclose(respondents(elements, plan, n), true, atol=2e-3)
    approximate = respondents(elements, (drop_points(plan[0]), plan[1]), n)
    error = np.abs(approximate - true)
    assert 1e-4 < error.max() < 0.2
    assert approximate.sum() == pytest.approx(evaluate(elements, plan)[0], abs=1e-9)


@pytest.mark.parametrize("case", [*LINEAR, *MORE])
def test_gradient_is_that_of_the_value(case):
    """By central differences of each free element."""
    prepared = _case(case)
    structure, elements = prepared.structure, _elements(prepared)
    plan = _plan(prepared)
    _, gradient = evaluate(elements, plan)
    for k, place in structure.places.items():
        if structure.table.rows[k].exogenous:
            continue
        at, h = list(structure.element(place)), 1e-5
        ends = []
        for side in (h, -h):
            moved = elements.copy()
            moved[at] += side
            ends.append(evaluate(moved, plan)[0])
        slope = (ends[0] - ends[1]) / (2 * h)
        assert gradient[at].sum() == pytest.approx(slope, abs=5e-6, rel=1e-6), k


@pytest.mark.parametrize("case", [LINEAR[0], *MORE])
def test_tilt_and_tails_have_their_value_and_gradient(case):
    """Value by the formula, gradient by central differences; respondents' exact values stay."""
    prepared = _case(case)
    structure, elements, n = prepared.structure, _elements(prepared), prepared.sample.size
    ints, floats = _plan(prepared)
    c = explained(elements, ints, floats)
    assert c.shape == (count_items(ints),)
    assert (c > 0).sum() >= 3
    tails = np.column_stack([0.6 * c, np.where(c > 0, 2.0, 0.0)])
    slope = np.random.default_rng(1).normal(size=elements.size)
    centre = elements + 0.1
    plan = with_tails(ints, floats, tails, np.concatenate([[3.0], slope, centre]))
    plain, _ = evaluate(elements, (ints, floats))
    value, gradient = evaluate(elements, plan)
    expected = 3.0 * np.tanh(slope @ (elements - centre) / 3.0) - 2.0 * np.sum((0.4 * c) ** 3)
    assert value - plain == pytest.approx(expected, abs=1e-8)
    approximate = respondents(elements, (drop_points(plan[0]), plan[1]), n)
    assert approximate.sum() == pytest.approx(value, abs=1e-8)
    own = respondents(elements, (ints, floats), n)
    np.testing.assert_array_equal(respondents(elements, plan, n), own)
    for k, place in structure.places.items():
        if structure.table.rows[k].exogenous:
            continue
        at, h = list(structure.element(place)), 1e-5
        ends = []
        for side in (h, -h):
            moved = elements.copy()
            moved[at] += side
            ends.append(evaluate(moved, plan)[0])
        numeric = (ends[0] - ends[1]) / (2 * h)
        assert gradient[at].sum() == pytest.approx(numeric, abs=5e-6, rel=1e-6), k


def test_explained_is_the_standardised_loading():
    """By its arc tangent, and whichever way the construct has its scale."""
    data, text = _survey(4, 3, 3, 0.7, 60, seed=1)
    loadings = np.linspace(0.3, 2.5, 12)
    for std_lv in (True, False):
        prepared = prepare(Specification(text, ordered=True, std_lv=std_lv), data)
        m = prepared.structure.matrices(elements := _elements(prepared))
        np.fill_diagonal(m["residuals"], 1.0)
        for f in range(4):
            own = loadings[3 * f : 3 * f + 3] * (1.0 if std_lv else 1.0 / loadings[3 * f])
            m["loadings"][3 * f : 3 * f + 3, m["loadings"][3 * f] != 0.0] = own[:, None]
            m["disturbances"][f, f] = 1.0 if std_lv else loadings[3 * f] ** 2
        c = explained(elements, *_plan(prepared))
        np.testing.assert_allclose(np.tanh(c), loadings / np.sqrt(1.0 + loadings**2), rtol=1e-12)


def test_a_cube_is_found():
    """From where and how steep, whatever constant it comes with; what rises has no tail."""
    c = 0.8 + 0.15 * COMPARED
    begins = 0.8 + 0.15 * np.arange(-3.0, 4.0)
    for begin in begins[1:-1]:
        cube = 7.0 * np.maximum(c - begin, 0.0) ** 3
        assert fitted_tail(c, begins, cube - 0.3) == pytest.approx((begin, 7.0))
    assert fitted_tail(c, begins, -c) == (0.0, 0.0)


def test_groups_and_free_residual_variances_have_their_gradient():
    """Two groups in theta: derivatives by residual variances, free or not."""
    text = "A =~ a1 + a2\nB =~ b1 + b2\nC =~ c1 + c2\nD =~ a3 + b3"
    options = {"ordered": True, "parameterization": "theta", "std_lv": True}
    prepared = prepare(Specification(text, **options), DATA, group="g")
    elements = _elements(prepared)
    size = elements.size // 2
    for g in range(2):
        m = prepared.structure.matrices(elements, g)
        np.fill_diagonal(m["residuals"], np.linspace(0.6, 1.7, 8) + 0.1 * g)
    plan = _plan(prepared)
    _, gradient = evaluate(elements, plan)
    residual = [
        prepared.structure.matrices(np.arange(2 * size), g)["residuals"][j, j]
        for g in range(2)
        for j in range(8)
    ]
    for e in residual:
        ends = []
        for side in (1e-5, -1e-5):
            moved = elements.copy()
            moved[int(e)] += side
            ends.append(evaluate(moved, plan)[0])
        assert gradient[int(e)] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=5e-6)


def test_normal_answers_have_the_normal_likelihood():
    """Value, respondents and gradient are the kernel's, second order, missing, covariate."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame(rng.normal(size=(40, 9)), columns=[f"x{j}" for j in range(1, 10)])
    data[data.columns[::2]] += rng.normal(size=(40, 1))
    data = data.mask(rng.uniform(size=data.shape) < 0.1)
    data["z"] = 3.0 + rng.normal(size=40)
    text = """
        A =~ x1 + x2 + x3
        B =~ x4 + x5 + x3
        C =~ x6 + x7
        H =~ A + B + C
        H ~ z
        x8 ~ A + z
        H ~~ 0*x8
    """
    prepared = prepare(Specification(text), data)
    structure, sample = prepared.structure, prepared.sample
    elements = _elements(prepared)
    plan = _plan(prepared)
    density = posterior_density(prepared.space, structure, sample)

    def normal(e: np.ndarray, out: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = np.empty(e.size)
        ints, floats = density.ints, density.floats
        sized = [x for a in (e, ints, floats) for x in (a.ctypes.data, a.size)]
        call = ENGINES.prototype(kernel.address)
        return call(*sized, gradient.ctypes.data, out.ctypes.data, out.size), gradient

    out = np.empty(sample.size)
    normal(elements, out)
    given = _covariates(prepared, elements)
    own = respondents(elements, plan, sample.size)
    np.testing.assert_allclose(own, out[respondent_order(sample)] - given, atol=1e-9)
    value, gradient = evaluate(elements, plan)
    assert value == pytest.approx(own.sum(), abs=1e-9)
    _, expected = normal(elements, np.empty(0))
    for k, place in structure.places.items():
        if structure.table.rows[k].free >= 0 and not structure.table.rows[k].exogenous:
            at = list(structure.element(place))
            assert gradient[at].sum() == pytest.approx(expected[at].sum(), abs=1e-8)


def _covariates(prepared: Prepared, elements: np.ndarray) -> np.ndarray:
    """Log-density of the covariate z, which the kernel's likelihood is joint with."""
    structure, sample = prepared.structure, prepared.sample
    m = structure.matrices(elements)
    v = structure.variables.index("z")
    z = sample.values[:, sample.variables.index("z")]
    return norm.logpdf(z, m["means"][v], np.sqrt(m["disturbances"][v, v]))


def _survey(factors: int, items: int, categories: int, loading: float, n: int, seed: int):
    """Equicorrelated (.4) constructs with items of equally likely categories, and lavaan text."""
    generator = np.random.default_rng(seed)
    cov = np.full((factors, factors), 0.4) + 0.6 * np.eye(factors)
    f = generator.multivariate_normal(np.zeros(factors), cov, size=n)
    cuts = norm.ppf(np.linspace(0, 1, categories + 1)[1:-1])
    data, lines = {}, []
    for k in range(factors):
        names = [f"{'abcdefgh'[k]}{j}" for j in range(1, items + 1)]
        for name in names:
            response = loading * f[:, k] + np.sqrt(1 - loading**2) * generator.normal(size=n)
            data[name] = np.searchsorted(cuts, response) + 1
        lines.append(f"{'ABCDEFGH'[k]} =~ {' + '.join(names)}")
    return pd.DataFrame(data), "\n".join(lines)


@pytest.mark.parametrize("factors", [2, 3])
def test_against_the_node_engine(factors, monkeypatch):
    """300 respondents, three five-category items a construct: Laplace is off by .05 to 3 in all.

    By the default's points the sum is within .5, and by many it is the node engine's.
    """
    data, text = _survey(factors, 3, 5, 0.7, 300, seed=factors)
    prepared = prepare(Specification(text, ordered=True, std_lv=True), data)
    elements = _elements(prepared)
    structure, sample = prepared.structure, prepared.sample
    engine, _ = answer_engine(structure, sample)
    assert engine == NODES
    order = np.arange(sample.size)
    ints, floats = answers.answers_plan(structure, sample, prepared.space.base, order, at=elements)
    exact = np.empty(sample.size)
    sized = [x for a in (elements, ints, floats) for x in (a.ctypes.data, a.size)]
    scratch = np.empty(elements.size)
    ENGINES.prototype(nodes.address)(*sized, scratch.ctypes.data, exact.ctypes.data, exact.size)
    plan = _plan(prepared, elements)
    error = evaluate(elements, plan)[0] - exact.sum()
    assert 0.05 < abs(error) < 3.0
    assert respondents(elements, plan, sample.size).sum() == pytest.approx(exact.sum(), abs=0.5)
    monkeypatch.setattr(laplace_choice, "POINTS", 8192)
    many = respondents(elements, _plan(prepared, elements), sample.size)
    np.testing.assert_allclose(many, exact, atol=2e-3)
    assert many.sum() == pytest.approx(exact.sum(), abs=0.02)


def test_nothing_is_kept_between_calls():
    """The same numbers from several threads, and after a call far away."""
    prepared = _case("four factors, ordered, binary and normal, missing")
    elements = _elements(prepared)
    plan = _plan(prepared)
    value, gradient = evaluate(elements, plan)
    evaluate(1.5 * elements, plan)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: evaluate(elements, plan), range(40)))
    for v, g in found:
        assert v == value
        np.testing.assert_array_equal(g, gradient)


def test_order_of_respondents_does_not_matter():
    """Points go with the answers."""
    data, text = _survey(4, 3, 5, 0.7, 60, seed=1)
    values = []
    order = np.random.default_rng(0).permutation(60)
    for own in (data, data.iloc[order]):
        prepared = prepare(Specification(text, ordered=True, std_lv=True), own)
        elements = _elements(prepared)
        values.append(respondents(elements, _plan(prepared), 60))
    assert len(data.drop_duplicates()) == 60
    np.testing.assert_allclose(values[0][order], values[1], atol=1e-10)


def test_far_starts_find_the_same_mode():
    """From ten standard deviations off, in extremes of the loadings.

    A mode is found to 1e-7 posterior sds; log determinants of 24 respondents move by ten times that
    at most.
    """
    prepared = _case("four factors, ordered, binary and normal, missing")
    elements = _elements(prepared)
    prepared.structure.matrices(elements)["loadings"][:] *= 4.0
    ints, floats = _plan(prepared)
    expected, _ = evaluate(elements, (ints, floats))
    header = ints[1:]
    start = slice(int(header[9]), int(header[10]))
    for far in (-10.0, 10.0):
        moved = floats.copy()
        moved[start] = far
        assert evaluate(elements, (ints, moved))[0] == pytest.approx(expected, abs=2e-6)


def test_resampling_keeps_order_and_weights():
    """Equal weights keep every draw once; others keep draws in proportion, chain by chain."""
    kept, weights = resample(np.zeros((2, 200)), seed=1)
    np.testing.assert_array_equal(kept, np.tile(np.arange(200), (2, 1)))
    assert weights.effective == pytest.approx(400)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 20_000))
    kept, weights = resample(0.5 * x, seed=2)  # from N(0, 1) to N(.5, 1)
    assert (np.diff(kept, axis=1) >= 0).all()
    chosen = np.take_along_axis(x, kept, axis=1)
    np.testing.assert_allclose(chosen.mean(axis=1), 0.5, atol=0.03)
    np.testing.assert_allclose(chosen.std(axis=1), 1.0, atol=0.03)
    assert weights.effective / 40_000 == pytest.approx(np.exp(-0.25), abs=0.03)
    assert weights.pareto_k < 0.5


def test_the_plan_chooses_the_engine():
    """Four free constructs go to Laplace; three, or a second-order construct, to nodes."""
    data, text = _survey(4, 3, 5, 0.7, 60, seed=1)
    sem = bs.SEM(text, ordered=True)
    finding = next(f for f in sem.check(data).findings if f.topic == "ordered answers")
    assert "integral over 4 constructs at once (A, B, C, D)" in finding.message
    assert "Laplace's approximation" in finding.message
    assert not finding.serious
    for extra, engine in (("\nH =~ A + B + C + D", NODES), ("", LAPLACE)):
        prepared = prepare(Specification(text + extra, ordered=True), data)
        assert answer_engine(prepared.structure, prepared.sample)[0] == engine
    prepared = prepare(
        Specification(text + "\nE =~ a1\nE ~ A + B + C + D + A:A", ordered=True), data
    )
    with pytest.raises(NotSupported, match="take the products of constructs out"):
        answer_engine(prepared.structure, prepared.sample)


@pytest.mark.slow
def test_weighted_draws_are_of_the_exact_posterior(monkeypatch):
    """Three factors of three-category items: the node engine's means, sds and elpd.

    Unweighted draws have means that are off.
    """
    data, text = _survey(3, 3, 3, 0.6, 300, seed=5)
    sem = bs.SEM(text, ordered=True, std_lv=True)
    settings = {"draws": 2500, "tune": 500, "chains": 2, "random_seed": 5, "progress": False}
    exact = sem.fit(data, **settings)
    monkeypatch.setattr(
        answer_engine_module, "answer_engine", lambda s, d: (LAPLACE, factor_model(s, d))
    )
    fit = sem.fit(data, **settings)
    drawn = settings["draws"] * settings["chains"]
    monkeypatch.setattr(
        sampling,
        "reweighted",
        lambda density, sampled, result, seed: dataclasses.replace(
            result, weights=Weights(0.0, drawn, drawn)
        ),
    )
    monkeypatch.setattr(answered, "lowered", lambda found: found)
    raw = sem.fit(data, **settings | {"random_seed": 3})
    mean, sd = exact.summary()["mean"], exact.summary()["sd"]

    def off(found: bs.Fit) -> float:
        """Root mean square of the means' differences, in Monte Carlo standard errors."""
        own = found.summary()
        error = np.sqrt(1.0 / own["ess_bulk"] + 1.0 / exact.summary()["ess_bulk"])
        return float(np.sqrt(np.nanmean(((own["mean"] - mean) / sd / error) ** 2)))

    assert off(fit) < 1.5 and off(raw) > 3.0
    # the weights make the error of a standard deviation about .045: over all of them, not of each
    assert np.sqrt(np.mean((fit.summary()["sd"] / sd - 1.0) ** 2)) < 0.07
    assert fit.draws.attrs["weights_k"] < 0.7
    assert 300 < fit.draws.attrs["weights_effective"] < 2500
    gap = (
        fit.loo(moment_match=False, refit=False).elpd
        - exact.loo(moment_match=False, refit=False).elpd
    )
    assert abs(gap) < 0.5


class _Stop(Exception):
    """Before sampling."""


def _before_and_after(data: pd.DataFrame, text: str, monkeypatch) -> list[Approximation]:
    """A model's approximation as Laplace's is, and as it is sampled."""
    seen: list[Approximation] = []

    def keep(found: Approximation) -> Approximation:
        seen.append(found)
        seen.append(laplace_tails.lowered(found))
        raise _Stop

    monkeypatch.setattr(answered, "lowered", keep)
    with pytest.raises(_Stop):
        bs.SEM(text, ordered=True, std_lv=True).fit(data, progress=False)
    return seen


@pytest.mark.slow
def test_the_shelf_at_high_loadings_is_gone(monkeypatch):
    """Four constructs of three binary items with loadings of .8.

    Six standard deviations out Laplace's approximation has fallen by less than 5 log units along
    several answers' lines, while the exact likelihood has fallen further; and draws of it have log
    weights with an sd above 1. As it is sampled, neither.
    """
    data, text = _survey(4, 3, 2, 0.8, 300, seed=5)
    shelves, spreads = [], []
    for found in _before_and_after(data, text, monkeypatch):
        density, centre, root = found.density, found.maximum.x, found.root
        points = np.concatenate([centre[None], centre + 6.0 * outward(density, centre, root)])
        value = np.array([density.value_and_gradient(x)[0] for x in points])
        ratio, _ = log_ratios(density, density.natural(points))
        shelf = (value[1:] > value[0] - 5.0) & (ratio[1:] < ratio[0] - 1.0)
        shelves.append(int(shelf.sum()))
        spreads.append(laplace_tails.spread_of(density, centre, root))
    assert shelves[0] >= 3
    assert shelves[1] == 0
    assert spreads[0] > 1.0
    assert spreads[1] < 0.6
