"""From a data frame to checked numbers: what is refused, by name, and what is kept."""

import numpy as np
import pandas as pd
import pytest

import bayessem as bs
from bayessem.errors import DataError
from bayessem.model.data import read_sample
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import posterior_density

NAMES = ("x1", "x2", "x3")


@pytest.fixture
def frame() -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(12, 3))
    return pd.DataFrame(values, columns=list(NAMES), index=[f"r{i}" for i in range(12)])


def test_values_keep_the_order_of_the_frame_and_of_the_variables(frame):
    found = read_sample(frame, ("x3", "x1"))
    np.testing.assert_array_equal(found.values, frame[["x3", "x1"]].to_numpy())
    assert list(found.rows) == list(frame.index)
    assert found.size == 12
    assert found.complete
    np.testing.assert_allclose(found.means, frame[["x3", "x1"]].mean())
    np.testing.assert_allclose(found.sds, frame[["x3", "x1"]].std(ddof=0))


def test_an_unknown_column_is_named_with_the_columns_there_are(frame):
    with pytest.raises(DataError, match=r"'x9' is in the model.*columns: x1, x2, x3"):
        read_sample(frame, ("x1", "x9"))


def test_several_unknown_columns_are_named_together(frame):
    with pytest.raises(DataError, match="'x8', 'x9' are in the model but are not"):
        read_sample(frame, ("x1", "x8", "x9"))


def test_text_is_refused_with_an_example(frame):
    broken = frame.assign(x2=["low", "high"] * 6)
    with pytest.raises(DataError, match="'x2' is not numeric.*'low', 'high'"):
        read_sample(broken, NAMES)


@pytest.mark.parametrize("dtype", ["category", "datetime64[ns]"])
def test_what_only_looks_like_numbers_is_refused(frame, dtype):
    broken = frame.assign(x2=pd.Series(range(12), index=frame.index).astype(dtype))
    with pytest.raises(DataError, match="'x2' is not numeric"):
        read_sample(broken, NAMES)


@pytest.mark.parametrize("dtype", ["bool", "int8", "Int64", "Float64", "float32"])
def test_every_kind_of_number_is_read(frame, dtype):
    whole = frame.assign(x2=pd.Series([0, 1] * 6, index=frame.index).astype(dtype))
    assert read_sample(whole, NAMES).values[:, 1].tolist() == [0.0, 1.0] * 6


def test_doubled_columns_are_refused(frame):
    double = pd.concat([frame, frame[["x2"]]], axis=1)
    with pytest.raises(DataError, match="several columns named 'x2'"):
        read_sample(double, NAMES)


def test_a_constant_column_is_refused(frame):
    with pytest.raises(DataError, match="'x2' is constant \\(all 4\\)"):
        read_sample(frame.assign(x2=4.0), NAMES)


def test_a_column_constant_in_one_group_names_the_group(frame):
    broken = frame.assign(g=["a", "b"] * 6)
    broken.loc[broken["g"] == "b", "x3"] = 1.0
    with pytest.raises(DataError, match="'x3' is constant in group 'b'"):
        bs.SEM("f =~ x1 + x2 + x3").prepare(broken, group="g")


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values_are_refused(frame, value):
    frame.iloc[3, 2] = value
    with pytest.raises(DataError, match="infinite values in 'x3'"):
        read_sample(frame, NAMES)


def test_fewer_rows_than_columns_are_refused(frame):
    with pytest.raises(DataError, match="3 respondents for 3 observed variables"):
        read_sample(frame.head(3), NAMES)


def test_an_empty_column_is_refused(frame):
    with pytest.raises(DataError, match="'x2' is empty"):
        read_sample(frame.assign(x2=np.nan), NAMES)


def test_an_empty_frame_is_refused(frame):
    with pytest.raises(DataError, match="no respondent is left"):
        read_sample(frame * np.nan, NAMES)


def test_rows_without_any_value_are_left_out_and_reported(frame):
    frame.iloc[[2, 5]] = np.nan
    frame.iloc[7, 0] = np.nan
    found = read_sample(frame, NAMES)
    assert found.dropped == ("r2", "r5")
    assert found.size == 10
    assert not found.complete


def test_listwise_deletion_is_reported(frame):
    frame.iloc[7, 0] = np.nan
    found = read_sample(frame, NAMES, missing="listwise")
    assert found.dropped == ("r7",)
    assert found.complete


def test_missing_values_can_be_refused_with_counts(frame):
    frame.iloc[[1, 7], 0] = np.nan
    frame.iloc[4, 2] = np.nan
    with pytest.raises(DataError, match="missing values in x1 2, x3 1;"):
        read_sample(frame, NAMES, missing="error")
    with pytest.raises(DataError, match="not 'drop'"):
        read_sample(frame, NAMES, missing="drop")


def test_groups_are_in_the_order_of_the_data_or_as_given(frame):
    grouped = frame.assign(g=["b", "a", "c"] * 4)
    assert read_sample(grouped, NAMES, group="g").groups == ("b", "a", "c")
    chosen = read_sample(grouped, NAMES, group="g", groups=("c", "a"))
    assert chosen.groups == ("c", "a")
    assert chosen.size == 8
    assert chosen.group.tolist() == [1, 0] * 4


