"""Where the likelihood of a model is largest: start values, step sizes, further attempts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from bayessem.errors import FitError
from bayessem.ml.constrained import Constrained, maximise_within, read_constraints
from bayessem.ml.information import expected_information
from bayessem.ml.levels import level_turn
from bayessem.ml.slopes import curvature
from bayessem.ml.two_levels import level_information
from bayessem.model.linear_constraints import constraint_text
from bayessem.model.prepare import Prepared
from bayessem.model.starts import feedback_starts, start_values
from bayessem.posterior.density import Density
from bayessem.results.standardize import model_moments

# Climbs from where the last one ended, while they gain this much log-likelihood.
ROUNDS, GAIN = 4, 1e-6


def rough_scale(
    prepared: Prepared,
    density: Density,
    x: np.ndarray,
    *,
    known: Mapping[str, float] | None = None,
    information: np.ndarray | None = None,
) -> np.ndarray:
    """Rough standard error of each parameter at x, (D,): the unit of the optimiser's steps.

    information : the expected information at x, for a linear model.
    known : of parameters that the linear counterpart has, for a model with product terms.
    """
    table, structure = prepared.table, prepared.structure
    n = prepared.sample.size
    if information is not None:
        diagonal = np.diag(information)
        useful = np.isfinite(diagonal) & (diagonal > 0)
        return np.where(useful, 1.0 / np.sqrt(np.where(useful, diagonal, 1.0)), 1.0)
    out = np.full(len(x), np.nan)
    moments = model_moments(structure, density.elements(x))
    sd = np.sqrt(np.abs(np.diag(moments.latent_covariance)))
    for k, place in structure.places.items():
        free = table.rows[k].free
        if free >= 0 and place.matrix == "products":
            spread = math.prod(sd[i] for i in structure.products[place.j])
            out[free] = sd[place.i] / (spread * math.sqrt(n))
    for at, name in enumerate(table.parameters):
        if known is not None and name in known:
            out[at] = known[name]
    return np.where(np.isfinite(out) & (out > 0), out, 1.0)


def _starts(prepared: Prepared, density: Density, first: np.ndarray) -> Iterator[np.ndarray]:
    """Start values, the best first: as guessed, then with weaker loadings and smaller paths."""
    yield first
    yield from feedback_starts(prepared.structure, first, prepared.sample.sds)
    kinds: dict[int, str] = {}
    for row in prepared.table.rows:
        if row.free >= 0:
            own = row.op == "~~" and row.lhs == row.rhs
            kinds.setdefault(row.free, "variance" if own else row.op)
    kind = np.array([kinds[i] for i in range(density.size)])
    variance, covariance, loading = kind == "variance", kind == "~~", kind == "=~"
    for share in (0.6, 0.3):
        yield np.where(loading, share * first, np.where(variance, 1.5 * first, first))
    yield np.where(covariance, 0.0, np.where(variance, 2.0 * np.abs(first), first))
    for seed in range(4):
        noise = np.random.default_rng(seed).normal(size=density.size)
        yield first * np.exp(0.4 * noise * (loading | variance))


def _climbed(
    prepared: Prepared,
    density: Density,
    x: np.ndarray,
    known: Mapping[str, float] | None,
    *,
    least: float,
) -> tuple[Constrained, np.ndarray]:
    """The maximum near one start, and the rough scale of the parameters.

    least : log-likelihood that another start has reached: what ends below it is not followed up.
    """
    structure, best = prepared.structure, least
    for _ in range(ROUNDS):
        information = None
        turn = level_turn(structure, density, x)
        if structure.slopes:
            information = curvature(prepared, density, x, turn=turn)
        elif structure.table.levels > 1:
            information = level_information(structure, density, x, prepared.sample, turn=turn)
        elif not structure.products:
            information = expected_information(structure, density, x, prepared.sample, turn=turn)
        scale = rough_scale(prepared, density, x, known=known, information=information)
        found = maximise_within(
            density, prepared.table, x, scale=scale, information=information, turn=turn
        )
        # With variables far from 0 the ridge is bent: where the climb ended, other directions are
        # straight than where it began.
        again = level_turn(structure, density, found.x) if np.isfinite(found.value) else None
        if again is None or found.value < best + GAIN:
            break
        best, x = found.value, found.x
    return found, scale


def _check_moments(prepared: Prepared, elements: np.ndarray) -> None:
    """Raise LinAlgError where the implied covariances have no inverse."""
    if prepared.structure.products or prepared.table.levels > 1:
        return  # a level alone has no variance of the other's variables
    for g in range(len(prepared.structure.table.groups)):
        np.linalg.inv(model_moments(prepared.structure, elements, group=g).observed_covariance)


def find_maximum(
    prepared: Prepared,
    density: Density,
    *,
    start: np.ndarray | None = None,
    known: Mapping[str, float] | None = None,
) -> tuple[Constrained, np.ndarray]:
    """The maximum of the likelihood and the rough scale of the parameters (D,).

    Further starts are tried until one converges, and several where variables explain each other
    (such a likelihood has several maxima); the highest maximum is returned either way.

    Raises
    ------
    FitError
        When no start has a finite likelihood.
    """
    first = start
    if first is None:
        first = start_values(prepared.structure, prepared.covariances, prepared.means)
    best: tuple[Constrained, np.ndarray] | None = None
    feedback = feedback_starts(prepared.structure, first, prepared.sample.sds)
    least = 1 + len(feedback) if start is None else 1
    for tried, x in enumerate(_starts(prepared, density, first), start=1):
        if not np.isfinite(density.value_and_gradient(x)[0]):
            continue
        least_value = -math.inf if best is None else best[0].value
        try:
            found, scale = _climbed(prepared, density, x, known, least=least_value)
            _check_moments(prepared, density.elements(found.x))
        except np.linalg.LinAlgError:  # so far out that no matrix can be inverted
            continue
        if np.isfinite(found.value) and (
            best is None or (found.converged, found.value) > (best[0].converged, best[0].value)
        ):
            best = found, scale
        if best is not None and best[0].converged and tried >= least:
            return best
    if best is None:
        limits = [text for text, _ in read_constraints(prepared.table).at_least]
        limits += [constraint_text(r) for r in prepared.table.constraints if r.op == "=="]
        said = f", and that {', '.join(limits[:6])} suits the units of the data" if limits else ""
        raise FitError(
            "the likelihood is not finite, or its matrices have no inverse, wherever its maximum "
            "was looked for; give start values with start(), and check that the model's covariance "
            f"matrix can be positive definite{said}"
        )
    return best
