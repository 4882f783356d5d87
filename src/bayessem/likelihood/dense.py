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


# Products of matrices of some dozen rows by some hundred columns: four rows at a time, which the
# compiler turns into vector instructions; BLAS through Numba was slower, and starts threads.


@compiled
def spans(b, out):
    """First column of each row of b (k, m) that is not 0, and the one after the last, (k, 2)."""
    m = b.shape[1]
    for r in range(b.shape[0]):
        low, high = 0, m
        while low < high and b[r, low] == 0.0:
            low += 1
        while high > low and b[r, high - 1] == 0.0:
            high -= 1
        out[r, 0], out[r, 1] = low, high


@compiled
def _four(span, r):
    """Columns in which any of four rows is not 0."""
    low = min(min(span[r, 0], span[r + 1, 0]), min(span[r + 2, 0], span[r + 3, 0]))
    high = max(max(span[r, 1], span[r + 1, 1]), max(span[r + 2, 1], span[r + 3, 1]))
    return low, high


@compiled
def multiply(a, b, span, out):
    """Product a b into out; a : (n, k), b : (k, m), out : (n, m), all contiguous.

    span : (k, 2) as `spans` of b has them.
    """
    n, k = a.shape
    whole = k - k % 4
    for i in range(n):
        row = out[i]
        row[:] = 0.0
        for r in range(0, whole, 4):
            w0, w1, w2, w3 = a[i, r], a[i, r + 1], a[i, r + 2], a[i, r + 3]
            b0, b1, b2, b3 = b[r], b[r + 1], b[r + 2], b[r + 3]
            low, high = _four(span, r)
            for j in range(low, high):
                row[j] += w0 * b0[j] + w1 * b1[j] + w2 * b2[j] + w3 * b3[j]
        for r in range(whole, k):
            w, b0 = a[i, r], b[r]
            for j in range(span[r, 0], span[r, 1]):
                row[j] += w * b0[j]


@compiled
def multiply_transposed(a, b, span, out):
    """Product a b' into out; a : (n, m), b : (k, m), out : (n, k), all contiguous."""
    n = a.shape[0]
    k = b.shape[0]
    whole = k - k % 4
    for i in range(n):
        row = a[i]
        for r in range(0, whole, 4):
            b0, b1, b2, b3 = b[r], b[r + 1], b[r + 2], b[r + 3]
            s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
            low, high = _four(span, r)
            for j in range(low, high):
                s0 += row[j] * b0[j]
                s1 += row[j] * b1[j]
                s2 += row[j] * b2[j]
                s3 += row[j] * b3[j]
            out[i, r], out[i, r + 1], out[i, r + 2], out[i, r + 3] = s0, s1, s2, s3
        for r in range(whole, k):
            s0, b0 = 0.0, b[r]
            for j in range(span[r, 0], span[r, 1]):
                s0 += row[j] * b0[j]
            out[i, r] = s0


@compiled
def multiply_by_transpose(a, b, span, out):
    """Product a' b into out, where the span of out is wanted; a : (n, k), b : (n, m), out : (k, m).

    All contiguous; 0 elsewhere.
    """
    n, k = a.shape
    whole = n - n % 4
    out[:] = 0.0
    for i in range(0, whole, 4):
        b0, b1, b2, b3 = b[i], b[i + 1], b[i + 2], b[i + 3]
        for r in range(k):
            w0, w1, w2, w3 = a[i, r], a[i + 1, r], a[i + 2, r], a[i + 3, r]
            row = out[r]
            for j in range(span[r, 0], span[r, 1]):
                row[j] += w0 * b0[j] + w1 * b1[j] + w2 * b2[j] + w3 * b3[j]
    for i in range(whole, n):
        b0 = b[i]
        for r in range(k):
            w, row = a[i, r], out[r]
            for j in range(span[r, 0], span[r, 1]):
                row[j] += w * b0[j]
