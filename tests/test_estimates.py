"""Summaries of draws, free parameters from rows, and defined parameters."""

import numpy as np
import pytest
from example_models import DEMOCRACY, democracy, noise, prepared
from scipy.stats import norm

from bayessem.errors import FitError
from bayessem.results.estimates import defined_draws, free_draws, row_labels, summarise


def test_summary_of_known_draws():
    values = np.random.default_rng(0).normal(1.0, 2.0, size=(4, 5000, 1))
    (row,) = summarise(values, ci_prob=0.9).to_dict("records")
    assert row["mean"] == pytest.approx(1.0, abs=0.06)
    assert row["sd"] == pytest.approx(2.0, rel=0.03)
    assert row["lower"] == pytest.approx(1 - 2 * norm.ppf(0.95), abs=0.1)
    assert row["upper"] == pytest.approx(1 + 2 * norm.ppf(0.95), abs=0.1)
    assert row["p_positive"] == pytest.approx(norm.cdf(0.5), abs=0.02)
    assert row["r_hat"] < 1.01
    assert row["ess_bulk"] > 10_000


def test_quantities_that_are_undefined_in_some_draws():
    values = np.random.default_rng(0).normal(size=(2, 100, 3))
    values[0, :50, 1] = np.nan
    values[..., 2] = np.nan
    found = summarise(values)
    assert found.loc[0].notna().all()
    assert found.loc[1, "mean"] == pytest.approx(np.nanmean(values[..., 1]))
    assert np.isnan(found.loc[1, "r_hat"])
    assert found.loc[2].isna().all()


@pytest.mark.parametrize("probability", [0, 1, 95])
def test_the_probability_of_intervals_is_checked(probability):
    with pytest.raises(FitError, match="between 0 and 1"):
        summarise(np.zeros((1, 4, 1)), ci_prob=probability)


def test_free_parameters_come_from_the_first_row_that_has_them():
    found = prepared("f =~ x1 + a*x2 + a*x3\nx1 ~~ b*x1\nx2 ~~ b*x2", noise("x1 x2 x3"))
    rows = np.arange(len(found.table.rows), dtype=float)[None, None, :]
    free = free_draws(found.structure, rows)[0, 0]
    for name, value in zip(found.table.parameters, free, strict=True):
        row = found.table.rows[int(value)]
        assert found.table.parameters[row.free] == name


def test_defined_parameters_use_labels_fixed_values_and_each_other():
    text = """
    m ~ a*x
    y ~ b*m + c*x + k*z
    k == 2
    ind := a*b
    total := ind + c
    share := ind / total
    fixed := k + 1
    """
    found = prepared(text.replace("k*z", "k*z + 2*w").replace("k == 2\n", ""), noise("m x y z w"))
    table = found.table
    free = np.random.default_rng(0).normal(size=(2, 5, len(table.parameters)))
    names = table.names
    a, b, c, k = (free[..., names[n]] for n in "abck")
    out = defined_draws(table, free)
    np.testing.assert_allclose(out["ind"], a * b)
    np.testing.assert_allclose(out["total"], a * b + c)
    np.testing.assert_allclose(out["share"], a * b / (a * b + c))
    np.testing.assert_allclose(out["fixed"], k + 1)


def test_labels_of_rows():
    table = prepared(DEMOCRACY, democracy()).table
    rows = [k for k, r in enumerate(table.rows) if r.op in ("~", ":=")]
    found = row_labels(table, rows)
    assert list(found.columns) == ["lhs", "op", "rhs", "label"]
    assert found["label"].tolist() == ["a", "c", "b", ""]
    grouped = prepared("f =~ x1 + x2 + x3", noise("x1 x2 x3").assign(g=[1, 2] * 30), group="g")
    assert set(row_labels(grouped.table, range(4))["group"]) == {"1"}
