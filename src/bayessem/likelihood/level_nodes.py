"""Log-likelihood of two-level models with random slopes of unobserved predictors, on nodes.

The product of a cluster's slope s and a predictor that is not observed (a construct, or the within
part of a variable at both levels) is not normal. Given s all is: the slope is the coefficient of a
path of level 1, and level 2 is normal given s. So a cluster's likelihood is an integral over s
(Rockwood 2020, doi:10.1007/s11336-020-09702-9),

    sum over nodes of weight * N(s; m, V) * p(cluster | s),

where p(cluster | s) is that of level_kernel.py with level 1 at s and level 2 conditioned on s. The
nodes are a lattice s = m + R u, RR' = V, with a step that suits the narrowest posterior of a slope:
the sum of a smooth function over a lattice differs from its integral by less than rounding, so it
does not depend on where the nodes lie, and its gradient needs no derivative of theirs: nodes are
constants, and the derivatives at each are weighted by the cluster's probability of the node.

Sums of products of each cluster stand for its respondents, so that the cost is that of nodes times
clusters, flat in the number of respondents.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled, inlined
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.kernel import LOG_2PI, select
from bayessem.likelihood.level_kernel import (
    clusters_part,
    project,
    pull_between,
    pull_projection,
    pull_within,
)
from bayessem.likelihood.level_moments import effect_loadings, level_moments, with_slopes
from bayessem.likelihood.level_plan import unpack_levels
from bayessem.likelihood.moments import split

# Half the width of the lattice, in standard deviations of the slopes.
REACH = 7.5
# Nodes in the narrowest standard deviation of a slope given its cluster, as expected at the mean.
DENSITY = 2.5
# Nodes from the middle to an end: what is narrower is not resolved.
MOST = 400
# Probabilities of nodes below this do not count in the gradient.
LEAST = 1e-17


@compiled
def _at_slopes(plan, elements, block, slopes):
    """The matrices with slopes in place of the coefficients of their paths."""
    own = elements.copy()
    paths = split(own, block, plan.sizes[0], plan.sizes[1], 0)[1]
    for k in range(plan.turned_outcome.size):
        paths[plan.turned_outcome[k], plan.turned_predictor[k]] += slopes[plan.turned_node[k]]
    return own


@compiled
def _information(plan, elements, group, slopes):
    """What the largest cluster is expected to tell of each slope, (node slope,)."""
    out = np.zeros(slopes.size)
    most = 0.0
    for j in range(plan.sizes[4]):
        if plan.cluster_group[j] == group:
            n = 0.0
            for e in range(plan.entry_at[j], plan.entry_at[j + 1]):
                n += plan.numbers[plan.entry_mean_at[e] + plan.pattern_width[plan.entry_pattern[e]]]
            most = max(most, n)
    block, y = 2 * group, plan.within.size
    own = _at_slopes(plan, elements, block, slopes)
    moments = level_moments(plan, own, block)
    loadings = split(own, block, plan.sizes[0], plan.sizes[1], 0)[0]
    within, inverse = np.empty((y, y)), np.empty((y, y))
    select(moments[5], plan.within, within)
    if not moments[0] or np.isnan(spd_inverse(within, inverse)):
        return out
    reach, moved = np.dot(loadings, moments[1]), np.dot(loadings, moments[3])
    for node in range(slopes.size):
        change, level = np.zeros((y, y)), np.zeros(y)
        for k in range(plan.turned_outcome.size):
            if plan.turned_node[k] == node:
                o, f = plan.turned_outcome[k], plan.turned_predictor[k]
                for a in range(y):
                    level[a] += reach[plan.within[a], o] * moments[4][f]
                    for c in range(y):
                        change[a, c] += reach[plan.within[a], o] * moved[plan.within[c], f]
                        change[c, a] += reach[plan.within[a], o] * moved[plan.within[c], f]
        turned = np.dot(inverse, change)
        out[node] = most * (0.5 * np.sum(turned * turned.T) + np.dot(level, np.dot(inverse, level)))
    return out


@compiled
def _lattice(plan, elements, group, joint, joint_mean, finer):
    """Nodes (node, slope), logs of weights (prior included); R^-1, NaN where V is not definite."""
    size = plan.slope_latent.size - plan.slope_outcome.size
    first = plan.sizes[0] + plan.slope_outcome.size
    spread, inverse = np.empty((size, size)), np.empty((size, size))
    for a in range(size):
        for b in range(size):
            spread[a, b] = joint[first + a, first + b]
    logdet = spd_inverse(spread, inverse)
    if np.isnan(logdet):
        return np.empty((0, size)), np.empty(0), inverse
    root = np.linalg.cholesky(spread)
    centre = joint_mean[first : first + size].copy()
    told = _information(plan, elements, group, centre)
    steps, half, count = np.empty(size), np.empty(size, dtype=np.int64), 1
    for k in range(size):
        precision = 1.0
        for l in range(size):
            precision += root[l, k] ** 2 * told[l]
        steps[k] = 1.0 / (DENSITY * finer * np.sqrt(precision))
        half[k] = int(np.ceil(REACH / steps[k]))
        if half[k] > MOST * finer:
            half[k] = int(MOST * finer)
            steps[k] = REACH / half[k]
        count *= 2 * half[k] + 1
    nodes, logs = np.empty((count, size)), np.empty(count)
    for q in range(count):
        rest, u = q, np.empty(size)
        log = -0.5 * size * LOG_2PI
        for k in range(size):
            u[k] = (rest % (2 * half[k] + 1) - half[k]) * steps[k]
            rest //= 2 * half[k] + 1
            log += np.log(steps[k]) - 0.5 * u[k] * u[k]
        nodes[q] = centre + np.dot(root, u)
        logs[q] = log
    return nodes, logs, inverse


@compiled
def _sums(plan, group, mean, inverses, logdets, share, by_cluster, moments, counts, shifts):
    """Log-density of the respondents if v were 0, by cluster; and weighted sums by pattern.

    moments, counts, shifts : of the deviations from the mean, (pattern, y, y), (pattern,) and
        (pattern, y), added to.
    """
    for j in range(plan.sizes[4]):
        if plan.cluster_group[j] != group:
            continue
        part = share[j]
        for e in range(plan.entry_at[j], plan.entry_at[j + 1]):
            index, at = plan.entry_pattern[e], plan.entry_mean_at[e]
            width, first = plan.pattern_width[index], plan.pattern_at[index]
            n, square = plan.numbers[at + width], plan.entry_square_at[e]
            value = n * (width * LOG_2PI + logdets[index])
            for a in range(width):
                va = plan.pattern_variables[first + a]
                da = plan.numbers[at + a] - mean[va]
                shifts[index, va] += part * n * da
                for c in range(width):
                    vc = plan.pattern_variables[first + c]
                    dc = plan.numbers[at + c] - mean[vc]
                    moment = plan.numbers[square + a * width + c] + n * da * dc
                    value += inverses[index, va, vc] * moment
                    moments[index, va, vc] += part * moment
            counts[index] += part * n
            by_cluster[plan.cluster_place[j]] -= 0.5 * value


@compiled
def _inverses(plan, group, within):
    """A_p and log|W_p| of a group's patterns; whether all are definite."""
    y = plan.within.size
    inverses, logdets = np.zeros((plan.sizes[3], y, y)), np.zeros(plan.sizes[3])
    for index in range(plan.sizes[3]):
        if plan.pattern_group[index] != group:
            continue
        width, at = plan.pattern_width[index], plan.pattern_at[index]
        variables = plan.pattern_variables[at : at + width]
        observed, inverse = np.empty((width, width)), np.empty((width, width))
        select(within, variables, observed)
        logdets[index] = spd_inverse(observed, inverse)
        if np.isnan(logdets[index]):
            return False, inverses, logdets
        for a in range(width):
            for c in range(width):
                inverses[index, variables[a], variables[c]] = inverse[a, c]
    return True, inverses, logdets


