"""Cubic relations: shapes against a brute look at the curve, points, recovery, J-shapes."""

import numpy as np
import pandas as pd
import pytest

from bayessem import SEM, plots
from bayessem.errors import ModelError
from bayessem.results.intervention import intervene
from bayessem.shapes.arms import J_SHAPES, j_shapes
from bayessem.shapes.cubic import Cubic
from bayessem.shapes.cubic_result import BENDS, CUBIC_SHAPES
from bayessem.shapes.shape import shape
from tests.drawn import drawn_fit, measured, parameter

RNG = np.random.default_rng(5)
N = 300
MANY = Cubic(
    RNG.normal(size=N), *RNG.normal(size=(3, N)) * [[1.0], [1.0], [0.5]],
    RNG.uniform(-3, -1, N), RNG.uniform(1, 3, N),
)  # fmt: skip
SHORT = {"draws": 300, "tune": 300, "chains": 2, "progress": False}


def seen(cubic, k, points=20001):
    """What a look at one curve finds: shape, bend, places of peak and trough."""
    x = np.linspace(cubic.low[k], cubic.high[k], points)
    y = cubic.level[k] + cubic.linear[k] * x + cubic.square[k] * x**2 + cubic.cube[k] * x**3
    up = np.diff(y) > 0
    turns = np.flatnonzero(np.diff(up.astype(int)))
    names = {
        (True,): "increasing", (False,): "decreasing", (True, False): "inverted U",
        (False, True): "U", (True, False, True): "inverted S", (False, True, False): "S",
    }  # fmt: skip
    pattern = (bool(up[0]), *(bool(up[t + 1]) for t in turns))
    convex = np.diff(y, 2) > 0
    bend = {
        (True, True): "convex", (False, False): "concave",
        (True, False): "convex, then concave", (False, True): "concave, then convex",
    }[bool(convex[0]), bool(convex[-1])]  # fmt: skip
    places = {"peak" if up[t] else "trough": x[t + 1] for t in turns}
    return names[pattern], bend, places


def test_shapes_bends_and_turning_points_are_what_one_sees():
    members, bends = np.array(MANY.members()), np.array(MANY.bends())
    peak, trough = MANY.turning_points()
    assert (members.sum(axis=0) == 1).all() and (bends.sum(axis=0) == 1).all()
    counted = dict.fromkeys(CUBIC_SHAPES, 0)
    for k in range(N):
        name, bend, places = seen(MANY, k)
        counted[name] += 1
        assert CUBIC_SHAPES[int(members[:, k].argmax())] == name
        assert BENDS[int(bends[:, k].argmax())] == bend
        for kind, at in (("peak", peak), ("trough", trough)):
            if kind in places:
                assert at[k] == pytest.approx(places[kind], abs=1e-3)
    assert min(counted.values()) >= 3


def test_a_cube_near_0_leaves_the_turning_point_of_the_parabola():
    one = np.ones(3)
    for cube in (0.0, 1e-14, -1e-14):
        peak, _ = Cubic(0 * one, 0.6 * one, -0.5 * one, cube * one, -one, one).turning_points()
        np.testing.assert_allclose(peak, 0.6)
        _, trough = Cubic(0 * one, 0.6 * one, 0.5 * one, cube * one, -one, one).turning_points()
        np.testing.assert_allclose(trough, -0.6)


def test_the_arms_of_a_curve_make_the_j():
    peak, trough = np.array([0, 0, 0, 1, 1, 0], bool), np.array([1, 1, 1, 0, 0, 0], bool)
    left, right = np.array([1, 2, 1, -1, -3, 1.0]), np.array([2, 1, 1.5, -5, -1, 9.0])
    found = j_shapes(peak, trough, left, right)
    assert list(found) == list(J_SHAPES)
    assert list(found.values()) == pytest.approx([1 / 6] * 4)


def test_the_j_of_a_quadratic_is_in_its_shape():
    """y = (x - t)^2: the right arm is at least twice the left where (2 - t)^2 >= 2 (t + 1)^2."""
    fit = drawn_fit("y ~ b*x + q*x:x", n=50, draws=300, spread=0.6, b=0.4, q=0.8)
    result = shape(fit, "x", "y", bounds=(-1, 2), lines=False)
    b, q = parameter(fit, "b"), parameter(fit, "q")
    turn = -b / (2 * q)
    inside = (q > 0) & (turn > -1) & (turn < 2)
    expected = (inside & ((2 - turn) ** 2 >= 2 * (turn + 1) ** 2)).mean()
    assert 0.1 < expected < 1
    assert result.arms["J"].iloc[0] == pytest.approx(expected)
    assert "a J falls a little and rises far" in " ".join(str(result).split())


