"""Every figure can be read: answers on a scale, seven groups, long names, names in any script."""

import warnings
from dataclasses import replace
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from legible import figure_of, problems

import bayessem as bs
from bayessem import plots
from bayessem.comparison.compare import compare_results
from bayessem.plots import fonts
from bayessem.plots.wrapping import inches, wrapped

MODEL = """
{AMC} =~ {co1} + {co2} + {co3}
{SPEED} =~ {sp1} + {sp2} + {sp3}
{SPEED} ~ {AMC} + {AMC}:{AMC}
{age} ~ {SPEED} + {AMC}
"""
SHORT = ("AMC", "SPEED", "age", "co1", "co2", "co3", "sp1", "sp2", "sp3")
LONG = {
    "AMC": "alliance_management_capability",
    "SPEED": "speed_of_new_product_development",
    "age": "age_of_the_firm_in_full_years_",
    **{f"co{k}": f"coordination_with_all_partners{k}" for k in (1, 2, 3)},
    **{f"sp{k}": f"speed_compared_to_competitors_{k}" for k in (1, 2, 3)},
}
CJK = {
    "AMC": "联盟管理能力",
    "SPEED": "開発の速さ",
    "age": "기업연령",
    **{f"co{k}": f"协调{k}" for k in (1, 2, 3)},
    **{f"sp{k}": f"速さ{k}" for k in (1, 2, 3)},
}
GROUPS = (
    "biotechnology", "semiconductors", "automotive", "chemicals", "software", "telecommunication",
    "energy",
)  # fmt: skip
KINDS = ("answers", "groups", "long", "cjk")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def names_of(kind):
    return {n: {"long": LONG, "cjk": CJK}.get(kind, {}).get(n, n) for n in SHORT}


@cache
def fitted(kind):
    """A short fit to simulated answers from 1 to 5 (or to continuous data of seven groups)."""
    rng = np.random.default_rng(5)
    n = 350 if kind == "groups" else 240
    a = rng.standard_normal(n)
    b = 0.5 * a - 0.25 * a * a + 0.7 * rng.standard_normal(n)
    values = {f"co{k}": 3 + 0.9 * a + 0.5 * rng.standard_normal(n) for k in (1, 2, 3)}
    values |= {f"sp{k}": 3 + 0.9 * b + 0.5 * rng.standard_normal(n) for k in (1, 2, 3)}
    data = pd.DataFrame(values)
    options = {}
    if kind == "groups":
        data["industry"] = [GROUPS[k % 7] for k in range(n)]
        options = {"group": "industry", "pooling": bs.partial("SPEED~AMC", "SPEED~AMC:AMC")}
    else:
        data = data.round().clip(1, 5)
    data["age"] = 30 + b + rng.normal(0, 2, n)
    names = names_of(kind)
    sem = bs.SEM(MODEL.format(**names))
    data = data.rename(columns=names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bs.BayessemWarning)  # few draws
        fit = sem.fit(data, draws=60, tune=150, chains=2, random_seed=1, progress=False, **options)
    return sem, data, fit


def loo_of(kind):
    return fitted(kind)[2].loo(moment_match=False, refit=False)


def compared(kind):
    found = loo_of(kind)
    gap = np.random.default_rng(2).normal(0.05, 0.4, len(found.pointwise))
    worse = replace(found, pointwise=found.pointwise.assign(elpd=found.pointwise["elpd"] - gap))
    names = {
        "long": ("the curve with an inverted U-shape", "a straight line without a square"),
        "cjk": ("二次模型", "線形"),
    }.get(kind, ("quadratic", "linear"))
    return compare_results(dict(zip(names, (found, worse), strict=True)), (), random_seed=1)


def effects_of(kind):
    names = names_of(kind)
    return fitted(kind)[2].effects(names["AMC"], names["age"])


def mediation_of(kind):
    names = names_of(kind)
    return fitted(kind)[2].mediation(names["AMC"], names["age"])


def what_if_of(kind):
    names = names_of(kind)
    return fitted(kind)[2].what_if(names["AMC"], names["SPEED"])


def prior_of(kind):
    sem, data, _ = fitted(kind)
    group = {"group": "industry"} if kind == "groups" else {}
    return sem.prior_consequences(data, draws=100, **group)


