import numpy as np
import pytest

from bayessem.model.structure import build_structure, matrix_offsets
from bayessem.results.reliability import (
    average_variance_extracted,
    composite_reliability,
    construct_indicators,
    heterotrait_monotrait,
    reliability,
)
from bayessem.syntax.statements import parse
from bayessem.syntax.table import build_table


def test_formulas_by_hand():
    loadings, variance = np.array([1.0, 0.8, 1.2]), np.array(2.0)
    residuals = np.diag([0.5, 0.7, 0.9])
    implied = 2.0 * np.outer(loadings, loadings) + residuals
    assert composite_reliability(loadings, variance, implied) == pytest.approx(18.0 / 20.1)
    ave = average_variance_extracted(loadings, variance, np.diag(implied))
    assert ave == pytest.approx(6.16 / (6.16 + 2.1))


def test_constructs_with_observed_indicators_only():
    model = "a =~ x1 + x2\nb =~ x3 + x4\ns =~ y\ng =~ a + b"
    structure = build_structure(build_table(parse(model)))
    assert construct_indicators(structure) == {"a": ("x1", "x2"), "b": ("x3", "x4")}
    _, stride = matrix_offsets(*structure.shape)
    elements = np.zeros((5, stride))
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        value = 1.0 if row.value is None and row.lhs == row.rhs else 0.5
        for e in structure.element(place):
            elements[:, e] = value if row.value is None else row.value
    got = reliability(structure, elements)
    assert got["omega"]["a"].shape == (5,)
    assert ((got["omega"]["a"] > 0) & (got["omega"]["a"] < 1)).all()


def test_htmt_by_hand():
    r = np.eye(4)
    for i, j, value in (
        (0, 1, 0.6),
        (2, 3, 0.5),
        (0, 2, 0.3),
        (0, 3, -0.2),
        (1, 2, 0.4),
        (1, 3, 0.1),
    ):
        r[i, j] = r[j, i] = value
    sd = np.array([1.0, 2.0, 3.0, 4.0])
    columns = {"a": (0, 1), "b": (2, 3)}
    got = heterotrait_monotrait(r * np.outer(sd, sd), columns)
    assert got["a", "b"] == pytest.approx(0.25 / np.sqrt(0.3))
    two = heterotrait_monotrait(r, columns, geometric=True)
    assert two["a", "b"] == pytest.approx((0.3 * 0.2 * 0.4 * 0.1) ** 0.25 / np.sqrt(0.3))