def test_coefficients_of_constructs_and_the_level():
    model = measured("X", "Y") + "\nY ~ b*X + q*X:X + c*X:X:X\n"
    fit = drawn_fit(model, b=-0.5, q=0.2, c=0.3)
    result = shape(fit, "X", "Y")
    for name, label in (("linear", "b"), ("square", "q"), ("cube", "c")):
        drawn = result.draws.sel(quantity=name).values[..., 0]
        np.testing.assert_allclose(drawn, parameter(fit, label))
    structure = fit.prepared.structure
    i, j = (structure.variables.index(v) for v in "XY")
    expected = intervene(structure, fit.elements, (i,)).expected(j)
    curve = result.curve(points=3, beyond=0.0)
    exact = [sum(c * x ** e[0] for e, c in expected.items()).mean() for x in curve["x"]]
    np.testing.assert_allclose(curve["mean"], exact, atol=1e-10)
    total = shape(fit, "X", "Y", effect="total")
    np.testing.assert_allclose(
        total.draws.sel(quantity="cube").values, result.draws.sel(quantity="cube").values
    )


def test_total_effect_of_a_square_of_a_square_is_refused_and_of_a_cube_is_not():
    model = measured("X", "M", "Y") + "\nM ~ a*X + c*X:X:X\nY ~ b*M\n"
    fit = drawn_fit(model, a=0.4, b=0.5, c=-0.2)
    cube = shape(fit, "X", "Y").draws.sel(quantity="cube").values[..., 0]
    np.testing.assert_allclose(cube, parameter(fit, "b") * parameter(fit, "c"))
    higher = drawn_fit(measured("X", "Y") + "\nY ~ X + X:X + X:X:X:X\n")
    with pytest.raises(ModelError, match="a higher power of X than its cube"):
        shape(higher, "X", "Y")


def test_a_hypothesis_is_one_of_the_shapes():
    fit = drawn_fit("y ~ x + x:x + x:x:x")
    text = " ".join(str(shape(fit, "x", "y", hypothesis="S")).split())
    assert "It is an S (down, up, down), as hypothesised, with probability" in text
    with pytest.raises(ModelError, match="one of inverted S, S, inverted U"):
        shape(fit, "x", "y", hypothesis="sigmoid")
    with pytest.raises(ModelError, match='"inverted U" or "U"'):
        shape(drawn_fit("y ~ x + x:x"), "x", "y", hypothesis="S", lines=False)


def simulated(seed=1, n=250):
    """y' = 0 at -1 and 0.8: down, up, down."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, n)
    return pd.DataFrame({"x": x, "y": 0.8 * x - 0.1 * x**2 - x**3 / 3 + rng.normal(0, 0.5, n)})


@pytest.fixture(scope="module")
def fitted():
    return SEM("y ~ x + x:x + x:x:x").fit(simulated(), random_seed=1, **SHORT)


def test_a_simulated_s_is_found(fitted):
    result = fitted.shape("x", "y")
    assert result.probabilities["S"].iloc[0] > 0.99
    points = result.points.set_index("point")
    for name, true in (("trough", -1.0), ("peak", 0.8), ("inflection", -0.1)):
        assert points.loc[name, "lower"] < true < points.loc[name, "upper"]
        assert points.loc[name, "p_inside"] > 0.99
    text = " ".join(str(result).split())
    assert "most probably an S (down, up, down)" in text


def test_units_change_no_shape(fitted):
    """y times 1,000 and x times 10: the same probabilities, points times 10."""
    first = fitted.shape("x", "y")
    other = (
        SEM("y ~ x + x:x + x:x:x")
        .fit(simulated() * [10, 1000], random_seed=1, **SHORT)
        .shape("x", "y")
    )
    np.testing.assert_allclose(
        other.probabilities[list(CUBIC_SHAPES)], first.probabilities[list(CUBIC_SHAPES)], atol=0.02
    )
    np.testing.assert_allclose(other.points["median"], 10 * first.points["median"], atol=0.4)


def test_the_figure_shows_curve_and_points(fitted):
    import matplotlib.pyplot as plt

    result = fitted.shape("x", "y")
    upper, lower = plots.plot_shape(result, rug=simulated()["x"]).axes
    assert upper.get_title(loc="left").startswith("P(S)")
    assert [t.get_text() for t in lower.texts] == ["inflection", "peak", "trough"]
    plt.close("all")


def test_the_report_and_the_headline_know_cubics(fitted):
    from bayessem.criticism.headline import _shapes

    names = [q.name for q in _shapes(fitted)]
    assert "y ~ x: inflection point" in names and not any("turning point" in n for n in names)
