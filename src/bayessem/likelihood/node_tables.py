"""The factors' tables over the nodes of their latent variables, and the derivatives pulled back.

A structural equation's table holds the probability of a node given the nodes of its causes: the
normal density times the step, and at either end all that lies beyond, so that nothing is lost where
the lattice ends and probabilities of answers are flat; over their sum, which is 1 but where a
disturbance is narrower than the lattice (there, densities at nodes would add up to more than there
is, and a maximum be found that is none). An answer's table holds its probability.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.elementary import exponential
from bayessem.likelihood.families import FIRST
from bayessem.likelihood.node_answers import fill_answers, in_domain, pull_answers
from bayessem.likelihood.node_given import fill_given, pull_given
from bayessem.likelihood.node_line import fill_line
from bayessem.likelihood.node_plan import (
    FACTOR,
    PAIR,
    PART,
    STEP,
    STRUCTURAL,
    TERM,
    one_pair,
    place,
    shape,
)
from bayessem.likelihood.node_predictors import blocks, means, monomials, pull_means

LOG_2PI = np.log(2.0 * np.pi)


@compiled
def _monomial(plan, t, x):
    """The latent part of a term at the point x (3,)."""
    out = 1.0
    for d in range(3):
        for _ in range(plan.term[TERM * t + 1 + d]):
            out *= x[d]
    return out


@compiled
def _predictors(plan, f, elements, row, x, monomial, mean):
    """Means (equation,) of a factor's equations at a point.

    Fills the terms' products, without their coefficients.
    """
    first = plan.factor[FACTOR * f + 8]
    data = plan.factor[FACTOR * f + 9]
    columns = plan.factor[FACTOR * f + 10]
    mean[:] = 0.0
    for k in range(plan.factor[FACTOR * f + 7]):
        t = first + k
        m = _monomial(plan, t, x)
        column = plan.term[TERM * t + 4]
        if column >= 0:
            m *= plan.data[data + row * columns + column]
        monomial[k] = m
        mean[plan.term[TERM * t + 5]] += elements[plan.term[TERM * t]] * m


@compiled
def _covariance(plan, f, elements, covariance, inverse):
    """Covariance matrix of a structural block and its inverse; log determinant, nan if none."""
    r = covariance.shape[0]
    at = plan.factor[FACTOR * f + 12]
    for i in range(r):
        for j in range(r):
            covariance[i, j] = elements[plan.variance[at + r * i + j]]
    return spd_inverse(covariance, inverse)


@compiled
def _own(plan, f):
    """Which variable of a block the inner loops run over, and whether no mean depends on it."""
    own = plan.explained[plan.factor[FACTOR * f + 13]]
    first = plan.factor[FACTOR * f + 8]
    free = True
    for t in range(first, first + plan.factor[FACTOR * f + 7]):
        free = free and plan.term[TERM * t + 1 + own] == 0
    return own, free


@compiled
def _deviations(plan, f, x, mean, e):
    """Deviations of the explained variables from their means at a point."""
    at = plan.factor[FACTOR * f + 13]
    for i in range(e.size):
        e[i] = x[plan.explained[at + i]] - mean[i]


@compiled
def _form(inverse, e):
    """Parts of e' W e about the first deviation: constant, times it, times its square."""
    constant, linear = 0.0, 0.0
    for i in range(1, e.size):
        linear += 2.0 * inverse[0, i] * e[i]
        for j in range(1, e.size):
            constant += e[i] * inverse[i, j] * e[j]
    return constant, linear, inverse[0, 0]


@compiled
def _given(plan, f, group):
    """Which values of the causes each cell has, into group (cell,); returns how many there are."""
    one, two, three = shape(plan, f)
    at, r = plan.factor[FACTOR * f + 13], plan.factor[FACTOR * f + 11]
    sides, cause = np.array([one, two, three]), np.ones(3, dtype=np.int64)
    for i in range(r):
        cause[plan.explained[at + i]] = 0
    second = sides[0] if cause[0] else 1
    third = second * (sides[1] if cause[1] else 1)
    for cell in range(group.size):
        a, b, c = cell // (two * three), cell // three % two, cell % three
        group[cell] = cause[0] * a + cause[1] * b * second + cause[2] * c * third
    return third * (sides[2] if cause[2] else 1)


@compiled
def _normalise(plan, f, table):
    """Divides probabilities (row, cell) by their sums given the causes."""
    group = np.empty(table.shape[1], dtype=np.int64)
    total = np.empty(_given(plan, f, group))
    for row in range(table.shape[0]):
        total[:] = 0.0
        for cell in range(group.size):
            total[group[cell]] += table[row, cell]
        for cell in range(group.size):
            if total[group[cell]] > 0.0:
                table[row, cell] /= total[group[cell]]


