"""Files of data and models: read right or refused with the line, whoever wrote them."""

import contextlib
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bayessem as bs
from bayessem import SEM
from bayessem.errors import BayessemWarning, DataError, SyntaxProblem
from bayessem.model.files import read_data_file, read_model_file

FRAME = pd.DataFrame(
    {
        "x": [0.125, -1.5, np.nan, 1234.5],
        "größe": [1, 2, 3, 4],
        "team": ["a", "b; c", 'say "d, e"', None],
    }
)


@pytest.fixture
def file(tmp_path):
    def write(content, name="d.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return str(path)

    return write


def csv_bytes(encoding="utf-8", **options):
    return FRAME.to_csv(index=False, **options).encode(encoding)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (csv_bytes(), []),
        (csv_bytes("utf-8-sig"), []),
        (csv_bytes("utf-16"), []),
        (csv_bytes("latin-1"), ["no UTF-8 (line 1: 'ö'); read as Latin-1"]),
        (csv_bytes(sep=";"), ["separated by semicolons"]),
        (csv_bytes(sep=";", decimal=","), ["separated by semicolons", "has decimal commas"]),
        (csv_bytes("utf-8-sig", sep=";", decimal=","), ["semicolons", "decimal commas"]),
        (b"sep=;\n" + csv_bytes(sep=";"), ["separated by semicolons"]),
        (csv_bytes(sep="\t"), ["separated by tabs"]),
        (csv_bytes(sep="\t", decimal=","), ["separated by tabs", "has decimal commas"]),
        (csv_bytes(sep="|"), ["separated by bars"]),
        (csv_bytes(lineterminator="\r\n"), []),
        (csv_bytes(lineterminator="\r"), []),
        (csv_bytes(quoting=1), []),
        (gzip.compress(csv_bytes()), []),
        (b"\n\n" + csv_bytes() + b"\n\n", []),
        (b"sep=;\r" + csv_bytes(sep=";", lineterminator="\r"), ["separated by semicolons"]),
        (csv_bytes("utf-16-le"), ["no byte-order mark; read as utf-16-le"]),
        (csv_bytes("utf-16-be"), ["no byte-order mark; read as utf-16-be"]),
        (csv_bytes().replace(b"\n", b",\n").replace(b",\n", b"\n", 1), ["every line ends with 1"]),
    ],
)
def test_the_same_table_however_it_is_written(file, content, said):
    found = read_data_file(file(content))
    pd.testing.assert_frame_equal(found.frame, FRAME, check_column_type=False)
    assert len(found.notes) == len(said)
    for note, part in zip(found.notes, said, strict=True):
        assert part in note


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2,\n3,4\n", "line 2: 3 fields, but the header has 2: the line ends with a ','"),
        ("a,b\n1,2\n3,4,5\n", "line 3: 3 fields, but the header has 2; if the first field"),
        ("a,b\nr1,1,2\nr2,3,4\n", "line 2: 3 fields.* the row's name"),
        ("a;b\n1;2\n\n3;4;\n", "line 4: 3 fields, but the header has 2: the line ends with a ';'"),
        ("sep=;\na;b\n1;2;3\n", "line 3: 3 fields"),
        ('a,b\n"1\n2",3\n4,5,6,7\n', "line 4: 4 fields"),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 3: cannot be read as CSV .*quotation mark"),
        ("a b c\n1 2 3\n4 5 6\n", "separated by blanks"),
        ("", "is empty"),
        (" \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"PK\x03\x04rest", "damaged: it begins as an Excel or other zipped file"),
        (b"a,b\n1,\x002\n", "no text: it holds bytes that are 0"),
        (b"\xff\xfea", "no UTF-16"),
        (gzip.compress(b"a,b\n1,2\n")[:-12], "cannot be unpacked"),
    ],
)
def test_what_cannot_be_read_right_is_refused(file, content, message):
    with pytest.raises(DataError, match=message):
        read_data_file(file(content))


def test_a_header_that_ends_with_a_delimiter_too_has_no_further_column(file):
    found = read_data_file(file("a,b,\n1,2,\n3,4,\n"))
    assert found.frame.columns.tolist() == ["a", "b"]
    assert found.frame["a"].tolist() == [1, 3]


