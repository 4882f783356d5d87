"""Probabilities of a latent variable's nodes given its mean, and their derivatives.

The normal density times the step, and at either end all that lies beyond, over their sum, which is
1. A disturbance narrower than the lattice's step has what follows interpolated at the points of a
Gauss-Hermite rule, by polynomials through nodes.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.family_ordered import tails

# A probability that is none beside the others.
TINY = 1e-21
SQRT_2PI = np.sqrt(2.0 * np.pi)

# Standard deviations beyond which a normal density is 0: it is 6e-21 of its largest value there.
FARTHEST = 9.65
# Nodes of the polynomials, and the rule.
STENCIL = 10
HERMITE, HERMITE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
HERMITE_WEIGHTS = HERMITE_WEIGHTS / np.sqrt(2.0 * np.pi)
LAGRANGE = np.array(
    [1.0 / np.prod([k - i for i in range(STENCIL) if i != k]) for k in range(STENCIL)]
)


@compiled
def _end(mean, sd, low, x, half):
    """Probability beyond an end node, and the derivatives of its log by mean and by variance."""
    if low:
        z = (x + half - mean) / sd
        p, _, density = tails(0, z)
        sign = -1.0
    else:
        z = (x - half - mean) / sd
        _, p, density = tails(0, z)
        sign = 1.0
    if p < TINY:
        return 0.0, 0.0, 0.0
    ratio = sign * density / p
    return p, ratio / sd, 0.5 * ratio * z / (sd * sd)


@compiled
def _stencil(u, nodes, weight, slope):
    """Lagrange's weights (STENCIL,) of the nodes about u, in steps, and their derivatives by u.

    Returns the first node. Beyond the lattice all is as it is at its end.
    """
    inside = min(max(u, 0.0), nodes - 1.0)
    first = min(max(np.int64(np.floor(inside)) - STENCIL // 2 + 1, 0), nodes - STENCIL)
    d = inside - first
    left, d_left = 1.0, 0.0
    for k in range(STENCIL):
        weight[k], slope[k] = left, d_left
        d_left = d_left * (d - k) + left
        left *= d - k
    right, d_right = 1.0, 0.0
    for k in range(STENCIL - 1, -1, -1):
        slope[k] = LAGRANGE[k] * (slope[k] * right + weight[k] * d_right)
        weight[k] *= LAGRANGE[k] * right
        d_right = d_right * (d - k) + right
        right *= d - k
        if inside != u:
            slope[k] = 0.0
    return first


@compiled
def _fill_narrow(u, sd, nodes, table, start, stride):
    """Weights of nodes for a disturbance of sd steps about u, added to cells of a table."""
    weight, slope = np.empty(STENCIL), np.empty(STENCIL)
    for k in range(nodes):
        table[start + k * stride] = 0.0
    for j in range(HERMITE.size):
        first = _stencil(u + sd * HERMITE[j], nodes, weight, slope)
        for k in range(STENCIL):
            table[start + (first + k) * stride] += HERMITE_WEIGHTS[j] * weight[k]


@compiled
def _pull_narrow(u, sd, nodes, table, counts, start, stride):
    """Derivatives by u and by sd, in steps, of the log of cells times their counts."""
    weight, slope = np.empty(STENCIL), np.empty(STENCIL)
    d_u, d_sd = 0.0, 0.0
    for j in range(HERMITE.size):
        first = _stencil(u + sd * HERMITE[j], nodes, weight, slope)
        for k in range(STENCIL):
            cell = start + (first + k) * stride
            if table[cell] != 0.0:
                by = HERMITE_WEIGHTS[j] * slope[k] * counts[cell] / table[cell]
                d_u += by
                d_sd += HERMITE[j] * by
    return d_u, d_sd


@compiled
def _fill_normal(lowest, step, nodes, table, start, stride):
    """Normal densities times the step at nodes, by multiplications from the mean outwards.

    0 beyond FARTHEST.
    """
    middle = min(max(np.int64(-lowest / step), 0), nodes - 1)
    z, bend = lowest + step * middle, np.exp(-step * step)
    top = step / SQRT_2PI * np.exp(-0.5 * z * z)
    for side in (1, -1):
        value = top
        ratio = np.exp(-step * (side * z + 0.5 * step))
        k = middle
        while 0 <= k < nodes and abs(lowest + step * k) < FARTHEST:
            table[start + k * stride] = value
            value *= ratio
            ratio *= bend
            k += side
        while 0 <= k < nodes:
            table[start + k * stride] = 0.0
            k += side


@compiled
def fill_given(lowest, sd, width, nodes, table, start, stride):
    """Probabilities of nodes, the first `lowest` from the mean, into cells of a table."""
    if sd < width:
        _fill_narrow(-lowest / width, sd / width, nodes, table, start, stride)
    else:
        _fill_normal(lowest / sd, width / sd, nodes, table, start, stride)
        half, last = 0.5 * width, start + (nodes - 1) * stride
        table[start], _, _ = _end(0.0, sd, True, lowest, half)
        table[last], _, _ = _end(0.0, sd, False, lowest + width * (nodes - 1), half)
    total = 0.0
    for k in range(nodes):
        total += table[start + k * stride]
    if total > 0.0:
        for k in range(nodes):
            table[start + k * stride] /= total


@compiled
def pull_given(lowest, sd, width, nodes, table, counts, start, stride):
    """Derivatives by the mean and by the variance from counts, those by the logs of the cells."""
    total = 0.0
    for k in range(nodes):
        total += counts[start + k * stride]
    if sd < width:
        # weights of polynomials add up to 1 whatever the mean: nothing was divided
        by_u, by_sd = _pull_narrow(-lowest / width, sd / width, nodes, table, counts, start, stride)
        return by_u / width, 0.5 * by_sd / (width * sd)
    s0, s1, s2 = 0.0, 0.0, 0.0
    for k in range(1, nodes - 1):
        cell, d = start + k * stride, lowest + width * k
        g = counts[cell] - total * table[cell]
        s0 += g
        s1 += g * d
        s2 += g * d * d
    by_mean, by_variance = s1 / (sd * sd), 0.5 * (s2 / (sd * sd) - s0) / (sd * sd)
    for low in (True, False):
        k = 0 if low else nodes - 1
        cell = start + k * stride
        g = counts[cell] - total * table[cell]
        _, d_mean, d_variance = _end(0.0, sd, low, lowest + width * k, 0.5 * width)
        by_mean += g * d_mean
        by_variance += g * d_variance
    return by_mean, by_variance
