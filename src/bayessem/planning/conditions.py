"""The conditions of a design study, each value of one crossed with each of all others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from bayessem.arguments import between, real_number, shown, whole_number
from bayessem.errors import ModelError

# What may vary besides the truth and n, with the value at which nothing is changed.
FACTORS: dict[str, Any] = {"reliability": None, "groups": None, "missing": 0.0, "categories": None}
# Respondents and replicates that somebody may have wanted; more are a slip.
MOST_RESPONDENTS, MOST_CELLS = 10_000_000, 10_000_000


@dataclass(frozen=True)
class Condition:
    """One cell of the design.

    Attributes
    ----------
    truth : str
        Name of the population; "" where there is only one.
    n : int
        Respondents in all.
    reliability : float or None
        Composite reliability (omega) of every construct; None: as the truth has it.
    groups : int or None
        Groups of equal size; None: as the truth has them.
    missing : float
        Share of the answers that are missing completely at random.
    categories : int or None
        Categories of the items' answers; None: continuous.
    """

    truth: str
    n: int
    reliability: float | None
    groups: int | None
    missing: float
    categories: int | None

    @property
    def key(self) -> str:
        """The condition as text: a name on disk and a part of seeds."""
        return json.dumps(self.record())

    def record(self) -> dict[str, Any]:
        """The condition as JSON has it."""
        return {name: getattr(self, name) for name in ("truth", "n", *FACTORS)}

    @classmethod
    def of(cls, key: str) -> Condition:
        """The condition of a key."""
        return cls(**json.loads(key))


def _several(name: str, value: object) -> list[Any]:
    """One value or several, without repetitions."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return [value]
    out = list(dict.fromkeys(value))
    if not out:
        raise ModelError(f"{name} has no value; give one, or several as a list")
    return out


def _reliability(value: object) -> float | None:
    if value is None:
        return None
    return between("reliability", value, ModelError, 0.0, 1.0)


def _missing(value: object) -> float:
    number = real_number("missing", value, ModelError)
    if not 0.0 <= number <= 0.9:
        raise ModelError(f"missing is a share of the answers from 0 to .9, not {shown(value)}")
    return number


def _optional(name: str, value: object, most: int) -> int | None:
    return None if value is None else whole_number(name, value, ModelError, least=2, most=most)


def conditions(
    truths: Iterable[str],
    n: object,
    *,
    reliability: object = None,
    groups: object = None,
    missing: object = 0.0,
    categories: object = None,
) -> list[Condition]:
    """All conditions, n varying fastest.

    Raises
    ------
    ModelError
        For a value that its condition cannot have.
    """
    sizes = sorted(
        whole_number("n", x, ModelError, least=2, most=MOST_RESPONDENTS) for x in _several("n", n)
    )
    crossed = product(
        truths,
        [_reliability(x) for x in _several("reliability", reliability)],
        [_optional("groups", x, 1000) for x in _several("groups", groups)],
        [_missing(x) for x in _several("missing", missing)],
        [_optional("categories", x, 100) for x in _several("categories", categories)],
        sizes,
    )
    return [Condition(t, size, r, g, m, c) for t, r, g, m, c, size in crossed]
