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
FACTORS: dict[str, Any] = {
    "reliability": None,
    "groups": None,
    "missing": 0.0,
    "categories": None,
    "cluster_size": None,
}
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
    cluster_size : int or None
        Respondents of a cluster of a two-level model; None: without clusters.
    """

    truth: str
    n: int
    reliability: float | None
    groups: int | None
    missing: float
    categories: int | None
    cluster_size: int | None = None

    @property
    def clusters(self) -> int | None:
        """How many clusters the respondents are spread over, in all groups."""
        return None if self.cluster_size is None else max(round(self.n / self.cluster_size), 1)

    @property
    def key(self) -> str:
        """The condition as text: a name on disk and a part of seeds."""
        return json.dumps(self.record())

    def record(self) -> dict[str, Any]:
        """The condition as JSON has it."""
        out = {name: getattr(self, name) for name in ("truth", "n", *FACTORS)}
        if self.cluster_size is None:  # a part of seeds: those of studies without clusters stay
            del out["cluster_size"]
        return out

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
    n: object = None,
    *,
    clusters: object = None,
    cluster_size: object = None,
    reliability: object = None,
    groups: object = None,
    missing: object = 0.0,
    categories: object = None,
) -> list[Condition]:
    """All conditions, n (or the number of clusters) varying fastest.

    Raises
    ------
    ModelError
        For a value that its condition cannot have.
    """
    if (n is None) == (clusters is None):
        raise ModelError(
            "the size of the samples is n= (respondents) or, of a two-level model, clusters= (how "
            "many, of cluster_size= respondents each): give one of the two"
        )
    name, given = ("n", n) if clusters is None else ("clusters", clusters)
    sizes = sorted(
        whole_number(name, x, ModelError, least=2, most=MOST_RESPONDENTS)
        for x in _several(name, given)
    )
    if clusters is not None and cluster_size is None:
        raise ModelError("clusters= needs cluster_size=, the respondents of a cluster")
    crossed = product(
        truths,
        [_reliability(x) for x in _several("reliability", reliability)],
        [_optional("groups", x, 1000) for x in _several("groups", groups)],
        [_missing(x) for x in _several("missing", missing)],
        [_optional("categories", x, 100) for x in _several("categories", categories)],
        [
            _optional("cluster_size", x, MOST_RESPONDENTS)
            for x in _several("cluster_size", cluster_size)
        ],
        sizes,
    )
    return [
        Condition(t, size if clusters is None else size * (k or 1), r, g, m, c, k)
        for t, r, g, m, c, k, size in crossed
    ]
