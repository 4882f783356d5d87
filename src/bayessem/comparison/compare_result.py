"""A comparison of models: the table, what its differences amount to, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.comparison.criterion import CrossValidation, Target, target_text
from bayessem.comparison.loo import MATCHED, REFITTED, Loo, k_text
from bayessem.errors import FitError
from bayessem.text.columns import column
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Lines, Notes, Paragraph, Table
from bayessem.text.formats import SHORT, TENTHS, WORD
from bayessem.text.numbers import number

# From so many models on, sentences are about several at once.
MANY = 4
SAID = {
    "no difference": "predicts as well as (a difference below 4 is none)",
    "worse, but not clearly": "predicts better, but not clearly, than",
    "worse": "predicts better than",
    "clearly worse": "predicts clearly better than",
}


@dataclass(frozen=True, repr=False)
class Comparison(Described):
    """Models compared by elpd; `print` it.

    Attributes
    ----------
    table : DataFrame
        A row a model, the best first: elpd, se, p_loo; difference (from the best, 0 or below), its
        se_difference; stacking, pseudo_bma: weights; verdict, in words; unreliable: number of units
        whose Pareto k is too large.
    differences : DataFrame
        elpd of each other model less that of the best, a row a unit: who favours which model.
    results : dict
        The cross-validation of each model.
    notes : tuple of str
        What a reader must know.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    results: dict[str, CrossValidation]
    notes: tuple[str, ...]

    @property
    def best(self) -> str:
        """The model with the largest elpd."""
        return str(self.table.index[0])

    @property
    def target(self) -> Target:
        """What is predicted."""
        return self.results[self.best].target

    def influential(self, model: str, *, count: int = 5) -> pd.DataFrame:
        """The units that say most about a model against the best.

        Parameters
        ----------
        model : str
            One of the other models.
        count : int
            How many.

        Returns
        -------
        DataFrame
            By unit: favours (a model's name), difference (elpd of `model` less the best's), without
            (the difference between the models when this unit and those above it are left out).
        """
        if model not in self.differences:
            known = ", ".join(map(repr, self.differences.columns))
            raise FitError(f"{model!r} is not compared with {self.best!r}; models: {known}")
        column = self.differences[model]
        order = np.argsort(-column.abs().to_numpy(), kind="stable")[:count]
        picked = column.iloc[order]
        return pd.DataFrame(
            {
                "favours": np.where(picked > 0, model, self.best),
                "difference": picked,
                "without": column.sum() - picked.cumsum(),
            }
        )

    def document(self) -> Document:
        """A sentence a model, the table, and who favours which model."""
        table, others = self.table, list(self.differences)
        models = Table(
            (
                Column("", list(table.index)),
                column(table, "elpd", how=TENTHS),
                column(table, "se", "SE", TENTHS),
                column(table, "p_loo", how=TENTHS),
                column(table, "difference", how=TENTHS),
                column(table, "se_difference", "SE", TENTHS),
                column(table, "stacking", how=SHORT),
                column(table, "pseudo_bma", "pseudo-BMA+", SHORT),
                column(table, "verdict", "", WORD),
            )
        )
        shown = others if len(others) < MANY else [table.index[1]]
        return Document.of(
            Paragraph(target_text(self.results[self.best])),
            Lines(tuple(_verdicts(self))),
            models,
            Lines(tuple(_who_favours(self, name) for name in shown)),
            Notes((*self.notes, *_repairs(self.results))),
        )


def _verdicts(result: Comparison) -> list[str]:
    """A sentence a model on how it compares with the best; of many models, one a verdict."""
    others = result.table.iloc[1:]
    if len(others) < MANY:
        return [
            _verdict(result.best, str(name), r["verdict"], abs(r["difference"]), r["se_difference"])
            for name, r in others.iterrows()
        ]
    names = {verdict: others.index[others["verdict"] == verdict] for verdict in SAID}
    return [
        f"{result.best} {words}: {'; '.join(names[verdict])}."
        for verdict, words in SAID.items()
        if len(names[verdict])
    ]


def _verdict(best: str, name: str, verdict: str, size: float, se: float) -> str:
    differs = f"elpd differs by {number(size, 1)} (SE {number(se, 1)}"
    if verdict == "no difference":
        return (
            f"{best} and {name} predict equally well: {differs}), and less than 4 is no difference."
        )
    ratio = f"{number(size / se, 1)} standard errors" if se > 0 else "for every unit the same"
    clear = "clearly " if verdict == "clearly worse" else ""
    doubt = ", but not clearly" if verdict == "worse, but not clearly" else ""
    return f"{best} predicts {clear}better than {name}{doubt}: {differs}; {ratio})."


def _who_favours(result: Comparison, name: str) -> str:
    """How many units each of two models predicts better, and who says most."""
    gap = result.differences[name]
    top = result.influential(name, count=3)
    listed = ", ".join(
        f"{label} ({number(abs(value), 1)} for {favours})"
        for label, value, favours in zip(top.index, top["difference"], top["favours"], strict=True)
    )
    return (
        f"{int((gap < 0).sum())} of {len(gap)} {result.target.unit}s are predicted better by "
        f"{result.best}, {int((gap > 0).sum())} by {name}; those who say most: {listed}. Without "
        f"these {len(top)} the difference is {number(float(top['without'].iloc[-1]), 1)} instead "
        f"of {number(float(gap.sum()), 1)}."
    )


def _repairs(results: Mapping[str, CrossValidation]) -> list[str]:
    """What was repaired in which model; one sentence when nothing was."""
    loos = {name: one for name, one in results.items() if isinstance(one, Loo)}
    touched = {
        name: one for name, one in loos.items() if sum(one.repaired.values()) or one.unreliable
    }
    if loos and not touched:
        limit = k_text(min(one.good_k for one in loos.values()))
        return [f"All Pareto k are at most {limit}: no repair was needed."]
    if len(touched) < MANY:
        return [f"{name}: {note}" for name, one in touched.items() for note in one.notes]
    count = {how: sum(one.repaired[how] for one in touched.values()) for how in (MATCHED, REFITTED)}
    left = {name: len(one.unreliable) for name, one in touched.items() if one.unreliable}
    done = ", ".join(f"{n} by {how}" for how, n in count.items() if n) or "none"
    not_done = ", ".join(f"{name} {n}" for name, n in left.items())
    return [
        f"Pareto k was too large for {sum(count.values()) + sum(left.values())} respondents in "
        f"{len(touched)} of {len(loos)} models; repaired: {done}"
        + (f"; not repaired: {not_done}." if left else ".")
    ]
