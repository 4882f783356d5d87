import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayessem.errors import ModelError
from bayessem.model.structure import build_structure, matrix_offsets, product_order
from bayessem.results.standardize import model_moments, r_squared, row_values, standardised
from bayessem.syntax.statements import parse
from bayessem.syntax.table import build_table

MEDIATION = """
x =~ x1 + l2*x2
m =~ m1 + m2
y =~ y1 + y2
m ~ a*x
y ~ b*m + c*x
x1 ~~ m1
"""


def structure_of(model: str, **options):
    return build_structure(build_table(parse(model), **options))


def elements_of(structure, seed: int, draws: int = 4) -> np.ndarray:
    """Draws of plausible matrices: fixed values as they are, free ones at random."""
    rng = np.random.default_rng(seed)
    _, stride = matrix_offsets(*structure.shape)
    out = np.zeros((draws, stride * len(structure.table.groups)))
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        variance = row.op == "~~" and row.lhs == row.rhs
        value = rng.uniform(0.8, 1.6, draws) if variance else rng.uniform(-0.3, 0.5, draws)
        if row.value is not None:
            value = np.full(draws, row.value)
        for e in structure.element(place):
            out[:, e] = value
    return out


def by_name(structure, values: np.ndarray) -> dict[str, np.ndarray]:
    return {row.name: values[..., k] for k, row in enumerate(structure.table.rows)}


def test_moments_are_the_textbook_formula():
    structure = structure_of(MEDIATION)
    elements = elements_of(structure, 1)
    m = structure.matrices(elements)
    for i in range(len(elements)):
        total = np.linalg.inv(np.eye(3) - m["paths"][i])
        latent = total @ m["disturbances"][i] @ total.T
        sigma = m["loadings"][i] @ latent @ m["loadings"][i].T + m["residuals"][i]
        got = model_moments(structure, elements)
        np.testing.assert_allclose(got.latent_covariance[i], latent, atol=1e-12)
        np.testing.assert_allclose(got.observed_covariance[i], sigma, atol=1e-12)


def test_leading_axes_are_kept():
    structure = structure_of(MEDIATION)
    draws = elements_of(structure, 2, draws=6).reshape(2, 3, -1)
    whole = standardised(structure, draws)
    assert whole.shape == (2, 3, len(structure.table.rows))
    np.testing.assert_allclose(whole[1, 2], standardised(structure, draws[1, 2]))
    assert r_squared(structure, draws)["y"].shape == (2, 3)


def test_standardised_model_implies_the_correlations():
    structure = structure_of(MEDIATION)
    elements = elements_of(structure, 3, draws=1)[0]
    std = by_name(structure, standardised(structure, elements))
    latent = model_moments(structure, elements).latent_covariance
    sd = np.sqrt(np.diag(latent))
    x, m = (structure.variables.index(n) for n in "xm")
    assert std["m~x"] == pytest.approx(latent[x, m] / (sd[x] * sd[m]))  # a single predictor
    assert std["x~~x"] == pytest.approx(1.0)
    assert std["x=~x1"] ** 2 + std["x1~~x1"] == pytest.approx(1.0)
    assert std["m~~m"] == pytest.approx(1.0 - std["m~x"] ** 2)
    raw = by_name(structure, row_values(structure, elements))
    own = np.sqrt(raw["x1~~x1"] * raw["m1~~m1"])
    assert std["x1~~m1"] == pytest.approx(raw["x1~~m1"] / own)  # of the residuals


def test_latent_scale_leaves_observed_variables_alone():
    structure = structure_of(MEDIATION + "y ~ w")
    elements = np.nan_to_num(elements_of(structure, 4, draws=1)[0], nan=1.0)
    std = by_name(structure, standardised(structure, elements, scale="latent"))
    raw = by_name(structure, row_values(structure, elements))
    sd = np.sqrt(np.diag(model_moments(structure, elements).latent_covariance))
    y = sd[structure.variables.index("y")]
    assert std["y~w"] == pytest.approx(raw["y~w"] / y)
    assert std["x1~~x1"] == pytest.approx(raw["x1~~x1"])
    assert std["x=~x2"] == pytest.approx(raw["x=~x2"] * sd[structure.variables.index("x")])


@given(st.floats(0.05, 20.0), st.integers(0, 1000))
def test_units_of_the_constructs_do_not_matter(unit, seed):
    structure = structure_of(MEDIATION)
    elements = elements_of(structure, seed, draws=1)[0]
    other = elements.copy()
    position = structure.variables.index("m")
    matrices = structure.matrices(other)
    matrices["loadings"][:, position] /= unit
    matrices["paths"][position, :] *= unit
    matrices["paths"][:, position] /= unit
    matrices["disturbances"][position, :] *= unit
    matrices["disturbances"][:, position] *= unit
    np.testing.assert_allclose(
        standardised(structure, other), standardised(structure, elements), rtol=1e-8, atol=1e-10
    )


