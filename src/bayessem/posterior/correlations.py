"""Correlations from canonical partial correlations, and the adjoint.

Lewandowski, Kurowicka & Joe (2009, doi:10.1016/j.jmva.2009.04.008): any point of the cube of
partial correlations is a positive definite matrix.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled


@compiled
def partials_to_correlations(partial, k, root, out):
    """Correlations below the diagonal, row by row, from canonical partial correlations.

    Lewandowski, Kurowicka & Joe (2009, doi:10.1016/j.jmva.2009.04.008). root (k, k) becomes the
    Cholesky factor: root[i, j] = partial_ij sqrt(1 - sum of the squares before it in row i).
    """
    at = 0
    for i in range(k):
        rest = 1.0
        for j in range(i):
            root[i, j] = partial[at + j] * np.sqrt(rest)
            rest -= root[i, j] * root[i, j]
        root[i, i] = np.sqrt(max(rest, 0.0))
        for j in range(i):
            s = 0.0
            for a in range(j + 1):
                s += root[i, a] * root[j, a]
            out[at + j] = s
        at += i


@compiled
def pull_correlations(partial, k, root, d_out, d_partial):
    """Adjoint of `partials_to_correlations`; overwrites d_partial."""
    d_root = np.zeros((k, k))
    at = 0
    for i in range(k):
        for j in range(i):
            g = d_out[at + j]
            for a in range(j + 1):
                d_root[i, a] += g * root[j, a]
                d_root[j, a] += g * root[i, a]
        at += i
    at = 0
    for i in range(k):
        # rest_j = rest_{j-1} - root_ij^2, from the diagonal back
        rest = root[i, i] * root[i, i]
        d_rest = 0.5 * d_root[i, i] / root[i, i] if root[i, i] > 0.0 else 0.0
        for j in range(i - 1, -1, -1):
            d_value = d_root[i, j] - 2.0 * root[i, j] * d_rest
            rest += root[i, j] * root[i, j]
            scale = np.sqrt(rest)
            d_partial[at + j] = d_value * scale
            d_rest += d_value * partial[at + j] * 0.5 / scale
        at += i
