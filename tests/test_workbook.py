"""Excel workbooks: values that were calculated last, and one clear error for all else."""

import datetime
import io
import zipfile

import numpy as np
import pandas as pd
import pytest

import bayessem as bs
from bayessem.errors import BayessemWarning, DataError
from bayessem.model.files import read_data_file

openpyxl = pytest.importorskip("openpyxl")


@pytest.fixture
def book(tmp_path):
    """Write a workbook of sheets by name, each rows of cells."""

    def write(name="d.xlsx", hidden=(), **sheets):
        made = openpyxl.Workbook()
        made.remove(made.active)
        for title, rows in sheets.items():
            page = made.create_sheet(title)
            for row in rows:
                page.append(row)
            page.sheet_state = "hidden" if title in hidden else "visible"
        path = tmp_path / name
        made.save(path)
        return path

    return write


def calculated(path, cells):
    """Give formulas the values that Excel would have stored (openpyxl writes none)."""
    content = path.read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.namelist():
            text = old.read(part)
            if part == "xl/worksheets/sheet1.xml":
                for cell, value in cells.items():
                    kind = b"" if isinstance(value, int | float) else b' t="str"'
                    start = text.index(b'<c r="%s"' % cell.encode())
                    end = text.index(b"</c>", start)
                    one = text[start:end].replace(b"<v />", b"<v>%s</v>" % str(value).encode())
                    one = one.replace(b'"%s"' % cell.encode(), b'"%s"%s' % (cell.encode(), kind))
                    text = text[:start] + one + text[end:]
            new.writestr(part, text)
    path.write_bytes(out.getvalue())
    return path


def test_values_come_as_they_are(book):
    day = datetime.datetime(2024, 5, 17)
    rows = [
        ["x1 ", "x2", "name", "agree", "day", None],
        [1, 2.5, "Ann", True, day, None],
        [None, None, None, None, None, None],
        [3, None, " Bob ", False, day, None],
        ["n/a", -1.0, "", True, None, None],
    ]
    path = book(S=rows)
    before = path.read_bytes()
    data = bs.read_data(path)
    assert data.columns.tolist() == ["x1", "x2", "name", "agree", "day"]
    np.testing.assert_array_equal(data["x1"], [1, 3, np.nan])
    np.testing.assert_array_equal(data["x2"], [2.5, np.nan, -1])
    assert data["name"].tolist()[:2] == ["Ann", "Bob"] and data["name"].isna()[2]
    assert data["agree"].tolist() == [True, False, True]
    assert data["day"].dtype.kind == "M" and data["day"][0] == day
    assert not data.attrs
    assert path.read_bytes() == before


def test_whole_numbers_stay_whole(book):
    assert bs.read_data(book(S=[["a"], [1], [2]]))["a"].dtype.kind == "i"


