"""Fits without some respondents, and the densities they give those: data change, nothing compiles.

Priors (which are scaled to the data) and the moments of covariates stay those of all respondents:
the model is the same, only the likelihood loses terms.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayessem.arguments import check_shared
from bayessem.execution import run
from bayessem.model.answer_engine import on_lattices
from bayessem.model.companions import kept_beside
from bayessem.model.correlation_blocks import partial_correlations
from bayessem.model.data import Sample
from bayessem.model.prepare import Prepared
from bayessem.model.space import Space
from bayessem.posterior.answered import LATTICE_POINTS, answered
from bayessem.posterior.assemble import compile_for, posterior_density, respondent_order
from bayessem.posterior.balance import balanced_density
from bayessem.posterior.clusters import unit_count
from bayessem.posterior.covariates import covariate_log_density
from bayessem.posterior.density import Density
from bayessem.posterior.diagnostics import convergence
from bayessem.posterior.sampling import approximate, sample
from bayessem.results.fitted import Fitted

# A refit whose chains disagree by more than this, or that diverged, is reported.
R_HAT = 1.05
# Aim of the step size's adaptation at the second attempt.
CAREFUL = 0.95


@dataclass(frozen=True)
class Refit:
    """Draws of a fit without some respondents.

    Attributes
    ----------
    values : ndarray (chain, draw, D)
        Natural parameters, as `Fit.values`.
    r_hat : float
        The largest.
    divergences : int
        Divergent transitions.
    """

    values: np.ndarray
    r_hat: float
    divergences: int

    @property
    def doubtful(self) -> bool:
        """Whether the chains disagree, or more than one draw in a hundred diverged."""
        draws = self.values.shape[0] * self.values.shape[1]
        return not self.r_hat < R_HAT or self.divergences > 0.01 * draws

    @property
    def trouble(self) -> str:
        """What is doubtful, in words."""
        return (
            f"R-hat {self.r_hat:.3f} and {self.divergences} divergences; sample the model with "
            "more draws and warm-up, or a target_accept nearer to 1."
        )


def part_of(sample: Sample, members: Sequence[int] | np.ndarray) -> Sample:
    """The respondents at these positions, in the same groups (which may become empty).

    The clusters, in ascending order, of a two-level model.
    """
    at = np.asarray(members, dtype=np.int64)
    if sample.clusters is not None:
        keep = np.isin(sample.clusters.code, at)
        return replace(
            sample,
            values=sample.values[keep],
            group=sample.group[keep],
            rows=sample.rows[keep],
            clusters=sample.clusters.kept(keep),
        )
    return replace(
        sample,
        values=sample.values[at],
        group=sample.group[at],
        rows=sample.rows[at],
        design=None if sample.design is None else sample.design.kept(np.asarray(at)),
        beside=kept_beside(sample.beside, at),
    )


def log_predictive(
    prepared: Prepared, members: Sequence[int] | np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Log p(y_i | x_i, theta) of some respondents, (..., D) -> (..., respondent).

    values : natural parameters, in the order of the space's names.
    """
    return predictive(prepared, members, values)(values)


