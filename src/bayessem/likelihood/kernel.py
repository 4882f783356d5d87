"""Log-likelihood of a model and its gradient: value, analytic gradient, one number a respondent.

`elements` are the model matrices of all groups (plan.py), `ints` and `floats` the packed plan. A
covariance that is not positive definite gives -inf and a zero gradient, never an exception: inside
a sampler that is a rejected proposal.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.dense import cholesky_lower, spd_inverse
from bayessem.likelihood.moments import (
    latent_moments,
    polynomials,
    pull_latent_moments,
    pull_polynomials,
    split,
)
from bayessem.likelihood.plan import SUMS, unpack
from bayessem.likelihood.terms import product_terms

LOG_2PI = np.log(2.0 * np.pi)


@compiled
def select(full, index, out):
    """The rows and columns of a square matrix at these positions, into out."""
    for i in range(index.size):
        for j in range(index.size):
            out[i, j] = full[index[i], index[j]]


@compiled
def _project(rows, mean, columns, out):
    """(rows - mean) @ columns, without forming the difference."""
    np.dot(rows, columns, out)
    shift = np.dot(mean, columns)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] -= shift[j]


@compiled
def _observed_factors(plan, variables, rows):
    """Columns of the rows that are factors of product terms, (respondent, o)."""
    out = np.empty((rows.shape[0], plan.observed_factors.size))
    for s in range(plan.observed_factors.size):
        for j in range(variables.size):
            if variables[j] == plan.observed_factors[s]:
                out[:, s] = rows[:, j]
    return out


@compiled
def _respondent_forms(rows, mean, inverse, logdet, out):
    """Log-density of each row under the normal with this mean and inverse covariance."""
    n, p = rows.shape
    centred = np.empty((n, p))
    for i in range(n):
        for j in range(p):
            centred[i, j] = rows[i, j] - mean[j]
    weighted = np.dot(centred, inverse)
    for i in range(n):
        s = 0.0
        for j in range(p):
            s += weighted[i, j] * centred[i, j]
        out[i] = -0.5 * (p * LOG_2PI + logdet + s)


@compiled
def _sums_of_terms(plan, index, width, n_columns, difference):
    """Sums over a pattern's respondents of c, c c' and r c', r their deviations from the model."""
    at = plan.pattern_terms_at[index]
    total = plan.numbers[at : at + n_columns].copy()
    at += n_columns
    cross = plan.numbers[at : at + width * n_columns].reshape(width, n_columns).copy()
    at += width * n_columns
    second = plan.numbers[at : at + n_columns * n_columns].reshape(n_columns, n_columns).copy()
    for i in range(width):
        for j in range(n_columns):
            cross[i, j] += difference[i] * total[j]
    return total, second, cross


@compiled
def _add_terms(plan, variables, rows, mean, w_design, gram, out):
    """Add to each respondent's log-density what products of observed variables do to the mean."""
    n, size = rows.shape[0], w_design.shape[1]
    data = _observed_factors(plan, variables, rows)
    projected = np.empty((n, size))
    _project(rows, mean, w_design, projected)
    o = data.shape[1]
    c = np.empty(size)
    for i in range(n):
        for j in range(size):
            c[j] = 1.0
            for s in range(o):
                for _ in range(plan.data_exponent[(j + 1) * o + s]):
                    c[j] *= data[i, s]
        for j in range(size):
            out[i] += c[j] * projected[i, j]
            for r in range(size):
                out[i] -= 0.5 * c[j] * gram[j, r] * c[r]


