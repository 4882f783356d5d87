"""Files of SPSS, Stata and SAS: right values, labels, and codes that mean that nothing was said."""

import datetime

import numpy as np
import pandas as pd
import pytest

import bayessem as bs
from bayessem.errors import BayessemWarning, DataError

pyreadstat = pytest.importorskip("pyreadstat")

FRAME = pd.DataFrame(
    {
        "q1": [1.0, 5.0, 9.0, np.nan, 3.0],
        "q2": [2.0, -99.0, 98.0, 4.0, 97.5],
        "sex": [1.0, 2.0, 2.0, 1.0, 1.0],
        "name": ["Ann", "Zoë", "", "Dan", "Eve"],
    }
)
LABELS = {"q1": "How satisfied are you?", "sex": "Geschlecht (weiß nicht: 9)"}
VALUES = {
    "q1": {1.0: "not at all", 5.0: "very", 9.0: "refused"},
    "sex": {1.0: "female", 2.0: "male"},
}


@pytest.fixture
def sav(tmp_path):
    def write(frame=FRAME, name="d.sav", **options):
        path = tmp_path / name
        options = {"column_labels": LABELS, "variable_value_labels": VALUES} | options
        pyreadstat.write_sav(frame, path, **options)
        return path

    return write


@pytest.mark.parametrize("options", [{}, {"compress": True}, {"row_compress": True}])
def test_spss_with_labels_and_missing_codes(sav, options):
    path = sav(missing_ranges={"q1": [9.0], "q2": [{"lo": 97.0, "hi": 99.0}, -99.0]}, **options)
    before = path.read_bytes()
    data = bs.read_data(path)
    np.testing.assert_array_equal(data["q1"], [1, 5, np.nan, np.nan, 3])
    np.testing.assert_array_equal(data["q2"], [2, np.nan, np.nan, 4, np.nan])
    assert data["name"].tolist()[:2] == ["Ann", "Zoë"] and data["name"].isna()[2]
    assert data.attrs["variable_labels"] == LABELS
    assert data.attrs["value_labels"] == {
        "q1": {1.0: "not at all", 5.0: "very"},
        "sex": {1.0: "female", 2.0: "male"},
    }
    assert "declares missing are missing: q1 1, q2 3" in data.attrs["notes"][0]
    assert path.read_bytes() == before


def test_missing_codes_of_texts(sav):
    data = bs.read_data(sav(missing_ranges={"name": ["Dan"]}))
    assert data["name"].isna().tolist() == [False, False, True, True, False]


def test_portable_spss(tmp_path):
    frame = FRAME.drop(columns="name").rename(columns=str.upper)
    pyreadstat.write_por(frame, tmp_path / "d.por", column_labels={"Q1": "Satisfied?"})
    data = bs.read_data(tmp_path / "d.por")
    np.testing.assert_array_equal(data["Q2"], FRAME["q2"])
    assert data.attrs["variable_labels"] == {"Q1": "Satisfied?"}


@pytest.mark.parametrize("version", [8, 10, 12, 13, 15])
def test_stata_of_every_age(tmp_path, version):
    path = tmp_path / "d.dta"
    frame = FRAME.assign(name=["a", "b", "c", "d", "e"])
    whole = {"sex": {1: "female", 2: "male"}}
    pyreadstat.write_dta(
        frame.astype({"sex": int}),
        path,
        version=version,
        column_labels={"q1": "Satisfied?"},
        variable_value_labels=whole,
    )
    data = bs.read_data(path)
    np.testing.assert_array_equal(data["q1"], FRAME["q1"])
    assert data["name"].tolist() == ["a", "b", "c", "d", "e"]
    assert data.attrs == {"variable_labels": {"q1": "Satisfied?"}, "value_labels": whole}


def test_missing_values_of_stata_are_missing(tmp_path):
    column = pd.Series([1, "a", 3, "b", 2], dtype=object)
    pyreadstat.write_dta(
        pd.DataFrame({"q": column}), tmp_path / "d.dta", missing_user_values={"q": ["a", "b"]}
    )
    np.testing.assert_array_equal(bs.read_data(tmp_path / "d.dta")["q"], [1, np.nan, 3, np.nan, 2])


