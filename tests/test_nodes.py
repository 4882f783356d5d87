"""The node engine against integrals and rectangles that know nothing of nodes or junction trees."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtr
from scipy.stats import multivariate_normal, norm

from bayessem.errors import NotSupported
from bayessem.likelihood.engines import ENGINES
from bayessem.likelihood.junction import elimination_order, widest
from bayessem.likelihood.node_entry import entry
from bayessem.likelihood.node_plan import Nodes, pack_nodes, unpack_nodes
from bayessem.model.node_model import node_model
from bayessem.model.prepare import Prepared, prepare
from bayessem.model.structure import latent_values
from bayessem.posterior.node_choice import choose_nodes, latent_units
from bayessem.syntax.specification import Specification

rng = np.random.default_rng(20)
N = 24


def _data() -> pd.DataFrame:
    """Items of two factors and a third, numbers and categories, with holes."""
    root = np.linalg.cholesky([[1, 0.5, 0.3], [0.5, 1, 0.2], [0.3, 0.2, 1]])
    f = rng.normal(size=(N, 3)) @ root.T
    out = pd.DataFrame()
    for k, letter in enumerate("abc"):
        for j in range(3):
            response = f[:, k] + rng.normal(size=N)
            out[f"{letter}{j + 1}"] = np.searchsorted([-0.8, 0.1, 0.9][: 3 - k], response) + 1
    out["m1"] = f[:, 0] + 0.5 * rng.normal(size=N)
    out["s"] = 0.6 * f[:, 0] + f[:, 1] + rng.normal(size=N)
    out["z"] = rng.normal(size=N)
    out["y"] = (f[:, 0] + 0.4 * out["z"] + rng.normal(size=N) > 0.3).astype(int)
    out["g"] = np.where(np.arange(N) % 2, "u", "v")
    return out


DATA = _data()
HOLES = DATA.mask((np.arange(N)[:, None] + np.arange(DATA.shape[1])) % 11 == 0)
for name in ("z", "g"):
    HOLES[name] = DATA[name]

ALL = [f"{letter}{j}" for letter in "abc" for j in (1, 2, 3)]
MODELS: dict[str, tuple[str, pd.DataFrame, dict]] = {
    "one factor, binary": ("C =~ c1 + c2 + c3", HOLES, {"ordered": True, "std_lv": True}),
    "two factors, ordered and normal": (
        "A =~ m1 + a1 + a2\nB =~ b1 + b2 + b3",
        HOLES,
        {"ordered": ["a1", "a2", "b1", "b2", "b3"]},
    ),
    "square, and a normal outcome of both": (
        "A =~ a1 + a2 + a3\nB =~ b1 + b2\nB ~ A + A:A\ns ~ A + B",
        DATA,
        {"ordered": True},
    ),
    "second order, covariate, binary outcome": (
        "A =~ a1 + a2\nB =~ b1 + b2\nH =~ A + B\nH ~ z\ny ~ A + z\nH ~~ 0*y",
        HOLES,
        {"ordered": ["a1", "a2", "b1", "b2", "y"]},
    ),
    "child of two": (
        "A =~ a1 + a2\nB =~ b1 + b2\nC =~ c1 + c2\nC ~ A + B\nB ~ A",
        DATA,
        {"ordered": True, "std_lv": True},
    ),
    "child of two, and their product": (
        "A =~ a1 + a2\nB =~ b1 + b2\nC =~ c1 + c2\nC ~ A + B + A:B",
        DATA,
        {"ordered": True, "std_lv": True},
    ),
    "interaction with a covariate": (
        "A =~ a1 + a2\nB =~ b1 + b2\nB ~ A + z + A:z\ns ~ A + A:z\nB ~~ 0*s",
        DATA,
        {"ordered": True, "std_lv": True},
    ),
    "three factors, logit": (
        "A =~ a1 + a2\nB =~ b1 + b2\nC =~ c1 + c2\nC ~ 0.3*1",
        DATA,
        {"ordered": True, "std_lv": True, "link": "logit"},
    ),
    "an item of two factors": (
        "A =~ a1 + a2 + b2\nB =~ b1 + b2 + b3",
        HOLES,
        {"ordered": True, "std_lv": True},
    ),
}


def _elements(prepared: Prepared) -> np.ndarray:
    """Plausible flat model matrices: nothing is 0 or alike."""
    generator = np.random.default_rng(3)
    structure, out = prepared.structure, prepared.space.base.copy()
    drawn: dict[int, float] = {}
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        if row.free < 0:
            continue
        if row.op == "|":
            value = structure.table.responses.cuts[row.lhs][int(row.rhs[1:]) - 1]
        elif row.op == "~~" and row.lhs == row.rhs:
            value = generator.uniform(0.6, 1.2)
        elif row.op == "=~":
            value = generator.uniform(0.7, 1.4)
        else:
            value = generator.uniform(-0.4, 0.4)
        value = drawn.setdefault(row.free, value)
        for e in structure.element(place):
            out[e] = value
    return out


def _nodes(
    prepared: Prepared, elements: np.ndarray, finer: float = 1.6, more: int = 12, terms: int = 0
) -> tuple:
    """A packed plan with finer lattices than the default's, and so many more nodes either side."""
    model = node_model(prepared.structure, prepared.sample)
    nodes = [
        [Nodes(n.first - more * n.step, n.step, n.count + 2 * more) for n in own]
        for own in choose_nodes(model, prepared.sample, elements, finer=finer)
    ]
    units = latent_units(model, elements[None])
    groups = model.groups(nodes, elements[None], units, terms=terms)
    return pack_nodes(groups, prepared.sample.size)


