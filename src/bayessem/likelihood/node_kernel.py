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
from bayessem.likelihood.dense import multiply, multiply_by_transpose, multiply_transposed, spans
from bayessem.likelihood.node_lattice import placed
from bayessem.likelihood.node_line import expand, gather, pull_line
from bayessem.likelihood.node_plan import (
    FACTOR,
    MESSAGE,
    PAIR,
    PAIR_MESSAGE,
    PART,
    SHARED,
    STEP,
    UNARY,
    unpack_nodes,
)
from bayessem.likelihood.node_tables import fill_tables, pull_tables


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
def _product(plan, s, tables, messages, logs, product, row_log):
    """A (row, v): the product of what is about a step's variable alone; logs of messages' scales.

    Returns whether anything in the step is about a pair.
    """
    rows, q = product.shape
    product[:] = 1.0
    row_log[:] = 0.0
    pairs = False
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        what, number = plan.part[PART * k], plan.part[PART * k + 1]
        at = plan.part[PART * k + 3]
        if what == UNARY:
            for u in range(rows):
                row = plan.row[at + u]
                if row >= 0:
                    own = _table(plan, tables, number, row, q)
                    for v in range(q):
                        product[u, v] *= own[v]
        elif what in (MESSAGE, PAIR_MESSAGE):
            scale = plan.step[STEP * number + 7]
            for u in range(rows):
                row_log[u] += logs[scale + plan.row[at + u]]
            if what == MESSAGE:
                for u in range(rows):
                    own = _message(plan, messages, number, plan.row[at + u], q)
                    for v in range(q):
                        product[u, v] *= own[v]
        pairs = pairs or what in (PAIR, PAIR_MESSAGE)
    return pairs


