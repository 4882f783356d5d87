"""Where the nodes go in one to three dimensions: modes, a lattice grown from them, its own error.

The trapezoid rule on a lattice converges spectrally when its step suits the narrowest feature and
it leaves out nothing. Here, for one respondent's log integrand g (surface.py):

1. Maxima: the local maxima of a coarse fixed lattice, each climbed by damped Gauss-Newton steps.
   The lattice has to see every ridge, so its gap suits the narrowest that the model has
   (`scan_gap`); where that would take too many points, points all over the place are climbed from
   as well.
2. Lattice: coordinates whitened by the curvature at the maxima. The nodes within `reach` of the
   first maximum if the integrand were normal; then, as long as a node at the edge is above
   exp(-GROWTH reach) of the peak, its neighbours, so any shape is followed.
3. 2^k such lattices, shifted by half a step along none, some or all axes. The sums differ by the
   frequencies of the integrand that a lattice of this step cannot tell from 0, each kind of them
   (odd along some axes, even along others) with signs of its own, so that their sizes can be told
   apart; in the mean of all they cancel, but for those even along all axes, which are of the order
   of the squares of the others, or smaller. Where one is too large, the step is reduced by as much
   as a normal integrand would need, and again.
"""

from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import compiled, inlined
from bayessem.likelihood.surface import Batch, accumulate, evaluate, new_batch, place, slope

FAR = 9.0  # squared standard deviations
MOST_CLIMBS = 96  # from local maxima of the coarse lattice
STARTS = (9, 9, 7)  # a side: points to climb from where that lattice may not see all, by dimension
MOST_SEEDS = 1024  # other local maxima of the coarse lattice, from which lattices grow, too
TOLERANCE = (1e-5, 1e-6, 1e-5)  # the largest frequency over the sum, by dimension
ENOUGH = 1e-4  # what will do where finer lattices have too many nodes
LEVELS = 12
# lattices grow to exp(-GROWTH reach), as ridges are narrow between higher places; further where the
# first step was too long
GROWTH, HARD_GROWTH = 1.1, 1.4
WIDTH = 64  # nodes in a batch
LOG_2PI = np.log(2.0 * np.pi)
SCAN_REACH = 4.0  # of the coarse lattice, in standard deviations
SCAN_GAPS = (0.5, 1.0, 1.2)  # its largest gap, in one to three dimensions
SCAN_POINTS = (1024, 8192, 32768)  # its most points
RIDGE = 3.0  # its gap over the standard deviation of the narrowest ridge
RIDGE_AT = 3.0  # where that is looked for, in standard deviations from the mean
RIDGE_WEIGHT = 2.0  # and the analytically integrated variables there

# Inlined is what runs once a respondent: counting references to the arrays of a Room and a Surface
# at every call costs as much as an integral in one dimension.


class Room(NamedTuple):
    """Arrays that the integrals of all respondents use one after the other."""

    scan: Batch  # the coarse lattice, first axis slowest
    one: Batch  # a single node
    batch: Batch
    weight: np.ndarray  # (WIDTH,)
    slopes: np.ndarray  # (monomial, k + q + 1)
    bent: np.ndarray  # (monomial, k + q + 1)
    starts: np.ndarray  # (start,) points of the coarse lattice to climb from besides its maxima
    modes: np.ndarray  # (2 (MOST_CLIMBS + start), k) maxima, and where a climb went far from
    curvature: np.ndarray  # (k, k) R R', and its inverse's root: z = modes[0] + whitening u
    root: np.ndarray  # (k, k) R
    whitening: np.ndarray  # (k, k) R'^-1
    keys: np.ndarray  # (2^(b+1),) hash table of the nodes that are in the queue
    queue: np.ndarray  # (2^b, k) indices of nodes on the lattice
    edge: np.ndarray  # (2^b or more,) places in the queue of nodes whose neighbours are wanted, and
    # before of the local maxima of the coarse lattice
    stamp: np.ndarray  # (1,) tells one lattice's keys from another's


