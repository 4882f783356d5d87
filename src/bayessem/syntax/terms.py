"""The terms of a formula: names, products and intercepts, with the modifiers before them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from bayessem.errors import NotSupported
from bayessem.syntax.expression import (
    FUNCTIONS,
    constant,
    end_of,
    finite_number,
    parse_atom,
    parse_expression,
)
from bayessem.syntax.tokens import RENAMING, Token

MPLUS = {
    "BY": "f BY x1 x2 is written f =~ x1 + x2",
    "ON": "y ON x z is written y ~ x + z",
    "WITH": "x WITH z is written x ~~ z",
    "XWITH": "the product of f and g is written f:g where it predicts: y ~ f + g + f:g",
}
Value = float | str | None
_BEFORE_QUESTION_MARK = "before '?' stands a start value, a number: 0.5?x"

_NO_TIMES = {
    False: "a '*' must follow the modifier, and then a name",
    True: "a '*' must follow the quoted text, which is a label; names of columns stand without "
    f"quotes, and where they hold blanks, rename them: {RENAMING}",
}

_SIGN_BEFORE_NAME = {
    "+": "a term is missing before this '+'; terms are joined by one: x1 + x2",
    "-": "a negative coefficient is written -1*x",
}
# R's words, which would be labels that nobody means.
_NO_LABELS = {
    "Inf": "no value is infinite; fix a number, such as 10*x, or leave the path out",
    "NaN": "a free parameter is written NA*x",
    "NULL": "a free parameter is written NA*x",
    "TRUE": "1*x fixes it at 1",
    "FALSE": "0*x fixes it at 0",
}

# Modifier functions, and whether their values are texts (or numbers).
_TEXTUAL = {
    "label": True,
    "equal": True,
    "prior": True,
    "rv": True,
    "start": False,
    "lower": False,
    "upper": False,
}
_NOT_SUPPORTED = {
    "efa": "exploratory blocks (efa()*f)",
}


@dataclass(frozen=True, slots=True)
class Modifier:
    """What stands before a `*`.

    Attributes
    ----------
    kind : str
        "fixed", "label", "start", "equal", "prior", "lower", "upper" or "rv" (random slope).
    values : tuple
        One value for all groups, or one a group. None stands for NA: free for "fixed",
        no value for the others.
    """

    kind: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of a formula; an intercept has the name ""."""

    name: str
    factors: tuple[str, ...] = ()
    intercept: bool = False
    modifiers: tuple[Modifier, ...] = ()
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)


def parse_terms(tokens: Sequence[Token], at: int, *, text: str) -> tuple[Term, ...]:
    """Read terms joined by + from token `at` to the last one.

    Raises
    ------
    SyntaxProblem
        Where a term, a + or a modifier is not what it should be.
    NotSupported
        For lavaan's modifiers that bayessem does not have.
    """
    terms = []
    while True:
        term, at = _parse_term(tokens, at, text)
        terms.append(term)
        if at == len(tokens):
            return tuple(terms)
        if tokens[at].text != "+":
            raise tokens[at].problem(_after_term(tokens[at:], term), text)
        at += 1


def _after_term(rest: Sequence[Token], term: Term) -> str:
    token = rest[0]
    if token.text == "^":
        return f"a power is written as a product: {term.name}:{term.name}, or I({term.name}^2)"
    if token.text == "*":
        return (
            f"'{term.name}*' cannot stand before this; a modifier (number, label, NA, start(), "
            "...) comes first, and a product of variables is written X:Z"
        )
    if token.text == "?":
        return _BEFORE_QUESTION_MARK
    if token.text == "-":
        return "terms are joined by +; a negative coefficient is written -1*x"
    if token.text.upper() in MPLUS:
        return f"'{token.text}' is Mplus; {MPLUS[token.text.upper()]}"
    if token.kind in ("name", "number") and term.name:
        more = itertools.takewhile(lambda t: t.kind in ("name", "number"), rest)
        words = [term.name, *(t.text for t in more)]
        return (
            f"'+' must come before '{token.text}', or a line end or ';'. Names hold no blanks: for "
            f"a column '{' '.join(words)}' write {'_'.join(words)} and rename it: {RENAMING}"
        )
    return f"'+' must come before '{token.text}', or a line end or ';'"


