"""The command line: its options reach the model, and its exit codes say how it went."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, DATA

import bayessem as bs
from bayessem import cli
from bayessem.cli import main
from bayessem.errors import BayessemWarning
from bayessem.likelihood import compiled
from bayessem.likelihood.compiled import ENGINES, missing

HS = str(DATA / "holzinger_swineford_1939.csv")


@pytest.fixture
def model(tmp_path):
    def write(text=ABILITIES):
        path = tmp_path / "model.txt"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


# No data determine these parameters, and no prior does.
UNIDENTIFIED = """f =~ NA*x1 + prior("flat")*x1 + prior("flat")*x2 + prior("flat")*x3
f ~~ NA*f"""


def printed(capsys):
    """What was printed, without line breaks."""
    return " ".join(capsys.readouterr().out.split())


def test_check_prints_the_facts_and_an_exit_code(model, capsys):
    assert main(["check", model(), HS]) == 0
    assert "30 free parameters, 24 degrees of freedom" in printed(capsys)
    assert main(["check", model(UNIDENTIFIED), HS]) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--std-lv"], "30 free parameters"),
        (["--no-means"], "45 moments, 21 free parameters"),
        (["--effect-coding"], "less 6 equality constraints, 24 degrees"),
        (["--orthogonal"], "27 free parameters, 27 degrees"),
        (["--group", "school"], "2 groups; 108 moments, 60 free parameters"),
        (["--group", "school", "--group-order", "Grant-White"], "156 rows of groups"),
        (["--group", "school", "--group-equal", "loadings"], "54 degrees of freedom"),
        (
            [
                *["--group", "school", "--group-equal", "loadings"],
                *["--group-partial", "visual=~x2,speed=~x9"],
            ],
            "52 degrees of freedom",
        ),
    ],
)
def test_options_of_the_model(model, capsys, options, expected):
    assert main(["check", model(), HS, *options]) == 0
    assert expected in printed(capsys)


def test_growth_and_random_covariates(model, capsys):
    text = "i =~ 1*x1 + 1*x2 + 1*x3\ns =~ 0*x1 + 1*x2 + 2*x3\n"
    assert main(["check", model(text), HS, "--growth"]) == 0
    assert "8 free parameters, 1 degree of" in printed(capsys)
    regression = "x9 ~ x1 + x2"
    assert main(["check", model(regression), HS, "--random-x"]) == 0
    assert "9 free parameters, 0 degrees" in printed(capsys)


def test_ml_with_robust_errors_and_a_bootstrap(model, capsys):
    text = model("x9 ~ b*x4\nx4 ~ a*x1\nind := a*b")
    assert main(["ml", text, HS, "--se", "robust", "--bootstrap", "20", "--seed", "1"]) == 0
    told = capsys.readouterr()
    assert "robust" in told.out
    assert "20 bootstrap samples" in told.out
    assert "20/20" in told.err


def test_a_reader_that_stops_reading_is_no_error(model):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "bayessem", "check", model(), HS]
    run = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (run.returncode, run.stderr) == (1, "")


def test_warm_compiles_what_no_model_has_needed_yet(capsys):
    assert main(["warm"]) == 0
    assert "compiled, in " in capsys.readouterr().out
    assert not missing(*ENGINES)


def test_warm_says_what_could_not_be_compiled(monkeypatch, capsys):
    monkeypatch.setattr(compiled, "warm", lambda: (Path("kept"), ("the likelihood",)))
    assert main(["warm"]) == 1
    assert "not compiled in kept: the likelihood" in capsys.readouterr().err


def one_line(capsys, code, *arguments, lines=1):
    """What the command says on stderr, which is one line, with its exit code."""
    assert main([str(x) for x in arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert lines is None or len(said.err.splitlines()) == lines
    assert said.err.startswith("bayessem: ")
    return said.err


@pytest.mark.parametrize("command", ["check", "fit", "ml"])
def test_what_is_no_readable_file_is_one_line(model, tmp_path, capsys, command):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "bytes").write_bytes(b"PK\x03\x04")
    text = model()
    for data, said in (
        (tmp_path / "nothing", "there is no data file"),
        (tmp_path, "is a folder"),
        (tmp_path / "empty", "is empty"),
        (tmp_path / "bytes", "Excel"),
    ):
        assert said in one_line(capsys, 2, command, text, data)
    for path, said in (
        (tmp_path / "nothing", "there is no model file"),
        (tmp_path, "is a folder"),
        (tmp_path / "empty", "is empty"),
        ("-", "cannot both be -"),
    ):
        assert said in one_line(capsys, 2, command, path, "-" if path == "-" else HS)


def test_model_and_data_come_from_standard_input(model, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(Path(HS).read_text(encoding="utf-8")))
    assert main(["check", model(), "-"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(ABILITIES))
    assert main(["check", "-", HS]) == 0


def test_trailing_delimiters_of_some_lines_are_refused_with_the_first(model, tmp_path, capsys):
    head, *rows = Path(HS).read_text(encoding="utf-8").splitlines()
    data = tmp_path / "d.csv"
    data.write_text("\n".join([head, *(row + "," for row in rows[:-1]), rows[-1]]), "utf-8")
    line = one_line(capsys, 2, "ml", model(), data)
    assert "line 2" in line and "the line ends with a ','" in line


def test_trailing_delimiters_of_all_lines_are_told(model, tmp_path, capsys):
    head, *rows = Path(HS).read_text(encoding="utf-8").splitlines()
    data = tmp_path / "d.csv"
    data.write_text("\n".join([head, *(row + "," for row in rows)]), encoding="utf-8")
    assert main(["ml", model(), HS]) == 0
    expected = capsys.readouterr().out
    assert main(["ml", model(), str(data)]) == 0
    told = capsys.readouterr()
    assert told.out == expected
    assert "every line ends with 1 separator more than the header" in told.err


def test_semicolons_are_read_and_told(model, tmp_path, capsys):
    import pandas as pd

    pd.read_csv(HS).to_csv(tmp_path / "d.csv", index=False, sep=";", decimal=",")
    assert main(["ml", model(), HS]) == 0
    expected = capsys.readouterr().out
    assert main(["ml", model(), str(tmp_path / "d.csv")]) == 0
    told = capsys.readouterr()
    assert told.out == expected
    assert [x.split("d.csv ")[1] for x in told.err.splitlines()] == [
        "is separated by semicolons",
        "has decimal commas",
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig"])
def test_a_model_file_in_another_encoding(tmp_path, capsys, encoding):
    path = tmp_path / "model.txt"
    path.write_bytes("Größe =~ x1 + x2 + x3".encode(encoding))
    assert main(["check", str(path), HS]) == 0
    assert ("read as Latin-1" in capsys.readouterr().err) == (encoding == "latin-1")


def test_a_model_that_is_not_identified_has_one_exit_code(model, capsys):
    for command in ("check", "fit", "ml"):
        assert main([command, model(UNIDENTIFIED), HS]) == 1
        told = capsys.readouterr()
        assert "determine" in told.out + told.err


def test_maximum_likelihood_has_no_answer_where_only_priors_determine(model, capsys):
    line = " ".join(one_line(capsys, 1, "ml", model("f =~ x1 + x2"), HS, lines=None).split())
    assert "f=~x2" in line


@pytest.mark.parametrize("command", ["fit", "ml", "check"])
def test_the_exit_codes_are_in_the_help(capsys, command):
    assert main([command, "--help"]) == 0
    assert "1 the model or the data say no; 2 used wrongly" in printed(capsys)


def test_the_usage_names_the_arguments(capsys):
    for command, said in (
        ("effects", "RUN [DATA]"),
        ("studies", "[FOLDER]"),
        ("calibrate", "[FAMILIES...]"),
        ("fit", "MODEL DATA"),
    ):
        assert main([command, "--help"]) == 0
        first = capsys.readouterr().out.splitlines()[0]
        assert first == f"Usage: bayessem {command} [OPTIONS] {said}"


def test_a_folder_that_cannot_be_written_is_found_before_sampling(
    model, tmp_path, capsys, monkeypatch
):
    from bayessem.sem import SEM

    def sampled(*_, **__):
        raise AssertionError("sampled")

    monkeypatch.setattr(SEM, "fit", sampled)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / ("x" * 300), ""):
        one_line(capsys, 2, "fit", model(), HS, "--out", out)


def test_a_file_of_results_that_cannot_be_written_is_found_before_any_case(
    tmp_path, capsys, monkeypatch
):
    from bayessem.conformance import command as conformance

    def ran(*_, **__):
        raise AssertionError("ran")

    monkeypatch.setattr(conformance, "check_case", ran)
    (tmp_path / "cases.json").write_text('[{"id": "a"}]', encoding="utf-8")
    for path in (tmp_path, tmp_path / "cases.json" / "out.json"):
        line = one_line(capsys, 2, "conformance", tmp_path, "--out", path)
        assert "the results cannot be written to" in line


def test_calibration_finds_its_files_before_any_fit(tmp_path, capsys, monkeypatch):
    from bayessem.report import calibration

    def fitted(*_, **__):
        raise AssertionError("fitted")

    monkeypatch.setattr(calibration, "calibrate", fitted)
    (tmp_path / "mine.json").write_text('{"a": 1}', encoding="utf-8")
    (tmp_path / "figures").write_text("a file", encoding="utf-8")
    for options, said in (
        (["--ranks", tmp_path], "the ranks cannot be written"),
        (["--ranks", tmp_path / "mine.json"], "does not hold the ranks"),
        (["--write", tmp_path / "mine.json" / "page.md"], "the page cannot be written"),
        (["--write", tmp_path / "page.md"], "the figure cannot be written"),
    ):
        assert said in one_line(capsys, 2, "calibrate", *options)


def test_show_of_what_is_no_run_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "file"):
        assert "is not the folder of a fit" in one_line(capsys, 2, "show", path)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_ctrl_c_is_one_line_and_keeps_what_is_there(model, tmp_path):
    """The estimates that stood before the bootstrap."""
    command = [sys.executable, "-m", "bayessem", "ml", model(), HS, "--bootstrap", "100000"]
    said = tmp_path / "err.txt"
    with open(said, "w", encoding="utf-8") as err:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True)
        deadline = time.monotonic() + 120
        while "bootstrap [" not in said.read_text(encoding="utf-8"):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    told = said.read_text(encoding="utf-8")
    assert told.splitlines()[-1] == "bayessem: interrupted"
    assert "Traceback" not in told
    assert "visual" in out and "chi-square" in out.lower()


def test_an_interrupted_fit_that_kept_draws_is_saved_and_says_so(model, tmp_path, monkeypatch):
    from bayessem import load
    from bayessem.posterior import sampling
    from bayessem.results import estimate

    def stopped_early(approximation, **options):
        done = sampling.sample(approximation, **{**options, "draws": 150})
        raise sampling.Interrupted(done)

    monkeypatch.setattr(estimate, "sample", stopped_early)
    run = tmp_path / "run"
    options = ["--draws", "900", "--tune", "200", "--chains", "2", "--seed", "1"]
    with pytest.warns(BayessemWarning, match="kept are 150 of 900 draws"):
        assert main(["fit", model(), HS, "--out", str(run), *options]) == 130
    assert load(run).settings["draws"] == 150


@pytest.mark.parametrize("command", ["check", "ml", "fit"])
def test_an_interruption_before_anything_is_there(model, monkeypatch, capsys, command):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("bayessem.model.files.read_data_file", interrupted)
    assert main([command, model(), HS]) == 130
    assert capsys.readouterr().err.split("\n") == ["", "bayessem: interrupted", ""]


def test_describe_a_workbook_and_check_a_model_with_its_sheet(model, tmp_path, capsys):
    import pandas as pd

    pytest.importorskip("openpyxl")
    path = tmp_path / "d.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"code": [1], "means": ["x"]}).to_excel(book, sheet_name="Codes", index=False)
        pd.read_csv(HS).to_excel(book, sheet_name="Data", index=False)
    assert main(["describe", str(path), "--sheet", "Data"]) == 0
    assert capsys.readouterr().out.startswith("301 respondents (rows), 15 variables (columns)")
    assert main(["check", model(), HS]) == 0
    expected = capsys.readouterr().out
    assert main(["check", model(), str(path), "--sheet", "Data"]) == 0
    assert capsys.readouterr().out == expected
    assert "no sheet 'data'. Did you mean 'Data'?" in one_line(
        capsys, 2, "check", model(), path, "--sheet", "data"
    )


def test_describe_tells_what_was_found_out_once(tmp_path, capsys):
    (tmp_path / "d.csv").write_text("a;b\n1;0,5\n2;0,25\n")
    assert main(["describe", str(tmp_path / "d.csv")]) == 0
    told = capsys.readouterr()
    assert "separated by semicolons" in told.err and "decimal commas" in told.err
    assert "semicolons" not in told.out


COMMANDS_WITH_JSON = [
    (["check", "{model}", HS], "CheckReport", 0),
    (["ml", "{model}", HS, "--se", "none"], "MLFit", 0),
    (["ml", "{model}", HS, "--bootstrap", "3", "--seed", "1"], "Bootstrap", 0),
    (["invariance", "{model}", HS, "--group", "school"], "Invariance", 0),
    (["describe", HS], "Codebook", 0),
    (["studies"], "Studies", 0),
    (["show", "{run}"], "Fit", 0),
    (["effects", "{run}"], "Effects", 0),
    (["effects", "{run}", "--mediation"], "Mediation", 0),
    (["shape", "{run}", "--no-lines"], "Shape", 0),
    (["measurement", "{run}", "--bootstrap", "5"], "Measurement", 0),
    (["compare", "a={run}", "b={run}"], "Comparison", 0),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run with a square and a mediated effect."""
    from bayessem import SEM, read_data

    text = ABILITIES + "textual ~ visual + visual:visual\nspeed ~ textual"
    few = {"draws": 100, "tune": 200, "chains": 2, "random_seed": 1, "progress": False}
    return SEM(text).fit(read_data(HS), **few).save(tmp_path_factory.mktemp("run") / "run")


