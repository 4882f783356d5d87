"""Leave-one-respondent-out cross-validation that always works: PSIS, then repair of what it cannot.

The latent variables are integrated out, so that a respondent is one observation (Merkle, Furr &
Rabe-Hesketh 2019, doi:10.1007/s11336-019-09679-0); covariates are conditioned on. Respondents whose
Pareto k is too large are repaired by moment matching, and where that is not enough by a refit
without them. Vehtari, Gelman & Gabry (2017, doi:10.1007/s11222-016-9696-4).
"""

from __future__ import annotations

import sys
import warnings
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from bayessem.arguments import check_shared
from bayessem.comparison.criterion import (
    CrossValidation,
    design_notes,
    frame_of,
    opening,
    reported_values,
    stored_log_likelihood,
    target_of,
)
from bayessem.comparison.importance import (
    FEWEST_DRAWS,
    LARGE_ERROR,
    bridged_mean,
    log_mean_exp,
    relative_efficiency,
)
from bayessem.comparison.moment_matching import MomentMatching, match_moments
from bayessem.comparison.refits import log_predictive, refits_without
from bayessem.comparison.within_clusters import respondent_densities, thinned
from bayessem.errors import BayessemWarning, FitError, outside
from bayessem.execution import check_executor
from bayessem.posterior.smoothing import good_k, smoothed_weights
from bayessem.results.fitted import Fitted
from bayessem.text.document import Document, Notes
from bayessem.text.numbers import number
from bayessem.threads import one_blas_thread

# Moment matching goes on until the Pareto k is below, though `good_k` is enough to accept it.
AIM = 0.5
PSIS, MATCHED, REFITTED = "PSIS", "moment matching", "exact refit"
# Of respondents of a two-level model.
WITHIN = "PSIS-LOO within clusters"


@dataclass(frozen=True, repr=False)
class Loo(CrossValidation):
    """Leave-one-out cross-validation of a fit; `print` it.

    `pointwise` adds `pareto_k` (of the importance weights, before any repair), `k_used` (of the
    weights in use; nan after an exact refit) and `how` ("PSIS", "moment matching", "exact refit").

    Attributes
    ----------
    draws : int
        Posterior draws behind the weights.
    good_k : float
        Largest Pareto k to be trusted.
    notes : tuple of str
        What was repaired and how, and what could not be.
    """

    draws: int
    good_k: float
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """elpd, its effective number of parameters p_loo, and their standard errors."""
        return pd.DataFrame(
            {"estimate": [self.elpd, self.p_loo], "se": [self.se, self.p_loo_se]},
            index=["elpd", "p_loo"],
        )

    @property
    def unreliable(self) -> tuple[str, ...]:
        """Labels of the respondents whose k is still above `good_k`."""
        return tuple(self.pointwise.index[self.pointwise["k_used"] > self.good_k])

    @property
    def repaired(self) -> dict[str, int]:
        """How many respondents were repaired, by method."""
        counts = self.pointwise["how"].value_counts()
        return {how: int(counts.get(how, 0)) for how in (MATCHED, REFITTED)}

    @property
    def elpd_data(self) -> Any:
        """The same result as ArviZ's `ELPDData`, for `arviz.compare` and its plots."""
        from arviz_stats.utils import ELPDDataLOO

        unit = self.target.unit
        labels = {unit: list(self.pointwise.index)}
        elpd_i = self.pointwise["elpd"].to_xarray().drop_vars(unit).assign_coords(labels)
        k = self.pointwise["k_used"].fillna(0.0).to_xarray()
        return ELPDDataLOO(
            elpd=self.elpd,
            se=self.se,
            p=self.p_loo,
            n_samples=self.draws,
            n_data_points=self.n,
            scale="log",
            warning=bool(self.unreliable),
            good_k=self.good_k,
            elpd_i=elpd_i,
            pareto_k=k.drop_vars(unit).assign_coords(labels),
        )

    def document(self) -> Document:
        """elpd, and what was repaired."""
        return Document.of(opening(self), Notes(self.notes))


