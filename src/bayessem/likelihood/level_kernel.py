"""Log-likelihood of two-level models and its gradient, flat in the number of respondents.

A respondent i of cluster j is y_ij = mu + u_j + e_ij, with e ~ N(0, W) and, given the cluster's own
variables z_j, u_j ~ N(c_j, B), where W and the covariance of (u, z) are what level 1 and level 2 of
the model imply. With A_p the inverse of W for the variables observed in missingness pattern p,
padded with zeros, P_j = sum n_jp A_p, b_j = sum n_jp A_p (ybar_jp - mu) and h_j = b_j - P_j c_j,
the log-likelihood of a cluster is that of its respondents if u were 0, plus

    c'b - c'Pc / 2 + h'Th / 2 - ln|I + BP| / 2,   T = (B^-1 + P)^-1 the covariance of u given y,

plus that of z_j (METHODS2.md, section 3; Rosseel 2021, doi:10.3390/psych3020017). T is written
without the inverse of B, which has none where a variable has no variance between clusters. The
first part needs only the moments of each pattern; the second the means of each cluster, and one
inverse for each type of cluster (level_plan.py).
"""

import numpy as np

from bayessem.likelihood.compiled import compiled, inlined
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.kernel import LOG_2PI, proper_blocks, select
from bayessem.likelihood.level_plan import unpack_levels
from bayessem.likelihood.moments import latent_moments, pull_latent_moments, split


@compiled
def _block(plan, elements, block):
    """Implied moments of a block: (ok, A, A Psi, V, a, covariance, mean)."""
    p, m = plan.sizes[0], plan.sizes[1]
    loadings, paths, disturbances, residuals, intercepts, means, _ = split(elements, block, p, m, 0)
    ok, total, spread, latent_cov, latent_mean = latent_moments(paths, disturbances, means)
    covariance = np.dot(np.dot(loadings, latent_cov), loadings.T) + residuals
    mean = np.dot(loadings, latent_mean) + intercepts
    ok = ok and proper_blocks(plan, block, disturbances, residuals)
    return ok, total, spread, latent_cov, latent_mean, covariance, mean


@compiled
def _pull_block(plan, elements, gradient, block, moments, d_covariance, d_mean):
    """Adjoint of `_block`: adds to the gradient."""
    p, m = plan.sizes[0], plan.sizes[1]
    loadings = split(elements, block, p, m, 0)[0]
    d_loadings, d_paths, d_disturbances, d_residuals, d_intercepts, d_means, _ = split(
        gradient, block, p, m, 0
    )
    _, total, spread, latent_cov, latent_mean, _, _ = moments
    d_residuals += d_covariance
    d_intercepts += d_mean
    half = np.dot(d_covariance, loadings)
    d_loadings += 2.0 * np.dot(half, latent_cov)
    for i in range(p):
        for j in range(m):
            d_loadings[i, j] += d_mean[i] * latent_mean[j]
    pull_latent_moments(
        total,
        spread,
        np.dot(loadings.T, half),
        np.dot(loadings.T, d_mean),
        np.zeros((m, m)),
        latent_mean,
        (d_paths, d_disturbances, d_means),
    )


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
    q = plan.split.size
    at, end = plan.own_at[own], plan.own_at[own + 1]
    r = end - at
    variables = plan.own_variables[at:end]
    cross, d = np.empty((q, r)), np.empty((r, r))
    for i in range(r):
        for a in range(q):
            cross[a, i] = between[plan.split[a], plan.between[variables[i]]]
        for j in range(r):
            d[i, j] = between[plan.between[variables[i]], plan.between[variables[j]]]
    select(between, plan.split, b)
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
            if i == j:  # 0 for a variable that nobody of the cluster has answered
                root[i, i] = np.sqrt(s) if s > 0.0 else 0.0
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
def _precision(plan, j, inverses, precision):
    """P of a cluster."""
    precision[:] = 0.0
    q = plan.split.size
    for e in range(plan.entry_at[j], plan.entry_at[j + 1]):
        inverse, n = inverses[plan.entry_pattern[e]], plan.entry_count[e]
        for a in range(q):
            for c in range(q):
                precision[a, c] += n * inverse[plan.split_at[a], plan.split_at[c]]


