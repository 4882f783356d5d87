"""How many nodes, and where: from the model's own precision at given parameter values.

Sums over a lattice are exact up to terms 2 exp(-2 pi^2 k' S k) for whole numbers k, S the posterior
covariance of the latent variables in steps: 5e-9 with steps of a posterior standard deviation
(respondents whose posterior is narrower than most have up to 1e-5).
That is so of each variable, and of sums and differences of those in one table, which are the narrow
ones where variables correlate. Where a construct's disturbance is narrower than that, the step
suits what the answers say of it. The lattice covers 6.2 standard deviations to either side, and
what products of constructs reach beyond.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from bayessem.likelihood.families import BY_KIND, OWN
from bayessem.likelihood.family_ordered import VARIANCES, probabilities
from bayessem.likelihood.node_lattice import latent_moments
from bayessem.likelihood.node_plan import (
    NORMAL,
    STRUCTURAL,
    NodeFactor,
    NodeGroup,
    Nodes,
    order_of,
    pack_nodes,
    unpack_nodes,
)
from bayessem.model.data import Sample
from bayessem.model.node_model import NodeModel
from bayessem.model.structure import Structure, latent_values

# Steps in posterior standard deviations; standard deviations covered to either side; draws that say
# where a model's latent variables are, and at how many of them the precision is looked at.
STEP, REACH, DRAWS, POINTS = 1.0, 6.2, 6_000, 200
# Step over the width of what the answers say of a construct, where its disturbance is narrower:
# that is interpolated there (node_tables.py), to 1e-6 of its largest value.
FINE = 0.28
# Share of respondents who may be narrower than a step.
NARROW = 0.05
# Share of a posterior's points that may ask for more nodes.
TAIL = 0.05
LEAST, MOST = 11, 301
LINKS = ("probit", "logit")
# Of a model without constructs.
ONE_NODE = Nodes(0.0, 1.0, 1)


def choose_nodes(
    model: NodeModel, sample: Sample, elements: np.ndarray, *, finer: float = 1.0
) -> list[tuple[Nodes, ...]]:
    """The lattice of each group's latent variables at one point, or at points of a posterior.

    In standard deviations about means (node_lattice.py).

    Parameters
    ----------
    model : NodeModel
        The factors.
    sample : Sample
        The respondents.
    elements : ndarray (elements,) or (point, elements)
        Flat model matrices; of several points the lattice suits all but the twentieth that asks
        for most (a loading near 1 makes a construct's posterior narrow).
    finer : float
        Steps are divided by this, and a standard deviation more is covered when it is above 1.
    """
    points = np.atleast_2d(elements)
    if not model.latents:
        return [(ONE_NODE,) for _ in model.factors]
    units = np.array(latent_units(model, points)).reshape(2, len(points), -1, len(model.latents))
    out = []
    for g in range(len(model.factors)):
        found = np.array([_needed(model, sample, e, g, finer) for e in points])
        mean, sd = units[:, :, g]
        found[:, :2] = (found[:, :2] - mean[:, None]) / sd[:, None]
        found[:, 2] /= sd
        low, steps = np.quantile(found[:, [0, 2]], TAIL, axis=0)
        high = np.quantile(found[:, 1], 1.0 - TAIL, axis=0)
        counts = np.clip(np.ceil((high - low) / steps).astype(int) + 1, LEAST, MOST)
        out.append(
            tuple(
                Nodes(float(a), float((b - a) / (n - 1)), int(n))
                for a, b, n in zip(low, high, counts, strict=True)
            )
        )
    return out


def _needed(
    model: NodeModel, sample: Sample, elements: np.ndarray, group: int, finer: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower end, upper end and step of each latent variable's lattice at one point."""
    factors = model.factors[group]
    draws = _latents(model.structure, sample, elements, group)[:, model.latents]
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    precision = _precision(factors, elements, draws[:: DRAWS // POINTS], sd)
    steps = _steps(precision, factors, sd) / finer
    reach = REACH + (finer > 1.0)
    low, high = mean - reach * sd, mean + reach * sd
    if model.structure.products:
        low = np.minimum(low, draws.min(axis=0) - sd)
        high = np.maximum(high, draws.max(axis=0) + sd)
    return low, high, steps


def latent_units(model: NodeModel, elements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations that lattices are in, (point, latent variable of all groups).

    elements : ndarray (point, elements)
        Flat model matrices.
    """
    groups = [
        NodeGroup(
            tuple(f for f in factors if f.kind == STRUCTURAL),
            (ONE_NODE,) * model.width,
            members,
        )
        for factors, members in zip(model.factors, model.members, strict=True)
    ]
    plan = unpack_nodes.py_func(*pack_nodes(groups, 0))
    width = model.width
    mean = np.empty((len(elements), width * len(groups)))
    sd = np.empty_like(mean)
    covariance = np.empty((mean.shape[1], width))
    own = np.arange(mean.shape[1])
    for point, e in enumerate(elements):
        latent_moments(plan, e, mean[point], covariance)
        sd[point] = np.sqrt(covariance[own, own % width])
    return mean, sd


def _latents(structure: Structure, sample: Sample, elements: np.ndarray, group: int) -> np.ndarray:
    """Draws of all variables (draw, m) of a group, covariates as the respondents have them."""
    rng = np.random.default_rng(0)
    m = structure.matrices(elements, group)
    roots, vectors = np.linalg.eigh(m["disturbances"])
    root = vectors * np.sqrt(np.maximum(roots, 0.0))
    own = m["means"] + rng.standard_normal((DRAWS, len(roots))) @ root.T
    values = sample.values[sample.group == group]
    if len(values):
        rows = rng.integers(len(values), size=DRAWS)
        for name in structure.table.exogenous:
            i = structure.variables.index(name)
            own[:, i] = values[rows, sample.variables.index(name)]
    return latent_values(structure, m, own)


def _some_rows(factor: NodeFactor, n: int) -> np.ndarray:
    """Rows of a factor's data for n points; the same whenever they are asked for."""
    # a group may have lost all its respondents
    return np.random.default_rng(1).integers(max(len(factor.data), 1), size=n)


def _slopes(
    factor: NodeFactor, elements: np.ndarray, x: np.ndarray, equations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Means (point, equation) of a factor and their derivatives (point, equation, scope)."""
    row = _some_rows(factor, len(x))
    mean = np.zeros((len(x), equations))
    slope = np.zeros((len(x), equations, len(factor.scope)))
    for t in factor.terms:
        known = t.column >= 0 and len(factor.data)
        by = elements[t.element] * (factor.data[row, t.column] if known else 1.0)
        powers = [t.powers.get(v, 0) for v in factor.scope]
        mean[:, t.target] += by * np.prod(x**powers, axis=1)
        for d, p in enumerate(powers):
            if p:
                lower = [q - (e == d) for e, q in enumerate(powers)]
                slope[:, t.target, d] += by * p * np.prod(x**lower, axis=1)
    return mean, slope


def _information(factor: NodeFactor, elements: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Expected information of an answer about its linear predictor, (point,)."""
    variance = float(elements[factor.variances[0]])
    if factor.kind == NORMAL:
        return np.full(len(eta), 1.0 / variance)
    if factor.kind in BY_KIND:
        beside = np.zeros((len(eta), OWN - 1))
        if len(factor.data):
            beside = factor.data[_some_rows(factor, len(eta)), 1:OWN]
        return BY_KIND[factor.kind].information(beside, eta, *factor.numbers(elements))
    first, count = factor.thresholds
    thresholds = elements[first : first + count]
    scale = math.sqrt(variance / VARIANCES[factor.link])
    h = 1e-4 * scale
    up, down, p = (
        probabilities(LINKS[factor.link], thresholds, eta + d, scale) for d in (h, -h, 0.0)
    )
    slope = (up - down) / (2.0 * h)
    return np.sum(slope**2 / np.maximum(p, 1e-12), axis=1)


def _precision(
    factors: Sequence[NodeFactor], elements: np.ndarray, points: np.ndarray, sds: np.ndarray
) -> np.ndarray:
    """Precision of the latent variables given the answers near some points, (point, v, v).

    A disturbance counts as no narrower than the steps that its construct needs without it.
    """
    n, size = points.shape
    out = np.zeros((n, size, size))
    # what answers and the effects of a construct say of it, (point, v)
    said = np.zeros((n, size))
    structural = [f for f in factors if f.kind == STRUCTURAL]
    for factor in [*(f for f in factors if f.kind != STRUCTURAL), *reversed(structural)]:
        scope = list(factor.scope)
        r = max(len(factor.explained), 1)
        mean, slope = _slopes(factor, elements, points[:, scope], r)
        if factor.kind != STRUCTURAL:
            information = _information(factor, elements, mean[:, 0])
            # a point of the model lies somewhere; an answer may lie where it says most
            information = np.maximum(information, np.median(information))
            part = information[:, None, None] * slope[:, 0, :, None] * slope[:, 0, None, :]
            said[:, scope] += np.diagonal(part, axis1=1, axis2=2)
            out[np.ix_(range(n), scope, scope)] += part
            continue
        covariance = elements[list(factor.variances)].reshape(r, r)
        if r == 1 and len(scope) > 1:
            own = factor.explained[0]
            known = 1.0 / np.maximum(said[:, own], 1e-12)
            said[:, scope] += slope[:, 0] ** 2 / (covariance[0] + known[:, None])
            width = min(math.sqrt(np.quantile(known, NARROW)), sds[own])
            covariance = np.maximum(covariance, (FINE * width) ** 2)
        for e, v in enumerate(factor.explained):
            slope[:, e, scope.index(v)] -= 1.0
        weight = np.linalg.inv(covariance)
        part = np.einsum("nea,ef,nfb->nab", slope, weight, slope)
        out[np.ix_(range(n), scope, scope)] += part
    return out


def _steps(precision: np.ndarray, factors: Sequence[NodeFactor], sds: np.ndarray) -> np.ndarray:
    """Largest step of each latent variable that keeps the sums exact, (v,)."""
    covariance = np.linalg.inv(precision)
    own_variance = _narrow(np.diagonal(covariance, axis1=1, axis2=2))
    steps = STEP * np.sqrt(own_variance)
    steps = np.minimum(steps, sds)
    order = order_of(len(sds), factors)
    for step in order:
        clique = [step.variable, *step.neighbours]
        own = covariance[:, clique][:, :, clique]
        for signs in itertools.product((-1.0, 0.0, 1.0), repeat=len(clique)):
            k = np.array(signs) / steps[clique]
            # k and -k are the same
            if np.count_nonzero(signs) > 1 and signs[np.flatnonzero(signs)[0]] > 0.0:
                narrow = float(_narrow((own @ k) @ k))
                if narrow < 1.0 / STEP**2:
                    shrink = math.sqrt(max(narrow, 1e-4)) * STEP
                    moved = [v for v, s in zip(clique, signs, strict=True) if s]
                    steps[moved] *= shrink
    return steps


def _narrow(values: np.ndarray) -> np.ndarray:
    """What all but the NARROW share of points (point, ...) exceed."""
    place = int(NARROW * len(values))
    return np.partition(values, place, axis=0)[place]
