"""Correlations from partial correlations: positive definite, invertible, with the right adjoint."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayessem.posterior.correlations import partials_to_correlations, pull_correlations


def correlations(partial, k):
    """(correlation matrix, its Cholesky factor)."""
    root, out = np.zeros((k, k)), np.empty(len(partial))
    partials_to_correlations(partial, k, root, out)
    matrix = np.eye(k)
    matrix[np.tril_indices(k, -1)] = out
    return matrix + np.tril(matrix, -1).T, np.tril(root)


def partials(matrix):
    """Canonical partial correlations by regression: of i and j given all before j."""
    k = len(matrix)
    out = []
    for i in range(k):
        for j in range(i):
            given_ = list(range(j))
            pair = [i, j]
            block = matrix[np.ix_(pair, pair)]
            if given_:
                cross = matrix[np.ix_(pair, given_)]
                block = block - cross @ np.linalg.solve(matrix[np.ix_(given_, given_)], cross.T)
            out.append(block[0, 1] / np.sqrt(block[0, 0] * block[1, 1]))
    return np.array(out)


@st.composite
def blocks(draw):
    k = draw(st.integers(2, 6))
    number = st.floats(-0.95, 0.95)
    return k, np.array([draw(number) for _ in range(k * (k - 1) // 2)])


@given(blocks())
def test_every_point_is_a_correlation_matrix(block):
    k, partial = block
    matrix, root = correlations(partial, k)
    np.testing.assert_allclose(root @ root.T, matrix, atol=1e-12)
    np.testing.assert_allclose(np.diag(matrix), 1.0, atol=1e-12)
    assert (np.diag(root) > 0).all()


@given(blocks())
def test_they_are_the_partial_correlations_of_the_matrix(block):
    k, partial = block
    matrix, _ = correlations(partial, k)
    np.testing.assert_allclose(partials(matrix), partial, atol=1e-6)


@pytest.mark.parametrize("k", [2, 3, 4, 6])
def test_adjoint(k):
    rng = np.random.default_rng(k)
    n = k * (k - 1) // 2
    for _ in range(5):
        partial, weight = rng.uniform(-0.9, 0.9, n), rng.normal(size=n)
        root, out, found = np.zeros((k, k)), np.empty(n), np.empty(n)
        partials_to_correlations(partial, k, root, out)
        pull_correlations(partial, k, root, weight, found)
        numeric = np.empty(n)
        for i in range(n):
            h = 1e-6 * np.eye(n)[i]
            up, down = np.empty(n), np.empty(n)
            partials_to_correlations(partial + h, k, np.zeros((k, k)), up)
            partials_to_correlations(partial - h, k, np.zeros((k, k)), down)
            numeric[i] = weight @ (up - down) / 2e-6
        np.testing.assert_allclose(found, numeric, atol=1e-7)