@pytest.mark.parametrize(("arguments", "kind", "code"), COMMANDS_WITH_JSON)
def test_json_of_each_command_is_valid_and_whole(model, run, capsys, arguments, kind, code):
    given = [x.replace("{model}", model()).replace("{run}", str(run)) for x in arguments]
    assert main([*given, "--json"]) == code

    def no_number(constant):
        raise AssertionError(constant)  # NaN and Infinity are no JSON

    told = json.loads(capsys.readouterr().out, parse_constant=no_number)
    assert list(told)[:3] == ["results", "saved", "exit_code"]
    assert told["exit_code"] == code and told["saved"] == []
    last = told["results"][-1]
    assert list(last) == ["type", "table", "document"]
    assert last["type"] == kind
    assert all(isinstance(row, dict) for row in last["table"])
    assert last["table"] or kind == "CheckReport"  # of a model with which nothing is wrong
    assert last["document"]
    assert {block["kind"] for block in last["document"]} <= {
        *("heading", "paragraph", "lines", "items", "notes", "verbatim", "table", "figure"),
    }


def test_json_has_the_numbers_unrounded(model, capsys):
    from bayessem import SEM, read_data

    assert main(["ml", model(), HS, "--json"]) == 0
    table = json.loads(capsys.readouterr().out)["results"][0]["table"]
    frame = SEM(ABILITIES).ml(read_data(HS)).to_frame()
    assert [row["est"] for row in table] == frame["est"].tolist()
    assert table[0]["se"] is None  # a fixed loading has none
    assert list(table[0]) == list(frame)


