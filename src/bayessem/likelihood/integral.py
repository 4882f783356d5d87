"""One respondent's integral over the latent that enters the products, with its moments.

The integrand is phi(z) exp(U'c - c'Qc / 2) with c the monomials of z. The trapezoid rule converges
spectrally on it: its error is the integrand's Fourier transform at 2 pi / step, so all depends on a
step that suits the narrowest feature and a range that leaves out nothing.

One square: the exponent is a quartic with one or two maxima. The step is STEP times the smallest
distance from a maximum at which the exponent has dropped by 2 (for a Gaussian, 2 sd, so .6 sd). The
nodes are the points of one lattice within REACH of the peak, around each maximum. On a lattice the
exponential of a quartic needs no exponentials: its ratios of ratios of ratios are constant.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled

DROP = 2.0
LOG_2PI = np.log(2.0 * np.pi)


@compiled
def _maxima(c1, c2, c3, c4):
    """Maxima of c1 z + c2 z^2 + c3 z^3 + c4 z^4 (c4 <= 0): highest, other, valley (NaN if one)."""
    if c4 > -1e-12 * (1.0 + abs(c2)):  # no square: a parabola
        return -0.5 * c1 / c2, np.nan, np.nan
    # derivative / (4 c4): t^3 + p t + q with z = t - shift
    b = 0.75 * c3 / c4
    shift = b / 3.0
    p = 0.5 * c2 / c4 - b * shift
    q = 2.0 * shift * shift * shift - shift * (0.5 * c2 / c4) + 0.25 * c1 / c4
    discriminant = 0.25 * q * q + p * p * p / 27.0
    if discriminant > 0.0:
        root = np.sqrt(discriminant)
        # the larger of the two cube roots first: no cancellation
        w = -0.5 * q - root if q > 0.0 else -0.5 * q + root
        w = np.cbrt(w)
        z = (w - p / (3.0 * w) if w != 0.0 else 0.0) - shift
        return z, np.nan, np.nan
    r = 2.0 * np.sqrt(-p / 3.0)
    cosine = 3.0 * q / (p * r) if p != 0.0 else 1.0
    cosine = np.cos(np.arccos(min(1.0, max(-1.0, cosine))) / 3.0)
    sine = np.sqrt(max(0.0, 0.75 - 0.75 * cosine * cosine))
    right = r * cosine - shift
    left = r * (-0.5 * cosine - sine) - shift
    middle = r * (-0.5 * cosine + sine) - shift
    value_right = right * (c1 + right * (c2 + right * (c3 + right * c4)))
    value_left = left * (c1 + left * (c2 + left * (c3 + left * c4)))
    if value_right >= value_left:
        return right, left, middle
    return left, right, middle


@compiled
def _width(z, c2, c3, c4):
    """Distance from the maximum z to a drop of the exponent by DROP, on the steeper side."""
    half_curvature = -(c2 + z * (3.0 * c3 + 6.0 * z * c4))
    skew = abs(c3 + 4.0 * c4 * z)
    if half_curvature < 0.0:  # rounding at a flat maximum
        half_curvature = 0.0
    # increasing and convex in d: Newton from a point beyond the root comes down monotonically
    d = np.sqrt(DROP / half_curvature) if half_curvature > 0.0 else 1e300
    if c4 < 0.0:
        d = min(d, np.sqrt(np.sqrt(DROP / -c4)))
    for _ in range(3):
        value = d * d * (half_curvature + d * (skew - d * c4)) - DROP
        slope = d * (2.0 * half_curvature + d * (3.0 * skew - 4.0 * d * c4))
        d -= value / slope
    return d


@compiled
def _add_maximum(sums, z, scale, up_room, down_room, h, floor, c1, c2, c3, c4):
    """Add scale * the sum over the lattice z + h j of z^0 ... z^4 times integrand / integrand(z).

    j runs from 0 to up_room and from -1 to -down_room, and ends when both sides are under `floor`.
    Returns the number of nodes.
    """
    h2 = h * h
    # exponent at z + h j less that at z: a j + b j^2 + c j^3 + d j^4. Its first to fourth forward
    # differences, exponentiated, are the ratios of the recurrence, in both directions
    a = h * (c1 + z * (2.0 * c2 + z * (3.0 * c3 + z * 4.0 * c4)))
    b = h2 * (c2 + z * (3.0 * c3 + z * 6.0 * c4))
    c = h2 * h * (c3 + 4.0 * z * c4)
    d = h2 * h2 * c4
    exp_a, exp_b, exp_c, exp_d = np.exp(a), np.exp(b), np.exp(c), np.exp(d)
    inverse = 1.0 / (exp_a * exp_c)
    inverse_c = inverse * exp_a
    exp_2d = exp_d * exp_d
    exp_4d = exp_2d * exp_2d
    exp_12d = exp_4d * exp_4d * exp_4d
    exp_6c = exp_c * exp_c * exp_c
    exp_6c *= exp_6c
    inverse_6c = inverse_c * inverse_c * inverse_c
    inverse_6c *= inverse_6c
    ratio4 = exp_12d * exp_12d
    even2 = exp_b * exp_b * exp_12d * exp_2d
    even3 = ratio4 * exp_12d
    up, up1, up2, up3 = 1.0, exp_a * exp_b * exp_c * exp_d, even2 * exp_6c, even3 * exp_6c
    down1, down2, down3 = exp_b * exp_d * inverse, even2 * inverse_6c, even3 * inverse_6c
    down = 1.0
    s_0, s_1, s_2, s_3, s_4 = 1.0, 0.0, 0.0, 0.0, 0.0
    k = 0.0
    while up > floor or down > floor:
        up *= up1
        down *= down1
        up1 *= up2
        down1 *= down2
        up2 *= up3
        down2 *= down3
        up3 *= ratio4
        down3 *= ratio4
        k += 1.0
        if k > up_room:
            up = 0.0
            up1 = 0.0
        if k > down_room:
            down = 0.0
            down1 = 0.0
        even = up + down
        odd = (up - down) * k
        k2 = k * k
        s_0 += even
        s_1 += odd
        s_2 += even * k2
        s_3 += odd * k2
        s_4 += even * k2 * k2
    s_1 *= h
    s_2 *= h2
    s_3 *= h2 * h
    s_4 *= h2 * h2
    z2 = z * z
    sums[0] += scale * s_0
    sums[1] += scale * (z * s_0 + s_1)
    sums[2] += scale * (z2 * s_0 + 2.0 * z * s_1 + s_2)
    sums[3] += scale * (z2 * z * s_0 + 3.0 * z2 * s_1 + 3.0 * z * s_2 + s_3)
    sums[4] += scale * (z2 * (z2 * s_0 + 4.0 * z * s_1 + 6.0 * s_2) + 4.0 * z * s_3 + s_4)
    return 1.0 + min(k, up_room) + min(k, down_room)


@compiled
def quartic_integral(u1, u2, q11, q12, q22, reach, step, sums):
    """Log of the integral of phi(z) exp(u1 z + u2 z^2 - q11 z^2/2 - q12 z^3 - q22 z^4/2).

    sums[1:5] become E[z], ..., E[z^4] under the normalised integrand.
    Returns the log-integral (NaN for a meaningless exponent) and the number of nodes.
    """
    c1, c2, c3, c4 = u1, u2 - 0.5 * (q11 + 1.0), -q12, -0.5 * q22
    best, other, valley = _maxima(c1, c2, c3, c4)
    peak = best * (c1 + best * (c2 + best * (c3 + best * c4)))
    width = _width(best, c2, c3, c4)
    low = -np.inf
    if other == other:
        low = other * (c1 + other * (c2 + other * (c3 + other * c4))) - peak
        if low > -reach:
            width = min(width, _width(other, c2, c3, c4))
    h = step * width
    if not (h > 0.0 and h < 1e100 and abs(best) < 1e100):
        return np.nan, 0.0
    for i in range(5):
        sums[i] = 0.0
    floor = np.exp(-reach)
    endless = 1e9
    if low > -reach:
        # the lattice index grows towards the second maximum; the valley divides it
        if other < best:
            h = -h
        last = np.floor((valley - best) / h)
        there = max(np.rint((other - best) / h), last + 1.0)
        nodes = _add_maximum(sums, best, 1.0, last, endless, h, floor, c1, c2, c3, c4)
        z = best + there * h
        low = z * (c1 + z * (c2 + z * (c3 + z * c4))) - peak
        room = there - last - 1.0
        nodes += _add_maximum(
            sums, z, np.exp(low), endless, room, h, floor * np.exp(-low), c1, c2, c3, c4
        )
    else:
        nodes = _add_maximum(sums, best, 1.0, endless, endless, h, floor, c1, c2, c3, c4)
    total = sums[0]
    for i in range(1, 5):
        sums[i] /= total
    return peak + np.log(total * abs(h)) - 0.5 * LOG_2PI, nodes
