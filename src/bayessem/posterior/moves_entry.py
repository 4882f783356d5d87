"""The coordinates of hierarchies and thresholds as a C function; moves.py is how it is called."""

from numba import carray, types

from bayessem.likelihood.compiled import c_function
from bayessem.posterior.hierarchies import balance, pull_balance
from bayessem.posterior.program import layout_of
from bayessem.posterior.thresholds import pull_thresholds, to_thresholds

_DOUBLES, _INTEGERS, _SIZE = types.CPointer(types.float64), types.CPointer(types.int64), types.int64


@c_function(types.float64(_INTEGERS, _SIZE, _DOUBLES, _SIZE, *[_DOUBLES] * 4, _SIZE))
def entry(program, n_program, numbers, n_numbers, x, before, between, d_x, back):
    """Turn coordinates into parameters, or (back) the gradient by these into that by those.

    Forth: x (D,) in place, and what it is between the two steps into `between`; returns log prior
    and log Jacobian. Back: d_x in place.
    """
    layout = layout_of(carray(program, (n_program,)), carray(numbers, (n_numbers,)))
    size = layout.transform.size
    point, middle = carray(x, (size,)), carray(between, (size,))
    if back:
        gradient = carray(d_x, (size,))
        pull_thresholds(layout, middle, gradient)
        pull_balance(layout, point, carray(before, (size,)), gradient)
        return 0.0
    value = balance(layout, point)
    middle[:] = point  # thresholds are in units of what hierarchies make of loadings
    return value + to_thresholds(layout, point)