def test_json_of_what_json_cannot_have():
    import numpy as np
    import pandas as pd

    from bayessem.text.json import frame_rows, json_text

    frame = pd.DataFrame(
        {"a": [np.nan, np.inf, 1e-17], "b": pd.array([pd.NA, 1, 2], dtype="Int64")},
        index=pd.Index(["x", "y", "z"], name="name"),
    )
    assert frame_rows(frame) == [
        {"name": "x", "a": None, "b": None},
        {"name": "y", "a": "inf", "b": 1},
        {"name": "z", "a": 1e-17, "b": 2},
    ]
    text = json_text({"array": np.array([1, 2]), ("a", 1): (True, np.bool_(False)), "ü": -np.inf})
    assert json.loads(text) == {"array": [1, 2], "a 1": [True, False], "ü": "-inf"}


@pytest.mark.parametrize("command", [None, *cli.COMMANDS])
def test_help_is_there_at_once(command):
    """Half a second of computing, whatever else the machine does; an example each."""
    words = [] if command is None else [command]
    for _ in range(3):  # a shared machine computes more slowly at times
        done, seconds = timed_help(words)
        if seconds < 0.5:
            break
    assert seconds < 0.5
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80
    if command:
        assert cli.COMMANDS[command].example in " ".join(done.stdout.split())


