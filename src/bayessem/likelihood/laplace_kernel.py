"""Laplace's approximation of a respondent's likelihood, with its exact gradient.

With answers y and latent variables f, e = M f - a (M = I - B) normal with covariance Psi, W its
inverse, and eta_j = c_j + lam_j' f the predictor of answer j,

    log p(y) = sum_j l_j(eta_j) - e' W e / 2 + log|W| / 2 - log|H| / 2   at the mode f,
    H = P + sum_j -l_j'' lam_j lam_j',   P = M' W M.

The mode moves with the parameters, and H with both. With G = H^-1, gamma_j = lam_j' G lam_j,
s = sum_j l_j''' gamma_j lam_j / 2, r = G s and rho_j = lam_j' r, the total derivative is the
partial one, f, r and G held fixed, of

    sum_j (l_j + rho_j l_j' + gamma_j l_j'' / 2) + log|W| / 2 - tr(W S) / 2,
    S = e e' + M r e' + e r' M' + M G M'.

Where all answers are normal, it is the likelihood itself.

Tierney, L., & Kadane, J. B. (1986). Accurate approximations for posterior moments and marginal
densities. Journal of the American Statistical Association, 81, 82-86. Skaug, H. J., & Fournier,
D. A. (2006). Automatic approximation of the marginal likelihood in non-Gaussian hierarchical
models. Computational Statistics & Data Analysis, 51, 699-709.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.family_normal import pull_normal
from bayessem.likelihood.family_ordered import SLOPES, pull_ordered
from bayessem.likelihood.laplace_mode import find_mode, limits, solve
from bayessem.likelihood.laplace_model import (
    covariance_of,
    equations,
    good,
    group_data,
    items_of,
    precision_of,
    with_data,
    with_row,
)
from bayessem.likelihood.laplace_plan import GROUP, ITEM, TERM
from bayessem.likelihood.laplace_tails import add_tails, add_tilt
from bayessem.likelihood.node_plan import NORMAL


@compiled
def inverse_of(root, low, out):
    """H^-1 from its Cholesky factor; low is scratch."""
    k = root.shape[0]
    for c in range(k):
        for a in range(c, k):
            s = 1.0 if a == c else 0.0
            for b in range(c, a):
                s -= root[a, b] * low[b, c]
            low[a, c] = s / root[a, a]
    for a in range(k):
        for b in range(a + 1):
            s = 0.0
            for c in range(a, k):
                s += low[c, a] * low[c, b]
            out[a, b] = s
            out[b, a] = s


@compiled
def adjoint(items, slopes, root, inverse, gamma, r):
    """Gamma by item and r of a respondent, see above, from the slopes at the mode."""
    s = np.zeros(r.size)
    for j in range(len(items.what)):
        at, end = items.what[j, 4], items.what[j, 5]
        q = 0.0
        for d in range(at, end):
            for e in range(at, end):
                q += items.loading[d] * items.loading[e] * inverse[items.scope[d], items.scope[e]]
        gamma[j] = q
        half = 0.5 * q * slopes[j, 2]
        for d in range(at, end):
            s[items.scope[d]] += half * items.loading[d]
    solve(root, s, r)


@compiled
def pull_parameters(items, j, elements, x, slopes, eta, rho, gamma, d_spread, gradient):
    """Adds the derivatives by an answer's own parameters, thresholds to gradient."""
    if items.what[j, 0] == NORMAL:
        d_spread[j] += pull_normal(slopes[j, 0], items.spread[j, 0], rho, gamma)
        return
    scale, first = items.spread[j, 1], items.what[j, 2]
    category = np.int64(x[items.what[j, 6]])
    low, high = pull_ordered(slopes[j], scale, rho, gamma)
    lower, upper = limits(items, j, elements, category, eta)
    d_scale = -rho * slopes[j, 0] - gamma * slopes[j, 1]
    if category > 0:
        gradient[first + category - 1] += low / scale
        d_scale -= low * lower
    if category < items.what[j, 3]:
        gradient[first + category] += high / scale
        d_scale -= high * upper
    d_spread[j] += 0.5 * d_scale / items.spread[j, 0]


