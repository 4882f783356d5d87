"""The closed form of one censored outcome against SciPy, differences, and the node engine."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm, truncnorm

from bayessem.likelihood.rectangle import truncated_pair
from bayessem.model import answer_engine
from bayessem.model.check import check
from bayessem.model.prepare import Prepared, prepare
from bayessem.model.starts import start_values
from bayessem.posterior.assemble import (
    likelihood_density,
    posterior_density,
    respondent_order,
)
from bayessem.posterior.covariates import covariate_log_density
from bayessem.results.censored_values import completed
from bayessem.results.standardize import model_moments
from bayessem.sem import SEM
from bayessem.syntax.specification import Specification

N = 60
MEASURED = "F =~ x1 + x2 + x3\nG =~ y1 + y2 + y3\nG ~ F + z\n"
MODELS = {
    "flag": ("t ~ G + F + z", {"family": {"t": "lognormal"}, "censored": {"t": "flag"}}),
    "ends": ("t ~ G", {"family": {"t": "lognormal"}, "censored": {"t": ("from", "to")}}),
    "observed": ("t ~ G", {"family": {"t": "lognormal"}}),
    "limits": ("u ~ F + z", {"family": {"u": "tobit"}, "censored": {"u": (-0.5, 0.9)}}),
    "two": (
        "t ~ G + z\nu ~ F + z",
        {
            "family": {"t": "lognormal", "u": "tobit"},
            "censored": {"t": "flag", "u": (-0.5, 0.9)},
        },
    ),
    "two durations": (
        "s ~ F\nt ~ G + F",
        {
            "family": {"s": "lognormal", "t": "lognormal"},
            "censored": {"s": ("from", "to"), "t": "flag"},
        },
    ),
    "indicator": ("G =~ u", {"family": {"u": "tobit"}, "censored": {"u": (None, 0.9)}}),
}


def _data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    f = rng.standard_normal(N)
    z = 2.0 + rng.standard_normal(N)
    g = 0.5 * f + rng.standard_normal(N)
    out = {f"x{j}": f + 0.7 * rng.standard_normal(N) for j in (1, 2, 3)}
    out |= {f"y{j}": g + 0.7 * rng.standard_normal(N) for j in (1, 2, 3)}
    data = pd.DataFrame(out).assign(z=z, site=np.arange(N) % 2)
    time = np.exp(1.0 + 0.4 * g - 0.3 * z + 0.5 * rng.standard_normal(N))
    data["t"], data["flag"] = np.minimum(time, 2.0), (time > 2.0).astype(int)
    data.loc[3:6, "flag"] = -1
    data["from"], data["to"] = np.floor(2.0 * time) / 2.0, np.floor(2.0 * time) / 2.0 + 0.5
    data.loc[7:9, "to"] = np.nan
    data.loc[10:12, "from"] = data.loc[10:12, "to"] = time[10:13]
    data["s"] = time
    data["u"] = np.clip(0.5 * f + 0.5 * rng.standard_normal(N), -0.5, 0.9)
    data.loc[:5, "x1"] = np.nan
    data.loc[4:8, "y2"] = np.nan
    data.loc[15:18, ["t", "from", "to", "u"]] = np.nan
    return data


def _prepared(kind: str, group: str | None = None, data: pd.DataFrame | None = None) -> Prepared:
    lines, options = MODELS[kind]
    model = Specification(MEASURED + lines, **options)
    return prepare(model, _data() if data is None else data, group=group)


def _point(p: Prepared) -> np.ndarray:
    """Away from every maximum."""
    x = start_values(p.structure, p.covariances, p.means)
    return x + 0.05 * np.abs(x) * np.random.default_rng(2).uniform(0.1, 1.0, len(x)) + 0.01


def _by_scipy(p: Prepared, elements: np.ndarray) -> np.ndarray:
    """Log p(y_i), covariates included, of each respondent."""
    out = np.zeros(p.sample.size)
    for i, row in enumerate(p.sample.values):
        moments = model_moments(p.structure, elements, group=int(p.sample.group[i]))
        mean, cov = moments.observed_mean, moments.observed_covariance
        row, ends = row.copy(), {}
        for name, beside in p.sample.beside.items():
            t = p.sample.variables.index(name)
            lower, upper = beside.columns[i]
            if np.isnan(row[t]):
                continue
            if lower == upper:
                row[t] = lower
                out[i] -= lower if beside.family == "lognormal" else 0.0
            else:
                ends[t] = (lower, upper)
        own = np.array([j for j in range(len(row)) if j not in ends and not np.isnan(row[j])])
        out[i] += multivariate_normal(mean[own], cov[np.ix_(own, own)]).logpdf(row[own])
        if ends:
            out[i] += np.log(_rectangle(mean, cov, own, row, ends))
    return out


def _rectangle(
    mean: np.ndarray,
    cov: np.ndarray,
    own: np.ndarray,
    row: np.ndarray,
    ends: dict[int, tuple[float, float]],
) -> float:
    """P of intervals given the other variables; of two by integrating SciPy's normal over one."""
    at = np.array(list(ends))
    slopes = np.linalg.solve(cov[np.ix_(own, own)], cov[np.ix_(own, at)])
    m = mean[at] + (row[own] - mean[own]) @ slopes
    c = cov[np.ix_(at, at)] - slopes.T @ cov[np.ix_(own, at)]
    s = np.sqrt(np.diag(c))
    (low, high), *rest = ((np.array(ends[t]) - m[k]) / s[k] for k, t in enumerate(at))
    if not rest:
        return norm.cdf(high) - norm.cdf(low)
    r = c[0, 1] / (s[0] * s[1])

    def at_first(x: float) -> float:
        a, b = (rest[0] - r * x) / np.sqrt(1.0 - r * r)
        return norm.pdf(x) * (norm.cdf(b) - norm.cdf(a))

    return quad(at_first, max(low, -9.0), min(high, 9.0), epsabs=1e-13, epsrel=1e-12)[0]


