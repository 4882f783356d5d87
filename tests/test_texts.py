"""Columns without numbers: the code that a message gives is run, and gives the right numbers."""

import re

import numpy as np
import pandas as pd
import pytest

from bayessem.errors import DataError
from bayessem.model.data import read_sample
from bayessem.model.texts import why_not_numeric

N = 240
K = np.arange(N)
RNG = np.random.default_rng(1)
NAMES = ("x1", "x2", "z")
BASE = pd.DataFrame(RNG.normal(size=(N, 2)), columns=["x1", "x2"])
LARGE = np.round(np.exp(RNG.normal(7, 1, N)))
SMALL = np.round(RNG.normal(size=N), 3)
NAN = float("nan")


def cycle(*values):
    return [values[i % len(values)] for i in range(N)]


def trimmed(x):
    return f"{x:.3f}".rstrip("0").rstrip(".")


# column, the numbers in it, what the message says
CASES = {
    "thousands": ([f"{x:,.0f}" for x in LARGE], LARGE, "commas between thousands"),
    "thousands beside missing": (
        [None, *(f"{x:,.0f}" for x in LARGE[1:])],
        [NAN, *LARGE[1:]],
        "thousands",
    ),
    "decimal commas": ([trimmed(x).replace(".", ",") for x in SMALL], SMALL, "decimal commas"),
    "decimal commas and NA": (
        ["NA", *(trimmed(x).replace(".", ",") for x in SMALL[1:])],
        [NAN, *SMALL[1:]],
        "decimal commas",
    ),
    "points between thousands": (
        [f"{x:,.2f}".translate(str.maketrans(",.", ".,")) for x in LARGE],
        LARGE,
        "points between thousands",
    ),
    "apostrophes": ([f"{x:,.0f}".replace(",", "'") for x in LARGE], LARGE, "apostrophes"),
    "blanks between thousands": (
        [f"{x:,.0f}".replace(",", "\u202f") for x in LARGE],
        LARGE,
        "blanks",
    ),
    "money": ([f"${x:,.2f}" for x in LARGE], LARGE, "amounts of money"),
    "percent": ([f"{x:.0f} %" for x in LARGE], LARGE, "percent signs"),
    "minus signs": ([f"{x}".replace("-", "\u2212") for x in SMALL], SMALL, "minus signs"),
    "numbers as texts": (cycle("1", "2", "3.5", None), cycle(1, 2, 3.5, NAN), "stored as"),
    "numbers as categories": (pd.Categorical(cycle(3, 1, 2)), cycle(3, 1, 2), "stored as category"),
    "poles": (
        cycle("1 = disagree", 2, 3, 4, 5, 6, "7 = agree", None),
        cycle(1, 2, 3, 4, 5, 6, 7, NAN),
        "words beside the numbers",
    ),
    "labels of all": (
        cycle("1. never", "2. rarely", "3. often"),
        cycle(1, 2, 3),
        "words beside the numbers",
    ),
    "categories of poles": (
        pd.Categorical(cycle("1 (disagree)", "2", "3", "4 (agree)")),
        cycle(1, 2, 3, 4),
        "words beside",
    ),
    "units": ([f"{60 + i % 20} kg" for i in K], 60 + K % 20, "words beside the numbers"),
    "blanks": (cycle("1", "2", " ", "4.5"), cycle(1, 2, NAN, 4.5), "hold blanks"),
    "missing words": (cycle("NA", 2, ".", 4), cycle(NAN, 2, NAN, 4), "hold 'NA', '.'"),
    "two answers": (cycle("Yes", "No", None), cycle(1, 0, NAN), "it holds 'Yes', 'No'"),
    "two answers and NA": (cycle("no", "yes", "n/a"), cycle(0, 1, NAN), "it holds 'no', 'yes'"),
    "texts of logical values": (cycle("True", "False"), cycle(1, 0), "it holds 'True', 'False'"),
    "logical values and numbers": (
        cycle(True, 2, None),
        cycle(1, 2, NAN),
        "True and False beside other values",
    ),
    "ordered categories": (
        pd.Categorical(cycle("low", "mid", None), categories=["low", "mid"], ordered=True),
        cycle(1, 2, NAN),
        "ordered categories",
    ),
    "dates": (pd.Series(pd.date_range("2020-01-01", periods=N)), 2020, "it holds dates"),
    "durations": (pd.Series(pd.to_timedelta(K, unit="D")), K, "it holds durations"),
    "complex": (SMALL + 0j, SMALL, "complex numbers"),
}


