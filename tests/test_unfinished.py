"""Draws are on disk as they come: a killed run is read up to the last of them."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from example_models import ABILITIES, DATA, abilities

import bayessem as bs
from bayessem.errors import BayessemWarning, FitError
from bayessem.results.run_folder import UNFINISHED
from bayessem.store import read_store

SEM = bs.SEM(ABILITIES)
SHORT = {"draws": 150, "tune": 100, "chains": 2, "random_seed": 4, "progress": False}
DRIVER = """
import pandas as pd
import bayessem as bs
bs.SEM({model!r}, std_lv=True).fit(
    pd.read_csv({data!r}), draws=200000, tune=100, chains=2, cores=2, random_seed=4,
    progress=False, out={out!r},
)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run in a folder, and the same without one."""
    folder = tmp_path_factory.mktemp("runs") / "a"
    return SEM.fit(abilities(), out=folder, **SHORT), folder, SEM.fit(abilities(), **SHORT)


def test_draws_are_the_same_with_and_without_a_folder(whole):
    written, folder, plain = whole
    np.testing.assert_array_equal(written.values, plain.values)
    loaded = bs.load(folder)
    np.testing.assert_array_equal(loaded.values, plain.values)
    assert not (folder / UNFINISHED).exists()


def test_a_finished_run_is_not_overwritten(whole):
    _, folder, _ = whole
    before = (folder / "fit.json").read_bytes()
    with pytest.raises(FitError, match="holds a finished fit: .* overwrite=True"):
        SEM.fit(abilities(), out=folder, **SHORT)
    assert (folder / "fit.json").read_bytes() == before
    other = SEM.fit(abilities(), out=folder, overwrite=True, **{**SHORT, "random_seed": 5})
    np.testing.assert_array_equal(bs.load(folder).values, other.values)


def test_a_folder_of_something_else_is_refused_before_sampling(tmp_path, monkeypatch):
    monkeypatch.setattr("bayessem.results.unfinished.estimate", None)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FitError, match="is not the folder of a fit"):
        SEM.fit(abilities(), out=tmp_path, overwrite=True, **SHORT)
    with pytest.raises(FitError, match="overwrite is True or False"):
        SEM.fit(abilities(), out=tmp_path / "a", overwrite="no", **SHORT)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a run that was killed when it had some hundred draws."""
    folder = tmp_path_factory.mktemp("runs") / "killed"
    code = DRIVER.format(
        model=ABILITIES, data=str(DATA / "holzinger_swineford_1939.csv"), out=str(folder)
    )
    run = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 240
    while min(written(folder / UNFINISHED)) < 150:
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    run.wait()
    return folder


def written(path: Path) -> list[int]:
    """Draws of each chain that are on disk."""
    counts = [0, 0]
    if path.exists():
        try:
            for name, piece in read_store(path, "fit")[1].items():
                counts[int(name.split()[0])] += piece["values"]["shape"][0]
        except FitError:  # just being made
            pass
    return counts


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_a_killed_run_loads_up_to_its_last_draw(killed):
    counts = written(killed / UNFINISHED)
    with pytest.warns(BayessemWarning, match=r"unfinished run \(.* of 200000 draws of 2 chains"):
        fit = bs.load(killed)
    assert fit.settings["draws"] == min(counts)
    assert any("sampling was interrupted" in note for note in fit.notes)
    assert fit.loo().n == 301
    sem = bs.SEM(ABILITIES, std_lv=True)
    again = sem.fit(
        abilities(), draws=min(counts), tune=100, chains=2, random_seed=4, progress=False
    )
    np.testing.assert_array_equal(fit.values, again.values)
    np.testing.assert_array_equal(fit.summary().to_numpy(), again.summary().to_numpy())


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_sampling_into_an_unfinished_run_says_why_not(killed, tmp_path):
    with pytest.raises(FitError, match=r"unfinished run .* cannot be continued.* overwrite=True"):
        SEM.fit(abilities(), out=killed, **SHORT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bs.load(killed).save(tmp_path / "kept")
    assert bs.load(tmp_path / "kept").settings["draws"] >= 150
    fit = SEM.fit(abilities(), out=killed, overwrite=True, **SHORT)
    np.testing.assert_array_equal(bs.load(killed).values, fit.values)
    assert not (killed / UNFINISHED).exists()
