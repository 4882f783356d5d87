"""How respondents were sampled: weights, and clusters that the model says nothing about.

Weights stand for how many of the population a respondent stands for; scaled to sum to the number of
respondents they make a pseudo-likelihood, whose maximum is that of the population but whose
curvature is not its accuracy: that takes the variance of the scores, by cluster where respondents
were drawn in clusters (Williams & Savitsky 2021, doi:10.1111/insr.12376).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import DataError, NotSupported
from bayessem.model.columns import number_column
from bayessem.model.group_column import present_groups, require_group
from bayessem.model.structure import Structure

if TYPE_CHECKING:
    import pandas as pd

# Relative distance of the sum of the weights from the number of respondents that is rounding.
SCALED = 1e-12


@dataclass(frozen=True)
class Design:
    """Weights and clusters of the respondents of a model without levels.

    Attributes
    ----------
    weights : ndarray (respondent,) or None
        Sampling weights; without any all respondents count once.
    column : str
        Where the data have them, "" without any.
    code : ndarray (respondent,) or None
        Position of each respondent's cluster; without clusters respondents are independent.
    cluster : str
        Column of the clusters, "" without any.
    """

    weights: np.ndarray | None = None
    column: str = ""
    code: np.ndarray | None = None
    cluster: str = ""

    def kept(self, keep: np.ndarray) -> Design:
        """Of the respondents in a mask or at positions."""
        code = None
        if self.code is not None:
            code = np.unique(self.code[keep], return_inverse=True)[1]
        return replace(
            self, weights=None if self.weights is None else self.weights[keep], code=code
        )

    def scaled(self) -> Design:
        """With weights that sum to the number of respondents."""
        if self.weights is None:
            return self
        ratio = len(self.weights) / float(self.weights.sum())
        return self if abs(ratio - 1.0) < SCALED else replace(self, weights=self.weights * ratio)

    def score_products(self, scores: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Estimated variance of the weighted sum of respondents' scores, (D, D).

        By clusters with the factor J / (J - 1) for the J clusters of a group, as lavaan has it
        (Zeileis, Koell & Graham 2020, doi:10.18637/jss.v095.i01); for independent respondents
        without.

        Parameters
        ----------
        scores : ndarray (D, respondent)
        group : ndarray (respondent,)
            Position of each one's group.
        """
        if self.weights is not None:
            scores = scores * self.weights
        if self.code is None:
            return scores @ scores.T
        total = np.zeros((int(self.code.max()) + 1, len(scores)))
        for g in np.unique(group):
            own = group == g
            count = len(np.unique(self.code[own]))
            np.add.at(total, self.code[own], scores[:, own].T * np.sqrt(count / max(count - 1, 1)))
        return total.T @ total

    @property
    def said(self) -> str:
        """What it is, in words."""
        parts = []
        if self.weights is not None:
            effective = float(self.weights.sum() ** 2 / (self.weights**2).sum())
            parts.append(
                f"weighted by {self.column!r} ({self.weights.min():.2f} to "
                f"{self.weights.max():.2f}, mean 1; as informative as {effective:.0f} respondents "
                "of equal weight)"
            )
        if self.code is not None:
            parts.append(f"in {int(self.code.max()) + 1} clusters of {self.cluster!r}")
        return " and ".join(parts)


def read_design(
    data: pd.DataFrame, keep: np.ndarray, *, weights: str | None, cluster: str | None
) -> Design | None:
    """The design of the rows to keep (a mask), None where neither weights nor clusters are given.

    Raises
    ------
    DataError
        For weights that are missing, negative, infinite or all 0, a column that is not there, and a
        single cluster.
    """
    if weights is None and cluster is None:
        return None
    values, code = None, None
    if weights is not None:
        values = number_column(data, weights, "weights")[keep]
        _check_weights(values, weights)
    if cluster is not None:
        code = present_groups(require_group(data, cluster, argument="cluster"), cluster)[1][keep]
        code = np.unique(code, return_inverse=True)[1]
        if code.max(initial=0) < 1:
            raise DataError(
                f"{cluster!r} has 1 cluster: how much clusters differ takes several of them; leave "
                "cluster= out"
            )
    return Design(values, weights or "", code, cluster or "")


def _check_weights(values: np.ndarray, name: str) -> None:
    """Refuse what is no weight."""
    for bad, what in (
        (np.isnan(values), "missing"),
        (np.isinf(values), "infinite"),
        (values < 0, "negative"),
    ):
        count = int(bad.sum())
        if count:
            raise DataError(
                f"{name!r} is {what} for {count} respondent{'s' * (count != 1)}; a weight is how "
                "many of the population a respondent stands for: leave respondents without one out"
            )
    if not values.any():
        raise DataError(f"{name!r} is 0 for all respondents; nobody would count")


def check_design(structure: Structure, *, weights: str | None, cluster: str | None) -> None:
    """Refuse weights where the likelihood does not have them.

    Raises
    ------
    NotSupported
        With levels, ordered answers, or products of constructs.
    """
    table = structure.table
    if weights is None and (cluster is None or table.levels > 1):
        return
    what = "weights=" if weights is not None else "cluster= without levels"
    if table.levels > 1:
        raise NotSupported(
            "weights= is not there yet for two-level models, whose clusters and respondents would "
            "need weights of their own; leave it out, or use the model without levels "
            "(weights=, cluster=), whose standard errors are robust to clusters"
        )
    if table.answered:
        raise NotSupported(
            f"{what} is not there yet for {table.answers_said}; leave it out, or leave "
            f"{table.declared} out to treat the answers as numbers"
        )
    if structure.products and set(structure.observed_factors) != {
        i for factors in structure.products for i in factors
    }:
        raise NotSupported(
            f"{what} is not there yet for products of constructs; products of observed variables "
            "have it"
        )


def refuse_design(design: Design | None, what: str) -> None:
    """Refuse what counts respondents alike for a fit in which they do not.

    Parameters
    ----------
    design : Design or None
        Of the sample.
    what : str
        What was asked for, as the beginning of a sentence.

    Raises
    ------
    NotSupported
        Naming it, for a sample with a design.
    """
    if design is not None:
        raise NotSupported(
            f"{what} compares the model with respondents who count alike, which is not there yet "
            f"for a sample that is {design.said}; there are summary, r2, effects, mediation, "
            "shapes, scores, measurement and predictions, and ml for maximum likelihood"
        )
