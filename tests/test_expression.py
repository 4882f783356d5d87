"""Arithmetic of labels: parsing, printing, evaluation, linear forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayessem.errors import ModelError, SyntaxProblem
from bayessem.syntax.expression import (
    Call,
    Name,
    Negative,
    Number,
    Operation,
    evaluate,
    linear,
    names,
    parse_expression,
)
from bayessem.syntax.tokens import split_statements


def expression(text):
    (tokens,) = split_statements(text)
    tree, after = parse_expression(tokens, text=text)
    assert after == len(tokens)
    return tree


VALUES = {"a": 2.0, "b": 3.0, "c": -0.5}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b*c", 0.5),
        ("(a + b)*c", -2.5),
        ("a - b - c", -0.5),
        ("a - (b - c)", -1.5),
        ("a/b/a", 1 / 3),
        ("a^b^a", 2.0**9),
        ("-a^2", -4.0),
        ("(-a)^2", 4.0),
        ("a^-1", 0.5),
        ("2*-c", 1.0),
        ("--a", 2.0),
        ("1e-3 + .5", 0.501),
        ("sqrt(a*8) + exp(0) + log(exp(b)) + abs(c)", 8.5),
    ],
)
def test_evaluates_with_the_precedence_of_r(text, value):
    assert evaluate(expression(text), VALUES) == pytest.approx(value)


def test_evaluates_draws_element_by_element():
    draws = {"a": np.arange(6.0).reshape(2, 3), "b": 2.0}
    result = evaluate(expression("a*b + 1"), draws)
    assert np.array_equal(result, np.arange(6.0).reshape(2, 3) * 2 + 1)


def test_undefined_arithmetic_is_nan_or_inf_without_a_warning():
    assert math.isnan(evaluate(expression("log(c)"), VALUES))
    assert math.isinf(evaluate(expression("1/(a - 2)"), VALUES))


def test_names_are_unique_and_in_order():
    assert names(expression("b*a + log(c)^b - a")) == ("b", "a", "c")
    assert names(expression("1 + 2")) == ()


def test_a_name_without_value_is_an_error_with_the_known_names():
    with pytest.raises(ModelError, match=r"'d' .* known names: a, b, c"):
        evaluate(expression("a + d"), VALUES)


@pytest.mark.parametrize(
    ("text", "coefficients", "constant"),
    [
        ("a", {"a": 1.0}, 0.0),
        ("2*a - b/4 + 3", {"a": 2.0, "b": -0.25}, 3.0),
        ("-(a - 2*(b + 1))", {"a": -1.0, "b": 2.0}, 2.0),
        ("a + b - a", {"b": 1.0}, 0.0),
        ("sqrt(4)*a^1", {"a": 2.0}, 0.0),
        ("7", {}, 7.0),
        ("a*0", {}, 0.0),
    ],
)
def test_linear_forms(text, coefficients, constant):
    assert linear(expression(text)) == (coefficients, constant)


@pytest.mark.parametrize("text", ["a*b", "a^2", "1/a", "exp(a)", "a*a", "abs(a) + b", "a/0"])
def test_what_is_not_linear(text):
    assert linear(expression(text)) is None


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("a + ", "the expression ends here", 4),
        ("a*/b", "'/' cannot stand here", 3),
        ("foo(a)", "'foo' is not a function here; functions: sqrt, exp, log, abs", 1),
        ("(a b)", "an operator .* or '\\)' must come here", 4),
        ("1e999", "too large", 1),
    ],
)
def test_errors_point_at_the_place(text, message, column):
    (tokens,) = split_statements(text)
    with pytest.raises(SyntaxProblem, match=message) as caught:
        parse_expression(tokens, text=text)
    assert (caught.value.line, caught.value.column) == (1, column)


trees = st.recursive(
    st.one_of(
        st.floats(min_value=0, max_value=1e12, allow_nan=False).map(Number),
        st.sampled_from(["a", "b", "x.1"]).map(Name),
    ),
    lambda inner: st.one_of(
        inner.map(Negative),
        st.builds(Operation, st.sampled_from("+-*/^"), inner, inner),
        st.builds(Call, st.sampled_from(["sqrt", "exp", "log", "abs"]), inner),
    ),
    max_leaves=12,
)


@given(trees)
def test_printed_and_read_again_it_is_the_same_tree(tree):
    assert expression(str(tree)) == tree


@given(trees)
def test_the_linear_form_agrees_with_evaluation(tree):
    form = linear(tree)
    if form is None:
        return
    values = {"a": 0.7, "b": -1.3, "x.1": 2.1}
    coefficients, constant = form
    direct = float(evaluate(tree, values))
    if math.isfinite(direct):
        total = constant + sum(k * values[name] for name, k in coefficients.items())
        size = abs(constant) + sum(abs(k) for k in coefficients.values()) + 1.0
        assert total == pytest.approx(direct, abs=1e-9 * size, rel=1e-9)
