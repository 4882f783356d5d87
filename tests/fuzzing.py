"""What anybody may feed to bayessem, at random: only its own errors come out, and soon.

`test_fuzz.py` runs each property a little; `make fuzz MINUTES=60`, or `python tests/fuzzing.py 60`,
runs them in turn for so long, led by the lines of the package that inputs come to, and reports each
failure with the smallest input that has it.
"""

import contextlib
import functools
import hashlib
import io
import itertools
import json
import shlex
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, given, seed, settings, target
from hypothesis import strategies as st

import bayessem as bs
from bayessem.cli import COMMANDS, main
from bayessem.errors import BayessemError
from bayessem.results.run_folder import _json, _record_sum

# Seconds that no input may take: of computing, and of waiting on a machine that others use, too.
PATIENCE, WAITING = 30.0, 300.0
NAMES = ("x", "y", "z", "w", "m", "f", "g", "x1", "x2", "x3")
COLUMNS = ("x", "y", "z", "w", "m", "x1", "x2", "x3")
MODELS = (
    "f =~ x1 + x2 + x3\ny ~ a*f + z\nw ~ b*y + c*f\nab := a*b",
    "y ~ a*x + z\nx ~~ z\na > 0\nb := a^2 + exp(a)/3",
    "f =~ x + y + z\nm ~ f + f:f + w\nx ~~ y",
    'f =~ NA*x1 + x2 + start(0.5)*x3\nf ~~ 1*f\ny ~ prior("normal(0, 1)")*f\ny ~ 1',
    "c <~ x1 + x2 + x3\ny ~ c\nz ~ c",
    "level: 1\ny ~ x\nlevel: 2\ny ~~ y\ny ~ w",
    'level: 1\ny ~ rv("s")*x\nlevel: 2\ny ~~ y\ns ~~ y\ns ~ w',
    "f =~ x1 + x2 + x3\nx1 | t1 + t2\ny ~ f",
    "y ~ c(a, b)*x + c(0.5, NA)*z\na == b",
    "i =~ 1*x1 + 1*x2 + 1*x3\ns =~ 0*x1 + 1*x2 + 2*x3\ni ~~ s",
)
PIECES = (
    *NAMES,
    *("=~", "~", "~~", "<~", ":=", "==", ">", "<", "|", "+", "*", ":", "/", "^", "-", "(", ")"),
    *(",", ";", "\n", "\n", " ", "1", "0", "0.5", "-1", "1e9", "1e999", "NA", "a", "b", "t1", "t2"),
    *('"', "'", "#", "!", "\\", "%", "@", "?", "$", "\t", "\0", "é", "∼", "～", "\u200b", "x²"),
    *(
        "c(",
        "start(",
        'prior("',
        "normal(0, 1)",
        "label(",
        "equal(",
        "lower(",
        "upper(",
        "rv(",
        "I(",
    ),
    *(
        "level: 1",
        "level: 2",
        "group: a",
        "efa(",
        "exp(",
        "log(",
        "sqrt(",
        "BY",
        "ON",
        "WITH",
        "{",
        "}",
    ),
)


class Hung(BaseException):
    """An input took too long."""


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Raise `Hung` in the main thread when what is inside takes too long."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: Any) -> None:
        computed = number == signal.SIGPROF
        raise Hung(f"{PATIENCE if computed else WAITING} seconds {'computed' if computed else ''}")

    timers = (
        (signal.SIGPROF, signal.ITIMER_PROF, PATIENCE),
        (signal.SIGALRM, signal.ITIMER_REAL, WAITING),
    )
    before = [signal.signal(number, stop) for number, _, _ in timers]
    for _, timer, seconds in timers:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0.0)
            signal.signal(number, handler)


