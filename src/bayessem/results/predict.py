"""Predictions for new rows: what is unknown in each, given what is known in it and the posterior.

For each of some draws of the parameters the latent variables of a row are drawn given its known
values (scores.py: exact, products included), then its unknown indicators given both. Averaged over
draws this is the posterior predictive distribution p(unknown | known, data). Of ordered answers the
probabilities of the categories are predicted (answer_predictions.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import between, check_shared, texts, whole_number
from bayessem.errors import DataError, FitError, ModelError, NotSupported
from bayessem.model.answer_engine import closed_form
from bayessem.model.categories import category_codes
from bayessem.model.columns import number_column
from bayessem.model.companions import read_answers
from bayessem.model.conditioning import has_means
from bayessem.model.data import Sample
from bayessem.model.frames import as_frame
from bayessem.model.group_column import group_labels, require_group
from bayessem.model.structure import Structure
from bayessem.results.answer_predictions import AnswerPredictions, predict_answers
from bayessem.results.censored_values import completed
from bayessem.results.dispersions import limited
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.intervention import deviations, normal_root
from bayessem.results.level_draws import (
    beside_clusters,
    check_slope_predictors,
    draw_levels,
    with_cluster_values,
)
from bayessem.results.level_scores import level_names
from bayessem.results.scores import draw_scores
from bayessem.results.tails import scale_given
from bayessem.syntax.responses import DURATIONS, Responses
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Block, Document, Notes, Paragraph, Table

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
        A row a respondent and variable: mean, sd, lower, upper of what is predicted. Without
        ordered variables.
    categories : DataFrame
        Of ordered variables, a row a respondent, variable and category: probability (posterior
        mean), lower, upper (what is not known of the parameters). Empty without any.
    clusters : str
        Of a two-level model, in words: how many clusters are known and how many are new.
    """

    draws: xr.DataArray
    known: tuple[str, ...]
    table: pd.DataFrame
    categories: pd.DataFrame = field(default_factory=pd.DataFrame)
    clusters: str = ""

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
        told = Paragraph(head + (f" {self.clusters}" if self.clusters else ""))
        return Document.of(told, *self._values(), *self._categories())

    def _values(self) -> Iterator[Block]:
        """What is predicted of variables that are numbers."""
        shown, left = self.table.head(SHOWN), len(self.table) - SHOWN
        if len(shown):
            yield Table(
                (
                    *labels(shown, ("row", "variable")),
                    column(shown, "mean"),
                    column(shown, "sd"),
                    intervals(shown, "interval"),
                )
            )
        if left > 0:
            yield Notes(
                (f"... and {left} more (.table of the result in Python, or --json, has all)",)
            )

    def _categories(self) -> Iterator[Block]:
        """Probabilities of the categories of ordered variables."""
        if not len(self.categories):
            return
        shown, left = self.categories.head(SHOWN), len(self.categories) - SHOWN
        yield Table(
            (
                *labels(shown, ("row", "variable", "category")),
                column(shown, "probability"),
                intervals(shown, "interval"),
            ),
            "Probabilities of the categories",
        )
        yield Notes(
            (
                *((f"... {left} more in .categories",) if left > 0 else ()),
                "Intervals of probabilities are about what is not known of the parameters.",
            )
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
    group = fit.settings.get("group")
    if table.levels > 1:
        return _of_levels(fit, new_rows, group, variables, draws, ci_prob, random_seed)
    sample = _new_sample(new_rows, prepared.sample, group, table.responses)
    wanted = _wanted(structure, sample, variables)
    if variables is not None:
        sample = _without(sample, wanted)
    _check_required(structure, sample)
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    chosen = np.linspace(0, len(flat) - 1, min(draws, len(flat))).round().astype(int)
    rng = np.random.default_rng(random_seed)
    outcomes = closed_form(structure)
    if table.answered and not outcomes:
        found = predict_answers(structure, flat[chosen], sample, wanted, rng)
        return _of_answers(found, prepared.sample, sample, wanted, ci_prob)
    latent = [structure.variables.index(x) for x in wanted if x not in structure.observed]
    observed = [structure.observed.index(x) for x in wanted if x in structure.observed]
    names = [structure.variables[i] for i in latent] + [structure.observed[i] for i in observed]
    out = np.empty((len(chosen), sample.size, len(names)))
    for at, k in enumerate(chosen):
        rows = completed(structure, flat[k], sample, rng) if outcomes else sample
        scale = scale_given(structure, flat[k], rows, rng)
        eta = draw_scores(structure, flat[k], rows, rng, scale)
        out[at, :, : len(latent)] = eta[:, latent]
        out[at, :, len(latent) :] = _observed(
            structure, flat[k], rows, eta, np.broadcast_to(scale, sample.size), rng
        )[:, observed]
    for outcome in set(outcomes) & set(names):
        at = names.index(outcome)
        out[..., at] = _as_measured(out[..., at], outcome, table.responses)
    order = [names.index(x) for x in wanted]
    out = out[..., order]
    table_of = _table(out, sample.rows, wanted, ci_prob)
    return Prediction(_draws(out, sample, wanted), _known(sample), table_of)


def _as_measured(predictor: np.ndarray, outcome: str, responses: Responses) -> np.ndarray:
    """Values of a log-normal duration or tobit outcome, from the scale of its predictor."""
    if responses.others[outcome] in DURATIONS:
        predictor = np.exp(predictor)
    return limited(predictor, responses.censored.get(outcome))


def _of_levels(
    fit: Fitted,
    new_rows: pd.DataFrame,
    group: str | None,
    variables: str | Sequence[str] | None,
    draws: int,
    ci_prob: float,
    random_seed: int,
) -> Prediction:
    """Predictions of a two-level model: given what is known of the others of the cluster, too."""
    structure, old = fit.prepared.structure, fit.prepared.sample
    frame = as_frame(new_rows, "the new rows have")
    rows = _new_sample(frame, old, group, structure.table.responses)
    constructs = [name for name, _, _ in level_names(structure)]
    wanted = _wanted(structure, rows, variables, constructs)
    if variables is not None:
        rows = _without(rows, wanted)
    alone = structure.table.between_only
    found = with_cluster_values(beside_clusters(frame, rows, old), alone)
    rows = replace(rows, values=found.sample.values[found.new])
    _check_required(structure, rows)
    check_slope_predictors(structure, rows)
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    chosen = np.linspace(0, len(flat) - 1, min(draws, len(flat))).round().astype(int)
    rng = np.random.default_rng(random_seed)
    out = draw_levels(structure, flat[chosen], found.sample, found.new, wanted, rng)
    said = (
        f"{found.known} of their clusters known from the data, whose respondents count, too; "
        f"{found.strange} new."
    )
    table = _table(out, rows.rows, wanted, ci_prob)
    return Prediction(_draws(out, rows, wanted), _known(rows), table, clusters=said)


def _draws(out: np.ndarray, sample: Sample, wanted: Sequence[str]) -> xr.DataArray:
    """Predictive draws with their names."""
    return xr.DataArray(
        out,
        dims=("draw", "respondent", "variable"),
        coords={"respondent": [str(r) for r in sample.rows], "variable": list(wanted)},
        name="prediction",
    )


def _known(sample: Sample) -> tuple[str, ...]:
    """The variables that are known in at least one row."""
    columns = zip(sample.variables, sample.values.T, strict=True)
    return tuple(x for x, c in columns if _any_known(c))


def _of_answers(
    found: AnswerPredictions, old: Sample, sample: Sample, wanted: Sequence[str], ci_prob: float
) -> Prediction:
    """Predictions of a model with ordered answers; codes in draws where these are numbers."""
    draws = found.draws
    frames = []
    for name, chances in found.probabilities.items():
        codes = old.categories[old.variables.index(name)]
        frame = _table(chances.reshape(len(chances), -1), sample.rows, [name] * len(codes), ci_prob)
        frame.insert(2, "category", [str(c) for c in codes] * sample.size)
        frames.append(frame.rename(columns={"mean": "probability"}).drop(columns="sd"))
        if all(isinstance(c, int) for c in codes):
            at = list(wanted).index(name)
            draws[..., at] = np.array(codes)[draws[..., at].astype(np.int64)]
    plain = [c for c, name in enumerate(wanted) if name not in found.probabilities]
    names = [wanted[c] for c in plain]
    table = _table(draws[..., plain], sample.rows, names, ci_prob)
    every = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if len(every):  # row by row, as the table
        position = {row: k for k, row in enumerate(sample.rows.to_flat_index())}
        every = every.sort_values("row", key=lambda r: r.map(position), kind="stable")
        every = every.reset_index(drop=True)
    return Prediction(_draws(draws, sample, wanted), _known(sample), table, every)


def _any_known(column: np.ndarray) -> bool:
    return bool((~np.isnan(column)).any())


def _new_sample(
    new_rows: pd.DataFrame, old: Sample, group: str | None, responses: Responses
) -> Sample:
    """The new rows as a sample: unknown values are nan, groups those of the fit."""
    new_rows = as_frame(new_rows, "the new rows have")
    if not len(new_rows):
        raise DataError("there are no rows to predict")
    values = np.full((len(new_rows), len(old.variables)), np.nan)
    beside = {}
    for j, name in enumerate(old.variables):
        if name in responses.others:
            values[:, j], beside[name] = read_answers(new_rows, name, responses, partial=True)
        elif name in new_rows.columns and name in old.ordered:
            values[:, j] = category_codes(new_rows, name, old.categories[j], "the new rows")
        elif name in new_rows.columns:
            values[:, j] = number_column(new_rows, name, "the new rows")
    strangers = list(map(str, new_rows.columns))
    if strangers and not {*strangers} & {*old.variables, str(group)}:
        raise DataError(
            f"no column of the new rows is a variable of the model; they have "
            f"{', '.join(strangers[:12])}, and the model {', '.join(old.variables)}"
        )
    if np.isinf(values).any():
        raise DataError("infinite values in the new rows; leave unknown cells empty")
    code = np.zeros(len(new_rows), dtype=np.int64)
    groups = old.model_groups
    if len(groups) > 1:
        if group is None or group not in new_rows.columns:
            raise DataError(f"the new rows need the column of the groups, {group!r}")
        position = {label: g for g, label in enumerate(groups)}
        labels = group_labels(require_group(new_rows, group))
        strangers = sorted({x for x in labels if x not in position})
        if strangers:
            raise DataError(
                f"the model has no group {strangers[0]!r}; its groups: {', '.join(groups)}"
            )
        code = np.array([position[x] for x in labels], dtype=np.int64)
    return Sample(
        old.variables,
        old.groups,
        values,
        code,
        new_rows.index,
        (),
        categories=old.categories,
        beside=beside,
    )


def _wanted(
    structure: Structure,
    sample: Sample,
    variables: str | Sequence[str] | None,
    constructs: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """What to predict, checked; constructs by their names at the levels of a two-level model."""
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
    latent = structure.table.latent if constructs is None else constructs
    possible = (*latent, *structure.observed)
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
    return replace(sample, values=values)


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
    scale: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Observed variables (respondent, p): known ones as they are, the others drawn given `eta`.

    scale : as in `scores.draw_scores`.
    """
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
        noise *= scale[members, None]
        out[np.ix_(members, gone)] = mean[:, gone] + residual @ slope.T + noise
    return out


def _table(draws: np.ndarray, rows: pd.Index, names: Sequence[str], ci_prob: float) -> pd.DataFrame:
    flat = draws.reshape(1, len(draws), len(rows) * len(names))
    if not flat.shape[-1]:
        return pd.DataFrame(columns=["row", "variable", "mean", "sd", "lower", "upper"])
    out = summarise(flat, ci_prob=ci_prob, quality=False).drop(columns="p_positive")
    out.insert(0, "row", rows.to_flat_index().repeat(len(names)))
    out.insert(1, "variable", list(names) * len(rows))
    return out
