"""Design studies: populations are what was asked for, and what is counted is what was found."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import bayessem as bs
from bayessem.errors import DataError, FitError, ModelError, NotSupported
from bayessem.ml.estimate import fit_ml
from bayessem.model.prepare import prepare
from bayessem.planning.conditions import Condition, conditions
from bayessem.planning.population import population, with_reliability
from bayessem.planning.reach import share_interval, smallest_n
from bayessem.planning.replicate import Setting, draw_data, replicate
from bayessem.planning.study import design
from bayessem.planning.targets import read_targets
from bayessem.report.design import read_truth
from bayessem.results.reliability import reliability
from bayessem.results.standardize import model_moments, standardised

CURVED = """
X =~ x1 + x2 + x3
M =~ m1 + m2 + m3
Y =~ y1 + y2 + y3
M ~ a*X + X:X
Y ~ b*M + X
ab := a*b
"""
TRUTH = {"loading": 0.8, "M~X": 0.4, "M~X:X": -0.25, "Y~M": 0.4, "Y~X": 0.0, "X=~x3": 0.6}
SIMPLE = "y ~ x\nx ~~ x\n"
REGRESSION = {"y ~ x": 0.3, "y ~~ y": 1.0, "x ~~ x": 1.0}
STUDY = {
    "standardized": True,
    "n": [60, 120],
    "missing": [0.0, 0.1],
    "targets": {"square": "M ~ X:X", "indirect": "X -> M -> Y", "U": "inverted U: X -> M"},
    "replicates": 12,
    "progress": False,
}


def setting(sem, truth, *, standardized=False, groups=None, targets="y ~ x", seed=1):
    whole = population(sem, truth, groups=groups, standardized=standardized)
    return Setting(
        sem, {("", groups): whole}, read_targets(targets), None, 0.95, None, None, seed
    )  # fmt: skip


def cell(n=100, **factors):
    rest = {"reliability": None, "groups": None, "missing": 0.0, "categories": None, **factors}
    return Condition("", n, **rest)


# --- populations


def test_standardised_values_are_those_of_the_population():
    sem = bs.SEM(CURVED)
    found = population(sem, TRUTH, groups=None, standardized=True)
    structure, table = found.structure, found.structure.table
    values = standardised(structure, found.elements)[0]
    by_name = {row.name: values[k] for k, row in enumerate(table.rows)}
    for name, value in TRUTH.items():
        if name != "loading":
            assert by_name[name] == pytest.approx(value, abs=1e-10), name
    assert by_name["X=~x1"] == pytest.approx(0.8)  # the marker, which is 1 in the model
    observed = model_moments(structure, found.elements[0]).observed_covariance
    np.testing.assert_allclose(np.diag(observed), 1.0, rtol=1e-9)
    raw = {row.name: found.elements[0, structure.element(structure.places[k])[0]]
           for k, row in enumerate(table.rows) if k in structure.places}  # fmt: skip
    assert raw["X=~x1"] == pytest.approx(1.0)
    assert raw["X~~X"] == pytest.approx(0.64)


@pytest.mark.parametrize("options", [{}, {"std_lv": True}])
def test_standardised_second_order_and_correlations(options):
    sem = bs.SEM("G =~ A + B + C\nA =~ a1+a2+a3\nB =~ b1+b2+b3\nC =~ c1+c2+c3\na1 ~~ b1", **options)
    truth = {"loading": 0.7, "G=~A": 0.9, "a1~~b1": 0.2}
    found = population(sem, truth, groups=None, standardized=True)
    values = standardised(found.structure, found.elements)[0]
    by_name = {row.name: values[k] for k, row in enumerate(found.structure.table.rows)}
    assert by_name["G=~A"] == pytest.approx(0.9)
    assert by_name["G=~B"] == pytest.approx(0.7)
    assert by_name["C=~c3"] == pytest.approx(0.7)
    assert by_name["a1~~b1"] == pytest.approx(0.2)


def test_maximum_likelihood_of_a_large_sample_finds_the_standardised_truth():
    sem = bs.SEM(CURVED)
    found = setting(sem, TRUTH, standardized=True, targets="M ~ X:X")
    data, _ = draw_data(found, cell(40_000), 0)
    table = fit_ml(prepare(sem, data)).table
    std = {f"{r.lhs}{r.op}{r.rhs}": r.std_all for r in table.itertuples()}
    for name in ("M~X", "M~X:X", "Y~M", "Y~X", "X=~x3"):
        assert std[name] == pytest.approx(TRUTH[name], abs=0.03), name


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ({"M~X": 0.4}, "no standardised value for X=~x1, X=~x2"),
        ({**TRUTH, "M~X": 0.99, "M~X:X": 0.5}, "explain 1.48 of the variance of 'M'"),
        ({**TRUTH, "X=~x3": 1.2}, "of the variance of 'x3'"),
        ({**TRUTH, "M~Y": 0.2}, "'M~Y' is no loading, path or correlation"),
        ({**TRUTH, "X~~X": 0.2}, "'X~~X' is no loading"),
        ({**TRUTH, "X=~x1": -0.8}, "marker of 'X' has to be above 0"),
        ({**TRUTH, "Y~X": "much"}, "the value of Y~X is a number"),
    ],
)
def test_standardised_values_that_no_population_has(truth, said):
    with pytest.raises(ModelError, match=said):
        population(bs.SEM(CURVED), truth, groups=None, standardized=True)


def test_equal_parameters_have_to_be_equal_in_the_units_of_the_model():
    sem = bs.SEM("f =~ x1 + l*x2 + l*x3")
    with pytest.raises(ModelError, match=r"f=~x2 and f=~x3 are equal .* 0.875 and 0.75"):
        population(sem, {"f=~x1": 0.8, "f=~x2": 0.7, "f=~x3": 0.6}, groups=None, standardized=True)
    found = population(sem, {"f=~x1": 0.8, "l": 0.7}, groups=None, standardized=True)
    assert found.structure.matrices(found.elements[0])["loadings"][2, 0] == pytest.approx(0.875)


def test_reliability_is_omega_of_every_construct():
    found = population(bs.SEM(CURVED), TRUTH, groups=None, standardized=True)
    for wanted in (0.6, 0.9):
        scaled = with_reliability(found, wanted)
        omega = reliability(scaled.structure, scaled.elements[0])["omega"]
        assert {k: float(v) for k, v in omega.items()} == pytest.approx(
            dict.fromkeys(("X", "M", "Y"), wanted)
        )
    both = population(
        bs.SEM("f =~ x1+x2+x3\ng =~ x3+x4+x5"), {"loading": 0.5, "f~~g": 0.2},
        groups=None, standardized=True,
    )  # fmt: skip
    with pytest.raises(ModelError, match="'x3' measures more than one construct"):
        with_reliability(both, 0.8)


def test_unstandardised_values_need_no_means():
    found = population(bs.SEM(SIMPLE), REGRESSION, groups=None, standardized=False)
    assert not found.structure.matrices(found.elements[0])["means"].any()
    shifted = population(
        bs.SEM(SIMPLE), {**REGRESSION, "y ~ 1": 5.0}, groups=None, standardized=False
    )
    assert 5.0 in shifted.elements
    with pytest.raises(ModelError, match="no value for y~~y"):
        population(bs.SEM(SIMPLE), {"y~x": 1.0, "x~~x": 1.0}, groups=None, standardized=False)


def test_means_are_0_but_where_a_level_has_one():
    sem = bs.SEM("level: 1\ny ~ x\nlevel: 2\ny ~ w")
    values = {"y~x": 0.3, "y~w": 0.2, "y~~y[within]": 1.0, "y~~y[between]": 0.5}
    values |= {"x~~x": 1.0, "w~~w": 1.0}
    plain = population(sem, values, groups=None, standardized=False)
    (levels,) = [r for r in plain.structure.table.parameters if r.startswith("y~1")]
    named = population(sem, values | {levels: 2.0}, groups=None, standardized=False)
    place = next(
        p
        for k, p in plain.structure.places.items()
        if plain.structure.table.rows[k].free >= 0
        and plain.structure.table.parameters[plain.structure.table.rows[k].free] == levels
    )
    moved = named.elements - plain.elements
    assert moved[0, list(plain.structure.element(place))].tolist() == [2.0]
    assert np.count_nonzero(moved) == 1


def test_what_no_truth_can_be():
    with pytest.raises(ModelError, match="values by name"):
        population(bs.SEM(SIMPLE), 3, groups=None, standardized=False)
    levels = bs.SEM("level: 1\ny ~ x\nlevel: 2\ny ~ w")
    with pytest.raises(NotSupported, match="a variance at each level"):
        population(levels, REGRESSION, groups=None, standardized=True)
    ordered = bs.SEM("f =~ x1 + x2 + x3", ordered=True)
    with pytest.raises(NotSupported, match="ordered answers"):
        population(ordered, {"f=~x2": 1.0}, groups=None, standardized=False)


# --- data


def test_missing_values_and_categories_are_as_asked():
    sem = bs.SEM(CURVED)
    made = setting(sem, TRUTH, standardized=True, targets="M~X:X")
    whole, _ = draw_data(made, cell(20_000), 0)
    holes, _ = draw_data(made, cell(20_000, missing=0.2), 0)
    assert holes.isna().to_numpy().mean() == pytest.approx(0.2, abs=0.005)
    assert holes.notna().any(axis=1).all()
    for count in (2, 5):
        answers, _ = draw_data(made, cell(20_000, categories=count), 0)
        assert (answers.nunique() == count).all()
        np.testing.assert_allclose(answers.std(), 1.0, atol=0.02)
    assert len(whole) == 20_000
    assert not whole.isna().any().any()


def test_groups_are_of_equal_size_and_have_their_own_values():
    sem = bs.SEM(SIMPLE)
    made = setting(sem, {**REGRESSION, "y~x[g2]": 0.9}, groups=2)
    data, _ = draw_data(made, cell(20_001, groups=2), 0)
    assert data["group"].value_counts().to_dict() == {"g1": 10_001, "g2": 10_000}
    slopes = {g: np.polyfit(d["x"], d["y"], 1)[0] for g, d in data.groupby("group")}
    assert slopes == pytest.approx({"g1": 0.3, "g2": 0.9}, abs=0.03)


def test_data_depend_on_seed_condition_and_replicate_alone():
    sem = bs.SEM(SIMPLE)
    made = setting(sem, REGRESSION)
    first, _ = draw_data(made, cell(50), 3)
    again, _ = draw_data(setting(sem, REGRESSION), cell(50), 3)
    pd.testing.assert_frame_equal(first, again)
    others = [
        draw_data(made, cell(50), 4)[0],
        draw_data(made, cell(51), 3)[0].iloc[:50],
        draw_data(setting(sem, REGRESSION, seed=2), cell(50), 3)[0],
    ]
    assert all(not np.allclose(first["x"], other["x"]) for other in others)


def test_a_posterior_is_a_truth_that_varies(hs_fit):
    sem = bs.SEM(hs_fit.sem.text)
    whole = population(sem, hs_fit, groups=None, standardized=False)
    assert whole.elements.shape[0] == 1000
    made = Setting(
        sem, {("", None): whole}, read_targets("visual =~ x2"), None, 0.95, None, None, 1
    )
    truths = [replicate(made, (cell(200).key, k))["found"]["visual =~ x2"][4] for k in range(4)]
    assert len(set(truths)) == 4
    with pytest.raises(ModelError, match="another model"):
        population(bs.SEM(SIMPLE), hs_fit, groups=None, standardized=False)


# --- targets


@pytest.mark.parametrize(
    ("text", "rope", "inside", "outside"),
    [
        ("y ~ x", None, [(0.1, 0.2), (-0.3, -0.1)], [(-0.1, 0.1)]),
        ("y ~ x", 0.1, [(0.11, 0.2), (-0.3, -0.11)], [(0.05, 0.2)]),
        ("y ~ x", (-0.1, 0.2), [(0.3, 0.4)], [(0.15, 0.4)]),
        ("y ~ x > 0.1", None, [(0.11, 9.0)], [(0.09, 9.0), (-9.0, -1.0)]),
        ("0.1 < y ~ x", None, [(0.11, 9.0)], [(0.09, 9.0)]),
        ("y ~ x < -0.1", None, [(-9.0, -0.2)], [(-9.0, 0.0)]),
        ("-0.1 < y ~ x < 0.1", None, [(-0.05, 0.09)], [(-0.2, 0.05)]),
    ],
)
def test_where_an_interval_has_to_lie(text, rope, inside, outside):
    (target,) = read_targets(text, rope)
    assert all(target.found(*interval) >= 0 for interval in inside)
    assert not any(target.found(*interval) >= 0 for interval in outside)


def test_signs_are_regions_of_their_own():
    (target,) = read_targets("y ~ x")
    assert target.found(0.1, 0.2) != target.found(-0.2, -0.1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a target is a text"),
        ([], "no target"),
        (["y ~ x", "y ~ x"], "two targets are named"),
        ("0.2 < y ~ x < 0.1", "no value lies above"),
        ("y ~ x > 0 & y ~ z > 0", "one claim at a time"),
    ],
)
def test_what_is_no_target(text, said):
    with pytest.raises(ModelError, match=said):
        read_targets(text)


# --- what is counted


def test_power_of_a_regression_is_that_of_theory():
    """Of y on x with known variances the test is normal: Phi(sqrt(n) b / s - z)."""
    n, b = 80, 0.25
    found = design(
        bs.SEM("y ~ x"), {"y~x": b, "y~~y": 1.0, "x~~x": 1.0},
        n=[40, n, 160], targets=["y ~ x", "y ~ x < 0"], replicates=200, progress=False,
    )  # fmt: skip
    row = found.table.query("n == @n and target == 'y ~ x'").iloc[0]
    power = norm.cdf(b * math.sqrt(n) - norm.isf(0.025))
    assert abs(row["assurance"] - power) < 4.0 * math.sqrt(power * (1 - power) / 200)
    assert abs(row["coverage"] - 0.945) < 4.0 * math.sqrt(0.95 * 0.05 / 200)
    assert abs(row["bias"]) < 4.0 * row["bias_mc"]
    assert row["width"] == pytest.approx(2 * 1.96 / math.sqrt(n), rel=0.05)
    untrue = found.table.query("n == @n and target == 'y ~ x < 0'").iloc[0]
    assert math.isnan(untrue["assurance"])
    assert untrue["wrongly"] < 0.02
    theory = ((norm.ppf(0.8) + norm.isf(0.025)) / b) ** 2
    reached = found.sizes.iloc[0]
    assert reached["lower"] < theory < reached["upper"]


@pytest.fixture(scope="module")
def study():
    return design(bs.SEM(CURVED), TRUTH, **STUDY)


def numbers_of(result):
    """What does not depend on how long it took."""
    return result.replicates.drop(columns=["seconds", "cpu"])


def test_a_study_has_a_row_a_condition_and_target(study):
    assert len(study.table) == 2 * 2 * 3
    assert len(study.replicates) == 12 * len(study.table)
    assert (study.table["replicates"] == 12).all()
    assert study.table.groupby("target", sort=False)["n"].apply(list).iloc[0] == [60, 120, 60, 120]
    of_shape = study.table["target"] == "U"
    assert study.table.loc[of_shape, "width"].isna().all()
    assert (study.table.loc[of_shape, "true"] == 1.0).all()
    assert study.table.loc[~of_shape, "width"].notna().all()
    assert (study.table["assurance"] + study.table["wrongly"] <= 1.0).all()


def test_the_delta_method_gives_the_standard_errors_of_the_table():
    sem = bs.SEM(CURVED)
    made = setting(sem, TRUTH, standardized=True, targets=["M ~ X:X", "ab > 0", "Y ~~ Y"])
    piece = replicate(made, (cell(300).key, 0))
    fit = fit_ml(prepare(sem, draw_data(made, cell(300), 0)[0]))
    se = {f"{r.lhs}{r.op}{r.rhs}": (r.est, r.se) for r in fit.table.itertuples()}
    for label, name in (("M ~ X:X", "M~X:X"), ("ab > 0", "ab:=a*b"), ("Y ~~ Y", "Y~~Y")):
        _, estimate, lower, upper, _ = piece["found"][label]
        est, error = se.get(name) or next(v for k, v in se.items() if k.startswith("ab"))
        assert estimate == pytest.approx(est, rel=1e-9)
        assert (upper - lower) / (2 * norm.isf(0.025)) == pytest.approx(error, rel=1e-4)


def test_processes_and_threads_give_the_same(study):
    from concurrent.futures import ThreadPoolExecutor

    apart = design(bs.SEM(CURVED), TRUTH, executor="processes", **STUDY)
    pd.testing.assert_frame_equal(numbers_of(apart), numbers_of(study))
    with ThreadPoolExecutor(2) as pool:
        beside = design(bs.SEM(CURVED), TRUTH, executor=pool, **STUDY)
    pd.testing.assert_frame_equal(numbers_of(beside), numbers_of(study))


def test_a_cluster_gives_the_same(study, cluster, tmp_path):
    from distributed import Client

    with Client(cluster) as client:
        apart = design(bs.SEM(CURVED), TRUTH, executor=client, store=tmp_path / "a.sqlite", **STUDY)
    pd.testing.assert_frame_equal(numbers_of(apart), numbers_of(study))
    read = bs.read_design(tmp_path / "a.sqlite")
    pd.testing.assert_frame_equal(numbers_of(read), numbers_of(study))


def test_a_store_continues_and_grows(tmp_path):
    call = {"targets": "y ~ x", "progress": False, "store": tmp_path / "study.sqlite"}
    sem = bs.SEM(SIMPLE)
    small = design(sem, REGRESSION, n=50, replicates=4, **call)
    large = design(sem, REGRESSION, n=[50, 90], replicates=6, **call)
    fresh = design(sem, REGRESSION, n=[50, 90], replicates=6, **{**call, "store": None})
    pd.testing.assert_frame_equal(numbers_of(large), numbers_of(fresh))
    kept = large.replicates.query("n == 50 and replicate < 4")["cpu"].tolist()
    assert kept == small.replicates["cpu"].tolist()  # not fitted again
    with pytest.raises(FitError, match="holds another study: truths differs"):
        design(sem, {**REGRESSION, "y ~ x": 0.2}, n=50, **call)
    with pytest.raises(FitError, match="random_seed differs"):
        design(sem, REGRESSION, n=50, random_seed=5, **call)


DRIVER = """
import bayessem as bs
bs.design(
    bs.SEM({model!r}), {truth!r}, standardized=True, n=[60, 120], targets=["M ~ X:X", "ab > 0"],
    replicates=30, progress=False, store={store!r}, executor={executor!r},
)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills")
@pytest.mark.parametrize("executor", [None, "processes"])
def test_a_killed_driver_loses_nothing(tmp_path, executor):
    store = tmp_path / "study.sqlite"
    code = DRIVER.format(model=CURVED, truth=TRUTH, store=str(store), executor=executor)
    driver = subprocess.Popen([sys.executable, "-c", code])
    before = 0
    deadline = time.monotonic() + 240
    while before < 6:
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
        if store.exists():
            try:
                before = len(bs.read_design(store).replicates) // 2
            except FitError:  # nothing is finished yet
                continue
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    left = bs.read_design(store)
    assert before <= len(left.replicates) // 2 < 60
    call = {
        "standardized": True,
        "n": [60, 120],
        "targets": ["M ~ X:X", "ab > 0"],
        "replicates": 30,
        "progress": False,
    }
    continued = design(bs.SEM(CURVED), TRUTH, store=store, **call)
    fresh = design(bs.SEM(CURVED), TRUTH, **call)
    pd.testing.assert_frame_equal(numbers_of(continued), numbers_of(fresh))