def evaluate_nodes(*arrays: np.ndarray) -> float:
    """The engine's C function on elements, ints, floats, gradient, out."""
    elements, ints, floats, gradient, out = arrays
    assert all(a.flags.c_contiguous for a in arrays)
    sized = [x for a in (elements, ints, floats) for x in (a.ctypes.data, a.size)]
    return ENGINES.prototype(entry.address)(*sized, gradient.ctypes.data, out.ctypes.data, out.size)


def _brute_force(prepared: Prepared, elements: np.ndarray) -> np.ndarray:
    """Log p(y_i), integrated over the constructs' disturbances on a fine lattice."""
    structure, sample = prepared.structure, prepared.sample
    table = structure.table
    latents = [i for i, n in enumerate(structure.variables) if n not in structure.observed]
    grid = np.linspace(-7.5, 7.5, 61 if len(latents) == 3 else 151)
    zeta = np.array(list(itertools.product(grid, repeat=len(latents))))
    weight = norm.logpdf(zeta).sum(axis=1) + len(latents) * np.log(grid[1] - grid[0])
    residual = {"probit": ndtr, "logit": expit}[table.responses.link]
    out = np.empty(sample.size)
    for i in range(sample.size):
        m = structure.matrices(elements, int(sample.group[i]))
        psi = m["disturbances"][np.ix_(latents, latents)]
        own = np.tile(m["means"], (len(zeta), 1))
        own[:, latents] += zeta @ np.linalg.cholesky(psi).T
        for name in table.exogenous:
            own[:, structure.variables.index(name)] = sample.values[i, sample.variables.index(name)]
        eta = latent_values(structure, m, own)
        log_p = weight.copy()
        for j, name in enumerate(structure.observed):
            answer = sample.values[i, j]
            if name in table.exogenous or np.isnan(answer):
                continue
            mean = m["intercepts"][j] + eta @ m["loadings"][j]
            variance = m["residuals"][j, j]
            if name in structure.variables:
                v = structure.variables.index(name)
                variance = m["disturbances"][v, v]
            if name not in table.ordered:
                log_p += norm.logpdf(answer, mean, np.sqrt(variance))
                continue
            scale = np.sqrt(variance / table.responses.residual_variance)
            first = structure.threshold_at[name]
            t = m["thresholds"][first : first + table.responses.thresholds[name]]
            t = np.concatenate([[-np.inf], t, [np.inf]])
            upper, lower = (residual((t[int(answer) + k] - mean) / scale) for k in (1, 0))
            log_p += np.log(np.maximum(upper - lower, 1e-300))
        out[i] = np.logaddexp.reduce(log_p)
    return out


def _prepared(case: str) -> Prepared:
    model, data, options = MODELS[case]
    return prepare(Specification(model, **options), data)


