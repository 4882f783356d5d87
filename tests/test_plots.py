"""Figures show the numbers of the results they are given, in the common style."""

from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayessem import plots
from bayessem.effects.effects import Effects
from bayessem.effects.mediation import Mediation
from bayessem.effects.slopes import Slopes
from bayessem.effects.whatif import WhatIf
from bayessem.errors import ModelError
from bayessem.measurement.quality import assess
from bayessem.plots.style import COLOURS, ONE, chance, density, path_name, term_name
from bayessem.plots.traces import readable
from bayessem.sem import SEM
from bayessem.shapes.shape import Shape
from bayessem.shapes.surface import Surface
from bayessem.shapes.turning_point import QUANTITIES

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def summary_of(rows, groups=None):
    """A table of estimates as `Fit.summary` gives it."""
    out = pd.DataFrame(rows, columns=["lhs", "op", "rhs", "mean"])
    if groups is not None:
        out["group"] = groups
    out["lower"], out["upper"] = out["mean"] - 0.2, out["mean"] + 0.2
    for name in ("mean", "lower", "upper"):
        out["std" if name == "mean" else f"std_{name}"] = out[name] / 2
    return out.assign(p_positive=0.9)


ROWS = [
    ("RAD", "~", "AMC", 0.8),
    ("RAD", "~", "AMC:AMC", 0.4),
    ("AMC", "=~", "co1", 1.0),
    ("AMC", "~~", "DIV", 0.3),
]


def fit_with(table):
    return SimpleNamespace(summary=lambda ci_prob: table)


def points(ax):
    """(x, y) of every single point on the axes, from top to bottom."""
    found = [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in ax.lines
        if len(line.get_xdata()) == 1 and line.get_marker() != "None"
    ]
    return sorted(found, key=lambda point: point[1])


