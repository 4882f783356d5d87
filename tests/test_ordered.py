"""Ordered variables from text and data to a fit: syntax, table, categories, thresholds, answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import kstest

import bayessem as bs
from bayessem.errors import BayessemError, DataError, ModelError, NotSupported, PriorError
from bayessem.model.categories import normal_scores, read_categories
from bayessem.model.parameterization import element_factors
from bayessem.model.prepare import prepare
from bayessem.model.starts import initial_point, start_values
from bayessem.model.thresholds import threshold_sets
from bayessem.posterior.answers import loading_scales
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.prior_draws import prior_draws
from bayessem.posterior.program import LOADING
from bayessem.posterior.thresholds import dirichlet_constant
from bayessem.posterior.transforms import loading_coordinate, transform
from bayessem.results.latent_responses import reported
from bayessem.results.log_prior import prior_terms
from bayessem.results.simulate import elements_at, with_residuals
from bayessem.results.standardize import model_moments, standardised
from bayessem.syntax.specification import Specification
from bayessem.syntax.table import build_table

TRUE = {"f=~x1": 0.8, "f=~x2": 0.7, "f=~x3": 0.6, "f=~x4": 0.5}
CUTS = {"x1": (-0.8, 0.0, 0.9), "x2": (-0.5, 0.4), "x3": (0.3,), "x4": (-1.0, 0.2, 0.7)}
TRUE |= {f"{x}|t{c + 1}": t for x, cuts in CUTS.items() for c, t in enumerate(cuts)}
MODEL = "f =~ x1 + x2 + x3 + x4"


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    return bs.SEM(MODEL, std_lv=True, ordered=True).simulate(TRUE, 600, random_seed=5)


@pytest.fixture(scope="module")
def fit(answers) -> bs.Fit:
    sem = bs.SEM(MODEL, std_lv=True, ordered=True)
    return sem.fit(answers, draws=500, tune=500, chains=2, random_seed=1, progress=False)


def rows(table, op: str) -> dict[str, float | None]:
    return {r.name: r.value for r in table.rows if r.op == op and r.group <= 0}


def test_thresholds_in_the_text_are_rows():
    """Free, fixed, labelled, with a start value; and the rest of what lavaan adds."""
    text = "f =~ x1 + x2\nx1 | a*t1 + start(0.5)*t2\nx2 | 0*t1"
    spec = Specification(text)
    assert spec.table.ordered == ("x1", "x2")
    assert rows(spec.table, "|") == {"x1|t1": None, "x1|t2": None, "x2|t1": 0.0}
    assert [r.label for r in spec.table.rows if r.op == "|"] == ["a", "", ""]
    assert [r.start for r in spec.table.rows if r.op == "|"] == [None, 0.5, None]
    table = build_table(spec.statements, categories={"x1": 4, "x2": 2}, **spec.options)
    assert rows(table, "|") == {"x1|t1": None, "x1|t2": None, "x2|t1": 0.0, "x1|t3": None}
    assert rows(table, "~1") == {"x1~1": 0.0, "x2~1": 0.0, "f~1": 0.0}
    assert rows(table, "~~")["x1~~x1"] == 1.0
    assert "x1 | start(0.5)*t2" in repr(spec)


def test_equal_thresholds_free_what_they_identify():
    """lavaan's rules: means of constructs, and scales where there are two thresholds."""
    spec = Specification(MODEL, ordered=True, group_equal=("loadings", "thresholds"), std_lv=True)
    counts = {"x1": 4, "x2": 3, "x3": 2, "x4": 4}
    table = build_table(spec.statements, groups=("a", "b"), categories=counts, **spec.options)
    later = {r.name: r.value for r in table.rows if r.group == 1}
    assert later["f~1"] is None and later["f~~f"] is None
    assert later["x1~~x1"] is None and later["x3~~x3"] == 1.0
    assert table.parameters.count("x1|t1") == 1


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (MODEL, {"ordered": ["x1", "x1"]}, "twice"),
        (MODEL, {"ordered": ["x9"]}, "no observed variable"),
        (MODEL, {"ordered": ["x1"], "family": {"x1": "normal"}}, "in one place"),
        (MODEL, {"family": {"x1": "gamma"}}, "none of"),
        (MODEL, {"link": "cloglog"}, "probit"),
        (MODEL, {"parameterization": "gamma"}, "delta"),
        (f"{MODEL}\nx1 | t1\nx1 | u2", {}, "t1, t2"),
        (f"{MODEL}\nz9 | t1", {}, "no observed variable"),
        (f"{MODEL}\nx1 ~ 1", {"ordered": True}, "thresholds in place of an intercept"),
        (f"{MODEL}\nx1 ~~ x1", {"ordered": True}, "parameterization='theta'"),
        ("y ~ x + z + x:z", {"ordered": ["x"]}, "factor of x:z"),
        ("y ~ x", {"ordered": ["x"]}, "only predicts"),
        ("m ~ x\ny ~ m", {"ordered": ["m"]}, "predicts, too"),
    ],
)
def test_what_no_ordered_variable_can_be_is_refused_at_once(model, options, message):
    with pytest.raises(ModelError, match=message):
        Specification(model, **options)