@pytest.mark.parametrize("case", MODELS)
def test_log_likelihood_is_the_integral(case):
    """Chain: nodes, junction tree, patterns, missing answers; against a fine lattice."""
    prepared = _prepared(case)
    elements = _elements(prepared)
    ints, floats = _nodes(prepared, elements)
    out = np.empty(prepared.sample.size)
    evaluate_nodes(elements, ints, floats, np.empty(elements.size), out)
    np.testing.assert_allclose(out, _brute_force(prepared, elements), atol=1e-6)


@pytest.mark.parametrize("case", MODELS)
def test_gradient_is_that_of_the_value(case):
    """By central differences of each free element."""
    prepared = _prepared(case)
    structure, elements = prepared.structure, _elements(prepared)
    ints, floats = _nodes(prepared, elements)
    gradient, nobody = np.empty(elements.size), np.empty(0)
    value = evaluate_nodes(elements, ints, floats, gradient, nobody)
    out = np.empty(prepared.sample.size)
    evaluate_nodes(elements, ints, floats, np.empty(elements.size), out)
    assert out.sum() == pytest.approx(value, abs=1e-10)
    for k, place in structure.places.items():
        if structure.table.rows[k].exogenous:
            continue
        at, h = list(structure.element(place)), 1e-5
        ends = []
        for side in (h, -h):
            moved = elements.copy()
            moved[at] += side
            ends.append(evaluate_nodes(moved, ints, floats, np.empty(elements.size), nobody))
        slope = (ends[0] - ends[1]) / (2 * h)
        assert gradient[at].sum() == pytest.approx(slope, abs=2e-6, rel=1e-6)


@pytest.mark.parametrize("sd", [0.5, 0.15, 0.05, 1e-3])
@pytest.mark.parametrize(
    "case", ["square, and a normal outcome of both", "second order, covariate, binary outcome"]
)
def test_constructs_that_others_determine(case, sd):
    """A disturbance narrower than any lattice: value and gradient, at the default's own nodes."""
    prepared = _prepared(case)
    structure, elements = prepared.structure, _elements(prepared)
    rows = structure.table.rows
    own = next(
        structure.element(place)[0]
        for k, place in structure.places.items()
        if rows[k].name == "B~~B"
    )
    elements[own] = sd**2
    ints, floats = _nodes(prepared, elements, 1.0, more=0)
    out, gradient, nobody = np.empty(N), np.empty(elements.size), np.empty(0)
    evaluate_nodes(elements, ints, floats, np.empty(elements.size), out)
    np.testing.assert_allclose(out, _brute_force(prepared, elements), atol=1e-5)
    value = evaluate_nodes(elements, ints, floats, gradient, nobody)
    assert value == pytest.approx(out.sum(), abs=1e-10)
    ends = []
    for side in (1e-3, -1e-3):
        moved = elements.copy()
        moved[own] *= 1.0 + side
        ends.append(evaluate_nodes(moved, ints, floats, np.empty(elements.size), nobody))
    slope = (ends[0] - ends[1]) / 2e-3
    assert gradient[own] * elements[own] == pytest.approx(slope, rel=1e-3, abs=1e-7)


def test_log_likelihood_is_that_of_normal_rectangles():
    """Three correlated factors, probit: the latent responses are jointly normal (SciPy)."""
    data = DATA[ALL].drop(columns=["a3", "b3", "c3"])
    text = "A =~ a1 + a2\nB =~ b1 + b2\nC =~ c1 + c2"
    prepared = prepare(Specification(text, ordered=True, std_lv=True), data)
    elements = _elements(prepared)
    ints, floats = _nodes(prepared, elements)
    out = np.empty(prepared.sample.size)
    evaluate_nodes(elements, ints, floats, np.empty(elements.size), out)
    m = prepared.structure.matrices(elements)
    covariance = m["loadings"] @ m["disturbances"] @ m["loadings"].T + m["residuals"]
    at, count = prepared.structure.threshold_at, prepared.table.responses.thresholds
    for i in range(4):
        lower, upper = [], []
        for j, name in enumerate(prepared.structure.observed):
            own = m["thresholds"][at[name] : at[name] + count[name]]
            t, c = [-np.inf, *own, np.inf], int(prepared.sample.values[i, j])
            lower.append(t[c])
            upper.append(t[c + 1])
        rectangle = multivariate_normal(
            np.zeros(6), covariance, abseps=1e-9, releps=1e-7, maxpts=3_000_000, seed=1
        ).cdf(np.array(upper), lower_limit=np.array(lower))
        assert out[i] == pytest.approx(np.log(rectangle), abs=3e-6)


