"""What Laplace's approximation is off by, as far as it is known: a tilt, and tails.

The tilt is the slope of its error near the maximum, over which elements e of the model matrices
differ by s = sum slope_e (e - centre_e); it ends at a bound, so that no tail of a prior is undone:

    bound tanh(s / bound).

With loadings so high that a category holds a respondent's latent variables in an interval, the
integrand is flat between two walls, and a normal curve about its middle holds more than it does:
the approximation ends in a shelf, or rises, where the likelihood falls. The tails take that out
again: with q_j the variance of the predictor of answer j over that of its residual,

    - sum_j rate_j max(0, c_j - from_j)^3,   c_j = asinh sqrt(q_j),

whose tanh is the standardised loading of an answer with one latent variable. Numbers from and rate
are the plan's (posterior/laplace_tails.py chooses them). Both change only what is sampled: weights
are exact over approximate likelihood, tilt, tails and all.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.laplace_model import covariance_of, equations, items_of
from bayessem.likelihood.laplace_plan import GROUP, TAIL, TERM
from bayessem.likelihood.node_plan import NORMAL


@compiled
def _total_effects(paths, out):
    """Inverse of paths (unit lower triangular: causes come before effects)."""
    k = paths.shape[0]
    for c in range(k):
        for a in range(k):
            s = 1.0 if a == c else 0.0
            for b in range(a):
                s -= paths[a, b] * out[b, c]
            out[a, c] = s


@compiled
def _variance(items, j, latent):
    """Variance of an answer's predictor over that of its residual; 0 where it depends on data."""
    at, end = items.what[j, 4], items.what[j, 5]
    q = 0.0
    if items.what[j, 0] != NORMAL:
        for d in range(at, end):
            for e in range(at, end):
                own = latent[items.scope[d], items.scope[e]]
                q += items.loading[d] * items.loading[e] * own
    return q / items.spread[j, 0]


@compiled
def _hand_on(plan, g, total, latent, by_latent, gradient):
    """Adds the derivatives by paths and by covariances of disturbances.

    total : effects on latent variables of their disturbances, A; by_latent : derivatives S by their
    covariances C = A Psi A'.
    """
    k = total.shape[0]
    pulled = np.dot(by_latent, total)
    by_path = np.dot(latent, pulled)
    first = plan.group[GROUP * g + 5]
    for t in range(first, first + plan.group[GROUP * g + 4]):
        source, column = plan.term[TERM * t + 1], plan.term[TERM * t + 2]
        if source >= 0 and column < 0:
            gradient[plan.term[TERM * t]] += 2.0 * by_path[source, plan.term[TERM * t + 3]]
    by_variance = np.dot(total.T, pulled)
    at = plan.group[GROUP * g + 3]
    for a in range(k):
        for b in range(k):
            e = plan.variance[at + k * a + b]
            if e >= 0:
                gradient[e] += by_variance[a, b]


@compiled
def add_tails(plan, g, elements, items, paths, pulls, gradient):
    """The tails of a group; adds derivatives to the pulls of items, and to gradient.

    items, paths : without what depends on data.
    """
    first, k = plan.group[GROUP * g + 8], paths.shape[0]
    own = plan.tail[TAIL * first : TAIL * (first + len(items.what))].reshape(-1, TAIL)
    if not np.any(own[:, 1] > 0.0):
        return 0.0
    d_loading, _, d_spread = pulls
    covariance, total = np.empty((k, k)), np.empty((k, k))
    covariance_of(plan, g, elements, covariance)
    _total_effects(paths, total)
    latent = np.dot(np.dot(total, covariance), total.T)
    by_latent, moved = np.zeros((k, k)), np.empty(k)
    value = 0.0
    for j in range(len(items.what)):
        if not own[j, 1] > 0.0:
            continue
        q = _variance(items, j, latent)
        beyond = np.arcsinh(np.sqrt(q)) - own[j, 0]
        if not beyond > 0.0:
            continue
        value -= own[j, 1] * beyond * beyond * beyond
        slope = -1.5 * own[j, 1] * beyond * beyond / np.sqrt(q * (1.0 + q)) / items.spread[j, 0]
        d_spread[j] -= slope * q
        moved[:] = 0.0
        for d in range(items.what[j, 4], items.what[j, 5]):
            moved[items.scope[d]] += items.loading[d]
        for d in range(items.what[j, 4], items.what[j, 5]):
            a = items.scope[d]
            for b in range(k):
                d_loading[d] += 2.0 * slope * latent[a, b] * moved[b]
                by_latent[a, b] += slope * items.loading[d] * moved[b]
    _hand_on(plan, g, total, latent, by_latent, gradient)
    return value


@compiled
def add_tilt(plan, elements, gradient):
    """The tilt; adds its derivatives to gradient."""
    if plan.tilt.size == 0:
        return 0.0
    size, bound = elements.size, plan.tilt[0]
    slope, centre = plan.tilt[1 : 1 + size], plan.tilt[1 + size :]
    part = np.tanh(np.dot(slope, elements - centre) / bound)
    gradient += (1.0 - part * part) * slope
    return bound * part


@compiled
def predictors_laplace(plan, elements, out):
    """c_j of all answers, group after group, into out; 0 of those that have none."""
    at = 0
    for g in range(plan.sizes[0]):
        k, count = plan.group[GROUP * g], plan.group[GROUP * g + 7]
        paths, total, covariance = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
        equations(plan, g, elements, np.empty(0), False, paths, np.empty(k))
        covariance_of(plan, g, elements, covariance)
        _total_effects(paths, total)
        latent = np.dot(np.dot(total, covariance), total.T)
        items = items_of(plan, g, elements)
        for j in range(count):
            out[at + j] = np.arcsinh(np.sqrt(_variance(items, j, latent)))
        at += count
    return 0.0