@check_shared
@one_blas_thread()
def loo(
    fit: Fitted,
    *,
    moment_match: bool = True,
    refit: bool = True,
    max_refits: int = 25,
    random_seed: int | None = None,
    progress: bool = False,
    unit: str | None = None,
    executor: Any = None,
) -> Loo:
    """Leave-one-respondent-out cross-validation.

    Arguments, result and errors: `Fit.loo`.
    """
    if _within_clusters(fit, unit):
        return respondent_loo(fit)
    check_executor(executor)
    if max_refits < 0:
        raise FitError(f"max_refits has to be 0 or more, not {max_refits}")
    said = design_notes(fit)
    first = psis_loo(fit)
    first = replace(first, notes=(*said, *first.notes))
    bad = np.flatnonzero(first.pointwise["pareto_k"] > first.good_k)
    if not bad.size:
        return first
    point = first.pointwise.copy()
    if moment_match:
        _say(progress, f"moment matching of {bad.size} {first.target.unit}s")
        for i, found in zip(bad, match_moments(fit, bad, threshold=AIM), strict=True):
            point = _with(point, int(i), found, first.good_k)
    left = bad[(point["how"].to_numpy() == PSIS)[bad]]
    refitted: list[str] = []
    if refit and 0 < left.size <= max_refits:
        seed = fit.settings["random_seed"] if random_seed is None else random_seed
        _say(progress, f"exact refits without {left.size} {first.target.unit}s")
        point, refitted = _refit_each(fit, point, left, seed, executor)
    limit = max_refits if refit and left.size > max_refits else None
    notes = (*said, *_repair_notes(point, first.good_k, limit), *refitted, *_integral_notes(fit))
    out = replace(first, pointwise=point, notes=notes)
    if out.unreliable and refit:
        warnings.warn(" ".join(notes), BayessemWarning, stacklevel=outside())
    return out


def _within_clusters(fit: Fitted, unit: object) -> bool:
    """Whether respondents are to be left out of known clusters."""
    usual = target_of(fit.prepared).unit
    known = ("cluster", "respondent") if usual == "cluster" else ("respondent",)
    if unit is not None and unit not in known:
        raise FitError(
            f"unit is what is left out at a time, {' or '.join(map(repr, known))} in this model, "
            f"not {unit!r}"
        )
    return usual == "cluster" and unit == "respondent"


def respondent_loo(fit: Fitted) -> Loo:
    """LOO of respondents of a two-level model given the others of their clusters, by PSIS."""
    stored_log_likelihood(fit)  # refuses what has none
    values = thinned(fit)
    flat = respondent_densities(fit, values)
    if len(flat) < FEWEST_DRAWS:
        raise FitError(
            f"LOO needs {FEWEST_DRAWS} draws or more, and this fit has {len(flat)}; sample more"
        )
    log_weights, k = smoothed_weights(-flat.T, relative_efficiency(values))
    sample = fit.prepared.sample
    labels = pd.Index([str(x) for x in sample.rows], name="respondent")
    point = pd.DataFrame(
        {
            "elpd": logsumexp(log_weights + flat.T, axis=-1),
            "lppd": log_mean_exp(flat),
            "pareto_k": k,
            "k_used": k,
            "how": PSIS,
        },
        index=labels,
    )
    limit = good_k(len(flat))
    target = replace(target_of(fit.prepared), unit="respondent", rows=tuple(labels))
    return Loo(target, WITHIN, point, len(flat), limit, _repair_notes(point, limit, None))


def psis_loo(fit: Fitted) -> Loo:
    """LOO by Pareto-smoothed importance sampling alone, from the stored log-likelihoods."""
    flat, log_weights, k = loo_weights(fit)
    point = frame_of(
        fit,
        elpd=logsumexp(log_weights + flat.T, axis=-1),
        lppd=log_mean_exp(flat),
        pareto_k=k,
        k_used=k,
    )
    point["how"] = PSIS
    limit = good_k(len(flat))
    notes = (*_repair_notes(point, limit, None), *_integral_notes(fit))
    return Loo(target_of(fit.prepared), "PSIS-LOO", point, len(flat), limit, notes)