@compiled
def _deviations(plan, e, mean, deviation):
    """Means of a cluster's respondents of a pattern less mu, 0 where nothing is observed."""
    deviation[:] = 0.0
    index, at = plan.entry_pattern[e], plan.entry_mean_at[e]
    first = plan.pattern_at[index]
    for a in range(plan.pattern_width[index]):
        v = plan.pattern_variables[first + a]
        deviation[v] = plan.numbers[at + a] - mean[v]


@compiled
def _forces(plan, j, mean, inverses, deviation, b):
    """B of a cluster: sum n A (ybar - mu), of the split variables."""
    b[:] = 0.0
    for e in range(plan.entry_at[j], plan.entry_at[j + 1]):
        _deviations(plan, e, mean, deviation)
        inverse, n = inverses[plan.entry_pattern[e]], plan.entry_count[e]
        for a in range(b.size):
            s = 0.0
            for v in range(deviation.size):
                s += inverse[plan.split_at[a], v] * deviation[v]
            b[a] += n * s


@compiled
def _pull_forces(plan, j, mean, inverses, deviation, u, d_type, d_inverses, d_mean):
    """Adjoint of `_forces` and `_precision` at the posterior mean u of a cluster's effects.

    d_type : the derivative by P.
    """
    for e in range(plan.entry_at[j], plan.entry_at[j + 1]):
        _deviations(plan, e, mean, deviation)
        index, n = plan.entry_pattern[e], plan.entry_count[e]
        inverse, target = inverses[index], d_inverses[index]
        for a in range(u.size):
            row = plan.split_at[a]
            for v in range(deviation.size):
                target[row, v] += n * u[a] * deviation[v]
                d_mean[v] -= n * inverse[v, row] * u[a]
            for c in range(u.size):
                target[row, plan.split_at[c]] += n * d_type[a, c]


@compiled
def _own_differences(plan, j, between_mean, dz):
    """Values of a cluster's observed own variables less their means."""
    own = plan.cluster_own[j]
    at = plan.own_at[own]
    for i in range(plan.own_at[own + 1] - at):
        variable = plan.between[plan.own_variables[at + i]]
        dz[i] = plan.numbers[plan.cluster_value_at[j] + i] - between_mean[variable]


@compiled
def _cluster(k, d_inverse, dz, precision, t, b, weighted, u, s):
    """What one cluster adds, without determinants; fills in D^-1 dz, E[u | y] and d/dc."""
    q, r = b.size, dz.size
    value = 0.0
    for i in range(r):
        x = 0.0
        for l in range(r):
            x += d_inverse[i, l] * dz[l]
        weighted[i] = x
        value -= 0.5 * x * dz[i]
    c, h = np.zeros(q), b.copy()
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
    q, r = plan.split.size, end - at
    for a in range(q):
        for c in range(q):
            d_between[plan.split[a], plan.split[c]] += d_b[a, c]
    for i in range(r):
        vi = plan.between[plan.own_variables[at + i]]
        for a in range(q):
            x = d_c[a, i]
            for c in range(q):
                x -= 2.0 * d_b[a, c] * k[c, i]
            d_between[plan.split[a], vi] += 0.5 * x
            d_between[vi, plan.split[a]] += 0.5 * x
        for l in range(r):
            x = d_d[i, l]
            for a in range(q):
                for c in range(q):
                    x += k[a, i] * d_b[a, c] * k[c, l]
            d_between[vi, plan.between[plan.own_variables[at + l]]] += x