@pytest.mark.parametrize(
    ("kind", "group"), [*((kind, None) for kind in MODELS), ("flag", "site"), ("limits", "site")]
)
def test_density_of_each_respondent(kind, group):
    p = _prepared(kind, group)
    density, x = likelihood_density(p.structure, p.space, p.sample), _point(p)
    found = density.respondent_log_likelihood(x[None])[0][respondent_order(p.sample)]
    expected = _by_scipy(p, density.elements(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert density.value_and_gradient(x)[0] == pytest.approx(expected.sum(), abs=1e-8)


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("flag", None),
        ("ends", "site"),
        ("indicator", None),
        ("two", None),
        ("two durations", "site"),
    ],
)
def test_gradient(kind, group):
    p = _prepared(kind, group)
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


@pytest.mark.parametrize("kind", ["flag", "limits", "two"])
def test_it_is_what_nodes_find(kind, monkeypatch):
    p = _prepared(kind)
    density, x = likelihood_density(p.structure, p.space, p.sample), _point(p)
    order = respondent_order(p.sample)
    found = density.respondent_log_likelihood(x[None])[0][order]
    found -= covariate_log_density(p.space, p.structure, p.sample)
    monkeypatch.setattr(answer_engine, "closed_form", lambda structure: ())
    nodes = likelihood_density(p.structure, p.space, p.sample, at=density.elements(x), finer=2.0)
    assert nodes.ints[0] != density.ints[0]
    other = nodes.respondent_log_likelihood(x[None])[0][order]
    np.testing.assert_allclose(found, other, rtol=0, atol=1e-6)
    gradients = (d.value_and_gradient(x)[1] for d in (density, nodes))
    np.testing.assert_allclose(*gradients, atol=1e-5)


def test_without_censoring_it_is_the_normal_model_of_logs():
    data = _data().dropna()
    logs = prepare(Specification(MEASURED + "lt ~ G"), data.assign(lt=np.log(data["t"])))
    p = _prepared("observed", data=data)
    x = _point(p)
    found = likelihood_density(p.structure, p.space, p.sample).value_and_gradient(x)
    other = likelihood_density(logs.structure, logs.space, logs.sample).value_and_gradient(x)
    assert found[0] == pytest.approx(other[0] - np.log(data["t"]).sum(), abs=1e-8)
    np.testing.assert_allclose(found[1], other[1], rtol=1e-7, atol=1e-7)


def test_intervals_that_no_model_explains_are_no_density():
    p = _prepared("flag")
    density, x = likelihood_density(p.structure, p.space, p.sample), _point(p)
    x[p.table.parameters.index("t~1")] = -200.0
    assert density.value_and_gradient(x)[0] == -np.inf


def test_models_too_wide_for_nodes_and_what_check_says():
    rng = np.random.default_rng(1)
    factors = rng.standard_normal((150, 1)) + rng.standard_normal((150, 4))
    values = np.repeat(factors, 3, axis=1) + rng.standard_normal((150, 12))
    data = pd.DataFrame(values, columns=[f"x{i}" for i in range(12)])
    data["t"] = np.clip(factors[:, 0] + rng.standard_normal(150), -1.0, None)
    model = "\n".join(f"F{k} =~ x{3 * k} + x{3 * k + 1} + x{3 * k + 2}" for k in range(4))
    options = {"family": {"t": "tobit"}, "censored": {"t": (-1, None)}}
    sem = SEM(model + "\nt ~ F0 + F1 + F2 + F3", **options)
    assert "closed form" in str(sem.check(data))
    assert "nodes" in str(
        check(prepare(Specification("F0 =~ x0 + x1 + x2\nt ~ F0 + F0:F0", **options), data))
    )
    found = sem.ml(data)
    assert found.converged
    assert not found.problems


