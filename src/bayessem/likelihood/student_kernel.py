"""Log-likelihood and gradient of models whose respondents have heavy tails: a multivariate t.

All that is random about a respondent, disturbances and residuals alike, is drawn from a normal
distribution and divided by the root of one gamma variable with mean 1 and shape nu / 2: some
respondents are outlying in everything. Given the covariates x of the model, the p other variables
y are then t with nu degrees of freedom. With mu and Sigma their mean and covariance matrix (the
scale matrix is (nu - 2) / nu Sigma; nu > 2) and q = (y - mu)' Sigma^-1 (y - mu),

    log f = log G((nu + p) / 2) - log G(nu / 2) - p / 2 log(pi (nu - 2)) - log|Sigma| / 2
            - (nu + p) / 2 log(1 + q / (nu - 2)).

What is missing drops out, since marginals of a multivariate t are t with the same nu. q and
log|Sigma| are those of y and x together less those of x, whose moments are constants.

Lange, Little & Taylor (1989), Robust statistical modeling using the t distribution. Journal of the
American Statistical Association, 84, 881-896. doi:10.1080/01621459.1989.10478852
"""

import math

import numpy as np

from bayessem.likelihood.compiled import compiled, inlined
from bayessem.likelihood.dense import spd_inverse
from bayessem.likelihood.kernel import select
from bayessem.likelihood.observed_moments import observed_moments, pull_observed_moments
from bayessem.likelihood.special import digamma
from bayessem.likelihood.student_plan import unpack_student


@compiled
def _log_t(q, nu, p, constant):
    """Log-density of a respondent at the squared distance q, and its derivatives by q and nu.

    constant : what of the density and of its derivative by nu is the same for all, (2,).
    """
    c = nu - 2.0
    power = 0.5 * (nu + p)
    log_ratio = math.log1p(q / c)
    by_q = -power / (c + q)
    by_nu = constant[1] - 0.5 * log_ratio - by_q * q / c
    return constant[0] - power * log_ratio, by_q, by_nu


@compiled
def _constants(nu, p, logdet, out):
    """What `_log_t` needs of p variables with this log-determinant."""
    c = nu - 2.0
    out[0] = math.lgamma(0.5 * (nu + p)) - math.lgamma(0.5 * nu)
    out[0] -= 0.5 * (p * math.log(math.pi * c) + logdet)
    out[1] = 0.5 * (digamma(0.5 * (nu + p)) - digamma(0.5 * nu) - p / c)


@compiled
def _centred(plan, index, mean):
    """Rows of a pattern less their mean, (respondent, observed)."""
    n, width = plan.pattern_count[index], plan.pattern_width[index]
    at, first = plan.pattern_rows_at[index], plan.pattern_at[index]
    rows = plan.numbers[at : at + n * width].reshape(n, width)
    local = np.empty(width)
    for j in range(width):
        local[j] = mean[plan.pattern_variables[first + j]]
    out = np.empty((n, width))
    for i in range(n):
        for j in range(width):
            out[i, j] = rows[i, j] - local[j]
    return out


@compiled
def _pattern(plan, index, start, mean, covariance, nu, d_mean, d_covariance, by_respondent):
    """A pattern's log-likelihood and its derivative by nu; adds to those by the moments.

    start : the place of its first respondent.
    """
    width = plan.pattern_width[index]
    first = plan.pattern_at[index]
    variables = plan.pattern_variables[first : first + width]
    observed = np.empty((width, width))
    select(covariance, variables, observed)
    inverse = np.empty((width, width))
    logdet = spd_inverse(observed, inverse)
    if np.isnan(logdet):
        return -np.inf, 0.0
    centred = _centred(plan, index, mean)
    weighted = np.dot(centred, inverse)
    scaled = np.empty_like(weighted)
    constant = np.empty(2)
    p = width - plan.sizes[4]
    _constants(nu, p, logdet - plan.given_logdet[plan.pattern_group[index]], constant)
    value, d_nu, everybody = 0.0, 0.0, 0.0
    g_mean = np.zeros(width)
    for i in range(len(centred)):
        q = -plan.given_form[start + i]
        for j in range(width):
            q += centred[i, j] * weighted[i, j]
        one, by_q, by_nu = _log_t(max(q, 0.0), nu, p, constant)
        w = plan.weights[start + i]
        value += w * one
        d_nu += w * by_nu
        everybody += w
        pull = -2.0 * w * by_q
        for j in range(width):
            scaled[i, j] = pull * weighted[i, j]
            g_mean[j] += scaled[i, j]
        if by_respondent.size:
            by_respondent[start + i] = one
    g_cov = np.dot(weighted.T, scaled)
    for i in range(width):
        d_mean[variables[i]] += g_mean[i]
        for j in range(width):
            g = 0.5 * (g_cov[i, j] - everybody * inverse[i, j])
            d_covariance[variables[i], variables[j]] += g
    return value, d_nu


@compiled
def _student_group(plan, group, elements, gradient, by_respondent):
    """Log-likelihood of one group; adds to the gradient by its matrices, elements of its own."""
    p = plan.sizes[0]
    nu = elements[elements.size - 1]
    ok, covariance, mean, latent = observed_moments(plan, group, elements)
    if not (nu > 2.0 and ok):
        return -np.inf
    d_covariance, d_mean = np.zeros((p, p)), np.zeros(p)
    value, start = 0.0, 0
    for index in range(plan.sizes[3]):
        if plan.pattern_group[index] == group:
            own, d_nu = _pattern(
                plan, index, start, mean, covariance, nu, d_mean, d_covariance, by_respondent
            )
            if not own > -np.inf:
                return -np.inf
            value += own
            gradient[gradient.size - 1] += d_nu
        start += plan.pattern_count[index]
    pull_observed_moments(plan, elements, latent, d_covariance, d_mean, gradient)
    return value


@inlined
def evaluate_student(elements, ints, floats, gradient, by_respondent):
    """Log-likelihood of all respondents; student_entry.py is how the rest of the program calls it.

    gradient is overwritten with the derivatives by elements and by_respondent, unless it is empty,
    with log p(y_i | x_i), both as in kernel.py. Elements of a group end with its nu.
    """
    plan = unpack_student(ints[1:], floats)
    gradient[:] = 0.0
    by_respondent[:] = 0.0
    value = 0.0
    size = elements.size // plan.sizes[2]
    for group in range(plan.sizes[2]):
        part = slice(group * size, (group + 1) * size)
        value += _student_group(plan, group, elements[part], gradient[part], by_respondent)
        if not value > -np.inf:
            gradient[:] = 0.0
            by_respondent[:] = -np.inf
            return -np.inf
    return value
