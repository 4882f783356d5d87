"""The log-likelihood by the engine that a plan is for: the kernel, or one that is compiled apart.

A plan's first integer is not negative where it is the kernel's (plan.py), and -1 - p where it is
that of the engine at place p of ENGINES (jump.py).
"""

import ctypes

import numpy as np
from numba import types

from bayessem.likelihood import entry
from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.jump import Jump

ENGINES = Jump(
    "bayessem_engines",
    [
        "bayessem.likelihood.node_entry",
        "bayessem.likelihood.level_entry",
        "bayessem.likelihood.laplace_entry",
        "bayessem.likelihood.student_entry",
        "bayessem.likelihood.censored_entry",
        "bayessem.likelihood.level_nodes_entry",
        "bayessem.likelihood.scores_entry",
    ],
    [ctypes.c_void_p, ctypes.c_int64] * 3 + [ctypes.c_void_p] * 2 + [ctypes.c_int64],
)
NODES, LEVELS, LAPLACE, STUDENT, CENSORED, LEVEL_NODES, SCORES = range(7)

_engines = types.ExternalFunction(
    "bayessem_engines", types.float64(types.int64, *entry.SIGNATURE.args)
)


@compiled
def _engine(elements, ints, floats, gradient, out):
    return _engines(
        -1 - ints[0],
        elements.ctypes,
        elements.size,
        ints.ctypes,
        ints.size,
        floats.ctypes,
        floats.size,
        gradient.ctypes,
        out.ctypes,
        out.size,
    )


@compiled
def log_likelihood(elements, ints, floats, gradient):
    """As entry.log_likelihood, of a plan of any engine."""
    if ints[0] >= 0:
        return entry.log_likelihood(elements, ints, floats, gradient)
    return _engine(elements, ints, floats, gradient, np.empty(0))


@compiled
def respondent_log_likelihood(elements, ints, floats, out):
    """As entry.respondent_log_likelihood, of a plan of any engine."""
    if ints[0] >= 0:
        entry.respondent_log_likelihood(elements, ints, floats, out)
    else:
        _engine(elements, ints, floats, np.empty(elements.size), out)
