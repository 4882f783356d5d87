"""Fit of models of answers given covariates: moments, C2, slopes, correlations, indices."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit, ndtr

import bayessem as bs
from bayessem.criticism.answer_indices import answer_discrepancy
from bayessem.criticism.replicate import replicate
from bayessem.criticism.residuals import residuals
from bayessem.errors import ModelError, NotSupported
from bayessem.ml.limited_information import residual_size
from bayessem.results.answer_margins import Margins, margins_of, scores_of
from bayessem.results.answer_moments import group_moments, inverse_root
from bayessem.results.given_margins import expected_by_points, rows_of
from bayessem.results.given_normal import reduced_form
from bayessem.results.given_polychoric import (
    Regressions,
    expected_regressions,
    observed_sums,
    ordered_probit,
    regressions,
)
from bayessem.results.given_tables import expected_tables_given
from bayessem.results.simulate import elements_at, with_residuals

REFERENCES = Path(__file__).parent / "references"
ITEMS = [f"x{k}" for k in range(1, 6)]
MEASURED = "f =~ " + " + ".join(ITEMS)
MIMIC = f"{MEASURED}\nf ~ z + w"
# The model takes them as they are in the data.
COVARIATES = {"z~~z": 1.0, "z~~w": 0.0, "w~~w": 1.0, "z~1": 0.0, "w~1": 0.0}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return pd.read_csv(REFERENCES / "covariates.csv")


@pytest.fixture(scope="module")
def lavaan() -> dict:
    return json.loads((REFERENCES / "covariates.json").read_text())


def model(text: str, **options) -> bs.SEM:
    return bs.SEM(text, std_lv=True, ordered=ITEMS, parameterization="theta", **options)


def at(prepared, values: dict[str, float]) -> np.ndarray:
    """Flat model matrices at values of the model's parameters; others are left out."""
    known = {k: v for k, v in values.items() if k in prepared.table.parameters}
    given = {k: v for k, v in COVARIATES.items() if k[0] in prepared.table.exogenous}
    structure = prepared.structure
    return with_residuals(structure, elements_at(structure, known | given))


def at_estimates(prepared, values: dict) -> np.ndarray:
    """Flat model matrices at estimates of lavaan."""
    groups = prepared.sample.groups
    names = zip(values["lhs"], values["op"], values["rhs"], values["group"], strict=True)
    suffix = [f"[{g}]" if len(groups) > 1 else "" for g in groups]
    named = [f"{lhs}{op}{rhs}{suffix[g - 1]}" for lhs, op, rhs, g in names]
    return at(prepared, dict(zip(named, values["est"], strict=True)))


def said(prepared) -> tuple[Margins, Regressions]:
    margins = margins_of(prepared, "this")
    scores = scores_of(margins, prepared.sample.values)
    return margins, regressions(observed_sums(margins, rows_of(margins, prepared, 0), scores))


def test_slopes_and_correlations_given_covariates_are_those_of_lavaan(data, lavaan):
    """Thresholds, slopes and residual correlations of weighted least squares, and its model's."""
    prepared, own = model(MIMIC).prepare(data), lavaan["mimic"]
    margins, found = said(prepared)
    cov, slopes = (np.array(own["sample"][k]) for k in ("cov", "slopes"))
    first, second = margins.pairs
    assert margins.names == tuple(own["sample"]["names"])
    thresholds = np.concatenate(found.thresholds)
    np.testing.assert_allclose(thresholds, own["sample"]["thresholds"], atol=1e-6)
    np.testing.assert_allclose(found.slopes, slopes, atol=1e-6)
    np.testing.assert_allclose(found.correlations, cov[first, second], atol=1e-6)
    elements = at_estimates(prepared, own["values"])
    implied = np.array(own["implied"]["cov"])
    sd = np.sqrt(np.diag(implied))
    form = reduced_form(margins, elements, 0)
    np.testing.assert_allclose(form.correlation, implied / np.outer(sd, sd), atol=1e-6)
    expected = np.array(own["implied"]["slopes"]) / sd[:, None]
    np.testing.assert_allclose(form.slopes, expected, atol=1e-6)