def test_whole_numbers_name_groups_without_decimals(frame):
    data = frame.assign(grade=np.repeat([2.0, 1.0, 2.5], 4))  # floats, as after missing cells
    found = read_sample(data, ("x1",), group="grade")
    assert found.groups == ("2", "1", "2.5")
    chosen = read_sample(data, ("x1",), group="grade", groups=[1, 2.0])
    assert chosen.groups == ("1", "2")
    assert chosen.elsewhere == 4
    assert list(chosen.group) == [1] * 4 + [0] * 4
    assert read_sample(data.assign(grade="1.0"), ("x1",), group="grade").groups == ("1.0",)


def test_wrong_groups_are_named(frame):
    grouped = frame.assign(g=["a", "b"] * 6)
    with pytest.raises(DataError, match="group='h' is not a column"):
        read_sample(grouped, NAMES, group="h")
    with pytest.raises(DataError, match="equal to 'z'; values: 'a', 'b'"):
        read_sample(grouped, NAMES, group="g", groups=("a", "z"))
    grouped.loc["r3", "g"] = None
    with pytest.raises(DataError, match="1 respondent has no 'g'"):
        read_sample(grouped, NAMES, group="g")


def test_a_group_of_one_is_refused(frame):
    with pytest.raises(DataError, match="group 'b' has 1 respondent and parameters of its own;"):
        bs.SEM("f =~ x1 + x2 + x3").prepare(frame.assign(g=["a"] * 11 + ["b"]), group="g")


@pytest.mark.parametrize("damage", ["lone", "constant", "empty"])
def test_what_a_group_cannot_tell_alone_others_may(frame, damage):
    """The advice of the refusal works: equal and pooled parameters are fitted, and finite."""
    group = ["a"] * 6 + ["b"] * 6 if damage != "lone" else ["a"] * 11 + ["b"]
    broken = frame.assign(g=group)
    if damage != "lone":
        broken.loc[broken["g"] == "b", "x3"] = 1.0 if damage == "constant" else np.nan
    sem = bs.SEM("f =~ x1 + x2 + x3")
    with pytest.raises(DataError, match="partially pooled across groups"):
        sem.prepare(broken, group="g")
    for pooling in (bs.complete_pooling(), bs.partial("f ~ 1"), bs.partial("x3 ~~ x3", "x3 ~ 1")):
        prepared = sem.prepare(broken, group="g", pooling=pooling)
        density = posterior_density(prepared.space, prepared.structure, prepared.sample)
        start = initial_point(
            prepared.space,
            prepared.table,
            start_values(prepared.structure, prepared.covariances, prepared.means),
        )
        assert np.isfinite(start).all()
        value, gradient = density.value_and_gradient(start)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_patterns_hold_every_respondent_once(frame):
    frame.iloc[[1, 7], 0] = np.nan
    frame.iloc[4, 1:] = np.nan
    found = read_sample(frame.assign(g=["a", "b"] * 6), NAMES, group="g")
    patterns = found.patterns()
    members = np.concatenate([m for _, _, m in patterns])
    assert sorted(members) == list(range(12))
    for group, columns, rows in patterns:
        assert (found.group[rows] == group).all()
        seen = ~np.isnan(found.values[rows])
        assert (seen == np.isin(np.arange(3), columns)).all()


def test_the_hash_tells_data_apart(frame):
    same = read_sample(frame.copy(), NAMES).hash
    assert read_sample(frame, NAMES).hash == same
    changed = frame.copy()
    changed.iloc[0, 0] = np.nextafter(changed.iloc[0, 0], 9.0)
    assert read_sample(changed, NAMES).hash != same
    assert read_sample(frame, NAMES[::-1]).hash != same
    assert read_sample(frame.assign(g=["a", "b"] * 6), NAMES, group="g").hash != same


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["NA", *map(str, range(11))], r"1 cell holds 'NA'.*pd.to_numeric"),
        ([" ", *map(str, range(11))], "1 cell holds a blank"),
        ([f"{x},5" for x in range(12)], "decimal commas"),
        (["m", "f"] * 6, r"map\({'m': 0, 'f': 1}\)"),
        (["agree", "neutral", "disagree"] * 4, "Answers with an order are numbered"),
        ([f"Mr {chr(97 + k)}" for k in range(12)], "12 different texts"),
    ],
)
def test_text_is_explained(frame, column, message):
    with pytest.raises(DataError, match=message):
        read_sample(frame.assign(x2=column), NAMES)


def test_a_misspelt_column_or_construct_is_recognised(frame):
    with pytest.raises(DataError, match=r"Did you mean 'trust_1'\?"):
        read_sample(frame.rename(columns={"x1": "trust_1"}), ("Trust1", "x2"))
    with pytest.raises(DataError, match=r"Did you mean 'visual'\?"):
        read_sample(frame, ("x1", "visula"), constructs=("visual",))
    with pytest.raises(DataError, match="defined as in 'trust =~ x1"):
        read_sample(frame, ("x1", "trust"))


@pytest.mark.parametrize("data", ["data.csv", np.zeros((12, 3)), {"x1": [1.0]}])
def test_only_a_data_frame_is_data(data):
    with pytest.raises(DataError, match="have to be a data frame"):
        read_sample(data, NAMES)


def test_a_column_of_many_lone_values_is_no_column_of_groups(frame):
    with pytest.raises(DataError, match="11 other of the 12 values of 'g'"):
        bs.SEM("f =~ x1 + x2 + x3").prepare(frame.assign(g=range(12)), group="g")
    with pytest.raises(DataError, match="continuous moderator"):
        pooling = bs.partial("f ~ 1")
        bs.SEM("f =~ x1 + x2 + x3").prepare(frame.assign(g=range(12)), group="g", pooling=pooling)
