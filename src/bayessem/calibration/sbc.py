"""Simulation-based calibration: parameters from the prior, data from the model, ranks in the fit.

If the program samples the posterior it claims to, the rank of the true value among the posterior
draws is uniform. Talts, Betancourt, Simpson, Vehtari & Gelman (2018, arXiv:1804.06788); with the
log-likelihood among the quantities, as Modrak et al. (2023, doi:10.1214/23-BA1404) advise, since
parameters alone do not see a posterior that ignores the data.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.calibration.bands import Band, simultaneous_band
from bayessem.errors import DataError, FitError, ModelError
from bayessem.execution import run, task_seed
from bayessem.model.answer_engine import on_lattices
from bayessem.model.companions import read_answers
from bayessem.model.data import Sample
from bayessem.model.prepare import Prepared, moments_of
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.answered import answered
from bayessem.posterior.assemble import compile_for, posterior_density
from bayessem.posterior.balance import balanced_density
from bayessem.posterior.density import Density
from bayessem.posterior.diagnostics import convergence
from bayessem.posterior.prior_draws import prior_draws
from bayessem.posterior.sampling import approximate, sample
from bayessem.results.estimates import free_draws
from bayessem.results.simulate import simulate, simulate_block
from bayessem.results.standardize import row_values
from bayessem.text.columns import column
from bayessem.text.described import Described
from bayessem.text.document import Document, Lines, Table
from bayessem.text.formats import TEXT, YES

LOG_LIKELIHOOD = "log-likelihood"


@dataclass(frozen=True, repr=False)
class Calibration(Described):
    """Ranks of true values among posterior draws.

    Attributes
    ----------
    quantities : tuple of str
        The sampled parameters, and the log-likelihood.
    ranks : ndarray (fit, quantity)
        Number of posterior draws below the true value.
    size : int
        Posterior draws that each is ranked among.
    effective : float
        Median over the fits of the smallest effective sample size of the draws that were ranked.
    divergences : int
        Of all fits.
    failed : int
        Data sets whose fit could not start; they are not among the ranks.
    """

    quantities: tuple[str, ...]
    ranks: np.ndarray
    size: int
    effective: float
    divergences: int
    failed: int

    def band(self, probability: float = 0.99) -> Band:
        """Band in which each quantity stays with this probability."""
        return simultaneous_band(len(self.ranks), size=self.size, probability=probability)

    def joint_band(self, probability: float = 0.99) -> Band:
        """Band in which all quantities together stay with at least this probability."""
        share = (1.0 - probability) / len(self.quantities)
        return self.band(1.0 - share)

    def distributions(self, band: Band) -> np.ndarray:
        """Empirical distribution functions of the ranks, (quantity, K)."""
        return np.mean(self.ranks[:, :, None] < band.points * (self.size + 1) - 1e-9, axis=0)

    @property
    def table(self) -> pd.DataFrame:
        """A row a quantity: mean rank (share), distance from uniform, inside the 99 % bands."""
        band, joint = self.band(), self.joint_band()
        shares = self.distributions(band)
        return pd.DataFrame(
            {
                "quantity": self.quantities,
                "mean_rank": (self.ranks + 0.5).mean(axis=0) / (self.size + 1),
                "largest_gap": np.abs(shares - band.points).max(axis=1),
                "inside_99": band.inside(shares),
                "inside_joint_99": joint.inside(shares),
            }
        )

    @property
    def passed(self) -> bool:
        """Whether all quantities stay in their joint 99 % band."""
        return bool(self.table["inside_joint_99"].all())

    def document(self) -> Document:
        """How many fits, the verdict, and the table."""
        table = self.table
        outside = table.loc[~table["inside_joint_99"], "quantity"].astype(str)
        verdict = (
            "all ranks are compatible with exact posterior draws"
            if self.passed
            else f"NOT calibrated: {', '.join(outside)}"
        )
        missing = f", {self.failed} data sets without a fit" if self.failed else ""
        return Document.of(
            Lines(
                (
                    f"Simulation-based calibration: {len(self.ranks)} data sets, ranks among "
                    f"{self.size} draws (effective {self.effective:.0f}), {self.divergences} "
                    f"divergences{missing}",
                    f"Joint 99 % band over {len(self.quantities)} quantities: {verdict}.",
                )
            ),
            Table(
                (
                    column(table, "quantity", how=TEXT),
                    column(table, "mean_rank"),
                    column(table, "largest_gap"),
                    column(table, "inside_99", how=YES),
                    column(table, "inside_joint_99", how=YES),
                )
            ),
        )


def _new_sample(prepared: Prepared, elements: np.ndarray, rng: np.random.Generator) -> Sample:
    """Respondents drawn at given matrices, with the sizes and missing cells of the sample.

    Durations are censored where limits are; by flags and intervals they are not.
    """
    sample = prepared.sample
    if sample.clusters is not None:
        return _new_clusters(prepared, elements, rng)
    sizes = [int(np.sum(sample.group == g)) for g in range(len(sample.groups))]
    categories = {
        name: tuple(range(count + 1))  # codes, as a sample has them
        for name, count in prepared.table.responses.thresholds.items()
    }
    responses = prepared.table.responses
    frame = simulate(
        prepared.structure,
        elements,
        sizes,
        random_seed=rng,
        categories=categories,
        beside={name: sample.beside[name] for name in responses.exposure},
    )
    order = np.argsort(np.argsort(sample.group, kind="stable"))  # frames go by group
    frame = frame.iloc[order].reset_index(drop=True)
    values = np.array(frame[list(sample.variables)], dtype=np.float64)
    values[np.isnan(sample.values)] = np.nan
    beside = {}
    for name in responses.others:  # with their own exposures and intervals
        at = sample.variables.index(name)
        own = frame.assign(**{name: values[:, at]})
        values[:, at], beside[name] = read_answers(own, name, responses)
    return dataclasses.replace(sample, values=values, beside=beside)


def _new_clusters(prepared: Prepared, elements: np.ndarray, rng: np.random.Generator) -> Sample:
    """The same for a two-level model: the clusters of the sample, all drawn anew."""
    sample = prepared.sample
    assert sample.clusters is not None
    values = np.empty_like(sample.values)
    for g in range(len(sample.clusters.groups)):
        members = np.flatnonzero(sample.group == 2 * g)
        order = members[np.argsort(sample.clusters.code[members], kind="stable")]
        sizes = np.unique(sample.clusters.code[members], return_counts=True)[1].tolist()
        frame = simulate_block(prepared.structure, elements, g, sizes, rng)
        values[order] = frame[list(sample.variables)].to_numpy()
    values[np.isnan(sample.values)] = np.nan
    return dataclasses.replace(sample, values=values)


def _one_fit(
    prepared: Prepared, data: Sample, *, draws: int, tune: int, seed: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Posterior draws (draw, D), their log-likelihoods (draw,), and divergences."""
    density = posterior_density(prepared.space, prepared.structure, data)
    covariances, means = moments_of(data, prepared.table)
    start = initial_point(
        prepared.space, prepared.table, start_values(prepared.structure, covariances, means)
    )
    own = dataclasses.replace(prepared, sample=data, covariances=covariances, means=means)
    if prepared.unpooled is not None:
        density, start = balanced_density(own, density)
    if on_lattices(prepared.structure):
        density, approximation = answered(own, density, start)
    else:
        approximation = approximate(density, start)
    result = sample(
        approximation,
        draws=draws,
        tune=tune,
        chains=1,
        cores=1,
        random_seed=seed,
        progress=False,
        target_accept=0.9,
    )
    log_likelihood = density.respondent_log_likelihood(result.values[0]).sum(axis=-1)
    return result.values[0], log_likelihood, int(np.sum(result.stats["diverging"]))