def test_the_size_of_residuals_is_that_of_lavaan(data, lavaan):
    """SRMR without covariates, also of groups; CRMR given them, where lavaan's SRMR counts these.

    lavaan's `srmr` of ordered variables is over p (p + 1) / 2 elements, with covariates counted
    among the p; its `crmr_nomean`, over the pairs, is the same by both.
    """
    for name, options in (("plain", {}), ("groups", {"group": "g"})):
        prepared = model(MEASURED).prepare(data, **options)
        elements = at_estimates(prepared, lavaan[name]["values"])
        found = residual_size(margins_of(prepared, "this"), prepared, elements)
        assert found == pytest.approx(lavaan[name]["size"]["srmr"], abs=1e-6)
        crmr = found * np.sqrt(15 / 10)
        assert crmr == pytest.approx(lavaan[name]["size"]["crmr_nomean"], abs=1e-6)
    prepared, size = model(MIMIC).prepare(data), lavaan["mimic"]["size"]
    elements = at_estimates(prepared, lavaan["mimic"]["values"])
    found = residual_size(margins_of(prepared, "this"), prepared, elements)
    assert found * np.sqrt(15 / 10) == pytest.approx(size["crmr_nomean"], abs=1e-6)
    assert found * np.sqrt(15 / 17) == pytest.approx(size["srmr"], abs=1e-6)


def test_a_number_among_answers_given_covariates(data, lavaan):
    """Its regression is least squares; polyserial correlations are near those of likelihood."""
    text = f"{MEASURED} + y\nf ~ z + w"
    margins, found = said(model(text).prepare(data))
    own = lavaan["number"]["sample"]
    cov, slopes = np.array(own["cov"]), np.array(own["slopes"])
    sd = np.sqrt(cov[5, 5])
    np.testing.assert_allclose(found.slopes[:5], slopes[:5], atol=1e-6)
    np.testing.assert_allclose(found.slopes[5], slopes[5] / sd, rtol=1e-6)
    scale = margins.scale[5]
    assert found.thresholds[5][1] * scale == pytest.approx(sd, rel=1e-6)
    first, second = margins.pairs
    serial = second == 5
    np.testing.assert_allclose(found.correlations[~serial], cov[first, second][~serial], atol=1e-6)
    np.testing.assert_allclose(found.correlations[serial], cov[:5, 5] / sd, atol=0.02)


def test_probit_regressions_leave_out_what_nobody_gave():
    counts = np.array([[10.0, 0.0, 20.0, 5.0, 0.0], [4.0, 0.0, 16.0, 9.0, 0.0]])
    x = np.array([[0.0], [1.0]])
    cut, slope = ordered_probit(counts, x)
    less, same = ordered_probit(counts[:, [0, 2, 3]], x)
    np.testing.assert_allclose(cut, [less[0], less[0], less[1], cut[3]])
    np.testing.assert_allclose(slope, same)
    assert cut[3] - slope[0] > 5.0


VALUES = {"f=~a": 0.8, "f=~b": 1.1, "f=~c": 0.6, "a|t1": -0.4, "a|t2": 0.7, "b|t1": 0.1}
VALUES |= {"c|t1": -0.8, "c|t2": 0.0, "c|t3": 1.2, "f~z": 0.5, "f~w": -0.4, "b~z": 0.3}
NODE = np.linspace(-8.0, 8.0, 1601)


