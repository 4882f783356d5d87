"""The composable node: the right density and draws, and clear refusals."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.stats import multivariate_normal

from bayessem.errors import BayessemError, DataError, ModelError, NotSupported
from bayessem.graph.node import StructuralModel

LOADINGS = np.array([[1.0, 0], [0.8, 0], [0.7, 0], [0, 1.0], [0, 0.9]])
PATHS = np.array([[0.0, 0], [0.6, 0]])
DISTURBANCES = np.array([1.2, 0.5])
RESIDUALS = np.array([0.4, 0.5, 0.3, 0.2, 0.6])
INTERCEPTS = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
MEANS = np.array([0.3, -0.2])
MATRICES = {
    "loadings": LOADINGS,
    "paths": PATHS,
    "disturbances": DISTURBANCES,
    "residuals": RESIDUALS,
    "intercepts": INTERCEPTS,
    "means": MEANS,
}


def node(observed, **changes):
    """The observed variable of two constructs with constant matrices, in a model of its own."""
    with pm.Model():
        return StructuralModel("y", **(MATRICES | changes), observed=observed)


def log_densities(variable, values) -> np.ndarray:
    """By respondent."""
    return pm.logp(variable, pt.constant(values)).eval(mode="FAST_COMPILE")


def log_density(variable, values) -> float:
    return float(log_densities(variable, values).sum())


def moments(loadings=LOADINGS) -> tuple[np.ndarray, np.ndarray]:
    total = np.linalg.inv(np.eye(2) - PATHS)
    reduced = loadings @ total
    covariance = reduced @ np.diag(DISTURBANCES) @ reduced.T + np.diag(RESIDUALS)
    return INTERCEPTS + reduced @ MEANS, covariance


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return np.random.default_rng(0).multivariate_normal(*moments(), size=30)


def test_density_is_the_normal_one_of_the_implied_moments(data):
    expected = multivariate_normal(*moments()).logpdf(data).sum()
    assert log_density(node(data), data) == pytest.approx(expected, rel=1e-12)
    full = {"disturbances": np.diag(DISTURBANCES), "residuals": np.diag(RESIDUALS)}
    assert log_density(node(data, **full), data) == pytest.approx(expected, rel=1e-12)


def test_log_densities_are_by_respondent_in_the_order_of_the_data(data):
    """With groups in turn and missing values, which the kernel sorts into patterns."""
    holes, group = data.copy(), np.arange(30) % 2
    holes[::3, 1] = holes[1::4, 4] = np.nan
    loadings = np.array([LOADINGS, LOADINGS * 1.3])
    found = log_densities(node(holes, loadings=loadings, group=group), holes)
    expected = []
    for row, g in zip(holes, group, strict=True):
        k, (mean, covariance) = np.flatnonzero(~np.isnan(row)), moments(loadings[g])
        expected.append(multivariate_normal(mean[k], covariance[np.ix_(k, k)]).logpdf(row[k]))
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_respondents_of_a_quadratic_model_do_not_depend_on_the_others(data):
    curved = {"squares": [0.0, 0.4], "squared": [0]}
    holes = data.copy()
    holes[::3, 3] = np.nan
    found = log_densities(node(holes, **curved), holes)
    for i in (0, 1, 29):
        alone = log_density(node(holes[[i]], **curved), holes[[i]])
        assert found[i] == pytest.approx(alone, rel=1e-9)


def test_the_gradient_is_that_of_the_sum_and_no_other(data):
    """Constant weights factor out; different ones have no gradient, and that is said."""
    with pm.Model() as model:
        b = pm.Normal("b", 0, 1)
        paths = pt.zeros((2, 2))[1, 0].set(b)
        variable = StructuralModel("y", **(MATRICES | {"paths": paths}), observed=data)
    (terms,) = model.logp(vars=[variable], sum=False)
    value = model.rvs_to_values[b]

    def gradient(weights, mode=None) -> float:
        slope = pytensor.grad((pt.as_tensor(weights) * terms).sum(), value)
        return float(pytensor.function([value], slope, mode=mode)(0.4))

    step = 1e-5
    total = pytensor.function([value], terms.sum(), mode="FAST_COMPILE")
    numeric = (total(0.4 + step) - total(0.4 - step)) / (2 * step)
    for mode in (None, "FAST_COMPILE"):
        assert gradient(np.full(30, 2.0), mode) == pytest.approx(2 * numeric, rel=1e-6)
        with pytest.raises(NotSupported, match="weight respondents differently"):
            gradient(np.arange(30.0), mode)


def test_samplers_call_the_kernel_once_for_value_and_gradient(data):
    with pm.Model() as model:
        b = pm.Normal("b", 0, 1)
        paths = pt.zeros((2, 2))[1, 0].set(b)
        StructuralModel("y", **(MATRICES | {"paths": paths}), observed=data)
    for mode in (None, "FAST_COMPILE"):
        joint = model.logp_dlogp_function(ravel_inputs=True, mode=mode)
        nodes = joint._pytensor_function.maker.fgraph.toposort()
        names = [str(n.op) for n in nodes if "LogLikelihood" in str(n.op)]
        assert set(names) == {"LogLikelihood"}
        assert mode or len(names) == 1


def test_missing_values_count_by_what_is_observed(data):
    holes = data.copy()
    holes[:4, 1] = holes[2:6, 3] = np.nan
    mean, covariance = moments()
    expected = sum(
        multivariate_normal(mean[k], covariance[np.ix_(k, k)]).logpdf(row[k])
        for row in holes
        for k in [np.flatnonzero(~np.isnan(row))]
    )
    variable = node(holes)
    assert log_density(variable, holes) == pytest.approx(expected, rel=1e-12)
    with pm.Model() as model:
        StructuralModel("y", **MATRICES, observed=holes)
    assert not model.free_RVs  # nothing is imputed
    assert np.array_equal(model.rvs_to_values[model["y"]].data, holes, equal_nan=True)


def test_groups_share_what_has_no_group_axis(data):
    group = np.arange(30) % 2
    loadings = np.array([LOADINGS, LOADINGS * 1.3])
    variable = node(data, loadings=loadings, residuals=np.array([RESIDUALS] * 2), group=group)
    expected = sum(
        multivariate_normal(*moments(loadings[g])).logpdf(data[group == g]).sum() for g in (0, 1)
    )
    assert log_density(variable, data) == pytest.approx(expected, rel=1e-12)


def test_squares_and_products_are_the_same_terms(data):
    squares = {"squares": [0.0, 0.4], "squared": ["f"], "latents": ["f", "g"]}
    products = {"products": [[0.0], [0.4]], "product_terms": [(0, 0)]}
    one, other = (log_density(node(data, **x), data) for x in (squares, products))
    assert one == pytest.approx(other, rel=1e-14)
    assert abs(one - log_density(node(data), data)) > 1.0


def test_moments_of_draws_of_a_linear_model():
    n = 20_000
    y = pm.draw(node(np.zeros((n, 5))), random_seed=3, mode="FAST_COMPILE")
    mean, covariance = moments()
    assert y.shape == (n, 5)
    sd = np.sqrt(np.diag(covariance))
    assert np.abs(y.mean(0) - mean).max() < 4.5 * (sd / np.sqrt(n)).max()
    # standard error of a covariance of normals
    error = np.sqrt((covariance**2 + np.outer(sd, sd) ** 2) / n)
    assert (np.abs(np.cov(y.T) - covariance) / error).max() < 4.5


def test_moments_of_draws_of_a_quadratic_model():
    """f ~ N(0, phi), g = b f + w f^2 + zeta: exact moments, third ones too."""
    n, w = 20_000, 0.4
    (phi, psi), b = DISTURBANCES, PATHS[1, 0]
    changes = {"squares": [0.0, w], "squared": [0], "means": None}
    y = pm.draw(node(np.zeros((n, 5)), **changes), random_seed=4, mode="FAST_COMPILE") - INTERCEPTS
    mean_g = w * phi
    var_g = b**2 * phi + 2 * w**2 * phi**2 + psi
    expected = {
        "mean": (y[:, 3], LOADINGS[3, 1] * mean_g),
        "variance": ((y[:, 3] - mean_g) ** 2, var_g + RESIDUALS[3]),
        "covariance": (y[:, 0] * (y[:, 3] - mean_g), b * phi),
        # E f (g - Eg)^2 = 2 b w E f^2 (f^2 - phi) = 4 b w phi^2
        "third": (y[:, 0] * (y[:, 3] - mean_g) ** 2, 4 * b * w * phi**2),
        # E f^2 (g - Eg) = w E f^2 (f^2 - phi) = 2 w phi^2
        "curvature": (y[:, 0] ** 2 * (y[:, 3] - mean_g), 2 * w * phi**2),
    }
    for name, (draws, value) in expected.items():
        error = draws.std() / np.sqrt(n)
        assert abs(draws.mean() - value) < 4.5 * error, name


def test_groups_of_draws_stay_with_their_respondents():
    group = np.arange(2_000) % 2
    y = pm.draw(
        node(np.zeros((2_000, 5)), intercepts=np.array([INTERCEPTS, INTERCEPTS + 50]), group=group),
        random_seed=1,
        mode="FAST_COMPILE",
    )
    assert y[group == 1].min() > 40 > 20 > y[group == 0].max()


def test_samples_and_predicts_through_pymc(data):
    frame = pd.DataFrame(data, columns=list("abcde"), index=[f"r{i}" for i in range(30)])
    with pm.Model() as model:
        b = pm.Normal("b", 0, 1)
        paths = pt.zeros((2, 2))[1, 0].set(b)
        changes = {"paths": paths, "squares": [0.0, 0.1], "squared": ["f"], "latents": ["f", "g"]}
        StructuralModel("y", **(MATRICES | changes), observed=frame)
        tree = pm.sample(60, tune=60, chains=1, random_seed=1, progressbar=False)
        pm.sample_posterior_predictive(
            tree, extend_inferencedata=True, random_seed=1, progressbar=False
        )
    assert list(model.coords["indicator"]) == list("abcde")
    drawn = tree.posterior_predictive["y"]
    assert drawn.dims == ("chain", "draw", "respondent", "indicator")
    assert drawn.shape == (1, 60, 30, 5)
    assert list(drawn["respondent"].values) == list(frame.index)
    error = drawn.mean(("draw", "respondent")).values[0] - data.mean(0)
    assert np.abs(error).max() < 4.5 * np.sqrt(np.diag(moments()[1]) / 30).max()


def test_columns_are_taken_in_the_order_of_the_coordinates(data):
    frame = pd.DataFrame(data, columns=list("abcde"))
    with pm.Model(coords={"indicator": list("abcde")}):
        variable = StructuralModel("y", **MATRICES, observed=frame[list("edcba")].assign(other=1.0))
    expected = multivariate_normal(*moments()).logpdf(data).sum()
    assert log_density(variable, data) == pytest.approx(expected, rel=1e-12)


def test_other_data_are_refused_rather_than_ignored(data):
    with pytest.raises(NotSupported, match="the data of 'y' are part of its likelihood"):
        pm.logp(node(data), pt.constant(data + 1.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loadings": LOADINGS[:4]}, r"loadings has shape \(4, 2\); it should be \(5, 2\)"),
        ({"paths": np.zeros((3, 3))}, r"paths has shape \(3, 3\); it should be \(2, 2\)"),
        ({"residuals": np.ones(4)}, r"residuals has shape \(4,\); it should be \(5, 5\) or \(5,\)"),
        ({"latents": ["f"]}, r"loadings has shape \(5, 2\); it should be \(5, 1\)"),
        ({"squares": [0.0, 1.0]}, "squares and squared go together"),
        ({"squared": ["f"]}, "squares and squared go together"),
        (
            {"squares": [0, 1.0], "squared": ["h"], "latents": ["f", "g"]},
            "'h' is not a latent variable; there are: f, g",
        ),
        ({"squares": [0, 1.0], "squared": ["f"]}, r"'f' is not a latent variable; .*latents="),
        ({"squares": [0, 1.0], "squared": "f"}, r"write \['f'\]"),
        ({"products": [0, 1.0], "product_terms": ["ff"]}, "holds factors"),
        ({"group": np.zeros(3)}, r"group has shape \(3,\); one entry a respondent is \(30,\)"),
        ({"group": np.full(30, 2)}, "without a gap"),
        ({"group": ["a"] * 30}, "without a gap"),
        # a product that explains its own factor
        ({"squares": [1.0, 0.0], "squared": [0]}, "explain, directly or through paths"),
    ],
)
def test_what_does_not_fit_is_refused(data, changes, message):
    with pytest.raises(ModelError, match=message):
        node(data, **changes)


@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (lambda y: y[:, 0], ModelError, "observed has 1 dimensions"),
        (lambda y: np.where(y == y[3, 1], np.inf, y), DataError, "infinite values in column 1"),
        (
            lambda y: np.where(np.arange(30)[:, None] == 7, np.nan, y),
            DataError,
            "respondent 7 has no observed value",
        ),
        (lambda y: pd.DataFrame(y).astype(str) + "x", DataError, "something else than numbers"),
    ],
)
def test_data_that_cannot_be_used(data, spoil, kind, message):
    with pytest.raises(kind, match=message):
        node(spoil(data))


def test_coordinates_that_do_not_fit_the_data(data):
    with (
        pm.Model(coords={"respondent": range(7)}),
        pytest.raises(ModelError, match="7 coordinates"),
    ):
        StructuralModel("y", **MATRICES, observed=data)
    frame = pd.DataFrame(data, columns=list("abcde"))
    with (
        pm.Model(coords={"indicator": list("abcdx")}),
        pytest.raises(BayessemError, match="'x' in the model's coordinates 'indicator'"),
    ):
        StructuralModel("y", **MATRICES, observed=frame)
