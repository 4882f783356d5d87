"""Posterior modification indices: what freeing a fixed loading or residual covariance would do.

The statistics are those of `criticism/score_tests.py`, at draws of the posterior: each index and
expected change has a distribution. The table's sd and interval of the expected change mix the
uncertainty given a draw, N(EPC, 1/v), over the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.criticism.score_tests import KINDS, candidate_rows, modification_values
from bayessem.errors import FitError, ModelError
from bayessem.posterior.threads import one_blas_thread
from bayessem.results.estimates import tail_probability
from bayessem.results.standardize import model_moments
from bayessem.syntax.listing import aligned, number
from bayessem.syntax.table import Parameter

if TYPE_CHECKING:
    from bayessem.fit import Fit
    from bayessem.model.prepare import Prepared

CRITICAL = 3.841  # 95 % point of chi-square with one degree of freedom
DRAWS = 100
SHOWN = 12


@dataclass(frozen=True)
class Modifications:
    """Modification indices of fixed parameters; `print` them.

    Attributes
    ----------
    table : DataFrame
        A row a fixed parameter, the largest index first: lhs, op, rhs, group, kind, mi (mean over
        the draws), mi_lower, mi_upper, p_above = P(mi > 3.84), epc (expected value), epc_sd,
        epc_lower, epc_upper of the parameter if it were free, sepc the standardised expected value.
    draws : DataArray (draw, parameter, quantity)
        mi, epc and its conditional sd at the draws used.
    ci_prob : float
        Probability of the equal-tailed intervals.
    notes : tuple of str
        What a reader must know, in words.
    """

    table: pd.DataFrame
    draws: xr.DataArray
    ci_prob: float
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return _text(self)


@one_blas_thread()
def modification_indices(
    fit: Fit,
    *,
    kinds: Sequence[str] = KINDS,
    draws: int = DRAWS,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> Modifications:
    """Modification index and expected value of every fixed cross-loading and residual covariance.

    Parameters
    ----------
    fit : Fit
        A sampled model.
    kinds : sequence of str
        Out of "cross-loading", "residual covariance".
    draws : int
        Evenly spaced draws that are used.
    ci_prob : float
        Probability of the equal-tailed intervals.
    random_seed : int
        Of the data simulated for the information of a model with product terms.

    Returns
    -------
    Modifications

    Raises
    ------
    ModelError
        When nothing of the kind is fixed.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ModelError(f"kinds are out of {', '.join(KINDS)}, not {kind!r}")
    structure = fit.prepared.structure
    if draws < 1:
        raise FitError(f"draws has to be at least 1, not {draws}")
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    some = flat[np.linspace(0, len(flat) - 1, min(draws, len(flat))).round().astype(int)]
    rows = candidate_rows(structure, kinds)
    if not rows:
        raise ModelError(f"the model has no fixed {' or '.join(kinds)}")
    centre = None
    if structure.products:
        centre = fit.density.elements(fit.values.mean(axis=(0, 1)))
    values = modification_values(fit.prepared, some, rows, centre=centre, random_seed=random_seed)
    return _summary(fit, rows, values, some, ci_prob)


def _standard_factors(
    prepared: Prepared, elements: np.ndarray, rows: Sequence[Parameter]
) -> np.ndarray:
    """What an expected change is multiplied by to be standardised, (point, row)."""
    structure = prepared.structure
    position = {name: i for i, name in enumerate(structure.observed)}
    out = np.empty((len(elements), len(rows)))
    for g in range(len(structure.table.groups)):
        moments = model_moments(structure, elements, group=g)
        latent = np.sqrt(np.diagonal(moments.latent_covariance, axis1=-2, axis2=-1))
        observed = np.sqrt(np.diagonal(moments.observed_covariance, axis1=-2, axis2=-1))
        residual = structure.matrices(elements, g)["residuals"]
        theta = np.sqrt(np.abs(np.diagonal(residual, axis1=-2, axis2=-1)))
        for k, row in enumerate(rows):
            if row.group != g:
                continue
            i = position[row.rhs]
            if row.op == "=~":
                out[:, k] = latent[:, structure.variables.index(row.lhs)] / observed[:, i]
            else:
                out[:, k] = 1.0 / (theta[:, i] * theta[:, position[row.lhs]])
    return out


