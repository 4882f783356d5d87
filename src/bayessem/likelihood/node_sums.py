"""Sums over the nodes of one variable, and the way back, within the windows of each row.

kernel : (v, outer, inner), what all rows share: v the variable that is summed out, outer and inner
its neighbours (1 where there are fewer).  product : (row, v), what is about the variable alone.
windows : (row, WINDOW), node_windows.py. Outside of them nothing is read or written. Four nodes, or
four rows, at a time, which the compiler turns into vector instructions. Places are unsigned: those
that might be negative are looked at one by one, and a part of an array is an object that costs as
much as a window's sum.
"""

import numpy as np

from bayessem.likelihood.compiled import compiled


@compiled
def spans(kernel):
    """First and last-but-one inner node at which a kernel is not 0, (v, outer, 2)."""
    q, outer, inner = kernel.shape
    out = np.empty((q, outer, 2), dtype=np.int64)
    for v in range(q):
        for b in range(outer):
            low, high = 0, inner
            while low < high and kernel[v, b, low] == 0.0:
                low += 1
            while high > low and kernel[v, b, high - 1] == 0.0:
                high -= 1
            out[v, b, 0], out[v, b, 1] = low, high
    return out


@compiled
def _part(span, first, end, b, low, high):
    """Inner nodes from low to high at which the kernel of any node from first to end is not 0."""
    least, most = high, low
    for v in range(first, end):
        if span[v, b, 1] > span[v, b, 0]:
            least, most = min(least, span[v, b, 0]), max(most, span[v, b, 1])
    return max(least, low), max(min(most, high), max(least, low))


@compiled
def sum_out(product, kernel, span, windows, out):
    """Adds the message (row, outer, inner) of each row."""
    if kernel.shape[1] * kernel.shape[2] == 1:
        for u in range(product.shape[0]):
            total = 0.0
            for v in range(kernel.shape[0]):
                total += product[u, v] * kernel[v, 0, 0]
            out[u, 0, 0] += total
        return
    for u in range(product.shape[0]):
        begin, end = windows[u, 0], windows[u, 1]
        whole = begin + (end - begin) // 4 * 4
        for b in range(windows[u, 2], windows[u, 3]):
            for v in range(begin, whole, 4):
                low, high = _part(span, v, v + 4, b, windows[u, 4], windows[u, 5])
                w0, w1, w2, w3 = (
                    product[u, v],
                    product[u, v + 1],
                    product[u, v + 2],
                    product[u, v + 3],
                )
                for c in range(np.uint64(low), np.uint64(high)):
                    out[u, b, c] += (
                        w0 * kernel[v, b, c]
                        + w1 * kernel[v + 1, b, c]
                        + w2 * kernel[v + 2, b, c]
                        + w3 * kernel[v + 3, b, c]
                    )
            for v in range(whole, end):
                low, high = _part(span, v, v + 1, b, windows[u, 4], windows[u, 5])
                w0 = product[u, v]
                for c in range(np.uint64(low), np.uint64(high)):
                    out[u, b, c] += w0 * kernel[v, b, c]


@compiled
def weigh(d_out, product, kernel, span, windows, weights):
    """Posterior weights (row, v) from derivatives by the messages (row, outer, inner)."""
    weights[:] = 0.0
    if kernel.shape[1] * kernel.shape[2] == 1:
        for u in range(product.shape[0]):
            for v in range(kernel.shape[0]):
                weights[u, v] = d_out[u, 0, 0] * kernel[v, 0, 0] * product[u, v]
        return
    for u in range(product.shape[0]):
        begin, end = windows[u, 0], windows[u, 1]
        whole = begin + (end - begin) // 4 * 4
        for b in range(windows[u, 2], windows[u, 3]):
            for v in range(begin, whole, 4):
                low, high = _part(span, v, v + 4, b, windows[u, 4], windows[u, 5])
                s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
                for c in range(np.uint64(low), np.uint64(high)):
                    s0 += d_out[u, b, c] * kernel[v, b, c]
                    s1 += d_out[u, b, c] * kernel[v + 1, b, c]
                    s2 += d_out[u, b, c] * kernel[v + 2, b, c]
                    s3 += d_out[u, b, c] * kernel[v + 3, b, c]
                weights[u, v] += s0 * product[u, v]
                weights[u, v + 1] += s1 * product[u, v + 1]
                weights[u, v + 2] += s2 * product[u, v + 2]
                weights[u, v + 3] += s3 * product[u, v + 3]
            for v in range(whole, end):
                low, high = _part(span, v, v + 1, b, windows[u, 4], windows[u, 5])
                s0 = 0.0
                for c in range(np.uint64(low), np.uint64(high)):
                    s0 += d_out[u, b, c] * kernel[v, b, c]
                weights[u, v] += s0 * product[u, v]


