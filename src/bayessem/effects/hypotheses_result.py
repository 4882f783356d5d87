"""Hypotheses with their posterior probabilities: the result and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.effects.effects import chance_text
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Lines, Notes, Table
from bayessem.text.formats import CHANCE, WORD, percent_text
from bayessem.text.numbers import number

VERDICTS = ("supported", "undecided", "contradicted")


@dataclass(frozen=True, repr=False)
class Hypotheses(Described):
    """Hypotheses with their posterior probabilities; `print` them.

    Attributes
    ----------
    table : DataFrame
        A row a hypothesis (and group): name, hypothesis, group, mean, lower, upper of what is
        compared (left minus right side where both are estimated; nan where it says several
        things), probability, verdict (supported, undecided, contradicted).
    draws : DataArray (chain, draw, hypothesis)
        1 where it is true.
    threshold : float
        Probability from which a hypothesis counts as supported; contradicted from its complement.
    standardized : bool
        Whether paths and effects are standardised.
    ci_prob : float
        Probability of the equal-tailed intervals.
    """

    table: pd.DataFrame
    draws: xr.DataArray
    threshold: float
    standardized: bool
    ci_prob: float

    def document(self) -> Document:
        """The table, a sentence a hypothesis, and how the verdicts are reached."""
        return Document.of(Heading("Hypotheses"), self.answers(), self.shown(), self.notes())

    def shown(self) -> Table:
        """The table as a paper has it."""
        return Table(
            (
                *labels(self.table, ("name", "hypothesis", "group"), titles={"name": ""}),
                column(self.table, "mean", "estimate"),
                intervals(self.table, percent_text(self.ci_prob)),
                column(self.table, "probability", "probability", CHANCE),
                column(self.table, "verdict", how=WORD),
            ),
            "Hypotheses and their posterior probabilities",
            "hypotheses",
        ).without_empty()

    def answers(self) -> Lines:
        """What became of each, a sentence a hypothesis."""
        told = self.table.groupby("name", sort=False)
        return Lines(tuple(_sentence(rows, self.ci_prob) for _, rows in told))

    def notes(self) -> Notes:
        """How the verdicts are reached."""
        total = self.draws.sizes["chain"] * self.draws.sizes["draw"]
        scale = "standardised" if self.standardized else "unstandardised"
        return Notes(
            (
                f"Probability: the share of {total} posterior draws in which the hypothesis is "
                f"true, given the model and its priors. Supported from {self.threshold:g}, "
                f"contradicted up to {1 - self.threshold:.3g}, undecided between. Estimates are "
                f"{scale}.",
            )
        )


def _sentence(rows: pd.DataFrame, ci_prob: float) -> str:
    """A hypothesis in words; of several groups which verdict holds where."""
    row = rows.iloc[0]
    claim = f"{row['name']} ({row['hypothesis']}) is"
    if len(rows) > 1:
        chances = rows["probability"]
        lowest, highest = chance_text(chances.min()), chance_text(chances.max())
        by = {v: own["group"].tolist() for v, own in rows.groupby("verdict", sort=False)}
        listed = "; ".join(
            f"{verdict} in {f'all {len(rows)} groups' if len(by) == 1 else ', '.join(groups)}"
            for verdict, groups in by.items()
        )
        same = f"probability {lowest}" if lowest == highest else (
            f"probabilities {lowest} to {highest}"
        )  # fmt: skip
        return f"{claim} {listed}: {same}."
    text = f"{claim} {row['verdict']}: probability {chance_text(row['probability'])}"
    if np.isnan(row["mean"]):
        return f"{text}."
    return (
        f"{text}; estimate {number(row['mean'])}, {percent_text(ci_prob)} "
        f"{number(row['lower'])} to {number(row['upper'])}."
    )
