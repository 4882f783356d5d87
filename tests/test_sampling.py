"""Draws from the posterior: repeatable, right in known cases, and so in folded coordinates."""

import numpy as np
import pytest
from example_models import ABILITIES, abilities, noise, prepared

from bayessem import SEM
from bayessem.errors import FitError
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior import sampling
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.diagnostics import convergence
from bayessem.posterior.sampling import Draws, Interrupted, approximate, complete, sample

SHORT = {"draws": 100, "tune": 100, "chains": 2, "progress": False}


def approximation(model, data, **options):
    found = prepared(model, data, **options)
    values = start_values(found.structure, found.covariances, found.means)
    density = posterior_density(found.space, found.structure, found.sample)
    return approximate(density, initial_point(found.space, found.table, values))


@pytest.fixture(scope="module")
def regression():
    data = noise("y x", n=80)
    return data, approximation("y ~ x", data, priors={"path": "flat()", "mean": "flat()"})


def test_the_same_seed_gives_the_same_draws_on_any_number_of_cores(regression):
    _, found = regression
    one = sample(found, cores=1, random_seed=5, **SHORT)
    two = sample(found, cores=2, random_seed=5, **SHORT)
    other = sample(found, cores=2, random_seed=6, **SHORT)
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.stats["energy"], two.stats["energy"])
    assert not np.array_equal(one.values, other.values)


def test_a_regression_with_flat_priors_has_the_known_posterior(regression):
    """Slope given flat priors of the line: Student's t about least squares."""
    data, found = regression
    result = sample(found, draws=1000, tune=500, chains=4, cores=2, random_seed=1, progress=False)
    names = found.density.names
    slope = result.values[..., names.index("y~x")]
    design = np.column_stack([np.ones(80), data["x"]])
    estimate, (squares,), *_ = np.linalg.lstsq(design, data["y"])
    error = np.sqrt(squares / 78 * np.linalg.inv(design.T @ design)[1, 1])
    effective = convergence(result.values)["ess_bulk"].min()
    assert slope.mean() == pytest.approx(estimate[1], abs=4 * error / np.sqrt(effective))
    assert slope.std() == pytest.approx(error, rel=0.08)


def test_shapes_and_statistics(regression):
    _, found = regression
    result = sample(found, cores=2, random_seed=1, **SHORT)
    assert result.values.shape == (2, 100, 3)
    for name in ("diverging", "energy", "n_steps", "step_size", "lp"):
        assert result.stats[name].shape == (2, 100)
    assert result.seconds > 0


def test_lp_is_the_log_density_of_the_sampled_coordinates(regression):
    _, found = regression
    assert not (found.density.fields["transform"] == 4).any()
    result = sample(found, cores=2, random_seed=1, **SHORT)
    for chain, draw in ((0, 0), (1, 99)):
        x = result.values[chain, draw].copy()
        soft = found.density.fields["transform"] == 5
        scale = found.density.fields["upper"][soft]
        x[soft] = scale * np.log(np.expm1(x[soft] / scale))
        value = found.density.value_and_gradient(x)[0]
        assert result.stats["lp"][chain, draw] == pytest.approx(value, rel=1e-9)


def test_the_root_whitens_the_posterior():
    found = approximation(ABILITIES, abilities(), std_lv=True)
    folded = found.density.fields["transform"] == 4
    inside = found.root[np.ix_(~folded, ~folded)]
    result = sample(found, draws=500, tune=500, chains=2, cores=2, random_seed=1, progress=False)
    assert (np.linalg.eigvals(inside) > 0).all()  # a symmetric matrix in other units
    steps = result.stats["n_steps"].mean()
    assert steps < 16  # near-normal and round: a few leapfrog steps a draw


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_coordinates_of_the_sampler_do_not_depend_on_units(factor):
    data = abilities()
    one, other = (approximation(ABILITIES, d) for d in (data, data.assign(x2=factor * data["x2"])))
    # by how much each coordinate changes: the loading and the intercept of x2 by the factor
    names = list(one.density.names)
    units = np.ones(len(names))
    units[[names.index("visual=~x2"), names.index("x2~1")]] = factor
    soft = one.density.fields["transform"] == 5  # its standard deviation, on its own scale
    units[[i for i, name in enumerate(names) if name == "x2~~x2" and soft[i]]] = factor
    np.testing.assert_allclose(other.root / units[:, None], one.root, rtol=1e-4, atol=1e-6)
    start = other.maximum.x / units - one.maximum.x
    assert np.abs(start / np.sqrt(np.diag(one.root @ one.root.T))).max() < 1e-4


