import numpy as np
import pandas as pd
import pytest

from bayessem.effects.baron_kenny import conclusion, statements_without, steps
from bayessem.model.structure import build_structure
from bayessem.sem import SEM
from tests.drawn import drawn_fit, measured


def without(model, mediators, x="X", y="Y"):
    sem = SEM(model)
    kept = statements_without(sem.statements, build_structure(sem.table), mediators, x, y)
    return {str(s) for s in kept}


def test_mediators_go_with_their_items_and_what_depends_on_them_alone():
    model = (
        measured("X", "M", "Y", "Z")
        + """
    M ~ X
    Y ~ M
    Z ~ M + X
    y1 ~~ y2
    m1 ~~ y1
    """
    )
    kept = without(model, ["M"])
    assert kept == {
        "X =~ x1", "X =~ x2", "X =~ x3", "Y =~ y1", "Y =~ y2", "Y =~ y3", "y1 ~~ y2", "Y ~ X",
    }  # fmt: skip


def test_other_causes_second_order_parts_and_labels_stay():
    model = """
    A =~ A1 + A2
    A1 =~ p1 + p2 + p3
    A2 =~ q1 + q2 + q3
    M =~ m1 + m2 + m3
    M ~ a*A
    y ~ b*M + c*A + g*w
    ind := a*b
    """
    kept = without(model, ["M"], x="A", y="y")
    assert {"A =~ A1", "A1 =~ p1", "A2 =~ q3", "y ~ c*A", "y ~ g*w"} <= kept
    assert not [s for s in kept if "M" in s or ":=" in s]


def test_total_effect_is_that_of_the_regression_without_the_mediator():
    fit = drawn_fit("m ~ a*x\ny ~ b*m + c*x + d*w", n=200, a=0.6, b=0.5, c=0.3, d=0.4)
    table, source = steps(fit, "x", "y", ["m"], groups=[""], ci_prob=0.95)
    design = np.column_stack([np.ones(200), fit.data["x"], fit.data["w"]])
    beta, rest, *_ = np.linalg.lstsq(design, fit.data["y"])
    first = table[table["step"] == "1 c"].iloc[0]
    assert first["mean"] == pytest.approx(beta[1], abs=1e-4)
    se = np.sqrt(rest[0] / 200 * np.linalg.inv(design.T @ design)[1, 1])
    assert first["upper"] - first["mean"] == pytest.approx(1.96 * se, rel=0.01)
    assert "without the mediators" in source
    assert list(table["step"]) == ["1 c", "2 a", "3 b", "4 c'"]


def test_a_model_that_cannot_be_fitted_gives_way_to_the_total_effect():
    model = (
        measured("X", "M", "Y") + "\nM ~ a*X\nY ~ b*M + c*X\nm1 ~~ e*m1\nx1 ~~ equal('m1~~m1')*x1"
    )
    fit = drawn_fit(model, a=0.6, b=0.5, c=0.3, e=0.4)
    table, source = steps(fit, "X", "Y", ["M"], groups=[""], ci_prob=0.95)
    assert "the total effect of this fit" in source
    assert table["mean"][0] == pytest.approx(0.6, abs=0.05)


def rows(**differs):
    known = {"1 c": True, "2 a": True, "3 b": True, "4 c'": True} | differs
    return pd.DataFrame(
        [
            {"step": s, "mediator": "M" if s[0] in "23" else "", "differs": d}
            for s, d in known.items()
        ]
    )


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({}, "partial mediation"),
        ({"4 c'": False}, "full mediation"),
        ({"1 c": False}, "no mediation (step 1"),
        ({"2 a": False}, "no mediation (step 2"),
        ({"3 b": False, "4 c'": False}, "no mediation (step 3"),
    ],
)
def test_conclusion(differs, said):
    assert conclusion(rows(**differs), "M").startswith(said)
