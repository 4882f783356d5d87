"""Where to sample a model in which variables explain each other: the posterior has several modes.

Where I - B is singular the likelihood falls to nothing, and on either side of that wall it has a
maximum (feedback that dies out, and feedback that grows). No chain crosses the wall, so the modes
are compared before sampling by their mass under the normal approximation, and the heaviest is
sampled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayessem.model.prepare import Prepared
from bayessem.model.starts import feedback_starts, initial_point, start_values
from bayessem.posterior.centring import Shift
from bayessem.posterior.covariate_means import at_means
from bayessem.posterior.density import Density
from bayessem.posterior.sampling import Approximation, approximate

# Log masses and maxima closer than these are the same mode (rounding) or both worth a word.
SAME, RIVAL = 0.01, 7.0


def log_mass(found: Approximation) -> float:
    """Log of a mode's mass under the normal approximation (Laplace), up to a constant."""
    return found.maximum.value + float(np.linalg.slogdet(found.root)[1])


def heaviest_mode(
    prepared: Prepared, density: Density, start: np.ndarray, shifts: Sequence[Shift] = ()
) -> tuple[Approximation, tuple[str, ...]]:
    """The mode with the largest mass among those found from several starts, and what to know.

    Parameters
    ----------
    prepared : Prepared
        The model.
    density : Density
        Its posterior.
    start : ndarray (D,)
        Unconstrained start values; all there is to try for a model without feedback.
    shifts : sequence of Shift
        Of intercepts that are sampled at the covariates' means (`covariate_means`).

    Raises
    ------
    FitError
        When the density is not finite at the start.
    """
    own = density.centred(shifts) if shifts else density
    first = approximate(own, at_means(density, shifts, start))
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    others = feedback_starts(prepared.structure, values, prepared.sample.sds)
    if not others:
        return first, ()
    modes = [first]
    for other in others:
        x = initial_point(prepared.space, prepared.table, other)
        if np.isfinite(density.value_and_gradient(x)[0]):
            modes.append(approximate(own, at_means(density, shifts, x)))
    modes = [m for m in modes if np.isfinite(log_mass(m))] or modes[:1]
    modes.sort(key=log_mass, reverse=True)
    best = log_mass(modes[0])
    rivals = [best - log_mass(m) for m in modes[1:] if SAME < best - log_mass(m) < RIVAL]
    if not rivals:
        return modes[0], ()
    share = float(np.exp(-min(rivals)))
    return modes[0], (
        "note [feedback loop] the posterior has another mode, on the other side of feedback that "
        f"neither dies out nor grows, with about {share:.2g} times the mass of the one sampled\n"
        "    chains do not cross between them; a prior on the paths of the loop, or a better "
        "instrument, would settle it",
    )
