"""Hierarchies across groups in the coordinates in which they are sampled.

beta_g = mu + delta w_g + tau z_g samples well non-centred (z) where the data of the groups say
little, centred (beta) where they say much (Papaspiliopoulos, Roberts & Skold 2007,
doi:10.1214/088342307000000014); which of the two it is depends on tau. `balance` is between them
as far as the data and tau ask for.
"""

from dataclasses import dataclass

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.posterior.transforms import transform


@dataclass(frozen=True)
class Hierarchy:
    """What `balance` has to know about beta_g = mu + delta w_g + tau z_g.

    mu, delta, tau : coordinates; -1 for a delta that is not there, a tau that is fixed, and a mu
        that is 0.
    sd : tau where it is fixed;  members : coordinates of z by group;  predictor : w by group.
    precision, information : what the data say about beta_g by group: 1 / variance, and estimate /
        variance.  mu_prior, delta_prior : the same of the priors of mu and delta.
    links : coordinate of the coefficient and number of each earlier hierarchy in the deviations.
    """

    mu: int
    delta: int
    tau: int
    sd: float
    members: tuple[int, ...]
    predictor: np.ndarray
    precision: np.ndarray
    information: np.ndarray
    mu_prior: tuple[float, float]
    delta_prior: tuple[float, float]
    links: tuple[tuple[int, int], ...] = ()


@compiled
def _regress(h, data, prior, level, slope):
    """Generalised least squares of the groups' estimates on 1 and w, priors included.

    level, slope : whether there is a mu and a delta.  Returns (A, C, E, F, G): precisions of mu and
    delta [[A, C], [C, E]] and their right side; A = 1 and C = F = 0 without a mu.
    """
    a, c, e, f, g = 1.0, 0.0, prior[2], 0.0, prior[3]
    if level:
        a, f = prior[0], prior[1]
    for i in range(h.size):
        w, q, r = data[3 * i], data[3 * i + 1], data[3 * i + 2]
        if level:
            a += q * h[i]
            f += r * h[i]
        if slope:
            if level:
                c += q * h[i] * w
            e += q * h[i] * w * w
            g += r * h[i] * w
    return a, c, e, f, g


