"""The parameter table: lavaan's rules as plain expectations.

What is fixed, free and equal was compared with the parameter tables of R's lavaan 0.6-14 for
80 models; the facts that came out of it are written down here.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayessem.errors import ModelError
from bayessem.model.linear_constraints import constrained_names, linear_system
from bayessem.syntax.expression import evaluate
from bayessem.syntax.rows import GROUP_EQUAL
from bayessem.syntax.statements import parse
from bayessem.syntax.table import build_table, cycles

CFA = "f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3\n"
TWO = ("p", "q")


def table(text, **options):
    return build_table(parse(text), **options)


def row(found, name, group=0):
    (one,) = [r for r in found.rows if r.name == name and r.group == group]
    return one


def fixed(found, group=0):
    """Fixed parameters of a group and their values, without the covariates' moments."""
    return {
        r.name: r.value for r in found.rows if r.group == group and r.free < 0 and not r.exogenous
    }


def names(found):
    return {r.name for r in found.rows}


def values_by_group(found, name):
    return [r.value if r.free < 0 else r.free for r in found.rows if r.name == name]


def test_a_measurement_model():
    found = table(CFA)
    assert found.observed == ("x1", "x2", "x3", "y1", "y2", "y3")
    assert found.latent == ("f", "g")
    assert fixed(found) == {"f=~x1": 1.0, "g=~y1": 1.0, "f~1": 0.0, "g~1": 0.0}
    assert len(found.parameters) == 4 + 6 + 3 + 6
    assert row(found, "f~~g").free >= 0
    assert not row(found, "f~~g").user
    assert row(found, "f=~x2").user
    assert found.promoted == ()


def test_free_parameters_are_numbered_in_table_order():
    found = table(CFA)
    assert [r.free for r in found.rows if r.free >= 0] == list(range(len(found.parameters)))
    assert [r.name for r in found.rows if r.free >= 0] == list(found.parameters)


def test_std_lv_fixes_variances_even_those_the_user_names():
    found = table(CFA + "f ~~ f", std_lv=True)
    assert fixed(found) == {"f~~f": 1.0, "g~~g": 1.0, "f~1": 0.0, "g~1": 0.0}
    freed = table(CFA + "f ~~ NA*f", std_lv=True)
    assert "f~~f" not in fixed(freed)


def test_a_single_indicator_has_no_residual_unless_it_measures_something_else_too():
    assert fixed(table("f =~ x1\ng =~ y1 + y2\ng ~ f"))["x1~~x1"] == 0.0
    assert "x1~~x1" not in fixed(table("f =~ x1\ng =~ x1 + x2 + x3"))
    assert "x1~~x1" not in fixed(table("f =~ x1\nx1 ~~ x1\ny ~ f"))
    assert fixed(table("f =~ x1 + x2\nk =~ f\nk ~ w"))["f~~f"] == 0.0
    assert fixed(table("f =~ x1 + x2\nk =~ f\nk ~ w", std_lv=True))["f~~f"] == 0.0


def test_covariates_are_conditioned_on():
    found = table("f =~ x1 + x2 + x3\nf ~ z + w\ny ~ f + z")
    assert found.observed == ("x1", "x2", "x3", "y", "z", "w")
    assert found.exogenous == ("z", "w")
    assert found.promoted == ("y", "z", "w")
    moments = {r.name for r in found.rows if r.exogenous}
    assert moments == {"z~~z", "z~~w", "w~~w", "z~1", "w~1"}
    assert all(math.isnan(row(found, name).value) for name in moments)
    assert "f~~z" not in names(found)


@pytest.mark.parametrize("mention", ["x ~~ x", "x ~ 1", "x ~~ y2"])
def test_a_covariate_whose_moments_are_mentioned_is_random(mention):
    found = table(f"y ~ x + z\ny2 ~ z\n{mention}")
    assert found.exogenous == ("z",)
    assert row(found, "x~~x").free >= 0
    assert row(found, "x~1").free >= 0
    assert "x~~z" not in names(found) and "z~~x" not in names(found)


def test_random_covariates():
    found = table("y ~ x + z", fixed_x=False)
    assert found.exogenous == ()
    assert set(found.parameters) >= {"x~~x", "x~~z", "z~~z", "x~1", "z~1"}
    assert found.promoted == ("y", "x", "z")


