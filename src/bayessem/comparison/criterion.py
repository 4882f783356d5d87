"""What cross-validation predicts, and its result by unit: the part that LOO and its kin share."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.errors import BayessemWarning, FitError, NotSupported, outside
from bayessem.model.covariance_input import require_respondents
from bayessem.model.prepare import Prepared
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.results.groups import unit_labels
from bayessem.syntax.responses import COUNTS, TOBIT
from bayessem.text.described import Described
from bayessem.text.document import Block, Column, Paragraph, Table
from bayessem.text.formats import TENTHS


@dataclass(frozen=True)
class Target:
    """What is predicted: the modelled variables of these respondents, given their covariates.

    Attributes
    ----------
    unit : str
        "respondent", "cluster" or "group": what is left out and predicted at a time.
    rows : tuple of str
        Labels of the units: the respondents' index labels, or names of clusters or groups.
    variables : tuple of str
        The modelled variables, in alphabetical order.
    values : ndarray (respondent, variable)
        Their values; nan is missing.
    respondents : tuple of str
        Index labels of the respondents.
    covariates : tuple of str
        Variables that the model conditions on.
    predicts : tuple of str
        What the predictive density of each modelled variable is of: "density" of the number,
        "probability" of a count or category, or a digest of the intervals of censored values.
    """

    unit: str
    rows: tuple[str, ...]
    variables: tuple[str, ...]
    values: np.ndarray
    respondents: tuple[str, ...]
    covariates: tuple[str, ...]
    predicts: tuple[str, ...] = ()


def _predicts(prepared: Prepared, name: str) -> str:
    """What the density of a variable is of; see `Target.predicts`."""
    table, sample = prepared.table, prepared.sample
    if name in table.ordered or table.responses.others.get(name) in COUNTS:
        return "probability"
    own = sample.beside.get(name)
    if own is not None and own.family == "zero_one_beta":  # as of a tobit outcome from 0 to 1
        y = sample.values[:, sample.variables.index(name), None]
        censored = ((y == 0.0) | (y == 1.0))[:, 0]
        ends = np.where(y == 0.0, [-np.inf, 0.0], [1.0, np.inf])
    elif own is None or not own.censored.any():
        return "density"
    else:
        censored = own.censored
        ends = own.columns if own.family == TOBIT else np.exp(own.columns)
    # of which answers a density and of which a probability, and of what interval
    return hashlib.sha256(
        np.ascontiguousarray(np.where(censored[:, None], ends, 0.0)).tobytes()
    ).hexdigest()


def target_of(prepared: Prepared, *, unit: str = "respondent") -> Target:
    """What a model predicts of its respondents (of clusters, with two levels; or of its groups)."""
    require_respondents(prepared.sample, "cross-validation")
    sample, covariates = prepared.sample, prepared.table.exogenous
    names = tuple(sorted(name for name in sample.variables if name not in covariates))
    columns = [sample.variables.index(name) for name in names]
    labels = tuple(str(label) for label in sample.rows)
    rows = labels if unit == "respondent" else sample.groups
    if sample.clusters is not None:
        unit, named = unit_labels(sample)
        rows = tuple(named)
    return Target(
        unit,
        rows,
        names,
        sample.values[:, columns],
        labels,
        tuple(sorted(covariates)),
        tuple(_predicts(prepared, name) for name in names),
    )


@dataclass(frozen=True, repr=False)
class CrossValidation(Described):
    """Expected log predictive density, elpd, by cross-validation.

    Attributes
    ----------
    target : Target
        What is predicted.
    method : str
        How: "PSIS-LOO", "10-fold", "leave one group out".
    pointwise : DataFrame
        A row a unit (its label in the index): `elpd`, its log predictive density when it is left
        out; `lppd`, when it is not; `group` where there are several; and what a method adds.
    """

    target: Target
    method: str
    pointwise: pd.DataFrame

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.pointwise)

    @property
    def elpd(self) -> float:
        """Expected log predictive density: the sum over the units."""
        return float(self.pointwise["elpd"].sum())

    @property
    def se(self) -> float:
        """Standard error of `elpd` over samples of units: sqrt(n) times the units' sd."""
        return float(np.sqrt(self.n) * self.pointwise["elpd"].std(ddof=1))

    @property
    def p_loo(self) -> float:
        """Effective number of parameters: in-sample less out-of-sample log predictive density."""
        return float(self.pointwise["lppd"].sum() - self.elpd)

    @property
    def p_loo_se(self) -> float:
        """Standard error of `p_loo`."""
        gap = self.pointwise["lppd"] - self.pointwise["elpd"]
        return float(np.sqrt(self.n) * gap.std(ddof=1))


