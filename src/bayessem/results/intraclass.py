"""Intraclass correlations and design effects of a two-level model, from draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayessem.arguments import check_shared
from bayessem.errors import NotSupported
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import model_moments, moved_names
from bayessem.text.columns import column, intervals
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Notes, Table
from bayessem.text.formats import percent_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class IntraclassCorrelations(Described):
    """How much of each variable lies between clusters; `print` it.

    Attributes
    ----------
    table : DataFrame
        A row a variable at both levels (and group): `icc` (mean), `sd`, `lower`, `upper`;
        `design_effect`, its mean; `within` and `between`, the mean variances of the two levels.
    cluster_size : float
        Respondents of a cluster, on average.
    clusters : int
        How many.
    ci_prob : float
        Probability of the equal-tailed intervals.
    left_out : tuple of str
        Variables that random slopes lead to, whose share depends on the predictors' values.
    """

    table: pd.DataFrame
    cluster_size: float
    clusters: int
    ci_prob: float
    left_out: tuple[str, ...] = ()

    def document(self) -> Document:
        """The table, and what a design effect is."""
        t = self.table
        names = t["variable"] + (" [" + t["group"] + "]" if "group" in t else "")
        return Document.of(
            Table(
                (
                    Column("", names.tolist()),
                    column(t, "icc", "ICC"),
                    intervals(t, percent_text(self.ci_prob)),
                    column(t, "design_effect", "design effect"),
                    column(t, "within"),
                    column(t, "between"),
                ),
                "Intraclass correlations",
            ),
            Notes(
                (
                    f"ICC: share of the variance between the {self.clusters} clusters. Design "
                    "effect: 1 + (n - 1) ICC with clusters of n = "
                    f"{self.cluster_size:.1f} respondents, the factor by which a variance of a "
                    "mean exceeds that of independent respondents.",
                    *(
                        f"Left out, since with random slopes the share depends on the predictors' "
                        f"values: {', '.join(self.left_out)}."
                        for _ in self.left_out[:1]
                    ),
                )
            ),
        )


@check_shared
def intraclass_correlations(fit: Fitted, *, ci_prob: float = 0.95) -> IntraclassCorrelations:
    """Model-implied intraclass correlations of the variables at both levels.

    Arguments, result and errors: `Fit.icc`.
    """
    import pandas as pd

    structure, table = fit.prepared.structure, fit.prepared.table
    clusters = fit.prepared.sample.clusters
    if clusters is None:
        raise NotSupported(
            "intraclass correlations are about clusters: write the model with 'level: 1' and "
            "'level: 2' and fit it with cluster="
        )
    moved = moved_names(structure)
    names = [name for name in table.split if name not in moved]
    if moved and not names:
        raise NotSupported(
            f"{', '.join(moved)}: with random slopes ({', '.join(table.slopes)}) the share of the "
            "variance between clusters depends on the predictors' values; fit the model without "
            "rv() for intraclass correlations"
        )
    at = [table.observed.index(name) for name in names]
    frames = []
    for g, label in enumerate(clusters.groups):
        inner, outer = (
            np.diagonal(
                model_moments(structure, fit.elements, group=2 * g + level).observed_covariance,
                axis1=-2,
                axis2=-1,
            )[..., at]
            for level in range(2)
        )
        share = outer / (inner + outer)
        size = _mean_size(fit, g)
        frame = summarise(share, ci_prob=ci_prob, quality=False)[["mean", "sd", "lower", "upper"]]
        frame = frame.rename(columns={"mean": "icc"})
        frame.insert(0, "variable", names)
        if len(clusters.groups) > 1:
            frame.insert(1, "group", label)
        frame["design_effect"] = 1.0 + (size - 1.0) * frame["icc"]
        frame["within"], frame["between"] = inner.mean(axis=(0, 1)), outer.mean(axis=(0, 1))
        frames.append(frame)
    sizes = clusters.sizes
    left_out = tuple(name for name in table.split if name in moved)
    return IntraclassCorrelations(
        pd.concat(frames, ignore_index=True), float(sizes.mean()), len(sizes), ci_prob, left_out
    )


def _mean_size(fit: Fitted, group: int) -> float:
    """Average respondents of a cluster of a group."""
    sample = fit.prepared.sample
    assert sample.clusters is not None
    members = sample.group == 2 * group
    return float(members.sum() / len(np.unique(sample.clusters.code[members])))
