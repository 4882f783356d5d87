"""Probability of a rectangle under a standard bivariate normal distribution, and its moments there.

The probability is that of independence plus the integral over the correlation of the density at the
corners (Plackett 1954), by Gauss-Legendre in its arcsine (Drezner & Wesolowsky 1990; Genz 2004).
Where that cancels (far out), or the correlation is near 1, it is the integral over one variable of
its density times the other's conditional probability, whose terms are all positive: in panels that
follow the edges of the other's interval. Relative errors are below 1e-12 where the probability is
above 1e-40.

Drezner, Z., & Wesolowsky, G. O. (1990). On the computation of the bivariate normal integral.
Journal of Statistical Computation and Simulation, 35, 101-107. doi:10.1080/00949659008811236
Genz, A. (2004). Numerical computation of rectangular bivariate and trivariate normal and t
probabilities. Statistics and Computing, 14, 251-260. doi:10.1023/B:STCO.0000035304.20635.31
Tallis, G. M. (1961). The moment generating function of the truncated multi-normal distribution.
Journal of the Royal Statistical Society B, 23, 223-229.
"""

import math

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.family_ordered import interval_probability, residual_density

NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)
# Correlation up to which 20 nodes suffice, and what a sum may lose to the size of its terms.
STRONG, LOST = 0.9, 1e-3
# Log density, beside the largest one, of what does not count.
OUT = -80.0
# Where panels end, in standard deviations of the conditional distribution about an edge.
ABOUT = np.array([-9.0, -5.0, -2.5, -1.0, 0.0, 1.0, 2.5, 5.0, 9.0])


@compiled
def _corner(x, y, r, rest):
    """Density at a corner, but for 1 / (2 pi) and 1 / sqrt(rest); 0 where it is infinitely far."""
    if math.isinf(x) or math.isinf(y):
        return 0.0
    return math.exp(-0.5 * (x * x - 2.0 * r * x * y + y * y) / rest)


@compiled
def corners(a, b, c, d, r):
    """Derivative of the probability by the correlation: densities at corners, with their signs."""
    rest = 1.0 - r * r
    total = _corner(a, c, r, rest) + _corner(b, d, r, rest)
    total -= _corner(a, d, r, rest) + _corner(b, c, r, rest)
    return total / (2.0 * math.pi * math.sqrt(rest))


@compiled
def _by_correlation(a, b, c, d, r):
    """The probability by Plackett's integral, and the size of its terms."""
    top = math.asin(r)
    alone = interval_probability(0, a, b) * interval_probability(0, c, d)
    total, size = 0.0, alone
    for k in range(NODES.size):
        at = math.sin(0.5 * top * (1.0 + NODES[k]))
        rest = 1.0 - at * at
        up = _corner(a, c, at, rest) + _corner(b, d, at, rest)
        down = _corner(a, d, at, rest) + _corner(b, c, at, rest)
        total += WEIGHTS[k] * (up - down)
        size += WEIGHTS[k] * (up + down) * abs(top) / (4.0 * math.pi)
    return alone + total * top / (4.0 * math.pi), size


@compiled
def _conditional(x, c, d, r, spread):
    return interval_probability(0, (c - r * x) / spread, (d - r * x) / spread)


@compiled
def _panels(a, b, c, d, r, spread):
    """Ends of panels within (a, b), ascending; the first number is how many."""
    ends = np.empty(2 + 2 * ABOUT.size + 21)
    low, high = max(a, -13.0), min(b, 13.0)
    if not low < high:  # far out: the nearest part of the interval
        low, high = (a, a + 4.0) if a > 0.0 else (b - 4.0, b)
        low, high = max(low, a), min(high, b)
    count = 0
    for k in range(21):
        ends[count] = low + (high - low) * k / 20.0
        count += 1
    if r != 0.0:
        for edge in (c, d):
            if not math.isinf(edge):
                for k in range(ABOUT.size):
                    at = (edge + ABOUT[k] * spread) / r
                    if low < at < high:
                        ends[count] = at
                        count += 1
    return np.sort(ends[:count])


@compiled
def _by_conditioning(a, b, c, d, r):
    """The probability as an integral over the first variable; no term is negative."""
    spread = math.sqrt(1.0 - r * r)
    ends = _panels(a, b, c, d, r, spread)
    total = 0.0
    for k in range(ends.size - 1):
        half = 0.5 * (ends[k + 1] - ends[k])
        if half <= 0.0:
            continue
        middle = ends[k] + half
        for i in range(NODES.size):
            x = middle + half * NODES[i]
            density = residual_density(0, x)
            if density > 0.0:
                total += half * WEIGHTS[i] * density * _conditional(x, c, d, r, spread)
    return total


@compiled
def rectangle(a, b, c, d, r):
    """P(a < x < b, c < y < d) of standard normal x and y with correlation r."""
    if abs(r) < STRONG:
        p, size = _by_correlation(a, b, c, d, r)
        if p > LOST * size:
            return p
    return _by_conditioning(a, b, c, d, r)


@compiled
def _edge(x, c, d, r, spread):
    """Density of one variable at an end of its interval, with the other in its own."""
    if math.isinf(x):
        return 0.0
    return residual_density(0, x) * _conditional(x, c, d, r, spread)


@compiled
def truncated_pair(a, b, c, d, r):
    """Log P, E[x], E[y], E[x^2], E[x y] and E[y^2] of x and y given their rectangle."""
    p = rectangle(a, b, c, d, r)
    if not p > 0.0:
        return -np.inf, 0.0, 0.0, 0.0, 0.0, 0.0
    spread = math.sqrt(1.0 - r * r)
    low, high = _edge(a, c, d, r, spread) / p, _edge(b, c, d, r, spread) / p
    left, right = _edge(c, a, b, r, spread) / p, _edge(d, a, b, r, spread) / p
    first, second = low - high, left - right
    bent_x = (a * low if low > 0.0 else 0.0) - (b * high if high > 0.0 else 0.0)
    bent_y = (c * left if left > 0.0 else 0.0) - (d * right if right > 0.0 else 0.0)
    twist = spread * spread * corners(a, b, c, d, r) / p
    return (
        math.log(p),
        first + r * second,
        second + r * first,
        1.0 + bent_x + r * r * bent_y + r * twist,
        r + r * (bent_x + bent_y) + twist,
        1.0 + bent_y + r * r * bent_x + r * twist,
    )
