"""A fit on disk: read by name, guarded, whole after kills and full disks."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from example_models import noise

import bayessem as bs
from bayessem import SEM, load
from bayessem.disk import one_at_a_time
from bayessem.errors import BayessemWarning, FitError
from bayessem.results import run_folder

SHORT = {"draws": 50, "tune": 100, "chains": 2, "random_seed": 1, "progress": False}
NAMES = ("fit.json", "model.txt", "data.csv", "draws.nc", "estimates.csv", "summary.txt")


@pytest.fixture(scope="module")
def fit():
    return SEM("f =~ x1 + x2 + x3\ny ~ b*f + z").fit(noise("x1 x2 x3 y z", n=60), **SHORT)


GONE = object()


def record(folder, **changes):
    """fit.json with changes, some keys gone."""
    about = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    about = {k: v for k, v in {**about, **changes}.items() if v is not GONE}
    (folder / "fit.json").write_text(json.dumps(about), encoding="utf-8")
    return about


def unguarded(folder):
    """The folder as the first format had it: nothing can be verified."""
    about = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    for key in run_folder.SINCE_2:
        about.pop(key)
    about["format"] = 1
    about["dropped_rows"] = [str(x) for x in about["dropped_rows"]]
    (folder / "fit.json").write_text(json.dumps(about), encoding="utf-8")


# ------------------------------------------------------------------------------- labels, groups

INDICES = {
    "numbers": pd.Index(range(100, 160), name="id"),
    "texts": pd.Index([f"0{i}" for i in range(60)]),
    "floats": pd.Index(np.arange(60) + 0.5),
    "times": pd.date_range("2026-03-28", periods=60, freq="h", tz="Europe/Berlin"),
    "levels": pd.MultiIndex.from_product([list("abc"), range(20)], names=["team", "member"]),
    "repeated": pd.Index([1, 2, 3] * 20),
}


@pytest.mark.parametrize("kind", INDICES)
def test_scores_of_a_loaded_fit_join_the_data(tmp_path, kind):
    data = noise("x1 x2 x3", n=60).set_index(INDICES[kind])
    data.iloc[[4, 7]] = np.nan
    fresh = SEM("f =~ x1 + x2 + x3").fit(data, **SHORT)
    again = load(fresh.save(tmp_path / "run"))
    scores = fresh.scores()
    pd.testing.assert_frame_equal(again.scores(), scores, check_index_type="equiv")
    assert again.prepared.sample.dropped == fresh.prepared.sample.dropped
    assert [type(x) for x in again.prepared.sample.dropped] == [
        type(x) for x in fresh.prepared.sample.dropped
    ]
    if kind != "repeated":
        joined = data.join(again.scores())
        assert joined["f"].notna().sum() == 58
        pd.testing.assert_series_equal(joined["f"].dropna(), scores["f"], check_index_type="equiv")


@pytest.mark.filterwarnings("ignore:Only 50 samples")
def test_rows_with_several_labels_are_sampled_by_pymc_too(tmp_path):
    data = noise("x y", n=60).set_index(INDICES["levels"])
    fresh = SEM("y ~ x").fit(data, engine="pymc", **SHORT)
    again = load(fresh.save(tmp_path / "run"))
    np.testing.assert_array_equal(again.values, fresh.values)
    assert again.prepared.sample.rows.equals(data.index)


def test_groups_pooling_priors_and_settings_come_back(tmp_path):
    rng = np.random.default_rng(3)
    size = np.array([9, 14, 11, 13])
    data = noise("x y", n=47).assign(site=np.repeat([10, 20, 30, 40], size))
    data["w"] = np.repeat(rng.normal(size=4), size) + rng.normal(size=47)
    data.loc[0, ["x", "y"]] = np.nan  # out of the sample, but in the mean of w by site
    data.loc[20, "x"] = np.nan  # without its covariate
    pooling = bs.partial("y ~ x", by="w")
    fresh = SEM("y ~ x").fit(
        data,
        group="site",
        group_order=np.array([30, 10, 20]),
        pooling=pooling,
        priors={"sd(y~x)": bs.Prior("half_normal", sigma=1 / 3), "path": "normal(0, 1)"},
        **{
            **SHORT,
            "draws": np.int64(50),
            "random_seed": np.int32(7),
            "target_accept": np.float64(0.9),
        },
    )
    again = load(fresh.save(tmp_path / "run"))
    assert again.settings == fresh.settings
    assert again.prepared.asked == fresh.prepared.asked
    assert again.prepared.pooling == pooling
    assert again.prepared.sample.groups == ("30", "10", "20")
    assert again.prepared.sample.elsewhere == fresh.prepared.sample.elsewhere == 13
    assert again.prepared.sample.dropped == fresh.prepared.sample.dropped == (0, 20)
    assert again.prepared.notes == fresh.prepared.notes
    np.testing.assert_array_equal(again.prepared.predictor, fresh.prepared.predictor)
    assert again.prepared.space.coordinates == fresh.prepared.space.coordinates
    np.testing.assert_array_equal(again.values, fresh.values)
    assert repr(again.sem) == repr(fresh.sem)
    new = data.drop(columns="y").iloc[[12, 30]]
    pd.testing.assert_frame_equal(again.predict(new).table, fresh.predict(new).table)
    twice = load(again.save(tmp_path / "again"))
    assert twice.settings == fresh.settings


def test_a_predictor_that_is_a_variable_of_the_model_is_that_of_all_rows(tmp_path):
    data = noise("x y", n=60).assign(team=list("abc") * 20)
    data["x"] += data["team"].map({"a": 0.0, "b": 1.0, "c": 2.0})
    data.loc[5, "y"] = np.nan
    options = {"group": "team", "pooling": bs.partial("y ~ 1", by="x"), "missing": "listwise"}
    fresh = SEM("y ~ x").fit(data, **options, **SHORT)
    again = load(fresh.save(tmp_path / "run"))
    np.testing.assert_array_equal(again.prepared.predictor, fresh.prepared.predictor)
    assert fresh.prepared.predictor[2] == pytest.approx(data[data.team == "c"]["x"].mean())


def test_respondents_that_no_data_frame_could_have_now_are_loaded(tmp_path):
    """Of a group whose others lack their covariate one is left: fewer than `fit` takes."""
    data = noise("x y", n=30).assign(team=["a"] * 27 + ["b"] * 3)
    data.loc[[27, 28], "x"] = np.nan
    try:
        fresh = SEM("y ~ x", group_equal=("regressions", "residuals", "intercepts")).fit(
            data, group="team", **SHORT
        )
    except bs.BayessemError:
        pytest.skip("refused before sampling")
    again = load(fresh.save(tmp_path / "run"))
    np.testing.assert_array_equal(again.values, fresh.values)


# ----------------------------------------------------------------------------- by name, guarded


@pytest.mark.parametrize("name", NAMES)
def test_an_altered_file_is_refused_by_name(fit, tmp_path, name):
    folder = fit.save(tmp_path / "run")
    if name == "fit.json":
        about = json.loads((folder / name).read_text(encoding="utf-8"))
        record(folder, settings={**about["settings"], "draws": 49})
    else:
        content = (folder / name).read_bytes()
        other = b"8" if content[-3:-2] == b"7" else b"7"
        (folder / name).write_bytes(content[:-3] + other + content[-2:])
    with pytest.raises(FitError, match=f"run: {re.escape(name)} is not as the fit was saved"):
        load(folder)


def test_line_ends_that_a_program_converted_are_an_alteration(fit, tmp_path):
    folder = fit.save(tmp_path / "run")
    for name in ("model.txt", "data.csv"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content.replace(b"\n", b"\r\n"))
    with pytest.raises(FitError, match="model.txt and data.csv are not as"):
        load(folder)


def test_tables_for_reading_may_be_thrown_away(fit, tmp_path):
    folder = fit.save(tmp_path / "run")
    (folder / "summary.txt").unlink()
    np.testing.assert_array_equal(load(folder).values, fit.values)


def test_the_first_format_is_read_by_name_and_said_not_to_be_verified(fit, tmp_path):
    folder = fit.save(tmp_path / "run")
    unguarded(folder)
    text = (folder / "model.txt").read_text(encoding="utf-8")
    (folder / "model.txt").write_text(text.replace("b*f + z", "z + b*f"), encoding="utf-8")
    data = pd.read_csv(folder / "data.csv")
    data[["(row)", "z", "y", "x3", "x2", "x1"]].to_csv(folder / "data.csv", index=False)
    record(folder, data_hash=reordered_hash(fit, ["z", "y", "x3", "x2", "x1"]))
    with pytest.warns(BayessemWarning, match="cannot be verified") as told:
        again = load(folder)
    assert told[0].filename == __file__
    keys = ["lhs", "op", "rhs"]
    mine, theirs = (f.summary().set_index(keys)["mean"].sort_index() for f in (again, fit))
    np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    saved = again.save(tmp_path / "verified")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(saved)


def reordered_hash(fit, names):
    from dataclasses import replace

    sample = fit.prepared.sample
    at = [sample.variables.index(x) for x in names]
    return replace(sample, variables=tuple(names), values=sample.values[:, at]).hash


@pytest.mark.filterwarnings("ignore:.*cannot be verified")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("b*f + z", "b*f + z + x1", "the draws are not of the parameters of this model"),
        ("b*f + z", "b*f", "the variables of model.txt .* are not those of data.csv"),
        ("x2 + x3", "x3", "are not those of data.csv"),
        ("b*f + z", "b*f + 2*z", "the draws are not of the parameters of this model"),
        ("f =~", "f =", "line 1"),
    ],
)
def test_draws_of_other_parameters_are_refused(fit, tmp_path, old, new, message):
    folder = fit.save(tmp_path / "run")
    unguarded(folder)
    text = (folder / "model.txt").read_text(encoding="utf-8")
    (folder / "model.txt").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(FitError, match=message):
        load(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "7",
        '"fit"',
        "{",
        "{}",
        '{"format": null}',
        '{"format": "2"}',
        '{"format": [2]}',
        '{"format": 2}',
        "[" * 100_000,
        "\ufffd",
    ],
)
def test_a_fit_json_that_holds_something_else_is_one_error(fit, tmp_path, text):
    folder = fit.save(tmp_path / "run")
    (folder / "fit.json").write_text(text, encoding="utf-8")
    with pytest.raises(FitError, match="run"):
        load(folder)


@pytest.mark.parametrize("key", run_folder.RECORD)
def test_a_fit_json_without_a_key_or_with_a_wrong_one_is_one_error(fit, tmp_path, key):
    folder = fit.save(tmp_path / "run")
    about = record(folder)
    for wrong in (GONE, "x", 1.5, [[]], {"a": 1}):
        (folder / "fit.json").write_text(json.dumps(about), encoding="utf-8")
        record(folder, **{key: wrong})
        if key in ("versions", "predictor") and isinstance(wrong, dict | list):
            continue
        with pytest.raises(FitError, match="run"):
            load(folder)


@pytest.mark.filterwarnings("ignore:.*cannot be verified")
@pytest.mark.parametrize("key", [k for k in run_folder.RECORD if k not in run_folder.SINCE_2])
def test_a_first_fit_json_without_a_key_is_one_error(fit, tmp_path, key):
    folder = fit.save(tmp_path / "run")
    unguarded(folder)
    record(folder, **{key: GONE})
    with pytest.raises(FitError, match=f"has no '{key}'"):
        load(folder)


@pytest.mark.filterwarnings("ignore:.*cannot be verified")
@pytest.mark.parametrize("name", NAMES[1:4])
@pytest.mark.parametrize("cut", [0, 1, 60, -5])
def test_a_cut_file_is_one_error_without_checksums_too(fit, tmp_path, name, cut):
    folder = fit.save(tmp_path / "run")
    unguarded(folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:cut])
    if content[:cut].strip() == content.strip():
        return
    with pytest.raises(FitError, match="run"):
        load(folder)


# ------------------------------------------------------------------------------ disk and kills

CHILD = """
import os, signal, sys, time
import numpy as np, pandas as pd
from bayessem import SEM, load
from bayessem.results import run_folder
from bayessem import disk
fit = load({source!r})
target = {target!r}
{body}
"""


def child(source, target, body):
    """Another process that loads a fit and does something with it."""
    code = CHILD.format(source=str(source), target=str(target), body=body)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_a_full_disk_is_one_error_and_the_old_fit_stays(fit, tmp_path):
    """The system refuses to write more of a file, as when the disk is full."""
    source = fit.save(tmp_path / "source")
    folder = fit.save(tmp_path / "run")
    before = (folder / "fit.json").read_bytes()
    body = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    fit.save(target)
except Exception as error:
    print(type(error).__name__, error)
"""
    code, out, err = ended(child(source, folder, body))
    assert (code, err) == (0, "")
    assert out == f"FitError the fit cannot be saved in {folder}: file too large\n"
    assert (folder / "fit.json").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "source"]
    np.testing.assert_array_equal(load(folder).values, fit.values)


