"""Results as tables for papers: LaTeX, Word, Excel, HTML and data frames of one document."""

import io
import math
import re
import sys
import zipfile
from dataclasses import dataclass

import docx
import matplotlib.pyplot as plt
import openpyxl
import pandas as pd
import pytest
from example_models import abilities

from bayessem import SEM
from bayessem.errors import FitError
from bayessem.report.page import page as report_page
from bayessem.text.arrangement import arranged, printed_width, text_width
from bayessem.text.described import Described
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
from bayessem.text.formats import (
    COUNT,
    ESTIMATE,
    INTERVAL,
    NUMBER,
    RAW,
    SHARE,
    SHORT,
    WORD,
)
from bayessem.text.frame import table_frame
from bayessem.text.glossary import abbreviations
from bayessem.text.html import STYLE
from bayessem.text.latex import document_latex, escaped, fragment_latex, page_latex
from bayessem.text.numbering import reference
from bayessem.text.word import document_word

NAMES = ["=cmd|'/C calc'!A1", "a_1 & b% -> {c}", "<tag> 满意度"]
TABLE = Table(
    (
        Column("", NAMES),
        Column("mean", [-1 / 3, 0.0004, math.nan], NUMBER),
        Column("95 % interval", [(-1.0, 2.0), (0.5, 1.5), (math.nan, math.nan)], INTERVAL),
        Column("raw", [(1234567.0, 10.0), (0.00012345, 1e-5), (2.5, 1.0)], RAW),
        Column("share", [0.25, 0.5, 1.0], SHARE),
        Column("est", [(0.5, 0.1, 0.9), (-0.5, -0.9, -0.1), (math.nan,) * 3], ESTIMATE),
        Column("verdict", ["yes", "", "no"], WORD),
        Column("P(>0)", [0.5, 0.25, 1.0], SHORT),
    ),
    "Effects_& [their]: intervals/limits?",
    "effects",
)


def figure():
    drawing, axes = plt.subplots(figsize=(2, 2))
    axes.plot([0, 1])
    return drawing


@dataclass(frozen=True, repr=False)
class Everything(Described):
    """Every kind of block, with names that mean something in the formats."""

    def document(self):
        return Document.of(
            Heading("Title #1 ~ $x^2$"),
            Paragraph(f"Path a_1 -> b is -0.5, see {reference('effects')} and {reference('f')}."),
            Paragraph("Careful.", warning=True),
            Heading("Part", 2),
            Lines(("[one] 100 %", "*two")),
            Items(("[first]", "second \\input{secret}")),
            Verbatim("y ~ x  # <model>\n\\end{verbatim}\\input{secret}"),
            TABLE,
            Notes(("The note of the table.",)),
            Figure(figure, "A figure", "f", "A line that goes up from 0 to 1."),
            Table((Column("", ["r"]), Column("n", [3], COUNT))),
        )


RESULT = Everything()


def test_one_number_is_the_same_in_every_medium(tmp_path):
    RESULT.to_word(tmp_path / "r.docx")
    cells = [c.text for c in docx.Document(tmp_path / "r.docx").tables[0].rows[1].cells]
    minus = "\N{MINUS SIGN}"
    wanted = [f"{minus}0.333", f"[{minus}1.000, 2.000]", "1.23e+06", "25%", "0.500 [0.100, 0.900]"]
    assert cells[1:6] == wanted
    for cell in wanted:
        assert f"<td>{cell}</td>" in RESULT.to_html()
        assert escaped(cell) in RESULT.to_latex()
        assert cell.replace(minus, "-") in str(RESULT)
    assert "see Table 1 and Figure 1." in str(RESULT)
    assert '<a href="#table-1">Table 1</a>' in RESULT.to_html()
    assert '<b id="table-1">Table 1</b>' in RESULT.to_html()


def test_latex_escapes_names_and_executes_nothing():
    text = fragment_latex(RESULT.document())
    assert r"a\_1 \& b\% $\rightarrow$ \{c\}" in text
    assert r"\textless{}tag\textgreater{} 满意度" in text
    assert r"Title \#1 \textasciitilde{} \$x\textasciicircum{}2\$" in text
    # text of a user's is never a command
    assert r"\input" not in text.replace(r"\textbackslash{}input", "")
    assert r"\end{verbatim}" not in text
    assert r"$-$0.333" in text and "-0.333" not in text
    assert r"\toprule" in text and r"\midrule" in text and r"\bottomrule" in text
    # what follows the end of a line is not taken for its argument
    assert not re.search(r"\\\\\s*\n\s*[\[*]", text)
    depth = 0
    for opened, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", text):
        depth += 1 if opened == "begin" else -1
        assert depth >= 0, name
    assert depth == 0


