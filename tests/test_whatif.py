import numpy as np
import pytest

from bayessem.effects.whatif import pointwise, what_if
from bayessem.errors import ModelError
from tests.drawn import brute_force, drawn_fit, measured, parameter

CHAIN = (
    measured("X", "W", "M", "Y")
    + """
M ~ a1*X + a2*X:X + a3*W
Y ~ b1*M + b2*M:M + c*X + d*M:W
X ~~ .3*W
"""
)
VALUES = {"a1": 0.5, "a2": 0.2, "a3": -0.3, "b1": 0.6, "b2": -0.15, "c": 0.2, "d": 0.1}


@pytest.fixture(scope="module")
def fit():
    return drawn_fit(CHAIN, spread=0.0, draws=2, **VALUES)


def test_curve_is_what_simulation_gives(fit):
    n = 200_000
    curve = what_if(fit, "X", "Y", values=(-1.5, 0.0, 2.0))
    for x, exact in zip(curve.table["x"], curve.table["mean"], strict=True):
        y = brute_force(
            fit.prepared.structure, fit.elements[0, 0], ["X", "W", "M", "Y"], set_to={"X": x}, n=n
        )["Y"]
        assert exact == pytest.approx(y.mean(), abs=5 * y.std() / np.sqrt(n))


def test_moderators_can_be_set_too(fit):
    n = 200_000
    curve = what_if(fit, "X", "Y", values=(1.0,), at={"W": (-1, 2)})
    assert list(curve.table["at"]) == ["W at -1 SD", "W at +2 SD"]
    structure = fit.prepared.structure
    w = structure.variables.index("W")
    sd = np.sqrt(structure.matrices(fit.elements[0, 0])["disturbances"][w, w])
    for value, exact in zip((-sd, 2 * sd), curve.table["mean"], strict=True):
        y = brute_force(
            fit.prepared.structure, fit.elements[0, 0], ["X", "W", "M", "Y"],
            set_to={"X": 1.0, "W": value}, n=n,
        )["Y"]  # fmt: skip
        assert exact == pytest.approx(y.mean(), abs=5 * y.std() / np.sqrt(n))


def test_linear_curve_is_a_line_by_group():
    model = measured("X", "Y") + "\nY ~ c(b1, b2)*X\n"
    fit = drawn_fit(model, groups=("p", "q"), b1=0.5, b2=-0.5)
    curve = what_if(fit, "X", "Y", values=(0.0, 1.0))
    slopes = np.diff(curve.draws.values, axis=-1)[..., 0]
    np.testing.assert_allclose(slopes[..., 0], parameter(fit, "b1"))
    np.testing.assert_allclose(slopes[..., 1], parameter(fit, "b2"))
    assert list(curve.draws["curve"].values) == ["p", "q"]
    assert "do(X) sets X for everyone" in str(curve)


def test_default_values_are_two_deviations_or_the_range_of_the_data():
    fit = drawn_fit(measured("Y") + "\nY ~ b*x\n", b=0.5)
    curve = what_if(fit, "x", "Y")
    assert curve.table["x"].min() == fit.data["x"].min()
    assert curve.table["x"].max() == fit.data["x"].max()
    fit = drawn_fit(measured("X", "Y") + "\nY ~ b*X\n", b=0.5)
    curve = what_if(fit, "X", "Y")
    assert curve.table["x_sd"].iloc[[0, -1]].tolist() == pytest.approx([-2, 2])


def test_bad_requests(fit):
    with pytest.raises(ModelError, match="'X' is x itself"):
        what_if(fit, "X", "Y", at={"X": (0,)})
    with pytest.raises(ModelError, match="finite numbers"):
        what_if(fit, "X", "Y", values=[np.inf])
    with pytest.raises(ModelError, match="no directed path"):
        what_if(fit, "Y", "X")


def test_pointwise_summary():
    draws = np.arange(200.0).reshape(2, 100, 1)
    row = pointwise(draws, ci_prob=0.5).iloc[0]
    assert row["mean"] == 99.5
    assert [row["lower"], row["upper"]] == [49.75, 149.25]
    assert row["p_positive"] == 199 / 200
