"""Power-scaling sensitivity: how much each result answers to the prior and to the data.

The prior (or the likelihood) is raised to a power alpha near 1 and the posterior reweighted by
Pareto-smoothed importance sampling; the sensitivity of a quantity is the cumulative Jensen-Shannon
distance of its distribution per doubling of alpha (Kallioinen, Paananen, Buerkner & Vehtari 2024,
doi:10.1007/s11222-023-10366-5). Of a posterior probability it is the change of the probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.criticism.discrepancy import stored_log_likelihood
from bayessem.criticism.headline import Quantity, headline
from bayessem.errors import FitError
from bayessem.model.design import refuse_design
from bayessem.posterior.density import Density
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.results.log_prior import log_prior
from bayessem.text.columns import column, more_rows
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Lines, Notes, Paragraph, Table
from bayessem.text.formats import WORD, group_text
from bayessem.text.numbers import number

THRESHOLD = 0.05
ALPHAS = (0.99, 1.01)
HALF, DOUBLE = 0.5, 2.0
# Above it, importance weights are not to be trusted (Vehtari et al. 2024, JMLR 25(72)).
GOOD_K = 0.7
VERDICTS = ("fine", "prior-data conflict", "strong prior or weak data")
SHOWN = 20
# Of these kinds the most sensitive are shown when all is fine.
REPORTED = ("path", "effect", "shape", "probability", "defined")
ADVICE = {
    VERDICTS[1]: (
        "Prior-data conflict: prior and data pull these to different values, and both count. Look "
        "at the priors (sem.prior_consequences); if they say what you believe, report both."
    ),
    VERDICTS[2]: (
        "Strong prior or weak data: the data say little about these, the prior decides. Report "
        "them as such, or give reasons for the prior."
    ),
}


@dataclass(frozen=True, repr=False)
class Sensitivity(Described):
    """Sensitivity of every headline quantity; `print` it.

    Attributes
    ----------
    table : DataFrame
        A row a quantity: kind, quantity, group, mean, prior and likelihood (sensitivities),
        halved, doubled (the mean were the prior worth half and twice as much; nan where that is
        too far for reweighting), verdict (one of `VERDICTS`).
    draws : DataArray (chain, draw, quantity)
        The quantities.
    log_prior, log_likelihood : DataArray (chain, draw)
        What was scaled; the prior up to a constant.
    k_halved, k_doubled : float
        Pareto k of the reweighting with half and twice the prior.
    threshold : float
        Sensitivities from here on count.
    notes : tuple of str
        What a reader must know, in words.
    """

    table: pd.DataFrame
    draws: xr.DataArray
    log_prior: xr.DataArray
    log_likelihood: xr.DataArray
    k_halved: float
    k_doubled: float
    threshold: float
    notes: tuple[str, ...]

    def document(self) -> Document:
        """How many answer to the prior, which ones (or the most sensitive), and advice."""
        table = self.table
        counts = {v: int((table["verdict"] == v).sum()) for v in VERDICTS}
        shown, title = table[table["verdict"] != VERDICTS[0]], ""
        if shown.empty:
            rest = table[table["kind"].isin(REPORTED)]
            what = " of the paths, effects and shapes" if len(rest) else ""
            shown, title = (rest if len(rest) else table), f"The most sensitive{what}"
        shown = shown.sort_values("prior", ascending=False).head(8 if title else len(table))
        return Document.of(
            Heading("Sensitivity to priors (power-scaling)"),
            Paragraph(
                f"{counts[VERDICTS[0]]} of {len(table)} quantities hardly answer to the prior "
                f"(sensitivity below {self.threshold:g}); {counts[VERDICTS[1]]} show a prior-data "
                f"conflict, {counts[VERDICTS[2]]} a strong prior or weak data."
            ),
            _sensitivities(shown.head(SHOWN), title),
            more_rows(shown, SHOWN),
            Lines(tuple(ADVICE[v] for v in VERDICTS[1:] if counts[v])),
            Notes(self.notes),
        )


def _sensitivities(table: pd.DataFrame, title: str) -> Table:
    names = map(group_text, table["kind"] + ": " + table["quantity"], table["group"])
    return Table(
        (
            Column("", list(names)),
            column(table, "mean"),
            column(table, "prior", "to prior"),
            column(table, "likelihood", "to data"),
            column(table, "halved", "prior x 1/2"),
            column(table, "doubled", "prior x 2"),
            column(table, "verdict", how=WORD),
        ),
        title,
    )


def verdict(prior: float, likelihood: float, *, threshold: float = THRESHOLD) -> str:
    """What the two sensitivities say together, in words (Kallioinen et al. 2024, table 1)."""
    if prior < threshold:
        return VERDICTS[0]
    return VERDICTS[1] if likelihood >= threshold else VERDICTS[2]


def scaling_weights(log_component: np.ndarray, alpha: float) -> np.ndarray:
    """Smoothed importance weights (chain, draw) of a component raised to alpha; they sum to 1."""
    from arviz_stats.base import array_stats

    logs = array_stats.power_scale_lw(log_component, alpha=alpha, axis=(-2, -1))
    weights = np.exp(logs - np.max(logs))
    return weights / weights.sum()


def power_scale_sensitivity(
    values: np.ndarray, log_component: np.ndarray, *, probability: np.ndarray
) -> np.ndarray:
    """Sensitivity of each quantity to a component of the posterior.

    Parameters
    ----------
    values : ndarray (chain, draw, quantity)
    log_component : ndarray (chain, draw)
        Log prior or log-likelihood.
    probability : ndarray (quantity,) bool
        Draws are 0 or 1, and the sensitivity is the change of their mean.

    Returns
    -------
    ndarray (quantity,)
        Per doubling of the component's power.
    """
    from arviz_stats.base import array_stats

    if np.ptp(log_component) == 0:  # flat: any power of it is the same
        return np.zeros(values.shape[-1])
    lower, upper = (scaling_weights(log_component, a) for a in ALPHAS)
    out = np.empty(values.shape[-1])
    span = np.log2(ALPHAS[1] / ALPHAS[0])
    for k in range(values.shape[-1]):
        own = np.ascontiguousarray(values[..., k])
        if probability[k]:
            out[k] = abs(float(np.sum((upper - lower) * own))) / span
        elif np.ptp(own) == 0:
            out[k] = 0.0
        else:
            out[k] = array_stats.power_scale_sense(
                own, lower, upper, lower_alpha=ALPHAS[0], upper_alpha=ALPHAS[1]
            )
    return out


def reweighted_means(
    values: np.ndarray, log_component: np.ndarray, alpha: float
) -> tuple[np.ndarray, float]:
    """Means (quantity,) with the component raised to alpha, and the Pareto k of the weights.

    nan means where the Pareto k is above `GOOD_K`.
    """
    from arviz_stats.base import array_stats

    if np.ptp(log_component) == 0:
        return values.mean(axis=(0, 1)), 0.0
    # psislw takes what leaving a factor out divides by: the negative log weights
    logs, k = array_stats.psislw((1.0 - alpha) * log_component.ravel())
    weights = np.exp(logs - np.max(logs))
    weights /= weights.sum()
    flat = values.reshape(-1, values.shape[-1])
    means = weights @ flat
    return (means if float(k) <= GOOD_K else np.full_like(means, np.nan)), float(k)


def sensitivity(fit: Fitted, *, threshold: float = THRESHOLD) -> Sensitivity:
    """Sensitivity of paths, loadings, R2, effects, shapes and defined parameters to the prior.

    Arguments, result and errors: `Fit.sensitivity`.
    """
    refuse_design(fit.prepared.sample.design, "sensitivity to priors")
    refuse_population(fit, "sensitivity to data")
    if not threshold > 0:
        raise FitError(f"threshold has to be positive, not {threshold}")
    stored = stored_log_likelihood(fit.draws)
    kept = stored["draw"].values
    likelihood = stored.values.sum(axis=-1)
    prior = log_prior(fit.prepared.space, fit.values, _with_thresholds(fit))[:, kept]
    found = headline(fit) + _population(fit)
    known = [q for q in found if np.isfinite(q.values).all()]
    values = np.stack([q.values for q in known], axis=-1)[:, kept]
    probability = np.array([q.kind == "probability" for q in known])
    by_prior = power_scale_sensitivity(values, prior, probability=probability)
    by_likelihood = power_scale_sensitivity(values, likelihood, probability=probability)
    halved, k_halved = reweighted_means(values, prior, HALF)
    doubled, k_doubled = reweighted_means(values, prior, DOUBLE)
    table = pd.DataFrame(
        {
            "kind": [q.kind for q in known],
            "quantity": [q.name for q in known],
            "group": [q.group for q in known],
            "mean": values.mean(axis=(0, 1)),
            "prior": by_prior,
            "likelihood": by_likelihood,
            "halved": halved,
            "doubled": doubled,
            "verdict": [
                verdict(p, v, threshold=threshold)
                for p, v in zip(by_prior, by_likelihood, strict=True)
            ],
        }
    )
    axes = {"chain": stored["chain"].values, "draw": stored["draw"].values}
    return Sensitivity(
        table=table,
        draws=xr.DataArray(
            values,
            dims=("chain", "draw", "quantity"),
            coords={**axes, "quantity": [f"{q.kind}: {q.label}" for q in known]},
            name="headline",
        ),
        log_prior=xr.DataArray(prior, dims=("chain", "draw"), coords=axes, name="log_prior"),
        log_likelihood=xr.DataArray(
            likelihood, dims=("chain", "draw"), coords=axes, name="log_likelihood"
        ),
        k_halved=k_halved,
        k_doubled=k_doubled,
        threshold=threshold,
        notes=_notes(found, known, k_halved, k_doubled),
    )


def _with_thresholds(fit: Fitted) -> Density | None:
    """The density, which knows the priors of thresholds, where there are some."""
    return fit.density if fit.prepared.table.answered else None


def _population(fit: Fitted) -> list[Quantity]:
    """What pooling adds: population means, standard deviations and slopes."""
    coordinates = fit.prepared.space.coordinates
    return [
        Quantity("pooling", c.name, "", fit.values[..., i])
        for i, c in enumerate(coordinates)
        if c.kind in ("pool_mean", "pool_sd", "pool_slope")
    ]


def _notes(
    found: list[Quantity], known: list[Quantity], k_halved: float, k_doubled: float
) -> tuple[str, ...]:
    notes = []
    lost = [q.label for q in found if not any(q is k for k in known)]
    if lost:
        notes.append(f"Not defined in every draw, and left out: {', '.join(lost)}.")
    for name, k in (("Half", k_halved), ("Twice", k_doubled)):
        if k > GOOD_K:
            notes.append(
                f"{name} the prior is too far from this posterior for reweighting (Pareto k "
                f"{number(k, 2)}): refit with other priors to see."
            )
    return tuple(notes)