def test_disturbances_of_final_outcomes_covary():
    found = table("g =~ y1 + y2 + y3\ng ~ f\nz ~ f + x5\nm ~ x5\nw ~ m")
    covariances = {r.name for r in found.rows if r.op == "~~" and r.lhs != r.rhs}
    assert covariances == {"g~~z", "g~~w", "z~~w", "f~~x5"}  # m predicts w


def test_a_factor_of_a_product_is_a_predictor():
    found = table("y ~ m + m:z + z\nk ~ z\nm ~ z")
    assert "y~~k" in names(found)
    assert not {"m~~k", "k~~m", "y~~m", "m~~y"} & names(found)


def test_orthogonal_constructs():
    assert fixed(table(CFA, orthogonal=True))["f~~g"] == 0.0
    ending = table(CFA + "f ~ z\ng ~ z\ny ~ z", orthogonal=True)
    assert fixed(ending)["f~~g"] == 0.0
    assert row(ending, "f~~y").free >= 0


def test_second_order_constructs():
    found = table("A =~ B + C + D\nB =~ x1 + x2\nC =~ x3 + x4\nD =~ x5 + x6\ny ~ A")
    assert found.latent == ("A", "B", "C", "D")
    assert set(fixed(found)) >= {"A=~B", "B=~x1", "C=~x3", "D=~x5", "A~1", "B~1"}
    assert not any(r.op == "~~" and r.lhs != r.rhs for r in found.rows)
    assert found.promoted == ("y",)


def test_growth_models():
    text = "i =~ 1*t1 + 1*t2 + 1*t3\ns =~ 0*t1 + 1*t2 + 2*t3\ni ~ x\ns ~ x"
    found = table(text, growth=True)
    assert fixed(found)["s=~t1"] == 0.0
    assert fixed(found)["s=~t3"] == 2.0
    assert all(fixed(found)[f"t{i}~1"] == 0.0 for i in (1, 2, 3))
    assert set(found.parameters) >= {"i~1", "s~1", "i~~s"}
    assert row(found, "x~1").exogenous


def test_without_a_mean_structure_unless_an_intercept_is_written():
    assert not any(r.op == "~1" for r in table(CFA, meanstructure=False).rows)
    written = table(CFA + "f ~ 1", meanstructure=False)
    assert {"f~1", "x1~1"} <= set(written.parameters)


def test_nothing_is_added_freely_without_the_automatic_rules():
    found = table("f =~ x1 + x2\nf ~~ f\ny ~ f + z", auto=False)
    assert found.parameters == ("f=~x1", "f=~x2", "f~~f", "y~f", "y~z")
    assert fixed(found)["x1~~x1"] == fixed(found)["y~1"] == 0.0
    assert row(found, "z~~z").exogenous


def test_shared_labels_are_one_parameter():
    found = table("f =~ x1 + a*x2 + a*x3\ny ~ b*f")
    assert row(found, "f=~x2").free == row(found, "f=~x3").free
    assert found.parameters[:2] == ("a", "y~f")  # a is several rows, b is one
    assert found.names["b"] == found.names["y~f"] == 1


def test_a_fixed_parameter_passes_its_value_on_through_a_label():
    found = table("f =~ a*x1 + x2 + a*x3\ny ~ a*f")
    assert fixed(found)["f=~x3"] == fixed(found)["y~f"] == 1.0
    assert found.names["a"] == 1.0
    with pytest.raises(ModelError, match=r"fixed value differs: 1.0 and 2.0"):
        table("y ~ a*x + 1*x + a*z + 2*z")


def test_equal_by_reference():
    found = table("f =~ x1 + x2 + equal('f=~x2')*x3\nx1 ~~ equal('x2~~x2')*x1", groups=TWO)
    assert len({r.free for r in found.rows if r.name in ("f=~x2", "f=~x3")}) == 1
    assert len({r.free for r in found.rows if r.name in ("x1~~x1", "x2~~x2")}) == 1
    with pytest.raises(ModelError, match=r'equal\("f=~x9"\) in "f =~ x2" \(line 1\)'):
        table("f =~ x1 + equal('f=~x9')*x2")