def labels(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def test_forest_shows_the_table():
    ax = plots.plot_estimates(fit_with(summary_of(ROWS)))
    assert labels(ax) == ["AMC → RAD", "AMC² → RAD"]
    assert [x for x, _ in points(ax)] == pytest.approx([0.4, 0.2])
    segments = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(segments[0], [0.3, 0.5])
    assert ax.figure.get_size_inches()[0] == ONE
    assert "0.900" in [text.get_text() for text in ax.texts]


def test_forest_unstandardised_of_other_kinds():
    table = summary_of(ROWS)
    ax = plots.plot_estimates(fit_with(table), ("loading", "covariance"), standardized=False)
    assert labels(ax) == ["AMC → co1", "AMC ↔ DIV"]
    assert [x for x, _ in points(ax)] == pytest.approx([1.0, 0.3])


def test_forest_puts_groups_side_by_side():
    table = summary_of([ROWS[0], ROWS[0]], groups=["low", "high"])
    table.loc[1, "std"] = 0.1
    ax = plots.plot_estimates(fit_with(table))
    (first, upper), (second, lower) = points(ax)
    assert (first, second) == pytest.approx((0.4, 0.1))
    assert upper < 0 < lower and labels(ax) == ["AMC → RAD"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["low", "high"]


def test_forest_refuses_what_is_not_there():
    fit = fit_with(summary_of(ROWS[:1]))
    with pytest.raises(ModelError, match="kinds are out of path, product"):
        plots.plot_estimates(fit, ("slope",))
    with pytest.raises(ModelError, match="no parameter of the kind loading"):
        plots.plot_estimates(fit, ("loading",))


def effects_result(standardized=True, group=""):
    rows = [
        ("direct", "X -> Y", ""),
        ("indirect", "X -> M -> Y", "X at -1 SD"),
        ("indirect", "X -> M -> Y", "averaged over X"),
        ("total indirect", "", "averaged over X"),
        ("total", "", "averaged over X"),
    ]
    draws = RNG.normal([0.05, 0.2, 0.3, 0.3, 0.35], 0.05, (2, 300, 5))
    flat = draws.reshape(-1, 5)
    table = pd.DataFrame(rows, columns=["effect", "path", "at"]).assign(group=group)
    table["mean"], table["sd"] = flat.mean(axis=0), flat.std(axis=0)
    table["lower"], table["upper"] = np.quantile(flat, [0.025, 0.975], axis=0)
    table["p_positive"] = (flat > 0).mean(axis=0)
    array = xr.DataArray(draws, dims=("chain", "draw", "effect"))
    return Effects("X", "Y", table, array, standardized, 0.95, ())


def mediation_result():
    types = pd.DataFrame(
        {
            "path": ["X -> M -> Y", "total indirect"],
            "group": "",
            "indirect-only": 0.8,
            "complementary": 0.2,
            "type": "indirect-only",
        }
    )
    empty = pd.DataFrame()
    return Mediation(
        x="X",
        y="Y",
        mediators=("M",),
        effects=effects_result(False),
        standardized=effects_result(),
        types=types,
        proportion=pd.DataFrame({"group": [""], "p_signs_agree": [0.9]}),
        steps=empty,
        conditional=empty,
        index=empty,
        rope=0.1,
        rope_indirect=0.01,
        notes=(),
    )


def test_effects_forest_says_where_effects_hold():
    result = effects_result()
    ax = plots.plot_effects(result)
    assert labels(ax) == [
        "direct",
        "X → M → Y\nX at −1 SD",
        "X → M → Y\naveraged over X",
        "total\naveraged over X",
    ]
    shown = result.table.loc[[0, 1, 2, 4], "mean"]
    assert [x for x, _ in points(ax)] == pytest.approx(list(shown))


def test_mediation_densities_stand_over_their_means():
    result = mediation_result()
    ax = plots.plot_mediation(result)
    assert labels(ax) == ["direct", "X → M → Y", "total"]
    shown = result.standardized.table.loc[[0, 2, 4], "mean"]
    assert [x for x, _ in points(ax)] == pytest.approx(list(shown))
    curves = [line for line in ax.lines if len(line.get_xdata()) > 50]
    assert len(curves) == 3
    for curve, mean in zip(curves, shown, strict=True):
        # The highest point (y grows downwards) of a normal posterior is at its mean.
        assert curve.get_xdata()[np.argmin(curve.get_ydata())] == pytest.approx(mean, abs=0.03)
    assert ax.get_title(loc="left") == "P(indirect-only: full mediation) = .800"
    with pytest.raises(ModelError, match="'west' is not in this result"):
        plots.plot_mediation(result, group="west")


def test_mediation_draws_the_region_of_no_direct_effect_only_when_standardised():
    regions = [
        [
            c
            for c in plots.plot_mediation(mediation_result(), standardized=s).collections
            if set(np.round(c.get_paths()[0].vertices[:, 0], 6)) == {-0.1, 0.1}
        ]
        for s in (True, False)
    ]
    assert [len(found) for found in regions] == [1, 0]


def fake_fit_of_parameters(values):
    parameters = xr.DataArray(
        values,
        dims=("chain", "draw", "parameter"),
        coords={"parameter": ["RAD~AMC", "AMC=~co2[high]"]},
    )
    return SimpleNamespace(parameters=parameters)


def test_traces_and_ranks():
    values = RNG.standard_normal((3, 200, 2))
    values[0, :, 0] += 2.0  # a chain that sits elsewhere
    figure = plots.plot_traces(fake_fit_of_parameters(values), ["RAD~AMC", "AMC=~co2[high]"])
    trace, ranks, other, flat = figure.axes
    assert trace.get_title(loc="left") == "AMC → RAD"
    assert other.get_title(loc="left") == "AMC → co2 [high]"
    np.testing.assert_array_equal(trace.lines[1].get_ydata(), values[1, :, 0])
    counts = [patch.get_data().values for patch in ranks.patches[1:]]
    assert [c.sum() for c in counts] == [200, 200, 200]
    # The chain that sits elsewhere has none of the low ranks and leaves the band; the others do not
    band = ranks.patches[0].get_bbox()
    assert counts[0][0] < band.y0 and counts[0][-1] > band.y1
    calm = np.concatenate([patch.get_data().values for patch in flat.patches[1:]])
    inside = (calm >= flat.patches[0].get_bbox().y0) & (calm <= flat.patches[0].get_bbox().y1)
    assert inside.mean() > 0.9


def test_traces_refuse_unknown_names():
    fit = fake_fit_of_parameters(RNG.standard_normal((2, 10, 2)))
    with pytest.raises(ModelError, match=r"'speed~RAD' is no parameter.*RAD~AMC"):
        plots.plot_traces(fit, "speed~RAD")
    with pytest.raises(ModelError, match="names none"):
        plots.plot_traces(fit, [])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("RAD~AMC:AMC", "AMC² → RAD"),
        ("Y~X:Z[west]", "X × Z → Y [west]"),
        ("AMC=~co1", "AMC → co1"),
        ("x1~~x2", "x1 ↔ x2"),
        ("RAD~~RAD[low]", "variance of RAD [low]"),
        ("x1~1[low]", "intercept of x1 [low]"),
        ("ind", "ind"),
    ],
)
def test_readable_names(name, shown):
    assert readable(name) == shown


