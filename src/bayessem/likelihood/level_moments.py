"""Matrices of a two-level model to moments of its levels and of its random effects, and back.

Legend as in moments.py and level_kernel.py. The random slopes of a cluster are latent variables of
level 2; at level 1 each is the coefficient of a path.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.kernel import proper_blocks
from bayessem.likelihood.moments import latent_moments, pull_latent_moments, split


@compiled
def level_moments(plan, elements, block):
    """Implied moments of a block: (ok, A, A Psi, V, a, covariance, mean)."""
    p, m = plan.sizes[0], plan.sizes[1]
    loadings, paths, disturbances, residuals, intercepts, means, _ = split(elements, block, p, m, 0)
    ok, total, spread, latent_cov, latent_mean = latent_moments(paths, disturbances, means)
    covariance = np.dot(np.dot(loadings, latent_cov), loadings.T) + residuals
    mean = np.dot(loadings, latent_mean) + intercepts
    ok = ok and proper_blocks(plan, block, disturbances, residuals)
    return ok, total, spread, latent_cov, latent_mean, covariance, mean


@compiled
def pull_level_moments(plan, elements, gradient, block, moments, d_covariance, d_mean, more):
    """Adjoint of `level_moments`: adds to the gradient.

    more : derivatives by loadings, A, V and a that do not go through covariance and mean.
    """
    p, m = plan.sizes[0], plan.sizes[1]
    loadings = split(elements, block, p, m, 0)[0]
    d_loadings, d_paths, d_disturbances, d_residuals, d_intercepts, d_means, _ = split(
        gradient, block, p, m, 0
    )
    _, total, spread, latent_cov, latent_mean, _, _ = moments
    by_loadings, by_total, by_latent_cov, by_latent_mean = more
    d_residuals += d_covariance
    d_intercepts += d_mean
    half = np.dot(d_covariance, loadings)
    d_loadings += 2.0 * np.dot(half, latent_cov) + by_loadings
    for i in range(p):
        for j in range(m):
            d_loadings[i, j] += d_mean[i] * latent_mean[j]
    pull_latent_moments(
        total,
        spread,
        np.dot(loadings.T, half) + by_latent_cov,
        np.dot(loadings.T, d_mean) + by_latent_mean,
        by_total,
        latent_mean,
        (d_paths, d_disturbances, d_means),
    )


@compiled
def effect_loadings(plan, elements, block, total):
    """L: what each random effect of a cluster is multiplied by, (within, effect), apart from x."""
    p, m = plan.sizes[0], plan.sizes[1]
    loadings = split(elements, block, p, m, 0)[0]
    q, y = plan.split.size, plan.within.size
    out = np.zeros((y, plan.effects.size))
    for a in range(q):
        out[plan.split_at[a], a] = 1.0
    for k in range(plan.slope_outcome.size):
        for v in range(y):
            s = 0.0
            for j in range(m):
                s += loadings[plan.within[v], j] * total[j, plan.slope_outcome[k]]
            out[v, q + k] = s
    return out


@compiled
def pull_effect_loadings(plan, elements, block, total, d_effect, d_loadings, d_total):
    """Adjoint of `effect_loadings`."""
    p, m = plan.sizes[0], plan.sizes[1]
    loadings = split(elements, block, p, m, 0)[0]
    q = plan.split.size
    for k in range(plan.slope_outcome.size):
        o = plan.slope_outcome[k]
        for v in range(plan.within.size):
            g, i = d_effect[v, q + k], plan.within[v]
            for j in range(m):
                d_loadings[i, j] += g * total[j, o]
                d_total[j, o] += g * loadings[i, j]


@compiled
def with_slopes(plan, elements, block, moments):
    """Covariance and mean of level 2 with the random slopes after the p observed variables."""
    p, m, k = plan.sizes[0], plan.sizes[1], plan.slope_latent.size
    if k == 0:
        return moments[5], moments[6]
    loadings = split(elements, block, p, m, 0)[0]
    latent_cov, latent_mean = moments[3], moments[4]
    covariance, mean = np.empty((p + k, p + k)), np.empty(p + k)
    covariance[:p, :p] = moments[5]
    mean[:p] = moments[6]
    for t in range(k):
        own = plan.slope_latent[t]
        mean[p + t] = latent_mean[own]
        for i in range(p):
            s = 0.0
            for j in range(m):
                s += loadings[i, j] * latent_cov[j, own]
            covariance[i, p + t] = s
            covariance[p + t, i] = s
        for u in range(k):
            covariance[p + t, p + u] = latent_cov[own, plan.slope_latent[u]]
    return covariance, mean


@compiled
def pull_with_slopes(plan, elements, block, moments, d_covariance, d_mean, more):
    """Adjoint of `with_slopes` for what it adds; `more` as in `pull_level_moments`."""
    p, m, k = plan.sizes[0], plan.sizes[1], plan.slope_latent.size
    loadings = split(elements, block, p, m, 0)[0]
    latent_cov = moments[3]
    d_loadings, _, d_latent_cov, d_latent_mean = more
    for t in range(k):
        own = plan.slope_latent[t]
        d_latent_mean[own] += d_mean[p + t]
        for i in range(p):
            g = d_covariance[i, p + t] + d_covariance[p + t, i]
            for j in range(m):
                d_loadings[i, j] += g * latent_cov[j, own]
                d_latent_cov[j, own] += 0.5 * g * loadings[i, j]
                d_latent_cov[own, j] += 0.5 * g * loadings[i, j]
        for u in range(k):
            d_latent_cov[own, plan.slope_latent[u]] += d_covariance[p + t, p + u]
