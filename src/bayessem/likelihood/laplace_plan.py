"""What the Laplace engine works on, packed: equations of latents and answers, and the data.

The model is the node engine's (node_plan.py: factors), linear in its latent variables. Here a
respondent enters by a row of numbers: the answers, and what they and the latent variables are
regressed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.node_plan import STRUCTURAL, NodeFactor
from bayessem.likelihood.plan import pack

# First number of a packed plan of this engine; the node engine's is -1.
LAPLACE_MARK = -3


@dataclass(frozen=True)
class LaplaceGroup:
    """One group.

    Attributes
    ----------
    factors : tuple of NodeFactor
        Linear in the latent variables; see `is_linear`.
    latents : int
        Number of latent variables.
    members : ndarray (n,)
        Where each respondent's log-likelihood is expected.
    start : ndarray (n, latents)
        Where the search for each respondent's mode begins.
    points : ndarray (n, point, latents)
        Points of standard normal variables for the integral's exact value, each respondent's own.
    """

    factors: tuple[NodeFactor, ...]
    latents: int
    members: np.ndarray
    start: np.ndarray
    points: np.ndarray


INTEGER_FIELDS = ("sizes", "group", "variance", "item", "scope", "term", "member")
FLOAT_FIELDS = ("data", "start", "points", "tail", "tilt")
GROUP = 13
ITEM = 10
TERM = 4
TAIL = 2


class LaplacePlan(NamedTuple):
    """Views of the packed arrays.

    sizes : groups, respondents, points.
    group (GROUP a group): latent variables K, respondents, first of `member`, first of `variance`,
        terms of the structural equations, the first of them, whether paths depend on data, items,
        the first of them, first of `data`, columns, first of `start`, first of `points`.
    variance : element of each covariance of disturbances, K * K a group, -1 for 0.
    item (ITEM an item): kind, link, first threshold, thresholds, element of the variance, terms,
        the first of them, first of `scope`, how many there, column of the answer (negative, less
        1, where other columns enter).
    scope : the latent variables an item depends on.
    term (TERM a term): element, latent variable (-1 for none; of an item the place in its scope),
        column that multiplies it (-1 for none), latent variable that is explained (0 of an item).
    member : place of each respondent in the order of the sample.
    data (respondent, column), start (respondent, K), points (respondent, point, K) : by group.
    tail (TAIL an item): from where and how steeply the approximation is lowered
        (laplace_tails.py); rates of 0 leave it as it is.
    tilt : empty, or where a slope of the elements saturates, then by element the slope and the
        centre (laplace_tails.py).
    """

    sizes: np.ndarray
    group: np.ndarray
    variance: np.ndarray
    item: np.ndarray
    scope: np.ndarray
    term: np.ndarray
    member: np.ndarray
    data: np.ndarray
    start: np.ndarray
    points: np.ndarray
    tail: np.ndarray
    tilt: np.ndarray


@compiled
def unpack_laplace(ints, floats):
    """Views of the two arrays, by name."""
    i = ints[1:]
    return LaplacePlan(
        i[i[0] : i[1]],
        i[i[1] : i[2]],
        i[i[2] : i[3]],
        i[i[3] : i[4]],
        i[i[4] : i[5]],
        i[i[5] : i[6]],
        i[i[6] : i[7]],
        floats[i[8] : i[9]],
        floats[i[9] : i[10]],
        floats[i[10] : i[11]],
        floats[i[11] : i[12]],
        floats[i[12] : i[13]],
    )


def is_linear(factors: Sequence[NodeFactor]) -> bool:
    """Whether no latent variable is squared or multiplied by another."""
    return all(sum(t.powers.values()) < 2 for f in factors for t in f.terms)


def latent_order(factors: Sequence[NodeFactor], latents: int) -> list[int]:
    """The latent variables, causes before effects."""
    causes: dict[int, set[int]] = {v: set() for v in range(latents)}
    for f in factors:
        if f.kind == STRUCTURAL:
            for t in f.terms:
                causes[f.explained[t.target]] |= set(t.powers)
    order: list[int] = []
    while len(order) < latents:
        ready = [v for v in range(latents) if v not in order and causes[v] <= set(order)]
        assert ready  # loops are refused with the model
        order += ready
    return order


class _Packer:
    """Collects the arrays of a plan, group after group."""

    def __init__(self) -> None:
        self.lists: dict[str, list] = {name: [] for name in INTEGER_FIELDS}
        self.floats: dict[str, list[np.ndarray]] = {name: [] for name in FLOAT_FIELDS}

    def _size(self, name: str) -> int:
        return sum(a.size for a in self.floats[name])

    def group(self, group: LaplaceGroup) -> None:
        """Add one group."""
        lists, n = self.lists, len(group.members)
        order = latent_order(group.factors, group.latents)
        rank = {v: k for k, v in enumerate(order)}
        columns: list[np.ndarray] = []
        head = [group.latents, n, len(lists["member"]), len(lists["variance"])]
        first = len(lists["term"]) // TERM
        varying = self._structural(group, rank, columns)
        head += [len(lists["term"]) // TERM - first, first, varying]
        items = [f for f in group.factors if f.kind != STRUCTURAL]
        head += [len(items), len(lists["item"]) // ITEM]
        for f in items:
            self._item(f, rank, columns)
        data = np.column_stack(columns) if columns else np.zeros((n, 0))
        head += [self._size("data"), data.shape[1], self._size("start"), self._size("points")]
        lists["group"] += head
        lists["member"] += group.members.tolist()
        self.floats["data"].append(data)
        self.floats["start"].append(group.start[:, order])
        self.floats["points"].append(group.points)
        self.floats["tail"].append(np.zeros(TAIL * len(items)))
        self.floats["tilt"].append(np.empty(0))

    def _columns(self, factor: NodeFactor, columns: list[np.ndarray], first: int) -> int:
        """Add the columns of a factor from `first` on; returns the place of its column 0."""
        known = factor.row_of >= 0
        at = len(columns) - first
        for c in range(first, factor.data.shape[1]):
            columns.append(np.where(known, factor.data[factor.row_of, c], np.nan))
        return at

    def _structural(
        self, group: LaplaceGroup, rank: dict[int, int], columns: list[np.ndarray]
    ) -> bool:
        """Add the equations of the latent variables; returns whether paths depend on data."""
        variance = np.full((group.latents, group.latents), -1, dtype=np.int64)
        varying = False
        for f in group.factors:
            if f.kind != STRUCTURAL:
                continue
            own = [rank[v] for v in f.explained]
            variance[np.ix_(own, own)] = np.reshape(f.variances, (len(own), len(own)))
            at = self._columns(f, columns, 1)
            for t in f.terms:
                source = next((rank[v] for v, power in t.powers.items() if power), -1)
                column = at + t.column if t.column >= 0 else -1
                varying = varying or (source >= 0 and column >= 0)
                self.lists["term"] += [t.element, source, column, own[t.target]]
        self.lists["variance"] += variance.ravel().tolist()
        return varying

    def _item(self, f: NodeFactor, rank: dict[int, int], columns: list[np.ndarray]) -> None:
        """Add an item."""
        lists = self.lists
        at = self._columns(f, columns, 0)
        scope = sorted({v for t in f.terms for v, power in t.powers.items() if power})
        first = len(lists["term"]) // TERM
        for t in f.terms:
            source = next((scope.index(v) for v, power in t.powers.items() if power), -1)
            lists["term"] += [t.element, source, at + t.column if t.column >= 0 else -1, 0]
        depends = f.data.shape[1] > 1
        lists["item"] += [f.kind, f.link, *f.thresholds, f.variances[0], len(f.terms), first]
        lists["item"] += [len(lists["scope"]), len(scope), -1 - at if depends else at]
        lists["scope"] += [rank[v] for v in scope]


def pack_laplace(groups: Sequence[LaplaceGroup], respondents: int) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan of a model with its data, group after group."""
    packer = _Packer()
    for group in groups:
        packer.group(group)
    fields = {name: np.array(values) for name, values in packer.lists.items()}
    points = groups[0].points.shape[1]
    fields["sizes"] = np.array([len(groups), respondents, points])
    for name, arrays in packer.floats.items():
        fields[name] = np.concatenate([a.ravel() for a in arrays])
    ints, floats = pack(fields, INTEGER_FIELDS, FLOAT_FIELDS)
    return np.concatenate([[LAPLACE_MARK], ints]), floats


def drop_points(ints: np.ndarray) -> np.ndarray:
    """The integers of a plan whose respondents get Laplace's value, not the exact one."""
    out = ints.copy()
    out[1 + ints[1] + 2] = 0
    return out


def count_items(ints: np.ndarray) -> int:
    """Answers of all groups of a plan."""
    return int(ints[1 + 4] - ints[1 + 3]) // ITEM


def with_tails(
    ints: np.ndarray, floats: np.ndarray, tails: np.ndarray, tilt: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """A plan with other tails, (item, TAIL), and another tilt, which stand at its end."""
    tilt = np.empty(0) if tilt is None else tilt
    header = ints[1 : 1 + len(INTEGER_FIELDS) + len(FLOAT_FIELDS) + 2]
    own = np.concatenate([floats[: header[-3]], tails.ravel(), tilt])
    out = ints.copy()
    out[header.size] = own.size
    return out, own