@compiled
def _pull_answers(items, elements, x, f, r, gamma, inverse, slopes, pulls, gradient):
    """Adds the derivatives by loadings, constants and variances to pulls, thresholds to gradient.

    pulls : those by `Items.loading`, by `Items.constant`, by variance.
    """
    d_loading, d_constant, d_spread = pulls
    for j in range(len(items.what)):
        if np.isnan(x[items.what[j, 6]]):
            continue
        at, end = items.what[j, 4], items.what[j, 5]
        rho, eta = 0.0, items.constant[j]
        for d in range(at, end):
            rho += items.loading[d] * r[items.scope[d]]
            eta += items.loading[d] * f[items.scope[d]]
        pull_parameters(items, j, elements, x, slopes, eta, rho, gamma[j], d_spread, gradient)
        d_eta = slopes[j, 0] + rho * slopes[j, 1] + 0.5 * gamma[j] * slopes[j, 2]
        d_constant[j] += d_eta
        for d in range(at, end):
            a, pulled = items.scope[d], 0.0
            for e in range(at, end):
                pulled += inverse[a, items.scope[e]] * items.loading[e]
            d_loading[d] += f[a] * d_eta + r[a] * slopes[j, 0] + slopes[j, 1] * pulled


@compiled
def to_terms(plan, g, depends, x, items, pulls, gradient):
    """Hand the derivatives by items that depend on data (or not) on to the elements."""
    d_loading, d_constant, d_spread = pulls
    first = plan.group[GROUP * g + 8]
    for j in range(len(items.what)):
        own = plan.item[ITEM * (first + j) : ITEM * (first + j + 1)]
        if (own[9] < 0) != depends or (depends and np.isnan(x[items.what[j, 6]])):
            continue
        for t in range(own[6], own[6] + own[5]):
            source, column = plan.term[TERM * t + 1], plan.term[TERM * t + 2]
            d = d_constant[j] if source < 0 else d_loading[own[7] + source]
            gradient[plan.term[TERM * t]] += d * (x[column] if column >= 0 else 1.0)
        gradient[own[4]] += d_spread[j]
        d_constant[j], d_spread[j] = 0.0, 0.0
        d_loading[own[7] : own[7] + own[8]] = 0.0


@compiled
def pull_equations(plan, g, x, which, paths, weight, moments, gradient):
    """Adds the derivatives by the terms of the equations.

    which : 0 those without data, 1 those with data (of a respondent's row x), 2 both.
    moments : sum of C = d d' + r d' + d r' + G, d = f - mean; of (d + r) mean'; of d + r.
    """
    moment, shifted, moved = moments
    by_mean = np.dot(weight, np.dot(paths, moved))
    by_path = np.dot(weight, np.dot(paths, moment + shifted))
    first = plan.group[GROUP * g + 5]
    for t in range(first, first + plan.group[GROUP * g + 4]):
        source, column = plan.term[TERM * t + 1], plan.term[TERM * t + 2]
        target = plan.term[TERM * t + 3]
        if which == 2 or (column >= 0) == (which == 1):
            own = by_mean[target] if source < 0 else by_path[target, source]
            gradient[plan.term[TERM * t]] += own * (x[column] if column >= 0 else 1.0)


@compiled
def pull_covariance(plan, g, weight, total, count, gradient):
    """Adds the derivatives by the covariances of disturbances; total : sum of S."""
    k = weight.shape[0]
    half = np.dot(np.dot(weight, total), weight) - count * weight
    at = plan.group[GROUP * g + 3]
    for a in range(k):
        for b in range(k):
            e = plan.variance[at + k * a + b]
            if e >= 0:
                gradient[e] += 0.5 * half[a, b]


