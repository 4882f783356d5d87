"""From a prepared model to a fitted one: start, sample, log-likelihoods, quadrature error."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from bayessem.errors import BayessemWarning, FitError
from bayessem.model.check import check
from bayessem.model.prepare import Prepared
from bayessem.model.space import dimension
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import has_integral, posterior_density, respondent_order
from bayessem.posterior.balance import balanced_density
from bayessem.posterior.covariate_means import covariate_shifts
from bayessem.posterior.covariates import covariate_log_density
from bayessem.posterior.density import Density
from bayessem.posterior.feedback import heaviest_mode
from bayessem.posterior.optimise import Maximum
from bayessem.posterior.sampling import Approximation, Interrupted, sample
from bayessem.posterior.settings import ACCEPT, POOLED_ACCEPT, Sampling
from bayessem.results.fitted import Fitted
from bayessem.results.orientation import orient

# Respondent-level log-likelihoods are kept for every draw while they fit in this many numbers
# (400 MB); beyond, for evenly spaced draws.
LOG_LIKELIHOOD_LIMIT = 50_000_000
# An interrupted run with fewer draws a chain is given up.
WORTH_KEEPING = 100
# Draws at which the quadrature is checked against four times the nodes.
QUADRATURE_DRAWS = 20


def estimate(
    prepared: Prepared,
    sampling: Sampling,
    *,
    checked: Sequence[str] | None = None,
    began: float | None = None,
) -> Fitted:
    """Sample the posterior of a prepared model.

    Parameters
    ----------
    prepared : Prepared
        The model with its data.
    sampling : Sampling
        How to sample.
    checked : sequence of str, optional
        What a check of the model has said, where the caller has made it; by default it is checked
        here.
    began : float, optional
        `time.perf_counter()` when the work began, for the timings; by default now.

    Raises
    ------
    BayessemError
        IdentificationError or NotSupported before sampling; FitError when the density is not finite
        where it has to be.
    KeyboardInterrupt
        When sampling is interrupted before chains have 100 draws.
    """
    began = time.perf_counter() if began is None else began
    prepared.check_sampling()
    if checked is None:
        report = check(prepared)
        report.raise_errors()
        checked = (*filter(None, [report.cases]), *map(str, report.findings))
    notes = tuple(checked)
    settings = {**prepared.asked, **_settled(sampling, prepared).recorded()}
    engine = settings["engine"]
    integrate = settings["latents"] == "integrated" or has_integral(prepared.structure)
    direction = orient(prepared, integrate=integrate)
    if direction is None:
        values = start_values(prepared.structure, prepared.covariances, prepared.means)
        start = initial_point(prepared.space, prepared.table, values)
    else:
        prepared, start = direction.prepared, direction.start
        settings["signs"] = direction.signs
    density = posterior_density(
        prepared.space, prepared.structure, prepared.sample, integrate=integrate
    )
    if integrate and prepared.unpooled is not None:
        found = None if direction is None else direction.base
        density, start = balanced_density(prepared, density, found=found, start=start)
    approximation = _as_it_is(density, start)
    if integrate:
        approximation, seen = heaviest_mode(prepared, density, start, covariate_shifts(prepared))
        notes = (*notes, *seen)
    keys = ("draws", "tune", "chains", "cores", "random_seed", "target_accept")
    options = {k: settings[k] for k in keys}
    ready = time.perf_counter()
    try:
        if engine == "native":
            result = sample(approximation, progress=sampling.progress, **options)
        else:
            from bayessem.graph.pymc_sampling import sample_pymc

            result = sample_pymc(
                prepared,
                approximation,
                latents=settings["latents"],
                progress=sampling.progress,
                **options,
            )
    except Interrupted as stopped:
        result = stopped.draws
        chains, count = result.values.shape[:2]
        if count < WORTH_KEEPING:
            raise
        said = (
            f"sampling was interrupted: kept are {count} of {settings['draws']} draws of {chains} "
            f"of {settings['chains']} chains"
        )
        warnings.warn(said, BayessemWarning, stacklevel=3)
        notes = (*notes, f"note [interrupted] {said}")
        settings = {**settings, "draws": count, "chains": chains}
    if direction is not None:
        result = replace(result, values=direction.settled(result.values))
    sampled = time.perf_counter()
    data = _tree(prepared, density, result.values, result.stats, integrate=integrate)
    data.attrs["quadrature_error"] = 0.0
    if integrate:
        data.attrs["quadrature_error"] = _quadrature_error(prepared, density, result.values)
    done = time.perf_counter()
    timings = {
        "before_first_draw": ready - began,
        "sampling": sampled - ready,
        "log_likelihood": done - sampled,
        "total": done - began,
    }
    return Fitted(prepared, data, settings, timings, notes)


def _settled(sampling: Sampling, prepared: Prepared) -> Sampling:
    """The settings with what was left open decided: seed, target_accept, engine."""
    pooled = prepared.pooling is not None and prepared.pooling.how == "partial"
    seed, accept, engine = sampling.random_seed, sampling.target_accept, sampling.engine
    if seed is None:
        seed = int(np.random.default_rng().integers(2**31))
    if accept is None:
        accept = POOLED_ACCEPT if pooled else ACCEPT
    if sampling.latents == "sampled":
        if engine == "native":
            raise FitError('latents="sampled" is a PyMC model: use engine="auto" or "pymc"')
        engine = "pymc"
    engine = "native" if engine == "auto" else engine
    return replace(sampling, random_seed=seed, target_accept=accept, engine=engine)


def _as_it_is(density: Density, start: np.ndarray) -> Approximation:
    """Start values without a climb: where there is no integral there is nothing to climb."""
    size = len(start)
    point = Maximum(start, -np.inf, np.eye(size), converged=False, decrement=np.inf)
    return Approximation(density, point, np.eye(size))


def _tree(
    prepared: Prepared,
    density: Density,
    values: np.ndarray,
    stats: dict[str, np.ndarray],
    *,
    integrate: bool,
) -> xr.DataTree:
    """Draws as a DataTree in ArviZ's layout; without an integral no log-likelihoods."""
    space, sample = prepared.space, prepared.sample
    chains, draws = values.shape[:2]
    axes = {"chain": np.arange(chains), "draw": np.arange(draws)}
    posterior = xr.Dataset(coords=axes)
    for kind, where in space.kinds().items():
        names = list(space.names[where])
        posterior[kind] = xr.DataArray(
            values[..., where],
            dims=("chain", "draw", dimension(kind)),
            coords={dimension(kind): names},
        )
    rows = [str(x) for x in sample.rows]
    parts = {
        "posterior": posterior,
        "sample_stats": xr.Dataset(
            {name: (("chain", "draw"), array) for name, array in stats.items()}, coords=axes
        ),
        "observed_data": xr.Dataset(
            {"y": (("respondent", "indicator"), sample.values)},
            coords={"respondent": rows, "indicator": list(sample.variables)},
        ),
    }
    if integrate:
        step = int(np.ceil(chains * draws * sample.size / LOG_LIKELIHOOD_LIMIT))
        kept = np.arange(0, draws, step)
        log_likelihood = density.respondent_log_likelihood(values[:, kept])
        log_likelihood = log_likelihood[..., respondent_order(sample)]
        log_likelihood = log_likelihood - covariate_log_density(space, prepared.structure, sample)
        parts["log_likelihood"] = xr.Dataset(
            {"y": (("chain", "draw", "respondent"), log_likelihood)},
            coords={"chain": axes["chain"], "draw": kept, "respondent": rows},
        )
    tree = xr.DataTree.from_dict(parts)
    tree.attrs["data_hash"] = sample.hash
    return tree


def _quadrature_error(prepared: Prepared, density: Density, values: np.ndarray) -> float:
    """Largest change of a draw's log-likelihood with four times the nodes; 0 for linear models."""
    if not prepared.structure.products:
        return 0.0
    from bayessem.likelihood.plan import REACH, STEP

    flat = values.reshape(-1, values.shape[-1])
    some = flat[np.linspace(0, len(flat) - 1, QUADRATURE_DRAWS).astype(int)]
    fine = posterior_density(
        prepared.space,
        prepared.structure,
        prepared.sample,
        reach=REACH + 8.0,
        step=STEP / 4.0,
    )
    coarse = density.respondent_log_likelihood(some).sum(axis=1)
    return float(np.abs(coarse - fine.respondent_log_likelihood(some).sum(axis=1)).max())
