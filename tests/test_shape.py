from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bayessem.errors import ModelError
from bayessem.results.intervention import intervene
from bayessem.results.simulate import elements_at, simulate
from bayessem.sem import SEM
from bayessem.shapes.curve import latent_quantiles
from bayessem.shapes.shape import shape
from bayessem.shapes.turning_point import moderated_turning_point, shape_probabilities, three_steps
from bayessem.shapes.utest import lind_mehlum
from tests.drawn import (
    REFCASES,
    drawn_fit,
    elements_for,
    measured,
    parameter,
    structure_of,
    with_reference_cases,
)

SQUARE = measured("X", "Y") + "\nY ~ b*X + q*X:X\n"


def quantity(result, name, group=0):
    return result.draws.sel(quantity=name).values[..., group]


@pytest.fixture(scope="module")
def square():
    return drawn_fit(SQUARE, n=150, draws=200, spread=0.3, b=0.3, q=-0.3)


def test_probabilities_are_of_exclusive_shapes():
    low = np.array([1.0, -1.0, 1.0, -1.0, 0.0, 2.0])
    high = np.array([-1.0, 1.0, 1.0, -1.0, 0.0, 0.0])
    found = shape_probabilities(low, high)
    assert list(found.values()) == pytest.approx([1 / 6, 1 / 6, 2 / 6, 2 / 6])


def test_quantities_follow_the_coefficients_draw_by_draw(square):
    result = shape(square, "X", "Y", bounds=(-1, 2), lines=False)
    b, q = parameter(square, "b"), parameter(square, "q")
    np.testing.assert_allclose(quantity(result, "slope_low"), b - 2 * q)
    np.testing.assert_allclose(quantity(result, "slope_high"), b + 4 * q)
    np.testing.assert_allclose(quantity(result, "turning_point"), -b / (2 * q))
    inverted = ((b - 2 * q > 0) & (b + 4 * q < 0)).mean()
    row = result.probabilities.iloc[0]
    assert row["inverted U"] == pytest.approx(inverted)
    assert row[["inverted U", "U", "increasing", "decreasing"]].sum() == pytest.approx(1)
    turn = result.turning_point.iloc[0]
    peak = (-b / (2 * q))[q < 0]
    assert turn["kind"] == "peak"
    assert turn["p_kind"] == pytest.approx((q < 0).mean())
    assert turn["median"] == pytest.approx(np.median(peak))
    assert turn["p_inside"] == pytest.approx(((-b / 2 / q > -1) & (-b / 2 / q < 2)).mean())
    assert "(as given)" in str(result)


def test_default_bounds_are_the_model_implied_quantiles_in_each_draw(square):
    result = shape(square, "X", "Y", lines=False)
    structure = square.prepared.structure
    i = structure.variables.index("X")
    sd = np.sqrt(structure.matrices(square.elements)["disturbances"][..., i, i])
    np.testing.assert_allclose(quantity(result, "low"), -1.6448536 * sd, rtol=1e-6)
    np.testing.assert_allclose(quantity(result, "high"), 1.6448536 * sd, rtol=1e-6)


def test_quantiles_of_a_variable_with_products_are_those_of_simulated_values():
    structure = structure_of(measured("X", "M", "Y") + "\nM ~ b*X + q*X:X\nY ~ M + M:M\n")
    elements = elements_for(structure, b=0.5, q=0.6)
    values = simulate(structure, elements, 400_000, random_seed=1, latents=True)["M"]
    got = latent_quantiles(structure, elements, structure.variables.index("M"))
    np.testing.assert_allclose(got, np.quantile(values, [0.05, 0.95]), atol=0.05)


def test_the_curve_goes_through_the_mean_of_y(square):
    result = shape(square, "X", "Y", lines=False)
    curve = result.curve(points=3, beyond=0.0)
    structure = square.prepared.structure
    i, j = (structure.variables.index(v) for v in "XY")
    expected = intervene(structure, square.elements, (i,)).expected(j)
    at = np.array([quantity(result, n).mean() for n in ("low", "high")])
    at = np.array([at[0], at.mean(), at[1]])
    exact = [sum(c * x ** e[0] for e, c in expected.items()).mean() for x in at]
    np.testing.assert_allclose(curve["mean"], exact, atol=1e-10)
    assert (curve["lower"] < curve["mean"]).all()


def test_total_effect_is_the_shape_of_the_expected_outcome():
    model = measured("X", "M", "Y") + "\nM ~ a*X + q*X:X\nY ~ b*M + c*X\n"
    fit = drawn_fit(model, a=0.5, q=-0.3, b=0.6, c=0.2)
    result = shape(fit, "X", "Y", lines=False)
    a, b, c, q = (parameter(fit, x) for x in ("a", "b", "c", "q"))
    assert result.effect == "total"
    np.testing.assert_allclose(quantity(result, "linear"), c + a * b, atol=1e-12)
    np.testing.assert_allclose(quantity(result, "square"), q * b, atol=1e-12)
    assert "all paths from X to Y" in str(result)


