"""Log-likelihood and gradient where one or two normal variables may be known to lie in intervals.

A log-normal duration or a tobit outcome t is normal with the others y (t the log of a duration), so
that of a respondent with an interval (a, b)

    log f = log N(y; mu, Sigma) + log P(a < t < b | y),

the second a probability of a univariate normal variable with mean m = mu_t + beta'(y - mu_y) and
variance s^2. The gradient is that of complete data with t and t^2 in place of their expectations
given the interval (Fisher's identity), and so is the value but for what is known of t:

    log f = E[log N(y, t)] + log P + (log(2 pi s^2) + E[(t - m)^2] / s^2) / 2.

So an interval costs a mean m and two tails of a normal distribution, and a pattern of missing
values one inverse of Sigma, of which row t gives beta and s^2. Two intervals of one respondent are
a rectangle under a bivariate normal distribution (rectangle.py), in the same way.

Kalbfleisch & Prentice (2002), The statistical analysis of failure time data, section 3.2. Tobin
(1958), doi:10.2307/1907382.
"""

import math

import numpy as np

from bayessem.likelihood.censored_plan import BOTH, unpack_censored
from bayessem.likelihood.compiled import compiled, inlined
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.family_ordered import interval_probability, residual_density
from bayessem.likelihood.kernel import LOG_2PI, select
from bayessem.likelihood.observed_moments import observed_moments, pull_observed_moments
from bayessem.likelihood.rectangle import truncated_pair


@compiled
def _truncated(low, high):
    """Log P(low < z < high) of a standard normal z, and E[z] and E[z^2] given that."""
    p = interval_probability(0, low, high)
    if not p > 0.0:
        return -np.inf, 0.0, 0.0
    first, second = 0.0, 1.0
    if low > -np.inf:
        d = residual_density(0, low) / p
        first += d
        second += low * d
    if high < np.inf:
        d = residual_density(0, high) / p
        first -= d
        second -= high * d
    return math.log(p), first, second


@compiled
def _regression(inverse, skip, t, variance, weights):
    """Weights (width,) of deviations of the others for the mean of variable t given them.

    skip : another variable that is not known, -1 for none;  variance : of t given the others.
    """
    for j in range(weights.size):
        weights[j] = -variance * inverse[t, j]
    weights[t] = 0.0
    if skip >= 0:  # without the other: t's row of the inverse with that integrated out
        slope = inverse[t, skip] / inverse[skip, skip]
        for j in range(weights.size):
            weights[j] = -variance * (inverse[t, j] - slope * inverse[skip, j])
        weights[t] = weights[skip] = 0.0


@compiled
def _offset(weights, t, difference):
    """What of the mean of variable t given the others, from its center, no respondent changes."""
    m = -difference[t]
    for j in range(weights.size):
        m += weights[j] * difference[j]
    return m


@compiled
def _mean(weights, offset, row, center):
    """Mean of a variable given the others, from its center."""
    m = offset
    for j in range(weights.size):
        m += weights[j] * (row[j] - center[j])
    return m


@compiled
def _add_known(row, center, cross, known):
    """Adds an outcome's expectation times the others' deviations, which are 0 of outcomes."""
    for j in range(center.size):
        cross[j] += known * (row[j] - center[j])


@compiled
def _one(low, high, which, weights, offset, t, sd, row, center, moment, tilt, cross, note):
    """Adds a respondent with one interval to the sums; what that adds to the log-likelihood.

    low, high : ends of the interval from the center.
    """
    m = _mean(weights, offset, row, center)
    log_p, first, second = _truncated((low - m) / sd, (high - m) / sd)
    if log_p == -np.inf:
        return -np.inf
    known = m + sd * first
    _add_known(row, center, cross, known)
    moment[t, t] += m * m + 2.0 * m * sd * first + sd * sd * second
    tilt[t] += known
    if note.size:
        note[which], note[2] = m, log_p + 0.5 * LOG_2PI + math.log(sd)
    return log_p + 0.5 * (LOG_2PI + second) + math.log(sd)


