"""The scripts in models/: models written in PyMC are their texts' models; the closing tables."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import bayessem as bs
from bayessem.effects.effects import chance_text
from bayessem.shapes.surface import Surface
from data import simulate_support

MODELS = Path(__file__).resolve().parents[1] / "models"


@pytest.fixture(scope="module")
def scripts():
    """Import a script of models/ by name, with its neighbours importable as when it is run."""
    sys.path.insert(0, str(MODELS))
    yield importlib.import_module
    sys.path.remove(str(MODELS))


@pytest.fixture(scope="module")
def alliance(scripts):
    return scripts("alliance_capability")


@pytest.fixture(scope="module")
def hypotheses(scripts):
    return scripts("alliance_hypotheses")


@pytest.fixture(scope="module")
def export(scripts):
    return scripts("export_collaboration")


@pytest.fixture(scope="module")
def reporting(scripts):
    return scripts("reporting")


@pytest.fixture(scope="module")
def export_fit(export):
    sem = bs.SEM(export.MODEL)
    return sem.fit(export.read_data(), random_seed=1, draws=500, tune=500, progress=False)


# --- the models written in PyMC -------------------------------------------------------------------


def second_order(coordinate: str) -> str:
    """The alliance study's dimensions load on AMC; in PyMC their loadings are paths from AMC."""
    dimension = coordinate.removesuffix("~AMC")
    if dimension in ("PORTF", "LEARN", "PROACT", "TRANSF"):
        return f"AMC=~{dimension}"
    return coordinate


def table_name(variable: str, coordinate: str) -> str:
    """The table's name of a coordinate of a model written by hand."""
    if variable == "intercept":
        return f"{coordinate}~1"
    if variable in ("residual_sd", "disturbance_sd"):
        return f"{coordinate}~~{coordinate}"
    return second_order(coordinate)


def coordinates(model, variable):
    return [str(c) for c in model.coords[model.named_vars_to_dims[variable.name][0]]]


@pytest.mark.parametrize(("study", "text"), [("alliance", "QUADRATIC"), ("export", "MODEL")])
def test_the_model_written_in_pymc_has_the_log_probability_of_the_text(study, text, request):
    script = request.getfixturevalue(study)
    data = script.read_data()
    by_hand = script.pymc_model(data)
    by_text = bs.SEM(getattr(script, text)).model(data)
    hand = by_hand.compile_logp(mode="FAST_COMPILE")
    wanted = by_text.compile_logp(mode="FAST_COMPILE")
    generator = np.random.default_rng(3)
    start = by_text.initial_point()
    for _ in range(5):
        point = {k: v + 0.1 * generator.normal(size=np.shape(v)) for k, v in start.items()}
        # the same names of coordinates say which number is which
        named = {}
        for variable in by_text.free_RVs:
            value = point[by_text.rvs_to_values[variable].name]
            named |= dict(zip(coordinates(by_text, variable), np.atleast_1d(value), strict=True))
        other = {}
        for variable in by_hand.free_RVs:
            labels = [table_name(variable.name, c) for c in coordinates(by_hand, variable)]
            other[by_hand.rvs_to_values[variable].name] = np.array([named[x] for x in labels])
        assert hand(other) == pytest.approx(wanted(point), rel=1e-10)


# --- the closing tables ---------------------------------------------------------------------------


