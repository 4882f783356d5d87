"""One respondent's log integrand over z, the latents integrated numerically, as polynomials of z.

Given z and the analytically integrated w, y = mu0 + D c + e with c = c_M(z, x) + sum w_a c_a(z, x)
the monomials (products.py; x data). With U = D'W r and Q = D'WD the integral over w gives

    g(z) = U.c_M - c_M'Q c_M / 2 - |z|^2 / 2 - log|H| / 2 + t'H^-1 t / 2,
    t_a = c_a.U - c_a'Q c_M,   H_ab = delta_ab + c_a'Q c_b,   w | z ~ normal(H^-1 t, H^-1).

All of base = U.c_M - ..., t and H are polynomials of z in the same few monomials, so their
coefficients are collected once a respondent and a node costs a few dot products. Nodes are worked
on in batches: the innermost loops run over nodes, several of which the processor does at once.

A symmetric q-by-q matrix is stored as rows (a, b), a >= b, at a (a + 1) / 2 + b.
"""

from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import compiled


class Tables(NamedTuple):
    """The monomials of a model without the constant one; shapes in products.py."""

    weight: np.ndarray  # (monomial,) entry of w in it, or -1
    data: np.ndarray  # (monomial, o) powers of x
    part: np.ndarray  # (monomial,) its powers of z, as a node monomial
    pair: np.ndarray  # (monomial, monomial) powers of z of a product of two, as a node monomial
    powers: np.ndarray  # (node monomial, k)
    lower: np.ndarray  # (node monomial, k) the one with one power less, or -1
    axis: np.ndarray  # (node monomial,) an entry of z in it


class Surface(NamedTuple):
    """Coefficients of one respondent's polynomials, and what they are collected from."""

    base: np.ndarray  # (node monomial,)
    cross: np.ndarray  # (q, node monomial) of t
    inner: np.ndarray  # (q (q + 1) / 2, node monomial) of H
    scale: np.ndarray  # (monomial,) powers of x
    pulled: np.ndarray  # (monomial,) U
    gram: np.ndarray  # (monomial, monomial) Q


class Batch(NamedTuple):
    """Nodes, and the surface at them."""

    z: np.ndarray  # (k, node)
    at: np.ndarray  # (node monomial, node)
    value: np.ndarray  # (node,) g + log|H| / 2
    logdet: np.ndarray  # (node,) log|H|
    mean: np.ndarray  # (q, node) t, then the mean H^-1 t of w
    spread: np.ndarray  # (q (q + 1) / 2, node) H, then H^-1


@compiled
def tables(plan):
    """Copies of the plan's tables."""
    k, monomials, o, nodes = plan.sizes[6], plan.sizes[7], plan.sizes[8], plan.sizes[9]
    size = monomials - 1
    pair = np.empty((size, size), dtype=np.int64)
    data = np.empty((size, o), dtype=np.int64)
    for j in range(size):
        for r in range(size):
            pair[j, r] = plan.node_pair[(j + 1) * monomials + r + 1]
        for s in range(o):
            data[j, s] = plan.data_exponent[(j + 1) * o + s]
    powers = np.empty((nodes, k), dtype=np.int64)
    lower = np.empty((nodes, k), dtype=np.int64)
    axis = np.zeros(nodes, dtype=np.int64)
    for e in range(nodes):
        for i in range(k):
            powers[e, i] = plan.node_exponent[e * k + i]
            lower[e, i] = plan.node_lower[e * k + i]
            if powers[e, i]:
                axis[e] = i
    return Tables(plan.weight_of[1:], data, plan.node_of[1:], pair, powers, lower, axis)