def test_categories_are_those_of_the_data():
    """Codes, logical values and ordered texts; nothing depends on how they are written."""
    data = pd.DataFrame({"x": [3, 1, np.nan, 7, 1], "b": [True, False, True, True, False]})
    codes, labels = read_categories(data, "x")
    assert labels == (1, 3, 7)
    np.testing.assert_array_equal(codes, [1, 0, np.nan, 2, 0])
    assert read_categories(data, "b")[1] == (0, 1)
    words = pd.Categorical(["no", "yes", None, "no"], categories=["no", "maybe", "yes"])
    data = pd.DataFrame({"w": words})
    with pytest.raises(DataError, match="ordered=True"):
        read_categories(data, "w")
    codes, labels = read_categories(pd.DataFrame({"w": words.as_ordered()}), "w")
    assert labels == ("no", "yes")
    np.testing.assert_array_equal(codes, [0, 1, np.nan, 0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2, 2.5, 3], "2.5, which is no code"),
        ([1, 2, 3, 99], "code 99 beside 1 to 3"),
        ([-9, 1, 2, 5], "code -9 beside 1 to 5"),
        ([4, 4, 4, 4], "one category"),
        (list(range(30)), "30 different answers"),
        (["a", "b", "c", "a"], "texts without an order"),
    ],
)
def test_codes_that_are_no_categories_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        read_categories(pd.DataFrame({"x": values}), "x")


def test_more_thresholds_than_the_data_have_are_refused(answers):
    with pytest.raises(ModelError, match="2 categories in the data"):
        prepare(Specification(f"{MODEL}\nx3 | t1 + t2", ordered=True), answers)
    with pytest.raises(ModelError, match="family is 'ordered'"):
        prepare(Specification(MODEL, family={"x1": "bernoulli"}), answers)


def test_scores_have_the_order_and_spread_of_latent_responses():
    values = np.array([[0.0], [0.0], [1.0], [2.0], [np.nan]])
    scores = normal_scores(values, [("a", "b", "c")])[:, 0]
    assert np.isnan(scores[4]) and (np.diff(scores[1:4]) > 0).all()
    assert np.nanstd(scores) == pytest.approx(np.sqrt(2.0))
    assert np.nanmean(scores) == pytest.approx(0.0, abs=1e-12)


def _densities(answers, bend=2.0, **options):
    prepared = prepare(Specification(MODEL, std_lv=True, ordered=True, **options), answers)
    plain = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    x = initial_point(prepared.space, prepared.table, values)
    scales = loading_scales(prepared.space, prepared.structure, prepared.sample)
    return prepared, plain, x, plain.answered(scales, bend)


@pytest.mark.parametrize("bend", [0.0, 2.0])
@pytest.mark.parametrize("link", ["probit", "logit"])
def test_sampled_coordinates_are_a_change_of_variables(answers, link, bend):
    """The density in them is that of thresholds and loadings times the Jacobian's determinant."""
    prepared, plain, x, sampled = _densities(answers, bend, link=link)
    u = sampled.answered_point(x)
    np.testing.assert_allclose(sampled.natural(u), plain.natural(x), atol=1e-12)
    h = 1e-6 * np.eye(len(u))
    jacobian = [(sampled.natural(u + d) - sampled.natural(u - d)) / 2e-6 for d in h]
    expected = plain.value_and_gradient(x)[0] + np.linalg.slogdet(np.array(jacobian))[1]
    assert sampled.value_and_gradient(u)[0] == pytest.approx(expected, abs=1e-6)


