"""The table of estimates of a maximum likelihood fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from bayessem.ml.constrained import named_values
from bayessem.syntax.expression import evaluate
from bayessem.syntax.parameters import ParameterTable

if TYPE_CHECKING:
    import pandas as pd


def defined_standardised(table: ParameterTable, values: np.ndarray) -> np.ndarray:
    """Standardised rows (..., rows) with the definitions filled in.

    As in lavaan, a definition is computed from the standardised values of its labels, of the first
    row where several rows share one.
    """
    out = np.array(values, dtype=float)
    known: dict[str, np.ndarray] = {}
    by_parameter: dict[int, np.ndarray] = {}
    for k, row in enumerate(table.rows):
        if row.group < 0:
            continue
        if row.free >= 0:
            by_parameter.setdefault(row.free, out[..., k])
        if row.label:
            known.setdefault(row.label, by_parameter.get(row.free, out[..., k]))
    for at, value in by_parameter.items():
        known.setdefault(table.parameters[at], value)
    for k, row in enumerate(table.rows):
        if row.op == ":=" and row.expression is not None:
            out[..., k] = known[row.lhs] = evaluate(row.expression, known)
    return out


def definition_gradients(table: ParameterTable, x: np.ndarray, *, scale: np.ndarray) -> np.ndarray:
    """Derivatives of the definitions by the free parameters, (definitions, D).

    Central differences with steps of 1e-4 of `scale` (D,).
    """
    step = 1e-4 * scale
    ahead = named_values(table, x + np.diag(step))
    behind = named_values(table, x - np.diag(step))
    out = [
        np.broadcast_to(ahead[row.lhs] - behind[row.lhs], x.shape) / (2.0 * step)
        for row in table.defined
    ]
    return np.array(out).reshape(-1, len(x))


def estimates(
    table: ParameterTable,
    *,
    values: np.ndarray,
    covariance: np.ndarray,
    x: np.ndarray,
    std_all: np.ndarray,
    std_lv: np.ndarray,
) -> pd.DataFrame:
    """The table of estimates; standard errors of definitions by the delta method.

    Parameters
    ----------
    table : ParameterTable
        The model.
    values, std_all, std_lv : ndarray (rows,)
        Unstandardised and standardised value of each row.
    covariance : ndarray (D, D)
        Of the free parameters.
    x : ndarray (D,)
        The free parameters.

    Returns
    -------
    DataFrame
        A row a parameter, constraints left out.
    """
    import pandas as pd

    with np.errstate(invalid="ignore"):
        spread = np.sqrt(np.diag(covariance))
        se = np.full(len(table.rows), np.nan)
        for k, row in enumerate(table.rows):
            if row.free >= 0:
                se[k] = spread[row.free]
        if table.defined:
            scale = np.where(np.isfinite(spread) & (spread > 0), spread, np.abs(x) + 1.0)
            gradients = definition_gradients(table, x, scale=scale)
            delta = np.sqrt(np.einsum("ij,jk,ik->i", gradients, covariance, gradients))
            at = [k for k, row in enumerate(table.rows) if row.op == ":="]
            # Definitions are stored in the order in which they can be computed, as in `defined`.
            se[at] = delta
    rows = []
    for k, row in enumerate(table.rows):
        if row.op in ("==", "<", ">"):
            continue
        z = values[k] / se[k] if se[k] > 0 else math.nan
        rows.append(
            {
                "lhs": row.lhs,
                "op": row.op,
                "rhs": row.rhs,
                "group": table.groups[row.group] if row.group >= 0 else "",
                "label": row.label or (f"rv: {row.slope}" if row.slope else ""),
                "free": row.free >= 0,
                "est": values[k],
                "se": se[k],
                "z": z,
                "pvalue": 2.0 * norm.sf(abs(z)),
                "ci_lower": values[k] - norm.ppf(0.975) * se[k],
                "ci_upper": values[k] + norm.ppf(0.975) * se[k],
                "std_lv": std_lv[k],
                "std_all": std_all[k],
            }
        )
    return pd.DataFrame(rows)
