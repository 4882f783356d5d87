"""The two-level engine's plan for a model and its data (likelihood/level_plan.py)."""

from __future__ import annotations

import numpy as np

from bayessem.likelihood.engines import ENGINES, LEVELS
from bayessem.likelihood.level_plan import LevelData, build_level_plan
from bayessem.model.data import Sample
from bayessem.model.structure import Structure


def level_data(structure: Structure, sample: Sample) -> LevelData:
    """The data of a two-level model by respondent, group and cluster."""
    clusters = sample.clusters
    assert clusters is not None
    at = {name: i for i, name in enumerate(sample.variables)}
    within, between = (tuple(at[n] for n in names) for names in structure.table.level_variables)
    slopes = tuple((s.outcome, at[structure.observed[s.column]], s.slope) for s in structure.slopes)
    return LevelData(sample.values, sample.group // 2, clusters.code, within, between, slopes)


def level_plan(
    structure: Structure, sample: Sample, *, proper: tuple = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan; the engine is loaded, compiled first where no model has needed it yet."""
    ENGINES.load(LEVELS)
    p, m, _ = structure.shape
    clusters = sample.clusters
    assert clusters is not None
    return build_level_plan(
        (p, m), level_data(structure, sample), groups=len(clusters.groups), proper=proper
    )


def unit_count(sample: Sample) -> int:
    """How many independent units the likelihood is a product over: clusters, or respondents."""
    return sample.size if sample.clusters is None else len(sample.clusters.labels)
