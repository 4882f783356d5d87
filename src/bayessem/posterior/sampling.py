"""Sampling the posterior with nutpie: where chains start, in which coordinates, and the draws.

The maximum of the posterior and its curvature cost a few milliseconds and are used twice: chains
start from draws of the normal approximation there, and the sampler works in u, x = maximum + C u
with C C' the inverse Hessian, in which a near-normal posterior is round. The target is the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Thread
from typing import Any

import numpy as np

from bayessem.errors import FitError
from bayessem.posterior.density import Density
from bayessem.posterior.optimise import PRECISION, Maximum, inverse_root, maximise
from bayessem.posterior.program import FOLD
from bayessem.posterior.reweighting import Weights, log_ratios, resample
from bayessem.posterior.scores import ScoredDensity, Scores
from bayessem.threads import cores_here, one_blas_thread

# A log standard deviation with more posterior spread than this is folded (density.py) instead.
FOLD_ABOVE = 0.2
# The others are sampled on their own scale down to this share of their value at the maximum.
SOFT_BELOW = 0.5
# Newton decrement to which the maximum on a lattice is looked for: a gradient has no part for nodes
# that move, so that it is 0 only nearly where the value is largest.
CLOSE = 1e-3
# Newton decrement (twice the log units to the maximum) at which a maximum serves another density.
SAME = 0.05
# Share of the draws of a coarse lattice that the weighted ones have to be worth.
WORTH = 0.9


# Takes what is new in a chain: chain, first draw, natural parameters (draw, D), statistics.
Seen = Callable[[int, int, np.ndarray, dict[str, np.ndarray]], None]


@dataclass(frozen=True)
class Approximation:
    """A density at its maximum.

    Attributes
    ----------
    density : Density
        With the coordinates that are sampled best (see `Density.folded`).
    maximum : Maximum
        In those coordinates.
    root : ndarray (D, D)
        C with C C' the inverse Hessian, without correlations of folded coordinates: the symmetric
        root in standard units, its rows multiplied by the units of the coordinates.
    finer : Density or None
        What draws are wanted of, in the same coordinates, where `density` has a coarser lattice:
        its draws are weighted.
    scores : Scores or None
        Where respondents' scores are sampled, too: their coordinates. Draws are exact then,
        whatever the density of the parameters approximates.
    """

    density: Density
    maximum: Maximum
    root: np.ndarray
    finer: Density | None = None
    scores: Scores | None = None

    @property
    def wanted(self) -> Density:
        """What draws are wanted of."""
        return self.density if self.finer is None else self.finer


@dataclass(frozen=True)
class Draws:
    """Draws of the natural parameters.

    Attributes
    ----------
    values : ndarray (chain, draw, D)
        In the order of the density's names.
    stats : dict of ndarray (chain, draw)
        `diverging` (of these, `outside`: trajectories that left the support), `energy`, `n_steps`,
        `step_size`, `depth`, `lp` (log-density of the sampled coordinates) and whatever else the
        sampler kept a number a draw.
    seconds : float
        Wall time from the call to the last draw.
    weights : Weights or None
        Of an approximate density or a coarse lattice, how its draws were weighted; `values` are
        draws of the exact one, `stats` those of the sampler.
    log_likelihood : ndarray (chain, draw, respondent) or None
        With weights, exact log p(y_i) of the draws in the density's order, where they fit.
    """

    values: np.ndarray
    stats: dict[str, np.ndarray]
    seconds: float
    weights: Weights | None = None
    log_likelihood: np.ndarray | None = None


class Interrupted(KeyboardInterrupt):
    """Sampling was stopped by the user; `draws` are what chains had in common by then."""

    def __init__(self, draws: Draws) -> None:
        super().__init__("sampling was interrupted")
        self.draws = draws


def complete(result: Draws, draws: int) -> Draws:
    """The result, when all draws are there.

    nutpie returns what it has when it is interrupted, with nan for the draws of slower chains and
    of those that had not begun, and says nothing.

    Raises
    ------
    Interrupted
        When draws are missing, with as many of the others as fit into chains of equal length.
    """
    there = np.isfinite(result.values).all(axis=2)
    lengths = np.logical_and.accumulate(there, axis=1).sum(axis=1)  # of each chain
    if lengths.min() == draws:
        return result
    longest = np.argsort(-lengths, kind="stable")
    total = lengths[longest] * np.arange(1, len(lengths) + 1)  # of the k longest, cut to the k-th
    k = int(np.argmax(total))
    count, kept = int(lengths[longest[k]]), np.sort(longest[: k + 1])
    stats = {name: array[kept, :count] for name, array in result.stats.items()}
    raise Interrupted(Draws(result.values[kept, :count], stats, result.seconds))


def _mirrored_root(curvature: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The root for a density with a mirror image in each folded coordinate, (D, D).

    In the mirror image the folded coordinate's correlations with all others have the other sign, so
    the covariance that fits both halves has none. (With them, the curvature seen in the mirrored
    half is up to ten times that at the maximum, and single trajectories diverge.)
    """
    root = inverse_root(curvature)
    covariance = root @ root.T
    alone = fold[:, None] | fold[None, :]
    covariance = np.where(alone, np.diag(np.diag(covariance)), covariance)
    sd = np.sqrt(np.diag(covariance))
    return inverse_root(np.linalg.inv(covariance / np.outer(sd, sd)) / np.outer(sd, sd))