def timed_help(words):
    """The help in a process of its own, and the seconds it computed."""
    import resource

    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "bayessem", *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


def test_studies_are_copied_and_nobody_elses_file_is_replaced(tmp_path, capsys):
    target = tmp_path / "mine"
    assert main(["studies", str(target)]) == 0
    assert "python models/holzinger_swineford.py" in capsys.readouterr().out
    for file in ("models/reporting.py", "data/alliance_capability.csv", "data/README.md"):
        assert (target / file).read_bytes() == (DATA.parent / file).read_bytes()
    assert main(["studies", str(target)]) == 0  # again: they are the same
    (target / "models" / "reporting.py").write_text("mine", encoding="utf-8")
    assert "is another file" in one_line_after(capsys, ["studies", str(target)])
    assert (target / "models" / "reporting.py").read_text(encoding="utf-8") == "mine"


def one_line_after(capsys, arguments):
    capsys.readouterr()
    return one_line(capsys, 2, *arguments)


def test_the_wheel_has_the_studies():
    """Where pyproject.toml says that the build puts them, `bayessem studies` looks for them."""
    import tomllib

    from bayessem.commands.studies import FOLDERS, PACKAGE

    root = DATA.parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {name: f"{PACKAGE.name}/shipped/{name}" for name in FOLDERS}


