"""Answers and scores together as C functions; engines.py is how the rest of the program calls one.

A plan of this engine is six integers, since scores change from call to call: SCORES_MARK, address
and number of the integers of a plan of the Laplace engine, addresses of scores and of their
derivatives, number of scores. Its floats are those of that plan.
"""

import ctypes

import numpy as np
from numba import carray

from bayessem.likelihood.addresses import pointer
from bayessem.likelihood.compiled import c_function
from bayessem.likelihood.entry import SIGNATURE
from bayessem.likelihood.laplace_plan import unpack_laplace
from bayessem.likelihood.scores_kernel import centres_of, evaluate_scores

# First number of a plan of this engine.
SCORES_MARK = -7


@c_function(SIGNATURE)
def entry(elements, size, ints, n_ints, floats, n_floats, gradient, out, n_out):
    """Log p(y, f); derivatives by elements into gradient, by scores where the plan says."""
    at = carray(ints, (n_ints,))
    packed = carray(pointer(at[1]), (at[2],), np.int64)
    plan = unpack_laplace(packed, carray(floats, (n_floats,)))
    scores = carray(pointer(at[3]), (at[5],), np.float64)
    d_scores = carray(pointer(at[4]), (at[5],), np.float64)
    gradient = carray(gradient, (size,))
    return evaluate_scores(plan, carray(elements, (size,)), scores, gradient, d_scores)


@c_function(SIGNATURE)
def centres(elements, size, ints, n_ints, floats, n_floats, gradient, out, n_out):
    """Centres of the scores into gradient, roots into out, which hold n K and n K K numbers."""
    plan = unpack_laplace(carray(ints, (n_ints,)), carray(floats, (n_floats,)))
    count = plan.start.size
    found, roots = carray(gradient, (count,)), carray(out, (n_out,))
    return centres_of(plan, carray(elements, (size,)), found, roots)


def find_centres(
    elements: np.ndarray, ints: np.ndarray, floats: np.ndarray, respondents: int, latents: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where scores lie given the answers, (n K,), and the roots of their covariances, (n, K, K).

    nan out of the domain. ints, floats : a plan of the Laplace engine.
    """
    number, address = ctypes.c_int64, ctypes.c_void_p
    kinds = [*[address, number] * 3, address, address, number]
    call = ctypes.CFUNCTYPE(ctypes.c_double, *kinds)(centres.address)
    whole = [np.ascontiguousarray(a) for a in (elements, ints, floats)]
    found = np.full(respondents * latents, np.nan)
    roots = np.full((respondents, latents, latents), np.nan)
    sized = [x for a in whole for x in (a.ctypes.data, a.size)]
    call(*sized, found.ctypes.data, roots.ctypes.data, roots.size)
    return found, roots