@compiled
def _pull_normalised(plan, f, table, counts):
    """Counts (row, cell) by the logs of probabilities become those by what was divided."""
    group = np.empty(table.shape[1], dtype=np.int64)
    total = np.empty(_given(plan, f, group))
    for row in range(table.shape[0]):
        total[:] = 0.0
        for cell in range(group.size):
            total[group[cell]] += counts[row, cell]
        for cell in range(group.size):
            counts[row, cell] -= table[row, cell] * total[group[cell]]


@compiled
def _causes(own):
    """Positions of the other two variables of a factor."""
    return (own + 1) % 3, (own + 2) % 3


@compiled
def _fill_one(plan, f, elements, own, sd, table):
    """Table (row, nodes) of one variable of which the means do not depend on it."""
    before, nodes, behind = blocks(plan, f, own)
    width, lowest = plan.node_step[plan.factor[FACTOR * f + 2 + own]], place(plan, f, own, 0)
    products, mean = monomials(plan, f, own), np.empty(before * behind)
    for row in range(table.shape[0]):
        means(plan, f, elements, row, products, mean)
        offset = (lowest - mean).reshape(before, behind)
        cells = table[row].reshape(before, nodes, behind)
        for b in range(before):
            fill_given(offset[b], sd, width, cells[b])


@compiled
def _pull_one(plan, f, elements, own, sd, table, counts, gradient):
    """Adds the derivatives of `_fill_one`."""
    before, nodes, behind = blocks(plan, f, own)
    width, lowest = plan.node_step[plan.factor[FACTOR * f + 2 + own]], place(plan, f, own, 0)
    products, mean = monomials(plan, f, own), np.empty(before * behind)
    d_mean, d_variance = np.empty((before, behind)), 0.0
    for row in range(counts.shape[0]):
        means(plan, f, elements, row, products, mean)
        offset = (lowest - mean).reshape(before, behind)
        cells = table[row].reshape(before, nodes, behind)
        weights = counts[row].reshape(before, nodes, behind)
        for b in range(before):
            d_variance += pull_given(offset[b], sd, width, cells[b], weights[b], d_mean[b])
        pull_means(plan, f, row, products, d_mean.reshape(before * behind), gradient)
    gradient[plan.variance[plan.factor[FACTOR * f + 12]]] += d_variance


@compiled
def _fill_block(plan, f, elements, own, inverse, constant, table):
    """Table (row, nodes) of variables whose disturbances covary, or which depend on each other."""
    one, two, three = shape(plan, f)
    sides, strides = np.array([one, two, three]), np.array([two * three, three, 1])
    other, last = _causes(own)
    r = inverse.shape[0]
    free = _own(plan, f)[1]
    width = plan.node_step[plan.factor[FACTOR * f + 2 + own]]
    x, mean, e = np.zeros(3), np.empty(r), np.empty(r)
    monomial = np.empty(plan.factor[FACTOR * f + 7])
    for row in range(table.shape[0]):
        for a in range(sides[other]):
            x[other] = place(plan, f, other, a)
            for b in range(sides[last]):
                x[last] = place(plan, f, last, b)
                start = a * strides[other] + b * strides[last]
                for k in range(sides[own]):
                    if k == 0 or not free:
                        x[own] = place(plan, f, own, k)
                        _predictors(plan, f, elements, row, x, monomial, mean)
                        _deviations(plan, f, x, mean, e)
                        zero, linear, square = _form(inverse, e)
                    d = e[0] + (width * k if free else 0.0)
                    q = zero + d * (linear + square * d)
                    table[row, start + k * strides[own]] = exponential(constant - 0.5 * q)
    _normalise(plan, f, table)


@compiled
def _pull_block(plan, f, elements, own, inverse, counts, gradient):
    """Adds the derivatives of `_fill_block`; counts (row, cell) are those of what was divided."""
    one, two, three = shape(plan, f)
    sides, strides = np.array([one, two, three]), np.array([two * three, three, 1])
    other, last = _causes(own)
    r = inverse.shape[0]
    free = _own(plan, f)[1]
    width = plan.node_step[plan.factor[FACTOR * f + 2 + own]]
    first, terms = plan.factor[FACTOR * f + 8], plan.factor[FACTOR * f + 7]
    x, mean, e, pull = np.zeros(3), np.empty(r), np.empty(r), np.empty(r)
    monomial = np.empty(terms)
    second, total = np.zeros((r, r)), 0.0
    for row in range(counts.shape[0]):
        for a in range(sides[other]):
            x[other] = place(plan, f, other, a)
            for b in range(sides[last]):
                x[last] = place(plan, f, last, b)
                start = a * strides[other] + b * strides[last]
                for k in range(1 if free else sides[own]):  # means that do not change: one pull
                    x[own] = place(plan, f, own, k)
                    _predictors(plan, f, elements, row, x, monomial, mean)
                    _deviations(plan, f, x, mean, e)
                    s0, s1, s2 = 0.0, 0.0, 0.0
                    for n in range(sides[own] if free else 1):
                        g, d = counts[row, start + (k + n) * strides[own]], e[0] + width * n
                        s0 += g
                        s1 += g * d
                        s2 += g * d * d
                    total += s0
                    second[0, 0] += s2
                    for i in range(1, r):
                        second[0, i] += s1 * e[i]
                        second[i, 0] += s1 * e[i]
                        for j in range(1, r):
                            second[i, j] += s0 * e[i] * e[j]
                    for i in range(r):
                        pull[i] = inverse[i, 0] * s1
                        for j in range(1, r):
                            pull[i] += inverse[i, j] * s0 * e[j]
                    for m in range(terms):
                        t = first + m
                        gradient[plan.term[TERM * t]] += pull[plan.term[TERM * t + 5]] * monomial[m]
    d_cov = np.dot(np.dot(inverse, second), inverse) - total * inverse
    at = plan.factor[FACTOR * f + 12]
    for i in range(r):
        for j in range(r):
            gradient[plan.variance[at + r * i + j]] += 0.5 * d_cov[i, j]