@pytest.mark.parametrize(
    ("probability", "text"), [(1.0, "> .999"), (0.0, "< .001"), (0.5, "= .500"), (0.0104, "= .010")]
)
def test_probabilities_are_never_certain(probability, text):
    assert chance(probability) == text


def test_names_of_paths_and_products():
    assert path_name("AMC:AMC -> RAD -> speed") == "AMC² → RAD → speed"
    assert term_name("A:B:C") == "A × B × C"


def measurement_result():
    from bayessem.model.structure import matrix_offsets

    names = ["x1", "x2", "x3", "y1", "y2", "y3"]
    data = pd.DataFrame(RNG.standard_normal((80, 6)), columns=names)
    data[names[:3]] += RNG.standard_normal((80, 1))
    data[names[3:]] += RNG.standard_normal((80, 1))
    prepared = SEM("f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3").prepare(data)
    structure = prepared.structure
    elements = np.zeros((2, 50, matrix_offsets(*structure.shape)[1]))
    matrices = structure.matrices(elements)
    for k in range(6):
        matrices["loadings"][..., k, k // 3] = RNG.normal(0.8, 0.05, (2, 50))
        matrices["residuals"][..., k, k] = 0.4
    matrices["disturbances"][:] = [[1.0, 0.3], [0.3, 1.0]]
    return assess(prepared, elements, bootstrap=50)


def test_measurement_shows_loadings_reliability_and_matrix():
    result = measurement_result()
    figure = plots.plot_measurement(result)
    left, upper, lower = figure.axes
    assert labels(left) == ["x1", "x2", "x3", "y1", "y2", "y3"]
    assert [x for x, _ in points(left)] == pytest.approx(list(result.loadings["mean"]))
    assert labels(upper) == ["f", "g"]
    dots = next(line for line in upper.lines if line.get_marker() == "o")
    omega = result.reliability[result.reliability["measure"] == "omega"]["mean"]
    np.testing.assert_allclose(dots.get_xdata(), omega)
    cells = {text.get_position(): text.get_text() for text in lower.texts}
    assert cells[0, 1] == ".30"  # column, row: the correlation, below the diagonal
    assert cells[1, 0] == f"{result.htmt['htmt'].iloc[0]:.2f}".replace("0.", ".")
    root = np.sqrt(result.fornell_larcker["ave"].iloc[0])
    assert cells[0, 0] == f"{root:.2f}".replace("0.", ".")
    with pytest.raises(ModelError, match="not in this result"):
        plots.plot_measurement(result, group="west")


def curve_result(curves=("",)):
    grid = np.linspace(-2, 2, 9)
    frames = [
        pd.DataFrame(
            {
                "x": grid * 3,
                "x_sd": grid,
                "group": "",
                "at": at,
                "mean": grid * (k + 1),
                "lower": grid * (k + 1) - 0.5,
                "upper": grid * (k + 1) + 0.5,
            }
        )
        for k, at in enumerate(curves)
    ]
    return WhatIf("X", "Y", pd.concat(frames), xr.DataArray(0.0), 0.95, ())


def test_what_if_curves():
    ax = plots.plot_what_if(curve_result(("Z at -1 SD", "Z at +1 SD")), in_sd=True)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 2 * np.linspace(-2, 2, 9))
    np.testing.assert_allclose(ax.lines[1].get_xdata(), np.linspace(-2, 2, 9))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Z at −1 SD", "Z at +1 SD"]
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    own = plots.plot_what_if(curve_result())
    np.testing.assert_allclose(own.lines[0].get_xdata(), 3 * np.linspace(-2, 2, 9))
    assert own.get_legend() is None


