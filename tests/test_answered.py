"""What models with ordered answers say about categories: predictions, checks, effects, quality."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import fit_at
from example_models import ANSWERED, ANSWERED_ORDERED, ANSWERED_TRUE, answered
from scipy.special import ndtr
from scipy.stats import multivariate_normal

import bayessem as bs
from bayessem.criticism.replicate import replicate
from bayessem.errors import DataError, ModelError
from bayessem.measurement.ordinal import answer_covariance, answer_variance, omega_of_answers
from bayessem.results.simulate import elements_at
from bayessem.results.standardize import model_moments
from bayessem.shapes.response_surface import response_surface


def thresholds_of(fit, name: str) -> np.ndarray:
    """Thresholds over the sd of the latent response, (draw, c)."""
    structure = fit.prepared.structure
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    first = structure.threshold_at[name]
    count = structure.table.responses.thresholds[name]
    cut = structure.matrices(flat, 0)["thresholds"][:, first : first + count]
    j = structure.observed.index(name)
    sd = np.sqrt(model_moments(structure, flat).observed_covariance[:, j, j])
    return cut / sd[:, None]


def rectangle(correlation: np.ndarray, lower: list[float], upper: list[float]) -> float:
    """P(lower < z < upper) of standard normal z with correlations."""
    normal = multivariate_normal(np.zeros(len(lower)), correlation, abseps=1e-7, releps=1e-7)
    return float(normal.cdf(np.array(upper), lower_limit=np.array(lower)))


def test_predicted_probabilities_are_ratios_of_rectangles(answered_fit):
    """P(y = c | x1, x2, z4): normal rectangles over rectangles, draw by draw."""
    fit, _ = answered_fit
    known = ["x1", "x2", "z4"]
    rows = answered().loc[:1, known]
    found = fit.predict(rows, variables=["y", "g"], draws=10, random_seed=1)
    structure = fit.prepared.structure
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    chosen = np.linspace(0, len(flat) - 1, 10).round().astype(int)
    covariance = model_moments(structure, flat[chosen]).observed_covariance
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    at = [structure.observed.index(x) for x in ("y", *known)]
    correlation = (covariance / (sd[:, :, None] * sd[:, None, :]))[:, at][:, :, at]
    cuts = {x: thresholds_of(fit, x)[chosen] for x in ("y", *known)}
    for i in range(2):
        expected = []
        for d in range(10):
            ends = []
            for x in known:
                own = np.concatenate([[-9.0], cuts[x][d], [9.0]])
                code = fit.prepared.sample.categories[fit.prepared.sample.variables.index(x)].index(
                    rows[x].iloc[i]
                )
                ends.append((own[code], own[code + 1]))
            edge = np.concatenate([[-9.0], cuts["y"][d], [9.0]])
            p = [
                rectangle(
                    correlation[d],
                    [edge[c], *(e[0] for e in ends)],
                    [edge[c + 1], *(e[1] for e in ends)],
                )
                for c in range(3)
            ]
            expected.append(np.array(p) / sum(p))
        own = found.categories[found.categories["row"] == i]["probability"].to_numpy()
        np.testing.assert_allclose(own, np.mean(expected, axis=0), atol=0.004)
    assert found.categories.groupby("row")["probability"].sum().to_numpy() == pytest.approx(1.0)
    assert set(np.unique(found.draws.sel(variable="y"))) <= {1.0, 2.0, 3.0}
    assert list(found.table["variable"].unique()) == ["g"]
    assert "Probabilities of the categories" in str(found)


def test_known_answers_are_kept_and_wrong_ones_refused(answered_fit):
    fit, _ = answered_fit
    rows = answered().loc[:4, list(ANSWERED_ORDERED)].astype(float)
    rows.loc[1, "x1"] = np.nan
    found = fit.predict(rows, draws=10)
    assert list(found.draws["variable"].values) == ["x1"]
    drawn = found.draws.sel(variable="x1").values
    np.testing.assert_array_equal(drawn[:, 0], rows["x1"].iloc[0])
    assert len(np.unique(drawn[:, 1])) > 1
    with pytest.raises(DataError, match="'x1' of the new rows has the answer 7"):
        fit.predict(rows.assign(x1=7), variables="y")


def test_nothing_known_predicts_the_shares(answered_fit):
    """Without any answer the probabilities are those that the thresholds cut off."""
    fit, _ = answered_fit
    empty = pd.DataFrame(index=range(2))
    found = fit.predict(empty, variables="z2", draws=100).categories
    flat = thresholds_of(fit, "z2")
    below = ndtr(flat[np.linspace(0, len(flat) - 1, 100).round().astype(int)]).mean(axis=0)
    shares = np.diff(np.concatenate([[0.0], below, [1.0]]))
    np.testing.assert_allclose(found["probability"][:4], shares, atol=0.004)


@pytest.mark.parametrize("link", ["probit", "logit"])
def test_replicated_answers_have_the_probabilities_of_the_model(link):
    """Shares of pairs of answers, from data replicated at one draw, against SciPy and a grid."""
    sem = bs.SEM("f =~ x1 + x2\ny ~ f", std_lv=True, ordered=["x1", "x2", "y"], link=link,
                 parameterization="theta")  # fmt: skip
    values = {"f=~x1": 1.2, "f=~x2": 0.8, "y~f": 0.9, "x1|t1": -0.5, "x1|t2": 0.7, "x2|t1": 0.2,
              "y|t1": 0.4}  # fmt: skip
    data = sem.simulate(values, 2000, random_seed=1)
    prepared = sem.prepare(data)
    elements = np.tile(elements_at(prepared.structure, values), (100, 1))
    drawn = replicate(prepared, elements, random_seed=2).reshape(-1, 3)
    f = np.linspace(-8, 8, 2001)
    weight = np.exp(-0.5 * f * f)
    weight /= weight.sum()
    below = ndtr if link == "probit" else lambda z: 1.0 / (1.0 + np.exp(-z))
    names = list(prepared.sample.variables)
    x1, y = drawn[:, names.index("x1")], drawn[:, names.index("y")]
    for c, (low, high) in enumerate([(-99, -0.5), (-0.5, 0.7), (0.7, 99)]):
        p = weight @ ((below(high - 1.2 * f) - below(low - 1.2 * f)) * (1 - below(0.4 - 0.9 * f)))
        error = np.sqrt(p * (1 - p) / len(drawn))
        assert np.mean((x1 == c) & (y == 1)) == pytest.approx(p, abs=4.5 * error)


def test_predictive_checks_show_the_shares_of_the_answers(answered_fit):
    fit, _ = answered_fit
    check = fit.predictive_check("indicators", draws=200)
    data = answered()
    own = check.categories[check.categories["variable"] == "x1"]
    assert list(own["answer"]) == ["1", "2", "3", "4"]
    shares = data["x1"].value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(own["observed"], shares)
    assert (own["lower"] < own["observed"]).all() and (own["observed"] < own["upper"]).all()
    expected = fit.category_probabilities(draws=200).table
    mean = expected[expected["variable"] == "x1"]["mean"].to_numpy()
    np.testing.assert_allclose(own["mean"], mean, atol=0.012)
    assert "share of" in str(check)
    assert len(check.plot().axes) >= 9
    correlations = fit.predictive_check(draws=200)
    assert len(correlations.table) == 36
    assert correlations.table["surprising"].mean() < 0.15
    y = fit.posterior_predictive(draws=5)["posterior_predictive"]["y"]
    assert set(np.unique(y.sel(indicator="x1"))) == {0.0, 1.0, 2.0, 3.0}


def test_a_wrong_model_is_seen_in_the_correlations_of_answers():
    """Two constructs fitted as one: correlations of their answers surprise."""
    values = {k: v for k, v in ANSWERED_TRUE.items() if not k.startswith(("y", "b", "c", "a"))}
    text = "f =~ x1 + x2 + x3 + x4\ng =~ z1 + z2 + z3 + z4\nf ~~ g"
    values["f~~g"] = 0.3
    items = [x for x in ANSWERED_ORDERED if x != "y"]
    data = bs.SEM(text, std_lv=True, ordered=True).simulate(values, 400, random_seed=3)
    one = bs.SEM("f =~ " + " + ".join(items), std_lv=True, ordered=True)
    fit = one.fit(data, draws=200, tune=300, chains=2, random_seed=1, progress=False)
    assert fit.predictive_check(draws=100).table["surprising"].mean() > 0.15  # by chance .05


def test_shares_of_groups_are_their_own():
    sem = bs.SEM("f =~ x1 + x2 + x3 + x4", std_lv=True, ordered=True, group_equal=["loadings"])
    values = {k: v for k, v in ANSWERED_TRUE.items() if k.startswith(("f", "x"))}
    plain = bs.SEM("f =~ x1 + x2 + x3 + x4", std_lv=True, ordered=True)
    low = plain.simulate(values, 200, random_seed=1)
    high = plain.simulate({**values, "x1|t1": -2.0, "x1|t2": -1.0, "x1|t3": -0.2}, 200,
                          random_seed=2)  # fmt: skip
    data = pd.concat([low.assign(g="low"), high.assign(g="high")], ignore_index=True)
    fit = sem.fit(data, group="g", draws=150, tune=300, chains=2, random_seed=1, progress=False)
    shares = fit.predictive_check("indicators", draws=150).categories
    for group in ("low", "high"):
        own = shares[(shares["variable"] == "x1") & (shares["group"] == group)]
        seen = data.loc[data["g"] == group, "x1"].value_counts(normalize=True).sort_index()
        np.testing.assert_allclose(own["observed"], seen)
        np.testing.assert_allclose(own["mean"], seen, atol=0.04)
    together = shares[(shares["variable"] == "x1") & (shares["group"] == "")]
    np.testing.assert_allclose(
        together["observed"], data["x1"].value_counts(normalize=True).sort_index()
    )


def test_effects_on_categories_are_differences_of_normal_probabilities(answered_fit):
    """In a linear probit model y given do(f) is normal: closed form for all three effects."""
    fit, _ = answered_fit
    found = fit.category_effects("f", "y", draws=100)
    structure = fit.prepared.structure
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    flat = flat[np.linspace(0, len(flat) - 1, 100).round().astype(int)]
    m = structure.matrices(flat, 0)
    f, g, y = (structure.variables.index(v) for v in "fgy")
    sd = np.sqrt(m["disturbances"][:, f, f])
    direct = m["paths"][:, y, f] * sd
    indirect = m["paths"][:, g, f] * m["paths"][:, y, g] * sd
    rest = m["paths"][:, y, g] ** 2 * m["disturbances"][:, g, g] + m["disturbances"][:, y, y]
    first = structure.threshold_at["y"]
    cut = m["thresholds"][:, first : first + 2]

    def shares(mean: np.ndarray) -> np.ndarray:
        below = ndtr((cut - mean[:, None]) / np.sqrt(rest)[:, None])
        edge = np.ones((len(cut), 1))
        return np.diff(np.concatenate([0 * edge, below, edge], axis=1), axis=1)

    at = [shares(0 * direct), shares(direct), shares(direct + indirect)]
    expected = {"direct": at[1] - at[0], "indirect": at[2] - at[1], "total": at[2] - at[0]}
    for effect, values in expected.items():
        own = found.table[found.table["effect"] == effect]
        np.testing.assert_allclose(own["mean"], values.mean(axis=0), atol=0.003)
        np.testing.assert_allclose(own["sd"], values.std(axis=0, ddof=1), atol=0.004)
    assert "0.1" in str(found) and found.plot() is not None
    back = fit.category_effects("f", "y", values=(1, 0), draws=100)
    own = back.table[back.table["effect"] == "total"]
    np.testing.assert_allclose(own["mean"], -expected["total"].mean(axis=0), atol=0.003)
    item = fit.category_effects("f", "z2", draws=50).table
    assert set(item["effect"]) == {"direct", "indirect", "total"}
    assert np.abs(item[item["effect"] == "direct"]["mean"]).max() == 0.0
    for x, y_, message in (("y", "y", "no path"), ("g", "x1", "no path"), ("f", "g", "not order")):
        with pytest.raises(ModelError, match=message):
            fit.category_effects(x, y_)
    with pytest.raises(ModelError, match="two different numbers"):
        fit.category_effects("f", "y", values=(1.0, 1.0))


def test_covariances_of_answers_are_those_of_bivariate_normals():
    a, b = np.array([[-1.0, 0.2, 1.3]]), np.array([[-0.4, 0.9]])
    for r in (0.3, -0.6, 0.95, 0.99):
        normal = multivariate_normal([0, 0], [[1, r], [r, 1]])
        expected = sum(normal.cdf([x, y]) - ndtr(x) * ndtr(y) for x in a[0] for y in b[0])
        assert answer_covariance(a, b, np.array([r]))[0] == pytest.approx(expected, abs=1e-9)
    p = np.diff(np.concatenate([[0], ndtr(a[0]), [1]]))
    k = np.arange(4)
    assert answer_variance(a)[0] == pytest.approx(p @ k**2 - (p @ k) ** 2)
    same = np.array([[0.0]])  # two answers that agree always
    assert answer_covariance(same, same, np.array([1.0]))[0] == pytest.approx(0.25)


def test_omega_of_the_sum_is_the_correlation_of_parallel_forms():
    """Two sums of answers that share the construct alone correlate by omega."""
    cuts = [np.array([-0.8, 0.4]), np.array([0.3]), np.array([-1.0, 0.1, 1.2])]
    loadings = np.array([0.8, 0.6, 0.7])
    rng = np.random.default_rng(4)
    f = rng.standard_normal(1_000_000)
    sums = []
    for _ in range(2):
        total = np.zeros(len(f))
        for own, loading in zip(cuts, loadings, strict=True):
            response = loading * f + np.sqrt(1 - loading**2) * rng.standard_normal(len(f))
            total += np.searchsorted(own, response)
        sums.append(total)
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    omega = omega_of_answers([c[None] for c in cuts], loadings[None], correlation[None])[0]
    assert omega == pytest.approx(np.corrcoef(sums)[0, 1], abs=0.004)


def test_measurement_is_of_latent_responses(answered_fit):
    """Loadings are the standardised ones; alpha of the numbers is theirs; a sentence judges."""
    fit, _ = answered_fit
    quality = fit.measurement(bootstrap=200)
    summary = fit.summary()
    own = summary[summary["op"] == "=~"]
    np.testing.assert_allclose(quality.loadings["mean"], own["std"], atol=1e-9)
    by = quality.reliability.set_index(["construct", "measure"])["mean"]
    standard = own[own["lhs"] == "f"]["std"].to_numpy()
    omega = standard.sum() ** 2 / (standard.sum() ** 2 + (1 - standard**2).sum())
    assert by["f", "omega"] == pytest.approx(omega, abs=0.003)
    assert by["f", "ave"] == pytest.approx((standard**2).mean(), abs=0.005)
    x = answered()[["x1", "x2", "x3", "x4"]]
    alpha = 4 / 3 * (1 - x.var().sum() / x.sum(axis=1).var())
    assert by["f", "alpha_data"] == pytest.approx(alpha, abs=1e-9)
    assert by["f", "omega_answers"] == pytest.approx(alpha, abs=0.03)
    assert by["f", "omega_answers"] < by["f", "omega"]
    assert quality.htmt["htmt"].iloc[0] == pytest.approx(
        quality.correlations["mean"].iloc[0], abs=0.03
    )
    assert "Reliability of the sum of the answers" in str(quality)


def test_measurement_with_logit_has_no_omega_of_the_sum():
    sem = bs.SEM("f =~ x1 + x2 + x3 + x4", std_lv=True, ordered=True, link="logit")
    fit = sem.fit(answered(), draws=100, tune=200, chains=2, random_seed=1, progress=False)
    quality = fit.measurement(bootstrap=50)
    assert "omega_answers" not in set(quality.reliability["measure"])
    assert "logistic residuals" in str(quality)


def test_report_has_every_section_that_has_an_answer(answered_fit, tmp_path):
    """Categories, thresholds, effects on answers, fit by the moments of the answers."""
    fit, _ = answered_fit
    page = fit.report(tmp_path / "r.html", hypotheses={"H1": "g ~ f > 0"}, progress=False)
    text = page.read_text(encoding="utf-8")
    for heading in (
        "Effects on answers",
        "Measurement",
        "Reliability of the sum of the answers",
        "Shares of the answers",
        "Maximum likelihood, for comparison",
        "answers in each category",
        "Thresholds",
        "Sensitivity to the prior",
    ):
        assert heading in text
    assert "Not available" not in text
    counts = answered()["x1"].value_counts().sort_index()
    assert ", ".join(f"{c}: {n}" for c, n in counts.items()) in text
    assert "RMSEA2" in text and "X2 of the table" in text
    assert "as ordered categories" in text


def test_consequences_and_sensitivity_of_priors(answered_fit):
    """The default prior of a standardised loading is uniform; twice the prior moves little."""
    fit, _ = answered_fit
    sem = bs.SEM(ANSWERED, std_lv=True, ordered=ANSWERED_ORDERED)
    found = sem.prior_consequences(answered(), draws=2000).draws
    loading = found.sel(quantity="standardised loading: f =~ x2").values
    assert np.abs(loading).mean() == pytest.approx(0.5, abs=0.04)
    assert np.mean(np.abs(loading) < 0.25) == pytest.approx(0.25, abs=0.04)
    table = fit.sensitivity().table
    own = table[table["quantity"] == "g ~ f"]
    assert (own["prior"] < 0.1).all() and (own["likelihood"] > own["prior"]).all()


def test_what_if_curves_are_of_latent_responses(answered_fit):
    fit, _ = answered_fit
    curve = fit.what_if("f", "y", values=[0.0, 1.0])
    total = fit.effects("f", "y").table.set_index("effect").loc["total", "mean"]
    means = curve.table["mean"].to_numpy()
    assert means[1] - means[0] == pytest.approx(total, abs=1e-9)
    assert "latent response" in str(curve) and "category_effects" in str(curve)


def test_answers_beside_numbers():
    """Skewed in opposite directions: as numbers the path is too small, and the table says so."""
    from benchmarks.skewed_answers import MODEL, truth

    sem = bs.SEM(MODEL, std_lv=True, ordered=True)
    data = sem.simulate(truth(), 300, random_seed=0)
    told = data.assign(
        x1=pd.Categorical(data["x1"].map(dict(enumerate("abcde", start=1))), ordered=True)
    )
    found = sem.compare_responses(
        told, hypotheses={"H1": "g ~ f > 0"}, draws=200, tune=300, chains=2, random_seed=1,
        progress=False,
    )  # fmt: skip
    own = found.table.set_index("quantity")
    plain = bs.SEM(MODEL, std_lv=True).ml(data).table.set_index(["lhs", "op", "rhs"])["std_all"]
    assert own.loc["g ~ f", "continuous"] == pytest.approx(plain["g", "~", "f"], abs=0.03)
    exact = sem.ml(data).table.set_index(["lhs", "op", "rhs"])["std_all"]
    assert own.loc["g ~ f", "ordered"] == pytest.approx(exact["g", "~", "f"], abs=0.03)
    assert own.loc["g ~ f", "difference"] < -0.08
    assert found.hypotheses["ordered"].iloc[0] > 0.99
    assert isinstance(found.fits["continuous"], bs.Fit)
    assert set(found.cost["model"]) == {"ordered", "continuous"}
    assert "paths by −0." in str(found) or "paths by -0." in str(found)
    with pytest.raises(ModelError, match="no ordered variables"):
        bs.SEM(MODEL).compare_responses(data)


def test_groups_are_compared_by_likelihood_ratios():
    """A loading that differs is found; the statistic is twice the difference of log-likelihoods."""
    values = {k: v for k, v in ANSWERED_TRUE.items() if k.startswith(("f", "x"))}
    text = "f =~ x1 + x2 + x3 + x4"
    plain = bs.SEM(text, std_lv=True, ordered=True)
    one = plain.simulate(values, 400, random_seed=1)
    other = plain.simulate({**values, "f=~x3": 0.3}, 400, random_seed=2)
    data = pd.concat([one.assign(g="one"), other.assign(g="other")], ignore_index=True)
    equal = ("loadings", "thresholds")
    sem = bs.SEM(text, std_lv=True, ordered=True, group_equal=equal)
    free = bs.SEM(text, std_lv=True, ordered=True, group_equal=equal, group_partial=["f=~x3"])
    found = sem.compare_groups(data, group="g", parameters=["f =~ x3"], posterior=False)
    row = found.tests.iloc[0]
    smaller, larger = sem.ml(data, group="g"), free.ml(data, group="g")
    assert row["chisq_difference"] == pytest.approx(2 * (larger.logl - smaller.logl), abs=1e-3)
    assert row["p"] < 0.001


def test_response_surfaces_are_of_constructs_however_they_are_measured():
    """The same structural values with ordered and with normal items: the same surface; scores."""
    text = "\n".join(f"{c} =~ NA*{c}1 + {c}2 + {c}3" for c in "XZY")
    text += "\nY ~ X + Z + X:X + X:Z + Z:Z\nX ~~ 1*X\nZ ~~ 1*Z\nX ~~ Z\nY ~~ 0.5*Y"
    values = {"Y~X": 0.3, "Y~Z": 0.2, "Y~X:X": -0.2, "Y~X:Z": 0.35, "Y~Z:Z": -0.15, "X~~Z": 0.3}
    items = [f"{c}{k}" for c in "XZY" for k in (1, 2, 3)]
    values |= {f"{x[0]}=~{x}": 1.2 for x in items}
    cuts = {f"{x}|t{k + 1}": cut for x in items for k, cut in enumerate((-1.2, -0.3, 0.6, 1.5))}
    found = {}
    for ordered in (True, False):
        own = values | (cuts if ordered else {f"{x}~~{x}": 1.0 for x in items})
        own |= {} if ordered else {f"{x}~1": 0.0 for x in items}
        sem = bs.SEM(text, ordered=ordered, parameterization="theta" if ordered else "delta")
        data = sem.simulate(own, 150, latents=True, random_seed=1)
        prepared = sem.prepare(data)
        fit = fit_at(prepared, elements_at(prepared.structure, own))
        found[ordered] = response_surface(fit, "X", "Z", "Y", scores=ordered)
        if ordered:
            points = found[True].scores
            assert np.corrcoef(points["X"], data["X"])[0, 1] > 0.8
            assert np.corrcoef(points["Z"], data["Z"])[0, 1] > 0.8
    np.testing.assert_allclose(
        found[True].draws.values, found[False].draws.values, rtol=1e-9, atol=1e-12
    )