@pytest.mark.parametrize("version", [5, 8])
def test_sas_transport_files(tmp_path, version):
    path = tmp_path / "d.xpt"
    pyreadstat.write_xport(
        FRAME, path, file_format_version=version, column_labels={"q1": "Satisfied?"}
    )
    data = bs.read_data(path)
    np.testing.assert_array_equal(data["q1"], FRAME["q1"])
    assert data.attrs["variable_labels"] == {"q1": "Satisfied?"}


def test_dates_are_dates_and_no_numbers(sav):
    frame = FRAME.assign(day=[datetime.date(2024, 5, d) for d in range(1, 6)])
    data = bs.read_data(sav(frame))
    assert data["day"][0] == datetime.date(2024, 5, 1)
    assert bs.describe(data).table.set_index("variable").loc["day", "type"] == "date"


def test_what_the_file_is_is_seen_from_its_content(sav):
    np.testing.assert_array_equal(bs.read_data(sav(name="d.csv"))["sex"], FRAME["sex"])


def test_a_damaged_file_is_one_error(sav):
    path = sav()
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="cannot be read as a file of SPSS .*Save it anew"):
        bs.read_data(path)


def test_label_rows_are_for_files_without_labels(sav):
    with pytest.raises(DataError, match="says itself what its labels are"):
        bs.read_data(sav(), label_rows=1)


def test_without_the_extra_one_error_says_what_to_install(sav, monkeypatch):
    path = sav()
    monkeypatch.setitem(__import__("sys").modules, "pyreadstat", None)
    with pytest.raises(
        DataError, match=r"SPSS files are read by pyreadstat.*pip install 'bayessem\[files\]'"
    ):
        bs.read_data(path)


def abilities(**columns):
    return pd.read_csv("data/holzinger_swineford_1939.csv").assign(**columns)


def test_groups_are_named_by_their_labels(sav):
    frame = abilities()[["sex", "x1", "x2", "x3"]].astype(float)
    path = sav(frame, variable_value_labels={"sex": {1.0: "boys", 2.0: "girls"}})
    data = bs.read_data(path)
    sem = bs.SEM("visual =~ x1 + x2 + x3")
    assert sem.prepare(data, group="sex").sample.groups == ("boys", "girls")
    for order in (["girls", "boys"], [2, 1], [2.0, "boys"]):
        sample = sem.prepare(data, group="sex", group_order=order).sample
        assert sample.groups == ("girls", "boys")
        assert (sample.group == 0).sum() == (frame["sex"] == 2).sum()


def test_a_label_of_two_values_is_refused_where_groups_are_made_of_it(sav):
    frame = abilities()[["sex", "x1", "x2", "x3"]].astype(float)
    path = sav(frame, variable_value_labels={"sex": {1.0: "pupil", 2.0: "pupil"}})
    data = bs.read_data(path)
    with pytest.raises(DataError, match="label 'pupil' stands for two values of 'sex', 1.0 and 2"):
        bs.SEM("visual =~ x1 + x2 + x3").prepare(data, group="sex")
    assert any("stands for two values" in note for note in bs.describe(data).notes)
    assert bs.SEM("visual =~ x1 + x2 + x3").prepare(data).sample.size == 301


def test_a_label_that_is_another_value_is_refused():
    frame = pd.DataFrame({"g": ["a", "b"] * 10, "x": range(20)})
    frame.attrs["value_labels"] = {"g": {"a": "b"}}
    from bayessem.model.group_column import require_group

    with pytest.raises(DataError, match="label 'b' stands for two values"):
        require_group(frame, "g")


def test_texts_without_a_known_encoding_are_told(sav, monkeypatch):
    calls = []
    real = pyreadstat.read_sav

    def read(path, encoding=None, **options):
        calls.append(encoding)
        if encoding is None:
            raise pyreadstat.ReadstatError("Unable to convert string to the requested encoding")
        return real(path, **options)

    monkeypatch.setattr(pyreadstat, "read_sav", read)
    with pytest.warns(BayessemWarning, match="does not say how its texts are encoded"):
        bs.read_data(sav())
    assert calls == [None, "WINDOWS-1252"]
