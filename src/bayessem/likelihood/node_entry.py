"""The node engine as a C function; engines.py is how the rest of the program calls it."""

from numba import carray

from bayessem.likelihood.compiled import c_function
from bayessem.likelihood.entry import SIGNATURE
from bayessem.likelihood.node_kernel import evaluate_nodes


@c_function(SIGNATURE)
def entry(elements, size, ints, n_ints, floats, n_floats, gradient, out, n_out):
    """`evaluate_nodes` on addresses."""
    return evaluate_nodes(
        carray(elements, (size,)),
        carray(ints, (n_ints,)),
        carray(floats, (n_floats,)),
        carray(gradient, (size,)),
        carray(out, (n_out,)),
    )
