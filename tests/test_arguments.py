"""Arguments of other programs: refused with what would work, never dropped."""

import pytest
from example_models import ABILITIES, abilities

from bayessem import SEM
from bayessem.errors import BayessemError, FitError, NotSupported, did_you_mean


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ordered": True}, NotSupported, "does not have ordered"),
        ({"estimator": "MLR"}, NotSupported, 'se="robust"'),
        ({"data": 1}, NotSupported, r"SEM\(model\).fit\(data\)"),
        ({"group": "school"}, TypeError, r"belongs to the method: .*fit\(data, group=...\)"),
        ({"group.equals": "loadings"}, TypeError, r"Did you mean 'group_equal'\?"),
    ],
)
def test_the_model_refuses(options, error, message):
    with pytest.raises(error, match=message):
        SEM(ABILITIES, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ordered": ["x1"]}, NotSupported, "does not have ordered"),
        ({"group.equal": "loadings"}, TypeError, r"SEM\(model, group_equal=...\)"),
        ({"seed": 1}, TypeError, "it is called random_seed here"),
        ({"drawz": 10}, TypeError, r"Did you mean 'draws'\?"),
        ({"draws": "1000"}, FitError, "draws is a whole number, not '1000'"),
        ({"draws": 1e3}, FitError, "draws is a whole number"),
        ({"random_seed": 1.5}, FitError, "random_seed is a whole number"),
        ({"priors": ["normal(0, 1)"]}, BayessemError, "priors go by name"),
        ({"pooling": "partial", "group": "school"}, BayessemError, r"partial\('y ~ x'\)"),
    ],
)
def test_fit_refuses(options, error, message):
    with pytest.raises(error, match=message):
        SEM(ABILITIES).fit(abilities(), **options)


def test_maximum_likelihood_refuses():
    with pytest.raises(NotSupported, match="leave it out"):
        SEM(ABILITIES).ml(abilities(), estimator="ML")


def test_priors_are_found_whatever_the_spaces():
    table = SEM("x1 ~ x2").priors(abilities(), priors={"x1 ~ x2": "normal(0, 0.1)"})
    assert table.set_index("parameter")["prior"]["x1~x2"] == "normal(mu=0, sigma=0.1)"


def test_a_name_like_another_is_suggested():
    assert did_you_mean("Visperc", ["visperc", "cubes"]) == " Did you mean 'visperc'?"
    assert did_you_mean("speed", ["visperc", "cubes"]) == ""
