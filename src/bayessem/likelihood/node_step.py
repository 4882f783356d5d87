"""One step of the node engine: what its rows share, tables and messages of pairs, its messages."""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.node_line import expand, lanes
from bayessem.likelihood.node_plan import (
    FACTOR,
    PAIR,
    PAIR_MESSAGE,
    PART,
    SHARED,
    STEP,
    one_pair,
    shape,
)
from bayessem.likelihood.node_sums import spans, sum_out, sum_pair
from bayessem.likelihood.node_windows import everything


@compiled
def sides(plan, s):
    """Nodes of a step's variable and of its two neighbours (1 for those that are not there)."""
    v = plan.step[STEP * s]
    a, b = plan.step[STEP * s + 2], plan.step[STEP * s + 3]
    one = plan.node_count[a] if a >= 0 else 1
    two = plan.node_count[b] if b >= 0 else 1
    return plan.node_count[v], one, two


@compiled
def _multiply(target, table, neighbour):
    """Target (v, a, b) times a table of v and one neighbour (0: a, 1: b) or (v, a, b) itself."""
    q, one, two = target.shape
    if neighbour == 0:
        own = table.reshape(q, one)
        for v in range(q):
            for a in range(one):
                for b in range(two):
                    target[v, a, b] *= own[v, a]
    elif neighbour == 1:
        own = table.reshape(q, two)
        for v in range(q):
            for a in range(one):
                for b in range(two):
                    target[v, a, b] *= own[v, b]
    elif table.size == q:
        for v in range(q):
            for a in range(one):
                for b in range(two):
                    target[v, a, b] *= table[v]
    else:
        own3 = table.reshape(q, one, two)
        for v in range(q):
            for a in range(one):
                for b in range(two):
                    target[v, a, b] *= own3[v, a, b]


@compiled
def table_row(plan, tables, number, row, size):
    """One row of a factor's table (a view)."""
    at = plan.factor[FACTOR * number + 6] + row * size
    return tables[at : at + size]


@compiled
def message_row(plan, messages, number, row, size):
    """One row of a step's message (a view)."""
    at = plan.step[STEP * number + 5] + row * size
    return messages[at : at + size]


@compiled
def _size(plan, k, q, one, two):
    """Cells of a table that all rows of a step share, of part k."""
    number, neighbour = plan.part[PART * k + 1], plan.part[PART * k + 2]
    if neighbour == 0:
        return q * one
    if neighbour == 1:
        return q * two
    return q if plan.factor[FACTOR * number + 1] == 1 else q * one * two


@compiled
def shared_tables(plan, s, tables, q, one, two):
    """Product (v, a, b) of the tables that all rows of a step share; where it is one, a view."""
    first = plan.step[STEP * s + 9]
    found, alone = 0, -1
    for k in range(first, first + plan.step[STEP * s + 8]):
        if plan.part[PART * k] == SHARED:
            found += 1
            alone = k
    if found == 1 and _size(plan, alone, q, one, two) == q * one * two:
        own = table_row(plan, tables, plan.part[PART * alone + 1], 0, q * one * two)
        return own.reshape(q, one, two)
    kernel = np.ones((q, one, two))
    for k in range(first, first + plan.step[STEP * s + 8]):
        if plan.part[PART * k] == SHARED:
            number, size = plan.part[PART * k + 1], _size(plan, k, q, one, two)
            _multiply(kernel, table_row(plan, tables, number, 0, size), plan.part[PART * k + 2])
    return kernel


@compiled
def has_pairs(plan, s):
    """Whether anything in a step is about a pair for some of its rows."""
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        if plan.part[PART * k] in (PAIR, PAIR_MESSAGE):
            return True
    return False


@compiled
def pair_row(plan, k, u, tables, messages, spare):
    """A part's values for one row of its step (none where an answer is missing).

    spare : (size,) for those of a predictor.
    """
    row = plan.row[plan.part[PART * k + 3] + u]
    number = plan.part[PART * k + 1]
    if plan.part[PART * k] == PAIR_MESSAGE:
        nodes = plan.line[3 * number + 2]
        if nodes == 0:
            return message_row(plan, messages, number, row, spare.size)
        expand(plan, number, message_row(plan, messages, number, row, nodes), spare)
        return spare
    if row < 0:
        return tables[:0]
    return table_row(plan, tables, number, row, spare.size)