def slopes_result(values):
    slope = 0.5 + np.asarray(values)
    table = pd.DataFrame(
        {
            "value": values,
            "value_sd": values,
            "group": "",
            "mean": slope,
            "lower": slope - 0.5,
            "upper": slope + 0.5,
            "p_positive": np.clip(0.5 + slope, 0, 1),
        }
    )
    regions = pd.DataFrame(
        [("", -np.inf, -1.0, "negative"), ("", 0.0, np.inf, "positive")],
        columns=["group", "start", "end", "sign"],
    )
    return Slopes("X", "Y", "Z", table, xr.DataArray(0.0), regions, pd.DataFrame(), 0.95, ())


def test_simple_slopes():
    ax = plots.plot_slopes(slopes_result([-1.0, 0.0, 1.0]))
    assert labels(ax) == ["Z at −1 SD", "Z at mean", "Z at +1 SD"]
    assert [x for x, _ in points(ax)] == pytest.approx([-0.5, 0.5, 1.5])


def test_johnson_neyman_marks_the_regions():
    figure = plots.plot_johnson_neyman(slopes_result(np.linspace(-3, 3, 61)))
    upper, lower = figure.axes
    thick = [tuple(line.get_xdata()) for line in upper.lines if line.get_linewidth() == 2.0]
    assert thick == [(-3.0, -1.0), (0.0, 3.0)]
    assert {text.get_text() for text in upper.texts} == {"−1.00", "0.00"}
    assert lower.get_ylabel() == "P(slope > 0)" and lower.get_xlabel() == "Z"


def shape_result(groups=("",)):
    size = (2, 200)
    names = [g or "all" for g in groups]
    drawn = []
    for _ in groups:
        linear, square = RNG.normal(0.2, 0.02, size), RNG.normal(-0.4, 0.03, size)
        of = {"level": 1.0, "linear": linear, "square": square, "low": -1.5, "high": 1.7}
        of["slope_low"], of["slope_high"] = (linear + 2 * square * of[e] for e in ("low", "high"))
        of["turning_point"] = -linear / (2 * square)
        drawn.append(np.stack([np.broadcast_to(of[q], size) for q in QUANTITIES], axis=-1))
    draws = xr.DataArray(
        np.stack(drawn, axis=-2),
        dims=("chain", "draw", "group", "quantity"),
        coords={"group": names, "quantity": list(QUANTITIES)},
    )
    turning = draws.sel(quantity="turning_point").values
    points = pd.DataFrame(
        {
            "group": list(groups),
            "kind": "peak",
            "median": np.median(turning, axis=(0, 1)),
            "lower": np.quantile(turning, 0.025, axis=(0, 1)),
            "upper": np.quantile(turning, 0.975, axis=(0, 1)),
        }
    )
    chances = pd.DataFrame(
        {"group": list(groups), "inverted U": 0.97, "U": 0.0, "increasing": 0.03, "decreasing": 0.0}
    )
    empty = pd.DataFrame()
    return Shape("X", "Y", "direct", chances, empty, points, empty, empty, empty, draws, 0.95, ())


