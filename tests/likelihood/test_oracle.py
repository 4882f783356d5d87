"""The oracle itself: against simulation, and against an integral written out by hand."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from bayessem.likelihood.oracle import latent_values, product_log_likelihood
from tests.likelihood.families import CHAIN, INTERACTION, TRIANGLE


@pytest.mark.parametrize("family", [INTERACTION, CHAIN, TRIANGLE], ids=lambda f: f.name)
def test_average_over_simulated_latents(family):
    rng = np.random.default_rng(7)
    draw = family.draw(rng)
    rows = family.simulate(draw, 3, rng)
    n = 400_000
    zeta = rng.multivariate_normal(draw["means"], draw["disturbances"], n)
    linear = zeta @ np.linalg.inv(np.eye(zeta.shape[1]) - draw["paths"]).T
    values = latent_values(linear, draw, family.products)
    mean = draw["intercepts"] + values @ draw["loadings"].T
    log_densities = multivariate_normal(np.zeros(rows.shape[1]), draw["residuals"])
    grid = np.linspace(-6.5, 6.5, 61 if family is TRIANGLE else 201)
    expected = product_log_likelihood(draw, rows, pairs=family.products, grid=grid)
    for row, value in zip(rows, expected, strict=True):
        terms = log_densities.logpdf(row - mean)
        weights = np.exp(terms - terms.max())
        error = weights.std() / weights.mean() / np.sqrt(n)
        assert error < 0.1
        assert logsumexp(terms) - np.log(n) == pytest.approx(value, abs=5 * error)


def test_latent_by_observed_written_out():
    """X with two indicators, x observed and correlated with X, Y = b X + c x + w X x + e."""
    loading, residual, correlation, b, c, w, disturbance = (1.0, 0.8), 0.4, 0.3, 0.5, -0.2, 0.6, 0.5
    row = np.array([0.7, 1.1, -0.4, 1.6])  # y1, y2, Y, x
    matrices = {
        "loadings": np.array([[1.0, 0, 0], [0.8, 0, 0], [0, 1, 0], [0, 0, 1]]),
        "paths": np.array([[0, 0, 0], [b, 0, c], [0, 0, 0]]),
        "disturbances": np.array([[1, 0, correlation], [0, disturbance, 0], [correlation, 0, 1]]),
        "residuals": np.diag([residual, residual, 0.0, 0.0]),
        "intercepts": np.zeros(4),
        "means": np.array([0.0, 0.3, 0.2]),
        "products": np.array([[0.0], [w], [0.0]]),
    }
    x = row[3]

    def integrand(latent: float) -> float:
        given = correlation * (x - 0.2)
        value = norm.pdf(latent, given, np.sqrt(1 - correlation**2))
        for y, factor in zip(row[:2], loading, strict=True):
            value *= norm.pdf(y, factor * latent, np.sqrt(residual))
        mean = 0.3 + b * latent + c * x + w * latent * x
        return value * norm.pdf(row[2], mean, np.sqrt(disturbance))

    expected = np.log(quad(integrand, -8, 8, epsabs=1e-13)[0]) + norm.logpdf(x, 0.2, 1.0)
    got = product_log_likelihood(matrices, row[None], pairs=[(0, 2)], observed={2: 3})
    assert got[0] == pytest.approx(expected, abs=1e-9)