@compiled
def _respondent_moment(d, r, inverse, moment, moved):
    """C and d + r of a respondent; see `pull_equations`."""
    for a in range(d.size):
        moved[a] = d[a] + r[a]
        for b in range(d.size):
            moment[a, b] = d[a] * d[b] + r[a] * d[b] + d[a] * r[b] + inverse[a, b]


@compiled
def add_up(moment, moved, mean, all_moment, shifted, all_moved):
    """Adds a respondent's moments to the sums that `pull_equations` takes."""
    for a in range(moved.size):
        all_moved[a] += moved[a]
        for b in range(moved.size):
            all_moment[a, b] += moment[a, b]
            shifted[a, b] += moved[a] * mean[b]


@compiled
def _group(plan, g, elements, gradient):
    """Laplace's log-likelihood of a group; adds the derivatives to gradient."""
    k = plan.group[GROUP * g]
    data, start, _ = group_data(plan, g)
    n, depends, varying = len(data), with_data(plan, g), plan.group[GROUP * g + 6] > 0
    weight, paths, precision = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    root, low, inverse = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    covariance_of(plan, g, elements, root)
    logdet = spd_inverse(root, weight)
    items = items_of(plan, g, elements)
    if np.isnan(logdet) or not good(items):
        return -np.inf
    mean, f, d, r, moved = np.empty(k), np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    moment, total = np.empty((k, k)), np.zeros((k, k))
    all_moment, shifted, all_moved = np.zeros((k, k)), np.zeros((k, k)), np.zeros(k)
    slopes, gamma = np.zeros((len(items.what), SLOPES)), np.empty(len(items.what))
    pulls = (np.zeros(plan.scope.size), np.zeros(gamma.size), np.zeros(gamma.size))
    nothing = np.empty(0)
    equations(plan, g, elements, nothing, False, paths, mean)
    precision_of(paths, weight, precision)
    value = add_tails(plan, g, elements, items, paths, pulls, gradient) - 0.5 * n * logdet
    for i in range(n):
        x = data[i]
        if depends:
            equations(plan, g, elements, x, True, paths, mean)
            if varying:
                precision_of(paths, weight, precision)
        with_row(plan, g, elements, x, items)
        f[:] = start[i]
        value += find_mode(items, elements, x, mean, precision, f, slopes, root)
        if not np.isfinite(value):
            return -np.inf
        for a in range(k):
            value -= np.log(root[a, a])
            d[a] = f[a] - mean[a]
        inverse_of(root, low, inverse)
        adjoint(items, slopes, root, inverse, gamma, r)
        _pull_answers(items, elements, x, f, r, gamma, inverse, slopes, pulls, gradient)
        to_terms(plan, g, True, x, items, pulls, gradient)
        _respondent_moment(d, r, inverse, moment, moved)
        if depends:
            own = (moment, np.outer(moved, mean), moved)
            pull_equations(plan, g, x, 2 if varying else 1, paths, weight, own, gradient)
        if varying:
            total += np.dot(np.dot(paths, moment), paths.T)
        else:
            add_up(moment, moved, mean, all_moment, shifted, all_moved)
    to_terms(plan, g, False, nothing, items, pulls, gradient)
    if not varying:
        own = (all_moment, shifted, all_moved)
        pull_equations(plan, g, nothing, 0, paths, weight, own, gradient)
        total = np.dot(np.dot(paths, all_moment), paths.T)
    pull_covariance(plan, g, weight, total, n, gradient)
    return value


@compiled
def evaluate_laplace(plan, elements, gradient):
    """Laplace's log-likelihood of all respondents; its derivatives by elements into gradient."""
    gradient[:] = 0.0
    value = add_tilt(plan, elements, gradient)
    for g in range(plan.sizes[0]):
        value += _group(plan, g, elements, gradient)
    return value