@compiled
def new_batch(k, q, monomials, width):
    """Room for `width` nodes."""
    return Batch(
        np.zeros((k, width)),
        np.ones((monomials, width)),
        np.zeros(width),
        np.zeros(width),
        np.zeros((q, width)),
        np.zeros((q * (q + 1) // 2, width)),
    )


@compiled
def collect_gram(table, surface):
    """Overwrite the polynomials with the parts of them that do not depend on U."""
    surface.base[:] = 0.0
    surface.cross[:] = 0.0
    surface.inner[:] = 0.0
    for j in range(table.part.size):
        a = table.weight[j]
        for r in range(table.part.size):
            b = table.weight[r]
            term = surface.gram[j, r] * surface.scale[j] * surface.scale[r]
            e = table.pair[j, r]
            if a < 0 and b < 0:
                surface.base[e] -= 0.5 * term
            elif b < 0:
                surface.cross[a, e] -= term
            elif a >= b >= 0:
                surface.inner[a * (a + 1) // 2 + b, e] += term
    for i in range(table.powers.shape[1]):  # the standard normal density; monomial i is z_i
        surface.base[table.pair[i, i]] -= 0.5
    for a in range(surface.cross.shape[0]):
        surface.inner[a * (a + 1) // 2 + a, 0] += 1.0


@compiled
def add_pulled(table, surface, sign):
    """Add the parts of the polynomials linear in U, or with sign -1 take them off again."""
    weight, part, pulled, scale = table.weight, table.part, surface.pulled, surface.scale
    base, cross = surface.base, surface.cross
    for j in range(part.size):
        term = sign * pulled[j] * scale[j]
        if weight[j] < 0:
            base[part[j]] += term
        else:
            cross[weight[j], part[j]] += term


@compiled
def place(table, z, at, n):
    """Node monomials `at` (node monomial, node) of the first n nodes z (k, node)."""
    axis, lower = table.axis, table.lower
    for e in range(1, axis.size):
        i = axis[e]
        below = lower[e, i]
        for b in range(n):
            at[e, b] = at[below, b] * z[i, b]


@compiled
def _solve(t_mean, spread, value, logdet, n):
    """H to H^-1, t to H^-1 t, value += t'H^-1 t / 2, and log|H|, node by node (q > 1)."""
    q = t_mean.shape[0]
    root = np.empty((q, q))
    t = np.empty(q)
    for b in range(n):
        log_root = 0.0
        for i in range(q):  # H = R R'
            for j in range(i + 1):
                s = spread[i * (i + 1) // 2 + j, b]
                for r in range(j):
                    s -= root[i, r] * root[j, r]
                if i == j:
                    root[i, i] = np.sqrt(s)
                    log_root += np.log(root[i, i])
                else:
                    root[i, j] = s / root[j, j]
        for j in range(q):  # R^-1 in place of R
            root[j, j] = 1.0 / root[j, j]
            for i in range(j + 1, q):
                s = 0.0
                for r in range(j, i):
                    s -= root[i, r] * root[r, j]
                root[i, j] = s / root[i, i]
        for i in range(q):
            t[i] = t_mean[i, b]
            t_mean[i, b] = 0.0
        for i in range(q):
            for j in range(i + 1):
                s = 0.0
                for r in range(i, q):
                    s += root[r, i] * root[r, j]
                spread[i * (i + 1) // 2 + j, b] = s
                t_mean[i, b] += s * t[j]
                if j < i:
                    t_mean[j, b] += s * t[i]
        for i in range(q):
            value[b] += 0.5 * t_mean[i, b] * t[i]
        logdet[b] = 2.0 * log_root


@compiled
def evaluate(surface, batch, n):
    """Fill value, logdet, mean and spread of the first n nodes of a batch from its `at`."""
    at, value, logdet, mean, spread = batch.at, batch.value, batch.logdet, batch.mean, batch.spread
    base, cross, inner = surface.base, surface.cross, surface.inner
    monomials, q = at.shape[0], mean.shape[0]
    for b in range(n):
        value[b] = base[0]
    for e in range(1, monomials):
        for b in range(n):
            value[b] += base[e] * at[e, b]
    for a in range(q):
        for b in range(n):
            mean[a, b] = cross[a, 0]
        for e in range(1, monomials):
            for b in range(n):
                mean[a, b] += cross[a, e] * at[e, b]
    for a in range(spread.shape[0]):
        for b in range(n):
            spread[a, b] = inner[a, 0]
        for e in range(1, monomials):
            for b in range(n):
                spread[a, b] += inner[a, e] * at[e, b]
    if q > 1:
        _solve(mean, spread, value, logdet, n)
    elif q == 1:
        for b in range(n):
            logdet[b] = np.log(spread[0, b])
        for b in range(n):
            h = 1.0 / spread[0, b]
            value[b] += 0.5 * mean[0, b] * mean[0, b] * h
            mean[0, b] *= h
            spread[0, b] = h


@compiled
def accumulate(batch, weight, sums, n):
    """Add the sums over n nodes of weight * (1, E[w], E[w w']) times the node monomials.

    sums : (1 + q + q (q + 1) / 2, node monomial).  The batch's spread is used up.
    """
    at, mean, spread = batch.at, batch.mean, batch.spread
    monomials, q = at.shape[0], mean.shape[0]
    for e in range(monomials):
        s = 0.0
        for b in range(n):
            s += weight[b] * at[e, b]
        sums[0, e] += s
    for i in range(q):
        for j in range(i + 1):
            row = i * (i + 1) // 2 + j
            for b in range(n):
                spread[row, b] = weight[b] * (spread[row, b] + mean[i, b] * mean[j, b])
            for e in range(monomials):
                s = 0.0
                for b in range(n):
                    s += spread[row, b] * at[e, b]
                sums[1 + q + row, e] += s
    for i in range(q):
        for b in range(n):
            mean[i, b] *= weight[b]
        for e in range(monomials):
            s = 0.0
            for b in range(n):
                s += mean[i, b] * at[e, b]
            sums[1 + i, e] += s


@compiled
def slope(table, surface, batch, slopes, bent, gradient, curvature):
    """Gradient of g + log|H| / 2 at the first node of an evaluated batch, and the curvature.

    The curvature is that of Gauss and Newton, which ignores how the monomials bend: the identity
    plus a positive semi-definite matrix, wherever z is. Only its lower triangle is filled.
    slopes, bent : (monomial, k + q + 1) room.
    """
    part, weight, powers, lower = table.part, table.weight, table.powers, table.lower
    scale, pulled, gram = surface.scale, surface.pulled, surface.gram
    at, mean, spread = batch.at, batch.mean, batch.spread
    size, k, q = part.size, gradient.size, mean.shape[0]
    for j in range(size):  # slopes of c by z, then by w; c itself comes last
        e, a = part[j], weight[j]
        factor = scale[j]
        for i in range(k, k + q):
            slopes[j, i] = 0.0
        if a >= 0:
            slopes[j, k + a] = factor * at[e, 0]
            factor *= mean[a, 0]
        slopes[j, k + q] = factor * at[e, 0]
        for i in range(k):
            slopes[j, i] = factor * powers[e, i] * at[lower[e, i], 0] if powers[e, i] else 0.0
    for j in range(size):
        for i in range(k + q + 1):
            bent[j, i] = 0.0
        for r in range(size):
            for i in range(k + q + 1):
                bent[j, i] += gram[j, r] * slopes[r, i]
    for i in range(k):
        s = -batch.z[i, 0]
        for j in range(size):
            s += slopes[j, i] * (pulled[j] - bent[j, k + q])
        gradient[i] = s
        for r in range(i + 1):
            s = 1.0 if i == r else 0.0
            for j in range(size):
                s += slopes[j, i] * bent[j, r]
            curvature[i, r] = s
    # less what w takes over: B' H^-1 B with B = c_w' Q c_z, kept where c by z no longer is needed
    taken = slopes
    for i in range(k):
        for a in range(q):
            s = 0.0
            for j in range(size):
                s += slopes[j, k + a] * bent[j, i]
            taken[a, i] = s
    for i in range(k):
        for r in range(i + 1):
            for a in range(q):
                for b in range(q):
                    row = a * (a + 1) // 2 + b if a >= b else b * (b + 1) // 2 + a
                    curvature[i, r] -= taken[a, i] * spread[row, 0] * taken[b, r]