@pytest.mark.parametrize("name", ["model.txt", "draws.nc", "fit.json"])
def test_whatever_file_fails_the_old_fit_stays(fit, tmp_path, monkeypatch, name):
    folder = fit.save(tmp_path / "run")
    write = run_folder.write_file

    def full(path, content):
        if path.name == name:
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(run_folder, "write_file", full)
    with pytest.raises(FitError, match="saved in .*run: no space left on device"):
        fit.save(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    load(folder)


KILLED = {
    "while writing": """
write = run_folder.write_file
def killed(path, content):
    if path.name == "draws.nc":
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, content)
run_folder.write_file = killed
fit.save(target)
""",
    "before it gets its name": """
def killed(target, new, *, old):
    os.kill(os.getpid(), signal.SIGKILL)
run_folder._replace = killed
fit.save(target)
""",
    "between two names": """
def killed(target, new, *, old):
    target.rename(old)
    os.kill(os.getpid(), signal.SIGKILL)
run_folder._replace = killed
fit.save(target)
""",
    "before the old one is gone": """
def killed(old, target):
    os.kill(os.getpid(), signal.SIGKILL)
run_folder._remove_old = killed
fit.save(target)
""",
}


@pytest.mark.parametrize("when", KILLED)
@pytest.mark.parametrize("first", ["load", "save"])
def test_a_killed_save_leaves_a_fit_and_the_next_one_tidies_up(fit, tmp_path, when, first):
    source = fit.save(tmp_path / "source")
    folder = fit.save(tmp_path / "run")
    (folder / "report.html").write_text("mine", encoding="utf-8")
    code, _, err = ended(child(source, folder, KILLED[when]))
    assert code == -signal.SIGKILL, err
    assert any(p.name.startswith(".run.") for p in tmp_path.iterdir())
    if first == "load":
        np.testing.assert_array_equal(load(folder).values, fit.values)
    fit.save(folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "source"]
    assert (folder / "report.html").read_text(encoding="utf-8") == "mine"
    load(folder)


def test_what_a_live_process_writes_is_left_alone(fit, tmp_path):
    source = fit.save(tmp_path / "source")
    folder = tmp_path / "run"
    body = """
write = run_folder.write_file
def slow(path, content):
    if path.name == "draws.nc":
        print("writing", flush=True)
        sys.stdin.readline()
    write(path, content)
run_folder.write_file = slow
fit.save(target)
"""
    code = CHILD.format(source=str(source), target=str(folder), body=body)
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "writing\n"
    fit.save(folder)
    (partial,) = tmp_path.glob(".run.partial-*")
    assert (partial / "model.txt").exists()
    _, err = other.communicate("go on\n", timeout=120)
    assert (other.returncode, err) == (0, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "source"]
    load(folder)


def test_left_overs_of_other_machines_and_other_names_are_left_alone(fit, tmp_path):
    others = [
        ".run.partial-elsewhere-999999999-0123abcd",
        ".run.partial-mine",
        ".runner.partial-x-1-0123abcd",
    ]
    for name in others:
        (tmp_path / name).mkdir()
    fit.save(tmp_path / "run")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*others, "run"])