def test_softened_is_the_same_density_in_other_coordinates():
    found = prepared(ABILITIES, abilities())
    values = start_values(found.structure, found.covariances, found.means)
    density = posterior_density(found.space, found.structure, found.sample)
    start = initial_point(found.space, found.table, values)
    which = density.positive
    assert which.sum() == 12  # nine residual and three disturbance standard deviations
    scale = 0.4 * np.exp(np.where(which, start, 0.0))
    soft = density.softened(which, scale)
    rng = np.random.default_rng(1)
    for reach in (0.2, 3.0):  # at 3 the sds are next to 0 and far beyond the scale
        x = start + reach * np.where(which, 1.0, 0.05) * rng.normal(size=start.size)
        raw = np.exp(x[which])
        u = x.copy()
        s = scale[which]
        u[which] = raw + s * np.log(-np.expm1(-raw / s))
        np.testing.assert_allclose(soft.natural(u), density.natural(x), rtol=1e-9)
        value, gradient = soft.value_and_gradient(u)
        slope = -np.expm1(-raw / s)
        jacobian = np.sum(np.log(slope)) - np.sum(x[which])
        assert value == pytest.approx(density.value_and_gradient(x)[0] + jacobian, rel=1e-10)
        h = 1e-6 * np.eye(u.size)
        numeric = [
            (soft.value_and_gradient(u + e)[0] - soft.value_and_gradient(u - e)[0]) / 2e-6
            for e in h
        ]
        np.testing.assert_allclose(gradient, numeric, rtol=2e-4, atol=1e-2)


def near_zero(n=150, seed=4):
    """Two indicators of one construct, and a third that is nearly the construct itself."""
    rng = np.random.default_rng(seed)
    f = rng.normal(size=n)
    data = noise("x1 x2 x3", n=n)
    for name, error in (("x1", 0.8), ("x2", 0.8), ("x3", 0.05)):
        data[name] = f + error * rng.normal(size=n)
    return data


def test_a_variance_near_0_has_the_same_posterior_folded_or_not(monkeypatch):
    """The folded coordinate is another way to the same posterior: mean, sd, quantiles, P near 0."""
    data = near_zero()
    model = "f =~ x1 + x2 + x3"
    options = {"draws": 2500, "tune": 1000, "chains": 4, "cores": 2, "progress": False}
    runs = {}
    for threshold, seed in ((0.2, 1), (np.inf, 2)):
        monkeypatch.setattr(sampling, "FOLD_ABOVE", threshold)
        found = approximation(model, data)
        folded = [
            n
            for n, code in zip(found.density.names, found.density.fields["transform"], strict=True)
            if code == 4
        ]
        assert folded == (["x3~~x3"] if threshold < 1 else [])
        result = sample(found, random_seed=seed, target_accept=0.9, **options)
        runs[threshold] = result.values[..., found.density.names.index("x3~~x3")]
    here, there = runs.values()
    assert (here > 0).all()
    effective = [convergence(v[..., None])["ess_bulk"].iloc[0] for v in (here, there)]
    error = np.hypot(here.std() / np.sqrt(effective[0]), there.std() / np.sqrt(effective[1]))
    assert here.mean() == pytest.approx(there.mean(), abs=4 * error)
    assert here.std() == pytest.approx(there.std(), rel=0.1)
    low = np.median(there) / 2
    share = [(v < low).mean() for v in (here, there)]
    spread = 4 * np.sqrt(0.25 / min(effective))
    assert share[0] == pytest.approx(share[1], abs=spread)


def test_start_values_outside_the_support_are_an_error():
    found = prepared("y ~ x", noise("y x"))
    density = posterior_density(found.space, found.structure, found.sample)
    with pytest.raises(FitError, match="not finite at the start values"):
        approximate(density, np.full(density.size, np.nan))


def test_options_reach_the_sampler():
    found = SEM("y ~ x").fit(noise("y x"), random_seed=3, target_accept=0.95, **SHORT)
    other = SEM("y ~ x").fit(noise("y x"), random_seed=3, target_accept=0.6, **SHORT)
    steps = [f.data["sample_stats"]["step_size"].values.mean() for f in (found, other)]
    assert steps[0] < steps[1]


def test_draws_that_are_missing_are_never_silent():
    """What nutpie returns after Ctrl-C: nan where a chain had not come."""
    values = np.random.default_rng(1).normal(size=(4, 1000, 3))
    stats = {"energy": values[..., 0]}
    whole = Draws(values, stats, 1.0)
    assert complete(whole, 1000) is whole
    cut = values.copy()
    cut[0, 900:] = np.nan
    cut[2, 300:] = np.nan
    cut[3] = np.nan
    with pytest.raises(Interrupted) as caught:
        complete(Draws(cut, stats, 1.0), 1000)
    kept = caught.value.draws  # 2 x 900 rather than 3 x 300
    np.testing.assert_array_equal(kept.values, values[:2, :900])
    np.testing.assert_array_equal(kept.stats["energy"], values[:2, :900, 0])
    with pytest.raises(KeyboardInterrupt):  # nothing at all
        complete(Draws(np.full_like(values, np.nan), stats, 1.0), 1000)
    with pytest.raises(Interrupted):  # fewer than asked for, whatever they are
        complete(whole, 1001)
