"""Where the nodes are: lattices in standard deviations about the means, which move with parameters.

A sum over nodes does not depend on where they lie, as long as they are dense and reach far enough.
So a lattice may follow the distribution of its latent variable, which the parameters give, and the
derivatives of the sum need none of those of the nodes. Loadings and variances of a construct
change together over a posterior, and a lattice that stands still would have to cover the widest of
its distributions in steps that suit the narrowest.

Where two latent variables explain a third by a linear predictor, what lies below the third depends
on the predictor alone. The lattice of one cause is made to suit (steps of whole numbers of a common
one), so that the predictor has few different values: their sum instead of the product of nodes.
"""

import numpy as np
from numba.extending import register_jitable

from bayessem.likelihood.compiled import OPTIONS, compiled
from bayessem.likelihood.node_plan import FACTOR, SLACK, STEP, STRUCTURAL, TERM, NodePlan, shape

# Nodes of a predictor for one node of a cause are at most so many.
LARGEST_RATIO = 24
LEAST_VARIANCE = 1e-300


@register_jitable(**OPTIONS)
def _coefficient(plan, f, t, elements):
    """A term's coefficient times the mean of its covariate, and the variance of that product."""
    by, column = elements[plan.term[TERM * t]], plan.term[TERM * t + 4]
    rows, columns = plan.factor[FACTOR * f + 5], plan.factor[FACTOR * f + 10]
    if column < 0 or rows == 0:  # a group that has lost its respondents has no covariates
        return by, 0.0
    first = plan.factor[FACTOR * f + 9] + column
    own = plan.data[first : first + (rows - 1) * columns + 1 : columns]
    centre = own.mean()
    return by * centre, by * by * ((own - centre) ** 2).mean()


@register_jitable(**OPTIONS)
def _predictor(plan, f, e, elements, mean, variance, slope):
    """Mean of an equation, and the variance of all but its linear terms, whose slopes are filled.

    mean, variance, slope : (3,) by variable of the factor. Variables in a product count as
    independent.
    """
    slope[:] = 0.0
    centre, extra = 0.0, 0.0
    first = plan.factor[FACTOR * f + 8]
    for t in range(first, first + plan.factor[FACTOR * f + 7]):
        if plan.term[TERM * t + 5] != e:
            continue
        by, spread = _coefficient(plan, f, t, elements)
        value, square, degree = 1.0, 1.0, 0
        for d in range(3):
            p, m, v = plan.term[TERM * t + 1 + d], mean[d], variance[d]
            if p > 0:
                value *= m**p + (0.5 * p * (p - 1) * m ** (p - 2) * v if p > 1 else 0.0)
                square *= (m * m + v) ** p
                degree += p
                only = d
        centre += by * value
        extra += spread * square
        if degree == 1:
            slope[only] += by
        elif degree > 1:
            extra += by * by * square
    return centre, extra


@register_jitable(**OPTIONS)
def latent_moments(plan, elements, mean, covariance):
    """Means (v,) of all latent variables, and covariances (v, w) with those of their group.

    Approximate where there are products or covariates: they say where a lattice lies, and nothing
    else depends on them.
    """
    mean[:] = 0.0
    covariance[:] = 0.0
    own, slope = np.empty(covariance.shape[1]), np.empty(3)
    centre, variance = np.empty(3), np.empty(3)
    for f in range(plan.sizes[0]):
        if plan.factor[FACTOR * f] != STRUCTURAL:
            continue
        scope, r = plan.factor[FACTOR * f + 2 : FACTOR * f + 5], plan.factor[FACTOR * f + 11]
        at, psi = plan.factor[FACTOR * f + 13], plan.factor[FACTOR * f + 12]
        begin = scope[0] // own.size * own.size
        for turn in range(r * r):  # r times: variables of a block may depend on each other
            e = turn % r
            v = scope[plan.explained[at + e]]
            for d in range(3):
                centre[d] = mean[scope[d]] if scope[d] >= 0 else 0.0
                variance[d] = covariance[scope[d], scope[d] - begin] if scope[d] >= 0 else 0.0
            mean[v], total = _predictor(plan, f, e, elements, centre, variance, slope)
            own[:] = 0.0
            for d in range(3):
                if scope[d] >= 0:
                    own += slope[d] * covariance[scope[d]]
            for d in range(3):
                if scope[d] >= 0:
                    total += slope[d] * own[scope[d] - begin]
            for k in range(r):
                by = elements[plan.variance[psi + r * e + k]]
                if k == e:
                    total += by
                else:
                    own[scope[plan.explained[at + k]] - begin] += by
            own[v - begin] = max(total, LEAST_VARIANCE)
            covariance[v] = own
            for w in range(own.size):
                covariance[begin + w, v - begin] = own[w]


