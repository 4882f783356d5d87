"""What a path diagram shows: variables and relations, a panel a group, with their estimates."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import r_squared, standardised
from bayessem.syntax.expression import number_text
from bayessem.syntax.parameters import Parameter, ParameterTable
from bayessem.text.formats import interval_text
from bayessem.text.html import minus_signs
from bayessem.text.numbers import number

# Characters of a line of a label, and lines.
LINE, LINES = 20, 3
# Decimals of estimates.
DIGITS = 2


@dataclass(frozen=True)
class Node:
    """A variable.

    Attributes
    ----------
    name : str
        As the model has it; of a product "X:Z".
    kind : {"latent", "observed", "product"}
    text : str
        What is written: the name, or its label.
    parent : str
        The construct beside which it stands; "" for what is part of the structural model.
    r2 : float
        Explained share of its variance; nan where there is none or it is not known.
    """

    name: str
    kind: str
    text: str
    parent: str = ""
    r2: float = math.nan

    @property
    def note(self) -> str:
        """What is written below the name, "" for nothing."""
        return "" if math.isnan(self.r2) else f"R² = {minus_signs(number(self.r2, DIGITS))}"


@dataclass(frozen=True)
class Edge:
    """A relation.

    Attributes
    ----------
    source, target : str
        Names of nodes; of a covariance in no order.
    kind : {"loading", "weight", "path", "covariance", "factor"}
        "weight" goes from an item to its composite; "factor" joins a product with its factors.
    value, lower, upper : float
        The estimate with its interval; nan where it is not known, or fixed.
    size : float
        Its standardised value without sign; nan where it is not known.
    text : str
        What is written where there is no estimate: a label, a fixed value.
    """

    source: str
    target: str
    kind: str
    value: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    size: float = math.nan
    text: str = ""

    @property
    def covers_zero(self) -> bool:
        """Whether the interval has 0 in it."""
        return self.lower <= 0.0 <= self.upper

    @property
    def lines(self) -> tuple[str, ...]:
        """What is written at it: the estimate, and its interval below."""
        if math.isnan(self.value):
            return (self.text,) if self.text else ()
        ends = interval_text((self.lower, self.upper), DIGITS)
        written = (number(self.value, DIGITS), *([ends] if ends else []))
        return tuple(minus_signs(x) for x in written)


@dataclass(frozen=True)
class Panel:
    """The diagram of one group.

    Attributes
    ----------
    group : str
        Its name; "" for a model of one group.
    nodes : tuple of Node
    edges : tuple of Edge
    """

    group: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def _constructs(table: ParameterTable, group: int) -> list[str]:
    """The constructs of a group; those of a two-level model belong to one of its levels."""
    own = {r.lhs for r in table.rows if r.group == group}
    return [name for name in table.latent if name in own]


def model_panel(
    table: ParameterTable, group: int, *, covariances: bool, labels: Mapping[str, str]
) -> tuple[Panel, tuple[int, ...]]:
    """The diagram of one group without estimates, and the row of the table behind each edge.

    Edges that no row is behind (of products and their factors) have -1.
    """
    rows = [(k, r) for k, r in enumerate(table.rows) if r.group == group and is_drawn(r)]
    if not covariances:
        rows = [(k, r) for k, r in rows if r.op != "~~"]
    parents = _parents(table, [r for _, r in rows])
    factors = {name: tuple(dict.fromkeys(f)) for name, f in table.products}
    named = dict.fromkeys(
        x for _, r in rows for x in ((r.lhs, r.rhs) if r.op in ("=~", "<~") else (r.rhs, r.lhs))
    )
    products = [x for x in named if ":" in x]
    for product in products:
        factors.setdefault(product, tuple(dict.fromkeys(product.split(":"))))
    names = dict.fromkeys(
        [*named, *(f for p in products for f in factors[p]), *_constructs(table, group)]
    )
    nodes = tuple(
        Node(
            name,
            "product" if ":" in name else "latent" if name in table.latent else "observed",
            _wrapped(_product_text(name, labels) if ":" in name else labels.get(name, name)),
            parents.get(name, ""),
        )
        for name in names
    )
    edges = [_edge(r) for _, r in rows]
    dashed = [Edge(f, p, "factor") for p in products for f in factors[p]]
    panel = Panel(table.groups[group], nodes, (*edges, *dashed))
    return panel, (*(k for k, _ in rows), *(-1 for _ in dashed))


def fitted_panel(
    fit: Fitted,
    group: int,
    *,
    standardized: bool,
    covariances: bool,
    ci_prob: float,
    labels: Mapping[str, str],
) -> Panel:
    """The diagram of one group with posterior means and equal-tailed intervals."""
    prepared = fit.prepared
    panel, rows = model_panel(prepared.table, group, covariances=covariances, labels=labels)
    there = [k for k in rows if k >= 0]
    if not there:
        return panel
    std = standardised(prepared.structure, fit.elements)[..., there]
    # of variables without one variance all draws are nan
    size = {
        k: float(np.abs(np.mean(s[~np.isnan(s)]))) if (~np.isnan(s)).any() else math.nan
        for k, s in zip(there, np.moveaxis(std, -1, 0), strict=True)
    }
    draws = std if standardized else fit.row_draws[..., there]
    table = summarise(draws, ci_prob=ci_prob, quality=False).set_index(np.array(there))
    edges = []
    for edge, k in zip(panel.edges, rows, strict=True):
        if k < 0 or prepared.table.rows[k].slope:
            edges.append(edge)
            continue
        row = table.loc[k]
        fixed = not row["sd"] > 0.0
        ends = (math.nan, math.nan) if fixed else (float(row["lower"]), float(row["upper"]))
        edges.append(
            replace(
                edge, value=float(row["mean"]), lower=ends[0], upper=ends[1], size=float(size[k])
            )
        )
    outcomes = {e.target for e in panel.edges if e.kind == "path"}
    outcomes |= {n.name for n in panel.nodes if n.kind == "latent" and n.parent}
    share = r_squared(prepared.structure, fit.elements, group=group)
    nodes = tuple(
        replace(n, r2=float(np.nanmean(share[n.name])))
        if n.name in outcomes and n.name in share
        else n
        for n in panel.nodes
    )
    return Panel(panel.group, nodes, tuple(edges))


def latents_only(panel: Panel) -> Panel:
    """The panel without the indicators, and what is about them."""
    kept = tuple(n for n in panel.nodes if n.kind != "observed" or not n.parent)
    names = {n.name for n in kept}
    edges = tuple(e for e in panel.edges if e.source in names and e.target in names)
    return Panel(panel.group, kept, edges)


def is_drawn(row: Parameter) -> bool:
    """Loadings, paths and covariances that are not fixed at 0 or given by the sample."""
    if row.op not in ("=~", "<~", "~", "~~") or row.exogenous:
        return False
    if row.op == "~~" and row.lhs == row.rhs:
        return False
    return row.free >= 0 or row.value is None or row.value != 0.0 or bool(row.slope)


def _edge(row: Parameter) -> Edge:
    fixed = row.user and row.free < 0 and row.value is not None
    text = row.slope or row.label or (minus_signs(number_text(row.value or 0.0)) if fixed else "")
    if row.op == "=~":
        return Edge(row.lhs, row.rhs, "loading", text=text)
    if row.op in ("~", "<~"):
        return Edge(row.rhs, row.lhs, "path" if row.op == "~" else "weight", text=text)
    return Edge(row.lhs, row.rhs, "covariance", text=text)


def _parents(table: ParameterTable, rows: Sequence[Parameter]) -> dict[str, str]:
    """The construct beside which each indicator, and each dimension of a construct, stands.

    A dimension that has paths or covariances of its own is part of the structural model.
    """
    structural = {x for r in rows if r.op == "~" for x in (r.lhs, *r.rhs.split(":"))}
    structural |= {x for r in rows if r.op == "~~" for x in (r.lhs, r.rhs)}
    found: dict[str, str] = {}
    for row in rows:
        own = row.op in ("=~", "<~") and row.rhs not in found
        if own and not (row.rhs in table.latent and row.rhs in structural):
            found[row.rhs] = row.lhs
    return found


def _wrapped(text: str) -> str:
    """A label in lines; what is too long ends in dots."""
    lines = textwrap.wrap(text, LINE, max_lines=LINES, placeholder="...", break_on_hyphens=False)
    return "\n".join(lines) or text


def _product_text(name: str, labels: Mapping[str, str]) -> str:
    """A product for people: X², X × Z."""
    factors = name.split(":")
    texts = [labels.get(f, f) for f in factors]
    if len(set(factors)) == 1 and len(factors) in (2, 3):
        return texts[0] + ("²" if len(factors) == 2 else "³")
    return " × ".join(texts)
