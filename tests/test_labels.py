"""Labels of rows: whatever their type, what is read is what was written."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayessem.results.labels import back, plain, read_labels, written_labels

BERLIN = pd.date_range("2026-10-24 22:00", periods=6, freq="4h", tz="Europe/Berlin")
DAYS = [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)]
INDICES = {
    "range": pd.RangeIndex(4),
    "int": pd.Index([7, -3, 7], name="id"),
    "small int": pd.Index([1, 2], dtype="uint8"),
    "nullable int": pd.Index([1, None, 3], dtype="Int64"),
    "float": pd.Index([0.1, 1.0, -0.0, 1e300, np.nan]),
    "text": pd.Index(["01", "", "NA", "a,b", 'say "c"', "ä\nb", " x "], name="who"),
    "bool": pd.Index([True, False]),
    "time": pd.date_range("2026-01-31", periods=3, freq="h", name="when"),
    "time of another unit": pd.date_range("2026-01-31", periods=3).as_unit("s"),
    "time with a missing one": pd.DatetimeIndex(["2026-01-01", None]),
    "time through a clock change": BERLIN,
    "duration": pd.to_timedelta(["1D", "2h", "-3ns"]),
    "period": pd.period_range("2026-01", periods=3, freq="M"),
    "category": pd.CategoricalIndex(["b", "a", "b"], categories=["a", "b", "c"], ordered=True),
    "mixed": pd.Index(
        [1, "1", 1.5, None, np.nan, (1, "x"), datetime.date(2026, 1, 1)], dtype=object
    ),
    "objects": pd.Index([datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)], dtype=object),
    "several levels": pd.MultiIndex.from_tuples(
        [("a", 1, BERLIN[0]), ("b", 2, BERLIN[1])], names=["team", None, "when"]
    ),
    "a name of another type": pd.Index([1, 2], name=("a", 3)),
}


def _levels(index):
    return [index.get_level_values(i) for i in range(index.nlevels)]


@pytest.mark.parametrize("name", INDICES)
def test_an_index_comes_back(name):
    index = INDICES[name]
    cells, about = written_labels(index)
    assert all(isinstance(x, str) for level in cells for x in level)
    again = read_labels(cells, json.loads(json.dumps(about)))
    assert again.names == index.names
    assert again.equals(index)
    assert [x.dtype for x in _levels(again)] == [x.dtype for x in _levels(index)]
    for one, other in zip(again.tolist(), index.tolist(), strict=True):
        assert type(one) is type(other)


def test_text_stays_readable():
    assert written_labels(pd.Index([3, 4]))[0] == [["3", "4"]]
    assert written_labels(pd.Index(["x", "y z"]))[0] == [["x", "y z"]]


def test_unknown_types_become_text():
    again = read_labels(*written_labels(pd.Index([1 + 2j, 3j])))
    assert again.tolist() in (["(1+2j)", "3j"], [1 + 2j, 3j])


@given(
    st.lists(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
    )
)
def test_labels_of_several_types(values):
    assert [back(json.loads(json.dumps(plain(x)))) for x in values] == values
    again = read_labels(*written_labels(pd.Index(values, dtype=object)))
    assert [(type(x), x) for x in again.tolist()] == [(type(x), x) for x in values]
