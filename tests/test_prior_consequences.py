"""Implied priors: what they are in cases that can be computed, and words for nonsense."""

import numpy as np
import pytest
from drawn import drawn_fit, measured
from example_models import ABILITIES, DEMOCRACY, abilities, democracy, prepared

from bayessem import SEM
from bayessem.criticism.headline import KINDS, Drawn, headline, indirect_pairs
from bayessem.criticism.prior_consequences import prior_consequences
from bayessem.errors import FitError, PriorError
from bayessem.model.structure import build_structure
from bayessem.results.orientation import oriented


def test_loadings_of_a_standardised_construct_are_those_of_their_priors():
    # std_lv: lambda ~ N+(0, 1), theta sd fixed at 1: std = lambda / sqrt(lambda^2 + 1)
    model = "f =~ x1 + x2 + x3\nx1 ~~ 1*x1\nx2 ~~ 1*x2\nx3 ~~ 1*x3"
    p = oriented(prepared(model, abilities(), std_lv=True, priors={"loading": "normal(0, 1)"}))
    kept = next(c.name for c in p.space.coordinates if c.kind == "loading" and c.lower == 0.0)
    result = prior_consequences(p, draws=4000, random_seed=1)
    first = result.draws.sel(quantity=f"standardised loading: {kept.replace('=~', ' =~ ')}").values
    expected = np.abs(np.random.default_rng(0).normal(size=200_000))
    expected = expected / np.sqrt(expected**2 + 1)
    assert (first > 0).all()  # the sign constraint
    for probability in (0.1, 0.5, 0.9):
        found = np.quantile(first, probability)
        assert found == pytest.approx(np.quantile(expected, probability), abs=0.03)


def test_default_priors_of_the_reference_models_are_not_nonsense():
    for model, data in ((ABILITIES, abilities()), (DEMOCRACY, democracy())):
        result = prior_consequences(prepared(model, data), draws=500)
        assert result.findings == ()
        assert "Nothing implausible" in str(result)


def test_a_quadratic_relation_is_as_probably_a_u_as_an_inverted_one():
    fit = drawn_fit(measured("F", "G") + "\nG ~ F + F:F", n=60)
    result = prior_consequences(fit.prepared, draws=2000)
    rows = result.table.set_index("quantity")
    up, down = rows.loc["G ~ F: U", "p_positive"], rows.loc["G ~ F: inverted U", "p_positive"]
    assert up == pytest.approx(down, abs=5 * np.sqrt(0.5 * 0.5 / 2000))
    assert 0.1 < up < 0.5
    assert rows.loc["G ~ F: turning point", "lower"] < 0 < rows.loc["G ~ F: turning point", "upper"]


def test_wide_paths_imply_an_r2_near_1_and_are_told():
    p = prepared(DEMOCRACY, democracy(), priors={"path": "normal(0, 50)"})
    result = prior_consequences(p, draws=500)
    said = " ".join(result.findings)
    assert "R2 of dem60" in said
    assert "almost nothing is left to chance" in said
    row = result.table.set_index("quantity").loc["R2 of dem60"]
    assert row["p_extreme"] > 0.5


def test_narrow_paths_imply_no_effects_and_are_told():
    p = prepared(DEMOCRACY, democracy(), priors={"path": "normal(0, 0.01)"})
    assert "expect no effects" in " ".join(prior_consequences(p, draws=500).findings)


def test_a_decided_shape_is_told():
    fit = drawn_fit(measured("F", "G") + "\nG ~ F + F:F", n=60)
    p = fit.sem.prepare(fit.data, priors={"G~F": "normal(0, 0.01)", "G~F:F": "normal(-1, 0.1)"})
    findings = prior_consequences(p, draws=300).findings
    assert any("inverted U" in f and "prior probability" in f for f in findings)


def test_indirect_effects_and_definitions_are_among_them():
    result = prior_consequences(prepared(DEMOCRACY, democracy()), draws=200)
    names = set(result.table["quantity"])
    assert {"ind60 -> dem60 -> dem65", "total ind60 -> dem65", "ind"} <= names
    assert set(result.table["kind"]) <= set(KINDS)
    assert result.draws.sizes["quantity"] == len(result.table)


def test_the_priors_as_used_stand_beside_them():
    sem = SEM(ABILITIES)
    table = sem.prior_consequences(abilities(), draws=100).priors
    assert table.equals(sem.priors(abilities()))


def test_an_improper_prior_is_named():
    p = prepared(ABILITIES, abilities(), priors={"visual=~x2": "flat()"})
    with pytest.raises(PriorError, match="visual=~x2"):
        prior_consequences(p)
    with pytest.raises(FitError, match="at least 100"):
        prior_consequences(p, draws=10)


def test_headlines_of_draws_are_those_of_the_model(hs_fit):
    found = headline(Drawn(hs_fit.prepared, hs_fit.elements))
    loading = next(q for q in found if q.name == "visual =~ x2")
    summary = hs_fit.summary()
    expected = summary[(summary["op"] == "=~") & (summary["rhs"] == "x2")].iloc[0]["std"]
    assert loading.values.mean() == pytest.approx(expected)


def test_pairs_with_something_between_them():
    structure = build_structure(SEM("m ~ x\ny ~ m + x\nz ~ x").table)
    assert indirect_pairs(structure) == [("x", "y")]
