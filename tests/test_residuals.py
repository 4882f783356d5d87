"""Residual correlations: their definition, their flags, and what is printed."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from drawn import drawn_fit, elements_for, measured

from bayessem.criticism.residuals import residuals
from bayessem.errors import FitError
from bayessem.results.standardize import model_moments


def test_a_residual_is_observed_minus_implied_correlation(hs_fit):
    result = residuals(hs_fit)
    sample = hs_fit.prepared.sample
    observed = np.corrcoef(sample.values.T)
    implied = model_moments(hs_fit.prepared.structure, hs_fit.elements).observed_covariance
    i, j = sample.variables.index("x1"), sample.variables.index("x9")
    spread = np.sqrt(implied[..., i, i] * implied[..., j, j])
    expected = observed[i, j] - implied[..., i, j] / spread
    np.testing.assert_allclose(result.draws.sel(residual="x1 ~~ x9").values, expected)
    row = result.table.set_index(["lhs", "rhs"]).loc[("x1", "x9")]
    assert row["mean"] == pytest.approx(expected.mean())
    assert row["p_large"] == pytest.approx(np.mean(np.abs(expected) > 0.1))


def test_the_largest_come_first_and_are_flagged(hs_fit):
    result = residuals(hs_fit)
    size = result.table["mean"].abs()
    assert (size.diff().dropna() <= 0).all()
    assert (result.table["large"] == (size > 0.1)).all()
    # lavaan's largest: residuals(fit, type = "cor") of the same model has x2-x7 -.189, x1-x9 .149
    assert set(result.table[["lhs", "rhs"]].iloc[0]) == {"x2", "x7"}
    assert "x2 ~~ x7" in str(result)
    assert len(result.table) == 36


def test_means_of_a_model_that_does_not_restrict_them_fit(hs_fit):
    means = residuals(hs_fit).means
    assert list(means["variable"]) == list(hs_fit.prepared.sample.variables)
    assert means["mean"].abs().max() < 0.02


def test_the_matrix_is_symmetric_with_the_tables_numbers(hs_fit):
    result = residuals(hs_fit)
    matrix = result.matrix()
    np.testing.assert_allclose(matrix, matrix.T)
    first = result.table.iloc[0]
    assert matrix.loc[first["lhs"], first["rhs"]] == first["mean"]


def test_a_planted_residual_is_named_in_its_group():
    one = drawn_fit(measured("F", "G"), n=4000, random_seed=2)
    other = drawn_fit(measured("F", "G") + "\nf1 ~~ g2", n=4000, random_seed=3)
    data = pd.concat([one.data.assign(group="a"), other.data.assign(group="b")], ignore_index=True)
    prepared = one.sem.prepare(data, group="group")
    elements = np.repeat(elements_for(prepared.structure)[None, None], 2, axis=1)
    fit = SimpleNamespace(prepared=prepared, elements=elements, draws=xr.DataTree())
    result = residuals(fit)
    first = result.table.iloc[0]
    assert ({first["lhs"], first["rhs"]}, first["group"]) == ({"f1", "g2"}, "b")
    assert result.table["large"].sum() == 1
    with pytest.raises(FitError, match="groups: 'b', 'a'|groups: 'a', 'b'"):
        result.matrix("c")


def test_pairs_of_covariates_are_left_out():
    fit = drawn_fit(measured("F") + "\nF ~ x + z", n=50, draws=5)
    pairs = set(map(frozenset, residuals(fit).table[["lhs", "rhs"]].to_numpy()))
    assert frozenset(("x", "z")) not in pairs
    assert frozenset(("f1", "x")) in pairs
