"""Three covarying latent variables as a chain of regressions, so that a sum over one is on a line.

The joint density of a block is that of the last variable times that of the middle one given the
last times that of the first given both. Given both, the first depends on one linear predictor
(node_line.py): a table over its nodes takes the place of one over all combinations of three nodes.
The regressions' coefficients are functions of the block's covariance matrix and means; they stand
behind the model's elements as if they were some themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.junction import Elimination
from bayessem.likelihood.node_plan import CHAIN, DERIVED, STRUCTURAL, NodeFactor, TermOf


def is_block(factor: NodeFactor) -> bool:
    """Whether a factor is three variables that nothing explains, each with a mean."""
    return (
        factor.kind == STRUCTURAL
        and len(factor.explained) == len(factor.scope) == 3
        and sorted(t.target for t in factor.terms) == [0, 1, 2]
        and not any(t.powers or t.column >= 0 for t in factor.terms)
    )


def chained(
    factor: NodeFactor, order: Sequence[Elimination], first: int
) -> tuple[tuple[NodeFactor, ...], tuple[int, ...]]:
    """A block (`is_block`) as three equations, causes before effects, and its entry in the plan.

    Parameters
    ----------
    factor : NodeFactor
        The block.
    order : sequence of Elimination
        In which variables are summed out.
    first : int
        Element at which the derived ones are.
    """
    rank = {step.variable: i for i, step in enumerate(order)}
    place = sorted(range(3), key=lambda i: rank[factor.explained[i]])
    v = [factor.explained[i] for i in place]
    mean = [next(t.element for t in factor.terms if t.target == i) for i in place]
    covariance = [factor.variances[3 * i + j] for i in place for j in place]
    # as `derive` fills them
    b12, b13, c1, s1, b23, c2, s2 = range(first, first + DERIVED)

    def equation(own: int, variance: int, *terms: TermOf) -> NodeFactor:
        scope = tuple(sorted({own, *(u for t in terms for u in t.powers)}))
        return replace(factor, scope=scope, terms=terms, variances=(variance,), explained=(own,))

    return (
        equation(v[2], covariance[8], TermOf(mean[2])),
        equation(v[1], s2, TermOf(c2), TermOf(b23, {v[2]: 1})),
        equation(v[0], s1, TermOf(c1), TermOf(b12, {v[1]: 1}), TermOf(b13, {v[2]: 1})),
    ), (*covariance, *mean, first)


@compiled
def derive(plan, elements, out):
    """Elements with the derived ones behind them; False where a block has no covariance matrix."""
    out[: elements.size] = elements
    for i in range(plan.chain.size // CHAIN):
        at = plan.chain[CHAIN * i : CHAIN * (i + 1)]
        a, p, q, d = elements[at[0]], elements[at[1]], elements[at[2]], elements[at[4]]
        e, f = elements[at[5]], elements[at[8]]
        m1, m2, m3 = elements[at[9]], elements[at[10]], elements[at[11]]
        det = d * f - e * e
        if not (f > 0.0 and det > 0.0):
            return False
        b12, b13, b23 = (p * f - q * e) / det, (q * d - p * e) / det, e / f
        s1, first = a - b12 * p - b13 * q, at[12]
        if not s1 > 0.0:
            return False
        out[first], out[first + 1] = b12, b13
        out[first + 2], out[first + 3] = m1 - b12 * m2 - b13 * m3, s1
        out[first + 4], out[first + 5], out[first + 6] = b23, m2 - b23 * m3, det / f
    return True


@compiled
def pull_derived(plan, elements, by, gradient):
    """Adds what derivatives by the derived elements, in `by`, are by those they are made of."""
    for i in range(plan.chain.size // CHAIN):
        at = plan.chain[CHAIN * i : CHAIN * (i + 1)]
        p, q, d = elements[at[1]], elements[at[2]], elements[at[4]]
        e, f = elements[at[5]], elements[at[8]]
        m2, m3, first = elements[at[10]], elements[at[11]], at[12]
        det = d * f - e * e
        b12, b13, b23 = (p * f - q * e) / det, (q * d - p * e) / det, e / f
        c1, s1, c2, s2 = by[first + 2], by[first + 3], by[first + 5], by[first + 6]
        g12 = by[first] - c1 * m2 - s1 * p
        g13 = by[first + 1] - c1 * m3 - s1 * q
        g23 = by[first + 4] - c2 * m3 - s2 * e
        # of the two slopes: the inverse covariance matrix of the causes, once more
        r2, r3 = (g12 * f - g13 * e) / det, (g13 * d - g12 * e) / det
        gradient[at[0]] += s1
        gradient[at[4]] += s2 - r2 * b12
        gradient[at[8]] -= r3 * b13 + g23 * b23 / f
        gradient[at[9]] += c1
        gradient[at[10]] += c2 - c1 * b12
        gradient[at[11]] -= c1 * b13 + c2 * b23
        # each covariance stands twice
        for one, other, g in (
            (at[1], at[3], r2 - s1 * b12),
            (at[2], at[6], r3 - s1 * b13),
            (at[5], at[7], g23 / f - s2 * b23 - r2 * b13 - r3 * b12),
        ):
            gradient[one] += 0.5 * g
            gradient[other] += 0.5 * g