def test_equality_of_two_labels_merges_and_other_constraints_stay():
    merged = table("y ~ a*x + b*z\na == b")
    assert merged.constraints == ()
    assert row(merged, "y~x").free == row(merged, "y~z").free
    assert merged.parameters[0] == "a"
    kept = table("y ~ a*x + b*z\na == 2*b\na > b\na == 1")
    assert [(r.op, str(r.expression)) for r in kept.constraints] == [
        ("==", "a - 2*b"),
        (">", "a - b"),
        ("==", "a - 1"),
    ]
    assert all(r.group == r.free == -1 for r in kept.constraints)


def test_inequalities_of_one_label_are_bounds():
    found = table("y ~ a*x + b*z + d*w\na > 0\n2*b + 1 < 5\n-d > 1\n0 < b")
    assert found.constraints == ()
    assert [(row(found, n).lower, row(found, n).upper) for n in ("y~x", "y~z", "y~w")] == [
        (0.0, math.inf),
        (0.0, 2.0),
        (-math.inf, -1.0),
    ]
    with pytest.raises(ModelError, match="at least 1 and at most 0"):
        table("y ~ a*x\na > 1\na < 0")


def test_modifiers_reach_the_rows():
    found = table('y ~ a*x + start(.5)*x + prior("normal(0, 1)")*lower(0)*upper(2)*z')
    assert (row(found, "y~x").label, row(found, "y~x").start) == ("a", 0.5)
    other = row(found, "y~z")
    assert (other.prior, other.lower, other.upper) == ("normal(0, 1)", 0.0, 2.0)


def test_a_covariance_is_the_same_either_way_round():
    found = table("x1 ~~ x2\nx2 ~~ a*x1")
    assert [r.name for r in found.rows if r.op == "~~" and r.lhs != r.rhs] == ["x1~~x2"]
    assert row(found, "x1~~x2").label == "a"


def test_definitions_come_after_what_they_use():
    found = table("total := ind + c\ny ~ b*m + c*x\nm ~ a*x\nind := a*b")
    assert [r.lhs for r in found.defined] == ["ind", "total"]
    values = {"a": 2.0, "b": 3.0, "c": 1.0}
    for one in found.defined:
        values[one.lhs] = evaluate(one.expression, values)
    assert float(values["total"]) == 7.0


def test_products_add_no_rows_of_their_own():
    text = "X =~ x1 + x2\nZ =~ z1 + z2\nY =~ y1 + y2\nY ~ X + Z + Z:X + X:X + w + X:w"
    found = table(text)
    assert found.products == (("Z:X", ("Z", "X")), ("X:X", ("X", "X")), ("X:w", ("X", "w")))
    assert found.exogenous == ("w",)
    assert [r.name for r in found.rows if ":" in r.rhs] == ["Y~Z:X", "Y~X:X", "Y~X:w"]
    assert found.promoted == ("w",)


def test_observed_variables_that_covary_with_structural_ones_are_promoted():
    text = "f =~ x1 + x2 + x3\ny ~ f\nx1 ~~ y\nx2 ~~ x3\nv ~~ f"
    assert table(text).promoted == ("x1", "y", "v")
    assert table("f =~ x1 + x2 + x3\ny ~ f\nx1 ~~ 0*y").promoted == ("y",)


def test_cycles():
    assert cycles(table(CFA + "g ~ f")) == []
    assert cycles(table("y ~ m + x\nm ~ y + z\nk ~ y")) == ["y", "m"]
    assert cycles(table("f =~ x1 + x2 + x3\nf ~ x1")) == ["f", "x1"]
    assert cycles(table("y ~ m:x + x\nm ~ y + x")) == ["y", "m"]
    assert cycles(table("y ~ m\nm ~ 0*y")) == []


def test_group_names_of_parameters():
    found = table("RAD ~ AMC + a*x\nRAD ~ 1", groups=("high", "low"))
    assert {"RAD~AMC[high]", "RAD~AMC[low]", "RAD~x"} <= set(found.parameters)
    three = table("y ~ c(a,a,b)*x + c(NA,NA,b)*z", groups=("p", "q", "r"))
    assert {"y~x[p,q]", "y~z[p]", "y~z[q]", "b"} <= set(three.parameters)


