"""Power-scaling: the log prior, agreement with ArviZ, exact normal cases, verdicts."""

import numpy as np
import pytest
import xarray as xr
from example_models import DEMOCRACY, democracy, prepared

from bayessem import SEM
from bayessem.criticism.sensitivity import (
    VERDICTS,
    power_scale_sensitivity,
    reweighted_means,
    scaling_weights,
    sensitivity,
    verdict,
)
from bayessem.errors import FitError
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import posterior_density
from bayessem.results.log_prior import log_prior

PRIORS = {
    "loading": "student_t(4, 1, 0.5)",
    "path": "cauchy(0, 1)",
    "residual_sd": "gamma(2, 1)",
    "disturbance_sd": "exponential(1)",
    "y1~~y5": "beta(2, 3)",
    "y3~~y7": "lkj(3)",
    "y1~1": "uniform(0, 10)",
}


def jacobian(density, x):
    """Log of the derivatives of the natural parameters, by central differences, (D,)."""
    h = 1e-6
    up, down = density.natural(x + h), density.natural(x - h)
    return np.log(np.abs(up - down) / (2 * h))


def test_the_log_prior_is_the_density_less_likelihood_and_jacobian():
    p = prepared(DEMOCRACY, democracy(), priors=PRIORS)
    assert not p.space.blocks  # in blocks partial correlations stand for correlations
    density = posterior_density(p.space, p.structure, p.sample)
    start = initial_point(p.space, p.table, start_values(p.structure, p.covariances, p.means))
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(6):
        x = start + 0.05 * rng.normal(size=len(start))
        value = density.value_and_gradient(x)[0]
        natural = density.natural(x)
        prior = value - density.respondent_log_likelihood(natural).sum()
        differences.append(prior - jacobian(density, x).sum() - log_prior(p.space, natural))
    # equal but for a constant
    assert np.ptp(differences) < 1e-5


def test_correlation_blocks_have_the_lkj_density():
    model = "a =~ x1 + x2 + x3\nb =~ x4 + x5 + x6\nc =~ x7 + x8 + x9"
    from example_models import abilities

    p = prepared(model, abilities(), std_lv=True, priors={"correlation": "lkj(3)"})
    names = p.space.names
    values = np.ones((2, len(names)))
    block = p.space.blocks[0]
    values[:, [names.index(n) for n in block.names]] = [[0.1, 0.2, 0.3], [0.5, -0.2, 0.4]]
    matrices = [
        np.array([[1, a, b], [a, 1, c], [b, c, 1]])
        for a, b, c in ([0.1, 0.2, 0.3], [0.5, -0.2, 0.4])
    ]
    expected = 2.0 * np.diff([np.log(np.linalg.det(m)) for m in matrices])
    assert np.diff(log_prior(p.space, values)) == pytest.approx(expected)


def test_deviations_of_pooled_parameters_are_part_of_the_model():
    from bayessem.model.priors import Prior
    from bayessem.model.space import Coordinate, Space

    inf = np.inf
    z = Coordinate("b.g1", "pool_z", Prior("normal", mu=0, sigma=1), -inf, inf)
    mu = Coordinate("b", "pool_mean", Prior("normal", mu=0, sigma=2), -inf, inf)
    space = Space((mu, z), (), (), (), {}, np.zeros(0), ())
    found = log_prior(space, np.array([[2.0, 0.0], [2.0, 3.0], [0.0, 0.0]]))
    assert found[0] == found[1]
    assert found[2] - found[0] == pytest.approx(0.5)


def test_sensitivities_are_those_of_arviz(hs_fit):
    import arviz

    result = sensitivity(hs_fit)
    q = "standardised loading: visual =~ x1"
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"q": result.draws.sel(quantity=q, drop=True)}),
            "log_prior": xr.Dataset({"p": result.log_prior}),
            "log_likelihood": xr.Dataset({"y": result.log_likelihood}),
        }
    )
    theirs = arviz.psense_summary(tree, round_to=10).loc["q"]
    row = result.table.set_index(["kind", "quantity"]).loc[tuple(q.split(": "))]
    assert row["prior"] == pytest.approx(theirs["prior"], rel=1e-6)
    assert row["likelihood"] == pytest.approx(theirs["likelihood"], rel=1e-6)