@compiled
def _hull(windows, u, rows, column):
    """From the lowest to the highest node of the windows of some rows."""
    low, high = windows[u, column], windows[u, column + 1]
    for i in range(u + 1, u + rows):
        low, high = min(low, windows[i, column]), max(high, windows[i, column + 1])
    return low, high


@compiled
def collect(d_out, product, span, windows, sums):
    """Sums (v, outer, inner) over rows of product times derivatives by the messages."""
    sums[:] = 0.0
    rows = product.shape[0]
    if sums.shape[1] * sums.shape[2] == 1:
        for u in range(rows):
            for v in range(sums.shape[0]):
                sums[v, 0, 0] += d_out[u, 0, 0] * product[u, v]
        return
    whole = rows // 4 * 4
    for u in range(0, whole, 4):
        begin, end = _hull(windows, u, 4, 0)
        first, last = _hull(windows, u, 4, 2)
        least, most = _hull(windows, u, 4, 4)
        for b in range(first, last):
            for v in range(begin, end):
                low, high = max(least, span[v, b, 0]), min(most, span[v, b, 1])
                if low >= high:
                    continue
                w0, w1, w2, w3 = (
                    product[u, v],
                    product[u + 1, v],
                    product[u + 2, v],
                    product[u + 3, v],
                )
                for c in range(np.uint64(low), np.uint64(high)):
                    sums[v, b, c] += (
                        w0 * d_out[u, b, c]
                        + w1 * d_out[u + 1, b, c]
                        + w2 * d_out[u + 2, b, c]
                        + w3 * d_out[u + 3, b, c]
                    )
    for u in range(whole, rows):
        for b in range(windows[u, 2], windows[u, 3]):
            for v in range(windows[u, 0], windows[u, 1]):
                low, high = max(windows[u, 4], span[v, b, 0]), min(windows[u, 5], span[v, b, 1])
                w0 = product[u, v]
                for c in range(np.uint64(low), np.uint64(max(high, low))):
                    sums[v, b, c] += w0 * d_out[u, b, c]


@compiled
def rescale(out, windows, scales, summed):
    """Divides rows (row, outer, inner) by scales (row,).

    summed : inner nodes over which rows are added up to their scales first; 0: these are known.
    """
    for u in range(out.shape[0]):
        if summed > 0:
            total = 0.0
            for b in range(windows[u, 2], windows[u, 3]):
                for c in range(np.uint64(windows[u, 4]), np.uint64(min(windows[u, 5], summed))):
                    total += out[u, b, c]
            scales[u] = total
        share = 1.0 / scales[u]
        for b in range(windows[u, 2], windows[u, 3]):
            for c in range(np.uint64(windows[u, 4]), np.uint64(windows[u, 5])):
                out[u, b, c] *= share


@compiled
def _within(window, span, v):
    """First inner node, and the one after the last, of a row's window for node v."""
    low = max(window[4], span[v, 0, 0])
    return np.uint64(low), np.uint64(max(min(window[5], span[v, 0, 1]), low))


@compiled
def sum_pair(product, shared, span, window, value, at, first, out):
    """Adds one row's message (inner,) with values of pairs; those of node v: at + first[v]."""
    for v in range(window[0], window[1]):
        low, high = _within(window, span, v)
        w, begin = product[v], np.uint64(at + first[v])
        for c in range(low, high):
            out[c] += w * shared[v, c] * value[begin + c]


@compiled
def back_message(product, shared, span, window, value, at, first, x, d_out, d_value, d_line, sums,
                 weights):  # fmt: skip
    """The way back of `sum_pair` where the values are a message's.

    d_value, d_line : derivatives by them, and the same times the value x (v,) of the variable.
    sums : (v, inner), of the pairs' weights;  weights : (v,).
    """
    line = d_line.size > 0
    for v in range(window[0], window[1]):
        low, high = _within(window, span, v)
        w, by, total, begin = product[v], x[v], 0.0, np.uint64(at + first[v])
        if line:
            for c in range(low, high):
                part = w * shared[v, c] * d_out[c]
                d_value[begin + c] += part
                d_line[begin + c] += by * part
        else:
            for c in range(low, high):
                d_value[begin + c] += w * shared[v, c] * d_out[c]
        for c in range(low, high):
            t = w * shared[v, c] * d_out[c] * value[begin + c]
            sums[v, c] += t
            total += t
        weights[v] = total


@compiled
def back_table(product, shared, span, window, value, at, first, d_out, counts, sums, weights):
    """The way back of `sum_pair` where the values are a table's; counts : by their logs."""
    for v in range(window[0], window[1]):
        low, high = _within(window, span, v)
        w, total, begin = product[v], 0.0, np.uint64(at + first[v])
        for c in range(low, high):
            t = w * shared[v, c] * d_out[c] * value[begin + c]
            counts[begin + c] += t
            sums[v, c] += t
            total += t
        weights[v] = total
