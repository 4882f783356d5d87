"""The engine of heavy tails as a C function; engines.py is how the rest of the program calls it."""

from numba import carray

from bayessem.likelihood.compiled import c_function
from bayessem.likelihood.entry import SIGNATURE
from bayessem.likelihood.student_kernel import evaluate_student


@c_function(SIGNATURE)
def entry(elements, size, ints, n_ints, floats, n_floats, gradient, out, n_out):
    """`evaluate_student` on addresses."""
    return evaluate_student(
        carray(elements, (size,)),
        carray(ints, (n_ints,)),
        carray(floats, (n_floats,)),
        carray(gradient, (size,)),
        carray(out, (n_out,)),
    )
