"""Global fit: posterior predictive p-value and Bayesian fit indices with their intervals.

The indices are those of Garnier-Villarreal & Jorgensen (2020, doi:10.1037/met0000224) with the
rescaling of the observed deviance by its expected value ("devM"): D_s - pD stands for chi-square,
df = p* - pD for its degrees of freedom, so that the noncentrality of draw s is D_s - p*. The PPP
compares D with that of replicated data (Gelman, Meng & Stern 1996). Of ordered answers D is the
discrepancy of their first and second moments (answer_indices.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.criticism.answer_indices import answer_discrepancy
from bayessem.criticism.baseline import baseline_log_likelihoods
from bayessem.criticism.counterpart import linear_fit
from bayessem.criticism.discrepancy import (
    Counts,
    count_moments,
    discrepancies,
    replicated_complete,
    replicated_incomplete,
    saturated_log_likelihood,
    stored_log_likelihood,
)
from bayessem.criticism.level_indices import (
    WHOLE,
    LevelDiscrepancy,
    level_discrepancies,
    refuse_slopes,
)
from bayessem.model.design import refuse_design
from bayessem.model.thresholds import refuse_tails
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.text.columns import column, intervals
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import percent_text
from bayessem.text.numbers import number
from bayessem.threads import one_blas_thread

INDICES = ("BRMSEA", "BGammaHat", "adjBGammaHat", "BMc", "BCFI", "BTLI", "BNFI")
# Those that are about the distance alone; the others are about covariance matrices.
ANSWER_INDICES = ("BRMSEA", "BCFI", "BTLI", "BNFI")
# With missing values every replica needs EM, so fewer are drawn; the standard error of a PPP of .5
# is then .025.
INCOMPLETE_REPLICAS = 400
BASELINE_DRAWS = 1000
READING = (
    "Read them as degrees: cut-offs of the frequentist indices (RMSEA .06, CFI .95) were not "
    "derived for these, and depend on the model and on N."
)


@dataclass(frozen=True, repr=False)
class Indices(Described):
    """Global fit of a model; `print` it.

    Attributes
    ----------
    table : DataFrame
        A row an index: index, mean, median, sd, lower, upper; nan where it is not defined.
    draws : DataArray (chain, draw, index)
        The indices, per draw.
    ppp : float
        Posterior predictive p-value: P(D of replicated data > D of the data); near .5 for a model
        that fits, near 0 for one that does not.
    replicas : int
        Draws it is based on.
    discrepancy : DataArray (chain, draw)
        D of the data.
    replicated : ndarray (replica,)
        D of the replicated data.
    p_star, p_d, p_d_baseline : float
        Moments of the saturated model, and effective parameters (p_loo) of the model and of the
        baseline model.
    linear : bool
        Whether they are about the linear counterpart of a model with product terms.
    ci_prob : float
        Probability of the equal-tailed intervals.
    notes : tuple of str
        What a reader must know, in words.
    levels : DataFrame
        Of a two-level model, the indices of each level by itself: level, index and the columns of
        `table`; "PPP", "p*", "pD" and "units" (whose number is N) have a mean alone.
    """

    table: pd.DataFrame
    draws: xr.DataArray
    ppp: float
    replicas: int
    discrepancy: xr.DataArray
    replicated: np.ndarray
    p_star: float
    p_d: float
    p_d_baseline: float
    linear: bool
    ci_prob: float
    notes: tuple[str, ...]
    levels: pd.DataFrame = field(default_factory=pd.DataFrame)

    def document(self) -> Document:
        """Posterior predictive p-value and what it says, the indices, and how to read them."""
        table = self.table
        if 0.05 <= self.ppp <= 0.95:
            fits = "data replicated from the model are as far from it as the data are"
        elif self.ppp < 0.05:
            fits = "data replicated from the model lie much nearer to it than the data do"
        else:
            fits = "the data lie nearer to the model than its own replications"
        indices = Table(
            (
                Column("", table["index"].tolist()),
                *(column(table, name) for name in ("mean", "median", "sd")),
                intervals(table, percent_text(self.ci_prob)),
            )
        )
        return Document.of(
            Heading("Global fit" + (" of the linear counterpart" if self.linear else "")),
            Paragraph(
                f"Posterior predictive p-value {number(self.ppp)} ({self.replicas} replications): "
                f"{fits}. {self.p_star:g} moments, {number(self.p_d, 1)} effective parameters."
            ),
            indices,
            *self._by_level(),
            Paragraph(READING),
            Notes(self.notes),
        )

    def _by_level(self) -> Iterator[Table]:
        """The indices of each level by itself."""
        for level, part in self.levels.groupby("level", sort=False) if len(self.levels) else ():
            own = part.set_index("index")["mean"]
            shown = part[part["index"].isin(INDICES)]
            yield Table(
                (
                    Column("", shown["index"].tolist()),
                    *(column(shown, name) for name in ("mean", "median", "sd")),
                    intervals(shown, percent_text(self.ci_prob)),
                ),
                f"{str(level).capitalize()} clusters, the other level saturated: posterior "
                f"predictive p-value {number(own['PPP'])}, {own['p*']:g} moments, "
                f"{number(own['pD'], 1)} effective parameters, N = {own['units']:g}",
            )


def bayesian_indices(
    discrepancy: np.ndarray,
    baseline: np.ndarray,
    *,
    p_d: float,
    p_d_baseline: float,
    counts: Counts,
) -> dict[str, np.ndarray]:
    """The indices of Garnier-Villarreal & Jorgensen (2020, doi:10.1037/met0000224).

    The variables of BGammaHat are those of one group, as in their formula (and in semTools): the
    same misfit in every group gives the value of one group. Programs that count the variables of
    all groups print a better value, the nearer to 1 the more groups there are.

    Parameters
    ----------
    discrepancy, baseline : ndarray (...)
        D of the data under draws of the model and of the baseline model.
    p_d, p_d_baseline : float
        Effective numbers of parameters.
    counts : Counts
        p*, variables, respondents, groups.

    Returns
    -------
    dict of str to ndarray (...)
        By the names in `INDICES`. nan: those with df = p* - pD where it is not positive, those
        relative to the baseline where it fits as well as the saturated model.
    """
    p_star, variables, n = counts.moments, counts.variables, counts.respondents
    df = p_star - p_d if p_d < p_star else math.nan
    df0 = p_star - p_d_baseline if p_d_baseline < p_star else math.nan
    excess = np.maximum(discrepancy - p_star, 0.0)
    excess0 = baseline - p_star
    excess0 = np.where(excess0 > 0, excess0, np.nan)
    gamma = variables / (variables + 2.0 * excess / n)
    ratio, ratio0 = (discrepancy - p_d) / df, (baseline - p_d_baseline) / df0
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "BRMSEA": np.sqrt(excess / (df * n)) * math.sqrt(counts.groups),
            "BGammaHat": gamma,
            "adjBGammaHat": 1.0 - p_star / df * (1.0 - gamma),
            "BMc": np.exp(-0.5 * excess / n),
            "BCFI": 1.0 - excess / excess0,
            "BTLI": np.where(np.isnan(excess0), np.nan, (ratio0 - ratio) / (ratio0 - 1.0)),
            "BNFI": ((baseline - p_d_baseline) - (discrepancy - p_d)) / (baseline - p_d_baseline),
        }


def effective_parameters(log_likelihood: np.ndarray) -> tuple[float, int]:
    """p_loo of respondents' log-likelihoods (chain, draw, respondent), and how many have k > .7.

    Vehtari, Gelman & Gabry (2017), doi:10.1007/s11222-016-9696-4.
    """
    from arviz_stats.base import array_stats

    _, k, p = array_stats.loo(np.moveaxis(log_likelihood, -1, 0), chain_axis=-2, draw_axis=-1)
    return float(np.sum(p)), int(np.sum(np.asarray(k) > 0.7))


@check_shared
@one_blas_thread()
def fit_indices(
    fit: Fitted,
    *,
    replicas: int | None = None,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> Indices:
    """PPP, BRMSEA, BGammaHat and its adjusted form, BMc, BCFI, BTLI and BNFI.

    Arguments, result and errors: `Fit.indices`.
    """
    refuse_tails(fit.prepared.table, "a fit index")
    refuse_design(fit.prepared.sample.design, "a fit index")
    refuse_population(fit, "fit indices")
    if fit.prepared.table.levels > 1:
        refuse_slopes(fit.prepared, "a fit index")
        return _of_levels(fit, replicas, ci_prob, np.random.default_rng(random_seed))
    if fit.prepared.table.answered:
        return _of_answers(fit, replicas, ci_prob, random_seed)
    linear = bool(fit.prepared.structure.products)
    used = linear_fit(fit) if linear else fit
    prepared = used.prepared
    generator = np.random.default_rng(random_seed)
    stored = stored_log_likelihood(used.draws)
    log_likelihood = stored.values
    shape = log_likelihood.shape[:2]
    d = discrepancies(prepared, log_likelihood)
    p_d, poor = effective_parameters(log_likelihood)
    base, p_d0, base_poor = _baseline(used, generator)
    counts = count_moments(prepared)
    values = bayesian_indices(d, np.resize(base, shape), p_d=p_d, p_d_baseline=p_d0, counts=counts)
    stacked = np.stack([np.broadcast_to(values[name], shape) for name in INDICES], axis=-1)
    replicated, compared = _replicate(used, d, replicas, generator)
    axes = {"chain": stored["chain"].values, "draw": stored["draw"].values}
    return Indices(
        table=_table(stacked, INDICES, ci_prob),
        draws=xr.DataArray(
            stacked, dims=("chain", "draw", "index"), coords={**axes, "index": list(INDICES)}
        ),
        ppp=float(np.mean(replicated > compared)),
        replicas=len(replicated),
        discrepancy=xr.DataArray(d, dims=("chain", "draw"), coords=axes, name="discrepancy"),
        replicated=replicated,
        p_star=float(counts.moments),
        p_d=p_d,
        p_d_baseline=p_d0,
        linear=linear,
        ci_prob=ci_prob,
        notes=tuple(_notes(used, linear, values, counts, p_d, p_d0, poor, base_poor, replicated)),
    )


def _of_levels(
    fit: Fitted, replicas: int | None, ci_prob: float, generator: np.random.Generator
) -> Indices:
    """Of a two-level model: the whole, and each level with the other one saturated."""
    found = level_discrepancies(fit, times=replicas, generator=generator)
    stored = stored_log_likelihood(fit.draws)
    shape = stored.shape[:2]
    whole = found.pop(WHOLE)
    p_d, poor = effective_parameters(stored.values)
    whole = replace(whole, p_d=p_d)
    values = _values(whole)
    for name in ("BGammaHat", "adjBGammaHat"):  # of one covariance matrix
        values[name] = np.full(whole.data.shape, np.nan)
    stacked = np.stack([values[name].reshape(shape) for name in INDICES], axis=-1)
    axes = {"chain": stored["chain"].values, "draw": stored["draw"].values}
    table = _table(stacked, INDICES, ci_prob)
    frames = [_level_table(name, one, ci_prob) for name, one in found.items()]
    return Indices(
        table=table[table["mean"].notna()].reset_index(drop=True),
        draws=xr.DataArray(
            stacked, dims=("chain", "draw", "index"), coords={**axes, "index": list(INDICES)}
        ),
        ppp=whole.ppp,
        replicas=len(whole.replicated),
        discrepancy=xr.DataArray(
            whole.data.reshape(shape), dims=("chain", "draw"), coords=axes, name="discrepancy"
        ),
        replicated=whole.replicated,
        p_star=float(whole.counts.moments),
        p_d=p_d,
        p_d_baseline=whole.p_d_baseline,
        linear=False,
        ci_prob=ci_prob,
        notes=tuple(_level_notes(fit, found, poor)),
        levels=pd.concat(frames, ignore_index=True),
    )


def _values(found: LevelDiscrepancy) -> dict[str, np.ndarray]:
    """The indices of the whole or of a level, by draw."""
    return bayesian_indices(
        found.data,
        found.baseline,
        p_d=found.p_d,
        p_d_baseline=found.p_d_baseline,
        counts=found.counts,
    )


def _level_table(name: str, found: LevelDiscrepancy, ci_prob: float) -> pd.DataFrame:
    values = _values(found)
    stacked = np.stack([np.broadcast_to(values[x], found.data.shape) for x in INDICES], axis=-1)
    more = {
        "PPP": found.ppp,
        "p*": found.counts.moments,
        "pD": found.p_d,
        "units": found.counts.respondents,
    }
    own = pd.DataFrame({"index": list(more), "mean": [float(x) for x in more.values()]})
    out = pd.concat([_table(stacked[None], INDICES, ci_prob), own], ignore_index=True)
    out.insert(0, "level", name)
    return out


def _level_notes(fit: Fitted, found: Mapping[str, LevelDiscrepancy], poor: int) -> list[str]:
    notes = [
        "The indices of both levels together mostly say how level 1 fits, which has more units. "
        "Those of a level keep its moments at each draw and saturate the other level; pD is there "
        "the mean of D less D at the posterior means, for both levels p_loo (clusters left out).",
        "The baseline model has no covariances at the level in question; its posterior is by the "
        "normal approximation.",
    ]
    tight = [name for name, one in found.items() if one.p_d >= one.counts.moments]
    if tight:
        notes.append(
            f"BRMSEA, adjBGammaHat and BTLI are not defined {' and '.join(tight)} clusters, where "
            "the model uses as many parameters as there are moments."
        )
    if poor:
        notes.append(
            f"The Pareto k of {poor} clusters is above .7, which makes p_loo uncertain there."
        )
    if fit.prepared.table.exogenous:
        listed = ", ".join(fit.prepared.table.exogenous)
        notes.append(f"All is given the covariates ({listed}), whose moments do not count.")
    return notes


def _of_answers(fit: Fitted, replicas: int | None, ci_prob: float, random_seed: int) -> Indices:
    """The indices of a model with ordered answers."""
    found = answer_discrepancy(fit, count=replicas, generator=np.random.default_rng(random_seed))
    d, counts = found.values, found.counts
    values = bayesian_indices(
        d,
        np.resize(found.baseline, d.shape),
        p_d=found.p_d,
        p_d_baseline=found.p_d_baseline,
        counts=counts,
    )
    stacked = np.stack([np.broadcast_to(values[name], d.shape) for name in ANSWER_INDICES], axis=-1)
    axes = {"chain": np.arange(d.shape[0]), "draw": found.draw}
    return Indices(
        table=_table(stacked, ANSWER_INDICES, ci_prob),
        draws=xr.DataArray(
            stacked,
            dims=("chain", "draw", "index"),
            coords={**axes, "index": list(ANSWER_INDICES)},
        ),
        ppp=float(np.mean(found.replicated > found.compared)),
        replicas=len(found.replicated),
        discrepancy=xr.DataArray(d, dims=("chain", "draw"), coords=axes, name="discrepancy"),
        replicated=found.replicated,
        p_star=float(counts.moments),
        p_d=found.p_d,
        p_d_baseline=found.p_d_baseline,
        linear=False,
        ci_prob=ci_prob,
        notes=tuple(_notes_on_answers(fit, values, counts, found.p_d)),
    )


def _baseline(fit: Fitted, generator: np.random.Generator) -> tuple[np.ndarray, float, int]:
    """D of the data under draws of the baseline model, its p_loo and poor k values."""
    prepared = fit.prepared
    values = baseline_log_likelihoods(prepared, BASELINE_DRAWS, generator=generator)
    p_d, poor = effective_parameters(values[None])
    return 2.0 * (saturated_log_likelihood(prepared) - values.sum(axis=-1)), p_d, poor


def _replicate(
    fit: Fitted, d: np.ndarray, replicas: int | None, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """D of replicated data, and of the data at the same draws, (replica,) each."""
    flat = d.ravel()
    if fit.prepared.sample.complete:
        wanted = len(flat) if replicas is None else replicas
        at = (
            np.resize(np.arange(len(flat)), wanted)
            if wanted >= len(flat)
            else _spaced(flat, wanted)
        )
        return replicated_complete(fit.prepared, wanted, generator=generator), flat[at]
    wanted = min(INCOMPLETE_REPLICAS if replicas is None else replicas, len(flat))
    at = _spaced(flat, wanted)
    kept = stored_log_likelihood(fit.draws)["draw"].values
    elements = fit.elements[:, kept].reshape(len(flat), -1)
    return replicated_incomplete(fit.prepared, elements[at], generator=generator), flat[at]


def _spaced(flat: np.ndarray, wanted: int) -> np.ndarray:
    return np.linspace(0, len(flat) - 1, wanted).round().astype(int)


def _table(stacked: np.ndarray, names: Sequence[str], ci_prob: float) -> pd.DataFrame:
    out = summarise(stacked, ci_prob=ci_prob, quality=False).drop(columns="p_positive")
    out.insert(0, "index", list(names))
    middle = np.full(len(names), np.nan)
    for i in range(len(names)):
        known = stacked[..., i][~np.isnan(stacked[..., i])]
        middle[i] = np.median(known) if known.size else np.nan
    out.insert(2, "median", middle)
    return out


def _notes_on_answers(
    fit: Fitted, values: dict[str, np.ndarray], counts: Counts, p_d: float
) -> list[str]:
    notes = [
        "The discrepancy is that of the answers' first and second moments (shares of categories, "
        "mean products), in units of their sampling error: BRMSEA is RMSEA2, the rest is relative "
        "to answers that have nothing to do with each other. fit.residuals() says where it comes "
        "from."
    ]
    if fit.prepared.table.exogenous:
        notes.append(
            f"All is given the covariates ({', '.join(fit.prepared.table.exogenous)}), with the "
            "products of answers and covariates among the moments; answers that have nothing to do "
            "with each other depend on no covariate."
        )
    if p_d >= counts.moments:
        notes.append(
            f"BRMSEA and BTLI are not defined: the model uses {number(p_d, 1)} effective "
            f"parameters for {counts.moments} moments, so p* - pD, which stands for its degrees of "
            "freedom, is not positive."
        )
    lost = float(np.mean(np.isnan(values["BCFI"])))
    if lost:
        notes.append(
            f"BCFI and BTLI are not defined in {number(100 * lost, 1)} % of the draws, where "
            "independent answers fit as well: there is little to explain in these data."
        )
    if not fit.prepared.sample.complete:
        but = " but the covariates" if fit.prepared.table.exogenous else ""
        notes.append(
            "Moments are those of the answers that are known, replicated data have the same "
            f"missing: right where nothing observed{but} says which are missing."
        )
    return notes


def _notes(
    fit: Fitted,
    linear: bool,
    values: dict[str, np.ndarray],
    counts: Counts,
    p_d: float,
    p_d0: float,
    poor: int,
    base_poor: int,
    replicated: np.ndarray,
) -> list[str]:
    notes = []
    if linear:
        notes.append(
            "These are the indices of the model without its squares and products, sampled for the "
            "purpose: a saturated model of means and covariances cannot judge a product term. "
            "Compare the models with and without it by LOO."
        )
    if p_d >= counts.moments:
        notes.append(
            f"BRMSEA, adjBGammaHat and BTLI are not defined: the model uses {number(p_d, 1)} "
            f"effective parameters for {counts.moments} moments, so p* - pD, which stands for its "
            "degrees of freedom, is not positive. The model is (nearly) saturated, or a few "
            "respondents inflate p_loo."
        )
    if p_d0 >= counts.moments:
        notes.append(
            f"BTLI is not defined: the baseline model has {number(p_d0, 1)} effective "
            f"parameters for {counts.moments} moments."
        )
    lost = float(np.mean(np.isnan(values["BCFI"])))
    if lost:
        notes.append(
            f"BCFI and BTLI are not defined in {number(100 * lost, 1)} % of the draws, where the "
            "baseline model (no covariances at all) fits as well as the saturated one: there is "
            "little to explain in these data."
        )
    if poor or base_poor:
        notes.append(
            f"pD is p_loo; the Pareto k of {poor} respondents under the model and {base_poor} "
            "under the baseline is above .7, which makes it uncertain there."
        )
    if fit.prepared.table.exogenous:
        listed = ", ".join(fit.prepared.table.exogenous)
        notes.append(f"All is given the covariates ({listed}), whose moments do not count.")
    if not fit.prepared.sample.complete:
        notes.append(
            f"The PPP rests on {len(replicated)} replicated data sets with the same values "
            "missing, the saturated model fitted to each by EM."
        )
    return notes
