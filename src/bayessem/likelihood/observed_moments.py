"""Mean and covariance of the observed variables of a linear model, and back: one group's elements.

Legend as in moments.py: Sigma = Lambda V Lambda' + Theta, mu = nu + Lambda a.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.kernel import proper_blocks
from bayessem.likelihood.moments import latent_moments, pull_latent_moments, split


@compiled
def observed_moments(plan, group, elements):
    """Sigma (p, p), mu (p,), and what the adjoint needs of the latent variables.

    The flag is False when I - B is singular, or a block that the plan lists is not positive
    definite. plan : with sizes that begin with p and m, and `proper`.
    """
    p, m = plan.sizes[0], plan.sizes[1]
    loadings, paths, disturbances, residuals, intercepts, means, _ = split(elements, 0, p, m, 0)
    ok, total, spread, latent_cov, latent_mean = latent_moments(paths, disturbances, means)
    covariance = np.dot(np.dot(loadings, latent_cov), loadings.T)
    covariance += residuals
    mean = np.dot(loadings, latent_mean)
    mean += intercepts
    ok = ok and proper_blocks(plan, group, disturbances, residuals)
    return ok, covariance, mean, (total, spread, latent_cov, latent_mean)


@compiled
def pull_observed_moments(plan, elements, latent, d_covariance, d_mean, gradient):
    """Adjoint of `observed_moments`: adds to the derivatives by the group's elements.

    d_covariance : (p, p), symmetric.
    """
    p, m = plan.sizes[0], plan.sizes[1]
    total, spread, latent_cov, latent_mean = latent
    loadings, _, _, _, _, _, _ = split(elements, 0, p, m, 0)
    d_loadings, d_paths, d_disturbances, d_residuals, d_intercepts, d_means, _ = split(
        gradient, 0, p, m, 0
    )
    d_residuals += d_covariance
    d_intercepts += d_mean
    half = np.dot(d_covariance, loadings)
    d_loadings += 2.0 * np.dot(half, latent_cov)
    for i in range(p):
        for j in range(m):
            d_loadings[i, j] += d_mean[i] * latent_mean[j]
    pull_latent_moments(
        total,
        spread,
        np.dot(loadings.T, half),
        np.dot(loadings.T, d_mean),
        np.zeros((m, m)),
        latent_mean,
        (d_paths, d_disturbances, d_means),
    )
