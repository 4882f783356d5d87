"""What the Laplace engine is given besides model and data: where to begin, and points for weights.

Points are those of a scrambled Sobol sequence, turned by a random shift of each respondent's own.
Shifts are handed out in the order of the answers, so that they do not depend on the respondents'.

Cranley, R., & Patterson, T. N. L. (1976). Randomization of number theoretic methods for multiple
integration. SIAM Journal on Numerical Analysis, 13, 904-914.
"""

from __future__ import annotations

import numpy as np
import scipy  # whose parts load when they are used
from scipy.special import ndtri

from bayessem.likelihood.laplace_entry import find_modes
from bayessem.likelihood.laplace_plan import LaplaceGroup, latent_order, pack_laplace
from bayessem.model.node_model import NodeModel

# Points of each respondent (a power of 2), and of a check of them.
POINTS, MORE = 32, 256


def laplace_arrays(
    model: NodeModel, order: np.ndarray, at: np.ndarray | None, *, finer: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """The packed plan of the Laplace engine.

    Parameters
    ----------
    model : NodeModel
        The factors.
    order : ndarray (respondent,)
        Where each respondent's log-likelihood is expected.
    at : ndarray (elements,) or (point, elements), optional
        Searches for modes begin at those at (the mean of) these parameters; by default at 0.
    finer : float
        Above 1: more points, and others.
    """
    count, seed = (MORE, 1) if finer > 1.0 else (POINTS, 0)
    k = len(model.latents)
    groups = []
    for g, (factors, members) in enumerate(zip(model.factors, model.members, strict=True)):
        answers = np.column_stack([f.row_of for f in factors])
        points = np.empty((len(members), count, k))
        points[np.lexsort(answers.T)] = shifted_points(len(members), count, k, seed=(seed, g))
        start = np.zeros((len(members), k))
        groups.append(LaplaceGroup(factors, k, order[members], start, points))
    respondents = sum(len(m) for m in model.members)
    plan = pack_laplace(groups, respondents)
    if at is None:
        return plan
    found = find_modes(np.atleast_2d(at).mean(axis=0), *plan, respondents * k)
    found = np.where(np.isfinite(found), found, 0.0).reshape(respondents, k)
    first, begun = 0, []
    for group in groups:
        own = np.empty_like(group.start)
        own[:, latent_order(group.factors, k)] = found[first : first + len(own)]
        first += len(own)
        begun.append(LaplaceGroup(group.factors, k, group.members, own, group.points))
    return pack_laplace(begun, respondents)


def shifted_points(n: int, count: int, size: int, *, seed: tuple[int, ...]) -> np.ndarray:
    """Points of standard normal variables, (n, count, size), each respondent's shifted anew."""
    rng = np.random.default_rng(seed)
    base = scipy.stats.qmc.Sobol(size, rng=rng).random(count)
    shifted = (base + rng.uniform(size=(n, 1, size))) % 1.0
    half = 0.5 / 2**32
    return ndtri(np.clip(shifted, half, 1.0 - half))
