"""Which latents are integrated by nodes, and the refusals."""

import numpy as np
import pytest

from bayessem.errors import ModelError, NotSupported
from bayessem.likelihood.products import NO_PRODUCTS, plan_products

X, Z, W, V, Y, Y2 = range(6)


@pytest.mark.parametrize(
    ("pairs", "affected", "integrated", "analytic"),
    [
        ([(X, X)], [{Y}], {X}, set()),
        ([(X, Z)], [{Y}], {X}, {Z}),
        ([(Z, X), (Z, W)], [{Y}, {Y}], {Z}, {X, W}),
        ([(X, X), (X, Z)], [{Y}, {Y}], {X}, {Z}),
        ([(X, Z), (W, V)], [{Y}, {Y}], {X, W}, {Z, V}),
        ([(X, Z), (Z, W), (X, W)], [{Y}, {Y}, {Y}], {X, Z}, {W}),
        ([(X, X), (Z, Z), (W, W)], [{Y}, {Y}, {Y}], {X, Z, W}, set()),
        # Y holds X squared: X Y is of third degree in X, but linear in the rest of Y
        ([(X, X), (X, Y)], [{Y}, {Y2}], {X}, {Y}),
        ([(X, X), (Y, Y)], [{Y, Y2}, {Y2}], {X, Y}, set()),
        # Y holds X Z, so its square is of second degree in each of them
        ([(X, Z), (Y, Y)], [{Y}, {Y2}], {X, Z, Y}, set()),
    ],
)
def test_smallest_split(pairs, affected, integrated, analytic):
    plan = plan_products(pairs, affected)
    k = plan.integrated
    assert set(plan.factors[:k].tolist()) == integrated
    assert set(plan.factors[k:].tolist()) == analytic


def test_products_come_after_what_they_depend_on():
    plan = plan_products([(Y, Y), (X, X)], [{Y2}, {Y}])
    assert plan.order.tolist() == [1, 0]


def test_one_square_has_two_monomials():
    plan = plan_products([(X, X)], [{Y}])
    assert plan.node_exponent[plan.node_of].ravel().tolist() == [0, 1, 2]
    assert not plan.needs_general_terms
    assert plan_products([(X, Z)], [{Y}]).needs_general_terms
    assert not plan_products([(X, X), (X, V)], [{Y}] * 2, observed={V: 7}).needs_general_terms
    assert not NO_PRODUCTS.needs_general_terms


def test_monomial_tables_multiply():
    plan = plan_products([(X, X), (Y, Y), (X, V)], [{Y}, {Y2}, {Y2}], observed={V: 7})
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
    plan = plan_products([(X, V), (V, W)], [{Y}, {Y}], observed={V: 3, W: 4})
    assert plan.integrated == 0
    assert plan.factors.tolist() == [X]
    assert plan.observed.tolist() == [4, 3]  # in the order of the latents, W before V


def test_more_than_three_dimensions_offer_sampled_latents():
    pairs = [(X, X), (Z, Z), (W, W), (V, V)]
    with pytest.raises(NotSupported, match=r'4-dimensional integral.*latents="sampled"'):
        plan_products(pairs, [{Y}] * 4)


@pytest.mark.parametrize(
    ("pairs", "affected"),
    [([(X, Y)], [{Y}]), ([(X, X), (Y, Y)], [{Y}, {X}]), ([(X, V)], [{V}])],
)
def test_product_that_explains_its_own_factor(pairs, affected):
    names = ("X", "Z", "W", "V", "Y", "Y2")
    with pytest.raises(ModelError, match="leave out the path that closes the circle") as error:
        plan_products(pairs, affected, observed={V: 0}, names=names)
    assert "X:" in str(error.value)
