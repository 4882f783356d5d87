"""Fit of models with ordered answers: moments, C2, Bayesian indices, residuals of pairs."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from example_models import ANSWERED, ANSWERED_ORDERED, ANSWERED_TRUE, DATA, answered
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

import bayessem as bs
from bayessem.criticism.residuals import residuals
from bayessem.errors import NotSupported
from bayessem.ml.limited_information import group_scores, residual_size
from bayessem.results.answer_margins import (
    disturbance_points,
    expected_moments,
    given_constructs,
    margins_of,
    moment_covariance,
    observed_of,
    points_of,
    scores_of,
)
from bayessem.results.answer_moments import inverse_root
from bayessem.results.polychoric import observed_correlations, polychoric, rectangles
from bayessem.results.simulate import elements_at, simulate, with_residuals

LSAT7 = (
    *(12, 19, 1, 7, 3, 19, 3, 17, 10, 5, 3, 7, 7, 23, 8, 28),
    *(7, 39, 11, 34, 14, 51, 15, 90, 6, 25, 7, 35, 18, 136, 32, 308),
)  # Bock & Lieberman (1970), Table 1, patterns 00000, 00001, ..., 11111
ONE = "f =~ i1 + i2 + i3 + i4 + i5"


@pytest.fixture(scope="module")
def lsat7() -> pd.DataFrame:
    patterns = pd.read_csv(DATA / "lsat6.csv").drop(columns="count")
    return patterns.loc[patterns.index.repeat(LSAT7)].reset_index(drop=True)


@pytest.fixture(scope="module")
def maximum(lsat7):
    return bs.SEM(ONE, std_lv=True, ordered=True, link="logit", parameterization="theta").ml(lsat7)


def drawn_at(ml) -> SimpleNamespace:
    """A maximum as two draws of a fit."""
    elements = np.tile(ml.elements, (1, 2, 1))
    return SimpleNamespace(prepared=ml.prepared, elements=elements, draws=xr.DataTree())


def at(prepared, values: dict[str, float]) -> np.ndarray:
    """Flat model matrices in theta."""
    return with_residuals(prepared.structure, elements_at(prepared.structure, values))


def test_limited_information_is_that_of_mirt(maximum):
    """`mirt::M2(mirt(expand.table(LSAT7), 1))` in mirt's own tests: 11.93841 on 5 df."""
    assert maximum.measures["c2"] == pytest.approx(11.93841, abs=1e-4)
    assert maximum.measures["c2.df"] == 5
    assert maximum.measures["c2.pvalue"] == pytest.approx(0.0356, abs=1e-4)
    assert "C2" in str(maximum) and "Chi-square" not in str(maximum)


def test_tables_of_pairs_are_those_of_mirt(maximum):
    """Sizes of mirt's residuals of local dependence, in its tests to two or three digits."""
    found = residuals(drawn_at(maximum))
    x2 = {(r["lhs"], r["rhs"]): r["x2"] for r in found.table.to_dict("records")}
    expected = {(1, 2): 0.45, (1, 3): 0.855, (1, 4): 2.58, (1, 5): 2.396, (2, 3): 1.055}
    expected |= {(2, 4): 0.265, (2, 5): 1.381, (3, 4): 0.154, (3, 5): 0.003}
    for (i, j), value in expected.items():
        assert x2[f"i{i}", f"i{j}"] == pytest.approx(value, abs=0.006)
    cells = found.cells[(found.cells["lhs"] == "i1") & (found.cells["rhs"] == "i4")]
    assert cells["observed"].sum() == pytest.approx(cells["expected"].sum()) == 1000
    # standard errors of logit loadings are .2: correlations move by hundredths
    pairs, elements = 10, 15
    expected = maximum.measures["srmr"] * math.sqrt(elements / pairs)
    assert found.crmr["mean"].iloc[0] == pytest.approx(expected, abs=1e-6)


# lavaan 0.6.14 of the LSAT's section 6 (data/lsat6.csv):
#     cfa("f =~ i1+i2+i3+i4+i5", x, ordered = names(x), std.lv = TRUE, estimator = "DWLS")
# coef, lavInspect(, "sampstat")$cov by column, fitMeasures(, "srmr")
LSAT6_DWLS = (0.3894547856, 0.3970889988, 0.4712927178, 0.3769245522, 0.3423790042)
LSAT6_DWLS += (-1.4325027208, -0.5504656950, -0.1332445236, -0.7159859896, -1.1263911290)
LSAT6_TETRACHORIC = (0.17031639770, 0.22752194486, 0.10718610638, 0.06650061544, 0.18909107877)
LSAT6_TETRACHORIC += (0.11114707379, 0.17242184869, 0.18668046305, 0.10549162261, 0.20092411641)
LSAT6_SRMR = 0.03596519237