@compiled
def fill_structural(plan, f, elements, table):
    """Table (row, nodes) of a structural block; False where its covariance matrix is none."""
    r = plan.factor[FACTOR * f + 11]
    covariance, inverse = np.empty((r, r)), np.empty((r, r))
    logdet = _covariance(plan, f, elements, covariance, inverse)
    if np.isnan(logdet):
        return False
    own, free = _own(plan, f)
    if r == 1 and free:
        _fill_one(plan, f, elements, own, np.sqrt(covariance[0, 0]), table)
        return True
    at, step = plan.factor[FACTOR * f + 13], 1.0
    for i in range(r):
        step *= plan.node_step[plan.factor[FACTOR * f + 2 + plan.explained[at + i]]]
    constant = np.log(step) - 0.5 * (r * LOG_2PI + logdet)
    _fill_block(plan, f, elements, own, inverse, constant, table)
    return True


@compiled
def pull_structural(plan, f, elements, table, counts, gradient):
    """Adds the derivatives by elements; counts (row, cell) by the log of the table are changed."""
    r = plan.factor[FACTOR * f + 11]
    covariance, inverse = np.empty((r, r)), np.empty((r, r))
    _covariance(plan, f, elements, covariance, inverse)
    own, free = _own(plan, f)
    if r == 1 and free:
        _pull_one(plan, f, elements, own, np.sqrt(covariance[0, 0]), table, counts, gradient)
        return
    _pull_normalised(plan, f, table, counts)
    _pull_block(plan, f, elements, own, inverse, counts, gradient)


@compiled
def line_of(plan):
    """The step whose predictor a factor's table is over, -1 for none, (factor,)."""
    out = np.full(plan.sizes[0], -1)
    for s in range(plan.sizes[1]):
        if plan.line[3 * s + 2] > 0:
            out[plan.step[STEP * s + 10] // 2] = s
    return out


@compiled
def late(plan):
    """Which factors' tables wait for the windows of their rows, (factor,).

    Those of counts, durations and shares that two constructs explain, where no other pair is in
    the same step: the density costs more than what is done with it.
    """
    out = np.zeros(plan.sizes[0], dtype=np.bool_)
    for s in range(plan.sizes[1]):
        k = one_pair(plan, s)
        if k >= 0 and plan.part[PART * k] == PAIR:
            f = plan.part[PART * k + 1]
            out[f] = plan.factor[FACTOR * f] >= FIRST and plan.factor[FACTOR * f + 1] == 2
    return out


@compiled
def fill_tables(plan, elements, tables):
    """Tables of all factors, one after the other; False outside the parameters' domain."""
    lines, waits = line_of(plan), late(plan)
    for f in range(plan.sizes[0]):
        one, two, three = shape(plan, f)
        rows, at = plan.factor[FACTOR * f + 5], plan.factor[FACTOR * f + 6]
        size = one * two * three
        if lines[f] >= 0:
            good = fill_line(plan, lines[f], elements, tables[at:])
        elif waits[f]:
            good = in_domain(plan, f, elements)
        else:
            table = tables[at : at + rows * size].reshape(rows, size)
            if plan.factor[FACTOR * f] == STRUCTURAL:
                good = fill_structural(plan, f, elements, table)
            else:
                good = fill_answers(plan, f, elements, table)
        if not good:
            return False
    return True


@compiled
def pull_tables(plan, elements, tables, counts, gradient):
    """Adds the derivatives by elements from those by the logs of all tables.

    But for those about predictors and those that waited, by the kernel, which knows more of them.
    """
    lines, waits = line_of(plan), late(plan)
    for f in range(plan.sizes[0]):
        if lines[f] >= 0 or waits[f]:
            continue
        one, two, three = shape(plan, f)
        rows, at = plan.factor[FACTOR * f + 5], plan.factor[FACTOR * f + 6]
        size = one * two * three
        own = counts[at : at + rows * size].reshape(rows, size)
        table = tables[at : at + rows * size].reshape(rows, size)
        if plan.factor[FACTOR * f] == STRUCTURAL:
            pull_structural(plan, f, elements, table, own, gradient)
        else:
            pull_answers(plan, f, elements, table, own, gradient)
