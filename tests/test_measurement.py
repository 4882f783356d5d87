"""Measurement quality against closed forms, plain computations and semTools' numbers."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shown import check

from bayessem.errors import FitError, ModelError
from bayessem.measurement.constructs import find_constructs, indicator_moments, item_weights
from bayessem.measurement.htmt import (
    bootstrap_covariances,
    composite_correlations,
    construct_htmt,
    cronbach_alpha,
)
from bayessem.measurement.quality import assess
from bayessem.measurement.quality_result import Measurement
from bayessem.results.standardize import model_moments
from bayessem.sem import SEM
from bayessem.text.document import Heading, Table
from bayessem.text.numbers import number

REFCASES = Path(
    os.environ.get("BAYESSEM_REFCASES", Path(__file__).parents[2] / "shared" / "refcases")
)
CASES = REFCASES / "cases.json"


def prepared_of(model, data, **options):
    return SEM(model).prepare(data, **options)


def elements_of(structure, values, groups=1):
    """Flat model matrices from values by name ("f=~x1"); 0 where nothing is said."""
    from bayessem.model.structure import matrix_offsets

    elements = np.zeros(groups * matrix_offsets(*structure.shape)[1])
    for g in range(groups):
        loadings = structure.matrices(elements, g)["loadings"]
        for name in structure.variables:
            if name in structure.observed:  # promoted: loading 1
                loadings[structure.observed.index(name), structure.variables.index(name)] = 1.0
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        value = values.get((row.name, place.group), values.get(row.name, row.value))
        for at in structure.element(place):
            elements[at] = np.nan_to_num(value) if value is not None else 0.0
    return elements


def normal_data(covariance, names, n=200, seed=3):
    """Data whose covariances (divisor n) are exactly these."""
    raw = np.random.default_rng(seed).standard_normal((n, len(names)))
    raw -= raw.mean(axis=0)
    raw = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / n)).T
    return pd.DataFrame(raw @ np.linalg.cholesky(covariance).T, columns=names)


TWO = "f =~ x1 + x2 + x3\ng =~ y1 + y2\nx1 ~~ x2"
TWO_VALUES = {
    "f=~x1": 1.0,
    "f=~x2": 0.8,
    "f=~x3": 1.2,
    "g=~y1": 1.0,
    "g=~y2": 0.5,
    "x1~~x1": 0.6,
    "x2~~x2": 0.7,
    "x3~~x3": 0.5,
    "x1~~x2": 0.2,
    "y1~~y1": 0.4,
    "y2~~y2": 0.9,
    "f~~f": 1.5,
    "g~~g": 2.0,
    "f~~g": 0.7,
}


def implied(model, values, **options):
    """A model, its matrices at these values, and data with exactly the implied covariances."""
    names = list(SEM(model).table.observed)
    some = pd.DataFrame(np.random.default_rng(1).standard_normal((60, len(names))), columns=names)
    structure = prepared_of(model, some).structure
    elements = elements_of(structure, values)
    covariance = model_moments(structure, elements).observed_covariance
    data = normal_data(covariance, names)
    return prepared_of(model, data), elements, data


def draws_around(elements, *, chains=2, draws=30, seed=5, spread=0.02):
    noise = np.random.default_rng(seed).standard_normal((chains, draws, 1))
    return elements * (1.0 + spread * noise)


def still(elements):
    """The same point in every draw."""
    return np.broadcast_to(elements, (2, 4, elements.size)).copy()


def measure(result, construct, name):
    table = result.reliability
    return table[(table["construct"] == construct) & (table["measure"] == name)].iloc[0]


def test_reliability_follows_the_formulas():
    prepared, elements, _ = implied(TWO, TWO_VALUES)
    result = assess(prepared, still(elements), bootstrap=20)
    explained, residual = 3.0**2 * 1.5, 0.6 + 0.7 + 0.5
    omega = explained / (explained + residual + 2 * 0.2)
    squared = (1.0 + 0.64 + 1.44) * 1.5
    assert measure(result, "f", "omega")["mean"] == pytest.approx(omega)
    assert measure(result, "f", "ave")["mean"] == pytest.approx(squared / (squared + residual))
    total = explained + residual + 2 * 0.2
    alpha = 1.5 * (1 - (squared + residual) / total)
    assert measure(result, "f", "alpha")["mean"] == pytest.approx(alpha)
    # The data have the implied covariances, so the classic alpha is the same number.
    assert measure(result, "f", "alpha_data")["mean"] == pytest.approx(alpha)
    assert measure(result, "f", "omega")["p_pass"] == float(omega > 0.7)


def test_standardised_items_give_mean_squared_loadings():
    prepared, elements, _ = implied(TWO, TWO_VALUES)
    result = assess(prepared, still(elements), standardized=True, bootstrap=20)
    loadings = result.loadings[result.loadings["construct"] == "f"]["mean"].to_numpy()
    np.testing.assert_allclose(loadings[2], 1.2 * np.sqrt(1.5 / (1.44 * 1.5 + 0.5)))
    assert measure(result, "f", "ave")["mean"] == pytest.approx((loadings**2).mean())


def test_cross_loadings_count_in_the_denominator():
    model = TWO.replace("+ x3", "+ x3 + y2").replace("\nx1 ~~ x2", "")
    values = {**TWO_VALUES, "f=~y2": 0.3, "x1~~x2": 0.0}
    prepared, elements, _ = implied(model, values)
    result = assess(prepared, still(elements), bootstrap=20)
    structure = prepared.structure
    sigma = model_moments(structure, elements).observed_covariance
    columns = [structure.observed.index(x) for x in ("y1", "y2")]
    expected = 1.5**2 * 2.0 / sigma[np.ix_(columns, columns)].sum()
    assert measure(result, "g", "omega")["mean"] == pytest.approx(expected)


SECOND = """H =~ f1 + f2 + f3
f1 =~ a1 + a2 + a3
f2 =~ b1 + b2
f3 =~ c1 + c2 + c3
y ~ H
"""
SECOND_VALUES = {
    **{f"f1=~a{i}": v for i, v in ((1, 1.0), (2, 0.9), (3, 1.1))},
    **{f"f2=~b{i}": v for i, v in ((1, 1.0), (2, 1.3))},
    **{f"f3=~c{i}": v for i, v in ((1, 1.0), (2, 0.7), (3, 0.6))},
    **{f"{x}~~{x}": 0.5 for x in ("a1", "a2", "a3", "b1", "b2", "c1", "c2", "c3")},
    "H=~f1": 1.0,
    "H=~f2": 0.6,
    "H=~f3": 1.4,
    "f1~~f1": 0.3,
    "f2~~f2": 0.5,
    "f3~~f3": 0.9,
    "H~~H": 1.2,
    "y~H": 0.4,
    "y~~y": 0.8,
}


def test_second_order_constructs_stand_on_their_own_level():
    prepared, elements, _ = implied(SECOND, SECOND_VALUES)
    result = assess(prepared, still(elements), bootstrap=20)
    loading = np.array([1.0, 0.6, 1.4])
    standard = loading * np.sqrt(1.2 / (loading**2 * 1.2 + np.array([0.3, 0.5, 0.9])))
    shown = result.loadings[result.loadings["construct"] == "H"]
    assert list(shown["indicator"]) == ["f1", "f2", "f3"]
    assert set(shown["level"]) == {2}
    np.testing.assert_allclose(shown["mean"], standard)
    omega = standard.sum() ** 2 / (standard.sum() ** 2 + (1 - standard**2).sum())
    assert measure(result, "H", "omega")["mean"] == pytest.approx(omega)
    assert measure(result, "H", "ave")["mean"] == pytest.approx((standard**2).mean())
    # of the sum of all items, what is due to H
    by_item = 1.0 * 3.0 + 0.6 * 2.3 + 1.4 * 2.3
    due = by_item**2 * 1.2
    rest = 3.0**2 * 0.3 + 2.3**2 * 0.5 + 2.3**2 * 0.9 + 8 * 0.5
    assert measure(result, "H", "omega_items")["mean"] == pytest.approx(due / (due + rest))
    # The scale of a dimension (its marker item) changes nothing on the second level.
    rescaled = dict(SECOND_VALUES)
    for name, factor in (("f1=~a1", 0.5), ("f1=~a2", 0.5), ("f1=~a3", 0.5), ("H=~f1", 2.0)):
        rescaled[name] = SECOND_VALUES[name] * factor
    rescaled["f1~~f1"] = 0.3 * 4.0
    other = assess(prepared, still(elements_of(prepared.structure, rescaled)), bootstrap=20)
    for name in ("omega", "ave", "alpha", "omega_items"):
        assert measure(other, "H", name)["mean"] == pytest.approx(
            measure(result, "H", name)["mean"]
        )


def test_a_dimension_is_not_held_against_its_own_construct():
    prepared, elements, _ = implied(SECOND, SECOND_VALUES)
    result = assess(prepared, still(elements), bootstrap=20)
    nearest = result.fornell_larcker.set_index("construct")["nearest"]
    assert nearest["H"] == "y"
    assert set(nearest[["f1", "f2", "f3"]]) <= {"f1", "f2", "f3", "y"}
    pairs = set(zip(result.htmt["construct"], result.htmt["other"], strict=True))
    assert pairs == {("f1", "f2"), ("f1", "f3"), ("f2", "f3")}
    verdict = result.correlations.set_index(["construct", "other"])["verdict"]
    assert verdict["H", "f1"] == "" and verdict["f1", "f2"] == "no problem"


def test_fornell_larcker_is_a_joint_probability_over_draws():
    prepared, elements, _ = implied(TWO, TWO_VALUES)
    draws = still(elements)
    structure = prepared.structure
    for c in range(2):  # every second draw: correlation .95 instead of .40
        disturbances = structure.matrices(draws[c, ::2])["disturbances"]
        disturbances[:, 0, 1] = disturbances[:, 1, 0] = 0.95 * np.sqrt(1.5 * 2.0)
    result = assess(prepared, draws, bootstrap=20)
    assert list(result.fornell_larcker["p_pass"]) == [0.5, 0.5]
    row = result.correlations.iloc[0]
    assert row["p_above_90"] == 0.5
    assert row["verdict"] == "moderate"
    assert row["upper"] == pytest.approx(0.95, abs=1e-6)


@pytest.mark.parametrize(
    ("correlation", "verdict"),
    [(0.79, "no problem"), (-0.85, "marginal"), (0.95, "moderate"), (1.0, "severe")],
)
def test_verdicts_by_the_end_of_the_interval(correlation, verdict):
    values = {**TWO_VALUES, "f~~f": 1.0, "g~~g": 1.0, "f~~g": correlation}
    prepared, _, _ = implied(TWO, TWO_VALUES)
    result = assess(prepared, still(elements_of(prepared.structure, values)), bootstrap=20)
    assert result.correlations["verdict"].iloc[0] == verdict


def test_htmt_is_the_correlation_of_parallel_constructs():
    lam, theta = 0.8, 0.36
    phi = np.array([[1.0, 0.55], [0.55, 1.0]])
    loadings = np.kron(np.eye(2), np.full((3, 1), lam))
    sigma = loadings @ phi @ loadings.T + theta * np.eye(6)
    measures = {"f": [[0], [1], [2]], "g": [[3], [4], [5]]}
    assert construct_htmt(sigma, measures, [("f", "g")])[0] == pytest.approx(0.55)
    assert construct_htmt(sigma, measures, []).shape == (0,)


def test_htmt_by_hand():
    r = np.array(
        [[1.0, 0.5, 0.2, 0.3], [0.5, 1.0, -0.1, 0.25], [0.2, -0.1, 1.0, 0.4], [0.3, 0.25, 0.4, 1.0]]
    )
    sd = np.array([1.0, 3.0, 0.2, 5.0])
    measures = {"f": [[0], [1]], "g": [[2], [3]]}
    expected = np.mean([0.2, 0.3, 0.1, 0.25]) / np.sqrt(0.5 * 0.4)
    found = construct_htmt(r * np.outer(sd, sd), measures, [("f", "g")])
    assert found[0] == pytest.approx(expected)


def test_scores_of_dimensions():
    rng = np.random.default_rng(2)
    data = rng.standard_normal((500, 5)) @ rng.standard_normal((5, 5))
    z = (data - data.mean(axis=0)) / data.std(axis=0)
    scores = np.stack([z[:, [0, 2]].mean(axis=1), z[:, [1, 3, 4]].mean(axis=1), z[:, 4]], axis=1)
    found = composite_correlations(np.cov(data.T, bias=True), [[0, 2], [1, 3, 4], [4]])
    np.testing.assert_allclose(found, np.corrcoef(scores.T))


def test_bootstrap_is_the_weighted_covariance():
    values = np.random.default_rng(4).normal(3.0, 2.0, (40, 3))
    weights = np.random.default_rng(9).standard_exponential((5, 40))
    found = bootstrap_covariances(values, draws=5, random_seed=9)
    for w, covariance in zip(weights, found, strict=True):
        np.testing.assert_allclose(covariance, np.cov(values.T, aweights=w, ddof=0), rtol=1e-10)


def test_bootstrap_with_missing_values_uses_available_pairs():
    values = np.random.default_rng(4).normal(3.0, 2.0, (60, 3))
    values[:20, 0] = np.nan
    values[10:25, 2] = np.nan
    weights = np.random.default_rng(9).standard_exponential((2, 60))[0]
    found = bootstrap_covariances(values, draws=2, random_seed=9)[0]
    known = ~np.isnan(values)
    mean = [np.average(values[known[:, i], i], weights=weights[known[:, i]]) for i in range(3)]
    for i in range(3):
        for j in range(3):
            both = known[:, i] & known[:, j]
            products = (values[both, i] - mean[i]) * (values[both, j] - mean[j])
            expected = np.average(products, weights=weights[both])
            assert found[i, j] == pytest.approx(expected, rel=1e-10)


def test_bootstrap_spread_is_that_of_theory():
    # The standard error of a correlation under normality is (1 - r^2) / sqrt(n).
    n, r, draws = 400, 0.6, 2000
    data = normal_data(np.array([[1.0, r], [r, 1.0]]), ["a", "b"], n=n).to_numpy()
    sigma = bootstrap_covariances(data, draws=draws, random_seed=1)
    found = sigma[:, 0, 1] / np.sqrt(sigma[:, 0, 0] * sigma[:, 1, 1])
    centred = data - data.mean(axis=0)
    influence = centred[:, 0] * centred[:, 1] - r / 2 * (centred**2).sum(axis=1)
    expected = influence.std() / np.sqrt(n)  # of this sample, normal or not
    assert found.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * draws) + 2 / n**0.5)
    assert found.mean() == pytest.approx(r, abs=5 * expected / np.sqrt(draws) + 1 / n)


def test_bootstrap_repeats_and_differs_by_seed():
    values = np.random.default_rng(4).standard_normal((30, 2))
    one, same, other = (bootstrap_covariances(values, draws=3, random_seed=s) for s in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    with pytest.raises(FitError, match="at least 2"):
        bootstrap_covariances(values, draws=1, random_seed=1)


def test_alpha_of_parallel_items_is_spearman_brown():
    k, r = 5, 0.4
    assert cronbach_alpha(np.full((k, k), r) + (1 - r) * np.eye(k)) == pytest.approx(
        k * r / (1 + (k - 1) * r)
    )


def test_single_items_and_observed_variables_have_no_reliability():
    model = "f =~ x1 + x2 + x3\ns =~ 1*u\nu ~~ 0.2*u\ns ~ f\nz ~ s"
    values = {
        **TWO_VALUES,
        "x1~~x2": 0.0,
        "s=~u": 1.0,
        "u~~u": 0.2,
        "s~f": 0.5,
        "z~s": 0.3,
        "s~~s": 0.4,
        "z~~z": 1.0,
    }
    prepared, elements, _ = implied(model, values)
    result = assess(prepared, draws_around(elements), bootstrap=20)
    assert set(result.reliability["construct"]) == {"f"}
    assert result.htmt.empty
    assert set(result.fornell_larcker["construct"]) == {"f"}
    assert any("z: observed" in note for note in result.notes)
    assert any("s has one indicator, u" in note for note in result.notes)
    check(result, number(result.loadings["mean"][0]), "HTMT needs two constructs", "omega = comp")
    matrix = next(b for b in result.document().blocks if isinstance(b, Table) and "HTMT" in b.title)
    assert [column.title for column in matrix.columns] == ["", "f", "s"]  # nothing to say under z


def test_reverse_keyed_items_are_named():
    values = {**TWO_VALUES, "f=~x3": -1.2}
    prepared, elements, _ = implied(TWO, values)
    result = assess(prepared, draws_around(elements), bootstrap=20)
    assert any(note.startswith("x3 loads on f with the other sign") for note in result.notes)


def test_groups_are_told_apart():
    rng = np.random.default_rng(8)
    names = list(SEM(TWO).table.observed)
    data = pd.DataFrame(rng.standard_normal((120, 5)), columns=names)
    data["g"] = np.repeat(["a", "b"], 60)
    prepared = prepared_of(TWO, data, group="g")
    values = {**TWO_VALUES, ("f~~f", 1): 3.0}
    elements = elements_of(prepared.structure, values, groups=2)
    both = assess(prepared, draws_around(elements), bootstrap=20)
    only = assess(prepared, draws_around(elements), bootstrap=20, group="b")
    assert both.groups == ("a", "b") and only.groups == ("b",)
    assert both.draws.sizes["group"] == 2
    omega = both.reliability[both.reliability["measure"] == "omega"].set_index(
        ["group", "construct"]
    )["mean"]
    assert omega["b", "f"] > omega["a", "f"]
    assert omega["b", "g"] == pytest.approx(omega["a", "g"])
    for name in ("loadings", "reliability", "fornell_larcker", "htmt", "correlations"):
        table = getattr(both, name)
        pd.testing.assert_frame_equal(
            table[table["group"] == "b"].reset_index(drop=True), getattr(only, name)
        )
    check(both, *(number(mean) for mean in both.reliability["mean"]))
    levels = [b.level for b in both.document().blocks if isinstance(b, Heading)]
    assert levels == [2, 3, 2, 3, 2]  # group and discriminant validity twice, formulas
    with pytest.raises(ModelError, match=r"'c' is not in the model; its groups: 'a', 'b'"):
        assess(prepared, draws_around(elements), group="c")


def test_draws_and_tables_agree():
    prepared, elements, _ = implied(TWO, TWO_VALUES)
    result = assess(prepared, draws_around(elements), bootstrap=20)
    assert isinstance(result, Measurement)
    omega = result.draws["omega"]
    assert omega.dims == ("chain", "draw", "construct")
    assert measure(result, "g", "omega")["mean"] == pytest.approx(
        float(omega.sel(construct="g").mean())
    )
    loading = result.draws["loading"].sel(indicator="f=~x2")
    row = result.loadings.set_index("indicator").loc["x2"]
    assert row["lower"] == pytest.approx(float(loading.quantile(0.025)))
    assert row["p_above"] == pytest.approx(float((loading > 0.7).mean()))
    correlation = result.draws["correlation"].sel(variable="f", variable_="g")
    assert result.correlations["mean"].iloc[0] == pytest.approx(float(correlation.mean()))


def test_a_model_without_constructs_is_refused():
    data = pd.DataFrame(np.random.default_rng(1).standard_normal((30, 2)), columns=["x", "y"])
    prepared = prepared_of("y ~ x", data)
    elements = elements_of(prepared.structure, {"y~x": 1.0, "y~~y": 1.0, "x~~x": 1.0})
    with pytest.raises(ModelError, match="no constructs"):
        assess(prepared, still(elements))


def test_products_count_in_the_variance_of_a_construct():
    model = "f =~ x1 + x2 + x3\ng =~ y1 + y2\ng ~ f + f:f"
    values = {**TWO_VALUES, "x1~~x2": 0.0, "g~f": 0.5, "g~f:f": 0.4, "g~~g": 0.3, "f~~f": 1.0}
    names = list(SEM(model).table.observed)
    data = pd.DataFrame(np.random.default_rng(1).standard_normal((60, 5)), columns=names)
    prepared = prepared_of(model, data)
    result = assess(prepared, still(elements_of(prepared.structure, values)), bootstrap=20)
    variance = 0.25 + 2 * 0.16 + 0.3
    expected = 1.5**2 * variance / (1.5**2 * variance + 0.4 + 0.9)
    assert measure(result, "g", "omega")["mean"] == pytest.approx(expected)


def test_levels_and_weights_of_items():
    prepared, elements, _ = implied(SECOND, SECOND_VALUES)
    structure = prepared.structure
    constructs = find_constructs(structure)
    assert [(c.name, c.level) for c in constructs] == [("H", 2), ("f1", 1), ("f2", 1), ("f3", 1)]
    assert constructs[0].items == (("a1", "a2", "a3"), ("b1", "b2"), ("c1", "c2", "c3"))
    matrices = structure.matrices(elements)
    weights, columns = item_weights(structure, matrices, constructs, "H")
    assert [structure.observed[i] for i in columns][3:5] == ["b1", "b2"]
    np.testing.assert_allclose(weights[3:5], [0.6, 0.6 * 1.3])
    loadings, covariance = indicator_moments(
        structure, matrices, model_moments(structure, elements), constructs[0]
    )
    np.testing.assert_allclose(loadings, [1.0, 0.6, 1.4])
    np.testing.assert_allclose(
        covariance, 1.2 * np.outer(loadings, loadings) + np.diag([0.3, 0.5, 0.9])
    )


@pytest.mark.skipif(not CASES.is_file(), reason="no folder refcases here")
@pytest.mark.parametrize("name", ["A01_hs_cfa", "A04_pd_sem", "A10_openmx_mediation"])
def test_omega_and_ave_of_semtools(name):
    """semTools divides by the sample's covariances, this package by the implied ones.

    With the sample's in the place of the implied ones, the formulas give semTools' numbers.
    """
    from bayessem.results.reliability import reliability

    case = next(c for c in json.loads(CASES.read_text())["cases"] if c["id"] == name)
    data = pd.read_csv(REFCASES / case["data_file"])
    prepared = prepared_of(case["model"], data)
    values = {f"{r['lhs']}{r['op']}{r['rhs']}": r["est"] for r in case["expected"]}
    elements = elements_of(prepared.structure, values)
    same = reliability(prepared.structure, elements, covariances=prepared.covariances)
    result = assess(prepared, still(elements), bootstrap=20)
    for construct, omega in case["omega"].items():
        assert same["omega"][construct] == pytest.approx(omega, abs=2e-5)
        assert same["ave"][construct] == pytest.approx(case["ave"][construct], abs=2e-5)
        # At the maximum of the likelihood implied and sample moments are close.
        assert measure(result, construct, "omega")["mean"] == pytest.approx(omega, abs=0.02)
        ave = measure(result, construct, "ave")["mean"]
        assert ave == pytest.approx(case["ave"][construct], abs=0.02)


def test_growth_factors_are_no_scales():
    model = "i =~ 1*t1 + 1*t2 + 1*t3 + 1*t4\ns =~ 0*t1 + 1*t2 + 2*t3 + 3*t4"
    values = {f"t{k}~~t{k}": 0.4 for k in (1, 2, 3, 4)}
    values |= {"i~~i": 1.0, "s~~s": 0.3, "i~~s": 0.1}
    values |= {f"{name}=~t{k}": 1.0 for name, k in (("i", 1), ("i", 2), ("i", 3), ("i", 4))}
    values |= {"s=~t2": 1.0, "s=~t3": 2.0, "s=~t4": 3.0}
    prepared, elements, _ = implied(model, values)
    result = assess(prepared, draws_around(elements), bootstrap=20)
    assert any(note.startswith("i, s: all loadings are fixed") for note in result.notes)
    assert not [note for note in assess_of_two().notes if "all loadings" in note]


def assess_of_two():
    prepared, elements, _ = implied(TWO, TWO_VALUES)
    return assess(prepared, draws_around(elements), bootstrap=20)