def only_ours[T](call: Callable[[], T]) -> T | None:
    """What a call returns; None for an error of ours, which has to say something."""
    with patience(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call()
        except BayessemError as error:
            assert len(str(error)) > 10, error
            assert "Traceback" not in str(error)
            return None


@cache
def numbers() -> pd.DataFrame:
    """Data with all columns of the models."""
    rng = np.random.default_rng(1)
    common = rng.normal(size=(80, 1))
    out = pd.DataFrame(common + rng.normal(size=(80, len(COLUMNS))), columns=list(COLUMNS))
    out["w"] = rng.normal(size=16).repeat(5)
    return out.assign(team=np.arange(80) // 5, group=np.arange(80) % 2)


def mutated(text: str, edits: list[tuple[int, int, str]]) -> str:
    """A text with pieces cut out and put in."""
    for at, cut, put in edits:
        at %= len(text) + 1
        text = text[:at] + put + text[at + cut :]
    return text


def edits(pieces: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[int, int, str]]]:
    """Some places of a text, how much goes there, and what comes."""
    one = st.tuples(st.integers(0, 400), st.integers(0, 12), pieces)
    return st.lists(one, min_size=1, max_size=5)


PIECE = st.sampled_from(PIECES) | st.text(max_size=3)
MODEL_TEXT = st.one_of(
    st.builds(mutated, st.sampled_from(MODELS), edits(PIECE)),
    st.lists(PIECE, max_size=40).map("".join),
    st.lists(st.sampled_from("\n".join(MODELS).split("\n")), max_size=8).map("\n".join),
    st.text(max_size=60),
)
MODEL_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "std_lv": st.booleans(),
        "meanstructure": st.booleans(),
        "fixed_x": st.booleans(),
        "growth": st.booleans(),
        "orthogonal": st.booleans(),
        "effect_coding": st.booleans(),
        "group_equal": st.sampled_from(["loadings", "intercepts", "regressions", "x", ""]),
        "ordered": st.sampled_from([True, "x1", ["x1", "x2"], ["y"], "nobody"]),
        "link": st.sampled_from(["probit", "logit", "loglog"]),
        "parameterization": st.sampled_from(["delta", "theta", ""]),
    },
)
DATA_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "group": st.sampled_from(["group", "team", "x", "nobody"]),
        "cluster": st.sampled_from(["team", "group", "x"]),
        "missing": st.sampled_from(["fiml", "listwise", "error"]),
        "weights": st.sampled_from(["w", "team", "group"]),
        "priors": st.dictionaries(
            st.sampled_from(["path", "loading", "y~x", "a", "residual_sd", "mean"]),
            st.sampled_from(
                ["normal(0, 1)", "flat", "half_normal(1)", "normal(0)", "uniform(1, 0)"]
            ),
            max_size=2,
        ),
    },
)


def a_model(text: str, options: dict[str, Any]) -> None:
    """Any text is a model, or one error of ours; a model says what it is."""
    sem = only_ours(lambda: bs.SEM(text, **options))
    if sem is not None:
        assert str(sem.table)
        only_ours(sem.diagram)


def a_model_with_data(text: str, options: dict[str, Any], of_data: dict[str, Any]) -> None:
    """A model meets data that have its columns."""
    sem = only_ours(lambda: bs.SEM(text, **options))
    if sem is not None:
        report = only_ours(lambda: sem.check(numbers(), **of_data))
        assert report is None or str(report)


def _column(kind: str, rng: np.random.Generator, n: int) -> Any:
    """A column of some kind that surveys have, or that something went wrong with."""
    base = rng.normal(size=n)
    whole = rng.integers(1, 6, n)
    return {
        "normal": lambda: base,
        "whole": lambda: whole,
        "missing": lambda: np.where(rng.random(n) < 0.4, np.nan, base),
        "empty": lambda: np.full(n, np.nan),
        "constant": lambda: np.full(n, 3.0),
        "huge": lambda: base * 1e160,
        "tiny": lambda: base * 1e-200,
        "far": lambda: base + 1e12,
        "infinite": lambda: np.where(rng.random(n) < 0.05, np.inf, base),
        "boolean": lambda: base > 0,
        "nullable": lambda: pd.array(np.where(base > 1, None, whole), dtype="Int64"),
        "texts": lambda: np.array(["yes", "no", "perhaps"])[rng.integers(0, 3, n)],
        "numbers as texts": lambda: [f"{x:.2f}" for x in base],
        "commas": lambda: [f"{x:.2f}".replace(".", ",") for x in base],
        "mixed": lambda: [x if k % 3 else "n/a" for k, x in enumerate(base)],
        "objects": lambda: [x if k % 5 else [1] for k, x in enumerate(base)],
        "dates": lambda: pd.date_range("2026-01-01", periods=n),
        "categories": lambda: pd.Categorical.from_codes(whole - 1, list("edcba"), ordered=True),
        "no order": lambda: pd.Categorical.from_codes(whole - 1, list("edcba")),
        "complex": lambda: base + 1j,
        "copy": lambda: np.arange(n, dtype=float),
        "one other": lambda: np.eye(1, n)[0],
        "codes": lambda: np.where(rng.random(n) < 0.1, -99, whole),
    }[kind]()


