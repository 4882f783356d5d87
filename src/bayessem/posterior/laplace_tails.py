"""The tails of Laplace's approximation: where it is lowered, and by how much.

Chains go to where an approximation is too high, and there weights leave none of their draws. With
six correlated items of five constructs the approximation has been above the exact likelihood by 6
log units six posterior standard deviations out, and hardly below its maximum, since high loadings
flattened it (likelihood/laplace_tails.py). Hence the two are compared on the way out: for each
answer along the line on which the approximate posterior has the means of all parameters given c,
how much of the answer its predictor explains. What they differ by there is nearly a cube beyond
some c, which is fitted and taken out. Nothing else changes: the weights know of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayessem.likelihood.laplace_entry import explained
from bayessem.likelihood.laplace_plan import with_tails
from bayessem.posterior.density import Density
from bayessem.posterior.reweighting import log_ratios
from bayessem.posterior.sampling import Approximation, again

# Where the approximation is compared, in posterior standard deviations of c; where the cube may
# begin. What is lower by more than LOW counts as LOW.
# The way begins below the maximum, since that may itself lie too far out.
COMPARED = np.array([-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.0])
BEGINS = np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
LOW = 30.0
# Points of the approximate posterior at which it is compared with the exact likelihood.
NEAR = 40
# Spread (sd) of the log weights over the approximate posterior beyond which its draws are not
# weighted: of a hundred fewer than ten would be left.
FAR = 1.5
# Spread from which on the approximation is tilted, and where the tilt ends, in posterior standard
# deviations along it.
STEEP, SATURATED = 0.4, 6.0
# So many standard deviations of c out the density has to have fallen by FALLEN, or the exact
# likelihood must not have fallen further than by FURTHER.
OUT, FALLEN, FURTHER = 6.0, 5.0, 1.0
# Step of the slopes of c, in posterior standard deviations.
STEP = 1e-4


def explained_at(density: Density, x: np.ndarray) -> np.ndarray:
    """C of each answer at points (point, D) of the density's coordinates, (point, item)."""
    elements = density.elements(density.natural(x))
    return np.array([explained(e, density.ints, density.floats) for e in elements])


def outward(density: Density, centre: np.ndarray, root: np.ndarray) -> np.ndarray:
    """By how much the coordinates move with one standard deviation of each c, (item, D).

    0 of answers without one.

    Parameters
    ----------
    density : Density
        Of the Laplace engine.
    centre, root : ndarray (D,), (D, D)
        Maximum and root of the covariance of its normal approximation.
    """
    steps = STEP * root.T
    change = explained_at(density, centre + steps) - explained_at(density, centre - steps)
    slopes = change / (2.0 * STEP)  # by the coordinates in which the covariance is 1
    size = np.sqrt(np.sum(slopes**2, axis=0))
    return (root @ np.divide(slopes, size, out=np.zeros_like(slopes), where=size > 0.0)).T


def fitted_tail(c: np.ndarray, begins: np.ndarray, lower: np.ndarray) -> tuple[float, float]:
    """From where and how steep the cube is that, with a constant, lies nearest to what is missing.

    Parameters
    ----------
    c, lower : ndarray (point,)
        By how much the exact likelihood is lower than the approximate one at each c, compared with
        the maximum.
    begins : ndarray (begin,)
        From where the cube may go.
    """
    weight = 1.0 / (1.0 + np.abs(lower)) ** 2
    weight = weight / weight.sum()
    centred = lower - weight @ lower
    best, found = weight @ centred**2, (0.0, 0.0)
    for begin in begins:
        cube = np.maximum(c - begin, 0.0) ** 3
        cube = cube - weight @ cube
        size = weight @ cube**2
        rate = weight @ (cube * centred) / size if size > 0.0 else 0.0
        left = weight @ (centred - rate * cube) ** 2
        if rate > 0.0 and left < best:
            best, found = left, (float(begin), float(rate))
    return found


