"""Posterior modification indices: what freeing a fixed parameter would do.

Loadings, residual covariances and direct effects of covariates.

The statistics are those of `criticism/score_tests.py` (of ordered answers: answer_modification.py),
at draws of the posterior: each index and expected change has a distribution. The table's sd and
interval of the expected change mix the uncertainty given a draw, N(EPC, 1/v), over the draws.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri

from bayessem.arguments import check_shared
from bayessem.criticism.answer_modification import answer_modifications
from bayessem.criticism.score_tests import KINDS, candidate_rows, modification_values
from bayessem.errors import ModelError
from bayessem.model.design import refuse_design
from bayessem.model.prepare import Prepared
from bayessem.model.thresholds import WITHOUT_MODIFICATION, refuse_answers
from bayessem.results.estimates import tail_probability
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.results.standardize import model_moments
from bayessem.syntax.parameters import Parameter
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import TENTHS, group_text, interval, percent_text
from bayessem.text.numbers import number
from bayessem.text.progress import Bar
from bayessem.threads import one_blas_thread

CRITICAL = 3.841  # 95 % point of chi-square with one degree of freedom
DRAWS = 100
SCORES = 200
SHOWN = 12


@dataclass(frozen=True, repr=False)
class Modifications(Described):
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

    def document(self) -> Document:
        """How many are large, what to make of it, and the largest."""
        above = int((self.table["p_above"] > 0.95).sum())
        shown, percent = self.table.head(SHOWN), percent_text(self.ci_prob)
        largest = Table(
            (
                Column("", _names(shown)),
                *labels(shown, ("group",)),
                column(shown, "mi", "MI", TENTHS),
                intervals(shown, percent, interval(1), ends=("mi_lower", "mi_upper")),
                column(shown, "epc", "EPC"),
                intervals(shown, percent, ends=("epc_lower", "epc_upper")),
                column(shown, "sepc", "std EPC"),
            )
        )
        return Document.of(
            Heading("Modification indices of fixed parameters"),
            Paragraph(
                f"{above} of {len(self.table)} fixed parameters have an index above "
                f"{number(CRITICAL, 2)} with probability .95 or more. EPC is what the parameter "
                "would be if it were free. Free one only for a reason that does not come from this "
                "table: the largest of many indices is large by chance too."
            ),
            largest,
            Notes(self.notes),
        )


def _names(table: pd.DataFrame) -> list[str]:
    return (table["lhs"] + " " + table["op"] + " " + table["rhs"]).tolist()


@check_shared
@one_blas_thread()
def modification_indices(
    fit: Fitted,
    *,
    kinds: Sequence[str] = KINDS,
    draws: int = DRAWS,
    ci_prob: float = 0.95,
    random_seed: int = 0,
    progress: bool = True,
) -> Modifications:
    """Modification index and expected value of every fixed parameter of these kinds.

    Arguments, result and errors: `Fit.modification_indices`.
    """
    refuse_answers(fit.prepared.table, "a modification index", WITHOUT_MODIFICATION, ordered=False)
    refuse_design(fit.prepared.sample.design, "a modification index")
    refuse_population(fit, "modification indices")
    for kind in kinds:
        if kind not in KINDS:
            raise ModelError(f"kinds are out of {', '.join(KINDS)}, not {kind!r}")
    structure = fit.prepared.structure
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    some = flat[np.linspace(0, len(flat) - 1, min(draws, len(flat))).round().astype(int)]
    rows = candidate_rows(structure, kinds)
    if not rows:
        where = (
            ", which are looked at in models of one level with covariates"
            if KINDS[2] in kinds
            else ""
        )
        raise ModelError(f"the model has no fixed {' or '.join(kinds)}{where}")
    if fit.prepared.table.ordered:
        values = answer_modifications(fit, some, rows)
        return _summary(fit, rows, values, some, ci_prob)
    centre = None
    if structure.products or _without_closed_form(fit):
        centre = fit.density.elements(fit.values.mean(axis=(0, 1)))
    bar = Bar("modification indices", len(some), sys.stderr, after=2.0)
    values = modification_values(
        fit.prepared,
        some,
        rows,
        centre=centre,
        random_seed=random_seed,
        told=bar.show if progress else None,
    )
    return _summary(fit, rows, values, some, ci_prob)


def _without_closed_form(fit: Fitted) -> bool:
    """Whether a two-level model's expected information has to be simulated."""
    table = fit.prepared.table
    return table.levels > 1 and (bool(table.slopes) or not fit.prepared.sample.complete)


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
            if row.op == "~":
                y = structure.variables.index(row.lhs) if row.lhs in structure.variables else -1
                sd = latent[:, y] if y >= 0 else observed[:, position[row.lhs]]
                out[:, k] = latent[:, structure.variables.index(row.rhs)] / sd
                continue
            i = position[row.rhs]
            if row.op == "=~":
                out[:, k] = latent[:, structure.variables.index(row.lhs)] / observed[:, i]
            else:
                out[:, k] = 1.0 / (theta[:, i] * theta[:, position[row.lhs]])
    return out


