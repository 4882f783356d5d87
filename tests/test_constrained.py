import math

import numpy as np
import pandas as pd
import pytest

from bayessem import SEM
from bayessem.errors import FitError, ModelError
from bayessem.ml.constrained import climb, maximise_within, named_values, read_constraints
from bayessem.syntax.statements import parse
from bayessem.syntax.table import build_table


class Bowl:
    """-(x - centre)' H (x - centre) / 2: a density with a known maximum."""

    def __init__(self, centre: np.ndarray, curvature: np.ndarray) -> None:
        self.centre, self.curvature = centre, curvature
        self.calls = 0

    def value_and_gradient(self, x):
        self.calls += 1
        off = x - self.centre
        return -0.5 * float(off @ self.curvature @ off), -self.curvature @ off


def regression(constraints: str = ""):
    """Four free parameters: a, b, the residual variance of y, the covariates being fixed."""
    return build_table(parse(f"y ~ a*x1 + b*x2\n{constraints}"))


def bowl(table) -> Bowl:
    rng = np.random.default_rng(0)
    d = len(table.parameters)
    root = rng.normal(size=(d, d))
    return Bowl(np.linspace(1.0, 2.0, d), root @ root.T + np.eye(d))


def solve(constraints: str):
    table = regression(constraints)
    density = bowl(table)
    found = maximise_within(
        density, table, np.zeros(len(table.parameters)), scale=np.ones(len(table.parameters))
    )
    return table, density, found


def lagrange(density: Bowl, rows: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The maximum of a bowl under rows x = right."""
    d, c = len(density.centre), len(rows)
    system = np.block([[density.curvature, rows.T], [rows, np.zeros((c, c))]])
    return np.linalg.solve(system, np.concatenate([density.curvature @ density.centre, right]))[:d]


def test_free_maximum():
    _, density, found = solve("")
    np.testing.assert_allclose(found.x, density.centre, atol=1e-5)
    assert found.converged
    assert (found.equalities, found.active) == (0, ())


@pytest.mark.parametrize(
    ("text", "row", "right"),
    [
        ("a + b == 1", [1, 1], 1.0),
        ("3*a - b/2 == 4", [3, -0.5], 4.0),
        ("a - b + 2 == a", [0, -1], -2),
    ],
)
def test_linear_equality(text, row, right):
    table, density, found = solve(text)
    rows = np.zeros((1, len(table.parameters)))
    rows[0, :2] = row
    np.testing.assert_allclose(found.x, lagrange(density, rows, np.array([right])), atol=1e-5)
    assert found.equalities == 1
    assert found.basis.shape[1] == len(table.parameters) - 1
    np.testing.assert_allclose(rows @ found.basis, 0.0, atol=1e-9)


def test_equality_of_a_definition():
    table, density, found = solve("s := a + 2*b\ns == 5")
    rows = np.zeros((1, len(table.parameters)))
    rows[0, :2] = (1, 2)
    np.testing.assert_allclose(found.x, lagrange(density, rows, np.array([5.0])), atol=1e-5)


def test_redundant_equalities_count_once():
    assert solve("a + b == 1\n2*a + 2*b == 2")[2].equalities == 1


def test_curved_equality():
    table, _, found = solve("a*b == 4")
    values = named_values(table, found.x)
    assert float(values["a"] * values["b"]) == pytest.approx(4.0, abs=1e-7)
    assert found.equalities == 1
    assert found.converged


def test_bounds_and_inequalities():
    _, density, loose = solve("a > -9\na + b < 99")
    np.testing.assert_allclose(loose.x, density.centre, atol=1e-5)
    assert loose.active == ()
    table, density, tight = solve("a + b < 1")
    rows = np.zeros((1, len(table.parameters)))
    rows[0, :2] = 1
    np.testing.assert_allclose(tight.x, lagrange(density, rows, np.array([1.0])), atol=1e-5)
    assert tight.active == ("a + b < 1",)
    assert tight.equalities == 0
    bounded = solve("a < 0.5")[2]
    assert bounded.x[0] == pytest.approx(0.5, abs=1e-6)


def test_contradictions_are_refused():
    with pytest.raises(ModelError, match="contradict"):
        solve("a + b == 1\na + b == 2")


def test_constraints_are_sorted():
    found = read_constraints(regression("a + b == 1\na*b == 2\na > 0\na + b < 3"))
    assert (len(found.matrix), len(found.curved), len(found.at_least)) == (1, 1, 2)


def test_climbing_from_the_right_units_is_quick():
    rng = np.random.default_rng(3)
    root = rng.normal(size=(20, 20)) * 10.0 ** rng.uniform(-3, 3, 20)[:, None]
    covariance = root @ root.T
    density = Bowl(np.ones(20), np.linalg.inv(covariance))
    found = climb(density, np.zeros(20), np.linalg.cholesky(covariance))
    np.testing.assert_allclose(found, density.centre, rtol=1e-3, atol=1e-3)
    assert density.calls < 10


def test_climbing_nowhere_is_told():
    class Ridge:
        def value_and_gradient(self, x):
            return math.nan, np.zeros_like(x)

    assert climb(Ridge(), np.zeros(2), np.eye(2)) is None


@pytest.mark.parametrize("bound", ["1e9", "1e12", "1e100", "1e300"])
@pytest.mark.parametrize(
    "model",
    [
        "f =~ a + l*b + k*c\nl == k + {}",
        "f =~ a + l*b + k*c\nl > k + {}",
        "f =~ a + lower({})*b + c",
        "f =~ a + b + c\na ~~ lower({})*a",
        "a ~ lower({})*b",
        "a ~ lower({})*1\nb ~ a",
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bounds_far_outside_the_units_of_the_data_are_one_error_or_said(model, bound):
    """No LinAlgError; and what converged is at the bound."""
    r = np.random.default_rng(1)
    values = r.normal(size=(100, 3)) + r.normal(size=(100, 1))
    data = pd.DataFrame(values, columns=list("abc"))
    try:
        found = SEM(model.format(bound)).ml(data)
    except FitError as error:
        assert "units of the data" in str(error)
    else:
        assert found.problems
