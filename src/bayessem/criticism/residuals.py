"""Local fit: what the model leaves of each correlation and mean, per draw, the largest named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.criticism.answer_residuals import pair_residuals
from bayessem.criticism.level_indices import refuse_slopes
from bayessem.errors import FitError, ModelError
from bayessem.ml.two_levels import saturate_levels
from bayessem.model.conditioning import has_means
from bayessem.model.design import refuse_design
from bayessem.model.prepare import Prepared
from bayessem.model.saturated import Saturated, saturate
from bayessem.model.thresholds import refuse_tails
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.results.standardize import model_moments
from bayessem.text.columns import column, intervals, labels, marks
from bayessem.text.described import Described
from bayessem.text.document import Block, Column, Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import COUNT, TENTHS, group_text, interval_text, percent_text
from bayessem.text.numbers import number

# A mean residual correlation beyond this is flagged (Kline 2016, ISBN 978-1462523344).
LARGE = 0.10
# Standard errors beyond which a pair of answers is counted.
FAR = 3.0
SHOWN = 10


@dataclass(frozen=True, repr=False)
class Residuals(Described):
    """Residual correlations and means; `print` them.

    Attributes
    ----------
    table : DataFrame
        A row a pair of observed variables, the largest first: lhs, rhs, group, observed and
        implied correlation, mean, sd, lower, upper of the residual (observed - implied),
        p_large = P(|residual| > .10), large (whether |mean| > .10); of ordered variables
        correlations of latent responses, and x2, x2_df: chi-square of the table of both answers.
    means : DataFrame
        A row an observed variable: variable, group, mean, sd, lower, upper of (observed - implied
        mean) in standard deviations; empty without a mean structure.
    draws : DataArray (chain, draw, residual)
        Residual correlations in the order of the table, named "x1 ~~ x2".
    crmr : DataFrame
        group, mean, sd, lower, upper of the root mean square of the residual correlations over the
        p (p - 1) / 2 pairs; SRMR is a mean over p (p + 1) / 2 elements.
    ci_prob : float
        Probability of the equal-tailed intervals.
    notes : tuple of str
        What a reader must know, in words.
    cells : DataFrame
        Of ordered variables, a row a pair of answers to two of them, the furthest from what is
        expected first: lhs, rhs, lhs_answer, rhs_answer, group, observed and expected count, z
        (difference in standard errors).
    slopes : DataFrame
        Of ordered variables and numbers beside them in models with covariates, the largest first:
        variable, covariate, group, observed, implied, mean, sd, lower, upper of the residual,
        p_large, large; slopes of a regression on all covariates, in sds of the latent response
        (the number) given these a sd of the covariate.
    """

    table: pd.DataFrame
    means: pd.DataFrame
    draws: xr.DataArray
    crmr: pd.DataFrame
    ci_prob: float
    notes: tuple[str, ...]
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    slopes: pd.DataFrame = field(default_factory=pd.DataFrame)

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
        """How many are large, CRMR, and the largest."""
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
        crmr = "; ".join(
            (f"{r['group']}: " if r["group"] else "")
            + f"{number(r['mean'])} {interval_text((r['lower'], r['upper']))}"
            for r in self.crmr.to_dict("records")
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
                *(
                    [
                        column(shown, "x2", "X2 of the table", TENTHS),
                        column(shown, "x2_df", "df", COUNT),
                    ]
                    if len(self.cells)
                    else []
                ),
                marks(shown, "large", "large"),
            )
        )
        of = " of latent responses" if len(self.cells) else ""
        if len(self.slopes):
            of += " given the covariates"
        return Document.of(
            Heading(f"Residual correlations{of} (observed - implied)"),
            Paragraph(f"{count}. Root mean square (CRMR) {crmr}. The largest:"),
            pairs,
            *self._slopes(),
            *self._cells(),
            Notes(self.notes),
        )

    def _slopes(self) -> list[Block]:
        """The slopes on covariates that are furthest from the model's."""
        if self.slopes.empty:
            return []
        large, limit = int(self.slopes["large"].sum()), number(LARGE, 2)
        shown = self.slopes.head(max(SHOWN // 2, min(large, SHOWN)))
        count = (
            f"{large} of {len(self.slopes)} slopes on covariates "
            f"{'is' if large == 1 else 'are'} further than {limit} from the model's on average"
            if large
            else f"No slope on a covariate is further than {limit} from the model's on average "
            f"({len(self.slopes)} slopes)"
        )
        return [
            Paragraph(f"{count}. The furthest:"),
            Table(
                (
                    Column("", (shown["variable"] + " ~ " + shown["covariate"]).tolist()),
                    *labels(shown, ("group",)),
                    column(shown, "observed"),
                    column(shown, "implied"),
                    column(shown, "mean", "residual"),
                    intervals(shown, percent_text(self.ci_prob)),
                    column(shown, "p_large", f"P(|residual| > {limit})"),
                    marks(shown, "large", "large"),
                ),
                "Slopes on covariates (observed - implied)",
            ),
        ]

    def _cells(self) -> list[Block]:
        """The pairs of answers that are furthest from what the model expects."""
        if self.cells.empty:
            return []
        far = int((self.cells["z"].abs() > FAR).sum())
        shown = self.cells.head(SHOWN // 2)
        answers = [
            f"{r['lhs']} = {r['lhs_answer']}, {r['rhs']} = {r['rhs_answer']}"
            for r in shown.to_dict("records")
        ]
        return [
            Paragraph(
                f"{far} of {len(self.cells)} pairs of answers are more than {FAR:g} standard "
                "errors from their expected number. The furthest:"
            ),
            Table(
                (
                    Column("", answers),
                    *labels(shown, ("group",)),
                    column(shown, "observed", how=COUNT),
                    column(shown, "expected", how=TENTHS),
                    column(shown, "z", how=TENTHS),
                )
            ).without_empty(),
        ]


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
    refuse_tails(fit.prepared.table, "residual analysis")
    if fit.prepared.table.levels > 1:
        refuse_slopes(fit.prepared, "a residual correlation")
    refuse_design(fit.prepared.sample.design, "residual analysis")
    refuse_population(fit, "residuals")
    found = _of_answers(fit) if fit.prepared.table.answered else list(_of_numbers(fit, ci_prob))
    if not found:
        raise ModelError("the model explains one variable, which has no correlation to look at")
    frames = [_pairs(one, ci_prob) for one in found]
    table = pd.concat(frames, ignore_index=True)
    order = np.argsort(-table["mean"].abs().to_numpy(), kind="stable")
    table = table.iloc[order].reset_index(drop=True)
    first = ["lhs", "rhs", "group", "observed", "implied"]
    table = table[[*first, *(c for c in table.columns if c not in first)]]
    drawn = np.concatenate([one.value for one in found], axis=-1)
    overall = [_row(np.sqrt(np.mean(one.value**2, axis=-1)), one.group, ci_prob) for one in found]
    means = [one.means.assign(group=one.group) for one in found if one.means is not None]
    cells = [one.cells.assign(group=one.group) for one in found if one.cells is not None]
    columns = ["variable", "group", "mean", "sd", "lower", "upper"]
    return Residuals(
        table=table,
        means=pd.concat(means, ignore_index=True)[columns]
        if means
        else pd.DataFrame([], columns=columns),
        draws=xr.DataArray(
            drawn[..., order],
            dims=("chain", "draw", "residual"),
            coords={"residual": list(map(group_text, _names(table), table["group"]))},
            name="residuals",
        ),
        crmr=pd.DataFrame(overall),
        ci_prob=ci_prob,
        notes=_notes(fit),
        cells=_furthest(cells),
        slopes=_slopes(found, ci_prob),
    )


@dataclass(frozen=True)
class _Found:
    """Residuals of a group or level: pairs (lhs, rhs), correlations, and what is beside them."""

    group: str
    pairs: list[tuple[str, str]]
    observed: np.ndarray  # (pair,)
    implied: np.ndarray  # (chain, draw, pair)
    means: pd.DataFrame | None = None
    cells: pd.DataFrame | None = None
    tables: dict[str, np.ndarray] = field(default_factory=dict)  # of each pair
    regressed: list[tuple[str, str]] = field(default_factory=list)  # variables on covariates
    slopes: np.ndarray | None = None  # (slope,)
    implied_slopes: np.ndarray | None = None  # (chain, draw, slope)

    @property
    def value(self) -> np.ndarray:
        return self.observed - self.implied


def _furthest(cells: list[pd.DataFrame]) -> pd.DataFrame:
    """The cells of all groups in one order."""
    if not cells:
        return pd.DataFrame()
    out = pd.concat(cells, ignore_index=True)
    if out.empty:
        return out
    first = ["lhs", "rhs", "lhs_answer", "rhs_answer", "group"]
    out = out[[*first, *(c for c in out.columns if c not in first)]]
    return out.iloc[np.argsort(-out["z"].abs().to_numpy(), kind="stable")].reset_index(drop=True)


def _slopes(found: list[_Found], ci_prob: float) -> pd.DataFrame:
    """Slopes on covariates of all groups, the furthest from the model's first."""
    frames = []
    for one in found:
        if one.slopes is None or one.implied_slopes is None or not one.regressed:
            continue
        there = np.flatnonzero(~np.isnan(one.slopes))
        observed, implied = one.slopes[there], one.implied_slopes[..., there]
        value = observed - implied
        out = summarise(value, ci_prob=ci_prob, quality=False).drop(columns="p_positive")
        first = {
            "variable": [one.regressed[k][0] for k in there],
            "covariate": [one.regressed[k][1] for k in there],
            "group": one.group,
            "observed": observed,
            "implied": implied.mean(axis=(0, 1)),
        }
        for k, (name, values) in enumerate(first.items()):
            out.insert(k, name, values)
        out["p_large"] = np.mean(np.abs(value) > LARGE, axis=(0, 1))
        frames.append(out.assign(large=out["mean"].abs() > LARGE))
    if not frames:
        return pd.DataFrame()
    out = pd.concat(frames, ignore_index=True)
    order = np.argsort(-out["mean"].abs().to_numpy(), kind="stable")
    return out.iloc[order].reset_index(drop=True)


def _of_answers(fit: Fitted) -> list[_Found]:
    """Of a model with ordered answers."""
    given = fit.prepared.table.exogenous
    return [
        _Found(
            label,
            [(one.names[j], one.names[i]) for i, j in zip(one.rows, one.columns, strict=True)],
            one.observed,
            one.implied,
            cells=one.cells,
            tables={"x2": one.x2, "x2_df": one.x2_df},
            regressed=[(name, x) for name in one.names for x in given],
            slopes=one.slopes.ravel(),
            implied_slopes=one.implied_slopes.reshape(*one.implied_slopes.shape[:2], -1),
        )
        for label, one in zip(fit.prepared.sample.groups, pair_residuals(fit), strict=True)
    ]


def _of_numbers(fit: Fitted, ci_prob: float) -> Iterator[_Found]:
    """Of a model of normal variables, of each level what it has."""
    prepared, elements = fit.prepared, fit.elements
    sample, structure = prepared.sample, prepared.structure
    names = sample.variables
    given = [names.index(name) for name in prepared.table.exogenous]
    for g, (label, saturated) in enumerate(zip(sample.groups, _saturated(prepared), strict=True)):
        rows, columns = _looked_at(prepared, g, given)
        if not rows.size:
            continue
        moments = model_moments(structure, elements, group=g)
        with np.errstate(invalid="ignore"):  # variables that are not at a level have no correlation
            observed, implied = residual_correlations(
                saturated.covariance, moments.observed_covariance
            )
        if not np.isfinite(observed[rows, columns]).all():
            raise FitError(_no_variance(names, saturated.covariance, rows, label))
        means, without = None, _without_mean(prepared, g, given)
        if has_means(prepared.table) and len(set(without)) < len(names):
            sd = np.sqrt(np.diag(saturated.covariance))
            off = (saturated.mean - moments.observed_mean) / np.where(sd > 0, sd, np.nan)
            means = _means(names, without, ci_prob, off)
        yield _Found(
            label,
            [(names[j], names[i]) for i, j in zip(rows, columns, strict=True)],
            observed[rows, columns],
            implied[..., rows, columns],
            means=means,
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


def _pairs(found: _Found, ci_prob: float) -> pd.DataFrame:
    value = found.value
    out = summarise(value, ci_prob=ci_prob, quality=False).drop(columns="p_positive")
    out.insert(0, "lhs", [lhs for lhs, _ in found.pairs])
    out.insert(1, "rhs", [rhs for _, rhs in found.pairs])
    out.insert(2, "group", found.group)
    out["p_large"] = np.mean(np.abs(value) > LARGE, axis=(0, 1))
    out["large"] = out["mean"].abs() > LARGE
    return out.assign(
        observed=found.observed, implied=found.implied.mean(axis=(0, 1)), **found.tables
    )


def _means(
    names: Sequence[str], given: list[int], ci_prob: float, value: np.ndarray
) -> pd.DataFrame:
    keep = [j for j in range(len(names)) if j not in given]
    out = summarise(value[..., keep], ci_prob=ci_prob, quality=False).drop(columns="p_positive")
    out.insert(0, "variable", [names[j] for j in keep])
    return out


def _row(value: np.ndarray, label: str, ci_prob: float) -> dict:
    summary = summarise(value[..., None], ci_prob=ci_prob, quality=False).iloc[0]
    return {"group": label, **summary[["mean", "sd", "lower", "upper"]].to_dict()}


def _notes(fit: Fitted) -> tuple[str, ...]:
    notes = []
    if fit.prepared.table.answered:
        notes.append(
            "Observed correlations are polychoric ones (with a number: polyserial), those of the "
            "model what such would be. X2 compares the table of both answers with the expected "
            "one; it is large, for its degrees of freedom, where two items share more than the "
            "model says."
        )
    elif not fit.prepared.sample.complete:
        notes.append(
            "Observed correlations are those of the saturated model (EM): values are missing."
        )
    if fit.prepared.structure.products:
        notes.append(
            "Correlations see little of squares and products; a misfit of the curve shows in "
            'predictive_check("shape").'
        )
    if fit.prepared.table.exogenous and fit.prepared.table.answered:
        notes.append(
            "Correlations are those given the covariates "
            f"({', '.join(fit.prepared.table.exogenous)}). Slopes are those of a regression on all "
            "covariates, in standard deviations of the latent response given them for one of the "
            "covariate; one that is far off may be a direct effect that the model leaves out."
        )
    elif fit.prepared.table.exogenous:
        notes.append("Pairs of covariates are left out: the model takes them as they are.")
    return tuple(notes)
