"""The way back through one step of the node engine: weights of nodes, and derivatives."""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.node_answers import pull_boxes
from bayessem.likelihood.node_hub import hub_of, pull_series, split
from bayessem.likelihood.node_line import gather, pull_line
from bayessem.likelihood.node_plan import (
    FACTOR,
    MESSAGE,
    PAIR,
    PAIR_MESSAGE,
    PART,
    SHARED,
    STEP,
    UNARY,
    one_pair,
)
from bayessem.likelihood.node_step import (
    has_pairs,
    message_row,
    pair_place,
    pair_row,
    shared_kernel,
    sides,
    table_row,
    with_pairs,
)
from bayessem.likelihood.node_sums import back_message, back_table, collect, spans, weigh
from bayessem.likelihood.node_tables import late
from bayessem.likelihood.node_windows import boxes_of


@compiled
def _share(weight, value):
    """Derivative by a value (interpolation has some below 0) from the weight that it carries."""
    return weight / value if value != 0.0 else 0.0


@compiled
def _collect(counts, neighbour, into):
    """Adds counts (v, a, b), summed over what a table is not about, to the table's counts."""
    q, one, two = counts.shape
    if neighbour == 0:
        own = into.reshape(q, one)
        for v in range(q):
            for a in range(one):
                for b in range(two):
                    own[v, a] += counts[v, a, b]
    elif neighbour == 1:
        own = into.reshape(q, two)
        for v in range(q):
            for a in range(one):
                for b in range(two):
                    own[v, b] += counts[v, a, b]
    elif into.size == q:
        for v in range(q):
            for a in range(one):
                for b in range(two):
                    into[v] += counts[v, a, b]
    else:
        own3 = into.reshape(q, one, two)
        for v in range(q):
            for a in range(one):
                for b in range(two):
                    own3[v, a, b] += counts[v, a, b]


@compiled
def _back_message(plan, k, u, pair, d_messages, d_lines):
    """Adds derivatives (pair) to those by a message of a step below."""
    row = plan.row[plan.part[PART * k + 3] + u]
    number = plan.part[PART * k + 1]
    nodes = plan.line[3 * number + 2]
    if nodes == 0:
        own = message_row(plan, d_messages, number, row, pair.size)
        for j in range(pair.size):
            own[j] += pair[j]
        return
    own = message_row(plan, d_messages, number, row, nodes)
    gather(plan, number, pair, own, message_row(plan, d_lines, number, row, nodes))


@compiled
def _back_singles(plan, s, elements, weights, windows, messages, d_messages, counts, gradient):
    """Hands the weights (row, v) of a step's nodes on to its single tables and messages."""
    rows, q = weights.shape
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        what, number = plan.part[PART * k], plan.part[PART * k + 1]
        at = plan.part[PART * k + 3]
        if what == UNARY:
            first_cell = plan.factor[FACTOR * number + 6]
            for u in range(rows):
                row = plan.row[at + u]
                if row >= 0:
                    begin = np.uint64(first_cell + row * q)
                    for v in range(np.uint64(windows[u, 0]), np.uint64(windows[u, 1])):
                        counts[begin + v] += weights[u, v]
        elif what == MESSAGE and plan.step[STEP * number + 11] == 1:
            first_cell = plan.step[STEP * number + 5]
            for u in range(rows):
                begin = np.uint64(first_cell + plan.row[at + u] * q)
                for v in range(np.uint64(windows[u, 0]), np.uint64(windows[u, 1])):
                    value = messages[begin + v]
                    d_messages[begin + v] += _share(weights[u, v], value)
        elif what == MESSAGE:
            hub, side = hub_of(plan, number)
            if side == 0:
                split(plan, hub, elements, weights, windows, messages, d_messages, gradient)


@compiled
def _back_pairs(plan, s, u, joint, tables, messages, d_messages, d_lines, counts):
    """Hands the weights joint (v, a, b) of one row on to its tables and messages of pairs."""
    q, one, two = joint.shape
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        what, number = plan.part[PART * k], plan.part[PART * k + 1]
        neighbour = plan.part[PART * k + 2]
        if what not in (PAIR, PAIR_MESSAGE):
            continue
        row = plan.row[plan.part[PART * k + 3] + u]
        size = q * (one if neighbour == 0 else two)
        if what == PAIR and row >= 0:
            _collect(joint, neighbour, table_row(plan, counts, number, row, size))
        elif what == PAIR_MESSAGE:
            if neighbour == 2:
                size = q * one * two
            own = np.zeros(size)
            _collect(joint, neighbour, own)
            value = pair_row(plan, k, u, tables, messages, np.empty(size))
            for j in range(size):
                own[j] = _share(own[j], value[j])
            _back_message(plan, k, u, own, d_messages, d_lines)


@compiled
def _back_shared(plan, s, joint, counts):
    """Hands the weights joint (v, a, b) of all rows on to the tables that they share."""
    q, one, two = joint.shape
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        if plan.part[PART * k] != SHARED:
            continue
        number, neighbour = plan.part[PART * k + 1], plan.part[PART * k + 2]
        size = q * one * two
        if neighbour == 0:
            size = q * one
        elif neighbour == 1:
            size = q * two
        elif plan.factor[FACTOR * number + 1] == 1:
            size = q
        _collect(joint, neighbour, table_row(plan, counts, number, 0, size))


