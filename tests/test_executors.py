"""What runs as many fits gives the same on workers as here."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, abilities

import bayessem as bs
from bayessem.calibration.families import FAMILIES, prepared_family
from bayessem.calibration.sbc import calibrate
from bayessem.errors import FitError
from bayessem.ml.bootstrap import bootstrap

SHORT = {"draws": 120, "tune": 120, "chains": 2, "random_seed": 3, "progress": False}


@pytest.fixture(scope="module")
def workers():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def small_fit():
    return bs.SEM(ABILITIES).fit(abilities(), **SHORT)


def test_bootstrap(workers):
    prepared = bs.SEM(ABILITIES + "ratio := 2\n").prepare(abilities())
    here, there = (
        bootstrap(prepared, 30, random_seed=3, progress=False, executor=executor)
        for executor in (None, workers)
    )
    np.testing.assert_array_equal(here.draws, there.draws)
    assert here.names == there.names


def test_kfold(workers, small_fit):
    here, there = (
        small_fit.kfold(k=3, random_seed=2, executor=executor) for executor in (None, workers)
    )
    pd.testing.assert_frame_equal(here.pointwise, there.pointwise)
    assert here.notes == there.notes


def test_exact_refits_of_loo(workers, small_fit, monkeypatch):
    monkeypatch.setattr("bayessem.comparison.loo.good_k", lambda draws: 0.12)
    first = small_fit.loo(refit=False, moment_match=False).pointwise["pareto_k"]
    some = int((first > 0.12).sum())
    assert some
    calls = {"moment_match": False, "max_refits": some, "random_seed": 5}
    monkeypatch.setattr(
        "bayessem.comparison.loo.good_k", lambda draws: float(first.nlargest(3).min())
    )
    here, there = (small_fit.loo(executor=executor, **calls) for executor in (None, workers))
    assert here.repaired["exact refit"] == 2
    pd.testing.assert_frame_equal(here.pointwise, there.pointwise)


def test_calibration(workers):
    prepared = prepared_family(FAMILIES["linear"])
    calls = {"fits": 4, "draws": 100, "tune": 100, "ranked": 50, "random_seed": 9}
    here, there = (calibrate(prepared, executor=executor, **calls) for executor in (None, workers))
    np.testing.assert_array_equal(here.ranks, there.ranks)
    assert (here.effective, here.divergences) == (there.effective, there.divergences)


@pytest.mark.filterwarnings("ignore::bayessem.errors.BayessemWarning")
def test_poolings_and_invariance(workers):
    data = abilities()
    sem = bs.SEM("visual =~ x1 + x2 + x3\nspeed =~ x7 + x8 + x9\nspeed ~ visual")
    here, there = (
        bs.compare_poolings(sem, data, "speed ~ visual", group="school", executor=x, **SHORT)
        for x in (None, workers)
    )
    pd.testing.assert_frame_equal(here.table, there.table)
    pd.testing.assert_frame_equal(here.comparison.table, there.comparison.table)
    sem = bs.SEM("visual =~ x1 + x2 + x3\nspeed =~ x7 + x8 + x9")
    here, there = (
        sem.invariance(data, group="school", approximate=0.1, executor=executor, **SHORT)
        for executor in (None, workers)
    )
    pd.testing.assert_frame_equal(here.bayesian, there.bayesian)
    assert here.notes == there.notes


def test_an_executor_is_checked_before_anything_else(small_fit):
    for call in (
        lambda: small_fit.kfold(executor="all"),
        lambda: small_fit.loo(executor="all"),
        lambda: bs.SEM(ABILITIES).bootstrap(abilities(), 10, executor="all", progress=False),
    ):
        with pytest.raises(FitError, match="executor is None"):
            call()
