"""lavaan's model syntax: text to statements, one `lhs op rhs` each, and back to text.

Nothing is decided here about the model: which names are constructs, what is fixed or free and
which rows lavaan adds is the business of `bayessem.syntax.table`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from bayessem.errors import NotSupported, SyntaxProblem
from bayessem.syntax.expression import (
    Expression,
    Operation,
    number_text,
    parse_expression,
    undefined,
)
from bayessem.syntax.terms import MPLUS, Modifier, Term, parse_terms
from bayessem.syntax.tokens import (
    CHAINED,
    EXPRESSION_OPERATORS,
    NESTED,
    SPLIT,
    STATEMENT_OPERATORS,
    Token,
    split_statements,
)

_NOT_SUPPORTED = {
    "~*~": "scales of latent responses ('~*~'); with parameterization='theta' their residual "
    "variances say the same: x ~~ c(1, NA)*x",
}
_BLOCKS = {
    "group": "group blocks ('group:'); write one model and give group-wise values as c(a, b)*x",
    "block": "blocks ('block:'); write one model and give group-wise values as c(a, b)*x",
    "class": "latent classes ('class:'); fit known groups with group=",
}
LEVEL_NAMES = {1: "within", 2: "between"}
_PREDICTORS_ONLY = "a product such as X:Z is a predictor only: it may stand on the right of ~"
_BARE_LABEL = re.compile(r"(?:[^\W\d]|\.)[\w.]*\Z")


@dataclass(frozen=True, slots=True)
class Statement:
    """One relation of the model as it was written.

    Attributes
    ----------
    lhs : str
        Name on the left; for `==`, `<`, `>` the text of the left expression.
    op : str
        One of `=~ <~ ~ ~~ ~1 | := == < >`.
    rhs : str
        Name on the right, `X:Z` for a product, "" for an intercept, else the expression's text.
    factors : tuple of str
        Factors of the product on the right, () when it is none.
    modifiers : tuple of Modifier
        What stood before the term.
    expression : Expression or None
        For `:=` the right side; for `==`, `<`, `>` left side minus right side.
    level : int
        1 or 2 below `level: 1` (within) or `level: 2` (between), else 0, and for `:= == < >`.
    line, column : int
        Where the right side starts, from 1. Not compared.
    """

    lhs: str
    op: str
    rhs: str
    factors: tuple[str, ...] = ()
    modifiers: tuple[Modifier, ...] = ()
    expression: Expression | None = None
    level: int = 0
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if self.op in EXPRESSION_OPERATORS:
            return f"{self.lhs} {self.op} {self.rhs}"
        prefix = "".join(f"{_modifier_text(m)}*" for m in self.modifiers)
        if self.op == "~1":
            return f"{self.lhs} ~ {prefix}1"
        return f"{self.lhs} {self.op} {prefix}{self.rhs}"

    @property
    def where(self) -> str:
        """The statement and its line, as messages quote it."""
        shown = f"{self.lhs} ~ 1" if self.op == "~1" else f"{self.lhs} {self.op} {self.rhs}"
        return f'"{shown}" (line {self.line})' if self.line else f'"{shown}"'


def parse(text: str) -> tuple[Statement, ...]:
    """Read a model in lavaan's syntax.

    Parameters
    ----------
    text : str
        The model. Lists on either side become one statement for each pair.

    Returns
    -------
    tuple of Statement
        In the order of the text. A product keeps the name under which the model first writes
        it: after `X:Z`, `Z:X` is `X:Z` too.

    Raises
    ------
    SyntaxProblem
        With line, column and a caret.
    NotSupported
        For a feature of lavaan that bayessem does not have.

    Notes
    -----
    The syntax is that of Rosseel, Y. (2012). lavaan: An R package for structural equation
    modeling. Journal of Statistical Software, 48(2). doi:10.18637/jss.v048.i02
    """
    if not isinstance(text, str):
        raise SyntaxProblem(
            f"a model is a text in lavaan's syntax, not {type(text).__name__}; the text of a file "
            "is pathlib.Path('model.txt').read_text()"
        )
    text = re.sub("\r\n?", "\n", text)  # line ends of Windows and of old Macs
    pieces = split_statements(text)
    written: list[Statement] = []
    level = 0
    for tokens in pieces:
        header = _level_header(tokens, text)
        level = header or level
        if not header:
            written += _parse_statement(tokens, text, level)
    _refuse_assignments(pieces, written, text)
    return _canonical(written)


def model_text(statements: Iterable[Statement]) -> str:
    """Return the text of statements, one a line; `parse` of it gives the same statements."""
    lines, level = [], 0
    for statement in statements:
        if statement.level not in (0, level):
            level = statement.level
            lines.append(f"level: {level}")
        lines.append(str(statement))
    return "\n".join(lines)


def group_count(statements: Iterable[Statement]) -> int:
    """Return the number of groups that the modifiers `c(a, b)*` ask for, 1 without any."""
    return max((len(m.values) for s in statements for m in s.modifiers), default=1)


def _level_header(tokens: Sequence[Token], text: str) -> int:
    """The level that `level: 1` or `level: within` announces, 0 for another statement."""
    first = tokens[0]
    if len(tokens) < 2 or first.text.lower() != "level" or tokens[1].text != ":":
        return 0
    if any(token.text in STATEMENT_OPERATORS for token in tokens):
        return 0
    said = "".join(token.text for token in tokens[2:]).strip("\"'").lower()
    for level, name in LEVEL_NAMES.items():
        if said in (str(level), name):
            return level
    if said.isdigit():
        raise _unsupported(f"'level: {said}': models have two levels, 1 and 2", first)
    raise first.problem("levels are 'level: 1' (or within) and 'level: 2' (or between)", text)


def _parse_statement(tokens: Sequence[Token], text: str, level: int) -> tuple[Statement, ...]:
    _refuse_mplus(tokens, text)
    _refuse_blocks(tokens, text)
    _refuse_depth(tokens, text)
    at = _operator_position(tokens, text)
    operator = tokens[at]
    if at == 0:
        raise operator.problem(f"a name must stand before '{operator.text}'", text)
    if at + 1 == len(tokens):
        raise operator.problem(_nothing_after(operator, tokens[:at]), text)
    if operator.text in EXPRESSION_OPERATORS:
        return (_parse_constraint(tokens, at, text),)
    return tuple(replace(s, level=level) for s in _parse_formula(tokens, at, text))


def _refuse_mplus(tokens: Sequence[Token], text: str) -> None:
    written = any(token.text in STATEMENT_OPERATORS - {"|"} for token in tokens)
    for token in tokens[1:]:
        if token.text.upper() in MPLUS and not written:
            raise token.problem(f"this is Mplus; {MPLUS[token.text.upper()]}", text)


def _refuse_assignments(
    pieces: Iterable[Sequence[Token]], written: Iterable[Statement], text: str
) -> None:
    """R's arrow `y <- x` reads as `y < -x`, which is a bound only where y and x are labels."""
    labels = {v for s in written for m in s.modifiers if m.kind == "label" for v in m.values}
    labels |= {s.lhs for s in written if s.op == ":="}
    for tokens in pieces:
        for one, other in itertools.pairwise(tokens):
            arrow = (one.text, other.text) == ("<", "-") and other.column == one.column + 1
            if arrow and not {t.text for t in tokens if t.kind == "name"} <= labels:
                raise one.problem(
                    "'<-' is no operator here; a path is written y ~ x, a definition ab := a*b, "
                    "and a bound with a blank: a < -1",
                    text,
                )


