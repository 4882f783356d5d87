"""Arithmetic of parameter labels: the right sides of `:=`, `==`, `<` and `>`.

Text becomes a small tree of frozen nodes; nothing is ever handed to Python's own `eval`.
Precedence as in R: `^` binds tighter than a sign (-2^2 is -4) and groups to the right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bayessem.errors import ModelError
from bayessem.syntax.tokens import Token

FUNCTIONS = {"sqrt": np.sqrt, "exp": np.exp, "log": np.log, "abs": np.abs}
_OPERATIONS = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4}
_SIGN = 3  # between * and ^


@dataclass(frozen=True, slots=True)
class Number:
    """A number written in the model."""

    value: float

    def __str__(self) -> str:
        return number_text(self.value)


@dataclass(frozen=True, slots=True)
class Name:
    """A label, a `:=` name, or the name of a parameter such as `f=~x1`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Negative:
    """Minus something."""

    operand: Expression

    def __str__(self) -> str:
        return f"-{_wrapped(self.operand, _SIGN)}"


@dataclass(frozen=True, slots=True)
class Operation:
    """Two operands joined by one of + - * / ^."""

    operator: str
    left: Expression
    right: Expression

    def __str__(self) -> str:
        level = _PRECEDENCE[self.operator]
        # ^ groups to the right, the others to the left: the other side needs parentheses.
        left = _wrapped(self.left, level + (self.operator == "^"))
        right = _wrapped(self.right, level + (self.operator != "^"))
        gap = " " if level == 1 else ""
        return f"{left}{gap}{self.operator}{gap}{right}"


@dataclass(frozen=True, slots=True)
class Call:
    """sqrt, exp, log or abs of something."""

    function: str
    argument: Expression

    def __str__(self) -> str:
        return f"{self.function}({self.argument})"


Expression = Number | Name | Negative | Operation | Call


def number_text(value: float) -> str:
    """Return the shortest text that reads back as the same number; whole numbers without `.0`."""
    return repr(float(value)).removesuffix(".0")


def _level(expression: Expression) -> int:
    if isinstance(expression, Operation):
        return _PRECEDENCE[expression.operator]
    return _SIGN if isinstance(expression, Negative) else 5


def _wrapped(expression: Expression, at_least: int) -> str:
    return str(expression) if _level(expression) >= at_least else f"({expression})"


def parse_expression(tokens: Sequence[Token], at: int = 0, *, text: str) -> tuple[Expression, int]:
    """Read the arithmetic that starts at token `at`.

    Parameters
    ----------
    tokens : sequence of Token
        The tokens of one statement.
    at : int
        Where the expression starts.
    text : str
        The model text, for messages.

    Returns
    -------
    expression : Expression
        The tree.
    after : int
        Position of the first token that does not belong to it.

    Raises
    ------
    SyntaxProblem
        Where a number, a label or an opening parenthesis is missing.
    """
    left, at = _term(tokens, at, text)
    while at < len(tokens) and tokens[at].text in ("+", "-"):
        operator = tokens[at].text
        right, at = _term(tokens, at + 1, text)
        left = Operation(operator, left, right)
    return left, at


def _term(tokens: Sequence[Token], at: int, text: str) -> tuple[Expression, int]:
    left, at = _signed(tokens, at, text)
    while at < len(tokens) and tokens[at].text in ("*", "/"):
        operator = tokens[at].text
        right, at = _signed(tokens, at + 1, text)
        left = Operation(operator, left, right)
    return left, at


def _signed(tokens: Sequence[Token], at: int, text: str) -> tuple[Expression, int]:
    if at < len(tokens) and tokens[at].text in ("+", "-"):
        operand, after = _signed(tokens, at + 1, text)
        return (Negative(operand) if tokens[at].text == "-" else operand), after
    return _power(tokens, at, text)


def _power(tokens: Sequence[Token], at: int, text: str) -> tuple[Expression, int]:
    base, at = parse_atom(tokens, at, text=text)
    if at < len(tokens) and tokens[at].text == "^":
        exponent, at = _signed(tokens, at + 1, text)
        return Operation("^", base, exponent), at
    return base, at


def parse_atom(tokens: Sequence[Token], at: int, *, text: str) -> tuple[Expression, int]:
    """Read one number, name, function call or parenthesis; see `parse_expression`."""
    if at >= len(tokens):
        raise end_of(tokens).problem(
            "the expression ends here; a label, a number or '(' must follow", text
        )
    token = tokens[at]
    if token.kind == "number":
        return Number(finite_number(token, text)), at + 1
    if token.kind == "name":
        if at + 1 < len(tokens) and tokens[at + 1].text == "(":
            if token.text not in FUNCTIONS:
                raise token.problem(
                    f"'{token.text}' is not a function here; functions: {', '.join(FUNCTIONS)}",
                    text,
                )
            argument, after = _in_parentheses(tokens, at + 1, text)
            return Call(token.text, argument), after
        return Name(token.text), at + 1
    if token.text == "(":
        return _in_parentheses(tokens, at, text)
    raise token.problem(
        f"'{token.text}' cannot stand here; a label, a number or '(' must come first", text
    )


