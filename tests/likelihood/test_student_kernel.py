"""The engine of heavy tails against SciPy's multivariate t, differences, and the normal kernel."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_t

from bayessem.model.prepare import Prepared, prepare
from bayessem.model.starts import start_values
from bayessem.posterior.assemble import (
    likelihood_density,
    posterior_density,
    respondent_order,
)
from bayessem.posterior.covariates import covariate_log_density
from bayessem.results.standardize import model_moments
from bayessem.syntax.specification import Specification

MODEL = "F =~ x1 + x2 + x3\nG =~ y1 + y2\nG ~ F + z\ny1 ~~ x1"
N = 60


def _data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    scale = 1.0 / np.sqrt(rng.gamma(2.0, 0.5, N))
    f = scale * rng.standard_normal(N)
    g = 0.5 * f + scale * rng.standard_normal(N)
    out = {f"x{j}": f + 0.7 * scale * rng.standard_normal(N) for j in (1, 2, 3)}
    out |= {f"y{j}": g + 0.7 * scale * rng.standard_normal(N) for j in (1, 2)}
    data = pd.DataFrame(out).assign(z=3.0 + rng.standard_normal(N), site=np.arange(N) % 2)
    data.loc[:9, "x1"] = np.nan
    data.loc[5:20, "y2"] = np.nan
    return data


def _prepared(group: str | None = None, **options: object) -> Prepared:
    return prepare(Specification(MODEL, family="student", **options), _data(), group=group)


def _point(p: Prepared) -> np.ndarray:
    """Away from every maximum, with nu = 5."""
    x = start_values(p.structure, p.covariances, p.means)
    x += 0.1 * np.abs(x) * np.random.default_rng(2).uniform(0.1, 1.0, len(x)) + 0.01
    x[p.table.parameters.index("nu")] = 5.0
    return x


def _by_scipy(p: Prepared, x: np.ndarray) -> np.ndarray:
    """Log-densities of the respondents given their covariates."""
    elements = likelihood_density(p.structure, p.space, p.sample).elements(x)
    given = [p.sample.variables.index(name) for name in p.table.exogenous]
    nu, out = 5.0, np.empty(p.sample.size)
    for i, row in enumerate(p.sample.values):
        moments = model_moments(p.structure, elements, group=int(p.sample.group[i]))
        mean, cov = moments.observed_mean, moments.observed_covariance
        own = [j for j in range(len(row)) if j not in given and not np.isnan(row[j])]
        slopes = np.linalg.solve(cov[np.ix_(given, given)], cov[np.ix_(given, own)])
        centre = mean[own] + (row[given] - mean[given]) @ slopes
        left = cov[np.ix_(own, own)] - cov[np.ix_(own, given)] @ slopes
        out[i] = multivariate_t(centre, left * (nu - 2.0) / nu, df=nu).logpdf(row[own])
    return out


@pytest.mark.parametrize("options", [{}, {"group": "site"}, {"fixed_x": False}])
def test_density_of_each_respondent(options):
    p = _prepared(**options)
    density, x = likelihood_density(p.structure, p.space, p.sample), _point(p)
    found = density.respondent_log_likelihood(x[None])[0][respondent_order(p.sample)]
    expected = _by_scipy(p, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert density.value_and_gradient(x)[0] == pytest.approx(expected.sum(), abs=1e-8)


@pytest.mark.parametrize("group", [None, "site"])
def test_gradient_of_the_likelihood_and_of_the_posterior(group):
    p = _prepared(group)
    likelihood = likelihood_density(p.structure, p.space, p.sample)
    posterior = posterior_density(p.space, p.structure, p.sample)
    start = np.random.default_rng(3).uniform(-0.3, 0.3, posterior.size)
    for density, x in ((likelihood, _point(p)), (posterior, start)):
        value, gradient = density.value_and_gradient(x)
        step = 1e-5 * np.diag(1.0 + np.abs(x))
        up, down = (
            np.array([density.value_and_gradient(x + sign * h)[0] for h in step])
            for sign in (1.0, -1.0)
        )
        assert np.isfinite(value)
        differences = (up - down) / (2.0 * np.diag(step))
        np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-6 * abs(value))


def test_many_degrees_of_freedom_are_the_normal_model():
    p = _prepared()
    normal = prepare(Specification(MODEL), _data())
    x = _point(p)
    x[-1] = 1e7
    found = likelihood_density(p.structure, p.space, p.sample).value_and_gradient(x)[0]
    other = likelihood_density(normal.structure, normal.space, normal.sample)
    given = covariate_log_density(normal.space, normal.structure, normal.sample).sum()
    assert found == pytest.approx(other.value_and_gradient(x[:-1])[0] - given, abs=1e-3)


def test_no_variance_is_no_density():
    p = _prepared()
    density, x = likelihood_density(p.structure, p.space, p.sample), _point(p)
    for nu in (2.0, 1.0):
        x[-1] = nu
        assert density.value_and_gradient(x)[0] == -np.inf
    x[-1] = 5.0
    x[p.table.parameters.index("F~~F")] = -10.0
    assert density.value_and_gradient(x)[0] == -np.inf
