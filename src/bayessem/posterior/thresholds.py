"""Thresholds of ordered variables: their prior, and the coordinates in which they are sampled.

The prior is about the proportions of the categories: with kappa = tau / sd of the latent response,
the probabilities that a standard normal variable has between the kappa are Dirichlet. In thresholds
it is that Dirichlet density times the normal densities of the kappa (induced Dirichlet).

Sampled are the kappa, since a loading that grows takes all thresholds along: the middle one, and
the distances from there outwards as |u|^3. A distance is about gamma distributed, and the cube root
of a gamma variable is nearly normal whatever its shape, while its logarithm has a long tail where a
category has one or two answers.

Betancourt, M. (2019). Ordinal regression (case study of betanalpha.github.io). Wilson, E. B., &
Hilferty, M. M. (1931). The distribution of chi-square. PNAS, 17, 684-688.
"""

import math

import numpy as np
from scipy.special import gammaln

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.family_ordered import tails
from bayessem.posterior.transforms import transform

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
# Numbers an item in `item_at`: first threshold, count, which is the anchor, number of loadings.
ITEM = 4
# Integer and float fields of the program (program.py).
INTEGERS, FLOATS = ("item_at", "item_loading", "item_cubed"), ("item_alpha", "item_by")


def dirichlet_constant(alpha: float, categories: int) -> float:
    """Log normalising constant of the induced Dirichlet prior of an item's thresholds."""
    return float(
        gammaln(categories * alpha) - categories * gammaln(alpha) - (categories - 1) * LOG_SQRT_2PI
    )


@compiled
def _scale(layout, x, first, count):
    """Standard deviation of an item's latent response, residual 1, by its loadings' values."""
    total = 1.0
    for t in range(first, first + count):
        value, k = layout.item_by[t], layout.item_loading[t]
        if k >= 0:
            raw, _, _, _ = transform(layout.transform[k], x[k], layout.lower[k], layout.upper[k])
            value *= raw
        total += value * value
    return np.sqrt(total)


@compiled
def _dirichlet(kappa, alpha, slope):
    """Log of the induced Dirichlet density without its constant; adds the derivatives to slope."""
    value = 0.0
    for c in range(kappa.size):
        value -= 0.5 * kappa[c] * kappa[c]
        slope[c] -= kappa[c]
    if alpha == 1.0:
        return value
    for c in range(kappa.size + 1):
        below, above_low, density_low = 0.0, 1.0, 0.0
        if c > 0:
            below, above_low, density_low = tails(0, kappa[c - 1])
        up, above_up, density_up = 1.0, 0.0, 0.0
        if c < kappa.size:
            up, above_up, density_up = tails(0, kappa[c])
        p = up - below if below < 0.5 else above_low - above_up
        value += (alpha - 1.0) * np.log(p)
        if c > 0:
            slope[c - 1] -= (alpha - 1.0) * density_low / p
        if c < kappa.size:
            slope[c] += (alpha - 1.0) * density_up / p
    return value


@compiled
def _from_cubes(u, anchor, kappa):
    """Increasing numbers from their coordinates; returns the log Jacobian."""
    value = 0.0
    kappa[anchor] = u[anchor]
    for c in range(anchor + 1, u.size):
        kappa[c] = kappa[c - 1] + abs(u[c]) ** 3
        value += np.log(3.0 * u[c] * u[c])
    for c in range(anchor - 1, -1, -1):
        kappa[c] = kappa[c + 1] - abs(u[c]) ** 3
        value += np.log(3.0 * u[c] * u[c])
    return value


@compiled
def _pull_cubes(u, anchor, slope, out):
    """Derivatives by the coordinates from those by the numbers, the log Jacobian's added."""
    total = slope[anchor]
    part = 0.0
    for c in range(u.size - 1, anchor, -1):
        part += slope[c]
        out[c] = 3.0 * part * u[c] * abs(u[c]) + 2.0 / u[c]
    total += part
    part = 0.0
    for c in range(anchor):
        part += slope[c]
        out[c] = -3.0 * part * u[c] * abs(u[c]) + 2.0 / u[c]
    out[anchor] = total + part


@compiled
def to_thresholds(layout, x):
    """Turn the coordinates of thresholds into thresholds, in place.

    Returns log prior (as far as it is the thresholds' joint one) and log Jacobian.
    """
    value, at = 0.0, 0
    for i in range(layout.item_alpha.size):
        first, count = layout.item_at[ITEM * i], layout.item_at[ITEM * i + 1]
        loadings = layout.item_at[ITEM * i + 3]
        scale = _scale(layout, x, at, loadings)
        at += loadings
        own = x[first : first + count]
        kappa = own / scale
        if layout.item_cubed[0] == 1:
            value += _from_cubes(own, layout.item_at[ITEM * i + 2], kappa)
            own[:] = kappa * scale
        if layout.item_alpha[i] > 0.0:
            value += _dirichlet(kappa, layout.item_alpha[i], np.zeros(count))
            if layout.item_cubed[0] == 0:
                value -= count * np.log(scale)
        elif layout.item_cubed[0] == 1:
            value += count * np.log(scale)
    return value


@compiled
def pull_thresholds(layout, x, d_x):
    """Adjoint of `to_thresholds` at x, and the derivatives of what it returned."""
    at = 0
    for i in range(layout.item_alpha.size):
        first, count = layout.item_at[ITEM * i], layout.item_at[ITEM * i + 1]
        loadings = layout.item_at[ITEM * i + 3]
        scale = _scale(layout, x, at, loadings)
        cubed = layout.item_cubed[0] == 1
        own, d_own = x[first : first + count], d_x[first : first + count]
        kappa, slope = own / scale, np.zeros(count)
        if cubed:
            _from_cubes(own, layout.item_at[ITEM * i + 2], kappa)
        d_log_scale = 0.0  # derivative by log scale
        joint = layout.item_alpha[i] > 0.0
        if joint:
            _dirichlet(kappa, layout.item_alpha[i], slope)
        if cubed:  # tau = kappa scale
            for c in range(count):
                d_log_scale += d_own[c] * kappa[c] * scale
                slope[c] += d_own[c] * scale
            if not joint:
                d_log_scale += count
            _pull_cubes(own, layout.item_at[ITEM * i + 2], slope, d_own)
        elif joint:  # kappa = tau / scale
            for c in range(count):
                d_log_scale -= slope[c] * kappa[c]
                d_own[c] += slope[c] / scale
            d_log_scale -= count
        for t in range(at, at + loadings):
            k = layout.item_loading[t]
            if k >= 0:
                raw, d_raw, _, _ = transform(
                    layout.transform[k], x[k], layout.lower[k], layout.upper[k]
                )
                by = layout.item_by[t]
                d_x[k] += d_log_scale * by * by * raw * d_raw / (scale * scale)
        at += loadings


def to_cubes(thresholds: np.ndarray, scale: float, anchor: int) -> np.ndarray:
    """Coordinates of an item's thresholds, (count,): the inverse of what is sampled."""
    kappa = np.asarray(thresholds) / scale
    gaps = np.cbrt(np.maximum(np.diff(kappa), 1e-6))
    return np.concatenate([gaps[:anchor], kappa[anchor : anchor + 1], gaps[anchor:]])
