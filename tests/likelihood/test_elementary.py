"""The exponential function and the normal tail against NumPy's and SciPy's."""

import numpy as np
import pytest
from scipy.special import ndtr

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.elementary import HIGHEST, LOWEST, exponential, normal_tail


@compiled
def exponentials(x, out):
    """Of all numbers."""
    for i in range(x.size):
        out[i] = exponential(x[i])


@compiled
def normal_tails(z, out, density):
    """Of all numbers."""
    for i in range(z.size):
        out[i], density[i] = normal_tail(z[i])


def exponential_of(x):
    out = np.empty(len(x))
    exponentials(x, out)
    return out


def test_the_exponential_is_numpys():
    """To a relative error that grows with the number, as the rounding of the number itself does."""
    x = np.linspace(-700.0, 700.0, 20_001)
    allowed = 1e-15 * (1.0 + np.abs(x))  # four roundings; processors fuse some of them
    assert (np.abs(exponential_of(x) / np.exp(x) - 1.0) < allowed).all()


def test_the_exponential_at_its_ends():
    found = exponential_of(np.array([np.nan, -np.inf, LOWEST - 1.0, 0.0, HIGHEST + 1.0, np.inf]))
    np.testing.assert_array_equal(found, [np.nan, 0.0, 0.0, 1.0, np.inf, np.inf])


@pytest.mark.parametrize(("to", "error"), [(8.0, 3e-14), (37.0, 5e-13)])
def test_the_tail_is_scipys(to, error):
    """Far out an error of the square counts as a whole."""
    z = np.linspace(0.0, to, 20_001)
    tail, density = np.empty(z.size), np.empty(z.size)
    normal_tails(z, tail, density)
    assert np.abs(tail / ndtr(-z) - 1.0).max() < error
    assert np.abs(density / np.exp(-0.5 * z * z) - 1.0).max() < error


def test_the_tail_far_out_and_of_no_number():
    z = np.array([40.0, 1e300, np.inf, np.nan])
    tail, density = np.empty(4), np.empty(4)
    normal_tails(z, tail, density)
    np.testing.assert_array_equal(tail, [0.0, 0.0, 0.0, np.nan])
    np.testing.assert_array_equal(density, [0.0, 0.0, 0.0, np.nan])