def test_alliance_rows_are_in_the_convention_of_the_study(hypotheses, alliance_fit):
    shapes = {y: alliance_fit.shape("AMC", y, lines=False) for y in ("RAD", "INC")}
    mediations = {y: alliance_fit.mediation("AMC", y) for y in ("speed", "SUCC")}
    rows = hypotheses.hypotheses(alliance_fit, shapes, mediations)
    assert [r.name for r in rows] == ["H1", "", "H2", "", "H3", "", "H4", ""]
    reported = ["0.65", "0.75", "0.73", "0.55", "0.15", "full", "0.61", "partial"]
    assert [r.reported for r in rows] == reported
    assert set(hypotheses.REPORTED_PATHS.values()) == {float(x) for x in reported if x[0] == "0"}

    summary = alliance_fit.summary()
    square = summary[(summary["lhs"] == "RAD") & (summary["rhs"] == "AMC:AMC")].iloc[0]
    assert rows[0].mean == pytest.approx(square["std_square"], rel=1e-6)
    # The curve turns upwards: no inverted U, and the sentence says what it is instead.
    assert rows[0].probability == shapes["RAD"].probabilities["inverted U"].iloc[0]
    assert rows[0].verdict == "not supported"
    assert "the relation is a U" in rows[0].words
    types = mediations["SUCC"].types.iloc[0]
    assert rows[7].probability == types["complementary"]
    indirect = mediations["SUCC"].standardized.draws.sel(
        effect="AMC -> INC -> SUCC (averaged over AMC)"
    )
    assert rows[7].mean == pytest.approx(float(indirect.mean()))


def test_share_below_the_turning_point(hypotheses, alliance_fit):
    shape = alliance_fit.shape("AMC", "RAD", lines=False)
    sd = np.sqrt(alliance_fit.parameters.sel(parameter="AMC~~AMC").values)
    turning = shape.draws.sel(quantity="turning_point").values[..., 0]
    simulated = np.random.default_rng(1).standard_normal((200, *sd.shape)) * sd < turning
    assert hypotheses.share_below(shape) == pytest.approx(simulated.mean(), abs=0.005)


def test_export_closes_with_its_mediation(export, export_fit):
    mediation = export_fit.mediation("COLLAB", "INDUSTRY")
    rows = export.hypotheses(export_fit, mediation)
    assert [r.name for r in rows] == ["H1", "H2", "H3", "H4"]
    assert {r.verdict for r in rows} == {"supported"}
    types = mediation.types.iloc[0]
    assert rows[3].probability == pytest.approx(types["complementary"] + types["indirect-only"])
    total = mediation.standardized.draws.sel(effect="total")
    assert rows[2].mean == pytest.approx(float(total.mean()))


# --- printing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [
        (0.96, "supported"),
        (0.80, "leaning to it"),
        (0.50, "open"),
        (0.10, "leaning against"),
        (0.01, "not supported"),
    ],
)
def test_verdicts(reporting, probability, verdict):
    row = reporting.Hypothesis("H1", "a claim", "0.5", 0.4, 0.3, 0.5, probability)
    assert row.verdict == verdict


