"""Which numbers are sampled, their priors and bounds, and how they fill the matrices."""

import math

import numpy as np
import pytest
from example_models import ABILITIES, DEMOCRACY, abilities, democracy, noise, prepared

from bayessem.errors import ModelError, PriorError
from bayessem.model.priors import KINDS, Prior

CFA = "f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3\n"
COLUMNS = "x1 x2 x3 y1 y2 y3 z"


def space(model, data=None, **options):
    return prepared(model, noise(COLUMNS) if data is None else data, **options).space


def coordinate(found, name):
    (one,) = [c for c in found.coordinates if c.name == name]
    return one


def test_coordinates_stand_by_kind_and_every_parameter_has_one():
    model = prepared(DEMOCRACY, democracy())
    kinds = [KINDS.index(c.kind) for c in model.space.coordinates]
    assert kinds == sorted(kinds)
    assert sorted(model.space.names) == sorted(model.table.parameters)
    spans = model.space.kinds()
    assert [n for s in spans.values() for n in model.space.names[s]] == list(model.space.names)


def test_variances_are_standard_deviations_and_covariances_correlations():
    found = space(CFA + "x1 ~~ y1")
    (variance,) = found.cells[found.cell_of_row[row_of(CFA + "x1 ~~ y1", "x1~~x1")]]
    assert variance == ("x1~~x1", "x1~~x1", 1.0)
    (covariance,) = found.cells[found.cell_of_row[row_of(CFA + "x1 ~~ y1", "x1~~y1")]]
    assert covariance == ("x1~~y1", "x1~~x1", "y1~~y1")
    assert coordinate(found, "f~~g").kind == "correlation"
    assert coordinate(found, "x1~~x1").kind == "residual_sd"
    assert coordinate(found, "f~~f").kind == "disturbance_sd"


def row_of(model, name):
    table = prepared(model, noise(COLUMNS)).table
    return next(k for k, r in enumerate(table.rows) if r.name == name)


def test_a_correlation_with_a_fixed_variance_uses_the_number():
    found = space(CFA + "f ~~ 4*f")
    (term,) = found.cells[found.cell_of_row[row_of(CFA + "f ~~ 4*f", "f~~g")]]
    assert term == ("f~~g", 2.0, "g~~g")


def test_cells_fill_the_matrices_with_lavaan_s_numbers():
    """From start values to coordinates to matrices and back to the start values."""
    model = prepared(ABILITIES, abilities(), std_lv=True)
    values = dict.fromkeys(model.space.names, 0.3)
    base = model.space.base.copy()
    cells = [
        sum(math.prod(values.get(f, f) for f in term) for term in cell)
        for cell in model.space.cells
    ]
    for cell, element in model.space.places:
        base[element] = cells[cell]
    matrices = model.structure.matrices(base)
    np.testing.assert_allclose(np.diag(matrices["residuals"]), 0.09)
    np.testing.assert_allclose(matrices["disturbances"], 0.3 + 0.7 * np.eye(3))
    assert (matrices["loadings"] != 0).sum() == 9


def test_three_correlated_constructs_are_one_block_in_order():
    found = prepared(ABILITIES, abilities()).space
    (block,) = found.blocks
    assert block.size == 3
    assert block.names == ("visual~~textual", "visual~~speed", "textual~~speed")
    first = found.names.index(block.names[0])
    assert found.names[first : first + 3] == block.names
    assert found.proper == ()


def test_an_incomplete_block_is_checked_instead():
    model = prepared(DEMOCRACY, democracy())
    assert model.space.blocks == ()
    ((code, group, positions),) = model.space.proper
    assert (code, group) == (1, 0)
    assert [model.structure.observed[i] for i in positions] == ["y2", "y4", "y6", "y8"]


def test_one_other_prior_takes_a_block_apart():
    found = prepared(ABILITIES, abilities(), priors={"visual~~speed": "uniform(-1, 1)"}).space
    assert found.blocks == ()
    assert len(found.proper) == 1


