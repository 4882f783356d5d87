"""The likelihood of ordered answers: latent variables summed out on nodes, and its gradient.

Step by step of the plan's elimination: the product A of all tables and messages that are about one
variable, over its nodes, times the tables that it shares with its neighbours, summed over its
nodes: the message to the neighbours. The way back gives the posterior weights of all nodes, whose
sums are the derivatives by the logs of the tables (Fisher's identity): the data enter nothing else.

Bock, R. D., & Aitkin, M. (1981). Marginal maximum likelihood estimation of item parameters.
Psychometrika, 46, 443-459. Gibbons, R. D., & Hedeker, D. R. (1992). Full-information item bi-factor
analysis. Psychometrika, 57, 423-436. Rijmen, F. (2009). ETS RR-09-03.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.node_answers import fill_boxes, pull_boxes
from bayessem.likelihood.node_chain import derive, pull_derived
from bayessem.likelihood.node_lattice import placed
from bayessem.likelihood.node_line import expand, gather, lane_order, lanes, pull_line
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
    shape,
    unpack_nodes,
)
from bayessem.likelihood.node_sums import (
    back_message,
    back_table,
    collect,
    rescale,
    spans,
    sum_out,
    sum_pair,
    weigh,
)
from bayessem.likelihood.node_tables import fill_tables, late, line_of, pull_tables
from bayessem.likelihood.node_windows import (
    WINDOW,
    above,
    boxes_of,
    everything,
    find_windows,
    narrow,
    prior_of,
)


@compiled
def _sides(plan, s):
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
def _table(plan, tables, number, row, size):
    """One row of a factor's table (a view)."""
    at = plan.factor[FACTOR * number + 6] + row * size
    return tables[at : at + size]


@compiled
def _message(plan, messages, number, row, size):
    """One row of a step's message (a view)."""
    at = plan.step[STEP * number + 5] + row * size
    return messages[at : at + size]


@compiled
def _shared(plan, s, tables, kernel):
    """Product of the tables that all rows of a step share, (v, a, b)."""
    q, one, two = kernel.shape
    kernel[:] = 1.0
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
        _multiply(kernel, _table(plan, tables, number, 0, size), neighbour)


@compiled
def _answers(plan, s, tables, product):
    """The product (row, v) of the tables of answers that are about a step's variable alone."""
    rows, q = product.shape
    product[:] = 1.0
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        number, at = plan.part[PART * k + 1], plan.part[PART * k + 3]
        if plan.part[PART * k] != UNARY:
            continue
        for u in range(rows):
            row = plan.row[at + u]
            if row >= 0:
                own = _table(plan, tables, number, row, q)
                for v in range(q):
                    product[u, v] *= own[v]


@compiled
def _begin(plan, tables, products, windows):
    """Products of the answers' tables of all steps, and the windows in which they matter."""
    for s in range(plan.sizes[1]):
        q, rows = plan.node_count[plan.step[STEP * s]], plan.step[STEP * s + 4]
        at, first = plan.step[STEP * s + 6], plan.step[STEP * s + 7]
        product = products[at : at + rows * q].reshape(rows, q)
        _answers(plan, s, tables, product)
        prior = prior_of(plan, s, tables)
        for u in range(rows):
            windows[first + u, 0], windows[first + u, 1] = 0, q
            narrow(product[u], prior, windows[first + u])


@compiled
def _hand_up(plan, s, size, tables, messages, logs, products, windows):
    """Takes a step's finished message into the product of the step above it."""
    t, at = above(plan, s)
    own, scale = plan.step[STEP * s + 7], plan.step[STEP * t + 7]
    first, alone = plan.step[STEP * t + 6], plan.step[STEP * s + 1] == 1
    prior = prior_of(plan, t, tables)
    for w in range(plan.step[STEP * t + 4]):
        row = plan.row[at + w]
        logs[scale + w] += logs[own + row]
        if alone:
            message = _message(plan, messages, s, row, size)
            product = products[first + w * size : first + (w + 1) * size]
            for v in range(windows[scale + w, 0], windows[scale + w, 1]):
                product[v] *= message[v]
            narrow(product, prior, windows[scale + w])