def predictive(
    prepared: Prepared, members: Sequence[int] | np.ndarray, near: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The function `log_predictive` of some respondents: values (..., D) -> (..., respondent).

    near : natural parameters (..., D) that are like those it will be asked about.
    """
    space, structure = prepared.space, prepared.structure
    some = part_of(prepared.sample, members)
    density, order = density_near(prepared, some, near), respondent_order(some)
    covariates = covariate_log_density(space, structure, some)
    return lambda values: density.respondent_log_likelihood(values)[..., order] - covariates


def density_near(prepared: Prepared, some: Sample, near: np.ndarray) -> Density:
    """The density of a part of the respondents.

    Lattices for ordered answers suit parameters in a region, which a few respondents say nothing
    about (one of them has no variance): they are chosen at some of `near` (..., D).
    """
    if not on_lattices(prepared.structure):
        return posterior_density(prepared.space, prepared.structure, some)
    flat = near.reshape(-1, near.shape[-1])
    thinned = flat[:: max(len(flat) // LATTICE_POINTS, 1)]
    at = posterior_density(prepared.space, prepared.structure, prepared.sample).elements(thinned)
    return posterior_density(prepared.space, prepared.structure, some, at=at)


def unconstrained(space: Space, values: np.ndarray) -> np.ndarray:
    """The sampler's coordinates of natural parameters, (..., D); the inverse of `natural`.

    Logarithms above a lower bound, log-odds between bounds; correlations of a complete block become
    canonical partial correlations first (see `posterior.density`).
    """
    x = np.array(values, dtype=np.float64)
    index = {name: i for i, name in enumerate(space.names)}
    for block in space.blocks:
        at = [index[name] for name in block.names]
        x[..., at] = partial_correlations(x[..., at], block.size)
    tiny = np.finfo(float).tiny
    for i, c in enumerate(space.coordinates):
        above, below = x[..., i] - c.lower, c.upper - x[..., i]
        if np.isfinite(c.lower) and np.isfinite(c.upper):
            x[..., i] = np.log(np.maximum(above, tiny)) - np.log(np.maximum(below, tiny))
        elif np.isfinite(c.lower):
            x[..., i] = np.log(np.maximum(above, tiny))
        elif np.isfinite(c.upper):
            x[..., i] = np.log(np.maximum(below, tiny))
    return x


@dataclass(frozen=True)
class _Refitting:
    """What refits of a model have in common: the model, where chains start, how it was sampled.

    start : where, in the sampler's coordinates; centre : the same as natural parameters.
    """

    prepared: Prepared
    start: np.ndarray
    centre: np.ndarray
    settings: Mapping[str, Any]


def _refitting(fit: Fitted) -> _Refitting:
    """The part of a fit that refits need."""
    start = np.median(unconstrained(fit.prepared.space, fit.values), axis=(0, 1))
    keys = ("draws", "tune", "chains", "cores", "target_accept")
    settings = {key: fit.settings[key] for key in keys}
    return _Refitting(fit.prepared, start, fit.density.natural(start), settings)


def _compile(shared: _Refitting) -> None:
    """Compile what they need and is not on disk."""
    compile_for(shared.prepared)


def refits_without(
    fit: Fitted, left_out: Sequence[tuple[Sequence[int] | np.ndarray, int]], *, executor: Any
) -> Generator[tuple[int, Refit]]:
    """Refits, each without some respondents and with its own seed, as they are finished.

    Close it. Of each its position in `left_out`: pairs of respondents and a seed.
    """
    return run(_refitted, _refitting(fit), left_out, executor=executor, ready=_compile)


@check_shared
def refit_without(fit: Fitted, members: Sequence[int] | np.ndarray, *, random_seed: int) -> Refit:
    """Sample the posterior without the respondents at these positions.

    With the draws, warm-up and chains of the fit, by the compiled density; once more with smaller
    steps and twice the warm-up when the result is doubtful.
    """
    return _refitted(_refitting(fit), (members, random_seed))


def _refitted(shared: _Refitting, left_out: tuple[Sequence[int] | np.ndarray, int]) -> Refit:
    """A refit without respondents, which go with its seed."""
    prepared, (members, random_seed) = shared.prepared, left_out
    kept = np.setdiff1d(np.arange(unit_count(prepared.sample)), members)
    some = part_of(prepared.sample, kept)
    start, own = shared.start, replace(prepared, sample=some)
    density = density_near(prepared, some, shared.centre)
    if prepared.unpooled is not None:
        density, start = balanced_density(own, density)
    if on_lattices(prepared.structure):
        _, approximation = answered(own, density, start)
    else:
        approximation = approximate(density, start)
    settings = {key: shared.settings[key] for key in ("draws", "chains", "cores")}
    tune, accept = shared.settings["tune"], shared.settings["target_accept"]
    for factor, target in ((1, accept), (2, max(accept, CAREFUL))):
        result = sample(
            approximation,
            progress=False,
            random_seed=random_seed,
            tune=factor * tune,
            target_accept=target,
            **settings,
        )
        r_hat = convergence(result.values)["r_hat"].max() if settings["chains"] > 1 else 1.0
        out = Refit(result.values, float(r_hat), int(result.stats["diverging"].sum()))
        if not out.doubtful:
            break
    return out