@compiled
def _conditioned(plan, joint, joint_mean, inverse, node):
    """Level 2 given the slopes: covariance, mean, C V^-1 (rows of all), V^-1 (s - m)."""
    size = inverse.shape[0]
    first = plan.sizes[0] + plan.slope_outcome.size
    cross = joint[:, first : first + size].copy()
    gain = np.dot(cross, inverse)
    solved = np.dot(inverse, node - joint_mean[first : first + size])
    return joint - np.dot(gain, cross.T), joint_mean + np.dot(cross, solved), gain, solved


@compiled
def _pull_conditioned(plan, inverse, gain, solved, total, d_between, d_mean, d_joint, d_joint_mean):
    """Adjoint of `_conditioned` and of `total` times the log of N(s; m, V)."""
    size = inverse.shape[0]
    first = plan.sizes[0] + plan.slope_outcome.size
    for i in range(first, first + size):  # nothing is left of the slopes themselves
        d_between[i, :] = 0.0
        d_between[:, i] = 0.0
        d_mean[i] = 0.0
    d_joint += d_between
    d_joint_mean += d_mean
    pulled = np.dot(d_between, gain)
    back = np.dot(gain.T, d_mean)
    inner = np.dot(gain.T, pulled)
    for i in range(d_joint.shape[0]):
        for k in range(size):
            x = 0.5 * d_mean[i] * solved[k] - pulled[i, k]
            d_joint[i, first + k] += x
            d_joint[first + k, i] += x
    for k in range(size):
        d_joint_mean[first + k] += total * solved[k] - back[k]
        for l in range(size):
            d_joint[first + k, first + l] += (
                inner[k, l]
                - 0.5 * (back[k] * solved[l] + solved[k] * back[l])
                + 0.5 * total * (solved[k] * solved[l] - inverse[k, l])
            )


