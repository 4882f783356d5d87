"""Linear constraints in the sampled space: what is computed from what, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from bayessem import SEM
from bayessem.errors import ModelError, NotSupported
from bayessem.model.elimination import computed_parameters
from bayessem.model.linear_constraints import constrained_names, linear_system, nearest_values
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import posterior_density
from bayessem.results.standardize import row_values
from bayessem.syntax.statements import parse
from bayessem.syntax.table import build_table

COLUMNS = ("x1", "x2", "x3", "x4", "x5", "x6")
CFA = "f =~ x1 + a*x2 + b*x3\ng =~ x4 + c*x5 + d*x6\n"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    f = rng.normal(size=(200, 2)) @ np.array([[1.0, 0.5], [0.0, 0.8]])
    values = np.repeat(f, 3, axis=1) + rng.normal(size=(200, 6))
    return pd.DataFrame(values, columns=list(COLUMNS))


def table(text):
    return build_table(parse(text))


def parameters_at_random(prepared, points=5):
    """The table's free parameters at random points of the sampled space, by name."""
    space, structure = prepared.space, prepared.structure
    density = posterior_density(space, structure, prepared.sample)
    start = initial_point(
        space,
        prepared.table,
        start_values(structure, prepared.covariances, prepared.means),
    )
    rng = np.random.default_rng(1)
    x = start + 0.2 * rng.normal(size=(points, len(start)))
    rows = row_values(structure, density.elements(density.natural(x)))
    first = {r.free: k for k, r in reversed(list(enumerate(prepared.table.rows))) if r.free >= 0}
    names = prepared.table.parameters
    return {names[i]: rows[:, k] for i, k in first.items()}, density, x


@pytest.mark.parametrize(
    ("constraints", "computed", "residual"),
    [
        ("a == 2*b", ("f=~x2",), lambda v: v["f=~x2"] - 2 * v["f=~x3"]),
        ("2*b == a", ("f=~x2",), lambda v: v["f=~x2"] - 2 * v["f=~x3"]),
        (
            "a + b + c == 3\nd == c - 0.5",
            ("f=~x2", "g=~x6"),
            lambda v: (
                np.abs(v["f=~x2"] + v["f=~x3"] + v["g=~x5"] - 3)
                + np.abs(v["g=~x6"] - v["g=~x5"] + 0.5)
            ),
        ),
        ("mean := (a + b)/2\nmean == 1", ("f=~x2",), lambda v: v["f=~x2"] + v["f=~x3"] - 2),
        ("a == 0.7 + 0*b", ("f=~x2",), lambda v: v["f=~x2"] - 0.7),
    ],
)
def test_equations_hold_at_every_point(data, constraints, computed, residual):
    prepared = SEM(CFA + constraints).prepare(data)
    assert computed_parameters(prepared.space, prepared.table) == computed
    values, _, _ = parameters_at_random(prepared)
    np.testing.assert_allclose(residual(values), 0.0, atol=1e-12)


def test_inequalities_hold_and_chains_of_them(data):
    prepared = SEM(CFA + "a > b\nb > c + 0.1\n d < c").prepare(data)
    values, _, _ = parameters_at_random(prepared, points=50)
    a, b, c, d = (values[x] for x in ("f=~x2", "f=~x3", "g=~x5", "g=~x6"))
    assert (a > b).all()
    assert (b > c + 0.1).all()
    assert (d < c).all()
    assert {"a > b", "b > c + 0.1", "d < c"} <= set(prepared.space.names)


def test_the_gradient_of_a_constrained_density(data):
    prepared = SEM(CFA + "x1 ~~ u*x1\nx2 ~~ v*x2\nx1 ~~ x4\nu == 2*v - 0.1\na == b + c").prepare(
        data
    )
    _, density, points = parameters_at_random(prepared, points=1)
    x = points[0]
    value, gradient = density.value_and_gradient(x)
    assert np.isfinite(value)
    h = 1e-6
    numeric = [
        (density.value_and_gradient(x + e)[0] - density.value_and_gradient(x - e)[0]) / (2 * h)
        for e in h * np.eye(len(x))
    ]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-4)


def test_a_computed_variance_is_positive_or_the_density_is_not(data):
    prepared = SEM(CFA + "x1 ~~ u*x1\nx2 ~~ v*x2\nu == 1.5 - v").prepare(data)
    space = prepared.space
    assert (1, 0, (0,)) in space.proper
    density = posterior_density(space, prepared.structure, prepared.sample)
    x = initial_point(
        space,
        prepared.table,
        start_values(prepared.structure, prepared.covariances, prepared.means),
    )
    assert np.isfinite(density.value_and_gradient(x)[0])
    x[space.names.index("x2~~x2")] = 1.0  # variance exp(2): the other would be negative
    assert density.value_and_gradient(x)[0] == -np.inf


