"""The PyTensor operations are right on the Python and the Numba path, gradients too."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import NullTypeGradError
from scipy.stats import multivariate_normal

from bayessem.graph.operation import (
    Correlations,
    GenerateIndicators,
    LogLikelihood,
    generate_indicators,
    semidefinite_root,
)
from bayessem.likelihood.plan import build_plan, pattern_from_rows

PYTHON = pytensor.compile.mode.Mode(linker="py", optimizer=None)
NUMBA = "NUMBA"


@pytest.fixture(scope="module")
def one_factor() -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Elements of a factor with three indicators, plan, data."""
    rng = np.random.default_rng(2)
    y = rng.normal(size=(12, 3))
    loadings, residuals = np.array([[1.0], [0.8], [0.6]]), np.diag([0.5, 0.6, 0.7])
    parts = (loadings, np.zeros(1), np.ones(1), residuals, np.array([0.1, 0.2, 0.3]), np.zeros(1))
    elements = np.concatenate([x.ravel() for x in parts])
    plan = build_plan((3, 1, 0), [pattern_from_rows(0, np.arange(3), y)])
    return elements, plan, y


@pytest.mark.parametrize("mode", [PYTHON, NUMBA], ids=["python", "numba"])
def test_log_likelihood_and_pullback(one_factor, mode):
    elements, plan, y = one_factor
    x = pt.dvector("x")
    value = LogLikelihood()(x, *map(pytensor.shared, plan))[0]
    function = pytensor.function([x], [value, pt.grad(3.0 * value, x)], mode=mode)
    loadings = elements[:3, None]
    covariance = loadings @ loadings.T + elements[5:14].reshape(3, 3)
    expected = multivariate_normal(elements[14:17], covariance).logpdf(y).sum()
    log_likelihood, gradient = function(elements)
    assert log_likelihood == pytest.approx(expected, rel=1e-12)
    for i in (0, 1, 4, 14, 17):  # loadings, disturbance, intercept, mean
        step = 1e-5 * np.eye(len(elements))[i]
        slope = (function(elements + step)[0] - function(elements - step)[0]) / 2e-5
        assert gradient[i] == pytest.approx(3.0 * slope, rel=1e-6, abs=1e-6)


def test_log_likelihood_has_no_second_derivatives(one_factor):
    _, plan, _ = one_factor
    x = pt.dvector("x")
    value = LogLikelihood()(x, *map(pytensor.shared, plan))[0]
    with pytest.raises(NullTypeGradError, match="no second derivatives"):
        pt.grad(pt.grad(value, x).sum(), x)


@pytest.mark.parametrize("mode", [PYTHON, NUMBA], ids=["python", "numba"])
def test_correlations_and_pullback(mode):
    sizes = (3, 4)
    x = pt.dvector("x")
    weight = np.linspace(-1.0, 1.0, 9)
    out = Correlations(sizes)(x)
    function = pytensor.function([x], [out, pt.grad((out * weight).sum(), x)], mode=mode)
    partial = np.random.default_rng(0).uniform(-0.8, 0.8, 9)
    correlations, gradient = function(partial)
    # of three variables: r12, r13, r23 = p23 sqrt((1 - r12^2)(1 - r13^2)) + r12 r13
    r12, r13 = partial[:2]
    r23 = partial[2] * np.sqrt((1 - r12**2) * (1 - r13**2)) + r12 * r13
    assert correlations[:3] == pytest.approx([r12, r13, r23], rel=1e-12)
    for i in range(9):
        step = 1e-6 * np.eye(9)[i]
        ahead, behind = (function(partial + s)[0] @ weight for s in (step, -step))
        assert gradient[i] == pytest.approx((ahead - behind) / 2e-6, rel=1e-6, abs=1e-8)


def elements_of(*matrices: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(x, dtype=float).ravel() for x in matrices])


@pytest.mark.parametrize("mode", [PYTHON, NUMBA], ids=["python", "numba"])
def test_indicators_follow_the_equations(mode):
    """A chain of products in two groups, against the equations solved one after the other."""
    rng = np.random.default_rng(4)
    p, m, h = 4, 3, 2
    groups = []
    for _ in range(2):
        loadings, paths, products = rng.normal(size=(p, m)), np.zeros((m, m)), np.zeros((m, h))
        paths[1, 0], paths[2, 1], products[1, 0], products[2, 1] = rng.normal(size=4)
        a, b = rng.normal(size=(m, m)), rng.normal(size=(p, p))
        groups.append(
            (loadings, paths, a @ a.T, b @ b.T, rng.normal(size=p), rng.normal(size=m), products)
        )
    elements = np.concatenate([elements_of(*g) for g in groups])
    group = np.array([1, 0, 0, 1, 1])
    normals = rng.normal(size=(5, m + p))
    terms = np.array([[0, 0, 0], [1, 0, 1]])  # eta0 eta0, then eta0 eta1
    x = pt.dvector("x")
    function = pytensor.function(
        [x], GenerateIndicators((p, m, h))(x, normals, group, terms), mode=mode
    )
    for g, z, y in zip(group, normals, function(elements), strict=True):
        loadings, paths, psi, theta, intercepts, means, products = groups[g]
        zeta = means + np.linalg.cholesky(psi) @ z[:m]
        eta = np.zeros(m)
        eta[0] = zeta[0]
        eta[1] = zeta[1] + paths[1, 0] * eta[0] + products[1, 0] * eta[0] ** 2
        eta[2] = zeta[2] + paths[2, 1] * eta[1] + products[2, 1] * eta[0] * eta[1]
        expected = intercepts + loadings @ eta + np.linalg.cholesky(theta) @ z[m:]
        assert y == pytest.approx(expected, rel=1e-10)


def test_root_of_a_singular_covariance():
    factor = np.array([[1.0, 0.0], [0.5, 0.0], [0.3, 0.7]])
    matrix, root = factor @ factor.T, np.empty((3, 3))
    assert semidefinite_root(matrix, root)
    assert root @ root.T == pytest.approx(matrix, abs=1e-12)
    assert semidefinite_root(np.diag([1.0, 0.0, 2.0]), root)
    assert root == pytest.approx(np.diag([1.0, 0.0, np.sqrt(2.0)]))


@pytest.mark.parametrize(
    "matrix",
    [np.diag([1.0, -0.1]), np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 1.0]])],
)
def test_what_is_no_covariance_gives_no_indicators(matrix):
    assert not semidefinite_root(matrix, np.empty((2, 2)))
    elements = elements_of(np.eye(2), np.zeros((2, 2)), matrix, np.eye(2), np.zeros(2), np.zeros(2))
    out = np.empty((3, 2))
    no_terms = np.zeros((0, 3), dtype=np.int64)
    shape = np.array([2, 2, 0])
    group = np.zeros(3, dtype=np.int64)
    generate_indicators(elements, np.ones((3, 4)), group, no_terms, shape, out)
    assert np.isnan(out).all()
