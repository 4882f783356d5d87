"""nutpie is imported without ArviZ, and whoever wants ArviZ gets all of it; draws as arrays."""

import io
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow

from bayessem.likelihood.compiled import PACKAGE
from bayessem.posterior.nuts import _progress, _stacked

CODE = """
import sys
import bayessem.posterior.nuts
assert not any(name.startswith("arviz") for name in sys.modules)
import inspect
inspect.stack()  # looks through all modules
import arviz_stats, arviz, nutpie
assert arviz.summary is arviz_stats.summary
sample = sys.modules["nutpie.sample"]
assert sample.arviz is not arviz
assert sample.arviz.from_dict is arviz.from_dict
"""


def test_arviz_is_left_for_those_who_want_it():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_fits_a_narrow_terminal(monkeypatch):
    options = {"progress_bar": True, "chains": 2, "tune": 1000, "draws": 5000}
    chains = [SimpleNamespace(finished_draws=n, divergences=n // 500) for n in (1500, 3000)]
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    with _progress(options) as used:
        assert used["progress_bar"] is False
        used["progress_callback"](chains)
    line = sys.stderr.getvalue().split("\r")[1]
    assert (
        "draws [" in line
        and "4500/12000, 9 divergences, " in line
        and line.rstrip().endswith("left")
    )
    assert len(line) <= 80
    monkeypatch.setenv("COLUMNS", "120")
    with _progress(options) as used:
        assert used is options  # nutpie's own table
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with _progress(options) as used:
        assert used is options


def test_columns_of_unequal_chains_become_arrays():
    numbers = [pyarrow.array([0.0, 1.0, None, 3.0]), pyarrow.array([0.0, 5.0])]
    np.testing.assert_array_equal(
        _stacked(numbers, [1, 1]), [[1.0, np.nan, 3.0], [5.0, np.nan, np.nan]]
    )
    flags = [pyarrow.array([True, None, True]), pyarrow.array([False])]
    np.testing.assert_array_equal(
        _stacked(flags, [0, 0]), [[True, False, True], [False, False, False]]
    )
    kind = pyarrow.large_list(pyarrow.float64())
    vectors = [pyarrow.array([[1.0, 2.0], [3.0, 4.0]], type=kind)]
    np.testing.assert_array_equal(_stacked(vectors, [1], 2), [[[3.0, 4.0]]])
    # chains that were interrupted while warming up
    nothing = pyarrow.array([], type=kind)
    assert _stacked([nothing, nothing], [0, 0], 2).shape == (2, 0, 2)
    np.testing.assert_array_equal(
        _stacked([*vectors, nothing], [1, 0], 2), [[[3.0, 4.0]], [[np.nan, np.nan]]]
    )
    texts = [pyarrow.array(["warm", "error", None])]
    np.testing.assert_array_equal(_stacked(texts, [1]), [["error", "None"]])
