"""What can go wrong, for every command: one line on standard error, the exit code, no sampling.

0 fine, 1 the model or the data say no, 2 used wrongly, 130 interrupted.
"""

import pytest
from example_models import ABILITIES, DATA

from bayessem.cli import COMMANDS, main
from bayessem.sem import SEM

HS = str(DATA / "holzinger_swineford_1939.csv")
QUICK = {"draws": 100, "tune": 150, "chains": 1, "random_seed": 1, "progress": False}
# Of the data, of the model, of neither: which files a command takes.
WITH_DATA = ("check", "fit", "ml", "invariance")
ASKING = ("effects", "shape", "measurement")
# Options that a command needs to get as far as the error.
NEEDED = {
    "invariance": ["--group", "school"],
    "effects": ["--from", "visual", "--to", "speed"],
    "shape": ["--from", "visual", "--to", "speed"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Files of all kinds: {name} in the tables below stands for the path of one."""
    folder = tmp_path_factory.mktemp("errors")
    import pandas as pd

    write = {
        "model": ABILITIES,
        "syntax": "f =~ x1 + + x2",
        "stranger": "f =~ x1 + x2 + nothing",
        "unidentified": 'f =~ NA*x1 + prior("flat")*x1 + prior("flat")*x2 + prior("flat")*x3'
        "\nf ~~ NA*f",
        "text.csv": "x1,x2,x3,x4,x5,x6,x7,x8,x9,school\n"
        + "".join(f"a{k},1,2,3,4,5,6,7,8,s{k % 2}\n" for k in range(20)),
        "ragged.csv": "a,b\n1,2\n1,2,3\n",
        "empty.csv": "",
        "a-file": "mine",
        "bad.inp": "VARIABLE: NAMES ARE a b;\nMODEL: c BLAH d;",
        "good.inp": "DATA: FILE IS none.dat;\nVARIABLE: NAMES ARE a b c;\nMODEL: f BY a b c;",
        "truth.json": '{"textual ~ visual": 0.3}',
        "lavaan.txt": "f =~ x1 + x2",
    }
    for name, text in write.items():
        (folder / name).write_text(text, encoding="utf-8")
    path = ABILITIES + "speed ~ visual\ntextual ~ visual"
    fit = SEM(path).fit(pd.read_csv(HS), **QUICK)
    fit.save(folder / "run")
    (folder / "damaged").mkdir()
    for file in (folder / "run").iterdir():
        (folder / "damaged" / file.name).write_bytes(file.read_bytes())
    (folder / "damaged" / "draws.nc").write_bytes(b"none")
    return folder


def rows():
    """Arguments, exit code, what is said."""
    for name in WITH_DATA:
        more = NEEDED.get(name, [])
        yield [name, "{nothing}", HS, *more], 2, "there is no model file"
        yield [name, "{model}", "{nothing}", *more], 2, "there is no data file"
        yield [name, "{model}", "{ragged.csv}", *more], 2, "line 3"
        yield [name, "{model}", "{empty.csv}", *more], 2, "is empty"
        yield [name, "-", "-", *more], 2, "cannot both be -"
        yield [name, "{syntax}", HS, *more], 1, "line 1, column"
        yield [name, "{stranger}", HS, *more], 1, "'nothing' is in the model but"
        yield [name, "{model}", "{text.csv}", *more], 1, "x1"
        yield [name, "{model}", HS, "--drws", "5", *more], 2, "--drws"
        yield [name, "{model}", HS, "--missing", "fml", *more], 2, 'Did you mean "fiml"?'
        yield [name, "{model}", HS, "--label-rows", "1.5", *more], 2, "is no whole number"
        yield [name, "{model}", HS, "--group", "shcool"], 1, "shcool"
        yield [name, "{model}"], 2, "DATA"
        yield [name, "{model}", HS, "a", *more], 2, "nothing takes 'a'"
    for name in ASKING:
        more = NEEDED.get(name, [])
        yield [name, "{nothing}", *more], 2, "is not the folder of a fit"
        yield [name, "{a-file}", *more], 2, "is no saved run"
        yield [name, "-", *more], 2, "is no saved run"
        yield [name, "{damaged}", *more], 2, "damaged"
        yield [name, "{run}", HS, *more], 2, "has its data"
        yield [name, "{run}", "--draws", "5", *more], 2, "those of the run"
        yield [name, "{run}", "--interval", "95", *more], 2, "write 0.95"
        yield [name, "{run}", "--only-group", "g", *more], 2, "has no such group"
        yield [name, "{model}", "{nothing}", *more], 2, "there is no data file"
        yield [name, "{syntax}", HS, *more], 1, "line 1, column"
        yield [name, "{model}", HS, "--chains", "0", *more], 2, "at least 1"
        yield [name, "{model}", HS, "--draws", "x", *more], 2, "'x' is no whole number"
    for name in ("effects", "shape"):
        yield [name, "{run}", "--from", "visaul", "--to", "speed"], 2, "Did you mean 'visual'?"
        yield [name, "{run}", "--from", "visual"], 2, "--to is missing"
    yield ["effects", "{run}"], 1, "no effect is mediated"
    yield ["effects", "{run}", "--from", "speed", "--to", "textual"], 1, "no directed path leads"
    yield ["effects", "{run}", "--mediation", "--standardized"], 2, "leave --standardized out"
    yield ["shape", "{run}"], 1, "the model has no square"
    yield ["shape", "{run}", *NEEDED["shape"]], 1, "has no shape to test"
    yield ["shape", "{run}", "--hypothesis", "V"], 2, "Choose from"
    yield ["measurement", "{run}", "--bootstrap", "0"], 2, "at least 1"
    yield ["fit", "{model}", HS, "--out", "{a-file}"], 2, "is not the folder of a fit"
    yield ["fit", "{model}", HS, "--out", "{a-file}/run"], 2, "cannot be saved"
    yield ["fit", "{model}", HS, "--draws", "-5"], 2, "at least 1"
    yield ["fit", "{model}", HS, "--seed", "-1"], 2, "random_seed"
    yield ["fit", "{unidentified}", HS], 1, "determine"
    yield ["ml", "{unidentified}", HS], 1, "determine"
    yield ["ml", "{model}", HS, "--se", "bayes"], 2, "Choose from"
    yield ["ml", "{model}", HS, "--bootstrap", "0"], 2, "at least 1"
    yield ["ml", "{model}", HS, "--seed", "-1"], 2, "--seed"
    yield ["invariance", "{model}", HS], 2, "--group COLUMN"
    yield ["invariance", "{model}", HS, "--group", "school", "--free", "x99~1"], 1, "x99"
    yield ["compare"], 2, "two or more saved runs"
    yield ["compare", "{run}"], 2, "two or more saved runs"
    yield ["compare", "{run}", "{run}"], 2, "two runs are called run"
    yield ["compare", "{run}", "{nothing}"], 2, "is not the folder of a fit"
    yield ["compare", "a={run}", "b={run}", "--max-refits", "-1"], 2, "0 or more"
    yield ["show", "{nothing}"], 2, "is not the folder of a fit"
    yield ["show", "{damaged}"], 2, "damaged"
    yield ["report", "{nothing}", "{new}.html"], 2, "is not the folder of a fit"
    yield ["report", "{run}", "{new}.pdf"], 2, ".html"
    yield ["report", "{run}", "{a-file}/r.html"], 2, "cannot be written"
    yield (
        ["report", "{run}", "{new}.html", "--hypothesis", "H1: speed ~ visul > 0"],
        2,
        "Did you mean",
    )
    yield ["report", "{run}", "{new}.html", "--hypothesis", "speed ~ visual"], 2, "neither <"
    yield ["diagram", "{nothing}", "{new}.svg"], 2, "there is no model file"
    yield ["diagram", "{syntax}", "{new}.svg"], 1, "line 1, column"
    yield ["diagram", "{run}", "{new}.doc"], 2, ".svg"
    yield ["diagram", "{run}", "{a-file}/d.svg"], 2, "cannot be written"
    yield ["diagram", "{model}", "{new}.svg", "--raw"], 2, "--raw is for saved runs"
    yield ["diagram", "{run}", "{new}.svg", "--only-group", "g"], 2, "has no such group"
    yield ["describe", "{nothing}"], 2, "there is no data file"
    yield ["describe", "{ragged.csv}"], 2, "line 3"
    yield ["describe", HS, "--sheet", "a"], 2, "is no Excel workbook"
    yield ["simulate", "{nothing}", "5"], 2, "there is no model file"
    yield ["simulate", "{run}", "five"], 2, "not five"
    yield ["simulate", "{run}", "5", "--out", "{a-file}/d.csv"], 2, "cannot be written"
    yield ["simulate", "{run}", "5", "--out", "{new}.sav"], 2, ".csv"
    yield ["simulate", "{run}", "5", "--set", "a=1"], 2, "has its values"
    yield ["simulate", "{model}", "5", "--set", "a"], 2, "not 'a'"
    yield ["simulate", "{model}", "5", "--set", "visual=~x2=1"], 2, "--set NAME=VALUE gives one"
    yield ["simulate", "{syntax}", "5"], 1, "line 1, column"
    yield ["convert", "{nothing}"], 2, "there is no model file"
    yield ["convert", "{bad.inp}"], 1, "nothing of the model could be taken"
    yield ["convert", "{lavaan.txt}"], 1, "looks like lavaan's"
    yield ["convert", "{good.inp}", "--out", "{a-file}/m.txt"], 2, "cannot be written"
    yield ["convert", "{good.inp}", "--data-out", "{new}.csv"], 2, "there is no data file"
    yield ["convert", "{good.inp}", "--data", HS], 2, "--data is for models of Amos"
    yield ["convert", "{good.inp}", "--program", "lisrel"], 2, "Choose from"
    more = ["--n", "50", "--target", "textual ~ visual > 0"]
    yield ["design", "{nothing}", "{truth.json}", *more], 2, "there is no model file"
    yield ["design", "{syntax}", "{truth.json}", *more], 1, "line 1, column"
    yield ["design", "{model}", "{nothing}", *more], 2, "cannot be read: no such file"
    yield ["design", "{model}", "{truth.json}", "--n", "50"], 2, "--target"
    yield ["design", "{model}", "{truth.json}", "--n", "9.5", *more[2:]], 2, "9.5 is none"
    yield ["design", "{model}", "{truth.json}", *more, "--replicates", "0"], 2, "at least 1"
    yield ["design", "{model}", "{truth.json}", *more, "--report", "{new}.pdf"], 2, ".html"
    yield ["studies", "{a-file}"], 2, "is a file"
    yield ["studies", "{a-file}/x"], 2, "cannot be written"
    yield ["conformance", "{nothing}"], 2, "cannot be read as a list of cases"
    yield ["conformance", "{run}", "--out", "{a-file}/x"], 2, "cannot be written"
    yield ["calibrate", "linaer"], 2, "Did you mean 'linear'?"
    yield ["calibrate", "--fits", "0"], 2, "at least 1"
    yield ["calibrate", "--write", "{a-file}/x.md"], 2, "cannot be written"
    yield ["warm", "now"], 2, "nothing takes 'now'"
    yield ["ft"], 2, 'Did you mean "fit"?'
    yield ["--vresion"], 2, "--vresion"


TABLE = list(rows())


@pytest.mark.parametrize(("arguments", "code", "said"), TABLE, ids=lambda x: str(x)[:60])
def test_each_error_of_each_command(place, capsys, monkeypatch, arguments, code, said):
    def sampled(*_, **__):
        raise AssertionError("sampled")

    monkeypatch.setattr("bayessem.results.estimate.sample", sampled)
    given = [_filled(str(x), place) for x in arguments]
    for extra in ([], ["--json"]):
        if extra and arguments[0] not in COMMANDS:
            continue
        assert main([*given, *extra]) == code
        told = capsys.readouterr()
        assert told.out == ""
        line = " ".join(told.err.split())
        assert said in line
        assert line.startswith("bayessem: ") and "Traceback" not in line
    assert not list(place.glob("new*"))


def _filled(text: str, place) -> str:
    if "{" not in text:
        return text
    name, _, rest = text.partition("}")
    before, _, name = name.partition("{")
    return f"{before}{place / name}{rest}"


def test_the_table_has_every_command():
    assert {arguments[0] for arguments, _, _ in TABLE} >= set(COMMANDS)