ALL = {
    "estimates": lambda k: plots.plot_estimates(fitted(k)[2]),
    "unstandardised": lambda k: plots.plot_estimates(
        fitted(k)[2], ("loading", "variance", "intercept"), standardized=False
    ),
    "traces": lambda k: plots.plot_traces(
        fitted(k)[2], [str(p) for p in fitted(k)[2].parameters["parameter"].values[[0, -1]]]
    ),
    "effects": lambda k: effects_of(k).plot(),
    "mediation": lambda k: mediation_of(k).plot(),
    "mediation, raw": lambda k: plots.plot_mediation(mediation_of(k), standardized=False),
    "shape": lambda k: fitted(k)[2].shape(names_of(k)["AMC"], names_of(k)["SPEED"]).plot(),
    "what if": lambda k: what_if_of(k).plot(),
    "what if, sd": lambda k: plots.plot_what_if(what_if_of(k), in_sd=True),
    "measurement": lambda k: fitted(k)[2].measurement().plot(),
    "pareto k": lambda k: loo_of(k).plot(),
    "loo-pit": lambda k: fitted(k)[2].loo_pit(random_seed=1).plot(),
    "comparison": lambda k: compared(k).plot(),
    "pointwise": lambda k: plots.plot_pointwise(compared(k)),
    "residuals": lambda k: fitted(k)[2].residuals().plot(),
    "correlations": lambda k: fitted(k)[2].predictive_check(draws=20).plot(),
    "indicators": lambda k: fitted(k)[2].predictive_check("indicators", draws=20).plot(),
    "curve": lambda k: fitted(k)[2].predictive_check("shape", draws=20).plot(),
    "sensitivity": lambda k: fitted(k)[2].sensitivity(threshold=0.02).plot(),
    "priors": lambda k: prior_of(k).plot(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.filterwarnings("ignore:no installed font")
def test_texts_are_inside_and_apart(name, kind):
    assert problems(figure_of(ALL[name](kind))) == []


def test_the_helper_sees_what_is_wrong():
    figure, ax = plt.subplots(figsize=(2, 2))
    ax.set_title("a title that is much wider than the figure above which it stands")
    ax.text(0.5, 0.5, "one text")
    ax.text(0.52, 0.5, "another")
    found = problems(figure)
    assert any(said.startswith("outside the figure: 'a title") for said in found)
    assert "on each other: 'one text' and 'another'" in found


def test_bars_are_the_shares_of_the_answers():
    _, data, fit = fitted("answers")
    result = fit.predictive_check("indicators", draws=20)
    figure = result.plot()
    panels = {ax.get_title(loc="left"): ax for ax in figure.axes if ax.get_visible()}
    for name in ("co1", "sp3"):
        ax = panels[name]
        counts = data[name].value_counts().reindex([1.0, 2.0, 3.0, 4.0, 5.0]).fillna(0)
        heights = [patch.get_height() for patch in ax.patches]
        np.testing.assert_allclose(heights, [0.0, *(counts / len(data)).to_numpy(dtype=float), 0.0])
        ticks = [t.get_text() for t in ax.get_xticklabels()]
        assert ticks == ["< 1", "1", "2", "3", "4", "5", "> 5"]
        own = result.categories[result.categories["variable"] == name]
        middle = np.asarray(ax.lines[0].get_ydata(), dtype=float)
        np.testing.assert_allclose(middle, own["mean"].to_numpy())
        assert own["mean"].sum() == pytest.approx(1.0)
    assert not panels["age"].patches and len(panels["age"].lines) == 21  # densities


def test_the_matrix_has_no_empty_column():
    ax = fitted("answers")[2].measurement().plot().axes[2]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["AMC", "SPEED"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["AMC", "SPEED", "age"]
    assert ax.images[0].get_array().shape == (3, 2)


def test_units_are_on_the_axes():
    ax = what_if_of("answers").plot()
    assert " ".join(ax.get_xlabel().split()) == "AMC is set to (latent, centred, in units of co1)"
    assert " ".join(ax.get_ylabel().split()) == "Expected SPEED (latent, in units of sp1)"


def test_groups_alike_are_drawn_once():
    ax = plots.plot_estimates(fitted("groups")[2], standardized=False)
    dots = [ln for ln in ax.lines if len(ln.get_xdata()) == 1 and ln.get_marker() != "None"]
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels[0] == "AMC → SPEED"
    assert len(dots) == sum(7 if label.endswith("SPEED") else 1 for label in labels)
    assert len(ax.get_legend().get_texts()) == 7
    keys = {(h.get_color(), h.get_marker()) for h in ax.get_legend().legend_handles}
    assert len(keys) == 7


def test_missing_characters_are_told_once(monkeypatch):
    monkeypatch.setattr(fonts, "_told", set())
    ax = plt.figure().add_subplot()
    ax.set_title("\U0001e2c0 and x")  # a letter of Wancho, which no common font has
    with pytest.warns(bs.BayessemWarning, match="no installed font has 1 character") as told:
        fonts.with_glyphs(ax.figure)
    assert "addfont" in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fonts.with_glyphs(ax.figure)
        ax.figure.canvas.draw()  # matplotlib says nothing either


def test_a_font_with_the_glyphs_is_chosen():
    ax = plt.figure().add_subplot()
    ax.set_xticks([0, 1], ["Ж", "b"], fontfamily="cmr10")  # which has no Cyrillic
    ax.set_title("Жук")
    fonts.with_glyphs(ax.figure)
    assert ax.get_xticklabels()[0].get_fontfamily() == ["cmr10", "DejaVu Sans"]
    assert ax.title.get_fontfamily() == ["sans-serif"]


def test_dollars_are_no_mathematics():
    figure = plots.plot_traces(fitted("answers")[2], "SPEED~AMC")
    assert not figure.axes[0].title.get_parse_math()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alliance_management_capability", "alliance_\nmanagement_\ncapability"),
        ("short", "short"),
        ("P(inverted U) = .9", "P(inverted U) = .9"),
        ("联盟管理能力联盟管理能力联盟管理能力", "联盟管理能力联盟管\n理能力联盟管理能力"),
    ],
)
def test_names_are_broken_where_they_may_be(text, expected):
    assert wrapped(text, 1.1, 7.0) == expected


def test_no_line_is_wider_than_allowed():
    for name in [*LONG.values(), *CJK.values(), "x" * 80, "one two three four five six"]:
        assert inches(wrapped(name, 1.0, 7.0), 7.0) <= 1.0
        assert "".join(wrapped(name, 1.0, 7.0).split()) == "".join(name.split())


def test_results_are_drawn_by_their_type():
    fit = fitted("answers")[2]
    assert bs.plots is plots
    assert figure_of(fit.plot()).axes
    with pytest.raises(
        bs.NotSupported, match="CheckReport has no figure; those with one: CategoryEffects"
    ):
        fitted("answers")[0].check(fitted("answers")[1]).plot()


def test_names_of_points_that_lie_together_are_apart():
    """Five respondents in one place, at the right end, too."""
    from matplotlib import pyplot as plt

    from bayessem.plots.style import names_beside

    figure, ax = plt.subplots(figsize=(4, 3), layout="constrained")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 1)
    near = [(50 + k, 0.5, f"respondent {k}") for k in range(5)]
    end = [(100.0, 0.95, f"last {k}") for k in range(3)]
    names_beside(ax, near + end)
    assert problems(figure) == []
    assert {t.get_text() for t in ax.texts} == {name for *_, name in near + end}
    plt.close(figure)


def test_a_font_that_was_installed_since_matplotlib_listed_them_is_found(monkeypatch):
    """Matplotlib's list is kept on disk; a user who follows the advice need not know."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    every = list(manager.ttflist)
    sans = next(e for e in every if e.name == "DejaVu Sans" and e.weight in (400, "normal"))
    without = [e for e in every if "\N{CYRILLIC SMALL LETTER YA}" not in fonts._glyphs(e.fname)]
    monkeypatch.setattr(manager, "ttflist", without)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [sans.fname])
    for cached in (fonts._add_new_fonts, fonts._families_for, font_manager._get_font):
        cached.cache_clear()
    monkeypatch.setattr(fonts, "_characters", lambda families: frozenset("abc"))
    figure, ax = plt.subplots()
    ax.set_title("\N{CYRILLIC SMALL LETTER YA}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fonts.with_glyphs(figure)
    assert ax.title.get_fontfamily()[-1] == "DejaVu Sans"
    plt.close(figure)
    fonts._add_new_fonts.cache_clear()
