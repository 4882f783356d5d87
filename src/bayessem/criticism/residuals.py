"""Local fit: what the model leaves of each correlation and mean, per draw, the largest named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.criticism.level_indices import refuse_slopes
from bayessem.errors import FitError, ModelError
from bayessem.ml.saturated import Saturated, saturate
from bayessem.ml.two_levels import saturate_levels
from bayessem.model.conditioning import has_means
from bayessem.model.design import refuse_design
from bayessem.model.prepare import Prepared
from bayessem.model.thresholds import WITHOUT_INDICES, refuse_answers
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.results.standardize import model_moments
from bayessem.text.columns import column, intervals, labels, marks
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import group_text, interval_text, percent_text
from bayessem.text.numbers import number

# A mean residual correlation beyond this is flagged (Kline 2016, ISBN 978-1462523344).
LARGE = 0.10
SHOWN = 10


@dataclass(frozen=True, repr=False)
class Residuals(Described):
    """Residual correlations and means; `print` them.

    Attributes
    ----------
    table : DataFrame
        A row a pair of observed variables, the largest first: lhs, rhs, group, observed and
        implied correlation, mean, sd, lower, upper of the residual (observed - implied),
        p_large = P(|residual| > .10), large (whether |mean| > .10).
    means : DataFrame
        A row an observed variable: variable, group, mean, sd, lower, upper of (observed - implied
        mean) in standard deviations; empty without a mean structure.
    draws : DataArray (chain, draw, residual)
        Residual correlations in the order of the table, named "x1 ~~ x2".
    srmr : DataFrame
        group, mean, sd, lower, upper of the root mean square of the residual correlations.
    ci_prob : float
        Probability of the equal-tailed intervals.
    notes : tuple of str
        What a reader must know, in words.
    """

    table: pd.DataFrame
    means: pd.DataFrame
    draws: xr.DataArray
    srmr: pd.DataFrame
    ci_prob: float
    notes: tuple[str, ...]

    def matrix(self, group: str = "") -> pd.DataFrame:
        """Mean residual correlations of a group as a square table, 0 on the diagonal."""
        rows = self.table[self.table["group"] == group]
        if rows.empty:
            known = ", ".join(map(repr, self.table["group"].unique()))
            raise FitError(f"group={group!r} is not in this result; groups: {known}")
        own = self.means[self.means["group"] == group]["variable"]
        names = list(dict.fromkeys([*own, *rows["lhs"], *rows["rhs"]]))
        out = pd.DataFrame(0.0, index=names, columns=names)
        for r in rows.to_dict("records"):
            out.loc[r["lhs"], r["rhs"]] = out.loc[r["rhs"], r["lhs"]] = r["mean"]
        return out

    def document(self) -> Document:
        """How many are large, SRMR, and the largest."""
        large = int(self.table["large"].sum())
        shown = self.table.head(max(SHOWN, min(large, 2 * SHOWN)))
        limit = number(LARGE, 2)
        count = (
            f"{large} of {len(self.table)} residual correlations {'is' if large == 1 else 'are'} "
            f"larger than {limit} on average"
            if large
            else f"No residual correlation is larger than {limit} on average "
            f"({len(self.table)} pairs)"
        )
        srmr = "; ".join(
            (f"{r['group']}: " if r["group"] else "")
            + f"{number(r['mean'])} {interval_text((r['lower'], r['upper']))}"
            for r in self.srmr.to_dict("records")
        )
        pairs = Table(
            (
                Column("", _names(shown)),
                *labels(shown, ("group",)),
                column(shown, "observed"),
                column(shown, "implied"),
                column(shown, "mean", "residual"),
                intervals(shown, percent_text(self.ci_prob)),
                column(shown, "p_large", f"P(|residual| > {limit})"),
                marks(shown, "large", "large"),
            )
        )
        return Document.of(
            Heading("Residual correlations (observed - implied)"),
            Paragraph(f"{count}. Root mean square {srmr}. The largest:"),
            pairs,
            Notes(self.notes),
        )


def _names(table: pd.DataFrame) -> list[str]:
    return (table["lhs"] + " ~~ " + table["rhs"]).tolist()


def residual_correlations(
    sample_covariance: np.ndarray, implied: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Observed (p, p) and implied (..., p, p) correlations (Bollen 1989, ISBN 978-0471011712)."""

    def correlations(covariance: np.ndarray) -> np.ndarray:
        sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
        return covariance / (sd[..., :, None] * sd[..., None, :])

    return correlations(sample_covariance), correlations(implied)