def loo_weights(fit: Fitted) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihoods (draw, respondent), log weights (respondent, draw) and Pareto k.

    Of the stored draws: for very many respondents not every draw's log-likelihood is kept.
    """
    flat = stored_log_likelihood(fit)
    if len(flat) < FEWEST_DRAWS:
        raise FitError(
            f"LOO needs {FEWEST_DRAWS} draws or more, and this fit has {len(flat)}; sample more"
        )
    r_eff = relative_efficiency(reported_values(fit))
    return flat, *smoothed_weights(-flat.T, r_eff)


def _with(point: pd.DataFrame, i: int, found: MomentMatching, limit: float) -> pd.DataFrame:
    """The table with respondent i repaired, if moment matching brought its k below the limit."""
    if not found.pareto_k <= limit:
        return point
    out = point.copy()
    columns = [out.columns.get_loc(name) for name in ("elpd", "k_used", "how")]
    for column, value in zip(columns, (found.elpd, found.pareto_k, MATCHED), strict=True):
        out.iloc[i, column] = value
    return out


def _refit_each(
    fit: Fitted, point: pd.DataFrame, members: np.ndarray, seed: int, executor: Any
) -> tuple[pd.DataFrame, list[str]]:
    """The table with exact elpd of these respondents, and what to say about poor refits."""
    out, notes = point.copy(), []
    full, unit = stored_log_likelihood(fit), str(out.index.name)
    columns = [out.columns.get_loc(name) for name in ("elpd", "k_used", "how")]
    with closing(
        refits_without(fit, [([i], seed + 1 + int(i)) for i in members], executor=executor)
    ) as refits:
        found = sorted(refits, key=lambda pair: pair[0])
    for i, (_, again) in zip(members, found, strict=True):
        density = log_predictive(fit.prepared, [i], again.values).ravel()
        elpd, error = bridged_mean(density, full[:, i])
        if error > LARGE_ERROR:
            notes.append(
                f"Even without {unit} {out.index[i]} few draws foresee such answers: the elpd "
                f"of this {unit} has a Monte Carlo standard error of {number(error, 1)}."
            )
        values = (elpd, np.nan, REFITTED)
        for column, value in zip(columns, values, strict=True):
            out.iloc[i, column] = value
        if again.doubtful:
            notes.append(f"The refit without {unit} {out.index[i]}: {again.trouble}")
    return out, notes


def _integral_notes(fit: Fitted) -> tuple[str, ...]:
    """How exact log-likelihoods are that come from points, in words."""
    error = fit.draws.attrs.get("integral_error")
    if error is None:
        return ()
    return (
        "Latent variables are integrated out by importance sampling about Laplace's "
        "approximation; with eight times the points elpd would change by "
        f"{number(float(error), 2)}.",
    )


def k_text(limit: float) -> str:
    """A limit of Pareto k, ".70"."""
    return number(limit, 2).removeprefix("0")


def _repair_notes(point: pd.DataFrame, limit: float, exceeded: int | None) -> tuple[str, ...]:
    """What had too large a k, and what was done about it, in words."""
    n, unit = len(point), f"{point.index.name}s"
    bad = int((point["pareto_k"] > limit).sum())
    if not bad:
        return (
            f"All {n} {unit} have a Pareto k of at most {k_text(limit)}: no repair was needed.",
        )
    matched = int((point["how"] == MATCHED).sum())
    refitted = int((point["how"] == REFITTED).sum())
    left = int((point["k_used"] > limit).sum())
    parts = []
    if matched:
        parts.append(f"{matched} repaired by moment matching")
    if refitted:
        parts.append(f"{refitted} {'' if matched else 'repaired '}by exact refit")
    if left:
        parts.append(f"{left} not repaired")
    text = f"{bad} of {n} {unit} had a Pareto k above {k_text(limit)}: {', '.join(parts)}."
    notes = [text]
    if exceeded is not None:
        notes.append(
            f"{left} refits are more than max_refits={exceeded}: none was done. Allow them with "
            f"fit.loo(max_refits={left}), or use fit.kfold(); so many surprising {unit} "
            "usually mean that the model does not fit."
        )
    return tuple(notes)


def _say(progress: bool, text: str) -> None:
    if progress:
        print(f"bayessem: {text} ...", file=sys.stderr)
