"""Which parameters deviate between groups, from draws under a small-variance prior.

A deviation is judged by what it would be if it were free while all others stay nearly equal: its
interval has to exclude 0, together with those of all others, and it has to be larger than the prior
expects. A large one pulls at its neighbours, since under normal priors it is cheap to move the
latent mean (or variance) of the group and let all other items of the construct deviate a little the
other way; so deviations are named one at a time, the surest first, and the others are judged with
those already named free. Given the fixed sd of the deviations their posterior is close to normal,
and taking the prior N(0, sd^2) of some of them away needs no other sampling::

    V' = V + V_.p (sd^2 I - V_pp)^-1 V_p.        m' = m + V_.p (sd^2 I - V_pp)^-1 m_p
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import helmert

# Data that take away less than this share of the prior variance do not know the parameter.
KNOWN = 0.05
# Deviations of so many times their prior's sd are in conflict with it, as are those of the prior's
# sd that the data, as it seems, know nothing of: so far from it the posterior is not normal.
FAR = 5.0


@dataclass(frozen=True)
class Naming:
    """What deviates.

    Attributes
    ----------
    named : tuple of int
        Positions of the parameters that deviate, the surest first; none where there is conflict.
    conflict : tuple of int
        Those whose deviations contradict the prior, the largest first.
    crowded : tuple of str
        Blocks of which more than half would have been named.
    estimate, spread : ndarray (parameter, group)
        Mean and sd of each parameter's deviations if it and all named ones were free; nan where the
        data do not know them, and in a conflict.
    width : float
        Half-width of the joint intervals, in sds.
    """

    named: tuple[int, ...]
    conflict: tuple[int, ...]
    crowded: tuple[str, ...]
    estimate: np.ndarray
    spread: np.ndarray
    width: float


def simultaneous_width(values: np.ndarray, prob: float) -> float:
    """Half-width, in posterior sds, of intervals that hold all quantities at once with `prob`.

    Parameters
    ----------
    values : ndarray (draw, quantity)
        Draws.
    prob : float
        Joint probability.

    Notes
    -----
    Besag, Green, Higdon & Mengersen (1995, doi:10.1214/ss/1177010123), with standardised draws in
    the place of ranks.
    """
    sd = values.std(axis=0, ddof=1)
    return float(np.quantile(np.abs((values - values.mean(axis=0)) / sd).max(axis=1), prob))


def name_deviations(
    deviations: np.ndarray, *, sd: float, blocks: Sequence[str], prob: float = 0.95
) -> Naming:
    """Name the parameters that deviate in some group by more than nearly equal ones do.

    Parameters
    ----------
    deviations : ndarray (draw, parameter, group)
        Draws of each group's value less the average over the groups.
    sd : float
        Standard deviation of the prior between groups.
    blocks : sequence of str
        For each parameter what it is compared within (such as the loadings of a construct). At most
        half of a block is named, since a deviation is from what the others agree on.
    prob : float
        Joint probability of the intervals of all deviations.
    """
    draws, count, groups = deviations.shape
    contrast = helmert(groups)  # (group - 1, group), orthonormal rows
    width = simultaneous_width(deviations.reshape(draws, -1), prob)
    flat = (deviations @ contrast.T).reshape(draws, -1)
    mean, covariance = flat.mean(axis=0), np.atleast_2d(np.cov(flat, rowvar=False))
    unknown = np.isnan(_freed(mean, covariance, contrast, sd, ())[0]).any(axis=1)
    size = np.abs(deviations.mean(axis=0)).max(axis=1) / sd
    against = np.flatnonzero((size > FAR) | (unknown & (size > 1.0)))
    if against.size:
        order = against[np.argsort(-size[against], kind="stable")]
        nothing = np.full((count, groups), np.nan)
        return Naming((), tuple(map(int, order)), (), nothing, nothing, width)
    room = {block: list(blocks).count(block) // 2 for block in blocks}
    named: list[int] = []
    crowded: list[str] = []
    while True:
        estimate, spread = _freed(mean, covariance, contrast, sd, named)
        sure = np.where(np.abs(estimate) > sd, np.abs(estimate) / spread, 0.0).max(axis=1)
        closed = [p in named or blocks[p] in crowded for p in range(count)]
        sure = np.where(closed, 0.0, sure)
        p = int(sure.argmax())
        if sure[p] <= width:
            return Naming(tuple(named), (), tuple(crowded), estimate, spread, width)
        if not room[blocks[p]]:
            crowded.append(blocks[p])
            continue
        gain = _gain(covariance, _own(p, len(contrast)), sd)
        assert gain is not None  # or its z were nan
        at = _own(p, len(contrast))
        mean, covariance = mean + gain @ mean[at], covariance + gain @ covariance[at]
        room[blocks[p]] -= 1
        named.append(p)


def _own(p: int, k: int) -> slice:
    """Where the k contrasts of a parameter stand."""
    return slice(p * k, (p + 1) * k)


def _gain(covariance: np.ndarray, at: slice, sd: float) -> np.ndarray | None:
    """V_.p (sd^2 I - V_pp)^-1; None where the data leave the prior nearly as it is."""
    own = covariance[at, at]
    rest = sd**2 * np.eye(len(own)) - own
    if np.linalg.eigvalsh(rest)[0] <= KNOWN * sd**2:
        return None
    return covariance[:, at] @ np.linalg.inv(rest)


def _freed(
    mean: np.ndarray,
    covariance: np.ndarray,
    contrast: np.ndarray,
    sd: float,
    named: Collection[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of each parameter's deviations without its own prior, (parameter, group) each."""
    k = len(contrast)
    estimate = np.full((len(mean) // k, contrast.shape[1]), np.nan)
    spread = estimate.copy()
    for p in range(len(estimate)):
        at = _own(p, k)
        centre, own = mean[at], covariance[at, at]
        if p not in named:  # of those the prior is gone already
            gain = _gain(covariance, at, sd)
            if gain is None:
                continue
            centre, own = centre + gain[at] @ centre, own + gain[at] @ own
        estimate[p] = centre @ contrast
        spread[p] = np.sqrt(np.einsum("ig,ij,jg->g", contrast, own, contrast))
    return estimate, spread