def test_full_mode_and_a_null_truth(tmp_path):
    truths = {"effect": REGRESSION, "none": {**REGRESSION, "y ~ x": 0.0}}
    found = design(
        bs.SEM(SIMPLE), truths, n=200, targets="y ~ x", mode="full", replicates=6,
        draws=200, tune=200, chains=1, progress=False, store=tmp_path / "a.sqlite",
    )  # fmt: skip
    assert found.crossed == ["truth"]
    rows = found.table.set_index("truth")
    assert rows.loc["effect", "assurance"] == 1.0
    assert math.isnan(rows.loc["none", "assurance"])
    assert rows.loc["effect", "width"] == pytest.approx(2 * 1.96 / math.sqrt(200), rel=0.15)
    assert (found.table["converged"] == 1.0).all()
    assert "posteriors of 1 x 200 draws" in str(found)


def test_groups_have_a_row_each_and_differences_are_targets():
    found = design(
        bs.SEM(SIMPLE), {**REGRESSION, "y~x[g2]": 0.8}, n=300, groups=2, replicates=5,
        targets=["y ~ x", "y ~ x [g2] > y ~ x [g1]"], progress=False,
    )  # fmt: skip
    truths = found.table.set_index("target")["true"].to_dict()
    assert truths == pytest.approx(
        {"y ~ x [g1]": 0.3, "y ~ x [g2]": 0.8, "y ~ x [g2] > y ~ x [g1]": 0.5}
    )


