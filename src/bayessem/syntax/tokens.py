"""Model text to tokens, and tokens to the pieces between line ends and semicolons.

A statement may run over several lines: inside parentheses, after an operator at the end of a
line, or before an operator at the start of the next one. Comments start with `#` or `!`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bayessem.errors import SyntaxProblem

FORMULA_OPERATORS = frozenset({"=~", "~", "~~", "~*~", "<~", "|"})
EXPRESSION_OPERATORS = frozenset({":=", "==", "<", ">"})
STATEMENT_OPERATORS = FORMULA_OPERATORS | EXPRESSION_OPERATORS

_CONTINUING = STATEMENT_OPERATORS | {"+", "-", "*", "/", "^", ":", ","}
_WRONG_OPERATORS = {
    "->": "'->' is no operator here; write the outcome first: y ~ x",
    "~=": "'~=' is no operator; a construct is measured with =~",
    "<=": "'<=' is no operator here; write < (a bound includes its end)",
    ">=": "'>=' is no operator here; write > (a bound includes its end)",
    "**": "'**' is no operator here; a power is written ^",
    "=": "'=' is no operator; use =~ (is measured by), == (is equal to) or := (is defined as)",
}
_PATTERN = re.compile(
    r"""
    (?P<space>[ \t\r\f\v\u00a0\ufeff]+)
  | (?P<comment>[#!][^\n]*)
  | (?P<newline>\n)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>(?:[^\W\d]|\.)[\w.]*)
  | (?P<string>"[^"\n]*"|'[^'\n]*')
  | (?P<wrong>->|~=|<=|>=|\*\*|(?<![=:~])=(?![=~]))
  | (?P<operator>=~|~\*~|~~|<~|:=|==|[~|<>+\-*/^:,()%?])
  | (?P<end>;)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word of the model text; `line` and `column` count from 1."""

    kind: str  # "name", "number", "string", "operator", "newline", "end"
    text: str
    line: int
    column: int

    def problem(self, message: str, source: str) -> SyntaxProblem:
        """Return the error that points at this token."""
        return SyntaxProblem(message, source, self.line, self.column)


def tokenize(text: str) -> tuple[Token, ...]:
    """Split model text into tokens, without spaces and comments, with line ends.

    Raises
    ------
    SyntaxProblem
        At a character or an operator that lavaan's syntax does not have.
    """
    tokens = []
    line, line_start, at = 1, 0, 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        column = at - line_start + 1
        if match is None:
            raise SyntaxProblem(_unreadable(text, at), text, line, column)
        kind, word = str(match.lastgroup), match.group()
        if kind == "wrong":
            raise SyntaxProblem(_WRONG_OPERATORS[word], text, line, column)
        if kind == "number" and re.match(r"[\w.]", text[match.end() : match.end() + 1]):
            raise SyntaxProblem("a name cannot start with a digit", text, line, column)
        if kind not in ("space", "comment"):
            tokens.append(Token(kind, word, line, column))
        at = match.end()
        if kind == "newline":
            line, line_start = line + 1, at
    return tuple(tokens)


def _unreadable(text: str, at: int) -> str:
    if text[at] in "\"'":
        return "the quoted text has no closing quote on this line"
    if text[at] == "`":
        return "names in backticks are not supported; rename the column"
    return f"cannot read {text[at]!r}; names are made of letters, digits, '_' and '.'"


def split_statements(text: str) -> tuple[tuple[Token, ...], ...]:
    """Return the tokens of each statement; line ends inside a statement are gone.

    Raises
    ------
    SyntaxProblem
        Where a parenthesis is never closed or never opened, and from `tokenize`.
    """
    tokens = tokenize(text)
    statements: list[tuple[Token, ...]] = []
    current: list[Token] = []
    open_at: list[Token] = []
    for position, token in enumerate(tokens):
        if token.kind == "newline":
            if open_at or _continues(current, tokens, position):
                continue
        elif token.kind != "end":
            open_at = _parentheses(open_at, token, text)
            current.append(token)
            continue
        elif open_at:
            raise open_at[-1].problem("this '(' is never closed", text)
        if current:
            statements.append(tuple(current))
        current = []
    if open_at:
        raise open_at[-1].problem("this '(' is never closed", text)
    if current:
        statements.append(tuple(current))
    return tuple(statements)


def _parentheses(open_at: list[Token], token: Token, text: str) -> list[Token]:
    if token.text == "(":
        return [*open_at, token]
    if token.text == ")":
        if not open_at:
            raise token.problem("this ')' was never opened", text)
        return open_at[:-1]
    return open_at


def _continues(current: Sequence[Token], tokens: Sequence[Token], position: int) -> bool:
    """Whether the line end at `position` is inside a statement."""
    if not current:
        return False
    if current[-1].kind == "operator" and current[-1].text in _CONTINUING:
        return True
    rest = tokens[position:]
    start = next((i for i, t in enumerate(rest) if t.kind != "newline"), len(rest))
    if start == len(rest) or rest[start].kind != "operator":
        return False
    if rest[start].text == "-":
        # "- b" goes on with the line before, "-b > 1" is a constraint of its own.
        line = itertools.takewhile(lambda t: t.kind not in ("newline", "end"), rest[start:])
        return not any(t.text in STATEMENT_OPERATORS for t in line)
    return rest[start].text in _CONTINUING