def test_groups_have_rows_of_their_own():
    model = measured("X", "Y") + "\nY ~ X + c(q1, q2)*X:X\n"
    fit = drawn_fit(model, groups=("p", "r"), q1=-0.4, q2=0.4)
    result = shape(fit, "X", "Y", bounds=(-2, 2), lines=False)
    by_group = result.probabilities.set_index("group")
    assert by_group.loc["p", "inverted U"] == 1.0
    assert by_group.loc["r", "U"] == 1.0
    assert list(shape(fit, "X", "Y", group="r", lines=False).probabilities["group"]) == ["r"]
    assert "In group p: between" in str(result)


def test_moderated_turning_point_shifts_with_the_moderator():
    """x*(w) = -(b1 + b3 w) / (2 b2); its derivative by w is -b3 / (2 b2)."""
    model = measured("X", "W", "Y") + "\nY ~ b*X + q*X:X + W + i*X:W\n"
    fit = drawn_fit(model, draws=100, b=0.3, q=-0.3, i=0.2)
    result = shape(fit, "X", "Y", lines=False, at=(-1, 1))
    b, q, i = (parameter(fit, x) for x in ("b", "q", "i"))
    structure = fit.prepared.structure
    w = structure.variables.index("W")
    sd = np.sqrt(structure.matrices(fit.elements)["disturbances"][..., w, w])
    table = result.moderated.set_index(["quantity", "value_sd"])
    for z in (-1, 1):
        expected = np.median(-(b + i * z * sd) / (2 * q))
        assert table.loc[("turning point", z), "median"] == pytest.approx(expected)
        shift = np.median(-i / (2 * q) * sd)
        assert table.loc[("shift", z), "median"] == pytest.approx(shift)
    assert "no value at which the shape flips" in " ".join(result.notes)
    assert "Moderated turning point" in str(result)


def test_moderated_square_flips_where_it_is_zero():
    fit = drawn_fit("y ~ b*x + q*xsq + g*w + i*x:w + j*xsq:w", draws=100,
                    b=0.3, q=-0.3, g=0.1, i=0.2, j=0.1)  # fmt: skip
    result = shape(fit, "x", "y", square="xsq", lines=False)
    flip = result.moderated[result.moderated["quantity"] == "flip"].iloc[0]
    expected = np.median(-parameter(fit, "q") / parameter(fit, "j"))
    assert flip["median"] == pytest.approx(expected)


def test_derivative_of_the_turning_point():
    b1, b2, b3, b4, w, step = 0.4, -0.3, 0.2, 0.1, 0.7, 1e-6

    def turn(at):
        return -(b1 + b3 * at) / (2 * (b2 + b4 * at))

    _, _, shift = moderated_turning_point(*map(np.array, (b1, b2, b3, b4)), w)
    assert shift == pytest.approx((turn(w + step) - turn(w - step)) / (2 * step), rel=1e-6)


def test_three_steps_of_a_clear_and_an_unclear_peak():
    rng = np.random.default_rng(1)

    def values(b1, b2, sd):
        draws = rng.normal([b1, b2], sd, size=(2, 500, 2))
        b1, b2 = draws[..., 0], draws[..., 1]
        columns = (b1, b2, b1 * 0 - 1, b1 * 0 + 1, b1 - 2 * b2, b1 + 2 * b2, -b1 / (2 * b2), b1)
        return np.stack(columns, axis=-1)

    clear = three_steps(values(0.2, -0.5, 0.03), "inverted U", ci_prob=0.95)
    assert clear["holds"].all()
    unclear = three_steps(values(1.0, -0.45, 0.1), "inverted U", ci_prob=0.95)
    assert unclear["holds"].tolist() == [True, True, False, False]
    wrong = three_steps(values(0.2, -0.5, 0.03), "U", ci_prob=0.95)
    assert wrong["probability"].tolist() == pytest.approx([0, 0, 0, 0])
    assert wrong["step"].iloc[3] == "3 trough is inside the bounds"
    assert np.isnan(wrong["estimate"].iloc[3])  # no draw has a trough, so it is nowhere


