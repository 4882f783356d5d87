"""The integral over latents that are at most squared or multiplied in pairs, along one line.

For one respondent, with u the k standardised latents in products, U = D'W r, Q = D'W D and
D = [L, d] (W the inverse covariance given u), the integral of phi(u) exp(U'c - c'Qc / 2) over u,
c = (u, q) and q = u'Au. The factor exp(-v^2 / 2), v = sqrt(w)(q - s(u)) from completing the square
in q, is the mean of exp(i t v) over a standard normal t, and given t all is Gaussian in u: whatever
k is, one integral remains (the transformation of Hubbard and Stratonovich; the density at 0 of a
generalised chi-square plus noise).

1. Once for a matrix Q (`_reduce`): with w = Q_qq and a = Q_uq, coordinates z of u = F z in which
   P = I + L'WL - aa'/w is the identity and sqrt(w) A is diagonal, its entries lam.
2. For a respondent (`_centre`): z = hat + x, hat = F'(U_u - a U_q / w), leaves
   I = E exp(-v^2 / 2), v = c + b'x + sum lam_j x_j^2 with x ~ N(0, I), as

       I = (2 pi)^(-1/2) / i  int exp K(s) ds over a line from -i inf to i inf,
       K(s) = c s + s^2/2 + sum [ -log(y_j)/2 + b_j^2 s^2 / (2 y_j) ],  y_j = 1 - 2 lam_j s.

3. K is strictly convex on the real axis between the singularities, so that it has exactly one
   saddle point (`_saddle`), and no maximum of the integrand can be missed. The line through it is
   bent into a hyperbola along which the integrand falls fastest (`_hyperbola`), and the trapezoid
   rule in its parameter converges spectrally: nodes of double density are added until the sum of
   the even and that of the odd nodes agree (`_integral`).
4. Given s, x is complex normal with means s b_j / y_j and variances 1 / y_j, from which come the
   moments of c and the derivatives by A (`_moments`).

Sums run over CHUNK nodes at a time, which the processor works on at once.
"""

from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import c_function, compiled, inlined
from bayessem.likelihood.dense import cholesky_lower, lower_inverse
from bayessem.likelihood.external import ROUTINE, arrays
from bayessem.likelihood.plan import STEP

LOG_2 = np.log(2.0)
LOG_HALF_PI = np.log(0.5 * np.pi)
CHUNK = 16
FIRST_STEP = 0.1  # of the hyperbola's parameter, where the plan's step is plan.STEP
LEVELS = 5
LAST = 16.0  # where the hyperbola's parameter ends at the latest
BRANCH = 1.5  # the hyperbola's scale over the distance to the nearer singularity
WIDTH = 4.0  # and over 1 / sqrt(K'')
MOST_SINE = np.sin(np.radians(38.0))  # its tilt; from 45 degrees on exp(s^2 / 2) does not fall
TOLERANCE = 3e-5  # even against odd nodes, of the sum and of E[s]; the error is about its square
# Where the nearer singularity is so many 1 / sqrt(K'') away, halving the step takes the error to
# the fourth power.
NEARLY_NORMAL = 7.0
TROUBLE = 1e-3  # the same, where there is no integral
FLAT = 1e-8  # below it, |lam| is as good as 0 for the moments
TINY = 1e-280

# Rows of the scratch room, each of CHUNK places
SR, SI, TR, TI, ER, EI, PR, PI, DR, DI, ROWS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10


