"""Items that do not belong to their construct, and slips of structure and of products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bayessem.model.findings import Finding
from bayessem.model.prepare import Prepared
from bayessem.syntax.parameters import Parameter

# Correlations below this say that two items have nothing in common, if they are not told from 0.
UNRELATED = 0.1


def sample_correlations(prepared: Prepared) -> np.ndarray:
    """Correlations of the observed variables within groups, (p, p)."""
    sizes = np.bincount(prepared.sample.group, minlength=len(prepared.covariances))
    covariance = np.average(prepared.covariances, axis=0, weights=sizes)
    sd = np.sqrt(np.diag(covariance))
    return covariance / np.outer(sd, sd)


def measurement_findings(prepared: Prepared) -> list[Finding]:
    """Items that run against the others or have nothing to do with them, and slips of structure."""
    return [
        *_item_findings(prepared),
        *_bifactor_findings(prepared),
        *_main_effect_findings(prepared),
    ]


def own_loadings(prepared: Prepared, construct: str) -> list[Parameter]:
    """The rows of a construct's loadings on observed variables, in the first group."""
    table = prepared.table
    return [
        r
        for r in table.rows
        if r.op == "=~" and r.lhs == construct and r.group == 0 and r.rhs in table.observed
    ]


def _item_findings(prepared: Prepared) -> Iterator[Finding]:
    """Items turned round, and items that correlate with no other item of their construct.

    Constructs whose loadings are all given (growth, random intercepts) say themselves how their
    items hang together, and an item of several constructs belongs to none of them alone.
    """
    table, n = prepared.table, prepared.sample.size
    correlation = sample_correlations(prepared)
    measured = [r.rhs for r in table.rows if r.op == "=~" and r.group == 0]
    least = max(UNRELATED, 2.0 / np.sqrt(n))
    for construct in table.latent:
        own = own_loadings(prepared, construct)
        if len(own) < 2 or all(r.free < 0 for r in own):
            continue
        names = [r.rhs for r in own]
        columns = [table.observed.index(x) for x in names]
        among = correlation[np.ix_(columns, columns)] - np.eye(len(columns))
        lone = [
            i
            for i, x in enumerate(names)
            if measured.count(x) == 1 and np.abs(among[i]).max() < least
        ]
        if len(lone) == len(names):
            yield Finding(
                False,
                "unrelated items",
                f"the items of {construct!r} do not correlate ({', '.join(map(repr, names))}: at "
                f"most {np.abs(among).max():.2f})",
                "they do not measure one thing: look at their wording, coding and order of columns",
            )
            continue
        for i in lone:
            yield Finding(
                False,
                "unrelated item",
                f"{names[i]!r} correlates with no other item of {construct!r} (at most "
                f"{np.abs(among[i]).max():.2f})",
                "its loading will be near 0: look at its wording and coding, or leave it out",
            )
        yield from _turned(prepared, construct, own, among, lone)


def _turned(
    prepared: Prepared, construct: str, own: list[Parameter], among: np.ndarray, lone: list[int]
) -> Iterator[Finding]:
    """Items, not the marker, that correlate negatively with most others of their construct."""
    if len(own) < 3:
        return
    marker = next((i for i, r in enumerate(own) if r.free < 0 and r.value), 0)
    sign = np.sign(np.linalg.eigh(among + np.eye(len(own)))[1][:, -1])
    sign *= np.sign(sign.sum()) or 1.0  # what most items say is positive
    if 2 * (sign < 0).sum() >= len(own):
        return
    for i, row in enumerate(own):
        signed = row.free < 0 or row.upper <= 0.0
        if i == marker or i in lone or sign[i] >= 0 or signed:
            continue
        item = row.rhs
        column = prepared.sample.values[:, prepared.sample.variables.index(item)]
        ends = np.nanmin(column) + np.nanmax(column)
        turned = f"data[{item!r}] = {ends:.6g} - data[{item!r}]"
        if item in prepared.table.ordered:  # the column here is scores, not what the data hold
            turned = f"reverse the order of the categories of {item!r}"
        yield Finding(
            False,
            "reverse-keyed item",
            f"{item!r} correlates negatively with the other items of {construct!r}: its loading "
            "will be negative",
            f"where that is its wording, all is well; to turn it round: {turned}",
        )


def _bifactor_findings(prepared: Prepared) -> Iterator[Finding]:
    """A general construct beside constructs of the same items that may covary with it."""
    table = prepared.table
    items = {name: {r.rhs for r in own_loadings(prepared, name)} for name in table.latent}
    free = {frozenset((r.lhs, r.rhs)) for r in table.rows if r.op == "~~" and r.free >= 0}
    for general, all_items in items.items():
        parts = [x for x, own in items.items() if x != general and own and own < all_items]
        tied = [x for x in parts if frozenset((general, x)) in free]
        if len(parts) < 2 or not tied:
            continue
        yield Finding(
            False,
            "bifactor model?",
            f"{general!r} measures all items of {', '.join(map(repr, parts))}, and covaries with "
            f"{', '.join(map(repr, tied))}",
            "a bifactor model has constructs that do not covary: SEM(model, orthogonal=True)",
        )


def _main_effect_findings(prepared: Prepared) -> Iterator[Finding]:
    """Products whose factors do not predict the same outcome."""
    table = prepared.table
    factors = dict(table.products)
    rows = [r for r in table.rows if r.op == "~" and r.group == 0]
    exact = {r.lhs for r in table.rows if r.op == "~~" and r.lhs == r.rhs and r.value == 0.0}
    for row in rows:
        if row.rhs not in factors or row.lhs in exact:  # a square under a name of its own
            continue
        there = {r.rhs for r in rows if r.lhs == row.lhs}
        absent = [x for x in dict.fromkeys(factors[row.rhs]) if x not in there]
        if absent:
            yield Finding(
                False,
                "no main effect",
                f"{row.rhs!r} predicts {row.lhs!r} without {' and '.join(map(repr, absent))}: the "
                "product takes over what the variable does by itself",
                f"add {row.lhs} ~ {' + '.join(absent)} (0*{absent[0]} says that it is left out "
                "on purpose)",
            )
