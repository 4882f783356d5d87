"""Modification indices: lavaan's at the maximum, stable over the draws, planted ones found."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn import measured
from example_models import ABILITIES, DEMOCRACY, QUADRATIC, abilities, democracy

from bayessem import SEM
from bayessem.criticism.modification import modification_indices
from bayessem.criticism.score_tests import (
    KINDS,
    _observed,
    candidate_rows,
    efficient_weights,
    extended_table,
    modification_values,
    parameter_units,
)
from bayessem.errors import FitError, ModelError
from bayessem.ml.estimate import fit_ml
from bayessem.ml.information import expected_information, information_rows
from bayessem.model.starts import start_values
from bayessem.model.structure import build_structure
from bayessem.posterior.assemble import likelihood_density
from bayessem.results.simulate import elements_at, simulate

REFERENCES = Path(__file__).parent / "references"
ITEMS = [f"x{k}" for k in range(1, 10)]

# lavaan 0.6-14: modindices(sem(model, data, meanstructure = TRUE)), mi and epc
LAVAAN = {
    ABILITIES: {
        "visual=~x9": (36.411031, 0.5770215),
        "x7~~x8": (34.145089, 0.5364440),
        "visual=~x7": (18.630638, -0.4218624),
        "x8~~x9": (14.946392, -0.4230959),
        "textual=~x3": (9.150895, -0.2716376),
    },
    DEMOCRACY: {
        "ind60=~y4": (4.796142, 0.8616625),
        "ind60=~y5": (4.456350, 0.8352852),
        "dem65=~y4": (4.260465, 1.4201406),
        "y1~~y3": (3.771487, 0.8487400),
        "x1~~y2": (3.040092, -0.1550413),
    },
}


@pytest.mark.parametrize(("model", "data"), [(ABILITIES, abilities()), (DEMOCRACY, democracy())])
def test_at_the_maximum_they_are_lavaans(model, data):
    ml = SEM(model).ml(data, se="none")
    rows = candidate_rows(ml.prepared.structure)
    values = modification_values(ml.prepared, ml.elements[None], rows)[0]
    found = {r.name: v for r, v in zip(rows, values, strict=True)}
    assert len(rows) == {ABILITIES: 54, DEMOCRACY: 71}[model]
    for name, (mi, epc) in LAVAAN[model].items():
        assert found[name][0] == pytest.approx(mi, abs=2e-4), name
        assert found[name][1] == pytest.approx(epc, abs=2e-5), name


def test_over_the_draws_they_stay_near_the_maximum(hs_fit):
    result = modification_indices(hs_fit, draws=40)
    table = result.table.assign(name=result.table[["lhs", "op", "rhs"]].agg("".join, axis=1))
    table = table.set_index("name")
    for name, (mi, epc) in LAVAAN[ABILITIES].items():
        row = table.loc[name]
        assert row["mi_lower"] < mi < row["mi_upper"], name
        assert abs(row["epc"] - epc) < 0.5 * row["epc_sd"], name
    assert (table["mi"].diff().dropna() <= 0).all()
    assert table.index[0] in ("visual=~x9", "x7~~x8")
    assert "Free one only for a reason" in " ".join(str(result).split())


def test_the_expected_change_is_near_the_freed_parameter(hs_fit):
    table = modification_indices(hs_fit, draws=40, kinds=("cross-loading",)).table
    row = table.set_index(["lhs", "rhs"]).loc[("visual", "x5")]
    freed = SEM(ABILITIES + "visual =~ x5").ml(abilities()).table
    freed = freed[(freed["lhs"] == "visual") & (freed["rhs"] == "x5")].iloc[0]
    # a one-step approximation: within half a standard deviation, and as wide within a third
    assert abs(row["epc"] - freed["est"]) < 0.5 * row["epc_sd"]
    assert 0.67 < row["epc_sd"] / freed["se"] < 1.5


def test_efficient_scores_do_not_depend_on_where_free_parameters_are():
    # for a quadratic log-likelihood the statistic is the same at any point
    rng = np.random.default_rng(1)
    root = rng.normal(size=(6, 6))
    information = root @ root.T + np.eye(6)
    top = rng.normal(size=6)
    for shift in (np.zeros(6), np.r_[rng.normal(size=4), 0, 0]):
        x = np.r_[0.3, 0.1, -0.2, 0.4, 0, 0] + shift
        score = information @ (top - x)
        weights, left = efficient_weights(information[:4], np.diag(information)[4:])
        efficient = score[4:] - weights @ score[:4]
        for k in (4, 5):
            # freeing k alone: its maximum given the other is 0
            both = np.r_[0:4, k]
            right = (information @ top)[both]
            best = np.linalg.solve(information[np.ix_(both, both)], right)[-1]
            assert efficient[k - 4] / left[k - 4] == pytest.approx(best)


def planted(loading, n=400):
    structure = build_structure(SEM(QUADRATIC + "f =~ x5").table)
    values = {}
    for name in structure.table.parameters:
        values[name] = 0.4 if "~~" in name else 0.0 if name.endswith("~1") else 0.7
    values |= {"f~~f": 1.0, "f=~x5": loading}
    return simulate(structure, elements_at(structure, values), n, random_seed=3)


def test_with_a_square_the_planted_cross_loading_is_found():
    fit = SEM(QUADRATIC).fit(planted(0.2), random_seed=1, draws=200, tune=300, progress=False)
    result = modification_indices(fit, draws=20, kinds=("cross-loading",))
    first = result.table.iloc[0]
    assert (first["lhs"], first["rhs"]) == ("f", "x5")
    assert first["epc_lower"] < 0.2 < first["epc_upper"]
    assert first["p_above"] == 1.0


@pytest.mark.parametrize("loading", [0.2, 0.5])
def test_with_a_square_the_index_is_near_the_gain_of_freeing(loading):
    data = planted(loading)
    ml = SEM(QUADRATIC).ml(data, se="none")
    rows = candidate_rows(ml.prepared.structure, ("cross-loading",))
    values = modification_values(ml.prepared, ml.elements[None], rows, centre=ml.elements)[0]
    found = {r.name: v[0] for r, v in zip(rows, values, strict=True)}
    freed = SEM(QUADRATIC + "f =~ x5").ml(data, se="none")
    # score test and likelihood ratio agree for small effects, and in order of size for large ones
    assert found["f=~x5"] == pytest.approx(2 * (freed.logl - ml.logl), rel=0.35)


def test_candidates_are_what_is_not_in_the_model():
    sem = SEM(measured("F", "G") + "\nF =~ g1\nf1 ~~ f2\ng3 ~~ 0*g3\nG ~ F + x")
    rows = candidate_rows(build_structure(sem.table))
    names = {r.name for r in rows}
    assert "F=~g1" not in names
    assert {"F=~g2", "G=~f1"} <= names
    assert "f1~~f2" not in names
    assert not [n for n in names if "g3" in n and "~~" in n]  # its residual variance is 0
    assert not [r for r in rows if r.op != "~" and "x" in r.name]
    effects = {r.name for r in rows if r.op == "~"}
    assert effects == {"F~x", *(f"{c}{k}~x" for c in "fg" for k in (1, 2, 3))}


def test_direct_effects_of_covariates_are_lavaans():
    """lavTestScore of items on covariates, and what freeing one changes."""
    data = pd.read_csv(REFERENCES / "covariates.csv")
    expected = json.loads((REFERENCES / "covariates.json").read_text())["direct"]
    text = "f =~ x1 + x2 + x3 + x4 + x5\nf ~ z + w"
    ml = SEM(text).ml(data, se="none")
    rows = candidate_rows(ml.prepared.structure, ("direct effect",))
    values = modification_values(ml.prepared, ml.elements[None], rows)[0]
    found = {(r.lhs, r.rhs): v for r, v in zip(rows, values, strict=True)}
    assert len(rows) == 10
    for lhs, rhs, mi in zip(expected["lhs"], expected["rhs"], expected["mi"], strict=True):
        assert found[lhs, rhs][0] == pytest.approx(mi, abs=1e-4)
    freed = SEM(f"{text}\nx2 ~ w").ml(data, se="none").table
    own = freed[(freed["lhs"] == "x2") & (freed["op"] == "~")]["est"].iloc[0]
    assert found["x2", "w"][1] == pytest.approx(own, rel=0.02)


def test_bad_requests_say_what_would_work(hs_fit):
    with pytest.raises(ModelError, match="kinds are out of cross-loading"):
        modification_indices(hs_fit, kinds=("path",))
    with pytest.raises(FitError, match="draws has to be at least 1"):
        modification_indices(hs_fit, draws=0)
    with pytest.raises(
        ModelError, match="no fixed direct effect, which are looked at in models of one"
    ):
        modification_indices(hs_fit, kinds=("direct effect",))
    assert len(KINDS) == 3


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_score_tests_take_blocks_of_the_expected_information(missing):
    """Rows of the free parameters and the diagonal of the others are those of the whole."""
    data = abilities()[[*ITEMS, "school"]].copy()
    data[ITEMS] = data[ITEMS].mask(np.random.default_rng(1).uniform(size=(301, 9)) < missing)
    sem = SEM(ABILITIES, group_equal=("loadings",))
    prepared = sem.prepare(data, group="school")
    rows = candidate_rows(prepared.structure)
    extended = build_structure(extended_table(prepared.structure.table, rows))
    density = likelihood_density(extended, prepared.space, prepared.sample)
    start = start_values(prepared.structure, prepared.covariances, prepared.means)
    x, free = np.concatenate([start, np.zeros(len(rows))]), len(start)
    whole = expected_information(extended, density, x, prepared.sample)
    part, diagonal = information_rows(extended, density, x, prepared.sample, free=free)
    near = 1e-12 * np.abs(whole).max()
    np.testing.assert_allclose(part, whole[:free], atol=near)
    np.testing.assert_allclose(whole, whole.T, atol=near)
    np.testing.assert_allclose(diagonal, np.diag(whole)[free:], atol=near)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
@pytest.mark.parametrize("column", ["x2", "x4"])
def test_the_information_of_a_quadratic_model_in_other_units(factor, column):
    """It is differenced in standard units: x4 is the marker of the outcome."""
    data = planted(0.0)
    found = []
    for unit in (1.0, factor):
        prepared = SEM(QUADRATIC).prepare(data.assign(**{column: unit * data[column]}))
        rows = candidate_rows(prepared.structure)
        extended = build_structure(extended_table(prepared.structure.table, rows))
        density = likelihood_density(extended, prepared.space, prepared.sample)
        x = np.concatenate([fit_ml(prepared, se="none").x, np.zeros(len(rows))])
        units = parameter_units(extended, density.elements(x))
        information = _observed(density, x, len(x) - len(rows), units)
        found.append(information * np.outer(units, units))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-5 * np.abs(found[0]).max())


def test_progress_is_shown_when_it_takes_long(hs_fit, capsys, monkeypatch):
    modification_indices(hs_fit, draws=5)
    assert capsys.readouterr().err == ""
    ticks = iter(range(1000))
    monkeypatch.setattr("bayessem.text.progress.time.monotonic", lambda: next(ticks))
    modification_indices(hs_fit, draws=5, progress=False)
    assert capsys.readouterr().err == ""
    modification_indices(hs_fit, draws=5)
    assert "modification indices [####" in capsys.readouterr().err
