"""How much each predictor adds to what explains an outcome: Cohen's f2, and collinearity.

f2 = (R2 - R2 without the predictor) / (1 - R2), from the covariances that the model implies, in
every draw; .02, .15 and .35 are small, medium and large. Cohen, J. (1988). Statistical Power
Analysis for the Behavioral Sciences (2nd ed.), ch. 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.effects.effects import chosen_groups
from bayessem.errors import ModelError, NotSupported
from bayessem.model.structure import Structure
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import model_moments
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Document, Notes, Paragraph, Table
from bayessem.text.formats import percent_text

SMALL, MEDIUM, LARGE = 0.02, 0.15, 0.35


@dataclass(frozen=True, repr=False)
class EffectSizes(Described):
    """Cohen's f2 of every path between constructs and observed variables; `print` it.

    Attributes
    ----------
    table : DataFrame
        outcome, predictor, group; mean, sd, lower, upper of f2; p_small, p_medium, p_large (the
        probability that it is above .02, .15, .35); vif (mean variance inflation factor of the
        predictor among those of the outcome); r_hat, ess_bulk, ess_tail.
    draws : DataArray (chain, draw, path)
        f2.
    ci_prob : float
        Probability of the intervals.
    """

    table: pd.DataFrame
    draws: xr.DataArray
    ci_prob: float

    def document(self) -> Document:
        """The table and what it is."""
        t = self.table
        return Document.of(
            Paragraph("Effect sizes of the paths: Cohen's f2, and collinearity of the predictors"),
            Table(
                (
                    *labels(t, ("outcome", "predictor", "group")),
                    column(t, "mean", "f2"),
                    column(t, "sd"),
                    intervals(t, percent_text(self.ci_prob)),
                    column(t, "p_small", f"P(> {SMALL:.2f})"),
                    column(t, "p_medium", f"P(> {MEDIUM:.2f})"),
                    column(t, "p_large", f"P(> {LARGE:.2f})"),
                    column(t, "vif", "VIF"),
                )
            ),
            Notes(
                (
                    "f2 = (R2 - R2 without the predictor) / (1 - R2): .02 small, .15 medium, .35 "
                    "large (Cohen 1988). VIF: variance inflation of a predictor among those of "
                    "its outcome, implied by the model.",
                )
            ),
        )


def _paths(structure: Structure, group: int) -> dict[int, list[int]]:
    """Predictors of each outcome of `~`, as positions among the variables."""
    out: dict[int, list[int]] = {}
    for k, place in structure.rows_of_groups[group].items():
        row = structure.table.rows[k]
        if place.matrix == "paths" and row.op == "~" and (row.free >= 0 or row.value):
            out.setdefault(place.i, []).append(place.j)
    return out


@check_shared
def effect_sizes(
    fit: Fitted, *, group: str | Sequence[str] | None = None, ci_prob: float = 0.95
) -> EffectSizes:
    """Cohen's f2 of every path.

    Arguments, result and errors: `Fit.effect_sizes`.
    """
    structure = fit.prepared.structure
    if structure.products:
        raise NotSupported(
            "effect sizes are those of linear models; a square or product has no path of its own: "
            "compare models with and without it (bayessem.compare)"
        )
    about, draws, inflation = [], [], []
    for g in chosen_groups(structure.table.groups, group):
        covariance = model_moments(structure, fit.elements, group=g).latent_covariance
        for outcome, predictors in _paths(structure, g).items():
            share, without, vif = _shares(covariance, outcome, predictors)
            for i, j in enumerate(predictors):
                about.append(
                    (
                        structure.variables[outcome],
                        structure.variables[j],
                        structure.table.groups[g],
                    )
                )
                draws.append((share - without[..., i]) / (1.0 - share))
                inflation.append(float(np.mean(vif[..., i])))
    if not about:
        raise ModelError("the model has no paths (y ~ x), so there are no effect sizes")
    values = np.stack(draws, axis=-1)
    table = pd.DataFrame(about, columns=["outcome", "predictor", "group"])
    main = summarise(values, ci_prob=ci_prob).drop(columns="p_positive")
    for k, (name, limit) in enumerate(
        (("p_small", SMALL), ("p_medium", MEDIUM), ("p_large", LARGE)), start=4
    ):
        main.insert(k, name, (values > limit).mean(axis=(0, 1)))
    main.insert(7, "vif", inflation)
    names = [f"{y}~{x}" + (f"[{g}]" if g else "") for y, x, g in about]
    return EffectSizes(
        pd.concat([table, main], axis=1),
        xr.DataArray(values, dims=("chain", "draw", "path"), coords={"path": names}, name="f2"),
        ci_prob,
    )


def _shares(
    covariance: np.ndarray, outcome: int, predictors: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R2 (...), R2 without each predictor (..., k), and variance inflation factors (..., k).

    Without one predictor the sum of squares that the others explain falls by b^2 / c, with b its
    slope and c its diagonal element of the inverse covariance of the predictors.
    """
    own = covariance[..., predictors, :][..., :, predictors]
    cross = covariance[..., predictors, outcome]
    total = covariance[..., outcome, outcome]
    inverse = np.linalg.inv(own)
    slopes = (inverse @ cross[..., None])[..., 0]
    diagonal = np.diagonal(inverse, axis1=-2, axis2=-1)
    share = np.sum(slopes * cross, axis=-1) / total
    without = share[..., None] - slopes**2 / diagonal / total[..., None]
    return share, without, diagonal * np.diagonal(own, axis1=-2, axis2=-1)
