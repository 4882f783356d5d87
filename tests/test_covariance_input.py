import numpy as np
import pandas as pd
import pytest

from bayessem.errors import DataError
from bayessem.model.covariance_input import from_covariance, made_from_moments
from bayessem.model.data import read_sample

NAMES = ["a", "b", "c"]
COVARIANCE = pd.DataFrame(
    [[4.0, 1.0, -0.5], [1.0, 9.0, 2.0], [-0.5, 2.0, 1.0]], index=NAMES, columns=NAMES
)


@pytest.mark.parametrize("n", [5, 6, 101])
def test_moments_are_exact(n):
    rows = from_covariance(COVARIANCE, n, means=[1.0, -2.0, 300.0])
    np.testing.assert_allclose(rows.cov(), COVARIANCE, atol=1e-10)
    np.testing.assert_allclose(rows.mean(), [1.0, -2.0, 300.0], atol=1e-9)
    assert len(rows) == n


def test_means_by_name_and_a_lower_triangle():
    lower = COVARIANCE.where(np.tri(3, dtype=bool))
    rows = from_covariance(lower, 50, means={"c": 3.0, "b": 2.0, "a": 1.0})
    np.testing.assert_allclose(rows.cov(), COVARIANCE, atol=1e-10)
    np.testing.assert_allclose(rows.mean(), [1.0, 2.0, 3.0], atol=1e-10)


def test_such_rows_are_recognised():
    rows = from_covariance(COVARIANCE, 20)
    assert made_from_moments(read_sample(rows, NAMES))
    assert not made_from_moments(read_sample(rows.reset_index(drop=True), NAMES))


def changed(i: int, j: int, value: float) -> pd.DataFrame:
    values = COVARIANCE.to_numpy(copy=True)
    values[i, j] = value
    return pd.DataFrame(values, index=NAMES, columns=NAMES)


@pytest.mark.parametrize(
    ("matrix", "n", "means", "message"),
    [
        (COVARIANCE.iloc[:2], 50, None, "2 by 3"),
        (changed(0, 1, 1.5), 50, None, "a, b is 1.5 above"),
        (changed(2, 0, np.nan), 50, None, "c and a is missing"),
        (changed(2, 2, 0.1), 50, None, "not positive definite"),
        (COVARIANCE, 4, None, "n = 4 is too small"),
        (COVARIANCE, 50, [1.0, 2.0], "2 means for 3"),
        (COVARIANCE, 50, {"a": 1.0, "b": 1.0}, "means of c"),
    ],
)
def test_what_is_no_covariance_matrix(matrix, n, means, message):
    with pytest.raises(DataError, match=message):
        from_covariance(matrix, n, means=means)


def test_what_is_about_respondents_is_refused():
    import bayessem as bs
    from bayessem.errors import NotSupported

    names = ["x1", "x2", "x3"]
    rng = np.random.default_rng(0)
    raw = pd.DataFrame(rng.normal(size=(50, 3)) + rng.normal(size=(50, 1)), columns=names)
    made = bs.from_covariance(raw.cov(), 50, means=raw.mean().to_dict())
    fit = bs.SEM("f =~ x1 + x2 + x3").fit(
        made, draws=50, tune=100, chains=2, random_seed=1, progress=False
    )
    with pytest.raises(NotSupported, match="cross-validation is about respondents"):
        fit.loo()
    with pytest.raises(NotSupported, match="a score is about respondents"):
        fit.scores()
    with pytest.raises(NotSupported, match="product term is about respondents"):
        bs.SEM("x1 ~ x2 + x2:x2").prepare(made)