def test_shape_curve_peaks_at_the_turning_point():
    result = shape_result()
    rug = RNG.standard_normal(60)
    figure = plots.plot_shape(result, rug=rug)
    upper, lower = figure.axes
    curve = upper.lines[0]
    median = result.turning_point["median"].iloc[0]
    assert curve.get_xdata()[np.argmax(curve.get_ydata())] == pytest.approx(median, abs=0.06)
    assert upper.get_title(loc="left") == "P(inverted U) = .970, P(increasing) = .030"
    ticks = next(c for c in lower.collections if len(c.get_paths()) == len(rug))
    at = [path.vertices[0, 0] for path in ticks.get_paths()]
    np.testing.assert_array_equal(at, np.sort(rug))
    assert any(x == pytest.approx(median) for x, _ in points(lower))
    assert np.interp(0.0, curve.get_xdata(), curve.get_ydata()) == pytest.approx(1.0, abs=0.01)
    # Respondents far outside are not followed for ever.
    assert plots.plot_shape(result, rug=[50.0]).axes[0].get_xlim()[1] < 4.0


def test_shape_of_groups():
    result = shape_result(("low", "high"))
    upper = plots.plot_shape(result).axes[0]
    assert [t.get_text() for t in upper.get_legend().get_texts()] == ["low", "high"]
    assert len(plots.plot_shape(result, group="high").axes[0].lines) == 1
    with pytest.raises(ModelError, match="'west' is not in this result; groups: low, high"):
        plots.plot_shape(result, group="west")


def test_given_axes_are_used_and_the_users_style_is_kept():
    before = dict(mpl.rcParams)
    _, ax = plt.subplots()
    assert plots.plot_effects(effects_result(), ax=ax) is ax
    assert plots.plot_mediation(mediation_result(), ax=ax) is ax
    assert plots.plot_what_if(curve_result(), ax=ax) is ax
    assert plots.plot_slopes(slopes_result([0.0, 1.0]), ax=ax) is ax
    assert isinstance(plots.plot_effects(effects_result()), Axes)
    assert isinstance(plots.plot_shape(shape_result()), Figure)
    assert dict(mpl.rcParams) == before


def test_density_is_a_density():
    grid, height = density(np.append(RNG.standard_normal(5000), np.nan))
    assert np.trapezoid(height, grid) == pytest.approx(1.0, abs=0.02)
    assert np.interp(0.0, grid, height) == pytest.approx(1 / np.sqrt(2 * np.pi), abs=0.04)


def test_colours_differ_in_lightness_or_hue():
    rgb = np.array([mpl.colors.to_rgb(c) for c in COLOURS])
    apart = np.abs(rgb[:, None] - rgb[None]).sum(axis=-1)[np.triu_indices(len(COLOURS), 1)]
    assert apart.min() > 0.3


def test_plots_have_one_signature():
    import inspect

    for name in plots.__all__:
        parameters = list(inspect.signature(getattr(plots, name)).parameters.values())
        later = [p for p in parameters[2:] if p.kind is not inspect.Parameter.KEYWORD_ONLY]
        assert not later, f"{name}: {later} should be keyword-only"


def test_measurement_of_one_construct_and_of_single_items():
    from bayessem.model.structure import matrix_offsets

    data = pd.DataFrame(RNG.standard_normal((40, 3)), columns=["x1", "x2", "x3"])
    for model, names in (("f =~ x1 + x2 + x3", ["f"]), ("f =~ x1\ng =~ x2\ng ~ f", [])):
        prepared = SEM(model).prepare(data)
        structure = prepared.structure
        elements = np.zeros((2, 8, matrix_offsets(*structure.shape)[1]))
        matrices = structure.matrices(elements)
        matrices["loadings"][..., :, 0] = 0.8
        if len(structure.variables) > 1:
            matrices["loadings"][:] = np.eye(2)
            matrices["paths"][..., 1, 0] = RNG.normal(0.3, 0.1, (2, 8))
        else:
            matrices["residuals"][:] = 0.3 * np.eye(3)
        matrices["disturbances"][:] = np.eye(len(structure.variables))
        figure = plots.plot_measurement(assess(prepared, elements, bootstrap=20))
        title = "Reliability and convergent validity"
        shown = [labels(ax) for ax in figure.axes if ax.get_title(loc="left") == title]
        assert shown == ([names] if names else [])  # no empty panel


