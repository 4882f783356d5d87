"""Draws of what people read, and their summary: one function summarises everything derived."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayessem.arguments import probability
from bayessem.model.structure import Structure
from bayessem.posterior.diagnostics import convergence
from bayessem.syntax.expression import evaluate
from bayessem.syntax.parameters import ParameterTable


def tail_probability(ci_prob: float) -> float:
    """Probability below (and above) an equal-tailed interval.

    Raises
    ------
    FitError
        When `ci_prob` is no probability, such as 95.
    """
    return (1.0 - probability("ci_prob", ci_prob)) / 2.0


def summarise(values: np.ndarray, *, ci_prob: float = 0.95, quality: bool = True) -> pd.DataFrame:
    """Mean, sd, equal-tailed interval, P(> 0), R-hat and effective sample sizes of draws.

    Parameters
    ----------
    values : ndarray (chain, draw, quantity)
        Draws; quantities that are nan in some draws (undefined there) are summarised over the rest.
    ci_prob : float
        Probability of the interval.
    quality : bool
        False leaves out R-hat and the effective sample sizes, which take most of the time.

    Returns
    -------
    DataFrame
        One row a quantity: mean, sd, lower, upper, p_positive, r_hat, ess_bulk, ess_tail.
    """
    tail = tail_probability(ci_prob)
    flat = values.reshape(-1, values.shape[-1])
    out = pd.DataFrame(index=range(flat.shape[1]))
    known = ~np.isnan(flat)
    some = known.any(axis=0)
    column = np.full((5, flat.shape[1]), np.nan)
    if some.any():
        part = flat[:, some]
        column[0, some] = np.nanmean(part, axis=0)
        column[1, some] = np.nanstd(part, axis=0, ddof=1)
        column[2, some], column[3, some] = np.nanquantile(part, [tail, 1.0 - tail], axis=0)
        column[4, some] = np.nansum(part > 0, axis=0) / known[:, some].sum(axis=0)
    for name, one in zip(("mean", "sd", "lower", "upper", "p_positive"), column, strict=True):
        out[name] = one
    if not quality:
        return out
    complete = known.all(axis=0)
    return pd.concat([out, convergence(np.where(complete, values, 0.0))], axis=1)


def free_draws(structure: Structure, rows: np.ndarray) -> np.ndarray:
    """The table's free parameters from the values of its rows, (..., rows) -> (..., free)."""
    table = structure.table
    first: dict[int, int] = {}
    for k, row in enumerate(table.rows):
        if row.free >= 0:
            first.setdefault(row.free, k)
    return rows[..., [first[i] for i in range(len(table.parameters))]]


def defined_draws(table: ParameterTable, free: np.ndarray) -> dict[str, np.ndarray]:
    """Draws of the parameters defined by `:=`, from those of the free ones (..., free).

    nan where the definition has no value: the root of a negative number, a division by 0.
    """
    names: dict[str, np.ndarray | float] = {
        name: free[..., at] if isinstance(at, int) else at for name, at in table.names.items()
    }
    out: dict[str, np.ndarray] = {}
    for row in table.defined:
        assert row.expression is not None
        with np.errstate(all="ignore"):
            value = np.asarray(evaluate(row.expression, names), dtype=float)
        value = np.where(np.isfinite(value), value, np.nan)
        out[row.lhs] = np.broadcast_to(value, free.shape[:-1])
        names[row.lhs] = out[row.lhs]
    return out


def row_labels(table: ParameterTable, rows: Sequence[int]) -> pd.DataFrame:
    """lhs, op, rhs, group and label of rows of the table."""
    picked = [table.rows[k] for k in rows]
    out = pd.DataFrame(
        {
            "lhs": [r.lhs for r in picked],
            "op": [r.op for r in picked],
            "rhs": [r.rhs for r in picked],
        }
    )
    if len(table.groups) > 1:
        out["group"] = [table.groups[r.group] if r.group >= 0 else "" for r in picked]
    out["label"] = [r.label if r.op != ":=" else "" for r in picked]
    return out
