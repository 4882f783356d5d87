"""Response surfaces of models: right coefficients, metrics, conditions, groups and moderators."""

import warnings

import numpy as np
import pandas as pd
import pytest

from bayessem import SEM
from bayessem.effects.path_effects import pooled_scale
from bayessem.errors import BayessemWarning, ModelError
from bayessem.results.intervention import intervene
from bayessem.shapes.response_surface import response_surface
from bayessem.shapes.surface import COEFFICIENTS, LINES, Surface
from tests.drawn import drawn_fit, measured, parameter

OBSERVED = "y ~ b1*x + b2*z + b3*x:x + b4*x:z + b5*z:z"
LATENT = measured("X", "Z", "Y") + "\nY ~ b1*X + b2*Z + b3*X:X + b4*X:Z + b5*Z:Z\n"
VALUES = {"b1": 0.3, "b2": -0.2, "b3": -0.4, "b4": 0.6, "b5": -0.3}
SHORT = {"draws": 250, "tune": 300, "chains": 2, "progress": False}


def equal_items(*names, intercepts=True):
    """Constructs measured alike: equal loadings, and intercepts or not."""
    lines = []
    for name in names:
        items = [f"{name.lower()}{k}" for k in (1, 2, 3)]
        lines.append(f"{name} =~ {items[0]} + l2*{items[1]} + l3*{items[2]}")
        if intercepts:
            lines += [f"{item} ~ i{k}*1" for k, item in enumerate(items)]
    return "\n".join(lines)


def quantity(result, name, surface=0):
    return result.draws.sel(quantity=name).values[..., surface]


def sd_of(fit, name):
    structure = fit.prepared.structure
    i = structure.variables.index(name)
    return np.sqrt(structure.matrices(fit.elements)["disturbances"][..., i, i])


@pytest.fixture(scope="module")
def latent():
    return drawn_fit(LATENT, n=80, draws=100, spread=0.15, **VALUES)


@pytest.fixture(scope="module")
def observed():
    """Coefficients are known draws; x and z have the same distribution."""
    return drawn_fit(OBSERVED, n=120, draws=100, spread=0.15, **VALUES)


def test_standardised_coefficients_follow_those_of_the_model_draw_by_draw(latent):
    result = response_surface(latent, "X", "Z", "Y", scores=False)
    assert result.metric == "standardized"
    assert "their loadings are not set equal" in result.notes[0]
    sx, sz = sd_of(latent, "X"), sd_of(latent, "Z")
    sy = result.spread[-1]
    assert sy == 1.0
    b3, b4, b5 = (quantity(result, b) for b in ("b3", "b4", "b5"))
    model = {b: parameter(latent, b) for b in VALUES}
    # constructs without a mean: only the units change, and one unit of Y is common to all five
    np.testing.assert_allclose(b4 / b3, model["b4"] * sz / (model["b3"] * sx))
    np.testing.assert_allclose(b5 / b3, model["b5"] * sz**2 / (model["b3"] * sx**2))
    np.testing.assert_allclose(quantity(result, "a4"), b3 - b4 + b5)
    np.testing.assert_allclose(
        quantity(result, "a3"), quantity(result, "b1") - quantity(result, "b2")
    )


def test_raw_surface_goes_through_the_expected_outcome(latent):
    with pytest.warns(BayessemWarning, match="no common metric .their loadings are not set equal"):
        result = response_surface(latent, "X", "Z", "Y", metric="raw", center=0.0, scores=False)
    for b in VALUES:
        np.testing.assert_allclose(quantity(result, b), parameter(latent, b))
    structure = latent.prepared.structure
    x, z, y = (structure.variables.index(v) for v in ("X", "Z", "Y"))
    exact = intervene(structure, latent.elements, (x, z)).expected(y)
    assert (quantity(result, "b0") == 0).all()  # exactly: no sign of what is rounding
    total = response_surface(latent, "X", "Z", "Y", effect="total", scores=False)
    assert total.effect == "total"
    np.testing.assert_allclose(quantity(result, "b0"), exact.get((0, 0), 0.0), atol=1e-12)