@pytest.fixture(scope="module")
def surface():
    """Highest at congruence, ridge and stationary point in sight; two values of a moderator."""
    from bayessem.shapes.response_surface import response_surface
    from tests.drawn import drawn_fit

    fit = drawn_fit("y ~ x + z + b3*x:x + b4*x:z + b5*z:z + i*x:w + w",
                    b3=-0.5, b4=0.5, b5=-0.4, i=0.3)  # fmt: skip
    return response_surface(fit, "x", "z", "y", at=(-1, 1), center=0.0)


def test_surface_from_above_shows_lines_axes_respondents_and_the_stationary_point(surface):
    ax = plots.plot_response_surface(surface, surface="w at +1 SD")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "congruence, x = z", "incongruence", "ridge (first axis)", "second axis",
        "stationary point",
    ]  # fmt: skip
    dots = ax.lines[0]
    np.testing.assert_array_equal(dots.get_xdata(), surface.scores["x"])
    means = surface.table[surface.table["at"] == "w at +1 SD"].set_index("quantity")["mean"]
    drawn = Surface(*(means[f"b{k}"] for k in range(6)))
    ridge = [line for line in ax.lines if line.get_linewidth() == 1.6]
    assert ridge[0].get_slope() == pytest.approx(drawn.principal_axes().equations()[1])
    mark = next(line for line in ax.lines if line.get_marker() == "D")
    assert mark.get_xydata()[0] == pytest.approx(drawn.stationary_point()[:2])
    assert ax.get_title(loc="left").startswith("w at +1 SD\nP(congruence effect): broad")
    with pytest.raises(ModelError, match="surfaces: w at -1 SD, w at \\+1 SD"):
        plots.plot_response_surface(surface, surface="all")


def test_surface_in_space_shows_the_mean_between_its_band(surface):
    figure = plots.plot_surface_3d(surface)
    (ax,) = figure.axes
    grid = surface.grid()
    low, high = ax.get_zlim()
    assert low < grid["lower"].min() and high >= grid["upper"].max()
    along = ax.lines[0]
    x, z, y = along.get_data_3d()
    np.testing.assert_allclose(x, z)
    own = grid[np.isclose(grid["x"], grid["z"])]
    np.testing.assert_allclose(y, own["mean"])
    x, z, _ = ax.lines[2].get_data_3d()
    np.testing.assert_allclose(x, -z)


def importance(groups, constructs):
    rows = [
        {"group": g, "construct": c, "importance": 0.3 + 0.01 * k, "performance": 50.0 + k}
        for k, (g, c) in enumerate((g, c) for g in groups for c in constructs)
    ]
    table = pd.DataFrame(rows)
    for name, width in (("importance", 0.2), ("performance", 5.0)):
        table[f"{name}_lower"], table[f"{name}_upper"] = table[name] - width, table[name] + width
    return SimpleNamespace(table=table, target="Y")


def test_importance_of_groups_has_a_panel_a_construct():
    groups = [f"a group with a long name {k}" for k in range(7)]
    figure = plots.plot_importance(importance(groups, ["A", "B"]))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["A", "B"]
    assert [len(ax.containers) for ax in figure.axes] == [7, 7]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == groups
    ax = plots.plot_importance(importance([""], ["A", "B"]))
    assert [text.get_text() for text in ax.texts] == ["A", "B"]