def _summary(
    fit: Fit, rows: Sequence[Parameter], values: np.ndarray, elements: np.ndarray, ci_prob: float
) -> Modifications:
    groups = fit.prepared.table.groups
    known = ~np.isnan(values).any(axis=(0, 2))
    tail = tail_probability(ci_prob)
    mi, epc, sd = (values[:, known, q] for q in range(3))
    # the mixture over the draws of N(epc, sd): its quantiles from a fixed set of normal scores
    scores = _normal_scores(200)
    mixture = (epc[:, None] + sd[:, None] * scores[None, :, None]).reshape(-1, epc.shape[1])
    kept = [r for r, k in zip(rows, known, strict=True) if k]
    standard = epc * _standard_factors(fit.prepared, elements, kept) if kept else epc
    names = {"=~": KINDS[0], "~~": KINDS[1]}
    table = pd.DataFrame(
        {
            "lhs": [r.lhs for r in kept],
            "op": [r.op for r in kept],
            "rhs": [r.rhs for r in kept],
            "group": [groups[r.group] if len(groups) > 1 else "" for r in kept],
            "kind": [names[r.op] for r in kept],
            "mi": mi.mean(axis=0),
            "mi_lower": np.quantile(mi, tail, axis=0),
            "mi_upper": np.quantile(mi, 1.0 - tail, axis=0),
            "p_above": np.mean(mi > CRITICAL, axis=0),
            "epc": epc.mean(axis=0),
            "epc_sd": np.sqrt(epc.var(axis=0) + np.mean(sd**2, axis=0)),
            "epc_lower": np.quantile(mixture, tail, axis=0),
            "epc_upper": np.quantile(mixture, 1.0 - tail, axis=0),
            "sepc": standard.mean(axis=0),
        }
    )
    order = np.argsort(-table["mi"].to_numpy(), kind="stable")
    table = table.iloc[order].reset_index(drop=True)
    labels = [_label(r) for r in table.to_dict("records")]
    return Modifications(
        table=table,
        draws=xr.DataArray(
            values[:, known][:, order],
            dims=("draw", "parameter", "quantity"),
            coords={"parameter": labels, "quantity": ["mi", "epc", "epc_sd"]},
            name="modification",
        ),
        ci_prob=ci_prob,
        notes=_notes(fit, rows, known, len(values)),
    )


def _normal_scores(count: int) -> np.ndarray:
    from scipy.special import ndtri

    return ndtri((np.arange(count) + 0.5) / count)


def _label(row: dict) -> str:
    return f"{row['lhs']} {row['op']} {row['rhs']}" + (f" [{row['group']}]" if row["group"] else "")


def _notes(fit: Fit, rows: Sequence[Parameter], known: np.ndarray, draws: int) -> tuple[str, ...]:
    notes = [
        f"From {draws} draws; score statistics with the effect of the free parameters taken out, "
        "which at the maximum of the likelihood are lavaan's modification indices. Each is about "
        "freeing that parameter alone, equality constraints kept."
    ]
    lost = [r.name for r, k in zip(rows, known, strict=True) if not k]
    if lost:
        notes.append(
            "Could not be estimated besides the free parameters, and left out: "
            f"{', '.join(dict.fromkeys(lost))}."
        )
    promoted = [x for x in fit.prepared.structure.observed if x in fit.prepared.structure.variables]
    if promoted:
        notes.append(
            f"Observed variables with paths ({', '.join(promoted)}) measure no construct and are "
            "not looked at."
        )
    return tuple(notes)


def _text(result: Modifications) -> str:
    table = result.table
    grouped = (table["group"] != "").any()
    percent = f"{100 * result.ci_prob:g} % interval"
    body = [
        [
            f"{r['lhs']} {r['op']} {r['rhs']}",
            *([r["group"]] if grouped else []),
            number(r["mi"], 1),
            f"[{number(r['mi_lower'], 1)}, {number(r['mi_upper'], 1)}]",
            number(r["epc"]),
            f"[{number(r['epc_lower'])}, {number(r['epc_upper'])}]",
            number(r["sepc"]),
        ]
        for r in table.head(SHOWN).to_dict("records")
    ]
    header = ["", *(["group"] if grouped else []), "MI", percent, "EPC", percent, "std EPC"]
    above = int((table["p_above"] > 0.95).sum())
    lines = [
        "Modification indices of fixed parameters",
        fill(
            f"{above} of {len(table)} fixed parameters have an index above {CRITICAL:.2f} with "
            "probability .95 or more. EPC is what the parameter would be if it were free. Free one "
            "only for a reason that does not come from this table: the largest of many indices "
            "is large by chance too.",
            100,
        ),
        aligned(header, body, left=1 + grouped),
    ]
    return "\n".join([*lines, *(fill(note, 100) for note in result.notes)])