def test_simulate_from_values_a_run_and_data(model, run, tmp_path, capsys):
    import pandas as pd

    text = model("f =~ 1*x1 + 0.8*x2 + 0.6*x3\nf ~~ 1*f\nx1 ~~ 0.5*x1\nx2 ~~ 0.5*x2\nx3 ~~ 0.5*x3")
    means = [word for k in (1, 2, 3) for word in ("--set", f"x{k}~1={k}")]
    assert main(["simulate", text, "4000", "--seed", "1", *means]) == 0
    drawn = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert drawn.mean().tolist() == pytest.approx([1, 2, 3], abs=0.08)  # 4 standard errors
    assert drawn["x1"].var() == pytest.approx(1.5, abs=0.14)
    out = tmp_path / "d.csv"
    for source in ([str(run)], [model(), "--data", HS]):
        path = [source[0], "50", *source[1:]]
        assert main(["simulate", *path, "--seed", "1", "--out", str(out)]) == 0
        first = out.read_bytes()
        assert main(["simulate", *path, "--seed", "1", "--out", str(out)]) == 0
        assert out.read_bytes() == first
        assert pd.read_csv(out).shape == (50, 9)


def test_convert_check_in_a_pipe(tmp_path, monkeypatch, capsys):
    path = tmp_path / "m.inp"
    path.write_text("MODEL: f BY x1-x3;\nOUTPUT: STDYX;", encoding="utf-8")
    assert main(["convert", str(path)]) == 0
    told = capsys.readouterr()
    assert "not taken: OUTPUT" in told.err
    monkeypatch.setattr("sys.stdin", io.StringIO(told.out))
    assert main(["check", "-", HS]) == 0
    assert main(["convert", str(path), "--out", str(tmp_path / "m.txt"), "--json"]) == 0
    written = json.loads(capsys.readouterr().out.split("freedom.\n")[-1])
    assert written["model"] == "f =~ x1 + x2 + x3"
    assert len(written["not_taken"]) == 1
    assert (tmp_path / "m.txt").read_text(encoding="utf-8") == told.out