def test_constructs_with_equal_items_have_a_common_metric():
    model = equal_items("X", "Z") + "\n" + measured("Y") + "\nX ~ 0*1\nZ ~ m*1\n"
    fit = drawn_fit(model + "Y ~ X + Z + X:X + X:Z + Z:Z\n", m=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = response_surface(fit, "X", "Z", "Y", scores=False)
    assert result.metric == "raw"
    assert result.centers == pytest.approx((parameter(fit, "m").mean() / 2,) * 2)
    free = equal_items("X", "Z", intercepts=False) + "\n" + measured("Y")
    fit = drawn_fit(free + "\nY ~ X + Z + X:X + X:Z + Z:Z\n")
    result = response_surface(fit, "X", "Z", "Y", scores=False)
    assert result.metric == "raw"
    assert "each measured from its own mean, since their zero points differ" in result.notes[0]


def test_constructs_without_a_mean_have_none_whatever_the_size_of_their_paths():
    # paths above 1 make solving for the means pivot, and leave rounding where 0 belongs
    free = equal_items("X", "Z", intercepts=False) + "\n" + measured("Y")
    values = {**VALUES, "b1": 1.5, "b2": -1.7}
    fit = drawn_fit(
        free + "\nY ~ b1*X + b2*Z + b3*X:X + b4*X:Z + b5*Z:Z\n", draws=500, spread=0.15, **values
    )
    result = response_surface(fit, "X", "Z", "Y", scores=False)
    assert result.metric == "raw"
    assert result.centers == (0.0, 0.0)
    assert (quantity(result, "b0") == 0).all()


def test_observed_variables_are_raw_unless_their_spreads_differ(observed):
    result = response_surface(observed, "x", "z", "y")
    middle = observed.data[["x", "z"]].mean().mean()
    assert result.metric == "raw"
    assert result.centers == pytest.approx((middle, middle))
    shifted = observed.data[["x", "z"]].to_numpy() - middle
    np.testing.assert_allclose(result.scores[["x", "z"]], shifted)
    b1, b3, b4 = (parameter(observed, b) for b in ("b1", "b3", "b4"))
    np.testing.assert_allclose(quantity(result, "b1"), b1 + 2 * b3 * middle + b4 * middle)
    fit = drawn_fit(OBSERVED, **VALUES)
    fit.data["z"] *= 10
    fit.prepared = fit.sem.prepare(fit.data)
    assert "standard deviations are" in response_surface(fit, "x", "z", "y").notes[0]


def test_terms_that_the_model_lacks_are_0_and_said():
    fit = drawn_fit("y ~ x + z + b4*x:z", b4=-0.4)
    result = response_surface(fit, "x", "z", "y")
    assert (quantity(result, "b3") == 0).all() and (quantity(result, "b5") == 0).all()
    np.testing.assert_allclose(quantity(result, "a4"), -parameter(fit, "b4"))
    assert any("does not have x:x (b3), z:z (b5) for y" in note for note in result.notes)
    assert result.hypothesis == "lowest"


def test_probabilities_of_the_conditions_are_shares_of_draws(observed):
    result = response_surface(observed, "x", "z", "y", rope=0.5, rope_ridge=0.6)
    _, _, sx, sz, _ = result.spread
    sd = np.sqrt((sx**2 + sz**2) / 2)
    a1, a2, a3, a4 = (quantity(result, a) for a in LINES[:4])
    p10, p11 = quantity(result, "p10"), quantity(result, "p11")
    structure = observed.prepared.structure
    sy = pooled_scale(observed, structure.variables.index("y"))[1]
    holds = [
        a4 < 0,
        np.abs(a3) * sd < 0.5 * sy,
        np.abs(2 * p10 / (1 + p11)) < 0.6 * sd,
        (p11 > 1 / 1.6) & (p11 < 1.6),
        np.abs(a1) * sd < 0.5 * sy,
        np.abs(a2) * sd**2 < 0.5 * sy,
    ]
    np.testing.assert_allclose(result.conditions["probability"], [h.mean() for h in holds])
    claims = result.claims.iloc[0]
    assert claims["congruence effect, broad sense"] == np.all(holds[:4], axis=0).mean()
    assert claims["congruence effect, strict sense"] == np.all(holds, axis=0).mean()
    assert claims["ridge parallel to the line of congruence"] == (holds[0] & holds[3]).mean()
    assert 0.1 < claims["congruence effect, broad sense"] < 0.99
    text = str(result)
    assert "0.625 to 1.600" in text and "within 0.500 SD" in text


def test_lowest_at_congruence_is_the_same_question_about_the_mirrored_outcome(observed):
    high = response_surface(observed, "x", "z", "y")
    mirrored = drawn_fit(
        OBSERVED, n=120, draws=100, spread=0.15, **{k: -v for k, v in VALUES.items()}
    )
    mirrored.data = observed.data
    mirrored.prepared = observed.prepared
    low = response_surface(mirrored, "x", "z", "y")
    assert (high.hypothesis, low.hypothesis) == ("highest", "lowest")
    np.testing.assert_allclose(
        low.conditions["probability"], high.conditions["probability"], atol=0.03
    )
    assert "p20 is about 0: trough not shifted" in str(low)


def test_total_effects_go_through_mediators():
    model = measured("X", "Z", "M", "Y") + "\nM ~ X + Z + q*X:Z\nY ~ c*X + b*M\n"
    fit = drawn_fit(model, q=-0.5, b=0.7, c=0.2)
    result = response_surface(fit, "X", "Z", "Y", scores=False)
    assert result.effect == "total"
    sx, sz = sd_of(fit, "X"), sd_of(fit, "Z")
    ratio = quantity(result, "b4") / quantity(result, "b1")
    q, b = parameter(fit, "q"), parameter(fit, "b")
    structure = fit.prepared.structure
    on_m = structure.matrices(fit.elements)["paths"][
        ..., structure.variables.index("M"), structure.variables.index("X")
    ]
    np.testing.assert_allclose(ratio, q * b * sx * sz / ((parameter(fit, "c") + on_m * b) * sx))
    assert "E[Y | do(X, Z)]" in " ".join(result.notes)


def test_moderated_surfaces_and_their_differences():
    model = OBSERVED + " + g*w + i1*x:w + i4*x:z:w"
    fit = drawn_fit(model, **VALUES, g=0.5, i1=0.3, i4=-0.2)
    fit.data["w"] = np.arange(len(fit.data)) % 2
    fit.prepared = fit.sem.prepare(fit.data)
    result = response_surface(fit, "x", "z", "y", center=0.0)
    assert result.surfaces == ("w = 0", "w = 1")
    names = dict(zip(COEFFICIENTS, ("g", "i1", None, None, "i4", None), strict=True))
    for b, label in names.items():
        change = quantity(result, b, 1) - quantity(result, b, 0)
        np.testing.assert_allclose(change, parameter(fit, label) if label else 0.0, atol=1e-12)
    found = result.differences.set_index("quantity")["mean"]
    assert list(found.index) == ["b1", "b4", "a1", "a2", "a3", "a4"]  # others cannot differ
    assert found["a4"] == pytest.approx(-parameter(fit, "i4").mean())
    spread = response_surface(fit, "x", "z", "y", at=(-1, 1))
    change = quantity(spread, "b1", 1) - quantity(spread, "b1", 0)
    middle = spread.centers[0]
    i1, i4 = parameter(fit, "i1"), parameter(fit, "i4")
    np.testing.assert_allclose(change, 2 * fit.data["w"].std(ddof=0) * (i1 + i4 * middle))
    assert "w at -1 SD" in str(spread)


def test_total_and_direct_surface_agree_where_nothing_lies_between():
    fit = drawn_fit(OBSERVED + " + g*w + i*x:x:w", **VALUES, g=0.5, i=0.3)
    both = [
        response_surface(fit, "x", "z", "y", effect=effect, at=(-1, 2), center=0.3)
        for effect in ("direct", "total")
    ]
    for b in COEFFICIENTS[1:]:
        for s in (0, 1):
            np.testing.assert_allclose(quantity(both[0], b, s), quantity(both[1], b, s), atol=1e-12)


def test_groups_have_surfaces_and_differences():
    model = measured("X", "Z", "Y") + "\nY ~ X + Z + X:X + c(p, q)*X:Z + Z:Z\n"
    fit = drawn_fit(model, groups=("north", "south"), p=0.6, q=-0.2)
    result = response_surface(fit, "X", "Z", "Y", scores=False)
    assert result.surfaces == ("north", "south")
    gap = result.differences.set_index("quantity").loc["b4"]
    assert gap["difference"] == "(south) - (north)"
    drawn = quantity(result, "b4", 1) - quantity(result, "b4", 0)
    assert gap["mean"] == pytest.approx(drawn.mean())
    p, q = parameter(fit, "p"), parameter(fit, "q")
    ratio = quantity(result, "b4", 1) / quantity(result, "b4", 0)
    np.testing.assert_allclose(ratio, q / p)  # one metric for both groups
    assert "In group north" in str(result)
    assert any("The loadings of X and Z and Y differ between the groups" in n for n in result.notes)
    only = response_surface(fit, "X", "Z", "Y", group="south", scores=False)
    assert only.surfaces == ("south",)


def test_the_band_of_the_grid_is_of_the_height(observed):
    result = response_surface(observed, "x", "z", "y")
    grid = result.grid(points=5)
    drawn = Surface(*(quantity(result, b)[..., None] for b in COEFFICIENTS))
    heights = drawn.value(grid["x"].to_numpy(), grid["z"].to_numpy()).reshape(-1, 25)
    np.testing.assert_allclose(grid["mean"], heights.mean(axis=0))
    np.testing.assert_allclose(grid["lower"], np.quantile(heights, 0.025, axis=0))
    low, high = result.limits()
    assert (grid["x"].min(), grid["z"].max()) == (low, high)
    assert low <= result.scores[["x", "z"]].to_numpy().min()
    frame = result.to_frame()
    assert set(frame["quantity"]) == set(result.draws["quantity"].values)


def test_where_the_stationary_point_is_nowhere_that_is_said():
    fit = drawn_fit(OBSERVED, draws=200, spread=0.05, b1=0.2, b2=0.2, b3=-0.3, b4=0.6, b5=-0.3)
    result = response_surface(fit, "x", "z", "y")
    row = result.stationary.iloc[0]
    assert row["maximum"] + row["minimum"] + row["saddle"] == pytest.approx(1.0)
    assert row["far"] > 0.2 and 0.1 < row["saddle"] < 0.9
    assert f"in {row['far']:.1%} it lies more than 3 SD from the means" in " ".join(
        str(result).split()
    )
    p11 = result.geometry.set_index("quantity").loc["p11"]
    assert 0.8 < p11["lower"] < 1 < p11["upper"] < 1.2


def test_the_interval_of_a_vertical_axis_is_told_in_degrees():
    fit = drawn_fit(OBSERVED, draws=200, b1=0.1, b2=0.1, b3=-0.4, b4=0.002, b5=-0.05)
    structure = fit.prepared.structure
    place = next(
        structure.element(p)[0]
        for k, p in structure.places.items()
        if structure.table.rows[k].label == "b4"
    )
    fit.elements = fit.elements.copy()
    fit.elements[..., place] = np.random.default_rng(2).normal(0, 0.05, fit.elements.shape[:2])
    result = response_surface(fit, "x", "z", "y")
    p11 = result.geometry.set_index("quantity").loc["p11"]
    assert np.isnan(p11["lower"]) and abs(p11["median"]) > 10
    rotation = result.geometry.set_index("quantity").loc["ridge rotation"]
    assert rotation["lower"] < 45 < rotation["upper"]  # the vertical is 45 degrees from x = z
    assert rotation["upper"] - rotation["lower"] < 45
    assert "No interval for p11" in str(result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "centred"}, '"raw" or "standardized"'),
        ({"effect": "indirect"}, '"direct" or "total"'),
        ({"hypothesis": "peak"}, '"highest" or "lowest"'),
        ({"rope": 0.0}, "rope is a positive number"),
        ({"rope_ridge": np.nan}, "rope_ridge is a positive number"),
        ({"at": (1.0,)}, "nothing moderates the surface of y over x and z"),
        ({"moderator": "w"}, "'w' is not a moderator"),
        ({"metric": "standardized", "center": 4}, 'belongs to metric="raw"'),
        ({"center": np.inf}, "center is a number"),
        ({"group": "b"}, "group"),
    ],
)
def test_refusals(observed, arguments, message):
    with pytest.raises(ModelError, match=message):
        response_surface(observed, "x", "z", "y", **arguments)