def normal_case(prior_sd, seed=0):
    """Draws of theta: prior N(0, prior_sd^2), likelihood N(1, 1)."""
    precision = 1 / prior_sd**2 + 1
    rng = np.random.default_rng(seed)
    theta = 1 / precision + rng.normal(size=(4, 5000)) / np.sqrt(precision)
    return theta, -0.5 * (theta / prior_sd) ** 2, -0.5 * (theta - 1) ** 2


def test_reweighting_is_exact_for_a_normal_posterior():
    theta, prior, _ = normal_case(2.0)
    for alpha in (0.5, 2.0):
        precision = alpha / 4 + 1
        mean = np.sum(scaling_weights(prior, alpha) * theta)
        assert mean == pytest.approx(1 / precision, abs=0.03)
        means, k = reweighted_means(theta[..., None], prior, alpha)
        assert means[0] == pytest.approx(1 / precision, abs=0.03)
        assert k < 0.5


def test_what_is_too_far_for_reweighting_is_not_given():
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(4, 500))
    means, k = reweighted_means(theta[..., None], -4.0 * (theta - 6.0) ** 2, 2.0)
    assert k > 0.7
    assert np.isnan(means).all()


def test_a_probability_changes_by_its_derivative():
    from scipy.stats import norm

    theta, prior, likelihood = normal_case(0.5)
    positive = (theta > 0).astype(float)[..., None]
    found = power_scale_sensitivity(positive, prior, probability=np.array([True]))[0]

    def chance(alpha):
        precision = 4 * alpha + 1
        return norm.cdf(1 / precision * np.sqrt(precision))

    expected = abs(chance(1.01) - chance(0.99)) / np.log2(1.01 / 0.99)
    assert found == pytest.approx(expected, rel=0.1)


def test_narrow_priors_are_more_sensitive():
    values = []
    for sd in (10.0, 1.0, 0.3):
        theta, prior, _ = normal_case(sd)
        found = power_scale_sensitivity(theta[..., None], prior, probability=np.array([False]))
        values.append(found[0])
    assert values[0] < 0.01 < values[1] < values[2]


def test_verdicts():
    assert [verdict(0.01, 0.2), verdict(0.2, 0.2), verdict(0.2, 0.01)] == list(VERDICTS)


def test_no_prior_no_sensitivity():
    theta, prior, _ = normal_case(1.0)
    flat = np.zeros_like(prior)
    found = power_scale_sensitivity(theta[..., None], flat, probability=np.array([False]))
    assert found[0] == 0.0


def test_a_wrong_prior_is_a_conflict_in_what_it_reaches():
    fit = SEM(DEMOCRACY).fit(
        democracy(),
        priors={"dem60~ind60": "normal(0, 0.4)"},
        random_seed=1,
        draws=500,
        tune=400,
        progress=False,
    )
    result = sensitivity(fit)
    table = result.table.set_index(["kind", "quantity"])
    assert table.loc[("path", "dem60 ~ ind60"), "verdict"] == "prior-data conflict"
    assert table.loc[("effect", "ind60 -> dem60 -> dem65"), "verdict"] == "prior-data conflict"
    assert table.loc[("defined", "ind"), "verdict"] == "prior-data conflict"
    assert table.loc[("standardised loading", "ind60 =~ x2"), "verdict"] == "fine"
    row = table.loc[("path", "dem60 ~ ind60")]
    assert row["halved"] > row["mean"]  # the prior pulls it to 0
    said = " ".join(str(result).split())
    assert "prior and data pull these to different values" in said


def test_a_threshold_is_positive(hs_fit):
    with pytest.raises(FitError, match="threshold has to be positive"):
        sensitivity(hs_fit, threshold=0.0)