def test_strong_items_have_short_tails():
    """Anything up to 1 as likely for the standardised loading: an exponential tail, or a shorter.

    Slopes of the log-density far out, by central differences: the same there, or steeper and
    steeper.
    """

    def slopes(bend: float) -> np.ndarray:
        x = np.linspace(1.0, 2.2, 13)
        raw, slope = np.array([transform.py_func(LOADING, one, bend, 1.0)[:2] for one in x]).T
        np.testing.assert_allclose(loading_coordinate(raw, bend), x, rtol=1e-12)
        log_density = -1.5 * np.log1p(raw**2) + np.log(slope)  # tanh(asinh(raw)) is uniform
        return np.diff(log_density) / (x[1] - x[0])

    exponential, short = slopes(0.0), slopes(2.0)
    assert exponential.min() > -2.0 and exponential[-1] == pytest.approx(-2.0, abs=0.1)
    assert (np.diff(short) < 0.0).all() and short[-1] < -50.0


@pytest.mark.parametrize("alpha", [1, 2.5])
def test_gradient_of_the_posterior(answers, alpha):
    """By central differences, in both coordinates."""
    text = f"{MODEL}\n" + "\n".join(
        f'x1 | prior("induced_dirichlet({alpha})")*t{c}' for c in (1, 2, 3)
    )
    prepared = prepare(Specification(text, std_lv=True, ordered=True), answers)
    plain = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    x = initial_point(prepared.space, prepared.table, values)
    scales = loading_scales(prepared.space, prepared.structure, prepared.sample)
    bent = [plain.answered(scales, bend) for bend in (0.0, 2.0)]
    points = [(plain, x), *((own, own.answered_point(x) + 0.03) for own in bent)]
    for density, point in points:
        gradient = density.value_and_gradient(point)[1]
        for i in range(len(point)):
            d = 1e-5 * np.eye(len(point))[i]
            ends = [density.value_and_gradient(point + s * d)[0] for s in (1, -1)]
            assert gradient[i] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-5)


def test_induced_dirichlet_is_a_density():
    """Its constant: the integral over one threshold, and over two by a lattice, is 1."""
    t = np.linspace(-8, 8, 1601)
    one = np.exp(dirichlet_constant(2.0, 2) - 0.5 * t**2) * (ndtr(t) * ndtr(-t))
    assert np.trapezoid(one, t) == pytest.approx(1.0, abs=1e-6)
    a, b = np.meshgrid(t[::4], t[::4], indexing="ij")
    two = np.where(b > a, np.exp(dirichlet_constant(1.0, 3) - 0.5 * (a**2 + b**2)), 0.0)
    two[np.diag_indices_from(two)] = 0.5 * np.exp(dirichlet_constant(1.0, 3) - t[::4] ** 2)
    assert two.sum() * (t[4] - t[0]) ** 2 == pytest.approx(1.0, abs=1e-4)


def test_draws_of_the_prior_have_uniform_proportions_and_loadings(answers):
    """Category proportions are Dirichlet(1), standardised loadings uniform."""
    prepared, plain, _, _ = _densities(answers)
    drawn = prior_draws(prepared.space, prepared.structure, plain, draws=4000, random_seed=1)
    elements = plain.elements(drawn)
    loading = standardised(prepared.structure, elements)[:, 0]
    assert kstest(loading, "uniform", args=(-1, 2)).pvalue > 0.001
    first = reported(prepared.structure, elements)
    cut = prepared.structure.matrices(first)["thresholds"][:, :3]  # x1: four categories
    share = np.diff(ndtr(cut), axis=1)[:, 0]
    assert kstest(share, "beta", args=(1, 3)).pvalue > 0.001


def test_sets_of_thresholds():
    """Whole ones have a joint prior; those with fixed or shared thresholds have not."""
    text = f"{MODEL}\nx1 | 0*t1\nx2 | a*t1\nx4 | a*t1"
    spec = Specification(text, ordered=True, parameterization="theta")
    data = pd.DataFrame(np.random.default_rng(1).integers(0, 3, (80, 4)), columns=list(CUTS))
    prepared = prepare(spec, data)
    named = {s.variable: s.names for s in threshold_sets(prepared.structure)}
    assert named == {"x1": (), "x2": (), "x3": ("x3|t1", "x3|t2"), "x4": ()}
    families = {c.name: c.prior.family for c in prepared.space.coordinates if "t" in c.name}
    assert families["x3|t1"] == "induced_dirichlet" and families["x1|t2"] == "normal"
    with pytest.raises(PriorError, match="all of them"):
        own = Specification(f'{MODEL}\nx1 | prior("normal(0, 1)")*t1', ordered=True)
        made = prepare(own, data)
        posterior_density(made.space, made.structure, made.sample)


