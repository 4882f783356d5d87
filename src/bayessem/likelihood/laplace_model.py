"""The equations of a packed plan of the Laplace engine at given parameters.

Of the answers, the linear predictors; of the latent variables, paths, means and precision.
"""

from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.laplace_plan import GROUP, ITEM, TERM
from bayessem.likelihood.node_plan import NORMAL

# Numbers an item in `Items.what`.
WHAT = 7


class Items(NamedTuple):
    """The answers of a group at given parameters.

    what (item, WHAT) : kind, link, first threshold, how many, first of `loading`, their end, column
        of the answer.
    spread (item, 2) : residual variance, and its root over that of the standard form.
    scope, loading : by an item's loadings, the latent variable and the value.
    constant (item,) : what else the predictors hold.
    """

    what: np.ndarray
    spread: np.ndarray
    scope: np.ndarray
    loading: np.ndarray
    constant: np.ndarray


@compiled
def items_of(plan, g, elements):
    """The items of a group, with the loadings of those that do not depend on data."""
    first, count = plan.group[GROUP * g + 8], plan.group[GROUP * g + 7]
    what, spread = np.empty((count, WHAT), dtype=np.int64), np.empty((count, 2))
    for j in range(count):
        own = plan.item[ITEM * (first + j) : ITEM * (first + j + 1)]
        variance = elements[own[4]]
        form = np.pi**2 / 3.0 if own[0] != NORMAL and own[1] == 1 else 1.0
        spread[j, 0], spread[j, 1] = variance, np.sqrt(variance / form)
        what[j, 0], what[j, 1], what[j, 2], what[j, 3] = own[0], own[1], own[2], own[3]
        what[j, 4], what[j, 5] = own[7], own[7] + own[8]
        what[j, 6] = own[9] if own[9] >= 0 else -1 - own[9]
    items = Items(what, spread, plan.scope, np.zeros(plan.scope.size), np.zeros(count))
    for j in range(count):
        if plan.item[ITEM * (first + j) + 9] >= 0:
            _coefficients(plan, first + j, j, elements, spread[0], items)
    return items


@compiled
def good(items):
    """Whether the answers' variances are positive."""
    return np.all(items.spread[:, 0] > 0.0)


@compiled
def _coefficients(plan, number, j, elements, x, items):
    """Loadings of an item and what else its predictor holds, given the data of a row."""
    at = items.what[j, 4]
    items.loading[at : items.what[j, 5]] = 0.0
    items.constant[j] = 0.0
    first = plan.item[ITEM * number + 6]
    for t in range(first, first + plan.item[ITEM * number + 5]):
        b, column = elements[plan.term[TERM * t]], plan.term[TERM * t + 2]
        if column >= 0:
            b *= x[column]
        if plan.term[TERM * t + 1] < 0:
            items.constant[j] += b
        else:
            items.loading[at + plan.term[TERM * t + 1]] += b


@compiled
def with_row(plan, g, elements, x, items):
    """Fill in the items that depend on data, for a respondent's row."""
    first = plan.group[GROUP * g + 8]
    for j in range(len(items.what)):
        if plan.item[ITEM * (first + j) + 9] < 0 and not np.isnan(x[items.what[j, 6]]):
            _coefficients(plan, first + j, j, elements, x, items)


@compiled
def group_data(plan, g):
    """Data (respondent, column), start (respondent, K) and points (respondent, point, K)."""
    head = plan.group[GROUP * g : GROUP * (g + 1)]
    k, n = head[0], head[1]
    data = plan.data[head[9] : head[9] + n * head[10]].reshape(n, head[10])
    start = plan.start[head[11] : head[11] + n * k].reshape(n, k)
    size = n * plan.sizes[2] * k
    points = plan.points[head[12] : head[12] + size].reshape(n, plan.sizes[2], k)
    return data, start, points


@compiled
def covariance_of(plan, g, elements, covariance):
    """Covariance matrix of the disturbances."""
    k = covariance.shape[0]
    at = plan.group[GROUP * g + 3]
    for a in range(k):
        for b in range(k):
            e = plan.variance[at + k * a + b]
            covariance[a, b] = elements[e] if e >= 0 else 0.0


@compiled
def equations(plan, g, elements, x, data, paths, means):
    """Fill paths (I - B) and means of the latent variables' equations; data: with data's terms."""
    k = means.size
    first = plan.group[GROUP * g + 5]
    for a in range(k):
        means[a] = 0.0
        for b in range(k):
            paths[a, b] = 1.0 if a == b else 0.0
    for t in range(first, first + plan.group[GROUP * g + 4]):
        b, column = elements[plan.term[TERM * t]], plan.term[TERM * t + 2]
        if column >= 0:
            if not data:
                continue
            b *= x[column]
        source, target = plan.term[TERM * t + 1], plan.term[TERM * t + 3]
        if source < 0:
            means[target] += b
        else:
            paths[target, source] -= b
    for a in range(k):  # causes come before effects
        for b in range(a):
            means[a] -= paths[a, b] * means[b]


@compiled
def with_data(plan, g):
    """Whether the equations of the latent variables depend on data."""
    first = plan.group[GROUP * g + 5]
    for t in range(first, first + plan.group[GROUP * g + 4]):
        if plan.term[TERM * t + 2] >= 0:
            return True
    return False


@compiled
def precision_of(paths, weight, out):
    """M' W M."""
    k = out.shape[0]
    half = np.empty((k, k))
    for a in range(k):
        for b in range(k):
            s = 0.0
            for c in range(b, k):
                s += weight[a, c] * paths[c, b]
            half[a, b] = s
    for a in range(k):
        for b in range(a, k):
            s = 0.0
            for c in range(a, k):
                s += paths[c, a] * half[c, b]
            out[a, b] = s
            out[b, a] = s
