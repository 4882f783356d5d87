"""The plan of the engine of one censored outcome for a model and its data."""

from __future__ import annotations

import numpy as np

from bayessem.likelihood.censored_plan import build_censored_plan
from bayessem.likelihood.engines import CENSORED, ENGINES
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.posterior.patterns import sample_patterns
from bayessem.syntax.responses import DURATIONS


def censored_plan(
    structure: Structure, sample: Sample, outcome: str, *, proper: tuple = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan; the engine is loaded, compiled first where no model has needed it yet.

    outcome : name of the variable that may be censored.
    """
    ENGINES.load(CENSORED)
    beside = sample.beside[outcome]
    return build_censored_plan(
        structure.shape[:2],
        sample_patterns(sample),
        sample.variables.index(outcome),
        [beside.columns[members] for _, _, members in sample.patterns()],
        groups=len(sample.groups),
        log=structure.table.responses.others[outcome] in DURATIONS,
        proper=proper,
    )