def test_delta_and_theta_are_the_same_model():
    """Correlations of latent responses, and thresholds over their sds, are the same in both."""
    text = "f =~ x1 + x2 + x3\ng =~ x4 + x5\ng ~ f + f:f"
    counts = dict.fromkeys(("x1", "x2", "x3", "x4", "x5"), 3)
    spec = Specification(text, ordered=True)
    table = build_table(spec.statements, categories=counts, **spec.options)
    data = pd.DataFrame(np.random.default_rng(2).integers(0, 3, (90, 5)), columns=list(counts))
    prepared = prepare(spec, data)
    structure = prepared.structure
    generator = np.random.default_rng(3)
    theta = prepared.space.base.copy()
    for k, place in structure.places.items():
        if structure.table.rows[k].free >= 0:
            for e in structure.element(place):
                theta[e] = generator.uniform(0.4, 1.2)
    delta = reported(structure, theta)
    one, other = (model_moments(structure, e) for e in (theta, delta))
    np.testing.assert_allclose(np.diag(other.observed_covariance), 1.0)
    sd = np.sqrt(np.diag(one.observed_covariance))
    np.testing.assert_allclose(
        other.observed_covariance, one.observed_covariance / np.outer(sd, sd), atol=1e-12
    )
    np.testing.assert_allclose(
        standardised(structure, delta), standardised(structure, theta), atol=1e-12
    )
    assert structure.matrices(delta)["loadings"][0, 0] == pytest.approx(1.0)  # the marker
    assert table.parameters == prepared.table.parameters
    assert (element_factors(structure, np.ones((1, 5))) == 1.0).all()


@pytest.mark.parametrize(
    "line", ["f =~ a*x1 + a*x2", "x1 | 0.5*t1", "x1 | a*t1\nx2 | a*t1", "f =~ 0.7*x2"]
)
def test_restrictions_that_differ_between_parameterizations_are_refused(answers, line):
    """In delta; in theta they are what they say."""
    with pytest.raises(ModelError, match="parameterization='theta'"):
        prepare(Specification(f"{MODEL}\n{line}", std_lv=True, ordered=True), answers)
    prepare(
        Specification(f"{MODEL}\n{line}", std_lv=True, ordered=True, parameterization="theta"),
        answers,
    )


def test_simulated_proportions_are_those_of_the_thresholds(answers):
    """Total variance 1 by the values given; categories from 1, or 0 and 1."""
    for name, cuts in CUTS.items():
        below = ndtri(answers[name].rank(method="max").groupby(answers[name]).max() / 600)
        np.testing.assert_allclose(below.to_numpy()[:-1], cuts, atol=0.2)
    assert set(answers["x3"]) == {0, 1} and set(answers["x1"]) == {1, 2, 3, 4}
    sem = Specification(MODEL, std_lv=True, ordered=True)
    counts = {x: len(c) + 1 for x, c in CUTS.items()}
    table = build_table(sem.statements, categories=counts, **sem.options)
    from bayessem.model.structure import build_structure

    structure = build_structure(table)
    elements = with_residuals(structure, elements_at(structure, TRUE))
    covariance = model_moments(structure, elements).observed_covariance
    np.testing.assert_allclose(np.diag(covariance), 1.0)
    with pytest.raises(ModelError, match="too large"):
        with_residuals(structure, elements_at(structure, {**TRUE, "f=~x1": 1.2}))


def test_fit_recovers_loadings_and_thresholds(fit):
    """Within four posterior standard deviations, and they are standardised (delta)."""
    table = fit.summary().set_index(["lhs", "op", "rhs"])
    for name, value in TRUE.items():
        key = tuple(name.partition("=~" if "=~" in name else "|"))
        row = table.loc[key]
        assert abs(row["mean"] - value) < 4 * row["sd"]
        assert row["mean"] == pytest.approx(row["std"])
    assert (table["r_hat"].dropna() < 1.05).all()
    assert fit.data.attrs["quadrature_error"] < 0.01
    assert len(threshold_sets(fit.prepared.structure)) == 4


