"""Model text to tokens, and tokens to the pieces between line ends and semicolons.

A statement may run over several lines: inside parentheses, after an operator at the end of a
line, or before an operator at the start of the next one. Comments start with `#` or `!`.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from bayessem.errors import SyntaxProblem

FORMULA_OPERATORS = frozenset({"=~", "~", "~~", "~*~", "<~", "|"})
EXPRESSION_OPERATORS = frozenset({":=", "==", "<", ">"})
STATEMENT_OPERATORS = FORMULA_OPERATORS | EXPRESSION_OPERATORS
# How deep and how long arithmetic may be: it is read, printed and computed by recursion.
NESTED, CHAINED = 50, 300

SPLIT = "define parts first, as in part := a*b, and use their names"
_CONTINUING = STATEMENT_OPERATORS | {"+", "-", "*", "/", "^", ":", ","}
_WRONG_OPERATORS = {
    "<->": "'<->' is no operator here; a covariance is written x ~~ y",
    "->": "'->' is no operator here; write the outcome first: y ~ x",
    "~=": "'~=' is no operator; a construct is measured with =~",
    "<=": "'<=' is no operator here; write < (a bound includes its end)",
    ">=": "'>=' is no operator here; write > (a bound includes its end)",
    "**": "'**' is no operator here; a power is written ^",
    "=": "'=' is no operator; use =~ (is measured by), == (is equal to) or := (is defined as)",
}
# What word processors, PDF files and other keyboards put in place of a character of the syntax.
LOOKALIKES = {
    **dict.fromkeys("\u02dc\u2053\u223c\u223d\u301c\uff5e", "~"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u201b", '"'),
    **dict.fromkeys("\u00d7\u2217\u22c5\u00b7\uff0a", "*"),
    **dict.fromkeys("\uff1d\ua78a", "="),
    **dict.fromkeys("\uff1a\u2236\ua789", ":"),
    **dict.fromkeys("\u2044\u2215\u00f7\uff0f", "/"),
    **dict.fromkeys("\u2192\u21d2\u2190\u21d0\u2194\u21d4", ""),
    "\uff0b": "+",
    "\uff0c": ",",
    "\uff1b": ";",
    "\u037e": ";",
    "\uff08": "(",
    "\uff09": ")",
    "\uff1c": "<",
    "\uff1e": ">",
    "\u2227": "^",
}
_FOREIGN = {
    "@": "cannot read '@', which is Mplus; a fixed value stands before the name, as in f =~ 1*x1",
    "[": "cannot read '['; intercepts and means are written y ~ 1",
    "{": "cannot read '{'; write what it holds as it is, a statement a line",
    "$": "cannot read '$', which is R; the columns are named alone: sem.fit(data) has the data",
}
RENAMING = "data.columns = data.columns.str.replace(r'\\W+', '_', regex=True)"
_FOREIGN["`"] = f"names in backticks are not supported; rename the columns: {RENAMING}"
_NAMES = (
    f"names are made of letters, digits, '_' and '.'; where columns have others, rename them: "
    f"{RENAMING}"
)
_PATTERN = re.compile(
    rf"""
    (?P<space>[^\S\n]+|\ufeff)
  | (?P<comment>[#!][^\n]*)
  | (?P<newline>\n)
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>(?:[^\W\d]|\.)[\w.]*)
  | (?P<string>"[^"\n]*"|'[^'\n]*')
  | (?P<strange>[=~:<>]?[{re.escape("".join(LOOKALIKES))}])
  | (?P<wrong><->|->|~=|<=|>=|\*\*|(?<![=:~])=(?![=~]))
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
        if kind == "strange":
            strange = Token(kind, word, line, column + len(word) - 1)
            raise strange.problem(_lookalike(word), text)
        if kind == "wrong":
            raise SyntaxProblem(_WRONG_OPERATORS[word], text, line, column)
        if kind == "number" and re.match(r"[\w.]", text[match.end() : match.end() + 1]):
            raise SyntaxProblem(
                "a name cannot start with a digit; data = data.add_prefix('q') puts a letter "
                "before the names of all columns",
                text,
                line,
                column,
            )
        if kind not in ("space", "comment"):
            tokens.append(Token(kind, word, line, column))
        at = match.end()
        if kind == "newline":
            line, line_start = line + 1, at
    return tuple(tokens)


def _lookalike(word: str) -> str:
    """What to type instead of a character that only looks like one of the syntax."""
    character = word[-1]
    named = f"{character!r} ({unicodedata.name(character).lower()}, U+{ord(character):04X})"
    meant = LOOKALIKES[character]
    if not meant:
        return f"{named} is no operator here; a path is written y ~ x, a covariance x ~~ y"
    return f"{named} only looks like {meant}; type {word[:-1]}{meant} on the keyboard"


def _unreadable(text: str, at: int) -> str:
    character = text[at]
    if character in "\"'":
        return "the quoted text has no closing quote on this line"
    return _FOREIGN.get(character) or _cannot_read(character)


def _cannot_read(character: str) -> str:
    if unicodedata.category(character) in ("Cf", "Cc"):
        name = unicodedata.name(character, "a control character").lower()
        return f"there is an invisible character here ({name}, U+{ord(character):04X}); delete it"
    if unicodedata.combining(character):
        return (
            f"an accent stands here as a character of its own (U+{ord(character):04X}); "
            "unicodedata.normalize('NFC', text) joins letters and accents"
        )
    return f"cannot read {character!r}; {_NAMES}"


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
        if len(open_at) == NESTED:
            raise token.problem(f"more than {NESTED} parentheses are open here; {SPLIT}", text)
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
