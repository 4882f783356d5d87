"""A stranger's way: from an SPSS file to a report in Word, in ten lines and in two commands."""

import re

import docx
import pyreadstat
import pytest
from example_models import abilities

import bayessem as bs
from bayessem.cli import main

MODEL = """
visual =~ x1 + x2 + x3
textual =~ x4 + x5 + x6
speed =~ x7 + x8 + x9
textual ~ visual
speed ~ textual + visual
"""
QUICK = {"draws": 200, "tune": 300, "chains": 2, "random_seed": 1, "progress": False}
LABELS = {"x1": "Visual perception", "x2": "Cubes", "x4": "Paragraph comprehension"}


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """A survey as SPSS saves it: labels, and 99 declared a missing answer."""
    data = abilities()
    data.loc[data.index[:12], "x3"] = 99.0
    path = tmp_path_factory.mktemp("spss") / "survey.sav"
    pyreadstat.write_sav(
        data, path, column_labels=[LABELS.get(c, c) for c in data], missing_ranges={"x3": [99]}
    )
    return path


def test_ten_lines_from_a_sav_file_to_word(survey, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = bs.read_data(survey)
    sem = bs.SEM(MODEL)
    sem.check(data)
    fit = sem.fit(data, **QUICK)
    fit.to_word("estimates.docx")
    fit.measurement().to_excel("measurement.xlsx")
    fit.mediation("visual", "speed").to_latex("mediation.tex")
    hypotheses = {"H1": "textual ~ visual > 0", "H2": "visual -> textual -> speed > 0"}
    fit.hypotheses(hypotheses).to_word("hypotheses.docx")
    path = fit.report("report.docx", hypotheses=hypotheses, progress=False)

    file = docx.Document(path)
    text = "\n".join(p.text for p in file.paragraphs)
    assert "H1 (textual ~ visual > 0) is supported" in text
    assert "from the answers of 301 respondents" in text
    assert re.search(r"0\.4 % of the values were missing", text)
    row = fit.summary().set_index(["lhs", "op", "rhs"]).loc[("textual", "~", "visual")]
    assert f"textual (β = {row['std']:.2f}, 95 % CrI [" in text
    cells = [c.text for t in file.tables for c in t._cells]
    assert "Visual perception" in cells and "Paragraph comprehension" in cells
    assert len(file.inline_shapes) >= 4
    names = [
        "estimates.docx",
        "hypotheses.docx",
        "measurement.xlsx",
        "mediation.tex",
        "report.docx",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_two_commands_from_a_sav_file_to_a_report(survey, tmp_path, capsys):
    (tmp_path / "model.txt").write_text(MODEL, encoding="utf-8")
    run = str(tmp_path / "run")
    draws = ["--draws", "200", "--tune", "300", "--chains", "2", "--seed", "1"]
    assert main(["fit", str(tmp_path / "model.txt"), str(survey), "--out", run, *draws]) == 0
    out = tmp_path / "report.html"
    claims = ["--hypothesis", "H1: textual ~ visual > 0", "--hypothesis", "speed ~ visual < 0"]
    assert main(["report", run, str(out), "--title", "Abilities", *claims]) == 0
    assert f"saved in {out}" in capsys.readouterr().out
    page = out.read_text(encoding="utf-8")
    assert "<h1>Abilities</h1>" in page
    assert "H1 (textual ~ visual &gt; 0) is supported" in page
    assert "H2 (speed ~ visual &lt; 0) is contradicted" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("r.pdf",), "written as .html or .htm or .docx or .tex and nothing else"),
        (("r.html", "--hypothesis", "H1: speed ~ visul > 0"), "Did you mean 'speed ~ visual'"),
        (("r.html", "--hypothesis", "H1: speed ~ visual"), "neither < nor >"),
    ],
)
def test_what_no_report_can_be_is_one_line(survey, tmp_path, capsys, arguments, message):
    fit = bs.SEM(MODEL).fit(bs.read_data(survey), **QUICK | {"draws": 20, "tune": 100})
    run = fit.save(tmp_path / "run")
    out, *more = arguments
    capsys.readouterr()
    assert main(["report", str(run), str(tmp_path / out), *more]) == 2
    told = capsys.readouterr().err
    assert message in told and len(told.splitlines()) == 1
    assert not (tmp_path / out).exists()