def test_an_input_of_mplus_with_its_data_to_the_estimates_of_the_original(tmp_path, capsys):
    """From model.inp and its headless data to `bayessem ml`, by the options in the text."""
    import shlex

    import pandas as pd

    from bayessem import SEM, read_data

    frame = read_data(HS)
    frame.loc[3, "x4"] = float("nan")
    frame["school"] = frame["school"].map({"Pasteur": 1, "Grant-White": 2})
    names = ["school", *(f"x{k}" for k in range(1, 7))]
    rows = frame[names].fillna(-99)
    rows.to_csv(tmp_path / "hs.dat", sep=" ", header=False, index=False)
    text = """DATA: FILE IS hs.dat;
    VARIABLE: NAMES ARE school x1-x6; USEV = x1-x6; MISSING = ALL (-99);
      GROUPING = school (1 = p 2 = g);
    MODEL: visual BY x1-x3; textual BY x4-x6; textual ON visual (b);"""
    (tmp_path / "m.inp").write_text(text, encoding="utf-8")
    model, data = str(tmp_path / "m.txt"), str(tmp_path / "d.csv")
    arguments = ["convert", str(tmp_path / "m.inp"), "--out", model, "--data-out", data]
    assert main(arguments) == 0
    lines = Path(model).read_text(encoding="utf-8").splitlines()
    options = next(line for line in lines if line.startswith("# Options: "))
    capsys.readouterr()
    assert main(["ml", model, data, *shlex.split(options[11:]), "--json"]) == 0
    table = json.loads(capsys.readouterr().out)["results"][0]["table"]
    by_hand = SEM(
        "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ b*visual",
        group_equal=("loadings", "intercepts"),
    ).ml(frame, group="school", group_order=("1", "2"))
    expected = by_hand.to_frame()["est"]
    assert pd.Series([row["est"] for row in table]).tolist() == pytest.approx(
        expected.tolist(), abs=1e-8
    )


def test_a_result_as_a_file_of_json(tmp_path):
    from bayessem import SEM, FitError

    table = SEM("f =~ x1 + x2").table
    path = tmp_path / "t.json"
    assert table.to_json(path) == path.read_text(encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8"))["type"] == "ParameterTable"
    with pytest.raises(FitError, match=".json"):
        table.to_json(tmp_path / "t.txt")


def test_a_bar_says_how_long_it_takes_still(monkeypatch):
    from bayessem.text import progress

    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    bar = progress.Bar("steps", 4, stream)
    bar.clear()
    assert stream.getvalue() == ""  # there is nothing to blank yet
    for done, second in enumerate((100.0, 200.0, 300.0, 400.0), start=1):
        now[0] = second
        bar.show(done)
    shown = [line.rstrip() for line in stream.getvalue().split("\r")[1:]]
    assert [line.partition("]")[2] for line in shown] == [
        *(" 1/4, 5 min left", " 2/4, 3 min left", " 3/4, 2 min left", " 4/4"),
    ]
    assert stream.getvalue().endswith("\n")
    assert progress.duration(7300) == "2 h"


def test_families_go_by_name(tmp_path, capsys):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=80), "years": rng.integers(1, 4, size=80)})
    data["y"] = rng.poisson(data["years"] * np.exp(0.2 + 0.3 * data["x"]))
    waited = np.exp(1.0 - 0.3 * data["x"] + 0.5 * rng.normal(size=80))
    data["t"], data["open"] = np.minimum(waited, 4.0), (waited > 4.0).astype(int)
    data.to_csv(tmp_path / "firms.csv", index=False)
    (tmp_path / "model.txt").write_text("y ~ x\nt ~ x\n")
    files = [str(tmp_path / "model.txt"), str(tmp_path / "firms.csv")]
    family = ["--family", "y=poisson,t=weibull", "--exposure", "y=years", "--censored", "t=open"]
    assert main(["ml", *files, "--json", *family]) == 0
    found = json.loads(capsys.readouterr().out)
    sem = bs.SEM(
        "y ~ x\nt ~ x", family={"y": "poisson", "t": "weibull"}, exposure={"y": "years"},
        censored={"t": "open"},
    )  # fmt: skip
    assert found["results"] == [json.loads(sem.ml(data).to_json())]
    assert main(["check", *files, "--family", "t=tobit", "--censored", "t=:4"]) == 0
    assert "censored" in capsys.readouterr().out
    assert main(["check", *files, "--family", "poisson"]) == 2
    assert "--family poisson is no NAME=VALUE" in capsys.readouterr().err