def target_text(result: CrossValidation) -> str:
    """What is predicted, as a sentence."""
    target = result.target
    given = f", given {', '.join(target.covariates)}" if target.covariates else ""
    whole = {
        "cluster": " A cluster is left out as a whole: how well a new one is foreseen.",
        "PSIS-LOO within clusters": " Given the others of the cluster: how well a new respondent "
        "of a known cluster is foreseen.",
    }
    asks = whole.get(target.unit, whole.get(result.method, ""))
    return (
        f"{result.method} of {result.n} {target.unit}s, {len(target.variables)} modelled "
        f"variable{'s' * (len(target.variables) != 1)}"
        f"{given}; latent variables integrated out.{asks}"
    )


def opening(result: CrossValidation) -> tuple[Block, ...]:
    """What every cross-validation says first: what is predicted, elpd and p_loo."""
    return (
        Paragraph(target_text(result)),
        Table(
            (
                Column("", ["elpd", "p_loo"]),
                Column("estimate", [result.elpd, result.p_loo], TENTHS),
                Column("SE", [result.se, result.p_loo_se], TENTHS),
            )
        ),
    )


def design_notes(fit: Fitted) -> tuple[str, ...]:
    """Why cross-validation and sampling weights do not go together; said as a warning, too."""
    design = fit.prepared.sample.design
    if design is None:
        return ()
    note = (
        "Sampling weights and cross-validation do not go together: each respondent who is left out "
        f"counts alike here, though the sample is {design.said}, so elpd and its standard error "
        "are about this sample and not about the population. Compare models with care."
    )
    warnings.warn(note, BayessemWarning, stacklevel=outside())
    return (note,)


def frame_of(fit: Fitted, **columns: np.ndarray) -> pd.DataFrame:
    """Columns by respondent or cluster as a table, with their groups where there are several."""
    sample = fit.prepared.sample
    unit, labels = unit_labels(sample)
    out = pd.DataFrame(columns, index=pd.Index(labels, name=unit))
    if sample.clusters is not None:
        if len(sample.clusters.groups) > 1:
            of_cluster = sample.group[sample.clusters.first()] // 2
            out["group"] = [sample.clusters.groups[g] for g in of_cluster]
    elif len(sample.groups) > 1:
        out["group"] = [sample.groups[g] for g in sample.group]
    return out


def stored_log_likelihood(fit: Fitted) -> np.ndarray:
    """Log p(y_i | x_i, theta_s) as stored with the fit, (draw, respondent).

    For very many respondents not every draw's is kept.

    Raises
    ------
    FitError
        When one is not finite.
    NotSupported
        For respondents that were made from a covariance matrix, and for the population of groups.
    """
    refuse_population(fit, "cross-validation")
    require_respondents(fit.prepared.sample, "cross-validation")
    if "log_likelihood" not in fit.draws.children:
        raise NotSupported(
            "the latent variables of this model cannot be integrated out (its products need too "
            "many integrals), and without that a respondent has no log-likelihood to "
            "cross-validate; take out products"
        )
    stored = fit.draws["log_likelihood"].to_dataset()["y"]
    log_likelihood = np.asarray(stored.values)  # (chain, draw, respondent)
    finite = np.isfinite(log_likelihood).all(axis=(0, 1))
    if not finite.all():
        unit, labels = unit_labels(fit.prepared.sample)
        who = ", ".join(x for x, fine in zip(labels, finite, strict=True) if not fine)
        raise FitError(
            f"the log-likelihood of {unit} {who} is not finite at some draws; look at fit.diagnosis"
        )
    return log_likelihood.reshape(-1, log_likelihood.shape[-1])


def stored_values(fit: Fitted) -> np.ndarray:
    """Draws (chain, draw, D) of which the log-likelihoods are stored."""
    stored = fit.draws["log_likelihood"].to_dataset()["draw"].values
    drawn = fit.draws["posterior"].to_dataset()["draw"].values
    return fit.values[:, np.flatnonzero(np.isin(drawn, stored))]


def reported_values(fit: Fitted) -> np.ndarray:
    """The parameters (chain, draw, parameter) of `stored_values`, as `Fit.data` has them.

    Their efficiency is what `arviz.loo` takes for that of the importance ratios.
    """
    stored = fit.draws["log_likelihood"].to_dataset()["draw"].values
    drawn = fit.draws["posterior"].to_dataset()["draw"].values
    known = fit.parameters[:, np.flatnonzero(np.isin(drawn, stored))].values
    return known[..., np.isfinite(fit.parameters.values).all(axis=(0, 1))]
