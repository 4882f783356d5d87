"""Out-of-sample prediction of outcomes' indicators, against a linear model of all predictors.

As PLSpredict does for PLS: the sample is split into folds, the model is fitted without each in
turn, and the indicators of outcomes are predicted from the indicators of what explains them. The
benchmark is the linear regression of each outcome indicator on all these, without constructs.
Shmueli, G., Sarstedt, M., Hair, J. F., Cheah, J.-H., Ting, H., Vaithilingam, S. & Ringle, C. M.
(2019). Predictive model assessment in PLS-SEM: guidelines for using PLSpredict. European Journal of
Marketing, 53(11), 2322-2347. doi:10.1108/EJM-02-2019-0189
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.comparison.kfold import fold_of_respondents
from bayessem.comparison.refits import refit_without
from bayessem.errors import FitError, ModelError, NotSupported
from bayessem.model.level_data import refuse_levels
from bayessem.model.structure import Structure
from bayessem.model.thresholds import refuse_answers
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.results.standardize import model_moments
from bayessem.text.columns import column, labels
from bayessem.text.described import Described
from bayessem.text.document import Document, Notes, Paragraph, Table

# Draws of each refit of which the predictions are averaged.
DRAWS = 400


@dataclass(frozen=True, repr=False)
class OutOfSample(Described):
    """Predictions of outcomes' indicators for respondents that were left out; `print` it.

    Attributes
    ----------
    table : DataFrame
        A row an outcome's indicator: variable, q2 (1 - squared errors / those of the training
        mean), rmse, mae of the model, rmse_lm, mae_lm of the linear model, better (rmse below
        rmse_lm).
    predictions : DataFrame
        respondent, variable, fold, observed, predicted, predicted_lm.
    inputs : tuple of str
        What was known of the respondents that were left out.
    k, random_seed : int
        Folds, and their seed.
    notes : tuple of str
        Refits that are not to be trusted.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    inputs: tuple[str, ...]
    k: int
    random_seed: int
    notes: tuple[str, ...]

    @property
    def power(self) -> str:
        """Predictive power in the words of Shmueli et al. (2019): high, medium, low or none."""
        share = float(self.table["better"].mean())
        return "high" if share == 1 else "medium" if share > 0.5 else "low" if share > 0 else "none"

    def document(self) -> Document:
        """The verdict and the table."""
        t = self.table
        better = int(t["better"].sum())
        return Document.of(
            Paragraph(
                f"Out-of-sample prediction in {self.k} folds, from {', '.join(self.inputs)}: of "
                f"{len(t)} indicators {better} are predicted better than by the linear model of "
                f"all of these (predictive power: {self.power})."
            ),
            Table(
                (
                    *labels(t, ("variable",)),
                    column(t, "q2", "Q2 predict"),
                    column(t, "rmse", "RMSE"),
                    column(t, "rmse_lm", "RMSE linear"),
                    column(t, "mae", "MAE"),
                    column(t, "mae_lm", "MAE linear"),
                )
            ),
            Notes(
                (
                    "Q2 predict = 1 - squared errors / squared errors of the mean of the other "
                    "folds. Power: all indicators better than the linear model high, most medium, "
                    "some low (Shmueli et al. 2019). Folds by "
                    f"random_seed={self.random_seed}.",
                    *self.notes,
                )
            ),
        )


def _sides(structure: Structure) -> tuple[list[int], list[int]]:
    """Columns of the indicators of what is not explained, and of what is."""
    table = structure.table
    outcomes = {r.lhs for r in table.rows if r.op == "~"}
    if not outcomes:
        raise ModelError("the model has no paths (y ~ x), so there is nothing to predict")
    parts: dict[str, list[str]] = {name: list(items) for name, items in table.composites}
    for r in table.rows:
        if r.op == "=~" and r.group == 0:
            parts.setdefault(r.lhs, []).append(r.rhs)

    def items(name: str) -> list[str]:
        return [x for part in parts[name] for x in items(part)] if name in parts else [name]

    explained = dict.fromkeys(x for y in table.latent if y in outcomes for x in items(y))
    explained |= dict.fromkeys(y for y in outcomes if y in structure.observed)
    given = [i for i, x in enumerate(structure.observed) if x not in explained]
    wanted = [i for i, x in enumerate(structure.observed) if x in explained]
    if not given:
        raise ModelError(
            "everything observed belongs to outcomes; there is nothing to predict from"
        )
    return given, wanted


