"""The two-level engine's plan for a model and its data (likelihood/level_plan.py)."""

from __future__ import annotations

import numpy as np

from bayessem.likelihood.engines import ENGINES, LEVEL_NODES, LEVELS
from bayessem.likelihood.level_plan import LevelData, build_level_plan
from bayessem.model.data import Sample
from bayessem.model.structure import Structure

# Of the density of nodes that suits what level 1 says of a slope (level_nodes.py): level 2 says
# more where it is correlated with other effects, four times as much at correlations of .87.
FINER = 2.0


def level_data(structure: Structure, sample: Sample) -> LevelData:
    """The data of a two-level model by respondent, group and cluster."""
    clusters = sample.clusters
    assert clusters is not None
    at = {name: i for i, name in enumerate(sample.variables)}
    within, between = (tuple(at[n] for n in names) for names in structure.table.level_variables)
    known = [s for s in structure.slopes if s.column >= 0]
    slopes = tuple((s.outcome, at[structure.observed[s.column]], s.slope) for s in known)
    turned = tuple((s.outcome, s.predictor, s.slope) for s in structure.slopes if s.column < 0)
    return LevelData(
        sample.values, sample.group // 2, clusters.code, within, between, slopes, turned
    )


def level_plan(
    structure: Structure, sample: Sample, *, proper: tuple = (), finer: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan; the engine is loaded, compiled first where no model has needed it yet."""
    data = level_data(structure, sample)
    ENGINES.load(LEVEL_NODES if data.turned else LEVELS)
    p, m, _ = structure.shape
    clusters = sample.clusters
    assert clusters is not None
    nodes = FINER * finer
    return build_level_plan((p, m), data, groups=len(clusters.groups), proper=proper, finer=nodes)


def unit_count(sample: Sample) -> int:
    """How many independent units the likelihood is a product over: clusters, or respondents."""
    return sample.size if sample.clusters is None else len(sample.clusters.labels)
