"""Nested calls of R, as in constructs(composite("Image", multi_items("IMAG", 1:5)))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bayessem.errors import SyntaxProblem

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<string>"[^"\n]*"|'[^'\n]*')|(?P<number>\d+\.?\d*L?)
      |(?P<name>[A-Za-z.][\w.]*)|(?P<sign><-|[()=,:;|>%*+-])""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Call:
    """A call with its arguments; those without a name have the name ""."""

    function: str
    arguments: tuple[tuple[str, Value], ...]
    line: int

    def named(self, *names: str) -> Value | None:
        """The argument of one of these names, or None."""
        return next((value for name, value in self.arguments if name in names), None)

    @property
    def plain(self) -> tuple[Value, ...]:
        """The arguments without a name."""
        return tuple(value for name, value in self.arguments if not name)


Value = Call | str | int | tuple[int, ...]


def calls(text: str, *functions: str) -> Iterator[Call]:
    """The outermost calls of these functions, wherever they stand in a script.

    Raises
    ------
    SyntaxProblem
        Where one cannot be read.
    """
    tokens = _tokens(text)
    at = 0
    while at < len(tokens):
        kind, word, _ = tokens[at]
        if kind == "name" and word in functions and _word(tokens, at + 1) == "(":
            call, at = _call(tokens, at, text)
            yield call
        else:
            at += 1


Tokens = list[tuple[str, str, int]]


def _tokens(text: str) -> Tokens:
    out, at, line = [], 0, 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:  # elsewhere in a script there may be anything
            out.append(("other", text[at], line))
            at += 1
            continue
        if found.lastgroup != "space":
            out.append((str(found.lastgroup), found[0], line))
        line += found[0].count("\n")
        at = found.end()
    return out


def _word(tokens: Tokens, at: int) -> str:
    return tokens[at][1] if at < len(tokens) else ""


def _call(tokens: Tokens, at: int, text: str) -> tuple[Call, int]:
    function, line = tokens[at][1], tokens[at][2]
    arguments: list[tuple[str, Value]] = []
    at += 2
    while _word(tokens, at) != ")":
        name = ""
        if _word(tokens, at + 1) == "=" and tokens[at][0] in ("name", "string"):
            name, at = tokens[at][1].strip("\"'"), at + 2
        value, at = _value(tokens, at, text)
        arguments.append((name, value))
        if _word(tokens, at) == ",":
            at += 1
        elif _word(tokens, at) != ")":
            raise _problem(tokens, at, text, "',' or ')' must come here")
    return Call(function, tuple(arguments), line), at + 1


def _value(tokens: Tokens, at: int, text: str) -> tuple[Value, int]:
    if at >= len(tokens):
        raise _problem(tokens, at, text, "the script ends inside a call")
    kind, word, _ = tokens[at]
    if kind == "string":
        return word[1:-1], at + 1
    if kind == "number":
        first = int(float(word.rstrip("L")))
        if _word(tokens, at + 1) == ":" and at + 2 < len(tokens) and tokens[at + 2][0] == "number":
            return tuple(range(first, int(float(tokens[at + 2][1].rstrip("L"))) + 1)), at + 3
        return first, at + 1
    if kind == "name" and _word(tokens, at + 1) == "(":
        return _call(tokens, at, text)
    if kind == "name":
        return Call(word, (), tokens[at][2]), at + 1
    raise _problem(tokens, at, text, f"cannot read {word!r} in a call")


def _problem(tokens: Tokens, at: int, text: str, what: str) -> SyntaxProblem:
    line = tokens[min(at, len(tokens) - 1)][2]
    return SyntaxProblem(what, text, line, 1)