def test_a_save_does_not_look_while_another_one_replaces(fit, tmp_path):
    """Between two moves of another save there is no folder of a fit under the name."""
    folder, aside, failures = tmp_path / "run", tmp_path / "aside", []
    fit.save(folder)

    def save():
        try:
            fit.save(folder)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=save)
    with one_at_a_time(tmp_path):
        folder.rename(aside)
        folder.write_text("no folder")
        thread.start()
        thread.join(0.5)
        folder.unlink()
        aside.rename(folder)
    thread.join()
    assert not failures
    assert load(folder).prepared.sample.size == fit.prepared.sample.size


def test_saves_at_once_leave_one_whole_fit(fit, tmp_path):
    folder, failures = tmp_path / "run", []

    def save():
        try:
            for _ in range(5):
                fit.save(folder)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    seen = 0
    while any(t.is_alive() for t in threads):
        if folder.exists():
            seen += 1
        time.sleep(0.01)
    assert not failures
    assert seen
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    np.testing.assert_array_equal(load(folder).values, fit.values)


# ---------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("what", ["file", "below a file", "long", "nul", "number"])
def test_a_place_that_cannot_be_written_is_one_error_before_any_work(fit, tmp_path, what):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    place = {
        "file": tmp_path / "file",
        "below a file": tmp_path / "file" / "a" / "run",
        "long": tmp_path / ("x" * 300),
        "nul": "a\0b",
        "number": 7,
    }[what]
    for refuse in (run_folder.require_folder, fit.save):
        with pytest.raises(FitError, match="not replaced|cannot be saved in|is not a path"):
            refuse(place)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_error(fit, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    for refuse in (run_folder.require_folder, fit.save):
        with pytest.raises(FitError, match="closed/run: permission denied"):
            refuse(closed / "run")


def test_a_folder_that_can_be_written_is_left_as_it_is(tmp_path):
    run_folder.require_folder(tmp_path / "a" / "b" / "run")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_and_a_link_to_a_fit_are_no_obstacles(fit, tmp_path):
    (tmp_path / "run").mkdir()
    run_folder.require_folder(tmp_path / "run")
    folder = fit.save(tmp_path / "run")
    (tmp_path / "link").symlink_to(folder)
    fit.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "run"]
    load(tmp_path / "link")


@pytest.mark.parametrize("what", ["file", "nothing", "below a file"])
def test_what_is_no_folder_is_not_loaded(tmp_path, what):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    place = tmp_path / {"file": "file", "nothing": "no", "below a file": "file/run"}[what]
    with pytest.raises(FitError, match="is not the folder of a fit|cannot be read"):
        load(place)


def test_a_folder_may_be_moved_and_copied(fit, tmp_path):
    folder = fit.save(tmp_path / "run")
    shutil.copytree(folder, tmp_path / "copy")
    folder.rename(tmp_path / "moved")
    for name in ("copy", "moved"):
        np.testing.assert_array_equal(load(tmp_path / name).values, fit.values)
