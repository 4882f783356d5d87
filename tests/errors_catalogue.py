"""The catalogue of errors, docs/errors.md: every case of `error_cases.py` with its message.

`python tests/errors_catalogue.py` writes the page; `test_errors_catalogue.py` compares it.
"""

import contextlib
import io
import json
import os
import shlex
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pandas as pd
from error_cases import SECTIONS, Case
from example_models import ABILITIES, DATA

import bayessem as bs
from bayessem.cli import main as command
from bayessem.errors import BayessemError

PAGE = DATA.parent / "docs" / "errors.md"
LEVELS = "level: 1\ny ~ x\nlevel: 2\ny ~~ y"
SIMPLE = "y ~ x"
TRUTH = {"y~x": 0.3, "y~~y": 1.0, "y~1": 0.0, "x~~x": 1.0, "x~1": 0.0}
PRELUDE = '''import bayessem as bs, numpy as np, pandas as pd

data = bs.read_data("survey.csv")    # 301 pupils: x1 to x9, school, grade, ageyr
answers                              # 300 respondents: q1 to q5 from 1 to 5, y, g (six groups)
teams                                # 200 people in 40 teams: x, z, y, team; w of the team
MODEL = """
visual =~ x1 + x2 + x3
textual =~ x4 + x5 + x6
speed =~ x7 + x8 + x9
"""
LEVELS = "level: 1\\ny ~ x\\nlevel: 2\\ny ~~ y"
fit = bs.SEM(MODEL + "speed ~ textual\\ntextual ~ visual").fit(data)    # saved in "run"
other                                # the same model, fitted to half of the pupils
SIMPLE = bs.SEM("y ~ x")
TRUTH = {"y~x": 0.3, "y~~y": 1.0, "y~1": 0.0, "x~~x": 1.0, "x~1": 0.0}'''


class Reached(BaseException):
    """The first draw would follow: everything before it went well."""


class Outcome(NamedTuple):
    """What became of some lines: the error and its text, or the exit code and standard error."""

    kind: str
    said: str


@contextlib.contextmanager
def no_sampling() -> Iterator[None]:
    """Whatever would draw, climb to a maximum for it, or start tasks, raises `Reached`."""

    def reached(*_: Any, **__: Any) -> Any:
        raise Reached

    with (
        patch("bayessem.results.estimate._begun", reached),
        patch("bayessem.results.estimate.sample", reached),
    ):
        yield


def answers() -> pd.DataFrame:
    """Answers from 1 to 5 to five items of one construct, an outcome, six groups."""
    rng = np.random.default_rng(3)
    f = rng.normal(size=300)
    out = pd.DataFrame(
        {
            f"q{k}": np.clip(np.round(3 + 0.8 * f + 0.7 * rng.normal(size=300)), 1, 5).astype(int)
            for k in range(1, 6)
        }
    )
    return out.assign(y=0.5 * f + rng.normal(size=300), g=[f"g{k % 6}" for k in range(300)])


def teams() -> pd.DataFrame:
    """People in teams: x, z and y differ between and within them, w between them."""
    rng = np.random.default_rng(4)
    team = np.repeat(np.arange(40), 5)
    of_team, w = rng.normal(size=40), rng.normal(size=40)
    x, z = rng.normal(size=(2, 200))
    y = 0.5 * x + of_team[team] + rng.normal(size=200)
    return pd.DataFrame({"x": x, "z": z, "y": y, "w": w[team], "team": team, "g": team % 2})


def fits() -> dict[str, bs.Fit]:
    """The fits that are asked, short."""
    quick = {"draws": 100, "tune": 150, "chains": 1, "random_seed": 1, "progress": False}
    data = pd.read_csv(DATA / "holzinger_swineford_1939.csv")
    sem = bs.SEM(ABILITIES + "speed ~ textual\ntextual ~ visual")
    return {"fit": sem.fit(data, **quick), "other": sem.fit(data[::2], **quick)}