def few(link: str):
    """A construct and three answers, one explained by a covariate; 40 respondents, some missing."""
    sem = bs.SEM(
        "f =~ a + b + c\nf ~ z + w\nb ~ z",
        std_lv=True,
        ordered=["a", "b", "c"],
        parameterization="theta",
        link=link,
    )
    rng = np.random.default_rng(2)
    n = 40
    own = pd.DataFrame({"z": rng.normal(size=n) + 3.0, "w": rng.integers(0, 2, n)})
    for item, categories in (("a", 3), ("b", 2), ("c", 4)):
        own[item] = np.resize(np.arange(categories), n)[rng.permutation(n)].astype(float)
        own[item] = own[item].mask(rng.random(n) < 0.15)
    values = dict(VALUES)
    if link == "logit":
        values = {k: 1.7 * v if "=~" in k or "|" in k or k == "b~z" else v
                  for k, v in values.items()}  # fmt: skip
    prepared = sem.prepare(own)
    return prepared, values, at(prepared, values)


def by_patterns(link: str, prepared, values) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Averages of moments and their covariance, from every pattern of every respondent."""
    below = ndtr if link == "probit" else expit
    weight = np.exp(-0.5 * NODE**2)
    weight /= weight.sum()
    sample = prepared.sample
    column = {name: sample.values[:, sample.variables.index(name)] for name in "abczw"}
    margins = margins_of(prepared, "this")
    rows = rows_of(margins, prepared, 0)
    mean, square, count, tables = 0.0, 0.0, 0.0, 0.0
    for n in range(sample.size):
        z, w = column["z"][n], column["w"][n]
        f = NODE + values["f~z"] * z + values["f~w"] * w
        categories = []
        for item in "abc":
            eta = values[f"f=~{item}"] * f + (values["b~z"] * z if item == "b" else 0.0)
            cut = [values[f"{item}|t{k}"] for k in (1, 2, 3) if f"{item}|t{k}" in values]
            ends = [below(t - eta) for t in cut]
            categories.append(np.diff([0 * NODE, *ends, 0 * NODE + 1], axis=0))
        known = np.array([not np.isnan(column[item][n]) for item in "abc"], dtype=float)
        own_z = rows.z[rows.of[n]]
        first, second = 0.0, 0.0
        for pattern in itertools.product(*(range(len(p)) for p in categories)):
            each = [p[k] for p, k in zip(categories, pattern, strict=True)]
            chance = weight @ np.prod(each, axis=0)
            u = []
            for k, (p, y) in enumerate(zip(categories, pattern, strict=True)):
                u += [known[k] * (y == c) for c in range(1, len(p))] + list(known[k] * y * own_z)
            u += [
                known[i] * known[j] * pattern[i] * pattern[j] for i, j in ((0, 1), (0, 2), (1, 2))
            ]
            u = np.array(u, dtype=float)
            first, second = first + chance * u, second + chance * np.outer(u, u)
        mean, square = mean + first, square + second - np.outer(first, first)
        own = [len(p) - 1 + 2 for p in categories]
        pairs = [known[i] * known[j] for i, j in ((0, 1), (0, 2), (1, 2))]
        count = count + np.concatenate([np.repeat(known, own), pairs])
        tables = tables + known[0] * known[2] * (categories[0] * weight) @ categories[2].T
    return mean / count, square / np.outer(count, count), tables


@pytest.mark.parametrize("link", ["probit", "logit"])
def test_averages_and_their_covariance_are_sums_over_all_patterns(link):
    prepared, values, elements = few(link)
    mean, covariance, table = by_patterns(link, prepared, values)
    margins = margins_of(prepared, "this")
    assert margins.given == ("z", "w") and margins.names == ("a", "b", "c")
    (one,) = group_moments(margins, prepared, elements)
    np.testing.assert_allclose(one.expected(elements[None])[0], mean, atol=1e-6)
    rows = rows_of(margins, prepared, 0)
    np.testing.assert_allclose(
        expected_by_points(margins, elements[None], 0, rows)[0], mean, atol=1e-6
    )
    np.testing.assert_allclose(one.covariance(), covariance, atol=1e-6)
    tables, variance = expected_tables_given(margins, rows, elements[None], 0)
    np.testing.assert_allclose(tables[0, 2], table, atol=1e-5)
    assert (variance[0, 2] < tables[0, 2] * (1 - tables[0, 2] / tables[0, 2].sum())).all()


def test_moments_away_from_their_centre_are_exact_to_second_order():
    """What a series of covariances leaves is linear in thresholds, slopes, correlations."""
    prepared, values, elements = few("probit")
    margins = margins_of(prepared, "this")
    (one,) = group_moments(margins, prepared, elements)
    sd = np.sqrt(np.diag(one.covariance()))
    off = []
    for step in (0.1, 0.05):
        steps = {k: v + step * (-1) ** i for i, (k, v) in enumerate(values.items())}
        moved = at(prepared, steps)
        (there,) = group_moments(margins, prepared, moved)
        exact, found = (m.expected(moved[None])[0] for m in (there, one))
        off.append((exact - found) / sd)
    np.testing.assert_allclose(off[0][:-3], 0.0, atol=1e-10)
    assert np.abs(off[0]).max() < 1e-3
    assert (np.abs(off[1][-3:]) < 0.5 * np.abs(off[0][-3:])).all()


def test_fewer_respondents_tell_what_changes(data):
    """Of points of two constructs: differences from the centre by 121 of 400 respondents."""
    text = "f =~ x1 + x2\ng =~ x3 + x4 + x5\nf ~ z + w\ng ~ f + w"
    prepared = model(text, link="logit").prepare(data)
    values = {f"{f}=~x{k}": 1.5 for f, own in (("f", (1, 2)), ("g", (3, 4, 5))) for k in own}
    values |= {"f~z": 0.1, "f~w": 0.5, "g~f": 0.6, "g~w": 0.2}
    values |= {n: float(n[-1]) for n in prepared.table.parameters if "|" in n}
    margins = margins_of(prepared, "this")
    elements = at(prepared, values)
    moved = at(prepared, {k: 1.05 * v for k, v in values.items()})
    (one,) = group_moments(margins, prepared, elements)
    assert len(one.model.rows.times) == 121 < len(one.rows.times)
    root = inverse_root(one.covariance())
    exact = expected_by_points(margins, np.stack([elements, moved]), 0, one.rows)
    found = one.expected(np.stack([elements, moved]))
    np.testing.assert_allclose(found[0], exact[0], atol=1e-12)
    change, off = (np.sum((d @ root) ** 2) for d in (exact[1] - exact[0], exact[1] - found[1]))
    assert change > 5.0 and off < 0.005 * change


TRUE = {f"f=~x{k}": 0.8 for k in (1, 2, 3, 4, 5)} | {"f~z": 0.4, "f~w": 0.5}
TRUE |= {f"x{k}|t{c}": t for k in range(1, 6) for c, t in ((1, -0.5), (2, 0.7))}


def drawn(n: int = 400, *, direct: float = 0.0, shared: float = 0.0, seed: int = 5):
    """Answers given two covariates; x2 depends on w directly, x4 and x5 share something."""
    rng = np.random.default_rng(seed)
    out = pd.DataFrame({"z": rng.normal(size=n), "w": rng.integers(0, 2, n)})
    f = TRUE["f~z"] * out["z"] + TRUE["f~w"] * out["w"] + rng.normal(size=n)
    both = np.sqrt(shared) * rng.normal(size=n)
    for k in range(1, 6):
        latent = 0.8 * f + rng.normal(size=n) + (direct * out["w"] if k == 2 else 0.0)
        latent = latent + (both if k > 3 else 0.0)
        out[f"x{k}"] = (latent.to_numpy()[:, None] > np.array([-0.5, 0.7])).sum(axis=1)
    return out


@pytest.mark.parametrize("link", ["probit", "logit"])
def test_the_distance_of_data_from_their_model_has_its_mean(link):
    """With a number among the answers and missing ones: p*, the number of moments."""
    own = drawn(300)
    own["y"] = np.random.default_rng(1).normal(size=300)
    missing = np.random.default_rng(0).random((300, 6)) < 0.1
    own[[*ITEMS, "y"]] = own[[*ITEMS, "y"]].mask(missing)
    prepared = model(f"{MEASURED} + y\nf ~ z + w", link=link).prepare(own)
    elements = at(prepared, TRUE | {"f=~y": 0.6, "y~~y": 0.7, "y~1": 0.3})
    margins = margins_of(prepared, "this")
    (one,) = group_moments(margins, prepared, elements)
    assert len(one.observed) == 5 * 2 + 2 + 6 * 2 + 15
    data = replicate(prepared, np.tile(elements, (200, 1)), random_seed=3)
    off = one.of(scores_of(margins, data)) - one.expected(elements[None])
    found = np.sum((off @ inverse_root(one.covariance())) ** 2, axis=1)
    error = np.std(found) / np.sqrt(len(found))
    assert found.mean() == pytest.approx(len(one.observed), abs=4.5 * error)


def test_what_the_model_leaves_out_is_told_by_its_test():
    """C2 has lavaan's degrees of freedom; units of covariates make no difference to it."""
    sem = model(MIMIC)
    right, wrong = drawn(600), drawn(600, direct=0.8)
    fine = sem.ml(right, se="none").measures
    assert fine["c2.df"] == 13 and fine["c2.baseline.df"] == 20
    assert fine["c2.pvalue"] > 0.01 and fine["c2.rmsea"] < 0.05 and fine["c2.cfi"] > 0.98
    assert sem.ml(wrong, se="none").measures["c2.pvalue"] < 1e-4
    assert sem.ml(drawn(600, shared=0.8), se="none").measures["c2.pvalue"] < 1e-4
    freed = model(f"{MIMIC}\nx2 ~ w").ml(wrong, se="none").measures
    assert freed["c2.df"] == 12 and freed["c2.pvalue"] > 0.01
    moved = right.assign(z=100.0 - 7.0 * right["z"], w=3 * right["w"] + 2)
    again = sem.ml(moved, se="none").measures
    for name in ("c2", "c2.baseline.chisq", "srmr"):
        assert again[name] == pytest.approx(fine[name], rel=1e-3)
    assert "C2" in str(sem.ml(right, se="none"))


