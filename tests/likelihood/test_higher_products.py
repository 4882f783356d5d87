"""Products of three and more factors, and products of observed variables: exact, by brute force."""

import math

import numpy as np
import pandas as pd
import pytest
from example_models import prepared
from scipy.special import logsumexp
from scipy.stats import norm

from bayessem.likelihood.products import plan_products
from bayessem.ml.estimate import fit_ml
from bayessem.posterior.assemble import posterior_density
from bayessem.results.simulate import elements_at

MEASURED = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\n"


def respondents(n: int = 60, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, v, w = rng.normal(size=(3, n))
    y = 0.4 * x + 0.2 * x * x * v + 0.5 * rng.normal(size=n)
    columns = {f"x{i}": x + 0.5 * rng.normal(size=n) for i in (1, 2, 3)}
    columns |= {f"y{i}": y + 0.5 * rng.normal(size=n) for i in (1, 2, 3)}
    z = v + w + 0.3 * v * w * x + rng.normal(size=n)
    return pd.DataFrame({**columns, "v": v, "w": w, "o": x, "z": z})


def point(model: str, data: pd.DataFrame, seed: int = 1, **options):
    """A density and a point of it."""
    p = prepared(model, data, **options)
    density = posterior_density(p.space, p.structure, p.sample)
    return p, density, 0.3 * np.random.default_rng(seed).normal(size=density.size)


def slope_error(density, x: np.ndarray) -> float:
    """Largest distance of the gradient from differences, as a share of the largest slope."""
    _, gradient = density.value_and_gradient(x)
    steps = 1e-5 * np.eye(len(x))
    ahead, behind = (
        np.array([density.value_and_gradient(x + s * e)[0] for e in steps]) for s in (1, -1)
    )
    return float(np.abs(gradient - (ahead - behind) / 2e-5).max() / np.abs(gradient).max())


@pytest.mark.parametrize("term", ["X:X:X", "X:X:v", "X:v:w"])
def test_the_integral_over_one_latent_variable(term):
    data = respondents()
    p, density, x = point(f"{MEASURED}Y ~ X + v + w + {term}", data)
    elements = density.elements(density.natural(x))
    m = p.structure.matrices(elements, 0)
    at = p.structure.variables.index
    X, Y = at("X"), at("Y")
    # X on a dense grid, Y and the indicators given it in closed form
    grid = np.linspace(-8, 8, 20_001)
    sd = np.sqrt(m["disturbances"][X, X])
    values = m["means"][X] + sd * grid
    factors = term.split(":")
    loadings, residuals = m["loadings"], m["residuals"]
    columns = [p.sample.variables.index(f"{c}{i}") for c in "xy" for i in (1, 2, 3)]
    rows = [p.structure.observed.index(f"{c}{i}") for c in "xy" for i in (1, 2, 3)]
    cov = np.outer(loadings[rows, Y], loadings[rows, Y]) * m["disturbances"][Y, Y]
    cov += residuals[np.ix_(rows, rows)]
    inverse, (_, logdet) = np.linalg.inv(cov), np.linalg.slogdet(cov)
    expected = []
    for i in range(p.sample.size):
        v, w = (p.sample.values[i, p.sample.variables.index(c)] for c in ("v", "w"))
        product = math.prod({"X": values, "v": v, "w": w}[f] for f in factors)
        eta = m["means"][Y] + m["paths"][Y, X] * values + m["paths"][Y, at("v")] * v
        eta = eta + m["paths"][Y, at("w")] * w + m["products"][Y, 0] * product
        mean = m["intercepts"][rows] + np.outer(values, loadings[rows, X])
        mean += np.outer(eta, loadings[rows, Y])
        r = p.sample.values[i, columns] - mean
        logs = -0.5 * (np.sum((r @ inverse) * r, axis=1) + logdet + 6 * np.log(2 * np.pi))
        expected.append(logsumexp(logs + norm.logpdf(grid)) + np.log(grid[1] - grid[0]))
    whole = density.respondent_log_likelihood(density.natural(x))
    covariates = [p.sample.variables.index(c) for c in ("v", "w")]
    given = p.sample.values[:, covariates]
    order = np.concatenate([members for _, _, members in p.sample.patterns()])
    c, mu = p.covariances[0][np.ix_(covariates, covariates)], p.means[0][covariates]
    r = given - mu
    log_x = -0.5 * (
        np.sum((r @ np.linalg.inv(c)) * r, axis=1) + np.linalg.slogdet(c)[1] + 2 * np.log(2 * np.pi)
    )
    np.testing.assert_allclose(whole - log_x[order], np.array(expected)[order], atol=1e-7)
    assert slope_error(density, x) < 1e-6


@pytest.mark.parametrize(
    ("products", "columns"),
    [
        ("z ~ o + v + w + v:w", "z ~ o + v + w + vw"),
        ("z ~ o + v + w + o:v:w", "z ~ o + v + w + ovw"),
        ("z ~ o + v + w + v:v", "z ~ o + v + w + vv"),
        ("Y =~ y1 + y2 + y3\nY ~ v + w + v:w", "Y =~ y1 + y2 + y3\nY ~ v + w + vw"),
    ],
)
def test_a_product_of_observed_variables_is_a_column(products, columns):
    data = respondents(200).assign(
        vw=lambda d: d.v * d.w, ovw=lambda d: d.o * d.v * d.w, vv=lambda d: d.v**2
    )
    one, other = (fit_ml(prepared(model, data)) for model in (products, columns))
    for table in (one.table, other.table):
        table["rhs"] = table["rhs"].str.replace(":", "")
    keys = ["lhs", "op", "rhs"]
    both = one.table.merge(other.table, on=keys, suffixes=("", "_column"))
    free = both[both["free"]]
    assert len(free) == one.npar
    np.testing.assert_allclose(free["est"], free["est_column"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(free["se"], free["se_column"], rtol=2e-3)


def test_an_endogenous_observed_factor_and_groups_need_no_integral_either():
    data = respondents(150).assign(g=lambda d: np.arange(len(d)) % 3)
    model = "w ~ v\nz ~ w + v + o + w:o + w:w:v"
    p, density, x = point(model, data, group="g")
    assert slope_error(density, x) < 1e-6
    total = density.respondent_log_likelihood(density.natural(x)).sum()
    # the density of z given the others, its mean a number for each respondent
    elements = density.elements(density.natural(x))
    expected = 0.0
    values = dict(zip(p.sample.variables, p.sample.values.T, strict=True))
    for g in range(3):
        m, at = p.structure.matrices(elements, g), p.structure.variables.index
        i = p.sample.group == g
        w, v, o, z = (values[c][i] for c in "wvoz")
        mean_w = m["means"][at("w")] + m["paths"][at("w"), at("v")] * v
        mean_z = m["means"][at("z")] + m["products"][at("z")] @ np.array([w * o, w * w * v])
        for name, column in (("w", w), ("v", v), ("o", o)):
            mean_z = mean_z + m["paths"][at("z"), at(name)] * column
        sds = [np.sqrt(m["disturbances"][at(c), at(c)]) for c in ("w", "z")]
        expected += norm.logpdf(w, mean_w, sds[0]).sum() + norm.logpdf(z, mean_z, sds[1]).sum()
        block = np.ix_([at("v"), at("o")], [at("v"), at("o")])
        c, mu = m["disturbances"][block], m["means"][[at("v"), at("o")]]
        r = np.column_stack([v, o]) - mu
        expected -= 0.5 * np.sum((r @ np.linalg.inv(c)) * r)
        expected -= 0.5 * len(r) * (np.linalg.slogdet(c)[1] + 2 * np.log(2 * np.pi))
    assert total == pytest.approx(expected, abs=1e-7)


def test_a_product_of_three_is_the_square_under_a_name_of_its_own_times_the_third():
    data = respondents()
    direct = f"{MEASURED}Y ~ X + v + X:X + X:v + X:X:v"
    named = f"{MEASURED}P =~ 0*x1\nP ~ 1*X:X\nP ~~ 0*P\nY ~ X + v + X:X + X:v + P:v"
    (one, first, x), (two, second, _) = (point(model, data) for model in (direct, named))
    names = [n.replace("X:X:v", "P:v") for n in one.space.names]
    order = [names.index(n) for n in two.space.names]
    values = first.natural(x)
    np.testing.assert_allclose(
        first.respondent_log_likelihood(values),
        second.respondent_log_likelihood(values[order]),
        atol=1e-9,
    )


def test_the_routes_of_higher_products():
    def route(term, observed):
        return plan_products([term], [{3}], outcomes=[{3}], observed=observed).route

    assert route((0, 1, 2), {0: 0, 1: 1, 2: 2}) == "sums"
    assert route((0, 0, 1), {1: 1}) == "one"
    assert route((0, 1, 2), {2: 0}) == "contour"
    assert route((0, 0, 0), {}) == route((0, 1, 2), {}) == "grid"


def test_simulated_data_follow_a_product_of_three():
    p = prepared("z ~ o + v + w + o:v:w", respondents(2000))
    values = {"z~o": 0.0, "z~v": 0.0, "z~w": 0.0, "z~o:v:w": 1.0, "z~~z": 1e-6, "z~1": 2.0}
    values |= {f"{a}~~{a}": 1.0 for a in "ovw"} | {f"{a}~1": 0.0 for a in "ovw"}
    values |= {"o~~v": 0.0, "o~~w": 0.0, "v~~w": 0.0}
    from bayessem.results.simulate import simulate

    made = simulate(p.structure, elements_at(p.structure, values), 500, random_seed=1)
    np.testing.assert_allclose(made["z"], 2.0 + made["o"] * made["v"] * made["w"], atol=0.01)
