"""The report: one file, complete, nothing fetched, and true to the fit."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from example_models import abilities

from bayessem import SEM
from bayessem.errors import FitError
from bayessem.report import contents as contents_module
from bayessem.report import write
from bayessem.report.contents import Contents, gather
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
        self.open, self.sources = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.alone:
            self.open.append(tag)
        self.sources += [v for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(pd_fit, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "democracy.html"
    assert pd_fit.report(path, title="Democracy <& growth>") == path
    return path.read_text(encoding="utf-8")


def test_the_page_is_whole_and_fetches_nothing(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert all(s.startswith(("#", "data:image/png;base64,")) for s in parser.sources)
    assert sum(s.startswith("data:") for s in parser.sources) >= 4
    assert "Democracy &lt;&amp; growth&gt;" in page


def test_every_section_is_there(page):
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert titles == [
        "What the model says",
        "Model and data",
        "Priors",
        "Computation",
        "Estimates",
        "Measurement",
        "Mediation",
        "Fit of the model",
        "Prediction",
        "Sensitivity to the prior",
        "Checklists",
        "Reproduce this",
    ]
    assert "Not available" not in page


def test_numbers_are_those_of_the_fit(page, pd_fit):
    summary = pd_fit.summary()
    for _, row in summary[summary["op"] == "~"].iterrows():
        assert f"<td>{row['mean']:.3f}</td>" in page
        assert f"{row['lhs']} on {row['rhs']}: standardised {row['std']:.2f}" in page
    assert pd_fit.prepared.sample.hash in page
    assert f"{pd_fit.loo().elpd:.1f}".replace("-", "\N{MINUS SIGN}") in page
    assert "seed 1" in page


def test_checklists_have_all_their_points(page):
    wambs, barg = page.split("WAMBS: when")[1].split("BARG: Bayesian")
    assert len(re.findall(r"<tr><td", wambs)) == 10
    assert len(re.findall(r"<tr><td", barg)) == 6


def test_what_cannot_be_computed_is_said(monkeypatch, hs_fit):
    from bayessem.errors import NotSupported

    def refuse(fit):
        raise NotSupported("no cross-validation today")

    monkeypatch.setattr(contents_module, "loo", refuse)
    found = gather(hs_fit)
    assert found.loo is None
    text = document_text(report_document(found))
    assert "Not available: no cross-validation today." in text


@pytest.mark.parametrize("name", ["r.docx", "r", "file/r.html", "folder.html"])
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
    assert '<th class="text">group</th>' in page


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
