"""Figures of results. They draw what other functions computed, and return matplotlib's objects."""

from bayessem.plots.forest import plot_effects, plot_estimates
from bayessem.plots.measurement import plot_measurement
from bayessem.plots.traces import plot_traces

__all__ = ["plot_effects", "plot_estimates", "plot_measurement", "plot_traces"]
