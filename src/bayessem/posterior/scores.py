"""Sampled scores in coordinates that move with the parameters: exact, with no integral at all.

Where an integral over the constructs is too wide for nodes and Laplace's approximation of it is
too far off, the scores of all respondents are sampled together with the parameters. As they are
they depend on the parameters, and chains crawl; hence coordinates v and u,

    theta = theta0 + C v,   f_n = m_n + J_n v + S_n u_n,

in which the Laplace approximation of the whole joint posterior is standard normal: theta0 is the
maximum of the posterior of the parameters and C C' the inverse Hessian there (sampling.py), m_n
where the scores of respondent n lie given the answers and theta0, J_n how that moves with v, and
S_n S_n' their covariance. All of these are constants, so that the target is the exact posterior
whatever they are, and so is the determinant of the transformation.

Papaspiliopoulos, O., Roberts, G. O., & Skoeld, M. (2007). A general framework for the
parametrization of hierarchical models. Statistical Science, 22, 59-73.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayessem.errors import FitError
from bayessem.likelihood.engines import ENGINES, SCORES
from bayessem.likelihood.scores_entry import find_centres
from bayessem.posterior import scores_entry
from bayessem.posterior.density import Density

# Step along v by which the centres' slopes are found.
STEP = 0.01


@dataclass(frozen=True)
class Scores:
    """The coordinates of scores: respondents group after group, latents in the plan's order.

    Attributes
    ----------
    ints, floats : ndarray
        A packed plan of the Laplace engine: the model's equations and the data.
    centre : ndarray (respondent * K,)
        m.
    slopes : ndarray (respondent * K, D)
        J, by v.
    roots : ndarray (respondent, K, K)
        S.
    why : str
        Why they are sampled, in words.
    """

    ints: np.ndarray
    floats: np.ndarray
    centre: np.ndarray
    slopes: np.ndarray
    roots: np.ndarray
    why: str

    @property
    def size(self) -> int:
        """Number of scores."""
        return self.centre.size

    @property
    def said(self) -> str:
        """What is sampled and why, in words."""
        respondents, latents = self.roots.shape[:2]
        return (
            f"the scores of {respondents} respondents on {latents} "
            f"construct{'s' if latents > 1 else ''} are sampled together with the parameters "
            f"({self.size} coordinates beside {self.slopes.shape[1]}), because {self.why}: draws "
            "are exact without weights, and take longer"
        )


def scores_about(
    density: Density,
    plan: tuple[np.ndarray, np.ndarray],
    centre: np.ndarray,
    root: np.ndarray,
    *,
    why: str,
) -> Scores:
    """The coordinates of scores about a maximum of the posterior of the parameters.

    Parameters
    ----------
    density : Density
        Of the parameters.
    plan : (ndarray, ndarray)
        Packed, of the Laplace engine, whatever the density's is.
    centre, root : ndarray (D,), (D, D)
        Maximum and root of the covariance of the normal approximation.
    why : str
        Why scores are sampled, in words.

    Raises
    ------
    FitError
        When the scores have no centre at the maximum.
    """
    ENGINES.load(SCORES)
    respondents, latents = _sizes(plan[0])
    steps = STEP * root.T
    points = np.concatenate([centre[None], centre + steps, centre - steps])
    elements = density.elements(density.natural(points))
    found, roots = find_centres(elements[0], *plan, respondents, latents)
    if not (np.isfinite(found).all() and np.isfinite(roots).all()):
        raise FitError(
            "the scores of respondents have no centre at the maximum of the posterior; check "
            "start() values, bounds and priors"
        )
    slopes = np.empty((found.size, len(centre)))
    for k in range(len(centre)):
        ends = [find_centres(elements[1 + k + side], *plan, respondents, latents)[0]
                for side in (0, len(centre))]  # fmt: skip
        slopes[:, k] = (ends[0] - ends[1]) / (2.0 * STEP)
    return Scores(*plan, found, np.where(np.isfinite(slopes), slopes, 0.0), roots, why)


def _sizes(ints: np.ndarray) -> tuple[int, int]:
    """Respondents and latent variables of a packed plan."""
    return int(ints[1 + ints[1] + 1]), int(ints[1 + ints[2]])


@dataclass(frozen=True)
class ScoredDensity:
    """The posterior density of parameters and scores in v and u.

    Attributes
    ----------
    density : Density
        Of the parameters, whitened; its plan is not used.
    scores : Scores
        The coordinates of the scores.
    """

    density: Density
    scores: Scores

    @property
    def names(self) -> tuple[str, ...]:
        """The D parameters, whose coordinates are kept of a draw."""
        return self.density.names

    @property
    def size(self) -> int:
        """Number of coordinates, D + respondents * K."""
        return self.density.size + self.scores.size

    @cached_property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Everything whose addresses are in the user data; contiguous."""
        s, d = self.scores, self.density
        packed = (d.program, d.numbers, s.ints, s.floats, s.centre, s.slopes, s.roots)
        return tuple(np.ascontiguousarray(a) for a in packed)

    @cached_property
    def user_data(self) -> np.ndarray:
        """What the C functions read (scores_entry.py)."""
        assert self.density.calls.user_data.size  # loads what the program needs
        sized = [x for a in self.arrays[:4] for x in (a.ctypes.data, a.size)]
        sizes = [self.density.size, *self.scores.roots.shape[:2]]
        return np.array([*sized, *sizes, *(a.ctypes.data for a in self.arrays[4:])], dtype=np.int64)

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-density and gradient at v and u, (D + respondents * K,)."""
        return scores_entry.call(np.ascontiguousarray(x, dtype=np.float64), self.user_data)