@compiled
def _pattern(
    plan,
    index,
    mean,
    covariance,
    design,
    curve,
    d_mean,
    d_covariance,
    d_design,
    d_curve,
    by_respondent,
):
    """One missingness pattern: its log-likelihood; adds to the derivatives by the group's moments.

    design (p, c) maps the columns of products.py to the indicators' means (c = 0: linear model).
    curve : (curved,) what the last of them is on a contour.
    by_respondent : empty, or one place a respondent of the pattern to fill.
    """
    n, weight = plan.pattern_count[index], plan.pattern_weight[index]
    width = plan.pattern_width[index]
    at = plan.pattern_at[index]
    variables = plan.pattern_variables[at : at + width]
    at = plan.pattern_mean_at[index]
    sample_mean = plan.numbers[at : at + width]
    at = plan.pattern_cov_at[index]
    sample_cov = plan.numbers[at : at + width * width].reshape(width, width)
    at = plan.pattern_rows_at[index]
    n_columns = design.shape[1]

    complete = width == covariance.shape[0]
    for i in range(width):
        complete = complete and variables[i] == i
    observed = covariance
    if not complete:
        observed = np.empty((width, width))
        select(covariance, variables, observed)
    inverse = np.empty((width, width))
    logdet = spd_inverse(observed, inverse)
    if np.isnan(logdet):
        return -np.inf
    difference = np.empty(width)
    local_mean = np.empty(width)
    for i in range(width):
        local_mean[i] = mean[variables[i]]
        difference[i] = sample_mean[i] - local_mean[i]
    moment = np.empty((width, width))
    for i in range(width):
        for j in range(width):
            moment[i, j] = sample_cov[i, j] + difference[i] * difference[j]
    weighted = np.dot(inverse, moment)
    trace = 0.0
    for i in range(width):
        trace += weighted[i, i]
    value = -0.5 * weight * (width * LOG_2PI + logdet + trace)
    if by_respondent.size:
        rows = plan.numbers[at : at + n * width].reshape(n, width)
        _respondent_forms(rows, local_mean, inverse, logdet, by_respondent)

    g_mean = np.dot(inverse, difference)
    g_mean *= weight
    g_cov = np.dot(weighted, inverse)
    for i in range(width):
        for j in range(width):
            g_cov[i, j] = 0.5 * weight * (g_cov[i, j] - inverse[i, j])

    if n_columns:
        rows = plan.numbers[at : at + n * width].reshape(n, width)
        local = np.empty((width, n_columns))
        for i in range(width):
            for j in range(n_columns):
                local[i, j] = design[variables[i], j]
        w_design = np.dot(inverse, local)
        gram = np.dot(local.T, w_design)
        if plan.sizes[10] == SUMS:  # all factors are observed: c is data, and sums of it suffice
            total, second, cross = _sums_of_terms(plan, index, width, n_columns, difference)
            value += np.sum(w_design * cross) - 0.5 * np.sum(gram * second)
            if by_respondent.size:
                _add_terms(plan, variables, rows, local_mean, w_design, gram, by_respondent)
        else:
            projected = np.empty((n, n_columns))
            _project(rows, local_mean, w_design, projected)
            pull = np.empty((n, n_columns))
            second = np.empty((n_columns, n_columns))
            data = _observed_factors(plan, variables, rows)
            value += product_terms(
                plan, data, projected, gram, curve, pull, second, d_curve, by_respondent
            )
            if np.isnan(value):
                return -np.inf
            total = np.zeros(n_columns)
            for i in range(n):
                for j in range(n_columns):
                    total[j] += pull[i, j]
            # X = sum_i r_i E[c_i]' with r_i = y_i - mu0
            cross = np.dot(rows.T, pull)
            for i in range(width):
                for j in range(n_columns):
                    cross[i, j] -= local_mean[i] * total[j]
        w_cross = np.dot(inverse, cross)
        g_mean -= np.dot(w_design, total)
        g_design = w_cross - np.dot(w_design, second)
        # the log-integrals depend on W as sym(X D') - D E D' / 2, and dSigma = -W dW W
        outer = np.dot(w_cross - 0.5 * np.dot(w_design, second), w_design.T)
        for i in range(width):
            for j in range(width):
                g_cov[i, j] -= 0.5 * (outer[i, j] + outer[j, i])
            for j in range(n_columns):
                d_design[variables[i], j] += g_design[i, j]

    if complete:
        d_mean += g_mean
        d_covariance += g_cov
        return value
    for i in range(width):
        d_mean[variables[i]] += g_mean[i]
        for j in range(width):
            d_covariance[variables[i], variables[j]] += g_cov[i, j]
    return value


@compiled
def _columns(plan, latent, total, body):
    """What each column of products.py does to the latent variables, into body (m, c).

    The form of a contour is that of its outcome, whose total effects take it to the others.
    """
    for j in range(body.shape[1]):
        for i in range(body.shape[0]):
            monomial = plan.columns[j]
            body[i, j] = latent[i, monomial] if monomial >= 0 else total[i, plan.sizes[11]]


@compiled
def _pull_columns(plan, d_body, d_latent, d_total):
    """Adjoint of `_columns`: adds to the derivatives by the polynomials and the total effects."""
    for j in range(d_body.shape[1]):
        for i in range(d_body.shape[0]):
            if plan.columns[j] >= 0:
                d_latent[i, plan.columns[j]] += d_body[i, j]
            else:
                d_total[i, plan.sizes[11]] += d_body[i, j]


@compiled
def proper_blocks(plan, group, disturbances, residuals):
    """Whether every block listed in the plan for this group is positive definite."""
    at = 0
    while at < plan.proper.size:
        size = plan.proper[at + 2]
        if plan.proper[at + 1] == group:
            block = np.empty((size, size))
            full = disturbances if plan.proper[at] == 0 else residuals
            select(full, plan.proper[at + 3 : at + 3 + size], block)
            logdet = cholesky_lower(block, np.empty((size, size)))
            if np.isnan(logdet):
                return False
        at += 3 + size
    return True