KINDS = (
    *("normal", "normal", "normal", "whole", "missing", "empty", "constant", "huge", "tiny"),
    *("far", "infinite", "boolean", "nullable", "texts", "numbers as texts", "commas", "mixed"),
    *("objects", "dates", "categories", "no order", "complex", "copy", "one other", "codes"),
)
FRAME = st.tuples(
    st.lists(st.sampled_from(KINDS), min_size=len(COLUMNS), max_size=len(COLUMNS)),
    st.sampled_from([0, 1, 2, 7, 30, 60]),
    st.integers(0, 999),
    st.sampled_from(["plain", "doubled", "labelled", "sorted", "multi", "numbered"]),
)


# Of columns most of which a model can be fitted to.
FITTED_FRAME = st.tuples(
    st.lists(
        st.sampled_from([*("normal",) * 6, *("whole",) * 3, *KINDS[:12]]),
        min_size=len(COLUMNS),
        max_size=len(COLUMNS),
    ),
    st.sampled_from([12, 30, 60]),
    st.integers(0, 999),
    st.sampled_from(["plain", "labelled", "sorted", "multi"]),
)


def frame_of(what: tuple[list[str], int, int, str]) -> pd.DataFrame:
    """The data frame that a draw of `FRAME` stands for."""
    kinds, n, number, how = what
    rng = np.random.default_rng(number)
    out = pd.DataFrame({c: _column(k, rng, n) for c, k in zip(COLUMNS, kinds, strict=True)})
    out["team"], out["group"] = np.arange(n) // 4, np.array(["a", "b"])[np.arange(n) % 2]
    if how == "doubled":
        out = pd.concat([out, out[["x"]]], axis=1)
    elif how == "labelled" and n:
        out.index = pd.Index(["same"] * n)
    elif how == "sorted":
        out = out.iloc[::-1]
    elif how == "multi" and n:
        out.index = pd.MultiIndex.from_arrays([np.arange(n) // 2, np.arange(n)])
    elif how == "numbered":
        out.columns = pd.Index([*range(3), *out.columns[3:]])
    return out


def a_data_frame(
    model: str,
    what: tuple[list[str], int, int, str],
    of_model: dict[str, Any],
    of_data: dict[str, Any],
) -> None:
    """Any data frame is checked, estimated and described, or refused."""
    data = frame_of(what)
    before = data.copy(deep=True)
    sem = only_ours(lambda: bs.SEM(model, **of_model))
    if sem is not None:
        report = only_ours(lambda: sem.check(data, **of_data))
        assert report is None or str(report)
        options = {k: v for k, v in of_data.items() if k != "priors"}
        if report is not None and report.ok and not sem.table.ordered:
            found = only_ours(lambda: sem.ml(data, **options))
            assert found is None or str(found)
    only_ours(lambda: str(bs.describe(data)))
    pd.testing.assert_frame_equal(data, before)


def a_small_fit(model: str, what: tuple[list[str], int, int, str], of_data: dict[str, Any]) -> None:
    """Whatever passes the check is sampled, summarised, saved and read again, or refused."""
    data = frame_of(what)
    options = {k: v for k, v in of_data.items() if k in ("group", "missing")}
    quick = {"draws": 30, "tune": 50, "chains": 1, "random_seed": 1, "progress": False}
    fit = only_ours(lambda: bs.SEM(model).fit(data, **options, **quick))
    if fit is not None:
        assert str(fit)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit.save(Path(folder) / "run")
            again = bs.load(Path(folder) / "run")
        np.testing.assert_array_equal(again.values, fit.values)


@cache
def files() -> dict[str, bytes]:
    """A small data file of each kind."""
    import pyreadstat

    data = numbers().head(12).round(3)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data.to_csv(place / "a.csv", index=False)
        data.to_csv(place / "b.csv", index=False, sep=";", decimal=",")
        data.to_csv(place / "c.csv.gz", index=False)
        data.to_excel(place / "a.xlsx", index=False)
        data.to_parquet(place / "a.parquet")
        data.to_feather(place / "a.feather")
        data.to_stata(place / "a.dta", write_index=False)
        pyreadstat.write_sav(data, place / "a.sav")
        pyreadstat.write_xport(data, place / "a.xpt")
        return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


BYTE_EDITS = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.integers(0, 40), st.binary(max_size=8)), max_size=6
)


