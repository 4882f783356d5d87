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
from bayessem.likelihood.node_answers import fill_boxes
from bayessem.likelihood.node_back import back_step
from bayessem.likelihood.node_chain import derive, pull_derived
from bayessem.likelihood.node_hub import derive_hubs, fill_series, hub_of, join, pull_hubs
from bayessem.likelihood.node_lattice import placed
from bayessem.likelihood.node_line import from_lanes, into_lanes, lane_order
from bayessem.likelihood.node_plan import (
    FACTOR,
    HUB,
    PAIR,
    PART,
    STEP,
    UNARY,
    one_pair,
    shape,
    unpack_nodes,
)
from bayessem.likelihood.node_step import shared_kernel, shared_tables, sides, sum_step
from bayessem.likelihood.node_sums import rescale
from bayessem.likelihood.node_tables import fill_tables, late, line_of, pull_tables
from bayessem.likelihood.node_windows import WINDOW, above, boxes_of, find_windows, narrow, prior_of


@compiled
def _answers(plan, s, tables, product):
    """The product (row, v) of the tables of answers that are about a step's variable alone."""
    rows, q = product.shape
    first = plan.step[STEP * s + 9]
    for u in range(rows):
        own, empty = product[u], True
        for k in range(first, first + plan.step[STEP * s + 8]):
            if plan.part[PART * k] != UNARY:
                continue
            row = plan.row[plan.part[PART * k + 3] + u]
            if row < 0:
                continue
            begin = np.uint64(plan.factor[FACTOR * plan.part[PART * k + 1] + 6] + row * q)
            if empty:
                for v in range(np.uint64(q)):
                    own[v] = tables[begin + v]
            else:
                for v in range(np.uint64(q)):
                    own[v] *= tables[begin + v]
            empty = False
        if empty:
            own[:] = 1.0


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
            narrow(product[u], prior, windows[first + u], plan.negligible[0])


@compiled
def _hand_up(plan, s, size, elements, tables, messages, logs, products, windows):
    """Takes a step's finished message into the product of the step above it."""
    t, at = above(plan, s)
    hub, _ = hub_of(plan, s)
    own, scale = plan.step[STEP * s + 7], plan.step[STEP * t + 7]
    first, alone = plan.step[STEP * t + 6], plan.step[STEP * s + 1] == 1 and hub < 0
    message = plan.step[STEP * s + 5]
    prior = prior_of(plan, t, tables)
    for w in range(plan.step[STEP * t + 4]):
        row = plan.row[at + w]
        logs[scale + w] += logs[own + row]
        if alone:
            begin, into = np.uint64(message + row * size), np.uint64(first + w * size)
            for v in range(np.uint64(windows[scale + w, 0]), np.uint64(windows[scale + w, 1])):
                products[into + v] *= messages[begin + v]
            product = products[first + w * size : first + (w + 1) * size]
            narrow(product, prior, windows[scale + w], plan.negligible[0])
    if hub >= 0 and s == max(plan.hub[HUB * hub + 13], plan.hub[HUB * hub + 14]):
        join(plan, hub, elements, tables, messages, products, windows)


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
        q, one, two = sides(plan, s)
        rows, terms = plan.step[STEP * s + 4], plan.step[STEP * s + 11]
        size = one * two * terms
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
        if terms > 1:
            own = shared_tables(plan, s, tables, q, one, 1).reshape(q, one)
            kernel = shared_kernel(plan, s, tables).reshape(q, terms, one)
            fill_series(plan, s, elements, own, kernel)
        sum_step(plan, s, tables, messages, product, windows[at : at + rows], out)
        outer = one if plan.line[3 * s + 2] == 0 and two > 1 else 1
        of_pairs, inner = out.reshape(rows, outer, size // outer), size // outer // terms
        rescale(of_pairs, windows[at : at + rows], scales[at : at + rows], inner)
        for u in range(rows):
            if not 0.0 < scales[at + u] < np.inf:
                return False
            logs[at + u] += np.log(scales[at + u])
        if plan.line[3 * s + 2]:
            into_lanes(lane_order(plan, s), windows[at : at + rows], out)
        if plan.step[STEP * s + 1] > 0:
            _hand_up(plan, s, size, elements, tables, messages, logs, products, windows)
    return True


@compiled
def _backward(plan, elements, tables, messages, scales, products, windows, d_messages, d_lines,
              counts, gradient):  # fmt: skip
    """Derivatives by the logs of all tables into counts; d_messages holds those of the roots.

    Those by the elements of equations whose tables are over predictors are added to gradient.
    """
    for back in range(plan.sizes[1]):
        s = plan.sizes[1] - 1 - back
        q, one, two = sides(plan, s)
        rows, line = plan.step[STEP * s + 4], plan.line[3 * s + 2]
        size = line if line else one * two * plan.step[STEP * s + 11]
        at = plan.step[STEP * s + 6]
        product = products[at : at + rows * q].reshape(rows, q)
        at = plan.step[STEP * s + 5]
        d_out = d_messages[at : at + rows * size].reshape(rows, size)
        by_one = d_lines[at : at + (rows * size if line else 0)]
        first = plan.step[STEP * s + 7]
        own, by_row = windows[first : first + rows], scales[first : first + rows]
        if line:
            order = lane_order(plan, s)
            from_lanes(order, own, d_out)
            from_lanes(order, own, by_one.reshape(rows, size))
        outer = one if not line and two > 1 else 1
        rescale(d_out.reshape(rows, outer, size // outer), own, by_row, 0)
        if line:
            rescale(by_one.reshape(rows, 1, size), own, by_row, 0)
        back_step(plan, s, elements, tables, messages, product, own, d_out, d_messages, d_lines,
                  counts, gradient)  # fmt: skip


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
        _, one, two = sides(plan, s)
        at, line = plan.step[STEP * s + 5], plan.line[3 * s + 2]
        size = plan.step[STEP * s + 4] * (line if line else one * two * plan.step[STEP * s + 11])
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
    if not (derive(plan, elements, own) and derive_hubs(plan, elements, own)):
        out[:] = -np.inf
        return -np.inf
    by = np.zeros(own.size)
    value = _evaluate(placed(plan, own), own, by, out)
    gradient += by[: elements.size]
    pull_derived(plan, elements, by, gradient)
    pull_hubs(plan, elements, by, gradient)
    return value
