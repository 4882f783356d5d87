"""The mode of a respondent's latent variables given the answers, and the curvature there.

The search keeps nothing from call to call: Newton's steps with Chebyshev's correction, halved where
they go down; the integrand is log-concave.
"""

import math

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.family_normal import normal_slopes
from bayessem.likelihood.family_ordered import ordered_slopes
from bayessem.likelihood.node_plan import NORMAL

# Length of a Newton step (in posterior standard deviations) after which the mode is found; steps
# and halvings at most.
FOUND, STEPS, HALVINGS = 1e-7, 60, 30
SMALL = 1e-250


@compiled
def limits(items, j, elements, category, eta):
    """Standardised thresholds below and above a category; infinite at the ends."""
    first, scale = items.what[j, 2], items.spread[j, 1]
    lower, upper = -np.inf, np.inf
    if category > 0:
        lower = (elements[first + category - 1] - eta) / scale
    if category < items.what[j, 3]:
        upper = (elements[first + category] - eta) / scale
    return lower, upper


@compiled
def answers(items, elements, x, f, slopes):
    """Log-likelihood of a respondent's answers at f; slopes (item, SLOPES) of it."""
    value, product = 0.0, 1.0
    for j in range(len(items.what)):
        y = x[items.what[j, 6]]
        if np.isnan(y):
            slopes[j, 0], slopes[j, 1], slopes[j, 2] = 0.0, 0.0, 0.0
            continue
        eta = items.constant[j]
        for d in range(items.what[j, 4], items.what[j, 5]):
            eta += items.loading[d] * f[items.scope[d]]
        if items.what[j, 0] == NORMAL:
            log_p, slopes[j, 0], slopes[j, 1] = normal_slopes(y, eta, items.spread[j, 0])
            slopes[j, 2] = 0.0
            value += log_p
            continue
        lower, upper = limits(items, j, elements, np.int64(y), eta)
        p, one, two, three, a, a1, a2, b, b1, b2 = ordered_slopes(
            items.what[j, 1], lower, upper, items.spread[j, 1]
        )
        slopes[j, 0], slopes[j, 1], slopes[j, 2] = one, two, three
        slopes[j, 3], slopes[j, 4], slopes[j, 5] = a, a1, a2
        slopes[j, 6], slopes[j, 7], slopes[j, 8] = b, b1, b2
        product *= p
        if product < SMALL:
            value += math.log(product) if product > 0.0 else -np.inf
            product = 1.0
    return value + math.log(product)


@compiled
def curvature(items, precision, slopes, push, root):
    """Adds the answers' slopes to push; lower Cholesky factor of H into root."""
    k = push.size
    for a in range(k):
        for b in range(a + 1):
            root[a, b] = precision[a, b]
    for j in range(len(items.what)):
        one, two = slopes[j, 0], slopes[j, 1]
        at = items.what[j, 4]
        for d in range(at, items.what[j, 5]):
            a = items.scope[d]
            push[a] += one * items.loading[d]
            for e in range(at, d + 1):
                b = items.scope[e]
                root[max(a, b), min(a, b)] -= two * items.loading[d] * items.loading[e]
    for a in range(k):
        for b in range(a + 1):
            s = root[a, b]
            for c in range(b):
                s -= root[a, c] * root[b, c]
            root[a, b] = np.sqrt(max(s, SMALL)) if a == b else s / root[b, b]


@compiled
def back(root, v):
    """V becomes L'^-1 v."""
    k = v.size
    for a in range(k - 1, -1, -1):
        s = v[a]
        for b in range(a + 1, k):
            s -= root[b, a] * v[b]
        v[a] = s / root[a, a]


@compiled
def solve(root, v, out):
    """H^-1 v by the Cholesky factor."""
    k = v.size
    for a in range(k):
        s = v[a]
        for b in range(a):
            s -= root[a, b] * out[b]
        out[a] = s / root[a, a]
    back(root, out)


@compiled
def _third(items, slopes, step, push):
    """Half the third derivative of the log-likelihood along step twice, into push."""
    push[:] = 0.0
    for j in range(len(items.what)):
        three = slopes[j, 2]
        if three != 0.0:
            move = 0.0
            for d in range(items.what[j, 4], items.what[j, 5]):
                move += items.loading[d] * step[items.scope[d]]
            for d in range(items.what[j, 4], items.what[j, 5]):
                push[items.scope[d]] += 0.5 * three * move * move * items.loading[d]


@compiled
def find_mode(items, elements, x, mean, precision, f, slopes, root):
    """Move f to the mode of a respondent's latent variables; returns log p(y, f) there.

    Without log|W| / 2 and the constant that Laplace's approximation takes out. slopes, root : of
    that point. mean, precision : of the latent variables before answers.
    """
    k = f.size
    push, step, turn, from_ = np.empty(k), np.zeros(k), np.empty(k), f.copy()
    before, halvings = -np.inf, 0
    for _ in range(STEPS + HALVINGS):
        value = 0.0
        for a in range(k):
            s = 0.0
            for b in range(k):
                s += precision[a, b] * (f[b] - mean[b])
            push[a] = -s
            value -= 0.5 * s * (f[a] - mean[a])
        value += answers(items, elements, x, f, slopes)
        if not value >= before - 1e-9 * (1.0 + abs(before)):  # nan, too
            if halvings == HALVINGS or not np.isfinite(before):
                return value
            halvings += 1
            for a in range(k):
                step[a] *= 0.5
                f[a] = from_[a] + step[a]
            continue
        before = value
        curvature(items, precision, slopes, push, root)
        solve(root, push, step)
        length = 0.0
        for a in range(k):
            length += step[a] * push[a]
            from_[a] = f[a]
        if length < FOUND * FOUND:
            return value + 0.5 * length
        if length < 1.0:
            _third(items, slopes, step, push)
            solve(root, push, turn)
            for a in range(k):
                step[a] += turn[a]
        for a in range(k):
            f[a] += step[a]
    return value