def _summary(
    fit: Fitted, rows: Sequence[Parameter], values: np.ndarray, elements: np.ndarray, ci_prob: float
) -> Modifications:
    groups = fit.prepared.table.groups
    known = ~np.isnan(values).any(axis=(0, 2))
    tail = tail_probability(ci_prob)
    mi, epc, sd = (values[:, known, q] for q in range(3))
    # the mixture over the draws of N(epc, sd): its quantiles from a fixed set of normal scores
    scores = ndtri((np.arange(SCORES) + 0.5) / SCORES)
    mixture = (epc[:, None] + sd[:, None] * scores[None, :, None]).reshape(-1, epc.shape[1])
    kept = [r for r, k in zip(rows, known, strict=True) if k]
    standard = epc * _standard_factors(fit.prepared, elements, kept) if kept else epc
    kind = {"=~": KINDS[0], "~~": KINDS[1], "~": KINDS[2]}
    table = pd.DataFrame(
        {
            "lhs": [r.lhs for r in kept],
            "op": [r.op for r in kept],
            "rhs": [r.rhs for r in kept],
            "group": [groups[r.group] if len(groups) > 1 else "" for r in kept],
            "kind": [kind[r.op] for r in kept],
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
    names = list(map(group_text, _names(table), table["group"]))
    return Modifications(
        table=table,
        draws=xr.DataArray(
            values[:, known][:, order],
            dims=("draw", "parameter", "quantity"),
            coords={"parameter": names, "quantity": ["mi", "epc", "epc_sd"]},
            name="modification",
        ),
        ci_prob=ci_prob,
        notes=_notes(fit, rows, known, len(values)),
    )


def _notes(
    fit: Fitted, rows: Sequence[Parameter], known: np.ndarray, draws: int
) -> tuple[str, ...]:
    source = "which at the maximum of the likelihood are lavaan's modification indices"
    if fit.prepared.table.ordered:
        source = "of the first and second moments of the answers"
    notes = [
        f"From {draws} draws; score statistics with the effect of the free parameters taken out, "
        f"{source}. Each is about freeing that parameter alone, equality constraints kept."
    ]
    lost = [r.name for r, k in zip(rows, known, strict=True) if not k]
    if lost:
        notes.append(
            "Could not be estimated besides the free parameters, and left out: "
            f"{', '.join(dict.fromkeys(lost))}."
        )
    structure, given = fit.prepared.structure, fit.prepared.table.exogenous
    promoted = [x for x in structure.observed if x in structure.variables]
    if given:
        promoted = [x for x in promoted if x not in given]
        notes.append(f"All is given the covariates ({', '.join(given)}).")
    if promoted:
        notes.append(
            f"Observed variables with paths ({', '.join(promoted)}) measure no construct and are "
            "not looked at."
        )
    return tuple(notes)