@compiled
def _has_pairs(plan, s):
    """Whether anything in a step is about a pair for some of its rows."""
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        if plan.part[PART * k] in (PAIR, PAIR_MESSAGE):
            return True
    return False


@compiled
def _pair_row(plan, k, u, tables, messages, spare):
    """A part's values for one row of its step (none where an answer is missing).

    spare : (size,) for those of a predictor.
    """
    row = plan.row[plan.part[PART * k + 3] + u]
    number = plan.part[PART * k + 1]
    if plan.part[PART * k] == PAIR_MESSAGE:
        nodes = plan.line[3 * number + 2]
        if nodes == 0:
            return _message(plan, messages, number, row, spare.size)
        expand(plan, number, _message(plan, messages, number, row, nodes), spare)
        return spare
    if row < 0:
        return tables[:0]
    return _table(plan, tables, number, row, spare.size)


@compiled
def _back_message(plan, k, u, pair, d_messages, d_lines):
    """Adds derivatives (pair) to those by a message of a step below."""
    row = plan.row[plan.part[PART * k + 3] + u]
    number = plan.part[PART * k + 1]
    nodes = plan.line[3 * number + 2]
    if nodes == 0:
        own = _message(plan, d_messages, number, row, pair.size)
        for j in range(pair.size):
            own[j] += pair[j]
        return
    own = _message(plan, d_messages, number, row, nodes)
    gather(plan, number, pair, own, _message(plan, d_lines, number, row, nodes))


@compiled
def _with_pairs(plan, s, u, tables, messages, kernel, joint):
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
            _multiply(joint, _table(plan, tables, number, row, size), neighbour)
        elif what == PAIR_MESSAGE:
            if neighbour == 2:
                size = q * one * two
            own = _pair_row(plan, k, u, tables, messages, np.empty(size))
            _multiply(joint, own, neighbour)