def test_polychoric_correlations_and_srmr_are_those_of_lavaan():
    counted = pd.read_csv(DATA / "lsat6.csv")
    data = counted.loc[counted.index.repeat(counted.pop("count"))].reset_index(drop=True)
    prepared = bs.SEM(ONE, std_lv=True, ordered=True).prepare(data)
    margins = margins_of(prepared, "a test")
    names = [f"f=~i{j}" for j in range(1, 6)] + [f"i{j}|t1" for j in range(1, 6)]
    elements = at(prepared, dict(zip(names, LSAT6_DWLS, strict=True)))
    (found,) = [observed_correlations(margins, s) for s in group_scores(margins, prepared)]
    assert residual_size(margins, prepared, elements) == pytest.approx(LSAT6_SRMR, abs=1e-6)
    by_first = sorted(zip(*margins.pairs, found, strict=True), key=lambda r: sorted(r[:2]))
    assert [r[2] for r in by_first] == pytest.approx(LSAT6_TETRACHORIC, abs=1e-6)


def small():
    """Two constructs of two answers each, one number, some of it missing."""
    text = "f =~ x1 + x2\ng =~ x3 + n + x4\ng ~ f"
    values = {"f=~x1": 0.9, "f=~x2": 1.2, "g=~x3": 0.7, "g=~n": 0.8, "g=~x4": 1.0, "g~f": 0.5}
    values |= {"n~~n": 0.6, "n~1": 0.4, "x1|t1": -0.5, "x1|t2": 0.8, "x2|t1": 0.3}
    values |= {"x3|t1": -1.0, "x3|t2": 0.0, "x3|t3": 0.9, "x4|t1": 0.2}
    sem = bs.SEM(text, std_lv=True, ordered=["x1", "x2", "x3", "x4"], parameterization="theta")
    return sem, values


def test_moments_and_their_covariance_are_sums_over_all_patterns():
    """One construct, three items: every pattern's probability by sums over the construct."""
    values = {"f=~a": 0.8, "f=~b": 1.1, "f=~c": 0.6, "a|t1": -0.4, "a|t2": 0.7, "b|t1": 0.1}
    values |= {"c|t1": -0.8, "c|t2": 0.0, "c|t3": 1.2}
    sem = bs.SEM("f =~ a + b + c", std_lv=True, ordered=True, parameterization="theta")
    data = sem.simulate(values, 400, random_seed=1)
    prepared = sem.prepare(data)
    margins, elements = margins_of(prepared, "this"), at(prepared, values)
    node = np.linspace(-8.0, 8.0, 1601)
    weight = np.exp(-0.5 * node**2)
    weight /= weight.sum()
    categories = []
    for item in "abc":
        cut = [values[f"{item}|t{k}"] for k in (1, 2, 3) if f"{item}|t{k}" in values]
        below = [ndtr(t - values[f"f=~{item}"] * node) for t in cut]
        categories.append(np.diff([0 * node, *below, 0 * node + 1], axis=0))
    mean, square = 0.0, 0.0
    for pattern in itertools.product(*(range(len(p)) for p in categories)):
        chance = weight @ np.prod([p[k] for p, k in zip(categories, pattern, strict=True)], axis=0)
        own = [float(k == c) for p, k in zip(categories, pattern, strict=True)
               for c in range(1, len(p))]  # fmt: skip
        a, b, c = pattern
        u = np.array([*own, a * b, a * c, b * c])
        mean, square = mean + chance * u, square + chance * np.outer(u, u)
    given = given_constructs(margins, elements, 0, points_of(margins))
    np.testing.assert_allclose(given.moments, mean, atol=1e-10)
    np.testing.assert_allclose(expected_moments(margins, elements[None], 0)[0], mean, atol=1e-10)
    covariance = square - np.outer(mean, mean)
    np.testing.assert_allclose(moment_covariance(margins, given), covariance, atol=1e-10)


