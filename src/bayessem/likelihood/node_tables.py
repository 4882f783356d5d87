"""The factors' tables over the nodes of their latent variables, and the derivatives pulled back.

A structural equation's table holds the probability of a node given the nodes of its causes: the
normal density times the step, and at either end all that lies beyond, so that nothing is lost where
the lattice ends and probabilities of answers are flat. An answer's table holds its probability.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.family_normal import normal_density
from bayessem.likelihood.family_ordered import category_probability, tails
from bayessem.likelihood.node_plan import FACTOR, NORMAL, STRUCTURAL, TERM

LOG_2PI = np.log(2.0 * np.pi)
TINY = 1e-290


@compiled
def _shape(plan, f):
    """Nodes of the three variables of a factor, 1 for those that are not there."""
    a = plan.factor[FACTOR * f + 2 : FACTOR * f + 5]
    one = plan.node_count[a[0]]
    two = plan.node_count[a[1]] if a[1] >= 0 else 1
    three = plan.node_count[a[2]] if a[2] >= 0 else 1
    return one, two, three


@compiled
def _place(plan, f, d, k):
    """Value of node k of variable d of a factor."""
    v = plan.factor[FACTOR * f + 2 + d]
    if v < 0:
        return 0.0
    return plan.node_first[v] + plan.node_step[v] * k


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
def fill_structural(plan, f, elements, table):
    """Table (row, nodes) of a structural block; False where its covariance matrix is none."""
    one, two, three = _shape(plan, f)
    r = plan.factor[FACTOR * f + 11]
    covariance, inverse = np.empty((r, r)), np.empty((r, r))
    logdet = _covariance(plan, f, elements, covariance, inverse)
    if np.isnan(logdet):
        return False
    own, free = _own(plan, f)
    at, variables = plan.factor[FACTOR * f + 13], plan.factor[FACTOR * f + 2 : FACTOR * f + 5]
    step = 1.0
    for i in range(r):
        step *= plan.node_step[variables[plan.explained[at + i]]]
    constant = np.log(step) - 0.5 * (r * LOG_2PI + logdet)
    sides, strides = np.array([one, two, three]), np.array([two * three, three, 1])
    other, last = (own + 1) % 3, (own + 2) % 3
    nodes, width = sides[own], plan.node_step[variables[own]]
    sd = np.sqrt(covariance[0, 0])
    x, mean, e = np.zeros(3), np.empty(r), np.empty(r)
    monomial = np.empty(plan.factor[FACTOR * f + 7])
    for row in range(table.shape[0]):
        for a in range(sides[other]):
            x[other] = _place(plan, f, other, a)
            for b in range(sides[last]):
                x[last] = _place(plan, f, last, b)
                start = a * strides[other] + b * strides[last]
                x[own] = _place(plan, f, own, 0)
                _predictors(plan, f, elements, row, x, monomial, mean)
                _deviations(plan, f, x, mean, e)
                zero, linear, square = _form(inverse, e)
                for k in range(nodes):
                    if not free:
                        x[own] = _place(plan, f, own, k)
                        _predictors(plan, f, elements, row, x, monomial, mean)
                        _deviations(plan, f, x, mean, e)
                        zero, linear, square = _form(inverse, e)
                    d = e[0] + (width * k if free else 0.0)
                    q = zero + d * (linear + square * d)
                    table[row, start + k * strides[own]] = np.exp(constant - 0.5 * q)
                if r == 1 and free:
                    end, half = e[0] + width * (nodes - 1), 0.5 * width
                    table[row, start], _, _ = _end(0.0, sd, True, e[0], half)
                    cell = start + (nodes - 1) * strides[own]
                    table[row, cell], _, _ = _end(0.0, sd, False, end, half)
    return True


@compiled
def pull_structural(plan, f, elements, counts, gradient):
    """Adds the derivatives by elements; counts (row, nodes) are those by the log of the table."""
    one, two, three = _shape(plan, f)
    r = plan.factor[FACTOR * f + 11]
    covariance, inverse = np.empty((r, r)), np.empty((r, r))
    _covariance(plan, f, elements, covariance, inverse)
    own, free = _own(plan, f)
    variables = plan.factor[FACTOR * f + 2 : FACTOR * f + 5]
    sides, strides = np.array([one, two, three]), np.array([two * three, three, 1])
    other, last = (own + 1) % 3, (own + 2) % 3
    nodes, width = sides[own], plan.node_step[variables[own]]
    sd = np.sqrt(covariance[0, 0])
    first, terms = plan.factor[FACTOR * f + 8], plan.factor[FACTOR * f + 7]
    x, mean, e, pull = np.zeros(3), np.empty(r), np.empty(r), np.empty(r)
    monomial = np.empty(terms)
    second, total, d_variance = np.zeros((r, r)), 0.0, 0.0
    for row in range(counts.shape[0]):
        for a in range(sides[other]):
            x[other] = _place(plan, f, other, a)
            for b in range(sides[last]):
                x[last] = _place(plan, f, last, b)
                start = a * strides[other] + b * strides[last]
                x[own] = _place(plan, f, own, 0)
                _predictors(plan, f, elements, row, x, monomial, mean)
                _deviations(plan, f, x, mean, e)
                lowest, extra = e[0], 0.0
                inner = 1 if free else nodes  # means that do not change need one pull
                for k in range(inner):
                    s0, s1, s2 = 0.0, 0.0, 0.0
                    if free:
                        begin, end = 0, nodes
                        if r == 1:  # the ends hold what lies beyond them
                            begin, end = 1, nodes - 1
                            g = counts[row, start]
                            _, d_mean, d_log = _end(0.0, sd, True, lowest, 0.5 * width)
                            extra += g * d_mean
                            d_variance += g * d_log
                            g = counts[row, start + (nodes - 1) * strides[own]]
                            top = lowest + width * (nodes - 1)
                            _, d_mean, d_log = _end(0.0, sd, False, top, 0.5 * width)
                            extra += g * d_mean
                            d_variance += g * d_log
                        for n in range(begin, end):
                            g, d = counts[row, start + n * strides[own]], lowest + width * n
                            s0 += g
                            s1 += g * d
                            s2 += g * d * d
                    else:
                        x[own] = _place(plan, f, own, k)
                        _predictors(plan, f, elements, row, x, monomial, mean)
                        _deviations(plan, f, x, mean, e)
                        s0 = counts[row, start + k * strides[own]]
                        s1, s2 = s0 * e[0], s0 * e[0] * e[0]
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
                    pull[0] += extra
                    for m in range(terms):
                        t = first + m
                        target = plan.term[TERM * t + 5]
                        gradient[plan.term[TERM * t]] += pull[target] * monomial[m]
    d_cov = np.dot(np.dot(inverse, second), inverse) - total * inverse
    at = plan.factor[FACTOR * f + 12]
    for i in range(r):
        for j in range(r):
            gradient[plan.variance[at + r * i + j]] += 0.5 * d_cov[i, j]
    gradient[plan.variance[at]] += d_variance


@compiled
def _answer(plan, f, elements, row, eta):
    """Probability of an answer and its derivatives: of the log by eta (normal) or by thresholds.

    Returns p, by lower threshold (or of the log by eta), by upper threshold, by scale (or of the
    log by the variance).
    """
    y = plan.data[plan.factor[FACTOR * f + 9] + row * plan.factor[FACTOR * f + 10]]
    variance = elements[plan.variance[plan.factor[FACTOR * f + 12]]]
    if plan.factor[FACTOR * f] == NORMAL:
        p, d_eta, d_variance = normal_density(y, eta, variance)
        return p, d_eta, 0.0, d_variance
    code = plan.factor[FACTOR * f + 13]
    link, at = code % 2, code // 2
    thresholds = elements[at : at + plan.factor[FACTOR * f + 11]]
    scale = np.sqrt(variance / (1.0 if link == 0 else np.pi**2 / 3.0))
    return category_probability(link, np.int64(y), thresholds, eta, scale)


@compiled
def fill_answers(plan, f, elements, table):
    """Table (row, nodes) of an answer; False where the variance is not positive."""
    one, two, three = _shape(plan, f)
    if not elements[plan.variance[plan.factor[FACTOR * f + 12]]] > 0.0:
        return False
    x, mean = np.zeros(3), np.empty(1)
    monomial = np.empty(plan.factor[FACTOR * f + 7])
    alike = plan.factor[FACTOR * f + 10] == 1  # without covariates the rows share their mean
    for cell in range(one * two * three):
        x[0] = _place(plan, f, 0, cell // (two * three))
        x[1] = _place(plan, f, 1, cell // three % two)
        x[2] = _place(plan, f, 2, cell % three)
        for row in range(table.shape[0]):
            if row == 0 or not alike:
                _predictors(plan, f, elements, row, x, monomial, mean)
            table[row, cell], _, _, _ = _answer(plan, f, elements, row, mean[0])
    return True


@compiled
def pull_answers(plan, f, elements, counts, gradient):
    """Adds the derivatives by elements; counts (row, nodes) are those by the log of the table."""
    one, two, three = _shape(plan, f)
    x, mean = np.zeros(3), np.empty(1)
    first, terms = plan.factor[FACTOR * f + 8], plan.factor[FACTOR * f + 7]
    monomial = np.empty(terms)
    normal, columns = plan.factor[FACTOR * f] == NORMAL, plan.factor[FACTOR * f + 10]
    element, data = plan.variance[plan.factor[FACTOR * f + 12]], plan.factor[FACTOR * f + 9]
    code, last = plan.factor[FACTOR * f + 13], plan.factor[FACTOR * f + 11]
    threshold = code // 2
    form = 1.0 if code % 2 == 0 else np.pi**2 / 3.0
    scale = np.sqrt(elements[element] / form)
    for cell in range(one * two * three):
        x[0] = _place(plan, f, 0, cell // (two * three))
        x[1] = _place(plan, f, 1, cell // three % two)
        x[2] = _place(plan, f, 2, cell % three)
        total = 0.0
        for row in range(counts.shape[0]):
            g = counts[row, cell]
            if row == 0 or columns > 1:
                _predictors(plan, f, elements, row, x, monomial, mean)
            p, d_one, d_two, d_spread = _answer(plan, f, elements, row, mean[0])
            d_eta = 0.0
            if normal:
                d_eta = g * d_one
                gradient[element] += g * d_spread
            elif p > TINY:
                w = g / p
                category = np.int64(plan.data[data + row * columns])
                if category > 0:
                    gradient[threshold + category - 1] += w * d_one
                if category < last:
                    gradient[threshold + category] += w * d_two
                gradient[element] += 0.5 * w * d_spread / (scale * form)
                d_eta = -w * (d_one + d_two)
            total += d_eta
            if columns > 1 or row == counts.shape[0] - 1:
                for m in range(terms):
                    gradient[plan.term[TERM * (first + m)]] += total * monomial[m]
                total = 0.0


@compiled
def fill_tables(plan, elements, tables):
    """Tables of all factors, one after the other; False outside the parameters' domain."""
    for f in range(plan.sizes[0]):
        one, two, three = _shape(plan, f)
        rows, at = plan.factor[FACTOR * f + 5], plan.factor[FACTOR * f + 6]
        size = one * two * three
        table = tables[at : at + rows * size].reshape(rows, size)
        if plan.factor[FACTOR * f] == STRUCTURAL:
            good = fill_structural(plan, f, elements, table)
        else:
            good = fill_answers(plan, f, elements, table)
        if not good:
            return False
    return True


@compiled
def pull_tables(plan, elements, counts, gradient):
    """Adds the derivatives by elements from those by the logs of all tables."""
    for f in range(plan.sizes[0]):
        one, two, three = _shape(plan, f)
        rows, at = plan.factor[FACTOR * f + 5], plan.factor[FACTOR * f + 6]
        size = one * two * three
        own = counts[at : at + rows * size].reshape(rows, size)
        if plan.factor[FACTOR * f] == STRUCTURAL:
            pull_structural(plan, f, elements, own, gradient)
        else:
            pull_answers(plan, f, elements, own, gradient)
