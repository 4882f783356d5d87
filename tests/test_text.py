"""Documents: what a result says, as text of any width and as HTML."""

import math
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pytest

from bayessem.text.document import (
    Column,
    Document,
    Figure,
    Heading,
    Items,
    Lines,
    Notes,
    Paragraph,
    Table,
    Verbatim,
)
from bayessem.text.formats import INTERVAL, NUMBER
from bayessem.text.html import document_html, notebook_html
from bayessem.text.numbers import minus_signs, number, raw_number
from bayessem.text.terminal import document_text, prose, table_text

NAMES = ["RAD ~ AMC", "RAD ~ AMC:AMC", "<SUCC>"]
TABLE = Table(
    (
        Column("", NAMES),
        *(Column(f"q{k}", [-0.25 * k, 0.0, math.nan], NUMBER) for k in range(1, 9)),
        Column("95 %", [(-1.0, 2.0), (0.5, 1.5), (math.nan, math.nan)], INTERVAL),
    ),
    "Effects & their intervals",
)


def figure():
    drawing, axes = plt.subplots(figsize=(2, 2))
    axes.plot([0, 1])
    return drawing


EVERYTHING = Document.of(
    Heading("A title"),
    Paragraph("Paths < 0 & others: -0.5, .5; self-report of 2024-05."),
    Paragraph("Careful.", warning=True),
    [Heading("Part", 2), Lines(("one", "two"))],
    None,
    Items(("first", "second")),
    Notes(("a note",)),
    Verbatim("y ~ x  # <model>"),
    TABLE,
    Figure(figure, 'A "figure"'),
)


class Wellformed(HTMLParser):
    """Collects the text; fails on elements that are not closed in their order."""

    def __init__(self):
        super().__init__()
        self.open, self.words, self.images = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag in ("br", "img"):
            self.images += [dict(attrs)] if tag == "img" else []
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1.23456, 3, "1.235"),
        (-0.0004, 3, "0.000"),
        (-0.0, 2, "0.00"),
        (math.nan, 3, ""),
        (-12.345, 1, "-12.3"),
        (1e-300, 3, "0.000"),
    ],
)
def test_numbers_are_rounded_without_minus_zero(value, digits, text):
    assert number(value, digits) == text


def test_numbers_in_units_of_the_data_keep_three_digits():
    assert raw_number(0.00012345, 0.00001) == "0.000123"
    assert raw_number(1234567.0, 10.0) == "1.23e+06"
    assert raw_number(12.34567, 1.0) == "12.346"


def test_blocks_that_say_nothing_are_left_out():
    assert not Document.of(Paragraph(""), Notes(()), Items(()), Table((Column("x", []),))).blocks
    assert Table((Column("a", ["x"]), Column("b", [math.nan], NUMBER))).without_empty().keys == 1


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_everything_fits_the_width_and_nothing_is_lost(width):
    lines = document_text(EVERYTHING, width=width).split("\n")
    assert max(map(len, lines)) <= width
    words = " ".join(lines)
    for block in ("A title", "Careful.", "Part", "one", "- first", "a note", "y ~ x  # <model>"):
        assert block in words
    assert '[figure: A "figure"]' in words
    for k in range(1, 9):
        assert f"q{k}" in words
        assert f"{-0.25 * k:.3f}" in words


def test_columns_that_do_not_fit_stand_below_with_the_rows_names_again():
    narrow = table_text(TABLE, width=60)
    assert narrow.count("RAD ~ AMC:AMC") == 2
    wide = table_text(TABLE)
    assert wide.count("RAD ~ AMC:AMC") == 1
    assert narrow.split()[-1] == wide.split()[-1]


def test_prose_keeps_words_and_percentages_whole():
    text = " ".join(["warm-up of 95 %"] * 20)
    lines = prose(text, width=30).split("\n")
    assert " ".join(lines) == text
    assert not any(line.endswith(("warm-", "95")) for line in lines)


def test_html_is_well_formed_and_says_the_same():
    parser = Wellformed()
    parser.feed(notebook_html(EVERYTHING))
    assert not parser.open
    words = "".join(parser.words)
    for text in (*NAMES, "Paths < 0 & others", "Effects & their intervals", "y ~ x  # <model>"):
        assert text in words
    assert parser.images[0]["alt"] == 'A "figure"'
    assert parser.images[0]["src"].startswith("data:image/svg+xml;base64,")
    assert "<h3>A title</h3>" in notebook_html(EVERYTHING)
    assert "<h1>A title</h1>" in document_html(EVERYTHING)


def test_minus_signs_are_of_numbers_alone():
    minus = "\N{MINUS SIGN}"
    assert minus_signs("-0.5 and -.5 [-1, 2]") == f"{minus}0.5 and {minus}.5 [{minus}1, 2]"
    assert minus_signs("2024-05-01, self-report, x1-3, ML-2") == (
        "2024-05-01, self-report, x1-3, ML-2"
    )