def _model_predictions(
    structure: Structure,
    elements: np.ndarray,
    rows: np.ndarray,
    given: list[int],
    wanted: list[int],
) -> np.ndarray:
    """Posterior mean of E[outcomes' indicators | predictors' indicators], (respondent, wanted)."""
    moments = model_moments(structure, elements)
    covariance, mean = moments.observed_covariance, moments.observed_mean
    inside = covariance[:, given][:, :, given]
    slopes = np.linalg.solve(inside, covariance[:, given][:, :, wanted])  # (draw, given, wanted)
    level = mean[:, wanted] - np.einsum("dg,dgw->dw", mean[:, given], slopes)
    return level.mean(axis=0) + rows @ slopes.mean(axis=0)


def _refuse(fit: Fitted) -> None:
    table, structure = fit.prepared.table, fit.prepared.structure
    refuse_population(fit, "out-of-sample prediction")
    refuse_answers(table, "out-of-sample prediction", tails=False)
    refuse_levels(table, "out-of-sample prediction")
    if structure.products or len(table.groups) > 1:
        what = "squares and products" if structure.products else "several groups"
        raise NotSupported(
            f"out-of-sample prediction against a linear model is there for linear models of one "
            f"group; with {what} compare models by fit.kfold()"
        )
    if not any(r.op == "~1" for r in table.rows):
        raise NotSupported("a model without means predicts nothing; fit it with meanstructure=True")
    if not fit.prepared.sample.complete:
        raise NotSupported(
            "out-of-sample prediction needs respondents without missing values; fit with "
            'missing="listwise"'
        )


@check_shared
def out_of_sample(
    fit: Fitted, *, k: int = 10, random_seed: int | None = None, progress: bool = False
) -> OutOfSample:
    """Predict the indicators of outcomes of respondents that were left out.

    Arguments, result and errors: `Fit.out_of_sample`.
    """
    _refuse(fit)
    prepared = fit.prepared
    structure, values = prepared.structure, prepared.sample.values
    if not 2 <= k <= len(values) // 2:
        raise FitError(
            f"k is at least 2 and at most half of the {len(values)} respondents, not {k}"
        )
    given, wanted = _sides(structure)
    seed = 0 if random_seed is None else random_seed
    fold = fold_of_respondents(prepared.sample, k, random_seed=seed)
    ours, linear, plain = (np.empty((len(values), len(wanted))) for _ in range(3))
    notes = []
    for f in range(k):
        if progress:
            print(f"bayessem: fold {f + 1} of {k} ...", file=sys.stderr)
        out = np.flatnonzero(fold == f)
        kept = np.flatnonzero(fold != f)
        again = refit_without(fit, out, random_seed=seed + 1 + f)
        flat = again.values.reshape(-1, again.values.shape[-1])
        some = np.linspace(0, len(flat) - 1, min(DRAWS, len(flat))).round().astype(int)
        elements = fit.density.elements(flat[some])
        ours[out] = _model_predictions(structure, elements, values[out][:, given], given, wanted)
        design = np.column_stack([np.ones(len(values)), values[:, given]])
        slopes = np.linalg.lstsq(design[kept], values[kept][:, wanted], rcond=None)[0]
        linear[out] = design[out] @ slopes
        plain[out] = values[kept][:, wanted].mean(axis=0)
        if again.doubtful:
            notes.append(f"The refit without fold {f + 1}: {again.trouble}")
    truth = values[:, wanted]
    names = [structure.observed[i] for i in wanted]
    error, error_lm = truth - ours, truth - linear
    table = pd.DataFrame(
        {
            "variable": names,
            "q2": 1.0 - (error**2).sum(axis=0) / ((truth - plain) ** 2).sum(axis=0),
            "rmse": np.sqrt((error**2).mean(axis=0)),
            "mae": np.abs(error).mean(axis=0),
            "rmse_lm": np.sqrt((error_lm**2).mean(axis=0)),
            "mae_lm": np.abs(error_lm).mean(axis=0),
        }
    )
    table["better"] = table["rmse"] < table["rmse_lm"]
    rows = [str(r) for r in prepared.sample.rows]
    predictions = pd.DataFrame(
        {
            "respondent": np.repeat(rows, len(names)),
            "variable": np.tile(names, len(rows)),
            "fold": np.repeat(fold + 1, len(names)),
            "observed": truth.ravel(),
            "predicted": ours.ravel(),
            "predicted_lm": linear.ravel(),
        }
    )
    inputs = tuple(structure.observed[i] for i in given)
    return OutOfSample(table, predictions, inputs, k, seed, tuple(notes))
