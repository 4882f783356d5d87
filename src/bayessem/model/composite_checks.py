"""Before sampling a model with composites: what their weights and their squares will be like."""

from __future__ import annotations

import numpy as np

from bayessem.model.composites import free_weights, item_covariances, starting_weights
from bayessem.model.findings import Finding
from bayessem.model.prepare import Prepared

# A fixed weight within so many standard errors of 0 is no scale.
SURE = 2.5
# Means of composites in products, in standard deviations, from which on centring is advised.
FAR = 2.0
TOPIC = "composite"


def composite_findings(prepared: Prepared) -> list[Finding]:
    """Items with the fixed weight that may have no part in it; squares of what is far from 0."""
    structure = prepared.structure
    if not structure.composites:
        return []
    _, values = starting_weights(structure, prepared.covariances)
    items = item_covariances(structure, prepared.sample)
    factors = {i for pair in structure.products for i in pair}
    out = []
    for c, weights, covariance in zip(structure.composites, values, items, strict=True):
        name = structure.variables[c.variable]
        group = prepared.table.groups[c.group]
        where = f" in group {group!r}" if group else ""
        own = [structure.observed[i] for i in c.items]
        unit = weights * np.sqrt(np.diag(covariance)) / np.sqrt(weights @ covariance @ weights)
        error = _errors(prepared, c.group, list(c.items), weights)
        rows = [prepared.table.rows[k] for k in c.weights]
        fixed = next(i for i, r in enumerate(rows) if r.free < 0 and r.value)
        free = any(r.free >= 0 for r in rows)
        if free and abs(unit[fixed]) < SURE * error[fixed]:
            better = own[int(np.argmax(np.abs(unit) / error))]
            message = (
                f"{own[fixed]!r}, whose weight in {name!r}{where} is fixed, may have no part in "
                f"it: its standardised weight is about {unit[fixed]:.2f} +- {error[fixed]:.2f}, so "
                "that unstandardised results about the composite have no certain scale or sign"
            )
            remedy = f"read the standardised ones, or fix another: {name} <~ 1*{better} + "
            remedy += " + ".join(f"NA*{x}" if x == own[fixed] else x for x in own if x != better)
            out.append(Finding(False, TOPIC, message, remedy))
        mean = float(weights @ prepared.means[c.group][list(c.items)])
        distance = abs(mean) / float(np.sqrt(weights @ covariance @ weights))
        if c.variable in factors and distance > FAR:
            message = (
                f"the mean of {name!r}{where}, a factor of a product, is {distance:.0f} standard "
                "deviations from 0, and its own path is its effect there, where no data are"
            )
            remedy = "centre its items: data[items] -= data[items].mean()"
            out.append(Finding(False, TOPIC, message, remedy))
    return out + _equal_paths(prepared)


def _equal_paths(prepared: Prepared) -> list[Finding]:
    """Equal paths of composites with weights of their own: equal in units that weights choose.

    The equality is met by weights as well as by paths: where the item whose weight is 1 may have
    little part in its composite, the posterior runs along that and cannot be sampled well.
    """
    structure = prepared.structure
    weights = {(c.group, c.variable): free_weights(structure, c) for c in structure.composites}
    found: dict[int, list[tuple[int, int]]] = {}
    for k, place in structure.places.items():
        row, key = prepared.table.rows[k], (place.group, place.j)
        if place.matrix == "paths" and row.free >= 0 and weights.get(key):
            found.setdefault(row.free, []).append(key)
    out = []
    for free, keys in found.items():
        if len({weights[key] for key in keys}) < 2:
            continue
        names = list(dict.fromkeys(structure.variables[v] for _, v in keys))
        message = (
            f"the paths {prepared.table.parameters[free]!r} of {' and '.join(names)} are equal in "
            "units of the items whose weights are 1, which is as much about those weights as about "
            "the effects: another item with the weight 1 is another model, and weights run off to "
            "meet the equality (expect divergences)"
        )
        remedy = (
            "leave the paths free and compare the standardised ones, as in "
            "fit.hypotheses('y ~ C > y ~ D', standardized=True), or fix the weights: "
            f"{names[0]} <~ 1*x1 + 1*x2"
        )
        out.append(Finding(False, TOPIC, message, remedy))
    return out


def _errors(prepared: Prepared, group: int, items: list[int], weights: np.ndarray) -> np.ndarray:
    """Rough standard errors of standardised weights: of a regression on what they explain best."""
    covariance = prepared.covariances[group]
    others = [i for i in range(len(covariance)) if i not in items]
    inside = covariance[np.ix_(items, items)]
    cross = covariance[np.ix_(items, others)]
    explained = cross @ np.linalg.solve(covariance[np.ix_(others, others)], cross.T)
    share = float(np.clip((weights @ explained @ weights) / (weights @ inside @ weights), 1e-6, 1))
    n = int((prepared.sample.group == group).sum())
    inflation = np.diag(inside) * np.diag(np.linalg.inv(inside))
    return np.sqrt((1.0 - share) / share * inflation / n)
