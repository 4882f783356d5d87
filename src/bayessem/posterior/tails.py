"""The plan of the engine of heavy tails for a model and its data (likelihood/student_plan.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayessem.likelihood.engines import ENGINES, STUDENT
from bayessem.likelihood.plan import Pattern
from bayessem.likelihood.student_plan import build_student_plan
from bayessem.model.structure import Structure


def student_plan(
    structure: Structure, patterns: Sequence[Pattern], base: np.ndarray, *, proper: tuple = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan; the engine is loaded, compiled first where no model has needed it yet.

    base : fixed values of the model matrices (elements,), which have the covariates' moments.
    """
    ENGINES.load(STUDENT)
    names = structure.table.exogenous
    places = [structure.variables.index(name) for name in names]
    given = []
    for g in range(len(structure.table.groups)):
        matrices = structure.matrices(base, g)
        covariance = matrices["disturbances"][np.ix_(places, places)]
        given.append((matrices["means"][places], covariance))
    return build_student_plan(
        structure.shape[:2],
        patterns,
        given=given,
        given_at=[structure.observed.index(name) for name in names],
        proper=proper,
    )
