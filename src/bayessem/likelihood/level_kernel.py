"""Log-likelihood of two-level models and its gradient, flat in the number of respondents.

A respondent i of cluster j is y_ij = mu + Z_ij v_j + e_ij, with e ~ N(0, W) and, given the
cluster's own variables z_j, v_j ~ N(c_j, B), where W and the covariance of (v, z) are what level 1
and level 2 of the model imply. The effects v are the random intercepts and the random slopes: Z_ij
has a column of the unit matrix for the intercept of each variable at both levels and, for the slope
of a path from x to eta, the total effects of eta on the variables times x_ij. So Z_ij = L D(x_ij)
with L the same for all. With A_p the inverse of W for the variables observed in missingness pattern
p, padded with zeros, and sums over the cluster's respondents,

    P_j = sum_p (L'A_p L) * (sum of the products of D's diagonals), element by element,
    b_j = sum_p of the rows of L'A_p times (sum of D's diagonal times y - mu), h_j = b_j - P_j c_j,

the log-likelihood of a cluster is that of its respondents if v were 0, plus

    c'b - c'Pc / 2 + h'Th / 2 - ln|I + BP| / 2,   T = (B^-1 + P)^-1 the covariance of v given y,

plus that of z_j (METHODS2.md, section 3; Rosseel 2021, doi:10.3390/psych3020017; Rockwood 2020,
doi:10.1007/s11336-020-09702-9, section 3.2). T is written without the inverse of B, which has none
where an effect has no variance between clusters. The first part needs only the moments of each
pattern; the second sums by cluster and, without random slopes, one inverse for each type of cluster
(level_plan.py).
"""

import numpy as np

from bayessem.likelihood.compiled import compiled, inlined
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.kernel import LOG_2PI, select
from bayessem.likelihood.level_moments import (
    effect_loadings,
    level_moments,
    pull_effect_loadings,
    pull_level_moments,
    pull_with_slopes,
    with_slopes,
)
from bayessem.likelihood.level_plan import unpack_levels

# A pivot of P below this share of its diagonal element is 0: a cluster of few respondents does not
# tell all of its effects apart.
NOTHING = 1e-14


@compiled
def _respondents(plan, index, start, variables, mean, inverse, logdet, by_cluster):
    """Add to each cluster the log-density of its respondents of a pattern, u = 0."""
    n, width = plan.pattern_count[index], variables.size
    at = plan.pattern_rows_at[index]
    rows = plan.numbers[at : at + n * width].reshape(n, width)
    centred = np.empty(width)
    for i in range(n):
        for a in range(width):
            centred[a] = rows[i, a] - mean[variables[a]]
        s = 0.0
        for a in range(width):
            for b in range(width):
                s += centred[a] * inverse[a, b] * centred[b]
        by_cluster[plan.row_cluster[start + i]] -= 0.5 * (width * LOG_2PI + logdet + s)


@compiled
def _patterns(plan, group, within, mean, inverses, d_within, d_mean, by_cluster):
    """Log-likelihood of a group's respondents if u were 0; fills in A_p, adds to the gradient."""
    value, start = 0.0, 0
    for index in range(plan.sizes[3]):
        n = plan.pattern_count[index]
        if plan.pattern_group[index] == group:
            width, at = plan.pattern_width[index], plan.pattern_at[index]
            variables = plan.pattern_variables[at : at + width]
            observed, inverse = np.empty((width, width)), np.empty((width, width))
            select(within, variables, observed)
            logdet = spd_inverse(observed, inverse)
            if np.isnan(logdet):
                return -np.inf
            at = plan.pattern_cov_at[index]
            moment = plan.numbers[at : at + width * width].reshape(width, width).copy()
            at = plan.pattern_mean_at[index]
            difference = np.empty(width)
            for a in range(width):
                difference[a] = plan.numbers[at + a] - mean[variables[a]]
            for a in range(width):
                for b in range(width):
                    moment[a, b] += difference[a] * difference[b]
                    inverses[index, variables[a], variables[b]] = inverse[a, b]
            weighted = np.dot(inverse, moment)
            g_within = np.dot(weighted, inverse)
            trace = 0.0
            for a in range(width):
                trace += weighted[a, a]
                for b in range(width):
                    d_mean[variables[a]] += n * inverse[a, b] * difference[b]
                    d_within[variables[a], variables[b]] += (
                        0.5 * n * (g_within[a, b] - inverse[a, b])
                    )
            value -= 0.5 * n * (width * LOG_2PI + logdet + trace)
            if by_cluster.size:
                _respondents(plan, index, start, variables, mean, inverse, logdet, by_cluster)
        start += n
    return value


