"""Product terms that no other route takes: each respondent's integral, by lattices (lattice.py).

Compiled as one C function, `entry`, which the kernel calls by its symbol (external.py).
"""

import numpy as np

from bayessem.likelihood.compiled import c_function, compiled
from bayessem.likelihood.external import ROUTINE, arrays
from bayessem.likelihood.lattice import lattice_integral, new_room, scan_gap
from bayessem.likelihood.plan import STEP
from bayessem.likelihood.surface import Surface, add_pulled, collect_gram, tables

# By the number of dimensions: log2 of the nodes that there is room for, at first and at most; and
# lattice.py's first step in standard deviations, over that of one square.
BITS, MOST_BITS = (12, 14, 16), (12, 18, 18)
STEP_FACTOR = (5.0, 4.6, 5.0)


@compiled
def _scale(table, values, scale):
    """Powers of one respondent's observed factors in every monomial."""
    for j in range(scale.size):
        scale[j] = 1.0
        for s in range(values.size):
            for _ in range(table.data[j, s]):
                scale[j] *= values[s]


@compiled
def _largest(table, data):
    """The largest powers of the respondents' observed factors in every monomial."""
    scale, largest = np.empty(table.part.size), np.zeros(table.part.size)
    for i in range(data.shape[0]):
        _scale(table, data[i], scale)
        for j in range(scale.size):
            largest[j] = max(largest[j], abs(scale[j]))
    return largest


@compiled
def _add_moments(table, scale, sums, q, pull, second):
    """One respondent's E[c] into pull, and E[c c'] added to the lower triangle of second."""
    weight, part, pair = table.weight, table.part, table.pair
    for j in range(pull.size):
        a = weight[j]
        pull[j] = scale[j] * sums[a + 1, part[j]]
        for r in range(j + 1):
            b = weight[r]
            low, high = min(a, b), max(a, b)
            # rows of sums: 1, w, then the lower triangle of w w'
            row = high + 1 if low < 0 else 1 + q + high * (high + 1) // 2 + low
            second[j, r] += scale[j] * scale[r] * sums[row, pair[j, r]]


@compiled
def grid_terms(plan, data, projected, gram, curve, pull, second, d_curve, out):
    """See terms.py, without a form; returns the number of nodes too."""
    n, size = projected.shape
    k, o, monomials = plan.sizes[6], plan.sizes[8], plan.sizes[9]
    q = plan.sizes[5] - k
    table = tables(plan)
    surface = Surface(
        np.empty(monomials),
        np.empty((q, monomials)),
        np.empty((q * (q + 1) // 2, monomials)),
        np.ones(size),
        np.empty(size),
        gram,
    )
    gap, trusted = scan_gap(table, gram, _largest(table, data), k, plan.quadrature[1] / STEP)
    bits, most = BITS[k - 1], MOST_BITS[k - 1]
    room = new_room(table, k, q, gap, trusted, bits)
    sums = np.empty((1 + q + q * (q + 1) // 2, monomials))
    largest_step = STEP_FACTOR[k - 1] * plan.quadrature[1]
    step, reach = largest_step, plan.quadrature[0]
    total, nodes = 0.0, 0
    second[:] = 0.0
    collect_gram(table, surface)
    for i in range(n):
        surface.pulled[:] = projected[i]
        if o:
            _scale(table, data[i], surface.scale)
            collect_gram(table, surface)
        add_pulled(table, surface, 1.0)
        while True:
            value, next_step, used, full = lattice_integral(
                table, surface, room, step, largest_step, reach, sums, bits >= most
            )
            nodes += used
            if not full:
                break
            bits += 2
            room = new_room(table, k, q, gap, trusted, bits)
        step = next_step
        if not o:
            add_pulled(table, surface, -1.0)
        if np.isnan(value):
            return value, nodes
        total += value
        if out.size:
            out[i] += value
        _add_moments(table, surface.scale, sums, q, pull[i], second)
    for j in range(size):
        for r in range(j):
            second[r, j] = second[j, r]
    return total, nodes


@c_function(ROUTINE)
def entry(
    ints, n_ints, floats, n_floats, data, projected, gram, curve, pull, second, d_curve, out,
    n, n_out,
):  # fmt: skip
    """`grid_terms` on addresses (external.py)."""
    return grid_terms(*arrays(
        ints, n_ints, floats, n_floats, data, projected, gram, curve, pull, second, d_curve, out,
        n, n_out,
    ))[0]  # fmt: skip
