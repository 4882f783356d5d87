"""How latents in products are integrated out, and the refusals."""

import numpy as np
import pytest

from bayessem.errors import ModelError, NotSupported
from bayessem.likelihood.products import NO_PRODUCTS, plan_products

X, Z, W, V, Y, Y2 = range(6)


@pytest.mark.parametrize(
    ("pairs", "outcomes", "affected", "integrated", "analytic"),
    [
        ([(X, X)], [{Y}], None, {X}, set()),
        # Y holds X squared: X Y is of third degree in X, but linear in the rest of Y
        ([(X, X), (X, Y)], [{Y}, {Y2}], None, {X}, {Y}),
        ([(X, X), (Y, Y)], [{Y, Y2}, {Y2}], None, {X, Y}, set()),
        # Y holds X Z, so its square is of second degree in each of them
        ([(X, Z), (Y, Y)], [{Y}, {Y2}], None, {X, Z, Y}, set()),
        # two outcomes
        ([(X, Z), (X, Z)], [{Y}, {Y2}], None, {X}, {Z}),
        ([(Z, X), (Z, W)], [{Y}, {Y2}], None, {Z}, {X, W}),
        ([(X, X), (X, Z)], [{Y}, {Y2}], None, {X}, {Z}),
        ([(X, Z), (W, V)], [{Y}, {Y2}], None, {X, W}, {Z, V}),
        ([(X, Z), (Z, W), (X, W)], [{Y}, {Y2}, {Y}], None, {X, Z}, {W}),
        ([(X, X), (Z, Z), (W, W)], [{Y, Y2}, {Y}, {Y}], None, {X, Z, W}, set()),
    ],
)
def test_smallest_split_on_a_grid(pairs, outcomes, affected, integrated, analytic):
    plan = plan_products(pairs, affected or outcomes, outcomes=outcomes)
    k = plan.integrated
    assert plan.route == ("one" if len(integrated | analytic) == 1 else "grid")
    assert set(plan.factors[:k].tolist()) == integrated
    assert set(plan.factors[k:].tolist()) == analytic


@pytest.mark.parametrize(
    "pairs",
    [
        [(X, Z)],
        [(X, X), (Z, Z), (X, Z)],
        [(X, X), (Z, Z), (W, W), (V, V), (X, V)],
        [(X, X), (X, Z), (X, 6)],
    ],
)
def test_what_explains_one_variable_is_a_form(pairs):
    """Also where that variable explains others; any number of latents, products with data too."""
    affected, outcomes = [{Y, Y2}] * len(pairs), [{Y}] * len(pairs)
    plan = plan_products(
        pairs, affected, outcomes=outcomes, observed={6: 3} if (X, 6) in pairs else {}
    )
    f = len(plan.factors)
    assert (plan.route, plan.outcome) == ("contour", Y)
    assert plan.columns[-1] == -1 and plan.column_part[-1] == f
    assert plan.column_part[:f].tolist() == list(range(f))
    found = {tuple(sorted(plan.factors[pair].tolist())) for pair in plan.curve_pair}
    latent = {tuple(sorted(pair)) for pair in pairs if 6 not in pair}
    assert latent <= found


def test_products_come_after_what_they_depend_on():
    plan = plan_products([(Y, Y), (X, X)], [{Y2}, {Y}], outcomes=[{Y2}, {Y}])
    assert plan.order.tolist() == [1, 0]


def test_one_square_has_two_monomials():
    plan = plan_products([(X, X)], [{Y}], outcomes=[{Y}])
    assert plan.node_exponent[plan.node_of].ravel().tolist() == [0, 1, 2]
    assert plan.route == "one"
    moderated = plan_products([(X, X), (X, V)], [{Y}] * 2, outcomes=[{Y}] * 2, observed={V: 7})
    assert moderated.route == "one"
    assert NO_PRODUCTS.route == "sums"


def test_monomial_tables_multiply():
    outcomes = [{Y}, {Y2}, {Y2}]
    plan = plan_products([(X, X), (Y, Y), (X, V)], outcomes, outcomes=outcomes, observed={V: 7})
    assert plan.observed.tolist() == [7]
    powers = plan.node_exponent
    for a in range(len(plan.node_of)):
        for b in range(len(plan.node_of)):
            together = powers[plan.node_of[a]] + powers[plan.node_of[b]]
            assert powers[plan.pair[a, b]].tolist() == together.tolist()
            c = plan.monomial_product[a, b]
            if c >= 0:
                assert powers[plan.node_of[c]].tolist() == together.tolist()
                data = plan.data_exponent[a] + plan.data_exponent[b]
                assert plan.data_exponent[c].tolist() == data.tolist()
    for e, row in enumerate(plan.lower):
        for i, below in enumerate(row):
            step = np.eye(plan.integrated, dtype=int)[i]
            if powers[e, i]:
                assert (powers[below] + step).tolist() == powers[e].tolist()
                assert below < e
            else:
                assert below == -1


def test_observed_factors_are_not_integrated():
    plan = plan_products([(X, V), (V, W)], [{Y}, {Y}], outcomes=[{Y}, {Y}], observed={V: 3, W: 4})
    assert plan.integrated == 0
    assert plan.factors.tolist() == [X]
    assert plan.observed.tolist() == [4, 3]  # in the order of the latents, W before V


def test_more_than_three_dimensions_offer_sampled_latents():
    pairs = [(X, X), (Z, Z), (W, W), (V, V)]
    with pytest.raises(NotSupported, match=r'4-dimensional integral.*latents="sampled"'):
        plan_products(pairs, [{Y, Y2}] * 4, outcomes=[{Y, Y2}] * 4)


@pytest.mark.parametrize(
    ("pairs", "affected"),
    [([(X, Y)], [{Y}]), ([(X, X), (Y, Y)], [{Y}, {X}]), ([(X, V)], [{V}])],
)
def test_product_that_explains_its_own_factor(pairs, affected):
    names = ("X", "Z", "W", "V", "Y", "Y2")
    with pytest.raises(ModelError, match="leave out the path that closes the circle") as error:
        plan_products(pairs, affected, outcomes=affected, observed={V: 0}, names=names)
    assert "X:" in str(error.value)
