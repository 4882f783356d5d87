"""What the product terms add to the log-likelihood of one missingness pattern, with its moments.

For every respondent the log of the integral over the latents in products, E[c] under the normalised
integrand, and over all respondents the sum of E[c c'], c the monomials without the constant one.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.external import general_terms
from bayessem.likelihood.integral import quartic_integral


@compiled
def _square_terms(projected, gram, quadrature, pull, second, out):
    """`product_terms` for one square."""
    sums = np.empty(5)
    q11, q12, q22 = gram[0, 0], gram[0, 1], gram[1, 1]
    total, e2, e3, e4 = 0.0, 0.0, 0.0, 0.0
    for i in range(projected.shape[0]):
        value, _ = quartic_integral(
            projected[i, 0], projected[i, 1], q11, q12, q22, quadrature[0], quadrature[1], sums
        )
        total += value
        if out.size:
            out[i] += value
        pull[i, 0] = sums[1]
        pull[i, 1] = sums[2]
        e2 += sums[2]
        e3 += sums[3]
        e4 += sums[4]
    second[0, 0] = e2
    second[0, 1] = e3
    second[1, 0] = e3
    second[1, 1] = e4
    return total


@compiled
def product_terms(plan, data, projected, gram, pull, second, out):
    """Sum of the respondents' log-integrals (NaN when there is none), and the moments.

    data : (respondent, o) observed factors;  projected : (respondent, c) U = D' W r;
    gram : (c, c) Q = D' W D;  pull : (respondent, c) and second : (c, c) are overwritten;
    out : (respondent,), to which the log-integrals are added, or (0,).
    """
    if projected.shape[1] == 2 and plan.sizes[6] == 1:  # z and z^2 alone
        return _square_terms(projected, gram, plan.quadrature, pull, second, out)
    return general_terms(
        plan.ints.ctypes,
        plan.ints.size,
        plan.floats.ctypes,
        plan.floats.size,
        data.ctypes,
        projected.ctypes,
        gram.ctypes,
        pull.ctypes,
        second.ctypes,
        out.ctypes,
        projected.shape[0],
        out.size,
    )
