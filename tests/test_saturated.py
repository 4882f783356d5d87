import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from bayessem.errors import DataError
from bayessem.model.data import read_sample
from bayessem.model.saturated import (
    baseline_log_likelihood,
    covariate_log_likelihood,
    normal_log_likelihood,
    pattern_moments,
    saturate,
)


def frame(n: int = 80, p: int = 3, share: float = 0.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) + 5.0
    values[rng.random((n, p)) < share] = np.nan
    return pd.DataFrame(values, columns=[f"x{j}" for j in range(p)])


def test_complete_data_are_their_own_moments():
    data = frame()
    got = saturate(read_sample(data, list(data)))
    np.testing.assert_allclose(got.mean, data.mean())
    np.testing.assert_allclose(got.covariance, np.cov(data.T, bias=True))
    density = multivariate_normal(got.mean, got.covariance).logpdf(data)
    assert got.log_likelihood == pytest.approx(density.sum())
    assert (got.iterations, got.converged) == (0, True)


def test_em_finds_the_maximum():
    data = frame(n=60, p=2, share=0.3, seed=1)
    sample = read_sample(data, list(data))
    got = saturate(sample)
    patterns = pattern_moments(sample, group=0)

    def objective(v):
        root = np.array([[v[2], 0.0], [v[3], v[4]]])
        return -normal_log_likelihood(patterns, v[:2], root @ root.T)

    best = minimize(objective, [5, 5, 1, 0, 1], method="BFGS", options={"gtol": 1e-7})
    assert got.converged
    assert got.log_likelihood == pytest.approx(-best.fun, abs=1e-7)


def test_the_likelihood_is_that_of_each_respondent():
    data = frame(n=30, share=0.25, seed=2)
    sample = read_sample(data, list(data))
    got = saturate(sample)
    total = 0.0
    for row in sample.values:
        o = ~np.isnan(row)
        total += multivariate_normal(got.mean[o], got.covariance[np.ix_(o, o)]).logpdf(row[o])
    assert got.log_likelihood == pytest.approx(total)


def test_heavy_missingness_converges():
    data = frame(n=400, p=5, share=0.6, seed=3)
    got = saturate(read_sample(data, list(data)))
    assert got.converged
    assert got.iterations < 3000


def test_units_do_not_matter():
    data = frame(n=100, share=0.3, seed=4)
    one = saturate(read_sample(data, list(data)))
    scale = np.array([1e-4, 1.0, 1e5])
    two = saturate(read_sample(data * scale, list(data)))
    np.testing.assert_allclose(two.covariance, one.covariance * np.outer(scale, scale), rtol=1e-6)


def test_determined_variables_are_named():
    data = frame()
    data["copy"] = data.x0 - data.x1
    with pytest.raises(DataError, match="x0, x1, copy"):
        saturate(read_sample(data, list(data)))


def test_baseline_keeps_the_covariates_together():
    data = frame()
    sample = read_sample(data, list(data))
    alone = baseline_log_likelihood(sample, [])
    univariate = sum(
        float(multivariate_normal(data[c].mean(), data[c].var(ddof=0)).logpdf(data[c]).sum())
        for c in data
    )
    assert alone == pytest.approx(univariate)
    pair = data[["x1", "x2"]]
    joint = multivariate_normal(pair.mean(), np.cov(pair.T, bias=True)).logpdf(pair).sum()
    assert covariate_log_likelihood(sample, [1, 2]) == pytest.approx(joint)
    assert baseline_log_likelihood(sample, [0, 1, 2]) == pytest.approx(
        saturate(sample).log_likelihood
    )
