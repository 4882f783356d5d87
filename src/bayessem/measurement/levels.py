"""Measurement in two-level models: the constructs of a level, reliability of cluster means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayessem.measurement.constructs import Construct, indicator_moments
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure
from bayessem.results.reliability import composite_reliability
from bayessem.results.standardize import model_moments, moved_names


def level_constructs(
    structure: Structure, constructs: Sequence[Construct], block: int
) -> tuple[Construct, ...]:
    """Constructs that are measured in a block, without those that random slopes lead to there."""
    measured = {r.lhs for r in structure.table.rows if r.op == "=~" and r.group == block}
    moved = () if block % 2 else moved_names(structure)
    return tuple(c for c in constructs if c.name in measured and c.name not in moved)


def cluster_means_reliability(
    prepared: Prepared, elements: np.ndarray, constructs: Sequence[Construct], block: int
) -> dict[str, np.ndarray]:
    """Reliability of the observed cluster means of a level 2 construct's items, (chain, draw).

    Parameters
    ----------
    prepared : Prepared
        The model with its data.
    elements : ndarray (chain, draw, elements)
        Draws of the flat model matrices.
    constructs : sequence of Construct
        Those of the block.
    block : int
        Which block; () for one of level 1.

    Notes
    -----
    Lai (2021), doi:10.1037/met0000287. Of constructs whose items are all at both levels.
    """
    structure, table, clusters = prepared.structure, prepared.table, prepared.sample.clusters
    assert clusters is not None
    if not block % 2:
        return {}
    own = prepared.sample.group[clusters.first()] == block - 1
    size = 1.0 / np.mean(1.0 / clusters.sizes[own])  # harmonic mean
    inner, outer = (model_moments(structure, elements, group=g) for g in (block - 1, block))
    matrices = structure.matrices(elements, block)
    split, moved = set(table.split), set(moved_names(structure))
    out = {}
    for c in constructs:
        if len(c.indicators) < 2 or not set(c.indicators) <= split - moved:
            continue
        at = [structure.observed.index(name) for name in c.indicators]
        loadings, between = indicator_moments(structure, matrices, outer, c)
        within = inner.observed_covariance[..., at, :][..., :, at]
        j = structure.variables.index(c.name)
        variance = outer.latent_covariance[..., j, j]
        out[c.name] = composite_reliability(loadings, variance, between + within / size)
    return out
