"""A mediation: its tables, a paragraph that says what they amount to, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.effects.baron_kenny import conclusion
from bayessem.effects.effects import (
    Effects,
    chance_text,
    effects_table,
    sd_text,
    without_repetition,
)
from bayessem.text.columns import column, intervals, labels, summary
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Lines, Notes, Paragraph, Table
from bayessem.text.formats import YES, percent_text
from bayessem.text.numbers import number

TYPES = ("indirect-only", "complementary", "competitive", "direct-only", "none")
IN_WORDS = {
    "indirect-only": "indirect-only (full) mediation",
    "complementary": "complementary (partial) mediation",
    "competitive": "competitive mediation (direct and indirect effect of opposite sign)",
    "direct-only": "a direct effect only (no mediation)",
    "none": "neither a direct nor an indirect effect",
}


@dataclass(frozen=True, repr=False)
class Mediation(Described):
    """Mediation of the effect of x on y; `print` it.

    Attributes
    ----------
    x, y : str
    mediators : tuple of str
        Variables between them, causes first.
    effects, standardized : Effects
        Unstandardised and standardised.
    types : DataFrame
        A row a path (and the total indirect effect) and group: posterior probability of each of
        `TYPES`, and the most probable one.
    proportion : DataFrame
        group, p_signs_agree, and median, lower, upper of total indirect / total over the draws
        in which direct and indirect effect have the same sign; nan where that is not sure enough.
    steps : DataFrame
        Baron and Kenny's.
    conditional : DataFrame
        Conditional indirect effects: moderator, value_sd, effect, path, group, and their summary.
    index : DataFrame
        Index of moderated mediation: moderator, effect, path, group, and its summary; empty where
        there is none.
    rope, rope_indirect : float
        Standardised direct and indirect effects smaller than these count as none.
    notes : tuple of str
        What a reader must know, in words.
    """

    x: str
    y: str
    mediators: tuple[str, ...]
    effects: Effects
    standardized: Effects
    types: pd.DataFrame
    proportion: pd.DataFrame
    steps: pd.DataFrame
    conditional: pd.DataFrame
    index: pd.DataFrame
    rope: float
    rope_indirect: float
    notes: tuple[str, ...]

    def document(self) -> Document:
        """A paragraph a group, then the tables."""
        return Document.of(
            Heading(f"Mediation of {self.x} -> {self.y} by {', '.join(self.mediators)}"),
            self.answers(),
            _effects("Effects, unstandardised", self.effects),
            _effects("Effects, standardised", self.standardized),
            _types(self),
            _conditional(self),
            _steps(self),
            Notes(self.notes),
        )

    def to_frame(self) -> pd.DataFrame:
        """The unstandardised effects; the standardised ones are `standardized.to_frame()`."""
        return self.effects.to_frame()

    def answers(self) -> list[Paragraph]:
        """What it amounts to, a paragraph a group."""
        return [Paragraph(_paragraph(self, group)) for group in self.proportion["group"]]


def _effects(title: str, effects: Effects) -> Table:
    return effects_table(without_repetition(effects.table), effects.ci_prob, title=title)


def _find(effects: Effects, effect: str, group: str) -> dict | None:
    table = effects.table
    general = (table["at"] == "") | table["at"].str.startswith("averaged")
    rows = table[(table["effect"] == effect) & (table["group"] == group) & general]
    return rows.iloc[0].to_dict() if len(rows) else None


def _paragraph(result: Mediation, group: str) -> str:
    """The result for one group in words."""
    percent = percent_text(result.effects.ci_prob)

    def said(effect: str) -> str:
        raw, std = (_find(e, effect, group) for e in (result.effects, result.standardized))
        if raw is None or std is None:
            return ""
        sign = max(raw["p_positive"], 1.0 - raw["p_positive"])
        side = "positive" if raw["p_positive"] >= 0.5 else "negative"
        return (
            f"{number(raw['mean'])}, {percent} {number(raw['lower'])} to {number(raw['upper'])} "
            f"(standardised {number(std['mean'])}; {side} with probability {chance_text(sign)})"
        )

    where = f"In group {group}: the" if group else "The"
    through = f"through {_listed(result.mediators)}"
    averaged = (_find(result.effects, "total indirect", group) or {"at": ""})["at"]
    kind = f"indirect effect ({averaged})" if averaged else "indirect effect"
    text = f"{where} {kind} of {result.x} on {result.y} {through} is {said('total indirect')}. "
    direct = said("direct")
    text += f"The direct effect is {direct}. " if direct else "The model has no direct effect. "
    text += f"The total effect is {said('total')}. "
    rows = result.types[result.types["group"] == group]
    row = rows[rows["path"] == "total indirect"].iloc[0]
    chance = float(row[row["type"]])
    text += (
        f"The most probable type is {IN_WORDS[row['type']]}, with probability {chance_text(chance)}"
    )
    second = sorted(((float(row[t]), t) for t in IN_WORDS), reverse=True)[1]
    if chance < 0.95:
        text += f", before {IN_WORDS[second[1]]}, {chance_text(second[0])}"
        text += " (undecided). " if chance < 0.75 else ". "
    else:
        text += ". "
    share = result.proportion[result.proportion["group"] == group].iloc[0]
    if not direct:
        return text.strip()
    if np.isnan(share["median"]):
        text += (
            "No proportion mediated is given: it needs a direct and an indirect effect of the same "
            f"sign, which has probability {chance_text(share['p_signs_agree'])} here."
        )
    else:
        text += (
            f"Of the total effect, {100 * share['median']:.0f} % is mediated "
            f"({percent} {100 * share['lower']:.0f} to {100 * share['upper']:.0f} %"
        )
        agree = share["p_signs_agree"]
        text += ")." if agree > 0.999 else f", given that both signs agree: {chance_text(agree)})."
    return text


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _types(result: Mediation) -> Table:
    table = result.types
    if (table["path"] != "total indirect").sum() == table["group"].nunique():
        table = table[table["path"] != "total indirect"]
    title = (
        "Type of mediation, posterior probabilities (Zhao, Lynch & Chen 2010); a standardised "
        f"direct effect within +-{result.rope:g} and an indirect one within "
        f"+-{result.rope_indirect:g} count as none"
    )
    names = labels(table, ("path", "group"), titles={"path": ""})
    return Table((*names, *(column(table, kind) for kind in IN_WORDS)), title)


def _conditional(result: Mediation) -> Table | None:
    if not len(result.conditional):
        return None
    table = pd.concat([result.conditional, result.index], ignore_index=True)
    where = [
        f"{r['moderator']} at {sd_text(r['value_sd'])}"
        if k < len(result.conditional)
        else f"index by {r['moderator']}"
        for k, r in enumerate(table.to_dict("records"))
    ]
    names = [path or effect for path, effect in zip(table["path"], table["effect"], strict=True)]
    return Table(
        (
            Column("", names),
            *labels(table, ("group",)),
            Column("", where),
            *summary(table, result.effects.ci_prob),
        ),
        "Conditional indirect effects (unstandardised)",
    )


def _steps(result: Mediation) -> Iterator[Table | Lines]:
    steps = result.steps
    yield Table(
        (
            *labels(steps, ("step", "relation", "group"), titles={"step": "", "relation": ""}),
            column(steps, "mean", "estimate"),
            intervals(steps, percent_text(result.effects.ci_prob)),
            column(steps, "differs", "differs from 0", YES),
        ),
        "Baron and Kenny's (1986) steps, for comparison",
    )
    verdicts = []
    for label in dict.fromkeys(steps["group"]):
        own = steps[steps["group"] == label]
        prefix = f"{label}, " if label else ""
        verdicts += [
            f"By these steps, {prefix}for {m}: {conclusion(own, m)}." for m in result.mediators
        ]
    yield Lines(tuple(verdicts))