def damaged(content: bytes, changes: list[tuple[int, int, bytes]], keep: float) -> bytes:
    """A file with bytes cut out, put in, or its end gone."""
    for at, cut, put in changes:
        at %= len(content) + 1
        content = content[:at] + put + content[at + cut :]
    return content[: int(keep * len(content))]


def a_data_file(name: str, changes: list[tuple[int, int, bytes]], keep: float) -> None:
    """A damaged file is read or refused, whatever its kind."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(damaged(files()[name], changes, keep))
        data = only_ours(lambda: bs.read_data(str(path)))
        if data is not None:
            only_ours(lambda: str(bs.describe(data)))


@cache
def saved_run() -> dict[str, bytes]:
    """The files of a saved fit with a group, missing values and a definition."""
    data = numbers()[["x", "y", "z", "group"]].copy()
    data.loc[3, "y"] = np.nan
    sem = bs.SEM("y ~ a*x + z\nb := a^2")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = sem.fit(
            data, group="group", draws=100, tune=100, chains=1, random_seed=1, progress=False
        )
        fit.save(Path(folder) / "run")
        return {p.name: p.read_bytes() for p in sorted((Path(folder) / "run").iterdir())}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def _replaced(tree: Any, path: list[int], value: Any) -> Any:
    """A JSON value in which the one that a path of numbers leads to is another."""
    if not path or not isinstance(tree, dict | list) or not tree:
        return value
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[path[0] % len(keys)]
    if isinstance(tree, dict):
        return {**tree, key: _replaced(tree[key], path[1:], value)}
    return [*tree[:key], _replaced(tree[key], path[1:], value), *tree[key + 1 :]]


def _loaded(files_: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        run.mkdir()
        for name, content in files_.items():
            (run / name).write_bytes(content)
        fit = only_ours(lambda: bs.load(run))
        if fit is not None:
            assert len(fit.summary())


def a_run_folder(name: str, changes: list[tuple[int, int, bytes]], keep: float) -> None:
    """A damaged folder is refused (or what was damaged does not matter)."""
    content = saved_run()
    _loaded({**content, name: damaged(content[name], changes, keep)})


def _forged(content: dict[str, bytes], about: dict[str, Any]) -> dict[str, bytes]:
    """Files with checksums that agree with them, as somebody who means it would make."""
    sums = {k: hashlib.sha256(v).hexdigest() for k, v in content.items() if k != "fit.json"}
    about["sha256"] = {**sums, "fit.json": _record_sum(about)}
    return {**content, "fit.json": _json(about)}


def a_forged_record(path: list[int], value: Any) -> None:
    """A fit.json that holds anything, with checksums that agree."""
    content = saved_run()
    about = _replaced(json.loads(content["fit.json"]), path, value)
    if isinstance(about, dict):
        content = _forged(content, about)
    else:
        content = {**content, "fit.json": _json(about)}
    _loaded(content)


def a_forged_file(name: str, changes: list[tuple[int, int, bytes]], keep: float) -> None:
    """Data, model or draws that hold anything, with checksums that agree."""
    content = saved_run()
    content = {**content, name: damaged(content[name], changes, keep)}
    _loaded(_forged(content, json.loads(content["fit.json"])))


@cache
def unfinished_run() -> bytes:
    """The file of a run that was stopped while it was sampled."""
    from bayessem.results import unfinished

    kept: list[bytes] = []

    class Stopped(Exception):
        pass

    def stop(fit: Any, path: Any) -> None:
        kept.append((Path(path) / unfinished.UNFINISHED).read_bytes())
        raise Stopped

    before = unfinished.save
    unfinished.save = stop
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Stopped):
            bs.SEM("y ~ x").fit(
                numbers(),
                draws=120,
                tune=100,
                chains=1,
                random_seed=1,
                progress=False,
                out=Path(folder) / "run",
            )
    finally:
        unfinished.save = before
    return kept[0]


def an_unfinished_run(changes: list[tuple[int, int, bytes]], keep: float) -> None:
    """A damaged file of draws as they come."""
    _loaded({"unfinished.sqlite": damaged(unfinished_run(), changes, keep)})


def a_forged_piece(row: int, table: str, path: list[int], value: Any) -> None:
    """A file of draws as they come whose pieces hold anything, with checksums that agree."""
    from bayessem.store import _sum

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        run.mkdir()
        file = run / "unfinished.sqlite"
        file.write_bytes(unfinished_run())
        connection = sqlite3.connect(file)
        with connection:
            rows = connection.execute(f"SELECT name, value FROM {table}").fetchall()
            name, text = rows[row % len(rows)]
            try:
                new = json.dumps(_replaced(json.loads(text), path, value))
            except json.JSONDecodeError:
                new = str(value)
            if table == "piece":
                connection.execute(
                    "UPDATE piece SET value = ?, sha256 = ? WHERE name = ?",
                    (new, _sum(name, new), name),
                )
            else:
                connection.execute("UPDATE study SET value = ? WHERE name = ?", (new, name))
        connection.close()
        fit = only_ours(lambda: bs.load(run))
        if fit is not None:
            assert len(fit.summary())


WORDS = st.one_of(
    st.sampled_from(
        [
            *COMMANDS,
            *(
                "--help",
                "--json",
                "--group",
                "--missing",
                "fiml",
                "--seed",
                "1",
                "-1",
                "--out",
                "x",
            ),
            *(
                "model.txt",
                "data.csv",
                "run",
                "nowhere",
                "-h",
                "--version",
                "--n",
                "50",
                "--target",
            ),
            *("y ~ x > 0", "--from", "--to", "y", "--interval", ".9", "--std-lv", "", "--", "-x"),
        ]
    ),
    st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
)
# What takes long, starts workers or writes more than a file.
SLOW = ("fit", "warm", "calibrate", "conformance", "studies", "report", "invariance", "design")


def a_command(words: list[str]) -> None:
    """Any words behind `bayessem`: an exit code, and no traceback."""
    if any(word in SLOW for word in words[:1]) and "--help" not in words:
        words = ["check", *words[1:]]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("model.txt").write_text("y ~ x", encoding="utf-8")
        numbers().to_csv("data.csv", index=False)
        out, err = io.StringIO(), io.StringIO()
        words = [w for w in words if w != "-"]  # standard input is nobody's here
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), patience():
            try:
                code = main(words)
            except SystemExit as left:  # of --help and --version
                code = left.code
        assert code in (0, 1, 2, None), (code, shlex.join(words))
        assert "Traceback" not in err.getvalue()


@cache
def asked_fit() -> bs.Fit:
    """A fit to ask."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bs.SEM("f =~ x1 + x2 + x3\ny ~ a*f + z\nw ~ b*y").fit(
            numbers(), draws=100, tune=100, chains=1, random_seed=1, progress=False
        )


