"""Tables of two answers that a model expects of respondents with these covariates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bayessem.results.answer_margins import Margins
from bayessem.results.given_margins import Rows, blocks, points_given
from bayessem.results.given_normal import enough_nodes, reduced_form
from bayessem.results.given_polychoric import expected_sums
from bayessem.results.polychoric import Tables, rectangles


def expected_tables_given(
    margins: Margins, rows: Rows, elements: np.ndarray, group: int
) -> tuple[Tables, Tables]:
    """Expected counts (a, b) of each pair of ordered variables, and their variances.

    Averages over flat matrices (draw, elements). The variance of a count is the sum of p (1 - p)
    over the respondents, whose probabilities p differ.
    """
    total: Tables = {}
    squares: Tables = {}
    for one in elements:
        for pair, weight, p in _probabilities(margins, rows, one, group):
            count = np.einsum("n,nab->ab", weight, p)
            total[pair] = total.get(pair, 0.0) + count
            squares[pair] = squares.get(pair, 0.0) + np.einsum("n,nab->ab", weight, p**2)
    times = len(elements)
    expected = {pair: count / times for pair, count in total.items()}
    return expected, {pair: e - squares[pair] / times for pair, e in expected.items()}


def _probabilities(
    margins: Margins, rows: Rows, elements: np.ndarray, group: int
) -> Iterator[tuple[tuple[int, int], np.ndarray, np.ndarray]]:
    """Of each pair and block of rows its variables, respondents (row,) and table (row, a, b)."""
    pairs = [(i, j) for i, j in zip(*(k.tolist() for k in margins.pairs), strict=True)
             if margins.counts[i] and margins.counts[j]]  # fmt: skip
    form = reduced_form(margins, elements, group) if margins.normal else None
    cells = max(margins.counts) ** 2
    each = cells if form is not None else len(points_given(margins)[1]) * sum(margins.own)
    for part in blocks(rows, each):
        own = replace(rows, x=rows.x[part], z=rows.z[part], known=rows.known[part],
                      times=rows.times[part])  # fmt: skip
        sums = None if form is not None else expected_sums(margins, own, elements, group)
        for i, j in pairs:
            weight = own.times * own.known[:, i] * own.known[:, j]
            if form is not None:
                r = form.correlation[i, j]
                at = np.full(len(own.x), r)
                p = rectangles(form.cut(i, own.x), form.cut(j, own.x), at, enough_nodes(r))
            else:
                assert sums is not None
                p = sums.pair(i, j) / np.where(weight > 0, weight, 1.0)[:, None, None]
            yield (i, j), weight, p