def test_groups_have_moments_of_their_own():
    """The same answers twice: twice the distance, twice the degrees of freedom."""
    own = drawn(300)
    both = pd.concat([own.assign(g="a"), own.assign(g="b")], ignore_index=True)
    alone = model(MIMIC).ml(own, se="none").measures
    twice = model(MIMIC).ml(both, group="g", se="none").measures
    assert twice["c2"] == pytest.approx(2.0 * alone["c2"], rel=1e-3)
    assert twice["c2.df"] == 2 * alone["c2.df"]
    for name in ("c2.rmsea", "c2.cfi", "srmr"):
        assert twice[name] == pytest.approx(alone[name], rel=1e-2, abs=1e-4)


@pytest.fixture(scope="module")
def left_out():
    """A direct effect that the model leaves out."""
    sem = model(MIMIC)
    own = drawn(500, direct=0.9)
    return sem, own, sem.fit(own, draws=200, tune=250, chains=2, random_seed=1, progress=False)


def test_indices_stand_beside_those_of_maximum_likelihood(left_out):
    sem, own, fit = left_out
    found = fit.indices(random_seed=1)
    assert found.p_star == 30 and found.ppp < 0.05
    assert 0.8 * 17 < found.p_d < 1.15 * 17
    error = np.sqrt(2.0 * found.p_star / found.replicas)
    assert found.replicated.mean() == pytest.approx(found.p_star, abs=6.0 * error)
    measures = sem.ml(own, se="none").measures
    expected = measures["c2"] + found.p_d  # at the maximum, and what draws add
    assert float(found.discrepancy.mean()) == pytest.approx(expected, rel=0.05)
    low, high = found.table.loc[0, ["lower", "upper"]]
    assert low - 0.01 <= measures["c2.rmsea"] <= high + 0.01
    assert found.table.loc[1, "mean"] == pytest.approx(measures["c2.cfi"], abs=0.02)
    shown = " ".join(str(found).split())
    assert "given the covariates (z, w)" in shown


