"""Figures of results. They draw what other functions computed, and return matplotlib's objects."""

from bayessem.plots.calibration import plot_calibration
from bayessem.plots.comparison import (
    plot_comparison,
    plot_loo_pit,
    plot_pareto_k,
    plot_pointwise,
)
from bayessem.plots.criticism import (
    plot_discrepancy,
    plot_prior_consequences,
    plot_residuals,
    plot_sensitivity,
)
from bayessem.plots.forest import plot_effects, plot_estimates
from bayessem.plots.measurement import plot_measurement
from bayessem.plots.mediation import plot_mediation
from bayessem.plots.pooling import plot_poolings
from bayessem.plots.predictive import plot_predictive
from bayessem.plots.shape import plot_shape
from bayessem.plots.traces import plot_traces
from bayessem.plots.whatif import plot_johnson_neyman, plot_slopes, plot_what_if

__all__ = [
    "plot_calibration",
    "plot_comparison",
    "plot_discrepancy",
    "plot_effects",
    "plot_estimates",
    "plot_johnson_neyman",
    "plot_loo_pit",
    "plot_measurement",
    "plot_mediation",
    "plot_pareto_k",
    "plot_pointwise",
    "plot_poolings",
    "plot_predictive",
    "plot_prior_consequences",
    "plot_residuals",
    "plot_sensitivity",
    "plot_shape",
    "plot_slopes",
    "plot_traces",
    "plot_what_if",
]
