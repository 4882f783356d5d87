"""Which row sits where in the matrices, promotion of observed variables, and what is refused."""

import numpy as np
import pytest

from bayessem.errors import ModelError
from bayessem.model.structure import MATRICES, Place, build_structure, matrix_offsets, matrix_shapes
from bayessem.syntax.statements import parse
from bayessem.syntax.table import build_table

MODEL = """
f =~ x1 + x2 + x3
g =~ x4 + x5 + x6
k =~ f + g
y ~ k + w + k:k
x1 ~~ x4
"""


def structure(text, **options):
    return build_structure(build_table(parse(text), **options))


def place(found, name, group=0):
    (k,) = [k for k, r in enumerate(found.table.rows) if r.name == name and r.group == group]
    return found.places[k]


def test_variables_are_constructs_then_promoted_observed_ones():
    found = structure(MODEL)
    assert found.variables == ("f", "g", "k", "y", "w")
    assert found.observed == ("x1", "x2", "x3", "x4", "x5", "x6", "y", "w")
    assert found.shape == (8, 5, 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f=~x2", Place("loadings", 1, 0, 0)),
        ("k=~g", Place("paths", 1, 2, 0)),
        ("y~w", Place("paths", 3, 4, 0)),
        ("y~k:k", Place("products", 3, 0, 0)),
        ("x1~~x4", Place("residuals", 0, 3, 0)),
        ("f~~f", Place("disturbances", 0, 0, 0)),
        ("y~~y", Place("disturbances", 3, 3, 0)),
        ("x5~1", Place("intercepts", 4, 0, 0)),
        ("y~1", Place("means", 3, 0, 0)),
    ],
)
def test_each_row_has_its_place(name, expected):
    assert place(structure(MODEL), name) == expected


def test_a_covariance_fills_both_mirror_elements():
    found = structure(MODEL)
    first, second = found.element(place(found, "x1~~x4"))
    elements = np.zeros(matrix_offsets(*found.shape)[1])
    elements[[first, second]] = 7.0
    residuals = found.matrices(elements)["residuals"]
    assert residuals[0, 3] == residuals[3, 0] == 7.0
    assert residuals.sum() == 14.0


def test_places_and_matrices_agree_in_every_group():
    found = structure(MODEL, groups=("a", "b"))
    _, stride = matrix_offsets(*found.shape)
    for k, where in found.places.items():
        elements = np.zeros(2 * stride)
        elements[list(found.element(where))] = 1.0
        filled = found.matrices(elements, where.group)[where.matrix]
        index = (where.i,) if filled.ndim == 1 else (where.i, where.j)
        assert filled[index] == 1.0, found.table.rows[k].name
        assert not found.matrices(elements, 1 - where.group)[where.matrix].any()


def test_matrices_are_views_that_keep_leading_axes():
    found = structure(MODEL)
    _, stride = matrix_offsets(*found.shape)
    elements = np.arange(2 * 3 * stride, dtype=float).reshape(2, 3, stride)
    for name, shape in matrix_shapes(*found.shape).items():
        assert found.matrices(elements)[name].shape == (2, 3, *shape)
    assert tuple(matrix_shapes(*found.shape)) == MATRICES


def test_descendants_follow_paths_of_any_length():
    found = structure("f =~ x1 + x2\ng =~ x3 + x4\nh =~ x5 + x6\ng ~ f + f:f\nh ~ g")
    names = found.variables
    assert {names[i] for i in found.descendants({names.index("f")})} == {"f", "g", "h"}
    assert [{names[i] for i in s} for s in found.affected] == [{"g", "h"}]


def test_products_are_pairs_of_variables():
    found = structure("f =~ x1 + x2\ng =~ x3 + x4\ny ~ f + g + f:g + f:f")
    names = found.variables
    assert [(names[a], names[b]) for a, b in found.products] == [("f", "g"), ("f", "f")]


def test_products_have_any_number_of_factors():
    found = build_structure(build_table(parse("f =~ x1 + x2 + x3\ny ~ f + w + z + f:w:z + w:z")))
    names = [tuple(found.variables[i] for i in term) for term in found.products]
    assert names == [("f", "w", "z"), ("w", "z")]


def test_a_construct_that_is_its_indicator_cannot_be_integrated_over():
    text = "f =~ x1\ng =~ x2 + x3 + x4\ng ~ f + f:f"
    with pytest.raises(ModelError, match="measured without error by 'x1': write x1 itself"):
        structure(text)
    assert structure(text + "\nx1 ~~ 0.2*x1").products == ((0, 0),)


def test_observed_factors_of_products():
    found = structure("f =~ x1 + x2 + x3\ny ~ f + w + f:w")
    assert found.observed_factors == {found.variables.index("w"): found.observed.index("w")}