@compiled
def _group(plan, group, elements, gradient, by_respondent):
    """Log-likelihood of one group; adds to the gradient by its matrices."""
    p, m, h = plan.sizes[0], plan.sizes[1], plan.sizes[2]
    loadings, paths, disturbances, residuals, intercepts, means, products = split(
        elements, group, p, m, h
    )
    d_loadings, d_paths, d_disturbances, d_residuals, d_intercepts, d_means, d_products = split(
        gradient, group, p, m, h
    )
    ok, total, spread, latent_cov, latent_mean = latent_moments(paths, disturbances, means)
    if not (ok and proper_blocks(plan, group, disturbances, residuals)):
        return -np.inf
    n_columns = plan.columns.size
    n_curved, outcome = plan.curved.size, plan.sizes[11]
    given = latent_cov  # covariance of the latents given what is integrated
    centre = latent_mean
    design = np.zeros((p, n_columns))
    weights, body = np.empty((m, h)), np.empty((m, n_columns))
    curve, d_curve = np.empty(n_curved), np.zeros(n_curved)
    root = inverse_root = linear = np.empty((0, 0))
    product = latent = np.empty((0, 0))
    if h:
        weights = np.dot(total, products)
        ok, root, inverse_root, linear, product, latent = polynomials(
            latent_cov, latent_mean, weights, plan
        )
        if not ok:
            return -np.inf
        given = latent_cov - np.dot(linear, linear.T)
        centre = latent[:m, 0].copy()
        _columns(plan, latent, total, body)
        for t in range(n_curved):
            curve[t] = latent[outcome, plan.curved[t]]
        design = np.dot(loadings, body)
    mapped = np.dot(loadings, given)
    covariance = np.dot(mapped, loadings.T)
    covariance += residuals
    mean = np.dot(loadings, centre)
    mean += intercepts

    d_covariance = np.zeros((p, p))
    d_mean = np.zeros(p)
    d_design = np.zeros((p, n_columns))
    value = 0.0
    start = 0
    for index in range(plan.sizes[4]):
        n = plan.pattern_count[index]
        if plan.pattern_group[index] == group:
            places = by_respondent[start : start + n] if by_respondent.size else by_respondent
            value += _pattern(
                plan,
                index,
                mean,
                covariance,
                design,
                curve,
                d_mean,
                d_covariance,
                d_design,
                d_curve,
                places,
            )
            if value == -np.inf:
                return value
        start += n

    # Sigma = Lambda V Lambda' + Theta, mu = nu + Lambda c, design = Lambda C
    d_residuals += d_covariance
    d_intercepts += d_mean
    half = np.dot(d_covariance, loadings)
    d_given = np.dot(loadings.T, half)
    d_loadings += 2.0 * np.dot(half, given)
    d_centre = np.dot(loadings.T, d_mean)
    for i in range(p):
        for j in range(m):
            d_loadings[i, j] += d_mean[i] * centre[j]
    d_total = np.zeros((m, m))
    if h:
        d_loadings += np.dot(d_design, body.T)
        d_latent = np.zeros(latent.shape)
        d_latent[:m, 0] = d_centre
        _pull_columns(plan, np.dot(loadings.T, d_design), d_latent, d_total)
        for t in range(n_curved):
            d_latent[outcome, plan.curved[t]] += d_curve[t]
        d_linear = -2.0 * np.dot(d_given, linear)
        more, d_centre, d_weights = pull_polynomials(
            inverse_root, linear, product, latent, weights, d_latent, d_linear, plan
        )
        d_given = d_given + more
        d_products += np.dot(total.T, d_weights)
        d_total += np.dot(d_weights, products.T)
    pull_latent_moments(
        total,
        spread,
        d_given,
        d_centre,
        d_total,
        latent_mean,
        (d_paths, d_disturbances, d_means),
    )
    return value


@compiled
def evaluate(elements, ints, floats, gradient, by_respondent):
    """Log-likelihood of all respondents; entry.py is how the rest of the program calls it.

    gradient is overwritten with the derivatives by elements (the two mirror elements of a symmetric
    matrix each get the derivative by themselves alone), by_respondent, unless it is empty, with
    log p(y_i), in the order of the patterns' rows and without the weights that the value has.
    """
    plan = unpack(ints, floats)
    gradient[:] = 0.0
    by_respondent[:] = 0.0
    value = 0.0
    for group in range(plan.sizes[3]):
        value += _group(plan, group, elements, gradient, by_respondent)
        if not value > -np.inf:
            gradient[:] = 0.0
            by_respondent[:] = -np.inf
            return -np.inf
    return value