@compiled
def predictor(plan, f, elements):
    """Constant and the two slopes of the linear predictor of a factor of three variables."""
    constant, one, two = 0.0, 0.0, 0.0
    first = plan.factor[FACTOR * f + 8]
    for t in range(first, first + plan.factor[FACTOR * f + 7]):
        by = elements[plan.term[TERM * t]]
        if plan.term[TERM * t + 2] > 0:
            one += by
        elif plan.term[TERM * t + 3] > 0:
            two += by
        else:
            constant += by
    return constant, one, two


@compiled
def _ratio(most, still, nodes, other):
    """Whole numbers p, q and the nodes that a predictor needs, 0 where it does not pay.

    A step of the lattice that is to suit becomes p / q times `still` and is to be at most `most`,
    both in units of the predictor; the predictor's own step is still / q.
    """
    best_p, best_q, best = 0, 0, nodes * other // 3
    for q in range(1, LARGEST_RATIO + 1):
        p = np.int64(min(most * q / still, 1e6))
        if p < 1 or still * p / q < most / SLACK:
            continue
        count = p * (nodes - 1) + q * (other - 1) + 1
        if count < best:
            best_p, best_q, best = p, q, count
    return best_p, best_q, best if best_p else 0


@compiled
def _suit(plan, s, elements, first, step, line):
    """Makes the lattice of a step's neighbour suit the predictor that its message is about."""
    f, d = plan.step[STEP * s + 10] // 2, plan.step[STEP * s + 10] % 2
    own, other = plan.step[STEP * s + 2 + d], plan.step[STEP * s + 3 - d]
    _, one, two = predictor(plan, f, elements)
    by, by_other = (one, two) if d == 0 else (two, one)
    nodes, most = plan.node_count[own], step[own]
    middle = first[own] + 0.5 * most * (nodes - 1) / SLACK
    step[own] = most / SLACK
    line[3 * s : 3 * s + 3] = 0
    if by != 0.0 and by_other != 0.0:
        still = abs(by_other) * step[other]
        p, q, count = _ratio(abs(by) * most, still, nodes, plan.node_count[other])
        if count:
            step[own] = still * p / (q * abs(by))
            line[3 * s + d] = p if by > 0.0 else -p
            line[3 * s + 1 - d] = q if by_other > 0.0 else -q
            line[3 * s + 2] = count
    first[own] = middle - 0.5 * step[own] * (nodes - 1)


@compiled
def _laid_out(plan, line):
    """Factors, steps and sizes with tables and messages one behind the other.

    Those about a predictor take the place of its nodes: a plan has to leave room for all pairs of
    its causes, and memory that is not used would be asked for and given back every time.
    """
    sizes, factor, step = plan.sizes.copy(), plan.factor.copy(), plan.step.copy()
    table = np.full(plan.sizes[0], -1)
    messages = 0
    for s in range(plan.sizes[1]):
        own, nodes = step[STEP * s : STEP * (s + 1)], line[3 * s + 2]
        size = nodes
        if nodes > 0:
            table[own[10] // 2] = plan.node_count[own[0]] * nodes
        else:
            size = plan.node_count[own[2]] if own[2] >= 0 else 1
            size *= plan.node_count[own[3]] if own[3] >= 0 else 1
            size *= own[11]
        own[5] = messages
        messages += own[4] * size
    tables = 0
    for f in range(plan.sizes[0]):
        one, two, three = shape(plan, f)
        factor[FACTOR * f + 6] = tables
        tables += table[f] if table[f] >= 0 else factor[FACTOR * f + 5] * one * two * three
    for s in range(plan.sizes[1]):  # kernels of series
        own = step[STEP * s : STEP * (s + 1)]
        if own[11] > 1:
            own[12] = tables
            tables += plan.node_count[own[0]] * plan.node_count[own[2]] * own[11]
    sizes[2], sizes[3] = tables, messages
    return sizes, factor, step


@compiled
def placed(plan, elements):
    """The plan with its nodes where they lie at these elements."""
    count = plan.node_count.size
    mean, covariance = np.empty(count), np.empty((count, plan.sizes[7]))
    latent_moments(plan, elements, mean, covariance)
    first, step = np.empty(count), np.empty(count)
    for v in range(count):
        sd = np.sqrt(covariance[v, v % plan.sizes[7]])
        first[v] = mean[v] + sd * plan.node_first[v]
        step[v] = sd * plan.node_step[v]
    line = np.zeros(3 * plan.sizes[1], dtype=np.int64)
    for s in range(plan.sizes[1]):
        if plan.step[STEP * s + 10] >= 0:
            _suit(plan, s, elements, first, step, line)
    sizes, factor, steps = _laid_out(plan, line)
    return NodePlan(
        sizes,
        plan.node_count,
        factor,
        plan.explained,
        plan.variance,
        plan.term,
        steps,
        line,
        plan.part,
        plan.row,
        plan.weight,
        plan.root,
        plan.chain,
        plan.hub,
        first,
        step,
        plan.data,
        plan.negligible,
    )
