"""The codebook says what each column holds and what a model does with it."""

import numpy as np
import pandas as pd
import pytest

import bayessem as bs
from bayessem.errors import DataError
from tests.shown import check

N = 60


def survey() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    likert = rng.integers(1, 6, N).astype(float)
    likert[:5] = 99.0
    answers = rng.integers(1, 8, N).astype(float)
    answers[:3], answers[3:5] = 8.0, np.nan
    frame = pd.DataFrame(
        {
            "id": np.arange(1001, 1001 + N),
            "likert": likert,
            "answers": answers,
            "size": rng.lognormal(3, 1, N),
            "female": rng.random(N) < 0.5,
            "three": np.arange(N) % 3,
            "country": ["DE", "FR", "IT"] * (N // 3),
            "price": ["1,5", "2,25", "3"] * (N // 3),
            "name": [f"firm {i}" for i in range(N)],
            "day": pd.date_range("2024-01-01", periods=N),
            "same": 4,
            "nothing": np.nan,
        }
    )
    frame.attrs["variable_labels"] = {"likert": "I trust my partner"}
    frame.attrs["value_labels"] = {"answers": {1: "never", 7: "always", 8: "don't know"}}
    frame.attrs["notes"] = ["d.csv is separated by semicolons"]
    return frame


@pytest.fixture(scope="module")
def book():
    return bs.describe(survey())


@pytest.fixture(scope="module")
def table(book):
    return book.to_frame().set_index("variable")


def test_every_column_has_a_row_with_its_counts(table):
    frame = survey()
    assert table.index.tolist() == list(frame.columns)
    assert table["missing"].to_dict() == frame.isna().sum().to_dict()
    assert (table["answers"] + table["missing"] == N).all()
    assert table["distinct"].to_dict() == frame.nunique().to_dict()
    numeric = ["id", "likert", "answers", "size", "three", "same"]
    for name in numeric:
        for measure, value in (("minimum", "min"), ("maximum", "max"), ("mean", "mean")):
            assert table.loc[name, measure] == pytest.approx(getattr(frame[name], value)())
        assert table.loc[name, "sd"] == pytest.approx(frame[name].std())


@pytest.mark.parametrize(
    ("name", "kind", "use"),
    [
        ("id", "whole number", "number; no two are the same, an identifier?"),
        ("likert", "whole number", "number"),
        ("size", "number", "number"),
        ("female", "yes/no", "number: covariate, or groups (group=)"),
        ("three", "whole number", "number; with 3 answers, loadings come out small"),
        ("country", "text", "groups (group=)"),
        ("price", "text", "not as it is"),
        ("name", "text", "not as it is"),
        ("day", "date", "not as it is"),
        ("same", "whole number", "refused: every answer is the same"),
        ("nothing", "empty", "refused: no values"),
    ],
)
def test_what_a_column_is_and_what_becomes_of_it(table, name, kind, use):
    assert (table.loc[name, "type"], table.loc[name, "use"]) == (kind, use)


def test_codes_for_missing_answers_by_distance_and_by_label(book, table):
    assert table.loc["likert", "codes"] == "99 (5 times)"
    assert table.loc["answers", "codes"] == "8 (3 times)"
    assert (table["codes"] != "").sum() == 2
    text = " ".join(str(book).split())
    assert "data['likert'] = data['likert'].mask(data['likert'].isin([99]))" in text
    again = survey()
    again["likert"] = again["likert"].mask(again["likert"].isin([99]))
    assert bs.describe(again).table.set_index("variable").loc["likert", "codes"] == ""


def test_labels_values_and_notes_are_shown(book, table):
    assert table.loc["likert", "label"] == "I trust my partner"
    assert table.loc["answers", "values"] == "1 = never, 7 = always, 8 = don't know"
    assert table.loc["country", "values"] == "'DE', 'FR', 'IT'"
    assert book.notes == ("d.csv is separated by semicolons",)
    assert any(x.startswith("price: it has decimal commas") for x in book.explanations)
    check(book, "I trust my partner", "1 = never, 7 = always", "60 respondents")


def test_what_a_model_refuses_is_what_the_codebook_says(table):
    frame = survey()
    for name in frame.columns:
        sem = bs.SEM(f"{name} ~ size" if name != "size" else "size ~ likert")
        usable = table.loc[name, "use"].startswith("number")
        try:
            sem.prepare(frame)
        except DataError:
            assert not usable, name
        else:
            assert usable, name


def test_columns_of_one_name_and_of_odd_values():
    frame = pd.DataFrame([[1, [2], 3.0], [2, [3], np.inf]], columns=["a", "b", "a"])
    table = bs.describe(frame).table
    assert table["variable"].tolist() == ["a", "b", "a"]
    assert table["use"].tolist()[1:] == ["not as it is", "refused: infinite values"]


def test_nothing_to_describe():
    with pytest.raises(DataError, match="the data have no columns"):
        bs.describe(pd.DataFrame())
    with pytest.raises(DataError, match="have to be a data frame"):
        bs.describe("d.csv")
    assert bs.describe(pd.DataFrame({"a": []})).table["use"].tolist() == ["refused: no values"]
