"""Items as answers in ordered categories, and the same items as numbers, side by side.

Treating answers as continuous weakens correlations where categories are few or skewed, and bends
relations (Rhemtulla, Brosseau-Liard & Savalei 2012, doi:10.1037/a0029315). How much, depends on the
data: both models are fitted to them, and what a paper reports stands side by side, standardised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayessem.criticism.headline import Quantity, headline
from bayessem.effects.hypotheses import hypotheses as judged
from bayessem.effects.statements import read_hypotheses
from bayessem.errors import ModelError
from bayessem.model.prepare import prepare
from bayessem.posterior.settings import Sampling
from bayessem.results.estimate import estimate
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.syntax.specification import Specification
from bayessem.text.columns import column, labels
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import COUNT, SHORT_ESTIMATE, percent_text
from bayessem.text.numbers import number

KINDS = ("standardised loading", "standardised path", "correlation", "R2", "effect")
TITLES = {
    "standardised loading": "Standardised loadings",
    "standardised path": "Standardised paths",
    "correlation": "Correlations of constructs",
    "R2": "Explained variance (R2)",
    "effect": "Standardised indirect and total effects",
}
MODELS = ("ordered", "continuous")


@dataclass(frozen=True, eq=False, repr=False)
class ResponseComparison(Described):
    """A model of ordered answers beside the same model of numbers; `print` it.

    Attributes
    ----------
    table : DataFrame
        A row a quantity: kind, quantity, group; ordered, ordered_sd, ordered_lower, ordered_upper
        and the same of continuous; difference (continuous - ordered), in_sd (over the posterior sd
        with ordered answers).
    hypotheses : DataFrame
        name, hypothesis, group, and the probability with ordered and with continuous answers;
        empty without any.
    cost : DataFrame
        By model: seconds in all, draws, smallest bulk and tail effective sample size.
    fits : dict of str to Fitted
        "ordered", "continuous".
    ci_prob : float
        Probability of the equal-tailed intervals.
    """

    table: pd.DataFrame
    hypotheses: pd.DataFrame
    cost: pd.DataFrame
    fits: dict[str, Fitted]
    ci_prob: float

    def document(self) -> Document:
        """A sentence, what differs by kind, hypotheses, and the cost."""
        tables = [
            Table(
                (
                    *labels(part, ("quantity", *(["group"] if self._grouped else []))),
                    *(_estimates(part, model) for model in MODELS),
                    column(part, "difference"),
                    column(part, "in_sd", "in SD"),
                ),
                f"{TITLES[str(kind)]}, with {percent_text(self.ci_prob)}s",
            )
            for kind, part in self.table.groupby("kind", sort=False)
        ]
        if len(self.hypotheses):
            own = self.hypotheses
            tables.append(
                Table(
                    (
                        *labels(own, ("name", "hypothesis", "group"), titles={"name": ""}),
                        *(column(own, model, f"P, {model}") for model in MODELS),
                    ),
                    "Probabilities of the hypotheses",
                ).without_empty()
            )
        cost = Table(
            (
                *labels(self.cost, ("model",), titles={"model": ""}),
                column(self.cost, "seconds"),
                column(self.cost, "ess_bulk", "smallest bulk ESS", COUNT),
                column(self.cost, "ess_tail", "smallest tail ESS", COUNT),
            ),
            "What it cost",
        )
        notes = Notes(
            (
                "Difference: continuous less ordered; in SD: over the posterior standard deviation "
                "with ordered answers. Loadings and paths of ordered variables are those of the "
                "latent responses.",
            )
        )
        return Document.of(
            Heading("Answers as ordered categories, and as numbers"),
            self._paragraph(),
            *tables,
            cost,
            notes,
        )

    @property
    def _grouped(self) -> bool:
        return bool((self.table["group"] != "").any())

    def _paragraph(self) -> Paragraph:
        """What treating the answers as numbers changes, in words."""
        said = []
        for kind, words in (
            ("standardised loading", "loadings"),
            ("standardised path", "paths"),
            ("correlation", "correlations of constructs"),
        ):
            own = self.table[self.table["kind"] == kind]
            if own.empty:
                continue
            worst = own.loc[own["difference"].abs().idxmax()]
            said.append(
                f"{words} by {number(own['difference'].mean(), 3)} on average, most that of "
                f"{worst['quantity']}: {number(worst['continuous'], 2)} instead of "
                f"{number(worst['ordered'], 2)}"
            )
        far = self.table[self.table["in_sd"].abs() > 1.0]
        text = f"Treating the answers as numbers changes {'; '.join(said)}. " if said else ""
        text += (
            f"{len(far)} of {len(self.table)} quantities move by more than one posterior standard "
            "deviation"
        )
        turned = self._turned()
        if len(self.hypotheses):
            text += f"; {len(turned)} of {len(self.hypotheses)} hypotheses get another verdict"
            text += f" ({', '.join(turned)})" if turned else ""
        return Paragraph(f"{text}.")

    def _turned(self) -> list[str]:
        """Hypotheses that are supported, contradicted or undecided in one of the two only."""

        def verdict(p: pd.Series) -> np.ndarray:
            return np.select([p >= 0.95, p <= 0.05], [1, -1], 0)

        if self.hypotheses.empty:
            return []
        differ = verdict(self.hypotheses["ordered"]) != verdict(self.hypotheses["continuous"])
        return self.hypotheses.loc[differ, "name"].tolist()


def _estimates(part: pd.DataFrame, model: str) -> Column:
    ends = (model, f"{model}_lower", f"{model}_upper")
    return Column(model, list(zip(*(part[c] for c in ends), strict=True)), SHORT_ESTIMATE)


def compare_responses(
    sem: Specification,
    data: pd.DataFrame,
    *,
    hypotheses: Mapping[str, str] | Sequence[str] | str | None = None,
    ci_prob: float = 0.95,
    sampling: Sampling,
    **reading: Any,
) -> ResponseComparison:
    """Fit a model with its ordered answers, and with the same answers as numbers.

    Arguments, result and errors: `SEM.compare_responses`.

    Parameters
    ----------
    sampling : Sampling
        How to sample both.
    **reading
        As in `prepare`: group, group_order, missing, priors.
    """
    if not sem.table.ordered:
        raise ModelError(
            "the model has no ordered variables, so there is nothing to compare: "
            "SEM(model, ordered=[...])"
        )
    if hypotheses is not None:
        read_hypotheses(hypotheses)  # before anything is sampled
    answered = prepare(sem, data, **reading)
    plain = prepare(as_numbers(sem), answers_as_numbers(data, answered.table.ordered), **reading)
    fits = {
        model: estimate(prepared, sampling)
        for model, prepared in zip(MODELS, (answered, plain), strict=True)
    }
    return ResponseComparison(
        table=_table(fits, ci_prob),
        hypotheses=_hypotheses(fits, hypotheses),
        cost=_cost(fits),
        fits=fits,
        ci_prob=ci_prob,
    )


def as_numbers(sem: Specification) -> Specification:
    """The model with its ordered variables as continuous ones."""
    plain = {"ordered": False, "family": None, "link": "probit", "parameterization": "delta"}
    kept = [s for s in sem.statements if s.op != "|"]
    return Specification.of_statements(sem, kept, options=plain)


def answers_as_numbers(data: pd.DataFrame, ordered: Sequence[str]) -> pd.DataFrame:
    """The data with ordered categories of texts as 1, 2, ..."""
    out = data.copy()
    for name in ordered:
        if isinstance(data[name].dtype, pd.CategoricalDtype):
            codes = data[name].cat.codes.astype(float)
            out[name] = codes.mask(codes < 0) + 1.0
    return out


def _table(fits: Mapping[str, Fitted], ci_prob: float) -> pd.DataFrame:
    """What both models report, side by side."""
    by_model = {model: _quantities(fit) for model, fit in fits.items()}
    keys = [key for key in by_model["ordered"] if key in by_model["continuous"]]
    out = pd.DataFrame(keys, columns=["kind", "quantity", "group"])
    for model in MODELS:
        draws = np.stack([by_model[model][key].values for key in keys], axis=-1)
        found = summarise(draws, ci_prob=ci_prob, quality=False)
        out[model] = found["mean"]
        for what in ("sd", "lower", "upper"):
            out[f"{model}_{what}"] = found[what]
    out["difference"] = out["continuous"] - out["ordered"]
    out["in_sd"] = out["difference"] / out["ordered_sd"].where(out["ordered_sd"] > 0)
    order = {kind: k for k, kind in enumerate(KINDS)}
    return out.sort_values("kind", key=lambda k: k.map(order), kind="stable", ignore_index=True)


def _quantities(fit: Fitted) -> dict[tuple[str, str, str], Quantity]:
    return {(q.kind, q.name, q.group): q for q in headline(fit) if q.kind in KINDS}


def _hypotheses(
    fits: Mapping[str, Fitted], statements: Mapping[str, str] | Sequence[str] | str | None
) -> pd.DataFrame:
    """Probabilities of the hypotheses in both."""
    if statements is None:
        return pd.DataFrame()
    tables = {model: judged(fit, statements).table for model, fit in fits.items()}
    first = tables["ordered"]
    out = first[["name", "hypothesis", "group"]].copy()
    for model in MODELS:
        out[model] = tables[model]["probability"].to_numpy()
    return out


def _cost(fits: Mapping[str, Fitted]) -> pd.DataFrame:
    """Seconds and effective sample sizes."""
    rows = []
    for model, fit in fits.items():
        found = fit.diagnosis
        rows.append(
            {
                "model": model,
                "seconds": fit.timings["total"],
                "draws": fit.settings["chains"] * fit.settings["draws"],
                "ess_bulk": found.lowest_ess_bulk[1],
                "ess_tail": found.lowest_ess_tail[1],
            }
        )
    return pd.DataFrame(rows)