def test_row_names_under_an_empty_name_stay(file):
    found = read_data_file(file(",a,b\nr1,1,2\nr2,3,4\n"))
    assert found.frame.columns.tolist() == ["unnamed 1", "a", "b"]
    assert found.frame["a"].tolist() == [1, 3]


def test_names_that_stand_twice_are_refused_with_their_columns(file):
    with pytest.raises(DataError, match="several columns of one name: 'a' in columns 1 and 3"):
        read_data_file(file("a,b,a\n1,2,3\n"))


def test_lines_with_fewer_fields_are_told(file):
    found = read_data_file(file("a,b,c\n1,2,3\n4\n5,6\n"))
    assert found.frame.isna().sum().tolist() == [0, 1, 2]
    assert "2 lines have fewer fields than the header (line 3 the first)" in found.notes[0]


def test_thousands_are_never_taken_for_decimals(file):
    found = read_data_file(file("a\tb\n1,931\t5\n8,442\t6\n912\t7\n"))
    assert found.frame["a"].tolist() == ["1,931", "8,442", "912"]
    assert not any("decimal" in note for note in found.notes)


def test_one_sure_decimal_comma_tells_what_the_others_are(file):
    found = read_data_file(file("a;b\n1,931;0,5\n8,442;6\n912;7,25\n"))
    assert found.frame["a"].tolist() == [1.931, 8.442, 912]
    assert found.frame["b"].tolist() == [0.5, 6, 7.25]


def test_points_and_commas_in_one_file_are_read_by_column(file):
    found = read_data_file(file("a;b\n1.5;0,5\n2.25;6\n"))
    assert found.frame["a"].tolist() == [1.5, 2.25]
    assert found.frame["b"].tolist() == [0.5, 6]