def test_the_block_s_eta_can_be_set_for_all():
    found = prepared(ABILITIES, abilities(), priors={"correlation": "lkj(3)"}).space
    assert found.blocks[0].eta == 3.0


def test_equal_covariances_of_unequal_variances_are_covariances():
    model = CFA + "h =~ z + x1\nf ~~ c*g\ng ~~ c*h\nf ~~ 0*h\nz ~~ 0.1*z"
    found = space(model)
    assert coordinate(found, "c").kind == "covariance"
    assert len(found.proper) == 1


def test_bounds_of_a_covariance_are_about_the_covariance():
    found = coordinate(space(CFA + "f ~~ lower(0)*g"), "f~~g")
    assert (found.kind, found.lower, found.upper) == ("covariance", 0.0, math.inf)
    assert found.prior.family == "normal"


def test_bounds_of_a_variance_become_bounds_of_its_root():
    found = coordinate(space(CFA + "x1 ~~ lower(0.04)*x1"), "x1~~x1")
    assert (found.lower, found.upper) == (pytest.approx(0.2), math.inf)
    found = coordinate(space(CFA + "x1 ~~ upper(0.25)*x1"), "x1~~x1")
    assert (found.lower, found.upper) == (0.0, pytest.approx(0.5))


@pytest.mark.parametrize("bound", [0, -1])
def test_a_variance_without_room_is_refused(bound):
    with pytest.raises(PriorError, match=f"x1~~x1: a variance cannot have the upper bound {bound}"):
        space(CFA + f"x1 ~~ upper({bound})*x1")


def test_no_item_is_special_in_a_construct_without_marker():
    found = space(CFA, std_lv=True)
    assert coordinate(found, "f=~x1").lower == -math.inf
    assert coordinate(found, "f=~x2").lower == -math.inf


def test_user_priors_by_text_name_label_and_kind():
    found = space(
        'f =~ x1 + prior("normal(1, 0.1)")*x2 + x3\ny1 ~ b*f + z',
        priors={"b": "student_t(3, 0, 1)", "path": "normal(0, 9)", "x1~~x1": "gamma(2, 2)"},
    )
    assert coordinate(found, "f=~x2").prior == Prior("normal", mu=1, sigma=0.1)
    assert coordinate(found, "y1~f").prior.family == "student_t"
    assert coordinate(found, "y1~z").prior == Prior("normal", mu=0, sigma=9)
    assert coordinate(found, "x1~~x1").prior.family == "gamma"


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"g~f": "normal(0, 1)"}, "'g~f' is neither a kind of parameter"),
        ({"paths": "normal(0, 1)"}, "'paths' is neither a kind"),
        ({"x1~~x1": "lkj(1)"}, "x1~~x1: lkj is a prior of correlations, not of a residual_sd"),
        ({"x1~~x1": "uniform(-2, -1)"}, "x1~~x1: prior uniform.* leave nothing between"),
        ({"f~~g": "normal(0 1)"}, "prior of f~~g: normal needs|prior of f~~g: .* not a number"),
    ],
)
def test_unsuitable_priors_are_refused_by_name(priors, message):
    with pytest.raises(PriorError, match=message):
        space(CFA, priors=priors)


def test_a_covariance_of_a_variable_without_variance_is_refused():
    with pytest.raises(ModelError, match="f~~g: a covariance needs both variances"):
        space(CFA + "f ~~ 0*f\nf ~~ g")


def test_a_label_shared_by_a_variance_and_a_path_is_refused():
    with pytest.raises(ModelError, match="different kinds"):
        space(CFA + "f ~~ a*f\ng ~ a*f")


def test_covariates_have_the_moments_of_the_sample():
    data = noise(COLUMNS)
    model = prepared("f =~ x1 + x2 + x3\nf ~ z + y1", data)
    matrices = model.structure.matrices(model.space.base)
    at = [model.structure.variables.index(n) for n in ("z", "y1")]
    np.testing.assert_allclose(
        matrices["disturbances"][np.ix_(at, at)], np.cov(data[["z", "y1"]].T, ddof=0)
    )
    np.testing.assert_allclose(matrices["means"][at], data[["z", "y1"]].mean())
