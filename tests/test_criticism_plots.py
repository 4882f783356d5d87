"""Figures of model criticism show the numbers of their results."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn import drawn_fit, measured

from bayessem import plots
from bayessem.criticism.indices import fit_indices
from bayessem.criticism.predictive import predictive_check
from bayessem.criticism.prior_consequences import prior_consequences
from bayessem.criticism.residuals import residuals
from bayessem.criticism.sensitivity import sensitivity
from bayessem.errors import ModelError


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_discrepancies_are_densities_with_the_ppp(hs_fit):
    result = fit_indices(hs_fit)
    ax = plots.plot_discrepancy(result)
    assert "PPP" in ax.get_xlabel()
    peaks = [float(line.get_xdata()[np.argmax(line.get_ydata())]) for line in ax.lines]
    assert peaks[0] == pytest.approx(float(np.median(result.discrepancy)), abs=5)
    assert peaks[1] == pytest.approx(np.median(result.replicated), abs=8)


def test_residuals_are_a_triangle_with_the_large_ones_in_figures(hs_fit):
    result = residuals(hs_fit)
    figure = plots.plot_residuals(result)
    ax = figure.axes[0]
    assert len(ax.texts) == int(result.table["large"].sum())
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert np.isnan(shown[np.triu_indices(9)]).all()
    np.testing.assert_allclose(shown[1, 0], result.matrix().to_numpy()[1, 0])
    with pytest.raises(ModelError, match="not in this result"):
        plots.plot_residuals(result, group="a")


def test_predictive_correlations_are_points_on_intervals(hs_fit):
    result = predictive_check(hs_fit, draws=40)
    ax = plots.plot_predictive(result).axes[0]
    first = result.table.iloc[0]
    assert list(ax.lines[0].get_xdata()) == [first["lower"], first["upper"]]
    assert ax.lines[2].get_xdata()[0] == first["observed"]
    assert ax.get_yticklabels()[0].get_text() == first["quantity"].replace("~~", "↔")


def test_predictive_indicators_have_a_panel_each(hs_fit):
    result = predictive_check(hs_fit, "indicators", draws=10)
    figure = plots.plot_predictive(result)
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_visible()]
    assert sorted(titles) == sorted(hs_fit.prepared.sample.variables)
    assert len(figure.axes[0].lines) == 11  # ten data sets and the data


def quadratic():
    return drawn_fit(measured("F", "G") + "\nG ~ a*F + c*F:F", n=100, a=0.4, c=0.3)


def test_predictive_shapes_are_curves_with_a_band():
    result = predictive_check(quadratic(), "shape", draws=30)
    ax = plots.plot_predictive(result).axes[0]
    np.testing.assert_array_equal(ax.lines[-1].get_ydata(), result.curves["observed"])
    assert ax.get_ylabel() == "Score of G, SD"


def test_prior_consequences_have_a_panel_a_quantity():
    result = prior_consequences(quadratic().prepared, draws=200)
    figure = plots.plot_prior_consequences(result)
    assert figure.axes[0].get_title(loc="left") == "R2 of G"
    counts = sum(patch.get_height() for patch in figure.axes[0].patches)
    assert counts == 200


def test_sensitivities_are_points_with_the_threshold(hs_fit):
    result = sensitivity(hs_fit, threshold=0.02)
    ax = plots.plot_sensitivity(result)
    shown = sum(len(line.get_xdata()) for line in ax.lines if line.get_linestyle() == "None")
    assert shown == len(result.table)
    assert len(ax.texts) == min(6, int((result.table["prior"] >= 0.02).sum()))