@pytest.mark.parametrize("read", [read_data_file, read_model_file])
def test_what_is_no_file_is_one_error(tmp_path, read):
    for path, message in (
        (tmp_path / "nothing", "there is no (data|model) file"),
        (tmp_path, "is a folder, not a (data|model) file"),
        ("a\0b", "cannot be read"),
        (tmp_path / ("x" * 300), "cannot be read.*too long|there is no"),
    ):
        with pytest.raises(DataError, match=message):
            read(str(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_a_model_in_any_encoding(file, encoding):
    text = "Größe =~ x1 + x2 + x3\n"
    found, notes = read_model_file(file(text.encode(encoding)))
    assert found == text
    assert bool(notes) == (encoding in ("latin-1", "cp1252"))


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a,b\n1,2\n"))
    assert read_data_file("-").frame["b"].tolist() == [2]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    for read in (read_data_file, read_model_file):
        with contextlib.suppress(DataError):
            read(str(path))


@given(st.text("ab1,;\t|\"'\n\r .", max_size=40))
def test_any_table_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(text.encode())
    try:
        found = read_data_file(str(path))
    except DataError:
        return
    assert found.frame.columns.size
    assert found.frame.shape[0] < max(2, len(text.splitlines()))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_ends(file, end):
    text = csv_bytes().decode("utf-8")
    expected = read_data_file(file(text)).frame
    pd.testing.assert_frame_equal(read_data_file(file(text.replace("\n", end))).frame, expected)
    told = read_data_file(file(f"sep=;{end}x;y{end}1,5;2{end}3,5;4{end}"))
    assert told.frame.to_dict("list") == {"x": [1.5, 3.5], "y": [2, 4]}
    with pytest.raises(DataError, match="line 3: 3 fields"):
        read_data_file(file(f"x,y{end}1,2{end}1,2,3{end}"))
    # a comment ends with its line, and a formula with its own
    model = f"f =~ x1 + x2 # a comment{end}f =~ x3{end}# another{end}y ~ f"
    path = file(model, "model.txt")
    for text in (model, read_model_file(path)[0]):
        assert SEM(text).table.observed == ("x1", "x2", "x3", "y")
    with pytest.raises(SyntaxProblem, match="line 2, column 5") as caught:
        SEM(f"f =~ x1{end}y ~~~ f")
    assert str(caught.value).splitlines()[1:] == ["    y ~~~ f", "        ^"]


# --- read_data --------------------------------------------------------------


def test_read_data_warns_of_guesses_and_keeps_all_notes(file):
    path = file(csv_bytes("latin-1", sep=";"))
    with pytest.warns(BayessemWarning, match="no UTF-8.*read as Latin-1"):
        data = bs.read_data(path)
    assert [x.split(" ", 1)[1] for x in data.attrs["notes"]] == [
        "is no UTF-8 (line 1: 'ö'); read as Latin-1",
        "is separated by semicolons",
    ]
    pd.testing.assert_frame_equal(data, FRAME, check_column_type=False)


def test_the_encoding_can_be_given(file):
    path = file("größe\n1\n2\n".encode("mac_roman"))
    assert bs.read_data(path, encoding="mac_roman").columns.tolist() == ["größe"]
    with pytest.raises(DataError, match="'klingon' is no encoding that Python knows"):
        bs.read_data(path, encoding="klingon")
    with pytest.raises(DataError, match="is not in ascii"):
        bs.read_data(path, encoding="ascii")


QUALTRICS = (
    "Q1,Q2,Name\n"
    '"How satisfied\nare you?","How old, in years?","Your name"\n'
    '"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}","{""ImportId"":""QID3""}"\n'
    "5,31,Ann\n3,45,Bob\n4,52,Cyd\n"
)


def test_further_header_rows_are_refused_or_kept_as_labels(file):
    path = file(QUALTRICS)
    with pytest.raises(DataError, match=r"the 2 rows below the header.*label_rows=2\)"):
        bs.read_data(path)
    with pytest.raises(DataError, match=r"the row below the header.*label_rows=2\)"):
        bs.read_data(path, label_rows=1)
    data = bs.read_data(path, label_rows=2)
    assert data["Q1"].tolist() == [5, 3, 4]
    assert data.attrs["variable_labels"]["Q1"] == "How satisfied\nare you?"
    assert bs.describe(data).table["label"].tolist() == [
        "How satisfied are you?",
        "How old, in years?",
        "Your name",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a,b\nn/a,.\n1,2\n3,4\n",  # missing answers
        "a,b,c\nx,1,y\n2,2,3\n3,3,4\n",  # one column has a number there
        "name,job\nAnn,boss\nBob,clerk\n",
        "a,b\nlow,high\n1,2\nlow,5\n",  # words elsewhere too
    ],
)
def test_what_is_no_second_header_is_read(file, text):
    assert len(bs.read_data(file(text))) == text.count("\n") - 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<!DOCTYPE html><html>", "is a web page, no table"),
        ('<?xml version="1.0"?><a/>', "is an XML file"),
        ('[{"a": 1}]', "is a JSON file"),
        ('{"a": [1, 2]}', "is a JSON file"),
        (b"%PDF-1.7 rest", "is a PDF file"),
        (b"RDX3\nX\n\0", "a file of R"),
        (gzip.compress(b"X\n\0\0\0\3"), "a file of R"),
        (b"\x80\x04\x95rest", "a pickle, which can run anything"),
        (b"SQLite format 3\0", "a data base of SQLite"),
        (b"PAR1 broken PAR1", "cannot be read as parquet"),
        (b"ARROW1\0\0 broken", "cannot be read as feather"),
        (b"\x1f\x8b\x08\x00broken", "cannot be unpacked"),
    ],
)
def test_what_is_no_data_file_is_said(file, content, message):
    with pytest.raises(DataError, match=message):
        bs.read_data(file(content))


def test_what_may_not_be_read_is_one_error(file, monkeypatch):
    path = file("a,b\n1,2\n")

    def refused(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refused)
    with pytest.raises(DataError, match="d.csv' cannot be read: permission denied"):
        bs.read_data(path)


@pytest.mark.parametrize("path", [None, 3, pd.DataFrame(), io.StringIO("a\n1\n")])
def test_a_path_is_a_path(path):
    with pytest.raises(DataError, match="path names a file, as in 'survey.sav', not "):
        bs.read_data(path)


def test_a_header_alone_has_no_rows(file):
    data = bs.read_data(file("a,b\n"))
    assert data.shape == (0, 2)
    with pytest.raises(DataError, match="columns but no rows"):
        bs.SEM("a ~ b").prepare(data)


def test_a_path_of_the_home_folder(file, monkeypatch):
    path = file("a,b\n1,2\n")
    monkeypatch.setenv("HOME", path.rsplit("/", 1)[0])
    assert bs.read_data("~/d.csv")["b"].tolist() == [2]