@compiled
def _two(lower, upper, weights, offsets, t, u, sds, r, row, center, moment, tilt, cross, note):
    """The same of a respondent with two intervals.

    lower, upper : ends of both, not from the center.
    weights : (2, width), with offsets;  sds, r : of both outcomes given the others, and their
    correlation;  cross : (2, width).
    """
    m = _mean(weights[0], offsets[0], row, center)
    n = _mean(weights[1], offsets[1], row, center)
    log_p, x, y, xx, xy, yy = truncated_pair(
        (lower[0] - center[t] - m) / sds[0],
        (upper[0] - center[t] - m) / sds[0],
        (lower[1] - center[u] - n) / sds[1],
        (upper[1] - center[u] - n) / sds[1],
        r,
    )
    if log_p == -np.inf:
        return -np.inf
    first, second = m + sds[0] * x, n + sds[1] * y
    _add_known(row, center, cross[0], first)
    _add_known(row, center, cross[1], second)
    moment[t, t] += m * m + 2.0 * m * sds[0] * x + sds[0] * sds[0] * xx
    moment[u, u] += n * n + 2.0 * n * sds[1] * y + sds[1] * sds[1] * yy
    both = m * n + m * sds[1] * y + n * sds[0] * x + sds[0] * sds[1] * xy
    moment[t, u] += both
    moment[u, t] += both
    tilt[t] += first
    tilt[u] += second
    rest = 1.0 - r * r
    size = LOG_2PI + math.log(sds[0]) + math.log(sds[1]) + 0.5 * math.log(rest)
    if note.size:
        note[0], note[1], note[2] = m, n, log_p + size
    return log_p + size + 0.5 * (xx - 2.0 * r * xy + yy) / rest


@compiled
def _intervals(plan, index, rows, difference, center, inverse, moment, tilt, found):
    """What a pattern's intervals add to its log-likelihood and to its sums.

    difference : center less mean (width,);  moment : sums of squares and products about the center,
    added to;  tilt : sums of deviations from it, added to;  found : empty, or to be filled with the
    means of both outcomes given the others (less the center) and, in the last column, log P and
    what the density of the outcomes is to be less of.
    """
    width = plan.pattern_width[index]
    t, u = plan.pattern_place[2 * index], plan.pattern_place[2 * index + 1]
    alone, together = np.zeros((2, width)), np.zeros((2, width))
    offsets, others = np.zeros(2), np.zeros(2)  # of alone, and of together
    sds, joint, r = np.zeros(2), np.zeros(2), 0.0
    cross = np.zeros((2, width))
    for which in range(2):
        v = plan.pattern_place[2 * index + which]
        if v >= 0:
            sds[which] = math.sqrt(1.0 / inverse[v, v])
            _regression(inverse, -1, v, 1.0 / inverse[v, v], alone[which])
            offsets[which] = _offset(alone[which], v, difference)
    if t >= 0 and u >= 0:
        r = -inverse[t, u] / math.sqrt(inverse[t, t] * inverse[u, u])
        for which in range(2):
            v, other = (t, u) if which == 0 else (u, t)
            joint[which] = sds[which] / math.sqrt(1.0 - r * r)
            _regression(inverse, other, v, joint[which] * joint[which], together[which])
            others[which] = _offset(together[which], v, difference)
    value, note = 0.0, np.empty(0)
    for k in range(plan.interval_at[index], plan.interval_at[index + 1]):
        i, what = plan.interval_row[k], plan.interval_what[k]
        row = rows[i]
        if len(found):
            note = found[i]
        if what == BOTH:
            value += _two(
                plan.lower[2 * k : 2 * k + 2], plan.upper[2 * k : 2 * k + 2], together, others, t,
                u, joint, r, row, center, moment, tilt, cross, note,
            )  # fmt: skip
        else:
            v = plan.pattern_place[2 * index + what]
            low, high = plan.lower[2 * k + what] - center[v], plan.upper[2 * k + what] - center[v]
            value += _one(
                low, high, what, alone[what], offsets[what], v, sds[what], row, center, moment,
                tilt, cross[what], note,
            )  # fmt: skip
        if value == -np.inf:
            return value
    for which in range(2):
        v = plan.pattern_place[2 * index + which]
        if v >= 0:
            for j in range(width):
                moment[v, j] += cross[which, j]
                moment[j, v] += cross[which, j]
    return value