@compiled
def scan_gap(table, gram, scale, k, fineness):
    """Gap of the coarse lattice that no ridge of the integrand falls through; whether it does.

    The mean of y is D c, so where c moves by J with z the integrand is as narrow as a normal one
    with the inverse covariance I + J'QJ. scale : (monomial,) the largest powers of the respondents'
    observed factors.  fineness : the plan's step over plan.STEP; smaller ones make it finer.
    """
    size, monomials = table.part.size, table.axis.size
    z, at, slope = np.empty((k, 1)), np.ones((monomials, 1)), np.empty(size)
    steepest = 0.0
    for corner in range(3**k):
        rest = corner
        for i in range(k):
            z[i, 0] = RIDGE_AT * (rest % 3 - 1)
            rest //= 3
        place(table, z, at, 1)
        steep = 0.0
        for i in range(k):
            for j in range(size):
                e = table.part[j]
                slope[j] = 0.0
                if table.powers[e, i]:
                    slope[j] = scale[j] * table.powers[e, i] * at[table.lower[e, i], 0]
                    if table.weight[j] >= 0:
                        slope[j] *= RIDGE_WEIGHT
            for j in range(size):
                for r in range(size):
                    steep += slope[j] * gram[j, r] * slope[r]
        steepest = max(steepest, steep)
    gap = min(SCAN_GAPS[k - 1], RIDGE / np.sqrt(1.0 + steepest)) * min(1.0, fineness)
    most = (SCAN_POINTS[k - 1] * (1.0 if fineness >= 1.0 else 8.0)) ** (1.0 / k)
    least = 2.0 * SCAN_REACH / (most - 1.0)
    return max(gap, least), gap >= least and fineness >= 1.0