def _refuse_depth(tokens: Sequence[Token], text: str) -> None:
    """Refuse arithmetic so deep or so long that reading it would exhaust Python's stack."""
    signs = powers = 0
    for token in tokens:
        signs = signs + 1 if token.text in ("+", "-") else 0
        powers += token.text == "^"
        if max(signs, powers) > NESTED:
            raise token.problem(f"more than {NESTED} '{token.text}' belong together; {SPLIT}", text)


def _refuse_blocks(tokens: Sequence[Token], text: str) -> None:
    first = tokens[0]
    is_block = len(tokens) >= 2 and tokens[1].text == ":" and first.text.lower() in _BLOCKS
    if is_block and not any(token.text in STATEMENT_OPERATORS for token in tokens):
        raise _unsupported(_BLOCKS[first.text.lower()], first)
    for token in tokens:
        if token.text in _NOT_SUPPORTED:
            raise _unsupported(_NOT_SUPPORTED[token.text], token)
        if token.text == "%":
            raise _unsupported("operators in percent signs; write the model without", token)


def _unsupported(what: str, token: Token) -> NotSupported:
    return NotSupported(f"line {token.line}: bayessem does not have {what}")


def _operator_position(tokens: Sequence[Token], text: str) -> int:
    found = [i for i, token in enumerate(tokens) if token.text in STATEMENT_OPERATORS]
    if not found:
        raise tokens[0].problem(
            "there is no operator in this statement; a statement reads 'f =~ x1 + x2', 'y ~ x', "
            "'y ~~ z', 'y ~ 1', 'label := a*b' or 'a == b'",
            text,
        )
    if len(found) > 1:
        extra = tokens[found[1]]
        before = tokens[found[1] - 2] if found[1] >= 2 else tokens[0]
        if before.text in ("+", "*") and before.line < extra.line:
            hint = f"does the '{before.text}' at the end of line {before.line} belong there?"
        else:
            hint = "start a new line, or put ';' between two statements"
        raise extra.problem(
            f"a second operator '{extra.text}' in one statement, after "
            f"'{tokens[found[0]].text}'; {hint}",
            text,
        )
    return found[0]