@compiled
def _forms(plan, index, start, rows, mean, center, inverse, logdet, found, by_respondent):
    """Log-density of each respondent of a pattern; found is what `_intervals` filled."""
    n, width = plan.pattern_count[index], plan.pattern_width[index]
    centred = np.empty((n, width))
    for i in range(n):
        for j in range(width):
            centred[i, j] = rows[i, j] - mean[j]
    for k in range(plan.interval_at[index], plan.interval_at[index + 1]):
        i = plan.interval_row[k]  # at its mean given the others, an outcome says nothing
        for which in range(2):
            if plan.interval_what[k] in (which, BOTH):
                v = plan.pattern_place[2 * index + which]
                centred[i, v] = center[v] + found[i, which] - mean[v]
    weighted = np.dot(centred, inverse)
    for i in range(n):
        q = 0.0
        for j in range(width):
            q += weighted[i, j] * centred[i, j]
        one = -0.5 * (width * LOG_2PI + logdet + q)
        by_respondent[start + i] = one + plan.row_constant[start + i]
    for k in range(plan.interval_at[index], plan.interval_at[index + 1]):
        i = plan.interval_row[k]  # without the outcomes' part of the density
        by_respondent[start + i] += found[i, 2]


@compiled
def _pattern(plan, index, start, mean, covariance, d_mean, d_covariance, by_respondent):
    """A pattern's log-likelihood; adds to the derivatives by the moments."""
    n, width = plan.pattern_count[index], plan.pattern_width[index]
    first = plan.pattern_at[index]
    variables = plan.pattern_variables[first : first + width]
    at = plan.pattern_numbers_at[index]
    center = plan.numbers[at : at + width]
    at += width
    moment = plan.numbers[at : at + width * width].copy().reshape(width, width)
    at += width * width
    rows = plan.numbers[at : at + n * width].reshape(n, width)
    tilt = np.zeros(width)  # sums of deviations from the center
    observed = np.empty((width, width))
    select(covariance, variables, observed)
    inverse = np.empty((width, width))
    logdet = spd_inverse(observed, inverse)
    if np.isnan(logdet):
        return -np.inf
    local = np.empty(width)
    difference = np.empty(width)
    for i in range(width):
        local[i] = mean[variables[i]]
        difference[i] = center[i] - local[i]
    value = 0.0
    found = np.empty((n if by_respondent.size else 0, 3))
    if plan.interval_at[index + 1] > plan.interval_at[index]:
        value = _intervals(plan, index, rows, difference, center, inverse, moment, tilt, found)
        if value == -np.inf:
            return value
    for i in range(width):
        for j in range(width):
            moment[i, j] += n * difference[i] * difference[j]
            moment[i, j] += tilt[i] * difference[j] + difference[i] * tilt[j]
    weighted = np.dot(inverse, moment)
    trace = 0.0
    for i in range(width):
        trace += weighted[i, i]
    value -= 0.5 * (n * (width * LOG_2PI + logdet) + trace)
    for i in range(n):
        value += plan.row_constant[start + i]
    if by_respondent.size:
        _forms(plan, index, start, rows, local, center, inverse, logdet, found, by_respondent)
    g_mean = np.dot(inverse, n * difference + tilt)
    g_cov = np.dot(weighted, inverse)
    for i in range(width):
        d_mean[variables[i]] += g_mean[i]
        for j in range(width):
            d_covariance[variables[i], variables[j]] += 0.5 * (g_cov[i, j] - n * inverse[i, j])
    return value


@compiled
def _censored_group(plan, group, elements, gradient, by_respondent):
    """Log-likelihood of one group; adds to the gradient by its matrices, elements of its own."""
    p = plan.sizes[0]
    ok, covariance, mean, latent = observed_moments(plan, group, elements)
    if not ok:
        return -np.inf
    d_covariance, d_mean = np.zeros((p, p)), np.zeros(p)
    value, start = 0.0, 0
    for index in range(plan.sizes[3]):
        if plan.pattern_group[index] == group:
            value += _pattern(
                plan, index, start, mean, covariance, d_mean, d_covariance, by_respondent
            )
            if not value > -np.inf:
                return -np.inf
        start += plan.pattern_count[index]
    pull_observed_moments(plan, elements, latent, d_covariance, d_mean, gradient)
    return value


@inlined
def evaluate_censored(elements, ints, floats, gradient, by_respondent):
    """Log-likelihood of all respondents; censored_entry.py is how the rest of the program calls it.

    gradient is overwritten with the derivatives by elements and by_respondent, unless it is empty,
    with log p(y_i), both as in kernel.py.
    """
    plan = unpack_censored(ints[1:], floats)
    gradient[:] = 0.0
    by_respondent[:] = 0.0
    value = 0.0
    size = elements.size // plan.sizes[2]
    for group in range(plan.sizes[2]):
        part = slice(group * size, (group + 1) * size)
        value += _censored_group(plan, group, elements[part], gradient[part], by_respondent)
        if not value > -np.inf:
            gradient[:] = 0.0
            by_respondent[:] = -np.inf
            return -np.inf
    return value
