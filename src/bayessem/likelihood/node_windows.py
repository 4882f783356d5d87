"""Which nodes matter to which rows: those with weight in what is known before a step is summed.

A pattern of answers gives weight to few of the nodes of a lattice that suits all respondents. Of a
step's own variable what is known are its answers and the messages from below; of its neighbours,
their own answers, their prior and the messages that have reached them, for all the rows above that
use the row in question. Nodes at which that is negligible beside its largest value are left out,
and so are the pairs of them that the sums are over.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.node_plan import (
    FACTOR,
    MESSAGE,
    PAIR_MESSAGE,
    PART,
    SHARED,
    STEP,
)

# Columns of windows: first node and the one after the last, of the step's own variable, of the
# outer and of the inner of its neighbours.
WINDOW = 6


@compiled
def _step_about(plan, variable):
    """The step that sums a variable out."""
    for s in range(plan.sizes[1]):
        if plan.step[STEP * s] == variable:
            return s
    return -1


@compiled
def above(plan, s):
    """The step that takes a step's message, and where its rows of that message begin."""
    t = _step_about(plan, plan.step[STEP * s + 2])
    first = plan.step[STEP * t + 9]
    for k in range(first, first + plan.step[STEP * t + 8]):
        message = plan.part[PART * k] == MESSAGE or plan.part[PART * k] == PAIR_MESSAGE
        if message and plan.part[PART * k + 1] == s:
            return t, plan.part[PART * k + 3]
    return t, -1


@compiled
def prior_of(plan, s, tables):
    """Product (node,) of the tables that all rows share and that are about one variable alone."""
    q = plan.node_count[plan.step[STEP * s]]
    out = np.ones(q)
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        number = plan.part[PART * k + 1]
        if plan.part[PART * k] == SHARED and plan.factor[FACTOR * number + 1] == 1:
            at = plan.factor[FACTOR * number + 6]
            out *= tables[at : at + q]
    return out


@compiled
def narrow(product, prior, window, negligible):
    """Narrows a row's window of its own variable to where product (node,) times prior matters.

    What is known of the row is 0 outside. negligible : weight beside all of them.
    """
    low, high, total = np.uint64(window[0]), np.uint64(window[1]), 0.0
    for v in range(low, high):
        total += product[v] * prior[v]
    if not total > 0.0:
        return
    limit = negligible * total
    while product[low] * prior[low] < limit:
        product[low] = 0.0
        low += np.uint64(1)
    while product[high - np.uint64(1)] * prior[high - np.uint64(1)] < limit:
        high -= np.uint64(1)
        product[high] = 0.0
    window[0], window[1] = low, high


@compiled
def _of_variable(plan, s, variable, windows):
    """Windows (row, 2) of a variable for the rows of a step whose clique it is in."""
    path, depth = np.empty(plan.sizes[1], dtype=np.int64), 0
    path[0] = s
    while plan.step[STEP * path[depth]] != variable:
        path[depth + 1], _ = above(plan, path[depth])
        depth += 1
    own = plan.step[STEP * path[depth] + 7]
    row = np.arange(plan.step[STEP * path[depth] + 4])
    for i in range(depth - 1, -1, -1):
        _, at = above(plan, path[i])
        for w in range(row.size):
            row[w] = plan.row[at + row[w]]
    out = np.empty((plan.step[STEP * s + 4], 2), dtype=np.int64)
    out[:, 0], out[:, 1] = plan.node_count[variable], 0
    for w in range(row.size):
        out[row[w], 0] = min(out[row[w], 0], windows[own + w, 0])
        out[row[w], 1] = max(out[row[w], 1], windows[own + w, 1])
    return out


@compiled
def _on_line(plan, s, outer, inner):
    """The window of a predictor for those of its two causes."""
    p, q, low, high = plan.line[3 * s], plan.line[3 * s + 1], 0, 1
    for by, window, d in ((p, outer, 2), (q, inner, 3)):
        last = plan.node_count[plan.step[STEP * s + d]] - 1
        if by > 0:
            low += by * window[0]
            high += by * (window[1] - 1)
        else:
            low -= by * (last - (window[1] - 1))
            high -= by * (last - window[0])
    return low, high


@compiled
def everything(windows, q, outer, inner):
    """Windows (row, WINDOW) that leave nothing out."""
    windows[:, 0], windows[:, 1] = 0, q
    windows[:, 2], windows[:, 3] = 0, outer
    windows[:, 4], windows[:, 5] = 0, inner


@compiled
def find_windows(plan, s, windows):
    """Fills a step's windows of its neighbours, or of a predictor's nodes where it is about those.

    windows : (row of all steps, WINDOW), those of the steps' own variables known.
    """
    begin = plan.step[STEP * s + 7]
    out = windows[begin : begin + plan.step[STEP * s + 4]]
    out[:, 2], out[:, 3], out[:, 4], out[:, 5] = 0, 1, 0, 1
    neighbours, terms = plan.step[STEP * s + 1], plan.step[STEP * s + 11]
    if neighbours == 0:
        return
    if terms > 1:  # one long loop costs less than as many short ones
        out[:, 5] = terms * plan.node_count[plan.step[STEP * s + 2]]
        return
    t, at = above(plan, s)
    one = _of_variable(plan, t, plan.step[STEP * s + 2], windows)
    two = one
    if neighbours == 2:
        two = _of_variable(plan, t, plan.step[STEP * s + 3], windows)
    line = plan.line[3 * s + 2] > 0
    out[:, 4], out[:, 5] = 1 << 40, 0
    if neighbours == 2 and not line:
        out[:, 2], out[:, 3] = 1 << 40, 0
    for w in range(one.shape[0]):
        own = out[plan.row[at + w]]
        low, high = two[w, 0], two[w, 1]
        if line:
            low, high = _on_line(plan, s, one[w], two[w])
        elif neighbours == 2:
            own[2], own[3] = min(own[2], one[w, 0]), max(own[3], one[w, 1])
        own[4], own[5] = min(own[4], low), max(own[5], high)


@compiled
def boxes_of(plan, k, windows):
    """What of each row of a table of pairs is needed, (row, 4): first and last nodes of both.

    windows : (row of the step, WINDOW).
    """
    f = plan.part[PART * k + 1]
    out = np.zeros((plan.factor[FACTOR * f + 5], 4), dtype=np.int64)
    out[:, 0], out[:, 2] = 1 << 40, 1 << 40
    for u in range(windows.shape[0]):
        row = plan.row[plan.part[PART * k + 3] + u]
        if row >= 0:
            own = out[row]
            own[0], own[1] = min(own[0], windows[u, 0]), max(own[1], windows[u, 1])
            own[2], own[3] = min(own[2], windows[u, 4]), max(own[3], windows[u, 5])
    return out
