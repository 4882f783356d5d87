"""Linear predictors at the nodes of latent variables, and the derivatives by their coefficients.

Every predictor is a sum of terms: an element times a product of latent variables, times a covariate
where there is one. The products are the same for all rows of a table.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.node_plan import FACTOR, TERM, place, shape

# In place of the position of a variable: none.
NONE = -1


@compiled
def blocks(plan, f, own):
    """Cells of a factor's variables before one of them, its nodes, and those of the ones behind."""
    one, two, three = shape(plan, f)
    if own == 0:
        return 1, one, two * three
    if own == 1:
        return one, two, three
    return one * two, three, 1


@compiled
def monomials(plan, f, own):
    """Products of latent variables of a factor's terms, (term, cell).

    own : position of a variable that they do not have and the cells are not about, or NONE.
    """
    one, two, three = shape(plan, f)
    first, terms = plan.factor[FACTOR * f + 8], plan.factor[FACTOR * f + 7]
    cells = one * two * three
    if own != NONE:
        cells //= blocks(plan, f, own)[1]
    out = np.ones((terms, cells))
    for k in range(terms):
        before, behind, products = 1, cells, out[k]
        for d in range(3):
            side = 1 if d == own else (one if d == 0 else (two if d == 1 else three))
            behind //= side
            power = plan.term[TERM * (first + k) + 1 + d]
            for v in range(side if power > 0 else 0):
                x = place(plan, f, d, v)
                value = x
                for _ in range(power - 1):
                    value *= x
                for b in range(before):
                    at = np.uint64((b * side + v) * behind)
                    for c in range(np.uint64(behind)):
                        products[at + c] *= value
            before *= side
    return out


@compiled
def covariate(plan, f, term, row):
    """What the data multiply a term by in one row."""
    column = plan.term[TERM * term + 4]
    if column < 0:
        return 1.0
    return plan.data[plan.factor[FACTOR * f + 9] + row * plan.factor[FACTOR * f + 10] + column]


@compiled
def means(plan, f, elements, row, products, mean):
    """Linear predictors (cell,) of one row, of a factor with one equation."""
    first = plan.factor[FACTOR * f + 8]
    mean[:] = 0.0
    for k in range(products.shape[0]):
        t = first + k
        weight = elements[plan.term[TERM * t]] * covariate(plan, f, t, row)
        own = products[k]
        for cell in range(mean.size):
            mean[cell] += weight * own[cell]


@compiled
def pull_means(plan, f, row, products, d_mean, gradient):
    """Adds the derivatives by the terms' elements from those by the predictors of one row."""
    first = plan.factor[FACTOR * f + 8]
    for k in range(products.shape[0]):
        t, own, s = first + k, products[k], 0.0
        for cell in range(d_mean.size):
            s += d_mean[cell] * own[cell]
        gradient[plan.term[TERM * t]] += s * covariate(plan, f, t, row)
