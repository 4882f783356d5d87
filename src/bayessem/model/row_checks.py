"""Rows of the data: files appended twice, groups that differ by a blank, answers never together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from bayessem.model.findings import Finding
from bayessem.model.item_checks import own_loadings
from bayessem.model.prepare import Prepared

# Rows in the same order as others before them, from which on it is no accident.
RUN = 10


def group_name_findings(prepared: Prepared) -> Iterator[Finding]:
    """Groups whose names differ by blanks or capitals only."""
    alike: dict[str, list[str]] = {}
    for name in prepared.sample.groups:
        alike.setdefault("".join(name.split()).casefold(), []).append(name)
    column = prepared.asked.get("group")
    for names in alike.values():
        if len(names) < 2:
            continue
        how = ".str.split().str.join(' ')"
        if len({" ".join(x.split()) for x in names}) > 1:
            how = ".str.casefold().str.replace(' ', '')"
        yield Finding(
            False,
            "groups alike",
            f"the groups {' and '.join(map(repr, names))} differ by blanks or capitals only",
            f"if they are one group: data[{column!r}] = data[{column!r}].astype(str){how}",
        )


def repeated_rows(prepared: Prepared) -> Iterator[Finding]:
    """Rows that follow each other exactly as earlier rows do: a file that was appended twice."""
    import pandas as pd

    sample = prepared.sample
    n = sample.size
    rows = np.column_stack([sample.values, sample.group])
    keys = pd.util.hash_pandas_object(pd.DataFrame(rows), index=False).to_numpy()
    codes, different = pd.factorize(keys)
    if len(different) == n:
        return
    first = np.full(len(different), n)
    np.minimum.at(first, codes, np.arange(n))
    shifts = np.arange(n) - first[codes]
    shifts = shifts[shifts > 0]
    distances, counts = np.unique(shifts, return_counts=True)
    for shift in distances[np.argsort(-counts)][:3]:
        start, length = _longest_run(codes[shift:] == codes[:-shift])
        if length < RUN or len(np.unique(codes[start : start + length])) < RUN:
            continue
        whole = start + shift + length == n and not (sample.dropped or sample.elsewhere)
        remedy = f"data = data.iloc[:{start + shift}]" if whole else "read each file once"
        yield Finding(
            False,
            "repeated rows",
            f"respondents {start + shift + 1} to {start + shift + length} are the same as "
            f"respondents {start + 1} to {start + length}, in the same order: was a file read "
            "twice?",
            f"intervals would be too narrow: {remedy}",
        )
        return


def _longest_run(same: np.ndarray) -> tuple[int, int]:
    """Start and length of the longest run of True."""
    edges = np.diff(np.concatenate([[0], same.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(starts):
        return 0, 0
    at = int(np.argmax(ends - starts))
    return int(starts[at]), int(ends[at] - starts[at])


def never_together(prepared: Prepared) -> Iterator[Finding]:
    """Variables of which nobody has values of both, by construct where it is all of the items."""
    sample, table = prepared.sample, prepared.table
    known = ~np.isnan(sample.values)
    if known.all():
        return
    apart = (known.astype(float).T @ known.astype(float)) == 0.0
    if not apart.any():
        return
    items = {
        name: [table.observed.index(r.rhs) for r in own_loadings(prepared, name)]
        for name in table.latent
    }
    items = {name: columns for name, columns in items.items() if columns}
    measured = {i for columns in items.values() for i in columns}
    items |= {x: [i] for i, x in enumerate(table.observed) if i not in measured}
    pairs = [(a, b) for a, b in combinations(items, 2) if apart[np.ix_(items[a], items[b])].all()]
    inside = [
        (table.observed[i], table.observed[j])
        for i, j in np.argwhere(np.triu(apart, 1))
        if not any(i in items[a] + items[b] and j in items[a] + items[b] for a, b in pairs)
    ]
    for what, found in (("variables", pairs), ("items", inside)):
        if found:
            yield _apart(prepared, what, found)


def _apart(prepared: Prepared, what: str, pairs: list[tuple[str, str]]) -> Finding:
    listed = ", ".join(f"{a!r} and {b!r}" for a, b in pairs[:4])
    more = f" and {len(pairs) - 4} more pairs" if len(pairs) > 4 else ""
    direct = [
        r.name
        for r in prepared.table.rows
        if r.op in ("~", "~~") and r.free >= 0 and {r.lhs, r.rhs} in [set(p) for p in pairs]
    ]
    rests = f" ({', '.join(dict.fromkeys(direct))})" if direct else ""
    return Finding(
        False,
        "never together",
        f"no respondent has answered these {what} together: {listed}{more}",
        f"the data say nothing about what relates them directly{rests}: it rests on the rest of "
        "the model and on its prior, and no longer sampling helps; fix it, or ask both of some "
        "respondents",
    )
