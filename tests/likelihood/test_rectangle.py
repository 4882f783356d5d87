"""Rectangles under a bivariate normal distribution, against numbers of 60 digits and integrals.

The probabilities are one-dimensional integrals by mpmath 1.3 (`mp.quad` of the density times the
other variable's conditional probability, 60 digits, 25 panels and more at the edges).
"""

import numpy as np
import pytest

from bayessem.likelihood.rectangle import rectangle, truncated_pair

INF = np.inf
EXACT = (
    (0.3, INF, -0.2, INF, 0.5, 0.2975467242656692),
    (1.5, INF, 2.5, INF, -0.5, 2.758943531710394e-6),
    (-INF, 0.4, 0.1, INF, 0.8, 0.1671716375938243),
    (-0.3, 0.2, 0.5, 0.9, -0.89, 0.02611592412549924),
    (2, 2.3, -INF, INF, 0.3, 0.0120260219265034),
    (-0.3, 0.2, 0.5, 0.9, 0.97, 0.004855380818118261),
    (0.3, INF, -0.2, INF, -0.999, 7.623925297879625e-5),
    (-INF, -3, 3, INF, 0.8, 3.264274309655201e-23),
    (6, INF, -INF, -2, 0.8, 1.276361719414835e-39),
    (4, INF, 4.5, INF, -0.5, 4.781599026369234e-19),
)


@pytest.mark.parametrize("case", EXACT)
def test_probability(case):
    *ends, r, p = case
    assert rectangle(*map(float, ends), r) == pytest.approx(p, rel=1e-12)
    a, b, c, d = map(float, ends)
    assert rectangle(c, d, a, b, r) == pytest.approx(p, rel=1e-12)  # by the other variable


def _by_grid(a: float, b: float, c: float, d: float, r: float) -> np.ndarray:
    """The same by a product of Gauss-Legendre rules."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    (x, w), (y, v) = (
        (lo + (hi - lo) * (nodes + 1) / 2, weights * (hi - lo) / 2)
        for lo, hi in ((max(a, -10.0), min(b, 10.0)), (max(c, -10.0), min(d, 10.0)))
    )
    x = x[:, None]
    form = (x**2 - 2 * r * x * y + y**2) / (1 - r * r)
    density = w[:, None] * v * np.exp(-0.5 * form) / (2 * np.pi * np.sqrt(1 - r * r))
    p = density.sum()
    means = [(density * m).sum() / p for m in (x, y, x * x, x * y, y * y)]
    return np.array([np.log(p), *means])


@pytest.mark.parametrize(
    "case",
    [(0.3, INF, -0.2, INF, 0.5), (-0.3, 0.2, 0.5, 0.9, -0.8), (-INF, 0.4, 0.1, INF, 0.95)],
)
def test_moments(case):
    np.testing.assert_allclose(truncated_pair(*map(float, case)), _by_grid(*case), atol=1e-11)


def test_a_rectangle_that_is_none_has_no_probability():
    assert truncated_pair(1.0, 1.0, -INF, INF, 0.3)[0] == -INF