@pytest.mark.parametrize(
    ("changed", "kind", "said"),
    [
        ({"targets": "y ~ z"}, ModelError, "'y ~ z' is not in the model"),
        ({"targets": "inverted U: x -> y"}, ModelError, "linear"),
        ({"n": 1}, ModelError, "n has to be at least 2"),
        ({"n": []}, ModelError, "n has no value"),
        ({"missing": 1.0}, ModelError, "missing is a share"),
        ({"reliability": 1.5}, ModelError, "reliability lies between 0 and 1"),
        ({"categories": 1}, ModelError, "categories has to be at least 2"),
        ({"mode": "slow"}, FitError, "mode is 'quick' or 'full'"),
        ({"priors": {"path": "normal(0, 1)"}}, FitError, "use mode='full'"),
        ({"assurance": 80}, FitError, "assurance lies between 0 and 1"),
        ({"executor": "cluster"}, FitError, "executor is None"),
        ({"rope": -1.0}, ModelError, "rope is a number above 0"),
        ({"truth": {}}, ModelError, "the truth is empty"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_fit(changed, kind, said, monkeypatch):
    monkeypatch.setattr("bayessem.planning.study.replicate", None)
    call = {"truth": REGRESSION, "n": 50, "targets": "y ~ x", "progress": False, **changed}
    with pytest.raises(kind, match=said):
        design(bs.SEM(SIMPLE), **call)


def test_conditions_are_crossed_with_n_fastest():
    found = conditions(["a", "b"], [200, 100], missing=[0.0, 0.1], categories=None)
    assert len(found) == 8
    assert [c.n for c in found[:4]] == [100, 200, 100, 200]
    assert [Condition.of(c.key) for c in found] == found


# --- the smallest n


def test_the_smallest_n_of_a_known_power_curve():
    sizes = np.array([50.0, 100.0, 150.0, 250.0])
    power = norm.cdf(0.25 * np.sqrt(sizes) - norm.isf(0.025))
    m = np.full(4, 100_000)
    reach = smallest_n(sizes, np.round(power * m), m, assurance=0.8)
    theory = ((norm.ppf(0.8) + norm.isf(0.025)) / 0.25) ** 2
    assert reach.n == pytest.approx(theory, rel=0.005)
    assert reach.lower < theory < reach.upper
    assert reach.upper - reach.lower < 4


def test_an_interval_of_the_smallest_n_covers_it():
    sizes, m = np.array([60.0, 120.0, 180.0]), np.full(3, 100)
    power = norm.cdf(0.25 * np.sqrt(sizes) - norm.isf(0.025))
    theory = ((norm.ppf(0.8) + norm.isf(0.025)) / 0.25) ** 2
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(60):
        reach = smallest_n(sizes, rng.binomial(m, power), m, assurance=0.8)
        inside.append(reach.lower <= theory <= reach.upper)
    assert np.mean(inside) > 0.86  # .95 less three Monte Carlo errors


def test_sizes_beyond_the_ends():
    sizes, m = np.array([50.0, 100.0]), np.array([500, 500])
    high = smallest_n(sizes, np.array([480, 495]), m, assurance=0.8)
    assert (high.n, high.lower, high.upper) == (0.0, 0.0, 0.0)
    low = smallest_n(sizes, np.array([50, 100]), m, assurance=0.8)
    assert math.isinf(low.n)
    assert math.isinf(low.lower)


def test_jeffreys_interval_reaches_the_ends():
    low, high = share_interval(np.array([0, 10, 20]), np.array([20, 20, 20]))
    assert low[0] == 0.0
    assert high[2] == 1.0
    grid = np.linspace(0.0, low[1], 20_001)  # the mass of Beta(10.5, 10.5) below, by hand
    density = np.exp(9.5 * np.log(np.clip(grid * (1.0 - grid), 1e-300, None)))
    whole = math.exp(2 * math.lgamma(10.5) - math.lgamma(21.0))
    assert np.trapezoid(density, grid) / whole == pytest.approx(0.025, abs=1e-6)


# --- files, figure, command


def test_files_say_the_same(study, tmp_path):
    content = json.loads(study.to_json(tmp_path / "study.json"))
    assert len(content["table"]) == len(study.table)
    assert content["settings"]["targets"][0] == ["square", "M ~ X:X"]
    first = content["table"][0]
    assert first["assurance"] == study.table["assurance"][0]
    assert first["reliability"] is None
    page = bs.report_design(study, tmp_path / "study.html").read_text(encoding="utf-8")
    assert "What was simulated" in page
    assert "X =~ x1 + x2 + x3" in page
    assert "<svg" in page or "image/svg+xml" in page
    assert study.to_frame().equals(study.table)
    with pytest.raises(FitError, match=r"\.html"):
        bs.report_design(study, tmp_path / "study.txt")


def test_the_figure_has_a_panel_a_target(study):
    import matplotlib.pyplot as plt

    figure = study.plot()
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_visible()]
    assert titles == ["square", "indirect", "U"]
    lines = figure.axes[0].get_lines()
    drawn = study.table.query("target == 'square' and missing == 0")["assurance"].tolist()
    assert any(np.array_equal(line.get_ydata(), drawn) for line in lines)
    plt.close(figure)


def test_truths_of_files(tmp_path):
    truth = tmp_path / "truth.toml"
    truth.write_text('"y~x" = 0.3')
    assert read_truth(str(truth)) == {"y~x": 0.3}
    wrong = tmp_path / "truth.json"
    wrong.write_text("y ~ x: 3")
    with pytest.raises(DataError, match="no values of parameters"):
        read_truth(str(wrong))
    with pytest.raises(DataError, match="cannot be read"):
        read_truth(str(tmp_path / "none.json"))


def test_the_command_line(tmp_path):
    model, truth = tmp_path / "model.txt", tmp_path / "truth.json"
    model.write_text(SIMPLE)
    truth.write_text(json.dumps(REGRESSION))
    call = [sys.executable, "-m", "bayessem", "design", model, truth, "--n", "50,100",
            "--target", "y ~ x", "--replicates", "4", "--store", tmp_path / "s.sqlite"]  # fmt: skip
    done = subprocess.run(
        [*call, "--report", tmp_path / "a.html"],
        capture_output=True, text=True, cwd=Path(__file__).parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "4 data sets under each of 2 conditions" in done.stdout
    assert (tmp_path / "s.sqlite").is_file()
    assert (tmp_path / "a.html").is_file()
    again = subprocess.run([*call, "--json"], capture_output=True, text=True)
    assert len(json.loads(again.stdout)["replicates"]) == 8
    wrong = subprocess.run([*call[:7], "50,many", *call[8:]], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "no list of numbers" in wrong.stderr


# --- two levels

SLOPES = """
level: 1
  y ~ rv("s")*x
level: 2
  y ~ w
  s ~ w
  s ~~ y
"""
CROSS_LEVEL = {
    "y~w": 0.3, "s~w": 0.25, "s~1": 0.4, "y~~y[within]": 1.0, "y~~y[between]": 0.4, "s~~s": 0.1,
    "s~~y": 0.05, "x~~x": 1.0, "w~~w": 1.0,
}  # fmt: skip


def test_clusters_are_drawn_as_they_were_asked_for():
    cells = conditions([""], clusters=[8, 20], cluster_size=[5, 10], missing=0.2)
    assert [(c.n, c.clusters, c.cluster_size) for c in cells] == [
        (40, 8, 5), (100, 20, 5), (80, 8, 10), (200, 20, 10),
    ]  # fmt: skip
    assert "cluster_size" not in Condition("", 50, None, None, 0.0, None).key
    assert Condition.of(cells[0].key) == cells[0]
    one = setting(bs.SEM(SLOPES), CROSS_LEVEL, targets="s ~ w")
    data, _ = draw_data(one, cells[0], 0)
    assert data.groupby("cluster").size().tolist() == [5] * 8
    assert data.groupby("cluster").w.nunique().eq(1).all()
    assert not data[["x", "w"]].isna().any().any()  # neither a predictor with a slope, nor w


def test_the_error_of_a_cross_level_moderation_is_what_theory_says():
    study = bs.design(
        bs.SEM(SLOPES), CROSS_LEVEL, clusters=40, cluster_size=10, targets="s ~ w",
        replicates=60, progress=False, random_seed=3,
    )  # fmt: skip
    row = study.table.iloc[0]
    assert row["true"] == 0.25 and row["n"] == 400 and row["converged"] > 0.9
    # slopes of clusters have the variance .1 + 1 / (n var x) about their line (Snijders 2005)
    exact = np.sqrt((0.1 + 1.0 / 10) / 40)
    assert abs(row["bias"]) < 5 * exact / np.sqrt(60)
    assert row["sd"] == pytest.approx(exact, abs=5 * exact / np.sqrt(120))
    assert row["width"] == pytest.approx(2 * 1.96 * exact, rel=0.25)
    assert "n respondents are in n / cluster size clusters" in " ".join(str(study).split())


@pytest.mark.parametrize(
    "text, options, error, said",
    [
        (SLOPES, {"n": 100}, ModelError, "cluster_size= says how many respondents"),
        (SLOPES, {"clusters": 10}, ModelError, "clusters= needs cluster_size="),
        (SLOPES, {"n": 90, "clusters": 9, "cluster_size": 10}, ModelError, "give one of the two"),
        (SLOPES, {}, ModelError, "give one of the two"),
        (SIMPLE, {"n": 100, "cluster_size": 5}, ModelError, "are for two-level models"),
        (SLOPES, {"n": 100, "cluster_size": 5, "standardized": True}, NotSupported, "each level"),
        (SLOPES, {"n": 100, "cluster_size": 5, "reliability": 0.8}, NotSupported, "each level"),
        (SLOPES, {"n": 100, "cluster_size": 5, "categories": 5}, NotSupported, "categories="),
    ],
)
def test_sizes_of_two_level_studies_that_do_not_fit(text, options, error, said):
    truth = CROSS_LEVEL if text is SLOPES else REGRESSION
    with pytest.raises(error, match=said):
        design(bs.SEM(text), truth, targets="y ~ w", replicates=2, progress=False, **options)