@compiled
def _given_own(plan, own, between, k, d_inverse, b):
    """Level 2 given the observed own variables: K = C D^-1, D^-1, B; log|D|, NaN if improper."""
    q = plan.effects.size
    at, end = plan.own_at[own], plan.own_at[own + 1]
    r = end - at
    variables = plan.own_variables[at:end]
    cross, d = np.empty((q, r)), np.empty((r, r))
    for i in range(r):
        for a in range(q):
            cross[a, i] = between[plan.effects[a], plan.between[variables[i]]]
        for j in range(r):
            d[i, j] = between[plan.between[variables[i]], plan.between[variables[j]]]
    select(between, plan.effects, b)
    logdet = 0.0
    if r:
        logdet = spd_inverse(d, d_inverse)
        if np.isnan(logdet):
            return logdet
        for a in range(q):
            for i in range(r):
                s = 0.0
                for j in range(r):
                    s += cross[a, j] * d_inverse[j, i]
                k[a, i] = s
        for a in range(q):
            for c in range(q):
                for i in range(r):
                    b[a, c] -= k[a, i] * cross[c, i]
    return logdet


@compiled
def _type(precision, b, t, less):
    """T, and P - PTP, of a type; log|I + BP|, NaN where it is not positive definite.

    With P = L L' and N = I + L'BL: P - PTP = L N^-1 L', T = B - B L N^-1 L' B.
    """
    q = b.shape[0]
    root = np.zeros((q, q))
    for i in range(q):
        for j in range(i + 1):
            s = precision[i, j]
            for a in range(j):
                s -= root[i, a] * root[j, a]
            if i == j:  # 0 for what the cluster says nothing about, but for rounding
                root[i, i] = np.sqrt(s) if s > NOTHING * precision[i, i] else 0.0
            elif root[j, j] > 0.0:
                root[i, j] = s / root[j, j]
    n, inverse = np.dot(root.T, np.dot(b, root)), np.empty((q, q))
    for i in range(q):
        n[i, i] += 1.0
    logdet = spd_inverse(n, inverse)
    if np.isnan(logdet):
        return logdet
    less[:] = np.dot(root, np.dot(inverse, root.T))
    t[:] = b - np.dot(b, np.dot(less, b))
    return logdet


@compiled
def _squares_at(plan, e):
    """Where in `numbers` the sums of products of (1, predictors with random slopes) are."""
    return plan.entry_mean_at[e] + plan.pattern_width[plan.entry_pattern[e]]


@compiled
def _precision(plan, j, by_pattern, precision):
    """P of a cluster; by_pattern : L'A_p L."""
    precision[:] = 0.0
    q, d = plan.effects.size, 1 + plan.slope_outcome.size
    for e in range(plan.entry_at[j], plan.entry_at[j + 1]):
        index, at = plan.entry_pattern[e], _squares_at(plan, e)
        for a in range(q):
            row = at + plan.design[a] * d
            for c in range(q):
                precision[a, c] += by_pattern[index, a, c] * plan.numbers[row + plan.design[c]]


@compiled
def _products(plan, j, mean, products):
    """Sums of (1, predictors) times (y - mu), 0 where y is not observed.

    products : (entry of the cluster, design, within), filled.
    """
    d = 1 + plan.slope_outcome.size
    for e in range(plan.entry_at[j], plan.entry_at[j + 1]):
        i, index, at = e - plan.entry_at[j], plan.entry_pattern[e], plan.entry_mean_at[e]
        first, width = plan.pattern_at[index], plan.pattern_width[index]
        squares, crossed = at + width, at + width + d * d
        if width < mean.size:
            products[i] = 0.0
        n = plan.numbers[squares]
        for a in range(width):
            v = plan.pattern_variables[first + a]
            deviation = plan.numbers[at + a] - mean[v]
            products[i, 0, v] = n * deviation
            for k in range(1, d):
                own = plan.numbers[crossed + (k - 1) * width + a]
                products[i, k, v] = own + plan.numbers[squares + k] * deviation


@compiled
def _forces(plan, j, projected, products, b):
    """B of a cluster; projected : L'A_p."""
    b[:] = 0.0
    for e in range(plan.entry_at[j], plan.entry_at[j + 1]):
        i, index = e - plan.entry_at[j], plan.entry_pattern[e]
        for a in range(b.size):
            s, k = 0.0, plan.design[a]
            for v in range(products.shape[2]):
                s += projected[index, a, v] * products[i, k, v]
            b[a] += s


