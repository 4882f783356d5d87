"""Laplace's approximation of a respondent's likelihood, with its exact gradient.

With answers y and latent variables f, e = M f - a (M = I - B) normal with covariance Psi, W its
inverse, and eta_j = c_j + lam_j' f the predictor of answer j,

    log p(y) = sum_j l_j(eta_j) - e' W e / 2 + log|W| / 2 - log|H| / 2   at the mode f,
    H = P + sum_j -l_j'' lam_j lam_j',   P = M' W M.

The mode moves with the parameters, and H with both. With G = H^-1, gamma_j = lam_j' G lam_j,
s = sum_j l_j''' gamma_j lam_j / 2, r = G s and rho_j = lam_j' r, the total derivative is the partial
one, f, r and G held fixed, of

    sum_j (l_j + rho_j l_j' + gamma_j l_j'' / 2) + log|W| / 2 - tr(W S) / 2,
    S = e e' + M r e' + e r' M' + M G M'.

Where all answers are normal, it is the likelihood itself. The search for the mode keeps nothing
from call to call: Newton's steps with Chebyshev's correction, halved where they go down; the
integrand is log-concave.

Tierney, L., & Kadane, J. B. (1986). Accurate approximations for posterior moments and marginal
densities. Journal of the American Statistical Association, 81, 82-86. Skaug, H. J., & Fournier,
D. A. (2006). Automatic approximation of the marginal likelihood in non-Gaussian hierarchical
models. Computational Statistics & Data Analysis, 51, 699-709.
"""

import math

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.family_normal import normal_slopes, pull_normal
from bayessem.likelihood.family_ordered import SLOPES, ordered_slopes, pull_ordered
from bayessem.likelihood.laplace_plan import GROUP, ITEM, TERM
from bayessem.likelihood.node_plan import NORMAL

# Length of a Newton step (in posterior standard deviations) after which the mode is found; steps
# and halvings at most.
FOUND, STEPS, HALVINGS = 1e-6, 60, 30
SMALL = 1e-250


@compiled
def answer_column(plan, j):
    """Column of an item's answer."""
    column = plan.item[ITEM * j + 9]
    return column if column >= 0 else -1 - column


@compiled
def item_scale(plan, j, elements):
    """Scale of an ordered item's residual, over its standard form."""
    variance = elements[plan.item[ITEM * j + 4]]
    return np.sqrt(variance / (1.0 if plan.item[ITEM * j + 1] == 0 else np.pi**2 / 3.0))


@compiled
def item_thresholds(plan, j, elements):
    """Thresholds of an ordered item."""
    first = plan.item[ITEM * j + 2]
    return elements[first : first + plan.item[ITEM * j + 3]]


@compiled
def _coefficients(plan, j, elements, x, loading, constant):
    """Loadings of an item and what else its predictor holds, given the data of a row."""
    at = plan.item[ITEM * j + 7]
    for d in range(at, at + plan.item[ITEM * j + 8]):
        loading[d] = 0.0
    constant[j] = 0.0
    first = plan.item[ITEM * j + 6]
    for t in range(first, first + plan.item[ITEM * j + 5]):
        b, column = elements[plan.term[TERM * t]], plan.term[TERM * t + 2]
        if column >= 0:
            b *= x[column]
        if plan.term[TERM * t + 1] < 0:
            constant[j] += b
        else:
            loading[at + plan.term[TERM * t + 1]] += b


@compiled
def coefficients(plan, g, elements, x, every, loading, constant):
    """`_coefficients` of the items that depend on data (or of every one that does not)."""
    first = plan.group[GROUP * g + 8]
    for j in range(first, first + plan.group[GROUP * g + 7]):
        depends = plan.item[ITEM * j + 9] < 0
        if every != depends and (every or not np.isnan(x[answer_column(plan, j)])):
            _coefficients(plan, j, elements, x, loading, constant)


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


@compiled
def predictor(plan, j, f, loading, constant):
    """Linear predictor of an answer."""
    at, eta = plan.item[ITEM * j + 7], constant[j]
    for d in range(at, at + plan.item[ITEM * j + 8]):
        eta += loading[d] * f[plan.scope[d]]
    return eta


