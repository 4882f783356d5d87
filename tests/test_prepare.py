"""A model meets its data: moments by group, and groups named by modifiers."""

import numpy as np
import pytest
from example_models import ABILITIES, abilities, noise, prepared

from bayessem.errors import DataError, ModelError
from bayessem.model.data import read_sample
from bayessem.model.prepare import sample_moments


def test_moments_by_group():
    data = abilities()
    found = prepared(ABILITIES, data, group="school")
    assert found.sample.groups == ("Pasteur", "Grant-White")
    for g, school in enumerate(found.sample.groups):
        part = data.loc[data["school"] == school, list(found.table.observed)]
        np.testing.assert_allclose(found.means[g], part.mean())
        np.testing.assert_allclose(found.covariances[g], np.cov(part.T, ddof=0))


def test_moments_of_incomplete_data_are_positive_definite():
    """Two columns never seen together, each with its own relation to a third."""
    rng = np.random.default_rng(0)
    data = noise("x1 x2 x3", n=40)
    data["x2"] = data["x1"] + 0.01 * rng.normal(size=40)
    data["x3"] = -data["x1"] + 0.01 * rng.normal(size=40)
    data.loc[:13, "x1"] = data.loc[14:26, "x2"] = data.loc[27:, "x3"] = np.nan
    sample = read_sample(data, ("x1", "x2", "x3"))
    covariances, means = sample_moments(sample)
    assert np.linalg.eigvalsh(covariances[0])[0] > 0
    np.testing.assert_allclose(np.diag(covariances[0]), data.var(ddof=0))
    np.testing.assert_allclose(means[0], data.mean())


def test_modifiers_for_groups_need_as_many_groups():
    text = "f =~ x1 + c(a, b)*x2 + x3"
    two = noise("x1 x2 x3").assign(g=["p", "q"] * 30)
    found = prepared(text, two, group="g")
    assert found.table.groups == ("p", "q")
    assert [r.label for r in found.table.rows if r.rhs == "x2" and r.op == "=~"] == ["a", "b"]
    with pytest.raises(ModelError, match="gives 2 values for 3 groups"):
        prepared(text, two.assign(g=["p", "q", "r"] * 20), group="g")


def test_priors_see_the_groups():
    data = abilities()
    found = prepared(ABILITIES, data, group="school", priors={"loading": "normal(1, 1)"})
    loadings = [c for c in found.space.coordinates if c.kind == "loading"]
    assert len(loadings) == 12
    assert {c.prior.named["mu"] for c in loadings} == {1.0}


def test_the_order_of_groups_can_be_given():
    data = abilities()
    found = prepared(ABILITIES, data, group="school", group_order=("Grant-White", "Pasteur"))
    assert found.table.groups == ("Grant-White", "Pasteur")
    with pytest.raises(DataError, match="equal to 'Eton'"):
        prepared(ABILITIES, data, group="school", group_order=("Grant-White", "Eton"))
