"""Figures of results. They draw what other functions computed, and return matplotlib's objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bayessem.comparison.compare_result import Comparison
from bayessem.comparison.loo import Loo
from bayessem.comparison.pit import LooPit
from bayessem.criticism.indices import Indices
from bayessem.criticism.predictive import PredictiveCheck
from bayessem.criticism.prior_consequences import PriorConsequences
from bayessem.criticism.residuals import Residuals
from bayessem.criticism.response_check import ResponseCheck
from bayessem.criticism.sensitivity import Sensitivity
from bayessem.effects.category_effects import CategoryEffects
from bayessem.effects.effects import Effects
from bayessem.effects.importance import ImportancePerformance
from bayessem.effects.mediation_result import Mediation
from bayessem.effects.slopes import Slopes
from bayessem.effects.whatif import WhatIf
from bayessem.measurement.quality_result import Measurement
from bayessem.moderation.poolings import Poolings
from bayessem.planning.result import Design
from bayessem.plots.calibration import plot_calibration
from bayessem.plots.category_effects import plot_category_effects
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
from bayessem.plots.design import plot_design
from bayessem.plots.forest import plot_effects, plot_estimates
from bayessem.plots.importance import plot_importance
from bayessem.plots.measurement import plot_measurement
from bayessem.plots.mediation import plot_mediation
from bayessem.plots.pooling import plot_poolings
from bayessem.plots.predictive import plot_predictive
from bayessem.plots.response_check import plot_response_check
from bayessem.plots.response_surface import plot_response_surface, plot_surface_3d
from bayessem.plots.shape import plot_shape
from bayessem.plots.traces import plot_traces
from bayessem.plots.whatif import plot_johnson_neyman, plot_slopes, plot_what_if
from bayessem.results.fitted import Fitted
from bayessem.shapes.cubic_result import CubicShape
from bayessem.shapes.response_surface_result import ResponseSurface
from bayessem.shapes.shape_result import Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More values of a moderator than this are a curve.
FEW_VALUES = 20


def _slopes(result: Slopes) -> Axes | Figure:
    """Regions where the moderator was followed, points at the values that were asked for."""
    if len(result.regions) or result.table["value_sd"].nunique() > FEW_VALUES:
        return plot_johnson_neyman(result)
    return plot_slopes(result)


# The figure of each type of result, for its `.plot()`.
FIGURES: dict[type, Callable[..., Any]] = {
    Comparison: plot_comparison,
    CubicShape: plot_shape,
    Design: plot_design,
    Effects: plot_effects,
    Fitted: plot_estimates,
    ImportancePerformance: plot_importance,
    Indices: plot_discrepancy,
    Loo: plot_pareto_k,
    LooPit: plot_loo_pit,
    Measurement: plot_measurement,
    Mediation: plot_mediation,
    Poolings: plot_poolings,
    PredictiveCheck: plot_predictive,
    PriorConsequences: plot_prior_consequences,
    Residuals: plot_residuals,
    ResponseCheck: plot_response_check,
    ResponseSurface: plot_response_surface,
    Sensitivity: plot_sensitivity,
    Shape: plot_shape,
    Slopes: _slopes,
    CategoryEffects: plot_category_effects,
    WhatIf: plot_what_if,
}

__all__ = [
    "plot_calibration",
    "plot_comparison",
    "plot_design",
    "plot_discrepancy",
    "plot_effects",
    "plot_estimates",
    "plot_importance",
    "plot_johnson_neyman",
    "plot_loo_pit",
    "plot_measurement",
    "plot_mediation",
    "plot_pareto_k",
    "plot_pointwise",
    "plot_poolings",
    "plot_predictive",
    "plot_response_check",
    "plot_prior_consequences",
    "plot_residuals",
    "plot_response_surface",
    "plot_sensitivity",
    "plot_shape",
    "plot_slopes",
    "plot_surface_3d",
    "plot_traces",
    "plot_what_if",
]
