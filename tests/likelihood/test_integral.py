"""The integral of one square against dense grids, in mild settings and in hard ones."""

import os
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from scipy.special import logsumexp

from bayessem.likelihood.integral import quartic_integral
from bayessem.likelihood.plan import REACH, STEP

REFCASES = Path(
    os.environ.get("BAYESSEM_REFCASES", Path(__file__).parents[3] / "shared" / "refcases")
)
STRESS = REFCASES / "quadrature_stress.npz"


@njit
def integrate(projected, gram, reach, step, out, moments):
    """Log-integral and E[z], ..., E[z^4] of every respondent; returns the nodes used."""
    sums = np.empty(5)
    nodes = 0.0
    for i in range(projected.shape[0]):
        out[i], used = quartic_integral(
            projected[i, 0], projected[i, 1], gram[0, 0], gram[0, 1], gram[1, 1], reach, step, sums
        )
        moments[i] = sums
        nodes += used
    return nodes


def log_density(rows, design, covariance):
    """log p(y_i) of y = design (z, z^2) + normal with this covariance, and the mean node count."""
    inverse = np.linalg.inv(covariance)
    base = np.einsum("ij,jk,ik->i", rows, inverse, rows)
    base += len(covariance) * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1]
    out, moments = np.empty(len(rows)), np.empty((len(rows), 5))
    gram = design.T @ inverse @ design
    nodes = integrate(rows @ inverse @ design, gram, REACH, STEP, out, moments)
    return out - 0.5 * base, nodes / len(rows)


@pytest.mark.skipif(not STRESS.is_file(), reason=f"{STRESS.name}: no folder refcases here")
@pytest.mark.parametrize(
    ("setting", "tolerance"), [("a", 1e-6), ("b", 1e-4), ("c", 1e-4), ("d", 1e-4), ("e", 1e-4)]
)
def test_reference_cases(setting, tolerance):
    with np.load(STRESS) as cases:
        design = np.stack([cases[f"{setting}_m1"], cases[f"{setting}_m2"]], axis=1)
        rows = cases[f"{setting}_y"].astype(float)
        got, nodes = log_density(rows, design, cases[f"{setting}_sigma"])
        assert np.abs(got - cases[f"{setting}_logp"]).max() < tolerance
    assert nodes < 60


# own loadings of z, linear effect, square effect, disturbance variance: mild; nearly determined by
# its outcome; a square alone, so two equal modes; far from what the data can be; a linear model
SETTINGS = {
    "mild": (0.8, 0.5, 0.2, 0.5),
    "strong": (0.8, 0.75, 0.46, 0.015),
    "two modes": (0.4, 0.0, 0.7, 0.05),
    "weak indicators": (0.05, 0.1, 0.9, 0.02),
    "no square": (0.8, 0.5, 0.0, 0.5),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_dense_grid(name):
    loading, linear, square, disturbance = SETTINGS[name]
    rng = np.random.default_rng(8)
    design = np.zeros((7, 2))
    design[:3, 0] = loading
    design[3:, 0], design[3:, 1] = 0.9 * linear, 0.9 * square
    covariance = 0.3 * np.eye(7)
    covariance[3:, 3:] += 0.81 * disturbance
    z = rng.normal(size=60)
    rows = np.stack([z, z**2], axis=1) @ design.T
    rows += rng.multivariate_normal(np.zeros(7), covariance, len(z))
    rows[-3:] *= 4  # respondents that the model does not expect
    grid = np.linspace(-12, 12, 24_001)
    features = np.stack([grid, grid**2])
    inverse = np.linalg.inv(covariance)
    gram = design.T @ inverse @ design
    exponent = rows @ inverse @ design @ features
    exponent -= 0.5 * (features * (gram @ features)).sum(axis=0)
    exponent -= 0.5 * (grid**2 + np.log(2 * np.pi))
    expected = logsumexp(exponent, axis=1) + np.log(grid[1] - grid[0])
    weights = np.exp(exponent - logsumexp(exponent, axis=1, keepdims=True))
    got, moments = np.empty(len(rows)), np.empty((len(rows), 5))
    integrate(rows @ inverse @ design, gram, REACH, STEP, got, moments)
    tolerance = 1e-6 if name in ("mild", "no square") else 1e-4
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)
    for power in range(1, 5):
        np.testing.assert_allclose(
            moments[:, power], weights @ grid**power, rtol=10 * tolerance, atol=10 * tolerance
        )


@pytest.mark.parametrize("place", range(5))
def test_meaningless_exponent_is_not_a_number(place):
    numbers = [0.3, 0.2, 1.0, 0.1, 0.5]
    numbers[place] = np.nan
    value, _ = quartic_integral(*numbers, REACH, STEP, np.empty(5))
    assert np.isnan(value)