@compiled
def _at_node(
    plan, group, elements, node, joint, joint_mean, inverse, share, by_cluster, wanted,
    gradient, d_joint, d_joint_mean,
):  # fmt: skip
    """Log-density of a group's clusters given the slopes; where wanted, adds to the gradient.

    by_cluster : added to, by place. share : what each cluster's derivatives count, (cluster,).
    """
    y, q, n_patterns = plan.within.size, plan.effects.size, plan.sizes[3]
    own = _at_slopes(plan, elements, 2 * group, node)
    inner = level_moments(plan, own, 2 * group)
    if not inner[0]:
        return False
    between, between_mean, gain, solved = _conditioned(plan, joint, joint_mean, inverse, node)
    within, mean = np.empty((y, y)), np.empty(y)
    select(inner[5], plan.within, within)
    for a in range(y):
        mean[a] = inner[6][plan.within[a]] + between_mean[plan.within[a]]
    ok, inverses, logdets = _inverses(plan, group, within)
    if not ok:
        return False
    moments, counts = np.zeros((n_patterns, y, y)), np.zeros(n_patterns)
    shifts = np.zeros((n_patterns, y))
    _sums(plan, group, mean, inverses, logdets, share, by_cluster, moments, counts, shifts)
    effect = effect_loadings(plan, own, 2 * group, inner[1])
    projected, by_pattern = project(inverses, effect)
    d_by_pattern, d_projected = np.zeros((n_patterns, q, q)), np.zeros((n_patterns, q, y))
    weights = np.zeros((n_patterns, q))
    d_between, d_between_mean = np.zeros_like(between), np.zeros_like(between_mean)
    value = clusters_part(
        plan, group, mean, between, between_mean, by_pattern, projected, share,
        d_by_pattern, d_projected, weights, d_between, d_between_mean, by_cluster,
    )  # fmt: skip
    if not value > -np.inf:
        return False
    if wanted:
        d_within, d_mean = np.zeros((y, y)), np.zeros(y)
        for index in range(n_patterns):
            if plan.pattern_group[index] == group:
                a = inverses[index]
                weighted = np.dot(np.dot(a, moments[index]), a)
                d_within += 0.5 * (weighted - counts[index] * a)
                d_mean += np.dot(a, shifts[index])
        d_effect = pull_projection(
            plan, group, inverses, effect, projected, d_by_pattern, d_projected, weights,
            d_within, d_mean,
        )  # fmt: skip
        pull_within(plan, own, gradient, 2 * group, inner, d_within, d_mean, d_effect)
        for a in range(y):
            d_between_mean[plan.within[a]] += d_mean[a]
        _pull_conditioned(
            plan, inverse, gain, solved, np.sum(share), d_between, d_between_mean, d_joint,
            d_joint_mean,
        )  # fmt: skip
    return True


