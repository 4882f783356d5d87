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
from bayessem.likelihood.family_ordered import tails
from bayessem.likelihood.node_answers import fill_answers, pull_answers
from bayessem.likelihood.node_plan import FACTOR, STRUCTURAL, TERM, place, shape

LOG_2PI = np.log(2.0 * np.pi)
TINY = 1e-290

# A disturbance narrower than the lattice's step: what follows is interpolated at the points of a
# Gauss-Hermite rule, by polynomials through so many nodes.
STENCIL = 10
HERMITE, HERMITE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
HERMITE_WEIGHTS = HERMITE_WEIGHTS / np.sqrt(2.0 * np.pi)
LAGRANGE = np.array(
    [1.0 / np.prod([k - i for i in range(STENCIL) if i != k]) for k in range(STENCIL)]
)


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
def _stencil(u, nodes, weight, slope):
    """Lagrange's weights (STENCIL,) of the nodes about u, in steps, and their derivatives by u.

    Returns the first node. Beyond the lattice all is as it is at its end.
    """
    inside = min(max(u, 0.0), nodes - 1.0)
    first = min(max(np.int64(np.floor(inside)) - STENCIL // 2 + 1, 0), nodes - STENCIL)
    d = inside - first
    left, d_left = 1.0, 0.0
    for k in range(STENCIL):
        weight[k], slope[k] = left, d_left
        d_left = d_left * (d - k) + left
        left *= d - k
    right, d_right = 1.0, 0.0
    for k in range(STENCIL - 1, -1, -1):
        slope[k] = LAGRANGE[k] * (slope[k] * right + weight[k] * d_right)
        weight[k] *= LAGRANGE[k] * right
        d_right = d_right * (d - k) + right
        right *= d - k
        if inside != u:
            slope[k] = 0.0
    return first


@compiled
def _fill_narrow(u, sd, nodes, table, start, stride):
    """Weights of nodes for a disturbance of sd steps about u, added to cells of a table."""
    weight, slope = np.empty(STENCIL), np.empty(STENCIL)
    for k in range(nodes):
        table[start + k * stride] = 0.0
    for j in range(HERMITE.size):
        first = _stencil(u + sd * HERMITE[j], nodes, weight, slope)
        for k in range(STENCIL):
            table[start + (first + k) * stride] += HERMITE_WEIGHTS[j] * weight[k]


@compiled
def _pull_narrow(u, sd, nodes, table, counts, start, stride):
    """Derivatives by u and by sd, in steps, of the log of cells times their counts."""
    weight, slope = np.empty(STENCIL), np.empty(STENCIL)
    d_u, d_sd = 0.0, 0.0
    for j in range(HERMITE.size):
        first = _stencil(u + sd * HERMITE[j], nodes, weight, slope)
        for k in range(STENCIL):
            cell = start + (first + k) * stride
            if table[cell] != 0.0:
                by = HERMITE_WEIGHTS[j] * slope[k] * counts[cell] / table[cell]
                d_u += by
                d_sd += HERMITE[j] * by
    return d_u, d_sd


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
def fill_structural(plan, f, elements, table):
    """Table (row, nodes) of a structural block; False where its covariance matrix is none."""
    one, two, three = shape(plan, f)
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
    narrow = r == 1 and free and sd < width
    x, mean, e = np.zeros(3), np.empty(r), np.empty(r)
    monomial = np.empty(plan.factor[FACTOR * f + 7])
    for row in range(table.shape[0]):
        for a in range(sides[other]):
            x[other] = place(plan, f, other, a)
            for b in range(sides[last]):
                x[last] = place(plan, f, last, b)
                start = a * strides[other] + b * strides[last]
                x[own] = place(plan, f, own, 0)
                _predictors(plan, f, elements, row, x, monomial, mean)
                _deviations(plan, f, x, mean, e)
                if narrow:
                    u = -e[0] / width
                    _fill_narrow(u, sd / width, nodes, table[row], start, strides[own])
                    continue
                zero, linear, square = _form(inverse, e)
                for k in range(nodes):
                    if not free:
                        x[own] = place(plan, f, own, k)
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
    _normalise(plan, f, table)
    return True


@compiled
def pull_structural(plan, f, elements, table, counts, gradient):
    """Adds the derivatives by elements; counts (row, cell) by the log of the table are changed."""
    _pull_normalised(plan, f, table, counts)
    one, two, three = shape(plan, f)
    r = plan.factor[FACTOR * f + 11]
    covariance, inverse = np.empty((r, r)), np.empty((r, r))
    _covariance(plan, f, elements, covariance, inverse)
    own, free = _own(plan, f)
    variables = plan.factor[FACTOR * f + 2 : FACTOR * f + 5]
    sides, strides = np.array([one, two, three]), np.array([two * three, three, 1])
    other, last = (own + 1) % 3, (own + 2) % 3
    nodes, width = sides[own], plan.node_step[variables[own]]
    sd = np.sqrt(covariance[0, 0])
    narrow = r == 1 and free and sd < width
    first, terms = plan.factor[FACTOR * f + 8], plan.factor[FACTOR * f + 7]
    x, mean, e, pull = np.zeros(3), np.empty(r), np.empty(r), np.empty(r)
    monomial = np.empty(terms)
    second, total, d_variance = np.zeros((r, r)), 0.0, 0.0
    for row in range(counts.shape[0]):
        for a in range(sides[other]):
            x[other] = place(plan, f, other, a)
            for b in range(sides[last]):
                x[last] = place(plan, f, last, b)
                start = a * strides[other] + b * strides[last]
                x[own] = place(plan, f, own, 0)
                _predictors(plan, f, elements, row, x, monomial, mean)
                _deviations(plan, f, x, mean, e)
                if narrow:
                    by_mean, by_sd = _pull_narrow(
                        -e[0] / width, sd / width, nodes, table[row], counts[row], start,
                        strides[own],
                    )  # fmt: skip
                    d_variance += 0.5 * by_sd / (width * sd)
                    for m in range(terms):
                        gradient[plan.term[TERM * (first + m)]] += by_mean / width * monomial[m]
                    continue
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
                        x[own] = place(plan, f, own, k)
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
def fill_tables(plan, elements, tables):
    """Tables of all factors, one after the other; False outside the parameters' domain."""
    for f in range(plan.sizes[0]):
        one, two, three = shape(plan, f)
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
def pull_tables(plan, elements, tables, counts, gradient):
    """Adds the derivatives by elements from those by the logs of all tables."""
    for f in range(plan.sizes[0]):
        one, two, three = shape(plan, f)
        rows, at = plan.factor[FACTOR * f + 5], plan.factor[FACTOR * f + 6]
        size = one * two * three
        own = counts[at : at + rows * size].reshape(rows, size)
        table = tables[at : at + rows * size].reshape(rows, size)
        if plan.factor[FACTOR * f] == STRUCTURAL:
            pull_structural(plan, f, elements, table, own, gradient)
        else:
            pull_answers(plan, f, elements, table, own, gradient)
