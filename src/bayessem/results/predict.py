"""Predictions for new rows: what is unknown in each, given what is known in it and the posterior.

For each of some draws of the parameters the latent variables of a row are drawn given its known
values (scores.py: exact, products included), then its unknown indicators given both. Averaged over
draws this is the posterior predictive distribution p(unknown | known, data).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import between, check_shared, texts, whole_number
from bayessem.errors import DataError, FitError, ModelError, NotSupported
from bayessem.model.columns import number_column
from bayessem.model.conditioning import has_means
from bayessem.model.data import Sample
from bayessem.model.frames import as_frame
from bayessem.model.group_column import group_labels, require_group
from bayessem.model.level_data import refuse_levels
from bayessem.model.structure import Structure
from bayessem.model.thresholds import refuse_answers
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.intervention import deviations, normal_root
from bayessem.results.scores import draw_scores
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Document, Notes, Paragraph, Table

DRAWS = 400
# Rows that are printed.
SHOWN = 20


@dataclass(frozen=True, repr=False)
class Prediction(Described):
    """Predicted values of new rows.

    Attributes
    ----------
    draws : DataArray (draw, respondent, variable)
        Posterior predictive draws; a value that was known is itself in every draw.
    known : tuple of str
        The variables that the predictions rest on, in at least one row.
    table : DataFrame
        A row a respondent and variable: mean, sd, lower, upper of what is predicted.
    """

    draws: xr.DataArray
    known: tuple[str, ...]
    table: pd.DataFrame

    def document(self) -> Document:
        """What was predicted from what, and the first rows."""
        rows = self.draws.sizes["respondent"]
        names = ", ".join(str(x) for x in self.draws["variable"].values)
        head = (
            f"Predictions of {names} for {rows} new row{'s' * (rows != 1)} from "
            f"{', '.join(self.known) or 'nothing but the model'} (posterior predictive "
            f"distribution, {self.draws.sizes['draw']} draws): intervals hold the parameters' "
            "uncertainty and the residuals."
        )
        shown, left = self.table.head(SHOWN), len(self.table) - SHOWN
        table = Table(
            (
                *labels(shown, ("row", "variable")),
                column(shown, "mean"),
                column(shown, "sd"),
                intervals(shown, "interval"),
            )
        )
        return Document.of(
            Paragraph(head), table, Notes((f"... {left} more in .table",) if left > 0 else ())
        )


@check_shared
def predict(
    fit: Fitted,
    new_rows: pd.DataFrame,
    *,
    variables: str | Sequence[str] | None = None,
    draws: int = DRAWS,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> Prediction:
    """Predict observed variables or constructs of new rows from their known values.

    Arguments, result and errors: `Fit.predict`.
    """
    refuse_answers(fit.prepared.table, "prediction for new rows")
    refuse_levels(fit.prepared.table, "prediction for new rows")
    prepared = fit.prepared
    structure, table = prepared.structure, prepared.table
    if not has_means(table):
        raise NotSupported(
            "a model without a mean structure predicts deviations from means that it does not "
            "have; fit it with meanstructure=True"
        )
    draws = whole_number("draws", draws, FitError)
    ci_prob = between("ci_prob", ci_prob, FitError, 0, 1)
    random_seed = whole_number("random_seed", random_seed, FitError, least=0)
    sample = _new_sample(new_rows, prepared.sample, fit.settings.get("group"))
    wanted = _wanted(structure, sample, variables)
    if variables is not None:
        sample = _without(sample, wanted)
    _check_required(structure, sample)
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    chosen = np.linspace(0, len(flat) - 1, min(draws, len(flat))).round().astype(int)
    rng = np.random.default_rng(random_seed)
    latent = [structure.variables.index(x) for x in wanted if x not in structure.observed]
    observed = [structure.observed.index(x) for x in wanted if x in structure.observed]
    names = [structure.variables[i] for i in latent] + [structure.observed[i] for i in observed]
    out = np.empty((len(chosen), sample.size, len(names)))
    for at, k in enumerate(chosen):
        eta = draw_scores(structure, flat[k], sample, rng)
        out[at, :, : len(latent)] = eta[:, latent]
        out[at, :, len(latent) :] = _observed(structure, flat[k], sample, eta, rng)[:, observed]
    order = [names.index(x) for x in wanted]
    out = out[..., order]
    known = [x for x, c in zip(sample.variables, sample.values.T, strict=True) if _any_known(c)]
    return Prediction(
        xr.DataArray(
            out,
            dims=("draw", "respondent", "variable"),
            coords={"respondent": [str(r) for r in sample.rows], "variable": list(wanted)},
            name="prediction",
        ),
        tuple(known),
        _table(out, sample.rows, wanted, ci_prob),
    )


def _any_known(column: np.ndarray) -> bool:
    return bool((~np.isnan(column)).any())


def _new_sample(new_rows: pd.DataFrame, old: Sample, group: str | None) -> Sample:
    """The new rows as a sample: unknown values are nan, groups those of the fit."""
    new_rows = as_frame(new_rows, "the new rows have")
    if not len(new_rows):
        raise DataError("there are no rows to predict")
    values = np.full((len(new_rows), len(old.variables)), np.nan)
    for j, name in enumerate(old.variables):
        if name in new_rows.columns:
            values[:, j] = number_column(new_rows, name, "the new rows")
    if np.isinf(values).any():
        raise DataError("infinite values in the new rows; leave unknown cells empty")
    code = np.zeros(len(new_rows), dtype=np.int64)
    if len(old.groups) > 1:
        if group is None or group not in new_rows.columns:
            raise DataError(f"the new rows need the column of the groups, {group!r}")
        position = {label: g for g, label in enumerate(old.groups)}
        labels = group_labels(require_group(new_rows, group))
        strangers = sorted({x for x in labels if x not in position})
        if strangers:
            raise DataError(
                f"the model has no group {strangers[0]!r}; its groups: {', '.join(old.groups)}"
            )
        code = np.array([position[x] for x in labels], dtype=np.int64)
    return Sample(old.variables, old.groups, values, code, new_rows.index, ())


def _wanted(
    structure: Structure, sample: Sample, variables: str | Sequence[str] | None
) -> tuple[str, ...]:
    """What to predict, checked."""
    if variables is None:
        unknown = np.isnan(sample.values).any(axis=0)
        found = tuple(x for x, u in zip(sample.variables, unknown, strict=True) if u)
        if not found:
            raise ModelError(
                "nothing is unknown in the new rows; say what to predict with variables=, for "
                f"example {structure.observed[0]!r}"
            )
        return found
    asked = texts("variables", variables, ModelError, example=repr(structure.observed[0]))
    possible = (*structure.table.latent, *structure.observed)
    for name in asked:
        if name not in possible:
            raise ModelError(
                f"{name!r} is not a variable of the model; those are {', '.join(possible)}"
            )
    return tuple(dict.fromkeys(asked))


def _without(sample: Sample, wanted: Sequence[str]) -> Sample:
    """The sample with what is to be predicted unknown."""
    values = sample.values.copy()
    values[:, [sample.variables.index(x) for x in wanted if x in sample.variables]] = np.nan
    return Sample(
        sample.variables, sample.groups, values, sample.group, sample.rows, sample.dropped
    )


def _check_required(structure: Structure, sample: Sample) -> None:
    """Covariates and observed factors of products have to be known."""
    factors = {structure.variables[i] for pair in structure.products for i in pair}
    for name in sample.variables:
        gone = np.isnan(sample.values[:, sample.variables.index(name)])
        if not gone.any():
            continue
        if name in structure.table.exogenous:
            raise DataError(
                f"{name!r} is a covariate that the model conditions on, and is unknown for "
                f"{int(gone.sum())} of the new rows; give its values (or fit with fixed_x=False)"
            )
        if name in factors:
            raise DataError(
                f"{name!r} is a factor of a product, and is unknown for {int(gone.sum())} of the "
                "new rows; give its values"
            )


def _observed(
    structure: Structure,
    elements: np.ndarray,
    sample: Sample,
    eta: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Observed variables (respondent, p): known ones as they are, the others drawn given `eta`."""
    out = sample.values.copy()
    for group, columns, members in sample.patterns():
        matrices = structure.matrices(elements, group)
        mean = matrices["intercepts"] + eta[members] @ matrices["loadings"].T
        gone = np.setdiff1d(np.arange(len(structure.observed)), columns)
        theta = matrices["residuals"]
        # Observed variables with a structural role have no residual: the inverse is a pseudo one.
        known = theta[np.ix_(columns, columns)]
        size = np.outer(deviations(known), deviations(known))
        slope = theta[np.ix_(gone, columns)] @ (np.linalg.pinv(known / size) / size)
        spread = theta[np.ix_(gone, gone)] - slope @ theta[np.ix_(columns, gone)]
        noise = rng.standard_normal((len(members), len(gone))) @ normal_root(spread).T
        residual = sample.values[np.ix_(members, columns)] - mean[:, columns]
        out[np.ix_(members, gone)] = mean[:, gone] + residual @ slope.T + noise
    return out


def _table(draws: np.ndarray, rows: pd.Index, names: Sequence[str], ci_prob: float) -> pd.DataFrame:
    flat = draws.reshape(1, len(draws), -1)
    out = summarise(flat, ci_prob=ci_prob, quality=False).drop(columns="p_positive")
    out.insert(0, "row", rows.to_flat_index().repeat(len(names)))
    out.insert(1, "variable", list(names) * len(rows))
    return out