@check_shared
def residuals(fit: Fitted, *, ci_prob: float = 0.95) -> Residuals:
    """Residual correlations (of the data, with missing values by EM, less the model's) per draw.

    Arguments, result and errors: `Fit.residuals`.
    """
    refuse_answers(fit.prepared.table, "residual analysis", WITHOUT_INDICES)
    if fit.prepared.table.levels > 1:
        refuse_slopes(fit.prepared, "a residual correlation")
    refuse_design(fit.prepared.sample.design, "residual analysis")
    refuse_population(fit, "residuals")
    prepared, elements = fit.prepared, fit.elements
    sample, structure = prepared.sample, prepared.structure
    given = [sample.variables.index(name) for name in prepared.table.exogenous]
    pairs = [_looked_at(prepared, g, given) for g in range(len(sample.groups))]
    if not any(len(rows) for rows, _ in pairs):
        raise ModelError("the model explains one variable, which has no correlation to look at")
    frames, drawn, means, overall = [], [], [], []
    for g, (label, saturated) in enumerate(zip(sample.groups, _saturated(prepared), strict=True)):
        rows, columns = pairs[g]
        if not rows.size:
            continue
        moments = model_moments(structure, elements, group=g)
        with np.errstate(invalid="ignore"):  # variables that are not at a level have no correlation
            observed, implied = residual_correlations(
                saturated.covariance, moments.observed_covariance
            )
        if not np.isfinite(observed[rows, columns]).all():
            raise FitError(_no_variance(sample.variables, saturated.covariance, rows, label))
        at = implied[..., rows, columns]
        value = observed[rows, columns] - at
        frames.append(_pairs(sample.variables, rows, columns, label, ci_prob, value).assign(
            observed=observed[rows, columns], implied=at.mean(axis=(0, 1))
        ))  # fmt: skip
        drawn.append(value)
        overall.append(_row(np.sqrt(np.mean(value**2, axis=-1)), label, ci_prob))
        without = _without_mean(prepared, g, given)
        if has_means(prepared.table) and len(set(without)) < len(sample.variables):
            sd = np.sqrt(np.diag(saturated.covariance))
            away = (saturated.mean - moments.observed_mean) / np.where(sd > 0, sd, np.nan)
            means.append(_means(sample.variables, without, label, ci_prob, away))
    table = pd.concat(frames, ignore_index=True)
    order = np.argsort(-table["mean"].abs().to_numpy(), kind="stable")
    table = table.iloc[order].reset_index(drop=True)
    first = ["lhs", "rhs", "group", "observed", "implied"]
    table = table[[*first, *(c for c in table.columns if c not in first)]]
    empty = pd.DataFrame(columns=["variable", "group", "mean", "sd", "lower", "upper"])
    return Residuals(
        table=table,
        means=pd.concat(means, ignore_index=True) if means else empty,
        draws=xr.DataArray(
            np.concatenate(drawn, axis=-1)[..., order],
            dims=("chain", "draw", "residual"),
            coords={"residual": list(map(group_text, _names(table), table["group"]))},
            name="residuals",
        ),
        srmr=pd.DataFrame(overall),
        ci_prob=ci_prob,
        notes=_notes(fit),
    )


def _looked_at(prepared: Prepared, group: int, given: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the correlations: not of two covariates, of a level its variables."""
    rows, columns = np.tril_indices(len(prepared.sample.variables), -1)
    keep = ~(np.isin(rows, given) & np.isin(columns, given))
    if prepared.table.levels > 1:
        names = prepared.table.level_variables[group % 2]
        own = [prepared.sample.variables.index(name) for name in names]
        keep &= np.isin(rows, own) & np.isin(columns, own)
    return rows[keep], columns[keep]


def _no_variance(
    names: tuple[str, ...], covariance: np.ndarray, rows: np.ndarray, label: str
) -> str:
    gone = [names[i] for i in np.unique(rows) if not covariance[i, i] > 0]
    return (
        f"{', '.join(gone)} have no variance {label} clusters in the saturated model, so there is "
        "no correlation to compare with; let them vary at one level only"
    )


def _without_mean(prepared: Prepared, group: int, given: list[int]) -> list[int]:
    """Columns whose mean is not looked at: covariates, of a level what has its mean elsewhere."""
    if prepared.table.levels == 1:
        return given
    table, at = prepared.table, prepared.sample.variables.index
    own = set(table.level_variables[group % 2]) - (set(table.split) if group % 2 == 0 else set())
    return [*given, *(at(x) for x in prepared.sample.variables if x not in own)]


def _saturated(prepared: Prepared) -> tuple[Saturated, ...]:
    """Moments of each group (of each level) with nothing assumed."""
    if prepared.table.levels > 1:
        return saturate_levels(prepared)
    return tuple(saturate(prepared.sample, group=g) for g in range(len(prepared.sample.groups)))


def _pairs(
    names: tuple[str, ...],
    rows: np.ndarray,
    columns: np.ndarray,
    label: str,
    ci_prob: float,
    value: np.ndarray,
) -> pd.DataFrame:
    out = summarise(value, ci_prob=ci_prob, quality=False).drop(columns="p_positive")
    out.insert(0, "lhs", [names[j] for j in columns])
    out.insert(1, "rhs", [names[i] for i in rows])
    out.insert(2, "group", label)
    out["p_large"] = np.mean(np.abs(value) > LARGE, axis=(0, 1))
    out["large"] = out["mean"].abs() > LARGE
    return out


def _means(
    names: tuple[str, ...], given: list[int], label: str, ci_prob: float, value: np.ndarray
) -> pd.DataFrame:
    keep = [j for j in range(len(names)) if j not in given]
    out = summarise(value[..., keep], ci_prob=ci_prob, quality=False).drop(columns="p_positive")
    out.insert(0, "variable", [names[j] for j in keep])
    out.insert(1, "group", label)
    return out


def _row(value: np.ndarray, label: str, ci_prob: float) -> dict:
    summary = summarise(value[..., None], ci_prob=ci_prob, quality=False).iloc[0]
    return {"group": label, **summary[["mean", "sd", "lower", "upper"]].to_dict()}


def _notes(fit: Fitted) -> tuple[str, ...]:
    notes = []
    if not fit.prepared.sample.complete:
        notes.append(
            "Observed correlations are those of the saturated model (EM): values are missing."
        )
    if fit.prepared.structure.products:
        notes.append(
            "Correlations see little of squares and products; a misfit of the curve shows in "
            'predictive_check("shape").'
        )
    if fit.prepared.table.exogenous:
        notes.append("Pairs of covariates are left out: the model takes them as they are.")
    return tuple(notes)