@compiled
def _pull_sums(plan, j, products, u, d_type, d_by_pattern, d_projected, weights):
    """Adjoint of `_forces` and `_precision` at the posterior mean u of a cluster's effects.

    d_type : the derivative by P; weights : what the derivatives by mu sum to, (pattern, effect).
    """
    q, d = u.size, 1 + plan.slope_outcome.size
    for e in range(plan.entry_at[j], plan.entry_at[j + 1]):
        i, index, at = e - plan.entry_at[j], plan.entry_pattern[e], _squares_at(plan, e)
        for a in range(q):
            k, own = plan.design[a], u[a]
            row = at + k * d
            weights[index, a] += own * plan.numbers[row]
            for v in range(products.shape[2]):
                d_projected[index, a, v] += own * products[i, k, v]
            for c in range(q):
                d_by_pattern[index, a, c] += d_type[a, c] * plan.numbers[row + plan.design[c]]


@compiled
def _own_differences(plan, j, between_mean, dz):
    """Values of a cluster's observed own variables less their means."""
    own = plan.cluster_own[j]
    at = plan.own_at[own]
    for i in range(plan.own_at[own + 1] - at):
        variable = plan.between[plan.own_variables[at + i]]
        dz[i] = plan.numbers[plan.cluster_value_at[j] + i] - between_mean[variable]


@compiled
def _cluster(centre, k, d_inverse, dz, precision, t, b, weighted, u, s):
    """What one cluster adds, without determinants; fills in D^-1 dz, E[v | y] and d/dc."""
    q, r = b.size, dz.size
    value = 0.0
    for i in range(r):
        x = 0.0
        for l in range(r):
            x += d_inverse[i, l] * dz[l]
        weighted[i] = x
        value -= 0.5 * x * dz[i]
    c, h = centre.copy(), b.copy()
    for a in range(q):
        for i in range(r):
            c[a] += k[a, i] * dz[i]
    for a in range(q):
        for e in range(q):
            h[a] -= precision[a, e] * c[e]
    for a in range(q):
        x = 0.0
        for e in range(q):
            x += t[a, e] * h[e]
        u[a] = c[a] + x
        value += 0.5 * c[a] * (b[a] + h[a]) + 0.5 * h[a] * x
    for a in range(q):
        x = b[a]
        for e in range(q):
            x -= precision[a, e] * u[e]
        s[a] = x
    return value


@compiled
def _pull_given_own(plan, own, k, d_inverse, d_b, d_c, d_d, d_between):
    """Adjoint of `_given_own`; d_c, d_d : derivatives by C and D that do not go through B."""
    at, end = plan.own_at[own], plan.own_at[own + 1]
    q, r = plan.effects.size, end - at
    for a in range(q):
        for c in range(q):
            d_between[plan.effects[a], plan.effects[c]] += d_b[a, c]
    for i in range(r):
        vi = plan.between[plan.own_variables[at + i]]
        for a in range(q):
            x = d_c[a, i]
            for c in range(q):
                x -= 2.0 * d_b[a, c] * k[c, i]
            d_between[plan.effects[a], vi] += 0.5 * x
            d_between[vi, plan.effects[a]] += 0.5 * x
        for l in range(r):
            x = d_d[i, l]
            for a in range(q):
                for c in range(q):
                    x += k[a, i] * d_b[a, c] * k[c, l]
            d_between[vi, plan.between[plan.own_variables[at + l]]] += x


