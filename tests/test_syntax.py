"""lavaan's syntax: what is read, what is refused, and the way back to text."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayessem.errors import BayessemError, NotSupported, SyntaxProblem
from bayessem.syntax.expression import Name, Operation
from bayessem.syntax.statements import Statement, group_count, model_text, parse
from bayessem.syntax.terms import Modifier


def triples(text):
    return [(s.lhs, s.op, s.rhs) for s in parse(text)]


def modifiers(text):
    (statement,) = parse(text)
    return [(m.kind, m.values) for m in statement.modifiers]


def test_lists_on_both_sides_become_pairs():
    assert triples("f + g =~ x1 + x2") == [
        ("f", "=~", "x1"),
        ("f", "=~", "x2"),
        ("g", "=~", "x1"),
        ("g", "=~", "x2"),
    ]
    assert triples("a ~~ b + c") == [("a", "~~", "b"), ("a", "~~", "c")]


def test_intercepts_beside_predictors():
    assert triples("y + z ~ 1 + x") == [
        ("y", "~1", ""),
        ("y", "~", "x"),
        ("z", "~1", ""),
        ("z", "~", "x"),
    ]
    assert modifiers("y ~ 0") == [("fixed", (0.0,))]
    assert modifiers("y ~ 0.5*1") == [("fixed", (0.5,))]
    assert modifiers("y ~ NA*1") == [("fixed", (None,))]


@pytest.mark.parametrize(
    "text",
    [
        "f =~ x1 + x2; y ~ f",
        "f =~ x1 + # first\n   x2 ! second\n\n y ~ f # and done",
        "f =~ x1\n  + x2\ny ~ f",
        "f\n=~\nx1 + x2\n;;\ny\n~ f",
        "f =~ x1 +\n\n  # a comment between\n  x2\r\ny ~ f\r\n",
        "\tf =~ x1 + x2;\n\n;y ~ f;",
    ],
)
def test_line_ends_semicolons_and_comments(text):
    assert triples(text) == [("f", "=~", "x1"), ("f", "=~", "x2"), ("y", "~", "f")]


def test_open_parentheses_continue_a_line():
    (statement,) = parse("y ~ c(a,\n  b)*x")
    assert statement.modifiers == (Modifier("label", ("a", "b")),)
    (defined,) = parse("d := (a\n + b)")
    assert defined.expression == Operation("+", Name("a"), Name("b"))


def test_a_minus_at_the_start_of_a_line_goes_on_unless_the_line_is_a_statement():
    (defined,) = parse("d := a\n - b")
    assert defined.expression == Operation("-", Name("a"), Name("b"))
    assert triples("a > 0\n-b < 1; -c < 2") == [("a", ">", "0"), ("-b", "<", "1"), ("-c", "<", "2")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y ~ 1*x", [("fixed", (1.0,))]),
        ("y ~ -0.5*x", [("fixed", (-0.5,))]),
        ("y ~ 1e-3*x", [("fixed", (0.001,))]),
        ("y ~ 1/4*x", [("fixed", (0.25,))]),
        ("y ~ (1 - 1/4)*x", [("fixed", (0.75,))]),
        ("y ~ sqrt(4)*x", [("fixed", (2.0,))]),
        ("y ~ NA*x", [("fixed", (None,))]),
        ("y ~ a*x", [("label", ("a",))]),
        ("y ~ c*x", [("label", ("c",))]),
        ('y ~ "a b"*x', [("label", ("a b",))]),
        ("y ~ label('a')*x", [("label", ("a",))]),
        ("y ~ start(0.5)*x", [("start", (0.5,))]),
        ("y ~ start(-1/2)*x", [("start", (-0.5,))]),
        ("y ~ start(c(1, -.5))*x", [("start", (1.0, -0.5))]),
        ('y ~ equal("f=~x2")*x', [("equal", ("f=~x2",))]),
        ('y ~ prior("normal(0, 1)")*x', [("prior", ("normal(0, 1)",))]),
        ("y ~ 0.5?x", [("start", (0.5,))]),
        ("y ~ -1/2 ? a*x", [("start", (-0.5,)), ("label", ("a",))]),
        ("y ~ c(0.2, 0.4)?x", [("start", (0.2, 0.4))]),
        ("y ~ lower(0)*upper(1)*x", [("lower", (0.0,)), ("upper", (1.0,))]),
        ("y ~ c(a, b)*x", [("label", ("a", "b"))]),
        ('y ~ c("a", "b")*x', [("label", ("a", "b"))]),
        ("y ~ c(1, NA)*x", [("fixed", (1.0, None))]),
        ("y ~ c(a, NA)*x", [("label", ("a", None))]),
        ("y ~ c(NA, NA)*x", [("fixed", (None, None))]),
        ("y ~ a*start(.5)*x", [("label", ("a",)), ("start", (0.5,))]),
        ("y ~ 2*a*x", [("fixed", (2.0,)), ("label", ("a",))]),
    ],
)
def test_modifiers(text, expected):
    assert modifiers(text) == expected


def test_comment_signs_inside_quotes_are_text():
    assert modifiers('y ~ prior("a # b ! c")*x') == [("prior", ("a # b ! c",))]


@pytest.mark.parametrize(
    ("text", "name", "factors"),
    [
        ("Y ~ X:Z", "X:Z", ("X", "Z")),
        ("Y ~ X:X", "X:X", ("X", "X")),
        ("Y ~ I(X^2)", "X:X", ("X", "X")),
        ("Y ~ I(X*Z)", "X:Z", ("X", "Z")),
        ("Y ~ I(X^2*Z)", "X:X:Z", ("X", "X", "Z")),
        ("Y ~ X:Z:W", "X:Z:W", ("X", "Z", "W")),
        ("Y ~ a*X:Z", "X:Z", ("X", "Z")),
    ],
)
def test_products(text, name, factors):
    (statement,) = parse(text)
    assert (statement.rhs, statement.factors) == (name, factors)


def test_a_product_keeps_the_name_under_which_it_is_first_written():
    statements = parse("Z =~ z1\nX =~ x1\nY ~ X:Z\nW ~ Z:X + X:Z:X + Z:X:X")
    assert [s.rhs for s in statements[2:]] == ["X:Z", "X:Z", "X:Z:X", "X:Z:X"]
    assert statements[3].factors == ("X", "Z")


def test_definitions_and_constraints():
    defined, equal, above = parse("ind := a*b\na + b == 2*c\na > 0")
    assert (defined.lhs, defined.op, defined.rhs) == ("ind", ":=", "a*b")
    assert str(equal.expression) == "a + b - 2*c"
    assert (above.lhs, above.op, above.rhs) == ("a", ">", "0")


def test_every_statement_knows_its_place():
    first, second, third = parse("f =~ x1 +\n   a*x2\n\ny ~ f")
    assert [(s.line, s.column) for s in (first, second, third)] == [(1, 6), (2, 4), (4, 5)]
    assert second.where == '"f =~ x2" (line 2)'


def test_names_may_hold_dots_underscores_and_letters_of_any_script():
    assert triples("f.1 =~ x_1 + .hidden + größe") == [
        ("f.1", "=~", "x_1"),
        ("f.1", "=~", ".hidden"),
        ("f.1", "=~", "größe"),
    ]


def test_group_count_is_the_longest_vector():
    assert group_count(parse("y ~ x")) == 1
    assert group_count(parse("y ~ c(a,b,d)*x + start(1)*z")) == 3


def test_an_empty_text_has_no_statements():
    assert parse("") == parse(" \n# nothing\n;") == ()


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("f =~ x1 + ", "a name must follow", 1, 10),
        ("f =~ x1 x2", r"'\+' must come before 'x2'", 1, 9),
        ("f =~ x1 +\ng =~ x2", r"does the '\+' at the end of line 1 belong", 2, 3),
        ("y ~ x z ~ w", "start a new line, or put ';'", 1, 9),
        ("y ~ x^2", r"x:x, or I\(x\^2\)", 1, 6),
        ("y ~ (a)*x", "numbers only", 1, 5),
        ("y = x", "use =~ .* == .* or :=", 1, 3),
        ("x -> y", "write the outcome first", 1, 3),
        ("a <= 1", "write <", 1, 3),
        ("a := b**2", r"a power is written \^", 1, 7),
        ("f =~ a?x1", r"a number: 0.5\?x", 1, 7),
        ('f =~ "a"?x1', r"a number: 0.5\?x", 1, 9),
        ("y ~ (1 + x", "never closed", 1, 5),
        ("y ~ x)", "never opened", 1, 6),
        ("f =~ x:z", "predictor only", 1, 6),
        ("x:z ~ y", "predictor only", 1, 1),
        ("x:z ~~ y", "predictor only", 1, 1),
        ("y ~~ x:z", "predictor only", 1, 6),
        ("x:z ~ 1", "predictor only", 1, 1),
        ("y ~ 2 + x", r"2\*1", 1, 5),
        ("f =~ 1", "an intercept is written y ~ 1", 1, 6),
        ("1 ~ x", "a name must stand before '~'", 1, 1),
        ("a*y ~ x", "modifiers belong on the right", 1, 1),
        ("~ x", "a name must stand before '~'", 1, 1),
        ("f =~", "write for example 'f =~ x1 . x2 . x3'", 1, 3),
        ("x1 + x2", "no operator in this statement", 1, 1),
        ("y ~ x - z", r"joined by \+", 1, 7),
        ("y ~ x*z*", "a name must follow", 1, 9),
        ("y ~ x:", "a name must follow ':'", 1, 7),
        ("y ~ x*2", "needs a '\\*'", 1, 7),
        ("2x ~ y", "cannot start with a digit", 1, 1),
        ("`a b` ~ y", "backticks", 1, 1),
        ("y ~ $x", r"cannot read '\$'", 1, 5),
        ('y ~ prior("a*x', "no closing quote", 1, 11),
        ("y ~ prior(normal(0,1))*x", r'prior\("normal\(0,1\)"\)', 1, 17),
        ("y ~ prior(1)*x", "takes a quoted text", 1, 5),
        ("y ~ start('a')*x", "takes a number", 1, 5),
        ("y ~ c(a, 1)*x", "labels and numbers are mixed", 1, 5),
        ("y ~ c()*x", "needs a value", 1, 5),
        ("y ~ c(a, b)x", "must follow the modifier", 1, 12),
        ("y ~ foo(1)*x", r"'foo\(\)' is not known here; known: c\(\), label", 1, 5),
        ("y ~ 1/0*x", "division by zero", 1, 6),
        ("y ~ I(x^5)", "2, 3 or 4", 1, 9),
        ("y ~ I(x + z)", r"I\(X\^2\), I\(X\*Z\)", 1, 9),
        ("a := b c", "an operator", 1, 8),
        ("a + b := c", "one name must stand before ':='", 1, 1),
        ("a := foo(b)", "not a function", 1, 6),
    ],
)
def test_syntax_errors_say_what_and_where(text, message, line, column):
    with pytest.raises(SyntaxProblem, match=message) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_the_caret_stands_under_the_place():
    with pytest.raises(SyntaxProblem) as caught:
        parse("f =~ x1\n\ty ~ f $ x")
    *_, source, caret = str(caught.value).split("\n")
    assert source == "    \ty ~ f $ x"
    assert source[caret.index("^")] == "$"
    assert caret[:5] == "    \t"


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("y ~*~ y", "scales of latent responses"),
        ("y %in% x", "percent"),
        ("level: 3\nf =~ x1", "two levels"),
        ("group: a\nf =~ x1", "group blocks"),
        ('efa("b")*f1 =~ x1', "exploratory"),
        ('y ~ rv("s")*x', "random slopes"),
    ],
)
def test_features_of_lavaan_that_are_not_here_are_named(text, feature):
    with pytest.raises(NotSupported, match=rf"line 1: .*{feature}"):
        parse(text)


def test_anything_but_text_is_refused():
    with pytest.raises(SyntaxProblem, match="not list"):
        parse(["y ~ x"])


def test_syntax_errors_survive_pickling():
    problem = SyntaxProblem("wrong", "y ~ ~ x", 1, 5)
    assert isinstance(problem, BayessemError)
    for copied in (pickle.loads(pickle.dumps(problem)), copy.copy(problem)):
        assert str(copied) == str(problem)
        assert (copied.line, copied.column) == (1, 5)


names = st.sampled_from(["x1", "x2", "X", "Z", "f", "c", "y.1", "größe", "I"])
labels = st.sampled_from(["a", "b1", ".p", "c", "two words", "NA", "start"])
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
texts = st.sampled_from(["normal(0, 1)", "gamma(1, .5) # not a comment", "it's"])


def vectors(values):
    return st.lists(st.one_of(st.none(), values), min_size=1, max_size=3).map(tuple)


any_modifier = st.one_of(
    vectors(numbers).map(lambda v: Modifier("fixed", v)),
    vectors(labels).map(lambda v: Modifier("label", v)),
    vectors(texts).map(lambda v: Modifier("prior", v)),
    vectors(numbers).map(lambda v: Modifier("start", v)),
    vectors(numbers).map(lambda v: Modifier("lower", v)),
)
some_modifiers = st.lists(any_modifier, max_size=3).map(tuple)
formulas = st.one_of(
    st.builds(
        Statement, names, st.sampled_from(["=~", "~", "~~"]), names, modifiers=some_modifiers
    ),
    st.builds(Statement, names, st.just("~1"), st.just(""), modifiers=some_modifiers),
    st.tuples(names, st.lists(names, min_size=2, max_size=3), some_modifiers).map(
        lambda t: Statement(t[0], "~", ":".join(t[1]), tuple(t[1]), t[2])
    ),
)


@given(st.lists(formulas, max_size=8))
def test_printed_and_read_again_they_are_the_same_statements(statements):
    # The first reading names the products, so it is the second that counts.
    once = parse(model_text(statements))
    assert len(once) == len(statements)
    assert parse(model_text(once)) == once
    for before, after in zip(statements, once, strict=True):
        assert (after.lhs, after.op, after.modifiers) == (before.lhs, before.op, before.modifiers)
        assert sorted(after.factors or (after.rhs,)) == sorted(before.factors or (before.rhs,))


@given(st.text(alphabet="fxya1.0 =~+*:;()c,<>\"'#!\n^-/NA", max_size=40))
def test_any_text_is_read_or_refused_with_a_place(text):
    try:
        parse(text)
    except SyntaxProblem as problem:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.column >= 1
    except NotSupported as refusal:
        assert "line" in str(refusal)
