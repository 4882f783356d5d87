"""What a coordinate stands for and the prior of what it stands for, by code (see density.py)."""

import numpy as np

from bayessem.likelihood.compiled import compiled

LOG_2 = np.log(2.0)


def loading_coordinate(loading: np.ndarray, bend: float) -> np.ndarray:
    """Coordinates x of loadings of ordered answers on a construct of unit variance.

    y = asinh(loading) and x = y, or with a bend b, sinh(b x) / b = y; tanh(y) is the standardised
    loading. What answers say of that is finite up to 1, so that y of a strong item has an
    exponential tail, in which chains are slow; x has none.
    """
    y = np.arcsinh(loading)
    return np.arcsinh(bend * y) / bend if bend > 0.0 else y


@compiled
def transform(code, x, lower, upper):
    """Raw value, its derivative by x, log of that derivative, and the derivative of the log."""
    if code == 1:
        e = np.exp(x)
        return lower + e, e, x, 1.0
    if code == 2:
        # log-odds; the log-Jacobian without cancellation for large |x|
        e = np.exp(-abs(x))
        s = 1.0 / (1.0 + e) if x >= 0.0 else e / (1.0 + e)
        span = upper - lower
        slope = span * e / ((1.0 + e) * (1.0 + e))
        return lower + span * s, slope, np.log(span) - abs(x) - 2.0 * np.log1p(e), 1.0 - 2.0 * s
    if code == 3:
        e = np.exp(x)
        return upper - e, -e, x, 1.0
    if code == 4:
        # raw^2 = 2 s (sqrt(x^2 + s^2) - s), s in place of the upper bound
        q = np.sqrt(x * x + upper * upper)
        slope = np.sqrt(0.5 * upper * (q + upper)) / q
        bend = (0.5 / (q + upper) - 1.0 / q) * x / q
        raw = np.sqrt(2.0 * upper / (q + upper)) * abs(x)
        return raw, (slope if x >= 0.0 else -slope), np.log(slope) - LOG_2, bend
    if code == 5:
        # s log(1 + exp(x / s)), s in place of the upper bound; below: 1 - exp(-raw / s) = slope
        e = np.exp(-abs(x) / upper)
        soft = np.log1p(e)
        slope = 1.0 / (1.0 + e) if x >= 0.0 else e / (1.0 + e)
        raw = upper * soft + max(x, 0.0)
        return raw, slope, min(x, 0.0) / upper - soft, (1.0 - slope) / upper
    if code == 6:
        # sinh(y) / s, s in place of the upper bound, y = sinh(b x) / b, b in place of the lower one
        y, d_y = x, 1.0
        if lower > 0.0:
            e, inverse = np.exp(lower * x), np.exp(-lower * x)
            y, d_y = 0.5 * (e - inverse) / lower, 0.5 * (e + inverse)
        e, inverse = np.exp(y), np.exp(-y)
        sinh, cosh = 0.5 * (e - inverse), 0.5 * (e + inverse)
        slope = cosh * d_y / upper
        return sinh / upper, slope, np.log(slope), d_y * sinh / cosh + lower * lower * y / d_y
    return x, 1.0, 0.0, 0.0


@compiled
def log_prior(code, r, a, b, c, lower, upper):
    """Log-density of a raw value up to its constant, and the derivative."""
    if code == 1:  # normal(mean, sd)
        z = (r - a) / b
        return -0.5 * z * z, -z / b
    if code == 2:  # student_t(location, scale, df)
        z = (r - a) / b
        q = 1.0 + z * z / c
        return -0.5 * (c + 1.0) * np.log(q), -(c + 1.0) * z / (b * c * q)
    if code == 3:  # gamma(shape, rate)
        return (a - 1.0) * np.log(r) - b * r, (a - 1.0) / r - b
    if code == 4:  # inverse gamma(shape, scale)
        return -(a + 1.0) * np.log(r) - b / r, -(a + 1.0) / r + b / (r * r)
    if code == 5:  # exponential(rate)
        return -a * r, -a
    if code == 6:  # log-normal(mean of log, sd of log)
        z = (np.log(r) - a) / b
        return -np.log(r) - 0.5 * z * z, -(1.0 + z / b) / r
    if code == 7:  # beta(a, b) stretched to (lower, upper)
        u = (r - lower) / (upper - lower)
        return (
            (a - 1.0) * np.log(u) + (b - 1.0) * np.log1p(-u),
            ((a - 1.0) / u - (b - 1.0) / (1.0 - u)) / (upper - lower),
        )
    return 0.0, 0.0
