"""The two-level engine with slopes on nodes as a C function; engines.py calls it."""

from numba import carray

from bayessem.likelihood.compiled import c_function
from bayessem.likelihood.entry import SIGNATURE
from bayessem.likelihood.level_nodes import evaluate_level_nodes


@c_function(SIGNATURE)
def entry(elements, size, ints, n_ints, floats, n_floats, gradient, out, n_out):
    """`evaluate_level_nodes` on addresses."""
    return evaluate_level_nodes(
        carray(elements, (size,)),
        carray(ints, (n_ints,)),
        carray(floats, (n_floats,)),
        carray(gradient, (size,)),
        carray(out, (n_out,)),
    )
