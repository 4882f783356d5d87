"""Predictive checks, which ask whether data drawn from the model look like the data.

Gelman, Meng & Stern (1996), Statistica Sinica 6, 733-760.

Before the data are used (prior predictive) they show what the priors expect; after (posterior
predictive) what the model cannot reproduce. Three looks: correlations of all pairs, the
distribution of each indicator, and the curve of a quadratic relation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.criticism.answers import Answers, Look, answers_of, beyond_note, shares_look
from bayessem.criticism.looks import (
    SHARE,
    censored_durations,
    indicators_of,
    look_at,
    ordered_scales,
    quadratic_relation,
    score_range,
)
from bayessem.criticism.replicate import BLOCK, replicate, spaced_draws
from bayessem.errors import ModelError
from bayessem.model.design import refuse_design
from bayessem.model.prepare import Prepared
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.prior_draws import prior_draws
from bayessem.results.estimates import tail_probability
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.text.columns import column, intervals, labels, marks
from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import group_text, percent_text
from bayessem.text.numbers import number

DRAWS = 400
# Replicated data sets that are kept, for figures.
KEPT = 20
SHOWN = 12
GRID = 41
NUMBERS = {
    "correlations": "correlations",
    "indicators": "numbers of the indicators",
    "shape": "coefficients of the curve",
}
PRIOR_NOTE = (
    "These are data that the priors expect before any are seen. Data outside are no misfit; ask "
    "whether the drawn ones are conceivable at all."
)


@dataclass(frozen=True, repr=False)
class PredictiveCheck(Described):
    """Numbers of the data beside those of data drawn from the model; `print` it.

    Attributes
    ----------
    check : str
        "correlations", "indicators" or "shape".
    prior : bool
        Whether the model's parameters were drawn from the prior instead of the posterior.
    table : DataFrame
        A row a number: quantity, statistic, group, observed, mean, lower, upper of the replicated
        data, p = P(replicated > observed) + half of P(equal), surprising (outside the interval);
        the most surprising first.
    draws : DataArray (draw, quantity)
        Of the replicated data, in the order of the table.
    replicated : ndarray (data set, respondent, p)
        Some of the data sets themselves.
    observed : DataFrame
        The data.
    curves : DataFrame
        For "shape": group, x, observed, mean, lower, upper of the fitted curve; else empty.
    ci_prob : float
        Probability of the intervals.
    notes : tuple of str
        What a reader must know, in words.
    categories : DataFrame
        For "indicators", of variables that take few values (`criticism/answers.py`): variable,
        answer, observed share, and mean, lower, upper of the share in replicated data. Of all
        groups together. Of variables that are numbers first and last are values drawn beyond the
        scale; of ordered ones the answers are the categories, and with several groups `group`
        tells whose they are.
    """

    check: str
    prior: bool
    table: pd.DataFrame
    draws: xr.DataArray
    replicated: np.ndarray
    observed: pd.DataFrame
    curves: pd.DataFrame
    ci_prob: float
    notes: tuple[str, ...]
    categories: pd.DataFrame

    def document(self) -> Document:
        """How many numbers of the data surprise, and the most surprising."""
        table, shown, percent = self.table, self.table.head(SHOWN), percent_text(self.ci_prob)
        several = table["statistic"].nunique() > 1  # of both levels, or of indicators
        what = "numbers of the two levels" if several and self.check == "correlations" else ""
        said = (
            f"{int(table['surprising'].sum())} of {len(table)} {what or NUMBERS[self.check]} of "
            "the data "
            f"lie outside the {percent} of data drawn from the model"
        )
        if not self.prior and len(table) > 10:
            expected = number((1.0 - self.ci_prob) * len(table), 0)
            said += f" (about {expected} would by chance if they were independent)"
        names = ("quantity", *(["statistic"] if several else []), "group")
        numbers = Table(
            (
                *labels(shown, names, titles={"quantity": "", "statistic": ""}),
                column(shown, "observed", "data"),
                column(shown, "mean", "model"),
                intervals(shown, percent),
                column(shown, "p", "P(model > data)"),
                marks(shown, "surprising", "surprising"),
            )
        )
        return Document.of(
            Heading(
                f"{'Prior' if self.prior else 'Posterior'} predictive check: {self.check}, "
                f"{self.draws.sizes['draw']} replicated data sets"
            ),
            Paragraph(f"{said}."),
            numbers,
            Notes(self.notes),
        )


@check_shared
def predictive_check(
    fit: Fitted,
    check: str = "correlations",
    *,
    x: str | None = None,
    y: str | None = None,
    prior: bool = False,
    draws: int = DRAWS,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> PredictiveCheck:
    """Compare the data with data drawn from a fitted model.

    Arguments, result and errors: `Fit.predictive_check`.
    """
    refuse_design(fit.prepared.sample.design, "a predictive check")
    refuse_population(fit, "predictive checks")
    options: dict[str, Any] = {"x": x, "y": y, "ci_prob": ci_prob, "random_seed": random_seed}
    if prior:
        return prior_predictive_check(fit.prepared, check, draws=draws, **options)
    elements = spaced_draws(fit.elements, draws)
    return check_elements(fit.prepared, elements, check, prior=False, **options)


@check_shared
def prior_predictive_check(
    prepared: Prepared,
    check: str = "indicators",
    *,
    x: str | None = None,
    y: str | None = None,
    draws: int = DRAWS,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> PredictiveCheck:
    """Compare the data with data drawn from the priors; nothing is sampled.

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    check, x, y, draws, ci_prob, random_seed
        As in `predictive_check`.

    Raises
    ------
    PriorError
        For an improper prior, naming the parameter.
    """
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = prior_draws(
        prepared.space, prepared.structure, density, draws=draws, random_seed=random_seed
    )
    elements = density.elements(values)
    return check_elements(
        prepared,
        elements,
        check,
        x=x,
        y=y,
        prior=True,
        ci_prob=ci_prob,
        random_seed=random_seed,
    )


def check_elements(
    prepared: Prepared,
    elements: np.ndarray,
    check: str,
    *,
    x: str | None = None,
    y: str | None = None,
    prior: bool,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> PredictiveCheck:
    """The check at given draws (draw, elements); see `predictive_check`."""
    sample, structure = prepared.sample, prepared.structure
    relation = quadratic_relation(structure, x, y) if check == "shape" else None
    blocks = range(0, len(sample.groups), prepared.table.levels)
    groups = [sample.group == g for g in blocks]
    named = sample.model_groups
    looks = [look_at(prepared, check, own, relation=relation) for own in groups]
    if not any(look.names for look in looks):
        raise ModelError(
            "the model explains one variable, which has no correlation to look at; "
            'check="indicators" looks at its distribution'
        )
    scales = _scales(prepared) if check == "indicators" else []
    shares = shares_look(scales)  # of the respondents of all groups
    everyone = np.ones(len(sample.values), dtype=bool)
    drawn, kept = _measured(prepared, elements, [*looks, shares], [*groups, everyone], random_seed)
    found = [look.measure(sample.values[own]) for look, own in zip(looks, groups, strict=True)]
    rows = [
        {"quantity": quantity, "statistic": statistic, "group": label}
        for look, label in zip(looks, named, strict=True)
        for quantity, statistic in look.names
    ]
    table, order = _table(rows, np.concatenate(found), np.concatenate(drawn[:-1], axis=-1), ci_prob)
    names = map(group_text, table["quantity"] + " " + table["statistic"], table["group"])
    curves = pd.DataFrame()
    if relation is not None:
        spans = [score_range(structure, sample.values[own], relation[0]) for own in groups]
        parts = [
            _curve(f, d, span, ci_prob) for f, d, span in zip(found, drawn[:-1], spans, strict=True)
        ]
        labelled = [c.assign(group=g) for c, g in zip(parts, named, strict=True)]
        curves = pd.concat(labelled, ignore_index=True)
    return PredictiveCheck(
        check=check,
        prior=prior,
        table=table,
        draws=xr.DataArray(
            np.concatenate(drawn[:-1], axis=-1)[:, order],
            dims=("draw", "quantity"),
            coords={"quantity": list(names)},
            name=check,
        ),
        replicated=kept,
        observed=pd.DataFrame(sample.values, columns=list(sample.variables), index=sample.rows),
        curves=curves,
        ci_prob=ci_prob,
        notes=(
            *beyond_note(scales, drawn[-1].mean(axis=0)),
            *_notes(prepared, check, relation),
            *([PRIOR_NOTE] if prior else []),
        ),
        categories=_with_groups(
            _categories(shares, sample.values, drawn[-1], ci_prob), table, named
        ),
    )


def _scales(prepared: Prepared) -> list[Answers]:
    """Scales of the variables that take few values, without covariates, which are not drawn."""
    sample = prepared.sample
    other = {*prepared.table.exogenous, *sample.ordered, *censored_durations(prepared)}
    found = [
        answers_of(name, j, sample.values[:, j])
        for j, name in enumerate(sample.variables)
        if name not in other
    ]
    every = [*(scale for scale in found if scale is not None), *ordered_scales(prepared)]
    return sorted(every, key=lambda scale: scale.position)


def _categories(look: Look, data: np.ndarray, copies: np.ndarray, ci_prob: float) -> pd.DataFrame:
    """Shares of the answers in the data beside those in replicated data (data set, answer)."""
    out = pd.DataFrame(list(look.names), columns=["variable", "answer"])
    tail = tail_probability(ci_prob)
    out["observed"] = look.measure(data)
    out["mean"] = copies.mean(axis=0)
    out["lower"], out["upper"] = np.quantile(copies, [tail, 1.0 - tail], axis=0)
    return out


def _with_groups(shares: pd.DataFrame, table: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """Shares of all groups together and, of ordered variables, of each: out of the numbers."""
    own = table[table["statistic"].str.startswith(SHARE)]
    if len(groups) == 1 or own.empty:
        return shares
    own = own.assign(variable=own["quantity"], answer=own["statistic"].str.removeprefix(SHARE))
    own = own[["variable", "answer", "group", "observed", "mean", "lower", "upper"]]
    place = shares[["variable", "answer"]]  # in the order of the answers
    each = [place.merge(own[own["group"] == g], on=["variable", "answer"]) for g in groups]
    return pd.concat([shares.assign(group=""), *each], ignore_index=True)


def _measured(
    prepared: Prepared,
    elements: np.ndarray,
    looks: Sequence[Look],
    groups: Sequence[np.ndarray],
    random_seed: int,
) -> tuple[list[np.ndarray], np.ndarray]:
    """The numbers of the replicated data, (draw, quantity) by group, and a few of the data sets.

    The data are drawn block by block, which bounds the memory.
    """
    rng = np.random.default_rng(random_seed)
    step = max(1, BLOCK // prepared.sample.values.size)
    wanted = np.linspace(0, len(elements) - 1, min(KEPT, len(elements))).round().astype(int)
    blocks: list[list[np.ndarray]] = [[] for _ in groups]
    kept = []
    for start in range(0, len(elements), step):
        part = replicate(prepared, elements[start : start + step], random_seed=rng)
        for block, look, own in zip(blocks, looks, groups, strict=True):
            block.append(look.measure(part[:, own]))
        here = wanted[(wanted >= start) & (wanted < start + step)] - start
        kept.append(part[here])
    return [np.concatenate(b) for b in blocks], np.concatenate(kept)


def _curve(
    found: np.ndarray, drawn: np.ndarray, span: tuple[float, float], ci_prob: float
) -> pd.DataFrame:
    """The quadratic of the data (3,) and the band of those of replicated data (draw, 3)."""
    grid = np.linspace(*span, GRID)
    powers = np.stack([np.ones_like(grid), grid, grid**2])
    lines = drawn @ powers
    tail = tail_probability(ci_prob)
    lower, upper = np.quantile(lines, [tail, 1.0 - tail], axis=0)
    columns = {"x": grid, "observed": found @ powers, "mean": lines.mean(axis=0)}
    return pd.DataFrame({**columns, "lower": lower, "upper": upper})


def _table(
    rows: list[dict], observed: np.ndarray, copies: np.ndarray, ci_prob: float
) -> tuple[pd.DataFrame, np.ndarray]:
    tail = tail_probability(ci_prob)
    lower, upper = np.nanquantile(copies, [tail, 1.0 - tail], axis=0)
    p = np.nanmean((copies > observed) + 0.5 * (copies == observed), axis=0)
    out = pd.DataFrame(rows)
    out["observed"] = observed
    out["mean"] = np.nanmean(copies, axis=0)
    out["lower"], out["upper"], out["p"] = lower, upper, p
    out["surprising"] = (observed < lower) | (observed > upper)
    # ties of p (0 or 1) by how far outside
    width = np.maximum(upper - lower, 1e-300)
    outside = np.maximum(lower - observed, observed - upper) / width
    order = np.lexsort((-outside, -np.abs(p - 0.5)))
    return out.iloc[order].reset_index(drop=True), order


def _notes(prepared: Prepared, check: str, relation: tuple[str, str] | None) -> tuple[str, ...]:
    notes: list[str] = []
    sample = prepared.sample
    if sample.clusters is not None and check == "correlations":
        notes.append(
            "Within: correlations of deviations from the clusters' means; between: of those means; "
            "ICC: share of a variable's variance between clusters, from its mean squares."
        )
    if sample.ordered and check == "correlations":
        notes.append("Correlations of ordered variables are those of the positions of the answers.")
    if relation is not None:
        for name in relation:
            _, names = indicators_of(prepared.structure, name)
            if len(names) > 1:
                notes.append(f"Score of {name}: mean of the standardised {', '.join(names)}.")
        notes.append(
            "Scores carry measurement error, so their curve is flatter than the construct's; it is "
            "compared with the same curve in data that the model draws, which carry it too."
        )
    hidden = censored_durations(prepared)
    if hidden and relation is None:
        notes.append(
            f"Without {', '.join(sorted(hidden))}, whose values are censored: "
            "fit.response_check compares survival curves."
        )
    if not sample.complete:
        notes.append("Replicated data have the same values missing as the data.")
    return tuple(notes)