@one_blas_thread()
def approximate(
    density: Density, start: np.ndarray, *, precision: float = PRECISION
) -> Approximation:
    """Find the maximum of a posterior and its curvature, and choose the coordinates.

    precision : of `maximise`.

    Raises
    ------
    FitError
        When the density is not finite at the start.
    """
    if not np.isfinite(density.value_and_gradient(start)[0]):
        raise FitError(
            "the posterior density is not finite at the start values; check start() values, "
            "bounds and priors"
        )
    maximum = maximise(density, start, precision=precision)
    root = inverse_root(maximum.hessian)
    spread = np.sqrt(np.sum(root * root, axis=1))
    fold = density.foldable & (spread > FOLD_ABOVE)
    soft = density.positive & ~fold
    if fold.any() or soft.any():
        size = np.exp(np.where(fold | soft, maximum.x, 0.0))
        density = density.folded(fold, size).softened(soft, SOFT_BELOW * size)
        point = np.where(fold, math.sqrt(1.25) * size, maximum.x)  # where the folded sd is `size`
        linear = size * (1.0 + SOFT_BELOW * math.log(-math.expm1(-1.0 / SOFT_BELOW)))
        maximum = maximise(density, np.where(soft, linear, point), precision=precision)
        root = inverse_root(maximum.hessian)
        if fold.any():
            root = _mirrored_root(maximum.hessian, fold)
    return Approximation(density, maximum, root)


@one_blas_thread()
def again(found: Approximation, density: Density) -> Approximation:
    """The approximation of nearly the same density in the same coordinates, from one to the other.

    Parameters
    ----------
    found : Approximation
        Of the one.
    density : Density
        The other.
    """
    value, gradient = density.value_and_gradient(found.maximum.x)
    decrement = float(np.sum((gradient @ found.root) ** 2))
    if decrement < SAME and not density.approximate:  # whose tails are measured from the maximum
        maximum = replace(found.maximum, value=value, decrement=decrement)
        return replace(found, density=density, maximum=maximum)
    precision = PRECISION if density.approximate else CLOSE
    maximum = maximise(density, found.maximum.x, precision=precision)
    fold = density.fields["transform"] == FOLD
    root = _mirrored_root(maximum.hessian, fold) if fold.any() else inverse_root(maximum.hessian)
    return Approximation(density, maximum, root)


@one_blas_thread()
def sample(
    approximation: Approximation,
    *,
    draws: int,
    tune: int,
    chains: int,
    cores: int | None,
    random_seed: int,
    progress: bool,
    target_accept: float = 0.8,
    meanwhile: Callable[[], None] | None = None,
    seen: Seen | None = None,
    **options: Any,
) -> Draws:
    """Draw from the posterior.

    Parameters
    ----------
    approximation : Approximation
        From `approximate`.
    draws, tune, chains : int
        Draws kept and warm-up draws per chain, and chains.
    cores : int, optional
        Chains that run at once; by default as many as the machine has.
    random_seed : int
        Same seed, same draws, however many cores.
    progress : bool
        Show nutpie's progress bar.
    target_accept : float
        Aim of the step size's adaptation.
    meanwhile : callable, optional
        Called in a thread of its own while the chains run, which need no interpreter.
    seen : callable, optional
        Called about every second with what is new in a chain: its position, that of the first draw,
        natural parameters (draw, D) and statistics. Of an approximate density before weighting.
    **options
        Handed to `nutpie.sample`.

    Raises
    ------
    Interrupted
        (A KeyboardInterrupt.) When the user stopped it; it carries the draws so far.
    """
    from bayessem.posterior.native import native_model
    from bayessem.posterior.nuts import run_nutpie

    density, maximum, root = approximation.density, approximation.maximum, approximation.root
    began = time.perf_counter()
    generator = np.random.default_rng(random_seed)
    target: Density | ScoredDensity = density.whitened(maximum.x, root)
    if approximation.scores is not None:
        target = ScoredDensity(density.whitened(maximum.x, root), approximation.scores)
    starts = _finite_starts(target, generator, 16 * chains)
    model = native_model(target, starts)

    def natural(white: np.ndarray) -> np.ndarray:
        return density.natural(maximum.x + white @ root.T)

    options = {"draws": draws, "tune": tune, "chains": chains, "cores": cores_here(cores),
               "target_accept": target_accept, **options}  # fmt: skip
    with _beside(meanwhile):
        white, found = run_nutpie(
            model,
            seen=None if seen is None else _news(seen, natural, chains),
            seed=random_seed,
            progress_bar=progress,
            save_warmup=False,
            **options,
        )
    sampled = time.perf_counter() - began
    try:
        result = complete(Draws(natural(white), _kept(found), sampled), draws)
    except Interrupted as stopped:
        raise Interrupted(exact(approximation, stopped.draws, random_seed)) from None
    result = exact(approximation, result, random_seed)
    weights = result.weights
    if approximation.finer is None or weights is None or weights.share > WORTH:
        return result
    alone = replace(approximation, density=approximation.finer, finer=None)
    return sample(alone, random_seed=random_seed, progress=progress, seen=seen, **options)