def test_respondents_log_likelihoods_are_their_probabilities(fit, answers):
    """With one construct: the integral over it, for every stored draw of one respondent."""
    elements = fit.density.elements(fit.values)[0, :5]
    structure = fit.prepared.structure
    z = np.linspace(-8, 8, 401)
    for draw in range(5):
        m = structure.matrices(elements[draw])
        p = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
        for j, name in enumerate(structure.observed):
            at = structure.threshold_at[name]
            cut = m["thresholds"][at : at + len(CUTS[name])]
            cut = np.concatenate([[-np.inf], cut, [np.inf]])
            c = int(fit.prepared.sample.values[7, j])
            p *= np.diff(ndtr(cut[[c, c + 1]] - m["loadings"][j, 0] * z[:, None]), axis=1)[:, 0]
        stored = fit.data["log_likelihood"]["y"].values[0, draw, 7]
        assert stored == pytest.approx(np.log(p.sum()), abs=2e-4)
    assert fit.loo().elpd < 0


def test_expected_shares_are_those_of_the_thresholds(fit):
    """With total variance 1 a share is the normal probability between thresholds (delta)."""
    found = fit.category_probabilities(draws=400).table
    summary = fit.summary()
    for name, cuts in CUTS.items():
        own = found[found["variable"] == name]
        cut = summary[(summary["lhs"] == name) & (summary["op"] == "|")]["mean"]
        expected = np.diff(ndtr(np.concatenate([[-np.inf], cut, [np.inf]])))
        np.testing.assert_allclose(own["mean"], expected, atol=0.01)
        np.testing.assert_allclose(own["mean"], own["observed"], atol=0.03)
        assert len(own) == len(cuts) + 1
        assert own["mean"].sum() == pytest.approx(1.0)


def test_a_saved_fit_is_the_same(fit, tmp_path):
    fit.save(tmp_path / "run")
    loaded = bs.load(tmp_path / "run")
    pd.testing.assert_frame_equal(loaded.summary(), fit.summary())
    assert loaded.prepared.sample.categories == fit.prepared.sample.categories
    drawn = loaded.sem.simulate(loaded, 50, random_seed=1)
    assert set(drawn["x3"]) == {0, 1} and set(drawn["x1"]) <= {1, 2, 3, 4}


def test_what_is_not_there_says_so(fit, answers):
    """One clear error each, before anything is sampled, with what answers the question instead."""
    sem = bs.SEM(MODEL, std_lv=True, ordered=True)
    halves = answers.assign(half=np.arange(len(answers)) % 2)
    calls = [
        lambda: sem.invariance(halves, group="half", approximate=0.1),
        lambda: bs.compare_shapes(
            bs.SEM(f"{MODEL}\nz ~ f", ordered=list(CUTS)), answers.assign(z=answers["x1"]), "f", "z"
        ),
    ]
    for call in calls:
        with pytest.raises(NotSupported, match="ordered answers"):
            call()


def test_check_says_how_it_is_integrated_and_what_is_sparse(answers):
    """And what cannot be integrated is an error there."""
    few = answers.copy()
    few.loc[:2, "x1"] = 5
    report = bs.SEM(MODEL, std_lv=True, ordered=True).check(few)
    assert report.ok
    said = str(report)
    assert "one construct at a time" in said and "x1 = 5 (3)" in said
    wide = "a =~ x1\nb =~ x2\nc =~ x3\nd =~ x4\nd ~ a + b + c + a:b"
    assert not bs.SEM(wide, ordered=True).check(answers).ok
    with pytest.raises(BayessemError, match="4 constructs at once"):
        bs.SEM(wide, ordered=True).fit(answers, progress=False)


def test_an_item_cut_in_the_middle_is_identified(answers):
    """Half of the answers below a threshold put it at 0, which is no lack of identification."""
    half = answers.assign(x3=np.arange(len(answers)) % 2)
    assert (half["x3"].mean(), len(half) % 2) == (0.5, 0)
    report = bs.SEM(MODEL, std_lv=True, ordered=True).check(half)
    assert "identified by priors" not in str(report)
    lost = bs.SEM("f =~ NA*x1 + x2 + x3 + x4\nf ~~ f", ordered=True).check(half)
    assert not lost.ok or "identified by priors" in str(lost)


def test_results_do_not_depend_on_codes_or_order(answers):
    """Other codes of the same categories, columns and rows in another order: the same density."""
    prepared, plain, x, _ = _densities(answers)
    value = plain.value_and_gradient(x)[0]
    other = answers.iloc[::-1][["x4", "x2", "x3", "x1"]].copy()
    other["x1"] = other["x1"].map({1: 10, 2: 11, 3: 15, 4: 20})
    other["x2"] = pd.Categorical(other["x2"].map({1: "a", 2: "b", 3: "c"}), ordered=True)
    other["x3"] = other["x3"].astype(bool)
    _, again, y, _ = _densities(other)
    assert again.value_and_gradient(y)[0] == pytest.approx(value, abs=1e-9)