def quadrature_moments(structure, elements: np.ndarray, nodes: int = 9):
    """Moments of the latents by Gauss-Hermite quadrature, exact for these polynomials."""
    m = structure.matrices(elements)
    size = len(structure.variables)
    root = np.linalg.cholesky(m["disturbances"] + 1e-300 * np.eye(size))
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    mean, second = np.zeros(size), np.zeros((size, size))
    for index in itertools.product(range(nodes), repeat=size):
        u = points[list(index)]
        w = np.prod(weights[list(index)])
        eta = np.zeros(size)
        for _ in range(size + 1):  # recursive model: as many rounds as variables
            h = np.array([eta[a] * eta[b] for a, b in structure.products])
            eta = m["means"] + root @ u + m["paths"] @ eta + m["products"] @ h
        mean += w * eta
        second += w * np.outer(eta, eta)
    return mean, second - np.outer(mean, mean)


PRODUCTS = {
    "square": "x =~ x1 + x2\ny =~ y1 + y2\ny ~ x + x:x",
    "interaction": "x =~ x1 + x2\nz =~ z1 + z2\ny =~ y1 + y2\ny ~ x + z + x:z",
    "endogenous": "x =~ x1 + x2\nm =~ m1 + m2\ny =~ y1 + y2\nm ~ x\ny ~ m + x + m:x + m:m",
    "chained": "x =~ x1 + x2\nm =~ m1 + m2\ny =~ y1 + y2\nm ~ x + x:x\ny ~ m + x + m:x",
    "free_means": "x =~ x1 + x2\nz =~ z1 + z2\ny =~ y1 + y2\ny ~ x + z + x:z + z:z\n"
    "x ~ 1\nz ~ 1\nx1 ~ 0*1\nz1 ~ 0*1",
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_moments_of_products_are_exact(name):
    structure = structure_of(PRODUCTS[name])
    elements = elements_of(structure, 5, draws=2)
    got = model_moments(structure, elements)
    for i in range(2):
        mean, covariance = quadrature_moments(structure, elements[i])
        np.testing.assert_allclose(got.latent_mean[i], mean, atol=1e-9)
        np.testing.assert_allclose(got.latent_covariance[i], covariance, atol=1e-8)


def test_two_conventions_of_a_square():
    structure = structure_of(PRODUCTS["square"])
    elements = elements_of(structure, 6)
    raw = by_name(structure, row_values(structure, elements))
    factor = by_name(structure, standardised(structure, elements))["y~x:x"]
    square = by_name(structure, standardised(structure, elements, square="square"))["y~x:x"]
    phi, g1, g2, psi = raw["x~~x"], raw["y~x"], raw["y~x:x"], raw["y~~y"]
    sd = np.sqrt(g1**2 * phi + 2 * g2**2 * phi**2 + psi)
    np.testing.assert_allclose(factor, g2 * phi / sd)
    np.testing.assert_allclose(square, np.sqrt(2.0) * g2 * phi / sd)
    np.testing.assert_allclose(r_squared(structure, elements)["y"], 1 - psi / sd**2)


def test_products_that_need_each_other_are_refused():
    structure = structure_of("x =~ x1 + x2\ny =~ y1 + y2\nz =~ z1 + z2\ny ~ x + z:x\nz ~ x + y:x")
    with pytest.raises(ModelError, match="circle"):
        product_order(structure)


def test_improper_shares_are_no_numbers():
    structure = structure_of(MEDIATION)
    elements = elements_of(structure, 7, draws=1)[0]
    place = next(p for k, p in structure.places.items() if structure.table.rows[k].name == "y1~~y1")
    elements[structure.element(place)[0]] = -0.1
    assert np.isnan(r_squared(structure, elements)["y1"])


@pytest.mark.parametrize(("option", "value"), [("square", "both"), ("scale", "none")])
def test_unknown_options_are_named(option, value):
    structure = structure_of(MEDIATION)
    with pytest.raises(ModelError, match=value):
        standardised(structure, elements_of(structure, 8), **{option: value})


def test_a_construct_without_variance_has_no_standardised_values():
    structure = structure_of(
        "i =~ 1*t1 + 1*t2 + 1*t3\nq =~ 0*t1 + 1*t2 + 4*t3\nq ~~ 0*q\nq ~~ 0*i", growth=True
    )
    _, stride = matrix_offsets(*structure.shape)
    elements = np.zeros(stride)
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        elements[list(structure.element(place))] = 0.5 if row.value is None else row.value
    names = [row.name for row in structure.table.rows]
    out = dict(zip(names, standardised(structure, elements), strict=True))
    assert np.isnan(out["q~1"])
    assert np.isfinite(out["i=~t1"])
