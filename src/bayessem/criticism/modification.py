"""Posterior modification indices: what freeing a fixed loading or residual covariance would do.

At a draw of the parameters theta the score of a fixed parameter d is not free of theta's distance
from its maximum. Neyman's (1959) C(alpha) takes it out: with the score g and the information I,

    e = g_d - I_dt I_tt^-1 g_t,   v = I_dd - I_dt I_tt^-1 I_td,   MI = e^2 / v,   EPC = e / v.

At the maximum of the likelihood g_t = 0 and these are the modification index (Sorbom 1989,
doi:10.1007/BF02294623) and the expected parameter change (Saris, Satorra & Sorbom 1987,
doi:10.2307/271030) that lavaan prints. N(EPC, 1/v) is one Newton step towards the posterior of the
freed parameter under a flat prior: near it for small changes, too wide and often too far for large
ones. The table's sd and interval mix it over the draws.

I is the expected information at the draw. With product terms, which have no closed form of it, I is
the mean over data simulated at the posterior mean (C(alpha) allows any consistent estimate). The
observed information would not do: where the model is wrong it can be far too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.criticism.replicate import replicate
from bayessem.errors import FitError, ModelError
from bayessem.ml.information import FLAT, expected_information
from bayessem.model.structure import Structure, build_structure
from bayessem.posterior.assemble import likelihood_density
from bayessem.posterior.density import Density
from bayessem.results.estimates import free_draws
from bayessem.results.standardize import model_moments, row_values
from bayessem.syntax.listing import aligned, number
from bayessem.syntax.table import Parameter, ParameterTable

if TYPE_CHECKING:
    from bayessem.fit import Fit
    from bayessem.model.prepare import Prepared

KINDS = ("cross-loading", "residual covariance")
CRITICAL = 3.841  # 95 % point of chi-square with one degree of freedom
DRAWS = 100
SHOWN = 12
# Share of a parameter's information that must be left by the others for it to be estimable.
DETERMINED = 1e-6
# Respondents simulated for the expected information of a model with product terms.
SIMULATED = 4000


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


def candidate_rows(structure: Structure, kinds: Sequence[str] = KINDS) -> list[Parameter]:
    """Rows of the parameters that are fixed at 0 by not being in the model, as free rows.

    Cross-loadings: every construct on every indicator of others. Residual covariances: every pair
    of indicators whose residual variances are not fixed at 0.
    """
    table = structure.table
    indicators = [name for name in structure.observed if name not in structure.variables]
    out: list[Parameter] = []
    for g in range(len(table.groups)):
        own = [r for r in table.rows if r.group == g]
        loading = {(r.lhs, r.rhs) for r in own if r.op == "=~"}
        covariance = {frozenset((r.lhs, r.rhs)) for r in own if r.op == "~~"}
        fixed = {
            r.lhs for r in own if r.op == "~~" and r.lhs == r.rhs and r.free < 0 and not r.value
        }
        if KINDS[0] in kinds:
            out += [
                Parameter(f, "=~", y, g, -1)
                for f in table.latent
                for y in indicators
                if (f, y) not in loading
            ]
        if KINDS[1] in kinds:
            out += [
                Parameter(a, "~~", b, g, -1)
                for k, b in enumerate(indicators)
                for a in indicators[:k]
                if frozenset((a, b)) not in covariance and not {a, b} & fixed
            ]
    return out


def extended_table(table: ParameterTable, rows: Sequence[Parameter]) -> ParameterTable:
    """The table with more free parameters behind its own."""
    first = len(table.parameters)
    added = tuple(replace(row, free=first + i) for i, row in enumerate(rows))
    names = tuple(f"{row.name}#{row.group}" for row in rows)
    return replace(table, rows=(*table.rows, *added), parameters=(*table.parameters, *names))


def efficient_weights(information: np.ndarray, free: int) -> tuple[np.ndarray, np.ndarray]:
    """What takes the free parameters out of the scores of the fixed ones behind them.

    Parameters
    ----------
    information : ndarray (D + k, D + k)
        Only the diagonal of its last block is used.
    free : int
        D.

    Returns
    -------
    weights : ndarray (k, D)
        I_dt I_tt^-1.
    left : ndarray (k,)
        I_dd - I_dt I_tt^-1 I_td; nan where a parameter could not be estimated besides the others.
    """
    within, across = information[:free, :free], information[:free, free:]
    scale = np.sqrt(np.abs(np.diag(within)))
    scale = np.where(scale > 0, scale, 1.0)
    roots, vectors = np.linalg.eigh(within / np.outer(scale, scale))
    keep = roots > FLAT * roots[-1]
    half = (vectors[:, keep] / np.sqrt(roots[keep])).T / scale  # half' half = I_tt^-1
    projected = half @ across
    own = np.diag(information)[free:]
    left = own - np.sum(projected**2, axis=0)
    return projected.T @ half, np.where(left > DETERMINED * np.abs(own), left, np.nan)


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


def modification_values(
    prepared: Prepared,
    elements: np.ndarray,
    rows: Sequence[Parameter],
    *,
    centre: np.ndarray | None = None,
    random_seed: int = 0,
) -> np.ndarray:
    """Mi, epc and sd of epc, (point, row, 3), at points given as flat matrices (point, elements).

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    elements : ndarray (point, elements)
        Draws, or the maximum of the likelihood.
    rows : sequence of Parameter
        From `candidate_rows`.
    centre : ndarray (elements,), optional
        Where data are simulated for the information of a model with product terms.
    random_seed : int
        Of these data.
    """
    structure = prepared.structure
    extended = build_structure(extended_table(structure.table, rows))
    density = likelihood_density(extended, prepared.space, prepared.sample)
    free = len(structure.table.parameters)
    fixed = None
    if centre is not None:
        information = simulated_information(prepared, extended, centre, random_seed=random_seed)
        fixed = efficient_weights(information, free)
    out = np.full((len(elements), len(rows), 3), np.nan)
    for s, own in enumerate(free_draws(structure, row_values(structure, elements))):
        x = np.concatenate([own, np.zeros(len(rows))])
        score = density.value_and_gradient(x)[1]
        weights, left = fixed or efficient_weights(
            expected_information(extended, density, x, prepared.sample), free
        )
        efficient = score[free:] - weights @ score[:free]
        out[s] = np.stack([efficient**2 / left, efficient / left, 1.0 / np.sqrt(left)], axis=-1)
    return out


def simulated_information(
    prepared: Prepared, extended: Structure, centre: np.ndarray, *, random_seed: int = 0
) -> np.ndarray:
    """Expected information (D + k, D + k) at flat matrices, by simulation; 0 between fixed ones.

    The observed information of data drawn there (with the data's covariates and missing values),
    scaled to the size of the sample.
    """
    sample, structure = prepared.sample, prepared.structure
    times = max(1, round(SIMULATED / sample.size))
    drawn = replicate(prepared, np.repeat(centre[None], times, axis=0), random_seed=random_seed)
    many = replace(
        sample,
        values=drawn.reshape(-1, drawn.shape[-1]),
        group=np.tile(sample.group, times),
        rows=np.arange(times * sample.size),
    )
    density = likelihood_density(extended, prepared.space, many)
    own = free_draws(structure, row_values(structure, centre))
    x = np.concatenate([own, np.zeros(density.size - len(own))])
    return _observed(density, x, len(own)) / times


def _observed(density: Density, x: np.ndarray, free: int) -> np.ndarray:
    """Minus the Hessian, but for the elements between two fixed parameters (0)."""
    step = 1e-4 * np.maximum(1e-2, np.abs(x))
    step[free:] = 1e-4
    out = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        up, down = x.copy(), x.copy()
        up[i] += step[i]
        down[i] -= step[i]
        change = density.value_and_gradient(down)[1] - density.value_and_gradient(up)[1]
        row = change / (2.0 * step[i])
        if i < free:
            out[i] = row
        else:
            out[i, i] = row[i]
    out[:free, :free] = 0.5 * (out[:free, :free] + out[:free, :free].T)
    return out


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
    tail = (1.0 - ci_prob) / 2.0
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
