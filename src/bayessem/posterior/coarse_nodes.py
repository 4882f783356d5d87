"""A lattice for chains, coarser than one that is exact: its draws are weighted (reweighting.py).

A gradient is needed thousands of times, the exact likelihood once a draw. Weights of draws are
nearly alike where the coarse log-likelihood, of all respondents, is off by nearly the same
everywhere; by how much it is at any one point does not matter. That is measured at points of the
approximate posterior. Each latent variable's lattice by itself is given the widest steps that add
no more than its share to the spread: what others nearly determine bears much wider ones than what
few and sharp items measure. Three covarying constructs have a series about one of them, where few
terms are enough, in place of sums over pairs of patterns (node_hub.py).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bayessem.likelihood.node_plan import Nodes, unpack_nodes
from bayessem.model.answer_engine import answer_engine
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.posterior.answers import packed_nodes
from bayessem.posterior.assemble import respondent_order
from bayessem.posterior.density import Density
from bayessem.posterior.node_choice import choose_nodes

# Steps in those of an exact lattice, one after the other, and how often all are drawn in again.
LADDER, RETREATS = (1.25, 1.5, 1.75, 2.0, 2.5, 3.0), 3
# Standard deviation of the error of all respondents' log-likelihood between points. A value that
# ripples by more than its gradient knows shortens the steps of chains: with .09 to .53 in place of
# .61 (the same 7 steps a draw), with .25 to .17 (133 steps a draw), in a model of 31 parameters.
SPREAD = 0.05
# Terms of a series, one number after the other. (With two, sums were negative at some points.)
SERIES = (3, 5, 7)
# What is left out of the sums, beside all (node_plan.NEGLIGIBLE).
NEGLIGIBLE = 1e-7


def coarse_density(
    density: Density, structure: Structure, sample: Sample, near: np.ndarray, tried: np.ndarray
) -> Density | None:
    """The density on the coarsest lattice of which weighted draws are as good; None: there is none.

    Parameters
    ----------
    density : Density
        On an exact lattice.
    structure, sample : Structure, Sample
        The model and its data.
    near, tried : ndarray (point, D)
        Natural parameters where lattices are chosen, and where they are compared.
    """
    _, model = answer_engine(structure, sample)
    where, order = density.elements(near), respondent_order(sample)
    nodes = choose_nodes(model, sample, where)
    exact = density.respondent_log_likelihood(tried).sum(axis=1)

    count, terms, left = len(model.latents), 0, 0.0

    def on(factors: np.ndarray, terms: int) -> Density:
        lattice = [tuple(map(_coarser, own, factors)) for own in nodes]
        plan = packed_nodes(
            model, sample, order, where, lattice, negligible=NEGLIGIBLE, terms=terms
        )
        return replace(density, ints=plan[0], floats=plan[1])

    def spread(coarse: Density) -> float:
        change = coarse.respondent_log_likelihood(tried).sum(axis=1) - exact
        return float(change.std()) if np.isfinite(change).all() else math.inf

    for some in SERIES if count > 2 else ():
        short = on(np.ones(count), some)
        if not unpack_nodes.py_func(short.ints, short.floats).hub.size:
            break
        change = spread(short)
        if change < SPREAD:
            terms, left = some, change  # what a series leaves out is no matter of the lattice
            break
    factors = np.ones(count)
    for v in range(count):
        for wider in LADDER:
            coarse = on(np.where(np.arange(count) == v, wider, 1.0), terms)
            if spread(coarse) > math.hypot(left, SPREAD / math.sqrt(count)):
                break
            factors[v] = wider
    for _ in range(RETREATS):
        if (factors == 1.0).all() and not terms:
            break
        coarse = on(factors, terms)
        if spread(coarse) < math.hypot(left, SPREAD):
            return coarse
        factors = 1.0 + 0.5 * (factors - 1.0)
    return None


def _coarser(nodes: Nodes, by: float) -> Nodes:
    """Fewer nodes over the same range."""
    gaps = max(math.ceil((nodes.count - 1) / by), 2)
    return Nodes(nodes.first, nodes.step * (nodes.count - 1) / gaps, gaps + 1)