def test_long_words_may_break_where_a_line_could_end():
    assert escaped("management_capability:management") == (
        r"management\_\allowbreak{}capability:\allowbreak{}management"
    )
    assert escaped("x_1:x_2") == r"x\_1:x\_2"
    checksum = escaped("f3468d4c" * 8)
    assert checksum.replace(r"\allowbreak{}", "") == "f3468d4c" * 8
    assert max(map(len, checksum.split(r"\allowbreak{}"))) <= 40


def test_what_pdflatex_knows_is_not_declared_anew():
    text = escaped("“Größe” … ‘naïve’ – 5 €")
    assert text == r"``Größe'' \ldots{} `naïve' \textendash{} 5 \texteuro{}"
    assert "DeclareUnicodeCharacter" not in page_latex(text, title="é", subtitle="ł")
    assert escaped("Ελλάδα ς") == (
        r"$\mathrm{E}$$\lambda$$\lambda$$\acute{\alpha}$$\delta$$\alpha$ $\varsigma$"
    )
    cells = Table((Column("two\nlines", ["a\nb"]),), "T")
    assert "\\newline" not in document_latex(Document((cells,)))


def test_a_latex_page_numbers_links_and_declares_what_pdflatex_lacks():
    body = document_latex(RESULT.document(), pictures=lambda f, n: (f"p{n}.pdf", 3.2))
    page = page_latex(body, title="A & B", subtitle="100 % of it")
    assert r"\hyperref[table-1]{Table~\ref*{table-1}}" in page
    assert r"\label{table-1}" in page and r"\label{figure-1}" in page
    assert r"\includegraphics[width=0.500\linewidth]{p1.pdf}" in page
    assert r"\title{A \& B}" in page and r"\author{100 \% of it}" in page
    assert f"{{{ord('满'):04X}}}" in page
    assert page.startswith("% This text has characters such as") and "LuaLaTeX" in page[:120]
    assert page.index(r"\else") < page.index(r"\setmainfont{Noto Serif CJK SC}")
    assert page.count(r"\begin{longtable*}") == 2


def test_many_rows_break_between_pages_and_many_columns_stand_below():
    tall = Table((Column("", [f"x{k}" for k in range(40)]), Column("v", [0.5] * 40, NUMBER)), "T")
    assert r"\begin{longtable*}" in document_latex(Document((tall,)))
    wide = Table(
        (
            Column("", ["a row with a name"]),
            *(Column(f"column {k}", [(0.5, 0.1, 0.9)], ESTIMATE) for k in range(14)),
        ),
        "W",
    )
    text = document_latex(Document((wide,)))
    assert text.count(r"\begin{tabular}") == text.count("a row with a name") == 3
    tables = docx.Document(io.BytesIO(document_word(Document((wide,))))).tables
    titles = [c.text for t in tables for c in t.rows[0].cells]
    assert len(tables) > 1 and [t for t in titles if t] == [f"column {k}" for k in range(14)]


def test_texts_break_their_lines_before_numbers_stand_below():
    table = Table((Column("", ["word " * 60]), Column("v", [0.123], NUMBER)), "T")
    plan = arranged(table, 100)
    assert plan.parts == [[0, 1]]
    assert plan.broken == [True, False]
    assert plan.characters <= 100
    assert text_width("满意度 x") == 8
    assert printed_width("12345") == 5 < printed_width("AMCDE") < 10


def test_heads_of_numbers_break_between_words_before_columns_stand_below():
    long = "A group with a name of many words"
    columns = (
        Column("", [f"construct =~ item{k}" for k in range(3)]),
        *(Column(f"{long} {k}", [0.5, 0.6, 0.7], NUMBER) for k in range(7)),
    )
    plan = arranged(Table(columns, "T"), 128)
    assert plan.parts == [list(range(8))] and plan.characters <= 128
    assert not plan.broken[0]  # names of rows stay whole
    text = document_latex(Document((Table(columns, "T"),)))
    assert text.count(r"\raggedleft\arraybackslash") == sum(plan.broken) == 7