CLAIMS = ("y ~ f > 0", "a*b > 0.1", "x -> y > z -> w", "H1: f -> y -> w < 0", "total f -> w > 0")
PRIOR_TEXTS = (
    "normal(0, 1)",
    "student_t(nu=3, mu=0, sigma=2.5)",
    "uniform(-1, 1)",
    "lkj(2)",
    "flat",
)
FOREIGN = (
    "VARIABLE: NAMES ARE a b c;\nMODEL: f BY a b c;\n d ON f;",
    "x1 <--- f (1)\nx2 <--- f\nf <--> g",
    "constructs(composite('A', multi_items('a', 1:3)))",
)


def a_claim(text: str) -> None:
    """Hypotheses as text."""
    only_ours(lambda: str(asked_fit().hypotheses(text)))


def a_prior(text: str) -> None:
    """Priors as text."""
    only_ours(lambda: bs.SEM("y ~ x").prepare(numbers(), priors={"path": text}))


def a_foreign_model(text: str) -> None:
    """Models of other programs."""
    only_ours(lambda: str(bs.convert_model(text)))


ARROWS = st.lists(
    st.tuples(st.sampled_from("xyzwm"), st.sampled_from("xyzwm")), min_size=1, max_size=6
)


def the_same_model(
    arrows: list[tuple[str, str]], order: int, names: int, unit: float, reverse: bool
) -> None:
    """Statements, columns and rows in another order, other names and units: the same likelihood."""
    place = {name: k for k, name in enumerate("xyzwm")}
    down = sorted({(a, b) for a, b in arrows if place[a] < place[b]})
    lines = ["f =~ x1 + x2 + x3", *(f"{b} ~ {a}" for a, b in down), "m ~ f"]
    first = bs.SEM("\n".join(lines)).ml(numbers(), se="none")
    new = {c: f"v{(k * 7 + names) % 97}_{c}" for k, c in enumerate((*COLUMNS, "f"))}
    shuffled = list(lines)
    np.random.default_rng(order).shuffle(shuffled)
    text = "\n".join(" ".join(new.get(w, w) for w in line.split()) for line in shuffled)
    data = numbers()[list(COLUMNS)] * [unit if c == "y" else 1.0 for c in COLUMNS]
    data = data.rename(columns=new).iloc[:: -1 if reverse else 1]
    if reverse:
        data = data[data.columns[::-1]]
    other = bs.SEM(text).ml(data, se="none")
    shift = len(data) * np.log(unit)  # of the density of y, in the other unit
    a, b = first.logl, other.logl + (shift if any("y" in w for w in lines[1:]) else 0.0)
    covariate = any(x == "y" for x, _ in down) and not any(y == "y" for _, y in down)
    if not covariate:  # whose own density is no part of the likelihood
        assert abs(a - b) < 1e-5 * max(1.0, abs(a)), (a, b)
    assert first.measures["df"] == other.measures["df"]


