"""The report: HTML, Word and LaTeX, complete, nothing fetched, and true to the fit."""

import base64
import dataclasses
import html
import re
import sys
import unicodedata
from html.parser import HTMLParser
from itertools import pairwise

import docx
import numpy as np
import pandas as pd
import pytest
from example_models import abilities

from bayessem import SEM
from bayessem.errors import FitError, ModelError
from bayessem.report import contents as contents_module
from bayessem.report import write
from bayessem.report.contents import Contents, gather
from bayessem.report.references import REFERENCES, bibtex
from bayessem.report.sections import report_document, reproduce
from bayessem.results.versions import installed_versions
from bayessem.text.document import Column, Heading, Table
from bayessem.text.formats import NUMBER
from bayessem.text.html import block_html
from bayessem.text.terminal import document_text


class Balanced(HTMLParser):
    """Every opened tag is closed; what the page would fetch is collected."""

    alone = frozenset({"meta", "img", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.links, self.names, self.images = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.alone:
            self.open.append(tag)
        self.sources += [v for k, v in attrs if k == "src"]
        self.links += [v for k, v in attrs if k == "href"]
        self.names += [v for k, v in attrs if k == "id"]
        self.images += [dict(attrs)] if tag == "img" else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


HYPOTHESES = {
    "H1": "dem60 ~ ind60 > 0",
    "H2": "ind60 -> dem60 -> dem65 > 0",
    "H3": "dem65 ~ ind60 > dem65 ~ dem60",
}


@pytest.fixture(scope="module")
def page(pd_fit, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "democracy.html"
    assert pd_fit.report(path, title="Democracy <& growth>", hypotheses=HYPOTHESES) == path
    return path.read_text(encoding="utf-8")


def test_the_page_is_whole_and_fetches_nothing(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert all(s.startswith(("data:image/svg+xml;base64,", "data:image/png;base64,"))
               for s in parser.sources)  # fmt: skip
    assert len(parser.sources) >= 4
    assert "Democracy &lt;&amp; growth&gt;" in page
    outside = [x for x in parser.links if not x.startswith(("#", "https://doi.org/"))]
    (bib,) = outside
    entries = base64.b64decode(bib.partition("base64,")[2]).decode("utf-8")
    assert entries.count("@article{") == page.count("https://doi.org/") / 2
    assert "url(" not in page and "@import" not in page and "<script" not in page


def test_links_and_names_of_the_page_fit_together(page):
    parser = Balanced()
    parser.feed(page)
    assert len(parser.names) == len(set(parser.names))
    inside = {x[1:] for x in parser.links if x.startswith("#")}
    assert inside <= set(parser.names)
    assert {"report", "table-1", "figure-1"} <= set(parser.names)
    assert len(inside) >= 16


def test_those_who_cannot_see_are_told(page):
    parser = Balanced()
    parser.feed(page)
    assert all(len(image["alt"]) > 20 for image in parser.images)
    assert "dem60 ~ ind60 0.43; dem65 ~ ind60 0.18; dem65 ~ dem60 0.88." in page
    assert page.count('<div class="scroll" tabindex="0" role="region" aria-label="Table') == (
        page.count("<table>")
    )
    assert "<th></th>" not in page and '<th scope="col"></th>' not in page
    levels = [int(n) for n in re.findall(r"<h(\d)", page)]
    assert levels[0] == 1 and max(b - a for a, b in pairwise(levels)) == 1
    assert '<html lang="en">' in page and "<main" in page and "<nav" in page


def test_light_dark_phone_and_print_have_their_styles(page):
    for query in ("prefers-color-scheme: dark", "max-width: 40rem", "@media print"):
        assert query in page


def test_every_section_is_there_answers_first(page):
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert titles == [
        "Answers",
        "Text for a paper",
        "Mediation",
        "Measurement",
        "Fit of the model",
        "Prediction",
        "Model and data",
        "Estimates",
        "Priors",
        "Computation",
        "Sensitivity to the prior",
        "Checklists",
        "References",
        "Reproduce this",
    ]
    assert "Not available" not in page


def test_hypotheses_come_first_with_their_verdicts(page, pd_fit):
    found = pd_fit.hypotheses(HYPOTHESES)
    first = page.split("<h2")[1]
    for row in found.table.to_dict("records"):
        name = row["hypothesis"].replace("->", "\N{RIGHTWARDS ARROW}").replace(">", "&gt;")
        assert f"{row['name']} ({name}) is {row['verdict']}" in first
    assert f"<td>{found.table['probability'][2]:.3f}</td>" in first
    assert first.index("table-1") < first.index("figure-1")


def test_verdicts_on_measurement_and_fit_are_among_the_answers(page, pd_fit):
    first = html.unescape(page.split("<h2")[1])
    quality, fit = pd_fit.measurement(), pd_fit.indices()
    sure = [
        int((quality.reliability.query("measure == @m")["p_pass"] >= 0.95).sum())
        for m in ("omega", "ave")
    ]
    assert (
        f"composite reliability is above .70 in {sure[0]} of 3 and AVE is above .50 in {sure[1]} "
        "of 3; 0 of 11 standardised loadings are below .50; correlations of constructs whose "
        "interval reaches .80: dem60 and dem65 ("
    ) in first
    assert f"posterior predictive p = {fit.ppp:.3f}".replace("= 0.", "= .") in first
    large = int(pd_fit.residuals().table["large"].sum())
    assert f"Residual correlations: {large} of 55 are larger than .10" in first
    elpd = pd_fit.loo().elpd
    assert elpd == pytest.approx(-1591.0, abs=2.0)
    assert f"elpd {elpd:.1f}".replace("-", "\N{MINUS SIGN}") in first


def test_the_text_for_a_paper_has_the_numbers_of_the_fit(page, pd_fit):
    text = html.unescape(page.split("Text for a paper</h2>")[1].split("<h2")[0])
    row = pd_fit.summary().set_index(["lhs", "op", "rhs"]).loc[("dem65", "~", "ind60")]
    assert (
        f"ind60 was positively related to dem65 (β = {row['std']:.2f}, 95 % CrI "
        f"[{row['std_lower']:.2f}, {row['std_upper']:.2f}], P(β > 0) = "
        f"{row['p_positive']:.3f})".replace("= 0.9", "= .9")
    ) in text
    assert "75 respondents" in text and "4 chains of 1000 draws" in text
    omega = pd_fit.measurement().reliability.query("measure == 'omega'")["mean"]
    low, high = (f"{v:.2f}".removeprefix("0") for v in (omega.min(), omega.max()))
    assert f"Composite reliability was {low} to {high}" in text
    assert "(Fornell & Larcker, 1981)" in text
    assert "H1 (dem60 ~ ind60 > 0) was supported (P > .999)." in text
    assert "A hypothesis counts as supported when its posterior probability is at least .95" in text
    assert '<a href="#table-' in page.split("Text for a paper</h2>")[1].split("<h2")[0]


def test_every_citation_is_in_the_list_of_references(page):
    text, listed = (html.unescape(page.split(f"{t}</h2>")[1].split("<h2")[0])
                    for t in ("Text for a paper", "References"))  # fmt: skip
    cited = re.findall(r"([A-Z][\w-]+)(?: et al\.| & [A-Z][\w-]+)?, ((?:19|20)\d\d)", text)
    assert len(cited) >= 5
    for family, year in cited:
        assert re.search(rf"{family}, .*\({year}\)", listed), (family, year)


def test_references_are_in_the_order_of_a_list_of_references():
    plain = [
        (
            unicodedata.normalize("NFD", "; ".join(r.authors)).encode("ascii", "ignore").lower(),
            r.year,
        )
        for r in REFERENCES.values()
    ]
    assert plain == sorted(plain)


def test_numbers_are_those_of_the_fit(page, pd_fit):
    summary = pd_fit.summary()
    for _, row in summary[summary["op"] == "~"].iterrows():
        assert f"<td>{row['mean']:.3f}</td>" in page
        assert f"<td>{row['std']:.2f}</td>" in page.split("<h2")[1]
    assert pd_fit.prepared.sample.hash in page
    assert f"{pd_fit.loo().elpd:.1f}".replace("-", "\N{MINUS SIGN}") in page
    assert "seed 1" in page


def test_checklists_have_all_their_points(page):
    wambs, barg = (page.split(f"<i>{t}")[1] for t in ("WAMBS: when", "BARG: Bayesian"))
    wambs = wambs.split("</table>")[0]
    assert len(re.findall(r'<tr><th scope="row"', wambs)) == 10
    assert len(re.findall(r'<tr><th scope="row"', barg.split("</table>")[0])) == 6


def test_what_cannot_be_computed_is_said(monkeypatch, hs_fit):
    from bayessem.errors import NotSupported

    def refuse(fit):
        raise NotSupported("no cross-validation today")

    monkeypatch.setattr(contents_module, "loo", refuse)
    found = gather(hs_fit)
    assert found.loo is None
    text = document_text(report_document(found))
    assert "Not available: no cross-validation today." in text


@pytest.mark.parametrize(
    "name", ["r.pdf", "r", "file/r.html", "file/r.docx", "file/r.tex", "folder.html"]
)
def test_a_place_that_cannot_be_written_is_found_before_anything_is_computed(
    monkeypatch, hs_fit, tmp_path, name
):
    def computed(*_, **__):
        raise AssertionError("computed")

    monkeypatch.setattr(write, "gather", computed)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(FitError, match="the report (is written as|cannot be written to)"):
        hs_fit.report(tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.html"]


def test_a_programming_error_is_not_hidden(monkeypatch, hs_fit):
    def broken(fit):
        raise ZeroDivisionError

    monkeypatch.setattr(contents_module, "loo", broken)
    with pytest.raises(ZeroDivisionError):
        contents_module.gather(hs_fit)


def test_groups_and_missing_values_are_reported(tmp_path, capsys):
    data = abilities()
    data.loc[data.index[:30], "x1"] = np.nan
    fit = SEM("visual =~ x1 + x2 + x3", group_equal="loadings").fit(
        data, group="school", draws=250, tune=300, chains=2, random_seed=1, progress=False
    )
    capsys.readouterr()
    page = fit.report(tmp_path / "groups.html").read_text(encoding="utf-8")
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "bayessem: report: measurement ..."
    assert "bayessem: report: loo ..." in told
    assert told[-1] == "bayessem: report: figures and tables ..."
    fit.report(tmp_path / "quiet.html", progress=False)
    assert capsys.readouterr().err == ""
    assert "Groups: Pasteur 156, Grant-White 145." in page
    assert "3.3 % of the values are missing" in page
    assert '<th scope="col" class="text">group</th>' in page
    assert "Composite reliability (omega) with 95 % intervals, by group" in page


def test_the_versions_are_those_that_sampled_the_fit(hs_fit):
    here = installed_versions()
    contents = Contents(**dict.fromkeys(f.name for f in dataclasses.fields(Contents)))

    def said(fit):
        return "\n".join(list(reproduce(dataclasses.replace(contents, fit=fit)))[-1].texts)

    assert f"Versions: python {here['python']}" in said(hs_fit)
    older = dataclasses.replace(hs_fit, versions={**here, "numpy": "1.0", "pymc": "5.0"})
    text = said(older)
    assert f"sampled the fit: python {here['python']}, " in text
    assert "numpy 1.0" in text and "pymc 5.0" in text
    others = f"numpy {here['numpy']}, pymc {here['pymc']}"
    assert text.endswith(f"where they differ: {others}")


def test_tables_escape_and_leave_nan_empty():
    table = Table((Column("a<b", ["x&y", ""]), Column("value", [-1.5, np.nan], NUMBER)))
    html = block_html(table)
    assert "a&lt;b" in html
    assert "x&amp;y" in html
    assert "<td>\N{MINUS SIGN}1.500</td>" in html
    assert "<td></td>" in html
    assert "nan" not in html


def test_a_response_surface_has_its_place():
    rng = np.random.default_rng(2)
    x, z = rng.normal(size=(2, 120))
    data = pd.DataFrame({"x": x, "z": z, "y": -((x - z) ** 2) + x + rng.normal(size=120)})
    fit = SEM("y ~ x + z + x:x + x:z + z:z").fit(
        data, draws=100, tune=150, chains=2, random_seed=1, progress=False
    )
    contents = gather(fit)
    (surface,) = contents.surfaces
    assert (surface.x, surface.z, surface.y) == ("x", "z", "y")
    titles = [b.text for b in report_document(contents).blocks if isinstance(b, Heading)]
    assert "Shape of the curved relations" in titles
    assert "Response surface of y over x and z (direct effect)" in titles


@pytest.fixture(scope="module")
def word(pd_fit, tmp_path_factory):
    path = tmp_path_factory.mktemp("word") / "democracy.docx"
    pd_fit.report(path, title="Democracy & growth", hypotheses=HYPOTHESES, progress=False)
    return docx.Document(path)


def test_word_has_real_tables_figures_and_references(word, page):
    texts = [p.text for p in word.paragraphs]
    assert texts[0] == "Democracy & growth"
    titles = [p.text for p in word.paragraphs if p.style.name == "Heading 1"]
    assert titles == re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert len(word.tables) >= page.count("<table>")
    assert len(word.inline_shapes) == page.count("<img")
    cells = [[c.text for c in row.cells] for row in word.tables[0].rows]
    assert cells[0] == ["", "hypothesis", "estimate", "95 % interval", "probability", "verdict"]
    assert cells[2][0] == "H2" and cells[2][-1] == "supported"
    xml = word.element.xml
    captions = re.findall(r'bookmarkStart [^>]*w:name="(\w+)"', xml)
    assert len(captions) == len(set(captions)) == page.count("<b id=")
    pointed = re.findall(r" REF (\w+) ", xml)
    assert pointed and set(pointed) <= set(captions)
    assert 'TOC \\o "1-2"' in xml
    width = word.sections[0].page_width - 2 * word.sections[0].left_margin
    assert all(shape.width <= width for shape in word.inline_shapes)
    for table in word.tables:
        assert sum(int(w) for w in table._tbl.xpath("./w:tblGrid/w:gridCol/@w:w")) <= 9900


def test_latex_stands_with_its_figures_and_references(pd_fit, tmp_path, page):
    path = pd_fit.report(tmp_path / "democracy.tex", hypotheses=HYPOTHESES, progress=False)
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"\\includegraphics\[[^]]*\]\{([^}]*)\}", text)
    assert len(named) == page.count("<img")
    for name in named:
        assert (tmp_path / name).read_bytes().startswith(b"%PDF")
    bib = (tmp_path / "democracy.bib").read_text(encoding="utf-8")
    assert bib.count("@article{") == page.count("https://doi.org/") / 2
    assert r"\captionof{table}{Hypotheses and their posterior probabilities}" in text
    labels = re.findall(r"\\label\{([^}]*)\}", text)
    assert len(labels) == len(set(labels))
    assert set(re.findall(r"\\ref\*\{([^}]*)\}", text)) <= set(labels)


def test_a_wrong_hypothesis_or_a_missing_package_is_found_before_work(
    pd_fit, tmp_path, monkeypatch
):
    def computed(*_, **__):
        raise AssertionError("computed")

    monkeypatch.setattr(write, "gather", computed)
    with pytest.raises(ModelError, match="Did you mean 'dem60 ~ ind60'"):
        pd_fit.report(tmp_path / "r.html", hypotheses={"H1": "dem60 ~ ind6 > 0"})
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(FitError, match=r"pip install 'bayessem\[word\]'"):
        pd_fit.report(tmp_path / "r.docx")
    assert not list(tmp_path.iterdir())


def test_bibtex_has_no_characters_that_old_programs_misread():
    text = bibtex(REFERENCES)
    assert text.count("@article{") == len(REFERENCES)
    assert text.isascii()
    assert len({r.doi for r in REFERENCES.values()}) == len(REFERENCES)


def test_groups_are_side_by_side_and_differences_come_first(tmp_path):
    model = """
    visual =~ x1 + x2 + x3
    textual =~ x4 + x5 + x6
    speed =~ x7 + x8 + x9
    textual ~ visual
    speed ~ textual + visual
    """
    fit = SEM(model, group_equal="loadings").fit(
        abilities(), group="school", draws=150, tune=300, chains=2, random_seed=1, progress=False
    )
    document = report_document(gather(fit, hypotheses=fit.hypotheses("textual ~ visual > 0")))
    blocks = document.blocks
    tables = [b.title for b in blocks if isinstance(b, Table)]
    assert tables[0].startswith("Hypotheses")
    assert tables[1] == "Differences of paths between groups, unstandardised"
    assert tables[2] == "Standardised paths with 95 % intervals, groups side by side"
    by = {b.title: b for b in blocks if isinstance(b, Table)}
    assert [c.title for c in by[tables[2]].columns] == ["", "Pasteur", "Grant-White"]
    summary = fit.summary().set_index(["lhs", "op", "rhs", "group"])
    shown = by[tables[2]].columns[2].cells[0]
    row = summary.loc[("textual", "~", "visual", "Grant-White")]
    assert shown == (row["std"], row["std_lower"], row["std_upper"])
    draws = [fit.parameters.values[..., list(fit.prepared.table.parameters).index(p)]
             for p in fit.prepared.table.parameters if p.startswith("textual~visual")]  # fmt: skip
    difference = by[tables[1]]
    at = difference.columns[0].cells.index("textual ~ visual")
    assert difference.columns[2].cells[at] == pytest.approx((draws[0] - draws[1]).mean())
    effects = next(t for t in tables if t.startswith("Standardised effects of visual on speed"))
    assert by[effects].columns[0].cells == ["Pasteur", "Grant-White"]
    text = document_text(document)
    assert "in all 2 groups" in text or "in Pasteur" in text
    assert "The standardised path from visual to textual ranged across groups" in text
