"""Tables of answers' probabilities over the nodes of latent variables, and their derivatives."""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.elementary import exponential, normal_tail
from bayessem.likelihood.families import FIRST, OWN, POISSON, cell_log, cell_slopes, row_constant
from bayessem.likelihood.family_ordered import INVERSE_SQRT_2PI, VARIANCES
from bayessem.likelihood.node_plan import CROSS, FACTOR, NORMAL, TERM, TILT, shape
from bayessem.likelihood.node_predictors import NONE, covariate, means, monomials, pull_means

# Posterior weight of a node that adds nothing to a derivative; most nodes have less.
NOTHING = 1e-15


@compiled
def _answer(plan, f, row):
    """The answer of a row."""
    return plan.data[plan.factor[FACTOR * f + 9] + row * plan.factor[FACTOR * f + 10]]


@compiled
def _alike(plan, f):
    """Whether the rows differ in the answer alone, and so share their linear predictors."""
    own = OWN if plan.factor[FACTOR * f] >= FIRST else 1
    return plan.factor[FACTOR * f + 10] == own


@compiled
def _fill_normal(plan, f, elements, variance, table):
    """Densities of numbers."""
    products = monomials(plan, f, NONE)
    mean = np.empty(table.shape[1])
    alike = _alike(plan, f)
    scale, half = INVERSE_SQRT_2PI / np.sqrt(variance), -0.5 / variance
    for row in range(table.shape[0]):
        if row == 0 or not alike:
            means(plan, f, elements, row, products, mean)
        y, own = _answer(plan, f, row), table[row]
        for cell in range(mean.size):
            e = y - mean[cell]
            own[cell] = scale * exponential(half * e * e)


@compiled
def _pull_normal(plan, f, elements, variance, counts, gradient):
    """Adds the derivatives of the densities of numbers."""
    products = monomials(plan, f, NONE)
    mean, d_mean = np.empty(counts.shape[1]), np.zeros(counts.shape[1])
    alike = _alike(plan, f)
    total, squares = 0.0, 0.0
    for row in range(counts.shape[0]):
        if row == 0 or not alike:
            means(plan, f, elements, row, products, mean)
            d_mean[:] = 0.0
        y, own = _answer(plan, f, row), counts[row]
        for cell in range(mean.size):
            e = y - mean[cell]
            total += own[cell]
            d_mean[cell] += own[cell] * e / variance
            squares += own[cell] * e * e
        if row == counts.shape[0] - 1 or not alike:
            pull_means(plan, f, row, products, d_mean, gradient)
    element = plan.variance[plan.factor[FACTOR * f + 12]]
    gradient[element] += 0.5 * (squares / variance - total) / variance


@compiled
def _parts(plan, f, elements, row, products, part):
    """Sums of the terms of a part of a normal answer in one row, into part (2, cell).

    Of a tilt: those without latent variables, and those with. Of a cross: by target.
    """
    first = plan.factor[FACTOR * f + 8]
    part[:] = 0.0
    for k in range(products.shape[0]):
        weight = elements[plan.term[TERM * (first + k)]] * covariate(plan, f, first + k, row)
        own, to = products[k], part[_side(plan, f, first + k)]
        for cell in range(to.size):
            to[cell] += weight * own[cell]


@compiled
def _side(plan, f, t):
    """Which of the two parts a term is in."""
    if plan.factor[FACTOR * f] == CROSS:
        return plan.term[TERM * t + 5]
    powers = plan.term[TERM * t + 1 : TERM * t + 4]
    return 1 if powers[0] + powers[1] + powers[2] > 0 else 0


@compiled
def _fill_part(plan, f, elements, variance, table):
    """What a tilt or a cross multiplies the density by; see node_plan.apart."""
    products = monomials(plan, f, NONE)
    part, precision = np.empty((2, table.shape[1])), 1.0 / variance
    cross = plan.factor[FACTOR * f] == CROSS
    for row in range(table.shape[0]):
        if row == 0 or not _alike(plan, f):
            _parts(plan, f, elements, row, products, part)
        y, own = _answer(plan, f, row), table[row]
        for cell in range(own.size):
            one, two = part[0, cell], part[1, cell]
            form = -one * two if cross else (y - one - 0.5 * two) * two
            own[cell] = exponential(form * precision)