def _nothing_after(operator: Token, left: Sequence[Token]) -> str:
    names = " ".join(token.text for token in left)
    example = {"=~": " + ".join(["x1", "x2", "x3"]), ":=": "a*b", "~~": "x2"}
    return (
        f"nothing follows '{operator.text}'; write for example "
        f"'{names} {operator.text} {example.get(operator.text, 'x')}'"
    )


def _parse_constraint(tokens: Sequence[Token], at: int, text: str) -> Statement:
    operator = tokens[at]
    arithmetic = [token for token in tokens if token.kind == "operator"]
    if len(arithmetic) > CHAINED:
        raise arithmetic[CHAINED].problem(
            f"more than {CHAINED} operators stand in one statement; {SPLIT}", text
        )
    left, left_end = parse_expression(tokens[:at], text=text)
    if left_end < at:
        raise tokens[left_end].problem(_JOIN, text)
    right, end = parse_expression(tokens, at + 1, text=text)
    if end < len(tokens):
        raise tokens[end].problem(_JOIN, text)
    if operator.text == ":=":
        if at != 1 or tokens[0].kind != "name":
            raise tokens[0].problem("one name must stand before ':='", text)
        expression = right
    else:
        expression = Operation("-", left, right)
    start = tokens[at + 1]
    nothing = undefined(expression)
    if nothing is not None:
        raise start.problem(f"'{nothing}' has no finite value", text)
    return Statement(
        lhs=str(left),
        op=operator.text,
        rhs=str(right),
        expression=expression,
        line=start.line,
        column=start.column,
    )


_JOIN = "an operator (+ - * / ^) must come before this, or a line end or ';'"


def _parse_formula(tokens: Sequence[Token], at: int, text: str) -> tuple[Statement, ...]:
    operator = tokens[at].text
    left = parse_terms(tokens[:at], 0, text=text)
    right = parse_terms(tokens, at + 1, text=text)
    for term in left:
        _check_left(term, operator, text)
    for term in right:
        _check_right(term, operator, text)
    return tuple(
        Statement(
            lhs=one.name,
            op="~1" if term.intercept else operator,
            rhs=term.name,
            factors=term.factors,
            modifiers=term.modifiers,
            line=term.line,
            column=term.column,
        )
        for one in left
        for term in right
    )


def _check_left(term: Term, operator: str, text: str) -> None:
    where = Token("name", term.name, term.line, term.column)
    if term.intercept:
        raise where.problem(f"a name must stand before '{operator}', not a number", text)
    if term.modifiers:
        raise where.problem(f"modifiers belong on the right of '{operator}'", text)
    if term.factors:
        raise where.problem(_PREDICTORS_ONLY, text)


def _check_right(term: Term, operator: str, text: str) -> None:
    where = Token("name", term.name, term.line, term.column)
    if operator == "~":
        return
    if term.intercept:
        raise where.problem(
            f"a number cannot stand after '{operator}'; an intercept is written y ~ 1, "
            "a fixed value 1*x",
            text,
        )
    if term.factors:
        raise where.problem(_PREDICTORS_ONLY, text)


def _canonical(written: Sequence[Statement]) -> tuple[Statement, ...]:
    """Name every product as the model first writes it."""
    first: dict[tuple[str, ...], tuple[str, ...]] = {}
    for statement in written:
        first.setdefault(tuple(sorted(statement.factors)), statement.factors)

    def named(statement: Statement) -> Statement:
        factors = first[tuple(sorted(statement.factors))]
        if factors == statement.factors:
            return statement
        return replace(statement, rhs=":".join(factors), factors=factors)

    return tuple(named(statement) for statement in written)


def _modifier_text(modifier: Modifier) -> str:
    if modifier.kind == "fixed":
        values = [_value_text(value) for value in modifier.values]
        return values[0] if len(values) == 1 else f"c({', '.join(values)})"
    if modifier.kind == "label" and len(modifier.values) == 1:
        label = modifier.values[0]
        if isinstance(label, str) and label != "NA" and _BARE_LABEL.match(label):
            return label
    values = [_value_text(value) for value in modifier.values]
    inside = values[0] if len(values) == 1 else f"c({', '.join(values)})"
    return f"{modifier.kind}({inside})"


def _value_text(value: float | str | None) -> str:
    if value is None:
        return "NA"
    if isinstance(value, str):
        quote = "'" if '"' in value else '"'
        return f"{quote}{value}{quote}"
    return number_text(value)