def _in_parentheses(tokens: Sequence[Token], at: int, text: str) -> tuple[Expression, int]:
    inner, after = parse_expression(tokens, at + 1, text=text)
    if after >= len(tokens) or tokens[after].text != ")":
        where = tokens[after] if after < len(tokens) else end_of(tokens)
        raise where.problem("an operator (+ - * / ^) or ')' must come here", text)
    return inner, after + 1


def end_of(tokens: Sequence[Token]) -> Token:
    """Return a token that stands just behind the last one, for messages."""
    last = tokens[-1]
    return Token("end", "", last.line, last.column + len(last.text))


def finite_number(token: Token, text: str) -> float:
    """Return the value of a number token; one too large for a double is an error."""
    value = float(token.text)
    if not math.isfinite(value):
        short = token.text if len(token.text) <= 20 else f"{token.text[:20]}..."
        raise token.problem(f"{short} is too large for a number", text)
    return value


def names(expression: Expression) -> tuple[str, ...]:
    """Return the names in an expression, each once, in the order of their first appearance."""
    match expression:
        case Name(name):
            return (name,)
        case Negative(inner) | Call(_, inner):
            return names(inner)
        case Operation(_, left, right):
            return tuple(dict.fromkeys(names(left) + names(right)))
    return ()


def evaluate(expression: Expression, values: Mapping[str, ArrayLike]) -> np.ndarray:
    """Compute an expression, element by element.

    Parameters
    ----------
    expression : Expression
        What to compute.
    values : mapping
        Value of each name: a number, or an array such as (chain, draw); shapes broadcast.

    Returns
    -------
    numpy.ndarray
        Of the broadcast shape. Where arithmetic is not defined (log of a negative number,
        division by 0) it holds nan or inf, without a warning.

    Raises
    ------
    ModelError
        When a name has no value.
    """
    match expression:
        case Number(value):
            return np.asarray(value, dtype=float)
        case Name(name):
            if name not in values:
                known = ", ".join(values) or "none"
                raise ModelError(f"'{name}' in an expression has no value; known names: {known}")
            return np.asarray(values[name], dtype=float)
        case Negative(inner):
            return np.asarray(np.negative(evaluate(inner, values)))
        case Call(function, argument):
            with np.errstate(all="ignore"):
                return np.asarray(FUNCTIONS[function](evaluate(argument, values)))
        case Operation(operator, left, right):
            with np.errstate(all="ignore"):
                operation = _OPERATIONS[operator]
                return np.asarray(operation(evaluate(left, values), evaluate(right, values)))
    raise TypeError(f"not an expression: {expression!r}")


def constant(expression: Expression) -> float | None:
    """Return the value of an expression without names, None of one that has names."""
    return None if names(expression) else float(evaluate(expression, {}))


def undefined(expression: Expression) -> Expression | None:
    """Return the first part that is no finite number whatever its names are: log(-1), a/0."""
    match expression:
        case Negative(inner) | Call(_, inner):
            parts: tuple[Expression, ...] = (inner,)
        case Operation(_, left, right):
            parts = (left, right)
        case _:
            return None
    for part in parts:
        found = undefined(part)
        if found is not None:
            return found
    value = constant(expression)
    by_zero = (
        isinstance(expression, Operation)
        and expression.operator == "/"
        and constant(expression.right) == 0.0
    )
    return expression if by_zero or (value is not None and not math.isfinite(value)) else None


def linear(expression: Expression) -> tuple[dict[str, float], float] | None:
    """Return the coefficients and the constant of a linear expression.

    Returns
    -------
    (coefficients, constant) or None
        `coefficients` maps each name to its coefficient; names that cancel are left out.
        None when the expression is not linear in its names.
    """
    fixed = constant(expression)
    if fixed is not None:
        return {}, fixed
    match expression:
        case Name(name):
            return {name: 1.0}, 0.0
        case Negative(inner):
            return _scaled(linear(inner), -1.0)
        case Operation("+", left, right):
            return _sum(linear(left), linear(right))
        case Operation("-", left, right):
            return _sum(linear(left), _scaled(linear(right), -1.0))
        case Operation("*", left, right):
            for factor, rest in ((left, right), (right, left)):
                scale = constant(factor)
                if scale is not None:
                    return _scaled(linear(rest), scale)
        case Operation("/", left, right):
            divisor = constant(right)
            if divisor:
                return _scaled(linear(left), 1.0 / divisor)
        case Operation("^", left, right) if constant(right) == 1.0:
            return linear(left)
    return None


_Linear = tuple[dict[str, float], float] | None


def _scaled(form: _Linear, scale: float) -> _Linear:
    if form is None:
        return None
    coefficients, fixed = form
    scaled = {name: scale * value for name, value in coefficients.items()}
    return {name: value for name, value in scaled.items() if value != 0.0}, scale * fixed


def _sum(left: _Linear, right: _Linear) -> _Linear:
    if left is None or right is None:
        return None
    keys = dict.fromkeys([*left[0], *right[0]])
    total = {name: left[0].get(name, 0.0) + right[0].get(name, 0.0) for name in keys}
    return {name: value for name, value in total.items() if value != 0.0}, left[1] + right[1]