def test_the_closing_table_is_aligned_and_explains_itself(reporting, capsys):
    rows = [
        reporting.Hypothesis("H1", "short", "0.50", 0.4, 0.3, 0.5, 0.9999, "in words, 90 % of it."),
        reporting.Hypothesis("", "a longer claim", "positive", -0.41, -1.2, 0.5, 0.2),
    ]
    reporting.print_hypotheses(rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("verdict") and lines[1].endswith("supported")
    assert len({len(line) for line in lines[:3]}) == 1
    assert "above .999" in lines[1] and "[-1.20, 0.50]" in lines[2]
    assert "supported from 0.95" in " ".join(lines)
    assert "H1: in words, 90 % of it." in lines


def test_ranges_name_what_lies_outside(reporting, capsys):
    found = {"loading": pd.Series({"x1": 0.75, "x2": 0.68, "x3": 0.6951})}
    reporting.print_ranges({"loading": (0.70, 0.91)}, found)
    line = capsys.readouterr().out.splitlines()[1]
    assert "0.68 to 0.75" in line
    assert line.endswith("x2 0.68")  # .6951 is .70 at the precision of the study


def test_measures_that_a_study_does_not_report_stay_empty(reporting, capsys):
    reporting.print_fit_measures({"theirs": {"chisq": 428.5, "df": 270, "cfi": 0.96}})
    assert capsys.readouterr().out.splitlines()[1].split() == ["theirs", "428.5", "270", "0.960"]


def test_published_numbers_stand_beside_the_posterior(reporting, export_fit, capsys):
    reporting.print_published(export_fit, {"FIRM~COLLAB": (0.60, 0.05)})
    line = capsys.readouterr().out.splitlines()[-1].split()
    mean = float(export_fit.parameters.sel(parameter="FIRM~COLLAB").mean())
    assert float(line[3]) == pytest.approx(mean, abs=5e-4)
    assert float(line[5]) == pytest.approx((mean - 0.60) / 0.05, abs=0.006)


def test_figures_are_written_on_request_only(reporting, export_fit, tmp_path, capsys):
    from bayessem import plots

    figures = {"estimates": lambda: plots.plot_estimates(export_fit)}
    assert reporting.write_figures(figures, None) == []
    (written,) = reporting.write_figures(figures, str(tmp_path / "new"))
    assert written.read_bytes().startswith(b"\x89PNG")
    assert "1 figures" not in capsys.readouterr().out


# --- the response surface -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def surface_study(scripts):
    return scripts("response_surface")


@pytest.fixture(scope="module")
def surface(surface_study):
    data = surface_study.read_data()
    sem = bs.SEM(surface_study.SURFACE)
    fit = sem.fit(data, random_seed=1, draws=300, tune=300, chains=2, progress=False)
    return fit.response_surface(*surface_study.NAMES, scores=False)


def test_the_models_of_the_surface_study_are_those_it_speaks_of(surface_study):
    data = surface_study.read_data()
    texts = (surface_study.SURFACE, surface_study.ADDITIVE, surface_study.FREE_LOADINGS)
    checks = [bs.SEM(text).check(data) for text in texts]
    assert all(check.ok for check in checks)

    def loadings(text):
        return {r.name: r.free for r in bs.SEM(text).table.rows if r.op == "=~"}

    equal, free = loadings(surface_study.SURFACE), loadings(surface_study.FREE_LOADINGS)
    for k in (2, 3):
        assert equal[f"PSS=~pss{k}"] == equal[f"POS=~pos{k}"]
        assert free[f"PSS=~pss{k}"] != free[f"POS=~pos{k}"]


def test_the_surface_study_compares_with_what_its_data_were_drawn_from(surface_study):
    published = dict(surface_study.PUBLISHED)
    names = ("b1", "b2", "b3", "b4", "b5")
    assert [published.pop(name) for name in names] == list(simulate_support.PUBLISHED.values())
    coefficients = (0.0, *simulate_support.PUBLISHED.values())
    lines = Surface(*map(np.array, coefficients)).lines()
    assert list(published) == ["a1", "a2", "a3", "a4"]
    assert list(published.values()) == pytest.approx(lines[:4])


def test_the_surface_study_recovers_the_published_coefficients(surface):
    assert surface.metric == "raw"  # one unit, the one of the published coefficients here
    names = ["b1", "b2", "b3", "b4", "b5"]
    draws = surface.draws.sel(quantity=names).values.reshape(-1, len(names))
    scale = np.cov(draws.T)

    def distance(values):
        gap = draws.mean(axis=0) - values
        return gap @ np.linalg.solve(scale, gap)

    # The published surface is one of those that the data leave possible; with x and z exchanged,
    # or the interaction turned round, it is not. (300 employees do not rule out half of it.)
    limit = chi2.ppf(0.999, len(names))
    b1, b2, b3, b4, b5 = simulate_support.PUBLISHED.values()
    assert distance((b1, b2, b3, b4, b5)) < limit
    assert distance((b2, b1, b5, b4, b3)) > limit
    assert distance((b1, b2, b3, -b4, b5)) > limit


def test_the_surface_study_prints_the_published_numbers_beside_its_own(
    surface_study, surface, capsys
):
    surface_study.print_recovery(surface)
    lines = capsys.readouterr().out.splitlines()
    (b4,) = (line for line in lines if line.startswith("b4"))
    own = surface.table.set_index("quantity").loc["b4"]
    assert b4.split()[1:3] == ["0.27", f"{own['mean']:.3f}"]
    inside = own["lower"] <= 0.27 <= own["upper"]
    assert b4.endswith("yes" if inside else "no")


def test_the_surface_study_says_what_its_draws_say_and_that_its_data_are_simulated(
    surface_study, surface, capsys
):
    surface_study.conclusions(surface)
    said = " ".join(capsys.readouterr().out.split())
    for name, claim in (("a1", "(a1 > 0)"), ("a3", "(a3 < 0)"), ("a4", "(a4 < 0)")):
        sign = 1 if ">" in claim else -1
        chance = float((sign * surface.draws.sel(quantity=name).values > 0).mean())
        assert f"{claim} with probability {chance_text(chance)}" in said
    broad = surface.claims["congruence effect, broad sense"].iloc[0]
    assert f"where both agree has probability {chance_text(broad)}" in said
    assert "The data are simulated with the published coefficients" in said


# --- the items as answered ------------------------------------------------------------------------


def test_the_items_as_answered_are_those_that_were_simulated_rounded_to_1_to_7(scripts, alliance):
    script = scripts("alliance_as_answered")
    raw = alliance.read_data()
    data = script.answers(raw)
    items = script.items_of(data)
    assert len(items) == 26 and "speed" not in items
    assert set(np.unique(data[items])) == set(range(1, 8))
    inside = raw[items].clip(1, 7)
    assert float((data[items] - inside).abs().max().max()) <= 0.5
    pd.testing.assert_frame_equal(data.drop(columns=items), raw.drop(columns=items))


def test_check_of_the_items_as_answered_names_one_way_of_integrating(scripts):
    """The square of AMC is no integral of its own beside those over the constructs."""
    script = scripts("alliance_as_answered")
    data = script.answers(script.read_data())
    said = str(bs.SEM(script.QUADRATIC, ordered=script.items_of(data)).check(data))
    assert "integrated out on nodes, exactly" in " ".join(said.split())
    assert "single integral" not in said


def test_answers_stand_beside_the_same_answers_as_numbers(scripts, alliance_fit, capsys):
    """The closing table: a verdict that changes is named, and none when none does."""
    script = scripts("alliance_as_answered")
    rows = script.rows_of(alliance_fit)
    script.print_side_by_side(rows, rows)
    assert "No verdict depends on" in capsys.readouterr().out
    other = [replace(rows[0], probability=0.99), *rows[1:]]
    script.print_side_by_side(other, rows)
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "Other verdicts: AMC on RAD is an inverted U (square) "
        "(not supported with numbers, supported with answers)." in said
    )


