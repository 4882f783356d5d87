"""Figures of comparison show the numbers of the results they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bayessem import plots
from bayessem.comparison.compare import compare_results
from bayessem.comparison.criterion import Target
from bayessem.comparison.loo import MATCHED, PSIS, REFITTED, Loo
from bayessem.comparison.pit import LooPit
from bayessem.errors import FitError

N = 30


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def result(shift: float = 0.0, *, seed: int = 1) -> Loo:
    """LOO of made-up numbers, three respondents above the limit."""
    rng = np.random.default_rng(seed)
    rows = tuple(f"r{i}" for i in range(N))
    k = rng.uniform(0, 0.5, N)
    k[[3, 8, 20]] = 0.9, 1.1, 0.8
    how = np.full(N, PSIS, dtype=object)
    how[[3, 8]] = MATCHED, REFITTED
    elpd = np.random.default_rng(0).normal(-9, 2, N) + rng.normal(shift, 1, N)
    point = pd.DataFrame(
        {"elpd": elpd, "lppd": elpd + 0.2, "pareto_k": k, "k_used": k, "how": how},
        index=pd.Index(rows, name="respondent"),
    )
    target = Target("respondent", rows, ("y",), np.zeros((N, 1)), rows, ())
    return Loo(target, "PSIS-LOO", point, 4000, 0.7, ())


def test_pareto_k():
    given = result()
    ax = plots.plot_pareto_k(given, names=2)
    shown = {line.get_label(): line.get_ydata() for line in ax.lines if len(line.get_ydata()) < N}
    assert list(shown["moment matching (1)"]) == [0.9]
    assert list(shown["exact refit (1)"]) == [1.1]
    assert list(shown["not repaired (1)"]) == [0.8]
    named = {text.get_text() for text in ax.texts}
    assert {"r8", "r3", "limit .70"} == named
    assert ax.get_ylim()[1] > 1.1


def test_pareto_k_without_trouble():
    given = result()
    quiet = Loo(given.target, "", given.pointwise.assign(pareto_k=0.1, k_used=0.1), 4000, 0.7, ())
    assert plots.plot_pareto_k(quiet).get_legend() is None


def test_differences_with_their_standard_errors():
    found = compare_results({"a": result(), "b": result(-2, seed=5)}, (), random_seed=1)
    ax = plots.plot_comparison(found)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    row = found.table.loc["b"]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([0, row["difference"]])
    wide = ax.lines[-3].get_xdata()
    half = 2 * row["se_difference"]
    assert list(wide) == pytest.approx([row["difference"] - half, row["difference"] + half])


def test_who_favours_which_model():
    found = compare_results({"a": result(), "b": result(-2, seed=5)}, (), random_seed=1)
    ax = plots.plot_pointwise(found, names=3)
    gap = found.differences["b"]
    drawn = np.concatenate([line.get_ydata() for line in ax.lines[:2]])
    np.testing.assert_allclose(np.sort(drawn), np.sort(gap))
    assert {text.get_text() for text in ax.texts} == set(found.influential("b", count=3).index)
    assert f"favour a: {(gap < 0).sum()}," in ax.get_legend().get_texts()[0].get_text()
    with pytest.raises(FitError, match="its best model"):
        plots.plot_pointwise(found, "a")


def test_pit_curves():
    x = np.linspace(0, 1, 11)
    curve = pd.DataFrame({"x": x, "difference": 0.1 * x, "lower": x - 1, "upper": x})
    table = pd.DataFrame(
        {"outside": [False, True], "verdict": ["calibrated", "predicted too low"]}, index=["u", "v"]
    )
    given = LooPit(table, pd.DataFrame(), {"u": curve, "v": 2 * curve}, 0.99, ())
    figure = plots.plot_loo_pit(given)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["u", "v"]
    np.testing.assert_allclose(figure.axes[0].lines[-1].get_ydata(), 0.1 * x)
    assert " ".join(figure.axes[1].get_xlabel().split()) == "predicted too low"
    assert not figure.axes[0].get_xlabel()