@compiled
def _one_pair(plan, s):
    """The part of a step that is about all its variables, where it is the only one of a pair.

    -1 where there is none, or there are several.
    """
    found = -1
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        if plan.part[PART * k] in (PAIR, PAIR_MESSAGE):
            whole = plan.step[STEP * s + 1] == 1 or plan.part[PART * k + 2] == 2
            if found >= 0 or not whole:
                return -1
            found = k
    return found


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
def _forward(plan, tables, messages, logs, scales, products):
    """All messages, each scaled to a sum of 1.

    scales : (row,) what each was divided by;  logs : sums of their logs, with those below. False
    where a message is 0 or beyond numbers.
    """
    for s in range(plan.sizes[1]):
        q, one, two = _sides(plan, s)
        rows, size = plan.step[STEP * s + 4], one * two
        line = plan.line[3 * s + 2]
        kernel = np.empty((q, one, two) if line == 0 else (q, line, 1))
        if line:
            size = line
            at = plan.factor[FACTOR * (plan.step[STEP * s + 10] // 2) + 6]
            kernel[:] = tables[at : at + q * line].reshape(q, line, 1)
        else:
            _shared(plan, s, tables, kernel)
        at = plan.step[STEP * s + 6]
        product = products[at : at + rows * q].reshape(rows, q)
        at = plan.step[STEP * s + 7]
        row_log = logs[at : at + rows]
        pairs = _product(plan, s, tables, messages, logs, product, row_log)
        at = plan.step[STEP * s + 5]
        out = messages[at : at + rows * size].reshape(rows, size)
        if pairs:
            joint, spare = np.empty((q, one, two)), np.empty(q * size)
            flat = joint.reshape(q, size)
            shared, one_pair = kernel.reshape(q, size), _one_pair(plan, s)
            for u in range(rows):
                out[u] = 0.0
                if one_pair >= 0:
                    own = _pair_row(plan, one_pair, u, tables, messages, spare)
                    if own.size:
                        pair = own.reshape(q, size)
                        for v in range(q):
                            w = product[u, v]
                            for k in range(size):
                                out[u, k] += w * shared[v, k] * pair[v, k]
                        continue
                _with_pairs(plan, s, u, tables, messages, kernel, joint)
                for v in range(q):
                    w = product[u, v]
                    for k in range(size):
                        out[u, k] += w * flat[v, k]
        else:
            flat, span = kernel.reshape(q, size), np.empty((q, 2), dtype=np.int64)
            spans(flat, span)
            multiply(product, flat, span, out)
        at = plan.step[STEP * s + 7]
        for u in range(rows):
            total = 0.0
            for k in range(size):
                total += out[u, k]
            if not 0.0 < total < np.inf:
                return False
            share = 1.0 / total
            for k in range(size):
                out[u, k] *= share
            row_log[u] += np.log(total)
            scales[at + u] = total
    return True


@compiled
def _share(weight, value):
    """Derivative by a value (interpolation has some below 0) from the weight that it carries."""
    return weight / value if value != 0.0 else 0.0


@compiled
def _back_singles(plan, s, weights, messages, d_messages, counts):
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
                    for v in range(q):
                        own[v] += weights[u, v]
        elif what == MESSAGE:
            for u in range(rows):
                row = plan.row[at + u]
                value = _message(plan, messages, number, row, q)
                d_value = _message(plan, d_messages, number, row, q)
                for v in range(q):
                    d_value[v] += _share(weights[u, v], value[v])


@compiled
def _back_pairs(plan, s, u, joint, messages, d_messages, d_lines, counts):
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
            value = _pair_row(plan, k, u, counts, messages, np.empty(size))
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
def _back_line(plan, s, elements, tables, messages, scales, products, d_messages, d_lines,
               counts, gradient):  # fmt: skip
    """The way back through a step whose message is about a predictor."""
    q, rows, nodes = (
        plan.node_count[plan.step[STEP * s]],
        plan.step[STEP * s + 4],
        plan.line[3 * s + 2],
    )
    at = plan.factor[FACTOR * (plan.step[STEP * s + 10] // 2) + 6]
    kernel = tables[at : at + q * nodes].reshape(q, nodes)
    at = plan.step[STEP * s + 6]
    product = products[at : at + rows * q].reshape(rows, q)
    at = plan.step[STEP * s + 5]
    d_out = d_messages[at : at + rows * nodes].reshape(rows, nodes)
    by_one = d_lines[at : at + rows * nodes].reshape(rows, nodes)
    at = plan.step[STEP * s + 7]
    for u in range(rows):
        share = 1.0 / scales[at + u]
        for k in range(nodes):
            d_out[u, k] *= share
            by_one[u, k] *= share
    weights, sums, moved = np.empty((rows, q)), np.empty((q, nodes)), np.empty((q, nodes))
    span = np.empty((q, 2), dtype=np.int64)
    spans(kernel, span)
    multiply_transposed(d_out, kernel, span, weights)
    weights *= product
    multiply_by_transpose(product, d_out, span, sums)
    multiply_by_transpose(product, by_one, span, moved)
    sums *= kernel
    moved *= kernel
    pull_line(plan, s, elements, kernel.ravel(), sums.ravel(), moved.ravel(), gradient)
    _back_singles(plan, s, weights, messages, d_messages, counts)


@compiled
def _backward(plan, elements, tables, messages, scales, products, d_messages, counts, gradient):
    """Derivatives by the logs of all tables into counts; d_messages holds those of the roots.

    Those by the elements of equations whose tables are over predictors are added to gradient.
    """
    d_lines = np.zeros(messages.size if plan.line.any() else 0)
    for back in range(plan.sizes[1]):
        s = plan.sizes[1] - 1 - back
        if plan.line[3 * s + 2] > 0:
            _back_line(plan, s, elements, tables, messages, scales, products, d_messages, d_lines,
                       counts, gradient)  # fmt: skip
            continue
        q, one, two = _sides(plan, s)
        rows, size = plan.step[STEP * s + 4], one * two
        kernel = np.empty((q, one, two))
        _shared(plan, s, tables, kernel)
        at = plan.step[STEP * s + 6]
        product = products[at : at + rows * q].reshape(rows, q)
        at = plan.step[STEP * s + 5]
        d_out = d_messages[at : at + rows * size].reshape(rows, size)
        at = plan.step[STEP * s + 7]
        for u in range(rows):
            share = 1.0 / scales[at + u]
            for k in range(size):
                d_out[u, k] *= share
        weights = np.empty((rows, q))
        pairs = False
        first = plan.step[STEP * s + 9]
        for k in range(first, first + plan.step[STEP * s + 8]):
            pairs = pairs or plan.part[PART * k] in (PAIR, PAIR_MESSAGE)
        if pairs:
            joint, spare = np.empty((q, one, two)), np.empty(q * size)
            d_spare = np.empty(q * size)
            flat = joint.reshape(q, size)
            total = np.zeros((q, one, two))
            sums, one_pair = total.reshape(q, size), _one_pair(plan, s)
            shared = kernel.reshape(q, size)
            for u in range(rows):
                if one_pair >= 0:
                    own = _pair_row(plan, one_pair, u, tables, messages, spare)
                    if own.size:
                        pair = own.reshape(q, size)
                        by_value = plan.part[PART * one_pair] == PAIR_MESSAGE
                        if by_value:
                            d_spare[:] = 0.0
                            d_pair = d_spare.reshape(q, size)
                        else:
                            d_own = _pair_row(plan, one_pair, u, counts, messages, spare)
                            d_pair = d_own.reshape(q, size)
                        for v in range(q):
                            w, total_v = product[u, v], 0.0
                            if by_value:
                                for k in range(size):
                                    t = w * shared[v, k] * d_out[u, k]
                                    d_pair[v, k] += t
                                    sums[v, k] += t * pair[v, k]
                                    total_v += t * pair[v, k]
                            else:
                                for k in range(size):
                                    g = w * shared[v, k] * d_out[u, k] * pair[v, k]
                                    d_pair[v, k] += g
                                    sums[v, k] += g
                                    total_v += g
                            weights[u, v] = total_v
                        if by_value:
                            _back_message(plan, one_pair, u, d_spare, d_messages, d_lines)
                        continue
                _with_pairs(plan, s, u, tables, messages, kernel, joint)
                for v in range(q):
                    w, total_v = product[u, v], 0.0
                    for k in range(size):
                        flat[v, k] *= w * d_out[u, k]
                        total_v += flat[v, k]
                    weights[u, v] = total_v
                total += joint
                _back_pairs(plan, s, u, joint, messages, d_messages, d_lines, counts)
        else:
            flat = kernel.reshape(q, size)
            span = np.empty((q, 2), dtype=np.int64)
            spans(flat, span)
            multiply_transposed(d_out, flat, span, weights)
            weights *= product
            sums = np.empty((q, size))
            multiply_by_transpose(product, d_out, span, sums)
            sums *= flat
            total = sums.reshape(q, one, two)
        _back_shared(plan, s, total, counts)
        _back_singles(plan, s, weights, messages, d_messages, counts)


@compiled
def evaluate_nodes(elements, ints, floats, gradient, out):
    """Log-likelihood of all respondents, as kernel.evaluate, of a plan of node_plan.py.

    gradient is overwritten with the derivatives by elements, out, unless it is empty, with
    log p(y_i) in the order of the sample.
    """
    plan = placed(unpack_nodes(ints, floats), elements)
    gradient[:] = 0.0
    out[:] = 0.0
    # one block: several would each be given back to the system, and be cleared by it, every time
    sizes = plan.sizes
    work = np.empty(2 * (sizes[2] + sizes[3] + sizes[6]) + sizes[4])
    tables, work = work[: sizes[2]], work[sizes[2] :]
    messages, work = work[: sizes[3]], work[sizes[3] :]
    products, work = work[: sizes[4]], work[sizes[4] :]
    logs, work = work[: sizes[6]], work[sizes[6] :]
    scales, work = work[: sizes[6]], work[sizes[6] :]
    good = fill_tables(plan, elements, tables)
    if good:
        good = _forward(plan, tables, messages, logs, scales, products)
    if not good:
        out[:] = -np.inf
        return -np.inf
    value = 0.0
    work[:] = 0.0
    d_messages, counts = work[: sizes[3]], work[sizes[3] :]
    for s in range(sizes[1]):
        if plan.step[STEP * s + 1] > 0:
            continue
        at, first = plan.step[STEP * s + 7], plan.step[STEP * s + 5]
        for u in range(plan.step[STEP * s + 4]):
            value += plan.weight[at + u] * logs[at + u]
            d_messages[first + u] = plan.weight[at + u]  # of its log; the message itself is 1
    if out.size:
        for k in range(plan.root.size // 2):
            out[plan.root[2 * k]] += logs[plan.root[2 * k + 1]]
        return value
    _backward(plan, elements, tables, messages, scales, products, d_messages, counts, gradient)
    pull_tables(plan, elements, tables, counts, gradient)
    return value
