"""The density of answers and scores together, with its derivatives by both parameters and scores.

With scores f of a respondent, e = (I - B) f - a normal with covariance Psi, and eta_j the
predictor of answer j (laplace_kernel.py), whose plan and equations these are,

    log p(y, f) = sum_j l_j(eta_j) - e' W e / 2 + log|W| / 2 - K log(2 pi) / 2,   W = Psi^-1.

Nothing is approximated and nothing integrated out: a sampler moves the scores, too
(posterior/scores.py says in which coordinates).
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.family_normal import LOG_SQRT_2PI
from bayessem.likelihood.family_ordered import SLOPES
from bayessem.likelihood.laplace_kernel import (
    add_up,
    adjoint,
    inverse_of,
    pull_covariance,
    pull_equations,
    pull_parameters,
    to_terms,
)
from bayessem.likelihood.laplace_mode import answers, back, curvature, find_mode
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
from bayessem.likelihood.laplace_plan import GROUP


@compiled
def _pull_answers(items, elements, x, f, slopes, pulls, gradient, push):
    """Adds the derivatives by loadings, constants and variances to pulls, thresholds to gradient.

    Those by the scores to push.
    """
    d_loading, d_constant, d_spread = pulls
    for j in range(len(items.what)):
        if np.isnan(x[items.what[j, 6]]):
            continue
        at, end, one = items.what[j, 4], items.what[j, 5], slopes[j, 0]
        eta = items.constant[j]
        for d in range(at, end):
            a = items.scope[d]
            eta += items.loading[d] * f[a]
            d_loading[d] += one * f[a]
            push[a] += one * items.loading[d]
        d_constant[j] += one
        pull_parameters(items, j, elements, x, slopes, eta, 0.0, 0.0, d_spread, gradient)


@compiled
def _respondent(precision, mean, f, moment, d, push):
    """-e' W e / 2 of a respondent; its derivatives by the scores into push, d d' into moment."""
    value = 0.0
    for a in range(f.size):
        d[a] = f[a] - mean[a]
    for a in range(f.size):
        s = 0.0
        for b in range(f.size):
            s += precision[a, b] * d[b]
            moment[a, b] = d[a] * d[b]
        push[a] = -s
        value -= 0.5 * s * d[a]
    return value


@compiled
def _group(plan, g, elements, scores, gradient, d_scores):
    """Log p(y, f) of a group; adds the derivatives to gradient, those by scores into d_scores.

    scores, d_scores : (respondent, K).
    """
    k = plan.group[GROUP * g]
    data, _, _ = group_data(plan, g)
    n, depends, varying = len(data), with_data(plan, g), plan.group[GROUP * g + 6] > 0
    weight, paths, precision = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    moment, total = np.empty((k, k)), np.zeros((k, k))
    covariance_of(plan, g, elements, moment)
    logdet = spd_inverse(moment, weight)
    items = items_of(plan, g, elements)
    if np.isnan(logdet) or not good(items):
        return -np.inf
    mean, d = np.empty(k), np.empty(k)
    all_moment, shifted, all_moved = np.zeros((k, k)), np.zeros((k, k)), np.zeros(k)
    count = len(items.what)
    slopes = np.zeros((count, SLOPES))
    pulls = (np.zeros(plan.scope.size), np.zeros(count), np.zeros(count))
    nothing = np.empty(0)
    equations(plan, g, elements, nothing, False, paths, mean)
    precision_of(paths, weight, precision)
    value = -n * (0.5 * logdet + k * LOG_SQRT_2PI)
    for i in range(n):
        x, f, push = data[i], scores[i], d_scores[i]
        if depends:
            equations(plan, g, elements, x, True, paths, mean)
            if varying:
                precision_of(paths, weight, precision)
        with_row(plan, g, elements, x, items)
        value += _respondent(precision, mean, f, moment, d, push)
        value += answers(items, elements, x, f, slopes)
        if not np.isfinite(value):
            return -np.inf
        _pull_answers(items, elements, x, f, slopes, pulls, gradient, push)
        to_terms(plan, g, True, x, items, pulls, gradient)
        if depends:
            own = (moment, np.outer(d, mean), d)
            pull_equations(plan, g, x, 2 if varying else 1, paths, weight, own, gradient)
        if varying:
            total += np.dot(np.dot(paths, moment), paths.T)
        else:
            add_up(moment, d, mean, all_moment, shifted, all_moved)
    to_terms(plan, g, False, nothing, items, pulls, gradient)
    if not varying:
        own = (all_moment, shifted, all_moved)
        pull_equations(plan, g, nothing, 0, paths, weight, own, gradient)
        total = np.dot(np.dot(paths, all_moment), paths.T)
    pull_covariance(plan, g, weight, total, n, gradient)
    return value


@compiled
def evaluate_scores(plan, elements, scores, gradient, d_scores):
    """Log p(y, f) of all respondents; its derivatives by elements into gradient, by scores.

    scores, d_scores : group after group, respondents, latent variables in the plan's order.
    """
    gradient[:] = 0.0
    value, at = 0.0, 0
    for g in range(plan.sizes[0]):
        k, n = plan.group[GROUP * g], plan.group[GROUP * g + 1]
        own = scores[at : at + n * k].reshape(n, k)
        value += _group(plan, g, elements, own, gradient, d_scores[at : at + n * k].reshape(n, k))
        at += n * k
    return value


@compiled
def _group_centres(plan, g, elements, centres, roots):
    """Centres (respondent, K) of a group's scores given the answers, and roots (respondent, K, K).

    False out of the domain.
    """
    k = plan.group[GROUP * g]
    data, start, _ = group_data(plan, g)
    weight, paths, precision = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    root, low, inverse = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    covariance_of(plan, g, elements, root)
    logdet = spd_inverse(root, weight)
    items = items_of(plan, g, elements)
    if np.isnan(logdet) or not good(items):
        return False
    mean, r, push, column = np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    slopes, gamma = np.zeros((len(items.what), SLOPES)), np.empty(len(items.what))
    for i in range(len(data)):
        x, f = data[i], centres[i]
        equations(plan, g, elements, x, True, paths, mean)
        precision_of(paths, weight, precision)
        with_row(plan, g, elements, x, items)
        f[:] = start[i]
        find_mode(items, elements, x, mean, precision, f, slopes, root)
        inverse_of(root, low, inverse)
        adjoint(items, slopes, root, inverse, gamma, r)
        f += r
        answers(items, elements, x, f, slopes)
        curvature(items, precision, slopes, push, root)
        for b in range(k):
            column[:] = 0.0
            column[b] = 1.0
            back(root, column)
            roots[i, :, b] = column
    return True


@compiled
def centres_of(plan, elements, centres, roots):
    """Where scores lie given the answers, and how far they spread; 1, or 0 out of the domain.

    centres : mode and what its first-order correction to the mean adds, laid out as scores are.
    roots : S by respondent, S S' the inverse of the curvature there.
    """
    at, by = 0, 0
    for g in range(plan.sizes[0]):
        k, n = plan.group[GROUP * g], plan.group[GROUP * g + 1]
        own = centres[at : at + n * k].reshape(n, k)
        if not _group_centres(plan, g, elements, own, roots[by : by + n * k * k].reshape(n, k, k)):
            return 0.0
        at, by = at + n * k, by + n * k * k
    return 1.0