# --- years, some of them censored -----------------------------------------------------------------


def test_firms_are_asked_after_eleven_years(scripts, alliance):
    script = scripts("alliance_speed")
    raw = alliance.read_data()
    known = script.asked(raw)
    late = raw["years"] > script.ASKED
    assert 50 < late.sum() < 150
    assert (known["not_yet"] == late).all() and known["years"].max() == script.ASKED
    pd.testing.assert_series_equal(known.loc[~late, "years"], raw.loc[~late, "years"])
    sem = bs.SEM(script.DURATION, family={"years": "lognormal"}, censored={"years": "not_yet"})
    said = " ".join(str(sem.check(known)).split())
    assert "closed form" in said and f"{late.sum()} right-censored" in said


def test_what_is_faster_is_positive_whether_years_or_speed(scripts, alliance, capsys):
    """Years to the score's normal distribution: the log of years with another sign."""
    script = scripts("alliance_speed")
    data = alliance.read_data()
    short = {"draws": 100, "tune": 200, "chains": 2, "random_seed": 1, "progress": False}
    years = bs.SEM(script.DURATION, family={"years": "lognormal"}).fit(data, **short)
    logs = bs.SEM(script.LINEAR.replace("speed ~~ 0*SUCC", "")).fit(
        data.assign(speed=-np.log(data["years"])), **short
    )
    rows = {"years": script.rows_of(years), "logs": script.rows_of(logs)}
    for one, other in zip(*rows.values(), strict=True):
        assert one.lower < one.mean < one.upper
        spread = (one.upper - one.lower) / 4.0
        assert abs(one.mean - other.mean) < spread  # the same posterior, by other chains
    script.print_side_by_side(rows)
    assert "RAD makes faster" in capsys.readouterr().out