def test_draws_have_the_distance_of_their_own_moments(left_out):
    """D of draws, whose moments are about the posterior mean, with moments about each draw."""
    _, _, fit = left_out
    found = answer_discrepancy(fit, count=50, generator=np.random.default_rng(1))
    margins = margins_of(fit.prepared, "this")
    (centre,) = group_moments(margins, fit.prepared, fit.elements.mean(axis=(0, 1)))
    root = inverse_root(centre.covariance())
    flat, values = fit.elements[0, found.draw], found.values[0]
    errors = []
    for draw in range(0, 200, 5):
        (own,) = group_moments(margins, fit.prepared, flat[draw])
        off = own.observed - own.expected(flat[draw][None])[0]
        errors.append(values[draw] / np.sum((off @ root) ** 2) - 1.0)
    assert len(set(errors)) > 20  # resampled draws are there more than once
    assert np.sqrt(np.mean(np.square(errors))) < 1e-3  # of a far draw .002
    assert np.abs(errors).max() < 5e-3


def test_residuals_and_modification_indices_say_where(left_out):
    """The slope of x2 on w, and what freeing it would gain by the likelihood."""
    sem, own, fit = left_out
    found = fit.residuals()
    worst = found.slopes.iloc[0]
    assert (worst["variable"], worst["covariate"]) == ("x2", "w") and worst["large"]
    assert len(found.slopes) == 10 and set(found.table["lhs"]) <= set(ITEMS)
    _, say = said(fit.prepared)
    table = found.slopes.set_index(["variable", "covariate"])
    sd = own[["z", "w"]].std(ddof=0)
    for k, item in enumerate(ITEMS):
        for j, x in enumerate(("z", "w")):
            expected = say.slopes[k, j] * sd[x]
            assert table.loc[(item, x), "observed"] == pytest.approx(expected, rel=0.01)
    shown = " ".join(str(found).split())
    assert "given the covariates" in shown and "x2 ~ w" in shown and "slopes on covariates" in shown
    freeing = fit.modification_indices(draws=60, progress=False)
    best = freeing.table.iloc[0]
    assert (best["lhs"], best["op"], best["rhs"]) == ("x2", "~", "w")
    assert best["kind"] == "direct effect"
    smaller = sem.ml(own, se="none")
    larger = model(f"{MIMIC}\nx2 ~ w").ml(own, se="none")
    gain = 2.0 * (larger.logl - smaller.logl)
    row = larger.table[(larger.table["lhs"] == "x2") & (larger.table["op"] == "~")].iloc[0]
    assert best["mi"] == pytest.approx(gain, rel=0.25)
    assert best["epc"] == pytest.approx(row["est"], rel=0.15)
    assert best["sepc"] == pytest.approx(row["std_all"], rel=0.2)
    alone = fit.modification_indices(kinds=("direct effect",), draws=20, progress=False)
    assert set(alone.table["op"]) == {"~"} and len(alone.table) == 10