def test_the_distance_of_data_from_their_model_has_its_mean():
    """With numbers among the answers and missing ones: p*, the number of moments."""
    sem, values = small()
    rng = np.random.default_rng(3)
    data = sem.simulate(values, 400, random_seed=2)
    prepared = sem.prepare(data.mask(rng.random(data.shape) < 0.15))
    margins, elements = margins_of(prepared, "this"), at(prepared, values)
    given = given_constructs(margins, elements, 0, points_of(margins))
    covariance, expected = moment_covariance(margins, given), given.moments
    found = []
    for _ in range(150):
        drawn = simulate(prepared.structure, elements, 400, random_seed=rng)
        drawn[["x1", "x2", "x3", "x4"]] -= [1, 0, 1, 0]
        drawn = drawn[list(prepared.sample.variables)].mask(rng.random(drawn.shape) < 0.15)
        one = observed_of(margins, scores_of(margins, drawn.to_numpy(dtype=float)))
        root = inverse_root(covariance * one.shares)
        found.append(np.sum(((one.moments - expected) @ root) ** 2))
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(margins.size, abs=4.5 * error)


def test_quasi_random_points_are_close_to_exact_moments():
    """Four constructs and more have no product of rules."""
    points, weights = disturbance_points(5)
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(points.T @ points / len(points), np.eye(5), atol=5e-3)
    for k in (1, 2, 3):
        points, weights = disturbance_points(k)
        np.testing.assert_allclose((points.T * weights) @ points, np.eye(k), atol=1e-9)


def test_polychoric_correlations_are_likeliest():
    rng = np.random.default_rng(1)
    first, second = np.array([-0.7, 0.4]), np.array([-0.2, 0.5, 1.4])
    table = rng.multinomial(300, rectangles(first, second, np.array(0.55)).ravel()).reshape(3, 4)
    best = minimize_scalar(
        lambda r: -np.sum(table * np.log(rectangles(first, second, np.array(r)))),
        bounds=(-0.99, 0.99),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert polychoric(table, first, second) == pytest.approx(best.x, abs=1e-6)
    same = np.array([[50.0, 0.0], [0.0, 50.0]])
    assert polychoric(same, np.zeros(1), np.zeros(1)) == pytest.approx(0.999, abs=1e-6)


def test_indices_of_a_model_that_holds(answered_fit):
    """Their companions of maximum likelihood lie inside; replicated data have p* on average."""
    fit, _ = answered_fit
    found = fit.indices(random_seed=1)
    assert list(found.table["index"]) == ["BRMSEA", "BCFI", "BTLI", "BNFI"]
    assert 0.02 < found.ppp < 0.98
    npar = len(fit.prepared.table.parameters)
    assert 0.8 * npar < found.p_d < 1.1 * npar
    error = np.sqrt(2.0 * found.p_star / found.replicas)
    assert found.replicated.mean() == pytest.approx(found.p_star, abs=6.0 * error)
    sem = bs.SEM(ANSWERED, std_lv=True, ordered=ANSWERED_ORDERED)
    measures = sem.ml(answered(), se="none").measures
    low, high = found.table.loc[0, ["lower", "upper"]]
    assert low - 0.01 <= measures["c2.rmsea"] <= high + 0.01
    assert found.table.loc[1, "mean"] == pytest.approx(measures["c2.cfi"], abs=0.02)
    assert "RMSEA2" in " ".join(str(found).split())


def test_a_wrong_model_is_far_off_and_its_residuals_say_where():
    """Two constructs taken for one: no sampling, the maximum stands for the draws."""
    values = {k: v for k, v in ANSWERED_TRUE.items() if k[0] in "fgxz" and k != "g~f"}
    sem = bs.SEM(
        "f =~ x1 + x2 + x3 + x4\ng =~ z1 + z2 + z3 + z4\nf ~~ 0.2*g", std_lv=True, ordered=True
    )
    data = sem.simulate(values, 500, random_seed=4)
    one = bs.SEM("f =~ x1 + x2 + x3 + x4 + z1 + z2 + z3 + z4", std_lv=True, ordered=True)
    wrong = one.ml(data, se="none")
    right = sem.ml(data, se="none")
    assert wrong.measures["c2.pvalue"] < 1e-4 < right.measures["c2.pvalue"]
    assert wrong.measures["c2.rmsea"] > 0.05 and wrong.measures["srmr"] > 0.1
    assert right.measures["srmr"] < 0.06
    found = residuals(drawn_at(wrong))
    p = 8
    expected = wrong.measures["srmr"] * math.sqrt((p + 1) / (p - 1))
    assert found.crmr["mean"].iloc[0] == pytest.approx(expected, abs=1e-9)
    worst = found.table[found.table["large"]]
    assert all({lhs[0], rhs[0]} == {"z"} for lhs, rhs in worst[["lhs", "rhs"]].to_numpy()[:3])
    assert "X2 of the table" in str(found) and "standard errors" in str(found)


def test_groups_have_moments_of_their_own(lsat7):
    """The same answers twice: twice the distance, twice the degrees of freedom."""
    sem = bs.SEM(ONE, std_lv=True, ordered=True)
    both = pd.concat([lsat7.assign(g="a"), lsat7.assign(g="b")], ignore_index=True)
    alone, twice = sem.ml(lsat7, se="none").measures, sem.ml(both, group="g", se="none").measures
    assert twice["c2"] == pytest.approx(2.0 * alone["c2"], rel=1e-3)
    assert twice["c2.df"] == 2 * alone["c2.df"]
    for name in ("c2.rmsea", "c2.cfi", "srmr"):
        assert twice[name] == pytest.approx(alone[name], rel=1e-2)


def test_what_has_no_moments_of_its_own_is_refused():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"z": rng.normal(size=80), "n": rng.poisson(2.0, size=80)})
    data["y"] = rng.integers(0, 3, size=80)
    alone = bs.SEM("y ~ z", ordered=["y"]).prepare(data)
    with pytest.raises(NotSupported, match=r"explains y alone; fit\.predictive_check\(\)"):
        margins_of(alone, "a fit index")
    counts = bs.SEM("y ~ z\nn ~ z\ny ~~ 0*n", ordered=["y"], family={"n": "poisson"})
    with pytest.raises(NotSupported, match="ordered and normal variables"):
        margins_of(counts.prepare(data), "a fit index")