def posterior_of_regression(data, outcome, predictors, draws, random_seed=1):
    """Draws of a regression under flat priors, exactly; (fit, coefficients, covariance, df)."""
    x = np.column_stack([np.ones(len(data)), data[predictors]])
    y = data[outcome].to_numpy()
    beta = np.linalg.lstsq(x, y)[0]
    df = len(y) - x.shape[1]
    rest = ((y - x @ beta) ** 2).sum()
    inverse = np.linalg.inv(x.T @ x)
    rng = np.random.default_rng(random_seed)
    variance = rest / rng.chisquare(df, size=draws)
    noise = rng.standard_normal((draws, x.shape[1])) @ np.linalg.cholesky(inverse).T
    samples = beta + noise * np.sqrt(variance)[:, None]
    prepared = SEM(f"{outcome} ~ {' + '.join(predictors)}").prepare(data)
    names = prepared.table.parameters
    moments = {r.name: 1.0 for r in prepared.table.rows if r.exogenous}
    elements = np.array([
        elements_at(prepared.structure, {
            **moments,
            **dict.fromkeys(names, 1.0),
            **{f"{outcome}~{p}": s[k + 1] for k, p in enumerate(predictors)},
            f"{outcome}~1": s[0],
        })
        for s in samples
    ])  # fmt: skip
    fit = SimpleNamespace(prepared=prepared, elements=elements.reshape(2, draws // 2, -1))
    return fit, beta[1:], inverse[1:, 1:] * rest / df, df


def test_with_flat_priors_probabilities_are_one_minus_the_p_values_of_lind_and_mehlum():
    rng = np.random.default_rng(11)
    x = rng.uniform(0, 4, 120)
    data = pd.DataFrame({"x": x, "xx": x * x, "y": 0.6 * x - 0.1 * x * x + rng.normal(size=120)})
    draws = 4000
    fit, beta, covariance, df = posterior_of_regression(data, "y", ["x", "xx"], draws)
    test = lind_mehlum(tuple(beta), covariance, interval=(x.min(), x.max()), df=df)
    assert 0.005 < test.overall_p < 0.5  # or there would be nothing to compare
    result = shape(fit, "x", "y", square="xx", hypothesis="inverted U", lines=False)
    steps = result.steps["probability"]
    for probability, p in zip(steps[1:3], test.p, strict=True):
        assert probability == pytest.approx(1 - p, abs=4 * np.sqrt(p * (1 - p) / draws) + 1e-3)
    assert "the smallest and largest value in the data" in str(result)


@with_reference_cases
def test_experience_and_wages_are_an_inverted_u():
    """Case D_ut_wage1."""
    data = pd.read_csv(REFCASES / "data/wooldridge_wage1.csv")
    fit, *_ = posterior_of_regression(data, "wage", ["exper", "expersq"], 4000)
    result = shape(fit, "exper", "wage", square="expersq")
    assert [quantity(result, n).mean() for n in ("low", "high")] == [1, 51]
    error = np.array([0.0392, 0.0539]) / np.sqrt(4000) * 4
    slopes = [quantity(result, n).mean() for n in ("slope_low", "slope_high")]
    assert (np.abs(np.array(slopes) - [0.28584032926, -0.327148404]) < error).all()
    turn = result.turning_point.iloc[0]
    assert turn["median"] == pytest.approx(24.3153004088, abs=0.1)
    # Fieller's interval is the flat-prior posterior's but for Monte Carlo error
    assert [turn["lower"], turn["upper"]] == pytest.approx([22.4886841497, 26.5994813935], abs=0.2)
    assert result.probabilities["inverted U"][0] == 1.0
    assert result.steps["holds"].all()
    assert result.lines["p_both"][0] > 0.99


def test_two_lines_on_factor_scores_see_a_peak():
    fit = drawn_fit(SQUARE, n=400, b=0.2, q=-0.6)
    result = shape(fit, "X", "Y")
    row = result.lines.iloc[0]
    assert row["hypothesis"] == "inverted U"
    assert row["low"] > 0 > row["high"]
    assert row["p_both"] > 0.95
    assert "Two lines" in str(result)
    assert "draws of factor scores" in " ".join(result.notes)


def test_impossible_requests_are_named(square):
    with pytest.raises(ModelError, match="the lower one first"):
        shape(square, "X", "Y", bounds=(1, 1))
    with pytest.raises(ModelError, match='effect is "direct" or "total"'):
        shape(square, "X", "Y", effect="both")
    with pytest.raises(ModelError, match="hypothesis is"):
        shape(square, "X", "Y", hypothesis="J")
    linear = drawn_fit(measured("X", "Y") + "\nY ~ X\n")
    with pytest.raises(ModelError, match="a line has no shape"):
        shape(linear, "X", "Y")
    with pytest.raises(ModelError, match="no square of X in its equation; write Y ~ X \\+ X:X"):
        shape(linear, "X", "Y", effect="direct")
    chain = drawn_fit(measured("X", "M", "Y") + "\nM ~ X + X:X\nY ~ M + M:M\n")
    with pytest.raises(ModelError, match="of degree 4 in X"):
        shape(chain, "X", "Y")
