"""Bayesian structural equation models: lavaan's syntax, PyMC and ArviZ.

Importing the package is quick: PyMC, ArviZ and Numba are loaded when a model is fitted.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bayessem.text.described import draw_with

if TYPE_CHECKING:
    from bayessem.comparison.compare import compare as compare
    from bayessem.convert.programs import convert_model as convert_model
    from bayessem.fit import Fit as Fit
    from bayessem.graph.node import StructuralModel as StructuralModel
    from bayessem.model.codebook import describe as describe
    from bayessem.model.covariance_input import from_covariance as from_covariance
    from bayessem.model.files import read_data as read_data
    from bayessem.model.pooling import complete_pooling as complete_pooling
    from bayessem.model.pooling import no_pooling as no_pooling
    from bayessem.model.pooling import partial as partial
    from bayessem.model.priors import Prior as Prior
    from bayessem.moderation.alternatives import continuous_moderator as continuous_moderator
    from bayessem.moderation.alternatives import with_main_effects as with_main_effects
    from bayessem.moderation.diversity import (
        alliance_portfolio_diversity as alliance_portfolio_diversity,
    )
    from bayessem.moderation.diversity import level_groups as level_groups
    from bayessem.moderation.diversity import median_split as median_split
    from bayessem.moderation.diversity import quantile_groups as quantile_groups
    from bayessem.planning.study import design as design
    from bayessem.planning.study import read_design as read_design
    from bayessem.report.design import report_design as report_design
    from bayessem.sem import SEM as SEM
    from bayessem.sem import load as load
    from bayessem.studies import compare_poolings as compare_poolings
    from bayessem.studies import compare_shapes as compare_shapes
    from bayessem.studies import moderation_study as moderation_study

    __version__: str

draw_with(lambda: importlib.import_module("bayessem.plots").FIGURES)

# name -> module: loaded on first use, so that `import bayessem` imports none of PyMC, ArviZ, Numba
_WHERE = {
    "SEM": "bayessem.sem",
    "Fit": "bayessem.fit",
    "load": "bayessem.sem",
    "read_data": "bayessem.model.files",
    "describe": "bayessem.model.codebook",
    "from_covariance": "bayessem.model.covariance_input",
    "convert_model": "bayessem.convert.programs",
    "design": "bayessem.planning.study",
    "read_design": "bayessem.planning.study",
    "report_design": "bayessem.report.design",
    "compare": "bayessem.comparison.compare",
    "Prior": "bayessem.model.priors",
    "partial": "bayessem.model.pooling",
    "no_pooling": "bayessem.model.pooling",
    "compare_poolings": "bayessem.studies",
    "compare_shapes": "bayessem.studies",
    "continuous_moderator": "bayessem.moderation.alternatives",
    "moderation_study": "bayessem.studies",
    "with_main_effects": "bayessem.moderation.alternatives",
    "alliance_portfolio_diversity": "bayessem.moderation.diversity",
    "level_groups": "bayessem.moderation.diversity",
    "median_split": "bayessem.moderation.diversity",
    "quantile_groups": "bayessem.moderation.diversity",
    "complete_pooling": "bayessem.model.pooling",
    "StructuralModel": "bayessem.graph.node",
    "ArgumentError": "bayessem.errors",
    "BayessemError": "bayessem.errors",
    "BayessemWarning": "bayessem.errors",
    "DataError": "bayessem.errors",
    "FitError": "bayessem.errors",
    "IdentificationError": "bayessem.errors",
    "ModelError": "bayessem.errors",
    "NotSupported": "bayessem.errors",
    "PriorError": "bayessem.errors",
    "SyntaxProblem": "bayessem.errors",
}

# modules that are reached by their name in the package: `bs.plots.plot_shape(...)`
_MODULES = ("plots",)

__all__ = ["__version__", *_WHERE]  # noqa: PLE0604 - the names are strings


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    if name == "__version__":
        return _version()
    if name in _MODULES:
        return importlib.import_module(f"bayessem.{name}")
    raise AttributeError(f"module 'bayessem' has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow to import, seldom asked

    try:
        return version("bayessem")
    except PackageNotFoundError:  # a source tree that is not installed
        return "0"


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