@compiled
def clusters_part(
    plan, group, mean, between, between_mean, by_pattern, projected, share, d_by_pattern,
    d_projected, weights, d_between, d_between_mean, by_cluster,
):  # fmt: skip
    """What the effects of a group's clusters add to the log-likelihood, and to the gradient.

    share : what each cluster's derivatives are multiplied by, (cluster,).
    """
    q, p = plan.effects.size, plan.sizes[0]
    precision, b, t, less = (
        np.empty((q, q)),
        np.empty((q, q)),
        np.empty((q, q)),
        np.empty((q, q)),
    )
    d_type, d_b = np.empty((q, q)), np.zeros((q, q))
    force, u, s, centre = np.empty(q), np.empty(q), np.empty(q), np.zeros(q)
    most = 0
    for j in range(plan.sizes[4]):
        most = max(most, plan.entry_at[j + 1] - plan.entry_at[j])
    products = np.empty((most, 1 + plan.slope_outcome.size, plan.within.size))
    for a in range(plan.split.size, q):  # the mean of an intercept is in mu
        centre[a] = between_mean[plan.effects[a]]
    k = np.empty((q, 0))
    d_inverse, d_c, d_d = np.empty((0, 0)), np.empty((q, 0)), np.empty((0, 0))
    dz, weighted = np.empty(0), np.empty(0)
    value, own, kind, own_logdet, logdet = 0.0, -1, -1, 0.0, 0.0
    for j in range(plan.sizes[4]):
        if plan.cluster_group[j] != group:
            continue
        if plan.cluster_own[j] != own:
            if own >= 0:
                _pull_given_own(plan, own, k, d_inverse, d_b, d_c, d_d, d_between)
            own = plan.cluster_own[j]
            r = plan.own_at[own + 1] - plan.own_at[own]
            k, d_inverse = np.empty((q, r)), np.empty((r, r))
            d_b, d_c, d_d = np.zeros((q, q)), np.zeros((q, r)), np.zeros((r, r))
            dz, weighted = np.empty(r), np.empty(r)
            own_logdet = _given_own(plan, own, between, k, d_inverse, b)
            if np.isnan(own_logdet):
                return -np.inf
            kind = -1
        if plan.cluster_type[j] != kind:
            kind = plan.cluster_type[j]
            _precision(plan, j, by_pattern, precision)
            logdet = _type(precision, b, t, less)
            if np.isnan(logdet):
                return -np.inf
        _own_differences(plan, j, between_mean, dz)
        _products(plan, j, mean, products)
        _forces(plan, j, projected, products, force)
        more = _cluster(centre, k, d_inverse, dz, precision, t, force, weighted, u, s)
        more -= 0.5 * (logdet + own_logdet + dz.size * LOG_2PI)
        value += more
        if by_cluster.size:
            by_cluster[plan.cluster_place[j]] += more
        part = share[j]
        if part == 0.0:
            continue
        for a in range(q):
            if plan.effects[a] >= p:
                d_between_mean[plan.effects[a]] += part * s[a]
            for c in range(q):
                d_type[a, c] = -0.5 * part * (u[a] * u[c] + t[a, c])
                d_b[a, c] += 0.5 * part * (s[a] * s[c] - less[a, c])
        for a in range(q):
            u[a] *= part
        _pull_sums(plan, j, products, u, d_type, d_by_pattern, d_projected, weights)
        _pull_own(plan, own, k, d_inverse, weighted, s, part, d_c, d_d, d_between_mean)
    if own >= 0:
        _pull_given_own(plan, own, k, d_inverse, d_b, d_c, d_d, d_between)
    return value


@compiled
def _pull_own(plan, own, k, d_inverse, weighted, s, part, d_c, d_d, d_between_mean):
    """Add a cluster's derivatives by C and D (not through B) and by the own variables' means.

    part : what they are multiplied by.
    """
    q, r = s.size, weighted.size
    at = plan.own_at[own]
    for i in range(r):
        ks = 0.0
        for a in range(q):
            ks += k[a, i] * s[a]
            d_c[a, i] += part * s[a] * weighted[i]
        d_between_mean[plan.between[plan.own_variables[at + i]]] += part * (weighted[i] - ks)
        for l in range(r):
            d_d[i, l] += 0.5 * part * (weighted[i] * weighted[l] - d_inverse[i, l])
            d_d[i, l] -= 0.5 * part * ks * weighted[l]
            d_d[l, i] -= 0.5 * part * ks * weighted[l]


@compiled
def project(inverses, effect):
    """L'A_p and L'A_p L of each pattern."""
    n_patterns, y, q = inverses.shape[0], effect.shape[0], effect.shape[1]
    projected, by_pattern = np.empty((n_patterns, q, y)), np.empty((n_patterns, q, q))
    for index in range(n_patterns):
        projected[index] = np.dot(effect.T, inverses[index])
        by_pattern[index] = np.dot(projected[index], effect)
    return projected, by_pattern


@compiled
def pull_projection(
    plan, group, inverses, effect, projected, d_by_pattern, d_projected, weights, d_within, d_mean
):
    """Adjoint of `project` and of the means in `_products`; derivatives by L."""
    d_effect = np.zeros(effect.shape)
    for index in range(inverses.shape[0]):
        if plan.pattern_group[index] == group:
            inverse, d_own, d_out = inverses[index], d_by_pattern[index], d_projected[index]
            d_effect += np.dot(inverse, d_out.T + 2.0 * np.dot(effect, d_own))
            change = np.dot(effect, np.dot(d_own, effect.T) + d_out)
            d_mean -= np.dot(weights[index], projected[index])
            change = 0.5 * (change + change.T)  # A = W^-1: dW = -A dA A
            d_within -= np.dot(np.dot(inverse, change), inverse)
    return d_effect