def tilt(density: Density, centre: np.ndarray, root: np.ndarray) -> np.ndarray:
    """The slope of the approximation's error about the centre, as the plan has it.

    By differences over one standard deviation of the approximate posterior to either side, handed
    on to the elements that the coordinates move.
    """
    points = np.concatenate([centre + root.T, centre - root.T])
    natural = density.natural(points)
    ratio, _ = log_ratios(density, natural)
    up, down = np.split(np.where(np.isfinite(ratio), ratio, 0.0), 2)
    slopes = 0.5 * (up - down)
    near = np.concatenate([centre + STEP * root.T, centre - STEP * root.T])
    forward, backward = np.split(density.elements(density.natural(near)), 2)
    moved = (forward - backward) / (2.0 * STEP)
    by_element = np.linalg.lstsq(moved, slopes, rcond=None)[0]
    at = density.elements(density.natural(centre))
    return np.concatenate([[SATURATED * np.sqrt(np.sum(slopes**2))], by_element, at])


def spread_of(density: Density, centre: np.ndarray, root: np.ndarray) -> float:
    """Spread (sd) of the log weights over the approximate posterior."""
    rng = np.random.default_rng(0)
    near = centre + rng.standard_normal((NEAR, len(centre))) @ root.T
    ratio, _ = log_ratios(density, density.natural(near))
    low, high = np.quantile(ratio, [0.16, 0.84])  # a point far out says nothing
    return float(0.5 * (high - low))


def lowered(found: Approximation) -> Approximation:
    """The approximation with a tilt, where it wants one, and tails like the exact likelihood's."""
    density, centre, root = found.density, found.maximum.x, found.root
    moves = outward(density, centre, root)
    which = np.flatnonzero(np.any(moves != 0.0, axis=1))
    tails, tilted = np.zeros((len(moves), 2)), None
    if not spread_of(density, centre, root) < STEEP:
        tilted = tilt(density, centre, root)
        plan = with_tails(density.ints, density.floats, tails, tilted)
        density = density.with_plan(replace(density, ints=plan[0], floats=plan[1]))
    points = centre + COMPARED[:, None] * moves[which][:, None]  # (item, point, D)
    flat = points.reshape(-1, density.size)
    ratio, _ = log_ratios(density, density.natural(flat))
    ratio = ratio.reshape(len(which), -1)
    c = explained_at(density, flat).reshape(len(which), len(COMPARED), -1)
    at = int(np.flatnonzero(COMPARED == 0.0)[0])
    for i, j in enumerate(which):
        lower = np.clip(ratio[i, at] - ratio[i], -LOW, LOW)
        begins = np.interp(BEGINS, COMPARED, c[i, :, j])
        tails[j] = fitted_tail(c[i, :, j], begins, lower)
    plan = with_tails(density.ints, density.floats, tails, tilted)
    return again(found, density.with_plan(replace(density, ints=plan[0], floats=plan[1])))


def too_far(found: Approximation) -> str:
    """Why Laplace's approximation is too far from the exact likelihood to be weighted, or "".

    Over the approximate posterior it may be far off; or it is near there and has a false maximum
    at high loadings that its tails do not take out, where chains would get stuck.

    Parameters
    ----------
    found : Approximation
        Of the Laplace engine, with its tails.
    """
    density, centre, root = found.density, found.maximum.x, found.root
    spread = spread_of(density, centre, root)
    if not spread < FAR:
        return (
            "log weights of draws of Laplace's approximation would have a standard deviation of "
            f"{spread:.1f}, and {FAR} is the most"
        )
    moves = outward(density, centre, root)
    points = np.concatenate([centre[None], centre + OUT * moves])
    value = np.array([density.value_and_gradient(x)[0] for x in points])
    ratio, _ = log_ratios(density, density.natural(points))
    false = (value[1:] > value[0] - FALLEN) & (ratio[1:] < ratio[0] - FURTHER)
    if not false.any():
        return ""
    largest = np.argmax(np.abs(moves[false]) / np.sqrt(np.sum(root**2, axis=1)), axis=1)
    names = ", ".join(dict.fromkeys(density.names[k] for k in largest[:4]))
    return (
        f"Laplace's approximation would draw to high values of {names} that the exact likelihood "
        "does not"
    )
