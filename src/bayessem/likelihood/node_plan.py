"""What the node engine works on, packed: factors, the order of sums, and the data as patterns.

A respondent enters through rows: the row of each factor's table that holds the answer. Respondents
who agree in all rows below a step of the elimination share that step's message, so that the sums
run over distinct patterns of answers and not over respondents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.junction import Elimination, elimination_order
from bayessem.likelihood.plan import pack

STRUCTURAL, NORMAL, ORDERED, TILT, CROSS = range(5)
# First number of a packed plan of this engine; a kernel's plan begins with a positive number.
MARK = -1


@dataclass(frozen=True)
class TermOf:
    """One summand of a linear predictor.

    Attributes
    ----------
    element : int
        Its coefficient among the model's elements.
    powers : dict of int to int
        Exponent of each latent variable.
    column : int
        Column of the factor's data it is multiplied by, -1 for none.
    target : int
        Which of the factor's equations it is in.
    """

    element: int
    powers: dict[int, int] = field(default_factory=dict)
    column: int = -1
    target: int = 0


@dataclass(frozen=True)
class NodeFactor:
    """A function of latent variables with a table over their nodes, a row for each answer.

    Attributes
    ----------
    kind : int
        STRUCTURAL, NORMAL or ORDERED; TILT and CROSS are parts of a normal answer (`apart`).
    scope : tuple of int
        Latent variables.
    terms : tuple of TermOf
        Of the mean (or of the latent response's).
    data : ndarray (row, column)
        What differs between rows: the answer first (0 in structural equations), then covariates.
    row_of : ndarray (respondent,)
        Row of each respondent, -1 where the answer is missing.
    variances : tuple of int
        Elements of the (residual) variance, or row by row of the covariance matrix of the
        variables of a structural block.
    explained : tuple of int
        The variables of a structural block.
    thresholds : (int, int)
        First element and number; of a family its shapes.
    link : int
        Of an ordered answer (family_ordered.py).
    """

    kind: int
    scope: tuple[int, ...]
    terms: tuple[TermOf, ...]
    data: np.ndarray
    row_of: np.ndarray
    variances: tuple[int, ...]
    explained: tuple[int, ...] = ()
    thresholds: tuple[int, int] = (0, 0)
    link: int = 0

    def numbers(self, elements: np.ndarray) -> tuple[float, ...]:
        """Residual variance or dispersion of an answer, and the shapes of its family."""
        first, count = self.thresholds
        return float(elements[self.variances[0]]), *elements[first : first + count].tolist()


def apart(factor: NodeFactor) -> tuple[NodeFactor, ...]:
    """A normal answer y that depends on two latent variables through a sum, in three factors.

    With mean c + a + b, c known and a, b of one variable each, the density is that of y with mean
    c + a, times exp(((y - c) b - b^2 / 2) / v), times exp(-a b / v), which knows no respondent.
    The factor itself where its mean is no such sum.
    """
    one, two = factor.scope
    of = [[v for v, p in t.powers.items() if p] for t in factor.terms]
    if any(len(v) > 1 or (v and t.column >= 0) for v, t in zip(of, factor.terms, strict=True)):
        return (factor,)
    known, first, second = (
        tuple(t for v, t in zip(of, factor.terms, strict=True) if v == which)
        for which in ([], [one], [two])
    )
    nothing = np.zeros((1, 1))
    return (
        replace(factor, scope=(one,), terms=known + first),
        replace(factor, kind=TILT, scope=(two,), terms=known + second),
        replace(
            factor,
            kind=CROSS,
            terms=tuple(replace(t, target=0) for t in first)
            + tuple(replace(t, target=1) for t in second),
            data=nothing,
            row_of=np.minimum(factor.row_of, 0),
        ),
    )


@dataclass(frozen=True)
class Nodes:
    """The lattice of one latent variable: count nodes from first, step apart.

    In standard deviations of the variable about its mean (node_lattice.py).
    """

    first: float
    step: float
    count: int


# A lattice that suits a linear predictor has steps up to so many times smaller than the largest.
SLACK = 1.5


class Hub(NamedTuple):
    """A block of three variables of which one explains the others (node_hub.py).

    Attributes
    ----------
    variables : (int, int, int)
        The two that are explained, and the hub.
    numbers : tuple of int
        Elements of the covariance matrix row by row and of the means, in that order; the first
        derived element.
    terms : int
        Of the series.
    """

    variables: tuple[int, int, int]
    numbers: tuple[int, ...]
    terms: int


@dataclass(frozen=True)
class NodeGroup:
    """One group: its factors, its latent variables' nodes, its respondents, chains and hubs."""

    factors: tuple[NodeFactor, ...]
    nodes: tuple[Nodes, ...]
    members: np.ndarray
    chains: tuple[tuple[int, ...], ...] = ()
    hubs: tuple[Hub, ...] = ()


INTEGER_FIELDS = (
    "sizes",
    "node_count",
    "factor",
    "explained",
    "variance",
    "term",
    "step",
    "part",
    "row",
    "weight",
    "root",
    "chain",
    "hub",
)
FLOAT_FIELDS = ("node_first", "node_step", "data", "negligible")
# Weight of a node beside all of them: 9.1 standard deviations of a normal posterior, so far out
# that what is not yet known could not bring a respondent there.
NEGLIGIBLE = 1e-18
FACTOR = 14  # numbers a factor; see `_factor_row`
TERM = 6
STEP = 13
PART = 4
# Numbers of a block that is a chain of regressions (node_chain.py), and elements derived for it.
CHAIN, DERIVED = 13, 7
# Of one with a hub (node_hub.py), which has as many derived elements.
HUB = 15
SHARED, UNARY, PAIR, MESSAGE, PAIR_MESSAGE = range(5)


class NodePlan(NamedTuple):
    """Views of the packed arrays.

    sizes : factors, steps, size of all tables, of all messages, of all products A, respondents,
        rows of all steps, latent variables of a group, derived elements.
    node_count, node_first, node_step : lattice by latent variable (all groups'), in the packed
        arrays in standard deviations about the mean (`node_lattice.placed`).
    factor (FACTOR a factor): kind, number of variables, three variables, rows, place of the table,
        number of terms, first term, place of data, columns, number explained | thresholds, first of
        `explained` and `variance` | first threshold, link.
    explained : positions in the scope;  variance : elements.
    term (TERM a term): element, three exponents, column, target.
    step (STEP a step): variable, neighbours, first and second neighbour, rows, place of message, of
        A, of its first row, parts, first part; 2 f + d where the message is about a linear
        predictor (node_lattice.py), of factor f, and neighbour d's lattice suits it; else -1.
    part (PART a part): what it is, factor or step, which neighbour, place of its rows in `row`.
    row : rows of factors or messages by row of the step.
    line (3 a step): nodes of the predictor for one node of each neighbour, with its coefficient's
        sign, and nodes of the predictor; 0 where the message is about the neighbours themselves.
    weight : respondents in each row of each step that has no neighbours (0 for others).
    root : (2 a pair) respondent, row among all steps' rows.
    chain (CHAIN a block): elements of the covariance matrix row by row and of the three means in
        the order of the sums, first derived element.
    hub (HUB a block): the same in the order of `Hub.variables`; the steps of the two explained.
    data : of the factors.
    negligible : (1,) weight beside all of them at which a node is left out.
    """

    sizes: np.ndarray
    node_count: np.ndarray
    factor: np.ndarray
    explained: np.ndarray
    variance: np.ndarray
    term: np.ndarray
    step: np.ndarray
    line: np.ndarray
    part: np.ndarray
    row: np.ndarray
    weight: np.ndarray
    root: np.ndarray
    chain: np.ndarray
    hub: np.ndarray
    node_first: np.ndarray
    node_step: np.ndarray
    data: np.ndarray
    negligible: np.ndarray


@compiled
def unpack_nodes(ints, floats):
    """Views of the two arrays, by name."""
    i = ints[1:]
    return NodePlan(
        i[i[0] : i[1]],
        i[i[1] : i[2]],
        i[i[2] : i[3]],
        i[i[3] : i[4]],
        i[i[4] : i[5]],
        i[i[5] : i[6]],
        i[i[6] : i[7]],
        np.zeros(0, dtype=np.int64),
        i[i[7] : i[8]],
        i[i[8] : i[9]],
        i[i[9] : i[10]],
        i[i[10] : i[11]],
        i[i[11] : i[12]],
        i[i[12] : i[13]],
        floats[i[14] : i[15]],
        floats[i[15] : i[16]],
        floats[i[16] : i[17]],
        floats[i[17] : i[18]],
    )


@compiled
def shape(plan, f):
    """Nodes of the three variables of a factor, 1 for those that are not there."""
    a = plan.factor[FACTOR * f + 2 : FACTOR * f + 5]
    one = plan.node_count[a[0]]
    two = plan.node_count[a[1]] if a[1] >= 0 else 1
    three = plan.node_count[a[2]] if a[2] >= 0 else 1
    return one, two, three


@compiled
def place(plan, f, d, k):
    """Value of node k of variable d of a factor."""
    v = plan.factor[FACTOR * f + 2 + d]
    if v < 0:
        return 0.0
    return plan.node_first[v] + plan.node_step[v] * k


@compiled
def one_pair(plan, s):
    """The part of a step with one neighbour that is about both; -1 where there are others."""
    found = -1
    if plan.step[STEP * s + 1] != 1:
        return -1
    first = plan.step[STEP * s + 9]
    for k in range(first, first + plan.step[STEP * s + 8]):
        if plan.part[PART * k] in (PAIR, PAIR_MESSAGE):
            if found >= 0:
                return -1
            found = k
    return found


def order_of(count: int, factors: Sequence[NodeFactor]) -> tuple[Elimination, ...]:
    """The order in which a group's latent variables are summed out."""
    depth = [0] * count
    for _ in range(count):
        for f in factors:
            for v in f.explained:
                causes = [depth[c] + 1 for c in f.scope if c not in f.explained]
                depth[v] = max([depth[v], *causes])
    return elimination_order(count, [f.scope for f in factors], depth)


def _lines(
    factors: Sequence[NodeFactor], order: Sequence[Elimination]
) -> dict[Elimination, tuple[int, int]]:
    """Steps whose message depends on a linear predictor of two causes alone.

    By step: the factor, and which neighbour's lattice suits the predictor (a lattice can suit only
    one, and not move any more once another suits it).
    """
    out: dict[Elimination, tuple[int, int]] = {}
    suited: set[int] = set()
    still: set[int] = set()
    left = list(order)
    for step in order:
        left.remove(step)
        after = {o.variable for o in left}
        own = [
            k
            for k, f in enumerate(factors)
            if step.variable in f.scope and set(f.scope) - {step.variable} <= after
        ]
        joint = [k for k in own if len(factors[k].scope) > 1]
        below = any(len(o.neighbours) == 2 and o.neighbours[0] == step.variable for o in order)
        if len(step.neighbours) != 2 or len(joint) != 1 or below:
            continue
        f = factors[joint[0]]
        linear = all(sum(t.powers.values()) <= 1 and t.column < 0 for t in f.terms)
        causes = {v for t in f.terms for v in t.powers}
        if f.kind != STRUCTURAL or f.explained != (step.variable,) or len(f.scope) < 3:
            continue
        if not linear or step.variable in causes:
            continue
        free = [d for d in (0, 1) if step.neighbours[d] not in suited | still]
        if free:
            out[step] = joint[0], free[0]
            suited.add(step.neighbours[free[0]])
            still.add(step.neighbours[1 - free[0]])
    return out


class _Packer:
    """Collects the arrays of a plan, group after group."""

    def __init__(self) -> None:
        self.lists: dict[str, list] = {name: [] for name in (*INTEGER_FIELDS, *FLOAT_FIELDS)}
        self.tables = self.messages = self.products = self.rows = 0
        self.factors = self.steps = 0

    def group(self, group: NodeGroup, order: Sequence[Elimination]) -> None:
        """Add one group."""
        first_latent, first_factor = len(self.lists["node_count"]), self.factors
        first_step = self.steps
        lines = _lines(group.factors, order)
        suited = {step.neighbours[d] for step, (_, d) in lines.items()}
        wider = tuple(
            replace(n, count=math.ceil(SLACK * (n.count - 1)) + 1) if v in suited else n
            for v, n in enumerate(group.nodes)
        )
        group = replace(group, nodes=wider)
        for n in group.nodes:
            self.lists["node_count"].append(n.count)
            self.lists["node_first"].append(n.first)
            self.lists["node_step"].append(n.step)
        self.lists["chain"] += [e for chain in group.chains for e in chain]
        rank = {step.variable: i for i, step in enumerate(order)}
        at_step: dict[int, list[tuple[int, NodeFactor, tuple[int, ...]]]] = {}
        for k, factor in enumerate(group.factors):
            scope = tuple(sorted(factor.scope, key=rank.__getitem__))
            self._factor(factor, scope, first_latent, group)
            at_step.setdefault(scope[0], []).append((first_factor + k, factor, scope))
        below: dict[int, tuple[int, np.ndarray]] = {}  # step: its number, row by respondent
        for step in order:
            own = at_step.get(step.variable, [])
            from_below = [
                (s, below[v][0], below[v][1])
                for v, s in ((o.variable, o) for o in order)
                if v in below and step.variable in s.neighbours and s.neighbours[0] == step.variable
            ]
            rows = self._step(step, own, from_below, first_latent, group, step in lines)
            if step in lines:
                f, d = lines[step]
                self.lists["step"][10 - STEP] = 2 * (first_factor + f) + d
            below[step.variable] = (self.steps - 1, rows)
        for hub in group.hubs:
            self.lists["hub"] += [*hub.numbers, *(below[v][0] for v in hub.variables[:2])]
        assert self.steps - first_step == len(order)

    def _factor(
        self, factor: NodeFactor, scope: tuple[int, ...], first_latent: int, group: NodeGroup
    ) -> None:
        lists = self.lists
        size = int(np.prod([group.nodes[v].count for v in scope]))
        three = [first_latent + v for v in scope] + [-1] * (3 - len(scope))
        rows, columns = factor.data.shape
        structural = factor.kind == STRUCTURAL
        lists["factor"] += [factor.kind, len(scope), *three, rows, self.tables]
        lists["factor"] += [len(factor.terms), len(lists["term"]) // TERM, len(lists["data"])]
        lists["factor"] += [columns, len(factor.explained) if structural else factor.thresholds[1]]
        # structural: where explained (and variance) begin; they are filled alike
        lists["factor"] += [len(lists["variance"]), len(lists["explained"]) if structural else 0]
        lists["variance"] += list(factor.variances)
        if structural:
            lists["explained"] += [scope.index(v) for v in factor.explained]
        else:
            lists["factor"][-1] = factor.thresholds[0] * 2 + factor.link
        for t in factor.terms:
            powers = [t.powers.get(v, 0) for v in scope] + [0] * (3 - len(scope))
            lists["term"] += [t.element, *powers, t.column, t.target]
        lists["data"] += factor.data.ravel().tolist()
        self.tables += rows * size
        self.factors += 1

    def _step(
        self,
        step: Elimination,
        own: list[tuple[int, NodeFactor, tuple[int, ...]]],
        from_below: list[tuple[Elimination, int, np.ndarray]],
        first_latent: int,
        group: NodeGroup,
        line: bool,
    ) -> np.ndarray:
        """Add one step; returns the row of each respondent."""
        parts: list[tuple[int, int, int]] = []
        keys: list[np.ndarray] = []

        def which(other: tuple[int, ...]) -> int:
            return step.neighbours.index(other[1]) if len(other) == 2 else 2

        for number, factor, scope in own:
            alone = line and len(scope) == 1  # the table of a predictor is shared by itself
            if len(factor.data) == 1 and (factor.row_of == 0).all() and not alone:
                parts.append((SHARED, number, which(scope)))
                continue
            assert len(scope) < 3
            parts.append((UNARY if len(scope) == 1 else PAIR, number, which(scope)))
            keys.append(factor.row_of)
        for child, number, rows in from_below:
            unary = len(child.neighbours) == 1
            parts.append((MESSAGE if unary else PAIR_MESSAGE, number, which(child.neighbours)))
            keys.append(rows)
        n = len(group.members)
        table = np.column_stack(keys) if keys else np.zeros((n, 1), dtype=np.int64)
        used, inverse = np.unique(table, axis=0, return_inverse=True)
        inverse = inverse.ravel()
        count = len(used)
        lists = self.lists
        q = group.nodes[step.variable].count
        size = int(np.prod([group.nodes[v].count for v in step.neighbours]))
        two = [first_latent + v for v in step.neighbours] + [-1] * (2 - len(step.neighbours))
        lists["step"] += [first_latent + step.variable, len(step.neighbours), *two, count]
        lists["step"] += [self.messages, self.products, self.rows]
        terms = max((h.terms for h in group.hubs if step.variable in h.variables[:2]), default=1)
        lists["step"] += [len(parts), len(lists["part"]) // PART, -1, terms, 0]
        column = 0
        for what, number, neighbour in parts:
            lists["part"] += [what, number, neighbour, len(lists["row"])]
            if what != SHARED:
                lists["row"] += used[:, column].tolist()
                column += 1
        root = not step.neighbours
        weights = np.bincount(inverse, minlength=count) if root else np.zeros(count, dtype=int)
        lists["weight"] += weights.tolist()
        if root:
            pairs = np.column_stack([group.members, self.rows + inverse])
            lists["root"] += pairs.ravel().tolist()
        self.messages += count * size * terms
        self.products += count * q
        self.rows += count
        self.steps += 1
        return inverse


def pack_nodes(
    groups: Sequence[NodeGroup], respondents: int, *, negligible: float = NEGLIGIBLE
) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan of a model with its data, group after group."""
    packer = _Packer()
    for group in groups:
        packer.group(group, order_of(len(group.nodes), group.factors))
    fields = {name: np.array(values) for name, values in packer.lists.items()}
    fields["sizes"] = np.array(
        [
            packer.factors,
            packer.steps,
            packer.tables,
            packer.messages,
            packer.products,
            respondents,
            packer.rows,
            len(groups[0].nodes),
            DERIVED * sum(len(group.chains) + len(group.hubs) for group in groups),
        ]
    )
    fields["negligible"] = np.array([negligible])
    ints, floats = pack(fields, INTEGER_FIELDS, FLOAT_FIELDS)
    return np.concatenate([[MARK], ints]), floats