@compiled
def pull_within(plan, elements, gradient, block, moments, d_within, d_mean, d_effect):
    """Adjoint of the moments of level 1 and of L: adds to the gradient."""
    p, m = plan.sizes[0], plan.sizes[1]
    d_covariance, d_all = np.zeros((p, p)), np.zeros(p)
    for a in range(plan.within.size):
        d_all[plan.within[a]] = d_mean[a]
        for c in range(plan.within.size):
            d_covariance[plan.within[a], plan.within[c]] = d_within[a, c]
    more = (np.zeros((p, m)), np.zeros((m, m)), np.zeros((m, m)), np.zeros(m))
    pull_effect_loadings(plan, elements, block, moments[1], d_effect, more[0], more[1])
    pull_level_moments(plan, elements, gradient, block, moments, d_covariance, d_all, more)


@compiled
def pull_between(plan, elements, gradient, block, moments, d_between, d_between_mean):
    """Adjoint of the moments of level 2 and of the slopes: adds to the gradient."""
    p, m = plan.sizes[0], plan.sizes[1]
    more = (np.zeros((p, m)), np.zeros((m, m)), np.zeros((m, m)), np.zeros(m))
    pull_with_slopes(plan, elements, block, moments, d_between, d_between_mean, more)
    d_outer = np.ascontiguousarray(d_between[:p, :p])
    pull_level_moments(plan, elements, gradient, block, moments, d_outer, d_between_mean[:p], more)


@compiled
def _level_group(plan, group, elements, gradient, by_cluster):
    """Log-likelihood of one group; adds to the gradient by the matrices of its two blocks."""
    y, q, n_patterns = plan.within.size, plan.effects.size, plan.sizes[3]
    inner = level_moments(plan, elements, 2 * group)
    outer = level_moments(plan, elements, 2 * group + 1)
    if not (inner[0] and outer[0]):
        return -np.inf
    within, mean = np.empty((y, y)), np.empty(y)
    select(inner[5], plan.within, within)
    for a in range(y):
        mean[a] = inner[6][plan.within[a]] + outer[6][plan.within[a]]
    between, between_mean = with_slopes(plan, elements, 2 * group + 1, outer)
    inverses = np.zeros((n_patterns, y, y))
    d_within, d_mean = np.zeros((y, y)), np.zeros(y)
    value = _patterns(plan, group, within, mean, inverses, d_within, d_mean, by_cluster)
    if value == -np.inf:
        return value
    effect = effect_loadings(plan, elements, 2 * group, inner[1])
    projected, by_pattern = project(inverses, effect)
    d_by_pattern, d_projected = np.zeros((n_patterns, q, q)), np.zeros((n_patterns, q, y))
    weights = np.zeros((n_patterns, q))
    d_between, d_between_mean = np.zeros_like(between), np.zeros_like(between_mean)
    value += clusters_part(
        plan, group, mean, between, between_mean, by_pattern, projected, np.ones(plan.sizes[4]),
        d_by_pattern, d_projected, weights, d_between, d_between_mean, by_cluster,
    )  # fmt: skip
    if not value > -np.inf:
        return -np.inf
    d_effect = pull_projection(
        plan, group, inverses, effect, projected, d_by_pattern, d_projected, weights,
        d_within, d_mean,
    )  # fmt: skip
    pull_within(plan, elements, gradient, 2 * group, inner, d_within, d_mean, d_effect)
    for a in range(y):
        d_between_mean[plan.within[a]] += d_mean[a]
    pull_between(plan, elements, gradient, 2 * group + 1, outer, d_between, d_between_mean)
    return value


@inlined
def evaluate_levels(elements, ints, floats, gradient, by_cluster):
    """Log-likelihood of all clusters; level_entry.py is how the rest of the program calls it.

    gradient is overwritten with the derivatives by elements, as in kernel.py, by_cluster, unless it
    is empty, with the log-likelihood of every cluster, in the order of the data.
    """
    plan = unpack_levels(ints[1:], floats)
    gradient[:] = 0.0
    by_cluster[:] = 0.0
    value = 0.0
    for group in range(plan.sizes[2]):
        value += _level_group(plan, group, elements, gradient, by_cluster)
        if not value > -np.inf:
            gradient[:] = 0.0
            by_cluster[:] = -np.inf
            return -np.inf
    return value