def test_short_tables_of_word_stay_whole():
    def kept(rows):
        table = Table(
            (Column("", [f"x{k}" for k in range(rows)]), Column("v", [0.5] * rows, NUMBER))
        )
        (made,) = docx.Document(io.BytesIO(document_word(Document((table,))))).tables
        return [
            cell.paragraphs[0].paragraph_format.keep_with_next for cell in made.columns[0].cells
        ]

    assert kept(3) == [True, True, True, None]
    assert kept(30) == [True, *[None] * 30]


def test_word_has_real_tables_captions_and_references(tmp_path):
    path = RESULT.to_word(tmp_path / "r.docx")
    file = docx.Document(path)
    assert len(file.tables) == 2
    texts = [p.text for p in file.paragraphs]
    at = texts.index("Table 1")
    assert texts[at + 1] == TABLE.title
    assert file.paragraphs[at].runs[0].bold and file.paragraphs[at + 1].runs[0].italic
    assert "Note. mean = posterior mean" in " ".join(texts)
    assert "The note of the table." in " ".join(texts)
    # a table without a title has that of its heading
    assert texts[texts.index("Table 2") + 1] == "Part"
    xml = file.element.xml
    assert re.findall(r"SEQ (\w+)", xml) == ["Table", "Figure", "Table"]
    marks = set(re.findall(r'bookmarkStart w:id="\d+" w:name="(\w+)"', xml))
    assert (
        set(re.findall(r" REF (\w+) ", xml)) == {"bayessem_table_1", "bayessem_figure_1"} <= marks
    )
    assert 'descr="A line that goes up from 0 to 1."' in xml
    assert file.tables[0].rows[0]._tr.xpath("./w:trPr/w:tblHeader")
    top, bottom = (
        file.tables[0].rows[0]._tr.xpath(f".//w:tcBorders/w:{s}") for s in ("top", "bottom")
    )
    assert len(top) == len(bottom) == len(TABLE.columns)
    assert not file.tables[0].rows[1]._tr.xpath(".//w:tcBorders")
    assert file.core_properties.author == ""


