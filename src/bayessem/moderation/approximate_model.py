"""The model of approximate invariance: no markers, items in units of their standard deviations.

Deviations between groups with one standard deviation for all items mean the same for each of them
only when items and constructs have comparable units. So each item is divided by its standard
deviation within the groups, every construct has a (residual) variance of 1 in the first group and a
free one in the others, and no loading is a marker: a marker would be taken to be invariant.

Muthen & Asparouhov (2013), BSEM measurement invariance analysis, Mplus Web Note 17; small-variance
priors: Muthen & Asparouhov (2012, doi:10.1037/a0026802).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from bayessem.errors import ModelError
from bayessem.model.frames import as_frame
from bayessem.model.prepare import Prepared
from bayessem.syntax.parameters import Parameter, ParameterTable
from bayessem.syntax.rows import Key, row_name_key
from bayessem.syntax.specification import Specification
from bayessem.syntax.statements import Statement

INSTEAD = "leave approximate= out, or write the model without it"


def without_markers(sem: Specification) -> Specification:
    """The model with constructs scaled by their variances, whatever scaled them before.

    Raises
    ------
    ModelError
        Where the scale of a construct is more than a choice of units: several fixed loadings, a
        variance with a label or fixed at 0.
    """
    measured = {r.lhs for r in sem.table.rows if r.op == "=~"}
    marked: dict[str, list[Statement]] = {}
    for s in sem.statements:
        if s.op == "=~" and any(_fixed(s)):
            marked.setdefault(s.lhs, []).append(s)
    kept = []
    for s in sem.statements:
        if s.op == "=~" and any(_fixed(s)):
            if len(marked[s.lhs]) > 1 or not all(_fixed(s)):
                raise ModelError(
                    f"approximate invariance compares free loadings, and those of {s.lhs} are "
                    f"fixed in {s.where}; {INSTEAD}"
                )
            s = replace(s, modifiers=tuple(m for m in s.modifiers if m.kind != "fixed"))
        if s.op == "~~" and s.lhs == s.rhs and s.lhs in measured:
            if any(m.kind not in ("fixed", "start") or 0.0 in m.values for m in s.modifiers):
                raise ModelError(
                    f"approximate invariance sets the variance of {s.lhs} in the first group to 1, "
                    f"which contradicts {s.where}; {INSTEAD}"
                )
            continue
        kept.append(s)
    return sem.of_statements(kept, options={"std_lv": True, "effect_coding": False})


def _fixed(statement: Statement) -> list[bool]:
    """Whether each value the statement fixes its term to is other than 0; NA fixes nothing."""
    values = [v for m in statement.modifiers if m.kind == "fixed" for v in m.values]
    return [v is not None and v != 0.0 for v in values]


def poolable(prepared: Prepared, free: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Loadings and intercepts that can deviate between groups, {"=~": names, "~1": names}.

    Parameters
    ----------
    prepared : Prepared
        The configural model.
    free : sequence of str
        What is free in each group instead.

    Notes
    -----
    Items that measure their construct alone stay equal across groups: with the variance and mean
    of the construct free nothing else says what their loading and intercept are.
    """
    table = prepared.table
    kept = {row_name_key(text) for text in free}
    counts = pd.Series([r.lhs for r in table.rows if r.op == "=~" and r.group == 0]).value_counts()
    items = {
        r.rhs
        for r in table.rows
        if r.op == "=~" and r.rhs in table.observed and counts[r.lhs] > 1 and r.group == 0
    }
    out: dict[str, list[str]] = {"=~": [], "~1": []}
    for row in table.rows:
        about = row.op == "=~" and counts[row.lhs] > 1 or row.op == "~1" and row.lhs in items
        key = (row.lhs, row.op, row.rhs)
        if row.group == 0 and about and key not in kept and _differs(table, row):
            out[row.op].append(row.name)
    _refuse_all_free(table, kept)
    if not out["=~"] or not out["~1"]:
        raise ModelError(
            "approximate invariance needs constructs with two or more items whose loadings and "
            "intercepts are free and differ between groups; labels that set them equal would have "
            "to go, as would meanstructure=False"
        )
    return {op: tuple(names) for op, names in out.items()}


def _refuse_all_free(table: ParameterTable, free: Collection[Key | None]) -> None:
    """A construct with nothing that nearly agrees has no common scale (or level) in the groups."""
    for name in dict.fromkeys(r.lhs for r in table.rows if r.op == "=~"):
        loadings = {(name, r.op, r.rhs) for r in table.rows if r.op == "=~" and r.lhs == name}
        intercepts = {(item, "~1", "") for _, _, item in loadings if item in table.observed}
        for what, keys in (("loading", loadings), ("intercept", intercepts)):
            if len(keys) > 1 and keys <= set(free):
                raise ModelError(
                    f"free= leaves no {what} of {name} that could be nearly equal across groups; "
                    "leave at least one, better two, out of it"
                )


def _differs(table: ParameterTable, row: Parameter) -> bool:
    """Whether a parameter is free in every group, with a value of its own in each."""
    frees = [r.free for r in table.rows if (r.lhs, r.op, r.rhs) == (row.lhs, row.op, row.rhs)]
    return min(frees) >= 0 and len(set(frees)) == len(table.groups)


def item_scales(prepared: Prepared, pooled: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """Standard deviation within groups of each item with a pooled loading or intercept.

    Raises
    ------
    ModelError
        When the model holds numbers in the units of such an item, which would change their meaning.
    """
    table, sample = prepared.table, prepared.sample
    names = {*pooled["=~"], *pooled["~1"]}
    items = {r.lhs if r.op == "~1" else r.rhs for r in table.rows if r.name in names}
    items &= set(table.observed)
    _refuse_units(table, items)
    sizes = np.bincount(sample.group, minlength=len(sample.groups))
    variances = np.diagonal(prepared.covariances, axis1=1, axis2=2)  # (group, variable)
    sds = np.sqrt(np.average(variances, axis=0, weights=sizes))
    return {n: float(sds[j]) for j, n in enumerate(sample.variables) if n in items}


def _refuse_units(table: ParameterTable, items: set[str]) -> None:
    if table.constraints:
        raise ModelError(
            "approximate invariance puts the items in units of their standard deviations, in which "
            f"constraints between parameters would say something else; {INSTEAD}"
        )
    labels: dict[str, set[str]] = {}
    for r in table.rows:
        if r.group < 0 or not r.user or not {r.lhs, r.rhs} & items:
            continue
        labels.setdefault(r.label, set()).add(r.name)
        shared = bool(r.label) and len(labels[r.label]) > 1
        bounded = any(math.isfinite(b) and b != 0.0 for b in (r.lower, r.upper))
        if (r.free < 0 and r.value) or r.prior or bounded or shared:
            raise ModelError(
                f"approximate invariance puts the items in units of their standard deviations, in "
                f"which the fixed value, prior, bound or shared label of {r.name} would say "
                f"something else; {INSTEAD}"
            )


def in_standard_units(data: pd.DataFrame, scales: dict[str, float]) -> pd.DataFrame:
    """The data with items divided by their scales; all other columns as they are."""
    data = as_frame(data)
    return data.assign(**{name: data[name].astype(float) / s for name, s in scales.items()})