@compiled
def _pull_part(plan, f, elements, variance, counts, gradient):
    """Adds the derivatives of `_fill_part`."""
    products = monomials(plan, f, NONE)
    cells = counts.shape[1]
    part, d_part = np.empty((2, cells)), np.zeros((2, cells))
    cross, alike = plan.factor[FACTOR * f] == CROSS, _alike(plan, f)
    first = plan.factor[FACTOR * f + 8]
    d_variance = 0.0
    for row in range(counts.shape[0]):
        if row == 0 or not alike:
            _parts(plan, f, elements, row, products, part)
            d_part[:] = 0.0
        y = _answer(plan, f, row)
        for cell in range(cells):
            one, two, g = part[0, cell], part[1, cell], counts[row, cell] / variance
            d_part[0, cell] -= g * two
            d_part[1, cell] += -g * one if cross else g * (y - one - two)
            d_variance -= g * (-one * two if cross else (y - one - 0.5 * two) * two)
        if row == counts.shape[0] - 1 or not alike:
            for k in range(products.shape[0]):
                t, own, s = first + k, products[k], 0.0
                by = d_part[_side(plan, f, t)]
                for cell in range(cells):
                    s += by[cell] * own[cell]
                gradient[plan.term[TERM * t]] += s * covariate(plan, f, t, row)
    gradient[plan.variance[plan.factor[FACTOR * f + 12]]] += d_variance / variance


@compiled
def _link(plan, f, variance):
    """Link, first threshold, thresholds, and scale of the residual over its standard form."""
    code = plan.factor[FACTOR * f + 13]
    link = code % 2
    scale = np.sqrt(variance / (VARIANCES[0] if link == 0 else VARIANCES[1]))
    return link, code // 2, plan.factor[FACTOR * f + 11], scale


@compiled
def _either_side(link, threshold, mean, by, below, above):
    """Probabilities (cell,) to either side of a threshold, each to full relative accuracy.

    by : one over the residual's scale.
    """
    if link == 0:
        for cell in range(mean.size):
            z = (threshold - mean[cell]) * by
            near, _ = normal_tail(abs(z))
            below[cell] = near if z < 0.0 else 1.0 - near
            above[cell] = 1.0 - near if z < 0.0 else near
    else:
        for cell in range(mean.size):
            z = (threshold - mean[cell]) * by
            near = 1.0 / (1.0 + exponential(abs(z)))
            below[cell] = near if z < 0.0 else 1.0 - near
            above[cell] = 1.0 - near if z < 0.0 else near


@compiled
def _pull_threshold(link, threshold, mean, by, lower, upper, d_mean):
    """Derivatives by a threshold and by the scale, but for `by`; adds those by means (cell,).

    lower, upper : (cell,) counts of the two categories there, over their probabilities.
    """
    d_threshold, d_scale = 0.0, 0.0
    for cell in range(mean.size):
        z = (threshold - mean[cell]) * by
        if link == 0:
            density = INVERSE_SQRT_2PI * exponential(-0.5 * z * z)
        else:
            e = exponential(-abs(z))
            density = e / ((1.0 + e) * (1.0 + e))
        own = density * (lower[cell] - upper[cell]) * by
        d_threshold += own
        d_scale -= own * z
        d_mean[cell] -= own
    return d_threshold, d_scale


@compiled
def _fill_ordered(plan, f, elements, variance, table):
    """Probabilities of categories: of the residual between two thresholds."""
    link, first, last, scale = _link(plan, f, variance)
    thresholds = elements[first : first + last]
    products = monomials(plan, f, NONE)
    cells = table.shape[1]
    mean = np.empty(cells)
    alike = _alike(plan, f)
    # to either side of each threshold, each to full relative accuracy; the sides of all there is
    below, above = np.empty((last + 2, cells)), np.empty((last + 2, cells))
    below[0], above[0], below[last + 1], above[last + 1] = 0.0, 1.0, 1.0, 0.0
    for row in range(table.shape[0]):
        category = np.int64(_answer(plan, f, row))
        begin, end = 1, last + 1
        if not alike:
            begin, end = max(category, 1), min(category + 2, last + 1)
        if row == 0 or not alike:
            means(plan, f, elements, row, products, mean)
            for c in range(begin, end):
                _either_side(link, thresholds[c - 1], mean, 1.0 / scale, below[c], above[c])
        if 0 < category < last and not thresholds[category - 1] < thresholds[category]:
            table[row] = 0.0
            continue
        own, low, high = table[row], below[category : category + 2], above[category : category + 2]
        for cell in range(cells):
            one, two = low[1, cell] - low[0, cell], high[0, cell] - high[1, cell]
            own[cell] = one if low[0, cell] < 0.5 else two