def drawn_at(ml) -> SimpleNamespace:
    """A maximum as two draws of a fit."""
    elements = np.tile(ml.elements, (1, 2, 1))
    return SimpleNamespace(prepared=ml.prepared, elements=elements, draws=xr.DataTree())


def test_residuals_of_other_links_are_what_probit_regressions_find():
    """Slopes and correlations of a logit model's answers, by regressions of very many of them."""
    prepared = model(MIMIC, link="logit").prepare(drawn(100))
    values = {k: 1.7 * v if k[0] == "x" or "=~" in k else v for k, v in TRUE.items()}
    elements = at(prepared, values)
    margins, rows = margins_of(prepared, "this"), rows_of(margins_of(prepared, "this"), prepared, 0)
    slopes, correlations = expected_regressions(margins, rows, elements[None], 0)
    data = replicate(prepared, np.tile(elements, (400, 1)), random_seed=1)
    of = np.tile(rows.of, 400)
    many = dataclasses.replace(rows, times=400.0 * rows.times, of=of)
    found = regressions(observed_sums(margins, many, scores_of(margins, data).reshape(-1, 5)))
    # 40,000 answers: standard errors are below .01
    np.testing.assert_allclose(slopes[0], found.slopes, atol=0.04)
    np.testing.assert_allclose(correlations[0], found.correlations, atol=0.04)


