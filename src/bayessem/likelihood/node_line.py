"""Latent variables that two others explain by a linear predictor: tables over its nodes.

The lattice of the predictor has every value that the causes' nodes give (node_lattice.py), so that
nothing is interpolated. A step's message about the predictor is read as one about its causes.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.node_given import fill_given, pull_given
from bayessem.likelihood.node_lattice import predictor
from bayessem.likelihood.node_plan import FACTOR, STEP, TERM


@compiled
def _span(plan, s, elements):
    """First node and step of a predictor, and its constant and slopes."""
    constant, one, two = predictor(plan, plan.step[STEP * s + 10] // 2, elements)
    lowest = constant
    for d in range(2):
        v, by = plan.step[STEP * s + 2 + d], one if d == 0 else two
        end = plan.node_count[v] - 1 if by < 0.0 else 0
        lowest += by * (plan.node_first[v] + plan.node_step[v] * end)
    width = abs(one) * plan.node_step[plan.step[STEP * s + 2]] / abs(plan.line[3 * s])
    return lowest, width, constant, one, two


@compiled
def fill_line(plan, s, elements, table):
    """Probabilities (node, node of the predictor); False where the variance is not positive."""
    variance = elements[plan.variance[plan.factor[FACTOR * (plan.step[STEP * s + 10] // 2) + 12]]]
    if not variance > 0.0:
        return False
    lowest, width, _, _, _ = _span(plan, s, elements)
    v, nodes = plan.step[STEP * s], plan.line[3 * s + 2]
    offset, q = _offsets(plan.node_first[v] - lowest, width, nodes), plan.node_count[v]
    own = table[: q * nodes].reshape(q, nodes)
    fill_given(offset, np.sqrt(variance), plan.node_step[v], own)
    return True


@compiled
def _offsets(highest, width, nodes):
    """The first node's distance (node of the predictor,) from the predictor."""
    out = np.empty(nodes)
    for m in range(nodes):
        out[m] = highest - width * m
    return out


@compiled
def pull_line(plan, s, elements, table, counts, by_one, gradient):
    """Adds the derivatives by the elements of the factor.

    counts : (node, node of the predictor) by the log of the table;  by_one : the same, each times
    the value of the first cause.
    """
    f = plan.step[STEP * s + 10] // 2
    lowest, width, constant, one, two = _span(plan, s, elements)
    v, nodes = plan.step[STEP * s], plan.line[3 * s + 2]
    first, step = plan.node_first[v], plan.node_step[v]
    element = plan.variance[plan.factor[FACTOR * f + 12]]
    sd, offset = np.sqrt(elements[element]), _offsets(first - lowest, width, nodes)
    by_mean, by_x = np.empty(nodes), np.empty(nodes)
    gradient[element] += pull_given(offset, sd, step, table, counts, by_mean)
    pull_given(offset, sd, step, table, by_one, by_x)
    d_constant, d_one, moved = 0.0, 0.0, 0.0
    for m in range(nodes):
        d_constant += by_mean[m]
        d_one += by_x[m]
        moved += by_mean[m] * (lowest + width * m - constant)
    d_two = (moved - one * d_one) / two
    begin = plan.factor[FACTOR * f + 8]
    for t in range(begin, begin + plan.factor[FACTOR * f + 7]):
        if plan.term[TERM * t + 2] > 0:
            gradient[plan.term[TERM * t]] += d_one
        elif plan.term[TERM * t + 3] > 0:
            gradient[plan.term[TERM * t]] += d_two
        else:
            gradient[plan.term[TERM * t]] += d_constant


@compiled
def walk(plan, s):
    """Where a walk over the causes' nodes begins on the predictor's, and its two strides."""
    p, q = plan.line[3 * s], plan.line[3 * s + 1]
    start = 0
    if p < 0:
        start -= p * (plan.node_count[plan.step[STEP * s + 2]] - 1)
    if q < 0:
        start -= q * (plan.node_count[plan.step[STEP * s + 3]] - 1)
    return start, p, q


@compiled
def lanes(plan, s):
    """Where the walk along the second cause begins for each node of the first, (node,).

    A message's nodes are kept in the order of lanes, in which that walk is one of neighbours.
    """
    start, p, q = walk(plan, s)
    nodes, apart = plan.line[3 * s + 2], abs(q)
    out = np.empty(plan.node_count[plan.step[STEP * s + 2]], dtype=np.int64)
    for a in range(out.size):
        m = start + p * a
        if q < 0:
            m = nodes - 1 - m
        lane = m % apart
        out[a] = lane * (nodes // apart) + min(lane, nodes % apart) + m // apart
    return out


@compiled
def lane_order(plan, s):
    """The place of each of a predictor's nodes in the order of lanes, (node of the predictor,).

    A lane has every q-th node, the last one first where q is negative.
    """
    q, nodes = plan.line[3 * s + 1], plan.line[3 * s + 2]
    out, at = np.empty(nodes, dtype=np.int64), 0
    for lane in range(abs(q)):
        for m in range(lane, nodes, abs(q)):
            out[m if q > 0 else nodes - 1 - m] = at
            at += 1
    return out


@compiled
def into_lanes(order, windows, rows):
    """Puts rows (row, node of the predictor), 0 outside of windows, into the order of lanes."""
    spare = np.empty(order.size)
    for u in range(rows.shape[0]):
        low, high = np.uint64(windows[u, 4]), np.uint64(windows[u, 5])
        for m in range(low, high):
            spare[m] = rows[u, m]
            rows[u, m] = 0.0
        for m in range(low, high):
            rows[u, order[m]] = spare[m]


@compiled
def from_lanes(order, windows, rows):
    """The way back of `into_lanes`."""
    spare = np.empty(order.size)
    for u in range(rows.shape[0]):
        low, high = np.uint64(windows[u, 4]), np.uint64(windows[u, 5])
        for m in range(low, high):
            spare[m] = rows[u, order[m]]
            rows[u, order[m]] = 0.0
        for m in range(low, high):
            rows[u, m] = spare[m]


@compiled
def expand(plan, s, message, pair):
    """One row of a message about the predictor as one about its causes, (one, two) flat."""
    first = lanes(plan, s)
    two = plan.node_count[plan.step[STEP * s + 3]]
    for a in range(first.size):
        for b in range(two):
            pair[a * two + b] = message[first[a] + b]


@compiled
def gather(plan, s, pair, counts, by_one):
    """Adds derivatives (one, two) flat to those by the predictor's nodes, and times the first."""
    first, v = lanes(plan, s), plan.step[STEP * s + 2]
    two = plan.node_count[plan.step[STEP * s + 3]]
    for a in range(first.size):
        x = plan.node_first[v] + plan.node_step[v] * a
        for b in range(two):
            counts[first[a] + b] += pair[a * two + b]
            by_one[first[a] + b] += x * pair[a * two + b]