@compiled
def _pull_ordered(plan, f, elements, variance, table, counts, gradient):
    """Adds the derivatives of the probabilities of categories.

    A threshold ends one category and begins the next, so that its derivative is the density there
    times the difference of their counts over their probabilities.
    """
    link, first, last, scale = _link(plan, f, variance)
    thresholds = elements[first : first + last]
    products = monomials(plan, f, NONE)
    cells = table.shape[1]
    mean, d_mean = np.empty(cells), np.empty(cells)
    ratio = np.zeros((last + 1, cells))  # by category
    alike = _alike(plan, f)
    d_scale = 0.0
    for row in range(table.shape[0]):
        category = np.int64(_answer(plan, f, row))
        for cell in range(cells):
            p = table[row, cell]
            ratio[category, cell] = counts[row, cell] / p if p > 0.0 else 0.0
        begin, end = 1, last + 1
        if not alike:
            begin, end = max(category, 1), min(category + 2, last + 1)
        if alike and row < table.shape[0] - 1:
            continue
        means(plan, f, elements, row, products, mean)
        d_mean[:] = 0.0
        for c in range(begin, end):
            by_threshold, by_scale = _pull_threshold(
                link, thresholds[c - 1], mean, 1.0 / scale, ratio[c - 1], ratio[c], d_mean
            )
            gradient[first + c - 1] += by_threshold
            d_scale += by_scale
        pull_means(plan, f, row, products, d_mean, gradient)
        ratio[category] = 0.0
    # the variance is the scale's square times that of the standard form
    gradient[plan.variance[plan.factor[FACTOR * f + 12]]] += 0.5 * d_scale * scale / variance


@compiled
def _own(plan, f, row):
    """The answer of a row with what belongs to it, (OWN,)."""
    at = plan.factor[FACTOR * f + 9] + row * plan.factor[FACTOR * f + 10]
    return plan.data[at : at + OWN]


@compiled
def _numbers(plan, f, elements):
    """A family's numbers: its dispersion, and up to two more (0 where there are none)."""
    first, count = plan.factor[FACTOR * f + 13] // 2, plan.factor[FACTOR * f + 11]
    return (
        elements[plan.variance[plan.factor[FACTOR * f + 12]]],
        elements[first] if count > 0 else 0.0,
        elements[first + 1] if count > 1 else 0.0,
    )


@compiled
def _pull_numbers(plan, f, slopes, gradient):
    """Adds the derivatives by a family's numbers."""
    first, count = plan.factor[FACTOR * f + 13] // 2, plan.factor[FACTOR * f + 11]
    if plan.factor[FACTOR * f] != POISSON:
        gradient[plan.variance[plan.factor[FACTOR * f + 12]]] += slopes[0]
    if count > 0:
        gradient[first] += slopes[1]
    if count > 1:
        gradient[first + 1] += slopes[2]


@compiled
def _fill_family(plan, f, elements, table):
    """Densities of answers of the other families (families.py)."""
    kind, numbers = plan.factor[FACTOR * f], _numbers(plan, f, elements)
    products = monomials(plan, f, NONE)
    mean = np.empty(table.shape[1])
    alike = _alike(plan, f)
    for row in range(table.shape[0]):
        if row == 0 or not alike:
            means(plan, f, elements, row, products, mean)
        own = _own(plan, f, row)
        constant = row_constant(kind, own, numbers)[0]
        for cell in range(mean.size):
            table[row, cell] = np.exp(constant + cell_log(kind, own, mean[cell], numbers))


@compiled
def _pull_family(plan, f, elements, counts, gradient):
    """Adds the derivatives of the densities of the other families."""
    kind, numbers = plan.factor[FACTOR * f], _numbers(plan, f, elements)
    products = monomials(plan, f, NONE)
    mean, d_mean = np.empty(counts.shape[1]), np.zeros(counts.shape[1])
    alike = _alike(plan, f)
    slopes = np.zeros(3)
    for row in range(counts.shape[0]):
        if row == 0 or not alike:
            means(plan, f, elements, row, products, mean)
            d_mean[:] = 0.0
        own, weight, total = _own(plan, f, row), counts[row], 0.0
        for cell in range(mean.size):
            if abs(weight[cell]) < NOTHING:  # slopes have no bound where densities are 0
                continue
            total += weight[cell]
            by_mean, by_dispersion, by_next = cell_slopes(kind, own, mean[cell], numbers)
            d_mean[cell] += weight[cell] * by_mean
            slopes[0] += weight[cell] * by_dispersion
            slopes[1] += weight[cell] * by_next
        _pull_constant(kind, own, numbers, total, slopes)
        if row == counts.shape[0] - 1 or not alike:
            pull_means(plan, f, row, products, d_mean, gradient)
    _pull_numbers(plan, f, slopes, gradient)