def test_refuses_planes_and_cubes_and_one_variable_twice(observed):
    with pytest.raises(ModelError, match="a plane has no surface to describe; write y ~ x"):
        response_surface(drawn_fit("y ~ x + z"), "x", "z", "y")
    with pytest.raises(ModelError, match="a product of more than two of them"):
        response_surface(drawn_fit("y ~ x + z + x:x:z"), "x", "z", "y")
    with pytest.raises(ModelError, match="three different variables"):
        response_surface(observed, "x", "x", "y")


# --- sampled --------------------------------------------------------------------------------------


def simulated(seed, n=120):
    """y = -0.25 (x - z)^2 + 0.3 x + 0.1 z about the midpoint of a 7-point scale."""
    rng = np.random.default_rng(seed)
    x, z = rng.multivariate_normal([4.2, 3.8], [[1.2, 0.5], [0.5, 1.0]], size=n).T
    u, v = x - 4, z - 4
    y = 5 - 0.25 * (u - v) ** 2 + 0.3 * u + 0.1 * v + rng.normal(0, 1, n)
    return pd.DataFrame({"x": x, "z": z, "y": y})


TRUE = {
    "a1": 0.4, "a2": 0.0, "a3": 0.2, "a4": -1.0, "a5": 0.0, "b4": 0.5,
    # the ridge: the gradient across it, b1 - b2 - 4 * .25 (u - v), is 0 at v - u = -0.2
    "p10": -0.2, "p11": 1.0, "ridge rotation": 0.0, "ridge shift": -0.2,
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    return SEM("y ~ x + z + x:x + x:z + z:z").fit(simulated(0), random_seed=1, **SHORT)


def test_the_surface_of_a_sampled_model_is_the_regression(fitted):
    data = simulated(0)
    result = fitted.response_surface("x", "z", "y", center=4)
    u, v = data["x"] - 4, data["z"] - 4
    design = np.column_stack([np.ones(len(data)), u, v, u * u, u * v, v * v])
    beta = np.linalg.lstsq(design, data["y"], rcond=None)[0]
    found = result.table.set_index("quantity")
    gaps = (found.loc[list(COEFFICIENTS), "mean"] - beta) / found.loc[list(COEFFICIENTS), "sd"]
    assert np.abs(gaps).max() < 0.3  # priors shrink a little


def test_units_and_order_do_not_matter(fitted):
    first = fitted.response_surface("x", "z", "y", center=4)
    data = simulated(0) * [10, 10, 100]
    other = SEM("y ~ z + x + z:z + x:z + x:x").fit(data, random_seed=1, **SHORT)
    second = other.response_surface("z", "x", "y", center=40)
    a, b = (r.table.set_index("quantity") for r in (first, second))
    scale = {"a1": 10, "a2": 1, "a3": -10, "a4": 1, "a5": -1}
    for name, factor in scale.items():
        # two samples of one posterior
        assert b.loc[name, "mean"] / factor == pytest.approx(
            a.loc[name, "mean"], abs=0.25 * a.loc[name, "sd"]
        )
    np.testing.assert_allclose(
        first.conditions["probability"], second.conditions["probability"], atol=0.12
    )
    shift = [r.geometry.set_index("quantity").loc["ridge shift", "median"] for r in (first, second)]
    assert shift[1] / -10 == pytest.approx(shift[0], abs=0.05)


@pytest.mark.slow
def test_intervals_of_the_surface_cover_the_true_values():
    sem = SEM("y ~ x + z + x:x + x:z + z:z")
    inside = dict.fromkeys(TRUE, 0)
    repeats = 40
    for seed in range(repeats):
        fit = sem.fit(simulated(seed), random_seed=seed + 1, **SHORT)
        found = fit.response_surface("x", "z", "y", center=4, scores=False).to_frame()
        found = found.set_index("quantity")
        for name, value in TRUE.items():
            inside[name] += found.loc[name, "lower"] < value < found.loc[name, "upper"]
    # binomial(40, .95): 33 or fewer has probability .001
    assert min(inside.values()) >= 34, inside
    assert sum(inside.values()) <= repeats * len(inside) - 3  # nor do they cover everything
