"""The Laplace engine as C functions; engines.py is how the rest of the program calls it."""

import ctypes

import numpy as np
from numba import carray

from bayessem.likelihood.compiled import c_function
from bayessem.likelihood.entry import SIGNATURE
from bayessem.likelihood.laplace_kernel import evaluate_laplace
from bayessem.likelihood.laplace_plan import count_items, unpack_laplace
from bayessem.likelihood.laplace_points import modes_laplace, respondents_laplace
from bayessem.likelihood.laplace_tails import predictors_laplace


@c_function(SIGNATURE)
def entry(elements, size, ints, n_ints, floats, n_floats, gradient, out, n_out):
    """Laplace's value and gradient; with places in out, the respondents' exact values."""
    plan = unpack_laplace(carray(ints, (n_ints,)), carray(floats, (n_floats,)))
    values = carray(elements, (size,))
    if n_out > 0:
        return respondents_laplace(plan, values, carray(out, (n_out,)))
    return evaluate_laplace(plan, values, carray(gradient, (size,)))


@c_function(SIGNATURE)
def modes(elements, size, ints, n_ints, floats, n_floats, gradient, out, n_out):
    """The respondents' modes into out."""
    plan = unpack_laplace(carray(ints, (n_ints,)), carray(floats, (n_floats,)))
    return modes_laplace(plan, carray(elements, (size,)), carray(out, (n_out,)))


@c_function(SIGNATURE)
def predictors(elements, size, ints, n_ints, floats, n_floats, gradient, out, n_out):
    """How much of the answers the predictors explain, into out."""
    plan = unpack_laplace(carray(ints, (n_ints,)), carray(floats, (n_floats,)))
    return predictors_laplace(plan, carray(elements, (size,)), carray(out, (n_out,)))


def find_modes(elements: np.ndarray, ints: np.ndarray, floats: np.ndarray, size: int) -> np.ndarray:
    """Modes of the latent variables, (size,): respondents by group, latents in the plan's order."""
    return _call(modes.address, (elements, ints, floats), size)


def explained(elements: np.ndarray, ints: np.ndarray, floats: np.ndarray) -> np.ndarray:
    """C of each answer, (item,): its tanh is the multiple correlation with latent variables.

    See laplace_tails.py; 0 of normal answers and of predictors that depend on data.
    """
    return _call(predictors.address, (elements, ints, floats), count_items(ints))


def _call(address: int, arrays: tuple[np.ndarray, ...], size: int) -> np.ndarray:
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    kinds = [*[pointer, number] * 3, pointer, pointer, number]
    call = ctypes.CFUNCTYPE(ctypes.c_double, *kinds)(address)
    whole = [np.ascontiguousarray(a) for a in arrays]
    out = np.full(size, np.nan)
    sized = [x for a in whole for x in (a.ctypes.data, a.size)]
    call(*sized, out.ctypes.data, out.ctypes.data, out.size)
    return out
