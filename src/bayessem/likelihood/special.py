"""Special functions of one number that Numba does not have."""

import math

from bayessem.likelihood.compiled import compiled

# From here on the asymptotic series is exact to 1e-15.
LARGE = 12.0


@compiled
def digamma(x):
    """Derivative of log gamma(x), x > 0."""
    out = 0.0
    while x < LARGE:
        out -= 1.0 / x
        x += 1.0
    r = 1.0 / (x * x)
    series = 1.0 / 12.0 - r * (
        1.0 / 120.0 - r * (1.0 / 252.0 - r * (1.0 / 240.0 - r * (1.0 / 132.0)))
    )
    return out + math.log(x) - 0.5 / x - r * series


@compiled
def log1p_excess(x):
    """(log(1 + x) - x / (1 + x)) / x^2, x >= 0, without the loss of digits near 0."""
    if x > 1e-3:
        return (math.log1p(x) - x / (1.0 + x)) / (x * x)
    return 0.5 - x * (2.0 / 3.0 - x * (3.0 / 4.0 - x * (4.0 / 5.0 - x * (5.0 / 6.0))))