@compiled
def new_room(table, k, q, gap, trusted, bits):
    """Arrays for k dimensions and 2^bits nodes, with the coarse lattice of this gap filled in."""
    side = 2 * int(np.ceil(SCAN_REACH / gap - 0.5)) + 1
    size, monomials = table.part.size, table.axis.size
    points = side**k
    scan = new_batch(k, q, monomials, points)
    for b in range(points):
        rest = b
        for i in range(k - 1, -1, -1):
            scan.z[i, b] = gap * (rest % side - (side - 1) // 2)
            rest //= side
    place(table, scan.z, scan.at, points)
    starts = np.empty(0 if trusted else STARTS[k - 1] ** k, dtype=np.int64)
    for b in range(starts.size):
        rest, stride = b, 1
        starts[b] = 0
        for _ in range(k):
            share = (rest % STARTS[k - 1] + 0.5) / STARTS[k - 1]
            starts[b] += stride * int(share * side)
            rest //= STARTS[k - 1]
            stride *= side
    return Room(
        scan,
        new_batch(k, q, monomials, 1),
        new_batch(k, q, monomials, WIDTH),
        np.empty(WIDTH),
        np.empty((max(size, q), k + q + 1)),
        np.empty((size, k + q + 1)),
        starts,
        np.empty((2 * (MOST_CLIMBS + starts.size) + MOST_SEEDS, k)),
        np.empty((k, k)),
        np.empty((k, k)),
        np.empty((k, k)),
        np.full(2 << bits, -1, dtype=np.int64),
        np.empty((1 << bits, k), dtype=np.int64),
        np.empty(max(1 << bits, (side // 2 + 1) ** k), dtype=np.int64),
        np.zeros(1, dtype=np.int64),
    )


@compiled
def _uphill(curvature, damping, gradient, root, step):
    """Damped Newton step; returns its inner product with the gradient. Fills the Cholesky root."""
    k = gradient.size
    for i in range(k):
        for j in range(i + 1):
            s = curvature[i, j]
            for r in range(j):
                s -= root[i, r] * root[j, r]
            if i == j:
                root[i, i] = np.sqrt(s + damping * curvature[i, i])
            else:
                root[i, j] = s / root[j, j]
    gain = 0.0
    for i in range(k):
        s = gradient[i]
        for r in range(i):
            s -= root[i, r] * step[r]
        step[i] = s / root[i, i]
        gain += step[i] * step[i]
    for i in range(k - 1, -1, -1):
        s = step[i]
        for r in range(i + 1, k):
            s -= root[r, i] * step[r]
        step[i] = s / root[i, i]
    return gain


@inlined
def _climb(table, surface, room, z, curvature):
    """Move z uphill to a maximum of g + log|H| / 2; returns g there and fills the curvature."""
    k = z.size
    one, slopes, bent, root = room.one, room.slopes, room.bent, room.root
    gradient, step = np.empty(k), np.empty(k)
    one.z[:, 0] = z
    place(table, one.z, one.at, one.value.size)
    evaluate(surface, one, one.value.size)
    value, height = one.value[0], one.value[0] - 0.5 * one.logdet[0]
    slope(table, surface, one, slopes, bent, gradient, curvature)
    damping = 0.0
    for _ in range(60):
        # the step gains half of this: within a hundredth of the maximum's height is near enough
        if _uphill(curvature, damping, gradient, root, step) < 0.02 or damping > 1e8:
            break
        for i in range(k):
            one.z[i, 0] = z[i] + step[i]
        place(table, one.z, one.at, one.value.size)
        evaluate(surface, one, one.value.size)
        if one.value[0] > value:
            for i in range(k):
                z[i] = one.z[i, 0]
            value, height = one.value[0], one.value[0] - 0.5 * one.logdet[0]
            slope(table, surface, one, slopes, bent, gradient, curvature)
            damping *= 0.2
        else:
            damping = max(5.0 * damping, 0.5)
    return height


@compiled
def _is_peak(values, index, side, k):
    """Whether a point of the coarse lattice is above all its neighbours, diagonal ones too."""
    here = values[index]
    for neighbour in range(3**k):
        rest, point, stride, other, inside = neighbour, index, 1, index, True
        for _ in range(k):
            move = rest % 3 - 1
            at = point % side + move
            inside = inside and 0 <= at < side
            other += move * stride
            rest //= 3
            point //= side
            stride *= side
        if inside and (values[other] > here or (values[other] == here and other < index)):
            return False
    return True


@inlined
def _distance(curvature, z, other):
    """Squared distance of two points in standard deviations, by a curvature's lower triangle."""
    s = 0.0
    for j in range(z.size):
        for r in range(z.size):
            entry = curvature[j, r] if j >= r else curvature[r, j]
            s += entry * (z[j] - other[j]) * (z[r] - other[r])
    return s


@compiled
def _peaks(room):
    """Local maxima of the coarse lattice into room.edge; returns their number."""
    values, k = room.scan.value, room.modes.shape[1]
    side = int(np.rint(values.size ** (1.0 / k)))
    found = 0
    for i in range(values.size):
        at = i % side
        below = at > 0 and values[i - 1] > values[i]
        below = below or at < side - 1 and values[i + 1] > values[i]
        if not below and _is_peak(values, i, side, k):
            room.edge[found] = i
            found += 1
    return found


@inlined
def _find_modes(table, surface, room):
    """Maxima of g into room.modes; returns their number and the highest g among them.

    A climb may end on another hill than the one it started from, so where it has gone far, its
    start counts too.
    """
    modes, values, candidates = room.modes, room.scan.value, room.edge
    k = modes.shape[1]
    evaluate(surface, room.scan, values.size)
    z, curvature, start = np.empty(k), np.empty((k, k)), np.empty(k)
    room.curvature[:] = 0.0
    found = _peaks(room)
    first = min(found, MOST_CLIMBS)
    count, maxima, peak = 0, 0, -np.inf
    for climb in range(first + room.starts.size):
        if climb < first:
            best = climb  # the highest of those that are left
            for other in range(climb + 1, found):
                if values[candidates[other]] > values[candidates[best]]:
                    best = other
            i = candidates[best]
            candidates[best] = candidates[climb]
        else:
            i = room.starts[climb - first]
        for j in range(k):
            start[j] = z[j] = room.scan.z[j, i]
        height = _climb(table, surface, room, z, curvature)
        known = False
        for mode in range(count):
            known = known or _distance(curvature, z, modes[mode]) < 0.25
        if not known:
            modes[count] = z
            count += 1
            maxima += 1
            peak = max(peak, height)
            for j in range(k):
                for r in range(j + 1):
                    room.curvature[j, r] += curvature[j, r]
        if _distance(curvature, z, start) > FAR:
            modes[count] = start
            count += 1
    for left in range(first, min(found, first + MOST_SEEDS)):
        for j in range(k):
            modes[count, j] = room.scan.z[j, candidates[left]]
        count += 1
    if maxima > 4:  # narrow in every direction in which one of them is, but not ever narrower
        for j in range(k):
            for r in range(j + 1):
                room.curvature[j, r] *= 4.0 / maxima
    return count, peak


@compiled
def _whiten(room):
    """Whitening coordinates from the curvature; log of the volume of their unit cell."""
    curvature, root, whitening = room.curvature, room.root, room.whitening
    k = curvature.shape[0]
    _uphill(curvature, 0.0, np.zeros(k), root, np.empty(k))
    volume = 0.0
    for j in range(k):
        volume -= np.log(root[j, j])
        for i in range(k):
            whitening[j, i] = 0.0  # row j is column j of R^-1
            if i > j:
                root[j, i] = 0.0
        whitening[j, j] = 1.0 / root[j, j]
        for i in range(j + 1, k):
            s = 0.0
            for r in range(j, i):
                s -= root[i, r] * whitening[j, r]
            whitening[j, i] = s / root[i, i]
    return volume


@compiled
def _round_off(curvature, share):
    """Raise the curvature in all directions by a share of its trace."""
    trace = 0.0
    for i in range(curvature.shape[0]):
        trace += curvature[i, i]
    for i in range(curvature.shape[0]):
        curvature[i, i] += share * trace


@compiled
def _visit(keys, stamp, index):
    """Whether a node is new to the hash table, where it is then put."""
    k = index.size
    key, slot = stamp, 0
    for i in range(k):
        key = (key << 11) | ((index[i] + 1024) & 2047)
        slot = slot * 613 + index[i]
    mask = keys.size - 1
    slot &= mask
    while keys[slot] >= 0 and (keys[slot] >> (11 * k)) == stamp:
        if keys[slot] == key:
            return False
        slot = (slot + 1) & mask
    keys[slot] = key
    return True


@compiled
def _fill_ball(queue, step, shifts, radius):
    """Nodes within a radius of the origin into the queue; returns their number (-1: too many)."""
    k = queue.shape[1]
    if (2.0 * radius / step + 3.0) ** k > queue.shape[0]:
        return -1
    most = int(radius / step) + 1
    side = 2 * most + 1
    end = 0
    for b in range(side**k):
        rest, distance = b, 0.0
        for i in range(k):
            index = rest % side - most
            queue[end, i] = index
            distance += (index + 0.5 * (shifts >> i & 1)) ** 2
            rest //= side
        if step * step * distance < radius * radius:
            end += 1
    return end


@inlined
def _sum_nodes(table, surface, room, begin, end, step, shifts, peak, sums, edges, floor, inside):
    """Add queue[begin:end] to the sums; returns the sum of exp(g - peak) and the new `edges`.

    The nodes above the floor and outside the radius `inside` are noted in room.edge.
    """
    batch, weight, queue, edge = room.batch, room.weight, room.queue, room.edge
    modes, whitening = room.modes, room.whitening
    z, value, logdet = batch.z, batch.value, batch.logdet
    k = queue.shape[1]
    total = 0.0
    for start in range(begin, end, WIDTH):
        n = min(WIDTH, end - start)
        for i in range(k):
            for b in range(n):
                z[i, b] = modes[0, i]
            for j in range(i, k):
                c, shift = step * whitening[i, j], 0.5 * (shifts >> j & 1)
                for b in range(n):
                    z[i, b] += c * (queue[start + b, j] + shift)
        place(table, z, batch.at, n)
        evaluate(surface, batch, n)
        for b in range(n):
            value[b] -= 0.5 * logdet[b] + peak
        for b in range(n):
            weight[b] = np.exp(value[b])
        for b in range(n):
            total += weight[b]
            if value[b] > floor:
                distance = 0.0
                for i in range(k):
                    u = step * (queue[start + b, i] + 0.5 * (shifts >> i & 1))
                    distance += u * u
                if distance >= inside:
                    edge[edges] = start + b
                    edges += 1
        accumulate(batch, weight, sums, n)
    return total, edges


@inlined
def _sum_lattice(table, surface, room, count, step, shifts, peak, reach, growth, sums):
    """Sum of exp(g - peak) over a lattice, and the nodes used (-1: no end).

    shifts : bit i tells whether it is shifted by half a step along axis i.
    """
    queue, edge, keys = room.queue, room.edge, room.keys
    k = queue.shape[1]
    radius = np.sqrt(2.0 * reach) + step
    end = _fill_ball(queue, step, shifts, radius)
    inside = (radius - step) ** 2
    begin, edges, done, total = 0, 0, 0, 0.0
    while begin < end:
        more, edges = _sum_nodes(
            table,
            surface,
            room,
            begin,
            end,
            step,
            shifts,
            peak,
            sums,
            edges,
            -growth * reach,
            inside,
        )
        total += more
        if begin == 0:
            if edges == 0 and count == 1:
                break
            room.stamp[0] += 1
            for b in range(end):
                _visit(keys, room.stamp[0], queue[b])
        first, begin, inside = begin == 0, end, 0.0
        for mode in range(1, count if first else 0):
            for i in range(k):
                s = 0.0
                for j in range(i, k):
                    s += room.root[j, i] * (room.modes[mode, j] - room.modes[0, j])
                queue[end, i] = int(np.rint(s / step - 0.5 * (shifts >> i & 1)))
            end += _visit(keys, room.stamp[0], queue[end])
            if end >= queue.shape[0] - 1:
                return total, -1
        for at in range(done, edges):
            if end >= queue.shape[0] - 3**k:
                return total, -1
            for neighbour in range(3**k):
                rest = neighbour
                for i in range(k):
                    queue[end, i] = queue[edge[at], i] + rest % 3 - 1
                    rest //= 3
                end += _visit(keys, room.stamp[0], queue[end])
        done = edges
    return total, end


@compiled
def _frequencies(parts):
    """Sum of the lattices' sums, and the largest of the other combinations relative to it."""
    total = 0.0
    for part in parts:
        total += part
    largest = 0.0
    for kind in range(1, parts.size):
        s = 0.0
        for shifts in range(parts.size):
            odd, both = 0, kind & shifts
            while both:
                odd ^= both & 1
                both >>= 1
            s += -parts[shifts] if odd else parts[shifts]
        largest = max(largest, abs(s))
    return total, largest / total


@inlined
def lattice_integral(table, surface, room, step, largest_step, reach, sums, last):
    """Log of the integral of exp(g(z)) / (2 pi)^(k/2) over z, of one respondent.

    sums (1 + q + q (q + 1) / 2, node monomial) becomes the means of (1, w, w w') times the node
    monomials under the normalised integrand.  last : whether there is no larger room. Returns the
    log-integral (NaN when there is none, or it would take more nodes than there is room for), the
    step to start the next respondent with, the number of nodes evaluated in lattices, and whether
    a larger room is wanted.
    """
    k = room.modes.shape[1]
    tolerance = TOLERANCE[k - 1]
    count, peak = _find_modes(table, surface, room)
    volume = _whiten(room)
    if count == 0 or not abs(volume) < 1e10 or not abs(peak) < np.inf:
        return np.nan, step, 0, False
    parts, kept, found = np.empty(2**k), np.empty(sums.shape), np.nan
    # in one dimension there are no ridges
    evaluated, least, rounder, growth = 0, ENOUGH, 1.0 / 64.0, GROWTH if k > 1 else 1.0
    for _ in range(LEVELS):
        sums[:] = 0.0
        full = False
        for shifts in range(parts.size):
            parts[shifts], nodes = _sum_lattice(
                table, surface, room, count, step, shifts, peak, reach, growth, sums
            )
            evaluated += abs(nodes)
            if nodes < 0:
                full = True
                break
        if full and not last:
            return np.nan, step, evaluated, True
        total, error = _frequencies(parts)
        if error < least and not full and 0.0 < total < np.inf:
            least = error
            kept[:] = sums / total
            found = np.log(total) + volume + k * (np.log(0.5 * step) - 0.5 * LOG_2PI)
            if error < tolerance:
                break
        growth = HARD_GROWTH if k > 1 else 1.0
        if k > 1 and rounder < 1.0 and (full or not error < 0.01):
            # a ridge that turns: what is its length at the maximum is its breadth elsewhere
            rounder *= 4.0
            _round_off(room.curvature, rounder)
            volume = _whiten(room)
        elif full or not 0.0 < total < np.inf:
            break
        else:
            shrink = np.log(2.0 * k / error) / np.log(10.0 * k / tolerance)
            step *= min(0.85, max(0.35, np.sqrt(shrink)))
    sums[:] = kept
    return peak + found, min(1.2 * step, largest_step), evaluated, False