@compiled
def _kernel(plan, s, tables):
    """What all rows of a step share, (v, outer, inner): its neighbours, one is the inner one."""
    q, one, two = _sides(plan, s)
    line = plan.line[3 * s + 2]
    if line:
        at = plan.factor[FACTOR * (plan.step[STEP * s + 10] // 2) + 6]
        return tables[at : at + q * line].reshape(q, 1, line)
    kernel = np.empty((q, one, two))
    _shared(plan, s, tables, kernel)
    return kernel if two > 1 else kernel.reshape(q, two, one)


@compiled
def _pair_place(plan, k):
    """Where the values of a part of pairs begin, by node of the step's variable, within a row.

    Then how far its rows are apart, and where the first one begins.
    """
    number = plan.part[PART * k + 1]
    if plan.part[PART * k] == PAIR:
        q, one, two = shape(plan, number)
        return np.arange(q) * one, q * one * two, plan.factor[FACTOR * number + 6]
    _, one, two = _sides(plan, number)
    at = plan.step[STEP * number + 5]
    if plan.line[3 * number + 2] == 0:
        return np.arange(one) * two, one * two, at
    return lanes(plan, number), plan.line[3 * number + 2], at


@compiled
def _sum_several(plan, s, tables, messages, product, kernel, out):
    """Messages (row, neighbours) of a step with tables or messages of several pairs."""
    q, one, two = _sides(plan, s)
    joint = np.empty((q, one, two))
    flat, shared = joint.reshape(q, one * two), kernel.reshape(q, one, two)
    for u in range(product.shape[0]):
        _with_pairs(plan, s, u, tables, messages, shared, joint)
        for v in range(q):
            w = product[u, v]
            for k in range(one * two):
                out[u, k] += w * flat[v, k]


@compiled
def _sum_step(plan, s, tables, messages, product, windows, out):
    """Messages (row, neighbours) of a step, not yet scaled; fills its windows."""
    q, one, two = _sides(plan, s)
    kernel = _kernel(plan, s, tables)
    rows, outer, inner = product.shape[0], kernel.shape[1], kernel.shape[2]
    out[:] = 0.0
    several, k = _has_pairs(plan, s), one_pair(plan, s)
    if several and k < 0:
        everything(windows, q, outer, inner)
        _sum_several(plan, s, tables, messages, product, kernel, out)
        return
    span = spans(kernel)
    if k < 0:
        sum_out(product, kernel, span, windows, out.reshape(rows, outer, inner))
        return
    shared, ones, nowhere = kernel.reshape(q, inner), np.ones(inner), np.zeros(q, dtype=np.int64)
    first, apart, at = _pair_place(plan, k)
    for u in range(rows):
        row = plan.row[plan.part[PART * k + 3] + u]
        if row < 0:  # an answer is missing
            sum_pair(product[u], shared, span, windows[u], ones, nowhere, out[u])
            continue
        value = tables if plan.part[PART * k] == PAIR else messages
        sum_pair(product[u], shared, span, windows[u], value[at + row * apart :], first, out[u])


@compiled
def _forward(plan, elements, tables, messages, logs, scales, products, windows):
    """All messages, each scaled to a sum of 1.

    scales : (row,) what each was divided by;  logs : sums of their logs, with those below. False
    where a message is 0 or beyond numbers.
    """
    logs[:] = 0.0
    _begin(plan, tables, products, windows)
    waits = late(plan)
    for s in range(plan.sizes[1]):
        q, one, two = _sides(plan, s)
        rows, size = plan.step[STEP * s + 4], one * two
        if plan.line[3 * s + 2]:
            size = plan.line[3 * s + 2]
        at = plan.step[STEP * s + 6]
        product = products[at : at + rows * q].reshape(rows, q)
        at = plan.step[STEP * s + 5]
        out = messages[at : at + rows * size].reshape(rows, size)
        at = plan.step[STEP * s + 7]
        find_windows(plan, s, windows)
        k = one_pair(plan, s)
        if k >= 0 and waits[plan.part[PART * k + 1]] and plan.part[PART * k] == PAIR:
            f = plan.part[PART * k + 1]
            boxes = boxes_of(plan, k, windows[at : at + rows])
            own = tables[plan.factor[FACTOR * f + 6] :][: boxes.shape[0] * q * one * two]
            fill_boxes(plan, f, elements, own.reshape(boxes.shape[0], q * one * two), boxes)
        _sum_step(plan, s, tables, messages, product, windows[at : at + rows], out)
        outer = one if plan.line[3 * s + 2] == 0 and two > 1 else 1
        of_pairs = out.reshape(rows, outer, size // outer)
        rescale(of_pairs, windows[at : at + rows], scales[at : at + rows], True)
        for u in range(rows):
            if not 0.0 < scales[at + u] < np.inf:
                return False
            logs[at + u] += np.log(scales[at + u])
        if plan.line[3 * s + 2]:
            spare = np.empty(size)
            for u in range(rows):
                lane_order(plan, s, out[u], False, spare)
        if plan.step[STEP * s + 1] > 0:
            _hand_up(plan, s, size, tables, messages, logs, products, windows)
    return True


@compiled
def _share(weight, value):
    """Derivative by a value (interpolation has some below 0) from the weight that it carries."""
    return weight / value if value != 0.0 else 0.0


@compiled
def _back_singles(plan, s, weights, windows, messages, d_messages, counts):
    """Hands the weights (row, v) of a step's nodes on to its single tables and messages."""
    rows, q = weights.shape
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        what, number = plan.part[PART * k], plan.part[PART * k + 1]
        at = plan.part[PART * k + 3]
        if what == UNARY:
            for u in range(rows):
                row = plan.row[at + u]
                if row >= 0:
                    own = _table(plan, counts, number, row, q)
                    for v in range(windows[u, 0], windows[u, 1]):
                        own[v] += weights[u, v]
        elif what == MESSAGE:
            for u in range(rows):
                row = plan.row[at + u]
                value = _message(plan, messages, number, row, q)
                d_value = _message(plan, d_messages, number, row, q)
                for v in range(windows[u, 0], windows[u, 1]):
                    d_value[v] += _share(weights[u, v], value[v])


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
            _collect(joint, neighbour, _table(plan, counts, number, row, size))
        elif what == PAIR_MESSAGE:
            if neighbour == 2:
                size = q * one * two
            own = np.zeros(size)
            _collect(joint, neighbour, own)
            value = _pair_row(plan, k, u, tables, messages, np.empty(size))
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
        _collect(joint, neighbour, _table(plan, counts, number, 0, size))


@compiled
def _line_back(plan, s, elements, kernel, product, span, windows, sums, by_one, gradient):
    """Derivatives by the elements of the equation of a step whose message is about a predictor.

    by_one : derivatives by the messages times the value of the first cause.
    """
    moved = np.empty(kernel.shape)
    collect(by_one.reshape(product.shape[0], 1, kernel.shape[2]), product, span, windows, moved)
    moved *= kernel
    pull_line(plan, s, elements, kernel.ravel(), sums.ravel(), moved.ravel(), gradient)


@compiled
def _back_several(plan, s, tables, messages, product, kernel, d_out, d_messages, d_lines, counts,
                  weights, total):  # fmt: skip
    """The way back through a step with tables or messages of several pairs."""
    q, one, two = _sides(plan, s)
    joint = np.empty((q, one, two))
    flat, shared = joint.reshape(q, one * two), kernel.reshape(q, one, two)
    total[:] = 0.0
    for u in range(product.shape[0]):
        _with_pairs(plan, s, u, tables, messages, shared, joint)
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
    first, apart, at = _pair_place(plan, k)
    line = part[0] == PAIR_MESSAGE and plan.line[3 * part[1] + 2] > 0
    for u in range(product.shape[0]):
        row = plan.row[part[3] + u]
        begin = at + row * apart
        if row < 0:
            back_table(product[u], shared, span, windows[u], ones, nowhere, d_out[u], spare,
                       of_pairs, weights[u])  # fmt: skip
        elif part[0] == PAIR:
            back_table(product[u], shared, span, windows[u], tables[begin:], first, d_out[u],
                       counts[begin:], of_pairs, weights[u])  # fmt: skip
        else:
            back_message(product[u], shared, span, windows[u], messages[begin:], first, x,
                         d_out[u], d_messages[begin:], d_lines[begin:] if line else none, of_pairs,
                         weights[u])  # fmt: skip


@compiled
def _back_step(plan, s, elements, tables, messages, product, windows, d_out, d_messages, d_lines,
               counts, gradient):  # fmt: skip
    """The way back through a step; d_out (row, neighbours) by its messages before the scaling."""
    rows, q = product.shape
    kernel = _kernel(plan, s, tables)
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
    elif _has_pairs(plan, s):
        _back_several(plan, s, tables, messages, product, kernel, d_out, d_messages, d_lines,
                      counts, weights, total)  # fmt: skip
    else:
        of_pairs = d_out.reshape(rows, outer, inner)
        weigh(of_pairs, product, kernel, span, windows, weights)
        collect(of_pairs, product, span, windows, total)
        total *= kernel
    if plan.line[3 * s + 2] > 0:
        at = plan.step[STEP * s + 5]
        by_one = d_lines[at : at + rows * inner]
        _line_back(plan, s, elements, kernel, product, span, windows, total, by_one, gradient)
    else:
        _, one, two = _sides(plan, s)
        _back_shared(plan, s, total.reshape(q, one, two), counts)
    _back_singles(plan, s, weights, windows, messages, d_messages, counts)


@compiled
def _backward(plan, elements, tables, messages, scales, products, windows, d_messages, d_lines,
              counts, gradient):  # fmt: skip
    """Derivatives by the logs of all tables into counts; d_messages holds those of the roots.

    Those by the elements of equations whose tables are over predictors are added to gradient.
    """
    for back in range(plan.sizes[1]):
        s = plan.sizes[1] - 1 - back
        q, one, two = _sides(plan, s)
        rows, size, line = plan.step[STEP * s + 4], one * two, plan.line[3 * s + 2]
        size = line if line else size
        at = plan.step[STEP * s + 6]
        product = products[at : at + rows * q].reshape(rows, q)
        at = plan.step[STEP * s + 5]
        d_out = d_messages[at : at + rows * size].reshape(rows, size)
        by_one = d_lines[at : at + (rows * size if line else 0)]
        first = plan.step[STEP * s + 7]
        if line:
            spare = np.empty(size)
            for u in range(rows):
                lane_order(plan, s, d_out[u], True, spare)
                lane_order(plan, s, by_one[u * size : (u + 1) * size], True, spare)
        outer = one if not line and two > 1 else 1
        own, by_row = windows[first : first + rows], scales[first : first + rows]
        rescale(d_out.reshape(rows, outer, size // outer), own, by_row, False)
        if line:
            rescale(by_one.reshape(rows, 1, size), own, by_row, False)
        _back_step(plan, s, elements, tables, messages, product, windows[first : first + rows],
                   d_out, d_messages, d_lines, counts, gradient)  # fmt: skip


@compiled
def _clear(plan, d_messages, d_lines, counts):
    """Zeros where the way back adds to."""
    lines = line_of(plan)
    for f in range(plan.sizes[0]):
        one, two, three = shape(plan, f)
        at = plan.factor[FACTOR * f + 6]
        if lines[f] < 0:
            counts[at : at + plan.factor[FACTOR * f + 5] * one * two * three] = 0.0
    for s in range(plan.sizes[1]):
        _, one, two = _sides(plan, s)
        at, line = plan.step[STEP * s + 5], plan.line[3 * s + 2]
        size = plan.step[STEP * s + 4] * (line if line else one * two)
        d_messages[at : at + size] = 0.0
        if line:
            d_lines[at : at + size] = 0.0


@compiled
def _evaluate(plan, elements, gradient, out):
    """`evaluate_nodes` of a plan with its nodes in place; elements have the derived ones behind."""
    # one block: several would each be given back to the system, and be cleared by it, every time
    sizes = plan.sizes
    lines = sizes[3] if plan.line.any() else 0
    work = np.empty(2 * (sizes[2] + sizes[3] + sizes[6]) + sizes[4] + lines)
    windows = np.empty((sizes[6], WINDOW), dtype=np.int64)
    tables, work = work[: sizes[2]], work[sizes[2] :]
    messages, work = work[: sizes[3]], work[sizes[3] :]
    products, work = work[: sizes[4]], work[sizes[4] :]
    logs, work = work[: sizes[6]], work[sizes[6] :]
    scales, work = work[: sizes[6]], work[sizes[6] :]
    good = fill_tables(plan, elements, tables)
    if good:
        good = _forward(plan, elements, tables, messages, logs, scales, products, windows)
    if not good:
        out[:] = -np.inf
        return -np.inf
    value = 0.0
    d_messages, work = work[: sizes[3]], work[sizes[3] :]
    counts, d_lines = work[: sizes[2]], work[sizes[2] :]
    if not out.size:
        _clear(plan, d_messages, d_lines, counts)
    for s in range(sizes[1]):
        if plan.step[STEP * s + 1] > 0:
            continue
        at, first = plan.step[STEP * s + 7], plan.step[STEP * s + 5]
        for u in range(plan.step[STEP * s + 4]):
            value += plan.weight[at + u] * logs[at + u]
            if not out.size:
                d_messages[first + u] = plan.weight[at + u]  # of its log; the message itself is 1
    if out.size:
        for k in range(plan.root.size // 2):
            out[plan.root[2 * k]] += logs[plan.root[2 * k + 1]]
        return value
    _backward(plan, elements, tables, messages, scales, products, windows, d_messages, d_lines,
              counts, gradient)  # fmt: skip
    pull_tables(plan, elements, tables, counts, gradient)
    return value


@compiled
def evaluate_nodes(elements, ints, floats, gradient, out):
    """Log-likelihood of all respondents, as kernel.evaluate, of a plan of node_plan.py.

    gradient is overwritten with the derivatives by elements, out, unless it is empty, with
    log p(y_i) in the order of the sample.
    """
    plan = unpack_nodes(ints, floats)
    own = np.empty(elements.size + plan.sizes[8])
    out[:] = 0.0
    gradient[:] = 0.0
    if not derive(plan, elements, own):
        out[:] = -np.inf
        return -np.inf
    by = np.zeros(own.size)
    value = _evaluate(placed(plan, own), own, by, out)
    gradient += by[: elements.size]
    pull_derived(plan, elements, by, gradient)
    return value