@inlined
def _exp(a):
    """Exponential of a number in [-700, 700], in a form that is done for several at once."""
    n = np.floor(a * 1.4426950408889634 + 0.5)
    r = (a - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10
    p = 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * np.int64((np.int64(n) + 1023) << 52).view(np.float64)


@inlined
def _sine_cosine(a):
    """Sine and cosine of a number of at most a million or so, for several at once."""
    n = np.floor(a * 0.6366197723675814 + 0.5)
    r = (a - n * 1.5707963267341256) - n * 6.077100506506192e-11
    z = r * r
    s = -1.0 / 39916800.0 + z * (1.0 / 6227020800.0 - z / 1307674368000.0)
    s = 1.0 / 362880.0 + z * s
    s = -1.0 / 5040.0 + z * s
    s = 1.0 / 120.0 + z * s
    s = -1.0 / 6.0 + z * s
    s = r + r * z * s
    c = -1.0 / 3628800.0 + z * (1.0 / 479001600.0 - z / 87178291200.0)
    c = 1.0 / 40320.0 + z * c
    c = -1.0 / 720.0 + z * c
    c = 1.0 / 24.0 + z * c
    c = -0.5 + z * c
    c = 1.0 + z * c
    m = np.int64(n) & 3
    odd = (m & 1) == 1
    sine = c if odd else s
    cosine = s if odd else c
    sine = -sine if m >= 2 else sine
    cosine = -cosine if (m == 1) | (m == 2) else cosine
    return sine, cosine


@compiled
def _sum_nodes(start, h, s0, across, along, c, offset, lam, half_b2, room, roots, sums):
    """Add CHUNK nodes x = start + n h to the sums; returns the squared size of first and last term.

    The hyperbola is s = s0 + across (cosh x - 1) + i along sinh x, of which x > 0 is summed and
    half of x = 0. sums : of 1, (-1)^n, s, s^2, (-1)^n s, then s^2/y_j (k,), then s^3/(y_i y_j)
    (k (k + 1) / 2,): real parts, times the integrand exp(K - offset) ds/dx / i.
    """
    k = lam.size
    for n in range(CHUNK):
        e = _exp(start + n * h)
        inverse = 0.5 / e
        ch = 0.5 * e + inverse
        sh = 0.5 * e - inverse
        sr = s0 + across * (ch - 1.0)
        si = along * sh
        room[DR * CHUNK + n] = along * ch
        room[DI * CHUNK + n] = -across * sh
        room[SR * CHUNK + n] = sr
        room[SI * CHUNK + n] = si
        tr, ti = sr * sr - si * si, 2.0 * sr * si
        room[TR * CHUNK + n] = tr
        room[TI * CHUNK + n] = ti
        room[ER * CHUNK + n] = c * sr + 0.5 * tr - offset
        room[EI * CHUNK + n] = c * si + 0.5 * ti
        room[PR * CHUNK + n] = 1.0
        room[PI * CHUNK + n] = 0.0
    for j in range(k):
        at = 2 * j * CHUNK
        twice, half = 2.0 * lam[j], half_b2[j]
        for n in range(CHUNK):
            yr = 1.0 - twice * room[SR * CHUNK + n]
            yi = -twice * room[SI * CHUNK + n]
            inverse = 1.0 / (yr * yr + yi * yi)
            rr, ri = yr * inverse, -yi * inverse
            roots[at + n] = rr
            roots[at + CHUNK + n] = ri
            tr, ti = room[TR * CHUNK + n], room[TI * CHUNK + n]
            room[ER * CHUNK + n] += half * (tr * rr - ti * ri)
            room[EI * CHUNK + n] += half * (tr * ri + ti * rr)
            # 1 / sqrt(y_j), the principal root: y_j never meets the negative axis
            qr = np.sqrt(0.5 * (np.sqrt(inverse) + rr))
            qi = 0.5 * ri / qr
            pr, pi = room[PR * CHUNK + n], room[PI * CHUNK + n]
            room[PR * CHUNK + n] = pr * qr - pi * qi
            room[PI * CHUNK + n] = pr * qi + pi * qr
    if start == 0.0:
        room[ER * CHUNK] -= LOG_2
    t0, t1, t2, t3, t4 = 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(CHUNK):
        e = _exp(max(room[ER * CHUNK + n], -600.0))
        sine, cosine = _sine_cosine(room[EI * CHUNK + n])
        pr, pi = room[PR * CHUNK + n], room[PI * CHUNK + n]
        dr, di = room[DR * CHUNK + n], room[DI * CHUNK + n]
        gr, gi = pr * dr - pi * di, pr * di + pi * dr
        wr, wi = e * (cosine * gr - sine * gi), e * (cosine * gi + sine * gr)
        room[ER * CHUNK + n] = wr * wr + wi * wi
        sr, si = room[SR * CHUNK + n], room[SI * CHUNK + n]
        sign = 1.0 - 2.0 * (n & 1)
        t0 += wr
        t1 += sign * wr
        first = wr * sr - wi * si
        t2 += first
        t4 += sign * first
        ar = wr * room[TR * CHUNK + n] - wi * room[TI * CHUNK + n]
        ai = wr * room[TI * CHUNK + n] + wi * room[TR * CHUNK + n]
        t3 += ar
        room[TR * CHUNK + n] = ar  # the integrand times s^2, then times s^3
        room[TI * CHUNK + n] = ai
        room[PR * CHUNK + n] = ar * sr - ai * si
        room[PI * CHUNK + n] = ar * si + ai * sr
    sums[0] += t0
    sums[1] += t1
    sums[2] += t2
    sums[3] += t3
    sums[4] += t4
    row = 5 + k
    for j in range(k):
        at = 2 * j * CHUNK
        s = 0.0
        for n in range(CHUNK):
            rr, ri = roots[at + n], roots[at + CHUNK + n]
            s += room[TR * CHUNK + n] * rr - room[TI * CHUNK + n] * ri
            cr, ci = room[PR * CHUNK + n], room[PI * CHUNK + n]
            room[DR * CHUNK + n] = cr * rr - ci * ri
            room[DI * CHUNK + n] = cr * ri + ci * rr
        sums[5 + j] += s
        for i in range(j + 1):
            other = 2 * i * CHUNK
            s = 0.0
            for n in range(CHUNK):
                s += room[DR * CHUNK + n] * roots[other + n]
                s -= room[DI * CHUNK + n] * roots[other + CHUNK + n]
            sums[row] += s
            row += 1
    return room[ER * CHUNK], room[ER * CHUNK + CHUNK - 1]


@compiled
def _diagonalise(matrix, vectors):
    """Eigenvectors of a small symmetric matrix as columns; it becomes diagonal (Jacobi)."""
    k = matrix.shape[0]
    for i in range(k):
        for j in range(k):
            vectors[i, j] = 1.0 if i == j else 0.0
    for _ in range(30):
        rest, size = 0.0, 0.0
        for i in range(k):
            size += matrix[i, i] * matrix[i, i]
            for j in range(i):
                rest += matrix[i, j] * matrix[i, j]
        if not rest > 1e-32 * size:
            break
        for p in range(k):
            for q in range(p + 1, k):
                off = matrix[p, q]
                if off == 0.0:
                    continue
                ratio = 0.5 * (matrix[q, q] - matrix[p, p]) / off
                t = 1.0 / (abs(ratio) + np.sqrt(1.0 + ratio * ratio))
                t = -t if ratio < 0.0 else t
                cosine = 1.0 / np.sqrt(1.0 + t * t)
                sine = t * cosine
                for r in range(k):
                    a, b = matrix[r, p], matrix[r, q]
                    matrix[r, p], matrix[r, q] = cosine * a - sine * b, sine * a + cosine * b
                for r in range(k):
                    a, b = matrix[p, r], matrix[q, r]
                    matrix[p, r], matrix[q, r] = cosine * a - sine * b, sine * a + cosine * b
                for r in range(k):
                    a, b = vectors[r, p], vectors[r, q]
                    vectors[r, p], vectors[r, q] = cosine * a - sine * b, sine * a + cosine * b


class Reduced(NamedTuple):
    """What step 1 makes of a matrix Q and a form A."""

    basis: np.ndarray  # (k, k) F
    form: np.ndarray  # (k,) the diagonal of F'AF
    lam: np.ndarray  # (k,) sqrt(w) of it
    slope: np.ndarray  # (k,) F'a
    number: np.ndarray  # (2,) sqrt(w), log|P| / 2
    matrix: np.ndarray  # (k, k) room
    vectors: np.ndarray  # (k, k) room


class Respondent(NamedTuple):
    """One respondent's canonical integral, and room for it."""

    hat: np.ndarray  # (k,)
    b: np.ndarray  # (k,)
    half_b2: np.ndarray  # (k,)
    sums: np.ndarray  # of _sum_nodes
    room: np.ndarray  # of _sum_nodes
    roots: np.ndarray  # of _sum_nodes: 1 / y_j at the nodes
    mean: np.ndarray  # (k,) E[z]
    second: np.ndarray  # (k, k) E[z z']


class Moments(NamedTuple):
    """Sums over respondents, of z and then of u = F z; v as in step 2."""

    zz: np.ndarray  # (k, k) E[z z']
    vzz: np.ndarray  # (k, k) E[v z z']
    qz: np.ndarray  # (k,) E[q z]
    qq: np.ndarray  # (1,) E[q^2]


@compiled
def _new_rooms(k):
    square, row = np.zeros((5, k, k)), np.zeros((8, k))
    reduced = Reduced(square[0], row[0], row[1], row[2], np.zeros(2), square[1], square[2])
    respondent = Respondent(
        row[3],
        row[4],
        row[5],
        np.zeros(5 + k + k * (k + 1) // 2),
        np.zeros(ROWS * CHUNK),
        np.zeros(2 * k * CHUNK),
        row[6],
        np.zeros((k, k)),
    )
    return reduced, respondent, Moments(square[3], square[4], row[7], np.zeros(1))


@inlined
def _reduce(gram, curve, reduced):
    """Step 1, of Q (k + 1, k + 1) and A (k, k); False when P is not positive definite."""
    k = curve.shape[0]
    basis, slope, matrix, vectors = reduced.basis, reduced.slope, reduced.matrix, reduced.vectors
    w = max(gram[k, k], TINY)
    root_w = np.sqrt(w)
    for i in range(k):
        for j in range(k):
            matrix[i, j] = gram[i, j] - gram[i, k] * gram[j, k] / w
        matrix[i, i] += 1.0
    logdet = cholesky_lower(matrix, vectors)  # P = C C'
    lower_inverse(vectors, basis)
    for i in range(k):  # C^-1 A C^-T, by its rows
        for j in range(k):
            s = 0.0
            for r in range(i + 1):
                s += basis[i, r] * curve[r, j]
            vectors[i, j] = s
    for i in range(k):
        for j in range(k):
            s = 0.0
            for r in range(j + 1):
                s += vectors[i, r] * basis[j, r]
            matrix[i, j] = s
    _diagonalise(matrix, vectors)
    for j in range(k):
        reduced.form[j] = matrix[j, j]
        reduced.lam[j] = root_w * matrix[j, j]
    for i in range(k):
        for j in range(k):
            s = 0.0
            for r in range(i, k):
                s += basis[r, i] * vectors[r, j]
            matrix[i, j] = s
    for j in range(k):
        slope[j] = 0.0
        for i in range(k):
            basis[i, j] = matrix[i, j]
            slope[j] += matrix[i, j] * gram[i, k]
    reduced.number[0] = root_w
    reduced.number[1] = 0.5 * logdet
    return logdet == logdet


@inlined
def _centre(pulled, reduced, person):
    """Step 2, of U (k + 1,); returns c and what the log-integral has besides log I."""
    basis, lam, slope = reduced.basis, reduced.lam, reduced.slope
    k = lam.size
    inverse = 1.0 / reduced.number[0]
    uq = pulled[k] * inverse
    c, rest = -uq, 0.5 * uq * uq - reduced.number[1]
    for j in range(k):
        hat = -slope[j] * uq * inverse
        for i in range(k):
            hat += basis[i, j] * pulled[i]
        tilt = slope[j] * inverse
        b = 2.0 * lam[j] * hat + tilt
        person.hat[j] = hat
        person.b[j] = b
        person.half_b2[j] = 0.5 * b * b
        c += (lam[j] * hat + tilt) * hat
        rest += 0.5 * hat * hat
    return c, rest


@inlined
def _saddle(c, lam, half_b2, left, right):
    """Near enough to the saddle point of K between the singularities: s, second and third slope.

    Newton within a bracket; a step beyond a finite end goes nine tenths of the way to it.
    """
    s, low, high = 0.0, left, right
    second = third = 1.0
    for _ in range(100):
        first, second, third = c + s, 1.0, 0.0
        for j in range(lam.size):
            inverse = 1.0 / (1.0 - 2.0 * lam[j] * s)
            q = lam[j] * inverse
            b = 2.0 * half_b2[j] * inverse * inverse
            first += q + b * s * (1.0 - lam[j] * s)
            b *= inverse
            second += 2.0 * q * q + b
            third += q * (8.0 * q * q + 6.0 * b)
        if first * first < 0.01 * second:
            break
        if first > 0.0:
            high = s
        else:
            low = s
        new = s - first / second
        if not new < high:
            new = 0.1 * s + 0.9 * high
        if not new > low:
            new = 0.1 * s + 0.9 * low
        s = new
    return s, second, third


@inlined
def _hyperbola(s, gap, second, third, c, lam, half_b2):
    """Scale and sine of the tilt of the hyperbola through the saddle point s.

    Its scale is the distance to the nearer singularity, `gap`, or the integrand's width; its tilt
    that of the path of steepest descent, s + i t + third / (6 second) t^2. Far away that path tends
    to the vertical line at -c + sum b^2 / (4 lam): a tilt away from it is left out, and one towards
    it is kept small when it is near, without which the integrand has humps.
    """
    scale = min(BRANCH * gap, WIDTH / np.sqrt(second))
    bend = third / (3.0 * second) * scale
    sine = 2.0 * bend / (1.0 + np.sqrt(1.0 + 4.0 * bend * bend))
    sine = min(MOST_SINE, max(-MOST_SINE, sine))
    away = -c - s
    for j in range(lam.size):
        if abs(lam[j]) > 1e-9:
            away += half_b2[j] / (2.0 * lam[j])
    tangent = (2.0 / 7.0) * abs(away)
    most = tangent / np.sqrt(1.0 + tangent * tangent)
    tilt = min(most, max(-most, sine))
    if sine * away <= 0.0:
        tilt = 0.0
    return scale, tilt


@inlined
def _integral(c, reduced, person, step, negligible):
    """Step 3: log I (NaN when there is none), and the number of nodes; fills person.sums.

    step : of the hyperbola's parameter, halved until it does.  negligible : squared size, relative
    to the integrand at the saddle point, where the sum ends.
    """
    lam, half_b2, sums = reduced.lam, person.half_b2, person.sums
    left, right = -np.inf, np.inf
    for j in range(lam.size):
        if lam[j] > 0.0:
            right = min(right, 0.5 / lam[j])
        elif lam[j] < 0.0:
            left = max(left, 0.5 / lam[j])
    s, second, third = _saddle(c, lam, half_b2, left, right)
    width = np.sqrt(second)
    gap = min(right - s, s - left)
    scale, sine = _hyperbola(s, gap, second, third, c, lam, half_b2)
    across, along = scale * sine, scale * np.sqrt(1.0 - sine * sine)
    offset = s * (c + 0.5 * s)
    for j in range(lam.size):
        offset += half_b2[j] * s * s / (1.0 - 2.0 * lam[j] * s)
    accept = TOLERANCE * 100.0 if gap * width > NEARLY_NORMAL else TOLERANCE
    sums[:] = 0.0
    h, floor, nodes, error = step, -1.0, 0, np.inf
    before, mean_before = 0.0, 0.0
    for level in range(LEVELS):
        at = 0.5 * h if level else 0.0
        while at < LAST:
            first_term, last_term = _sum_nodes(
                at, h, s, across, along, c, offset, lam, half_b2, person.room, person.roots, sums
            )
            nodes += CHUNK
            if floor < 0.0:
                floor = 4.0 * first_term * negligible
            at += CHUNK * h
            if last_term < floor:
                break
        mean = (sums[2] - s * sums[0]) * width
        if level:
            h *= 0.5
            error = abs(sums[0] - 2.0 * before) + abs(mean - 2.0 * mean_before)
        else:
            error = abs(sums[1]) + abs(sums[4] - s * sums[1]) * width
        before, mean_before = sums[0], mean
        if error < accept * sums[0]:
            break
    if not error < max(accept, TROUBLE) * sums[0] or not sums[0] < np.inf:
        return np.nan, nodes
    return offset + np.log(h * sums[0]) - 0.5 * LOG_HALF_PI, nodes


@inlined
def _moments(uq, reduced, person, moments):
    """Step 4: adds one respondent's moments to the sums; returns E[q].

    uq : U_q / sqrt(w), so that sqrt(w) q = uq - (F'a)'z / sqrt(w) + v.
    """
    lam, slope, form = reduced.lam, reduced.slope, reduced.form
    hat, b, sums, mean, zz = person.hat, person.b, person.sums, person.mean, person.second
    k = lam.size
    inverse = 1.0 / reduced.number[0]
    scale = 1.0 / sums[0]
    v, vv = -sums[2] * scale, 1.0 + sums[3] * scale
    largest = 0.0
    for j in range(k):
        largest = max(largest, abs(lam[j]))
        # E[s/y] = E[s] + 2 lam E[s^2/y] and E[1/y] = 1 + 2 lam E[s/y]
        mean[j] = hat[j] + b[j] * (sums[2] + 2.0 * lam[j] * sums[5 + j]) * scale
    row = 5 + k
    for i in range(k):
        for j in range(i + 1):
            t, u = sums[row] * scale, sums[5 + j] * scale
            row += 1
            xi, xj = mean[i] - hat[i], mean[j] - hat[j]
            xx = b[i] * b[j] * (u + 2.0 * lam[i] * t)
            vxx = -b[i] * b[j] * t
            if i == j:
                e = (sums[2] + 2.0 * lam[i] * sums[5 + i]) * scale
                xx += 1.0 + 2.0 * lam[i] * e
                vxx -= e
            both = hat[i] * hat[j] + hat[i] * xj + xi * hat[j] + xx
            vxi, vxj = -b[i] * sums[5 + i] * scale, -b[j] * u
            vzz = v * hat[i] * hat[j] + hat[i] * vxj + vxi * hat[j] + vxx
            zz[i, j] = both
            zz[j, i] = both
            moments.zz[i, j] += both
            moments.vzz[i, j] += vzz
            if i != j:
                moments.zz[j, i] += both
                moments.vzz[j, i] += vzz
    if largest < FLAT:
        return _flat_moments(form, mean, zz, moments)
    rest, squared, mixed = uq, uq * uq, uq * v
    for j in range(k):
        tilt = slope[j] * inverse
        vz = v * hat[j] - b[j] * sums[5 + j] * scale
        along = 0.0
        for i in range(k):
            along += slope[i] * inverse * zz[i, j]
        rest -= tilt * mean[j]
        squared += tilt * (along - 2.0 * uq * mean[j])
        mixed -= tilt * vz
        moments.qz[j] += (uq * mean[j] - along + vz) * inverse
    moments.qq[0] += (squared + 2.0 * mixed + vv) * inverse * inverse
    return (rest + v) * inverse


@compiled
def _flat_moments(form, mean, zz, moments):
    """The moments of q where the data say next to nothing about it, so that z is normal.

    What gives them otherwise is then a difference of large numbers.
    """
    k = form.size
    q, qq = 0.0, 0.0
    for j in range(k):
        q += form[j] * zz[j, j]
    for i in range(k):
        s = mean[i] * q
        for j in range(k):
            cov = zz[i, j] - mean[i] * mean[j]
            s += 2.0 * form[j] * mean[j] * cov
            qq += 2.0 * form[i] * form[j] * cov * (cov + 2.0 * mean[i] * mean[j])
        moments.qz[i] += s
    moments.qq[0] += qq + q * q
    return q


class Shared(NamedTuple):
    """A matrix Q and a form A by the k + 1 entries of (u, q) alone, and what is left out of U."""

    gram: np.ndarray  # (k + 1, k + 1)
    form: np.ndarray  # (k, k)
    pulled: np.ndarray  # (k + 1,) of one respondent
    known: np.ndarray  # (k + 2,) what the columns that are data take off U, and half their square
    scale: np.ndarray  # (column,) powers of the observed factors in each column
    power: np.ndarray  # (curved,) and in each square or product of the form
    moment: np.ndarray  # (k + 2, k + 2) of (u, q, 1)


@inlined
def _read_data(plan, values, gram, curve, shared):
    """Put one respondent's observed factors into Q and A."""
    k, o = shared.form.shape[0], values.size
    part, scale, power = plan.column_part, shared.scale, shared.power
    for j in range(scale.size):
        scale[j] = 1.0
        for s in range(o if plan.columns[j] >= 0 else 0):
            for _ in range(plan.data_exponent[plan.columns[j] * o + s]):
                scale[j] *= values[s]
    for t in range(power.size):
        power[t] = 1.0
        for s in range(o):
            for _ in range(plan.data_exponent[plan.curved[t] * o + s]):
                power[t] *= values[s]
    shared.gram[:] = 0.0
    shared.form[:] = 0.0
    shared.known[:] = 0.0
    for j in range(scale.size):
        for r in range(scale.size):
            term = scale[j] * scale[r] * gram[j, r]
            if part[r] <= k and part[j] <= k:
                shared.gram[part[j], part[r]] += term
            elif part[r] > k and part[j] <= k:
                shared.known[part[j]] += term
            elif part[r] > k:
                shared.known[k + 1] += 0.5 * term
    for t in range(power.size):
        a, b = plan.curve_pair[2 * t], plan.curve_pair[2 * t + 1]
        shared.form[a, b] += 0.5 * power[t] * curve[t]
        shared.form[b, a] += 0.5 * power[t] * curve[t]


@inlined
def _read_pulled(part, pulled, shared):
    """Put one respondent's U into shared.pulled; returns what the data alone give to the log."""
    k, scale = shared.form.shape[0], shared.scale
    constant = -shared.known[k + 1]
    for a in range(k + 1):
        shared.pulled[a] = -shared.known[a]
    for j in range(scale.size):
        if part[j] > k:
            constant += scale[j] * pulled[j]
        else:
            shared.pulled[part[j]] += scale[j] * pulled[j]
    return constant


@inlined
def _normal(reduced, person, moments):
    """Moments where there is no form, so that z is normal with mean hat and variance 1."""
    for i in range(person.hat.size):
        person.mean[i] = person.hat[i]
        for j in range(person.hat.size):
            moments.zz[i, j] += person.hat[i] * person.hat[j] + (1.0 if i == j else 0.0)


@compiled
def _finish(plan, reduced, moments, shared, second, d_curve):
    """Add the sums of moments, turned from z to u, to those of the columns and of the form."""
    k = shared.form.shape[0]
    basis, moment, turned = reduced.basis, shared.moment, reduced.matrix
    for i in range(k):
        moment[i, k] = 0.0
        for j in range(k):
            moment[i, k] += basis[i, j] * moments.qz[j]
        moment[k, i] = moment[i, k]
    moment[k, k] = moments.qq[0]
    for source, factor in ((moments.zz, 1.0), (moments.vzz, -reduced.number[0])):
        for i in range(k):
            for j in range(k):
                s = 0.0
                for r in range(k):
                    s += basis[i, r] * source[r, j]
                turned[i, j] = factor * s
        for i in range(k):
            for j in range(k):
                s = 0.0
                for r in range(k):
                    s += turned[i, r] * basis[j, r]
                source[i, j] = s
    for i in range(k):
        for j in range(k):
            moment[i, j] = moments.zz[i, j]
    part, scale, power = plan.column_part, shared.scale, shared.power
    for j in range(scale.size):
        for r in range(scale.size):
            second[j, r] += scale[j] * scale[r] * moment[part[j], part[r]]
    for t in range(power.size):
        a, b = plan.curve_pair[2 * t], plan.curve_pair[2 * t + 1]
        d_curve[t] += power[t] * moments.vzz[a, b]


@compiled
def contour_terms(plan, data, projected, gram, curve, pull, second, d_curve, out):
    """See terms.py; returns the number of nodes too.

    With observed factors, Q and A are each respondent's own.
    """
    n, size = projected.shape
    k, o, curved = plan.sizes[5], plan.sizes[8], curve.size > 0
    part = plan.column_part
    step = FIRST_STEP * plan.quadrature[1] / STEP
    negligible = np.exp(-2.0 * (plan.quadrature[0] + 4.25))
    reduced, person, moments = _new_rooms(k)
    shared = Shared(
        np.zeros((k + 1, k + 1)),
        np.zeros((k, k)),
        np.zeros(k + 1),
        np.zeros(k + 2),
        np.empty(size),
        np.empty(curve.size),
        np.zeros((k + 2, k + 2)),
    )
    total, nodes, fine = 0.0, 0, True
    second[:] = 0.0
    for i in range(n):
        if o or i == 0:
            _read_data(plan, data[i], gram, curve, shared)
            fine = _reduce(shared.gram, shared.form, reduced)
            moments.zz[:] = 0.0
            moments.vzz[:] = 0.0
            moments.qz[:] = 0.0
            moments.qq[:] = 0.0
        value = _read_pulled(part, projected[i], shared)
        c, rest = _centre(shared.pulled, reduced, person)
        value += rest
        q = 0.0
        if curved:
            log_integral, used = _integral(c, reduced, person, step, negligible)
            value += log_integral
            nodes += used
            q = _moments(shared.pulled[k] / reduced.number[0], reduced, person, moments)
        else:
            _normal(reduced, person, moments)
        if not (fine and value == value):
            return np.nan, nodes
        total += value
        if out.size:
            out[i] += value
        moment = shared.moment
        moment[k + 1, k + 1] = 1.0
        moment[k, k + 1] = q
        for a in range(k):
            moment[a, k + 1] = 0.0
            for b in range(k):
                moment[a, k + 1] += reduced.basis[a, b] * person.mean[b]
        for a in range(k + 1):
            moment[k + 1, a] = moment[a, k + 1]
        for j in range(size):
            pull[i, j] = shared.scale[j] * moment[part[j], k + 1]
        if o or i == n - 1:
            _finish(plan, reduced, moments, shared, second, d_curve)
    return total, nodes


@c_function(ROUTINE)
def entry(
    ints, n_ints, floats, n_floats, data, projected, gram, curve, pull, second, d_curve, out,
    n, n_out,
):  # fmt: skip
    """`contour_terms` on addresses (external.py)."""
    return contour_terms(*arrays(
        ints, n_ints, floats, n_floats, data, projected, gram, curve, pull, second, d_curve, out,
        n, n_out,
    ))[0]  # fmt: skip