class Property(NamedTuple):
    """A property: what it takes, how often CI tries it, and how often a round of a long run."""

    holds: Callable[..., None]
    given: tuple[st.SearchStrategy[Any], ...]
    few: int
    many: int


KEEP = st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.1, 0.98])
PATH = st.lists(st.integers(0, 30), max_size=4)
RUN_FILES = st.sampled_from(["fit.json", "model.txt", "data.csv", "draws.nc"])
PROPERTIES = {
    p.holds.__name__: p
    for p in (
        Property(a_model, (MODEL_TEXT, MODEL_OPTIONS), 250, 4000),
        Property(a_model_with_data, (MODEL_TEXT, MODEL_OPTIONS, DATA_OPTIONS), 120, 2000),
        Property(
            a_data_frame, (st.sampled_from(MODELS), FRAME, MODEL_OPTIONS, DATA_OPTIONS), 60, 600
        ),
        Property(
            a_small_fit, (st.sampled_from(MODELS[:4]), FITTED_FRAME, DATA_OPTIONS), few=6, many=60
        ),
        Property(a_data_file, (st.sampled_from(sorted(files())), BYTE_EDITS, KEEP), 60, 800),
        Property(a_run_folder, (RUN_FILES, BYTE_EDITS, KEEP), 25, 300),
        Property(a_forged_record, (PATH, JSON_VALUES), 30, 600),
        Property(
            a_forged_file, (RUN_FILES.filter(lambda n: n != "fit.json"), BYTE_EDITS, KEEP), 25, 600
        ),
        Property(an_unfinished_run, (BYTE_EDITS, KEEP), 25, 300),
        Property(
            a_forged_piece,
            (st.integers(0, 9), st.sampled_from(["piece", "study"]), PATH, JSON_VALUES),
            40,
            400,
        ),
        Property(a_command, (st.lists(WORDS, max_size=7),), 40, 400),
        Property(a_claim, (st.builds(mutated, st.sampled_from(CLAIMS), edits(PIECE)),), 80, 1500),
        Property(
            a_prior, (st.builds(mutated, st.sampled_from(PRIOR_TEXTS), edits(PIECE)),), 80, 1500
        ),
        Property(
            a_foreign_model, (st.builds(mutated, st.sampled_from(FOREIGN), edits(PIECE)),), 80, 1500
        ),
        Property(
            the_same_model,
            (
                ARROWS,
                st.integers(0, 99),
                st.integers(0, 96),
                st.sampled_from([1.0, 1000.0, 0.001]),
                st.booleans(),
            ),
            15,
            150,
        ),
    )
}