def _ranked(prepared: Prepared, density: Density, values: np.ndarray) -> np.ndarray:
    """What is ranked, (..., quantity): the coordinates, with composites the table's parameters.

    The coordinates of a direction and of its opposite are the same weights.
    """
    if not prepared.table.composites:
        return values
    structure = prepared.structure
    return free_draws(structure, row_values(structure, density.elements(values)))


@check_shared
def calibrate(
    prepared: Prepared,
    *,
    fits: int = 500,
    draws: int = 1000,
    tune: int = 500,
    ranked: int = 99,
    random_seed: int | None = None,
    report: Callable[[int, int], None] | None = None,
    executor: Any = None,
) -> Calibration:
    """Simulation-based calibration of a model with its priors.

    Parameters
    ----------
    prepared : Prepared
        Model, priors, sample sizes and missing cells; its values are not used. The priors are those
        of this data set and do not change with the simulated ones.
    fits : int
        Data sets drawn from the prior predictive distribution and fitted.
    draws, tune : int
        Of the one chain of each fit.
    ranked : int
        Draws, evenly spaced, that the true value is ranked among.
    random_seed : int, optional
        Makes it repeatable, wherever and in whatever order the fits are made.
    report : callable, optional
        Called with (done, fits) after each.
    executor : optional
        Where the fits are made (`bayessem.execution.run`).

    Raises
    ------
    ModelError
        For a model with covariates, whose values are not drawn.
    PriorError
        For improper priors.
    """
    table = prepared.table
    if table.exogenous:
        raise ModelError(
            "calibration draws whole respondents; with covariates that are conditioned on, set "
            "fixed_x=False"
        )
    if not 1 <= ranked <= draws:
        raise FitError(f"ranked has to lie between 1 and draws = {draws}, not {ranked}")
    rng = np.random.default_rng(random_seed)
    root = int(rng.integers(2**63))
    template = posterior_density(prepared.space, prepared.structure, prepared.sample)
    truth = prior_draws(prepared.space, prepared.structure, template, draws=fits, random_seed=rng)
    keep = np.linspace(0, draws - 1, ranked).round().astype(int)
    shared = _Setting(prepared, draws, tune, keep)
    items = [(truth[s], task_seed(root, s)) for s in range(fits)]
    found: dict[int, _Ranked | str] = {}
    workers = run(_one_data_set, shared, items, executor=executor, ready=_compile)
    with closing(workers) as results:
        for s, one in results:
            found[s] = one
            if isinstance(one, str):
                print(f"calibration: data set {s}: {one}", file=sys.stderr)
            if report is not None:
                report(len(found), fits)
    kept = [one for _, one in sorted(found.items()) if not isinstance(one, str)]
    if not kept:
        raise FitError(f"none of {fits} data sets could be fitted: {found[0]}")
    table = prepared.table
    return Calibration(
        (*(table.parameters if table.composites else prepared.space.names), LOG_LIKELIHOOD),
        np.array([one.ranks for one in kept]),
        ranked,
        float(np.median([one.effective for one in kept])),
        sum(one.divergences for one in kept),
        fits - len(kept),
    )


