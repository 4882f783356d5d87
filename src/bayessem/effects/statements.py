"""Hypotheses as text: "RAD ~ AMC:AMC < 0", "X -> M -> Y > 0", "-0.1 < y ~ x < 0.1 & y ~ z > 0"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayessem.arguments import shown
from bayessem.errors import ModelError
from bayessem.syntax.tokens import LOOKALIKES

# A comparison, but not the end of "->" nor the beginning of "<~".
COMPARISON = re.compile(r"(?<!-)>=?|<=?(?!~)")
EXACT = re.compile(r"==|!=|(?<![<>:=])=(?![~=])")
JOINED = re.compile(r"&+|\band\b")
NUMBER = re.compile(r"[+-]?\s*(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
NAMED = re.compile(r"\s*([^:~<>=]+?)\s*:\s+(\S.*)", re.DOTALL)
# A group behind a path, and what stands for it while operators are looked for.
GROUP, MASK = re.compile(r"\[[^]]*\]"), "\ue003"
MASKED = re.compile(MASK)
EXAMPLE = "'y ~ x > 0'"


@dataclass(frozen=True)
class Comparison:
    """Quantities, as text, from left to right, and what stands between them: "<" or ">"."""

    sides: tuple[str, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Hypothesis:
    """A statement with its name.

    Attributes
    ----------
    name : str
        Such as "H1".
    text : str
        As it was written, on one line.
    comparisons : tuple of Comparison
        All of which it says.
    """

    name: str
    text: str
    comparisons: tuple[Comparison, ...]


def read_hypotheses(given: Mapping[str, str] | Sequence[str] | str) -> list[Hypothesis]:
    """Read hypotheses: by name, or a list of "H1: y ~ x > 0", named H1, H2, ... without names.

    Raises
    ------
    ModelError
        For what is no statement, naming the hypothesis and what would work.
    """
    if isinstance(given, Mapping):
        pairs: list[tuple[str, object]] = [(str(name), text) for name, text in given.items()]
    else:
        listed: object = [given] if isinstance(given, str) else given
        if not isinstance(listed, Sequence):
            raise ModelError(
                f"hypotheses are a dictionary such as {{'H1': {EXAMPLE}}} or a list, not "
                f"{shown(given)}"
            )
        pairs = [_named(text, k) for k, text in enumerate(listed, start=1)]
    if not pairs:
        raise ModelError(f"no hypothesis is given; write {{'H1': {EXAMPLE}}}")
    twice = [name for name, _ in pairs if sum(other == name for other, _ in pairs) > 1]
    if twice:
        raise ModelError(f"two hypotheses are named {twice[0]!r}")
    return [Hypothesis(name, _line(text, name), _read(text, name)) for name, text in pairs]


def _named(text: object, k: int) -> tuple[str, object]:
    found = NAMED.fullmatch(text) if isinstance(text, str) else None
    return (found[1], found[2]) if found else (f"H{k}", text)


def _line(text: object, name: str) -> str:
    if not isinstance(text, str):
        raise ModelError(f"hypothesis {name}: a text such as {EXAMPLE}, not {shown(text)}")
    return " ".join(text.split())


def _read(text: object, name: str) -> tuple[Comparison, ...]:
    whole = _line(text, name)
    # names of groups may hold any character
    groups = GROUP.findall(whole)
    plain = GROUP.sub(MASK, whole)
    for typed, meant in (("\u2192", "->"), ("\u2264", "<"), ("\u2265", ">")):
        plain = plain.replace(typed, meant)
    plain = "".join(LOOKALIKES.get(c, c) for c in plain)
    named = iter(groups)
    return tuple(
        _comparison(MASKED.sub(lambda _: next(named), part), part, whole, name)
        for part in JOINED.split(plain)
    )


def _comparison(part: str, masked: str, whole: str, name: str) -> Comparison:
    """One claim; where its groups stand, `masked` has nothing that could be an operator."""
    where = f"hypothesis {name}, {whole!r}"
    if EXACT.search(masked):
        raise ModelError(
            f"{where}: an exact value has probability 0; say which values count as that one, such "
            "as '-0.1 < y ~ x < 0.1'"
        )
    signs = tuple(sign[0] for sign in COMPARISON.findall(masked))
    if not signs:
        raise ModelError(
            f"{where}: {part.strip()!r} has neither < nor >; write what is claimed, such as "
            f"'{part.strip() or 'y ~ x'} > 0'"
        )
    groups = iter(GROUP.findall(part))
    sides = tuple(
        MASKED.sub(lambda _: next(groups), " ".join(side.split()))
        for side in COMPARISON.split(masked)
    )
    if not all(sides):
        raise ModelError(
            f"{where}: nothing stands on one side of {signs[0]!r}; write a path and a value, such "
            f"as {EXAMPLE}"
        )
    if all(map(is_number, sides)):
        raise ModelError(
            f"{where}: {part.strip()!r} compares numbers; write a path, such as {EXAMPLE}"
        )
    return Comparison(sides, signs)


def is_number(text: str) -> bool:
    """Whether a side of a comparison is a number."""
    return NUMBER.fullmatch(text) is not None


def number_of(text: str) -> float:
    """The number that a side is."""
    return float("".join(text.split()))