@compiled
def _along(plan, j, loading, v):
    """lam_j' v."""
    at, out = plan.item[ITEM * j + 7], 0.0
    for d in range(at, at + plan.item[ITEM * j + 8]):
        out += loading[d] * v[plan.scope[d]]
    return out


@compiled
def _answers(plan, g, elements, x, f, loading, constant, slopes):
    """Log-likelihood of a respondent's answers at f; their derivatives into slopes (item, ...)."""
    first = plan.group[GROUP * g + 8]
    value, product = 0.0, 1.0
    for j in range(first, first + plan.group[GROUP * g + 7]):
        y = x[answer_column(plan, j)]
        own = slopes[j - first]
        if np.isnan(y):
            own[0], own[1], own[2] = 0.0, 0.0, 0.0
            continue
        eta = predictor(plan, j, f, loading, constant)
        if plan.item[ITEM * j] == NORMAL:
            value += normal_slopes(y, eta, elements[plan.item[ITEM * j + 4]], own)
            continue
        product *= ordered_slopes(
            plan.item[ITEM * j + 1],
            np.int64(y),
            item_thresholds(plan, j, elements),
            eta,
            item_scale(plan, j, elements),
            own,
        )
        if product < SMALL:
            value += math.log(product) if product > 0.0 else -np.inf
            product = 1.0
    return value + math.log(product)


@compiled
def _curvature(plan, g, loading, precision, slopes, push, root):
    """Adds the answers' slopes to push; lower Cholesky factor of H into root."""
    k = push.size
    first = plan.group[GROUP * g + 8]
    for a in range(k):
        for b in range(a + 1):
            root[a, b] = precision[a, b]
    for j in range(first, first + plan.group[GROUP * g + 7]):
        one, two = slopes[j - first, 0], slopes[j - first, 1]
        at = plan.item[ITEM * j + 7]
        for d in range(at, at + plan.item[ITEM * j + 8]):
            a = plan.scope[d]
            push[a] += one * loading[d]
            for e in range(at, d + 1):  # the scope is sorted by the packed plan or swapped here
                b = plan.scope[e]
                root[max(a, b), min(a, b)] -= two * loading[d] * loading[e]
    for a in range(k):
        for b in range(a + 1):
            s = root[a, b]
            for c in range(b):
                s -= root[a, c] * root[b, c]
            root[a, b] = np.sqrt(max(s, SMALL)) if a == b else s / root[b, b]


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
def back(root, v):
    """v becomes L'^-1 v."""
    k = v.size
    for a in range(k - 1, -1, -1):
        s = v[a]
        for b in range(a + 1, k):
            s -= root[b, a] * v[b]
        v[a] = s / root[a, a]


@compiled
def _third(plan, g, loading, slopes, step, push):
    """Half the third derivative of the log-likelihood along step twice, into push."""
    first = plan.group[GROUP * g + 8]
    push[:] = 0.0
    for j in range(first, first + plan.group[GROUP * g + 7]):
        three = slopes[j - first, 2]
        if three != 0.0:
            move = _along(plan, j, loading, step)
            at = plan.item[ITEM * j + 7]
            for d in range(at, at + plan.item[ITEM * j + 8]):
                push[plan.scope[d]] += 0.5 * three * move * move * loading[d]


