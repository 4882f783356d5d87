"""Portfolio diversity, and groups made of a number."""

import numpy as np
import pandas as pd
import pytest
from example_models import alliance
from shown import check

import bayessem as bs
from bayessem.errors import BayessemWarning, DataError
from data.simulate_alliance import PARTNER_POPULARITY

PARTNERS = list(PARTNER_POPULARITY)


def test_diversity_is_that_of_the_study():
    data = alliance()
    found = bs.alliance_portfolio_diversity(data, PARTNERS)
    np.testing.assert_allclose(found, data["apd"], atol=1e-12)


def test_diversity_of_fewer_kinds_and_with_missing_values():
    data = pd.DataFrame({"a": [1, 0, 1, np.nan], "b": [1, 0, 0, 1]})
    found = bs.alliance_portfolio_diversity(data, ["a", "b"])
    np.testing.assert_array_equal(found, [1.0, 0.0, 0.25, np.nan])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["a", "z"], "'z' is not a column"),
        (["a", "a"], "named twice"),
        (["a", "c"], "'c' should hold 0 and 1, but holds 2"),
        ("a", "sequence"),
        ([], "sequence"),
    ],
)
def test_diversity_refuses(columns, said):
    with pytest.raises(DataError, match=said):
        bs.alliance_portfolio_diversity(pd.DataFrame({"a": [0, 1], "c": [2, 0]}), columns)


def test_median_split_is_that_of_the_study():
    data = alliance()
    found = bs.median_split(data, "apd")
    assert (found.labels.astype(str) == data["diversity"]).all()
    assert found.order == ("low", "high")
    assert found.table["count"].tolist() == [161, 117]
    check(found, "72 respondents at the median count as low", "161", "58%")
    other = bs.median_split(data, "apd", ties="high")
    assert other.table["count"].tolist() == [89, 189]


def test_a_group_without_members_is_named():
    with pytest.raises(DataError, match="group high of x has no members"):
        bs.median_split(pd.DataFrame({"x": [1, 1, 1, 0]}), "x")
    with pytest.raises(DataError, match="group Q2"):
        bs.quantile_groups(pd.DataFrame({"x": [1] * 15 + [2] * 5}), "x", groups=3, few=0)


def test_small_groups_are_named_and_can_be_merged():
    data = alliance()
    with pytest.warns(BayessemWarning, match=r"fewer than 10 members: 8 \(8\)"):
        found = bs.level_groups(data, "k")
    assert found.table["count"].tolist() == data["k"].value_counts().sort_index().tolist()
    assert found.order == tuple("12345678")
    merged = bs.level_groups(data, "k", merge_below=15)
    assert merged.order == ("1", "2", "3", "4", "5", "6", "7 to 8")
    assert merged.table.loc["7 to 8", "count"] == 19
    assert "7 to 8" in merged.rule
    first = bs.level_groups(pd.DataFrame({"x": [1] * 2 + [2] * 20 + [3] * 20}), "x", merge_below=5)
    assert first.order == ("1 to 2", "3")


def test_quantiles_keep_equal_values_together_and_missing_ones_out():
    data = pd.DataFrame({"x": [*range(40), np.nan]})
    found = bs.quantile_groups(data, "x", groups=4)
    assert found.table["count"].tolist() == [10, 10, 10, 10]
    assert found.labels.isna().tolist() == [False] * 40 + [True]
    assert "1 respondents without a value" in found.rule
    ties = bs.quantile_groups(pd.DataFrame({"x": [1] * 20 + [2] * 20 + [3] * 20}), "x", groups=3)
    assert ties.table["lowest"].tolist() == ties.table["highest"].tolist() == [1, 2, 3]


def test_what_cannot_be_split():
    with pytest.raises(DataError, match="'y' is not a column"):
        bs.median_split(pd.DataFrame({"x": [1]}), "y")
    with pytest.raises(DataError, match="does not hold numbers"):
        bs.median_split(pd.DataFrame({"x": ["a", "b"]}), "x")
    with pytest.raises(DataError, match="one group"):
        bs.level_groups(pd.DataFrame({"x": [1, 1]}), "x")
