"""From a prepared model to a fitted one: start, sample, log-likelihoods, quadrature error."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bayessem.errors import BayessemWarning, FitError, NotSupported, outside
from bayessem.execution import check_executor, run_in_order
from bayessem.model.answer_engine import (
    NODES,
    answer_engine,
    has_scores,
    on_lattices,
    require_nodes,
)
from bayessem.model.check import check
from bayessem.model.level_data import refuse_levels
from bayessem.model.prepare import Prepared
from bayessem.model.space import dimension
from bayessem.model.starts import initial_point, start_values
from bayessem.model.thresholds import refuse_answers
from bayessem.posterior.answered import answered
from bayessem.posterior.assemble import (
    compile_for,
    has_integral,
    posterior_density,
    respondent_order,
)
from bayessem.posterior.balance import balanced_density
from bayessem.posterior.covariate_means import covariate_shifts
from bayessem.posterior.covariates import covariate_log_density
from bayessem.posterior.density import Density
from bayessem.posterior.feedback import heaviest_mode
from bayessem.posterior.optimise import Maximum
from bayessem.posterior.sampling import (
    Approximation,
    Draws,
    Interrupted,
    Seen,
    complete,
    exact,
    reweighted,
    sample,
)
from bayessem.posterior.settings import ACCEPT, POOLED_ACCEPT, Sampling
from bayessem.results.fitted import Fitted
from bayessem.results.groups import data_group, unit_labels
from bayessem.results.orientation import Orientation, orient
from bayessem.results.projection import projected
from bayessem.results.versions import installed_versions
from bayessem.threads import one_blas_thread

if TYPE_CHECKING:
    import xarray as xr

# Respondent-level log-likelihoods are kept for every draw while they fit in this many numbers
# (400 MB); beyond, for evenly spaced draws.
LOG_LIKELIHOOD_LIMIT = 50_000_000
# An interrupted run with fewer draws a chain is given up.
WORTH_KEEPING = 100
# Draws at which the quadrature is checked against four times the nodes.
QUADRATURE_DRAWS = 20
# ... and at no more than so many of the farthest ones, lattices for them chosen at fewer.
MOST_ENDS, LATTICE_ENDS = 200, 24
# Errors (log units) of a lattice for ordered answers at these draws and at the farthest ones from
# which on its draws are weighted by a finer one; that one's error is seen with a finer one still.
COARSE, COARSE_FAR = 1e-3, 1e-2
FINER, FINEST = 2.0, 3.0


@one_blas_thread()
def estimate(
    prepared: Prepared,
    sampling: Sampling,
    *,
    checked: Sequence[str] | None = None,
    began: float | None = None,
    seen: Seen | None = None,
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
    seen : callable, optional
        Called with draws as they come (`posterior.sampling.sample`); not by PyMC's engine.

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
    notes = checked_before(prepared) if checked is None else tuple(checked)
    run = _begun(prepared, _settled(sampling, prepared))
    ready = time.perf_counter()
    try:
        result = _sampled(run, seen)
    except Interrupted as stopped:
        if stopped.draws.values.shape[1] < WORTH_KEEPING:
            raise
        result, run = _cut(run, stopped.draws)
        warnings.warn(run.seen[-1].partition("] ")[2], BayessemWarning, stacklevel=outside())
    sampled = time.perf_counter()
    return _fitted(run, result, notes, (began, ready, sampled))


class _Run(NamedTuple):
    """A model that is sampled: where and in which coordinates, and what was seen on the way."""

    prepared: Prepared
    sampling: Sampling
    integrate: bool
    direction: Orientation | None
    density: Density
    approximation: Approximation
    seen: tuple[str, ...]


def _begun(prepared: Prepared, sampling: Sampling) -> _Run:
    """Everything before the first draw."""
    scored = sampling.engine == "native" and sampling.latents == "sampled"
    integrate = sampling.latents == "integrated" or scored or _integrable(prepared)
    direction = orient(prepared, integrate=integrate)
    if direction is not None:
        prepared = direction.prepared
    density, approximation, seen = _approximation(
        prepared, direction, integrate=integrate, scored=scored
    )
    return _Run(prepared, sampling, integrate, direction, density, approximation, seen)


def _cut(run: _Run, draws: Draws) -> tuple[Draws, _Run]:
    """What is kept of an interrupted run."""
    chains, count = draws.values.shape[:2]
    said = (
        f"sampling was interrupted: kept are {count} of {run.sampling.draws} draws of {chains} "
        f"of {run.sampling.chains} chains"
    )
    sampling = replace(run.sampling, draws=count, chains=chains)
    return draws, run._replace(sampling=sampling, seen=(*run.seen, f"note [interrupted] {said}"))


def _fitted(
    run: _Run, result: Draws, notes: tuple[str, ...], times: tuple[float, float, float]
) -> Fitted:
    """The fitted model of its draws; `times` when it began, drew first and drew last."""
    prepared, density, direction = run.prepared, run.density, run.direction
    if direction is not None:
        result = replace(result, values=direction.settled(result.values))
    if prepared.sample.design is not None:
        result, said = _projected(prepared, density, result)
        notes = (*notes, said)
    weighted: dict[str, float] = {}
    error = tail = 0.0
    if density.approximate:
        weighted = _weighted(prepared, density, result)
    elif run.integrate:
        notes = (*notes, *_coarsely(result))
        error, tail = _quadrature_error(prepared, density, result.values)
        seed = int(run.sampling.random_seed or 0)
        if prepared.sample.design is None and (error > COARSE or tail > COARSE_FAR):
            by = None if run.approximation.scores else (seed, error, tail)
            density, result, said = _on_finer_nodes(prepared, density, result, by)
            if said:
                notes = (*notes, said)
                error, tail = _quadrature_error(prepared, density, result.values, finer=FINEST)
    data = _tree(prepared, density, result, integrate=run.integrate)
    data.attrs.update(weighted, quadrature_error=error, quadrature_tail=tail)
    done = time.perf_counter()
    began, ready, sampled = times
    timings = {
        "before_first_draw": ready - began,
        "sampling": sampled - ready,
        "log_likelihood": done - sampled,
        "total": done - began,
    }
    settings = {**prepared.asked, **run.sampling.recorded()}
    if direction is not None:
        settings["signs"] = direction.signs
    return Fitted(prepared, data, settings, timings, (*notes, *run.seen))


def settled_sampling(prepared: Prepared, sampling: Sampling) -> Sampling:
    """The settings with what was left open decided, which is what a record of a run needs."""
    return _settled(sampling, prepared)


def estimate_of(
    prepared: Prepared, sampling: Sampling, draws: Draws, notes: tuple[str, ...]
) -> Fitted:
    """The fitted model of draws that an unfinished run left.

    Parameters
    ----------
    prepared : Prepared
        The model with its data.
    sampling : Sampling
        How it was being sampled, nothing left open.
    draws : Draws
        As `estimate`'s `seen` was given them, nan where a chain had not come to.
    notes : tuple of str
        What the check had said.

    Raises
    ------
    FitError
        When no chain has `WORTH_KEEPING` draws.
    """
    began = time.perf_counter()
    run = _begun(prepared, sampling)
    try:
        draws = complete(draws, sampling.draws)
    except Interrupted as stopped:
        if stopped.draws.values.shape[1] < WORTH_KEEPING:
            raise FitError(
                f"the run was stopped after {stopped.draws.values.shape[1]} draws a chain; fewer "
                f"than {WORTH_KEEPING} say too little"
            ) from None
        draws, run = _cut(run, stopped.draws)
    draws = exact(run.approximation, draws, int(sampling.random_seed or 0))
    now = time.perf_counter()
    return _fitted(run, draws, notes, (began, now, now))


def estimate_all(
    prepared: Mapping[str, Prepared],
    sampling: Sampling,
    *,
    checked: Sequence[str] | None = None,
    executor: Any = None,
) -> dict[str, Fitted]:
    """Several models, sampled in the same way, wherever an executor runs them.

    Parameters
    ----------
    prepared : mapping of str to Prepared
        The models with their data, all of which are checked before the first is sampled.
    sampling : Sampling
        How to sample.
    checked : sequence of str, optional
        What a check of all of them has said, where the caller has made it.
    executor : optional
        See `bayessem.execution.run`.

    Raises
    ------
    BayessemError
        As `estimate`.
    """
    check_executor(executor)
    for model in prepared.values():
        model.check_sampling()
    said = [checked_before(m) if checked is None else tuple(checked) for m in prepared.values()]
    if executor is not None:
        sampling = replace(sampling, progress=False)
    models = _Models(sampling, tuple(zip(prepared.values(), said, strict=True)))
    found = run_in_order(
        _estimated, models, range(len(prepared)), executor=executor, ready=_compile
    )
    return dict(zip(prepared, found, strict=True))


class _Models(NamedTuple):
    """How to sample; models with what a check has said of them."""

    sampling: Sampling
    models: tuple[tuple[Prepared, tuple[str, ...]], ...]


def _compile(shared: _Models) -> None:
    for prepared, _ in shared.models:
        compile_for(prepared)


def _estimated(shared: _Models, position: int) -> Fitted:
    prepared, checked = shared.models[position]
    return estimate(prepared, shared.sampling, checked=checked)


def _projected(prepared: Prepared, density: Density, result: Draws) -> tuple[Draws, str]:
    """Draws with the spread of the sampling design, and what was done in words."""
    design = prepared.sample.design
    assert design is not None
    values, ratio = projected(result.values, prepared.space, density, prepared.sample)
    said = (
        f"note [sampling design] respondents are {design.said}; draws of the weighted posterior "
        "were projected to the design's accuracy (Williams & Savitsky 2021): standard deviations "
        f"are {ratio.min():.2f} to {ratio.max():.2f} times as large"
    )
    return replace(result, values=values), said


def checked_before(prepared: Prepared) -> tuple[str, ...]:
    """What a check of the model has to say; errors are raised, warnings given."""
    report = check(prepared)
    report.raise_errors()
    for finding in report.findings:
        if finding.warning:
            said = f"{finding.message}. {finding.remedy}"
            warnings.warn(said, BayessemWarning, stacklevel=outside())
    return (*filter(None, [report.cases]), *map(str, report.findings))


def _approximation(
    prepared: Prepared, direction: Orientation | None, *, integrate: bool, scored: bool
) -> tuple[Density, Approximation, tuple[str, ...]]:
    """The posterior, where and in which coordinates to sample it, and what was seen on the way."""
    density = posterior_density(
        prepared.space, prepared.structure, prepared.sample, integrate=integrate
    )
    if direction is None:
        values = start_values(prepared.structure, prepared.covariances, prepared.means)
        start = initial_point(prepared.space, prepared.table, values)
    else:
        start = direction.start
    if not integrate:
        return density, _as_it_is(density, start), ()
    if prepared.unpooled is not None:
        found = None if direction is None else direction.base
        density, start = balanced_density(prepared, density, found=found, start=start)
    if on_lattices(prepared.structure):
        density, approximation = answered(prepared, density, start, scored=scored)
        scores = approximation.scores
        return density, approximation, (f"note [scores] {scores.said}",) if scores else ()
    approximation, seen = heaviest_mode(prepared, density, start, covariate_shifts(prepared))
    return density, approximation, tuple(seen)


def _sampled(run: _Run, seen: Seen | None) -> Draws:
    """Draws by the engine that was chosen."""
    prepared, approximation, sampling = run.prepared, run.approximation, run.sampling
    keys = ("draws", "tune", "chains", "cores", "random_seed", "target_accept", "progress")
    options: dict[str, Any] = {k: getattr(sampling, k) for k in keys}
    if sampling.engine == "native":
        return sample(approximation, meanwhile=_load_the_rest, seen=seen, **options)
    from bayessem.graph.pymc_sampling import sample_pymc

    return sample_pymc(prepared, approximation, latents=sampling.latents, **options)


def _load_the_rest() -> None:
    """What takes time and is first needed after the last draw."""
    import xarray as xr

    xr.Dataset({"y": ("x", np.zeros(1))})  # xarray looks for the kinds of arrays that there are
    installed_versions()


def _integrable(prepared: Prepared) -> bool:
    """Whether the latent variables can be integrated out, with ordered answers exactly."""
    if prepared.table.answered:
        return answer_engine(prepared.structure, prepared.sample)[0] == NODES
    return has_integral(prepared.structure)


def _settled(sampling: Sampling, prepared: Prepared) -> Sampling:
    """The settings with what was left open decided: seed, target_accept, engine."""
    pooled = prepared.pooling is not None and prepared.pooling.how == "partial"
    seed, accept, engine = sampling.random_seed, sampling.target_accept, sampling.engine
    if seed is None:
        seed = int(np.random.default_rng().integers(2**31))
    if accept is None:
        accept = POOLED_ACCEPT if pooled else ACCEPT
    if engine == "pymc" or sampling.latents == "sampled":
        asked = "engine='pymc'" if engine == "pymc" else "latents='sampled'"
        refuse_answers(prepared.table, asked, ordered=False)
        if prepared.table.ordered and sampling.latents != "sampled":
            require_nodes(prepared.structure, prepared.sample)
        refuse_levels(prepared.table, asked)
        if prepared.sample.design is not None:
            raise NotSupported(f"{asked} has no sampling weights; leave it out")
    if sampling.latents == "sampled":
        compiled = not pooled and has_scores(prepared.structure, prepared.sample)
        if engine == "native" and not compiled:
            raise FitError(
                'latents="sampled" is a PyMC model, but for ordered answers that are linear in the '
                'constructs and not partially pooled: use engine="auto" or "pymc"'
            )
        engine = "pymc" if engine == "pymc" or not compiled else "native"
    engine = "native" if engine == "auto" else engine
    return replace(sampling, random_seed=seed, target_accept=accept, engine=engine)


def _as_it_is(density: Density, start: np.ndarray) -> Approximation:
    """Start values without a climb: where there is no integral there is nothing to climb."""
    size = len(start)
    point = Maximum(start, -np.inf, np.eye(size), converged=False, decrement=np.inf)
    return Approximation(density, point, np.eye(size))


def _tree(prepared: Prepared, density: Density, result: Draws, *, integrate: bool) -> xr.DataTree:
    """Draws on the scale they were sampled on; without an integral no log-likelihoods."""
    import xarray as xr  # while the sampler worked (`_load_the_rest`)

    space, sample = prepared.space, prepared.sample
    values, stats = result.values, result.stats
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
    parts = {
        "posterior": posterior,
        "sample_stats": xr.Dataset(
            {name: (("chain", "draw"), array) for name, array in stats.items()}, coords=axes
        ),
        "observed_data": data_group(sample, range(len(sample.variables))),
    }
    if integrate:
        step = int(np.ceil(chains * draws * sample.size / LOG_LIKELIHOOD_LIMIT))
        kept = np.arange(0, draws, step)
        if result.log_likelihood is None:
            log_likelihood = density.respondent_log_likelihood(values[:, kept])
        else:
            log_likelihood = result.log_likelihood[:, kept]
        # the largest array of a fit, so no more copies of it than there have to be
        order = respondent_order(sample)
        if (order != np.arange(len(order))).any():
            log_likelihood = np.take(log_likelihood, order, axis=-1)
        log_likelihood -= covariate_log_density(space, prepared.structure, sample)
        unit, labels = unit_labels(sample)
        parts["log_likelihood"] = xr.Dataset(
            # laid out as a saved fit has it: sums are the same to the last bit
            {"y": (("chain", "draw", unit), np.ascontiguousarray(log_likelihood))},
            coords={"chain": axes["chain"], "draw": kept, unit: labels},
        )
    tree = xr.DataTree.from_dict(parts)
    tree.attrs["data_hash"] = sample.hash
    return tree


def _weighted(prepared: Prepared, density: Density, result: Draws) -> dict[str, float]:
    """What is known about draws that were weighted, or whose log-likelihoods are, by name.

    With weights `weights_k` and `weights_effective`; `integral_error`, that of the sum of all
    respondents' log-likelihoods, and `integral_noise`, what of it differs between draws (standard
    deviation), against eight times the points.
    """
    flat = result.values.reshape(-1, result.values.shape[-1])
    some = flat[np.linspace(0, len(flat) - 1, QUADRATURE_DRAWS).astype(int)]
    space, structure = prepared.space, prepared.structure
    at = density.elements(some)
    fine = posterior_density(space, structure, prepared.sample, at=at, finer=2.0)
    change = density.respondent_log_likelihood(some) - fine.respondent_log_likelihood(some)
    total = change.sum(axis=1)
    of_integral = {
        "integral_error": float(np.abs(total.mean())),
        "integral_noise": float(total.std()),
    }
    if result.weights is None:
        return of_integral
    return {
        "weights_k": result.weights.pareto_k,
        "weights_effective": result.weights.effective,
        **of_integral,
    }


def _coarsely(result: Draws) -> tuple[str, ...]:
    """What was done where chains ran on a coarser lattice than draws are of."""
    if result.weights is None:
        return ()
    return (
        "note [nodes] chains ran on a coarser lattice; their draws are weighted by one that is "
        f"exact (worth {result.weights.effective:.0f} of {result.weights.draws})",
    )


def _on_finer_nodes(
    prepared: Prepared, density: Density, result: Draws, by: tuple[int, float, float] | None
) -> tuple[Density, Draws, str]:
    """Draws weighted by a lattice that suits them better, where they are on one; what was done.

    The density's lattice suits the bulk of the draws: in one that had to suit the farthest, every
    gradient would pay for them.

    by : seed, and errors of the density's lattice; None for draws that are of no lattice, whose
        log-likelihoods alone are on a finer one.
    """
    if not prepared.table.answered:
        return density, result, ""
    flat = result.values.reshape(-1, result.values.shape[-1])
    at = density.elements(flat[_thinned(_ends(flat), LATTICE_ENDS)])
    fine = posterior_density(
        prepared.space, prepared.structure, prepared.sample, at=at, finer=FINER
    )
    if by is None:
        return fine, result, "note [nodes] log-likelihoods are on a lattice that suits all draws"
    seed, error, tail = by
    found = reweighted(fine, density, result, seed)
    assert found.weights is not None
    said = (
        f"note [nodes] the lattice suits the bulk of the draws and is off by up to "
        f"{max(error, tail):.2g} log units at the farthest; they were weighted by one of half the "
        f"step (worth {found.weights.effective:.0f} of {len(flat)})"
    )
    return fine, replace(found, weights=None), said


def _ends(flat: np.ndarray) -> np.ndarray:
    """The draws (of all, in a row) in which a parameter is smallest or largest."""
    return _thinned(np.unique([flat.argmin(axis=0), flat.argmax(axis=0)]), MOST_ENDS)


def _thinned(which: np.ndarray, most: int) -> np.ndarray:
    """At most so many, at even distances."""
    return which[:: -(-len(which) // most)]


def _quadrature_error(
    prepared: Prepared, density: Density, values: np.ndarray, *, finer: float = FINER
) -> tuple[float, float]:
    """Largest change of a draw's log-likelihood with four times the nodes; 0 for linear models.

    With random slopes on nodes, with twice as many; with ordered answers, of the node engine with
    `finer` times the nodes. First of draws at even distances; then, of the node engine, of those in
    which a parameter is smallest or largest: its lattice suits all but the farthest draws.
    """
    structure = prepared.structure
    if not (structure.products or structure.slopes_on_nodes or on_lattices(structure)):
        return 0.0, 0.0
    from bayessem.likelihood.plan import REACH, STEP

    def error(some: np.ndarray, **finer: Any) -> float:
        fine = posterior_density(prepared.space, prepared.structure, prepared.sample, **finer)
        coarse = density.respondent_log_likelihood(some).sum(axis=1)
        return float(np.abs(coarse - fine.respondent_log_likelihood(some).sum(axis=1)).max())

    flat = values.reshape(-1, values.shape[-1])
    some = flat[np.linspace(0, len(flat) - 1, QUADRATURE_DRAWS).astype(int)]
    if structure.slopes_on_nodes:
        return error(some, finer=2.0), 0.0
    if not prepared.table.answered:
        return error(some, reach=REACH + 8.0, step=STEP / 4.0), 0.0
    ends = _ends(flat)
    return (
        error(some, at=density.elements(some), finer=finer),
        error(flat[ends], at=density.elements(flat[_thinned(ends, LATTICE_ENDS)]), finer=finer),
    )