@compiled
def _clusters(
    plan, group, mean, between, between_mean, inverses, d_inverses, d_mean, d_between,
    d_between_mean, by_cluster,
):  # fmt: skip
    """What the effects of a group's clusters add to the log-likelihood, and to the gradient."""
    q, y = plan.split.size, plan.within.size
    precision, b, t, less = (
        np.empty((q, q)),
        np.empty((q, q)),
        np.empty((q, q)),
        np.empty((q, q)),
    )
    d_type, d_b = np.empty((q, q)), np.zeros((q, q))
    force, u, s, deviation = np.empty(q), np.empty(q), np.empty(q), np.empty(y)
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
            _precision(plan, j, inverses, precision)
            logdet = _type(precision, b, t, less)
            if np.isnan(logdet):
                return -np.inf
        _own_differences(plan, j, between_mean, dz)
        _forces(plan, j, mean, inverses, deviation, force)
        more = _cluster(k, d_inverse, dz, precision, t, force, weighted, u, s)
        more -= 0.5 * (logdet + own_logdet + dz.size * LOG_2PI)
        value += more
        if by_cluster.size:
            by_cluster[plan.cluster_place[j]] += more
        for a in range(q):
            for c in range(q):
                d_type[a, c] = -0.5 * (u[a] * u[c] + t[a, c])
                d_b[a, c] += 0.5 * (s[a] * s[c] - less[a, c])
        _pull_forces(plan, j, mean, inverses, deviation, u, d_type, d_inverses, d_mean)
        _pull_own(plan, own, k, d_inverse, weighted, s, d_c, d_d, d_between_mean)
    if own >= 0:
        _pull_given_own(plan, own, k, d_inverse, d_b, d_c, d_d, d_between)
    return value


@compiled
def _pull_own(plan, own, k, d_inverse, weighted, s, d_c, d_d, d_between_mean):
    """Add a cluster's derivatives by C and D (not through B) and by the own variables' means."""
    q, r = s.size, weighted.size
    at = plan.own_at[own]
    for i in range(r):
        ks = 0.0
        for a in range(q):
            ks += k[a, i] * s[a]
            d_c[a, i] += s[a] * weighted[i]
        d_between_mean[plan.between[plan.own_variables[at + i]]] += weighted[i] - ks
        for l in range(r):
            d_d[i, l] += 0.5 * (weighted[i] * weighted[l] - d_inverse[i, l])
            d_d[i, l] -= 0.5 * ks * weighted[l]
            d_d[l, i] -= 0.5 * ks * weighted[l]


@compiled
def _level_group(plan, group, elements, gradient, by_cluster):
    """Log-likelihood of one group; adds to the gradient by the matrices of its two blocks."""
    p, y = plan.sizes[0], plan.within.size
    inner = _block(plan, elements, 2 * group)
    outer = _block(plan, elements, 2 * group + 1)
    if not (inner[0] and outer[0]):
        return -np.inf
    within, mean = np.empty((y, y)), np.empty(y)
    select(inner[5], plan.within, within)
    for a in range(y):
        mean[a] = inner[6][plan.within[a]] + outer[6][plan.within[a]]
    inverses, d_inverses = np.zeros((plan.sizes[3], y, y)), np.zeros((plan.sizes[3], y, y))
    d_within, d_mean = np.zeros((y, y)), np.zeros(y)
    d_between, d_between_mean = np.zeros((p, p)), np.zeros(p)
    value = _patterns(plan, group, within, mean, inverses, d_within, d_mean, by_cluster)
    if value == -np.inf:
        return value
    value += _clusters(
        plan, group, mean, outer[5], outer[6], inverses, d_inverses, d_mean, d_between,
        d_between_mean, by_cluster,
    )  # fmt: skip
    if not value > -np.inf:
        return -np.inf
    for index in range(plan.sizes[3]):  # A = W^-1: dW = -A dA A
        if plan.pattern_group[index] == group:
            change = 0.5 * (d_inverses[index] + d_inverses[index].T)
            d_within -= np.dot(np.dot(inverses[index], change), inverses[index])
    d_covariance, d_inner_mean = np.zeros((p, p)), np.zeros(p)
    for a in range(y):
        d_inner_mean[plan.within[a]] = d_mean[a]
        d_between_mean[plan.within[a]] += d_mean[a]
        for c in range(y):
            d_covariance[plan.within[a], plan.within[c]] = d_within[a, c]
    _pull_block(plan, elements, gradient, 2 * group, inner, d_covariance, d_inner_mean)
    _pull_block(plan, elements, gradient, 2 * group + 1, outer, d_between, d_between_mean)
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