@compiled
def find_mode(plan, g, elements, x, mean, precision, loading, constant, f, slopes, root):
    """Move f to the mode of a respondent's latent variables; returns log p(y, f) there.

    Without log|W| / 2 and the constant that Laplace's approximation takes out. slopes, root : there,
    too. mean, precision : of the latent variables before answers.
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
        value += _answers(plan, g, elements, x, f, loading, constant, slopes)
        if not value >= before - 1e-9 * (1.0 + abs(before)):  # nan, too
            if halvings == HALVINGS or not np.isfinite(before):
                return value
            halvings += 1
            for a in range(k):
                step[a] *= 0.5
                f[a] = from_[a] + step[a]
            continue
        before = value
        _curvature(plan, g, loading, precision, slopes, push, root)
        solve(root, push, step)
        length = 0.0
        for a in range(k):
            length += step[a] * push[a]
            from_[a] = f[a]
        if length < FOUND * FOUND:
            return value + 0.5 * length
        if length < 1.0:
            _third(plan, g, loading, slopes, step, push)
            solve(root, push, turn)
            for a in range(k):
                step[a] += turn[a]
        for a in range(k):
            f[a] += step[a]
    return value


@compiled
def _inverse(root, low, out):
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
def adjoint(plan, g, loading, slopes, root, inverse, gamma, r):
    """gamma by item and r of a respondent, see above, from the slopes at the mode."""
    k = r.size
    first = plan.group[GROUP * g + 8]
    s = np.zeros(k)
    for j in range(first, first + plan.group[GROUP * g + 7]):
        at = plan.item[ITEM * j + 7]
        end = at + plan.item[ITEM * j + 8]
        q = 0.0
        for d in range(at, end):
            for e in range(at, end):
                q += loading[d] * loading[e] * inverse[plan.scope[d], plan.scope[e]]
        gamma[j - first] = q
        half = 0.5 * q * slopes[j - first, 2]
        for d in range(at, end):
            s[plan.scope[d]] += half * loading[d]
    solve(root, s, r)


@compiled
def _pull_item(plan, g, j, elements, x, f, r, gamma, inverse, slopes, loading, d_loading, gradient):
    """Adds an answer's derivatives; returns that by its predictor.

    Those by its loadings go to d_loading, to be handed on by the caller.
    """
    first = plan.group[GROUP * g + 8]
    own, q = slopes[j - first], gamma[j - first]
    rho = _along(plan, j, loading, r)
    element = plan.item[ITEM * j + 4]
    d_eta = own[0] + rho * own[1] + 0.5 * q * own[2]
    if plan.item[ITEM * j] == NORMAL:
        gradient[element] += pull_normal(own, elements[element], rho, q)
    else:
        scale = item_scale(plan, j, elements)
        low, high, d_scale = pull_ordered(own, scale, rho, q)
        category = np.int64(x[answer_column(plan, j)])
        threshold = plan.item[ITEM * j + 2]
        if category > 0:
            gradient[threshold + category - 1] += low
        if category < plan.item[ITEM * j + 3]:
            gradient[threshold + category] += high
        gradient[element] += 0.5 * d_scale * scale / elements[element]
    at = plan.item[ITEM * j + 7]
    for d in range(at, at + plan.item[ITEM * j + 8]):
        a, along = plan.scope[d], 0.0
        for e in range(at, at + plan.item[ITEM * j + 8]):
            along += inverse[a, plan.scope[e]] * loading[e]
        d_loading[d] += f[a] * d_eta + r[a] * own[0] + own[1] * along
    return d_eta


@compiled
def _to_terms(plan, j, x, d_loading, d_constant, gradient):
    """Hand the derivatives by an item's loadings and constant on to the elements."""
    first, at = plan.item[ITEM * j + 6], plan.item[ITEM * j + 7]
    for t in range(first, first + plan.item[ITEM * j + 5]):
        source, column = plan.term[TERM * t + 1], plan.term[TERM * t + 2]
        own = d_constant if source < 0 else d_loading[at + source]
        gradient[plan.term[TERM * t]] += own * (x[column] if column >= 0 else 1.0)


@compiled
def _pull_equations(plan, g, x, which, paths, weight, moment, shifted, moved, gradient):
    """Adds the derivatives by the terms of the equations.

    which : 0 those without data, 1 those with data (of a respondent's row x), 2 both.
    moment : sum of C = d d' + r d' + d r' + G, d = f - mean; moved : of d + r; shifted : of
    (d + r) mean'.
    """
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
def _pull_covariance(plan, g, weight, total, count, gradient):
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
    """C and d + r of a respondent; see `_pull_equations`."""
    for a in range(d.size):
        moved[a] = d[a] + r[a]
        for b in range(d.size):
            moment[a, b] = d[a] * d[b] + r[a] * d[b] + d[a] * r[b] + inverse[a, b]


