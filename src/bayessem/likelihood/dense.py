"""Small dense linear algebra inside the Numba kernel: inverses that report failure, not raise it.

LAPACK through Numba raises when a matrix is not positive definite, which a sampler cannot catch,
and its call overhead is of the order of the work at the sizes of a survey (10 to 60 indicators).
"""

import numpy as np

from bayessem.likelihood.compiled import compiled

BLOCK = 18


@compiled
def _invert_block(a, k0, k1, upper, out):
    """Inverse of the block a[k0:k1, k0:k1] into out; its log-determinant, NaN if not definite."""
    n = k1 - k0
    for i in range(n):
        for j in range(i, n):
            upper[i, j] = a[k0 + i, k0 + j]
    logdet = 0.0
    for k in range(n):
        pivot = upper[k, k]
        if not pivot > 0.0:
            return np.nan
        logdet += np.log(pivot)
        scale = 1.0 / np.sqrt(pivot)
        for j in range(k, n):
            upper[k, j] *= scale
        for i in range(k + 1, n):
            f = upper[k, i]
            for j in range(i, n):
                upper[i, j] -= f * upper[k, j]
    # out <- U^-1 in its upper triangle, from the bottom row up
    for i in range(n - 1, -1, -1):
        for j in range(i, n):
            out[i, j] = 0.0
        out[i, i] = 1.0
        for k in range(i + 1, n):
            f = upper[i, k]
            for j in range(k, n):
                out[i, j] -= f * out[k, j]
        f = 1.0 / upper[i, i]
        for j in range(i, n):
            out[i, j] *= f
    # A^-1 = U^-1 U^-T; row i of the product only needs rows below it, so it can overwrite in place
    for i in range(n):
        for j in range(i, n):
            s = 0.0
            for k in range(j, n):
                s += out[i, k] * out[j, k]
            upper[i, j] = s
    for i in range(n):
        for j in range(i, n):
            out[i, j] = upper[i, j]
            out[j, i] = upper[i, j]
    return logdet


@compiled
def spd_inverse(a, out):
    """Inverse of a symmetric positive definite matrix, block after block by bordering.

    Returns log|a|, or NaN when a is not positive definite (out is then meaningless).
    """
    n = a.shape[0]
    upper = np.empty((BLOCK, BLOCK))
    if n <= BLOCK:
        return _invert_block(a, 0, n, upper, out)
    blocks = (n + BLOCK - 1) // BLOCK
    done = n // blocks
    head = np.empty((done, done))  # inverse of the leading block
    logdet = _invert_block(a, 0, done, upper, head)
    for b in range(2, blocks + 1):
        end = b * n // blocks
        size = end - done
        border = a[:done, done:end].copy()
        gain = np.dot(head, border)
        schur = np.dot(border.T, gain)
        for i in range(size):
            for j in range(size):
                schur[i, j] = a[done + i, done + j] - schur[i, j]
        corner = np.empty((size, size))
        logdet += _invert_block(schur, 0, size, upper, corner)
        if np.isnan(logdet):
            return np.nan
        weighted = np.dot(gain, corner)
        update = np.dot(weighted, gain.T)
        target = out if end == n else np.empty((end, end))
        for i in range(done):
            for j in range(done):
                target[i, j] = head[i, j] + update[i, j]
            for j in range(size):
                target[i, done + j] = -weighted[i, j]
                target[done + j, i] = -weighted[i, j]
        for i in range(size):
            for j in range(size):
                target[done + i, done + j] = corner[i, j]
        head = target
        done = end
    return logdet


@compiled
def general_inverse(a, out):
    """Inverse by Gauss-Jordan elimination with row pivoting; False if the matrix is singular."""
    n = a.shape[0]
    work = a.copy()
    for i in range(n):
        for j in range(n):
            out[i, j] = 0.0
        out[i, i] = 1.0
    for k in range(n):
        pivot_row = k
        for i in range(k + 1, n):
            if abs(work[i, k]) > abs(work[pivot_row, k]):
                pivot_row = i
        if not abs(work[pivot_row, k]) > 1e-300:
            return False
        if pivot_row != k:
            for j in range(n):
                work[k, j], work[pivot_row, j] = work[pivot_row, j], work[k, j]
                out[k, j], out[pivot_row, j] = out[pivot_row, j], out[k, j]
        scale = 1.0 / work[k, k]
        for j in range(n):
            work[k, j] *= scale
            out[k, j] *= scale
        for i in range(n):
            if i != k:
                f = work[i, k]
                if f != 0.0:  # B is sparse: most rows have nothing to eliminate
                    for j in range(n):
                        work[i, j] -= f * work[k, j]
                        out[i, j] -= f * out[k, j]
    return True


@compiled
def cholesky_lower(a, out):
    """Lower Cholesky factor; returns log|a|, or NaN when a is not positive definite."""
    n = a.shape[0]
    logdet = 0.0
    for i in range(n):
        for j in range(n):
            out[i, j] = 0.0
        for j in range(i + 1):
            s = a[i, j]
            for k in range(j):
                s -= out[i, k] * out[j, k]
            if i == j:
                if not s > 0.0:
                    return np.nan
                logdet += np.log(s)
                out[i, i] = np.sqrt(s)
            else:
                out[i, j] = s / out[j, j]
    return logdet


@compiled
def lower_inverse(a, out):
    """Inverse of a lower triangular matrix with a positive diagonal."""
    n = a.shape[0]
    for j in range(n):
        for i in range(n):
            out[i, j] = 0.0
        out[j, j] = 1.0 / a[j, j]
        for i in range(j + 1, n):
            s = 0.0
            for k in range(j, i):
                s -= a[i, k] * out[k, j]
            out[i, j] = s / a[i, i]