@compiled
def with_pairs(plan, s, u, tables, messages, kernel, joint):
    """Joint (v, a, b) of one row: what is shared times the row's tables and messages of pairs."""
    q, one, two = kernel.shape
    joint[:] = kernel
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        what, number = plan.part[PART * k], plan.part[PART * k + 1]
        neighbour, row = plan.part[PART * k + 2], 0
        if what not in (PAIR, PAIR_MESSAGE):
            continue
        row = plan.row[plan.part[PART * k + 3] + u]
        size = q * (one if neighbour == 0 else two)
        if what == PAIR and row >= 0:
            _multiply(joint, table_row(plan, tables, number, row, size), neighbour)
        elif what == PAIR_MESSAGE:
            if neighbour == 2:
                size = q * one * two
            own = pair_row(plan, k, u, tables, messages, np.empty(size))
            _multiply(joint, own, neighbour)


@compiled
def shared_kernel(plan, s, tables):
    """What all rows of a step share, (v, outer, inner): its neighbours, one is the inner one.

    With a series (node_hub.py), the inner one is its terms, each over the neighbour's nodes.
    """
    q, one, two = sides(plan, s)
    terms = plan.step[STEP * s + 11]
    if terms > 1:
        at = plan.step[STEP * s + 12]
        return tables[at : at + q * terms * one].reshape(q, 1, terms * one)
    line = plan.line[3 * s + 2]
    if line:
        at = plan.factor[FACTOR * (plan.step[STEP * s + 10] // 2) + 6]
        return tables[at : at + q * line].reshape(q, 1, line)
    kernel = shared_tables(plan, s, tables, q, one, two)
    return kernel if two > 1 else kernel.reshape(q, two, one)


@compiled
def pair_place(plan, k):
    """Where the values of a part of pairs begin, by node of the step's variable, within a row.

    Then how far its rows are apart, and where the first one begins.
    """
    number = plan.part[PART * k + 1]
    if plan.part[PART * k] == PAIR:
        q, one, two = shape(plan, number)
        return np.arange(q) * one, q * one * two, plan.factor[FACTOR * number + 6]
    _, one, two = sides(plan, number)
    at = plan.step[STEP * number + 5]
    if plan.line[3 * number + 2] == 0:
        return np.arange(one) * two, one * two, at
    return lanes(plan, number), plan.line[3 * number + 2], at


@compiled
def _sum_several(plan, s, tables, messages, product, kernel, out):
    """Messages (row, neighbours) of a step with tables or messages of several pairs."""
    q, one, two = sides(plan, s)
    joint = np.empty((q, one, two))
    flat, shared = joint.reshape(q, one * two), kernel.reshape(q, one, two)
    for u in range(product.shape[0]):
        with_pairs(plan, s, u, tables, messages, shared, joint)
        for v in range(q):
            w = product[u, v]
            for k in range(one * two):
                out[u, k] += w * flat[v, k]


@compiled
def sum_step(plan, s, tables, messages, product, windows, out):
    """Messages (row, neighbours) of a step, not yet scaled; fills its windows."""
    q, one, two = sides(plan, s)
    kernel = shared_kernel(plan, s, tables)
    rows, outer, inner = product.shape[0], kernel.shape[1], kernel.shape[2]
    out[:] = 0.0
    several, k = has_pairs(plan, s), one_pair(plan, s)
    if several and k < 0:
        everything(windows, q, outer, inner)
        _sum_several(plan, s, tables, messages, product, kernel, out)
        return
    span = spans(kernel)
    if k < 0:
        sum_out(product, kernel, span, windows, out.reshape(rows, outer, inner))
        return
    shared, ones, nowhere = kernel.reshape(q, inner), np.ones(inner), np.zeros(q, dtype=np.int64)
    first, apart, at = pair_place(plan, k)
    for u in range(rows):
        row = plan.row[plan.part[PART * k + 3] + u]
        if row < 0:  # an answer is missing
            sum_pair(product[u], shared, span, windows[u], ones, 0, nowhere, out[u])
            continue
        value = tables if plan.part[PART * k] == PAIR else messages
        sum_pair(product[u], shared, span, windows[u], value, at + row * apart, first, out[u])
