"""The plan of the engine of censored outcomes for a model and its data."""

from __future__ import annotations

import numpy as np

from bayessem.likelihood.censored_plan import build_censored_plan
from bayessem.likelihood.engines import CENSORED, ENGINES
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.posterior.patterns import sample_patterns
from bayessem.syntax.responses import DURATIONS


def censored_plan(
    structure: Structure, sample: Sample, outcomes: tuple[str, ...], *, proper: tuple = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan; the engine is loaded, compiled first where no model has needed it yet.

    outcomes : names of the variables that may be censored.
    """
    ENGINES.load(CENSORED)
    return build_censored_plan(
        structure.shape[:2],
        sample_patterns(sample),
        [sample.variables.index(name) for name in outcomes],
        [
            [sample.beside[name].columns[members] for _, _, members in sample.patterns()]
            for name in outcomes
        ],
        groups=len(sample.groups),
        logs=[structure.table.responses.others[name] in DURATIONS for name in outcomes],
        proper=proper,
    )
