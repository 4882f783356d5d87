"""Sums over nodes within windows, against NumPy's with zeros elsewhere."""

import numpy as np
import pytest

from bayessem.likelihood.node_sums import collect, rescale, spans, sum_out, weigh
from bayessem.likelihood.node_windows import narrow


@pytest.mark.parametrize(
    ("rows", "q", "outer", "inner"), [(1, 3, 1, 5), (4, 9, 1, 14), (7, 6, 3, 8)]
)
def test_sums_within_windows(rows, q, outer, inner):
    """Chain: spans; four rows or nodes at a time, and what is left over."""
    generator = np.random.default_rng(q)
    kernel = generator.normal(size=(q, outer, inner))
    far = np.abs(np.arange(inner) - np.arange(q)[:, None] - 1) > 3
    kernel[np.broadcast_to(far[:, None], kernel.shape)] = 0.0
    kernel[q // 2] = 0.0
    span = spans(kernel)
    inside = (np.arange(inner) >= span[..., :1]) & (np.arange(inner) < span[..., 1:])
    np.testing.assert_array_equal(inside, kernel != 0.0)
    windows = np.empty((rows, 6), dtype=np.int64)
    for d, size in enumerate((q, outer, inner)):
        ends = np.sort(generator.integers(0, size + 1, size=(rows, 2)), axis=1)
        windows[:, 2 * d : 2 * d + 2] = ends
    v, b, c = (
        (np.arange(size) >= windows[:, 2 * d, None])
        & (np.arange(size) < windows[:, 2 * d + 1, None])
        for d, size in enumerate((q, outer, inner))
    )
    product = np.where(v, generator.normal(size=(rows, q)), 0.0)
    kept = b[:, :, None] & c[:, None, :]
    d_out = np.where(kept, generator.normal(size=(rows, outer, inner)), 0.0)
    out, weights = np.zeros((rows, outer, inner)), np.empty((rows, q))
    sum_out(product, kernel, span, windows, out)
    expected = np.where(kept, np.einsum("uv,vbc->ubc", product, kernel), 0.0)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    weigh(d_out, product, kernel, span, windows, weights)
    expected_weights = product * np.einsum("ubc,vbc->uv", d_out, kernel)
    np.testing.assert_allclose(weights, expected_weights, rtol=1e-12, atol=1e-12)
    sums = np.empty(kernel.shape)
    collect(d_out, product, span, windows, sums)
    expected_sums = np.where(inside, np.einsum("uv,ubc->vbc", product, d_out), 0.0)
    np.testing.assert_allclose(sums * (kernel != 0.0), expected_sums, rtol=1e-12, atol=1e-12)
    scales = np.empty(rows)
    for summed in (inner, (inner + 1) // 2):  # of a series the first term's nodes
        scaled = np.abs(out) + kept
        rescale(scaled, windows, scales, summed)
        total = (np.abs(expected) + kept)[:, :, :summed].sum(axis=(1, 2))
        np.testing.assert_allclose(scales, total, rtol=1e-12)
        found = total > 0.0
        np.testing.assert_allclose(
            scaled[found] * total[found, None, None], np.abs(expected[found]) + kept[found]
        )


def test_windows_keep_what_matters():
    """What is negligible at either end goes, and is 0 from then on; what lies between stays."""
    product = np.array([1e-40, 1e-5, 0.0, 1.0, 1e-17, 1e-30])
    window = np.array([0, 6, 0, 1, 0, 1])
    narrow(product, np.ones(6), window, 1e-18)
    np.testing.assert_array_equal(window[:2], [1, 5])
    np.testing.assert_array_equal(product, [0.0, 1e-5, 0.0, 1.0, 1e-17, 0.0])
    nothing = np.zeros(6)
    window[:2] = 0, 6
    narrow(nothing, np.ones(6), window, 1e-18)
    np.testing.assert_array_equal(window[:2], [0, 6])
