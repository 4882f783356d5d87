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
    """Means (equation,) of a factor's equations at a point; fills the terms' products but the
    coefficient.
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
def fill_structural(plan, f, elements, table):
    """Table (row, nodes) of a structural block; False where its covariance matrix is none."""
    one, two, three = _shape(plan, f)
    r = plan.factor[FACTOR * f + 11]
    at = plan.factor[FACTOR * f + 13]
    covariance, inverse = np.empty((r, r)), np.empty((r, r))
    logdet = _covariance(plan, f, elements, covariance, inverse)
    if np.isnan(logdet):
        return False
    x, mean, e = np.zeros(3), np.empty(r), np.empty(r)
    monomial = np.empty(plan.factor[FACTOR * f + 7])
    step, constant = 1.0, -0.5 * (r * LOG_2PI + logdet)
    for i in range(r):
        step *= plan.node_step[plan.factor[FACTOR * f + 2 + plan.explained[at + i]]]
    own = plan.explained[at]
    variable = plan.factor[FACTOR * f + 2 + own]
    last, half = plan.node_count[variable] - 1, 0.5 * plan.node_step[variable]
    sd = np.sqrt(covariance[0, 0])
    index = np.empty(3, dtype=np.int64)
    for row in range(table.shape[0]):
        cell = 0
        for i0 in range(one):
            index[0], x[0] = i0, _place(plan, f, 0, i0)
            for i1 in range(two):
                index[1], x[1] = i1, _place(plan, f, 1, i1)
                for i2 in range(three):
                    index[2], x[2] = i2, _place(plan, f, 2, i2)
                    _predictors(plan, f, elements, row, x, monomial, mean)
                    k = index[own]
                    if r == 1 and (k == 0 or k == last):
                        table[row, cell], _, _ = _end(mean[0], sd, k == 0, x[own], half)
                    else:
                        for i in range(r):
                            e[i] = x[plan.explained[at + i]] - mean[i]
                        q = 0.0
                        for i in range(r):
                            for j in range(r):
                                q += e[i] * inverse[i, j] * e[j]
                        table[row, cell] = step * np.exp(constant - 0.5 * q)
                    cell += 1
    return True


@compiled
def pull_structural(plan, f, elements, counts, gradient):
    """Adds the derivatives by elements; counts (row, nodes) are those by the log of the table."""
    one, two, three = _shape(plan, f)
    r = plan.factor[FACTOR * f + 11]
    at = plan.factor[FACTOR * f + 13]
    covariance, inverse = np.empty((r, r)), np.empty((r, r))
    _covariance(plan, f, elements, covariance, inverse)
    x, mean, e, pull = np.zeros(3), np.empty(r), np.empty(r), np.empty(r)
    first, terms = plan.factor[FACTOR * f + 8], plan.factor[FACTOR * f + 7]
    monomial = np.empty(terms)
    own = plan.explained[at]
    variable = plan.factor[FACTOR * f + 2 + own]
    last, half = plan.node_count[variable] - 1, 0.5 * plan.node_step[variable]
    sd = np.sqrt(covariance[0, 0])
    second, total, d_variance = np.zeros((r, r)), 0.0, 0.0
    index = np.empty(3, dtype=np.int64)
    for row in range(counts.shape[0]):
        cell = -1
        for i0 in range(one):
            index[0], x[0] = i0, _place(plan, f, 0, i0)
            for i1 in range(two):
                index[1], x[1] = i1, _place(plan, f, 1, i1)
                for i2 in range(three):
                    index[2], x[2] = i2, _place(plan, f, 2, i2)
                    cell += 1
                    g = counts[row, cell]
                    if g == 0.0:
                        continue
                    _predictors(plan, f, elements, row, x, monomial, mean)
                    k = index[own]
                    if r == 1 and (k == 0 or k == last):
                        _, d_mean, d_log = _end(mean[0], sd, k == 0, x[own], half)
                        pull[0] = g * d_mean
                        d_variance += g * d_log
                    else:
                        for i in range(r):
                            e[i] = x[plan.explained[at + i]] - mean[i]
                        for i in range(r):
                            pull[i] = 0.0
                            for j in range(r):
                                pull[i] += g * inverse[i, j] * e[j]
                                second[i, j] += g * e[i] * e[j]
                        total += g
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
    for row in range(table.shape[0]):
        cell = 0
        for i0 in range(one):
            x[0] = _place(plan, f, 0, i0)
            for i1 in range(two):
                x[1] = _place(plan, f, 1, i1)
                for i2 in range(three):
                    x[2] = _place(plan, f, 2, i2)
                    _predictors(plan, f, elements, row, x, monomial, mean)
                    table[row, cell], _, _, _ = _answer(plan, f, elements, row, mean[0])
                    cell += 1
    return True


@compiled
def pull_answers(plan, f, elements, counts, gradient):
    """Adds the derivatives by elements; counts (row, nodes) are those by the log of the table."""
    one, two, three = _shape(plan, f)
    x, mean = np.zeros(3), np.empty(1)
    first, terms = plan.factor[FACTOR * f + 8], plan.factor[FACTOR * f + 7]
    monomial = np.empty(terms)
    normal = plan.factor[FACTOR * f] == NORMAL
    element = plan.variance[plan.factor[FACTOR * f + 12]]
    code, last = plan.factor[FACTOR * f + 13], plan.factor[FACTOR * f + 11]
    link, threshold = code % 2, code // 2
    form = 1.0 if link == 0 else np.pi**2 / 3.0
    scale = np.sqrt(elements[element] / form)
    for row in range(counts.shape[0]):
        category = np.int64(0)
        if not normal:
            category = np.int64(
                plan.data[plan.factor[FACTOR * f + 9] + row * plan.factor[FACTOR * f + 10]]
            )
        cell = -1
        for i0 in range(one):
            x[0] = _place(plan, f, 0, i0)
            for i1 in range(two):
                x[1] = _place(plan, f, 1, i1)
                for i2 in range(three):
                    x[2] = _place(plan, f, 2, i2)
                    cell += 1
                    g = counts[row, cell]
                    if g == 0.0:
                        continue
                    _predictors(plan, f, elements, row, x, monomial, mean)
                    p, d_one, d_two, d_spread = _answer(plan, f, elements, row, mean[0])
                    if normal:
                        d_eta = g * d_one
                        gradient[element] += g * d_spread
                    else:
                        if p < TINY:
                            continue
                        w = g / p
                        if category > 0:
                            gradient[threshold + category - 1] += w * d_one
                        if category < last:
                            gradient[threshold + category] += w * d_two
                        gradient[element] += 0.5 * w * d_spread / (scale * form)
                        d_eta = -w * (d_one + d_two)
                    for m in range(terms):
                        t = first + m
                        gradient[plan.term[TERM * t]] += d_eta * monomial[m]


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