def test_group_wise_modifiers():
    found = table("f =~ x1 + c(1, NA)*x2 + x3\ny ~ c(b1, b2)*f\nd := b1 - b2", groups=TWO)
    assert row(found, "f=~x2", 0).value == 1.0
    assert row(found, "f=~x2", 1).free >= 0
    assert [row(found, "y~f", g).label for g in (0, 1)] == ["b1", "b2"]
    assert found.names["b1"] != found.names["b2"]
    with pytest.raises(ModelError, match=r'"y ~ f" \(line 2\) gives 2 values for 3 groups'):
        table("f =~ x1 + x2\ny ~ c(a, b)*f", groups=("p", "q", "r"))


def test_equal_loadings_and_intercepts_free_the_means_of_later_groups():
    found = table(CFA, groups=TWO, group_equal=("loadings", "intercepts"))
    assert row(found, "f=~x2", 0).free == row(found, "f=~x2", 1).free
    assert row(found, "x1~1", 0).free == row(found, "x1~1", 1).free
    assert row(found, "f~~f", 0).free != row(found, "f~~f", 1).free
    assert [row(found, "f~1", g).value for g in (0, 1)] == [0.0, None]
    assert {"f=~x2", "x1~1", "f~1[q]"} <= set(found.parameters)
    kept = table(CFA, groups=TWO, group_equal=("loadings", "intercepts", "means"))
    assert [row(kept, "f~1", g).value for g in (0, 1)] == [0.0, 0.0]
    written = table(CFA + "f ~ 0*1", groups=TWO, group_equal=("loadings", "intercepts"))
    assert [row(written, "f~1", g).value for g in (0, 1)] == [0.0, 0.0]


def test_equal_loadings_with_std_lv_free_the_variances_of_later_groups():
    found = table(CFA + "f ~~ 1*f", groups=TWO, std_lv=True, group_equal="loadings")
    assert row(found, "f=~x1", 0).free == row(found, "f=~x1", 1).free >= 0
    assert [row(found, "g~~g", g).value for g in (0, 1)] == [1.0, None]
    assert [row(found, "f~~f", g).value for g in (0, 1)] == [1.0, 1.0]
    kept = table(CFA, groups=TWO, std_lv=True, group_equal=("loadings", "lv.variances"))
    assert [row(kept, "g~~g", g).value for g in (0, 1)] == [1.0, 1.0]


def test_every_family_of_group_equal():
    text = (
        "f =~ x1 + x2 + x3\nf ~ 1\nf ~ z\nx1 ~~ x2\nk =~ y1 + y2 + o1\nk ~~ v\nw1 ~ c\nc <~ u1 + u2"
    )
    families = {
        "loadings": "f=~x2",
        "composite.weights": "c<~u2",
        "thresholds": "o1|t1",
        "intercepts": "x2~1",
        "means": "f~1",
        "residuals": "x2~~x2",
        "residual.covariances": "x1~~x2",
        "lv.variances": "k~~k",
        "lv.covariances": "k~~v",
        "regressions": "f~z",
    }
    assert set(families) == set(GROUP_EQUAL)
    for family in GROUP_EQUAL:
        found = table(text, groups=TWO, group_equal=family, ordered=["o1"], categories={"o1": 3})
        shared = [f for f, name in families.items() if len(set(values_by_group(found, name))) == 1]
        assert shared == [family]


def test_group_partial_and_labels_of_the_user_take_precedence():
    text = "f =~ x1 + x2 + c(a, b)*x3 + x4\nx1 ~~ x2"
    found = table(
        text,
        groups=TWO,
        group_equal=("loadings", "intercepts", "residual.covariances"),
        group_partial=("f =~ x2", "x4~1", "x2~~x1"),
    )
    for name in ("f=~x2", "f=~x3", "x4~1", "x1~~x2"):
        assert len(set(values_by_group(found, name))) == 2
    for name in ("f=~x4", "x2~1"):
        assert len(set(values_by_group(found, name))) == 1


def test_group_equality_passes_fixed_values_on():
    found = table("f =~ x1 + c(1, NA)*x2 + x3", groups=TWO, group_equal="loadings")
    assert values_by_group(found, "f=~x2") == [1.0, 1.0]
    with pytest.raises(ModelError, match=r"different values \(1 in p, 2 in q\)"):
        table("f =~ x1 + c(1, 2)*x2 + x3", groups=TWO, group_equal="loadings")


