"""The kernel as one C function that everything else calls by its symbol.

Numba optimises a function's callees anew inside every caller, up to each entry point from Python,
the sampler or a PyTensor graph; the kernel takes twenty seconds of that. Compiled here once and
called by name, it costs its callers nothing.
"""

import llvmlite.binding as llvm
import numpy as np
from numba import carray, types

from bayessem.likelihood.compiled import c_function, compiled
from bayessem.likelihood.kernel import evaluate

SYMBOL = "bayessem_log_likelihood"
_DOUBLES = types.CPointer(types.float64)
_INTEGERS = types.CPointer(types.int64)
_SIZE = types.int64
SIGNATURE = types.float64(
    _DOUBLES, _SIZE, _INTEGERS, _SIZE, _DOUBLES, _SIZE, _DOUBLES, _DOUBLES, _SIZE
)


@c_function(SIGNATURE)
def entry(elements, size, ints, n_ints, floats, n_floats, gradient, out, n_out):
    """`kernel.evaluate` on addresses."""
    return evaluate(
        carray(elements, (size,)),
        carray(ints, (n_ints,)),
        carray(floats, (n_floats,)),
        carray(gradient, (size,)),
        carray(out, (n_out,)),
    )


llvm.add_symbol(SYMBOL, entry.address)
kernel = types.ExternalFunction(SYMBOL, SIGNATURE)


@compiled
def log_likelihood(elements, ints, floats, gradient):
    """Log-likelihood of all respondents and, into gradient, its derivatives by the elements.

    elements : model matrices of all groups (structure.py);  ints, floats : a packed plan (plan.py);
    all contiguous. -inf where a covariance is not positive definite.
    """
    nobody = np.empty(0)
    return kernel(
        elements.ctypes,
        elements.size,
        ints.ctypes,
        ints.size,
        floats.ctypes,
        floats.size,
        gradient.ctypes,
        nobody.ctypes,
        0,
    )


@compiled
def respondent_log_likelihood(elements, ints, floats, out):
    """Log p(y_i) of every respondent, in the order of the patterns' rows, to out (respondent,)."""
    gradient = np.empty(elements.size)
    kernel(
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
