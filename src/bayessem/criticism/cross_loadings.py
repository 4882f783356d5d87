"""All cross-loadings at once with small-variance priors, as a diagnostic of simple structure.

Muthen & Asparouhov (2012, doi:10.1037/a0026802): instead of fixing cross-loadings at 0, give them
priors N(0, s^2) on the standardised scale, so narrow that the model stays identified. A
cross-loading that moves away from 0 against that prior is one the data ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.criticism.score_tests import KINDS, candidate_rows
from bayessem.errors import FitError, ModelError
from bayessem.ml.estimate import fit_ml
from bayessem.ml.sample import linear_counterpart
from bayessem.model.default_priors import latent_scales
from bayessem.model.prepare import Prepared, prepare
from bayessem.model.priors import Prior
from bayessem.posterior.settings import DEFAULTS, Sampling
from bayessem.results.estimate import estimate
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import model_moments, standardised
from bayessem.syntax.specification import Specification
from bayessem.text.columns import column, intervals, labels, marks
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import group_text, percent_text

SD = 0.1


@dataclass(frozen=True, repr=False)
class CrossLoadings(Described):
    """Cross-loadings under small-variance priors; `print` them.

    Attributes
    ----------
    table : DataFrame
        A row a cross-loading, the largest first: construct, indicator, group, standardised mean,
        sd, lower, upper, p_positive, r_hat, ess_bulk, ess_tail, credible (the interval excludes 0).
    loadings : DataFrame
        The model's own standardised loadings beside them: construct, indicator, group, mean,
        lower, upper.
    draws : DataArray (chain, draw, loading)
        Standardised cross-loadings in the order of the table.
    fit : Fitted
        Of the model with all of them.
    sd : float
        Standard deviation of the priors, standardised.
    ci_prob : float
        Probability of the equal-tailed intervals.
    notes : tuple of str
        What a reader must know, in words.
    """

    table: pd.DataFrame
    loadings: pd.DataFrame
    draws: xr.DataArray
    fit: Fitted
    sd: float
    ci_prob: float
    notes: tuple[str, ...]

    def document(self) -> Document:
        """How many are away from 0, the largest, and the state of the fit."""
        away = int(self.table["credible"].sum())
        shown = self.table.head(max(8, away))
        said = (
            f"{away} of {len(self.table)} are credibly away from 0, against a prior that expects "
            f"N(0, {self.sd:g}^2)"
            if away
            else f"None of {len(self.table)} is credibly away from 0: the data are content with "
            "simple structure"
        )
        largest = Table(
            (
                Column("", _names(shown)),
                *labels(shown, ("group",)),
                column(shown, "mean", "std"),
                intervals(shown, percent_text(self.ci_prob)),
                column(shown, "p_positive", "P(>0)"),
                marks(shown, "credible", "away from 0"),
            )
        )
        return Document.of(
            Heading("Cross-loadings with small-variance priors (standardised)"),
            Paragraph(
                f"{said}. The prior pulls each towards 0, so one that is away from it would be "
                "larger if it were free."
            ),
            largest,
            self.fit.diagnosis.document().blocks,
            Notes(self.notes),
        )


def _names(table: pd.DataFrame) -> list[str]:
    return (table["construct"] + " =~ " + table["indicator"]).tolist()


@check_shared
def cross_loadings(
    sem: Specification,
    data: pd.DataFrame,
    *,
    sd: float = SD,
    ci_prob: float = 0.95,
    group: str | None = None,
    group_order: Sequence[str] | None = None,
    missing: str = "fiml",
    priors: Mapping[str, str | Prior] | None = None,
    sampling: Sampling = DEFAULTS,
) -> CrossLoadings:
    """Fit the model with every cross-loading free but held near 0 by its prior.

    Arguments, result and errors: `SEM.cross_loadings`.
    """
    if not 0 < sd < 1:
        raise FitError(f"sd lies between 0 and 1 (standardised), not {sd}")
    reading: dict[str, Any] = {"group": group, "group_order": group_order, "missing": missing}
    prepared = prepare(sem, data, priors=priors, **reading)
    added = _added(prepared)
    latent, notes = latent_sds(prepared)
    names = prepared.structure.variables
    sds = dict(zip(prepared.sample.variables, prepared.sample.sds, strict=True))
    narrow = {
        f"{f}=~{y}": f"normal(0, {float(sd * sds[y] / latent[names.index(f)])!r})" for f, y in added
    }
    wide = sem.extended([f"{f} =~ {y}" for f, y in added])
    full = prepare(wide, data, priors={**(priors or {}), **narrow}, **reading)
    fit = estimate(full, sampling, checked=full.notes)
    return _summary(fit, added, sd, ci_prob, notes)


def _added(prepared: Prepared) -> list[tuple[str, str]]:
    """Construct and indicator of every cross-loading that the model does not have."""
    structure = prepared.structure
    measured = {r.lhs for r in structure.table.rows if r.op == "=~" and r.rhs in structure.observed}
    added = [
        (r.lhs, r.rhs)
        for r in candidate_rows(structure, (KINDS[0],))
        if r.lhs in measured and r.group == 0
    ]
    if not added:
        raise ModelError("there is no cross-loading to add: the model has a single construct")
    return added


def latent_sds(prepared: Prepared) -> tuple[np.ndarray, tuple[str, ...]]:
    """Standard deviations of the latents (m,) by maximum likelihood of the linear model, and notes.

    Over groups the root mean square. Where maximum likelihood fails, the rough scales of the
    default priors, which is noted.
    """
    linear = linear_counterpart(prepared) if prepared.structure.products else prepared
    found = fit_ml(linear, se="none")
    variances = np.mean(
        [
            np.diag(model_moments(linear.structure, found.elements, group=g).latent_covariance)
            for g in range(len(prepared.sample.groups))
        ],
        axis=0,
    )
    if found.converged and (variances > 0).all():
        return np.sqrt(variances), ()
    return latent_scales(prepared.structure, prepared.sample.sds), (
        "Maximum likelihood of the model did not converge; the priors are scaled by the markers' "
        "standard deviations, which makes them somewhat narrower than sd says.",
    )


def _summary(
    fit: Fitted, added: list[tuple[str, str]], sd: float, ci_prob: float, notes: tuple[str, ...]
) -> CrossLoadings:
    table = fit.prepared.table
    loading = [k for k, r in enumerate(table.rows) if r.op == "=~"]
    values = standardised(fit.prepared.structure, fit.elements)[..., loading]
    summary = summarise(values, ci_prob=ci_prob)
    labels = [table.rows[k] for k in loading]
    summary.insert(0, "construct", [r.lhs for r in labels])
    summary.insert(1, "indicator", [r.rhs for r in labels])
    names = [table.groups[r.group] if len(table.groups) > 1 else "" for r in labels]
    summary.insert(2, "group", names)
    cross = np.array([(r.lhs, r.rhs) in added for r in labels])
    summary["credible"] = (summary["lower"] > 0) | (summary["upper"] < 0)
    at = np.flatnonzero(cross)
    order = at[np.argsort(-summary["mean"].abs().to_numpy()[at], kind="stable")]
    found = summary.iloc[order].reset_index(drop=True)
    own = summary.loc[~cross, ["construct", "indicator", "group", "mean", "lower", "upper"]]
    return CrossLoadings(
        table=found,
        loadings=own.reset_index(drop=True),
        draws=xr.DataArray(
            values[..., order],
            dims=("chain", "draw", "loading"),
            coords={"loading": list(map(group_text, _names(found), found["group"]))},
            name="cross_loadings",
        ),
        fit=fit,
        sd=sd,
        ci_prob=ci_prob,
        notes=notes,
    )
