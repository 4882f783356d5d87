"""Draws of the sampled numbers from their prior, with bounds and positive definiteness on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import scipy  # whose parts load when they are used
from scipy.special import ndtri

from bayessem.errors import PriorError
from bayessem.model.priors import Prior
from bayessem.model.space import Coordinate, Space
from bayessem.model.structure import Structure
from bayessem.posterior.correlations import partials_to_correlations
from bayessem.posterior.density import Density
from bayessem.posterior.thresholds import ITEM

# Draws that may be improper for each that is proper.
PATIENCE = 1000


def _normal(a: dict[str, float]) -> scipy.stats.rv_continuous:
    return scipy.stats.norm(a.get("mu", 0.0), a["sigma"])


def _student(a: dict[str, float]) -> scipy.stats.rv_continuous:
    return scipy.stats.t(a["nu"], a.get("mu", 0.0), a["sigma"])


def _cauchy(a: dict[str, float]) -> scipy.stats.rv_continuous:
    return scipy.stats.cauchy(a.get("alpha", 0.0), a["beta"])


# Families whose draws a coordinate's bounds may cut off; PyMC's parametrisation.
DISTRIBUTIONS: dict[str, Callable[[dict[str, float]], scipy.stats.rv_continuous]] = {
    "normal": _normal,
    "half_normal": _normal,
    "student_t": _student,
    "half_student_t": _student,
    "cauchy": _cauchy,
    "half_cauchy": _cauchy,
    "uniform": lambda a: scipy.stats.uniform(a["lower"], a["upper"] - a["lower"]),
    "gamma": lambda a: scipy.stats.gamma(a["alpha"], scale=1.0 / a["beta"]),
    "inverse_gamma": lambda a: scipy.stats.invgamma(a["alpha"], scale=a["beta"]),
    "exponential": lambda a: scipy.stats.expon(scale=1.0 / a["lam"]),
    "log_normal": lambda a: scipy.stats.lognorm(a["sigma"], scale=math.exp(a["mu"])),
    "beta": lambda a: scipy.stats.beta(a["alpha"], a["beta"]),
}


def _draw(coordinate: Coordinate, n: int, rng: np.random.Generator) -> np.ndarray:
    """N draws of one coordinate that is in no block of correlations."""
    prior: Prior = coordinate.prior
    if prior.family == "flat":
        raise PriorError(f"{coordinate.name}: the flat prior is improper, it has no draws")
    if coordinate.kind == "correlation" and prior.family in ("beta", "lkj"):
        a = prior.named
        alpha, beta = (a["eta"], a["eta"]) if "eta" in a else (a["alpha"], a["beta"])
        return 2.0 * rng.beta(alpha, beta, n) - 1.0
    distribution = DISTRIBUTIONS[prior.family](prior.named)
    low, high = distribution.cdf(coordinate.lower), distribution.cdf(coordinate.upper)
    return distribution.ppf(rng.uniform(low, high, n))


def _candidates(space: Space, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (n, D) before positive definiteness is asked for."""
    out = np.empty((n, len(space.coordinates)))
    position = {name: i for i, name in enumerate(space.names)}
    joint = {name for row in space.rows for name in row.names}
    for i, coordinate in enumerate(space.coordinates):
        own = coordinate.block < 0 and coordinate.name not in joint
        if own and coordinate.prior.family != "induced_dirichlet":
            out[:, i] = _draw(coordinate, n, rng)
    for block in space.blocks:
        where = [position[name] for name in block.names]
        columns = [j for i in range(block.size) for j in range(i)]
        shape = block.eta + (block.size - 2 - np.array(columns)) / 2.0
        partial = 2.0 * rng.beta(shape, shape, (n, len(where))) - 1.0
        root = np.empty((block.size, block.size))
        values = np.empty(len(where))
        for s in range(n):
            partials_to_correlations(partial[s], block.size, root, values)
            out[s, where] = values
    for row in space.rows:
        normal = rng.standard_normal((n, len(row.names)))
        where = [position[name] for name in row.names]
        out[:, where] = normal / np.sqrt(rng.chisquare(row.nu, (n, 1)))
    return out


def threshold_priors(
    density: Density, values: np.ndarray
) -> Iterator[tuple[slice, float, np.ndarray]]:
    """The induced Dirichlet priors of thresholds at values (..., D) on the natural scale.

    Yields
    ------
    own : slice
        The thresholds of one ordered variable among the coordinates.
    alpha : float
        Of the Dirichlet distribution of its categories' proportions.
    scale : ndarray (..., 1)
        Standard deviation of its latent response, with residual variance 1.
    """
    fields, at = density.fields, 0
    items = np.reshape(fields["item_at"], (-1, ITEM)).astype(np.int64)
    for (first, count, _, loadings), alpha in zip(items, fields["item_alpha"], strict=True):
        which = np.asarray(fields["item_loading"][at : at + loadings], dtype=np.int64)
        sds = np.where(which >= 0, values[..., which], 1.0) * fields["item_by"][at : at + loadings]
        at += loadings
        if alpha > 0:
            scale = np.sqrt(1.0 + np.sum(sds**2, axis=-1, keepdims=True))
            yield slice(int(first), int(first + count)), float(alpha), scale


def _draw_thresholds(density: Density, out: np.ndarray, rng: np.random.Generator) -> None:
    """Fills in thresholds with an induced Dirichlet prior, given the loadings in `out` (n, D)."""
    for own, alpha, scale in threshold_priors(density, out):
        shares = rng.dirichlet(np.full(own.stop - own.start + 1, alpha), len(out))
        out[:, own] = ndtri(np.cumsum(shares, axis=1)[:, :-1]) * scale


def _proper(space: Space, structure: Structure, elements: np.ndarray) -> np.ndarray:
    """Which draws (n,) have positive definite blocks of covariances."""
    good = np.ones(len(elements), dtype=bool)
    for which, group, members in space.proper:
        name = ("disturbances", "residuals")[which]
        matrices = structure.matrices(elements, group)[name]
        block = matrices[:, list(members)][:, :, list(members)]
        good &= np.linalg.eigvalsh(block)[:, 0] > 0
    return good


def prior_draws(
    space: Space,
    structure: Structure,
    density: Density,
    *,
    draws: int,
    random_seed: int | np.random.Generator | None = None,
    patience: int = PATIENCE,
) -> np.ndarray:
    """Draws of the sampled numbers from their joint prior, (draws, D), on the natural scale.

    Parameters
    ----------
    space, structure : Space, Structure
        The model.
    density : Density
        Its posterior density, for what the numbers fill in the matrices.
    draws : int
        How many.
    random_seed : int or Generator, optional
        Makes them repeatable.
    patience : int
        Give up when this many draws are improper for each that is proper.

    Raises
    ------
    PriorError
        For an improper prior, and when hardly any draw has positive definite covariances.
    """
    rng = np.random.default_rng(random_seed)
    kept: list[np.ndarray] = []
    count = tried = 0
    while count < draws:
        some = _candidates(space, draws, rng)
        _draw_thresholds(density, some, rng)
        tried += draws
        if space.proper:
            some = some[_proper(space, structure, density.elements(some))]
        kept.append(some)
        count += len(some)
        if tried > patience * max(count, draws):
            raise PriorError(
                f"only {count} of {tried} draws from the prior have positive definite covariances; "
                "priors of the covariances nearer to 0 would help"
            )
    return np.concatenate(kept)[:draws]