def test_excel_cells_hold_numbers_and_no_text_is_a_formula(tmp_path):
    path = RESULT.to_excel(tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    assert sheet.title == "Effects_& their intervals limit"
    rows = {r[0].value: r for r in sheet.iter_rows(min_row=3)}
    head = [c.value for c in rows[None]]
    assert head[:4] == [None, "mean", "95 % interval, lower", "95 % interval, upper"]
    first = rows[NAMES[0]]
    assert first[0].data_type == "s" and first[0].quotePrefix
    assert first[1].value == pytest.approx(-1 / 3, abs=1e-15)
    assert [c.number_format for c in first[1:6]] == ["0.000", "0.000", "0.000", "0.00E+00", "0%"]
    assert [c.value for c in first[6:9]] == [0.5, 0.1, 0.9]
    assert first[9].value == "yes"
    assert rows[NAMES[2]][1].value is None
    with zipfile.ZipFile(path) as archive:
        everything = "".join(archive.read(n).decode() for n in archive.namelist() if "sheet" in n)
    assert "<f>" not in everything and "<f " not in everything
    assert sheet.cell(7, 1).value.startswith("Note. mean = posterior mean")
    assert [s.title for s in book.worksheets[1:]] == ["Part", "Text"]


def test_sheets_of_one_title_have_names_of_their_own(tmp_path):
    long = "Standardised loadings of all the constructs"
    table = Table((Column("", ["r"]), Column("n", [3], COUNT)), long)

    class Twice(Described):
        def document(self):
            return Document((table, table, Table(table.columns, long.upper())))

    book = openpyxl.load_workbook(Twice().to_excel(tmp_path / "t.xlsx"))
    names = [s.title for s in book.worksheets]
    assert len({n.casefold() for n in names}) == 3
    assert max(map(len, names)) <= 31


def test_frames_have_unrounded_numbers():
    frame = table_frame(TABLE)
    assert frame["mean"][0] == -1 / 3
    assert list(frame["95 % interval, upper"][:2]) == [2.0, 1.5]
    assert frame["raw"].tolist() == [1234567.0, 0.00012345, 2.5]
    assert frame["name"].tolist() == NAMES
    assert frame["verdict"].tolist() == ["yes", "", "no"]
    assert RESULT.to_frame().equals(frame)

    class Words(Described):
        def document(self):
            return Document((Lines(("one", "two")),))

    assert Words().to_frame()["text"].tolist() == ["one", "two"]


def test_a_results_own_table_is_its_frame_and_a_copy():
    @dataclass(frozen=True, repr=False)
    class Own(Everything):
        table: pd.DataFrame

    own = Own(pd.DataFrame({"a": [1.0]}))
    frame = own.to_frame()
    frame["a"] = 2.0
    assert own.to_frame()["a"].tolist() == [1.0]


def test_abbreviations_are_explained_where_they_are_of_draws():
    assert abbreviations([TABLE]) == (
        "mean = posterior mean; P(>0) = posterior probability that the value is above 0; 95 % "
        "interval = equal-tailed 95 % credible interval."
    )
    of_data = Table((Column("", ["x"]), Column("mean", [1.0], NUMBER), Column("sd", [1.0], NUMBER)))
    assert abbreviations([of_data]) == ""


def test_notebooks_have_the_style_of_pages_and_numbers_only_where_texts_name_them(tmp_path):
    class Alone(Described):
        def document(self):
            return Document((TABLE,))

    shown, page = Alone()._repr_html_(), Alone().to_html(tmp_path / "alone.html")
    assert "<h1>Alone</h1>" in page
    assert STYLE in shown and STYLE in page and STYLE in report_page("t", "s", Alone().document())
    assert "Table 1" not in shown and "<i>Effects_&amp;" in shown
    assert "Table 1" in RESULT._repr_html_()


def test_html_files_are_whole_pages(tmp_path):
    page = RESULT.to_html(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == page
    assert page.startswith("<!DOCTYPE html>") and '<th scope="row" class="text">' in page
    assert 'alt="A line that goes up from 0 to 1."' in page
    assert "&lt;tag&gt; 满意度" in page
    fragment = RESULT.to_html()
    assert fragment.startswith('<div class="bayessem">') and "<html" not in fragment


METHODS = {"to_html": "html", "to_latex": "tex", "to_word": "docx", "to_excel": "xlsx"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["r.pdf", "r", "file/r.{}", "folder.{}"])
def test_a_file_that_cannot_be_written_is_one_error(tmp_path, method, name):
    suffix = METHODS[method]
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / f"folder.{suffix}").mkdir()
    with pytest.raises(FitError, match="the result (is written as|cannot be written to)"):
        getattr(RESULT, method)(tmp_path / name.format(suffix))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", f"folder.{suffix}"]


@pytest.mark.parametrize(
    ("method", "package", "extra"),
    [("to_word", "docx", "word"), ("to_excel", "openpyxl", "files")],
)
def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch, method, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FitError, match=rf"not installed: pip install 'bayessem\[{extra}\]'"):
        getattr(RESULT, method)(tmp_path / "r")


def test_results_of_a_fit_have_all_of_them(hs_fit, tmp_path):
    for result in (
        hs_fit,
        hs_fit.measurement(),
        hs_fit.residuals(),
        hs_fit.diagnosis,
        hs_fit.loo(),
    ):
        assert len(result.to_frame())
        assert r"\begin" in result.to_latex() or result is hs_fit.diagnosis
        result.to_word(tmp_path / "r.docx")
        result.to_excel(tmp_path / "r.xlsx")
        assert "</div>" in result.to_html()
    assert hs_fit.to_frame().equals(hs_fit.summary())
    found = SEM("f =~ x1 + x2").check(abilities()).to_frame()
    assert list(found) == ["serious", "topic", "message", "remedy", "warning"]
    assert found["remedy"].str.len().min() > 10
    assert (hs_fit.diagram().plot()).axes
    book = openpyxl.load_workbook(hs_fit.to_excel(tmp_path / "fit.xlsx"))
    cells = {r[0].value: r for r in book["Loadings"].iter_rows()}
    row = hs_fit.summary().set_index(["lhs", "op", "rhs"]).loc[("visual", "=~", "x2")]
    assert cells["visual =~ x2"][1].value == pytest.approx(row["mean"], rel=1e-12)