@compiled
def _pull_constant(kind, own, numbers, total, slopes):
    """Adds the derivatives of what all cells of a row have in common."""
    _, by_dispersion, by_next, by_last = row_constant(kind, own, numbers)
    slopes[0] += total * by_dispersion
    slopes[1] += total * by_next
    slopes[2] += total * by_last


@compiled
def in_domain(plan, f, elements):
    """Whether an answer's variance or dispersion is one."""
    positive = elements[plan.variance[plan.factor[FACTOR * f + 12]]] > 0.0
    return positive or plan.factor[FACTOR * f] == POISSON


@compiled
def fill_boxes(plan, f, elements, table, boxes):
    """Densities (row, cell) of an answer of two constructs, where boxes (row, 4) say so."""
    kind, inner = plan.factor[FACTOR * f], shape(plan, f)[1]
    numbers = _numbers(plan, f, elements)
    products, mean = monomials(plan, f, NONE), np.empty(table.shape[1])
    alike = _alike(plan, f)
    for row in range(table.shape[0]):
        if row == 0 or not alike:
            means(plan, f, elements, row, products, mean)
        own = _own(plan, f, row)
        constant = row_constant(kind, own, numbers)[0]
        for v in range(boxes[row, 0], boxes[row, 1]):
            for cell in range(v * inner + boxes[row, 2], v * inner + boxes[row, 3]):
                table[row, cell] = np.exp(constant + cell_log(kind, own, mean[cell], numbers))


@compiled
def pull_boxes(plan, f, elements, counts, boxes, gradient):
    """Adds the derivatives of `fill_boxes`; counts are 0 elsewhere."""
    kind, inner = plan.factor[FACTOR * f], shape(plan, f)[1]
    numbers, slopes = _numbers(plan, f, elements), np.zeros(3)
    products = monomials(plan, f, NONE)
    mean, d_mean = np.empty(counts.shape[1]), np.zeros(counts.shape[1])
    alike = _alike(plan, f)
    rows = counts.shape[0]
    for row in range(rows):
        if row == 0 or not alike:
            means(plan, f, elements, row, products, mean)
            d_mean[:] = 0.0
        own, weight, total = _own(plan, f, row), counts[row], 0.0
        for v in range(boxes[row, 0], boxes[row, 1]):
            for cell in range(v * inner + boxes[row, 2], v * inner + boxes[row, 3]):
                if abs(weight[cell]) < NOTHING:
                    continue
                total += weight[cell]
                by_mean, by_dispersion, by_next = cell_slopes(kind, own, mean[cell], numbers)
                d_mean[cell] += weight[cell] * by_mean
                slopes[0] += weight[cell] * by_dispersion
                slopes[1] += weight[cell] * by_next
        _pull_constant(kind, own, numbers, total, slopes)
        if row == rows - 1 or not alike:
            pull_means(plan, f, row, products, d_mean, gradient)
    _pull_numbers(plan, f, slopes, gradient)


@compiled
def fill_answers(plan, f, elements, table):
    """Table (row, cell) of an answer; False where the variance is not positive."""
    variance = elements[plan.variance[plan.factor[FACTOR * f + 12]]]
    kind = plan.factor[FACTOR * f]
    if not in_domain(plan, f, elements):
        return False
    if kind >= FIRST:
        _fill_family(plan, f, elements, table)
    elif kind == NORMAL:
        _fill_normal(plan, f, elements, variance, table)
    elif plan.factor[FACTOR * f] in (TILT, CROSS):
        _fill_part(plan, f, elements, variance, table)
    else:
        _fill_ordered(plan, f, elements, variance, table)
    return True


@compiled
def pull_answers(plan, f, elements, table, counts, gradient):
    """Adds the derivatives by elements; counts (row, cell) are those by the log of the table."""
    variance = elements[plan.variance[plan.factor[FACTOR * f + 12]]]
    if plan.factor[FACTOR * f] >= FIRST:
        _pull_family(plan, f, elements, counts, gradient)
    elif plan.factor[FACTOR * f] == NORMAL:
        _pull_normal(plan, f, elements, variance, counts, gradient)
    elif plan.factor[FACTOR * f] in (TILT, CROSS):
        _pull_part(plan, f, elements, variance, counts, gradient)
    else:
        _pull_ordered(plan, f, elements, variance, table, counts, gradient)
