"""The command line: its options reach the model, and its exit codes say how it went."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from example_models import ABILITIES, DATA

from bayessem.cli import main
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


def test_check_prints_the_facts_and_an_exit_code(model, capsys):
    assert main(["check", model(), HS]) == 0
    assert "30 free parameters, 24 degrees of freedom" in capsys.readouterr().out
    assert main(["check", model("f =~ x1 + x2"), HS]) == 1


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
    assert expected in capsys.readouterr().out


def test_growth_and_random_covariates(model, capsys):
    text = "i =~ 1*x1 + 1*x2 + 1*x3\ns =~ 0*x1 + 1*x2 + 2*x3\n"
    assert main(["check", model(text), HS, "--growth"]) == 0
    assert "8 free parameters, 1 degree of" in capsys.readouterr().out
    regression = "x9 ~ x1 + x2"
    assert main(["check", model(regression), HS, "--random-x"]) == 0
    assert "9 free parameters, 0 degrees" in capsys.readouterr().out


def test_ml_with_robust_errors_and_a_bootstrap(model, capsys):
    text = model("x9 ~ b*x4\nx4 ~ a*x1\nind := a*b")
    assert main(["ml", text, HS, "--se", "robust", "--bootstrap", "20", "--seed", "1"]) == 0
    printed = capsys.readouterr()
    assert "robust" in printed.out
    assert "20 bootstrap samples" in printed.out
    assert "20/20" in printed.err


def test_errors_are_one_line_and_code_two(model, capsys):
    assert main(["check", model("f =~ x1 + nothing + x2"), HS]) == 2
    assert "'nothing' is in the model but is not" in capsys.readouterr().err
    assert main(["check", "no-such-file", HS]) == 2
    assert main(["ml", model(), "no-such-file"]) == 2


def test_a_reader_that_stops_reading_is_no_error(model):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "bayessem.cli", "check", model(), HS]
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