class Reach:
    """Lines of the package that inputs come to; inputs that come to more of them are bred from."""

    TOOL = 4

    def __init__(self) -> None:
        self.now: set[tuple[str, int]] = set()
        self.ever: dict[str, set[tuple[str, int]]] = {}
        self.inputs = dict.fromkeys(PROPERTIES, 0)
        self.package = str(Path(bs.__file__).parent)
        monitoring = sys.monitoring
        monitoring.use_tool_id(self.TOOL, "fuzzing")
        monitoring.register_callback(self.TOOL, monitoring.events.LINE, self._line)

    def _line(self, code: types.CodeType, line: int) -> Any:
        if code.co_filename.startswith(self.package):
            self.now.add((code.co_filename, line))
        return sys.monitoring.DISABLE  # until the next input

    def watching(self, holds: Callable[..., None]) -> Callable[..., None]:
        """The same property, with what it is given counted and how far it comes told."""

        @functools.wraps(holds)
        def watched(*args: Any, **kwargs: Any) -> None:
            self.inputs[holds.__name__] += 1
            self.now = set()
            sys.monitoring.restart_events()
            sys.monitoring.set_events(self.TOOL, sys.monitoring.events.LINE)
            try:
                holds(*args, **kwargs)
            except BaseException as error:
                if not isinstance(error, Exception | Hung):  # a rejected draw of hypothesis
                    raise
                print(f"--- {holds.__name__}: {type(error).__name__} of {args!r} {kwargs!r}"[:2000])
                raise
            finally:
                sys.monitoring.set_events(self.TOOL, 0)
                self.ever.setdefault(holds.__name__, set()).update(self.now)
            target(float(len(self.now)), label="lines of the package")

        return watched

    def told(self) -> str:
        """Inputs and lines by property."""
        rows = [
            f"{name:24} {count:8} inputs {len(self.ever.get(name, ())):6} lines"
            for name, count in self.inputs.items()
        ]
        every = set().union(*self.ever.values()) if self.ever else set()
        return "\n".join([*rows, f"{len(every)} lines of the package in all"])


def run_long(minutes: float, only: list[str], first: int) -> int:
    """Run the properties in turn until the time is over; how many failures there were."""
    end, failures, reach = time.monotonic() + 60 * minutes, 0, Reach()
    for turn, name in enumerate(itertools.cycle(only or PROPERTIES)):
        if time.monotonic() > end:
            break
        p = PROPERTIES[name]

        chosen = settings(
            max_examples=p.many,
            deadline=None,
            database=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.target, Phase.shrink),
        )
        try:
            chosen(seed(first + turn)(given(*p.given)(reach.watching(p.holds))))()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                break
            failures += 1
            print(f"--- {name}, seed {first + turn}", flush=True)
            print("".join(traceback.format_exception(error))[-3000:], flush=True)
            for note in getattr(error, "__notes__", ()):
                print(note, flush=True)
    print(f"{reach.told()}\n{failures} failures", flush=True)
    return failures


if __name__ == "__main__":
    given_minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    start = int(time.time()) % 1_000_000 if len(sys.argv) < 3 else int(sys.argv[2])
    sys.exit(run_long(given_minutes, sys.argv[3:], start) > 0)