class _Setting(NamedTuple):
    """What all data sets have in common; `keep`: which draws are ranked among."""

    prepared: Prepared
    draws: int
    tune: int
    keep: np.ndarray


class _Ranked(NamedTuple):
    """Of one data set, as in `Calibration`."""

    ranks: np.ndarray
    effective: float
    divergences: int


def _compile(shared: _Setting) -> None:
    compile_for(shared.prepared)


def _one_data_set(shared: _Setting, item: tuple[np.ndarray, int]) -> _Ranked | str:
    """Ranks of the true values (D,) in a fit to data drawn there; why not, in words."""
    prepared, (truth, seed) = shared.prepared, item
    rng = np.random.default_rng(seed)
    template = posterior_density(prepared.space, prepared.structure, prepared.sample)
    try:
        data = _new_sample(prepared, template.elements(truth), rng)
        values, log_likelihood, diverging = _one_fit(
            prepared, data, draws=shared.draws, tune=shared.tune, seed=int(rng.integers(2**31))
        )
    except (FitError, DataError) as problem:  # such as durations that are all censored
        return str(problem)
    own = posterior_density(prepared.space, prepared.structure, data)
    true_likelihood = own.respondent_log_likelihood(truth).sum()
    posterior = np.column_stack([_ranked(prepared, own, values), log_likelihood])[shared.keep]
    true = np.append(_ranked(prepared, own, truth), true_likelihood)
    ranks = np.sum(posterior < true, axis=0)
    return _Ranked(ranks, float(convergence(posterior[None])["ess_bulk"].min()), diverging)