@compiled
def _line_back(plan, s, elements, kernel, product, span, windows, sums, by_one, gradient):
    """Derivatives by the elements of the equation of a step whose message is about a predictor.

    by_one : derivatives by the messages times the value of the first cause.
    """
    moved = np.empty(kernel.shape)
    collect(by_one.reshape(product.shape[0], 1, kernel.shape[2]), product, span, windows, moved)
    moved *= kernel
    q, nodes = kernel.shape[0], kernel.shape[2]
    pull_line(plan, s, elements, kernel.reshape(q, nodes), sums.reshape(q, nodes),
              moved.reshape(q, nodes), gradient)  # fmt: skip


@compiled
def _back_several(plan, s, tables, messages, product, kernel, d_out, d_messages, d_lines, counts,
                  weights, total):  # fmt: skip
    """The way back through a step with tables or messages of several pairs."""
    q, one, two = sides(plan, s)
    joint = np.empty((q, one, two))
    flat, shared = joint.reshape(q, one * two), kernel.reshape(q, one, two)
    total[:] = 0.0
    for u in range(product.shape[0]):
        with_pairs(plan, s, u, tables, messages, shared, joint)
        for v in range(q):
            w, own = product[u, v], 0.0
            for k in range(one * two):
                flat[v, k] *= w * d_out[u, k]
                own += flat[v, k]
            weights[u, v] = own
        total += joint.reshape(total.shape)
        _back_pairs(plan, s, u, joint, tables, messages, d_messages, d_lines, counts)


@compiled
def _back_pair(plan, s, k, tables, messages, product, kernel, span, windows, d_out, d_messages,
               d_lines, counts, weights, sums):  # fmt: skip
    """The way back through a step with one table or message of pairs."""
    q, inner = kernel.shape[0], kernel.shape[2]
    shared, none = kernel.reshape(q, inner), np.empty(0)
    ones, spare, nowhere = np.ones(inner), np.empty(inner), np.zeros(q, dtype=np.int64)
    of_pairs = sums.reshape(q, inner)
    of_pairs[:], weights[:] = 0.0, 0.0
    x, v, part = np.empty(q), plan.step[STEP * s], plan.part[PART * k : PART * (k + 1)]
    for i in range(q):
        x[i] = plan.node_first[v] + plan.node_step[v] * i
    first, apart, at = pair_place(plan, k)
    by_line = none
    if part[0] == PAIR_MESSAGE and plan.line[3 * part[1] + 2] > 0:
        by_line = d_lines
    for u in range(product.shape[0]):
        row = plan.row[part[3] + u]
        begin = at + row * apart
        if row < 0:
            back_table(product[u], shared, span, windows[u], ones, 0, nowhere, d_out[u], spare,
                       of_pairs, weights[u])  # fmt: skip
        elif part[0] == PAIR:
            back_table(product[u], shared, span, windows[u], tables, begin, first, d_out[u], counts,
                       of_pairs, weights[u])  # fmt: skip
        else:
            back_message(product[u], shared, span, windows[u], messages, begin, first, x, d_out[u],
                         d_messages, by_line, of_pairs, weights[u])  # fmt: skip


@compiled
def back_step(plan, s, elements, tables, messages, product, windows, d_out, d_messages, d_lines,
               counts, gradient):  # fmt: skip
    """The way back through a step; d_out (row, neighbours) by its messages before the scaling."""
    rows, q = product.shape
    kernel = shared_kernel(plan, s, tables)
    outer, inner = kernel.shape[1], kernel.shape[2]
    span, weights, total = spans(kernel), np.empty((rows, q)), np.empty((q, outer, inner))
    k = one_pair(plan, s)
    if k >= 0:
        _back_pair(plan, s, k, tables, messages, product, kernel, span, windows, d_out, d_messages,
                   d_lines, counts, weights, total)  # fmt: skip
        f = plan.part[PART * k + 1]
        if plan.part[PART * k] == PAIR and late(plan)[f]:
            boxes, size = boxes_of(plan, k, windows), q * outer * inner
            own = counts[plan.factor[FACTOR * f + 6] :][: boxes.shape[0] * size]
            pull_boxes(plan, f, elements, own.reshape(boxes.shape[0], size), boxes, gradient)
    elif has_pairs(plan, s):
        _back_several(plan, s, tables, messages, product, kernel, d_out, d_messages, d_lines,
                      counts, weights, total)  # fmt: skip
    else:
        of_pairs = d_out.reshape(rows, outer, inner)
        weigh(of_pairs, product, kernel, span, windows, weights)
        collect(of_pairs, product, span, windows, total)
        if plan.step[STEP * s + 11] == 1:
            total *= kernel
    _, one, two = sides(plan, s)
    terms = plan.step[STEP * s + 11]
    if terms > 1:
        own, of_terms = np.empty((q, one)), kernel.reshape(q, terms, one)
        pull_series(plan, s, elements, of_terms, total.reshape(q, terms, one), own, gradient)
        _back_shared(plan, s, own.reshape(q, one, two), counts)
    elif plan.line[3 * s + 2] > 0:
        at = plan.step[STEP * s + 5]
        by_one = d_lines[at : at + rows * inner]
        _line_back(plan, s, elements, kernel, product, span, windows, total, by_one, gradient)
    else:
        _back_shared(plan, s, total.reshape(q, one, two), counts)
    _back_singles(plan, s, elements, weights, windows, messages, d_messages, counts, gradient)