@compiled
def balance(layout, x):
    """Turn balanced coordinates of hierarchies into mu, delta and z, in place; log Jacobian.

    With beta_g = mu + delta w_g + tau z_g, where the data say that beta_g has precision q_g and
    estimate r_g / q_g, all but tau are normal given tau. The sampler's coordinates are their
    deviations from these conditional means in conditional standard deviations::

        delta = (G - C F / A) / S + x_delta / sqrt(S)          S = E - C^2 / A
        mu    = (F - C delta) / A + x_mu / sqrt(A)
        z_g   = tau h_g (r_g - q_g (mu + delta w_g)) + sqrt(h_g) x_g    h_g = 1 / (1 + q_g tau^2)

    so they are about standard normal for every tau: non-centred for tau to 0, centred at the
    data's estimates for large tau, with neither funnel nor ridge. Where deviations are correlated,
    beta_g = mu + delta w_g + tau / |(1, c)| (z_g + sum of c times z_g of earlier hierarchies), the
    sum moves the conditional mean of z_g along, and tau / |(1, c)| stands in the place of tau.
    """
    value = 0.0
    first = 0
    for p in range(layout.pool_at.size // 4):
        mu, delta, sd, groups = layout.pool_at[4 * p : 4 * p + 4]
        prior = layout.pool_prior[5 * p : 5 * p + 5]
        data = layout.pool_data[3 * first : 3 * (first + groups)]
        tau = prior[4]
        if sd >= 0:
            tau = transform(layout.transform[sd], x[sd], layout.lower[sd], layout.upper[sd])[0]
        tau /= np.sqrt(_norm(layout, x, p))
        h = np.empty(groups)
        for i in range(groups):
            h[i] = 1.0 / (1.0 + data[3 * i + 1] * tau * tau)
        a, c, e, f, g = _regress(h, data, prior, mu >= 0, delta >= 0)
        level, slope = 0.0, 0.0
        if delta >= 0:
            s = e - c * c / a
            slope = (g - c * f / a) / s + x[delta] / np.sqrt(s)
            x[delta] = slope
            value -= 0.5 * np.log(s)
        if mu >= 0:
            level = (f - c * slope) / a + x[mu] / np.sqrt(a)
            x[mu] = level
            value -= 0.5 * np.log(a)
        for i in range(groups):
            w, q, r = data[3 * i], data[3 * i + 1], data[3 * i + 2]
            k = layout.pool_member[first + i]
            mean = level + slope * w + tau * _linked(layout, x, p, i)
            x[k] = tau * h[i] * (r - q * mean) + np.sqrt(h[i]) * x[k]
            value += 0.5 * np.log(h[i])
        first += groups
    return value


@compiled
def _linked(layout, x, p, group):
    """What the z of earlier hierarchies add to that of hierarchy p in a group."""
    total = 0.0
    for t in range(layout.pool_link.size // 3):
        if layout.pool_link[3 * t] == p:
            other = layout.pool_member[_first(layout, layout.pool_link[3 * t + 2]) + group]
            total += x[layout.pool_link[3 * t + 1]] * x[other]
    return total


@compiled
def _norm(layout, x, p):
    """1 + sum of squares of the coefficients of earlier hierarchies in hierarchy p."""
    total = 1.0
    for t in range(layout.pool_link.size // 3):
        if layout.pool_link[3 * t] == p:
            total += x[layout.pool_link[3 * t + 1]] ** 2
    return total


@compiled
def _first(layout, p):
    """Where the members of hierarchy p start."""
    total = 0
    for other in range(p):
        total += layout.pool_at[4 * other + 3]
    return total


@compiled
def pull_balance(layout, x, before, d_x):
    """Adjoint of `balance`: x after it, `before` it; d_x becomes the gradient by `before`."""
    for p in range(layout.pool_at.size // 4 - 1, -1, -1):
        mu, delta, sd, groups = layout.pool_at[4 * p : 4 * p + 4]
        first = _first(layout, p)
        prior = layout.pool_prior[5 * p : 5 * p + 5]
        data = layout.pool_data[3 * first : 3 * (first + groups)]
        tau, d_raw = prior[4], 0.0
        if sd >= 0:
            tau, d_raw, _, _ = transform(
                layout.transform[sd], x[sd], layout.lower[sd], layout.upper[sd]
            )
        norm = _norm(layout, x, p)
        tau /= np.sqrt(norm)
        h, d_h = np.empty(groups), np.empty(groups)
        for i in range(groups):
            h[i] = 1.0 / (1.0 + data[3 * i + 1] * tau * tau)
        a, c, e, f, g = _regress(h, data, prior, mu >= 0, delta >= 0)
        level, slope = 0.0, 0.0
        d_tau, d_level, d_slope = 0.0, 0.0, 0.0
        if mu >= 0:
            level, d_level = x[mu], d_x[mu]
        if delta >= 0:
            slope, d_slope = x[delta], d_x[delta]
        for i in range(groups):
            w, q, r = data[3 * i], data[3 * i + 1], data[3 * i + 2]
            k = layout.pool_member[first + i]
            linked = _linked(layout, x, p, i)
            gap = r - q * (level + slope * w + tau * linked)
            d_z, root = d_x[k], np.sqrt(h[i])
            d_mean = -d_z * tau * h[i] * q
            d_tau += d_z * h[i] * gap + d_mean * linked
            d_level += d_mean
            d_slope += d_mean * w
            for t in range(layout.pool_link.size // 3):
                if layout.pool_link[3 * t] == p:
                    coefficient = layout.pool_link[3 * t + 1]
                    other = layout.pool_member[_first(layout, layout.pool_link[3 * t + 2]) + i]
                    d_x[coefficient] += d_mean * tau * x[other]
                    d_x[other] += d_mean * tau * x[coefficient]
            d_h[i] = d_z * (tau * gap + 0.5 * before[k] / root) + 0.5 / h[i]
            d_x[k] = d_z * root
        d_a, d_c, d_e, d_f, d_g = 0.0, 0.0, 0.0, 0.0, 0.0
        if mu >= 0:  # mu = (f - c slope) / a + x / sqrt(a), and -log(a) / 2
            u = before[mu]
            d_f = d_level / a
            d_c = -slope * d_level / a
            d_slope -= c * d_level / a
            d_a = -((f - c * slope) / a + 0.5 * u / np.sqrt(a)) * d_level / a - 0.5 / a
            d_x[mu] = d_level / np.sqrt(a)
        if delta >= 0:
            s = e - c * c / a
            n = g - c * f / a
            u = before[delta]
            d_n = d_slope / s
            d_s = -(n / s + 0.5 * u / np.sqrt(s)) * d_slope / s - 0.5 / s
            d_x[delta] = d_slope / np.sqrt(s)
            d_g = d_n
            d_e = d_s
            if mu >= 0:
                d_c -= (f * d_n + 2.0 * c * d_s) / a
                d_f -= c * d_n / a
                d_a += (c * f * d_n + c * c * d_s) / (a * a)
        for i in range(groups):
            w, q, r = data[3 * i], data[3 * i + 1], data[3 * i + 2]
            total = d_h[i] + q * d_a + r * d_f
            if delta >= 0:
                total += w * (q * d_c + q * w * d_e + r * d_g)
            d_tau -= total * 2.0 * q * tau * h[i] * h[i]
        if sd >= 0:
            d_x[sd] += d_tau * d_raw / np.sqrt(norm)
        for t in range(layout.pool_link.size // 3):
            if layout.pool_link[3 * t] == p:
                coefficient = layout.pool_link[3 * t + 1]
                d_x[coefficient] -= d_tau * tau * x[coefficient] / norm
