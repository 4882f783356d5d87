"""The statements of Mplus's MODEL: each becomes mentions of parameters.

    f BY x1-x3@1 x4* (a b c d);     loadings      y ON x z*.5 (p1);      paths
    x WITH y@0;                     covariances   [x1] [f@0 (m)] [u$1];  means and thresholds
    f@1; x1-x3 (v);                 variances     fz | f XWITH z;        products
    i s | y1@0 y2@1 y3@2;           growth        PON, PWITH             pair by pair

`@` fixes, `*` frees or gives a start value, a label in parentheses is for what stands before it on
its line: one for all, or one each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product

from bayessem.convert.mplus_input import Piece
from bayessem.convert.names import Names, numbered
from bayessem.errors import ModelError

_TOKEN = re.compile(
    r"""(?P<space>[^\S\n]+)|(?P<newline>\n)
      |(?P<number>(?<=[@*])\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      |(?P<paren>\([^()]*\))
      |(?P<name>[A-Za-z_][\w.]*(?:[$\#]\d+)?)
      |(?P<sign>[@*\[\]{}|,-])""",
    re.VERBOSE,
)
KEYWORDS = ("BY", "ON", "WITH", "PON", "PWITH", "XWITH")
_OPERATORS = {"BY": "=~", "ON": "~", "WITH": "~~", "PON": "~", "PWITH": "~~"}


@dataclass(frozen=True)
class Item:
    """A variable with what stands behind it.

    Attributes
    ----------
    name : str
    fixed, start : float or None
        Behind `@` and `*`.
    freed : bool
        A `*` stands behind it.
    label : str
        In parentheses; numbers are labels, too.
    line : int
        The line it stands on, within its statement.
    """

    name: str
    fixed: float | None = None
    start: float | None = None
    freed: bool = False
    label: str = ""
    line: int = 0


@dataclass(frozen=True)
class Mention:
    """A parameter as a statement speaks of it.

    Attributes
    ----------
    lhs, op, rhs : str
        As lavaan has them: `f =~ x`, `y ~ x`, `x ~~ y`, `x ~1 ""`, `u | t1`.
    item : Item
        Value, start value and label.
    group : str
        Name of the group whose section it stands in, or "".
    level : int
        1 (within), 2 (between) or 0.
    """

    lhs: str
    op: str
    rhs: str
    item: Item
    group: str = ""
    level: int = 0

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Which parameter it is."""
        return (self.lhs, self.op, self.rhs, self.level)


@dataclass
class Spoken:
    """All that the sections of a model say.

    Attributes
    ----------
    names, labels : Names
        Of variables, and of parameters.
    mentions : list of Mention
    products : dict
        Name of a product to its factors.
    absent : set of str
        What a statement that could not be taken would have defined.
    """

    names: Names
    labels: Names = field(default_factory=Names)
    mentions: list[Mention] = field(default_factory=list)
    products: dict[str, tuple[str, ...]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)


def read_statement(piece: Piece, out: Spoken, *, group: str, level: int) -> None:
    """Read one statement of a MODEL section.

    Raises
    ------
    ModelError
        Saying why it cannot be taken.
    """
    tokens = list(_tokens(piece.text))
    texts = [text for _, text, _ in tokens]
    if "{" in texts:
        raise ModelError("scale factors, {x}; with parameterization='theta' residual variances are")
    if "|" in texts:
        mentions = _bar(tokens, texts.index("|"), out)
    elif texts[:1] == ["["]:
        mentions = _means(tokens, out)
    else:
        mentions = _formula(tokens, out)
    gone = [name for m in mentions for name in (m.lhs, m.rhs) if name in out.absent]
    if gone:
        raise ModelError(f"it speaks of {gone[0]}, which could not be taken")
    out.mentions += [replace(m, group=group, level=level) for m in mentions]


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and line of each token; keywords are a kind of their own."""
    at = line = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ModelError(f"cannot read {text[at:].split()[0]!r}")
        kind, word, at = str(found.lastgroup), found[0], found.end()
        if kind == "newline":
            line += 1
        elif kind == "name" and word.upper() in (*KEYWORDS, "AT"):
            yield "keyword", word.upper(), line
        elif kind not in ("space",) and word != ",":
            yield kind, word.strip(), line


Tokens = list[tuple[str, str, int]]


def _formula(tokens: Tokens, out: Spoken) -> list[Mention]:
    """BY, ON, WITH and their relatives; without one of them variances."""
    at = next((k for k, (kind, _, _) in enumerate(tokens) if kind == "keyword"), None)
    if at is None:
        return [Mention(i.name, "~~", i.name, i) for i in _items(tokens, out)]
    keyword = tokens[at][1]
    if keyword not in _OPERATORS:
        raise ModelError(f"{keyword} stands where it has no meaning here")
    left = [item.name for item in _items(tokens[:at], out)]
    right = _items(tokens[at + 1 :], out, outcomes=len(left) if keyword == "ON" else 1)
    if not left or not right:
        raise ModelError(f"{keyword} needs variables on both sides")
    op = _OPERATORS[keyword]
    if keyword.startswith("P"):
        if len(left) != len(right):
            raise ModelError(f"{len(left)} variables before {keyword} and {len(right)} behind it")
        return [Mention(x, op, item.name, item) for x, item in zip(left, right, strict=True)]
    if keyword == "ON":
        each = len(right) // len(left)
        return [
            Mention(y, op, item.name, item)
            for k, y in enumerate(left)
            for item in right[k * each : (k + 1) * each]
        ]
    pairs = product(left, right)
    if op == "=~":
        return [Mention(f, op, item.name, item) for f, item in pairs]
    seen: dict[frozenset[str], Mention] = {}
    for x, item in pairs:
        if x != item.name:
            seen.setdefault(frozenset((x, item.name)), Mention(x, op, item.name, item))
    return list(seen.values())


def _means(tokens: Tokens, spoken: Spoken) -> list[Mention]:
    """Means, intercepts and thresholds, which stand in brackets."""
    inside = [t for t in tokens if t[1] not in ("[", "]")]
    out = []
    for item in _items(inside, spoken):
        name, dollar, number = item.name.partition("$")
        op, rhs = ("|", f"t{number}") if dollar else ("~1", "")
        out.append(Mention(spoken.names.add(name), op, rhs, item))
    return out


def _bar(tokens: Tokens, at: int, out: Spoken) -> list[Mention]:
    """Products and growth factors, whose names stand before a bar."""
    left = [item.name for item in _items(tokens[:at], out)]
    right = tokens[at + 1 :]
    keywords = [text for kind, text, _ in right if kind == "keyword"]
    if keywords == ["XWITH"] and len(left) == 1:
        factors = [item.name for item in _items([t for t in right if t[0] != "keyword"], out)]
        if len(factors) != 2:
            raise ModelError("a product has two factors: fz | f XWITH z")
        # a factor may be a product itself
        whole = [part for f in factors for part in out.products.get(f, (f,))]
        out.products[left[0]] = tuple(whole)
        return []
    if keywords:
        out.absent |= set(left)
        raise ModelError(
            "random slopes and times of one's own (ON, AT) are not there; a path that differs "
            "between known groups is pooled by bs.partial"
        )
    return _growth(left, _items(right, out))


def _growth(factors: list[str], items: list[Item]) -> list[Mention]:
    """Growth factors: loadings are powers of the times; means of the measures are 0."""
    if len(factors) > 4 or not items:
        raise ModelError("growth factors are written i s | y1@0 y2@1 y3@2")
    mentions = []
    for power, factor in enumerate(factors):
        for item in items:
            if item.fixed is None and power > 1:
                raise ModelError("times that are estimated go with an intercept and one slope")
            value = None if item.fixed is None else item.fixed**power
            loading = replace(item, fixed=value, freed=item.fixed is None) if power else item
            if not power:
                loading = Item(item.name, fixed=1.0)
            mentions.append(Mention(factor, "=~", item.name, loading))
    mentions += [Mention(item.name, "~1", "", Item(item.name, fixed=0.0)) for item in items]
    mentions += [Mention(factor, "~1", "", Item(factor, freed=True)) for factor in factors]
    return mentions


def _items(tokens: Tokens, spoken: Spoken, *, outcomes: int = 1) -> list[Item]:
    """The variables of a list; what stands behind a range x1-x3 is for all of it.

    Raises
    ------
    ModelError
        For an order of words that means nothing.
    """
    out: list[list[Item]] = []  # a list a name or range
    names = spoken.names
    labelled = 0  # of these, how many have had their chance of a label
    k = 0
    while k < len(tokens):
        kind, text, line = tokens[k]
        if kind == "name":
            if k + 2 < len(tokens) and tokens[k + 1][1] == "-" and tokens[k + 2][0] == "name":
                out.append([Item(n, line=line) for n in _range(text, tokens[k + 2][1], names)])
                k += 2
            else:
                out.append([Item(_known(text, names), line=line)])
        elif text == "@" and out and k + 1 < len(tokens) and tokens[k + 1][0] == "number":
            out[-1] = [replace(i, fixed=float(tokens[k + 1][1])) for i in out[-1]]
            k += 1
        elif text == "*" and out:
            start = None
            if k + 1 < len(tokens) and tokens[k + 1][0] == "number":
                start, k = float(tokens[k + 1][1]), k + 1
            out[-1] = [replace(i, freed=True, start=start) for i in out[-1]]
        elif kind == "paren" and out:
            labelled = _label(out, labelled, text, line, spoken.labels, outcomes)
        else:
            raise ModelError(f"{text!r} is not understood here")
        k += 1
    flat = [item for group in out for item in group]
    return _over_outcomes(flat, outcomes) if outcomes > 1 else flat


_MANY = "\0"  # between the labels of one predictor for several outcomes


def _over_outcomes(items: list[Item], outcomes: int) -> list[Item]:
    """The items for each of several outcomes; labels in a list go on from one to the next."""
    out = []
    for k in range(outcomes):
        for item in items:
            labels = item.label.split(_MANY)
            own = labels[k] if len(labels) == outcomes else labels[0]
            out.append(replace(item, label=own))
    return out


def _label(
    out: list[list[Item]], done: int, text: str, line: int, names: Names, outcomes: int
) -> int:
    """Give the labels in parentheses to what stands before them on their line.

    A parenthesis on a line of its own is for all since the last one.
    """
    first = done
    if any(group[0].line == line for group in out[done:]):
        first = next(k for k in range(done, len(out)) if out[k][0].line == line)
    flat = [item for group in out[first:] for item in group]
    labels = _labels(text, names)
    if len(labels) == 1:
        given = [labels[0]] * len(flat)
    elif len(labels) == len(flat):
        given = labels
    elif len(labels) == len(flat) * outcomes:  # one for each outcome, too
        given = [_MANY.join(labels[k :: len(flat)]) for k in range(len(flat))]
    else:
        raise ModelError(f"{len(labels)} labels for {len(flat)} parameters: {text}")
    labelled = iter(given)
    for k in range(first, len(out)):
        out[k] = [replace(item, label=next(labelled)) for item in out[k]]
    return len(out)


def _labels(text: str, names: Names) -> list[str]:
    """The labels in "(a)", "(1)", "(p1-p3)", "(a b c)"; numbers become names."""
    inner = text.strip("()").strip()
    out: list[str] = []
    for found in re.finditer(r"([\w.]+)(?:\s*-\s*([\w.]+))?", inner):
        first, last = found[1], found[2]
        words = numbered(_word(first), _word(last)) if last else [_word(first)]
        out += [names.add(word) for word in words]
    if not out or re.search(r"[^\w\s.,-]", inner):
        raise ModelError(f"{text} is no label")
    return out


def _word(label: str) -> str:
    return f"eq{label}" if label.isdigit() else label


def _known(text: str, names: Names) -> str:
    name, sign, rest = text.partition("$")
    return names.add(name) + sign + rest


def _range(first: str, last: str, names: Names) -> Iterable[str]:
    if "$" in first:  # u1$1-u1$4
        one, two = first.split("$"), last.split("$")
        if len(two) == 2 and one[0].casefold() == two[0].casefold():
            return [f"{names.add(one[0])}${k}" for k in range(int(one[1]), int(two[1]) + 1)]
        if len(two) == 2 and one[1] == two[1]:
            return [f"{n}${one[1]}" for n in names.between(one[0], two[0])]
        raise ModelError(f"the list {first}-{last} cannot be written out")
    return names.between(first, last)