def test_the_command_line_has_ordered_answers(answers, tmp_path, capsys):
    from bayessem.cli import main

    (tmp_path / "model.txt").write_text(MODEL, encoding="utf-8")
    answers.to_csv(tmp_path / "data.csv", index=False)
    paths = [str(tmp_path / "model.txt"), str(tmp_path / "data.csv")]
    assert main(["check", *paths, "--ordered", "all", "--std-lv"]) == 0
    assert "4 variables are answers in ordered categories" in capsys.readouterr().out
    assert main(["check", *paths, "--ordered", "x1,x3"]) == 0
    assert "2 variables are answers" in capsys.readouterr().out


def test_data_for_arviz_are_those_of_the_summary(fit):
    """Thresholds and loadings as reported (delta), prior draws too; and the density of the prior.

    In the prior the shares of K categories are uniform: the first is Beta(1, K - 1).
    """
    posterior, prior = (fit.data[name].to_dataset() for name in ("posterior", "prior"))
    summary = fit.summary()
    for kind, op in (("threshold", "|"), ("loading", "=~")):
        expected = summary[summary["op"] == op]["mean"].to_numpy()
        np.testing.assert_allclose(posterior[kind].mean(("chain", "draw")), expected, atol=1e-12)
        assert prior[kind].shape == (1, 1000, len(expected))
    first = ndtr(prior["threshold"].sel(thresholds="x1|t1").values.ravel())
    assert kstest(first, "beta", args=(1, 3)).pvalue > 0.001
    lowest = {c.name: c.lower for c in fit.prepared.space.coordinates if c.kind == "loading"}
    for name, lower in lowest.items():  # one is positive: the construct's direction
        ends = (0, 1) if lower == 0 else (-1, 2)
        drawn = prior["loading"].sel(loadings=name).values.ravel()
        assert kstest(drawn, "uniform", args=ends).pvalue > 0.001
    respondents = fit.data["log_likelihood"].to_dataset()["y"]
    assert respondents.sizes["respondent"] == 600
    np.testing.assert_array_equal(fit.data["observed_data"]["y"].values, fit.prepared.sample.values)


@pytest.mark.parametrize("alpha", [1, 2.5])
def test_log_priors_are_the_density_less_the_likelihood(answers, alpha):
    """But for a constant; in these coordinates there is no Jacobian."""
    text = f"{MODEL}\n" + "\n".join(
        f'x1 | prior("induced_dirichlet({alpha})")*t{c}' for c in (1, 2, 3)
    )
    prepared = prepare(Specification(text, std_lv=True, ordered=True), answers)
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    x = initial_point(prepared.space, prepared.table, values)
    rng = np.random.default_rng(1)
    points = x + 0.05 * rng.standard_normal((5, len(x)))
    own = np.array([density.value_and_gradient(p)[0] for p in points])
    own -= density.respondent_log_likelihood(points).sum(axis=1)
    terms = prior_terms(prepared.space, points, density)
    joint = ["x1|t1 to x1|t3", "x2|t1 to x2|t2", "x3|t1", "x4|t1 to x4|t3"]
    assert [t.name for t in terms if t.joint] == joint
    assert np.ptp(own - sum(t.values for t in terms)) < 1e-8


def test_a_reverse_keyed_item_is_turned_by_its_categories(answers):
    """The advice is about the answers in the data, not about their scores."""
    turned = answers.assign(x2=4 - answers["x2"])
    said = str(bs.SEM(MODEL, std_lv=True, ordered=True).check(turned))
    assert "reverse-keyed" in said and "the categories of 'x2'" in " ".join(said.split())
    assert "data['x2']" not in said


def test_figures_and_diagrams_of_ordered_answers(fit):
    """Thresholds in a forest, by name; a diagram is about loadings."""
    axes = bs.plots.plot_estimates(fit, ("threshold",))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert {"threshold 1 of x1", "threshold 3 of x1", "threshold 1 of x3"} < set(names)
    assert len(names) == sum(map(len, CUTS.values()))
    loading = fit.summary().query("op == '=~'")["std"]
    dot = fit.diagram().dot()
    assert all(f"{value:.2f}" in dot for value in loading)