def test_groups_have_their_own_parameters_and_nodes():
    """The likelihood of two groups is the sum of those of each."""
    text = "A =~ a1 + a2 + a3"
    options = {"ordered": True, "std_lv": True}
    both = prepare(Specification(text, **options), DATA, group="g")
    elements = _elements(both)
    ints, floats = _nodes(both, elements)
    out = np.empty(both.sample.size)
    evaluate_nodes(elements, ints, floats, np.empty(elements.size), out)
    np.testing.assert_allclose(out, _brute_force(both, elements), atol=1e-6)


THREE = "A =~ a1 + a2\nB =~ b1 + b2\nC =~ c1 + c2"
ABOUT_A_HUB = {
    "three factors, missing answers": (THREE, HOLES, {}),
    "means, logit": (f"{THREE}\nC ~ 0.3*1\nB ~ 1", DATA, {"link": "logit"}),
    "effects of two": (f"{THREE}\nD =~ c3 + b3\nD ~ A\ny ~ C + z\nD ~~ 0*y", DATA, {}),
    "normal items, two groups": (THREE.replace("a1", "m1 + a1"), DATA, {"group": "g"}),
}


def _three(case: str) -> Prepared:
    text, data, options = ABOUT_A_HUB[case]
    link, group = options.get("link", "probit"), options.get("group")
    ordered = sorted({n for n in DATA if n[0] in "abcy" and f" {n}" in f" {text}"})
    spec = Specification(text, ordered=ordered, std_lv=True, link=link)
    return prepare(spec, data, group=group)


def _hubs(plan: tuple) -> int:
    return unpack_nodes.py_func(*plan).hub.size


@pytest.mark.parametrize("case", ABOUT_A_HUB)
def test_series_about_a_hub_comes_to_the_same(case):
    """Respondents' values with more and more terms, to those of the chain of regressions."""
    prepared = _three(case)
    elements = _elements(prepared)
    out, errors = {}, []
    for terms in (0, 3, 7, 25):
        plan = _nodes(prepared, elements, terms=terms)
        assert bool(_hubs(plan)) == bool(terms)
        out[terms] = np.empty(prepared.sample.size)
        evaluate_nodes(elements, *plan, np.empty(elements.size), out[terms])
        errors.append(np.abs(out[terms] - out[0]).max())
    assert 1e-7 < errors[1] < 0.02 and errors[2] < 0.05 * errors[1] and errors[3] < 1e-8


@pytest.mark.parametrize("terms", [3, 5])
@pytest.mark.parametrize("case", ABOUT_A_HUB)
def test_gradient_of_a_series_is_that_of_its_value(case, terms):
    """By central differences of each free element."""
    prepared = _three(case)
    structure, elements = prepared.structure, _elements(prepared)
    plan, nobody = _nodes(prepared, elements, terms=terms), np.empty(0)
    gradient, out = np.empty(elements.size), np.empty(prepared.sample.size)
    value = evaluate_nodes(elements, *plan, gradient, nobody)
    evaluate_nodes(elements, *plan, np.empty(elements.size), out)
    assert out.sum() == pytest.approx(value, abs=1e-10)
    for k, place in structure.places.items():
        if structure.table.rows[k].exogenous:
            continue
        at, ends = list(structure.element(place)), []
        for side in (1e-5, -1e-5):
            moved = elements.copy()
            moved[at] += side
            ends.append(evaluate_nodes(moved, *plan, np.empty(elements.size), nobody))
        slope = (ends[0] - ends[1]) / 2e-5
        assert gradient[at].sum() == pytest.approx(slope, abs=2e-6, rel=1e-6)


