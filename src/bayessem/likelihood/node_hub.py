"""Three covarying latent variables as two that a third explains, and a series in what is left.

Given the hub v, the others a and b are normal with a partial correlation rho, and by Mehler's
expansion p(a, b | v) = p(a | v) p(b | v) sum_k rho^k h_k(z_a) h_k(z_b), z standardised given v, h_k
Hermite polynomials of unit variance. So a and b are summed out by themselves, with as many messages
about v as the series has terms, and no table is over three variables or over two for a pair of
patterns. Where rho is small few terms are enough for chains, whose draws are weighted.

Mehler, F. G. (1866). Ueber die Entwicklung einer Function von beliebig vielen Variablen nach
Laplaceschen Functionen hoeherer Ordnung. Journal fuer die reine und angewandte Mathematik, 66,
161-176.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.junction import Elimination
from bayessem.likelihood.node_plan import DERIVED, HUB, STEP, Hub, NodeFactor, TermOf
from bayessem.likelihood.node_windows import above, narrow, prior_of


def central(factor: NodeFactor, elements: np.ndarray) -> int:
    """Which variable of a block (`node_chain.is_block`) leaves the others least correlated.

    elements : ndarray (point, elements)
        Flat model matrices.
    """
    covariance = elements[:, list(factor.variances)].reshape(-1, 3, 3)
    precision = np.linalg.inv(covariance)
    left = []
    for v in range(3):
        a, b = (i for i in range(3) if i != v)
        partial = precision[:, a, b] / np.sqrt(precision[:, a, a] * precision[:, b, b])
        left.append(np.abs(partial).max())
    return factor.explained[int(np.argmin(left))]


def hubbed(
    factor: NodeFactor, hub: int, first: int, terms: int
) -> tuple[tuple[NodeFactor, ...], Hub]:
    """A block (`node_chain.is_block`) as three equations, and its entry in the plan.

    Parameters
    ----------
    factor : NodeFactor
        The block.
    hub : int
        The variable that explains the others.
    first : int
        Element at which the derived ones are.
    terms : int
        Of the series.
    """
    place = [i for i in range(3) if factor.explained[i] != hub]
    place.append(factor.explained.index(hub))
    a, b, v = (factor.explained[i] for i in place)
    mean = [next(t.element for t in factor.terms if t.target == i) for i in place]
    covariance = [factor.variances[3 * i + j] for i in place for j in place]
    # as `derive_hubs` fills them
    slope_a, constant_a, variance_a, slope_b, constant_b, variance_b, _ = range(
        first, first + DERIVED
    )

    def equation(own: int, variance: int, *terms: TermOf) -> NodeFactor:
        scope = tuple(sorted({own, *(u for t in terms for u in t.powers)}))
        return replace(factor, scope=scope, terms=terms, variances=(variance,), explained=(own,))

    return (
        equation(v, covariance[8], TermOf(mean[2])),
        equation(a, variance_a, TermOf(constant_a), TermOf(slope_a, {v: 1})),
        equation(b, variance_b, TermOf(constant_b), TermOf(slope_b, {v: 1})),
    ), Hub((a, b, v), (*covariance, *mean, first), terms)


def stands_alone(hub: Hub, factors: Sequence[NodeFactor], order: Sequence[Elimination]) -> bool:
    """Whether nothing but the block is about two of its variables.

    Parameters
    ----------
    hub : Hub
        Of the block.
    factors : sequence of NodeFactor
        All others of the group.
    order : sequence of Elimination
        In which variables are summed out with the block's equations.
    """
    own = set(hub.variables)
    if any(len(own & set(f.scope)) > 1 for f in factors):
        return False
    messages = {step.variable: step.neighbours for step in order}
    a, b, v = hub.variables
    rest = (own & set(n) for u, n in messages.items() if u not in own)
    return messages[a] == messages[b] == (v,) and all(len(both) < 2 for both in rest)


@compiled
def derive_hubs(plan, elements, out):
    """Fills the derived elements; False where a block has no covariance matrix."""
    for i in range(plan.hub.size // HUB):
        at = plan.hub[HUB * i : HUB * (i + 1)]
        a, p, q, d = elements[at[0]], elements[at[1]], elements[at[2]], elements[at[4]]
        e, f = elements[at[5]], elements[at[8]]
        first = at[12]
        if not f > 0.0:
            return False
        slope_a, slope_b = q / f, e / f
        s_a, s_b = a - slope_a * q, d - slope_b * e
        if not (s_a > 0.0 and s_b > 0.0):
            return False
        rho = (p - slope_a * e) / np.sqrt(s_a * s_b)
        if not abs(rho) < 1.0:
            return False
        out[first], out[first + 1] = slope_a, elements[at[9]] - slope_a * elements[at[11]]
        out[first + 2], out[first + 3] = s_a, slope_b
        out[first + 4], out[first + 5] = elements[at[10]] - slope_b * elements[at[11]], s_b
        out[first + 6] = rho
    return True


@compiled
def pull_hubs(plan, elements, by, gradient):
    """Adds what derivatives by the derived elements, in `by`, are by those they are made of."""
    for i in range(plan.hub.size // HUB):
        at = plan.hub[HUB * i : HUB * (i + 1)]
        a, p, q, d = elements[at[0]], elements[at[1]], elements[at[2]], elements[at[4]]
        e, f, mean = elements[at[5]], elements[at[8]], elements[at[11]]
        first = at[12]
        slope_a, slope_b = q / f, e / f
        s_a, s_b = a - slope_a * q, d - slope_b * e
        root = np.sqrt(s_a * s_b)
        rho, by_rho = (p - slope_a * e) / root, by[first + 6]
        by_p = by_rho / root
        by_s_a = by[first + 2] - 0.5 * by_rho * rho / s_a
        by_s_b = by[first + 5] - 0.5 * by_rho * rho / s_b
        by_slope_a = by[first] - by[first + 1] * mean
        by_slope_b = by[first + 3] - by[first + 4] * mean
        by_q = (by_slope_a - by_p * e) / f - 2.0 * by_s_a * slope_a
        by_e = (by_slope_b - by_p * q) / f - 2.0 * by_s_b * slope_b
        gradient[at[0]] += by_s_a
        gradient[at[4]] += by_s_b
        gradient[at[8]] += (
            by_p * slope_a * slope_b
            + by_s_a * slope_a * slope_a
            + by_s_b * slope_b * slope_b
            - (by_slope_a * slope_a + by_slope_b * slope_b) / f
        )
        gradient[at[9]] += by[first + 1]
        gradient[at[10]] += by[first + 4]
        gradient[at[11]] -= by[first + 1] * slope_a + by[first + 4] * slope_b
        # each covariance stands twice
        for one, other, g in ((at[1], at[3], by_p), (at[2], at[6], by_q), (at[5], at[7], by_e)):
            gradient[one] += 0.5 * g
            gradient[other] += 0.5 * g


@compiled
def hub_of(plan, s):
    """Which hub a step sums an explained variable of, and which of the two it is; -1, 0."""
    for i in range(plan.hub.size // HUB):
        for side in range(2):
            if plan.hub[HUB * i + 13 + side] == s:
                return i, side
    return -1, 0


@compiled
def _standardised(plan, s, elements, z):
    """Fills z (node, node of the hub) given the hub; returns the standard deviation."""
    i, side = hub_of(plan, s)
    first = plan.hub[HUB * i + 12] + 3 * side
    slope, constant, sd = elements[first], elements[first + 1], np.sqrt(elements[first + 2])
    v, hub = plan.step[STEP * s], plan.step[STEP * s + 2]
    for k in range(z.shape[0]):
        x = plan.node_first[v] + plan.node_step[v] * k - constant
        for c in range(z.shape[1]):
            z[k, c] = (x - slope * (plan.node_first[hub] + plan.node_step[hub] * c)) / sd
    return sd


@compiled
def fill_series(plan, s, elements, shared, kernel):
    """Kernel (node, term, node of the hub): what rows share times the Hermite polynomials."""
    q, terms, inner = kernel.shape
    z = np.empty((q, inner))
    _standardised(plan, s, elements, z)
    for v in range(q):
        for c in range(inner):
            kernel[v, 0, c] = shared[v, c]
            kernel[v, 1, c] = z[v, c] * shared[v, c]
        for k in range(2, terms):
            one, two = 1.0 / np.sqrt(k), np.sqrt((k - 1.0) / k)
            for c in range(inner):
                kernel[v, k, c] = one * z[v, c] * kernel[v, k - 1, c] - two * kernel[v, k - 2, c]


@compiled
def pull_series(plan, s, elements, kernel, sums, counts, gradient):
    """Derivatives by the logs of what rows share, into counts (node, node of the hub).

    Adds those by the derived elements through the polynomials to gradient.

    sums : (node, term, node of the hub), derivatives by the kernel.
    """
    q, terms, inner = kernel.shape
    i, side = hub_of(plan, s)
    first, hub = plan.hub[HUB * i + 12] + 3 * side, plan.step[STEP * s + 2]
    z, by_z = np.empty((q, inner)), np.empty(inner)
    sd = _standardised(plan, s, elements, z)
    total, by_hub, by_scale = 0.0, 0.0, 0.0
    for v in range(q):
        by_z[:] = 0.0
        for c in range(inner):
            counts[v, c] = sums[v, 0, c] * kernel[v, 0, c]
        for k in range(1, terms):
            root = np.sqrt(float(k))
            for c in range(inner):
                counts[v, c] += sums[v, k, c] * kernel[v, k, c]
                by_z[c] += root * sums[v, k, c] * kernel[v, k - 1, c]
        for c in range(inner):
            total += by_z[c]
            by_hub += by_z[c] * (plan.node_first[hub] + plan.node_step[hub] * c)
            by_scale += by_z[c] * z[v, c]
    gradient[first] -= by_hub / sd
    gradient[first + 1] -= total / sd
    gradient[first + 2] -= 0.5 * by_scale / (sd * sd)


@compiled
def _powers(rho, terms):
    """1, rho, rho^2, ... (term,)."""
    out = np.ones(terms)
    for k in range(1, terms):
        out[k] = rho * out[k - 1]
    return out


@compiled
def _series(messages, one, two, power, inner, low, high, out):
    """Sums of the series (node of the hub,) of two rows of messages that begin at one and two."""
    for c in range(low, high):
        out[c] = messages[one + c] * messages[two + c]
    for k in range(1, power.size):
        by = power[k]
        one += inner
        two += inner
        for c in range(low, high):
            out[c] += by * messages[one + c] * messages[two + c]


@compiled
def join(plan, i, elements, tables, messages, products, windows):
    """Takes the finished messages of both sides of hub i into the product of the step above."""
    s, other = plan.hub[HUB * i + 13], plan.hub[HUB * i + 14]
    t, at = above(plan, s)
    _, at_other = above(plan, other)
    inner, terms = plan.node_count[plan.step[STEP * t]], plan.step[STEP * s + 11]
    power, series = _powers(elements[plan.hub[HUB * i + 12] + 6], terms), np.empty(inner)
    begin, begin_other = plan.step[STEP * s + 5], plan.step[STEP * other + 5]
    first, scale = plan.step[STEP * t + 6], plan.step[STEP * t + 7]
    size, prior = np.uint64(terms * inner), prior_of(plan, t, tables)
    for w in range(plan.step[STEP * t + 4]):
        one = np.uint64(begin) + np.uint64(plan.row[at + w]) * size
        two = np.uint64(begin_other) + np.uint64(plan.row[at_other + w]) * size
        low, high = np.uint64(windows[scale + w, 0]), np.uint64(windows[scale + w, 1])
        _series(messages, one, two, power, np.uint64(inner), low, high, series)
        product = products[first + w * inner : first + (w + 1) * inner]
        for c in range(low, high):
            product[c] *= series[c]
        narrow(product, prior, windows[scale + w], plan.negligible[0])


@compiled
def split(plan, i, elements, weights, windows, messages, d_messages, gradient):
    """The way back of `join`, from the weights (row, node) of the step above.

    windows : (row, WINDOW) of that step.
    """
    s, other = plan.hub[HUB * i + 13], plan.hub[HUB * i + 14]
    _, at = above(plan, s)
    _, at_other = above(plan, other)
    rows, inner = weights.shape
    terms, element = plan.step[STEP * s + 11], plan.hub[HUB * i + 12] + 6
    power, series = _powers(elements[element], terms), np.empty(inner)
    begin, begin_other = plan.step[STEP * s + 5], plan.step[STEP * other + 5]
    size, by_rho, share = np.uint64(terms * inner), 0.0, np.empty(inner)
    for w in range(rows):
        one = np.uint64(begin) + np.uint64(plan.row[at + w]) * size
        two = np.uint64(begin_other) + np.uint64(plan.row[at_other + w]) * size
        low, high = np.uint64(windows[w, 0]), np.uint64(windows[w, 1])
        _series(messages, one, two, power, np.uint64(inner), low, high, series)
        for c in range(low, high):
            share[c] = weights[w, c] / series[c] if series[c] != 0.0 else 0.0
        for k in range(terms):
            by, total = power[k], 0.0
            for c in range(low, high):
                left, right = messages[one + c], messages[two + c]
                weight = by * share[c]
                d_messages[one + c] += weight * right
                d_messages[two + c] += weight * left
                total += share[c] * left * right
            if k > 0:
                by_rho += k * power[k - 1] * total
            one += np.uint64(inner)
            two += np.uint64(inner)
    gradient[element] += by_rho
