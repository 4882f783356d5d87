"""Matrices that a user gives: which shapes are read, which refused, what structure is found."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from bayessem.errors import ModelError
from bayessem.graph.matrices import matrix_structure, read_matrix, spread, static_shape


def test_a_vector_of_variances_is_a_diagonal_matrix():
    out = read_matrix("residuals", [1.0, 2.0, 3.0], (3, 3), (3,), groups=0)
    assert np.array_equal(out.eval(), np.diag([1.0, 2.0, 3.0]))


def test_a_vector_for_each_group():
    out = read_matrix("residuals", np.ones((2, 3)), (3, 3), (3,), groups=2)
    assert np.array_equal(out.eval(), np.array([np.eye(3)] * 2))


def test_a_vector_of_one_column():
    out = read_matrix("products", [0.0, 0.5], (2, 1), (2,), groups=0)
    assert np.array_equal(out.eval(), [[0.0], [0.5]])


def test_nothing_is_zeros():
    assert np.array_equal(read_matrix("paths", None, (2, 2), groups=0).eval(), np.zeros((2, 2)))


def test_integers_become_floats():
    assert read_matrix("paths", np.eye(2, dtype=int), (2, 2), groups=0).dtype == "float64"


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (0, r"loadings has shape \(3, 2\); it should be \(4, 2\): \(indicator, latent\)"),
        (5, r"it should be \(4, 2\) or \(5, 4, 2\): \(indicator, latent\)"),
    ],
)
def test_another_shape_is_refused(groups, message):
    with pytest.raises(ModelError, match=message):
        read_matrix("loadings", np.ones((3, 2)), (4, 2), groups=groups)


def test_a_square_that_could_be_a_vector_for_each_group_is_refused():
    with pytest.raises(ModelError, match=r"give it all its axes, \(2, 2, 2\)"):
        read_matrix("disturbances", np.eye(2), (2, 2), (2,), groups=2)


def test_group_axis():
    assert spread(pt.as_tensor(np.eye(2)), 3, 2).eval().shape == (3, 2, 2)
    assert spread(pt.as_tensor(np.ones((3, 2, 2))), 3, 2).eval().shape == (3, 2, 2)


def test_shape_of_variables_without_a_proper_prior():
    with pm.Model(coords={"a": range(3)}):
        x = pm.Flat("x", dims="a")
        rows = pm.Data("rows", np.zeros((4, 3)))
    assert static_shape(rows + x) == (4, 3)


def test_structure_of_products_and_observed_variables():
    with pm.Model():
        b = pm.Normal("b", 0, 1)
        flat = pm.Flat("flat")
    # 0 -> 1 -> 2, the product explains 1; indicator 2 is latent variable 2 itself
    matrices = {
        "loadings": pt.as_tensor(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])),
        "paths": pt.zeros((3, 3))[[1, 2], [0, 1]].set(pt.stack([b, flat])),
        "residuals": pt.as_tensor(np.diag([1.0, 1.0, 0.0])),
        "intercepts": pt.zeros(3),
        "products": pt.zeros((2, 3, 1))[:, 1, 0].set(b),
        "disturbances": pt.as_tensor(np.diag([1.0, 1.0, 0.0])),
    }
    found = matrix_structure(matrices)
    assert found.affected == [{1, 2}]
    assert found.observed == {2: 2}
    with_intercept = matrices | {"intercepts": pt.as_tensor([0.0, 0.0, 1.0])}
    assert matrix_structure(with_intercept).observed == {}
    assert found.determined == set()  # 1 has a disturbance, 2 a path from 1
    square = {"paths": pt.zeros((3, 3)), "disturbances": pt.as_tensor(np.diag([1.0, 0.0, 1.0]))}
    assert matrix_structure(matrices | square).determined == {1}