def test_effect_coding():
    found = table(CFA, effect_coding=True)
    assert fixed(found) == {}
    assert [(r.lhs, r.rhs, r.user) for r in found.constraints] == [
        ("f=~x1 + f=~x2 + f=~x3", "3", False),
        ("x1~1 + x2~1 + x3~1", "0", False),
        ("g=~y1 + g=~y2 + g=~y3", "3", False),
        ("y1~1 + y2~1 + y3~1", "0", False),
    ]
    solution = {"f=~x1": 0.5, "f=~x2": 1.0, "f=~x3": 1.5}
    assert evaluate(found.constraints[0].expression, solution) == 0.0
    assert all(name in found.names for name in solution)


def test_effect_coding_skips_what_is_fixed_and_what_is_second_order():
    found = table("f =~ x1 + 0.5*x2 + x3\n", effect_coding="loadings")
    assert found.constraints == ()
    second = table("A =~ f + g\n" + CFA, effect_coding=True)
    assert len(second.constraints) == 3 + 2
    assert fixed(second) == {"A~1": 0.0}


def test_effect_coding_of_equal_groups_is_not_said_twice():
    options = {"groups": TWO, "effect_coding": True}
    assert len(table(CFA, **options).constraints) == 8
    equal = table(CFA, group_equal=("loadings", "intercepts"), **options)
    assert len(equal.constraints) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the model is empty"),
        ("a := 1 + 2", "has constraints and definitions only"),
        ("f =~ f + x", r"'f' in \"f =~ f\" \(line 1\) is its own indicator"),
        ("f =~ g\ng =~ h + x\nh =~ f", "f, g, h measure each other in a circle"),
        ("y ~ y", "stands on both sides of '~'"),
        ("y ~ x + x:y", "stands on both sides of '~'"),
        ("y ~ x + q:x", r"'q' in \"y ~ q:x\" \(line 1\) is in no other formula"),
        ("A =~ x1 + x2\ny ~ A*D", "a product of variables is written A:D"),
        (
            "y ~ a*x\nb := c + a",
            r"'c' in \"b := c \+ a\" \(line 2\) is not a label .*labels: a\. A",
        ),
        ("y ~ a*x\nc == a", "'c' in .* is not a label"),
        ("y ~ a*x\na := 2", "already the label of a parameter"),
        ("y ~ a*x\nb := a\nb := 2*a", "defined twice"),
        ("y ~ a*x\nb := c\nc := b", "go in a circle"),
        ("y ~ a*x\n1 == 1", "holds no label"),
        ("y ~ 1*x\ny ~ 2*x", r"\(line 2\) is given two different values of 'fixed': 1 and 2"),
        ("y ~ a*x + b*x", "two different values of 'label': a and b"),
        ("y ~ 1*x + NA*x", "1 and NA"),
        ("y ~ lower(2)*upper(1)*x", "lower bound 2 above its upper bound 1"),
        ("y ~ lower(2)*1*x", "outside its bounds"),
        ("f =~ prior('n(0,1)')*x1 + x2", r"fixed to 1 \(the marker .*NA\*"),
        ("y ~ prior('n(0,1)')*2*x", "fixed to 2; drop its fixed value"),
        ("y ~ prior('n(0,1)')*a*x + prior('n(0,2)')*a*z", "their prior differs"),
        ("y ~ c(1, 2)*x", r"gives 2 values for 1 group; "),
    ],
)
def test_models_that_cannot_be(text, message):
    with pytest.raises(ModelError, match=message):
        table(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": "ab"}, "a sequence of names"),
        ({"groups": ()}, "groups is empty"),
        ({"groups": ("a", "b", "a")}, "names 'a' twice"),
        ({"group_equal": "loading"}, "does not know 'loading'; it knows: loadings"),
        ({"group_partial": "y ~ w"}, "names 'y~w', which is no parameter"),
        ({"group_partial": "y ~~~ w"}, "does not understand 'y ~~~ w'"),
        ({"effect_coding": "means"}, "it knows: loadings, intercepts"),
        ({"effect_coding": True, "std_lv": True}, "use one of them"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ModelError, match=message):
        table("y ~ x", **options)


def test_the_printed_table():
    text = str(table("f =~ x1 + x2 + x3\ny ~ a*f + z\na > 0\nd := a^2"))
    lines = text.splitlines()
    assert lines[0].split() == ["lhs", "op", "rhs", "free", "value", "label", "prior", "from"]
    assert lines[1].split() == ["f", "=~", "x1", "1", "model"]
    assert lines[2].split() == ["f", "=~", "x2", "1", "model"]
    assert lines[1].index(" 1 ") != lines[2].index(" 1 ")  # a value there, a number here
    assert lines[4].split() == ["y", "~", "f", "3", "a", "in", "[0,", "inf]", "model"]
    assert any(line.split() == ["z", "~~", "z", "sample", "data"] for line in lines)
    assert any(line.split() == ["d", ":=", "a^2", "defined"] for line in lines)
    assert lines[-1].startswith("13 free parameters, 4 fixed; 5 observed")
    assert not any(line.endswith(" ") for line in lines)


def test_the_printed_table_shows_groups():
    lines = str(table("y ~ x", groups=TWO)).splitlines()
    assert lines[0].split() == ["lhs", "op", "rhs", "group", "free", "value", "from"]
    assert any(line.split()[:4] == ["y", "~", "x", "q"] for line in lines)


variables = st.sampled_from(["f", "g", "h", "x1", "x2", "y1", "y2", "z", "w"])
prefixes = st.sampled_from(["", "", "", "a*", "b*", "1*", "NA*", "start(.5)*"])
written = st.tuples(variables, st.sampled_from(["=~", "~", "~~"]), prefixes, variables)


@given(
    st.lists(written, min_size=1, max_size=9),
    st.sampled_from([("",), ("p", "q")]),
    st.booleans(),
    st.sets(st.sampled_from(GROUP_EQUAL)),
    st.booleans(),
)
def test_every_table_is_consistent(formulas, groups, std_lv, equal, fixed_x):
    text = "\n".join(f"{lhs} {op} {prefix}{rhs}" for lhs, op, prefix, rhs in formulas)
    options = {"groups": groups, "std_lv": std_lv, "group_equal": sorted(equal)}
    try:
        found = table(text, fixed_x=fixed_x, **options)
    except ModelError as refusal:
        assert str(refusal)
        return
    used = [r.free for r in found.rows if r.free >= 0]
    assert sorted(set(used)) == list(range(len(found.parameters)))
    assert list(dict.fromkeys(used)) == list(range(len(found.parameters)))
    assert len(set(found.parameters)) == len(found.parameters)
    for r in found.rows:
        assert (r.free >= 0) == (r.value is None)
        assert r.exogenous == (r.value is not None and math.isnan(r.value))
    assert len({(r.name, r.group) for r in found.rows}) == len(found.rows)
    # Each variable has one variance and one intercept in each group.
    for group in range(len(groups)):
        variances = [
            r.lhs for r in found.rows if r.op == "~~" and r.lhs == r.rhs and r.group == group
        ]
        intercepts = [r.lhs for r in found.rows if r.op == "~1" and r.group == group]
        assert sorted(variances) == sorted(intercepts) == sorted(found.observed + found.latent)
    assert set(found.exogenous) <= set(found.promoted) <= set(found.observed)
    assert str(found)


def test_definitions_come_after_what_they_refer_to_and_otherwise_as_written():
    found = table("y ~ a*x\ne := d + c\nc := b\nd := a\nb := 2*a\nf := a")
    assert [row.lhs for row in found.defined] == ["d", "b", "f", "c", "e"]


def test_a_chain_of_thousands_of_definitions_is_read_in_one_pass():
    last = 5000
    chain = "\n".join(f"d{i} := d{i - 1} + 1" for i in range(last, 0, -1))
    found = table(f"y ~ a*x + b*z\n{chain}\nd0 := 2*a\nd{last} == b")
    assert [row.lhs for row in found.defined] == [f"d{i}" for i in range(last + 1)]
    system = linear_system(found)
    at = [found.parameters.index(name) for name in ("y~x", "y~z")]
    np.testing.assert_array_equal(system.equal[0, at], [2.0, -1.0])
    assert system.right[0] == -last
    assert constrained_names(found) == {"y~x", "y~z"}


def test_a_definition_in_a_circle_is_named_with_those_that_wait_for_it():
    with pytest.raises(ModelError, match="definitions of c, d, e go in a circle"):
        table("y ~ a*x\nb := a\nc := d\nd := c\ne := d + b")