@compiled
def with_data(plan, g):
    """Whether the equations of the latent variables depend on data."""
    first = plan.group[GROUP * g + 5]
    for t in range(first, first + plan.group[GROUP * g + 4]):
        if plan.term[TERM * t + 2] >= 0:
            return True
    return False


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
def items_good(plan, g, elements):
    """Whether the answers' variances are positive."""
    first = plan.group[GROUP * g + 8]
    for j in range(first, first + plan.group[GROUP * g + 7]):
        if not elements[plan.item[ITEM * j + 4]] > 0.0:
            return False
    return True


@compiled
def _group(plan, g, elements, gradient):
    """Laplace's log-likelihood of a group; adds the derivatives to gradient."""
    k = plan.group[GROUP * g]
    first, count = plan.group[GROUP * g + 8], plan.group[GROUP * g + 7]
    data, start, _ = group_data(plan, g)
    n, depends, varying = len(data), with_data(plan, g), plan.group[GROUP * g + 6] > 0
    weight, paths, precision = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    root, low, inverse = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    covariance_of(plan, g, elements, root)
    logdet = spd_inverse(root, weight)
    if np.isnan(logdet) or not items_good(plan, g, elements):
        return -np.inf
    mean, f, d, r, moved = np.empty(k), np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    moment, shifted = np.empty((k, k)), np.zeros((k, k))
    all_moved, all_moment, total = np.zeros(k), np.zeros((k, k)), np.zeros((k, k))
    slopes, gamma = np.zeros((count, SLOPES)), np.empty(count)
    loading, constant = np.empty(plan.scope.size), np.empty(first + count)
    d_loading, d_constant = np.zeros(plan.scope.size), np.zeros(first + count)
    nothing = np.empty(0)
    equations(plan, g, elements, nothing, False, paths, mean)
    precision_of(paths, weight, precision)
    coefficients(plan, g, elements, nothing, True, loading, constant)
    value = -0.5 * n * logdet
    for i in range(n):
        x = data[i]
        if depends:
            equations(plan, g, elements, x, True, paths, mean)
            if varying:
                precision_of(paths, weight, precision)
        coefficients(plan, g, elements, x, False, loading, constant)
        f[:] = start[i]
        value += find_mode(
            plan, g, elements, x, mean, precision, loading, constant, f, slopes, root
        )
        if not np.isfinite(value):
            return -np.inf
        for a in range(k):
            value -= np.log(root[a, a])
            d[a] = f[a] - mean[a]
        _inverse(root, low, inverse)
        adjoint(plan, g, loading, slopes, root, inverse, gamma, r)
        _respondent_moment(d, r, inverse, moment, moved)
        for j in range(first, first + count):
            if np.isnan(x[answer_column(plan, j)]):
                continue
            d_constant[j] += _pull_item(
                plan, g, j, elements, x, f, r, gamma, inverse, slopes, loading, d_loading, gradient
            )
            if plan.item[ITEM * j + 9] < 0:
                _to_terms(plan, j, x, d_loading, d_constant[j], gradient)
                d_constant[j] = 0.0
                at = plan.item[ITEM * j + 7]
                d_loading[at : at + plan.item[ITEM * j + 8]] = 0.0
        if varying:
            _pull_equations(plan, g, x, 2, paths, weight, moment, np.outer(moved, mean), moved, gradient)
            total += np.dot(np.dot(paths, moment), paths.T)
            continue
        for a in range(k):
            all_moved[a] += moved[a]
            for b in range(k):
                all_moment[a, b] += moment[a, b]
                shifted[a, b] += moved[a] * mean[b]
        if depends:
            _pull_equations(plan, g, x, 1, paths, weight, moment, np.outer(moved, mean), moved, gradient)
    for j in range(first, first + count):
        if plan.item[ITEM * j + 9] >= 0:
            _to_terms(plan, j, nothing, d_loading, d_constant[j], gradient)
    if not varying:
        _pull_equations(plan, g, nothing, 0, paths, weight, all_moment, shifted, all_moved, gradient)
        total = np.dot(np.dot(paths, all_moment), paths.T)
    _pull_covariance(plan, g, weight, total, n, gradient)
    return value