def test_numbers_stored_as_text_are_numbers_and_told(book):
    path = book(S=[["a", "b", "zip"], ["1", "0,5", "007"], [2, "1,25", "008"], ["3", None, "120"]])
    with pytest.warns(BayessemWarning, match="numbers stored as text are read as numbers: a, b"):
        data = bs.read_data(path)
    assert data["a"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(data["b"], [0.5, 1.25, np.nan])
    assert data["zip"].tolist() == ["007", "008", "120"]


def test_errors_of_formulas_are_missing_and_told(book):
    path = book(S=[["a", "b"], [1, "#DIV/0!"], [2, 3]])
    with pytest.warns(BayessemWarning, match=r"errors of formulas.*: b 1"):
        data = bs.read_data(path)
    np.testing.assert_array_equal(data["b"], [np.nan, 3])


def test_formulas_have_the_values_that_were_stored(book):
    path = book(S=[["a", "b"], [1, "=A2*2"], [2, '=IF(A3>1,"",0)'], [3, "=A4*2"]])
    data = bs.read_data(calculated(path, {"B2": 2, "B3": "", "B4": 6.5}))
    np.testing.assert_array_equal(data["b"], [2, np.nan, 6.5])


def test_formulas_that_were_never_calculated_are_refused_with_their_cells(book):
    path = book(S=[["a", "b"], [1, "=A2*2"], [2, 5], [3, "=A4*2"]])
    with pytest.raises(DataError, match=r"2 formulas were never calculated \(B2, B4\).*save it"):
        bs.read_data(path)


def test_the_first_sheet_that_is_shown_is_read_and_told(book):
    path = book(hidden=("Old",), Old=[["z"], [9]], Data=[["a"], [1]], More=[["b"], [2]])
    found = read_data_file(path)
    assert found.frame["a"].tolist() == [1]
    assert "sheet 'Data' is read, the first of 'Old', 'Data', 'More'" in found.notes[0]
    assert bs.read_data(path, sheet="More")["b"].tolist() == [2]
    assert bs.read_data(path, sheet="Old")["z"].tolist() == [9]


def test_a_row_of_wording_becomes_labels(book):
    wording = ["How old are you?", "How satisfied are you?", "Your name"]
    rows = [["age", "sat", "name"], wording, [31, 5, "A"], [40, 6, "B"], [25, 7, "C"]]
    with pytest.raises(DataError, match=r"the row below the header.*read_data\(path, label_rows=1"):
        bs.read_data(book(S=rows))
    data = bs.read_data(book(S=rows), label_rows=1)
    assert data["sat"].tolist() == [5, 6, 7]
    assert data.attrs["variable_labels"] == dict(zip(rows[0], wording, strict=True))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "sheet 'S' is empty"),
        ([["a", "b", "a"], [1, 2, 3]], "several columns of one name: 'a' in columns 1 and 3"),
        ([["Survey 2024"], ["a", "b"], [1, 2], [3, 4]], "row 1 is the header, and 1 columns with"),
        (
            [["Size", None, "Age", None], ["a", "b", "c", "d"], [1, 2, 3, 4], [3, 4, 5, 6]],
            "2 columns with values have no name in it, column B the first",
        ),
    ],
)
def test_what_is_no_table_is_refused(book, rows, message):
    with pytest.raises(DataError, match=message):
        bs.read_data(book(S=rows))


def test_a_sheet_that_is_not_there_is_named_with_those_that_are(book):
    path = book(Data=[["a"], [1]], Codes=[["b"], [2]])
    with pytest.raises(DataError, match="no sheet 'Dtaa'. Did you mean 'Data'.*'Data', 'Codes'"):
        bs.read_data(path, sheet="Dtaa")
    with pytest.raises(DataError, match="sheet is a text, not 0"):
        bs.read_data(path, sheet=0)


def test_a_csv_file_has_no_sheets(tmp_path):
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no Excel workbook, so it has no sheet 'S'"):
        bs.read_data(tmp_path / "d.csv", sheet="S")


def zipped(**parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(content_xml="x"), "an OpenDocument file; save it as .xlsx or CSV"),
        (zipped(xl__workbook_bin="x"), r"a binary Excel workbook \(.xlsb\)"),
        (zipped(word__document_xml="x"), "a Word document"),
        (zipped(data_csv="a,b"), "a zipped file of 1 file.*unpack it first"),
        (zipped(xl__workbook_xml="x"), "cannot be read as an Excel workbook"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "protected by a password; open it in Excel",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "Workbook".encode("utf-16-le"),
            r"an old Excel workbook \(.xls\); save it as .xlsx",
        ),
    ],
)
def test_what_is_no_workbook_is_said(tmp_path, content, message):
    path = tmp_path / "d.xlsx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        bs.read_data(path)


def test_without_the_extra_one_error_says_what_to_install(book, monkeypatch):
    path = book(S=[["a"], [1]])
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(
        DataError, match=r"openpyxl, which is not installed: pip install 'bayessem\[files"
    ):
        bs.read_data(path)


def test_the_same_data_as_a_workbook_give_the_same_sample(tmp_path):
    hs = pd.read_csv("data/holzinger_swineford_1939.csv")
    hs.to_excel(tmp_path / "hs.xlsx", index=False)
    sem = bs.SEM("visual =~ x1 + x2 + x3")
    read = bs.read_data(tmp_path / "hs.xlsx")
    assert sem.prepare(read).sample.hash == sem.prepare(hs).sample.hash