def test_effect_coding_computes_the_first_loading_and_leaves_its_sign_open(data):
    sem = SEM("f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6", effect_coding=True)
    prepared = sem.prepare(data)
    assert computed_parameters(prepared.space, prepared.table) == (
        "f=~x1",
        "g=~x4",
        "x1~1",
        "x4~1",
    )
    loadings = [c for c in prepared.space.coordinates if c.kind == "loading"]
    assert all(c.lower == -np.inf for c in loadings)
    values, _, _ = parameters_at_random(prepared)
    np.testing.assert_allclose(values["f=~x1"] + values["f=~x2"] + values["f=~x3"], 3.0)
    np.testing.assert_allclose(values["x4~1"] + values["x5~1"] + values["x6~1"], 0.0, atol=1e-12)


def test_the_starting_point_is_moved_on_to_the_equations():
    model = table(CFA + "a + b == 3")
    moved = nearest_values(model, np.ones(len(model.parameters)), np.ones(len(model.parameters)))
    system = linear_system(model)
    np.testing.assert_allclose(system.equal @ moved, system.right)


def test_names_behind_definitions_are_constrained():
    model = table(CFA + "s := a + b\nt := s*c\nt == 1")
    assert constrained_names(model) == {"f=~x2", "f=~x3", "g=~x5"}


def test_covariances_of_constrained_variances_are_sampled_as_covariances(data):
    text = CFA + "f ~~ p*f\ng ~~ q*g\np == 2*q"
    kinds = {c.name: c.kind for c in SEM(text).prepare(data).space.coordinates}
    assert kinds["f~~g"] == "covariance"
    assert "f~~f" not in kinds


@pytest.mark.parametrize("constraint", ["a == b*c", "a*b > 0.2", "a == exp(b)"])
def test_nonlinear_constraints_are_for_maximum_likelihood(data, constraint):
    sem = SEM(CFA + constraint)
    with pytest.raises(NotSupported, match="is not linear.*sem.ml"):
        sem.fit(data, progress=False)
    assert "sem.fit will refuse" in str(sem.check(data))


def test_contradictions_are_errors(data):
    with pytest.raises(ModelError, match="contradict"):
        SEM(CFA + "a + b == 1\na + b == 2").prepare(data)


def test_what_no_parameter_is_left_for_is_refused_by_name(data):
    sem = SEM(CFA + "a > b\na < b + 1")
    with pytest.raises(NotSupported, match="f=~x2, f=~x3|the same difference"):
        sem.fit(data, progress=False)


def test_check_says_that_a_computed_parameter_has_no_prior(data):
    report = SEM(CFA + "a == 2*b").check(data)
    assert report.ok
    assert "f=~x2 follows from the other parameters" in str(report)


def test_a_constrained_posterior_agrees_with_maximum_likelihood(data):
    sem = SEM(CFA + "g ~ e*f\na == 2*b - 0.9\ne < 1")
    ml = sem.ml(data)
    fit = sem.fit(data, draws=500, tune=500, chains=2, random_seed=1, progress=False)
    table = fit.summary().set_index(["lhs", "op", "rhs"])
    for row in ml.table[ml.table.free > 0].itertuples():
        drawn = table.loc[(row.lhs, row.op, row.rhs)]
        assert abs(drawn["mean"] - row.est) < 0.35 * row.se, row
    draws = fit.parameters.sel(parameter=["f=~x2", "f=~x3"]).values
    np.testing.assert_allclose(draws[..., 0], 2 * draws[..., 1] - 0.9)


def test_a_constraint_on_pooled_parameters_is_solved_for_another(data):
    from bayessem import partial

    grouped = data.assign(g=np.repeat(["a", "b", "c", "d"], 50))
    text = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\ng ~ f\nx1 ~ c(p, q, r, s)*1\np + q == 2*r"
    sem = SEM(text)
    prepared = sem.prepare(grouped, group="g", pooling=partial("g ~ f"))
    assert computed_parameters(prepared.space, prepared.table)
    values, _, _ = parameters_at_random(prepared)
    np.testing.assert_allclose(
        values["x1~1[a]"] + values["x1~1[b]"], 2 * values["x1~1[c]"], atol=1e-12
    )