@compiled
def _group(plan, group, elements, finer, gradient, by_cluster):
    """Log-likelihood of one group; adds to the gradient by the matrices of its two blocks."""
    outer = level_moments(plan, elements, 2 * group + 1)
    if not outer[0]:
        return -np.inf
    joint, joint_mean = with_slopes(plan, elements, 2 * group + 1, outer)
    nodes, logs, inverse = _lattice(plan, elements, group, joint, joint_mean, finer)
    count, clusters = logs.size, plan.sizes[4]
    if not count:
        return -np.inf
    d_joint, d_joint_mean = np.zeros_like(joint), np.zeros_like(joint_mean)
    share, found = np.zeros(clusters), np.zeros((count, clusters))
    for q in range(count):
        if not _at_node(
            plan, group, elements, nodes[q], joint, joint_mean, inverse, share, found[q], False,
            gradient, d_joint, d_joint_mean,
        ):  # fmt: skip
            return -np.inf
        found[q] += logs[q]
    value, whole = 0.0, np.zeros(clusters)
    for j in range(clusters):
        if plan.cluster_group[j] == group:
            place = plan.cluster_place[j]
            top, s = np.max(found[:, place]), 0.0
            for q in range(count):
                s += np.exp(found[q, place] - top)
            whole[place] = top + np.log(s)
            value += whole[place]
            if by_cluster.size:
                by_cluster[place] += whole[place]
    if not value > -np.inf:
        return -np.inf
    spare = np.empty(clusters)
    for q in range(count):
        wanted = False
        for j in range(clusters):
            share[j] = 0.0
            if plan.cluster_group[j] == group:
                place = plan.cluster_place[j]
                part = np.exp(found[q, place] - whole[place])
                if part > LEAST:
                    share[j] = part
                    wanted = True
        if wanted:
            spare[:] = 0.0
            _at_node(
                plan, group, elements, nodes[q], joint, joint_mean, inverse, share, spare, True,
                gradient, d_joint, d_joint_mean,
            )  # fmt: skip
    pull_between(plan, elements, gradient, 2 * group + 1, outer, d_joint, d_joint_mean)
    return value


@inlined
def evaluate_level_nodes(elements, ints, floats, gradient, by_cluster):
    """Log-likelihood of all clusters; level_nodes_entry.py is how the rest calls it.

    gradient is overwritten with the derivatives by elements, as in kernel.py, by_cluster, unless it
    is empty, with the log-likelihood of every cluster, in the order of the data.
    """
    plan = unpack_levels(ints[1:], floats)
    gradient[:] = 0.0
    by_cluster[:] = 0.0
    value = 0.0
    for group in range(plan.sizes[2]):
        value += _group(plan, group, elements, plan.numbers[0], gradient, by_cluster)
        if not value > -np.inf:
            gradient[:] = 0.0
            by_cluster[:] = -np.inf
            return -np.inf
    return value
