"""The bootstrap: repeatable on any number of cores, and constructs run one way in all samples."""

import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, abilities, alliance

from bayessem import SEM, threads
from bayessem.errors import ModelError
from bayessem.ml import bootstrap as module
from bayessem.ml.bootstrap import bootstrap, oriented
from bayessem.model.signs import free_turns

SQUARE = "COORD =~ co1 + co2 + co3\nRAD =~ ra1 + ra2 + ra3\nRAD ~ COORD + COORD:COORD"


@pytest.mark.parametrize(("model", "data"), [(ABILITIES, abilities), (SQUARE, alliance)])
def test_the_numbers_do_not_depend_on_the_number_of_workers(model, data, monkeypatch):
    monkeypatch.setattr(threads, "AT_ONCE", 7)
    used: set[int] = set()
    original = module._resampled

    def resampled(*given):
        used.add(threading.get_ident())
        return original(*given)

    monkeypatch.setattr(module, "_resampled", resampled)
    prepared = SEM(model).prepare(data())
    one, two, five = (
        bootstrap(prepared, 16, cores=cores, random_seed=3, progress=False) for cores in (1, 2, 5)
    )
    assert len(used) > 2
    np.testing.assert_array_equal(one.draws, two.draws)
    np.testing.assert_array_equal(one.draws, five.draws)
    fewer = bootstrap(prepared, 9, cores=2, random_seed=3, progress=False)
    np.testing.assert_array_equal(fewer.draws, one.draws[:9])
    other = bootstrap(prepared, 9, cores=2, random_seed=4, progress=False)
    assert (other.draws != fewer.draws).all(axis=1).all()


def test_standard_errors_are_those_of_theory():
    r = np.random.default_rng(1)
    x = r.normal(size=400)
    data = pd.DataFrame({"x": x, "y": 0.5 * x + r.normal(size=400)})
    found = SEM("y ~ x").bootstrap(data, 400, random_seed=1, progress=False).summary()
    known = SEM("y ~ x").ml(data).table.set_index("op")["se"]["~"]
    assert found.loc["y~x", "se"] == pytest.approx(known, rel=0.2)


def weak_construct(seed=2, n=60):
    r = np.random.default_rng(seed)
    f = r.normal(size=n)
    y = 0.3 * f + r.normal(size=n)
    items = {f"x{i}": 0.25 * f + r.normal(size=n) for i in range(1, 5)}
    return pd.DataFrame(items | {"y": y})


def test_a_weak_construct_without_marker_runs_one_way_in_all_samples(monkeypatch):
    turned = []
    original = module.oriented

    def counted(x, *given):
        out = original(x, *given)
        turned.append(not np.array_equal(x, out))
        return out

    monkeypatch.setattr(module, "oriented", counted)
    sem = SEM("f =~ x1 + x2 + x3 + x4\ny ~ f", std_lv=True)
    fit = sem.ml(weak_construct(), se="expected")  # as the bootstrap does
    found = sem.bootstrap(weak_construct(), 60, random_seed=1, progress=False)
    se = np.sqrt(np.diag(fit.covariance))
    turning = [i for i, name in enumerate(found.names) if name.startswith(("f=~", "y~f"))]
    near = found.draws[:, turning] @ (fit.x[turning] / se[turning] ** 2)
    assert (near > 0).all()
    assert any(turned)  # some were found on the other side


def test_a_bootstrap_needs_no_standard_errors(monkeypatch):
    sem = SEM("y ~ x1 + x2")
    data = weak_construct()
    with_errors = sem.bootstrap(data, 5, random_seed=1, progress=False)
    original = module.fit_ml

    def without(prepared, **options):
        fit = original(prepared, **options)
        return replace(fit, covariance=np.full_like(fit.covariance, np.nan))

    monkeypatch.setattr(module, "fit_ml", without)
    found = sem.bootstrap(data, 5, random_seed=1, progress=False)
    np.testing.assert_allclose(found.draws, with_errors.draws, atol=1e-6)


def test_a_solution_is_turned_towards_the_estimate():
    sem = SEM("f =~ x1 + x2 + x3 + x4\ng =~ y1 + y2 + y3\ng ~ f", std_lv=True)
    r = np.random.default_rng(3)
    f = r.normal(size=300)
    g = 0.5 * f + r.normal(size=300)
    data = pd.DataFrame(
        {f"x{i}": f + r.normal(size=300) for i in range(1, 5)}
        | {f"y{i}": g + r.normal(size=300) for i in range(1, 4)}
    )
    fit = sem.ml(data)
    turns = free_turns(fit.prepared.structure)
    assert len(turns) == 2
    names = fit.prepared.table.parameters
    for chosen in ([turns[0]], [turns[1]], list(turns)):
        x = fit.x.copy()
        for turn in chosen:
            x[[name in turn.parameters for name in names]] *= -1
        np.testing.assert_array_equal(oriented(x, fit, turns), fit.x)
    np.testing.assert_array_equal(oriented(fit.x, fit, turns), fit.x)


def test_the_number_of_cores_is_checked():
    with pytest.raises(ModelError, match="cores has to be at least 1, not 0"):
        SEM("y ~ f").bootstrap(
            pd.DataFrame({"y": [1.0, 2, 4, 3], "f": [1.0, 3, 2, 5]}), 10, cores=0
        )


def test_ordered_answers_have_the_spread_of_theory(monkeypatch):
    """Loadings in delta: the standard errors of the observed information, on two workers, too."""
    true = {"f=~a": 0.8, "f=~b": 0.7, "f=~c": 0.75, "a|t1": -0.6, "a|t2": 0.5, "b|t1": 0.1}
    true |= {"c|t1": -0.3, "c|t2": 0.8}
    sem = SEM("f =~ a + b + c", std_lv=True, ordered=True)
    data = sem.simulate(true, 400, random_seed=2)
    found = sem.bootstrap(data, 120, random_seed=1, progress=False)
    ml = sem.ml(data)
    summary, known = found.summary(), np.sqrt(np.diag(ml.covariance))
    np.testing.assert_allclose(found.estimate, ml.x, rtol=1e-4)
    assert found.failed == 0
    for i, name in enumerate(ml.prepared.table.parameters):
        # the sd of 120 draws has a relative standard error of .065; the sampling distribution of
        # loadings is not normal, and the information is that of the data
        assert summary.loc[name, "se"] == pytest.approx(known[i], rel=0.35)
    again = sem.bootstrap(data, 7, cores=2, random_seed=1, progress=False)
    np.testing.assert_array_equal(again.draws, found.draws[:7])
