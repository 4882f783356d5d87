"""The engine of one censored outcome as a C function; engines.py is how others call it."""

from numba import carray

from bayessem.likelihood.censored_kernel import evaluate_censored
from bayessem.likelihood.compiled import c_function
from bayessem.likelihood.entry import SIGNATURE


@c_function(SIGNATURE)
def entry(elements, size, ints, n_ints, floats, n_floats, gradient, out, n_out):
    """`evaluate_censored` on addresses."""
    return evaluate_censored(
        carray(elements, (size,)),
        carray(ints, (n_ints,)),
        carray(floats, (n_floats,)),
        carray(gradient, (size,)),
        carray(out, (n_out,)),
    )