def test_likelihood_of_ml_is_given_the_covariates(monkeypatch):
    lines, options = MODELS["limits"]
    data = _data()
    sem = SEM(MEASURED + lines, **options)
    closed = sem.ml(data)
    monkeypatch.setattr(answer_engine, "closed_form", lambda structure: ())
    monkeypatch.setattr("bayessem.ml.ordered.closed_form", lambda structure: ())
    nodes = sem.ml(data)
    assert closed.logl == pytest.approx(nodes.logl, abs=1e-5)
    np.testing.assert_allclose(closed.x, nodes.x, atol=1e-4)
    np.testing.assert_allclose(closed.table["se"], nodes.table["se"], rtol=1e-3)


@pytest.mark.parametrize("kind", ["flag", "limits"])
def test_censored_values_are_drawn_given_the_others(kind):
    p = _prepared(kind)
    elements = likelihood_density(p.structure, p.space, p.sample).elements(_point(p))
    ((name, beside),) = p.sample.beside.items()
    at = p.sample.variables.index(name)
    rng = np.random.default_rng(1)
    draws = np.array(
        [completed(p.structure, elements, p.sample, rng).values[:, at] for _ in range(2000)]
    )
    moments = model_moments(p.structure, elements)
    mean, cov = moments.observed_mean, moments.observed_covariance
    for i in range(N):
        row, (lower, upper) = p.sample.values[i], beside.columns[i]
        if np.isnan(row[at]):
            assert np.isnan(draws[:, i]).all()
        elif lower == upper:
            assert (draws[:, i] == lower).all()
        else:
            own = np.array([j for j in range(len(row)) if j != at and not np.isnan(row[j])])
            slopes = np.linalg.solve(cov[np.ix_(own, own)], cov[own, at])
            m = mean[at] + slopes @ (row[own] - mean[own])
            s = np.sqrt(cov[at, at] - slopes @ cov[own, at])
            exact = truncnorm((lower - m) / s, (upper - m) / s, m, s)
            error = exact.std() / np.sqrt(len(draws))
            assert abs(draws[:, i].mean() - exact.mean()) < 5.0 * error
            assert lower <= draws[:, i].min() and draws[:, i].max() <= upper


def test_residuals_may_covary_beside_a_censored_outcome():
    lines, options = MODELS["limits"]
    fit = SEM(MEASURED + lines + "\ny1 ~~ x1", **options).fit(
        _data(), draws=100, tune=150, chains=2, random_seed=1, progress=False
    )
    assert set(fit.scores(draws=20)) == {"F", "F_sd", "G", "G_sd"}
    rows = _data().iloc[30:33].drop(columns="u")
    predicted = fit.predict(rows, draws=50)
    assert predicted.draws.sel(variable="u").values.min() >= -0.5
    assert predicted.draws.sel(variable="u").values.max() <= 0.9
    durations, options = MODELS["flag"]
    other = SEM(MEASURED + durations, **options).fit(
        _data(), draws=100, tune=150, chains=2, random_seed=1, progress=False
    )
    years = other.predict(_data().iloc[30:33].drop(columns="t"), variables="t", draws=50)
    assert (years.draws.values > 0).all()


def test_two_censored_values_of_one_respondent_are_drawn_together():
    p = _prepared("two")
    elements = likelihood_density(p.structure, p.space, p.sample).elements(_point(p))
    at = [p.sample.variables.index(name) for name in p.sample.beside]
    ends = np.stack([b.columns for b in p.sample.beside.values()], axis=1)
    both = (ends[..., 0] != ends[..., 1]).all(axis=1) & ~np.isnan(p.sample.values[:, at]).any(
        axis=1
    )
    assert both.any()
    rng = np.random.default_rng(1)
    draws = np.array(
        [completed(p.structure, elements, p.sample, rng).values[:, at] for _ in range(2000)]
    )
    moments = model_moments(p.structure, elements)
    mean, cov = moments.observed_mean, moments.observed_covariance
    for i in np.flatnonzero(both):
        row = p.sample.values[i]
        own = np.array([j for j in range(len(row)) if j not in at and not np.isnan(row[j])])
        slopes = np.linalg.solve(cov[np.ix_(own, own)], cov[np.ix_(own, at)])
        m = mean[at] + (row[own] - mean[own]) @ slopes
        c = cov[np.ix_(at, at)] - slopes.T @ cov[np.ix_(own, at)]
        s = np.sqrt(np.diag(c))
        (a, b), (e, d) = (ends[i] - m[:, None]) / s[:, None]
        exact = truncated_pair(a, b, e, d, c[0, 1] / s.prod())[1:]
        z = (draws[:, i] - m) / s
        for got, expected in zip(
            (z[:, 0], z[:, 1], z[:, 0] ** 2, z[:, 0] * z[:, 1], z[:, 1] ** 2), exact, strict=True
        ):
            assert abs(got.mean() - expected) < 5.0 * got.std() / np.sqrt(len(z)) + 2e-3