def write_files(folder: Path, fit: bs.Fit) -> None:
    """The files that the cases name."""
    survey = (DATA / "holzinger_swineford_1939.csv").read_text(encoding="utf-8")
    header, first, *rest = survey.splitlines()
    labels = ",".join(f"question {k}" for k in range(header.count(",") + 1))
    texts = {
        "survey.csv": survey,
        "empty.csv": "",
        "header.csv": header + "\n",
        "ragged.csv": "\n".join([header, first + ",9", *rest]) + "\n",
        "twice.csv": "x1,x2,x1\n1,2,3\n3,4,5\n",
        "labelled.csv": "\n".join([header, labels, first, *rest]) + "\n",
        "model.txt": ABILITIES,
        "one-item.txt": "f =~ x1 + x2\n",
        "wrong.txt": "visual =~ x1 + + x2\n",
        "truth.json": json.dumps({"textual ~ visual": 0.3}),
        "none.xlsx": "this is a letter, and nothing else",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    data = pd.read_csv(folder / "survey.csv")
    data.to_excel(folder / "survey.xlsx", sheet_name="answers", index=False)
    data.to_parquet(folder / "survey.parquet")
    for name in ("survey.xlsx", "survey.parquet"):
        content = (folder / name).read_bytes()
        (folder / f"cut{Path(name).suffix}").write_bytes(content[: len(content) // 2])
    (folder / "cut.sav").write_bytes(b"$FL2@(#) SPSS DATA FILE" + bytes(40))
    with zipfile.ZipFile(folder / "slides.pptx", "w") as file:
        file.writestr("ppt/presentation.xml", "<p/>")
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 4)
    for name in ("folder", "folder.html", "unfinished"):
        (folder / name).mkdir()
        (folder / name / "letter.txt").write_text("mine", encoding="utf-8")
    (folder / "unfinished" / "letter.txt").unlink()
    (folder / "unfinished" / "unfinished.sqlite").write_bytes(b"SQLite format 3\0" + bytes(200))
    _write_runs(folder, fit)


def _write_runs(folder: Path, fit: bs.Fit) -> None:
    """A saved run, and copies of it with something changed."""
    fit.save(folder / "run")
    record = (folder / "run" / "fit.json").read_text(encoding="utf-8")
    respondents = (folder / "run" / "data.csv").read_text(encoding="utf-8")
    changes: dict[str, tuple[str, bytes | None]] = {
        "without-data": ("data.csv", None),
        "with-another-model": ("model.txt", ABILITIES.encode()),
        "with-another-respondent": ("data.csv", respondents.replace("7.75", "7.85", 1).encode()),
        "cut": ("draws.nc", (folder / "run" / "draws.nc").read_bytes()[:5000]),
        "with-a-picture": ("draws.nc", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        "without-json": ("fit.json", record[:200].encode()),
        "with-other-settings": ("fit.json", record.replace('"tune": 150', '"tune": 15').encode()),
        "newer": ("fit.json", record.replace('"format": 2', '"format": 3').encode()),
        "foreign": ("fit.json", b'{"model": "a regression", "r2": 0.5}'),
    }
    for name, (file, content) in changes.items():
        shutil.copytree(folder / "run", folder / f"run-{name}")
        (folder / f"run-{name}" / file).unlink()
        if content is not None:
            (folder / f"run-{name}" / file).write_bytes(content)


def _commanded(line: str) -> Outcome:
    """A line of the command line: its exit code and what it says on standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command(shlex.split(line)[2:])
    return Outcome(f"exit code {code}", err.getvalue().strip() if code else "")


def run_lines(lines: str, names: dict[str, Any]) -> Outcome:
    """Run the lines of a case; a foreign exception comes through.

    Parameters
    ----------
    lines : str
        Python, or a line for the command line that begins with "$".
    names : dict
        What Python's lines may use.

    Returns
    -------
    Outcome
        Kind "" when all went well.
    """
    with no_sampling(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if lines.startswith("$"):
                return _commanded(lines)
            *before, last = lines.split("\n")
            space = dict(names)
            exec("\n".join(before), space)
            result = eval(last, space)
            if getattr(result, "ok", True) is False:
                return Outcome("CheckReport", str(result))
        except Reached:
            return Outcome("", "the first draw would follow")
        except BayessemError as error:
            return Outcome(type(error).__name__, str(error))
    return Outcome("", "")


@contextlib.contextmanager
def place() -> Iterator[dict[str, Any]]:
    """A folder with all files, which is the working directory inside; the names of the cases."""
    found = fits()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), found["fit"])
        os.chdir(folder)
        try:
            yield {
                **{"bs": bs, "np": np, "pd": pd, "MODEL": ABILITIES, "LEVELS": LEVELS},
                **{
                    "SIMPLE": bs.SEM(SIMPLE),
                    "TRUTH": TRUTH,
                    "answers": answers(),
                    "teams": teams(),
                },
                **{"data": pd.read_csv("survey.csv"), **found},
            }
        finally:
            os.chdir(before)


def said(outcome: Outcome) -> str:
    """The message as the page has it: without the working directory, which differs."""
    for here in (str(Path.cwd().resolve()), str(Path.cwd())):
        outcome = outcome._replace(said=outcome.said.replace(f"{here}/", ""))
    shown = outcome.said.replace("\0", "\\0")
    return "\n".join(line.rstrip() for line in shown.splitlines())


def numbered() -> Iterator[tuple[str, str, Case]]:
    """(name, section, case) of all cases, such as "data-3"."""
    for number, (section, cases) in enumerate(SECTIONS.items(), 1):
        for k, case in enumerate(cases, 1):
            yield f"{number}.{k}", section, case


def _fenced(kind: str, text: str) -> list[str]:
    return [f"```{kind}", text, "```", ""]


def page(outcomes: dict[str, Outcome]) -> str:
    """docs/errors.md."""
    count, mended = len(outcomes), sum(bool(c.mended) for _, _, c in numbered())
    out = [
        "# Errors: bad inputs and what is said about them",
        "",
        f"{count} bad inputs, and the message of each. All are errors of one family "
        "(`bs.BayessemError`; on the command line a line on standard error and an exit code other "
        f"than 0), and come before anything is sampled. For {mended} of them the page has the "
        "lines that the message advises; they were run as far as the first draw. Made by "
        "`python tests/errors_catalogue.py`; a test compares each message with this page.",
        "",
        "The lines below begin after these:",
        "",
        *_fenced("python", PRELUDE),
    ]
    above = ""
    for name, section, case in numbered():
        if section != above:
            out += [f"## {section}", ""]
            above = section
        outcome = outcomes[name]
        shell = case.lines.startswith("$")
        out += [f"### {name} {case.what}", ""]
        out += _fenced("console" if shell else "python", case.lines)
        out += [f"`{outcome.kind}`", "", *_fenced("text", said(outcome))]
        if case.mended:
            out += ["Mended:", ""]
            out += _fenced("console" if case.mended.startswith("$") else "python", case.mended)
    return "\n".join(out).rstrip() + "\n"


def main() -> int:
    """Write the page."""
    with place() as names:
        outcomes = {name: run_lines(case.lines, names) for name, _, case in numbered()}
        content = page(outcomes)
    PAGE.write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