def _kept(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What is kept of nutpie's statistics."""
    from bayessem.posterior.entry import OUTSIDE

    stats = {name: array for name, array in found.items() if array.dtype.kind in "biuf"}
    stats["lp"] = stats.pop("logp")
    stats["outside"] = np.char.find(found["divergence_message"], f"error code: {OUTSIDE}") >= 0
    return stats


def _news(
    seen: Seen, natural: Callable[[np.ndarray], np.ndarray], chains: int
) -> Callable[[tuple[np.ndarray, dict[str, np.ndarray]]], None]:
    """Passes on of the draws so far what is new."""
    there = [0] * chains

    def look(trace: tuple[np.ndarray, dict[str, np.ndarray]]) -> None:
        white, found = trace
        if not white.shape[1]:  # all chains are warming up
            return
        stats = _kept(found)
        for chain, before in enumerate(there):
            now = int(np.logical_and.accumulate(np.isfinite(white[chain]).all(axis=1)).sum())
            if now > before:
                new = slice(before, now)
                own = {name: array[chain, new] for name, array in stats.items()}
                seen(chain, before, natural(white[chain, new]), own)
                there[chain] = now

    return look


def exact(approximation: Approximation, result: Draws, seed: int) -> Draws:
    """Draws of the exact posterior from those of an approximation of it (reweighting.py)."""
    if not result.values.shape[1] or approximation.scores is not None:
        return result
    if approximation.density.approximate:
        return reweighted(approximation.density, None, result, seed)
    if approximation.finer is not None:
        return reweighted(approximation.finer, approximation.density, result, seed)
    return result


def reweighted(density: Density, sampled: Density | None, result: Draws, seed: int) -> Draws:
    """Draws of a density from those of another one, weighted and resampled (reweighting.py).

    Parameters
    ----------
    density, sampled : Density
        Of the draws wanted and of those there are; None: Laplace's approximation.
    result : Draws
        Those there are.
    seed : int
        Of the resampling.
    """
    chains, draws, size = result.values.shape
    flat = result.values.reshape(-1, size)
    ratio, log_likelihood = log_ratios(density, flat, sampled=sampled)
    kept, weights = resample(ratio.reshape(chains, draws), seed)
    chain = np.arange(chains)[:, None]
    if log_likelihood is not None:
        log_likelihood = log_likelihood.reshape(chains, draws, -1)[chain, kept]
    values = result.values[chain, kept]
    return replace(result, values=values, weights=weights, log_likelihood=log_likelihood)


@contextmanager
def _beside(work: Callable[[], None] | None) -> Iterator[None]:
    """Do work in another thread, which ends before the context does."""
    if work is None:
        yield
        return
    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _finite_starts(
    density: Density | ScoredDensity, generator: np.random.Generator, count: int
) -> np.ndarray:
    """Points from the normal approximation (u of unit variance) where the density is finite."""
    points: list[np.ndarray] = []
    for _ in range(20 * count):
        u = generator.normal(size=density.size)
        for _ in range(6):
            if np.isfinite(density.value_and_gradient(u)[0]):
                points.append(u)
                break
            u = 0.5 * u
        if len(points) == count:
            break
    if not points:
        raise FitError("the posterior density is not finite near its maximum")
    return np.array(points)