def test_series_does_not_depend_on_the_order_of_constructs():
    """Which of the three is the hub, and which side the others are on, is no matter of names."""
    values, found = {}, []
    for order in itertools.permutations(THREE.split("\n")):
        spec = Specification("\n".join(order), ordered=True, std_lv=True)
        prepared = prepare(spec, DATA)
        rows, elements = prepared.structure.table.rows, prepared.space.base.copy()
        plausible = _elements(prepared)
        for k, place in prepared.structure.places.items():
            if rows[k].free >= 0:
                at = list(prepared.structure.element(place))
                name = (rows[k].op, *sorted([rows[k].lhs, rows[k].rhs]))
                elements[at] = values.setdefault(name, plausible[at[0]])
        plan = _nodes(prepared, elements, terms=3)
        found.append(evaluate_nodes(elements, *plan, np.empty(elements.size), np.empty(0)))
    np.testing.assert_allclose(found, found[0], rtol=1e-12)


def test_covariances_that_are_none_have_no_likelihood():
    """Whether about a hub or as a chain of regressions."""
    prepared = _three("three factors, missing answers")
    elements = _elements(prepared)
    plans = [_nodes(prepared, elements, terms=terms) for terms in (0, 3)]
    rows, structure = prepared.structure.table.rows, prepared.structure
    for name, value in (("A~~B", 1.01), ("A~~C", -1.2), ("B~~C", 1.0)):
        at = next(p for k, p in structure.places.items() if rows[k].name == name)
        moved = elements.copy()
        moved[list(structure.element(at))] = value
        for plan in plans:
            gradient = np.empty(elements.size)
            assert evaluate_nodes(moved, *plan, gradient, np.empty(0)) == -np.inf


@pytest.mark.parametrize(
    "more", ["A =~ b1", "s ~ A + B", "D =~ a3 + b3 + c3\nD ~ B + C", "A ~~ 0*B\nC ~ A + B"]
)
def test_what_else_is_about_two_of_three_constructs_leaves_no_hub(more):
    """An item, an outcome or a construct of two; a block of fewer."""
    text, data = f"{THREE}\n{more}", DATA
    spec = Specification(text, ordered=[n for n in ALL if n in text], std_lv=True)
    prepared = prepare(spec, data)
    elements = _elements(prepared)
    values = []
    for terms in (0, 3):
        plan = _nodes(prepared, elements, terms=terms)
        assert _hubs(plan) == 0
        values.append(evaluate_nodes(elements, *plan, np.empty(elements.size), np.empty(0)))
    assert values[0] == values[1]


def test_nodes_chosen_by_default_are_close_enough():
    """At its own steps the engine is within .001 log units a respondent."""
    for case in MODELS:
        prepared = _prepared(case)
        elements = _elements(prepared)
        values = []
        for finer in (1.0, 2.0):
            ints, floats = _nodes(prepared, elements, finer, more=0)
            out = np.empty(prepared.sample.size)
            evaluate_nodes(elements, ints, floats, np.empty(elements.size), out)
            values.append(out)
        np.testing.assert_allclose(values[0], values[1], atol=1e-3)


def test_elimination_finds_the_cliques_of_a_tree():
    """A root with five children, and a chain: never more than two at once."""
    star = elimination_order(6, [(0, k) for k in range(1, 6)])
    assert len(widest(star)) == 2
    assert sorted(s.variable for s in star) == list(range(6))
    assert star[-1].neighbours == ()
    chain = elimination_order(5, [(k, k + 1) for k in range(4)])
    assert len(widest(chain)) == 2
    assert len(widest(elimination_order(4, [(0, 1, 2, 3)]))) == 4


def test_what_needs_too_many_constructs_at_once_is_refused():
    """Four freely correlated constructs; residuals that covary."""
    text = "A =~ a1 + a2\nB =~ b1 + b2\nC =~ c1 + c2\nD =~ a3 + b3"
    with pytest.raises(NotSupported, match="4 constructs at once"):
        prepared = prepare(Specification(text, ordered=True), DATA)
        node_model(prepared.structure, prepared.sample)
    with pytest.raises(NotSupported, match="a1 ~~ a2: residuals"):
        prepared = prepare(Specification("A =~ a1 + a2 + a3\na1 ~~ a2", ordered=True), DATA)
        node_model(prepared.structure, prepared.sample)