def _parse_term(tokens: Sequence[Token], at: int, text: str) -> tuple[Term, int]:
    modifiers: tuple[Modifier, ...] = ()
    start = tokens[at] if at < len(tokens) else end_of(tokens)
    while True:
        if at < len(tokens) and tokens[at].text == "+" and _modifier_slip(tokens, at, modifiers):
            break
        found = _parse_modifier(tokens, at, text)
        if found is None:
            break
        modifier, at = found
        modifiers = (*modifiers, modifier)
    slip = _modifier_slip(tokens, at, modifiers)
    if at >= len(tokens):
        raise end_of(tokens).problem(f"a name must follow here{slip}", text)
    token = tokens[at]
    if token.kind == "number":
        return _intercept(token, modifiers, slip, text), at + 1
    if token.kind != "name":
        raise token.problem(f"a name must stand here, not '{token.text}'{slip}", text)
    if _opens(tokens, at + 1):
        factors, at = _parse_inhibited(tokens, at, text)
    else:
        factors, at = _parse_product(tokens, at, text)
    term = Term(
        name=":".join(factors),
        factors=factors if len(factors) > 1 else (),
        modifiers=modifiers,
        line=start.line,
        column=start.column,
    )
    return term, at


def _modifier_slip(tokens: Sequence[Token], at: int, modifiers: tuple[Modifier, ...]) -> str:
    """What was meant when the name stands before the '*' and not behind it, "" otherwise."""
    if not modifiers or modifiers[-1].kind != "label" or tokens[at - 2].kind != "name":
        return ""
    name = tokens[at - 2].text
    if at < len(tokens) and tokens[at].kind == "number":
        return f"; a fixed value stands first: {tokens[at].text}*{name}"
    return f"; what stands before '*' is a label, and a free parameter is written NA*{name}"


def _intercept(token: Token, modifiers: tuple[Modifier, ...], slip: str, text: str) -> Term:
    if float(token.text) not in (0.0, 1.0):
        if slip:
            raise token.problem(
                f"the number {token.text} needs a '*' and a name behind it{slip}", text
            )
        raise token.problem(
            f"the number {token.text} needs a '*' and a name behind it; an intercept is "
            f"written 1, and one fixed at {token.text} is {token.text}*1",
            text,
        )
    if float(token.text) == 0.0:  # y ~ 0 + x: no intercept
        modifiers = (*modifiers, Modifier("fixed", (0.0,)))
    return Term("", (), True, modifiers, token.line, token.column)


