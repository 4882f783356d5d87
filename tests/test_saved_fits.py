"""A saved fit answers every method as the fresh one does."""

import dataclasses
import inspect

import docx
import numpy as np
import openpyxl
import pandas as pd
import pytest
import xarray as xr
from example_models import noise
from matplotlib.text import Text

import bayessem as bs
from bayessem import SEM, Fit, load
from bayessem.text.described import Described

SHORT = {"draws": 150, "tune": 200, "chains": 2, "random_seed": 1, "progress": False}


def waves():
    """A mediation with a square, missing values, and respondents labelled by team and time."""
    rng = np.random.default_rng(5)
    n = 120
    x = rng.normal(size=n)
    m = 0.5 * x + 0.8 * rng.normal(size=n)
    y = 0.4 * m - 0.2 * x**2 + 0.8 * rng.normal(size=n)
    data = pd.DataFrame(
        {
            f"{name}{i}": factor + 0.5 * rng.normal(size=n)
            for name, factor in (("x", x), ("m", m), ("y", y))
            for i in (1, 2, 3)
        }
    )
    data["z"] = rng.normal(size=n)
    data = data.mask(rng.random(data.shape) < 0.03)
    data.iloc[[7, 30]] = np.nan
    times = pd.date_range("2026-03-01", periods=n // 4, freq="D", tz="Europe/Berlin")
    data.index = pd.MultiIndex.from_product([list("abcd"), times], names=["team", "day"])
    return data


def curved():
    model = (
        "X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nY =~ y1 + y2 + y3\n"
        "M ~ a*X + z\nY ~ b*M + c*X + X:X\nab := a*b"
    )
    return SEM(model).fit(waves(), priors={"path": bs.Prior("normal", mu=0, sigma=0.7)}, **SHORT)


def pooled():
    rng = np.random.default_rng(6)
    site = np.repeat([10, 20, 30, 40, 50], [20, 25, 30, 22, 24])
    u = dict(zip([10, 20, 30, 40, 50], rng.normal(size=5), strict=True))
    data = noise("q1 q2 q3 y", n=len(site)).assign(site=site)
    shift = data["site"].map(u)
    factor = rng.normal(size=len(site))
    for name in ("q1", "q2", "q3"):
        data[name] = 0.5 * data[name] + factor
    data["y"] = 0.6 * data["y"] + factor * (0.5 + 0.2 * shift)
    data["w"] = shift + rng.normal(size=len(site))
    data.loc[3] = np.nan
    data.loc[3, "site"] = 10
    return SEM("F =~ q1 + q2 + q3\ny ~ F").fit(
        data.set_index("w", drop=False),
        group="site",
        group_order=[20, 10, 30, 40],
        pooling=bs.partial("y ~ F", by="w"),
        **SHORT,
    )


def moderated():
    data = noise("x w y", n=90)
    data["y"] += 0.5 * data["x"] + 0.3 * data["x"] * data["w"]
    data.index = [f"0{i}" for i in range(90)]
    return SEM("y ~ x + w + x:w").fit(data, **SHORT)


def turned():
    """Without a marker, and with its strongest item reversed: its loading is kept below 0."""
    data = noise("q1 q2 q3 y", n=100)
    factor = np.random.default_rng(8).normal(size=100)
    for name, loading in (("q1", 0.3), ("q2", -1.5), ("q3", 1.2), ("y", 0.8)):
        data[name] += loading * factor
    fit = SEM("F =~ q1 + q2 + q3\ny ~ F", std_lv=True).fit(data, **SHORT)
    assert fit.settings["signs"]
    return fit


def answered():
    """Ordered and binary answers, with missing ones, a covariate and texts for categories."""
    data = noise("z q1 q2 q3 y", n=120)
    factor = np.random.default_rng(9).normal(size=120)
    for name in ("q1", "q2", "q3"):
        data[name] = np.searchsorted([-0.6, 0.8], data[name] + factor)
    data["q2"] = pd.Categorical.from_codes(data["q2"], ["no", "perhaps", "yes"], ordered=True)
    data["y"] = (data["y"] + factor > 0.4).astype(float)
    data.loc[5, ["q1", "y"]] = np.nan
    model = "F =~ q1 + q2 + q3\nF ~ z\ny ~ F"
    return SEM(model, ordered=True, family={"y": "bernoulli"}).fit(data, **SHORT)


def clustered():
    """Two levels, with a construct at both and missing answers; clusters named by texts."""
    data = noise("w x q1 q2 q3", n=120)
    team = np.arange(120) // 4
    effect = np.random.default_rng(10).normal(size=30)
    for name in ("q1", "q2", "q3"):
        data[name] += effect[team] + data["x"]
    data["w"] = 0.5 * effect[team] + data["w"].to_numpy()[team]
    data["team"] = [f"team {t}" for t in team]
    data.loc[7, "q1"] = np.nan
    text = "level: 1\nF =~ q1 + q2 + q3\nF ~ x\nlevel: 2\nB =~ q1 + q2 + q3\nB ~ w"
    return SEM(text).fit(data, cluster="team", **SHORT)


def counted():
    """Counts over years of exposure, and a censored duration."""
    data = noise("q1 q2 q3", n=120)
    rng = np.random.default_rng(11)
    factor = rng.normal(size=120)
    for name in ("q1", "q2", "q3"):
        data[name] = 0.6 * data[name] + factor
    data["years"] = rng.integers(1, 4, size=120)
    data["y"] = rng.poisson(data["years"] * np.exp(0.3 + 0.4 * factor))
    waited = np.exp(1.0 - 0.4 * factor + 0.5 * rng.normal(size=120))
    data["t"], data["open"] = np.minimum(waited, 4.0), (waited > 4.0).astype(int)
    return SEM(
        "F =~ q1 + q2 + q3\ny ~ F\nt ~ F",
        family={"y": "poisson", "t": "weibull"},
        exposure={"y": "years"},
        censored={"t": "open"},
    ).fit(data, **SHORT)


def populations():
    return pooled().population()


FITS = {
    "curved": curved,
    "pooled": pooled,
    "moderated": moderated,
    "turned": turned,
    "answered": answered,
    "clustered": clustered,
    "counted": counted,
    "population": populations,
}
ENDS = {
    "curved": ("X", "Y"),
    "pooled": ("F", "y"),
    "moderated": ("x", "y"),
    "turned": ("F", "y"),
    "answered": ("F", "y"),
    "clustered": ("w", "B"),
    "counted": ("F", "y"),
    "population": ("F", "y"),
}
NEW = pd.DataFrame(
    {**{f"{c}{i}": [0.2, -1.0] for c in "xmyq" for i in (1, 2, 3)}, "z": 0.5, "x": 1.0, "w": 0.3}
).assign(site=[30, 10])


def cells(path):
    """What stands in a workbook, sheet by sheet."""
    book = openpyxl.load_workbook(path)
    return {sheet.title: [[c.value for c in row] for row in sheet.iter_rows()] for sheet in book}


def asked(method):
    """How each public method of a fit is called: (fit, x, y, folder) -> result."""
    return {
        "effects": lambda f, x, y, d: f.effects(x, y),
        "effects_with_population": lambda f, x, y, d: f.effects_with_population(x, y),
        "mediation": lambda f, x, y, d: f.mediation(x, y),
        "shape": lambda f, x, y, d: f.shape(x, y),
        "hypotheses": lambda f, x, y, d: f.hypotheses([f"{y} ~ {x} > 0", f"total {x} -> {y} > 0"]),
        "what_if": lambda f, x, y, d: f.what_if(x, y),
        "simple_slopes": lambda f, x, y, d: f.simple_slopes(x, y),
        "johnson_neyman": lambda f, x, y, d: f.johnson_neyman(x, y, points=11),
        "response_surface": lambda f, x, y, d: f.response_surface(x, "w", y, scores=False),
        "diagram": lambda f, x, y, d: f.diagram().tikz(),
        "plot": lambda f, x, y, d: [text.get_text() for text in f.plot().findobj(Text)],
        "measurement": lambda f, x, y, d: f.measurement(bootstrap=50),
        "category_probabilities": lambda f, x, y, d: f.category_probabilities(draws=20),
        "icc": lambda f, x, y, d: f.icc(),
        "scores": lambda f, x, y, d: f.scores(),
        "predict": lambda f, x, y, d: f.predict(NEW, variables=y, draws=50),
        "loo": lambda f, x, y, d: f.loo(refit=False),
        "kfold": lambda f, x, y, d: f.kfold(k=2),
        "leave_group_out": lambda f, x, y, d: f.leave_group_out(),
        "loo_pit": lambda f, x, y, d: f.loo_pit(),
        "pooling": lambda f, x, y, d: f.pooling(),
        "population": lambda f, x, y, d: f.population(),
        "indices": lambda f, x, y, d: f.indices(replicas=20),
        "residuals": lambda f, x, y, d: f.residuals(),
        "modification_indices": lambda f, x, y, d: f.modification_indices(draws=5),
        "predictive_check": lambda f, x, y, d: f.predictive_check(draws=20),
        "posterior_predictive": lambda f, x, y, d: f.posterior_predictive(draws=20, prior=True),
        "pymc": lambda f, x, y, d: f.pymc()[1],
        "sensitivity": lambda f, x, y, d: f.sensitivity(),
        "report": lambda f, x, y, d: f.report(d / "report.html").read_text(encoding="utf-8"),
        "to_frame": lambda f, x, y, d: f.to_frame(),
        "to_html": lambda f, x, y, d: f.to_html(),
        "to_latex": lambda f, x, y, d: f.to_latex(),
        "to_word": lambda f, x, y, d: docx.Document(f.to_word(d / "fit.docx")).element.xml,
        "to_excel": lambda f, x, y, d: cells(f.to_excel(d / "fit.xlsx")),
        "save": lambda f, x, y, d: load(f.save(d / "again")),
        "summary": lambda f, x, y, d: f.summary(ci_prob=0.9),
        "r2": lambda f, x, y, d: f.r2(),
        "document": lambda f, x, y, d: f.document(),
        "sampling": lambda f, x, y, d: f.sampling(),
        "category_effects": lambda f, x, y, d: f.category_effects(x, y, draws=20),
        "effect_sizes": lambda f, x, y, d: f.effect_sizes(),
        "expected_effects": lambda f, x, y, d: f.expected_effects(x, y, draws=20),
        "importance_performance": lambda f, x, y, d: f.importance_performance(y),
        "out_of_sample": lambda f, x, y, d: f.out_of_sample(k=2, random_seed=1),
        "ratios": lambda f, x, y, d: f.ratios(),
        "response_check": lambda f, x, y, d: f.response_check(y, draws=20),
        "weights": lambda f, x, y, d: f.weights(),
        "to_json": lambda f, x, y, d: f.to_json(),
    }[method]


METHODS = [
    name
    for name, member in inspect.getmembers(Fit)
    if not name.startswith("_") and inspect.isfunction(member)
]
PROPERTIES = [
    name
    for name, member in inspect.getmembers(Fit)
    # what is kept are fits, with timings of their own
    if not name.startswith("_") and not callable(member) and name != "kept"
]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """The fresh and the loaded fit of each name, made when they are first asked for."""
    made = {}

    def pair(name):
        if name not in made:
            fresh = FITS[name]()
            again = load(fresh.save(tmp_path_factory.mktemp("fits") / name))
            made[name] = (fresh, again)
        return made[name]

    return pair


def said(call, *arguments):
    """The result, or the error of ours."""
    try:
        return call(*arguments)
    except bs.BayessemError as error:
        return type(error), str(error)


def assert_same(one, other, where="it"):
    """Equal to the last digit, however deep."""
    alike = (int | float, pd.Index)  # a RangeIndex may come back as an Index of the same numbers
    assert type(one) is type(other) or any(
        isinstance(one, kind) and isinstance(other, kind) for kind in alike
    ), where
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True, check_index_type="equiv")
    elif isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other, check_exact=True, check_index_type="equiv")
    elif isinstance(one, pd.Index):
        assert one.equals(other) and one.names == other.names and one.dtype == other.dtype, where
    elif isinstance(one, xr.DataTree | xr.Dataset | xr.DataArray):
        xr.testing.assert_identical(one, other)
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other, err_msg=where)
    elif isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            assert_same(one[key], other[key], f"{where}[{key!r}]")
    elif isinstance(one, tuple | list):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    elif isinstance(one, bs.SEM) or type(one).__name__ == "Specification":
        assert repr(one) == repr(other), where
        assert one.text == other.text
    elif dataclasses.is_dataclass(one):
        for f in dataclasses.fields(one):
            assert_same(getattr(one, f.name), getattr(other, f.name), f"{where}.{f.name}")
    else:
        assert one == other or (one != one and other != other) or callable(one), where
    if isinstance(one, Described):
        assert str(one) == str(other), where


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_alike(pairs, tmp_path, name, method):
    call, ends = asked(method), ENDS[name]
    results = []
    for i, fit in enumerate(pairs(name)):
        folder = tmp_path / str(i)
        folder.mkdir()
        results.append(said(call, fit, *ends, folder))
    assert_same(*results)


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("member", [*PROPERTIES, "prepared", "draws", "settings", "timings"])
def test_every_property_is_the_same(pairs, name, member):
    fresh, again = pairs(name)
    if member == "density":  # made of the prepared model, which is compared
        return
    assert_same(getattr(fresh, member), getattr(again, member), member)


def test_scores_join_the_data_whatever_its_index(pairs):
    fresh, again = pairs("curved")
    joined = waves().join(again.scores())
    assert joined["X"].notna().sum() == len(fresh.scores()) > 100
    pd.testing.assert_frame_equal(joined, waves().join(fresh.scores()))
