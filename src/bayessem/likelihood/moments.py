"""Model matrices to moments and back: the algebra around the likelihood, forward and adjoint.

Legend (METHODS.md, section 1): Lambda loadings, B paths, Psi disturbance covariances, Theta
residual covariances, nu intercepts, alpha latent means, Omega coefficients of the products;
A = (I - B)^-1; V = A Psi A' and a = A alpha are the covariance and mean of the linear part of the
latents.

Product terms (Klein & Moosbrugger 2000, doi:10.1007/BF02296338): let F be the latents that enter
products, G the Cholesky factor of V_FF and u ~ N(0, I) with eta_F = a_F + G u (linear part). Then
eta = C b(u, x) + e with b the monomials 1, u, and powers of u and of the observed factors x (data,
see products.py), row f of C the polynomial of latent f, and e Gaussian with covariance V - N N',
N = V_F G^-T, that does not depend on u. So y given u is Gaussian with mean nu + Lambda C b(u, x)
and covariance Lambda (V - N N') Lambda' + Theta.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.dense import cholesky_lower, general_inverse, lower_inverse


@compiled
def split(elements, group, p, m, h):
    """The seven matrices of one group as views of the flat elements."""
    at = group * (p * m + 2 * m * m + p * p + p + m + m * h)
    loadings = elements[at : at + p * m].reshape(p, m)
    at += p * m
    paths = elements[at : at + m * m].reshape(m, m)
    at += m * m
    disturbances = elements[at : at + m * m].reshape(m, m)
    at += m * m
    residuals = elements[at : at + p * p].reshape(p, p)
    at += p * p
    intercepts = elements[at : at + p]
    at += p
    means = elements[at : at + m]
    at += m
    products = elements[at : at + m * h].reshape(m, h)
    return loadings, paths, disturbances, residuals, intercepts, means, products


@compiled
def latent_moments(paths, disturbances, means):
    """A, A Psi, V and a; the flag is False when I - B is singular."""
    m = paths.shape[0]
    total = np.empty((m, m))
    identity_less_paths = -paths
    for i in range(m):
        identity_less_paths[i, i] += 1.0
    ok = general_inverse(identity_less_paths, total)
    spread = np.dot(total, disturbances)
    covariance = np.dot(spread, total.T)
    return ok, total, spread, covariance, np.dot(total, means)


@compiled
def pull_latent_moments(total, spread, d_covariance, d_mean, d_total, mean, gradient):
    """Adjoint of `latent_moments`: adds to the paths, disturbances and means of `gradient`."""
    d_paths, d_disturbances, d_means = gradient
    # V = A Psi A': dPsi = A' dV A, dA = (dV + dV') A Psi; a = A alpha; dB = A' dA A'
    d_disturbances += np.dot(np.dot(total.T, d_covariance), total)
    left = np.dot(total.T, d_total + np.dot(d_covariance + d_covariance.T, spread))
    d_paths += np.dot(left, total.T)
    pulled = np.dot(total.T, d_mean)
    d_means += pulled
    for i in range(pulled.size):  # da alpha' A' = da a'
        for j in range(pulled.size):
            d_paths[i, j] += pulled[i] * mean[j]


@compiled
def _multiply(left, right, table, out):
    """Add the product of two polynomials to a third, by the table of products of monomials."""
    size = left.size
    for a in range(size):
        if left[a] != 0.0:
            for b in range(size):
                c = table[a * size + b]
                if c >= 0:
                    out[c] += left[a] * right[b]


@compiled
def polynomials(covariance, mean, weights, plan):
    """The latents as polynomials of u and x: (ok, G, G^-1, N, product polynomials P, C).

    weights is T = A Omega, the total effect of each product on each latent. C (m + o, monomial)
    ends in the observed factors, the last one first.
    """
    m, h = weights.shape
    f = plan.sizes[5]
    o = plan.sizes[8]
    n_monomials = plan.sizes[7]
    factors, multiplied = plan.factors, plan.product_factors
    table = plan.monomial_product
    block = np.empty((f, f))
    columns = np.empty((m, f))
    for j in range(f):
        for i in range(m):
            columns[i, j] = covariance[i, factors[j]]
        for i in range(f):
            block[i, j] = covariance[factors[i], factors[j]]
    root = np.empty((f, f))
    inverse_root = np.empty((f, f))
    logdet = cholesky_lower(block, root)
    lower_inverse(root, inverse_root)
    linear = np.dot(columns, inverse_root.T)
    latent = np.zeros((m + o, n_monomials))
    product = np.zeros((h, n_monomials))
    for j in range(o):
        latent[m + o - 1 - j, 1 + f + j] = 1.0
    for i in range(m):
        latent[i, 0] = mean[i]
        for j in range(f):
            latent[i, 1 + j] = linear[i, j]
    for t in plan.product_order:
        at, end = plan.product_at[t], plan.product_at[t + 1]
        _multiply(latent[multiplied[at]], latent[multiplied[at + 1]], table, product[t])
        for k in range(at + 2, end):
            part = product[t].copy()
            product[t] = 0.0
            _multiply(part, latent[multiplied[k]], table, product[t])
        for i in range(m):
            w = weights[i, t]
            if w != 0.0:
                for c in range(n_monomials):
                    latent[i, c] += w * product[t, c]
    return logdet == logdet, root, inverse_root, linear, product, latent


@compiled
def _pull_products(product, latent, weights, d_latent, plan):
    """Adjoint of the products and of what they add to the latents, last product first: dT.

    `d_latent` becomes what the derivatives are before any product is added.
    """
    n_monomials = latent.shape[1]
    m, h = weights.shape
    multiplied, table = plan.product_factors, plan.monomial_product
    d_weights = np.empty((m, h))
    d_product = np.empty(n_monomials)
    for t in plan.product_order[::-1]:
        d_product[:] = 0.0
        for i in range(m):
            s = 0.0
            for c in range(n_monomials):
                s += d_latent[i, c] * product[t, c]
                d_product[c] += weights[i, t] * d_latent[i, c]
            d_weights[i, t] = s
        at, end = plan.product_at[t], plan.product_at[t + 1]
        for k in range(end - 1, at, -1):  # the k-th factor and the product of those before it
            before = latent[multiplied[at]]
            for r in range(at + 1, k):
                further = np.zeros(n_monomials)
                _multiply(before, latent[multiplied[r]], table, further)
                before = further
            d_before = np.zeros(n_monomials)
            d_factor = np.zeros(n_monomials)
            factor = latent[multiplied[k]]
            for a in range(n_monomials):
                for b in range(n_monomials):
                    c = table[a * n_monomials + b]
                    if c >= 0:
                        d_before[a] += d_product[c] * factor[b]
                        d_factor[b] += d_product[c] * before[a]
            d_latent[multiplied[k]] += d_factor
            d_product[:] = d_before
        d_latent[multiplied[at]] += d_product
    return d_weights


@compiled
def pull_polynomials(inverse_root, linear, product, latent, weights, d_latent, d_linear, plan):
    """Adjoint of `polynomials`: (dV, da, dT). `d_latent` is used up; `d_linear` adds to dN."""
    m, f, factors = weights.shape[0], plan.sizes[5], plan.factors
    d_weights = _pull_products(product, latent, weights, d_latent, plan)
    d_mean = d_latent[:m, 0].copy()
    for i in range(m):
        for j in range(f):
            d_linear[i, j] += d_latent[i, 1 + j]
    # N = V_F G^-T: dV_F = dN G^-1 and dG = -G^-T dN' N (lower triangle)
    d_columns = np.dot(d_linear, inverse_root)
    d_root = -np.dot(inverse_root.T, np.dot(d_linear.T, linear))
    # adjoint of the Cholesky factorisation: dV_FF = sym(G^-T Phi(G' dG) G^-1)
    root = np.empty((f, f))
    for i in range(f):
        for j in range(f):
            root[i, j] = linear[factors[i], j]
            if j > i:
                d_root[i, j] = 0.0
                root[i, j] = 0.0
    phi = np.dot(root.T, d_root)
    for i in range(f):
        phi[i, i] *= 0.5
        for j in range(i + 1, f):
            phi[i, j] = 0.0
    d_block = np.dot(np.dot(inverse_root.T, phi), inverse_root)
    d_covariance = np.zeros((m, m))
    for j in range(f):
        for i in range(m):
            d_covariance[i, factors[j]] += d_columns[i, j]
        for i in range(f):
            d_covariance[factors[i], factors[j]] += 0.5 * (d_block[i, j] + d_block[j, i])
    return d_covariance, d_mean, d_weights