def _opens(tokens: Sequence[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].text == "("


def _times(tokens: Sequence[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].text == "*"


def _parse_product(tokens: Sequence[Token], at: int, text: str) -> tuple[tuple[str, ...], int]:
    factors = [tokens[at].text]
    at += 1
    while at < len(tokens) and tokens[at].text == ":":
        at += 1
        if at == len(tokens) or tokens[at].kind != "name":
            where = tokens[at] if at < len(tokens) else end_of(tokens)
            raise where.problem("a name must follow ':'", text)
        factors.append(tokens[at].text)
        at += 1
    return tuple(factors), at


def _parse_inhibited(tokens: Sequence[Token], at: int, text: str) -> tuple[tuple[str, ...], int]:
    """Read I(X^2), I(X*Z) and the like into factors."""
    if tokens[at].text != "I":
        raise _unknown_function(tokens[at], text)
    at += 2
    factors: list[str] = []
    while True:
        if at >= len(tokens) or tokens[at].kind != "name":
            where = tokens[at] if at < len(tokens) else end_of(tokens)
            raise where.problem("I() holds a power or a product of names: I(X^2), I(X*Z)", text)
        name, power = tokens[at].text, 1
        at += 1
        if at < len(tokens) and tokens[at].text == "^":
            power = _whole_power(tokens, at + 1, text)
            at += 2
        factors += [name] * power
        if at < len(tokens) and tokens[at].text in ("*", ":"):
            at += 1
            continue
        if at < len(tokens) and tokens[at].text == ")":
            return tuple(factors), at + 1
        where = tokens[at] if at < len(tokens) else end_of(tokens)
        raise where.problem("I() holds a power or a product of names: I(X^2), I(X*Z)", text)


def _whole_power(tokens: Sequence[Token], at: int, text: str) -> int:
    token = tokens[at] if at < len(tokens) else end_of(tokens)
    if token.kind != "number" or token.text not in ("2", "3", "4"):
        raise token.problem("the power in I() must be 2, 3 or 4", text)
    return int(token.text)


def _unknown_function(token: Token, text: str) -> Exception:
    known = ", ".join(f"{name}()" for name in ("c", *_TEXTUAL, "I"))
    return token.problem(f"'{token.text}()' is not known here; known: {known}", text)


def _parse_modifier(tokens: Sequence[Token], at: int, text: str) -> tuple[Modifier, int] | None:
    """Read one modifier and its `*` at `at`; None when a name or a bare number stands there."""
    if at >= len(tokens):
        return None
    token = tokens[at]
    if token.kind == "name" and _opens(tokens, at + 1):
        if token.text in _NOT_SUPPORTED:
            raise NotSupported(
                f"line {token.line}: bayessem does not have {_NOT_SUPPORTED[token.text]}; "
                "write the loadings or paths out one by one"
            )
        if token.text == "I":
            return None
        modifier, after = _parse_call(tokens, at, text)
    elif token.kind == "name":
        if not _times(tokens, at + 1):
            return None
        if token.text in _NO_LABELS:
            raise token.problem(
                f"'{token.text}' is a word of R and no label here: {_NO_LABELS[token.text]}", text
            )
        modifier = (
            Modifier("fixed", (None,)) if token.text == "NA" else Modifier("label", (token.text,))
        )
        after = at + 1
    elif token.kind == "string":
        modifier, after = Modifier("label", (token.text[1:-1],)), at + 1
    elif token.kind == "number" and not _is_arithmetic(tokens, at):
        return None
    elif token.kind == "number" or token.text in ("-", "+", "("):
        value, after = _parse_quotient(tokens, at, text)
        modifier = Modifier("fixed", (value,))
    else:
        return None
    if after < len(tokens) and tokens[after].text == "?":  # 0.5?x is start(0.5)*x
        if modifier.kind != "fixed":
            raise tokens[after].problem(_BEFORE_QUESTION_MARK, text)
        return Modifier("start", modifier.values), after + 1
    if not _times(tokens, after):
        where = tokens[after] if after < len(tokens) else end_of(tokens)
        raise where.problem(_NO_TIMES[token.kind == "string"], text)
    return modifier, after + 1


def _is_arithmetic(tokens: Sequence[Token], at: int) -> bool:
    return at + 1 < len(tokens) and tokens[at + 1].text in ("*", "/", "?")


def _parse_quotient(tokens: Sequence[Token], at: int, text: str) -> tuple[float, int]:
    """Read a fixed value: -0.5, 1/3, (2 - 1/3); the `*` behind it belongs to the term."""
    token = tokens[at]
    if token.text in ("-", "+"):
        if at + 1 >= len(tokens):
            raise end_of(tokens).problem("a number must follow the sign", text)
        if tokens[at + 1].kind == "name":
            raise token.problem(_SIGN_BEFORE_NAME[token.text], text)
        value, after = _parse_quotient(tokens, at + 1, text)
        return (-value if token.text == "-" else value), after
    value, at = _constant_atom(tokens, at, text)
    while at + 1 < len(tokens) and tokens[at].text == "/":
        slash = tokens[at]
        divisor, at = _constant_atom(tokens, at + 1, text)
        if divisor == 0.0:
            raise slash.problem("division by zero", text)
        value /= divisor
    return value, at


def _constant_atom(tokens: Sequence[Token], at: int, text: str) -> tuple[float, int]:
    token = tokens[at]
    if token.kind == "number":
        return finite_number(token, text), at + 1
    if token.text == "(":
        inner, after = parse_expression(tokens, at + 1, text=text)
        value = constant(inner)
        if value is None or after >= len(tokens) or tokens[after].text != ")":
            raise token.problem("the parentheses of a modifier hold numbers only", text)
        return _finite(value, token, text), after + 1
    raise token.problem(f"a number must stand here, not '{token.text}'", text)


def _finite(value: float, token: Token, text: str) -> float:
    if not abs(value) < float("inf"):
        raise token.problem(f"this comes out as {value}, which is no number", text)
    return value


def _parse_call(tokens: Sequence[Token], at: int, text: str) -> tuple[Modifier, int]:
    """Read c(...), start(...), label(...) and the like."""
    token = tokens[at]
    if token.text == "c":
        values, after = _parse_values(tokens, at, text, textual=None)
        kind = "label" if any(isinstance(v, str) for v in values) else "fixed"
        return Modifier(kind, values), after
    if token.text in FUNCTIONS:  # sqrt(2)*x
        inner, after = parse_atom(tokens, at, text=text)
        value = constant(inner)
        if value is None:
            raise token.problem("a modifier is a number: no names in it", text)
        return Modifier("fixed", (_finite(value, token, text),)), after
    if token.text not in _TEXTUAL:
        raise _unknown_function(token, text)
    textual = _TEXTUAL[token.text]
    inner_at = at + 2
    if inner_at + 1 < len(tokens) and tokens[inner_at].text == "c" and _opens(tokens, inner_at + 1):
        values, after = _parse_values(tokens, inner_at, text, textual=textual)
        if after >= len(tokens) or tokens[after].text != ")":
            where = tokens[after] if after < len(tokens) else end_of(tokens)
            raise where.problem(f"')' must close {token.text}( here", text)
        return Modifier(token.text, values), after + 1
    values, after = _parse_values(tokens, at, text, textual=textual)
    return Modifier(token.text, values), after


def _parse_values(
    tokens: Sequence[Token], at: int, text: str, *, textual: bool | None
) -> tuple[tuple[Value, ...], int]:
    """Read the comma-separated values of the call whose name is at `at`."""
    call = tokens[at]
    values: list[Value] = []
    at += 2
    while True:
        if at >= len(tokens) or tokens[at].text == ")":
            raise call.problem(f"{call.text}() needs a value", text)
        value, at = _parse_value(tokens, at, text)
        values.append(value)
        if at < len(tokens) and tokens[at].text == ",":
            at += 1
            continue
        if at < len(tokens) and tokens[at].text == ")":
            break
        where = tokens[at] if at < len(tokens) else end_of(tokens)
        quoted = f'; text is quoted, as in {call.text}("normal(0,1)")' if textual else ""
        raise where.problem(f"',' or ')' must come here, in {call.text}(...){quoted}", text)
    has_text = any(isinstance(value, str) for value in values)
    has_number = any(isinstance(value, float) for value in values)
    if has_text and has_number:
        raise call.problem(
            "labels and numbers are mixed; write the labels and the fixed values apart: "
            "c(a, NA)*x + c(NA, 1)*x",
            text,
        )
    if textual is not None and (has_number if textual else has_text):
        wanted = 'a quoted text: prior("normal(0,1)")' if textual else "a number: start(0.5)"
        raise call.problem(f"{call.text}() takes {wanted}", text)
    return tuple(values), at + 1


def _parse_value(tokens: Sequence[Token], at: int, text: str) -> tuple[Value, int]:
    token = tokens[at]
    if token.kind == "string":
        return token.text[1:-1], at + 1
    if token.text == "NA":
        return None, at + 1
    if token.kind == "name" and token.text not in FUNCTIONS:
        return token.text, at + 1
    expression, after = parse_expression(tokens, at, text=text)
    value = constant(expression)
    if value is None:
        raise token.problem("a value is a number, a label or a quoted text", text)
    return _finite(value, token, text), after
