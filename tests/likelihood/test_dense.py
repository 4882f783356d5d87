"""Inverses and factorisations against NumPy, on both sides of the block size."""

import numpy as np
import pytest

from bayessem.likelihood.dense import (
    BLOCK,
    cholesky_lower,
    general_inverse,
    lower_inverse,
    spd_inverse,
)

SIZES = (1, 2, 7, BLOCK, BLOCK + 1, 27, 2 * BLOCK + 1, 61)


def positive_definite(n: int) -> np.ndarray:
    rows = np.random.default_rng(n).normal(size=(n, 3 * n))
    return rows @ rows.T / (3 * n)


@pytest.mark.parametrize("n", SIZES)
def test_spd_inverse(n):
    a = positive_definite(n)
    out = np.empty((n, n))
    before = a.copy()
    assert spd_inverse(a, out) == pytest.approx(np.linalg.slogdet(a)[1], rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(out, np.linalg.inv(a), rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(a, before)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("value", [-1.0, np.nan])
def test_not_positive_definite_is_not_a_number(n, value):
    out = np.empty((n, n))
    for i in (0, n // 2, n - 1):
        a = positive_definite(n)
        a[i, i] = value
        assert np.isnan(spd_inverse(a, out))
        assert np.isnan(cholesky_lower(a, out))


@pytest.mark.parametrize("n", SIZES)
def test_cholesky_and_its_inverse(n):
    a = positive_definite(n)
    root, inverse = np.empty((n, n)), np.empty((n, n))
    assert cholesky_lower(a, root) == pytest.approx(np.linalg.slogdet(a)[1], rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(root, np.linalg.cholesky(a), rtol=1e-9, atol=1e-9)
    lower_inverse(root, inverse)
    np.testing.assert_allclose(inverse @ root, np.eye(n), rtol=0, atol=1e-9)


@pytest.mark.parametrize("n", SIZES)
def test_general_inverse(n):
    a = np.random.default_rng(n).normal(size=(n, n))
    a[0, 0] = 0.0 if n > 1 else 2.0  # needs a pivot from another row
    out = np.empty((n, n))
    assert general_inverse(a, out)
    np.testing.assert_allclose(out @ a, np.eye(n), rtol=0, atol=1e-8)


@pytest.mark.parametrize("n", SIZES)
def test_singular_matrix_is_reported(n):
    assert not general_inverse(np.zeros((n, n)), np.empty((n, n)))
