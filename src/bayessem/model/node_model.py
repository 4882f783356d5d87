"""A model with answers that are not normal as factors over its latents, for the node engine.

Constructs are integrated over; observed variables are known, so that an equation of an observed
variable is the probability of an answer, and its effects on others are covariates of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bayessem.errors import DataError, NotSupported
from bayessem.likelihood.families import FAMILIES
from bayessem.likelihood.family_ordered import CODES
from bayessem.likelihood.junction import WIDEST, widest
from bayessem.likelihood.node_chain import chained, is_block
from bayessem.likelihood.node_hub import central, hubbed, stands_alone
from bayessem.likelihood.node_plan import (
    DERIVED,
    NORMAL,
    ORDERED,
    STRUCTURAL,
    Hub,
    NodeFactor,
    NodeGroup,
    Nodes,
    TermOf,
    apart,
    order_of,
)
from bayessem.model.data import Sample
from bayessem.model.structure import Place, Structure
from bayessem.syntax.responses import SHAPES
from bayessem.syntax.table import cycles

# Of a factor over nodes; numbers end at 709, and the posterior goes beyond the points looked at.
LARGEST_EXPONENT = 300.0


@dataclass(frozen=True)
class NodeModel:
    """The factors of every group; see `node_model`.

    Attributes
    ----------
    structure : Structure
        The model.
    latents : tuple of int
        Positions among `Structure.variables` of what is integrated over.
    factors : tuple of tuple of NodeFactor
        By group.
    members : tuple of ndarray
        Respondents by group.
    """

    structure: Structure
    latents: tuple[int, ...]
    factors: tuple[tuple[NodeFactor, ...], ...]
    members: tuple[np.ndarray, ...]

    @property
    def width(self) -> int:
        """Latent variables of a group; where there is none, one node carries all answers."""
        return max(len(self.latents), 1)

    @property
    def cliques(self) -> list[tuple[str, ...]]:
        """Names of the constructs of each table of nodes, in the order of the sums."""
        order = order_of(len(self.latents), self.factors[0]) if self.latents else ()
        names = [self.structure.variables[i] for i in self.latents]
        return [tuple(names[v] for v in (s.variable, *s.neighbours)) for s in order]

    @property
    def too_wide(self) -> str:
        """Why tables of nodes would be too large, in words; "" where they are not."""
        if not self.latents:
            return ""
        names = [self.structure.variables[i] for i in self.latents]
        order = order_of(len(self.latents), self.factors[0])
        clique = widest(order)
        if len(clique) > WIDEST + 1:
            shown = ", ".join(names[v] for v in clique)
            return (
                f"{self.structure.table.answers_said} need an integral over {len(clique)} "
                f"constructs at once ({shown}), and on nodes bayessem has {WIDEST + 1}"
            )
        for f in self.factors[0]:
            shown = ", ".join(names[v] for v in f.scope)
            if f.kind != STRUCTURAL and len(f.scope) > 2:
                return f"an observed variable depends on {len(f.scope)} constructs itself ({shown})"
            if f.kind == STRUCTURAL and len(f.data) > 1 and len(f.scope) > 2:
                return f"covariates explain constructs that depend on each other ({shown})"
        return ""

    def groups(
        self,
        nodes: Sequence[Sequence[Nodes]],
        elements: np.ndarray,
        units: tuple[np.ndarray, np.ndarray],
        *,
        terms: int = 0,
    ) -> list[NodeGroup]:
        """Ready to pack, with the nodes of each group's latent variables.

        elements : ndarray (point, elements)
            Flat model matrices at points of the posterior.
        units : (ndarray (point, latent variable of all groups), the same)
            Means and standard deviations that the nodes are in.
        terms : int
            Of the series of three covarying constructs about one of them (node_hub.py), where
            nothing else is about two of them; 0 for none.
        """
        out = []
        derived = elements.shape[-1]
        for g, (factors, own) in enumerate(zip(self.factors, nodes, strict=True)):
            ends = np.array([[n.first, n.first + n.step * n.count] for n in own])
            mean, sd = (u[:, g * len(own) : (g + 1) * len(own), None] for u in units)
            furthest = np.abs(mean + sd * ends).max(axis=2)
            parts = [
                p for f in factors for p in (apart(f) if _is_safe(f, furthest, elements) else (f,))
            ]
            order = order_of(len(own), factors) if own else ()
            final: list[NodeFactor] = []
            chains: list[tuple[int, ...]] = []
            hubs: list[Hub] = []
            for i, factor in enumerate(parts):
                equations: tuple[NodeFactor, ...] = (factor,)
                if is_block(factor):
                    others = [*final, *parts[i + 1 :]]
                    found = _about_hub(factor, others, len(own), elements, derived, terms)
                    if found is None:
                        equations, chain = chained(factor, order, derived)
                        chains.append(chain)
                    else:
                        equations, hub = found
                        hubs.append(hub)
                    derived += DERIVED
                final += equations
            out.append(
                NodeGroup(tuple(final), tuple(own), self.members[g], tuple(chains), tuple(hubs))
            )
        return out


def _about_hub(
    factor: NodeFactor,
    others: Sequence[NodeFactor],
    count: int,
    elements: np.ndarray,
    first: int,
    terms: int,
) -> tuple[tuple[NodeFactor, ...], Hub] | None:
    """A block about a hub, where that can be; see `NodeModel.groups` and `node_hub.hubbed`."""
    if not terms:
        return None
    equations, hub = hubbed(factor, central(factor, elements), first, terms)
    order = order_of(count, [*others, *equations])
    return (equations, hub) if stands_alone(hub, others, order) else None


def _is_safe(factor: NodeFactor, furthest: np.ndarray, elements: np.ndarray) -> bool:
    """Whether a normal answer of two constructs may be taken apart without numbers too large.

    furthest : ndarray (point, latent variable)
        Largest absolute value of any node.
    """
    if factor.kind != NORMAL or len(factor.scope) != 2:
        return False
    sizes = []
    for v in factor.scope:
        terms = [t for t in factor.terms if t.powers.get(v)]
        sizes.append(
            sum(np.abs(elements[:, t.element]) * furthest[:, v] ** t.powers[v] for t in terms)
        )
    exponent = sizes[0] * sizes[1] / elements[:, factor.variances[0]]
    return bool(np.max(exponent) < LARGEST_EXPONENT)


def node_model(structure: Structure, sample: Sample) -> NodeModel:
    """The factors of a model with its data, for the node engine.

    Raises
    ------
    NotSupported
        For what the node engine cannot do, in words.
    DataError
        For missing values of observed variables that others depend on.
    """
    model = factor_model(structure, sample)
    if model.too_wide:
        raise NotSupported(
            f"{model.too_wide}: take covariances between constructs out (orthogonal=True), put a "
            f"second-order construct above them, or leave {structure.table.declared} out"
        )
    return model


def factor_model(structure: Structure, sample: Sample) -> NodeModel:
    """The factors of a model with its data, however many constructs they are about.

    Raises
    ------
    NotSupported, DataError
        As `node_model`, but for what is too wide for it.
    """
    refuse_unknown(structure)
    builder = _Builder(structure, sample)
    factors = tuple(tuple(builder.group(g)) for g in range(len(sample.groups)))
    members = tuple(np.flatnonzero(sample.group == g) for g in range(len(sample.groups)))
    return NodeModel(structure, builder.latents, factors, members)


def refuse_unknown(structure: Structure) -> None:
    """Refuse what no factor of the node engine says.

    Raises
    ------
    NotSupported
        Naming the row.
    """
    table = structure.table
    loop = cycles(table)
    if loop:
        raise NotSupported(
            f"{' -> '.join(loop)} explain each other, which models with {table.answers_said} "
            "cannot have; drop one of the paths"
        )
    latent = set(table.latent)
    for k, place in structure.places.items():
        row = table.rows[k]
        zero = row.free < 0 and not row.value
        if row.op != "~~" or row.exogenous:
            continue
        if row.lhs == row.rhs:
            if row.lhs in table.responses.others:  # a dispersion, and none of a Poisson count
                if zero and table.responses.others[row.lhs] != "poisson":
                    raise NotSupported(
                        f"{row.name} is fixed at 0: without dispersion the family "
                        f"{table.responses.others[row.lhs]!r} is none; free it"
                        + (
                            " (a count without overdispersion is 'poisson')"
                            if table.responses.others[row.lhs] == "negative_binomial"
                            else ""
                        )
                    )
                continue
            if zero and row.lhs in latent:
                raise NotSupported(
                    f"construct {row.lhs!r} has no variance of its own ({row.name} is 0), which "
                    f"models with {table.answers_said} need; free it"
                )
            if zero and place.matrix in ("residuals", "disturbances"):
                raise NotSupported(
                    f"{row.lhs!r} is measured without error ({row.name} is 0), which models with "
                    f"{table.answers_said} cannot have; use {row.lhs} itself in the paths"
                )
        elif not zero and not {row.lhs, row.rhs} <= latent:
            raise NotSupported(
                f"{row.lhs} ~~ {row.rhs}: residuals of observed variables cannot covary in a model "
                f"with {table.answers_said}; write {row.lhs} ~~ 0*{row.rhs}, or measure "
                "what they share by a construct"
            )


class _Builder:
    """Makes the factors of the groups."""

    def __init__(self, structure: Structure, sample: Sample) -> None:
        self.structure, self.sample = structure, sample
        observed = structure.observed
        self.column = {
            i: observed.index(name)
            for i, name in enumerate(structure.variables)
            if name in observed
        }
        self.latents = tuple(i for i in range(len(structure.variables)) if i not in self.column)
        self.node = {i: v for v, i in enumerate(self.latents)}

    def group(self, group: int) -> Iterator[NodeFactor]:
        """The factors of one group."""
        for block in self._blocks:
            yield self._structural(block, group)
        exogenous = set(self.structure.table.exogenous)
        promoted = {self.column[i]: i for i in self.column}
        for c, name in enumerate(self.structure.observed):
            if name in exogenous:
                continue
            yield self._answer(c, promoted.get(c), group)

    @cached_property
    def _rows(self) -> dict[tuple[str, int], list[tuple[int, Place]]]:
        """Rows by matrix and group."""
        out: dict[tuple[str, int], list[tuple[int, Place]]] = {}
        for k, place in self.structure.places.items():
            row = self.structure.table.rows[k]
            if row.free >= 0 or row.value or row.exogenous:
                out.setdefault((place.matrix, place.group), []).append((k, place))
        return out

    @cached_property
    def _blocks(self) -> list[tuple[int, ...]]:
        """Latents whose disturbances covary, in any group, together; causes before effects."""
        block = {i: {i} for i in self.latents}
        for (matrix, _), rows in self._rows.items():
            for _, place in rows:
                if matrix == "disturbances" and place.i in block and place.j in block:
                    joined = block[place.i] | block[place.j]
                    for i in joined:
                        block[i] = joined
        left = sorted({tuple(sorted(own)) for own in block.values()})
        causes = {
            own: {
                self.latents[v]
                for i in own
                for g in range(len(self.sample.groups))
                for t, _ in self._terms(i, g, 0)
                for v in t.powers
            }
            - set(own)
            for own in left
        }
        out: list[tuple[int, ...]] = []
        while left:
            # blocks of which each causes the other are none of a cycle, and stand as they come
            open_ = [b for b in left if not any(causes[b] & set(other) for other in left)]
            out += open_ or left
            left = [b for b in left if b not in out]
        return out

    def _element(self, matrix: str, i: int, j: int, group: int) -> int:
        return self.structure.element(Place(matrix, i, j, group))[0]

    def _terms(self, i: int, group: int, target: int) -> list[tuple[TermOf, tuple[int, ...]]]:
        """Terms of the equation of a variable, each with the data columns it is times."""
        out: list[tuple[TermOf, tuple[int, ...]]] = []
        found: list[tuple[tuple[int, ...], int]] = [((), self._element("means", i, 0, group))]
        for matrix in ("paths", "products"):
            for k, place in self._rows.get((matrix, group), []):
                if place.i == i:
                    factors = (place.j,) if matrix == "paths" else self.structure.products[place.j]
                    found.append((factors, self.structure.element(self.structure.places[k])[0]))
        for factors, element in found:
            powers: dict[int, int] = {}
            data = tuple(self.column[j] for j in factors if j in self.column)
            for j in factors:
                if j in self.node:
                    powers[self.node[j]] = powers.get(self.node[j], 0) + 1
            out.append((TermOf(element, powers, target=target), data))
        return out

    def _structural(self, block: tuple[int, ...], group: int) -> NodeFactor:
        terms = [t for e, i in enumerate(block) for t in self._terms(i, group, e)]
        variances = tuple(self._element("disturbances", i, j, group) for i in block for j in block)
        explained = tuple(self.node[i] for i in block)
        zero = np.zeros(int((self.sample.group == group).sum()))
        factor = self._with_data(STRUCTURAL, zero, terms, group, explained)
        return replace(factor, variances=variances, explained=explained)

    def _answer(self, column: int, variable: int | None, group: int) -> NodeFactor:
        structure = self.structure
        name = structure.observed[column]
        if variable is not None:
            terms = self._terms(variable, group, 0)
            variance = self._element("disturbances", variable, variable, group)
        else:
            terms = [(TermOf(self._element("intercepts", column, 0, group)), ())]
            for k, place in self._rows.get(("loadings", group), []):
                if place.i == column:
                    element = structure.element(structure.places[k])[0]
                    terms.append((TermOf(element, {self.node[place.j]: 1}), ()))
            variance = self._element("residuals", column, column, group)
        answers = self.sample.values[self.sample.group == group, column]
        responses = structure.table.responses
        kind = ORDERED if name in responses.families else NORMAL
        beside = np.empty((len(answers), 0))
        if name in responses.others:
            kind = FAMILIES[responses.others[name]].kind
            beside = self.sample.beside[name].columns[self.sample.group == group]
        factor = self._with_data(kind, answers, terms, group, (), beside)
        if kind != ORDERED:
            shapes = len(SHAPES.get(responses.others.get(name, ""), ()))
            at = self._element("shapes", structure.shape_at[name], 0, group) if shapes else 0
            return replace(factor, variances=(variance,), thresholds=(at, shapes))
        first = self._element("thresholds", structure.threshold_at[name], 0, group)
        thresholds = (first, responses.thresholds[name])
        link = CODES[responses.link]
        return replace(factor, variances=(variance,), thresholds=thresholds, link=link)

    def _with_data(
        self,
        kind: int,
        answers: np.ndarray,
        terms: Sequence[tuple[TermOf, tuple[int, ...]]],
        group: int,
        explained: tuple[int, ...],
        beside: np.ndarray | None = None,
    ) -> NodeFactor:
        """A factor with its rows: the different answers with the covariates they come with.

        beside : ndarray (respondent, column)
            What belongs to the answers of a family; it stands between them and the covariates.
        """
        values = self.sample.values[self.sample.group == group]
        columns = [answers, *([] if beside is None else beside.T)]
        final: list[TermOf] = []
        at: dict[tuple[int, ...], int] = {}
        for term, data in terms:
            if data and data not in at:
                at[data] = len(columns)
                columns.append(np.prod(values[:, list(data)], axis=1))
            final.append(replace(term, column=at[data]) if data else term)
        table = np.column_stack(columns)
        known = ~np.isnan(answers)
        lost = known & np.isnan(table).any(axis=1)
        if lost.any():
            which = next(d for d, c in at.items() if np.isnan(columns[c][known]).any())
            names = ", ".join(self.structure.observed[c] for c in which)
            raise DataError(
                f"missing values of {names}, on which other variables depend: in a model with "
                f"{self.structure.table.answers_said} leave these respondents out "
                '(missing="listwise"), or impute them'
            )
        row_of = np.full(len(answers), -1, dtype=np.int64)
        if kind == ORDERED and len(columns) == 1:  # every category, whether or not it occurs
            rows = np.arange(np.max(answers, where=known, initial=0.0) + 1.0)[:, None]
            row_of[known] = answers[known].astype(np.int64)
        else:
            rows, inverse = np.unique(table[known], axis=0, return_inverse=True)
            row_of[known] = inverse.ravel()
        scope = {v for t in final for v in t.powers} | set(explained)
        if not scope:  # known altogether: a number that any latent variable may carry
            scope = {0}
        return NodeFactor(kind, tuple(sorted(scope)), tuple(final), rows, row_of, ())
