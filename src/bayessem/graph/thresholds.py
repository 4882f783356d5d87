"""Thresholds of ordered variables in PyMC: shares of categories, from which thresholds follow.

Their default prior is about the shares that a normal latent response gives the categories, so the
shares are the random variable (Dirichlet), and thresholds are normal quantiles of their sums times
the standard deviation of the latent response (posterior/thresholds.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable
from scipy.special import ndtr

from bayessem.model.data import Sample
from bayessem.model.space import Space
from bayessem.model.structure import Structure
from bayessem.posterior.answers import threshold_fields
from bayessem.posterior.thresholds import ITEM


@dataclass(frozen=True)
class Item:
    """An ordered variable whose thresholds have a joint prior.

    Attributes
    ----------
    variable : str
    members : tuple of int
        Coordinates of its thresholds.
    alpha : float
        Of the Dirichlet distribution.
    loadings : tuple of (int, float)
        Coordinate of each loading (-1: fixed) and the standard deviation it is multiplied by.
    """

    variable: str
    members: tuple[int, ...]
    alpha: float
    loadings: tuple[tuple[int, float], ...]

    def scale(self, value: Any) -> Any:
        """Standard deviation of the latent response from values by coordinate, of any kind."""
        total: Any = 1.0
        for k, by in self.loadings:
            total = total + (by if k < 0 else by * value[k]) ** 2
        return total**0.5

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Shares (..., C) of the categories at values (..., D) of the coordinates."""
        scale = np.asarray(self.scale(np.moveaxis(values, -1, 0)))
        kappa = values[..., list(self.members)] / scale[..., None]
        edge = np.ones((*kappa.shape[:-1], 1))
        below = np.concatenate([0.0 * edge, ndtr(kappa), edge], axis=-1)
        return np.diff(below, axis=-1)

    def log_jacobian(self, values: np.ndarray) -> float:
        """Log of the derivatives of the shares by the thresholds at values (D,)."""
        scale = self.scale(values)
        kappa = values[list(self.members)] / scale
        return float(np.sum(-0.5 * kappa**2 - 0.5 * np.log(2.0 * np.pi) - np.log(scale)))


def items_of(space: Space, structure: Structure, sample: Sample) -> tuple[Item, ...]:
    """The ordered variables of a model whose thresholds have a joint prior."""
    if not structure.table.ordered:
        return ()
    fields = threshold_fields(space, structure, sample)
    out, at = [], 0
    rows = np.reshape(fields["item_at"], (-1, ITEM)).astype(int)
    for (first, count, _, loadings), alpha in zip(rows, fields["item_alpha"], strict=True):
        which = fields["item_loading"][at : at + loadings].astype(int).tolist()
        by = fields["item_by"][at : at + loadings].tolist()
        at += loadings
        if alpha > 0:
            members = tuple(range(first, first + count))
            name = space.names[first].split("|")[0]
            out.append(Item(name, members, float(alpha), tuple(zip(which, by, strict=True))))
    return tuple(out)


def quantiles(shares: TensorVariable) -> TensorVariable:
    """Normal quantiles (C - 1,) of the sums of shares (C,)."""
    below = pt.cumsum(shares)[:-1]
    return np.sqrt(2.0) * pt.erfinv(2.0 * below - 1.0)