def advised(message):
    """The first assignment in a message."""
    return re.search(
        r"data\['z'\] = .*?(?=, or |; where|; if|: where|\.$|, and |$)", message, re.S
    ).group()


def run(code, data):
    space = {"data": data.copy(), "pd": pd}
    exec(code, space)
    return space["data"]


@pytest.mark.parametrize("case", CASES)
def test_the_advised_code_gives_the_numbers(case):
    column, numbers, says = CASES[case]
    data = BASE.assign(z=column)
    with pytest.raises(DataError, match=f"'z' is not numeric: .*{re.escape(says)}") as caught:
        read_sample(data, NAMES)
    done = run(advised(str(caught.value)), data)
    if case == "dates":  # of one year, which would be constant
        assert set(done["z"]) == {numbers}
        return
    found = read_sample(done, NAMES).values[:, 2]
    np.testing.assert_allclose(found, np.asarray(numbers, dtype=float))


@pytest.mark.parametrize(
    "column",
    [
        pd.array(cycle(True, False, None), dtype="boolean"),
        pd.array(cycle(True, False, None), dtype="bool[pyarrow]"),
        cycle(True, False, None),
        cycle(np.True_, False, np.nan),
    ],
)
def test_logical_values_with_missing_ones_are_numbers(column):
    found = read_sample(BASE.assign(z=column), NAMES).values[:, 2]
    np.testing.assert_array_equal(found, cycle(1.0, 0.0, NAN))


def test_commas_that_may_be_either_are_both_explained():
    values = np.round(RNG.uniform(1, 9, N), 3)
    data = BASE.assign(z=[f"{x:.3f}".replace(".", ",") for x in values])
    message = why_not_numeric("z", data["z"])
    thousands, decimal = re.findall(r"where they are .*?, (data\['z'\] = .*?), or read", message)
    np.testing.assert_allclose(run(thousands, data)["z"], 1000 * values)
    np.testing.assert_allclose(run(decimal, data)["z"], values)


@pytest.mark.parametrize("kind", [list, pd.Categorical])
def test_words_among_numbers_are_labels_or_missing_and_never_deleted_unasked(kind):
    data = BASE.assign(z=kind(cycle("disagree", 2.0, 3.0, "agree")))
    message = why_not_numeric("z", data["z"])
    assert "errors='coerce'" not in message
    label, gone = re.findall(r"data\['z'\] = .*?(?=; where|$)", message)
    coded = label.replace("'disagree': ...", "'disagree': 1").replace("'agree': ...", "'agree': 4")
    np.testing.assert_array_equal(run(coded, data)["z"].astype(float), cycle(1, 2, 3, 4))
    np.testing.assert_array_equal(run(gone, data)["z"].astype(float), cycle(NAN, 2, 3, NAN))


@pytest.mark.parametrize("texts", [("18-24", "25-34", "35-65"), ("3 years", "6 months", "1 day")])
def test_ranges_and_mixed_units_are_not_taken_for_labelled_numbers(texts):
    assert "extract" not in why_not_numeric("z", pd.Series(cycle(*texts)))


def test_kinds_without_an_order_get_columns_of_their_own():
    data = BASE.assign(z=cycle("Lyon", "Paris", "New York", None))
    message = why_not_numeric("z", data["z"])
    assert "1, 2, 3" not in message
    assert "'Lyon': 1" not in message
    column = re.search(r"data\['z_Paris'\] = .*?notna\(\)\)", message).group()
    found = read_sample(run(column, data), ("x1", "z_Paris")).values[:, 1]
    np.testing.assert_array_equal(found, cycle(0, 1, 0, NAN))
    assert "group='z'" in message
    order = re.search(r"data\['z'\] = data\['z'\].astype\(object\).map.*", message).group()
    numbered = run(re.sub(r"(\w)': \.\.\.", r"\1': 7", order), data)
    assert numbered["z"].notna().sum() == 3 * N // 4


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ([[1]] * N, "neither numbers nor texts, such as a list"),
        (["a"] * N, "every answer in it is 'a'"),
        ([f"id{i}" for i in K], "240 different texts"),
        (cycle(*[f"word {i}" for i in range(15)], 3), "look at them"),
    ],
)
def test_what_no_code_can_mend_is_said(column, says):
    assert says in why_not_numeric("z", pd.Series(column))
