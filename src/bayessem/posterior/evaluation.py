"""The posterior density of a model on unconstrained parameters, as one Numba program.

x (unconstrained) -> raw (by element: identity, log, logit; or folded at 0, see `folded`) -> v
(natural: partial correlations of a block become correlations; extended by the numbers
m exp(tau z) and by sums to a power) -> cells (sums of products such as sd^2, r sd sd or mu + tau z)
-> model matrices -> likelihood; and the chain rule back. Priors are evaluated on raw, by family
code. Maximum likelihood is the same program with identity transforms, flat priors and cells that
are the parameters themselves.

The PyMC model of the same table (pymc_model.py) is the definition; the tests hold the two to the
same log-probability and gradient.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.engines import log_likelihood, respondent_log_likelihood
from bayessem.posterior.centring import pull_intercepts, to_intercepts
from bayessem.posterior.correlations import partials_to_correlations, pull_correlations
from bayessem.posterior.moves import has_moves, move, pull_move
from bayessem.posterior.program import layout_of
from bayessem.posterior.transforms import log_prior, transform


@compiled
def _natural(layout, x, v, slope, d_prior):
    """Fill the natural parameters v (extended by the constants); returns log prior + log Jacobian.

    slope becomes d raw / d x and d_prior the derivative of the returned value by x.
    """
    d = layout.transform.size
    value = layout.constant[0]
    for i in range(d):
        raw, s, log_s, d_log_s = transform(
            layout.transform[i], x[i], layout.lower[i], layout.upper[i]
        )
        prior, d_raw = log_prior(
            layout.family[i],
            raw,
            layout.hyper[3 * i],
            layout.hyper[3 * i + 1],
            layout.hyper[3 * i + 2],
            layout.lower[i],
            layout.upper[i],
        )
        v[i] = raw
        slope[i] = s
        value += prior + log_s
        d_prior[i] = d_raw * s + d_log_s
    for b in range(layout.row_at.size):
        rows = v[layout.row_at[b] : layout.row_at[b] + layout.row_size[b]]
        power = layout.row_power[b]
        total = 1.0 + np.sum(rows * rows)
        value -= power * np.log(total)
        for i in range(layout.row_at[b], layout.row_at[b] + layout.row_size[b]):
            d_prior[i] -= 2.0 * power * v[i] / total  # they have no transform
    for i in range(layout.fixed.size):
        v[d + i] = layout.fixed[i]
    return value


@compiled
def _correlate(layout, v):
    """Turn the partial correlations of the complete blocks inside v into correlations."""
    for b in range(layout.block_size.size):
        k = layout.block_size[b]
        part = v[layout.block_at[b] : layout.block_at[b] + k * (k - 1) // 2]
        partials_to_correlations(part.copy(), k, np.empty((k, k)), part)


@compiled
def _extended(layout):
    """How many numbers v has: parameters, constants, scaled numbers and sums to a power."""
    first = layout.transform.size + layout.fixed.size
    return first + layout.scaled_base.size + layout.number_power.size


@compiled
def _fill(layout, v, elements):
    """Model matrices from the natural parameters; completes v by the numbers made of them."""
    first = layout.transform.size + layout.fixed.size
    term, square = 0, 0
    for i in range(layout.scaled_base.size):
        exponent, norm = 0.0, 1.0
        while term < layout.scaled_at.size and layout.scaled_at[term] == i:
            exponent += (
                v[layout.scaled_a[term]] * v[layout.scaled_b[term]] * v[layout.scaled_c[term]]
            )
            term += 1
        while square < layout.scaled_row.size and layout.scaled_row[square] == i:
            norm += v[layout.scaled_square[square]] ** 2
            square += 1
        v[first + i] = v[layout.scaled_base[i]] * np.exp(exponent) / np.sqrt(norm)
    first += layout.scaled_base.size
    term = 0
    for i in range(layout.number_power.size):
        total = 0.0
        while term < layout.number_at.size and layout.number_at[term] == i:
            total += v[layout.number_a[term]] * v[layout.number_b[term]] * v[layout.number_c[term]]
            term += 1
        v[first + i] = total if layout.number_power[i] == 1.0 else total ** layout.number_power[i]
    elements[:] = layout.base
    cells = np.zeros(layout.term_cell.size)
    for i in range(layout.term_cell.size):
        cells[layout.term_cell[i]] += (
            v[layout.term_a[i]] * v[layout.term_b[i]] * v[layout.term_c[i]]
        )
    for i in range(layout.place_cell.size):
        elements[layout.place_element[i]] = cells[layout.place_cell[i]]


@compiled
def _pull_fill(layout, v, d_elements, d_v):
    """Adjoint of `_fill`."""
    d_cells = np.zeros(layout.term_cell.size)
    d_v[:] = 0.0
    for i in range(layout.place_cell.size):
        d_cells[layout.place_cell[i]] += d_elements[layout.place_element[i]]
    for i in range(layout.term_cell.size):
        g = d_cells[layout.term_cell[i]]
        ia, ib, ic = layout.term_a[i], layout.term_b[i], layout.term_c[i]
        d_v[ia] += g * v[ib] * v[ic]
        d_v[ib] += g * v[ia] * v[ic]
        d_v[ic] += g * v[ia] * v[ib]
    first = layout.transform.size + layout.fixed.size
    _pull_numbers(layout, v, d_v, first + layout.scaled_base.size)
    term, end = layout.scaled_at.size, layout.scaled_row.size
    for i in range(layout.scaled_base.size - 1, -1, -1):
        base = layout.scaled_base[i]
        g = d_v[first + i] * v[first + i]
        d_v[base] += g / v[base]
        while term > 0 and layout.scaled_at[term - 1] == i:
            term -= 1
            ia, ib, ic = layout.scaled_a[term], layout.scaled_b[term], layout.scaled_c[term]
            d_v[ia] += g * v[ib] * v[ic]
            d_v[ib] += g * v[ia] * v[ic]
            d_v[ic] += g * v[ia] * v[ib]
        start, norm = end, 1.0
        while start > 0 and layout.scaled_row[start - 1] == i:
            start -= 1
            norm += v[layout.scaled_square[start]] ** 2
        for s in range(start, end):
            d_v[layout.scaled_square[s]] -= g * v[layout.scaled_square[s]] / norm
        end = start


@compiled
def _pull_numbers(layout, v, d_v, first):
    """Adjoint of the sums to a power, which stand in v from `first` on."""
    term = layout.number_at.size
    for i in range(layout.number_power.size - 1, -1, -1):
        power, g = layout.number_power[i], d_v[first + i]
        if power != 1.0:  # of s^p the derivative is p s^p / s, and s is what v is to 1 / p
            g *= power * v[first + i] ** (1.0 - 1.0 / power)
        while term > 0 and layout.number_at[term - 1] == i:
            term -= 1
            ia, ib, ic = layout.number_a[term], layout.number_b[term], layout.number_c[term]
            d_v[ia] += g * v[ib] * v[ic]
            d_v[ib] += g * v[ia] * v[ic]
            d_v[ic] += g * v[ia] * v[ib]


@compiled
def log_density(point, program, numbers, ints, floats, gradient):
    """Log prior + log Jacobian + log-likelihood at an unconstrained point, and its gradient."""
    layout = layout_of(program, numbers)
    d = layout.transform.size
    white = layout.whitening.size > 0
    x = point
    if white:
        matrix = layout.whitening.reshape(d, d)
        x = layout.centre + np.dot(matrix, point)
    before, between = x, np.empty(d)
    moves, jacobian = has_moves(layout), 0.0
    if moves or layout.shift_by.size > 0:
        x = before.copy()
        if moves:
            jacobian = move(program, numbers, x, between)
        to_intercepts(layout, x)
    v = np.empty(_extended(layout))
    slope = np.empty(d)
    d_prior = np.empty(d)
    value = _natural(layout, x, v, slope, d_prior) + jacobian
    raw = v[:d].copy()
    _correlate(layout, v)
    elements = np.empty(layout.base.size)
    _fill(layout, v, elements)
    d_elements = np.empty(layout.base.size)
    value += log_likelihood(elements, ints, floats, d_elements)
    d_v = np.empty(v.size)
    _pull_fill(layout, v, d_elements, d_v)
    for b in range(layout.block_size.size):
        k = layout.block_size[b]
        at = layout.block_at[b]
        end = at + k * (k - 1) // 2
        root = np.empty((k, k))
        partials_to_correlations(raw[at:end], k, root, np.empty(end - at))
        d_block = d_v[at:end].copy()
        pull_correlations(raw[at:end], k, root, d_block, d_v[at:end])
    d_x = np.empty(d)
    for i in range(d):
        d_x[i] = d_v[i] * slope[i] + d_prior[i]
    if moves or layout.shift_by.size > 0:
        pull_intercepts(layout, x, d_x)
        if moves:
            pull_move(program, numbers, x, before, between, d_x)
    if white:
        d_x = np.dot(matrix.T, d_x)
    gradient[:] = d_x
    return value


@compiled
def natural_values(points, program, numbers, out):
    """Natural parameters of many unconstrained points: (n, D) -> out (n, D); no whitening."""
    layout = layout_of(program, numbers)
    d = layout.transform.size
    v = np.empty(_extended(layout))
    slope, d_prior, between = np.empty(d), np.empty(d), np.empty(d)
    for i in range(points.shape[0]):
        x = points[i].copy()
        if has_moves(layout):
            move(program, numbers, x, between)
        to_intercepts(layout, x)
        _natural(layout, x, v, slope, d_prior)
        _correlate(layout, v)
        out[i] = v[:d]


@compiled
def matrix_elements(values, program, numbers, out):
    """Model matrices of many natural parameter vectors: (n, D) -> out (n, elements)."""
    layout = layout_of(program, numbers)
    d = layout.transform.size
    v = np.empty(_extended(layout))
    v[d : d + layout.fixed.size] = layout.fixed
    for i in range(values.shape[0]):
        v[:d] = values[i]
        _fill(layout, v, out[i])


@compiled
def respondent_values(values, program, numbers, ints, floats, out):
    """Log p(y_i) for many natural parameter vectors: (n, D) -> out (n, respondent)."""
    layout = layout_of(program, numbers)
    d = layout.transform.size
    v = np.empty(_extended(layout))
    v[d : d + layout.fixed.size] = layout.fixed
    elements = np.empty(layout.base.size)
    for i in range(values.shape[0]):
        v[:d] = values[i]
        _fill(layout, v, elements)
        respondent_log_likelihood(elements, ints, floats, out[i])