def test_modification_indices_say_what_freeing_would_gain():
    """Against maximum likelihood with the cross-loading: twice the gain, and its estimate."""
    text = "f =~ x1 + x2 + x3 + x4\ng =~ z1 + z2 + z3 + z4\nf ~~ g"
    values = {k: v for k, v in ANSWERED_TRUE.items() if k[0] in "fgxz" and k != "g~f"}
    values |= {"f~~g": 0.3, "g=~x4": 0.3, "f=~x4": 0.6}
    larger = bs.SEM(text + "\ng =~ x4", std_lv=True, ordered=True)
    data = larger.simulate(values, 500, random_seed=9)
    sem = bs.SEM(text, std_lv=True, ordered=True)
    fit = sem.fit(data, draws=150, tune=200, chains=2, random_seed=1, progress=False)
    found = fit.modification_indices(draws=60, progress=False)
    best = found.table.iloc[0]
    assert (best["lhs"], best["op"], best["rhs"]) == ("g", "=~", "x4")
    small, large = sem.ml(data, se="none"), larger.ml(data, se="none")
    gain = 2.0 * (large.logl - small.logl)
    table = large.table
    own = table[(table["lhs"] == "g") & (table["rhs"] == "x4")].iloc[0]
    # a score statistic of the moments against the likelihood's own, and one Newton step
    assert best["mi"] == pytest.approx(gain, rel=0.35)
    assert best["sepc"] == pytest.approx(own["std_all"], abs=0.1)
    assert {"cross-loading", "residual covariance"} == set(found.table["kind"])
    assert "moments of the answers" in " ".join(str(found).split())
    nothing = found.table[(found.table["lhs"] == "f") & (found.table["rhs"] == "z1")].iloc[0]
    assert nothing["mi"] < 6.0


def test_what_two_items_share_is_found():
    """A construct of two items alone, which the model leaves out, is a residual covariance."""
    text = "f =~ x1 + x2 + x3 + x4 + x5"
    cuts = {f"x{k}|t{c}": t for k in range(1, 6) for c, t in ((1, -0.5), (2, 0.6))}
    both = bs.SEM(
        f"{text}\nh =~ a*x1 + a*x2\nf ~~ 0*h", std_lv=True, ordered=True, parameterization="theta"
    )
    values = {f"f=~x{k}": 1.0 for k in range(1, 6)} | {"a": 0.4} | cuts
    data = both.simulate(values, 3000, random_seed=3)
    sem = bs.SEM(text, std_lv=True, ordered=True, parameterization="theta")
    fit = sem.fit(data, draws=150, tune=200, chains=2, random_seed=1, progress=False)
    found = fit.modification_indices(draws=60, progress=False)
    best = found.table.iloc[0]
    assert (best["lhs"], best["op"], best["rhs"]) == ("x1", "~~", "x2") and best["mi"] > 10.0
    larger, smaller = both.ml(data, se="none"), sem.ml(data, se="none")
    assert best["mi"] == pytest.approx(2.0 * (larger.logl - smaller.logl), rel=0.15)
    table = larger.table
    shared = table[(table["lhs"] == "h") & (table["rhs"] == "x1")]["est"].iloc[0] ** 2
    assert best["sepc"] == pytest.approx(shared / (1.0 + shared), abs=0.06)
