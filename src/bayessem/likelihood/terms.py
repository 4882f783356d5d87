"""What the product terms add to the log-likelihood of one missingness pattern, with its moments.

For every respondent the log of the integral over the latents in products, E[c] under the normalised
integrand, and over all respondents the sum of E[c c'], c the monomials without the constant one.

The routes of products.py, in C functions, so that they compile beside the rest of the kernel.
"""

import llvmlite.binding as llvm
import numpy as np
from numba import types

from bayessem.likelihood.compiled import c_function, compiled
from bayessem.likelihood.external import CALL, ROUTINE, arrays, routed_terms
from bayessem.likelihood.integral import quartic_integral
from bayessem.likelihood.plan import CONTOUR, ONE

SYMBOL = "bayessem_terms"


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
def _one_factor_terms(plan, data, projected, gram, pull, second, out):
    """`product_terms` for one latent factor: its square, and its products with observed variables.

    Given a respondent's data x every monomial is a number times a power of z, up to the second, so
    the exponent is that of one square with coefficients of the respondent's own; without a square
    it is a parabola.
    """
    k, o, size = plan.sizes[6], plan.sizes[8], projected.shape[1]
    power = np.empty(size, dtype=np.int64)
    for j in range(size):
        power[j] = plan.node_exponent[plan.node_of[j + 1]] if k else plan.weight_of[j + 1] + 1
    scale = np.empty(size)
    u, q, sums = np.empty(3), np.empty((3, 3)), np.ones(5)
    total = 0.0
    second[:] = 0.0
    for i in range(projected.shape[0]):
        u[:] = 0.0
        q[:] = 0.0
        for j in range(size):
            scale[j] = 1.0
            for s in range(o):
                for _ in range(plan.data_exponent[(j + 1) * o + s]):
                    scale[j] *= data[i, s]
        for j in range(size):
            u[power[j]] += scale[j] * projected[i, j]
            for r in range(size):
                q[power[j], power[r]] += scale[j] * scale[r] * gram[j, r]
        u1 = u[1] - q[0, 1]
        if k:
            value, _ = quartic_integral(
                u1,
                u[2] - q[0, 2],
                q[1, 1],
                q[1, 2],
                q[2, 2],
                plan.quadrature[0],
                plan.quadrature[1],
                sums,
            )
            sums[0] = 1.0
        else:
            variance = 1.0 / (1.0 + q[1, 1])
            sums[1] = u1 * variance
            sums[2] = sums[1] * sums[1] + variance
            value = 0.5 * (u1 * sums[1] + np.log(variance))
        value += u[0] - 0.5 * q[0, 0]
        total += value
        if out.size:
            out[i] += value
        for j in range(size):
            pull[i, j] = scale[j] * sums[power[j]]
            for r in range(j + 1):
                second[j, r] += scale[j] * scale[r] * sums[power[j] + power[r]]
    for j in range(size):
        for r in range(j):
            second[r, j] = second[j, r]
    return total


@compiled
def _product_terms(plan, data, projected, gram, curve, pull, second, d_curve, out):
    """Sum of the respondents' log-integrals (NaN when there is none), and the moments.

    data : (respondent, o) observed factors;  projected : (respondent, c) U = D' W r;
    gram : (c, c) Q = D' W D;  curve : (curved,) the form of a contour;  pull : (respondent, c) and
    second : (c, c) are overwritten;  d_curve : (curved,), to which the derivatives by curve are
    added;  out : (respondent,), to which the log-integrals are added, or (0,).
    """
    if plan.sizes[10] == ONE:
        if projected.shape[1] == 2 and plan.sizes[6] == 1:  # z and z^2 alone
            return _square_terms(projected, gram, plan.quadrature, pull, second, out)
        return _one_factor_terms(plan, data, projected, gram, pull, second, out)
    return routed_terms(
        plan.sizes[10] - CONTOUR,  # its place in plan.ROUTED
        plan.ints.ctypes,
        plan.ints.size,
        plan.floats.ctypes,
        plan.floats.size,
        data.ctypes,
        projected.ctypes,
        gram.ctypes,
        curve.ctypes,
        pull.ctypes,
        second.ctypes,
        d_curve.ctypes,
        out.ctypes,
        projected.shape[0],
        out.size,
    )


@c_function(ROUTINE)
def entry(
    ints, n_ints, floats, n_floats, data, projected, gram, curve, pull, second, d_curve, out,
    n, n_out,
):  # fmt: skip
    """`_product_terms` on addresses."""
    return _product_terms(*arrays(
        ints, n_ints, floats, n_floats, data, projected, gram, curve, pull, second, d_curve, out,
        n, n_out,
    ))  # fmt: skip


llvm.add_symbol(SYMBOL, entry.address)
_routine = types.ExternalFunction(SYMBOL, CALL)


@compiled
def product_terms(plan, data, projected, gram, curve, pull, second, d_curve, out):
    """As `_product_terms`, which is compiled by itself."""
    return _routine(
        plan.ints.ctypes,
        plan.ints.size,
        plan.floats.ctypes,
        plan.floats.size,
        data.ctypes,
        projected.ctypes,
        gram.ctypes,
        curve.ctypes,
        pull.ctypes,
        second.ctypes,
        d_curve.ctypes,
        out.ctypes,
        projected.shape[0],
        out.size,
    )