def test_outcomes_that_are_no_items():
    """A number that explains an ordered outcome; two outcomes that share nothing."""
    rng = np.random.default_rng(3)
    own = pd.DataFrame({"z": rng.normal(size=400), "w": rng.normal(size=400)})
    own["m"] = 0.5 * own["z"] + rng.normal(size=400)
    latent = 0.5 * own["m"] + 0.4 * own["w"] + 0.8 * own["z"] + rng.normal(size=400)
    own["y"] = (latent.to_numpy()[:, None] > np.array([-0.5, 0.5])).sum(axis=1)
    measures = bs.SEM("m ~ z\ny ~ m + w", ordered=["y"]).ml(own, se="none").measures
    assert measures["c2.df"] == 2 and measures["c2.pvalue"] < 1e-6
    freed = bs.SEM("m ~ z\ny ~ m + w + z", ordered=["y"]).ml(own, se="none").measures
    assert freed["c2.df"] == 1 and freed["c2.pvalue"] > 0.001
    own["v"] = (own["z"] + rng.normal(size=400) > 0).astype(int)
    two = bs.SEM("y ~ z\nv ~ z\ny ~~ 0*v", ordered=["y", "v"]).ml(own, se="none").measures
    assert two["c2.df"] == 1


def test_one_outcome_has_no_moments_to_compare(data):
    prepared = bs.SEM("x1 ~ z + w", ordered=["x1"]).prepare(data)
    with pytest.raises(NotSupported, match="explains x1 alone"):
        margins_of(prepared, "a fit index")
    assert "c2" not in bs.SEM("x1 ~ z + w", ordered=["x1"]).ml(data, se="none").measures


def test_direct_effects_are_those_of_covariates(data):
    from bayessem.criticism.modification import modification_indices

    fit = drawn_at(model(MEASURED).ml(data, se="none"))
    with pytest.raises(ModelError, match="one level with covariates"):
        modification_indices(fit, kinds=("direct effect",))
    assert residuals(fit).slopes.empty


def test_a_covariate_that_does_not_vary_in_a_group():
    """Its moments are combinations of others and do not count; its slope is not told."""
    own = drawn(300).assign(g=np.where(np.arange(300) < 120, "a", "b"))
    own.loc[own["g"] == "a", "w"] = 0
    sem = model(MIMIC)
    prepared = sem.prepare(own, group="g")
    margins = margins_of(prepared, "this")
    values = {k: TRUE[k.split("[")[0]] for k in prepared.table.parameters if k[0] in "fx"}
    values |= {f"{k}[{g}]": v for k, v in COVARIATES.items() for g in "ab"}
    values = {k: v for k, v in values.items() if k in prepared.table.parameters}
    known = {k: v for k, v in COVARIATES.items() if k not in values}
    structure = prepared.structure
    elements = with_residuals(structure, elements_at(structure, values | known))
    one, two = group_moments(margins, prepared, elements)
    assert (len(one.observed), len(two.observed)) == (10 + 5 + 10, 10 + 10 + 10)
    fit = SimpleNamespace(
        prepared=prepared, elements=np.tile(elements, (1, 2, 1)), draws=xr.DataTree()
    )
    slopes = residuals(fit).slopes
    assert len(slopes) == 15 and set(slopes.loc[slopes["group"] == "a", "covariate"]) == {"z"}
