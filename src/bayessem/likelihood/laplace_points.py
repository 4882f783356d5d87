"""A respondent's exact likelihood by importance sampling, where Laplace's approximation has been.

The points are normal about the first-order posterior mean, mode + r (laplace_kernel.py), with the
curvature there: where a respondent has answered at the end of the scale, likelihoods are flat to
one side, and a normal at the mode is too narrow. Each respondent has points of their own, since
errors of common ones would add up over respondents, and has the same ones at all parameters, so
that errors hardly differ from draw to draw.
"""

import math

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.family_normal import normal_slopes
from bayessem.likelihood.family_ordered import SLOPES, interval_probability
from bayessem.likelihood.laplace_kernel import adjoint, inverse_of
from bayessem.likelihood.laplace_mode import SMALL, answers, back, curvature, find_mode, limits
from bayessem.likelihood.laplace_model import (
    covariance_of,
    equations,
    good,
    group_data,
    items_of,
    precision_of,
    with_row,
)
from bayessem.likelihood.laplace_plan import GROUP
from bayessem.likelihood.laplace_tails import add_tails, add_tilt
from bayessem.likelihood.node_plan import NORMAL


@compiled
def _log_probability(items, elements, x, f):
    """Log-likelihood of a respondent's answers at f."""
    value, product = 0.0, 1.0
    for j in range(len(items.what)):
        y = x[items.what[j, 6]]
        if np.isnan(y):
            continue
        eta = items.constant[j]
        for d in range(items.what[j, 4], items.what[j, 5]):
            eta += items.loading[d] * f[items.scope[d]]
        if items.what[j, 0] == NORMAL:
            log_p, _, _ = normal_slopes(y, eta, items.spread[j, 0])
            value += log_p
            continue
        lower, upper = limits(items, j, elements, np.int64(y), eta)
        product *= interval_probability(items.what[j, 1], lower, upper)
        if product < SMALL:
            if not product > 0.0:
                return -np.inf
            value += math.log(product)
            product = 1.0
    return value + math.log(product)


@compiled
def _log_mean(items, elements, x, points, centre, mean, precision, root):
    """Log of the mean over the points of the joint density over that of the points.

    Without what depends on neither point nor answers: log|W| / 2 and the log of the points' scale.
    """
    k = centre.size
    z, logs = np.empty(k), np.empty(len(points))
    for s in range(len(points)):
        value = 0.0
        for a in range(k):
            z[a] = points[s, a]
            value += 0.5 * z[a] * z[a]
        back(root, z)
        for a in range(k):
            z[a] += centre[a]
        value += _log_probability(items, elements, x, z)
        for a in range(k):
            t = 0.0
            for b in range(k):
                t += precision[a, b] * (z[b] - mean[b])
            value -= 0.5 * t * (z[a] - mean[a])
        logs[s] = value
    top = logs.max()
    if not np.isfinite(top):
        return -np.inf
    total = 0.0
    for s in range(len(points)):
        total += np.exp(logs[s] - top)
    return top + np.log(total / len(points))


@compiled
def _group(plan, g, elements, only_modes, at, out):
    """Log p(y_i) of a group's respondents, Laplace's where there are no points.

    only_modes : put their modes into out instead, from place `at` on. False out of the domain.
    """
    k = plan.group[GROUP * g]
    data, start, points = group_data(plan, g)
    weight, paths, precision = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    root, low, inverse = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    covariance_of(plan, g, elements, root)
    logdet = spd_inverse(root, weight)
    items = items_of(plan, g, elements)
    if np.isnan(logdet) or not good(items):
        return False
    mean, f, r, push = np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    slopes, gamma = np.zeros((len(items.what), SLOPES)), np.empty(len(items.what))
    share = 0.0  # of tilt and tails, in the value of a respondent
    if points.shape[1] == 0 and not only_modes:
        equations(plan, g, elements, mean, False, paths, mean)
        pulls = (np.zeros(plan.scope.size), np.zeros(gamma.size), np.zeros(gamma.size))
        unused = np.zeros(elements.size)
        share = add_tails(plan, g, elements, items, paths, pulls, unused) / len(data)
        share += add_tilt(plan, elements, unused) / plan.sizes[1]
    for i in range(len(data)):
        x = data[i]
        equations(plan, g, elements, x, True, paths, mean)
        precision_of(paths, weight, precision)
        with_row(plan, g, elements, x, items)
        f[:] = start[i]
        value = find_mode(items, elements, x, mean, precision, f, slopes, root)
        if only_modes:
            out[at + i * k : at + (i + 1) * k] = f
            continue
        if points.shape[1] > 0 and np.isfinite(value):
            inverse_of(root, low, inverse)
            adjoint(items, slopes, root, inverse, gamma, r)
            for a in range(k):
                f[a] += r[a]
            answers(items, elements, x, f, slopes)
            curvature(items, precision, slopes, push, root)
            value = _log_mean(items, elements, x, points[i], f, mean, precision, root)
        for a in range(k):
            value -= np.log(root[a, a])
        out[plan.member[plan.group[GROUP * g + 2] + i]] = value + share - 0.5 * logdet
    return True


@compiled
def respondents_laplace(plan, elements, out):
    """Log p(y_i) of all respondents in the order of the sample; returns their sum."""
    for g in range(plan.sizes[0]):
        if not _group(plan, g, elements, False, 0, out):
            out[:] = -np.inf
    return out.sum()


@compiled
def modes_laplace(plan, elements, out):
    """Each respondent's mode, group after group, latents in the plan's order, into out.

    Returns 1, or 0 out of the domain.
    """
    at = 0
    for g in range(plan.sizes[0]):
        if not _group(plan, g, elements, True, at, out):
            return 0.0
        at += plan.group[GROUP * g] * plan.group[GROUP * g + 1]
    return 1.0
