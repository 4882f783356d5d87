"""Data frames of any library give the same sample; labels travel with them."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import bayessem as bs
from bayessem.errors import DataError
from bayessem.model.frames import as_frame, labelled, value_labels, variable_labels

NAMES = ["x1", "x2", "x3", "x4", "x5", "x6"]
MODEL = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"


def abilities() -> pd.DataFrame:
    """With missing values, True and False, and texts for groups."""
    hs = pd.read_csv("data/holzinger_swineford_1939.csv")
    hs.loc[3:9, "x2"] = np.nan
    hs["ageyr"] = hs["ageyr"].astype(int)
    hs["girl"] = hs["sex"] == 2
    return hs[[*NAMES, "ageyr", "girl", "school"]]


def polars(frame):
    pl = pytest.importorskip("polars")
    return pl.from_pandas(frame)


FORMS = {
    "polars": polars,
    "polars, lazy": lambda frame: polars(frame).lazy(),
    "polars, of categories": lambda frame: polars(frame).with_columns(
        pytest.importorskip("polars").col("school").cast(pytest.importorskip("polars").Categorical)
    ),
    "pyarrow": pa.Table.from_pandas,
    "nullable": lambda frame: frame.convert_dtypes(),
    "backed by pyarrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "objects": lambda frame: frame.astype(object),
    "decimals": lambda frame: pa.Table.from_pandas(frame).set_column(
        0, "x1", pa.array(frame["x1"].round(4)).cast(pa.float32()).cast(pa.float64())
    ),
    "ordered categories": lambda frame: frame.assign(
        ageyr=pd.Categorical(frame["ageyr"], ordered=True),
        school=frame["school"].astype("category"),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_any_data_frame_gives_the_same_sample(form):
    sem = bs.SEM(f"{MODEL}\nvisual ~ ageyr + girl")
    frame = abilities()
    made = FORMS[form](frame)
    expected = sem.prepare(frame, group="school").sample
    found = sem.prepare(made, group="school").sample
    assert found.groups == expected.groups
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4)
    if form != "decimals":
        assert found.hash == expected.hash


def test_every_entrance_takes_any_data_frame(hs_fit):
    frame = abilities()
    table = pa.Table.from_pandas(frame)
    expected = bs.SEM(MODEL).ml(frame, group="school")
    assert str(bs.SEM(MODEL).ml(table, group="school")) == str(expected)
    assert str(bs.SEM(MODEL).check(table)) == str(bs.SEM(MODEL).check(frame))
    assert str(bs.describe(table)) == str(bs.describe(frame))
    rows = pd.read_csv("data/holzinger_swineford_1939.csv").head(3).drop(columns="x9")
    one = hs_fit.predict(rows, variables="x9", random_seed=1).table
    two = hs_fit.predict(pa.Table.from_pandas(rows), variables="x9", random_seed=1).table
    pd.testing.assert_frame_equal(one, two)
    kinds = pd.DataFrame({"a": [0, 1, 1], "b": [1, 0, 1]})
    pd.testing.assert_series_equal(
        bs.alliance_portfolio_diversity(kinds, ["a", "b"]),
        bs.alliance_portfolio_diversity(pa.Table.from_pandas(kinds), ["a", "b"]),
    )
    split = bs.median_split(pa.Table.from_pandas(frame), "x1", few=2)
    assert split.labels.tolist() == bs.median_split(frame, "x1", few=2).labels.tolist()


def test_categories_without_an_order_may_be_countries():
    frame = abilities().assign(ageyr=lambda d: d["ageyr"].astype("category"))
    with pytest.raises(DataError, match="'ageyr' is not numeric"):
        bs.SEM("ageyr ~ x1").prepare(frame)


@pytest.mark.parametrize("data", [[1, 2], {"x1": [1]}, np.zeros((3, 2)), "d.csv", None, pa])
def test_what_is_no_data_frame_is_refused(data):
    with pytest.raises(DataError, match="the data have to be a data frame, not "):
        as_frame(data)


def test_a_pandas_frame_is_not_touched():
    frame = abilities()
    assert as_frame(frame) is frame


# --- labels -----------------------------------------------------------------


def labels_of(frame, **texts):
    frame = frame.copy()
    frame.attrs["variable_labels"] = texts
    return frame


def test_labels_survive_what_is_usually_done_to_a_frame():
    frame = labels_of(abilities(), x1="Visual perception")
    for made in (
        frame[frame["x1"] > 4],
        frame[NAMES],
        frame.dropna(),
        frame.assign(new=1),
        frame.rename(columns={"x2": "cubes"}),
        frame.replace(-99, np.nan),
        frame.reset_index(drop=True),
        frame.sample(20, random_state=1),
    ):
        assert variable_labels(made) == {"x1": "Visual perception"}


def test_labels_that_say_nothing_are_none():
    frame = labels_of(abilities(), x1="  ", x2="x2", x3="Loz\n enges ", x4=None)
    assert variable_labels(frame) == {"x3": "Loz enges"}


def test_labels_survive_parquet_and_feather(tmp_path):
    frame = labels_of(abilities(), x1="Visual perception")
    frame.attrs["value_labels"] = {"ageyr": {11: "eleven"}, "school": {"Pasteur": "P"}}
    frame.to_parquet(tmp_path / "d.parquet")
    frame.to_feather(tmp_path / "d.feather")
    for name in ("d.parquet", "d.feather"):
        data = bs.read_data(tmp_path / name)
        pd.testing.assert_frame_equal(data, frame)
        assert variable_labels(data) == {"x1": "Visual perception"}
        assert value_labels(data, "ageyr") == {11.0: "eleven"}
        assert value_labels(data, "school") == {"Pasteur": "P"}


def test_values_without_a_label_stay():
    frame = pd.DataFrame({"g": [1.0, 2.0, 3.0, np.nan]})
    frame.attrs["value_labels"] = {"g": {1: "one", 2.0: ""}}
    assert labelled(frame, "g").tolist()[:3] == ["one", 2.0, 3.0]
    assert labelled(frame, "g").isna()[3]


@pytest.mark.parametrize("attrs", [{"variable_labels": ["a"]}, {"value_labels": {"x1": ["a"]}}])
def test_labels_in_another_form_are_refused(attrs):
    frame = abilities()
    frame.attrs = attrs
    with pytest.raises(DataError, match="data.attrs.* maps names of variables"):
        bs.describe(frame)


@pytest.fixture(scope="module")
def fit():
    frame = labels_of(
        abilities(),
        x1="Visual perception",
        x2="Cubes, a simplification of a test of spatial relations",
        visual="Spatial sense",
        school="not in the model",
    )
    return bs.SEM(MODEL).fit(frame, draws=100, tune=200, random_seed=1, progress=False)


@pytest.mark.filterwarnings("ignore::bayessem.BayessemWarning")
def test_labels_reach_tables_reports_and_saved_fits(fit, tmp_path):
    assert set(fit.prepared.sample.labels) == {"x1", "x2", "visual"}
    for one in (fit, bs.load(fit.save(tmp_path / "run"))):
        table = one.summary(labels=True)
        assert "lhs_label" not in one.summary()
        row = table[(table["op"] == "=~") & (table["rhs"] == "x1")].iloc[0]
        assert (row["lhs_label"], row["rhs_label"]) == ("Spatial sense", "Visual perception")
        assert (table.loc[table["rhs"] == "x4", "rhs_label"] == "").all()
        text = str(one)
        assert "Visual perception" in text and "Cubes, a simplification of..." in text
        measured = one.measurement()
        assert measured.loadings["label"].tolist()[:2] == [
            "Visual perception",
            "Cubes, a simplification of a test of spatial relations",
        ]
        assert "Cubes, a simplification of a test of..." in str(measured)
        page = one.report(tmp_path / "r.html").read_text(encoding="utf-8")
        assert "Cubes, a simplification of a test of spatial relations" in page
    record = json.loads((tmp_path / "run" / "fit.json").read_text(encoding="utf-8"))
    assert record["variable_labels"]["visual"] == "Spatial sense"


def test_without_labels_nothing_is_added(hs_fit):
    assert "label" not in str(hs_fit).split("Paths")[0].split("Loadings")[1].splitlines()[1]
    assert (hs_fit.summary(labels=True)["rhs_label"] == "").all()
