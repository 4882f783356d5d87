"""Changes of a shape by moderators and groups: events in draws, counted."""

import numpy as np
import pytest

from bayessem.effects.path_effects import pooled_scale
from bayessem.shapes.moderated_shape import shape_change
from bayessem.shapes.shape import shape
from tests.drawn import drawn_fit, parameter


def test_changes_are_counted_draw_by_draw():
    b1, c1 = np.array([0.4, 0.4, 0.4, 0.4]), np.array([0.8, 0.1, 0.4, 0.4])
    b2, c2 = np.array([-0.5, -0.5, -0.5, -0.5]), np.array([-1.0, -0.2, 0.3, -0.5])
    found = shape_change((b1, b2), (c1, c2), ci_prob=0.9)
    # steeper; flatter; flips; the same
    assert [found[p] for p in ("p_steeper", "p_flatter", "p_flip")] == [0.25, 0.25, 0.25]
    # of the three peaks: .4 to .4, .4 to .25, .4 to .4
    assert found["p_right"] == pytest.approx(0.0)


def model_of(**values):
    return drawn_fit(
        "y ~ b*x + q*x:x + g*w + i*x:w + j*x:x:w", n=200, draws=200, spread=0.25,
        b=0.3, g=0.1, **values,
    )  # fmt: skip


def test_a_moderator_flattens_flips_and_moves():
    fit = model_of(q=-0.4, i=0.2, j=0.2)
    result = shape(fit, "x", "y", lines=False, at=(-1, 0, 2))
    b, q, i, j = (parameter(fit, label) for label in "bqij")
    mean, sd = pooled_scale(fit, fit.prepared.structure.variables.index("w"))
    first, second = ((b + i * w, q + j * w) for w in (mean - sd, mean + 2 * sd))
    row = result.changes.iloc[0]
    assert row["moderator"] == "w from -1 SD to +2 SD"
    flips = np.sign(first[1]) != np.sign(second[1])
    assert 0.2 < flips.mean() < 0.98
    assert row["p_flip"] == pytest.approx(flips.mean())
    flatter = ~flips & (np.abs(second[1]) < np.abs(first[1]))
    assert row["p_flatter"] == pytest.approx(flatter.mean())
    both = (first[1] < 0) & (second[1] < 0)
    if (first[1] + second[1] > 0).mean() > 0.5:
        both = (first[1] > 0) & (second[1] > 0)
    moved = (first[0] / (2 * first[1]) - second[0] / (2 * second[1]))[both]
    assert row["p_right"] == pytest.approx((moved > 0).mean())
    assert row["shift"] == pytest.approx(np.median(moved), nan_ok=True)
    assert "Changes of the shape (Haans, Pieters & He 2016)" in str(result)


def test_without_a_product_with_the_square_the_curvature_cannot_change():
    fit = drawn_fit("y ~ b*x + q*x:x + w + i*x:w", b=0.3, q=-0.4, i=0.2)
    row = shape(fit, "x", "y", lines=False).changes.iloc[0]
    assert np.isnan([row["p_flip"], row["p_steeper"], row["p_flatter"]]).all()
    # x* = -(b + i w) / (2 q) moves to the right with w
    assert row["p_right"] == 1.0


def test_groups_are_compared_two_by_two():
    fit = drawn_fit(
        "y ~ c(b1, b2, b3)*x + c(q1, q2, q3)*x:x", groups=("a", "b", "c"),
        b1=0.3, b2=0.3, b3=0.3, q1=-0.2, q2=-0.4, q3=0.3,
    )  # fmt: skip
    found = shape(fit, "x", "y", lines=False).changes.set_index("moderator")
    assert list(found.index) == ["a to b", "a to c", "b to c"]
    assert found.loc["a to b", "p_steeper"] == 1.0
    assert found.loc["a to b", "p_right"] == 0.0  # .75 to .375
    assert found.loc["a to c", "p_flip"] == 1.0


def test_groups_with_one_curve_are_not_compared():
    fit = drawn_fit("y ~ c(b, b)*x + c(q, q)*x:x", groups=("a", "b"), b=0.3, q=-0.3)
    assert shape(fit, "x", "y", lines=False).changes.empty
