"""Probabilities of a latent variable's nodes given its mean, and their derivatives.

The normal density times the step, and at either end all that lies beyond, over their sum, which is
1. A disturbance narrower than the lattice's step has what follows interpolated at the points of a
Gauss-Hermite rule, by polynomials through nodes.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled, in_callers
from bayessem.likelihood.elementary import exponential, normal_tail
from bayessem.likelihood.family_ordered import INVERSE_SQRT_2PI

# A probability that is none beside the others.
TINY = 1e-21

# Standard deviations beyond which a normal density is 0: it is 6e-21 of its largest value there.
FARTHEST = 9.65
# Nodes of the polynomials, and the rule.
STENCIL = 10
HERMITE, HERMITE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
HERMITE_WEIGHTS = HERMITE_WEIGHTS / np.sqrt(2.0 * np.pi)
LAGRANGE = np.array(
    [1.0 / np.prod([k - i for i in range(STENCIL) if i != k]) for k in range(STENCIL)]
)


@in_callers
def _end(z, low):
    """Probability beyond an end node, on the side that is said, and the density there."""
    near, density = normal_tail(abs(z))
    p = near if (z < 0.0) == low else 1.0 - near
    return (0.0 if p < TINY else p), INVERSE_SQRT_2PI * density


@compiled
def _first(u, nodes):
    """The first of the nodes about u, in steps, and u within the lattice, from there."""
    inside = min(max(u, 0.0), nodes - 1.0)
    first = min(max(np.int64(np.floor(inside)) - STENCIL // 2 + 1, 0), nodes - STENCIL)
    return first, inside - first


@compiled
def _weights(d, weight):
    """Lagrange's weights (STENCIL,) of nodes at 0, 1, ... for d."""
    left = 1.0
    for k in range(STENCIL):
        weight[k] = left
        left *= d - k
    right = 1.0
    for k in range(STENCIL - 1, -1, -1):
        weight[k] *= LAGRANGE[k] * right
        right *= d - k


@compiled
def _slopes(d, weight, slope):
    """Their derivatives by d; `weight` is left with something else."""
    left, d_left = 1.0, 0.0
    for k in range(STENCIL):
        weight[k], slope[k] = left, d_left
        d_left = d_left * (d - k) + left
        left *= d - k
    right, d_right = 1.0, 0.0
    for k in range(STENCIL - 1, -1, -1):
        slope[k] = LAGRANGE[k] * (slope[k] * right + weight[k] * d_right)
        d_right = d_right * (d - k) + right
        right *= d - k


@compiled
def _fill_narrow(u, sd, table, m, weight):
    """Weights of nodes for a disturbance of sd steps about u, into column m of a table.

    weight : (STENCIL,) to work in.
    """
    q = table.shape[0]
    table[:, m] = 0.0
    for j in range(HERMITE.size):
        first, d = _first(u + sd * HERMITE[j], q)  # beyond the lattice all is as it is at its end
        _weights(d, weight)
        for k in range(STENCIL):
            table[first + k, m] += HERMITE_WEIGHTS[j] * weight[k]


@compiled
def _pull_narrow(u, sd, over, m, weight, slope):
    """Derivatives by u and by sd, in steps.

    over : (node, mean), counts of cells over what they hold, of which column m is looked at.
    """
    d_u, d_sd = 0.0, 0.0
    for j in range(HERMITE.size):
        x = u + sd * HERMITE[j]
        if not 0.0 <= x <= over.shape[0] - 1.0:
            continue
        first, d = _first(x, over.shape[0])
        _slopes(d, weight, slope)
        by = 0.0
        for k in range(STENCIL):
            by += slope[k] * over[first + k, m]
        d_u += HERMITE_WEIGHTS[j] * by
        d_sd += HERMITE_WEIGHTS[j] * HERMITE[j] * by
    return d_u, d_sd


@compiled
def _fill_wide(offset, sd, width, table):
    """Normal densities times the step at nodes, 0 beyond FARTHEST, and all beyond the ends."""
    q, by = table.shape[0], 1.0 / sd
    top, half, last = width * by * INVERSE_SQRT_2PI, 0.5 * width, width * (table.shape[0] - 1)
    for k in range(1, q - 1):
        own, shift = table[k], width * k
        for m in range(offset.size):
            z = (offset[m] + shift) * by
            value = top * exponential(-0.5 * z * z)
            own[m] = value if abs(z) < FARTHEST else 0.0
    lowest, highest = table[0], table[q - 1]
    for m in range(offset.size):
        lowest[m] = _end((offset[m] + half) * by, True)[0]
    for m in range(offset.size):
        highest[m] = _end((offset[m] + last - half) * by, False)[0]


@compiled
def fill_given(offset, sd, width, table):
    """Fills in the probabilities (node, mean) of nodes that are `width` apart.

    offset : (mean,) of the first node from the mean;  sd : of the disturbance.
    """
    q, means = table.shape
    if sd < width:
        weight = np.empty(STENCIL)
        for m in range(means):
            _fill_narrow(-offset[m] / width, sd / width, table, m, weight)
    else:
        _fill_wide(offset, sd, width, table)
    share = np.zeros(means)
    for k in range(q):
        own = table[k]
        for m in range(means):
            share[m] += own[m]
    for m in range(means):
        share[m] = 1.0 / share[m] if share[m] > 0.0 else 1.0
    for k in range(q):
        own = table[k]
        for m in range(means):
            own[m] *= share[m]


@compiled
def _pull_wide(offset, sd, width, table, counts, by_mean):
    """`pull_given` of a disturbance that is wider than the step."""
    q, means, by = table.shape[0], offset.size, 1.0 / sd
    total, first, second = np.zeros(means), np.zeros(means), np.zeros(means)
    for k in range(q):
        own = counts[k]
        for m in range(means):
            total[m] += own[m]
    by_variance = 0.0
    for k in range(1, q - 1):
        own, expected, shift = counts[k], table[k], width * k
        for m in range(means):
            z = (offset[m] + shift) * by
            g = own[m] - total[m] * expected[m]
            first[m] += g * z
            second[m] += g * (z * z - 1.0)
    for low in (True, False):
        k = 0 if low else q - 1
        own, expected = counts[k], table[k]
        shift, sign = (0.5 * width, -1.0) if low else (width * (q - 1.5), 1.0)
        for m in range(means):
            z = (offset[m] + shift) * by
            p, density = _end(z, low)
            g = own[m] - total[m] * expected[m]
            score = sign * g * density / p if p > 0.0 else 0.0
            first[m] += score
            second[m] += score * z
    for m in range(means):
        by_mean[m] = first[m] * by
        by_variance += second[m]
    return 0.5 * by_variance * by * by


@compiled
def pull_given(offset, sd, width, table, counts, by_mean):
    """Derivatives by the means into by_mean (mean,); returns the one by the variance.

    counts : (node, mean), by the logs of what `fill_given` filled in.
    """
    if sd >= width:
        return _pull_wide(offset, sd, width, table, counts, by_mean)
    # weights of polynomials add up to 1 whatever the mean: nothing was divided
    over, by_sd = np.empty(table.shape), 0.0
    for k in range(table.shape[0]):
        for m in range(offset.size):
            held = table[k, m]
            over[k, m] = counts[k, m] / held if held != 0.0 else 0.0
    weight, slope = np.empty(STENCIL), np.empty(STENCIL)
    for m in range(offset.size):
        by_u, one = _pull_narrow(-offset[m] / width, sd / width, over, m, weight, slope)
        by_mean[m] = by_u / width
        by_sd += one
    return 0.5 * by_sd / (width * sd)
